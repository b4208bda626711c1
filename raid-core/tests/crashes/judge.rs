//! What has to hold of an array that comes back after a crash.

use raid_core::engine::{Dirty, PassEnd, PassKind, RowLog, SetupError};
use raid_core::geometry::Geometry;
use raid_core::host::{Command, Durability};
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::MemberIndex;
use raid_sim::crash::{Crash, Share, Written};
use raid_sim::device::RamDevice;
use raid_sim::reference;
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish, read_back};

use crate::assembly::{Assembled, assemble};
use crate::ledger::Ledger;
use crate::places::Places;
use crate::scenario::Scenario;

/// A crash, and what is known of the run up to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'c> {
    pub(crate) scenario: &'c Scenario,
    pub(crate) places: &'c Places,
    pub(crate) ledger: &'c Ledger,
    /// Sectors of stripes that requests wrote to.
    pub(crate) touched: &'c [usize],
    /// Members whose loss has to be on record.
    pub(crate) recorded: MemberSet,
    /// Members that the engine has called lost.
    pub(crate) lost: MemberSet,
    /// Records up to this event count do not know of the damage.
    pub(crate) unknown_up_to: u64,
    pub(crate) crash: &'c Crash,
    pub(crate) shares: &'c [Share],
}

/// An array that came back, before anything is done to it.
struct Back<'c> {
    case: &'c Case<'c>,
    found: Assembled,
    /// Sectors of stripes that may be written in part.
    open: Vec<bool>,
    survivors: Vec<RamDevice>,
}

/// Says all that is known of the crash where something does not hold.
macro_rules! require {
    ($back:expr, $holds:expr, $($what:tt)+) => {
        if !$holds {
            $back.fail(&format!($($what)+));
        }
    };
}

pub(crate) fn judge(case: &Case<'_>, survivors: Vec<RamDevice>) {
    if let RowLog::PartialParity { .. } = case.scenario.blueprint.log {
        crate::logged::judge(case, &survivors);
        return;
    }
    if let RowLog::Journal(_) = case.scenario.blueprint.log {
        crate::journaled::judge(case, survivors);
        return;
    }
    let found = assemble(&survivors);
    let back = Back { case, open: open(case, &found), found, survivors };
    require!(
        back,
        back.found.out.difference(case.lost).is_empty(),
        "a member is out that was never lost"
    );
    require!(
        back,
        case.recorded.difference(back.found.out).is_empty(),
        "a member is in whose loss had to be on record",
    );
    back.agreement();
    let content = back.goes_on();
    for member in (0..case.scenario.blueprint.geometry.members()).map(MemberIndex) {
        back.lacks(member, &content);
    }
}

/// Sectors of stripes of which writes are not durable on every member that is in.
pub(crate) fn open(case: &Case<'_>, found: &Assembled) -> Vec<bool> {
    let sectors = usize::try_from(case.scenario.blueprint.member_sectors).unwrap();
    let mut open = vec![false; sectors];
    for (cache, member) in case.crash.caches.iter().zip(0..=u8::MAX) {
        if found.out.contains(MemberIndex(member)) {
            continue;
        }
        for write in cache.unflushed() {
            if let Written::Blocks { at, bytes } = &write.what {
                let start = usize::try_from(at - DATA_OFFSET).unwrap();
                open[start..start + bytes.len() / 512].fill(true);
            }
        }
    }
    // A member that is back, its loss on nobody's record, lacks what was written without it.
    if !case.lost.difference(found.out).is_empty() {
        for sector in case.touched {
            open[*sector] = true;
        }
    }
    for damage in &case.scenario.damage {
        let start = usize::try_from(damage.at).unwrap();
        open[start..start + usize::try_from(damage.sectors).unwrap()].fill(true);
    }
    open
}

/// How far what is read may be from what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Everywhere one of the versions.
    Everywhere,
    /// But for stripes that may be written in part.
    ButOpen,
    /// But for stripes that were damaged from the start.
    ButDamaged,
}

impl Back<'_> {
    fn fail(&self, what: &str) -> ! {
        let records: Vec<_> = self.survivors.iter().map(|device| device.recorded).collect();
        let mut shares = self.case.shares.iter();
        let mut writes = String::new();
        for (cache, member) in self.case.crash.caches.iter().zip(0..=u8::MAX) {
            for write in cache.unflushed() {
                let share = match write.durability {
                    Durability::Cached => shares.next(),
                    Durability::Durable => None,
                };
                let what = match &write.what {
                    Written::Blocks { at, bytes } => {
                        format!("{} sectors at {at}", bytes.len() / 512)
                    }
                    Written::Metadata(record) => format!("{record:?}"),
                    Written::Intent(line) => format!("{line:?}"),
                    Written::List { sectors, state } => format!("{sectors:?} {state:?}"),
                };
                writes += &format!("\n  member {member}: {what}: {share:?}");
            }
        }
        panic!(
            "{}: {what}\nsteps {:?}\nlost {:?}, assembled {:?}\nrecords {records:#?}\ndoubtful:{writes}",
            self.case.scenario.name, self.case.scenario.steps, self.case.lost, self.found
        );
    }

    fn geometry(&self) -> &Geometry {
        &self.case.scenario.blueprint.geometry
    }

    fn has_parity(&self) -> bool {
        matches!(self.geometry(), Geometry::Parity(_))
    }

    /// What the record vouches for is so, and so is what is settled, whatever the record says.
    fn agreement(&self) {
        let blueprint = self.found.blueprint(&self.case.scenario.blueprint, MemberSet::NONE);
        let partial = blueprint.rebuilding();
        let valid = blueprint.areas(&self.survivors, self.found.out.union(partial));
        let content = match reference::content(self.geometry(), &valid) {
            Ok(content) => content,
            Err(lost) => self.fail(&format!("nobody holds sector {:?}", lost.at)),
        };
        let wanted = reference::lay_out(self.geometry(), &content, blueprint.member_sectors);
        let marked = usize::try_from(self.found.freshest.rebuilt_to.0).unwrap();
        for (place, wanted) in wanted.iter().enumerate() {
            let member = MemberIndex(u8::try_from(place).unwrap());
            if self.found.out.contains(member) {
                continue;
            }
            let end = if partial.contains(member) { marked } else { usize::MAX };
            let is = self.survivors[place].medium.stored(DATA_OFFSET, wanted.len());
            let sectors = is.chunks(512).zip(wanted.chunks(512)).enumerate();
            for (sector, (is, wanted)) in sectors.take(end) {
                if partial.contains(member)
                    && let Some(lba) = self.case.places.lba(member, sector)
                    && let Some(objection) = self.case.ledger.objection(lba, is)
                {
                    self.fail(&format!("below the mark of member {place}: {objection}"));
                }
                if is != wanted && (self.vouched(sector) || !self.open[sector]) {
                    self.fail(&format!("sector {sector} of member {place} disagrees"));
                }
            }
        }
    }

    /// Whether the record vouches for a sector of the stripes, and knows what it says.
    fn vouched(&self, sector: usize) -> bool {
        !self.is_unknown(sector)
            && (self.case.places.vouches(self.found.freshest.consistency, sector)
                || !self.is_marked(sector))
    }

    /// Whether a bit is set over a sector of the stripes, or could be if there were any.
    fn is_marked(&self, sector: usize) -> bool {
        let under = self.case.places.under_bits(sector);
        let intent = self.found.intent.as_ref();
        intent.is_none_or(|intent| under.iter().any(|sector| intent.is_set(*sector)))
    }

    /// Whether this was damaged behind the record's back.
    fn is_unknown(&self, sector: usize) -> bool {
        self.found.freshest.events <= self.case.unknown_up_to && self.damaged(sector)
    }

    fn damaged(&self, sector: usize) -> bool {
        let sector = u64::try_from(sector).unwrap();
        let damage = &self.case.scenario.damage;
        damage.iter().any(|damage| (damage.at..damage.at + damage.sectors).contains(&sector))
    }

    /// The array without these members besides, started as it has to be: refused first if it is
    /// dirty and lacks a member.
    fn blueprint(&self, without: MemberSet) -> (Blueprint, Trust) {
        let blueprint = self.found.blueprint(&self.case.scenario.blueprint, without);
        let lacking = !blueprint.absent().union(blueprint.rebuilding()).is_empty();
        if self.found.is_clean() {
            let trust = if lacking { Trust::ButDamaged } else { Trust::Everywhere };
            return (blueprint, trust);
        }
        // What no bit covers is in sync.
        if !(lacking && self.has_parity() && self.found.is_marked()) {
            return (blueprint, Trust::Everywhere);
        }
        let mut lent = Lent::to(&blueprint);
        let refusal = Sim::new(&blueprint, &mut lent, self.survivors.clone()).err();
        require!(self, refusal == Some(SetupError::DirtyDegraded), "it is not refused");
        (Blueprint { dirty: Dirty::Force, ..blueprint }, Trust::ButOpen)
    }

    /// Reads all of the array, four times over, so that every copy is asked. What it holds.
    fn reads(&self, sim: &mut Sim<'_>, trust: Trust) -> Vec<u8> {
        let sectors = self.geometry().size().0;
        let read = || Wish::Read { at: 0, sectors, stability: Stability::Stable };
        sim.host.answers.clear();
        for _ in 0..3 {
            sim.start(read()).expect("a read is taken");
        }
        sim.run();
        sim.start(read()).expect("a read is taken");
        sim.run();
        let answers = core::mem::take(&mut sim.host.answers);
        let (first, others) = answers.split_first().expect("it is answered");
        require!(self, first.result.is_ok(), "a read fails: {:?}", first.result);
        for other in others {
            require!(self, self.same(&other.memory, &first.memory), "a second read differs");
        }
        for (lba, bytes) in first.memory.chunks(512).enumerate() {
            let sector = self.case.places.sector(lba);
            let trusted = match trust {
                Trust::Everywhere => true,
                Trust::ButOpen => !self.open[sector],
                Trust::ButDamaged => !self.damaged(sector),
            };
            if trusted && let Some(objection) = self.case.ledger.objection(lba, bytes) {
                self.fail(&objection);
            }
        }
        first.memory.clone()
    }

    /// Whether both hold the same; nobody can tell which copy is right that was damaged behind a
    /// clean record.
    fn same(&self, one: &[u8], other: &[u8]) -> bool {
        let sector = |lba| self.case.places.sector(lba);
        let unknown = |lba| self.found.is_clean() && self.is_unknown(sector(lba));
        let sectors = one.chunks(512).zip(other.chunks(512)).enumerate();
        sectors.into_iter().all(|(lba, (one, other))| one == other || unknown(lba))
    }

    /// The array with all that it has: read, rebuilt, resynced, marked clean. What it holds, which
    /// stays the same.
    fn goes_on(&self) -> Vec<u8> {
        let (blueprint, trust) = self.blueprint(MemberSet::NONE);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, self.levelled());
        let content = self.reads(&mut sim, trust);
        if !blueprint.rebuilding().is_empty() {
            self.passes(&mut sim, PassKind::Recovery);
            let read = self.reads(&mut sim, trust);
            require!(self, self.same(&read, &content), "a recovery changes content");
        }
        match self.found.freshest.consistency {
            Consistency::InSyncTo(_) => self.passes(&mut sim, PassKind::Resync),
            // Damage that nobody knows of is found by nothing else.
            Consistency::Clean if self.case.scenario.damage.is_empty() => {}
            Consistency::Clean => self.passes(&mut sim, PassKind::Repair),
        }
        let after = self.reads(&mut sim, trust);
        require!(self, self.same(&after, &content), "a resync changes content");
        let answer = sim.request(Wish::MarkClean);
        require!(self, answer.result.is_ok(), "the clean mark is not taken");
        self.holds(&sim.host.devices, &after);
        content
    }

    /// The devices, with the freshest record and its bitmap on each that is in: its host sees to that before the
    /// array is written, so that nobody misses two.
    fn levelled(&self) -> Vec<RamDevice> {
        let mut devices = self.survivors.clone();
        for (device, member) in devices.iter_mut().zip(0..=u8::MAX) {
            if !self.found.out.contains(MemberIndex(member)) {
                device.recorded = Some(self.found.freshest);
                device.durable = device.recorded;
                device.intent.clone_from(&self.found.intent);
                device.durable_intent.clone_from(&self.found.intent);
            }
        }
        devices
    }

    fn passes(&self, sim: &mut Sim<'_>, kind: PassKind) {
        let (report, end) = sim.pass(kind);
        require!(self, end == PassEnd::Finished, "{end:?}: {report:?}");
    }

    /// All members agree on the content, say so, and it can be read without any of them.
    fn holds(&self, devices: &[RamDevice], content: &[u8]) {
        let out = self.found.out;
        let whole = &self.case.scenario.blueprint;
        let areas = whole.areas(devices, out);
        let sectors = whole.member_sectors;
        let wrong = reference::disagreements(self.geometry(), content, &areas, sectors);
        require!(self, wrong.is_empty(), "after the resync: {wrong:?}");
        for (device, member) in devices.iter().zip(0..=u8::MAX) {
            let member = MemberIndex(member);
            if out.contains(member) {
                continue;
            }
            let record = device.durable.expect("a record");
            let clean = record.consistency == Consistency::Clean && record.rebuilding.is_empty();
            require!(self, clean, "it is resynced, and not on record as clean");
            let mut blueprint = whole.clone();
            for seat in blueprint.seats.iter_mut().flatten() {
                seat.state = MemberState::InSync;
            }
            let lost = out.union(MemberSet::only(member));
            if self.survives(lost) {
                let read = read_back(&blueprint, devices.to_vec(), lost);
                require!(self, read.as_deref() == Ok(content), "a degraded read differs");
            }
        }
    }

    /// Whether every sector can be had without these.
    fn survives(&self, lost: MemberSet) -> bool {
        let areas = self.case.scenario.blueprint.areas(&self.survivors, lost);
        reference::content(self.geometry(), &areas).is_ok()
    }

    /// The same crash took a member.
    fn lacks(&self, member: MemberIndex, content: &[u8]) {
        let lost = MemberSet::only(member);
        let all = self.found.blueprint(&self.case.scenario.blueprint, lost);
        let gone = all.absent().union(all.rebuilding());
        if self.found.out.contains(member) || !self.survives(gone) {
            return;
        }
        let (blueprint, trust) = self.blueprint(lost);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, self.survivors.clone());
        let read = self.reads(&mut sim, trust);
        if self.found.is_clean() && self.case.scenario.damage.is_empty() {
            require!(self, read == content, "a clean array reads differently without a member");
        }
        require!(self, !sim.host.commands().any(|command| writes(&command)), "reading writes");
    }
}

fn writes(command: &Command) -> bool {
    match command {
        Command::Write { .. }
        | Command::Record { .. }
        | Command::RecordBad { .. }
        | Command::LogParity { .. }
        | Command::SealLog { .. }
        | Command::RecordBackup { .. }
        | Command::LogRow { .. }
        | Command::RecordTail { .. }
        | Command::RecordIntent { .. } => true,
        Command::Read { .. } | Command::Flush { .. } | Command::Compute(_) => false,
    }
}
