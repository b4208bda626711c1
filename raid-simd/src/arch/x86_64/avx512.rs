//! AVX-512BW: products by shuffles of nibble tables, sums of three in one instruction.

use core::arch::x86_64::{
    __m128i, __m512i, _mm_loadu_si128, _mm_sfence, _mm512_add_epi8, _mm512_and_si512,
    _mm512_broadcast_i32x4, _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8, _mm512_or_si512,
    _mm512_set1_epi8, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_srli_epi16,
    _mm512_stream_si512, _mm512_ternarylogic_epi64, _mm512_test_epi8_mask, _mm512_xor_si512,
};

use super::offset::OFFSET;
use crate::gather::{Make, Taker, gather_counted};
use crate::gf256::{self, Nibbles};
use crate::vector::{Cached, Counts, Gaps, Parts, PastCache, Vector, Work, entry};
use crate::verdict::Different;

/// Proof that the CPU has AVX-512 F, BW and VL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx512 {
    _proof: (),
}

impl Avx512 {
    /// # Safety
    ///
    /// The CPU has AVX-512 F, BW and VL, and the system saves its registers.
    pub(super) const unsafe fn assume() -> Self {
        Self { _proof: () }
    }
}

/// A vector. Made only from a proof or from another vector, so each one is a proof too.
#[derive(Clone, Copy)]
pub(crate) struct Zmm(pub(super) __m512i);

/// A sum of three: the truth table of exclusive or.
const XOR3: i32 = 0x96;

impl Vector for Zmm {
    type Proof = Avx512;
    type Bytes = [u8; 64];
    type Factor = &'static Nibbles;
    /// Offset by [`OFFSET`].
    type Running = Self;

    const COUNTS: Counts = Counts::Each;
    const GAPS: Gaps = Gaps::Doubled;

    #[inline(always)]
    fn zero(_proof: Avx512) -> Self {
        // SAFETY: the proof.
        Self(unsafe { _mm512_setzero_si512() })
    }

    #[inline(always)]
    fn load(_proof: Avx512, bytes: &[u8; 64]) -> Self {
        // SAFETY: 64 bytes are readable there, at any alignment; every pattern is a value.
        Self(unsafe { bytes.as_ptr().cast::<__m512i>().read_unaligned() })
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8; 64]) {
        // SAFETY: 64 bytes are writable there, at any alignment; every pattern is a value.
        unsafe { bytes.as_mut_ptr().cast::<__m512i>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn load_part(_proof: Avx512, bytes: &[u8]) -> Self {
        // SAFETY: the mask keeps the load within the slice.
        Self(unsafe { _mm512_maskz_loadu_epi8(mask(bytes.len()), bytes.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store_part(self, bytes: &mut [u8]) {
        let mask = mask(bytes.len());
        // SAFETY: the mask keeps the store within the slice.
        unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast(), mask, self.0) }
    }

    #[inline(always)]
    fn store_past_cache(self, bytes: &mut [u8; 64]) {
        let to = bytes.as_mut_ptr().cast::<__m512i>();
        if to.is_aligned() {
            // SAFETY: 64 bytes are writable there, and it is aligned.
            unsafe { _mm512_stream_si512(to, self.0) }
        } else {
            self.store(bytes);
        }
    }

    #[inline(always)]
    fn fence(_proof: Avx512) {
        // SAFETY: the proof implies it, as does the architecture.
        unsafe { _mm_sfence() }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn xor3(self, second: Self, third: Self) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(unsafe { _mm512_ternarylogic_epi64::<XOR3>(self.0, second.0, third.0) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(unsafe { _mm512_or_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn difference(self) -> Option<Different> {
        // SAFETY: a vector exists only with a proof.
        (unsafe { _mm512_test_epi8_mask(self.0, self.0) } != 0).then_some(Different)
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
        sum.doubled().xor3(Self(unsafe { reduction(sum.0) }), next)
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
    fn enter_tile<W: Work<Self>>(proof: Avx512, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { tile::<W>(proof, first, second, third, fourth) }
    }

    #[inline(always)]
    fn enter_wide<W: Work<Self>>(proof: Avx512, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { wide::<W>(proof, first, second, third, fourth) }
    }

    #[inline(always)]
    fn enter_stream<W: Work<Self>>(proof: Avx512, work: W) -> Option<W::Answer> {
        let (first, second, third, fourth) = work.into_parts().split();
        // SAFETY: the proof.
        unsafe { stream::<W>(proof, first, second, third, fourth) }
    }
}

entry! {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    #[inline(never)]
    fn tile: Zmm, Cached, 4
}

entry! {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn wide: Zmm, Cached, 8
}

entry! {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn stream: Zmm, PastCache, 1
}

impl Zmm {
    /// Each byte shifted, the bit at the top lost.
    #[inline(always)]
    fn doubled(self) -> Self {
        // SAFETY: a vector exists only with a proof.
        Self(unsafe { _mm512_add_epi8(self.0, self.0) })
    }
}

/// The lowest `length` of 64 bits.
#[inline(always)]
fn mask(length: usize) -> u64 {
    let missing = u32::try_from(64_usize.saturating_sub(length)).unwrap_or(64);
    u64::MAX.checked_shr(missing).unwrap_or(0)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn offset(bytes: __m512i) -> __m512i {
    _mm512_xor_si512(bytes, _mm512_set1_epi8(OFFSET))
}

/// The reduction, turned upside down: see [`OFFSET`].
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn reduction(sum: __m512i) -> __m512i {
    _mm512_shuffle_epi8(_mm512_set1_epi8(gf256::REDUCTION.cast_signed()), sum)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn times(bytes: __m512i, low: &[u8; 16], high: &[u8; 16]) -> __m512i {
    let nibble = _mm512_set1_epi8(0x0f);
    let low_nibbles = _mm512_and_si512(bytes, nibble);
    let high_nibbles = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), nibble);
    _mm512_xor_si512(
        _mm512_shuffle_epi8(in_all_quarters(low), low_nibbles),
        _mm512_shuffle_epi8(in_all_quarters(high), high_nibbles),
    )
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn in_all_quarters(table: &[u8; 16]) -> __m512i {
    // SAFETY: 16 bytes are readable there, at any alignment.
    _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(table.as_ptr().cast::<__m128i>()) })
}
