//! Passes over many blocks, a group of them after the other.

use core::marker::PhantomData;

use crate::arch::lanes::{Extent, Stretch};
use crate::fold::{Grouping, Sums};
use crate::gather::{List, MOST_COUNTED, Makings, Taker};
use crate::pass::{End, Rest, Resume, Summing};
use crate::placement::Path;
use crate::vector::{Mode, Vector, Window, Work};

/// Items of which a CPU follows each as a stream of its own.
const GROUP_ITEMS: usize = 8;
/// Columns that a group goes through before the next one does.
pub(crate) const GROUP_COLUMNS: usize = 64;

/// As [`Pass`](crate::pass), a group of the items after the other: memory likes few streams.
struct ByGroup<'c, 'i, R, T, E> {
    extent: Extent<'c>,
    items: &'i [T],
    end: E,
    rule: PhantomData<R>,
}

impl<'c, V, R, T, E> Work<V> for ByGroup<'c, '_, R, T, E>
where
    V: Vector,
    R: Grouping<'c, V, T>,
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
        let Self { extent, items, mut end, rule } = self;
        let mut left = extent.all();
        let mut rest = extent.all();
        let mut sums = [Sums::nothing(proof); GROUP_COLUMNS];
        while let Some(mut stretch) = rest.split(group_bytes::<V>()) {
            let last = all_but_last::<V, R, T>(proof, items, &stretch, &mut sums);
            for sums in &sums {
                let Some(at) = stretch.take::<V, 1>() else { break };
                end.take::<M, _, 1>(proof, &at, R::more(proof, *sums, last, &at));
            }
            left = stretch;
        }
        // Less than a column, of the last stretch.
        if !left.is_empty() {
            Rest { rest: left, items, end, rule }.run(proof);
        }
        M::finish::<V>(proof);
        Some(())
    }
}

/// As [`ByGroup`], with what the groups came to in the targets meanwhile. (In memory of its own it
/// would take the cache's place from the lanes.)
struct InTargets<'c, 'i, R, T, E> {
    extent: Extent<'c>,
    items: &'i [T],
    end: E,
    rule: PhantomData<R>,
}

/// Items in such a group, and bytes of each that it goes through before the next group does.
const TARGET_GROUP_ITEMS: usize = 5;
const TARGET_GROUP_BYTES: usize = 4096;

impl<'c, V, R, T, E> Work<V> for InTargets<'c, '_, R, T, E>
where
    V: Vector,
    R: Grouping<'c, V, T>,
    E: Resume<'c, V>,
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
        let Self { extent, items, mut end, rule } = self;
        let count = items.len();
        let group_items = count.div_ceil(count.div_ceil(TARGET_GROUP_ITEMS).max(1)).max(1);
        let mut left = extent.all();
        let mut rest = extent.all();
        while let Some(stretch) = rest.split(TARGET_GROUP_BYTES) {
            let mut groups = items.rchunks(group_items);
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
            left = columns;
        }
        // Less than a tile, of the last stretch.
        if !left.is_empty() {
            Rest { rest: left, items, end, rule }.run(proof);
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
pub(crate) fn all_but_last<'c, 'i, V, R, T>(
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

/// Runs a [`Summing`], by groups if there are many items and they come from memory.
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
        let Self(summing) = self;
        let list = makings.list()?;
        let items = list.items();
        match summing.path {
            Path::Streaming if are_streams::<V>(items.len(), summing.extent) => {
                let Summing { proof, extent, end, rule, .. } = summing;
                V::enter_stream(proof, ByGroup { extent, items, end, rule })
            }
            Path::Streaming | Path::Nearest | Path::Cached => summing.many(items),
        }
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
        let Summing { proof, extent, end, rule, .. } = self.0;
        let list = makings.list()?;
        V::enter_tile(proof, InTargets { extent, items: list.items(), end, rule })
    }
}

/// Whether there are more lanes than a CPU likes to follow from memory, long enough to be followed.
pub(crate) fn are_streams<V: Vector>(count: usize, extent: Extent<'_>) -> bool {
    count > MOST_COUNTED && extent.length() >= group_bytes::<V>()
}
