//! Sums: `xor`, `gen_*`, `update_*`, `accumulate_*`.

use core::marker::PhantomData;

use super::Operation;
use crate::arch::lanes::{Extent, LaneMut};
use crate::blocks::{Block, Change, Ranked, Source};
use crate::error::ShapeError;
use crate::fold::Sums;
use crate::gather::MOST_BLOCKS;
use crate::pass::{End, Resume};
use crate::placement::Placement;
use crate::rows::{AnyCount, Arrangement, Call, PlainLoops, UsualCount};
use crate::scalar;
use crate::select::Kernels;
use crate::shape::{Order, Usual, blocks_have_length, order, slices_have_length};
use crate::vector::{Mode, Tile, Vector, Window};

impl Kernels {
    /// Writes the exclusive or of `sources` to `target`.
    ///
    /// # Errors
    ///
    /// [`ShapeError::LengthsDiffer`].
    pub fn xor(self, sources: &[&[u8]], target: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_p::<Anew, _>(sources, target)
    }

    /// Computes P of a row: `p = Σ D`. The exponents play no part.
    ///
    /// # Errors
    ///
    /// [`ShapeError::LengthsDiffer`].
    pub fn gen_p(self, sources: &[Source<'_>], p: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_p::<Anew, _>(sources, p)
    }

    /// Computes Q of a row: `q = Σ 2^e · D`. For a row whose place for P has no member, or for one
    /// whose Q alone is lost.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn gen_q(self, sources: &[Source<'_>], q: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_q::<Anew, _>(sources, q)
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
        self.sum_pq::<Anew, _>(sources, p, q)
    }

    /// Makes P cover the new content of changed blocks: `p += Σ (old + new)`.
    ///
    /// # Errors
    ///
    /// [`ShapeError::LengthsDiffer`].
    pub fn update_p(self, changes: &[Change<'_>], p: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_p::<Further, _>(changes, p)
    }

    /// Makes Q cover the new content of changed blocks: `q += Σ 2^e · (old + new)`.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn update_q(self, changes: &[Change<'_>], q: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_q::<Further, _>(changes, q)
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
        self.sum_pq::<Further, _>(changes, p, q)
    }

    /// Adds blocks to a P: `p += Σ D`. Given differences, `old xor new`, it is an update; given the
    /// blocks of a row as they arrive, it builds P up from zero.
    ///
    /// # Errors
    ///
    /// [`ShapeError::LengthsDiffer`].
    pub fn accumulate_p(self, blocks: &[Source<'_>], p: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_p::<Further, _>(blocks, p)
    }

    /// Adds blocks to a Q: `q += Σ 2^e · D`. As [`accumulate_p`](Self::accumulate_p).
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn accumulate_q(self, blocks: &[Source<'_>], q: &mut [u8]) -> Result<(), ShapeError> {
        self.sum_q::<Further, _>(blocks, q)
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
        self.sum_pq::<Further, _>(blocks, p, q)
    }

    #[inline(always)]
    fn sum_p<S: Start, B: Block>(self, blocks: &[B], p: &mut [u8]) -> Result<(), ShapeError> {
        let (loops, placement) = (UsualCount, self.placement());
        match self.run_usual(SumP { blocks, loops, start: PhantomData::<S>, placement, p: &mut *p })
        {
            Some(()) => Ok(()),
            None => self.sum_any_p::<S, _>(blocks, p),
        }
    }

    /// As many blocks at a time as there are places for.
    #[inline(never)]
    pub(super) fn sum_any_p<S: Start, B: Block>(
        self,
        blocks: &[B],
        p: &mut [u8],
    ) -> Result<(), ShapeError> {
        blocks_have_length(blocks, p.len())?;
        let (first, others) = blocks.split_at_checked(MOST_BLOCKS).unwrap_or((blocks, &[]));
        let (loops, placement) = (AnyCount, self.placement());
        self.run(SumP { blocks: first, loops, start: PhantomData::<S>, placement, p: &mut *p })?;
        for blocks in others.chunks(MOST_BLOCKS) {
            self.run(SumP { blocks, loops, start: PhantomData::<Further>, placement, p: &mut *p })?;
        }
        Ok(())
    }

    #[inline(never)]
    fn sum_q<S: Start, B: Ranked>(self, blocks: &[B], q: &mut [u8]) -> Result<(), ShapeError> {
        let order = order(blocks, q.len(), [])?;
        self.run(SumQ { blocks, order, start: PhantomData::<S>, placement: self.placement(), q })
    }

    #[inline(always)]
    fn sum_pq<S: Start, B: Ranked>(
        self,
        blocks: &[B],
        p: &mut [u8],
        q: &mut [u8],
    ) -> Result<(), ShapeError> {
        slices_have_length(&[q], p.len())?;
        let (row, placement) = (Usual::without([]), self.placement());
        match self.run_usual(SumPq {
            blocks,
            row,
            start: PhantomData::<S>,
            placement,
            p: &mut *p,
            q: &mut *q,
        }) {
            Some(()) => Ok(()),
            None => self.sum_any_pq::<S, _>(blocks, p, q),
        }
    }

    #[inline(never)]
    fn sum_any_pq<S: Start, B: Ranked>(
        self,
        blocks: &[B],
        p: &mut [u8],
        q: &mut [u8],
    ) -> Result<(), ShapeError> {
        let row = order(blocks, p.len(), [])?;
        self.run(SumPq { blocks, row, start: PhantomData::<S>, placement: self.placement(), p, q })
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

/// The same, known to the compiler: so no loops are compiled that no call asks for.
pub(super) trait Start: Copy {
    const ONTO: Onto;
}

/// From zero.
#[derive(Clone, Copy)]
pub(super) struct Anew;

/// From what the target holds.
#[derive(Clone, Copy)]
pub(super) struct Further;

impl Start for Anew {
    const ONTO: Onto = Onto::Nothing;
}

impl Start for Further {
    const ONTO: Onto = Onto::Target;
}

struct SumP<'a, B, L, S> {
    blocks: &'a [B],
    loops: L,
    start: PhantomData<S>,
    placement: Placement,
    p: &'a mut [u8],
}

impl<B: Block, L: PlainLoops, S: Start> Operation for SumP<'_, B, L, S> {
    type Answer = ();

    fn length(&self) -> usize {
        self.p.len()
    }

    fn count(&self) -> usize {
        self.blocks.len()
    }

    fn by_bytes(self) {
        scalar::sum_p(self.blocks, S::ONTO, self.p);
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<()> {
        let p = extent.lane_mut(self.p)?;
        let Self { blocks, loops, placement, .. } = self;
        let call = Call::<V> { proof, extent, placement };
        if const { matches!(S::ONTO, Onto::Nothing) } {
            loops.plain(call, blocks, PutP { p })
        } else {
            loops.add_plain(call, blocks, AddP { p })
        }
    }
}

struct SumQ<'a, B, S> {
    blocks: &'a [B],
    order: Order<0>,
    start: PhantomData<S>,
    placement: Placement,
    q: &'a mut [u8],
}

impl<B: Ranked, S: Start> Operation for SumQ<'_, B, S> {
    type Answer = ();

    fn length(&self) -> usize {
        self.q.len()
    }

    fn count(&self) -> usize {
        self.blocks.len()
    }

    fn by_bytes(self) {
        scalar::sum_q(self.blocks, S::ONTO, self.q);
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<()> {
        let q = extent.lane_mut(self.q)?;
        let Self { blocks, order, placement, .. } = self;
        let call = Call::<V> { proof, extent, placement };
        if const { matches!(S::ONTO, Onto::Nothing) } {
            call.ranked(blocks, order, PutQ { q })
        } else {
            order.add(call, blocks, AddQ { q })
        }
    }
}

struct SumPq<'a, B, A, S> {
    blocks: &'a [B],
    row: A,
    start: PhantomData<S>,
    placement: Placement,
    p: &'a mut [u8],
    q: &'a mut [u8],
}

impl<B: Ranked, A: Arrangement, S: Start> Operation for SumPq<'_, B, A, S> {
    type Answer = ();

    fn length(&self) -> usize {
        self.p.len()
    }

    fn count(&self) -> usize {
        self.blocks.len()
    }

    fn by_bytes(self) {
        scalar::sum_p(self.blocks, S::ONTO, self.p);
        scalar::sum_q(self.blocks, S::ONTO, self.q);
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<()> {
        let p = extent.lane_mut(self.p)?;
        let q = extent.lane_mut(self.q)?;
        let Self { blocks, row, placement, .. } = self;
        let call = Call::<V> { proof, extent, placement };
        if const { matches!(S::ONTO, Onto::Nothing) } {
            row.generate(call, blocks, PutPq { p, q })
        } else {
            row.add(call, blocks, AddPq { p, q })
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

impl<'c, V: Vector> Resume<'c, V> for PutPq<'c, '_> {
    #[inline(always)]
    fn put<W: Window<'c, N>, const N: usize>(&self, proof: V::Proof, at: &W) -> Sums<V, N> {
        Sums {
            p: Tile::load(proof, self.p.shared(), at),
            q: Tile::load(proof, self.q.shared(), at),
        }
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
