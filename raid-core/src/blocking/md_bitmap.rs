//! Keeps md's write-intent bitmap on a member: reads the page that holds a line, changes it, writes it
//! back. And reads or writes one as a whole, when an array starts or a device comes in.

use super::device::BlockDevice;
use crate::host::{Durability, Fault};
use crate::intent::{IntentChunk, IntentLine, LINE_BITS};
use crate::md::{
    BITMAP_SUPERBLOCK_SECTORS, BitRange, BitmapGeometry, BitmapSuperblock, Block, SUPERBLOCK_BYTES,
};
use crate::units::{DeviceSector, Sectors};

const PAGE_SECTORS: u64 = 8;

const _: () = assert!(SUPERBLOCK_BYTES == 8 * 512, "a page of a bitmap is as long as a superblock");

/// The bitmap of a member.
struct OnDevice<'d, D> {
    device: &'d mut D,
    start: DeviceSector,
}

impl<D: BlockDevice> OnDevice<'_, D> {
    /// Where a page lies, and how many bytes of it are the bitmap's, in whole logical blocks.
    fn place(&self, page: u64, sectors: Sectors) -> Result<(DeviceSector, usize), Fault> {
        let before = Sectors(page.saturating_mul(PAGE_SECTORS));
        let at = self.start.checked_add(before).ok_or(Fault::InvalidRequest)?;
        let block = self.device.limits().logical_block().0.max(1);
        let left = sectors.saturating_sub(before).0.min(PAGE_SECTORS);
        let length = Sectors(left.checked_next_multiple_of(block).unwrap_or(left));
        let bytes = length.memory_bytes().ok_or(Fault::InvalidRequest)?;
        Ok((at, bytes.min(SUPERBLOCK_BYTES)))
    }

    /// Reads a page of a bitmap that is so long. What lies behind its end is zero.
    fn read(&mut self, page: u64, sectors: Sectors) -> Result<Block, Fault> {
        let (at, bytes) = self.place(page, sectors)?;
        let mut block = [0; SUPERBLOCK_BYTES];
        self.device.read(at, block.get_mut(..bytes).unwrap_or_default())?;
        Ok(block)
    }

    fn write(&mut self, page: u64, sectors: Sectors, block: &Block) -> Result<(), Fault> {
        let (at, bytes) = self.place(page, sectors)?;
        self.device.write(at, block.get(..bytes).unwrap_or_default(), Durability::Durable)
    }

    /// The superblock, and the first page with it.
    fn superblock(&mut self) -> Result<(BitmapSuperblock, Block), Fault> {
        // What is no bitmap is nothing to write over.
        let parse = |page: &Block| BitmapSuperblock::parse(page).map_err(|_| Fault::Integrity);
        let sectors = parse(&self.read(0, BITMAP_SUPERBLOCK_SECTORS)?)?.geometry.sectors();
        let page = self.read(0, sectors)?;
        Ok((parse(&page)?, page))
    }
}

/// Takes the event count of the array's metadata over. To be done before that is written: a bitmap
/// that is behind counts as not kept.
pub(super) fn record<D: BlockDevice>(
    device: &mut D,
    start: DeviceSector,
    events: u64,
) -> Result<(), Fault> {
    let mut bitmap = OnDevice { device, start };
    let (mut superblock, mut page) = bitmap.superblock()?;
    superblock.events = events;
    superblock.encode(&mut page);
    bitmap.write(0, superblock.geometry.sectors(), &page)
}

/// Writes a line, and before it when bits were cleared, if that has changed.
pub(super) fn record_line<D: BlockDevice>(
    device: &mut D,
    start: DeviceSector,
    line: &IntentLine,
) -> Result<(), Fault> {
    let mut bitmap = OnDevice { device, start };
    let (mut superblock, mut first) = bitmap.superblock()?;
    let geometry = superblock.geometry;
    let sectors = geometry.sectors();
    if superblock.events_cleared != line.cleared_at {
        superblock.events_cleared = line.cleared_at;
        superblock.encode(&mut first);
        bitmap.write(0, sectors, &first)?;
    }
    let number = geometry.page_of(first_bit(line));
    let mut page = match number {
        0 => first,
        _ => bitmap.read(number, sectors)?,
    };
    put_line(geometry, number, &mut page, line);
    bitmap.write(number, sectors, &page)
}

fn first_bit(line: &IntentLine) -> u64 {
    let bits = u64::try_from(LINE_BITS).unwrap_or(u64::MAX);
    u64::from(line.number).saturating_mul(bits)
}

fn put_line(geometry: BitmapGeometry, number: u64, page: &mut Block, line: &IntentLine) {
    let mut bits = geometry.page_mut(number, page);
    for (word, at) in line.bits.iter().zip((first_bit(line)..).step_by(64)) {
        for place in 0..64_u32 {
            let first = at.saturating_add(place.into());
            let bit = BitRange { first, end: first.saturating_add(1) };
            match word.wrapping_shr(place) & 1 {
                0 => bits.clear(bit),
                _ => bits.set(bit),
            }
        }
    }
}

/// Reads a member's bitmap, whose superblock was read and whose place checked, into memory for an
/// engine: a chunk for each bit.
///
/// # Errors
/// The device cannot be read.
pub fn load_bitmap<D: BlockDevice>(
    device: &mut D,
    start: DeviceSector,
    geometry: BitmapGeometry,
    chunks: &mut [IntentChunk],
) -> Result<(), Fault> {
    let mut bitmap = OnDevice { device, start };
    let mut chunks = chunks.iter_mut();
    for number in 0..geometry.pages() {
        let page = bitmap.read(number, geometry.sectors())?;
        let bits = geometry.page(number, &page);
        let BitRange { first, end } = bits.range();
        for (bit, chunk) in (first..end).zip(&mut chunks) {
            *chunk = if bits.is_set(bit) { IntentChunk::SET } else { IntentChunk::CLEAR };
        }
    }
    Ok(())
}

/// Writes a whole bitmap to a member: to a new one, and to one whose bitmap is not that of the others.
///
/// # Errors
/// It is not written, or in part.
pub fn store_bitmap<D: BlockDevice>(
    device: &mut D,
    start: DeviceSector,
    superblock: &BitmapSuperblock,
    chunks: &[IntentChunk],
) -> Result<(), Fault> {
    let geometry = superblock.geometry;
    let mut bitmap = OnDevice { device, start };
    let mut chunks = chunks.iter();
    for number in 0..geometry.pages() {
        let mut page = [0; SUPERBLOCK_BYTES];
        let mut bits = geometry.page_mut(number, &mut page);
        let BitRange { first, end } = bits.range();
        for (first, chunk) in (first..end).zip(&mut chunks) {
            if chunk.is_set() {
                bits.set(BitRange { first, end: first.saturating_add(1) });
            }
        }
        if number == 0 {
            superblock.encode(&mut page);
        }
        bitmap.write(number, geometry.sectors(), &page)?;
    }
    Ok(())
}
