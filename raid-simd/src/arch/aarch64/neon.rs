//! Advanced SIMD: products by look-ups in nibble tables.

use core::arch::aarch64::{
    uint8x16_t, vaddq_u8, vandq_u8, vdupq_n_u8, veorq_u8, vld1q_u8, vmaxvq_u8, vorrq_u8,
    vqtbl1q_u8, vreinterpretq_s8_u8, vreinterpretq_u8_s8, vshrq_n_s8, vshrq_n_u8,
};

use crate::gather::{Make, Taker, gather_counted};
use crate::gf256::{self, Nibbles};
use crate::vector::{Cached, Counts, Gaps, PastCache, Vector, Work};
use crate::verdict::Different;

/// The target has Advanced SIMD: this module is compiled for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Neon {
    _proof: (),
}

impl Neon {
    pub(super) const fn new() -> Self {
        Self { _proof: () }
    }
}

/// A vector.
#[derive(Clone, Copy)]
pub(crate) struct Quad(pub(super) uint8x16_t);

impl Vector for Quad {
    type Proof = Neon;
    type Bytes = [u8; 16];
    type Factor = &'static Nibbles;
    type Running = Self;

    const COUNTS: Counts = Counts::Each;
    const GAPS: Gaps = Gaps::Doubled;

    #[inline(always)]
    fn zero(_proof: Neon) -> Self {
        // SAFETY: the target has Advanced SIMD.
        Self(unsafe { vdupq_n_u8(0) })
    }

    #[inline(always)]
    fn load(_proof: Neon, bytes: &[u8; 16]) -> Self {
        // SAFETY: 16 bytes are readable there, at any alignment; every pattern is a value.
        Self(unsafe { bytes.as_ptr().cast::<uint8x16_t>().read_unaligned() })
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8; 16]) {
        // SAFETY: 16 bytes are writable there, at any alignment; every pattern is a value.
        unsafe { bytes.as_mut_ptr().cast::<uint8x16_t>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: the target has Advanced SIMD.
        Self(unsafe { veorq_u8(self.0, other.0) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: the target has Advanced SIMD.
        Self(unsafe { vorrq_u8(self.0, other.0) })
    }

    #[inline(always)]
    fn difference(self) -> Option<Different> {
        // SAFETY: the target has Advanced SIMD.
        (unsafe { vmaxvq_u8(self.0) } != 0).then_some(Different)
    }

    #[inline]
    fn factor(constant: u8) -> &'static Nibbles {
        gf256::nibbles(constant)
    }

    #[inline(always)]
    fn times(self, [low, high]: &'static Nibbles) -> Self {
        // SAFETY: the target has Advanced SIMD.
        Self(unsafe { times(self.0, low, high) })
    }

    #[inline(always)]
    fn begin(self) -> Self {
        self
    }

    #[inline(always)]
    fn double(sum: Self) -> Self {
        // SAFETY: the target has Advanced SIMD.
        sum.shifted().xor(Self(unsafe { reduction(sum.0) }))
    }

    #[inline(always)]
    fn next(sum: Self, next: Self) -> Self {
        Self::double(sum).xor(next)
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

    #[inline(never)]
    fn enter_tile<W: Work<Self>>(proof: Neon, work: W) -> Option<W::Answer> {
        work.run::<Cached, 4>(proof)
    }

    #[inline(never)]
    fn enter_wide<W: Work<Self>>(proof: Neon, work: W) -> Option<W::Answer> {
        work.run::<Cached, 8>(proof)
    }

    #[inline(never)]
    fn enter_stream<W: Work<Self>>(proof: Neon, work: W) -> Option<W::Answer> {
        work.run::<PastCache, 4>(proof)
    }
}

impl Quad {
    /// Each byte shifted, the bit at the top lost.
    #[inline(always)]
    pub(super) fn shifted(self) -> Self {
        // SAFETY: the target has Advanced SIMD.
        Self(unsafe { vaddq_u8(self.0, self.0) })
    }
}

/// What the bits lost at the top come to.
#[target_feature(enable = "neon")]
#[inline]
pub(super) fn reduction(sum: uint8x16_t) -> uint8x16_t {
    let lost = vreinterpretq_u8_s8(vshrq_n_s8::<7>(vreinterpretq_s8_u8(sum)));
    vandq_u8(lost, vdupq_n_u8(gf256::REDUCTION))
}

#[target_feature(enable = "neon")]
#[inline]
fn times(bytes: uint8x16_t, low: &[u8; 16], high: &[u8; 16]) -> uint8x16_t {
    let low_nibbles = vandq_u8(bytes, vdupq_n_u8(0x0f));
    let high_nibbles = vshrq_n_u8::<4>(bytes);
    veorq_u8(vqtbl1q_u8(table(low), low_nibbles), vqtbl1q_u8(table(high), high_nibbles))
}

#[target_feature(enable = "neon")]
#[inline]
fn table(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: 16 bytes are readable there.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}
