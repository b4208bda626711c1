//! The metadata writer: a machine of its own, with at most one generation in flight.
//!
//! ```text
//! Idle -> (Barrier) -> Write -> Seal -> Idle
//!            flush     record   flush     ^
//!                        |                |
//!                        +----> Hold -----+
//!                               flush
//! ```
//!
//! A member that fails in a generation is lost, and the generation is written again without it,
//! with the next event count: at most once for each member. Those that took the record make it
//! durable first (Hold): no member may miss two event counts because another failed, or a crash
//! would leave it out of the array. Changes that arrive while a generation
//! is in flight join the next.

use super::{Consistency, Record, Replacement, Shaping};
use crate::batch::{Batch, Results, Round, Settled};
use crate::host::{Busy, Command, Completion, Misuse, Token};
use crate::members::MemberSet;
use crate::units::{Generation, MemberIndex, Sectors};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Writer {
    state: State,
    /// The event count of the last record that may be on a member.
    events: u64,
    /// The last generation that is durable on every live member.
    recorded: Generation,
    /// The last generation that somebody waits for.
    wanted: Generation,
    /// The last generation that was begun.
    begun: Generation,
    epoch: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    /// Nothing is in flight.
    Idle,
    /// Data that the record will vouch for is being made durable.
    Barrier(Flight),
    /// The record is being written.
    Write(Flight),
    /// The record is being made durable.
    Seal(Flight),
    /// So it is by those that took it, while others failed to: it will be begun again.
    Hold(Flight),
}

/// One step of a generation on all live members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Flight {
    record: Record,
    io: Batch,
}

/// What the writer needs to know of the array when it begins a generation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) consistency: Consistency,
    /// Who is lost: never written.
    pub(crate) absent: MemberSet,
    /// Of these, members: who the record calls failed.
    pub(crate) failed: MemberSet,
    pub(crate) replacement: Option<Replacement>,
    /// Members that metadata goes to.
    pub(crate) present: MemberSet,
    /// Members that are valid up to `rebuilt_to` only.
    pub(crate) rebuilding: MemberSet,
    pub(crate) rebuilt_to: Sectors,
    /// Of these, those that lack no more than what bits cover.
    pub(crate) by_intent: MemberSet,
    pub(crate) shaping: Shaping,
    pub(crate) claims: Claims,
}

/// What the record vouches for, so that it has to be durable before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claims {
    /// That parity and copies agree with the data, as far as it says.
    OfConsistency,
    /// Besides, that members hold what was rebuilt, or moved to a new shape.
    OfMembers,
}

/// What a step of the writer led to.
pub(crate) enum WriterStep {
    /// Another state was entered, or a generation is durable.
    Moved,
    /// Completions are due.
    Waiting,
    /// The host was busy for this member.
    Refused(MemberIndex),
    /// These members failed; the generation begins again without them.
    Lost(Results),
}

/// Whether the writer has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A generation is wanted, or the one in flight has come back.
    Step,
    /// Nothing until a completion or a change.
    Rest,
}

impl Writer {
    pub(crate) const fn new(events: u64) -> Self {
        Self {
            state: State::Idle,
            events,
            recorded: Generation(0),
            wanted: Generation(0),
            begun: Generation(0),
            epoch: 0,
        }
    }

    /// Asks for a generation that says what is true now. Returns the generation to wait for.
    pub(crate) const fn want(&mut self) -> Generation {
        // Whatever is in flight was made from what was true before.
        self.wanted = self.begun.next();
        self.wanted
    }

    pub(crate) const fn recorded(&self) -> Generation {
        self.recorded
    }

    pub(crate) const fn wanted(&self) -> Generation {
        self.wanted
    }

    pub(crate) const fn events(&self) -> u64 {
        self.events
    }

    /// Members to whom a command is in flight.
    pub(crate) const fn in_flight(&self) -> MemberSet {
        match self.state {
            State::Idle => MemberSet::NONE,
            State::Barrier(flight)
            | State::Write(flight)
            | State::Seal(flight)
            | State::Hold(flight) => flight.io.in_flight(),
        }
    }

    /// Whether the generation in flight says that a member is to be used.
    pub(crate) fn trusts(&self, member: MemberIndex) -> bool {
        match self.state {
            State::Idle => false,
            State::Barrier(flight)
            | State::Write(flight)
            | State::Seal(flight)
            | State::Hold(flight) => !flight.record.failed.contains(member),
        }
    }

    #[inline]
    pub(crate) fn need(&self) -> Need {
        match self.state {
            State::Idle if self.wanted > self.recorded => Need::Step,
            State::Idle => Need::Rest,
            State::Barrier(flight)
            | State::Write(flight)
            | State::Seal(flight)
            | State::Hold(flight) => {
                if flight.io.in_flight().is_empty()
                    || flight.io.open() > flight.io.in_flight().count()
                {
                    Need::Step
                } else {
                    Need::Rest
                }
            }
        }
    }

    /// Takes one step: begins a generation, issues commands, or goes on to the next state.
    pub(crate) fn step(
        &mut self,
        facts: Facts,
        mut submit: impl FnMut(Token, Task) -> Result<(), Busy>,
    ) -> WriterStep {
        let owner = crate::host::Owner::Metadata;
        let epoch = self.epoch;
        let mut offer = |flight: Flight, task: Task| {
            flight.io.offer(facts.absent, |member| submit(Token { owner, epoch, member }, task))
        };
        match self.state {
            State::Idle => {
                self.begin(facts);
                WriterStep::Moved
            }
            State::Barrier(flight) => {
                let round = offer(flight, Task::Flush);
                self.settle_round(flight, round, State::Barrier, |record| {
                    State::Write(Flight { record, io: Batch::of(concerned(facts, &record)) })
                })
            }
            State::Write(flight) => {
                // From the first of these on, a member may hold this event count.
                self.events = flight.record.events;
                let round = offer(flight, Task::Record(flight.record));
                let step = self.settle_round(flight, round, State::Write, |record| {
                    State::Seal(Flight { record, io: Batch::of(concerned(facts, &record)) })
                });
                if let WriterStep::Lost(results) = &step {
                    let took = concerned(facts, &flight.record).difference(results.lost());
                    let io = Batch::of(took);
                    self.state = State::Hold(Flight { io, ..flight });
                }
                step
            }
            State::Seal(flight) => {
                let round = offer(flight, Task::Flush);
                let step = self.settle_round(flight, round, State::Seal, |_| State::Idle);
                if let (State::Idle, WriterStep::Moved) = (self.state, &step) {
                    self.recorded = self.begun;
                }
                step
            }
            State::Hold(flight) => {
                let round = offer(flight, Task::Flush);
                self.settle_round(flight, round, State::Hold, |_| State::Idle)
            }
        }
    }

    fn begin(&mut self, facts: Facts) {
        self.begun = self.wanted.max(self.begun);
        let record = Record {
            events: self.events.saturating_add(1),
            consistency: facts.consistency,
            failed: facts.failed,
            rebuilding: facts.rebuilding,
            rebuilt_to: facts.rebuilt_to,
            by_intent: facts.by_intent,
            replacement: facts.replacement,
            shaping: facts.shaping,
        };
        let flight = Flight { record, io: Batch::of(facts.present) };
        self.enter(match (facts.claims, facts.consistency) {
            // It vouches for nothing, so nothing has to be durable before it.
            (Claims::OfConsistency, Consistency::InSyncTo(Sectors::ZERO)) => State::Write(flight),
            (Claims::OfMembers | Claims::OfConsistency, _) => State::Barrier(flight),
        });
    }

    fn settle_round(
        &mut self,
        flight: Flight,
        round: Round,
        stay: impl Fn(Flight) -> State,
        next: impl Fn(Record) -> State,
    ) -> WriterStep {
        match round {
            Round::Waiting(io) => {
                self.state = stay(Flight { io, ..flight });
                WriterStep::Waiting
            }
            Round::Refused(io, member) => {
                self.state = stay(Flight { io, ..flight });
                WriterStep::Refused(member)
            }
            Round::Quiet(results) => {
                if results.lost().is_empty() {
                    self.enter(next(flight.record));
                    WriterStep::Moved
                } else {
                    // What was to be recorded is not; it is begun again from what is true then.
                    self.enter(State::Idle);
                    self.wanted = self.wanted.max(self.begun);
                    WriterStep::Lost(results)
                }
            }
        }
    }

    fn enter(&mut self, state: State) {
        self.epoch = self.epoch.wrapping_add(1);
        self.state = state;
    }

    /// Records how one command ended.
    pub(crate) fn settle(
        &mut self,
        token: Token,
        completion: Completion,
    ) -> Result<Settled, Misuse> {
        if token.epoch != self.epoch {
            return Err(Misuse::UnknownToken);
        }
        match &mut self.state {
            State::Idle => Err(Misuse::UnknownToken),
            State::Barrier(flight)
            | State::Write(flight)
            | State::Seal(flight)
            | State::Hold(flight) => flight.io.settle(token.member, completion),
        }
    }
}

/// Who gets a record: not a device that came in since it was made. A member that is superseded by its
/// replacement gets it as well: should the replacement fail over it, the member may not have missed it.
fn concerned(facts: Facts, record: &Record) -> MemberSet {
    let replaced = record.replacement.map(|replacement| replacement.member);
    facts.present.difference(record.failed.difference(replaced.into_iter().collect()))
}

/// One command of the writer, but for its device.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    Flush,
    Record(Record),
}

impl Task {
    pub(crate) const fn command(
        self,
        device: crate::units::DeviceIndex,
        member: MemberIndex,
    ) -> Command {
        match self {
            Self::Flush => Command::Flush { device },
            Self::Record(record) => Command::Record { device, member, record },
        }
    }
}
