//! An engine over simulated members, driven to the end.

use raid_core::engine::{
    Access, BadBlock, Engine, Fate, Memory, OnLoss, PassEnd, PassKind, PassReport, Progress,
    Refusal, RequestSlot, Reshape, ReshapeEnd, ReshapeReport, Setup, SetupError, Slot,
};
use raid_core::host::{Command, Completion, Durability, Event, Misuse, RequestId, Token};
use raid_core::intent::{IntentChunk, IntentMap};
use raid_core::io_limits::MemoryAlignment;
use raid_core::members::MemberSet;
use raid_core::metadata::Consistency;
use raid_core::plan::Task;
use raid_core::request::{Request, Stability};
use raid_core::units::{Lba, MemberIndex, MemberSector, Sectors};

pub use crate::blueprint::{Blueprint, DATA_OFFSET, Wish};

use crate::device::RamDevice;
use crate::host::{Answered, Caller, InFlight, Purpose, SimHost};
use crate::medium::{SECTOR, index};
use crate::order::Order;
use crate::reshape::Reshaped;

/// Memory that an engine works in.
#[derive(Debug)]
pub struct Lent {
    slots: Vec<Slot>,
    requests: Vec<RequestSlot>,
    intent: Option<(Vec<IntentChunk>, Sectors, u64)>,
    bad_blocks: Vec<BadBlock>,
}

impl Lent {
    /// As much as the blueprint says.
    #[must_use]
    pub fn to(blueprint: &Blueprint) -> Self {
        Self {
            slots: vec![Slot::FREE; blueprint.slots + usize::from(blueprint.background)],
            requests: vec![RequestSlot::FREE; blueprint.requests],
            intent: blueprint
                .intent
                .as_ref()
                .map(|intent| (intent.chunks(), intent.chunk, intent.cleared_at)),
            bad_blocks: vec![BadBlock::FREE; blueprint.bad_blocks],
        }
    }

    /// Fills the list of bad blocks with what the devices have on theirs.
    fn load(&mut self, blueprint: &Blueprint, devices: &[RamDevice]) {
        if self.bad_blocks.is_empty() {
            return;
        }
        let mut free = self.bad_blocks.iter_mut();
        for (seat, member) in blueprint.seats.iter().zip(0..=u8::MAX) {
            let Some(seat) = seat else { continue };
            for run in devices[seat.device.index()].listed_runs() {
                *free.next().expect("there is room for what is listed") = BadBlock {
                    member: MemberIndex(member),
                    at: MemberSector(run.start - seat.data_offset.0),
                    sectors: Sectors(run.end - run.start),
                };
            }
        }
    }
}

/// How completions are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reports {
    /// Once, as it should be.
    Once,
    /// Once, and then all that was ever reported again, and tokens that nobody gave. The engine has
    /// to call each of these misuse and to stay as it is.
    Hostile,
}

/// When a command that hangs is abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As soon as the poll that issued it has returned.
    None,
    /// When nothing else is in flight.
    UntilQuiet,
}

/// When a command that was abandoned dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// When nothing goes on without it, or it is let die.
    Late,
    /// After so many other completions.
    After(u64),
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls of `poll`.
    pub polls: u64,
    /// Completions reported.
    pub completions: u64,
    /// Times that nothing went on before an abandoned command died.
    pub deaths_awaited: u64,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There is more to do.
    Again,
    /// All requests are answered and nothing is in flight.
    Finished,
}

/// Polls in a row that issue, note and answer nothing, times their budget: more steps than any
/// state needs.
const IDLE_STEPS_MAX: u64 = 4096;

/// An engine over simulated members.
#[derive(Debug)]
pub struct Sim<'m> {
    /// The engine.
    pub engine: Engine<'m>,
    /// The host under it.
    pub host: SimHost,
    /// Which command ends next.
    pub order: Order,
    /// How completions are reported.
    pub reports: Reports,
    /// When commands that hang are abandoned.
    pub patience: Patience,
    /// When they die after that.
    pub death: Death,
    /// Steps of one poll.
    pub budget: u32,
    /// How much happened.
    pub tally: Tally,
    reported: Vec<(Token, Completion)>,
    idle_steps: u64,
    busy_polls: u64,
    abandoned_at: u64,
}

fn seat_replacement(blueprint: &Blueprint, engine: &mut Engine<'_>, host: &mut SimHost) {
    if let Some((member, seat)) = blueprint.replacement {
        let by = engine.add_replacement(member, seat).expect("a replacement that fits");
        host.seat(by, seat.device);
    }
}

impl<'m> Sim<'m> {
    /// An engine for the array, over these devices.
    ///
    /// # Errors
    /// Why the engine refuses the array.
    pub fn new(
        blueprint: &Blueprint,
        lent: &'m mut Lent,
        devices: Vec<RamDevice>,
    ) -> Result<Self, SetupError> {
        let setup = Setup {
            geometry: blueprint.geometry,
            seats: &blueprint.seats,
            consistency: blueprint.consistency,
            events: blueprint.events,
            lane: blueprint.lane,
            access: blueprint.access,
            dirty: blueprint.dirty,
            log: blueprint.log,
        };
        lent.load(blueprint, &devices);
        let memory = Memory {
            background: blueprint.background,
            bitmap: lent.intent.as_mut().map(|(chunks, chunk, cleared_at)| IntentMap {
                chunk: *chunk,
                chunks,
                cleared_at: *cleared_at,
            }),
            bad_blocks: &mut lent.bad_blocks,
            ..Memory::new(&mut lent.slots, &mut lent.requests)
        };
        let mut engine = match &blueprint.reshape {
            None => Engine::new(&setup, memory)?,
            Some(Reshaped { change, position, data_offsets, window, backup }) => {
                let reshape = Reshape {
                    change: *change,
                    position: *position,
                    data_offsets,
                    window: *window,
                    backup: *backup,
                };
                Engine::reshaping(&setup, &reshape, memory)?
            }
        };
        let mut host = SimHost::new(blueprint, devices);
        seat_replacement(blueprint, &mut engine, &mut host);
        Ok(Self {
            engine,
            host,
            order: Order::Fifo,
            reports: Reports::Once,
            patience: Patience::UntilQuiet,
            death: Death::Late,
            budget: 64,
            tally: Tally::default(),
            reported: Vec::new(),
            idle_steps: 0,
            busy_polls: 0,
            abandoned_at: 0,
        })
    }

    /// As [`Sim::new`], for an array that the engine takes.
    #[must_use]
    pub fn made(blueprint: &Blueprint, lent: &'m mut Lent, devices: Vec<RamDevice>) -> Self {
        Self::new(blueprint, lent, devices).expect("the engine takes the array")
    }

    /// Starts a request with memory that is one segment, aligned to anything.
    ///
    /// # Errors
    /// Why the engine refuses it.
    pub fn start(&mut self, wish: Wish) -> Result<RequestId, Refusal> {
        self.start_at(wish, &[(0, usize::MAX)])
    }

    /// Starts a request whose memory has segments at these addresses and of these lengths. The last
    /// is cut to fit.
    ///
    /// # Errors
    /// Why the engine refuses it.
    pub fn start_at(
        &mut self,
        wish: Wish,
        segments: &[(usize, usize)],
    ) -> Result<RequestId, Refusal> {
        let memory = MemoryAlignment::of_segments(segments.iter().copied());
        let (request, bytes, purpose) = match wish {
            Wish::Read { at, sectors, stability } => (
                Request::read(Lba(at), Sectors(sectors), memory, stability),
                vec![0xCC; index(sectors.min(1 << 20)) * SECTOR],
                Purpose::Target,
            ),
            Wish::Write { at, bytes, stability } => {
                let sectors = sector_count(&bytes);
                let durability = Durability::Cached;
                let request = Request::write(Lba(at), sectors, memory, stability, durability);
                (request, bytes, Purpose::Source)
            }
            Wish::Zeroes { at, sectors } => (
                Request::write_zeroes(Lba(at), Sectors(sectors), Durability::Cached),
                Vec::new(),
                Purpose::WithoutMemory,
            ),
            Wish::Check { at, sectors } => {
                (Request::check(Lba(at), Sectors(sectors)), Vec::new(), Purpose::Nothing)
            }
            Wish::Flush => (Request::flush(), Vec::new(), Purpose::WithoutMemory),
            Wish::MarkClean => (Request::mark_clean(), Vec::new(), Purpose::WithoutMemory),
        };
        let mut left = bytes.len();
        let segments = segments
            .iter()
            .map(|(address, length)| {
                let length = left.min(*length);
                left -= length;
                (*address, length)
            })
            .collect();
        assert_eq!(left, 0, "the segments hold the memory");
        let id = self.engine.start(request)?;
        self.host.lend(id, Caller { bytes, purpose, segments });
        Ok(id)
    }

    /// Starts a write that is answered once it is durable.
    ///
    /// # Errors
    /// Why the engine refuses it.
    pub fn start_durable(&mut self, at: u64, bytes: Vec<u8>) -> Result<RequestId, Refusal> {
        let sectors = sector_count(&bytes);
        let memory = MemoryAlignment::contiguous(0);
        let durable = Durability::Durable;
        let request = Request::write(Lba(at), sectors, memory, Stability::Stable, durable);
        let id = self.engine.start(request)?;
        let segments = vec![(0, bytes.len())];
        self.host.lend(id, Caller { bytes, purpose: Purpose::Source, segments });
        Ok(id)
    }

    /// Polls once. If that leads to nothing more, one command ends.
    pub fn turn(&mut self) -> Turn {
        let before = self.host.moves();
        let progress = self.engine.poll(&mut self.host, self.budget);
        self.tally.polls += 1;
        self.host.scribble();
        if self.patience == Patience::None && !self.host.awaited().is_empty() {
            self.abandon_all();
            return Turn::Again;
        }
        let quiet = self.host.in_flight().is_empty();
        match progress {
            Progress::More => {
                let steps = self.idle_steps + u64::from(self.budget.max(1));
                self.idle_steps = if self.host.moves() == before { steps } else { 0 };
                assert!(self.idle_steps < IDLE_STEPS_MAX, "the engine steps and does nothing");
                return Turn::Again;
            }
            Progress::Idle | Progress::HostBusy(_) if quiet && !self.host.awaited().is_empty() => {
                self.abandon_all();
                return Turn::Again;
            }
            Progress::Idle
                if quiet && self.host.unanswered() > 0 && !self.host.hung().is_empty() =>
            {
                self.tally.deaths_awaited += 1;
                self.die_one();
                return Turn::Again;
            }
            Progress::Idle if quiet => {
                assert_eq!(self.host.unanswered(), 0, "nothing is in flight, and no answer comes");
                return Turn::Finished;
            }
            Progress::HostBusy(_) if quiet => {
                // A host that is busy with nothing takes the next.
                self.busy_polls += 1;
                assert!(self.busy_polls < 1024, "the engine does not offer what was refused");
                return Turn::Again;
            }
            Progress::Idle | Progress::HostBusy(_) => {}
        }
        self.busy_polls = 0;
        self.idle_steps = 0;
        self.end_one();
        Turn::Again
    }

    /// One command in flight ends and is reported.
    pub fn end_one(&mut self) {
        let abandoned = !self.host.hung().is_empty() && self.host.awaited().is_empty();
        match self.death {
            Death::After(completions)
                if abandoned && self.tally.completions >= self.abandoned_at + completions =>
            {
                self.die_one();
            }
            Death::After(_) | Death::Late => {}
        }
        let number = self.order.pick(self.host.in_flight().len());
        let (token, completion) = self.host.end(number);
        self.tally.completions += 1;
        self.engine.on_done(token, completion).expect("it is in flight");
        match self.reports {
            Reports::Once => {}
            Reports::Hostile => {
                self.reported.push((token, completion));
                self.misuse();
            }
        }
    }

    fn abandon_all(&mut self) {
        for token in self.host.awaited() {
            self.engine.abandon(token).expect("it is in flight");
            self.host.gave_up(token);
            let before = format!("{:?}", self.engine);
            assert_eq!(self.engine.abandon(token), Err(Misuse::UnknownToken), "once");
            assert_eq!(format!("{:?}", self.engine), before, "misuse changes nothing");
            self.abandoned_at = self.tally.completions;
            if self.reports == Reports::Hostile && !self.reported.is_empty() {
                self.misuse();
            }
        }
    }

    /// An abandoned command dies.
    pub fn die_one(&mut self) {
        let (token, completion) = self.host.die(0);
        self.engine.on_done(token, completion).expect("it was abandoned");
        match self.reports {
            Reports::Once => {}
            Reports::Hostile => {
                self.reported.push((token, completion));
                self.misuse();
            }
        }
    }

    /// All abandoned commands die, and what follows from it happens.
    pub fn die_all(&mut self) {
        while !self.host.hung().is_empty() {
            self.die_one();
        }
        self.run();
    }

    fn misuse(&mut self) {
        let before = format!("{:?}", self.engine);
        let mut wrong = 0;
        for (token, completion) in &self.reported {
            assert!(self.engine.abandon(*token).is_err(), "late {token:?}");
            let all = [*completion, Completion::Done, Completion::Compared { mismatched_units: 1 }];
            for completion in all {
                assert!(self.engine.on_done(*token, completion).is_err(), "late {token:?}");
                wrong += 1;
            }
            // Other members, slots and epochs next to it.
            for bit in [0, 1, 31, 32, 33, 39, 40, 41, 55] {
                let forged = Token::from_bits(token.to_bits() ^ (1 << bit));
                let bits = forged.to_bits();
                let hung = self.host.hung().iter().map(|hung| &hung.command);
                if self.host.in_flight().iter().chain(hung).all(|it| it.token.to_bits() != bits) {
                    assert!(self.engine.abandon(forged).is_err(), "forged {forged:?}");
                    let result = self.engine.on_done(forged, *completion);
                    assert!(result.is_err(), "forged {forged:?}");
                    wrong += 1;
                }
            }
        }
        // Commands that do not compare cannot have compared.
        for InFlight { token, command } in self.host.in_flight() {
            let (wrong_end, compares) = match command {
                Command::Compute(job) if job.task() == Task::Check => (Completion::Done, true),
                Command::Compute(_)
                | Command::Read { .. }
                | Command::Write { .. }
                | Command::Flush { .. }
                | Command::LogParity { .. }
                | Command::SealLog { .. }
                | Command::RecordBackup { .. }
                | Command::LogRow { .. }
                | Command::RecordTail { .. }
                | Command::RecordBad { .. }
                | Command::RecordIntent { .. }
                | Command::Record { .. } => (Completion::Compared { mismatched_units: 0 }, false),
            };
            let result = self.engine.on_done(*token, wrong_end);
            assert_eq!(result, Err(Misuse::WrongCompletion), "a check: {compares}");
        }
        assert!(wrong > 0);
        assert_eq!(format!("{:?}", self.engine), before, "misuse changes nothing");
    }

    /// Goes on until all is answered and nothing is in flight.
    pub fn run(&mut self) {
        while self.turn() == Turn::Again {}
    }

    /// Starts a pass and runs until all is done. How it ended.
    ///
    /// # Panics
    /// If the engine refuses it.
    pub fn pass(&mut self, kind: PassKind) -> (PassReport, PassEnd) {
        self.engine.start_pass(kind).expect("the engine starts the pass");
        self.run();
        self.pass_ended().expect("the pass has ended")
    }

    /// How the last pass ended.
    #[must_use]
    pub fn pass_ended(&self) -> Option<(PassReport, PassEnd)> {
        self.host
            .events()
            .filter_map(|event| match event {
                Event::PassEnded { report, end } => Some((report, end)),
                Event::MemberFailed { .. }
                | Event::MemberReplaced { .. }
                | Event::ArrayFailed
                | Event::JournalFailed { .. }
                | Event::MemberHung { .. }
                | Event::MemberQuiet { .. }
                | Event::Quiesced
                | Event::BlockRewritten { .. }
                | Event::BlockBad { .. }
                | Event::BlockGood { .. }
                | Event::NotCompared { .. }
                | Event::BlockLocated { .. }
                | Event::Ambiguous { .. }
                | Event::ReshapeEnded { .. }
                | Event::RangeLost { .. } => None,
            })
            .last()
    }

    /// Starts the reshape and runs until all is done. How it ended.
    ///
    /// # Panics
    /// If the engine refuses it.
    pub fn reshape(&mut self, on_loss: OnLoss) -> (ReshapeReport, ReshapeEnd) {
        self.engine.start_reshape(on_loss).expect("the engine starts the reshape");
        self.run();
        self.reshape_ended().expect("the reshape has ended")
    }

    /// How the reshape ended, last.
    #[must_use]
    pub fn reshape_ended(&self) -> Option<(ReshapeReport, ReshapeEnd)> {
        let ends = self.host.events().filter_map(|event| match event {
            Event::ReshapeEnded { report, end } => Some((report, end)),
            Event::PassEnded { .. }
            | Event::MemberFailed { .. }
            | Event::MemberReplaced { .. }
            | Event::ArrayFailed
            | Event::JournalFailed { .. }
            | Event::MemberHung { .. }
            | Event::MemberQuiet { .. }
            | Event::Quiesced
            | Event::BlockRewritten { .. }
            | Event::BlockBad { .. }
            | Event::BlockGood { .. }
            | Event::NotCompared { .. }
            | Event::BlockLocated { .. }
            | Event::Ambiguous { .. }
            | Event::RangeLost { .. } => None,
        });
        ends.last()
    }

    /// Starts one request and runs until it is answered.
    ///
    /// # Panics
    /// If the engine refuses it.
    pub fn request(&mut self, wish: Wish) -> Answered {
        let id = self.start(wish).expect("the engine takes the request");
        self.run();
        let answer = self.host.answers.last().expect("it was answered").clone();
        assert_eq!(answer.request, id);
        answer
    }

    /// Whether the array serves.
    #[must_use]
    pub const fn fate(&self) -> Fate {
        self.engine.fate()
    }
}

/// Reads all of an array with a fresh engine that writes nothing, without these members.
///
/// # Errors
/// The answer, if it was an error.
pub fn read_back(
    blueprint: &Blueprint,
    mut devices: Vec<RamDevice>,
    lost: MemberSet,
) -> Result<Vec<u8>, raid_core::host::Failure> {
    for device in &mut devices {
        device.rules.clear();
        device.done.clear();
    }
    let blueprint = Blueprint {
        access: Access::ReadOnly,
        consistency: Consistency::Clean,
        ..blueprint.clone()
    }
    .without(lost);
    let mut lent = Lent::to(&blueprint);
    let sectors = blueprint.served().0;
    let answer = Sim::made(&blueprint, &mut lent, devices).request(Wish::Read {
        at: 0,
        sectors,
        stability: Stability::Stable,
    });
    answer.result.map(|_| answer.memory)
}

fn sector_count(bytes: &[u8]) -> Sectors {
    Sectors(u64::try_from(bytes.len() / SECTOR).expect("fits into 64 bits"))
}
