//! What comes next in a walk.

use super::change::{Change, Direction};
use super::collide::{Landing, landing};
use super::error::{ChangeError, PositionError};
use super::progress::{Position, Progress};
use crate::geometry::{Geometry, Layout};
use crate::units::{Lba, Sectors};

/// Most units that are assigned and not published, or saved in one backup.
pub const WINDOW_UNITS_MAX: u64 = 4096;

/// What the host lends a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Means {
    /// Longest piece, in sectors of array addresses. One unit is moved even if it is longer.
    pub load: Sectors,
    /// Most that is held until it is published, in sectors of array addresses. One unit is held even
    /// if it is longer.
    pub window: Sectors,
    /// How much content a backup has room for; `None` without one.
    pub backup: Option<Sectors>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Assign the piece ([`Progress::extended`]), wait until nothing older is under way in it, and
    /// write it in the new shape. Its old rows are untouched until the window is published, so pieces
    /// of a window need no order.
    Relocate(Load),
    /// Assign the piece, wait likewise, and save its content: data, flush, mark, flush. From then on
    /// ([`Progress::backed`]) it is written in the new shape from the backup.
    Backup(Load),
    /// Flush all members, record the front on all of them ([`Progress::recording`]), flush. Then it
    /// is [`Progress::published`].
    Publish,
    /// Not even a checkpoint helps: stop here, or come with a backup.
    Critical {
        /// The shift of the data, on every member, with which there would have been no need.
        shift: Sectors,
        /// The room that a backup must have.
        backup: Sectors,
    },
    /// The whole array is durably in the new shape.
    Finished,
}

/// A piece of the array that is relocated: a run of whole units, found not to collide. Only
/// [`Progress::next`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Load {
    from: Position,
    to: Position,
    start: Lba,
    sectors: Sectors,
}

impl Load {
    /// Its lowest address.
    #[must_use]
    pub const fn start(&self) -> Lba {
        self.start
    }

    /// Its length, in sectors of array addresses. Addresses that the old shape does not have are
    /// zeroes.
    #[must_use]
    pub const fn sectors(&self) -> Sectors {
        self.sectors
    }

    pub(super) const fn from(&self) -> Position {
        self.from
    }

    pub(super) const fn to(&self) -> Position {
        self.to
    }
}

/// Whether Linux would walk on from a position (`raid5_run`, `raid10_run`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parking {
    /// It would.
    Resumable,
    /// It would not: what it wrote next would meet what it reads next.
    TooEarly,
    /// It would not, anywhere: the data does not move far enough, and its tools must come with a
    /// backup.
    InPlace,
}

impl Progress {
    /// What comes next. Never nothing: a walk that cannot go on says so.
    #[must_use]
    pub fn next(&self, means: &Means) -> Step {
        let end = self.change().end();
        if !self.is_open() {
            return Step::Publish;
        }
        if self.front().lba() == end {
            return match self.window() {
                Some(_) => Step::Publish,
                None => Step::Finished,
            };
        }
        let change = self.change();
        let held = self.window().map_or(Sectors::ZERO, |(_, held)| held);
        let units = match held {
            Sectors::ZERO => change.units_in(means.load.min(means.window)).max(1),
            held => change.units_in(means.load.min(means.window.saturating_sub(held))),
        };
        let clear = |to| landing(change, self.front(), to, self.safe()) == Landing::Clear;
        match (change.farthest(self.front(), units, clear), held) {
            (Some(load), _) => Step::Relocate(load),
            (None, Sectors::ZERO) => self.critical(means),
            (None, _) => Step::Publish,
        }
    }

    /// The longest piece that a backup has room for and that lands on nothing beyond itself.
    fn critical(&self, means: &Means) -> Step {
        let change = self.change();
        let units = means.backup.map_or(0, |room| change.units_in(room));
        // A longer piece is not worse in general, but need not be possible: rows of the two shapes
        // must end close to each other.
        let fits = (1..=units).rev().find_map(|count| {
            let to = change.ahead(self.safe(), count)?;
            let clear = landing(change, self.safe(), to, to) == Landing::Clear;
            clear.then(|| change.load(self.safe(), to)).flatten()
        });
        match fits {
            Some(load) => Step::Backup(load),
            None => Step::Critical {
                shift: change.least_shift().unwrap_or(change.walk()),
                backup: change.common_rows().unwrap_or(change.walk()).min(change.walk()),
            },
        }
    }

    /// What a walk may have overwritten from a backup that is not given: the critical section from the
    /// position on. `None` if the position is in none. Until the backup is given, and be it empty,
    /// the range must not be read: only the backup says what holds.
    #[must_use]
    pub fn doubtful(&self) -> Option<(Lba, Sectors)> {
        let (change, at) = (self.change(), self.safe());
        let next = change.ahead(at, 1)?;
        match landing(change, at, next, at) {
            Landing::Clear => None,
            Landing::OnLive => {
                let load = change.load(at, change.ahead(at, WINDOW_UNITS_MAX)?)?;
                Some((load.start, load.sectors))
            }
        }
    }

    /// The piece that a backup holds from before a crash: from the position on, so many sectors.
    /// `None` if no walk has such a piece: the backup is of another time or another walk.
    #[must_use]
    pub fn restored(self, start: Lba, sectors: Sectors) -> Option<(Self, Load)> {
        let count = sectors.0.div_ceil(self.change().unit().0.max(1));
        let to = self.change().ahead(self.safe(), count)?;
        let load = self.change().load(self.safe(), to)?;
        if (load.start, load.sectors) != (start, sectors) {
            return None;
        }
        self.extended(&load).map(|progress| (progress.backed(), load))
    }

    /// Whether Linux would walk on from the durable position.
    #[must_use]
    pub fn parking(&self) -> Parking {
        let change = self.change();
        let distance = change.shift().distance();
        let (before, after) = match (change.before(), change.after()) {
            (Geometry::Parity(before), Geometry::Parity(after)) => (before, after),
            (before, after) => {
                let rows = |geometry: &Geometry| far(geometry).saturating_mul(geometry.chunk().0);
                return match distance.0 >= rows(before).max(rows(after)) {
                    true => Parking::Resumable,
                    false => Parking::InPlace,
                };
            }
        };
        let chunk = change.larger_chunk().0;
        if before.members() == after.members() {
            return match distance.0 >= chunk {
                true => Parking::Resumable,
                false => Parking::InPlace,
            };
        }
        let row = |data: u8| {
            let rows = self.safe().lba().0.checked_div(chunk.saturating_mul(data.into()));
            i128::from(rows.unwrap_or(0)).saturating_mul(chunk.into())
        };
        let written = row(after.data_members()).saturating_add(change.shift().0.into());
        let read = row(before.data_members());
        let clear = match change.direction() {
            Direction::Forward => written < read,
            Direction::Backward => written > read,
        };
        match clear {
            true => Parking::Resumable,
            false => Parking::TooEarly,
        }
    }

    /// The walk back, from the durable position. The window must be empty.
    ///
    /// # Errors
    ///
    /// The position lies inside of a row of the old shape: walk on for a while and try again.
    pub fn reverted(&self) -> Result<Self, Reversal> {
        if self.window().is_some() || !self.is_open() {
            return Err(Reversal::Window);
        }
        let back = self.change().reversed().map_err(Reversal::Change)?;
        let position = self.safe().lba().min(Lba(back.walk().0));
        Self::at(back, position).map_err(Reversal::Position)
    }
}

/// Why a walk cannot turn around here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reversal {
    /// A window is open: publish it or settle it first.
    Window,
    /// The position is none of the walk back.
    Position(PositionError),
    /// There is no walk back at all.
    Change(ChangeError),
}

impl core::fmt::Display for Reversal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Window => f.write_str("a part of the array is being moved right now"),
            Self::Position(error) => error.fmt(f),
            Self::Change(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Reversal {}

impl Change {
    fn reversed(&self) -> Result<Self, ChangeError> {
        let direction = match self.direction() {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
        };
        let shift = self.shift().0.checked_neg().ok_or(ChangeError::TooLarge)?;
        Self::new(*self.after(), *self.before(), direction, super::change::Shift(shift))
    }

    fn units_in(&self, sectors: Sectors) -> u64 {
        sectors.0.checked_div(self.unit().0).unwrap_or(0).min(WINDOW_UNITS_MAX)
    }

    /// The position so many units further along the walk, or its end; `None` at the end.
    fn ahead(&self, at: Position, units: u64) -> Option<Position> {
        let by = self.unit().0.checked_mul(units)?;
        let at = at.lba();
        let to = match self.direction() {
            // Neither a start of a walk backward nor, for level 10, a position of Linux need be a
            // multiple of the unit.
            Direction::Forward => match at.0.checked_add(by)? {
                to if to >= self.walk().0 => Lba(self.walk().0),
                to => Lba(to.saturating_sub(to.checked_rem(self.unit().0)?)),
            },
            Direction::Backward => {
                Lba(at.0.saturating_sub(by).checked_next_multiple_of(self.unit().0)?)
            }
        };
        (to != at).then_some(Position::new(to))
    }

    fn load(&self, from: Position, to: Position) -> Option<Load> {
        let (low, high) = match self.direction() {
            Direction::Forward => (from.lba(), to.lba()),
            Direction::Backward => (to.lba(), from.lba()),
        };
        let sectors = high.checked_since(low).filter(|sectors| *sectors > Sectors::ZERO)?;
        Some(Load { from, to, start: low, sectors })
    }

    /// The longest piece of at most so many units that is `clear`; whoever clears a piece clears
    /// every shorter one.
    fn farthest(
        &self,
        from: Position,
        units: u64,
        clear: impl Fn(Position) -> bool,
    ) -> Option<Load> {
        let possible = |count: u64| self.ahead(from, count).filter(|to| clear(*to));
        let (mut good, mut bad) = (0_u64, units.saturating_add(1));
        // Halves what lies between, at most `WINDOW_UNITS_MAX`, each time.
        for _ in 0..u64::BITS {
            let middle = good.midpoint(bad);
            if middle == good {
                break;
            }
            match possible(middle) {
                Some(_) => good = middle,
                None => bad = middle,
            }
        }
        self.load(from, possible(good).filter(|_| good > 0)?)
    }
}

/// Rows that the copies of a chunk take, one below the other.
fn far(geometry: &Geometry) -> u64 {
    match geometry.layout() {
        Layout::Raid10(layout) => layout.far.max(1).into(),
        Layout::Raid0 | Layout::Raid1 | Layout::Raid4 | Layout::Raid5(_) | Layout::Raid6(_) => 1,
    }
}
