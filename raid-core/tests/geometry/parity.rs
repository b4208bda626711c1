//! Levels 4, 5 and 6 against md's own placement, and against themselves on the way back.

use proptest::prelude::*;
use raid_core::geometry::{
    Geometry, Layout, ParityGeometry, Raid5Layout, Raid6Layout, Role, Row, RowAddress, Shape,
};
use raid_core::limits::MEMBERS_MAX;
use raid_core::members::MemberSet;
use raid_core::units::{DataIndex, Lba, MemberIndex, Sectors, StripeRow, SyndromeIndex};

use super::numbers::{MEMBERS_LIMIT, allowed, numbers_of_any_size};

/// What md places where: `level, layout, members, row, P, Q, members of the data, exponents of the
/// data`.
const MD_GEOMETRY: &str = include_str!("../fixtures/md-geometry.tsv");

const CHUNK: Sectors = Sectors(8);

fn parity(layout: Layout, members: u8, member_size: Sectors) -> ParityGeometry {
    match Geometry::new(Shape { layout, members, chunk: CHUNK, member_size }).unwrap() {
        Geometry::Parity(geometry) => geometry,
        Geometry::Copies(copies) => panic!("{layout} has no parity: {copies:?}"),
    }
}

fn numbers(list: &str) -> Vec<u8> {
    list.split(',').map(|number| number.parse().unwrap()).collect()
}

/// A member of the fixture, where -1 is none.
fn place(number: &str) -> Option<MemberIndex> {
    (number != "-1").then(|| MemberIndex(number.parse().unwrap()))
}

fn check_line(line: &str) {
    let fields: Vec<&str> = line.split('\t').collect();
    let [level, layout, members, row, p, q, data, exponents] = fields[..] else {
        panic!("not eight fields: {line}");
    };
    let layout = Layout::from_md(level.parse().unwrap(), layout.parse().unwrap()).unwrap();
    let row_number = StripeRow(row.parse().unwrap());
    let row = parity(layout, members.parse().unwrap(), Sectors(1 << 20)).row(row_number);
    assert_eq!(Some(row.p()), place(p), "P of {line}");
    assert_eq!(row.q(), place(q), "Q of {line}");
    assert_eq!(row.role(row.p()), Some(Role::P), "{line}");
    let data = numbers(data);
    assert_eq!(usize::from(row.data_members()), data.len(), "{line}");
    for (number, member) in (0_u8..).zip(data) {
        let number = DataIndex(number);
        assert_eq!(row.member(number), Some(MemberIndex(member)), "{number:?} of {line}");
        assert_eq!(row.role(MemberIndex(member)), Some(Role::Data(number)), "{line}");
    }
    if exponents == "-" {
        assert_eq!(row.exponent(DataIndex(0)), None, "{line}");
        assert_eq!(row.by_exponent(SyndromeIndex(0)), None, "{line}");
    } else {
        assert_eq!(row.q().and_then(|q| row.role(q)), Some(Role::Q), "{line}");
        for (number, exponent) in (0_u8..).zip(numbers(exponents)) {
            let (number, exponent) = (DataIndex(number), SyndromeIndex(exponent));
            assert_eq!(row.exponent(number), Some(exponent), "{number:?} of {line}");
            assert_eq!(row.by_exponent(exponent), Some(number), "{number:?} of {line}");
        }
    }
}

#[test]
fn every_row_is_as_md_has_it() {
    let mut checked = 0;
    for line in MD_GEOMETRY.lines().filter(|line| !line.starts_with('#')) {
        let members: usize = line.split('\t').nth(2).unwrap().parse().unwrap();
        if members <= MEMBERS_MAX {
            check_line(line);
            checked += 1;
        }
    }
    match MEMBERS_MAX {
        9.. => assert_eq!(checked, 2079),
        3.. => assert!(checked > 0),
        _ => assert_eq!(checked, 0),
    }
}

/// Any shape of levels 4, 5 and 6 that this build has members for.
fn shapes() -> impl Strategy<Value = Shape> {
    let raid5 = proptest::sample::select(&Raid5Layout::ALL[..]);
    let raid6 = proptest::sample::select(&Raid6Layout::ALL[..]);
    let layout = prop_oneof![
        Just((Layout::Raid4, 2)),
        raid5.prop_map(|layout| (Layout::Raid5(layout), 2)),
        raid6.prop_map(|layout| (Layout::Raid6(layout), 4)),
    ];
    layout
        .prop_filter("more members than this build has", |(_, min)| allowed(*min))
        .prop_flat_map(|(layout, min)| (Just(layout), min..=MEMBERS_LIMIT, 3_u32..=21))
        .prop_flat_map(|(layout, members, chunk)| {
            let chunk = 1 << chunk;
            // The largest array that 64 bits can count, however many members it has.
            let most = u64::MAX / u64::from(members);
            (Just(layout), Just(members), Just(Sectors(chunk)), numbers_of_any_size(chunk, most))
        })
        .prop_map(|(layout, members, chunk, size)| Shape {
            layout,
            members,
            chunk,
            member_size: Sectors(size),
        })
}

fn parity_of(shape: Shape) -> ParityGeometry {
    match Geometry::new(shape) {
        Ok(Geometry::Parity(geometry)) => geometry,
        other => panic!("{shape:?} gave {other:?}"),
    }
}

fn check_row(row: Row) -> Result<(), TestCaseError> {
    let all = MemberSet::first(row.members());
    prop_assert_eq!(row.data_places().union(row.parity_places()), all);
    prop_assert!(row.data_places().intersection(row.parity_places()).is_empty());
    prop_assert_eq!(row.data_places().count(), u32::from(row.data_members()));
    prop_assert_eq!(row.role(MemberIndex(row.members())), None);
    prop_assert_eq!(row.member(DataIndex(row.data_members())), None);
    prop_assert_eq!(row.exponent(DataIndex(row.data_members())), None);
    for member in all {
        let back = match row.role(member).unwrap() {
            Role::Data(data) => row.member(data),
            Role::P => Some(row.p()),
            Role::Q => row.q(),
        };
        prop_assert_eq!(back, Some(member));
        prop_assert_eq!(
            row.data_places().contains(member),
            matches!(row.role(member), Some(Role::Data(_)))
        );
    }
    let with_exponent = (0..=u8::MAX).map(SyndromeIndex).filter_map(|exponent| {
        let data = row.by_exponent(exponent)?;
        assert_eq!(row.exponent(data), Some(exponent));
        Some(data)
    });
    let expected = if row.q().is_some() { usize::from(row.data_members()) } else { 0 };
    prop_assert_eq!(with_exponent.count(), expected);
    Ok(())
}

proptest! {
    #[test]
    fn an_address_maps_there_and_back(shape in shapes(), lba in any::<prop::sample::Index>()) {
        let geometry = parity_of(shape);
        let size = geometry.size().0;
        let rows = shape.member_size.0 / shape.chunk.0;
        prop_assert_eq!(size, rows * u64::from(geometry.data_members()) * shape.chunk.0);
        let lba = u64::try_from(lba.index(usize::MAX)).unwrap() % size;
        let address = geometry.map(Lba(lba)).unwrap();
        let stripe = u64::from(geometry.data_members()) * shape.chunk.0;
        prop_assert_eq!(address.row.0, lba / stripe);
        prop_assert_eq!(u64::from(address.data.0), lba % stripe / shape.chunk.0);
        prop_assert_eq!(address.offset.0, lba % shape.chunk.0);
        prop_assert_eq!(geometry.unmap(address), Some(Lba(lba)));
        let at = geometry.member_sector(address.row, address.offset).unwrap();
        prop_assert_eq!(at.0, address.row.0 * shape.chunk.0 + address.offset.0);
        prop_assert!(at.0 < shape.member_size.0);
    }

    #[test]
    fn a_place_in_a_row_maps_there_and_back(
        shape in shapes(), row in any::<u64>(), data in any::<u8>(), offset in any::<u64>(),
    ) {
        let geometry = parity_of(shape);
        let address = RowAddress {
            row: StripeRow(row % geometry.rows()),
            data: DataIndex(data % geometry.data_members()),
            offset: Sectors(offset % shape.chunk.0),
        };
        let lba = geometry.unmap(address).unwrap();
        prop_assert_eq!(geometry.map(lba), Some(address));
    }

    #[test]
    fn nothing_lies_beyond_the_end(shape in shapes(), beyond in numbers_of_any_size(0, u64::MAX)) {
        let geometry = parity_of(shape);
        let last = geometry.map(Lba(geometry.size().0 - 1)).unwrap();
        prop_assert_eq!(last.row.0, geometry.rows() - 1);
        prop_assert_eq!(last.data.0, geometry.data_members() - 1);
        prop_assert_eq!(last.offset.0, shape.chunk.0 - 1);
        prop_assert_eq!(geometry.map(Lba(geometry.size().0.saturating_add(beyond))), None);
        let row = StripeRow(geometry.rows().saturating_add(beyond));
        prop_assert_eq!(geometry.unmap(RowAddress { row, ..last }), None);
        prop_assert_eq!(geometry.member_sector(row, Sectors::ZERO), None);
        prop_assert_eq!(geometry.unmap(RowAddress { offset: shape.chunk, ..last }), None);
        prop_assert_eq!(geometry.member_sector(last.row, shape.chunk), None);
        let data = DataIndex(geometry.data_members());
        prop_assert_eq!(geometry.unmap(RowAddress { data, ..last }), None);
    }

    #[test]
    fn every_member_has_one_role(shape in shapes(), row in any::<u64>()) {
        let geometry = parity_of(shape);
        check_row(geometry.row(StripeRow(row)))?;
    }
}

#[test]
fn a_row_is_small() {
    assert!(size_of::<Row>() <= 8);
}
