//! Media faults on every set of blocks of a row, under every run of covered blocks: blocks that
//! cannot be read, blocks that are on the list of bad ones, and blocks that take no write.

use raid_core::geometry::Geometry;
use raid_core::host::Fault;
use raid_core::members::MemberSet;
use raid_core::request::Stability;
use raid_core::units::{Lba, MemberIndex};
use raid_sim::device::RamDevice;
use raid_sim::reference;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish};

use crate::arrays;
use crate::bound::assert_bounded;
use crate::judge;

/// Which units of the chunk are bad on the members of a set.
const UNITS: [(u64, u64); 3] = [(8, 16), (0, 8), (3, 13)];

fn sets(members: u8) -> impl Iterator<Item = MemberSet> {
    (1..1_u32 << members).map(move |bits| {
        (0..members).filter(|member| bits & (1 << member) != 0).map(MemberIndex).collect()
    })
}

/// How much a bad sector costs.
#[derive(Clone, Copy)]
enum Grain {
    Unit,
    Sector,
}

/// What is the matter with bad sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Unreadable,
    Listed,
    Unwritable,
}

/// Whether a write was answered as done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    Yes,
    No,
}

struct Case<'c> {
    blueprint: &'c Blueprint,
    before: &'c [u8],
    other: &'c [u8],
    bad: MemberSet,
    trouble: Trouble,
    /// Sectors of the members' data areas.
    sectors: core::ops::Range<u64>,
    number: u64,
}

impl Case<'_> {
    /// Whether a sector of the array can be known if reads fail for whole units; or, `exact`, if
    /// they fail for bad sectors alone. What a read touches lies between the two: it may begin
    /// behind the bad sectors of a unit.
    fn known(&self, lba: u64, grain: Grain) -> bool {
        let geometry = &self.blueprint.geometry;
        let good = |(member, at): &(MemberIndex, u64)| {
            let touched = match grain {
                Grain::Unit => at / 8 * 8..at / 8 * 8 + 8,
                Grain::Sector => *at..at + 1,
            };
            let apart = touched.end <= self.sectors.start || self.sectors.end <= touched.start;
            apart || !self.bad.contains(*member) || self.trouble == Trouble::Unwritable
        };
        let in_reach = match geometry {
            Geometry::Parity(_) => self.bad.count() <= u32::from(geometry.redundancy()),
            Geometry::Copies(_) => false,
        };
        judge::places_of(geometry, Lba(lba)).iter().any(good) || in_reach
    }

    fn devices(&self) -> Vec<RamDevice> {
        let mut devices = self.blueprint.devices(self.before);
        for member in self.bad {
            let device = &mut devices[member.index()];
            let range = self.sectors.start + DATA_OFFSET..self.sectors.end + DATA_OFFSET;
            let fault = if self.number.is_multiple_of(2) { Fault::Media } else { Fault::Integrity };
            match self.trouble {
                Trouble::Unreadable => device.medium.spoil(range, fault),
                Trouble::Unwritable => {
                    device.rules.push(Rule::on(&[Action::Write], fault).at(range));
                }
                Trouble::Listed => {
                    let sectors = usize::try_from(range.end - range.start).unwrap();
                    device.medium.store(range.start, &vec![0xA5; sectors * 512]);
                    device.listed.extend(range);
                }
            }
        }
        devices
    }

    /// All members hold what they should, but for what is on the list.
    fn holds(&self, devices: &[RamDevice], content: &[u8]) {
        let geometry = &self.blueprint.geometry;
        let sectors = self.blueprint.member_sectors;
        let devices = judge::unlisted(self.blueprint, devices, content);
        let areas = self.blueprint.areas(&devices, MemberSet::NONE);
        let wrong = reference::disagreements(geometry, content, &areas, sectors);
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    /// What was written is there if that was the answer, and else it or what was there before, or an
    /// error.
    fn is_there(&self, sim: &mut Sim<'_>, (at, sectors): (u64, u64), after: &[u8], done: Done) {
        let answer = sim.request(Wish::Read { at, sectors, stability: Stability::Stable });
        assert!(answer.result.is_ok() || done == Done::No, "{:?}: {:?}", self.bad, answer.result);
        let named = judge::named_lost(sim, &answer);
        for (lba, bytes) in (at..).zip(answer.memory.chunks(512)) {
            let here = usize::try_from(lba).unwrap() * 512..;
            let (new, old) = (&after[here.clone()][..512], &self.before[here][..512]);
            let is_right = bytes == new || (done == Done::No && bytes == old);
            assert!(named.contains(&lba) || is_right, "sector {lba} is made up: {:?}", self.bad);
        }
    }

    fn run(&self, wish: Wish, (at, sectors): (u64, u64), after: &[u8]) {
        let writes = !matches!(wish, Wish::Read { .. });
        let mut lent = Lent::to(self.blueprint);
        let mut sim = Sim::made(self.blueprint, &mut lent, self.devices());
        sim.order = arrays::order(self.number);
        let answer = sim.request(wish);
        assert_bounded(self.blueprint, sectors, sim.tally);
        assert!(sim.host.lost().is_empty(), "bad blocks cost no member");
        let named = judge::named_lost(&sim, &answer);
        assert_eq!(answer.result.is_ok(), named.is_empty());
        let content = if writes { after } else { self.before };
        if named.is_empty() {
            self.holds(&sim.host.devices, content);
        }
        if self.bad.count() <= u32::from(self.blueprint.geometry.redundancy()) {
            assert!(answer.result.is_ok(), "{:?}, bad: {:?}", answer.result, self.bad);
        }
        if writes {
            let done = if answer.result.is_ok() { Done::Yes } else { Done::No };
            self.is_there(&mut sim, (at, sectors), after, done);
            return;
        }
        for lba in at..at + sectors {
            let start = usize::try_from(lba - at).unwrap() * 512;
            let here = usize::try_from(lba).unwrap() * 512;
            let bad = self.bad;
            if named.contains(&lba) {
                assert!(!self.known(lba, Grain::Unit), "sector {lba} could be known, bad: {bad:?}");
            } else {
                assert!(self.known(lba, Grain::Sector), "sector {lba} was made up, bad: {bad:?}");
                assert!(answer.memory[start..start + 512] == self.before[here..here + 512]);
            }
        }
    }
}

fn every_bad_set(blueprint: &Blueprint) -> u64 {
    let listing = Blueprint { bad_blocks: 16, ..blueprint.clone() };
    every_bad_set_with(blueprint, Trouble::Unreadable)
        + every_bad_set_with(&listing, Trouble::Unreadable)
        + every_bad_set_with(&listing, Trouble::Listed)
        + every_bad_set_with(&listing, Trouble::Unwritable)
}

fn every_bad_set_with(blueprint: &Blueprint, trouble: Trouble) -> u64 {
    let size = blueprint.geometry.size().0;
    let width = match blueprint.geometry {
        Geometry::Parity(parity) => arrays::CHUNK * u64::from(parity.data_members()),
        Geometry::Copies(_) => 2 * arrays::CHUNK,
    };
    let before = arrays::content(blueprint.size(), 5);
    let other = arrays::content(blueprint.size(), 6);
    let mut number = 0;
    for bad in sets(blueprint.geometry.members()) {
        for (from, to) in UNITS {
            for (at, sectors) in arrays::ranges(0, width, size) {
                number += 1;
                let case = Case {
                    blueprint,
                    before: &before,
                    other: &other,
                    bad,
                    trouble,
                    sectors: from..to,
                    number,
                };
                let stability =
                    if number % 2 == 0 { Stability::Stable } else { Stability::Volatile };
                let range = usize::try_from(at).unwrap() * 512
                    ..usize::try_from(at + sectors).unwrap() * 512;
                let mut after = before.clone();
                after[range.clone()].copy_from_slice(&case.other[range.clone()]);
                let bytes = after[range].to_vec();
                case.run(Wish::Read { at, sectors, stability }, (at, sectors), &after);
                case.run(Wish::Write { at, bytes, stability }, (at, sectors), &after);
            }
        }
    }
    2 * number
}

#[test]
fn every_bad_set_of_blocks_of_one_parity_costs_its_units_alone() {
    let cases = every_bad_set(&arrays::raid5(3)) + every_bad_set(&arrays::raid5(4));
    assert_eq!(cases, 4 * 3234);
}

#[test]
fn every_bad_set_of_blocks_of_two_parities_costs_its_units_alone() {
    let cases = every_bad_set(&arrays::raid6(4)) + every_bad_set(&arrays::raid6(5));
    assert_eq!(cases, 4 * 6738);
}

#[test]
fn every_bad_set_of_copies_costs_its_units_alone() {
    let mut cases = 0;
    for (_, blueprint) in arrays::with_copies() {
        cases += every_bad_set(&blueprint);
    }
    assert_eq!(cases, 4 * 6084);
}
