//! What a crash leaves: every write that no flush has covered is on the medium, or is not, or is
//! there in part.
//!
//! A flush covers what was reported done before it was submitted, and no more. Writes that were in
//! flight, and those that failed, are as doubtful as any other. Sectors do not tear, and neither
//! do records: formats have checksums.

use alloc::collections::BTreeSet;
use core::ops::Range;

use raid_core::host::{BlockState, Durability};
use raid_core::intent::IntentLine;
use raid_core::metadata::Record;

use crate::device::{RamDevice, enlist};
use crate::intent::Intent;
use crate::medium::{Medium, SECTOR, index};

/// What one command wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Blocks.
    Blocks {
        /// From this sector of the device on.
        at: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The array's metadata.
    Metadata(Record),
    /// A line of the write-intent bitmap.
    Intent(IntentLine),
    /// The list of bad blocks.
    List {
        /// Which.
        sectors: Range<u64>,
        /// On the list, or off it.
        state: BlockState,
    },
}

/// A write that no flush has covered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unflushed {
    /// What.
    pub what: Written,
    /// Whether it is on the medium all the same.
    pub durability: Durability,
}

/// How much of a doubtful write a crash leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// What was there before.
    Nothing,
    /// All of it.
    All,
    /// The sectors whose bit is set; of metadata and lists nothing.
    Sectors(u64),
}

/// What survives on a device.
#[derive(Clone, Debug)]
struct Left {
    medium: Medium,
    record: Option<Record>,
    listed: BTreeSet<u64>,
    intent: Option<Intent>,
}

/// The volatile cache of one device, and the medium behind it.
#[derive(Clone, Debug)]
pub struct Cache {
    left: Left,
    /// In order of completion.
    writes: Vec<Unflushed>,
    /// How many writes were made durable and are no longer in `writes`.
    settled: u64,
    /// Flushes in flight by their tokens' bits, and how many writes each covers.
    flushes: Vec<(u64, u64)>,
}

impl Cache {
    /// An empty cache over what the device holds.
    #[must_use]
    pub fn over(device: &RamDevice) -> Self {
        Self {
            left: Left {
                medium: device.medium.clone(),
                record: device.durable,
                intent: device.durable_intent.clone(),
                listed: device.listed.clone(),
            },
            writes: Vec::new(),
            settled: 0,
            flushes: Vec::new(),
        }
    }

    /// What no flush has covered, in order.
    #[must_use]
    pub fn unflushed(&self) -> &[Unflushed] {
        &self.writes
    }

    pub(crate) fn push(&mut self, what: Written, durability: Durability) {
        self.writes.push(Unflushed { what, durability });
    }

    /// A flush, from its start to its end.
    pub fn flush(&mut self) {
        const ALONE: u64 = u64::MAX;
        self.begin_flush(ALONE);
        self.end_flush(ALONE);
    }

    /// A flush was submitted.
    pub(crate) fn begin_flush(&mut self, token: u64) {
        let written = u64::try_from(self.writes.len()).expect("fits into 64 bits");
        self.flushes.push((token, self.settled + written));
    }

    /// A flush has ended well.
    pub(crate) fn end_flush(&mut self, token: u64) {
        let number = self.flushes.iter().position(|(other, _)| *other == token);
        let (_, covers) = self.flushes.remove(number.expect("it was submitted"));
        let count = index(covers.saturating_sub(self.settled));
        for write in self.writes.drain(..count) {
            self.left.apply(&write.what, Share::All);
            self.settled += 1;
        }
    }
}

/// A moment at which everything stops.
#[derive(Clone, Debug)]
pub struct Crash {
    /// The devices, commands in flight counted as doubtful writes.
    pub caches: Vec<Cache>,
}

impl Crash {
    /// Writes that may be there or not.
    #[must_use]
    pub fn doubtful(&self) -> usize {
        let writes = self.caches.iter().flat_map(|cache| &cache.writes);
        writes.filter(|write| write.durability == Durability::Cached).count()
    }

    /// Tells one crash of a run from the others: what is durable, surely written, and doubtful.
    #[must_use]
    pub fn signature(&self) -> Vec<(u64, usize, usize)> {
        let surely = |cache: &Cache| {
            cache.writes.iter().filter(|write| write.durability == Durability::Durable).count()
        };
        self.caches.iter().map(|cache| (cache.settled, surely(cache), cache.writes.len())).collect()
    }

    /// The devices after the crash, `share` saying what is left of each doubtful write: device by
    /// device, in order.
    pub fn leave(&self, mut share: impl FnMut(&Written) -> Share) -> Vec<RamDevice> {
        self.caches
            .iter()
            .map(|cache| {
                let mut found = cache.left.clone();
                for write in &cache.writes {
                    let left = match write.durability {
                        Durability::Durable => Share::All,
                        Durability::Cached => share(&write.what),
                    };
                    found.apply(&write.what, left);
                }
                let mut device = RamDevice::new(0);
                device.medium = found.medium;
                device.recorded = found.record;
                device.durable = found.record;
                device.listed = found.listed;
                device.intent.clone_from(&found.intent);
                device.durable_intent = found.intent;
                device
            })
            .collect()
    }
}

impl Left {
    fn apply(&mut self, what: &Written, share: Share) {
        match (what, share) {
            (_, Share::Nothing)
            | (
                Written::Metadata(_) | Written::List { .. } | Written::Intent(_),
                Share::Sectors(_),
            ) => {}
            (Written::Intent(line), Share::All) => {
                self.intent.as_mut().expect("the array has a bitmap").apply(line);
            }
            (Written::Metadata(values), Share::All) => self.record = Some(*values),
            (Written::List { sectors, state }, Share::All) => {
                enlist(&mut self.listed, sectors.clone(), *state);
            }
            (Written::Blocks { at, bytes }, Share::All) => self.medium.store(*at, bytes),
            (Written::Blocks { at, bytes }, Share::Sectors(mask)) => {
                for (number, sector) in (0..64).zip(bytes.chunks(SECTOR)) {
                    if mask >> number & 1 == 1 {
                        self.medium.store(at + number, sector);
                    }
                }
            }
        }
    }
}
