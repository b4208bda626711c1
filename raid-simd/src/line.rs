//! The vector trait, and the walk over slices in tiles of vectors.
//!
//! A *line* is 64 bytes, a cache line, for every backend: one register or several. A *tile* is `N`
//! neighbouring lines held in registers, `N` as large as the backend has registers for. A *window*
//! is the place of a tile in all slices of a call.
//!
//! Everything here and in the loops above is `inline(always)`: an intrinsic becomes one instruction
//! only inside a function that enables its target feature, and the only such function is the
//! backend's entry.

use core::ops::Range;

use crate::verdict::Different;

/// Bytes in a line.
pub(crate) const LINE_BYTES: usize = 64;

/// 64 bytes that a backend computes with at once.
pub(crate) trait Line: Copy {
    /// Exists only where the CPU has the instructions.
    type Proof: Copy;
    /// A constant prepared for multiplication.
    type Factor: Copy;
    /// A sum for Q on its way, in whatever form the backend doubles fastest.
    type Running: Copy;

    /// All zero.
    fn zero(proof: Self::Proof) -> Self;
    /// These bytes.
    fn load(proof: Self::Proof, bytes: &[u8; LINE_BYTES]) -> Self;
    /// Writes them.
    fn store(self, bytes: &mut [u8; LINE_BYTES]);
    /// Byte by byte.
    fn xor(self, other: Self) -> Self;
    /// Byte by byte.
    fn or(self, other: Self) -> Self;
    /// Takes the line for a difference: are there bytes other than zero?
    fn difference(self) -> Option<Different>;

    /// Prepares a constant.
    fn factor(proof: Self::Proof, constant: u8) -> Self::Factor;
    /// The product of each byte with the constant.
    fn times(self, factor: Self::Factor) -> Self;

    /// Starts a sum with its first summand, the one with the highest exponent.
    fn begin(self) -> Self::Running;
    /// `2 · sum`.
    fn double(sum: Self::Running) -> Self::Running;
    /// `sum + next`.
    fn add(sum: Self::Running, next: Self) -> Self::Running;
    /// The sum.
    fn finish(sum: Self::Running) -> Self;
}

/// `N` neighbouring lines.
#[derive(Clone, Copy)]
pub(crate) struct Tile<V, const N: usize>(pub(crate) [V; N]);

impl<V: Line, const N: usize> Tile<V, N> {
    #[inline(always)]
    pub(crate) fn zero(proof: V::Proof) -> Self {
        Self([V::zero(proof); N])
    }

    #[inline(always)]
    pub(crate) fn xor(mut self, other: &Self) -> Self {
        for (line, other) in self.0.iter_mut().zip(&other.0) {
            *line = line.xor(*other);
        }
        self
    }

    #[inline(always)]
    pub(crate) fn or(mut self, other: &Self) -> Self {
        for (line, other) in self.0.iter_mut().zip(&other.0) {
            *line = line.or(*other);
        }
        self
    }

    #[inline(always)]
    pub(crate) fn times(mut self, factor: V::Factor) -> Self {
        for line in &mut self.0 {
            *line = line.times(factor);
        }
        self
    }

    /// All lines in one: zero if every byte of the tile is.
    #[inline(always)]
    pub(crate) fn gathered(&self, proof: V::Proof) -> V {
        let mut all = V::zero(proof);
        for line in &self.0 {
            all = all.or(*line);
        }
        all
    }
}

/// The same stretch of each slice of a call.
pub(crate) trait Window<const N: usize> {
    /// Its bytes in `bytes`; zero where `bytes` has ended.
    fn load<V: Line>(&self, proof: V::Proof, bytes: &[u8]) -> Tile<V, N>;
    /// Writes its bytes of `bytes`, as far as there are any.
    fn store<V: Line>(&self, bytes: &mut [u8], tile: &Tile<V, N>);
}

/// A window of `N` whole lines.
pub(crate) struct Whole<const N: usize> {
    start: usize,
}

impl<const N: usize> Whole<N> {
    const BYTES: usize = N.saturating_mul(LINE_BYTES);
}

impl<const N: usize> Window<N> for Whole<N> {
    #[inline(always)]
    fn load<V: Line>(&self, proof: V::Proof, bytes: &[u8]) -> Tile<V, N> {
        let mut tile = Tile::zero(proof);
        let Some(rest) = bytes.get(self.start..) else { return tile };
        let Some(lines) = rest.as_chunks::<LINE_BYTES>().0.first_chunk::<N>() else { return tile };
        for (line, bytes) in tile.0.iter_mut().zip(lines) {
            *line = V::load(proof, bytes);
        }
        tile
    }

    #[inline(always)]
    fn store<V: Line>(&self, bytes: &mut [u8], tile: &Tile<V, N>) {
        let Some(rest) = bytes.get_mut(self.start..) else { return };
        let Some(lines) = rest.as_chunks_mut::<LINE_BYTES>().0.first_chunk_mut::<N>() else {
            return;
        };
        for (bytes, line) in lines.iter_mut().zip(&tile.0) {
            line.store(bytes);
        }
    }
}

/// What is left at the end: less than a line. Zeros fill it up, which no sum and no comparison sees.
pub(crate) struct Part {
    range: Range<usize>,
}

impl Window<1> for Part {
    #[inline(always)]
    fn load<V: Line>(&self, proof: V::Proof, bytes: &[u8]) -> Tile<V, 1> {
        let mut line = [0; LINE_BYTES];
        for (to, from) in line.iter_mut().zip(bytes.get(self.range.clone()).unwrap_or(&[])) {
            *to = *from;
        }
        Tile([V::load(proof, &line)])
    }

    #[inline(always)]
    fn store<V: Line>(&self, bytes: &mut [u8], tile: &Tile<V, 1>) {
        let mut line = [0; LINE_BYTES];
        let [whole] = tile.0;
        whole.store(&mut line);
        for (to, from) in bytes.get_mut(self.range.clone()).unwrap_or(&mut []).iter_mut().zip(&line)
        {
            *to = *from;
        }
    }
}

/// What an operation does with one window.
pub(crate) trait Step<V: Line> {
    fn step<W: Window<N>, const N: usize>(&mut self, proof: V::Proof, at: &W);
}

/// Takes `step` through `range` once: in tiles of `N` lines, then by lines, then what is left.
#[inline(always)]
pub(crate) fn sweep<V: Line, S: Step<V>, const N: usize>(
    proof: V::Proof,
    range: Range<usize>,
    step: &mut S,
) {
    let Range { mut start, end } = range;
    while end.saturating_sub(start) >= Whole::<N>::BYTES {
        step.step(proof, &Whole::<N> { start });
        start = start.saturating_add(Whole::<N>::BYTES);
    }
    while end.saturating_sub(start) >= Whole::<1>::BYTES {
        step.step(proof, &Whole::<1> { start });
        start = start.saturating_add(Whole::<1>::BYTES);
    }
    if start < end {
        step.step(proof, &Part { range: start..end });
    }
}
