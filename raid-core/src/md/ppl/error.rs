//! What can be wrong with a log, with one of its entries, and with a write that is to be logged.

use core::fmt;

use crate::units::{Lba, MemberIndex, Sectors};

/// Why a block is not the header of a partial parity log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PplError {
    /// No header, or one that was not written whole.
    Checksum {
        /// What the block says.
        found: u32,
        /// What its bytes give.
        expected: u32,
    },
    /// A header of another array.
    Signature {
        /// What the header says.
        found: u32,
    },
    /// More entries than a header has room for.
    TooManyEntries {
        /// How many it says there are.
        count: u32,
    },
    /// A size that is no whole number of sectors.
    EntrySize {
        /// The number of the entry, from 0.
        entry: u8,
        /// The size in bytes.
        bytes: u32,
    },
    /// The partial parity would lie beyond the area.
    BeyondArea {
        /// The room for the log from its header on.
        room: Sectors,
    },
}

impl fmt::Display for PplError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Checksum { found, expected } => {
                write!(
                    f,
                    "no partial parity log: checksum {found:08x}, its bytes give {expected:08x}"
                )
            }
            Self::Signature { found } => {
                write!(f, "a partial parity log of another array (signature {found:08x})")
            }
            Self::TooManyEntries { count } => {
                write!(f, "corrupt partial parity log: {count} entries, at most 148 fit")
            }
            Self::EntrySize { entry, bytes } => write!(
                f,
                "corrupt partial parity log: entry {entry} is of {bytes} bytes, no whole sectors"
            ),
            Self::BeyondArea { room } => {
                write!(f, "corrupt partial parity log: longer than its area of {} sectors", room.0)
            }
        }
    }
}

impl core::error::Error for PplError {}

/// Why an entry of a partial parity log cannot be of this array, though its header is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PplEntryError {
    /// The array is not of level 5 (or 4).
    Level,
    /// The sizes of data and partial parity do not go together, or do not fit a row.
    Sizes {
        /// The size of the data.
        data: Sectors,
        /// The size of the partial parity.
        partial_parity: Sectors,
    },
    /// The data lie beyond the array, or not in one row.
    Range {
        /// Where the data begin.
        first: Lba,
    },
    /// The log is not that of the member which holds the row's parity.
    ParityPlace {
        /// The place that the entry names.
        named: u32,
        /// The place that the row's parity has.
        holds: MemberIndex,
    },
}

impl fmt::Display for PplEntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Level => f.write_str("a partial parity log is for level 5 alone"),
            Self::Sizes { data, partial_parity } => write!(
                f,
                "corrupt entry of a partial parity log: {} sectors of data and {} of partial parity",
                data.0, partial_parity.0
            ),
            Self::Range { first } => write!(
                f,
                "corrupt entry of a partial parity log: data at {} in no one row of the array",
                first.0
            ),
            Self::ParityPlace { named, holds } => write!(
                f,
                "corrupt entry of a partial parity log: parity of member {named}, that row's is {}",
                holds.0
            ),
        }
    }
}

impl core::error::Error for PplEntryError {}

/// Why a write does not go into a batch. The batch is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PplRefusal {
    /// No room: finish this batch, and put the write into the next.
    Full,
    /// The caller's mistake: the write is not one in a row whose parity this member holds, or the
    /// partial parity is not as long as it is.
    Misuse,
}

impl fmt::Display for PplRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the log has no room for another write",
            Self::Misuse => "the write does not belong into this member's log",
        })
    }
}

impl core::error::Error for PplRefusal {}
