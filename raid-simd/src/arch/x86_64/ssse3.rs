//! SSSE3: products by shuffles of nibble tables.

use core::arch::x86_64::{
    __m128i, _mm_add_epi8, _mm_and_si128, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8,
    _mm_or_si128, _mm_set1_epi8, _mm_setzero_si128, _mm_sfence, _mm_shuffle_epi8, _mm_srli_epi16,
    _mm_stream_si128, _mm_xor_si128,
};

use super::offset::OFFSET;
use crate::gf256::{self, Nibbles};
use crate::vector::{Cached, Gaps, Parts, PastCache, Vector, Work, entry};
use crate::verdict::Different;

/// Proof that the CPU has SSSE3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ssse3 {
    _proof: (),
}

impl Ssse3 {
    /// # Safety
    ///
    /// The CPU has SSSE3, and the system saves its registers.
    pub(super) const unsafe fn assume() -> Self {
        Self { _proof: () }
    }
}

/// A vector. Made only from a proof or from another vector, so each one is a proof too.
#[derive(Clone, Copy)]
pub(crate) struct Xmm(pub(super) __m128i);

impl Vector for Xmm {
    type Proof = Ssse3;
    type Bytes = [u8; 16];
    type Factor = &'static Nibbles;
    /// Offset by [`OFFSET`].
    type Running = Self;

    const GAPS: Gaps = Gaps::Doubled;

    #[inline(always)]
    fn zero(_proof: Ssse3) -> Self {
        // SAFETY: the proof.
        Self(unsafe { _mm_setzero_si128() })
    }

    #[inline(always)]
    fn load(_proof: Ssse3, bytes: &[u8; 16]) -> Self {
        // SAFETY: 16 bytes are readable there, at any alignment; every pattern is a value.
        Self(unsafe { bytes.as_ptr().cast::<__m128i>().read_unaligned() })
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8; 16]) {
        // SAFETY: 16 bytes are writable there, at any alignment; every pattern is a value.
        unsafe { bytes.as_mut_ptr().cast::<__m128i>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn store_past_cache(self, bytes: &mut [u8; 16]) {
        let to = bytes.as_mut_ptr().cast::<__m128i>();
        if to.is_aligned() {
            // SAFETY: 16 bytes are writable there, and it is aligned.
            unsafe { _mm_stream_si128(to, self.0) }
        } else {
            self.store(bytes);
        }
    }

    #[inline(always)]
    fn fence(_proof: Ssse3) {
        // SAFETY: the proof implies it, as does the architecture.
        unsafe { _mm_sfence() }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(unsafe { _mm_xor_si128(self.0, other.0) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(unsafe { _mm_or_si128(self.0, other.0) })
    }

    #[inline(always)]
    fn difference(self) -> Option<Different> {
        // SAFETY: a vector exists only with a proof.
        unsafe { difference(self.0) }
    }

    #[inline]
    fn factor(constant: u8) -> &'static Nibbles {
        gf256::nibbles(constant)
    }

    #[inline(always)]
    fn times(self, [low, high]: &'static Nibbles) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(unsafe { times(self.0, low, high) })
    }

    #[inline(always)]
    fn begin(self) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(unsafe { offset(self.0) })
    }

    #[inline(always)]
    fn double(sum: Self) -> Self {
        // SAFETY: a vector exists only with a proof.
        sum.doubled().xor(Self(unsafe { reduction(sum.0) }))
    }

    #[inline(always)]
    fn next(sum: Self, next: Self) -> Self {
        // SAFETY: a vector exists only with a proof.
        sum.doubled().xor(Self(unsafe { reduction(sum.0) })).xor(next)
    }

    #[inline(always)]
    fn finish(sum: Self) -> Self {
        sum.begin()
    }

    #[inline(always)]
    fn enter_tile<W: Work<Self>>(proof: Ssse3, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { tile::<W>(proof, first, second, third, fourth) }
    }

    #[inline(always)]
    fn enter_wide<W: Work<Self>>(proof: Ssse3, work: W) -> Option<W::Answer> {
        // Wider tiles find no registers.
        Self::enter_tile(proof, work)
    }

    #[inline(always)]
    fn enter_stream<W: Work<Self>>(proof: Ssse3, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { stream::<W>(proof, first, second, third, fourth) }
    }
}

entry! {
    #[target_feature(enable = "ssse3")]
    #[inline(never)]
    fn tile: Xmm, Cached, 4
}

entry! {
    #[target_feature(enable = "ssse3")]
    fn stream: Xmm, PastCache, 4
}

impl Xmm {
    /// Each byte shifted, the bit at the top lost.
    #[inline(always)]
    fn doubled(self) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(unsafe { _mm_add_epi8(self.0, self.0) })
    }
}

#[target_feature(enable = "ssse3")]
#[inline]
fn offset(bytes: __m128i) -> __m128i {
    _mm_xor_si128(bytes, _mm_set1_epi8(OFFSET))
}

/// The reduction, turned upside down: see [`OFFSET`].
#[target_feature(enable = "ssse3")]
#[inline]
fn reduction(sum: __m128i) -> __m128i {
    _mm_shuffle_epi8(_mm_set1_epi8(gf256::REDUCTION.cast_signed()), sum)
}

#[target_feature(enable = "ssse3")]
#[inline]
fn times(bytes: __m128i, low: &[u8; 16], high: &[u8; 16]) -> __m128i {
    let nibble = _mm_set1_epi8(0x0f);
    let low_nibbles = _mm_and_si128(bytes, nibble);
    let high_nibbles = _mm_and_si128(_mm_srli_epi16::<4>(bytes), nibble);
    _mm_xor_si128(
        _mm_shuffle_epi8(table(low), low_nibbles),
        _mm_shuffle_epi8(table(high), high_nibbles),
    )
}

#[target_feature(enable = "ssse3")]
#[inline]
fn table(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes are readable there, at any alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast::<__m128i>()) }
}

#[target_feature(enable = "ssse3")]
#[inline]
fn difference(bytes: __m128i) -> Option<Different> {
    let zeros = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128()));
    (zeros != 0xffff).then_some(Different)
}
