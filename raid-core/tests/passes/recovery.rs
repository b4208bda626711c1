//! Recovery: members that come back, or come in, get every block.

use raid_core::engine::{
    Activity, Behind, Halt, PassEnd, PassKind, PassRefusal, ReadsFrom, Seat, SeatRefusal,
};
use raid_core::host::Event;
use raid_core::io_limits::IoLimits;
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::Consistency;
use raid_core::units::{DeviceIndex, DeviceSector, MemberIndex, Sectors};
use raid_sim::host::Refuses;
use raid_sim::order::{Order, Random};
use raid_sim::sim::{DATA_OFFSET, Lent, Sim, Turn};

use crate::arrays::{self, CHUNK, ROWS};

#[test]
fn every_lost_member_and_each_two_come_back_from_any_mark() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 1);
        for lost in arrays::losses(&blueprint) {
            for mark in [0, 8, CHUNK, 2 * CHUNK + 8] {
                let mut devices = blueprint.devices(&content);
                arrays::spoil(&mut devices, &lost, mark);
                let blueprint = arrays::rebuilding(blueprint.clone(), &lost, mark);
                let mut lent = Lent::to(&blueprint);
                let mut sim = Sim::made(&blueprint, &mut lent, devices);
                sim.order = Order::Random(Random::new(mark));
                let (report, end) = sim.pass(PassKind::Recovery);
                assert_eq!(end, PassEnd::Finished, "{layout:?} {lost:?} {mark}: {report:?}");
                assert_eq!(report.position, report.end);
                arrays::assert_holds(&blueprint, &sim, &content);
                for member in &lost {
                    let state = sim.engine.member_state(MemberIndex(*member));
                    assert_eq!(state, MemberState::InSync);
                    let record = sim.host.devices[usize::from(*member)].durable.unwrap();
                    assert_eq!(record.rebuilding, MemberSet::NONE);
                    assert_eq!(record.consistency, Consistency::Clean, "no parity was touched");
                }
                assert_eq!(sim.engine.activity(), Activity::Idle);
            }
        }
    }
}

#[test]
fn two_members_with_marks_of_their_own_are_rebuilt_in_one_walk() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        if blueprint.geometry.redundancy() < 2 {
            continue;
        }
        let content = arrays::content(&blueprint, 2);
        for (first, second) in [(8, 3 * CHUNK), (2 * CHUNK, 0), (CHUNK + 8, CHUNK)] {
            let mut devices = blueprint.devices(&content);
            arrays::spoil(&mut devices, &[0], first);
            arrays::spoil(&mut devices, &[2], second);
            let blueprint = arrays::rebuilding(blueprint.clone(), &[0], first);
            let blueprint = arrays::rebuilding(blueprint, &[2], second);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            assert_eq!(sim.pass(PassKind::Recovery).1, PassEnd::Finished);
            arrays::assert_holds(&blueprint, &sim, &content);
        }
    }
}

#[test]
fn a_new_device_takes_a_free_place_and_is_rebuilt() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 3);
        let absent = MemberSet::only(MemberIndex(1));
        let mut devices = blueprint.devices(&content);
        arrays::spoil(&mut devices, &[1], 0);
        let blueprint = blueprint.without(absent);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        assert_eq!(sim.engine.start_pass(PassKind::Recovery), Err(PassRefusal::NothingToDo));
        let seat = Seat {
            device: DeviceIndex(1),
            state: MemberState::Rebuilding { valid_to: Sectors(0) },
            data_offset: DeviceSector(DATA_OFFSET),
            limits: IoLimits::RELAXED,
            reads: ReadsFrom::Freely,
            behind: Behind::Everything,
        };
        let at = |member| MemberIndex(member);
        let add = |sim: &mut Sim<'_>, member, seat| sim.engine.add_member(at(member), seat);
        assert_eq!(add(&mut sim, 0, seat), Err(SeatRefusal::Taken(at(0))));
        assert_eq!(add(&mut sim, members, seat), Err(SeatRefusal::Taken(at(members))));
        let twice = Seat { device: DeviceIndex(0), ..seat };
        assert_eq!(add(&mut sim, 1, twice), Err(SeatRefusal::DeviceTwice(DeviceIndex(0))));
        let whole = Seat { state: MemberState::InSync, ..seat };
        assert_eq!(add(&mut sim, 1, whole), Err(SeatRefusal::State));
        let tight = IoLimits { transfer_max: Sectors(8), ..IoLimits::RELAXED };
        assert_eq!(add(&mut sim, 1, Seat { limits: tight, ..seat }), Err(SeatRefusal::Limits));
        sim.host.seat(at(1), DeviceIndex(1));
        assert_eq!(add(&mut sim, 1, seat), Ok(()));
        assert_eq!(sim.pass(PassKind::Recovery).1, PassEnd::Finished);
        let areas = blueprint.areas(&sim.host.devices, MemberSet::NONE);
        let wrong = raid_sim::reference::disagreements(
            &blueprint.geometry,
            &content,
            &areas,
            blueprint.member_sectors,
        );
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

#[test]
fn a_parked_recovery_goes_on_from_what_is_on_record() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 4);
        for turns in [0, 1, 7, 20, 33, 60, 90] {
            let mut devices = blueprint.devices(&content);
            arrays::spoil(&mut devices, &[1], 0);
            let first = arrays::rebuilding(blueprint.clone(), &[1], 0);
            let mut lent = Lent::to(&first);
            let mut sim = Sim::made(&first, &mut lent, devices);
            sim.engine.start_pass(PassKind::Recovery).unwrap();
            for _ in 0..turns {
                sim.turn();
            }
            sim.engine.park_pass();
            sim.run();
            let (report, end) = sim.pass_ended().unwrap();
            let record = sim.host.devices[0].durable.unwrap();
            if end == PassEnd::Finished {
                continue;
            }
            assert_eq!(end, PassEnd::Halted(Halt::Parked));
            assert_eq!(sim.engine.activity(), Activity::Halted(report, Halt::Parked));
            assert_eq!(record.rebuilding, arrays::set(&[1]));
            assert_eq!(record.rebuilt_to, report.position);
            // What the record says is valid is; what it does not say is made so, by another engine.
            let mut devices = sim.host.devices.clone();
            arrays::spoil(&mut devices, &[1], record.rebuilt_to.0);
            let second = arrays::rebuilding(blueprint.clone(), &[1], record.rebuilt_to.0);
            let second = raid_sim::sim::Blueprint { events: record.events, ..second };
            let mut lent = Lent::to(&second);
            let mut sim = Sim::made(&second, &mut lent, devices);
            assert_eq!(sim.pass(PassKind::Recovery).1, PassEnd::Finished);
            arrays::assert_holds(&second, &sim, &content);
        }
    }
}

#[test]
fn a_position_is_on_record_now_and_then_and_never_ahead_of_what_is_durable() {
    let (layout, members) = arrays::layouts()[6];
    let blueprint = arrays::blueprint(layout, members);
    let content = arrays::content(&blueprint, 5);
    let mut devices = blueprint.devices(&content);
    arrays::spoil(&mut devices, &[2], 0);
    let blueprint = arrays::rebuilding(blueprint, &[2], 0);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    sim.engine.start_pass(PassKind::Recovery).unwrap();
    let mut marks = Vec::new();
    while sim.turn() == Turn::Again {
        let Some(record) = sim.host.devices[0].durable else { continue };
        if record.rebuilding.is_empty() || marks.last() == Some(&record.rebuilt_to.0) {
            continue;
        }
        marks.push(record.rebuilt_to.0);
        let areas = blueprint.areas(&sim.host.devices, MemberSet::NONE);
        let whole = blueprint.devices(&content);
        let right = blueprint.areas(&whole, MemberSet::NONE);
        let valid = usize::try_from(record.rebuilt_to.0).unwrap() * 512;
        assert!(areas[2].unwrap()[..valid] == right[2].unwrap()[..valid]);
    }
    assert!(marks.len() > 4 && marks.last() < Some(&(ROWS * CHUNK)), "{marks:?}");
}

#[test]
fn a_second_pass_is_refused_while_one_is_at_work() {
    let (layout, members) = arrays::layouts()[5];
    let blueprint = arrays::rebuilding(arrays::blueprint(layout, members), &[1], 0);
    let content = arrays::content(&blueprint, 6);
    let devices = blueprint.devices(&content);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    sim.engine.start_pass(PassKind::Recovery).unwrap();
    while sim.pass_ended().is_none() {
        for kind in [PassKind::Recovery, PassKind::Resync, PassKind::Check, PassKind::Repair] {
            assert_eq!(sim.engine.start_pass(kind), Err(PassRefusal::Running));
        }
        sim.turn();
    }
    assert_eq!(sim.engine.start_pass(PassKind::Recovery), Err(PassRefusal::NothingToDo));
}

#[test]
fn the_engine_is_not_at_rest_before_the_position_of_its_pass_is_on_record() {
    let blueprint = arrays::rebuilding(arrays::blueprint(arrays::layouts()[2].0, 3), &[1], 0);
    let content = arrays::content(&blueprint, 7);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
    sim.engine.start_pass(PassKind::Recovery).unwrap();
    for _ in 0..10 {
        assert_eq!(sim.turn(), Turn::Again);
    }
    // The host has no room for metadata for a while.
    sim.host.refuses = Refuses::AllBut(!1);
    sim.engine.quiesce();
    for _ in 0..100 {
        let _ = sim.turn();
    }
    sim.host.refuses = Refuses::Nothing;
    sim.run();
    let events: Vec<Event> = sim.host.events().collect();
    let [Event::PassEnded { report, end }, Event::Quiesced] = events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(end, PassEnd::Halted(Halt::Parked));
    let record = sim.host.devices[1].durable.unwrap();
    assert_eq!(record.rebuilt_to, report.position);
}
