//! Copies: a read goes to each copy once at most.

use raid_core::host::{Event, Failure, Fault};
use raid_core::units::{DeviceSector, Lba, MemberIndex, Sectors};
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{DATA_OFFSET, Lent, Sim};

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
