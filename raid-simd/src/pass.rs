//! One pass over all blocks of a call: sums, and what becomes of them, window by window.

use core::marker::PhantomData;

use crate::arch::lanes::{Extent, Stretch};
use crate::fold::{Grouping, Rule, Sums};
use crate::gather::{List, Makings, Taker};
use crate::placement::Path;
use crate::vector::{Counts, Mode, Vector, Window, Work};
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

/// An end from whose targets a sum can go on.
pub(crate) trait Resume<'c, V: Vector>: End<'c, V> {
    /// What was put there.
    fn put<W: Window<'c, N>, const N: usize>(&self, proof: V::Proof, at: &W) -> Sums<V, N>;
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

    #[inline(always)]
    fn run<M: Mode, const N: usize>(self, proof: V::Proof) -> Option<()> {
        // Here, so that stores to the targets cannot be taken for stores to it.
        let list = self.makings.list()?;
        let mut end = self.end;
        let mut rest = self.extent.all();
        while let Some(at) = rest.take::<V, N>() {
            end.take::<M, _, N>(proof, &at, R::sums(proof, list.items(), &at));
        }
        if N > 1 {
            while let Some(at) = rest.take::<V, 1>() {
                end.take::<M, _, 1>(proof, &at, R::sums(proof, list.items(), &at));
            }
        }
        if let Some(at) = rest.take_rest() {
            end.take::<M, _, 1>(proof, &at, R::sums(proof, list.items(), &at));
        }
        M::finish::<V>(proof);
        Some(())
    }
}

/// Items of which a CPU follows each as a stream of its own.
const GROUP_ITEMS: usize = 8;
/// Columns that a group goes through before the next one does.
const GROUP_COLUMNS: usize = 64;

/// As [`Pass`], a group of the items after the other: memory likes few streams.
struct ByGroup<'c, R, S, T, E> {
    pass: Pass<'c, R, S, T, E>,
}

impl<'c, V, R, S, T, E> Work<V> for ByGroup<'c, R, S, T, E>
where
    V: Vector,
    R: Grouping<'c, V, T>,
    S: Makings<T>,
    E: End<'c, V>,
{
    type Answer = ();

    #[inline(always)]
    fn run<M: Mode, const N: usize>(self, proof: V::Proof) -> Option<()> {
        let Pass { extent, makings, mut end, .. } = self.pass;
        let list = makings.list()?;
        let mut rest = extent.all();
        let mut sums = [Sums::nothing(proof); GROUP_COLUMNS];
        while let Some(mut stretch) = rest.split(group_bytes::<V>()) {
            let last = all_but_last::<V, R, T>(proof, list.items(), &stretch, &mut sums);
            for sums in &sums {
                let Some(at) = stretch.take::<V, 1>() else { break };
                end.take::<M, _, 1>(proof, &at, R::more(proof, *sums, last, &at));
            }
            if let Some(at) = stretch.take_rest() {
                end.take::<M, _, 1>(proof, &at, R::sums(proof, list.items(), &at));
            }
        }
        M::finish::<V>(proof);
        Some(())
    }
}

/// As [`Pass`], a group of the items after the other, with what they came to in the targets
/// meanwhile. (In memory of its own it would take the cache's place from the lanes.)
struct InTargets<'c, R, S, T, E> {
    pass: Pass<'c, R, S, T, E>,
}

/// Items in such a group, and bytes of each that it goes through before the next group does.
const TARGET_GROUP_ITEMS: usize = 5;
const TARGET_GROUP_BYTES: usize = 4096;

impl<'c, V, R, S, T, E> Work<V> for InTargets<'c, R, S, T, E>
where
    V: Vector,
    R: Grouping<'c, V, T>,
    S: Makings<T>,
    E: Resume<'c, V>,
{
    type Answer = ();

    #[inline(always)]
    fn run<M: Mode, const N: usize>(self, proof: V::Proof) -> Option<()> {
        let Pass { extent, makings, mut end, .. } = self.pass;
        let list = makings.list()?;
        let count = list.items().len();
        let group_items = count.div_ceil(count.div_ceil(TARGET_GROUP_ITEMS).max(1)).max(1);
        let mut rest = extent.all();
        while let Some(stretch) = rest.split(TARGET_GROUP_BYTES) {
            let mut groups = list.items().rchunks(group_items);
            let mut columns = stretch.clone();
            let first = groups.next().unwrap_or(&[]);
            while let Some(at) = columns.take::<V, N>() {
                end.take::<M, _, N>(
                    proof,
                    &at,
                    sum_group::<V, R, T, _, N>(proof, None, first, &at),
                );
            }
            for group in groups {
                let mut columns = stretch.clone();
                while let Some(at) = columns.take::<V, N>() {
                    let sums = Some(end.put(proof, &at));
                    end.take::<M, _, N>(
                        proof,
                        &at,
                        sum_group::<V, R, T, _, N>(proof, sums, group, &at),
                    );
                }
            }
            while let Some(at) = columns.take::<V, 1>() {
                end.take::<M, _, 1>(proof, &at, R::sums(proof, list.items(), &at));
            }
            if let Some(at) = columns.take_rest() {
                end.take::<M, _, 1>(proof, &at, R::sums(proof, list.items(), &at));
            }
        }
        M::finish::<V>(proof);
        Some(())
    }
}

/// The sums with one more group, of a number of items that the compiler knows if possible.
#[inline(always)]
fn sum_group<'c, V, R, T, W, const N: usize>(
    proof: V::Proof,
    sums: Option<Sums<V, N>>,
    group: &[T],
    at: &W,
) -> Sums<V, N>
where
    V: Vector,
    R: Grouping<'c, V, T>,
    W: Window<'c, N>,
{
    let sum = |group: &[T]| match sums {
        None => R::sums(proof, group, at),
        Some(sums) => R::more(proof, sums, group, at),
    };
    match (<&[T; 5]>::try_from(group), <&[T; 4]>::try_from(group)) {
        (Ok(group), _) => sum(group),
        (_, Ok(group)) => sum(group),
        (Err(_), Err(_)) => sum(group),
    }
}

/// Bytes of each lane that a group goes through. Of shorter lanes none is a stream.
pub(crate) const fn group_bytes<V: Vector>() -> usize {
    GROUP_COLUMNS.saturating_mul(size_of::<V::Bytes>())
}

/// Sums up the whole columns of a stretch, up to the last group of items, which is the answer.
#[inline(always)]
fn all_but_last<'c, 'i, V, R, T>(
    proof: V::Proof,
    items: &'i [T],
    stretch: &Stretch<'c>,
    sums: &mut [Sums<V, 1>; GROUP_COLUMNS],
) -> &'i [T]
where
    V: Vector,
    R: Grouping<'c, V, T>,
{
    let mut groups = items.rchunks(GROUP_ITEMS);
    let last = groups.next_back().unwrap_or(&[]);
    let mut columns = stretch.clone();
    let first = groups.next().unwrap_or(&[]);
    for sums in &mut *sums {
        let Some(at) = columns.take::<V, 1>() else { break };
        *sums = match first.first_chunk::<GROUP_ITEMS>() {
            Some(group) => R::sums(proof, group, &at),
            None => R::sums(proof, first, &at),
        };
    }
    for group in groups {
        let mut columns = stretch.clone();
        for sums in &mut *sums {
            let Some(at) = columns.take::<V, 1>() else { break };
            *sums = match group.first_chunk::<GROUP_ITEMS>() {
                Some(group) => R::more(proof, *sums, group, &at),
                None => R::more(proof, *sums, group, &at),
            };
        }
    }
    last
}

/// Sums, looked at unit by unit.
struct ByUnit<'c, 'v, R, S, T, K, F> {
    extent: Extent<'c>,
    makings: S,
    look: K,
    visit: &'v mut dyn FnMut(usize, F),
    rule: PhantomData<(R, T)>,
}

impl<'c, V, R, S, T, K> Work<V> for ByUnit<'c, '_, R, S, T, K, K::Finding>
where
    V: Vector,
    R: Rule<'c, V, T>,
    S: Makings<T>,
    K: Look<'c, V>,
{
    type Answer = usize;

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
    if N > 1 {
        while let Some(at) = unit.take::<V, 1>() {
            look.look::<_, 1>(proof, &at, R::sums(proof, list.items(), &at), &mut seen);
        }
    }
    if let Some(at) = unit.take_rest() {
        look.look::<_, 1>(proof, &at, R::sums(proof, list.items(), &at), &mut seen);
    }
    seen
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

    #[inline(always)]
    fn run<M: Mode, const N: usize>(self, proof: V::Proof) -> Option<usize> {
        let ByUnit { extent, makings, look, visit, .. } = self.by_unit;
        let list = makings.list()?;
        let (mut rest, mut unit, mut found) = (extent.all(), 0_usize, 0_usize);
        let mut sums = [Sums::nothing(proof); GROUP_COLUMNS];
        while let Some(mut bytes) = rest.split(UNIT_BYTES) {
            let mut seen = K::nothing(proof);
            while let Some(mut stretch) = bytes.split(group_bytes::<V>()) {
                let last = all_but_last::<V, R, T>(proof, list.items(), &stretch, &mut sums);
                for sums in &sums {
                    let Some(at) = stretch.take::<V, 1>() else { break };
                    let sums = R::more(proof, *sums, last, &at);
                    look.look::<_, 1>(proof, &at, sums, &mut seen);
                }
                if let Some(at) = stretch.take_rest() {
                    look.look::<_, 1>(proof, &at, R::sums(proof, list.items(), &at), &mut seen);
                }
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

/// Makes a [`ByGroup`] of a list and runs it past the cache.
pub(crate) struct SummingByGroup<'c, V: Vector, R, E>(pub(crate) Summing<'c, V, R, E>);

impl<'c, V, R, E, T> Taker<T> for SummingByGroup<'c, V, R, E>
where
    V: Vector,
    R: Grouping<'c, V, T>,
    E: End<'c, V>,
{
    type Answer = ();

    #[inline(always)]
    fn few<S: Makings<T>>(self, makings: S) -> Option<()> {
        self.many(makings)
    }

    #[inline(always)]
    fn many<S: Makings<T>>(self, makings: S) -> Option<()> {
        V::enter_stream(self.0.proof, ByGroup { pass: self.0.pass(makings) })
    }
}

/// Makes an [`InTargets`] of a list and runs it.
pub(crate) struct SummingInTargets<'c, V: Vector, R, E>(pub(crate) Summing<'c, V, R, E>);

impl<'c, V, R, E, T> Taker<T> for SummingInTargets<'c, V, R, E>
where
    V: Vector,
    R: Grouping<'c, V, T>,
    E: Resume<'c, V>,
{
    type Answer = ();

    #[inline(always)]
    fn few<S: Makings<T>>(self, makings: S) -> Option<()> {
        self.many(makings)
    }

    #[inline(always)]
    fn many<S: Makings<T>>(self, makings: S) -> Option<()> {
        V::enter_tile(self.0.proof, InTargets { pass: self.0.pass(makings) })
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

/// Makes a [`ByUnitAndGroup`] of a list and runs it.
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
        V::enter_stream(self.0.proof, ByUnitAndGroup { by_unit: self.0.by_unit(makings) })
    }
}
