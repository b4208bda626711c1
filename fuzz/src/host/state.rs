//! What the host knows: its devices, the memory that it lends, and what the engine has said so far.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use raid_core::engine::PassKind;
use raid_core::geometry::Geometry;
use raid_core::host::{Answer, Command, Failure, Fault, Loan, RequestId, Token};
use raid_core::metadata::Record;
use raid_core::units::{DeviceIndex, DeviceSector, Lba, Sectors};

use super::hung::Hung;

/// A member's device.
#[derive(Debug, Default)]
pub struct Device {
    pub bytes: Vec<u8>,
    /// Sectors that cannot be read until they are written.
    pub bad: BTreeSet<u64>,
    /// Sectors that are on the list of bad ones, durably.
    pub listed: BTreeSet<u64>,
    /// Of these, those that the engine has said to know of.
    pub known_bad: BTreeSet<u64>,
    /// The faults of the next commands.
    pub faults: VecDeque<Fault>,
    pub faults_given: usize,
    /// How many commands it will refuse to take.
    pub busy: u8,
    /// Sectors that a loss of power would take back, and when they were written.
    pub(super) volatile: BTreeMap<u64, u64>,
    pub(super) cached: Option<Record>,
    pub(super) durable: Option<Record>,
    /// Bits that are set in its write-intent bitmap, in a volatile cache,
    pub bits: BTreeSet<u64>,
    /// and those that a loss of power leaves.
    pub durable_bits: BTreeSet<u64>,
}

impl Device {
    /// A device that holds zeroes.
    pub fn blank(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes], ..Self::default() }
    }

    /// It comes back: what its cache held when it left is under bits, and counts for nothing.
    pub fn come_back(&mut self) {
        self.volatile.clear();
    }

    /// The event count of its metadata, if there is any.
    pub fn events(&self) -> Option<u64> {
        self.cached.map(|record| record.events)
    }
}

/// The memory of a request.
#[derive(Debug)]
pub struct Caller {
    pub bytes: Vec<u8>,
    pub kind: CallerKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind {
    None,
    Source,
    Target,
}

/// Whether devices may be written at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    Forbidden,
    Allowed,
}

/// Whether the engine was asked to come to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resting {
    No,
    /// It was, and so many commands have ended since.
    Underway {
        completions: usize,
    },
    Reached,
}

/// A pass that has not said how it ended.
#[derive(Clone, Debug)]
pub struct RunningPass {
    pub kind: PassKind,
    /// The first line that it comes to.
    pub first: u64,
    /// Members that it rebuilds.
    pub targets: BTreeSet<u8>,
    /// Lines that nobody vouched for when it started, and since.
    pub doubt_before: BTreeSet<u64>,
    /// Whether anybody asked it to stop.
    pub parking: Parking,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parking {
    NotAsked,
    Asked,
}

/// Carries commands out when it is told to, in the order that it is told.
#[derive(Debug)]
pub struct MemoryHost {
    pub geometry: Geometry,
    /// What a bit of the write-intent bitmap covers, if there is one.
    pub bit: Option<Sectors>,
    pub data_offset: DeviceSector,
    pub devices: Vec<Device>,
    /// The device that sits at each place, or did last.
    pub seats: Vec<DeviceIndex>,
    /// By slot and member.
    pub lanes: Vec<Vec<Vec<u8>>>,
    /// By request index.
    pub callers: BTreeMap<usize, Caller>,
    /// Requests that are answered and whose memory is not returned.
    pub held: BTreeSet<usize>,
    pub in_flight: Vec<(Token, Command)>,
    pub abandoned: Vec<Hung>,
    /// Every token so far, as bits.
    pub tokens: BTreeSet<u64>,
    pub answers: Vec<(RequestId, Result<Answer, Failure>, Loan)>,
    pub lost: Vec<(RequestId, Lba, Sectors)>,
    /// Members whose device ever failed a command, or that cannot be relied on.
    pub injured: BTreeSet<u8>,
    /// Members that the engine has given up, and those that were not there at the start.
    pub absent: BTreeSet<u8>,
    /// Members that are being rebuilt.
    pub unbuilt: BTreeSet<u8>,
    /// Devices that came in with nothing and have not been rebuilt to their end.
    pub hollow: BTreeSet<DeviceIndex>,
    /// Of these, those that hold no record that was made since they came in.
    pub newcomers: BTreeSet<u8>,
    pub told_hung: BTreeSet<u8>,
    pub compute_busy: u8,
    pub compute_faults: u8,
    pub writing: Writing,
    /// Forbidden once the array has failed.
    pub serving: Writing,
    pub resting: Resting,
    pub pass: Option<RunningPass>,
    /// Ranges with writes that are not answered, by request index.
    pub unsettled: BTreeMap<usize, Range<u64>>,
    /// Lines with a write that failed: nobody vouches for their parity or copies.
    pub doubt: BTreeSet<u64>,
    /// The first line that is not resynced.
    pub unsynced_from: Option<u64>,
    pub(super) clock: u64,
    /// When flushes in flight were submitted.
    pub(super) flushes: BTreeMap<u64, u64>,
}

impl MemoryHost {
    /// A host with these devices that has seen nothing yet.
    pub fn new(geometry: Geometry, data_offset: DeviceSector, devices: Vec<Device>) -> Self {
        let members = geometry.members();
        Self {
            geometry,
            bit: None,
            data_offset,
            devices,
            seats: (0..members).map(|member| DeviceIndex(members - 1 - member)).collect(),
            lanes: Vec::new(),
            callers: BTreeMap::new(),
            held: BTreeSet::new(),
            in_flight: Vec::new(),
            abandoned: Vec::new(),
            tokens: BTreeSet::new(),
            answers: Vec::new(),
            lost: Vec::new(),
            injured: BTreeSet::new(),
            absent: BTreeSet::new(),
            unbuilt: BTreeSet::new(),
            hollow: BTreeSet::new(),
            newcomers: BTreeSet::new(),
            told_hung: BTreeSet::new(),
            compute_busy: 0,
            compute_faults: 0,
            writing: Writing::Allowed,
            serving: Writing::Allowed,
            resting: Resting::No,
            pass: None,
            unsettled: BTreeMap::new(),
            doubt: BTreeSet::new(),
            unsynced_from: None,
            clock: 0,
            flushes: BTreeMap::new(),
        }
    }

    pub fn device_of(&self, member: u8) -> DeviceIndex {
        self.seats[usize::from(member)]
    }

    /// Members that cannot be relied on.
    pub fn hurt(&self) -> BTreeSet<u8> {
        self.injured.union(&self.absent).chain(&self.unbuilt).copied().collect()
    }

    /// How many writes have ended.
    pub const fn now(&self) -> u64 {
        self.clock
    }

    pub(super) fn member_of(&self, device: DeviceIndex) -> Option<u8> {
        (0..).zip(&self.seats).find(|(_, seat)| **seat == device).map(|(member, _)| member)
    }
}
