//! What an engine is made from: the array's shape and members, as they are at the start.

use crate::geometry::Geometry;
use crate::intent::Intent;
use crate::io_limits::{ALIGNMENT_BYTES_MAX, IoLimits, LimitsError};
use crate::log::LogKind;
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
    /// A device of its own, to which the data and the parity of each write go before they go to the
    /// members: md's journal, written through. For arrays with parity, and without a write-intent
    /// bitmap. The array takes whole blocks of 4 KiB then.
    ///
    /// What the journal says after a crash is done *before* the engine is made. A dirty mark is not
    /// needed: rows agree once that is done.
    Journal(JournalSeat),
}

/// The device of a journal. In commands and records it goes by the place behind the last member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JournalSeat {
    /// The device.
    pub device: DeviceIndex,
    /// How much may be written to it beyond its tail. At least
    /// [`JournalSeat::room_min`] is needed; what is useful is far more.
    pub room: Sectors,
    /// What it can take in one command.
    pub limits: IoLimits,
}

impl JournalSeat {
    /// The least room of a journal for so many members: in each of two stretches 4 KiB for the tail
    /// to stand at, for a meta block, and for a block of each member.
    #[must_use]
    pub fn room_min(members: u8) -> Sectors {
        Sectors(u64::from(members).saturating_add(2).saturating_mul(2 * FAULT_UNIT.0))
    }

    /// Takes the place behind the last member. What the device can take, and that rows are logged in
    /// blocks of 4 KiB.
    pub(super) fn take_place(
        &self,
        seats: &mut [Option<Seat>],
        geometry: &Geometry,
    ) -> Result<IoLimits, SetupError> {
        let place = seats.get_mut(usize::from(geometry.members())).ok_or(SetupError::Journal)?;
        *place = Some(Seat {
            device: self.device,
            state: MemberState::InSync,
            data_offset: DeviceSector(0),
            limits: self.limits,
            reads: ReadsFrom::Freely,
            behind: Behind::Everything,
        });
        let blocks = IoLimits { logical_block_bytes: ALIGNMENT_BYTES_MAX, ..IoLimits::RELAXED };
        Ok(self.limits.validated().map_err(SetupError::Limits)?.stacked(blocks))
    }
}

impl RowLog {
    /// Which log that is to the engine, if this array can have it.
    pub(super) fn kind(
        self,
        geometry: &Geometry,
        bitmap: Option<&Intent<'_>>,
    ) -> Result<LogKind, SetupError> {
        let parity = match geometry {
            Geometry::Parity(geometry) => geometry.parity(),
            Geometry::Copies(_) => 0,
        };
        let members = geometry.members();
        match self {
            Self::None => Ok(LogKind::None),
            Self::PartialParity { room } if parity == 1 && room >= FAULT_UNIT => {
                let room = Sectors(room.0.saturating_sub(room.0 % FAULT_UNIT.0));
                Ok(LogKind::PartialParity { room })
            }
            Self::PartialParity { .. } => Err(SetupError::Log),
            Self::Journal(journal)
                if parity > 0
                    && bitmap.is_none()
                    && members <= JOURNAL_MEMBERS_MAX
                    && journal.room >= JournalSeat::room_min(members) =>
            {
                Ok(LogKind::Journal { blocks: journal.room.0 / FAULT_UNIT.0, members })
            }
            Self::Journal(_) => Err(SetupError::Journal),
        }
    }
}

/// What md's meta blocks say of a row of more members would not fit into one of them.
const JOURNAL_MEMBERS_MAX: u8 = 202;

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
    /// A journal for an array that has no parity, that has a write-intent bitmap, or that has too
    /// many members; or one that is too small.
    Journal,
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
            Self::Journal => f.write_str(
                "a journal is for arrays with parity, of at most 202 members and one less than the build \
                 allows, without a write-intent bitmap; and it takes a few blocks for each member",
            ),
            Self::DirtyDegraded => f.write_str(
                "the array was not stopped cleanly and lacks a member: blocks of that member may come out \
                 wrong; bring the member back, or insist",
            ),
        }
    }
}

impl core::error::Error for SetupError {}
