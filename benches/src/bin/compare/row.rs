//! The blocks of one row, and the memory that rows lie in.

use core::ptr::NonNull;
use std::io;

use crate::cell::{Operation, Task};

const MIB: usize = 1 << 20;
/// What a pass over memory covers.
const PASS_BYTES: usize = 384 * MIB;
/// What a pass of updates touches: it leaves most blocks of a row alone.
const UPDATE_BYTES: usize = 128 * MIB;
pub(crate) const PAGE_BYTES: usize = 4096;
const HUGE_PAGE_BYTES: usize = 2 * MIB;

/// A row, lent to one implementation.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) data: Vec<&'a mut [u8]>,
    pub(crate) p: &'a mut [u8],
    pub(crate) q: &'a mut [u8],
    /// The new content of the block that changes.
    pub(crate) new: &'a mut [u8],
}

impl<'a> Row<'a> {
    /// Blocks that a row has besides its data: P, Q and two spare ones.
    const EXTRA: usize = 4;

    /// Bytes in the slots of a row.
    pub(crate) fn size(task: &Task) -> usize {
        (task.k + Self::EXTRA) * task.chunk
    }

    /// The row in these bytes.
    pub(crate) fn of(task: &Task, bytes: &'a mut [u8]) -> Self {
        let (data, rest) = bytes.split_at_mut(task.k * task.chunk);
        let (p, rest) = rest.split_at_mut(task.chunk);
        let (q, rest) = rest.split_at_mut(task.chunk);
        let (new, _) = rest.split_at_mut(task.chunk);
        Self { data: data.chunks_exact_mut(task.chunk).collect(), p, q, new }
    }
}

/// Page-aligned memory with arbitrary content, faulted in.
#[derive(Debug)]
pub(crate) struct Memory {
    start: NonNull<u8>,
    size: usize,
    /// Where the first row begins.
    skip: usize,
}

impl Memory {
    /// Rows in a pass over memory.
    pub(crate) fn pass_rows(task: &Task) -> usize {
        let covered = PASS_BYTES.div_ceil(Row::size(task));
        match task.operation {
            Operation::UpdatePq => covered.max(UPDATE_BYTES.div_ceil(4 * task.chunk)),
            Operation::GenPq
            | Operation::Xor
            | Operation::RecoverOne
            | Operation::RecoverTwo
            | Operation::RecoverDataP
            | Operation::Check => covered,
        }
    }

    /// Memory for this many bytes of rows, with the first one at the start of any page.
    pub(crate) fn new(bytes: usize) -> io::Result<Self> {
        let page =
            usize::try_from(std::process::id()).unwrap_or(0) * 37 % (HUGE_PAGE_BYTES / PAGE_BYTES);
        let size = (bytes + 2 * HUGE_PAGE_BYTES).next_multiple_of(HUGE_PAGE_BYTES);
        // SAFETY: a new private mapping at an address of the kernel's choice touches no other
        // memory.
        let address = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let Some(start) = NonNull::new(address.cast::<u8>()) else {
            return Err(io::Error::other("memory at address 0"));
        };
        // SAFETY: advice on the mapping just made. A refusal changes nothing but the speed.
        let _refused = unsafe { libc::madvise(address, size, libc::MADV_HUGEPAGE) };
        let skip = start.as_ptr().align_offset(HUGE_PAGE_BYTES) + page * PAGE_BYTES;
        let mut memory = Self { start, size, skip };
        fill(memory.bytes());
        Ok(memory)
    }

    /// From the first row on.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is this long, readable and writable, zeroed by the kernel, and this
        // value alone refers to it.
        let all = unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.size) };
        &mut all[self.skip..]
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made, unmapped once; slices of it cannot outlive `self`.
        let _refused = unsafe { libc::munmap(self.start.as_ptr().cast(), self.size) };
    }
}

/// Bytes without a pattern, the same in every launch.
pub(crate) fn fill(bytes: &mut [u8]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for word in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
}
