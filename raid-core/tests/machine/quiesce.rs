//! Coming to rest at every point of a session: whatever is in flight, refused, failing or hung.

use raid_core::engine::{Access, Fate, Halt, PassEnd, PassKind, PassRefusal, Refusal};
use raid_core::geometry::Spread;
use raid_core::host::{Command, Event, Failure, Fault, RequestId};
use raid_core::members::MemberSet;
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::{FAULT_UNIT, Sectors};
use raid_sim::host::{Refuses, Waits};
use raid_sim::order::Random;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, Lent, Patience, Sim, Turn, Wish};

use crate::arrays::{self, CHUNK};
use crate::judge;

/// The bound that `Engine::quiesce` states.
fn completions_max(blueprint: &Blueprint) -> u64 {
    let members = u64::from(blueprint.geometry.members());
    let slots = u64::try_from(blueprint.slots).unwrap();
    let units = blueprint.lane.0 / FAULT_UNIT.0;
    let bits = if blueprint.intent.is_some() { members } else { 0 };
    slots * (2 * members + 2 * members * units)
        + (members + 2) * 3 * members
        + 2 * members
        + bits
        + 1
}

fn part(content: &[u8], (at, sectors): (u64, u64)) -> Vec<u8> {
    let at = usize::try_from(at).unwrap() * 512;
    content[at..at + usize::try_from(sectors).unwrap() * 512].to_vec()
}

fn overlay(content: &mut [u8], from: &[u8], at: u64) {
    let at = usize::try_from(at).unwrap() * 512;
    content[at..at + from.len()].copy_from_slice(from);
}

/// Writes that do not overlap, so that what became of each can be told from the members.
const WRITES: [(u64, u64); 4] = [(0, 8), (8, 8), (CHUNK + 3, 9), (2 * CHUNK, CHUNK)];

/// Requests that are under way, and what each write was to write.
fn start_all(sim: &mut Sim<'_>, blueprint: &Blueprint, case: u64) -> Vec<(RequestId, Kind)> {
    let other = arrays::content(blueprint.size(), 2);
    let stability = if case & 1 == 0 { Stability::Stable } else { Stability::Volatile };
    let mut started = Vec::new();
    let read = |at, sectors| Wish::Read { at, sectors, stability };
    started.push((sim.start(read(2, 20)).unwrap(), Kind::Read));
    for range in WRITES {
        if range.0 + range.1 <= blueprint.geometry.size().0 {
            let wish = Wish::Write { at: range.0, bytes: part(&other, range), stability };
            started.push((sim.start(wish).unwrap(), Kind::Write(range)));
        }
    }
    started.push((sim.start(Wish::Flush).unwrap(), Kind::Flush));
    started.push((sim.start(read(0, 2 * CHUNK)).unwrap(), Kind::Read));
    started.push((sim.start(Wish::MarkClean).unwrap(), Kind::Flush));
    started
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Read,
    Write((u64, u64)),
    Flush,
}

/// Runs to rest. How many completions that took.
fn to_rest(sim: &mut Sim<'_>) -> u64 {
    let before = sim.tally.completions;
    let quiesced = |sim: &Sim<'_>| sim.host.events().filter(|it| *it == Event::Quiesced).count();
    let so_far = quiesced(sim);
    sim.engine.quiesce();
    let refused = sim.engine.start(raid_core::request::Request::flush());
    assert_eq!(refused, Err(Refusal::Quiesced));
    while sim.turn() == Turn::Again {}
    assert_eq!(quiesced(sim), so_far + 1, "the host is told once");
    let commands = sim.host.commands().count();
    while sim.turn() == Turn::Again {}
    assert_eq!(sim.host.commands().count(), commands, "nothing is issued at rest");
    sim.tally.completions - before
}

/// What is on the members: each write that was answered, none that was handed back, and of the
/// others each sector old or new.
fn judge_content(sim: &Sim<'_>, blueprint: &Blueprint, started: &[(RequestId, Kind)]) {
    let before = arrays::content(blueprint.size(), 1);
    let other = arrays::content(blueprint.size(), 2);
    let lost = sim.host.lost();
    let areas = blueprint.areas(&sim.host.devices, lost);
    let geometry = &blueprint.geometry;
    let Ok(found) = raid_sim::reference::content(geometry, &areas) else {
        assert_eq!(sim.fate(), Fate::Failed);
        return;
    };
    let mut model = before;
    for (id, kind) in started {
        let answer = sim.host.answers.iter().find(|answer| answer.request == *id).unwrap();
        let Kind::Write(range) = *kind else { continue };
        let (new, now) = (part(&other, range), part(&found, range));
        match answer.result {
            Ok(_) => overlay(&mut model, &new, range.0),
            Err(Failure::HandedBack) => {}
            Err(_) => {
                let old = part(&model, range);
                for ((now, old), new) in now.chunks(512).zip(old.chunks(512)).zip(new.chunks(512)) {
                    assert!(now == old || now == new, "a sector is neither old nor new");
                }
                overlay(&mut model, &now, range.0);
            }
        }
    }
    assert!(found == model, "what was handed back was written, or what was answered was not");
    if sim.fate() == Fate::Serving {
        judge::holds(blueprint, &sim.host.devices, lost, &model);
    }
}

/// Something that goes wrong besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    BusyForEver,
    BusyNowAndThen,
    MemberGone,
    ArrayFails,
    Hangs,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::None,
    Trouble::BusyForEver,
    Trouble::BusyNowAndThen,
    Trouble::MemberGone,
    Trouble::ArrayFails,
    Trouble::Hangs,
];

/// Comes to rest after so many turns. Whether there was as much to do.
fn rest_after(blueprint: &Blueprint, turns: u64, trouble: Trouble, case: u64) -> Turn {
    let before = arrays::content(blueprint.size(), 1);
    let mut lent = Lent::to(blueprint);
    let mut sim = Sim::made(blueprint, &mut lent, blueprint.devices(&before));
    sim.host.waits = Waits::ForItsOwn;
    sim.order = arrays::order(case);
    sim.budget = 1 + u32::try_from(case % 3).unwrap() * 5;
    let started = start_all(&mut sim, blueprint, case);
    match trouble {
        Trouble::BusyNowAndThen => sim.host.refuses = Refuses::Every(2),
        Trouble::Hangs => {
            sim.host.hangs = vec![usize::try_from(turns / 2).unwrap()];
            sim.patience = Patience::UntilQuiet;
        }
        Trouble::None | Trouble::BusyForEver | Trouble::MemberGone | Trouble::ArrayFails => {}
    }
    let mut last = Turn::Again;
    for turn in 0..turns {
        if turn % 5 == case % 5 {
            sim.engine.sweep_bitmap();
        }
        last = sim.turn();
    }
    let gone = || Rule::on(Action::ALL, Fault::Gone);
    match trouble {
        Trouble::BusyForEver => {
            sim.host.refuses = Refuses::AllBut(sim.host.writing());
        }
        Trouble::MemberGone => sim.host.devices[0].rules.push(gone()),
        Trouble::ArrayFails => sim.host.devices.iter_mut().for_each(|it| it.rules.push(gone())),
        Trouble::None | Trouble::BusyNowAndThen | Trouble::Hangs => {}
    }
    let in_flight = sim.host.in_flight().len();
    // Without a dirty mark on each no operation has passed Log.
    let unmarked = sim.host.devices.iter().any(|device| device.durable.is_none());
    let commands = sim.host.commands().count();
    let completions = to_rest(&mut sim);
    assert!(completions <= completions_max(blueprint), "{completions}: {trouble:?}");
    if in_flight == 0 && unmarked {
        assert_eq!(sim.host.commands().count(), commands, "nothing had to be done");
    }
    sim.host.hangs.clear();
    sim.die_all();
    judge_content(&sim, blueprint, &started);
    // It goes on.
    sim.host.refuses = Refuses::Nothing;
    sim.engine.resume();
    sim.run();
    let answer = sim.request(Wish::Read { at: 0, sectors: 8, stability: Stability::Volatile });
    assert!(answer.result.is_ok() || sim.fate() == Fate::Failed);
    last
}

#[test]
fn an_engine_comes_to_rest_from_every_point_whatever_happens() {
    for blueprint in [
        arrays::raid5(4),
        arrays::logged(4),
        arrays::marked(arrays::raid5(4)),
        arrays::marked(arrays::logged(3)),
        arrays::marked(arrays::raid1(2)),
        arrays::raid6(4),
        arrays::raid1(2),
        arrays::raid10(2, 1, Spread::Zones),
    ] {
        let blueprint = Blueprint { requests: 9, ..blueprint };
        for trouble in TROUBLES {
            for case in 0..6 {
                for slots in [1, 3] {
                    let blueprint = Blueprint { slots, ..blueprint.clone() };
                    let mut turns = 0;
                    while rest_after(&blueprint, turns, trouble, case) == Turn::Again {
                        turns += 1;
                        assert!(turns < 2_000);
                    }
                    assert!(turns > 20, "{turns}");
                }
            }
        }
    }
}

#[test]
fn requests_that_are_not_begun_come_back_without_a_command() {
    let blueprint = Blueprint { requests: 9, ..arrays::raid5(4) };
    let before = arrays::content(blueprint.size(), 1);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
    let started = start_all(&mut sim, &blueprint, 0);
    assert_eq!(to_rest(&mut sim), 0);
    assert_eq!(sim.host.commands().count(), 0);
    assert_eq!(sim.host.answers.len(), started.len());
    assert!(sim.host.answers.iter().all(|it| it.result == Err(Failure::HandedBack)));
}

#[test]
fn a_busy_host_gets_back_what_it_did_not_take() {
    // Every operation there is waits for the host.
    let blueprint = Blueprint { requests: 9, ..arrays::raid6(4) };
    let before = arrays::content(blueprint.size(), 1);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
    sim.host.refuses = Refuses::Every(1);
    start_all(&mut sim, &blueprint, 0);
    for _ in 0..20 {
        sim.turn();
    }
    assert_eq!(to_rest(&mut sim), 0);
    assert_eq!(sim.host.commands().count(), 0);
    assert!(sim.host.answers.iter().all(|it| it.result == Err(Failure::HandedBack)));
}

#[test]
fn a_read_only_array_writes_nothing_whatever_its_metadata_says() {
    for consistency in [Consistency::Clean, Consistency::InSyncTo(Sectors(0))] {
        for lost in [MemberSet::NONE, MemberSet::only(raid_core::units::MemberIndex(1))] {
            let blueprint = Blueprint {
                consistency,
                access: Access::ReadOnly,
                dirty: raid_core::engine::Dirty::Force,
                ..arrays::raid5(4)
            }
            .without(lost);
            let before = arrays::content(blueprint.size(), 1);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
            sim.run();
            assert_eq!(sim.host.commands().count(), 0, "an array that is loaded issues nothing");
            sim.host.devices[0].rules.push(Rule::on(&[Action::Read], Fault::Media).times(2));
            let read = Wish::Read { at: 0, sectors: 8, stability: Stability::Stable };
            assert!(sim.request(read).result.is_ok() == lost.is_empty());
            to_rest(&mut sim);
            assert!(sim.host.commands().all(|it| match it {
                Command::Read { .. } | Command::Compute(_) => true,
                Command::Write { .. }
                | Command::Flush { .. }
                | Command::Record { .. }
                | Command::RecordIntent { .. }
                | Command::RecordBad { .. }
                | Command::LogParity { .. }
                | Command::SealLog { .. }
                | Command::RecordBackup { .. }
                | Command::LogRow { .. }
                | Command::RecordTail { .. } => false,
            }));
        }
    }
}

#[test]
fn an_engine_may_be_resumed_before_it_is_at_rest() {
    // Writes of one unit each, many to the same place: what was answered is there, in the order in
    // which it was started, and nothing of what was handed back.
    let short = [arrays::raid5(4), arrays::raid1(2), arrays::raid6(4)].map(|it| (it, 200));
    // By way of a log, or with bits to set, a write takes longer.
    let marked = [arrays::raid5(4), arrays::raid1(2)].map(|it| (arrays::marked(it), 1000));
    for (blueprint, rounds) in short.into_iter().chain(marked).chain([(arrays::logged(3), 1000)]) {
        for seed in 0..60 {
            let blueprint = Blueprint { requests: 6, slots: 4, ..blueprint.clone() };
            let mut random = Random::new(seed);
            let mut model = arrays::content(blueprint.size(), 1);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&model));
            sim.host.waits = Waits::ForItsOwn;
            sim.order = arrays::order(seed);
            sim.budget = 1 + u32::try_from(random.below(8)).unwrap();
            let mut started = Vec::new();
            for _ in 0..rounds {
                let at = random.below(4) * 8;
                let mut bytes = vec![0; 8 * 512];
                random.fill(&mut bytes);
                let stability = Stability::Stable;
                if let Ok(id) = sim.start(Wish::Write { at, bytes: bytes.clone(), stability }) {
                    started.push((id, at, bytes));
                }
                match random.below(6) {
                    0 => sim.engine.quiesce(),
                    1 | 2 => sim.engine.resume(),
                    _ => {
                        sim.engine.sweep_bitmap();
                        sim.turn();
                    }
                }
            }
            sim.engine.resume();
            sim.run();
            let handed_back = |id: &RequestId| {
                let answer = sim.host.answers.iter().find(|answer| answer.request == *id);
                answer.unwrap().result == Err(Failure::HandedBack)
            };
            let (back, done): (Vec<_>, Vec<_>) =
                started.iter().partition(|(id, ..)| handed_back(id));
            assert!(!back.is_empty() && !done.is_empty());
            for (_, at, bytes) in done {
                overlay(&mut model, bytes, *at);
            }
            judge::holds(&blueprint, &sim.host.devices, sim.host.lost(), &model);
        }
    }
}

#[test]
fn a_pass_is_parked_and_goes_on_from_there() {
    let blueprint = Blueprint {
        background: 2,
        consistency: Consistency::InSyncTo(Sectors(0)),
        ..arrays::raid5(4)
    };
    let content = arrays::content(blueprint.size(), 1);
    let mut turns = 0;
    loop {
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        sim.engine.start_pass(PassKind::Resync).unwrap();
        for _ in 0..turns {
            sim.turn();
        }
        if sim.pass_ended().is_some() {
            break;
        }
        to_rest(&mut sim);
        assert_eq!(sim.engine.start_pass(PassKind::Resync), Err(PassRefusal::Quiesced));
        sim.engine.resume();
        sim.run();
        if let Some((_, PassEnd::Halted(halt))) = sim.pass_ended() {
            assert_eq!(halt, Halt::Parked);
            assert_eq!(sim.pass(PassKind::Resync).1, PassEnd::Finished);
        }
        judge::holds(&blueprint, &sim.host.devices, MemberSet::NONE, &content);
        turns += 1;
    }
    assert!(turns > 20, "{turns}");
}
