//! Reshapes in md superblocks: those that the kernel left half done, and ours.

#![cfg(feature = "md")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod reshape_fixtures;

use proptest::prelude::*;
use raid_core::geometry::{Geometry, Layout, Raid5Layout, Shape};
use raid_core::md::{
    AssemblyError, BeginError, Candidate, HalfDoneError, LeftOutReason, ReshapeError, Superblock,
    Which, assemble, assemble_reshape,
};
use raid_core::reshape::{
    Change, ChangeError, Direction, Means, Parking, PositionError, Progress, Room, Shift, Step,
};
use raid_core::units::{DeviceIndex, DeviceSector, Lba, MemberIndex, Sectors};
use reshape_fixtures::{Golden, all, block};
use std::sync::LazyLock;

fn golden(name: &str) -> Golden {
    all().into_iter().find(|golden| golden.name == name).unwrap()
}

#[test]
fn what_linux_left_half_done_is_understood() {
    let found: Vec<_> = all()
        .iter()
        .map(|golden| {
            let array = golden.without(&[]).unwrap();
            let progress = array.progress;
            let change = progress.change();
            let shapes = (change.before().members(), change.after().members());
            let chunks = (change.before().chunk().0, change.after().chunk().0);
            let way = (change.direction(), change.shift().0);
            (golden.name.clone(), shapes, chunks, way, progress.safe().lba().0, progress.parking())
        })
        .collect();
    let expected = [
        ("chunk-r5-16to32", (4, 4), (32, 64), (Direction::Forward, -256), 9984),
        ("grow-r5-3to4", (3, 4), (32, 32), (Direction::Forward, -96), 768),
        ("grow-r6-4to6", (4, 6), (32, 32), (Direction::Forward, -64), 640),
        ("shrink-r6-5to4", (5, 4), (32, 32), (Direction::Backward, 0), 3072),
    ];
    for (name, shapes, chunks, way, at) in expected {
        let expected = (name.into(), shapes, chunks, way, at, Parking::Resumable);
        assert!(found.contains(&expected), "{expected:?} in {found:?}");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn what_linux_left_half_done_is_read_in_both_shapes() {
    for golden in all() {
        assert_eq!(golden.digest(&golden.without(&[]).unwrap()), golden.md5, "{}", golden.name);
        for missing in 0..u8::try_from(golden.images.len()).unwrap() {
            let array = golden.without(&[missing]).unwrap();
            let digest = golden.digest(&array);
            assert_eq!(digest, golden.md5, "{} without {missing}", golden.name);
        }
    }
}

#[test]
fn superblocks_of_a_reshape_go_there_and_back_byte_for_byte() {
    for golden in all() {
        for (image, superblock) in golden.images.iter().zip(&golden.superblocks) {
            let mut copy = *block(image);
            superblock.encode(&mut copy);
            assert_eq!(&copy, block(image), "{}", golden.name);
        }
    }
}

#[test]
fn too_few_members_for_either_shape_are_refused() {
    let short = |name, missing: &[u8]| match golden(name).without(missing) {
        Err(HalfDoneError::Reshape(ReshapeError::TooFewMembers { shape, missing, bears })) => {
            (shape, missing, bears)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(short("grow-r5-3to4", &[0, 1]), (Which::Before, 2, 1));
    // The old shape lacks one, the new one two.
    assert_eq!(short("grow-r5-3to4", &[0, 3]), (Which::After, 2, 1));
    assert_eq!(short("grow-r6-4to6", &[0, 4, 5]), (Which::After, 3, 2));
    assert_eq!(short("shrink-r6-5to4", &[0, 1, 4]), (Which::Before, 3, 2));
    assert_eq!(short("chunk-r5-16to32", &[2, 3]), (Which::Before, 2, 1));
}

/// The outcome after a change to one superblock.
fn with(name: &str, number: usize, edit: impl Fn(&mut Superblock)) -> Result<(), HalfDoneError> {
    let mut golden = golden(name);
    edit(&mut golden.superblocks[number]);
    golden.without(&[]).map(drop)
}

/// The outcome after a change to all superblocks.
fn with_all(name: &str, edit: impl Fn(&mut Superblock)) -> Result<(), HalfDoneError> {
    let mut golden = golden(name);
    golden.superblocks.iter_mut().for_each(edit);
    golden.without(&[]).map(drop)
}

fn reshape_of(superblock: &mut Superblock) -> &mut raid_core::md::Reshape {
    superblock.reshape.as_mut().unwrap()
}

#[test]
fn a_position_that_no_walk_has_is_an_error_and_no_panic() {
    for at in [1, 767, 800] {
        let error = with_all("grow-r5-3to4", |sb| reshape_of(sb).position = Lba(at));
        let unaligned = PositionError::Unaligned { position: Lba(at), unit: Sectors(96) };
        assert_eq!(error, Err(HalfDoneError::Reshape(ReshapeError::Position(unaligned))));
    }
    for at in [96 * 1000, u64::MAX] {
        let error = with_all("grow-r5-3to4", |sb| reshape_of(sb).position = Lba(at));
        let outside = PositionError::Outside { position: Lba(at), end: Lba(3584 * 3) };
        assert_eq!(error, Err(HalfDoneError::Reshape(ReshapeError::Position(outside))));
    }
    // As mdadm's revert leaves it: the shapes change sides, and the position does not fit them.
    let error = with_all("shrink-r6-5to4", |sb| {
        sb.members = 5;
        reshape_of(sb).delta_members = 1;
        reshape_of(sb).direction = Direction::Forward;
        reshape_of(sb).position = Lba(3072 + 32);
    });
    let unaligned = PositionError::Unaligned { position: Lba(3104), unit: Sectors(96) };
    assert_eq!(error, Err(HalfDoneError::Reshape(ReshapeError::Position(unaligned))));
}

#[test]
fn a_reshape_on_record_that_cannot_be_is_refused() {
    let level = with_all("grow-r5-3to4", |sb| reshape_of(sb).level = 6);
    let pending = ReshapeError::LevelPending { from: 5, to: 6 };
    assert_eq!(level, Err(HalfDoneError::Reshape(pending)));
    let members = with_all("grow-r5-3to4", |sb| reshape_of(sb).delta_members = 5);
    let none = ReshapeError::Members { members: u32::MAX };
    assert_eq!(members, Err(HalfDoneError::Reshape(none)));
    let chunk = with_all("grow-r5-3to4", |sb| reshape_of(sb).chunk_sectors = 0);
    assert!(matches!(chunk, Err(HalfDoneError::Reshape(ReshapeError::After(_)))), "{chunk:?}");
    let chunk = with_all("grow-r5-3to4", |sb| reshape_of(sb).chunk_sectors = 1024);
    let uneven = ChangeError::UnevenMembers { used: Sectors(3584), fits: Sectors(3072) };
    assert_eq!(chunk, Err(HalfDoneError::Reshape(ReshapeError::Change(uneven))));
    let same = with_all("grow-r5-3to4", |sb| reshape_of(sb).delta_members = 0);
    let nothing = ReshapeError::Change(ChangeError::Nothing);
    assert_eq!(same, Err(HalfDoneError::Reshape(nothing)));
    let up = with_all("grow-r5-3to4", |sb| reshape_of(sb).new_offset = Some(96));
    let behind = ReshapeError::NoRoom { device: DeviceIndex(0), shift: Shift(96) };
    assert_eq!(up, Err(HalfDoneError::Reshape(behind)));
    let down = with_all("shrink-r6-5to4", |sb| reshape_of(sb).new_offset = Some(-32));
    let against =
        ChangeError::AgainstDirection { direction: Direction::Backward, shift: Shift(-32) };
    assert_eq!(down, Err(HalfDoneError::Reshape(ReshapeError::Change(against))));
    let far = with("grow-r5-3to4", 1, |sb| reshape_of(sb).new_offset = Some(-500));
    let no_room = ReshapeError::NoRoom { device: DeviceIndex(1), shift: Shift(-500) };
    assert_eq!(far, Err(HalfDoneError::Reshape(no_room)));
    let log = with_all("grow-r5-3to4", |sb| sb.write_log = raid_core::md::WriteLog::Journal);
    assert_eq!(log, Err(HalfDoneError::Assembly(AssemblyError::Journal)));
    let no_reshape = with_all("grow-r5-3to4", |sb| sb.reshape = None);
    assert_eq!(no_reshape, Err(HalfDoneError::Reshape(ReshapeError::None)));
}

#[test]
fn members_that_disagree_on_the_reshape_are_refused() {
    let differs = |edit: &dyn Fn(&mut Superblock)| match with("grow-r6-4to6", 2, edit) {
        Err(HalfDoneError::Reshape(ReshapeError::Disagreement { field, device })) => {
            assert_eq!(device, DeviceIndex(2));
            field
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(differs(&|sb| reshape_of(sb).chunk_sectors = 64), "new_chunk");
    assert_eq!(differs(&|sb| reshape_of(sb).layout = 3), "new_layout");
    assert_eq!(differs(&|sb| reshape_of(sb).delta_members = 1), "delta_disks");
    assert_eq!(differs(&|sb| reshape_of(sb).position = Lba(512)), "reshape_position");
}

#[test]
fn a_member_that_missed_a_checkpoint_goes_by_the_freshest() {
    let mut golden = golden("grow-r5-3to4");
    let sb = &mut golden.superblocks[1];
    sb.events -= 1;
    reshape_of(sb).position = Lba(672);
    let array = golden.without(&[]).unwrap();
    assert_eq!(array.progress.safe().lba(), Lba(768));
    assert_eq!(golden.digest(&array), golden.md5);
    // Two, and it is out.
    golden.superblocks[1].events -= 1;
    let array = golden.without(&[]).unwrap();
    assert_eq!(array.assembly.left_out[0].reason, LeftOutReason::Stale { missed: 2 });
    assert_eq!(golden.digest(&array), golden.md5);
}

#[test]
fn a_start_that_is_not_on_record_everywhere_can_only_be_cancelled() {
    let mut golden = golden("chunk-r5-16to32");
    for sb in &mut golden.superblocks {
        reshape_of(sb).position = Lba(0);
    }
    golden.superblocks[3].reshape = None;
    golden.superblocks[3].events -= 1;
    let error = golden.without(&[]).map(drop);
    let start = ReshapeError::StartNotEverywhere { device: DeviceIndex(3), position: Lba(0) };
    assert_eq!(error, Err(HalfDoneError::Reshape(start)));
    golden.superblocks.iter_mut().for_each(Superblock::cancel_reshape);
    golden.superblocks.iter_mut().for_each(|sb| sb.events = 40);
    assert_eq!(assembled(&golden.superblocks).chunk(), Sectors(32));
}

#[test]
fn the_member_that_moves_least_decides() {
    let mut golden = golden("grow-r5-3to4");
    reshape_of(&mut golden.superblocks[2]).new_offset = Some(-32);
    let array = golden.without(&[]).unwrap();
    assert_eq!(array.progress.change().shift(), Shift(-32));
    assert_eq!(array.new_data[2], Some(DeviceSector(480)));
    assert_eq!(array.new_data[1], Some(DeviceSector(416)));
}

fn assembled(superblocks: &[Superblock]) -> Geometry {
    let device_size = Sectors(4096);
    let candidates: Vec<Candidate<'_>> = (0..=u8::MAX)
        .zip(superblocks)
        .map(|(n, superblock)| Candidate { superblock, device: DeviceIndex(n), device_size })
        .collect();
    assemble(&candidates).unwrap().geometry
}

fn walked(superblocks: &[Superblock]) -> Progress {
    try_to_walk(superblocks).unwrap()
}

fn try_to_walk(superblocks: &[Superblock]) -> Result<Progress, HalfDoneError> {
    let device_size = Sectors(4096);
    let candidates: Vec<Candidate<'_>> = (0..=u8::MAX)
        .zip(superblocks)
        .map(|(n, superblock)| Candidate { superblock, device: DeviceIndex(n), device_size })
        .collect();
    assemble_reshape(&candidates).map(|half_done| half_done.progress)
}

fn geometry(members: u8, chunk: u64) -> Geometry {
    let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
    let member_size = Sectors(3584);
    Geometry::new(Shape { layout, members, chunk: Sectors(chunk), member_size }).unwrap()
}

/// The array that the kernel grew, as it was before: three members and a spare.
fn before_growing() -> (Golden, Vec<Superblock>) {
    let golden = golden("grow-r5-3to4");
    let mut superblocks = golden.superblocks.clone();
    superblocks.iter_mut().for_each(Superblock::cancel_reshape);
    assert_eq!(assembled(&superblocks), geometry(3, 32));
    (golden, superblocks)
}

#[test]
fn our_start_is_on_record_as_linux_has_it() {
    let (golden, mut superblocks) = before_growing();
    let change =
        Change::new(geometry(3, 32), geometry(4, 32), Direction::Forward, Shift(-96)).unwrap();
    for sb in &mut superblocks {
        sb.begin_reshape(&change, Shift(-96), &[(3, MemberIndex(3))]).unwrap();
        assert_eq!(reshape_of(sb).position, Lba(0));
    }
    let begun = walked(&superblocks);
    assert_eq!(begun, Progress::begin(change));
    // Up to where the kernel was, and byte for byte what it wrote.
    let there = Progress::at(change, Lba(768)).unwrap();
    for ((sb, kernel), image) in superblocks.iter_mut().zip(&golden.superblocks).zip(&golden.images)
    {
        sb.checkpoint_reshape(there.safe().lba());
        assert_eq!(sb, kernel);
        let mut copy = *block(image);
        sb.encode(&mut copy);
        assert_eq!(&copy, block(image));
    }
}

#[test]
fn a_finished_reshape_is_an_array_of_the_new_shape() {
    let mut grown = golden("grow-r5-3to4").superblocks;
    grown.iter_mut().for_each(Superblock::finish_reshape);
    assert_eq!(assembled(&grown), geometry(4, 32));
    assert_eq!(grown[0].data_offset, DeviceSector(416));
    assert_eq!(grown[0].data_size, Sectors(3584 + 96));
    let mut shrunk = golden("shrink-r6-5to4").superblocks;
    shrunk.iter_mut().for_each(Superblock::finish_reshape);
    assert_eq!(assembled(&shrunk).members(), 4);
    assert_eq!(shrunk[4].own_role(), raid_core::md::DeviceRole::Spare);
    let mut chunk = golden("chunk-r5-16to32").superblocks;
    chunk.iter_mut().for_each(Superblock::finish_reshape);
    assert_eq!(assembled(&chunk), geometry(4, 64));
    // A device that missed the end cannot say where its data lies.
    let mut late = golden("grow-r5-3to4").superblocks;
    for sb in &mut late[1..] {
        sb.finish_reshape();
        sb.events += 1;
    }
    let device_size = Sectors(4096);
    let candidates: Vec<Candidate<'_>> = (0..=u8::MAX)
        .zip(&late)
        .map(|(n, superblock)| Candidate { superblock, device: DeviceIndex(n), device_size })
        .collect();
    assert_eq!(assemble(&candidates).unwrap().left_out[0].reason, LeftOutReason::Moved);
}

#[test]
fn a_cancelled_reshape_is_the_array_as_it_was() {
    let (_, before) = before_growing();
    let mut superblocks = before.clone();
    let change = Change::in_place(geometry(3, 32), geometry(4, 32)).unwrap();
    for sb in &mut superblocks {
        sb.begin_reshape(&change, Shift::NONE, &[(3, MemberIndex(3))]).unwrap();
    }
    assert_ne!(superblocks, before);
    superblocks.iter_mut().for_each(Superblock::cancel_reshape);
    assert_eq!(superblocks, before);
}

#[test]
fn a_start_that_cannot_be_changes_no_superblock() {
    let (_, before) = before_growing();
    let refuse = |change: &Change, shift| {
        let mut sb = before[0].clone();
        let error = sb.begin_reshape(change, shift, &[]).unwrap_err();
        assert_eq!(sb, before[0]);
        error
    };
    let change = Change::in_place(geometry(3, 32), geometry(4, 32)).unwrap();
    let room = before[0].room();
    assert_eq!(room, Room { before: Sectors(512 - 80), behind: Sectors::ZERO });
    for far in [-433, 1] {
        let shift = Shift(far);
        assert_eq!(refuse(&change, shift), BeginError::NoRoom { shift, room });
    }
    let shift = Shift(i64::from(i32::MIN) - 1);
    assert_eq!(refuse(&change, shift), BeginError::Shift { shift });
    let other = Change::in_place(geometry(5, 32), geometry(4, 32)).unwrap();
    assert_eq!(refuse(&other, Shift::NONE), BeginError::OtherShape);
    let mut under_way = golden("grow-r5-3to4").superblocks[0].clone();
    let error = under_way.begin_reshape(&change, Shift::NONE, &[]);
    assert_eq!(error, Err(BeginError::UnderWay));
}

#[test]
fn the_shrink_that_linux_left_needs_a_backup_at_its_end_and_parks_before() {
    let mut progress = golden("shrink-r6-5to4").without(&[]).unwrap().progress;
    let means = Means { load: Sectors(640), window: Sectors(1024), backup: None };
    let mut steps = 0;
    let critical = loop {
        steps += 1;
        assert!(steps < 1000, "the walk does not end");
        progress = match progress.next(&means) {
            Step::Relocate(load) => progress.extended(&load).unwrap(),
            Step::Publish => progress.recording().published(),
            step @ (Step::Backup(_) | Step::Critical { .. } | Step::Finished) => break step,
        };
    };
    // The three data blocks of an old row need a row and a half of two: one unit is left.
    assert_eq!(critical, Step::Critical { shift: Sectors(32), backup: Sectors(192) });
    assert_eq!(progress.parking(), Parking::Resumable);
    assert!(progress.safe().lba() <= Lba(192), "{:?}", progress.safe());
    let backup = Some(Sectors(192));
    assert!(matches!(progress.next(&Means { backup, ..means }), Step::Backup(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever superblocks say of a reshape, it is refused, or a walk that answers every question.
    #[test]
    fn no_reshape_on_record_makes_the_walk_panic(
        which in 0_usize..4,
        fields in proptest::collection::vec((0_usize..8, any::<u64>()), 1..4),
        small in any::<bool>(),
        at in any::<u64>(),
    ) {
        static FOUND: LazyLock<Vec<Vec<Superblock>>> =
            LazyLock::new(|| all().into_iter().map(|golden| golden.superblocks).collect());
        let mut superblocks = FOUND[which].clone();
        for sb in &mut superblocks {
            for (field, value) in &fields {
                let value = if small { value % 4096 } else { *value };
                let [a, b, c, d, ..] = value.to_le_bytes();
                let word = u32::from_le_bytes([a, b, c, d]);
                match field {
                    0 => reshape_of(sb).position = Lba(value),
                    1 => reshape_of(sb).delta_members = word.cast_signed(),
                    2 => reshape_of(sb).layout = word,
                    3 => reshape_of(sb).chunk_sectors = word,
                    4 => reshape_of(sb).new_offset = Some(word.cast_signed()),
                    5 => sb.member_size = Sectors(value),
                    6 => sb.members = word,
                    _ => sb.data_size = Sectors(value),
                }
            }
        }
        if let Ok(progress) = try_to_walk(&superblocks) {
            let backup = Some(Sectors(at));
            let means = Means { load: Sectors(at), window: Sectors(at), backup };
            let moved = match progress.next(&means) {
                Step::Relocate(load) | Step::Backup(load) => progress.extended(&load),
                Step::Publish | Step::Critical { .. } | Step::Finished => Some(progress),
            };
            let moved = moved.expect("a piece of this walk");
            prop_assert!(moved.route(Lba(at), Sectors(u64::MAX)).sectors > Sectors::ZERO);
            let _ = (moved.parking(), moved.doubtful(), moved.reverted(), moved.done());
        }
    }
}
