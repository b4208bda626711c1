//! Arrays to be simulated, and what is wished of them.

use raid_core::engine::{Access, Behind, Dirty, ReadsFrom, RowLog, Seat};
use raid_core::geometry::{Geometry, Layout, Shape};
use raid_core::io_limits::IoLimits;
use raid_core::md::journal::JournalHead;
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::{DeviceIndex, DeviceSector, MemberIndex, Sectors};

use crate::device::RamDevice;
use crate::intent::Intent;
use crate::medium::{SECTOR, index};
use crate::reshape::Reshaped;
use crate::{journal, log, reference};

/// An array to be simulated.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// Where each block lies.
    pub geometry: Geometry,
    /// Sectors of each member's data area.
    pub member_sectors: u64,
    /// Who sits where.
    pub seats: Vec<Option<Seat>>,
    /// Who is to replace the member at this place.
    pub replacement: Option<(MemberIndex, Seat)>,
    /// What the metadata says of parity.
    pub consistency: Consistency,
    /// What the metadata says of events.
    pub events: u64,
    /// Length of a lane.
    pub lane: Sectors,
    /// Stripe operations at a time.
    pub slots: usize,
    /// Slots for background passes, besides.
    pub background: u16,
    /// Requests at a time.
    pub requests: usize,
    /// Ranges on the list of bad blocks at a time. What the devices list counts if this is not 0.
    pub bad_blocks: usize,
    /// Whether members may be written.
    pub access: Access,
    /// Whether a dirty and degraded array is taken.
    pub dirty: Dirty,
    /// The write-intent bitmap, if there is one.
    pub intent: Option<Intent>,
    /// Whether the array has logs.
    pub log: RowLog,
    /// The generation of the newest of them.
    pub log_generation: u64,
    /// The reshape that it is in, or is to be started with.
    pub reshape: Option<Reshaped>,
    /// Where its journal goes on, if it has one.
    pub journal_head: Option<JournalHead>,
}

/// Where the data areas of simulated members start.
pub const DATA_OFFSET: u64 = 16;

impl Blueprint {
    /// A clean array with all its members: lanes of 4 KiB, four slots, four requests.
    #[must_use]
    pub fn new(layout: Layout, members: u8, chunk: u64, member_sectors: u64) -> Self {
        let shape =
            Shape { layout, members, chunk: Sectors(chunk), member_size: Sectors(member_sectors) };
        let seat = |member| Seat {
            device: DeviceIndex(member),
            state: MemberState::InSync,
            data_offset: DeviceSector(DATA_OFFSET),
            limits: IoLimits::RELAXED,
            reads: ReadsFrom::Freely,
            behind: Behind::Everything,
        };
        Self {
            geometry: Geometry::new(shape).expect("a possible shape"),
            member_sectors,
            seats: (0..members).map(|member| Some(seat(member))).collect(),
            replacement: None,
            consistency: Consistency::Clean,
            events: 10,
            lane: Sectors(8),
            slots: 4,
            background: 2,
            requests: 4,
            bad_blocks: 0,
            access: Access::ReadWrite,
            dirty: Dirty::Refuse,
            intent: None,
            log: RowLog::None,
            log_generation: 0,
            reshape: None,
            journal_head: None,
        }
    }

    /// The same array with a log of partial parity on each member, behind its data.
    #[must_use]
    pub fn logged(mut self, room: Sectors) -> Self {
        self.log = RowLog::PartialParity { room };
        self
    }

    /// The same array with a journal of so many blocks, on a device behind those of the members.
    #[must_use]
    pub fn journaled(mut self, blocks: u64) -> Self {
        self.log = journal::row_log(blocks, self.seats.len());
        self.journal_head = Some(journal::first_head(blocks));
        self
    }

    /// Lanes in a slot.
    #[must_use]
    pub fn lanes(&self) -> usize {
        match self.log {
            RowLog::None | RowLog::Journal(_) => self.seats.len(),
            RowLog::PartialParity { .. } => self.seats.len() + 1,
        }
    }

    /// The same array with a write-intent bitmap, clear, of chunks of so many sectors.
    #[must_use]
    pub fn with_intent(mut self, chunk: u64) -> Self {
        let covered = match &self.geometry {
            Geometry::Parity(_) => Sectors(self.member_sectors),
            Geometry::Copies(copies) => copies.size(),
        };
        self.intent = Some(Intent::over(covered, Sectors(chunk), self.events));
        self
    }

    /// The same array with a device behind those of the members, which is to replace one of them and
    /// holds what that holds up to a mark.
    #[must_use]
    pub fn replacing(mut self, member: u8, copied_to: u64) -> Self {
        let seat = Seat {
            device: DeviceIndex(self.geometry.members()),
            state: MemberState::Rebuilding { valid_to: Sectors(copied_to) },
            data_offset: DeviceSector(DATA_OFFSET),
            limits: IoLimits::RELAXED,
            reads: ReadsFrom::Freely,
            behind: Behind::Everything,
        };
        self.replacement = Some((MemberIndex(member), seat));
        self
    }

    /// The same array with nothing attached at these places.
    #[must_use]
    pub fn without(mut self, lost: MemberSet) -> Self {
        for member in lost {
            // A journal has no seat.
            if let Some(seat) = self.seats.get_mut(member.index()) {
                *seat = None;
            }
        }
        self
    }

    /// The same array with members that have these limits.
    #[must_use]
    pub fn limited(mut self, limits: IoLimits) -> Self {
        for seat in self.seats.iter_mut().flatten() {
            seat.limits = limits;
        }
        self
    }

    /// Bytes in the array.
    #[must_use]
    pub fn size(&self) -> usize {
        self.geometry.size().memory_bytes().expect("fits into memory")
    }

    /// Places without a usable member.
    #[must_use]
    pub fn absent(&self) -> MemberSet {
        let places = self.seats.iter().zip(0..=u8::MAX);
        places
            .filter(|(seat, _)| match seat.map(|seat| seat.state) {
                None | Some(MemberState::Failed | MemberState::Missing) => true,
                Some(MemberState::InSync | MemberState::Rebuilding { .. }) => false,
            })
            .map(|(_, member)| MemberIndex(member))
            .collect()
    }

    /// Devices that hold this content of the array.
    #[must_use]
    pub fn devices(&self, content: &[u8]) -> Vec<RamDevice> {
        let start = self.data_start();
        let sectors = start + self.member_sectors + log::sectors(self.log) + self.tail();
        let areas = reference::lay_out(&self.geometry, content, self.member_sectors);
        // Members that only another shape has are empty.
        let empty = Vec::new();
        let areas = areas.iter().chain(core::iter::repeat(&empty)).take(self.seats.len());
        areas
            .map(|area| {
                let mut device = RamDevice::new(sectors);
                device.medium.store(start, area);
                device.intent.clone_from(&self.intent);
                device.durable_intent.clone_from(&self.intent);
                device
            })
            .chain(journal::of_array(self).map(|journal| journal::device(journal.blocks())))
            .collect()
    }

    /// Places whose member is being rebuilt.
    #[must_use]
    pub fn rebuilding(&self) -> MemberSet {
        let places = self.seats.iter().zip(0..=u8::MAX);
        places
            .filter(|(seat, _)| {
                matches!(seat.map(|seat| seat.state), Some(MemberState::Rebuilding { .. }))
            })
            .map(|(_, member)| MemberIndex(member))
            .collect()
    }

    /// The data areas of devices, `None` for lost places.
    #[must_use]
    pub fn areas<'d>(&self, devices: &'d [RamDevice], lost: MemberSet) -> Vec<Option<&'d [u8]>> {
        let length = index(self.member_sectors) * SECTOR;
        // A journal's comes behind those of the members.
        let devices = devices.iter().take(self.seats.len());
        devices
            .zip(0..=u8::MAX)
            .map(|(device, member)| {
                (!lost.contains(MemberIndex(member)))
                    .then(|| device.medium.stored(self.data_start(), length))
            })
            .collect()
    }
}

/// What a requester wishes for.
#[derive(Clone, Debug)]
pub enum Wish {
    /// To read.
    Read {
        /// From where.
        at: u64,
        /// How many sectors.
        sectors: u64,
        /// Whether somebody may touch the memory meanwhile.
        stability: Stability,
    },
    /// To write.
    Write {
        /// To where.
        at: u64,
        /// What.
        bytes: Vec<u8>,
        /// Whether somebody may touch the memory meanwhile.
        stability: Stability,
    },
    /// To write zeroes.
    Zeroes {
        /// To where.
        at: u64,
        /// How many sectors.
        sectors: u64,
    },
    /// To compare.
    Check {
        /// From where.
        at: u64,
        /// How many sectors.
        sectors: u64,
    },
    /// To make durable what is written.
    Flush,
    /// To record that the array is clean.
    MarkClean,
}
