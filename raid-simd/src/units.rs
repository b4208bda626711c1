//! One pass over all blocks of a call that writes nothing: what is seen, unit by unit.

use core::marker::PhantomData;

use crate::arch::lanes::{Extent, Stretch};
use crate::fold::{Grouping, Rule, Sums};
use crate::gather::{List, Makings, Taker};
use crate::groups::{GROUP_COLUMNS, all_but_last, are_streams, group_bytes};
use crate::placement::Path;
use crate::vector::{Mode, Vector, Window, Work};
use crate::verdict::UNIT_BYTES;

/// What is seen in the sums of a unit.
pub(crate) trait Look<'c, V: Vector>: Copy {
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

/// Sums, looked at unit by unit.
struct ByUnit<'c, 'v, R, S, T, K, F> {
    extent: Extent<'c>,
    makings: S,
    look: K,
    visit: &'v mut dyn FnMut(usize, F),
    rule: PhantomData<(R, T)>,
}

impl<'c, 'v, V, R, S, T, K> Work<V> for ByUnit<'c, 'v, R, S, T, K, K::Finding>
where
    V: Vector,
    R: Rule<'c, V, T>,
    S: Makings<T>,
    K: Look<'c, V>,
{
    type Answer = usize;
    type Parts = (Extent<'c>, S, K, &'v mut dyn FnMut(usize, K::Finding));

    #[inline(always)]
    fn into_parts(self) -> Self::Parts {
        (self.extent, self.makings, self.look, self.visit)
    }

    #[inline(always)]
    fn of_parts((extent, makings, look, visit): Self::Parts) -> Self {
        Self { extent, makings, look, visit, rule: PhantomData }
    }

    #[inline(always)]
    fn run<M: Mode, const N: usize>(self, proof: V::Proof) -> Option<usize> {
        let list = self.makings.list()?;
        let (mut rest, mut unit, mut found) = (self.extent.all(), 0_usize, 0_usize);
        while let Some(stretch) = rest.split(UNIT_BYTES) {
            let seen = see::<V, R, _, T, K, N>(proof, &list, &self.look, stretch);
            if let Some(finding) = self.look.finding(seen) {
                (self.visit)(unit, finding);
                found = found.saturating_add(1);
            }
            unit = unit.saturating_add(1);
        }
        Some(found)
    }
}

#[inline(always)]
fn see<'c, V, R, L, T, K, const N: usize>(
    proof: V::Proof,
    list: &L,
    look: &K,
    mut unit: Stretch<'c>,
) -> K::Seen
where
    V: Vector,
    R: Rule<'c, V, T>,
    L: List<T>,
    K: Look<'c, V>,
{
    let mut seen = K::nothing(proof);
    while let Some(at) = unit.take::<V, N>() {
        look.look::<_, N>(proof, &at, R::sums(proof, list.items(), &at), &mut seen);
    }
    if unit.is_empty() {
        return seen;
    }
    // A copy, so that the list itself stays in registers.
    let copy = *list;
    RestOfUnit::<R, T, K, _> { unit, items: copy.items(), look: *look, seen, rule: PhantomData }
        .run(proof)
}

/// What is left of a unit of which whole tiles were taken: one loop for any count of items.
struct RestOfUnit<'c, 'i, R, T, K, S> {
    unit: Stretch<'c>,
    items: &'i [T],
    look: K,
    seen: S,
    rule: PhantomData<R>,
}

impl<'c, R, T, K, S: Copy> RestOfUnit<'c, '_, R, T, K, S> {
    #[inline(always)]
    fn run<V>(self, proof: V::Proof) -> S
    where
        V: Vector,
        R: Rule<'c, V, T>,
        K: Look<'c, V, Seen = S>,
    {
        let seen = self.seen;
        V::enter_tile(proof, self).unwrap_or(seen)
    }
}

impl<'c, V, R, T, K> Work<V> for RestOfUnit<'c, '_, R, T, K, K::Seen>
where
    V: Vector,
    R: Rule<'c, V, T>,
    K: Look<'c, V>,
{
    type Answer = K::Seen;
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
    fn run<M: Mode, const N: usize>(self, proof: V::Proof) -> Option<K::Seen> {
        let Self { mut unit, items, look, mut seen, .. } = self;
        while let Some(at) = unit.take::<V, 1>() {
            look.look::<_, 1>(proof, &at, R::sums(proof, items, &at), &mut seen);
        }
        if let Some(at) = unit.take_rest() {
            look.look::<_, 1>(proof, &at, R::sums(proof, items, &at), &mut seen);
        }
        Some(seen)
    }
}

/// As [`ByUnit`], a group of the items after the other.
struct ByUnitAndGroup<'c, 'v, R, S, T, K, F> {
    by_unit: ByUnit<'c, 'v, R, S, T, K, F>,
}

impl<'c, V, R, S, T, K> Work<V> for ByUnitAndGroup<'c, '_, R, S, T, K, K::Finding>
where
    V: Vector,
    R: Grouping<'c, V, T>,
    S: Makings<T>,
    K: Look<'c, V>,
{
    type Answer = usize;
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
    fn run<M: Mode, const N: usize>(self, proof: V::Proof) -> Option<usize> {
        let ByUnit { extent, makings, look, visit, .. } = self.by_unit;
        let list = makings.list()?;
        let (mut rest, mut unit, mut found) = (extent.all(), 0_usize, 0_usize);
        let mut sums = [Sums::nothing(proof); GROUP_COLUMNS];
        while let Some(mut bytes) = rest.split(UNIT_BYTES) {
            let mut seen = K::nothing(proof);
            let mut left = bytes.clone();
            while let Some(mut stretch) = bytes.split(group_bytes::<V>()) {
                let last = all_but_last::<V, R, T>(proof, list.items(), &stretch, &mut sums);
                for sums in &sums {
                    let Some(at) = stretch.take::<V, 1>() else { break };
                    let sums = R::more(proof, *sums, last, &at);
                    look.look::<_, 1>(proof, &at, sums, &mut seen);
                }
                left = stretch;
            }
            if !left.is_empty() {
                let (unit, items, rule) = (left, list.items(), PhantomData::<R>);
                seen = RestOfUnit { unit, items, look, seen, rule }.run(proof);
            }
            if let Some(finding) = look.finding(seen) {
                visit(unit, finding);
                found = found.saturating_add(1);
            }
            unit = unit.saturating_add(1);
        }
        Some(found)
    }
}

/// Makes a [`ByUnit`] of a list and runs it.
pub(crate) struct Looking<'c, 'v, V: Vector, R, K, F> {
    pub(crate) proof: V::Proof,
    pub(crate) extent: Extent<'c>,
    pub(crate) path: Path,
    pub(crate) look: K,
    pub(crate) visit: &'v mut dyn FnMut(usize, F),
    pub(crate) rule: PhantomData<R>,
}

impl<'c, 'v, V: Vector, R, K, F> Looking<'c, 'v, V, R, K, F> {
    #[inline(always)]
    fn by_unit<S, T>(self, makings: S) -> ByUnit<'c, 'v, R, S, T, K, F> {
        let Self { extent, look, visit, .. } = self;
        ByUnit { extent, makings, look, visit, rule: PhantomData }
    }
}

impl<'c, V, R, K, T> Taker<T> for Looking<'c, '_, V, R, K, K::Finding>
where
    V: Vector,
    R: Rule<'c, V, T>,
    K: Look<'c, V>,
{
    type Answer = usize;

    #[inline(always)]
    fn few<S: Makings<T>>(self, makings: S) -> Option<usize> {
        let proof = self.proof;
        match self.path {
            Path::Nearest => V::enter_tile(proof, self.by_unit(makings)),
            Path::Cached | Path::Streaming => V::enter_few(proof, self.by_unit(makings)),
        }
    }

    #[inline(always)]
    fn many<S: Makings<T>>(self, makings: S) -> Option<usize> {
        let proof = self.proof;
        match self.path {
            Path::Nearest => V::enter_tile(proof, self.by_unit(makings)),
            Path::Cached => V::enter_wide(proof, self.by_unit(makings)),
            Path::Streaming => V::enter_stream(proof, self.by_unit(makings)),
        }
    }
}

/// Runs a [`Looking`], by groups if there are many items and they come from memory.
pub(crate) struct LookingByGroup<'c, 'v, V: Vector, R, K, F>(
    pub(crate) Looking<'c, 'v, V, R, K, F>,
);

impl<'c, V, R, K, T> Taker<T> for LookingByGroup<'c, '_, V, R, K, K::Finding>
where
    V: Vector,
    R: Grouping<'c, V, T>,
    K: Look<'c, V>,
{
    type Answer = usize;

    #[inline(always)]
    fn few<S: Makings<T>>(self, makings: S) -> Option<usize> {
        self.many(makings)
    }

    #[inline(always)]
    fn many<S: Makings<T>>(self, makings: S) -> Option<usize> {
        let Self(looking) = self;
        let list = makings.list()?;
        let items = list.items();
        match looking.path {
            Path::Streaming if are_streams::<V>(items.len(), looking.extent) => {
                let proof = looking.proof;
                V::enter_stream(proof, ByUnitAndGroup { by_unit: looking.by_unit(items) })
            }
            Path::Streaming | Path::Nearest | Path::Cached => looking.many(items),
        }
    }
}
