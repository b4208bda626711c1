//! A crash: what is in flight may have reached its device, or not.

use raid_core::host::{Command, Durability};

use super::SimHost;
use crate::crash::{Cache, Crash, Written};

impl SimHost {
    /// What there is if everything stops now.
    ///
    /// # Panics
    /// If a device has no cache.
    #[must_use]
    pub fn crash(&self) -> Crash {
        let cache = |cache: &Option<Cache>| cache.clone().expect("the device has a cache");
        let mut caches: Vec<Cache> =
            self.devices.iter().map(|device| cache(&device.cache)).collect();
        for other in self.queue.iter().chain(self.hung.iter().map(|hung| &hung.command)) {
            let (device, what) = match other.command {
                Command::Write { device, at, .. } => {
                    let bytes = self.bytes_of(&other.command);
                    (device, Written::Blocks { at: at.0, bytes })
                }
                Command::Record { device, record, .. } => (device, Written::Metadata(record)),
                Command::RecordIntent { device, line, .. } => (device, Written::Intent(line)),
                Command::RecordBad { device, at, sectors, state, .. } => {
                    let sectors = at.0..at.0 + sectors.0;
                    (device, Written::List { sectors, state })
                }
                Command::LogRow { device, .. }
                | Command::RecordTail { device, .. }
                | Command::SealLog { device, .. }
                    if self.journal.is_kept() =>
                {
                    for (at, bytes, durability) in self.journal.written(other.token) {
                        let what = Written::Blocks { at, bytes: bytes.to_vec() };
                        caches[device.index()].push(what, durability);
                    }
                    continue;
                }
                Command::LogRow { .. } | Command::RecordTail { .. } => continue,
                Command::LogParity { device, .. } | Command::SealLog { device, .. } => {
                    match self.logs.written(other.token) {
                        Some((at, bytes)) => {
                            (device, Written::Blocks { at, bytes: bytes.to_vec() })
                        }
                        None => continue,
                    }
                }
                Command::RecordBackup { device, area, mark } => {
                    let (at, block) = self.backup_header(area, mark);
                    (device, Written::Blocks { at, bytes: block.to_vec() })
                }
                Command::Read { .. } | Command::Flush { .. } | Command::Compute(_) => continue,
            };
            caches[device.index()].push(what, Durability::Cached);
        }
        Crash { caches }
    }
}
