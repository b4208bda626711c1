//! The engine: takes requests in, runs their stripe operations, answers.
//!
//! [`Engine::start`] takes a request in and calls nothing back. [`Engine::on_done`] records one
//! completion and does nothing else. [`Engine::poll`] takes steps: it is the only place from which
//! the host is called, and it takes no more steps than it is told.

mod abandon;
mod admission;
mod background;
mod backup;
mod intent;
mod logging;
mod overlap;
mod quiesce;
mod replacement;
mod requests;
mod reshape;
mod settle;
mod slots;

pub use crate::array::{
    Access, Backup, BadBlock, Behind, Dirty, Fate, JournalSeat, ReadsFrom, Reshape, RowLog, Seat,
    SeatRefusal, Setup, SetupError,
};
pub use crate::host::Blocked;
pub use crate::metadata::Replacement;
pub use crate::pass::{
    Activity, Halt, OnLoss, PassEnd, PassKind, PassRefusal, PassReport, ReshapeEnd, ReshapeHalt,
    ReshapeRefusal, ReshapeReport, ReshapeStop, StopReason,
};
pub use admission::{Frees, Refusal};
pub use requests::RequestSlot;
pub use slots::{SLOT_BYTES_MAX, Slot};

use crate::array::Array;
use crate::batch::Settled;
use crate::geometry::Geometry;
use crate::host::{Completion, Host, Misuse, Owner, SlotIndex, Token};
use crate::intent::IntentMap;
use crate::io_limits::IoLimits;
use crate::limits::{REQUESTS_MAX, SLOTS_MAX};
use crate::log::Share;
use crate::members::MemberState;
use crate::metadata::{Need, WriterStep};
use crate::pass::{Pass, Reshaping};
use crate::stripe::{Awaits, Ending, Next, Outcome, Ports, Stripe};
use crate::units::{Generation, MemberIndex, Sectors};
use abandon::Abandoned;
use overlap::{Overlaps, Turn};
use quiesce::Running;
use requests::Requests;
use slots::{Occupant, Slots};

/// Memory that the host lends to the engine for as long as it lives.
#[derive(Debug)]
pub struct Memory<'m> {
    /// One for each stripe operation at a time, 1 to 4096. The host sets aside a lane for each
    /// member of each, and one more if the array has a log of partial parity:
    /// [`Engine::lanes_per_slot`].
    pub slots: &'m mut [Slot],
    /// How many of the slots, the last ones, background passes have to themselves: passes and
    /// requests then cannot starve each other. With none there can be no pass. At least one slot is
    /// for requests.
    pub background: u16,
    /// One for each request at a time, 1 to 4096.
    pub requests: &'m mut [RequestSlot],
    /// The ranges of members that are known to be bad, in any order, and a [`BadBlock::FREE`] for
    /// each that may be found besides. A range that does not fit costs its member its place; with
    /// no memory at all, none is looked for.
    ///
    /// Where parity may not agree with the data ([`Setup::consistency`]), nothing is made from it, so
    /// a resync gives up the data in these ranges. Ask before, or set [`Dirty::Force`].
    pub bad_blocks: &'m mut [BadBlock],
    /// The write-intent bitmap, for an array that has one.
    pub bitmap: Option<IntentMap<'m>>,
}

impl<'m> Memory<'m> {
    /// Memory for requests, and nothing of what can be done without.
    #[must_use]
    pub const fn new(slots: &'m mut [Slot], requests: &'m mut [RequestSlot]) -> Self {
        Self { slots, background: 0, requests, bad_blocks: &mut [], bitmap: None }
    }
}

/// A RAID engine for one array.
#[derive(Debug)]
pub struct Engine<'m> {
    array: Array<'m>,
    slots: Slots<'m>,
    requests: Requests<'m>,
    overlaps: Overlaps,
    pass: Pass,
    abandoned: Abandoned,
    running: Running,
    lanes_per_slot: usize,
    /// What operations that wait for a record were last told.
    told: (Generation, Fate),
}

/// What a poll came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is nothing to do until a completion is reported or a request started.
    Idle,
    /// The budget is used up; there is more to do.
    More,
    /// The host refused commands, and nothing else is left to do. Poll again when it can take them.
    HostBusy(Blocked),
}

/// What the machines beside the stripes' were refused in a poll.
struct Refused {
    writer: Option<Blocked>,
    intent: Option<Blocked>,
    pass: Option<Blocked>,
}

/// What a step of the engine led to.
enum Stepped {
    Moved,
    Refused(Blocked),
    Nothing,
}

impl<'m> Engine<'m> {
    /// An engine for the array as it is. It issues nothing before a request asks for it.
    ///
    /// Tokens start anew with each engine: no command of an engine before it may be in flight.
    ///
    /// # Errors
    /// What about the setup cannot be worked with.
    pub fn new(setup: &Setup<'_>, memory: Memory<'m>) -> Result<Self, SetupError> {
        Self::with_shapes(setup, None, memory)
    }

    /// An engine for an array that is to be reshaped, or that is on record as being reshaped. The
    /// setup has the old shape and seats for every place of both. Nothing is moved before
    /// [`Engine::start_reshape`]; until the reshape is at its end, the array serves what both
    /// shapes have room for.
    ///
    /// That is its own constructor because a reshape takes lanes for the members of both shapes, and
    /// memory of its own: an engine at work is quiesced and another one made.
    ///
    /// # Errors
    /// What about the setup or the reshape cannot be worked with.
    pub fn reshaping(
        setup: &Setup<'_>,
        reshape: &Reshape<'_>,
        memory: Memory<'m>,
    ) -> Result<Self, SetupError> {
        let mut engine = Self::with_shapes(setup, Some(reshape), memory)?;
        engine.pass = Pass::Reshape(Reshaping::Rest(ReshapeHalt::Loaded));
        Ok(engine)
    }

    fn with_shapes(
        setup: &Setup<'_>,
        reshape: Option<&Reshape<'_>>,
        memory: Memory<'m>,
    ) -> Result<Self, SetupError> {
        let fits = |count: usize, max: usize| (1..=max).contains(&count);
        if !fits(memory.slots.len(), SLOTS_MAX) || !fits(memory.requests.len(), REQUESTS_MAX) {
            return Err(SetupError::Memory);
        }
        if usize::from(memory.background) >= memory.slots.len() {
            return Err(SetupError::Memory);
        }
        let array = Array::new(setup, reshape, memory.bad_blocks, memory.bitmap)?;
        let members = usize::try_from(array.places().count()).unwrap_or(usize::MAX);
        let more = usize::from(array.log.room().is_some());
        Ok(Self {
            told: (array.recorded(), array.fate()),
            array,
            slots: Slots::new(memory.slots, memory.background),
            requests: Requests::new(memory.requests),
            overlaps: Overlaps::new(),
            pass: Pass::Idle,
            abandoned: Abandoned::NONE,
            running: Running::Serving,
            lanes_per_slot: members.saturating_add(more),
        })
    }

    /// Where each block of the array lies; in the old shape until a reshape is at its end.
    #[must_use]
    pub const fn geometry(&self) -> &Geometry {
        self.array.geometry()
    }

    /// How much of the array is served: all of it, or while it is being reshaped what both shapes have
    /// room for.
    #[must_use]
    pub fn size(&self) -> Sectors {
        self.array.size()
    }

    /// What all devices together can take in one command.
    #[must_use]
    pub const fn limits(&self) -> &IoLimits {
        self.array.limits()
    }

    /// The length of a lane.
    #[must_use]
    pub const fn lane(&self) -> Sectors {
        self.array.lane()
    }

    /// How many lanes each slot has, as long as the engine lives: one for each member of either shape,
    /// and one for the partial parity of a write where the array has a log of that.
    #[must_use]
    pub const fn lanes_per_slot(&self) -> usize {
        self.lanes_per_slot
    }

    /// What the member at a place is.
    #[must_use]
    pub fn member_state(&self, member: MemberIndex) -> MemberState {
        self.array.state(member)
    }

    /// Ranges of members that are known to be bad, by member and sector.
    #[must_use]
    pub fn bad_blocks(&self) -> &[BadBlock] {
        self.array.bad_blocks.ranges()
    }

    /// Whether the array serves.
    #[must_use]
    pub const fn fate(&self) -> Fate {
        self.array.fate()
    }

    /// Whether members may be written.
    #[must_use]
    pub const fn access(&self) -> Access {
        self.array.access()
    }

    /// The event count of the last metadata that may be on a member.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.array.writer.events()
    }

    /// Records how one command ended, or that an abandoned one is dead. Calls nothing back: what
    /// follows is done in `poll`.
    ///
    /// # Errors
    /// The report matches no command in flight and no abandoned one. Nothing has changed.
    pub fn on_done(&mut self, token: Token, completion: Completion) -> Result<(), Misuse> {
        match self.on_ended(token, completion) {
            Err(Misuse::UnknownToken) => self.on_dead(token, completion),
            other => other,
        }
    }

    #[inline]
    fn on_ended(&mut self, token: Token, completion: Completion) -> Result<(), Misuse> {
        match token.owner {
            Owner::Metadata => self.array.writer.settle(token, completion).map(|_| ()),
            Owner::Intent => {
                let intent = self.array.intent.as_mut().ok_or(Misuse::UnknownToken)?;
                intent.writer.settle(token, completion).map(|_| ())
            }
            Owner::Backup => self.on_kept(token.epoch, completion),
            Owner::Log => self.array.log.settle(token.member, token.epoch, completion),
            Owner::Settling => self.array.log.settle_flush(token.member, token.epoch, completion),
            Owner::Slot(index) => {
                let slot = self.slots.get(index).ok_or(Misuse::UnknownToken)?;
                let settled = match &mut slot.occupant {
                    Occupant::Operation { stripe, .. } if slot.epoch == token.epoch => {
                        stripe.settle(token.member, completion)?
                    }
                    Occupant::Operation { .. } | Occupant::Quarantined | Occupant::Nobody => {
                        return Err(Misuse::UnknownToken);
                    }
                };
                match settled {
                    Settled::Last => self.slots.make_ready(index),
                    Settled::More => {}
                }
                Ok(())
            }
        }
    }

    /// Takes at most `budget` steps, calling the host for each command and each answer.
    ///
    /// Where the host is busy for one command, the others go on. Each operation is refused once in a
    /// poll, which is no step: what is refused does not keep the rest from its turn.
    pub fn poll(&mut self, host: &mut impl Host, budget: u32) -> Progress {
        self.slots.offer_refused_again();
        let mut blocked = None;
        self.array.log.offer_refused_again();
        let mut refused = Refused { writer: None, intent: None, pass: None };
        let mut steps = 0_u32;
        while steps < budget {
            match self.step_abandoned(host) {
                Stepped::Moved => {
                    steps = steps.saturating_add(1);
                    continue;
                }
                Stepped::Refused(_) | Stepped::Nothing => {}
            }
            match self.step_recorders(host, &mut refused) {
                Stepped::Moved => {
                    steps = steps.saturating_add(1);
                    continue;
                }
                Stepped::Refused(_) | Stepped::Nothing => {}
            }
            match self.step_logs(host) {
                Stepped::Moved => {
                    steps = steps.saturating_add(1);
                    continue;
                }
                Stepped::Refused(by) => {
                    blocked = Some(by);
                    continue;
                }
                Stepped::Nothing => {}
            }
            self.wake();
            match self.step_slot(host) {
                Stepped::Moved => {
                    steps = steps.saturating_add(1);
                    continue;
                }
                Stepped::Refused(by) => {
                    blocked = Some(by);
                    continue;
                }
                Stepped::Nothing => {}
            }
            match self.step_handover(host) {
                Stepped::Moved => {
                    steps = steps.saturating_add(1);
                    continue;
                }
                Stepped::Refused(_) | Stepped::Nothing => {}
            }
            match self.step_pass_once(host, &mut refused) {
                Stepped::Moved => {
                    steps = steps.saturating_add(1);
                    continue;
                }
                Stepped::Refused(_) | Stepped::Nothing => {}
            }
            match self.admit(host) {
                admission::Admitted::Something => steps = steps.saturating_add(1),
                admission::Admitted::Nothing => {
                    match self.come_to_rest(host) {
                        Stepped::Moved => return Progress::Idle,
                        Stepped::Refused(_) | Stepped::Nothing => {}
                    }
                    let blocked = blocked.or(refused.writer).or(refused.intent).or(refused.pass);
                    return blocked.map_or(Progress::Idle, Progress::HostBusy);
                }
            }
        }
        Progress::More
    }

    /// One step of the metadata writer or of the bitmap's, unless the host was busy for it in this
    /// poll.
    #[inline]
    fn step_recorders(&mut self, host: &mut impl Host, refused: &mut Refused) -> Stepped {
        if refused.writer.is_none() {
            match self.step_writer(host) {
                Stepped::Moved => return Stepped::Moved,
                Stepped::Refused(by) => refused.writer = Some(by),
                Stepped::Nothing => {}
            }
        }
        if refused.intent.is_none() {
            match self.step_intent(host) {
                Stepped::Moved => return Stepped::Moved,
                Stepped::Refused(by) => refused.intent = Some(by),
                Stepped::Nothing => {}
            }
        }
        Stepped::Nothing
    }

    /// One step of the pass, unless the host was busy for it in this poll.
    #[inline]
    fn step_pass_once(&mut self, host: &mut impl Host, refused: &mut Refused) -> Stepped {
        if refused.pass.is_some() {
            return Stepped::Nothing;
        }
        let step = self.step_pass(host);
        if let Stepped::Refused(by) = step {
            refused.pass = Some(by);
        }
        step
    }

    #[inline]
    fn step_writer(&mut self, host: &mut impl Host) -> Stepped {
        match (self.array.writer.need(), self.array.fate(), self.array.access()) {
            (Need::Step, Fate::Serving, Access::ReadWrite) => {}
            (Need::Step | Need::Rest, ..) => return Stepped::Nothing,
        }
        if let admission::Admitted::Nothing = self.writer_may_step() {
            return Stepped::Nothing;
        }
        let facts = self.array.facts();
        let mut writer = self.array.writer;
        let array = &self.array;
        let step = writer.step(facts, |token, task| {
            host.submit(token, task.command(array.device(token.member), token.member))
        });
        self.array.writer = writer;
        match step {
            WriterStep::Moved | WriterStep::Waiting => Stepped::Moved,
            WriterStep::Refused(member) => {
                Stepped::Refused(Blocked::Device(self.array.device(member)))
            }
            WriterStep::Lost(results) => {
                self.array.lose_all(&results, host);
                Stepped::Moved
            }
        }
    }

    /// Lists the operations whose record has come, or never will.
    #[inline]
    fn wake(&mut self) {
        let now = (self.array.recorded(), self.array.fate());
        if now == self.told {
            return;
        }
        self.told = now;
        if let (_, Fate::Failed) = now {
            self.wake_held();
        }
        for index in self.slots.indices() {
            let Some(slot) = self.slots.get(index) else { continue };
            let Occupant::Operation { stripe, .. } = &slot.occupant else { continue };
            match (stripe.awaits(), now) {
                (Awaits::Generation(until), (recorded, Fate::Serving)) if recorded < until => {}
                (Awaits::Generation(_), _) | (Awaits::Log(_) | Awaits::Bits, (_, Fate::Failed)) => {
                    self.slots.make_ready(index);
                }
                (Awaits::Completions, _) | (Awaits::Log(_) | Awaits::Bits, (_, Fate::Serving)) => {}
            }
        }
    }

    fn step_slot(&mut self, host: &mut impl Host) -> Stepped {
        let Some(index) = self.slots.pop_ready() else { return Stepped::Nothing };
        let Some(slot) = self.slots.get(index) else { return Stepped::Nothing };
        let Occupant::Operation { stripe, claim } = slot.occupant else { return Stepped::Moved };
        let quarantine = slot.quarantine;
        let serving = self.running == Running::Serving;
        if serving && claim.turn() == Turn::Later {
            // It was to be handed back, but the engine was resumed: its turn is still to come.
            return Stepped::Moved;
        }
        if serving && abandon::must_move(&stripe, &quarantine) {
            let operation = slot.occupant;
            self.slots.move_on(index, operation);
            return Stepped::Moved;
        }
        let retries = quarantine.retries();
        let held = quarantine.holds_back(&stripe);
        let epoch = slot.epoch;
        let share = logging::share(&self.array.log, &stripe);
        let mut ports = Ports { array: &mut self.array, host, slot: index, epoch, retries };
        let before = cfg!(debug_assertions).then(|| stripe.rank(ports.array));
        let next = if serving { stripe.step(&mut ports) } else { stripe.quiesce(&mut ports) };
        let shifted = match &next {
            Next::Enter(next) | Next::Wait(next) | Next::Refused(next, _) => {
                logging::share(&ports.array.log, next)
            }
            Next::Done(Ending::Work(_, Outcome::Failed(_))) => Share::GivenUp,
            Next::Done(_) => Share::Nothing,
        };
        ports.array.log.shift(share, shifted, index);
        match next {
            Next::Enter(Stripe::Planned(_)) if let Some(ending) = held => {
                self.end(index, claim, ending, host);
            }
            Next::Enter(stripe) => {
                debug_assert!(
                    before.is_none_or(|before| stripe.rank(ports.array) < before),
                    "a transition must lower the rank"
                );
                slot.occupant = Occupant::Operation { stripe, claim };
                slot.epoch = slot.epoch.wrapping_add(1);
                self.slots.make_ready(index);
            }
            Next::Wait(stripe) => {
                slot.occupant = Occupant::Operation { stripe, claim };
                // What it waits for may have come with this very step.
                self.rest(index, stripe.awaits());
            }
            Next::Refused(stripe, by) => {
                slot.occupant = Occupant::Operation { stripe, claim };
                self.slots.make_refused(index);
                return Stepped::Refused(by);
            }
            Next::Done(ending) => self.end(index, claim, ending, host),
        }
        Stepped::Moved
    }

    #[inline]
    fn rest(&mut self, index: SlotIndex, awaits: Awaits) {
        match (awaits, self.array.fate()) {
            (Awaits::Generation(_) | Awaits::Log(_) | Awaits::Bits, Fate::Failed) => {
                self.slots.make_ready(index);
            }
            (Awaits::Generation(until), Fate::Serving) if self.array.recorded() >= until => {
                self.slots.make_ready(index);
            }
            (Awaits::Generation(_) | Awaits::Log(_) | Awaits::Bits, Fate::Serving)
            | (Awaits::Completions, _) => {}
        }
    }
}
