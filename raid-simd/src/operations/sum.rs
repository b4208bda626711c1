//! Sums: `xor`, `gen_*`, `update_*`, `accumulate_*`.

use super::Operation;
use crate::blocks::{Block, Change, Ranked, Source};
use crate::error::ShapeError;
use crate::fold::{Sums, fold_p, fold_pq};
use crate::line::{Line, Step, Tile, Window, sweep};
use crate::scalar;
use crate::select::Kernels;
use crate::shape::{Order, blocks_have_length, order, slices_have_length};

impl Kernels {
    /// Writes the exclusive or of `sources` to `target`.
    ///
    /// # Errors
    ///
    /// [`ShapeError::LengthsDiffer`].
    pub fn xor(self, sources: &[&[u8]], target: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_p(sources, Onto::Nothing, target)
    }

    /// Computes P of a row: `p = Σ D`. The exponents play no part.
    ///
    /// # Errors
    ///
    /// [`ShapeError::LengthsDiffer`].
    pub fn gen_p(self, sources: &[Source<'_>], p: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_p(sources, Onto::Nothing, p)
    }

    /// Computes Q of a row: `q = Σ 2^e · D`. For a row whose place for P has no member, or for one
    /// whose Q alone is lost.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn gen_q(self, sources: &[Source<'_>], q: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_q(sources, Onto::Nothing, q)
    }

    /// Computes P and Q of a row, also where both are lost.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn gen_pq(
        self,
        sources: &[Source<'_>],
        p: &mut [u8],
        q: &mut [u8],
    ) -> Result<(), ShapeError> {
        self.sum_pq(sources, Onto::Nothing, p, q)
    }

    /// Makes P cover the new content of changed blocks: `p += Σ (old + new)`.
    ///
    /// # Errors
    ///
    /// [`ShapeError::LengthsDiffer`].
    pub fn update_p(self, changes: &[Change<'_>], p: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_p(changes, Onto::Target, p)
    }

    /// Makes Q cover the new content of changed blocks: `q += Σ 2^e · (old + new)`.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn update_q(self, changes: &[Change<'_>], q: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_q(changes, Onto::Target, q)
    }

    /// Makes P and Q cover the new content of changed blocks.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn update_pq(
        self,
        changes: &[Change<'_>],
        p: &mut [u8],
        q: &mut [u8],
    ) -> Result<(), ShapeError> {
        self.sum_pq(changes, Onto::Target, p, q)
    }

    /// Adds blocks to a P: `p += Σ D`. Given differences, `old xor new`, it is an update; given the
    /// blocks of a row as they arrive, it builds P up from zero.
    ///
    /// # Errors
    ///
    /// [`ShapeError::LengthsDiffer`].
    pub fn accumulate_p(self, blocks: &[Source<'_>], p: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_p(blocks, Onto::Target, p)
    }

    /// Adds blocks to a Q: `q += Σ 2^e · D`. As [`accumulate_p`](Self::accumulate_p).
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn accumulate_q(self, blocks: &[Source<'_>], q: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_q(blocks, Onto::Target, q)
    }

    /// Adds blocks to P and Q. As [`accumulate_p`](Self::accumulate_p).
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn accumulate_pq(
        self,
        blocks: &[Source<'_>],
        p: &mut [u8],
        q: &mut [u8],
    ) -> Result<(), ShapeError> {
        self.sum_pq(blocks, Onto::Target, p, q)
    }

    fn sum_p<B: Block>(self, blocks: &[B], onto: Onto, p: &mut [u8]) -> Result<(), ShapeError> {
        blocks_have_length(blocks, p.len())?;
        self.run(SumP { blocks, onto, p });
        Ok(())
    }

    fn sum_q<B: Ranked>(self, blocks: &[B], onto: Onto, q: &mut [u8]) -> Result<(), ShapeError> {
        blocks_have_length(blocks, q.len())?;
        let order = order(blocks, &[])?;
        self.run(SumQ { blocks, order, onto, q });
        Ok(())
    }

    fn sum_pq<B: Ranked>(
        self,
        blocks: &[B],
        onto: Onto,
        p: &mut [u8],
        q: &mut [u8],
    ) -> Result<(), ShapeError> {
        slices_have_length(&[q], p.len())?;
        blocks_have_length(blocks, p.len())?;
        let order = order(blocks, &[])?;
        self.run(SumPq { blocks, order, onto, p, q });
        Ok(())
    }
}

/// What a sum starts from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Onto {
    /// Zero: the target is overwritten.
    Nothing,
    /// What the target holds.
    Target,
}

impl Onto {
    /// The start of a sum whose target holds `byte`.
    pub(crate) fn base(self, byte: u8) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Target => byte,
        }
    }

    /// Writes a sum.
    #[inline(always)]
    fn put<V: Line, W: Window<N>, const N: usize>(
        self,
        proof: V::Proof,
        sum: &Tile<V, N>,
        at: &W,
        target: &mut [u8],
    ) {
        match self {
            Self::Nothing => at.store(target, sum),
            Self::Target => {
                let sum = at.load(proof, target).xor(sum);
                at.store(target, &sum);
            }
        }
    }
}

struct SumP<'a, B> {
    blocks: &'a [B],
    onto: Onto,
    p: &'a mut [u8],
}

impl<B: Block> Operation for SumP<'_, B> {
    type Answer = ();

    fn by_bytes(self) {
        scalar::sum_p(self.blocks, self.onto, self.p);
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(mut self, proof: V::Proof) {
        sweep::<V, _, N>(proof, 0..self.p.len(), &mut self);
    }
}

impl<V: Line, B: Block> Step<V> for SumP<'_, B> {
    #[inline(always)]
    fn step<W: Window<N>, const N: usize>(&mut self, proof: V::Proof, at: &W) {
        let p: Tile<V, N> = fold_p(proof, self.blocks, at);
        self.onto.put(proof, &p, at, self.p);
    }
}

struct SumQ<'a, B> {
    blocks: &'a [B],
    order: Order,
    onto: Onto,
    q: &'a mut [u8],
}

impl<B: Ranked> Operation for SumQ<'_, B> {
    type Answer = ();

    fn by_bytes(self) {
        scalar::sum_q(self.blocks, self.onto, self.q);
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(mut self, proof: V::Proof) {
        sweep::<V, _, N>(proof, 0..self.q.len(), &mut self);
    }
}

impl<V: Line, B: Ranked> Step<V> for SumQ<'_, B> {
    #[inline(always)]
    fn step<W: Window<N>, const N: usize>(&mut self, proof: V::Proof, at: &W) {
        let sums: Sums<V, N> = fold_pq(proof, self.blocks, self.order, at);
        self.onto.put(proof, &sums.q, at, self.q);
    }
}

struct SumPq<'a, B> {
    blocks: &'a [B],
    order: Order,
    onto: Onto,
    p: &'a mut [u8],
    q: &'a mut [u8],
}

impl<B: Ranked> Operation for SumPq<'_, B> {
    type Answer = ();

    fn by_bytes(self) {
        scalar::sum_p(self.blocks, self.onto, self.p);
        scalar::sum_q(self.blocks, self.onto, self.q);
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(mut self, proof: V::Proof) {
        sweep::<V, _, N>(proof, 0..self.p.len(), &mut self);
    }
}

impl<V: Line, B: Ranked> Step<V> for SumPq<'_, B> {
    #[inline(always)]
    fn step<W: Window<N>, const N: usize>(&mut self, proof: V::Proof, at: &W) {
        let sums: Sums<V, N> = fold_pq(proof, self.blocks, self.order, at);
        self.onto.put(proof, &sums.p, at, self.p);
        self.onto.put(proof, &sums.q, at, self.q);
    }
}
