//! Many requests at a time, in any order, over members that fail within the redundancy: what is
//! read is what was written before, in order of arrival.

use std::collections::HashMap;

use raid_core::geometry::{Layout, Raid5Layout, Raid6Layout, Raid10Layout, Spread};
use raid_core::host::{Fault, RequestId};
use raid_core::members::MemberSet;
use raid_core::request::Stability;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::host::{Refuses, Waits};
use raid_sim::order::{Order, Random};
use raid_sim::reference;
use raid_sim::rules::{Action, Leaves, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Turn, Wish};

/// Requests started in a run.
const REQUESTS: u64 = 40;

fn layouts() -> Vec<(Layout, u8)> {
    let raid10 = |near, far, spread| Layout::Raid10(Raid10Layout { near, far, spread });
    vec![
        (Layout::Raid5(Raid5Layout::LeftSymmetric), 4),
        (Layout::Raid5(Raid5Layout::RightAsymmetric), 3),
        (Layout::Raid6(Raid6Layout::LeftSymmetric), 5),
        (Layout::Raid6(Raid6Layout::DdfNRestart), 4),
        (Layout::Raid4, 3),
        (Layout::Raid1, 3),
        (raid10(2, 1, Spread::Zones), 4),
        (raid10(1, 2, Spread::Rows), 5),
        (raid10(1, 2, Spread::Zones), 4),
    ]
}

/// Lets as many members fail as the redundancy makes up for, each in its own way; one may have bad
/// sectors instead.
fn let_fail(blueprint: &Blueprint, devices: &mut [RamDevice], random: &mut Random) {
    let mut left = random.below(u64::from(blueprint.geometry.redundancy()) + 1);
    let members = u64::try_from(devices.len()).unwrap();
    let mut member = random.below(members);
    while left > 0 {
        let device = &mut devices[usize::try_from(member).unwrap()];
        let skip = random.below(60);
        match random.below(6) {
            0 => device.rules.push(Rule::gone_after(skip)),
            1 => device.rules.push(Rule::on(&[Action::Read], Fault::Transport).skipping(skip / 4)),
            2 => device.rules.push(
                Rule::on(&[Action::Write], Fault::Gone).leaving(Leaves::Half).skipping(skip / 4),
            ),
            3 => device.rules.push(Rule::on(&[Action::Record], Fault::Media).skipping(skip % 3)),
            4 => device.rules.push(Rule::on(&[Action::Flush], Fault::Gone).skipping(skip % 3)),
            _ => {
                for _ in 0..6 {
                    let at = DATA_OFFSET + random.below(blueprint.member_sectors);
                    device.medium.spoil(at..at + 1 + random.below(3), Fault::Integrity);
                }
            }
        }
        member = (member + 1) % members;
        left -= 1;
    }
}

fn one_run(layout: Layout, members: u8, seed: u64) {
    let mut random = Random::new(seed);
    let mut blueprint = Blueprint::new(layout, members, 16, 48);
    blueprint.slots =
        usize::try_from([1, 2, 3, 9][usize::try_from(random.below(4)).unwrap()]).unwrap();
    blueprint.requests = 6;
    blueprint.lane = Sectors([8, 16, 24][usize::try_from(random.below(3)).unwrap()]);
    let size = blueprint.geometry.size().0;
    let mut model = vec![0; blueprint.size()];
    random.fill(&mut model);
    let mut devices = blueprint.devices(&model);
    let_fail(&blueprint, &mut devices, &mut random);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    sim.order = Order::Random(Random::new(seed ^ 0xFF));
    sim.host.waits = Waits::ForItsOwn;
    sim.budget = [1, 3, 100][usize::try_from(random.below(3)).unwrap()];
    sim.host.refuses = match random.below(4) {
        0 => Refuses::Every(2 + random.below(5)),
        1 => Refuses::Beyond(1),
        _ => Refuses::Nothing,
    };
    let mut reads: HashMap<RequestId, (u64, u64, Vec<u8>)> = HashMap::new();
    let mut started = 0;
    while started < REQUESTS {
        let at = random.below(size);
        let sectors = 1 + random.below((size - at).min(70));
        let stability = if random.below(2) == 0 { Stability::Stable } else { Stability::Volatile };
        let range =
            usize::try_from(at).unwrap() * 512..usize::try_from(at + sectors).unwrap() * 512;
        let mut bytes = vec![0; range.len()];
        random.fill(&mut bytes);
        let (wish, write) = match random.below(10) {
            0..=4 => (Wish::Write { at, bytes: bytes.clone(), stability }, Some(bytes)),
            5 => (Wish::Zeroes { at, sectors }, Some(vec![0; range.len()])),
            6 => (if random.below(3) == 0 { Wish::MarkClean } else { Wish::Flush }, None),
            _ => (Wish::Read { at, sectors, stability }, None),
        };
        let is_read = matches!(wish, Wish::Read { .. });
        // All requests may be taken: then some turns pass first.
        if let Ok(request) = sim.start(wish) {
            started += 1;
            if let Some(bytes) = write {
                model[range.clone()].copy_from_slice(&bytes);
            }
            if is_read {
                reads.insert(request, (at, sectors, model[range].to_vec()));
            }
        }
        for _ in 0..random.below(6) {
            if sim.turn() == Turn::Finished {
                break;
            }
        }
        judge_answers(&mut sim, &mut reads);
    }
    sim.run();
    judge_answers(&mut sim, &mut reads);
    assert!(reads.is_empty());
    let lost = sim.host.lost();
    let areas = blueprint.areas(&sim.host.devices, lost);
    let wrong =
        reference::disagreements(&blueprint.geometry, &model, &areas, blueprint.member_sectors);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(sim.host.last_failed(), lost);
}

fn judge_answers(sim: &mut Sim<'_>, reads: &mut HashMap<RequestId, (u64, u64, Vec<u8>)>) {
    for answer in sim.host.answers.drain(..) {
        assert!(answer.result.is_ok(), "{:?}", answer.result);
        if let Some((at, sectors, model)) = reads.remove(&answer.request) {
            assert!(answer.memory == model, "read {at} + {sectors}");
        }
    }
}

/// Says which run it was if it panics.
struct Told(Layout, u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in {:?}, seed {}", self.0, self.1);
        }
    }
}

#[test]
fn requests_in_any_number_and_order_come_out_as_if_they_had_come_one_by_one() {
    for (layout, members) in layouts() {
        for seed in 0..150 {
            let _told = Told(layout, seed);
            one_run(layout, members, seed);
        }
    }
}

#[test]
fn one_slot_and_one_request_are_enough() {
    for (layout, members) in layouts() {
        let mut blueprint = Blueprint::new(layout, members, 16, 48);
        (blueprint.slots, blueprint.requests) = (1, 1);
        let content = vec![3; blueprint.size()];
        let mut devices = blueprint.devices(&content);
        devices[0].rules.push(Rule::gone_after(3));
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        sim.budget = 1;
        let sectors = blueprint.geometry.size().0;
        assert!(sim.request(Wish::Zeroes { at: 0, sectors }).result.is_ok());
        let read = sim.request(Wish::Read { at: 0, sectors, stability: Stability::Stable });
        assert!(read.result.is_ok() && read.memory.iter().all(|byte| *byte == 0));
        assert!(sim.request(Wish::MarkClean).result.is_ok());
        assert_eq!(sim.host.lost(), MemberSet::only(MemberIndex(0)));
    }
}
