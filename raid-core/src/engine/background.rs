//! Background passes: when they start, how their pieces get slots, and what follows when one ends.

use super::slots::Occupant;
use super::{Engine, Stepped};
use crate::array::{Access, Dirty, Fate, Seat, SeatRefusal};
use crate::geometry::Geometry;
use crate::host::{Event, Host};
use crate::members::MemberSet;
use crate::pass::{
    Activity, Course, Drain, Fence, Halt, Next, Pass, PassEnd, PassKind, PassRefusal, Piece, Rest,
    Settle, StopReason, Walk,
};
use crate::plan::{Operation, Sync};
use crate::request::RequestKind;
use crate::stripe::{Origin, Outcome, Planned, Trouble, Work};
use crate::units::{FAULT_UNIT, Generation, MemberIndex, Sectors};

/// What follows when a piece of a pass, or a fault unit of one, has come to an end.
enum Follows {
    /// This, in the same slot.
    Work(Work),
    Nothing,
    Halt(StopReason),
}

impl Engine<'_> {
    /// What the array is doing besides its requests.
    #[must_use]
    pub const fn activity(&self) -> Activity {
        self.pass.activity()
    }

    /// Starts a pass: from where the same kind of pass was halted, or from its beginning. It runs
    /// in `poll`, in the slots set aside for background work.
    ///
    /// # Errors
    /// Why it is not started; nothing has happened.
    pub fn start_pass(&mut self, kind: PassKind) -> Result<(), PassRefusal> {
        let halted_at = match self.pass {
            Pass::Idle => None,
            Pass::Rest(Rest { report, .. }) => {
                Some(report.position).filter(|_| report.kind == kind)
            }
            Pass::Fence(_) | Pass::Walk(_) | Pass::Drain(_) | Pass::Settle(_) => {
                return Err(PassRefusal::Running);
            }
        };
        let start = self.pass_start(kind, halted_at)?;
        let course =
            Course { kind, rebuilding: self.array.rebuilding(), absent: self.array.absent() };
        let walk = Walk::new(course, start, self.pass_end(kind));
        self.pass = match (self.array.unrecorded(), self.array.access()) {
            (Some(until), Access::ReadWrite) => Pass::Fence(Fence { walk, until }),
            (Some(_) | None, _) => Pass::Walk(walk),
        };
        Ok(())
    }

    /// Asks the pass at work to stop where it is. It says in
    /// [`Event::PassEnded`] when it has. Without a pass nothing happens.
    pub const fn park_pass(&mut self) {
        self.pass.halt(Halt::Parked);
    }

    /// Gives a place that lacks a member to a device whose state is rebuilding. Nothing is copied
    /// to it before a recovery is started; writes reach it from now on.
    ///
    /// # Errors
    /// Why it is not taken; nothing has happened.
    pub fn add_member(&mut self, member: MemberIndex, seat: Seat) -> Result<(), SeatRefusal> {
        self.array.take_in(member, seat).map(|_| ())
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
                PassKind::Resync | PassKind::Recovery | PassKind::Repair,
            ) => return Err(PassRefusal::ReadOnly),
        }
        let redundant = self.array.geometry().redundancy() > 0;
        let whole = self.array.absent().union(self.array.rebuilding()).is_empty();
        match kind {
            PassKind::Recovery => {
                self.array.rebuilt_to(self.array.rebuilding()).ok_or(PassRefusal::NothingToDo)
            }
            _ if !redundant => Err(PassRefusal::NoRedundancy),
            PassKind::Resync => {
                let mark = self.array.resynced_to().ok_or(PassRefusal::NothingToDo)?;
                match (self.array.geometry(), self.array.dirty()) {
                    // What would be made to agree has lost a block.
                    (Geometry::Parity(_), Dirty::Refuse) if !whole => Err(PassRefusal::Degraded),
                    (Geometry::Parity(_) | Geometry::Copies(_), _) => Ok(mark),
                }
            }
            PassKind::Check | PassKind::Repair if whole => Ok(halted_at.unwrap_or_default()),
            PassKind::Check | PassKind::Repair => Err(PassRefusal::Degraded),
        }
    }

    fn pass_end(&self, kind: PassKind) -> Sectors {
        match (self.array.geometry(), kind) {
            (Geometry::Parity(geometry), _) => {
                Sectors(geometry.rows().saturating_mul(geometry.chunk().0))
            }
            (Geometry::Copies(geometry), PassKind::Recovery) => geometry.member_size(),
            (Geometry::Copies(geometry), PassKind::Resync | PassKind::Check | PassKind::Repair) => {
                geometry.size()
            }
        }
    }

    pub(super) fn step_pass(&mut self, host: &mut impl Host) -> Stepped {
        match self.pass {
            Pass::Idle | Pass::Rest(_) => Stepped::Nothing,
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
            Some((Next::Nothing, next)) => self.pass = Pass::Walk(next),
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
        match (self.array.fate(), self.record_end(&walk, end)) {
            (Fate::Serving, Some(until)) => self.pass = Pass::Settle(Settle { report, end, until }),
            (Fate::Serving | Fate::Failed, _) => self.conclude(report, end, host),
        }
        Stepped::Moved
    }

    /// Notes how far the pass has come for good. The generation that will say so.
    fn record_end(&mut self, walk: &Walk, end: PassEnd) -> Option<Generation> {
        match (walk.course.kind, end) {
            (PassKind::Check | PassKind::Repair, _) => None,
            (PassKind::Recovery, PassEnd::Finished) => {
                Some(self.array.rebuild_finished(walk.course.rebuilding))
            }
            (PassKind::Resync, PassEnd::Finished) => Some(self.array.resync_finished()),
            (PassKind::Recovery | PassKind::Resync, PassEnd::Halted(_)) => {
                Some(self.array.writer.want())
            }
        }
    }

    fn step_settle(&mut self, settle: Settle, host: &mut impl Host) -> Stepped {
        let Settle { report, end, until } = settle;
        match self.array.fate() {
            Fate::Failed => {
                let end = match end {
                    PassEnd::Finished => PassEnd::Halted(Halt::Stopped(StopReason::ArrayFailed)),
                    PassEnd::Halted(_) => end,
                };
                self.conclude(report, end, host);
            }
            Fate::Serving if self.array.recorded() >= until => self.conclude(report, end, host),
            Fate::Serving => return Stepped::Nothing,
        }
        Stepped::Moved
    }

    fn conclude(&mut self, report: crate::pass::PassReport, end: PassEnd, host: &mut impl Host) {
        self.pass = match end {
            PassEnd::Finished => Pass::Idle,
            PassEnd::Halted(halt) => Pass::Rest(Rest { report, halt }),
        };
        host.note(Event::PassEnded { report, end });
    }

    /// Why the pass cannot go on.
    fn hindrance(&self, walk: &Walk) -> Option<StopReason> {
        let Course { kind, rebuilding, absent } = walk.course;
        match (self.array.fate(), kind) {
            (Fate::Failed, _) => Some(StopReason::ArrayFailed),
            (Fate::Serving, PassKind::Recovery) => {
                let targets = rebuilding.intersection(self.array.rebuilding());
                targets.is_empty().then_some(StopReason::TargetLost)
            }
            (Fate::Serving, PassKind::Resync | PassKind::Check | PassKind::Repair) => {
                let lost = self.array.absent().difference(absent);
                (!lost.is_empty()).then_some(StopReason::MemberLost)
            }
        }
    }

    /// A piece of a pass has come to an end, or to the end of one fault unit. What its slot does
    /// next.
    pub(super) fn piece_ended(
        &mut self,
        work: &Work,
        at: Sectors,
        outcome: Outcome,
        host: &mut impl Host,
    ) -> Option<Work> {
        let walk = self.pass.walk()?;
        let first = walk.operation();
        let next = || match work.next_piece() {
            Some(work) => Follows::Work(work.turned(first)),
            None => Follows::Nothing,
        };
        let rewrite = Follows::Work(work.turned(Operation::Sync(Sync::Rewrite)));
        let follows = match (work.operation, outcome) {
            (_, Outcome::Compared { mismatched_units }) => {
                let more = u64::from(mismatched_units).saturating_mul(FAULT_UNIT.0);
                let sum = walk.report.mismatched.0.saturating_add(more);
                walk.report.mismatched = Sectors(sum);
                match work.operation {
                    Operation::Sync(_) if mismatched_units > 0 => rewrite,
                    Operation::Sync(_)
                    | Operation::Check
                    | Operation::Read(_)
                    | Operation::Write(..) => next(),
                }
            }
            (
                Operation::Sync(Sync::Compare),
                Outcome::Failed(Trouble::NotCompared | Trouble::NothingToCompare),
            ) => rewrite,
            (_, Outcome::Failed(Trouble::NotCompared)) => {
                let sum = walk.report.unread.0.saturating_add(work.sectors().0);
                walk.report.unread = Sectors(sum);
                host.note(Event::NotCompared { at, sectors: work.sectors() });
                next()
            }
            (_, Outcome::Done { .. }) => next(),
            (_, Outcome::Failed(Trouble::Unrecoverable)) => {
                Follows::Halt(StopReason::Unrecoverable { at })
            }
            (_, Outcome::Failed(Trouble::NothingToCompare)) => {
                Follows::Halt(StopReason::MemberLost)
            }
            (_, Outcome::Failed(Trouble::Rejected(_))) => Follows::Halt(StopReason::Rejected),
            (_, Outcome::Failed(Trouble::ArrayFailed)) => Follows::Halt(StopReason::ArrayFailed),
        };
        match follows {
            Follows::Work(work) => Some(work),
            Follows::Nothing => None,
            Follows::Halt(reason) => {
                walk.fail_at(at);
                let walk = *walk;
                // A member that was lost meanwhile says more than what its loss led to.
                let reason = self.hindrance(&walk).unwrap_or(reason);
                self.pass.halt(Halt::Stopped(reason));
                None
            }
        }
    }

    /// A piece has left its slot: the marks follow.
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
            PassKind::Resync => self.array.resync_reached(position),
            PassKind::Check | PassKind::Repair => {}
        }
    }

    /// The position of the piece that was begun first, of those alive.
    fn oldest_piece(&self) -> Option<Sectors> {
        let slots = self.slots.storage.iter();
        slots
            .filter_map(|slot| match &slot.occupant {
                Occupant::Operation { stripe, .. } => match stripe.work()?.origin {
                    Origin::Pass(at) => Some(at),
                    Origin::Request(_) => None,
                },
                Occupant::Nobody => None,
            })
            .min()
    }
}
