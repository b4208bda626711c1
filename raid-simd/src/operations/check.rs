//! Looking for disagreement: `check_*` of parity, `compare` of copies.

use super::Operation;
use crate::arch::lanes::{Extent, Lane};
use crate::blocks::Source;
use crate::error::ShapeError;
use crate::fold::{Copies, Plain, Sums};
use crate::placement::Placement;
use crate::rows::{Arrangement, Call};
use crate::scalar;
use crate::select::Kernels;
use crate::shape::{Order, Usual, blocks_have_length, order, slices_have_length};
use crate::units::Look;
use crate::vector::{Tile, Vector, Window};
use crate::verdict::{Different, Mismatch, tell_units};

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
        self.tell_p(sources, p, &mut |unit, Different| visit(unit))
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
        self.tell_q(sources, q, &mut |unit, Different| visit(unit))
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
        self.tell_pq(sources, p, q, &mut visit)
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
        self.tell_copies(copies, &mut |unit, Different| visit(unit))
    }

    // Not generic, so that the loops are compiled here and not in each crate that calls them.

    fn tell_p(
        self,
        sources: &[Source<'_>],
        p: &[u8],
        visit: &mut dyn FnMut(usize, Different),
    ) -> Result<usize, ShapeError> {
        blocks_have_length(sources, p.len())?;
        self.run(CheckP { placement: self.placement(), sources, p, visit })
    }

    fn tell_q(
        self,
        sources: &[Source<'_>],
        q: &[u8],
        visit: &mut dyn FnMut(usize, Different),
    ) -> Result<usize, ShapeError> {
        let order = order(sources, q.len(), [])?;
        self.run(CheckQ { placement: self.placement(), sources, order, q, visit })
    }

    fn tell_pq(
        self,
        sources: &[Source<'_>],
        p: &[u8],
        q: &[u8],
        visit: &mut dyn FnMut(usize, Mismatch),
    ) -> Result<usize, ShapeError> {
        slices_have_length(&[q], p.len())?;
        let (row, placement) = (Usual::without([]), self.placement());
        let usual = CheckPq { placement, sources, row, p, q, visit };
        if let Some(count) = self.run_usual(usual) {
            return Ok(count);
        }
        let row = order(sources, p.len(), [])?;
        self.run(CheckPq { placement, sources, row, p, q, visit })
    }

    fn tell_copies(
        self,
        copies: &[&[u8]],
        visit: &mut dyn FnMut(usize, Different),
    ) -> Result<usize, ShapeError> {
        let Some(first) = copies.first() else { return Ok(0) };
        slices_have_length(copies, first.len())?;
        self.run(Compare { placement: self.placement(), first, copies, visit })
    }
}

struct CheckP<'a> {
    placement: Placement,
    sources: &'a [Source<'a>],
    p: &'a [u8],
    visit: &'a mut dyn FnMut(usize, Different),
}

impl Operation for CheckP<'_> {
    type Answer = usize;

    fn length(&self) -> usize {
        self.p.len()
    }

    fn count(&self) -> usize {
        self.sources.len()
    }

    fn by_bytes(self) -> usize {
        tell_units(self.p.len(), self.visit, |unit| scalar::check_p(self.sources, self.p, unit))
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<usize> {
        let p = extent.lane(self.p)?;
        let call = Call::<V> { proof, extent, placement: self.placement };
        call.look::<Plain, _, _>(self.sources, IsP { p }, self.visit)
    }
}

struct CheckQ<'a> {
    placement: Placement,
    sources: &'a [Source<'a>],
    order: Order<0>,
    q: &'a [u8],
    visit: &'a mut dyn FnMut(usize, Different),
}

impl Operation for CheckQ<'_> {
    type Answer = usize;

    fn length(&self) -> usize {
        self.q.len()
    }

    fn count(&self) -> usize {
        self.sources.len()
    }

    fn by_bytes(self) -> usize {
        tell_units(self.q.len(), self.visit, |unit| scalar::check_q(self.sources, self.q, unit))
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<usize> {
        let q = extent.lane(self.q)?;
        let call = Call::<V> { proof, extent, placement: self.placement };
        self.order.look(call, self.sources, IsQ { q }, self.visit)
    }
}

struct CheckPq<'a, A> {
    placement: Placement,
    sources: &'a [Source<'a>],
    row: A,
    p: &'a [u8],
    q: &'a [u8],
    visit: &'a mut dyn FnMut(usize, Mismatch),
}

impl<A: Arrangement> Operation for CheckPq<'_, A> {
    type Answer = usize;

    fn length(&self) -> usize {
        self.p.len()
    }

    fn count(&self) -> usize {
        self.sources.len()
    }

    fn by_bytes(self) -> usize {
        tell_units(self.p.len(), self.visit, |unit| {
            Mismatch::of(
                scalar::check_p(self.sources, self.p, unit.clone()),
                scalar::check_q(self.sources, self.q, unit),
            )
        })
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<usize> {
        let p = extent.lane(self.p)?;
        let q = extent.lane(self.q)?;
        let call = Call::<V> { proof, extent, placement: self.placement };
        self.row.look(call, self.sources, IsPq { p, q }, self.visit)
    }
}

struct Compare<'a> {
    placement: Placement,
    first: &'a [u8],
    copies: &'a [&'a [u8]],
    visit: &'a mut dyn FnMut(usize, Different),
}

impl Operation for Compare<'_> {
    type Answer = usize;

    fn length(&self) -> usize {
        self.first.len()
    }

    fn count(&self) -> usize {
        self.copies.len()
    }

    fn by_bytes(self) -> usize {
        tell_units(self.first.len(), self.visit, |unit| {
            scalar::compare(self.first, self.copies, unit)
        })
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<usize> {
        let call = Call::<V> { proof, extent, placement: self.placement };
        call.look::<Copies, _, _>(self.copies, IsZero, self.visit)
    }
}

/// Whether `p` is zero.
#[derive(Clone, Copy)]
struct IsZero;

impl<'c, V: Vector> Look<'c, V> for IsZero {
    type Seen = V;
    type Finding = Different;

    #[inline(always)]
    fn nothing(proof: V::Proof) -> Self::Seen {
        V::zero(proof)
    }

    #[inline(always)]
    fn look<W: Window<'c, N>, const N: usize>(
        &self,
        proof: V::Proof,
        _at: &W,
        sums: Sums<V, N>,
        seen: &mut Self::Seen,
    ) {
        *seen = seen.or(sums.p.gathered(proof));
    }

    #[inline(always)]
    fn finding(&self, seen: Self::Seen) -> Option<Different> {
        seen.difference()
    }
}

/// Whether the sum for P is the one stored.
#[derive(Clone, Copy)]
struct IsP<'c, 'a> {
    p: Lane<'c, 'a>,
}

impl<'c, V: Vector> Look<'c, V> for IsP<'c, '_> {
    type Seen = V;
    type Finding = Different;

    #[inline(always)]
    fn nothing(proof: V::Proof) -> Self::Seen {
        V::zero(proof)
    }

    #[inline(always)]
    fn look<W: Window<'c, N>, const N: usize>(
        &self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
        seen: &mut Self::Seen,
    ) {
        let delta = sums.p.xor(&Tile::load(proof, self.p, at));
        *seen = seen.or(delta.gathered(proof));
    }

    #[inline(always)]
    fn finding(&self, seen: Self::Seen) -> Option<Different> {
        seen.difference()
    }
}

/// Whether the sum for Q is the one stored.
#[derive(Clone, Copy)]
struct IsQ<'c, 'a> {
    q: Lane<'c, 'a>,
}

impl<'c, V: Vector> Look<'c, V> for IsQ<'c, '_> {
    type Seen = V;
    type Finding = Different;

    #[inline(always)]
    fn nothing(proof: V::Proof) -> Self::Seen {
        V::zero(proof)
    }

    #[inline(always)]
    fn look<W: Window<'c, N>, const N: usize>(
        &self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
        seen: &mut Self::Seen,
    ) {
        let delta = sums.q.xor(&Tile::load(proof, self.q, at));
        *seen = seen.or(delta.gathered(proof));
    }

    #[inline(always)]
    fn finding(&self, seen: Self::Seen) -> Option<Different> {
        seen.difference()
    }
}

/// Whether the sums are those stored.
#[derive(Clone, Copy)]
struct IsPq<'c, 'a> {
    p: Lane<'c, 'a>,
    q: Lane<'c, 'a>,
}

impl<'c, V: Vector> Look<'c, V> for IsPq<'c, '_> {
    type Seen = (V, V);
    type Finding = Mismatch;

    #[inline(always)]
    fn nothing(proof: V::Proof) -> Self::Seen {
        (V::zero(proof), V::zero(proof))
    }

    #[inline(always)]
    fn look<W: Window<'c, N>, const N: usize>(
        &self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
        seen: &mut Self::Seen,
    ) {
        let p = sums.p.xor(&Tile::load(proof, self.p, at));
        let q = sums.q.xor(&Tile::load(proof, self.q, at));
        *seen = (seen.0.or(p.gathered(proof)), seen.1.or(q.gathered(proof)));
    }

    #[inline(always)]
    fn finding(&self, seen: Self::Seen) -> Option<Mismatch> {
        Mismatch::of(seen.0.difference(), seen.1.difference())
    }
}
