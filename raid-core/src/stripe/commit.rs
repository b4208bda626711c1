//! Commit: the blocks are written. A member lost here costs its own write only: the parity is
//! fixed, and the row is never read again to plan anew.

use super::compute::Call;
use super::{Ending, Flush, Next, Outcome, Ports, Record, Retries, Stripe, Trouble, Work};
use crate::array::{Fate, Standing};
use crate::batch::{Batch, Results, Round, Settled};
use crate::host::{Blocked, Command, Completion, Durability, Event, Fault, Host, Misuse};
use crate::members::MemberSet;
use crate::plan::{Operation, Plan};
use crate::units::{FAULT_UNIT, MemberIndex, Sectors};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Commit {
    pub(super) work: Work,
    pub(super) plan: Plan,
    pub(super) io: Batch,
}

impl Commit {
    pub(super) const fn enter(work: Work, plan: Plan) -> Stripe {
        Stripe::Commit(Self { work, plan, io: Batch::of(plan.writes) })
    }

    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let Self { work, plan, io } = self;
        // A failed array gets no more writes; those that are in flight come back.
        let stopped = match ports.array.fate() {
            Fate::Serving => ports.array.absent(),
            Fate::Failed => plan.writes,
        };
        let mut refused = None;
        let round = io.offer(stopped, |member| {
            let command = write_command(&work, &plan, ports, member, Sectors::ZERO, work.sectors());
            ports.submit(member, command).inspect_err(|_| refused = Some(Blocked::by(&command)))
        });
        match round {
            Round::Waiting(io) => Next::Wait(Stripe::Commit(Self { io, ..self })),
            Round::Refused(io, _) => match refused {
                Some(by) => Next::Refused(Stripe::Commit(Self { io, ..self }), by),
                None => Next::Wait(Stripe::Commit(Self { io, ..self })),
            },
            Round::Quiet(results) => written(work, plan, results, ports),
        }
    }
}

fn write_command<H: Host>(
    work: &Work,
    plan: &Plan,
    ports: &Ports<'_, '_, H>,
    member: MemberIndex,
    start: Sectors,
    sectors: Sectors,
) -> Command {
    let (device, at) = ports.array.locate(&work.now(), member);
    let at = at.checked_add(start).unwrap_or(at);
    let from = work.buffers(ports.slot).after(&work.now(), member, plan.block).moved(start);
    let durability = match work.operation {
        Operation::Write(_, durability) => durability,
        Operation::Read(_) | Operation::Check | Operation::Sync(_) => Durability::Cached,
    };
    Command::Write { device, at, sectors, from, durability }
}

fn written<H: Host>(
    work: Work,
    plan: Plan,
    results: Results,
    ports: &mut Ports<'_, '_, H>,
) -> Next {
    if let Fate::Serving = ports.array.fate() {
        ports.array.lose(results.members, results.member_fault, ports.host);
    }
    // What is mended beside a write changes nothing in the row, taken or not.
    let now = work.now();
    let changed = now.covered().union(now.parity());
    let failed = results.blocks.union(results.members).union(results.rejected);
    let done = plan.writes.difference(failed);
    let taken = done.union(results.blocks).intersection(changed);
    let rejected = results.rejected.intersection(changed);
    match work.operation {
        Operation::Sync(_) if !results.rejected.is_empty() => {
            // The pass has to know: this rectangle is not done.
            let trouble = Trouble::Rejected(results.rejected_fault);
            return Next::Done(Ending::Work(work, Outcome::Failed(trouble)));
        }
        Operation::Write(..) if rejected.is_empty() => {}
        Operation::Write(..) if taken.is_empty() => {
            // No member took anything: the requester can have it back as if nothing had been tried.
            let trouble = Trouble::Rejected(results.rejected_fault);
            return Next::Done(Ending::Work(work, Outcome::Failed(trouble)));
        }
        // Part of the row is written, so it must not stay torn: these writes are lost like any
        // other.
        Operation::Write(..) => ports.array.lose(rejected, results.rejected_fault, ports.host),
        // The block was only to be mended. It is as it was.
        Operation::Read(_) | Operation::Check | Operation::Sync(_) => {}
    }
    note_rewritten(&work, done, ports);
    match results.blocks.lowest() {
        Some(member) => {
            let queue = results.blocks;
            Next::Enter(Stripe::Rewrite(Rewrite {
                work,
                plan,
                queue,
                member,
                start: Sectors::ZERO,
                fault: results.block_fault,
                call: Call::Offer,
            }))
        }
        None => finish(work, plan, ports),
    }
}

fn note_rewritten<H: Host>(work: &Work, done: MemberSet, ports: &mut Ports<'_, '_, H>) {
    match work.operation {
        Operation::Read(_) => {
            for member in done {
                let (_, at) = ports.array.locate(&work.now(), member);
                ports.host.note(Event::BlockRewritten { member, at, sectors: work.sectors() });
            }
        }
        Operation::Write(..) | Operation::Check | Operation::Sync(_) => {}
    }
}

/// Where the row stands after its writes: the end, unless the loss of a member is still to be
/// recorded.
fn finish<H: Host>(work: Work, plan: Plan, ports: &mut Ports<'_, '_, H>) -> Next {
    let now = work.now();
    let outcome = match (work.operation, ports.array.standing(&now, plan.writes)) {
        // The pass has to know: writes may have been left out.
        (Operation::Sync(_), _) if ports.array.fate() == Fate::Failed => {
            Outcome::Failed(Trouble::ArrayFailed)
        }
        (Operation::Read(_) | Operation::Sync(_), _)
        | (Operation::Check | Operation::Write(..), Standing::Kept) => {
            Outcome::Done { unserved: plan.unserved }
        }
        (Operation::Check | Operation::Write(..), Standing::Lost) => {
            Outcome::Failed(Trouble::Unrecoverable)
        }
    };
    let ending = Ending::Work(work, outcome);
    let void = ports.array.absent().union(ports.array.rebuilding());
    match (work.operation, outcome) {
        (Operation::Write(_, Durability::Durable), Outcome::Done { .. })
            if !now.covered().intersection(void).is_empty() && !now.parity().is_empty() =>
        {
            // A block without a member of its own, or on one that the record does not vouch for up
            // to there, is in the whole row, which is durable where a flush has been.
            Next::Enter(Flush::enter(ending, ports.array))
        }
        (Operation::Read(_) | Operation::Check | Operation::Write(..) | Operation::Sync(_), _) => {
            Record::enter(ending, ports.array)
        }
    }
}

/// Rewrite: a write met a media fault. It is issued again in fault units, to one member after the
/// other; a unit that fails again costs the member, because there is no list of bad blocks to put
/// it on.
///
/// A slot remembers few commands that were abandoned, one for each of a few states. When there is no
/// room for two more, the members still queued are lost with the one whose command hung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rewrite {
    pub(super) work: Work,
    pub(super) plan: Plan,
    /// Members still to be written, the present one included.
    queue: MemberSet,
    member: MemberIndex,
    /// How far into the block the present unit starts.
    start: Sectors,
    /// The fault that the whole write gave.
    fault: Fault,
    call: Call,
}

impl Rewrite {
    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let Self { work, plan, member, start, fault, call, .. } = self;
        let length = work.sectors();
        let stopped = match ports.array.fate() {
            Fate::Failed => true,
            Fate::Serving => ports.array.absent().contains(member),
        };
        let unit = length.saturating_sub(start).min(FAULT_UNIT);
        match call {
            Call::Wait => Next::Wait(Stripe::Rewrite(self)),
            Call::Offer if stopped => self.next_member(ports),
            // A single unit was tried already.
            Call::Offer if length <= FAULT_UNIT => {
                ports.array.lose(MemberSet::only(member), fault, ports.host);
                self.next_member(ports)
            }
            Call::Offer => {
                let command = write_command(&work, &plan, ports, member, start, unit);
                match ports.submit(member, command) {
                    Ok(()) => Next::Wait(Stripe::Rewrite(Self { call: Call::Wait, ..self })),
                    Err(_) => Next::Refused(Stripe::Rewrite(self), Blocked::by(&command)),
                }
            }
            Call::Back(Completion::Done | Completion::Compared { .. } | Completion::Located(_)) => {
                match start.checked_add(unit).filter(|start| *start < length) {
                    Some(start) => {
                        Next::Enter(Stripe::Rewrite(Self { start, call: Call::Offer, ..self }))
                    }
                    None => self.next_member(ports),
                }
            }
            Call::Back(Completion::Failed(fault)) => {
                if let Fate::Serving = ports.array.fate() {
                    ports.array.lose(MemberSet::only(member), fault, ports.host);
                }
                if let (Fate::Serving, Retries::Over) = (ports.array.fate(), ports.retries) {
                    ports.array.lose(self.queue, self.fault, ports.host);
                }
                self.next_member(ports)
            }
        }
    }

    fn next_member<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let mut queue = self.queue;
        queue.remove(self.member);
        match queue.lowest() {
            Some(member) => Next::Enter(Stripe::Rewrite(Self {
                queue,
                member,
                start: Sectors::ZERO,
                call: Call::Offer,
                ..self
            })),
            None => finish(self.work, self.plan, ports),
        }
    }

    pub(super) fn settle(
        &mut self,
        member: MemberIndex,
        completion: Completion,
    ) -> Result<Settled, Misuse> {
        match completion {
            _ if member != self.member => Err(Misuse::UnknownToken),
            Completion::Compared { .. } | Completion::Located(_) => Err(Misuse::WrongCompletion),
            Completion::Done | Completion::Failed(_) => self.call.settle(completion),
        }
    }

    pub(super) fn open(&self) -> u32 {
        let units = self.work.sectors().saturating_sub(self.start).0.div_ceil(FAULT_UNIT.0);
        let later = u64::from(self.queue.count().saturating_sub(1));
        let all = later.saturating_mul(crate::rectangle::PIECES_MAX).saturating_add(units);
        u32::try_from(all.saturating_mul(2)).unwrap_or(u32::MAX).saturating_add(self.call.open())
    }
}
