//! md's bad-block log: ranges of a member that cannot be read, so that the rest of it can be used.
//!
//! The log is an array of 64-bit words, `start << 10 | length`, in units of `1 << bblog_shift`
//! sectors counted from the start of the device. A word of all ones ends it, or the end of the
//! area does. What is in the log is *acknowledged*: a range found bad since is not, and until it
//! is, nobody may rely on its being known. Facts: `super_1_load` and `super_1_sync` of Linux 6.1,
//! and its `block/badblocks.c`.

mod entry;
mod list;

pub use entry::{BadBlockEntry, BadBlockRange};
pub use list::{BAD_BLOCKS_MAX, BadBlockError, BadBlockList, Full, Unrecorded};
