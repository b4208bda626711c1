//! A host that is busy: nothing is lost, and nobody else waits.

use raid_core::units::DeviceIndex;
use raid_sim::host::{Entry, Refuses};
use raid_sim::order::{Order, Random};
use raid_sim::reference;
use raid_sim::sim::{Blueprint, Lent, Sim, Wish};

use crate::setups::{self, CHUNK};

/// Overlapping writes and reads, all started before anything is done, under one way to refuse.
fn work_through(blueprint: &Blueprint, refuses: Refuses, budget: u32, order: Order) -> usize {
    let before = setups::content(blueprint, 1);
    let mut model = before.clone();
    let mut lent = Lent::to(blueprint);
    let mut sim = Sim::made(blueprint, &mut lent, blueprint.devices(&before));
    sim.host.refuses = refuses;
    sim.budget = budget;
    sim.order = order;
    let mut reads = Vec::new();
    for (seed, (at, sectors)) in (2..).zip([(0, 8), (4, 100), (0, 192)]) {
        let other = setups::content(blueprint, seed);
        sim.start(setups::write(&other, at, sectors)).unwrap();
        setups::overlay(&mut model, &other, at, sectors);
    }
    reads.push((sim.start(setups::read(0, 192)).unwrap(), model.clone()));
    sim.run();
    assert!(sim.request(Wish::Flush).result.is_ok());
    assert!(sim.request(Wish::MarkClean).result.is_ok());
    for (request, model) in reads {
        let answer = sim.host.answers.iter().find(|answer| answer.request == request).unwrap();
        assert!(answer.result.is_ok());
        assert!(answer.memory == setups::part(&model, 0, 192), "{refuses:?}");
    }
    assert!(sim.host.answers.iter().all(|answer| answer.result.is_ok()));
    let areas = blueprint.areas(&sim.host.devices, sim.host.lost());
    let sectors = blueprint.member_sectors;
    let wrong = reference::disagreements(&blueprint.geometry, &model, &areas, sectors);
    assert!(wrong.is_empty(), "{wrong:?}");
    sim.host.trace.iter().filter(|entry| matches!(entry, Entry::Refused(..))).count()
}

#[test]
fn a_host_that_is_busy_now_and_then_loses_nothing() {
    let mut ways: Vec<Refuses> = (2..12).map(Refuses::Every).collect();
    ways.extend([Refuses::EachOnce, Refuses::Beyond(1), Refuses::Beyond(2)]);
    for blueprint in [setups::raid5(4), setups::raid6(5), setups::raid1(3), setups::raid10()] {
        for refuses in &ways {
            for budget in [1, 2, 7, 64] {
                for order in [Order::Fifo, Order::Lifo, Order::Random(Random::new(3))] {
                    let refused = work_through(&blueprint, *refuses, budget, order);
                    assert!(refused > 0 || matches!(refuses, Refuses::Beyond(_)));
                }
            }
        }
    }
}

#[test]
fn a_busy_device_starves_no_other_under_any_budget() {
    // Device 0 takes nothing until another device was given something, as if the two shared a
    // queue. What is refused must not use up every step of every poll.
    for budget in 1..8 {
        for slots in 1..4 {
            let mut blueprint = setups::raid5(4);
            blueprint.slots = slots;
            let content = setups::content(&blueprint, 9);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
            sim.budget = budget;
            sim.host.refuses = Refuses::Until(DeviceIndex(0), usize::from(slots > 1));
            let first = sim.start(setups::read(0, CHUNK)).unwrap();
            let second = sim.start(setups::read(CHUNK, CHUNK)).unwrap();
            sim.run();
            let answered: Vec<_> = sim.host.answers.iter().map(|answer| answer.request).collect();
            assert!(answered.contains(&first) && answered.contains(&second));
        }
    }
}
