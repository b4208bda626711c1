//! Arrays and requests that the tests share.

use raid_core::geometry::{Layout, Raid5Layout, Raid6Layout, Raid10Layout, Spread};
use raid_core::host::{Command, Event};
use raid_core::request::Stability;
use raid_core::units::{DeviceIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::order::Random;
use raid_sim::rules::Action;
use raid_sim::sim::{Blueprint, Sim, Wish};

/// Chunks of 32 KiB, and lanes as long.
pub(crate) const CHUNK: u64 = 64;

pub(crate) fn raid5(members: u8) -> Blueprint {
    wide(Blueprint::new(Layout::Raid5(Raid5Layout::LeftSymmetric), members, CHUNK, 4 * CHUNK))
}

pub(crate) fn raid6(members: u8) -> Blueprint {
    wide(Blueprint::new(Layout::Raid6(Raid6Layout::LeftSymmetric), members, CHUNK, 4 * CHUNK))
}

pub(crate) fn raid1(members: u8) -> Blueprint {
    wide(Blueprint::new(Layout::Raid1, members, CHUNK, 4 * CHUNK))
}

pub(crate) fn raid10() -> Blueprint {
    let layout = Raid10Layout { near: 2, far: 1, spread: Spread::Zones };
    wide(Blueprint::new(Layout::Raid10(layout), 4, CHUNK, 4 * CHUNK))
}

pub(crate) fn wide(blueprint: Blueprint) -> Blueprint {
    Blueprint { lane: Sectors(CHUNK), ..blueprint }
}

pub(crate) fn content(blueprint: &Blueprint, seed: u64) -> Vec<u8> {
    let mut content = vec![0; blueprint.size()];
    Random::new(seed).fill(&mut content);
    content
}

pub(crate) fn read(at: u64, sectors: u64) -> Wish {
    Wish::Read { at, sectors, stability: Stability::Stable }
}

pub(crate) fn write(content: &[u8], at: u64, sectors: u64) -> Wish {
    Wish::Write { at, bytes: part(content, at, sectors).to_vec(), stability: Stability::Stable }
}

pub(crate) fn part(content: &[u8], at: u64, sectors: u64) -> &[u8] {
    &content[usize::try_from(at).unwrap() * 512..][..usize::try_from(sectors).unwrap() * 512]
}

/// Puts part of one content into another.
pub(crate) fn overlay(into: &mut [u8], from: &[u8], at: u64, sectors: u64) {
    let start = usize::try_from(at).unwrap() * 512;
    let end = start + usize::try_from(sectors).unwrap() * 512;
    into[start..end].copy_from_slice(&from[start..end]);
}

pub(crate) fn events(sim: &Sim<'_>) -> Vec<Event> {
    sim.host.events().collect()
}

/// The reads and writes that were issued: what, to which device, where, how long.
pub(crate) fn transfers(sim: &Sim<'_>) -> Vec<(Action, u8, u64, u64)> {
    sim.host
        .commands()
        .filter_map(|command| match command {
            Command::Read { device: DeviceIndex(device), at, sectors, .. } => {
                Some((Action::Read, device, at.0, sectors.0))
            }
            Command::Write { device: DeviceIndex(device), at, sectors, .. } => {
                Some((Action::Write, device, at.0, sectors.0))
            }
            Command::Flush { .. }
            | Command::Record { .. }
            | Command::RecordIntent { .. }
            | Command::RecordBad { .. }
            | Command::LogParity { .. }
            | Command::SealLog { .. }
            | Command::RecordBackup { .. }
            | Command::LogRow { .. }
            | Command::RecordTail { .. }
            | Command::Compute(_) => None,
        })
        .collect()
}

/// How many commands of a kind a device was given.
pub(crate) fn count(devices: &[RamDevice], device: usize, action: Action) -> usize {
    devices[device].count(action)
}
