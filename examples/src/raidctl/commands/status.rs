//! `status`: the array that the images make.

use crate::array::bitmap::Bitmap;
use crate::array::reshaping::Reshaping;
use crate::array::{Assembled, Opened, place_of};
use crate::cli;
use crate::exit::{Error, warn};
use crate::images::Purpose;
use crate::report::{self, Action, Member, Obstacle, Seated, Standing, State, Status};
use raid_core::engine::Fate;
use raid_core::geometry::{Geometry, Layout};
use raid_core::intent::IntentChunk;
use raid_core::md::{DeviceFlags, LeftOut, WriteLog};
use raid_core::members::MemberState;
use raid_core::metadata::Consistency;
use raid_core::reshape::Direction;
use raid_core::units::{DeviceIndex, Sectors};

pub(super) fn run(arguments: &cli::Status) -> Result<(), Error> {
    let mut assembled = match Opened::open(&arguments.members.images, Purpose::Read)? {
        Opened::AtRest(assembled) => *assembled,
        Opened::Reshaping(reshaping) => {
            reshaping.assembled.say_what_is_left_out();
            return report::print(&half_done(&reshaping), arguments.output.format);
        }
    };
    assembled.say_what_is_left_out();
    let bitmap = assembled.bitmap().unwrap_or_else(|error| {
        warn(&error.to_string());
        None
    });
    report::print(&status(&assembled, bitmap.as_ref())?, arguments.output.format)
}

/// An array whose reshape is half done. It has members enough for both shapes, or it would make no array.
fn half_done(reshaping: &Reshaping) -> Status {
    let Reshaping { assembled, progress, .. } = reshaping;
    let assembly = &assembled.assembly;
    let members = members(assembled);
    let whole = members.iter().all(|member| match member.state {
        Standing::InSync | Standing::Spare => true,
        Standing::Rebuilding | Standing::Failed | Standing::Missing => false,
    });
    let change = progress.change();
    let bytes = |sectors: Sectors| sectors.bytes().unwrap_or(u64::MAX);
    let stopped = match (whole, progress.doubtful()) {
        (false, _) => Obstacle::MembersMissing,
        (true, Some(_)) => Obstacle::CriticalSection,
        (true, None) => Obstacle::Unknown,
    };
    let from = shape(change.before());
    Status {
        level: from.level,
        layout: from.layout.clone(),
        chunk_bytes: from.chunk_bytes,
        raid_members: change.members_max(),
        size_bytes: bytes(change.size_meanwhile()),
        state: if whole { State::Clean } else { State::Degraded },
        members,
        events: assembly.events,
        uuid: assembly.array_uuid.to_string(),
        name: assembly.name.to_string(),
        dirty: assembly.consistency != Consistency::Clean,
        action: Action::Reshape,
        reshape: Some(report::Reshape {
            position_bytes: bytes(Sectors(progress.safe().lba().0)),
            direction: match change.direction() {
                Direction::Forward => report::Direction::Forward,
                Direction::Backward => report::Direction::Backward,
            },
            from,
            to: shape(change.after()),
            stopped: Some(stopped),
            done_bytes: bytes(progress.done()),
            walk_bytes: bytes(change.walk()),
        }),
        bitmap: None,
        journal: None,
    }
}

fn shape(geometry: &Geometry) -> report::Shape {
    report::Shape {
        level: geometry.layout().md_level(),
        layout: geometry.layout().to_string(),
        chunk_bytes: chunk_bytes(geometry),
        raid_members: geometry.members(),
    }
}

fn status(assembled: &Assembled, bitmap: Option<&Bitmap>) -> Result<Status, Error> {
    let assembly = &assembled.assembly;
    let geometry = &assembly.geometry;
    let members = members(assembled);
    let at_their_places = || members.iter().filter(|member| member.seated == Seated::AtItsPlace);
    let whole = at_their_places().all(|member| match member.state {
        Standing::InSync | Standing::Spare => true,
        Standing::Rebuilding | Standing::Failed | Standing::Missing => false,
    });
    let state = match (assembled.fate()?, whole) {
        (Fate::Failed, _) => State::Failed,
        (Fate::Serving, false) => State::Degraded,
        (Fate::Serving, true) => State::Clean,
    };
    let rebuilding = members.iter().any(|member| member.state == Standing::Rebuilding);
    Ok(Status {
        level: geometry.layout().md_level(),
        layout: geometry.layout().to_string(),
        chunk_bytes: chunk_bytes(geometry),
        raid_members: geometry.members(),
        size_bytes: geometry.size().bytes().unwrap_or(u64::MAX),
        state,
        members,
        events: assembly.events,
        uuid: assembly.array_uuid.to_string(),
        name: assembly.name.to_string(),
        dirty: assembly.consistency != Consistency::Clean,
        action: match (rebuilding, assembly.consistency) {
            (true, _) => Action::Recovery,
            (false, Consistency::InSyncTo(mark)) if mark > Sectors::ZERO => Action::Resync,
            (false, Consistency::InSyncTo(_) | Consistency::Clean) => Action::Idle,
        },
        reshape: None,
        bitmap: bitmap.map(drawn),
        journal: journal(assembled),
    })
}

/// As many pages of memory as the kernel would use: it keeps two bytes for each bit, and no page whose bits are clear.
fn drawn(bitmap: &Bitmap) -> report::Bitmap {
    const PAGE_BITS: usize = 2048;
    let pages = bitmap.chunks.chunks(PAGE_BITS);
    let count = |pages: usize| u64::try_from(pages).unwrap_or(u64::MAX);
    let is_set = |page: &&[IntentChunk]| page.iter().any(IntentChunk::is_set);
    report::Bitmap {
        chunk_bytes: bitmap.superblock.geometry.chunk_bytes(),
        bits: bitmap.superblock.geometry.bits(),
        bits_set: count(bitmap.chunks.iter().filter(|chunk| chunk.is_set()).count()),
        pages: count(pages.len()),
        pages_set: count(pages.filter(is_set).count()),
    }
}

/// The journal of an array that has one, or should have.
fn journal(assembled: &Assembled) -> Option<report::Journal> {
    let assembly = &assembled.assembly;
    (assembly.write_log == WriteLog::Journal).then(|| report::Journal {
        state: if assembly.journal.is_some() { Standing::InSync } else { Standing::Missing },
        image: assembly.journal.map(|device| assembled.path(device).display().to_string()),
    })
}

/// Level 1 has no chunks.
fn chunk_bytes(geometry: &Geometry) -> u64 {
    match geometry.layout() {
        Layout::Raid1 => 0,
        Layout::Raid0 | Layout::Raid4 | Layout::Raid5(_) | Layout::Raid6(_) | Layout::Raid10(_) => {
            geometry.chunk().bytes().unwrap_or(0)
        }
    }
}

/// Every place in order, then what has none.
fn members(assembled: &Assembled) -> Vec<Member> {
    let assembly = &assembled.assembly;
    let member = |slot, state, device: Option<DeviceIndex>| {
        let superblock = device.and_then(|device| assembled.superblocks.get(device.index()));
        Member {
            slot,
            state,
            image: device.map(|device| assembled.path(device).display().to_string()),
            number: superblock.map_or(0, |superblock| superblock.dev_number),
            flags: superblock.map_or(DeviceFlags::empty(), |superblock| superblock.device_flags),
            seated: Seated::AtItsPlace,
        }
    };
    let failed_at = |slot: u16| {
        let of_place = |left_out: &&LeftOut| place_of(assembled, left_out.device) == Some(slot);
        assembly.left_out.iter().find(of_place)
    };
    let mut members = Vec::new();
    for (seat, slot) in assembly.places.iter().zip(0_u16..) {
        let (state, device) = match (seat, failed_at(slot)) {
            (Some(seat), _) => match seat.state {
                MemberState::InSync => (Standing::InSync, Some(seat.device)),
                MemberState::Rebuilding { .. } => (Standing::Rebuilding, Some(seat.device)),
                MemberState::Failed => (Standing::Failed, Some(seat.device)),
                MemberState::Missing => (Standing::Missing, None),
            },
            (None, Some(left_out)) => (Standing::Failed, Some(left_out.device)),
            (None, None) => (Standing::Missing, None),
        };
        members.push(member(Some(slot), state, device));
    }
    if let Some((place, seat)) = assembly.replacement {
        let replacement = member(Some(place.0.into()), Standing::Rebuilding, Some(seat.device));
        members.push(Member { seated: Seated::AsReplacement, ..replacement });
    }
    for spare in &assembly.spares {
        members.push(member(None, Standing::Spare, Some(*spare)));
    }
    members
}
