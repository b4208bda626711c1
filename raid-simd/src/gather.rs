//! From the slices of a call to arrays of lanes: for the usual counts arrays of just that length,
//! so that the compiler unrolls the loop over them and keeps their addresses in registers.

/// Blocks that the loops can take. Whoever brings more gets the reference.
pub(crate) const MOST_BLOCKS: usize = 256;

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

/// What takes a list of any type.
pub(crate) trait Taker<T> {
    type Answer;

    /// At most eight items, in an array.
    fn few<L: List<T>>(self, list: &L) -> Self::Answer;
    /// Any number.
    fn many<L: List<T>>(self, list: &L) -> Self::Answer;
}

/// Hands a list of what `make` makes of the blocks, from the one at `turn` on and around the end,
/// to `taker`: in arrays of a length of their own up to sixteen. `None` if `make` fails.
#[inline(always)]
pub(crate) fn gather_exactly<B, T: Copy, K: Taker<T>>(
    blocks: &[B],
    turn: usize,
    make: impl Fn(&B) -> Option<T>,
    taker: K,
) -> Option<K::Answer> {
    match blocks.len() {
        1 => few::<B, T, K, 1>(blocks, turn, make, taker),
        2 => few::<B, T, K, 2>(blocks, turn, make, taker),
        3 => few::<B, T, K, 3>(blocks, turn, make, taker),
        4 => few::<B, T, K, 4>(blocks, turn, make, taker),
        5 => few::<B, T, K, 5>(blocks, turn, make, taker),
        6 => few::<B, T, K, 6>(blocks, turn, make, taker),
        7 => few::<B, T, K, 7>(blocks, turn, make, taker),
        8 => few::<B, T, K, 8>(blocks, turn, make, taker),
        9 => many::<B, T, K, 9>(blocks, turn, make, taker),
        10 => many::<B, T, K, 10>(blocks, turn, make, taker),
        11 => many::<B, T, K, 11>(blocks, turn, make, taker),
        12 => many::<B, T, K, 12>(blocks, turn, make, taker),
        13 => many::<B, T, K, 13>(blocks, turn, make, taker),
        14 => many::<B, T, K, 14>(blocks, turn, make, taker),
        15 => many::<B, T, K, 15>(blocks, turn, make, taker),
        16 => many::<B, T, K, 16>(blocks, turn, make, taker),
        _ => gather(blocks, turn, make, taker),
    }
}

/// As [`gather_exactly`], with one loop for all counts.
#[inline(always)]
pub(crate) fn gather<B, T: Copy, K: Taker<T>>(
    blocks: &[B],
    turn: usize,
    make: impl Fn(&B) -> Option<T>,
    taker: K,
) -> Option<K::Answer> {
    match blocks.len() {
        0 => Some(taker.many::<&[T]>(&&[][..])),
        1..=16 => gather_in::<B, T, K, 16>(blocks, turn, make, taker),
        _ => gather_in::<B, T, K, MOST_BLOCKS>(blocks, turn, make, taker),
    }
}

/// Not inlined: few calls need the room for all these items.
#[inline(never)]
fn gather_in<B, T: Copy, K: Taker<T>, const ROOM: usize>(
    blocks: &[B],
    turn: usize,
    make: impl Fn(&B) -> Option<T>,
    taker: K,
) -> Option<K::Answer> {
    let mut storage = [make(blocks.first()?)?; ROOM];
    let items = storage.get_mut(..blocks.len())?;
    fill(items, blocks, turn, make)?;
    Some(taker.many::<&[T]>(&&*items))
}

#[inline(always)]
fn few<B, T: Copy, K: Taker<T>, const N: usize>(
    blocks: &[B],
    turn: usize,
    make: impl Fn(&B) -> Option<T>,
    taker: K,
) -> Option<K::Answer> {
    let mut all = [make(blocks.first()?)?; N];
    fill(&mut all, blocks, turn, make)?;
    Some(taker.few(&all))
}

#[inline(always)]
fn many<B, T: Copy, K: Taker<T>, const N: usize>(
    blocks: &[B],
    turn: usize,
    make: impl Fn(&B) -> Option<T>,
    taker: K,
) -> Option<K::Answer> {
    let mut all = [make(blocks.first()?)?; N];
    fill(&mut all, blocks, turn, make)?;
    Some(taker.many(&all))
}

/// In place: a copy of an array that was just filled would wait for its stores.
#[inline(always)]
fn fill<B, T: Copy>(
    items: &mut [T],
    blocks: &[B],
    turn: usize,
    make: impl Fn(&B) -> Option<T>,
) -> Option<()> {
    for (slot, block) in items.iter_mut().zip(blocks) {
        *slot = make(block)?;
    }
    if turn != 0 && turn <= items.len() {
        items.rotate_left(turn);
    }
    Some(())
}
