//! The exact comparison: what a destination row lands on.
//!
//! md compares rough positions instead: the most advanced sector to be written, rounded up by a
//! chunk, with the safe one, rounded down by a chunk, and forces a checkpoint only if that would
//! help. With a shift of one or two chunks at an unchanged count of members, or less than two chunks
//! otherwise, the rounding makes it believe that nothing helps, and no checkpoint is forced though
//! one would have been enough: a crash then resumes from sources that are overwritten. With the
//! shift taken as 0, as after a start without reassembly, a reshape of unchanged count has no forced
//! checkpoint at all.

use super::change::{Change, Direction};
use super::progress::Position;
use crate::geometry::{CopyGeometry, Geometry};
use crate::members::MemberSet;
use crate::units::{ChunkIndex, Lba};

/// Whether destination rows land on old rows that are still needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    /// They land on rows without a block that is still needed.
    Clear,
    /// They land on such a row.
    OnLive,
}

/// Sectors of every member, counted from the old start of its data: those from `start` up to `end`.
/// The new shape may begin before the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    start: i128,
    end: i128,
}

impl Extent {
    const EMPTY: Self = Self { start: 0, end: 0 };

    fn meets(self, other: Self) -> Landing {
        let empty = self.start >= self.end || other.start >= other.end;
        match empty || self.end <= other.start || other.end <= self.start {
            true => Landing::Clear,
            false => Landing::OnLive,
        }
    }
}

/// Whether the destination rows of the addresses between `from` and `to` land on any block, parity
/// included, of an old row that holds a block on the undone side of `border`.
pub(super) fn landing(change: &Change, from: Position, to: Position, border: Position) -> Landing {
    let (low, high) = match change.direction() {
        Direction::Forward => (from.lba(), to.lba()),
        Direction::Backward => (to.lba(), from.lba()),
    };
    let Some(target) = rows(change.after(), low, high) else { return Landing::OnLive };
    let shift = i128::from(change.shift().0);
    let target =
        Extent { start: target.start.saturating_add(shift), end: target.end.saturating_add(shift) };
    live(change, border).map_or(Landing::OnLive, |live| target.meets(live))
}

/// The old rows that hold a block on the undone side of a position.
fn live(change: &Change, border: Position) -> Option<Extent> {
    let size = Lba(change.before().size().0);
    let (low, high) = match change.direction() {
        Direction::Forward => (border.lba(), size),
        Direction::Backward => (Lba(0), border.lba().min(size)),
    };
    if low >= high {
        return Some(Extent::EMPTY);
    }
    rows(change.before(), low, high)
}

/// The rows that hold the addresses from `low` up to `high`, whole.
fn rows(geometry: &Geometry, low: Lba, high: Lba) -> Option<Extent> {
    let last = Lba(high.0.checked_sub(1)?);
    match geometry {
        Geometry::Parity(parity) => {
            let chunk = parity.chunk().0;
            let start = parity.map(low)?.row.0.checked_mul(chunk)?;
            let end = parity.map(last)?.row.0.checked_add(1)?.checked_mul(chunk)?;
            Some(Extent { start: start.into(), end: end.into() })
        }
        Geometry::Copies(copies) => {
            let (start, _) = lines(copies, copies.map(low)?.chunk)?;
            let (_, end) = lines(copies, copies.map(last)?.chunk)?;
            Some(Extent { start, end })
        }
    }
}

/// From where to where the copies of a chunk lie. Both rise with the number of the chunk in every
/// layout but far ones, which no change has.
fn lines(geometry: &CopyGeometry, chunk: ChunkIndex) -> Option<(i128, i128)> {
    let places: MemberSet = geometry.copy_places(chunk);
    let starts = || places.into_iter().filter_map(|member| geometry.member_sector(chunk, member));
    let first = starts().min()?;
    let last = starts().max()?.checked_add(geometry.chunk())?;
    Some((first.0.into(), last.0.into()))
}
