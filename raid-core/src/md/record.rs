//! From what must be durable to what a superblock says.

use super::fields::Timestamp;
use super::superblock::Superblock;
use crate::metadata::Record;

impl Superblock {
    /// Puts a record into this superblock, as written at `time`. Everything else stays as it is: a
    /// device that an earlier record called faulty stays so.
    pub fn apply(&mut self, record: &Record, time: Timestamp) {
        let Record { events, consistency, failed } = record;
        self.events = *events;
        self.consistency = *consistency;
        self.update_time = time;
        self.roles.fail(failed);
    }
}
