//! What can be an array and what cannot; layouts by md's numbers and names.

use proptest::prelude::*;
use raid_core::geometry::{
    ChunkAddress, ConfigError, Geometry, Layout, Raid5Layout, Raid6Layout, Raid10Layout,
    RowAddress, Shape, Spread,
};
use raid_core::limits::{CHUNK_SECTORS_MAX, CHUNK_SECTORS_MIN, MEMBERS_MAX};
use raid_core::members::MemberSet;
use raid_core::units::{
    ChunkIndex, DataIndex, Lba, MemberIndex, MemberSector, Sectors, StripeRow, SyndromeIndex,
};

use super::numbers::{MEMBERS_LIMIT, allowed};

const CHUNK: Sectors = Sectors(128);
const RAID5: Layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
const RAID6: Layout = Layout::Raid6(Raid6Layout::LeftSymmetric);

const fn raid10(near: u8, far: u8, spread: Spread) -> Layout {
    Layout::Raid10(Raid10Layout { near, far, spread })
}

const fn shape(layout: Layout, members: u8) -> Shape {
    Shape { layout, members, chunk: CHUNK, member_size: Sectors(1 << 20) }
}

/// What a shape is refused for. More members than the build has come first, so they hide the rest.
fn refused(shape: Shape) -> Option<ConfigError> {
    if !allowed(shape.members) {
        let error = Geometry::new(shape).unwrap_err();
        let expected = ConfigError::TooManyMembers { members: shape.members, max: MEMBERS_MAX };
        assert_eq!(error, expected);
        return None;
    }
    Geometry::new(shape).err()
}

#[track_caller]
fn refuses(shape: Shape, expected: ConfigError) {
    if allowed(shape.members) {
        assert_eq!(Geometry::new(shape), Err(expected));
    }
}

#[test]
fn the_fewest_members_are_those_of_md() {
    let fewest = [
        (Layout::Raid0, 1),
        (Layout::Raid1, 1),
        (Layout::Raid4, 2),
        (RAID5, 2),
        (RAID6, 4),
        (raid10(2, 1, Spread::Zones), 2),
        (raid10(1, 3, Spread::Zones), 3),
    ];
    for (layout, min) in fewest {
        assert_eq!(refused(shape(layout, min)), None, "{layout} with {min}");
    }
    refuses(shape(Layout::Raid0, 0), ConfigError::TooFewMembers { members: 0, min: 1 });
    refuses(shape(Layout::Raid1, 0), ConfigError::TooFewMembers { members: 0, min: 1 });
    refuses(shape(Layout::Raid4, 1), ConfigError::TooFewMembers { members: 1, min: 2 });
    refuses(shape(RAID5, 1), ConfigError::TooFewMembers { members: 1, min: 2 });
    refuses(shape(RAID6, 3), ConfigError::TooFewMembers { members: 3, min: 4 });
    for layout in Raid6Layout::ALL.map(Layout::Raid6) {
        for members in 0..4 {
            refuses(shape(layout, members), ConfigError::TooFewMembers { members, min: 4 });
        }
    }
    let layout = raid10(2, 1, Spread::Zones);
    refuses(shape(layout, 0), ConfigError::TooFewMembers { members: 0, min: 1 });
}

#[test]
fn the_most_members_are_those_of_the_build() {
    assert_eq!(refused(shape(RAID5, MEMBERS_LIMIT)), None);
    assert_eq!(refused(shape(Layout::Raid1, MEMBERS_LIMIT)), None);
    if let Some(members) = MEMBERS_LIMIT.checked_add(1) {
        let error = ConfigError::TooManyMembers { members, max: MEMBERS_MAX };
        for layout in [Layout::Raid0, Layout::Raid1, Layout::Raid4, RAID5, RAID6] {
            assert_eq!(Geometry::new(shape(layout, members)), Err(error));
        }
    }
}

#[test]
fn chunks_are_powers_of_two_within_bounds() {
    let with = |chunk| Shape { chunk, member_size: CHUNK_SECTORS_MAX, ..shape(RAID5, 2) };
    for chunk in [CHUNK_SECTORS_MIN, CHUNK, CHUNK_SECTORS_MAX] {
        assert_eq!(refused(with(chunk)), None);
    }
    for chunk in [Sectors(0), Sectors(3), Sectors(129), Sectors(u64::MAX)] {
        refuses(with(chunk), ConfigError::ChunkNotPowerOfTwo { chunk });
    }
    for chunk in [Sectors(1), Sectors(4)] {
        refuses(with(chunk), ConfigError::ChunkTooSmall { chunk, min: CHUNK_SECTORS_MIN });
    }
    for chunk in [Sectors(CHUNK_SECTORS_MAX.0 * 2), Sectors(1 << 63)] {
        refuses(with(chunk), ConfigError::ChunkTooLarge { chunk, max: CHUNK_SECTORS_MAX });
        let shape = Shape { layout: Layout::Raid0, ..with(chunk) };
        refuses(shape, ConfigError::ChunkTooLarge { chunk, max: CHUNK_SECTORS_MAX });
    }
}

#[test]
fn members_have_room_for_a_row() {
    let cases = [
        (shape(RAID5, 2), CHUNK),
        (shape(RAID6, 4), CHUNK),
        (shape(Layout::Raid0, 1), CHUNK),
        (shape(Layout::Raid1, 2), Sectors(1)),
        (shape(raid10(2, 1, Spread::Zones), 2), CHUNK),
        (shape(raid10(1, 2, Spread::Zones), 2), Sectors(CHUNK.0 * 2)),
        (shape(raid10(1, 2, Spread::Rows), 2), Sectors(CHUNK.0 * 2)),
    ];
    for (shape, min) in cases {
        assert_eq!(refused(Shape { member_size: min, ..shape }), None);
        let size = Sectors(min.0 - 1);
        refuses(Shape { member_size: size, ..shape }, ConfigError::MemberTooSmall { size, min });
    }
}

#[test]
fn arrays_are_counted_in_64_bits() {
    let most = Sectors(u64::MAX);
    for layout in [RAID5, Layout::Raid0, raid10(1, 2, Spread::Rows)] {
        refuses(Shape { member_size: most, ..shape(layout, 4) }, ConfigError::ArrayTooLarge);
    }
    // Two members of level 5 hold as much as one, and so do copies on all members.
    for layout in [RAID5, Layout::Raid1, Layout::Raid4] {
        assert_eq!(refused(Shape { member_size: most, ..shape(layout, 2) }), None);
    }
}

#[test]
fn copies_have_members_of_their_own() {
    let zones = Spread::Zones;
    refuses(shape(raid10(1, 1, zones), 2), ConfigError::TooFewCopies { copies: 1 });
    refuses(shape(raid10(0, 2, zones), 2), ConfigError::TooFewCopies { copies: 0 });
    let too_many = ConfigError::TooManyCopies { copies: 3, members: 2 };
    refuses(shape(raid10(3, 1, zones), 2), too_many);
    refuses(shape(raid10(1, 3, Spread::Rows), 2), too_many);
    let too_many = ConfigError::TooManyCopies { copies: 255 * 255, members: 2 };
    refuses(shape(raid10(255, 255, zones), 2), too_many);
}

#[test]
fn layouts_in_which_chunks_collide_are_refused() {
    let collide = |members, multiple| ConfigError::CollidingCopies { members, multiple };
    refuses(shape(raid10(2, 2, Spread::Rows), 5), collide(5, 2));
    refuses(shape(raid10(2, 2, Spread::RowsInSets), 5), collide(5, 2));
    refuses(shape(raid10(2, 2, Spread::RowsInSets), 10), collide(10, 4));
    refuses(shape(raid10(2, 2, Spread::ZonesInSets), 9), collide(9, 4));
    let apart = [
        (raid10(2, 2, Spread::Zones), 5),
        (raid10(2, 2, Spread::Rows), 6),
        (raid10(2, 2, Spread::ZonesInSets), 5),
        (raid10(2, 2, Spread::ZonesInSets), 8),
        (raid10(1, 2, Spread::RowsInSets), 5),
        (raid10(2, 1, Spread::RowsInSets), 5),
    ];
    for (layout, members) in apart {
        assert_eq!(refused(shape(layout, members)), None, "{layout} on {members}");
    }
}

#[test]
fn redundancy_is_what_can_be_lost() {
    let cases = [
        (Layout::Raid0, 1, 0),
        (Layout::Raid1, 3, 2),
        (Layout::Raid4, 3, 1),
        (RAID5, 3, 1),
        (RAID6, 4, 2),
        (raid10(2, 2, Spread::Zones), 4, 3),
    ];
    for (layout, members, redundancy) in cases {
        if allowed(members) {
            let geometry = Geometry::new(shape(layout, members)).unwrap();
            assert_eq!(geometry.redundancy(), redundancy, "{layout}");
            assert_eq!(geometry.shape(), shape(layout, members));
            assert_eq!(geometry.layout(), layout);
            assert_eq!(geometry.members(), members);
            assert_eq!(geometry.chunk(), CHUNK);
            assert_eq!(geometry.all_members().count(), u32::from(members));
        }
    }
}

#[test]
fn md_numbers_name_layouts_and_back() {
    let numbers = [0, 1, 2, 3, 4, 5, 8, 9, 10, 16, 17, 18, 19, 20];
    for number in 0..64 {
        for (level, known) in [(5, number <= 5), (6, numbers.contains(&number))] {
            let layout = Layout::from_md(level, number);
            let unknown = ConfigError::UnknownLayout { level, layout: number };
            assert_eq!(
                layout.map(Layout::md_layout),
                if known { Ok(number) } else { Err(unknown) }
            );
            assert!(layout.is_err() || layout.map(Layout::md_level) == Ok(level));
        }
    }
    for number in 0..=2 {
        assert_eq!(Layout::from_md(0, number), Ok(Layout::Raid0));
    }
    assert_eq!(Layout::from_md(0, 3), Err(ConfigError::UnknownLayout { level: 0, layout: 3 }));
    assert_eq!(Layout::from_md(1, 7), Ok(Layout::Raid1));
    assert_eq!(Layout::from_md(4, 7), Ok(Layout::Raid4));
    for level in [i32::MIN, -4, -1, 2, 3, 7, 11, i32::MAX] {
        assert_eq!(Layout::from_md(level, 0), Err(ConfigError::UnknownLevel { level }));
    }
}

#[test]
fn level_10_is_a_word_of_bits() {
    let words = [
        (0x0_0102, raid10(2, 1, Spread::Zones), "n2"),
        (0x0_0201, raid10(1, 2, Spread::Zones), "f2"),
        (0x1_0201, raid10(1, 2, Spread::Rows), "o2"),
        (0x4_0201, raid10(1, 2, Spread::ZonesInSets), "f2-sets"),
        (0x5_0301, raid10(1, 3, Spread::RowsInSets), "o3-sets"),
        (0x1_0102, raid10(2, 1, Spread::Rows), "n2o1"),
        (0x0_ffff, raid10(255, 255, Spread::Zones), "n255f255"),
        (0x5_0202, raid10(2, 2, Spread::RowsInSets), "n2o2-sets"),
    ];
    for (word, layout, name) in words {
        assert_eq!(Layout::from_md(10, word), Ok(layout), "{word:#x}");
        assert_eq!(layout.md_layout(), word);
        assert_eq!(layout.to_string(), name);
        assert_eq!(Layout::from_name(10, name), Ok(layout), "{name}");
    }
    for word in [0x2_0201, 0x3_0201] {
        assert_eq!(Layout::from_md(10, word), Err(ConfigError::FaultyFarSets));
    }
    for layout in [0, 0x0_0002, 0x0_0100, 0x6_0201, 0x8_0102, u32::MAX] {
        let unknown = ConfigError::UnknownLayout { level: 10, layout };
        assert_eq!(Layout::from_md(10, layout), Err(unknown), "{layout:#x}");
    }
}

#[test]
fn md_names_layouts_and_back() {
    let parity =
        Raid5Layout::ALL.map(Layout::Raid5).into_iter().chain(Raid6Layout::ALL.map(Layout::Raid6));
    for layout in parity.chain([Layout::Raid0, Layout::Raid1, Layout::Raid4]) {
        let level = u8::try_from(layout.md_level()).unwrap();
        assert_eq!(Layout::from_name(level, &layout.to_string()), Ok(layout));
    }
    let short = [("la", 0), ("ra", 1), ("ls", 2), ("rs", 3), ("default", 2), ("parity-last", 5)];
    for (name, number) in short {
        for level in [5, 6] {
            let layout = Layout::from_name(level, name);
            assert_eq!(layout, Layout::from_md(i32::from(level), number), "{level} {name}");
        }
    }
    assert_eq!(Layout::from_name(0, "alternate"), Ok(Layout::Raid0));
    assert_eq!(Layout::from_name(10, "default"), Ok(raid10(2, 1, Spread::Zones)));
    let unknown = [
        (0, "near"),
        (1, "left-symmetric"),
        (5, "left-symmetric-6"),
        (5, ""),
        (6, "n2"),
        (10, ""),
        (10, "n"),
        (10, "n0"),
        (10, "n256"),
        (10, "n+2"),
        (10, "f-2"),
        (10, "2"),
        (10, "n2 "),
        (10, "n2f"),
        (10, "f2n2"),
        (10, "-sets"),
        (10, "\u{e9}2"),
    ];
    for (level, name) in unknown {
        let error = ConfigError::UnknownLayoutName { level };
        assert_eq!(Layout::from_name(level, name), Err(error), "{name:?}");
    }
    let error = ConfigError::UnknownLevel { level: 7 };
    assert_eq!(Layout::from_name(7, "ls"), Err(error));
}

#[test]
fn errors_say_what_would_be_right() {
    let chunk = Sectors(4);
    let text = ConfigError::ChunkTooSmall { chunk, min: CHUNK_SECTORS_MIN }.to_string();
    assert!(text.contains('4') && text.contains('8'), "{text}");
    let text = ConfigError::CollidingCopies { members: 9, multiple: 4 }.to_string();
    assert!(text.contains('9') && text.contains('4'), "{text}");
}

fn any_layout() -> impl Strategy<Value = Layout> {
    let spread = proptest::sample::select(
        &[Spread::Zones, Spread::Rows, Spread::ZonesInSets, Spread::RowsInSets][..],
    );
    prop_oneof![
        Just(Layout::Raid0),
        Just(Layout::Raid1),
        Just(Layout::Raid4),
        proptest::sample::select(&Raid5Layout::ALL[..]).prop_map(Layout::Raid5),
        proptest::sample::select(&Raid6Layout::ALL[..]).prop_map(Layout::Raid6),
        (any::<u8>(), any::<u8>(), spread)
            .prop_map(|(near, far, spread)| raid10(near, far, spread)),
        (0_u8..4, 0_u8..4, Just(Spread::RowsInSets))
            .prop_map(|(near, far, spread)| raid10(near, far, spread)),
    ]
}

fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), (0_u32..64).prop_map(|bit| 1 << bit), 0_u64..300]
}

proptest! {
    #[test]
    fn md_words_go_there_and_back(word in prop_oneof![any::<u32>(), 0_u32..0x8_0000]) {
        if let Ok(layout) = Layout::from_md(10, word) {
            prop_assert_eq!(layout.md_layout(), word);
            prop_assert_eq!(Layout::from_name(10, &layout.to_string()), Ok(layout));
        }
    }

    /// Nothing that can be asked makes the geometry panic, and what it says of a member is of a
    /// member it has.
    #[test]
    fn any_question_has_an_answer(
        layout in any_layout(), members in prop_oneof![0..=MEMBERS_LIMIT, any::<u8>()],
        chunk in prop_oneof![(3_u32..=21).prop_map(|bit| 1 << bit), any_number()],
        size in any_number(), number in any_number(), offset in any_number(), index in any::<u8>(),
    ) {
        let shape =
            Shape { layout, members, chunk: Sectors(chunk), member_size: Sectors(size) };
        let member = MemberIndex(index);
        match Geometry::new(shape) {
            Err(error) => prop_assert!(!error.to_string().is_empty()),
            Ok(Geometry::Parity(geometry)) => {
                let (row, offset) = (StripeRow(number), Sectors(offset));
                let data = DataIndex(index);
                let lba = geometry.unmap(RowAddress { row, data, offset });
                prop_assert!(lba.is_none_or(|lba| lba.0 < geometry.size().0));
                prop_assert!(geometry.map(Lba(number)).is_some() == (number < geometry.size().0));
                let at = geometry.member_sector(row, offset);
                prop_assert!(at.is_none_or(|at| at.0 < size));
                let row = geometry.row(row);
                prop_assert_eq!(row.role(member).is_some(), index < members);
                prop_assert!(row.member(data).is_none_or(|member| member.0 < members));
                prop_assert!(row.exponent(data).is_none_or(|exponent| exponent.0 < members));
                let data = row.by_exponent(SyndromeIndex(index));
                prop_assert!(data.is_none_or(|data| data.0 < geometry.data_members()));
            }
            Ok(Geometry::Copies(geometry)) => {
                let (chunk, offset) = (ChunkIndex(number), Sectors(offset));
                let lba = geometry.unmap(ChunkAddress { chunk, offset });
                prop_assert!(lba.is_none_or(|lba| lba.0 < geometry.size().0));
                prop_assert!(geometry.map(Lba(number)).is_some() == (number < geometry.size().0));
                let at = geometry.member_sector(chunk, member);
                prop_assert!(at.is_none_or(|at| at.0 < size && index < members));
                let all = MemberSet::first(members);
                prop_assert!(geometry.copy_places(chunk).difference(all).is_empty());
                let address = geometry.chunk_at(member, MemberSector(number));
                prop_assert!(address.is_none_or(|address| geometry.unmap(address).is_some()));
            }
        }
    }
}
