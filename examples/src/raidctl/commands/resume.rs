//! `resume`: goes on with a reshape, a rebuild or a replacement that was interrupted.

use super::rebuild::{self, Rebuilt};
use super::{print, replace, reshape};
use crate::array::newcomers::named;
use crate::array::starting;
use crate::array::{Assembled, Names, Opened, say_events};
use crate::cli;
use crate::exit::Error;
use crate::images::Purpose;
use raid_core::engine::Access;

pub(super) fn run(arguments: &cli::Resume) -> Result<(), Error> {
    starting::complete(&arguments.members.images)?;
    let rebuilt = match Opened::open(&arguments.members.images, Purpose::Write)? {
        Opened::AtRest(assembled) => resume_rebuild(*assembled, arguments)?,
        Opened::Reshaping(reshaping) => {
            return print(&reshape::resume(*reshaping, arguments.insist, arguments.stop)?);
        }
    };
    if let Some(rebuilt) = &rebuilt {
        rebuilt.say()?;
        if let Rebuilt::Part(_) = rebuilt {
            return Ok(());
        }
    }
    let assembled = Assembled::open(&arguments.members.images, Purpose::Write)?;
    match (assembled.assembly.replacement, rebuilt) {
        (Some(_), _) => replace::resume(assembled, arguments.insist, arguments.stop)?.say(),
        (None, Some(_)) => Ok(()),
        (None, None) => print("nothing to resume: no member is being rebuilt or replaced"),
    }
}

/// Goes on with a rebuild, if there is one to go on with.
pub(super) fn resume(arguments: &cli::Resume) -> Result<Option<Rebuilt>, Error> {
    resume_rebuild(Assembled::open(&arguments.members.images, Purpose::Write)?, arguments)
}

fn resume_rebuild(assembled: Assembled, arguments: &cli::Resume) -> Result<Option<Rebuilt>, Error> {
    let cli::Insistence { degraded, force } = arguments.insist;
    let assembly = &assembled.assembly;
    let rebuilding = assembly.present().difference(assembly.in_sync());
    if rebuilding.is_empty() {
        return Ok(None);
    }
    let (names, consistency) = (Names::of(&assembled), assembly.consistency);
    let mut workshop = assembled.into_writable(degraded, force.dirty)?;
    let (mut array, events) = workshop.start(Access::ReadWrite, force.dirty)?;
    let who = named(rebuilding, &names);
    let rebuilt = rebuild::recover(&mut array, who, consistency, arguments.stop);
    say_events(&events, &names);
    rebuilt.map(Some)
}
