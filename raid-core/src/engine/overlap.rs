//! Who waits for whom: one table of overlaps, derived from the claims of the operations alive.
//!
//! Two operations conflict if they share a block of a row and one of them writes. They run in order
//! of arrival: each counts the earlier ones that it conflicts with, and starts when the last of
//! them has ended.

use super::slots::{Occupant, Slots};
use crate::host::SlotIndex;
use crate::plan::Operation;
use crate::rectangle::{Overlap, Rectangle};
use crate::stripe::{Origin, Work};

/// An operation's turn among those that it conflicts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    /// The order of arrival.
    ticket: u64,
    /// Earlier operations that this one conflicts with.
    blockers: u16,
}

/// How many operations there are on units of the same hash: none means that there is nobody to look
/// for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overlaps {
    buckets: [u16; BUCKETS],
    next_ticket: u64,
}

const BUCKETS: usize = 64;

/// Whether an operation can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    Later,
}

impl Claim {
    pub(super) const fn turn(&self) -> Turn {
        if self.blockers == 0 { Turn::Now } else { Turn::Later }
    }

    pub(super) const fn arrival(&self) -> u64 {
        self.ticket
    }
}

impl Overlaps {
    pub(super) const fn new() -> Self {
        Self { buckets: [0; BUCKETS], next_ticket: 0 }
    }

    /// The claim of an operation that conflicts with none.
    #[inline]
    pub(super) const fn none(&mut self) -> Claim {
        Claim { ticket: self.ticket(), blockers: 0 }
    }

    /// The claim of work that arrives now.
    #[inline]
    pub(super) fn claim(&mut self, slots: &Slots<'_>, work: &Work) -> Claim {
        let blockers = match self.bucket(work.whole()) {
            Some(0) | None => 0,
            Some(_) => slots
                .storage
                .iter()
                .filter(|slot| match &slot.occupant {
                    Occupant::Nobody | Occupant::Quarantined => false,
                    Occupant::Operation { stripe, .. } => {
                        stripe.work().is_some_and(|other| conflict(other, work) == Overlap::Shared)
                    }
                })
                .fold(0_u16, |count, _| count.saturating_add(1)),
        };
        if let Some(bucket) = self.bucket(work.whole()) {
            *bucket = bucket.saturating_add(1);
        }
        Claim { ticket: self.ticket(), blockers }
    }

    /// Ends the claim of work. Operations whose last blocker this was become ready.
    #[inline]
    pub(super) fn release(&mut self, slots: &mut Slots<'_>, claim: &Claim, work: &Work) {
        let Some(bucket) = self.bucket(work.whole()) else { return };
        *bucket = bucket.saturating_sub(1);
        if *bucket == 0 {
            return;
        }
        for index in slots.indices() {
            match unblock(slots, index, claim.ticket, work) {
                Turn::Now => slots.make_ready(index),
                Turn::Later => {}
            }
        }
    }

    const fn ticket(&mut self) -> u64 {
        self.next_ticket = self.next_ticket.wrapping_add(1);
        self.next_ticket
    }

    #[inline]
    fn bucket(&mut self, rectangle: &Rectangle) -> Option<&mut u16> {
        // A multiplicative hash: neighbouring rows go to different buckets.
        let hash = rectangle.unit().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58_u32;
        usize::try_from(hash).ok().and_then(|bucket| self.buckets.get_mut(bucket))
    }
}

/// Whether one of the two has to wait for the other: they share a block, and one of them writes.
#[inline]
fn conflict(one: &Work, other: &Work) -> Overlap {
    match (one.operation, other.operation) {
        (Operation::Read(_) | Operation::Check, Operation::Read(_) | Operation::Check)
            if one.origin != Origin::Reshape && other.origin != Origin::Reshape =>
        {
            Overlap::Apart
        }
        // What is read to be moved may be overwritten where it lies as soon as it has been.
        (Operation::Read(_) | Operation::Check, Operation::Read(_) | Operation::Check) => {
            one.whole().overlaps(other.whole())
        }
        (Operation::Write(..) | Operation::Sync(_), _)
        | (_, Operation::Write(..) | Operation::Sync(_)) => one.whole().overlaps(other.whole()),
    }
}

/// One blocker less, if the operation came later and conflicts. `Turn::Now` if that was its last.
fn unblock(slots: &mut Slots<'_>, index: SlotIndex, ticket: u64, ended: &Work) -> Turn {
    match slots.get(index).map(|slot| &mut slot.occupant) {
        Some(Occupant::Operation { stripe, claim }) => match stripe.work() {
            Some(work) if claim.ticket > ticket && conflict(work, ended) == Overlap::Shared => {
                claim.blockers = claim.blockers.saturating_sub(1);
                claim.turn()
            }
            Some(_) | None => Turn::Later,
        },
        Some(Occupant::Nobody | Occupant::Quarantined) | None => Turn::Later,
    }
}
