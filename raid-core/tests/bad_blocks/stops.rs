//! An engine that is brought to rest while blocks are found bad.

use raid_core::engine::PassKind;
use raid_core::host::{Event, Failure, Fault};
use raid_sim::host::{Refuses, Waits};
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{DATA_OFFSET, Lent, Sim};

use crate::arrays::{self, CHUNK, UNIT};

fn at_rest(sim: &Sim<'_>) -> bool {
    sim.host.events().any(|event| event == Event::Quiesced)
}

/// A stop with a bad block that was not on record yet went round for ever.
#[test]
fn a_stop_while_a_block_is_being_listed_comes_to_an_end() {
    for (layout, members) in arrays::layouts() {
        for turns in 0..60 {
            let blueprint = arrays::blueprint(layout, members);
            let before = arrays::content(&blueprint, 1);
            let after = arrays::content(&blueprint, 2);
            let mut devices = blueprint.devices(&before);
            let bad = DATA_OFFSET + UNIT..DATA_OFFSET + UNIT + 1;
            devices[1].rules.push(Rule::on(&[Action::Write], Fault::Media).at(bad));
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            sim.host.waits = Waits::ForItsOwn;
            sim.start(arrays::write(&after, 0, CHUNK)).unwrap();
            for _ in 0..turns {
                sim.turn();
            }
            sim.engine.quiesce();
            sim.run();
            assert!(at_rest(&sim), "{layout:?}, after {turns} turns");
            arrays::assert_nobody_is_lost(&sim);
            let listed = arrays::listed(&sim);
            assert_eq!(arrays::found_bad(&sim), listed);
            let mut content = before;
            match sim.host.answers[0].result {
                Ok(_) => arrays::overlay(&mut content, &after, 0, CHUNK),
                Err(failure) => assert_eq!((failure, listed.len()), (Failure::HandedBack, 0)),
            }
            let lost = arrays::lost_after_restart(&blueprint, &sim.host.devices, &content);
            assert_eq!(lost, [], "{layout:?}, after {turns} turns");
        }
    }
}

#[test]
fn a_pass_that_lists_blocks_is_parked_and_goes_on_after_the_rest() {
    for (layout, members) in arrays::layouts() {
        for turns in (0..60).step_by(3) {
            let blueprint = arrays::blueprint(layout, members);
            let content = arrays::content(&blueprint, 1);
            let mut devices = blueprint.devices(&content);
            for device in devices.iter_mut().skip(1) {
                let bad = DATA_OFFSET + CHUNK..DATA_OFFSET + CHUNK + 1;
                device.rules.push(Rule::on(&[Action::Read], Fault::Media).at(bad));
            }
            let damaged = arrays::rebuilding(blueprint.clone(), 0);
            let mut lent = Lent::to(&damaged);
            let mut sim = Sim::made(&damaged, &mut lent, devices);
            sim.engine.start_pass(PassKind::Recovery).unwrap();
            for _ in 0..turns {
                sim.turn();
            }
            sim.engine.quiesce();
            sim.run();
            assert!(at_rest(&sim), "{layout:?}, after {turns} turns");
            sim.engine.resume();
            if sim.engine.start_pass(PassKind::Recovery).is_ok() {
                sim.run();
            }
            let listed = arrays::listed(&sim);
            assert_eq!(arrays::found_bad(&sim), listed, "each is found once");
            arrays::lost_units(&mut sim, &content);
        }
    }
}

#[test]
fn a_busy_host_is_offered_the_record_of_a_bad_block_again() {
    for refuses in [Refuses::EachOnce, Refuses::Every(2), Refuses::Beyond(1)] {
        let blueprint = arrays::raid5();
        let after = arrays::content(&blueprint, 2);
        let mut devices = blueprint.devices(&arrays::content(&blueprint, 1));
        let bad = DATA_OFFSET + UNIT..DATA_OFFSET + UNIT + 1;
        devices[1].rules.push(Rule::on(&[Action::Write], Fault::Media).at(bad).times(2));
        arrays::list(&mut devices[2], 3 * UNIT, UNIT);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        sim.host.refuses = refuses;
        assert!(sim.request(arrays::write_all(&blueprint, &after)).result.is_ok());
        assert_eq!(arrays::listed(&sim), [(1, UNIT, UNIT)], "{refuses:?}");
        sim.host.refuses = Refuses::Nothing;
        assert_eq!(arrays::lost_units(&mut sim, &after), []);
    }
}
