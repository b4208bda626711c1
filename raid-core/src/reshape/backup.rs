//! What a backup is asked to hold: the content of a window, in one of two areas.

use crate::units::{Lba, Sectors};

/// One of the two areas of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackupArea {
    /// The first.
    First,
    /// The second.
    Second,
}

impl BackupArea {
    /// Both.
    pub const ALL: [Self; 2] = [Self::First, Self::Second];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// A window whose content a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Saved {
    /// Rises by one with each window: of two, the higher one counts.
    pub sequence: u64,
    /// The lowest address of the content.
    pub start: Lba,
    /// Its length.
    pub sectors: Sectors,
}

/// What the header of an area says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackupMark {
    /// Nothing here is needed.
    Clear,
    /// The area holds this. The sum over the content is the host's to make.
    Holds(Saved),
}
