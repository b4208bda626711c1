//! What an engine is made from: the array's shape and members, as they are at the start.

use crate::geometry::Geometry;
use crate::io_limits::{IoLimits, LimitsError};
use crate::members::MemberState;
use crate::metadata::Consistency;
use crate::reshape::PositionError;
use crate::units::{DeviceIndex, DeviceSector, FAULT_UNIT, MemberIndex, Sectors};

/// An array, as it is when its engine is made.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'s> {
    /// Where each block lies.
    pub geometry: Geometry,
    /// Who sits at each place, in order; `None` where no device is attached.
    pub seats: &'s [Option<Seat>],
    /// Up to where parity and copies agree with the data, says the metadata.
    pub consistency: Consistency,
    /// The event count of the metadata. All members have to bear it: one that is a record behind,
    /// because a crash came between, gets that record first and is flushed, or a second crash would
    /// leave it two behind, and out.
    pub events: u64,
    /// Length of a lane: a multiple of 4 KiB, up to 1 MiB.
    pub lane: Sectors,
    /// Whether members may be written.
    pub access: Access,
    /// What to do if the array is dirty and degraded.
    pub dirty: Dirty,
    /// What keeps rows whole that a crash leaves written in part.
    pub log: RowLog,
}

/// A device at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seat {
    /// The device.
    pub device: DeviceIndex,
    /// What its data is worth.
    pub state: MemberState,
    /// Where its data area starts.
    pub data_offset: DeviceSector,
    /// What it can take in one command.
    pub limits: IoLimits,
    /// Whether copies are read from it like from any other.
    pub reads: ReadsFrom,
    /// What it lacks above its mark, while it is being rebuilt.
    pub behind: Behind,
}

/// What a member that is being rebuilt lacks above its mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Behind {
    /// Everything.
    #[default]
    Everything,
    /// What was written while it was away: nothing but chunks whose bit is set in the write-intent
    /// bitmap. To be said of one that sat at this place, in sync or with no more behind than this,
    /// and has not been used elsewhere since.
    MarkedChunks {
        /// The event count of its own metadata, as found when it came back.
        events: u64,
    },
}

/// Whether copies are read from a member like from any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReadsFrom {
    /// They are.
    #[default]
    Freely,
    /// Only where no other copy is left: it is slow or far away. md's "write mostly".
    AsLast,
}

/// Whether members may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// No command that writes is issued, whatever happens.
    ReadOnly,
    /// They may.
    ReadWrite,
}

/// What to do with an array that was not stopped cleanly and lacks a member: blocks of that member
/// may be reconstructed from parity that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dirty {
    /// Refuse it.
    Refuse,
    /// Take its parity for good. The user's explicit wish.
    Force,
}

/// What keeps a row whole that a crash leaves written in part: without anything, parity no longer
/// stands for a block that nobody wrote to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RowLog {
    /// Nothing. A dirty array is resynced, and not started if it lacks a member.
    #[default]
    None,
    /// A log of partial parity on each member: md's PPL. For arrays with one parity block a row.
    ///
    /// What the logs say after a crash is done *before* the engine is made, so that the setup can say
    /// that parity agrees; then every log is emptied. The logs are used while parity is known to
    /// agree everywhere.
    PartialParity {
        /// How much partial parity a member's log has room for, the smallest of all: at least 4 KiB.
        room: Sectors,
    },
}

impl RowLog {
    /// The room of a log that this array can have; `None` without one.
    pub(super) fn room(self, geometry: &Geometry) -> Result<Option<Sectors>, SetupError> {
        let one_parity = match geometry {
            Geometry::Parity(geometry) => geometry.parity() == 1,
            Geometry::Copies(_) => false,
        };
        match self {
            Self::None => Ok(None),
            Self::PartialParity { room } if one_parity && room >= FAULT_UNIT => {
                Ok(Some(Sectors(room.0.saturating_sub(room.0 % FAULT_UNIT.0))))
            }
            Self::PartialParity { .. } => Err(SetupError::Log),
        }
    }
}

/// Why no engine can be made. Bad configuration, but for [`SetupError::DirtyDegraded`], which is a
/// refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupError {
    /// The number of seats is not the number of members.
    Seats {
        /// Members of the geometry.
        expected: u8,
        /// Seats given.
        found: usize,
    },
    /// The lane is no multiple of 4 KiB, or too short or too long.
    Lane(Sectors),
    /// A device's limits are impossible.
    Limits(LimitsError),
    /// A member's data does not start at a multiple of the largest logical block.
    DataOffset {
        /// The member.
        member: MemberIndex,
        /// Sectors in that block.
        block: Sectors,
    },
    /// A device sits at two places.
    DeviceTwice(DeviceIndex),
    /// No slot for requests or no request was lent, or more than the engine can number.
    Memory,
    /// The chunks of the write-intent bitmap are no multiple of 4 KiB, or too few.
    Intent {
        /// How many of that length are needed.
        needed: u64,
    },
    /// The array was not stopped cleanly and lacks a member.
    DirtyDegraded,
    /// A log of partial parity for an array whose rows do not have one parity block each, or one with
    /// room for less than 4 KiB.
    Log,
    /// An array that is being reshaped has no write-intent bitmap, no list of bad blocks and no log
    /// of partial parity.
    Reshaping,
    /// The reshape does not begin with the setup's shape, or what comes with it has not this measure.
    Reshape {
        /// How many places both shapes have together: so many data offsets are needed.
        places: u8,
        /// How long the window must be at least.
        window: Sectors,
    },
    /// The reshape on record cannot be there.
    ReshapePosition(PositionError),
}

impl core::fmt::Display for SetupError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Seats { expected, found } => {
                write!(f, "{found} seats for an array of {expected} members")
            }
            Self::Lane(sectors) => {
                write!(f, "lanes of {} sectors; give a multiple of 8, 8 to 2048", sectors.0)
            }
            Self::Limits(error) => error.fmt(f),
            Self::DataOffset { member, block } => write!(
                f,
                "the data of member {} does not start at a multiple of {} sectors, the logical block",
                member.0, block.0
            ),
            Self::DeviceTwice(device) => write!(f, "device {} sits at two places", device.0),
            Self::Memory => f.write_str("lend at least one slot that is not for background work and one request, at most 4096 of each"),
            Self::Intent { needed } => write!(
                f,
                "the write-intent bitmap needs {needed} chunks, of a multiple of 4 KiB each"
            ),
            Self::Log => f.write_str(
                "a log of partial parity is for arrays with one parity block a row, and takes 4 KiB at least",
            ),
            Self::Reshaping => f.write_str(
                "an array that is being reshaped has no bitmap, no bad blocks and no log: remove them",
            ),
            Self::Reshape { places, window } => write!(
                f,
                "a reshape begins with the array's shape, and needs {places} data offsets and a window of {} \
                 sectors",
                window.0
            ),
            Self::ReshapePosition(error) => error.fmt(f),
            Self::DirtyDegraded => f.write_str(
                "the array was not stopped cleanly and lacks a member: blocks of that member may come out \
                 wrong; bring the member back, or insist",
            ),
        }
    }
}

impl core::error::Error for SetupError {}
