//! Background passes as commands: with their progress, until they end or somebody ends them.

use crate::array::Array;
use crate::exit::Error;
use crate::images::Image;
use crate::interrupt::Interrupts;
use crate::progress::Progress;
use raid_core::blocking::{PassFailure, Watch};
use raid_core::engine::{Halt, PassKind, PassRefusal, PassReport, StopReason};
use raid_core::units::Sectors;

/// A pass that is to be run.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) kind: PassKind,
    /// What it does, for people.
    pub(crate) what: String,
    /// After how many bytes it is to park.
    pub(crate) stop_after: Option<u64>,
    /// What goes on from where it parks.
    pub(crate) next: &'a str,
}

/// How a pass ended that did not fail.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    Finished(PassReport),
    /// It has done as much as was asked for.
    Enough(PassReport),
}

impl Ended {
    pub(crate) const fn report(&self) -> PassReport {
        match self {
            Self::Finished(report) | Self::Enough(report) => *report,
        }
    }
}

/// Runs a pass until it ends, is stopped by a signal, or has done what was asked for. Everything is durable and on
/// record then.
pub(crate) fn run(array: &mut Array<'_, Image>, job: &Job<'_>) -> Result<Ended, Error> {
    let interrupts = Interrupts::catch()?;
    let mut progress = Progress::new(job.what.clone(), 0);
    let mut start = None;
    let done = array.run_pass(job.kind, |report| {
        let position = bytes(report.position);
        let start = *start.get_or_insert(position);
        progress.reach(position, bytes(report.end));
        let enough = job.stop_after.is_some_and(|bytes| position.saturating_sub(start) >= bytes);
        match (interrupts.code(), enough) {
            (None, false) => Watch::GoOn,
            (Some(_), _) | (None, true) => Watch::Park,
        }
    });
    drop(progress);
    let settled = match job.kind {
        PassKind::Check => Ok(()),
        PassKind::Resync
        | PassKind::Recovery
        | PassKind::Replacement
        | PassKind::Repair
        | PassKind::Locate => array.mark_clean(),
    };
    let ended = match (done, interrupts.code()) {
        (Ok(report), _) => Ended::Finished(report),
        (Err(PassFailure::Halted(report, Halt::Parked)), None) => Ended::Enough(report),
        (Err(PassFailure::Halted(report, Halt::Parked)), Some(code)) => {
            let text = format!("interrupted; {}", parked(&report, job));
            return Err(Error::Interrupted { text, code });
        }
        (Err(failure), _) => return Err(failed(&job.what, &failure)),
    };
    settled.map_err(|error| Error::engine("mark the array clean", &error))?;
    match ended.report().lost {
        Sectors::ZERO => Ok(ended),
        lost => Err(Error::Lost(format!(
            "{}: {} bytes of the members cannot be reconstructed and are on the bad-block log now; write what belongs \
             there anew",
            job.what,
            bytes(lost)
        ))),
    }
}

/// How far a parked pass is, and how to go on.
pub(crate) fn parked(report: &PassReport, job: &Job<'_>) -> String {
    let (position, end) = (bytes(report.position), bytes(report.end));
    let percent = position.saturating_mul(100).checked_div(end).unwrap_or(0);
    format!("the {} stopped at byte {position} of {end} ({percent} %); {}", job.what, job.next)
}

fn bytes(sectors: Sectors) -> u64 {
    sectors.bytes().unwrap_or(u64::MAX)
}

fn failed(what: &str, failure: &PassFailure) -> Error {
    let text = format!("{what}: {failure}");
    match failure {
        PassFailure::Refused(refusal) => match refusal {
            PassRefusal::ArrayFailed
            | PassRefusal::NoRedundancy
            | PassRefusal::OneParity
            | PassRefusal::Degraded
            | PassRefusal::NotInSync
            | PassRefusal::NothingToDo => Error::Refused(text),
            PassRefusal::Running
            | PassRefusal::Reshaping
            | PassRefusal::NoSlots
            | PassRefusal::ReadOnly
            | PassRefusal::Quiesced => Error::Engine(text),
            // A kind of refusal that is newer than this program.
            _ => Error::Engine(text),
        },
        PassFailure::Halted(_, halt) => match halt {
            Halt::Stopped(StopReason::Unrecoverable { .. }) => Error::Lost(text),
            Halt::Stopped(
                StopReason::TargetLost
                | StopReason::OriginalLost
                | StopReason::MemberLost
                | StopReason::ArrayFailed,
            ) => Error::Refused(text),
            Halt::Stopped(StopReason::Rejected) | Halt::Parked => Error::Engine(text),
        },
        PassFailure::Failed(error) => Error::engine(what, error),
        // A kind of failure that is newer than this program.
        _ => Error::Engine(text),
    }
}
