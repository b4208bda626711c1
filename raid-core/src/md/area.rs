//! Where the areas lie that a superblock points to: bitmap and bad-block log.
//!
//! A superblock says only how far from itself they begin. Where they end follows from what they
//! hold; that they meet neither the superblock nor the data, nobody but the reader checks.

use core::fmt;

use super::fields::WriteLog;
use super::superblock::Superblock;
use crate::units::{DeviceSector, Sectors};

/// A piece of a device that holds metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Area {
    /// Its first sector.
    pub start: DeviceSector,
    /// Its length.
    pub length: Sectors,
}

/// Why an area that a superblock points to must not be used: its superblock is corrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AreaError {
    /// It would begin before the device does, or end behind all sector numbers.
    OutsideDevice,
    /// It would meet the superblock.
    OnSuperblock,
    /// It would meet the data.
    OnData,
    /// It would meet the bad-block log.
    OnBadBlockLog,
}

impl fmt::Display for AreaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutsideDevice => "corrupt md superblock: it points to an area outside the device",
            Self::OnSuperblock => "corrupt md superblock: it points to an area that it lies in",
            Self::OnData => "corrupt md superblock: it points to an area in the data",
            Self::OnBadBlockLog => {
                "corrupt md superblock: bitmap and bad-block log lie at the same place"
            }
        })
    }
}

impl core::error::Error for AreaError {}

impl Area {
    fn meets(self, other: Self) -> bool {
        // An area ends among the sector numbers; data may be said not to.
        let end = |area: Self| area.start.0.saturating_add(area.length.0);
        self.start.0 < end(other) && other.start.0 < end(self)
    }
}

impl Superblock {
    /// Where the write-intent bitmap lies that takes this many sectors, or `None` if there is none.
    ///
    /// The length is that of [`BitmapGeometry::sectors`](super::BitmapGeometry::sectors); where it
    /// is not yet known, that of the bitmap's superblock will do to find it.
    ///
    /// # Errors
    ///
    /// The place is taken by something else.
    pub fn bitmap_area(&self, length: Sectors) -> Result<Option<Area>, AreaError> {
        let WriteLog::Bitmap { offset, .. } = self.write_log else { return Ok(None) };
        let area = self.area(offset, length)?;
        match self.bad_block_area() {
            Ok(Some(log)) if log.meets(area) => Err(AreaError::OnBadBlockLog),
            // A log at a wrong place is its own reader's trouble.
            Ok(_) | Err(_) => Ok(Some(area)),
        }
    }

    /// Where the bad-block log lies, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// The place is taken by something else.
    pub fn bad_block_area(&self) -> Result<Option<Area>, AreaError> {
        match self.bad_block_log.sectors {
            0 => Ok(None),
            sectors => self.area(self.bad_block_log.offset, Sectors(sectors.into())).map(Some),
        }
    }

    fn area(&self, offset: i32, length: Sectors) -> Result<Area, AreaError> {
        let start = self.super_offset.0.checked_add_signed(offset.into());
        let start = DeviceSector(start.ok_or(AreaError::OutsideDevice)?);
        let area = Area { start, length };
        start.checked_add(length).ok_or(AreaError::OutsideDevice)?;
        let superblock = Area { start: self.super_offset, length: self.sectors() };
        let data = Area { start: self.data_offset, length: self.data_size };
        let moved = self.reshape.and_then(|reshape| reshape.new_offset).unwrap_or_default();
        let moved = self.data_offset.0.saturating_add_signed(moved.into());
        // How much of the new place is used, `size` says; the rest of it may not be free.
        let moved = Area { start: DeviceSector(moved), length: self.member_size };
        if area.meets(superblock) {
            Err(AreaError::OnSuperblock)
        } else if area.meets(data) || area.meets(moved) {
            Err(AreaError::OnData)
        } else {
            Ok(area)
        }
    }
}
