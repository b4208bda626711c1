//! The same walks with md's test for a checkpoint in the place of ours: what it loses, and where.
//!
//! md compares the most advanced sector to be written, a chunk too far, with the safe one, a chunk
//! too early, and forces a checkpoint only where one would help the *read* position, a chunk too
//! early as well. With a shift of one or two chunks all three are within its own rounding, it
//! believes that no checkpoint helps, and takes none.

use alloc::collections::BTreeSet;

use raid_core::geometry::{Geometry, Layout, Raid5Layout};
use raid_core::reshape::{Change, Direction, Parking, Progress, Shift};
use raid_core::units::{Lba, Sectors};

use crate::drive::{Run, means, run};
use crate::model::{Dice, Model};
use crate::pairs::shape;

/// What md takes the shift for: it computes that when it starts an array, not when a reshape begins.
#[derive(Clone, Copy)]
enum Belief {
    Right,
    NoShift,
}

/// Walks forward as md does, with a crash after every row that keeps all writes. How many checkpoints
/// it takes, or the first crash after which something is lost.
fn walk_as_linux(change: Change, belief: Belief) -> Result<u64, String> {
    let data = |geometry: &Geometry| match geometry {
        Geometry::Parity(parity) => u64::from(parity.data_members()),
        Geometry::Copies(_) => panic!("a level with parity"),
    };
    let (old, new) = (data(change.before()), data(change.after()));
    let chunk = change.larger_chunk().0;
    let shift = match belief {
        Belief::Right => change.shift().distance().0,
        Belief::NoShift => 0,
    };
    assert_eq!(change.direction(), Direction::Forward);
    let mut model = Model::new(change, BTreeSet::new());
    let mut dice = Dice(5);
    let (mut safe, mut at, mut checkpoints) = (0, 0, 0);
    while at < change.walk().0 {
        let write = at / new + chunk;
        let read = (at / old).saturating_sub(chunk) + shift;
        let kept = (safe / old).saturating_sub(chunk) + shift;
        if kept < write && read > write {
            model.flush();
            safe = at;
            model.position = Lba(at);
            checkpoints += 1;
        }
        model.relocate(Lba(at), Sectors(change.unit().0), &mut dice, false)?;
        at += change.unit().0;
        model.check(&model.wreck(|_| true))?;
    }
    Ok(checkpoints)
}

fn chunk_change(shift: i64) -> Change {
    let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
    let (before, after) = (shape(layout, 4, 128, 128 * 40), shape(layout, 4, 32, 128 * 40));
    Change::new(before, after, Direction::Forward, Shift(shift)).unwrap()
}

fn walk_as_we_do(change: Change) {
    let means = means(&change, 64);
    let missing = BTreeSet::new();
    let asked = Run { means, missing, samples: 6, resume_one_in: 30, seed: 9 };
    let seen = run(change, &asked).unwrap();
    let chunks = change.shift().distance().0 / change.larger_chunk().0;
    assert!(seen.checkpoints * chunks >= 40, "one in {chunks} rows at least, {seen:?}");
}

#[test]
fn a_same_size_reshape_with_a_short_shift_is_lost_by_linux_and_not_here() {
    for chunks in [1, 2] {
        let change = chunk_change(-128 * chunks);
        let lost = walk_as_linux(change, Belief::Right).unwrap_err();
        println!("{chunks} chunks of shift, as Linux: {lost}");
        walk_as_we_do(change);
    }
    // From three on its rounding is paid for.
    for chunks in [3, 4, 8] {
        let change = chunk_change(-128 * chunks);
        assert!(walk_as_linux(change, Belief::Right).unwrap() > 0);
        walk_as_we_do(change);
    }
}

#[test]
fn a_shift_that_was_set_after_the_start_is_lost_by_linux_and_not_here() {
    for chunks in [1, 3, 8] {
        let change = chunk_change(-128 * chunks);
        let lost = walk_as_linux(change, Belief::NoShift).unwrap_err();
        println!("{chunks} chunks of shift taken for none, as Linux: {lost}");
        walk_as_we_do(change);
    }
}

#[test]
fn growing_by_less_than_two_chunks_of_shift_has_rows_that_linux_does_not_guard() {
    let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
    let (before, after) = (shape(layout, 3, 32, 32 * 40), shape(layout, 4, 32, 32 * 40));
    let change = Change::new(before, after, Direction::Forward, Shift(-32)).unwrap();
    walk_as_linux(change, Belief::Right).unwrap_err();
    let change = Change::new(before, after, Direction::Forward, Shift(-64)).unwrap();
    walk_as_linux(change, Belief::Right).unwrap();
    let good = Change::in_place(before, after).unwrap().good_shift().unwrap();
    assert!(good.0 >= 64, "what we choose where there is room is safe with Linux too");
}

#[test]
fn what_we_park_at_is_what_linux_would_resume_from() {
    let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
    let (mut early, mut resumable) = (0, 0);
    for (from, to) in [(3, 4), (3, 8), (5, 4), (8, 3)] {
        for chunk in [8, 32] {
            let (before, after) = (shape(layout, from, 16, 640), shape(layout, to, chunk, 640));
            let change = Change::in_place(before, after).unwrap();
            let row = change.larger_chunk().0;
            for at in (0..=change.walk().0).step_by(usize::try_from(change.unit().0).unwrap()) {
                let written = at / (row * u64::from(to - 1)) * row;
                let read = at / (row * u64::from(from - 1)) * row;
                let refused = match change.direction() {
                    Direction::Forward => written >= read,
                    Direction::Backward => written <= read,
                };
                let parking = Progress::at(change, Lba(at)).unwrap().parking();
                let expected = if refused { Parking::TooEarly } else { Parking::Resumable };
                assert_eq!(parking, expected, "{change:?} at {at}");
                match refused {
                    true => early += 1,
                    false => resumable += 1,
                }
            }
        }
    }
    assert!(early > 4 && resumable > 40, "{early}, {resumable}");
}
