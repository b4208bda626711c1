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

use crate::blocks::{Change, Source};
use crate::fold::{Block, Delta};
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
        (bytes.len() == self.length).then_some(Lane::at(bytes))
    }

    /// Blocks where they lie, if all of them are as long as the extent: many need no second place
    /// for their addresses.
    #[inline(always)]
    pub(crate) fn in_place<'b, B: Slices>(self, blocks: &'b [B]) -> Option<AllInPlace<'c, 'b, B>> {
        let differs = |block: &B| block.length_difference(self.length) != 0;
        // Four a step, and stopping at the first that differs: otherwise the compiler makes
        // gathers of it.
        let (fours, others) = blocks.as_chunks::<4>();
        if fours.iter().any(|four| four.iter().any(differs)) || others.iter().any(differs) {
            return None;
        }
        Some(AllInPlace { blocks, call: self.call })
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

impl<'a> Lane<'_, 'a> {
    /// Only of bytes that are as long as the extent.
    #[inline(always)]
    fn at(bytes: &'a [u8]) -> Self {
        Self { start: bytes.as_ptr(), call: PhantomData, bytes: PhantomData }
    }
}

/// A block made of slices.
///
/// # Safety
///
/// The slices are the same each time. `length_difference` is zero only if all of them have the
/// length; `seen` and `lane` make lanes of them and of nothing else, `lane` by way of the extent.
pub(crate) unsafe trait Slices: Copy {
    /// The block as seen by the loops of a call.
    type Lane<'c>: Block<'c>;

    /// Zero if all of it has this length.
    fn length_difference(&self, length: usize) -> usize;

    /// The block as long as the extent, or `None` if it is not.
    fn lane<'c>(&self, extent: Extent<'c>) -> Option<Self::Lane<'c>>;

    /// The block, which was seen to be as long as the extent.
    ///
    /// # Safety
    ///
    /// It was.
    unsafe fn seen<'c>(&self) -> Self::Lane<'c>;
}

// SAFETY: one slice.
unsafe impl<'a> Slices for &'a [u8] {
    type Lane<'c> = Lane<'c, 'a>;

    #[inline(always)]
    fn length_difference(&self, length: usize) -> usize {
        self.len() ^ length
    }

    #[inline(always)]
    fn lane<'c>(&self, extent: Extent<'c>) -> Option<Lane<'c, 'a>> {
        extent.lane(self)
    }

    #[inline(always)]
    unsafe fn seen<'c>(&self) -> Lane<'c, 'a> {
        Lane::at(self)
    }
}

// SAFETY: one slice.
unsafe impl<'a> Slices for Source<'a> {
    type Lane<'c> = Lane<'c, 'a>;

    #[inline(always)]
    fn length_difference(&self, length: usize) -> usize {
        self.bytes.len() ^ length
    }

    #[inline(always)]
    fn lane<'c>(&self, extent: Extent<'c>) -> Option<Lane<'c, 'a>> {
        extent.lane(self.bytes)
    }

    #[inline(always)]
    unsafe fn seen<'c>(&self) -> Lane<'c, 'a> {
        Lane::at(self.bytes)
    }
}

// SAFETY: two slices.
unsafe impl<'a> Slices for Change<'a> {
    type Lane<'c> = Delta<'c, 'a>;

    #[inline(always)]
    fn length_difference(&self, length: usize) -> usize {
        (self.old.len() ^ length) | (self.new.len() ^ length)
    }

    #[inline(always)]
    fn lane<'c>(&self, extent: Extent<'c>) -> Option<Delta<'c, 'a>> {
        Some(Delta { old: extent.lane(self.old)?, new: extent.lane(self.new)? })
    }

    #[inline(always)]
    unsafe fn seen<'c>(&self) -> Delta<'c, 'a> {
        Delta { old: Lane::at(self.old), new: Lane::at(self.new) }
    }
}

/// Blocks that were seen to be as long as the extent, where the caller keeps them.
#[derive(Clone, Copy)]
pub(crate) struct AllInPlace<'c, 'b, B> {
    blocks: &'b [B],
    call: Call<'c>,
}

impl<'c, B> AllInPlace<'c, '_, B> {
    #[inline(always)]
    pub(crate) fn blocks(&self) -> &[InPlace<'c, B>] {
        // SAFETY: the same blocks: `InPlace` is transparent and puts up no condition but the one
        // that they were seen to meet.
        unsafe { slice::from_raw_parts(self.blocks.as_ptr().cast(), self.blocks.len()) }
    }
}

/// One of them.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct InPlace<'c, B> {
    block: B,
    call: Call<'c>,
}

impl<'c, B: Slices> Block<'c> for InPlace<'c, B> {
    #[inline(always)]
    fn column<V: Vector, W: Window<'c, N>, const N: usize>(
        self,
        proof: V::Proof,
        at: &W,
        column: usize,
    ) -> V {
        // SAFETY: that is what there being one says.
        unsafe { self.block.seen() }.column(proof, at, column)
    }
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
    /// Whether nothing is left.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.start >= self.end
    }

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
