//! Background passes: one walk over the array at a time, and one value that says what it is doing.
//!
//! ```text
//!             a record         pieces, in slots of their own
//!  Idle  ->   Fence     ->     Walk     ->   Drain   ->   Settle   ->   Idle (finished)
//!             waits for        begun in      no new       waits for     Parked (asked for)
//!             the spare's      order         pieces       its record    Stopped (why)
//!             role
//! ```
//!
//! A replacement has one state more, Handover, before Settle: its device takes the member's place
//! once nothing is alive that was begun with either.
//!
//! A pass never begins anew by itself: it ends, parks with its position, or stops once with its
//! reason, and the next one is the host's to start.

mod backup;
mod reshape;
mod walk;

pub(crate) use backup::{Keep, Sent, Task};
pub(crate) use reshape::{
    Crew, Errand, Fence as ReshapeFence, Finish, Gather, Part, Publish, Reshaping, Scatter, Stroke,
    Way,
};
pub use reshape::{OnLoss, ReshapeEnd, ReshapeHalt, ReshapeRefusal, ReshapeReport, ReshapeStop};

pub(crate) use walk::{Next, Piece, Walk};

use crate::members::MemberSet;
use crate::units::{Generation, MemberIndex, Sectors};

/// What a pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassKind {
    /// After an unclean stop: parity and copies are made to agree with the data.
    Resync,
    /// All members that are being rebuilt get their blocks, all in one walk.
    Recovery,
    /// A member that is in use is copied to the device that is to replace it, which then takes its
    /// place. What the member cannot give is made from the others.
    Replacement,
    /// Parity and copies are compared with the data. Nothing is changed.
    Check,
    /// As a check; what does not agree is made to, by new parity and new copies.
    Repair,
    /// As a check; where parity does not agree, the one wrong block is found from both parities and
    /// made from the others. Where no single block explains it, nothing is touched. Level 6 only.
    Locate,
}

impl PassKind {
    /// As md calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resync => "resync",
            Self::Recovery | Self::Replacement => "recovery",
            Self::Check => "check",
            Self::Repair | Self::Locate => "repair",
        }
    }
}

/// What the array is doing besides its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activity {
    /// Nothing.
    Idle,
    /// A pass is at work.
    Running(PassReport),
    /// A pass ended before its end. It goes on from its position when it is started again.
    Halted(PassReport, Halt),
    /// A reshape is at work.
    Reshaping(ReshapeReport),
    /// A reshape is not at its end, and not at work. It goes on from its position when it is started
    /// again.
    ReshapeHalted(ReshapeReport, ReshapeHalt),
}

/// How far a pass has come, and what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PassReport {
    /// What it is for.
    pub kind: PassKind,
    /// Everything before this is done: sectors of each member; for a resync, check or repair of
    /// levels 0 and 10, sectors of the array.
    pub position: Sectors,
    /// Where it ends, in the same measure.
    pub end: Sectors,
    /// Sectors in 4 KiB units that disagreed, counted once for each unit of a row. A resync and a
    /// repair made them agree.
    pub mismatched: Sectors,
    /// Of those, sectors whose wrong block was found and mended, by [`PassKind::Locate`].
    pub mended: Sectors,
    /// And sectors that no single wrong block explains: they are as they were.
    pub ambiguous: Sectors,
    /// Sectors of rows that a check or repair could not read and so did not compare.
    pub unread: Sectors,
    /// Sectors of members, of all together, that cannot be made: more is lost there than the
    /// redundancy makes up for. They are on the list of bad blocks.
    pub lost: Sectors,
    /// Sectors of members that could be made, but took no write. They are on that list as well.
    pub unwritten: Sectors,
}

/// Why a pass stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// Every member that was to be rebuilt is lost, or the replacement is.
    TargetLost,
    /// The member that was being replaced is lost. The replacement has its place, and holds what was
    /// copied: a recovery brings the rest.
    OriginalLost,
    /// A member was lost on whose blocks the pass counted.
    MemberLost,
    /// A block cannot be read and not be reconstructed. The array's fate there.
    Unrecoverable {
        /// The position of the pass, in the measure of [`PassReport::position`].
        at: Sectors,
    },
    /// A device called a command malformed or unsupported. The host's to mend.
    Rejected,
    /// The array has failed.
    ArrayFailed,
}

impl core::fmt::Display for StopReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TargetLost => f.write_str("the member that was being rebuilt is lost"),
            Self::OriginalLost => f.write_str(
                "the member that was being replaced is lost; its replacement has to be rebuilt",
            ),
            Self::MemberLost => f.write_str("a member was lost"),
            Self::Unrecoverable { at } => {
                write!(
                    f,
                    "what lies at sector {} of the pass can neither be read nor reconstructed",
                    at.0
                )
            }
            Self::Rejected => f.write_str("a device refused a command"),
            Self::ArrayFailed => f.write_str("the array has failed"),
        }
    }
}

/// Why a pass is not started. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PassRefusal {
    /// A pass is at work. Park it, or wait for its end.
    Running,
    /// No slot was set aside for background work.
    NoSlots,
    /// The array was set up to be read only.
    ReadOnly,
    /// The array has failed.
    ArrayFailed,
    /// No member is being rebuilt, or replaced, or parity agrees with the data everywhere.
    NothingToDo,
    /// The level keeps nothing to compare.
    NoRedundancy,
    /// Only two parities tell which block is wrong.
    OneParity,
    /// A member is missing, or not rebuilt: rebuild it first.
    Degraded,
    /// Parity is not known to agree with the data everywhere: resync first.
    NotInSync,
    /// The engine is brought to rest.
    Quiesced,
    /// The array is between two shapes: let the reshape end first.
    Reshaping,
}

impl core::fmt::Display for PassRefusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Running => "a pass is at work already; park it, or wait for its end",
            Self::NoSlots => "no slot is set aside for background work",
            Self::ReadOnly => "the array is read only",
            Self::ArrayFailed => "the array has failed",
            Self::NothingToDo => "there is nothing to do: no member to rebuild, nothing to resync",
            Self::NoRedundancy => "the level keeps nothing to compare",
            Self::OneParity => "only two parities tell which block is wrong; repair without that",
            Self::Quiesced => "the array is stopped or being stopped",
            Self::Reshaping => "the array is between two shapes; let the reshape end first",
            Self::NotInSync => {
                "parity may not agree with the data since the last stop; resync first"
            }
            Self::Degraded => "a member is missing or not rebuilt; rebuild it first",
        })
    }
}

impl core::error::Error for PassRefusal {}

/// The state of the array's pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pass {
    Idle,
    Fence(Fence),
    Walk(Walk),
    Drain(Drain),
    Handover(Handover),
    Settle(Settle),
    Rest(Rest),
    Reshape(Reshaping),
}

/// Waits for what has to be on record before the first piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fence {
    pub(crate) walk: Walk,
    pub(crate) until: Generation,
}

/// Begins no more pieces; waits for those alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Drain {
    pub(crate) walk: Walk,
    pub(crate) end: PassEnd,
}

/// Waits until the replacement has the place of the member that it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Handover {
    pub(crate) walk: Walk,
}

/// Waits until its end is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Settle {
    pub(crate) report: PassReport,
    pub(crate) end: PassEnd,
    /// Members that it rebuilt.
    pub(crate) rebuilt: MemberSet,
    pub(crate) until: Generation,
}

/// Stands at its position until the host starts the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rest {
    pub(crate) report: PassReport,
    pub(crate) halt: Halt,
}

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassEnd {
    /// At its end: all is done and on record.
    Finished,
    /// Before.
    Halted(Halt),
}

/// How a pass ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Halt {
    /// The host asked for it.
    Parked,
    /// It could not go on.
    Stopped(StopReason),
}

/// What a pass counts on for as long as it walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Course {
    pub(crate) kind: PassKind,
    /// Members that it rebuilds.
    pub(crate) rebuilding: MemberSet,
    /// Members that were lost when it started.
    pub(crate) absent: MemberSet,
    /// The member that it replaces.
    pub(crate) replacing: Option<MemberIndex>,
}

/// How often a recovery puts its position on record, at least: the sixteenth part of the walk, or
/// 4 GiB of each member.
const CHECKPOINT_PARTS: u64 = 16;
const CHECKPOINT_SECTORS_MAX: Sectors = Sectors(8 << 20);

impl Pass {
    /// What the array is doing, as a host sees it; `reshape` is how far the one that it has has come.
    pub(crate) const fn activity(&self, reshape: Option<ReshapeReport>) -> Activity {
        match self {
            Self::Idle => Activity::Idle,
            Self::Fence(Fence { walk, .. })
            | Self::Walk(walk)
            | Self::Handover(Handover { walk })
            | Self::Drain(Drain { walk, .. }) => Activity::Running(walk.report),
            Self::Settle(settle) => Activity::Running(settle.report),
            Self::Rest(Rest { report, halt }) => Activity::Halted(*report, *halt),
            Self::Reshape(state) => match (state, reshape) {
                (Reshaping::Rest(halt), Some(report)) => Activity::ReshapeHalted(report, *halt),
                (_, Some(report)) => Activity::Reshaping(report),
                (_, None) => Activity::Idle,
            },
        }
    }

    /// The walk, while pieces of it may be alive.
    pub(crate) const fn walk(&mut self) -> Option<&mut Walk> {
        match self {
            Self::Fence(Fence { walk, .. })
            | Self::Walk(walk)
            | Self::Handover(Handover { walk })
            | Self::Drain(Drain { walk, .. }) => Some(walk),
            Self::Idle | Self::Settle(_) | Self::Rest(_) | Self::Reshape(_) => None,
        }
    }

    /// Who is at the load that a reshape moves, if it does.
    pub(crate) const fn crew(&mut self) -> Option<&mut Crew> {
        match self {
            Self::Reshape(state) => state.crew(),
            Self::Idle
            | Self::Fence(_)
            | Self::Walk(_)
            | Self::Drain(_)
            | Self::Handover(_)
            | Self::Settle(_)
            | Self::Rest(_) => None,
        }
    }

    /// A command to the backup, while one is to be sent or in flight.
    pub(crate) const fn keep(&mut self) -> Option<&mut Keep> {
        match self {
            Self::Reshape(Reshaping::Keep(keep)) => Some(keep),
            Self::Reshape(_)
            | Self::Idle
            | Self::Fence(_)
            | Self::Walk(_)
            | Self::Drain(_)
            | Self::Handover(_)
            | Self::Settle(_)
            | Self::Rest(_) => None,
        }
    }

    /// Whether a command to the backup is in flight.
    pub(crate) const fn awaits_backup(&self) -> bool {
        matches!(self, Self::Reshape(Reshaping::Keep(Keep { sent: Sent::InFlight { .. }, .. })))
    }

    /// Halts a reshape at its next checkpoint.
    pub(crate) const fn park(&mut self, halt: ReshapeHalt) {
        if let Self::Reshape(state) = self {
            state.park(halt);
        }
    }

    /// Begins nothing more of a reshape, and gives up what it moves.
    pub(crate) const fn give_up(&mut self, halt: ReshapeHalt) {
        if let Self::Reshape(state) = self {
            state.give_up(halt);
        }
    }

    /// Whether all that is missing to its end is a record.
    pub(crate) const fn is_settling(&self) -> bool {
        match self {
            Self::Settle(_) => true,
            Self::Reshape(state) => state.is_settling(),
            Self::Idle
            | Self::Fence(_)
            | Self::Walk(_)
            | Self::Drain(_)
            | Self::Handover(_)
            | Self::Rest(_) => false,
        }
    }

    /// Begins no more pieces. What ends the pass first is what it ends by.
    pub(crate) const fn halt(&mut self, halt: Halt) {
        match *self {
            Self::Fence(Fence { walk, .. })
            | Self::Walk(walk)
            | Self::Handover(Handover { walk }) => {
                *self = Self::Drain(Drain { walk, end: PassEnd::Halted(halt) });
            }
            // Only a pass that thought itself finished can still fail.
            Self::Drain(Drain { walk, end: PassEnd::Finished }) => {
                *self = Self::Drain(Drain { walk, end: PassEnd::Halted(halt) });
            }
            Self::Drain(Drain { end: PassEnd::Halted(_), .. })
            | Self::Idle
            | Self::Settle(_)
            | Self::Rest(_)
            | Self::Reshape(_) => {}
        }
    }
}
