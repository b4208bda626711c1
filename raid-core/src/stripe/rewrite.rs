//! Rewrite: what went wrong with single blocks is put right, one member after the other.
//!
//! A write that met a media fault is issued again in fault units. A unit that fails again is put on
//! the list of bad blocks; where there is no list, or no room on it, it costs the member. A block
//! that was bad and took its write comes off the list. And the blocks that a pass could not make
//! are put on it.
//!
//! What is on the list is durable before the operation goes on, so whatever is answered relies on
//! nothing that a crash forgets. A write to a bad block is durable when it is done: the list may
//! call the block good only then.
//!
//! A slot remembers few commands that were abandoned, one for each of a few states. When there is no
//! room for two more, the members still to be written are lost with the one whose command hung.

use super::commit::{finish, write_command};
use super::compute::Call;
use super::{Ending, Next, Outcome, Ports, Retries, Stripe, Trouble, Work};
use crate::array::{BadBlock, Fate, Health};
use crate::batch::Settled;
use crate::host::{BlockState, Blocked, Buffer, Command, Completion, Event, Fault, Host, Misuse};
use crate::members::MemberSet;
use crate::plan::{Operation, Plan};
use crate::rectangle::PIECES_MAX;
use crate::units::{FAULT_UNIT, MemberIndex, Sectors};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rewrite {
    pub(super) work: Work,
    pub(super) plan: Plan,
    /// Members still to be seen to, the present one included.
    queue: MemberSet,
    /// Those whose write is issued again, in units. The block of any other goes on the list, or
    /// comes off it, as a whole.
    retried: MemberSet,
    member: MemberIndex,
    /// How far into the block the present unit starts: less than a lane.
    start_sectors: u16,
    /// The fault that the whole write gave.
    fault: Fault,
    /// Sectors that are on the list now, of all members together: at most a lane of each.
    bad_sectors: u32,
    doing: Doing,
    call: Call,
}

/// What is being done with a unit, or with a whole block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Doing {
    Write,
    List(BlockState),
}

impl Rewrite {
    /// After writes: those in `retried` met a media fault, and those in `healed` wrote bad blocks.
    /// `None` if there are none.
    pub(super) fn of(
        work: Work,
        plan: Plan,
        retried: MemberSet,
        healed: MemberSet,
        fault: Fault,
    ) -> Option<Stripe> {
        let queue = retried.union(healed);
        let member = queue.lowest()?;
        let rewrite = Self {
            work,
            plan,
            queue,
            retried,
            member,
            start_sectors: 0,
            fault,
            bad_sectors: 0,
            doing: Doing::Write,
            call: Call::Offer,
        };
        Some(Stripe::Rewrite(Self { doing: rewrite.first(), ..rewrite }))
    }

    /// The blocks that a pass cannot make. `None` if there are none.
    #[inline]
    pub(super) fn given_up(work: Work, plan: Plan) -> Option<Stripe> {
        match work.operation {
            Operation::Sync(_) if plan.writes.is_empty() => {
                Self::of(work, plan, MemberSet::NONE, plan.unserved, Fault::Media)
            }
            Operation::Sync(_) | Operation::Read(_) | Operation::Write(..) | Operation::Check => {
                None
            }
        }
    }

    /// What is done first with the present member.
    fn first(&self) -> Doing {
        match (self.retried.contains(self.member), self.plan.writes.is_empty()) {
            // A single unit was tried already.
            (true, _) if self.work.sectors() <= FAULT_UNIT => Doing::List(BlockState::Bad),
            (true, _) => Doing::Write,
            (false, false) => Doing::List(BlockState::Good),
            (false, true) => Doing::List(BlockState::Bad),
        }
    }

    fn start(&self) -> Sectors {
        Sectors(self.start_sectors.into())
    }

    /// How much is done at once. Units are counted from the start of the block: there the requester's
    /// memory is as aligned as the devices ask.
    fn unit(&self) -> Sectors {
        let left = self.work.sectors().saturating_sub(self.start());
        if self.retried.contains(self.member) { left.min(FAULT_UNIT) } else { left }
    }

    fn range<H: Host>(&self, ports: &Ports<'_, '_, H>) -> Option<BadBlock> {
        ports.array.part(&self.work.now(), self.member, self.start(), self.unit())
    }

    pub(super) fn step<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        match self.call {
            Call::Wait => Next::Wait(Stripe::Rewrite(self)),
            Call::Offer => self.offer(ports),
            Call::Back(Completion::Failed(fault)) => self.failed(fault, ports),
            Call::Back(Completion::Done | Completion::Compared { .. } | Completion::Located(_)) => {
                self.done(ports)
            }
        }
    }

    fn offer<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let stopped = match ports.array.fate() {
            Fate::Failed => true,
            Fate::Serving => ports.array.absent().contains(self.member),
        };
        if stopped {
            return self.next_member(ports);
        }
        let range = self.range(ports).filter(|_| ports.array.bad_blocks.has_memory());
        match (self.doing, range) {
            (Doing::List(BlockState::Bad), None) => return self.unlisted(ports),
            // What cannot come off the list stays on record, and still counts as bad.
            (Doing::List(BlockState::Good), Some(range))
                if ports.array.bad_blocks.split_by(range).is_err() =>
            {
                return self.next_unit(ports);
            }
            (Doing::List(BlockState::Bad), Some(range))
                if ports.array.bad_blocks.has_on_record(range) =>
            {
                return self.counted(ports);
            }
            (Doing::List(BlockState::Bad | BlockState::Good) | Doing::Write, _) => {}
        }
        let command = self.command(ports);
        match ports.submit(self.member, command) {
            Ok(()) => Next::Wait(Stripe::Rewrite(Self { call: Call::Wait, ..self })),
            Err(_) => Next::Refused(Stripe::Rewrite(self), Blocked::by(&command)),
        }
    }

    fn command<H: Host>(&self, ports: &Ports<'_, '_, H>) -> Command {
        let Self { work, plan, member, .. } = self;
        let (member, start, sectors) = (*member, self.start(), self.unit());
        match self.doing {
            Doing::Write => write_command(work, plan, ports, member, start, sectors),
            Doing::List(state) => {
                let (device, at) = ports.array.locate(&work.now(), member);
                let at = at.checked_add(start).unwrap_or(at);
                Command::RecordBad { device, member, at, sectors, state }
            }
        }
    }

    fn done<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let Some(range) = self.range(ports) else { return self.next_unit(ports) };
        let bad_blocks = &mut ports.array.bad_blocks;
        let known = bad_blocks.health(range);
        match (self.doing, known, self.work.operation) {
            (Doing::Write, Health::Good, _)
            // Two reads at once may mend one block, and one of them fail to.
            | (Doing::Write, _, Operation::Read(_) | Operation::Check) => self.next_unit(ports),
            (Doing::Write, Health::Mixed | Health::Bad, Operation::Write(..) | Operation::Sync(_)) => {
                self.list(BlockState::Good)
            }
            (Doing::List(BlockState::Bad), ..) => match bad_blocks.add(range) {
                Ok(()) => {
                    self.note(BlockState::Bad, ports);
                    self.counted(ports)
                }
                Err(_) => self.unlisted(ports),
            },
            (Doing::List(BlockState::Good), ..) => {
                match bad_blocks.clear(range) {
                    Ok(()) => self.note(BlockState::Good, ports),
                    // The list was filled meanwhile.
                    Err(_) => bad_blocks.differ_from_record(),
                }
                self.next_unit(ports)
            }
        }
    }

    fn failed<H: Host>(self, fault: Fault, ports: &mut Ports<'_, '_, H>) -> Next {
        match (self.doing, fault) {
            (Doing::Write, Fault::Media | Fault::Integrity) => self.list(BlockState::Bad),
            (Doing::List(BlockState::Bad), Fault::Unsupported | Fault::InvalidRequest) => {
                self.unlisted(ports)
            }
            // It still counts as bad.
            (Doing::List(BlockState::Good), Fault::Unsupported | Fault::InvalidRequest) => {
                self.next_unit(ports)
            }
            (Doing::Write | Doing::List(_), _) => self.lose(fault, ports),
        }
    }

    /// The unit is written, or its fault is to be listed: what comes then.
    const fn list(self, state: BlockState) -> Next {
        Next::Enter(Stripe::Rewrite(Self { doing: Doing::List(state), call: Call::Offer, ..self }))
    }

    fn note<H: Host>(&self, state: BlockState, ports: &mut Ports<'_, '_, H>) {
        let (_, at) = ports.array.locate(&self.work.now(), self.member);
        let at = at.checked_add(self.start()).unwrap_or(at);
        let (member, sectors) = (self.member, self.unit());
        ports.host.note(match state {
            BlockState::Bad => Event::BlockBad { member, at, sectors },
            BlockState::Good => Event::BlockGood { member, at, sectors },
        });
    }

    /// The unit is on the list.
    fn counted<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let more = u32::try_from(self.unit().0).unwrap_or(u32::MAX);
        let bad_sectors = self.bad_sectors.saturating_add(more);
        Self { bad_sectors, ..self }.next_unit(ports)
    }

    /// A block is bad, and no list takes it: what was not written costs the member, and what was
    /// not made ends the pass.
    fn unlisted<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        if self.retried.contains(self.member) {
            return self.lose(self.fault, ports);
        }
        Next::Done(Ending::Work(self.work, Outcome::Failed(Trouble::Unrecoverable)))
    }

    fn lose<H: Host>(self, fault: Fault, ports: &mut Ports<'_, '_, H>) -> Next {
        if let Fate::Serving = ports.array.fate() {
            ports.array.lose(MemberSet::only(self.member), fault, ports.host);
        }
        match (ports.array.fate(), ports.retries) {
            (Fate::Serving, Retries::Over) => {
                let queued = self.queue.intersection(self.retried);
                ports.array.lose(queued, self.fault, ports.host);
                self.end(ports)
            }
            (Fate::Serving, Retries::Allowed) | (Fate::Failed, _) => self.next_member(ports),
        }
    }

    fn next_unit<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let start = self.start().checked_add(self.unit());
        let start = start.filter(|start| *start < self.work.sectors());
        match start.and_then(|start| u16::try_from(start.0).ok()) {
            Some(start_sectors) => Next::Enter(Stripe::Rewrite(Self {
                start_sectors,
                doing: Doing::Write,
                call: Call::Offer,
                ..self
            })),
            None => self.next_member(ports),
        }
    }

    fn next_member<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let mut queue = self.queue;
        queue.remove(self.member);
        let Some(member) = queue.lowest() else { return self.end(ports) };
        let next = Self { queue, member, start_sectors: 0, call: Call::Offer, ..self };
        Next::Enter(Stripe::Rewrite(Self { doing: next.first(), ..next }))
    }

    fn end<H: Host>(self, ports: &mut Ports<'_, '_, H>) -> Next {
        let bad = Sectors(self.bad_sectors.into());
        if !self.plan.writes.is_empty() {
            return finish(self.work, self.plan, bad, ports);
        }
        let lost = !self.plan.unserved.intersection(ports.array.absent()).is_empty();
        let outcome = match ports.array.fate() {
            Fate::Failed => Outcome::Failed(Trouble::ArrayFailed),
            Fate::Serving if lost => Outcome::Failed(Trouble::Unrecoverable),
            Fate::Serving => Outcome::GivenUp { bad },
        };
        Next::Done(Ending::Work(self.work, outcome))
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

    /// The memory that the command in flight names, where this is what a write is made from.
    pub(super) const fn memory(&self, written: Option<Buffer>) -> Option<Buffer> {
        match self.doing {
            Doing::Write => written,
            Doing::List(_) => None,
        }
    }

    pub(super) fn counts_on(&self, member: MemberIndex) -> bool {
        self.queue.contains(member)
    }

    /// Each unit is written and then listed, at most.
    pub(super) fn open(&self) -> u32 {
        let units = self.work.sectors().saturating_sub(self.start()).0.div_ceil(FAULT_UNIT.0);
        let later = u64::from(self.queue.count().saturating_sub(1));
        let units = later.saturating_mul(PIECES_MAX).saturating_add(units);
        let doing = match self.doing {
            Doing::Write => 2,
            Doing::List(_) => 0,
        };
        let all = u32::try_from(units.saturating_mul(4)).unwrap_or(u32::MAX);
        all.saturating_add(doing).saturating_add(self.call.open())
    }
}
