//! `replace`: a member that is in use is copied to a blank image, which then has its place.

use super::print;
use super::rebuild::say_if_dirty;
use crate::array::newcomers::{bring_in_replacement, named};
use crate::array::{Array, Assembled, Names, say_events};
use crate::cli;
use crate::exit::Error;
use crate::images::{Image, Purpose, distinct, open_all};
use crate::passes::{self, Ended, Job};
use crate::signatures;
use crate::superblocks::{find, random_uuid};
use raid_core::engine::{Access, PassKind};
use raid_core::md::{DeviceUuid, Replacement};
use raid_core::members::MemberSet;
use raid_core::metadata::Consistency;
use raid_core::units::MemberIndex;
use std::path::PathBuf;

pub(super) fn run(arguments: &cli::Replace) -> Result<(), Error> {
    let all: Vec<PathBuf> =
        arguments.members.images.iter().chain([&arguments.with]).cloned().collect();
    distinct(&all)?;
    let member = MemberIndex(arguments.member);
    if is_replacement(&arguments.with)? {
        // It was begun already.
        let assembled = Assembled::open(&all, Purpose::Write)?;
        if assembled.assembly.replacement.is_some_and(|(other, _)| other == member) {
            return resume(assembled, arguments.insist, arguments.stop)?.say();
        }
    }
    begin(arguments, member)?.say()
}

/// Whether an image says that it is to replace a member.
fn is_replacement(path: &PathBuf) -> Result<bool, Error> {
    let images = open_all(core::slice::from_ref(path), Purpose::Read)?;
    let found = images.first().and_then(|image| find(image).ok());
    Ok(found.is_some_and(|found| found.superblock.replacement == Replacement::Yes))
}

fn begin(arguments: &cli::Replace, member: MemberIndex) -> Result<Replaced, Error> {
    let cli::Insistence { degraded, force } = arguments.insist;
    let assembled = Assembled::open(&arguments.members.images, Purpose::Write)?;
    can_be_replaced(&assembled, member)?;
    let mut images = open_all(core::slice::from_ref(&arguments.with), Purpose::Write)?;
    let Some(image) = images.pop() else {
        return Err(Error::Engine(String::from("an image is missing")));
    };
    let mut newcomer = assembled.newcomer(member, &[], DeviceUuid(random_uuid()), &image)?;
    newcomer.superblock.replacement = Replacement::Yes;
    match arguments.overwrite {
        cli::Occupied::Refuse => {
            let missed = assembled.missed(&image, &newcomer.found);
            let with = core::slice::from_ref(&arguments.with);
            signatures::refuse_occupied(with, &[missed.as_slice()])?;
        }
        cli::Occupied::Overwrite => {}
    }
    let (mut names, consistency) = (Names::of(&assembled), assembled.assembly.consistency);
    let mut workshop = assembled.into_writable(degraded, force.dirty)?;
    let device = workshop.take(image)?;
    let bitmap = workshop.bitmap.clone();
    let (mut array, events) = workshop.start(Access::ReadWrite, force.dirty)?;
    let who = named(MemberSet::only(member), &names);
    bring_in_replacement(&mut array, (device, &newcomer), &mut names, bitmap.as_ref())?;
    let replaced = copy(&mut array, who, consistency, arguments.stop);
    say_events(&events, &names);
    replaced
}

fn can_be_replaced(assembled: &Assembled, member: MemberIndex) -> Result<(), Error> {
    let geometry = &assembled.assembly.geometry;
    if !geometry.all_members().contains(member) {
        let last = geometry.members().saturating_sub(1);
        let text = format!("--member {}: the array has members 0 to {last}", member.0);
        return Err(Error::Usage(text));
    }
    if let Some((other, seat)) = assembled.assembly.replacement {
        return Err(Error::Refused(format!(
            "member {} is being replaced by {}; 'raidctl resume' goes on with that",
            other.0,
            assembled.path(seat.device).display()
        )));
    }
    if !assembled.assembly.in_sync().contains(member) {
        let text = format!("member {} is not in sync: rebuild it instead", member.0);
        return Err(Error::Refused(text));
    }
    match assembled.assembly.consistency {
        Consistency::Clean => Ok(()),
        Consistency::InSyncTo(_) => {
            Err(Error::Refused(String::from("the array was not stopped cleanly; run resync first")))
        }
    }
}

/// Goes on with a replacement that is on record.
pub(super) fn resume(
    assembled: Assembled,
    insist: cli::Insistence,
    stop: cli::Stop,
) -> Result<Replaced, Error> {
    let cli::Insistence { degraded, force } = insist;
    let (names, consistency) = (Names::of(&assembled), assembled.assembly.consistency);
    let replaced = assembled.assembly.replacement.map(|(member, _)| member);
    let mut workshop = assembled.into_writable(degraded, force.dirty)?;
    let (mut array, events) = workshop.start(Access::ReadWrite, force.dirty)?;
    let who = named(replaced.into_iter().collect(), &names);
    let replaced = copy(&mut array, who, consistency, stop);
    say_events(&events, &names);
    replaced
}

/// Copies the member that is being replaced.
pub(super) fn copy(
    array: &mut Array<'_, Image>,
    who: String,
    consistency: Consistency,
    stop: cli::Stop,
) -> Result<Replaced, Error> {
    let job = Job {
        kind: PassKind::Replacement,
        what: format!("replacement of {who}"),
        stop_after: stop.after,
        next: "'raidctl resume' with all images goes on from there",
    };
    Ok(match passes::run(array, &job)? {
        Ended::Finished(_) => Replaced::All { who, consistency },
        Ended::Enough(report) => Replaced::Part(passes::parked(&report, &job)),
    })
}

/// How far a replacement came.
#[derive(Debug)]
pub(super) enum Replaced {
    /// The member is out.
    All { who: String, consistency: Consistency },
    /// As far as asked for, in words.
    Part(String),
}

impl Replaced {
    pub(super) fn say(&self) -> Result<(), Error> {
        match self {
            Self::Part(how_far) => print(how_far),
            Self::All { who, consistency } => {
                print(&format!("replaced {who}"))?;
                say_if_dirty(*consistency);
                Ok(())
            }
        }
    }
}
