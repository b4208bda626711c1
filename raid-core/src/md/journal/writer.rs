//! A meta block in the making.

use core::borrow::BorrowMut;

use super::error::JournalFull;
use super::meta::{
    BLOCK_SECTORS, CHECKSUM, DATA, FORMAT_VERSION, MAGIC, MAGIC_NUMBER, META_SIZE, PARITY,
    PAYLOADS, POSITION, ParityChecksums, SEQUENCE, VERSION,
};
use super::ring::{Journal, JournalHead, JournalSector};
use crate::md::bytes::{Block, SUPERBLOCK_BYTES, put};
use crate::units::{Lba, MemberSector};

/// Bytes of a payload with an address, without its checksums.
const LOCATED_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 4;

/// The write of one row's blocks: all that it changes on the members.
#[derive(Clone, Copy, Debug)]
pub struct JournalWrite<'a> {
    /// Where each written data block belongs, and its checksum.
    pub data: &'a [(Lba, u32)],
    /// Where on the members the row's blocks belong.
    pub address: MemberSector,
    /// The checksums of the new parity.
    pub parity: ParityChecksums,
}

/// A meta block that is being put together, in memory of the caller's choice.
#[derive(Debug)]
pub struct JournalWriter<B> {
    block: B,
    journal: Journal,
    head: JournalHead,
    /// Bytes in use.
    size: usize,
    /// Blocks behind the meta block.
    blocks: u64,
}

impl<B: BorrowMut<Block>> JournalWriter<B> {
    /// Begins the meta block of this head in `memory`.
    #[must_use]
    pub fn begin(mut memory: B, journal: Journal, head: JournalHead) -> Self {
        let block = memory.borrow_mut();
        block.fill(0);
        put::<MAGIC, 4>(block, MAGIC_NUMBER.to_le_bytes());
        put::<VERSION, 1>(block, [FORMAT_VERSION]);
        put::<SEQUENCE, 8>(block, head.sequence.to_le_bytes());
        put::<POSITION, 8>(block, head.position.offset().0.to_le_bytes());
        Self { block: memory, journal, head, size: PAYLOADS, blocks: 0 }
    }

    /// Adds a write. Says where the first of its blocks goes: the data in the order given, then P,
    /// then Q, each in the block [behind](Journal::advance) the one before. The caller has seen that
    /// the journal has [room](Journal::room).
    ///
    /// # Errors
    ///
    /// [`JournalFull`]: nothing was added.
    pub fn add(&mut self, write: JournalWrite<'_>) -> Result<JournalSector, JournalFull> {
        let JournalWrite { data, address, parity } = write;
        let parity_blocks = usize::from(parity.blocks());
        let size = data
            .len()
            .checked_mul(LOCATED_BYTES + CHECKSUM_BYTES)
            .and_then(|bytes| bytes.checked_add(LOCATED_BYTES))
            .and_then(|bytes| bytes.checked_add(parity_blocks.checked_mul(CHECKSUM_BYTES)?))
            .and_then(|bytes| bytes.checked_add(self.size))
            .filter(|size| *size <= SUPERBLOCK_BYTES)
            .ok_or(JournalFull)?;
        let first = self.next_block();
        let mut to = self.block.borrow_mut().iter_mut().skip(self.size);
        let mut payload = |kind: u16, sectors: u32, address: u64, sums: &[u32]| {
            let head = kind.to_le_bytes().into_iter().chain([0; 2]).chain(sectors.to_le_bytes());
            let sums = sums.iter().copied().flat_map(u32::to_le_bytes);
            for byte in head.chain(address.to_le_bytes()).chain(sums) {
                // Fits, as the size above says.
                if let Some(to) = to.next() {
                    *to = byte;
                }
            }
        };
        for (address, sum) in data {
            payload(DATA, BLOCK_SECTORS, address.0, &[*sum]);
        }
        match parity {
            ParityChecksums::P(p) => payload(PARITY, BLOCK_SECTORS, address.0, &[p]),
            ParityChecksums::PAndQ(p, q) => {
                payload(PARITY, 2 * BLOCK_SECTORS, address.0, &[p, q]);
            }
        }
        let added = u64::try_from(data.len().saturating_add(parity_blocks)).unwrap_or(u64::MAX);
        self.blocks = self.blocks.saturating_add(added);
        self.size = size;
        Ok(first)
    }

    /// How many blocks of the journal are taken so far, the meta block included.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.blocks.saturating_add(1)
    }

    /// Completes the meta block, which goes to the head that it was begun with. Says where the next
    /// one goes.
    #[must_use]
    pub fn finish(self) -> JournalHead {
        self.into_block().0
    }

    /// The same, and the meta block.
    #[must_use]
    pub fn into_block(mut self) -> (JournalHead, B) {
        let next = JournalHead {
            position: self.next_block(),
            sequence: self.head.sequence.wrapping_add(1),
        };
        let block = self.block.borrow_mut();
        let size = u32::try_from(self.size).unwrap_or(u32::MAX);
        put::<META_SIZE, 4>(block, size.to_le_bytes());
        let sum = self.journal.seed().meta_checksum(block);
        put::<CHECKSUM, 4>(block, sum.to_le_bytes());
        (next, self.block)
    }

    fn next_block(&self) -> JournalSector {
        self.journal.advance(self.head.position, self.taken())
    }
}
