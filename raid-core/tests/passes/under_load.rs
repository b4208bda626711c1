//! Passes and requests at the same time, in pools of every size.

use raid_core::engine::{PassEnd, PassKind};
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::Sectors;
use raid_sim::host::{Refuses, Waits};
use raid_sim::order::{Order, Random};
use raid_sim::sim::{Blueprint, Lent, Sim, Turn, Wish};

use crate::arrays;

/// Writes and reads while the pass walks; what comes out is as if they had come one by one, and the
/// members agree.
fn run(blueprint: &Blueprint, spoiled: &[u8], kind: PassKind, seed: u64) {
    let mut random = Random::new(seed);
    let mut model = arrays::content(blueprint, seed);
    let mut devices = blueprint.devices(&model);
    arrays::spoil(&mut devices, spoiled, 0);
    let mut lent = Lent::to(blueprint);
    let mut sim = Sim::made(blueprint, &mut lent, devices);
    sim.order = Order::Random(Random::new(seed + 1));
    sim.host.waits = Waits::ForItsOwn;
    sim.budget = [1, 2, 50][usize::try_from(random.below(3)).unwrap()];
    sim.host.refuses = match random.below(3) {
        0 => Refuses::Every(2 + random.below(4)),
        1 => Refuses::Beyond(1),
        _ => Refuses::Nothing,
    };
    sim.engine.start_pass(kind).unwrap();
    let size = blueprint.geometry.size().0;
    let (mut started, mut expected) = (0, Vec::new());
    while started < 30 {
        let at = random.below(size);
        let sectors = 1 + random.below((size - at).min(40));
        let range =
            usize::try_from(at).unwrap() * 512..usize::try_from(at + sectors).unwrap() * 512;
        let wish = match random.below(8) {
            0..=3 => {
                let mut bytes = vec![0; range.len()];
                random.fill(&mut bytes);
                Wish::Write { at, bytes, stability: Stability::Stable }
            }
            4 => Wish::MarkClean,
            5 => Wish::Flush,
            _ => Wish::Read { at, sectors, stability: Stability::Volatile },
        };
        let (is_read, bytes) = match &wish {
            Wish::Write { bytes, .. } => (false, Some(bytes.clone())),
            Wish::Read { .. } => (true, None),
            Wish::Zeroes { .. } | Wish::Check { .. } | Wish::Flush | Wish::MarkClean => {
                (false, None)
            }
        };
        if let Ok(id) = sim.start(wish) {
            started += 1;
            if let Some(bytes) = bytes {
                model[range.clone()].copy_from_slice(&bytes);
            }
            if is_read {
                expected.push((id, model[range].to_vec()));
            }
        }
        for _ in 0..random.below(5) {
            if sim.turn() == Turn::Finished {
                break;
            }
        }
    }
    sim.run();
    for answer in &sim.host.answers {
        assert!(answer.result.is_ok(), "{:?}", answer.result);
    }
    for (id, bytes) in &expected {
        let mut answers = sim.host.answers.iter().filter(|answer| answer.request == *id);
        assert!(answers.any(|answer| answer.memory == *bytes), "a read of seed {seed}");
    }
    assert_eq!(sim.pass_ended().map(|(_, end)| end), Some(PassEnd::Finished));
    arrays::assert_holds(blueprint, &sim, &model);
}

fn pools(random: &mut Random) -> (usize, u16, usize) {
    let few = |random: &mut Random| 1 + random.below(3);
    let slots = usize::try_from(few(random)).unwrap();
    let requests = usize::try_from(few(random)).unwrap();
    (slots, u16::try_from(few(random)).unwrap(), requests)
}

#[test]
fn recovery_under_load_in_the_smallest_pools() {
    for (layout, members) in arrays::layouts() {
        for seed in 0..40 {
            let mut random = Random::new(seed);
            let (slots, background, requests) = pools(&mut random);
            let member = u8::try_from(random.below(u64::from(members))).unwrap();
            let blueprint = Blueprint {
                slots,
                background,
                requests,
                ..arrays::rebuilding(arrays::blueprint(layout, members), &[member], 0)
            };
            run(&blueprint, &[member], PassKind::Recovery, seed);
        }
    }
}

#[test]
fn resync_and_repair_under_load_in_the_smallest_pools() {
    for (layout, members) in arrays::layouts() {
        for seed in 0..25 {
            let mut random = Random::new(seed);
            let (slots, background, requests) = pools(&mut random);
            let clean = arrays::blueprint(layout, members);
            let blueprint = Blueprint { slots, background, requests, ..clean };
            run(&blueprint, &[], PassKind::Repair, seed);
            let consistency = Consistency::InSyncTo(Sectors(0));
            run(&Blueprint { consistency, ..blueprint }, &[], PassKind::Resync, seed);
        }
    }
}
