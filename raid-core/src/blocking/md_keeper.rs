//! Keeps metadata in Linux md superblocks.

use super::device::{BlockDevice, Keeper};
use crate::host::{Durability, Event, Fault};
use crate::limits::MEMBERS_MAX;
use crate::md::{SUPERBLOCK_BYTES, Superblock, Timestamp};
use crate::metadata::Record;
use crate::units::{DeviceSector, MemberIndex};

/// A member's superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MdSeat {
    /// Where it lies.
    pub superblock: DeviceSector,
    /// The device's number, by which all superblocks name it.
    pub number: u32,
}

/// The superblocks of the members, by place. `None` where there is no member.
pub type MdSeats = [Option<MdSeat>; MEMBERS_MAX];

/// Keeps metadata in Linux md superblocks: reads a member's, changes what the record says, writes
/// it back.
#[derive(Debug)]
pub struct MdKeeper<C, N> {
    seats: MdSeats,
    clock: C,
    notify: N,
}

impl<C: FnMut() -> Timestamp, N: FnMut(Event)> MdKeeper<C, N> {
    /// A keeper of these superblocks. `clock` gives the time that is put on record; `notify` hears
    /// of events.
    #[must_use]
    pub const fn new(seats: MdSeats, clock: C, notify: N) -> Self {
        Self { seats, clock, notify }
    }

    /// Keeps the superblock of a device that comes in at a place. To be called before
    /// [`Engine::add_member`](crate::engine::Engine::add_member).
    pub fn seat(&mut self, member: MemberIndex, seat: MdSeat) {
        if let Some(place) = self.seats.get_mut(member.index()) {
            *place = Some(seat);
        }
    }
}

impl<D, C, N> Keeper<D> for MdKeeper<C, N>
where
    D: BlockDevice,
    C: FnMut() -> Timestamp,
    N: FnMut(Event),
{
    fn record(
        &mut self,
        member: MemberIndex,
        device: &mut D,
        record: &Record,
    ) -> Result<(), Fault> {
        let at = self.seats.get(member.index()).copied().flatten().ok_or(Fault::InvalidRequest)?;
        let mut block = [0; SUPERBLOCK_BYTES];
        device.read(at.superblock, &mut block)?;
        // What cannot be read back as a superblock is not one to write over.
        let mut superblock =
            Superblock::parse(&block, at.superblock).map_err(|_| Fault::Integrity)?;
        for (seat, place) in self.seats.iter().zip(0..=u8::MAX) {
            match seat {
                Some(seat) if !record.failed.contains(MemberIndex(place)) => {
                    superblock.roles.seat(seat.number, MemberIndex(place));
                }
                Some(_) | None => {}
            }
        }
        superblock.apply(record, (self.clock)());
        superblock.encode(&mut block);
        device.write(at.superblock, &block, Durability::Durable)
    }

    fn note(&mut self, event: Event) {
        (self.notify)(event);
    }
}
