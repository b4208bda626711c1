//! Everything stops while a unit takes no write and is put on the list of bad blocks, and while a
//! later write makes it good.
//!
//! What is read is always one of the versions that it may be, or an error, and an error only for a
//! block that is on the list: where the array was not stopped cleanly, its parity may not fit. Who
//! insists that it does gets all that was not being written.

use raid_core::engine::{Dirty, PassEnd, PassKind};
use raid_core::host::{Event, Fault};
use raid_core::members::MemberSet;
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::MemberIndex;
use raid_sim::device::RamDevice;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish, read_back};

use crate::arrays::{self, CHUNK};
use crate::assembly::assemble;
use crate::judge::{Case, open};
use crate::scenario::{Depth, Scenario, Step, Tally, crash_everywhere};

/// The second row is written while one of its blocks takes no write, and again.
fn scripts(row: u64) -> Vec<Vec<Step>> {
    use Step::{Clean, Durable, Flush, Settle, Turns, Write};
    vec![
        vec![Write(row, row), Settle, Flush, Settle, Clean, Settle, Write(row, row), Settle, Clean],
        vec![Durable(row, row), Clean, Settle, Durable(row + 1, row - 1), Settle, Clean, Settle],
        vec![Write(row, row), Turns(6), Flush, Settle, Write(row + 2, 3), Settle, Clean, Settle],
    ]
}

#[test]
fn everything_stops_while_a_block_is_listed_and_made_good() {
    let mut tally = Tally::default();
    for (array, blueprint) in arrays::all(2) {
        let row = arrays::width(&blueprint);
        for member in 0..blueprint.geometry.members() {
            for (steps, seed) in scripts(row).into_iter().zip(300..) {
                let bad = DATA_OFFSET + CHUNK..DATA_OFFSET + 2 * CHUNK;
                let rule = Rule::on(&[Action::Write], Fault::Media).at(bad).times(1);
                let scenario = Scenario {
                    name: format!("{array}, a bad block of member {member}"),
                    blueprint: Blueprint { bad_blocks: 8, ..blueprint.clone() },
                    damage: Vec::new(),
                    steps,
                    rules: vec![(member, rule)],
                    seed,
                };
                crash_everywhere(&scenario, Depth::FEW, 1, &mut tally);
            }
        }
    }
    tally.report("a bad block", 10_000);
}

/// Sectors of the array, `None` where they are lost.
type Content = Vec<Option<Vec<u8>>>;

fn reads(sim: &mut Sim<'_>) -> Content {
    let sectors = sim.engine.geometry().size().0;
    let answer = sim.request(Wish::Read { at: 0, sectors, stability: Stability::Stable });
    let mut content: Content = answer.memory.chunks(512).map(|it| Some(it.to_vec())).collect();
    for event in sim.host.events() {
        if let Event::RangeLost { request, at, sectors } = event
            && request == answer.request
        {
            for lba in at.0..at.0 + sectors.0 {
                content[usize::try_from(lba).unwrap()] = None;
            }
        }
    }
    assert_eq!(answer.result.is_ok(), content.iter().all(Option::is_some), "{:?}", answer.result);
    content
}

pub(crate) fn judge(case: &Case<'_>, survivors: &[RamDevice]) {
    let found = assemble(survivors);
    let name = &case.scenario.name;
    assert_eq!(
        (found.out, case.lost),
        (MemberSet::NONE, MemberSet::NONE),
        "{name}: nobody is lost"
    );
    let blueprint = found.blueprint(&case.scenario.blueprint, MemberSet::NONE);
    let mut devices = survivors.to_vec();
    for device in &mut devices {
        (device.recorded, device.durable) = (Some(found.freshest), Some(found.freshest));
    }
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices.clone());
    let content = reads(&mut sim);
    assert!(reads(&mut sim) == content, "{name}: a second read differs");
    let judge = |content: &Content, devices: &[RamDevice]| {
        for (lba, bytes) in content.iter().enumerate() {
            let objection = match bytes {
                Some(bytes) => case.ledger.objection(lba, bytes),
                None if is_listed(case, devices, lba) => None,
                None => Some(format!("sector {lba} is lost, and on no list")),
            };
            assert_eq!(objection, None, "{name}: {found:?}");
        }
    };
    judge(&content, &sim.host.devices);
    match found.freshest.consistency {
        Consistency::Clean => assert!(content.iter().all(Option::is_some), "{name}: it is lost"),
        Consistency::InSyncTo(_) => {
            insisted(case, &blueprint, devices, &open(case, &found));
            let (report, end) = sim.pass(PassKind::Resync);
            assert_eq!(end, PassEnd::Finished, "{name}: {report:?}");
        }
    }
    let after = reads(&mut sim);
    judge(&after, &sim.host.devices);
    assert!(sim.request(Wish::MarkClean).result.is_ok(), "{name}");
    let clean = Blueprint { consistency: Consistency::Clean, ..blueprint.clone() };
    let mut lent = Lent::to(&clean);
    let mut again = Sim::made(&clean, &mut lent, sim.host.devices.clone());
    assert!(reads(&mut again) == after, "{name}: it differs after a clean stop");
    is_written_anew(&mut again, &clean, name);
}

/// Whether all that holds this sector of the array is on the list.
fn is_listed(case: &Case<'_>, devices: &[RamDevice], lba: usize) -> bool {
    let sector = case.places.sector(lba);
    devices.iter().zip(0..).all(|(device, member)| {
        let here = case.places.lba(MemberIndex(member), sector) == Some(lba);
        !here || device.listed.contains(&(DATA_OFFSET + u64::try_from(sector).unwrap()))
    })
}

/// Parity is taken for good: nothing is lost, and what was not being written is right.
fn insisted(case: &Case<'_>, blueprint: &Blueprint, devices: Vec<RamDevice>, open: &[bool]) {
    let forced = Blueprint { dirty: Dirty::Force, ..blueprint.clone() };
    let mut lent = Lent::to(&forced);
    let mut sim = Sim::made(&forced, &mut lent, devices);
    for (lba, bytes) in reads(&mut sim).iter().enumerate() {
        let bytes = bytes.as_ref().expect("one block in a row makes up for another");
        if !open[case.places.sector(lba)] {
            assert_eq!(case.ledger.objection(lba, bytes), None, "{}", case.scenario.name);
        }
    }
}

/// All of it is written again, and is there, whoever is missing.
fn is_written_anew(sim: &mut Sim<'_>, blueprint: &Blueprint, name: &str) {
    let content = arrays::bytes(blueprint.geometry.size().0, 400);
    let wish = Wish::Write { at: 0, bytes: content.clone(), stability: Stability::Stable };
    assert!(sim.request(wish).result.is_ok(), "{name}");
    assert!(sim.host.devices.iter().all(|device| device.listed.is_empty()), "{name}");
    for member in (0..blueprint.geometry.members()).map(MemberIndex) {
        let lost = MemberSet::only(member);
        let read = read_back(blueprint, sim.host.devices.clone(), lost);
        assert!(read.as_deref() == Ok(&content), "{name}: without {member:?}");
    }
}
