//! Looking for disagreement: `check_*` of parity, `compare` of copies.

use core::ops::Range;

use super::look::{ByUnit, Look};
use crate::blocks::Source;
use crate::error::ShapeError;
use crate::fold::{Sums, deltas, fold_p, fold_pq};
use crate::line::{Line, Step, Tile, Window, sweep};
use crate::scalar;
use crate::select::Kernels;
use crate::shape::{Order, blocks_have_length, order, slices_have_length};
use crate::verdict::{Different, Mismatch};

impl Kernels {
    /// Calls `visit` with the number of each unit whose P is not the sum of the data, in ascending
    /// order; returns how many there are. The exponents play no part.
    ///
    /// # Errors
    ///
    /// [`ShapeError::LengthsDiffer`].
    pub fn check_p(
        self,
        sources: &[Source<'_>],
        p: &[u8],
        mut visit: impl FnMut(usize),
    ) -> Result<usize, ShapeError> {
        blocks_have_length(sources, p.len())?;
        Ok(self
            .run(ByUnit { look: CheckP { sources, p }, visit: &mut |unit, Different| visit(unit) }))
    }

    /// As [`check_p`](Self::check_p), for Q.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn check_q(
        self,
        sources: &[Source<'_>],
        q: &[u8],
        mut visit: impl FnMut(usize),
    ) -> Result<usize, ShapeError> {
        blocks_have_length(sources, q.len())?;
        let order = order(sources, &[])?;
        Ok(self.run(ByUnit {
            look: CheckQ { sources, order, q },
            visit: &mut |unit, Different| visit(unit),
        }))
    }

    /// Calls `visit` with each unit that disagrees with P, Q or both, in ascending order; returns
    /// how many there are.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn check_pq(
        self,
        sources: &[Source<'_>],
        p: &[u8],
        q: &[u8],
        mut visit: impl FnMut(usize, Mismatch),
    ) -> Result<usize, ShapeError> {
        slices_have_length(&[q], p.len())?;
        blocks_have_length(sources, p.len())?;
        let order = order(sources, &[])?;
        Ok(self.run(ByUnit { look: CheckPq { sources, order, p, q }, visit: &mut visit }))
    }

    /// Calls `visit` with the number of each unit in which the `copies` are not all equal, in
    /// ascending order; returns how many there are. For mirrors.
    ///
    /// # Errors
    ///
    /// [`ShapeError::LengthsDiffer`].
    pub fn compare(
        self,
        copies: &[&[u8]],
        mut visit: impl FnMut(usize),
    ) -> Result<usize, ShapeError> {
        let Some((first, others)) = copies.split_first() else { return Ok(0) };
        slices_have_length(others, first.len())?;
        Ok(self.run(ByUnit {
            look: Compare { first, others },
            visit: &mut |unit, Different| visit(unit),
        }))
    }
}

struct CheckP<'a> {
    sources: &'a [Source<'a>],
    p: &'a [u8],
}

impl Look for CheckP<'_> {
    type Finding = Different;

    fn length(&self) -> usize {
        self.p.len()
    }

    fn by_bytes(&self, unit: Range<usize>) -> Option<Different> {
        scalar::check_p(self.sources, self.p, unit)
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(
        &self,
        proof: V::Proof,
        unit: Range<usize>,
    ) -> Option<Different> {
        any_difference::<V, _, N>(proof, unit, self)
    }
}

impl Delta for CheckP<'_> {
    #[inline(always)]
    fn delta<V: Line, W: Window<N>, const N: usize>(&self, proof: V::Proof, at: &W) -> Tile<V, N> {
        let sum: Tile<V, N> = fold_p(proof, self.sources, at);
        sum.xor(&at.load(proof, self.p))
    }
}

struct CheckQ<'a> {
    sources: &'a [Source<'a>],
    order: Order,
    q: &'a [u8],
}

impl Look for CheckQ<'_> {
    type Finding = Different;

    fn length(&self) -> usize {
        self.q.len()
    }

    fn by_bytes(&self, unit: Range<usize>) -> Option<Different> {
        scalar::check_q(self.sources, self.q, unit)
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(
        &self,
        proof: V::Proof,
        unit: Range<usize>,
    ) -> Option<Different> {
        any_difference::<V, _, N>(proof, unit, self)
    }
}

impl Delta for CheckQ<'_> {
    #[inline(always)]
    fn delta<V: Line, W: Window<N>, const N: usize>(&self, proof: V::Proof, at: &W) -> Tile<V, N> {
        let sums: Sums<V, N> = fold_pq(proof, self.sources, self.order, at);
        sums.q.xor(&at.load(proof, self.q))
    }
}

struct CheckPq<'a> {
    sources: &'a [Source<'a>],
    order: Order,
    p: &'a [u8],
    q: &'a [u8],
}

impl Look for CheckPq<'_> {
    type Finding = Mismatch;

    fn length(&self) -> usize {
        self.p.len()
    }

    fn by_bytes(&self, unit: Range<usize>) -> Option<Mismatch> {
        Mismatch::of(
            scalar::check_p(self.sources, self.p, unit.clone()),
            scalar::check_q(self.sources, self.q, unit),
        )
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(
        &self,
        proof: V::Proof,
        unit: Range<usize>,
    ) -> Option<Mismatch> {
        let mut step = CheckPqStep { check: self, p: V::zero(proof), q: V::zero(proof) };
        sweep::<V, _, N>(proof, unit, &mut step);
        Mismatch::of(step.p.difference(), step.q.difference())
    }
}

struct CheckPqStep<'a, V> {
    check: &'a CheckPq<'a>,
    p: V,
    q: V,
}

impl<V: Line> Step<V> for CheckPqStep<'_, V> {
    #[inline(always)]
    fn step<W: Window<N>, const N: usize>(&mut self, proof: V::Proof, at: &W) {
        let CheckPq { sources, order, p, q } = *self.check;
        let delta: Sums<V, N> = deltas(proof, sources, order, (p, q), at);
        self.p = self.p.or(delta.p.gathered(proof));
        self.q = self.q.or(delta.q.gathered(proof));
    }
}

struct Compare<'a> {
    first: &'a [u8],
    others: &'a [&'a [u8]],
}

impl Look for Compare<'_> {
    type Finding = Different;

    fn length(&self) -> usize {
        self.first.len()
    }

    fn by_bytes(&self, unit: Range<usize>) -> Option<Different> {
        scalar::compare(self.first, self.others, unit)
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(
        &self,
        proof: V::Proof,
        unit: Range<usize>,
    ) -> Option<Different> {
        any_difference::<V, _, N>(proof, unit, self)
    }
}

impl Delta for Compare<'_> {
    #[inline(always)]
    fn delta<V: Line, W: Window<N>, const N: usize>(&self, proof: V::Proof, at: &W) -> Tile<V, N> {
        let first: Tile<V, N> = at.load(proof, self.first);
        let mut any = Tile::zero(proof);
        for copy in self.others {
            any = any.or(&first.xor(&at.load(proof, copy)));
        }
        any
    }
}

/// A computation that is zero wherever all is well.
trait Delta {
    fn delta<V: Line, W: Window<N>, const N: usize>(&self, proof: V::Proof, at: &W) -> Tile<V, N>;
}

#[inline(always)]
fn any_difference<V: Line, D: Delta, const N: usize>(
    proof: V::Proof,
    unit: Range<usize>,
    of: &D,
) -> Option<Different> {
    let mut step = DeltaStep { of, any: V::zero(proof) };
    sweep::<V, _, N>(proof, unit, &mut step);
    step.any.difference()
}

struct DeltaStep<'a, V, D> {
    of: &'a D,
    any: V,
}

impl<V: Line, D: Delta> Step<V> for DeltaStep<'_, V, D> {
    #[inline(always)]
    fn step<W: Window<N>, const N: usize>(&mut self, proof: V::Proof, at: &W) {
        let delta: Tile<V, N> = self.of.delta(proof, at);
        self.any = self.any.or(delta.gathered(proof));
    }
}
