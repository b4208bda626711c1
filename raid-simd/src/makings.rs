//! What the lists of the loops are made from: the blocks of a row, and what becomes of each.

use core::marker::PhantomData;

use crate::arch::lanes::{AllInPlace, Extent, InPlace};
use crate::blocks::{Block, Ranked};
use crate::fold::Term;
use crate::gather::{Make, Makings};
use crate::gf256;
use crate::shape::{PARTS, Usual};
use crate::vector::Vector;

/// Blocks in any order.
pub(crate) struct PlainInPlace<'c, 'b, B> {
    pub(crate) blocks: &'b [B],
    pub(crate) extent: Extent<'c>,
}

/// The blocks of a row of which none is lost.
pub(crate) struct RowInPlace<'c, 'b, B, const LOST: usize> {
    pub(crate) blocks: &'b [B],
    pub(crate) row: Usual<LOST>,
    pub(crate) extent: Extent<'c>,
}

/// The blocks of a row of which some are lost.
pub(crate) struct PartsInPlace<'c, 'b, B, const LOST: usize> {
    pub(crate) blocks: &'b [B],
    pub(crate) row: Usual<LOST>,
    pub(crate) extent: Extent<'c>,
}

impl<'c, 'b, B: Block> Makings<InPlace<'c, B>> for PlainInPlace<'c, 'b, B> {
    type List = AllInPlace<'c, 'b, B>;

    #[inline(always)]
    fn list(self) -> Option<Self::List> {
        self.extent.in_place(self.blocks)
    }
}

impl<'c, 'b, B: Ranked, const LOST: usize> Makings<InPlace<'c, B>> for RowInPlace<'c, 'b, B, LOST> {
    type List = AllInPlace<'c, 'b, B>;

    #[inline(always)]
    fn list(self) -> Option<Self::List> {
        let [all, [], []] = self.row.parts(self.blocks)? else { return None };
        self.extent.in_place(all)
    }
}

impl<'c, 'b, B: Ranked, const LOST: usize> Makings<AllInPlace<'c, 'b, B>>
    for PartsInPlace<'c, 'b, B, LOST>
{
    type List = [AllInPlace<'c, 'b, B>; PARTS];

    #[inline(always)]
    fn list(self) -> Option<Self::List> {
        let Self { blocks, row, extent } = self;
        let [low, middle, high] = row.parts(blocks)?;
        Some([extent.in_place(low)?, extent.in_place(middle)?, extent.in_place(high)?])
    }
}

/// Makes lanes of blocks in any order.
#[derive(Clone, Copy)]
pub(crate) struct Lanes<'c> {
    pub(crate) extent: Extent<'c>,
}

/// Makes lanes of the blocks of a row.
#[derive(Clone, Copy)]
pub(crate) struct LanesOf<'c, const LOST: usize> {
    pub(crate) row: Usual<LOST>,
    pub(crate) extent: Extent<'c>,
}

/// Makes lanes and factors of the blocks of a row.
pub(crate) struct TermsOf<'c, V, const LOST: usize> {
    pub(crate) row: Usual<LOST>,
    pub(crate) extent: Extent<'c>,
    pub(crate) backend: PhantomData<V>,
}

impl<V, const LOST: usize> Clone for TermsOf<'_, V, LOST> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V, const LOST: usize> Copy for TermsOf<'_, V, LOST> {}

impl<'c, B: Block> Make<B, B::Lane<'c>> for Lanes<'c> {
    #[inline(always)]
    fn item(&self, _place: usize, block: &B) -> Option<B::Lane<'c>> {
        block.lane(self.extent)
    }

    #[inline(always)]
    fn turn(&self, _first: &B, _count: usize) -> Option<usize> {
        None
    }
}

impl<'c, B: Ranked, const LOST: usize> Make<B, B::Lane<'c>> for LanesOf<'c, LOST> {
    #[inline(always)]
    fn item(&self, place: usize, block: &B) -> Option<B::Lane<'c>> {
        if self.row.has(place, block) { block.lane(self.extent) } else { None }
    }

    #[inline(always)]
    fn turn(&self, first: &B, count: usize) -> Option<usize> {
        self.row.turn(first, count)
    }
}

impl<'c, V: Vector, B: Ranked, const LOST: usize> Make<B, Term<B::Lane<'c>, V::Factor>>
    for TermsOf<'c, V, LOST>
{
    #[inline(always)]
    fn item(&self, place: usize, block: &B) -> Option<Term<B::Lane<'c>, V::Factor>> {
        if self.row.has(place, block) { factor_term::<V, B>(block, self.extent) } else { None }
    }

    #[inline(always)]
    fn turn(&self, first: &B, count: usize) -> Option<usize> {
        self.row.turn(first, count)
    }
}

#[inline(always)]
pub(crate) fn exponent_term<'c, B: Ranked>(
    block: &B,
    extent: Extent<'c>,
) -> Option<Term<B::Lane<'c>, u8>> {
    Some(Term { block: block.lane(extent)?, weight: block.exponent().get() })
}

#[inline(always)]
pub(crate) fn factor_term<'c, V: Vector, B: Ranked>(
    block: &B,
    extent: Extent<'c>,
) -> Option<Term<B::Lane<'c>, V::Factor>> {
    let weight = V::factor(gf256::power(block.exponent()));
    Some(Term { block: block.lane(extent)?, weight })
}
