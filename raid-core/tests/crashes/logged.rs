//! Writes to a RAID 5 array with logs of partial parity: what no write touched stays as it was,
//! whichever member the crash takes.

use raid_core::blocking::PplArray;
use raid_core::engine::{PassEnd, PassKind, SetupError};
use raid_core::geometry::{Geometry, Layout, ParityGeometry, Raid5Layout};
use raid_core::md::ppl::{PplScan, PplScanStep};
use raid_core::members::MemberSet;
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::{DeviceSector, MemberIndex, Sectors};
use raid_sim::crash::Written;
use raid_sim::device::RamDevice;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, Lent, Sim, Wish};
use raid_sim::{log, reference};

use crate::arrays::{self, CHUNK};
use crate::assembly::{Assembled, assemble};
use crate::judge::Case;
use crate::scenario::{Damage, Depth, Scenario, Step, Tally, crash_everywhere, is_long};
use crate::writes::scripts;

/// An array that came back after a crash, its logs replayed.
struct Replayed<'c> {
    case: &'c Case<'c>,
    found: Assembled,
    blueprint: Blueprint,
    devices: Vec<RamDevice>,
}

pub(crate) fn judge(case: &Case<'_>, survivors: &[RamDevice]) {
    let found = assemble(survivors);
    let all = || (0..case.scenario.blueprint.geometry.members()).map(MemberIndex);
    assert!(found.out.difference(case.lost).is_empty(), "a member is out that was never lost");
    assert!(case.recorded.difference(found.out).is_empty(), "a loss was not on record");
    for lost in all().map(MemberSet::only).chain([MemberSet::NONE]) {
        let blueprint = found.blueprint(&case.scenario.blueprint, lost);
        if blueprint.absent().union(blueprint.rebuilding()).count() > 1 {
            continue;
        }
        let devices = survivors.to_vec();
        if let Some(replayed) = Replayed::start(case, found.clone(), blueprint, devices) {
            replayed.judge();
        }
    }
}

fn parity_geometry(blueprint: &Blueprint) -> &ParityGeometry {
    match &blueprint.geometry {
        Geometry::Parity(geometry) => geometry,
        Geometry::Copies(_) => panic!("level 5 has parity"),
    }
}

/// Whether a device has a log at all, by its first block.
fn has_log(blueprint: &Blueprint, device: &RamDevice) -> bool {
    let area = log::area(blueprint).expect("an array with logs");
    let DeviceSector(at) = area.start();
    let block = device.medium.stored(at, 4096).try_into().unwrap();
    match PplScan::begin(area, log::signature()).feed(block) {
        PplScanStep::Read(_) => true,
        PplScanStep::Done(found) => found.is_some(),
    }
}

/// Says all that is known of the crash where something does not hold.
macro_rules! require {
    ($back:expr, $holds:expr, $($what:tt)+) => {
        if !$holds {
            $back.fail(&format!($($what)+));
        }
    };
}

impl<'c> Replayed<'c> {
    /// Does what the logs say; `None` if that is no start.
    fn start(
        case: &'c Case<'c>,
        found: Assembled,
        mut blueprint: Blueprint,
        mut devices: Vec<RamDevice>,
    ) -> Option<Self> {
        let areas = vec![log::area(&blueprint); blueprint.seats.len()];
        let array = PplArray {
            geometry: parity_geometry(&blueprint),
            signature: log::signature(),
            seats: &blueprint.seats,
            areas: &areas,
            consistency: blueprint.consistency,
            bad_blocks: &[],
        };
        let intact = (devices.iter().zip(&blueprint.seats))
            .any(|(device, seat)| seat.is_some() && has_log(&blueprint, device));
        let start = array.prepare(&mut devices).expect("the logs can be replayed");
        let lacking = !blueprint.absent().union(blueprint.rebuilding()).is_empty();
        blueprint.consistency = start.consistency;
        blueprint.log_generation = start.generation;
        if lacking && start.consistency != Consistency::Clean {
            // The crash tore the headers of all logs at once.
            assert!(!intact, "{}: it is not started though there are logs", case.scenario.name);
            let mut lent = Lent::to(&blueprint);
            let refusal = Sim::new(&blueprint, &mut lent, devices).err();
            assert_eq!(refusal, Some(SetupError::DirtyDegraded));
            return None;
        }
        for (device, member) in devices.iter_mut().zip(0..=u8::MAX) {
            if !found.out.contains(MemberIndex(member)) {
                device.recorded = Some(found.freshest);
                device.durable = device.recorded;
            }
        }
        Some(Self { case, found, blueprint, devices })
    }

    fn judge(&self) {
        let gone = self.blueprint.absent().union(self.blueprint.rebuilding());
        if gone.is_empty() && self.blueprint.consistency == Consistency::Clean {
            let areas = self.blueprint.areas(&self.devices, MemberSet::NONE);
            let geometry = &self.blueprint.geometry;
            let content = reference::content(geometry, &areas).expect("all members are there");
            let sectors = self.blueprint.member_sectors;
            let wrong = reference::disagreements(geometry, &content, &areas, sectors);
            require!(self, wrong.is_empty(), "parity is called in sync: {wrong:?}");
        }
        let mut lent = Lent::to(&self.blueprint);
        let mut sim = Sim::made(&self.blueprint, &mut lent, self.devices.clone());
        let content = self.read(&mut sim, gone);
        if let (Consistency::InSyncTo(_), true) = (self.blueprint.consistency, gone.is_empty()) {
            let (report, end) = sim.pass(PassKind::Resync);
            require!(self, end == PassEnd::Finished, "{end:?}: {report:?}");
            require!(self, self.read(&mut sim, gone) == content, "a resync changes content");
        }
        // It goes on as an array with logs, and is whole at its end.
        let bytes = arrays::bytes(3, 77);
        let write = Wish::Write { at: 1, bytes: bytes.clone(), stability: Stability::Stable };
        require!(self, sim.request(write).result.is_ok(), "a write fails");
        require!(self, sim.request(Wish::MarkClean).result.is_ok(), "it is not marked clean");
        let mut wanted = content;
        wanted[512..512 + bytes.len()].copy_from_slice(&bytes);
        let areas = self.blueprint.areas(&sim.host.devices, self.found.out.union(gone));
        let wrong = reference::disagreements(
            &self.blueprint.geometry,
            &wanted,
            &areas,
            self.blueprint.member_sectors,
        );
        require!(self, wrong.is_empty(), "after a write: {wrong:?}");
    }

    /// Reads all of the array, twice. Sectors in flight on a member that is gone may hold anything.
    fn read(&self, sim: &mut Sim<'_>, gone: MemberSet) -> Vec<u8> {
        let sectors = self.blueprint.geometry.size().0;
        let read = || Wish::Read { at: 0, sectors, stability: Stability::Stable };
        let first = sim.request(read());
        require!(self, first.result.is_ok(), "a read fails");
        require!(self, sim.request(read()).memory == first.memory, "a second read differs");
        for (lba, bytes) in first.memory.chunks(512).enumerate() {
            let lost = gone.into_iter().any(|member| {
                let sector = self.case.places.sector(lba);
                self.case.places.lba(member, sector) == Some(lba)
            });
            if lost && self.case.ledger.is_in_flight(lba) {
                continue;
            }
            if let Some(objection) = self.case.ledger.objection(lba, bytes) {
                self.fail(&objection);
            }
        }
        first.memory
    }

    fn fail(&self, what: &str) -> ! {
        let Case { scenario, shares, crash, .. } = self.case;
        let mut writes = String::new();
        for (cache, member) in crash.caches.iter().zip(0..) {
            for write in cache.unflushed() {
                writes += &match &write.what {
                    Written::Blocks { at, bytes } => {
                        format!("\n  member {member}: {} sectors at {at}", bytes.len() / 512)
                    }
                    other @ (Written::Metadata(_) | Written::List { .. } | Written::Intent(_)) => {
                        format!("\n  member {member}: {other:?}")
                    }
                };
            }
        }
        panic!(
            "{}: {what}\nsteps {:?}\nlost {:?}, assembled {:?}, started {:?} without {:?}\n\
             shares {shares:?} of{writes}",
            scenario.name,
            scenario.steps,
            self.case.lost,
            self.found,
            self.blueprint.consistency,
            self.blueprint.absent(),
        );
    }
}

/// Arrays with logs: small ones that are written over each time, and rings.
fn logged() -> Vec<(&'static str, Blueprint)> {
    let raid5 = |members, rows: u64| {
        let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
        Blueprint::new(layout, members, CHUNK, rows * CHUNK)
    };
    vec![
        ("RAID 5 of 3, a small log", raid5(3, 3).logged(Sectors(16))),
        ("RAID 5 of 4, a ring", raid5(4, 3).logged(Sectors(256))),
    ]
}

fn logged_scripts(blueprint: &Blueprint) -> Vec<(&'static str, Vec<Step>)> {
    use Step::{Clean, Settle, Write};
    let row = arrays::width(blueprint);
    let mut all = scripts(blueprint);
    all.push((
        "one row over and over",
        vec![Write(2, 3), Settle, Write(3, 4), Settle, Write(1, row - 2), Settle, Clean, Settle],
    ));
    all.push((
        "many at once",
        vec![Write(0, 2), Write(row, 2), Write(2 * row, 2), Write(row + 4, 2), Settle],
    ));
    all
}

fn scenario(name: String, blueprint: Blueprint, steps: Vec<Step>, seed: u64) -> Scenario {
    Scenario { name, blueprint, damage: Vec::new(), steps, rules: Vec::new(), seed }
}

/// The write hole. Every subset of what a crash leaves, and then every member lost.
#[test]
fn a_crash_and_the_loss_of_any_member_leave_what_no_write_touched() {
    let mut tally = Tally::default();
    for (array, blueprint) in logged() {
        for ((script, steps), seed) in logged_scripts(&blueprint).into_iter().zip(300..) {
            let scenario = scenario(format!("{array}, {script}"), blueprint.clone(), steps, seed);
            crash_everywhere(&scenario, Depth::EVERY, 2, &mut tally);
        }
    }
    tally.report("writes with logs", 10_000);
}

/// The same, where the member was lost long before.
#[test]
fn a_crash_of_a_degraded_array_leaves_what_no_write_touched() {
    let mut tally = Tally::default();
    for (array, blueprint) in logged() {
        for member in (0..blueprint.geometry.members()).map(MemberIndex) {
            let blueprint = blueprint.clone().without(MemberSet::only(member));
            for ((script, steps), seed) in logged_scripts(&blueprint).into_iter().zip(400..) {
                let name = format!("{array} without {member:?}, {script}");
                let scenario = scenario(name, blueprint.clone(), steps, seed);
                crash_everywhere(&scenario, Depth::FEW, 1, &mut tally);
            }
        }
    }
    tally.report("degraded writes with logs", 9_000);
}

/// A member is being rebuilt: above its mark it holds nothing, and its log speaks of nothing.
#[test]
fn a_crash_in_a_recovery_of_an_array_with_logs_leaves_what_no_write_touched() {
    use Step::{Clean, Pass, Settle, Turns, Write};
    let mut tally = Tally::default();
    for (array, blueprint) in logged() {
        let row = arrays::width(&blueprint);
        for member in [MemberIndex(0), MemberIndex(2)] {
            let blueprint = arrays::rebuilding(blueprint.clone(), member);
            for (turns, seed) in [2, 20].into_iter().zip(600..) {
                let write = |at, sectors| [Write(at, sectors), Turns(turns)];
                let recovery = [Pass(PassKind::Recovery), Turns(turns)];
                let writes = [write(2, 3), write(row - 2, 5), write(2 * row, row)].concat();
                let steps = [&recovery[..], &writes, &[Settle, Clean, Settle]].concat();
                let name = format!("{array}, {member:?} is rebuilt, {turns} turns between");
                let scenario = scenario(name, blueprint.clone(), steps, seed);
                crash_everywhere(&scenario, Depth::FEW, 1, &mut tally);
            }
        }
    }
    tally.report("a recovery with logs", 5_000);
}

/// A member fails at every command: a log must not be given up before the loss is on record, nor a
/// row be written without one that was to be logged.
#[test]
fn a_member_fails_at_every_command_of_logged_writes_and_then_everything_stops() {
    let mut tally = Tally::default();
    for (array, blueprint) in logged() {
        let members = u64::from(blueprint.geometry.members());
        for ((script, steps), number) in logged_scripts(&blueprint).into_iter().zip(0_u64..) {
            let step = if is_long() { 1 } else { 5 };
            for after in (number % step..30).step_by(usize::try_from(step).unwrap()) {
                let member = u8::try_from((number + after) % members).unwrap();
                let gone = Rule::gone_after(after);
                let refuses = Rule::on(&[Action::Write], raid_core::host::Fault::Media);
                let rule = if after % 2 == 0 { gone } else { refuses.skipping(after / 3).times(2) };
                let name = format!("{array}, {script}, member {member} fails after {after}");
                let scenario = Scenario {
                    rules: vec![(member, rule)],
                    ..scenario(name, blueprint.clone(), steps.clone(), 500 + number)
                };
                crash_everywhere(&scenario, Depth::FEW, 1, &mut tally);
            }
        }
    }
    tally.report("a failing member of logged writes", 5_000);
}

/// A log that is in use says that parity agrees, so what made it agree is durable before.
#[test]
fn a_crash_where_the_logs_come_into_use_leaves_what_the_resync_vouches_for() {
    use Step::{Pass, Settle, Turns, Write};
    let mut tally = Tally::default();
    let (array, blueprint) = logged().swap_remove(0);
    let blueprint = Blueprint { consistency: Consistency::InSyncTo(Sectors::ZERO), ..blueprint };
    let row = arrays::width(&blueprint);
    for turns in (0..120).step_by(if is_long() { 1 } else { 3 }) {
        let steps = vec![Pass(PassKind::Resync), Turns(turns), Write(2 * row, 2), Settle];
        let name = format!("{array}, a write {turns} turns after its resync");
        let damage = vec![Damage { member: 0, at: 0, sectors: CHUNK }];
        let scenario = Scenario { damage, ..scenario(name, blueprint.clone(), steps, 700) };
        crash_everywhere(&scenario, Depth::FEW, 3, &mut tally);
    }
    tally.report("logs that come into use", 1_000);
}
