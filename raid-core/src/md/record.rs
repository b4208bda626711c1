//! From what must be durable to what a superblock says.

use super::fields::{RecoveryKind, Timestamp, Validity};
use super::roles::DeviceRole;
use super::superblock::Superblock;
use crate::metadata::Record;
use crate::units::MemberIndex;

impl Superblock {
    /// Puts a record into this superblock, as written at `time`. Everything else stays as it is: a
    /// device that an earlier record called faulty stays so.
    pub fn apply(&mut self, record: &Record, time: Timestamp) {
        let Record { events, consistency, failed, rebuilding, rebuilt_to, by_intent } = record;
        self.events = *events;
        self.consistency = *consistency;
        self.update_time = time;
        self.roles.fail(failed);
        let place = match self.own_role() {
            DeviceRole::Slot(place) => u8::try_from(place).ok().map(MemberIndex),
            DeviceRole::Spare | DeviceRole::Faulty | DeviceRole::Journal => None,
        };
        let Some(place) = place else { return };
        self.validity = if rebuilding.contains(place) {
            let kind = match by_intent.contains(place) {
                true => RecoveryKind::ByBitmap,
                false => RecoveryKind::Full,
            };
            Validity::Below { valid_to: *rebuilt_to, kind }
        } else {
            Validity::Everything
        };
    }
}
