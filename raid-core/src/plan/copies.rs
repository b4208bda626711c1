//! Plans for a chunk with copies: levels 0, 1 and 10.

use super::{NoPlan, Plan, Snapshot, Source, Task, Tasks, Transfer};
use crate::members::MemberSet;
use crate::units::MemberIndex;

pub(super) struct ChunkPlan {
    copies: MemberSet,
    at: Snapshot,
}

impl ChunkPlan {
    pub(super) const fn new(copies: MemberSet, at: Snapshot) -> Self {
        Self { copies, at }
    }

    /// One copy is read. Where copies are not known to agree none is preferred, so that every read of
    /// one range sees the same of them: the first that is left.
    pub(super) fn read(&self, transfer: Transfer) -> Plan {
        let left = self.copies.difference(self.at.unreadable);
        let preferred = self.at.preferred.filter(|member| left.contains(*member));
        let Some(block) = preferred.or(left.lowest()) else {
            return Plan { unserved: self.copies, ..Plan::NOTHING };
        };
        let deliver = match transfer {
            Transfer::Direct => None,
            Transfer::Staged => Some(Task::Deliver),
        };
        let found = self.at.faulted.difference(self.at.bad);
        Plan {
            reads: MemberSet::only(block),
            tasks: Tasks::of([deliver, None, None, None]),
            writes: self.copies.intersection(found).difference(self.at.unwritable),
            block,
            ..Plan::NOTHING
        }
    }

    /// Every copy is written. One of them at least must be a valid copy, not one that is still
    /// being rebuilt.
    pub(super) fn write(&self, source: Source) -> Result<Plan, NoPlan> {
        let writes = self.copies.difference(self.at.unwritable);
        let valid = self.copies.difference(self.at.unreadable).union(self.unread());
        let block = writes.intersection(valid).lowest().ok_or(NoPlan::Unrecoverable)?;
        let stage = match source {
            Source::Direct => None,
            Source::Staged | Source::Zeroes => Some(Task::Stage),
        };
        Ok(Plan { writes, tasks: Tasks::of([stage, None, None, None]), block, ..Plan::NOTHING })
    }

    pub(super) fn check(&self) -> Result<Plan, NoPlan> {
        let lost = self.copies.intersection(self.at.unreadable);
        let whole = lost.difference(self.unread()).is_empty();
        let Some(block) = self.copies.lowest().filter(|_| whole && self.copies.count() > 1) else {
            return Err(NoPlan::NothingToCompare);
        };
        if !lost.is_empty() {
            return Err(NoPlan::NotCompared);
        }
        let tasks = Tasks::of([Some(Task::Check), None, None, None]);
        Ok(Plan { reads: self.copies, tasks, block, ..Plan::NOTHING })
    }

    /// Every other copy becomes what the first that is left is.
    pub(super) fn rewrite(&self) -> Result<Plan, NoPlan> {
        let Ok((block, reads)) = self.first() else {
            let bad = self.copies.intersection(self.unread()).difference(self.at.unwritable);
            return Plan::give_up(bad, &self.at);
        };
        let valid = self.copies.difference(self.at.unreadable).union(self.unread());
        let others = self.copies.intersection(valid).difference(reads);
        Ok(Plan { reads, writes: others.difference(self.at.unwritable), block, ..Plan::NOTHING })
    }

    /// Copies that are not valid though their member takes writes become what the first valid one
    /// is. If there is none, they are bad; one that cannot be read says so itself.
    pub(super) fn rebuild(&self) -> Result<Plan, NoPlan> {
        let stale = self.copies.intersection(self.at.unreadable);
        let writes = stale.difference(self.at.unwritable);
        if writes.difference(self.unread()).is_empty() {
            return Ok(Plan::NOTHING);
        }
        let Ok((block, reads)) = self.first() else {
            return Plan::give_up(writes.difference(self.at.faulted), &self.at);
        };
        Ok(Plan { reads, writes, block, ..Plan::NOTHING })
    }

    /// The copy of one member as it is, or as the first that is left.
    pub(super) fn copy(&self, member: MemberIndex) -> Result<Plan, NoPlan> {
        let own = MemberSet::only(member);
        let (block, reads) = match self.at.unreadable.contains(member) {
            false => (member, own),
            true => match self.first() {
                Ok(first) => first,
                Err(_) => return Plan::give_up(own, &self.at),
            },
        };
        Ok(Plan { reads, writes: own, block, ..Plan::NOTHING })
    }

    /// Copies that cannot be read though their member is valid here.
    fn unread(&self) -> MemberSet {
        self.at.faulted.union(self.at.bad)
    }

    fn first(&self) -> Result<(MemberIndex, MemberSet), NoPlan> {
        let valid = self.copies.difference(self.at.unreadable);
        let block = valid.lowest().ok_or(NoPlan::Unrecoverable)?;
        Ok((block, MemberSet::only(block)))
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that panics has failed, and says where")]
mod tests;
