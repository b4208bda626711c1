//! From what must be durable to what a superblock says.

use super::fields::{RecoveryKind, Timestamp, Validity};
use super::roles::DeviceRole;
use super::superblock::{Replacement, Superblock};
use crate::metadata::Record;
use crate::units::MemberIndex;

impl Superblock {
    /// Puts a record into this superblock, as written at `time`. Everything else stays as it is: a
    /// device that an earlier record called faulty stays so. What it says of a reshape is for who
    /// knows that reshape: [`begin_reshape`](Self::begin_reshape) and what follows it.
    ///
    /// While a member is being replaced two devices have its role, and the superblock of one of them
    /// says that it is the [replacement](Replacement). Should the member be called failed, its own
    /// number is to be [called faulty](super::Roles::call_faulty) before: the roles do not tell which
    /// of the two it is.
    pub fn apply(&mut self, record: &Record, time: Timestamp) {
        let Record {
            events,
            consistency,
            failed,
            rebuilding,
            rebuilt_to,
            by_intent,
            replacement,
            shaping: _,
        } = record;
        self.events = *events;
        self.consistency = *consistency;
        self.update_time = time;
        let replaced = replacement.map(|replacement| replacement.member);
        self.roles.fail(&failed.difference(replaced.into_iter().collect()));
        // It goes by the place behind the last member.
        let journal = u8::try_from(self.members).map(MemberIndex);
        if journal.is_ok_and(|place| failed.contains(place)) {
            self.roles.fail_journal();
        }
        let place = match self.own_role() {
            DeviceRole::Slot(place) => u8::try_from(place).ok().map(MemberIndex),
            DeviceRole::Spare | DeviceRole::Faulty | DeviceRole::Journal => None,
        };
        let Some(place) = place else { return };
        if let (Replacement::Yes, Some(record)) = (self.replacement, replacement) {
            if failed.contains(place) {
                self.replacement = Replacement::No;
            }
            let whole = failed.contains(place) && record.copied_to >= self.member_size;
            self.validity = match whole {
                true => Validity::Everything,
                false => Validity::Below { valid_to: record.copied_to, kind: RecoveryKind::Full },
            };
            return;
        }
        // It has taken over, if it was one.
        self.replacement = Replacement::No;
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
