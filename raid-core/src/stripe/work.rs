//! What a stripe operation is about: its rectangle, whole or in fault units, and how it came out.

use crate::host::{Fault, Located, RequestId, SlotIndex};
use crate::members::MemberSet;
use crate::plan::{Buffers, Job, Operation, Outside, Plan, Task};
use crate::rectangle::{PIECES_MAX, Rectangle};
use crate::units::Sectors;

/// A rectangle and what is to be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Work {
    pub(crate) origin: Origin,
    pub(crate) operation: Operation,
    /// The rectangle as it was cut; overlaps are kept away from all of it.
    whole: Rectangle,
    piece: Piece,
}

/// On whose behalf an operation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    Request(RequestId),
    /// The background pass, at this position of its walk.
    Pass(Sectors),
    /// The reshape: either half of moving a load.
    Reshape,
}

/// Which part of its rectangle an operation is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Piece {
    /// All at once.
    Whole,
    /// One fault unit after the other, because of a media or integrity fault somewhere in it.
    Unit(u16),
}

/// How the part that was being done came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// Done, but for these covered blocks of a read.
    Done { unserved: MemberSet },
    /// A pass cannot make so many sectors of members. They are on the list of bad blocks.
    GivenUp { bad: Sectors },
    /// Done for a pass, but so many sectors of members take no write. They are on the list as well.
    Unwritten { bad: Sectors },
    /// Compared.
    Compared { mismatched_units: u32 },
    /// Looked for the one block that is wrong.
    Located(Located),
    /// Not done.
    Failed(Trouble),
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Trouble {
    /// More is lost in this rectangle than the redundancy makes up for.
    Unrecoverable,
    /// It is written, to all that took it, and the redundancy does not make up for the rest.
    Unkept,
    /// A device called a command malformed or unsupported.
    Rejected(Fault),
    /// The array has failed.
    ArrayFailed,
    /// The journal is lost, and nothing was written to the members.
    JournalLost,
    /// There is nothing to compare.
    NothingToCompare,
    /// A block could not be read, so it was not compared with the others.
    NotCompared,
    /// The engine is being quiesced, and nothing was written.
    HandedBack,
    /// A read that was abandoned may still fill the requester's memory.
    MemoryHeld,
}

impl Work {
    #[inline]
    pub(crate) const fn new(origin: Origin, operation: Operation, whole: Rectangle) -> Self {
        Self { origin, operation, whole, piece: Piece::Whole }
    }

    #[inline]
    pub(crate) const fn whole(&self) -> &Rectangle {
        &self.whole
    }

    /// The part that is being done.
    #[inline]
    pub(crate) fn now(&self) -> Rectangle {
        match self.piece {
            Piece::Whole => self.whole,
            // Only pieces that there are get a number.
            Piece::Unit(number) => self.whole.piece(number.into()).unwrap_or(self.whole),
        }
    }

    /// How far into the rectangle that part starts.
    pub(crate) fn start_in_whole(&self) -> Sectors {
        self.now().offset.saturating_sub(self.whole.offset)
    }

    /// The same work, begun again from its first fault unit; `None` where it is no more than a unit
    /// already.
    #[inline]
    pub(crate) fn narrowed(&self) -> Option<Self> {
        match self.piece {
            Piece::Whole if self.whole.pieces() > 1 => {
                // A unit may start where the requester's memory is less aligned than at the
                // rectangle's start.
                let operation = self.operation.through_lanes();
                Some(Self { operation, piece: Piece::Unit(0), ..*self })
            }
            Piece::Whole | Piece::Unit(_) => None,
        }
    }

    /// Another operation on the same part.
    pub(crate) const fn turned(self, operation: Operation) -> Self {
        Self { operation, ..self }
    }

    /// The work on the next fault unit; `None` where this was the last, or all was done at once.
    #[inline]
    pub(crate) fn next_piece(&self) -> Option<Self> {
        match self.piece {
            Piece::Whole => None,
            Piece::Unit(number) => {
                let number = number.checked_add(1)?;
                (u64::from(number) < self.whole.pieces()).then_some(())?;
                Some(Self { piece: Piece::Unit(number), ..*self })
            }
        }
    }

    #[inline]
    pub(crate) fn pieces_left(&self) -> u64 {
        match self.piece {
            Piece::Whole => PIECES_MAX.saturating_add(1),
            Piece::Unit(number) => self.whole.pieces().saturating_sub(number.into()),
        }
    }

    #[inline]
    pub(crate) const fn buffers(&self, slot: SlotIndex) -> Buffers {
        let outside = match self.origin {
            Origin::Request(request) => Outside::Request(request),
            Origin::Pass(_) => Outside::None,
            Origin::Reshape => Outside::Window,
        };
        Buffers { slot, outside, operation: self.operation }
    }

    #[inline]
    pub(crate) fn job(&self, slot: SlotIndex, plan: &Plan, task: Task) -> Job {
        Job {
            task,
            buffers: self.buffers(slot),
            rectangle: self.now(),
            unserved: plan.unserved,
            block: plan.block,
        }
    }

    /// Sectors that the work covers of each member.
    #[inline]
    pub(crate) fn sectors(&self) -> Sectors {
        self.now().sectors
    }
}
