//! Operations that went round for ever, and requests that were never answered.

use raid_core::engine::{Activity, Halt, PassEnd, PassKind, PassRefusal, Progress};
use raid_core::host::{Answer, Event, Failure, Fault};
use raid_core::metadata::Consistency;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::host::{Entry, Waits};
use raid_sim::order::{Order, Random};
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{DATA_OFFSET, Lent, Sim, Wish};

use crate::arrays::{self, CHUNK};

/// md's stripe handler planned a write one way and fetched for another, and handled the stripe for
/// ever: 108cef3aa416, a40687ff73a5, cd1635d844d2.
#[test]
fn a_write_is_planned_and_fetched_by_one_value() {
    let starts = [0, 3, 8, CHUNK - 1, CHUNK, 2 * CHUNK + 5];
    let lengths = [1, 5, 8, CHUNK, CHUNK + 3, 2 * CHUNK, 3 * CHUNK];
    for blueprint in [arrays::raid5(4), arrays::raid6(5)] {
        let members = blueprint.geometry.members();
        let two = blueprint.geometry.redundancy() == 2;
        let none = (members, members);
        let one = (0..members).map(|lost| (lost, lost));
        let both = (0..members).flat_map(|a| (0..a).map(move |b| (a, b))).filter(|_| two);
        for (first, second) in [none].into_iter().chain(one).chain(both) {
            let lost = arrays::only(first).union(arrays::only(second));
            let lost = lost.intersection(blueprint.geometry.all_members());
            let marks = [Consistency::Clean, Consistency::InSyncTo(Sectors(CHUNK))];
            // A dirty array that lacks a member is not started.
            for consistency in &marks[..if lost.is_empty() { 2 } else { 1 }] {
                let mut blueprint = blueprint.clone().without(lost);
                blueprint.consistency = *consistency;
                let mut content = arrays::content(&blueprint, 1);
                let other = arrays::content(&blueprint, 2);
                let mut lent = Lent::to(&blueprint);
                let devices = blueprint.devices(&content);
                let mut sim = Sim::made(&blueprint, &mut lent, devices);
                for (at, sectors) in starts.iter().flat_map(|at| lengths.map(|n| (*at, n))) {
                    let before = sim.tally.completions;
                    let wish = arrays::write(&other, &mut content, at, sectors);
                    assert!(sim.request(wish).result.is_ok(), "{lost:?} {at} {sectors}");
                    // Every member is read and written once for each piece, at most, besides jobs
                    // and the dirty mark.
                    let pieces = sectors / 8 + 2;
                    let bound = pieces * (2 * u64::from(members) + 4) + 3 * u64::from(members);
                    assert!(sim.tally.completions - before <= bound, "{at} {sectors}");
                }
                arrays::assert_holds(&blueprint, &sim, &content);
            }
        }
    }
}

/// raid5d turned in circles at full speed for I/O that waited for a superblock which only raid5d
/// could write: 5e2cf333b7bd, bed9e27baf52, 151f66bb618d.
#[test]
fn an_engine_that_waits_says_so_and_does_not_spin() {
    let blueprint = arrays::raid6(5);
    let mut content = arrays::content(&blueprint, 1);
    let other = arrays::content(&blueprint, 2);
    let mut devices = blueprint.devices(&content);
    devices[1].rules.push(Rule::on(&[Action::Write], Fault::Gone));
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    sim.start(arrays::write(&other, &mut content, 0, 3 * CHUNK)).unwrap();
    let mut waited = 0;
    loop {
        while sim.engine.poll(&mut sim.host, 1) != Progress::Idle {}
        let moves = sim.host.moves();
        assert_eq!(sim.engine.poll(&mut sim.host, 1000), Progress::Idle);
        assert_eq!(sim.host.moves(), moves, "a poll with nothing to do does nothing");
        if sim.host.in_flight().is_empty() {
            break;
        }
        waited += 1;
        sim.end_one();
    }
    assert!(waited > 20, "the dirty mark and the loss went on record: {waited}");
    assert_eq!(sim.host.answers.len(), 1);
    assert!(sim.host.answers[0].result.is_ok());
}

/// Requests hung when the array broke under them: "fix IO hang when array is broken with IO
/// inflight", 11367799f3d1.
#[test]
fn an_array_that_breaks_answers_all_that_is_in_flight() {
    for after in 0..30 {
        for blueprint in [arrays::raid5(4), arrays::raid6(5)] {
            let content = arrays::content(&blueprint, 1);
            let mut devices = blueprint.devices(&content);
            let lost = usize::from(blueprint.geometry.redundancy()) + 1;
            for (device, later) in devices[..lost].iter_mut().zip(0..) {
                device.rules.push(Rule::gone_after(after + later));
            }
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            sim.host.waits = Waits::ForItsOwn;
            sim.order = Order::Random(Random::new(after));
            let mut started = 0;
            for number in 0..40 {
                let at = number % 5 * CHUNK + number;
                let wish = match number % 3 {
                    0 => arrays::read(at, 9),
                    1 => Wish::Flush,
                    _ => arrays::write(&content, &mut content.clone(), at, 9),
                };
                started += usize::from(sim.start(wish).is_ok());
                sim.turn();
            }
            sim.run();
            assert_eq!(sim.host.answers.len(), started, "each is answered, once");
        }
    }
}

/// Stripes that were batched shared flags, and one that failed or was slow held the others:
/// 550da24f8d62, d0852df543e5.
#[test]
fn requests_in_one_row_fail_each_for_itself() {
    let blueprint = arrays::raid5(4);
    let content = arrays::content(&blueprint, 1);
    let mut devices = blueprint.devices(&content);
    // In the first row, the second half of the chunks of data 0 and 1 are lost for good.
    for member in [0, 1] {
        let rule = Rule::on(&[Action::Read, Action::Write], Fault::Media);
        devices[member].rules.push(rule.at(DATA_OFFSET + 8..DATA_OFFSET + 16));
    }
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let ids = [0, 8, CHUNK, CHUNK + 8, 2 * CHUNK].map(|at| {
        let read = arrays::read(at, 8);
        let id = sim.start(read.clone());
        let id = id.or_else(|_| {
            sim.run();
            sim.start(read)
        });
        id.unwrap()
    });
    sim.run();
    for (id, (at, lost)) in
        ids.iter().zip([(0, false), (8, true), (CHUNK, false), (CHUNK + 8, true), (32, false)])
    {
        let answer = sim.host.answers.iter().find(|answer| answer.request == *id).unwrap();
        match answer.result {
            Err(Failure::Unrecoverable { at: first, .. }) => assert!(lost && first.0 == at),
            Err(other) => panic!("{other}"),
            Ok(_) => {
                assert!(!lost, "{at}");
                assert!(answer.memory == content[arrays::bytes(at)..arrays::bytes(at + 8)]);
            }
        }
    }
}

/// A read that failed on a busy stripe was tried again and again without a pause: "soft lockup in
/// retry_aligned_read".
#[test]
fn a_failed_read_on_a_busy_row_is_queued_once() {
    let blueprint = arrays::raid5(4);
    let mut content = arrays::content(&blueprint, 1);
    let other = arrays::content(&blueprint, 2);
    for seed in 0..50 {
        let mut devices = blueprint.devices(&content);
        devices[0].medium.spoil(DATA_OFFSET..DATA_OFFSET + 8, Fault::Media);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        sim.order = Order::Random(Random::new(seed));
        sim.budget = 3;
        sim.start(arrays::write(&other, &mut content, CHUNK, CHUNK)).unwrap();
        sim.start(arrays::read(0, 16)).unwrap();
        sim.start(arrays::write(&other, &mut content, 8, 8)).unwrap();
        sim.run();
        assert!(sim.host.answers.iter().all(|answer| answer.result.is_ok()));
        let of_first = |action: Action| sim.host.devices[0].count(action);
        assert!(of_first(Action::Read) <= 6 && of_first(Action::Write) <= 6);
        arrays::assert_holds(&blueprint, &sim, &content);
        content = arrays::content(&blueprint, 1);
    }
}

/// A discard and a check of one stripe got in each other's way: f8dfcffd0472.
#[test]
fn zeroes_and_a_check_of_one_row_take_turns() {
    let blueprint = arrays::raid5(3);
    for seed in 0..1000 {
        let mut content = arrays::content(&blueprint, 1);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        sim.order = Order::Random(Random::new(seed));
        let check = |sim: &mut Sim<'_>| sim.start(Wish::Check { at: 0, sectors: CHUNK }).unwrap();
        check(&mut sim);
        sim.start(Wish::Zeroes { at: 3, sectors: CHUNK + 8 }).unwrap();
        check(&mut sim);
        sim.run();
        content[arrays::bytes(3)..arrays::bytes(CHUNK + 11)].fill(0);
        let none = Answer::Checked { mismatched_sectors: Sectors(0) };
        let checks = sim.host.answers.iter().filter(|answer| answer.result == Ok(none));
        assert_eq!(checks.count(), 2);
        arrays::assert_holds(&blueprint, &sim, &content);
    }
}

/// Starting and stopping a check under load dead-locked, or ran two at once: 8b48ec23cc51, and
/// mdadm's tests 24raid456deadlock and 24raid10deadlock.
#[test]
fn a_pass_is_started_and_parked_ten_thousand_times_under_load() {
    let blueprint = arrays::raid6(5);
    let mut content = arrays::content(&blueprint, 1);
    let other = arrays::content(&blueprint, 2);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
    let mut random = Random::new(21);
    let (mut started, mut ended) = (0, 0);
    while started < 10_000 {
        let at = random.below(4 * CHUNK);
        // Full pools are busy now and then; the model follows what was taken.
        if sim.start(arrays::write(&other, &mut content.clone(), at, 5)).is_ok() {
            arrays::write(&other, &mut content, at, 5);
        }
        let kind = [PassKind::Check, PassKind::Repair][started % 2];
        match (sim.engine.activity(), sim.engine.start_pass(kind)) {
            (Activity::Running(_), refused) => assert_eq!(refused, Err(PassRefusal::Running)),
            (
                Activity::Idle
                | Activity::Halted(..)
                | Activity::Reshaping(_)
                | Activity::ReshapeHalted(..),
                begun,
            ) => {
                assert_eq!(begun, Ok(()));
                started += 1;
            }
        }
        for _ in 0..random.below(6) {
            sim.turn();
        }
        sim.engine.park_pass();
        sim.turn();
        let events = core::mem::take(&mut sim.host.trace);
        for entry in events {
            if let Entry::Noted(Event::PassEnded { end, .. }) = entry {
                assert!(matches!(end, PassEnd::Finished | PassEnd::Halted(Halt::Parked)));
                ended += 1;
            }
        }
        assert!(started - ended <= 1, "one pass at a time");
        sim.host.answers.clear();
    }
    sim.run();
    ended += sim.host.events().filter(|it| matches!(it, Event::PassEnded { .. })).count();
    assert_eq!(ended, started, "none is left over");
    arrays::assert_holds(&blueprint, &sim, &content);
}

/// Work to be done was sampled twice and came out different, and blocks stayed locked: 6c55be8b962f.
#[test]
fn a_member_lost_between_two_steps_changes_no_plan_half_way() {
    for blueprint in [arrays::raid5(4), arrays::raid6(5)] {
        for member in 0..usize::from(blueprint.geometry.members()) {
            for after in 0..12 {
                let mut content = arrays::content(&blueprint, 1);
                let other = arrays::content(&blueprint, 2);
                let mut devices = blueprint.devices(&content);
                devices[member].rules.push(Rule::gone_after(after));
                let mut lent = Lent::to(&blueprint);
                let mut sim = Sim::made(&blueprint, &mut lent, devices);
                sim.order = Order::Random(Random::new(after));
                let answer = sim.request(arrays::write(&other, &mut content, 5, 2 * CHUNK));
                assert!(answer.result.is_ok());
                let all = arrays::read(0, blueprint.geometry.size().0);
                assert!(sim.request(all).memory == content);
                arrays::assert_holds(&blueprint, &sim, &content);
            }
        }
    }
}

/// The path that deals with read errors entered the path that had called it, and the array locked
/// up: CVE-2026-74375.
#[test]
fn a_report_of_an_error_issues_nothing() {
    let blueprint = arrays::raid1(3);
    let content = arrays::content(&blueprint, 1);
    let mut devices = blueprint.devices(&content);
    for device in &mut devices[..2] {
        device.rules.push(Rule::on(&[Action::Read, Action::Write], Fault::Media));
    }
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    sim.start(arrays::read(0, 8)).unwrap();
    loop {
        while sim.engine.poll(&mut sim.host, 64) == Progress::More {}
        if sim.host.in_flight().is_empty() {
            break;
        }
        let before = sim.host.trace.len();
        sim.end_one();
        let new = &sim.host.trace[before..];
        assert!(new.iter().all(|entry| matches!(entry, Entry::Ended(..))), "{new:?}");
    }
    assert!(sim.host.answers[0].memory == content[..arrays::bytes(8)]);
    let lost = [0, 1].map(MemberIndex).into_iter().collect();
    assert_eq!(sim.host.lost(), lost, "neither could be mended, and each was tried once");
}
