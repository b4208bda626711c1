//! To the journal: what a write will change on the members, data and parity, is durable there before
//! the first of them is written.

use super::{Awaits, Call, Ending, Log, Next, Outcome, Ports, Stripe, Trouble, Work};
use crate::array::{Array, Fate};
use crate::batch::Settled;
use crate::host::{Blocked, Buffer, Command, Completion, Host, Misuse, SlotIndex};
use crate::log::{Joined, Share, Ticket};
use crate::members::MemberSet;
use crate::plan::{JournalRow, Logged, Plan};
use crate::units::MemberIndex;

/// An operation on its way into the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ToJournal {
    pub(super) work: Work,
    pub(super) plan: Plan,
    /// The journal's.
    place: MemberIndex,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// The journal takes no rows now.
    Queued,
    /// The row is being written.
    Recording(Ticket, Call),
    /// Its batch is not durable yet.
    Recorded(Ticket),
}

impl ToJournal {
    pub(super) fn enter(work: Work, plan: Plan, array: &mut Array<'_>) -> Next {
        match array.log.journal_place() {
            Some(place) => {
                Next::Enter(Stripe::ToJournal(Self { work, plan, place, stage: Stage::Queued }))
            }
            None => Log::enter(work, plan, array),
        }
    }

    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let given_up = |trouble| Next::Done(Ending::Work(self.work, Outcome::Failed(trouble)));
        match (self.stage, ports.array.fate()) {
            (Stage::Recording(_, Call::Wait), _) => Next::Wait(Stripe::ToJournal(self)),
            (_, Fate::Failed) => given_up(Trouble::ArrayFailed),
            (Stage::Recording(_, Call::Back(Completion::Failed(fault))), Fate::Serving) => {
                ports.array.lose(MemberSet::only(self.place), fault, ports.host);
                given_up(Trouble::JournalLost)
            }
            (_, Fate::Serving) if !ports.array.log.has_journal() => given_up(Trouble::JournalLost),
            (Stage::Queued, Fate::Serving) => self.join(ports),
            (Stage::Recording(ticket, Call::Offer), Fate::Serving) => self.offer(ticket, ports),
            (
                Stage::Recording(
                    ticket,
                    Call::Back(
                        Completion::Done | Completion::Compared { .. } | Completion::Located(_),
                    ),
                ),
                Fate::Serving,
            ) => Next::Enter(self.at(Stage::Recorded(ticket))),
            (Stage::Recorded(ticket), Fate::Serving) => {
                if ports.array.log.is_recorded(ticket.batch) {
                    let plan = Plan { logged: Logged::InJournal(ticket.half), ..self.plan };
                    return Log::enter(self.work, plan, ports.array);
                }
                Next::Wait(Stripe::ToJournal(self))
            }
        }
    }

    const fn at(self, stage: Stage) -> Stripe {
        Stripe::ToJournal(Self { stage, ..self })
    }

    fn row(&self, slot: SlotIndex) -> JournalRow {
        JournalRow::of(self.work.now(), self.work.buffers(slot))
    }

    fn join<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let now = self.work.now();
        let blocks = now.covered().union(now.parity()).count();
        match ports.array.log.join_journal(ports.slot, blocks, now.sectors) {
            Joined::Later => Next::Wait(Stripe::ToJournal(self)),
            Joined::Now(ticket) => Next::Enter(self.at(Stage::Recording(ticket, Call::Offer))),
        }
    }

    fn offer<H: Host>(self, ticket: Ticket, ports: &mut Ports<'_, '_, H>) -> Next {
        let member = self.place;
        let device = ports.array.device(member);
        let Ticket { batch, stretch, .. } = ticket;
        let row = self.row(ports.slot);
        let command = Command::LogRow { device, member, batch, stretch, row };
        match ports.submit(member, command) {
            Ok(()) => Next::Wait(self.at(Stage::Recording(ticket, Call::Wait))),
            Err(_) => Next::Refused(Stripe::ToJournal(self), Blocked::by(&command)),
        }
    }

    pub(super) const fn share(&self) -> Share {
        match self.stage {
            Stage::Queued => Share::Queued(self.place),
            Stage::Recording(ticket, _) => Share::Recording(ticket.half),
            Stage::Recorded(ticket) => Share::Recorded(ticket.half),
        }
    }

    pub(super) const fn awaits(&self) -> Awaits {
        match self.stage {
            Stage::Queued | Stage::Recorded(_) => Awaits::Log(self.place),
            Stage::Recording(..) => Awaits::Completions,
        }
    }

    pub(super) const fn is_in_flight(&self) -> bool {
        matches!(self.stage, Stage::Recording(_, Call::Wait))
    }

    /// Of the memory that the command in flight names, a part that is the requester's if any is.
    pub(super) fn memory(&self, slot: SlotIndex) -> Result<Option<Buffer>, Misuse> {
        if !self.is_in_flight() {
            return Err(Misuse::UnknownToken);
        }
        let row = self.row(slot);
        Ok(row.covered().lowest().map(|member| row.buffer(member)))
    }

    pub(super) fn settle(
        &mut self,
        member: MemberIndex,
        completion: Completion,
    ) -> Result<Settled, Misuse> {
        match (&mut self.stage, completion) {
            _ if member != self.place => Err(Misuse::UnknownToken),
            (Stage::Recording(..), Completion::Compared { .. } | Completion::Located(_)) => {
                Err(Misuse::WrongCompletion)
            }
            (Stage::Recording(_, call), _) => call.settle(completion),
            (Stage::Queued | Stage::Recorded(_), _) => Err(Misuse::UnknownToken),
        }
    }

    /// The order of the stages, and what is left in this one.
    pub(super) const fn rank(&self) -> (u8, u32) {
        match &self.stage {
            Stage::Queued => (8, 1),
            Stage::Recording(_, call) => (7, call.open()),
            Stage::Recorded(_) => (6, 1),
        }
    }
}
