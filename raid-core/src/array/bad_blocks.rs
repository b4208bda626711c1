//! Ranges of members that are known to be bad: they are read by nobody until a write has made them
//! good.

use super::Array;
use crate::members::MemberSet;
use crate::rectangle::Rectangle;
use crate::units::{MemberIndex, MemberSector, Sectors};

/// A range of a member that is known to be bad: it cannot be read, or what it holds is not to be
/// used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BadBlock {
    /// The place of the member.
    pub member: MemberIndex,
    /// The first sector, counted from the start of its data area.
    pub at: MemberSector,
    /// How many. None in a free entry.
    pub sectors: Sectors,
}

impl BadBlock {
    /// Room for one range.
    pub const FREE: Self =
        Self { member: MemberIndex(0), at: MemberSector(0), sectors: Sectors::ZERO };

    pub(crate) const fn end(&self) -> u64 {
        self.at.0.saturating_add(self.sectors.0)
    }

    /// The same, of this member, from one sector up to another.
    const fn between(member: MemberIndex, start: u64, end: u64) -> Self {
        let sectors = Sectors(end.saturating_sub(start));
        Self { member, at: MemberSector(start), sectors }
    }

    /// The smallest range of whole logical blocks around this one: commands stop at its borders.
    const fn in_blocks(self, block: Sectors) -> Self {
        let before = match self.at.0.checked_rem(block.0) {
            Some(before) => before,
            None => 0,
        };
        let end = match self.end().checked_next_multiple_of(block.0) {
            Some(end) => end,
            None => self.end(),
        };
        Self::between(self.member, self.at.0.saturating_sub(before), end)
    }
}

/// How much of a range is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Good,
    /// Some of it.
    Mixed,
    /// All of it.
    Bad,
}

/// The list has no room for another range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The bad ranges of all members: sorted by member and sector, none touches another.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct BadBlocks<'m> {
    memory: &'m mut [BadBlock],
    count: usize,
    on_record: OnRecord,
}

/// Which of the ranges are on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum OnRecord {
    All,
    /// Of some the record says that they are good: they could not come off the list.
    NotAll,
}

impl<'m> BadBlocks<'m> {
    /// The ranges in this memory, and room for as many as there are free entries.
    pub(super) fn load(memory: &'m mut [BadBlock], block: Sectors) -> Self {
        let mut list = Self { memory, count: 0, on_record: OnRecord::All };
        for from in 0..list.memory.len() {
            let Some(entry) = list.memory.get_mut(from) else { break };
            let range = core::mem::replace(entry, BadBlock::FREE);
            // As many entries are free as have been taken out.
            if let Err(Full) = list.add(range.in_blocks(block)) {
                break;
            }
        }
        list
    }

    #[inline]
    pub(crate) fn ranges(&self) -> &[BadBlock] {
        self.memory.get(..self.count).unwrap_or_default()
    }

    /// Whether ranges can be kept at all.
    #[inline]
    pub(crate) const fn has_memory(&self) -> bool {
        !self.memory.is_empty()
    }

    /// The first range of a member that ends behind this sector.
    fn next_from(&self, member: MemberIndex, start: u64) -> Option<&BadBlock> {
        let ranges = self.ranges();
        let before = |range: &BadBlock| (range.member, range.end()) <= (member, start);
        let range = ranges.get(ranges.partition_point(before))?;
        (range.member == member).then_some(range)
    }

    /// Whether a range is bad, and certainly on record as that.
    pub(crate) fn has_on_record(&self, range: BadBlock) -> bool {
        match self.on_record {
            OnRecord::All => self.health(range) == Health::Bad,
            OnRecord::NotAll => false,
        }
    }

    /// The record calls a range good that could not come off the list.
    pub(crate) const fn differ_from_record(&mut self) {
        self.on_record = OnRecord::NotAll;
    }

    pub(crate) fn health(&self, range: BadBlock) -> Health {
        let Some(bad) = self.next_from(range.member, range.at.0) else { return Health::Good };
        if bad.at.0 >= range.end() {
            Health::Good
        } else if bad.at <= range.at && range.end() <= bad.end() {
            Health::Bad
        } else {
            Health::Mixed
        }
    }

    /// The first border of a bad range behind this sector.
    fn border(&self, member: MemberIndex, start: u64) -> Option<u64> {
        let bad = self.next_from(member, start)?;
        Some(if bad.at.0 > start { bad.at.0 } else { bad.end() })
    }

    /// Takes a range in.
    pub(crate) fn add(&mut self, range: BadBlock) -> Result<(), Full> {
        if range.sectors == Sectors::ZERO {
            return Ok(());
        }
        let touches = |other: &BadBlock| {
            other.member == range.member && other.at.0 <= range.end() && range.at.0 <= other.end()
        };
        if self.count >= self.memory.len() && !self.ranges().iter().any(touches) {
            return Err(Full);
        }
        let (mut start, mut end) = (range.at.0, range.end());
        self.keep(|other| {
            if touches(&other) {
                start = start.min(other.at.0);
                end = end.max(other.end());
                return None;
            }
            Some(other)
        });
        self.insert(BadBlock::between(range.member, start, end))
    }

    /// Takes a range out.
    ///
    /// # Errors
    /// What is left would be one range more, and there is no room: all of it still counts as bad.
    pub(crate) fn clear(&mut self, range: BadBlock) -> Result<(), Full> {
        if range.sectors == Sectors::ZERO {
            return Ok(());
        }
        let BadBlock { member, .. } = range;
        let (start, end) = (range.at.0, range.end());
        let split = self.split_by(range)?;
        self.keep(|other| {
            if other.member != member || other.end() <= start || end <= other.at.0 {
                Some(other)
            } else if other.at.0 < start {
                Some(BadBlock::between(member, other.at.0, start))
            } else {
                (end < other.end()).then(|| BadBlock::between(member, end, other.end()))
            }
        });
        match split {
            Some(other) => self.insert(BadBlock::between(member, end, other.end())),
            None => Ok(()),
        }
    }

    /// The range, if any, of which two are left without this one.
    ///
    /// # Errors
    /// There is no room for that.
    pub(crate) fn split_by(&self, range: BadBlock) -> Result<Option<BadBlock>, Full> {
        let around = self.next_from(range.member, range.at.0).copied();
        let split = around.filter(|other| other.at < range.at && range.end() < other.end());
        if split.is_some() && self.count >= self.memory.len() { Err(Full) } else { Ok(split) }
    }

    /// Forgets the ranges of a member.
    pub(super) fn forget(&mut self, member: MemberIndex) {
        self.keep(|other| (other.member != member).then_some(other));
    }

    /// The ranges of a member are another's, which has none.
    pub(super) fn rename(&mut self, from: MemberIndex, to: MemberIndex) {
        for _ in 0..self.count {
            let Some(range) = self.next_from(from, 0).copied() else { break };
            let first = |other: BadBlock| (other != range).then_some(other);
            self.keep(first);
            // One has just been taken out.
            if let Err(Full) = self.insert(BadBlock { member: to, ..range }) {
                break;
            }
        }
    }

    fn insert(&mut self, range: BadBlock) -> Result<(), Full> {
        if self.count >= self.memory.len() {
            return Err(Full);
        }
        let at = self
            .ranges()
            .partition_point(|other| (other.member, other.at.0) < (range.member, range.at.0));
        self.count = self.count.saturating_add(1);
        let mut carried = range;
        for place in self.memory.iter_mut().take(self.count).skip(at) {
            core::mem::swap(place, &mut carried);
        }
        Ok(())
    }

    /// Leaves of each range what this says.
    fn keep(&mut self, mut of: impl FnMut(BadBlock) -> Option<BadBlock>) {
        let mut kept = 0_usize;
        for from in 0..self.count {
            let Some(range) = self.memory.get(from).copied().and_then(&mut of) else { continue };
            if let Some(place) = self.memory.get_mut(kept) {
                *place = range;
            }
            kept = kept.saturating_add(1);
        }
        for place in self.memory.iter_mut().take(self.count).skip(kept) {
            *place = BadBlock::FREE;
        }
        self.count = kept;
    }
}

impl Array<'_> {
    /// Part of the block of a place, as a range of its member.
    pub(crate) fn part(
        &self,
        rectangle: &Rectangle,
        member: MemberIndex,
        start: Sectors,
        sectors: Sectors,
    ) -> Option<BadBlock> {
        let place = self.place_of(member);
        let geometry = self.geometry_of(rectangle.shape());
        let at = rectangle.member_sector(geometry, place)?.checked_add(start)?;
        Some(BadBlock { member, at, sectors })
    }

    /// How much of the block of a place is known to be bad.
    fn health(&self, rectangle: &Rectangle, member: MemberIndex) -> Health {
        let block = self.part(rectangle, member, Sectors::ZERO, rectangle.sectors);
        block.map_or(Health::Good, |block| self.bad_blocks.health(block))
    }

    /// Whether a block of a member that is here is bad in part, and good in part.
    #[inline]
    pub(crate) fn is_mixed(&self, rectangle: &Rectangle) -> bool {
        let mut places = self.bad_seats(rectangle).difference(self.absent).into_iter();
        places.any(|member| self.health(rectangle, member) == Health::Mixed)
    }

    /// Places whose block is known to be bad, be it in part.
    #[inline]
    pub(crate) fn bad(&self, rectangle: &Rectangle) -> MemberSet {
        if self.bad_blocks.ranges().is_empty() {
            return MemberSet::NONE;
        }
        self.bad_of(rectangle, rectangle.places())
    }

    /// The same, and the seat of the replacement if its block is.
    pub(crate) fn bad_seats(&self, rectangle: &Rectangle) -> MemberSet {
        if self.bad_blocks.ranges().is_empty() {
            return MemberSet::NONE;
        }
        let places = rectangle.places();
        self.bad_of(rectangle, places.union(self.copies_of(places)))
    }

    fn bad_of(&self, rectangle: &Rectangle, seats: MemberSet) -> MemberSet {
        let seats = seats.into_iter();
        seats.filter(|member| self.health(rectangle, *member) != Health::Good).collect()
    }

    /// The first border of a bad range inside a rectangle: so far from its start.
    #[inline]
    pub(super) fn bad_border(&self, rectangle: &Rectangle) -> Option<Sectors> {
        if self.bad_blocks.ranges().is_empty() {
            return None;
        }
        let places = rectangle.places().into_iter();
        let borders = places.filter_map(|member| {
            let at = rectangle.member_sector(self.geometry_of(rectangle.shape()), member)?.0;
            Some(Sectors(self.bad_blocks.border(member, at)?.saturating_sub(at)))
        });
        borders.min()
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that panics has failed, and says where")]
mod tests;
