//! Reshapes that are parked, quiesced, or started again, with requests going on.

use raid_core::engine::{
    Access, Activity, OnLoss, PassKind, PassRefusal, ReshapeEnd, ReshapeHalt, ReshapeRefusal,
};
use raid_core::host::{Command, Event};
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::{Consistency, Shaping};
use raid_core::reshape::{Change, Parking, Progress};
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::order::{Order, Random};
use raid_sim::sim::{Blueprint, Lent, Sim, Turn};

use crate::arrays::{RAID5, RAID6, content, geometry, read, shifted, to_be};
use crate::session::Session;

fn changes() -> Vec<Change> {
    vec![
        shifted(geometry(RAID5, 4, 8), geometry(RAID5, 5, 8)),
        shifted(geometry(RAID5, 5, 8), geometry(RAID5, 4, 8)),
        shifted(geometry(RAID5, 4, 16), geometry(RAID5, 4, 8)),
        shifted(geometry(RAID6, 4, 8), geometry(RAID6, 6, 16)),
        shifted(geometry(RAID6, 6, 8), geometry(RAID6, 5, 8)),
    ]
}

#[test]
fn reads_and_writes_go_on_during_a_reshape() {
    let mut requests = 0;
    for (change, seed) in changes().into_iter().cycle().take(40).zip(1..) {
        let blueprint = to_be(change, 1 + seed % 3);
        let before = content(change.before(), seed);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
        sim.order = Order::Random(Random::new(seed));
        let mut session = Session::new(&before, sim.engine.size().0, seed);
        let mut random = Random::new(seed);
        sim.engine.start_reshape(OnLoss::Stop).expect("it starts");
        loop {
            if random.below(3) == 0 {
                session.start(&mut sim);
            }
            session.turn(&mut sim);
            if sim.reshape_ended().is_some() {
                break;
            }
        }
        session.settle(&mut sim);
        assert_eq!(sim.reshape_ended().expect("it ended").1, ReshapeEnd::Finished);
        assert_eq!(sim.engine.activity(), Activity::Idle);
        let after = blueprint.as_recorded(&sim.host.last_record().expect("it is on record"));
        let now = read(&after, &sim.host.devices, MemberSet::NONE);
        assert!(now[..session.content.len()] == session.content, "other content");
        requests += session.done;
    }
    assert!(requests > 1000, "requests went on: {requests}");
}

/// Parked at any moment: all that was held is answered, requests go on in both shapes, Linux would
/// go on from there, and so does another engine that is made from the record.
#[test]
fn a_reshape_is_parked_and_goes_on_from_its_position() {
    for (change, seed) in changes().into_iter().cycle().take(60).zip(1..) {
        let whole = to_be(change, 1 + seed % 2);
        let before = content(change.before(), seed);
        let mut devices = whole.devices(&before);
        let mut blueprint = whole.clone();
        let mut random = Random::new(seed);
        let mut session = Session::new(&before, change.size_meanwhile().0, seed);
        let mut parked = 0;
        loop {
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            sim.order = Order::Random(Random::new(seed));
            let held = session.content.clone();
            session = Session::new(&held, change.size_meanwhile().0, seed + parked);
            sim.engine.start_reshape(OnLoss::Stop).expect("it starts");
            for _ in 0..random.below(400) {
                if random.below(4) == 0 {
                    session.start(&mut sim);
                }
                session.turn(&mut sim);
            }
            sim.engine.park_pass();
            session.settle(&mut sim);
            let (report, end) = sim.reshape_ended().expect("it has ended, or halted");
            if end == ReshapeEnd::Finished {
                break;
            }
            parked += 1;
            assert_eq!(end, ReshapeEnd::Halted(ReshapeHalt::Parked));
            let progress = Progress::at(change, report.position).expect("a position");
            assert_eq!(progress.parking(), Parking::Resumable, "Linux goes on from there");
            let halt = ReshapeHalt::Parked;
            assert_eq!(sim.engine.activity(), Activity::ReshapeHalted(report, halt));
            assert_eq!(sim.engine.start_pass(PassKind::Check), Err(PassRefusal::Reshaping));
            for _ in 0..20 {
                session.start(&mut sim);
                session.settle(&mut sim);
            }
            sim.request(raid_sim::sim::Wish::MarkClean);
            let record = sim.host.last_record().expect("the position is on record");
            blueprint = whole.clone().as_recorded(&record);
            assert!(read(&blueprint, &sim.host.devices, MemberSet::NONE) == session.content);
            devices = core::mem::take(&mut sim.host.devices);
            for device in &mut devices {
                device.durable = device.recorded;
            }
            assert!(parked < 500, "it gets on");
        }
    }
}

/// An engine that is loaded with a reshape on record, and not started, issues nothing.
#[test]
fn a_reshape_on_record_does_not_go_on_by_itself() {
    for change in changes() {
        let mut blueprint = to_be(change, 1);
        let before = content(change.before(), 1);
        let devices = blueprint.devices(&before);
        let unit = change.unit();
        blueprint.reshape.as_mut().expect("it is to be reshaped").position =
            Some(if change.start().0 == 0 { change.start() } else { change.end() });
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        sim.run();
        assert_eq!(sim.host.commands().count(), 0, "nothing is issued, unit {unit:?}");
        assert_eq!(sim.engine.start_pass(PassKind::Check), Err(PassRefusal::Reshaping));
    }
}

/// Whatever moment the engine is brought to rest at: it comes to rest, and nothing is left waiting.
#[test]
fn an_engine_comes_to_rest_at_any_moment_of_a_reshape() {
    for (change, seed) in changes().into_iter().zip(1..) {
        for stop in 0..200 {
            let blueprint = to_be(change, 1);
            let before = content(change.before(), seed);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
            sim.budget = 1;
            let mut session = Session::new(&before, sim.engine.size().0, seed + stop);
            sim.engine.start_reshape(OnLoss::Stop).expect("it starts");
            for turn in 0..stop * 3 {
                if turn % 8 == 0 {
                    session.start(&mut sim);
                }
                session.turn(&mut sim);
            }
            let before = sim.tally.completions;
            sim.engine.quiesce();
            session.settle(&mut sim);
            let rest = sim.host.events().any(|event| event == Event::Quiesced);
            assert!(rest, "it is at rest");
            assert!(sim.tally.completions - before < 200, "soon");
        }
    }
}

/// Linux: the reshape stands still part way, and a read across its position waits for minutes. Here
/// the window is settled when it halts, and the read is answered.
#[test]
fn a_read_across_the_position_of_a_frozen_reshape_is_answered() {
    let change = shifted(geometry(RAID5, 4, 8), geometry(RAID5, 5, 8));
    let blueprint = to_be(change, 2);
    let before = content(change.before(), 3);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
    let mut session = Session::new(&before, sim.engine.size().0, 1);
    sim.engine.start_reshape(OnLoss::Stop).expect("it starts");
    let moved = |sim: &Sim<'_>| {
        sim.host.commands().filter(|command| matches!(command, Command::Write { .. })).count()
    };
    while moved(&sim) < 30 {
        assert_eq!(session.turn(&mut sim), Turn::Again);
    }
    // The whole array: what is done, what is being moved, and what is to be done.
    let sectors = session.sectors();
    session.read(&mut sim, 0, sectors);
    session.write(&mut sim, 0, sectors);
    sim.engine.park_pass();
    let before = sim.tally.completions;
    session.settle(&mut sim);
    assert_eq!(session.done, 2);
    let halted = ReshapeEnd::Halted(ReshapeHalt::Parked);
    assert_eq!(sim.reshape_ended().expect("it halted").1, halted);
    let bound = sim.tally.completions - before;
    assert!(bound < 600, "{bound} completions");
    // Frozen: it takes no further notice of anything, and requests go on.
    let frozen = sim.tally.completions;
    session.read(&mut sim, 0, sectors);
    session.settle(&mut sim);
    assert_eq!(session.done, 3);
    assert!(sim.tally.completions - frozen <= 2 * sectors / 8, "one command for each block");
}

/// A read that takes its time: the blocks that it reads where they lay are not overwritten before it
/// has them.
#[test]
fn a_slow_read_has_its_blocks_before_anything_lands_on_them() {
    for (change, seed) in changes().into_iter().zip(1..) {
        let sectors = change.size_meanwhile().0;
        for at in (0..sectors - 24).step_by(24) {
            let blueprint = to_be(change, 2);
            let before = content(change.before(), seed);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
            // What was submitted first ends last.
            sim.order = Order::Lifo;
            let mut session = Session::new(&before, sim.engine.size().0, seed);
            session.read(&mut sim, at, 24);
            // Its commands are in flight before the reshape begins.
            sim.engine.poll(&mut sim.host, 1000);
            sim.engine.start_reshape(OnLoss::Stop).expect("it starts");
            session.settle(&mut sim);
            assert_eq!(session.done, 1);
            assert_eq!(sim.reshape_ended().expect("it ended").1, ReshapeEnd::Finished);
        }
    }
}

/// Before anything was moved it can be taken back: the record says nothing of it any more.
#[test]
fn a_reshape_is_taken_back_until_something_was_moved() {
    let change = shifted(geometry(RAID5, 4, 8), geometry(RAID5, 5, 8));
    for turns in [0, 1, 3, 6, 10, 15, 25, 200] {
        let blueprint = to_be(change, 1);
        let before = content(change.before(), 3);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
        sim.budget = 1;
        let mut session = Session::new(&before, sim.engine.size().0, 1);
        sim.engine.start_reshape(OnLoss::Stop).expect("it starts");
        for _ in 0..turns {
            session.turn(&mut sim);
        }
        assert_eq!(sim.engine.cancel_reshape(), Err(ReshapeRefusal::Running));
        sim.engine.park_pass();
        session.settle(&mut sim);
        let position = sim.engine.reshape().expect("there is one").position;
        if position != change.start() {
            assert_eq!(sim.engine.cancel_reshape(), Err(ReshapeRefusal::Moved));
            continue;
        }
        assert_eq!(sim.engine.cancel_reshape(), Ok(()));
        session.settle(&mut sim);
        let record = sim.host.last_record().expect("something was recorded");
        assert_eq!(record.shaping, Shaping::Fixed);
        // And it can be begun again.
        assert_eq!(sim.reshape(OnLoss::Stop).1, ReshapeEnd::Finished);
    }
}

/// A grow was started with two of five members there. Here it is refused, like every start on an array
/// that is not whole enough, and no device has changed.
#[test]
fn a_reshape_that_may_not_start_changes_nothing() {
    let change = shifted(geometry(RAID5, 4, 8), geometry(RAID5, 6, 8));
    let whole = to_be(change, 1);
    let before = content(change.before(), 3);
    let places = |places: &[u8]| places.iter().map(|place| MemberIndex(*place)).collect();
    let mut rebuilding = whole.clone();
    let seat = rebuilding.seats[1].as_mut().expect("a member");
    seat.state = MemberState::Rebuilding { valid_to: Sectors(8) };
    let dirty = Blueprint { consistency: Consistency::InSyncTo(Sectors(0)), ..whole.clone() };
    let read_only = Blueprint { access: Access::ReadOnly, ..whole.clone() };
    let slotless = Blueprint { background: 0, ..whole.clone() };
    for (blueprint, refusal) in [
        // Both newcomers: the old shape is whole, the new one could not be written.
        (whole.clone().without(places(&[4, 5])), ReshapeRefusal::TooFewMembers),
        (whole.clone().without(places(&[0, 5])), ReshapeRefusal::TooFewMembers),
        (whole.without(places(&[0, 1, 2])), ReshapeRefusal::ArrayFailed),
        (rebuilding, ReshapeRefusal::Rebuilding),
        (dirty, ReshapeRefusal::NotInSync),
        (read_only, ReshapeRefusal::ReadOnly),
        (slotless, ReshapeRefusal::NoSlots),
    ] {
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
        assert_eq!(sim.engine.start_reshape(OnLoss::GoOn), Err(refusal));
        sim.run();
        assert_eq!(sim.host.commands().count(), 0, "{refusal:?}");
    }
}

#[test]
fn a_reshape_is_started_once_and_says_why_it_is_not() {
    let change = shifted(geometry(RAID5, 4, 8), geometry(RAID5, 5, 8));
    let blueprint = to_be(change, 1);
    let before = content(change.before(), 3);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
    sim.engine.start_reshape(OnLoss::Stop).expect("it starts");
    assert_eq!(sim.engine.start_reshape(OnLoss::Stop), Err(ReshapeRefusal::Running));
    sim.run();
    assert_eq!(sim.engine.start_reshape(OnLoss::Stop), Err(ReshapeRefusal::NothingToDo));

    let in_place = Change::in_place(geometry(RAID5, 4, 8), geometry(RAID5, 5, 8));
    let blueprint = to_be(in_place.expect("a change"), 1);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
    let refused = sim.engine.start_reshape(OnLoss::Stop);
    assert!(matches!(refused, Err(ReshapeRefusal::NeedsBackup { .. })), "{refused:?}");
    sim.run();
    assert_eq!(sim.host.commands().count(), 0, "nothing has changed");
}
