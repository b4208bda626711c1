//! Keeps metadata in Linux md superblocks.

use super::device::{BlockDevice, Keeper};
use crate::host::{Durability, Event, Fault};
use crate::limits::MEMBERS_MAX;
use crate::md::{SUPERBLOCK_BYTES, Superblock, Timestamp};
use crate::metadata::Record;
use crate::units::{DeviceSector, MemberIndex};

/// Where the superblock of each member lies, by place. `None` where there is no member.
pub type SuperblockAt = [Option<DeviceSector>; MEMBERS_MAX];

/// Keeps metadata in Linux md superblocks: reads a member's, changes what the record says, writes
/// it back.
#[derive(Debug)]
pub struct MdKeeper<C, N> {
    superblocks: SuperblockAt,
    clock: C,
    notify: N,
}

impl<C: FnMut() -> Timestamp, N: FnMut(Event)> MdKeeper<C, N> {
    /// A keeper of these superblocks. `clock` gives the time that is put on record; `notify` hears
    /// of events.
    #[must_use]
    pub const fn new(superblocks: SuperblockAt, clock: C, notify: N) -> Self {
        Self { superblocks, clock, notify }
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
        let at =
            self.superblocks.get(member.index()).copied().flatten().ok_or(Fault::InvalidRequest)?;
        let mut block = [0; SUPERBLOCK_BYTES];
        device.read(at, &mut block)?;
        // What cannot be read back as a superblock is not one to write over.
        let mut superblock = Superblock::parse(&block, at).map_err(|_| Fault::Integrity)?;
        superblock.apply(record, (self.clock)());
        superblock.encode(&mut block);
        device.write(at, &block, Durability::Durable)
    }

    fn note(&mut self, event: Event) {
        (self.notify)(event);
    }
}
