//! Arrays with room for bad blocks, and what has to hold of them.

use raid_core::geometry::{Layout, Raid5Layout, Raid6Layout, Raid10Layout, Spread};
use raid_core::host::{Command, Event, Failure};
use raid_core::members::{MemberSet, MemberState};
use raid_core::request::Stability;
use raid_core::units::{Lba, MemberIndex, MemberSector, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::order::Random;
use raid_sim::reference;
use raid_sim::rules::Action;
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish};

/// Four fault units, and lanes as long.
pub(crate) const CHUNK: u64 = 32;
pub(crate) const ROWS: u64 = 4;
pub(crate) const UNIT: u64 = 8;

/// Layouts with the number of members; every level that has redundancy.
pub(crate) fn layouts() -> Vec<(Layout, u8)> {
    let raid10 = |near, far, spread| Layout::Raid10(Raid10Layout { near, far, spread });
    vec![
        (Layout::Raid1, 2),
        (Layout::Raid1, 3),
        (Layout::Raid4, 3),
        (Layout::Raid5(Raid5Layout::LeftSymmetric), 3),
        (Layout::Raid5(Raid5Layout::RightAsymmetric), 5),
        (Layout::Raid6(Raid6Layout::LeftSymmetric), 4),
        (Layout::Raid6(Raid6Layout::DdfNRestart), 5),
        (raid10(2, 1, Spread::Zones), 4),
        (raid10(1, 2, Spread::Rows), 5),
    ]
}

pub(crate) fn blueprint(layout: Layout, members: u8) -> Blueprint {
    Blueprint {
        lane: Sectors(CHUNK),
        bad_blocks: 32,
        ..Blueprint::new(layout, members, CHUNK, ROWS * CHUNK)
    }
}

pub(crate) fn raid5() -> Blueprint {
    blueprint(Layout::Raid5(Raid5Layout::LeftSymmetric), 4)
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

pub(crate) fn write_all(blueprint: &Blueprint, content: &[u8]) -> Wish {
    write(content, 0, blueprint.geometry.size().0)
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

pub(crate) fn rebuilding(mut blueprint: Blueprint, member: u8) -> Blueprint {
    let seat = blueprint.seats[usize::from(member)].as_mut().unwrap();
    seat.state = MemberState::Rebuilding { valid_to: Sectors::ZERO };
    blueprint
}

/// Puts a range of a member's data on its list.
pub(crate) fn list(device: &mut RamDevice, at: u64, sectors: u64) {
    device.listed.extend(DATA_OFFSET + at..DATA_OFFSET + at + sectors);
}

/// What the engine knows as bad is what the devices have on record, and who is lost has nothing to
/// do with it. What that is: member, sector of its data, sectors.
pub(crate) fn listed(sim: &Sim<'_>) -> Vec<(u8, u64, u64)> {
    let known = sim.engine.bad_blocks().iter();
    let known: Vec<_> = known
        .map(|bad| {
            let (MemberIndex(member), MemberSector(at)) = (bad.member, bad.at);
            (member, at, bad.sectors.0)
        })
        .collect();
    let mut on_record = Vec::new();
    for (device, member) in sim.host.devices.iter().zip(0..) {
        let runs = device.listed_runs().into_iter();
        on_record.extend(runs.map(|run| (member, run.start - DATA_OFFSET, run.end - run.start)));
    }
    assert_eq!(known, on_record, "the engine knows what is on record");
    known
}

/// Blocks that were found bad, in order.
pub(crate) fn found_bad(sim: &Sim<'_>) -> Vec<(u8, u64, u64)> {
    let found = sim.host.events().filter_map(|event| match event {
        Event::BlockBad { member, at, sectors } => Some((member.0, at.0 - DATA_OFFSET, sectors.0)),
        Event::BlockGood { .. }
        | Event::MemberFailed { .. }
        | Event::ArrayFailed
        | Event::MemberReplaced { .. }
        | Event::JournalFailed { .. }
        | Event::MemberHung { .. }
        | Event::MemberQuiet { .. }
        | Event::Quiesced
        | Event::BlockRewritten { .. }
        | Event::NotCompared { .. }
        | Event::BlockLocated { .. }
        | Event::Ambiguous { .. }
        | Event::PassEnded { .. }
        | Event::ReshapeEnded { .. }
        | Event::RangeLost { .. } => None,
    });
    found.collect()
}

/// Reads the array unit by unit. Each is what it should be, or an error that names it; the sectors
/// at which it was an error.
pub(crate) fn lost_units(sim: &mut Sim<'_>, content: &[u8]) -> Vec<u64> {
    let size = sim.engine.geometry().size().0;
    let mut lost = Vec::new();
    for at in (0..size).step_by(usize::try_from(UNIT).unwrap()) {
        let answer = sim.request(read(at, UNIT));
        match answer.result {
            Ok(_) => assert!(answer.memory == part(content, at, UNIT), "sector {at} is made up"),
            Err(failure) => {
                let named = Failure::Unrecoverable { at: Lba(at), sectors: Sectors(UNIT) };
                assert_eq!(failure, named);
                lost.push(at);
            }
        }
    }
    lost
}

/// The same array once more, over what these devices hold and have on record. Which units are lost.
pub(crate) fn lost_after_restart(
    blueprint: &Blueprint,
    devices: &[RamDevice],
    content: &[u8],
) -> Vec<u64> {
    let mut devices = devices.to_vec();
    for device in &mut devices {
        device.done.clear();
    }
    let mut lent = Lent::to(blueprint);
    let mut sim = Sim::made(blueprint, &mut lent, devices);
    lost_units(&mut sim, content)
}

/// Everything agrees on members that are not lost, but for what is on the list.
pub(crate) fn assert_holds(blueprint: &Blueprint, sim: &Sim<'_>, content: &[u8]) {
    let mut devices = sim.host.devices.clone();
    let wanted = reference::lay_out(&blueprint.geometry, content, blueprint.member_sectors);
    for (device, wanted) in devices.iter_mut().zip(&wanted) {
        for run in device.listed_runs() {
            let bytes = part(wanted, run.start - DATA_OFFSET, run.end - run.start);
            device.medium.store(run.start, bytes);
        }
    }
    let areas = blueprint.areas(&devices, sim.host.lost());
    let wrong =
        reference::disagreements(&blueprint.geometry, content, &areas, blueprint.member_sectors);
    assert!(wrong.is_empty(), "{wrong:?}");
}

pub(crate) fn count(sim: &Sim<'_>, device: u8, action: Action) -> usize {
    sim.host.devices[usize::from(device)].count(action)
}

pub(crate) fn list_commands(sim: &Sim<'_>) -> usize {
    sim.host.commands().filter(|command| matches!(command, Command::RecordBad { .. })).count()
}

pub(crate) fn assert_nobody_is_lost(sim: &Sim<'_>) {
    assert_eq!(sim.host.lost(), MemberSet::NONE, "no member is lost");
}
