//! AVX2: a line is two registers, a tile two lines. Products by shuffles of nibble tables.

use core::arch::x86_64::{
    __m128i, __m256i, _mm256_add_epi8, _mm256_and_si256, _mm256_broadcastsi128_si256,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_srli_epi16, _mm256_testz_si256, _mm256_xor_si256,
};

use crate::gf256;
use crate::line::{LINE_BYTES, Line};
use crate::operations::Operation;
use crate::verdict::Different;

/// Lines in a tile: with P and Q that is eight registers of sixteen.
const TILE_LINES: usize = 2;

/// Proof that the CPU has AVX2: made by asking it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx2 {
    _proof: (),
}

impl Avx2 {
    /// Asks the CPU.
    pub(crate) fn detect() -> Option<Self> {
        super::has_avx2().map(|()| Self { _proof: () })
    }

    /// Runs an operation: the only function with the target feature that is not a few instructions.
    pub(crate) fn run<O: Operation>(self, operation: O) -> O::Answer {
        #[target_feature(enable = "avx2")]
        fn entry<O: Operation>(proof: Avx2, operation: O) -> O::Answer {
            operation.by_lines::<TwoRegisters, TILE_LINES>(proof)
        }
        // SAFETY: `self` proves that the CPU has AVX2.
        unsafe { entry(self, operation) }
    }
}

/// A line. Made only from a proof or from another line, so each one is a proof too.
#[derive(Clone, Copy)]
pub(crate) struct TwoRegisters([__m256i; 2]);

/// A running sum, offset by [`OFFSET`].
///
/// A shuffle of the constant 0x1d by `q` gives 0 where bit 7 of `q` is set and 0x1d elsewhere: the
/// reduction turned upside down, that is `2q + 0x1d` from one addition, one shuffle and one
/// exclusive or. With `q` kept as `q + o` it gives `2q + 2o + 0x1d`, which is `2q + o` for
/// `o = 0x1d / 3`.
#[derive(Clone, Copy)]
pub(crate) struct OffsetSum([__m256i; 2]);

const OFFSET: i8 = {
    let mut offset = 0_u8;
    while gf256::product_by_shifts(offset, 3) != gf256::REDUCTION {
        offset = offset.wrapping_add(1);
    }
    offset.cast_signed()
};

/// The products of a constant with each nibble, twice: a shuffle works in each half of a register.
#[derive(Clone, Copy)]
pub(crate) struct Shuffles {
    low: __m256i,
    high: __m256i,
}

impl Line for TwoRegisters {
    type Proof = Avx2;
    type Factor = Shuffles;
    type Running = OffsetSum;

    #[inline(always)]
    fn zero(_proof: Avx2) -> Self {
        // SAFETY: the proof.
        unsafe { zero() }
    }

    #[inline(always)]
    fn load(_proof: Avx2, bytes: &[u8; LINE_BYTES]) -> Self {
        // SAFETY: 64 bytes are readable there, at any alignment; every pattern is a value.
        Self(unsafe { bytes.as_ptr().cast::<[__m256i; 2]>().read_unaligned() })
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8; LINE_BYTES]) {
        // SAFETY: 64 bytes are writable there, at any alignment; every pattern is a value.
        unsafe { bytes.as_mut_ptr().cast::<[__m256i; 2]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: a line exists only with AVX2.
        unsafe { xor(self, other) }
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: a line exists only with AVX2.
        unsafe { or(self, other) }
    }

    #[inline(always)]
    fn difference(self) -> Option<Different> {
        // SAFETY: a line exists only with AVX2.
        unsafe { difference(self) }
    }

    #[inline(always)]
    fn factor(_proof: Avx2, constant: u8) -> Shuffles {
        let [low, high] = gf256::nibbles(constant);
        // SAFETY: the proof.
        unsafe { shuffles(low, high) }
    }

    #[inline(always)]
    fn times(self, factor: Shuffles) -> Self {
        // SAFETY: a line exists only with AVX2.
        unsafe { times(self, factor) }
    }

    #[inline(always)]
    fn begin(self) -> OffsetSum {
        // SAFETY: a line exists only with AVX2.
        unsafe { begin(self) }
    }

    #[inline(always)]
    fn double(sum: OffsetSum) -> OffsetSum {
        // SAFETY: a sum begins with a line.
        unsafe { double(sum) }
    }

    #[inline(always)]
    fn add(sum: OffsetSum, next: Self) -> OffsetSum {
        // SAFETY: a line exists only with AVX2.
        OffsetSum(unsafe { xor(Self(sum.0), next) }.0)
    }

    #[inline(always)]
    fn finish(sum: OffsetSum) -> Self {
        // SAFETY: a sum begins with a line.
        unsafe { finish(sum) }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn zero() -> TwoRegisters {
    TwoRegisters([_mm256_setzero_si256(); 2])
}

#[target_feature(enable = "avx2")]
#[inline]
fn xor(TwoRegisters([a0, a1]): TwoRegisters, TwoRegisters([b0, b1]): TwoRegisters) -> TwoRegisters {
    TwoRegisters([_mm256_xor_si256(a0, b0), _mm256_xor_si256(a1, b1)])
}

#[target_feature(enable = "avx2")]
#[inline]
fn or(TwoRegisters([a0, a1]): TwoRegisters, TwoRegisters([b0, b1]): TwoRegisters) -> TwoRegisters {
    TwoRegisters([_mm256_or_si256(a0, b0), _mm256_or_si256(a1, b1)])
}

#[target_feature(enable = "avx2")]
#[inline]
fn difference(TwoRegisters([a0, a1]): TwoRegisters) -> Option<Different> {
    let any = _mm256_or_si256(a0, a1);
    (_mm256_testz_si256(any, any) == 0).then_some(Different)
}

#[target_feature(enable = "avx2")]
#[inline]
fn shuffles(low: &[u8; 16], high: &[u8; 16]) -> Shuffles {
    Shuffles { low: in_both_halves(low), high: in_both_halves(high) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn in_both_halves(table: &[u8; 16]) -> __m256i {
    // SAFETY: 16 bytes are readable there, at any alignment; every pattern is a value.
    let half = unsafe { table.as_ptr().cast::<__m128i>().read_unaligned() };
    _mm256_broadcastsi128_si256(half)
}

#[target_feature(enable = "avx2")]
#[inline]
fn times(TwoRegisters([a0, a1]): TwoRegisters, factor: Shuffles) -> TwoRegisters {
    TwoRegisters([times_register(a0, factor), times_register(a1, factor)])
}

#[target_feature(enable = "avx2")]
#[inline]
fn times_register(bytes: __m256i, Shuffles { low, high }: Shuffles) -> __m256i {
    let nibble = _mm256_set1_epi8(0x0f);
    let low_nibbles = _mm256_and_si256(bytes, nibble);
    let high_nibbles = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
    _mm256_xor_si256(_mm256_shuffle_epi8(low, low_nibbles), _mm256_shuffle_epi8(high, high_nibbles))
}

#[target_feature(enable = "avx2")]
#[inline]
fn begin(TwoRegisters([a0, a1]): TwoRegisters) -> OffsetSum {
    let offset = _mm256_set1_epi8(OFFSET);
    OffsetSum([_mm256_xor_si256(a0, offset), _mm256_xor_si256(a1, offset)])
}

#[target_feature(enable = "avx2")]
#[inline]
fn finish(OffsetSum([a0, a1]): OffsetSum) -> TwoRegisters {
    let offset = _mm256_set1_epi8(OFFSET);
    TwoRegisters([_mm256_xor_si256(a0, offset), _mm256_xor_si256(a1, offset)])
}

#[target_feature(enable = "avx2")]
#[inline]
fn double(OffsetSum([a0, a1]): OffsetSum) -> OffsetSum {
    OffsetSum([double_register(a0), double_register(a1)])
}

#[target_feature(enable = "avx2")]
#[inline]
fn double_register(sum: __m256i) -> __m256i {
    let reduction = _mm256_set1_epi8(gf256::REDUCTION.cast_signed());
    _mm256_xor_si256(_mm256_add_epi8(sum, sum), _mm256_shuffle_epi8(reduction, sum))
}
