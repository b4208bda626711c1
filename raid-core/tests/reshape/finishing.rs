//! Reshapes that nothing disturbs, from every shape to every other.

use raid_core::engine::{OnLoss, PassEnd, PassKind, PassRefusal, ReshapeEnd, Seat, SeatRefusal};
use raid_core::geometry::{Layout, Raid5Layout, Raid6Layout, Raid10Layout, Spread};
use raid_core::host::{Answer, Event, Fault};
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::Consistency;
use raid_core::reshape::Change;
use raid_core::units::{DeviceIndex, MemberIndex, Sectors};
use raid_sim::order::{Order, Random};
use raid_sim::reference;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Lent, Sim, Wish};

use crate::arrays::{RAID5, RAID6, content, geometry, read, shifted, sized, to_be};

/// The array has its new shape in the end, the content is what it was, and parity agrees, also where
/// members are missing from the start.
fn finishes(change: Change, units: u64, missing: MemberSet) {
    let whole = to_be(change, units);
    let before = content(change.before(), 1);
    let devices = whole.devices(&before);
    let blueprint = whole.without(missing);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let lanes = sim.engine.lanes_per_slot();
    let (report, end) = sim.reshape(OnLoss::Stop);
    assert_eq!(end, ReshapeEnd::Finished, "{change:?}");
    assert_eq!(sim.engine.lanes_per_slot(), lanes, "commands in flight name them by it");
    assert_eq!(report.position, change.end());
    assert_eq!(sim.engine.size(), change.after().size());
    let record = sim.host.last_record().expect("something was recorded");
    let walk = change.walk().memory_bytes().expect("fits into memory");
    let after_size = change.after().size().memory_bytes().expect("fits into memory");
    if walk < after_size {
        assert_eq!(record.consistency, Consistency::InSyncTo(change.walk()), "the rest is not");
        if missing.is_empty() {
            let (_, end) = sim.pass(PassKind::Resync);
            assert_eq!(end, PassEnd::Finished);
            let sectors = change.after().size().0;
            let check = sim.request(Wish::Check { at: 0, sectors });
            let mismatched_sectors = Sectors(0);
            assert_eq!(check.result, Ok(Answer::Checked { mismatched_sectors }));
        }
    }
    let after = blueprint.as_recorded(&record);
    let left = before.len().min(after.size());
    let mut expected = before[..left].to_vec();
    expected.resize(after.size(), 0);
    let now = read(&after, &sim.host.devices, MemberSet::NONE);
    assert!(now[..walk] == expected[..walk], "other content: {change:?}, {missing:?}");
    if missing.is_empty() && walk == after.size() {
        let areas = after.areas(&sim.host.devices, MemberSet::NONE);
        let whole = reference::lay_out(change.after(), &expected, after.member_sectors);
        for (area, expected) in areas.iter().zip(&whole) {
            assert!(*area == Some(expected.as_slice()), "parity does not agree: {change:?}");
        }
    }
}

fn place(member: u8) -> MemberSet {
    MemberSet::only(MemberIndex(member))
}

#[test]
fn every_count_of_members_leads_to_every_other() {
    for (layout, min) in [(RAID5, 3), (RAID6, 4)] {
        for (from, to) in (min..=8).flat_map(|from| (min..=8).map(move |to| (from, to))) {
            if from != to {
                let change = shifted(geometry(layout, from, 8), geometry(layout, to, 8));
                finishes(change, u64::from(from % 3) + 1, MemberSet::NONE);
            }
        }
    }
}

#[test]
fn a_member_may_be_missing_from_either_shape_or_both() {
    for (from, to) in [(4, 5), (3, 6), (5, 4), (6, 3), (4, 8), (8, 4)] {
        let change = shifted(geometry(RAID5, from, 8), geometry(RAID5, to, 8));
        for member in 0..change.members_max() {
            finishes(change, 2, place(member));
        }
    }
    for (from, to) in [(5, 6), (6, 5), (4, 7)] {
        let change = shifted(geometry(RAID6, from, 8), geometry(RAID6, to, 8));
        for member in 0..change.members_max() {
            finishes(change, 2, place(member).union(place(0)));
            finishes(change, 1, place(member).union(place(3)));
        }
    }
}

#[test]
fn every_chunk_leads_to_every_other() {
    let chunks = [8, 16, 32, 64, 128];
    for (from, to) in chunks.into_iter().flat_map(|from| chunks.map(|to| (from, to))) {
        if from != to {
            let change = shifted(sized(RAID5, 4, from, 512), sized(RAID5, 4, to, 512));
            finishes(change, 1, MemberSet::NONE);
            finishes(change, 1, place(1));
            // Several things at once.
            let change = shifted(sized(RAID6, 5, from, 512), sized(RAID6, 7, to, 512));
            finishes(change, 1, place(2));
            let change = shifted(sized(RAID6, 7, from, 512), sized(RAID6, 5, to, 512));
            finishes(change, 1, place(2));
        }
    }
}

#[test]
fn every_layout_leads_to_every_other() {
    let layouts = Raid5Layout::ALL.map(Layout::Raid5);
    for (from, to) in layouts.into_iter().flat_map(|from| layouts.map(|to| (from, to))) {
        if from != to {
            finishes(shifted(geometry(from, 5, 8), geometry(to, 5, 8)), 2, MemberSet::NONE);
            finishes(shifted(geometry(from, 5, 8), geometry(to, 5, 8)), 2, place(4));
        }
    }
    let layouts = Raid6Layout::ALL.map(Layout::Raid6);
    for (from, to) in layouts.into_iter().flat_map(|from| layouts.map(|to| (from, to))) {
        if from != to {
            let missing = place(1).union(place(5));
            finishes(shifted(geometry(from, 6, 8), geometry(to, 6, 8)), 2, missing);
        }
    }
}

#[test]
fn copies_are_moved_as_well() {
    let near = |near| Layout::Raid10(Raid10Layout { near, far: 1, spread: Spread::Zones });
    let rows = |far| Layout::Raid10(Raid10Layout { near: 1, far, spread: Spread::Rows });
    for (from, to) in [
        (geometry(near(2), 4, 8), geometry(near(2), 6, 8)),
        (geometry(near(2), 4, 8), geometry(near(2), 5, 8)),
        (geometry(near(2), 4, 8), geometry(near(2), 4, 32)),
        (geometry(near(2), 4, 32), geometry(near(2), 4, 8)),
        (geometry(near(2), 4, 8), geometry(rows(2), 4, 8)),
        (geometry(rows(2), 4, 8), geometry(rows(2), 5, 16)),
        (geometry(near(3), 5, 8), geometry(near(3), 7, 8)),
    ] {
        let change = shifted(from, to);
        finishes(change, 2, MemberSet::NONE);
        for member in 0..change.members_max() {
            finishes(change, 1, place(member));
        }
    }
}

/// 46038b30b308: a replacement was begun between two shapes, and the array could not be assembled.
#[test]
fn no_member_is_replaced_between_two_shapes() {
    let change = shifted(geometry(RAID5, 4, 16), geometry(RAID5, 5, 16));
    let blueprint = to_be(change, 1);
    let mut devices = blueprint.devices(&content(change.before(), 1));
    devices.push(devices[0].clone());
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let seat = Seat {
        device: DeviceIndex(5),
        state: MemberState::Rebuilding { valid_to: Sectors(0) },
        ..blueprint.seats[0].expect("all are there")
    };
    let refused = |sim: &mut Sim<'_>| {
        let refusal = sim.engine.add_replacement(MemberIndex(1), seat);
        assert_eq!(refusal, Err(SeatRefusal::Reshaping));
        assert_eq!(sim.engine.start_pass(PassKind::Replacement), Err(PassRefusal::Reshaping));
    };
    // Before it moves, on its way, and not any more at its end.
    refused(&mut sim);
    sim.engine.start_reshape(OnLoss::Stop).expect("it starts");
    for _ in 0..30 {
        let _ = sim.turn();
    }
    refused(&mut sim);
    sim.run();
    assert_eq!(sim.engine.add_replacement(MemberIndex(1), seat), Ok(MemberIndex(5)));
    sim.host.seat(MemberIndex(5), seat.device);
    let (_, end) = sim.pass(PassKind::Replacement);
    assert_eq!(end, PassEnd::Finished);
}

/// A flush that was begun with the members of the old shape ends after those that leave have left.
#[test]
fn a_member_that_has_left_is_not_lost() {
    let change = shifted(geometry(RAID5, 5, 8), geometry(RAID5, 4, 8));
    let blueprint = to_be(change, 4);
    let before = content(change.before(), 1);
    for seed in 0..60 {
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
        sim.order = Order::Lifo;
        sim.budget = 1;
        sim.engine.start_reshape(OnLoss::GoOn).unwrap();
        while sim.engine.reshape().is_some_and(|report| report.position != change.end()) {
            sim.turn();
        }
        for _ in 0..seed % 20 {
            sim.turn();
        }
        sim.start(Wish::Flush).unwrap();
        sim.engine.poll(&mut sim.host, 3);
        sim.order = Order::Random(Random::new(seed));
        while sim.engine.reshape().is_some() {
            sim.turn();
        }
        sim.host.devices[4].rules.push(Rule::on(&[Action::Flush], Fault::Gone));
        sim.run();
        let lost = sim.host.events().any(|event| matches!(event, Event::MemberFailed { .. }));
        assert!(!lost, "{seed}");
        assert!(sim.host.answers.iter().all(|answer| answer.result.is_ok()));
    }
}
