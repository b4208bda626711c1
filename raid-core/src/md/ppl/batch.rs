//! A log in the making: the writes of one batch become the entries of a header.

use core::borrow::BorrowMut;

use super::PPL_HEADER_SECTORS;
use super::error::PplRefusal;
use super::header::{
    CHECKSUM, ENTRIES, ENTRIES_COUNT, ENTRY_BYTES, GENERATION, PPL_ENTRIES_MAX, PplSignature,
    RESERVED_BYTES, RawEntry, SIGNATURE, checksum,
};
use crate::geometry::{ParityGeometry, RowAddress};
use crate::md::bytes::{Block, put};
use crate::md::crc32c::Crc32c;
use crate::rectangle::{Rectangle, Span};
use crate::units::{DataIndex, MemberIndex, Sectors, StripeRow};

/// A write to neighbouring data blocks of a row: the same range of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PplWrite {
    /// The row.
    pub row: StripeRow,
    /// Where in the chunk the range begins.
    pub offset: Sectors,
    /// How long it is.
    pub sectors: Sectors,
    /// The first data block that is written.
    pub first: DataIndex,
    /// How many are.
    pub blocks: u8,
}

impl PplWrite {
    /// The write of the blocks that a rectangle covers, or `None` for a level without parity.
    #[must_use]
    pub const fn of(rectangle: &Rectangle) -> Option<Self> {
        let Rectangle { span, offset, sectors, .. } = *rectangle;
        match span {
            Span::Row { row, first, count, .. } => {
                Some(Self { row, offset, sectors, first, blocks: count })
            }
            Span::Chunk { .. } => None,
        }
    }

    /// Whether this write goes on where another ends, on the same members.
    fn follows(&self, other: &Self) -> bool {
        let end = other.offset.checked_add(other.sectors);
        (self.row, self.first, self.blocks) == (other.row, other.first, other.blocks)
            && Some(self.offset) == end
    }
}

/// The header of a log that is being put together, in a block that is borrowed or its own.
#[derive(Debug)]
pub struct PplBatch<B> {
    block: B,
    geometry: ParityGeometry,
    holder: MemberIndex,
    /// Room for partial parity.
    room: Sectors,
    length: Sectors,
    count: u8,
    open: Option<OpenEntry>,
}

/// The last entry: the next write may lengthen it.
#[derive(Clone, Copy, Debug)]
struct OpenEntry {
    last: PplWrite,
    raw: RawEntry,
    sum: Crc32c,
}

const _: () = assert!(PPL_ENTRIES_MAX <= 255);

impl<B: BorrowMut<Block>> PplBatch<B> {
    /// Begins a log of the member `holder` in `block`. The generation is one more than that of any
    /// log of the array before; `room` is [`PplArea::log_room`](super::PplArea::log_room).
    #[must_use]
    pub fn begin(
        mut block: B,
        signature: PplSignature,
        generation: u64,
        geometry: &ParityGeometry,
        holder: MemberIndex,
        room: Sectors,
    ) -> Self {
        let bytes = block.borrow_mut();
        bytes.fill(0);
        put::<0, RESERVED_BYTES>(bytes, [0xff; RESERVED_BYTES]);
        put::<SIGNATURE, 4>(bytes, signature.0.to_le_bytes());
        put::<GENERATION, 8>(bytes, generation.to_le_bytes());
        let (geometry, length) = (*geometry, PPL_HEADER_SECTORS);
        Self { block, geometry, holder, room, length, count: 0, open: None }
    }

    /// Adds a write with its partial parity: as many sectors as the write has on one member, or
    /// none if it covers all data blocks of the row. Says where in the log the partial parity goes,
    /// from the header.
    ///
    /// A write that goes on where the one before ends, on the same members, joins its entry.
    ///
    /// # Errors
    ///
    /// [`PplRefusal`]: nothing was added.
    pub fn add(&mut self, write: PplWrite, partial_parity: &[u8]) -> Result<Sectors, PplRefusal> {
        let (data_sector, partial) = self.check(&write, partial_parity)?;
        let at = self.length;
        let length = at.checked_add(partial).ok_or(PplRefusal::Full)?;
        if length.saturating_sub(PPL_HEADER_SECTORS) > self.room {
            return Err(PplRefusal::Full);
        }
        let entry = match self.open.filter(|entry| write.follows(&entry.last)) {
            Some(entry) => entry,
            None if usize::from(self.count) >= PPL_ENTRIES_MAX => return Err(PplRefusal::Full),
            None => {
                self.count = self.count.saturating_add(1);
                let parity_disk = self.holder.0.into();
                let raw = RawEntry { data_sector, parity_disk, ..RawEntry::default() };
                OpenEntry { last: write, raw, sum: Crc32c::START }
            }
        };
        let sum = entry.sum.update(partial_parity);
        // An entry is at most a row of chunks, which `check` has seen to fit.
        let data = bytes_of(write.sectors).and_then(|bytes| bytes.checked_mul(write.blocks.into()));
        let raw = RawEntry {
            pp_size: entry.raw.pp_size.saturating_add(bytes_of(partial).unwrap_or(0)),
            data_size: entry.raw.data_size.saturating_add(data.unwrap_or(0)),
            checksum: sum.inverted(),
            ..entry.raw
        };
        if let Some(to) = self.slot() {
            raw.encode(to);
        }
        self.open = Some(OpenEntry { last: write, raw, sum });
        self.length = length;
        Ok(at)
    }

    /// Completes the header. Says how long the log is, header included: write it, with the partial
    /// parity behind it, and have it durable before any data or parity of these writes. The block
    /// comes back with the header in it.
    #[must_use]
    pub fn finish(mut self) -> (Sectors, B) {
        let block = self.block.borrow_mut();
        put::<ENTRIES_COUNT, 4>(block, u32::from(self.count).to_le_bytes());
        let sum = checksum(block);
        put::<CHECKSUM, 4>(block, sum.to_le_bytes());
        (self.length, self.block)
    }

    /// Where the data of a write begin, and how much partial parity it has.
    fn check(&self, write: &PplWrite, partial_parity: &[u8]) -> Result<(u64, Sectors), PplRefusal> {
        let PplWrite { row, offset, sectors, first, blocks } = *write;
        let end = first.0.checked_add(blocks).ok_or(PplRefusal::Misuse)?;
        let chunk = self.geometry.chunk();
        let range_end = offset.checked_add(sectors).ok_or(PplRefusal::Misuse)?;
        let row_bytes = bytes_of(chunk)
            .and_then(|bytes| bytes.checked_mul(self.geometry.data_members().into()));
        let possible = blocks > 0
            && end <= self.geometry.data_members()
            && sectors > Sectors::ZERO
            && range_end <= chunk
            && row_bytes.is_some()
            && self.geometry.parity() == 1
            && self.geometry.row(row).p() == self.holder;
        if !possible {
            return Err(PplRefusal::Misuse);
        }
        let partial = match blocks == self.geometry.data_members() {
            true => Sectors::ZERO,
            false => sectors,
        };
        if partial.memory_bytes() != Some(partial_parity.len()) {
            return Err(PplRefusal::Misuse);
        }
        let address = RowAddress { row, data: first, offset };
        let first = self.geometry.unmap(address).ok_or(PplRefusal::Misuse)?;
        Ok((first.0, partial))
    }

    /// The bytes of the last entry.
    fn slot(&mut self) -> Option<&mut [u8; ENTRY_BYTES]> {
        let count = usize::from(self.count.checked_sub(1)?);
        let (table, _) =
            self.block.borrow_mut().split_at_mut(ENTRIES).1.as_chunks_mut::<ENTRY_BYTES>();
        table.get_mut(count)
    }
}

/// A length as the format counts it, or `None` if it has no room.
fn bytes_of(length: Sectors) -> Option<u32> {
    u32::try_from(length.bytes()?).ok()
}
