//! Compute: the plan's jobs run, one after the other.

use super::{Ending, Next, Outcome, ParityLog, Ports, Stripe, Trouble, Work};
use crate::batch::Settled;
use crate::host::{Blocked, Command, Completion, Host, Misuse};
use crate::plan::{Plan, TASKS_MAX, Task};
use crate::units::MemberIndex;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Compute {
    pub(super) work: Work,
    pub(super) plan: Plan,
    /// The number of the job that is to be run, or runs.
    number: u8,
    pub(super) call: Call,
}

/// Where a single command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Offer,
    Wait,
    Back(Completion),
}

/// A job has no member; its token carries this one.
const JOB: MemberIndex = MemberIndex(0);

impl Compute {
    #[inline]
    pub(super) const fn enter(work: Work, plan: Plan) -> Stripe {
        Stripe::Compute(Self { work, plan, number: 0, call: Call::Offer })
    }

    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let Self { work, plan, number, call } = self;
        let done = |outcome| Next::Done(Ending::Work(work, outcome));
        let Some(task) = plan.tasks.get(number) else {
            return ParityLog::enter(work, plan, ports.array);
        };
        match (call, task) {
            (Call::Offer, _) => {
                let command = Command::Compute(work.job(ports.slot, &plan, task));
                match ports.submit(JOB, command) {
                    Ok(()) => Next::Wait(Stripe::Compute(Self { call: Call::Wait, ..self })),
                    Err(_) => Next::Refused(Stripe::Compute(self), Blocked::by(&command)),
                }
            }
            (Call::Wait, _) => Next::Wait(Stripe::Compute(self)),
            (Call::Back(Completion::Compared { mismatched_units }), Task::Check) => {
                done(Outcome::Compared { mismatched_units })
            }
            (Call::Back(Completion::Located(located)), Task::Locate) => {
                done(Outcome::Located(located))
            }
            (Call::Back(Completion::Failed(fault)), _) => {
                done(Outcome::Failed(Trouble::Rejected(fault)))
            }
            (
                Call::Back(Completion::Done | Completion::Compared { .. } | Completion::Located(_)),
                _,
            ) => {
                let number = number.saturating_add(1);
                Next::Enter(Stripe::Compute(Self { work, plan, number, call: Call::Offer }))
            }
        }
    }

    pub(super) fn settle(
        &mut self,
        member: MemberIndex,
        completion: Completion,
    ) -> Result<Settled, Misuse> {
        if member != JOB {
            return Err(Misuse::UnknownToken);
        }
        match (self.plan.tasks.get(self.number), completion) {
            (_, Completion::Failed(_))
            | (Some(Task::Check), Completion::Compared { .. })
            | (Some(Task::Locate), Completion::Located(_)) => self.call.settle(completion),
            (Some(Task::Check | Task::Locate), _)
            | (_, Completion::Compared { .. } | Completion::Located(_)) => {
                Err(Misuse::WrongCompletion)
            }
            (_, Completion::Done) => self.call.settle(completion),
        }
    }

    pub(super) fn open(&self) -> u32 {
        let jobs = u32::try_from(TASKS_MAX).unwrap_or(0).saturating_sub(u32::from(self.number));
        jobs.saturating_mul(2).saturating_add(self.call.open())
    }
}

impl Call {
    pub(crate) const fn settle(&mut self, completion: Completion) -> Result<Settled, Misuse> {
        match self {
            Self::Wait => {
                *self = Self::Back(completion);
                Ok(Settled::Last)
            }
            Self::Offer | Self::Back(_) => Err(Misuse::UnknownToken),
        }
    }

    /// 1 while the command is to be offered or is in flight.
    pub(super) const fn open(&self) -> u32 {
        match self {
            Self::Offer | Self::Wait => 1,
            Self::Back(_) => 0,
        }
    }
}
