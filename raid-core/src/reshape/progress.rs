//! How far a walk has come.

use super::change::{Change, Direction};
use super::error::PositionError;
use super::walk::Load;
use crate::geometry::Geometry;
use crate::units::{FAULT_UNIT, Lba, Sectors};

/// How far a walk has come: a border in the addresses of the array.
///
/// It cannot be compared with an address, or with another position: which side is done depends on
/// the direction. [`Progress`] does that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position(Lba);

impl Position {
    pub(super) const fn new(at: Lba) -> Self {
        Self(at)
    }

    /// The sector, for a record and for people.
    #[must_use]
    pub const fn lba(self) -> Lba {
        self.0
    }
}

/// Where an address lies, seen from a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Durably in the new shape.
    Done,
    /// Under way: requests are held until it is published.
    Window,
    /// In the old shape.
    ToDo,
}

/// Where a range begins, and how far that side reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Routed {
    /// The side.
    pub side: Side,
    /// How much of the range lies on it, from the first sector on.
    pub sectors: Sectors,
}

/// What a window can fall back on, if its relocation does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ground {
    /// The old rows: none of them has been touched.
    OldRows,
    /// The backup alone: old rows may have been overwritten.
    Backup,
    /// Neither may be written to: a record may say either position.
    Record,
}

/// How far a walk has come, and the only type that compares a position with an address.
///
/// A value: each step makes a new one. What is behind `safe` is on record and durable; the window is
/// what lies between `safe` and `front`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    change: Change,
    safe: Position,
    front: Position,
    ground: Ground,
}

impl Progress {
    /// A walk that has not begun.
    #[must_use]
    pub const fn begin(change: Change) -> Self {
        let start = Position::new(change.start());
        Self { change, safe: start, front: start, ground: Ground::OldRows }
    }

    /// A walk that is on record at this sector.
    ///
    /// # Errors
    ///
    /// The sector is none that this walk can be at: the record is wrong.
    pub fn at(change: Change, position: Lba) -> Result<Self, PositionError> {
        let end = Lba(change.walk().0);
        if position > end {
            return Err(PositionError::Outside { position, end });
        }
        // Copies of a block stand alone: Linux parks a level 10 walk inside of chunks.
        let unit = match change.after() {
            Geometry::Parity(_) => change.unit(),
            Geometry::Copies(_) => FAULT_UNIT,
        };
        if position != end && !position.0.is_multiple_of(unit.0) {
            return Err(PositionError::Unaligned { position, unit });
        }
        let position = Position::new(position);
        Ok(Self { change, safe: position, front: position, ground: Ground::OldRows })
    }

    /// From what to what.
    #[must_use]
    pub const fn change(&self) -> &Change {
        &self.change
    }

    /// The durable position.
    #[must_use]
    pub const fn safe(&self) -> Position {
        self.safe
    }

    /// Up to where pieces have been assigned; `safe` if there is no window.
    #[must_use]
    pub const fn front(&self) -> Position {
        self.front
    }

    /// How much of the walk is durably done.
    #[must_use]
    pub fn done(&self) -> Sectors {
        let at = self.safe.lba().0;
        Sectors(match self.change.direction() {
            Direction::Forward => at,
            Direction::Backward => self.change.walk().0.saturating_sub(at),
        })
    }

    /// The window, from its lowest address on; `None` if there is none.
    #[must_use]
    pub fn window(&self) -> Option<(Lba, Sectors)> {
        let (low, high) = self.borders();
        high.checked_since(low).filter(|length| *length > Sectors::ZERO).map(|length| (low, length))
    }

    /// Where the range from `at` on begins, and how much of it lies on that side. A range that
    /// straddles a border is cut there.
    #[must_use]
    pub fn route(&self, at: Lba, sectors: Sectors) -> Routed {
        let (low, high) = self.borders();
        let (below, above) = match self.change.direction() {
            Direction::Forward => (Side::Done, Side::ToDo),
            Direction::Backward => (Side::ToDo, Side::Done),
        };
        let (side, border) = if at < low {
            (below, Some(low))
        } else if at < high {
            (Side::Window, Some(high))
        } else {
            (above, None)
        };
        let reach = border.and_then(|border| border.checked_since(at)).unwrap_or(sectors);
        Routed { side, sectors: sectors.min(reach) }
    }

    /// The shape in which a side is read and written; `None` for the window.
    #[must_use]
    pub const fn geometry(&self, side: Side) -> Option<&Geometry> {
        match side {
            Side::Done => Some(self.change.after()),
            Side::ToDo => Some(self.change.before()),
            Side::Window => None,
        }
    }

    /// Assigns the next piece: requests to it are held from now on. `None` if the piece does not
    /// begin at the front, or the window rests on a backup and must be published first.
    #[must_use]
    pub fn extended(self, load: &Load) -> Option<Self> {
        if load.from() != self.front || self.ground != Ground::OldRows {
            return None;
        }
        Some(Self { front: load.to(), ..self })
    }

    /// The window's content lies in a valid backup, and old rows may be overwritten from now on.
    #[must_use]
    pub fn backed(self) -> Self {
        Self { ground: Ground::Backup, ..self }
    }

    /// The position is about to be recorded: until it is, a member may bear either.
    #[must_use]
    pub fn recording(self) -> Self {
        Self { ground: Ground::Record, ..self }
    }

    /// The window is durable, and so is the record that says so.
    #[must_use]
    pub fn published(self) -> Self {
        Self { safe: self.front, ground: Ground::OldRows, ..self }
    }

    /// Gives the window up: what lies in it is in the old shape. `None` where that is not so any
    /// more: old rows may have been overwritten, or a member may bear the new position. Then nothing
    /// but the record ends it.
    #[must_use]
    pub fn settled(self) -> Option<Self> {
        match self.ground {
            Ground::OldRows => Some(Self { front: self.safe, ..self }),
            Ground::Backup | Ground::Record => None,
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.ground, Ground::OldRows)
    }

    /// Low and high border of the window.
    const fn borders(&self) -> (Lba, Lba) {
        match self.change.direction() {
            Direction::Forward => (self.safe.lba(), self.front.lba()),
            Direction::Backward => (self.front.lba(), self.safe.lba()),
        }
    }
}
