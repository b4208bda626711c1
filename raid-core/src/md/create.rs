//! Superblocks of a new array: where everything lies on its devices, placed as md's tools place it.
//!
//! ```text
//! 1.1, 1.2   superblock | room for a bitmap | bad-block log | room to shift the data | data
//! 1.0        data | room for a bitmap | bad-block log | superblock
//! ```
//!
//! The room to shift lets a reshape move the data a little without a backup.

use core::fmt;

use super::bitmap::{BitmapError, BitmapGeometry, BitmapSuperblock};
use super::bytes::SUPERBLOCK_BYTES;
use super::fields::{
    ArrayName, ArrayUuid, BadBlockLog, BadBlocks, Bitmap, DeviceFlags, DeviceUuid, Minor,
    PartialParityLog, Timestamp, Validity, WriteLog,
};
use super::ppl::PPL_HEADER_SECTORS;
use super::roles::Roles;
use super::superblock::{Replacement, Superblock, ZoneLayout};
use crate::engine::JournalSeat;
use crate::geometry::{ConfigError, Geometry, Layout, Shape};
use crate::limits::{MEMBERS_MAX, MIRROR_UNIT};
use crate::metadata::Consistency;
use crate::units::{DeviceSector, FAULT_UNIT, MemberIndex, SECTOR_BYTES, Sectors};

const KIBIBYTE: u64 = 2;
const MEBIBYTE: u64 = 1024 * KIBIBYTE;
const GIBIBYTE: u64 = 1024 * MEBIBYTE;

/// What a superblock has for itself.
const SUPERBLOCK_SECTORS: u64 = 8;
const BAD_BLOCK_SECTORS: u16 = 8;
/// What md's tools give a log of partial parity.
const LOG_SECTORS: u64 = MEBIBYTE;
/// Where the log of 1.0 lies, from the superblock.
const BEFORE_SUPERBLOCK: i32 = -8;
/// Where that of 1.1 and 1.2 lies, from there.
const BEHIND_SUPERBLOCK: i32 = 8;
/// Before the data of 1.1 and 1.2, besides the room for a bitmap and to shift.
const HEAD_SECTORS: u64 = 24;
const SHIFT_ROOM_MAX: u64 = 128 * MEBIBYTE;
/// The room to shift is at most this part of the device, unless two chunks take more.
const SHIFT_ROOM_PART: u64 = 1024;
/// Halvings from `SHIFT_ROOM_MAX` to nothing.
const HALVINGS_MAX: u32 = SHIFT_ROOM_MAX.ilog2();
/// A data offset is a multiple of the largest logical block.
const DATA_OFFSET_UNIT: Sectors = FAULT_UNIT;

const _: () = assert!(SUPERBLOCK_SECTORS * 512 == 4096 && SUPERBLOCK_BYTES == 4096);
const _: () = assert!(SECTOR_BYTES == 512, "the sizes above count such sectors");

/// What a new array is asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blueprint {
    /// The level, and how it places its blocks.
    pub layout: Layout,
    /// The chunk; level 1 has none and ignores it.
    pub chunk: Sectors,
    /// Where the superblocks lie.
    pub minor: Minor,
    /// Where the data of every member starts; `None` for what md's tools choose for the smallest.
    /// Version 1.0 has its data at the start.
    pub data_offset: Option<DeviceSector>,
    /// How much of each member is used, in whole chunks, at level 1 in whole units of 4 KiB; `None`
    /// for as much as the smallest has. At level 0 without it, all must have equally much.
    pub member_size: Option<Sectors>,
    /// Names the array.
    pub array_uuid: ArrayUuid,
    /// Its name.
    pub name: ArrayName,
    /// When it is created.
    pub creation_time: Timestamp,
    /// How far parity and copies agree with what lies on the devices now.
    pub consistency: Consistency,
}

/// A new array that fits on its devices.
#[derive(Clone, Debug)]
pub struct NewArray {
    blueprint: Blueprint,
    geometry: Geometry,
    data_offset: DeviceSector,
    member_size: Sectors,
    devices: heapless::Vec<Sectors, MEMBERS_MAX>,
    /// How much each device has for logs of partial parity.
    log_sectors: Option<u16>,
    bitmap: Option<NewBitmap>,
    /// The size of the journal's device.
    journal: Option<Sectors>,
}

/// Where a new array keeps its bitmap, from the superblock, and how it begins.
#[derive(Clone, Copy, Debug)]
struct NewBitmap {
    offset: i32,
    superblock: BitmapSuperblock,
}

/// Why there can be no such array. A matter for whoever asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateError {
    /// There is no such shape.
    Shape(ConfigError),
    /// More devices than a build has members.
    TooManyDevices {
        /// How many there are.
        count: usize,
    },
    /// A device is too small.
    NoRoom {
        /// Its place.
        place: MemberIndex,
        /// Its size.
        device: Sectors,
        /// What it would have to have.
        needed: Sectors,
    },
    /// The data of 1.0 starts at the start.
    OffsetOfVersion1_0,
    /// The data would start inside the superblock, or not at a multiple of 4 KiB.
    DataOffset {
        /// What was asked for.
        offset: DeviceSector,
        /// The least.
        min: DeviceSector,
    },
    /// There is no redundancy, so a write-intent bitmap would be of no use.
    BitmapOfLevel0,
    /// A write-intent bitmap does not fit.
    Bitmap(BitmapError),
    /// A log of partial parity is for level 5.
    LogLevel,
    /// Between superblock and data there is no room for a log of partial parity.
    LogRoom {
        /// Where the data starts.
        offset: DeviceSector,
    },
    /// A journal is for levels 4, 5 and 6.
    JournalLevel,
    /// The journal's device is too small.
    JournalRoom {
        /// Its size.
        device: Sectors,
        /// What it would have to have.
        needed: Sectors,
    },
    /// Level 0 on devices that do not have equally many chunks.
    Zones {
        /// The place of one device.
        first: MemberIndex,
        /// The place of one with more or less room.
        second: MemberIndex,
    },
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(error) => error.fmt(f),
            Self::TooManyDevices { count } => {
                write!(f, "{count} devices are too many: this build allows {MEMBERS_MAX}")
            }
            Self::NoRoom { place, device, needed } => write!(
                f,
                "the device for member {} has {} sectors, {} are needed",
                place.0, device.0, needed.0
            ),
            Self::OffsetOfVersion1_0 => {
                f.write_str("with metadata 1.0 the data starts at the start; give no offset")
            }
            Self::DataOffset { offset, min } => write!(
                f,
                "the data cannot start at sector {}: give a multiple of {}, at least {}",
                offset.0, DATA_OFFSET_UNIT.0, min.0
            ),
            Self::BitmapOfLevel0 => {
                f.write_str("level 0 has no redundancy, and so no write-intent bitmap")
            }
            Self::Bitmap(error) => error.fmt(f),
            Self::LogLevel => f.write_str("a log of partial parity is for level 5"),
            Self::LogRoom { offset } => write!(
                f,
                "before the data, at sector {}, there is no room for a log of partial parity: start the data \
                 further on",
                offset.0
            ),
            Self::JournalLevel => f.write_str("a journal is for levels 4, 5 and 6"),
            Self::JournalRoom { device, needed } => write!(
                f,
                "the device for the journal has {} sectors, {} are needed",
                device.0, needed.0
            ),
            Self::Zones { first, second } => write!(
                f,
                "the devices for members {} and {} have unequal room, which level 0 does not support; give the size \
                 to use of each",
                first.0, second.0
            ),
        }
    }
}

impl core::error::Error for CreateError {}

impl NewArray {
    /// Lays out a new array on devices of these sizes, given in the order of their places.
    ///
    /// # Errors
    ///
    /// Says what of the blueprint is impossible on these devices, and what would be right.
    pub fn new(blueprint: Blueprint, devices: &[Sectors]) -> Result<Self, CreateError> {
        Self::laid_out(blueprint, devices, None)
    }

    fn laid_out(
        blueprint: Blueprint,
        devices: &[Sectors],
        log_sectors: Option<u16>,
    ) -> Result<Self, CreateError> {
        let too_many = CreateError::TooManyDevices { count: devices.len() };
        let members = u8::try_from(devices.len()).map_err(|_| too_many)?;
        let devices = heapless::Vec::from_slice(devices).map_err(|_| too_many)?;
        let sizes = || (0..=u8::MAX).map(MemberIndex).zip(devices.iter().copied());
        let (place, smallest) =
            sizes().min_by_key(|(_, size)| *size).unwrap_or((MemberIndex(0), Sectors::ZERO));
        let data_offset = data_offset(&blueprint, smallest)?;
        let tail = |size| blueprint.tail(size, log_sectors);
        let room = |size| room(blueprint.minor, data_offset, size, tail(size));
        let no_room = |used| {
            let needed = device_size_for(blueprint.minor, data_offset, used, tail(used));
            CreateError::NoRoom { place, device: smallest, needed }
        };

        let member_size = match blueprint.member_size {
            Some(size) => blueprint.rounded(size, FAULT_UNIT),
            None => blueprint.rounded(room(smallest), MIRROR_UNIT),
        };
        let Blueprint { layout, chunk, .. } = blueprint;
        let geometry = Geometry::new(Shape { layout, members, chunk, member_size });
        let geometry = geometry.map_err(|error| match (error, blueprint.member_size) {
            (ConfigError::MemberTooSmall { min, .. }, None) => no_room(min),
            (error, _) => CreateError::Shape(error),
        })?;
        if member_size > room(smallest) {
            return Err(no_room(member_size));
        }
        let unequal =
            |(_, size): &(_, Sectors)| blueprint.rounded(room(*size), FAULT_UNIT) != member_size;
        if let (Layout::Raid0, None, Some((second, _))) =
            (layout, blueprint.member_size, sizes().find(unequal))
        {
            return Err(CreateError::Zones { first: place, second });
        }
        Ok(Self {
            blueprint,
            geometry,
            data_offset,
            member_size,
            devices,
            log_sectors,
            bitmap: None,
            journal: None,
        })
    }

    /// The same array with a write-intent bitmap, placed and sized as md's tools do.
    ///
    /// # Errors
    ///
    /// Level 0, or no room between superblock and data.
    pub fn with_bitmap(mut self) -> Result<Self, CreateError> {
        let sync_size = match self.blueprint.layout {
            Layout::Raid0 => return Err(CreateError::BitmapOfLevel0),
            Layout::Raid10(_) => self.geometry.size(),
            Layout::Raid1 | Layout::Raid4 | Layout::Raid5(_) | Layout::Raid6(_) => self.member_size,
        };
        let room = self.blueprint.bitmap_room(self.member_size);
        let room = match self.blueprint.minor {
            Minor::V1_0 => room,
            Minor::V1_1 | Minor::V1_2 => {
                let start = self.blueprint.minor.position(Sectors(u64::MAX)).unwrap_or_default();
                let end = self.data_offset.0.saturating_sub(start.0);
                let end = end.saturating_sub(BAD_BLOCK_SECTORS.into());
                room.min(end.saturating_sub(SUPERBLOCK_SECTORS))
            }
        };
        let geometry = BitmapGeometry::for_new(sync_size, Sectors(room));
        let geometry = geometry.map_err(CreateError::Bitmap)?;
        let offset = match self.blueprint.minor {
            Minor::V1_1 | Minor::V1_2 => SUPERBLOCK_SECTORS,
            Minor::V1_0 => geometry.pages().saturating_mul(8),
        };
        let offset = i32::try_from(offset).unwrap_or(i32::MAX);
        let offset = match self.blueprint.minor {
            Minor::V1_1 | Minor::V1_2 => offset,
            Minor::V1_0 => BEFORE_SUPERBLOCK.saturating_sub(offset),
        };
        let superblock = BitmapSuperblock::new(self.blueprint.array_uuid, geometry);
        self.bitmap = Some(NewBitmap { offset, superblock });
        Ok(self)
    }

    /// The superblock of its bitmap, if it has one.
    #[must_use]
    pub fn bitmap(&self) -> Option<&BitmapSuperblock> {
        self.bitmap.as_ref().map(|bitmap| &bitmap.superblock)
    }

    /// The same array with a log of partial parity on each device, between superblock and data: 1 MiB
    /// as md's tools have it, or as much as there is room for. With metadata 1.0 it is taken from the
    /// end of the data.
    ///
    /// # Errors
    ///
    /// Another level than 5, or no room for a log of one chunk.
    pub fn with_partial_parity(self) -> Result<Self, CreateError> {
        match self.blueprint.layout {
            Layout::Raid5(_) => {}
            Layout::Raid0
            | Layout::Raid1
            | Layout::Raid4
            | Layout::Raid6(_)
            | Layout::Raid10(_) => {
                return Err(CreateError::LogLevel);
            }
        }
        let no_room = CreateError::LogRoom { offset: self.data_offset };
        let superblock = match self.blueprint.minor {
            Minor::V1_0 => {
                let sectors = u16::try_from(LOG_SECTORS).map_err(|_| no_room)?;
                return Self::laid_out(self.blueprint, &self.devices, Some(sectors));
            }
            Minor::V1_1 => 0,
            Minor::V1_2 => 8,
        };
        let others = SUPERBLOCK_SECTORS.saturating_add(BAD_BLOCK_SECTORS.into());
        let room = self.data_offset.0.saturating_sub(superblock).saturating_sub(others);
        let room = room.saturating_sub(room % FAULT_UNIT.0).min(LOG_SECTORS);
        let least = self.blueprint.chunk.0.clamp(FAULT_UNIT.0, LOG_SECTORS / 4);
        let needed = PPL_HEADER_SECTORS.0.saturating_add(least);
        let sectors = u16::try_from(room).ok().filter(|_| room >= needed).ok_or(no_room)?;
        Ok(Self { log_sectors: Some(sectors), ..self })
    }

    /// The same array with a journal, on a device of this size.
    ///
    /// # Errors
    ///
    /// A level without parity, or a device that is too small.
    pub fn with_journal(self, device: Sectors) -> Result<Self, CreateError> {
        match self.blueprint.layout {
            Layout::Raid4 | Layout::Raid5(_) | Layout::Raid6(_) => {}
            Layout::Raid0 | Layout::Raid1 | Layout::Raid10(_) => {
                return Err(CreateError::JournalLevel);
            }
        }
        let least = JournalSeat::room_min(self.geometry.members());
        let least = Sectors(least.0.saturating_add(2 * FAULT_UNIT.0));
        let (minor, tail) = (self.blueprint.minor, BAD_BLOCK_SECTORS.into());
        if room(minor, self.data_offset, device, tail) < least {
            let needed = device_size_for(minor, self.data_offset, least, tail);
            return Err(CreateError::JournalRoom { device, needed });
        }
        Ok(Self { journal: Some(device), ..self })
    }

    /// The superblock of its journal, to be encoded over zeroes; `None` if it has none. The journal
    /// itself begins with an empty meta block.
    #[must_use]
    pub fn journal_superblock(&self, uuid: DeviceUuid) -> Option<Superblock> {
        let device_size = self.journal?;
        let super_offset = self.blueprint.minor.position(device_size)?;
        let like = self.superblock(MemberIndex(0), uuid, DeviceFlags::empty())?;
        Some(Superblock {
            dev_number: self.geometry.members().into(),
            super_offset,
            data_size: self.data_size(super_offset, device_size),
            validity: Validity::JournalTail(Sectors::ZERO),
            ..like
        })
    }

    /// The shape of the array.
    #[must_use]
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Where the data of every member starts.
    #[must_use]
    pub const fn data_offset(&self) -> DeviceSector {
        self.data_offset
    }

    /// How much of each member is used.
    #[must_use]
    pub const fn member_size(&self) -> Sectors {
        self.member_size
    }

    /// The superblock of the device at a place, to be encoded over zeroes; `None` if there is no such
    /// place. Every device has a `uuid` of its own.
    #[must_use]
    pub fn superblock(
        &self,
        place: MemberIndex,
        uuid: DeviceUuid,
        flags: DeviceFlags,
    ) -> Option<Superblock> {
        let Blueprint { layout, minor, .. } = self.blueprint;
        let members = self.geometry.members();
        let device_size = *self.devices.get(place.index())?;
        let super_offset = minor.position(device_size)?;
        let bad_block_log = self.bad_block_log(super_offset);
        let (member_size, data_size) = match (layout, self.blueprint.member_size) {
            (Layout::Raid0, Some(_)) => (Sectors::ZERO, self.member_size),
            (Layout::Raid0, None) => (Sectors::ZERO, self.data_size(super_offset, device_size)),
            (_, _) => (self.member_size, self.data_size(super_offset, device_size)),
        };
        Some(Superblock {
            array_uuid: self.blueprint.array_uuid,
            name: self.blueprint.name,
            creation_time: self.blueprint.creation_time,
            level: layout.md_level(),
            layout: layout.md_layout(),
            member_size,
            chunk_sectors: u32::try_from(self.blueprint.own_chunk().map_or(0, |chunk| chunk.0))
                .ok()?,
            members: members.into(),
            write_log: self.write_log(),
            reshape: None,
            logical_block_bytes: 0,
            zone_layout: ZoneLayout::Unsaid,
            update_time: self.blueprint.creation_time,
            events: 0,
            consistency: match self.geometry.redundancy() {
                0 => Consistency::Clean,
                _ => self.blueprint.consistency,
            },
            roles: match self.journal {
                None => Roles::of_new_array(members),
                Some(_) => Roles::of_new_array(members).with_journal(members.into()),
            },
            device_uuid: uuid,
            dev_number: place.0.into(),
            super_offset,
            data_offset: self.data_offset,
            data_size,
            validity: Validity::Everything,
            replacement: Replacement::No,
            corrected_reads: 0,
            device_flags: flags,
            bad_block_log,
        })
    }

    fn write_log(&self) -> WriteLog {
        if self.journal.is_some() {
            return WriteLog::Journal;
        }
        match (self.log_sectors, self.bitmap) {
            (_, Some(NewBitmap { offset, .. })) => WriteLog::Bitmap { offset, kind: Bitmap::Local },
            (Some(sectors), None) => {
                let offset = match self.blueprint.minor {
                    Minor::V1_0 => BEFORE_SUPERBLOCK.saturating_sub(sectors.into()),
                    Minor::V1_1 | Minor::V1_2 => BEHIND_SUPERBLOCK,
                };
                // As the kernel has it from the first start on.
                let kind = PartialParityLog::Multiple;
                // A log is no longer than such an offset reaches.
                let offset = i16::try_from(offset).unwrap_or(i16::MIN);
                WriteLog::PartialParity { offset, sectors, kind }
            }
            (None, None) => WriteLog::None,
        }
    }

    /// The log lies behind the room for a bitmap, or close before the data where that is too near.
    fn bad_block_log(&self, super_offset: DeviceSector) -> BadBlockLog {
        let bitmap_end = SUPERBLOCK_SECTORS.saturating_add(
            self.log_sectors
                .map_or_else(|| self.blueprint.bitmap_room(self.member_size), u64::from),
        );
        let log = u64::from(BAD_BLOCK_SECTORS);
        let offset = match self.blueprint.minor {
            Minor::V1_0 => Some(BEFORE_SUPERBLOCK),
            Minor::V1_1 | Minor::V1_2 => {
                let before = self.data_offset.0.saturating_sub(super_offset.0);
                let offset = bitmap_end.min(before.saturating_sub(log));
                i32::try_from(offset).ok().filter(|_| offset >= SUPERBLOCK_SECTORS)
            }
        };
        let sectors = if offset.is_some() { BAD_BLOCK_SECTORS } else { 0 };
        BadBlockLog { offset: offset.unwrap_or(0), sectors, shift: 0, entries: BadBlocks::None }
    }

    /// All that the device has for data, used or not.
    fn data_size(&self, super_offset: DeviceSector, device_size: Sectors) -> Sectors {
        match self.blueprint.minor {
            Minor::V1_0 => Sectors(
                super_offset
                    .0
                    .saturating_sub(self.blueprint.tail(self.member_size, self.log_sectors)),
            ),
            Minor::V1_1 | Minor::V1_2 => device_size.saturating_sub(Sectors(self.data_offset.0)),
        }
    }
}

impl Blueprint {
    /// Level 1 has none.
    const fn own_chunk(&self) -> Option<Sectors> {
        match self.layout {
            Layout::Raid1 => None,
            Layout::Raid0
            | Layout::Raid4
            | Layout::Raid5(_)
            | Layout::Raid6(_)
            | Layout::Raid10(_) => Some(self.chunk),
        }
    }

    /// What md's tools leave for a bitmap. Level 0 has none.
    const fn bitmap_room(&self, size: Sectors) -> u64 {
        match (self.layout, size.0) {
            (Layout::Raid0, _) | (_, 0..128) => 0,
            (_, size) if size.saturating_sub(128) >= 200 * GIBIBYTE => 128 * KIBIBYTE,
            (_, size) if size.saturating_sub(8) > 8 * GIBIBYTE => 64 * KIBIBYTE,
            (_, _) => 4 * KIBIBYTE,
        }
    }

    /// What lies between the data of 1.0 and the superblock.
    fn tail(&self, size: Sectors, log_sectors: Option<u16>) -> u64 {
        let before = log_sectors.map_or_else(|| self.bitmap_room(size), u64::from);
        before.saturating_add(BAD_BLOCK_SECTORS.into())
    }

    /// Whole chunks, or at level 1 whole units.
    fn rounded(&self, size: Sectors, mirror_unit: Sectors) -> Sectors {
        let unit = self.own_chunk().unwrap_or(mirror_unit);
        // A chunk of nothing is refused later.
        size.saturating_sub(Sectors(size.0.checked_rem(unit.0).unwrap_or(0)))
    }
}

/// What of a device is left for data.
fn room(minor: Minor, data_offset: DeviceSector, device_size: Sectors, tail: u64) -> Sectors {
    match minor {
        Minor::V1_0 => {
            let end = Minor::V1_0.position(device_size).unwrap_or_default();
            Sectors(end.0.saturating_sub(tail))
        }
        Minor::V1_1 | Minor::V1_2 => device_size.saturating_sub(Sectors(data_offset.0)),
    }
}

/// The size of a device that has so much room.
fn device_size_for(minor: Minor, data_offset: DeviceSector, room: Sectors, tail: u64) -> Sectors {
    Sectors(match minor {
        Minor::V1_0 => {
            let end = room.0.saturating_add(tail);
            end.checked_next_multiple_of(8).unwrap_or(u64::MAX).saturating_add(16)
        }
        Minor::V1_1 | Minor::V1_2 => data_offset.0.saturating_add(room.0),
    })
}

fn data_offset(blueprint: &Blueprint, smallest: Sectors) -> Result<DeviceSector, CreateError> {
    let superblock = match (blueprint.minor, blueprint.data_offset) {
        (Minor::V1_0, None | Some(DeviceSector(0))) => return Ok(DeviceSector(0)),
        (Minor::V1_0, Some(_)) => return Err(CreateError::OffsetOfVersion1_0),
        (Minor::V1_1, _) => 0,
        (Minor::V1_2, _) => 8_u64,
    };
    let min = DeviceSector(superblock.saturating_add(SUPERBLOCK_SECTORS));
    match blueprint.data_offset {
        Some(offset) if offset < min || !offset.0.is_multiple_of(DATA_OFFSET_UNIT.0) => {
            Err(CreateError::DataOffset { offset, min })
        }
        Some(offset) => Ok(offset),
        None => {
            let room = blueprint.bitmap_room(smallest);
            let room = room.saturating_add(shift_room(blueprint, smallest));
            let offset = room.saturating_add(HEAD_SECTORS).checked_next_multiple_of(MEBIBYTE);
            Ok(DeviceSector(offset.unwrap_or(u64::MAX)))
        }
    }
}

/// What md's tools leave for a reshape to shift the data: a power of two.
fn shift_room(blueprint: &Blueprint, device_size: Sectors) -> u64 {
    let least = blueprint.own_chunk().map_or(0, |chunk| chunk.0.saturating_mul(2));
    let mut room = SHIFT_ROOM_MAX;
    for _ in 0..HALVINGS_MAX {
        if room.saturating_mul(SHIFT_ROOM_PART) <= device_size.0 || room <= least {
            break;
        }
        room /= 2;
    }
    room
}
