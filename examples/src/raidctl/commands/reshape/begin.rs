//! How a reshape is begun: everything is checked before the first write.

use super::{bytes, walk};
use crate::array::newcomers::Newcomer;
use crate::array::{Array, Assembled, Names, countable, say_events};
use crate::cli;
use crate::commands::print;
use crate::exit::Error;
use crate::images::{Image, Purpose, distinct, open_all};
use crate::signatures;
use crate::superblocks::{self, random_uuid};
use raid_core::engine::Access;
use raid_core::geometry::{Geometry, Layout, Shape};
use raid_core::md::{DeviceUuid, Superblock, WriteLog};
use raid_core::metadata::Consistency;
use raid_core::reshape::{Change, ChangeError, Direction, Room, Shift, beyond_redundancy};
use raid_core::units::{FAULT_UNIT, MemberIndex, Sectors};
use std::path::PathBuf;

pub(in crate::commands) fn run(arguments: &cli::Reshape) -> Result<(), Error> {
    print(&begin(arguments)?)
}

/// Begins a reshape and walks. What there is to say of it in the end.
pub(in crate::commands) fn begin(arguments: &cli::Reshape) -> Result<String, Error> {
    let paths = &arguments.new;
    let all: Vec<PathBuf> = arguments.members.images.iter().chain(paths).cloned().collect();
    distinct(&all)?;
    let assembled = Assembled::open(&arguments.members.images, Purpose::Write)?;
    can_be_reshaped(&assembled)?;
    let after = wanted(&assembled.assembly.geometry, arguments)?;
    let images = open_all(paths, Purpose::Write)?;
    let newcomers = newcomers(&assembled, &after, &images)?;
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
    let change = change(&assembled, &newcomers, after, arguments)?;
    nothing_is_lost(&assembled, &change, arguments.array_size)?;

    let cli::Insistence { degraded, force } = arguments.insist;
    let mut names = Names::of(&assembled);
    for (newcomer, path) in newcomers.iter().zip(paths) {
        names.set(newcomer.place, path);
    }
    let first = assembled.images.len();
    let workshop = assembled.into_writable(degraded, force.dirty)?;
    let mut workshop = workshop.reshaped(change, images.into_iter().zip(&newcomers).collect())?;
    let (mut array, events) = workshop.start(Access::ReadWrite, force.dirty)?;
    introduce(&mut array, first, &newcomers)?;
    let ended = walk(&mut array, &change, change.start(), arguments.stop);
    say_events(&events, &names);
    ended
}

/// Refuses an array that has to be put in order first, or that keeps what counts sectors of one shape.
fn can_be_reshaped(assembled: &Assembled) -> Result<(), Error> {
    let refused = |text: &str| Err(Error::Refused(String::from(text)));
    let assembly = &assembled.assembly;
    match assembly.consistency {
        Consistency::Clean => {}
        Consistency::InSyncTo(_) => {
            return refused("the array was not stopped cleanly; run resync first");
        }
    }
    if assembly.replacement.is_some() || assembly.present() != assembly.in_sync() {
        return refused(
            "a member is being rebuilt or replaced; 'raidctl resume' goes on with that",
        );
    }
    match assembly.write_log {
        WriteLog::None => {}
        WriteLog::Bitmap { .. } => {
            return refused(
                "the array has a write-intent bitmap, which would have to be removed first",
            );
        }
        WriteLog::PartialParity { .. } => {
            return refused(
                "the array has partial parity logs, which would have to be removed first",
            );
        }
        WriteLog::Journal => return refused("the array has a write journal"),
    }
    let bad_blocks = assembled.bad_blocks()?;
    match bad_blocks.iter().find(|bad| bad.sectors > Sectors::ZERO) {
        None => Ok(()),
        Some(bad) => Err(Error::Refused(format!(
            "member {} has bad blocks on its log: replace it, or write them anew",
            bad.member.0
        ))),
    }
}

/// The shape that is asked for.
fn wanted(before: &Geometry, arguments: &cli::Reshape) -> Result<Geometry, Error> {
    let shape = before.shape();
    let level = shape.layout.md_level();
    let level = match (arguments.level, u8::try_from(level)) {
        (None, Ok(level)) => level,
        (Some(wanted), Ok(level)) if wanted == level => level,
        (Some(wanted), _) => {
            return Err(Error::Refused(format!(
                "--level {wanted}: the array is of level {level}, and changing that is not supported yet"
            )));
        }
        (None, Err(_)) => return Err(Error::Refused(String::from("this level has no walk"))),
    };
    let layout = match arguments.layout.as_deref() {
        None => shape.layout,
        Some(name) => Layout::from_name(level, name)
            .map_err(|error| Error::Usage(format!("--layout {name}: {error}")))?,
    };
    let chunk = match arguments.chunk {
        None => shape.chunk,
        Some(chunk) => sectors("--chunk", chunk)?,
    };
    let members = arguments.count.unwrap_or(shape.members);
    let after = Geometry::new(Shape { layout, members, chunk, ..shape });
    let after = after.map_err(|error| Error::Usage(error.to_string()))?;
    countable(&after)?;
    Ok(after)
}

fn sectors(option: &str, bytes: u64) -> Result<Sectors, Error> {
    let sectors = Sectors::from_bytes(bytes);
    let sectors = sectors.filter(|sectors| sectors.0.is_multiple_of(FAULT_UNIT.0));
    sectors.ok_or_else(|| Error::Usage(format!("{option} {bytes}: give a multiple of 4K")))
}

/// The new images at the places behind the old ones.
fn newcomers(
    assembled: &Assembled,
    after: &Geometry,
    images: &[Image],
) -> Result<Vec<Newcomer>, Error> {
    let before = &assembled.assembly.geometry;
    let places = before.members()..after.members();
    if places.len() != images.len() {
        let text = format!(
            "from {} to {} members takes {} new images, {} are given",
            before.members(),
            after.members(),
            places.len(),
            images.len()
        );
        return Err(match images.len() < places.len() {
            true => Error::Refused(text),
            false => Error::Usage(text),
        });
    }
    for (shape, geometry) in [("old", before), ("new", after)] {
        let missing = geometry.all_members().intersection(assembled.absent());
        if beyond_redundancy(geometry, &missing) > 0 {
            return Err(Error::Refused(format!(
                "too few members: the {shape} shape lacks {}, and can bear {}",
                missing.count(),
                geometry.redundancy()
            )));
        }
    }
    let (mut newcomers, mut numbers) = (Vec::new(), Vec::new());
    for (place, image) in places.map(MemberIndex).zip(images) {
        let newcomer = assembled.newcomer(place, &numbers, DeviceUuid(random_uuid()), image)?;
        numbers.push(newcomer.superblock.dev_number);
        newcomers.push(newcomer);
    }
    Ok(newcomers)
}

/// The change, with the data moved as far as is asked for or as is good.
fn change(
    assembled: &Assembled,
    newcomers: &[Newcomer],
    after: Geometry,
    arguments: &cli::Reshape,
) -> Result<Change, Error> {
    let before = assembled.assembly.geometry;
    let seats = assembled.assembly.places.iter().flatten();
    let old = seats.filter_map(|seat| assembled.superblocks.get(seat.device.index()));
    let rooms = old.chain(newcomers.iter().map(|new| &new.superblock)).map(Superblock::room);
    let least = |one: Room, other: Room| Room {
        before: one.before.min(other.before),
        behind: one.behind.min(other.behind),
    };
    let room = rooms.reduce(least).unwrap_or_default();
    match arguments.data_offset_shift {
        None => Change::shifted(before, after, room).map_err(|error| refused(&error)),
        Some(shift) => shifted_by(before, after, room, sectors("--data-offset-shift", shift)?),
    }
}

/// The change with the data moved so far and no further.
fn shifted_by(
    before: Geometry,
    after: Geometry,
    room: Room,
    wanted: Sectors,
) -> Result<Change, Error> {
    let change = || {
        let in_place = Change::in_place(before, after)?;
        let direction = match before.members() == after.members() && room.before < wanted {
            true => Direction::Backward,
            false => in_place.direction(),
        };
        let (sign, room) = match direction {
            Direction::Forward => (-1, room.before),
            Direction::Backward => (1, room.behind),
        };
        if room < wanted {
            return Err(ChangeError::NoRoom { direction, needed: wanted, room });
        }
        let length = i64::try_from(wanted.0).map_err(|_| ChangeError::TooLarge)?;
        let change = Change::new(before, after, direction, Shift(length.saturating_mul(sign)))?;
        Ok((change, change.least_shift()?))
    };
    let (change, least) = change().map_err(|error| refused(&error))?;
    match wanted >= least {
        true => Ok(change),
        false => Err(Error::Refused(format!(
            "--data-offset-shift {}: the data has to move by {} bytes at least",
            bytes(wanted),
            bytes(least)
        ))),
    }
}

fn refused(error: &ChangeError) -> Error {
    match *error {
        ChangeError::NoRoom { direction, needed, room } => {
            let (place, how) = match direction {
                Direction::Forward => ("before", "a larger data offset"),
                Direction::Backward => ("behind", "a smaller member size"),
            };
            let (needed, room) = (bytes(needed), bytes(room));
            Error::Refused(format!(
                "shifting the data needs {needed} free bytes {place} the data of every member, and there are {room}: {how} \
                 makes room; to go without takes a backup, which is not supported yet"
            ))
        }
        ChangeError::Nothing => Error::Usage(error.to_string()),
        ChangeError::LevelChange { .. }
        | ChangeError::FarLayout
        | ChangeError::NoWalk { .. }
        | ChangeError::Copies { .. }
        | ChangeError::MemberSize { .. }
        | ChangeError::UnevenMembers { .. }
        | ChangeError::ArrayShrinks { .. }
        | ChangeError::AgainstCount { .. }
        | ChangeError::AgainstDirection { .. }
        | ChangeError::TooLarge => Error::Refused(error.to_string()),
        // A kind of error that is newer than this program.
        _ => Error::Refused(error.to_string()),
    }
}

/// Refuses to cut off what somebody may miss.
fn nothing_is_lost(
    assembled: &Assembled,
    change: &Change,
    counts: Option<u64>,
) -> Result<(), Error> {
    let after = bytes(change.after().size());
    match counts {
        None if change.lost() == Sectors::ZERO => Ok(()),
        None => Err(Error::Refused(format!(
            "the array would shrink from {} to {after} bytes, and lose what lies behind; say with --array-size how much of \
             it counts",
            bytes(assembled.assembly.geometry.size())
        ))),
        Some(counts) if counts <= after => Ok(()),
        Some(counts) => Err(Error::Refused(format!(
            "--array-size {counts}: the array would have {after} bytes"
        ))),
    }
}

/// Makes spares of the new images. That they are members is on record with the start of the reshape: a crash before
/// that leaves the array as it was.
fn introduce(
    array: &mut Array<'_, Image>,
    first: usize,
    newcomers: &[Newcomer],
) -> Result<(), Error> {
    for (image, newcomer) in array.devices().iter_mut().skip(first).zip(newcomers) {
        let made = superblocks::make(image, &newcomer.superblock, &newcomer.found);
        made.map_err(|source| Error::Open { image: image.path().to_path_buf(), source })?;
    }
    Ok(())
}
