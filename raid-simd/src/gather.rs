//! From the slices of a call to lists of lanes: for the usual counts arrays of just that length,
//! so that the compiler unrolls the loop over them and keeps their addresses in registers.

use crate::arch::lanes::{AllInPlace, InPlace, Slices};
use crate::arch::room::Room;

/// Blocks that the loops can take at once.
pub(crate) const MOST_BLOCKS: usize = 256;

/// Up to as many blocks there are loops for each count.
pub(crate) const MOST_COUNTED: usize = 16;

/// Items in a row.
pub(crate) trait List<T>: Copy {
    fn items(&self) -> &[T];
}

impl<T: Copy, const K: usize> List<T> for [T; K] {
    #[inline(always)]
    fn items(&self) -> &[T] {
        self
    }
}

impl<T> List<T> for &[T] {
    #[inline(always)]
    fn items(&self) -> &[T] {
        self
    }
}

impl<'c, B: Slices> List<InPlace<'c, B>> for AllInPlace<'c, '_, B> {
    #[inline(always)]
    fn items(&self) -> &[InPlace<'c, B>] {
        self.blocks()
    }
}

/// What a list is made from. A loop makes it, not who calls the loop: an array that crosses a call
/// goes through memory.
pub(crate) trait Makings<T> {
    type List: List<T>;

    /// The list, if every block is what it was taken for. `inline(always)`.
    fn list(self) -> Option<Self::List>;
}

/// What blocks become in a list.
pub(crate) trait Make<B, T>: Copy {
    /// What a block becomes at this place of the list, if it belongs there.
    fn item(&self, place: usize, block: &B) -> Option<T>;

    /// With which block the list begins, if it is not the first.
    fn turn(&self, first: &B, count: usize) -> Option<usize>;
}

/// As many blocks as the loop is compiled for.
struct Counted<'b, B, M, const K: usize> {
    blocks: &'b [B; K],
    make: M,
}

impl<B, M, const K: usize> Counted<'_, B, M, K> {
    #[inline(always)]
    fn list_from<T: Copy>(&self, turn: usize) -> Option<[T; K]>
    where
        M: Make<B, T>,
    {
        let mut all = [self.make.item(0, self.blocks.get(turn)?)?; K];
        for (place, slot) in all.iter_mut().enumerate() {
            let at = place.saturating_add(turn);
            let at = if at < K { at } else { at.saturating_sub(K) };
            *slot = self.make.item(place, self.blocks.get(at)?)?;
        }
        Some(all)
    }
}

impl<B, T: Copy, M: Make<B, T>, const K: usize> Makings<T> for Counted<'_, B, M, K> {
    type List = [T; K];

    #[inline(always)]
    fn list(self) -> Option<[T; K]> {
        // From the first one most often: the other way costs a few instructions a block.
        match self.list_from(0) {
            Some(list) => Some(list),
            None => self.list_from(self.make.turn(self.blocks.first()?, K)?),
        }
    }
}

/// Made before.
impl<T> Makings<T> for &[T] {
    type List = Self;

    #[inline(always)]
    fn list(self) -> Option<Self> {
        Some(self)
    }
}

/// What takes the makings of a list. `None`: a block is not what it was taken for, and nothing was
/// done.
pub(crate) trait Taker<T> {
    type Answer;

    /// At most eight items, as many as the compiler knows.
    fn few<S: Makings<T>>(self, makings: S) -> Option<Self::Answer>;
    /// Any number.
    fn many<S: Makings<T>>(self, makings: S) -> Option<Self::Answer>;
}

/// Hands the makings of a list of what `make` makes of the blocks, given their places, to `taker`.
/// `None` if there is no loop for so many.
#[inline(always)]
pub(crate) fn gather_counted<B, T: Copy, K: Taker<T>>(
    blocks: &[B],
    make: impl Make<B, T>,
    taker: K,
) -> Option<K::Answer> {
    macro_rules! counted {
        ($take:ident, $count:literal) => {
            taker.$take(Counted::<_, _, $count> { blocks: blocks.first_chunk()?, make })
        };
    }
    match blocks.len() {
        1 => counted!(few, 1),
        2 => counted!(few, 2),
        3 => counted!(few, 3),
        4 => counted!(few, 4),
        5 => counted!(few, 5),
        6 => counted!(few, 6),
        7 => counted!(few, 7),
        8 => counted!(few, 8),
        9 => counted!(many, 9),
        10 => counted!(many, 10),
        11 => counted!(many, 11),
        12 => counted!(many, 12),
        13 => counted!(many, 13),
        14 => counted!(many, 14),
        15 => counted!(many, 15),
        16 => counted!(many, 16),
        _ => None,
    }
}

/// Hands a single item to `taker`.
#[inline(always)]
pub(crate) fn gather_one<B, T: Copy, K: Taker<T>>(
    block: &B,
    make: impl Make<B, T>,
    taker: K,
) -> Option<K::Answer> {
    taker.few(Counted { blocks: core::array::from_ref(block), make })
}

/// Hands a list of what `make` makes of the blocks, from the one at `turn` on and around the end,
/// to `taker`: one loop for all counts. Not inlined: few calls need the room.
#[inline(never)]
pub(crate) fn gather<B, T: Copy, K: Taker<T>>(
    blocks: &[B],
    turn: usize,
    make: impl Fn(&B) -> Option<T>,
    taker: K,
) -> Option<K::Answer> {
    let mut room = Room::new();
    let (before, from) = blocks.split_at_checked(turn)?;
    room.add(from, &make)?;
    room.add(before, &make)?;
    taker.many::<&[T]>(room.items())
}
