//! The reshape at work: what it does next, and how it ended.
//!
//! ```text
//!           its start                +--------------------------------+
//!           is on record             v                                |
//!  Fence ----------------------->  Choose --> Gather --> Scatter -----+
//!                                    |        reads it   writes it    |
//!                                    |        in the     in the new   |
//!                                    |        old shape  shape        |
//!                                    +------> Keep: a command to the backup, and what follows it
//!                                    |        (Gather, Keep, Scatter where a load is saved first)
//!                                    +------> Publish ----------------+
//!                                    |        waits for the record of its position
//!                                    +------> Finish  --> (none: there is one shape)
//!                                    |        waits for the record of the new shape
//!                                    +------> Rest
//! ```
//!
//! Gather and Scatter begin operations of the stripe machine in slots of their own, one for each
//! rectangle, and end when the last of them has. [`Progress::next`](crate::reshape::Progress::next)
//! chooses; a wish to halt is honoured where the window is empty.

use super::backup::Keep;
use crate::host::Fault;
use crate::members::MemberSet;
use crate::request::Cursor;
use crate::reshape::{Change, Load};
use crate::units::{Generation, Lba, Sectors};

/// How far a reshape has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReshapeReport {
    /// From which shape to which.
    pub change: Change,
    /// The position on record: what lies behind it, in the direction of the change, is durable in the
    /// new shape, and all else is in the old.
    pub position: Lba,
}

/// How a reshape ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReshapeEnd {
    /// At its end: there is one shape, the new, and that is on record.
    Finished,
    /// Before. The array is served in both shapes, and it goes on from its position when it is
    /// started again.
    Halted(ReshapeHalt),
}

/// How a reshape ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReshapeHalt {
    /// It was not started since the engine was made.
    Loaded,
    /// The host asked for it.
    Parked,
    /// It could not go on.
    Stopped(ReshapeStop),
}

/// Why a reshape stopped by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReshapeStop {
    /// A member was lost, and the host wished to hear of that first: [`OnLoss::Stop`].
    MemberLost,
    /// One of the two shapes cannot do with the members that are left.
    TooFewMembers,
    /// What lies here can neither be read nor reconstructed. It was not moved.
    Unrecoverable {
        /// Where it begins.
        at: Lba,
        /// How much it is.
        sectors: Sectors,
    },
    /// A device called a command malformed or unsupported. The host's to mend.
    Rejected,
    /// A command that was abandoned may still touch the window. Start it again when that is dead.
    Hung,
    /// What comes next would overwrite what has not been moved yet: it takes a backup.
    NeedsBackup {
        /// How much the backup must have room for.
        backup: Sectors,
    },
    /// A command to the backup failed. What was being moved is where it was, and nothing of it is
    /// overwritten before a backup holds it.
    BackupFailed {
        /// How.
        fault: Fault,
    },
    /// The array has failed.
    ArrayFailed,
}

impl core::fmt::Display for ReshapeStop {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::MemberLost => f.write_str("a member was lost; it can go on without it"),
            Self::TooFewMembers => f.write_str("too few members are left for one of the shapes"),
            Self::Unrecoverable { at, sectors } => write!(
                f,
                "{} sectors at {} of the array can neither be read nor reconstructed",
                sectors.0, at.0
            ),
            Self::Rejected => f.write_str("a device refused a command"),
            Self::Hung => f.write_str("a command that hangs may still touch the window"),
            Self::NeedsBackup { backup } => {
                write!(f, "it takes a backup of {} sectors to go on", backup.0)
            }
            Self::BackupFailed { fault } => write!(f, "the backup failed ({fault:?})"),
            Self::ArrayFailed => f.write_str("the array has failed"),
        }
    }
}

/// Why a reshape is not started. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReshapeRefusal {
    /// A pass or the reshape is at work.
    Running,
    /// The engine was not made for a reshape, or it is finished.
    NothingToDo,
    /// No slot was set aside for background work.
    NoSlots,
    /// The array was set up to be read only.
    ReadOnly,
    /// The array has failed.
    ArrayFailed,
    /// A member is being rebuilt: let that end first.
    Rebuilding,
    /// Parity is not known to agree with the data everywhere: resync first.
    NotInSync,
    /// One of the two shapes cannot do with the members that are there.
    TooFewMembers,
    /// Without a shift of the data the reshape would overwrite what it has not moved yet.
    NeedsBackup {
        /// The shift, on every member, with which it would not.
        shift: Sectors,
        /// How much a backup must have room for.
        backup: Sectors,
    },
    /// Some of the array has been moved: the reshape can go on, but not be taken back.
    Moved,
    /// A command that was abandoned may still touch the window.
    Hung,
    /// The engine is brought to rest.
    Quiesced,
}

impl core::fmt::Display for ReshapeRefusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Running => "something is at work already; park it, or wait for its end",
            Self::NothingToDo => "there is no reshape to be done",
            Self::NoSlots => "no slot is set aside for background work",
            Self::ReadOnly => "the array is read only",
            Self::ArrayFailed => "the array has failed",
            Self::Rebuilding => "a member is being rebuilt; let that end first",
            Self::NotInSync => {
                "parity may not agree with the data since the last stop; resync first"
            }
            Self::TooFewMembers => "too few members are there for one of the shapes",
            Self::NeedsBackup { shift, backup } => {
                return write!(
                    f,
                    "make room for a shift of {} sectors on every member, or bring a backup of {}",
                    shift.0, backup.0
                );
            }
            Self::Moved => "some of the array is in its new shape already",
            Self::Hung => "a command that hangs may still touch the window",
            Self::Quiesced => "the array is stopped or being stopped",
        })
    }
}

impl core::error::Error for ReshapeRefusal {}

/// What a reshape does when a member is lost that it can do without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnLoss {
    /// It stops at its next checkpoint. Started again, it goes on without the member.
    #[default]
    Stop,
    /// It goes on.
    GoOn,
}

/// The state of a reshape that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reshaping {
    Fence(Fence),
    Choose(Errand),
    Gather(Gather),
    Scatter(Scatter),
    Keep(Keep),
    Publish(Publish),
    Finish(Finish),
    Rest(ReshapeHalt),
}

/// What a reshape was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Errand {
    pub(crate) on_loss: OnLoss,
    /// Members that were lost when it was started.
    pub(crate) absent: MemberSet,
    /// Why it is to halt, as soon as its window is empty.
    pub(crate) wish: Option<ReshapeHalt>,
}

/// Waits until its start is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fence {
    pub(crate) errand: Errand,
    pub(crate) until: Generation,
}

/// Reads a load in the old shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gather {
    pub(crate) crew: Crew,
    pub(crate) cursor: Cursor,
}

/// Writes a load in the new shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scatter {
    pub(crate) crew: Crew,
    pub(crate) stroke: Stroke,
    pub(crate) cursor: Cursor,
}

/// A load, and who is at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Crew {
    pub(crate) errand: Errand,
    pub(crate) load: Load,
    pub(crate) way: Way,
    /// Operations alive.
    pub(crate) pieces: u16,
    /// Why it is given up: no piece is begun any more.
    pub(crate) failed: Option<ReshapeHalt>,
}

/// How a load is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// It lands on nothing that is needed.
    Straight,
    /// It may overwrite itself, and is saved first.
    Saved,
}

/// Waits until its position is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Publish {
    pub(crate) errand: Errand,
    pub(crate) until: Generation,
}

/// Waits until the new shape is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Finish {
    pub(crate) until: Generation,
}

/// A part of a load that is written in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stroke {
    /// Rows that the old shape fills.
    Rows,
    /// Rows in which it ends, or that lie behind its end: zeroes.
    Zeroes,
    /// What it has in the row in which it ends, over the zeroes.
    Seam,
}

/// Where a part of a load lies, in sectors of the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Part {
    pub(crate) at: Lba,
    pub(crate) sectors: Sectors,
    /// Where in the window it begins.
    pub(crate) from: Sectors,
}

impl Stroke {
    pub(crate) const fn next(self) -> Option<Self> {
        match self {
            Self::Rows => Some(Self::Zeroes),
            Self::Zeroes => Some(Self::Seam),
            Self::Seam => None,
        }
    }

    /// Its part of a load, `None` if it has none.
    pub(crate) fn part(self, change: &Change, load: &Load) -> Option<Part> {
        let start = load.start().0;
        let end = start.checked_add(load.sectors().0)?;
        let old_end = change.before().size().0.clamp(start, end);
        let width = row_width(change);
        // The row of the new shape in which the old one ends is of both kinds.
        let into = if old_end < end { old_end.checked_rem(width)? } else { 0 };
        let seam = old_end.checked_sub(into)?.max(start);
        let (from, to) = match self {
            Self::Rows => (start, seam),
            Self::Zeroes => (seam, end),
            Self::Seam if old_end < end => (seam, old_end),
            Self::Seam => (end, end),
        };
        let (from, to) = match self {
            Self::Zeroes if old_end == end => (end, end),
            Self::Rows | Self::Zeroes | Self::Seam => (from, to),
        };
        part(start, from, to)
    }
}

impl Gather {
    /// What there is to read of a load; `None` if the old shape has nothing there.
    pub(crate) fn part(change: &Change, load: &Load) -> Option<Part> {
        let start = load.start().0;
        let end = start.checked_add(load.sectors().0)?;
        part(start, start, end.min(change.before().size().0))
    }
}

fn part(start: u64, from: u64, to: u64) -> Option<Part> {
    let sectors = Sectors(to.checked_sub(from).filter(|sectors| *sectors > 0)?);
    Some(Part { at: Lba(from), sectors, from: Sectors(from.checked_sub(start)?) })
}

/// How much of the array a row of the new shape holds: what is written at once.
fn row_width(change: &Change) -> u64 {
    use crate::geometry::Geometry;
    match change.after() {
        Geometry::Parity(after) => {
            after.chunk().0.saturating_mul(u64::from(after.data_members())).max(1)
        }
        // Parts of a chunk are written like whole ones.
        Geometry::Copies(_) => 1,
    }
}

impl Reshaping {
    /// Whether all that is missing to its next state is a record that has to be.
    pub(crate) const fn is_settling(&self) -> bool {
        match self {
            Self::Publish(_) | Self::Finish(_) => true,
            Self::Fence(_)
            | Self::Choose(_)
            | Self::Gather(_)
            | Self::Scatter(_)
            | Self::Keep(_)
            | Self::Rest(_) => false,
        }
    }

    /// Halts as soon as the window is empty.
    pub(crate) const fn park(&mut self, halt: ReshapeHalt) {
        let errand = match self {
            Self::Fence(Fence { errand, .. })
            | Self::Choose(errand)
            | Self::Gather(Gather { crew: Crew { errand, .. }, .. })
            | Self::Scatter(Scatter { crew: Crew { errand, .. }, .. })
            | Self::Keep(Keep { errand, .. })
            | Self::Publish(Publish { errand, .. }) => errand,
            Self::Finish(_) | Self::Rest(_) => return,
        };
        if errand.wish.is_none() {
            errand.wish = Some(halt);
        }
    }

    /// Begins nothing more, and gives the window up. What fails first is what it ends by.
    pub(crate) const fn give_up(&mut self, halt: ReshapeHalt) {
        self.park(halt);
        match self {
            Self::Gather(Gather { crew, .. }) | Self::Scatter(Scatter { crew, .. }) => {
                if crew.failed.is_none() {
                    crew.failed = Some(halt);
                }
            }
            Self::Fence(_)
            | Self::Choose(_)
            | Self::Keep(_)
            | Self::Publish(_)
            | Self::Finish(_)
            | Self::Rest(_) => {}
        }
    }

    /// One operation more or less is alive.
    pub(crate) const fn crew(&mut self) -> Option<&mut Crew> {
        match self {
            Self::Gather(Gather { crew, .. }) | Self::Scatter(Scatter { crew, .. }) => Some(crew),
            Self::Fence(_)
            | Self::Choose(_)
            | Self::Keep(_)
            | Self::Publish(_)
            | Self::Finish(_)
            | Self::Rest(_) => None,
        }
    }
}
