//! The requests: each is cut in order of arrival, and answered once when all its pieces have ended.

use crate::host::{Answer, Failure, RequestId};
use crate::request::{Cursor, Request};
use crate::units::Sectors;

/// Memory for one request. The host lends as many as it wants requests at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestSlot {
    epoch: u32,
    occupant: Option<Progress>,
    next: Option<u16>,
}

impl RequestSlot {
    /// A slot without a request.
    pub const FREE: Self = Self { epoch: 0, occupant: None, next: None };
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Progress {
    pub(super) request: Request,
    pub(super) cursor: Cursor,
    /// Operations alive that belong to it.
    pub(super) pieces: u16,
    pub(super) failure: Option<Failure>,
    pub(super) compared: Compared,
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
}

impl<'m> Requests<'m> {
    pub(super) fn new(storage: &'m mut [RequestSlot]) -> Self {
        let count = u16::try_from(storage.len()).unwrap_or(u16::MAX);
        for (slot, number) in storage.iter_mut().zip(1..=count) {
            *slot = RequestSlot::FREE;
            slot.next = Some(number).filter(|number| *number < count);
        }
        Self { storage, free: Some(0).filter(|_| count > 0), first: None, last: None }
    }

    /// Takes in a request, behind all others. `None` if there is no slot.
    #[inline]
    pub(super) fn push(&mut self, progress: Progress) -> Option<RequestId> {
        let index = self.free?;
        let slot = self.storage.get_mut(usize::from(index))?;
        self.free = slot.next.take();
        slot.occupant = Some(progress);
        let id = RequestId { index, epoch: slot.epoch };
        match self.last.replace(index) {
            None => self.first = Some(index),
            Some(before) => {
                if let Some(before) = self.storage.get_mut(usize::from(before)) {
                    before.next = Some(index);
                }
            }
        }
        Some(id)
    }

    /// The request that is being cut.
    #[inline]
    pub(super) fn head(&mut self) -> Option<(RequestId, &mut Progress)> {
        let index = self.first?;
        let slot = self.storage.get_mut(usize::from(index))?;
        let id = RequestId { index, epoch: slot.epoch };
        Some((id, slot.occupant.as_mut()?))
    }

    /// The head is cut to its end: the next request is the head.
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
        slot.occupant.as_mut().filter(|_| slot.epoch == id.epoch)
    }

    /// Frees the slot of a request that is cut to its end and has no piece left. Its answer, if so.
    #[inline]
    pub(super) fn finish(&mut self, id: RequestId) -> Option<Result<Answer, Failure>> {
        let progress = self.get(id)?;
        match progress.cursor {
            Cursor::End if progress.pieces == 0 => {}
            Cursor::Start | Cursor::Row(..) | Cursor::Linear(_) | Cursor::End => return None,
        }
        let answer = match (progress.failure, progress.compared) {
            (Some(failure), _) => Err(failure),
            (None, Compared::No) => Ok(Answer::Done),
            (None, Compared::Mismatches(mismatched_sectors)) => {
                Ok(Answer::Checked { mismatched_sectors })
            }
        };
        let free = self.free.replace(id.index);
        let slot = self.storage.get_mut(usize::from(id.index))?;
        slot.occupant = None;
        slot.epoch = slot.epoch.wrapping_add(1);
        slot.next = free;
        Some(answer)
    }
}

impl Progress {
    pub(super) const fn new(request: Request, compared: Compared) -> Self {
        Self { request, cursor: Cursor::Start, pieces: 0, failure: None, compared }
    }

    /// Keeps the first failure, but for one that names a lost range: that one says that the rest was served, so
    /// any other comes before it.
    pub(super) const fn fail(&mut self, failure: Failure) {
        match (self.failure, failure) {
            (None, _)
            | (
                Some(Failure::Unrecoverable { .. } | Failure::NotCompared { .. }),
                Failure::Rejected { .. } | Failure::ArrayFailed | Failure::NothingToCompare,
            ) => self.failure = Some(failure),
            (Some(_), _) => {}
        }
    }
}
