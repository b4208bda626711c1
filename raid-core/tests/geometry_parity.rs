//! Levels 4, 5 and 6 against md's own placement, and against themselves on the way back.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows has failed, and says where"
)]

use raid_core::geometry::{Geometry, Layout, ParityGeometry, Role, Shape};
use raid_core::limits::MEMBERS_MAX;
use raid_core::units::{DataIndex, MemberIndex, Sectors, StripeRow, SyndromeIndex};

/// What md places where: `level, layout, members, row, P, Q, members of the data, exponents of the data`.
const MD_GEOMETRY: &str = include_str!("fixtures/md-geometry.tsv");

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
