//! A reshape of a simulated array: what it leads to, where the data lies then, and how much memory it
//! is lent.

use raid_core::engine::{Backup, Behind, ReadsFrom, Seat};
use raid_core::io_limits::IoLimits;
use raid_core::members::MemberState;
use raid_core::metadata::{Record, Shaping};
use raid_core::reshape::Change;
use raid_core::units::{DeviceIndex, DeviceSector, Lba, Sectors};

use crate::blueprint::{Blueprint, DATA_OFFSET};

/// A reshape that an array is in, or that it is to be started with.
#[derive(Clone, Debug)]
pub struct Reshaped {
    /// From what to what.
    pub change: Change,
    /// The position on record, if there is one.
    pub position: Option<Lba>,
    /// Where the data areas start in the new shape.
    pub data_offsets: Vec<DeviceSector>,
    /// Memory for what is being moved.
    pub window: Sectors,
    /// Where what would be overwritten is saved.
    pub backup: Option<Backup>,
}

impl Blueprint {
    /// The same array, to be reshaped: a member at each place of both shapes, and as much room around
    /// the data as the shift takes.
    #[must_use]
    pub fn to_be(mut self, change: Change, window: u64) -> Self {
        assert_eq!(*change.before(), self.geometry, "the change begins with the array's shape");
        let room = change.shift().distance().0;
        let before = if change.shift().0 < 0 { DATA_OFFSET + room } else { DATA_OFFSET };
        let after = before.checked_add_signed(change.shift().0).expect("there is room");
        self.seats = (0..change.members_max())
            .map(|member| {
                Some(Seat {
                    device: DeviceIndex(member),
                    state: MemberState::InSync,
                    data_offset: DeviceSector(before),
                    limits: IoLimits::RELAXED,
                    reads: ReadsFrom::Freely,
                    behind: Behind::Everything,
                })
            })
            .collect();
        let data_offsets = vec![DeviceSector(after); self.seats.len()];
        self.reshape = Some(Reshaped {
            change,
            position: None,
            data_offsets,
            window: Sectors(window),
            backup: None,
        });
        self
    }

    /// Where the data areas start, in the shape that the array has or had.
    #[must_use]
    pub fn data_start(&self) -> u64 {
        let seats = self.seats.iter().flatten();
        seats.map(|seat| seat.data_offset.0).max().unwrap_or(DATA_OFFSET)
    }

    /// Sectors that a device needs behind the data area.
    pub(crate) fn tail(&self) -> u64 {
        let shift = self.reshape.as_ref().map_or(0, |reshape| reshape.change.shift().0);
        u64::try_from(shift).unwrap_or(0)
    }

    /// How much of the array is served.
    #[must_use]
    pub fn served(&self) -> Sectors {
        match &self.reshape {
            None => self.geometry.size(),
            Some(reshape) => reshape.change.size_meanwhile(),
        }
    }

    /// The same array, as this record of it says.
    #[must_use]
    pub fn as_recorded(mut self, record: &Record) -> Self {
        self.events = record.events;
        self.consistency = record.consistency;
        for member in record.failed {
            self.seats[member.index()] = None;
        }
        match (record.shaping, &mut self.reshape) {
            (Shaping::Fixed, _) => {}
            (Shaping::Underway { position }, Some(reshape)) => reshape.position = Some(position),
            (Shaping::Done, Some(reshape)) => {
                let change = reshape.change;
                for (seat, offset) in self.seats.iter_mut().zip(&reshape.data_offsets) {
                    if let Some(seat) = seat {
                        seat.data_offset = *offset;
                    }
                }
                self.geometry = *change.after();
                self.seats.truncate(self.geometry.members().into());
                self.reshape = None;
            }
            (Shaping::Underway { .. } | Shaping::Done, None) => {
                panic!("a record of a reshape that nobody asked for")
            }
        }
        self
    }
}
