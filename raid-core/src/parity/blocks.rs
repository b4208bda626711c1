//! The buffers of a job as slices, each lent out once, so that no two of them can alias.

use crate::host::Buffer;
use crate::limits::MEMBERS_MAX;
use crate::plan::{Job, Operation};
use crate::units::MemberIndex;

/// The memory of a request, as segments in order.
#[derive(Debug)]
pub enum CallerMemory<'a, 'b> {
    /// The request has none: a check, or zeroes.
    None,
    /// What is to be written.
    Source(&'a [&'b [u8]]),
    /// Where reads go.
    Target(&'a mut [&'b mut [u8]]),
}

/// A block in the requester's memory.
pub(super) enum Piece<'p> {
    Shared(&'p [u8]),
    Exclusive(&'p mut [u8]),
}

impl<'p> Piece<'p> {
    pub(super) fn shared(self) -> &'p [u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Exclusive(bytes) => bytes,
        }
    }

    pub(super) fn exclusive(self) -> Option<&'p mut [u8]> {
        match self {
            Self::Shared(_) => None,
            Self::Exclusive(bytes) => Some(bytes),
        }
    }
}

/// A range of bytes of every block that a job may touch.
pub(super) struct Blocks<'p> {
    lanes: [Option<&'p mut [u8]>; MEMBERS_MAX],
    /// Of the lane behind those of the members.
    behind: Option<&'p mut [u8]>,
    caller: [Option<Piece<'p>>; MEMBERS_MAX],
}

impl<'p> Blocks<'p> {
    /// The bytes from `start` of every block, `length` of them. `None` if the memory is too short.
    pub(super) fn view(
        job: &Job,
        lanes: &'p mut [&mut [u8]],
        caller: &'p mut CallerMemory<'_, '_>,
        start: usize,
        length: usize,
    ) -> Option<Self> {
        let mut blocks = Self {
            lanes: [const { None }; MEMBERS_MAX],
            behind: None,
            caller: [const { None }; MEMBERS_MAX],
        };
        let end = start.checked_add(length)?;
        let places = job.places();
        let members = job.roles().map_or(lanes.len(), |roles| roles.members().into());
        let (lanes, behind) = lanes.split_at_mut_checked(members)?;
        blocks.behind = behind.first_mut().and_then(|lane| lane.get_mut(start..end));
        for ((lane, view), member) in lanes.iter_mut().zip(&mut blocks.lanes).zip(0..=u8::MAX) {
            if places.contains(MemberIndex(member)) {
                *view = lane.get_mut(start..end);
            }
        }
        match caller {
            CallerMemory::None => {}
            CallerMemory::Source(segments) => {
                for (member, offset) in offsets(job, start) {
                    let (segment, at) = find(segments.iter().map(|segment| segment.len()), offset)?;
                    let bytes = segments.get(segment)?.get(at..at.checked_add(length)?)?;
                    *blocks.caller.get_mut(member.index())? = Some(Piece::Shared(bytes));
                }
            }
            CallerMemory::Target(segments) => blocks.carve(job, segments, start, length)?,
        }
        Some(blocks)
    }

    /// Cuts the blocks out of the requester's memory, in ascending order, so that each is lent
    /// once.
    fn carve(
        &mut self,
        job: &Job,
        segments: &'p mut [&mut [u8]],
        start: usize,
        length: usize,
    ) -> Option<()> {
        let mut wanted = offsets(job, start).peekable();
        let mut base = 0_usize;
        for segment in segments.iter_mut() {
            let mut rest: &'p mut [u8] = segment;
            let end = base.checked_add(rest.len())?;
            while let Some((member, offset)) = wanted.next_if(|(_, offset)| *offset < end) {
                let skip = offset.checked_sub(base)?;
                let (_, from) = rest.split_at_mut_checked(skip)?;
                let (bytes, behind) = from.split_at_mut_checked(length)?;
                *self.caller.get_mut(member.index())? = Some(Piece::Exclusive(bytes));
                rest = behind;
                base = offset.checked_add(length)?;
            }
            base = end;
        }
        wanted.next().is_none().then_some(())
    }

    pub(super) fn take_lane(&mut self, member: MemberIndex) -> Option<&'p mut [u8]> {
        self.lanes.get_mut(member.index())?.take()
    }

    /// The lane for partial parity.
    pub(super) const fn take_behind(&mut self) -> Option<&'p mut [u8]> {
        self.behind.take()
    }

    pub(super) fn take_caller(&mut self, member: MemberIndex) -> Option<Piece<'p>> {
        self.caller.get_mut(member.index())?.take()
    }

    /// The block that a place's buffer names.
    pub(super) fn take_exclusive(
        &mut self,
        member: MemberIndex,
        buffer: Buffer,
    ) -> Option<&'p mut [u8]> {
        match buffer {
            Buffer::Lane { member, .. } => self.take_lane(member),
            Buffer::Caller { .. } | Buffer::Window { .. } => {
                self.take_caller(member).and_then(Piece::exclusive)
            }
        }
    }

    /// The block that a place's buffer names, to read.
    pub(super) fn take_shared(&mut self, member: MemberIndex, buffer: Buffer) -> Option<&'p [u8]> {
        match buffer {
            Buffer::Lane { member, .. } => self.take_lane(member).map(|lane| &*lane),
            Buffer::Caller { .. } | Buffer::Window { .. } => {
                self.take_caller(member).map(Piece::shared)
            }
        }
    }
}

/// How many bytes from `start` on every block of the requester's memory is contiguous.
pub(super) fn extent_at(job: &Job, caller: &CallerMemory<'_, '_>, start: usize) -> Option<usize> {
    let mut extent = usize::MAX;
    for (_, offset) in offsets(job, start) {
        let rest = match caller {
            CallerMemory::None => return None,
            CallerMemory::Source(segments) => {
                rest_of_segment(segments.iter().map(|segment| segment.len()), offset)
            }
            CallerMemory::Target(segments) => {
                rest_of_segment(segments.iter().map(|segment| segment.len()), offset)
            }
        };
        extent = extent.min(rest?);
    }
    Some(extent)
}

/// Where in the requester's memory each covered block continues, ascending.
fn offsets(job: &Job, start: usize) -> impl Iterator<Item = (MemberIndex, usize)> + use<'_> {
    job.caller_blocks().filter_map(move |(member, offset)| {
        Some((member, offset.memory_bytes()?.checked_add(start)?))
    })
}

fn rest_of_segment(lengths: impl Iterator<Item = usize> + Clone, offset: usize) -> Option<usize> {
    let (segment, at) = find(lengths.clone(), offset)?;
    let length = lengths.into_iter().nth(segment)?;
    length.checked_sub(at)
}

/// The segment in which a byte lies, and where in it.
fn find(lengths: impl Iterator<Item = usize>, offset: usize) -> Option<(usize, usize)> {
    let mut base = 0_usize;
    for (number, length) in lengths.enumerate() {
        let at = offset.checked_sub(base)?;
        if at < length {
            return Some((number, at));
        }
        base = base.checked_add(length)?;
    }
    None
}

impl Job {
    /// The covered blocks and where in the requester's memory they lie, in ascending order. None if
    /// the job's operation has no such memory.
    fn caller_blocks(&self) -> impl Iterator<Item = (MemberIndex, crate::units::Sectors)> {
        let covered = match self.operation() {
            Operation::Check
            | Operation::Sync(_)
            | Operation::Write(crate::plan::Source::Zeroes, _) => None,
            Operation::Read(_)
            | Operation::Write(crate::plan::Source::Direct | crate::plan::Source::Staged, _) => {
                Some(self.covered())
            }
        };
        covered.into_iter().flat_map(move |covered| {
            self.places_in_order()
                .filter(move |member| covered.contains(*member))
                .filter_map(|member| Some((member, self.caller_offset(member)?)))
        })
    }

    /// The places of data blocks in the order of array addresses.
    fn places_in_order(&self) -> impl Iterator<Item = MemberIndex> {
        let roles = self.roles();
        let data = roles.map_or(0, |roles| roles.data_members());
        let of_row = (0..data).filter_map(move |data| {
            roles.and_then(|roles| roles.member(crate::units::DataIndex(data)))
        });
        let of_chunk = Some(self.block).filter(|_| roles.is_none());
        of_row.chain(of_chunk)
    }
}
