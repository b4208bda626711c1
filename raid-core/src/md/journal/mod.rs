//! md's journal (raid5-cache), as it is used in write-through mode: what closes the write hole of
//! levels 4, 5 and 6 with a device for it.
//!
//! Everything that a write will change on the members, data and parity, goes to the journal first,
//! in blocks of 4 KiB. A *meta block* says what the blocks behind it are; it and they follow each
//! other around the ring of the journal. After a crash, what lies whole in the journal is written to
//! the members again, and what does not had not been begun there.
//!
//! # Order of writes
//!
//! A meta block and its blocks, in any order among themselves; a flush of the journal; then the
//! members. The journal's head may come around to its tail no sooner than the members are durable
//! and the tail on record has moved on: it lies in the superblock of the journal's device
//! ([`Validity::JournalTail`](super::Validity::JournalTail)). Meta blocks in use have sequence
//! numbers that rise by one.
//!
//! # Recovery
//!
//! [`JournalScan`] walks from the tail on and says which blocks to copy to which members. Then the
//! members are flushed, [`JournalEnd::restart`] gives an empty meta block to write behind the last
//! valid one, and the tail on record moves there. Its sequence number jumps by
//! [`SEQUENCE_JUMP`], so that no old meta block behind it is ever taken for its successor.
//!
//! In write-back mode data go to the journal alone, and are answered; their parity follows later. A
//! journal that was left so is understood as well: [`JournalEnd::cached`] has the data that no
//! member has.

mod error;
mod meta;
mod ring;
mod scan;
mod table;
mod writer;

pub use error::{JournalError, JournalFull, MetaError};
pub use meta::{FlushedRows, JournalSeed, MetaBlock, ParityChecksums, Payload};
pub use ring::{JOURNAL_BLOCK_SECTORS, Journal, JournalHead, JournalSector};
pub use scan::{
    CopyBlock, JournalEnd, JournalMemory, JournalScan, JournalStop, ReadMeta, SEQUENCE_JUMP,
    VerifyBlock,
};
pub use table::LoggedBlock;
pub use writer::{JournalWrite, JournalWriter};
