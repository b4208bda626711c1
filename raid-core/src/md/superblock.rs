//! The version 1 superblock as values: what one device knows of the array and of itself.

use super::error::SuperblockError;
use super::fields::{
    ArrayName, ArrayUuid, BadBlockLog, BadBlocks, Bitmap, DeviceFlags, DeviceUuid, Features, Minor,
    PartialParityLog, RecoveryKind, Reshape, Timestamp, Validity, WriteLog,
};
use super::roles::{DeviceRole, Roles};
use crate::metadata::Consistency;
use crate::reshape::Direction;
use crate::units::{DeviceSector, SECTOR_BYTES, Sectors};

/// Less room for data than this is refused by the kernel.
const DATA_SECTORS_MIN: u64 = 10;

/// One superblock: what one device knows of the array and of itself.
///
/// Numbers that another room gives a meaning (level, layout, chunk) are kept as found, so that a
/// superblock can be shown whatever it says; [`Geometry`](crate::geometry) decides whether they
/// make an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// The array (`set_uuid`).
    pub array_uuid: ArrayUuid,
    /// Its name (`set_name`).
    pub name: ArrayName,
    /// When it was created (`ctime`).
    pub creation_time: Timestamp,
    /// md's number of its level.
    pub level: i32,
    /// md's number of its layout.
    pub layout: u32,
    /// Sectors of each member in use (`size`); 0 at level 0.
    pub member_size: Sectors,
    /// Its chunk, in sectors (`chunksize`).
    pub chunk_sectors: u32,
    /// Places in its shape (`raid_disks`); during a reshape those of the new shape.
    pub members: u32,
    /// What guards its writes.
    pub write_log: WriteLog,
    /// The reshape on record.
    pub reshape: Option<Reshape>,
    /// The logical block that the array shows, in bytes (`logical_block_size`, since Linux 6.19); 0
    /// if not said.
    pub logical_block_bytes: u32,
    /// Whether the layout of a level 0 array of members of several sizes is said.
    pub zone_layout: ZoneLayout,
    /// When this superblock was last written (`utime`).
    pub update_time: Timestamp,
    /// The event count: the freshest superblock has the highest.
    pub events: u64,
    /// How far parity and copies are known to agree with the data (`resync_offset`).
    pub consistency: Consistency,
    /// What the array thinks of each device (`dev_roles`).
    pub roles: Roles,

    /// This device (`device_uuid`).
    pub device_uuid: DeviceUuid,
    /// Its number: the index of its role (`dev_number`).
    pub dev_number: u32,
    /// Where this superblock lies (`super_offset`).
    pub super_offset: DeviceSector,
    /// Where its data area starts.
    pub data_offset: DeviceSector,
    /// The length of its data area.
    pub data_size: Sectors,
    /// What of its data area is valid.
    pub validity: Validity,
    /// Whether it is to take over from the member at its place.
    pub replacement: Replacement,
    /// Read errors mended so far (`cnt_corrected_read`).
    pub corrected_reads: u32,
    /// How it likes to be used (`devflags`).
    pub device_flags: DeviceFlags,
    /// Where its bad-block log lies.
    pub bad_block_log: BadBlockLog,
}

/// Whether a device is a member or is to become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Replacement {
    /// The original at its place, or no member at all.
    No,
    /// To take over from the member at its place.
    Yes,
}

/// Whether the layout of a level 0 array whose members differ in size is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ZoneLayout {
    /// It is not, and `layout` means nothing at level 0.
    Unsaid,
    /// `layout` says it.
    Said,
}

impl Superblock {
    /// How much of its area the superblock uses: what must be written to make it durable.
    #[must_use]
    pub fn sectors(&self) -> Sectors {
        let roles = u64::from(self.roles.count());
        let bytes = roles.saturating_mul(2).saturating_add(0x100);
        Sectors(bytes.div_ceil(u64::from(SECTOR_BYTES)))
    }

    /// The minor version, as the place says.
    #[must_use]
    pub fn minor(&self) -> Minor {
        Minor::at(self.super_offset)
    }

    /// The chunk as a length.
    #[must_use]
    pub fn chunk(&self) -> Sectors {
        Sectors(self.chunk_sectors.into())
    }

    /// What this superblock says of the device that bears it.
    #[must_use]
    pub fn own_role(&self) -> DeviceRole {
        self.roles.role(self.dev_number)
    }

    /// The features in use (`feature_map`).
    #[must_use]
    pub fn features(&self) -> Features {
        let log = match self.write_log {
            WriteLog::None => Features::empty(),
            WriteLog::Bitmap { kind: Bitmap::Local, .. } => Features::BITMAP_OFFSET,
            WriteLog::Bitmap { kind: Bitmap::Clustered, .. } => {
                Features::BITMAP_OFFSET | Features::CLUSTERED
            }
            WriteLog::PartialParity { kind: PartialParityLog::Single, .. } => Features::PPL,
            WriteLog::PartialParity { kind: PartialParityLog::Multiple, .. } => {
                Features::MULTIPLE_PPLS
            }
            WriteLog::Journal => Features::JOURNAL,
        };
        let recovery = match self.validity {
            Validity::Everything | Validity::JournalTail(_) => Features::empty(),
            Validity::Below { kind: RecoveryKind::Full, .. } => Features::RECOVERY_OFFSET,
            Validity::Below { kind: RecoveryKind::ByBitmap, .. } => {
                Features::RECOVERY_OFFSET | Features::RECOVERY_BITMAP
            }
        };
        let bad_blocks = match self.bad_block_log.entries {
            BadBlocks::None => Features::empty(),
            BadBlocks::Listed => Features::BAD_BLOCKS,
        };
        let replacement = match self.replacement {
            Replacement::No => Features::empty(),
            Replacement::Yes => Features::REPLACEMENT,
        };
        let zones = match self.zone_layout {
            ZoneLayout::Unsaid => Features::empty(),
            ZoneLayout::Said => Features::RAID0_LAYOUT,
        };
        let reshape = self.reshape.map_or(Features::empty(), |reshape| reshape.features());
        log | recovery | bad_blocks | replacement | zones | reshape
    }

    pub(super) fn check_data_area(&self) -> Result<(), SuperblockError> {
        let Self { data_offset, data_size, super_offset, .. } = *self;
        if data_size.0 < DATA_SECTORS_MIN {
            return Err(bad("data_size", data_size.0));
        }
        let end = data_offset.checked_add(data_size).ok_or(bad("data_size", data_size.0))?;
        let superblock_end =
            super_offset.checked_add(self.sectors()).ok_or(bad("super_offset", super_offset.0))?;
        match self.minor() {
            // The superblock lies behind the data, or before it.
            Minor::V1_0 if end > super_offset => Err(bad("data_size", data_size.0)),
            Minor::V1_1 | Minor::V1_2 if data_offset < superblock_end => {
                Err(bad("data_offset", data_offset.0))
            }
            Minor::V1_0 | Minor::V1_1 | Minor::V1_2 => self.check_new_offset(),
        }
    }

    fn check_new_offset(&self) -> Result<(), SuperblockError> {
        let Some(offset) = self.reshape.and_then(|reshape| reshape.new_offset) else {
            return Ok(());
        };
        match self.data_offset.0.checked_add_signed(offset.into()) {
            Some(_) => Ok(()),
            None => Err(bad("new_offset", u32::from_le_bytes(offset.to_le_bytes()).into())),
        }
    }
}

impl Reshape {
    fn features(&self) -> Features {
        let backward = match (self.delta_members, self.direction) {
            (0, Direction::Backward) => Features::RESHAPE_BACKWARDS,
            (_, Direction::Forward | Direction::Backward) => Features::empty(),
        };
        let moved = self.new_offset.map_or(Features::empty(), |_| Features::NEW_OFFSET);
        Features::RESHAPE_ACTIVE | backward | moved
    }
}

pub(super) fn bad(field: &'static str, value: u64) -> SuperblockError {
    SuperblockError::BadField { field, value }
}
