//! Background passes, in the foreground.

use super::device::{BlockDevice, Keeper};
use super::host::{CallHost, Outer, Reported};
use super::{Array, BUDGET, Error};
use crate::engine::{Activity, Halt, PassEnd, PassKind, PassRefusal, PassReport, Progress};
use crate::parity::CallerMemory;

/// What whoever watches a pass wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// That it goes on.
    GoOn,
    /// That it parks: its position is put on record, and a later start goes on from there.
    Park,
}

/// Why a pass did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PassFailure {
    /// It was not started.
    Refused(PassRefusal),
    /// It came so far.
    Halted(PassReport, Halt),
    /// The engine or its memory failed.
    Failed(Error),
}

impl core::fmt::Display for PassFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Halted(report, halt) => {
                let PassReport { kind, position, end, .. } = report;
                let (kind, at, end) = (kind.name(), position.0, end.0);
                match halt {
                    Halt::Parked => write!(f, "the {kind} was parked at sector {at} of {end}"),
                    Halt::Stopped(reason) => {
                        write!(f, "the {kind} stopped at sector {at} of {end}: {reason}")
                    }
                }
            }
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for PassFailure {}

impl<D: BlockDevice, K: Keeper<D>> Array<'_, D, K> {
    /// Runs a pass to its end, showing its progress to `watch` time and again.
    ///
    /// # Errors
    /// Why it was not started, or how far it came and why it ended there.
    pub fn run_pass(
        &mut self,
        kind: PassKind,
        mut watch: impl FnMut(&PassReport) -> Watch,
    ) -> Result<PassReport, PassFailure> {
        let (lane, lanes) = self.lanes().map_err(PassFailure::Failed)?;
        self.engine.start_pass(kind).map_err(PassFailure::Refused)?;
        let memory = Outer { caller: CallerMemory::None, window: self.window };
        let mut host = CallHost::new(&mut self.parts, memory, lane, lanes);
        // Every round delivers a completion at least, and of those a pass needs a bounded number.
        loop {
            let progress = self.engine.poll(&mut host, BUDGET);
            let delivered = host.report(&mut self.engine);
            match self.engine.activity() {
                Activity::Running(report) => match watch(&report) {
                    Watch::GoOn => {}
                    Watch::Park => self.engine.park_pass(),
                },
                Activity::Idle
                | Activity::Halted(..)
                | Activity::Reshaping(_)
                | Activity::ReshapeHalted(..) => {}
            }
            match (progress, delivered) {
                (Progress::Idle | Progress::HostBusy(_), Reported::Nothing) => break,
                (Progress::Idle | Progress::HostBusy(_), Reported::Something)
                | (Progress::More, Reported::Nothing | Reported::Something) => {}
            }
        }
        match host.take_pass() {
            Some((report, PassEnd::Finished)) => Ok(report),
            Some((report, PassEnd::Halted(halt))) => Err(PassFailure::Halted(report, halt)),
            None => Err(PassFailure::Failed(Error::Stalled)),
        }
    }
}
