//! Log: what must be durable before the first member write is waited for: the array's dirty mark.

use super::{Commit, Ending, Intend, Next, Origin, Outcome, Ports, Rewrite, Stripe, Trouble, Work};
use crate::array::{Array, Fate};
use crate::host::Host;
use crate::plan::{Operation, Plan, Sync};
use crate::units::Generation;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Log {
    pub(super) work: Work,
    pub(super) plan: Plan,
    pub(super) until: Generation,
}

impl Log {
    /// To Log, past it where the mark is there already, or to the end where there is nothing to
    /// write.
    #[inline]
    pub(super) fn enter(work: Work, plan: Plan, array: &mut Array<'_>) -> Next {
        if let Some(rewrite) = Rewrite::given_up(work, plan) {
            return Next::Enter(rewrite);
        }
        if plan.writes.is_empty() {
            return Next::Done(Ending::Work(work, Outcome::Done { unserved: plan.unserved }));
        }
        match work.origin {
            // What is written counts for nothing before its position is on record.
            Origin::Reshape => match work.operation {
                Operation::Write(..) => return Next::Enter(Commit::enter(work, plan)),
                Operation::Read(_) | Operation::Check | Operation::Sync(_) => {}
            },
            Origin::Request(_) | Origin::Pass(_) => {}
        }
        match work.operation {
            // No parity changes, and what is written is vouched for by no mark yet.
            Operation::Sync(Sync::Rebuild)
                if plan.writes.difference(array.rebuilding()).is_empty() =>
            {
                return Next::Enter(Commit::enter(work, plan));
            }
            Operation::Sync(Sync::Copy(_)) => return Next::Enter(Commit::enter(work, plan)),
            Operation::Read(_) | Operation::Write(..) | Operation::Check | Operation::Sync(_) => {}
        }
        let until = array.mark_dirty();
        // With logs of partial parity no write may do without a member whose loss could be forgotten:
        // the row would be torn, and no log would say so.
        let until = match (work.operation, array.log.room()) {
            (Operation::Write(..), Some(_)) => until.max(array.unrecorded()),
            (Operation::Write(..), None)
            | (Operation::Read(_) | Operation::Check | Operation::Sync(_), _) => until,
        };
        match until {
            None => Intend::enter(work, plan, array),
            Some(until) => Next::Wait(Stripe::Log(Self { work, plan, until })),
        }
    }

    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let Self { work, plan, until } = self;
        match ports.array.fate() {
            Fate::Failed => array_failed(work, &plan),
            Fate::Serving if ports.array.recorded() >= until => {
                Intend::enter(work, plan, ports.array)
            }
            Fate::Serving => Next::Wait(Stripe::Log(self)),
        }
    }
}

/// Nothing is written to a failed array; what a read brought is good all the same.
pub(super) const fn array_failed(work: Work, plan: &Plan) -> Next {
    match work.operation {
        Operation::Read(_) | Operation::Check => {
            Next::Done(Ending::Work(work, Outcome::Done { unserved: plan.unserved }))
        }
        Operation::Write(..) | Operation::Sync(_) => {
            Next::Done(Ending::Work(work, Outcome::Failed(Trouble::ArrayFailed)))
        }
    }
}
