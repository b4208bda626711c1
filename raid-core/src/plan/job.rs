//! Jobs over memory: what is computed from which buffers, by name.

use super::{Operation, Source, Transfer, UpdateWay};
use crate::geometry::Row;
use crate::host::{Buffer, RequestId, SlotIndex};
use crate::members::MemberSet;
use crate::rectangle::{Rectangle, Span};
use crate::units::{MemberIndex, Sectors};

/// One job over memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// Compute lost blocks from the others.
    Recover(Recovery),
    /// Compute parity from all data blocks: the new where the request covers them.
    Generate(Parities),
    /// Take the old value of covered blocks (in lanes) out of the parity and bring the new one (the
    /// requester's) in.
    Update(Parities),
    /// Take the old value of covered blocks (in lanes) out of the parity.
    Subtract(Parities),
    /// Bring the new value of covered blocks (in lanes) into the parity.
    Add(Parities),
    /// Compute the partial parity of the write, for the log, from old blocks in lanes: the XOR of the
    /// data blocks that are not covered. It goes into the lane behind those of the members.
    PartialParity(UpdateWay),
    /// Bring the new value of covered blocks into lanes: copy the requester's memory, or fill with
    /// zeroes.
    Stage,
    /// Copy covered blocks from lanes to the requester's memory.
    Deliver,
    /// Compare parity with data, or copies with each other, and count the 4 KiB units that
    /// disagree.
    Check,
    /// Find the one block of a 4 KiB unit that fits neither P nor Q.
    Locate,
}

/// Which blocks are lost, and what they are computed from, besides all other data blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recovery {
    /// A data block, from P.
    FromP {
        /// Its place.
        lost: MemberIndex,
    },
    /// A data block, from Q.
    FromQ {
        /// Its place.
        lost: MemberIndex,
    },
    /// A data block and P, from Q.
    WithPFromQ {
        /// The data block's place.
        lost: MemberIndex,
    },
    /// Two data blocks, from P and Q.
    Two {
        /// The place of one.
        first: MemberIndex,
        /// The place of the other.
        second: MemberIndex,
    },
}

/// Which parity blocks a job makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parities {
    /// P alone.
    P,
    /// Q alone.
    Q,
    /// P and Q.
    Both,
}

/// A job with everything that is needed to run it: which task, in which slot, over which rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    pub(crate) task: Task,
    pub(crate) buffers: Buffers,
    pub(crate) rectangle: Rectangle,
    pub(crate) unserved: MemberSet,
    pub(crate) block: MemberIndex,
}

/// Where the blocks of one stripe operation are in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Buffers {
    pub(crate) slot: SlotIndex,
    pub(crate) outside: Outside,
    pub(crate) operation: Operation,
}

/// Whose memory besides its lanes an operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outside {
    /// Nobody's.
    None,
    /// That of this request.
    Request(RequestId),
    /// The window of a reshape.
    Window,
}

impl Buffers {
    #[inline]
    pub(crate) const fn lane(&self, member: MemberIndex) -> Buffer {
        Buffer::Lane { slot: self.slot, member, offset: Sectors::ZERO }
    }

    #[inline]
    fn caller(&self, rectangle: &Rectangle, member: MemberIndex) -> Option<Buffer> {
        let offset = rectangle.caller_offset(member)?;
        match self.outside {
            Outside::None => None,
            Outside::Request(request) => Some(Buffer::Caller { request, offset }),
            Outside::Window => Some(Buffer::Window { offset }),
        }
    }

    /// Where the old value of a block is, once it is read or recovered.
    #[inline]
    pub(crate) fn before(&self, rectangle: &Rectangle, member: MemberIndex) -> Buffer {
        let direct = match self.operation {
            Operation::Read(Transfer::Direct) => self.caller(rectangle, member),
            Operation::Read(Transfer::Staged)
            | Operation::Write(..)
            | Operation::Check
            | Operation::Sync(_) => None,
        };
        direct.unwrap_or(self.lane(member))
    }

    /// Where the value of a block is that is written to its member.
    #[inline]
    pub(crate) fn after(
        &self,
        rectangle: &Rectangle,
        member: MemberIndex,
        block: MemberIndex,
    ) -> Buffer {
        let holder = match rectangle.span {
            Span::Row { .. } => member,
            Span::Chunk { .. } => block,
        };
        match self.operation {
            Operation::Read(_) | Operation::Check | Operation::Sync(_) => {
                self.before(rectangle, holder)
            }
            Operation::Write(Source::Direct, _) => {
                self.caller(rectangle, holder).unwrap_or(self.lane(holder))
            }
            Operation::Write(Source::Staged | Source::Zeroes, _) => self.lane(holder),
        }
    }
}

/// The new blocks of a row that a write is about to change, as a journal takes them: covered data
/// blocks, and all parity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalRow {
    rectangle: Rectangle,
    buffers: Buffers,
}

impl JournalRow {
    pub(crate) const fn of(rectangle: Rectangle, buffers: Buffers) -> Self {
        Self { rectangle, buffers }
    }

    /// What is about to be written.
    #[must_use]
    pub const fn rectangle(&self) -> &Rectangle {
        &self.rectangle
    }

    /// The places whose data blocks are about to be written.
    #[must_use]
    pub fn covered(&self) -> MemberSet {
        self.rectangle.covered()
    }

    /// The places of P and, at level 6, of Q.
    #[must_use]
    pub fn parity(&self) -> (MemberIndex, Option<MemberIndex>) {
        match self.rectangle.span {
            Span::Row { roles, .. } => (roles.p(), roles.q()),
            // No array with copies has a journal.
            Span::Chunk { .. } => (MemberIndex(u8::MAX), None),
        }
    }

    /// Where the new block of a place is, as long as the rectangle.
    #[must_use]
    pub fn buffer(&self, member: MemberIndex) -> Buffer {
        self.buffers.after(&self.rectangle, member, member)
    }
}

impl Job {
    /// What is to be computed.
    #[must_use]
    #[inline]
    pub const fn task(&self) -> Task {
        self.task
    }

    /// The slot whose lanes take part.
    #[must_use]
    #[inline]
    pub const fn slot(&self) -> SlotIndex {
        self.buffers.slot
    }

    /// The request whose memory may take part; `None` for background work.
    #[must_use]
    #[inline]
    pub const fn request(&self) -> Option<RequestId> {
        match self.buffers.outside {
            Outside::Request(request) => Some(request),
            Outside::None | Outside::Window => None,
        }
    }

    /// Whose memory may take part besides the lanes: what is called the caller's memory of the job.
    #[must_use]
    pub const fn outside(&self) -> Outside {
        self.buffers.outside
    }

    /// The operation that the job is a step of: whether the requester's memory is read from or
    /// written to.
    #[must_use]
    #[inline]
    pub const fn operation(&self) -> Operation {
        self.buffers.operation
    }

    /// The length of every block.
    #[must_use]
    #[inline]
    pub const fn sectors(&self) -> Sectors {
        self.rectangle.sectors
    }

    /// The roles of the row's members, or `None` for a chunk with copies.
    #[must_use]
    #[inline]
    pub const fn roles(&self) -> Option<Row> {
        match self.rectangle.span {
            Span::Row { roles, .. } => Some(roles),
            Span::Chunk { .. } => None,
        }
    }

    /// The places that hold a block of the row, or a copy of the chunk.
    #[must_use]
    #[inline]
    pub fn places(&self) -> MemberSet {
        self.rectangle.places()
    }

    /// Covered blocks that the job delivers or stages. For a chunk with copies: the one that stands
    /// for all.
    #[must_use]
    #[inline]
    pub fn covered(&self) -> MemberSet {
        match self.rectangle.span {
            Span::Row { .. } => self.rectangle.covered().difference(self.unserved),
            Span::Chunk { .. } => MemberSet::only(self.block),
        }
    }

    /// Where the requester's memory of a covered block starts.
    #[must_use]
    #[inline]
    pub fn caller_offset(&self, member: MemberIndex) -> Option<Sectors> {
        self.rectangle.caller_offset(member)
    }

    /// The buffer that holds the old value of a block: an input of recovery, or the place of its
    /// result.
    #[must_use]
    #[inline]
    pub fn before(&self, member: MemberIndex) -> Buffer {
        self.buffers.before(&self.rectangle, member)
    }

    /// The buffer that holds the value of a block after the write.
    #[must_use]
    #[inline]
    pub fn after(&self, member: MemberIndex) -> Buffer {
        self.buffers.after(&self.rectangle, member, self.block)
    }
}
