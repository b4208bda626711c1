//! Where each block lies: from an array address to a member and back.
//!
//! A [`Shape`] is what a person asks for; a [`Geometry`] is a shape that was found to be possible.
//! All questions go to the geometry, and none of them needs to know which member works: that is for
//! others.

mod chunk;
mod copies;
mod error;
mod layout;
mod names;
mod parity;
mod row;

pub use copies::{ChunkAddress, CopyGeometry};
pub use error::ConfigError;
pub use layout::{Layout, Raid5Layout, Raid6Layout, Raid10Layout, Spread};
pub use parity::{ParityGeometry, RowAddress};
pub use row::{Role, Row};

use crate::limits::MEMBERS_MAX;
use crate::members::MemberSet;
use crate::units::Sectors;

/// What an array is asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The level, and how it places its blocks.
    pub layout: Layout,
    /// How many places there are, members at work or not.
    pub members: u8,
    /// The run of sectors on one member before the next member's turn. Level 1 has none: it ignores
    /// this and works in units of [`MIRROR_UNIT`](crate::limits::MIRROR_UNIT).
    pub chunk: Sectors,
    /// How much of each member's data area is used. What is left over below a whole chunk stays
    /// unused, except at level 1.
    pub member_size: Sectors,
}

/// A shape that is possible, ready to answer where a block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Geometry {
    /// Levels 4, 5 and 6.
    Parity(ParityGeometry),
    /// Levels 0, 1 and 10.
    Copies(CopyGeometry),
}

impl Geometry {
    /// Checks a shape.
    ///
    /// # Errors
    ///
    /// Says what of the shape is impossible, or beyond the bounds of this build, and what would be
    /// right.
    pub fn new(shape: Shape) -> Result<Self, ConfigError> {
        if usize::from(shape.members) > MEMBERS_MAX {
            return Err(ConfigError::TooManyMembers { members: shape.members, max: MEMBERS_MAX });
        }
        match shape.layout {
            Layout::Raid0 => CopyGeometry::raid0(shape).map(Self::Copies),
            Layout::Raid1 => CopyGeometry::raid1(shape).map(Self::Copies),
            Layout::Raid4 => {
                ParityGeometry::raid5(shape, Raid5Layout::ParityLast).map(Self::Parity)
            }
            Layout::Raid5(layout) => ParityGeometry::raid5(shape, layout).map(Self::Parity),
            Layout::Raid6(layout) => ParityGeometry::raid6(shape, layout).map(Self::Parity),
            Layout::Raid10(layout) => CopyGeometry::raid10(shape, layout).map(Self::Copies),
        }
    }

    /// The shape, with the chunk that is really used.
    #[must_use]
    #[inline]
    pub fn shape(&self) -> Shape {
        match self {
            Self::Parity(parity) => parity.shape(),
            Self::Copies(copies) => copies.shape(),
        }
    }

    /// The level, and how it places its blocks.
    #[must_use]
    #[inline]
    pub fn layout(&self) -> Layout {
        self.shape().layout
    }

    /// How many places there are.
    #[must_use]
    #[inline]
    pub fn members(&self) -> u8 {
        self.shape().members
    }

    /// The run of sectors on one member before the next member's turn.
    #[must_use]
    pub fn chunk(&self) -> Sectors {
        self.shape().chunk
    }

    /// How much the array holds.
    #[must_use]
    #[inline]
    pub fn size(&self) -> Sectors {
        match self {
            Self::Parity(parity) => parity.size(),
            Self::Copies(copies) => copies.size(),
        }
    }

    /// How many members can be lost, whichever they are: the parity blocks of a row, or copies less
    /// one.
    #[must_use]
    #[inline]
    pub fn redundancy(&self) -> u8 {
        match self {
            Self::Parity(parity) => parity.parity(),
            Self::Copies(copies) => copies.copies().saturating_sub(1),
        }
    }

    /// Every place.
    #[must_use]
    #[inline]
    pub fn all_members(&self) -> MemberSet {
        MemberSet::first(self.members())
    }
}
