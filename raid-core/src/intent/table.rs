//! The table of chunks: whose bit is set, what is known of what lies under it.

use super::writer::IntentWriter;
use super::{Bit, IntentChunk, IntentLine, IntentMap, LINE_BITS, LINE_WORDS, Lacked};
use crate::plan::Redundancy;
use crate::units::{FAULT_UNIT, Sectors};
use core::ops::Range;

/// Chunks that a pass skips in one step at most.
const SKIP_MAX: usize = 4096;

/// The bitmap of an array, and the machine that keeps it on the members.
#[derive(Debug)]
pub(crate) struct Intent<'m> {
    chunk: Sectors,
    chunks: &'m mut [IntentChunk],
    pub(super) cleared_at: u64,
    pub(super) wish: Wish,
    /// Whether chunks were not known to be in sync at the start.
    doubt: Redundancy,
    pub(crate) writer: IntentWriter,
}

/// Whether a write may be waiting for a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wish {
    Nothing,
    Something,
}

/// Whether a write may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    /// All bits are durable.
    Durable,
    /// They will be.
    Waits,
}

/// The bits of operations alive in one line.
pub(crate) type LineMask = [u64; LINE_WORDS];

impl<'m> Intent<'m> {
    /// The bitmap of an array of which `size` is to be covered, below `in_sync_to` known to be in
    /// sync. Else how many chunks there should be.
    pub(crate) fn new(map: IntentMap<'m>, size: Sectors, in_sync_to: Sectors) -> Result<Self, u64> {
        let IntentMap { chunk, chunks, cleared_at } = map;
        let needed = size.0.div_ceil(chunk.0.max(1));
        let lent = u64::try_from(chunks.len()).unwrap_or(u64::MAX);
        let countable = u64::from(u32::MAX).saturating_mul(64);
        let whole_units = chunk >= FAULT_UNIT && chunk.0.is_multiple_of(FAULT_UNIT.0);
        if !whole_units || lent < needed || lent > countable {
            return Err(needed);
        }
        let mut doubt = Redundancy::InSync;
        for (entry, end) in chunks.iter_mut().zip((1_u64..).map(|n| n.saturating_mul(chunk.0))) {
            *entry = if entry.is_set() { IntentChunk::SET } else { IntentChunk::CLEAR };
            if entry.is_set() && end > in_sync_to.0 {
                entry.agreement = Redundancy::Unknown;
                doubt = Redundancy::Unknown;
            }
        }
        let (wish, writer) = (Wish::Nothing, IntentWriter::IDLE);
        Ok(Self { chunk, chunks, cleared_at, wish, doubt, writer })
    }

    /// Whether any chunk was not known to be in sync at the start.
    pub(crate) const fn doubt(&self) -> Redundancy {
        self.doubt
    }

    #[inline]
    pub(crate) const fn wish(&self) -> Wish {
        self.wish
    }

    pub(crate) const fn cleared_at(&self) -> u64 {
        self.cleared_at
    }

    /// The chunks under these sectors.
    pub(crate) fn over(&self, start: Sectors, sectors: Sectors) -> Range<usize> {
        let number = |sector: u64| usize::try_from(sector.checked_div(self.chunk.0)?).ok();
        let last = start.0.saturating_add(sectors.0).saturating_sub(1);
        match (number(start.0), number(last)) {
            (Some(first), Some(last)) => first..last.saturating_add(1).min(self.chunks.len()),
            (None, _) | (_, None) => 0..0,
        }
    }

    fn under(&self, start: Sectors, sectors: Sectors) -> &[IntentChunk] {
        self.chunks.get(self.over(start, sectors)).unwrap_or_default()
    }

    /// Asks for the bits over these sectors, or takes note that something is written under them.
    pub(crate) fn announce(&mut self, start: Sectors, sectors: Sectors) -> Announced {
        let range = self.over(start, sectors);
        let chunks = self.chunks.get_mut(range).unwrap_or_default();
        let mut announced = Announced::Durable;
        for chunk in &mut *chunks {
            match chunk.bit {
                Bit::Set | Bit::Resting => {}
                Bit::Clear | Bit::Wanted => {
                    chunk.bit = Bit::Wanted;
                    self.wish = Wish::Something;
                    announced = Announced::Waits;
                }
                Bit::Setting | Bit::Clearing => announced = Announced::Waits,
            }
        }
        match announced {
            Announced::Waits => {}
            Announced::Durable => chunks.iter_mut().for_each(|chunk| chunk.bit = Bit::Set),
        }
        announced
    }

    /// Whether parity and copies agreed at the start under all of these sectors.
    pub(crate) fn agreement(&self, start: Sectors, sectors: Sectors) -> Redundancy {
        let doubtful = |chunk: &IntentChunk| chunk.agreement == Redundancy::Unknown;
        match self.under(start, sectors).iter().any(doubtful) {
            true => Redundancy::Unknown,
            false => Redundancy::InSync,
        }
    }

    /// Whether a member that came back has all that lies under these sectors.
    pub(crate) fn is_held(&self, start: Sectors, sectors: Sectors) -> bool {
        self.under(start, sectors).iter().all(|chunk| chunk.lacked == Lacked::ByNobody)
    }

    /// How long what starts here may be, so that all of it is equally valid.
    pub(crate) fn longest(&self, start: Sectors, sectors: Sectors) -> Sectors {
        let mut chunks = self.under(start, sectors).iter();
        let Some(first) = chunks.next() else { return sectors };
        let like = |chunk: &&IntentChunk| {
            chunk.agreement == first.agreement && chunk.lacked == first.lacked
        };
        let alike = u64::try_from(chunks.take_while(like).count()).unwrap_or(0);
        let into = start.0.checked_rem(self.chunk.0).unwrap_or(0);
        let end = alike.saturating_add(1).saturating_mul(self.chunk.0);
        sectors.min(Sectors(end.saturating_sub(into)))
    }

    /// Where the next chunk starts that is not known to be in sync: here, or further on.
    pub(crate) fn next_in_doubt(&self, from: Sectors) -> Sectors {
        self.next(from, |chunk| chunk.agreement == Redundancy::Unknown)
    }

    /// Where the next chunk starts that a member lacks: here, or further on.
    pub(crate) fn next_lacked(&self, from: Sectors) -> Sectors {
        self.next(from, |chunk| chunk.lacked == Lacked::BySomebody)
    }

    /// Where the next such chunk starts, or where to look on after so many others.
    fn next(&self, from: Sectors, wanted: impl Fn(&IntentChunk) -> bool) -> Sectors {
        let first = self.over(from, Sectors(1)).start;
        let rest = self.chunks.get(first..).unwrap_or_default();
        let ahead = rest.iter().take(SKIP_MAX);
        let others = ahead.take_while(|chunk| !wanted(chunk)).count();
        let number = first.checked_add(others).and_then(|number| u64::try_from(number).ok());
        let start = number.and_then(|number| number.checked_mul(self.chunk.0));
        from.max(Sectors(start.unwrap_or(u64::MAX)))
    }

    /// A member comes back that lacks what set bits cover. What others lack that are not rebuilt yet
    /// is kept or forgotten.
    pub(crate) fn is_lacked(&mut self, others: Others) {
        for chunk in &mut *self.chunks {
            chunk.lacked = match (chunk.bit, chunk.lacked, others) {
                (Bit::Clear, Lacked::BySomebody, Others::Lack) => Lacked::BySomebody,
                (Bit::Clear, ..) => Lacked::ByNobody,
                _ => Lacked::BySomebody,
            };
        }
    }

    /// It lacks this as well: a write that was planned without it is under way.
    pub(crate) fn lacks(&mut self, start: Sectors, sectors: Sectors) {
        let range = self.over(start, sectors);
        for chunk in self.chunks.get_mut(range).unwrap_or_default() {
            chunk.lacked = Lacked::BySomebody;
        }
    }

    pub(crate) fn lines(&self) -> u32 {
        u32::try_from(self.chunks.len().div_ceil(LINE_BITS)).unwrap_or(u32::MAX)
    }

    fn line(&mut self, number: u32) -> &mut [IntentChunk] {
        let first = usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(LINE_BITS);
        let end = first.saturating_add(LINE_BITS).min(self.chunks.len());
        self.chunks.get_mut(first..end).unwrap_or_default()
    }

    /// Changes the bits of a line, each by what it is, its chunk and whether it is in `mask`. What the
    /// line is to be.
    fn rewrite(
        &mut self,
        number: u32,
        mask: &LineMask,
        mut change: impl FnMut(&IntentChunk, InMask) -> Bit,
    ) -> IntentLine {
        let mut bits = [0; LINE_WORDS];
        let mut chunks = self.line(number).iter_mut();
        for (word, mask) in bits.iter_mut().zip(mask) {
            for (chunk, place) in chunks.by_ref().take(64).zip(0_u32..) {
                let bit = 1_u64.wrapping_shl(place);
                let in_mask = if mask & bit == 0 { InMask::No } else { InMask::Yes };
                chunk.bit = change(chunk, in_mask);
                match chunk.bit {
                    Bit::Clear | Bit::Wanted | Bit::Clearing => {}
                    Bit::Setting | Bit::Set | Bit::Resting => *word |= bit,
                }
            }
        }
        IntentLine { number, bits, cleared_at: self.cleared_at }
    }

    /// Begins to set what is wanted of a line.
    pub(super) fn begin_setting(&mut self, number: u32) -> IntentLine {
        self.rewrite(number, &[0; LINE_WORDS], |chunk, _| match chunk.bit {
            Bit::Wanted => Bit::Setting,
            bit @ (Bit::Clear | Bit::Setting | Bit::Set | Bit::Resting | Bit::Clearing) => bit,
        })
    }

    /// What was being set or cleared of a line is.
    pub(super) fn settle(&mut self, number: u32) {
        self.rewrite(number, &[0; LINE_WORDS], |chunk, _| match chunk.bit {
            Bit::Setting => Bit::Set,
            Bit::Clearing => Bit::Clear,
            bit @ (Bit::Clear | Bit::Wanted | Bit::Set | Bit::Resting) => bit,
        });
    }

    /// Begins to clear what rests of a line; what does not, and has nothing under way, rests from now
    /// on. `None` if there is nothing to clear.
    pub(crate) fn begin_clearing(
        &mut self,
        number: u32,
        busy: &LineMask,
        in_sync: InSync,
        events: u64,
    ) -> Option<IntentLine> {
        let mut clears = 0_usize;
        let line = self.rewrite(number, busy, |chunk, in_mask| match (chunk.bit, in_mask) {
            (Bit::Set, InMask::No) => Bit::Resting,
            (Bit::Resting, InMask::No) => match (chunk.agreement, in_sync) {
                (Redundancy::InSync, _) | (_, InSync::Everywhere) => {
                    clears = clears.saturating_add(1);
                    Bit::Clearing
                }
                (Redundancy::Unknown, InSync::AsAtTheStart) => Bit::Resting,
            },
            (bit, _) => bit,
        });
        if clears == 0 {
            return None;
        }
        self.cleared_at = events;
        Some(IntentLine { cleared_at: events, ..line })
    }
}

/// Whether another member lacks chunks already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    Lack,
    LackNothing,
}

/// What is known to be in sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InSync {
    Everywhere,
    /// What was at the start, if no more.
    AsAtTheStart,
}

#[derive(Clone, Copy)]
enum InMask {
    Yes,
    No,
}
