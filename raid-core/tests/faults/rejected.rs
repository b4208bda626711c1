//! Invalid and unsupported commands are nobody's fault below: they go back to the requester.

use raid_core::host::{Event, Failure, Fault};
use raid_core::members::MemberSet;
use raid_core::units::MemberIndex;
use raid_sim::reference;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Lent, Sim, Wish};

use crate::setups::{self, CHUNK};

const KINDS: [Fault; 2] = [Fault::InvalidRequest, Fault::Unsupported];

#[test]
fn a_rejected_read_goes_back_at_once() {
    for fault in KINDS {
        for blueprint in [setups::raid5(4), setups::raid6(5), setups::raid1(3), setups::raid10()] {
            let content = setups::content(&blueprint, 1);
            let mut devices = blueprint.devices(&content);
            for device in &mut devices {
                device.rules.push(Rule::on(&[Action::Read], fault));
            }
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let answer = sim.request(setups::read(8, 8));
            assert_eq!(answer.result, Err(Failure::Rejected { fault }));
            assert_eq!(setups::transfers(&sim).len(), 1, "one command, tried once");
            assert_eq!(setups::events(&sim), []);
            assert!(sim.host.lost().is_empty());
            let recorded = sim.host.devices.iter().all(|device| device.recorded.is_none());
            assert!(recorded, "nothing is recorded");
        }
    }
}

#[test]
fn a_write_that_every_member_rejects_goes_back_at_once() {
    for fault in KINDS {
        for blueprint in [setups::raid5(4), setups::raid6(5), setups::raid1(3), setups::raid10()] {
            let content = setups::content(&blueprint, 1);
            let mut devices = blueprint.devices(&content);
            for device in &mut devices {
                device.rules.push(Rule::on(&[Action::Write], fault));
            }
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let answer = sim.request(setups::write(&content, 0, CHUNK));
            assert_eq!(answer.result, Err(Failure::Rejected { fault }));
            for device in 0..sim.host.devices.len() {
                let writes = setups::count(&sim.host.devices, device, Action::Write);
                assert!(writes <= 1, "one command a member, tried once");
            }
            assert_eq!(setups::events(&sim), []);
            assert!(sim.host.lost().is_empty());
        }
    }
}

#[test]
fn a_read_for_a_write_that_is_rejected_leaves_the_row_alone() {
    let blueprint = setups::raid5(5);
    let content = setups::content(&blueprint, 2);
    let mut devices = blueprint.devices(&content);
    devices[0].rules.push(Rule::on(&[Action::Read], Fault::InvalidRequest));
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let other = setups::content(&blueprint, 3);
    let answer = sim.request(setups::write(&other, 0, 8));
    assert_eq!(answer.result, Err(Failure::Rejected { fault: Fault::InvalidRequest }));
    assert!(setups::transfers(&sim).iter().all(|transfer| transfer.0 == Action::Read));
    assert!(sim.host.lost().is_empty());
}

#[test]
fn a_rejection_after_another_write_was_taken_costs_the_member_and_no_row_stays_torn() {
    for fault in KINDS {
        for bad in 0..4 {
            let blueprint = setups::raid5(4);
            let before = setups::content(&blueprint, 4);
            let other = setups::content(&blueprint, 5);
            let mut devices = blueprint.devices(&before);
            devices[bad].rules.push(Rule::on(&[Action::Write], fault));
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let answer = sim.request(setups::write(&other, 0, 3 * CHUNK));
            assert!(answer.result.is_ok());
            let member = MemberIndex(u8::try_from(bad).unwrap());
            assert_eq!(setups::events(&sim), [Event::MemberFailed { member, fault }]);
            assert_eq!(setups::count(&sim.host.devices, bad, Action::Write), 1, "no retry");
            let mut after = before;
            setups::overlay(&mut after, &other, 0, 3 * CHUNK);
            let areas = blueprint.areas(&sim.host.devices, MemberSet::only(member));
            let sectors = blueprint.member_sectors;
            let wrong = reference::disagreements(&blueprint.geometry, &after, &areas, sectors);
            assert!(wrong.is_empty(), "{wrong:?}");
        }
    }
}

#[test]
fn a_block_that_may_not_be_mended_stays_as_it_is() {
    let blueprint = setups::raid5(4);
    let content = setups::content(&blueprint, 6);
    let mut devices = blueprint.devices(&content);
    devices[0].rules.push(Rule::on(&[Action::Read], Fault::Media).at(16..24));
    devices[0].rules.push(Rule::on(&[Action::Write], Fault::Unsupported));
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let answer = sim.request(setups::read(0, CHUNK));
    assert!(answer.result.is_ok());
    assert!(answer.memory == setups::part(&content, 0, CHUNK));
    assert!(sim.host.lost().is_empty());
    assert_eq!(setups::events(&sim), []);
}

#[test]
fn a_rejected_flush_is_an_error_that_costs_no_member() {
    let blueprint = setups::raid5(4);
    let content = setups::content(&blueprint, 7);
    let mut devices = blueprint.devices(&content);
    devices[2].rules.push(Rule::on(&[Action::Flush], Fault::Unsupported));
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let answer = sim.request(Wish::Flush);
    assert_eq!(answer.result, Err(Failure::Rejected { fault: Fault::Unsupported }));
    assert!(sim.host.lost().is_empty());
}
