//! Reshapes, in the foreground.

use super::device::{BlockDevice, Keeper};
use super::host::{CallHost, Outer, Reported};
use super::pass::Watch;
use super::{Array, BUDGET, Error, Parts};
use crate::engine::{
    Engine, Memory, OnLoss, Progress, Reshape, ReshapeEnd, ReshapeHalt, ReshapeRefusal,
    ReshapeReport, Setup, SetupError,
};
use crate::parity::CallerMemory;
use crate::units::Lba;

/// Why a reshape did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReshapeFailure {
    /// It was not started.
    Refused(ReshapeRefusal),
    /// It came so far, and goes on from there when it is run again.
    Halted {
        /// The position on record.
        position: Lba,
        /// Why.
        halt: ReshapeHalt,
    },
    /// The engine or its memory failed.
    Failed(Error),
}

impl core::fmt::Display for ReshapeFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Halted { position, halt } => {
                let at = position.0;
                match halt {
                    ReshapeHalt::Loaded | ReshapeHalt::Parked => {
                        write!(f, "the reshape was parked at sector {at}")
                    }
                    ReshapeHalt::Stopped(reason) => {
                        write!(f, "the reshape stopped at sector {at}: {reason}")
                    }
                }
            }
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ReshapeFailure {}

impl<'m, D: BlockDevice, K: Keeper<D>> Array<'m, D, K> {
    /// An array that is to be reshaped, or that is on record as being reshaped. `window` is memory for
    /// what is being moved, as long as the reshape says.
    ///
    /// # Errors
    /// What about the setup or the reshape cannot be worked with.
    pub fn reshaping(
        setup: &Setup<'_>,
        reshape: &Reshape<'_>,
        memory: Memory<'m>,
        parts: Parts<'m, D, K>,
        window: &'m mut [u8],
    ) -> Result<Self, SetupError> {
        if reshape.window.memory_bytes().is_none_or(|needed| window.len() < needed) {
            return Err(SetupError::Memory);
        }
        let slots = memory.slots.len();
        Self::of(Engine::reshaping(setup, reshape, memory)?, slots, parts, window)
    }

    /// Runs the reshape from its position on to its end, showing its progress to `watch` time and
    /// again.
    ///
    /// # Errors
    /// Why it was not started, or how far it came and why it halted there.
    pub fn run_reshape(
        &mut self,
        on_loss: OnLoss,
        mut watch: impl FnMut(&ReshapeReport) -> Watch,
    ) -> Result<(), ReshapeFailure> {
        let (lane, lanes) = self.lanes().map_err(ReshapeFailure::Failed)?;
        self.engine.start_reshape(on_loss).map_err(ReshapeFailure::Refused)?;
        let memory = Outer { caller: CallerMemory::None, window: self.window };
        let mut host = CallHost::new(&mut self.parts, memory, lane, lanes);
        // Every round delivers a completion at least, and of those a walk needs a bounded number.
        loop {
            let progress = self.engine.poll(&mut host, BUDGET);
            let delivered = host.report(&mut self.engine);
            match self.engine.reshape().map_or(Watch::GoOn, |report| watch(&report)) {
                Watch::GoOn => {}
                Watch::Park => self.engine.park_pass(),
            }
            match (progress, delivered) {
                (Progress::Idle | Progress::HostBusy(_), Reported::Nothing) => break,
                (Progress::Idle | Progress::HostBusy(_), Reported::Something)
                | (Progress::More, Reported::Nothing | Reported::Something) => {}
            }
        }
        match host.take_reshape() {
            Some((_, ReshapeEnd::Finished)) => Ok(()),
            Some((report, ReshapeEnd::Halted(halt))) => {
                Err(ReshapeFailure::Halted { position: report.position, halt })
            }
            None => Err(ReshapeFailure::Failed(Error::Stalled)),
        }
    }
}
