//! Sixty-four bits of any CPU as eight bytes. No unsafe code.

use crate::gf256;
use crate::vector::{Cached, Gaps, Vector, Work};
use crate::verdict::Different;

/// Eight bytes.
#[derive(Clone, Copy)]
pub(crate) struct Word(u64);

/// The products of a constant with 1, 2, 4 and so on.
type Multiples = [u8; 8];

const LOW_BITS: u64 = 0x0101_0101_0101_0101;

impl Vector for Word {
    type Proof = ();
    type Bytes = [u8; 8];
    type Factor = Multiples;
    type Running = Self;

    const GAPS: Gaps = Gaps::Doubled;

    #[inline(always)]
    fn zero((): ()) -> Self {
        Self(0)
    }

    #[inline(always)]
    fn load((): (), bytes: &[u8; 8]) -> Self {
        Self(u64::from_le_bytes(*bytes))
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8; 8]) {
        *bytes = self.0.to_le_bytes();
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline(always)]
    fn difference(self) -> Option<Different> {
        (self.0 != 0).then_some(Different)
    }

    #[inline]
    fn factor(constant: u8) -> Multiples {
        let mut multiple = constant;
        [(); 8].map(|()| {
            let this = multiple;
            multiple = gf256::double(this);
            this
        })
    }

    #[inline(always)]
    fn times(self, factor: Multiples) -> Self {
        let mut product = 0;
        for (bit, multiple) in (0..8_u32).zip(factor) {
            // A byte is 0 or 1 here, so nothing carries into its neighbour.
            product ^= (self.0.wrapping_shr(bit) & LOW_BITS).wrapping_mul(u64::from(multiple));
        }
        Self(product)
    }

    #[inline(always)]
    fn begin(self) -> Self {
        self
    }

    #[inline(always)]
    fn double(sum: Self) -> Self {
        let carries = (sum.0 >> 7) & LOW_BITS;
        let shifted = sum.0.wrapping_shl(1) & !LOW_BITS;
        Self(shifted ^ carries.wrapping_mul(u64::from(gf256::REDUCTION)))
    }

    #[inline(always)]
    fn next(sum: Self, next: Self) -> Self {
        Self::double(sum).xor(next)
    }

    #[inline(always)]
    fn finish(sum: Self) -> Self {
        sum
    }

    #[inline(never)]
    fn enter_tile<W: Work<Self>>((): (), work: W) -> Option<W::Answer> {
        work.run::<Cached, 4>(())
    }

    // One loop for all ways: general registers have no other width, and no way past the cache.

    #[inline(always)]
    fn enter_wide<W: Work<Self>>((): (), work: W) -> Option<W::Answer> {
        Self::enter_tile((), work)
    }

    #[inline(always)]
    fn enter_stream<W: Work<Self>>((): (), work: W) -> Option<W::Answer> {
        Self::enter_tile((), work)
    }
}
