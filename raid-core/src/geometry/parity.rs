//! Levels 4, 5 and 6: rows of data blocks with P, or P and Q.

use core::num::NonZeroU64;

use super::Shape;
use super::chunk::ChunkSize;
use super::error::ConfigError;
use super::layout::{Layout, Raid5Layout, Raid6Layout};
use super::row::{Rotation, Row};
use crate::units::{DataIndex, Lba, MemberSector, Sectors, StripeRow};

/// Fewest members of levels 4 and 5, as in md: one data block, and a parity block that equals it.
const RAID5_MEMBERS_MIN: u8 = 2;

/// Fewest members of level 6, as in md.
const RAID6_MEMBERS_MIN: u8 = 4;

/// Where a sector of the array lies, in terms of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowAddress {
    /// The row.
    pub row: StripeRow,
    /// The data block of the row.
    pub data: DataIndex,
    /// The distance from the start of the chunk.
    pub offset: Sectors,
}

/// The geometry of a level with parity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParityGeometry {
    layout: Layout,
    members: u8,
    parity: u8,
    chunk: ChunkSize,
    rotation: Rotation,
    data: NonZeroU64,
    rows: u64,
    size: Sectors,
    member_size: Sectors,
}

impl ParityGeometry {
    /// Level 5, and level 4 as the layout of it that keeps parity on the last member. The caller
    /// has compared the number of members with the build's bound.
    pub(super) fn raid5(shape: Shape, layout: Raid5Layout) -> Result<Self, ConfigError> {
        Self::new(shape, 1, RAID5_MEMBERS_MIN, Rotation::raid5(layout, shape.members))
    }

    /// Level 6. The caller has compared the number of members with the build's bound.
    pub(super) fn raid6(shape: Shape, layout: Raid6Layout) -> Result<Self, ConfigError> {
        Self::new(shape, 2, RAID6_MEMBERS_MIN, Rotation::raid6(layout, shape.members))
    }

    fn new(
        shape: Shape,
        parity: u8,
        min: u8,
        rotation: Option<Rotation>,
    ) -> Result<Self, ConfigError> {
        let Shape { layout, members, chunk, member_size } = shape;
        let too_few = ConfigError::TooFewMembers { members, min };
        if members < min {
            return Err(too_few);
        }
        let rotation = rotation.ok_or(too_few)?;
        let data = NonZeroU64::new(u64::from(members.saturating_sub(parity))).ok_or(too_few)?;
        let chunk = ChunkSize::new(chunk)?;
        let (rows, _) = chunk.split(member_size.0);
        if rows == 0 {
            return Err(ConfigError::MemberTooSmall { size: member_size, min: chunk.sectors() });
        }
        let size = rows
            .checked_mul(data.get())
            .and_then(|chunks| chunk.total(chunks))
            .ok_or(ConfigError::ArrayTooLarge)?;
        Ok(Self { layout, members, parity, chunk, rotation, data, rows, size, member_size })
    }

    pub(super) fn shape(&self) -> Shape {
        let Self { layout, members, member_size, .. } = *self;
        Shape { layout, members, chunk: self.chunk(), member_size }
    }

    /// How many parity blocks a row has.
    #[inline]
    #[must_use]
    pub fn parity(&self) -> u8 {
        self.parity
    }

    /// How many data blocks a row has.
    #[inline]
    #[must_use]
    pub fn data_members(&self) -> u8 {
        self.members.saturating_sub(self.parity)
    }

    /// How many places there are.
    #[inline]
    #[must_use]
    pub fn members(&self) -> u8 {
        self.members
    }

    /// How many rows there are.
    #[inline]
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The part of a row that lies on one member.
    #[inline]
    #[must_use]
    pub fn chunk(&self) -> Sectors {
        self.chunk.sectors()
    }

    /// How much the array holds.
    #[inline]
    #[must_use]
    pub fn size(&self) -> Sectors {
        self.size
    }

    /// The row and data block of an array address, or `None` beyond the end of the array.
    #[inline]
    #[must_use]
    pub fn map(&self, lba: Lba) -> Option<RowAddress> {
        if lba.0 >= self.size.0 {
            return None;
        }
        let (number, offset) = self.chunk.split(lba.0);
        let row = number / self.data;
        let [data, ..] = (number % self.data).to_le_bytes();
        Some(RowAddress { row: StripeRow(row), data: DataIndex(data), offset })
    }

    /// The array address of a place in a row, or `None` if the array has no such place.
    #[inline]
    #[must_use]
    pub fn unmap(&self, address: RowAddress) -> Option<Lba> {
        let RowAddress { row, data, offset } = address;
        if row.0 >= self.rows || data.0 >= self.data_members() || offset >= self.chunk() {
            return None;
        }
        let number = row.0.checked_mul(self.data.get())?.checked_add(u64::from(data.0))?;
        Some(Lba(self.chunk.start_of(number) | offset.0))
    }

    /// The roles of the members in a row. Rows beyond the end of the array have them too.
    #[inline]
    #[must_use]
    pub fn row(&self, row: StripeRow) -> Row {
        self.rotation.row(row)
    }

    /// The address of a row on its members, `offset` into the chunk; `None` if the array has no
    /// such place.
    #[inline]
    #[must_use]
    pub fn member_sector(&self, row: StripeRow, offset: Sectors) -> Option<MemberSector> {
        if row.0 >= self.rows || offset >= self.chunk() {
            return None;
        }
        Some(MemberSector(self.chunk.start_of(row.0) | offset.0))
    }
}
