//! Room for a list that is as long as a call makes it, filled no further than that.

use core::mem::MaybeUninit;
use core::slice;

use crate::gather::MOST_BLOCKS;

/// A list of at most [`MOST_BLOCKS`] items.
pub(crate) struct Room<T> {
    /// The first `count` have values.
    slots: [MaybeUninit<T>; MOST_BLOCKS],
    count: usize,
}

impl<T: Copy> Room<T> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self { slots: [const { MaybeUninit::uninit() }; MOST_BLOCKS], count: 0 }
    }

    /// Adds what `make` makes of the blocks. `None`: there is no room for all of them, or one of
    /// them does not belong here.
    #[inline(always)]
    pub(crate) fn add<B>(&mut self, blocks: &[B], make: &impl Fn(&B) -> Option<T>) -> Option<()> {
        for block in blocks {
            self.slots.get_mut(self.count)?.write(make(block)?);
            self.count = self.count.saturating_add(1);
        }
        Some(())
    }

    #[inline(always)]
    pub(crate) fn items(&self) -> &[T] {
        // SAFETY: that many were written, and a slot has the layout of its value.
        unsafe { slice::from_raw_parts(self.slots.as_ptr().cast(), self.count) }
    }
}
