//! `check`: compares parity or copies of the whole array.

use crate::array::{Assembled, Names, say_events};
use crate::cli;
use crate::exit::Error;
use crate::images::Purpose;
use crate::passes::{self, Job};
use crate::report::{self, Scrubbed};
use raid_core::engine::{Access, Dirty, PassKind, PassReport};
use raid_core::members::MemberState;
use raid_core::units::Sectors;
use std::path::PathBuf;

pub(super) fn run(arguments: &cli::Check) -> Result<(), Error> {
    let report = check(&arguments.members.images)?;
    let scrubbed = Scrubbed { mismatch_sectors: report.mismatched.0, ..Scrubbed::default() };
    report::print(&scrubbed, arguments.output.format)?;
    compared(&report)?;
    match scrubbed.mismatch_sectors {
        0 => Ok(()),
        sectors => Err(Error::Inconsistent(format!(
            "{sectors} sectors lie in units of which parity or copies disagree"
        ))),
    }
}

/// Compares everything and changes nothing.
pub(super) fn check(paths: &[PathBuf]) -> Result<PassReport, Error> {
    let assembled = Assembled::open(paths, Purpose::Read)?;
    comparable(&assembled)?;
    let names = Names::of(&assembled);
    // With all members there, it does not matter whether the array is clean.
    let mut workshop = assembled.into_readable(Dirty::Refuse)?;
    let (mut array, events) = workshop.start(Access::ReadOnly, Dirty::Refuse)?;
    let job = Job {
        kind: PassKind::Check,
        what: String::from("check"),
        stop_after: None,
        next: "nothing is on record of it, the next check begins anew",
    };
    let done = passes::run(&mut array, &job);
    say_events(&events, &names);
    Ok(done?.report())
}

/// Refuses what has nothing to compare.
pub(super) fn comparable(assembled: &Assembled) -> Result<(), Error> {
    let places = &assembled.assembly.places;
    let whole = places
        .iter()
        .all(|seat| seat.as_ref().is_some_and(|seat| seat.state == MemberState::InSync));
    match (assembled.assembly.geometry.redundancy(), whole) {
        (0, _) => Err(Error::Refused(String::from("level 0 has no redundancy to compare"))),
        (_, false) => Err(Error::Refused(String::from(
            "the array is degraded, so there is nothing to compare; rebuild it first",
        ))),
        (_, true) => Ok(()),
    }
}

/// Says no if part of it could not be read.
pub(super) fn compared(report: &PassReport) -> Result<(), Error> {
    match report.unread {
        Sectors::ZERO => Ok(()),
        Sectors(unread) => Err(Error::Lost(format!(
            "{unread} sectors of the members could not be read and were not compared; they are named above"
        ))),
    }
}
