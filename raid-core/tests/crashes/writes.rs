//! Writes to an array with all its members.

use raid_sim::sim::Blueprint;

use crate::arrays::{self, CHUNK};
use crate::scenario::{Depth, Scenario, Step, Tally, crash_everywhere};

/// Writes of every kind, by name.
pub(crate) fn scripts(blueprint: &Blueprint) -> Vec<(&'static str, Vec<Step>)> {
    use Step::{Clean, Durable, Flush, Settle, Write};
    let row = arrays::width(blueprint);
    vec![
        ("part of a block, then clean", vec![Write(2, 3), Settle, Clean, Settle]),
        ("all but one sector of a row", vec![Write(0, row - 1), Settle, Clean, Settle]),
        ("a whole row", vec![Write(row, row), Settle, Clean, Settle]),
        (
            "the end of a row and the start of the next",
            vec![Write(row - 2, 5), Settle, Clean, Settle],
        ),
        ("two that overlap", vec![Write(1, 4), Write(3, 4), Settle, Clean, Settle]),
        ("two of one row", vec![Write(1, 2), Write(row - CHUNK + 1, 2), Clean, Settle]),
        (
            "a flush between two",
            vec![Write(2, 3), Settle, Flush, Write(4, 3), Settle, Clean, Settle],
        ),
        (
            "a durable one, then others",
            vec![Durable(2, 3), Settle, Write(4, 4), Durable(row, 2), Settle],
        ),
        (
            "clean, and dirty again",
            vec![Write(2, 3), Settle, Clean, Settle, Write(0, 8), Clean, Write(4, 2), Settle],
        ),
        (
            "two that overlap, and a flush with them",
            vec![Write(1, 4), Durable(3, 4), Flush, Settle, Clean, Settle],
        ),
    ]
}

#[test]
fn after_a_crash_each_sector_is_old_or_new_and_nothing_flips() {
    let mut tally = Tally::default();
    for (array, blueprint) in arrays::all(2) {
        for ((script, steps), seed) in scripts(&blueprint).into_iter().zip(1..) {
            let scenario = Scenario {
                name: format!("{array}, {script}"),
                blueprint: blueprint.clone(),
                damage: Vec::new(),
                steps,
                rules: Vec::new(),
                seed,
            };
            crash_everywhere(&scenario, Depth::EVERY, 2, &mut tally);
        }
    }
    tally.report("writes", 10_000);
}
