//! Chunks are powers of two, so that addresses are split by a shift and a mask.

use super::error::ConfigError;
use crate::limits::{CHUNK_SECTORS_MAX, CHUNK_SECTORS_MIN};
use crate::units::Sectors;

/// A valid chunk size, as the power of two that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ChunkSize {
    shift: u8,
}

impl ChunkSize {
    pub(super) fn new(chunk: Sectors) -> Result<Self, ConfigError> {
        if !chunk.0.is_power_of_two() {
            return Err(ConfigError::ChunkNotPowerOfTwo { chunk });
        }
        if chunk < CHUNK_SECTORS_MIN {
            return Err(ConfigError::ChunkTooSmall { chunk, min: CHUNK_SECTORS_MIN });
        }
        if chunk > CHUNK_SECTORS_MAX {
            return Err(ConfigError::ChunkTooLarge { chunk, max: CHUNK_SECTORS_MAX });
        }
        let [shift, ..] = chunk.0.trailing_zeros().to_le_bytes();
        Ok(Self { shift })
    }

    #[inline]
    pub(super) fn sectors(self) -> Sectors {
        Sectors(self.start_of(1))
    }

    /// The number of the chunk that a sector lies in, and the sector's place in it.
    #[inline]
    pub(super) fn split(self, sector: u64) -> (u64, Sectors) {
        let number = sector.wrapping_shr(u32::from(self.shift));
        (number, Sectors(sector & self.sectors().0.wrapping_sub(1)))
    }

    /// The first sector of a chunk whose number came from [`Self::split`] or is below one that did.
    #[inline]
    pub(super) fn start_of(self, number: u64) -> u64 {
        number.wrapping_shl(u32::from(self.shift))
    }

    /// How many sectors so many chunks are, or `None` if the number has no room.
    pub(super) fn total(self, chunks: u64) -> Option<Sectors> {
        chunks.checked_mul(self.sectors().0).map(Sectors)
    }
}
