//! The backup of a window in the critical section of a reshape: bytes to values and back.
//!
//! md's kernel has none; its tools keep one of their own in a file. Ours has two areas, used in turn,
//! so that a header that is torn while it is written leaves the other one whole:
//!
//! ```text
//! header | content | header | content
//! ```
//!
//! A header is written when the content that it names is durable, and before anything in the array
//! is overwritten; what it says is worth nothing unless its sum fits, and the sum over the content.
//! Both cover every byte.

use core::fmt;

use super::bytes::{Block, SUPERBLOCK_BYTES, bytes_at, put, u32_at, u64_at};
use super::crc32c::Crc32c;
use super::fields::ArrayUuid;
use crate::geometry::Geometry;
use crate::reshape::{BackupArea, Change, Direction};
use crate::units::{FAULT_UNIT, Lba, SECTOR_BYTES, Sectors};

const MAGIC_NUMBER: [u8; 8] = *b"raidbak1";

// Offsets of the fields. All else is zero.
const MAGIC: usize = 0;
const ARRAY: usize = 8;
const CHANGE: usize = 24;
const SUM: usize = 28;
const SEQUENCE: usize = 32;
const START: usize = 40;
const LENGTH: usize = 48;
const CONTENT: usize = 56;
const END: usize = 64;

/// A header's own length.
pub const BACKUP_HEADER_SECTORS: Sectors = FAULT_UNIT;

const _: () = assert!(BACKUP_HEADER_SECTORS.0 * 512 == 4096 && SUPERBLOCK_BYTES == 4096);
const _: () = assert!(SECTOR_BYTES == 512);

/// Where everything lies in a backup that has room for so much content at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BackupLayout {
    room: Sectors,
}

impl BackupLayout {
    /// A backup with room for so much content; `None` if that is nothing, no whole number of 4 KiB
    /// blocks, or more than there are numbers for.
    #[must_use]
    pub fn new(room: Sectors) -> Option<Self> {
        if room == Sectors::ZERO || !room.0.is_multiple_of(FAULT_UNIT.0) {
            return None;
        }
        room.0.checked_add(BACKUP_HEADER_SECTORS.0)?.checked_mul(2)?;
        Some(Self { room })
    }

    /// The backup that fits into so many sectors.
    #[must_use]
    pub fn fitting(sectors: Sectors) -> Option<Self> {
        let room = sectors.0.wrapping_shr(1).checked_sub(BACKUP_HEADER_SECTORS.0)?;
        Self::new(Sectors(room.saturating_sub(room.checked_rem(FAULT_UNIT.0)?)))
    }

    /// How much content an area has room for.
    #[must_use]
    pub const fn room(&self) -> Sectors {
        self.room
    }

    /// How many sectors the backup takes.
    #[must_use]
    pub const fn sectors(&self) -> Sectors {
        Sectors(self.area().wrapping_mul(2)) // `new` checked the product
    }

    /// The sector of an area's header.
    #[must_use]
    pub const fn header(&self, area: BackupArea) -> Sectors {
        match area {
            BackupArea::First => Sectors::ZERO,
            BackupArea::Second => Sectors(self.area()),
        }
    }

    /// The first sector of an area's content.
    #[must_use]
    pub const fn content(&self, area: BackupArea) -> Sectors {
        Sectors(self.header(area).0.wrapping_add(BACKUP_HEADER_SECTORS.0))
    }

    const fn area(&self) -> u64 {
        self.room.0.wrapping_add(BACKUP_HEADER_SECTORS.0)
    }
}

/// A sum over content, block by block in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContentSum(u64);

impl ContentSum {
    /// Adds the 4 KiB block with this number, counted from the start of the content.
    #[must_use]
    pub fn with(self, number: u64, block: &Block) -> Self {
        let sum = Crc32c::START.update(&number.to_le_bytes()).update(block);
        Self(self.0.wrapping_add(sum.inverted().into()))
    }

    /// The sum over whole blocks from this number on. What is left over at the end is not counted.
    #[must_use]
    pub fn of(first: u64, content: &[u8]) -> Self {
        let (blocks, _) = content.as_chunks::<SUPERBLOCK_BYTES>();
        (first..).zip(blocks).fold(Self::default(), |sum, (number, block)| sum.with(number, block))
    }

    /// The sum over both parts.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BackupHeader {
    /// The array.
    pub array: ArrayUuid,
    /// The reshape: a sum over what it leads from and to.
    pub change: ChangeSum,
    /// Rises by one with each backup: of two, the higher one counts.
    pub sequence: u64,
    /// The lowest address of the content.
    pub start: Lba,
    /// Its length.
    pub sectors: Sectors,
    /// The sum over it.
    pub content: ContentSum,
}

/// Tells one reshape from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChangeSum(u32);

impl ChangeSum {
    /// The sum of a change.
    #[must_use]
    pub fn of(change: &Change) -> Self {
        let shape = |sum: Crc32c, geometry: &Geometry| {
            let shape = geometry.shape();
            sum.update(&shape.layout.md_level().to_le_bytes())
                .update(&shape.layout.md_layout().to_le_bytes())
                .update(&[shape.members])
                .update(&shape.chunk.0.to_le_bytes())
                .update(&shape.member_size.0.to_le_bytes())
        };
        let direction = match change.direction() {
            Direction::Forward => [0],
            Direction::Backward => [1],
        };
        let sum = shape(shape(Crc32c::START, change.before()), change.after());
        // Not the shift: it is that of the members that are there, and one may be lost meanwhile.
        Self(sum.update(&direction).inverted())
    }
}

/// Why a header is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupError {
    /// There is none: nothing was saved, or what was saved is not needed any more.
    NoBackup,
    /// The bytes are not those that were written: it was torn, or its medium failed.
    Checksum,
    /// The backup is of another array.
    OtherArray {
        /// Which.
        array: ArrayUuid,
    },
    /// The backup is of another reshape of this array.
    OtherChange,
    /// Nothing, or more than an area has room for, or no whole number of 4 KiB blocks.
    Length {
        /// The length.
        sectors: Sectors,
    },
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoBackup => f.write_str("nothing is saved here"),
            Self::Checksum => f.write_str("corrupt backup: the sum of its header does not fit"),
            Self::OtherArray { array } => write!(f, "the backup is of array {array}"),
            Self::OtherChange => f.write_str("the backup is of another reshape of this array"),
            Self::Length { sectors } => {
                write!(f, "corrupt backup: it cannot hold {} sectors", sectors.0)
            }
        }
    }
}

impl core::error::Error for BackupError {}

impl BackupHeader {
    /// Reads the header in `block`, for this array and reshape.
    ///
    /// # Errors
    ///
    /// Says why it is not to be believed. The content is to be summed up besides.
    pub fn parse(
        block: &Block,
        layout: &BackupLayout,
        array: ArrayUuid,
        change: &Change,
    ) -> Result<Self, BackupError> {
        if bytes_at::<MAGIC, 8>(block) != MAGIC_NUMBER {
            return Err(BackupError::NoBackup);
        }
        if u32_at::<SUM>(block) != sum(block) {
            return Err(BackupError::Checksum);
        }
        let header = Self {
            array: ArrayUuid(bytes_at::<ARRAY, 16>(block)),
            change: ChangeSum(u32_at::<CHANGE>(block)),
            sequence: u64_at::<SEQUENCE>(block),
            start: Lba(u64_at::<START>(block)),
            sectors: Sectors(u64_at::<LENGTH>(block)),
            content: ContentSum(u64_at::<CONTENT>(block)),
        };
        let Self { sectors, .. } = header;
        if header.array != array {
            return Err(BackupError::OtherArray { array: header.array });
        }
        if header.change != ChangeSum::of(change) {
            return Err(BackupError::OtherChange);
        }
        let whole = sectors.0.is_multiple_of(FAULT_UNIT.0);
        if sectors == Sectors::ZERO || sectors > layout.room() || !whole {
            return Err(BackupError::Length { sectors });
        }
        Ok(header)
    }

    /// The header as bytes.
    pub fn encode(&self, block: &mut Block) {
        block.fill(0);
        put::<MAGIC, 8>(block, MAGIC_NUMBER);
        put::<ARRAY, 16>(block, self.array.0);
        put::<CHANGE, 4>(block, self.change.0.to_le_bytes());
        put::<SEQUENCE, 8>(block, self.sequence.to_le_bytes());
        put::<START, 8>(block, self.start.0.to_le_bytes());
        put::<LENGTH, 8>(block, self.sectors.0.to_le_bytes());
        put::<CONTENT, 8>(block, self.content.0.to_le_bytes());
        let sum = sum(block);
        put::<SUM, 4>(block, sum.to_le_bytes());
    }

    /// The block that says that nothing is saved.
    pub fn clear(block: &mut Block) {
        block.fill(0);
    }
}

const _: () = assert!(CONTENT + 8 == END && END <= SUPERBLOCK_BYTES);

/// The sum over the whole block, its own field counted as zero.
fn sum(block: &Block) -> u32 {
    let (before, rest) = block.split_at(SUM);
    let (_, after) = rest.split_at(size_of::<u32>());
    Crc32c::START.update(before).update(&[0; 4]).update(after).inverted()
}
