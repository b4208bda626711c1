//! The backup of a reshape at work: one command at a time, and what may follow it.
//!
//! ```text
//!  Save -> FlushContent -> Mark -> FlushMark -> (overwrite, publish) -> Clear -> FlushClear
//!                                    Load    ->  as after FlushMark
//! ```
//!
//! Nothing but the end of FlushMark, or of Load, leads to where old rows are overwritten.

use super::reshape::Errand;
use crate::host::{Completion, Fault, Misuse};
use crate::reshape::{BackupArea, Load};
use crate::units::Sectors;

/// A command to the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Keep {
    pub(crate) errand: Errand,
    pub(crate) task: Task,
    pub(crate) sent: Sent,
}

/// What it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Task {
    /// Writes the window's content from here on.
    Save(Load, Sectors),
    /// Makes it durable; and with it that older areas are clear.
    FlushContent(Load),
    /// Says that it is there.
    Mark(Load),
    /// Makes that durable.
    FlushMark(Load),
    /// Reads the window's content from here on.
    Load(Load, Sectors),
    /// Says that what an area holds is not needed.
    Clear(BackupArea),
    /// Makes that durable.
    FlushClear,
}

/// How far a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sent {
    NotYet,
    InFlight {
        epoch: u32,
    },
    Done,
    Failed(Fault),
    /// Nobody waits for it any more, and it is not dead.
    Abandoned,
}

impl Keep {
    pub(crate) const fn new(errand: Errand, task: Task) -> Self {
        Self { errand, task, sent: Sent::NotYet }
    }

    /// The command has ended.
    pub(crate) fn settle(&mut self, epoch: u32, how: Completion) -> Result<(), Misuse> {
        self.is_awaited(epoch)?;
        self.sent = match how {
            Completion::Done => Sent::Done,
            Completion::Failed(fault) => Sent::Failed(fault),
            Completion::Compared { .. } | Completion::Located(_) => {
                return Err(Misuse::WrongCompletion);
            }
        };
        Ok(())
    }

    /// The command was abandoned.
    pub(crate) fn abandon(&mut self, epoch: u32) -> Result<(), Misuse> {
        self.is_awaited(epoch)?;
        self.sent = Sent::Abandoned;
        Ok(())
    }

    const fn is_awaited(&self, epoch: u32) -> Result<(), Misuse> {
        match self.sent {
            Sent::InFlight { epoch: awaited } if awaited == epoch => Ok(()),
            Sent::NotYet
            | Sent::InFlight { .. }
            | Sent::Done
            | Sent::Failed(_)
            | Sent::Abandoned => Err(Misuse::UnknownToken),
        }
    }
}
