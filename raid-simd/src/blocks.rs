//! The blocks that operations take: present, changed, missing.

use crate::arch::lanes::Slices;

/// The exponent `e` with which a data block enters Q: `Q = Σ 2^e · D`. From 0 to 254.
///
/// In md's layouts the exponents of `k` data blocks are 0 to `k - 1`, counted from the member after
/// Q. In the DDF layouts they are the places of the members, so the places of P and Q leave gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exponent(u8);

impl Exponent {
    /// The highest: 2^255 is 2^0 again.
    pub const MAX: Self = Self(254);

    /// The exponent `value`, or `None` for 255, which would be 0 again.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// This exponent as an index into memory.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A data block to read, or the difference of one: its old content xor its new content.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// How it enters Q.
    pub exponent: Exponent,
    /// The content.
    pub bytes: &'a [u8],
}

/// A data block that is about to change, or has changed.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// How it enters Q.
    pub exponent: Exponent,
    /// The content that the parity covers now.
    pub old: &'a [u8],
    /// The content that the parity shall cover.
    pub new: &'a [u8],
}

/// A missing data block, and where to write its content.
#[derive(Debug)]
pub struct Target<'a> {
    /// How it enters Q.
    pub exponent: Exponent,
    /// Where the content goes. What it held does not matter.
    pub bytes: &'a mut [u8],
}

/// Something to sum up.
///
/// A block counts as zero past its end. No call comes there: the lengths were checked before.
pub(crate) trait Block: Slices {
    /// One byte.
    fn byte(&self, at: usize) -> u8;
}

/// A block that enters Q.
pub(crate) trait Ranked: Block {
    /// How it enters Q.
    fn exponent(&self) -> Exponent;
}

impl Block for &[u8] {
    fn byte(&self, at: usize) -> u8 {
        self.get(at).copied().unwrap_or(0)
    }
}

impl Block for Source<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.bytes.byte(at)
    }
}

impl Ranked for Source<'_> {
    #[inline]
    fn exponent(&self) -> Exponent {
        self.exponent
    }
}

impl Block for Change<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.old.byte(at) ^ self.new.byte(at)
    }
}

impl Ranked for Change<'_> {
    #[inline]
    fn exponent(&self) -> Exponent {
        self.exponent
    }
}
