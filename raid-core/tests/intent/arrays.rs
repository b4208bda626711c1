//! Arrays with a bitmap, and what is done to them.

use raid_core::engine::{Behind, ReadsFrom, Seat};
use raid_core::geometry::{Layout, Raid5Layout, Raid6Layout, Raid10Layout, Spread};
use raid_core::io_limits::IoLimits;
use raid_core::members::MemberState;
use raid_core::request::Stability;
use raid_core::units::{DeviceIndex, DeviceSector, MemberIndex, Sectors};
use raid_sim::host::Answered;
use raid_sim::intent::Intent;
use raid_sim::order::Random;
use raid_sim::reference;
use raid_sim::sim::{Blueprint, DATA_OFFSET, Sim, Wish};

pub(crate) const CHUNK: u64 = 16;
pub(crate) const ROWS: u64 = 12;
/// What a bit covers: two rows.
pub(crate) const BIT: u64 = 2 * CHUNK;

const fn raid10(near: u8, far: u8, spread: Spread) -> Layout {
    Layout::Raid10(Raid10Layout { near, far, spread })
}

/// Every level that has redundancy.
pub(crate) fn all() -> Vec<Blueprint> {
    [
        (Layout::Raid1, 2),
        (Layout::Raid1, 3),
        (Layout::Raid4, 3),
        (Layout::Raid5(Raid5Layout::LeftSymmetric), 4),
        (Layout::Raid6(Raid6Layout::LeftSymmetric), 4),
        (Layout::Raid6(Raid6Layout::DdfNRestart), 5),
        (raid10(2, 1, Spread::Zones), 4),
        (raid10(1, 2, Spread::Zones), 4),
        (raid10(1, 2, Spread::Rows), 5),
    ]
    .map(|(layout, members)| Blueprint::new(layout, members, CHUNK, ROWS * CHUNK).with_intent(BIT))
    .into()
}

pub(crate) fn content(blueprint: &Blueprint, seed: u64) -> Vec<u8> {
    let mut content = vec![0; blueprint.size()];
    Random::new(seed).fill(&mut content);
    content
}

/// Writes part of a content.
pub(crate) fn write(sim: &mut Sim<'_>, content: &[u8], at: u64, sectors: u64) -> Answered {
    sim.request(wish(content, at, sectors))
}

pub(crate) fn wish(content: &[u8], at: u64, sectors: u64) -> Wish {
    let first = usize::try_from(at).unwrap() * 512;
    let bytes = content[first..][..usize::try_from(sectors).unwrap() * 512].to_vec();
    Wish::Write { at, bytes, stability: Stability::Stable }
}

/// The same part of one content in another.
pub(crate) fn overlay(content: &mut [u8], from: &[u8], at: u64, sectors: u64) {
    let at = usize::try_from(at).unwrap() * 512;
    let range = at..at + usize::try_from(sectors).unwrap() * 512;
    content[range.clone()].copy_from_slice(&from[range]);
}

pub(crate) fn sweep(sim: &mut Sim<'_>) {
    sim.engine.sweep_bitmap();
    sim.run();
}

/// The durable bitmap of a device.
pub(crate) fn bitmap(sim: &Sim<'_>, device: usize) -> Intent {
    sim.host.devices[device].durable_intent.clone().unwrap()
}

/// A seat for a member that is behind so far.
pub(crate) fn seat(device: u8, behind: Behind) -> Seat {
    Seat {
        device: DeviceIndex(device),
        state: MemberState::Rebuilding { valid_to: Sectors(0) },
        data_offset: DeviceSector(DATA_OFFSET),
        limits: IoLimits::RELAXED,
        reads: ReadsFrom::Freely,
        behind,
    }
}

/// All members hold this content, and it reads back.
pub(crate) fn assert_holds(blueprint: &Blueprint, sim: &Sim<'_>, content: &[u8]) {
    let areas = blueprint.areas(&sim.host.devices, sim.host.lost());
    let wrong =
        reference::disagreements(&blueprint.geometry, content, &areas, blueprint.member_sectors);
    assert!(wrong.is_empty(), "{wrong:?}");
}

pub(crate) fn read_all(blueprint: &Blueprint, sim: &mut Sim<'_>) -> Vec<u8> {
    let sectors = blueprint.geometry.size().0;
    let answer = sim.request(Wish::Read { at: 0, sectors, stability: Stability::Stable });
    answer.result.unwrap();
    answer.memory
}

pub(crate) const AWAY: MemberIndex = MemberIndex(1);
