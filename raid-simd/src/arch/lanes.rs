//! Blocks as bare pointers: their lengths are checked once a call, not once a vector.
//!
//! An *extent* is the length that all blocks of one call have. A *lane* is a block that was seen to
//! have it. A *window* is a place that was seen to lie inside it. Reading a lane at a window is
//! then within bounds without another look.
//!
//! The lifetime `'c` stands for the call. It is invariant and each call has its own, so a lane of
//! one call and a window of another do not fit together: such code does not compile.

use core::marker::PhantomData;
use core::slice;

use crate::operations::Operation;
use crate::vector::{Mode, Vector, Window};

type Call<'c> = PhantomData<fn(&'c ()) -> &'c ()>;

/// The bytes of one vector in memory.
///
/// # Safety
///
/// Only for arrays of bytes: any alignment, any content, no padding.
pub(crate) unsafe trait Bytes: Copy + AsRef<[u8]> + AsMut<[u8]> {
    /// All zero.
    const ZERO: Self;
}

// SAFETY: an array of bytes.
unsafe impl<const N: usize> Bytes for [u8; N] {
    const ZERO: Self = [0; N];
}

/// Runs an operation over vectors. The only place where an extent begins: the operation, made for
/// every `'c`, cannot get hold of a second one with the same lifetime.
#[inline(always)]
pub(crate) fn run_in_extent<V: Vector, O: Operation>(
    proof: V::Proof,
    operation: O,
) -> Option<O::Answer> {
    let extent = Extent { length: operation.length(), call: PhantomData };
    operation.by_vectors::<V>(proof, extent)
}

/// The length of all lanes of a call.
#[derive(Clone, Copy)]
pub(crate) struct Extent<'c> {
    length: usize,
    call: Call<'c>,
}

impl<'c> Extent<'c> {
    /// A block to read, if it is as long as the extent.
    #[inline(always)]
    pub(crate) fn lane<'a>(self, bytes: &'a [u8]) -> Option<Lane<'c, 'a>> {
        (bytes.len() == self.length).then_some(Lane {
            start: bytes.as_ptr(),
            call: self.call,
            bytes: PhantomData,
        })
    }

    /// A block to write, if it is as long as the extent.
    #[inline(always)]
    pub(crate) fn lane_mut<'a>(self, bytes: &'a mut [u8]) -> Option<LaneMut<'c, 'a>> {
        (bytes.len() == self.length).then_some(LaneMut {
            start: bytes.as_mut_ptr(),
            call: self.call,
            bytes: PhantomData,
        })
    }

    /// Bytes in each lane.
    #[inline(always)]
    pub(crate) fn length(self) -> usize {
        self.length
    }

    /// The extent from its start to its end.
    #[inline(always)]
    pub(crate) fn all(self) -> Stretch<'c> {
        Stretch { start: 0, end: self.length, call: self.call }
    }
}

/// A block to read.
#[derive(Clone, Copy)]
pub(crate) struct Lane<'c, 'a> {
    /// As many bytes as the extent has are readable from here for `'a`.
    start: *const u8,
    call: Call<'c>,
    bytes: PhantomData<&'a [u8]>,
}

/// A block to write, or to read and write.
pub(crate) struct LaneMut<'c, 'a> {
    /// As many bytes as the extent has are ours alone from here for `'a`.
    start: *mut u8,
    call: Call<'c>,
    bytes: PhantomData<&'a mut [u8]>,
}

impl<'c> LaneMut<'c, '_> {
    /// What it holds, until the next write.
    #[inline(always)]
    pub(crate) fn shared(&self) -> Lane<'c, '_> {
        Lane { start: self.start, call: self.call, bytes: PhantomData }
    }
}

/// A part of an extent, taken away window by window from its start.
#[derive(Clone)]
pub(crate) struct Stretch<'c> {
    /// At most `end`, so that no difference below wraps.
    start: usize,
    /// At most the extent's length, so that no sum below wraps.
    end: usize,
    call: Call<'c>,
}

impl<'c> Stretch<'c> {
    /// The next `N` whole vectors.
    #[inline(always)]
    pub(crate) fn take<V: Vector, const N: usize>(&mut self) -> Option<Whole<'c, N>> {
        let bytes = N.saturating_mul(size_of::<V::Bytes>());
        if self.end.wrapping_sub(self.start) < bytes {
            return None;
        }
        let window = Whole { start: self.start, bytes, call: self.call };
        self.start = self.start.wrapping_add(bytes);
        Some(window)
    }

    /// The next `bytes`, or as many as there are. `None` at the end.
    #[inline(always)]
    pub(crate) fn split(&mut self, bytes: usize) -> Option<Self> {
        if self.start >= self.end {
            return None;
        }
        let middle = self.start.saturating_add(bytes).min(self.end);
        let first = Self { start: self.start, end: middle, call: self.call };
        self.start = middle;
        Some(first)
    }

    /// Whatever is left, once not one whole vector is.
    #[inline(always)]
    pub(crate) fn take_rest(&mut self) -> Option<Part<'c>> {
        if self.start >= self.end {
            return None;
        }
        let window = Part { start: self.start, end: self.end, call: self.call };
        self.start = self.end;
        Some(window)
    }
}

/// A window of `N` whole vectors.
pub(crate) struct Whole<'c, const N: usize> {
    start: usize,
    /// The window ends at or before the end of the extent.
    bytes: usize,
    call: Call<'c>,
}

impl<const N: usize> Whole<'_, N> {
    /// Where a column begins, if all of it is in the window. The compiler knows that it is.
    #[inline(always)]
    fn offset<V: Vector>(&self, column: usize) -> Option<usize> {
        let bytes = size_of::<V::Bytes>();
        let within = column.saturating_mul(bytes);
        if within.saturating_add(bytes) > self.bytes {
            return None;
        }
        // The window ends inside the extent: nothing wraps.
        Some(self.start.wrapping_add(within))
    }
}

impl<'c, const N: usize> Window<'c, N> for Whole<'c, N> {
    #[inline(always)]
    fn load<V: Vector>(&self, proof: V::Proof, lane: Lane<'c, '_>, column: usize) -> V {
        let Some(offset) = self.offset::<V>(column) else { return V::zero(proof) };
        // SAFETY: the column ends inside the extent, and the lane is as long as that.
        let from = unsafe { lane.start.add(offset) };
        // SAFETY: readable as above, for as long as the lane; bytes have no alignment.
        V::load(proof, unsafe { &*from.cast::<V::Bytes>() })
    }

    #[inline(always)]
    fn store<V: Vector, M: Mode>(&self, lane: &mut LaneMut<'c, '_>, column: usize, vector: V) {
        let Some(offset) = self.offset::<V>(column) else { return };
        // SAFETY: the column ends inside the extent, and the lane is as long as that.
        let to = unsafe { lane.start.add(offset) };
        // SAFETY: writable and ours alone as above; bytes have no alignment.
        M::store(vector, unsafe { &mut *to.cast::<V::Bytes>() });
    }
}

/// What is left at the end: less than a vector. Zeros fill it up, which no sum and no comparison
/// sees.
pub(crate) struct Part<'c> {
    start: usize,
    /// At most the extent's length.
    end: usize,
    call: Call<'c>,
}

impl<'c> Window<'c, 1> for Part<'c> {
    #[inline(always)]
    fn load<V: Vector>(&self, proof: V::Proof, lane: Lane<'c, '_>, _column: usize) -> V {
        // SAFETY: the lane is as long as the extent, which the part ends inside.
        let from = unsafe { lane.start.add(self.start) };
        let length = self.end.wrapping_sub(self.start);
        // SAFETY: readable as above, for as long as the lane.
        V::load_part(proof, unsafe { slice::from_raw_parts(from, length) })
    }

    #[inline(always)]
    fn store<V: Vector, M: Mode>(&self, lane: &mut LaneMut<'c, '_>, _column: usize, vector: V) {
        // SAFETY: the lane is as long as the extent, which the part ends inside.
        let to = unsafe { lane.start.add(self.start) };
        let length = self.end.wrapping_sub(self.start);
        // SAFETY: writable and ours alone as above.
        vector.store_part(unsafe { slice::from_raw_parts_mut(to, length) });
    }
}
