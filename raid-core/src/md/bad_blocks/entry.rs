//! One entry of a bad-block list.

use crate::units::{DeviceSector, Sectors};

/// Sectors of a device that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BadBlockRange {
    /// The first.
    pub start: DeviceSector,
    /// How many.
    pub length: Sectors,
}

/// Whether the log on the medium has a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acknowledgement {
    /// It has.
    Given,
    /// Not yet.
    Awaited,
}

/// Units from `first` up to `end`, which is not one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Units {
    pub(super) first: u64,
    pub(super) end: u64,
}

impl Units {
    pub(super) const fn count(self) -> u64 {
        self.end.saturating_sub(self.first)
    }
}

/// Memory for one range of a [`BadBlockList`](super::BadBlockList): 8 bytes, packed as Linux does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadBlockEntry(u64);

/// Most units in an entry.
pub(super) const LENGTH_MAX: u64 = 512;
/// The first unit that no entry can begin at.
pub(super) const UNITS_END: u64 = 1 << 54;

// In memory: 1 bit for the acknowledgement, 54 for the start, 9 for the length less one.
const ACKNOWLEDGED: u64 = 1 << 63;
const START_SHIFT: u32 = 9;
const LENGTH_MASK: u64 = LENGTH_MAX - 1;

// On the medium: 54 bits for the start, 10 for the length.
const LOG_START_SHIFT: u32 = 10;
const LOG_LENGTH_MASK: u64 = (1 << LOG_START_SHIFT) - 1;

impl BadBlockEntry {
    /// Room for one range.
    pub const EMPTY: Self = Self(0);

    /// An entry for as many of these units as it can hold, which are not none and begin below
    /// [`UNITS_END`].
    pub(super) fn of(units: Units, acknowledgement: Acknowledgement) -> Self {
        let length = units.count().clamp(1, LENGTH_MAX).saturating_sub(1);
        let flag = match acknowledgement {
            Acknowledgement::Given => ACKNOWLEDGED,
            Acknowledgement::Awaited => 0,
        };
        let start = units.first & (UNITS_END - 1);
        Self(flag | start.wrapping_shl(START_SHIFT) | length)
    }

    pub(super) const fn first(self) -> u64 {
        (self.0 & !ACKNOWLEDGED).wrapping_shr(START_SHIFT)
    }

    pub(super) const fn length(self) -> u64 {
        (self.0 & LENGTH_MASK).saturating_add(1)
    }

    pub(super) const fn end(self) -> u64 {
        self.first().saturating_add(self.length())
    }

    pub(super) const fn units(self) -> Units {
        Units { first: self.first(), end: self.end() }
    }

    pub(super) const fn acknowledgement(self) -> Acknowledgement {
        match self.0 & ACKNOWLEDGED {
            0 => Acknowledgement::Awaited,
            _ => Acknowledgement::Given,
        }
    }

    /// The entry as the log has it.
    pub(super) const fn to_log(self) -> u64 {
        self.first().wrapping_shl(LOG_START_SHIFT) | self.length()
    }

    /// The units of a word of the log. Their count is 0 to 1023: an entry holds fewer.
    pub(super) const fn units_of_log(word: u64) -> Units {
        let first = word.wrapping_shr(LOG_START_SHIFT);
        Units { first, end: first.saturating_add(word & LOG_LENGTH_MASK) }
    }
}
