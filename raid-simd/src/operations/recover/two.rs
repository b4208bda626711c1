//! Both of two lost blocks: two data blocks, or one and a parity.

use super::{Factors, Lost, OneOfTwo};
use crate::arch::lanes::{Extent, Lane, LaneMut};
use crate::blocks::Source;
use crate::fold::Sums;
use crate::operations::{Onto, Operation};
use crate::pass::End;
use crate::placement::Placement;
use crate::rows::{Arrangement, Call};
use crate::scalar;
use crate::shape::Order;
use crate::vector::{Mode, Tile, Vector, Window};

pub(super) struct Two<'a, A> {
    pub(super) placement: Placement,
    pub(super) survivors: &'a [Source<'a>],
    pub(super) row: A,
    pub(super) p: &'a [u8],
    pub(super) q: &'a [u8],
    pub(super) lost: OneOfTwo,
    pub(super) first: &'a mut [u8],
    pub(super) second: &'a mut [u8],
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

pub(super) struct DataAndP<'a, A> {
    pub(super) placement: Placement,
    pub(super) survivors: &'a [Source<'a>],
    pub(super) row: A,
    pub(super) q: &'a [u8],
    pub(super) lost: Lost,
    pub(super) data: &'a mut [u8],
    pub(super) p: &'a mut [u8],
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

pub(super) struct DataAndQ<'a> {
    pub(super) placement: Placement,
    pub(super) survivors: &'a [Source<'a>],
    pub(super) order: Order<1>,
    pub(super) p: &'a [u8],
    pub(super) lost: Lost,
    pub(super) data: &'a mut [u8],
    pub(super) q: &'a mut [u8],
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
