//! Why members do not make an array, and why a device is not among them.

use core::fmt;

use crate::geometry::ConfigError;
use crate::md::fields::{ArrayUuid, DeviceUuid};
use crate::units::{DeviceIndex, Lba, MemberIndex, Sectors};

/// Why these devices do not make an array that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssemblyError {
    /// No superblock was given.
    NoCandidates,
    /// More devices than this build takes.
    TooManyCandidates {
        /// How many were given.
        count: usize,
        /// The most.
        max: usize,
    },
    /// Devices of two arrays.
    DifferentArrays {
        /// A device.
        first: DeviceIndex,
        /// Its array.
        first_array: ArrayUuid,
        /// Another device.
        second: DeviceIndex,
        /// The other's array.
        second_array: ArrayUuid,
    },
    /// One device twice: given twice, or copied.
    DuplicateDevice {
        /// The device.
        first: DeviceIndex,
        /// Its double.
        second: DeviceIndex,
        /// The identity that both claim.
        uuid: DeviceUuid,
    },
    /// Two current devices for one place.
    DuplicatePlace {
        /// The place.
        place: MemberIndex,
        /// A device.
        first: DeviceIndex,
        /// The other device.
        second: DeviceIndex,
    },
    /// The array went on in two halves, each without the other: both may hold writes that the other
    /// lacks.
    SplitBrain {
        /// A device of the half with more events.
        first: DeviceIndex,
        /// A device of the other half.
        second: DeviceIndex,
    },
    /// Two superblocks of the same event count describe different arrays.
    Disagreement {
        /// md's name of the field.
        field: &'static str,
        /// A device.
        first: DeviceIndex,
        /// The other device.
        second: DeviceIndex,
    },
    /// None of the devices is a member that can be used.
    NoMembers,
    /// A reshape is on record: the array has two shapes.
    ReshapeActive {
        /// How far it is.
        position: Lba,
    },
    /// The array has a partial parity log, which is for level 5 alone.
    PartialParityLog,
    /// The array says that it has a journal, and is of a level that can have none, or being reshaped.
    Journal,
    /// The array belongs to a cluster: others may be writing to it.
    Clustered,
    /// A level 0 array whose members differ in size, and so are striped in zones.
    Zones {
        /// A device.
        first: DeviceIndex,
        /// A device of another size.
        second: DeviceIndex,
    },
    /// A level that md has and this engine has not: linear, multipath, faulty.
    UnsupportedLevel {
        /// md's number of it.
        level: i32,
    },
    /// More members than this build takes.
    TooManyMembers {
        /// How many the array has.
        members: u32,
    },
    /// A shape that cannot be, or that this engine does not have.
    Shape(ConfigError),
}

/// What kind of a "no" an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// The input is wrong: it makes no array.
    BadInput,
    /// It makes an array, and using it so would not be safe.
    Refused,
}

impl AssemblyError {
    /// Whether the input is wrong, or using it would not be safe.
    #[must_use]
    pub fn class(&self) -> FaultClass {
        match self {
            Self::NoCandidates | Self::DifferentArrays { .. } | Self::Disagreement { .. } => {
                FaultClass::BadInput
            }
            Self::Shape(error) => shape_class(error),
            Self::TooManyCandidates { .. }
            | Self::DuplicateDevice { .. }
            | Self::DuplicatePlace { .. }
            | Self::SplitBrain { .. }
            | Self::NoMembers
            | Self::ReshapeActive { .. }
            | Self::PartialParityLog
            | Self::Journal
            | Self::Clustered
            | Self::Zones { .. }
            | Self::UnsupportedLevel { .. }
            | Self::TooManyMembers { .. } => FaultClass::Refused,
        }
    }
}

/// md makes shapes that this engine refuses; others nobody makes.
fn shape_class(error: &ConfigError) -> FaultClass {
    match error {
        ConfigError::FaultyFarSets
        | ConfigError::CollidingCopies { .. }
        | ConfigError::TooManyMembers { .. }
        | ConfigError::ChunkNotPowerOfTwo { .. }
        | ConfigError::ChunkTooSmall { .. }
        | ConfigError::ChunkTooLarge { .. } => FaultClass::Refused,
        ConfigError::UnknownLevel { .. }
        | ConfigError::UnknownLayout { .. }
        | ConfigError::UnknownLayoutName { .. }
        | ConfigError::TooFewCopies { .. }
        | ConfigError::TooManyCopies { .. }
        | ConfigError::TooFewMembers { .. }
        | ConfigError::MemberTooSmall { .. }
        | ConfigError::ArrayTooLarge => FaultClass::BadInput,
    }
}

impl fmt::Display for AssemblyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoCandidates => f.write_str("no member was given"),
            Self::TooManyCandidates { count, max } => {
                write!(f, "{count} devices are too many: this build takes {max}")
            }
            Self::DifferentArrays { first, first_array, second, second_array } => write!(
                f,
                "device {} is of array {first_array}, device {} is of array {second_array}",
                first.0, second.0
            ),
            Self::DuplicateDevice { first, second, uuid } => write!(
                f,
                "devices {} and {} are one ({uuid}) or a copy of it: leave one out",
                first.0, second.0
            ),
            Self::DuplicatePlace { place, first, second } => write!(
                f,
                "devices {} and {} both claim place {}: leave one out",
                first.0, second.0, place.0
            ),
            Self::SplitBrain { first, second } => write!(
                f,
                "the array went on apart on devices {} and {}: leave one half out",
                first.0, second.0
            ),
            Self::Disagreement { field, first, second } => write!(
                f,
                "the superblocks of devices {} and {} are of one age and differ in {field}",
                first.0, second.0
            ),
            Self::NoMembers => f.write_str("no device is a member that can be used"),
            Self::ReshapeActive { position } => {
                write!(f, "a reshape is on record, at array sector {}", position.0)
            }
            Self::PartialParityLog => {
                f.write_str("the array has a partial parity log, which is for level 5 alone")
            }
            Self::Journal => f.write_str("the array has a journal, which is for levels 4, 5 and 6 while no reshape is under way"),
            Self::Clustered => {
                f.write_str("the array belongs to a cluster, which is not supported")
            }
            Self::Zones { first, second } => write!(
                f,
                "level 0 over members of several sizes (devices {} and {}) is not supported",
                first.0, second.0
            ),
            Self::UnsupportedLevel { level } => write!(f, "level {level} of md is not supported"),
            Self::TooManyMembers { members } => {
                write!(f, "an array of {members} members is beyond this build")
            }
            Self::Shape(ref error) => error.fmt(f),
        }
    }
}

impl core::error::Error for AssemblyError {}

/// A device that is not used, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The device.
    pub device: DeviceIndex,
    /// Why.
    pub reason: LeftOutReason,
}

/// Why a device is not used although it belongs to the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftOutReason {
    /// The array recorded that it failed.
    CalledFaulty,
    /// It believes that it is a member, and the array lists it no more.
    NotListed,
    /// It missed more than one record.
    Stale {
        /// How many.
        missed: u64,
    },
    /// It missed the end of a reshape that moves its data: where that lies now is not known.
    Moved,
    /// The array gives it a place that it does not know of: its data cannot be relied upon.
    Unconfirmed {
        /// The place.
        place: u16,
    },
    /// Its place is outside of the shape.
    BeyondShape {
        /// The place.
        place: u16,
    },
    /// It was to replace the member at its place, and another member is being replaced already.
    Replacement,
    /// The device, or its data area, is shorter than the array needs: it was cut, or a copy of it
    /// was.
    TooSmall {
        /// What the array needs.
        needs: Sectors,
        /// What there is.
        has: Sectors,
    },
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "device {} is left out: {}", self.device.0, self.reason)
    }
}

impl fmt::Display for LeftOutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CalledFaulty => f.write_str("the array recorded that it failed"),
            Self::NotListed => f.write_str("the array no longer lists it as a member"),
            Self::Stale { missed } => write!(f, "it is {missed} records behind"),
            Self::Moved => f.write_str("it missed the end of a reshape that moves its data"),
            Self::Unconfirmed { place } => {
                write!(f, "its own superblock does not say that it is member {place}")
            }
            Self::BeyondShape { place } => write!(f, "the array has no member {place}"),
            Self::Replacement => {
                f.write_str("it is an unfinished replacement, and one member is replaced at a time")
            }
            Self::TooSmall { needs, has } => {
                write!(f, "it has {} sectors where {} are needed", has.0, needs.0)
            }
        }
    }
}
