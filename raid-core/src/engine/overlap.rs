//! Who waits for whom: one table of overlaps, derived from the claims of the operations alive.
//!
//! Two operations conflict if they share a block of a row and one of them writes. They run in order of arrival:
//! each counts the earlier ones that it conflicts with, and starts when the last of them has ended.

use crate::host::SlotIndex;
use crate::plan::Operation;
use crate::rectangle::{Overlap, Rectangle};

use super::slots::{Occupant, Slots};

/// What an operation holds until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    /// The order of arrival.
    ticket: u64,
    range: Range,
    /// Earlier operations that this one conflicts with.
    blockers: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Range {
    /// Blocks nobody and is blocked by nobody.
    Nothing,
    Rectangle(Rectangle, Usage),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Usage {
    Read,
    Write,
}

/// How many operations there are on units of the same hash: none means that there is nobody to look for.
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
    const fn rectangle(&self) -> Option<(&Rectangle, Usage)> {
        match &self.range {
            Range::Nothing => None,
            Range::Rectangle(rectangle, usage) => Some((rectangle, *usage)),
        }
    }

    fn conflicts(&self, rectangle: &Rectangle, usage: Usage) -> Overlap {
        match (self.rectangle(), usage) {
            (Some((_, Usage::Read)), Usage::Read) | (None, _) => Overlap::Apart,
            (Some((own, Usage::Read)), Usage::Write) | (Some((own, Usage::Write)), _) => {
                own.overlaps(rectangle)
            }
        }
    }

    pub(super) const fn turn(&self) -> Turn {
        if self.blockers == 0 { Turn::Now } else { Turn::Later }
    }
}

impl Overlaps {
    pub(super) const fn new() -> Self {
        Self { buckets: [0; BUCKETS], next_ticket: 0 }
    }

    /// The claim of an operation on nothing.
    pub(super) const fn none(&mut self) -> Claim {
        Claim { ticket: self.ticket(), range: Range::Nothing, blockers: 0 }
    }

    /// The claim of an operation that arrives now.
    pub(super) fn claim(
        &mut self,
        slots: &Slots<'_>,
        rectangle: &Rectangle,
        operation: Operation,
    ) -> Claim {
        let usage = match operation {
            Operation::Read(_) | Operation::Check => Usage::Read,
            Operation::Write(..) => Usage::Write,
        };
        let blockers = match self.bucket(rectangle) {
            Some(0) | None => 0,
            Some(_) => slots
                .storage
                .iter()
                .filter(|slot| match &slot.occupant {
                    Occupant::Nobody => false,
                    Occupant::Operation { claim, .. } => {
                        claim.conflicts(rectangle, usage) == Overlap::Shared
                    }
                })
                .fold(0_u16, |count, _| count.saturating_add(1)),
        };
        if let Some(bucket) = self.bucket(rectangle) {
            *bucket = bucket.saturating_add(1);
        }
        Claim { ticket: self.ticket(), range: Range::Rectangle(*rectangle, usage), blockers }
    }

    /// Ends a claim. Operations whose last blocker this was become ready.
    pub(super) fn release(&mut self, slots: &mut Slots<'_>, ended: &Claim) {
        let Some((rectangle, usage)) = ended.rectangle() else { return };
        let Some(bucket) = self.bucket(rectangle) else { return };
        *bucket = bucket.saturating_sub(1);
        if *bucket == 0 {
            return;
        }
        for index in slots.indices() {
            if let Turn::Now = unblock(slots, index, ended.ticket, rectangle, usage) {
                slots.make_ready(index);
            }
        }
    }

    const fn ticket(&mut self) -> u64 {
        self.next_ticket = self.next_ticket.wrapping_add(1);
        self.next_ticket
    }

    fn bucket(&mut self, rectangle: &Rectangle) -> Option<&mut u16> {
        // A multiplicative hash: neighbouring rows go to different buckets.
        let hash = rectangle.unit().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58_u32;
        usize::try_from(hash).ok().and_then(|bucket| self.buckets.get_mut(bucket))
    }
}

/// One blocker less, if the operation came later and conflicts. `Turn::Now` if that was its last.
fn unblock(
    slots: &mut Slots<'_>,
    index: SlotIndex,
    ticket: u64,
    rectangle: &Rectangle,
    usage: Usage,
) -> Turn {
    match slots.get(index).map(|slot| &mut slot.occupant) {
        Some(Occupant::Operation { claim, .. })
            if claim.ticket > ticket && claim.conflicts(rectangle, usage) == Overlap::Shared =>
        {
            claim.blockers = claim.blockers.saturating_sub(1);
            claim.turn()
        }
        Some(Occupant::Operation { .. } | Occupant::Nobody) | None => Turn::Later,
    }
}
