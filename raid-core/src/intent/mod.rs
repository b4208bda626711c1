//! The write-intent bitmap: which chunks may be under a write, so that after a crash, or when a
//! member was away, those alone need work.
//!
//! A bit is durable on every member before the first write under it, and cleared some time after
//! the last, once what was written is durable. While a member is missing or behind nothing is
//! cleared: set bits are what it lacks when it comes back.
//!
//! The table of chunks is lent by the host, who also keeps the bits on the members, in its format.

mod table;
mod writer;

pub(crate) use table::{Announced, InSync, Intent, LineMask, Others, Wish};
pub(crate) use writer::{Facts, IntentStep, Lines, Need, Turn};

use crate::plan::Redundancy;
use crate::units::Sectors;

/// Memory for the write-intent bitmap, and what it says at the start.
#[derive(Debug)]
pub struct IntentMap<'m> {
    /// How much a bit covers, a multiple of 4 KiB: of each member, or for level 10 of the array.
    pub chunk: Sectors,
    /// One for each chunk: as many as cover a member, or for level 10 the array.
    pub chunks: &'m mut [IntentChunk],
    /// The event count of the array when a bit was last cleared: who has seen that has missed
    /// nothing that no bit tells of.
    pub cleared_at: u64,
}

/// Memory for one chunk of the bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IntentChunk {
    bit: Bit,
    /// Whether parity and copies under it were known to agree at the start.
    agreement: Redundancy,
    lacked: Lacked,
}

impl IntentChunk {
    /// A chunk whose bit is clear on the members.
    pub const CLEAR: Self =
        Self { bit: Bit::Clear, agreement: Redundancy::InSync, lacked: Lacked::ByNobody };

    /// A chunk whose bit is set, or may be.
    pub const SET: Self = Self { bit: Bit::Set, ..Self::CLEAR };

    /// Whether the bit may be set on a member.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        match self.bit {
            Bit::Clear | Bit::Wanted => false,
            Bit::Setting | Bit::Set | Bit::Resting | Bit::Clearing => true,
        }
    }
}

/// Where a bit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Bit {
    Clear,
    /// Clear, and a write waits for it.
    Wanted,
    /// Being set.
    Setting,
    /// Durable on every member.
    Set,
    /// The same, and nothing was written under it since the last sweep.
    Resting,
    /// Being cleared.
    Clearing,
}

/// Whether a member that came back lacks what was written to a chunk while it was away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Lacked {
    ByNobody,
    BySomebody,
}

/// Bits in a line, and words.
pub const LINE_BITS: usize = 64 * LINE_WORDS;
const LINE_WORDS: usize = 8;

/// 512 bits of the bitmap, as they are to be on a member: what a
/// [`Command::RecordIntent`](crate::host::Command::RecordIntent) writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IntentLine {
    /// Which: the chunk of the first bit is 512 times as much.
    pub number: u32,
    /// The bits, the chunk with the lowest number in the lowest bit of the first word. Those behind
    /// the last chunk are clear.
    pub bits: [u64; LINE_WORDS],
    /// The event count of the array when a bit was last cleared. It has to be durable on the member
    /// no later than the bits are.
    pub cleared_at: u64,
}
