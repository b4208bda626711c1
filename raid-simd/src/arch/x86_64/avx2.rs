//! AVX2: products by shuffles of nibble tables.

use core::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm_sfence, _mm256_add_epi8, _mm256_and_si256,
    _mm256_broadcastsi128_si256, _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_stream_si256, _mm256_testz_si256,
    _mm256_xor_si256,
};

use super::offset::OFFSET;
use crate::gather::{Make, Taker, gather_counted};
use crate::gf256::{self, Nibbles};
use crate::vector::{Cached, Counts, Gaps, Parts, PastCache, Vector, Work, entry};
use crate::verdict::Different;

/// Proof that the CPU has AVX2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx2 {
    _proof: (),
}

impl Avx2 {
    /// # Safety
    ///
    /// The CPU has AVX2, and the system saves its registers.
    pub(super) const unsafe fn assume() -> Self {
        Self { _proof: () }
    }
}

/// A vector. Made only from a proof or from another vector, so each one is a proof too.
#[derive(Clone, Copy)]
pub(crate) struct Ymm(pub(super) __m256i);

impl Vector for Ymm {
    type Proof = Avx2;
    type Bytes = [u8; 32];
    type Factor = &'static Nibbles;
    /// Offset by [`OFFSET`].
    type Running = Self;

    const COUNTS: Counts = Counts::Each;
    const STREAMS: Counts = Counts::Each;
    const GROUPS_FROM: usize = 8;
    const GAPS: Gaps = Gaps::Doubled;

    #[inline(always)]
    fn zero(_proof: Avx2) -> Self {
        // SAFETY: the proof.
        Self(unsafe { _mm256_setzero_si256() })
    }

    #[inline(always)]
    fn load(_proof: Avx2, bytes: &[u8; 32]) -> Self {
        // SAFETY: 32 bytes are readable there, at any alignment; every pattern is a value.
        Self(unsafe { bytes.as_ptr().cast::<__m256i>().read_unaligned() })
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8; 32]) {
        // SAFETY: 32 bytes are writable there, at any alignment; every pattern is a value.
        unsafe { bytes.as_mut_ptr().cast::<__m256i>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn store_past_cache(self, bytes: &mut [u8; 32]) {
        let to = bytes.as_mut_ptr().cast::<__m256i>();
        if to.is_aligned() {
            // SAFETY: 32 bytes are writable there, and it is aligned.
            unsafe { _mm256_stream_si256(to, self.0) }
        } else {
            self.store(bytes);
        }
    }

    #[inline(always)]
    fn fence(_proof: Avx2) {
        // SAFETY: the proof implies it, as does the architecture.
        unsafe { _mm_sfence() }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(unsafe { _mm256_or_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn difference(self) -> Option<Different> {
        // SAFETY: a vector exists only with a proof.
        (unsafe { _mm256_testz_si256(self.0, self.0) } == 0).then_some(Different)
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
    fn gather_counted<B, T: Copy, K: Taker<T>>(
        blocks: &[B],
        make: impl Make<B, T>,
        taker: K,
    ) -> Option<K::Answer> {
        gather_counted(blocks, make, taker)
    }

    #[inline(always)]
    fn enter_tile<W: Work<Self>>(proof: Avx2, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { tile::<W>(proof, first, second, third, fourth) }
    }

    #[inline(always)]
    fn enter_wide<W: Work<Self>>(proof: Avx2, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { wide::<W>(proof, first, second, third, fourth) }
    }

    #[inline(always)]
    fn enter_stream<W: Work<Self>>(proof: Avx2, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { stream::<W>(proof, first, second, third, fourth) }
    }
}

entry! {
    #[target_feature(enable = "avx2")]
    #[inline(never)]
    fn tile: Ymm, Cached, 4
}

entry! {
    #[target_feature(enable = "avx2")]
    fn wide: Ymm, Cached, 8
}

entry! {
    #[target_feature(enable = "avx2")]
    fn stream: Ymm, PastCache, 2
}

impl Ymm {
    /// Each byte shifted, the bit at the top lost.
    #[inline(always)]
    fn doubled(self) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(unsafe { _mm256_add_epi8(self.0, self.0) })
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn offset(bytes: __m256i) -> __m256i {
    _mm256_xor_si256(bytes, _mm256_set1_epi8(OFFSET))
}

/// The reduction, turned upside down: see [`OFFSET`].
#[target_feature(enable = "avx2")]
#[inline]
fn reduction(sum: __m256i) -> __m256i {
    _mm256_shuffle_epi8(_mm256_set1_epi8(gf256::REDUCTION.cast_signed()), sum)
}

#[target_feature(enable = "avx2")]
#[inline]
fn times(bytes: __m256i, low: &[u8; 16], high: &[u8; 16]) -> __m256i {
    let nibble = _mm256_set1_epi8(0x0f);
    let low_nibbles = _mm256_and_si256(bytes, nibble);
    let high_nibbles = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
    _mm256_xor_si256(
        _mm256_shuffle_epi8(in_both_halves(low), low_nibbles),
        _mm256_shuffle_epi8(in_both_halves(high), high_nibbles),
    )
}

#[target_feature(enable = "avx2")]
#[inline]
fn in_both_halves(table: &[u8; 16]) -> __m256i {
    // SAFETY: 16 bytes are readable there, at any alignment.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(table.as_ptr().cast::<__m128i>()) })
}
