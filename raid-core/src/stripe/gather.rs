//! Gather: the plan's blocks are read. A lost block leads back to Planned, where more is known to
//! be lost.

use super::{Compute, Ending, Next, Outcome, ParityLog, Planned, Ports, Stripe, Trouble, Work};
use crate::array::Array;
use crate::batch::{Batch, Results, Round};
use crate::host::{Blocked, Command, Host};
use crate::members::MemberSet;
use crate::plan::Plan;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gather {
    pub(super) work: Work,
    pub(super) plan: Plan,
    pub(super) faulted: MemberSet,
    pub(super) io: Batch,
}

impl Gather {
    /// Members and blocks that the plan counts on and that can still be lost: those it reads count
    /// as they were when it was made.
    pub(super) fn losable(&self, array: &Array<'_>) -> u32 {
        array.present().union(self.plan.reads).difference(self.faulted).count()
    }

    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let Self { work, plan, faulted, io } = self;
        let io = io.sparing(ports.array.bad(&work.now()));
        let buffers = work.buffers(ports.slot);
        let mut refused = None;
        let round = io.offer(ports.array.absent(), |member| {
            let (device, at) = ports.array.locate(&work.now(), member);
            let into = buffers.before(&work.now(), member);
            let command = Command::Read { device, at, sectors: work.sectors(), into };
            ports.submit(member, command).inspect_err(|_| refused = Some(Blocked::by(&command)))
        });
        match round {
            Round::Waiting(io) => Next::Wait(Stripe::Gather(Self { io, ..self })),
            Round::Refused(io, _) => match refused {
                Some(by) => Next::Refused(Stripe::Gather(Self { io, ..self }), by),
                None => Next::Wait(Stripe::Gather(Self { io, ..self })),
            },
            // Nothing is in flight: the buffers are ours.
            Round::Quiet(results) => gathered(work, plan, faulted, results, ports),
        }
    }
}

fn gathered<H: Host>(
    work: Work,
    plan: Plan,
    faulted: MemberSet,
    results: Results,
    ports: &mut Ports<'_, '_, H>,
) -> Next {
    ports.array.balance.end(work.whole(), plan.reads);
    ports.array.lose(results.members, results.member_fault, ports.host);
    if !results.rejected.is_empty() {
        let trouble = Trouble::Rejected(results.rejected_fault);
        return Next::Done(Ending::Work(work, Outcome::Failed(trouble)));
    }
    if !results.blocks.is_empty() {
        if let Some(work) = work.narrowed() {
            return Next::Enter(Planned::enter(work, MemberSet::NONE));
        }
        return Next::Enter(Planned::enter(work, faulted.union(results.blocks)));
    }
    if !results.members.is_empty() {
        return Next::Enter(Planned::enter(work, faulted));
    }
    match plan.tasks.get(0) {
        Some(_) => Next::Enter(Compute::enter(work, plan)),
        None => ParityLog::enter(work, plan, ports.array),
    }
}
