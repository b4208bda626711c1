//! The write-intent bitmap that a device keeps.

use raid_core::intent::{IntentChunk, IntentLine, LINE_BITS};
use raid_core::units::Sectors;

/// What an array's write-intent bitmap is, and says at the start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    /// What a bit covers.
    pub chunk: Sectors,
    /// Whether each bit is set.
    pub bits: Vec<Bit>,
    /// The event count when a bit was last cleared.
    pub cleared_at: u64,
}

/// A bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bit {
    /// Nothing is being written there.
    Clear,
    /// Something may be.
    Set,
}

impl Intent {
    /// Over this much, with all bits clear since that event count.
    #[must_use]
    pub fn over(size: Sectors, chunk: Sectors, cleared_at: u64) -> Self {
        let count = usize::try_from(size.0.div_ceil(chunk.0)).expect("fits into memory");
        Self { chunk, bits: vec![Bit::Clear; count], cleared_at }
    }

    /// Whether the bit over a sector is set.
    #[must_use]
    pub fn is_set(&self, sector: u64) -> bool {
        self.bits[usize::try_from(sector / self.chunk.0).expect("fits into memory")] == Bit::Set
    }

    /// How many bits are set.
    #[must_use]
    pub fn count(&self) -> usize {
        self.bits.iter().filter(|bit| **bit == Bit::Set).count()
    }

    /// As memory to lend.
    #[must_use]
    pub fn chunks(&self) -> Vec<IntentChunk> {
        let chunk = |bit: &Bit| match bit {
            Bit::Clear => IntentChunk::CLEAR,
            Bit::Set => IntentChunk::SET,
        };
        self.bits.iter().map(chunk).collect()
    }

    /// Puts a line in place.
    pub fn apply(&mut self, line: &IntentLine) {
        let first = usize::try_from(line.number).expect("fits into memory") * LINE_BITS;
        let rest = &mut self.bits[first..];
        for place in 0..LINE_BITS {
            let is_set = line.bits[place / 64] >> (place % 64) & 1 == 1;
            match rest.get_mut(place) {
                Some(bit) => *bit = if is_set { Bit::Set } else { Bit::Clear },
                None => assert!(!is_set, "a bit behind the last: {line:?}"),
            }
        }
        self.cleared_at = line.cleared_at;
    }
}
