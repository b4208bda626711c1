//! The header of a log as bytes: who wrote it, which generation it is, and its entries.

use super::PPL_HEADER_SECTORS;
use super::error::PplError;
use crate::md::bytes::{Block, u32_at, u64_at};
use crate::md::crc32c::Crc32c;
use crate::md::fields::ArrayUuid;
use crate::units::{Lba, Sectors};

/// Most entries of a log.
pub const PPL_ENTRIES_MAX: usize = 148;

const _: () = assert!(crate::limits::LOG_ENTRIES_MAX <= PPL_ENTRIES_MAX);

// Offsets of the fields, by md's names. The 512 bytes before them are reserved, all ones.
pub(super) const RESERVED_BYTES: usize = 512;
pub(super) const SIGNATURE: usize = 512;
pub(super) const GENERATION: usize = 520;
pub(super) const ENTRIES_COUNT: usize = 528;
pub(super) const CHECKSUM: usize = 532;
pub(super) const ENTRIES: usize = 536;
pub(super) const ENTRY_BYTES: usize = 24;

const _: () = assert!(ENTRIES + PPL_ENTRIES_MAX * ENTRY_BYTES <= super::super::SUPERBLOCK_BYTES);

/// Which array a log is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PplSignature(pub(super) u32);

impl PplSignature {
    /// The signature of the logs of an array.
    #[must_use]
    pub fn of(array: ArrayUuid) -> Self {
        Self(Crc32c::START.update(&array.0).inverted())
    }
}

/// A header that was found to be whole, and of this array.
#[derive(Clone, Copy, Debug)]
pub struct PplHeader<'b> {
    generation: u64,
    entries: &'b [[u8; ENTRY_BYTES]],
    length: Sectors,
}

impl<'b> PplHeader<'b> {
    /// Reads the header in `block`, from which on the area has `room`.
    ///
    /// # Errors
    ///
    /// Says why the block is not the header of a log of this array.
    pub fn parse(
        block: &'b Block,
        signature: PplSignature,
        room: Sectors,
    ) -> Result<Self, PplError> {
        let (found, expected) = (u32_at::<CHECKSUM>(block), checksum(block));
        if found != expected {
            return Err(PplError::Checksum { found, expected });
        }
        let found = u32_at::<SIGNATURE>(block);
        if found != signature.0 {
            return Err(PplError::Signature { found });
        }
        let count = u32_at::<ENTRIES_COUNT>(block);
        let entries = entry_table(block)
            .get(..usize::try_from(count).unwrap_or(usize::MAX))
            .ok_or(PplError::TooManyEntries { count })?;
        let mut length = PPL_HEADER_SECTORS;
        for (entry, raw) in (0..).zip(entries) {
            let raw = RawEntry::parse(raw);
            let parity = whole_sectors(entry, raw.pp_size)?;
            whole_sectors(entry, raw.data_size)?;
            // 148 times 2^23 sectors cannot overflow.
            length = Sectors(length.0.saturating_add(parity.0));
        }
        if length > room {
            return Err(PplError::BeyondArea { room });
        }
        Ok(Self { generation: u64_at::<GENERATION>(block), entries, length })
    }

    /// Which log of its member this is: the newest has the highest number.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The size of the log, header included. Another one may follow it.
    #[must_use]
    pub const fn length(&self) -> Sectors {
        self.length
    }

    /// The entries, in the order in which their partial parity follows the header.
    pub fn entries(&self) -> impl Iterator<Item = PplEntry> + Clone + use<'b> {
        self.entries.iter().scan(PPL_HEADER_SECTORS, |at, raw| {
            let raw = RawEntry::parse(raw);
            let partial_parity = Sectors(u64::from(raw.pp_size >> SECTOR_SHIFT));
            let log_offset = *at;
            *at = at.checked_add(partial_parity)?;
            Some(PplEntry {
                first: Lba(raw.data_sector),
                data: Sectors(u64::from(raw.data_size >> SECTOR_SHIFT)),
                partial_parity,
                log_offset,
                parity_place: raw.parity_disk,
                checksum: raw.checksum,
            })
        })
    }
}

/// What a log says of one write, or of several that follow each other in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PplEntry {
    /// Where the written data begin (`data_sector`).
    pub first: Lba,
    /// How much was written, on all members together (`data_size`).
    pub data: Sectors,
    /// How much partial parity there is (`pp_size`): as much as is written on one member, or none if
    /// whole rows are written.
    pub partial_parity: Sectors,
    /// Where the partial parity lies, from the header.
    pub log_offset: Sectors,
    /// The place that holds the row's parity (`parity_disk`), as found.
    pub parity_place: u32,
    /// The checksum of the partial parity, as stored: see [`verify`](Self::verify).
    pub checksum: u32,
}

/// A checksum of partial parity that is given in pieces.
#[derive(Clone, Copy, Debug)]
pub struct PplDigest {
    sum: Crc32c,
    expected: u32,
}

/// Whether bytes are those that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Integrity {
    /// They are.
    Intact,
    /// They are not: the write of them was cut off, or they were damaged since.
    Damaged,
}

impl PplEntry {
    /// Begins to compare partial parity with the checksum. Feed it all of it, in order; an entry
    /// without partial parity is compared as well.
    #[must_use]
    pub const fn verify(&self) -> PplDigest {
        PplDigest { sum: Crc32c::START, expected: self.checksum }
    }
}

impl PplDigest {
    /// Takes in the next bytes.
    #[must_use]
    pub fn feed(self, bytes: &[u8]) -> Self {
        Self { sum: self.sum.update(bytes), ..self }
    }

    /// What came of it.
    #[must_use]
    pub const fn finish(self) -> Integrity {
        if self.sum.inverted() == self.expected { Integrity::Intact } else { Integrity::Damaged }
    }
}

const SECTOR_SHIFT: u32 = crate::units::SECTOR_BYTES.trailing_zeros();

fn whole_sectors(entry: u8, bytes: u32) -> Result<Sectors, PplError> {
    Sectors::from_bytes(bytes.into()).ok_or(PplError::EntrySize { entry, bytes })
}

/// An entry, field by field.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RawEntry {
    pub(super) data_sector: u64,
    pub(super) pp_size: u32,
    pub(super) data_size: u32,
    pub(super) parity_disk: u32,
    pub(super) checksum: u32,
}

impl RawEntry {
    fn parse(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = *bytes;
        let (words, _) = rest.as_chunks::<4>();
        let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
        let mut word = || words.next().unwrap_or(0);
        Self {
            data_sector: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            pp_size: word(),
            data_size: word(),
            parity_disk: word(),
            checksum: word(),
        }
    }

    pub(super) fn encode(self, to: &mut [u8; ENTRY_BYTES]) {
        let Self { data_sector, pp_size, data_size, parity_disk, checksum } = self;
        let words = [pp_size, data_size, parity_disk, checksum];
        let bytes = words.into_iter().flat_map(u32::to_le_bytes);
        for (to, byte) in to.iter_mut().zip(data_sector.to_le_bytes().into_iter().chain(bytes)) {
            *to = byte;
        }
    }
}

fn entry_table(block: &Block) -> &[[u8; ENTRY_BYTES]] {
    let (table, _) = block.split_at(ENTRIES).1.as_chunks::<ENTRY_BYTES>();
    table
}

/// The checksum of a header, its own field counted as zero.
pub(super) fn checksum(block: &Block) -> u32 {
    let (before, from) = block.split_at(CHECKSUM);
    let (_, after) = from.split_at(size_of::<u32>());
    Crc32c::START.update(before).update(&[0; 4]).update(after).inverted()
}
