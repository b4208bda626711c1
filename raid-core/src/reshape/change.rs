//! A validated change from one geometry to another.

use super::error::ChangeError;
use crate::geometry::{CopyGeometry, Geometry, Layout, ParityGeometry, Raid10Layout, Spread};
use crate::members::MemberSet;
use crate::units::{ChunkIndex, Lba, Sectors};

/// Which way a walk leads through the addresses of the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From sector 0 up: what lies below the position is done.
    Forward,
    /// Down to sector 0: what lies at and above the position is done.
    Backward,
}

/// How far the data areas of the members move, in sectors: the new start less the old one.
///
/// Each member may move as far as its own room allows. What counts is the least favourable of them:
/// the one that moves least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shift(pub i64);

impl Shift {
    /// The data areas stay where they are.
    pub const NONE: Self = Self(0);

    /// How far it is, either way.
    #[must_use]
    pub const fn distance(self) -> Sectors {
        Sectors(self.0.unsigned_abs())
    }
}

/// A change from one geometry to another that one walk can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    before: Geometry,
    after: Geometry,
    direction: Direction,
    shift: Shift,
    unit: Sectors,
    walk: Sectors,
}

impl Change {
    /// Checks a change.
    ///
    /// The direction follows from the count of members where that changes; see
    /// [`natural_direction`](Self::natural_direction).
    ///
    /// # Errors
    ///
    /// Says why no walk can make this change, and what would be right. A matter for whoever asked
    /// for it.
    pub fn new(
        before: Geometry,
        after: Geometry,
        direction: Direction,
        shift: Shift,
    ) -> Result<Self, ChangeError> {
        let (unit, walk) = match (&before, &after) {
            (Geometry::Parity(old), Geometry::Parity(new)) => parity_walk(old, new, direction)?,
            (Geometry::Copies(old), Geometry::Copies(new)) => copies_walk(old, new)?,
            (Geometry::Parity(_), Geometry::Copies(_))
            | (Geometry::Copies(_), Geometry::Parity(_)) => {
                return Err(level_change(&before, &after));
            }
        };
        if before == after {
            return Err(ChangeError::Nothing);
        }
        let (from, to) = (before.shape().member_size, after.shape().member_size);
        if from != to {
            return Err(ChangeError::MemberSize { before: from, after: to });
        }
        check_direction(&before, &after, direction, shift)?;
        // What lies on a member is compared with what the shift makes of it.
        let end = i64::try_from(from.0).ok().and_then(|end| end.checked_add(shift.0));
        if end.is_none() {
            return Err(ChangeError::TooLarge);
        }
        Ok(Self { before, after, direction, shift, unit, walk })
    }

    /// The way that md walks: by the count of members; where that stays, by where the data moves to;
    /// where that stays as well, forward.
    #[must_use]
    pub fn natural_direction(before: &Geometry, after: &Geometry, shift: Shift) -> Direction {
        match after.members().cmp(&before.members()) {
            core::cmp::Ordering::Greater => Direction::Forward,
            core::cmp::Ordering::Less => Direction::Backward,
            core::cmp::Ordering::Equal if shift > Shift::NONE => Direction::Backward,
            core::cmp::Ordering::Equal => Direction::Forward,
        }
    }

    /// The shape that the walk leads from.
    #[must_use]
    pub const fn before(&self) -> &Geometry {
        &self.before
    }

    /// The shape that the walk leads to.
    #[must_use]
    pub const fn after(&self) -> &Geometry {
        &self.after
    }

    /// Which way it walks.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// How far the data area of the member moves that moves least.
    #[must_use]
    pub const fn shift(&self) -> Shift {
        self.shift
    }

    /// Places that either shape has.
    #[must_use]
    pub fn members_max(&self) -> u8 {
        self.before.members().max(self.after.members())
    }

    /// How much the array holds while the walk is under way: what both shapes have room for.
    #[must_use]
    pub fn size_meanwhile(&self) -> Sectors {
        self.before.size().min(self.after.size())
    }

    /// How much of the array's end the new shape has no room for. It is lost.
    #[must_use]
    pub fn lost(&self) -> Sectors {
        self.before.size().saturating_sub(self.after.size())
    }

    /// How many sectors of array addresses the walk covers. Forward it leads to the end of the new
    /// shape, as md's does: what the old one had no room for becomes zeroes, and parity agrees.
    /// RAID 10 ends with what both have, and the rest is to be resynced.
    #[must_use]
    pub const fn walk(&self) -> Sectors {
        self.walk
    }

    /// What our positions are multiples of, but for the end: as many rows of the new shape as the
    /// larger of both chunks spans, and for level 10 that chunk. Linux refuses other positions of the
    /// levels with parity.
    #[must_use]
    pub const fn unit(&self) -> Sectors {
        self.unit
    }

    /// Where the walk begins.
    #[must_use]
    pub const fn start(&self) -> Lba {
        match self.direction {
            Direction::Forward => Lba(0),
            Direction::Backward => Lba(self.walk.0),
        }
    }

    /// Where the walk ends.
    #[must_use]
    pub const fn end(&self) -> Lba {
        match self.direction {
            Direction::Forward => Lba(self.walk.0),
            Direction::Backward => Lba(0),
        }
    }

    /// The larger of both chunks.
    #[must_use]
    pub fn larger_chunk(&self) -> Sectors {
        self.before.chunk().max(self.after.chunk())
    }
}

/// How many of the members that a shape lacks it cannot do without; 0 if it still has every block.
#[must_use]
pub fn beyond_redundancy(geometry: &Geometry, missing: &MemberSet) -> u32 {
    let missing = missing.intersection(geometry.all_members());
    let beyond = missing.count().saturating_sub(geometry.redundancy().into());
    match geometry {
        Geometry::Parity(_) => beyond,
        // Copies repeat their places after as many chunks as there are members, if not before.
        Geometry::Copies(copies) => {
            let chunks =
                (0..u64::from(copies.members())).map(|chunk| copies.copy_places(ChunkIndex(chunk)));
            let lost =
                |places: MemberSet| !places.is_empty() && places.difference(missing).is_empty();
            if chunks.into_iter().any(lost) { beyond.max(1) } else { 0 }
        }
    }
}

/// Data blocks in a row, or the members of a shape with copies.
pub(super) fn width(geometry: &Geometry) -> u64 {
    match geometry {
        Geometry::Parity(parity) => parity.data_members().into(),
        Geometry::Copies(copies) => copies.members().into(),
    }
}

fn level_change(before: &Geometry, after: &Geometry) -> ChangeError {
    ChangeError::LevelChange { from: before.layout().md_level(), to: after.layout().md_level() }
}

fn parity_walk(
    before: &ParityGeometry,
    after: &ParityGeometry,
    direction: Direction,
) -> Result<(Sectors, Sectors), ChangeError> {
    let (old, new) = (Geometry::Parity(*before), Geometry::Parity(*after));
    if old.layout().md_level() != new.layout().md_level() {
        return Err(level_change(&old, &new));
    }
    let chunk = before.chunk().max(after.chunk());
    for geometry in [before, after] {
        let used = geometry.rows().saturating_mul(geometry.chunk().0);
        let over = used.checked_rem(chunk.0).unwrap_or(0);
        if over != 0 {
            let fits = Sectors(used.saturating_sub(over));
            return Err(ChangeError::UnevenMembers { used: Sectors(used), fits });
        }
    }
    let unit = chunk.0.checked_mul(after.data_members().into()).ok_or(ChangeError::TooLarge)?;
    let walk = match direction {
        Direction::Forward => after.size(),
        Direction::Backward => before.size().min(after.size()),
    };
    Ok((Sectors(unit), walk))
}

fn copies_walk(
    before: &CopyGeometry,
    after: &CopyGeometry,
) -> Result<(Sectors, Sectors), ChangeError> {
    let (old, new) = (Geometry::Copies(*before), Geometry::Copies(*after));
    for geometry in [&old, &new] {
        match geometry.layout() {
            Layout::Raid10(Raid10Layout { far: 0 | 1, .. })
            | Layout::Raid10(Raid10Layout { spread: Spread::Rows | Spread::RowsInSets, .. }) => {}
            Layout::Raid10(_) => return Err(ChangeError::FarLayout),
            Layout::Raid0 | Layout::Raid1 => {
                return Err(ChangeError::NoWalk { level: geometry.layout().md_level() });
            }
            Layout::Raid4 | Layout::Raid5(_) | Layout::Raid6(_) => {
                return Err(level_change(&old, &new));
            }
        }
    }
    if before.copies() != after.copies() {
        return Err(ChangeError::Copies { before: before.copies(), after: after.copies() });
    }
    let (from, to) = (before.size(), after.size());
    if to < from && after.members() >= before.members() {
        return Err(ChangeError::ArrayShrinks { before: from, after: to });
    }
    Ok((before.chunk().max(after.chunk()), from.min(to)))
}

fn check_direction(
    before: &Geometry,
    after: &Geometry,
    direction: Direction,
    shift: Shift,
) -> Result<(), ChangeError> {
    let by_count = match after.members().cmp(&before.members()) {
        core::cmp::Ordering::Greater => Some(Direction::Forward),
        core::cmp::Ordering::Less => Some(Direction::Backward),
        core::cmp::Ordering::Equal => None,
    };
    if by_count.is_some_and(|by_count| by_count != direction) {
        return Err(ChangeError::AgainstCount { direction });
    }
    let against = match direction {
        Direction::Forward => shift > Shift::NONE,
        Direction::Backward => shift < Shift::NONE,
    };
    match against {
        true => Err(ChangeError::AgainstDirection { direction, shift }),
        false => Ok(()),
    }
}
