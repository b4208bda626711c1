//! Writes that a medium does not take, and writes to what is bad.

use raid_core::engine::{Dirty, Fate};
use raid_core::geometry::{Layout, Raid5Layout, Spread};
use raid_core::host::{BlockState, Command, Durability, Event, Failure, Fault};
use raid_core::members::MemberSet;
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::{Lba, MemberIndex, Sectors};
use raid_sim::crash::{Cache, Share};
use raid_sim::host::Entry;
use raid_sim::order::{Order, Random};
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish};

use crate::arrays::{self, CHUNK, ROWS, UNIT};

fn takes_no_write(at: u64) -> Rule {
    Rule::on(&[Action::Write], Fault::Media).at(DATA_OFFSET + at..DATA_OFFSET + at + 1)
}

/// One bad 4 KiB marked everything that the same command wrote.
#[test]
fn a_unit_that_takes_no_write_is_listed_alone_and_costs_nothing() {
    for (layout, members) in arrays::layouts() {
        for member in 0..members {
            let blueprint = arrays::blueprint(layout, members);
            let after = arrays::content(&blueprint, 2);
            let mut devices = blueprint.devices(&arrays::content(&blueprint, 1));
            let bad = CHUNK + UNIT;
            devices[usize::from(member)].rules.push(takes_no_write(bad + 3));
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let answer = sim.request(arrays::write_all(&blueprint, &after));
            assert!(answer.result.is_ok(), "{layout:?}");
            arrays::assert_nobody_is_lost(&sim);
            assert_eq!(arrays::listed(&sim), [(member, bad, UNIT)], "{layout:?}");
            assert_eq!(arrays::found_bad(&sim), [(member, bad, UNIT)]);
            arrays::assert_holds(&blueprint, &sim, &after);
            assert_eq!(arrays::lost_units(&mut sim, &after), []);
            assert_eq!(arrays::lost_after_restart(&blueprint, &sim.host.devices, &after), []);
        }
    }
}

#[test]
fn a_bad_block_is_on_record_before_the_write_is_answered() {
    let blueprint = arrays::raid5();
    let after = arrays::content(&blueprint, 2);
    let mut devices = blueprint.devices(&arrays::content(&blueprint, 1));
    devices[1].rules.push(takes_no_write(UNIT));
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    sim.request(arrays::write_all(&blueprint, &after));
    let listed = sim.host.trace.iter().find_map(|entry| match entry {
        Entry::Taken(token, Command::RecordBad { .. }) => Some(*token),
        Entry::Taken(..)
        | Entry::Refused(..)
        | Entry::Ended(..)
        | Entry::Answered(..)
        | Entry::Returned(_)
        | Entry::Noted(_) => None,
    });
    let mut trace = sim.host.trace.iter();
    let recorded = trace.position(|it| matches!(it, Entry::Ended(it, _) if Some(*it) == listed));
    assert!(recorded.is_some());
    assert!(trace.any(|it| matches!(it, Entry::Answered(..))), "not before that");
}

#[test]
fn units_that_nobody_takes_are_an_error_that_names_them_and_no_member_is_lost() {
    // Copies in different rows of their members are not all in the same place.
    let one_place =
        |layout: Layout| !matches!(layout, Layout::Raid10(it) if it.spread == Spread::Rows);
    for (layout, members) in arrays::layouts().into_iter().filter(|it| one_place(it.0)) {
        let blueprint = arrays::blueprint(layout, members);
        let before = arrays::content(&blueprint, 1);
        let after = arrays::content(&blueprint, 2);
        let mut devices = blueprint.devices(&before);
        for device in &mut devices {
            device.rules.push(takes_no_write(CHUNK + UNIT));
        }
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        let answer = sim.request(arrays::write_all(&blueprint, &after));
        let Err(Failure::Unrecoverable { .. }) = answer.result else {
            panic!("{layout:?}: {:?}", answer.result);
        };
        assert_eq!(sim.fate(), Fate::Serving);
        arrays::assert_nobody_is_lost(&sim);
        let everybody: Vec<_> = (0..members).map(|member| (member, CHUNK + UNIT, UNIT)).collect();
        assert_eq!(arrays::listed(&sim), everybody, "{layout:?}");
        // Where a unit is whole for want of a rectangle around it, its neighbours are whole too.
        let lost = arrays::lost_units(&mut sim, &after);
        assert!(!lost.is_empty(), "{layout:?}");
        assert_eq!(arrays::lost_after_restart(&blueprint, &sim.host.devices, &after), lost);
        // Written in a place that takes it, all is well again.
        for device in &mut sim.host.devices {
            device.rules.clear();
        }
        assert!(sim.request(arrays::write_all(&blueprint, &after)).result.is_ok());
        assert_eq!(arrays::listed(&sim), []);
        assert_eq!(arrays::lost_units(&mut sim, &after), []);
        arrays::assert_holds(&blueprint, &sim, &after);
    }
}

#[test]
fn a_unit_that_takes_no_write_in_a_degraded_row_fails_the_write_and_not_the_array() {
    // Member 3 holds parity, 2 is missing: nothing makes up for the block of member 0, and without
    // it nothing makes up for that of member 2.
    let blueprint = arrays::raid5();
    let before = arrays::content(&blueprint, 1);
    let after = arrays::content(&blueprint, 2);
    let mut devices = blueprint.devices(&before);
    devices[0].rules.push(takes_no_write(UNIT));
    let degraded = blueprint.clone().without(MemberSet::only(MemberIndex(2)));
    let mut lent = Lent::to(&degraded);
    let mut sim = Sim::made(&degraded, &mut lent, devices);
    let answer = sim.request(arrays::write(&after, 0, CHUNK));
    let named = Failure::Unrecoverable { at: Lba(UNIT), sectors: Sectors(UNIT) };
    assert_eq!(answer.result, Err(named));
    assert_eq!(sim.fate(), Fate::Serving);
    assert_eq!(arrays::listed(&sim), [(0, UNIT, UNIT)]);
    let mut wanted = before;
    arrays::overlay(&mut wanted, &after, 0, CHUNK);
    let lost = arrays::lost_units(&mut sim, &wanted);
    assert_eq!(lost, [UNIT, 2 * CHUNK + UNIT], "the block, and the one that is missing");
}

#[test]
fn a_write_makes_a_bad_block_good_and_is_durable_before_the_list_says_so() {
    for (layout, members) in arrays::layouts() {
        for member in 0..members {
            let blueprint = arrays::blueprint(layout, members);
            let after = arrays::content(&blueprint, 2);
            let mut devices = blueprint.devices(&arrays::content(&blueprint, 1));
            arrays::list(&mut devices[usize::from(member)], CHUNK + UNIT, UNIT);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            assert!(sim.request(arrays::write_all(&blueprint, &after)).result.is_ok());
            assert_eq!(arrays::listed(&sim), [], "{layout:?}, {member}");
            let start = DATA_OFFSET + CHUNK + UNIT;
            let commands: Vec<_> = sim.host.commands().collect();
            let good = |command: &Command| {
                matches!(command, Command::RecordBad { state: BlockState::Good, at, sectors, .. }
                    if (at.0, sectors.0) == (start, UNIT))
            };
            let good = commands.iter().position(good).expect("it is called good");
            let written = commands.iter().position(|command| {
                matches!(command, Command::Write { device, at, sectors, durability: Durability::Durable, .. }
                    if (device.0, at.0, sectors.0) == (member, start, UNIT))
            });
            assert!(written.is_some_and(|written| written < good), "{layout:?}, {member}");
            arrays::assert_holds(&blueprint, &sim, &after);
            assert_eq!(arrays::lost_after_restart(&blueprint, &sim.host.devices, &after), []);
        }
    }
}

#[test]
fn part_of_a_bad_block_that_is_written_is_good_and_the_rest_is_bad() {
    let blueprint = arrays::raid5();
    let before = arrays::content(&blueprint, 1);
    let after = arrays::content(&blueprint, 2);
    let mut devices = blueprint.devices(&before);
    arrays::list(&mut devices[0], 0, 2 * UNIT);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    assert!(sim.request(arrays::write(&after, 3, 2)).result.is_ok());
    assert_eq!(arrays::listed(&sim), [(0, 0, 3), (0, 5, 2 * UNIT - 5)]);
    let mut wanted = before;
    arrays::overlay(&mut wanted, &after, 3, 2);
    arrays::assert_holds(&blueprint, &sim, &wanted);
    assert_eq!(arrays::lost_units(&mut sim, &wanted), []);
}

#[test]
fn a_bad_block_that_takes_no_write_again_stays_bad() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let after = arrays::content(&blueprint, 2);
        let mut devices = blueprint.devices(&arrays::content(&blueprint, 1));
        arrays::list(&mut devices[1], UNIT, UNIT);
        devices[1].rules.push(takes_no_write(UNIT));
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        assert!(sim.request(arrays::write_all(&blueprint, &after)).result.is_ok());
        assert_eq!(arrays::listed(&sim), [(1, UNIT, UNIT)], "{layout:?}");
        assert_eq!(arrays::list_commands(&sim), 0, "it is on the list already");
        arrays::assert_nobody_is_lost(&sim);
        assert_eq!(arrays::lost_units(&mut sim, &after), []);
    }
}

#[test]
fn a_block_beside_one_that_is_lost_is_written_where_its_parity_is_known_to_be_bad() {
    for members in [3, 4] {
        let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
        let blueprint = arrays::blueprint(layout, members);
        let before = arrays::content(&blueprint, 1);
        let after = arrays::content(&blueprint, 2);
        let mut devices = blueprint.devices(&before);
        // The first row: its first block, and its parity on the last member.
        let parity = members - 1;
        arrays::list(&mut devices[0], 0, UNIT);
        arrays::list(&mut devices[usize::from(parity)], 0, UNIT);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        assert_eq!(arrays::lost_units(&mut sim, &before), [0]);
        assert!(sim.request(arrays::write(&after, CHUNK, CHUNK)).result.is_ok());
        assert_eq!(
            arrays::listed(&sim),
            [(0, 0, UNIT), (parity, 0, UNIT)],
            "parity is not made up"
        );
        let mut wanted = before;
        arrays::overlay(&mut wanted, &after, CHUNK, CHUNK);
        assert_eq!(arrays::lost_units(&mut sim, &wanted), [0]);
        // The block itself, written again, brings the parity with it.
        assert!(sim.request(arrays::write(&after, 0, UNIT)).result.is_ok());
        arrays::overlay(&mut wanted, &after, 0, UNIT);
        assert_eq!(arrays::listed(&sim), []);
        arrays::assert_holds(&blueprint, &sim, &wanted);
    }
}

#[test]
fn a_block_that_a_read_cannot_mend_is_listed_and_the_read_is_served() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 1);
        let mut devices = blueprint.devices(&content);
        for at in [0, ROWS / 2 * CHUNK] {
            let sticky = Rule::on(&[Action::Read, Action::Write], Fault::Media);
            devices[0].rules.push(sticky.at(DATA_OFFSET + at..DATA_OFFSET + at + 1));
        }
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        assert_eq!(arrays::lost_units(&mut sim, &content), [], "{layout:?}");
        arrays::assert_nobody_is_lost(&sim);
        for (member, at, sectors) in arrays::listed(&sim) {
            assert!(member == 0 && at % CHUNK == 0 && sectors == UNIT, "{layout:?}: {at}");
        }
        let mended = |event| matches!(event, Event::BlockRewritten { .. });
        assert!(!sim.host.events().any(mended));
    }
}

/// What is to be durable at once and finds its block bad is in the whole row.
#[test]
fn a_durable_write_to_a_block_that_turns_out_bad_outlasts_all_caches() {
    let blueprint = arrays::raid5();
    let before = arrays::content(&blueprint, 1);
    let mut devices = blueprint.devices(&before);
    devices[1].rules.push(takes_no_write(0));
    for device in &mut devices {
        device.cache = Some(Cache::over(device));
    }
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let beside = Wish::Write { at: 0, bytes: vec![0x55; 4096], stability: Stability::Stable };
    assert!(sim.request(beside).result.is_ok());
    let bytes = vec![0x66; 4096];
    sim.start_durable(CHUNK, bytes.clone()).unwrap();
    sim.run();
    assert!(sim.host.answers[1].result.is_ok());
    assert_eq!(arrays::listed(&sim), [(1, 0, UNIT)]);
    let devices = sim.host.crash().leave(|_| Share::Nothing);
    // The row is known to be whole, so its parity may be insisted on.
    let after = Blueprint {
        consistency: Consistency::InSyncTo(Sectors(0)),
        dirty: Dirty::Force,
        events: sim.engine.events(),
        ..blueprint.clone()
    };
    let mut lent = Lent::to(&after);
    let mut again = Sim::made(&after, &mut lent, devices);
    let read = Wish::Read { at: CHUNK, sectors: UNIT, stability: Stability::Stable };
    assert!(again.request(read).memory == bytes);
}

/// What the record calls good the engine must not go on calling bad: it would not put it on record
/// again when it is.
#[test]
fn a_block_that_cannot_come_off_a_full_list_stays_on_record() {
    let blueprint = Blueprint { bad_blocks: 1, ..arrays::raid5() };
    let content = arrays::content(&blueprint, 1);
    let mut devices = blueprint.devices(&content);
    arrays::list(&mut devices[1], 0, CHUNK);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    // Inside of the range: what is left would be two.
    let at = CHUNK + UNIT;
    assert!(sim.request(arrays::write(&content, at, UNIT)).result.is_ok());
    sim.host.devices[1].rules.push(takes_no_write(UNIT));
    let after = arrays::content(&blueprint, 2);
    assert!(sim.request(arrays::write(&after, at, UNIT)).result.is_ok());
    let mut wanted = content;
    arrays::overlay(&mut wanted, &after, at, UNIT);
    let more = Blueprint { bad_blocks: 8, ..blueprint };
    assert_eq!(arrays::lost_after_restart(&more, &sim.host.devices, &wanted), []);
}

/// The same, where the list is filled while the record is on its way.
#[test]
fn a_block_that_cannot_come_off_a_list_that_was_just_filled_goes_on_record_again() {
    let mut filled = 0;
    for seed in 0..200 {
        let blueprint = Blueprint { bad_blocks: 2, ..arrays::raid5() };
        let mut wanted = arrays::content(&blueprint, 1);
        let mut devices = blueprint.devices(&wanted);
        arrays::list(&mut devices[1], 0, CHUNK);
        let other_row = (ROWS - 1) * CHUNK;
        devices[2].rules.push(takes_no_write(other_row));
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        sim.order = Order::Random(Random::new(seed));
        let at = CHUNK + UNIT;
        sim.start(arrays::write(&wanted, at, UNIT)).unwrap();
        let last_row = blueprint.geometry.size().0 * (ROWS - 1) / ROWS;
        sim.start(arrays::write(&wanted, last_row, 2 * CHUNK)).unwrap();
        sim.run();
        if !sim.host.lost().is_empty() {
            // The list was full before the other block came.
            continue;
        }
        filled += 1;
        sim.host.devices[1].rules.push(takes_no_write(UNIT));
        let after = arrays::content(&blueprint, 2);
        assert!(sim.request(arrays::write(&after, at, UNIT)).result.is_ok());
        arrays::overlay(&mut wanted, &after, at, UNIT);
        let more = Blueprint { bad_blocks: 8, ..blueprint };
        assert_eq!(arrays::lost_after_restart(&more, &sim.host.devices, &wanted), [], "{seed}");
    }
    assert!(filled > 0);
}

/// What a write of several blocks names as lost is what is lost, and no block beside it.
#[test]
fn a_write_that_is_not_kept_everywhere_names_what_is_lost() {
    let mut lossy = 0;
    for (layout, members) in arrays::layouts() {
        for takers in 0..members {
            let blueprint = arrays::blueprint(layout, members);
            let (before, after) = (arrays::content(&blueprint, 1), arrays::content(&blueprint, 2));
            let mut devices = blueprint.devices(&before);
            // Some members take no write to one unit, and one of them to two.
            let bad = DATA_OFFSET + CHUNK + UNIT..DATA_OFFSET + CHUNK + 2 * UNIT;
            let rule = Rule::on(&[Action::Write], Fault::Media);
            for device in &mut devices[usize::from(takers)..] {
                device.rules.push(rule.clone().at(bad.clone()));
            }
            devices[usize::from(takers)].rules.push(rule.at(bad.end..bad.end + UNIT));
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let size = blueprint.geometry.size().0;
            let answer = sim.request(arrays::write(&after, 0, size));
            let mut named = Vec::new();
            for event in sim.host.events() {
                if let Event::RangeLost { at: Lba(at), sectors: Sectors(sectors), .. } = event {
                    named.extend((at..at + sectors).step_by(usize::try_from(UNIT).unwrap()));
                }
            }
            named.sort_unstable();
            let lost = arrays::lost_units(&mut sim, &after);
            assert_eq!(named, lost, "{layout:?}: {takers} of {members} take it");
            match answer.result {
                Ok(_) => assert_eq!(lost, []),
                Err(Failure::Unrecoverable { at, .. }) => assert!(lost.contains(&at.0)),
                Err(other) => panic!("{layout:?}: {other:?}"),
            }
            lossy += usize::from(!lost.is_empty());
        }
    }
    assert!(lossy > 10, "{lossy}");
}
