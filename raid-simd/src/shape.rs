//! Checks of the arguments, made once a call.

use crate::blocks::{Block, Exponent, Ranked};
use crate::error::ShapeError;

/// How the exponents of a list of blocks follow each other: decides how Q is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// 0, 1, 2 and so on.
    Dense,
    /// Ascending, with few gaps: a doubling for each gap costs less than a product for each block.
    Gapped,
    /// Any other.
    Scattered,
}

/// Whether every block is `length` bytes long.
pub(crate) fn blocks_have_length<B: Block>(blocks: &[B], length: usize) -> Result<(), ShapeError> {
    if blocks.iter().all(|block| block.has_length(length)) {
        Ok(())
    } else {
        Err(ShapeError::LengthsDiffer)
    }
}

/// Whether every slice is `length` bytes long.
pub(crate) fn slices_have_length(slices: &[&[u8]], length: usize) -> Result<(), ShapeError> {
    blocks_have_length(slices, length)
}

/// Whether all exponents are distinct, those of `missing` blocks included, and their order.
pub(crate) fn order<B: Ranked>(blocks: &[B], missing: &[Exponent]) -> Result<Order, ShapeError> {
    let order = if is_dense(blocks) {
        Order::Dense
    } else if let Some(highest) = highest_if_ascending(blocks) {
        if highest.index() <= blocks.len().saturating_mul(2) {
            Order::Gapped
        } else {
            Order::Scattered
        }
    } else {
        let mut seen = Seen::default();
        for block in blocks {
            seen.enter(block.exponent())?;
        }
        Order::Scattered
    };
    if let [first, second] = missing
        && first == second
    {
        return Err(ShapeError::ExponentRepeated(*first));
    }
    for lost in missing {
        if blocks.iter().any(|block| block.exponent() == *lost) {
            return Err(ShapeError::ExponentRepeated(*lost));
        }
    }
    Ok(order)
}

fn is_dense<B: Ranked>(blocks: &[B]) -> bool {
    blocks.iter().enumerate().all(|(index, block)| block.exponent().index() == index)
}

fn highest_if_ascending<B: Ranked>(blocks: &[B]) -> Option<Exponent> {
    if blocks.is_sorted_by(|low, high| low.exponent() < high.exponent()) {
        blocks.last().map(Ranked::exponent)
    } else {
        None
    }
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
