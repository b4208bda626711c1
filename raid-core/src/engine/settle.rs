//! How an operation's end reaches its request, and the request's answer its requester.

use super::Engine;
use super::overlap::Claim;
use super::requests::{Compared, Extent};
use super::slots::Occupant;
use crate::host::{Event, Failure, Host, RequestId, SlotIndex};
use crate::members::MemberSet;
use crate::plan::Operation;
use crate::rectangle::{Rectangle, Span};
use crate::stripe::{Ending, Origin, Outcome, Planned, Trouble, Work};
use crate::units::{FAULT_UNIT, Lba, Sectors};

impl Engine<'_> {
    /// An operation has come to an end, or to the end of one fault unit.
    pub(super) fn end(
        &mut self,
        index: SlotIndex,
        claim: Claim,
        ending: Ending,
        host: &mut impl Host,
    ) {
        let (origin, work, next) = match ending {
            Ending::Barrier(request, result) => {
                if let (Err(trouble), Some(progress)) = (result, self.requests.get(request)) {
                    progress.fail(failure(trouble, Lba(0), Sectors::ZERO));
                }
                (Origin::Request(request), None, None)
            }
            Ending::Work(work, outcome) => {
                let next = match work.origin {
                    Origin::Request(request) => {
                        self.account(&work, request, outcome, host);
                        next_piece(&work, outcome).map(|work| (work, MemberSet::NONE))
                    }
                    Origin::Pass(at) => self.piece_ended(&work, at, outcome, host),
                    Origin::Reshape => self.moved(&work, outcome),
                };
                (work.origin, Some(work), next)
            }
        };
        if let Some((work, wrong)) = next {
            if let Some(slot) = self.slots.get(index) {
                let stripe = Planned::enter(work, wrong);
                slot.occupant = Occupant::Operation { stripe, claim };
                slot.epoch = slot.epoch.wrapping_add(1);
            }
            self.slots.make_ready(index);
            return;
        }
        self.slots.release(index);
        debug_assert!(
            self.slots.used > 0 || self.array.balance.is_idle(),
            "a read was counted and not taken back"
        );
        if let Some(work) = work {
            self.overlaps.release(&mut self.slots, &claim, &work);
        }
        match origin {
            Origin::Request(request) => {
                if let Some(progress) = self.requests.get(request) {
                    progress.pieces = progress.pieces.saturating_sub(1);
                }
                self.answer_if_finished(request, host);
            }
            Origin::Pass(_) => self.pass_advances(),
            Origin::Reshape => self.move_ended(),
        }
    }

    #[inline]
    pub(super) fn answer_if_finished(&mut self, request: RequestId, host: &mut impl Host) {
        if let Some(result) = self.requests.finish(request) {
            let (result, loan) = result;
            host.answer(request, result, loan);
        }
    }

    fn account(&mut self, work: &Work, request: RequestId, outcome: Outcome, host: &mut impl Host) {
        let failure = match outcome {
            // Only passes look for wrong blocks, and end so.
            Outcome::Located(_) | Outcome::GivenUp { .. } | Outcome::Unwritten { .. } => None,
            Outcome::Done { unserved } if unserved.is_empty() => None,
            Outcome::Done { unserved } => {
                self.name_lost(&work.now(), request, unserved, host).map(unrecoverable)
            }
            Outcome::Compared { mismatched_units } => {
                self.count_mismatches(request, mismatched_units);
                None
            }
            Outcome::Failed(Trouble::Unrecoverable) => {
                let now = work.now();
                self.name_lost(&now, request, now.covered(), host).map(unrecoverable)
            }
            Outcome::Failed(Trouble::Unkept) => {
                let now = work.now();
                let parts = self.array.lost_parts(&now, now.places());
                let named =
                    parts.filter_map(|(part, lost)| self.name_lost(&part, request, lost, host));
                let first = named.min();
                let first = first.or_else(|| self.name_lost(&now, request, now.covered(), host));
                first.map(unrecoverable)
            }
            Outcome::Failed(
                trouble @ (Trouble::Rejected(_)
                | Trouble::ArrayFailed
                | Trouble::JournalLost
                | Trouble::NothingToCompare
                | Trouble::HandedBack
                | Trouble::MemoryHeld
                | Trouble::NotCompared),
            ) => {
                let now = work.now();
                let first = now.covered().lowest();
                let geometry = self.array.geometry_of(now.shape());
                let at = first.and_then(|member| now.lba(geometry, member));
                Some(failure(trouble, at.unwrap_or_default(), now.sectors))
            }
        };
        let Some(progress) = self.requests.get(request) else { return };
        match (work.operation, outcome) {
            (_, Outcome::Failed(Trouble::HandedBack))
            | (Operation::Read(_) | Operation::Check | Operation::Sync(_), _) => {}
            (Operation::Write(..), _) => progress.extent = Extent::Begun,
        }
        if let Some(failure) = failure {
            progress.fail(failure);
        }
    }

    /// Names each block that is lost. The first of them is the request's failure.
    fn name_lost(
        &self,
        now: &Rectangle,
        request: RequestId,
        lost: MemberSet,
        host: &mut impl Host,
    ) -> Option<(Lba, Sectors)> {
        // The copies of a chunk are one block.
        let lost = match now.span {
            Span::Row { .. } => lost,
            Span::Chunk { .. } => lost.lowest().map_or(MemberSet::NONE, MemberSet::only),
        };
        let sectors = now.sectors;
        let mut first: Option<Lba> = None;
        for member in lost {
            let geometry = self.array.geometry_of(now.shape());
            let Some(at) = now.lba(geometry, member) else { continue };
            host.note(Event::RangeLost { request, at, sectors });
            first = Some(first.map_or(at, |first| first.min(at)));
        }
        first.map(|at| (at, sectors))
    }

    fn count_mismatches(&mut self, request: RequestId, units: u32) {
        let Some(progress) = self.requests.get(request) else { return };
        if let Compared::Mismatches(sectors) = &mut progress.compared {
            let more = Sectors(u64::from(units).saturating_mul(FAULT_UNIT.0));
            *sectors = Sectors(sectors.0.saturating_add(more.0));
        }
    }
}

const fn unrecoverable((at, sectors): (Lba, Sectors)) -> Failure {
    Failure::Unrecoverable { at, sectors }
}

/// What a requester is told of trouble with a range.
const fn failure(trouble: Trouble, at: Lba, sectors: Sectors) -> Failure {
    match trouble {
        Trouble::Unrecoverable | Trouble::Unkept => Failure::Unrecoverable { at, sectors },
        Trouble::Rejected(fault) => Failure::Rejected { fault },
        Trouble::ArrayFailed => Failure::ArrayFailed,
        Trouble::JournalLost => Failure::JournalLost,
        Trouble::NothingToCompare => Failure::NothingToCompare,
        Trouble::HandedBack => Failure::HandedBack,
        Trouble::MemoryHeld => Failure::MemoryHeld { at, sectors },
        Trouble::NotCompared => Failure::NotCompared { at, sectors },
    }
}

/// The next fault unit, unless what happened ends the whole rectangle.
#[inline]
fn next_piece(work: &Work, outcome: Outcome) -> Option<Work> {
    match outcome {
        Outcome::Done { .. }
        | Outcome::GivenUp { .. }
        | Outcome::Unwritten { .. }
        | Outcome::Compared { .. }
        | Outcome::Located(_)
        | Outcome::Failed(Trouble::Unrecoverable | Trouble::Unkept | Trouble::NotCompared) => {
            work.next_piece()
        }
        Outcome::Failed(
            Trouble::Rejected(_)
            | Trouble::ArrayFailed
            | Trouble::JournalLost
            | Trouble::NothingToCompare
            | Trouble::HandedBack
            | Trouble::MemoryHeld,
        ) => None,
    }
}
