//! `rebuild`: blank images take the places of missing members and get their blocks, all in one walk.

use super::print;
use crate::array::newcomers::{Newcomer, bring_in, named};
use crate::array::{Array, Assembled, Names, say_events};
use crate::cli;
use crate::exit::{Error, warn};
use crate::images::{Image, Purpose, distinct, open_all};
use crate::passes::{self, Ended, Job};
use crate::signatures;
use crate::superblocks::random_uuid;
use raid_core::engine::{Access, PassKind};
use raid_core::md::DeviceUuid;
use raid_core::members::MemberSet;
use raid_core::metadata::Consistency;
use std::path::PathBuf;

pub(super) fn run(arguments: &cli::Rebuild) -> Result<(), Error> {
    rebuild(arguments)?.say()
}

/// Seats the new images and recovers onto them.
pub(super) fn rebuild(arguments: &cli::Rebuild) -> Result<Rebuilt, Error> {
    let paths = &arguments.new;
    let cli::Insistence { degraded, force } = arguments.insist;
    let all: Vec<PathBuf> = arguments.members.images.iter().chain(paths).cloned().collect();
    distinct(&all)?;
    let assembled = Assembled::open(&arguments.members.images, Purpose::Write)?;
    let images = open_all(paths, Purpose::Write)?;
    let newcomers = newcomers(&assembled, &images)?;
    match arguments.overwrite {
        cli::Occupied::Refuse => {
            let found: Vec<_> = images
                .iter()
                .zip(&newcomers)
                .map(|(image, newcomer)| assembled.missed(image, &newcomer.found))
                .collect();
            let found: Vec<_> = found.iter().map(Vec::as_slice).collect();
            signatures::refuse_occupied(paths, &found)?;
        }
        cli::Occupied::Overwrite => {}
    }
    let (mut names, consistency) = (Names::of(&assembled), assembled.assembly.consistency);
    let mut workshop = assembled.into_writable(degraded, force.dirty)?;
    let places: MemberSet = newcomers.iter().map(|newcomer| newcomer.place).collect();
    let mut seated = Vec::new();
    for (image, newcomer) in images.into_iter().zip(newcomers) {
        seated.push((workshop.take(image)?, newcomer));
    }
    let bitmap = workshop.bitmap.clone();
    let (mut array, events) = workshop.start(Access::ReadWrite, force.dirty)?;
    bring_in(&mut array, &seated, &mut names, bitmap.as_ref())?;
    let rebuilt = recover(&mut array, named(places, &names), consistency, arguments.stop);
    say_events(&events, &names);
    rebuilt
}

/// The new images at the lowest places that lack a member, in their order.
fn newcomers(assembled: &Assembled, images: &[Image]) -> Result<Vec<Newcomer>, Error> {
    let missing = assembled.absent();
    let count = u32::try_from(images.len()).unwrap_or(u32::MAX);
    if count > missing.count() {
        return Err(Error::Usage(format!(
            "{count} new images are given and {} members are missing; name one for each at most",
            missing.count()
        )));
    }
    let (mut newcomers, mut numbers) = (Vec::new(), Vec::new());
    for (place, image) in missing.into_iter().zip(images) {
        let uuid = DeviceUuid(random_uuid());
        let newcomer = assembled.newcomer(place, &numbers, uuid, image)?;
        numbers.push(newcomer.superblock.dev_number);
        newcomers.push(newcomer);
    }
    Ok(newcomers)
}

/// Recovers onto the members that are being rebuilt.
pub(super) fn recover(
    array: &mut Array<'_, Image>,
    who: String,
    consistency: Consistency,
    stop: cli::Stop,
) -> Result<Rebuilt, Error> {
    let job = Job {
        kind: PassKind::Recovery,
        what: format!("recovery of {who}"),
        stop_after: stop.after,
        next: "'raidctl resume' with all images goes on from there",
    };
    Ok(match passes::run(array, &job)? {
        Ended::Finished(_) => Rebuilt::All { who, consistency },
        Ended::Enough(report) => Rebuilt::Part(passes::parked(&report, &job)),
    })
}

/// How far a recovery came.
#[derive(Debug)]
pub(super) enum Rebuilt {
    /// These members are in sync.
    All { who: String, consistency: Consistency },
    /// As far as asked for, in words.
    Part(String),
}

impl Rebuilt {
    pub(super) fn say(&self) -> Result<(), Error> {
        match self {
            Self::Part(how_far) => print(how_far),
            Self::All { who, consistency } => {
                print(&format!("rebuilt {who}"))?;
                say_if_dirty(*consistency);
                Ok(())
            }
        }
    }
}

/// Says what a command that did not resync leaves on record.
pub(super) fn say_if_dirty(consistency: Consistency) {
    match consistency {
        Consistency::Clean => {}
        Consistency::InSyncTo(_) => {
            warn("the array is still on record as not stopped cleanly; 'raidctl resync' ends that");
        }
    }
}
