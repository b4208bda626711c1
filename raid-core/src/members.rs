//! Sets of members, and what a member can be.

use crate::limits::MEMBERS_MAX;
use crate::units::{MemberIndex, Sectors};

/// As wide as the machine counts, so that most sets are one word.
type Word = usize;
const WORDS: usize = MEMBERS_MAX.div_ceil(WORD_BITS);
#[expect(clippy::as_conversions, reason = "a number of bits, in const")]
const WORD_BITS: usize = Word::BITS as usize;
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "checked to be at most 255"
)]
const COUNT_MAX: u32 = MEMBERS_MAX as u32;

/// A set of places. `MEMBERS_MAX` bits, so a small build has a small set.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberSet([Word; WORDS]);

impl MemberSet {
    /// The set without a member.
    pub const NONE: Self = Self([0; WORDS]);

    /// The places 0 to `count - 1`, cut at [`MEMBERS_MAX`].
    #[must_use]
    #[inline]
    pub fn first(count: u8) -> Self {
        let mut left = u32::from(count).min(COUNT_MAX);
        Self([(); WORDS].map(|()| {
            let here = left.min(Word::BITS);
            left = left.saturating_sub(here);
            Word::MAX.checked_shr(Word::BITS.saturating_sub(here)).unwrap_or(0)
        }))
    }

    /// The set of one place; empty if there cannot be such a place.
    #[must_use]
    #[inline]
    pub fn only(member: MemberIndex) -> Self {
        let mut set = Self::NONE;
        set.insert(member);
        set
    }

    /// Adds a place. A place beyond [`MEMBERS_MAX`] is not added.
    #[inline]
    pub fn insert(&mut self, member: MemberIndex) {
        if let Some((word, bit)) = self.place(member) {
            *word |= bit;
        }
    }

    /// Takes a place out.
    #[inline]
    pub fn remove(&mut self, member: MemberIndex) {
        if let Some((word, bit)) = self.place(member) {
            *word &= !bit;
        }
    }

    /// Whether the place is in the set.
    #[must_use]
    #[inline]
    pub fn contains(&self, member: MemberIndex) -> bool {
        let (word, bit) = Self::split(member);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Whether there is no place in the set.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many places there are.
    #[must_use]
    #[inline]
    pub fn count(&self) -> u32 {
        self.0.iter().fold(0, |sum, word| sum.saturating_add(word.count_ones()))
    }

    /// The place with the lowest number.
    #[must_use]
    #[inline]
    pub fn lowest(&self) -> Option<MemberIndex> {
        self.into_iter().next()
    }

    /// Places in either set.
    #[must_use]
    #[inline]
    pub fn union(self, other: Self) -> Self {
        self.combine(other, |a, b| a | b)
    }

    /// Places in both sets.
    #[must_use]
    #[inline]
    pub fn intersection(self, other: Self) -> Self {
        self.combine(other, |a, b| a & b)
    }

    /// Places in this set and not in the other.
    #[must_use]
    #[inline]
    pub fn difference(self, other: Self) -> Self {
        self.combine(other, |a, b| a & !b)
    }

    #[inline]
    fn combine(mut self, other: Self, operation: impl Fn(Word, Word) -> Word) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word = operation(*word, other);
        }
        self
    }

    #[inline]
    fn split(member: MemberIndex) -> (usize, Word) {
        let number = u32::from(member.0);
        (usize::from(member.0) / WORD_BITS, 1_usize.wrapping_shl(number))
    }

    #[inline]
    fn place(&mut self, member: MemberIndex) -> Option<(&mut Word, Word)> {
        let (word, bit) = Self::split(member);
        if member.index() >= MEMBERS_MAX {
            return None;
        }
        self.0.get_mut(word).map(|word| (word, bit))
    }
}

impl FromIterator<MemberIndex> for MemberSet {
    fn from_iter<T: IntoIterator<Item = MemberIndex>>(members: T) -> Self {
        let mut set = Self::NONE;
        for member in members {
            set.insert(member);
        }
        set
    }
}

impl core::fmt::Debug for MemberSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.into_iter().map(|member| member.0)).finish()
    }
}

impl IntoIterator for MemberSet {
    type Item = MemberIndex;
    type IntoIter = Places;

    #[inline]
    fn into_iter(self) -> Places {
        Places { left: self, word: 0 }
    }
}

/// The places of a set, in ascending order.
#[derive(Clone, Debug)]
pub struct Places {
    left: MemberSet,
    word: usize,
}

impl Iterator for Places {
    type Item = MemberIndex;

    #[inline]
    fn next(&mut self) -> Option<MemberIndex> {
        while let Some(word) = self.left.0.get_mut(self.word) {
            if *word != 0 {
                let bit = word.trailing_zeros();
                *word &= word.wrapping_sub(1);
                let number =
                    self.word.wrapping_mul(WORD_BITS).wrapping_add(usize::try_from(bit).ok()?);
                return u8::try_from(number).ok().map(MemberIndex);
            }
            self.word = self.word.wrapping_add(1);
        }
        None
    }
}

/// What the member at a place is, and so what may be read from it and written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberState {
    /// Holds valid data everywhere.
    InSync,
    /// Holds valid data below the mark, counted from the start of its data area, and takes all
    /// writes.
    Rebuilding {
        /// The first sector that is not valid yet.
        valid_to: Sectors,
    },
    /// Was in the array and is not to be used again: its failure is on record, or will be.
    Failed,
    /// Nothing is attached at this place.
    Missing,
}
