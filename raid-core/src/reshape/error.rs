//! Why a change cannot be walked, or a position not be walked on from.

use core::fmt;

use super::change::{Direction, Shift};
use crate::units::{Lba, Sectors};

/// Why no walk can make a change. A matter for whoever asked for it: nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeError {
    /// Both shapes are one.
    Nothing,
    /// The level changes: that is a takeover, before the walk or after it.
    LevelChange {
        /// md's number of the level before.
        from: i32,
        /// md's number of the level after.
        to: i32,
    },
    /// Far copies cannot be reshaped: every block would have to move over half of the members.
    FarLayout,
    /// Levels 0 and 1 have no walk: level 0 is taken over to level 4 first, level 1 gains or loses
    /// copies without one.
    NoWalk {
        /// md's number of the level.
        level: i32,
    },
    /// The number of copies changes.
    Copies {
        /// Copies before.
        before: u8,
        /// Copies after.
        after: u8,
    },
    /// The members' size changes: that is a step of its own.
    MemberSize {
        /// Size before.
        before: Sectors,
        /// Size after.
        after: Sectors,
    },
    /// What is used of each member is no whole number of the larger of both chunks. Make it `fits`
    /// first.
    UnevenMembers {
        /// What is used.
        used: Sectors,
        /// The largest size that would do.
        fits: Sectors,
    },
    /// The array would hold less although it has no fewer members.
    ArrayShrinks {
        /// Its size before.
        before: Sectors,
        /// Its size after.
        after: Sectors,
    },
    /// Growing goes forward and shrinking backward; the other way each step would destroy the next.
    AgainstCount {
        /// The direction asked for.
        direction: Direction,
    },
    /// The data would move towards what is still to be read: a forward walk moves it down, a
    /// backward walk up.
    AgainstDirection {
        /// The direction asked for.
        direction: Direction,
        /// The shift asked for.
        shift: Shift,
    },
    /// The members lack room to shift their data so far that no backup is needed.
    NoRoom {
        /// Which way the walk would go, and so where room is needed: before the data of each member
        /// (forward) or behind it (backward).
        direction: Direction,
        /// How much is needed, on every member.
        needed: Sectors,
        /// How much the member has that has least.
        room: Sectors,
    },
    /// A number of the array has no room.
    TooLarge,
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Nothing => f.write_str("the array has this shape already"),
            Self::LevelChange { from, to } => write!(
                f,
                "a reshape cannot lead from level {from} to level {to}: change the level before or \
                 after it"
            ),
            Self::FarLayout => f.write_str("arrays with far copies cannot be reshaped"),
            Self::NoWalk { level } => write!(f, "level {level} has nothing to reshape"),
            Self::Copies { before, after } => write!(
                f,
                "a reshape keeps the number of copies: there are {before}, {after} were asked for"
            ),
            Self::MemberSize { before, after } => write!(
                f,
                "a reshape keeps the size of the members: it is {} sectors, {} were asked for",
                before.0, after.0
            ),
            Self::UnevenMembers { used, fits } => write!(
                f,
                "{} sectors of each member are no whole number of the larger chunk: reduce the \
                 member size to {} sectors first",
                used.0, fits.0
            ),
            Self::ArrayShrinks { before, after } => write!(
                f,
                "the array would shrink from {} to {} sectors without losing a member",
                before.0, after.0
            ),
            Self::AgainstCount { direction } => {
                write!(f, "a walk {direction} cannot change the number of members that way")
            }
            Self::AgainstDirection { direction, shift } => write!(
                f,
                "a walk {direction} cannot shift the data by {} sectors, towards what it still reads",
                shift.0
            ),
            Self::NoRoom { direction, needed, room } => {
                let place = match direction {
                    Direction::Forward => "before",
                    Direction::Backward => "behind",
                };
                write!(
                    f,
                    "shifting the data needs {} free sectors {place} the data of every member, the \
                     least that one has is {}: give a backup instead, or make room",
                    needed.0, room.0
                )
            }
            Self::TooLarge => f.write_str("the array is too large to be reshaped"),
        }
    }
}

impl core::error::Error for ChangeError {}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        })
    }
}

/// Why a position is none of a walk: what was recorded is wrong, or of another walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PositionError {
    /// It lies inside of a row.
    Unaligned {
        /// The position.
        position: Lba,
        /// What it must be a multiple of.
        unit: Sectors,
    },
    /// It lies behind the end of the walk.
    Outside {
        /// The position.
        position: Lba,
        /// Where the walk ends that has the highest address.
        end: Lba,
    },
}

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unaligned { position, unit } => write!(
                f,
                "the reshape cannot be at sector {}: that is no multiple of {}",
                position.0, unit.0
            ),
            Self::Outside { position, end } => {
                write!(f, "the reshape cannot be at sector {}: it ends at {}", position.0, end.0)
            }
        }
    }
}

impl core::error::Error for PositionError {}
