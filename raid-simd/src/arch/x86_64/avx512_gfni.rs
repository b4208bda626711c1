//! AVX-512BW with GFNI: a product with any constant is one instruction.

use core::arch::x86_64::{_mm512_gf2p8affine_epi64_epi8, _mm512_set1_epi64};

use super::avx512::{Avx512, Zmm};
use super::matrix::{BY_2, BY_4, Matrix, matrix};
use crate::gather::{Make, Taker, gather_counted};
use crate::vector::{Cached, Counts, Gaps, Parts, PastCache, Vector, Work, entry};
use crate::verdict::Different;

/// Proof that the CPU has GFNI on top of AVX-512.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx512Gfni {
    avx512: Avx512,
}

impl Avx512Gfni {
    /// # Safety
    ///
    /// The CPU has GFNI too.
    pub(super) const unsafe fn assume(avx512: Avx512) -> Self {
        Self { avx512 }
    }
}

/// A vector. Made only from a proof or from another vector, so each one is a proof too.
#[derive(Clone, Copy)]
pub(crate) struct GfniZmm(Zmm);

impl Vector for GfniZmm {
    type Proof = Avx512Gfni;
    type Bytes = [u8; 64];
    type Factor = Matrix;
    type Running = Self;

    const COUNTS: Counts = Counts::Each;
    const STREAMS: Counts = Counts::Each;
    const GAPS: Gaps = Gaps::Weighted;

    #[inline(always)]
    fn zero(proof: Avx512Gfni) -> Self {
        Self(Zmm::zero(proof.avx512))
    }

    #[inline(always)]
    fn load(proof: Avx512Gfni, bytes: &[u8; 64]) -> Self {
        Self(Zmm::load(proof.avx512, bytes))
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8; 64]) {
        self.0.store(bytes);
    }

    #[inline(always)]
    fn load_part(proof: Avx512Gfni, bytes: &[u8]) -> Self {
        Self(Zmm::load_part(proof.avx512, bytes))
    }

    #[inline(always)]
    fn store_part(self, bytes: &mut [u8]) {
        self.0.store_part(bytes);
    }

    #[inline(always)]
    fn store_past_cache(self, bytes: &mut [u8; 64]) {
        self.0.store_past_cache(bytes);
    }

    #[inline(always)]
    fn fence(proof: Avx512Gfni) {
        Zmm::fence(proof.avx512);
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
        Self(Zmm(unsafe { times(self.0, factor) }))
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
    fn enter_tile<W: Work<Self>>(proof: Avx512Gfni, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { tile::<W>(proof, first, second, third, fourth) }
    }

    #[inline(always)]
    fn enter_wide<W: Work<Self>>(proof: Avx512Gfni, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { wide::<W>(proof, first, second, third, fourth) }
    }

    #[inline(always)]
    fn enter_stream<W: Work<Self>>(proof: Avx512Gfni, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { stream::<W>(proof, first, second, third, fourth) }
    }
}

entry! {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
    #[inline(never)]
    fn tile: GfniZmm, Cached, 4
}

entry! {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
    fn wide: GfniZmm, Cached, 8
}

entry! {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
    fn stream: GfniZmm, PastCache, 1
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,gfni")]
#[inline]
fn times(bytes: Zmm, matrix: Matrix) -> core::arch::x86_64::__m512i {
    _mm512_gf2p8affine_epi64_epi8::<0>(bytes.0, _mm512_set1_epi64(matrix.cast_signed()))
}
