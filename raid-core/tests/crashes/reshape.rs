//! Everything stops at every command of a reshape, with reads and writes going on. What comes back
//! has every block that was promised, and the reshape goes on to its end from there.

use core::hash::{Hash, Hasher};
use core::ops::Range;
use std::collections::HashSet;
use std::hash::DefaultHasher;

use raid_core::engine::{Dirty, OnLoss, ReshapeEnd, SetupError};
use raid_core::geometry::{
    Geometry, Layout, Raid5Layout, Raid6Layout, Raid10Layout, Shape, Spread,
};
use raid_core::host::{Durability, Failure};
use raid_core::members::MemberSet;
use raid_core::metadata::{Consistency, Record, Shaping};
use raid_core::request::Stability;
use raid_core::reshape::{Change, Room};
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::crash::{Cache, Crash, Share};
use raid_sim::device::RamDevice;
use raid_sim::host::Waits;
use raid_sim::order::{Order, Random};
use raid_sim::rules::Rule;
use raid_sim::sim::{Blueprint, Lent, Sim, Turn, Wish, read_back};

use crate::arrays;
use crate::assembly::assemble;
use crate::ledger::Ledger;
use crate::scenario::{Depth, Tally, is_long};

/// A reshape that is crashed, and the writes that go on beside it.
#[derive(Clone, Debug)]
struct Scenario {
    name: &'static str,
    change: Change,
    window: u64,
    /// How much a backup has room for, if there is one.
    backup: Option<u64>,
    /// Started after so many turns: address, sectors, and how durable.
    writes: Vec<(usize, u64, u64, Durability)>,
    /// A member that is gone after so many commands.
    gone: Option<(u8, u64)>,
    seed: u64,
}

const RAID5: Layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
const RAID6: Layout = Layout::Raid6(Raid6Layout::LeftSymmetric);
const NEAR: Layout = Layout::Raid10(Raid10Layout { near: 2, far: 1, spread: Spread::Zones });

fn shape(layout: Layout, members: u8, chunk: u64, member: u64) -> Geometry {
    let (chunk, member_size) = (Sectors(chunk), Sectors(member));
    Geometry::new(Shape { layout, members, chunk, member_size }).expect("a possible shape")
}

fn scenarios() -> Vec<Scenario> {
    let kinds = [
        ("grow", shape(RAID5, 3, 8, 32), shape(RAID5, 4, 8, 32)),
        ("shrink", shape(RAID5, 4, 8, 32), shape(RAID5, 3, 8, 32)),
        ("smaller chunks", shape(RAID5, 3, 16, 48), shape(RAID5, 3, 8, 48)),
        ("larger chunks", shape(RAID5, 3, 8, 48), shape(RAID5, 3, 16, 48)),
        (
            "layout",
            shape(RAID5, 4, 8, 40),
            shape(Layout::Raid5(Raid5Layout::RightAsymmetric), 4, 8, 40),
        ),
        ("level 6 grows", shape(RAID6, 4, 8, 32), shape(RAID6, 5, 8, 32)),
        ("level 6 shrinks", shape(RAID6, 5, 8, 32), shape(RAID6, 4, 8, 32)),
        ("copies", shape(NEAR, 3, 8, 32), shape(NEAR, 4, 8, 32)),
    ];
    let ample = Room { before: Sectors(1 << 20), behind: Sectors(1 << 20) };
    let mut scenarios = Vec::new();
    for ((name, before, after), seed) in kinds.into_iter().zip(900..) {
        let most = Change::shifted(before, after, ample).expect("a change");
        let least =
            Room { before: most.least_shift().unwrap(), behind: most.least_shift().unwrap() };
        let least = Change::shifted(before, after, least).expect("a change");
        for (change, units) in [(most, 1), (most, 2), (least, 1)] {
            let size = change.size_meanwhile().0;
            let window = units * change.unit().0;
            let (cached, durable) = (Durability::Cached, Durability::Durable);
            // Across every border in turn: the position, the front, the end of a row of either shape.
            let writes = vec![
                (6, 0, 5, durable),
                (16, size - 7, 7, cached),
                (30, change.unit().0.min(size - 9) - 3, 9, durable),
                (55, size / 2 - 5, 11, durable),
                (80, 2, size / 3, durable),
            ];
            let with = Scenario { name, change, window, backup: None, writes, gone: None, seed };
            scenarios.push(Scenario { writes: Vec::new(), ..with.clone() });
            scenarios.push(with);
        }
    }
    scenarios
}

/// Reshapes that overwrite what they move.
fn backed() -> Vec<Scenario> {
    let other5 = Layout::Raid5(Raid5Layout::RightAsymmetric);
    let other6 = Layout::Raid6(Raid6Layout::RightSymmetric);
    let kinds = [
        ("chunks in place", shape(RAID5, 3, 16, 48), shape(RAID5, 3, 8, 48)),
        ("larger chunks in place", shape(RAID5, 3, 8, 32), shape(RAID5, 3, 16, 32)),
        ("layout in place", shape(RAID5, 4, 8, 32), shape(other5, 4, 8, 32)),
        ("grow in place", shape(RAID5, 3, 8, 32), shape(RAID5, 4, 8, 32)),
        ("shrink in place", shape(RAID5, 4, 8, 32), shape(RAID5, 3, 8, 32)),
        ("level 6 layout in place", shape(RAID6, 4, 8, 32), shape(other6, 4, 8, 32)),
        ("level 6 grows in place", shape(RAID6, 4, 8, 32), shape(RAID6, 5, 8, 32)),
        ("level 6 shrinks in place", shape(RAID6, 5, 8, 32), shape(RAID6, 4, 8, 32)),
    ];
    let mut scenarios = Vec::new();
    for ((name, before, after), seed) in kinds.into_iter().zip(1900..) {
        let change = Change::in_place(before, after).expect("a change");
        let room = change.common_rows().expect("few").min(change.walk()).0.max(change.unit().0);
        let window = room.next_multiple_of(change.unit().0);
        let size = change.size_meanwhile().0;
        let (cached, durable) = (Durability::Cached, Durability::Durable);
        let writes = vec![
            (6, 0, 5, durable),
            (16, size - 7, 7, cached),
            (30, change.unit().0.min(size - 9) - 3, 9, durable),
            (55, size / 2 - 5, 11, durable),
            (80, 2, size / 3, durable),
        ];
        let backup = Some(room);
        let with = Scenario { name, change, window, backup, writes, gone: None, seed };
        scenarios.push(Scenario { writes: Vec::new(), ..with.clone() });
        scenarios.push(with);
    }
    scenarios
}

struct Run<'s, 't> {
    scenario: &'s Scenario,
    depth: Depth,
    tally: &'t mut Tally,
    ledger: Ledger,
    random: Random,
    answers: usize,
    signature: (Vec<(u64, usize, usize)>, usize),
    seen: HashSet<u64>,
    /// Members that the engine has called lost.
    lost: MemberSet,
    /// What is being judged, for people.
    now: String,
    /// How often what comes back is crashed as well.
    again: u32,
}

fn blueprint(scenario: &Scenario) -> Blueprint {
    let Shape { layout, members, chunk, member_size } = scenario.change.before().shape();
    let old = Blueprint::new(layout, members, chunk.0, member_size.0);
    let plain = Blueprint { requests: 8, ..old }.to_be(scenario.change, scenario.window);
    match scenario.backup {
        Some(room) => plain.with_backup(room),
        None => plain,
    }
}

fn first_record(blueprint: &Blueprint) -> Record {
    Record {
        events: blueprint.events,
        consistency: blueprint.consistency,
        failed: blueprint.absent(),
        rebuilding: MemberSet::NONE,
        rebuilt_to: Sectors::ZERO,
        by_intent: MemberSet::NONE,
        replacement: None,
        shaping: Shaping::Fixed,
    }
}

fn crash_everywhere(scenario: &Scenario, depth: Depth, orders: u64, tally: &mut Tally) {
    let blueprint = blueprint(scenario);
    let content = arrays::bytes(scenario.change.before().size().0, scenario.seed);
    let mut devices = blueprint.devices(&content);
    let record = first_record(&blueprint);
    for device in &mut devices {
        device.recorded = Some(record);
        device.durable = Some(record);
    }
    if scenario.backup.is_some() {
        devices.push(blueprint.backup_device());
    }
    for device in &mut devices {
        device.cache = Some(Cache::over(device));
    }
    if let Some((member, commands)) = scenario.gone {
        devices[usize::from(member)].rules.push(Rule::gone_after(commands));
    }
    let served = scenario.change.size_meanwhile().memory_bytes().unwrap();
    for number in 0..if is_long() { 3 * orders } else { orders } {
        let order = match number {
            0 => Order::Fifo,
            1 => Order::Lifo,
            seed => Order::Random(Random::new(seed + scenario.seed)),
        };
        tally.runs += 1;
        let run = Run {
            scenario,
            depth: depth.or_long(),
            tally,
            ledger: Ledger::of(&content[..served]),
            random: Random::new(scenario.seed),
            answers: 0,
            signature: (Vec::new(), 0),
            seen: HashSet::new(),
            lost: MemberSet::NONE,
            now: String::new(),
            again: 1,
        };
        run.drive(&blueprint, devices.clone(), order);
    }
}

impl Run<'_, '_> {
    fn drive(mut self, blueprint: &Blueprint, devices: Vec<RamDevice>, order: Order) {
        let mut lent = Lent::to(blueprint);
        let mut sim = Sim::made(blueprint, &mut lent, devices);
        sim.order = order;
        sim.budget = 1;
        sim.host.waits = Waits::ForItsOwn;
        self.look(&sim);
        sim.engine.start_reshape(OnLoss::GoOn).expect("it starts");
        let mut writes = self.scenario.writes.clone().into_iter().peekable();
        for turn in 0.. {
            while let Some((_, at, sectors, durability)) = writes.next_if(|it| it.0 <= turn) {
                let bytes = self.ledger.bytes(sectors);
                let id = match durability {
                    Durability::Durable => sim.start_durable(at, bytes.clone()),
                    Durability::Cached => {
                        let stability = Stability::Stable;
                        sim.start(Wish::Write { at, bytes: bytes.clone(), stability })
                    }
                };
                let id = id.expect("the write is taken");
                self.ledger.write(id, (at, &bytes), durability);
            }
            let turned = sim.turn();
            self.look(&sim);
            if turned == Turn::Finished && writes.peek().is_none() {
                break;
            }
        }
        let (_, end) = sim.reshape_ended().expect("it has ended");
        assert_eq!(end, ReshapeEnd::Finished);
    }

    fn look(&mut self, sim: &Sim<'_>) {
        for answer in &sim.host.answers[self.answers..] {
            assert!(answer.result.is_ok(), "{:?}: {:?}", self.scenario, answer.result);
            self.ledger.answered(answer);
        }
        self.answers = sim.host.answers.len();
        let crash = sim.host.crash();
        let signature = (crash.signature(), self.answers);
        if signature == self.signature {
            return;
        }
        self.signature = signature;
        self.tally.moments += 1;
        self.lost = sim.host.lost();
        self.crash(&crash);
    }

    fn crash(&mut self, crash: &Crash) {
        let doubtful = crash.doubtful();
        if doubtful <= self.depth.all_up_to {
            for mask in 0..1_u64 << doubtful {
                self.state(crash, |number| (mask >> number & 1) == 1);
            }
            return;
        }
        for round in 0..self.depth.subsets {
            let bits = match round {
                0 => 0,
                1 => u64::MAX,
                _ => self.random.next(),
            };
            self.state(crash, |number| (bits.rotate_right(number % 64) & 1) == 1);
        }
    }

    fn state(&mut self, crash: &Crash, mut survives: impl FnMut(u32) -> bool) {
        let mut number = 0;
        let devices = crash.leave(|_| {
            let share = if survives(number) { Share::All } else { Share::Nothing };
            number += 1;
            share
        });
        self.tally.states += 1;
        let mut hasher = DefaultHasher::new();
        self.answers.hash(&mut hasher);
        for device in &devices {
            let sectors = usize::try_from(device.medium.sectors()).unwrap();
            device.medium.stored(0, sectors * 512).hash(&mut hasher);
            device.recorded.hash(&mut hasher);
        }
        if !self.seen.insert(hasher.finish()) {
            return;
        }
        self.tally.judged += 1;
        self.judge(devices, self.again);
    }

    /// All that is promised is there, with any one member lost besides if the record vouches for
    /// parity; and the reshape goes on to its end.
    fn judge(&mut self, mut devices: Vec<RamDevice>, again: u32) {
        let members = usize::from(self.scenario.change.members_max());
        let found = assemble(&devices[..members]);
        let never = found.out.difference(self.lost);
        assert!(never.is_empty(), "a member is out that did not fail: {:?}", self.scenario);
        self.now = format!("{}, {:?}", self.scenario.name, found.freshest);
        let back = blueprint(self.scenario).as_recorded(&found.freshest).without(
            found.out.intersection(MemberSet::first(found_places(self.scenario, &found.freshest))),
        );
        let back = match devices.get(members) {
            Some(backup) => back.with_found_backup(backup),
            None => back,
        };
        let dirty = found.freshest.consistency != Consistency::Clean;
        if dirty && !back.absent().is_empty() {
            // Not started without a resync, nor without somebody who insists.
            return;
        }
        let Some(whole) = self.read_all(&back, &devices) else {
            assert!(dirty, "a backup counts in an array that is on record as clean");
            self.tally.restored += 1;
            self.mend_records(&mut devices[..members], &found.freshest);
            return self.go_on(&back, devices, None, again);
        };
        self.accept(&whole, "as it came back");
        if !dirty && back.absent().is_empty() {
            let places = u64::try_from(back.seats.len()).unwrap();
            let lost = u8::try_from(self.random.next() % places).unwrap();
            let lost = MemberSet::only(MemberIndex(lost));
            assert!(self.read(&back, &devices, lost) == whole, "not the same without {lost:?}");
        }
        if back.reshape.is_none() {
            return;
        }
        self.mend_records(&mut devices[..members], &found.freshest);
        self.go_on(&back, devices, Some(&whole), again);
    }

    /// Nobody is left a record behind.
    fn mend_records(&self, members: &mut [RamDevice], freshest: &Record) {
        for device in members {
            device.recorded = Some(*freshest);
            device.durable = Some(*freshest);
        }
    }

    /// All that is served; `None` where the backup has some of it, and nothing else has been lost.
    fn read_all(&self, back: &Blueprint, devices: &[RamDevice]) -> Option<Vec<u8>> {
        match read_back(back, devices.to_vec(), MemberSet::NONE) {
            Ok(content) => Some(content),
            Err(Failure::NeedsBackup { at, sectors }) => {
                self.accept_all_but(back, devices, at.0..at.0 + sectors.0);
                None
            }
            Err(failure) => panic!("{:?}: {failure:?}", self.scenario),
        }
    }

    /// All but the window is served, and is what was promised.
    fn accept_all_but(&self, back: &Blueprint, devices: &[RamDevice], window: Range<u64>) {
        let mut lent = Lent::to(back);
        let mut sim = Sim::made(back, &mut lent, devices.to_vec());
        for at in 0..back.served().0 {
            let stability = Stability::Stable;
            let answer = sim.request(Wish::Read { at, sectors: 1, stability });
            match answer.result {
                Ok(_) => {
                    assert!(!window.contains(&at), "read from old rows: {at}");
                    let lba = usize::try_from(at).unwrap();
                    if let Some(objection) = self.ledger.objection(lba, &answer.memory) {
                        panic!("beside the window, {}: {objection}: {:?}", self.now, self.scenario);
                    }
                }
                Err(Failure::NeedsBackup { .. }) => {
                    assert!(window.contains(&at), "{at} is not in the window {window:?}");
                }
                Err(other) => panic!("{other:?}: {:?}", self.scenario),
            }
        }
    }

    fn read(&self, back: &Blueprint, devices: &[RamDevice], lost: MemberSet) -> Vec<u8> {
        match read_back(back, devices.to_vec(), lost) {
            Ok(content) => content,
            Err(failure) => panic!("{:?} without {lost:?}: {failure:?}", self.scenario),
        }
    }

    fn accept(&self, content: &[u8], when: &str) {
        for (lba, sector) in content.chunks(512).enumerate() {
            if lba >= self.ledger.sectors() {
                // A walk over copies leaves what is behind to a resync.
                let copies = matches!(self.scenario.change.after(), Geometry::Copies(_));
                let empty = sector.iter().all(|byte| *byte == 0);
                assert!(empty || copies, "not empty behind the old end");
            } else if let Some(objection) = self.ledger.objection(lba, sector) {
                panic!("{when}, {}: {objection}: {:?}", self.now, self.scenario);
            }
        }
    }

    /// The reshape is resumed, perhaps stopped again by another crash at any moment, and finished.
    fn go_on(
        &mut self,
        back: &Blueprint,
        mut devices: Vec<RamDevice>,
        was: Option<&[u8]>,
        again: u32,
    ) {
        for device in &mut devices {
            device.cache = Some(Cache::over(device));
        }
        let back = Blueprint { dirty: Dirty::Refuse, ..back.clone() };
        let mut lent = Lent::to(&back);
        let mut sim = match Sim::new(&back, &mut lent, devices) {
            Ok(sim) => sim,
            Err(SetupError::DirtyDegraded) => return,
            Err(other) => panic!("{other:?}: {:?}", self.scenario),
        };
        sim.engine.start_reshape(OnLoss::GoOn).expect("it goes on");
        sim.order = Order::Random(Random::new(self.random.next()));
        sim.budget = 1;
        let mut left = if again > 0 { self.random.next() % 150 } else { u64::MAX };
        while left > 0 && sim.turn() == Turn::Again {
            left -= 1;
        }
        if left == 0 {
            let mut bits = self.random.next();
            let devices = sim.host.crash().leave(|_| {
                bits = bits.rotate_right(1);
                if bits & 1 == 1 { Share::All } else { Share::Nothing }
            });
            self.tally.states += 1;
            return self.judge(devices, again - 1);
        }
        let (_, end) = sim.reshape_ended().expect("it has ended");
        assert_eq!(end, ReshapeEnd::Finished, "{:?}", self.scenario);
        let record = sim.host.last_record().expect("that was recorded");
        let done = back.clone().as_recorded(&record);
        let now = self.read(&done, &sim.host.devices, MemberSet::NONE);
        self.accept(&now, "as it went on");
        let Some(was) = was else { return };
        // Copies of which a write was cut short need not agree: either is good.
        if back.consistency == Consistency::Clean || matches!(back.geometry, Geometry::Parity(_)) {
            assert!(now[..was.len()] == *was, "it changed, {}: {:?}", self.now, self.scenario);
        }
    }
}

/// Places of the shape that a record leaves.
fn found_places(scenario: &Scenario, record: &Record) -> u8 {
    match record.shaping {
        Shaping::Fixed | Shaping::Underway { .. } => scenario.change.members_max(),
        Shaping::Done => scenario.change.after().members(),
    }
}

#[test]
fn a_member_is_lost_during_a_reshape_and_then_everything_stops() {
    let mut tally = Tally::default();
    let mut random = Random::new(4711);
    for scenario in scenarios() {
        for member in 0..scenario.change.members_max() {
            let gone = Some((member, random.below(60)));
            let scenario = Scenario { gone, ..scenario.clone() };
            let depth = Depth { all_up_to: 2, subsets: 3, torn: 0 };
            crash_everywhere(&scenario, depth, 1, &mut tally);
        }
    }
    tally.report("reshape with a loss", 10_000);
}

#[test]
fn everything_stops_during_a_reshape_with_a_backup() {
    let mut tally = Tally::default();
    for scenario in backed() {
        let depth = Depth { all_up_to: 4, subsets: 6, torn: 0 };
        crash_everywhere(&scenario, depth, 2, &mut tally);
    }
    assert!(tally.restored > 1000, "windows found in the backup: {}", tally.restored);
    tally.report("reshape with a backup", 10_000);
}

#[test]
fn everything_stops_during_a_reshape() {
    let mut tally = Tally::default();
    for scenario in scenarios() {
        let depth = Depth { all_up_to: 3, subsets: 4, torn: 0 };
        crash_everywhere(&scenario, depth, 2, &mut tally);
    }
    tally.report("reshape", 10_000);
}
