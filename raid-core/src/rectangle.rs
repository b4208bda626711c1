//! A rectangle: one row and a range of offsets in its chunks, on all members. The unit of work.
//!
//! In a rectangle every data block is covered whole or not at all, so nothing in it is half written
//! or half valid, and nothing has to be merged. For levels without parity it is a range of one
//! chunk and its copies.

use crate::geometry::{Geometry, Role, Row, RowAddress};
use crate::limits::LANE_SECTORS_MAX;
use crate::members::MemberSet;
use crate::units::{
    ChunkIndex, DataIndex, FAULT_UNIT, Lba, MemberIndex, MemberSector, Sectors, StripeRow,
};

/// Most fault units in a rectangle.
pub(crate) const PIECES_MAX: u64 = LANE_SECTORS_MAX.0 / FAULT_UNIT.0 + 1;

/// One row, or one chunk with its copies, and a range of offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rectangle {
    pub(crate) span: Span,
    /// Where in the chunk the range starts.
    pub(crate) offset: Sectors,
    /// How long the range is: on each member that takes part.
    pub(crate) sectors: Sectors,
    /// Where in the requester's memory the first covered block lies.
    pub(crate) caller: Sectors,
}

/// What a rectangle spans across the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Span {
    /// A row with parity.
    Row {
        row: StripeRow,
        roles: Row,
        /// First data block that the request covers.
        first: DataIndex,
        /// How many it covers.
        count: u8,
        /// Between covered blocks in the requester's memory: a chunk.
        stride: Sectors,
        shape: InShape,
    },
    /// A chunk and its copies.
    Chunk { chunk: ChunkIndex, copies: MemberSet, shape: InShape },
}

/// In which of its two shapes a rectangle lies, while an array is being reshaped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum InShape {
    /// In the old one; or in the only one, of an array that is not being reshaped.
    #[default]
    Old,
    New,
}

impl Rectangle {
    /// How much of each member the rectangle covers.
    #[must_use]
    pub const fn sectors(&self) -> Sectors {
        self.sectors
    }

    /// Every place that takes part.
    #[must_use]
    #[inline]
    pub fn places(&self) -> MemberSet {
        match self.span {
            Span::Row { roles, .. } => MemberSet::first(roles.members()),
            Span::Chunk { copies, .. } => copies,
        }
    }

    /// How many members the row has; `None` for a chunk with copies.
    pub(crate) fn row_members(&self) -> Option<u8> {
        match self.span {
            Span::Row { roles, .. } => Some(roles.members()),
            Span::Chunk { .. } => None,
        }
    }

    /// The places whose data blocks the request covers.
    #[must_use]
    #[inline]
    pub fn covered(&self) -> MemberSet {
        match self.span {
            Span::Row { roles, first, count, .. } => (first.0..first.0.saturating_add(count))
                .filter_map(|data| roles.member(DataIndex(data)))
                .collect(),
            Span::Chunk { copies, .. } => copies,
        }
    }

    /// In which shape it lies.
    #[inline]
    pub(crate) const fn shape(&self) -> InShape {
        match self.span {
            Span::Row { shape, .. } | Span::Chunk { shape, .. } => shape,
        }
    }

    /// The same rectangle, cut in this shape.
    pub(crate) const fn in_shape(mut self, in_shape: InShape) -> Self {
        match &mut self.span {
            Span::Row { shape, .. } | Span::Chunk { shape, .. } => *shape = in_shape,
        }
        self
    }

    /// The same rectangle, of a part that starts so far into the memory.
    pub(crate) fn behind_memory(self, from: Sectors) -> Option<Self> {
        Some(Self { caller: self.caller.checked_add(from)?, ..self })
    }

    /// The places that hold parity.
    #[must_use]
    pub fn parity(&self) -> MemberSet {
        match self.span {
            Span::Row { roles, .. } => roles.parity_places(),
            Span::Chunk { .. } => MemberSet::NONE,
        }
    }

    /// Where in the requester's memory the block of a place lies, or `None` if the request does not
    /// cover it.
    #[must_use]
    #[inline]
    pub fn caller_offset(&self, member: MemberIndex) -> Option<Sectors> {
        match self.span {
            Span::Row { roles, first, count, stride, .. } => {
                let Some(Role::Data(data)) = roles.role(member) else { return None };
                let block = data.0.checked_sub(first.0).filter(|block| *block < count)?;
                let above = stride.0.checked_mul(u64::from(block))?;
                self.caller.checked_add(Sectors(above))
            }
            Span::Chunk { .. } => Some(self.caller),
        }
    }

    /// Where on its member the block of a place lies.
    #[must_use]
    #[inline]
    pub fn member_sector(&self, geometry: &Geometry, member: MemberIndex) -> Option<MemberSector> {
        match (self.span, geometry) {
            (Span::Row { row, .. }, Geometry::Parity(geometry)) => {
                geometry.member_sector(row, self.offset)
            }
            (Span::Chunk { chunk, .. }, Geometry::Copies(geometry)) => {
                geometry.member_sector(chunk, member)?.checked_add(self.offset)
            }
            (Span::Row { .. }, Geometry::Copies(_)) | (Span::Chunk { .. }, Geometry::Parity(_)) => {
                None
            }
        }
    }

    /// The array address of the block of a place, or `None` for parity.
    #[must_use]
    #[inline]
    pub fn lba(&self, geometry: &Geometry, member: MemberIndex) -> Option<Lba> {
        match (self.span, geometry) {
            (Span::Row { row, roles, .. }, Geometry::Parity(geometry)) => match roles
                .role(member)?
            {
                Role::Data(data) => geometry.unmap(RowAddress { row, data, offset: self.offset }),
                Role::P | Role::Q => None,
            },
            (Span::Chunk { chunk, .. }, Geometry::Copies(geometry)) => {
                geometry.unmap(crate::geometry::ChunkAddress { chunk, offset: self.offset })
            }
            (Span::Row { .. }, Geometry::Copies(_)) | (Span::Chunk { .. }, Geometry::Parity(_)) => {
                None
            }
        }
    }

    /// What overlaps are looked up by: the number of the row, or of the chunk.
    #[inline]
    pub(crate) const fn unit(&self) -> u64 {
        match self.span {
            Span::Row { row, .. } => row.0,
            Span::Chunk { chunk, .. } => chunk.0,
        }
    }

    /// Whether the two share a block.
    #[inline]
    pub(crate) fn overlaps(&self, other: &Self) -> Overlap {
        let end = self.offset.0.saturating_add(self.sectors.0);
        let other_end = other.offset.0.saturating_add(other.sectors.0);
        if self.unit() == other.unit() && self.offset.0 < other_end && other.offset.0 < end {
            Overlap::Shared
        } else {
            Overlap::Apart
        }
    }

    /// What follows the first so many sectors; `None` if there is nothing.
    pub(crate) fn behind(&self, start: Sectors) -> Option<Self> {
        Some(Self {
            span: self.span,
            offset: self.offset.checked_add(start)?,
            sectors: self.sectors.checked_sub(start).filter(|left| *left > Sectors::ZERO)?,
            caller: self.caller.checked_add(start)?,
        })
    }

    /// How many fault units the rectangle touches. Units are aligned in the chunk.
    pub(crate) const fn pieces(&self) -> u64 {
        let head = self.offset.0 % FAULT_UNIT.0;
        self.sectors.0.saturating_add(head).div_ceil(FAULT_UNIT.0)
    }

    /// The part of the rectangle in its fault unit with this number, from 0.
    pub(crate) fn piece(&self, number: u64) -> Option<Self> {
        let head = self.offset.0 % FAULT_UNIT.0;
        let unit_start = FAULT_UNIT.0.checked_mul(number)?;
        let start = unit_start.saturating_sub(head);
        let end = unit_start.checked_add(FAULT_UNIT.0)?.checked_sub(head)?.min(self.sectors.0);
        let sectors = end.checked_sub(start).filter(|sectors| *sectors > 0)?;
        Some(Self {
            span: self.span,
            offset: self.offset.checked_add(Sectors(start))?,
            sectors: Sectors(sectors),
            caller: self.caller.checked_add(Sectors(start))?,
        })
    }
}

/// Whether two rectangles share a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlap {
    Shared,
    Apart,
}
