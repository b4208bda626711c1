//! md's write-intent bitmap: one bit for each chunk of the members, set before a write to the chunk
//! and cleared some time after it.
//!
//! The bitmap begins with a superblock of its own, of 256 bytes, and the bits follow at once: bit
//! `b` is bit `b % 8` of byte `256 + b / 8`. What a bit covers depends on the level; see
//! [`SyncSector`]. md reads and writes the whole in pages of 4 KiB. Facts: `md-bitmap.h` and
//! `md-bitmap.c` of Linux 6.1, `super1.c` of mdadm 4.2.
//!
//! A host that writes to an array with a bitmap sets the bits of each write, makes their pages
//! durable, and only then writes.

mod bits;
mod geometry;
mod superblock;

pub use bits::{BitRange, DirtyBits};
pub use geometry::{BitmapGeometry, SyncSector};
pub use superblock::{
    BITMAP_SUPERBLOCK_SECTORS, BitmapError, BitmapStanding, BitmapState, BitmapSuperblock, Presence,
};
