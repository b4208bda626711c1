//! Plans for a row with parity: levels 4, 5 and 6.

use super::{
    Logged, Logging, NoPlan, Parities, PartialParity, Plan, Recovery, Redundancy, Snapshot, Source,
    Task, Tasks, Transfer, UpdateWay,
};
use crate::geometry::Row;
use crate::members::MemberSet;
use crate::rectangle::Rectangle;
use crate::units::MemberIndex;

/// The sets that every plan of a row is made of.
pub(super) struct RowPlan {
    row: Row,
    /// Data blocks that the request covers.
    covered: MemberSet,
    data: MemberSet,
    parity: MemberSet,
    at: Snapshot,
}

/// How lost data blocks come back.
struct Rescue {
    recovery: Recovery,
    /// Blocks to read for it.
    reads: MemberSet,
    /// Blocks that hold their value afterwards.
    restored: MemberSet,
}

/// What one way to write a row costs and needs.
struct WritePath {
    reads: MemberSet,
    tasks: Tasks,
    /// Blocks to write besides the covered ones and the parity: those rescued on the way.
    mended: MemberSet,
}

impl RowPlan {
    pub(super) fn new(rectangle: &Rectangle, row: Row, at: Snapshot) -> Self {
        let parity = row.parity_places();
        let data = row.data_places();
        Self { row, covered: rectangle.covered(), data, parity, at }
    }

    pub(super) fn read(&self, transfer: Transfer) -> Plan {
        let deliver = match transfer {
            Transfer::Direct => None,
            Transfer::Staged => Some(Task::Deliver),
        };
        let lost = self.covered.intersection(self.at.unreadable);
        let plan = Plan {
            reads: self.covered.difference(lost),
            tasks: Tasks::of([deliver, None, None, None]),
            ..Plan::NOTHING
        };
        if lost.is_empty() {
            return plan;
        }
        let Some(rescue) = self.rescue() else {
            // What can be served is served; the rest is named.
            let tasks = if plan.reads.is_empty() { Tasks::NONE } else { plan.tasks };
            return Plan { unserved: lost, tasks, ..plan };
        };
        Plan {
            reads: rescue.reads,
            tasks: Tasks::of([Some(Task::Recover(rescue.recovery)), deliver, None, None]),
            writes: self.mendable(rescue.restored),
            ..plan
        }
    }

    pub(super) fn write(&self, source: Source) -> Result<Plan, NoPlan> {
        let lost = self.data.union(self.parity).intersection(self.at.unwritable);
        if lost.count() > self.parity.count() {
            return Err(NoPlan::Unrecoverable);
        }
        let live = self.parity.difference(self.at.unwritable);
        // What is written to a member that is not rebuilt up to here counts only if the others make
        // up for it. A bad block that is written is bad no more.
        let mended = self.at.faulted.union(self.at.bad.intersection(self.covered.union(live)));
        let void = self.at.unreadable.difference(mended).union(lost);
        let void = void.intersection(self.data.union(self.parity));
        if void.count() > self.parity.count() && !void.intersection(self.covered).is_empty() {
            return Err(NoPlan::Unrecoverable);
        }
        // Parity that cannot be made is left out if it is bad already: it stands in for nobody. A
        // journal takes all parity, also that of a member that may come back.
        let path = |made| self.write_path(source, made).map(|path| (path, made));
        let all = match self.at.logging {
            Logging::Journal => path(self.parity),
            Logging::No | Logging::NotYet | Logging::PartialParity => None,
        };
        let found = all.or_else(|| path(live)).or_else(|| path(live.difference(self.at.bad)));
        let (path, live) = found.ok_or(NoPlan::Unrecoverable)?;
        Ok(Plan {
            reads: path.reads,
            tasks: path.tasks,
            writes: self.covered.union(live).union(path.mended).difference(self.at.unwritable),
            logged: self.logged(live),
            ..Plan::NOTHING
        })
    }

    /// The best way to write the covered blocks and this parity.
    fn write_path(&self, source: Source, live: MemberSet) -> Option<WritePath> {
        let Some(parities) = self.parities(live) else {
            // No parity is left to keep: the covered blocks are all that there is to write.
            return Some(WritePath {
                reads: MemberSet::NONE,
                tasks: Tasks::of([stage(source), None, None, None]),
                mended: MemberSet::NONE,
            });
        };
        let reconstruct = self.reconstruct_write(source, parities);
        let modify = self.read_modify_write(source, parities, live);
        match (reconstruct, modify) {
            (Some(reconstruct), Some(modify)) => {
                // The fewer reads; at a tie the one that does not depend on old parity.
                let modifies = modify.reads.count() < reconstruct.reads.count();
                Some(if modifies { modify } else { reconstruct })
            }
            (Some(path), None) | (None, Some(path)) => Some(path),
            (None, None) => self.rescue_write(source, parities),
        }
    }

    pub(super) fn check(&self) -> Result<Plan, NoPlan> {
        let all = self.data.union(self.parity);
        let lost = all.intersection(self.at.unreadable);
        if !lost.difference(self.unread()).is_empty() {
            return Err(NoPlan::NothingToCompare);
        }
        if !lost.is_empty() {
            return Err(NoPlan::NotCompared);
        }
        Ok(Plan {
            reads: all,
            tasks: Tasks::of([Some(Task::Check), None, None, None]),
            ..Plan::NOTHING
        })
    }

    /// All live parity is made from the data and written, whatever it was. Data that cannot be read
    /// is recovered first, from a parity that is known to be good.
    pub(super) fn rewrite(&self) -> Result<Plan, NoPlan> {
        let live = self.parity.difference(self.at.unwritable);
        let Some(parities) = self.parities(live) else { return Ok(Plan::NOTHING) };
        let (reads, recover, restored) = if self.data.intersection(self.at.unreadable).is_empty() {
            (self.data, None, MemberSet::NONE)
        } else {
            match self.rescue() {
                Some(rescue) => {
                    (rescue.reads, Some(Task::Recover(rescue.recovery)), rescue.restored)
                }
                None => return Plan::give_up(self.beyond_repair(live), &self.at),
            }
        };
        let mended = restored.intersection(self.unread()).difference(self.at.unwritable);
        Ok(Plan {
            reads,
            tasks: Tasks::of([recover, Some(Task::Generate(parities)), None, None]),
            writes: live.union(mended),
            ..Plan::NOTHING
        })
    }

    /// What is bad where data cannot be recovered: what cannot be read, and the parity where it is
    /// not known to be good. It would stand in for the data with anything.
    fn beyond_repair(&self, live: MemberSet) -> MemberSet {
        let unread = self.unread().intersection(self.data.union(self.parity));
        let bad = match self.at.redundancy {
            Redundancy::InSync => unread,
            Redundancy::Unknown => unread.union(live),
        };
        bad.difference(self.at.unwritable)
    }

    /// The blocks that are not valid though their member takes writes are made from the others. If
    /// they cannot be, they are bad; one that cannot be read says so itself.
    pub(super) fn rebuild(&self) -> Result<Plan, NoPlan> {
        let stale = self.data.union(self.parity).intersection(self.at.unreadable);
        let targets = stale.difference(self.at.unwritable);
        if targets.difference(self.unread()).is_empty() {
            return Ok(Plan::NOTHING);
        }
        match self.restore(targets) {
            Err(NoPlan::Unrecoverable) => {
                Plan::give_up(targets.difference(self.at.faulted), &self.at)
            }
            other => other,
        }
    }

    /// All blocks are read, to find the one that fits neither parity.
    pub(super) fn locate(&self) -> Result<Plan, NoPlan> {
        self.row.q().ok_or(NoPlan::NothingToCompare)?;
        Ok(Plan { tasks: Tasks::of([Some(Task::Locate), None, None, None]), ..self.check()? })
    }

    /// These blocks, which count as unreadable, are made from the others and written.
    pub(super) fn restore(&self, targets: MemberSet) -> Result<Plan, NoPlan> {
        let parities = self.parities(targets.intersection(self.parity)).map(Task::Generate);
        let lost = self.data.intersection(self.at.unreadable);
        let (reads, recover) = if lost.is_empty() {
            (self.data, None)
        } else {
            let rescue = self.rescue().ok_or(NoPlan::Unrecoverable)?;
            (rescue.reads, Some(Task::Recover(rescue.recovery)))
        };
        let tasks = Tasks::of([recover, parities, None, None]);
        Ok(Plan { reads, tasks, writes: targets, ..Plan::NOTHING })
    }

    /// The block of one member as the member has it, or made from the others.
    pub(super) fn copy(&self, member: MemberIndex) -> Result<Plan, NoPlan> {
        let block = MemberSet::only(member);
        if !self.at.unreadable.contains(member) {
            return Ok(Plan { reads: block, writes: block, ..Plan::NOTHING });
        }
        match self.restore(block) {
            Err(NoPlan::Unrecoverable) => Plan::give_up(block, &self.at),
            other => other,
        }
    }

    /// What has to be in a log before this parity is written. What is not rebuilt up to here stands in
    /// for nothing; a bad block does as soon as it is written.
    fn logged(&self, live: MemberSet) -> Logged {
        let stale = self.at.unreadable.difference(self.at.faulted.union(self.at.bad));
        let kept = live.difference(stale);
        match self.at.logging {
            Logging::No => Logged::No,
            Logging::NotYet => Logged::NotYet,
            Logging::Journal => Logged::ToJournal,
            Logging::PartialParity if kept.contains(self.row.p()) => Logged::At(self.row.p()),
            Logging::PartialParity => Logged::No,
        }
    }

    /// The job that makes what is logged. It runs before the old blocks are changed.
    fn partial_parity(&self, way: UpdateWay) -> Option<Task> {
        match (self.logged(self.parity), PartialParity::of(&self.row, self.covered, way)) {
            (Logged::At(_), PartialParity::XorOf(_)) => Some(Task::PartialParity(way)),
            (Logged::At(_), PartialParity::None)
            | (Logged::No | Logged::NotYet | Logged::ToJournal | Logged::InJournal(_), _) => None,
        }
    }

    /// Parity from all data: what is not written is read. A full-stripe write reads nothing.
    fn reconstruct_write(&self, source: Source, parities: Parities) -> Option<WritePath> {
        let reads = self.data.difference(self.covered);
        reads.intersection(self.at.unreadable).is_empty().then(|| WritePath {
            reads,
            tasks: Tasks::of([
                stage(source),
                self.partial_parity(UpdateWay::ReconstructWrite),
                Some(Task::Generate(parities)),
                None,
            ]),
            mended: MemberSet::NONE,
        })
    }

    /// Parity from old parity, old data and new data.
    fn read_modify_write(
        &self,
        source: Source,
        parities: Parities,
        live: MemberSet,
    ) -> Option<WritePath> {
        let reads = self.covered.union(live);
        let possible = match self.at.redundancy {
            Redundancy::InSync => reads.intersection(self.at.unreadable).is_empty(),
            Redundancy::Unknown => false,
        };
        let partial = self.partial_parity(UpdateWay::ReadModifyWrite);
        let tasks = match source {
            Source::Direct => [partial, Some(Task::Update(parities)), None, None],
            // Old and new data share a lane: the old goes out of the parity before the new comes
            // in.
            Source::Staged | Source::Zeroes => {
                let [subtract, add] = [Task::Subtract(parities), Task::Add(parities)];
                [partial, Some(subtract), Some(Task::Stage), Some(add)]
            }
        };
        possible.then(|| WritePath { reads, tasks: Tasks::of(tasks), mended: MemberSet::NONE })
    }

    /// A block that is not written is lost, and so is an old value that a read-modify-write needs:
    /// the old row is recovered first, then parity is made from all data.
    fn rescue_write(&self, source: Source, parities: Parities) -> Option<WritePath> {
        let rescue = self.rescue()?;
        Some(WritePath {
            reads: rescue.reads,
            tasks: Tasks::of([
                Some(Task::Recover(rescue.recovery)),
                stage(source),
                self.partial_parity(UpdateWay::ReconstructWrite),
                Some(Task::Generate(parities)),
            ]),
            mended: self.mendable(rescue.restored.intersection(self.data)),
        })
    }

    /// How all lost data blocks of the row come back, if they can.
    fn rescue(&self) -> Option<Rescue> {
        match self.at.redundancy {
            Redundancy::InSync => {}
            Redundancy::Unknown => return None,
        }
        let lost = self.data.intersection(self.at.unreadable);
        let p = Some(self.row.p()).filter(|p| !self.at.unreadable.contains(*p));
        let q = self.row.q().filter(|q| !self.at.unreadable.contains(*q));
        let survivors = self.data.difference(lost);
        let with = |places: &[MemberIndex]| survivors.union(places.iter().copied().collect());

        let mut places = lost.into_iter();
        match (places.next(), places.next(), places.next()) {
            (Some(lost), None, None) => match (p, q) {
                (Some(p), _) => Some(Rescue {
                    recovery: Recovery::FromP { lost },
                    reads: with(&[p]),
                    restored: MemberSet::only(lost),
                }),
                (None, Some(q)) if self.at.faulted.contains(self.row.p()) => Some(Rescue {
                    recovery: Recovery::WithPFromQ { lost },
                    reads: with(&[q]),
                    restored: MemberSet::only(lost).union(MemberSet::only(self.row.p())),
                }),
                (None, Some(q)) => Some(Rescue {
                    recovery: Recovery::FromQ { lost },
                    reads: with(&[q]),
                    restored: MemberSet::only(lost),
                }),
                (None, None) => None,
            },
            (Some(first), Some(second), None) => Some(Rescue {
                recovery: Recovery::Two { first, second },
                reads: with(&[p?, q?]),
                restored: lost,
            }),
            (None, ..) | (Some(_), None, Some(_)) | (Some(_), Some(_), Some(_)) => None,
        }
    }

    /// Blocks that cannot be read though their member is valid here.
    fn unread(&self) -> MemberSet {
        self.at.faulted.union(self.at.bad)
    }

    /// Of restored blocks, those that were found unreadable here and whose member takes writes.
    fn mendable(&self, restored: MemberSet) -> MemberSet {
        let found = self.at.faulted.difference(self.at.bad);
        restored.intersection(found).difference(self.at.unwritable)
    }

    fn parities(&self, live: MemberSet) -> Option<Parities> {
        let q = self.row.q().filter(|q| live.contains(*q));
        match (live.contains(self.row.p()), q) {
            (true, Some(_)) => Some(Parities::Both),
            (true, None) => Some(Parities::P),
            (false, Some(_)) => Some(Parities::Q),
            (false, None) => None,
        }
    }
}

const fn stage(source: Source) -> Option<Task> {
    match source {
        Source::Direct => None,
        Source::Staged | Source::Zeroes => Some(Task::Stage),
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that panics has failed, and says where")]
mod tests;
