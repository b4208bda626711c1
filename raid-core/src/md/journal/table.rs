//! The blocks of the journal that wait for the parity of their row, in memory lent by the caller.

use super::ring::JournalSector;
use crate::units::{MemberIndex, MemberSector};

/// A block in the journal, and where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedBlock {
    /// The member.
    pub member: MemberIndex,
    /// Where on it.
    pub address: MemberSector,
    /// Where in the journal it lies.
    pub source: JournalSector,
}

impl LoggedBlock {
    /// Memory to lend is made of these.
    pub const BLANK: Self =
        Self { member: MemberIndex(0), address: MemberSector(0), source: JournalSector::ZERO };
}

/// The newest block for each place on the members, as far as the journal was read.
#[derive(Debug)]
pub(super) struct Table<'m> {
    memory: &'m mut [LoggedBlock],
    count: usize,
}

/// There is no memory for another block.
pub(super) struct TableFull;

impl<'m> Table<'m> {
    pub(super) const fn new(memory: &'m mut [LoggedBlock]) -> Self {
        Self { memory, count: 0 }
    }

    pub(super) const fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// Notes a block, instead of an older one for the same place.
    pub(super) fn insert(&mut self, block: LoggedBlock) -> Result<(), TableFull> {
        let same =
            |old: &&mut LoggedBlock| (old.member, old.address) == (block.member, block.address);
        if let Some(old) = self.memory.iter_mut().take(self.count).find(same) {
            *old = block;
            return Ok(());
        }
        *self.memory.get_mut(self.count).ok_or(TableFull)? = block;
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// A block of the row at this address.
    pub(super) fn find(&self, address: MemberSector) -> Option<LoggedBlock> {
        self.memory.iter().take(self.count).find(|block| block.address == address).copied()
    }

    /// Forgets a block of the row at this address, if there is one, and gives it out.
    pub(super) fn take(&mut self, address: MemberSector) -> Option<LoggedBlock> {
        let at = self.memory.iter().take(self.count).position(|block| block.address == address)?;
        self.count = self.count.checked_sub(1)?;
        let last = self.memory.get(self.count).copied()?;
        let slot = self.memory.get_mut(at)?;
        Some(core::mem::replace(slot, last))
    }

    pub(super) fn into_rest(self) -> &'m [LoggedBlock] {
        self.memory.get(..self.count).unwrap_or_default()
    }
}
