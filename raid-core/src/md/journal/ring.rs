//! The journal as a ring of blocks.

use super::meta::JournalSeed;
use crate::md::fields::Validity;
use crate::md::roles::DeviceRole;
use crate::md::superblock::Superblock;
use crate::units::{DeviceSector, Sectors};

/// The unit of a journal: 4 KiB.
pub const JOURNAL_BLOCK_SECTORS: Sectors = Sectors(8);

const BLOCK: u64 = JOURNAL_BLOCK_SECTORS.0;

/// Fewest blocks of a journal: a meta block and one more. What is useful is far more.
const BLOCKS_MIN: u64 = 2;

/// The address of a block in the journal, in sectors from its start. Always that of a whole block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalSector(u64);

impl JournalSector {
    /// The first block.
    pub const ZERO: Self = Self(0);

    /// How far it lies from the start of the journal.
    #[must_use]
    pub const fn offset(self) -> Sectors {
        Sectors(self.0)
    }
}

/// Where the next meta block goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JournalHead {
    /// Its address.
    pub position: JournalSector,
    /// Its number.
    pub sequence: u64,
}

/// A journal: its place on its device, its size, and what its checksums begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Journal {
    start: DeviceSector,
    sectors: u64,
    seed: JournalSeed,
}

impl Superblock {
    /// The journal on this device and its tail, or `None` if the device is no journal or has no
    /// room for one. A tail that cannot be is taken for the first block, as md does.
    #[must_use]
    pub fn journal(&self) -> Option<(Journal, JournalSector)> {
        let (DeviceRole::Journal, Validity::JournalTail(tail)) = (self.own_role(), self.validity)
        else {
            return None;
        };
        let seed = JournalSeed::of(self.array_uuid);
        let journal = Journal::new(self.data_offset, self.data_size, seed)?;
        Some((journal, journal.sector(tail).unwrap_or(JournalSector::ZERO)))
    }
}

impl Journal {
    /// A journal of this size, from `start` on; `None` if that is too small. What is left over below
    /// a whole block is not used.
    #[must_use]
    pub const fn new(start: DeviceSector, size: Sectors, seed: JournalSeed) -> Option<Self> {
        let blocks = size.0 >> BLOCK.trailing_zeros();
        match blocks >= BLOCKS_MIN && start.checked_add(size).is_some() {
            true => Some(Self { start, sectors: size.0 & !(BLOCK - 1), seed }),
            false => None,
        }
    }

    /// What its checksums begin with.
    #[must_use]
    pub const fn seed(&self) -> JournalSeed {
        self.seed
    }

    /// How many blocks it has.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.sectors >> BLOCK.trailing_zeros()
    }

    /// Where on its device a block lies.
    #[must_use]
    pub const fn device_sector(&self, at: JournalSector) -> DeviceSector {
        // `new` has seen that the whole journal has room.
        DeviceSector(self.start.0.saturating_add(at.0))
    }

    /// The block at a distance from the start, or `None` if none begins there.
    #[must_use]
    pub const fn sector(&self, offset: Sectors) -> Option<JournalSector> {
        match offset.0 < self.sectors && offset.0.is_multiple_of(BLOCK) {
            true => Some(JournalSector(offset.0)),
            false => None,
        }
    }

    /// The block so many further on, around the end.
    #[must_use]
    pub fn advance(&self, from: JournalSector, blocks: u64) -> JournalSector {
        let blocks = blocks.checked_rem(self.blocks()).unwrap_or(0);
        let to = from.0.saturating_add(blocks.saturating_mul(BLOCK));
        JournalSector(to.checked_sub(self.sectors).unwrap_or(to))
    }

    /// How many blocks lie between two, around the end.
    #[must_use]
    pub const fn distance(&self, from: JournalSector, to: JournalSector) -> u64 {
        let sectors = match to.0.checked_sub(from.0) {
            Some(sectors) => sectors,
            None => self.sectors.saturating_sub(from.0).saturating_add(to.0),
        };
        sectors >> BLOCK.trailing_zeros()
    }

    /// How many blocks may be written from the head on. One stays free: a full ring would look like
    /// an empty one.
    #[must_use]
    pub const fn room(&self, tail: JournalSector, head: JournalSector) -> u64 {
        self.blocks().saturating_sub(self.distance(tail, head)).saturating_sub(1)
    }
}
