//! Writes: every lost set, lost at every moment, under every run of covered blocks and every
//! source.

use raid_core::engine::Refusal;
use raid_core::geometry::Geometry;
use raid_core::request::Stability;
use raid_sim::sim::{Blueprint, Lent, Sim, Wish};

use crate::arrays::{self, Moment};
use crate::bound::assert_bounded;
use crate::judge;

/// Where written data comes from.
#[derive(Clone, Copy, Debug)]
enum From {
    Caller,
    Copy,
    Zeroes,
}

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::Gathering, Moment::Committing];

/// Runs all cases. How many there were.
fn every_write(name: &str, blueprint: &Blueprint, most: u32) -> u64 {
    let size = blueprint.geometry.size().0;
    let width = match blueprint.geometry {
        Geometry::Parity(parity) => arrays::CHUNK * u64::from(parity.data_members()),
        Geometry::Copies(_) => 2 * arrays::CHUNK,
    };
    let before = arrays::content(blueprint.size(), 1);
    let other = arrays::content(blueprint.size(), 2);
    let pristine = blueprint.devices(&before);
    let mut case = 0;
    for losses in arrays::losses(blueprint.geometry.members(), most, &MOMENTS) {
        for (at, sectors) in arrays::ranges(case % 2, width, size) {
            for from in [From::Caller, From::Copy, From::Zeroes] {
                case += 1;
                let mut devices = pristine.clone();
                let arranged = arrays::arrange(blueprint.clone(), &mut devices, &losses, case);
                let range = usize::try_from(at).unwrap() * 512
                    ..usize::try_from(at + sectors).unwrap() * 512;
                let mut after = before.clone();
                match from {
                    From::Caller | From::Copy => {
                        after[range.clone()].copy_from_slice(&other[range.clone()]);
                    }
                    From::Zeroes => after[range.clone()].fill(0),
                }
                let bytes = other[range].to_vec();
                let wish = match from {
                    From::Caller => Wish::Write { at, bytes, stability: Stability::Stable },
                    From::Copy => Wish::Write { at, bytes, stability: Stability::Volatile },
                    From::Zeroes => Wish::Zeroes { at, sectors },
                };
                let _told =
                    Told(format!("{name}: {from:?} {at} + {sectors}, {losses:?}, case {case}"));
                one_write(&arranged, devices, wish, (at, sectors), (&before, &after), case);
            }
        }
    }
    case
}

/// Says which case it was if it panics.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in {}", self.0);
        }
    }
}

fn one_write(
    blueprint: &Blueprint,
    devices: Vec<raid_sim::device::RamDevice>,
    wish: Wish,
    (at, sectors): (u64, u64),
    contents: (&[u8], &[u8]),
    case: u64,
) {
    let mut lent = Lent::to(blueprint);
    let serves = judge::survives(blueprint, &devices, blueprint.absent());
    let mut sim = Sim::made(blueprint, &mut lent, devices);
    sim.order = arrays::order(case);
    if !serves {
        assert_eq!(sim.start(wish), Err(Refusal::ArrayFailed));
        sim.run();
        assert!(sim.host.trace.is_empty(), "a failed array is left alone");
        return;
    }
    let answer = sim.request(wish);
    assert_eq!(sim.host.answers.len(), 1);
    assert_bounded(blueprint, sectors, sim.tally);
    judge::write(blueprint, &sim, &answer, (at, sectors), contents, case);
}

#[test]
fn every_write_to_raid5_of_3_ends_and_tells_the_truth() {
    assert_eq!(every_write("RAID 5 of 3", &arrays::raid5(3), 2), 1887);
}

#[test]
fn every_write_to_raid5_of_4_ends_and_tells_the_truth() {
    assert_eq!(every_write("RAID 5 of 4", &arrays::raid5(4), 2), 5628);
}

#[test]
fn every_write_by_way_of_a_log_ends_and_tells_the_truth() {
    assert_eq!(every_write("RAID 5 of 3 with logs", &arrays::logged(3), 2), 1887);
    assert_eq!(every_write("RAID 5 of 4 with logs", &arrays::logged(4), 2), 5628);
}

#[test]
fn every_write_to_raid6_of_4_ends_and_tells_the_truth() {
    assert_eq!(every_write("RAID 6 of 4", &arrays::raid6(4), 3), 8925);
}

#[test]
fn every_write_to_raid6_of_5_ends_and_tells_the_truth() {
    assert_eq!(every_write("RAID 6 of 5", &arrays::raid6(5), 3), 31584);
}

#[test]
fn every_write_to_raid4_ends_and_tells_the_truth() {
    assert_eq!(every_write("RAID 4", &arrays::raid4(), 2), 5628);
}

#[test]
fn every_write_to_copies_ends_and_tells_the_truth() {
    let mut cases = 0;
    for (name, blueprint) in arrays::with_copies() {
        cases += every_write(name, &blueprint, 3);
    }
    assert_eq!(cases, 31959);
}
