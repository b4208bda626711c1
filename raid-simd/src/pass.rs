//! One pass over all blocks of a call: sums, and what becomes of them, window by window.

use core::marker::PhantomData;

use crate::arch::lanes::{Extent, Stretch};
use crate::blocks::{Block, Ranked};
use crate::fold::{Dense, Gapped, Plain, Rule, Sums, Term, Weighted};
use crate::gather::{List, Taker, gather};
use crate::gf256;
use crate::placement::{Path, Placement};
use crate::shape::{Order, Sequence};
use crate::vector::{Gaps, Mode, Vector, Window, Work};
use crate::verdict::UNIT_BYTES;

/// What becomes of the sums of a window.
pub(crate) trait End<'c, V: Vector> {
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    );
}

/// What is seen in the sums of a unit.
pub(crate) trait Look<'c, V: Vector> {
    /// So far.
    type Seen: Copy;
    /// What can be wrong with a unit.
    type Finding;

    fn nothing(proof: V::Proof) -> Self::Seen;

    fn look<W: Window<'c, N>, const N: usize>(
        &self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
        seen: &mut Self::Seen,
    );

    fn finding(&self, seen: Self::Seen) -> Option<Self::Finding>;
}

/// Sums, for one end.
struct Pass<'c, 'l, R, L, T, E> {
    extent: Extent<'c>,
    /// By reference: who copies an array that was just filled waits for its stores.
    list: &'l L,
    end: E,
    rule: PhantomData<(R, T)>,
}

impl<'c, V, R, L, T, E> Work<V> for Pass<'c, '_, R, L, T, E>
where
    V: Vector,
    R: Rule<'c, V, T>,
    L: List<T>,
    E: End<'c, V>,
{
    type Answer = ();

    #[inline(always)]
    fn run<M: Mode, const N: usize>(mut self, proof: V::Proof) {
        // Here, so that stores to the targets cannot be taken for stores to it.
        let list = *self.list;
        let mut rest = self.extent.all();
        while let Some(at) = rest.take::<V, N>() {
            let sums = R::sums(proof, list.items(), &at);
            self.end.take::<M, _, N>(proof, &at, sums);
        }
        while let Some(at) = rest.take::<V, 1>() {
            let sums = R::sums(proof, list.items(), &at);
            self.end.take::<M, _, 1>(proof, &at, sums);
        }
        if let Some(at) = rest.take_rest() {
            let sums = R::sums(proof, list.items(), &at);
            self.end.take::<M, _, 1>(proof, &at, sums);
        }
        M::finish::<V>(proof);
    }
}

/// Sums, looked at unit by unit.
struct ByUnit<'c, 'v, R, L, T, K, F> {
    extent: Extent<'c>,
    list: &'v L,
    look: K,
    visit: &'v mut dyn FnMut(usize, F),
    rule: PhantomData<(R, T)>,
}

impl<'c, V, R, L, T, K> Work<V> for ByUnit<'c, '_, R, L, T, K, K::Finding>
where
    V: Vector,
    R: Rule<'c, V, T>,
    L: List<T>,
    K: Look<'c, V>,
{
    type Answer = usize;

    #[inline(always)]
    fn run<M: Mode, const N: usize>(self, proof: V::Proof) -> usize {
        let (mut rest, mut unit, mut found) = (self.extent.all(), 0_usize, 0_usize);
        while let Some(stretch) = rest.split(UNIT_BYTES) {
            let seen = self.see::<V, N>(proof, stretch);
            if let Some(finding) = self.look.finding(seen) {
                (self.visit)(unit, finding);
                found = found.saturating_add(1);
            }
            unit = unit.saturating_add(1);
        }
        found
    }
}

impl<'c, R, L, T, K, F> ByUnit<'c, '_, R, L, T, K, F> {
    #[inline(always)]
    fn see<V, const N: usize>(&self, proof: V::Proof, mut unit: Stretch<'c>) -> K::Seen
    where
        V: Vector,
        R: Rule<'c, V, T>,
        L: List<T>,
        K: Look<'c, V>,
    {
        let mut seen = K::nothing(proof);
        while let Some(at) = unit.take::<V, N>() {
            let sums = R::sums(proof, self.list.items(), &at);
            self.look.look::<_, N>(proof, &at, sums, &mut seen);
        }
        while let Some(at) = unit.take::<V, 1>() {
            let sums = R::sums(proof, self.list.items(), &at);
            self.look.look::<_, 1>(proof, &at, sums, &mut seen);
        }
        if let Some(at) = unit.take_rest() {
            let sums = R::sums(proof, self.list.items(), &at);
            self.look.look::<_, 1>(proof, &at, sums, &mut seen);
        }
        seen
    }
}

/// Makes a [`Pass`] of a list and runs it.
struct Summing<'c, V: Vector, R, E> {
    proof: V::Proof,
    extent: Extent<'c>,
    path: Path,
    end: E,
    rule: PhantomData<R>,
}

impl<'c, V: Vector, R, E: End<'c, V>> Summing<'c, V, R, E> {
    /// Sums what `make` makes of the blocks, with a loop for each usual count.
    #[inline(always)]
    fn each<B, T: Copy>(self, blocks: &[B], turn: usize, make: impl Fn(&B) -> Option<T>)
    where
        R: Rule<'c, V, T>,
    {
        match self.path {
            Path::Nearest | Path::Cached => V::gather(blocks, turn, make, self),
            Path::Streaming => gather(blocks, turn, make, SummingPastCache { summing: self }),
        };
    }

    /// Sums what `make` makes of the blocks, with one loop for all counts.
    #[inline(always)]
    fn all<B, T: Copy>(self, blocks: &[B], turn: usize, make: impl Fn(&B) -> Option<T>)
    where
        R: Rule<'c, V, T>,
    {
        match self.path {
            Path::Nearest | Path::Cached => gather(blocks, turn, make, self),
            Path::Streaming => gather(blocks, turn, make, SummingPastCache { summing: self }),
        };
    }
}

impl<'c, V, R, E, T> Taker<T> for Summing<'c, V, R, E>
where
    V: Vector,
    R: Rule<'c, V, T>,
    E: End<'c, V>,
{
    type Answer = ();

    #[inline(always)]
    fn few<L: List<T>>(self, list: &L) {
        let Self { proof, extent, path, end, .. } = self;
        let pass: Pass<'c, '_, R, L, T, E> = Pass { extent, list, end, rule: PhantomData };
        match path {
            Path::Nearest => V::enter_tile(proof, pass),
            Path::Cached | Path::Streaming => V::enter_few(proof, pass),
        }
    }

    #[inline(always)]
    fn many<L: List<T>>(self, list: &L) {
        let Self { proof, extent, path, end, .. } = self;
        let pass: Pass<'c, '_, R, L, T, E> = Pass { extent, list, end, rule: PhantomData };
        match path {
            Path::Nearest => V::enter_tile(proof, pass),
            Path::Cached | Path::Streaming => V::enter_wide(proof, pass),
        }
    }
}

/// As [`Summing`], past the cache. The memory is slower than any loop: one does for all counts.
struct SummingPastCache<'c, V: Vector, R, E> {
    summing: Summing<'c, V, R, E>,
}

impl<'c, V, R, E, T> Taker<T> for SummingPastCache<'c, V, R, E>
where
    V: Vector,
    R: Rule<'c, V, T>,
    E: End<'c, V>,
{
    type Answer = ();

    #[inline(always)]
    fn few<L: List<T>>(self, list: &L) {
        self.many(list);
    }

    #[inline(always)]
    fn many<L: List<T>>(self, list: &L) {
        let Summing { proof, extent, end, .. } = self.summing;
        let pass: Pass<'c, '_, R, L, T, E> = Pass { extent, list, end, rule: PhantomData };
        V::enter_stream(proof, pass);
    }
}

/// Makes a [`ByUnit`] of a list and runs it.
struct Looking<'c, 'v, V: Vector, R, K, F> {
    proof: V::Proof,
    extent: Extent<'c>,
    look: K,
    visit: &'v mut dyn FnMut(usize, F),
    rule: PhantomData<R>,
}

impl<'c, 'v, V, R, K, T> Taker<T> for Looking<'c, 'v, V, R, K, K::Finding>
where
    V: Vector,
    R: Rule<'c, V, T>,
    K: Look<'c, V>,
{
    type Answer = usize;

    #[inline(always)]
    fn few<L: List<T>>(self, list: &L) -> usize {
        let Self { proof, extent, look, visit, .. } = self;
        let rule = PhantomData::<(R, T)>;
        V::enter_tile(proof, ByUnit { extent, list, look, visit, rule })
    }

    #[inline(always)]
    fn many<L: List<T>>(self, list: &L) -> usize {
        let Self { proof, extent, look, visit, .. } = self;
        let rule = PhantomData::<(R, T)>;
        V::enter_wide(proof, ByUnit { extent, list, look, visit, rule })
    }
}

/// One call: on what it runs, and over what.
pub(crate) struct Call<'c, V: Vector> {
    pub(crate) proof: V::Proof,
    pub(crate) extent: Extent<'c>,
}

impl<'c, V: Vector> Call<'c, V> {
    /// Sums for P alone, with a loop for each usual count.
    #[inline(always)]
    pub(crate) fn plain<B: Block, E: End<'c, V>>(self, blocks: &[B], placement: Placement, end: E) {
        let extent = self.extent;
        let make = |block: &B| block.lane(extent);
        self.summing::<Plain, E>(blocks.len(), placement, end).each(blocks, 0, make);
    }

    /// Sums for P alone, most often of one block.
    #[inline(always)]
    pub(crate) fn add_plain<B: Block, E: End<'c, V>>(self, blocks: &[B], end: E) {
        let extent = self.extent;
        let taker = self.summing::<Plain, E>(blocks.len(), Placement::Cached, end);
        if let [block] = blocks {
            if let Some(lane) = block.lane(extent) {
                taker.few(&[lane]);
            }
            return;
        }
        gather(blocks, 0, |block| block.lane(extent), taker);
    }

    /// Sums for P and Q, most often of one block.
    #[inline(always)]
    pub(crate) fn add_ranked<B: Ranked, E: End<'c, V>>(self, blocks: &[B], order: Order, end: E) {
        let extent = self.extent;
        if let [block] = blocks {
            let taker = self.summing::<Weighted, E>(1, Placement::Cached, end);
            if let Some(term) = factor_term::<V, B>(block, extent) {
                taker.few(&[term]);
            }
            return;
        }
        self.ranked(blocks, order, Placement::Cached, end);
    }

    /// Sums for P and Q, with a loop for each usual count of blocks in the usual order.
    #[inline(always)]
    pub(crate) fn generate<B: Ranked, E: End<'c, V>>(
        self,
        blocks: &[B],
        order: Order,
        placement: Placement,
        end: E,
    ) {
        let extent = self.extent;
        match order.sequence {
            Sequence::Dense => {
                let make = |block: &B| block.lane(extent);
                let summing = self.summing::<Dense, E>(blocks.len(), placement, end);
                summing.each(blocks, order.turn, make);
            }
            Sequence::Gapped | Sequence::Scattered => self.ranked(blocks, order, placement, end),
        }
    }

    /// Sums for P and Q, with a loop for each usual count of blocks among which some are missing.
    #[inline(always)]
    pub(crate) fn recover<B: Ranked, E: End<'c, V>>(
        self,
        blocks: &[B],
        order: Order,
        placement: Placement,
        end: E,
    ) {
        let extent = self.extent;
        match V::GAPS {
            Gaps::Weighted => {
                let make = |block: &B| factor_term::<V, B>(block, extent);
                self.summing::<Weighted, E>(blocks.len(), placement, end).each(blocks, 0, make);
            }
            Gaps::Doubled => self.ranked(blocks, order, placement, end),
        }
    }

    /// Sums for P and Q.
    pub(crate) fn ranked<B: Ranked, E: End<'c, V>>(
        self,
        blocks: &[B],
        Order { turn, sequence }: Order,
        placement: Placement,
        end: E,
    ) {
        let (count, extent) = (blocks.len(), self.extent);
        match (sequence, V::GAPS) {
            (Sequence::Dense | Sequence::Gapped, Gaps::Doubled) => {
                let make = |block: &B| exponent_term(block, extent);
                self.summing::<Gapped, E>(count, placement, end).all(blocks, turn, make);
            }
            (Sequence::Dense | Sequence::Gapped, Gaps::Weighted)
            | (Sequence::Scattered, Gaps::Doubled | Gaps::Weighted) => {
                let make = |block: &B| factor_term::<V, B>(block, extent);
                self.summing::<Weighted, E>(count, placement, end).all(blocks, turn, make);
            }
        }
    }

    /// Looks at items that a rule brings together, unit by unit. How many units were told of.
    pub(crate) fn look<R, B, K>(
        self,
        blocks: &[B],
        look: K,
        visit: &mut dyn FnMut(usize, K::Finding),
    ) -> usize
    where
        R: Rule<'c, V, B::Lane<'c>>,
        B: Block,
        K: Look<'c, V>,
    {
        let extent = self.extent;
        let taker = self.looking::<R, K>(look, visit);
        gather(blocks, 0, |block| block.lane(extent), taker).unwrap_or(0)
    }

    /// Looks at the sums for P and Q, unit by unit, with a loop for each usual count of blocks in
    /// the usual order. How many units were told of.
    pub(crate) fn look_ranked<B: Ranked, K: Look<'c, V>>(
        self,
        blocks: &[B],
        Order { turn, sequence }: Order,
        look: K,
        visit: &mut dyn FnMut(usize, K::Finding),
    ) -> usize {
        let extent = self.extent;
        match (sequence, V::GAPS) {
            (Sequence::Dense, Gaps::Doubled | Gaps::Weighted) => {
                let taker = self.looking::<Dense, K>(look, visit);
                V::gather(blocks, turn, |block| block.lane(extent), taker)
            }
            (Sequence::Gapped, Gaps::Doubled) => {
                let taker = self.looking::<Gapped, K>(look, visit);
                gather(blocks, turn, |block| exponent_term(block, extent), taker)
            }
            (Sequence::Gapped, Gaps::Weighted)
            | (Sequence::Scattered, Gaps::Doubled | Gaps::Weighted) => {
                let taker = self.looking::<Weighted, K>(look, visit);
                gather(blocks, turn, |block| factor_term::<V, B>(block, extent), taker)
            }
        }
        .unwrap_or(0)
    }

    #[inline(always)]
    fn summing<R, E>(self, count: usize, placement: Placement, end: E) -> Summing<'c, V, R, E> {
        let Self { proof, extent } = self;
        let path = placement.path(count, extent.length());
        Summing { proof, extent, path, end, rule: PhantomData }
    }

    #[inline(always)]
    fn looking<R, K: Look<'c, V>>(
        self,
        look: K,
        visit: &mut dyn FnMut(usize, K::Finding),
    ) -> Looking<'c, '_, V, R, K, K::Finding> {
        let Self { proof, extent } = self;
        Looking { proof, extent, look, visit, rule: PhantomData }
    }
}

#[inline(always)]
fn exponent_term<'c, B: Ranked>(block: &B, extent: Extent<'c>) -> Option<Term<B::Lane<'c>, u8>> {
    Some(Term { block: block.lane(extent)?, weight: block.exponent().get() })
}

#[inline(always)]
fn factor_term<'c, V: Vector, B: Ranked>(
    block: &B,
    extent: Extent<'c>,
) -> Option<Term<B::Lane<'c>, V::Factor>> {
    let weight = V::factor(gf256::power(block.exponent()));
    Some(Term { block: block.lane(extent)?, weight })
}
