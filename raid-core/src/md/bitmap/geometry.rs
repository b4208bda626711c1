//! Which bit covers which sectors, and where it lies.

use core::ops::Range;

use super::bits::{BitRange, DirtyBits};
use super::superblock::BitmapError;
use crate::md::bytes::{Block, SUPERBLOCK_BYTES};
use crate::units::{SECTOR_BYTES, Sectors};

/// A sector as a bitmap counts it: for levels 1, 4, 5 and 6 of each member's data area, for level
/// 10 of the array.
///
/// So the bitmap of a parity array survives a reshape of its members' count, during which a write
/// sets the bits of its old and of its new place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyncSector(pub u64);

/// The bits of the superblock at the start of the bitmap, so to say.
const HEADER_BITS: u64 = 8 * HEADER_BYTES;
const HEADER_BYTES: u64 = 256;
const PAGE_BITS: u64 = 8 * PAGE_BYTES;
const PAGE_BYTES: u64 = 4096;
/// The shortest chunk that mdadm makes: "sub-page chunks" do not work in md.
const NEW_CHUNK_BYTES_MIN: u32 = 4096;
/// The shortest chunk that mdadm chooses by itself.
const NEW_CHUNK_BYTES: u32 = 64 << 20;
/// The most room that mdadm fills by itself.
const NEW_ROOM_MAX: Sectors = Sectors(256);

const _: () = assert!(SUPERBLOCK_BYTES == 4096 && PAGE_BYTES == 4096);

/// How much a bit covers, and how much all of them do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BitmapGeometry {
    /// The chunk, as a power of two of sectors.
    chunk_shift: u32,
    sync_size: Sectors,
}

impl BitmapGeometry {
    /// The geometry of a bitmap whose bits cover `chunk_bytes` each and `sync_size` together: the
    /// size of a member in use, or for level 10 that of the array.
    ///
    /// # Errors
    ///
    /// [`BitmapError::BadField`] for a chunk that is no power of two or shorter than a sector.
    pub fn new(chunk_bytes: u32, sync_size: Sectors) -> Result<Self, BitmapError> {
        match chunk_bytes.checked_ilog2().and_then(|log2| log2.checked_sub(SECTOR_BYTES.ilog2())) {
            Some(chunk_shift) if chunk_bytes.is_power_of_two() => {
                Ok(Self { chunk_shift, sync_size })
            }
            Some(_) | None => Err(BitmapError::BadField { field: "chunksize", value: chunk_bytes }),
        }
    }

    /// The geometry that mdadm chooses for a new bitmap with this much room: chunks of 64 MiB, or
    /// longer if the bits would not fit.
    ///
    /// # Errors
    ///
    /// [`BitmapError::NoRoom`] if the longest chunk is too short.
    pub fn for_new(sync_size: Sectors, room: Sectors) -> Result<Self, BitmapError> {
        let room = room.min(NEW_ROOM_MAX);
        let shortest = Self::shortest_chunk(sync_size, room)?;
        Self::new(shortest.max(NEW_CHUNK_BYTES), sync_size)
    }

    /// The geometry of a new bitmap with this chunk and this much room.
    ///
    /// # Errors
    ///
    /// [`BitmapError::NoRoom`] where mdadm refuses: the chunk is shorter than 4 KiB or gives more
    /// bits than fit, and [`BitmapError::BadField`] as [`new`](Self::new).
    pub fn for_new_with_chunk(
        chunk_bytes: u32,
        sync_size: Sectors,
        room: Sectors,
    ) -> Result<Self, BitmapError> {
        let geometry = Self::new(chunk_bytes, sync_size)?;
        match chunk_bytes >= Self::shortest_chunk(sync_size, room)? {
            true => Ok(geometry),
            false => Err(BitmapError::NoRoom { room }),
        }
    }

    /// How much room mdadm leaves for the bitmap of a new array whose members use `size` sectors:
    /// 4, 64 (from 8 GiB on) or 128 KiB (from 200 GiB on), and none on the tiniest.
    #[must_use]
    pub const fn room_for_new(size: Sectors) -> Sectors {
        const KIB_64: u64 = 128;
        const GIB: u64 = 2 * 1024 * 1024;
        Sectors(match size.0 {
            0..KIB_64 => 0,
            size if size.saturating_sub(KIB_64) >= 200 * GIB => 256,
            size if size.saturating_sub(8) > 8 * GIB => 128,
            _ => 8,
        })
    }

    /// The shortest chunk with which mdadm makes a bitmap: it counts one bit more than there are,
    /// and rounds up with each doubling.
    fn shortest_chunk(sync_size: Sectors, room: Sectors) -> Result<u32, BitmapError> {
        let no_room = BitmapError::NoRoom { room };
        let room_bits = room.bytes().and_then(|bytes| bytes.checked_mul(8)).unwrap_or(u64::MAX);
        let bits_max = room_bits.checked_sub(HEADER_BITS).ok_or(no_room)?;
        let mut chunk = NEW_CHUNK_BYTES_MIN;
        let mut bits = sync_size.0.wrapping_shr(3).saturating_add(1);
        while bits > bits_max {
            chunk = chunk.checked_mul(2).ok_or(no_room)?;
            bits = bits.div_ceil(2);
        }
        Ok(chunk)
    }

    /// What a bit covers, in bytes (`chunksize`).
    #[must_use]
    pub const fn chunk_bytes(self) -> u32 {
        // A chunk of bytes was what it was made from.
        SECTOR_BYTES.wrapping_shl(self.chunk_shift)
    }

    /// What a bit covers.
    #[must_use]
    pub const fn chunk(self) -> Sectors {
        Sectors(1_u64.wrapping_shl(self.chunk_shift))
    }

    /// What all bits cover; the last may cover less than the others.
    #[must_use]
    pub const fn sync_size(self) -> Sectors {
        self.sync_size
    }

    /// How many bits there are.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.chunk_after(self.sync_size.0)
    }

    /// All bits.
    #[must_use]
    pub const fn all(self) -> BitRange {
        BitRange { first: 0, end: self.bits() }
    }

    /// How long the bitmap is, with its superblock.
    #[must_use]
    pub const fn sectors(self) -> Sectors {
        // Fewer than 2^64 bits are fewer than 2^61 bytes.
        let bytes = self.bits().div_ceil(8).saturating_add(HEADER_BYTES);
        Sectors(bytes.div_ceil(512))
    }

    /// How many pages of 4 KiB hold it. Page 0 begins with the superblock.
    #[must_use]
    pub const fn pages(self) -> u64 {
        self.sectors().0.div_ceil(8)
    }

    /// The page that holds this bit.
    #[must_use]
    pub const fn page_of(self, bit: u64) -> u64 {
        bit.wrapping_shr(PAGE_BITS.ilog2()).saturating_add(
            // With what the superblock takes, the rest may reach into the next page.
            match bit & (PAGE_BITS - 1) >= PAGE_BITS - HEADER_BITS {
                true => 1,
                false => 0,
            },
        )
    }

    /// The bits in a page; none behind the last.
    #[must_use]
    pub fn bits_of(self, page: u64) -> BitRange {
        let start = page.saturating_mul(PAGE_BITS);
        let place = |at: u64| at.saturating_sub(HEADER_BITS).min(self.bits());
        BitRange { first: place(start), end: place(start.saturating_add(PAGE_BITS)) }
    }

    /// The bits in a page, over its bytes.
    #[must_use]
    pub fn page(self, page: u64, bytes: &Block) -> DirtyBits<&[u8]> {
        let bits = bytes.get(Self::bit_bytes(page)).unwrap_or_default();
        DirtyBits::clipped(self.bits_of(page), bits)
    }

    /// The bits in a page, over its bytes, to be changed.
    #[must_use]
    pub fn page_mut(self, page: u64, bytes: &mut Block) -> DirtyBits<&mut [u8]> {
        let bits = bytes.get_mut(Self::bit_bytes(page)).unwrap_or_default();
        DirtyBits::clipped(self.bits_of(page), bits)
    }

    /// Where in a page its bits lie.
    const fn bit_bytes(page: u64) -> Range<usize> {
        match page {
            0 => 256..SUPERBLOCK_BYTES,
            _ => 0..SUPERBLOCK_BYTES,
        }
    }

    /// The bits of all chunks that these sectors touch. Sectors behind the last have none.
    #[must_use]
    pub fn bits_over(self, start: SyncSector, length: Sectors) -> BitRange {
        let end = start.0.saturating_add(length.0).min(self.sync_size.0);
        match start.0 < end {
            true => BitRange {
                first: start.0.wrapping_shr(self.chunk_shift),
                end: self.chunk_after(end),
            },
            false => BitRange::EMPTY,
        }
    }

    /// The sectors that these bits cover.
    #[must_use]
    pub fn sectors_under(self, bits: BitRange) -> (SyncSector, Sectors) {
        let place = |bit: u64| bit.saturating_mul(self.chunk().0).min(self.sync_size.0);
        let start = place(bits.first);
        (SyncSector(start), Sectors(place(bits.end).saturating_sub(start)))
    }

    /// The number of the first chunk that begins at or behind this sector.
    const fn chunk_after(self, sector: u64) -> u64 {
        let whole = sector.wrapping_shr(self.chunk_shift);
        match sector & self.chunk().0.wrapping_sub(1) {
            0 => whole,
            _ => whole.saturating_add(1),
        }
    }
}
