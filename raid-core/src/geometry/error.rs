//! What is wrong with a configuration.

use core::fmt;

use crate::units::Sectors;

/// Why an array cannot be as it was asked to be, and what would be right. A matter for whoever
/// configured it: nothing was changed, and trying again gives the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such level.
    UnknownLevel {
        /// md's number of the level.
        level: i32,
    },
    /// The level has no layout of this number.
    UnknownLayout {
        /// md's number of the level.
        level: i32,
        /// md's number of the layout.
        layout: u32,
    },
    /// The level has no layout of the name given.
    UnknownLayoutName {
        /// md's number of the level.
        level: u8,
    },
    /// Level 10 in the first, faulty kind of far sets, which can put two copies of a chunk on
    /// one member.
    FaultyFarSets,
    /// Level 10 with near and far copies over a number of members that is no multiple of
    /// `multiple`: with this spread, md puts different chunks in the same sectors.
    CollidingCopies {
        /// Members asked for.
        members: u8,
        /// What the number of members must be a multiple of.
        multiple: u8,
    },
    /// Level 10 with fewer than two copies, which is level 0.
    TooFewCopies {
        /// Copies asked for, near times far.
        copies: u16,
    },
    /// More copies than members to hold them.
    TooManyCopies {
        /// Copies asked for, near times far.
        copies: u16,
        /// Members asked for, and so the most copies.
        members: u8,
    },
    /// Fewer members than the level needs.
    TooFewMembers {
        /// Members asked for.
        members: u8,
        /// The fewest that the level can have.
        min: u8,
    },
    /// More members than this build allows.
    TooManyMembers {
        /// Members asked for.
        members: u8,
        /// The most: [`MEMBERS_MAX`](crate::limits::MEMBERS_MAX).
        max: usize,
    },
    /// The chunk is no power of two.
    ChunkNotPowerOfTwo {
        /// The chunk asked for.
        chunk: Sectors,
    },
    /// The chunk is too small.
    ChunkTooSmall {
        /// The chunk asked for.
        chunk: Sectors,
        /// The smallest.
        min: Sectors,
    },
    /// The chunk is too large.
    ChunkTooLarge {
        /// The chunk asked for.
        chunk: Sectors,
        /// The largest.
        max: Sectors,
    },
    /// The members have no room for one row.
    MemberTooSmall {
        /// What is used of each member.
        size: Sectors,
        /// The least.
        min: Sectors,
    },
    /// The array would have more sectors than 64 bits can count.
    ArrayTooLarge,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnknownLevel { level } => {
                write!(f, "level {level} is unknown: it must be 0, 1, 4, 5, 6 or 10")
            }
            Self::UnknownLayout { level, layout } => {
                write!(f, "level {level} has no layout {layout:#x}")
            }
            Self::UnknownLayoutName { level } => {
                write!(f, "level {level} has no layout of this name")
            }
            Self::FaultyFarSets => f.write_str(
                "level 10 in the faulty kind of far sets can have two copies on one member",
            ),
            Self::CollidingCopies { members, multiple } => write!(
                f,
                "near and far copies collide on {members} members: it takes a multiple of {multiple}"
            ),
            Self::TooFewCopies { copies } => {
                write!(f, "level 10 with {copies} copies of a chunk: at least 2 are needed")
            }
            Self::TooManyCopies { copies, members } => {
                write!(f, "{copies} copies of a chunk need as many members, there are {members}")
            }
            Self::TooFewMembers { members, min } => {
                write!(f, "{members} members are too few: the level needs {min}")
            }
            Self::TooManyMembers { members, max } => {
                write!(f, "{members} members are too many: this build allows {max}")
            }
            Self::ChunkNotPowerOfTwo { chunk } => {
                write!(f, "a chunk of {} sectors is no power of two", chunk.0)
            }
            Self::ChunkTooSmall { chunk, min } => {
                write!(f, "a chunk of {} sectors is too small: it takes {}", chunk.0, min.0)
            }
            Self::ChunkTooLarge { chunk, max } => {
                write!(f, "a chunk of {} sectors is too large: at most {}", chunk.0, max.0)
            }
            Self::MemberTooSmall { size, min } => {
                write!(f, "members of {} sectors are too small: one row takes {}", size.0, min.0)
            }
            Self::ArrayTooLarge => f.write_str("the array would exceed 2^64 sectors"),
        }
    }
}

impl core::error::Error for ConfigError {}
