//! Everything stops while a write-intent bitmap is kept: members disagree under set bits alone, and a
//! resync that looks nowhere else puts all in order.

use raid_core::engine::{Behind, PassKind};
use raid_core::metadata::Consistency;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::intent::Bit;
use raid_sim::rules::Rule;
use raid_sim::sim::Blueprint;

use crate::arrays::{self, CHUNK};
use crate::places::Places;
use crate::scenario::{Damage, Depth, Scenario, Step, Tally, crash_everywhere};

/// Writes to one chunk and to several, and sweeps before, behind and between them.
fn scripts(blueprint: &Blueprint) -> Vec<(&'static str, Vec<Step>)> {
    use Step::{Clean, Durable, Flush, Settle, Sweep, Turns, Write};
    let row = arrays::width(blueprint);
    vec![
        ("one write", vec![Write(2, 3), Settle, Clean, Settle]),
        ("a row and the next", vec![Write(row - 2, 5), Write(row, row), Settle, Clean, Settle]),
        ("swept", vec![Write(2, 3), Settle, Sweep, Settle, Sweep, Settle, Sweep, Settle]),
        (
            "swept, and dirty again",
            vec![Write(2, 3), Settle, Sweep, Settle, Sweep, Turns(9), Write(4, 4), Settle],
        ),
        (
            "one under the sweep",
            vec![
                Write(row + 2, 3),
                Settle,
                Sweep,
                Settle,
                Write(1, 4),
                Sweep,
                Durable(3, 4),
                Settle,
            ],
        ),
        (
            "swept and stopped",
            vec![Write(0, row), Flush, Settle, Sweep, Settle, Sweep, Settle, Clean, Settle],
        ),
    ]
}

fn scenarios(rows: u64) -> impl Iterator<Item = Scenario> {
    arrays::all(rows).into_iter().flat_map(|(array, blueprint)| {
        let blueprint = blueprint.with_intent(CHUNK);
        scripts(&blueprint).into_iter().zip(300..).map(move |((script, steps), seed)| Scenario {
            name: format!("{array} with a bitmap, {script}"),
            blueprint: blueprint.clone(),
            damage: Vec::new(),
            steps,
            rules: Vec::new(),
            seed,
        })
    })
}

#[test]
fn after_a_crash_members_disagree_under_set_bits_alone() {
    let mut tally = Tally::default();
    for scenario in scenarios(3) {
        crash_everywhere(&scenario, Depth::EVERY, 2, &mut tally);
    }
    tally.report("a bitmap", 10_000);
}

#[test]
fn a_member_fails_at_every_command_of_a_bitmap_and_then_everything_stops() {
    let mut tally = Tally::default();
    for (number, scenario) in (0_u64..).zip(scenarios(2)) {
        let members = u64::from(scenario.blueprint.geometry.members());
        for after in (number % 3..18).step_by(3) {
            let member = u8::try_from((number + after) % members).unwrap();
            let rules = vec![(member, Rule::gone_after(after))];
            let name = format!("{}, member {member} gone after {after}", scenario.name);
            let scenario = Scenario { rules, name, ..scenario.clone() };
            crash_everywhere(&scenario, Depth::FEW, 1, &mut tally);
        }
    }
    tally.report("a bitmap and a failing member", 10_000);
}

#[test]
fn everything_stops_while_marked_chunks_are_resynced() {
    use Step::{Clean, Pass, Settle, Sweep, Turns, Write};
    let mut tally = Tally::default();
    for (array, blueprint) in arrays::all(3) {
        let row = arrays::width(&blueprint);
        let mut blueprint = blueprint.with_intent(CHUNK);
        blueprint.consistency = Consistency::InSyncTo(Sectors::ZERO);
        let damage = vec![crate::passes::redundant(&blueprint)];
        mark(&mut blueprint, CHUNK);
        for (steps, seed) in [
            vec![Pass(PassKind::Resync), Settle, Sweep, Settle, Sweep, Settle, Clean, Settle],
            vec![Write(1, 3), Turns(20), Pass(PassKind::Resync), Sweep, Settle, Sweep, Settle],
            vec![Pass(PassKind::Resync), Turns(7), Write(2 * row + 1, 4), Settle, Clean, Settle],
        ]
        .into_iter()
        .zip(400..)
        {
            let damage: Vec<Damage> = damage.clone();
            let scenario = Scenario {
                name: format!("{array}, resync by a bitmap"),
                blueprint: blueprint.clone(),
                damage,
                steps,
                rules: Vec::new(),
                seed,
            };
            crash_everywhere(&scenario, Depth::FEW, 2, &mut tally);
        }
    }
    tally.report("resync by a bitmap", 1000);
}

#[test]
fn everything_stops_while_a_member_that_came_back_gets_marked_chunks() {
    use Step::{Clean, Durable, Pass, Settle, Sweep, Turns, Write};
    let mut tally = Tally::default();
    for (array, blueprint) in arrays::all(3) {
        let row = arrays::width(&blueprint);
        let recovery = Pass(PassKind::Recovery);
        for (member, marked) in [(0, 1), (1, 0), (1, 2)] {
            let blueprint = arrays::rebuilding(blueprint.clone(), MemberIndex(member));
            let mut blueprint = blueprint.with_intent(CHUNK);
            let seat = blueprint.seats[usize::from(member)].as_mut().unwrap();
            seat.behind = Behind::MarkedChunks { events: blueprint.events };
            mark(&mut blueprint, marked * CHUNK);
            for (steps, seed) in [
                vec![recovery, Settle, Sweep, Settle, Sweep, Settle, Clean, Settle],
                vec![
                    recovery,
                    Turns(6),
                    Write(2 * row + 1, 4),
                    Settle,
                    Sweep,
                    Settle,
                    Clean,
                    Settle,
                ],
                vec![Durable(1, 3), recovery, Write(row, row), Settle, Clean, Settle],
            ]
            .into_iter()
            .zip(500..)
            {
                let scenario = Scenario {
                    name: format!("{array}, member {member} by a bitmap"),
                    blueprint: blueprint.clone(),
                    damage: Vec::new(),
                    steps,
                    rules: Vec::new(),
                    seed,
                };
                crash_everywhere(&scenario, Depth::FEW, 2, &mut tally);
            }
        }
    }
    tally.report("recovery by a bitmap", 1000);
}

/// Sets the bits over a row of the members.
fn mark(blueprint: &mut Blueprint, row: u64) {
    let places = Places::of(blueprint);
    let intent = blueprint.intent.as_mut().unwrap();
    for sector in row..row + CHUNK {
        for under in places.under_bits(usize::try_from(sector).unwrap()) {
            intent.bits[usize::try_from(under / CHUNK).unwrap()] = Bit::Set;
        }
    }
}
