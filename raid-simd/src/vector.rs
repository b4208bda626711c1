//! What the loops are written over: the private vector trait, and tiles of vectors.
//!
//! A *column* is one vector's width of all lanes. A *tile* is so many neighbouring columns that
//! their sums stay in registers. Which widths are best a backend says, by the three ways to enter
//! it.
//!
//! Everything here and in the loops is `inline(always)`: an intrinsic becomes one instruction only
//! inside a function that enables its target feature, and the only such functions are a backend's
//! entries.

use crate::arch::lanes::{Bytes, Lane, LaneMut};
use crate::gather::{Make, Taker};
use crate::verdict::Different;

/// Some bytes that a backend computes with at once.
pub(crate) trait Vector: Copy {
    /// Exists only where the CPU has the instructions.
    type Proof: Copy;
    /// The vector in memory.
    type Bytes: Bytes;
    /// A constant prepared for multiplication: small, to be spread over a vector when used.
    type Factor: Copy;
    /// A sum for Q on its way, in whatever form the backend doubles fastest.
    type Running: Copy;

    /// For which counts of blocks there are loops.
    const COUNTS: Counts = Counts::One;
    /// For which counts of blocks there are loops that go past the cache.
    const STREAMS: Counts = Counts::One;
    /// From how many blocks on P and Q are summed group after group, if the row is beyond the
    /// nearest cache: pays where sums take so few bytes at a time that lanes push each other out.
    const GROUPS_FROM: usize = usize::MAX;
    /// What a block costs whose exponent does not follow the one before.
    const GAPS: Gaps;

    /// All zero.
    fn zero(proof: Self::Proof) -> Self;
    /// These bytes.
    fn load(proof: Self::Proof, bytes: &Self::Bytes) -> Self;
    /// Writes them.
    fn store(self, bytes: &mut Self::Bytes);
    /// Byte by byte.
    fn xor(self, other: Self) -> Self;
    /// Byte by byte.
    fn or(self, other: Self) -> Self;
    /// Takes the vector for a difference: are there bytes other than zero?
    fn difference(self) -> Option<Different>;

    /// Prepares a constant.
    fn factor(constant: u8) -> Self::Factor;
    /// The product of each byte with the constant.
    fn times(self, factor: Self::Factor) -> Self;

    /// Starts a sum with its first summand, the one with the highest exponent.
    fn begin(self) -> Self::Running;
    /// `2 · sum`.
    fn double(sum: Self::Running) -> Self::Running;
    /// `2 · sum + next`.
    fn next(sum: Self::Running, next: Self) -> Self::Running;
    /// The sum.
    fn finish(sum: Self::Running) -> Self;

    /// Hands the makings of a list to a taker, if there are loops for each count; otherwise `None`.
    #[inline(always)]
    fn gather_counted<B, T: Copy, K: Taker<T>>(
        _blocks: &[B],
        _make: impl Make<B, T>,
        _taker: K,
    ) -> Option<K::Answer> {
        None
    }

    /// Runs work in tiles: the best width as long as the lanes of a row do not push each other out
    /// of the cache.
    fn enter_tile<W: Work<Self>>(proof: Self::Proof, work: W) -> Option<W::Answer>;
    /// Runs work in the widest tiles: many lanes, and page after page they fall on the same places
    /// of a cache. The longer each lane is read, the less they do.
    fn enter_wide<W: Work<Self>>(proof: Self::Proof, work: W) -> Option<W::Answer>;
    /// Runs work on a few lanes that are beyond the nearest cache. Few lanes do not push each other out,
    /// so tiles do, and no loop is compiled twice for each count of lanes.
    #[inline(always)]
    fn enter_few<W: Work<Self>>(proof: Self::Proof, work: W) -> Option<W::Answer> {
        Self::enter_tile(proof, work)
    }
    /// Runs work a cache line at a time, with stores past the cache: memory likes its order.
    fn enter_stream<W: Work<Self>>(proof: Self::Proof, work: W) -> Option<W::Answer>;

    /// The sum of three.
    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        self.xor(second.xor(third))
    }

    /// `4 · sum + 2 · high + low`: two blocks in one step.
    #[inline(always)]
    fn next_two(sum: Self::Running, high: Self, low: Self) -> Self::Running {
        Self::next(Self::next(sum, high), low)
    }

    /// These bytes, fewer than a vector has; zeros after them.
    #[inline(always)]
    fn load_part(proof: Self::Proof, bytes: &[u8]) -> Self {
        let mut whole = Self::Bytes::ZERO;
        copy_part(bytes, whole.as_mut());
        Self::load(proof, &whole)
    }

    /// Writes as many bytes as there is room for.
    #[inline(always)]
    fn store_part(self, bytes: &mut [u8]) {
        let mut whole = Self::Bytes::ZERO;
        self.store(&mut whole);
        copy_part(whole.as_ref(), bytes);
    }

    /// Writes past the cache, if the CPU can and the place is aligned for it.
    #[inline(always)]
    fn store_past_cache(self, bytes: &mut Self::Bytes) {
        self.store(bytes);
    }

    /// Orders stores past the cache before whatever other CPUs are told next.
    #[inline(always)]
    fn fence(_proof: Self::Proof) {}
}

/// Copies as many bytes as both have. Not inlined: it is the last thing that a pass does.
#[inline(never)]
fn copy_part(from: &[u8], to: &mut [u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Which loops a backend has.
pub(crate) enum Counts {
    /// One for all counts.
    One,
    /// One for each usual count: see `Vector::gather_counted`.
    Each,
}

/// How a sum for Q gets over exponents that no block has.
pub(crate) enum Gaps {
    /// By a doubling for each: products are dear.
    Doubled,
    /// By a product for each block: as cheap as a doubling.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        allow(dead_code, reason = "other architectures have no instruction for products")
    )]
    Weighted,
}

/// A loop that a backend runs inside one of its entries.
///
/// It goes into an entry in parts: what is no larger than two words crosses a call in registers.
pub(crate) trait Work<V: Vector>: Sized {
    type Answer;
    type Parts: Parts;

    fn into_parts(self) -> Self::Parts;
    fn of_parts(parts: Self::Parts) -> Self;

    /// Runs in tiles of `N` columns. `inline(always)`. `None`: a block is not what it was taken
    /// for, and nothing was done.
    fn run<M: Mode, const N: usize>(self, proof: V::Proof) -> Option<Self::Answer>;
}

/// Up to four values.
pub(crate) trait Parts {
    type First;
    type Second;
    type Third;
    type Fourth;

    fn split(self) -> (Self::First, Self::Second, Self::Third, Self::Fourth);
    fn join(
        first: Self::First,
        second: Self::Second,
        third: Self::Third,
        fourth: Self::Fourth,
    ) -> Self;
}

impl<A, B, C, D> Parts for (A, B, C, D) {
    type First = A;
    type Second = B;
    type Third = C;
    type Fourth = D;

    #[inline(always)]
    fn split(self) -> Self {
        self
    }

    #[inline(always)]
    fn join(first: A, second: B, third: C, fourth: D) -> Self {
        (first, second, third, fourth)
    }
}

/// Writes an entry of a backend: a function that enables its instructions and runs work in tiles of
/// so many columns.
macro_rules! entry {
    ($(#[$attribute:meta])+ fn $name:ident: $vector:ty, $mode:ty, $columns:literal) => {
        $(#[$attribute])+
        fn $name<W: Work<$vector>>(
            proof: <$vector as Vector>::Proof,
            first: <W::Parts as Parts>::First,
            second: <W::Parts as Parts>::Second,
            third: <W::Parts as Parts>::Third,
            fourth: <W::Parts as Parts>::Fourth,
        ) -> Option<W::Answer> {
            W::of_parts(Parts::join(first, second, third, fourth)).run::<$mode, $columns>(proof)
        }
    };
}
pub(crate) use entry;

/// How results are written.
pub(crate) trait Mode {
    fn store<V: Vector>(vector: V, bytes: &mut V::Bytes);
    fn finish<V: Vector>(proof: V::Proof);
}

/// Results stay in the cache.
pub(crate) struct Cached;

/// Results bypass the cache.
pub(crate) struct PastCache;

impl Mode for Cached {
    #[inline(always)]
    fn store<V: Vector>(vector: V, bytes: &mut V::Bytes) {
        vector.store(bytes);
    }

    #[inline(always)]
    fn finish<V: Vector>(_proof: V::Proof) {}
}

impl Mode for PastCache {
    #[inline(always)]
    fn store<V: Vector>(vector: V, bytes: &mut V::Bytes) {
        vector.store_past_cache(bytes);
    }

    #[inline(always)]
    fn finish<V: Vector>(proof: V::Proof) {
        V::fence(proof);
    }
}

/// The same `N` columns of each lane of the call `'c`.
pub(crate) trait Window<'c, const N: usize> {
    /// One column of a lane.
    fn load<V: Vector>(&self, proof: V::Proof, lane: Lane<'c, '_>, column: usize) -> V;
    /// Writes one column of a lane.
    fn store<V: Vector, M: Mode>(&self, lane: &mut LaneMut<'c, '_>, column: usize, vector: V);
}

/// `N` neighbouring columns of one lane.
#[derive(Clone, Copy)]
pub(crate) struct Tile<V, const N: usize>(pub(crate) [V; N]);

impl<V: Vector, const N: usize> Tile<V, N> {
    #[inline(always)]
    pub(crate) fn zero(proof: V::Proof) -> Self {
        Self([V::zero(proof); N])
    }

    #[inline(always)]
    pub(crate) fn load<'c>(proof: V::Proof, lane: Lane<'c, '_>, at: &impl Window<'c, N>) -> Self {
        let mut tile = Self::zero(proof);
        for (column, vector) in tile.0.iter_mut().enumerate() {
            *vector = at.load(proof, lane, column);
        }
        tile
    }

    #[inline(always)]
    pub(crate) fn store<'c, M: Mode>(&self, lane: &mut LaneMut<'c, '_>, at: &impl Window<'c, N>) {
        for (column, vector) in self.0.iter().enumerate() {
            at.store::<V, M>(lane, column, *vector);
        }
    }

    #[inline(always)]
    pub(crate) fn xor(mut self, other: &Self) -> Self {
        for (vector, other) in self.0.iter_mut().zip(&other.0) {
            *vector = vector.xor(*other);
        }
        self
    }

    #[inline(always)]
    pub(crate) fn or(mut self, other: &Self) -> Self {
        for (vector, other) in self.0.iter_mut().zip(&other.0) {
            *vector = vector.or(*other);
        }
        self
    }

    #[inline(always)]
    pub(crate) fn times(mut self, factor: V::Factor) -> Self {
        for vector in &mut self.0 {
            *vector = vector.times(factor);
        }
        self
    }

    /// All columns in one: zero if every byte of the tile is.
    #[inline(always)]
    pub(crate) fn gathered(&self, proof: V::Proof) -> V {
        let mut all = V::zero(proof);
        for vector in &self.0 {
            all = all.or(*vector);
        }
        all
    }
}
