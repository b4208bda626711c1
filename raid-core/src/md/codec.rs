//! The version 1 superblock as bytes: 256 of them and a list of roles, at a place that the minor
//! version fixes.

use super::bytes::{
    self, Block, FORMAT_ROLES_MAX, HEADER_BYTES, MAX_DEV, SB_CSUM, bytes_at, put, u8_at, u16_at,
    u32_at, u64_at,
};
use super::error::SuperblockError;
use super::fields::{
    ArrayName, ArrayUuid, BadBlockLog, BadBlocks, Bitmap, DeviceFlags, DeviceUuid, Features,
    PartialParityLog, RecoveryKind, Reshape, Timestamp, Validity, WriteLog,
};
use super::roles::{DeviceRole, Roles};
use super::superblock::{Replacement, Superblock, ZoneLayout, bad};
use crate::metadata::Consistency;
use crate::reshape::Direction;
use crate::units::{DeviceSector, Lba, SECTOR_BYTES, Sectors};

const MAGIC_NUMBER: u32 = 0xa92b_4efc;
const MAJOR: u32 = 1;
/// A bad-block log has at most 512 entries of 8 bytes.
const BAD_BLOCK_SECTORS_MAX: u16 = 8;
const LOGICAL_BLOCK_BYTES_MAX: u32 = 65_536;

// Offsets of the fields, by md's names.
const MAGIC: usize = 0x00;
const MAJOR_VERSION: usize = 0x04;
const FEATURE_MAP: usize = 0x08;
const PAD0: usize = 0x0c;
const SET_UUID: usize = 0x10;
const SET_NAME: usize = 0x20;
const CTIME: usize = 0x40;
const LEVEL: usize = 0x48;
const LAYOUT: usize = 0x4c;
const SIZE: usize = 0x50;
const CHUNKSIZE: usize = 0x58;
const RAID_DISKS: usize = 0x5c;
const BITMAP_OFFSET: usize = 0x60;
const PPL_OFFSET: usize = 0x60;
const PPL_SIZE: usize = 0x62;
const NEW_LEVEL: usize = 0x64;
const RESHAPE_POSITION: usize = 0x68;
const DELTA_DISKS: usize = 0x70;
const NEW_LAYOUT: usize = 0x74;
const NEW_CHUNK: usize = 0x78;
const NEW_OFFSET: usize = 0x7c;
const DATA_OFFSET: usize = 0x80;
const DATA_SIZE: usize = 0x88;
const SUPER_OFFSET: usize = 0x90;
const RECOVERY_OFFSET: usize = 0x98;
const DEV_NUMBER: usize = 0xa0;
const CNT_CORRECTED_READ: usize = 0xa4;
const DEVICE_UUID: usize = 0xa8;
const DEVFLAGS: usize = 0xb8;
const BBLOG_SHIFT: usize = 0xb9;
const BBLOG_SIZE: usize = 0xba;
const BBLOG_OFFSET: usize = 0xbc;
const UTIME: usize = 0xc0;
const EVENTS: usize = 0xc8;
const RESYNC_OFFSET: usize = 0xd0;
const LOGICAL_BLOCK_SIZE: usize = 0xe0;
const PAD3: usize = 0xe4;
const PAD3_BYTES: usize = HEADER_BYTES - PAD3;

impl Superblock {
    /// Reads the superblock in `block`, which was read at the sector `found_at`.
    ///
    /// # Errors
    ///
    /// [`SuperblockError::NotMd`] where there is none, else what is wrong with it.
    pub fn parse(block: &Block, found_at: DeviceSector) -> Result<Self, SuperblockError> {
        let features = check_frame(block, found_at)?;
        let roles = Roles::parse(block)?;
        let dev_number = u32_at::<DEV_NUMBER>(block);
        let own_role = roles.role(dev_number);
        let superblock = Self {
            array_uuid: ArrayUuid(bytes_at::<SET_UUID, 16>(block)),
            name: ArrayName(bytes_at::<SET_NAME, 32>(block)),
            creation_time: Timestamp::from_bits(u64_at::<CTIME>(block)),
            level: i32::from_le_bytes(bytes_at::<LEVEL, 4>(block)),
            layout: u32_at::<LAYOUT>(block),
            member_size: Sectors(u64_at::<SIZE>(block)),
            chunk_sectors: u32_at::<CHUNKSIZE>(block),
            members: u32_at::<RAID_DISKS>(block),
            write_log: parse_write_log(block, features)?,
            reshape: parse_reshape(block, features)?,
            logical_block_bytes: parse_logical_block(block)?,
            zone_layout: match features.contains(Features::RAID0_LAYOUT) {
                true => ZoneLayout::Said,
                false => ZoneLayout::Unsaid,
            },
            update_time: Timestamp::from_bits(u64_at::<UTIME>(block)),
            events: u64_at::<EVENTS>(block),
            consistency: match u64_at::<RESYNC_OFFSET>(block) {
                u64::MAX => Consistency::Clean,
                mark => Consistency::InSyncTo(Sectors(mark)),
            },
            device_uuid: DeviceUuid(bytes_at::<DEVICE_UUID, 16>(block)),
            dev_number,
            super_offset: found_at,
            data_offset: DeviceSector(u64_at::<DATA_OFFSET>(block)),
            data_size: Sectors(u64_at::<DATA_SIZE>(block)),
            validity: parse_validity(block, features, own_role)?,
            replacement: match features.contains(Features::REPLACEMENT) {
                true => Replacement::Yes,
                false => Replacement::No,
            },
            corrected_reads: u32_at::<CNT_CORRECTED_READ>(block),
            device_flags: DeviceFlags::from_bits_retain(u8_at::<DEVFLAGS>(block)),
            bad_block_log: parse_bad_block_log(block, features)?,
            roles,
        };
        superblock.check_data_area()?;
        Ok(superblock)
    }

    /// Writes this superblock over the one in `block`.
    ///
    /// Bytes that mean nothing while a feature is off, and those behind the list of roles, stay as
    /// they are: an old bitmap may lie there. Pass the block that was read from the device, or
    /// zeros for a new one, and write [`sectors`](Self::sectors) of it.
    pub fn encode(&self, block: &mut Block) {
        put::<MAGIC, 4>(block, MAGIC_NUMBER.to_le_bytes());
        put::<MAJOR_VERSION, 4>(block, MAJOR.to_le_bytes());
        put::<FEATURE_MAP, 4>(block, self.features().bits().to_le_bytes());
        put::<PAD0, 4>(block, [0; 4]);
        put::<PAD3, PAD3_BYTES>(block, [0; PAD3_BYTES]);
        self.encode_array(block);
        self.encode_write_log(block);
        self.encode_reshape(block);
        self.encode_device(block);
        put::<MAX_DEV, 4>(block, u32::from(self.roles.count()).to_le_bytes());
        self.roles.encode(block);
        let sum = bytes::checksum(block);
        put::<SB_CSUM, 4>(block, sum.to_le_bytes());
    }

    fn encode_array(&self, block: &mut Block) {
        put::<SET_UUID, 16>(block, self.array_uuid.0);
        put::<SET_NAME, 32>(block, self.name.0);
        put::<CTIME, 8>(block, self.creation_time.bits().to_le_bytes());
        put::<LEVEL, 4>(block, self.level.to_le_bytes());
        put::<LAYOUT, 4>(block, self.layout.to_le_bytes());
        put::<SIZE, 8>(block, self.member_size.0.to_le_bytes());
        put::<CHUNKSIZE, 4>(block, self.chunk_sectors.to_le_bytes());
        put::<RAID_DISKS, 4>(block, self.members.to_le_bytes());
        put::<LOGICAL_BLOCK_SIZE, 4>(block, self.logical_block_bytes.to_le_bytes());
        put::<UTIME, 8>(block, self.update_time.bits().to_le_bytes());
        put::<EVENTS, 8>(block, self.events.to_le_bytes());
        let mark = match self.consistency {
            Consistency::Clean => u64::MAX,
            Consistency::InSyncTo(mark) => mark.0,
        };
        put::<RESYNC_OFFSET, 8>(block, mark.to_le_bytes());
    }

    fn encode_write_log(&self, block: &mut Block) {
        match self.write_log {
            WriteLog::None | WriteLog::Journal => {}
            WriteLog::Bitmap { offset, .. } => {
                put::<BITMAP_OFFSET, 4>(block, offset.to_le_bytes());
            }
            WriteLog::PartialParity { offset, sectors, .. } => {
                put::<PPL_OFFSET, 2>(block, offset.to_le_bytes());
                put::<PPL_SIZE, 2>(block, sectors.to_le_bytes());
            }
        }
    }

    fn encode_reshape(&self, block: &mut Block) {
        let Some(reshape) = self.reshape else { return };
        put::<RESHAPE_POSITION, 8>(block, reshape.position.0.to_le_bytes());
        put::<DELTA_DISKS, 4>(block, reshape.delta_members.to_le_bytes());
        put::<NEW_LEVEL, 4>(block, reshape.level.to_le_bytes());
        put::<NEW_LAYOUT, 4>(block, reshape.layout.to_le_bytes());
        put::<NEW_CHUNK, 4>(block, reshape.chunk_sectors.to_le_bytes());
        if let Some(offset) = reshape.new_offset {
            put::<NEW_OFFSET, 4>(block, offset.to_le_bytes());
        }
    }

    fn encode_device(&self, block: &mut Block) {
        put::<DATA_OFFSET, 8>(block, self.data_offset.0.to_le_bytes());
        put::<DATA_SIZE, 8>(block, self.data_size.0.to_le_bytes());
        put::<SUPER_OFFSET, 8>(block, self.super_offset.0.to_le_bytes());
        match self.validity {
            Validity::Everything => {}
            Validity::Below { valid_to: mark, .. } | Validity::JournalTail(mark) => {
                put::<RECOVERY_OFFSET, 8>(block, mark.0.to_le_bytes());
            }
        }
        put::<DEV_NUMBER, 4>(block, self.dev_number.to_le_bytes());
        put::<CNT_CORRECTED_READ, 4>(block, self.corrected_reads.to_le_bytes());
        put::<DEVICE_UUID, 16>(block, self.device_uuid.0);
        put::<DEVFLAGS, 1>(block, [self.device_flags.bits()]);
        put::<BBLOG_SHIFT, 1>(block, [self.bad_block_log.shift]);
        put::<BBLOG_SIZE, 2>(block, self.bad_block_log.sectors.to_le_bytes());
        put::<BBLOG_OFFSET, 4>(block, self.bad_block_log.offset.to_le_bytes());
    }
}

/// Everything that tells a superblock from other bytes, before any field is believed.
fn check_frame(block: &Block, found_at: DeviceSector) -> Result<Features, SuperblockError> {
    if u32_at::<MAGIC>(block) != MAGIC_NUMBER {
        return Err(SuperblockError::NotMd);
    }
    let major = u32_at::<MAJOR_VERSION>(block);
    if major != MAJOR {
        return Err(SuperblockError::UnsupportedVersion { major });
    }
    let max_dev = u32_at::<MAX_DEV>(block);
    if max_dev > u32::from(FORMAT_ROLES_MAX) {
        return Err(SuperblockError::TooManyRoles { max_dev });
    }
    let (found, expected) = (u32_at::<SB_CSUM>(block), bytes::checksum(block));
    if found != expected {
        return Err(SuperblockError::Checksum { found, expected });
    }
    let says = DeviceSector(u64_at::<SUPER_OFFSET>(block));
    if says != found_at {
        return Err(SuperblockError::WrongPlace { found_at, says });
    }
    let map = u32_at::<FEATURE_MAP>(block);
    let features = Features::from_bits(map)
        .ok_or(SuperblockError::UnknownFeatures { bits: map & !Features::all().bits() })?;
    if bytes_at::<PAD0, 4>(block) != [0; 4] {
        return Err(SuperblockError::ReservedBytes { offset: 0x0c });
    }
    if bytes_at::<PAD3, PAD3_BYTES>(block) != [0; PAD3_BYTES] {
        return Err(SuperblockError::ReservedBytes { offset: 0xe4 });
    }
    Ok(features)
}

fn parse_write_log(block: &Block, features: Features) -> Result<WriteLog, SuperblockError> {
    let logs = features
        & (Features::BITMAP_OFFSET
            | Features::CLUSTERED
            | Features::JOURNAL
            | Features::PPL
            | Features::MULTIPLE_PPLS);
    let clustered = Features::BITMAP_OFFSET | Features::CLUSTERED;
    if logs.is_empty() {
        Ok(WriteLog::None)
    } else if logs == Features::BITMAP_OFFSET {
        Ok(bitmap(block, Bitmap::Local))
    } else if logs == clustered {
        Ok(bitmap(block, Bitmap::Clustered))
    } else if logs == Features::PPL {
        Ok(partial_parity(block, PartialParityLog::Single))
    } else if logs == Features::MULTIPLE_PPLS {
        Ok(partial_parity(block, PartialParityLog::Multiple))
    } else if logs == Features::JOURNAL {
        Ok(WriteLog::Journal)
    } else {
        Err(SuperblockError::ContradictoryFeatures { features: logs })
    }
}

fn bitmap(block: &Block, kind: Bitmap) -> WriteLog {
    WriteLog::Bitmap { offset: i32::from_le_bytes(bytes_at::<BITMAP_OFFSET, 4>(block)), kind }
}

fn partial_parity(block: &Block, kind: PartialParityLog) -> WriteLog {
    let offset = i16::from_le_bytes(bytes_at::<PPL_OFFSET, 2>(block));
    WriteLog::PartialParity { offset, sectors: u16_at::<PPL_SIZE>(block), kind }
}

fn parse_reshape(block: &Block, features: Features) -> Result<Option<Reshape>, SuperblockError> {
    let dependent = features & (Features::RESHAPE_BACKWARDS | Features::NEW_OFFSET);
    if !features.contains(Features::RESHAPE_ACTIVE) {
        return match dependent.is_empty() {
            true => Ok(None),
            false => Err(SuperblockError::ContradictoryFeatures { features: dependent }),
        };
    }
    let delta_members = i32::from_le_bytes(bytes_at::<DELTA_DISKS, 4>(block));
    let direction = match (dependent.contains(Features::RESHAPE_BACKWARDS), delta_members) {
        (true, 0) => Direction::Backward,
        (true, _) => {
            let features = Features::RESHAPE_ACTIVE | Features::RESHAPE_BACKWARDS;
            return Err(SuperblockError::ContradictoryFeatures { features });
        }
        (false, 0..) => Direction::Forward,
        (false, _) => Direction::Backward,
    };
    let new_offset = dependent
        .contains(Features::NEW_OFFSET)
        .then(|| i32::from_le_bytes(bytes_at::<NEW_OFFSET, 4>(block)));
    Ok(Some(Reshape {
        position: Lba(u64_at::<RESHAPE_POSITION>(block)),
        delta_members,
        level: i32::from_le_bytes(bytes_at::<NEW_LEVEL, 4>(block)),
        layout: u32_at::<NEW_LAYOUT>(block),
        chunk_sectors: u32_at::<NEW_CHUNK>(block),
        direction,
        new_offset,
    }))
}

fn parse_validity(
    block: &Block,
    features: Features,
    own_role: DeviceRole,
) -> Result<Validity, SuperblockError> {
    let recovery = features & (Features::RECOVERY_OFFSET | Features::RECOVERY_BITMAP);
    let contradiction = SuperblockError::ContradictoryFeatures { features: recovery };
    let mark = Sectors(u64_at::<RECOVERY_OFFSET>(block));
    let kind = if recovery.is_empty() {
        return Ok(match own_role {
            DeviceRole::Journal => Validity::JournalTail(mark),
            DeviceRole::Slot(_) | DeviceRole::Spare | DeviceRole::Faulty => Validity::Everything,
        });
    } else if recovery == Features::RECOVERY_OFFSET {
        RecoveryKind::Full
    } else if recovery.contains(Features::RECOVERY_OFFSET) {
        RecoveryKind::ByBitmap
    } else {
        return Err(contradiction);
    };
    match own_role {
        // The field is the journal's tail there.
        DeviceRole::Journal => Err(contradiction),
        DeviceRole::Slot(_) | DeviceRole::Spare | DeviceRole::Faulty => {
            Ok(Validity::Below { valid_to: mark, kind })
        }
    }
}

fn parse_logical_block(block: &Block) -> Result<u32, SuperblockError> {
    let bytes = u32_at::<LOGICAL_BLOCK_SIZE>(block);
    let fits = (SECTOR_BYTES..=LOGICAL_BLOCK_BYTES_MAX).contains(&bytes) && bytes.is_power_of_two();
    match bytes == 0 || fits {
        true => Ok(bytes),
        false => Err(bad("logical_block_size", bytes.into())),
    }
}

fn parse_bad_block_log(block: &Block, features: Features) -> Result<BadBlockLog, SuperblockError> {
    let shift = u8_at::<BBLOG_SHIFT>(block);
    let sectors = u16_at::<BBLOG_SIZE>(block);
    let offset = i32::from_le_bytes(bytes_at::<BBLOG_OFFSET, 4>(block));
    if u32::from(shift) >= u64::BITS {
        return Err(bad("bblog_shift", shift.into()));
    }
    if sectors > BAD_BLOCK_SECTORS_MAX {
        return Err(bad("bblog_size", sectors.into()));
    }
    let entries = match features.contains(Features::BAD_BLOCKS) {
        true if sectors == 0 => return Err(bad("bblog_size", 0)),
        true if offset == 0 => return Err(bad("bblog_offset", 0)),
        true => BadBlocks::Listed,
        false => BadBlocks::None,
    };
    Ok(BadBlockLog { offset, sectors, shift, entries })
}
