//! Reads: every lost set, lost before and while reading, under every run of covered blocks.

use raid_core::geometry::Geometry;
use raid_core::request::Stability;
use raid_sim::sim::{Blueprint, Lent, Sim, Wish};

use crate::arrays::{self, Moment};
use crate::bound::assert_bounded;
use crate::judge;

fn every_read(blueprint: &Blueprint, most: u32) -> u64 {
    let size = blueprint.geometry.size().0;
    let width = match blueprint.geometry {
        Geometry::Parity(parity) => arrays::CHUNK * u64::from(parity.data_members()),
        Geometry::Copies(_) => 2 * arrays::CHUNK,
    };
    let content = arrays::content(blueprint.size(), 3);
    let pristine = blueprint.devices(&content);
    let moments = [Moment::Before, Moment::Gathering];
    let mut case = 0;
    for losses in arrays::losses(blueprint.geometry.members(), most, &moments) {
        for (at, sectors) in arrays::ranges(case % 2, width, size) {
            for stability in [Stability::Stable, Stability::Volatile] {
                case += 1;
                let mut devices = pristine.clone();
                let arranged = arrays::arrange(blueprint.clone(), &mut devices, &losses, case);
                let mut lent = Lent::to(&arranged);
                let mut sim = Sim::made(&arranged, &mut lent, devices);
                sim.order = arrays::order(case);
                let answer = sim.request(Wish::Read { at, sectors, stability });
                assert_bounded(&arranged, sectors, sim.tally);
                judge::read(&arranged, &sim, &answer, (at, sectors), &content);
            }
        }
    }
    case
}

#[test]
fn every_read_of_raid5_ends_and_tells_the_truth() {
    assert_eq!((every_read(&arrays::raid5(3), 2), every_read(&arrays::raid5(4), 2)), (646, 1848));
}

#[test]
fn every_read_of_raid6_ends_and_tells_the_truth() {
    assert_eq!((every_read(&arrays::raid6(4), 3), every_read(&arrays::raid6(5), 3)), (2210, 7336));
}

#[test]
fn every_read_of_raid4_ends_and_tells_the_truth() {
    assert_eq!(every_read(&arrays::raid4(), 2), 1848);
}

#[test]
fn every_read_of_copies_ends_and_tells_the_truth() {
    let mut cases = 0;
    for (_, blueprint) in arrays::with_copies() {
        cases += every_read(&blueprint, 3);
    }
    assert_eq!(cases, 8484);
}
