//! Linux md version 1 metadata: bytes to values and back, and members to an array.
//!
//! The format is described by the kernel's `md_p.h`; offsets are named in `codec.rs`. Every byte
//! comes from media and is untrusted: a wrong one is a typed error, never a panic.

mod area;
mod assembly;
mod backup;
mod bad_blocks;
mod bitmap;
mod bytes;
mod codec;
mod crc32c;
mod create;
mod error;
mod fields;
mod join;
pub mod journal;
pub mod ppl;
mod record;
mod reshape;
mod roles;
mod superblock;

pub use area::{Area, AreaError};
pub use assembly::{
    Assembly, AssemblyError, CANDIDATES_MAX, Candidate, FaultClass, HalfDone, HalfDoneError,
    LeftOut, LeftOutReason, Seat, assemble, assemble_reshape,
};
pub use backup::{
    BACKUP_HEADER_SECTORS, BackupError, BackupHeader, BackupLayout, ChangeSum, ContentSum,
};
pub use bad_blocks::{
    BAD_BLOCKS_MAX, BadBlockEntry, BadBlockError, BadBlockList, BadBlockRange, Full, Unrecorded,
};
pub use bitmap::{
    BITMAP_SUPERBLOCK_SECTORS, BitRange, BitmapError, BitmapGeometry, BitmapStanding, BitmapState,
    BitmapSuperblock, DirtyBits, Presence, SyncSector,
};
pub use bytes::{Block, SUPERBLOCK_BYTES, checksum};
pub use create::{Blueprint, CreateError, NewArray};
pub use error::SuperblockError;
pub use fields::{
    ArrayName, ArrayUuid, BadBlockLog, BadBlocks, Bitmap, DeviceFlags, DeviceUuid, Features, Minor,
    PartialParityLog, RecoveryKind, Reshape, Timestamp, Validity, WriteLog,
};
pub use join::JoinError;
pub use reshape::{BeginError, ReshapeError, Which};
pub use roles::{DeviceRole, NumberBeyondRoles, ROLES_MAX, Roles};
pub use superblock::{Replacement, Superblock, ZoneLayout};
