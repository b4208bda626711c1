//! Changes of level that move no data: every block is where it was.

use raid_core::geometry::{
    ConfigError, Geometry, Layout, Raid5Layout, Raid6Layout, Raid10Layout, Role, Spread,
};
use raid_core::members::MemberSet;
use raid_core::reshape::{Change, ChangeError, Redundancy, Takeover, TakeoverError, with_q};
use raid_core::units::{Lba, MemberIndex, MemberSector, Sectors};

use crate::pairs::shape;

const LAST: Layout = Layout::Raid5(Raid5Layout::ParityLast);
const NEAR: Layout = Layout::Raid10(Raid10Layout { near: 2, far: 1, spread: Spread::Zones });

/// Where a sector lies: its members, and the member that holds P of its row.
fn holders(geometry: &Geometry, at: Lba) -> Vec<(MemberIndex, MemberSector)> {
    match geometry {
        Geometry::Parity(parity) => {
            let address = parity.map(at).unwrap();
            let row = parity.row(address.row);
            let sector = parity.member_sector(address.row, address.offset).unwrap();
            let mut places = vec![(row.member(address.data).unwrap(), sector)];
            // With one data block in a row, P is a copy of it.
            if row.data_members() == 1 {
                assert_eq!(row.role(row.p()), Some(Role::P));
                places.push((row.p(), sector));
            }
            places
        }
        Geometry::Copies(copies) => {
            let address = copies.map(at).unwrap();
            let places = copies.copy_places(address.chunk).into_iter();
            let sector = |place| copies.member_sector(address.chunk, place).unwrap().0;
            places.map(|place| (place, MemberSector(sector(place) + address.offset.0))).collect()
        }
    }
}

fn p_of(geometry: &Geometry, at: Lba) -> Option<MemberIndex> {
    match geometry {
        Geometry::Parity(parity) => Some(parity.row(parity.map(at)?.row).p()),
        Geometry::Copies(_) => None,
    }
}

/// Takes a level over and compares where everything lies.
fn taken(before: Geometry, to: Layout, missing: &MemberSet) -> Takeover {
    let takeover = Takeover::new(before, to).unwrap();
    let after = *takeover.after();
    assert_eq!(after.size(), before.size(), "{takeover:?}");
    for at in (0..after.size().0).step_by(8).map(Lba) {
        let moved = holders(&before, at)
            .into_iter()
            .filter_map(|(place, sector)| Some((takeover.place(place, missing)?, sector)));
        let new = holders(&after, at);
        let mut found = 0;
        for place in moved {
            assert!(new.contains(&place), "{at:?} of {takeover:?}");
            found += 1;
        }
        assert!(found > 0, "{at:?} is gone in {takeover:?}");
        if let (Some(old), Some(new)) = (p_of(&before, at), p_of(&after, at)) {
            assert_eq!(old, new, "P of {at:?}");
        }
    }
    takeover
}

fn only(place: u8) -> MemberSet {
    MemberSet::only(MemberIndex(place))
}

#[test]
fn every_takeover_leaves_every_block_where_it_was() {
    let none = MemberSet::NONE;
    let redundancy = |before, to| taken(before, to, &none).redundancy(&none);
    let plain = shape(Layout::Raid0, 3, 16, 96);
    assert_eq!(redundancy(plain, Layout::Raid4), Redundancy::Gained(only(3)));
    assert_eq!(redundancy(plain, LAST), Redundancy::Gained(only(3)));
    let odd = [1, 3, 5].map(MemberIndex).into_iter().collect();
    assert_eq!(redundancy(plain, NEAR), Redundancy::Gained(odd));
    let four = shape(Layout::Raid4, 4, 16, 96);
    assert_eq!(redundancy(four, Layout::Raid0), Redundancy::GivenUp(only(3)));
    assert_eq!(redundancy(four, LAST), Redundancy::Kept);
    let five = shape(LAST, 4, 16, 96);
    assert_eq!(redundancy(five, Layout::Raid4), Redundancy::Kept);
    assert_eq!(redundancy(five, Layout::Raid0), Redundancy::GivenUp(only(3)));
    assert_eq!(redundancy(shape(NEAR, 6, 16, 96), Layout::Raid0), Redundancy::GivenUp(odd));
    for layout in Raid5Layout::ALL {
        let five = shape(Layout::Raid5(layout), 4, 16, 96);
        let six = Layout::Raid6(with_q(layout));
        assert_eq!(redundancy(five, six), Redundancy::Gained(only(4)));
        let back = redundancy(shape(six, 5, 16, 96), Layout::Raid5(layout));
        assert_eq!(back, Redundancy::GivenUp(only(4)));
        let mirror = shape(Layout::Raid1, 2, 16, 96);
        assert_eq!(redundancy(mirror, Layout::Raid5(layout)), Redundancy::Kept);
        let two = shape(Layout::Raid5(layout), 2, 16, 96);
        assert_eq!(redundancy(two, Layout::Raid1), Redundancy::Kept);
    }
}

#[test]
fn of_each_pair_the_member_that_is_there_stays() {
    let missing: MemberSet = [0, 3].map(MemberIndex).into_iter().collect();
    let takeover = taken(shape(NEAR, 4, 16, 96), Layout::Raid0, &missing);
    assert_eq!(takeover.place(MemberIndex(1), &missing), Some(MemberIndex(0)));
    assert_eq!(takeover.place(MemberIndex(2), &missing), Some(MemberIndex(1)));
    assert_eq!(takeover.redundancy(&missing), Redundancy::GivenUp(missing));
}

#[test]
fn a_mirror_gets_the_largest_chunk_that_fits() {
    let chunk = |size| {
        let mirror = shape(Layout::Raid1, 2, 0, size);
        Takeover::new(mirror, LAST).map(|takeover| takeover.after().chunk().0)
    };
    assert_eq!(chunk(8 * 3), Ok(8));
    assert_eq!(chunk(64 * 5), Ok(64));
    assert_eq!(chunk(4096), Ok(128));
    assert_eq!(chunk(4100), Err(TakeoverError::UnevenMirror { fits: Sectors(4096) }));
}

#[test]
fn what_is_no_takeover_says_what_comes_first() {
    let error = |before, to| Takeover::new(before, to).unwrap_err();
    let left = Layout::Raid5(Raid5Layout::LeftSymmetric);
    let six = Layout::Raid6(Raid6Layout::LeftSymmetric);
    let beside = Layout::Raid6(Raid6Layout::LeftSymmetric6);
    let five = shape(left, 4, 16, 96);
    assert_eq!(error(five, six), TakeoverError::LeadsTo { layout: beside });
    assert_eq!(error(shape(six, 5, 16, 96), left), TakeoverError::LayoutFirst { first: beside });
    assert_eq!(error(five, Layout::Raid0), TakeoverError::LayoutFirst { first: LAST });
    assert_eq!(error(five, Layout::Raid1), TakeoverError::MembersFirst { members: 2 });
    let three = shape(Layout::Raid1, 3, 16, 96);
    assert_eq!(error(three, left), TakeoverError::MembersFirst { members: 2 });
    assert_eq!(error(five, NEAR), TakeoverError::NoSuchWay { from: 5, to: 10 });
    assert_eq!(error(five, left), TakeoverError::NoSuchWay { from: 5, to: 5 });
    let pairs = TakeoverError::Pairs { members: 3 };
    assert_eq!(error(shape(NEAR, 3, 16, 96), Layout::Raid0), pairs);
    let few = ConfigError::TooFewMembers { members: 3, min: 4 };
    let two = shape(left, 2, 16, 96);
    assert_eq!(error(two, beside), TakeoverError::Shape(few));
    // And what is one is no walk.
    let level = ChangeError::LevelChange { from: 5, to: 6 };
    assert_eq!(Change::in_place(five, shape(beside, 5, 16, 96)), Err(level));
}
