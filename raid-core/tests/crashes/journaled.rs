//! Writes to arrays with a journal: every sector holds what was there before or what was written,
//! those in flight too, whichever members the crash takes, as many as parity makes up for.

use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};

use raid_core::blocking::BlockDevice;
use raid_core::engine::{PassEnd, PassKind, RowLog};
use raid_core::geometry::{Layout, Raid5Layout, Raid6Layout};
use raid_core::host::{Durability, Fault};
use raid_core::io_limits::IoLimits;
use raid_core::members::MemberSet;
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::{DeviceSector, MemberIndex};
use raid_sim::crash::{Cache, Crash, Share};
use raid_sim::device::RamDevice;
use raid_sim::order::Random;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, Lent, Sim, Wish};
use raid_sim::{journal, reference};

use crate::arrays::{self, CHUNK};
use crate::assembly::{Assembled, assemble};
use crate::judge::Case;
use crate::scenario::{Depth, Scenario, Step, Tally, crash_everywhere, is_long};

/// Says all that is known of the crash where something does not hold.
macro_rules! require {
    ($back:expr, $holds:expr, $($what:tt)+) => {
        if !$holds {
            $back.fail(&format!($($what)+));
        }
    };
}

/// An array that came back after a crash.
struct Back<'c> {
    case: &'c Case<'c>,
    found: &'c Assembled,
    blueprint: Blueprint,
    devices: Vec<RamDevice>,
}

pub(crate) fn judge(case: &Case<'_>, survivors: Vec<RamDevice>) {
    let found = assemble(&survivors);
    assert!(found.out.difference(case.lost).is_empty(), "a device is out that was never lost");
    assert!(case.recorded.difference(found.out).is_empty(), "a loss was not on record");
    let members = case.scenario.blueprint.geometry.members();
    if found.out.contains(MemberIndex(members)) {
        // Without its journal it is an array like any other.
        let mut scenario = case.scenario.clone();
        scenario.blueprint.log = RowLog::None;
        crate::judge::judge(&Case { scenario: &scenario, ..*case }, survivors);
        return;
    }
    // Each takes a while, so that states take turns.
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let losses = losses(members, case.scenario.blueprint.geometry.redundancy());
    for (lost, number) in losses.into_iter().zip(0..) {
        if !lost.is_empty() && !is_long() && !(turn + number).is_multiple_of(3) {
            continue;
        }
        let blueprint = found.blueprint(&case.scenario.blueprint, lost);
        let gone = blueprint.absent().union(blueprint.rebuilding());
        if gone.count() > u32::from(blueprint.geometry.redundancy()) {
            continue;
        }
        let mut back = Back { case, found: &found, blueprint, devices: survivors.clone() };
        if lost.is_empty() && (is_long() || turn.is_multiple_of(8)) {
            back.is_cut_off_again();
        }
        back.replay();
        back.judge();
    }
}

/// How many states were judged.
static TURN: AtomicU64 = AtomicU64::new(0);

/// Every set of so many members, and of fewer.
fn losses(members: u8, most: u8) -> Vec<MemberSet> {
    let mut sets = vec![MemberSet::NONE];
    for _ in 0..most {
        for set in sets.clone() {
            for member in (0..members).map(MemberIndex) {
                let more = set.union(MemberSet::only(member));
                if !sets.contains(&more) {
                    sets.push(more);
                }
            }
        }
    }
    sets
}

/// A device that is cut off with all others after so many commands.
struct CutOff<'d> {
    device: &'d mut RamDevice,
    left: &'d Cell<u64>,
}

impl CutOff<'_> {
    fn count(&self) -> Result<(), Fault> {
        self.left.set(self.left.get().checked_sub(1).ok_or(Fault::Gone)?);
        Ok(())
    }
}

impl BlockDevice for CutOff<'_> {
    fn read(&mut self, at: DeviceSector, into: &mut [u8]) -> Result<(), Fault> {
        self.device.read(at, into)
    }

    fn write(&mut self, at: DeviceSector, from: &[u8], how: Durability) -> Result<(), Fault> {
        self.count()?;
        self.device.write(at, from, how)
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.count()?;
        self.device.cache.as_mut().unwrap().flush();
        Ok(())
    }

    fn limits(&self) -> IoLimits {
        self.device.limits()
    }
}

impl Back<'_> {
    /// The replay itself is cut off, at any of its writes and flushes: what is left is replayed.
    fn is_cut_off_again(&mut self) {
        let mut random = Random::new(self.case.scenario.seed + 5);
        let tail = journal::recorded_tail(&self.blueprint, &self.devices);
        for commands in (0..).step_by(if is_long() { 1 } else { 3 }) {
            let mut devices = self.devices.clone();
            for device in &mut devices {
                device.cache = Some(Cache::over(device));
            }
            let left = Cell::new(commands);
            let mut cut: Vec<_> =
                devices.iter_mut().map(|device| CutOff { device, left: &left }).collect();
            let done = journal::replay_from(tail, &self.blueprint, &mut cut, &[]);
            let crash =
                Crash { caches: devices.into_iter().map(|device| device.cache.unwrap()).collect() };
            let records: Vec<_> =
                self.devices.iter().map(|device| (device.recorded, device.durable)).collect();
            let mut left_over = crash.leave(|_| match random.below(3) {
                0 => Share::Nothing,
                1 => Share::All,
                _ => Share::Sectors(random.next()),
            });
            for (device, (recorded, durable)) in left_over.iter_mut().zip(records) {
                (device.recorded, device.durable) = (recorded, durable);
            }
            let again = Self { devices: left_over, blueprint: self.blueprint.clone(), ..*self };
            let mut again = again;
            again.replay();
            let content = again.content();
            again.agrees(&content);
            if done.is_ok() {
                return;
            }
        }
    }

    fn replay(&mut self) {
        match journal::replay(&self.blueprint, &mut self.devices, &[]) {
            Ok(head) => self.blueprint.journal_head = Some(head),
            Err(failure) => self.fail(&format!("the journal is not replayed: {failure}")),
        }
        for (device, member) in self.devices.iter_mut().zip(0..=u8::MAX) {
            if !self.found.out.contains(MemberIndex(member)) {
                device.recorded = Some(self.found.freshest);
                device.durable = device.recorded;
            }
        }
    }

    /// What the members hold, with nobody missing.
    fn content(&self) -> Vec<u8> {
        let gone = self.blueprint.absent().union(self.blueprint.rebuilding());
        let areas = self.blueprint.areas(&self.devices, gone);
        reference::content(&self.blueprint.geometry, &areas).expect("parity makes up for it")
    }

    /// Parity agrees with the data, if the record says that it does.
    fn agrees(&self, content: &[u8]) {
        if self.blueprint.consistency != Consistency::Clean {
            return;
        }
        let gone = self.blueprint.absent().union(self.blueprint.rebuilding());
        let areas = self.blueprint.areas(&self.devices, gone);
        let sectors = self.blueprint.member_sectors;
        let wrong = reference::disagreements(&self.blueprint.geometry, content, &areas, sectors);
        require!(self, wrong.is_empty(), "parity is called in sync: {wrong:?}");
    }

    fn judge(&self) {
        let gone = self.blueprint.absent().union(self.blueprint.rebuilding());
        self.agrees(&self.content());
        let mut lent = Lent::to(&self.blueprint);
        let mut sim = Sim::made(&self.blueprint, &mut lent, self.devices.clone());
        let content = self.read(&mut sim);
        if let (Consistency::InSyncTo(_), true) = (self.blueprint.consistency, gone.is_empty()) {
            let (report, end) = sim.pass(PassKind::Resync);
            require!(self, end == PassEnd::Finished, "{end:?}: {report:?}");
            require!(self, self.read(&mut sim) == content, "a resync changes content");
        }
        let bytes = arrays::bytes(8, 77);
        let write = Wish::Write { at: 8, bytes: bytes.clone(), stability: Stability::Stable };
        require!(self, sim.request(write).result.is_ok(), "a write fails");
        require!(self, sim.request(Wish::MarkClean).result.is_ok(), "it is not marked clean");
        let mut wanted = content;
        wanted[8 * 512..16 * 512].copy_from_slice(&bytes);
        let areas = self.blueprint.areas(&sim.host.devices, self.found.out.union(gone));
        let wrong = reference::disagreements(
            &self.blueprint.geometry,
            &wanted,
            &areas,
            self.blueprint.member_sectors,
        );
        require!(self, wrong.is_empty(), "after a write: {wrong:?}");
    }

    /// Reads all of the array, twice: each sector holds one of its versions.
    fn read(&self, sim: &mut Sim<'_>) -> Vec<u8> {
        let sectors = self.blueprint.geometry.size().0;
        let read = || Wish::Read { at: 0, sectors, stability: Stability::Stable };
        let first = sim.request(read());
        require!(self, first.result.is_ok(), "a read fails");
        require!(self, sim.request(read()).memory == first.memory, "a second read differs");
        for (lba, bytes) in first.memory.chunks(512).enumerate() {
            if let Some(objection) = self.case.ledger.objection(lba, bytes) {
                self.fail(&objection);
            }
        }
        first.memory
    }

    fn fail(&self, what: &str) -> ! {
        let Case { scenario, shares, crash, lost, .. } = self.case;
        let mut writes = String::new();
        for (cache, device) in crash.caches.iter().zip(0..) {
            for write in cache.unflushed() {
                let mut what = format!("{:?}", write.what);
                what.truncate(100);
                writes += &format!("\n  device {device}: {what}: {:?}", write.durability);
            }
        }
        panic!(
            "{}: {what}\nsteps {:?}\nlost {lost:?}, assembled {:?}, without {:?}\n\
             shares {shares:?} of{writes}",
            scenario.name,
            scenario.steps,
            self.found,
            self.blueprint.absent(),
        );
    }
}

/// Arrays with a journal: one that is almost too small, and one in which several rows fit.
fn journaled() -> Vec<(&'static str, Blueprint)> {
    let array = |layout, members: u8, rows: u64, blocks: u64| {
        let blocks = blocks + 2 * (u64::from(members) + 2) + 2;
        Blueprint::new(layout, members, CHUNK, rows * CHUNK).journaled(blocks)
    };
    let raid5 = Layout::Raid5(Raid5Layout::LeftSymmetric);
    let raid6 = Layout::Raid6(Raid6Layout::LeftSymmetric);
    vec![
        ("RAID 4 of 3, the smallest journal", array(Layout::Raid4, 3, 3, 0)),
        ("RAID 5 of 3, a small journal", array(raid5, 3, 3, 9)),
        ("RAID 5 of 4", array(raid5, 4, 3, 30)),
        ("RAID 6 of 4, the smallest journal", array(raid6, 4, 3, 0)),
        ("RAID 6 of 5", array(raid6, 5, 3, 30)),
    ]
}

fn scripts(blueprint: &Blueprint) -> Vec<(&'static str, Vec<Step>)> {
    use Step::{Clean, Durable, Flush, Settle, Turns, Write};
    let row = arrays::width(blueprint);
    vec![
        ("one block", vec![Write(8, 8), Settle]),
        ("a whole row", vec![Write(0, row), Settle]),
        ("from row to row", vec![Write(row - 8, row + 8), Settle, Clean, Settle]),
        (
            "one row over and over",
            vec![
                Write(0, 8),
                Settle,
                Write(8, 8),
                Settle,
                Write(0, row),
                Settle,
                Write(8, 8),
                Settle,
            ],
        ),
        (
            "many at once",
            vec![Write(0, 8), Write(row, 8), Write(2 * row, 8), Write(row + 8, 8), Settle],
        ),
        ("durable, then not", vec![Durable(0, 8), Turns(7), Write(0, 8), Settle, Flush, Settle]),
    ]
}

fn scenario(name: String, blueprint: Blueprint, steps: Vec<Step>, seed: u64) -> Scenario {
    Scenario { name, blueprint, damage: Vec::new(), steps, rules: Vec::new(), seed }
}

/// The write hole. Every subset of what a crash leaves, and then every loss that parity makes up for.
#[test]
fn a_crash_and_any_loss_leave_each_sector_old_or_new() {
    let mut tally = Tally::default();
    for (array, blueprint) in journaled() {
        for ((script, steps), seed) in scripts(&blueprint).into_iter().zip(800..) {
            let scenario = scenario(format!("{array}, {script}"), blueprint.clone(), steps, seed);
            crash_everywhere(&scenario, Depth::EVERY, 1, &mut tally);
        }
    }
    tally.report("writes with a journal", 8_000);
}

/// The same, where members were lost long before.
#[test]
fn a_crash_of_a_degraded_array_leaves_each_sector_old_or_new() {
    let mut tally = Tally::default();
    for (array, blueprint) in journaled() {
        let geometry = blueprint.geometry;
        let losses = losses(geometry.members(), geometry.redundancy());
        for lost in losses.into_iter().skip(1).step_by(if is_long() { 1 } else { 3 }) {
            let blueprint = blueprint.clone().without(lost);
            for ((script, steps), seed) in scripts(&blueprint).into_iter().zip(900..) {
                let name = format!("{array} without {lost:?}, {script}");
                let scenario = scenario(name, blueprint.clone(), steps, seed);
                crash_everywhere(&scenario, Depth::FEW, 1, &mut tally);
            }
        }
    }
    tally.report("degraded writes with a journal", 8_000);
}

/// A member fails at every command: the tail must not move before the loss is on record, nor may a
/// row be left as a given-up write has it in the journal.
#[test]
fn a_member_fails_at_every_command_of_journaled_writes_and_then_everything_stops() {
    let mut tally = Tally::default();
    for (array, blueprint) in journaled().into_iter().step_by(2) {
        let members = u64::from(blueprint.geometry.members());
        for ((script, steps), number) in scripts(&blueprint).into_iter().zip(0_u64..) {
            let step = if is_long() { 1 } else { 11 };
            for after in (number % step..30).step_by(usize::try_from(step).unwrap()) {
                let member = u8::try_from((number + after) % members).unwrap();
                let fault = if after % 3 == 0 { Fault::InvalidRequest } else { Fault::Media };
                let gone = Rule::gone_after(after);
                let refuses = Rule::on(&[Action::Write], fault).skipping(after / 3).times(2);
                let rule = if after % 2 == 0 { gone } else { refuses };
                let name = format!("{array}, {script}, member {member} fails after {after}");
                let scenario = Scenario {
                    rules: vec![(member, rule)],
                    ..scenario(name, blueprint.clone(), steps.clone(), 1000 + number)
                };
                crash_everywhere(&scenario, Depth::FEW, 1, &mut tally);
            }
        }
    }
    tally.report("a failing member of journaled writes", 2_000);
}

/// The journal's device fails at every command.
#[test]
fn a_journal_fails_at_every_command_and_then_everything_stops() {
    let mut tally = Tally::default();
    for (array, blueprint) in journaled().into_iter().step_by(2) {
        let journal = blueprint.geometry.members();
        for ((script, steps), number) in scripts(&blueprint).into_iter().zip(0_u64..) {
            for after in (number % 7..24).step_by(if is_long() { 1 } else { 7 }) {
                let name = format!("{array}, {script}, the journal fails after {after}");
                let scenario = Scenario {
                    rules: vec![(journal, Rule::gone_after(after))],
                    ..scenario(name, blueprint.clone(), steps.clone(), 1100 + number)
                };
                crash_everywhere(&scenario, Depth::FEW, 1, &mut tally);
            }
        }
    }
    tally.report("a failing journal", 500);
}

/// A member is being rebuilt: above its mark it holds nothing, but for what was written meanwhile.
#[test]
fn a_crash_in_a_recovery_of_an_array_with_a_journal_leaves_each_sector_old_or_new() {
    use Step::{Clean, Pass, Settle, Turns, Write};
    let mut tally = Tally::default();
    for (array, blueprint) in journaled().into_iter().skip(1).step_by(2) {
        let row = arrays::width(&blueprint);
        for member in [MemberIndex(0), MemberIndex(2)] {
            let blueprint = arrays::rebuilding(blueprint.clone(), member);
            for (turns, seed) in [2, 20].into_iter().zip(1200..) {
                let write = |at, sectors| [Write(at, sectors), Turns(turns)];
                let recovery = [Pass(PassKind::Recovery), Turns(turns)];
                let writes = [write(0, 8), write(row - 8, 16), write(2 * row, row)].concat();
                let steps = [&recovery[..], &writes, &[Settle, Clean, Settle]].concat();
                let name = format!("{array}, {member:?} is rebuilt, {turns} turns between");
                let scenario = scenario(name, blueprint.clone(), steps, seed);
                crash_everywhere(&scenario, Depth::FEW, 1, &mut tally);
            }
        }
    }
    tally.report("a recovery with a journal", 2_000);
}
