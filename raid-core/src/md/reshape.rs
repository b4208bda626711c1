//! A reshape in superblocks: how it begins, goes on, ends or is cancelled on record.
//!
//! While it is on record, level, layout and chunk are those of the old shape, the count of members is
//! that of the new one, and the data starts where the old shape has it.

use core::fmt;

use super::fields::Reshape;
use super::roles::NumberBeyondRoles;
use super::superblock::Superblock;
use crate::geometry::{ConfigError, Geometry, Layout, Shape};
use crate::reshape::{Change, ChangeError, Direction, Progress, Room, Shift};
use crate::units::{DeviceSector, Lba, MemberIndex, Sectors};

/// From the start of a superblock on, data must not be moved into so much: Linux keeps 36 KiB free.
const SUPERBLOCK_SECTORS: Sectors = Sectors(72);

/// Why a reshape cannot be put on record on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BeginError {
    /// One is on record already: walk on with it.
    UnderWay,
    /// The superblock describes another shape than the one that the change leads from.
    OtherShape,
    /// The data would move further than the format has numbers for.
    Shift {
        /// How far.
        shift: Shift,
    },
    /// The device has no room there.
    NoRoom {
        /// How far the data would move.
        shift: Shift,
        /// The room around the data.
        room: Room,
    },
    /// The list of roles has no room for a device that comes in.
    Roles(NumberBeyondRoles),
}

impl fmt::Display for BeginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnderWay => f.write_str("a reshape is under way already"),
            Self::OtherShape => f.write_str("the reshape is of an array of another shape"),
            Self::Shift { shift } => {
                write!(f, "a shift by {} sectors is more than md can record", shift.0)
            }
            Self::NoRoom { shift, room } => write!(
                f,
                "there is no room to shift the data by {} sectors: {} are free before it, {} behind",
                shift.0, room.before.0, room.behind.0
            ),
            Self::Roles(beyond) => beyond.fmt(f),
        }
    }
}

impl core::error::Error for BeginError {}

impl Superblock {
    /// How far the data of this device can move: down to its other metadata, and up to the end of
    /// its data area.
    #[must_use]
    pub fn room(&self) -> Room {
        let metadata = [
            // Data of 1.0 starts at the start; elsewhere the superblock lies before it.
            (self.super_offset < self.data_offset)
                .then_some((self.super_offset, SUPERBLOCK_SECTORS)),
            self.bad_block_area().ok().flatten().map(|area| (area.start, area.length)),
            self.write_log_end().map(|end| (end, Sectors::ZERO)),
        ];
        let ends = metadata.into_iter().flatten().filter(|(start, _)| *start < self.data_offset);
        let end = ends.map(|(start, length)| start.0.saturating_add(length.0)).max().unwrap_or(0);
        Room {
            before: Sectors(self.data_offset.0.saturating_sub(end)),
            behind: self.data_size.saturating_sub(self.member_size),
        }
    }

    /// How many places the array has: while a reshape is on record, those of both shapes.
    #[must_use]
    pub const fn places(&self) -> u32 {
        match self.reshape {
            Some(Reshape { delta_members, .. }) if delta_members < 0 => {
                self.members.saturating_add(delta_members.unsigned_abs())
            }
            Some(_) | None => self.members,
        }
    }

    /// Where a log of writes before the data may reach to: how long it is, only its own header
    /// says, so it has all that lies between it and the data or the bad-block log.
    fn write_log_end(&self) -> Option<DeviceSector> {
        use super::fields::WriteLog;
        let offset = match self.write_log {
            WriteLog::None | WriteLog::Journal => return None,
            WriteLog::Bitmap { offset, .. } => offset,
            WriteLog::PartialParity { offset, .. } => offset.into(),
        };
        let start = DeviceSector(self.super_offset.0.checked_add_signed(offset.into())?);
        let log = self.bad_block_area().ok().flatten().map(|area| area.start);
        log.filter(|log| *log > start).or((start < self.data_offset).then_some(self.data_offset))
    }

    /// Puts the start of a reshape on record; the data of this device moves by `shift`, and devices
    /// with these numbers come in at these places.
    ///
    /// # Errors
    ///
    /// Nothing is changed then.
    pub fn begin_reshape(
        &mut self,
        change: &Change,
        shift: Shift,
        incoming: &[(u32, MemberIndex)],
    ) -> Result<(), BeginError> {
        if self.reshape.is_some() {
            return Err(BeginError::UnderWay);
        }
        if self.level != change.before().layout().md_level()
            || self.members != u32::from(change.before().members())
        {
            return Err(BeginError::OtherShape);
        }
        let new_offset = i32::try_from(shift.0).map_err(|_| BeginError::Shift { shift })?;
        let room = self.room();
        let has = if shift < Shift::NONE { room.before } else { room.behind };
        if shift.distance() > has {
            return Err(BeginError::NoRoom { shift, room });
        }
        let mut roles = self.roles.clone();
        for (number, place) in incoming {
            roles.seat(*number, *place).map_err(BeginError::Roles)?;
        }
        let after = change.after();
        let members = u32::from(after.members());
        self.reshape = Some(Reshape {
            position: change.start(),
            delta_members: members.wrapping_sub(self.members).cast_signed(),
            level: after.layout().md_level(),
            layout: after.layout().md_layout(),
            chunk_sectors: u32::try_from(after.chunk().0).unwrap_or(u32::MAX),
            direction: change.direction(),
            new_offset: (new_offset != 0).then_some(new_offset),
        });
        self.members = members;
        self.roles = roles;
        Ok(())
    }

    /// Records how far the reshape is. Nothing happens where none is on record.
    pub fn checkpoint_reshape(&mut self, position: Lba) {
        if let Some(reshape) = &mut self.reshape {
            reshape.position = position;
        }
    }

    /// Ends the reshape on record: the array has the new shape, and this device its data where it was
    /// moved to. Devices beyond the new shape become spares. Nothing happens where none is on record.
    pub fn finish_reshape(&mut self) {
        let Some(reshape) = self.reshape.take() else { return };
        self.level = reshape.level;
        self.layout = reshape.layout;
        self.chunk_sectors = reshape.chunk_sectors;
        let moved = i64::from(reshape.new_offset.unwrap_or(0));
        // Parsing and `begin_reshape` checked the sum. What the data leaves behind belongs to the
        // data area when it moved down, and is cut off when it moved up.
        self.data_offset = DeviceSector(self.data_offset.0.saturating_add_signed(moved));
        let less = moved.checked_neg().unwrap_or(0);
        self.data_size = Sectors(self.data_size.0.saturating_add_signed(less));
        self.roles.release_from(u8::try_from(self.members).unwrap_or(u8::MAX));
    }

    /// Takes a reshape that has not moved anything off the record. Devices that were to come in are
    /// spares again. Nothing happens where none is on record.
    pub fn cancel_reshape(&mut self) {
        let Some(reshape) = self.reshape.take() else { return };
        self.members = self.members.wrapping_sub(reshape.delta_members.cast_unsigned());
        self.roles.release_from(u8::try_from(self.members).unwrap_or(u8::MAX));
    }

    /// From what to what the reshape on record leads, `shift` being that of the member whose data
    /// moves least, and how far it is.
    pub(super) fn progress(&self, shift: Shift) -> Result<Option<Progress>, ReshapeError> {
        let Some(reshape) = self.reshape else { return Ok(None) };
        if reshape.level != self.level {
            let (from, to) = (self.level, reshape.level);
            return Err(ReshapeError::LevelPending { from, to });
        }
        let members_of = |members: u32| {
            let too_many = ReshapeError::Members { members };
            u8::try_from(members).map_err(|_| too_many)
        };
        let old = self.members.wrapping_sub(reshape.delta_members.cast_unsigned());
        let before = Shape {
            layout: Layout::from_md(self.level, self.layout).map_err(ReshapeError::Before)?,
            members: members_of(old)?,
            chunk: self.chunk(),
            member_size: self.member_size,
        };
        let after = Shape {
            layout: Layout::from_md(reshape.level, reshape.layout).map_err(ReshapeError::After)?,
            members: members_of(self.members)?,
            chunk: Sectors(reshape.chunk_sectors.into()),
            member_size: self.member_size,
        };
        let before = Geometry::new(before).map_err(ReshapeError::Before)?;
        let after = Geometry::new(after).map_err(ReshapeError::After)?;
        let change = Change::new(before, after, reshape.direction, shift);
        let change = change.map_err(ReshapeError::Change)?;
        Progress::at(change, reshape.position).map(Some).map_err(ReshapeError::Position)
    }
}

impl Reshape {
    /// How far the data of this device moves.
    #[must_use]
    pub fn shift(&self) -> Shift {
        Shift(self.new_offset.unwrap_or(0).into())
    }

    /// The less favourable of two shifts: the one with which the walk gains less room.
    pub(super) fn less_favourable(&self, one: Shift, other: Shift) -> Shift {
        match self.direction {
            Direction::Forward => one.max(other),
            Direction::Backward => one.min(other),
        }
    }
}

/// Why a reshape on record cannot be walked on with. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReshapeError {
    /// None is on record.
    None,
    /// A change of the level is on record as well, which nobody makes in a walk.
    LevelPending {
        /// md's number of the level before.
        from: i32,
        /// md's number of the level after.
        to: i32,
    },
    /// A shape with more members than numbers, or fewer than none: corrupt.
    Members {
        /// The count.
        members: u32,
    },
    /// The old shape cannot be.
    Before(ConfigError),
    /// The new shape cannot be.
    After(ConfigError),
    /// No walk leads from one to the other.
    Change(ChangeError),
    /// The position is none of the walk's.
    Position(crate::reshape::PositionError),
    /// The members do not agree on what the reshape is.
    Disagreement {
        /// md's name of the first field that differs.
        field: &'static str,
        /// A device.
        device: crate::units::DeviceIndex,
    },
    /// The record that starts the reshape did not reach this device. Nothing was moved yet: cancel
    /// it.
    StartNotEverywhere {
        /// The device.
        device: crate::units::DeviceIndex,
        /// Where the walk is.
        position: Lba,
    },
    /// The data of a device would move onto its metadata, or beyond its end: corrupt.
    NoRoom {
        /// The device.
        device: crate::units::DeviceIndex,
        /// How far the data moves.
        shift: Shift,
    },
    /// One of the two shapes lacks more members than it can bear.
    TooFewMembers {
        /// Which.
        shape: Which,
        /// Places without a member.
        missing: u32,
        /// How many of these it can bear.
        bears: u8,
    },
}

/// One of the two shapes of a reshape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Which {
    /// The one that it leads from.
    Before,
    /// The one that it leads to.
    After,
}

impl fmt::Display for ReshapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::None => f.write_str("no reshape is on record"),
            Self::LevelPending { from, to } => {
                write!(f, "a reshape from level {from} to level {to} is on record: not supported")
            }
            Self::Members { members } => {
                write!(f, "corrupt md superblock: a reshape with a shape of {members} members")
            }
            Self::Before(error) => write!(f, "the shape that the reshape leads from: {error}"),
            Self::After(error) => write!(f, "the shape that the reshape leads to: {error}"),
            Self::Change(error) => error.fmt(f),
            Self::Position(error) => error.fmt(f),
            Self::Disagreement { field, device } => {
                write!(f, "device {} says something else of the reshape, in {field}", device.0)
            }
            Self::StartNotEverywhere { device, position } => write!(
                f,
                "the reshape at sector {} is not on record on device {}: nothing was moved yet, \
                 cancel it",
                position.0, device.0
            ),
            Self::NoRoom { device, shift } => write!(
                f,
                "corrupt md superblock: device {} has no room to shift its data by {} sectors",
                device.0, shift.0
            ),
            Self::TooFewMembers { shape, missing, bears } => {
                let shape = match shape {
                    Which::Before => "old",
                    Which::After => "new",
                };
                write!(
                    f,
                    "the {shape} shape lacks {missing} members and can bear {bears}: give more"
                )
            }
        }
    }
}

impl core::error::Error for ReshapeError {}
