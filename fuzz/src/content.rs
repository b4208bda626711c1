//! What an array may hold: for each sector the writes that were started on it, in order.

use raid_core::units::{Lba, Sectors};

const SECTOR_BYTES: usize = 512;

/// The number of a write, in the order of their starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(usize);

/// What a write puts into its sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    Zeroes,
    /// Bytes that name the write and the sector.
    Stamp,
}

/// How a write came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Pending,
    Kept,
    /// Each of its sectors holds what it held or what was to be written.
    Failed,
    /// Each of its sectors holds what it held.
    NotBegun,
}

/// What sectors hold that nobody wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritten {
    Zeroes,
    /// Copies or parity do not agree.
    Anything,
}

/// The content of an array. Writes conflict in order of arrival, so a read sees the writes started before it.
#[derive(Debug)]
pub struct Content {
    unwritten: Unwritten,
    writes: Vec<(Payload, Outcome)>,
    /// By sector.
    history: Vec<Vec<Version>>,
}

impl Content {
    /// Sectors that nobody wrote.
    pub fn new(size: Sectors, unwritten: Unwritten) -> Self {
        let sectors = usize::try_from(size.0).expect("small arrays only");
        Self { unwritten, writes: Vec::new(), history: vec![Vec::new(); sectors] }
    }

    /// Starts a write. What it writes.
    pub fn start(&mut self, at: Lba, sectors: Sectors, payload: Payload) -> (Version, Vec<u8>) {
        let version = Version(self.writes.len());
        self.writes.push((payload, Outcome::Pending));
        let mut bytes = Vec::new();
        for sector in at.0..at.0 + sectors.0 {
            self.history[index(sector)].push(version);
            bytes.extend(self.bytes(version, sector));
        }
        (version, bytes)
    }

    pub fn end(&mut self, version: Version, outcome: Outcome) {
        self.writes[version.0].1 = outcome;
    }

    /// Whether some write has failed.
    pub fn has_failed_writes(&self) -> bool {
        self.writes.iter().any(|(_, outcome)| *outcome == Outcome::Failed)
    }

    /// Where a read stands among the writes.
    pub fn now(&self) -> Version {
        Version(self.writes.len())
    }

    /// Panics unless a read that was started at `before` may have seen `bytes` in this sector. To be asked when
    /// all writes have come out.
    pub fn check(&self, before: Version, sector: u64, bytes: &[u8]) {
        for version in self.history[index(sector)].iter().rev().filter(|one| **one < before) {
            if self.writes[version.0].1 == Outcome::NotBegun {
                continue;
            }
            if self.bytes(*version, sector) == bytes {
                return;
            }
            match self.writes[version.0].1 {
                Outcome::Failed | Outcome::NotBegun => {}
                outcome @ (Outcome::Kept | Outcome::Pending) => panic!(
                    "sector {sector} does not hold {version:?} ({outcome:?}), read before {before:?}: it begins \
                     with {:?}",
                    &bytes[..16]
                ),
            }
        }
        assert!(
            self.unwritten == Unwritten::Anything || bytes.iter().all(|byte| *byte == 0),
            "sector {sector} was never written, and read as data: it begins with {:?}",
            &bytes[..16]
        );
    }

    fn bytes(&self, version: Version, sector: u64) -> [u8; SECTOR_BYTES] {
        let mut bytes = [0; SECTOR_BYTES];
        match self.writes[version.0].0 {
            Payload::Zeroes => {}
            Payload::Stamp => {
                let number = u64::try_from(version.0).expect("few writes") + 1;
                for (place, word) in bytes.chunks_exact_mut(8).zip(1_u64..) {
                    // Different in every sector, word and version, so that a block in the wrong place shows.
                    let word =
                        (number << 40 | sector << 20 | word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    place.copy_from_slice(&word.to_le_bytes());
                }
            }
        }
        bytes
    }
}

fn index(sector: u64) -> usize {
    usize::try_from(sector).expect("small arrays only")
}
