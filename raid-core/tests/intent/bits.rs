//! When bits are set, and when they are cleared.

use raid_core::engine::Fate;
use raid_core::geometry::Layout;
use raid_core::host::{Command, Fault};
use raid_core::members::MemberSet;
use raid_core::units::MemberIndex;
use raid_sim::host::{Refuses, Waits};
use raid_sim::order::{Order, Random};
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, Lent, Patience, Sim, Turn, Wish};

use crate::arrays::{self, BIT, CHUNK, bitmap, sweep, wish, write};

fn intents(sim: &Sim<'_>) -> usize {
    sim.host.commands().filter(|it| matches!(it, Command::RecordIntent { .. })).count()
}

/// The host checks at each write that its bits are durable on every member.
#[test]
fn bits_are_set_before_the_write_once_and_cleared_by_the_second_sweep() {
    for blueprint in arrays::all() {
        let content = arrays::content(&blueprint, 1);
        let members = usize::from(blueprint.geometry.members());
        for order in [Order::Fifo, Order::Lifo, Order::Random(Random::new(5))] {
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
            sim.order = order;
            assert!(write(&mut sim, &content, 1, 3).result.is_ok());
            assert_eq!(intents(&sim), members, "one line for each member");
            let other = arrays::content(&blueprint, 2);
            assert!(write(&mut sim, &other, 2, 5).result.is_ok());
            assert_eq!(intents(&sim), members, "the bit is there already");
            for device in 0..members {
                assert_eq!(bitmap(&sim, device).count(), 1);
            }
            sweep(&mut sim);
            assert_eq!(intents(&sim), members, "it was written to since the sweep before");
            sweep(&mut sim);
            assert_eq!(intents(&sim), 2 * members);
            assert!(sim.request(Wish::Flush).result.is_ok());
            for device in 0..members {
                assert_eq!(bitmap(&sim, device).count(), 0);
            }
            assert!(write(&mut sim, &content, 0, 8).result.is_ok());
            assert_eq!(intents(&sim), 3 * members, "it is set anew");
        }
    }
}

#[test]
fn a_chunk_that_is_written_to_between_sweeps_keeps_its_bit() {
    for blueprint in arrays::all() {
        let content = arrays::content(&blueprint, 1);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        for _ in 0..5 {
            assert!(write(&mut sim, &content, 0, 4).result.is_ok());
            sweep(&mut sim);
        }
        assert_eq!(intents(&sim), usize::from(blueprint.geometry.members()));
        assert_eq!(bitmap(&sim, 0).count(), 1);
    }
}

/// Many writes at once, each under a line of its own, through a host that is busy now and then.
#[test]
fn more_lines_than_a_batch_takes_are_set_one_batch_after_the_other() {
    const LINES: u64 = 20;
    let mut blueprint = Blueprint::new(Layout::Raid1, 2, CHUNK, LINES * 512 * 8).with_intent(8);
    (blueprint.slots, blueprint.requests) = (24, 24);
    let content = arrays::content(&blueprint, 1);
    for refuses in [Refuses::Nothing, Refuses::EachOnce, Refuses::Every(3)] {
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        sim.host.refuses = refuses;
        sim.order = Order::Random(Random::new(3));
        for line in 0..LINES {
            // The last of one line and the first of the next.
            let at = (line * 512 * 8).saturating_sub(4);
            sim.start(wish(&content, at, 8)).unwrap();
        }
        sim.run();
        assert_eq!(sim.host.answers.len(), 20);
        assert!(sim.host.answers.iter().all(|answer| answer.result.is_ok()));
        let flushes = sim.host.devices[0].count(Action::Flush);
        assert!((4..=8).contains(&flushes), "one flush for up to eight lines: {flushes}");
        for _ in 0..2 {
            sweep(&mut sim);
        }
        assert!(sim.request(Wish::Flush).result.is_ok());
        assert_eq!(bitmap(&sim, 0).count(), 0);
    }
}

/// A member that cannot keep its bitmap is lost, and nothing is written before that is on record:
/// it lacks bits that the others have.
#[test]
fn a_member_that_fails_to_take_bits_is_on_record_before_the_write() {
    for blueprint in arrays::all() {
        let content = arrays::content(&blueprint, 1);
        const INTENT: &[Action] = &[Action::Intent];
        const FLUSH: &[Action] = &[Action::Flush];
        for (actions, skip) in [(INTENT, 0), (INTENT, 1), (FLUSH, 0), (FLUSH, 1)] {
            for fault in [Fault::Transport, Fault::Media, Fault::Unsupported] {
                let mut devices = blueprint.devices(&content);
                devices[1].rules.push(Rule::on(actions, fault).skipping(skip));
                let mut lent = Lent::to(&blueprint);
                let mut sim = Sim::made(&blueprint, &mut lent, devices);
                assert!(write(&mut sim, &content, 1, 3).result.is_ok());
                let far = blueprint.geometry.size().0 / 2;
                assert!(write(&mut sim, &content, far, BIT).result.is_ok());
                assert_eq!(sim.host.lost(), MemberSet::only(MemberIndex(1)));
                if actions != INTENT || skip > 0 {
                    continue;
                }
                let place = |wanted: fn(&Command) -> bool| {
                    sim.host.commands().position(|it| wanted(&it)).unwrap()
                };
                let failed = place(|it| matches!(it, Command::RecordIntent { .. }));
                let recorded = place(|it| match it {
                    Command::Record { record, .. } => !record.failed.is_empty(),
                    Command::Read { .. }
                    | Command::Write { .. }
                    | Command::Flush { .. }
                    | Command::RecordIntent { .. }
                    | Command::RecordBad { .. }
                    | Command::LogParity { .. }
                    | Command::SealLog { .. }
                    | Command::RecordBackup { .. }
                    | Command::LogRow { .. }
                    | Command::RecordTail { .. }
                    | Command::Compute(_) => false,
                });
                let written = place(|it| matches!(it, Command::Write { .. }));
                assert!(failed < recorded && recorded < written);
            }
        }
    }
}

/// Of all promises about counts of writes none can be broken: nothing is counted. Whatever fails,
/// hangs, is refused or handed back, two sweeps later no bit is left.
#[test]
fn no_bit_stays_set_for_ever_whatever_happened_to_writes() {
    let mut swept = 0;
    for (blueprint, number) in arrays::all().into_iter().zip(0_u64..) {
        let content = arrays::content(&blueprint, 1);
        for seed in 0..40 {
            let mut random = Random::new(seed * 100 + number);
            let mut lent = Lent::to(&blueprint);
            let mut devices = blueprint.devices(&content);
            let bad = random.below(u64::from(blueprint.geometry.members()));
            let fault = [Fault::Media, Fault::InvalidRequest, Fault::Integrity];
            let fault = fault[usize::try_from(random.below(3)).unwrap()];
            let rule = Rule::on(&[Action::Read], fault).skipping(random.below(6)).times(3);
            devices[usize::try_from(bad).unwrap()].rules.push(rule);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            sim.order = Order::Random(Random::new(seed));
            sim.host.waits = Waits::ForItsOwn;
            sim.host.refuses = if seed % 3 == 0 { Refuses::Every(4) } else { Refuses::Nothing };
            let size = blueprint.geometry.size().0;
            for round in 0..3 {
                for _ in 0..4 {
                    let at = random.below(size - 1);
                    let sectors = 1 + random.below((size - at).min(50));
                    let _ = sim.start(wish(&content, at, sectors));
                    if random.below(3) == 0 {
                        sim.engine.sweep_bitmap();
                    }
                    for _ in 0..random.below(12) {
                        let _ = sim.turn();
                    }
                }
                if round == 1 {
                    sim.engine.quiesce();
                    sim.run();
                    sim.engine.resume();
                }
            }
            sim.run();
            assert!(sim.host.lost().is_empty(), "{fault:?}");
            for _ in 0..3 {
                sweep(&mut sim);
            }
            assert!(sim.request(Wish::Flush).result.is_ok());
            assert_eq!(bitmap(&sim, 0).count(), 0, "seed {seed}");
            swept += 1;
        }
    }
    assert_eq!(swept, 360);
}

/// A command of the bitmap hangs: its member is given up, and the writes go on.
#[test]
fn bits_that_hang_cost_their_member_and_hold_no_write_up() {
    for blueprint in arrays::all() {
        let content = arrays::content(&blueprint, 1);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        assert!(write(&mut sim, &content, 0, CHUNK).result.is_ok());
        let to_devices: Vec<_> = sim.host.commands().filter_map(|it| it.device()).collect();
        let bits = sim.host.commands().filter(|it| it.device().is_some());
        let first = bits.into_iter().position(|it| matches!(it, Command::RecordIntent { .. }));
        // The bits, and a flush, of each member.
        let members = usize::from(blueprint.geometry.members());
        let hanging = to_devices.iter().enumerate().skip(first.unwrap()).take(2 * members);
        for (hangs, device) in hanging {
            for patience in [Patience::None, Patience::UntilQuiet] {
                let mut lent = Lent::to(&blueprint);
                let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
                sim.patience = patience;
                sim.host.hangs = vec![hangs];
                assert!(write(&mut sim, &content, 0, CHUNK).result.is_ok());
                assert_eq!(sim.fate(), Fate::Serving);
                let lost = MemberIndex(device.0);
                assert_eq!(sim.host.lost(), MemberSet::only(lost));
                assert_eq!(sim.engine.hung_members(), MemberSet::only(lost));
                sim.die_one();
                sim.run();
                assert!(sim.engine.hung_members().is_empty());
            }
        }
    }
}

/// A write that waits for its bits is handed back, and what is in flight of them comes back.
#[test]
fn quiesce_ends_at_every_moment_of_a_batch() {
    for blueprint in arrays::all() {
        let content = arrays::content(&blueprint, 1);
        let members = u64::from(blueprint.geometry.members());
        let mut handed_back = 0;
        for turns in 0..60 {
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
            (sim.budget, sim.order) = (1, Order::Random(Random::new(turns)));
            sim.start(wish(&content, 0, CHUNK)).unwrap();
            sim.start(wish(&content, 3 * BIT, CHUNK)).unwrap();
            for _ in 0..turns {
                let _ = sim.turn();
            }
            sim.engine.quiesce();
            let before = sim.tally.completions;
            sim.run();
            assert!(sim.tally.completions - before <= 8 * members);
            handed_back += sim.host.answers.iter().filter(|it| it.result.is_err()).count();
            sim.engine.resume();
            assert!(write(&mut sim, &content, 0, CHUNK).result.is_ok());
            for _ in 0..3 {
                sweep(&mut sim);
            }
            assert!(sim.request(Wish::Flush).result.is_ok());
            assert_eq!(bitmap(&sim, 0).count(), 0);
            arrays::assert_holds(&blueprint, &sim, &content);
            if turns > 50 {
                assert_eq!(sim.turn(), Turn::Finished);
            }
        }
        assert!(handed_back > 10, "{handed_back}");
    }
}

/// However long a write is on its way: a sweep clears the bits of what has come to its end.
#[test]
fn a_bit_is_not_cleared_under_a_write_that_is_on_its_way() {
    let is_write = |command: &Command| matches!(command, Command::Write { .. });
    for blueprint in arrays::all() {
        let content = arrays::content(&blueprint, 1);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        sim.start(wish(&content, 0, CHUNK)).unwrap();
        while !sim.host.commands().any(|command| is_write(&command)) {
            assert_eq!(sim.turn(), Turn::Again);
        }
        // Whatever comes later ends sooner.
        sim.order = Order::Lifo;
        for _ in 0..4 {
            sim.engine.sweep_bitmap();
            loop {
                let _ = sim.engine.poll(&mut sim.host, 64);
                let last = sim.host.in_flight().last().unwrap();
                if is_write(&last.command) {
                    break;
                }
                sim.end_one();
            }
            assert!(!sim.host.in_flight().is_empty());
            let device = sim.host.in_flight()[0].command.device().unwrap();
            let intent = sim.host.devices[device.index()].intent.as_ref().unwrap();
            assert_eq!(intent.count(), 1, "the write is not done");
        }
        sim.run();
        for _ in 0..2 {
            sweep(&mut sim);
        }
        assert!(sim.request(Wish::Flush).result.is_ok());
        assert_eq!(bitmap(&sim, 0).count(), 0);
    }
}
