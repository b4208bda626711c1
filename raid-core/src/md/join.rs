//! Superblocks of devices that come into an array that exists: new ones, and members that were away.
//!
//! Such a superblock says of the array what the freshest does, and of its device that none of the
//! data is valid. It gives the device no place: a record does, on all members at once. Where the
//! array has a write-intent bitmap, a copy of it has to be written to the device besides.

use core::fmt;

use super::fields::{
    BadBlockLog, BadBlocks, DeviceFlags, DeviceUuid, Minor, RecoveryKind, Validity, WriteLog,
};
use super::roles::{DeviceRole, ROLES_MAX, Roles};
use super::superblock::{Replacement, Superblock};
use crate::units::{DeviceSector, FAULT_UNIT, Sectors};

/// What a superblock may have for itself, whatever its list of roles takes of it.
const SUPERBLOCK_SECTORS: u64 = 8;

const NOTHING: Validity = Validity::Below { valid_to: Sectors::ZERO, kind: RecoveryKind::Full };

/// Why a device cannot come into the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// It is too small. Take a larger one.
    NoRoom {
        /// What it has: the size of a new device, or of the data area of one that returns.
        has: Sectors,
        /// What it would have to have.
        needs: Sectors,
    },
    /// The array keeps a partial parity log on its members, or a journal, which a device that comes
    /// in would need as well. Not supported yet.
    WriteLog,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom { has, needs } => {
                write!(f, "it has {} sectors where {} are needed", has.0, needs.0)
            }
            Self::WriteLog => f.write_str("it was of the array when that had another log"),
        }
    }
}

impl core::error::Error for JoinError {}

impl Superblock {
    /// The superblock of a new device for the array whose freshest superblock this is, to be encoded
    /// over zeroes. Its data starts where it does here, or earlier where the device is too small for
    /// that.
    ///
    /// # Errors
    ///
    /// The device is too small, or the array keeps a log.
    pub fn for_new_device(
        &self,
        number: u32,
        uuid: DeviceUuid,
        device_size: Sectors,
    ) -> Result<Self, JoinError> {
        let needs = self.least_device();
        let no_room = JoinError::NoRoom { has: device_size, needs };
        if device_size < needs {
            return Err(no_room);
        }
        let minor = self.minor();
        let super_offset = minor.position(device_size).ok_or(no_room)?;
        let end = match minor {
            Minor::V1_0 => super_offset.0.saturating_sub(self.behind_the_data()),
            Minor::V1_1 | Minor::V1_2 => device_size.0,
        };
        // Not less than nothing: the device is as large as needed.
        let latest = end.saturating_sub(self.member_size.0);
        let latest = latest.saturating_sub(latest.checked_rem(FAULT_UNIT.0).unwrap_or(0));
        let data_offset = DeviceSector(self.data_offset.0.min(latest));
        let joined = Self {
            device_uuid: uuid,
            dev_number: number,
            super_offset,
            data_offset,
            data_size: Sectors(end.saturating_sub(data_offset.0)),
            validity: NOTHING,
            replacement: Replacement::No,
            corrected_reads: 0,
            device_flags: DeviceFlags::empty(),
            bad_block_log: self.new_bad_block_log(super_offset, data_offset),
            ..self.clone()
        };
        let needs = Sectors(self.data_offset.0.saturating_add(self.member_size.0));
        let log = joined.ppl_area().map_err(|_| JoinError::NoRoom { has: device_size, needs });
        log.map(|_| joined)
    }

    /// The superblock of a device of the array that was away, `own` being what it bears now, under
    /// this number.
    ///
    /// # Errors
    ///
    /// Its data area is too short, or the array keeps a log.
    pub fn for_returning_device(&self, number: u32, own: &Self) -> Result<Self, JoinError> {
        let same_log =
            core::mem::discriminant(&self.write_log) == core::mem::discriminant(&own.write_log);
        if !same_log {
            return Err(JoinError::WriteLog);
        }
        if own.data_size < self.member_size {
            return Err(JoinError::NoRoom { has: own.data_size, needs: self.member_size });
        }
        Ok(Self {
            device_uuid: own.device_uuid,
            dev_number: number,
            super_offset: own.super_offset,
            write_log: own.write_log,
            data_offset: own.data_offset,
            data_size: own.data_size,
            validity: NOTHING,
            replacement: Replacement::No,
            corrected_reads: own.corrected_reads,
            device_flags: own.device_flags,
            // Nothing on it counts, so nothing is bad either.
            bad_block_log: BadBlockLog { entries: BadBlocks::None, ..own.bad_block_log },
            ..self.clone()
        })
    }

    /// The smallest device that can come in.
    fn least_device(&self) -> Sectors {
        let log = u64::from(self.bad_block_log.sectors);
        let whole = |sectors: u64| sectors.checked_next_multiple_of(FAULT_UNIT.0);
        Sectors(match self.minor() {
            Minor::V1_0 => {
                let end = whole(self.member_size.0.saturating_add(self.behind_the_data()));
                end.unwrap_or(u64::MAX).saturating_add(2 * SUPERBLOCK_SECTORS)
            }
            Minor::V1_1 | Minor::V1_2 => {
                let start = self.super_offset.0.saturating_add(SUPERBLOCK_SECTORS);
                let start = start.max(self.bitmap_end());
                let start = whole(start.saturating_add(log)).unwrap_or(u64::MAX);
                start.saturating_add(self.member_size.0)
            }
        })
    }

    /// What lies between the data of 1.0 and the superblock.
    fn behind_the_data(&self) -> u64 {
        let log = self.bad_block_log.sectors.into();
        match self.write_log {
            WriteLog::Bitmap { offset, .. } => u64::from(offset.min(0).unsigned_abs()).max(log),
            WriteLog::PartialParity { offset, .. } => {
                u64::from(offset.min(0).unsigned_abs()).max(log)
            }
            WriteLog::None | WriteLog::Journal => log,
        }
    }

    /// Where the bitmap ends on this device, at the latest, if it lies before the data.
    fn bitmap_end(&self) -> u64 {
        match self.write_log {
            WriteLog::Bitmap { offset, .. } => {
                let start = self.super_offset.0.saturating_add_signed(offset.max(0).into());
                let log = self.bad_block_log;
                let log = self.super_offset.0.saturating_add_signed(log.offset.into());
                // Whatever lies behind it here is where it may reach to.
                if log > start { log } else { self.data_offset.0 }
            }
            WriteLog::None | WriteLog::PartialParity { .. } | WriteLog::Journal => 0,
        }
    }

    /// Where it is on this device, or close before the data where that is too near.
    fn new_bad_block_log(&self, super_offset: DeviceSector, data: DeviceSector) -> BadBlockLog {
        let BadBlockLog { offset, sectors, shift, .. } = self.bad_block_log;
        let offset = match self.minor() {
            Minor::V1_0 => 0_i32.saturating_sub_unsigned(sectors.into()),
            Minor::V1_1 | Minor::V1_2 => {
                let before = data.0.saturating_sub(super_offset.0);
                let latest = before.saturating_sub(sectors.into());
                i32::try_from(latest).map_or(offset, |latest| offset.min(latest))
            }
        };
        match sectors {
            0 => BadBlockLog { offset: 0, sectors, shift: 0, entries: BadBlocks::None },
            _ => BadBlockLog { offset, sectors, shift, entries: BadBlocks::None },
        }
    }
}

impl Roles {
    /// The number that a device gets that comes into a running array of so many places, as md
    /// chooses it: the lowest that is free, from the count of places on. Numbers that the array
    /// calls failed are taken last: a device may still bear them. `None` if all are taken.
    pub fn free_number(&self, members: u32, is_taken: impl Fn(u32) -> bool) -> Option<u32> {
        let count = u32::from(self.count()).min(u32::try_from(ROLES_MAX).unwrap_or(u32::MAX));
        let free = |wanted| {
            let mut numbers = (members..count).chain(0..members.min(count));
            numbers.find(|number| self.role(*number) == wanted && !is_taken(*number))
        };
        free(DeviceRole::Spare).or_else(|| free(DeviceRole::Faulty))
    }
}
