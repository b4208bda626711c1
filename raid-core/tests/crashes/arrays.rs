//! The arrays that crash: small, so that every crash can be looked at.

use raid_core::geometry::{Layout, Raid5Layout, Raid6Layout, Raid10Layout, Spread};
use raid_core::members::MemberState;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::order::Random;
use raid_sim::sim::Blueprint;

/// One lane, so that a chunk is one rectangle.
pub(crate) const CHUNK: u64 = 8;

const RAID5: Layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
const RAID6: Layout = Layout::Raid6(Raid6Layout::LeftSymmetric);
const NEAR2: Layout = Layout::Raid10(Raid10Layout { near: 2, far: 1, spread: Spread::Zones });

/// Every array by name, with so many rows.
pub(crate) fn all(rows: u64) -> Vec<(&'static str, Blueprint)> {
    let array = |layout, members| Blueprint::new(layout, members, CHUNK, rows * CHUNK);
    vec![
        ("RAID 1 of 2", array(Layout::Raid1, 2)),
        ("RAID 1 of 3", array(Layout::Raid1, 3)),
        ("RAID 4 of 3", array(Layout::Raid4, 3)),
        ("RAID 5 of 3", array(RAID5, 3)),
        ("RAID 5 of 4", array(RAID5, 4)),
        ("RAID 6 of 4", array(RAID6, 4)),
        ("RAID 6 of 5", array(RAID6, 5)),
        ("RAID 10 of 4", array(NEAR2, 4)),
    ]
}

/// Sectors of the array in one row.
pub(crate) fn width(blueprint: &Blueprint) -> u64 {
    blueprint.geometry.size().0 / (blueprint.member_sectors / CHUNK)
}

/// The same array with a member to be rebuilt from its start.
pub(crate) fn rebuilding(mut blueprint: Blueprint, member: MemberIndex) -> Blueprint {
    let seat = blueprint.seats[member.index()].as_mut().unwrap();
    seat.state = MemberState::Rebuilding { valid_to: Sectors::ZERO };
    blueprint
}

/// So many sectors in which no two are alike.
pub(crate) fn bytes(sectors: u64, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(sectors).unwrap() * 512];
    Random::new(seed).fill(&mut bytes);
    bytes
}
