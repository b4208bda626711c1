//! Sums: `xor`, `gen_*`, `update_*`, `accumulate_*`.

use super::Operation;
use crate::arch::lanes::{Extent, LaneMut};
use crate::blocks::{Block, Change, Ranked, Source};
use crate::error::ShapeError;
use crate::fold::Sums;
use crate::pass::{Call, End};
use crate::placement::Placement;
use crate::scalar;
use crate::select::Kernels;
use crate::shape::{Order, blocks_have_length, order, slices_have_length};
use crate::vector::{Mode, Tile, Vector, Window};

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

    #[inline(always)]
    fn sum_p<B: Block>(self, blocks: &[B], onto: Onto, p: &mut [u8]) -> Result<(), ShapeError> {
        blocks_have_length(blocks, p.len())?;
        self.run(SumP { blocks, onto, placement: self.placement(), p });
        Ok(())
    }

    #[inline(always)]
    fn sum_q<B: Ranked>(self, blocks: &[B], onto: Onto, q: &mut [u8]) -> Result<(), ShapeError> {
        let order = order(blocks, q.len(), [])?;
        self.run(SumQ { blocks, order, onto, placement: self.placement(), q });
        Ok(())
    }

    #[inline(always)]
    fn sum_pq<B: Ranked>(
        self,
        blocks: &[B],
        onto: Onto,
        p: &mut [u8],
        q: &mut [u8],
    ) -> Result<(), ShapeError> {
        slices_have_length(&[q], p.len())?;
        let order = order(blocks, p.len(), [])?;
        self.run(SumPq { blocks, order, onto, placement: self.placement(), p, q });
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
}

struct SumP<'a, B> {
    blocks: &'a [B],
    onto: Onto,
    placement: Placement,
    p: &'a mut [u8],
}

impl<B: Block> Operation for SumP<'_, B> {
    type Answer = ();

    fn length(&self) -> usize {
        self.p.len()
    }

    fn count(&self) -> usize {
        self.blocks.len()
    }

    fn by_bytes(self) {
        scalar::sum_p(self.blocks, self.onto, self.p);
    }

    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) {
        let Some(p) = extent.lane_mut(self.p) else { return };
        let Self { blocks, onto, placement, .. } = self;
        let call = Call::<V> { proof, extent };
        match onto {
            Onto::Nothing => call.plain(blocks, placement, PutP { p }),
            Onto::Target => call.add_plain(blocks, AddP { p }),
        }
    }
}

struct SumQ<'a, B> {
    blocks: &'a [B],
    order: Order,
    onto: Onto,
    placement: Placement,
    q: &'a mut [u8],
}

impl<B: Ranked> Operation for SumQ<'_, B> {
    type Answer = ();

    fn length(&self) -> usize {
        self.q.len()
    }

    fn count(&self) -> usize {
        self.blocks.len()
    }

    fn by_bytes(self) {
        scalar::sum_q(self.blocks, self.onto, self.q);
    }

    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) {
        let Some(q) = extent.lane_mut(self.q) else { return };
        let Self { blocks, order, onto, placement, .. } = self;
        let call = Call::<V> { proof, extent };
        match onto {
            Onto::Nothing => call.ranked(blocks, order, placement, PutQ { q }),
            Onto::Target => call.add_ranked(blocks, order, AddQ { q }),
        }
    }
}

struct SumPq<'a, B> {
    blocks: &'a [B],
    order: Order,
    onto: Onto,
    placement: Placement,
    p: &'a mut [u8],
    q: &'a mut [u8],
}

impl<B: Ranked> Operation for SumPq<'_, B> {
    type Answer = ();

    fn length(&self) -> usize {
        self.p.len()
    }

    fn count(&self) -> usize {
        self.blocks.len()
    }

    fn by_bytes(self) {
        scalar::sum_p(self.blocks, self.onto, self.p);
        scalar::sum_q(self.blocks, self.onto, self.q);
    }

    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) {
        let Some(p) = extent.lane_mut(self.p) else { return };
        let Some(q) = extent.lane_mut(self.q) else { return };
        let Self { blocks, order, onto, placement, .. } = self;
        let call = Call::<V> { proof, extent };
        match onto {
            Onto::Nothing => call.generate(blocks, order, placement, PutPq { p, q }),
            Onto::Target => call.add_ranked(blocks, order, AddPq { p, q }),
        }
    }
}

/// P is the sum.
struct PutP<'c, 'a> {
    p: LaneMut<'c, 'a>,
}

/// P becomes more by the sum.
struct AddP<'c, 'a> {
    p: LaneMut<'c, 'a>,
}

/// Q is the sum.
struct PutQ<'c, 'a> {
    q: LaneMut<'c, 'a>,
}

/// Q becomes more by the sum.
struct AddQ<'c, 'a> {
    q: LaneMut<'c, 'a>,
}

/// P and Q are the sums.
struct PutPq<'c, 'a> {
    p: LaneMut<'c, 'a>,
    q: LaneMut<'c, 'a>,
}

/// P and Q become more by the sums.
struct AddPq<'c, 'a> {
    p: LaneMut<'c, 'a>,
    q: LaneMut<'c, 'a>,
}

impl<'c, V: Vector> End<'c, V> for PutP<'c, '_> {
    #[inline(always)]
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        _proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    ) {
        sums.p.store::<M>(&mut self.p, at);
    }
}

impl<'c, V: Vector> End<'c, V> for AddP<'c, '_> {
    #[inline(always)]
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    ) {
        let p = sums.p.xor(&Tile::load(proof, self.p.shared(), at));
        p.store::<M>(&mut self.p, at);
    }
}

impl<'c, V: Vector> End<'c, V> for PutQ<'c, '_> {
    #[inline(always)]
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        _proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    ) {
        sums.q.store::<M>(&mut self.q, at);
    }
}

impl<'c, V: Vector> End<'c, V> for AddQ<'c, '_> {
    #[inline(always)]
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    ) {
        let q = sums.q.xor(&Tile::load(proof, self.q.shared(), at));
        q.store::<M>(&mut self.q, at);
    }
}

impl<'c, V: Vector> End<'c, V> for PutPq<'c, '_> {
    #[inline(always)]
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        _proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    ) {
        sums.p.store::<M>(&mut self.p, at);
        sums.q.store::<M>(&mut self.q, at);
    }
}

impl<'c, V: Vector> End<'c, V> for AddPq<'c, '_> {
    #[inline(always)]
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    ) {
        let p = sums.p.xor(&Tile::load(proof, self.p.shared(), at));
        p.store::<M>(&mut self.p, at);
        let q = sums.q.xor(&Tile::load(proof, self.q.shared(), at));
        q.store::<M>(&mut self.q, at);
    }
}
