//! The array as it is found.

use raid_core::engine::PassKind;
use raid_core::engine::{Access, Behind, Dirty, ReadsFrom, RowLog, Seat, Setup};
use raid_core::geometry::Geometry;
use raid_core::intent::IntentChunk;
use raid_core::io_limits::IoLimits;
use raid_core::members::MemberState;
use raid_core::metadata::Consistency;
use raid_core::units::{DeviceIndex, DeviceSector, Lba, Sectors, StripeRow};

use std::collections::BTreeSet;

use super::campaign::{Campaign, Start, Transfer};
use crate::content::Unwritten;
use crate::host::{Device, MemoryHost, Writing};

pub const CHUNK: Sectors = Sectors(16);
pub const MEMBER_SIZE: Sectors = Sectors(64);
const DATA_OFFSET: DeviceSector = DeviceSector(8);
/// The event count that the array is found with.
pub const EVENTS: u64 = 7;

pub struct Setting {
    pub geometry: Geometry,
    pub seats: Vec<Option<Seat>>,
    pub consistency: Consistency,
    pub lane: Sectors,
    pub access: Access,
    pub transfer_max: Sectors,
    /// What a bit of the write-intent bitmap covers, if there is one.
    pub bit: Option<Sectors>,
    pub log: RowLog,
}

impl Setting {
    pub fn new(campaign: &Campaign, geometry: Geometry) -> Self {
        let members = geometry.members();
        let mut setting = Self {
            geometry,
            seats: Vec::new(),
            consistency: Consistency::Clean,
            lane: Sectors(8 * (u64::from(campaign.lane_units % 4) + 1)),
            access: Access::ReadWrite,
            bit: match campaign.requests / 6 % 8 {
                1 if geometry.redundancy() > 0 => Some(Sectors(8)),
                2 if geometry.redundancy() > 0 => Some(Sectors(40)),
                _ => None,
            },
            log: match &geometry {
                Geometry::Parity(rows)
                    if rows.parity() == 1 && campaign.lane_units / 4 % 2 == 1 =>
                {
                    RowLog::PartialParity { room: Sectors(24) }
                }
                Geometry::Parity(_) | Geometry::Copies(_) => RowLog::None,
            },
            transfer_max: match campaign.transfer {
                Transfer::Unlimited => Sectors(u64::MAX),
                Transfer::OneUnit => Sectors(8),
                Transfer::ThreeUnits => Sectors(24),
            },
        };
        let seat = |member: u8| Seat {
            reads: match campaign.last >> (member % 8) & 1 {
                0 => ReadsFrom::Freely,
                _ => ReadsFrom::AsLast,
            },
            ..setting.seat(DeviceIndex(members - 1 - member), MemberState::InSync)
        };
        let mut seats: Vec<_> = (0..members).map(|member| Some(seat(member))).collect();
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

    /// A device as a member of this array.
    pub fn seat(&self, device: DeviceIndex, state: MemberState) -> Seat {
        Seat {
            device,
            state,
            data_offset: DATA_OFFSET,
            limits: IoLimits { transfer_max: self.transfer_max, ..IoLimits::RELAXED },
            reads: ReadsFrom::Freely,
            behind: Behind::Everything,
        }
    }

    pub fn blank_device() -> Device {
        Device::blank(usize::try_from((DATA_OFFSET.0 + MEMBER_SIZE.0) * 512).expect("small"))
    }

    pub fn setup(&self) -> Setup<'_> {
        Setup {
            geometry: self.geometry,
            seats: &self.seats,
            consistency: self.consistency,
            events: EVENTS,
            lane: self.lane,
            access: self.access,
            dirty: Dirty::Refuse,
            log: self.log,
        }
    }

    /// The write-intent bitmap at the start: set where parity or copies may not agree.
    pub fn intent(&self) -> Option<Vec<IntentChunk>> {
        let covered = match &self.geometry {
            Geometry::Parity(_) => MEMBER_SIZE,
            Geometry::Copies(copies) => copies.size(),
        };
        let count = usize::try_from(covered.0.div_ceil(self.bit?.0)).expect("small");
        let chunk = match self.consistency {
            Consistency::Clean => IntentChunk::CLEAR,
            Consistency::InSyncTo(_) => IntentChunk::SET,
        };
        Some(vec![chunk; count])
    }

    pub fn unwritten(&self) -> Unwritten {
        match self.consistency {
            Consistency::Clean => Unwritten::Zeroes,
            Consistency::InSyncTo(_) => Unwritten::Anything,
        }
    }

    /// The first line that is not known to agree.
    fn unsynced_from(&self, host: &MemoryHost) -> Option<u64> {
        match (self.consistency, self.geometry.redundancy()) {
            (Consistency::Clean, _) | (_, 0) => None,
            (Consistency::InSyncTo(mark), _) => Some(host.line_at(PassKind::Resync, mark)),
        }
    }

    /// What is not valid is not zero: a member above its mark, parity above the array's, all copies but one.
    pub fn litter(&self, host: &mut MemoryHost) {
        for seat in self.seats.iter().flatten() {
            if let MemberState::Rebuilding { valid_to } = seat.state {
                let at = DeviceSector(DATA_OFFSET.0 + valid_to.0);
                host.litter(seat.device, at, Sectors(MEMBER_SIZE.0 - valid_to.0));
            }
        }
        let Consistency::InSyncTo(mark) = self.consistency else { return };
        match self.geometry {
            Geometry::Parity(parity) => {
                for row in 0..parity.rows() {
                    let (start, end) = (row * CHUNK.0, (row + 1) * CHUNK.0);
                    let at = start.max(mark.0).min(end);
                    for member in parity.row(StripeRow(row)).parity_places() {
                        let device = host.device_of(member.0);
                        host.litter(device, DeviceSector(DATA_OFFSET.0 + at), Sectors(end - at));
                    }
                }
            }
            Geometry::Copies(copies) => {
                for sector in mark.0..copies.size().0 {
                    let address = copies.map(Lba(sector)).expect("in the array");
                    for member in copies.copy_places(address.chunk).into_iter().skip(1) {
                        let start = copies.member_sector(address.chunk, member).expect("a copy");
                        let at = DATA_OFFSET.0 + start.0 + address.offset.0;
                        host.litter(host.device_of(member.0), DeviceSector(at), Sectors(1));
                    }
                }
            }
        }
    }

    pub fn host(&self, slots: usize) -> MemoryHost {
        let members = usize::from(self.geometry.members());
        let devices = (0..members).map(|_| Self::blank_device()).collect();
        let lane = vec![0x55; self.lane.memory_bytes().expect("small")];
        let mut host = MemoryHost::new(self.geometry, DATA_OFFSET, devices);
        let lanes = match self.log {
            RowLog::None | RowLog::Journal(_) => members,
            RowLog::PartialParity { .. } => members + 1,
        };
        host.lanes = vec![vec![lane; lanes]; slots];
        for (seat, member) in self.seats.iter().zip(0..=u8::MAX) {
            match seat {
                None => {
                    host.absent.insert(member);
                    host.injured.insert(member);
                }
                Some(Seat { state: MemberState::InSync, device, .. }) => {
                    host.seats[usize::from(member)] = *device;
                }
                Some(Seat { device, .. }) => {
                    host.seats[usize::from(member)] = *device;
                    host.unbuilt.insert(member);
                    host.hollow.insert(*device);
                    host.injured.insert(member);
                }
            }
        }
        host.writing = match self.access {
            Access::ReadOnly => Writing::Forbidden,
            Access::ReadWrite => Writing::Allowed,
        };
        host.unsynced_from = self.unsynced_from(&host);
        host.bit = self.bit;
        let set = self.intent().into_iter().flatten().zip(0..);
        let set: BTreeSet<u64> =
            set.filter(|(chunk, _)| chunk.is_set()).map(|(_, bit)| bit).collect();
        for device in &mut host.devices {
            device.bits.clone_from(&set);
            device.durable_bits.clone_from(&set);
        }
        host
    }
}
