//! A member fails while an array is written, at every command, and then everything stops.

use raid_sim::rules::Rule;

use crate::arrays;
use crate::scenario::{Depth, Scenario, Tally, crash_everywhere, is_long};
use crate::writes::scripts;

#[test]
fn a_member_fails_at_every_command_and_then_everything_stops() {
    let mut tally = Tally::default();
    for (array, blueprint) in arrays::all(2) {
        let members = blueprint.geometry.members();
        for ((script, steps), number) in scripts(&blueprint).into_iter().zip(0_u64..) {
            let step = if is_long() { 1 } else { 3 };
            for after in (number % step..16).step_by(usize::try_from(step).unwrap()) {
                // Another member for each command, and another for the same command of the next.
                let chosen = u8::try_from((number / step + after / step) % u64::from(members));
                let chosen = chosen.unwrap();
                for member in 0..members {
                    if member != chosen && !is_long() {
                        continue;
                    }
                    let scenario = Scenario {
                        name: format!("{array}, {script}, member {member} gone after {after}"),
                        blueprint: blueprint.clone(),
                        damage: Vec::new(),
                        steps: steps.clone(),
                        rules: vec![(member, Rule::gone_after(after))],
                        seed: 100 + number,
                    };
                    crash_everywhere(&scenario, Depth::FEW, 1, &mut tally);
                }
            }
        }
    }
    tally.report("a failing member", 10_000);
}
