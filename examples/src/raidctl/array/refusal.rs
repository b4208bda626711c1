//! What forbids to use an array, in the words of whoever named the images.

use super::{Assembled, starting};
use crate::bad_blocks::Unusable;
use crate::exit::Error;
use crate::images::Image;
use raid_core::blocking::{JournalFailure, PplFailure};
use raid_core::engine::SetupError;
use raid_core::host::Fault;
use raid_core::md::{Assembly, AssemblyError, DeviceRole, FaultClass, HalfDoneError, ReshapeError};
use raid_core::members::MemberSet;
use raid_core::reshape::Progress;
use raid_core::units::{DeviceIndex, MemberIndex};
use std::path::{Path, PathBuf};

/// The place that a role gives.
pub(super) fn place(role: DeviceRole) -> Option<MemberIndex> {
    match role {
        DeviceRole::Slot(place) => u8::try_from(place).ok().map(MemberIndex),
        DeviceRole::Spare | DeviceRole::Faulty | DeviceRole::Journal => None,
    }
}

/// Why the images make no array that can be used.
pub(super) fn assembly(error: &AssemblyError, paths: &[PathBuf]) -> Error {
    let text = describe(error, paths);
    match error.class() {
        FaultClass::BadInput => Error::BadArray(text),
        FaultClass::Refused => Error::Refused(text),
    }
}

/// Why a reshape on record makes no array.
pub(super) fn half_done(error: &HalfDoneError, paths: &[PathBuf]) -> Error {
    match error {
        HalfDoneError::Assembly(error) => assembly(error, paths),
        HalfDoneError::Reshape(ReshapeError::StartNotEverywhere { .. }) => starting::not_complete(),
        HalfDoneError::Reshape(error) => Error::Refused(error.to_string()),
    }
}

/// A command that is for arrays at rest.
pub(super) fn reshaping(progress: &Progress) -> Error {
    Error::Refused(format!(
        "a reshape is on record, at array sector {}; 'raidctl resume' goes on with it",
        progress.safe().lba().0
    ))
}

fn describe(error: &AssemblyError, paths: &[PathBuf]) -> String {
    let name = |device: DeviceIndex| {
        paths.get(device.index()).map_or(Path::new("?"), PathBuf::as_path).display()
    };
    if let AssemblyError::DifferentArrays { first, first_array, second, second_array } = *error {
        return format!(
            "{} is of array {first_array}, {} of array {second_array}; name the members of one",
            name(first),
            name(second)
        );
    }
    if let AssemblyError::DuplicateDevice { first, second, .. } = *error {
        let (first, second) = (name(first), name(second));
        return format!("{first} and {second} are copies of one member; leave one out");
    }
    if let AssemblyError::DuplicatePlace { place, first, second } = *error {
        let (first, second) = (name(first), name(second));
        return format!("{first} and {second} both claim to be member {}; leave one out", place.0);
    }
    if let AssemblyError::SplitBrain { first, second } = *error {
        return format!(
            "{} and {} each went on without the other; decide for one half, leave the other out",
            name(first),
            name(second)
        );
    }
    if let AssemblyError::Disagreement { field, first, second } = *error {
        let (first, second) = (name(first), name(second));
        return format!(
            "the superblocks of {first} and {second} are of one age and differ in {field}"
        );
    }
    if let AssemblyError::Zones { first, second } = *error {
        return format!(
            "{} and {} differ in size; a level 0 array of unequal members is not supported",
            name(first),
            name(second)
        );
    }
    error.to_string()
}

/// A log of partial parity, or a member that it speaks of, could not be read or written.
/// Why a journal was not replayed.
pub(super) fn journal(error: JournalFailure) -> Error {
    Error::Refused(match error {
        JournalFailure::Member { .. } => format!(
            "the journal is not replayed: {error}; leave out that member's image and give --degraded"
        ),
        JournalFailure::Device(_) | JournalFailure::Corrupt(_) | _ => {
            format!("the journal is not replayed: {error}")
        }
    })
}

/// The journal may hold writes, and a member is missing.
pub(super) fn journal_not_replayed() -> Error {
    Error::Refused(String::from(
        "the array lacks a member, and its journal may hold writes that the others lack: name the journal too, and \
         write something or run 'raidctl resync' with --degraded first; or give --force-dirty-degraded",
    ))
}

pub(super) fn log(assembly: &Assembly, images: &[Image], error: PplFailure) -> Error {
    let seat = assembly.places.get(error.member.index()).and_then(Option::as_ref);
    let image = seat.and_then(|seat| images.get(seat.device.index()));
    match image {
        Some(image) => Error::Refused(format!("{}: {error}", image.path().display())),
        None => Error::Refused(error.to_string()),
    }
}

/// Only a command that writes can do what the logs say.
pub(super) fn not_replayed() -> Error {
    Error::Refused(String::from(
        "the array was not stopped cleanly and lacks a member, and its partial parity logs were not replayed or do not \
         say enough: run resync --degraded, name the member, or insist with --force-dirty-degraded",
    ))
}

pub(super) fn setup(error: SetupError) -> Error {
    match error {
        SetupError::DirtyDegraded => Error::Refused(String::from(
            "the array was not stopped cleanly and lacks a member: its blocks may come out wrong; name the member, \
             or insist with --force-dirty-degraded",
        )),
        SetupError::Limits(_)
        | SetupError::DataOffset { .. }
        | SetupError::Intent { .. }
        | SetupError::Reshaping
        | SetupError::Journal => Error::Refused(error.to_string()),
        SetupError::Seats { .. }
        | SetupError::Lane(_)
        | SetupError::DeviceTwice(_)
        | SetupError::Log
        | SetupError::Reshape { .. }
        | SetupError::ReshapePosition(_)
        | SetupError::Memory => Error::Engine(error.to_string()),
        // A kind of error that is newer than this program.
        _ => Error::Engine(error.to_string()),
    }
}

pub(super) fn bad_blocks(image: &Path, error: &Unusable) -> Error {
    Error::BadArray(format!(
        "{}: nothing is known of its bad blocks: {error}; leave it out if the others suffice",
        image.display()
    ))
}

pub(super) fn dirty_and_bad(member: MemberIndex) -> Error {
    Error::Refused(format!(
        "the array was not stopped cleanly, and member {} has bad blocks: parity makes up for them and may not fit; take it \
         for good with --force-dirty-degraded, or read what can be read first",
        member.0
    ))
}

pub(super) fn too_few(assembled: &Assembled) -> Error {
    let all = assembled.assembly.geometry.all_members();
    let in_sync = assembled.assembly.in_sync();
    let mut text = format!(
        "too few members: {} of {} are in sync, without {}",
        in_sync.count(),
        all.count(),
        list(all.difference(in_sync))
    );
    for line in assembled.left_out() {
        text.push_str("; ");
        text.push_str(&line);
    }
    Error::Refused(text)
}

pub(super) fn unnamed(assembled: &Assembled) -> Error {
    unnamed_places(assembled, assembled.unnamed())
}

pub(super) fn unnamed_places(assembled: &Assembled, places: MemberSet) -> Error {
    let mut text = format!(
        "a write would go on without {}, which the array counts on; name all members, or insist with --degraded",
        list(places)
    );
    for line in assembled.left_out() {
        text.push_str("; ");
        text.push_str(&line);
    }
    Error::Refused(text)
}

pub(super) fn superblock(image: &Path, fault: Fault) -> Error {
    Error::Engine(format!("{}: its superblock cannot be written ({fault:?})", image.display()))
}

/// `member 1`, or `members 1, 3`.
pub(super) fn list(places: MemberSet) -> String {
    let numbers: Vec<_> = places.into_iter().map(|member| member.0.to_string()).collect();
    let noun = if numbers.len() == 1 { "member" } else { "members" };
    format!("{noun} {}", numbers.join(", "))
}
