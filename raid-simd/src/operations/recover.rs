//! Recovery: one way for each choice of one or two lost blocks. With P and Q both lost it is
//! [`Kernels::gen_pq`], with one of them lost `gen_p` or `gen_q`.
//!
//! With P' and Q' summed over the survivors, ΔP = P + P' and ΔQ = Q + Q' are what the lost data
//! would have added: ΔP = Dx + Dy and ΔQ = 2^x · Dx + 2^y · Dy.

use super::sum::Further;
use super::{Onto, Operation};
use crate::arch::lanes::{Extent, Lane, LaneMut};
use crate::blocks::{Exponent, Source, Target};
use crate::error::ShapeError;
use crate::fold::Sums;
use crate::gather::MOST_BLOCKS;
use crate::gf256;
use crate::pass::End;
use crate::placement::Placement;
use crate::rows::{AnyCount, Arrangement, Call, PlainLoops, UsualCount};
use crate::scalar;
use crate::select::Kernels;
use crate::shape::{Order, Usual, blocks_have_length, order, slices_have_length};
use crate::vector::{Mode, Tile, Vector, Window};

impl Kernels {
    /// Recovers one data block from P: `target = P + Σ survivors`. The exponents play no part.
    ///
    /// # Errors
    ///
    /// [`ShapeError::LengthsDiffer`].
    pub fn recover_from_p(
        self,
        survivors: &[Source<'_>],
        p: &[u8],
        target: &mut [u8],
    ) -> Result<(), ShapeError> {
        slices_have_length(&[p], target.len())?;
        let (loops, placement) = (UsualCount, self.placement());
        if let Some(()) =
            self.run_usual(FromP { placement, survivors, loops, p, target: &mut *target })
        {
            return Ok(());
        }
        blocks_have_length(survivors, target.len())?;
        let (first, others) = survivors.split_at_checked(MOST_BLOCKS).unwrap_or((survivors, &[]));
        let loops = AnyCount;
        self.run(FromP { placement, survivors: first, loops, p, target: &mut *target })?;
        if others.is_empty() { Ok(()) } else { self.sum_any_p::<Further, _>(others, target) }
    }

    /// Recovers one data block from Q, where P is lost too but not wanted.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn recover_from_q(
        self,
        survivors: &[Source<'_>],
        q: &[u8],
        target: Target<'_>,
    ) -> Result<(), ShapeError> {
        let Target { exponent, bytes: target } = target;
        slices_have_length(&[q], target.len())?;
        let order = order(survivors, target.len(), [exponent])?;
        let placement = self.placement();
        self.run(FromQ { placement, survivors, order, q, lost: Lost::new(exponent), target })
    }

    /// Recovers one data block of two that are lost, from P and Q.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn recover_from_pq(
        self,
        survivors: &[Source<'_>],
        p: &[u8],
        q: &[u8],
        target: Target<'_>,
        also_lost: Exponent,
    ) -> Result<(), ShapeError> {
        let Target { exponent, bytes: target } = target;
        slices_have_length(&[p, q], target.len())?;
        let order = order(survivors, target.len(), [exponent, also_lost])?;
        let lost = OneOfTwo::new(exponent, also_lost)?;
        let placement = self.placement();
        self.run(FromPq { placement, survivors, order, p, q, lost, target })
    }

    /// Recovers two data blocks from P and Q.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn recover_two(
        self,
        survivors: &[Source<'_>],
        p: &[u8],
        q: &[u8],
        first: Target<'_>,
        second: Target<'_>,
    ) -> Result<(), ShapeError> {
        slices_have_length(&[p, q, first.bytes], second.bytes.len())?;
        let exponents = [first.exponent, second.exponent];
        let Ok(lost) = OneOfTwo::new(second.exponent, first.exponent) else {
            return order(survivors, p.len(), exponents)
                .and(Err(ShapeError::ExponentRepeated(first.exponent)));
        };
        let (first, second, placement) = (first.bytes, second.bytes, self.placement());
        let row = Usual::without(exponents);
        let (x, y) = (&mut *first, &mut *second);
        let usual = Two { placement, survivors, row, p, q, lost, first: x, second: y };
        if let Some(()) = self.run_usual(usual) {
            return Ok(());
        }
        let row = order(survivors, p.len(), exponents)?;
        self.run(Two { placement, survivors, row, p, q, lost, first, second })
    }

    /// Recovers a data block and P from Q.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn recover_data_and_p(
        self,
        survivors: &[Source<'_>],
        q: &[u8],
        data: Target<'_>,
        p: &mut [u8],
    ) -> Result<(), ShapeError> {
        let Target { exponent, bytes: data } = data;
        slices_have_length(&[q, p], data.len())?;
        let (lost, placement) = (Lost::new(exponent), self.placement());
        let (row, d) = (Usual::without([exponent]), &mut *data);
        let usual = DataAndP { placement, survivors, row, q, lost, data: d, p: &mut *p };
        if let Some(()) = self.run_usual(usual) {
            return Ok(());
        }
        let row = order(survivors, data.len(), [exponent])?;
        self.run(DataAndP { placement, survivors, row, q, lost, data, p })
    }

    /// Recovers a data block and Q from P.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn recover_data_and_q(
        self,
        survivors: &[Source<'_>],
        p: &[u8],
        data: Target<'_>,
        q: &mut [u8],
    ) -> Result<(), ShapeError> {
        let Target { exponent, bytes: data } = data;
        slices_have_length(&[p, q], data.len())?;
        let order = order(survivors, data.len(), [exponent])?;
        let placement = self.placement();
        self.run(DataAndQ { placement, survivors, order, p, lost: Lost::new(exponent), data, q })
    }
}

/// The constants for one lost data block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    /// `x`.
    exponent: Exponent,
    /// `2^x`.
    weight: u8,
    /// `1 / 2^x`.
    pub(crate) inverse: u8,
}

impl Lost {
    fn new(exponent: Exponent) -> Self {
        Self { exponent, weight: gf256::power(exponent), inverse: gf256::power_inverse(exponent) }
    }
}

/// The constants for one data block `x` of two lost ones: `Dx = (ΔQ + 2^y · ΔP) / (2^x + 2^y)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneOfTwo {
    /// `2^y`.
    pub(crate) other: u8,
    /// `1 / (2^x + 2^y)`.
    pub(crate) inverse: u8,
}

impl OneOfTwo {
    fn new(wanted: Exponent, other: Exponent) -> Result<Self, ShapeError> {
        let other_weight = gf256::power(other);
        gf256::inverse(gf256::power(wanted) ^ other_weight)
            .map(|inverse| Self { other: other_weight, inverse })
            .ok_or(ShapeError::ExponentRepeated(other))
    }
}

/// [`OneOfTwo`] prepared for a backend: the factors of ΔP and ΔQ.
struct Factors<V: Vector> {
    p: V::Factor,
    q: V::Factor,
}

impl<V: Vector> Factors<V> {
    #[inline(always)]
    fn new(lost: OneOfTwo) -> Self {
        Self { p: V::factor(gf256::product(lost.other, lost.inverse)), q: V::factor(lost.inverse) }
    }

    #[inline(always)]
    fn wanted<const N: usize>(&self, p: &Tile<V, N>, q: &Tile<V, N>) -> Tile<V, N> {
        q.times(self.q).xor(&p.times(self.p))
    }
}

struct FromP<'a, L> {
    placement: Placement,
    survivors: &'a [Source<'a>],
    loops: L,
    p: &'a [u8],
    target: &'a mut [u8],
}

impl<L: PlainLoops> Operation for FromP<'_, L> {
    type Answer = ();

    fn length(&self) -> usize {
        self.p.len()
    }

    fn count(&self) -> usize {
        self.survivors.len()
    }

    fn by_bytes(self) {
        scalar::recover_from_p(self.survivors, self.p, self.target);
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<()> {
        let p = extent.lane(self.p)?;
        let target = extent.lane_mut(self.target)?;
        let end = FromPEnd { p, target };
        self.loops.plain(
            Call::<V> { proof, extent, placement: self.placement },
            self.survivors,
            end,
        )
    }
}

struct FromPEnd<'c, 'a> {
    p: Lane<'c, 'a>,
    target: LaneMut<'c, 'a>,
}

impl<'c, V: Vector> End<'c, V> for FromPEnd<'c, '_> {
    #[inline(always)]
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    ) {
        sums.p.xor(&Tile::load(proof, self.p, at)).store::<M>(&mut self.target, at);
    }
}

struct FromQ<'a> {
    placement: Placement,
    survivors: &'a [Source<'a>],
    order: Order<1>,
    q: &'a [u8],
    lost: Lost,
    target: &'a mut [u8],
}

impl Operation for FromQ<'_> {
    type Answer = ();

    fn length(&self) -> usize {
        self.q.len()
    }

    fn count(&self) -> usize {
        self.survivors.len()
    }

    fn by_bytes(self) {
        scalar::recover_from_q(self.survivors, self.q, self.lost, self.target);
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<()> {
        let q = extent.lane(self.q)?;
        let target = extent.lane_mut(self.target)?;
        let end = FromQEnd::<V> { q, target, factor: V::factor(self.lost.inverse) };
        let call = Call::<V> { proof, extent, placement: self.placement };
        call.ranked(self.survivors, self.order, end)
    }
}

struct FromQEnd<'c, 'a, V: Vector> {
    q: Lane<'c, 'a>,
    target: LaneMut<'c, 'a>,
    factor: V::Factor,
}

impl<'c, V: Vector> End<'c, V> for FromQEnd<'c, '_, V> {
    #[inline(always)]
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    ) {
        let delta = sums.q.xor(&Tile::load(proof, self.q, at));
        delta.times(self.factor).store::<M>(&mut self.target, at);
    }
}

struct FromPq<'a> {
    placement: Placement,
    survivors: &'a [Source<'a>],
    order: Order<2>,
    p: &'a [u8],
    q: &'a [u8],
    lost: OneOfTwo,
    target: &'a mut [u8],
}

impl Operation for FromPq<'_> {
    type Answer = ();

    fn length(&self) -> usize {
        self.p.len()
    }

    fn count(&self) -> usize {
        self.survivors.len()
    }

    fn by_bytes(self) {
        scalar::recover_from_pq(self.survivors, self.p, self.q, self.lost, self.target);
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<()> {
        let p = extent.lane(self.p)?;
        let q = extent.lane(self.q)?;
        let target = extent.lane_mut(self.target)?;
        let end = FromPqEnd::<V> { p, q, target, factors: Factors::new(self.lost) };
        let call = Call::<V> { proof, extent, placement: self.placement };
        call.ranked(self.survivors, self.order, end)
    }
}

struct FromPqEnd<'c, 'a, V: Vector> {
    p: Lane<'c, 'a>,
    q: Lane<'c, 'a>,
    target: LaneMut<'c, 'a>,
    factors: Factors<V>,
}

impl<'c, V: Vector> End<'c, V> for FromPqEnd<'c, '_, V> {
    #[inline(always)]
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    ) {
        let p = sums.p.xor(&Tile::load(proof, self.p, at));
        let q = sums.q.xor(&Tile::load(proof, self.q, at));
        self.factors.wanted(&p, &q).store::<M>(&mut self.target, at);
    }
}

struct Two<'a, A> {
    placement: Placement,
    survivors: &'a [Source<'a>],
    row: A,
    p: &'a [u8],
    q: &'a [u8],
    lost: OneOfTwo,
    first: &'a mut [u8],
    second: &'a mut [u8],
}

impl<A: Arrangement> Operation for Two<'_, A> {
    type Answer = ();

    fn length(&self) -> usize {
        self.p.len()
    }

    fn count(&self) -> usize {
        self.survivors.len()
    }

    fn by_bytes(self) {
        scalar::recover_from_pq(self.survivors, self.p, self.q, self.lost, self.second);
        // The second is known now: P lacks the first alone.
        scalar::recover_from_p(self.survivors, self.p, self.first);
        scalar::sum_p(&[&*self.second], Onto::Target, self.first);
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<()> {
        let p = extent.lane(self.p)?;
        let q = extent.lane(self.q)?;
        let first = extent.lane_mut(self.first)?;
        let second = extent.lane_mut(self.second)?;
        let end = TwoEnd::<V> { p, q, first, second, factors: Factors::new(self.lost) };
        self.row.recover(
            Call::<V> { proof, extent, placement: self.placement },
            self.survivors,
            end,
        )
    }
}

struct TwoEnd<'c, 'a, V: Vector> {
    p: Lane<'c, 'a>,
    q: Lane<'c, 'a>,
    first: LaneMut<'c, 'a>,
    second: LaneMut<'c, 'a>,
    factors: Factors<V>,
}

impl<'c, V: Vector> End<'c, V> for TwoEnd<'c, '_, V> {
    #[inline(always)]
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    ) {
        let p = sums.p.xor(&Tile::load(proof, self.p, at));
        let q = sums.q.xor(&Tile::load(proof, self.q, at));
        let second = self.factors.wanted(&p, &q);
        second.store::<M>(&mut self.second, at);
        p.xor(&second).store::<M>(&mut self.first, at);
    }
}

struct DataAndP<'a, A> {
    placement: Placement,
    survivors: &'a [Source<'a>],
    row: A,
    q: &'a [u8],
    lost: Lost,
    data: &'a mut [u8],
    p: &'a mut [u8],
}

impl<A: Arrangement> Operation for DataAndP<'_, A> {
    type Answer = ();

    fn length(&self) -> usize {
        self.q.len()
    }

    fn count(&self) -> usize {
        self.survivors.len()
    }

    fn by_bytes(self) {
        scalar::recover_from_q(self.survivors, self.q, self.lost, self.data);
        scalar::recover_from_p(self.survivors, self.data, self.p);
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<()> {
        let q = extent.lane(self.q)?;
        let data = extent.lane_mut(self.data)?;
        let p = extent.lane_mut(self.p)?;
        let end = DataAndPEnd::<V> { q, data, p, factor: V::factor(self.lost.inverse) };
        self.row.recover(
            Call::<V> { proof, extent, placement: self.placement },
            self.survivors,
            end,
        )
    }
}

struct DataAndPEnd<'c, 'a, V: Vector> {
    q: Lane<'c, 'a>,
    data: LaneMut<'c, 'a>,
    p: LaneMut<'c, 'a>,
    factor: V::Factor,
}

impl<'c, V: Vector> End<'c, V> for DataAndPEnd<'c, '_, V> {
    #[inline(always)]
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    ) {
        let delta = sums.q.xor(&Tile::load(proof, self.q, at));
        let data = delta.times(self.factor);
        data.store::<M>(&mut self.data, at);
        sums.p.xor(&data).store::<M>(&mut self.p, at);
    }
}

struct DataAndQ<'a> {
    placement: Placement,
    survivors: &'a [Source<'a>],
    order: Order<1>,
    p: &'a [u8],
    lost: Lost,
    data: &'a mut [u8],
    q: &'a mut [u8],
}

impl Operation for DataAndQ<'_> {
    type Answer = ();

    fn length(&self) -> usize {
        self.p.len()
    }

    fn count(&self) -> usize {
        self.survivors.len()
    }

    fn by_bytes(self) {
        scalar::recover_from_p(self.survivors, self.p, self.data);
        scalar::sum_q(self.survivors, Onto::Nothing, self.q);
        let data = Source { exponent: self.lost.exponent, bytes: self.data };
        scalar::sum_q(&[data], Onto::Target, self.q);
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<()> {
        let p = extent.lane(self.p)?;
        let data = extent.lane_mut(self.data)?;
        let q = extent.lane_mut(self.q)?;
        let end = DataAndQEnd::<V> { p, data, q, factor: V::factor(self.lost.weight) };
        let call = Call::<V> { proof, extent, placement: self.placement };
        call.ranked(self.survivors, self.order, end)
    }
}

struct DataAndQEnd<'c, 'a, V: Vector> {
    p: Lane<'c, 'a>,
    data: LaneMut<'c, 'a>,
    q: LaneMut<'c, 'a>,
    factor: V::Factor,
}

impl<'c, V: Vector> End<'c, V> for DataAndQEnd<'c, '_, V> {
    #[inline(always)]
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    ) {
        let data = sums.p.xor(&Tile::load(proof, self.p, at));
        data.store::<M>(&mut self.data, at);
        sums.q.xor(&data.times(self.factor)).store::<M>(&mut self.q, at);
    }
}
