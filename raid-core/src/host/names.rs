//! The names of slots, requests and commands.

use crate::units::MemberIndex;

/// A stripe operation's storage, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotIndex(pub u16);

impl SlotIndex {
    /// This slot as an index into memory.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Names an accepted request until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId {
    pub(crate) index: u16,
    pub(crate) epoch: u32,
}

impl RequestId {
    /// The request's storage, by number: below the number of requests that the host lent memory
    /// for. A host can keep what belongs to a request in a table of that length.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.index)
    }
}

/// Names one command until it is reported. A report that names no command in flight is [`Misuse`](super::Misuse)
/// and changes nothing; the epoch wraps after 2^32 states of one slot, and no report may be that
/// late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub(crate) owner: Owner,
    pub(crate) epoch: u32,
    pub(crate) member: MemberIndex,
}

impl Token {
    /// The token as one number, for hosts that can only carry that.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        let owner = match self.owner {
            Owner::Metadata => 0,
            Owner::Slot(slot) => u64::from(slot.0).wrapping_add(1),
            Owner::Log => LOG_BITS,
            Owner::Settling => SETTLING_BITS,
            Owner::Intent => INTENT_BITS,
            Owner::Backup => BACKUP_BITS,
        };
        u64::from(self.epoch) | (u64::from(self.member.0) << 32) | (owner << 40)
    }

    /// The token that gave these bits. Bits that no token gave make a token that names no command.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        let [e0, e1, e2, e3, member, o0, o1, o2] = bits.to_le_bytes();
        let owner = u32::from_le_bytes([o0, o1, o2, 0]);
        let owner = match owner.checked_sub(1) {
            None => Owner::Metadata,
            Some(_) if u64::from(owner) == LOG_BITS => Owner::Log,
            Some(_) if u64::from(owner) == SETTLING_BITS => Owner::Settling,
            Some(_) if u64::from(owner) == INTENT_BITS => Owner::Intent,
            Some(_) if u64::from(owner) == BACKUP_BITS => Owner::Backup,
            Some(slot) => Owner::Slot(SlotIndex(u16::try_from(slot).unwrap_or(u16::MAX))),
        };
        Self { owner, epoch: u32::from_le_bytes([e0, e1, e2, e3]), member: MemberIndex(member) }
    }
}

/// Beyond all slots.
const LOG_BITS: u64 = 0x1_0001;
const SETTLING_BITS: u64 = 0x1_0002;
const INTENT_BITS: u64 = 0x1_0003;
const BACKUP_BITS: u64 = 0x1_0004;

/// Which machine a command belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// A stripe operation.
    Slot(SlotIndex),
    /// The metadata writer.
    Metadata,
    /// The log of the member that the token names.
    Log,
    /// What makes logs be needed no more.
    Settling,
    /// The machine that keeps the write-intent bitmap.
    Intent,
    /// A reshape that saves what it is about to overwrite.
    Backup,
}
