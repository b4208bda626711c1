//! What a device holds, sector by sector.

use core::ops::Range;
use std::collections::HashMap;

use raid_core::host::Fault;

/// Bytes in a sector.
pub const SECTOR: usize = 512;

/// Sectors with their content, some of which cannot be read.
#[derive(Clone, Debug)]
pub struct Medium {
    bytes: Vec<u8>,
    /// Sectors that give this fault when they are read, until they are written.
    unreadable: HashMap<u64, Fault>,
}

impl Medium {
    /// A medium of so many sectors, all zeroes.
    #[must_use]
    pub fn new(sectors: u64) -> Self {
        Self { bytes: vec![0; index(sectors) * SECTOR], unreadable: HashMap::new() }
    }

    /// How many sectors there are.
    #[must_use]
    pub fn sectors(&self) -> u64 {
        u64::try_from(self.bytes.len() / SECTOR).unwrap_or(u64::MAX)
    }

    /// Makes sectors unreadable until they are written.
    pub fn spoil(&mut self, sectors: Range<u64>, fault: Fault) {
        for sector in sectors {
            self.unreadable.insert(sector, fault);
        }
    }

    /// Whether one of these sectors is unreadable.
    #[must_use]
    pub fn is_spoilt(&self, sectors: Range<u64>) -> bool {
        sectors.into_iter().any(|sector| self.unreadable.contains_key(&sector))
    }

    /// What is stored from `at` on, whether it can be read or not. For checkers.
    #[must_use]
    pub fn stored(&self, at: u64, length: usize) -> &[u8] {
        &self.bytes[index(at) * SECTOR..][..length]
    }

    /// Changes what is stored behind the device's back.
    pub fn store(&mut self, at: u64, bytes: &[u8]) {
        self.bytes[index(at) * SECTOR..][..bytes.len()].copy_from_slice(bytes);
    }

    /// Reads, as a device does.
    ///
    /// # Errors
    /// The fault of the first unreadable sector, or that the range is none of the medium's.
    pub fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Fault> {
        let range = self.range(at, into.len())?;
        if !self.unreadable.is_empty() {
            for sector in at..at + sector_count(into.len()) {
                if let Some(fault) = self.unreadable.get(&sector) {
                    return Err(*fault);
                }
            }
        }
        into.copy_from_slice(&self.bytes[range]);
        Ok(())
    }

    /// Writes, as a device does: what was unreadable is readable from now on.
    ///
    /// # Errors
    /// The range is none of the medium's.
    pub fn write(&mut self, at: u64, from: &[u8]) -> Result<(), Fault> {
        let range = self.range(at, from.len())?;
        if !self.unreadable.is_empty() {
            for sector in at..at + sector_count(from.len()) {
                self.unreadable.remove(&sector);
            }
        }
        self.bytes[range].copy_from_slice(from);
        Ok(())
    }

    fn range(&self, at: u64, length: usize) -> Result<Range<usize>, Fault> {
        let end = at.checked_add(sector_count(length)).filter(|end| *end <= self.sectors());
        match end {
            Some(_) if length.is_multiple_of(SECTOR) && length > 0 => {
                let start = index(at) * SECTOR;
                Ok(start..start + length)
            }
            Some(_) | None => Err(Fault::InvalidRequest),
        }
    }
}

pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).expect("fits into memory")
}

fn sector_count(bytes: usize) -> u64 {
    u64::try_from(bytes / SECTOR).expect("fits into 64 bits")
}
