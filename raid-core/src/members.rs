//! Sets of members, and what a member can be.

use crate::limits::MEMBERS_MAX;
use crate::units::{MemberIndex, Sectors};

const WORD_BITS: usize = 32;
const WORDS: usize = MEMBERS_MAX.div_ceil(WORD_BITS);

/// A set of places. `MEMBERS_MAX` bits, so a small build has a small set.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberSet([u32; WORDS]);

impl MemberSet {
    /// The set without a member.
    pub const NONE: Self = Self([0; WORDS]);

    /// The places 0 to `count - 1`, cut at [`MEMBERS_MAX`].
    #[must_use]
    pub fn first(count: u8) -> Self {
        let mut left = u32::from(count);
        Self([(); WORDS].map(|()| {
            let here = left.min(u32::BITS);
            left = left.saturating_sub(here);
            u32::MAX.checked_shr(u32::BITS.saturating_sub(here)).unwrap_or(0)
        }))
    }

    /// The set of one place; empty if there cannot be such a place.
    #[must_use]
    pub fn only(member: MemberIndex) -> Self {
        let mut set = Self::NONE;
        set.insert(member);
        set
    }

    /// Adds a place. A place beyond [`MEMBERS_MAX`] is not added.
    pub fn insert(&mut self, member: MemberIndex) {
        if let Some((word, bit)) = self.place(member) {
            *word |= bit;
        }
    }

    /// Takes a place out.
    pub fn remove(&mut self, member: MemberIndex) {
        if let Some((word, bit)) = self.place(member) {
            *word &= !bit;
        }
    }

    /// Whether the place is in the set.
    #[must_use]
    pub fn contains(&self, member: MemberIndex) -> bool {
        let (word, bit) = Self::split(member);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Whether there is no place in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many places there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.iter().fold(0, |sum, word| sum.saturating_add(word.count_ones()))
    }

    /// The place with the lowest number.
    #[must_use]
    pub fn lowest(&self) -> Option<MemberIndex> {
        self.into_iter().next()
    }

    /// Places in either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        self.combine(other, |a, b| a | b)
    }

    /// Places in both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        self.combine(other, |a, b| a & b)
    }

    /// Places in this set and not in the other.
    #[must_use]
    pub fn difference(self, other: Self) -> Self {
        self.combine(other, |a, b| a & !b)
    }

    fn combine(mut self, other: Self, operation: impl Fn(u32, u32) -> u32) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word = operation(*word, other);
        }
        self
    }

    fn split(member: MemberIndex) -> (usize, u32) {
        let number = u32::from(member.0);
        (usize::from(member.0) / WORD_BITS, 1_u32.wrapping_shl(number))
    }

    fn place(&mut self, member: MemberIndex) -> Option<(&mut u32, u32)> {
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
    /// Holds valid data below the mark, counted from the start of its data area, and takes all writes.
    Rebuilding {
        /// The first sector that is not valid yet.
        valid_to: Sectors,
    },
    /// Was in the array and is not to be used again: its failure is on record, or will be.
    Failed,
    /// Nothing is attached at this place.
    Missing,
}
