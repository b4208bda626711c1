//! Members that fail while an array is being reshaped.

use raid_core::engine::{Fate, OnLoss, ReshapeEnd, ReshapeHalt, ReshapeRefusal, ReshapeStop};
use raid_core::host::{Answer, Fault};
use raid_core::members::MemberSet;
use raid_core::request::Stability;
use raid_core::reshape::Change;
use raid_core::units::MemberIndex;
use raid_sim::device::RamDevice;
use raid_sim::host::Waits;
use raid_sim::medium::SECTOR;
use raid_sim::order::{Order, Random};
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, Lent, Sim, Wish};

use crate::arrays::{RAID5, RAID6, content, geometry, read, shifted, to_be};

/// Starts the reshape and sees it to its end: started again each time it stops for a loss. The devices
/// as they are then, the array as it is on record, and how often it stopped.
fn insist(
    blueprint: &Blueprint,
    devices: Vec<RamDevice>,
    on_loss: OnLoss,
    seed: u64,
) -> (Vec<RamDevice>, Blueprint, ReshapeEnd, usize) {
    let mut lent = Lent::to(blueprint);
    let mut sim = Sim::made(blueprint, &mut lent, devices);
    sim.order = Order::Random(Random::new(seed));
    let mut stops = 0;
    let (_, mut end) = sim.reshape(on_loss);
    while end == ReshapeEnd::Halted(ReshapeHalt::Stopped(ReshapeStop::MemberLost)) {
        stops += 1;
        assert!(stops <= 2, "once for each loss");
        (_, end) = sim.reshape(on_loss);
    }
    let record = sim.host.last_record().expect("something is on record");
    let after = blueprint.clone().as_recorded(&record);
    (core::mem::take(&mut sim.host.devices), after, end, stops)
}

fn lost(member: u8) -> MemberSet {
    MemberSet::only(MemberIndex(member))
}

fn changes() -> Vec<Change> {
    vec![
        shifted(geometry(RAID5, 4, 8), geometry(RAID5, 5, 8)),
        shifted(geometry(RAID5, 5, 8), geometry(RAID5, 4, 8)),
        shifted(geometry(RAID6, 5, 8), geometry(RAID6, 6, 8)),
    ]
}

/// Every member is lost after every number of its commands: the reshape stops once and says why, or
/// goes on, as was wished, and all is there in the end.
#[test]
fn a_member_is_lost_at_every_command_of_a_reshape() {
    let mut stopped = 0;
    for (change, seed) in changes().into_iter().zip(1..) {
        let blueprint = to_be(change, 2);
        let before = content(change.before(), seed);
        let served = change.size_meanwhile().memory_bytes().unwrap();
        for member in 0..change.members_max() {
            for commands in 0..120 {
                let mut devices = blueprint.devices(&before);
                devices[usize::from(member)].rules.push(Rule::gone_after(commands));
                let on_loss = if commands % 2 == 0 { OnLoss::Stop } else { OnLoss::GoOn };
                let (devices, after, end, stops) = insist(&blueprint, devices, on_loss, commands);
                assert_eq!(end, ReshapeEnd::Finished, "{change:?} without {member}");
                let now =
                    read(&after, &devices, lost(member).intersection(after.geometry.all_members()));
                assert!(now[..served] == before[..served], "other content");
                stopped += stops;
            }
        }
    }
    assert!(stopped > 100, "{stopped} stops");
}

/// Two members are lost: level 6 goes on, level 5 has failed. Whatever it says, what can be read is
/// right, and nothing waits.
#[test]
fn two_members_are_lost_at_any_command_of_a_reshape() {
    let (mut finished, mut failed) = (0, 0);
    for (change, seed) in changes().into_iter().zip(1..) {
        let blueprint = to_be(change, 1);
        let before = content(change.before(), seed);
        let served = change.size_meanwhile().0;
        let mut random = Random::new(seed);
        for _ in 0..150 {
            let mut devices = blueprint.devices(&before);
            let places = u64::from(change.members_max());
            let first = random.below(places);
            let second = (first + 1 + random.below(places - 1)) % places;
            for member in [first, second] {
                let device = &mut devices[usize::try_from(member).unwrap()];
                device.rules.push(Rule::gone_after(random.below(110)));
            }
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            sim.order = Order::Random(random.clone());
            let (_, end) = sim.reshape(OnLoss::GoOn);
            match (end, sim.fate()) {
                (ReshapeEnd::Finished, Fate::Serving) => finished += 1,
                (ReshapeEnd::Halted(ReshapeHalt::Stopped(reason)), fate) => {
                    let reasons = [ReshapeStop::ArrayFailed, ReshapeStop::TooFewMembers];
                    let beyond = matches!(reason, ReshapeStop::Unrecoverable { .. });
                    assert!(beyond || reasons.contains(&reason), "{reason:?} {fate:?}");
                    failed += 1;
                }
                other => panic!("{other:?}"),
            }
            // What is answered well is right.
            for at in (0..served).step_by(8) {
                let sectors = 8.min(served - at);
                let stability = Stability::Stable;
                let answer = sim.request(Wish::Read { at, sectors, stability });
                let start = usize::try_from(at).unwrap() * SECTOR;
                if answer.result == Ok(Answer::Done) {
                    let is = answer.memory == before[start..start + answer.memory.len()];
                    assert!(is, "sector {at} is something else: {end:?}");
                } else {
                    assert_eq!(sim.fate(), Fate::Failed, "{:?} at {at}", answer.result);
                }
            }
        }
    }
    assert!(finished > 20 && failed > 20, "{finished} finished, {failed} failed");
}

/// A degraded level 5, and a block that cannot be read: it is not moved, and nothing else is put in
/// its place. Linux makes something up (`handle_stripe_expansion`).
#[test]
fn what_cannot_be_read_stops_a_reshape_and_is_not_moved() {
    for change in &changes()[..2] {
        let blueprint = to_be(*change, 1).without(lost(1));
        let before = content(change.before(), 7);
        let mut devices = to_be(*change, 1).devices(&before);
        let start = blueprint.data_start();
        devices[0].rules.push(Rule::on(&[Action::Read], Fault::Media).at(start + 40..start + 41));
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        let (report, end) = sim.reshape(OnLoss::Stop);
        let ReshapeEnd::Halted(ReshapeHalt::Stopped(ReshapeStop::Unrecoverable { at, .. })) = end
        else {
            panic!("{end:?}");
        };
        // Again: it stops at the same place, and everything else is there.
        let (again, _) = sim.reshape(OnLoss::Stop);
        assert_eq!(again.position, report.position);
        let mut wrong = 0;
        for sector in (0..change.size_meanwhile().0).step_by(8) {
            let stability = Stability::Stable;
            let answer = sim.request(Wish::Read { at: sector, sectors: 8, stability });
            let from = usize::try_from(sector).unwrap() * SECTOR;
            match answer.result {
                Ok(_) => assert!(answer.memory == before[from..from + 8 * SECTOR]),
                Err(_) => wrong += 1,
            }
        }
        // The block, and the one on the missing member in its row, unless one of them is parity.
        assert!((1..=2).contains(&wrong), "{wrong} blocks are lost, {at:?}");
    }
}

/// Any one command hangs and is abandoned: the window that it may still touch is left alone, and when
/// the command is dead the reshape goes on.
#[test]
fn any_one_command_of_a_reshape_may_hang() {
    let mut halted = 0;
    for (change, seed) in changes().into_iter().zip(1..) {
        let blueprint = Blueprint { background: 3, ..to_be(change, 1) };
        let before = content(change.before(), seed);
        let served = change.size_meanwhile().memory_bytes().unwrap();
        for number in (0..240).step_by(3) {
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
            sim.order = Order::Random(Random::new(seed));
            sim.host.hangs = vec![number];
            let (_, end) = sim.reshape(OnLoss::GoOn);
            match end {
                ReshapeEnd::Finished => {}
                ReshapeEnd::Halted(halt) => {
                    assert_eq!(halt, ReshapeHalt::Stopped(ReshapeStop::Hung));
                    let refused = sim.engine.start_reshape(OnLoss::GoOn);
                    assert_eq!(refused, Err(ReshapeRefusal::Hung), "it may still touch the window");
                    halted += 1;
                    // Nothing waits for it meanwhile.
                    let wish = Wish::Read { at: 0, sectors: 64, stability: Stability::Stable };
                    assert_eq!(sim.request(wish).result, Ok(Answer::Done));
                    sim.die_all();
                    assert_eq!(sim.reshape(OnLoss::GoOn).1, ReshapeEnd::Finished);
                }
            }
            sim.die_all();
            let record = sim.host.last_record().expect("something is on record");
            let after = blueprint.clone().as_recorded(&record);
            let now = read(&after, &sim.host.devices, MemberSet::NONE);
            assert!(now[..served] == before[..served], "other content after {number}");
        }
    }
    assert!(halted > 20, "{halted} halts");
}

/// A flush or a record fails on one member: the position never gets ahead of what is durable, and the
/// reshape goes on without the member.
#[test]
fn a_checkpoint_that_a_member_does_not_take_costs_that_member() {
    for (change, seed) in changes().into_iter().zip(1..) {
        let kinds: [&'static [Action]; 2] = [&[Action::Flush], &[Action::Record]];
        for (actions, skip) in kinds.into_iter().flat_map(|it| (0..12).map(move |skip| (it, skip)))
        {
            let blueprint = to_be(change, 1);
            let before = content(change.before(), seed);
            let mut devices = blueprint.devices(&before);
            devices[2].rules.push(Rule::on(actions, Fault::Transport).skipping(skip));
            let (devices, after, end, _) = insist(&blueprint, devices, OnLoss::Stop, skip);
            assert_eq!(end, ReshapeEnd::Finished);
            let served = change.size_meanwhile().memory_bytes().unwrap();
            let now = read(&after, &devices, lost(2));
            assert!(now[..served] == before[..served], "other content");
        }
    }
}

/// The array can do without two members as long as all of it is in the shape that has only one of
/// them: nothing is put on record in the other then.
#[test]
fn what_the_new_shape_cannot_hold_is_left_in_the_old_one() {
    let change = shifted(geometry(RAID5, 4, 8), geometry(RAID5, 5, 8));
    let before = content(change.before(), 3);
    let mut taken = 0;
    for units in [1, 3] {
        let blueprint = to_be(change, units);
        for turns in 0..200 {
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
            sim.host.waits = Waits::ForItsOwn;
            sim.order = Order::Random(Random::new(turns));
            sim.budget = 1;
            sim.engine.start_reshape(OnLoss::GoOn).unwrap();
            for _ in 0..turns {
                sim.turn();
            }
            let mut lost = 0;
            for member in [MemberIndex(4), MemberIndex(0)] {
                if sim.engine.fail_member(member).is_ok() {
                    sim.host.dismiss(member);
                    lost += 1;
                }
            }
            sim.run();
            taken += usize::from(lost == 2);
            assert_eq!(sim.fate(), Fate::Serving, "{turns}");
            let sectors = change.before().size().0;
            let stability = Stability::Stable;
            let answer = sim.request(Wish::Read { at: 0, sectors, stability });
            assert_eq!(answer.result, Ok(Answer::Done), "{turns}, {lost}");
            assert!(answer.memory == before, "{turns}");
        }
    }
    assert!(taken > 10, "{taken}");
}

/// With everything in the new shape, the old one's members are of no account.
#[test]
fn a_reshape_at_its_end_is_finished_without_members_of_the_old_shape() {
    let change = shifted(geometry(RAID5, 5, 8), geometry(RAID5, 4, 8));
    let before = content(change.before(), 3);
    let blueprint = to_be(change, 4);
    let served = change.size_meanwhile();
    let mut taken = 0;
    for at_end in 0..12 {
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
        sim.host.waits = Waits::ForItsOwn;
        sim.budget = 1;
        sim.engine.start_reshape(OnLoss::GoOn).unwrap();
        while sim.engine.reshape().is_some_and(|report| report.position != change.end()) {
            sim.turn();
        }
        for _ in 0..at_end {
            sim.turn();
        }
        for member in [MemberIndex(4), MemberIndex(0)] {
            if sim.engine.fail_member(member).is_ok() {
                sim.host.dismiss(member);
                taken += 1;
            }
        }
        sim.run();
        assert_eq!(sim.reshape_ended().map(|(_, end)| end), Some(ReshapeEnd::Finished), "{at_end}");
        let stability = Stability::Stable;
        let answer = sim.request(Wish::Read { at: 0, sectors: served.0, stability });
        assert_eq!(answer.result, Ok(Answer::Done), "{at_end}");
        assert!(answer.memory == before[..served.memory_bytes().unwrap()], "{at_end}");
    }
    assert!(taken > 12, "{taken}");
}
