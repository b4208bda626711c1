//! A device that is to take over from a member that is in use.
//!
//! It sits at a seat behind those of the members, which is no place of the shape: plans name the
//! member, and what is written to the member's place goes to that seat as well. Its device comes to
//! sit at the member's place when it holds everything, or when the member is lost; nothing that was
//! begun with either of them is alive then.

use super::{Array, Fate, ReadsFrom, Seat, SeatRefusal, whole_blocks};
use crate::limits::MEMBERS_MAX;
use crate::members::{MemberSet, MemberState};
use crate::metadata::Replacement;
use crate::plan::{Operation, Plan, Sync};
use crate::units::{Generation, MemberIndex, Sectors};

/// What becomes of a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Replacing {
    /// There is none.
    No,
    /// This member's blocks are copied, and what is written to it goes to both.
    Copying(MemberIndex),
    /// It takes the place of this member as soon as nothing is alive that was begun with either.
    TakingOver(MemberIndex, Reason),
    /// It holds all blocks, nothing is alive that was begun with this member, and with this generation
    /// it is on record that its place is the replacement's.
    Recording(MemberIndex, Generation),
    /// It is lost. Its seat is free as soon as nothing is alive that was begun with it.
    Lost(MemberIndex),
}

/// Why a replacement takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    /// It holds all blocks.
    Finished,
    /// The member is lost. What the replacement holds is valid up to its mark.
    OriginalLost,
}

/// What is to be done once nothing is alive that was begun with these seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handover {
    /// The replacement takes the member's place: first on record if the member is still there.
    TakeOver { member: MemberIndex, by: MemberIndex },
    /// It does, once this generation is on record.
    Recorded { member: MemberIndex, by: MemberIndex, until: Generation },
    /// The seat of a replacement that was lost is free.
    Vacate { seat: MemberIndex },
}

/// Whether a replacement's device has the member's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TakenOver {
    NotYet,
    Done,
}

/// Whether operations may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    /// A replacement takes over: who it is that a plan counts on changes soon.
    Shut,
}

impl Array<'_> {
    /// The seat behind those of the members.
    pub(crate) fn replacement_seat(&self) -> MemberIndex {
        MemberIndex(self.geometry.members())
    }

    /// The member that is being replaced, by whom, and how far it is copied.
    pub(crate) fn replacement(&self) -> Option<Replacement> {
        let (Replacing::Copying(member)
        | Replacing::TakingOver(member, _)
        | Replacing::Recording(member, _)) = self.replacing
        else {
            return None;
        };
        let by = self.replacement_seat();
        let copied_to = match self.seat(by)?.state {
            MemberState::Rebuilding { valid_to } => valid_to,
            MemberState::InSync | MemberState::Failed | MemberState::Missing => Sectors::ZERO,
        };
        Some(Replacement { member, by, copied_to })
    }

    /// The place whose blocks a seat holds.
    #[inline]
    pub(crate) fn place_of(&self, seat: MemberIndex) -> MemberIndex {
        if seat.0 < self.geometry.members() {
            return seat;
        }
        match self.replacing {
            Replacing::No => seat,
            Replacing::Copying(member)
            | Replacing::TakingOver(member, _)
            | Replacing::Recording(member, _)
            | Replacing::Lost(member) => member,
        }
    }

    /// The seat of the replacement, where the places are written of which it holds one.
    pub(super) fn copies_of(&self, places: MemberSet) -> MemberSet {
        match self.replacing {
            Replacing::Copying(member)
            | Replacing::TakingOver(member, _)
            | Replacing::Recording(member, _)
                if places.contains(member) =>
            {
                MemberSet::only(self.replacement_seat())
            }
            Replacing::No
            | Replacing::Copying(_)
            | Replacing::TakingOver(..)
            | Replacing::Recording(..)
            | Replacing::Lost(_) => MemberSet::NONE,
        }
    }

    /// The plan with what goes to the replacement: what a write brings to the member, and all that a
    /// step of its copying makes. `None` for such a step without a replacement.
    #[inline]
    pub(crate) fn with_replacement(&self, operation: Operation, plan: Plan) -> Option<Plan> {
        let copies = match self.replacing {
            Replacing::No => MemberSet::NONE,
            Replacing::Copying(_)
            | Replacing::TakingOver(..)
            | Replacing::Recording(..)
            | Replacing::Lost(_) => self.copies_of(plan.writes.union(plan.unserved)),
        };
        match operation {
            Operation::Sync(Sync::Copy(_)) if copies.is_empty() => None,
            Operation::Sync(Sync::Copy(_)) => {
                let instead = |of: MemberSet| if of.is_empty() { of } else { copies };
                let (writes, unserved) = (instead(plan.writes), instead(plan.unserved));
                Some(Plan { writes, unserved, ..plan })
            }
            Operation::Write(..) | Operation::Sync(Sync::Rewrite | Sync::Rebuild | Sync::Mend)
                if !plan.writes.is_empty() =>
            {
                Some(Plan { writes: plan.writes.union(copies), ..plan })
            }
            // What a read mends is on the replacement, or is copied there yet.
            Operation::Read(_) | Operation::Check | Operation::Write(..) | Operation::Sync(_) => {
                Some(plan)
            }
        }
    }

    /// Whether a write that was rejected leaves the replacement with something else than the member:
    /// it has to go then. `taken` are those who have the rest of the row.
    pub(crate) fn torn_replacement(
        &self,
        operation: Operation,
        writes: MemberSet,
        rejected: MemberSet,
        taken: MemberSet,
    ) -> MemberSet {
        if rejected.is_empty() || self.replacing == Replacing::No {
            return MemberSet::NONE;
        }
        let by = self.replacement_seat();
        if !writes.contains(by) {
            return MemberSet::NONE;
        }
        let goes_on = match operation {
            Operation::Write(..) => !taken.is_empty(),
            Operation::Read(_) | Operation::Check | Operation::Sync(_) => false,
        };
        let original = rejected.contains(self.place_of(by));
        let torn = match (operation, rejected.contains(by)) {
            (Operation::Sync(Sync::Copy(_)), _) => false,
            (_, true) => !original || goes_on,
            // Where the rest is written it is the member that goes.
            (_, false) => original && !goes_on,
        };
        if torn { MemberSet::only(by) } else { MemberSet::NONE }
    }

    /// Whether operations may begin.
    #[inline]
    pub(crate) const fn gate(&self) -> Gate {
        match (self.replacing, self.fate) {
            (Replacing::TakingOver(..) | Replacing::Recording(..), Fate::Serving) => Gate::Shut,
            (Replacing::TakingOver(..) | Replacing::Recording(..), Fate::Failed)
            | (Replacing::No | Replacing::Copying(_) | Replacing::Lost(_), _) => Gate::Open,
        }
    }

    /// Gives the seat behind those of the members to a device that is to replace one of them. The
    /// generation that says so.
    pub(crate) fn take_in_replacement(
        &mut self,
        member: MemberIndex,
        seat: Seat,
        trusted: Trusted,
    ) -> Result<Generation, SeatRefusal> {
        let MemberState::Rebuilding { valid_to } = seat.state else {
            return Err(SeatRefusal::State);
        };
        let mark = whole_blocks(valid_to, &self.limits);
        match (trusted, self.vouched) {
            (Trusted::UpToItsMark, crate::metadata::Consistency::Clean) => {}
            _ if mark == Sectors::ZERO => {}
            (Trusted::UpToItsMark | Trusted::InNothing, _) => return Err(SeatRefusal::Mark),
        }
        match self.replacing {
            Replacing::No => {}
            Replacing::Copying(other)
            | Replacing::TakingOver(other, _)
            | Replacing::Recording(other, _)
            | Replacing::Lost(other) => return Err(SeatRefusal::Replacing(other)),
        }
        if self.geometry.redundancy() == 0 {
            return Err(SeatRefusal::NoRedundancy);
        }
        if self.log.longest().is_some() {
            return Err(SeatRefusal::Logged);
        }
        let by = self.replacement_seat();
        if by.index() >= MEMBERS_MAX {
            return Err(SeatRefusal::NoSeat);
        }
        let whole = self.geometry.all_members().difference(self.absent).difference(self.rebuilding);
        if !whole.contains(member) {
            return Err(SeatRefusal::NotInSync(member));
        }
        self.fits(&seat)?;
        let place = self.seats.get_mut(by.index()).ok_or(SeatRefusal::NoSeat)?;
        let state = MemberState::Rebuilding { valid_to: mark };
        *place = Some(Seat { state, behind: super::Behind::Everything, ..seat });
        // A place of a larger shape that the array had may have lacked its member.
        self.absent.remove(by);
        self.everyone.insert(by);
        self.replacing = Replacing::Copying(member);
        Ok(self.writer.want())
    }

    /// The replacement holds all blocks up to the mark.
    pub(crate) fn copy_reached(&mut self, mark: Sectors) {
        let mark = whole_blocks(mark, &self.limits);
        let by = self.replacement_seat();
        let seat = self.seats.get_mut(by.index()).and_then(Option::as_mut);
        if let Some(MemberState::Rebuilding { valid_to }) = seat.map(|seat| &mut seat.state) {
            *valid_to = mark.max(*valid_to);
        }
    }

    /// The replacement holds all blocks: it is to take over.
    pub(crate) fn copy_finished(&mut self) {
        self.copy_reached(self.geometry.shape().member_size);
        if let Replacing::Copying(member) = self.replacing {
            self.replacing = Replacing::TakingOver(member, Reason::Finished);
        }
    }

    /// It is not to take over after all, if it was because it holds all blocks.
    pub(crate) fn keep_original(&mut self) {
        match self.replacing {
            Replacing::TakingOver(member, Reason::Finished) | Replacing::Recording(member, _) => {
                self.replacing = match self.absent.contains(member) {
                    true => Replacing::TakingOver(member, Reason::OriginalLost),
                    false => Replacing::Copying(member),
                };
            }
            Replacing::No
            | Replacing::Copying(_)
            | Replacing::TakingOver(_, Reason::OriginalLost)
            | Replacing::Lost(_) => {}
        }
    }

    /// The member whose place is on record as its replacement's next, or already.
    pub(super) fn superseded(&self) -> MemberSet {
        match self.replacing {
            Replacing::Recording(member, _) => MemberSet::only(member),
            Replacing::No
            | Replacing::Copying(_)
            | Replacing::TakingOver(..)
            | Replacing::Lost(_) => MemberSet::NONE,
        }
    }

    /// A member is lost, or a replacement.
    pub(super) fn replacement_misses(&mut self, lost: MemberIndex) {
        match self.replacing {
            Replacing::Copying(member) | Replacing::TakingOver(member, _) => {
                if lost == self.replacement_seat() {
                    self.everyone.remove(lost);
                    self.replacing = Replacing::Lost(member);
                } else if lost == member {
                    self.replacing = Replacing::TakingOver(member, Reason::OriginalLost);
                }
            }
            Replacing::Recording(member, _) if lost == self.replacement_seat() => {
                self.everyone.remove(lost);
                self.replacing = Replacing::Lost(member);
            }
            // The member goes anyway.
            Replacing::Recording(..) | Replacing::No | Replacing::Lost(_) => {}
        }
    }

    /// What waits until nothing is alive that was begun with these seats.
    #[inline]
    pub(crate) fn handover(&self) -> Option<Handover> {
        match (self.replacing, self.fate) {
            (Replacing::No | Replacing::Copying(_), _)
            | (Replacing::TakingOver(..) | Replacing::Recording(..), Fate::Failed) => None,
            (Replacing::TakingOver(member, _), Fate::Serving) => {
                Some(Handover::TakeOver { member, by: self.replacement_seat() })
            }
            (Replacing::Recording(member, until), Fate::Serving) => {
                Some(Handover::Recorded { member, by: self.replacement_seat(), until })
            }
            (Replacing::Lost(_), _) => Some(Handover::Vacate { seat: self.replacement_seat() }),
        }
    }

    /// The seat of a replacement that was lost is free.
    pub(crate) fn vacate(&mut self) {
        let by = self.replacement_seat();
        self.bad_blocks.forget(by);
        self.absent.remove(by);
        self.written_mostly.remove(by);
        if let Some(seat) = self.seats.get_mut(by.index()) {
            *seat = None;
        }
        self.replacing = Replacing::No;
    }

    /// Nothing is alive that was begun with the member or its replacement. If the member is lost, or on
    /// record as superseded, the replacement's device sits at its place from now on. Else that is put
    /// on record first: should the device fail over it, the member is still there.
    pub(crate) fn take_over(&mut self) -> TakenOver {
        match self.replacing {
            Replacing::TakingOver(member, Reason::Finished) => {
                let until = self.writer.want();
                self.replacing = Replacing::Recording(member, until);
                TakenOver::NotYet
            }
            Replacing::TakingOver(member, Reason::OriginalLost) => {
                self.rebuilding.insert(member);
                self.move_in(member);
                // It vouches for what was copied, so that is made durable before.
                self.rebuilt = Some(self.writer.want());
                TakenOver::Done
            }
            Replacing::Recording(member, _) => {
                self.move_in(member);
                TakenOver::Done
            }
            Replacing::No | Replacing::Copying(_) | Replacing::Lost(_) => TakenOver::NotYet,
        }
    }

    fn move_in(&mut self, member: MemberIndex) {
        let by = self.replacement_seat();
        let seat = self.seats.get_mut(by.index()).and_then(Option::take);
        let (Some(mut seat), Some(place)) = (seat, self.seats.get_mut(member.index())) else {
            return;
        };
        if !self.rebuilding.contains(member) {
            seat.state = MemberState::InSync;
        }
        *place = Some(seat);
        self.bad_blocks.forget(member);
        self.bad_blocks.rename(by, member);
        self.absent.remove(member);
        match seat.reads {
            ReadsFrom::Freely => self.written_mostly.remove(member),
            ReadsFrom::AsLast => self.written_mostly.insert(member),
        }
        self.everyone.remove(by);
        self.replacing = Replacing::No;
    }
}

/// How far a device that comes in as a replacement can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trusted {
    /// Nothing was written by this engine: the device has what it had when the array was stopped.
    UpToItsMark,
    /// It may have missed anything.
    InNothing,
}
