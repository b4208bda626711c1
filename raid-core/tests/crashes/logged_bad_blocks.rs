//! Everything stops while an array with logs of partial parity writes rows with bad blocks.
//!
//! A bad block is in its row's parity and nowhere else, as is that of a member that is lost: what was
//! answered is there after the crash, whatever the crash did to the logs.

use raid_core::blocking::PplArray;
use raid_core::engine::BadBlock;
use raid_core::geometry::{Geometry, Layout, Raid5Layout};
use raid_core::host::Fault;
use raid_core::members::MemberSet;
use raid_core::request::Stability;
use raid_core::units::{MemberIndex, MemberSector, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::log;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish};

use crate::arrays::{self, CHUNK};
use crate::assembly::assemble;
use crate::judge::Case;
use crate::scenario::{Depth, Scenario, Step, Tally, crash_everywhere};

fn scripts(row: u64) -> Vec<Vec<Step>> {
    use Step::{Clean, Durable, Settle, Turns, Write};
    vec![
        vec![Write(row, row), Settle, Write(row, row), Settle, Clean, Settle],
        vec![
            Write(row, 3),
            Write(row + CHUNK, 3),
            Settle,
            Write(row, 4),
            Settle,
            Write(row + CHUNK, 4),
            Settle,
        ],
        vec![Durable(row, row), Turns(6), Write(0, 2), Settle, Write(row + 2, row - 2), Settle],
    ]
}

/// The second row is written while one of its blocks takes no write, once or for good.
#[test]
fn what_was_answered_is_there_though_a_block_of_its_row_is_bad() {
    let mut tally = Tally::default();
    let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
    let blueprint = Blueprint::new(layout, 3, CHUNK, 3 * CHUNK).logged(Sectors(16));
    let row = arrays::width(&blueprint);
    for member in 0..3 {
        for times in [1, u64::MAX] {
            for (steps, seed) in scripts(row).into_iter().zip(600..) {
                let bad = DATA_OFFSET + CHUNK..DATA_OFFSET + 2 * CHUNK;
                let rule = Rule::on(&[Action::Write], Fault::Media).at(bad).times(times);
                let scenario = Scenario {
                    name: format!("a bad block of member {member}, {times} times"),
                    blueprint: Blueprint { bad_blocks: 8, ..blueprint.clone() },
                    damage: Vec::new(),
                    steps,
                    rules: vec![(member, rule)],
                    seed,
                };
                crash_everywhere(&scenario, Depth::FEW, 2, &mut tally);
            }
        }
    }
    tally.report("a bad block and logs", 1_000);
}

fn listed(devices: &[RamDevice]) -> Vec<BadBlock> {
    let mut all = Vec::new();
    for (device, member) in devices.iter().zip(0..) {
        all.extend(device.listed_runs().iter().map(|run| BadBlock {
            member: MemberIndex(member),
            at: MemberSector(run.start - DATA_OFFSET),
            sectors: Sectors(run.end - run.start),
        }));
    }
    all
}

pub(crate) fn judge(case: &Case<'_>, survivors: &[RamDevice]) {
    let name = &case.scenario.name;
    let found = assemble(survivors);
    assert_eq!((found.out, case.lost), (MemberSet::NONE, MemberSet::NONE), "{name}");
    let mut blueprint = found.blueprint(&case.scenario.blueprint, MemberSet::NONE);
    let mut devices = survivors.to_vec();
    // What took no write takes none now, if it never will.
    for (member, rule) in &case.scenario.rules {
        if rule.lasts() {
            devices[usize::from(*member)].rules.push(rule.clone());
        }
    }
    let Geometry::Parity(geometry) = &blueprint.geometry else { panic!("level 5 has parity") };
    let areas = vec![log::area(&blueprint); blueprint.seats.len()];
    let bad_blocks = listed(&devices);
    let array = PplArray {
        geometry,
        signature: log::signature(),
        seats: &blueprint.seats,
        areas: &areas,
        consistency: blueprint.consistency,
        bad_blocks: &bad_blocks,
    };
    let start = array.prepare(&mut devices).expect("the logs can be replayed");
    blueprint.consistency = start.consistency;
    blueprint.log_generation = start.generation;
    for device in &mut devices {
        (device.recorded, device.durable) = (Some(found.freshest), Some(found.freshest));
    }
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let sectors = blueprint.geometry.size().0;
    let answer = sim.request(Wish::Read { at: 0, sectors, stability: Stability::Stable });
    assert!(answer.result.is_ok(), "{name}: {:?}", answer.result);
    for (lba, bytes) in answer.memory.chunks(512).enumerate() {
        // A bad block that was being written comes out of a row that may be written in part.
        if case.ledger.is_in_flight(lba) && is_bad(case, &bad_blocks, lba) {
            continue;
        }
        let objection = case.ledger.objection(lba, bytes);
        assert_eq!(objection, None, "{name}: {bad_blocks:?}, {start:?}");
    }
}

fn is_bad(case: &Case<'_>, bad_blocks: &[BadBlock], lba: usize) -> bool {
    let sector = case.places.sector(lba);
    let at = u64::try_from(sector).unwrap();
    bad_blocks.iter().any(|bad| {
        case.places.lba(bad.member, sector) == Some(lba)
            && (bad.at.0..bad.at.0 + bad.sectors.0).contains(&at)
    })
}
