//! The array as an operation sees it: which blocks can be an input, which copy is read, how far all of
//! that holds.

use super::{Access, Array, Dirty, Fate, Mark};
use crate::members::{MemberSet, MemberState};
use crate::metadata::Consistency;
use crate::plan::{Listing, Redundancy, Snapshot};
use crate::rectangle::{Rectangle, Span};
use crate::units::{FAULT_UNIT, MemberIndex, Sectors};

impl Array<'_> {
    /// The members as an operation on `rectangle` sees them, where it found `faulted` unreadable
    /// itself.
    #[inline]
    pub(crate) fn snapshot(&self, rectangle: &Rectangle, faulted: MemberSet) -> Snapshot {
        let mut unreadable = self.absent.union(faulted);
        for member in self.rebuilding {
            match self.validity(rectangle, member) {
                Validity::Valid => {}
                Validity::Stale => unreadable.insert(member),
            }
        }
        let bad = self.bad(rectangle).difference(unreadable.difference(faulted));
        unreadable = unreadable.union(bad);
        let unwritable = match self.access {
            Access::ReadOnly => self.places(),
            Access::ReadWrite => self.absent,
        };
        let redundancy = self.redundancy(rectangle);
        let preferred = match redundancy {
            Redundancy::InSync => self.preferred(rectangle, unreadable),
            Redundancy::Unknown => None,
        };
        let listing = if self.bad_blocks.has_memory() { Listing::Kept } else { Listing::NotKept };
        let logging = self.log.logging(self.vouched);
        Snapshot { unreadable, unwritable, faulted, bad, redundancy, preferred, listing, logging }
    }

    #[inline]
    pub(super) fn validity(&self, rectangle: &Rectangle, member: MemberIndex) -> Validity {
        let state = self.seat(member).map(|seat| seat.state);
        let Some(MemberState::Rebuilding { valid_to }) = state else { return Validity::Valid };
        // A mark that moved on after the rectangle was cut can lie inside it.
        match rectangle.member_sector(self.geometry_of(rectangle.shape()), member) {
            Some(start) if ends_by(Sectors(start.0), rectangle.sectors, valid_to) => {
                Validity::Valid
            }
            Some(_) if self.is_held(rectangle, member) => Validity::Valid,
            Some(_) | None => Validity::Stale,
        }
    }

    #[inline]
    pub(super) fn redundancy(&self, rectangle: &Rectangle) -> Redundancy {
        match (self.fate, self.mark) {
            // Its failure may have cut writes short: their rows are torn, and nobody knows which.
            (Fate::Failed, Mark::Dirty(_)) => return Redundancy::Unknown,
            (Fate::Failed | Fate::Serving, Mark::Clean) | (Fate::Serving, Mark::Dirty(_)) => {}
        }
        match (self.vouched, self.dirty) {
            (Consistency::Clean, _) | (_, Dirty::Force) => Redundancy::InSync,
            (Consistency::InSyncTo(mark), Dirty::Refuse) => match self.resync_address(rectangle) {
                Some(start) if ends_by(start, rectangle.sectors, mark) => Redundancy::InSync,
                Some(start) => match &self.intent {
                    Some(intent) => intent.agreement(start, rectangle.sectors),
                    None => Redundancy::Unknown,
                },
                None => Redundancy::Unknown,
            },
        }
    }

    /// The address of a rectangle that a resync mark is compared with: on the members, or for
    /// levels with copies in the array, which for level 1 is the same.
    #[inline]
    pub(super) fn resync_address(&self, rectangle: &Rectangle) -> Option<Sectors> {
        let member = rectangle.places().lowest()?;
        let geometry = self.geometry_of(rectangle.shape());
        match rectangle.span {
            Span::Row { .. } => {
                rectangle.member_sector(geometry, member).map(|sector| Sectors(sector.0))
            }
            Span::Chunk { .. } => rectangle.lba(geometry, member).map(|lba| Sectors(lba.0)),
        }
    }

    /// How long a rectangle may be that starts where this one does, so that all of it is equally
    /// valid and every device takes it in one command.
    #[inline]
    pub(crate) fn longest(&self, rectangle: &Rectangle) -> Sectors {
        let transfer = self.limits.transfer_max;
        let transfer = transfer.saturating_sub(Sectors(transfer.0 % FAULT_UNIT.0));
        let mut longest = self.lane.min(transfer).min(self.log.longest().unwrap_or(transfer));
        let mut stop_at = |start: Sectors, mark: Sectors| {
            if start < mark {
                longest = longest.min(mark.saturating_sub(start));
            }
        };
        match self.vouched {
            Consistency::Clean => {}
            Consistency::InSyncTo(mark) => {
                if let Some(start) = self.resync_address(rectangle) {
                    stop_at(start, mark);
                }
            }
        }
        if let Some(border) = self.bad_border(rectangle) {
            stop_at(Sectors::ZERO, border);
        }
        for member in self.rebuilding.intersection(rectangle.places()) {
            let state = self.seat(member).map(|seat| seat.state);
            let start = rectangle.member_sector(self.geometry_of(rectangle.shape()), member);
            if let (Some(MemberState::Rebuilding { valid_to }), Some(start)) = (state, start) {
                stop_at(Sectors(start.0), valid_to);
            }
        }
        self.longest_between_marks(rectangle, longest)
    }
}

/// Whether a member holds valid data where a rectangle lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    Valid,
    Stale,
}

/// Whether what starts here and is so long ends at the mark or before.
fn ends_by(start: Sectors, length: Sectors, mark: Sectors) -> bool {
    start.checked_add(length).is_some_and(|end| end <= mark)
}
