//! md's partial parity logs as they are written while an array is at work.

use super::device::BlockDevice;
use crate::geometry::ParityGeometry;
use crate::host::{Durability, Fault};
use crate::md::ppl::{PPL_HEADER_SECTORS, PplArea, PplBatch, PplSignature, PplWrite};
use crate::md::{Block, SUPERBLOCK_BYTES};
use crate::rectangle::Rectangle;
use crate::units::{DeviceSector, MemberIndex, Sectors};

/// A member's log as it is being written.
#[derive(Debug)]
pub struct MdLog {
    area: PplArea,
    /// Where the next batch goes if it fits there.
    next: Sectors,
    open: Option<OpenBatch>,
}

#[derive(Debug)]
struct OpenBatch {
    number: u32,
    at: Sectors,
    header: PplBatch<Block>,
}

impl MdLog {
    /// The log in this area.
    #[must_use]
    pub const fn new(area: PplArea) -> Self {
        Self { area, next: Sectors::ZERO, open: None }
    }
}

/// The logs of an array, by place, and what all of them share.
#[derive(Debug)]
pub struct MdLogs<'m> {
    /// `None` where there is no member.
    pub logs: &'m mut [Option<MdLog>],
    /// The array's geometry.
    pub geometry: ParityGeometry,
    /// Which array they are of.
    pub signature: PplSignature,
    /// The highest generation of any of them: [`PplStart::generation`](super::PplStart::generation).
    pub generation: u64,
}

impl MdLogs<'_> {
    pub(super) fn seat(&mut self, member: MemberIndex, area: PplArea) -> Result<(), Fault> {
        let rooms = self.logs.iter().flatten().map(|log| log.area.log_room());
        if rooms.min().is_some_and(|room| area.log_room() < room) {
            return Err(Fault::Unsupported);
        }
        *self.logs.get_mut(member.index()).ok_or(Fault::InvalidRequest)? = Some(MdLog::new(area));
        Ok(())
    }

    pub(super) fn log_parity<D: BlockDevice>(
        &mut self,
        member: MemberIndex,
        device: &mut D,
        batch: u32,
        rectangle: &Rectangle,
        partial_parity: &[u8],
    ) -> Result<(), Fault> {
        let write = PplWrite::of(rectangle).ok_or(Fault::InvalidRequest)?;
        let (start, open) = self.batch(member, batch)?;
        let within = open.header.add(write, partial_parity).map_err(|_| Fault::InvalidRequest)?;
        let at = open.at.checked_add(within).and_then(|at| start.checked_add(at));
        match partial_parity {
            [] => Ok(()),
            bytes => device.write(at.ok_or(Fault::InvalidRequest)?, bytes, Durability::Cached),
        }
    }

    pub(super) fn seal<D: BlockDevice>(
        &mut self,
        member: MemberIndex,
        device: &mut D,
        batch: u32,
    ) -> Result<(), Fault> {
        self.batch(member, batch)?;
        let log = self.logs.get_mut(member.index()).and_then(Option::as_mut);
        let log = log.ok_or(Fault::InvalidRequest)?;
        let OpenBatch { at, header, .. } = log.open.take().ok_or(Fault::InvalidRequest)?;
        let (length, block) = header.finish();
        log.next = at.checked_add(length).ok_or(Fault::InvalidRequest)?;
        let at = log.area.start().checked_add(at).ok_or(Fault::InvalidRequest)?;
        device.write(at, &block, Durability::Cached)
    }

    /// Where a member's area starts, and the batch of this number in it, which is begun if there is
    /// none.
    fn batch(
        &mut self,
        member: MemberIndex,
        number: u32,
    ) -> Result<(DeviceSector, &mut OpenBatch), Fault> {
        let Self { logs, geometry, signature, generation } = self;
        let log = logs.get_mut(member.index()).and_then(Option::as_mut);
        let MdLog { area, next, open } = log.ok_or(Fault::InvalidRequest)?;
        if open.as_ref().is_none_or(|open| open.number != number) {
            *generation = generation.checked_add(1).ok_or(Fault::InvalidRequest)?;
            let room = area.log_room();
            let block = [0; SUPERBLOCK_BYTES];
            let header = PplBatch::begin(block, *signature, *generation, geometry, member, room);
            // How long it will be is not known yet.
            let longest = PPL_HEADER_SECTORS.checked_add(room).ok_or(Fault::InvalidRequest)?;
            let place = area.place(*next, longest).ok_or(Fault::InvalidRequest)?;
            *open = Some(OpenBatch { number, at: place.at, header });
        }
        Ok((area.start(), open.as_mut().ok_or(Fault::InvalidRequest)?))
    }
}
