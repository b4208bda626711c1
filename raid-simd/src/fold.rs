//! The inner loops of the crate: what all blocks in a window add up to.
//!
//! Q by Horner's rule, from the highest exponent down and two blocks a step:
//! `q = 4 · q + 2 · high + low`. Where the exponents do not allow it, by a product for each block.

use crate::arch::lanes::{AllInPlace, Lane, Slices};
use crate::vector::{Tile, Vector, Window};

/// What the blocks in a window add up to.
#[derive(Clone, Copy)]
pub(crate) struct Sums<V, const N: usize> {
    pub(crate) p: Tile<V, N>,
    pub(crate) q: Tile<V, N>,
}

impl<V: Vector, const N: usize> Sums<V, N> {
    /// What no blocks add up to.
    #[inline(always)]
    pub(crate) fn nothing(proof: V::Proof) -> Self {
        Self { p: Tile::zero(proof), q: Tile::zero(proof) }
    }
}

/// A summand: one column of it at a time.
pub(crate) trait Block<'c>: Copy {
    fn column<V: Vector, W: Window<'c, N>, const N: usize>(
        self,
        proof: V::Proof,
        at: &W,
        column: usize,
    ) -> V;
}

impl<'c> Block<'c> for Lane<'c, '_> {
    #[inline(always)]
    fn column<V: Vector, W: Window<'c, N>, const N: usize>(
        self,
        proof: V::Proof,
        at: &W,
        column: usize,
    ) -> V {
        at.load(proof, self, column)
    }
}

/// The difference between two lanes.
#[derive(Clone, Copy)]
pub(crate) struct Delta<'c, 'a> {
    pub(crate) old: Lane<'c, 'a>,
    pub(crate) new: Lane<'c, 'a>,
}

impl<'c> Block<'c> for Delta<'c, '_> {
    #[inline(always)]
    fn column<V: Vector, W: Window<'c, N>, const N: usize>(
        self,
        proof: V::Proof,
        at: &W,
        column: usize,
    ) -> V {
        let (old, new): (V, V) =
            (at.load(proof, self.old, column), at.load(proof, self.new, column));
        old.xor(new)
    }
}

/// A block and what its exponent makes of it.
#[derive(Clone, Copy)]
pub(crate) struct Term<B, F> {
    pub(crate) block: B,
    pub(crate) weight: F,
}

/// How items are summed.
pub(crate) trait Rule<'c, V: Vector, T> {
    fn sums<W: Window<'c, N>, const N: usize>(proof: V::Proof, items: &[T], at: &W) -> Sums<V, N>;
}

/// A rule by which items may be summed group after group, the last group of a list first.
pub(crate) trait Grouping<'c, V: Vector, T>: Rule<'c, V, T> {
    /// The sums with one more group.
    fn more<W: Window<'c, N>, const N: usize>(
        proof: V::Proof,
        sums: Sums<V, N>,
        items: &[T],
        at: &W,
    ) -> Sums<V, N>;
}

/// P alone; Q stays zero.
pub(crate) struct Plain;

impl<'c, V: Vector, B: Block<'c>> Rule<'c, V, B> for Plain {
    #[inline(always)]
    fn sums<W: Window<'c, N>, const N: usize>(proof: V::Proof, items: &[B], at: &W) -> Sums<V, N> {
        Self::more(proof, Sums::nothing(proof), items, at)
    }
}

impl<'c, V: Vector, B: Block<'c>> Grouping<'c, V, B> for Plain {
    #[inline(always)]
    fn more<W: Window<'c, N>, const N: usize>(
        proof: V::Proof,
        Sums { mut p, q }: Sums<V, N>,
        items: &[B],
        at: &W,
    ) -> Sums<V, N> {
        let (pairs, odd) = items.as_chunks::<2>();
        if let [block] = odd {
            for (column, p) in p.0.iter_mut().enumerate() {
                *p = p.xor(block.column(proof, at, column));
            }
        }
        for [first, second] in pairs {
            for (column, p) in p.0.iter_mut().enumerate() {
                *p = p.xor3(first.column(proof, at, column), second.column(proof, at, column));
            }
        }
        Sums { p, q }
    }
}

/// Not a sum: in `p`, all bits in which some copy differs from the first.
pub(crate) struct Copies;

impl<'c, V: Vector, B: Block<'c>> Rule<'c, V, B> for Copies {
    #[inline(always)]
    fn sums<W: Window<'c, N>, const N: usize>(proof: V::Proof, items: &[B], at: &W) -> Sums<V, N> {
        let Sums { mut p, q } = Sums::<V, N>::nothing(proof);
        let Some((first, others)) = items.split_first() else { return Sums { p, q } };
        let mut original = p;
        for (column, vector) in original.0.iter_mut().enumerate() {
            *vector = first.column(proof, at, column);
        }
        for copy in others {
            for (column, (p, original)) in p.0.iter_mut().zip(&original.0).enumerate() {
                *p = p.or(original.xor(copy.column(proof, at, column)));
            }
        }
        Sums { p, q }
    }
}

/// The exponents are 0, 1, 2 and so on.
pub(crate) struct Dense;

impl<'c, V: Vector, B: Block<'c>> Rule<'c, V, B> for Dense {
    #[inline(always)]
    fn sums<W: Window<'c, N>, const N: usize>(proof: V::Proof, items: &[B], at: &W) -> Sums<V, N> {
        let Some((highest, lower)) = items.split_last() else { return Sums::nothing(proof) };
        Horner::begin(proof, *highest, at).through(proof, lower, at).finish()
    }
}

impl<'c, V: Vector, B: Block<'c>> Grouping<'c, V, B> for Dense {
    #[inline(always)]
    fn more<W: Window<'c, N>, const N: usize>(
        proof: V::Proof,
        sums: Sums<V, N>,
        items: &[B],
        at: &W,
    ) -> Sums<V, N> {
        Horner::resume(proof, sums).through(proof, items, at).finish()
    }
}

/// The exponents are 0, 1, 2 and so on, but one is left out from each part to the next.
pub(crate) struct Parted;

impl<'c, V: Vector, B: Slices> Rule<'c, V, AllInPlace<'c, '_, B>> for Parted {
    #[inline(always)]
    fn sums<W: Window<'c, N>, const N: usize>(
        proof: V::Proof,
        parts: &[AllInPlace<'c, '_, B>],
        at: &W,
    ) -> Sums<V, N> {
        let mut horner: Horner<V, N> = Horner::resume(proof, Sums::nothing(proof));
        let Some((lowest, higher)) = parts.split_first() else { return horner.finish() };
        for part in higher.iter().rev() {
            horner = horner.through(proof, part.blocks(), at);
            horner.double();
        }
        horner.through(proof, lowest.blocks(), at).finish()
    }
}

/// The exponents ascend; the weight of a term is its exponent.
pub(crate) struct Gapped;

impl<'c, V: Vector, B: Block<'c>> Rule<'c, V, Term<B, u8>> for Gapped {
    #[inline(always)]
    fn sums<W: Window<'c, N>, const N: usize>(
        proof: V::Proof,
        items: &[Term<B, u8>],
        at: &W,
    ) -> Sums<V, N> {
        let Some((highest, lower)) = items.split_last() else { return Sums::nothing(proof) };
        let mut horner: Horner<V, N> = Horner::begin(proof, highest.block, at);
        let mut above = highest.weight;
        for term in lower.iter().rev() {
            // The next block brings a doubling with it.
            for _ in term.weight.saturating_add(1)..above {
                horner.double();
            }
            horner.next(proof, term.block, at);
            above = term.weight;
        }
        for _ in 0..above {
            horner.double();
        }
        horner.finish()
    }
}

/// Exponents of any kind; the weight of a term is its factor.
pub(crate) struct Weighted;

impl<'c, V: Vector, B: Block<'c>> Rule<'c, V, Term<B, V::Factor>> for Weighted {
    #[inline(always)]
    fn sums<W: Window<'c, N>, const N: usize>(
        proof: V::Proof,
        items: &[Term<B, V::Factor>],
        at: &W,
    ) -> Sums<V, N> {
        Self::more(proof, Sums::nothing(proof), items, at)
    }
}

impl<'c, V: Vector, B: Block<'c>> Grouping<'c, V, Term<B, V::Factor>> for Weighted {
    #[inline(always)]
    fn more<W: Window<'c, N>, const N: usize>(
        proof: V::Proof,
        Sums { mut p, mut q }: Sums<V, N>,
        items: &[Term<B, V::Factor>],
        at: &W,
    ) -> Sums<V, N> {
        let (pairs, odd) = items.as_chunks::<2>();
        if let [Term { block, weight }] = odd {
            for (column, (p, q)) in p.0.iter_mut().zip(&mut q.0).enumerate() {
                let block: V = block.column(proof, at, column);
                *p = p.xor(block);
                *q = q.xor(block.times(*weight));
            }
        }
        for [first, second] in pairs {
            for (column, (p, q)) in p.0.iter_mut().zip(&mut q.0).enumerate() {
                let x: V = first.block.column(proof, at, column);
                let y: V = second.block.column(proof, at, column);
                *p = p.xor3(x, y);
                *q = q.xor3(x.times(first.weight), y.times(second.weight));
            }
        }
        Sums { p, q }
    }
}

/// The sums of the blocks so far, the highest exponent first.
struct Horner<V: Vector, const N: usize> {
    p: [V; N],
    q: [V::Running; N],
}

impl<V: Vector, const N: usize> Horner<V, N> {
    #[inline(always)]
    fn begin<'c, B: Block<'c>>(proof: V::Proof, highest: B, at: &impl Window<'c, N>) -> Self {
        let mut p = [V::zero(proof); N];
        let mut q = [V::zero(proof).begin(); N];
        for (column, (p, q)) in p.iter_mut().zip(&mut q).enumerate() {
            *p = highest.column(proof, at, column);
            *q = p.begin();
        }
        Self { p, q }
    }

    #[inline(always)]
    fn resume(proof: V::Proof, sums: Sums<V, N>) -> Self {
        let mut q = [V::zero(proof).begin(); N];
        for (q, sum) in q.iter_mut().zip(&sums.q.0) {
            *q = sum.begin();
        }
        Self { p: sums.p.0, q }
    }

    /// Goes on to blocks whose exponents lead down from there.
    #[inline(always)]
    fn through<'c, B: Block<'c>>(
        mut self,
        proof: V::Proof,
        lower: &[B],
        at: &impl Window<'c, N>,
    ) -> Self {
        let (pairs, odd) = lower.as_chunks::<2>();
        if let [block] = odd {
            self.next(proof, *block, at);
        }
        for [low, high] in pairs.iter().rev() {
            self.next_two(proof, *high, *low, at);
        }
        self
    }

    #[inline(always)]
    fn double(&mut self) {
        for q in &mut self.q {
            *q = V::double(*q);
        }
    }

    #[inline(always)]
    fn next<'c, B: Block<'c>>(&mut self, proof: V::Proof, block: B, at: &impl Window<'c, N>) {
        for (column, (p, q)) in self.p.iter_mut().zip(&mut self.q).enumerate() {
            let next: V = block.column(proof, at, column);
            *p = p.xor(next);
            *q = V::next(*q, next);
        }
    }

    #[inline(always)]
    fn next_two<'c, B: Block<'c>>(
        &mut self,
        proof: V::Proof,
        high: B,
        low: B,
        at: &impl Window<'c, N>,
    ) {
        for (column, (p, q)) in self.p.iter_mut().zip(&mut self.q).enumerate() {
            let high: V = high.column(proof, at, column);
            let low: V = low.column(proof, at, column);
            *p = p.xor3(high, low);
            *q = V::next_two(*q, high, low);
        }
    }

    #[inline(always)]
    fn finish(self) -> Sums<V, N> {
        let mut q = self.p;
        for (vector, sum) in q.iter_mut().zip(self.q) {
            *vector = V::finish(sum);
        }
        Sums { p: Tile(self.p), q: Tile(q) }
    }
}
