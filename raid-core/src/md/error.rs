//! Why a block is not a superblock that can be used.

use core::fmt;

use super::fields::Features;
use super::roles::ROLES_MAX;
use crate::units::DeviceSector;

/// Why a block is not a superblock that can be used.
///
/// [`NotMd`](Self::NotMd) says that there is none; every other variant says that there is one, and
/// what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SuperblockError {
    /// No md superblock here: the magic number is missing.
    NotMd,
    /// A superblock of a version other than 1.
    UnsupportedVersion {
        /// The major version found.
        major: u32,
    },
    /// More device numbers than the format has room for.
    TooManyRoles {
        /// `max_dev` as found.
        max_dev: u32,
    },
    /// The bytes are not those that were written.
    Checksum {
        /// What the superblock says.
        found: u32,
        /// What its bytes add up to.
        expected: u32,
    },
    /// The superblock belongs elsewhere: a moved or partial copy of a device.
    WrongPlace {
        /// Where it was read.
        found_at: DeviceSector,
        /// Where it says it lies.
        says: DeviceSector,
    },
    /// Features that this engine does not know.
    UnknownFeatures {
        /// The unknown bits.
        bits: u32,
    },
    /// Features that exclude each other, or one without the one that it depends on.
    ContradictoryFeatures {
        /// The bits concerned.
        features: Features,
    },
    /// Reserved bytes are in use: a feature newer than this engine.
    ReservedBytes {
        /// Offset of the first of them.
        offset: u16,
    },
    /// A field has a value that it cannot have.
    BadField {
        /// md's name of the field.
        field: &'static str,
        /// Its value, as the bits say.
        value: u64,
    },
    /// Device numbers in use are higher than this build keeps: see [`ROLES_MAX`].
    RolesBeyondBuild {
        /// How many numbers would have to be kept.
        needed: u16,
    },
}

impl fmt::Display for SuperblockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotMd => f.write_str("no md superblock"),
            Self::UnsupportedVersion { major } => {
                write!(f, "md superblock of version {major}: only version 1 is supported")
            }
            Self::TooManyRoles { max_dev } => {
                write!(
                    f,
                    "corrupt md superblock: {max_dev} device numbers (max_dev), at most 1920 fit"
                )
            }
            Self::Checksum { found, expected } => write!(
                f,
                "corrupt md superblock: checksum is {found:08x}, its bytes give {expected:08x}"
            ),
            Self::WrongPlace { found_at, says } => write!(
                f,
                "md superblock at sector {} says that it lies at {}: a partial or moved copy",
                found_at.0, says.0
            ),
            Self::UnknownFeatures { bits } => {
                write!(f, "md superblock uses unknown features ({bits:#x})")
            }
            Self::ContradictoryFeatures { features } => write!(
                f,
                "corrupt md superblock: features that cannot go together ({:#x})",
                features.bits()
            ),
            Self::ReservedBytes { offset } => write!(
                f,
                "md superblock uses reserved bytes (at {offset:#x}), perhaps for a newer feature"
            ),
            Self::BadField { field, value } => {
                write!(f, "corrupt md superblock: {field} cannot be {value:#x}")
            }
            Self::RolesBeyondBuild { needed } => write!(
                f,
                "md superblock has roles for {needed} device numbers, this build keeps {ROLES_MAX}"
            ),
        }
    }
}

impl core::error::Error for SuperblockError {}
