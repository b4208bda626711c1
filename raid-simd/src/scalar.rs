//! The reference: every operation by single bytes, straight from the definition.
//!
//! It stays as the oracle that other backends are tested against, and as the text to read first. It
//! runs where there is no other backend. Nobody should make it faster: that is a backend's work.

use core::ops::Range;

use crate::blocks::{Block, Ranked, Source};
use crate::gf256::{power, product};
use crate::operations::{Lost, OneOfTwo, Onto};
use crate::verdict::{Different, Suspect};

/// `Σ D` at one byte.
fn p_at<B: Block>(blocks: &[B], at: usize) -> u8 {
    blocks.iter().fold(0, |sum, block| sum ^ block.byte(at))
}

/// `Σ 2^e · D` at one byte.
fn q_at<B: Ranked>(blocks: &[B], at: usize) -> u8 {
    blocks.iter().fold(0, |sum, block| sum ^ product(power(block.exponent()), block.byte(at)))
}

pub(crate) fn sum_p<B: Block>(blocks: &[B], onto: Onto, p: &mut [u8]) {
    for (at, p) in p.iter_mut().enumerate() {
        *p = onto.base(*p) ^ p_at(blocks, at);
    }
}

pub(crate) fn sum_q<B: Ranked>(blocks: &[B], onto: Onto, q: &mut [u8]) {
    for (at, q) in q.iter_mut().enumerate() {
        *q = onto.base(*q) ^ q_at(blocks, at);
    }
}

/// The data of one block: what P holds and the others do not explain.
pub(crate) fn recover_from_p(survivors: &[Source<'_>], p: &[u8], target: &mut [u8]) {
    for (at, data) in target.iter_mut().enumerate() {
        *data = p.byte(at) ^ p_at(survivors, at);
    }
}

/// The data of one block: what Q holds and the others do not explain, over the block's weight.
pub(crate) fn recover_from_q(survivors: &[Source<'_>], q: &[u8], lost: Lost, target: &mut [u8]) {
    for (at, data) in target.iter_mut().enumerate() {
        *data = product(lost.inverse, q.byte(at) ^ q_at(survivors, at));
    }
}

/// The data of one of two lost blocks.
pub(crate) fn recover_from_pq(
    survivors: &[Source<'_>],
    p: &[u8],
    q: &[u8],
    lost: OneOfTwo,
    target: &mut [u8],
) {
    for (at, data) in target.iter_mut().enumerate() {
        let (p, q) = (p.byte(at) ^ p_at(survivors, at), q.byte(at) ^ q_at(survivors, at));
        *data = product(lost.inverse, q ^ product(lost.other, p));
    }
}

/// Whether a stretch of P is not the sum of the blocks.
pub(crate) fn check_p(
    sources: &[Source<'_>],
    p: &[u8],
    mut range: Range<usize>,
) -> Option<Different> {
    range.any(|at| p.byte(at) != p_at(sources, at)).then_some(Different)
}

/// Whether a stretch of Q is not the sum of the blocks.
pub(crate) fn check_q(
    sources: &[Source<'_>],
    q: &[u8],
    mut range: Range<usize>,
) -> Option<Different> {
    range.any(|at| q.byte(at) != q_at(sources, at)).then_some(Different)
}

/// What every byte of a stretch says together.
pub(crate) fn locate(
    sources: &[Source<'_>],
    p: &[u8],
    q: &[u8],
    mut range: Range<usize>,
) -> Option<Suspect> {
    range.by_ref().fold(None, |so_far, at| {
        let (p, q) = (p.byte(at) ^ p_at(sources, at), q.byte(at) ^ q_at(sources, at));
        Suspect::join(so_far, Suspect::of(p, q))
    })
}

/// Whether a stretch of some copy is not that of the first.
pub(crate) fn compare(
    first: &[u8],
    others: &[&[u8]],
    mut range: Range<usize>,
) -> Option<Different> {
    range.any(|at| others.iter().any(|copy| copy.byte(at) != first.byte(at))).then_some(Different)
}
