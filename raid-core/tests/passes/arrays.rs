//! Arrays, their damage, and what they have to hold afterwards.

use raid_core::geometry::{Layout, Raid5Layout, Raid6Layout, Raid10Layout, Spread};
use raid_core::members::{MemberSet, MemberState};
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::order::Random;
use raid_sim::reference;
use raid_sim::sim::{Blueprint, DATA_OFFSET, Sim};

pub(crate) const CHUNK: u64 = 16;
/// Even, so that every place of every layout below is in use.
pub(crate) const ROWS: u64 = 6;

const fn raid10(near: u8, far: u8, spread: Spread) -> Layout {
    Layout::Raid10(Raid10Layout { near, far, spread })
}

/// Layouts with the number of members; every level that has redundancy.
pub(crate) fn layouts() -> Vec<(Layout, u8)> {
    vec![
        (Layout::Raid1, 2),
        (Layout::Raid1, 3),
        (Layout::Raid4, 3),
        (Layout::Raid5(Raid5Layout::LeftSymmetric), 3),
        (Layout::Raid5(Raid5Layout::RightAsymmetric), 5),
        (Layout::Raid6(Raid6Layout::LeftSymmetric), 4),
        (Layout::Raid6(Raid6Layout::DdfNRestart), 5),
        (Layout::Raid6(Raid6Layout::LeftAsymmetric6), 5),
        (raid10(2, 1, Spread::Zones), 4),
        (raid10(2, 1, Spread::Zones), 5),
        (raid10(1, 2, Spread::Zones), 4),
        (raid10(1, 2, Spread::Rows), 5),
        (raid10(3, 1, Spread::Zones), 4),
    ]
}

pub(crate) fn blueprint(layout: Layout, members: u8) -> Blueprint {
    Blueprint::new(layout, members, CHUNK, ROWS * CHUNK)
}

pub(crate) fn content(blueprint: &Blueprint, seed: u64) -> Vec<u8> {
    let mut content = vec![0; blueprint.size()];
    Random::new(seed).fill(&mut content);
    content
}

/// The same array with these members to be rebuilt from a mark on.
pub(crate) fn rebuilding(mut blueprint: Blueprint, members: &[u8], valid_to: u64) -> Blueprint {
    for member in members {
        let seat = blueprint.seats[usize::from(*member)].as_mut().unwrap();
        seat.state = MemberState::Rebuilding { valid_to: Sectors(valid_to) };
    }
    blueprint
}

/// Overwrites what lies on these members from a mark on.
pub(crate) fn spoil(devices: &mut [RamDevice], members: &[u8], from: u64) {
    for member in members {
        let mut garbage = vec![0; usize::try_from(ROWS * CHUNK - from).unwrap() * 512];
        Random::new(u64::from(*member) + 91).fill(&mut garbage);
        devices[usize::from(*member)].medium.store(DATA_OFFSET + from, &garbage);
    }
}

/// Nothing on any member that is not lost disagrees with this content.
pub(crate) fn assert_holds(blueprint: &Blueprint, sim: &Sim<'_>, content: &[u8]) {
    let areas = blueprint.areas(&sim.host.devices, sim.host.lost());
    let wrong =
        reference::disagreements(&blueprint.geometry, content, &areas, blueprint.member_sectors);
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Sets of members that the redundancy makes up for, whoever they are: one, and each two where two
/// may be lost.
pub(crate) fn losses(blueprint: &Blueprint) -> Vec<Vec<u8>> {
    let members = blueprint.geometry.members();
    let mut losses: Vec<Vec<u8>> = (0..members).map(|member| vec![member]).collect();
    if blueprint.geometry.redundancy() > 1 {
        for first in 0..members {
            losses.extend((first + 1..members).map(|second| vec![first, second]));
        }
    }
    losses
}

pub(crate) fn set(members: &[u8]) -> MemberSet {
    members.iter().copied().map(MemberIndex).collect()
}
