//! The superblock of a bitmap: 256 bytes before the first bit.

use core::fmt;

use bitflags::bitflags;

use super::geometry::{BitmapGeometry, SyncSector};
use crate::md::bytes::{Block, bytes_at, put, u32_at, u64_at};
use crate::md::fields::{ArrayUuid, RecoveryKind};
use crate::metadata::Consistency;
use crate::units::Sectors;

/// Sectors that have to be read to know a bitmap's superblock.
pub const BITMAP_SUPERBLOCK_SECTORS: Sectors = Sectors(1);

const MAGIC_NUMBER: u32 = 0x6d74_6962;
/// Bits in little-endian order, one machine.
const VERSION_NUMBER: u32 = 4;
/// More writes behind than this, the kernel refuses (`COUNTER_MAX`).
const WRITE_BEHIND_MAX: u32 = 16_383;
/// mdadm's choice for a new bitmap.
const DAEMON_SLEEP_SECONDS: u32 = 5;

// Offsets of the fields, by md's names. `nodes` (68) and `cluster_name` (72) mean nothing in
// version 4; the rest up to 256 is padding.
const MAGIC: usize = 0;
const VERSION: usize = 4;
const UUID: usize = 8;
const EVENTS: usize = 24;
const EVENTS_CLEARED: usize = 32;
const SYNC_SIZE: usize = 40;
const STATE: usize = 48;
const CHUNKSIZE: usize = 52;
const DAEMON_SLEEP: usize = 56;
const WRITE_BEHIND: usize = 60;
const SECTORS_RESERVED: usize = 64;

bitflags! {
    /// The `state` of a bitmap. Bits without a name are kept as they are, as the kernel does.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct BitmapState: u32 {
        /// The bits are not to be believed: everything is dirty.
        const STALE = 1 << 1;
        /// The bitmap could not be written.
        const WRITE_ERROR = 1 << 2;
        const _ = !0;
    }
}

/// The bits are longs in the byte order of the machine that wrote them.
const HOST_ENDIAN: u32 = 1 << 15;

/// The superblock of a write-intent bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BitmapSuperblock {
    /// The array that it belongs to (`uuid`).
    pub array_uuid: ArrayUuid,
    /// The event count of the array when this was last written.
    pub events: u64,
    /// The event count of the array when a bit was last cleared with every member there: who has
    /// missed more than what came after it, has missed writes that no bit tells of.
    pub events_cleared: u64,
    /// What is wrong with it.
    pub state: BitmapState,
    /// What its bits cover (`chunksize`, `sync_size`).
    pub geometry: BitmapGeometry,
    /// How often bits are cleared; a bit stays for two or three of these after a write.
    pub daemon_sleep_seconds: u32,
    /// Most writes at a time that write-mostly members of level 1 may lag behind; 0 for none.
    pub write_behind: u32,
    /// How much room there is for it, in sectors; 0 if not said.
    pub sectors_reserved: u32,
}

/// What the bits of a bitmap are worth to an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BitmapStanding {
    /// It is another array's. The kernel starts no array with it.
    Foreign,
    /// It missed something: every bit counts as set.
    Stale,
    /// Its bits are right.
    Current,
}

/// Whether all members of an array are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Presence {
    /// They are.
    Complete,
    /// One is not, or is still being recovered.
    Degraded,
}

/// Why bytes are not a bitmap that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BitmapError {
    /// No bitmap here: the magic number is missing.
    NoBitmap,
    /// A bitmap of a version other than 4.
    UnsupportedVersion {
        /// The version found.
        version: u32,
    },
    /// A field has a value that it cannot have.
    BadField {
        /// md's name of the field.
        field: &'static str,
        /// Its value.
        value: u32,
    },
    /// No bitmap of that chunk, or of any, has so little room.
    NoRoom {
        /// The room.
        room: Sectors,
    },
}

impl fmt::Display for BitmapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoBitmap => f.write_str("no bitmap where the md superblock says it is"),
            Self::UnsupportedVersion { version: 3 } => f.write_str(
                "bitmap of version 3, in the byte order of the machine that wrote it: let that \
                 machine remove it and make a new one",
            ),
            Self::UnsupportedVersion { version: 5 } => {
                f.write_str("bitmap of version 5: a cluster shares it, and nobody may use it alone")
            }
            Self::UnsupportedVersion { version } => {
                write!(f, "bitmap of version {version}: only version 4 is supported")
            }
            Self::BadField { field, value } => {
                write!(f, "corrupt bitmap: {field} cannot be {value:#x}")
            }
            Self::NoRoom { room } => write!(
                f,
                "no bitmap fits into {} sectors: give it more room or larger chunks",
                room.0
            ),
        }
    }
}

impl core::error::Error for BitmapError {}

impl BitmapSuperblock {
    /// The superblock of a new bitmap, as mdadm writes it. All its bits are to be set: what md has
    /// to resync at first, it learns from them.
    #[must_use]
    pub fn new(array_uuid: ArrayUuid, geometry: BitmapGeometry) -> Self {
        Self {
            array_uuid,
            events: 0,
            events_cleared: 0,
            state: BitmapState::empty(),
            geometry,
            daemon_sleep_seconds: DAEMON_SLEEP_SECONDS,
            write_behind: 0,
            sectors_reserved: 0,
        }
    }

    /// Reads the superblock at the start of the first page of a bitmap.
    ///
    /// What the kernel refuses is refused. So is what it takes and we could misread: versions 3 and
    /// 5.
    ///
    /// # Errors
    ///
    /// [`BitmapError::NoBitmap`] where there is none, else what is wrong with it.
    pub fn parse(page: &Block) -> Result<Self, BitmapError> {
        if u32_at::<MAGIC>(page) != MAGIC_NUMBER {
            return Err(BitmapError::NoBitmap);
        }
        let version = u32_at::<VERSION>(page);
        if version != VERSION_NUMBER {
            return Err(BitmapError::UnsupportedVersion { version });
        }
        let state = u32_at::<STATE>(page);
        if state & HOST_ENDIAN != 0 {
            return Err(BitmapError::BadField { field: "state", value: state });
        }
        let daemon_sleep_seconds = u32_at::<DAEMON_SLEEP>(page);
        if daemon_sleep_seconds == 0 {
            return Err(BitmapError::BadField { field: "daemon_sleep", value: 0 });
        }
        let write_behind = u32_at::<WRITE_BEHIND>(page);
        if write_behind > WRITE_BEHIND_MAX {
            return Err(BitmapError::BadField { field: "write_behind", value: write_behind });
        }
        Ok(Self {
            array_uuid: ArrayUuid(bytes_at::<UUID, 16>(page)),
            events: u64_at::<EVENTS>(page),
            events_cleared: u64_at::<EVENTS_CLEARED>(page),
            state: BitmapState::from_bits_retain(state),
            geometry: BitmapGeometry::new(
                u32_at::<CHUNKSIZE>(page),
                Sectors(u64_at::<SYNC_SIZE>(page)),
            )?,
            daemon_sleep_seconds,
            write_behind,
            sectors_reserved: u32_at::<SECTORS_RESERVED>(page),
        })
    }

    /// Writes this superblock over the one in the first page of a bitmap. Bits, and bytes that mean
    /// nothing, stay as they are.
    pub fn encode(&self, page: &mut Block) {
        put::<MAGIC, 4>(page, MAGIC_NUMBER.to_le_bytes());
        put::<VERSION, 4>(page, VERSION_NUMBER.to_le_bytes());
        put::<UUID, 16>(page, self.array_uuid.0);
        put::<EVENTS, 8>(page, self.events.to_le_bytes());
        put::<EVENTS_CLEARED, 8>(page, self.events_cleared.to_le_bytes());
        put::<SYNC_SIZE, 8>(page, self.geometry.sync_size().0.to_le_bytes());
        put::<STATE, 4>(page, self.state.bits().to_le_bytes());
        put::<CHUNKSIZE, 4>(page, self.geometry.chunk_bytes().to_le_bytes());
        put::<DAEMON_SLEEP, 4>(page, self.daemon_sleep_seconds.to_le_bytes());
        put::<WRITE_BEHIND, 4>(page, self.write_behind.to_le_bytes());
        put::<SECTORS_RESERVED, 4>(page, self.sectors_reserved.to_le_bytes());
    }

    /// What the bits are worth to the array of this name whose superblocks have this event count.
    ///
    /// md writes the bitmap before the superblocks, so that a bitmap that is behind was not kept.
    #[must_use]
    pub fn standing(&self, array: ArrayUuid, events: u64) -> BitmapStanding {
        if self.array_uuid != array {
            BitmapStanding::Foreign
        } else if self.state.contains(BitmapState::STALE) || self.events < events {
            BitmapStanding::Stale
        } else {
            BitmapStanding::Current
        }
    }

    /// How a member that was away is recovered, whose superblock has this event count: by the set
    /// bits of this bitmap, the present members', or in full.
    ///
    /// `standing` is this bitmap's with the present members.
    #[must_use]
    pub fn recovery_of(&self, standing: BitmapStanding, member_events: u64) -> RecoveryKind {
        match standing {
            BitmapStanding::Current if member_events >= self.events_cleared => {
                RecoveryKind::ByBitmap
            }
            BitmapStanding::Current | BitmapStanding::Stale | BitmapStanding::Foreign => {
                RecoveryKind::Full
            }
        }
    }

    /// From where on set bits mean work when an array with this record is started, or `None` if
    /// none does.
    ///
    /// What lies below the mark of an interrupted resync has been done, and in a clean array bits
    /// are only not yet cleared. But while a member is away, all bits are kept for its return.
    #[must_use]
    pub fn work_from(
        &self,
        consistency: Consistency,
        events: u64,
        presence: Presence,
    ) -> Option<SyncSector> {
        match (presence, consistency) {
            (Presence::Degraded, _) if self.events_cleared != events => Some(SyncSector(0)),
            (_, Consistency::Clean) => None,
            (_, Consistency::InSyncTo(mark)) => Some(SyncSector(mark.0)),
        }
    }
}
