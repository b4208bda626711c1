//! Recovery: one way for each choice of one or two lost blocks. With P and Q both lost it is
//! [`Kernels::gen_pq`], with one of them lost `gen_p` or `gen_q`.
//!
//! With P' and Q' summed over the survivors, ΔP = P + P' and ΔQ = Q + Q' are what the lost data
//! would have added: ΔP = Dx + Dy and ΔQ = 2^x · Dx + 2^y · Dy.

mod one;
mod two;

use self::one::{FromP, FromPq, FromQ};
use self::two::{DataAndP, DataAndQ, Two};
use super::sum::Further;
use crate::blocks::{Exponent, Source, Target};
use crate::error::ShapeError;
use crate::gather::MOST_BLOCKS;
use crate::gf256;
use crate::rows::{AnyCount, UsualCount};
use crate::select::Kernels;
use crate::shape::{Usual, blocks_have_length, order, slices_have_length};
use crate::vector::{Tile, Vector};

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
