//! A list that takes nothing: then a block that cannot be written costs its member, as without one.

use raid_core::engine::{Halt, PassEnd, PassKind, StopReason};
use raid_core::host::Fault;
use raid_core::members::MemberSet;
use raid_core::units::MemberIndex;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim};

use crate::arrays::{self, CHUNK, UNIT};

/// The list is full, or the host keeps none, or it cannot be written.
fn ways(blueprint: &Blueprint) -> Vec<(&'static str, Blueprint, Option<Rule>)> {
    let list = |fault| Some(Rule::on(&[Action::List], fault));
    vec![
        ("no memory", Blueprint { bad_blocks: 0, ..blueprint.clone() }, None),
        ("full", Blueprint { bad_blocks: 1, ..blueprint.clone() }, None),
        ("not kept", blueprint.clone(), list(Fault::Unsupported)),
        ("malformed", blueprint.clone(), list(Fault::InvalidRequest)),
        ("gone", blueprint.clone(), list(Fault::Gone)),
        ("unreachable", blueprint.clone(), list(Fault::Transport)),
        ("bad itself", blueprint.clone(), list(Fault::Media)),
    ]
}

#[test]
fn a_block_that_cannot_be_listed_costs_its_member_and_the_write_is_answered() {
    for (layout, members) in arrays::layouts() {
        for (what, blueprint, rule) in ways(&arrays::blueprint(layout, members)) {
            let after = arrays::content(&blueprint, 2);
            let mut devices = blueprint.devices(&arrays::content(&blueprint, 1));
            devices[1].rules.extend(rule);
            let writes = Rule::on(&[Action::Write], Fault::Media);
            devices[1].rules.push(writes.at(DATA_OFFSET + UNIT..DATA_OFFSET + UNIT + 1));
            if blueprint.bad_blocks == 1 {
                // The one place is taken, by a block that no request comes near.
                arrays::list(&mut devices[0], blueprint.member_sectors - 1, 1);
            }
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let answer = sim.request(arrays::write(&after, 0, 2 * CHUNK));
            assert!(answer.result.is_ok(), "{layout:?}, {what}: {:?}", answer.result);
            assert_eq!(sim.host.lost(), MemberSet::only(MemberIndex(1)), "{layout:?}, {what}");
        }
    }
}

#[test]
fn a_pass_that_cannot_list_what_it_cannot_make_stops_there_once() {
    for (layout, members) in arrays::layouts() {
        for (what, blueprint, rule) in ways(&arrays::blueprint(layout, members)) {
            let content = arrays::content(&blueprint, 1);
            let mut devices = blueprint.devices(&content);
            let reads = Rule::on(&[Action::Read], Fault::Media);
            for device in &mut devices {
                device.rules.extend(rule.clone());
                let reads = reads.clone();
                device.rules.push(reads.at(DATA_OFFSET + CHUNK..DATA_OFFSET + CHUNK + 1));
            }
            if blueprint.bad_blocks == 1 {
                arrays::list(&mut devices[0], blueprint.member_sectors - 1, 1);
            }
            let blueprint = arrays::rebuilding(blueprint, 1);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let (_, end) = sim.pass(PassKind::Recovery);
            let PassEnd::Halted(Halt::Stopped(reason)) = end else { panic!("{layout:?}, {what}") };
            match reason {
                StopReason::Unrecoverable { .. } => {
                    assert_eq!(sim.host.lost(), MemberSet::NONE, "{layout:?}, {what}");
                }
                StopReason::TargetLost => {
                    assert!(
                        ["gone", "unreachable", "bad itself", "full"].contains(&what),
                        "{what}"
                    );
                }
                StopReason::MemberLost
                | StopReason::OriginalLost
                | StopReason::Rejected
                | StopReason::ArrayFailed => {
                    panic!("{layout:?}, {what}: {reason:?}");
                }
            }
        }
    }
}
