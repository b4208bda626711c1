//! A member that is replaced while something else goes on.

use raid_core::engine::{Halt, PassEnd, PassKind, StopReason};
use raid_core::host::{Command, Event};
use raid_core::members::{MemberSet, MemberState};
use raid_core::request::Stability;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::host::Waits;
use raid_sim::order::{Order, Random};
use raid_sim::reference;
use raid_sim::rules::Rule;
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Turn, Wish};

use crate::arrays::{self, CHUNK, ROWS};

/// An array and the device that is to replace its member 1, full of garbage.
fn sim<'m>(
    blueprint: &Blueprint,
    lent: &'m mut Lent,
    content: &[u8],
    rules: &[(u8, Rule)],
) -> Sim<'m> {
    let mut devices = blueprint.devices(content);
    let mut new = devices[1].clone();
    let bytes = usize::try_from(ROWS * CHUNK).unwrap() * 512;
    new.medium.store(DATA_OFFSET, &vec![0x5A; bytes]);
    devices.push(new);
    for member in blueprint.rebuilding() {
        devices[member.index()].medium.store(DATA_OFFSET, &vec![0xA5; bytes]);
    }
    for (member, rule) in rules {
        devices[usize::from(*member)].rules.push(rule.clone());
    }
    let mut sim = Sim::made(&blueprint.clone().replacing(1, 0), lent, devices);
    sim.host.waits = Waits::ForItsOwn;
    sim
}

/// Writes here and there, as long as the pass is at work.
fn write_on(sim: &mut Sim<'_>, content: &mut [u8], seed: u64) {
    let mut random = Random::new(seed);
    let size = u64::try_from(content.len()).unwrap() / 512;
    while sim.turn() == Turn::Again {
        let at = random.below(size);
        let sectors = 1 + random.below((size - at).min(24));
        let mut bytes = vec![0; usize::try_from(sectors).unwrap() * 512];
        random.fill(&mut bytes);
        let wish = Wish::Write { at, bytes: bytes.clone(), stability: Stability::Stable };
        if sim.pass_ended().is_none() && sim.start(wish).is_ok() {
            let first = usize::try_from(at).unwrap() * 512;
            content[first..][..bytes.len()].copy_from_slice(&bytes);
        }
    }
    for answer in &sim.host.answers {
        assert!(answer.result.is_ok(), "{:?}", answer.result);
    }
}

fn assert_holds(blueprint: &Blueprint, sim: &Sim<'_>, content: &[u8]) {
    let mut devices = sim.host.devices.clone();
    devices.swap_remove(1);
    let areas = blueprint.areas(&devices, MemberSet::NONE);
    let sectors = blueprint.member_sectors;
    let wrong = reference::disagreements(&blueprint.geometry, content, &areas, sectors);
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// f94c0b6658c7: with a recovery under way, what was written did not reach the replacement.
#[test]
fn what_is_written_during_a_recovery_of_another_member_reaches_the_replacement() {
    for seed in 0..20 {
        for whole in [arrays::raid5(4), arrays::raid1(3)] {
            let mut rebuilding = whole.clone();
            let state = MemberState::Rebuilding { valid_to: Sectors(0) };
            rebuilding.seats[2].as_mut().unwrap().state = state;
            let mut content = vec![0; whole.size()];
            Random::new(seed).fill(&mut content);
            let mut lent = Lent::to(&rebuilding);
            let mut sim = sim(&rebuilding, &mut lent, &content, &[]);
            sim.order = Order::Random(Random::new(seed));
            for kind in [PassKind::Recovery, PassKind::Replacement] {
                sim.engine.start_pass(kind).unwrap();
                write_on(&mut sim, &mut content, seed + 50);
                assert_eq!(sim.pass_ended().unwrap().1, PassEnd::Finished);
            }
            assert_holds(&whole, &sim, &content);
        }
    }
}

/// d63e2fc804c4: the member was dropped in the middle, and garbage was written to its replacement.
#[test]
fn a_member_dropped_at_any_step_of_its_replacement_leaves_what_it_held() {
    for commands in 0..40 {
        for whole in [arrays::raid5(4), arrays::raid1(3)] {
            let mut content = vec![0; whole.size()];
            Random::new(commands).fill(&mut content);
            let mut lent = Lent::to(&whole);
            let rules = [(1, Rule::gone_after(commands))];
            let mut sim = sim(&whole, &mut lent, &content, &rules);
            sim.order = Order::Random(Random::new(commands));
            sim.engine.start_pass(PassKind::Replacement).unwrap();
            write_on(&mut sim, &mut content, commands);
            if sim.pass_ended().unwrap().1 != PassEnd::Finished {
                let stopped = PassEnd::Halted(Halt::Stopped(StopReason::OriginalLost));
                assert_eq!(sim.pass_ended().unwrap().1, stopped);
                assert_eq!(sim.pass(PassKind::Recovery).1, PassEnd::Finished);
            }
            assert_holds(&whole, &sim, &content);
        }
    }
}

/// e5c86471f933: a member with a replacement was counted as missing.
#[test]
fn a_member_that_is_being_replaced_is_not_missing() {
    let whole = arrays::raid5(4);
    let content = vec![3; whole.size()];
    let mut lent = Lent::to(&whole);
    let mut sim = sim(&whole, &mut lent, &content, &[]);
    sim.engine.start_pass(PassKind::Replacement).unwrap();
    for _ in 0..9 {
        sim.turn();
    }
    sim.engine.park_pass();
    sim.run();
    assert_eq!(sim.engine.member_state(MemberIndex(1)), MemberState::InSync);
    // What is refused to an array that lacks a member.
    assert_eq!(sim.pass(PassKind::Check).1, PassEnd::Finished);
    assert_eq!(sim.engine.fail_member(MemberIndex(2)), Ok(()), "another may still go");
}

#[derive(Debug, PartialEq, Eq)]
enum Changed {
    NotYet,
    Seen,
}

/// e7c0c3fa2928: writes that were under way when a replacement had finished went to one of the two.
#[test]
fn no_write_is_under_way_while_a_place_changes_hands() {
    for seed in 0..40 {
        let whole = arrays::raid1(3);
        let mut content = vec![0; whole.size()];
        let mut lent = Lent::to(&whole);
        let mut sim = sim(&whole, &mut lent, &content, &[]);
        sim.order = Order::Random(Random::new(seed));
        sim.budget = 2;
        sim.engine.start_pass(PassKind::Replacement).unwrap();
        let mut random = Random::new(seed);
        let mut changed = Changed::NotYet;
        while sim.turn() == Turn::Again {
            let at = random.below(40);
            let wish = Wish::Write { at, bytes: vec![7; 512 * 9], stability: Stability::Stable };
            if sim.pass_ended().is_none() && sim.start(wish).is_ok() {
                content[usize::try_from(at).unwrap() * 512..][..512 * 9].fill(7);
            }
            let replaced = |event| matches!(event, Event::MemberReplaced { .. });
            if changed == Changed::NotYet && sim.host.events().any(replaced) {
                let mut in_flight = sim.host.in_flight().iter();
                let write = in_flight.find(
                    |it| matches!(it.command, Command::Write { device, .. } if device.0 == 1),
                );
                assert!(write.is_none(), "to the member that is out: {write:?}");
                changed = Changed::Seen;
            }
        }
        assert_eq!(changed, Changed::Seen);
        assert_holds(&whole, &sim, &content);
    }
}
