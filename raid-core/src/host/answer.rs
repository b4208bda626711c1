//! What requesters are told, and what happened to the array.

use super::{Fault, RequestId};
use crate::pass::{PassEnd, PassReport, ReshapeEnd, ReshapeReport};
use crate::units::{DeviceSector, Lba, MemberIndex, Sectors};

/// What a request brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It was done, as durably as it asked for.
    Done,
    /// The range was compared; so many sectors lie in 4 KiB units that disagree.
    Checked {
        /// Sectors in units that disagree, counted once for each unit of a row.
        mismatched_sectors: Sectors,
    },
}

/// Why a request failed. Its range, or the part of it that is named, holds what it held, or for a
/// write what was to be written, sector by sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// More is lost than the redundancy makes up for. The array's fate: nothing was made up.
    /// The range is the first that was lost; [`Event::RangeLost`] names each.
    Unrecoverable {
        /// First sector lost.
        at: Lba,
        /// How much.
        sectors: Sectors,
    },
    /// A device called the command malformed or cannot do it. The requester's or the host's to
    /// mend; no member was blamed and nothing was tried again.
    Rejected {
        /// What the device said.
        fault: Fault,
    },
    /// The array has failed: more members are lost than the redundancy makes up for, or no metadata
    /// could be written. It takes no more writes.
    ArrayFailed,
    /// The journal's device has failed, and nothing of this was written to the members. The array
    /// takes no writes before it is started anew, with another journal or without one.
    JournalLost,
    /// There is nothing to compare: the array is degraded here, or has no redundancy.
    NothingToCompare,
    /// The engine is quiesced. Nothing was written for this request: it can be started again, here
    /// or elsewhere.
    HandedBack,
    /// The engine is quiesced. Part of this write is written and part was not begun: it can be
    /// started again.
    Interrupted,
    /// Nothing is lost, but a read that was abandoned may still fill the memory that this was to be
    /// read into ([`Loan::Held`](super::Loan::Held)): read again, into other memory.
    MemoryHeld {
        /// First sector that was not read.
        at: Lba,
        /// How much of each of its members.
        sectors: Sectors,
    },
    /// A reshape rests here that may have overwritten what it moved, and what holds is in its backup:
    /// start it again with that. All else is served.
    NeedsBackup {
        /// First sector that is not served.
        at: Lba,
        /// How much.
        sectors: Sectors,
    },
    /// A block could not be read, so rows were not compared. Nothing is lost by that: a repair
    /// reconstructs the block and writes it back, and so does a read if it is not known to be bad.
    NotCompared {
        /// The first sector of the first row that was not compared.
        at: Lba,
        /// How much of each of its members.
        sectors: Sectors,
    },
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unrecoverable { at, sectors } => write!(
                f,
                "sectors {} to {} are lost: more members fail there than the redundancy makes up for",
                at.0,
                at.0.saturating_add(sectors.0).saturating_sub(1)
            ),
            Self::Rejected { fault } => {
                write!(f, "a device refused the command ({fault:?}); no member was blamed")
            }
            Self::ArrayFailed => f.write_str("the array has failed and takes no writes"),
            Self::JournalLost => f.write_str(
                "the journal has failed, so the array takes no writes: start it with another or without",
            ),
            Self::NeedsBackup { at, sectors } => write!(
                f,
                "{} sectors at {} of the array are in the backup of a reshape alone; let it go on",
                sectors.0, at.0
            ),
            Self::NotCompared { at, .. } => write!(
                f,
                "a block of the row with sector {} cannot be read, so it was not compared; a repair \
                 rewrites it",
                at.0
            ),
            Self::HandedBack => {
                f.write_str("not done, because the array is being stopped; nothing was written")
            }
            Self::Interrupted => {
                f.write_str("done in part, because the array is being stopped; start it again")
            }
            Self::MemoryHeld { at, .. } => write!(
                f,
                "an abandoned read may still fill the memory for sector {}; read again into other memory",
                at.0
            ),
            Self::NothingToCompare => {
                f.write_str("there is nothing to compare: no redundancy, or a member is missing")
            }
        }
    }
}

impl core::error::Error for Failure {}

/// Something that happened to the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A member is lost from now on, or the replacement of one.
    MemberFailed {
        /// Its place, or the number of the replacement.
        member: MemberIndex,
        /// The last fault that it gave.
        fault: Fault,
    },
    /// The device that was to replace a member has its place from now on: what a host keeps for it
    /// under the replacement's number it keeps for the member, in place of what it kept before.
    MemberReplaced {
        /// The place.
        member: MemberIndex,
        /// The number that the replacement had so far.
        by: MemberIndex,
    },
    /// The journal's device is lost from now on: the array takes no more writes.
    JournalFailed {
        /// The last fault that it gave.
        fault: Fault,
    },
    /// A command to a member was abandoned. The member is lost, as [`Event::MemberFailed`] says next
    /// if it was not before, and cannot come back while it has a command that is not dead.
    MemberHung {
        /// Its place.
        member: MemberIndex,
    },
    /// The last abandoned command to a member is dead: nothing of this engine reaches it any more.
    MemberQuiet {
        /// Its place.
        member: MemberIndex,
    },
    /// More members are lost than the redundancy makes up for, or all of them reject metadata, as those
    /// of a host that cannot keep it: no more writes.
    ArrayFailed,
    /// What [`Engine::quiesce`](crate::engine::Engine::quiesce) asked for is reached: nothing is in
    /// flight but commands that were abandoned, and nothing is issued.
    Quiesced,
    /// A block that could not be read was reconstructed and written back.
    BlockRewritten {
        /// The member that it lies on.
        member: MemberIndex,
        /// Where on the device.
        at: DeviceSector,
        /// How much.
        sectors: Sectors,
    },
    /// A block could not be written, or not be made by a pass, and is on the list of bad ones: nobody
    /// reads it.
    BlockBad {
        /// The member that it lies on.
        member: MemberIndex,
        /// Where on the device.
        at: DeviceSector,
        /// How much.
        sectors: Sectors,
    },
    /// A bad block was written, and is on the list no more.
    BlockGood {
        /// The member that it lies on.
        member: MemberIndex,
        /// Where on the device.
        at: DeviceSector,
        /// How much.
        sectors: Sectors,
    },
    /// A background pass has ended. It says so once.
    PassEnded {
        /// How far it came and what it found.
        report: PassReport,
        /// How it ended.
        end: PassEnd,
    },
    /// A reshape has ended, or halted. It says so once.
    ReshapeEnded {
        /// How far it came.
        report: ReshapeReport,
        /// How it ended.
        end: ReshapeEnd,
    },
    /// A block was found wrong, from both parities, and is being made from the others.
    BlockLocated {
        /// The member that it lies on.
        member: MemberIndex,
        /// Where on the device.
        at: DeviceSector,
        /// How much.
        sectors: Sectors,
    },
    /// Parity does not agree with the data, and no single block explains it. Nothing was changed.
    Ambiguous {
        /// The position of the pass, in the measure of [`PassReport::position`].
        at: Sectors,
        /// How much of each member.
        sectors: Sectors,
    },
    /// A check could not read a block, so it was not compared.
    NotCompared {
        /// The position of the pass, in the measure of [`PassReport::position`].
        at: Sectors,
        /// How much of each member.
        sectors: Sectors,
    },
    /// Part of a request could not be served.
    RangeLost {
        /// The request.
        request: RequestId,
        /// First sector lost.
        at: Lba,
        /// How much.
        sectors: Sectors,
    },
}
