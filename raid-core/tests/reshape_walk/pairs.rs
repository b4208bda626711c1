//! Every kind of change, with a shift of the data and with a backup.

use alloc::collections::BTreeSet;

use raid_core::geometry::{
    Geometry, Layout, Raid5Layout, Raid6Layout, Raid10Layout, Shape, Spread,
};
use raid_core::reshape::{Change, Direction, Means, Progress, Room, Shift, Step};
use raid_core::units::{Lba, Sectors};

use crate::drive::{Run, Seen, means, run};

pub(crate) fn shape(layout: Layout, members: u8, chunk: u64, member_size: u64) -> Geometry {
    let shape = Shape { layout, members, chunk: Sectors(chunk), member_size: Sectors(member_size) };
    Geometry::new(shape).unwrap()
}

/// The ways to make a change: in place, with the least shift, with the one that is good for Linux,
/// and, where the count of members stays, backward as well.
fn ways(before: Geometry, after: Geometry) -> Vec<Change> {
    let in_place = Change::in_place(before, after).unwrap();
    let (least, good) = (in_place.least_shift().unwrap(), in_place.good_shift().unwrap());
    let mut ways = vec![in_place];
    let natural = in_place.direction();
    let directions = match before.members() == after.members() {
        true => vec![Direction::Forward, Direction::Backward],
        false => vec![natural],
    };
    for direction in directions {
        if direction != natural {
            ways.push(Change::new(before, after, direction, Shift::NONE).unwrap());
        }
        for length in [least, good] {
            let length = i64::try_from(length.0).unwrap();
            let shift = match direction {
                Direction::Forward => -length,
                Direction::Backward => length,
            };
            ways.push(Change::new(before, after, direction, Shift(shift)).unwrap());
        }
    }
    ways
}

struct Campaign {
    name: &'static str,
    seen: Seen,
    walks: u64,
}

impl Campaign {
    fn new(name: &'static str) -> Self {
        Self { name, seen: Seen::default(), walks: 0 }
    }

    fn all(&mut self, before: Geometry, after: Geometry, samples: usize, missing: &[usize]) {
        for change in ways(before, after) {
            for loads in [1, 5] {
                self.one(change, loads, samples, missing);
            }
        }
    }

    fn one(&mut self, change: Change, loads: u64, samples: usize, missing: &[usize]) {
        self.walks += 1;
        let asked = Run {
            means: means(&change, loads),
            missing: missing.iter().copied().collect::<BTreeSet<_>>(),
            samples,
            resume_one_in: 40,
            seed: self.walks,
        };
        match run(change, &asked) {
            Ok(seen) => {
                let shifted = change.shift() != Shift::NONE;
                assert!(!shifted || seen.backups == 0, "a backup in spite of {change:?}");
                self.seen.add(seen);
            }
            Err(error) => panic!("{error}: {change:?}, {:?}, missing {missing:?}", asked.means),
        }
    }
}

impl Drop for Campaign {
    fn drop(&mut self) {
        println!("{}: {} walks, {:?}", self.name, self.walks, self.seen);
    }
}

const LEFT5: Layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
const LEFT6: Layout = Layout::Raid6(Raid6Layout::LeftSymmetric);

#[test]
fn every_pair_of_member_counts_of_raid5() {
    let mut campaign = Campaign::new("RAID 5, members");
    for from in 3..=8 {
        for to in 3..=8 {
            if from != to {
                campaign.all(shape(LEFT5, from, 8, 128), shape(LEFT5, to, 8, 128), 8, &[]);
            }
        }
    }
}

#[test]
fn every_pair_of_member_counts_of_raid6() {
    let mut campaign = Campaign::new("RAID 6, members");
    for from in 4..=8 {
        for to in 4..=8 {
            if from != to {
                campaign.all(shape(LEFT6, from, 8, 128), shape(LEFT6, to, 8, 128), 8, &[]);
            }
        }
    }
}

#[test]
fn every_pair_of_layouts() {
    let mut campaign = Campaign::new("layouts");
    for from in Raid5Layout::ALL {
        for to in Raid5Layout::ALL {
            let (from, to) = (Layout::Raid5(from), Layout::Raid5(to));
            if from != to {
                campaign.all(shape(from, 4, 8, 64), shape(to, 4, 8, 64), 8, &[]);
            }
        }
    }
    for from in Raid6Layout::ALL {
        for to in Raid6Layout::ALL {
            let (from, to) = (Layout::Raid6(from), Layout::Raid6(to));
            if from != to {
                campaign.all(shape(from, 5, 8, 48), shape(to, 5, 8, 48), 8, &[]);
            }
        }
    }
}

#[test]
fn every_pair_of_chunks() {
    let mut campaign = Campaign::new("chunks");
    let chunks = [8, 16, 32, 64, 128];
    for from in chunks {
        for to in chunks {
            let size = 5 * from.max(to);
            if from != to {
                campaign.all(shape(LEFT5, 3, from, size), shape(LEFT5, 3, to, size), 6, &[]);
            }
            // Several changes in one walk, up and down.
            let other = Layout::Raid5(Raid5Layout::RightAsymmetric);
            campaign.all(shape(LEFT5, 3, from, size), shape(other, 5, to, size), 6, &[]);
            campaign.all(shape(other, 5, from, size), shape(LEFT5, 4, to, size), 6, &[]);
        }
    }
}

#[test]
fn with_members_missing() {
    let mut campaign = Campaign::new("degraded");
    for (from, to) in [(3, 4), (3, 5), (4, 4), (5, 4), (5, 3)] {
        let other = Layout::Raid5(Raid5Layout::RightAsymmetric);
        for missing in 0..usize::from(from.max(to)) {
            let (before, after) = (shape(LEFT5, from, 8, 96), shape(other, to, 16, 96));
            campaign.all(before, after, 6, &[missing]);
        }
    }
    for (from, to) in [(4, 5), (4, 6), (5, 5), (6, 5), (6, 4)] {
        let other = Layout::Raid6(Raid6Layout::DdfNContinue);
        let places = usize::from(from.max(to));
        for one in 0..places {
            for other_one in one + 1..places {
                let (before, after) = (shape(LEFT6, from, 16, 96), shape(other, to, 8, 96));
                campaign.all(before, after, 4, &[one, other_one]);
            }
        }
    }
}

#[test]
fn raid10() {
    let mut campaign = Campaign::new("RAID 10");
    let near = Layout::Raid10(Raid10Layout { near: 2, far: 1, spread: Spread::Zones });
    let offset = Layout::Raid10(Raid10Layout { near: 1, far: 2, spread: Spread::Rows });
    for (from, to) in [(near, near), (near, offset), (offset, near), (offset, offset)] {
        for (members, more) in [(2, 3), (2, 4), (3, 3), (3, 4), (4, 4), (4, 5), (3, 6)] {
            for (chunk, other) in [(8, 8), (8, 16), (32, 8), (16, 64)] {
                let size = 6 * chunk.max(other);
                let (before, after) =
                    (shape(from, members, chunk, size), shape(to, more, other, size));
                if before != after {
                    campaign.all(before, after, 6, &[]);
                }
            }
        }
    }
}

#[test]
fn a_mirrored_walk_that_linux_left_inside_of_a_chunk_goes_on_from_there() {
    let near = Layout::Raid10(Raid10Layout { near: 2, far: 1, spread: Spread::Zones });
    let (before, after) = (shape(near, 4, 64, 1280), shape(near, 4, 128, 1280));
    for (shift, ends) in [(-512, 384), (512, 256)] {
        let direction = Change::natural_direction(&before, &after, Shift(shift));
        let change = Change::new(before, after, direction, Shift(shift)).unwrap();
        let progress = Progress::at(change, Lba(264)).unwrap();
        let means = Means { load: Sectors(128), window: Sectors(128), backup: None };
        let Step::Relocate(load) = progress.next(&means) else { panic!("a piece") };
        assert_eq!(progress.extended(&load).unwrap().front().lba(), Lba(ends));
        assert!(Progress::at(change, Lba(260)).is_err());
    }
}

#[test]
fn room_decides_which_way_the_data_moves() {
    let (before, after) = (shape(LEFT5, 4, 128, 1280), shape(LEFT5, 4, 32, 1280));
    let room = |before, behind| Room { before: Sectors(before), behind: Sectors(behind) };
    let shift = |room| Change::shifted(before, after, room).map(|change| change.shift().0);
    assert_eq!(shift(room(384, 384)), Ok(-384), "three chunks, as Linux needs");
    assert_eq!(shift(room(383, 384)), Ok(384));
    assert_eq!(shift(room(383, 383)), Ok(-128), "one is enough for us");
    assert_eq!(shift(room(127, 128)), Ok(128));
    let error = Change::shifted(before, after, room(127, 100)).unwrap_err();
    let text = "shifting the data needs 128 free sectors before the data of every member, the \
                least that one has is 127: give a backup instead, or make room";
    assert_eq!(error.to_string(), text);
}
