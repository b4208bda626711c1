//! A scenario runs once; at each of its moments everything stops, in every way.

use core::hash::{Hash, Hasher};
use std::collections::HashSet;
use std::hash::DefaultHasher;

use raid_core::engine::{Behind, PassKind, RowLog};
use raid_core::host::Durability;
use raid_core::members::MemberSet;
use raid_core::metadata::{Consistency, Record, Shaping};
use raid_core::request::Stability;
use raid_core::units::MemberIndex;
use raid_sim::crash::{Cache, Crash, Share, Written};
use raid_sim::device::RamDevice;
use raid_sim::host::Waits;
use raid_sim::order::{Order, Random};
use raid_sim::rules::Rule;
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Turn, Wish};

use crate::arrays;
use crate::bad_blocks;
use crate::judge::{Case, judge};
use crate::ledger::Ledger;
use crate::logged_bad_blocks;
use crate::places::Places;
use crate::replacement;

/// What is done to the array.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Starts a write of so many sectors at this one.
    Write(u64, u64),
    /// The same, answered once it is durable.
    Durable(u64, u64),
    Flush,
    Clean,
    Pass(PassKind),
    /// Has bits of the write-intent bitmap cleared.
    Sweep,
    /// Goes on for so many turns.
    Turns(usize),
    /// Goes on until all is done.
    Settle,
}

/// Bytes on a member that are not what they should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Damage {
    pub(crate) member: u8,
    /// Sectors of its data.
    pub(crate) at: u64,
    pub(crate) sectors: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) blueprint: Blueprint,
    pub(crate) damage: Vec<Damage>,
    pub(crate) steps: Vec<Step>,
    /// Members that fail, and how.
    pub(crate) rules: Vec<(u8, Rule)>,
    pub(crate) seed: u64,
}

/// How many crashes are looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Depth {
    /// Every subset of so many doubtful writes.
    pub(crate) all_up_to: usize,
    /// Beyond that so many, by chance.
    pub(crate) subsets: u64,
    /// Besides so many in which writes are torn.
    pub(crate) torn: u64,
}

impl Depth {
    pub(crate) const EVERY: Self = Self { all_up_to: 6, subsets: 24, torn: 4 };
    pub(crate) const FEW: Self = Self { all_up_to: 3, subsets: 4, torn: 2 };

    /// As deep as the environment asks for.
    pub(crate) fn or_long(self) -> Self {
        if is_long() { Self { all_up_to: 10, subsets: 500, torn: 50 } } else { self }
    }
}

pub(crate) fn is_long() -> bool {
    std::env::var("RAID_CRASHES").is_ok_and(|value| value == "long")
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    /// Moments that differ.
    pub(crate) moments: u64,
    /// What a crash could leave of them.
    pub(crate) states: u64,
    /// Of these, those unlike any before in their run.
    pub(crate) judged: u64,
    /// Of these, those in which a backup held what nothing else did.
    pub(crate) restored: u64,
}

impl Tally {
    pub(crate) fn report(&self, what: &str, least: u64) {
        println!(
            "{what}: {} runs, {} moments, {} crash states, {} of them different",
            self.runs, self.moments, self.states, self.judged
        );
        assert!(self.states >= least, "fewer crash states than there were: {self:?}");
    }
}

/// Runs the scenario in some orders of completions.
pub(crate) fn crash_everywhere(scenario: &Scenario, depth: Depth, orders: u64, tally: &mut Tally) {
    for number in 0..if is_long() { 3 * orders } else { orders } {
        let order = match number {
            0 => Order::Fifo,
            1 => Order::Lifo,
            seed => Order::Random(Random::new(seed + scenario.seed)),
        };
        Run::new(scenario, depth.or_long(), tally).drive(order);
    }
}

/// Members that lack no more than marked chunks.
fn by_intent(blueprint: &Blueprint) -> MemberSet {
    let marked = |member: &MemberIndex| match blueprint.seats[member.index()].unwrap().behind {
        Behind::Everything => false,
        Behind::MarkedChunks { .. } => true,
    };
    blueprint.rebuilding().into_iter().filter(marked).collect()
}

/// What every device says at the start.
fn on_record(blueprint: &Blueprint) -> Record {
    Record {
        events: blueprint.events,
        consistency: blueprint.consistency,
        failed: blueprint.absent(),
        rebuilding: blueprint.rebuilding(),
        rebuilt_to: raid_core::units::Sectors::ZERO,
        by_intent: by_intent(blueprint),
        replacement: blueprint
            .replacement
            .map(|(member, seat)| replacement::on_record(member, seat)),
        shaping: Shaping::Fixed,
    }
}

struct Run<'s, 't> {
    scenario: &'s Scenario,
    depth: Depth,
    tally: &'t mut Tally,
    places: Places,
    ledger: Ledger,
    devices: Vec<RamDevice>,
    random: Random,
    answers: usize,
    /// Members whose loss has to be on record since an answer.
    recorded: MemberSet,
    touched: Vec<usize>,
    /// Records up to this event count do not know of the damage.
    unknown_up_to: u64,
    signature: (Vec<(u64, usize, usize)>, usize),
    seen: HashSet<u64>,
}

impl<'s, 't> Run<'s, 't> {
    fn new(scenario: &'s Scenario, depth: Depth, tally: &'t mut Tally) -> Self {
        let blueprint = &scenario.blueprint;
        let places = Places::of(blueprint);
        let content = arrays::bytes(blueprint.geometry.size().0, scenario.seed);
        let mut ledger = Ledger::of(&content);
        let mut devices = blueprint.devices(&content);
        for damage in &scenario.damage {
            let bytes = arrays::bytes(damage.sectors, scenario.seed + 77);
            let device = &mut devices[usize::from(damage.member)];
            device.medium.store(DATA_OFFSET + damage.at, &bytes);
            ledger.damage(&places, damage.member, damage.at, &bytes);
        }
        for member in blueprint.rebuilding() {
            let garbage = arrays::bytes(blueprint.member_sectors, scenario.seed + 78);
            let behind = blueprint.seats[member.index()].unwrap().behind;
            for (sector, garbage) in garbage.chunks(512).enumerate() {
                let mut under = places.under_bits(sector).into_iter();
                let intent = blueprint.intent.as_ref();
                let lacked = match behind {
                    Behind::Everything => true,
                    Behind::MarkedChunks { .. } => {
                        intent.is_some_and(|intent| under.any(|sector| intent.is_set(sector)))
                    }
                };
                if lacked {
                    let at = DATA_OFFSET + u64::try_from(sector).unwrap();
                    devices[member.index()].medium.store(at, garbage);
                }
            }
        }
        if let Some((member, seat)) = blueprint.replacement {
            devices.push(replacement::device(blueprint, &devices[member.index()], seat));
        }
        let record = on_record(blueprint);
        for device in &mut devices {
            device.recorded = Some(record);
            device.durable = Some(record);
            device.cache = Some(Cache::over(device));
        }
        for (member, rule) in &scenario.rules {
            devices[usize::from(*member)].rules.push(rule.clone());
        }
        tally.runs += 1;
        Self {
            scenario,
            depth,
            tally,
            places,
            ledger,
            devices,
            random: Random::new(scenario.seed),
            answers: 0,
            recorded: blueprint.absent(),
            touched: Vec::new(),
            unknown_up_to: match blueprint.consistency {
                Consistency::Clean => u64::MAX,
                Consistency::InSyncTo(_) => blueprint.events,
            },
            signature: (Vec::new(), 0),
            seen: HashSet::new(),
        }
    }

    fn drive(mut self, order: Order) {
        let mut lent = Lent::to(&self.scenario.blueprint);
        let devices = core::mem::take(&mut self.devices);
        let mut sim = Sim::made(&self.scenario.blueprint, &mut lent, devices);
        sim.order = order;
        // One step at a time: nothing ends while there is something to do.
        sim.budget = 1;
        sim.host.waits = Waits::ForItsOwn;
        self.look(&sim);
        for step in &self.scenario.steps {
            match *step {
                Step::Write(at, sectors) => {
                    let bytes = self.ledger.bytes(sectors);
                    let stability = Stability::Stable;
                    let wish = Wish::Write { at, bytes: bytes.clone(), stability };
                    let id = sim.start(wish).expect("the write is taken");
                    self.touch(at, sectors);
                    self.ledger.write(id, (at, &bytes), Durability::Cached);
                }
                Step::Durable(at, sectors) => {
                    let bytes = self.ledger.bytes(sectors);
                    let id = sim.start_durable(at, bytes.clone()).expect("the write is taken");
                    self.touch(at, sectors);
                    self.ledger.write(id, (at, &bytes), Durability::Durable);
                }
                Step::Flush => self.ledger.flush(sim.start(Wish::Flush).expect("taken")),
                Step::Clean => self.ledger.mark_clean(sim.start(Wish::MarkClean).expect("taken")),
                Step::Sweep => sim.engine.sweep_bitmap(),
                Step::Pass(kind) => sim.engine.start_pass(kind).expect("the pass starts"),
                Step::Turns(turns) => {
                    for _ in 0..turns {
                        sim.turn();
                        self.look(&sim);
                    }
                }
                Step::Settle => {
                    while sim.turn() == Turn::Again {
                        self.look(&sim);
                    }
                    self.look(&sim);
                }
            }
        }
    }

    fn touch(&mut self, at: u64, sectors: u64) {
        for lba in at..at + sectors {
            self.touched.push(self.places.sector(usize::try_from(lba).unwrap()));
        }
    }

    /// Takes note of answers, and crashes if this moment is unlike the one before.
    fn look(&mut self, sim: &Sim<'_>) {
        for answer in &sim.host.answers[self.answers..] {
            self.ledger.answered(answer);
            // With others under way, whose loss an answer had to wait for is not known here.
            if sim.host.unanswered() == 0 && answer.result.is_ok() {
                self.recorded = self.recorded.union(sim.host.lost());
            }
        }
        self.answers = sim.host.answers.len();
        if self.unknown_up_to == u64::MAX && sim.pass_ended().is_some() {
            self.unknown_up_to = sim.engine.events();
        }
        let crash = sim.host.crash();
        let signature = (crash.signature(), self.answers);
        if signature == self.signature {
            return;
        }
        self.signature = signature;
        self.tally.moments += 1;
        self.crash(&crash, sim.host.lost());
    }

    fn crash(&mut self, crash: &Crash, lost: MemberSet) {
        let doubtful = crash.doubtful();
        let whole = |mask: u64, number: usize| match mask >> number & 1 {
            1 => Share::All,
            _ => Share::Nothing,
        };
        if doubtful <= self.depth.all_up_to {
            for mask in 0..1 << doubtful {
                self.state(crash, lost, |_, number| whole(mask, number));
            }
        } else {
            let all = (1 << doubtful) - 1;
            let mut masks = vec![0, all];
            for number in 0..doubtful {
                masks.extend([1 << number, all ^ (1 << number)]);
            }
            masks.extend((0..self.depth.subsets).map(|_| self.random.next() & all));
            for mask in masks {
                self.state(crash, lost, |_, number| whole(mask, number));
            }
        }
        for _ in 0..if doubtful > 0 { self.depth.torn } else { 0 } {
            let mut random = Random::new(self.random.next());
            self.state(crash, lost, |what, _| torn(what, &mut random));
        }
    }

    fn state(
        &mut self,
        crash: &Crash,
        lost: MemberSet,
        mut share: impl FnMut(&Written, usize) -> Share,
    ) {
        self.tally.states += 1;
        let mut number = 0;
        let mut shares = Vec::new();
        let survivors = crash.leave(|what| {
            let share = share(what, number);
            shares.push(share);
            number += 1;
            share
        });
        let mut hasher = DefaultHasher::new();
        self.answers.hash(&mut hasher);
        for (device, cache) in survivors.iter().zip(&crash.caches) {
            device.recorded.hash(&mut hasher);
            device.intent.hash(&mut hasher);
            device.listed.hash(&mut hasher);
            cache.unflushed().len().hash(&mut hasher);
            let sectors = usize::try_from(device.medium.sectors()).unwrap();
            device.medium.stored(0, sectors * 512).hash(&mut hasher);
        }
        if !self.seen.insert(hasher.finish()) {
            return;
        }
        self.tally.judged += 1;
        let case = Case {
            scenario: self.scenario,
            places: &self.places,
            ledger: &self.ledger,
            touched: &self.touched,
            unknown_up_to: self.unknown_up_to,
            recorded: self.recorded,
            lost,
            crash,
            shares: &shares,
        };
        if self.scenario.blueprint.replacement.is_some() {
            replacement::judge(&case, &survivors);
            return;
        }
        match (self.scenario.blueprint.bad_blocks, self.scenario.blueprint.log) {
            (0, _) => judge(&case, survivors),
            (_, RowLog::None | RowLog::Journal(_)) => bad_blocks::judge(&case, &survivors),
            (_, RowLog::PartialParity { .. }) => logged_bad_blocks::judge(&case, &survivors),
        }
    }
}

/// Part of a write: sectors from its start on, or any.
fn torn(what: &Written, random: &mut Random) -> Share {
    let Written::Blocks { bytes, .. } = what else {
        return if random.below(2) == 0 { Share::Nothing } else { Share::All };
    };
    let sectors = u64::try_from(bytes.len() / 512).unwrap().min(63);
    match random.below(4) {
        0 => Share::Nothing,
        1 => Share::All,
        2 => Share::Sectors((1 << random.below(sectors + 1)) - 1),
        _ => Share::Sectors(random.next()),
    }
}
