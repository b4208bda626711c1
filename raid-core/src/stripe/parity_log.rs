//! Before the log: a write to a part of a row is put into the log of the member that holds the row's
//! parity, and waits until the log is durable.
//!
//! This comes before the dirty mark, not after it: an array that is dirty has been logged, so a log
//! that nobody wrote to tells that no row is torn.

use super::{Call, Ending, Log, Next, Outcome, Ports, Stripe, ToJournal, Trouble, Work};
use crate::array::{Array, Fate};
use crate::batch::Settled;
use crate::host::{Blocked, Buffer, Command, Completion, Fault, Host, Misuse, SlotIndex};
use crate::log::{Sealed, Share, Turn};
use crate::members::MemberSet;
use crate::plan::{Logged, Operation, Plan, Task};
use crate::units::{MemberIndex, Sectors};

/// An operation on its way into a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ParityLog {
    Queued(Queued),
    Entering(Entering),
    Entered(Entered),
}

/// Queued: the log takes no entries now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Queued {
    work: Work,
    plan: Plan,
    holder: MemberIndex,
}

/// Entering: the entry is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entering {
    work: Work,
    plan: Plan,
    holder: MemberIndex,
    batch: u32,
    call: Call,
}

/// Entered: the batch is not durable yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entered {
    work: Work,
    plan: Plan,
    holder: MemberIndex,
}

impl ParityLog {
    /// Into the log, or past it.
    #[inline]
    pub(super) fn enter(work: Work, plan: Plan, array: &mut Array<'_>) -> Next {
        match plan.logged {
            Logged::At(holder) => {
                Next::Enter(Stripe::ParityLog(Self::Queued(Queued { work, plan, holder })))
            }
            Logged::ToJournal => ToJournal::enter(work, plan, array),
            Logged::No | Logged::NotYet | Logged::InJournal(_) => Log::enter(work, plan, array),
        }
    }

    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let (work, plan, holder) = self.parts();
        match (self, ports.array.fate()) {
            (Self::Entering(state @ Entering { call: Call::Wait, .. }), _) => {
                Next::Wait(state.stripe())
            }
            (_, Fate::Failed) => {
                Next::Done(Ending::Work(work, Outcome::Failed(Trouble::ArrayFailed)))
            }
            // Without the member nothing of its parity can be wrong.
            (_, Fate::Serving) if ports.array.absent().contains(holder) => {
                Log::enter(work, plan, ports.array)
            }
            (Self::Queued(state), Fate::Serving) => state.step(ports),
            (Self::Entering(state), Fate::Serving) => state.step(ports),
            (Self::Entered(_), Fate::Serving) => match ports.array.log.sealed(holder) {
                Sealed::Durable => Log::enter(work, plan, ports.array),
                Sealed::NotYet => Next::Wait(Stripe::ParityLog(self)),
                Sealed::Never(fault) => refused(work, &plan, fault),
            },
        }
    }

    /// What the operation has in the log.
    pub(super) const fn share(&self) -> Share {
        match self {
            Self::Queued(state) => Share::Queued(state.holder),
            Self::Entering(state) => Share::Writing(state.holder),
            Self::Entered(state) => Share::Entered(state.holder),
        }
    }

    pub(super) const fn parts(&self) -> (Work, Plan, MemberIndex) {
        match self {
            Self::Queued(Queued { work, plan, holder })
            | Self::Entering(Entering { work, plan, holder, .. })
            | Self::Entered(Entered { work, plan, holder }) => (*work, *plan, *holder),
        }
    }

    pub(super) const fn work(&self) -> &Work {
        match self {
            Self::Queued(state) => &state.work,
            Self::Entering(state) => &state.work,
            Self::Entered(state) => &state.work,
        }
    }

    /// The log that is waited for, unless it is for a completion.
    pub(super) const fn awaits(&self) -> Option<MemberIndex> {
        match self {
            Self::Queued(Queued { holder, .. }) | Self::Entered(Entered { holder, .. }) => {
                Some(*holder)
            }
            Self::Entering(_) => None,
        }
    }

    /// The command in flight, if there is one.
    pub(super) const fn in_flight(&self) -> Option<&Entering> {
        match self {
            Self::Entering(state @ Entering { call: Call::Wait, .. }) => Some(state),
            Self::Queued(_) | Self::Entering(_) | Self::Entered(_) => None,
        }
    }

    pub(super) fn memory(
        &self,
        member: MemberIndex,
        slot: SlotIndex,
    ) -> Result<Option<Buffer>, Misuse> {
        match self.in_flight() {
            Some(state) if state.holder == member => Ok(state.from(slot)),
            Some(_) | None => Err(Misuse::UnknownToken),
        }
    }

    pub(super) fn settle(
        &mut self,
        member: MemberIndex,
        completion: Completion,
    ) -> Result<Settled, Misuse> {
        match self {
            Self::Entering(state) if state.holder == member => match completion {
                Completion::Compared { .. } | Completion::Located(_) => {
                    Err(Misuse::WrongCompletion)
                }
                Completion::Done | Completion::Failed(_) => state.call.settle(completion),
            },
            Self::Entering(_) | Self::Queued(_) | Self::Entered(_) => Err(Misuse::UnknownToken),
        }
    }

    /// The order of the states, and what is left in this one.
    pub(super) const fn rank(&self) -> (u8, u32) {
        match self {
            Self::Queued(_) => (8, 1),
            Self::Entering(state) => (7, state.call.open()),
            Self::Entered(_) => (6, 1),
        }
    }
}

impl Queued {
    fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let Self { work, plan, holder } = self;
        let partial = if has_partial_parity(&plan) { work.sectors() } else { Sectors::ZERO };
        match ports.array.log.join(holder, ports.slot, partial) {
            Turn::Later => Next::Wait(Stripe::ParityLog(ParityLog::Queued(self))),
            Turn::Never(fault) => refused(work, &plan, fault),
            Turn::Now(batch) => {
                let call = Call::Offer;
                Next::Enter(Entering { work, plan, holder, batch, call }.stripe())
            }
        }
    }
}

impl Entering {
    const fn stripe(self) -> Stripe {
        Stripe::ParityLog(ParityLog::Entering(self))
    }

    /// Where the partial parity is.
    fn from(&self, slot: SlotIndex) -> Option<Buffer> {
        let behind = MemberIndex(self.work.now().row_members()?);
        has_partial_parity(&self.plan).then(|| self.work.buffers(slot).lane(behind))
    }

    fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let Self { work, plan, holder, batch, call } = self;
        match call {
            Call::Offer => {
                let device = ports.array.device(holder);
                let (rectangle, from) = (work.now(), self.from(ports.slot));
                let member = holder;
                let command = Command::LogParity { device, member, batch, rectangle, from };
                match ports.submit(holder, command) {
                    Ok(()) => Next::Wait(Self { call: Call::Wait, ..self }.stripe()),
                    Err(_) => Next::Refused(self.stripe(), Blocked::by(&command)),
                }
            }
            Call::Wait => Next::Wait(self.stripe()),
            Call::Back(Completion::Failed(fault)) if fault.is_rejection() => {
                refused(work, &plan, fault)
            }
            // A member without a log is not one to keep the parity that goes by it.
            Call::Back(Completion::Failed(fault)) => {
                ports.array.lose(MemberSet::only(holder), fault, ports.host);
                match ports.array.fate() {
                    Fate::Serving => Log::enter(work, plan, ports.array),
                    Fate::Failed => {
                        Next::Done(Ending::Work(work, Outcome::Failed(Trouble::ArrayFailed)))
                    }
                }
            }
            Call::Back(Completion::Done | Completion::Compared { .. } | Completion::Located(_)) => {
                Next::Enter(Stripe::ParityLog(ParityLog::Entered(Entered { work, plan, holder })))
            }
        }
    }
}

/// The host does not log what was to be written, and nothing is: that is nobody's fault below. A read
/// has brought what it was to bring.
const fn refused(work: Work, plan: &Plan, fault: Fault) -> Next {
    Next::Done(Ending::Work(
        work,
        match work.operation {
            Operation::Read(_) | Operation::Check => Outcome::Done { unserved: plan.unserved },
            Operation::Write(..) | Operation::Sync(_) => Outcome::Failed(Trouble::Rejected(fault)),
        },
    ))
}

fn has_partial_parity(plan: &Plan) -> bool {
    plan.tasks.iter().any(|task| matches!(task, Task::PartialParity(_)))
}

/// What an operation with this plan has in a log from its entry on, or has without it.
pub(super) const fn share(work: &Work, plan: &Plan) -> Share {
    match (plan.logged, work.operation) {
        (Logged::At(holder), _) => Share::Entered(holder),
        (Logged::InJournal(half), _) => Share::Recorded(half),
        (Logged::NotYet, Operation::Write(..)) => Share::Early,
        (Logged::No | Logged::NotYet | Logged::ToJournal, _) => Share::Nothing,
    }
}

/// The same before the entry.
pub(super) const fn share_before(work: &Work, plan: &Plan) -> Share {
    match share(work, plan) {
        Share::Early => Share::Early,
        Share::Nothing
        | Share::GivenUp
        | Share::Queued(_)
        | Share::Writing(_)
        | Share::Entered(_)
        | Share::Recording(_)
        | Share::Recorded(_) => Share::Nothing,
    }
}
