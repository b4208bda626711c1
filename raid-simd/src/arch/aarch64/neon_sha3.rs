//! Advanced SIMD with the exclusive or of three.

use core::arch::aarch64::{uint8x16_t, veor3q_u8};

use super::neon::{Neon, Quad, reduction};
use crate::gather::{Make, Taker, gather_counted};
use crate::gf256::Nibbles;
use crate::vector::{Cached, Counts, Gaps, Parts, PastCache, Vector, Work, entry};
use crate::verdict::Different;

/// Proof that the CPU has the SHA-3 instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NeonSha3 {
    neon: Neon,
}

impl NeonSha3 {
    /// # Safety
    ///
    /// The CPU has the SHA-3 instructions.
    pub(super) const unsafe fn assume() -> Self {
        Self { neon: Neon::new() }
    }
}

/// A vector. Made only from a proof or from another vector, so each one is a proof too.
#[derive(Clone, Copy)]
pub(crate) struct Sha3Quad(Quad);

impl Vector for Sha3Quad {
    type Proof = NeonSha3;
    type Bytes = [u8; 16];
    type Factor = &'static Nibbles;
    type Running = Self;

    const COUNTS: Counts = Counts::Each;
    const GAPS: Gaps = Gaps::Doubled;

    #[inline(always)]
    fn zero(proof: NeonSha3) -> Self {
        Self(Quad::zero(proof.neon))
    }

    #[inline(always)]
    fn load(proof: NeonSha3, bytes: &[u8; 16]) -> Self {
        Self(Quad::load(proof.neon, bytes))
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8; 16]) {
        self.0.store(bytes);
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(self.0.xor(other.0))
    }

    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(Quad(unsafe { xor3(self.0.0, second.0.0, third.0.0) }))
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
    fn factor(constant: u8) -> &'static Nibbles {
        Quad::factor(constant)
    }

    #[inline(always)]
    fn times(self, factor: &'static Nibbles) -> Self {
        Self(self.0.times(factor))
    }

    #[inline(always)]
    fn begin(self) -> Self {
        self
    }

    #[inline(always)]
    fn double(sum: Self) -> Self {
        Self(Quad::double(sum.0))
    }

    #[inline(always)]
    fn next(sum: Self, next: Self) -> Self {
        // SAFETY: the target has Advanced SIMD.
        let reduction = Quad(unsafe { reduction(sum.0.0) });
        Self(sum.0.shifted()).xor3(Self(reduction), next)
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
    fn enter_tile<W: Work<Self>>(proof: NeonSha3, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { tile::<W>(proof, first, second, third, fourth) }
    }

    #[inline(always)]
    fn enter_wide<W: Work<Self>>(proof: NeonSha3, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { wide::<W>(proof, first, second, third, fourth) }
    }

    #[inline(always)]
    fn enter_stream<W: Work<Self>>(proof: NeonSha3, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { stream::<W>(proof, first, second, third, fourth) }
    }
}

entry! {
    #[target_feature(enable = "neon,sha3")]
    #[inline(never)]
    fn tile: Sha3Quad, Cached, 4
}

entry! {
    #[target_feature(enable = "neon,sha3")]
    fn wide: Sha3Quad, Cached, 8
}

entry! {
    #[target_feature(enable = "neon,sha3")]
    fn stream: Sha3Quad, PastCache, 4
}

#[target_feature(enable = "neon,sha3")]
#[inline]
fn xor3(first: uint8x16_t, second: uint8x16_t, third: uint8x16_t) -> uint8x16_t {
    veor3q_u8(first, second, third)
}
