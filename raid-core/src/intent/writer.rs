//! The machine that keeps the bits on the members, with at most one batch in flight.
//!
//! ```text
//!         lines in which bits are set        what they outlive
//! Idle -> Write -> ... -> Write -> Seal -> Record -> Idle     the writes that waited may begin
//!                                  flush   waits
//! Idle -> Barrier -> Idle -> Clear -> Idle -> ...             a sweep
//!         flush              a line
//! ```
//!
//! A batch gathers the lines that waiting operations want bits in. A member that fails in it is lost,
//! as with metadata; since it may lack bits that the others have, nobody begins to write before its
//! loss is on record.
//!
//! A sweep flushes every member, and then clears, line after line, the bits of chunks that nothing
//! was written under since the sweep before: all of that is durable. Batches and its lines take turns.

use super::IntentLine;
use super::table::{Intent, Wish};
use crate::batch::{Batch, Results, Round, Settled};
use crate::host::{Busy, Command, Completion, Misuse, Owner, Token};
use crate::members::MemberSet;
use crate::units::{DeviceIndex, Generation, MemberIndex};

/// Most lines of one batch. An operation needs two at most.
const LINES_MAX: usize = 8;

/// The lines of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Lines {
    numbers: [u32; LINES_MAX],
    count: u8,
}

impl Lines {
    /// Adds these, each once, as long as there is room.
    pub(crate) fn add(&mut self, numbers: impl Iterator<Item = u32>) {
        for number in numbers {
            let known = self.has(number);
            if let (false, Some(place)) = (known, self.numbers.get_mut(usize::from(self.count))) {
                *place = number;
                self.count = self.count.saturating_add(1);
            }
        }
    }

    fn has(&self, number: u32) -> bool {
        self.numbers.iter().take(self.count.into()).any(|other| *other == number)
    }

    fn get(&self, place: u8) -> Option<u32> {
        let number = self.numbers.get(usize::from(place));
        number.copied().filter(|_| place < self.count)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct IntentWriter {
    state: State,
    sweep: Sweep,
    /// Who goes first where both could.
    turn: Turn,
    epoch: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Turn {
    Batch,
    Sweep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    /// Nothing is in flight.
    Idle,
    /// A line of a batch is being written: the one at this place.
    Write { lines: Lines, place: u8, line: IntentLine, io: Batch },
    /// The batch is being made durable.
    Seal { lines: Lines, io: Batch },
    /// It is, and waits for the record of a loss.
    Record { lines: Lines, until: Generation },
    /// Everything that was written is being made durable.
    Barrier(Batch),
    /// A line in which bits are clear is being written.
    Clear { line: IntentLine, io: Batch },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sweep {
    Rest,
    /// To begin.
    Asked,
    /// At this line.
    At(u32),
}

/// What there is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing until a completion, a record or a wish.
    Rest,
    /// What is in flight can go on.
    Step,
    /// The batch that waits for this generation can be released if that is recorded.
    Record(Generation),
    /// A sweep is to begin.
    Sweep,
    /// A sweep is at this line.
    Line(u32),
    /// Nothing is in flight: a batch may begin.
    Batch,
}

/// What a step led to.
pub(crate) enum IntentStep {
    /// Another state was entered, or all is issued.
    Moved,
    /// These members failed; what was in flight goes on without them.
    Lost(Results),
    /// Bits have come to where they were to be: who waits for them may go on.
    Settled,
    /// The host was busy for this member.
    Refused(MemberIndex),
}

impl IntentWriter {
    pub(super) const IDLE: Self =
        Self { state: State::Idle, sweep: Sweep::Rest, turn: Turn::Batch, epoch: 0 };

    /// Members to whom a command is in flight.
    pub(crate) const fn in_flight(&self) -> MemberSet {
        match &self.state {
            State::Idle | State::Record { .. } => MemberSet::NONE,
            State::Write { io, .. }
            | State::Seal { io, .. }
            | State::Barrier(io)
            | State::Clear { io, .. } => io.in_flight(),
        }
    }

    /// Whether a device that comes in now would miss nothing.
    pub(crate) const fn is_between_batches(&self) -> bool {
        match self.state {
            State::Idle => true,
            State::Write { .. }
            | State::Seal { .. }
            | State::Record { .. }
            | State::Barrier(_)
            | State::Clear { .. } => false,
        }
    }

    /// Asks for a sweep, unless one is on its way.
    pub(crate) const fn ask_for_sweep(&mut self) {
        if let Sweep::Rest = self.sweep {
            self.sweep = Sweep::Asked;
        }
    }

    pub(crate) const fn turn(&self) -> Turn {
        self.turn
    }

    /// There is nothing to be swept while a member is missing or behind.
    pub(crate) const fn give_up_sweep(&mut self) {
        self.sweep = Sweep::Rest;
    }

    #[inline]
    pub(super) fn need(&self) -> Need {
        match &self.state {
            State::Idle => match self.sweep {
                Sweep::Rest => Need::Batch,
                Sweep::Asked => Need::Sweep,
                Sweep::At(line) => Need::Line(line),
            },
            State::Record { until, .. } => Need::Record(*until),
            State::Write { io, .. }
            | State::Seal { io, .. }
            | State::Barrier(io)
            | State::Clear { io, .. } => {
                let waiting = io.in_flight().count();
                if waiting == 0 || io.open() > waiting { Need::Step } else { Need::Rest }
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
            State::Idle | State::Record { .. } => Err(Misuse::UnknownToken),
            State::Write { io, .. }
            | State::Seal { io, .. }
            | State::Barrier(io)
            | State::Clear { io, .. } => io.settle(token.member, completion),
        }
    }
}

/// The members, as the machine sees them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) present: MemberSet,
    pub(crate) absent: MemberSet,
    /// The generation that a loss waits for, if one does.
    pub(crate) unrecorded: Option<Generation>,
}

impl Intent<'_> {
    #[inline]
    pub(crate) fn need(&self) -> Need {
        self.writer.need()
    }

    /// Begins to set the bits that are wanted in these lines, if any. Who waits for others will wish
    /// again.
    pub(crate) fn begin_batch(&mut self, lines: Lines, present: MemberSet) {
        self.wish = Wish::Nothing;
        self.writer.turn = Turn::Sweep;
        if lines.count > 0 {
            self.write_line(lines, 0, present);
        }
    }

    fn write_line(&mut self, lines: Lines, place: u8, present: MemberSet) {
        let io = Batch::of(present);
        let state = match lines.get(place) {
            Some(number) => State::Write { lines, place, line: self.begin_setting(number), io },
            None => State::Seal { lines, io },
        };
        self.writer.enter(state);
    }

    /// Begins a sweep.
    pub(crate) fn begin_sweep(&mut self, present: MemberSet) {
        self.writer.sweep = Sweep::At(0);
        self.writer.turn = Turn::Batch;
        self.writer.enter(State::Barrier(Batch::of(present)));
    }

    /// Goes on with a sweep behind this line, which is to become like that if anything.
    pub(crate) fn sweep_line(&mut self, number: u32, line: Option<IntentLine>, present: MemberSet) {
        self.writer.turn = Turn::Batch;
        let next = number.saturating_add(1);
        self.writer.sweep = if next < self.lines() { Sweep::At(next) } else { Sweep::Rest };
        if let Some(line) = line {
            self.writer.enter(State::Clear { line, io: Batch::of(present) });
        }
    }

    /// The loss that the batch waited for is on record: its bits are set.
    pub(crate) fn release(&mut self) {
        match self.writer.state {
            State::Record { lines, .. } => self.end_batch(lines),
            State::Idle
            | State::Write { .. }
            | State::Seal { .. }
            | State::Barrier(_)
            | State::Clear { .. } => {}
        }
    }

    fn end_batch(&mut self, lines: Lines) {
        for number in lines.numbers.iter().take(lines.count.into()) {
            self.settle(*number);
        }
        self.writer.enter(State::Idle);
    }

    /// Issues commands, or goes on to the next state.
    pub(crate) fn step(
        &mut self,
        facts: Facts,
        mut submit: impl FnMut(Token, Task) -> Result<(), Busy>,
    ) -> IntentStep {
        let (owner, epoch) = (Owner::Intent, self.writer.epoch);
        let mut offer = |io: Batch, task: Task| {
            io.offer(facts.absent, |member| submit(Token { owner, epoch, member }, task))
        };
        let round = match self.writer.state {
            State::Idle | State::Record { .. } => return IntentStep::Moved,
            State::Seal { io, .. } | State::Barrier(io) => offer(io, Task::Flush),
            State::Write { line, io, .. } | State::Clear { line, io } => {
                offer(io, Task::Record(line))
            }
        };
        match round {
            Round::Waiting(io) => {
                self.writer.state = self.writer.state.with(io);
                IntentStep::Moved
            }
            Round::Refused(io, member) => {
                self.writer.state = self.writer.state.with(io);
                IntentStep::Refused(member)
            }
            Round::Quiet(results) if results.lost().difference(facts.absent).is_empty() => {
                self.end_round(facts)
            }
            Round::Quiet(results) => {
                // It comes back here once they are lost, with nothing left to issue.
                self.writer.state = self.writer.state.with(Batch::of(MemberSet::NONE));
                IntentStep::Lost(results)
            }
        }
    }

    fn end_round(&mut self, facts: Facts) -> IntentStep {
        match self.writer.state {
            State::Idle | State::Record { .. } => IntentStep::Moved,
            State::Write { lines, place, .. } => {
                self.write_line(lines, place.saturating_add(1), facts.present);
                IntentStep::Moved
            }
            State::Seal { lines, .. } => match facts.unrecorded {
                Some(until) => {
                    self.writer.enter(State::Record { lines, until });
                    IntentStep::Moved
                }
                None => {
                    self.end_batch(lines);
                    IntentStep::Settled
                }
            },
            State::Barrier(_) => {
                self.writer.enter(State::Idle);
                IntentStep::Moved
            }
            State::Clear { line, .. } => {
                self.settle(line.number);
                self.writer.enter(State::Idle);
                IntentStep::Settled
            }
        }
    }
}

impl State {
    /// The same state, with this much of it done.
    const fn with(self, io: Batch) -> Self {
        match self {
            Self::Idle | Self::Record { .. } => self,
            Self::Write { lines, place, line, .. } => Self::Write { lines, place, line, io },
            Self::Seal { lines, .. } => Self::Seal { lines, io },
            Self::Barrier(_) => Self::Barrier(io),
            Self::Clear { line, .. } => Self::Clear { line, io },
        }
    }
}

/// One command of the machine, but for its device.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    Flush,
    Record(IntentLine),
}

impl Task {
    pub(crate) const fn command(self, device: DeviceIndex, member: MemberIndex) -> Command {
        match self {
            Self::Flush => Command::Flush { device },
            Self::Record(line) => Command::RecordIntent { device, member, line },
        }
    }
}
