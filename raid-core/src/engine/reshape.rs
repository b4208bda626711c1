//! A reshape: how it is started, how its loads get slots, and what follows when one is moved.

use super::quiesce::Running;
use super::{Engine, Stepped};
use crate::array::{Access, Fate, Motion, Phase, Route, Survival, Two};
use crate::host::{Durability, Event, Host, SlotIndex};
use crate::io_limits::MemoryAlignment;
use crate::members::MemberSet;
use crate::pass::{
    Crew, Errand, Finish, Gather, OnLoss, Part, Pass, Publish, ReshapeEnd, ReshapeFence,
    ReshapeHalt, ReshapeRefusal, ReshapeReport, ReshapeStop, Reshaping, Scatter, Stroke, Task, Way,
};
use crate::plan::{Operation, Source, Transfer};
use crate::rectangle::{InShape, Rectangle};
use crate::request::{Cursor, Request, RequestKind, Stability};
use crate::reshape::{Load, Means, Parking, Step};
use crate::stripe::{Origin, Outcome, Planned, Trouble, Work};
use crate::units::{Lba, Sectors};

/// How many windows may be moved before their position is put on record, where nothing is overwritten
/// by that and no request waits.
const WINDOWS_UNPUBLISHED: u64 = 16;

impl Engine<'_> {
    /// How far the reshape has come; `None` where the array has one shape.
    #[must_use]
    pub fn reshape(&self) -> Option<ReshapeReport> {
        let two = self.array.both()?;
        Some(ReshapeReport { change: *two.progress.change(), position: two.progress.safe().lba() })
    }

    /// Starts the reshape that the engine was made for, from its position on record, or from its
    /// beginning if there is none. It runs in `poll`, in the slots set aside for background work.
    ///
    /// Requests go on meanwhile. Those to what is being moved wait until its position is on record,
    /// or the reshape halts.
    ///
    /// # Errors
    /// Why it is not started; nothing has happened.
    pub fn start_reshape(&mut self, on_loss: OnLoss) -> Result<(), ReshapeRefusal> {
        match (self.running, &self.pass) {
            (Running::Quiescing | Running::Quiesced, _) => return Err(ReshapeRefusal::Quiesced),
            (Running::Serving, Pass::Idle | Pass::Rest(_) | Pass::Reshape(Reshaping::Rest(_))) => {}
            (Running::Serving, _) => return Err(ReshapeRefusal::Running),
        }
        self.may_reshape()?;
        let Some(two) = self.array.two() else { return Err(ReshapeRefusal::NothingToDo) };
        let errand = match two.phase {
            Phase::NotBegun => {
                two.phase = Phase::Begun;
                self.array.writer.want();
                self.errand(on_loss)
            }
            Phase::Begun | Phase::Publishing | Phase::Ending => self.errand(on_loss),
        };
        if let Some(two) = self.array.two() {
            two.motion = Motion::AtWork;
        }
        self.pass = Pass::Reshape(match self.array.unrecorded() {
            Some(until) => Reshaping::Fence(ReshapeFence { errand, until }),
            None => Reshaping::Choose(errand),
        });
        Ok(())
    }

    /// Takes a reshape back that has moved nothing yet: the array has its old shape alone. That is put
    /// on record in `poll`; a flush that is begun from now on waits for it.
    ///
    /// # Errors
    /// Why it is not taken back; nothing has happened.
    pub fn cancel_reshape(&mut self) -> Result<(), ReshapeRefusal> {
        match (self.running, &self.pass) {
            (Running::Quiescing | Running::Quiesced, _) => return Err(ReshapeRefusal::Quiesced),
            (Running::Serving, Pass::Reshape(Reshaping::Rest(_))) => {}
            (Running::Serving, Pass::Idle) => return Err(ReshapeRefusal::NothingToDo),
            (Running::Serving, _) => return Err(ReshapeRefusal::Running),
        }
        match (self.array.fate(), self.array.access()) {
            (Fate::Failed, _) => return Err(ReshapeRefusal::ArrayFailed),
            (Fate::Serving, Access::ReadOnly) => return Err(ReshapeRefusal::ReadOnly),
            (Fate::Serving, Access::ReadWrite) => {}
        }
        let Some(two) = self.array.two() else { return Err(ReshapeRefusal::NothingToDo) };
        if two.progress.safe().lba() != two.progress.change().start() || two.is_unmoved() {
            return Err(ReshapeRefusal::Moved);
        }
        match two.phase {
            Phase::NotBegun => {}
            Phase::Begun | Phase::Publishing | Phase::Ending => {
                two.phase = Phase::NotBegun;
                self.array.writer.want();
            }
        }
        Ok(())
    }

    fn errand(&self, on_loss: OnLoss) -> Errand {
        Errand { on_loss, absent: self.array.absent(), wish: None }
    }

    fn may_reshape(&self) -> Result<(), ReshapeRefusal> {
        let Some(two) = self.array.both() else { return Err(ReshapeRefusal::NothingToDo) };
        if self.slots.background() == 0 {
            return Err(ReshapeRefusal::NoSlots);
        }
        match (self.array.fate(), self.array.access()) {
            (Fate::Failed, _) => return Err(ReshapeRefusal::ArrayFailed),
            (Fate::Serving, Access::ReadOnly) => return Err(ReshapeRefusal::ReadOnly),
            (Fate::Serving, Access::ReadWrite) => {}
        }
        if self.array.both_shapes_survive() == Survival::NotAll {
            return Err(ReshapeRefusal::TooFewMembers);
        }
        if self.abandoned.over_window > 0 {
            return Err(ReshapeRefusal::Hung);
        }
        match two.phase {
            Phase::NotBegun => {}
            Phase::Begun | Phase::Publishing | Phase::Ending => return Ok(()),
        }
        if !self.array.rebuilding().is_empty() {
            return Err(ReshapeRefusal::Rebuilding);
        }
        if self.array.resynced_to().is_some() {
            return Err(ReshapeRefusal::NotInSync);
        }
        let change = two.progress.change();
        let room = two.backup_room().unwrap_or(Sectors::ZERO);
        match (change.least_shift(), change.common_rows()) {
            (Ok(shift), _) if change.shift().distance() >= shift => Ok(()),
            (_, Ok(rows)) if room >= rows.min(change.walk()) => Ok(()),
            (Ok(shift), Ok(backup)) => Err(ReshapeRefusal::NeedsBackup { shift, backup }),
            (Err(_), _) | (_, Err(_)) => {
                Err(ReshapeRefusal::NeedsBackup { shift: change.walk(), backup: change.walk() })
            }
        }
    }

    pub(super) fn step_reshape(&mut self, state: Reshaping, host: &mut impl Host) -> Stepped {
        match state {
            Reshaping::Rest(_) => Stepped::Nothing,
            Reshaping::Fence(ReshapeFence { errand, until }) => {
                match (self.array.fate(), self.running) {
                    (Fate::Serving, Running::Serving) if self.array.recorded() < until => {
                        return Stepped::Nothing;
                    }
                    (Fate::Serving | Fate::Failed, _) => {}
                }
                self.pass = Pass::Reshape(Reshaping::Choose(errand));
                Stepped::Moved
            }
            Reshaping::Choose(errand) => self.step_choose(errand, host),
            Reshaping::Gather(gather) => self.step_gather(gather, host),
            Reshaping::Scatter(scatter) => self.step_scatter(scatter, host),
            Reshaping::Keep(keep) => self.step_keep(keep, host),
            Reshaping::Publish(publish) => self.step_publish(publish, host),
            Reshaping::Finish(finish) => self.step_finish(finish, host),
        }
    }

    fn step_choose(&mut self, errand: Errand, host: &mut impl Host) -> Stepped {
        let Some(two) = self.array.both().copied() else { return Stepped::Nothing };
        let stopped = |reason| Some(ReshapeHalt::Stopped(reason));
        match (self.array.fate(), self.running) {
            (Fate::Failed, _) => {
                return self.halt_reshape(ReshapeHalt::Stopped(ReshapeStop::ArrayFailed), host);
            }
            (Fate::Serving, Running::Serving) => {}
            (Fate::Serving, Running::Quiescing | Running::Quiesced) => {
                return self.halt_reshape(errand.wish.unwrap_or(ReshapeHalt::Parked), host);
            }
        }
        let lost = !self.array.absent().difference(errand.absent).is_empty();
        if self.array.both_shapes_survive() == Survival::NotAll {
            // What was moved is left where it was: the array serves, so it is the new shape that lacks
            // members.
            return self.halt_reshape(ReshapeHalt::Stopped(ReshapeStop::TooFewMembers), host);
        }
        // This cannot be put off.
        let hangs = self.abandoned.over_window > 0;
        let must = stopped(ReshapeStop::Hung).filter(|_| hangs);
        let wish = match errand.on_loss {
            OnLoss::Stop if lost => errand.wish.or(stopped(ReshapeStop::MemberLost)),
            OnLoss::Stop | OnLoss::GoOn => errand.wish,
        };
        let may_rest = wish.filter(|_| two.progress.parking() != Parking::TooEarly);
        let due = self.due().filter(|_| must.is_none());
        if let Some(task) = due {
            return self.keep(errand, task);
        }
        let open = two.progress.window().is_some();
        match (must.or(may_rest), open) {
            (Some(halt), false) => {
                return match self.due_at_rest() {
                    Some(task) => self.keep(Errand { wish: Some(halt), ..errand }, task),
                    None => self.halt_reshape(halt, host),
                };
            }
            (Some(halt), true) if two.is_unmoved() => return self.halt_reshape(halt, host),
            (Some(_), true) => return self.publish(errand),
            (None, true) if wish.is_some() || self.somebody_is_held() => {
                return self.publish(errand);
            }
            (None, _) => {}
        }
        self.take_step(errand, &two, host)
    }

    fn take_step(&mut self, errand: Errand, two: &Two, host: &mut impl Host) -> Stepped {
        let window = Sectors(two.window.0.saturating_mul(WINDOWS_UNPUBLISHED));
        let means = Means { load: two.window, window, backup: two.backup_room() };
        match two.progress.next(&means) {
            Step::Relocate(load) => self.assign(errand, load, Way::Straight),
            Step::Backup(load) => self.assign(errand, load, Way::Saved),
            Step::Publish => self.publish(errand),
            Step::Finished => {
                if let Some(task) = self.due_at_rest() {
                    return self.keep(errand, task);
                }
                let until = self.array.end_reshape();
                self.pass = Pass::Reshape(Reshaping::Finish(Finish { until }));
                Stepped::Moved
            }
            Step::Critical { backup, .. } => {
                let halt = ReshapeHalt::Stopped(ReshapeStop::NeedsBackup { backup });
                match self.due_at_rest() {
                    Some(task) => self.keep(Errand { wish: Some(halt), ..errand }, task),
                    None => self.halt_reshape(halt, host),
                }
            }
        }
    }

    /// From now on requests to what a load holds wait, and it is read.
    fn assign(&mut self, errand: Errand, load: Load, way: Way) -> Stepped {
        if self.is_being_cut(load.start(), load.sectors()) {
            return Stepped::Nothing;
        }
        let Some(two) = self.array.two() else { return Stepped::Nothing };
        let Some(progress) = two.progress.extended(&load) else { return Stepped::Nothing };
        two.progress = progress;
        let crew = Crew { errand, load, way, pieces: 0, failed: None };
        let gather = Gather { crew, cursor: Cursor::Start };
        self.pass = Pass::Reshape(Reshaping::Gather(gather));
        Stepped::Moved
    }

    /// A load whose content is in the window's memory and in the backup is written in the new shape.
    pub(super) fn scatter_saved(&mut self, errand: Errand, load: Load) {
        let crew = Crew { errand, load, way: Way::Saved, pieces: 0, failed: None };
        let scatter = Scatter { crew, stroke: Stroke::Rows, cursor: Cursor::Start };
        self.pass = Pass::Reshape(Reshaping::Scatter(scatter));
    }

    fn publish(&mut self, errand: Errand) -> Stepped {
        if let Some(two) = self.array.two() {
            two.progress = two.progress.recording();
            two.phase = Phase::Publishing;
        }
        let until = self.array.writer.want();
        self.pass = Pass::Reshape(Reshaping::Publish(Publish { errand, until }));
        Stepped::Moved
    }

    fn step_publish(&mut self, publish: Publish, host: &mut impl Host) -> Stepped {
        let Publish { errand, until } = publish;
        match self.array.fate() {
            Fate::Failed => {
                return self.halt_reshape(ReshapeHalt::Stopped(ReshapeStop::ArrayFailed), host);
            }
            Fate::Serving if self.array.recorded() < until => return Stepped::Nothing,
            Fate::Serving => {}
        }
        if let Some(two) = self.array.two() {
            two.progress = two.progress.published();
            two.phase = Phase::Begun;
            if let Some(store) = &mut two.store {
                store.released();
            }
        }
        self.pass = Pass::Reshape(Reshaping::Choose(errand));
        Stepped::Moved
    }

    fn step_finish(&mut self, finish: Finish, host: &mut impl Host) -> Stepped {
        match self.array.fate() {
            Fate::Failed => {
                return self.halt_reshape(ReshapeHalt::Stopped(ReshapeStop::ArrayFailed), host);
            }
            Fate::Serving if self.array.recorded() < finish.until => return Stepped::Nothing,
            Fate::Serving => {}
        }
        let report = self.reshape();
        self.array.forget_old_shape();
        self.pass = Pass::Idle;
        if let Some(report) = report {
            host.note(Event::ReshapeEnded { report, end: ReshapeEnd::Finished });
        }
        Stepped::Moved
    }

    /// The reshape rests where its position on record is. What was being moved is in the old shape,
    /// as it was, and is served from there; unless a backup has, or may have, what holds.
    pub(super) fn halt_reshape(&mut self, halt: ReshapeHalt, host: &mut impl Host) -> Stepped {
        if let Some(two) = self.array.two() {
            two.motion = Motion::AtRest;
            two.settle();
        }
        self.pass = Pass::Reshape(Reshaping::Rest(halt));
        if let Some(report) = self.reshape() {
            host.note(Event::ReshapeEnded { report, end: ReshapeEnd::Halted(halt) });
        }
        Stepped::Moved
    }

    fn step_gather(&mut self, gather: Gather, host: &mut impl Host) -> Stepped {
        let Gather { crew, cursor } = gather;
        if let Some(halt) = crew.failed {
            return self.end_crew(&crew, halt, host);
        }
        if crew.pieces > 0 && self.slots.is_background_full() {
            return Stepped::Nothing;
        }
        let Some(two) = self.array.both() else { return Stepped::Nothing };
        let part = Gather::part(two.progress.change(), &crew.load);
        match part.and_then(|part| self.next_piece(InShape::Old, part, cursor)) {
            Some((rectangle, cursor)) => {
                let Some(index) = self.slots.take_free_background() else {
                    return Stepped::Nothing;
                };
                let crew = Crew { pieces: crew.pieces.saturating_add(1), ..crew };
                self.pass = Pass::Reshape(Reshaping::Gather(Gather { crew, cursor }));
                self.begin_move(index, Operation::Read(Transfer::Direct), rectangle)
            }
            None if crew.pieces > 0 => Stepped::Nothing,
            None => match crew.way {
                Way::Saved => self.keep(crew.errand, Task::Save(crew.load, Sectors::ZERO)),
                Way::Straight => {
                    let scatter = Scatter { crew, stroke: Stroke::Rows, cursor: Cursor::Start };
                    self.pass = Pass::Reshape(Reshaping::Scatter(scatter));
                    Stepped::Moved
                }
            },
        }
    }

    fn step_scatter(&mut self, scatter: Scatter, host: &mut impl Host) -> Stepped {
        let Scatter { crew, stroke, cursor } = scatter;
        if let Some(halt) = crew.failed {
            return self.end_crew(&crew, halt, host);
        }
        if crew.pieces > 0 && self.slots.is_background_full() {
            return Stepped::Nothing;
        }
        let Some(two) = self.array.both() else { return Stepped::Nothing };
        let part = stroke.part(two.progress.change(), &crew.load);
        let piece = part.and_then(|part| self.next_piece(InShape::New, part, cursor));
        match (piece, stroke.next()) {
            (Some((rectangle, cursor)), _) => {
                let Some(index) = self.slots.take_free_background() else {
                    return Stepped::Nothing;
                };
                let crew = Crew { pieces: crew.pieces.saturating_add(1), ..crew };
                self.pass = Pass::Reshape(Reshaping::Scatter(Scatter { crew, stroke, cursor }));
                let source = match stroke {
                    Stroke::Rows | Stroke::Seam => Source::Direct,
                    Stroke::Zeroes => Source::Zeroes,
                };
                self.begin_move(index, Operation::Write(source, Durability::Cached), rectangle)
            }
            (None, Some(stroke)) => {
                let scatter = Scatter { crew, stroke, cursor: Cursor::Start };
                self.pass = Pass::Reshape(Reshaping::Scatter(scatter));
                Stepped::Moved
            }
            (None, None) if crew.pieces > 0 => Stepped::Nothing,
            (None, None) => {
                if let (Way::Saved, Some(two)) = (crew.way, self.array.two()) {
                    two.moved();
                }
                self.pass = Pass::Reshape(Reshaping::Choose(crew.errand));
                Stepped::Moved
            }
        }
    }

    /// A load is given up: that waits for the operations at it.
    fn end_crew(&mut self, crew: &Crew, halt: ReshapeHalt, host: &mut impl Host) -> Stepped {
        match crew.pieces {
            0 => self.halt_reshape(halt, host),
            _ => Stepped::Nothing,
        }
    }

    /// The next rectangle of a part of a load.
    fn next_piece(
        &self,
        shape: InShape,
        part: Part,
        cursor: Cursor,
    ) -> Option<(Rectangle, Cursor)> {
        let memory = MemoryAlignment::contiguous(0);
        let request = Request::read(part.at, part.sectors, memory, Stability::Stable);
        let (rectangle, cursor) = self.array.cut(shape, &request, cursor)?;
        Some((rectangle.behind_memory(part.from)?, cursor))
    }

    fn begin_move(
        &mut self,
        index: SlotIndex,
        operation: Operation,
        rectangle: Rectangle,
    ) -> Stepped {
        let work = Work::new(Origin::Reshape, operation, rectangle);
        let claim = self.overlaps.claim(&self.slots, &work);
        self.occupy(index, Planned::enter(work, MemberSet::NONE), claim);
        Stepped::Moved
    }

    /// An operation at a load has come to an end, or to the end of one fault unit. What its slot does
    /// next.
    pub(super) fn moved(&mut self, work: &Work, outcome: Outcome) -> Option<(Work, MemberSet)> {
        let stop = match outcome {
            Outcome::Done { unserved } if unserved.is_empty() => {
                return work.next_piece().map(|work| (work, MemberSet::NONE));
            }
            Outcome::Done { .. }
            | Outcome::GivenUp { .. }
            | Outcome::Unwritten { .. }
            | Outcome::Compared { .. }
            | Outcome::Located(_)
            | Outcome::Failed(
                Trouble::Unrecoverable
                | Trouble::Unkept
                | Trouble::JournalLost
                | Trouble::NothingToCompare
                | Trouble::NotCompared,
            ) => ReshapeHalt::Stopped(self.beyond_redundancy(work)),
            Outcome::Failed(Trouble::Rejected(_)) => ReshapeHalt::Stopped(ReshapeStop::Rejected),
            Outcome::Failed(Trouble::ArrayFailed) => ReshapeHalt::Stopped(ReshapeStop::ArrayFailed),
            Outcome::Failed(Trouble::MemoryHeld) => ReshapeHalt::Stopped(ReshapeStop::Hung),
            Outcome::Failed(Trouble::HandedBack) => ReshapeHalt::Parked,
        };
        self.pass.give_up(stop);
        None
    }

    fn beyond_redundancy(&self, work: &Work) -> ReshapeStop {
        let now = work.now();
        let geometry = self.array.geometry_of(now.shape());
        let blocks = now.covered().into_iter();
        let at = blocks.filter_map(|member| now.lba(geometry, member)).min();
        ReshapeStop::Unrecoverable { at: at.unwrap_or_default(), sectors: now.sectors }
    }

    /// An operation at a load has left its slot.
    pub(super) const fn move_ended(&mut self) {
        if let Some(crew) = self.pass.crew() {
            crew.pieces = crew.pieces.saturating_sub(1);
        }
    }

    /// Whether a request waits for the window to be published.
    fn somebody_is_held(&mut self) -> bool {
        let Some((_, head)) = self.requests.head() else { return false };
        match head.request.kind {
            RequestKind::Flush | RequestKind::MarkClean => return false,
            RequestKind::Read
            | RequestKind::Check
            | RequestKind::Write(_)
            | RequestKind::WriteZeroes(_) => {}
        }
        let at = head.request.at.checked_add(head.part.from);
        let between = head.cursor == Cursor::Start;
        between && at.is_some_and(|at| self.array.route(at, Sectors(1)) == Route::Held)
    }

    /// Whether a request is being cut that was found to lie here in the old shape, or one waits that
    /// no operation be alive.
    fn is_being_cut(&mut self, start: Lba, sectors: Sectors) -> bool {
        let Some((_, head)) = self.requests.head() else { return false };
        let begun = match head.request.kind {
            RequestKind::MarkClean => return true,
            RequestKind::Flush => false,
            RequestKind::Read
            | RequestKind::Check
            | RequestKind::Write(_)
            | RequestKind::WriteZeroes(_) => head.cursor != Cursor::Start,
        };
        let end = start.0.saturating_add(sectors.0);
        let from = head.request.at.0.saturating_add(head.part.from.0);
        let to = from.saturating_add(head.part.sectors.0);
        begun && head.part.shape == InShape::Old && from < end && start.0 < to
    }
}
