//! Drives a walk over the model by what [`Progress`] says alone, and crashes it at every barrier.

use alloc::collections::BTreeSet;

use raid_core::reshape::{Change, Means, Progress, Step};
use raid_core::units::Sectors;

use crate::model::{Dice, Model, Wreck};

/// Up to so many unflushed writes, every subset of them is tried.
const SUBSETS_OF: usize = 6;

/// What a run is asked to be.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) means: Means,
    pub(crate) missing: BTreeSet<usize>,
    /// Subsets tried where there are too many.
    pub(crate) samples: usize,
    /// One crash in so many is resumed to the end; the resumed walk crashes as well, once.
    pub(crate) resume_one_in: usize,
    pub(crate) seed: u64,
}

/// What a run has seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) crashes: u64,
    pub(crate) resumed: u64,
    pub(crate) backups: u64,
    pub(crate) checkpoints: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.crashes += other.crashes;
        self.resumed += other.resumed;
        self.backups += other.backups;
        self.checkpoints += other.checkpoints;
    }
}

/// How deep in crashes: a resumed walk crashes too, and what is resumed then does not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    First,
    Second,
    Calm,
}

/// How many times as many samples the long run takes: `RAID_CRASHES=long`.
fn thoroughness() -> usize {
    match std::env::var("RAID_CRASHES").is_ok_and(|value| value == "long") {
        true => 100,
        false => 1,
    }
}

pub(crate) fn run(change: Change, run: &Run) -> Result<Seen, String> {
    let mut model = Model::new(change, run.missing.clone());
    let mut driver = Driver { run, dice: Dice(run.seed), seen: Seen::default() };
    driver.walk(&mut model, Progress::begin(change), Depth::First)?;
    Ok(driver.seen)
}

struct Driver<'a> {
    run: &'a Run,
    dice: Dice,
    seen: Seen,
}

impl Driver<'_> {
    fn walk(&mut self, model: &mut Model, start: Progress, depth: Depth) -> Result<(), String> {
        let mut progress = start;
        let mut load = None;
        if let Some(saved) = &model.saved {
            // A backup from before the crash: of this window, or of one that is published.
            if let Some((restored, piece)) = progress.restored(saved.start, saved.sectors) {
                progress = restored;
                load = Some(piece);
            } else {
                model.saved = None;
            }
        }
        for _ in 0..100_000 {
            let block = self.dice.below(model.blocks());
            model.user_write(&progress, block);
            if let Some(load) = load.take() {
                model.relocate(load.start(), load.sectors(), &mut self.dice, true)?;
            }
            match progress.next(&self.run.means) {
                Step::Relocate(load) => {
                    progress = progress.extended(&load).ok_or("a piece that is none")?;
                    model.relocate(load.start(), load.sectors(), &mut self.dice, false)?;
                }
                Step::Backup(piece) => {
                    self.seen.backups += 1;
                    progress = progress.extended(&piece).ok_or("a piece that is none")?;
                    let saved = model.save(piece.start(), piece.sectors())?;
                    self.crash(model, depth)?;
                    model.saved = Some(saved);
                    self.crash(model, depth)?;
                    progress = progress.backed();
                    if progress.settled().is_some() {
                        return Err("a window that rests on its backup was settled".into());
                    }
                    load = Some(piece);
                }
                Step::Publish => {
                    self.seen.checkpoints += 1;
                    self.crash(model, depth)?;
                    model.flush();
                    progress = progress.recording();
                    self.crash(model, depth)?;
                    model.position = progress.front().lba();
                    self.crash(model, depth)?;
                    progress = progress.published();
                    model.saved = None;
                }
                Step::Critical { shift, backup } => {
                    return Err(format!("critical: shift {shift:?} or backup {backup:?}"));
                }
                Step::Finished => return model.check_finished(),
            }
        }
        Err("the walk does not end".into())
    }

    /// Every subset of the writes under way, or some of them.
    fn crash(&mut self, model: &Model, depth: Depth) -> Result<(), String> {
        let count = model.pending.len();
        let tries = match depth {
            Depth::Calm => return Ok(()),
            Depth::Second => 2,
            Depth::First if count <= SUBSETS_OF => 1 << count,
            Depth::First => self.run.samples * thoroughness(),
        };
        for number in 0..tries {
            let seed = self.dice.below(usize::MAX);
            let one = self.dice.below(count);
            let wreck = if count <= SUBSETS_OF && depth == Depth::First {
                model.wreck(|write| number >> write & 1 == 1)
            } else {
                match number {
                    0 => model.wreck(|_| true),
                    1 => model.wreck(|write| seed >> (write % 61) & 1 == 1),
                    2 => model.wreck(|write| write == one),
                    3 => model.wreck(|write| write != one),
                    4 => model.wreck(|write| write < one),
                    5 => model.wreck(|write| write >= one),
                    _ => model.wreck(|write| seed >> ((write * 7 + number) % 61) & 1 == 1),
                }
            };
            self.seen.crashes += 1;
            model.check(&wreck)?;
            if depth == Depth::First && self.dice.below(self.run.resume_one_in) == 0 {
                self.resume(model, &wreck, Depth::Second)?;
            } else if depth == Depth::Second && self.dice.below(self.run.resume_one_in) == 0 {
                self.resume(model, &wreck, Depth::Calm)?;
            }
        }
        Ok(())
    }

    fn resume(&mut self, model: &Model, wreck: &Wreck, depth: Depth) -> Result<(), String> {
        self.seen.resumed += 1;
        let progress = Progress::at(model.change, wreck.position).map_err(|e| e.to_string())?;
        self.walk(&mut model.after(wreck), progress, depth)
    }
}

/// Enough of everything.
pub(crate) fn means(change: &Change, loads: u64) -> Means {
    let unit = change.unit().0;
    Means {
        load: Sectors(unit),
        window: Sectors(unit * loads),
        backup: Some(change.common_rows().unwrap().min(change.walk())),
    }
}
