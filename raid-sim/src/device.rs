//! A device in memory: a medium, rules, demands on its commands, and a count of them.

use alloc::collections::BTreeSet;
use core::ops::Range;

use raid_core::blocking::BlockDevice;
use raid_core::host::{BlockState, Durability, Fault};
use raid_core::intent::IntentLine;
use raid_core::io_limits::IoLimits;
use raid_core::metadata::Record;
use raid_core::units::DeviceSector;

use crate::crash::{Cache, Written};
use crate::intent::Intent;
use crate::medium::{Medium, SECTOR};
use crate::rules::{Action, Leaves, Rule, Verdict};

/// A device in memory.
#[derive(Clone, Debug)]
pub struct RamDevice {
    /// What it holds.
    pub medium: Medium,
    /// What it says that it can take.
    pub limits: IoLimits,
    /// What it really takes: anything else is an invalid request.
    pub demands: IoLimits,
    /// How its commands fail.
    pub rules: Vec<Rule>,
    /// What was done, in order: commands that failed are in it too.
    pub done: Vec<(Action, Range<u64>)>,
    /// The last metadata written, in a volatile cache.
    pub recorded: Option<Record>,
    /// The last metadata that a flush made durable.
    pub durable: Option<Record>,
    /// The write-intent bitmap, in a volatile cache; where the array has one.
    pub intent: Option<Intent>,
    /// What of it a flush made durable.
    pub durable_intent: Option<Intent>,
    /// Sectors that are on the list of bad ones. It has no cache.
    pub listed: BTreeSet<u64>,
    /// What a crash may take away, where that is of interest.
    pub cache: Option<Cache>,
}

impl RamDevice {
    /// A device of so many sectors without faults or demands.
    #[must_use]
    pub fn new(sectors: u64) -> Self {
        Self {
            medium: Medium::new(sectors),
            limits: IoLimits::RELAXED,
            demands: IoLimits::RELAXED,
            rules: Vec::new(),
            done: Vec::new(),
            recorded: None,
            durable: None,
            intent: None,
            durable_intent: None,
            listed: BTreeSet::new(),
            cache: None,
        }
    }

    /// How many commands of a kind there were.
    #[must_use]
    pub fn count(&self, action: Action) -> usize {
        self.done.iter().filter(|(done, _)| *done == action).count()
    }

    /// Reads into memory at an address that is a multiple of `aligned` bytes, 0 meaning of
    /// everything.
    pub(crate) fn read_aligned(
        &mut self,
        at: u64,
        into: &mut [u8],
        aligned: usize,
    ) -> Result<(), Fault> {
        let sectors = range(at, into.len());
        self.done.push((Action::Read, sectors.clone()));
        self.takes(&sectors, aligned)?;
        match self.judge(Action::Read, &sectors) {
            Some(verdict) => {
                // What a failed read leaves in memory is anything.
                into.fill(0xBD);
                Err(verdict.fault)
            }
            None => self.medium.read(at, into),
        }
    }

    pub(crate) fn write_aligned(
        &mut self,
        at: u64,
        from: &[u8],
        aligned: usize,
        durability: Durability,
    ) -> Result<(), Fault> {
        let sectors = range(at, from.len());
        self.done.push((Action::Write, sectors.clone()));
        self.takes(&sectors, aligned)?;
        let verdict = self.judge(Action::Write, &sectors);
        if let Some(cache) = &mut self.cache {
            let durability = verdict.map_or(durability, |_| Durability::Cached);
            cache.push(Written::Blocks { at, bytes: from.to_vec() }, durability);
        }
        match verdict {
            None => self.medium.write(at, from),
            Some(Verdict { fault, leaves }) => {
                let half = from.len() / SECTOR / 2 * SECTOR;
                match leaves {
                    Leaves::Nothing => {}
                    Leaves::All => self.medium.write(at, from)?,
                    Leaves::Half if half > 0 => self.medium.write(at, &from[..half])?,
                    Leaves::Half => {}
                }
                Err(fault)
            }
        }
    }

    pub(crate) fn sync(&mut self) -> Result<(), Fault> {
        self.done.push((Action::Flush, 0..0));
        match self.judge(Action::Flush, &(0..0)) {
            Some(verdict) => Err(verdict.fault),
            None => {
                self.durable = self.recorded;
                self.durable_intent.clone_from(&self.intent);
                Ok(())
            }
        }
    }

    pub(crate) fn record(&mut self, record: Record) -> Result<(), Fault> {
        self.done.push((Action::Record, 0..0));
        if let Some(cache) = &mut self.cache {
            cache.push(Written::Metadata(record), Durability::Cached);
        }
        match self.judge(Action::Record, &(0..0)) {
            Some(Verdict { fault, leaves }) => {
                match leaves {
                    Leaves::Nothing | Leaves::Half => {}
                    Leaves::All => self.recorded = Some(record),
                }
                Err(fault)
            }
            None => {
                self.recorded = Some(record);
                Ok(())
            }
        }
    }

    pub(crate) fn record_intent(&mut self, line: &IntentLine) -> Result<(), Fault> {
        self.done.push((Action::Intent, 0..0));
        if let Some(cache) = &mut self.cache {
            cache.push(Written::Intent(*line), Durability::Cached);
        }
        let verdict = self.judge(Action::Intent, &(0..0));
        let intent = self.intent.as_mut().expect("the array has a bitmap");
        match verdict {
            None => intent.apply(line),
            Some(Verdict { fault, leaves }) => {
                if leaves == Leaves::All {
                    intent.apply(line);
                }
                return Err(fault);
            }
        }
        Ok(())
    }

    /// Puts sectors on the list of bad ones, or takes them off.
    pub(crate) fn list(&mut self, sectors: Range<u64>, state: BlockState) -> Result<(), Fault> {
        self.done.push((Action::List, sectors.clone()));
        let verdict = self.judge(Action::List, &sectors);
        if let Some(cache) = &mut self.cache {
            let durability = verdict.map_or(Durability::Durable, |_| Durability::Cached);
            cache.push(Written::List { sectors: sectors.clone(), state }, durability);
        }
        match verdict {
            Some(Verdict { fault, leaves: Leaves::Nothing | Leaves::Half }) => Err(fault),
            Some(Verdict { fault, leaves: Leaves::All }) => {
                enlist(&mut self.listed, sectors, state);
                Err(fault)
            }
            None => {
                enlist(&mut self.listed, sectors, state);
                Ok(())
            }
        }
    }

    /// The runs of sectors that are on the list.
    #[must_use]
    pub fn listed_runs(&self) -> Vec<Range<u64>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for sector in &self.listed {
            match runs.last_mut() {
                Some(run) if run.end == *sector => run.end += 1,
                Some(_) | None => runs.push(*sector..sector + 1),
            }
        }
        runs
    }

    fn judge(&mut self, action: Action, sectors: &Range<u64>) -> Option<Verdict> {
        self.rules.iter_mut().find_map(|rule| rule.judge(action, sectors))
    }

    /// What a real device answers EINVAL to.
    fn takes(&self, sectors: &Range<u64>, aligned: usize) -> Result<(), Fault> {
        let block = u64::from(self.demands.logical_block_bytes) / 512;
        let length = sectors.end - sectors.start;
        let memory = usize::try_from(self.demands.memory_alignment_bytes).unwrap_or(usize::MAX);
        let fits = sectors.start.is_multiple_of(block)
            && length.is_multiple_of(block)
            && length <= self.demands.transfer_max.0
            && aligned.is_multiple_of(memory);
        if fits { Ok(()) } else { Err(Fault::InvalidRequest) }
    }
}

pub(crate) fn enlist(listed: &mut BTreeSet<u64>, sectors: Range<u64>, state: BlockState) {
    match state {
        BlockState::Bad => listed.extend(sectors),
        BlockState::Good => listed.retain(|sector| !sectors.contains(sector)),
    }
}

fn range(at: u64, bytes: usize) -> Range<u64> {
    at..at.saturating_add(u64::try_from(bytes / SECTOR).unwrap_or(u64::MAX))
}

impl BlockDevice for RamDevice {
    fn read(&mut self, at: DeviceSector, into: &mut [u8]) -> Result<(), Fault> {
        let address = into.as_ptr().addr();
        self.read_aligned(at.0, into, address)
    }

    fn write(
        &mut self,
        at: DeviceSector,
        from: &[u8],
        durability: Durability,
    ) -> Result<(), Fault> {
        self.write_aligned(at.0, from, from.as_ptr().addr(), durability)
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.sync()
    }

    fn limits(&self) -> IoLimits {
        self.limits
    }
}
