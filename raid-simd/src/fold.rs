//! The one inner loop of the crate: the sums of all blocks in a window.
//!
//! Q by Horner's rule, from the highest exponent down: `q = 2 · q + d`, one doubling a block and no
//! product. Where the order does not allow it, by a product for each block.

use crate::blocks::{Block, Ranked};
use crate::gf256;
use crate::line::{Line, Tile, Window};
use crate::shape::Order;

/// What the blocks in a window add up to.
pub(crate) struct Sums<V, const N: usize> {
    pub(crate) p: Tile<V, N>,
    pub(crate) q: Tile<V, N>,
}

/// The sum for P.
#[inline(always)]
pub(crate) fn fold_p<V: Line, B: Block, W: Window<N>, const N: usize>(
    proof: V::Proof,
    blocks: &[B],
    at: &W,
) -> Tile<V, N> {
    let Some((first, rest)) = blocks.split_first() else { return Tile::zero(proof) };
    let mut p = first.tile(proof, at);
    for block in rest {
        p = p.xor(&block.tile(proof, at));
    }
    p
}

/// The sums for P and Q. Whoever needs Q alone leaves `p`, and the compiler leaves it too.
#[inline(always)]
pub(crate) fn fold_pq<V: Line, B: Ranked, W: Window<N>, const N: usize>(
    proof: V::Proof,
    blocks: &[B],
    order: Order,
    at: &W,
) -> Sums<V, N> {
    match order {
        Order::Dense => fold_dense(proof, blocks, at),
        Order::Gapped => fold_gapped(proof, blocks, at),
        Order::Scattered => fold_scattered(proof, blocks, at),
    }
}

/// ΔP and ΔQ: what the stored P and Q hold beyond the sums of the blocks.
#[inline(always)]
pub(crate) fn deltas<V: Line, B: Ranked, W: Window<N>, const N: usize>(
    proof: V::Proof,
    blocks: &[B],
    order: Order,
    (p, q): (&[u8], &[u8]),
    at: &W,
) -> Sums<V, N> {
    let sums: Sums<V, N> = fold_pq(proof, blocks, order, at);
    Sums { p: sums.p.xor(&at.load(proof, p)), q: sums.q.xor(&at.load(proof, q)) }
}

#[inline(always)]
fn fold_dense<V: Line, B: Ranked, W: Window<N>, const N: usize>(
    proof: V::Proof,
    blocks: &[B],
    at: &W,
) -> Sums<V, N> {
    let Some((highest, lower)) = blocks.split_last() else { return nothing(proof) };
    let mut horner = Horner::begin(proof, &highest.tile(proof, at));
    for block in lower.iter().rev() {
        horner.double();
        horner.add(&block.tile(proof, at));
    }
    horner.finish()
}

#[inline(always)]
fn fold_gapped<V: Line, B: Ranked, W: Window<N>, const N: usize>(
    proof: V::Proof,
    blocks: &[B],
    at: &W,
) -> Sums<V, N> {
    let Some((highest, lower)) = blocks.split_last() else { return nothing(proof) };
    let mut horner = Horner::begin(proof, &highest.tile(proof, at));
    let mut above = highest.exponent().get();
    for block in lower.iter().rev() {
        let exponent = block.exponent().get();
        for _ in exponent..above {
            horner.double();
        }
        horner.add(&block.tile(proof, at));
        above = exponent;
    }
    for _ in 0..above {
        horner.double();
    }
    horner.finish()
}

#[inline(always)]
fn fold_scattered<V: Line, B: Ranked, W: Window<N>, const N: usize>(
    proof: V::Proof,
    blocks: &[B],
    at: &W,
) -> Sums<V, N> {
    let Sums { mut p, mut q } = nothing(proof);
    for block in blocks {
        let tile = block.tile(proof, at);
        p = p.xor(&tile);
        q = q.xor(&tile.times(V::factor(proof, gf256::power(block.exponent()))));
    }
    Sums { p, q }
}

#[inline(always)]
fn nothing<V: Line, const N: usize>(proof: V::Proof) -> Sums<V, N> {
    Sums { p: Tile::zero(proof), q: Tile::zero(proof) }
}

/// The sums of the blocks so far, the highest exponent first.
struct Horner<V: Line, const N: usize> {
    p: Tile<V, N>,
    q: [V::Running; N],
}

impl<V: Line, const N: usize> Horner<V, N> {
    #[inline(always)]
    fn begin(proof: V::Proof, highest: &Tile<V, N>) -> Self {
        let mut q = [V::zero(proof).begin(); N];
        for (sum, line) in q.iter_mut().zip(highest.0) {
            *sum = line.begin();
        }
        Self { p: *highest, q }
    }

    #[inline(always)]
    fn double(&mut self) {
        for sum in &mut self.q {
            *sum = V::double(*sum);
        }
    }

    #[inline(always)]
    fn add(&mut self, tile: &Tile<V, N>) {
        self.p = self.p.xor(tile);
        for (sum, line) in self.q.iter_mut().zip(tile.0) {
            *sum = V::add(*sum, line);
        }
    }

    #[inline(always)]
    fn finish(self) -> Sums<V, N> {
        let mut q = self.p;
        for (line, sum) in q.0.iter_mut().zip(self.q) {
            *line = V::finish(sum);
        }
        Sums { p: self.p, q }
    }
}
