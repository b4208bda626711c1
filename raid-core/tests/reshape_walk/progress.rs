//! Positions, windows, and the numbers of the largest arrays.

use proptest::prelude::*;
use raid_core::geometry::{Geometry, Layout, Raid5Layout, Shape};
use raid_core::reshape::{
    Change, Direction, Means, Parking, Position, Progress, Reversal, Routed, Shift, Side, Step,
};
use raid_core::units::{Lba, Sectors};

use crate::pairs::shape;

const LEFT: Layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
const MEANS: Means = Means { load: Sectors(96), window: Sectors(288), backup: Some(Sectors(192)) };

/// Three members become four, shifted by a chunk of 32 sectors.
fn growing() -> Change {
    let (before, after) = (shape(LEFT, 3, 32, 3584), shape(LEFT, 4, 32, 3584));
    Change::new(before, after, Direction::Forward, Shift(-32)).unwrap()
}

fn shrinking() -> Change {
    let (before, after) = (shape(LEFT, 4, 32, 3584), shape(LEFT, 3, 32, 3584));
    Change::new(before, after, Direction::Backward, Shift(32)).unwrap()
}

fn relocate(progress: Progress) -> Progress {
    match progress.next(&MEANS) {
        Step::Relocate(load) => progress.extended(&load).unwrap(),
        step @ (Step::Backup(_) | Step::Publish | Step::Critical { .. } | Step::Finished) => {
            panic!("{step:?}")
        }
    }
}

fn published(progress: Progress) -> Progress {
    assert_eq!(progress.next(&MEANS), Step::Publish);
    progress.recording().published()
}

#[test]
fn a_walk_up_and_a_walk_down_are_mirror_images() {
    let route = |progress: &Progress, at, sectors| {
        let Routed { side, sectors } = progress.route(Lba(at), Sectors(sectors));
        (side, sectors.0)
    };
    let up = relocate(Progress::at(growing(), Lba(960)).unwrap());
    assert_eq!(up.window(), Some((Lba(960), Sectors(96))));
    assert_eq!(route(&up, 900, 300), (Side::Done, 60));
    assert_eq!(route(&up, 960, 300), (Side::Window, 96));
    assert_eq!(route(&up, 1056, 300), (Side::ToDo, 300));
    assert_eq!(up.done(), Sectors(960));
    let down = relocate(Progress::at(shrinking(), Lba(960)).unwrap());
    assert_eq!(down.window(), Some((Lba(896), Sectors(64))));
    assert_eq!(route(&down, 800, 300), (Side::ToDo, 96));
    assert_eq!(route(&down, 896, 300), (Side::Window, 64));
    assert_eq!(route(&down, 960, 300), (Side::Done, 300));
    assert_eq!(down.done(), Sectors(7168 - 960));
    assert_eq!(up.geometry(Side::Done), Some(growing().after()));
    assert_eq!(up.geometry(Side::ToDo), Some(growing().before()));
    assert_eq!(up.geometry(Side::Window), None);
}

#[test]
fn a_checkpoint_that_is_not_recorded_moves_nothing() {
    let safe = Progress::at(growing(), Lba(960)).unwrap();
    let moved = relocate(safe);
    assert_eq!(moved.settled(), Some(safe), "the old rows are whole");
    let recording = moved.recording();
    assert_eq!(recording.safe(), safe.safe());
    assert_eq!(recording.settled(), None, "a member may bear the new position");
    assert_eq!(recording.next(&MEANS), Step::Publish, "nothing but the record ends it");
    assert_eq!(recording.published().safe(), moved.front());
    assert_eq!(moved.backed().settled(), None, "old rows may be overwritten");
    assert_eq!(moved.backed().next(&MEANS), Step::Publish);
}

#[test]
fn a_piece_is_of_one_place_and_of_no_other() {
    let progress = Progress::at(growing(), Lba(960)).unwrap();
    let Step::Relocate(load) = progress.next(&MEANS) else { panic!("a piece") };
    let moved = progress.extended(&load).unwrap();
    assert_eq!(moved.extended(&load), None);
    assert_eq!(Progress::at(growing(), Lba(1056)).unwrap().extended(&load), None);
}

#[test]
fn a_window_is_published_before_it_is_longer_than_the_host_holds() {
    let mut progress = Progress::at(growing(), Lba(96 * 40)).unwrap();
    for _ in 0..3 {
        progress = relocate(progress);
    }
    progress = published(progress);
    assert_eq!(progress.safe().lba(), Lba(96 * 43));
    // At the end there is nothing, and before it what is left.
    let last = Progress::at(growing(), Lba(growing().walk().0 - 96)).unwrap();
    assert_eq!(published(relocate(last)).next(&MEANS), Step::Finished);
}

#[test]
fn resuming_goes_on_where_the_record_says_and_never_begins_again() {
    // There is no way to say where to begin: a position comes from a record or from the change.
    let progress = Progress::at(growing(), Lba(960)).unwrap();
    let Step::Relocate(load) = progress.next(&MEANS) else { panic!("a piece") };
    assert_eq!(load.start(), Lba(960));
    let done = Progress::at(growing(), growing().end()).unwrap();
    assert_eq!(done.next(&MEANS), Step::Finished, "and what is done is done");
}

#[test]
fn a_walk_turns_around_where_both_shapes_have_a_border() {
    let progress = Progress::at(growing(), Lba(960)).unwrap();
    let back = progress.reverted().unwrap();
    assert_eq!((back.safe().lba(), back.change()), (Lba(960), &shrinking()));
    assert_eq!(back.reverted().unwrap(), progress);
    assert_eq!(relocate(progress).reverted(), Err(Reversal::Window));
    let inside = Progress::at(growing(), Lba(96)).unwrap().reverted();
    assert!(matches!(inside, Err(Reversal::Position(_))), "{inside:?}");
    // Beyond the end of the old shape there is nothing to move back.
    let late = Progress::at(growing(), Lba(96 * 100)).unwrap().reverted().unwrap();
    assert_eq!(late, Progress::begin(shrinking()));
}

#[test]
fn a_start_in_the_critical_section_without_its_backup_names_what_is_in_doubt() {
    let (before, after) = (shape(LEFT, 4, 32, 3584), shape(LEFT, 4, 64, 3584));
    let change = Change::in_place(before, after).unwrap();
    let progress = Progress::at(change, Lba(1920)).unwrap();
    assert_eq!(progress.doubtful(), Some((Lba(1920), Sectors(10752 - 1920))));
    assert_eq!(progress.parking(), Parking::InPlace);
    assert_eq!(Progress::at(growing(), Lba(960)).unwrap().doubtful(), None);
    assert_eq!(Progress::at(change, change.end()).unwrap().doubtful(), None);
}

#[test]
fn numbers_of_the_largest_arrays_have_room_or_are_refused() {
    // 64 members of 1 EiB in chunks of 1 GiB.
    let chunk = 1 << 21;
    for size in [1 << 51, 1 << 54, (1 << 57) - (1 << 21)] {
        for (from, to) in [(3, 64), (64, 63), (64, 64)] {
            let other = Layout::Raid5(Raid5Layout::RightAsymmetric);
            let (before, after) = (shape(LEFT, from, 8, size), shape(other, to, chunk, size));
            let change = Change::in_place(before, after).unwrap();
            let common = change.common_rows().unwrap();
            assert_eq!(common.0 % (8 * u64::from(from - 1)), 0);
            assert_eq!(common.0 % (chunk * u64::from(to - 1)), 0);
            assert_eq!(change.least_shift(), Ok(Sectors(chunk)));
            assert!(change.good_shift().unwrap() >= Sectors(2 * chunk));
            let means = Means { load: common, window: common, backup: None };
            let middle = change.walk().0 / 2 / change.unit().0 * change.unit().0;
            for at in [change.start(), Lba(middle), change.end()] {
                let progress = Progress::at(change, at).unwrap();
                // Whatever it is, it is an answer.
                let _: (Step, Parking) = (progress.next(&means), progress.parking());
            }
        }
    }
    let huge = Shape {
        layout: LEFT,
        members: 3,
        chunk: Sectors(8),
        member_size: Sectors((1 << 62) + (1 << 61)),
    };
    let before = Geometry::new(huge).unwrap();
    let other = Layout::Raid5(Raid5Layout::LeftAsymmetric);
    let after = Geometry::new(Shape { layout: other, ..huge }).unwrap();
    let far = Shift(-(1 << 62));
    assert!(Change::new(before, after, Direction::Forward, far).is_ok());
    assert!(Change::new(before, after, Direction::Backward, Shift(1 << 62)).is_err());
}

proptest! {
    #[test]
    fn every_sector_is_on_one_side_and_runs_end_at_borders(
        at in 0_u64..12_000,
        sectors in 1_u64..12_000,
        units in 0_u64..=37,
        pieces in 0_usize..3,
        walk in 0_usize..2,
    ) {
        let change = [growing(), shrinking()][walk];
        let mut progress = Progress::at(change, Lba(units * change.unit().0)).unwrap();
        for _ in 0..pieces {
            if let Step::Relocate(load) = progress.next(&MEANS) {
                progress = progress.extended(&load).unwrap();
            }
        }
        let run = progress.route(Lba(at), Sectors(sectors));
        prop_assert!(run.sectors >= Sectors(1) && run.sectors <= Sectors(sectors));
        let side = |at| progress.route(Lba(at), Sectors(1)).side;
        for inside in [at, at + run.sectors.0 / 2, at + run.sectors.0 - 1] {
            prop_assert_eq!(side(inside), run.side);
        }
        if run.sectors < Sectors(sectors) {
            prop_assert_ne!(side(at + run.sectors.0), run.side);
        }
        let borders: [Position; 2] = [progress.safe(), progress.front()];
        prop_assert_eq!(borders[0] == borders[1], progress.window().is_none());
    }
}
