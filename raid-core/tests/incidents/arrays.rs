//! Arrays, their damage, and what they have to hold afterwards.

use raid_core::geometry::{Layout, Raid5Layout, Raid6Layout};
use raid_core::members::{MemberSet, MemberState};
use raid_core::request::Stability;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::order::Random;
use raid_sim::reference;
use raid_sim::sim::{Blueprint, DATA_OFFSET, Sim, Wish};

pub(crate) const CHUNK: u64 = 16;
pub(crate) const ROWS: u64 = 4;

pub(crate) fn raid1(members: u8) -> Blueprint {
    Blueprint::new(Layout::Raid1, members, CHUNK, ROWS * CHUNK)
}

pub(crate) fn raid5(members: u8) -> Blueprint {
    Blueprint::new(Layout::Raid5(Raid5Layout::LeftSymmetric), members, CHUNK, ROWS * CHUNK)
}

pub(crate) fn raid6(members: u8) -> Blueprint {
    Blueprint::new(Layout::Raid6(Raid6Layout::LeftSymmetric), members, CHUNK, ROWS * CHUNK)
}

/// The same array with this member to be rebuilt from a mark on.
pub(crate) fn rebuilding(mut blueprint: Blueprint, member: u8, valid_to: u64) -> Blueprint {
    let seat = blueprint.seats[usize::from(member)].as_mut().unwrap();
    seat.state = MemberState::Rebuilding { valid_to: Sectors(valid_to) };
    blueprint
}

pub(crate) fn only(member: u8) -> MemberSet {
    MemberSet::only(MemberIndex(member))
}

pub(crate) fn content(blueprint: &Blueprint, seed: u64) -> Vec<u8> {
    let mut content = vec![0; blueprint.size()];
    Random::new(seed).fill(&mut content);
    content
}

/// Overwrites what lies on a member from a mark on.
pub(crate) fn spoil(devices: &mut [RamDevice], member: u8, from: u64) {
    let mut garbage = vec![0; bytes(ROWS * CHUNK - from)];
    Random::new(91).fill(&mut garbage);
    devices[usize::from(member)].medium.store(DATA_OFFSET + from, &garbage);
}

pub(crate) fn bytes(sectors: u64) -> usize {
    usize::try_from(sectors).unwrap() * 512
}

pub(crate) fn read(at: u64, sectors: u64) -> Wish {
    Wish::Read { at, sectors, stability: Stability::Stable }
}

/// To write this part of a content, which the other content then has as well.
pub(crate) fn write(from: &[u8], into: &mut [u8], at: u64, sectors: u64) -> Wish {
    let range = bytes(at)..bytes(at + sectors);
    into[range.clone()].copy_from_slice(&from[range.clone()]);
    Wish::Write { at, bytes: from[range].to_vec(), stability: Stability::Stable }
}

/// Nothing on any member that is not lost disagrees with this content.
pub(crate) fn assert_holds(blueprint: &Blueprint, sim: &Sim<'_>, content: &[u8]) {
    let areas = blueprint.areas(&sim.host.devices, sim.host.lost());
    let wrong =
        reference::disagreements(&blueprint.geometry, content, &areas, blueprint.member_sectors);
    assert!(wrong.is_empty(), "{wrong:?}");
}
