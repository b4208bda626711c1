//! The stripe machine: one operation on one rectangle, as a typed state machine.
//!
//! ```text
//!        lost more: plan again (each time at least one block or member more is lost)
//!              +---------------------+
//!              v                     |
//!  Planned -> Gather ----> Compute --+--> (ParityLog) -> Log ------> Intend ---> Commit ...
//!             reads        jobs           (ToJournal)    waits for   waits for   writes
//!                                         waits for a    the dirty   the bits of
//!                                         durable entry  mark        its chunks
//!                                         in a log
//!
//!                                                       ... Commit -> (Rewrite) -> Record
//!                                                                     in units     waits
//!                                                                     and the      for a
//!                                                                     bad listed   record
//! ```
//!
//! There is one struct for each state, holding what is valid then, and one consuming function for
//! each transition. A transition leads to one of four: another state, waiting for completions or a
//! record, the host being busy, or the end. From the log on the parity is fixed: no transition leads
//! from there to Gather, because a row that is half written must not be read to plan again.

mod commit;
mod compute;
mod flush;
mod gather;
mod intend;
mod journal;
mod log;
mod parity_log;
mod planned;
mod quiesce;
mod record;
mod rewrite;
mod work;

pub(crate) use commit::Commit;
pub(crate) use compute::{Call, Compute};
pub(crate) use flush::Flush;
pub(crate) use gather::Gather;
pub(crate) use intend::Intend;
pub(crate) use journal::ToJournal;
pub(crate) use log::Log;
pub(crate) use parity_log::ParityLog;
pub(crate) use planned::Planned;
pub(crate) use quiesce::Withdrawn;
pub(crate) use record::{Ending, Record};
pub(crate) use rewrite::Rewrite;
pub(crate) use work::{Origin, Outcome, Trouble, Work};

use crate::array::Array;
use crate::batch::Settled;
use crate::host::{
    Blocked, Buffer, Busy, Command, Completion, Host, Misuse, Owner, SlotIndex, Token,
};
use crate::log::Share;
use crate::plan::{Operation, Plan, Sync};
use crate::units::{Generation, MemberIndex};

/// A stripe operation in one of its states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stripe {
    Planned(Planned),
    Gather(Gather),
    Compute(Compute),
    ParityLog(ParityLog),
    ToJournal(ToJournal),
    Log(Log),
    Intend(Intend),
    Commit(Commit),
    Rewrite(Rewrite),
    Record(Record),
    Flush(Flush),
    Withdrawn(Withdrawn),
}

/// What a transition leads to. There is no fifth answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    /// Another state, to be stepped at once or later.
    Enter(Stripe),
    /// Nothing to do until a completion, or until a generation is recorded.
    Wait(Stripe),
    /// The host was busy for this, at least; some commands are still to be issued.
    Refused(Stripe, Blocked),
    /// The end.
    Done(Ending),
}

/// What an operation waits for when it is not to be stepped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    /// Its commands' completions, or its turn.
    Completions,
    /// This generation of metadata.
    Generation(Generation),
    /// This member's log.
    Log(MemberIndex),
    /// The bits of its chunks in the write-intent bitmap.
    Bits,
}

/// Where a step reaches the world: the array's state, and the host under this operation's tokens.
pub(crate) struct Ports<'p, 'm, H> {
    pub(crate) array: &'p mut Array<'m>,
    pub(crate) host: &'p mut H,
    pub(crate) slot: SlotIndex,
    pub(crate) epoch: u32,
    pub(crate) retries: Retries,
}

impl<H: Host> Ports<'_, '_, H> {
    #[inline]
    fn submit(&mut self, member: MemberIndex, command: Command) -> Result<(), Busy> {
        let token = Token { owner: Owner::Slot(self.slot), epoch: self.epoch, member };
        self.host.submit(token, command)
    }
}

/// Whether the slot can remember another state's abandoned command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retries {
    Allowed,
    Over,
}

impl Stripe {
    /// Takes one step.
    pub(crate) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        match self {
            Self::Planned(state) => state.step(ports),
            Self::Gather(state) => state.step(ports),
            Self::Compute(state) => state.step(ports),
            Self::ParityLog(state) => state.step(ports),
            Self::ToJournal(state) => state.step(ports),
            Self::Log(state) => state.step(ports),
            Self::Intend(state) => state.step(ports),
            Self::Commit(state) => state.step(ports),
            Self::Rewrite(state) => state.step(ports),
            Self::Record(state) => state.step(ports),
            Self::Flush(state) => state.step(ports),
            Self::Withdrawn(state) => state.step(ports),
        }
    }

    /// Records how one command ended. Does nothing else.
    #[inline]
    pub(crate) fn settle(
        &mut self,
        member: MemberIndex,
        completion: Completion,
    ) -> Result<Settled, Misuse> {
        match self {
            Self::Gather(state) => state.io.settle(member, completion),
            Self::Commit(state) => state.io.settle(member, completion),
            Self::Flush(state) => state.io.settle(member, completion),
            Self::Withdrawn(state) => state.io.settle(member, completion),
            Self::Compute(state) => state.settle(member, completion),
            Self::Rewrite(state) => state.settle(member, completion),
            Self::ParityLog(state) => state.settle(member, completion),
            Self::ToJournal(state) => state.settle(member, completion),
            Self::Planned(_) | Self::Log(_) | Self::Intend(_) | Self::Record(_) => {
                Err(Misuse::UnknownToken)
            }
        }
    }

    /// The memory that the command in flight to a member names, or `None` if it names none.
    pub(crate) fn memory(
        &self,
        member: MemberIndex,
        slot: SlotIndex,
    ) -> Result<Option<Buffer>, Misuse> {
        let after = |work: &Work, plan: &Plan| {
            Some(work.buffers(slot).after(&work.now(), member, plan.block))
        };
        match self {
            Self::Gather(Gather { work, .. }) | Self::Withdrawn(Withdrawn { work, .. }) => {
                Ok(Some(work.buffers(slot).before(&work.now(), member)))
            }
            Self::Commit(state) => Ok(after(&state.work, &state.plan)),
            Self::Rewrite(state) => Ok(state.memory(after(&state.work, &state.plan))),
            Self::ParityLog(state) => state.memory(member, slot),
            Self::ToJournal(state) => state.memory(slot),
            Self::Flush(_) => Ok(None),
            Self::Compute(_) => Err(Misuse::NoDevice),
            Self::Planned(_) | Self::Log(_) | Self::Intend(_) | Self::Record(_) => {
                Err(Misuse::UnknownToken)
            }
        }
    }

    /// Whether the operation was planned with this member, or found a block of it unreadable.
    pub(crate) fn counts_on(&self, member: MemberIndex) -> bool {
        let planned = |plan: &Plan| plan.reads.union(plan.writes).contains(member);
        match self {
            Self::Planned(state) => state.faulted.contains(member),
            Self::Gather(state) => planned(&state.plan) || state.faulted.contains(member),
            Self::Compute(state) => planned(&state.plan),
            Self::ParityLog(state) => planned(&state.parts().1),
            Self::ToJournal(state) => planned(&state.plan),
            Self::Log(state) => planned(&state.plan),
            Self::Intend(state) => planned(&state.plan),
            Self::Commit(state) => planned(&state.plan),
            Self::Rewrite(state) => planned(&state.plan) || state.counts_on(member),
            Self::Flush(state) => state.io.names(member),
            Self::Withdrawn(state) => state.io.names(member),
            Self::Record(_) => false,
        }
    }

    /// Whether it would go on with this member as it is now: what has not begun does not.
    pub(crate) fn has_begun_with(&self, member: MemberIndex) -> bool {
        match self {
            Self::Planned(_) => false,
            Self::Gather(_)
            | Self::Compute(_)
            | Self::ParityLog(_)
            | Self::ToJournal(_)
            | Self::Log(_)
            | Self::Intend(_)
            | Self::Commit(_)
            | Self::Rewrite(_)
            | Self::Flush(_)
            | Self::Withdrawn(_)
            | Self::Record(_) => self.counts_on(member),
        }
    }

    /// Another device is at this place: what was found unreadable there may be readable now. A block
    /// that is to be mended still is.
    pub(crate) fn forget(&mut self, member: MemberIndex) {
        if let Self::Planned(Planned { work, faulted }) = self
            && work.operation != Operation::Sync(Sync::Mend)
        {
            faulted.remove(member);
        }
    }

    #[inline]
    pub(crate) fn awaits(&self) -> Awaits {
        match self {
            Self::ParityLog(state) => state.awaits().map_or(Awaits::Completions, Awaits::Log),
            Self::ToJournal(state) => state.awaits(),
            Self::Log(state) => Awaits::Generation(state.until),
            Self::Record(state) => Awaits::Generation(state.until),
            Self::Intend(_) => Awaits::Bits,
            Self::Planned(_)
            | Self::Gather(_)
            | Self::Compute(_)
            | Self::Commit(_)
            | Self::Rewrite(_)
            | Self::Flush(_)
            | Self::Withdrawn(_) => Awaits::Completions,
        }
    }

    /// What the operation is about; `None` for a flush and the clean mark.
    #[inline]
    pub(crate) const fn work(&self) -> Option<&Work> {
        match self {
            Self::Planned(state) => Some(&state.work),
            Self::Gather(state) => Some(&state.work),
            Self::Compute(state) => Some(&state.work),
            Self::ParityLog(state) => Some(state.work()),
            Self::ToJournal(state) => Some(&state.work),
            Self::Log(state) => Some(&state.work),
            Self::Intend(state) => Some(&state.work),
            Self::Commit(state) => Some(&state.work),
            Self::Rewrite(state) => Some(&state.work),
            Self::Record(state) => state.ending.work(),
            Self::Flush(state) => state.ending.work(),
            Self::Withdrawn(state) => Some(&state.work),
        }
    }

    /// What the operation has in a log.
    pub(crate) const fn share(&self) -> Share {
        match self {
            Self::ParityLog(state) => state.share(),
            Self::ToJournal(state) => state.share(),
            Self::Gather(Gather { work, plan, .. }) | Self::Compute(Compute { work, plan, .. }) => {
                parity_log::share_before(work, plan)
            }
            Self::Log(Log { work, plan, .. })
            | Self::Intend(Intend { work, plan })
            | Self::Commit(Commit { work, plan, .. })
            | Self::Rewrite(Rewrite { work, plan, .. }) => parity_log::share(work, plan),
            Self::Planned(_) | Self::Record(_) | Self::Flush(_) | Self::Withdrawn(_) => {
                Share::Nothing
            }
        }
    }

    /// How far the operation is from its end. Every transition lowers it, whatever fails.
    pub(crate) fn rank(&self, array: &Array<'_>) -> Rank {
        let (losable, state, open) = match self {
            Self::Planned(state) => (array.present().difference(state.faulted).count(), 11, 1),
            Self::Gather(state) => (state.losable(array), 10, state.io.open()),
            // From here on nothing that is lost is planned around: the state alone decides.
            Self::Compute(state) => (0, 9, state.open()),
            Self::ParityLog(state) => {
                let (state, open) = state.rank();
                (0, state, open)
            }
            Self::ToJournal(state) => {
                let (state, open) = state.rank();
                (0, state, open)
            }
            Self::Log(_) => (0, 5, 1),
            Self::Intend(_) => (0, 4, 1),
            Self::Commit(state) => (0, 3, state.io.open()),
            Self::Rewrite(state) => (0, 2, state.open()),
            Self::Flush(state) => (0, 1, state.io.open()),
            Self::Record(_) => (0, 0, 1),
            Self::Withdrawn(state) => (0, 0, state.io.open()),
        };
        Rank { pieces: self.work().map_or(0, Work::pieces_left), losable, state, open }
    }
}

/// How far an operation is from its end, most significant part first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    /// Fault units still to be done one by one; more than any while the rectangle is done whole.
    pieces: u64,
    /// Members and blocks that can still be lost.
    losable: u32,
    /// The order of the states.
    state: u8,
    /// Commands, or jobs, left in the state.
    open: u32,
}
