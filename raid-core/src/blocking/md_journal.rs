//! md's journal: what is done with it before an array is started, and how it is written while the
//! array is at work.

use super::device::BlockDevice;
use crate::engine::{BadBlock, JournalSeat, Seat};
use crate::geometry::{Geometry, ParityGeometry};
use crate::host::{Durability, Fault};
use crate::limits::MEMBERS_MAX;
use crate::md::journal::{
    JOURNAL_BLOCK_SECTORS, Journal, JournalEnd, JournalError, JournalHead, JournalMemory,
    JournalScan, JournalSector, JournalWrite, JournalWriter, LoggedBlock, ParityChecksums,
};
use crate::md::{Block, SUPERBLOCK_BYTES};
use crate::members::MemberState;
use crate::plan::JournalRow;
use crate::units::{DeviceIndex, FAULT_UNIT, Lba, MemberIndex, MemberSector, Sectors};
use heapless::Vec;

const _: () = assert!(FAULT_UNIT.0 == JOURNAL_BLOCK_SECTORS.0);

/// A journal as it is being written.
#[derive(Debug)]
pub struct MdJournal {
    journal: Journal,
    geometry: Geometry,
    /// Where the next meta block goes, or the one that is being put together.
    head: JournalHead,
    open: Option<JournalWriter<Block>>,
    /// The stretches that the engine may still speak of, and where they begin.
    stretches: [Option<(u32, JournalSector)>; 2],
}

/// One 4 KiB row as it is logged.
struct Unit {
    data: Vec<(Lba, u32), MEMBERS_MAX>,
    address: MemberSector,
    parity: ParityChecksums,
}

impl MdJournal {
    /// The journal of an array that was [prepared](JournalArray::prepare): its head is what that
    /// brought.
    #[must_use]
    pub const fn new(journal: Journal, geometry: ParityGeometry, head: JournalHead) -> Self {
        let geometry = Geometry::Parity(geometry);
        Self { journal, geometry, head, open: None, stretches: [None; 2] }
    }

    /// How much of a journal the engine may use: all but the meta block at the tail, and one that
    /// stays free.
    #[must_use]
    pub const fn room(journal: &Journal) -> Sectors {
        Sectors(journal.blocks().saturating_sub(2).saturating_mul(JOURNAL_BLOCK_SECTORS.0))
    }

    /// Adds a row: writes its blocks, and the meta block before if there is no room left in it.
    ///
    /// # Errors
    /// What the device says, or that the row is not one of this array.
    pub fn log_row<'b, D: BlockDevice>(
        &mut self,
        device: &mut D,
        stretch: u32,
        row: &JournalRow,
        bytes: &dyn Fn(MemberIndex) -> Option<&'b [u8]>,
    ) -> Result<(), Fault> {
        if self.start_of(stretch).is_none() {
            self.close(device)?;
            self.remember(stretch);
        }
        let units = row.rectangle().sectors().0 / JOURNAL_BLOCK_SECTORS.0;
        for number in 0..units {
            let start = Sectors(number.saturating_mul(JOURNAL_BLOCK_SECTORS.0));
            let block = |member| unit_of(bytes(member)?, start);
            let unit = self.unit(row, start, &block).ok_or(Fault::InvalidRequest)?;
            let mut at = self.add(device, &unit)?;
            let (p, q) = row.parity();
            for member in row.covered().into_iter().chain([p]).chain(q) {
                let block = block(member).ok_or(Fault::InvalidRequest)?;
                device.write(self.journal.device_sector(at), block, Durability::Cached)?;
                at = self.journal.advance(at, 1);
            }
        }
        Ok(())
    }

    fn unit<'b>(
        &self,
        row: &JournalRow,
        start: Sectors,
        block: &impl Fn(MemberIndex) -> Option<&'b [u8]>,
    ) -> Option<Unit> {
        let sum = |member| Some(self.journal.seed().checksum(block(member)?));
        let rectangle = row.rectangle();
        let mut data = Vec::new();
        for member in row.covered() {
            let address = rectangle.lba(&self.geometry, member)?.checked_add(start)?;
            data.push((address, sum(member)?)).ok()?;
        }
        let (p, q) = row.parity();
        let address = rectangle.member_sector(&self.geometry, p)?.checked_add(start)?;
        let parity = match q {
            None => ParityChecksums::P(sum(p)?),
            Some(q) => ParityChecksums::PAndQ(sum(p)?, sum(q)?),
        };
        Some(Unit { data, address, parity })
    }

    /// Names a row in the meta block at hand, or in the next. Where its blocks go.
    fn add<D: BlockDevice>(&mut self, device: &mut D, unit: &Unit) -> Result<JournalSector, Fault> {
        let Unit { data, address, parity } = unit;
        let write = JournalWrite { data, address: *address, parity: *parity };
        if let Some(Ok(at)) = self.open.as_mut().map(|open| open.add(write)) {
            return Ok(at);
        }
        self.close(device)?;
        let mut open = JournalWriter::begin([0; SUPERBLOCK_BYTES], self.journal, self.head);
        let at = open.add(write).map_err(|_| Fault::InvalidRequest)?;
        self.open = Some(open);
        Ok(at)
    }

    /// Writes the meta block at hand, if there is one.
    ///
    /// # Errors
    /// What the device says.
    pub fn close<D: BlockDevice>(&mut self, device: &mut D) -> Result<(), Fault> {
        let Some(open) = self.open.take() else { return Ok(()) };
        self.write_meta(device, open)
    }

    fn write_meta<D: BlockDevice>(
        &mut self,
        device: &mut D,
        meta: JournalWriter<Block>,
    ) -> Result<(), Fault> {
        let (next, block) = meta.into_block();
        let at = self.journal.device_sector(self.head.position);
        device.write(at, &block, Durability::Cached)?;
        self.head = next;
        Ok(())
    }

    /// Where a stretch begins: there the tail may go. One of which nothing was logged begins with an
    /// empty meta block, which is durable when this returns.
    ///
    /// # Errors
    /// What the device says.
    pub fn tail<D: BlockDevice>(
        &mut self,
        device: &mut D,
        stretch: u32,
    ) -> Result<JournalSector, Fault> {
        if let Some(start) = self.start_of(stretch) {
            return Ok(start);
        }
        self.close(device)?;
        let start = self.remember(stretch);
        let empty = JournalWriter::begin([0; SUPERBLOCK_BYTES], self.journal, self.head);
        self.write_meta(device, empty)?;
        device.flush()?;
        Ok(start)
    }

    fn start_of(&self, stretch: u32) -> Option<JournalSector> {
        let mut known = self.stretches.iter().flatten();
        known.find(|(number, _)| *number == stretch).map(|(_, start)| *start)
    }

    /// A stretch begins at the head.
    fn remember(&mut self, stretch: u32) -> JournalSector {
        let start = self.head.position;
        let [_, newer] = self.stretches;
        self.stretches = [newer, Some((stretch, start))];
        start
    }
}

/// The unit of a block that starts so far into it.
fn unit_of(block: &[u8], start: Sectors) -> Option<&[u8]> {
    block.get(start.memory_bytes()?..)?.get(..SUPERBLOCK_BYTES)
}

/// An array with a journal, as it was found: who is there, and what the journal is to bring in order
/// before it is started.
#[derive(Clone, Copy, Debug)]
pub struct JournalArray<'a> {
    /// Its geometry.
    pub geometry: &'a ParityGeometry,
    /// Who sits where.
    pub seats: &'a [Option<Seat>],
    /// The journal's device.
    pub device: DeviceIndex,
    /// The journal.
    pub journal: Journal,
    /// Its tail on record.
    pub tail: JournalSector,
    /// Ranges of members that are known to be bad, as the engine is to be told.
    pub bad_blocks: &'a [BadBlock],
}

/// Why a journal was not brought in order. It may be tried again: what was done is done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalFailure {
    /// The journal's device.
    Device(Fault),
    /// A member did not take what the journal has for it. The array can be started without it, if the
    /// redundancy makes up for that.
    Member {
        /// The member.
        member: MemberIndex,
        /// What its device said.
        fault: Fault,
    },
    /// The journal says what cannot be.
    Corrupt(JournalError),
    /// The journal was used in write-back mode and holds so many blocks at least that no member has. The
    /// kernel brings them to the members when it starts the array.
    WriteBack {
        /// Blocks of 4 KiB.
        blocks: usize,
    },
}

impl core::fmt::Display for JournalFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Device(fault) => write!(f, "the journal's device failed: {fault:?}"),
            Self::Member { member, fault } => {
                write!(f, "member {} did not take what the journal has for it: {fault:?}", member.0)
            }
            Self::Corrupt(error) => error.fmt(f),
            Self::WriteBack { blocks } => write!(
                f,
                "the journal was written back and holds {blocks} blocks or more that no member has: \
                 have the kernel start the array once"
            ),
        }
    }
}

impl core::error::Error for JournalFailure {}

impl JournalArray<'_> {
    /// The journal as the engine is to be told of it.
    #[must_use]
    pub fn seat<D: BlockDevice>(&self, devices: &[D]) -> Option<JournalSeat> {
        let limits = devices.get(self.device.index())?.limits();
        Some(JournalSeat { device: self.device, room: MdJournal::room(&self.journal), limits })
    }

    /// Does what the journal says, so that the array can be started: copies what is whole in it to
    /// the members, those that are missing left out, and makes that durable. Then the tail moves to an
    /// empty meta block behind it, which `record_tail` puts on record. Says where the journal goes
    /// on.
    ///
    /// Parity agrees with the data afterwards as far as the metadata says, whoever is missing.
    ///
    /// # Errors
    /// What failed.
    pub fn prepare<D: BlockDevice>(
        &self,
        devices: &mut [D],
        mut record_tail: impl FnMut(&mut D, JournalSector) -> Result<(), Fault>,
    ) -> Result<JournalHead, JournalFailure> {
        let (mut meta, mut block) = ([0; SUPERBLOCK_BYTES], [0; SUPERBLOCK_BYTES]);
        // What is written through needs one for each block of a row; a table for what was written back
        // would be as long as the journal.
        let mut blocks = [LoggedBlock::BLANK; MEMBERS_MAX];
        let memory = JournalMemory { meta: &mut meta, blocks: &mut blocks };
        let mut scan = JournalScan::begin(self.journal, self.tail, self.geometry, memory);
        // Each block of the ring is read once as what it may be, and once to be copied.
        let end = loop {
            scan = match scan {
                JournalScan::ReadMeta(wanted) => {
                    self.read(devices, wanted.position(), &mut block)?;
                    wanted.feed(&block)
                }
                JournalScan::Verify(wanted) => {
                    self.read(devices, wanted.position(), &mut block)?;
                    wanted.feed(&block)
                }
                JournalScan::Copy(copy) => {
                    let logged = copy.block();
                    self.read(devices, logged.source, &mut block)?;
                    self.copy(devices, &logged, &block)?;
                    copy.done()
                }
                JournalScan::End(end) => break end,
                JournalScan::Refused(JournalError::Memory { blocks }) => {
                    return Err(JournalFailure::WriteBack { blocks });
                }
                JournalScan::Refused(error) => return Err(JournalFailure::Corrupt(error)),
            };
        };
        if !end.cached.is_empty() {
            return Err(JournalFailure::WriteBack { blocks: end.cached.len() });
        }
        self.restart(devices, &end, &mut record_tail)
    }

    fn restart<D: BlockDevice>(
        &self,
        devices: &mut [D],
        end: &JournalEnd<'_>,
        record_tail: &mut impl FnMut(&mut D, JournalSector) -> Result<(), Fault>,
    ) -> Result<JournalHead, JournalFailure> {
        for (seat, member) in self.seats.iter().zip(0..=u8::MAX) {
            let Some(seat) = seat.as_ref().filter(|seat| takes_writes(seat)) else { continue };
            let failed = |fault| JournalFailure::Member { member: MemberIndex(member), fault };
            device_of(devices, seat.device).map_err(failed)?.flush().map_err(failed)?;
        }
        let mut block = [0; SUPERBLOCK_BYTES];
        let head = end.restart(&mut block);
        let tail = end.head.position;
        let device = device_of(devices, self.device).map_err(JournalFailure::Device)?;
        let mut begin = || {
            device.write(self.journal.device_sector(tail), &block, Durability::Cached)?;
            device.flush()?;
            record_tail(device, tail)?;
            device.flush()
        };
        begin().map(|()| head).map_err(JournalFailure::Device)
    }

    fn read<D: BlockDevice>(
        &self,
        devices: &mut [D],
        at: JournalSector,
        block: &mut Block,
    ) -> Result<(), JournalFailure> {
        let device = device_of(devices, self.device).map_err(JournalFailure::Device)?;
        device.read(self.journal.device_sector(at), block).map_err(JournalFailure::Device)
    }

    /// Writes a block to its member, unless that is missing or the block is known to be bad: what is
    /// bad is made from the others.
    fn copy<D: BlockDevice>(
        &self,
        devices: &mut [D],
        logged: &LoggedBlock,
        block: &Block,
    ) -> Result<(), JournalFailure> {
        let LoggedBlock { member, address, .. } = *logged;
        let seat = self.seats.get(member.index()).and_then(Option::as_ref);
        let Some(seat) = seat.filter(|seat| takes_writes(seat)) else { return Ok(()) };
        let end = address.0.saturating_add(JOURNAL_BLOCK_SECTORS.0);
        let is_here =
            |bad: &BadBlock| bad.member == member && bad.at.0 < end && address.0 < bad.end();
        if self.bad_blocks.iter().any(is_here) {
            return Ok(());
        }
        let failed = |fault| JournalFailure::Member { member, fault };
        let at = seat.data_offset.checked_add(Sectors(address.0));
        let at = at.ok_or(failed(Fault::InvalidRequest))?;
        let device = device_of(devices, seat.device).map_err(failed)?;
        device.write(at, block, Durability::Cached).map_err(failed)
    }
}

const fn takes_writes(seat: &Seat) -> bool {
    match seat.state {
        MemberState::InSync | MemberState::Rebuilding { .. } => true,
        MemberState::Failed | MemberState::Missing => false,
    }
}

fn device_of<D>(devices: &mut [D], device: DeviceIndex) -> Result<&mut D, Fault> {
    devices.get_mut(device.index()).ok_or(Fault::Gone)
}
