//! Planned: nothing is read yet; the plan is made from one snapshot, now.

use super::{Ending, Gather, Next, Outcome, Ports, Stripe, Trouble, Work};
use crate::array::{Fate, Gate};
use crate::batch::Batch;
use crate::host::Host;
use crate::members::MemberSet;
use crate::plan::{NoPlan, Operation, plan};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Planned {
    pub(crate) work: Work,
    /// Places whose block this operation found unreadable.
    pub(crate) faulted: MemberSet,
}

impl Planned {
    pub(crate) const fn enter(work: Work, faulted: MemberSet) -> Stripe {
        Stripe::Planned(Self { work, faulted })
    }

    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let Self { work, faulted } = self;
        match ports.array.gate() {
            Gate::Open => {}
            Gate::Shut => return Next::Wait(Stripe::Planned(self)),
        }
        let failed = |trouble| Next::Done(Ending::Work(work, Outcome::Failed(trouble)));
        if let (Operation::Write(..) | Operation::Sync(_), Fate::Failed) =
            (work.operation, ports.array.fate())
        {
            return failed(Trouble::ArrayFailed);
        }
        // A range can be found bad after the rectangle was cut.
        if let Some(work) = work.narrowed().filter(|_| ports.array.is_mixed(&work.now())) {
            return Next::Enter(Self::enter(work, MemberSet::NONE));
        }
        let snapshot = ports.array.snapshot(&work.now(), faulted);
        match plan(&work.now(), work.operation, snapshot) {
            Ok(plan) => {
                let Some(plan) = ports.array.with_replacement(work.operation, plan) else {
                    return failed(Trouble::Unrecoverable);
                };
                ports.array.balance.begin(work.whole(), plan.reads);
                let io = Batch::of(plan.reads);
                Next::Enter(Stripe::Gather(Gather { work, plan, faulted, io }))
            }
            Err(NoPlan::Unrecoverable) => failed(Trouble::Unrecoverable),
            Err(NoPlan::NothingToCompare) => failed(Trouble::NothingToCompare),
            Err(NoPlan::NotCompared) => failed(Trouble::NotCompared),
        }
    }
}
