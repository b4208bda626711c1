//! AVX2 with GFNI: a product with any constant is one instruction.

use core::arch::x86_64::{_mm256_gf2p8affine_epi64_epi8, _mm256_set1_epi64x};

use super::avx2::{Avx2, Ymm};
use super::matrix::{BY_2, BY_4, Matrix, matrix};
use crate::gather::{Make, Taker, gather_counted};
use crate::vector::{Cached, Counts, Gaps, Parts, PastCache, Vector, Work, entry};
use crate::verdict::Different;

/// Proof that the CPU has GFNI on top of AVX2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx2Gfni {
    avx2: Avx2,
}

impl Avx2Gfni {
    /// # Safety
    ///
    /// The CPU has GFNI too.
    pub(super) const unsafe fn assume(avx2: Avx2) -> Self {
        Self { avx2 }
    }
}

/// A vector. Made only from a proof or from another vector, so each one is a proof too.
#[derive(Clone, Copy)]
pub(crate) struct GfniYmm(Ymm);

impl Vector for GfniYmm {
    type Proof = Avx2Gfni;
    type Bytes = [u8; 32];
    type Factor = Matrix;
    type Running = Self;

    const COUNTS: Counts = Counts::Each;
    const STREAMS: Counts = Counts::Each;
    const GAPS: Gaps = Gaps::Weighted;

    #[inline(always)]
    fn zero(proof: Avx2Gfni) -> Self {
        Self(Ymm::zero(proof.avx2))
    }

    #[inline(always)]
    fn load(proof: Avx2Gfni, bytes: &[u8; 32]) -> Self {
        Self(Ymm::load(proof.avx2, bytes))
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8; 32]) {
        self.0.store(bytes);
    }

    #[inline(always)]
    fn store_past_cache(self, bytes: &mut [u8; 32]) {
        self.0.store_past_cache(bytes);
    }

    #[inline(always)]
    fn fence(proof: Avx2Gfni) {
        Ymm::fence(proof.avx2);
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(self.0.xor(other.0))
    }

    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        Self(self.0.xor3(second.0, third.0))
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }

    #[inline(always)]
    fn difference(self) -> Option<Different> {
        self.0.difference()
    }

    #[inline]
    fn factor(constant: u8) -> Matrix {
        matrix(constant)
    }

    #[inline(always)]
    fn times(self, factor: Matrix) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(Ymm(unsafe { times(self.0, factor) }))
    }

    #[inline(always)]
    fn begin(self) -> Self {
        self
    }

    #[inline(always)]
    fn double(sum: Self) -> Self {
        sum.times(BY_2)
    }

    #[inline(always)]
    fn next(sum: Self, next: Self) -> Self {
        sum.times(BY_2).xor(next)
    }

    #[inline(always)]
    fn next_two(sum: Self, high: Self, low: Self) -> Self {
        sum.times(BY_4).xor3(high.times(BY_2), low)
    }

    #[inline(always)]
    fn finish(sum: Self) -> Self {
        sum
    }

    #[inline(always)]
    fn gather_counted<B, T: Copy, K: Taker<T>>(
        blocks: &[B],
        make: impl Make<B, T>,
        taker: K,
    ) -> Option<K::Answer> {
        gather_counted(blocks, make, taker)
    }

    #[inline(always)]
    fn enter_tile<W: Work<Self>>(proof: Avx2Gfni, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { tile::<W>(proof, first, second, third, fourth) }
    }

    #[inline(always)]
    fn enter_wide<W: Work<Self>>(proof: Avx2Gfni, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { wide::<W>(proof, first, second, third, fourth) }
    }

    #[inline(always)]
    fn enter_stream<W: Work<Self>>(proof: Avx2Gfni, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { stream::<W>(proof, first, second, third, fourth) }
    }
}

entry! {
    #[target_feature(enable = "avx2,gfni")]
    #[inline(never)]
    fn tile: GfniYmm, Cached, 4
}

entry! {
    #[target_feature(enable = "avx2,gfni")]
    fn wide: GfniYmm, Cached, 6
}

entry! {
    #[target_feature(enable = "avx2,gfni")]
    fn stream: GfniYmm, PastCache, 2
}

#[target_feature(enable = "avx2,gfni")]
#[inline]
fn times(bytes: Ymm, matrix: Matrix) -> core::arch::x86_64::__m256i {
    _mm256_gf2p8affine_epi64_epi8::<0>(bytes.0, _mm256_set1_epi64x(matrix.cast_signed()))
}
