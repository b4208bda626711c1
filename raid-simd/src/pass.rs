//! One pass over all blocks of a call: sums, and what becomes of them, window by window.

use core::marker::PhantomData;

use crate::arch::lanes::{Extent, Stretch};
use crate::fold::{Rule, Sums};
use crate::gather::{List, Makings, Taker};
use crate::placement::Path;
use crate::vector::{Counts, Mode, Vector, Window, Work};

/// What becomes of the sums of a window.
pub(crate) trait End<'c, V: Vector> {
    fn take<M: Mode, W: Window<'c, N>, const N: usize>(
        &mut self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
    );
}

/// An end from whose targets a sum can go on.
pub(crate) trait Resume<'c, V: Vector>: End<'c, V> {
    /// What was put there.
    fn put<W: Window<'c, N>, const N: usize>(&self, proof: V::Proof, at: &W) -> Sums<V, N>;
}

/// Sums, for one end.
struct Pass<'c, R, S, T, E> {
    extent: Extent<'c>,
    makings: S,
    end: E,
    rule: PhantomData<(R, T)>,
}

impl<'c, V, R, S, T, E> Work<V> for Pass<'c, R, S, T, E>
where
    V: Vector,
    R: Rule<'c, V, T>,
    S: Makings<T>,
    E: End<'c, V>,
{
    type Answer = ();
    type Parts = (Extent<'c>, S, E, ());

    #[inline(always)]
    fn into_parts(self) -> Self::Parts {
        (self.extent, self.makings, self.end, ())
    }

    #[inline(always)]
    fn of_parts((extent, makings, end, ()): Self::Parts) -> Self {
        Self { extent, makings, end, rule: PhantomData }
    }

    #[inline(always)]
    fn run<M: Mode, const N: usize>(self, proof: V::Proof) -> Option<()> {
        // Here, so that stores to the targets cannot be taken for stores to it.
        let list = self.makings.list()?;
        let mut end = self.end;
        let mut rest = self.extent.all();
        while let Some(at) = rest.take::<V, N>() {
            end.take::<M, _, N>(proof, &at, R::sums(proof, list.items(), &at));
        }
        if !rest.is_empty() {
            // A copy, so that the list itself stays in registers.
            let copy = list;
            Rest::<R, T, E> { rest, items: copy.items(), end, rule: PhantomData }.run(proof);
        }
        M::finish::<V>(proof);
        Some(())
    }
}

/// What is left of a pass that took whole tiles: one loop for any count of items, so that the
/// loops for each count are but their tiles.
pub(crate) struct Rest<'c, 'i, R, T, E> {
    pub(crate) rest: Stretch<'c>,
    pub(crate) items: &'i [T],
    pub(crate) end: E,
    pub(crate) rule: PhantomData<R>,
}

impl<'c, R, T, E> Rest<'c, '_, R, T, E> {
    #[inline(always)]
    pub(crate) fn run<V>(self, proof: V::Proof)
    where
        V: Vector,
        R: Rule<'c, V, T>,
        E: End<'c, V>,
    {
        let _done: Option<()> = V::enter_tile(proof, self);
    }
}

impl<'c, V, R, T, E> Work<V> for Rest<'c, '_, R, T, E>
where
    V: Vector,
    R: Rule<'c, V, T>,
    E: End<'c, V>,
{
    type Answer = ();
    type Parts = (Self, (), (), ());

    #[inline(always)]
    fn into_parts(self) -> Self::Parts {
        (self, (), (), ())
    }

    #[inline(always)]
    fn of_parts((this, ..): Self::Parts) -> Self {
        this
    }

    #[inline(always)]
    fn run<M: Mode, const N: usize>(self, proof: V::Proof) -> Option<()> {
        let Self { mut rest, items, mut end, .. } = self;
        while let Some(at) = rest.take::<V, 1>() {
            end.take::<M, _, 1>(proof, &at, R::sums(proof, items, &at));
        }
        if let Some(at) = rest.take_rest() {
            end.take::<M, _, 1>(proof, &at, R::sums(proof, items, &at));
        }
        Some(())
    }
}

/// Makes a [`Pass`] of a list and runs it.
pub(crate) struct Summing<'c, V: Vector, R, E> {
    pub(crate) proof: V::Proof,
    pub(crate) extent: Extent<'c>,
    pub(crate) path: Path,
    pub(crate) end: E,
    pub(crate) rule: PhantomData<R>,
}
impl<'c, V: Vector, R, E> Summing<'c, V, R, E> {
    #[inline(always)]
    fn pass<S, T>(self, makings: S) -> Pass<'c, R, S, T, E> {
        Pass { extent: self.extent, makings, end: self.end, rule: PhantomData }
    }

    /// Many items where they lie. `None` past the cache, where memory likes loops of its own.
    #[inline(always)]
    pub(crate) fn in_place<S, T>(self, makings: S) -> Option<()>
    where
        R: Rule<'c, V, T>,
        S: Makings<T>,
        E: End<'c, V>,
    {
        let proof = self.proof;
        match self.path {
            Path::Nearest => V::enter_tile(proof, self.pass(makings)),
            Path::Cached => V::enter_wide(proof, self.pass(makings)),
            Path::Streaming => None,
        }
    }

    #[inline(always)]
    fn stream<S, T>(self, makings: S) -> Option<()>
    where
        R: Rule<'c, V, T>,
        S: Makings<T>,
        E: End<'c, V>,
    {
        if const { matches!(V::STREAMS, Counts::Each) } {
            V::enter_stream(self.proof, self.pass(makings))
        } else {
            let list = makings.list()?;
            V::enter_stream(self.proof, self.pass(list.items()))
        }
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
    fn few<S: Makings<T>>(self, makings: S) -> Option<()> {
        let proof = self.proof;
        match self.path {
            Path::Nearest => V::enter_tile(proof, self.pass(makings)),
            Path::Cached => V::enter_few(proof, self.pass(makings)),
            Path::Streaming => self.stream(makings),
        }
    }

    #[inline(always)]
    fn many<S: Makings<T>>(self, makings: S) -> Option<()> {
        let proof = self.proof;
        match self.path {
            Path::Nearest => V::enter_tile(proof, self.pass(makings)),
            Path::Cached => V::enter_wide(proof, self.pass(makings)),
            Path::Streaming => self.stream(makings),
        }
    }
}
