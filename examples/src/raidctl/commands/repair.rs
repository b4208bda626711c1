//! `repair`: parity and copies are made to agree with the data, or the wrong block is found and mended.

use super::check::{comparable, compared};
use super::rebuild::say_if_dirty;
use crate::array::{Assembled, Names};
use crate::cli::{self, Absence, Method};
use crate::exit::Error;
use crate::images::Purpose;
use crate::passes::{self, Job};
use crate::report::{self, Located, Scrubbed};
use raid_core::engine::{Access, Dirty, PassKind, PassReport};
use raid_core::host::Event;
use raid_core::metadata::Consistency;
use raid_core::units::Sectors;
use std::path::PathBuf;

pub(super) fn run(arguments: &cli::Repair) -> Result<(), Error> {
    let Repaired { report, located, consistency } =
        repair(&arguments.members.images, arguments.method, Names::say)?;
    let repaired = match arguments.method {
        Method::Recompute => report.mismatched,
        Method::Locate => report.mended,
    };
    let scrubbed =
        Scrubbed { mismatch_sectors: report.mismatched.0, repaired_sectors: repaired.0, located };
    report::print(&scrubbed, arguments.output.format)?;
    compared(&report)?;
    if report.ambiguous > Sectors::ZERO {
        return Err(Error::Inconsistent(format!(
            "{} sectors disagree, and no single wrong block explains it; they are as they were, and named above",
            report.ambiguous.0
        )));
    }
    say_if_dirty(consistency);
    Ok(())
}

/// What a repair found and did.
#[derive(Debug)]
pub(super) struct Repaired {
    pub(super) report: PassReport,
    pub(super) located: Vec<Located>,
    consistency: Consistency,
}

/// Compares everything and mends what does not agree.
pub(super) fn repair(
    paths: &[PathBuf],
    method: Method,
    tell: impl Fn(&Names, Event),
) -> Result<Repaired, Error> {
    let assembled = Assembled::open(paths, Purpose::Write)?;
    let geometry = &assembled.assembly.geometry;
    let (kind, what) = match method {
        Method::Recompute => (PassKind::Repair, "repair"),
        Method::Locate if geometry.layout().md_level() == 6 => (PassKind::Locate, "search"),
        Method::Locate => {
            return Err(Error::Refused(String::from(
                "only the two parities of level 6 tell which block is wrong; repair without --locate",
            )));
        }
    };
    comparable(&assembled)?;
    match (method, assembled.assembly.consistency) {
        (Method::Locate, Consistency::InSyncTo(_)) => {
            return Err(Error::Refused(String::from(
                "the array was not stopped cleanly, so what looks wrong may be what was written last; resync it first",
            )));
        }
        (Method::Recompute, _) | (Method::Locate, Consistency::Clean) => {}
    }
    let (names, consistency) = (Names::of(&assembled), assembled.assembly.consistency);
    let mut workshop = assembled.into_writable(Absence::Refuse, Dirty::Refuse)?;
    let (mut array, events) = workshop.start(Access::ReadWrite, Dirty::Refuse)?;
    let job = Job {
        kind,
        what: String::from(what),
        stop_after: None,
        next: "what is mended stays so; the next repair begins anew",
    };
    let done = passes::run(&mut array, &job);
    let mut located = Vec::new();
    for event in events.try_iter() {
        tell(&names, event);
        if let Event::BlockLocated { member, at, .. } = event {
            located.push(Located { member: member.0, sector: at.0 });
        }
    }
    Ok(Repaired { report: done?.report(), located, consistency })
}
