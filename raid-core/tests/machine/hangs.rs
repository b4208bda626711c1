//! Commands that hang: at every point of a session, and at two points; abandoned at once or late;
//! dead soon or late. While they hang, reads fill their memory with garbage, and writes land at the
//! end.

use raid_core::engine::{Dirty, Fate, Frees, PassKind, Refusal};
use raid_core::geometry::Spread;
use raid_core::host::{Event, Failure, Fault, Loan};
use raid_core::members::MemberSet;
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::host::Waits;
use raid_sim::order::Random;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Death, Lent, Patience, Reports, Sim, Wish};

use crate::arrays::{self, CHUNK};
use crate::judge;

/// How a session goes.
#[derive(Clone, Copy, Debug)]
struct Course {
    stability: Stability,
    patience: Patience,
    death: Death,
    pace: Pace,
    reports: Reports,
    case: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    OneByOne,
    AllAtOnce,
}

/// What came of a session.
struct Outcome {
    commands: usize,
    deaths_awaited: u64,
    held: usize,
}

/// Reads, small writes, whole rows, a flush and a clean mark, with these commands hanging.
fn session(blueprint: &Blueprint, hangs: &[usize], course: Course) -> Outcome {
    let devices = blueprint.devices(&arrays::content(blueprint.size(), 1));
    session_on(blueprint, devices, hangs, course)
}

fn session_on(
    blueprint: &Blueprint,
    devices: Vec<RamDevice>,
    hangs: &[usize],
    course: Course,
) -> Outcome {
    let before = arrays::content(blueprint.size(), 1);
    let mut model = before.clone();
    let mut lent = Lent::to(blueprint);
    let mut sim = Sim::made(blueprint, &mut lent, devices);
    sim.host.hangs = hangs.to_vec();
    sim.host.waits = Waits::ForItsOwn;
    sim.order = arrays::order(course.case);
    (sim.patience, sim.death, sim.reports) = (course.patience, course.death, course.reports);
    let size = blueprint.geometry.size().0;
    let stability = course.stability;
    let mut expected = Vec::new();
    let mut go = |sim: &mut Sim<'_>, wish: Wish, read: Option<Vec<u8>>| {
        if let Ok(id) = sim.start(wish) {
            expected.push((id, read));
        }
        // Bits are cleared while others are set, and the commands for that may hang.
        sim.engine.sweep_bitmap();
        if course.pace == Pace::OneByOne {
            sim.run();
        }
    };
    let part = |model: &[u8], at: u64, sectors: u64| {
        let at = usize::try_from(at).unwrap() * 512;
        model[at..at + usize::try_from(sectors).unwrap() * 512].to_vec()
    };
    let read = |at, sectors| Wish::Read { at, sectors, stability };
    go(&mut sim, read(4, 24), Some(part(&model, 4, 24)));
    for (seed, at, sectors) in [(2, CHUNK, 8), (3, 0, 2 * CHUNK), (4, 3, 9)] {
        let bytes = part(&arrays::content(blueprint.size(), seed), at, sectors);
        let start = usize::try_from(at).unwrap() * 512;
        model[start..start + bytes.len()].copy_from_slice(&bytes);
        go(&mut sim, Wish::Write { at, bytes, stability }, None);
    }
    go(&mut sim, Wish::Flush, None);
    go(&mut sim, read(0, size), Some(model.clone()));
    go(&mut sim, Wish::MarkClean, None);
    sim.run();
    let held = judge_answers(&sim, &expected, course);
    let lost = sim.host.lost();
    assert!(sim.engine.hung_members().difference(lost).is_empty(), "who hangs is lost");
    assert_eq!(sim.fate() == Fate::Serving, judge::survives(blueprint, &sim.host.devices, lost));
    judge::holds(blueprint, &sim.host.devices, lost, &model);
    let outcome = Outcome {
        commands: sim.host.commands().filter(|it| it.device().is_some()).count(),
        deaths_awaited: sim.tally.deaths_awaited,
        held,
    };
    // What lands late lands on nobody who counts, and all memory comes back.
    sim.host.hangs.clear();
    sim.die_all();
    assert!(sim.host.held().is_empty() && sim.engine.hung_members().is_empty());
    judge::holds(blueprint, &sim.host.devices, lost, &model);
    let answer = sim.request(read(0, size));
    assert!(answer.result.is_ok() && answer.memory == model && answer.loan == Loan::Returned);
    judge_events(&sim, lost.difference(blueprint.absent()));
    outcome
}

type Expected = (raid_core::host::RequestId, Option<Vec<u8>>);

/// All are served, but for reads whose memory something may still fill. How many of these there
/// are.
fn judge_answers(sim: &Sim<'_>, expected: &[Expected], course: Course) -> usize {
    let mut held = 0;
    for (id, content) in expected {
        let answer = sim.host.answers.iter().find(|answer| answer.request == *id).unwrap();
        match (answer.result, content) {
            (Ok(_), Some(content)) => {
                assert!(answer.memory == *content, "read wrong: {course:?}");
                assert_eq!(answer.loan, Loan::Returned, "what is read can be relied on");
            }
            (Ok(_), None) => {}
            (Err(Failure::MemoryHeld { .. }), Some(_)) => {
                assert_eq!(course.stability, Stability::Stable, "lanes are no requester's memory");
                held += 1;
            }
            (Err(failure), _) => panic!("{failure}: {course:?}"),
        }
    }
    held
}

/// Each member that is lost hung, was said to, and was said to be quiet after.
fn judge_events(sim: &Sim<'_>, lost: MemberSet) {
    for member in lost {
        let of = |event: Event| match event {
            Event::MemberHung { member: it } if it == member => Some(0),
            Event::MemberFailed { member: it, .. } if it == member => Some(1),
            Event::MemberQuiet { member: it } if it == member => Some(2),
            Event::MemberHung { .. }
            | Event::MemberFailed { .. }
            | Event::MemberQuiet { .. }
            | Event::MemberReplaced { .. }
            | Event::ArrayFailed
            | Event::JournalFailed { .. }
            | Event::Quiesced
            | Event::BlockRewritten { .. }
            | Event::BlockBad { .. }
            | Event::BlockGood { .. }
            | Event::PassEnded { .. }
            | Event::ReshapeEnded { .. }
            | Event::NotCompared { .. }
            | Event::BlockLocated { .. }
            | Event::Ambiguous { .. }
            | Event::RangeLost { .. } => None,
        };
        let said: Vec<_> = sim.host.events().filter_map(of).collect();
        let first_quiet = said.iter().position(|it| *it == 2);
        assert_eq!(said.first(), Some(&0), "{said:?}");
        assert_eq!(said.iter().filter(|it| **it == 1).count(), 1, "{said:?}");
        assert!(first_quiet.is_some() && said.last() == Some(&2), "{said:?}");
    }
}

fn shapes() -> Vec<Blueprint> {
    let all = [
        arrays::raid1(2),
        arrays::raid1(3),
        arrays::raid5(3),
        arrays::raid5(4),
        arrays::logged(3),
        arrays::logged(4),
        arrays::marked(arrays::raid1(2)),
        arrays::marked(arrays::raid5(3)),
        arrays::marked(arrays::logged(3)),
        arrays::raid6(4),
        arrays::raid10(2, 1, Spread::Zones),
        arrays::raid10(1, 2, Spread::Rows),
    ];
    all.into_iter().map(|blueprint| Blueprint { requests: 8, ..blueprint }).collect()
}

fn courses(case: u64) -> Course {
    let of = |bit: u64| case >> bit & 1 == 0;
    Course {
        stability: if of(0) { Stability::Stable } else { Stability::Volatile },
        patience: if of(1) { Patience::None } else { Patience::UntilQuiet },
        death: match case >> 2 & 3 {
            0 => Death::After(1),
            1 => Death::After(9),
            _ => Death::Late,
        },
        pace: if of(4) { Pace::OneByOne } else { Pace::AllAtOnce },
        reports: Reports::Once,
        case,
    }
}

#[test]
fn any_one_command_may_hang_at_any_point() {
    let (mut points, mut held) = (0, 0);
    for blueprint in shapes() {
        for case in 0..32 {
            let course = courses(case);
            for slots in [2, 4] {
                let blueprint = Blueprint { slots, ..blueprint.clone() };
                let commands = session(&blueprint, &[], course).commands;
                for hang in 0..commands {
                    let outcome = session(&blueprint, &[hang], course);
                    assert_eq!(outcome.deaths_awaited, 0, "one slot is left: {hang} {course:?}");
                    points += 1;
                    held += outcome.held;
                }
            }
        }
    }
    assert!(points > 10_000 && held > 500, "{points} {held}");
}

#[test]
fn with_one_slot_nothing_is_lost_and_only_a_death_is_waited_for() {
    let mut awaited = 0;
    for blueprint in shapes() {
        let blueprint = Blueprint { slots: 1, ..blueprint };
        for case in 0..32 {
            let commands = session(&blueprint, &[], courses(case)).commands;
            for hang in 0..commands {
                awaited += session(&blueprint, &[hang], courses(case)).deaths_awaited;
            }
        }
    }
    assert!(awaited > 100, "{awaited}");
}

#[test]
fn two_commands_may_hang_where_the_redundancy_bears_it() {
    let mut random = Random::new(7);
    let mut both = 0;
    for blueprint in [arrays::raid6(4), arrays::raid6(5), arrays::raid1(3)] {
        let blueprint = Blueprint { requests: 8, slots: 3, ..blueprint };
        for case in 0..1500 {
            let commands = session(&blueprint, &[], courses(case)).commands;
            let commands = u64::try_from(commands).unwrap();
            let hangs = [random.below(commands), random.below(commands)];
            let hangs = hangs.map(|hang| usize::try_from(hang).unwrap());
            let outcome = session(&blueprint, &hangs, courses(case));
            // Commands to members that hang already are abandoned as well, so slots may run out.
            both += u64::from(outcome.deaths_awaited == 0);
        }
    }
    assert!(both > 3_000, "{both}");
}

#[test]
fn a_command_may_hang_beside_media_faults_and_among_the_retries_in_units() {
    let mut points = 0;
    for blueprint in [arrays::raid6(4), arrays::raid6(5), arrays::raid1(3)] {
        let blueprint =
            Blueprint { requests: 8, slots: 3, lane: Sectors(CHUNK), ..blueprint.clone() };
        let mut devices = blueprint.devices(&arrays::content(blueprint.size(), 1));
        devices[1].medium.spoil(DATA_OFFSET + 9..DATA_OFFSET + 10, Fault::Media);
        // The whole chunk fails, and its units are taken.
        let end = DATA_OFFSET + CHUNK - 2..DATA_OFFSET + CHUNK;
        for device in [0, 2] {
            let rule = Rule::on(&[Action::Write], Fault::Media).at(end.clone()).times(1);
            devices[device].rules.push(rule);
        }
        for case in 0..32 {
            let commands = session_on(&blueprint, devices.clone(), &[], courses(case)).commands;
            for hang in 0..commands {
                session_on(&blueprint, devices.clone(), &[hang], courses(case));
                points += 1;
            }
        }
    }
    assert!(points > 5_000, "{points}");
}

#[test]
fn a_command_may_hang_beside_blocks_that_are_listed_and_made_good() {
    let mut points = 0;
    for blueprint in [arrays::raid6(4), arrays::raid6(5), arrays::raid1(3)] {
        let blueprint = Blueprint {
            requests: 8,
            slots: 3,
            lane: Sectors(CHUNK),
            bad_blocks: 8,
            ..blueprint.clone()
        };
        let mut devices = blueprint.devices(&arrays::content(blueprint.size(), 1));
        // Bad from the start, and written in a session.
        devices[1].listed.extend(DATA_OFFSET + 9..DATA_OFFSET + 13);
        // One unit fails by itself as well.
        let bad = DATA_OFFSET + CHUNK - 2..DATA_OFFSET + CHUNK;
        devices[0].rules.push(Rule::on(&[Action::Write], Fault::Media).at(bad).times(2));
        for case in 0..16 {
            let commands = session_on(&blueprint, devices.clone(), &[], courses(case)).commands;
            for hang in 0..commands {
                session_on(&blueprint, devices.clone(), &[hang], courses(case));
                points += 1;
            }
        }
    }
    assert!(points > 2_000, "{points}");
}

#[test]
fn a_command_may_hang_in_a_degraded_array() {
    let lost = MemberSet::only(MemberIndex(1));
    for blueprint in [arrays::raid6(4), arrays::raid6(5), arrays::raid1(3)] {
        let blueprint = Blueprint { requests: 8, slots: 2, ..blueprint.without(lost) };
        for case in 0..32 {
            let commands = session(&blueprint, &[], courses(case)).commands;
            for hang in 0..commands {
                let outcome = session(&blueprint, &[hang], courses(case));
                assert_eq!(outcome.deaths_awaited, 0);
            }
        }
    }
}

#[test]
fn doubled_late_and_forged_reports_of_abandoned_commands_change_nothing() {
    for blueprint in
        [arrays::raid5(3), arrays::logged(3), arrays::raid1(2), arrays::marked(arrays::raid5(3))]
    {
        let blueprint = Blueprint { requests: 8, ..blueprint };
        for case in (0..32).step_by(5) {
            let course = Course { reports: Reports::Hostile, ..courses(case) };
            let commands = session(&blueprint, &[], courses(case)).commands;
            for hang in (0..commands).step_by(3) {
                session(&blueprint, &[hang], course);
            }
        }
    }
}

#[test]
fn a_request_slot_whose_memory_is_held_is_free_when_the_memory_is_returned() {
    let blueprint = Blueprint { requests: 1, slots: 2, ..arrays::raid1(2) };
    let content = arrays::content(blueprint.size(), 1);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
    let write =
        || Wish::Write { at: 0, bytes: content[..8 * 512].to_vec(), stability: Stability::Stable };
    sim.request(write());
    // The next write to a member.
    sim.host.hangs = vec![sim.host.commands().filter(|it| it.device().is_some()).count()];
    let answer = sim.request(write());
    assert!(answer.result.is_ok() && answer.loan == Loan::Held);
    assert_eq!(sim.start(write()), Err(Refusal::Busy(Frees::MemoryReturned)));
    sim.die_all();
    assert!(sim.request(write()).result.is_ok());
}

#[test]
fn a_command_may_hang_while_a_pass_is_at_work() {
    for (kind, consistency) in [
        (PassKind::Check, Consistency::Clean),
        (PassKind::Resync, Consistency::InSyncTo(Sectors(0))),
    ] {
        for blueprint in [arrays::raid6(4), arrays::raid1(3), arrays::raid10(2, 1, Spread::Zones)] {
            for background in [1, 2] {
                let blueprint = Blueprint {
                    consistency,
                    background,
                    dirty: Dirty::Force,
                    slots: 2,
                    ..blueprint.clone()
                };
                let mut hang = 0;
                while with_pass(&blueprint, kind, hang) {
                    hang += 1;
                }
                assert!(hang > 20, "{hang}");
            }
        }
    }
}

/// A pass and a write with a command hanging. Whether there were so many commands.
fn with_pass(blueprint: &Blueprint, kind: PassKind, hang: usize) -> bool {
    let mut model = arrays::content(blueprint.size(), 1);
    let mut lent = Lent::to(blueprint);
    let mut sim = Sim::made(blueprint, &mut lent, blueprint.devices(&model));
    sim.host.waits = Waits::ForItsOwn;
    sim.host.hangs = vec![hang];
    sim.engine.start_pass(kind).unwrap();
    let bytes = vec![hang.to_le_bytes()[0]; 24 * 512];
    model[5 * 512..29 * 512].copy_from_slice(&bytes);
    sim.start(Wish::Write { at: 5, bytes, stability: Stability::Volatile }).unwrap();
    sim.run();
    assert!(sim.host.answers.iter().all(|answer| answer.result.is_ok()), "{hang}");
    assert!(sim.pass_ended().is_some(), "the pass ended, {hang}");
    let hung = !sim.host.hung().is_empty();
    sim.die_all();
    assert_eq!(hung, !sim.host.lost().is_empty());
    judge::holds(blueprint, &sim.host.devices, sim.host.lost(), &model);
    hung
}
