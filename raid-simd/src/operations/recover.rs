//! Recovery: one way for each choice of one or two lost blocks. With P and Q both lost it is
//! [`Kernels::gen_pq`], with one of them lost `gen_p` or `gen_q`.
//!
//! With P' and Q' summed over the survivors, ΔP = P + P' and ΔQ = Q + Q' are what the lost data
//! would have added: ΔP = Dx + Dy and ΔQ = 2^x · Dx + 2^y · Dy.

use super::{Onto, Operation};
use crate::blocks::{Exponent, Source, Target};
use crate::error::ShapeError;
use crate::fold::{Sums, deltas, fold_p, fold_pq};
use crate::gf256;
use crate::line::{Line, Step, Tile, Window, sweep};
use crate::scalar;
use crate::select::Kernels;
use crate::shape::{Order, blocks_have_length, order, slices_have_length};

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
        blocks_have_length(survivors, target.len())?;
        self.run(FromP { survivors, p, target });
        Ok(())
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
        blocks_have_length(survivors, target.len())?;
        let order = order(survivors, &[exponent])?;
        self.run(FromQ { survivors, order, q, lost: Lost::new(exponent), target });
        Ok(())
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
        blocks_have_length(survivors, target.len())?;
        let order = order(survivors, &[exponent, also_lost])?;
        let lost = OneOfTwo::new(exponent, also_lost)?;
        self.run(FromPq { survivors, order, p, q, lost, target });
        Ok(())
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
        blocks_have_length(survivors, second.bytes.len())?;
        let order = order(survivors, &[first.exponent, second.exponent])?;
        let lost = OneOfTwo::new(second.exponent, first.exponent)?;
        let (first, second) = (first.bytes, second.bytes);
        self.run(Two { survivors, order, p, q, lost, first, second });
        Ok(())
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
        blocks_have_length(survivors, data.len())?;
        let order = order(survivors, &[exponent])?;
        self.run(DataAndP { survivors, order, q, lost: Lost::new(exponent), data, p });
        Ok(())
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
        blocks_have_length(survivors, data.len())?;
        let order = order(survivors, &[exponent])?;
        self.run(DataAndQ { survivors, order, p, lost: Lost::new(exponent), data, q });
        Ok(())
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
struct Factors<V: Line> {
    p: V::Factor,
    q: V::Factor,
}

impl<V: Line> Factors<V> {
    #[inline(always)]
    fn new(proof: V::Proof, lost: OneOfTwo) -> Self {
        Self {
            p: V::factor(proof, gf256::product(lost.other, lost.inverse)),
            q: V::factor(proof, lost.inverse),
        }
    }

    #[inline(always)]
    fn wanted<const N: usize>(&self, delta: &Sums<V, N>) -> Tile<V, N> {
        delta.q.times(self.q).xor(&delta.p.times(self.p))
    }
}

struct FromP<'a> {
    survivors: &'a [Source<'a>],
    p: &'a [u8],
    target: &'a mut [u8],
}

impl Operation for FromP<'_> {
    type Answer = ();

    fn by_bytes(self) {
        scalar::recover_from_p(self.survivors, self.p, self.target);
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(mut self, proof: V::Proof) {
        sweep::<V, _, N>(proof, 0..self.p.len(), &mut self);
    }
}

impl<V: Line> Step<V> for FromP<'_> {
    #[inline(always)]
    fn step<W: Window<N>, const N: usize>(&mut self, proof: V::Proof, at: &W) {
        let sum: Tile<V, N> = fold_p(proof, self.survivors, at);
        at.store(self.target, &sum.xor(&at.load(proof, self.p)));
    }
}

struct FromQ<'a> {
    survivors: &'a [Source<'a>],
    order: Order,
    q: &'a [u8],
    lost: Lost,
    target: &'a mut [u8],
}

impl Operation for FromQ<'_> {
    type Answer = ();

    fn by_bytes(self) {
        scalar::recover_from_q(self.survivors, self.q, self.lost, self.target);
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(mut self, proof: V::Proof) {
        sweep::<V, _, N>(proof, 0..self.q.len(), &mut self);
    }
}

impl<V: Line> Step<V> for FromQ<'_> {
    #[inline(always)]
    fn step<W: Window<N>, const N: usize>(&mut self, proof: V::Proof, at: &W) {
        let sums: Sums<V, N> = fold_pq(proof, self.survivors, self.order, at);
        let delta = sums.q.xor(&at.load(proof, self.q));
        at.store(self.target, &delta.times(V::factor(proof, self.lost.inverse)));
    }
}

struct FromPq<'a> {
    survivors: &'a [Source<'a>],
    order: Order,
    p: &'a [u8],
    q: &'a [u8],
    lost: OneOfTwo,
    target: &'a mut [u8],
}

impl Operation for FromPq<'_> {
    type Answer = ();

    fn by_bytes(self) {
        scalar::recover_from_pq(self.survivors, self.p, self.q, self.lost, self.target);
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(mut self, proof: V::Proof) {
        sweep::<V, _, N>(proof, 0..self.p.len(), &mut self);
    }
}

impl<V: Line> Step<V> for FromPq<'_> {
    #[inline(always)]
    fn step<W: Window<N>, const N: usize>(&mut self, proof: V::Proof, at: &W) {
        let delta: Sums<V, N> = deltas(proof, self.survivors, self.order, (self.p, self.q), at);
        let factors = Factors::<V>::new(proof, self.lost);
        at.store(self.target, &factors.wanted(&delta));
    }
}

struct Two<'a> {
    survivors: &'a [Source<'a>],
    order: Order,
    p: &'a [u8],
    q: &'a [u8],
    lost: OneOfTwo,
    first: &'a mut [u8],
    second: &'a mut [u8],
}

impl Operation for Two<'_> {
    type Answer = ();

    fn by_bytes(self) {
        scalar::recover_from_pq(self.survivors, self.p, self.q, self.lost, self.second);
        // The second is known now: P lacks the first alone.
        scalar::recover_from_p(self.survivors, self.p, self.first);
        scalar::sum_p(&[&*self.second], Onto::Target, self.first);
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(mut self, proof: V::Proof) {
        sweep::<V, _, N>(proof, 0..self.p.len(), &mut self);
    }
}

impl<V: Line> Step<V> for Two<'_> {
    #[inline(always)]
    fn step<W: Window<N>, const N: usize>(&mut self, proof: V::Proof, at: &W) {
        let delta: Sums<V, N> = deltas(proof, self.survivors, self.order, (self.p, self.q), at);
        let second = Factors::<V>::new(proof, self.lost).wanted(&delta);
        at.store(self.second, &second);
        at.store(self.first, &delta.p.xor(&second));
    }
}

struct DataAndP<'a> {
    survivors: &'a [Source<'a>],
    order: Order,
    q: &'a [u8],
    lost: Lost,
    data: &'a mut [u8],
    p: &'a mut [u8],
}

impl Operation for DataAndP<'_> {
    type Answer = ();

    fn by_bytes(self) {
        scalar::recover_from_q(self.survivors, self.q, self.lost, self.data);
        scalar::recover_from_p(self.survivors, self.data, self.p);
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(mut self, proof: V::Proof) {
        sweep::<V, _, N>(proof, 0..self.q.len(), &mut self);
    }
}

impl<V: Line> Step<V> for DataAndP<'_> {
    #[inline(always)]
    fn step<W: Window<N>, const N: usize>(&mut self, proof: V::Proof, at: &W) {
        let sums: Sums<V, N> = fold_pq(proof, self.survivors, self.order, at);
        let delta = sums.q.xor(&at.load(proof, self.q));
        let data = delta.times(V::factor(proof, self.lost.inverse));
        at.store(self.data, &data);
        at.store(self.p, &sums.p.xor(&data));
    }
}

struct DataAndQ<'a> {
    survivors: &'a [Source<'a>],
    order: Order,
    p: &'a [u8],
    lost: Lost,
    data: &'a mut [u8],
    q: &'a mut [u8],
}

impl Operation for DataAndQ<'_> {
    type Answer = ();

    fn by_bytes(self) {
        scalar::recover_from_p(self.survivors, self.p, self.data);
        scalar::sum_q(self.survivors, Onto::Nothing, self.q);
        let data = Source { exponent: self.lost.exponent, bytes: self.data };
        scalar::sum_q(&[data], Onto::Target, self.q);
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(mut self, proof: V::Proof) {
        sweep::<V, _, N>(proof, 0..self.p.len(), &mut self);
    }
}

impl<V: Line> Step<V> for DataAndQ<'_> {
    #[inline(always)]
    fn step<W: Window<N>, const N: usize>(&mut self, proof: V::Proof, at: &W) {
        let sums: Sums<V, N> = fold_pq(proof, self.survivors, self.order, at);
        let data = sums.p.xor(&at.load(proof, self.p));
        at.store(self.data, &data);
        at.store(self.q, &sums.q.xor(&data.times(V::factor(proof, self.lost.weight))));
    }
}
