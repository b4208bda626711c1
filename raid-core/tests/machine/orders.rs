//! Every order of completions, for small cases: each choice among the commands in flight is taken.

use raid_core::members::MemberSet;
use raid_core::request::Stability;
use raid_core::units::MemberIndex;
use raid_sim::device::RamDevice;
use raid_sim::order::{Choices, Order};
use raid_sim::reference;
use raid_sim::sim::{Blueprint, Lent, Sim, Wish};

use crate::arrays::{self, Moment};
use crate::judge;

/// Runs a scenario under every order of completions. How many orders there were.
fn every_order(mut scenario: impl FnMut(Order) -> Order) -> u64 {
    let mut choices = Choices::default();
    let mut orders = 0;
    loop {
        orders += 1;
        let Order::Chosen(made) = scenario(Order::Chosen(choices)) else { panic!("chosen") };
        match made.next() {
            Some(next) => choices = next,
            None => return orders,
        }
    }
}

/// One write to an array that is marked dirty already, with members lost at these moments.
fn one_write(
    blueprint: &Blueprint,
    losses: &[(MemberIndex, Moment)],
    (at, sectors): (u64, u64),
) -> u64 {
    let before = arrays::content(blueprint.size(), 1);
    let other = arrays::content(blueprint.size(), 2);
    let range = usize::try_from(at).unwrap() * 512..usize::try_from(at + sectors).unwrap() * 512;
    let mut after = before.clone();
    after[range.clone()].copy_from_slice(&other[range.clone()]);
    let pristine = blueprint.devices(&before);
    every_order(|order| {
        let mut devices = pristine.clone();
        let arranged = arrays::arrange(blueprint.clone(), &mut devices, &[], 0);
        let mut lent = Lent::to(&arranged);
        let mut sim = Sim::made(&arranged, &mut lent, devices);
        // The last sector is written as it is, which marks the array dirty.
        let last = blueprint.geometry.size().0 - 8;
        let same = usize::try_from(last).unwrap() * 512;
        let bytes = before[same..same + 8 * 512].to_vec();
        sim.request(Wish::Write { at: last, bytes, stability: Stability::Stable });
        fail_from_now(&mut sim.host.devices, losses);
        sim.order = order;
        let bytes = other[range.clone()].to_vec();
        let answer = sim.request(Wish::Write { at, bytes, stability: Stability::Stable });
        judge::write(&arranged, &sim, &answer, (at, sectors), (&before, &after), 1);
        core::mem::replace(&mut sim.order, Order::Fifo)
    })
}

fn fail_from_now(devices: &mut [RamDevice], losses: &[(MemberIndex, Moment)]) {
    let nobody_missing = losses.iter().all(|(_, moment)| *moment != Moment::Before);
    assert!(nobody_missing, "they are there from the start");
    arrays::arrange(arrays::raid5(4), devices, losses, 0);
}

#[test]
fn a_write_ends_well_in_every_order_of_completions() {
    use Moment::{Committing, Gathering};
    let member = MemberIndex;
    let chunk = arrays::CHUNK;
    let mut orders = Vec::new();
    // Whole row, one block, part of a block; nobody lost, then one, then one at each moment.
    for range in [(0, 8), (0, 2 * chunk), (chunk, 8)] {
        for losses in [
            vec![],
            vec![(member(0), Gathering)],
            vec![(member(1), Committing)],
            vec![(member(2), Committing)],
            vec![(member(0), Gathering), (member(2), Committing)],
            vec![(member(1), Committing), (member(2), Committing)],
        ] {
            orders.push(one_write(&Blueprint { slots: 1, ..arrays::raid5(3) }, &losses, range));
        }
    }
    let raid6 = Blueprint { slots: 1, ..arrays::raid6(4) };
    for losses in [
        vec![],
        vec![(member(0), Gathering)],
        vec![(member(2), Committing)],
        vec![(member(0), Gathering), (member(1), Committing)],
        vec![(member(0), Committing), (member(2), Committing)],
    ] {
        orders.push(one_write(&raid6, &losses, (0, 8)));
    }
    assert_eq!(orders.iter().sum::<u64>(), 4706, "{orders:?}");
}

#[test]
fn two_overlapping_writes_and_a_read_come_out_in_order_of_arrival_in_every_order() {
    let mut orders = Vec::new();
    for (blueprint, losses) in [
        (arrays::raid1(2), vec![]),
        (arrays::raid1(2), vec![(MemberIndex(0), Moment::Committing)]),
        (arrays::raid5(3), vec![]),
        (arrays::logged(3), vec![]),
    ] {
        let before = arrays::content(blueprint.size(), 1);
        let contents = [2, 3].map(|seed| arrays::content(blueprint.size(), seed));
        let mut after = before.clone();
        after[..8 * 512].copy_from_slice(&contents[0][..8 * 512]);
        after[4 * 512..8 * 512].copy_from_slice(&contents[1][4 * 512..8 * 512]);
        let pristine = blueprint.devices(&before);
        orders.push(every_order(|order| {
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, pristine.clone());
            let same = before[8 * 512..16 * 512].to_vec();
            sim.request(Wish::Write { at: 8, bytes: same, stability: Stability::Stable });
            fail_from_now(&mut sim.host.devices, &losses);
            sim.order = order;
            for (content, from) in contents.iter().zip([0, 4]) {
                let bytes = content[from * 512..8 * 512].to_vec();
                let at = u64::try_from(from).unwrap();
                sim.start(Wish::Write { at, bytes, stability: Stability::Stable }).unwrap();
            }
            let read = Wish::Read { at: 2, sectors: 6, stability: Stability::Stable };
            let read = sim.start(read).unwrap();
            sim.run();
            let answer = sim.host.answers.iter().find(|it| it.request == read).unwrap();
            assert!(answer.memory == after[2 * 512..8 * 512]);
            let lost = sim.host.lost();
            assert_eq!(lost, losses.iter().map(|(member, _)| *member).collect::<MemberSet>());
            let areas = blueprint.areas(&sim.host.devices, lost);
            let sectors = blueprint.member_sectors;
            let wrong = reference::disagreements(&blueprint.geometry, &after, &areas, sectors);
            assert!(wrong.is_empty(), "{wrong:?}");
            core::mem::replace(&mut sim.order, Order::Fifo)
        }));
    }
    assert_eq!(orders.iter().sum::<u64>(), 154, "{orders:?}");
}

#[test]
fn two_writes_side_by_side_lose_a_member_in_every_order() {
    let mut orders = Vec::new();
    for (members, member) in [(2, 0), (2, 1), (3, 1)] {
        let blueprint = arrays::raid1(members);
        let losses = [(MemberIndex(member), Moment::Committing)];
        let before = arrays::content(blueprint.size(), 1);
        let other = arrays::content(blueprint.size(), 2);
        let pristine = blueprint.devices(&before);
        let mut after = before.clone();
        let ranges = [(0, 8), (arrays::CHUNK, 8)];
        let bytes_of = |(at, sectors): (u64, u64)| {
            let start = usize::try_from(at).unwrap() * 512;
            start..start + usize::try_from(sectors).unwrap() * 512
        };
        for range in ranges {
            after[bytes_of(range)].copy_from_slice(&other[bytes_of(range)]);
        }
        orders.push(every_order(|order| {
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, pristine.clone());
            let same = before[8 * 512..16 * 512].to_vec();
            sim.request(Wish::Write { at: 8, bytes: same, stability: Stability::Stable });
            fail_from_now(&mut sim.host.devices, &losses);
            sim.order = order;
            for range in ranges {
                let bytes = other[bytes_of(range)].to_vec();
                let wish = Wish::Write { at: range.0, bytes, stability: Stability::Stable };
                sim.start(wish).unwrap();
            }
            sim.run();
            assert_eq!(sim.host.answers.len(), 3);
            assert!(sim.host.answers.iter().all(|answer| answer.result.is_ok()));
            judge::holds(&blueprint, &sim.host.devices, sim.host.lost(), &after);
            core::mem::replace(&mut sim.order, Order::Fifo)
        }));
    }
    assert_eq!(orders.iter().sum::<u64>(), 31_872, "{orders:?}");
}

#[test]
fn a_dirty_mark_is_made_in_every_order_with_a_member_failing_in_it() {
    use raid_core::host::Fault;
    use raid_sim::rules::{Action, Rule};
    let mut orders = Vec::new();
    for action in [None, Some(&[Action::Record]), Some(&[Action::Flush])] {
        let blueprint = Blueprint { slots: 1, ..arrays::raid5(3) };
        let before = arrays::content(blueprint.size(), 1);
        let other = arrays::content(blueprint.size(), 2);
        let mut after = before.clone();
        after[..8 * 512].copy_from_slice(&other[..8 * 512]);
        let pristine = blueprint.devices(&before);
        orders.push(every_order(|order| {
            let mut devices = pristine.clone();
            if let Some(actions) = action {
                devices[1].rules.push(Rule::on(actions, Fault::Transport));
            }
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            sim.order = order;
            let bytes = other[..8 * 512].to_vec();
            let answer = sim.request(Wish::Write { at: 0, bytes, stability: Stability::Stable });
            judge::write(&blueprint, &sim, &answer, (0, 8), (&before, &after), 1);
            core::mem::replace(&mut sim.order, Order::Fifo)
        }));
    }
    assert_eq!(orders.iter().sum::<u64>(), 456, "{orders:?}");
}
