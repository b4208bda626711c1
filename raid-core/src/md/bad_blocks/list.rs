//! The bad ranges of one member, sorted, over lent memory.

use core::fmt;

use super::entry::{Acknowledgement, BadBlockEntry, BadBlockRange, LENGTH_MAX, UNITS_END, Units};
use crate::md::bytes::{Block, SUPERBLOCK_BYTES};
use crate::md::fields::{BadBlockLog, BadBlocks};
use crate::units::{DeviceSector, Sectors};

/// Most entries of a log: a page of them.
pub const BAD_BLOCKS_MAX: usize = 512;

const ENTRY_BYTES: usize = 8;
/// Behind the last entry, unless the log is full.
const END: u64 = u64::MAX;

const _: () = assert!(BAD_BLOCKS_MAX * ENTRY_BYTES == SUPERBLOCK_BYTES);

/// The bad ranges of one member.
///
/// Sorted, none overlaps another; ranges that touch are one as far as an entry reaches. Where the
/// log counts in units of several sectors, a range found bad grows to whole units, and one found
/// good shrinks: better to think a sector bad than good.
#[derive(Debug)]
pub struct BadBlockList<'m> {
    memory: &'m mut [BadBlockEntry],
    count: usize,
    shift: u32,
    record: Record,
}

/// How the log on the medium stands to the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    /// It says the same.
    Same,
    /// It will, once what was encoded is durable.
    Encoded,
    /// It does not.
    Behind,
}

/// The list has no room for the range. The member cannot be kept: what it cannot read would be
/// forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bad-block log is full: replace this member")
    }
}

impl core::error::Error for Full {}

/// The list has changed since it was encoded, or was not: encode it and write it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrecorded;

impl fmt::Display for Unrecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bad-block list has changed since it was encoded: write it again")
    }
}

impl core::error::Error for Unrecorded {}

/// Why a log cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadBlockError {
    /// An entry has no length, or lies behind all sector numbers.
    BadEntry {
        /// Its word.
        word: u64,
    },
    /// The lent memory holds fewer entries than the log has.
    TooLittleMemory {
        /// How many it holds.
        entries: usize,
    },
}

impl fmt::Display for BadBlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BadEntry { word } => {
                write!(f, "corrupt bad-block log: {word:#x} is no range of sectors")
            }
            Self::TooLittleMemory { entries } => {
                write!(f, "the bad-block log has more than {entries} entries: lend more memory")
            }
        }
    }
}

impl core::error::Error for BadBlockError {}

impl<'m> BadBlockList<'m> {
    /// A list without ranges, of a member with this log. It holds as many as the log does, and no
    /// more than the memory: [`BAD_BLOCKS_MAX`] is always enough. Without a log it holds none.
    #[must_use]
    pub fn new(log: &BadBlockLog, memory: &'m mut [BadBlockEntry]) -> Self {
        let room = log_bytes(log).checked_div(ENTRY_BYTES).unwrap_or(0).min(memory.len());
        let (memory, _) = memory.split_at_mut_checked(room).unwrap_or_default();
        Self { memory, count: 0, shift: log.shift.into(), record: Record::Same }
    }

    /// The ranges in a log. Only its sectors of the block count, the rest need not be read.
    ///
    /// Linux 6.1 does not always sort them: a range of more than 512 units that it splits comes out
    /// in reverse. Ranges may overlap.
    ///
    /// # Errors
    ///
    /// [`BadBlockError`]; then nothing is known of the member's bad blocks, and it must not be used
    /// as if it had none.
    pub fn decode(
        log: &BadBlockLog,
        block: &Block,
        memory: &'m mut [BadBlockEntry],
    ) -> Result<Self, BadBlockError> {
        let mut list = Self::new(log, memory);
        let entries = list.memory.len();
        let (words, _) = block.as_chunks::<ENTRY_BYTES>();
        let count = log_bytes(log).checked_div(ENTRY_BYTES).unwrap_or(0);
        let words = words.iter().take(count).map(|word| u64::from_le_bytes(*word));
        for word in words.take_while(|word| *word != END) {
            let units = BadBlockEntry::units_of_log(word);
            // The part of a long entry that is split off begins where it has to be numbered, too.
            let numbered = units.end <= UNITS_END && list.sectors_under(units).is_some();
            if units.count() == 0 || !numbered {
                return Err(BadBlockError::BadEntry { word });
            }
            list.load(units).map_err(|Full| BadBlockError::TooLittleMemory { entries })?;
        }
        Ok(list)
    }

    /// The log for this list. Of the block, the log's sectors are to be written; once they are
    /// durable, [`acknowledge`](Self::acknowledge).
    ///
    /// The superblock says whether the log is to be read: see [`listed`](Self::listed).
    pub fn encode(&mut self, block: &mut Block) {
        let ends = core::iter::repeat(END);
        let entries = self.entries().iter().map(|entry| entry.to_log()).chain(ends);
        for (to, word) in block.as_chunks_mut::<ENTRY_BYTES>().0.iter_mut().zip(entries) {
            *to = word.to_le_bytes();
        }
        self.record = match self.record {
            Record::Same => Record::Same,
            Record::Encoded | Record::Behind => Record::Encoded,
        };
    }

    /// Takes note that what was last encoded is durable, superblock and all.
    ///
    /// # Errors
    ///
    /// [`Unrecorded`] if that was not this list: nothing is acknowledged.
    pub fn acknowledge(&mut self) -> Result<(), Unrecorded> {
        match self.record {
            Record::Same => Ok(()),
            Record::Behind => Err(Unrecorded),
            Record::Encoded => {
                for entry in self.entries_mut() {
                    *entry = BadBlockEntry::of(entry.units(), Acknowledgement::Given);
                }
                self.compact();
                self.record = Record::Same;
                Ok(())
            }
        }
    }

    /// What the superblock is to say of the log.
    #[must_use]
    pub fn listed(&self) -> BadBlocks {
        match self.count {
            0 => BadBlocks::None,
            _ => BadBlocks::Listed,
        }
    }

    /// Whether the log on the medium says the same.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.record == Record::Same
    }

    /// All ranges, in order.
    pub fn iter(&self) -> impl Iterator<Item = BadBlockRange> + '_ {
        self.entries().iter().filter_map(|entry| self.sectors_under(entry.units()))
    }

    /// The ranges that the log on the medium may not have, in order.
    pub fn unacknowledged(&self) -> impl Iterator<Item = BadBlockRange> + '_ {
        self.entries()
            .iter()
            .filter(|entry| entry.acknowledgement() == Acknowledgement::Awaited)
            .filter_map(|entry| self.sectors_under(entry.units()))
    }

    /// The first range that ends behind this sector.
    #[must_use]
    pub fn next_from(&self, sector: DeviceSector) -> Option<BadBlockRange> {
        let unit = sector.0.checked_shr(self.shift)?;
        let entry = self.entries().get(self.ended_by(unit)..)?.first()?;
        self.sectors_under(entry.units())
    }

    /// The first range that has any of these sectors.
    #[must_use]
    pub fn overlaps(&self, range: BadBlockRange) -> Option<BadBlockRange> {
        let end = range.start.0.saturating_add(range.length.0);
        let found = self.next_from(range.start)?;
        (found.start.0 < end && range.length != Sectors::ZERO).then_some(found)
    }

    /// Takes a range in that was found bad. It is not acknowledged, where it is not in the list
    /// already.
    ///
    /// # Errors
    ///
    /// [`Full`], and nothing changes. Each gap that is filled counts for itself, so that this may
    /// be said an entry or two before there is truly no room.
    pub fn add(&mut self, range: BadBlockRange) -> Result<(), Full> {
        if range.length == Sectors::ZERO {
            return Ok(());
        }
        let units = self.units_over(range).ok_or(Full)?;
        if self.next_gap(units).is_some() {
            self.insert(units, Acknowledgement::Awaited)?;
            self.record = Record::Behind;
        }
        Ok(())
    }

    /// Takes a range out that was found good, because it was written.
    ///
    /// # Errors
    ///
    /// [`Full`] if that would split a range and there is no room for two, and nothing changes: the
    /// sectors still count as bad.
    pub fn clear(&mut self, range: BadBlockRange) -> Result<(), Full> {
        let Some(units) = self.units_within(range) else { return Ok(()) };
        if self.count == self.memory.len() {
            self.compact();
        }
        let from = self.ended_by(units.first);
        let to = self.entries().partition_point(|entry| entry.first() < units.end);
        match self.entries_mut().get_mut(from..to).unwrap_or_default() {
            [] => return Ok(()),
            [only] if only.first() < units.first && units.end < only.end() => {
                let entry = *only;
                self.split(from, entry, units)?;
            }
            touched => {
                let mut inner = from..to;
                if let [first, ..] = touched
                    && first.first() < units.first
                {
                    let kept = Units { end: units.first, ..first.units() };
                    *first = BadBlockEntry::of(kept, first.acknowledgement());
                    inner.start = inner.start.saturating_add(1);
                }
                if let [.., last] = touched
                    && units.end < last.end()
                {
                    let kept = Units { first: units.end, ..last.units() };
                    *last = BadBlockEntry::of(kept, last.acknowledgement());
                    inner.end = inner.end.saturating_sub(1);
                }
                self.remove(inner.start, inner.end);
            }
        }
        self.record = Record::Behind;
        Ok(())
    }

    /// Replaces an entry by what is left of it on either side of these units.
    fn split(&mut self, at: usize, entry: BadBlockEntry, out: Units) -> Result<(), Full> {
        let below = Units { end: out.first, ..entry.units() };
        let above = Units { first: out.end, ..entry.units() };
        self.put_in(at, BadBlockEntry::of(below, entry.acknowledgement()))?;
        if let Some(entry) = self.entries_mut().get_mut(at.saturating_add(1)) {
            *entry = BadBlockEntry::of(above, entry.acknowledgement());
        }
        Ok(())
    }

    /// Takes an entry of the log in: as it is, where it comes behind all others.
    fn load(&mut self, units: Units) -> Result<(), Full> {
        let end = self.entries().last().map_or(0, |entry| entry.end());
        match units.first >= end && units.count() <= LENGTH_MAX {
            true => self.put_in(self.count, BadBlockEntry::of(units, Acknowledgement::Given)),
            false => self.insert(units, Acknowledgement::Given),
        }
    }

    /// Fills the gaps among these units.
    fn insert(&mut self, units: Units, acknowledgement: Acknowledgement) -> Result<(), Full> {
        let has_room = |list: &Self| {
            let room = list.memory.len().saturating_sub(list.count);
            u64::try_from(room).is_ok_and(|room| list.needed(units, acknowledgement) <= room)
        };
        if !has_room(self) {
            self.compact();
        }
        if !has_room(self) {
            return Err(Full);
        }
        let mut rest = units;
        // Between as many entries there is at most one gap more.
        for _ in 0..=BAD_BLOCKS_MAX {
            let Some(gap) = self.next_gap(rest) else { break };
            self.fill(gap, acknowledgement)?;
            rest.first = gap.end;
        }
        Ok(())
    }

    /// How many entries more it takes at most to fill the gaps among these units.
    fn needed(&self, units: Units, acknowledgement: Acknowledgement) -> u64 {
        let mut needed = 0_u64;
        let mut rest = units;
        for _ in 0..=BAD_BLOCKS_MAX {
            let Some(gap) = self.next_gap(rest) else { break };
            let free = self
                .neighbour_below(gap, acknowledgement)
                .map_or(0, |(_, entry)| LENGTH_MAX.saturating_sub(entry.length()));
            let more = gap.count().saturating_sub(free).div_ceil(LENGTH_MAX);
            needed = needed.saturating_add(more);
            rest.first = gap.end;
        }
        needed
    }

    /// The first of these units that no entry has, and those that follow up to the next entry.
    fn next_gap(&self, units: Units) -> Option<Units> {
        let mut first = units.first;
        let mut end = units.end;
        for entry in self.entries().iter().skip(self.ended_by(first)) {
            if first < entry.first() {
                end = end.min(entry.first());
                break;
            }
            first = entry.end();
        }
        (first < end).then_some(Units { first, end })
    }

    /// Fills a gap: the entry below it as far as it reaches, and new ones.
    fn fill(&mut self, gap: Units, acknowledgement: Acknowledgement) -> Result<(), Full> {
        let mut first = gap.first;
        if let Some((at, below)) = self.neighbour_below(gap, acknowledgement) {
            let longer = Units { end: gap.end, ..below.units() };
            let longer = BadBlockEntry::of(longer, acknowledgement);
            first = longer.end();
            self.replace(at, longer);
        }
        for _ in 0..BAD_BLOCKS_MAX {
            if first >= gap.end {
                break;
            }
            let entry = BadBlockEntry::of(Units { first, end: gap.end }, acknowledgement);
            self.put_in(self.ended_by(first), entry)?;
            first = entry.end();
        }
        self.join_at(self.ended_by(gap.end));
        Ok(())
    }

    /// The entry that ends where the gap begins, if both can be one.
    fn neighbour_below(
        &self,
        gap: Units,
        acknowledgement: Acknowledgement,
    ) -> Option<(usize, BadBlockEntry)> {
        let at = self.ended_by(gap.first).checked_sub(1)?;
        let entry = *self.entries().get(at)?;
        (entry.end() == gap.first && entry.acknowledgement() == acknowledgement)
            .then_some((at, entry))
    }

    /// Makes the entry at `at` and the one before it one, if that is the same.
    fn join_at(&mut self, at: usize) {
        let Some(below) = at.checked_sub(1) else { return };
        let (Some(low), Some(high)) = (self.entries().get(below), self.entries().get(at)) else {
            return;
        };
        let joined = Units { first: low.first(), end: high.end() };
        if touch(*low, *high) && joined.count() <= LENGTH_MAX {
            let joined = BadBlockEntry::of(joined, low.acknowledgement());
            self.replace(below, joined);
            self.remove(at, at.saturating_add(1));
        }
    }

    /// Makes entries that touch as few as can be.
    fn compact(&mut self) {
        let mut kept = 0_usize;
        for at in 0..self.count {
            let Some(mut entry) = self.entries().get(at).copied() else { break };
            let below = kept.checked_sub(1).and_then(|below| self.entries().get(below).copied());
            if let (Some(low), Some(below)) = (below, kept.checked_sub(1))
                && touch(low, entry)
            {
                let acknowledgement = low.acknowledgement();
                let both = Units { first: low.first(), end: entry.end() };
                let low = BadBlockEntry::of(both, acknowledgement);
                self.replace(below, low);
                let rest = Units { first: low.end(), ..both };
                if rest.count() == 0 {
                    continue;
                }
                entry = BadBlockEntry::of(rest, acknowledgement);
            }
            self.replace(kept, entry);
            kept = kept.saturating_add(1);
        }
        self.count = kept;
    }

    fn entries(&self) -> &[BadBlockEntry] {
        self.memory.get(..self.count).unwrap_or_default()
    }

    fn entries_mut(&mut self) -> &mut [BadBlockEntry] {
        self.memory.get_mut(..self.count).unwrap_or_default()
    }

    /// How many entries end at or before this unit.
    fn ended_by(&self, unit: u64) -> usize {
        self.entries().partition_point(|entry| entry.end() <= unit)
    }

    fn replace(&mut self, at: usize, entry: BadBlockEntry) {
        if let Some(to) = self.entries_mut().get_mut(at) {
            *to = entry;
        }
    }

    fn put_in(&mut self, at: usize, entry: BadBlockEntry) -> Result<(), Full> {
        let mut moved = entry;
        for place in self.memory.get_mut(at..=self.count).ok_or(Full)? {
            core::mem::swap(place, &mut moved);
        }
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    fn remove(&mut self, from: usize, to: usize) {
        let behind = to..self.count;
        for (to, from) in (from..).zip(behind) {
            if let Some(entry) = self.entries().get(from).copied() {
                self.replace(to, entry);
            }
        }
        self.count = self.count.saturating_sub(to.saturating_sub(from));
    }

    /// The units that these sectors touch, or `None` if the log cannot say them.
    fn units_over(&self, range: BadBlockRange) -> Option<Units> {
        let last = range.start.checked_add(range.length)?.0.checked_sub(1)?;
        let first = range.start.0.checked_shr(self.shift)?;
        let end = last.checked_shr(self.shift)?.checked_add(1)?;
        let units = Units { first, end };
        (end <= UNITS_END && self.sectors_under(units).is_some()).then_some(units)
    }

    /// The units of which all sectors are among these, or `None` if there are none.
    fn units_within(&self, range: BadBlockRange) -> Option<Units> {
        let unit = 1_u64.checked_shl(self.shift)?;
        let end = range.start.0.saturating_add(range.length.0).checked_shr(self.shift)?;
        let first = range.start.0.div_ceil(unit);
        (first < end).then_some(Units { first, end })
    }

    /// The sectors of these units, or `None` if they lie behind all sector numbers.
    fn sectors_under(&self, units: Units) -> Option<BadBlockRange> {
        let unit = 1_u64.checked_shl(self.shift)?;
        let start = units.first.checked_mul(unit)?;
        let length = units.count().checked_mul(unit)?;
        start.checked_add(length)?;
        Some(BadBlockRange { start: DeviceSector(start), length: Sectors(length) })
    }
}

/// Whether two entries that follow one another can be one, as far as it reaches.
fn touch(low: BadBlockEntry, high: BadBlockEntry) -> bool {
    low.end() == high.first() && low.acknowledgement() == high.acknowledgement()
}

/// How much of a block is the log.
fn log_bytes(log: &BadBlockLog) -> usize {
    Sectors(log.sectors.into())
        .memory_bytes()
        .map_or(SUPERBLOCK_BYTES, |bytes| bytes.min(SUPERBLOCK_BYTES))
}
