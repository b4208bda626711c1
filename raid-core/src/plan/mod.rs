//! The plan: one pure, total function from (operation, who is lost, what is valid) to what is to be
//! done.
//!
//! The stripe machine executes plans and decides nothing; nothing else decides. A plan says which
//! blocks are read, which jobs then run over memory and in which order, and which blocks are
//! written.

mod copies;
mod job;
mod parity;
mod partial;

pub(crate) use job::Buffers;
pub use job::{Job, JournalRow, Outside, Parities, Recovery, Task};
pub use partial::{PartialParity, UpdateWay};

use crate::host::Durability;
pub use crate::log::Half;
use crate::members::MemberSet;
use crate::rectangle::{Rectangle, Span};
use crate::units::MemberIndex;

/// What is to be done with a rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Bring the covered blocks to the requester.
    Read(Transfer),
    /// Store the covered blocks, and make the parity or the copies agree.
    Write(Source, Durability),
    /// Compare parity with data, or copies with each other.
    Check,
    /// A step of a background pass that writes.
    Sync(Sync),
}

/// What a background pass does with a rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sync {
    /// Compare parity with data, or copies with each other: as a check does, but the rectangle may
    /// be rewritten next, so nothing else writes it meanwhile.
    Compare,
    /// Make parity from the data, or copies from the lowest that is left.
    Rewrite,
    /// Bring the blocks of members that are being rebuilt in order.
    Rebuild,
    /// Find the one block that is wrong, from both parities.
    Locate,
    /// Make the block that was found wrong from the others.
    Mend,
    /// Bring the block of this member to the device that is to replace it: as the member has it, or
    /// made from the others where it cannot be read.
    Copy(MemberIndex),
}

impl Operation {
    /// The same operation, taking its way through lanes: they are aligned as every device asks.
    pub(crate) const fn through_lanes(self) -> Self {
        match self {
            Self::Read(Transfer::Direct | Transfer::Staged) => Self::Read(Transfer::Staged),
            Self::Write(Source::Direct | Source::Staged, durability) => {
                Self::Write(Source::Staged, durability)
            }
            Self::Write(Source::Zeroes, _) | Self::Check | Self::Sync(_) => self,
        }
    }
}

/// How read data reaches the requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transfer {
    /// Devices read straight into the requester's memory.
    Direct,
    /// Devices read into lanes, and the blocks are copied from there.
    Staged,
}

/// Where written data comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Devices write straight from the requester's memory.
    Direct,
    /// The requester's memory is copied into lanes first, once.
    Staged,
    /// Lanes are filled with zeroes; there is no requester's memory.
    Zeroes,
}

/// The state of the members as one operation sees it: one snapshot, from which one plan is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// Places whose block cannot be an input: member lost, not rebuilt up to here, or the block is
    /// unreadable.
    pub unreadable: MemberSet,
    /// Places that take no write: member lost.
    pub unwritable: MemberSet,
    /// Places that this operation found unreadable while their member lives: rewritten once
    /// reconstructed.
    pub faulted: MemberSet,
    /// Places whose block is known to be bad while their member lives, is valid here but for that,
    /// and takes writes: a write makes it good, a read leaves it as it is.
    pub bad: MemberSet,
    /// Whether parity and copies are known to agree with the data here.
    pub redundancy: Redundancy,
    /// Of copies, the one to be read; the lowest if it is not said or cannot be read.
    pub preferred: Option<MemberIndex>,
    /// Whether blocks that a pass cannot make can be put on a list of bad blocks.
    pub listing: Listing,
    /// Whether writes go by a log.
    pub logging: Logging,
}

/// Whether there is a list of bad blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listing {
    /// There is.
    Kept,
    /// There is none.
    NotKept,
}

/// Whether writes to rows go by a log of partial parity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Logging {
    /// The array has none.
    No,
    /// It has one, which is not in use yet: parity is not known to agree with the data everywhere.
    NotYet,
    /// They do.
    PartialParity,
    /// They go by a journal, which takes the new blocks of the row: data, and all parity.
    Journal,
}

/// What is to be in a log before the first write of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Logged {
    /// Nothing: there is no log, or no parity changes that stands in for anything.
    No,
    /// Nothing, because the log is not in use yet.
    NotYet,
    /// The partial parity, or that the whole row is written: in the log of the member that holds the
    /// parity.
    At(MemberIndex),
    /// All new blocks of the row, in the journal,
    ToJournal,
    /// where they are by now, in this stretch of it.
    InJournal(Half),
}

/// Whether parity and copies may be an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Redundancy {
    /// Known to be in sync.
    InSync,
    /// Not known to be: the array was not stopped cleanly and has not been resynced up to here.
    Unknown,
}

/// What is to be done, in the order of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// Blocks to read.
    pub reads: MemberSet,
    /// Jobs over memory, to run one after the other.
    pub tasks: Tasks,
    /// Blocks to write.
    pub writes: MemberSet,
    /// Of a read: covered blocks that it cannot serve. Of a pass that writes nothing: blocks that it
    /// cannot make, to be put on the list of bad ones. Otherwise empty.
    pub unserved: MemberSet,
    /// For a chunk with copies: the place whose buffer holds the block. For a row: not used.
    pub block: MemberIndex,
    /// What has to be in a log before the first of the writes.
    pub logged: Logged,
}

impl Plan {
    /// Nothing is to be done.
    const NOTHING: Self = Self {
        reads: MemberSet::NONE,
        tasks: Tasks::NONE,
        writes: MemberSet::NONE,
        unserved: MemberSet::NONE,
        block: MemberIndex(0),
        logged: Logged::No,
    };

    /// These blocks cannot be made. Where they can be put on a list, nothing else is to be done.
    fn give_up(blocks: MemberSet, at: &Snapshot) -> Result<Self, NoPlan> {
        match at.listing {
            Listing::Kept if !blocks.is_empty() => Ok(Self { unserved: blocks, ..Self::NOTHING }),
            Listing::Kept | Listing::NotKept => Err(NoPlan::Unrecoverable),
        }
    }
}

/// Most jobs in a plan.
pub const TASKS_MAX: usize = 4;

/// The jobs of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tasks([Option<Task>; TASKS_MAX]);

impl Tasks {
    /// No job.
    pub const NONE: Self = Self([None; TASKS_MAX]);

    /// The job with this number, from 0.
    #[must_use]
    #[inline]
    pub fn get(&self, number: u8) -> Option<Task> {
        self.0.get(usize::from(number)).copied().flatten()
    }

    /// The jobs in order.
    pub fn iter(&self) -> impl Iterator<Item = Task> {
        self.0.into_iter().flatten()
    }

    /// These jobs, those left out that are `None`.
    #[inline]
    fn of(tasks: [Option<Task>; TASKS_MAX]) -> Self {
        let mut list = Self::NONE;
        for (place, task) in list.0.iter_mut().zip(tasks.into_iter().flatten()) {
            *place = Some(task);
        }
        list
    }
}

/// Why there is no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoPlan {
    /// More is lost than the redundancy makes up for.
    Unrecoverable,
    /// There is nothing to compare: no redundancy, or a member is lost.
    NothingToCompare,
    /// A block that is to be compared cannot be read.
    NotCompared,
}

/// Makes the plan for `operation` on `rectangle`.
///
/// # Errors
/// Why it cannot be done at all. A read always has a plan: what it cannot serve is named in it.
#[inline]
pub(crate) fn plan(
    rectangle: &Rectangle,
    operation: Operation,
    at: Snapshot,
) -> Result<Plan, NoPlan> {
    match rectangle.span {
        Span::Row { roles, .. } => {
            let row = parity::RowPlan::new(rectangle, roles, at);
            match operation {
                Operation::Read(transfer) => Ok(row.read(transfer)),
                Operation::Write(source, _) => row.write(source),
                Operation::Check | Operation::Sync(Sync::Compare) => row.check(),
                Operation::Sync(Sync::Rewrite) => row.rewrite(),
                Operation::Sync(Sync::Rebuild) => row.rebuild(),
                Operation::Sync(Sync::Locate) => row.locate(),
                Operation::Sync(Sync::Mend) => row.restore(at.faulted),
                Operation::Sync(Sync::Copy(member)) => row.copy(member),
            }
        }
        Span::Chunk { copies, .. } => {
            let chunk = copies::ChunkPlan::new(copies, at);
            match operation {
                Operation::Read(transfer) => Ok(chunk.read(transfer)),
                Operation::Write(source, _) => chunk.write(source),
                Operation::Check | Operation::Sync(Sync::Compare) => chunk.check(),
                Operation::Sync(Sync::Rewrite) => chunk.rewrite(),
                Operation::Sync(Sync::Rebuild) => chunk.rebuild(),
                Operation::Sync(Sync::Copy(member)) => chunk.copy(member),
                // Copies do not tell which of them is wrong.
                Operation::Sync(Sync::Locate | Sync::Mend) => Err(NoPlan::NothingToCompare),
            }
        }
    }
}
