//! Everything stops at every command while a member is replaced, with writes under way; the member
//! fails at every command, or the replacement does.

use raid_core::engine::{PassEnd, PassKind, Seat};
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::{Consistency, Record, Replacement};
use raid_core::request::Stability;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::crash::Crash;
use raid_sim::device::RamDevice;
use raid_sim::reference;
use raid_sim::rules::Rule;
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish};

use crate::arrays;
use crate::judge::{self, Case};
use crate::scenario::{Depth, Scenario, Step, Tally, crash_everywhere, is_long};

const ROWS: u64 = 3;

/// A device that holds what `like` does up to its mark, and garbage behind.
pub(crate) fn device(blueprint: &Blueprint, like: &RamDevice, seat: Seat) -> RamDevice {
    let MemberState::Rebuilding { valid_to } = seat.state else { panic!("{seat:?}") };
    let mut device = like.clone();
    let garbage = arrays::bytes(blueprint.member_sectors - valid_to.0, 79);
    device.medium.store(DATA_OFFSET + valid_to.0, &garbage);
    device
}

/// What is on record of it from the start.
pub(crate) fn on_record(member: MemberIndex, seat: Seat) -> Replacement {
    let MemberState::Rebuilding { valid_to } = seat.state else { panic!("{seat:?}") };
    Replacement { member, by: MemberIndex(seat.device.0), copied_to: valid_to }
}

/// What the freshest record says of the replacement decides who is at the member's place; what comes of
/// that is judged like any array.
pub(crate) fn judge(case: &Case<'_>, survivors: &[RamDevice]) {
    let (member, _) = case.scenario.blueprint.replacement.expect("there is one");
    let (new, members) = survivors.split_last().expect("there are devices");
    let by = MemberIndex(u8::try_from(members.len()).unwrap());
    let freshest = survivors.iter().filter_map(|device| device.recorded);
    let freshest = freshest.max_by_key(|record| record.events).expect("a record");
    let Some(replacement) = freshest.replacement else {
        // That it was lost is on record, or it has had the place since an earlier record.
        let sits = if case.lost.contains(by) { Sits::Original } else { Sits::Replacement };
        judge_as(case, member, sits, survivors);
        return;
    };
    assert_eq!((replacement.member, replacement.by), (member, by));
    assert!(!case.recorded.contains(by), "its loss had to be on record: {freshest:?}");
    assert!(new.recorded.unwrap().events + 1 >= freshest.events, "it missed two records");
    if freshest.failed.contains(member) {
        judge_as(case, member, Sits::Replacement, survivors);
        return;
    }
    assert!(!case.recorded.contains(member), "the member's loss had to be on record: {freshest:?}");
    judge_as(case, member, Sits::Original, survivors);
    if !case.lost.contains(member) {
        finishes(case, &freshest, replacement, survivors);
    }
    // The crash took the member: what was copied of it is still worth what the record says.
    judge_as(case, member, Sits::Replacement, survivors);
}

/// Who is at the member's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sits {
    Original,
    Replacement,
}

fn judge_as(case: &Case<'_>, member: MemberIndex, sits: Sits, survivors: &[RamDevice]) {
    let mut scenario = case.scenario.clone();
    scenario.blueprint.replacement = None;
    scenario.name += &format!(", {sits:?} at place {}", member.0);
    let end = scenario.blueprint.member_sectors;
    let mut survivors = survivors.to_vec();
    let mut caches = case.crash.caches.clone();
    let by = MemberIndex(u8::try_from(survivors.len() - 1).unwrap());
    let new = (survivors.pop().unwrap(), caches.pop().unwrap());
    let mut lost = case.lost;
    let mut recorded = case.recorded;
    if sits == Sits::Replacement {
        (survivors[member.index()], caches[member.index()]) = new;
        // A loss is that of the member before, unless it is the new device that fails: then it may lack
        // what a member lacks that comes back.
        let fails = case.scenario.rules.iter().any(|(who, _)| *who == by.0);
        if lost.contains(by) {
            lost.insert(member);
        }
        if !fails {
            lost.remove(member);
            recorded.remove(member);
        }
    }
    lost.remove(by);
    recorded.remove(by);
    for device in &mut survivors {
        let record = device.recorded.as_mut().expect("a record");
        let Some(Replacement { copied_to, .. }) = record.replacement.take() else { continue };
        if sits == Sits::Replacement {
            record.failed.remove(member);
            if copied_to.0 < end {
                record.rebuilding.insert(member);
                record.rebuilt_to = copied_to;
            }
        }
        device.durable = device.recorded;
    }
    let crash = Crash { caches };
    let scenario = &scenario;
    // The member may not be called out for a loss that its replacement made up for.
    let case = Case { scenario, lost, recorded, crash: &crash, ..*case };
    judge::judge(&case, survivors);
}

/// The replacement goes on: from its mark after a clean stop, else from its start.
fn finishes(case: &Case<'_>, freshest: &Record, at: Replacement, survivors: &[RamDevice]) {
    let before = &case.scenario.blueprint;
    let mut devices = survivors.to_vec();
    for device in &mut devices {
        device.recorded = Some(*freshest);
        device.durable = device.recorded;
    }
    let mark = match freshest.consistency {
        Consistency::Clean => at.copied_to,
        Consistency::InSyncTo(_) => Sectors::ZERO,
    };
    let blueprint = Blueprint {
        consistency: freshest.consistency,
        events: freshest.events,
        replacement: None,
        ..before.clone()
    };
    let blueprint = blueprint.replacing(at.member.0, mark.0);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    if freshest.consistency != Consistency::Clean {
        assert_eq!(sim.pass(PassKind::Resync).1, PassEnd::Finished);
    }
    let sectors = blueprint.geometry.size().0;
    let read = || Wish::Read { at: 0, sectors, stability: Stability::Stable };
    let content = sim.request(read());
    assert!(content.result.is_ok());
    assert_eq!(sim.pass(PassKind::Replacement).1, PassEnd::Finished);
    let after = sim.request(read());
    assert!(after.result.is_ok() && after.memory == content.memory, "{}", case.scenario.name);
    sim.host.devices.swap_remove(at.member.index());
    let areas = blueprint.areas(&sim.host.devices, MemberSet::NONE);
    let geometry = &blueprint.geometry;
    let wrong =
        reference::disagreements(geometry, &content.memory, &areas, blueprint.member_sectors);
    assert!(wrong.is_empty(), "{}: {wrong:?}", case.scenario.name);
}

/// The pass alone; with a write ahead of it, one that it comes upon, and one behind it; clean at the
/// end.
fn scripts(blueprint: &Blueprint) -> Vec<Vec<Step>> {
    use Step::{Clean, Durable, Flush, Pass, Settle, Turns, Write};
    let row = arrays::width(blueprint);
    let pass = Pass(PassKind::Replacement);
    vec![
        vec![pass, Settle, Write(1, 4), Settle, Clean, Settle],
        vec![pass, Write(2 * row + 1, 4), Settle, Clean, Settle],
        vec![pass, Turns(12), Write(2 * row - 3, 6), Settle, Flush, Settle, Write(0, 2), Settle],
        vec![pass, Turns(20), Durable(2, 3), Turns(20), Durable(1, row), Settle],
    ]
}

fn run(
    depth: Depth,
    tally: &mut Tally,
    scripts: impl Fn(&Blueprint) -> Vec<Vec<Step>>,
    rules: impl Fn(u8) -> Vec<(u8, Rule)>,
) {
    for (array, blueprint) in arrays::all(ROWS) {
        let members = blueprint.geometry.members();
        for (steps, seed) in scripts(&blueprint).into_iter().zip(500..) {
            let member = u8::try_from(seed % 2).unwrap();
            let blueprint = blueprint.clone().replacing(member, (seed % 3) * arrays::CHUNK);
            let rules = rules(if seed % 4 < 2 { members } else { member });
            let (damage, name) = (Vec::new(), format!("{array}, replacement"));
            let scenario = Scenario { name, blueprint, damage, steps, rules, seed };
            crash_everywhere(&scenario, depth, 1, tally);
        }
    }
}

#[test]
fn everything_stops_while_a_member_is_replaced() {
    let mut tally = Tally::default();
    run(Depth { subsets: 4, torn: 2, ..Depth::EVERY }, &mut tally, scripts, |_| Vec::new());
    tally.report("replacement", 10_000);
}

#[test]
fn the_member_or_its_replacement_fails_at_every_command_and_then_everything_stops() {
    let mut tally = Tally::default();
    // Each command in one of the scripts; in all of them where there is time.
    let every = if is_long() { 1 } else { 4 };
    for commands in 0..24 {
        let some = |blueprint: &Blueprint| {
            let scripts = scripts(blueprint).into_iter();
            scripts.skip(commands % every).step_by(every).collect()
        };
        let number = u64::try_from(commands).unwrap();
        let depth = Depth { all_up_to: 2, subsets: 0, torn: 1 };
        run(depth, &mut tally, some, |who| vec![(who, Rule::gone_after(number))]);
    }
    tally.report("replacement with a failure", 1000);
}
