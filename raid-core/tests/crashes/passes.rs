//! Everything stops at every command of a pass, with a write under way.

use raid_core::engine::PassKind;
use raid_core::geometry::Geometry;
use raid_core::metadata::Consistency;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::sim::Blueprint;

use crate::arrays::{self, CHUNK};
use crate::scenario::{Damage, Depth, Scenario, Step, Tally, crash_everywhere};

const ROWS: u64 = 3;

/// A pass alone, with a write ahead of it, and with one that it comes upon; clean at the end.
fn scripts(blueprint: &Blueprint, kind: PassKind) -> Vec<Vec<Step>> {
    use Step::{Clean, Durable, Pass, Settle, Turns, Write};
    let row = arrays::width(blueprint);
    // Not where the damage is: there a write would make the best of bad data.
    let other = 2 * row - 3;
    vec![
        vec![Pass(kind), Settle, Clean, Settle],
        vec![Pass(kind), Write(2 * row + 1, 4), Settle, Clean, Settle],
        vec![Pass(kind), Turns(12), Write(other, 6), Settle, Clean, Settle],
        vec![Pass(kind), Turns(5), Durable(2, 3), Clean, Settle],
    ]
}

fn run(
    what: &str,
    kind: PassKind,
    tally: &mut Tally,
    arrange: impl Fn(Blueprint) -> Option<(Blueprint, Vec<Damage>)>,
) {
    for (array, blueprint) in arrays::all(ROWS) {
        let Some((blueprint, damage)) = arrange(blueprint) else { continue };
        for (steps, seed) in scripts(&blueprint, kind).into_iter().zip(200..) {
            let scenario = Scenario {
                name: format!("{array}, {what}"),
                blueprint: blueprint.clone(),
                damage: damage.clone(),
                steps,
                rules: Vec::new(),
                seed,
            };
            crash_everywhere(&scenario, Depth::FEW, 2, tally);
        }
    }
}

/// The second row of the member that holds its parity, or its last copy.
pub(crate) fn redundant(blueprint: &Blueprint) -> Damage {
    let member = match &blueprint.geometry {
        Geometry::Parity(geometry) => geometry.row(raid_core::units::StripeRow(1)).p().0,
        Geometry::Copies(geometry) => geometry.members() - 1,
    };
    Damage { member, at: CHUNK, sectors: 3 }
}

#[test]
fn everything_stops_during_a_recovery() {
    let mut tally = Tally::default();
    for member in [0, 1] {
        run("recovery", PassKind::Recovery, &mut tally, |blueprint| {
            Some((arrays::rebuilding(blueprint, MemberIndex(member)), Vec::new()))
        });
    }
    tally.report("recovery", 1000);
}

#[test]
fn everything_stops_during_a_resync() {
    let mut tally = Tally::default();
    run("resync", PassKind::Resync, &mut tally, |blueprint| {
        let damage = vec![redundant(&blueprint)];
        let consistency = Consistency::InSyncTo(Sectors::ZERO);
        Some((Blueprint { consistency, ..blueprint }, damage))
    });
    tally.report("resync", 1000);
}

#[test]
fn everything_stops_during_a_repair() {
    let mut tally = Tally::default();
    run("repair", PassKind::Repair, &mut tally, |blueprint| {
        let damage = vec![redundant(&blueprint)];
        Some((blueprint, damage))
    });
    tally.report("repair", 1000);
}

#[test]
fn everything_stops_while_the_wrong_block_is_located() {
    let mut tally = Tally::default();
    for member in 0..4 {
        run("locate", PassKind::Locate, &mut tally, |blueprint| match &blueprint.geometry {
            Geometry::Parity(geometry) if geometry.parity() == 2 => {
                Some((blueprint, vec![Damage { member, at: CHUNK, sectors: 3 }]))
            }
            Geometry::Parity(_) | Geometry::Copies(_) => None,
        });
    }
    tally.report("locate", 1000);
}
