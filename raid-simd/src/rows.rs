//! Which loop runs for the rows of a call: what their exponents are decides it.

use core::marker::PhantomData;

use crate::arch::lanes::Extent;
use crate::blocks::{Block, Ranked};
use crate::fold::{Dense, Gapped, Parted, Plain, Rule, Weighted};
use crate::gather::{MOST_COUNTED, gather, gather_one};
use crate::groups::{SummingByGroup, SummingInTargets};
use crate::makings::{
    Lanes, LanesOf, PartsInPlace, PlainInPlace, RowInPlace, TermsOf, exponent_term, factor_term,
};
use crate::pass::{End, Resume, Summing};
use crate::placement::{Path, Placement};
use crate::shape::{Order, Sequence, Usual};
use crate::units::{Look, Looking, LookingByGroup};
use crate::vector::{Counts, Gaps, Vector};

// What a backend has no use for is asked for in `const` blocks: then it is not even compiled.

/// One call: on what it runs, and over what.
pub(crate) struct Call<'c, V: Vector> {
    pub(crate) proof: V::Proof,
    pub(crate) extent: Extent<'c>,
    pub(crate) placement: Placement,
}

/// What is known of the exponents of a row. Its operations answer `None` if that is not so, or if
/// there is no loop for it; they have done nothing then.
pub(crate) trait Arrangement: Copy {
    /// Sums for P and Q, with a loop for each usual count.
    fn generate<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Ranked,
        E: Resume<'c, V>;

    /// The same for blocks among which some are missing.
    fn recover<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Ranked,
        E: End<'c, V>;

    /// Sums for P and Q to be added to what was there, most often of one block.
    fn add<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Ranked,
        E: End<'c, V>;

    /// Looks at the sums for P and Q, unit by unit, with a loop for each usual count. How many
    /// units were told of.
    fn look<'c, V, B, K>(
        self,
        call: Call<'c, V>,
        blocks: &[B],
        look: K,
        visit: &mut dyn FnMut(usize, K::Finding),
    ) -> Option<usize>
    where
        V: Vector,
        B: Ranked,
        K: Look<'c, V>;
}

/// Loops for P alone: exponents play no part.
pub(crate) trait PlainLoops: Copy {
    /// Sums for P.
    fn plain<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Block,
        E: End<'c, V>;

    /// Sums for P to be added to what was there, most often of one block.
    fn add_plain<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Block,
        E: End<'c, V>;
}

/// One for each usual count.
#[derive(Clone, Copy)]
pub(crate) struct UsualCount;

/// One for all counts.
#[derive(Clone, Copy)]
pub(crate) struct AnyCount;

impl PlainLoops for UsualCount {
    #[inline(always)]
    fn plain<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Block,
        E: End<'c, V>,
    {
        let extent = call.extent;
        let make = Lanes { extent };
        let summing = call.summing::<Plain, E>(blocks.len(), end);
        if const { in_place::<V>() } && blocks.len() > MOST_COUNTED {
            return summing.in_place(PlainInPlace { blocks, extent });
        }
        V::gather_counted(blocks, make, summing)
    }

    #[inline(always)]
    fn add_plain<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Block,
        E: End<'c, V>,
    {
        let [block] = blocks else { return None };
        let extent = call.extent;
        gather_one(block, Lanes { extent }, call.adding::<Plain, E>(1, end))
    }
}

impl PlainLoops for AnyCount {
    #[inline]
    fn plain<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Block,
        E: End<'c, V>,
    {
        let extent = call.extent;
        let summing = call.summing::<Plain, E>(blocks.len(), end);
        gather(blocks, 0, |block| block.lane(extent), SummingByGroup(summing))
    }

    #[inline]
    fn add_plain<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Block,
        E: End<'c, V>,
    {
        let extent = call.extent;
        let adding = call.adding::<Plain, E>(blocks.len(), end);
        gather(blocks, 0, |block| block.lane(extent), adding)
    }
}

impl<const LOST: usize> Arrangement for Usual<LOST> {
    #[inline(always)]
    fn generate<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Ranked,
        E: Resume<'c, V>,
    {
        let extent = call.extent;
        let make = LanesOf { row: self, extent };
        let summing = call.summing::<Dense, E>(blocks.len(), end);
        if const { V::GROUPS_FROM != usize::MAX } && in_targets::<V>(blocks.len(), summing.path) {
            return None;
        }
        if const { in_place::<V>() } && blocks.len() > MOST_COUNTED {
            return summing.in_place(RowInPlace { blocks, row: self, extent });
        }
        V::gather_counted(blocks, make, summing)
    }

    #[inline(always)]
    fn recover<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Ranked,
        E: End<'c, V>,
    {
        let (extent, count) = (call.extent, blocks.len());
        let dear = const { matches!(V::GAPS, Gaps::Doubled) };
        if const { in_place::<V>() } && (dear || count > MOST_COUNTED) {
            let summing = call.summing::<Parted, E>(count, end);
            return summing.in_place(PartsInPlace { blocks, row: self, extent });
        }
        if dear {
            return None;
        }
        let make = TermsOf { row: self, extent, backend: PhantomData::<V> };
        V::gather_counted(blocks, make, call.summing::<Weighted, E>(blocks.len(), end))
    }

    #[inline(always)]
    fn add<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Ranked,
        E: End<'c, V>,
    {
        // A single one, whatever its exponent.
        let [block] = blocks else { return None };
        let extent = call.extent;
        let make = TermsOf { row: Usual::<1>::KNOWN, extent, backend: PhantomData::<V> };
        gather_one(block, make, call.adding::<Weighted, E>(1, end))
    }

    #[inline(always)]
    fn look<'c, V, B, K>(
        self,
        call: Call<'c, V>,
        blocks: &[B],
        look: K,
        visit: &mut dyn FnMut(usize, K::Finding),
    ) -> Option<usize>
    where
        V: Vector,
        B: Ranked,
        K: Look<'c, V>,
    {
        let extent = call.extent;
        let make = LanesOf { row: self, extent };
        V::gather_counted(blocks, make, call.looking::<Dense, K>(blocks.len(), look, visit))
    }
}

impl<const LOST: usize> Arrangement for Order<LOST> {
    #[inline]
    fn generate<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Ranked,
        E: Resume<'c, V>,
    {
        match self.sequence {
            Sequence::Dense => {
                let extent = call.extent;
                let summing = call.summing::<Dense, E>(blocks.len(), end);
                if const { V::GROUPS_FROM != usize::MAX }
                    && in_targets::<V>(blocks.len(), summing.path)
                {
                    let make = |block: &B| block.lane(extent);
                    return gather(blocks, self.turn, make, SummingInTargets(summing));
                }
                gather(blocks, self.turn, |block| block.lane(extent), SummingByGroup(summing))
            }
            Sequence::Gapped | Sequence::Scattered => call.ranked(blocks, self, end),
        }
    }

    #[inline]
    fn recover<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Ranked,
        E: End<'c, V>,
    {
        if const { matches!(V::GAPS, Gaps::Doubled) } {
            return call.ranked(blocks, self, end);
        }
        if const { matches!(V::COUNTS, Counts::Each) } && (1..=MOST_COUNTED).contains(&blocks.len())
        {
            return Usual::<LOST>::KNOWN.recover(call, blocks, end);
        }
        let extent = call.extent;
        let make = |block: &B| factor_term::<V, B>(block, extent);
        gather(blocks, 0, make, SummingByGroup(call.summing::<Weighted, E>(blocks.len(), end)))
    }

    #[inline]
    fn add<'c, V, B, E>(self, call: Call<'c, V>, blocks: &[B], end: E) -> Option<()>
    where
        V: Vector,
        B: Ranked,
        E: End<'c, V>,
    {
        // The targets are read too: nothing is saved by stores past the cache.
        Call { placement: Placement::Cached, ..call }.ranked(blocks, self, end)
    }

    #[inline]
    fn look<'c, V, B, K>(
        self,
        call: Call<'c, V>,
        blocks: &[B],
        look: K,
        visit: &mut dyn FnMut(usize, K::Finding),
    ) -> Option<usize>
    where
        V: Vector,
        B: Ranked,
        K: Look<'c, V>,
    {
        let (extent, count) = (call.extent, blocks.len());
        match self.sequence {
            Sequence::Dense => {
                let looking = call.looking::<Dense, K>(count, look, visit);
                let make = |block: &B| block.lane(extent);
                return gather(blocks, self.turn, make, LookingByGroup(looking));
            }
            Sequence::Gapped if const { matches!(V::GAPS, Gaps::Doubled) } => {
                let taker = call.looking::<Gapped, K>(count, look, visit);
                return gather(blocks, self.turn, |block| exponent_term(block, extent), taker);
            }
            Sequence::Gapped | Sequence::Scattered => {}
        }
        let taker = call.looking::<Weighted, K>(count, look, visit);
        gather(blocks, self.turn, |block| factor_term::<V, B>(block, extent), taker)
    }
}

impl<'c, V: Vector> Call<'c, V> {
    /// Sums for P and Q, with one loop for all counts.
    #[inline]
    pub(crate) fn ranked<B: Ranked, E: End<'c, V>, const LOST: usize>(
        self,
        blocks: &[B],
        Order { turn, sequence }: Order<LOST>,
        end: E,
    ) -> Option<()> {
        let (count, extent) = (blocks.len(), self.extent);
        if const { matches!(V::GAPS, Gaps::Doubled) } {
            match sequence {
                Sequence::Dense | Sequence::Gapped => {
                    let make = |block: &B| exponent_term(block, extent);
                    return gather(blocks, turn, make, self.summing::<Gapped, E>(count, end));
                }
                Sequence::Scattered => {}
            }
        }
        let make = |block: &B| factor_term::<V, B>(block, extent);
        gather(blocks, turn, make, self.summing::<Weighted, E>(count, end))
    }

    /// Looks at items that a rule brings together, unit by unit. How many units were told of.
    #[inline]
    pub(crate) fn look<R, B, K>(
        self,
        blocks: &[B],
        look: K,
        visit: &mut dyn FnMut(usize, K::Finding),
    ) -> Option<usize>
    where
        R: Rule<'c, V, B::Lane<'c>>,
        B: Block,
        K: Look<'c, V>,
    {
        let extent = self.extent;
        let taker = self.looking::<R, K>(blocks.len(), look, visit);
        gather(blocks, 0, |block| block.lane(extent), taker)
    }

    #[inline(always)]
    fn summing<R, E>(self, count: usize, end: E) -> Summing<'c, V, R, E> {
        let Self { proof, extent, placement } = self;
        let path = placement.path(count, extent.length());
        Summing { proof, extent, path, end, rule: PhantomData }
    }

    /// The targets are read too: nothing is saved by stores past the cache.
    #[inline(always)]
    fn adding<R, E>(self, count: usize, end: E) -> Summing<'c, V, R, E> {
        Self { placement: Placement::Cached, ..self }.summing(count, end)
    }

    #[inline(always)]
    fn looking<R, K: Look<'c, V>>(
        self,
        count: usize,
        look: K,
        visit: &mut dyn FnMut(usize, K::Finding),
    ) -> Looking<'c, '_, V, R, K, K::Finding> {
        let Self { proof, extent, placement } = self;
        let path = placement.path(count, extent.length());
        Looking { proof, extent, path, look, visit, rule: PhantomData }
    }
}

/// Whether sums are to go group after group: see [`Vector::GROUPS_FROM`].
#[inline(always)]
fn in_targets<V: Vector>(count: usize, path: Path) -> bool {
    match path {
        Path::Cached => count >= V::GROUPS_FROM,
        Path::Nearest | Path::Streaming => false,
    }
}

/// Whether a backend sums many blocks where they lie: one loop for all counts is as fast as one for
/// each, if it need not bring their addresses together first.
const fn in_place<V: Vector>() -> bool {
    matches!(V::COUNTS, Counts::Each)
}
