//! From what must be durable to what a superblock says.

use super::fields::{Consistency, Timestamp};
use super::superblock::Superblock;
use crate::members::MemberSet;

/// What one generation of metadata puts on record, the same on each member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The event count of this generation: one more than that of the last.
    pub events: u64,
    /// How far parity and copies are known to agree with the data.
    pub consistency: Consistency,
    /// Places whose members failed. Those of earlier records may be among them or not: a faulty device stays so.
    pub failed: MemberSet,
    /// When, by the host's clock.
    pub time: Timestamp,
}

impl Superblock {
    /// Puts a record into this superblock. Everything else stays as it is.
    pub fn apply(&mut self, record: &Record) {
        let Record { events, consistency, failed, time } = record;
        self.events = *events;
        self.consistency = *consistency;
        self.update_time = *time;
        self.roles.fail(failed);
    }
}
