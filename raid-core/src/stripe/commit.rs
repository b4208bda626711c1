//! Commit: the blocks are written. A member lost here costs its own write only: the parity is
//! fixed, and the row is never read again to plan anew.

use super::{Ending, Flush, Next, Outcome, Ports, Record, Rewrite, Stripe, Trouble, Work};
use crate::array::{Fate, Health, Standing};
use crate::batch::{Batch, Results, Round};
use crate::host::{Blocked, Command, Durability, Event, Host};
use crate::members::MemberSet;
use crate::plan::{Operation, Plan};
use crate::units::{MemberIndex, Sectors};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Commit {
    pub(super) work: Work,
    pub(super) plan: Plan,
    pub(super) io: Batch,
}

impl Commit {
    #[inline]
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

pub(super) fn write_command<H: Host>(
    work: &Work,
    plan: &Plan,
    ports: &Ports<'_, '_, H>,
    member: MemberIndex,
    start: Sectors,
    sectors: Sectors,
) -> Command {
    let (device, at) = ports.array.locate(&work.now(), member);
    let at = at.checked_add(start).unwrap_or(at);
    let place = ports.array.place_of(member);
    let from = work.buffers(ports.slot).after(&work.now(), place, plan.block).moved(start);
    let block = ports.array.part(&work.now(), member, start, sectors);
    let health = block.map_or(Health::Good, |block| ports.array.bad_blocks.health(block));
    let durability = match (health, work.operation) {
        (Health::Good, Operation::Write(_, durability)) => durability,
        (Health::Good, Operation::Read(_) | Operation::Check | Operation::Sync(_)) => {
            Durability::Cached
        }
        // The list is to call it good next.
        (Health::Mixed | Health::Bad, _) => Durability::Durable,
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
    let torn = ports.array.torn_replacement(work.operation, plan.writes, results.rejected, taken);
    ports.array.lose(torn, results.rejected_fault, ports.host);
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
    let healed = match work.operation {
        Operation::Write(..) | Operation::Sync(_) => done.intersection(ports.array.bad_seats(&now)),
        // Two reads at once may mend one block, and one of them fail to.
        Operation::Read(_) | Operation::Check => MemberSet::NONE,
    };
    match Rewrite::of(work, plan, results.blocks, healed, results.block_fault) {
        Some(rewrite) => Next::Enter(rewrite),
        None => finish(work, plan, Sectors::ZERO, ports),
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
/// recorded. So many sectors of members are on the list of bad blocks since.
pub(super) fn finish<H: Host>(
    work: Work,
    plan: Plan,
    bad: Sectors,
    ports: &mut Ports<'_, '_, H>,
) -> Next {
    let now = work.now();
    let outcome = match (work.operation, ports.array.standing(&now, plan.writes)) {
        // The pass has to know: writes may have been left out.
        (Operation::Sync(_), _) if ports.array.fate() == Fate::Failed => {
            Outcome::Failed(Trouble::ArrayFailed)
        }
        (Operation::Sync(_), _) if bad > Sectors::ZERO => Outcome::Unwritten { bad },
        (Operation::Read(_) | Operation::Sync(_), _)
        | (Operation::Check | Operation::Write(..), Standing::Kept) => {
            Outcome::Done { unserved: plan.unserved }
        }
        (Operation::Write(..), Standing::Lost) => Outcome::Failed(Trouble::Unkept),
        (Operation::Check, Standing::Lost) => Outcome::Failed(Trouble::Unrecoverable),
    };
    let ending = Ending::Work(work, outcome);
    let void = ports.array.absent().union(ports.array.rebuilding()).union(ports.array.bad(&now));
    match (work.operation, outcome) {
        (Operation::Write(_, Durability::Durable), Outcome::Done { .. })
            if !now.covered().intersection(void).is_empty() && !now.parity().is_empty() =>
        {
            // A block without a member of its own, or on one that the record does not vouch for up
            // to there, or that is bad, is in the whole row, which is durable where a flush has been.
            Next::Enter(Flush::enter(ending, ports.array))
        }
        (Operation::Read(_) | Operation::Check | Operation::Write(..) | Operation::Sync(_), _) => {
            Record::enter(ending, ports.array)
        }
    }
}
