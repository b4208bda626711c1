//! Data that was lost or made up.

use raid_core::engine::{PassEnd, PassKind, ReadsFrom, SetupError};
use raid_core::host::{Command, Fault};
use raid_core::metadata::Consistency;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::order::{Order, Random};
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{DATA_OFFSET, Lent, Sim, Wish};

use crate::arrays::{self, CHUNK, ROWS};

/// With two members missing, a write to one of them while the other was recovered marked the stripe
/// as in sync, and the recovered block was never written: 9c4bdf697c39.
#[test]
fn a_write_to_one_missing_member_does_not_pass_for_the_recovery_of_the_other() {
    for seed in 0..200 {
        let whole = arrays::raid6(5);
        let mut content = arrays::content(&whole, 1);
        let other = arrays::content(&whole, 2);
        let mut devices = whole.devices(&content);
        arrays::spoil(&mut devices, 0, 0);
        arrays::spoil(&mut devices, 1, 0);
        let blueprint = arrays::rebuilding(whole.clone(), 0, 0).without(arrays::only(1));
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        sim.order = Order::Random(Random::new(seed));
        let mut random = Random::new(seed);
        sim.engine.start_pass(PassKind::Recovery).unwrap();
        for _ in 0..12 {
            // Blocks of the member that stays away, mostly: its data are these of the array.
            let at = random.below(whole.geometry.size().0 - CHUNK);
            let sectors = 1 + random.below(CHUNK);
            if sim.start(arrays::write(&other, &mut content.clone(), at, sectors)).is_ok() {
                arrays::write(&other, &mut content, at, sectors);
            }
            for _ in 0..random.below(9) {
                sim.turn();
            }
        }
        sim.run();
        assert_eq!(sim.pass_ended().map(|(_, end)| end), Some(PassEnd::Finished));
        arrays::assert_holds(&blueprint, &sim, &content);
    }
}

/// An interrupted pass put a position on record that was ahead of what it had done, and what lay
/// between was never resynced: 0a19caabf01a, "prevent incorrect update of resync/recovery offset".
#[test]
fn an_interrupted_recovery_records_no_more_than_it_has_done() {
    for turns in 0..60 {
        for order in [Order::Lifo, Order::Fifo, Order::Random(Random::new(turns))] {
            let whole = arrays::raid5(4);
            let content = arrays::content(&whole, 1);
            let mut devices = whole.devices(&content);
            let right = devices[2].clone();
            arrays::spoil(&mut devices, 2, 0);
            let blueprint = arrays::rebuilding(whole, 2, 0);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            sim.order = order;
            sim.engine.start_pass(PassKind::Recovery).unwrap();
            for _ in 0..turns {
                sim.turn();
            }
            sim.engine.park_pass();
            sim.run();
            let record = sim.host.devices[0].durable.unwrap();
            let done = if record.rebuilding.is_empty() {
                Sectors(ROWS * CHUNK)
            } else {
                record.rebuilt_to
            };
            let length = arrays::bytes(done.0);
            assert!(
                sim.host.devices[2].medium.stored(DATA_OFFSET, length)
                    == right.medium.stored(DATA_OFFSET, length),
                "valid to {done:?} after {turns} turns"
            );
        }
    }
}

/// Reads of a mirror went to a member that was still recovering there: c6d119cf1b5a, 1a855a060665.
#[test]
fn no_read_of_a_mirror_goes_above_the_mark_of_its_member() {
    for mark in [0, 1, 8, 24, CHUNK, 40] {
        let whole = arrays::raid1(3);
        let content = arrays::content(&whole, 1);
        let mut devices = whole.devices(&content);
        arrays::spoil(&mut devices, 0, mark);
        let mut blueprint = arrays::rebuilding(whole, 0, mark);
        for other in [1, 2] {
            // So that balancing alone would prefer the one that is being rebuilt.
            blueprint.seats[other].as_mut().unwrap().reads = ReadsFrom::AsLast;
        }
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        for (at, sectors) in [(0, 1), (0, 64), (7, 2), (23, 9), (mark, 1), (mark, 8), (15, 40)] {
            let answer = sim.request(arrays::read(at, sectors));
            assert!(answer.memory == content[arrays::bytes(at)..arrays::bytes(at + sectors)]);
        }
        for command in sim.host.commands() {
            if let Command::Read { device, at, sectors, .. } = command {
                assert!(device.0 != 0 || at.0 + sectors.0 <= DATA_OFFSET + mark);
            }
        }
    }
}

/// A write was answered before the failure that it had survived was on record, and a crash brought
/// the stale member back: 55ce74d4bfe1, c3cce6cda162, 16d997b78b15.
#[test]
fn a_write_that_survived_a_failure_is_answered_after_its_record() {
    for blueprint in [arrays::raid1(2), arrays::raid5(4), arrays::raid6(5)] {
        for member in 0..2 {
            for seed in 0..20 {
                let mut content = arrays::content(&blueprint, 1);
                let other = arrays::content(&blueprint, 2);
                let mut devices = blueprint.devices(&content);
                devices[member].rules.push(Rule::on(&[Action::Write], Fault::Transport));
                let mut lent = Lent::to(&blueprint);
                let mut sim = Sim::made(&blueprint, &mut lent, devices);
                sim.order = Order::Random(Random::new(seed));
                sim.start(arrays::write(&other, &mut content, 0, 3 * CHUNK)).unwrap();
                while sim.host.answers.is_empty() {
                    sim.turn();
                }
                let lost = MemberIndex(u8::try_from(member).unwrap());
                for (device, place) in sim.host.devices.iter().zip(0..) {
                    let record = device.durable;
                    let says = record.is_some_and(|record| record.failed.contains(lost));
                    assert!(place == member || says, "{place}: {record:?}");
                }
            }
        }
    }
}

/// After a crash in a degraded stripe, blocks that nobody had written were made from parity that did
/// not fit, and handed out as data: the write hole, 3418d036c81d.
#[test]
fn without_a_log_a_dirty_array_that_lacks_a_member_is_refused() {
    for blueprint in [arrays::raid5(4), arrays::raid6(5)] {
        let content = arrays::content(&blueprint, 1);
        for lost in 0..blueprint.geometry.members() {
            let mut dirty = blueprint.clone().without(arrays::only(lost));
            dirty.consistency = Consistency::InSyncTo(Sectors(0));
            let mut lent = Lent::to(&dirty);
            let refused = Sim::new(&dirty, &mut lent, dirty.devices(&content)).err();
            assert_eq!(refused, Some(SetupError::DirtyDegraded));
        }
    }
}

/// Writes to slow mirrors went on behind the answer, and readers got what had been there before:
/// 20cecae877a6. There are none behind an answer here.
#[test]
fn a_write_is_answered_when_the_slowest_mirror_has_it() {
    for seed in 0..20 {
        let mut blueprint = arrays::raid1(3);
        blueprint.seats[2].as_mut().unwrap().reads = ReadsFrom::AsLast;
        let mut content = arrays::content(&blueprint, 1);
        let other = arrays::content(&blueprint, 2);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        sim.order = Order::Random(Random::new(seed));
        sim.start(arrays::write(&other, &mut content, 3, CHUNK)).unwrap();
        while sim.host.answers.is_empty() {
            sim.turn();
        }
        arrays::assert_holds(&blueprint, &sim, &content);
    }
}

/// A stripe that was discarded and then changed in part got parity from what the discard had left on
/// the members: 620125f2bf8f. Zeroes are written here, parity and all.
#[test]
fn zeroes_are_written_so_that_a_change_in_part_finds_parity_that_fits() {
    for blueprint in [arrays::raid5(4), arrays::raid6(5)] {
        let mut content = arrays::content(&blueprint, 1);
        let other = arrays::content(&blueprint, 2);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        let row = CHUNK * (u64::from(blueprint.geometry.members()) - 2);
        for (at, sectors) in [(0, row), (row + 3, CHUNK), (2 * row + 8, 8)] {
            content[arrays::bytes(at)..arrays::bytes(at + sectors)].fill(0);
            assert!(sim.request(Wish::Zeroes { at, sectors }).result.is_ok());
            arrays::assert_holds(&blueprint, &sim, &content);
            let part = arrays::write(&other, &mut content, at + 1, 4);
            assert!(sim.request(part).result.is_ok());
            arrays::assert_holds(&blueprint, &sim, &content);
        }
    }
}
