//! The requests: each is cut in order of arrival, and answered once when all its pieces have ended.

use crate::host::{Answer, Failure, Loan, RequestId};
use crate::rectangle::InShape;
use crate::request::{Cursor, Request};
use crate::units::Sectors;

use super::admission::Frees;

/// Memory for one request. The host lends as many as it wants requests at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestSlot {
    epoch: u32,
    occupant: Occupant,
    /// Slots in quarantine for commands that name the request's memory.
    held: u16,
    next: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Occupant {
    Nobody,
    Alive(Progress),
    /// Its memory is held. When that ends it is in the list of those to be told.
    Answered,
}

impl RequestSlot {
    /// A slot without a request.
    pub const FREE: Self = Self { epoch: 0, occupant: Occupant::Nobody, held: 0, next: None };
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Progress {
    pub(super) request: Request,
    /// The part of the request that is being cut.
    pub(super) part: Part,
    pub(super) cursor: Cursor,
    /// Operations alive that belong to it.
    pub(super) pieces: u16,
    pub(super) failure: Option<Failure>,
    pub(super) compared: Compared,
    pub(super) extent: Extent,
}

/// A part of a request that lies in one shape: all of it, but in an array that is being reshaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Part {
    pub(super) from: Sectors,
    pub(super) sectors: Sectors,
    pub(super) shape: InShape,
}

/// Whether a write may have changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Extent {
    Nothing,
    Begun,
}

/// What the check of a request has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Compared {
    /// It is no check.
    No,
    Mismatches(Sectors),
}

#[derive(Debug)]
pub(super) struct Requests<'m> {
    storage: &'m mut [RequestSlot],
    free: Option<u16>,
    /// Requests that are not cut to their end yet, in order of arrival.
    first: Option<u16>,
    last: Option<u16>,
    /// Answered requests whose memory is held no more, to be told.
    returned: Option<u16>,
}

impl<'m> Requests<'m> {
    pub(super) fn new(storage: &'m mut [RequestSlot]) -> Self {
        let count = u16::try_from(storage.len()).unwrap_or(u16::MAX);
        for (slot, number) in storage.iter_mut().zip(1..=count) {
            *slot = RequestSlot::FREE;
            slot.next = Some(number).filter(|number| *number < count);
        }
        let free = Some(0).filter(|_| count > 0);
        Self { storage, free, first: None, last: None, returned: None }
    }

    /// Takes in a request, behind all others. Where there is no slot, what frees one.
    #[inline]
    pub(super) fn push(&mut self, progress: Progress) -> Result<RequestId, Frees> {
        let Some(index) = self.free else { return Err(self.frees()) };
        let Some(slot) = self.storage.get_mut(usize::from(index)) else {
            return Err(Frees::Answer);
        };
        self.free = slot.next.take();
        slot.occupant = Occupant::Alive(progress);
        let id = RequestId { index, epoch: slot.epoch };
        match self.last.replace(index) {
            None => self.first = Some(index),
            Some(before) => {
                if let Some(before) = self.storage.get_mut(usize::from(before)) {
                    before.next = Some(index);
                }
            }
        }
        Ok(id)
    }

    /// What frees the next slot.
    fn frees(&self) -> Frees {
        let alive = self.storage.iter().any(|slot| match &slot.occupant {
            Occupant::Alive(_) => true,
            Occupant::Answered | Occupant::Nobody => false,
        });
        if alive { Frees::Answer } else { Frees::MemoryReturned }
    }

    /// The request that is being cut.
    #[inline]
    pub(super) fn head(&mut self) -> Option<(RequestId, &mut Progress)> {
        let index = self.first?;
        let slot = self.storage.get_mut(usize::from(index))?;
        let id = RequestId { index, epoch: slot.epoch };
        slot.alive().map(|progress| (id, progress))
    }

    /// The head is cut to its end: the next request is the head.
    #[inline]
    pub(super) fn pop_head(&mut self) {
        let Some(index) = self.first else { return };
        self.first = self.storage.get_mut(usize::from(index)).and_then(|slot| slot.next.take());
        if self.first.is_none() {
            self.last = None;
        }
    }

    #[inline]
    pub(super) fn get(&mut self, id: RequestId) -> Option<&mut Progress> {
        let slot = self.storage.get_mut(usize::from(id.index))?;
        if slot.epoch == id.epoch { slot.alive() } else { None }
    }

    /// Ends a request that is cut to its end and has no piece left. Its answer, if so; its slot is
    /// free unless its memory is held.
    #[inline]
    pub(super) fn finish(&mut self, id: RequestId) -> Option<(Result<Answer, Failure>, Loan)> {
        let progress = self.get(id)?;
        match progress.cursor {
            Cursor::End if progress.pieces == 0 => {}
            Cursor::Start | Cursor::Row(..) | Cursor::Linear(_) | Cursor::End => return None,
        }
        let answer = match (progress.failure, progress.compared) {
            (Some(Failure::HandedBack), _) if progress.extent == Extent::Begun => {
                Err(Failure::Interrupted)
            }
            (Some(failure), _) => Err(failure),
            (None, Compared::No) => Ok(Answer::Done),
            (None, Compared::Mismatches(mismatched_sectors)) => {
                Ok(Answer::Checked { mismatched_sectors })
            }
        };
        let slot = self.storage.get_mut(usize::from(id.index))?;
        if slot.held > 0 {
            slot.occupant = Occupant::Answered;
            return Some((answer, Loan::Held));
        }
        self.release(id.index);
        Some((answer, Loan::Returned))
    }

    fn release(&mut self, index: u16) {
        let free = self.free.replace(index);
        if let Some(slot) = self.storage.get_mut(usize::from(index)) {
            slot.occupant = Occupant::Nobody;
            slot.epoch = slot.epoch.wrapping_add(1);
            slot.next = free;
        }
    }

    /// One slot more is in quarantine for the memory of a request.
    pub(super) fn hold(&mut self, id: RequestId) {
        if let Some(slot) = self.storage.get_mut(usize::from(id.index)) {
            slot.held = slot.held.saturating_add(1);
        }
    }

    /// One slot less.
    pub(super) fn give_back(&mut self, index: u16) {
        let Some(slot) = self.storage.get_mut(usize::from(index)) else { return };
        slot.held = slot.held.saturating_sub(1);
        match (&slot.occupant, slot.held) {
            (Occupant::Answered, 0) => slot.next = self.returned.replace(index),
            (Occupant::Answered | Occupant::Alive(_) | Occupant::Nobody, _) => {}
        }
    }

    /// An answered request whose memory is held no more. Its name is free from now on.
    #[inline]
    pub(super) fn pop_returned(&mut self) -> Option<RequestId> {
        let index = self.returned?;
        let slot = self.storage.get_mut(usize::from(index))?;
        let id = RequestId { index, epoch: slot.epoch };
        self.returned = slot.next.take();
        self.release(index);
        Some(id)
    }
}

impl RequestSlot {
    #[inline]
    const fn alive(&mut self) -> Option<&mut Progress> {
        match &mut self.occupant {
            Occupant::Alive(progress) => Some(progress),
            Occupant::Nobody | Occupant::Answered => None,
        }
    }
}

impl Progress {
    pub(super) const fn new(request: Request, compared: Compared) -> Self {
        let extent = Extent::Nothing;
        let part = Part { from: Sectors::ZERO, sectors: request.sectors, shape: InShape::Old };
        Self { request, part, cursor: Cursor::Start, pieces: 0, failure: None, compared, extent }
    }

    /// Keeps the first failure among those that say the most.
    pub(super) fn fail(&mut self, failure: Failure) {
        if self.failure.is_none_or(|before| weight(&before) < weight(&failure)) {
            self.failure = Some(failure);
        }
    }
}

/// How much of the rest of a request a failure speaks for.
const fn weight(failure: &Failure) -> u8 {
    match failure {
        // The rest was served.
        Failure::Unrecoverable { .. } | Failure::NotCompared { .. } => 0,
        // It was as well, but what was read is not to be relied on.
        Failure::MemoryHeld { .. } => 1,
        // Of the rest nothing is known.
        Failure::HandedBack | Failure::Interrupted => 2,
        Failure::Rejected { .. }
        | Failure::ArrayFailed
        | Failure::JournalLost
        | Failure::NeedsBackup { .. }
        | Failure::NothingToCompare => 3,
    }
}
