//! Which devices make an array: by superblocks of the kernel's making, and by tables of what can go
//! wrong.

#![cfg(feature = "md")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod md_fixtures;

use md_fixtures::{parse, set, zeroed};
use proptest::prelude::*;
use raid_core::geometry::{ConfigError, Layout, Raid6Layout};
use raid_core::limits::MEMBERS_MAX;
use raid_core::md::{
    ArrayUuid, Assembly, AssemblyError, Bitmap, CANDIDATES_MAX, Candidate, DeviceFlags, DeviceUuid,
    FaultClass, LeftOut, LeftOutReason, PartialParityLog, RecoveryKind, Replacement, Reshape,
    Superblock, Timestamp, Validity, WriteLog, assemble,
};
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::{Consistency, Record, Shaping};
use raid_core::reshape::Direction;
use raid_core::units::{DeviceIndex, Lba, MemberIndex, Sectors};

const DEVICE_SIZE: Sectors = Sectors(8192);

/// Assembles; device `n` is the `n`th superblock.
fn make(superblocks: &[Superblock]) -> Result<Assembly, AssemblyError> {
    make_sized(superblocks, DEVICE_SIZE)
}

fn make_sized(superblocks: &[Superblock], device_size: Sectors) -> Result<Assembly, AssemblyError> {
    let candidates: Vec<Candidate<'_>> = (0..=u8::MAX)
        .cycle()
        .zip(superblocks)
        .map(|(n, superblock)| Candidate { superblock, device: DeviceIndex(n), device_size })
        .collect();
    assemble(&candidates)
}

fn kernel_made(names: &[&str]) -> Vec<Superblock> {
    names.iter().map(|name| parse(name)).collect()
}

/// The members of a level 5 array of four, all of one record.
fn level5() -> Vec<Superblock> {
    members_of("level5-v1.2", 4)
}

/// The members of a mirror of two.
fn mirror() -> Vec<Superblock> {
    members_of("level1", 2)
}

fn members_of(name: &str, count: u8) -> Vec<Superblock> {
    (0..count)
        .map(|number| Superblock {
            dev_number: number.into(),
            device_uuid: DeviceUuid([number; 16]),
            ..parse(name)
        })
        .collect()
}

/// The superblock with another role for one number.
fn with_role(superblock: &Superblock, number: usize, role: u16) -> Superblock {
    let mut block = zeroed();
    superblock.encode(&mut block);
    let block = set(&block, 0x100 + 2 * number, &role.to_le_bytes());
    Superblock::parse(&block, superblock.super_offset).expect("a role changes nothing else")
}

fn places(set: &[u8]) -> MemberSet {
    set.iter().copied().map(MemberIndex).collect()
}

/// The next record, which calls these places failed.
fn record(superblock: &Superblock, failed: &[u8]) -> Record {
    Record {
        events: superblock.events + 1,
        consistency: Consistency::InSyncTo(Sectors(0)),
        failed: places(failed),
        rebuilding: MemberSet::NONE,
        rebuilt_to: Sectors(0),
        by_intent: MemberSet::NONE,
        replacement: None,
        shaping: Shaping::Fixed,
    }
}

fn now() -> Timestamp {
    Timestamp::new(1_700_000_000, 5).unwrap()
}

fn write(superblocks: &mut [Superblock], to: &[usize], failed: &[u8]) {
    for at in to {
        let record = record(&superblocks[*at], failed);
        superblocks[*at].apply(&record, now());
    }
}

fn reasons(assembly: &Assembly) -> Vec<(u8, LeftOutReason)> {
    assembly.left_out.iter().map(|LeftOut { device, reason }| (device.0, *reason)).collect()
}

fn seated(assembly: &Assembly) -> Vec<Option<u8>> {
    assembly.places.iter().map(|seat| seat.map(|seat| seat.device.0)).collect()
}

#[test]
fn a_degraded_array_of_the_kernels() {
    let array = make(&kernel_made(&["failed-3", "failed-2", "failed-0", "failed-1"])).unwrap();
    assert_eq!(array.geometry.layout(), Layout::Raid6(Raid6Layout::LeftSymmetric));
    assert_eq!(seated(&array), [Some(2), Some(3), None, Some(0)]);
    assert_eq!(reasons(&array), [(1, LeftOutReason::CalledFaulty)]);
    assert_eq!((array.events, array.consistency), (3, Consistency::Clean));
    assert_eq!(array.write_log, WriteLog::Bitmap { offset: 8, kind: Bitmap::Local });
    assert_eq!(array.in_sync(), places(&[0, 1, 3]));
}

#[test]
fn a_recovering_array_of_the_kernels() {
    let names = ["recovering-0", "recovering-1", "recovering-2", "recovering-3"];
    let array = make(&kernel_made(&names)).unwrap();
    assert_eq!(seated(&array), [Some(0), Some(3), Some(2)]);
    let state = array.places[1].unwrap().state;
    assert_eq!(state, MemberState::Rebuilding { valid_to: Sectors(1024) });
    assert_eq!((array.in_sync(), array.present()), (places(&[0, 2]), places(&[0, 1, 2])));
    // Linux marks the number of a removed device as it marks a spare.
    assert_eq!(reasons(&array), [(1, LeftOutReason::NotListed)]);
}

#[test]
fn spares_and_flags_of_the_kernels() {
    let array = make(&kernel_made(&["spare-3", "spare-0", "spare-1", "spare-2"])).unwrap();
    assert_eq!(seated(&array), [Some(1), Some(2), Some(3)]);
    assert_eq!(array.spares.as_slice(), [DeviceIndex(0)]);
    let array = make(&kernel_made(&["mirror-0", "mirror-1"])).unwrap();
    let flags = array.places[1].unwrap().device_flags;
    assert_eq!(flags, DeviceFlags::WRITE_MOSTLY | DeviceFlags::FAIL_FAST);
}

#[test]
fn a_partial_parity_log_is_one_of_level_5() {
    let array = make(&kernel_made(&["ppl-0", "ppl-1", "ppl-2"])).unwrap();
    assert!(matches!(array.write_log, WriteLog::PartialParity { .. }), "{:?}", array.write_log);
}

#[test]
fn the_journal_of_an_array_is_found_whatever_the_order() {
    let names = ["journal-0", "journal-1", "journal-2", "journal-3"];
    let all = kernel_made(&names);
    let assembly = make(&all).unwrap();
    assert_eq!(assembly.write_log, WriteLog::Journal);
    assert_eq!((assembly.journal, assembly.present().count()), (Some(DeviceIndex(3)), 3));
    let turned = kernel_made(&["journal-3", "journal-1", "journal-0", "journal-2"]);
    assert_eq!(make(&turned).unwrap().journal, Some(DeviceIndex(0)));
    // Without it there is an array, which should have one.
    let without = make(&kernel_made(&names[..3])).unwrap();
    assert_eq!((without.journal, without.write_log), (None, WriteLog::Journal));

    // One that missed two records is no journal any more.
    let mut stale = all;
    stale[3].events -= 2;
    let assembly = make(&stale).unwrap();
    assert_eq!(assembly.journal, None);
    let reason = LeftOutReason::Stale { missed: 2 };
    assert_eq!(assembly.left_out[..], [LeftOut { device: DeviceIndex(3), reason }]);

    let mut mirrored = kernel_made(&names);
    for superblock in &mut mirrored {
        superblock.level = 1;
    }
    let error = make(&mirrored).unwrap_err();
    assert_eq!((error, error.class()), (AssemblyError::Journal, FaultClass::Refused));
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let refused = |names: &[&str], error: AssemblyError| {
        assert_eq!(make(&kernel_made(names)).unwrap_err(), error);
        assert_eq!(error.class(), FaultClass::Refused, "{error}");
    };
    let (first, second) = (DeviceIndex(0), DeviceIndex(1));
    refused(&["zones-0", "zones-1"], AssemblyError::Zones { first, second });
    refused(&["linear-0", "linear-1"], AssemblyError::UnsupportedLevel { level: -1 });
    refused(&["reshape-grow"], AssemblyError::ReshapeActive { position: Lba(640) });
    let mut logged = kernel_made(&["ppl-0", "ppl-1", "ppl-2"]);
    for member in &mut logged {
        member.level = 4;
        member.layout = 0;
    }
    assert_eq!(make(&logged).unwrap_err(), AssemblyError::PartialParityLog);
    let mut clustered = mirror();
    for member in &mut clustered {
        member.write_log = WriteLog::Bitmap { offset: 8, kind: Bitmap::Clustered };
    }
    assert_eq!(make(&clustered).unwrap_err(), AssemblyError::Clustered);
}

#[test]
fn one_member_of_any_level_assembles() {
    for (name, members) in
        [("level0", 3), ("level1", 2), ("level5-v1.0", 3), ("level6-v1.1", 4), ("level10-far", 4)]
    {
        let array = make(&[parse(name)]).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(array.geometry.members(), members, "{name}");
        assert_eq!(array.present().count(), 1, "{name}");
    }
}

#[test]
fn order_does_not_matter() {
    let mut array = level5();
    write(&mut array, &[0, 1, 2], &[]);
    let mut order = [0, 1, 2, 3];
    // Heap's algorithm: all 24 orders, one swap apart.
    let mut counters = [0; 4];
    let mut at = 1;
    let mut seen = 1;
    loop {
        let given: Vec<Superblock> = order.iter().map(|at| array[*at].clone()).collect();
        let assembly = make(&given).unwrap();
        for (place, seat) in assembly.places.iter().enumerate() {
            assert_eq!(order[usize::from(seat.unwrap().device.0)], place);
        }
        assert_eq!(order[usize::from(assembly.freshest.0)], 0);
        while at < 4 && counters[at] >= at {
            counters[at] = 0;
            at += 1;
        }
        if at == 4 {
            break;
        }
        order.swap(if at % 2 == 0 { 0 } else { counters[at] }, at);
        counters[at] += 1;
        at = 1;
        seen += 1;
    }
    assert_eq!(seen, 24);
}

#[test]
fn one_record_behind_is_in_and_two_are_out() {
    let mut array = level5();
    write(&mut array, &[0, 2, 3], &[]);
    assert_eq!(make(&array).unwrap().present().count(), 4);
    write(&mut array, &[0, 2, 3], &[]);
    let assembly = make(&array).unwrap();
    assert_eq!(reasons(&assembly), [(1, LeftOutReason::Stale { missed: 2 })]);
    assert_eq!(assembly.present(), places(&[0, 2, 3]));
    // The count is believed at its end too.
    array[0].events = u64::MAX;
    assert_eq!(make(&array).unwrap().present(), places(&[0]));
}

#[test]
fn a_member_that_missed_the_end_of_a_reshape_is_in_if_its_data_stays() {
    let out: &[_] = &[(1, LeftOutReason::Moved)];
    for (new_offset, expected) in [(None, &[][..]), (Some(8), out), (Some(-8), out)] {
        let mut array = level5();
        array[1].reshape = Some(Reshape {
            position: Lba(1000),
            delta_members: 0,
            level: 5,
            layout: 2,
            chunk_sectors: 128,
            direction: Direction::Forward,
            new_offset,
        });
        write(&mut array, &[0, 2, 3], &[]);
        assert_eq!(reasons(&make(&array).unwrap()), expected);
    }
}

#[test]
fn the_freshest_superblock_alone_gives_roles() {
    // A failure was recorded; the failed member is one event behind and calls itself fine.
    let mut array = level5();
    write(&mut array, &[0, 2, 3], &[1]);
    assert_eq!(array[1].events + 1, array[0].events);
    let assembly = make(&array).unwrap();
    assert_eq!(reasons(&assembly), [(1, LeftOutReason::CalledFaulty)]);
    assert_eq!(assembly.consistency, Consistency::InSyncTo(Sectors(0)));
}

#[test]
fn a_crash_between_the_superblock_writes_of_a_failure() {
    // Whichever members the record reached, the others still make the same array.
    for reached in 0_u8..8 {
        let mut array = level5();
        let to: Vec<usize> = [0, 1, 3]
            .into_iter()
            .zip(0..)
            .filter(|(_, bit)| reached >> bit & 1 == 1)
            .map(|(at, _)| at)
            .collect();
        write(&mut array, &to, &[2]);
        let assembly = make(&array).unwrap();
        let expected: &[u8] = if to.is_empty() { &[0, 1, 2, 3] } else { &[0, 1, 3] };
        assert_eq!(assembly.present(), places(expected), "reached {to:?}");
    }
}

#[test]
fn mirrors_that_call_each_other_faulty_are_refused() {
    for (left, right) in [(1, 1), (1, 2), (2, 1), (1, 3), (3, 3), (1, 40)] {
        for gone in [0xfffe_u16, 0xffff] {
            let mut array = mirror();
            array[0] = with_role(&array[0], 1, gone);
            array[1] = with_role(&array[1], 0, gone);
            array[0].events += left;
            array[1].events += right;
            let error = make(&array).unwrap_err();
            assert!(matches!(error, AssemblyError::SplitBrain { .. }), "{left} {right}: {error}");
            assert_eq!(error.class(), FaultClass::Refused);
            // Either half alone is an array, and the choice is the user's.
            assert!(make(&array[..1]).is_ok() && make(&array[1..]).is_ok());
        }
    }
}

#[test]
fn halves_that_went_on_apart_are_never_merged() {
    let base = members_of("level6-v1.1", 4);
    for (left, right) in (1..4).flat_map(|left| (1..4).map(move |right| (left, right))) {
        let mut array = base.clone();
        for _ in 0..left {
            write(&mut array, &[0, 1], &[2, 3]);
        }
        for _ in 0..right {
            write(&mut array, &[2, 3], &[0, 1]);
        }
        for subset in 1_usize..16 {
            let given: Vec<Superblock> =
                (0..4).filter(|at| subset >> at & 1 == 1).map(|at| array[at].clone()).collect();
            let mixed = subset & 3 != 0 && subset & 12 != 0;
            match make(&given) {
                Err(AssemblyError::SplitBrain { .. }) => {
                    assert!(mixed, "{left} {right} {subset:b}");
                }
                Err(error) => panic!("{left} {right} {subset:b}: {error}"),
                Ok(assembly) => {
                    assert!(!mixed, "{left} {right} {subset:b}: halves were merged");
                    assert_eq!(assembly.present().count() as usize, given.len());
                }
            }
        }
    }
}

#[test]
fn superblocks_of_one_age_must_agree_on_every_member_given() {
    // One says that 2 failed, the others that it is a member: they are not of one record.
    for teller in [0, 1, 3] {
        let mut array = level5();
        array[teller] = with_role(&array[teller], 2, 0xfffe);
        let error = make(&array).unwrap_err();
        assert!(matches!(error, AssemblyError::SplitBrain { .. }), "{teller}: {error}");
        // Without 2 there is nothing to settle.
        array.remove(2);
        assert_eq!(make(&array).unwrap().present(), places(&[0, 1, 3]));
    }
}

#[test]
fn a_member_that_failed_long_ago_is_no_split_brain() {
    // 1 fails, later 2 fails; 2 calls 1 faulty, 1 calls nobody so. Both are merely out.
    let mut array = members_of("level6-v1.1", 4);
    write(&mut array, &[0, 2, 3], &[1]);
    write(&mut array, &[0, 3], &[2]);
    let assembly = make(&array).unwrap();
    assert_eq!(assembly.present(), places(&[0, 3]));
    let out = [(1, LeftOutReason::CalledFaulty), (2, LeftOutReason::CalledFaulty)];
    assert_eq!(reasons(&assembly), out);
}

#[test]
fn doubles_are_refused() {
    let mut array = level5();
    array.push(array[2].clone());
    let double = |array: &[Superblock]| make(array).unwrap_err();
    let twice = AssemblyError::DuplicateDevice {
        first: DeviceIndex(2),
        second: DeviceIndex(4),
        uuid: DeviceUuid([2; 16]),
    };
    assert_eq!(double(&array), twice);
    // An old copy is a copy.
    array[4].events -= 7;
    assert_eq!(double(&array), twice);
    // A copy under another identity still claims the place.
    array[4] = Superblock { device_uuid: DeviceUuid([9; 16]), ..array[2].clone() };
    let (place, first, second) = (MemberIndex(2), DeviceIndex(2), DeviceIndex(4));
    assert_eq!(double(&array), AssemblyError::DuplicatePlace { place, first, second });
    // An old device whose number was given again is merely stale.
    array[4].events -= 7;
    assert_eq!(reasons(&make(&array).unwrap()), [(4, LeftOutReason::Stale { missed: 7 })]);
}

#[test]
fn a_device_given_twice_is_refused() {
    let array = mirror();
    let candidate = |at: usize| Candidate {
        superblock: &array[at],
        device: DeviceIndex(0),
        device_size: DEVICE_SIZE,
    };
    let error = assemble(&[candidate(0), candidate(1)]).unwrap_err();
    assert!(matches!(error, AssemblyError::DuplicateDevice { .. }));
}

#[test]
fn members_of_two_arrays_are_refused_by_name() {
    let mut array = level5();
    array[3].array_uuid = ArrayUuid([0xab; 16]);
    let error = make(&array).unwrap_err();
    assert_eq!(error.class(), FaultClass::BadInput);
    let line = error.to_string();
    assert!(line.contains("abababab:abababab:abababab:abababab"), "{line}");
    assert!(line.contains(&array[0].array_uuid.to_string()), "{line}");
}

#[test]
fn superblocks_of_one_age_must_agree() {
    type Change = fn(&mut Superblock);
    let changes: [(&str, Change); 6] = [
        ("level", |s| s.level = 4),
        ("layout", |s| s.layout = 3),
        ("size", |s| s.member_size = Sectors(1016)),
        ("chunksize", |s| s.chunk_sectors = 16),
        ("raid_disks", |s| s.members = 5),
        ("feature_map", |s| s.write_log = WriteLog::Bitmap { offset: 8, kind: Bitmap::Local }),
    ];
    for (name, change) in changes {
        let mut array = level5();
        change(&mut array[3]);
        let (first, second) = (DeviceIndex(0), DeviceIndex(3));
        let expected = AssemblyError::Disagreement { field: name, first, second };
        assert_eq!(make(&array).unwrap_err(), expected);
        // An older superblock may well differ: its word does not count.
        array[3].events -= 1;
        assert_eq!(make(&array).unwrap().present().count(), 4, "{name}");
    }
}

#[test]
fn a_device_that_was_cut_is_left_out() {
    let array = level5();
    assert_eq!(make_sized(&array, Sectors(1280)).unwrap().present().count(), 4);
    let error = make_sized(&array, Sectors(1279)).unwrap_err();
    assert_eq!((error, error.class()), (AssemblyError::NoMembers, FaultClass::Refused));
    let mut array = array;
    array[1].data_size = Sectors(1000);
    let (needs, has) = (Sectors(1024), Sectors(1000));
    let reason = LeftOutReason::TooSmall { needs, has };
    assert_eq!(reasons(&make(&array).unwrap()), [(1, reason)]);
    // 1.0 lies behind the data and is cut off with the end of the device.
    let error = make_sized(&[parse("level5-v1.0")], Sectors(1264)).unwrap_err();
    assert_eq!(error, AssemblyError::NoMembers);
}

#[test]
fn a_place_must_be_confirmed_by_its_device() {
    // A spare was given place 1 in the last record, and the crash came before its own superblock.
    let mut array = level5();
    array[1] = with_role(&array[1], 1, 0xffff);
    array[1].events -= 1;
    let reason = LeftOutReason::Unconfirmed { place: 1 };
    assert_eq!(reasons(&make(&array).unwrap()), [(1, reason)]);
    // Nor is it a member if it believes in another place.
    array[1] = with_role(&array[1], 1, 7);
    assert_eq!(reasons(&make(&array).unwrap()), [(1, reason)]);
}

#[test]
fn a_replacement_alone_has_the_place_and_places_outside_are_left_out() {
    let mut array = level5();
    array[2].replacement = Replacement::Yes;
    array[2].validity = Validity::Below { valid_to: Sectors(64), kind: RecoveryKind::Full };
    let made = make(&array).unwrap();
    assert_eq!((reasons(&made), made.replacement), (vec![], None));
    let state = made.places[2].unwrap().state;
    assert_eq!(state, MemberState::Rebuilding { valid_to: Sectors(64) });
    let mut array: Vec<Superblock> =
        level5().iter().map(|member| with_role(member, 3, 0xfeff)).collect();
    assert_eq!(
        reasons(&make(&array).unwrap()),
        [(3, LeftOutReason::BeyondShape { place: 0xfeff })]
    );
    for member in &mut array {
        member.members = 65_536;
    }
    assert_eq!(make(&array).unwrap_err(), AssemblyError::TooManyMembers { members: 65_536 });
}

#[test]
fn a_member_in_recovery_is_valid_below_its_mark() {
    let mut array = level5();
    for kind in [RecoveryKind::Full, RecoveryKind::ByBitmap] {
        array[1].validity = Validity::Below { valid_to: Sectors(u64::MAX), kind };
        let state = make(&array).unwrap().places[1].unwrap().state;
        assert_eq!(state, MemberState::Rebuilding { valid_to: Sectors(u64::MAX) });
    }
}

#[test]
fn nothing_and_too_much() {
    assert_eq!(make(&[]).unwrap_err(), AssemblyError::NoCandidates);
    let many = vec![parse("level1"); CANDIDATES_MAX + 1];
    let count = CANDIDATES_MAX + 1;
    assert_eq!(
        make(&many).unwrap_err(),
        AssemblyError::TooManyCandidates { count, max: CANDIDATES_MAX }
    );
    let mut array = level5();
    for member in &mut array {
        member.members = u32::try_from(MEMBERS_MAX).unwrap() + 1;
    }
    let error = make(&array).unwrap_err();
    assert_eq!(
        (error.class(), matches!(error, AssemblyError::TooManyMembers { .. })),
        (FaultClass::Refused, true)
    );
}

#[test]
fn impossible_shapes_are_bad_input_and_foreign_ones_refused() {
    let shape = |change: fn(&mut Superblock)| {
        let mut array = level5();
        array.iter_mut().for_each(change);
        let error = make(&array).unwrap_err();
        let AssemblyError::Shape(shape) = error else { panic!("{error}") };
        (shape, error.class())
    };
    let (error, class) = shape(|s| s.level = 7);
    assert_eq!((error, class), (ConfigError::UnknownLevel { level: 7 }, FaultClass::BadInput));
    let (_, class) = shape(|s| s.layout = 6);
    assert_eq!(class, FaultClass::BadInput);
    let (_, class) = shape(|s| s.chunk_sectors = 24);
    assert_eq!(class, FaultClass::Refused);
    // No chunk at level 0: the size cannot be cut to whole chunks either.
    let (_, class) = shape(|s| (s.level, s.chunk_sectors) = (0, 0));
    assert_eq!(class, FaultClass::Refused);
}

#[test]
fn level_0_needs_even_members_in_whole_chunks() {
    let mut array = members_of("level0", 3);
    array[1].data_size = Sectors(1024 + 31);
    // Linux writes all ones where no layout is said.
    array.iter_mut().for_each(|member| member.layout = u32::MAX);
    assert_eq!(make(&array).unwrap().geometry.size(), Sectors(3 * 1024));
    array[1].data_size = Sectors(1024 + 32);
    assert!(matches!(make(&array).unwrap_err(), AssemblyError::Zones { .. }));
}

#[test]
fn a_record_changes_what_it_says_and_nothing_else() {
    let before = parse("failed-0");
    let mut after = before.clone();
    let record = record(&before, &[1, 60]);
    after.apply(&record, now());
    let mut expected = with_role(&before, 1, 0xfffe);
    expected.events = 4;
    expected.consistency = Consistency::InSyncTo(Sectors(0));
    expected.update_time = now();
    assert_eq!(after, expected);
    // Once more changes nothing: a record can be written again after a crash.
    after.apply(&record, now());
    assert_eq!(after, expected);
}

/// Values that fields have at their ends.
fn extreme() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(1 << 63), 0_u64..70_000, any::<u64>()]
}

proptest! {
    #[test]
    fn no_superblock_makes_assembly_panic(
        changes in proptest::collection::vec(
            (0_usize..4, 0_usize..0x108, 1_usize..9, extreme()),
            0..8,
        ),
        sizes in proptest::collection::vec(extreme(), 4),
        log in 0_u8..3,
    ) {
        let mut array = level5();
        for member in &mut array {
            member.write_log = match log {
                0 => WriteLog::None,
                1 => WriteLog::Bitmap { offset: -1, kind: Bitmap::Local },
                _ => WriteLog::PartialParity {
                    offset: 0,
                    sectors: 0,
                    kind: PartialParityLog::Single,
                },
            };
        }
        for (member, offset, length, value) in changes {
            let mut block = zeroed();
            array[member].encode(&mut block);
            let block = set(&block, offset, &value.to_le_bytes()[..length]);
            if let Ok(changed) = Superblock::parse(&block, array[member].super_offset) {
                array[member] = changed;
            }
        }
        let candidates: Vec<Candidate<'_>> = (0..)
            .zip(array.iter().zip(&sizes))
            .map(|(n, (superblock, size))| Candidate {
                superblock, device: DeviceIndex(n), device_size: Sectors(*size),
            })
            .collect();
        match assemble(&candidates) {
            Ok(assembly) => {
                // Each device is in one place, and only one.
                let seats = assembly.present().count() as usize;
                prop_assert!(seats >= 1);
                prop_assert_eq!(seats + assembly.spares.len() + assembly.left_out.len(), 4);
                prop_assert_eq!(assembly.places.len(), usize::from(assembly.geometry.members()));
            }
            Err(error) => prop_assert!(!error.to_string().contains('\n')),
        }
    }
}
