//! How much room a change needs, to shift the data or for a backup.

use super::change::{Change, Direction, Shift, width};
use super::error::ChangeError;
use crate::geometry::{CopyGeometry, Geometry};
use crate::units::{FAULT_UNIT, Sectors};

/// What the member has that has least: unused sectors around its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Room {
    /// Between its metadata and its data.
    pub before: Sectors,
    /// Between what is used of its data area and the end of that.
    pub behind: Sectors,
}

/// With a shift of so many larger chunks, Linux too keeps to the rule, should it finish the walk:
/// three where the number of members stays, two where it changes.
const LINUX_CHUNKS_SAME: u64 = 3;
const LINUX_CHUNKS_OTHER: u64 = 2;

impl Change {
    /// The change with the data shifted as far as is good, or as is enough, where there is room.
    ///
    /// # Errors
    ///
    /// What [`new`](Self::new) refuses, and [`ChangeError::NoRoom`]: the same change
    /// [in place](Self::in_place) needs a backup.
    pub fn shifted(before: Geometry, after: Geometry, room: Room) -> Result<Self, ChangeError> {
        let in_place = Self::in_place(before, after)?;
        let ways: &[Direction] = match in_place.grows_or_shrinks() {
            true => &[in_place.direction()],
            false => &[Direction::Forward, Direction::Backward],
        };
        let has = |direction| match direction {
            Direction::Forward => room.before,
            Direction::Backward => room.behind,
        };
        let needed = in_place.least_shift()?;
        for wanted in [in_place.good_shift()?, needed] {
            if let Some(direction) = ways.iter().find(|way| has(**way) >= wanted) {
                let length = i64::try_from(wanted.0).map_err(|_| ChangeError::TooLarge)?;
                let shift = match direction {
                    Direction::Forward => length.checked_neg().ok_or(ChangeError::TooLarge)?,
                    Direction::Backward => length,
                };
                return Self::new(before, after, *direction, Shift(shift));
            }
        }
        let direction = in_place.direction();
        Err(ChangeError::NoRoom { direction, needed, room: has(direction) })
    }

    /// The change with all data areas where they are. It has a critical section.
    ///
    /// # Errors
    ///
    /// What [`new`](Self::new) refuses.
    pub fn in_place(before: Geometry, after: Geometry) -> Result<Self, ChangeError> {
        let direction = Self::natural_direction(&before, &after, Shift::NONE);
        Self::new(before, after, direction, Shift::NONE)
    }

    /// The shortest shift with which there is no critical section.
    ///
    /// # Errors
    ///
    /// The number has no room.
    pub fn least_shift(&self) -> Result<Sectors, ChangeError> {
        let (Geometry::Copies(before), Geometry::Copies(after)) = (self.before(), self.after())
        else {
            // A row of the old shape ends where the first row of a piece would begin, or further
            // from it: what is left to bridge is the piece itself.
            return Ok(self.larger_chunk());
        };
        // Copies of a chunk may begin in one line and end in the next, in both shapes.
        let lines = |copies: &CopyGeometry| copies.chunk().0.checked_mul(copies.copies().into());
        let sum = || {
            let piece = self.unit().0.checked_mul(after.copies().into())?;
            let piece = piece.div_ceil(u64::from(after.members()).max(1));
            let sum = piece.checked_add(lines(before)?)?.checked_add(lines(after)?)?;
            sum.checked_next_multiple_of(FAULT_UNIT.0)
        };
        sum().map(Sectors).ok_or(ChangeError::TooLarge)
    }

    /// A shift with which Linux can finish the walk and be interrupted in it without losing data,
    /// and no shorter than the one that md's tools choose.
    ///
    /// # Errors
    ///
    /// The number has no room.
    pub fn good_shift(&self) -> Result<Sectors, ChangeError> {
        let chunks = match self.grows_or_shrinks() {
            true => LINUX_CHUNKS_OTHER,
            false => LINUX_CHUNKS_SAME,
        };
        let tools = self.common_rows()?.0.checked_div(width(self.before())).unwrap_or(0);
        let linux = self.larger_chunk().0.checked_mul(chunks).ok_or(ChangeError::TooLarge)?;
        Ok(Sectors(tools.max(linux)).max(self.least_shift()?))
    }

    /// The shortest range that is whole rows in both shapes: what a backup must have room for, so
    /// that a walk without a shift gets through its critical section.
    ///
    /// # Errors
    ///
    /// The number has no room.
    pub fn common_rows(&self) -> Result<Sectors, ChangeError> {
        let row = |geometry: &Geometry| geometry.chunk().0.checked_mul(width(geometry));
        let old = row(self.before()).ok_or(ChangeError::TooLarge)?;
        let new = row(self.after()).ok_or(ChangeError::TooLarge)?.max(self.unit().0);
        let part = old.checked_div(gcd(old, new)).unwrap_or(1);
        part.checked_mul(new).map(Sectors).ok_or(ChangeError::TooLarge)
    }

    pub(super) fn grows_or_shrinks(&self) -> bool {
        self.before().members() != self.after().members()
    }
}

/// The greatest common divisor; Euclid's way takes at most two steps for each bit.
fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    for _ in 0..2 * u64::BITS {
        match a.checked_rem(b) {
            Some(rest) => (a, b) = (b, rest),
            None => return a,
        }
    }
    a.max(1)
}
