//! Background passes: when they start, how their pieces get slots, and what follows when one ends.

use super::quiesce::Running;
use super::slots::Occupant;
use super::{Engine, Stepped};
use crate::array::{Access, Behind, Fate, Seat, SeatRefusal};
use crate::geometry::Geometry;
use crate::host::{Event, Host, Located};
use crate::members::MemberSet;
use crate::pass::{
    Activity, Course, Drain, Fence, Halt, Handover, Next, Pass, PassEnd, PassKind, PassRefusal,
    Piece, ReshapeHalt, Rest, Settle, StopReason, Walk,
};
use crate::plan::{Operation, Sync};
use crate::request::RequestKind;
use crate::stripe::{Origin, Outcome, Planned, Trouble, Work};
use crate::units::{FAULT_UNIT, Generation, MemberIndex, Sectors};

/// What follows when a piece of a pass, or a fault unit of one, has come to an end.
enum Follows {
    /// This, in the same slot, with these blocks known to be wrong.
    Work(Work, MemberSet),
    Nothing,
    Park,
    Halt(StopReason),
}

impl Engine<'_> {
    /// What the array is doing besides its requests.
    #[must_use]
    pub fn activity(&self) -> Activity {
        self.pass.activity(self.reshape())
    }

    /// Starts a pass: from where the same kind of pass was halted, or from its beginning. It runs
    /// in `poll`, in the slots set aside for background work.
    ///
    /// # Errors
    /// Why it is not started; nothing has happened.
    pub fn start_pass(&mut self, kind: PassKind) -> Result<(), PassRefusal> {
        match self.running {
            Running::Serving => {}
            Running::Quiescing | Running::Quiesced => return Err(PassRefusal::Quiesced),
        }
        let halted_at = match self.pass {
            Pass::Idle => None,
            Pass::Rest(Rest { report, .. }) => {
                Some(report.position).filter(|_| report.kind == kind)
            }
            Pass::Fence(_)
            | Pass::Walk(_)
            | Pass::Drain(_)
            | Pass::Handover(_)
            | Pass::Settle(_) => {
                return Err(PassRefusal::Running);
            }
            Pass::Reshape(_) => return Err(PassRefusal::Reshaping),
        };
        let start = self.pass_start(kind, halted_at)?;
        let replacing = match kind {
            PassKind::Replacement => self.array.replacement().map(|replacement| replacement.member),
            PassKind::Resync
            | PassKind::Recovery
            | PassKind::Check
            | PassKind::Repair
            | PassKind::Locate => None,
        };
        let rebuilding = match replacing {
            Some(_) => MemberSet::NONE,
            None => self.array.rebuilding(),
        };
        let course = Course { kind, rebuilding, absent: self.array.absent_places(), replacing };
        let walk = Walk::new(course, start, self.pass_end(kind));
        self.pass = match (self.array.unrecorded(), self.array.access()) {
            (Some(until), Access::ReadWrite) => Pass::Fence(Fence { walk, until }),
            (Some(_) | None, _) => Pass::Walk(walk),
        };
        Ok(())
    }

    /// Asks the pass at work to stop where it is. It says in
    /// [`Event::PassEnded`] when it has. Without a pass nothing happens.
    ///
    /// A reshape stops at its next checkpoint, where Linux would go on as well, and says so in
    /// [`Event::ReshapeEnded`].
    pub const fn park_pass(&mut self) {
        self.pass.halt(Halt::Parked);
        self.pass.park(ReshapeHalt::Parked);
    }

    /// Gives a place that lacks a member to a device whose state is rebuilding. Nothing is copied
    /// to it before a recovery is started; writes reach it from now on. Its list of bad blocks is
    /// taken for empty: whoever keeps it sees to that before. Of one that lacks marked chunks only, what
    /// was known to be bad still is; if more is on its own list, it lacks everything.
    ///
    /// # Errors
    /// Why it is not taken; nothing has happened.
    pub fn add_member(&mut self, member: MemberIndex, seat: Seat) -> Result<(), SeatRefusal> {
        let hangs = |hung: &MemberIndex| *hung == member || self.array.device(*hung) == seat.device;
        if let Some(hung) = self.hung_members().into_iter().find(hangs) {
            return Err(SeatRefusal::Hung(hung));
        }
        if self.array.absent().contains(member) && self.is_leaving(member) {
            return Err(SeatRefusal::Leaving(member));
        }
        if self.array.both().is_some() {
            return Err(SeatRefusal::Reshaping);
        }
        self.array.take_in(member, seat)?;
        self.miss_what_is_under_way(seat.behind);
        if let Some(walk) = self.pass.walk() {
            // What the pass has done so far it did for the member that sat there before.
            walk.course.rebuilding.remove(member);
        }
        Ok(())
    }

    /// Whether anything was begun with the member of a place and is not over: it would reach the
    /// next device that sits there.
    pub(super) fn is_leaving(&self, member: MemberIndex) -> bool {
        let mut slots = self.slots.storage.iter();
        let operation = slots.any(|slot| match &slot.occupant {
            Occupant::Operation { stripe, .. } => stripe.counts_on(member),
            Occupant::Nobody | Occupant::Quarantined => false,
        });
        operation
            || self.array.log.in_flight().contains(member)
            || self.array.writer.trusts(member)
            || self.is_writing_intents()
            || self.abandoned.is_to_be_lost(member)
    }

    /// A member that came in by the bitmap lacks what is written under a plan that was made without
    /// it.
    fn miss_what_is_under_way(&mut self, behind: Behind) {
        match behind {
            Behind::Everything => return,
            Behind::MarkedChunks { .. } => {}
        }
        for slot in &*self.slots.storage {
            match &slot.occupant {
                Occupant::Operation { stripe, .. } => {
                    if let Some(work) = stripe.work() {
                        self.array.lacks(work.whole());
                    }
                }
                Occupant::Nobody | Occupant::Quarantined => {}
            }
        }
    }

    fn pass_start(
        &self,
        kind: PassKind,
        halted_at: Option<Sectors>,
    ) -> Result<Sectors, PassRefusal> {
        if self.slots.background() == 0 {
            return Err(PassRefusal::NoSlots);
        }
        match (self.array.fate(), self.array.access(), kind) {
            (Fate::Failed, ..) => return Err(PassRefusal::ArrayFailed),
            (Fate::Serving, Access::ReadOnly, PassKind::Check)
            | (Fate::Serving, Access::ReadWrite, _) => {}
            (
                Fate::Serving,
                Access::ReadOnly,
                PassKind::Resync
                | PassKind::Recovery
                | PassKind::Replacement
                | PassKind::Repair
                | PassKind::Locate,
            ) => return Err(PassRefusal::ReadOnly),
        }
        let redundant = self.array.geometry().redundancy() > 0;
        let whole = self.array.absent_places().union(self.array.rebuilding()).is_empty();
        match kind {
            PassKind::Recovery => {
                self.array.rebuilt_to(self.array.rebuilding()).ok_or(PassRefusal::NothingToDo)
            }
            PassKind::Replacement => {
                let replacement = self.array.replacement().ok_or(PassRefusal::NothingToDo)?;
                // What the member cannot give is made from parity.
                match self.array.resynced_to() {
                    Some(_) => Err(PassRefusal::NotInSync),
                    None => Ok(replacement.copied_to),
                }
            }
            _ if !redundant => Err(PassRefusal::NoRedundancy),
            PassKind::Resync => {
                let mark = self.array.resynced_to().ok_or(PassRefusal::NothingToDo)?;
                // What would be made to agree has lost a block.
                if !whole && self.array.distrusts_parity() {
                    return Err(PassRefusal::Degraded);
                }
                Ok(mark)
            }
            PassKind::Locate if !self.has_two_parities() => Err(PassRefusal::OneParity),
            // What it would call wrong may be the last that was written.
            PassKind::Locate if self.array.resynced_to().is_some() => Err(PassRefusal::NotInSync),
            PassKind::Check | PassKind::Repair | PassKind::Locate if whole => {
                Ok(halted_at.unwrap_or_default())
            }
            PassKind::Check | PassKind::Repair | PassKind::Locate => Err(PassRefusal::Degraded),
        }
    }

    fn has_two_parities(&self) -> bool {
        match self.array.geometry() {
            Geometry::Parity(geometry) => geometry.parity() == 2,
            Geometry::Copies(_) => false,
        }
    }

    fn pass_end(&self, kind: PassKind) -> Sectors {
        match (self.array.geometry(), kind) {
            (Geometry::Parity(geometry), _) => {
                Sectors(geometry.rows().saturating_mul(geometry.chunk().0))
            }
            (Geometry::Copies(geometry), PassKind::Recovery | PassKind::Replacement) => {
                geometry.member_size()
            }
            (
                Geometry::Copies(geometry),
                PassKind::Resync | PassKind::Check | PassKind::Repair | PassKind::Locate,
            ) => geometry.size(),
        }
    }

    pub(super) fn step_pass(&mut self, host: &mut impl Host) -> Stepped {
        match self.pass {
            Pass::Idle | Pass::Rest(_) => Stepped::Nothing,
            Pass::Reshape(state) => self.step_reshape(state, host),
            Pass::Fence(Fence { walk, until }) => {
                match (self.hindrance(&walk), self.array.recorded() >= until) {
                    (Some(reason), _) => self.pass.halt(Halt::Stopped(reason)),
                    (None, true) => self.pass = Pass::Walk(walk),
                    (None, false) => return Stepped::Nothing,
                }
                Stepped::Moved
            }
            Pass::Walk(walk) => self.step_walk(&walk),
            Pass::Drain(drain) => self.step_drain(drain, host),
            Pass::Handover(Handover { walk }) => self.step_end_of_copy(&walk),
            Pass::Settle(settle) => self.step_settle(settle, host),
        }
    }

    fn step_walk(&mut self, walk: &Walk) -> Stepped {
        if let Some(reason) = self.hindrance(walk) {
            self.pass.halt(Halt::Stopped(reason));
            return Stepped::Moved;
        }
        // A clean mark waits until nothing is being written; after it the pass goes on.
        match self.requests.head() {
            Some((_, head)) if head.request.kind == RequestKind::MarkClean => {
                return Stepped::Nothing;
            }
            Some(_) | None => {}
        }
        match walk.next(&self.array) {
            None => self.pass = Pass::Drain(Drain { walk: *walk, end: PassEnd::Finished }),
            Some((Next::Nothing, next)) => {
                self.pass = Pass::Walk(next);
                self.pass_advances();
            }
            Some((Next::Piece(piece), next)) => {
                let Some(index) = self.slots.take_free_background() else {
                    return Stepped::Nothing;
                };
                let Piece { at, rectangle } = piece;
                let work = Work::new(Origin::Pass(at), walk.operation(), rectangle);
                let claim = self.overlaps.claim(&self.slots, &work);
                let stripe = Planned::enter(work, MemberSet::NONE);
                self.occupy(index, stripe, claim);
                self.pass = Pass::Walk(next);
            }
        }
        Stepped::Moved
    }

    fn step_drain(&mut self, drain: Drain, host: &mut impl Host) -> Stepped {
        let Drain { walk, end } = drain;
        if self.oldest_piece().is_some() {
            return Stepped::Nothing;
        }
        let end = match (end, self.hindrance(&walk)) {
            (PassEnd::Finished, Some(reason)) => PassEnd::Halted(Halt::Stopped(reason)),
            (end, _) => end,
        };
        let report = walk.report;
        if let (PassKind::Replacement, PassEnd::Finished) = (report.kind, end) {
            self.array.copy_finished();
            self.pass = Pass::Handover(Handover { walk });
            return Stepped::Moved;
        }
        match (self.array.fate(), self.record_end(&walk, end)) {
            (Fate::Serving, Some(until)) => {
                let rebuilt = walk.course.rebuilding;
                self.pass = Pass::Settle(Settle { report, end, rebuilt, until });
            }
            (Fate::Serving | Fate::Failed, _) => self.conclude(report, end, host),
        }
        Stepped::Moved
    }

    /// Notes how far the pass has come for good. The generation that will say so.
    fn record_end(&mut self, walk: &Walk, end: PassEnd) -> Option<Generation> {
        match (walk.course.kind, end) {
            (PassKind::Check | PassKind::Repair | PassKind::Locate, _) => None,
            (PassKind::Recovery, PassEnd::Finished) => {
                Some(self.array.rebuild_finished(walk.course.rebuilding))
            }
            (PassKind::Resync, PassEnd::Finished) => Some(self.array.resync_finished()),
            (PassKind::Replacement, _) => {
                self.array.keep_original();
                self.wake_held();
                Some(self.array.writer.want())
            }
            (PassKind::Recovery | PassKind::Resync, PassEnd::Halted(_)) => {
                Some(self.array.writer.want())
            }
        }
    }

    fn step_settle(&mut self, settle: Settle, host: &mut impl Host) -> Stepped {
        let Settle { report, end, rebuilt, until } = settle;
        let failed = match self.array.fate() {
            Fate::Failed => Some(StopReason::ArrayFailed),
            Fate::Serving if self.array.recorded() < until => return Stepped::Nothing,
            // The members that it was for may have failed over its record.
            Fate::Serving => {
                let lost = rebuilt.difference(self.array.absent()).is_empty();
                let lost = lost && !rebuilt.is_empty();
                lost.then_some(StopReason::TargetLost)
            }
        };
        let end = match (end, failed) {
            (PassEnd::Finished, Some(reason)) => PassEnd::Halted(Halt::Stopped(reason)),
            (PassEnd::Finished, None) | (PassEnd::Halted(_), _) => end,
        };
        self.conclude(report, end, host);
        Stepped::Moved
    }

    pub(super) fn conclude(
        &mut self,
        report: crate::pass::PassReport,
        end: PassEnd,
        host: &mut impl Host,
    ) {
        self.pass = match end {
            PassEnd::Finished => Pass::Idle,
            PassEnd::Halted(halt) => Pass::Rest(Rest { report, halt }),
        };
        host.note(Event::PassEnded { report, end });
    }

    /// Why the pass cannot go on.
    pub(super) fn hindrance(&self, walk: &Walk) -> Option<StopReason> {
        let Course { kind, rebuilding, absent, replacing } = walk.course;
        match (self.array.fate(), kind) {
            (Fate::Failed, _) => Some(StopReason::ArrayFailed),
            (Fate::Serving, PassKind::Recovery) => {
                let targets = rebuilding.intersection(self.array.rebuilding());
                targets.is_empty().then_some(StopReason::TargetLost)
            }
            (Fate::Serving, PassKind::Replacement) => {
                let gone = self.array.absent().union(self.array.rebuilding());
                match (replacing, self.array.replacement()) {
                    (Some(member), _) if gone.contains(member) => Some(StopReason::OriginalLost),
                    (_, Some(_)) => None,
                    (_, None) => Some(StopReason::TargetLost),
                }
            }
            (
                Fate::Serving,
                PassKind::Resync | PassKind::Check | PassKind::Repair | PassKind::Locate,
            ) => {
                let lost = self.array.absent_places().difference(absent);
                (!lost.is_empty()).then_some(StopReason::MemberLost)
            }
        }
    }

    /// A piece of a pass has come to an end, or to the end of one fault unit. What its slot does
    /// next, and which blocks of it are known to be wrong.
    pub(super) fn piece_ended(
        &mut self,
        work: &Work,
        at: Sectors,
        outcome: Outcome,
        host: &mut impl Host,
    ) -> Option<(Work, MemberSet)> {
        match self.follows(work, at, outcome, host) {
            Follows::Work(work, wrong) => Some((work, wrong)),
            Follows::Nothing => None,
            Follows::Park => {
                self.pass.walk()?.fail_at(at);
                self.pass.halt(Halt::Parked);
                None
            }
            Follows::Halt(reason) => {
                let walk = self.pass.walk()?;
                walk.fail_at(at);
                let walk = *walk;
                // A member that was lost meanwhile says more than what its loss led to.
                let reason = self.hindrance(&walk).unwrap_or(reason);
                self.pass.halt(Halt::Stopped(reason));
                None
            }
        }
    }

    fn follows(
        &mut self,
        work: &Work,
        at: Sectors,
        outcome: Outcome,
        host: &mut impl Host,
    ) -> Follows {
        let Some(walk) = self.pass.walk() else { return Follows::Nothing };
        let (kind, first) = (walk.course.kind, walk.operation());
        let turned = |to, wrong| Follows::Work(work.turned(Operation::Sync(to)), wrong);
        let next = match work.next_piece() {
            Some(work) => Follows::Work(work.turned(first), MemberSet::NONE),
            None => Follows::Nothing,
        };
        let sectors = work.sectors();
        let here = Sectors(at.0.saturating_add(work.start_in_whole().0));
        match (outcome, work.operation) {
            (Outcome::Compared { mismatched_units: 0 }, _) => next,
            (Outcome::Compared { mismatched_units }, _) => {
                // Each unit has its own wrong block.
                if let (PassKind::Locate, Some(unit)) = (kind, work.narrowed()) {
                    return Follows::Work(unit, MemberSet::NONE);
                }
                let more = u64::from(mismatched_units).saturating_mul(FAULT_UNIT.0);
                count(&mut walk.report.mismatched, Sectors(more));
                match kind {
                    PassKind::Locate => turned(Sync::Locate, MemberSet::NONE),
                    PassKind::Repair | PassKind::Resync => turned(Sync::Rewrite, MemberSet::NONE),
                    PassKind::Check | PassKind::Recovery | PassKind::Replacement => next,
                }
            }
            (Outcome::Located(Located::Nowhere), _) => next,
            (Outcome::Located(Located::At(member)), _) => {
                let (_, at) = self.array.locate(&work.now(), member);
                host.note(Event::BlockLocated { member, at, sectors });
                turned(Sync::Mend, MemberSet::only(member))
            }
            (Outcome::Located(Located::Ambiguous), _) => {
                count(&mut walk.report.ambiguous, FAULT_UNIT);
                host.note(Event::Ambiguous { at: here, sectors });
                next
            }
            (Outcome::Failed(Trouble::NotCompared | Trouble::NothingToCompare), _)
                if matches!(kind, PassKind::Repair | PassKind::Resync) =>
            {
                turned(Sync::Rewrite, MemberSet::NONE)
            }
            (Outcome::Failed(Trouble::NotCompared), _) => {
                count(&mut walk.report.unread, sectors);
                host.note(Event::NotCompared { at: here, sectors });
                next
            }
            (Outcome::Done { .. }, Operation::Sync(Sync::Mend)) => {
                count(&mut walk.report.mended, FAULT_UNIT);
                next
            }
            (Outcome::Done { .. }, _) => next,
            (Outcome::GivenUp { bad }, _) => {
                count(&mut walk.report.lost, bad);
                next
            }
            (Outcome::Unwritten { bad }, _) => {
                count(&mut walk.report.unwritten, bad);
                next
            }
            (Outcome::Failed(Trouble::Unrecoverable | Trouble::Unkept), _) => {
                Follows::Halt(StopReason::Unrecoverable { at })
            }
            (Outcome::Failed(Trouble::NothingToCompare), _) => {
                Follows::Halt(StopReason::MemberLost)
            }
            (Outcome::Failed(Trouble::Rejected(_)), _) => Follows::Halt(StopReason::Rejected),
            (Outcome::Failed(Trouble::ArrayFailed), _) => Follows::Halt(StopReason::ArrayFailed),
            // A piece names no requester's memory.
            // A pass is not logged.
            (
                Outcome::Failed(Trouble::MemoryHeld | Trouble::HandedBack | Trouble::JournalLost),
                _,
            ) => Follows::Park,
        }
    }

    /// A piece has left its slot, or there was none to begin: the marks follow.
    pub(super) fn pass_advances(&mut self) {
        let oldest = self.oldest_piece();
        let Some(walk) = self.pass.walk() else { return };
        let position = walk.advance(oldest);
        match walk.course.kind {
            PassKind::Recovery => {
                self.array.rebuild_reached(walk.course.rebuilding, position);
                if walk.checkpoint().is_some() {
                    self.array.writer.want();
                }
            }
            PassKind::Replacement => {
                self.array.copy_reached(position);
                if walk.checkpoint().is_some() {
                    self.array.writer.want();
                }
            }
            PassKind::Resync => self.array.resync_reached(position),
            PassKind::Check | PassKind::Repair | PassKind::Locate => {}
        }
    }

    /// The position of the piece that was begun first, of those alive.
    fn oldest_piece(&self) -> Option<Sectors> {
        let slots = self.slots.storage.iter();
        slots
            .filter_map(|slot| match &slot.occupant {
                Occupant::Operation { stripe, .. } => match stripe.work()?.origin {
                    Origin::Pass(at) => Some(at),
                    Origin::Request(_) | Origin::Reshape => None,
                },
                Occupant::Nobody | Occupant::Quarantined => None,
            })
            .min()
    }
}

const fn count(sum: &mut Sectors, more: Sectors) {
    *sum = Sectors(sum.0.saturating_add(more.0));
}
