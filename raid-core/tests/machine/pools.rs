//! The smallest pools: with one to three slots and one to three requests nobody waits for ever, in
//! whatever order commands end and whenever the host is busy.

use raid_core::engine::{Frees, Refusal};
use raid_core::host::RequestId;
use raid_core::request::Stability;
use raid_sim::host::{Refuses, Waits};
use raid_sim::order::{Choices, Order, Random};
use raid_sim::sim::{Blueprint, Lent, Sim, Turn, Wish};

use crate::arrays::{self, CHUNK};
use crate::bound;
use crate::judge;

/// A stream of requests, with as many started at a time as there is room for.
struct Stream<'s, 'm> {
    sim: &'s mut Sim<'m>,
    blueprint: &'s Blueprint,
    random: Random,
    model: Vec<u8>,
    /// What each request alive reads, and how many completions there may have been at its answer.
    alive: Vec<(RequestId, Option<Vec<u8>>, u64)>,
    started: usize,
}

impl Stream<'_, '_> {
    /// What is asked for next, how long it is, and what it reads.
    fn next(&mut self) -> (Wish, u64, Option<Vec<u8>>) {
        let size = self.blueprint.geometry.size().0;
        let at = self.random.below(size);
        let sectors = 1 + self.random.below((size - at).min(2 * CHUNK));
        let range =
            usize::try_from(at).unwrap() * 512..usize::try_from(at + sectors).unwrap() * 512;
        let stability =
            if self.random.below(2) == 0 { Stability::Stable } else { Stability::Volatile };
        match self.random.below(8) {
            0..3 => {
                let read = Some(self.model[range].to_vec());
                (Wish::Read { at, sectors, stability }, sectors, read)
            }
            3..6 => {
                let mut bytes = vec![0; range.len()];
                self.random.fill(&mut bytes);
                self.model[range].copy_from_slice(&bytes);
                (Wish::Write { at, bytes, stability }, sectors, None)
            }
            6 => (Wish::Flush, 0, None),
            _ => (Wish::MarkClean, 0, None),
        }
    }

    /// Starts what there is room for.
    fn fill(&mut self) {
        let room = self.blueprint.requests - self.alive.len();
        for _ in 0..room {
            let (wish, sectors, read) = self.next();
            // A request waits for those before it at most, and each of them ends by itself.
            let own = bound::completions_max(self.blueprint, sectors);
            let before = self.alive.iter().map(|(.., until)| *until).max();
            let until = before.unwrap_or(0).max(self.sim.tally.completions) + own;
            let id = self.sim.start(wish).unwrap();
            self.alive.push((id, read, until));
            self.started += 1;
        }
        let refused = self.sim.start(Wish::Flush);
        assert_eq!(refused, Err(Refusal::Busy(Frees::Answer)), "an answer makes room");
    }

    fn take_answers(&mut self) {
        for answer in core::mem::take(&mut self.sim.host.answers) {
            let place = self.alive.iter().position(|(id, ..)| *id == answer.request);
            let (_, read, until) = self.alive.remove(place.expect("answered once"));
            assert!(answer.result.is_ok());
            assert!(read.is_none_or(|read| read == answer.memory), "read wrong");
            assert!(self.sim.tally.completions <= until, "it waited for more than those before it");
        }
    }

    fn run(&mut self, requests: usize) {
        while self.started < requests {
            self.fill();
            let turn = self.sim.turn();
            self.take_answers();
            assert!(turn == Turn::Again || self.alive.is_empty());
        }
        self.sim.run();
        self.take_answers();
        assert!(self.alive.is_empty());
    }
}

fn pools() -> Vec<Blueprint> {
    let mut all = Vec::new();
    for blueprint in [arrays::raid5(3), arrays::logged(3), arrays::raid1(2), arrays::raid6(4)] {
        for slots in 1..=3 {
            for requests in 1..=3 {
                all.push(Blueprint { slots, requests, ..blueprint.clone() });
            }
        }
    }
    all
}

fn run(
    blueprint: &Blueprint,
    refuses: Refuses,
    (order, budget): (Order, u32),
    requests: usize,
) -> Order {
    let before = arrays::content(blueprint.size(), 1);
    let mut lent = Lent::to(blueprint);
    let mut sim = Sim::made(blueprint, &mut lent, blueprint.devices(&before));
    sim.host.waits = Waits::ForItsOwn;
    (sim.host.refuses, sim.order, sim.budget) = (refuses, order, budget);
    let mut stream = Stream {
        sim: &mut sim,
        blueprint,
        random: Random::new(11),
        model: before,
        alive: Vec::new(),
        started: 0,
    };
    stream.run(requests);
    let model = stream.model;
    let lost = sim.host.lost();
    judge::holds(blueprint, &sim.host.devices, lost, &model);
    sim.order
}

#[test]
fn in_the_smallest_pools_every_request_is_answered_after_those_before_it() {
    for blueprint in pools() {
        for seed in 0..12 {
            let refuses = match seed % 4 {
                0 => Refuses::Nothing,
                1 => Refuses::EachOnce,
                2 => Refuses::Every(2 + seed),
                _ => Refuses::Beyond(1),
            };
            for order in [Order::Fifo, Order::Lifo, Order::Random(Random::new(seed))] {
                run(&blueprint, refuses, (order, 1 + u32::try_from(seed).unwrap() * 3), 60);
            }
        }
    }
}

#[test]
fn in_the_smallest_pools_the_host_may_be_busy_at_any_of_the_first_commands() {
    for blueprint in pools() {
        for bits in 0..256 {
            run(&blueprint, Refuses::First(bits), (Order::Lifo, 2), 4);
        }
    }
}

#[test]
fn in_the_smallest_pools_commands_may_end_in_any_order() {
    let mut orders = 0;
    for blueprint in pools() {
        let mut choices = Some(Choices::default());
        // Depth first: the last choices of a run are those that are taken each way.
        for _ in 0..400 {
            let Some(path) = choices else { break };
            let order = run(&blueprint, Refuses::Nothing, (Order::Chosen(path), 64), 3);
            let Order::Chosen(made) = order else { panic!("chosen") };
            choices = made.next();
            orders += 1;
        }
    }
    assert!(orders > 2_000, "{orders}");
}
