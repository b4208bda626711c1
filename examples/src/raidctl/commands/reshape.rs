//! `reshape`: changes the shape of an array in place. How it is begun, and how one that is on record goes on, until it is
//! at its end or parks.

mod begin;

pub(super) use begin::{begin, run};

use crate::array::reshaping::Reshaping;
use crate::array::{Array, Names, say_events};
use crate::cli;
use crate::exit::Error;
use crate::images::Image;
use crate::interrupt::Interrupts;
use crate::passes::{self, Job};
use crate::progress::Progress;
use raid_core::blocking::{ReshapeFailure, Watch};
use raid_core::engine::{Access, OnLoss, PassKind, ReshapeHalt, ReshapeRefusal, ReshapeStop};
use raid_core::reshape::Change;
use raid_core::units::{Lba, Sectors};

/// Goes on with a reshape that is on record. What there is to say of it in the end.
pub(super) fn resume(
    reshaping: Reshaping,
    insist: cli::Insistence,
    stop: cli::Stop,
) -> Result<String, Error> {
    let names = Names::of(&reshaping.assembled);
    let change = *reshaping.progress.change();
    let start = reshaping.progress.safe().lba();
    let mut workshop = reshaping.into_writable(insist.degraded)?;
    let (mut array, events) = workshop.start(Access::ReadWrite, insist.force.dirty)?;
    let ended = walk(&mut array, &change, start, stop);
    say_events(&events, &names);
    ended
}

/// Walks on from `start`, until the reshape is at its end or parks.
fn walk(
    array: &mut Array<'_, Image>,
    change: &Change,
    start: Lba,
    stop: cli::Stop,
) -> Result<String, Error> {
    let interrupts = Interrupts::catch()?;
    let total = bytes(change.walk());
    let mut progress = Progress::new("reshape", total);
    let ended = array.run_reshape(OnLoss::Stop, |report| {
        progress.reach(done(change, report.position), total);
        let moved = bytes(Sectors(report.position.0.abs_diff(start.0)));
        match (interrupts.code(), stop.after.is_some_and(|after| moved >= after)) {
            (None, false) => Watch::GoOn,
            (Some(_), _) | (None, true) => Watch::Park,
        }
    });
    drop(progress);
    if ended.is_ok() {
        resync_added(array, change)?;
    }
    let settled = array.mark_clean();
    let text = match (ended, interrupts.code()) {
        (Ok(()), _) => String::from("the reshape is finished"),
        (Err(ReshapeFailure::Halted { position, halt: ReshapeHalt::Parked }), code) => {
            let percent = done(change, position).saturating_mul(100).checked_div(total);
            let text = format!(
                "the reshape stopped at byte {} ({} % done); 'raidctl resume' with all images goes on from there",
                bytes(Sectors(position.0)),
                percent.unwrap_or(0)
            );
            match code {
                Some(code) => return Err(Error::Interrupted { text, code }),
                None => text,
            }
        }
        (Err(failure), _) => return Err(failed(&failure)),
    };
    settled.map_err(|error| Error::engine("mark the array clean", &error))?;
    Ok(text)
}

/// A walk of copies ends with what both shapes have: those of what the new one has besides do not agree yet.
fn resync_added(array: &mut Array<'_, Image>, change: &Change) -> Result<(), Error> {
    if change.walk() >= change.after().size() {
        return Ok(());
    }
    let job = Job {
        kind: PassKind::Resync,
        what: String::from("resync of what was added"),
        stop_after: None,
        next: "the reshape is finished; 'raidctl resync' goes on from there",
    };
    passes::run(array, &job).map(|_| ())
}

fn done(change: &Change, position: Lba) -> u64 {
    bytes(Sectors(position.0.abs_diff(change.start().0)))
}

fn bytes(sectors: Sectors) -> u64 {
    sectors.bytes().unwrap_or(u64::MAX)
}

fn failed(failure: &ReshapeFailure) -> Error {
    let text = failure.to_string();
    match failure {
        ReshapeFailure::Halted { halt, .. } => match halt {
            ReshapeHalt::Stopped(ReshapeStop::Unrecoverable { .. }) => Error::Lost(text),
            ReshapeHalt::Stopped(
                ReshapeStop::MemberLost
                | ReshapeStop::TooFewMembers
                | ReshapeStop::NeedsBackup { .. }
                | ReshapeStop::BackupFailed { .. }
                | ReshapeStop::ArrayFailed,
            ) => Error::Refused(text),
            ReshapeHalt::Stopped(ReshapeStop::Rejected | ReshapeStop::Hung)
            | ReshapeHalt::Loaded
            | ReshapeHalt::Parked => Error::Engine(text),
        },
        ReshapeFailure::Refused(refusal) => match refusal {
            ReshapeRefusal::ArrayFailed
            | ReshapeRefusal::Rebuilding
            | ReshapeRefusal::NotInSync
            | ReshapeRefusal::TooFewMembers
            | ReshapeRefusal::NeedsBackup { .. } => Error::Refused(text),
            ReshapeRefusal::Running
            | ReshapeRefusal::NothingToDo
            | ReshapeRefusal::NoSlots
            | ReshapeRefusal::ReadOnly
            | ReshapeRefusal::Moved
            | ReshapeRefusal::Hung
            | ReshapeRefusal::Quiesced => Error::Engine(text),
            // A kind of refusal that is newer than this program.
            _ => Error::Engine(text),
        },
        ReshapeFailure::Failed(error) => Error::engine("reshape", error),
        // A kind of failure that is newer than this program.
        _ => Error::Engine(text),
    }
}
