//! Levels 0, 1 and 10 against a placement that is drawn step by step, and against themselves on the
//! way back.

use alloc::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use raid_core::geometry::{
    ChunkAddress, ConfigError, CopyGeometry, Geometry, Layout, Raid10Layout, Shape, Spread,
};
use raid_core::limits::MIRROR_UNIT;
use raid_core::members::MemberSet;
use raid_core::units::{ChunkIndex, Lba, MemberIndex, MemberSector, Sectors};

use super::numbers::{MEMBERS_LIMIT, numbers_of_any_size};

const SPREADS: [Spread; 4] = [Spread::Zones, Spread::Rows, Spread::ZonesInSets, Spread::RowsInSets];

/// Layouts of levels 0, 1 and 10, with members enough for their copies.
fn layouts() -> impl Strategy<Value = (Layout, u8)> {
    let raid10 = (1_u8..=5, 1_u8..=5, proptest::sample::select(&SPREADS[..]))
        .prop_filter("level 10 has two copies or more, on as many members", |(near, far, _)| {
            (2..=MEMBERS_LIMIT).contains(&(near * far))
        })
        .prop_flat_map(|(near, far, spread)| {
            let layout = Layout::Raid10(Raid10Layout { near, far, spread });
            (Just(layout), near * far..=MEMBERS_LIMIT)
        });
    let others = prop_oneof![Just(Layout::Raid0), Just(Layout::Raid1)];
    prop_oneof![3 => raid10, 1 => (others, 1..=MEMBERS_LIMIT)]
}

/// Shapes with members of `min` sectors to what `max` makes of the number of members.
fn shapes(
    chunks: core::ops::RangeInclusive<u32>,
    max: fn(chunk: u64, members: u8) -> u64,
) -> impl Strategy<Value = (Shape, CopyGeometry)> {
    (layouts(), chunks)
        .prop_flat_map(move |((layout, members), chunk)| {
            let chunk = if layout == Layout::Raid1 { MIRROR_UNIT.0 } else { 1 << chunk };
            let size = numbers_of_any_size(5 * chunk, max(chunk, members));
            (Just(layout), Just(members), Just(Sectors(chunk)), size)
        })
        .prop_map(|(layout, members, chunk, size)| Shape {
            layout,
            members,
            chunk,
            member_size: Sectors(size),
        })
        .prop_filter_map("near and far copies collide", |shape| match Geometry::new(shape) {
            Ok(Geometry::Copies(geometry)) => Some((shape, geometry)),
            Err(ConfigError::CollidingCopies { .. }) => None,
            other => panic!("{shape:?} gave {other:?}"),
        })
}

/// Small enough to look at every sector's chunk.
fn small() -> impl Strategy<Value = (Shape, CopyGeometry)> {
    shapes(3..=6, |chunk, members| (5 + 400 / u64::from(members)) * chunk)
}

/// Up to the largest that 64 bits can count.
fn large() -> impl Strategy<Value = (Shape, CopyGeometry)> {
    shapes(3..=21, |_, members| u64::MAX / u64::from(members))
}

/// Near copies, far copies and spread of a layout on so many members.
fn copies_of(shape: Shape) -> (u64, u64, Spread) {
    match shape.layout {
        Layout::Raid1 => (u64::from(shape.members), 1, Spread::Zones),
        Layout::Raid10(Raid10Layout { near, far, spread }) => {
            (u64::from(near), u64::from(far), spread)
        }
        Layout::Raid0 | Layout::Raid4 | Layout::Raid5(_) | Layout::Raid6(_) => {
            (1, 1, Spread::Zones)
        }
    }
}

/// The member that is `steps` above `member` in its set: sets have as many members as there are
/// copies, and the last one what is left over, too.
fn shifted(shape: Shape, member: u64, steps: u64) -> u64 {
    let (near, far, spread) = copies_of(shape);
    let members = u64::from(shape.members);
    let width = match spread {
        Spread::Zones | Spread::Rows => members,
        Spread::ZonesInSets | Spread::RowsInSets if far == 1 => members,
        Spread::ZonesInSets | Spread::RowsInSets => near * far,
    };
    let set = (member / width).min(members / width - 1);
    let first = set * width;
    let after = if set == members / width - 1 { members } else { first + width };
    first + (member - first + steps) % (after - first)
}

/// Where the copies of a chunk lie by definition: member and sector of each.
fn drawn(shape: Shape, chunk: u64) -> BTreeMap<u8, u64> {
    let (near, far, spread) = copies_of(shape);
    let members = u64::from(shape.members);
    let rows = shape.member_size.0.div_ceil(shape.chunk.0);
    let zone = if far == 1 { rows } else { shape.member_size.0 / shape.chunk.0 / far };
    let mut copies = BTreeMap::new();
    for place in chunk * near..(chunk + 1) * near {
        for copy in 0..far {
            let member = shifted(shape, place % members, near * copy);
            let row = match spread {
                Spread::Zones | Spread::ZonesInSets => copy * zone + place / members,
                Spread::Rows | Spread::RowsInSets => place / members * far + copy,
            };
            let member = u8::try_from(member).unwrap();
            assert_eq!(copies.insert(member, row * shape.chunk.0), None, "two on one member");
        }
    }
    copies
}

fn placed(geometry: &CopyGeometry, chunk: ChunkIndex) -> BTreeMap<u8, u64> {
    geometry
        .copy_places(chunk)
        .into_iter()
        .map(|member| (member.0, geometry.member_sector(chunk, member).unwrap().0))
        .collect()
}

proptest! {
    #[test]
    fn copies_lie_where_the_layout_draws_them((shape, geometry) in small()) {
        let (near, far, _) = copies_of(shape);
        let mut taken = BTreeSet::new();
        for chunk in 0..geometry.chunks() {
            let copies = placed(&geometry, ChunkIndex(chunk));
            prop_assert_eq!(&copies, &drawn(shape, chunk), "chunk {}", chunk);
            prop_assert_eq!(u64::try_from(copies.len()).unwrap(), near * far);
            for copy in copies {
                prop_assert!(copy.1 < shape.member_size.0);
                prop_assert!(taken.insert(copy), "{:?} taken twice", copy);
            }
        }
        prop_assert!(geometry.copy_places(ChunkIndex(geometry.chunks())).is_empty());
    }

    #[test]
    fn what_lies_at_a_sector_is_known((shape, geometry) in small(), offset in any::<u64>()) {
        let offset = Sectors(offset % shape.chunk.0);
        let mut found = 0;
        for member in (0..shape.members).map(MemberIndex) {
            for row in 0..=shape.member_size.0 / shape.chunk.0 {
                let start = MemberSector(row * shape.chunk.0);
                let at = start.checked_add(offset).unwrap();
                if let Some(address) = geometry.chunk_at(member, at) {
                    prop_assert!(at.0 < shape.member_size.0);
                    prop_assert_eq!(address.offset, offset);
                    prop_assert_eq!(geometry.member_sector(address.chunk, member), Some(start));
                    found += 1;
                }
            }
        }
        let whole = geometry.size().0 / shape.chunk.0;
        let cut = u64::from(offset.0 < geometry.size().0 % shape.chunk.0);
        prop_assert_eq!(found, (whole + cut) * u64::from(geometry.copies()));
    }

    #[test]
    fn an_address_maps_there_and_back((shape, geometry) in large(), lba in any::<u64>()) {
        let lba = lba % geometry.size().0;
        let address = geometry.map(Lba(lba)).unwrap();
        prop_assert_eq!(address.chunk.0, lba / shape.chunk.0);
        prop_assert_eq!(address.offset.0, lba % shape.chunk.0);
        prop_assert_eq!(geometry.unmap(address), Some(Lba(lba)));
        let places = geometry.copy_places(address.chunk);
        prop_assert_eq!(places.count(), u32::from(geometry.copies()));
        for member in (0..=u8::MAX).map(MemberIndex) {
            let start = geometry.member_sector(address.chunk, member);
            prop_assert_eq!(start.is_some(), places.contains(member));
            if let Some(start) = start {
                let at = start.checked_add(address.offset).unwrap();
                prop_assert!(at.0 < shape.member_size.0);
                prop_assert_eq!(geometry.chunk_at(member, at), Some(address));
            }
        }
    }

    #[test]
    fn nothing_lies_beyond_the_end(
        (shape, geometry) in large(),
        beyond in numbers_of_any_size(0, u64::MAX),
    ) {
        prop_assert!(geometry.map(Lba(geometry.size().0 - 1)).is_some());
        prop_assert_eq!(geometry.map(Lba(geometry.size().0.saturating_add(beyond))), None);
        let chunk = ChunkIndex(geometry.chunks().saturating_add(beyond));
        prop_assert_eq!(geometry.unmap(ChunkAddress { chunk, offset: Sectors::ZERO }), None);
        prop_assert_eq!(geometry.copy_places(chunk), MemberSet::NONE);
        prop_assert_eq!(geometry.member_sector(chunk, MemberIndex(0)), None);
        let first = ChunkAddress { chunk: ChunkIndex(0), offset: shape.chunk };
        prop_assert_eq!(geometry.unmap(first), None);
        let at = MemberSector(shape.member_size.0.saturating_add(beyond));
        for member in (0..=u8::MAX).map(MemberIndex) {
            prop_assert_eq!(geometry.chunk_at(member, at), None);
        }
        let outside = MemberIndex(shape.members);
        prop_assert_eq!(geometry.chunk_at(outside, MemberSector(0)), None);
    }
}

#[test]
fn a_mirror_is_as_large_as_its_members() {
    let member_size = Sectors(MIRROR_UNIT.0 * 3 + 7);
    let shape = Shape { layout: Layout::Raid1, members: 2, chunk: Sectors::ZERO, member_size };
    let Ok(Geometry::Copies(geometry)) = Geometry::new(shape) else {
        panic!("{shape:?} is possible");
    };
    assert_eq!(geometry.size(), member_size);
    assert_eq!(geometry.chunk(), MIRROR_UNIT);
    assert_eq!(geometry.copies(), 2);
    let (chunk, last) = (ChunkIndex(3), Lba(member_size.0 - 1));
    let address = ChunkAddress { chunk, offset: Sectors(6) };
    assert_eq!(geometry.map(last), Some(address));
    assert_eq!(geometry.unmap(address), Some(last));
    assert_eq!(geometry.unmap(ChunkAddress { chunk, offset: Sectors(7) }), None);
}
