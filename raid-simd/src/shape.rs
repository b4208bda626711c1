//! Checks of the arguments, made once a call.

use crate::blocks::{Block, Exponent, Ranked};
use crate::error::ShapeError;

/// How the exponents of a list of blocks follow each other: decides how Q is summed.
/// `LOST` blocks of the row are missing in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order<const LOST: usize> {
    /// With which block to begin, so that exponents ascend: a row in the order of its members has
    /// its lowest exponent somewhere in the middle.
    pub(crate) turn: usize,
    pub(crate) sequence: Sequence,
}

/// What most rows are taken for, until a loop sees for itself: their exponents are 0, 1, 2 and so
/// on, but for those of missing blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usual<const LOST: usize> {
    /// The places from which on exponents are one more than before. Small: with the blocks' address
    /// and length it crosses a call in registers.
    gaps: [u16; LOST],
}

/// Instead of a place: exponents are not looked at.
const KNOWN: u16 = u16::MAX;

impl<const LOST: usize> Usual<LOST> {
    /// Exponents that were looked at before: a recovery takes any.
    pub(crate) const KNOWN: Self = Self { gaps: [KNOWN; LOST] };

    #[inline(always)]
    pub(crate) fn without(lost: [Exponent; LOST]) -> Self {
        let mut gaps = lost.map(|exponent| u16::from(exponent.get()));
        if let [first, second] = gaps.as_mut_slice() {
            let (low, high) = (*first.min(second), *first.max(second));
            (*first, *second) = (low, high.saturating_sub(1));
        }
        Self { gaps }
    }

    /// With which block to begin if they are in the order of their members: the lowest exponent is
    /// somewhere in the middle then.
    #[inline(always)]
    pub(crate) fn turn<B: Ranked>(&self, first: &B, count: usize) -> Option<usize> {
        let lower =
            |place: usize, gap: &u16| place.saturating_sub(usize::from(usize::from(*gap) < place));
        let before = self.gaps.iter().fold(first.exponent().index(), lower);
        if before == 0 { None } else { count.checked_sub(before) }
    }

    /// The blocks below, between and above the lost ones, if their exponents are those that belong
    /// there. Parts that there are not are empty.
    #[inline(always)]
    pub(crate) fn parts<'b, B: Ranked>(&self, blocks: &'b [B]) -> Option<[&'b [B]; PARTS]> {
        let (low, high) = match self.gaps.as_slice() {
            [KNOWN, ..] => return None,
            [] => (usize::MAX, usize::MAX),
            [low] => (usize::from(*low), usize::MAX),
            [low, high] => (usize::from(*low), usize::from(*high)),
            [..] => return None,
        };
        let (below, rest) = blocks.split_at_checked(low.min(blocks.len()))?;
        let (between, above) = rest.split_at_checked(high.checked_sub(low)?.min(rest.len()))?;
        let ascend = ascend_from(below, 0)
            && ascend_from(between, low.wrapping_add(1))
            && ascend_from(above, high.wrapping_add(2));
        ascend.then_some([below, between, above])
    }

    /// Whether the block at `index` has the exponent that belongs there.
    #[inline(always)]
    pub(crate) fn has<B: Ranked>(&self, index: usize, block: &B) -> bool {
        let exponent = block.exponent().index();
        let passed =
            |place: usize, gap: &u16| place.wrapping_add(usize::from(index >= usize::from(*gap)));
        match self.gaps.as_slice() {
            [] => exponent == index,
            [KNOWN, ..] => true,
            gaps => gaps.iter().fold(index, passed) == exponent,
        }
    }
}

/// Whether the exponents are `first` and those that follow it.
#[inline(always)]
fn ascend_from<B: Ranked>(blocks: &[B], first: usize) -> bool {
    let follows = |first: usize, blocks: &[B]| {
        let mut all = blocks.iter().enumerate();
        all.all(|(index, block)| block.exponent().index() == first.wrapping_add(index))
    };
    // Four a step, and stopping at the first that does not: otherwise the compiler makes gathers
    // of it.
    let (fours, others) = blocks.as_chunks::<4>();
    let mut expected = first;
    for four in fours {
        if !follows(expected, four) {
            return false;
        }
        expected = expected.wrapping_add(4);
    }
    follows(expected, others)
}

/// Between which at most two blocks are lost.
pub(crate) const PARTS: usize = 3;

/// What the exponents are from the block [`Order::turn`] on, around the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequence {
    /// 0, 1, 2 and so on.
    Dense,
    /// Ascending, with few gaps: a doubling for each gap costs less than a product for each block.
    Gapped,
    /// Any other.
    Scattered,
}

/// Whether every block is `length` bytes long.
#[inline]
pub(crate) fn blocks_have_length<B: Block>(blocks: &[B], length: usize) -> Result<(), ShapeError> {
    if blocks.iter().fold(0, |wrong, block| wrong | block.length_difference(length)) == 0 {
        Ok(())
    } else {
        Err(ShapeError::LengthsDiffer)
    }
}

/// Whether every slice is `length` bytes long.
#[inline]
pub(crate) fn slices_have_length(slices: &[&[u8]], length: usize) -> Result<(), ShapeError> {
    blocks_have_length(slices, length)
}

/// Whether every block is `length` bytes long and all exponents are distinct, those of `missing`
/// blocks included; and their order.
///
/// Only of rows that are not [`Usual`].
#[inline(never)]
pub(crate) fn order<B: Ranked, const LOST: usize>(
    blocks: &[B],
    length: usize,
    missing: [Exponent; LOST],
) -> Result<Order<LOST>, ShapeError> {
    let (mut wrong_length, mut holes, mut met) = (0, 0, 0_u8);
    for (index, block) in blocks.iter().enumerate() {
        let exponent = block.exponent();
        wrong_length |= block.length_difference(length);
        holes |= exponent.index() ^ index;
        for lost in missing {
            met |= u8::from(exponent == lost);
        }
    }
    if wrong_length != 0 {
        return Err(ShapeError::LengthsDiffer);
    }
    if met != 0 || matches!(missing.as_slice(), [first, second] if first == second) {
        missing_once(blocks, &missing)?;
    }
    if holes == 0 { Ok(Order { turn: 0, sequence: Sequence::Dense }) } else { around(blocks) }
}

/// Whether the exponents of missing blocks are distinct from all others.
#[inline]
fn missing_once<B: Ranked>(blocks: &[B], missing: &[Exponent]) -> Result<(), ShapeError> {
    if let [first, second] = missing
        && first == second
    {
        return Err(ShapeError::ExponentRepeated(*first));
    }
    match missing.iter().find(|lost| blocks.iter().any(|block| block.exponent() == **lost)) {
        None => Ok(()),
        Some(lost) => Err(ShapeError::ExponentRepeated(*lost)),
    }
}

/// The order of exponents that are not dense where they lie.
fn around<B: Ranked, const LOST: usize>(blocks: &[B]) -> Result<Order<LOST>, ShapeError> {
    let (mut turn, mut descents, mut before) = (0, 0_usize, 0_usize);
    for (index, block) in blocks.iter().enumerate() {
        // One more than the exponent, so that none is below 0.
        let after = block.exponent().index().saturating_add(1);
        if after <= before {
            turn = index;
            descents = descents.saturating_add(1);
        }
        before = after;
    }
    let exponent = |index: usize| blocks.get(index).map_or(0, |block| block.exponent().index());
    let (first, last) = (exponent(0), exponent(blocks.len().saturating_sub(1)));
    let highest = match descents {
        0 => last,
        1 if last < first => exponent(turn.saturating_sub(1)),
        _ => {
            let mut seen = Seen::default();
            for block in blocks {
                seen.enter(block.exponent())?;
            }
            return Ok(Order { turn: 0, sequence: Sequence::Scattered });
        }
    };
    let sequence = if highest < blocks.len() {
        Sequence::Dense
    } else if highest <= blocks.len().saturating_mul(2) {
        Sequence::Gapped
    } else {
        Sequence::Scattered
    };
    Ok(Order { turn, sequence })
}

/// The exponents met so far: a bit each.
#[derive(Default)]
struct Seen([u32; 8]);

impl Seen {
    fn enter(&mut self, exponent: Exponent) -> Result<(), ShapeError> {
        let (word, bit) = (exponent.index() >> 5, 1_u32 << (exponent.get() & 31));
        match self.0.get_mut(word) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                Ok(())
            }
            Some(_) | None => Err(ShapeError::ExponentRepeated(exponent)),
        }
    }
}
