//! Sequences of operations on one small array, and the promises that hold whatever happens:
//!
//! * every request is answered exactly once, after a bounded number of polls, and its memory is then unused;
//! * no two commands in flight conflict, and no member is written before the dirty mark is durable on all;
//! * no request fails while no more members were hurt than the redundancy makes up for;
//! * a read brings what the writes before it left, and so does the array taken together again from its members
//!   with as many lost as it can bear, so parity and copies agree as well.

use arbitrary::Arbitrary;
use raid_core::engine::{
    Access, Dirty, Engine, Fate, Memory, Progress, ReadsFrom, Refusal, RequestSlot, Seat, Setup,
    Slot,
};
use raid_core::geometry::{
    Geometry, Layout, Raid5Layout, Raid6Layout, Raid10Layout, Shape, Spread,
};
use raid_core::host::{Answer, Completion, Durability, Failure, Fault, RequestId, Token};
use raid_core::io_limits::{IoLimits, MemoryAlignment};
use raid_core::members::MemberState;
use raid_core::metadata::Consistency;
use raid_core::request::{Request, Stability};
use raid_core::units::{DeviceSector, Lba, MemberIndex, Sectors, StripeRow};
use std::collections::BTreeSet;

use crate::content::{Content, Outcome, Payload, Version};
use crate::host::{Caller, CallerKind, Device, MemoryHost, Writing};

const CHUNK: Sectors = Sectors(16);
const MEMBER_SIZE: Sectors = Sectors(64);
const DATA_OFFSET: DeviceSector = DeviceSector(8);
const STEPS_MAX: usize = 300;
/// Far more than a request of a small array can need.
const POLLS_MAX: usize = 50_000;

/// What the fuzzer makes up.
#[derive(Clone, Debug, Arbitrary)]
pub struct Campaign {
    pub array: Array,
    pub start: Start,
    pub slots: u8,
    pub requests: u8,
    pub lane_units: u8,
    pub transfer: Transfer,
    /// Which members are lost when the array is taken together again.
    pub lost_at_the_end: u8,
    pub steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Array {
    Raid0,
    Raid1 { members: u8 },
    Raid4,
    Raid5 { layout: u8, members: u8 },
    Raid6 { layout: u8, members: u8 },
    Raid10 { members: u8, near: bool, spread: bool },
}

/// How the array is found.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Start {
    Whole,
    /// Not resynced from here on.
    Unsynced {
        mark: u8,
    },
    Missing {
        member: u8,
    },
    Rebuilding {
        member: u8,
        valid_to: u8,
    },
    ReadOnly {
        missing: u8,
    },
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Transfer {
    Unlimited,
    OneUnit,
    ThreeUnits,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Step {
    Read {
        at: u16,
        sectors: u8,
        staged: bool,
    },
    Write {
        at: u16,
        sectors: u8,
        staged: bool,
        durable: bool,
    },
    Zeroes {
        at: u16,
        sectors: u8,
    },
    Check {
        at: u16,
        sectors: u8,
    },
    Flush,
    MarkClean,
    Poll {
        budget: u8,
    },
    /// One command in flight ends.
    Finish {
        choice: u8,
    },
    /// All commands that are in flight end.
    FinishAll,
    /// A report that names no command in flight.
    Forge {
        bits: u64,
        kind: FaultKind,
    },
    Busy {
        member: u8,
        commands: u8,
    },
    ComputeBusy {
        jobs: u8,
    },
    ComputeFails,
    Fault {
        member: u8,
        kind: FaultKind,
    },
    Gone {
        member: u8,
    },
    BadSector {
        member: u8,
        sector: u8,
    },
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum FaultKind {
    Media,
    Integrity,
    Transport,
    Gone,
    InvalidRequest,
    Unsupported,
}

impl FaultKind {
    const fn fault(self) -> Fault {
        match self {
            Self::Media => Fault::Media,
            Self::Integrity => Fault::Integrity,
            Self::Transport => Fault::Transport,
            Self::Gone => Fault::Gone,
            Self::InvalidRequest => Fault::InvalidRequest,
            Self::Unsupported => Fault::Unsupported,
        }
    }
}

impl Array {
    fn shape(self) -> Shape {
        let (layout, members) = match self {
            Self::Raid0 => (Layout::Raid0, 3),
            Self::Raid1 { members } => (Layout::Raid1, 2 + members % 2),
            Self::Raid4 => (Layout::Raid4, 4),
            Self::Raid5 { layout, members } => {
                (Layout::Raid5(pick(&Raid5Layout::ALL, layout)), 3 + members % 3)
            }
            Self::Raid6 { layout, members } => {
                (Layout::Raid6(pick(&Raid6Layout::ALL, layout)), 4 + members % 3)
            }
            Self::Raid10 { members, near, spread } => {
                let (near, far) = if near { (2, 1) } else { (1, 2) };
                let spread = if spread { Spread::Rows } else { Spread::Zones };
                (Layout::Raid10(Raid10Layout { near, far, spread }), 2 + members % 4)
            }
        };
        Shape { layout, members, chunk: CHUNK, member_size: MEMBER_SIZE }
    }
}

fn pick<T: Copy>(all: &[T], choice: u8) -> T {
    all[usize::from(choice) % all.len()]
}

/// A request that is not answered yet.
struct Waiting {
    id: RequestId,
    kind: Kind,
    at: Lba,
    sectors: Sectors,
}

#[derive(Clone, Copy)]
enum Kind {
    Read(Version),
    Write(Version),
    Check,
    Other,
}

/// What a read brought, to be judged when all writes have come out.
struct Seen {
    before: Version,
    sector: u64,
    bytes: Vec<u8>,
}

struct Run<'m> {
    engine: Engine<'m>,
    host: MemoryHost,
    content: Content,
    waiting: Vec<Waiting>,
    seen: Vec<Seen>,
    /// How many devices may be hurt before anything may fail.
    bearable: usize,
    parity: Parity,
    rejections: Rejections,
}

/// Whether any device or job was told to call a command malformed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rejections {
    None,
    Some,
}

/// Runs a campaign. Panics where a promise is broken.
pub fn run(campaign: &Campaign) {
    let Ok(geometry) = Geometry::new(campaign.array.shape()) else { return };
    let setting = Setting::new(campaign, geometry);
    let mut slots = vec![Slot::FREE; usize::from(campaign.slots % 6) + 1];
    let mut requests = vec![RequestSlot::FREE; usize::from(campaign.requests % 6) + 1];
    let mut host = setting.host(slots.len());
    setting.litter(&mut host);
    let memory = Memory { slots: &mut slots, background: 0, requests: &mut requests };
    let Ok(engine) = Engine::new(&setting.setup(), memory) else { return };
    let mut run = Run {
        engine,
        host,
        content: Content::new(geometry.size()),
        waiting: Vec::new(),
        seen: Vec::new(),
        bearable: setting.bearable(),
        parity: setting.parity(),
        rejections: Rejections::None,
    };
    for step in campaign.steps.iter().take(STEPS_MAX) {
        run.step(*step);
        run.take_answers();
    }
    run.finish_all_requests();
    run.read_everything();
    let Run { host, content, seen, .. } = run;
    for Seen { before, sector, bytes } in seen {
        content.check(before, sector, &bytes);
    }
    if !content.has_failed_writes() {
        assemble_again(&setting, host, &content, campaign.lost_at_the_end);
    }
}

/// The array as it is found.
struct Setting {
    geometry: Geometry,
    seats: Vec<Option<Seat>>,
    consistency: Consistency,
    lane: Sectors,
    access: Access,
}

/// Where parity agrees with the data, as far as the engine keeps its promises.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parity {
    Agrees,
    AgreesWhereWritten,
}

impl Setting {
    fn new(campaign: &Campaign, geometry: Geometry) -> Self {
        let members = geometry.members();
        let transfer_max = match campaign.transfer {
            Transfer::Unlimited => Sectors(u64::MAX),
            Transfer::OneUnit => Sectors(8),
            Transfer::ThreeUnits => Sectors(24),
        };
        let seat = |member: u8| Seat {
            device: raid_core::units::DeviceIndex(members - 1 - member),
            state: MemberState::InSync,
            data_offset: DATA_OFFSET,
            limits: IoLimits { transfer_max, ..IoLimits::RELAXED },
            reads: ReadsFrom::Freely,
        };
        let mut seats: Vec<_> = (0..members).map(|member| Some(seat(member))).collect();
        let mut setting = Self {
            geometry,
            seats: Vec::new(),
            consistency: Consistency::Clean,
            lane: Sectors(8 * (u64::from(campaign.lane_units % 4) + 1)),
            access: Access::ReadWrite,
        };
        let redundant = geometry.redundancy() > 0;
        match campaign.start {
            Start::Whole => {}
            Start::Unsynced { mark } => {
                setting.consistency = Consistency::InSyncTo(Sectors(u64::from(mark % 80)));
            }
            Start::Missing { member } if redundant => seats[usize::from(member % members)] = None,
            Start::Rebuilding { member, valid_to } if redundant => {
                let valid_to = Sectors(u64::from(valid_to) % MEMBER_SIZE.0);
                let member = member % members;
                let state = MemberState::Rebuilding { valid_to };
                seats[usize::from(member)] = Some(Seat { state, ..seat(member) });
            }
            Start::Missing { .. } | Start::Rebuilding { .. } => {}
            Start::ReadOnly { missing } => {
                setting.access = Access::ReadOnly;
                if redundant && missing % 2 == 1 {
                    seats[usize::from(missing / 2 % members)] = None;
                }
            }
        }
        setting.seats = seats;
        setting
    }

    fn setup(&self) -> Setup<'_> {
        Setup {
            geometry: self.geometry,
            seats: &self.seats,
            consistency: self.consistency,
            events: 7,
            lane: self.lane,
            access: self.access,
            dirty: Dirty::Refuse,
        }
    }

    /// How many members may be hurt, those lost from the start included.
    fn bearable(&self) -> usize {
        match (self.consistency, self.geometry) {
            // Parity that is not in sync makes up for nothing.
            (Consistency::InSyncTo(_), Geometry::Parity(_)) => 0,
            (Consistency::Clean | Consistency::InSyncTo(_), _) => {
                usize::from(self.geometry.redundancy())
            }
        }
    }

    /// Whether parity agrees with the data everywhere, to begin with.
    fn parity(&self) -> Parity {
        match (self.consistency, self.geometry) {
            (Consistency::InSyncTo(_), Geometry::Parity(_)) => Parity::AgreesWhereWritten,
            (Consistency::Clean | Consistency::InSyncTo(_), _) => Parity::Agrees,
        }
    }

    /// What is not valid is not zero: a member above its mark, parity above the array's.
    fn litter(&self, host: &mut MemoryHost) {
        let above = |mark: Sectors| {
            let start = mark.min(MEMBER_SIZE);
            (DeviceSector(DATA_OFFSET.0 + start.0), Sectors(MEMBER_SIZE.0 - start.0))
        };
        for seat in self.seats.iter().flatten() {
            if let MemberState::Rebuilding { valid_to } = seat.state {
                let (at, sectors) = above(valid_to);
                host.litter(seat.device, at, sectors);
            }
        }
        let (Geometry::Parity(parity), Consistency::InSyncTo(mark)) =
            (self.geometry, self.consistency)
        else {
            return;
        };
        for row in 0..parity.rows() {
            let (start, end) = (row * CHUNK.0, (row + 1) * CHUNK.0);
            let at = start.max(mark.0).min(end);
            for member in parity.row(StripeRow(row)).parity_places() {
                let sectors = Sectors(end - at);
                host.litter(host.device_of(member.0), DeviceSector(DATA_OFFSET.0 + at), sectors);
            }
        }
    }

    fn host(&self, slots: usize) -> MemoryHost {
        let members = usize::from(self.geometry.members());
        let bytes = usize::try_from((DATA_OFFSET.0 + MEMBER_SIZE.0) * 512).expect("small");
        let lane = vec![0x55; self.lane.memory_bytes().expect("small")];
        let mut injured = BTreeSet::new();
        let mut absent = BTreeSet::new();
        for (seat, member) in self.seats.iter().zip(0..=u8::MAX) {
            let device = self.geometry.members() - 1 - member;
            match seat {
                None => {
                    absent.insert(member);
                    injured.insert(device);
                }
                Some(Seat { state: MemberState::InSync, .. }) => {}
                Some(_) => {
                    injured.insert(device);
                }
            }
        }
        MemoryHost {
            devices: (0..members).map(|_| Device::blank(bytes)).collect(),
            lanes: vec![vec![lane; members]; slots],
            callers: std::collections::BTreeMap::new(),
            in_flight: Vec::new(),
            tokens: BTreeSet::new(),
            answers: Vec::new(),
            lost: Vec::new(),
            injured,
            absent,
            compute_busy: 0,
            compute_faults: 0,
            writing: match self.access {
                Access::ReadOnly => Writing::Forbidden,
                Access::ReadWrite => Writing::Allowed,
            },
        }
    }
}

impl Run<'_> {
    fn step(&mut self, step: Step) {
        match step {
            Step::Read { at, sectors, staged } => {
                let (at, sectors) = self.range(at, sectors);
                self.read(at, sectors, stability(staged));
            }
            Step::Write { at, sectors, staged, durable } => {
                let (at, sectors) = self.range(at, sectors);
                let durability = if durable { Durability::Durable } else { Durability::Cached };
                let memory = MemoryAlignment::contiguous(0);
                let request = Request::write(at, sectors, memory, stability(staged), durability);
                self.write(at, sectors, Payload::Stamp, request);
            }
            Step::Zeroes { at, sectors } => {
                let (at, sectors) = self.range(at, sectors);
                let request = Request::write_zeroes(at, sectors, Durability::Cached);
                self.write(at, sectors, Payload::Zeroes, request);
            }
            Step::Check { at, sectors } => {
                let (at, sectors) = self.range(at, sectors);
                self.start(Request::check(at, sectors), Kind::Check, at, sectors, nothing());
            }
            Step::Flush => self.barrier(Request::flush()),
            Step::MarkClean => self.barrier(Request::mark_clean()),
            Step::Poll { budget } => {
                self.engine.poll(&mut self.host, u32::from(budget));
            }
            Step::Finish { choice } => self.finish(choice.into()),
            Step::FinishAll => {
                for _ in 0..self.host.in_flight.len() {
                    self.finish(0);
                }
            }
            Step::Forge { bits, kind } => self.forge(bits, kind),
            Step::Busy { member, commands } => self.device(member).busy = commands,
            Step::ComputeBusy { jobs } => self.host.compute_busy = jobs,
            Step::ComputeFails => {
                self.host.compute_faults = 1;
                self.rejections = Rejections::Some;
            }
            Step::Fault { member, kind } => {
                self.device(member).faults.push_back(kind.fault());
                if let FaultKind::InvalidRequest | FaultKind::Unsupported = kind {
                    self.rejections = Rejections::Some;
                }
            }
            Step::Gone { member } => {
                self.device(member).faults.extend([Fault::Gone; 64]);
            }
            Step::BadSector { member, sector } => {
                let sector = DATA_OFFSET.0 + u64::from(sector) % MEMBER_SIZE.0;
                self.device(member).bad.insert(sector);
            }
        }
    }

    fn range(&self, at: u16, sectors: u8) -> (Lba, Sectors) {
        let size = self.engine.geometry().size().0;
        let at = u64::from(at) % size;
        (Lba(at), Sectors((u64::from(sectors) + 1).min(size - at)))
    }

    fn device(&mut self, member: u8) -> &mut Device {
        let member = member % self.engine.geometry().members();
        let device = self.host.device_of(member);
        &mut self.host.devices[device.index()]
    }

    fn read(&mut self, at: Lba, sectors: Sectors, stability: Stability) {
        let request = Request::read(at, sectors, MemoryAlignment::contiguous(0), stability);
        let bytes = vec![0xEE; sectors.memory_bytes().expect("small")];
        let caller = Caller { bytes, kind: CallerKind::Target };
        self.start(request, Kind::Read(self.content.now()), at, sectors, caller);
    }

    fn write(&mut self, at: Lba, sectors: Sectors, payload: Payload, request: Request) {
        // Only what is taken in is written.
        let mark = self.content.now();
        let caller = Caller { bytes: Vec::new(), kind: CallerKind::Source };
        if let Some(id) = self.start(request, Kind::Write(mark), at, sectors, caller) {
            let (version, bytes) = self.content.start(at, sectors, payload);
            assert_eq!(version, mark);
            match payload {
                Payload::Stamp => {
                    let caller = self.host.callers.get_mut(&id.index()).expect("just lent");
                    caller.bytes = bytes;
                }
                Payload::Zeroes => {
                    self.host.callers.insert(id.index(), nothing());
                }
            }
        }
    }

    fn barrier(&mut self, request: Request) {
        self.start(request, Kind::Other, Lba(0), Sectors::ZERO, nothing());
    }

    fn start(
        &mut self,
        request: Request,
        kind: Kind,
        at: Lba,
        sectors: Sectors,
        caller: Caller,
    ) -> Option<RequestId> {
        match self.engine.start(request) {
            Ok(id) => {
                let unused = self.waiting.iter().all(|waiting| waiting.id.index() != id.index());
                assert!(unused, "the request's number is free");
                self.host.callers.insert(id.index(), caller);
                self.waiting.push(Waiting { id, kind, at, sectors });
                Some(id)
            }
            Err(Refusal::Busy(_)) => {
                assert!(!self.waiting.is_empty(), "no request is alive, and there is no room");
                None
            }
            Err(Refusal::ReadOnly) => {
                assert_eq!(self.host.writing, Writing::Forbidden);
                None
            }
            Err(Refusal::ArrayFailed) => {
                assert_eq!(self.engine.fate(), Fate::Failed);
                None
            }
            Err(other) => panic!("{other:?} for a range that lies in the array"),
        }
    }

    fn finish(&mut self, choice: usize) {
        let Some((token, completion)) = self.host.finish(choice) else { return };
        self.engine.on_done(token, completion).expect("the command was in flight");
        let again = self.engine.on_done(token, completion);
        assert!(again.is_err(), "a command is reported once");
    }

    fn forge(&mut self, bits: u64, kind: FaultKind) {
        let token = Token::from_bits(bits);
        if self.host.in_flight.iter().all(|(other, _)| *other != token) {
            let forged = self.engine.on_done(token, Completion::Failed(kind.fault()));
            assert!(forged.is_err(), "{token:?} names nothing in flight");
        }
    }

    fn take_answers(&mut self) {
        for (id, result) in std::mem::take(&mut self.host.answers) {
            let index = self.waiting.iter().position(|waiting| waiting.id == id);
            let waiting = self.waiting.swap_remove(index.expect("a request is answered once"));
            let caller = self.host.callers.remove(&id.index()).expect("its memory was lent");
            self.judge(&waiting, result);
            match (waiting.kind, result) {
                (Kind::Write(version), Ok(_)) => self.content.end(version, Outcome::Kept),
                (Kind::Write(version), Err(_)) => self.content.end(version, Outcome::Failed),
                (Kind::Read(before), Ok(_) | Err(Failure::Unrecoverable { .. })) => {
                    self.remember(&waiting, before, &caller.bytes);
                }
                (Kind::Check, Ok(Answer::Checked { mismatched_sectors })) => {
                    if self.parity == Parity::Agrees && !self.content.has_failed_writes() {
                        assert_eq!(mismatched_sectors, Sectors::ZERO, "parity agrees");
                    }
                }
                (Kind::Check, Ok(Answer::Done)) => panic!("a check says what it found"),
                (Kind::Read(_) | Kind::Check, Err(_)) | (Kind::Other, _) => {}
            }
            self.host.lost.retain(|(request, ..)| *request != id);
        }
    }

    /// A request fails only for a reason.
    fn judge(&self, waiting: &Waiting, result: Result<Answer, Failure>) {
        let hurt = self.host.injured.len();
        match result {
            Ok(_) => {}
            Err(Failure::Rejected { .. }) => {
                assert!(self.rejections == Rejections::Some, "no device rejected anything");
            }
            Err(Failure::NothingToCompare) => assert!(
                hurt > 0 || self.engine.geometry().redundancy() == 0,
                "there is something to compare"
            ),
            Err(Failure::MemoryHeld { .. } | Failure::HandedBack | Failure::Interrupted) => {
                panic!("no command is abandoned, and nobody stops the engine")
            }
            // A check needs every block, those as well that a read would do without.
            Err(Failure::NotCompared { .. }) => {
                assert!(matches!(waiting.kind, Kind::Check), "only a check compares");
                assert!(hurt > 0, "every block can be read");
            }
            Err(failure @ (Failure::Unrecoverable { .. } | Failure::ArrayFailed)) => assert!(
                hurt > self.bearable,
                "{failure:?} at {:?} with {hurt} hurt, {} bearable",
                waiting.at,
                self.bearable
            ),
        }
    }

    fn remember(&mut self, waiting: &Waiting, before: Version, bytes: &[u8]) {
        let range = waiting.at.0..waiting.at.0 + waiting.sectors.0;
        for (sector, bytes) in range.zip(bytes.chunks_exact(512)) {
            let lost = self.host.lost.iter().any(|(request, at, sectors)| {
                *request == waiting.id && (at.0..at.0 + sectors.0).contains(&sector)
            });
            if !lost {
                self.seen.push(Seen { before, sector, bytes: bytes.to_vec() });
            }
        }
    }

    /// Nothing new comes in, and nothing is refused any more: all must end.
    fn finish_all_requests(&mut self) {
        for device in &mut self.host.devices {
            device.busy = 0;
        }
        self.host.compute_busy = 0;
        for _ in 0..POLLS_MAX {
            let progress = self.engine.poll(&mut self.host, 7);
            self.take_answers();
            match progress {
                Progress::More => {}
                Progress::Idle if self.host.in_flight.is_empty() => {
                    assert!(self.waiting.is_empty(), "requests are left without an answer");
                    return;
                }
                Progress::Idle => self.finish(0),
                Progress::HostBusy(by) => panic!("blocked by {by:?}, which is not busy"),
            }
        }
        panic!("still at work after {POLLS_MAX} polls");
    }

    fn read_everything(&mut self) {
        let size = self.engine.geometry().size();
        self.read(Lba(0), size, Stability::Stable);
        self.finish_all_requests();
    }
}

const fn stability(staged: bool) -> Stability {
    if staged { Stability::Volatile } else { Stability::Stable }
}

const fn nothing() -> Caller {
    Caller { bytes: Vec::new(), kind: CallerKind::None }
}

/// The members again, as many of them lost as can be borne, those that were hurt first: everything must read as it
/// was left.
fn assemble_again(setting: &Setting, old: MemoryHost, content: &Content, choice: u8) {
    let members = setting.geometry.members();
    let mut lost: BTreeSet<u8> = old.injured.iter().map(|device| members - 1 - device).collect();
    lost.extend(
        old.devices
            .iter()
            .zip(0..)
            .filter(|(device, _)| !device.bad.is_empty())
            .map(|(_, device): (_, u8)| members - 1 - device),
    );
    let redundancy = usize::from(setting.geometry.redundancy());
    if lost.len() > redundancy {
        return;
    }
    for member in (0..members).map(|number| (number + choice % members) % members) {
        if lost.len() < redundancy {
            lost.insert(member);
        }
    }
    let mut again = Setting {
        seats: setting.seats.clone(),
        access: Access::ReadOnly,
        consistency: Consistency::Clean,
        ..*setting
    };
    for member in &lost {
        again.seats[usize::from(*member)] = None;
    }
    let mut host = again.host(1);
    host.devices = old.devices;
    for device in &mut host.devices {
        device.faults.clear();
        device.busy = 0;
    }
    let (mut slots, mut requests) = ([Slot::FREE], [RequestSlot::FREE]);
    let memory = Memory { slots: &mut slots, background: 0, requests: &mut requests };
    let engine = Engine::new(&again.setup(), memory).expect("the same array, degraded");
    let mut run = Run {
        engine,
        host,
        content: Content::default(),
        waiting: Vec::new(),
        seen: Vec::new(),
        bearable: redundancy,
        parity: setting.parity(),
        rejections: Rejections::None,
    };
    run.read_everything();
    let known = |sector| setting.parity() == Parity::Agrees || content.is_written(sector);
    for Seen { sector, bytes, .. } in run.seen.into_iter().filter(|seen| known(seen.sector)) {
        content.check(content.now(), sector, &bytes);
    }
    // The index of a place is its number.
    assert!(
        lost.iter().all(|member| {
            run.engine.member_state(MemberIndex(*member)) == MemberState::Missing
        })
    );
}
