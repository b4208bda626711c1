//! Metadata that cannot be written, and flushes that fail.

use raid_core::engine::{Fate, Refusal};
use raid_core::host::{Command, Failure, Fault};
use raid_core::members::MemberSet;
use raid_core::units::MemberIndex;
use raid_sim::device::RamDevice;
use raid_sim::reference;
use raid_sim::rules::{Action, Leaves, Rule};
use raid_sim::sim::{Blueprint, Lent, Sim, Wish};

use crate::setups::{self, CHUNK};

const FAULTS: [Fault; 6] = [
    Fault::Media,
    Fault::Integrity,
    Fault::Transport,
    Fault::Gone,
    Fault::InvalidRequest,
    Fault::Unsupported,
];

fn subsets(members: u8) -> impl Iterator<Item = MemberSet> {
    (0..1_u32 << members).map(move |bits| {
        (0..members).filter(|member| bits & (1 << member) != 0).map(MemberIndex).collect()
    })
}

fn survives(blueprint: &Blueprint, devices: &[RamDevice], lost: MemberSet) -> bool {
    reference::content(&blueprint.geometry, &blueprint.areas(devices, lost)).is_ok()
}

/// Three writers and a flush wait for a generation that fails on these members.
fn with_failing(
    blueprint: &Blueprint,
    (before, other): (&[u8], &[u8]),
    pristine: &[RamDevice],
    failing: MemberSet,
    rule: &Rule,
) {
    let mut devices = pristine.to_vec();
    for member in failing {
        devices[member.index()].rules.push(rule.clone());
    }
    let mut lent = Lent::to(blueprint);
    let mut sim = Sim::made(blueprint, &mut lent, devices);
    let mut model = before.to_vec();
    for at in [0, 2 * CHUNK, 8] {
        sim.start(setups::write(other, at, CHUNK / 2)).unwrap();
        setups::overlay(&mut model, other, at, CHUNK / 2);
    }
    // The host checks that events rise by one with each generation.
    sim.run();
    assert_eq!(sim.host.answers.len(), 3, "every waiter is answered");
    let lost = sim.host.lost();
    let by_all = failing == blueprint.geometry.all_members() && rule.rejects();
    let blamed = if by_all { MemberSet::NONE } else { failing };
    assert_eq!(lost, blamed, "who cannot be written is lost, unless it is the host that cannot");
    if survives(blueprint, pristine, failing) {
        assert_eq!(sim.fate(), Fate::Serving);
        assert!(sim.host.answers.iter().all(|answer| answer.result.is_ok()));
        let areas = blueprint.areas(&sim.host.devices, lost);
        let sectors = blueprint.member_sectors;
        let wrong = reference::disagreements(&blueprint.geometry, &model, &areas, sectors);
        assert!(wrong.is_empty(), "{wrong:?}");
        for member in blueprint.geometry.all_members().difference(lost) {
            let record = sim.host.devices[member.index()].durable.unwrap();
            assert_eq!((record.failed, record.events), (failing, sim.engine.events()));
        }
        assert!(sim.request(Wish::MarkClean).result.is_ok());
    } else {
        assert_eq!(sim.fate(), Fate::Failed);
        let failed = sim.host.answers.iter().all(|answer| match answer.result {
            Err(Failure::ArrayFailed | Failure::Unrecoverable { .. }) => true,
            Ok(_)
            | Err(
                Failure::Rejected { .. }
                | Failure::JournalLost
                | Failure::NothingToCompare
                | Failure::MemoryHeld { .. }
                | Failure::HandedBack
                | Failure::Interrupted
                | Failure::NeedsBackup { .. }
                | Failure::NotCompared { .. },
            ) => false,
        });
        assert!(failed);
        let written = sim.host.commands().any(|it| matches!(it, Command::Write { .. }));
        assert!(!written, "nothing was written, as nothing was marked dirty");
        assert_eq!(sim.start(setups::write(other, 0, 8)), Err(Refusal::ArrayFailed));
        if by_all {
            let whole = sim.request(setups::read(0, blueprint.geometry.size().0));
            assert!(whole.result.is_ok() && whole.memory == before, "it can be read");
        }
    }
}

#[test]
fn metadata_that_some_members_cannot_keep_costs_these_members() {
    for blueprint in [setups::raid5(4), setups::raid6(5), setups::raid1(3), setups::raid10()] {
        let (before, other) = (setups::content(&blueprint, 1), setups::content(&blueprint, 2));
        let contents = (before.as_slice(), other.as_slice());
        let devices = blueprint.devices(&before);
        for failing in subsets(blueprint.geometry.members()) {
            for fault in FAULTS {
                for leaves in [Leaves::Nothing, Leaves::All] {
                    let rule = Rule::on(&[Action::Record], fault).leaving(leaves);
                    with_failing(&blueprint, contents, &devices, failing, &rule);
                }
                let rule = Rule::on(&[Action::Flush], fault);
                with_failing(&blueprint, contents, &devices, failing, &rule);
            }
        }
    }
}

#[test]
fn members_that_fail_one_generation_after_the_other_cost_one_generation_each() {
    // Member 0 fails at once, member 1 in the generation that records member 0, member 2 in the one
    // after.
    let blueprint = setups::raid1(4);
    let content = setups::content(&blueprint, 3);
    let mut devices = blueprint.devices(&content);
    for (device, skip) in [(0, 0), (1, 1), (2, 2)] {
        devices[device].rules.push(Rule::on(&[Action::Record], Fault::Transport).skipping(skip));
    }
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    assert!(sim.request(setups::write(&content, 0, 8)).result.is_ok());
    let record = sim.host.devices[3].durable.unwrap();
    assert_eq!(record.events, blueprint.events + 4);
    assert_eq!(record.failed, sim.host.lost());
    assert_eq!(record.failed.count(), 3);
}

#[test]
fn a_failed_flush_costs_the_member_and_that_is_on_record_first() {
    for fault in [Fault::Media, Fault::Integrity, Fault::Transport, Fault::Gone] {
        for bad in 0..4 {
            let blueprint = setups::raid5(4);
            let content = setups::content(&blueprint, 4);
            let mut devices = blueprint.devices(&content);
            // The flush that seals the dirty mark is let through.
            devices[bad].rules.push(Rule::on(&[Action::Flush], fault).skipping(1));
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            assert!(sim.request(setups::write(&content, 0, 8)).result.is_ok());
            // The host checks that the loss is on durable record before this answer.
            assert!(sim.request(Wish::Flush).result.is_ok());
            let member = MemberIndex(u8::try_from(bad).unwrap());
            assert_eq!(sim.host.lost(), MemberSet::only(member));
            let other = sim.host.devices[(bad + 1) % 4].durable.unwrap();
            assert_eq!(other.failed, MemberSet::only(member));
        }
    }
}

#[test]
fn flushes_that_fail_beyond_the_redundancy_are_an_error() {
    let blueprint = setups::raid5(4);
    let content = setups::content(&blueprint, 5);
    let mut devices = blueprint.devices(&content);
    for device in &mut devices[..2] {
        device.rules.push(Rule::on(&[Action::Flush], Fault::Gone).skipping(1));
    }
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    assert!(sim.request(setups::write(&content, 0, 8)).result.is_ok());
    assert_eq!(sim.request(Wish::Flush).result, Err(Failure::ArrayFailed));
    // What is left is served.
    assert!(sim.request(setups::read(2 * CHUNK, CHUNK)).result.is_ok());
    assert!(sim.request(setups::read(0, 8)).result.is_err());
}

#[test]
fn a_clean_stop_is_recorded_once_and_after_a_flush() {
    for blueprint in [setups::raid5(4), setups::raid1(2), setups::raid10()] {
        let content = setups::content(&blueprint, 6);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        assert!(sim.request(Wish::MarkClean).result.is_ok());
        assert!(sim.host.commands().next().is_none(), "it is clean already");
        for round in 1..4 {
            assert!(sim.request(setups::write(&content, 0, 8)).result.is_ok());
            assert!(sim.request(Wish::MarkClean).result.is_ok());
            assert!(sim.request(Wish::MarkClean).result.is_ok());
            assert_eq!(sim.engine.events(), blueprint.events + 2 * round, "dirty, then clean");
        }
    }
}
