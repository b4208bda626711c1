//! Memory between two pages that nobody may touch: a read or a write outside of it ends the test
//! program.

const PAGE: usize = 4096;

/// Whole pages, between two without any access.
#[derive(Debug)]
pub(crate) struct Walled {
    start: *mut u8,
    mapped: usize,
}

impl Walled {
    /// Room for `length` bytes, full of `filling`.
    pub(crate) fn new(length: usize, filling: u8) -> Self {
        let inner = length.div_ceil(PAGE).max(1) * PAGE;
        let mapped = inner + 2 * PAGE;
        // SAFETY: an anonymous mapping anywhere.
        let start = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                mapped,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(start, libc::MAP_FAILED);
        let start = start.cast::<u8>();
        // SAFETY: inside the mapping.
        let first = unsafe { start.add(PAGE) };
        // SAFETY: whole pages of the mapping.
        let done =
            unsafe { libc::mprotect(first.cast(), inner, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(done, 0, "pages are not of {PAGE} bytes");
        let mut walled = Self { start, mapped };
        walled.bytes_mut().fill(filling);
        walled
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        let first = self.start.wrapping_add(PAGE);
        // SAFETY: the pages that may be read.
        unsafe { core::slice::from_raw_parts(first, self.mapped - 2 * PAGE) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let first = self.start.wrapping_add(PAGE);
        // SAFETY: the pages that may be written, and ours alone.
        unsafe { core::slice::from_raw_parts_mut(first, self.mapped - 2 * PAGE) }
    }
}

impl Drop for Walled {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`; nothing borrows from it any more.
        unsafe { libc::munmap(self.start.cast(), self.mapped) };
    }
}
