//! The cut of any request, over any shape: each sector once, each block whole, three rectangles a
//! row.

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::geometry::{Layout, Raid5Layout, Raid6Layout, Raid10Layout, Shape, Spread};
use crate::members::MemberSet;
use crate::request::Request;
use crate::units::MemberIndex;

/// Sectors of each member.
const MEMBER: u64 = 160;

fn layouts() -> impl Strategy<Value = (Layout, u8)> {
    let raid10 = (1_u8..=3, 1_u8..=3, 0_u8..3, 0_u8..3).prop_filter_map(
        "one copy is no redundancy",
        |(near, far, spread, more)| {
            let spread = match spread {
                0 => Spread::Zones,
                1 => Spread::Rows,
                _ => Spread::ZonesInSets,
            };
            let layout = Layout::Raid10(Raid10Layout { near, far, spread });
            (near * far > 1).then_some((layout, near * far + more))
        },
    );
    prop_oneof![
        (2_u8..6).prop_map(|members| (Layout::Raid0, members)),
        (2_u8..5).prop_map(|members| (Layout::Raid1, members)),
        (3_u8..6).prop_map(|members| (Layout::Raid4, members)),
        (proptest::sample::select(&Raid5Layout::ALL[..]), 3_u8..7)
            .prop_map(|(layout, members)| (Layout::Raid5(layout), members)),
        (proptest::sample::select(&Raid6Layout::ALL[..]), 4_u8..8)
            .prop_map(|(layout, members)| (Layout::Raid6(layout), members)),
        raid10,
    ]
}

prop_compose! {
    /// A shape, a request that lies in it, and the length of a lane.
    fn cases()(
        (layout, members) in layouts(),
        chunk in proptest::sample::select(&[8_u64, 16, 32][..]),
        lane in proptest::sample::select(&[8_u64, 16, 24, 1024][..]),
        from in any::<prop::sample::Index>(),
        length in any::<prop::sample::Index>(),
    ) -> Option<(Geometry, Request, Sectors)> {
        let shape = Shape { layout, members, chunk: Sectors(chunk), member_size: Sectors(MEMBER) };
        // Not all numbers of copies go with all numbers of members.
        let geometry = Geometry::new(shape).ok()?;
        let size = usize::try_from(geometry.size().0).unwrap();
        let at = from.index(size);
        let sectors = 1 + length.index(size - at);
        let [at, sectors] = [at, sectors].map(|number| u64::try_from(number).unwrap());
        let request = Request::write_zeroes(
            Lba(at),
            Sectors(sectors),
            crate::host::Durability::Cached,
        );
        Some((geometry, request, Sectors(lane)))
    }
}

/// All rectangles, in order. More than there can be is an error of the cut.
fn rectangles(geometry: &Geometry, request: &Request, lane: Sectors) -> Vec<Rectangle> {
    let mut cursor = Cursor::Start;
    let mut all = Vec::new();
    while let Some((rectangle, next)) = cut(geometry, request, cursor, |_| lane) {
        all.push(rectangle);
        assert_ne!(cursor, next, "the cursor moves");
        assert!(all.len() < 10_000);
        cursor = next;
        if cursor == Cursor::End {
            break;
        }
    }
    all
}

/// The covered blocks: whose, where in the array, and where in the requester's memory.
fn blocks(geometry: &Geometry, rectangle: &Rectangle) -> Vec<(MemberIndex, Lba, Sectors)> {
    let covered = match rectangle.span {
        Span::Row { .. } => rectangle.covered(),
        // The copies of a chunk are one block.
        Span::Chunk { .. } => MemberSet::only(rectangle.covered().lowest().unwrap()),
    };
    covered
        .into_iter()
        .map(|member| {
            let lba = rectangle.lba(geometry, member).unwrap();
            (member, lba, rectangle.caller_offset(member).unwrap())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn each_sector_is_cut_into_one_rectangle_and_lies_where_the_requester_has_it(case in cases()) {
        let Some((geometry, request, lane)) = case else { return Ok(()) };
        let mut seen = BTreeMap::new();
        for rectangle in rectangles(&geometry, &request, lane) {
            prop_assert!(rectangle.sectors > Sectors::ZERO && rectangle.sectors <= lane);
            let end = rectangle.offset.0 + rectangle.sectors.0;
            prop_assert!(end <= geometry.chunk().0, "a rectangle stays in its chunks");
            for (member, lba, caller) in blocks(&geometry, &rectangle) {
                for sector in 0..rectangle.sectors.0 {
                    let at = lba.0 + sector;
                    prop_assert_eq!(at - request.at.0, caller.0 + sector);
                    prop_assert_eq!(seen.insert(at, member), None, "sector {} twice", at);
                }
            }
        }
        let wanted = request.at.0..request.at.0 + request.sectors.0;
        prop_assert!(seen.keys().copied().eq(wanted));
    }

    #[test]
    fn a_block_is_covered_whole_or_not_at_all(case in cases()) {
        let Some((geometry, request, lane)) = case else { return Ok(()) };
        let covers = |lba: u64| {
            (request.at.0..request.at.0 + request.sectors.0).contains(&lba)
        };
        for rectangle in rectangles(&geometry, &request, lane) {
            let Span::Row { roles, .. } = rectangle.span else { continue };
            for member in roles.data_places() {
                let lba = rectangle.lba(&geometry, member).unwrap();
                let covered = rectangle.covered().contains(member);
                for sector in 0..rectangle.sectors.0 {
                    prop_assert_eq!(covers(lba.0 + sector), covered);
                }
            }
        }
    }

    #[test]
    fn a_row_is_cut_into_three_rectangles_at_most(case in cases()) {
        let Some((geometry, request, _)) = case else { return Ok(()) };
        let mut of_unit = BTreeMap::new();
        for rectangle in rectangles(&geometry, &request, geometry.chunk()) {
            *of_unit.entry(rectangle.unit()).or_insert(0) += 1;
        }
        let most = match geometry {
            Geometry::Parity(_) => 3,
            Geometry::Copies(_) => 1,
        };
        prop_assert!(of_unit.values().all(|count| *count <= most), "{:?}", of_unit);
    }

    #[test]
    fn fault_units_are_aligned_in_the_chunk_and_make_up_their_rectangle(case in cases()) {
        let Some((geometry, request, lane)) = case else { return Ok(()) };
        for rectangle in rectangles(&geometry, &request, lane) {
            let mut end = rectangle.offset;
            for number in 0..rectangle.pieces() {
                let piece = rectangle.piece(number).unwrap();
                prop_assert_eq!(piece.offset, end, "units lie end to end");
                prop_assert_eq!(piece.offset.0 / 8, (piece.offset.0 + piece.sectors.0 - 1) / 8);
                let moved = piece.offset.0 - rectangle.offset.0;
                prop_assert_eq!(piece.caller.0, rectangle.caller.0 + moved);
                end = Sectors(piece.offset.0 + piece.sectors.0);
            }
            prop_assert_eq!(end.0, rectangle.offset.0 + rectangle.sectors.0);
            prop_assert_eq!(rectangle.piece(rectangle.pieces()), None);
        }
    }
}
