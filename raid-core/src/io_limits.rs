//! What devices can take, stacked over all members and checked when a request comes in.

use crate::limits::LANE_SECTORS_MIN;
use crate::units::{SECTOR_BYTES, Sectors};

/// What one device, or all devices of an array together, can take in one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IoLimits {
    /// Bytes that the address and the length of every command must be a multiple of. A power of
    /// two, 512 to 4096.
    pub logical_block_bytes: u32,
    /// Bytes that the memory of every command must be aligned to. A power of two, 1 to 4096.
    pub memory_alignment_bytes: u32,
    /// Longest command. At least 4 KiB.
    pub transfer_max: Sectors,
}

/// A limit that no engine can work with. Bad configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitsError {
    /// The logical block is no power of two from 512 to 4096 bytes.
    LogicalBlock(u32),
    /// The memory alignment is no power of two from 1 to 4096 bytes.
    MemoryAlignment(u32),
    /// The longest command is under 4 KiB.
    Transfer(Sectors),
}

impl core::fmt::Display for LimitsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::LogicalBlock(bytes) => {
                write!(
                    f,
                    "a logical block of {bytes} bytes; it must be a power of two, 512 to 4096"
                )
            }
            Self::MemoryAlignment(bytes) => {
                write!(
                    f,
                    "a memory alignment of {bytes} bytes; it must be a power of two, 1 to 4096"
                )
            }
            Self::Transfer(sectors) => {
                write!(f, "commands of at most {} sectors; 8 are the least to work with", sectors.0)
            }
        }
    }
}

impl core::error::Error for LimitsError {}

/// Largest logical block and memory alignment.
pub const ALIGNMENT_BYTES_MAX: u32 = 4096;

impl IoLimits {
    /// A device without demands: 512-byte blocks, memory anywhere, commands of any length.
    pub const RELAXED: Self = Self {
        logical_block_bytes: SECTOR_BYTES,
        memory_alignment_bytes: 1,
        transfer_max: Sectors(u64::MAX),
    };

    /// The limits that satisfy both: the larger block and alignment, the shorter transfer.
    #[must_use]
    #[inline]
    pub fn stacked(self, other: Self) -> Self {
        Self {
            logical_block_bytes: self.logical_block_bytes.max(other.logical_block_bytes),
            memory_alignment_bytes: self.memory_alignment_bytes.max(other.memory_alignment_bytes),
            transfer_max: self.transfer_max.min(other.transfer_max),
        }
    }

    /// These limits, if an engine can work with them.
    ///
    /// # Errors
    /// Which limit is out of its bounds.
    pub fn validated(self) -> Result<Self, LimitsError> {
        let Self { logical_block_bytes: block, memory_alignment_bytes: memory, transfer_max } =
            self;
        if !block.is_power_of_two() || !(SECTOR_BYTES..=ALIGNMENT_BYTES_MAX).contains(&block) {
            return Err(LimitsError::LogicalBlock(block));
        }
        if !memory.is_power_of_two() || memory > ALIGNMENT_BYTES_MAX {
            return Err(LimitsError::MemoryAlignment(memory));
        }
        if transfer_max < LANE_SECTORS_MIN {
            return Err(LimitsError::Transfer(transfer_max));
        }
        Ok(self)
    }

    /// Sectors in a logical block.
    #[must_use]
    #[inline]
    pub fn logical_block(&self) -> Sectors {
        Sectors(u64::from(self.logical_block_bytes / SECTOR_BYTES))
    }

    /// Whether a device takes memory that starts `offset` into a requester's memory of this
    /// alignment as it is.
    #[must_use]
    #[inline]
    pub fn takes(&self, memory: MemoryAlignment, offset: Sectors) -> Fit {
        let needed = u64::from(self.memory_alignment_bytes);
        // The offset and the segments' lengths move an address by multiples of these.
        let offset_bytes = offset.bytes().unwrap_or(0);
        let all = u64::from(memory.address_bytes) | u64::from(memory.length_bytes) | offset_bytes;
        if all.is_multiple_of(needed) { Fit::Direct } else { Fit::ThroughLane }
    }
}

/// Whether a piece of a request's memory can go to a device as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fit {
    /// It can.
    Direct,
    /// It has to be copied through a lane, which the host aligned.
    ThroughLane,
}

/// What every memory segment of a request is aligned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoryAlignment {
    /// A number of bytes that divides the address of every segment; 0 where there is no memory.
    pub address_bytes: u32,
    /// A number of bytes that divides the length of every segment but the last; 0 where there is
    /// one segment.
    pub length_bytes: u32,
}

impl MemoryAlignment {
    /// One segment at an address that is a multiple of `address_bytes`.
    #[must_use]
    pub const fn contiguous(address_bytes: u32) -> Self {
        Self { address_bytes, length_bytes: 0 }
    }

    /// The alignment of segments given by their addresses and lengths in bytes, in order.
    #[must_use]
    pub fn of_segments(segments: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let (mut addresses, mut lengths, mut last) = (0_usize, 0_usize, 0_usize);
        for (address, length) in segments {
            addresses |= address;
            lengths |= last;
            last = length;
        }
        // The lowest set bit divides them all; beyond the largest alignment it does not matter.
        let lowest = |bits: usize| match bits {
            0 => 0,
            bits => 1_u32.checked_shl(bits.trailing_zeros()).unwrap_or(0).min(ALIGNMENT_BYTES_MAX),
        };
        Self { address_bytes: lowest(addresses), length_bytes: lowest(lengths) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: IoLimits = IoLimits {
        logical_block_bytes: 512,
        memory_alignment_bytes: 4096,
        transfer_max: Sectors(8),
    };

    #[test]
    fn stacking_takes_the_stricter_of_each() {
        let other = IoLimits {
            logical_block_bytes: 4096,
            memory_alignment_bytes: 512,
            transfer_max: Sectors(64),
        };
        let both = STRICT.stacked(other);
        assert_eq!(both.logical_block_bytes, 4096);
        assert_eq!(both.memory_alignment_bytes, 4096);
        assert_eq!(both.transfer_max, Sectors(8));
    }

    #[test]
    fn impossible_limits_are_refused() {
        for bad in [0, 256, 513, 8192] {
            assert_eq!(
                IoLimits { logical_block_bytes: bad, ..STRICT }.validated(),
                Err(LimitsError::LogicalBlock(bad))
            );
        }
        for bad in [0, 3, 8192] {
            assert_eq!(
                IoLimits { memory_alignment_bytes: bad, ..STRICT }.validated(),
                Err(LimitsError::MemoryAlignment(bad))
            );
        }
        assert_eq!(
            IoLimits { transfer_max: Sectors(7), ..STRICT }.validated(),
            Err(LimitsError::Transfer(Sectors(7)))
        );
        assert!(STRICT.validated().is_ok());
    }

    #[test]
    fn two_odd_segments_go_through_a_lane() {
        let memory = MemoryAlignment::of_segments([(0x10C00, 512), (0x20000, 3584)]);
        assert_eq!(memory, MemoryAlignment { address_bytes: 0x400, length_bytes: 512 });
        assert_eq!(STRICT.takes(memory, Sectors::ZERO), Fit::ThroughLane);
        assert_eq!(IoLimits::RELAXED.takes(memory, Sectors::ZERO), Fit::Direct);
    }

    #[test]
    fn a_piece_is_as_aligned_as_its_offset() {
        let memory = MemoryAlignment::contiguous(4096);
        assert_eq!(STRICT.takes(memory, Sectors(8)), Fit::Direct);
        assert_eq!(STRICT.takes(memory, Sectors(1)), Fit::ThroughLane);
    }
}
