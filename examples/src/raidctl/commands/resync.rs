//! `resync`: parity and copies are made to agree after an unclean stop.

use super::print;
use crate::array::{Assembled, Names, say_events};
use crate::cli;
use crate::exit::Error;
use crate::images::Purpose;
use crate::passes::{self, Ended, Job};
use raid_core::engine::{Access, PassKind};
use raid_core::md::WriteLog;
use raid_core::metadata::Consistency;

pub(super) fn run(arguments: &cli::Resync) -> Result<(), Error> {
    let cli::Insistence { degraded, force } = arguments.insist;
    let assembled = Assembled::open(&arguments.members.images, Purpose::Write)?;
    let journaled = assembled.assembly.write_log == WriteLog::Journal;
    if assembled.assembly.consistency == Consistency::Clean && !journaled {
        return print("nothing to resync: the array was stopped cleanly");
    }
    let names = Names::of(&assembled);
    let mut workshop = assembled.into_writable(degraded, force.dirty)?;
    if workshop.consistency == Consistency::Clean && journaled {
        return print("replayed: what the write journal held is on the members");
    }
    if workshop.consistency == Consistency::Clean {
        return print(
            "replayed: the partial parity logs said where parity might not agree, and it does now",
        );
    }
    let (mut array, events) = workshop.start(Access::ReadWrite, force.dirty)?;
    let job = Job {
        kind: PassKind::Resync,
        what: String::from("resync"),
        stop_after: arguments.stop.after,
        next: "'raidctl resync' with the same images goes on from there",
    };
    let ended = passes::run(&mut array, &job);
    say_events(&events, &names);
    match ended? {
        Ended::Enough(report) => print(&passes::parked(&report, &job)),
        Ended::Finished(report) => print(&format!(
            "resynced: parity or copies of {} sectors did not agree, and do now",
            report.mismatched.0
        )),
    }
}
