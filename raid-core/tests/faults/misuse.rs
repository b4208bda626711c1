//! Reports that no command in flight matches change nothing.

use raid_core::host::Fault;
use raid_core::members::MemberSet;
use raid_core::units::MemberIndex;
use raid_sim::order::{Order, Random};
use raid_sim::reference;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{DATA_OFFSET, Lent, Reports, Sim, Wish};

use crate::setups::{self, CHUNK};

#[test]
fn late_doubled_and_forged_reports_are_misuse_and_change_nothing() {
    // After each completion all earlier ones come again, and others that nobody gave; the simulator
    // compares the engine before and after, down to the last field.
    for blueprint in [setups::raid5(4), setups::raid6(5), setups::raid1(3), setups::raid10()] {
        for order in [Order::Fifo, Order::Lifo, Order::Random(Random::new(5))] {
            let before = setups::content(&blueprint, 1);
            let other = setups::content(&blueprint, 2);
            let mut after = before.clone();
            let mut devices = blueprint.devices(&before);
            // Units one by one, a write repeated in units, and a member lost on the way.
            devices[0].medium.spoil(DATA_OFFSET + 8..DATA_OFFSET + 9, Fault::Media);
            let start = DATA_OFFSET..DATA_OFFSET + CHUNK - 8;
            devices[1].rules.push(Rule::on(&[Action::Write], Fault::Media).at(start).times(1));
            let gone = Rule::on(&[Action::Write], Fault::Gone).at(DATA_OFFSET + CHUNK..u64::MAX);
            devices[0].rules.push(gone);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            sim.order = order;
            sim.reports = Reports::Hostile;
            let end = blueprint.geometry.size().0.min(6 * CHUNK);
            for (at, sectors) in [(0, CHUNK), (CHUNK - 8, end - CHUNK + 8)] {
                sim.start(setups::write(&other, at, sectors)).unwrap();
                setups::overlay(&mut after, &other, at, sectors);
            }
            let read = sim.start(setups::read(0, end)).unwrap();
            sim.start(Wish::Check { at: 0, sectors: CHUNK }).unwrap();
            sim.run();
            let answer = sim.host.answers.iter().find(|answer| answer.request == read).unwrap();
            assert!(answer.result.is_ok());
            assert!(answer.memory == setups::part(&after, 0, end));
            assert_eq!(sim.host.lost(), MemberSet::only(MemberIndex(0)));
            let areas = blueprint.areas(&sim.host.devices, sim.host.lost());
            let sectors = blueprint.member_sectors;
            let wrong = reference::disagreements(&blueprint.geometry, &after, &areas, sectors);
            assert!(wrong.is_empty(), "{wrong:?}");
        }
    }
}
