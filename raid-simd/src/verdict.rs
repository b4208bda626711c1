//! The answers of the operations that look and write nothing.

use core::ops::Range;

use crate::{Exponent, gf256};

/// Bytes in a unit: the piece that check, locate and compare answer for.
pub const UNIT_BYTES: usize = 4096;

/// Which parity of a unit disagrees with the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mismatch {
    /// P does, Q agrees.
    P,
    /// Q does, P agrees.
    Q,
    /// Both do.
    Both,
}

impl Mismatch {
    /// What differences of P and of Q make together.
    pub(crate) fn of(p: Option<Different>, q: Option<Different>) -> Option<Self> {
        match (p, q) {
            (None, None) => None,
            (Some(Different), None) => Some(Self::P),
            (None, Some(Different)) => Some(Self::Q),
            (Some(Different), Some(Different)) => Some(Self::Both),
        }
    }
}

/// What was computed is not what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Different;

/// Looks at each unit of slices this long, tells of those with a finding and counts them.
pub(crate) fn tell_units<F>(
    length: usize,
    visit: &mut dyn FnMut(usize, F),
    look: impl Fn(Range<usize>) -> Option<F>,
) -> usize {
    let mut count = 0_usize;
    for (unit, start) in (0..length).step_by(UNIT_BYTES).enumerate() {
        if let Some(finding) = look(start..start.saturating_add(UNIT_BYTES).min(length)) {
            visit(unit, finding);
            count = count.saturating_add(1);
        }
    }
    count
}

/// The block that an inconsistent unit points at.
///
/// It is the only one whose repair would make every byte of the unit consistent, *if* one block
/// alone is wrong. With two wrong blocks in a unit the answer is [`Suspect::Several`] unless their
/// errors happen to look like those of a single one, which no two parities can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suspect {
    /// P is wrong.
    P,
    /// Q is wrong.
    Q,
    /// The data block with this exponent is wrong.
    Data(Exponent),
    /// No single block explains every byte.
    Several,
}

impl Suspect {
    /// What one byte says, given `stored xor computed` of P and Q. `None`: it is consistent.
    pub(crate) fn of(p: u8, q: u8) -> Option<Self> {
        match (gf256::log(p), gf256::log(q)) {
            (None, None) => None,
            (Some(_), None) => Some(Self::P),
            (None, Some(_)) => Some(Self::Q),
            (Some(p), Some(q)) => Some(Self::Data(gf256::log_quotient(q, p))),
        }
    }

    /// What `so_far` and one more statement say together.
    pub(crate) fn join(so_far: Option<Self>, next: Option<Self>) -> Option<Self> {
        match (so_far, next) {
            (only, None) | (None, only) => only,
            (Some(before), Some(next)) if before == next => Some(next),
            (Some(_), Some(_)) => Some(Self::Several),
        }
    }
}
