//! Copies: reads are spread over them, and a read goes to each copy once at most.

use raid_core::engine::ReadsFrom;
use raid_core::host::{Command, Event, Failure, Fault};
use raid_core::metadata::Consistency;
use raid_core::units::{DeviceSector, Lba, MemberIndex, Sectors};
use raid_sim::host::Entry;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim};

use crate::setups;

#[test]
fn a_read_goes_to_each_copy_once_at_most() {
    for fault in [Fault::Media, Fault::Integrity, Fault::Transport, Fault::Gone] {
        for bad in 0..=3_u8 {
            let blueprint = setups::raid1(3);
            let content = setups::content(&blueprint, 1);
            let mut devices = blueprint.devices(&content);
            for device in 0..bad {
                devices[usize::from(device)].rules.push(Rule::on(&[Action::Read], fault));
            }
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let answer = sim.request(setups::read(8, 8));
            for device in 0..3 {
                let reads = setups::count(&sim.host.devices, usize::from(device), Action::Read);
                assert_eq!(reads, usize::from(device <= bad), "{fault:?}, {bad} bad: {device}");
            }
            if bad < 3 {
                assert!(answer.result.is_ok());
                assert!(answer.memory == setups::part(&content, 8, 8));
            } else {
                let named = Failure::Unrecoverable { at: Lba(8), sectors: Sectors(8) };
                assert_eq!(answer.result, Err(named));
            }
        }
    }
}

#[test]
fn every_bad_copy_is_mended_from_the_good_one() {
    let blueprint = setups::raid1(3);
    let content = setups::content(&blueprint, 2);
    let mut devices = blueprint.devices(&content);
    let bad = DATA_OFFSET + 8..DATA_OFFSET + 16;
    devices[0].medium.spoil(bad.clone(), Fault::Media);
    devices[1].medium.spoil(bad.clone(), Fault::Integrity);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let answer = sim.request(setups::read(0, 32));
    assert!(answer.result.is_ok());
    assert!(answer.memory == setups::part(&content, 0, 32));
    let rewritten = |member| Event::BlockRewritten {
        member: MemberIndex(member),
        at: DeviceSector(DATA_OFFSET + 8),
        sectors: Sectors(8),
    };
    assert_eq!(setups::events(&sim), [rewritten(0), rewritten(1)]);
    assert!(sim.host.devices.iter().all(|device| !device.medium.is_spoilt(bad.clone())));
}

#[test]
fn copies_that_are_bad_in_different_units_serve_all() {
    let blueprint = setups::raid10();
    let content = setups::content(&blueprint, 3);
    let mut devices = blueprint.devices(&content);
    for (device, unit) in [(0, 0), (1, 8), (0, 48), (1, 56)] {
        let start = DATA_OFFSET + unit;
        devices[device].medium.spoil(start..start + 8, Fault::Media);
    }
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let answer = sim.request(setups::read(0, 128));
    assert!(answer.result.is_ok());
    assert!(answer.memory == setups::part(&content, 0, 128));
    // Only what was found bad on the way is mended: the second copy was read where the first was
    // bad.
    assert_eq!(setups::events(&sim).len(), 2);
}

/// From which members these reads, all under way at once, are served.
fn served_by(sim: &mut Sim<'_>, reads: &[(u64, u64)]) -> Vec<u8> {
    let before = sim.host.trace.len();
    for (at, sectors) in reads {
        sim.start(setups::read(*at, *sectors)).unwrap();
    }
    sim.engine.poll(&mut sim.host, 1000);
    let commands = sim.host.trace.split_off(before).into_iter().filter_map(|entry| match entry {
        Entry::Taken(_, Command::Read { device, .. }) => Some(device.0),
        Entry::Taken(..)
        | Entry::Refused(..)
        | Entry::Ended(..)
        | Entry::Answered(..)
        | Entry::Returned(_)
        | Entry::Noted(_) => None,
    });
    let members = commands.collect();
    sim.run();
    members
}

#[test]
fn reads_under_way_at_once_are_spread_over_the_copies() {
    for (blueprint, copies) in [(setups::raid1(2), 2), (setups::raid1(3), 3)] {
        let content = setups::content(&blueprint, 4);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        // The same sectors again and again, and others: busy members are spared.
        for at in [0, 8, 136] {
            let mut members = served_by(&mut sim, &[(at, 8), (at, 8), (at, 8)][..copies]);
            members.sort_unstable();
            assert_eq!(members, (0..u8::try_from(copies).unwrap()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn reads_one_after_the_other_stay_on_a_member_for_a_run_and_then_go_on_to_the_next() {
    let blueprint = Blueprint::new(setups::raid1(2).geometry.layout(), 2, 64, 8192);
    let content = setups::content(&blueprint, 5);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
    let mut members = Vec::new();
    for at in (0..8192).step_by(512) {
        members.extend(served_by(&mut sim, &[(at, 8)]));
    }
    assert_eq!(members, [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]);
}

#[test]
fn a_member_that_is_mostly_written_is_read_where_no_other_copy_is_left() {
    let mut blueprint = setups::raid1(3);
    for member in [0, 1] {
        blueprint.seats[member].as_mut().unwrap().reads = ReadsFrom::AsLast;
    }
    let content = setups::content(&blueprint, 6);
    let mut devices = blueprint.devices(&content);
    devices[2].rules.push(Rule::on(&[Action::Read], Fault::Gone).skipping(3));
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    assert_eq!(served_by(&mut sim, &[(0, 8), (8, 8), (16, 8)]), [2, 2, 2]);
    // Now it is gone, which its next read shows.
    let answer = sim.request(setups::read(24, 8));
    assert!(answer.result.is_ok() && answer.memory == setups::part(&content, 24, 8));
    let mut members = served_by(&mut sim, &[(0, 8), (8, 8)]);
    members.sort_unstable();
    assert_eq!(members, [0, 1]);
}

#[test]
fn copies_that_may_disagree_are_read_from_one_member_however_busy_it_is() {
    let mut blueprint = setups::raid1(3);
    blueprint.consistency = Consistency::InSyncTo(Sectors(64));
    let content = setups::content(&blueprint, 7);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
    assert_eq!(served_by(&mut sim, &[(64, 8), (64, 8), (100, 8)]), [0, 0, 0]);
    let mut members = served_by(&mut sim, &[(0, 8), (0, 8), (56, 8)]);
    members.sort_unstable();
    assert_eq!(members, [0, 1, 2]);
}
