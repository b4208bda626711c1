//! How an operation stops. Before its first write it is given up as soon as nothing of it is in
//! flight; after that it goes on to its end.

use super::compute::Call;
use super::{
    Commit, Compute, Ending, Flush, Gather, Intend, Log, Next, Outcome, Ports, Record, Stripe,
};
use super::{Trouble, Work};
use crate::batch::{Batch, Round, Taken};
use crate::host::{Busy, Host};
use crate::plan::{Operation, Plan};

/// Withdrawn: an operation that is given up when the reads that are in flight have come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Withdrawn {
    pub(super) work: Work,
    pub(super) io: Batch,
}

impl Withdrawn {
    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        match self.io.withdrawn().offer(ports.array.absent(), |_| Err(Busy)) {
            Round::Waiting(io) | Round::Refused(io, _) => {
                Next::Wait(Stripe::Withdrawn(Self { io, ..self }))
            }
            Round::Quiet(results) => {
                ports.array.lose(results.members, results.member_fault, ports.host);
                given_up(self.work)
            }
        }
    }
}

impl Stripe {
    /// Takes one step towards the operation's end, or gives it up.
    pub(crate) fn quiesce<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        match self {
            Self::Planned(state) => given_up(state.work),
            Self::Gather(Gather { work, io, plan, .. }) => {
                ports.array.balance.end(work.whole(), plan.reads);
                Withdrawn { work, io }.step(ports)
            }
            Self::Compute(state @ Compute { work, call, .. }) => match call {
                Call::Wait => Next::Wait(Self::Compute(state)),
                Call::Offer | Call::Back(_) => given_up(work),
            },
            Self::ParityLog(state) => match state.in_flight() {
                Some(_) => Next::Wait(Self::ParityLog(state)),
                None => unwritten(*state.work(), &state.parts().1),
            },
            Self::ToJournal(state) if state.is_in_flight() => Next::Wait(Self::ToJournal(state)),
            Self::ToJournal(state) => unwritten(state.work, &state.plan),
            Self::Log(Log { work, plan, .. }) | Self::Intend(Intend { work, plan }) => {
                unwritten(work, &plan)
            }
            Self::Commit(Commit { work, plan, .. }) => {
                let next = self.step(ports);
                if let Next::Refused(Self::Commit(state), _) = &next
                    && state.io.taken(plan.writes, ports.array.absent()) == Taken::Nothing
                {
                    return unwritten(work, &plan);
                }
                next
            }
            Self::Flush(Flush { ending: ending @ Ending::Barrier(..), .. }) => {
                let mut next = self.step(ports);
                if let Next::Refused(Self::Flush(Flush { io, .. }), _) = next
                    && io.in_flight().is_empty()
                {
                    // Who failed to flush is lost all the same: what its cache held is unknown.
                    let ending = ending.but(Trouble::HandedBack);
                    next = Flush { ending, io: io.withdrawn() }.step(ports);
                }
                if let Next::Wait(Self::Record(Record { ending, .. })) = next {
                    // The loss of a member is not put on record for the sake of a flush.
                    return Next::Done(ending.but(Trouble::HandedBack));
                }
                next
            }
            Self::Record(Record { ending: ending @ Ending::Barrier(..), .. }) => {
                Next::Done(ending.but(Trouble::HandedBack))
            }
            Self::Rewrite(_) | Self::Record(_) | Self::Flush(_) | Self::Withdrawn(_) => {
                self.step(ports)
            }
        }
    }

    /// Whether the operation has written, and waits for a record of what it survived.
    pub(crate) const fn must_be_recorded(&self) -> Option<&Work> {
        match self {
            Self::Record(Record { ending: Ending::Work(work, _), .. }) => Some(work),
            Self::Record(Record { ending: Ending::Barrier(..), .. })
            | Self::Planned(_)
            | Self::Gather(_)
            | Self::Compute(_)
            | Self::ParityLog(_)
            | Self::ToJournal(_)
            | Self::Log(_)
            | Self::Intend(_)
            | Self::Commit(_)
            | Self::Rewrite(_)
            | Self::Flush(_)
            | Self::Withdrawn(_) => None,
        }
    }
}

const fn given_up(work: Work) -> Next {
    Next::Done(Ending::Work(work, Outcome::Failed(Trouble::HandedBack)))
}

/// Nothing is written. What a read brought is good all the same.
const fn unwritten(work: Work, plan: &Plan) -> Next {
    match work.operation {
        Operation::Read(_) | Operation::Check => {
            Next::Done(Ending::Work(work, Outcome::Done { unserved: plan.unserved }))
        }
        Operation::Write(..) | Operation::Sync(_) => given_up(work),
    }
}
