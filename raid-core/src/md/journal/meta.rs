//! A meta block as bytes: what it is, and what the blocks behind it are.

use super::error::MetaError;
use crate::md::bytes::{Block, SUPERBLOCK_BYTES, u8_at, u32_at, u64_at};
use crate::md::crc32c::Crc32c;
use crate::md::fields::ArrayUuid;
use crate::units::{Lba, MemberSector};

pub(super) const MAGIC_NUMBER: u32 = 0x6433_c509;
pub(super) const FORMAT_VERSION: u8 = 1;

// Offsets of the fields, by md's names.
pub(super) const MAGIC: usize = 0;
pub(super) const CHECKSUM: usize = 4;
pub(super) const VERSION: usize = 8;
pub(super) const META_SIZE: usize = 12;
pub(super) const SEQUENCE: usize = 16;
pub(super) const POSITION: usize = 24;
pub(super) const PAYLOADS: usize = 32;

// A payload: kind, flags, size and, for data and parity, an address; then a list.
pub(super) const DATA: u16 = 0;
pub(super) const PARITY: u16 = 1;
const FLUSH: u16 = 2;
pub(super) const BLOCK_SECTORS: u32 = 8;
const BOTH_SECTORS: u32 = 2 * BLOCK_SECTORS;
const ADDRESS_BYTES: u32 = 8;

/// What the checksums of a journal begin with: it follows from the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JournalSeed(Crc32c);

impl JournalSeed {
    /// The seed of an array's journal.
    #[must_use]
    pub fn of(array: ArrayUuid) -> Self {
        Self(Crc32c::START.update(&array.0))
    }

    /// The checksum of a block of data or parity.
    #[must_use]
    pub fn checksum(self, block: &[u8]) -> u32 {
        self.0.update(block).state()
    }

    /// The checksum of a meta block, its own field counted as zero.
    pub(super) fn meta_checksum(self, block: &Block) -> u32 {
        let (before, from) = block.split_at(CHECKSUM);
        let (_, after) = from.split_at(size_of::<u32>());
        self.0.update(before).update(&[0; 4]).update(after).state()
    }
}

/// A meta block that was found to be whole, of this array, and understood throughout.
#[derive(Clone, Copy, Debug)]
pub struct MetaBlock<'b> {
    block: &'b Block,
}

/// The checksums of a row's parity blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParityChecksums {
    /// Levels 4 and 5.
    P(u32),
    /// Level 6: P, which comes first in the journal, and Q.
    PAndQ(u32, u32),
}

impl ParityChecksums {
    /// How many parity blocks there are.
    #[must_use]
    pub const fn blocks(self) -> u8 {
        match self {
            Self::P(_) => 1,
            Self::PAndQ(..) => 2,
        }
    }
}

/// What a meta block says of blocks, or of rows. Blocks lie behind the meta block in this order.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'b> {
    /// A data block.
    Data {
        /// Where in the array it belongs.
        address: Lba,
        /// Its checksum.
        checksum: u32,
    },
    /// The parity blocks of a row: P, and Q at level 6.
    Parity {
        /// Where on the members they belong.
        address: MemberSector,
        /// Their checksums.
        checksums: ParityChecksums,
    },
    /// What earlier meta blocks say of these rows is on the members.
    Flush {
        /// Where on the members they are.
        rows: FlushedRows<'b>,
    },
}

impl Payload<'_> {
    /// How many blocks of the journal it speaks of.
    #[must_use]
    pub const fn blocks(&self) -> u8 {
        match self {
            Self::Data { .. } => 1,
            Self::Parity { checksums, .. } => checksums.blocks(),
            Self::Flush { .. } => 0,
        }
    }
}

/// Addresses on the members, as a meta block lists them.
#[derive(Clone, Copy, Debug)]
pub struct FlushedRows<'b>(&'b [[u8; 8]]);

impl FlushedRows<'_> {
    /// The addresses.
    pub fn iter(&self) -> impl Iterator<Item = MemberSector> + Clone + '_ {
        self.0.iter().map(|raw| MemberSector(u64::from_le_bytes(*raw)))
    }
}

impl<'b> MetaBlock<'b> {
    /// Reads the meta block in `block`.
    ///
    /// # Errors
    ///
    /// [`MetaError::NotMeta`], `Version` and `Checksum` say that there is none of this array; the
    /// others that there is one, and what of it cannot be.
    pub fn parse(block: &'b Block, seed: JournalSeed) -> Result<Self, MetaError> {
        if u32_at::<MAGIC>(block) != MAGIC_NUMBER {
            return Err(MetaError::NotMeta);
        }
        match u8_at::<VERSION>(block) {
            FORMAT_VERSION => {}
            found => return Err(MetaError::Version { found }),
        }
        let (found, expected) = (u32_at::<CHECKSUM>(block), seed.meta_checksum(block));
        if found != expected {
            return Err(MetaError::Checksum { found, expected });
        }
        let meta = Self { block };
        let mut cursor = Cursor::FIRST;
        // Each payload is longer than nothing, so this ends with the block.
        while let Some((_, next)) = cursor.next(&meta)? {
            cursor = next;
        }
        Ok(meta)
    }

    /// Its number: that of the meta block before it, and one.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        u64_at::<SEQUENCE>(self.block)
    }

    /// Where in the journal it says it lies, in sectors.
    #[must_use]
    pub fn position(&self) -> u64 {
        u64_at::<POSITION>(self.block)
    }

    /// What it says of the blocks behind it.
    pub fn payloads(&self) -> impl Iterator<Item = Payload<'b>> + Clone + use<'b> {
        let (meta, mut cursor) = (*self, Cursor::FIRST);
        core::iter::from_fn(move || {
            let (payload, next) = cursor.step(&meta)?;
            cursor = next;
            Some(payload)
        })
    }

    /// How many blocks of the journal belong to it, without itself.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.payloads().fold(0, |sum, payload| sum.saturating_add(payload.blocks().into()))
    }

    /// One that was parsed before, of which the block has been kept.
    pub(super) const fn kept(block: &'b Block) -> Self {
        Self { block }
    }

    fn size(&self) -> Result<u16, MetaError> {
        let size = u16::try_from(u32_at::<META_SIZE>(self.block)).unwrap_or(u16::MAX);
        match usize::from(size) {
            PAYLOADS..=SUPERBLOCK_BYTES => Ok(size),
            _ => Err(MetaError::Size { at: size }),
        }
    }
}

/// A place between two payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor(u16);

type Step<'b> = (Payload<'b>, Cursor);

impl Cursor {
    pub(super) const FIRST: Self = {
        assert!(PAYLOADS == 32);
        Self(32)
    };

    /// The payload here and the place behind it, of a block that was found good.
    pub(super) fn step<'b>(self, meta: &MetaBlock<'b>) -> Option<Step<'b>> {
        self.next(meta).ok().flatten()
    }

    fn next<'b>(self, meta: &MetaBlock<'b>) -> Result<Option<Step<'b>>, MetaError> {
        let size = meta.size()?;
        if self.0 == size {
            return Ok(None);
        }
        let short = MetaError::Size { at: self.0 };
        let rest = meta.block.get(usize::from(self.0)..usize::from(size)).ok_or(short)?;
        let ([a, b, c, d, e, f, g, h], rest) = rest.split_first_chunk::<8>().ok_or(short)?;
        let kind = u16::from_le_bytes([*a, *b]);
        let flags = u16::from_le_bytes([*c, *d]);
        let size = u32::from_le_bytes([*e, *f, *g, *h]);
        if flags != 0 && kind <= FLUSH {
            return Err(MetaError::Flags { flags });
        }
        let wrong = MetaError::PayloadSize { size };
        let payload = match (kind, size) {
            (DATA, BLOCK_SECTORS) => {
                let (address, [checksum]) = located::<1>(rest).ok_or(short)?;
                Payload::Data { address: Lba(address), checksum }
            }
            (PARITY, BLOCK_SECTORS) => {
                let (address, [p]) = located::<1>(rest).ok_or(short)?;
                let checksums = ParityChecksums::P(p);
                Payload::Parity { address: MemberSector(address), checksums }
            }
            (PARITY, BOTH_SECTORS) => {
                let (address, [p, q]) = located::<2>(rest).ok_or(short)?;
                let checksums = ParityChecksums::PAndQ(p, q);
                Payload::Parity { address: MemberSector(address), checksums }
            }
            (FLUSH, bytes) if bytes.is_multiple_of(ADDRESS_BYTES) => {
                let bytes = usize::try_from(bytes).map_err(|_| wrong)?;
                let (rows, _) = rest.get(..bytes).ok_or(short)?.as_chunks::<8>();
                Payload::Flush { rows: FlushedRows(rows) }
            }
            (DATA | PARITY | FLUSH, _) => return Err(wrong),
            (kind, _) => return Err(MetaError::Kind { kind }),
        };
        let length = match payload {
            Payload::Data { .. } => 8 + 8 + 4,
            Payload::Parity { checksums: ParityChecksums::P(_), .. } => 8 + 8 + 4,
            Payload::Parity { checksums: ParityChecksums::PAndQ(..), .. } => 8 + 8 + 8,
            Payload::Flush { .. } => u16::try_from(size).map_err(|_| wrong)?.saturating_add(8),
        };
        Ok(Some((payload, Self(self.0.saturating_add(length)))))
    }
}

/// An address and the checksums behind it.
fn located<const N: usize>(bytes: &[u8]) -> Option<(u64, [u32; N])> {
    let (address, rest) = bytes.split_first_chunk::<8>()?;
    let (words, _) = rest.as_chunks::<4>();
    let words = words.first_chunk::<N>()?;
    Some((u64::from_le_bytes(*address), words.map(u32::from_le_bytes)))
}
