//! One data block of one or of two lost ones.

use super::{Factors, Lost, OneOfTwo};
use crate::arch::lanes::{Extent, Lane, LaneMut};
use crate::blocks::Source;
use crate::fold::Sums;
use crate::operations::Operation;
use crate::pass::End;
use crate::placement::Placement;
use crate::rows::{Call, PlainLoops};
use crate::scalar;
use crate::shape::Order;
use crate::vector::{Mode, Tile, Vector, Window};

pub(super) struct FromP<'a, L> {
    pub(super) placement: Placement,
    pub(super) survivors: &'a [Source<'a>],
    pub(super) loops: L,
    pub(super) p: &'a [u8],
    pub(super) target: &'a mut [u8],
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

pub(super) struct FromQ<'a> {
    pub(super) placement: Placement,
    pub(super) survivors: &'a [Source<'a>],
    pub(super) order: Order<1>,
    pub(super) q: &'a [u8],
    pub(super) lost: Lost,
    pub(super) target: &'a mut [u8],
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

pub(super) struct FromPq<'a> {
    pub(super) placement: Placement,
    pub(super) survivors: &'a [Source<'a>],
    pub(super) order: Order<2>,
    pub(super) p: &'a [u8],
    pub(super) q: &'a [u8],
    pub(super) lost: OneOfTwo,
    pub(super) target: &'a mut [u8],
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
