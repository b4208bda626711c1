//! `create`: a new array. Everything is checked before the first write.

use super::print;
use crate::array::bitmap::Bitmap;
use crate::array::{Assembled, Names, countable, now, say_events};
use crate::cli::{self, Absence};
use crate::exit::Error;
use crate::images::{Image, Purpose, open_all};
use crate::passes::{self, Job};
use crate::signatures;
use crate::superblocks::{self, random_uuid};
use raid_core::engine::{Access, Dirty, PassKind};
use raid_core::geometry::{Geometry, Layout};
use raid_core::md::journal::{JournalHead, JournalWriter};
use raid_core::md::{
    ArrayName, ArrayUuid, Blueprint, CreateError, DeviceFlags, DeviceUuid, NewArray,
    SUPERBLOCK_BYTES, Superblock,
};
use raid_core::metadata::Consistency;
use raid_core::units::{DeviceSector, MemberIndex, Sectors};
use std::path::{Path, PathBuf};

pub(super) fn run(arguments: &cli::Create) -> Result<(), Error> {
    let (blueprint, array) = lay_out(arguments)?;
    say_created(&blueprint, array.geometry(), array.member_size())?;
    match (blueprint.consistency, array.geometry().redundancy()) {
        (Consistency::Clean, _) | (_, 0) => Ok(()),
        (Consistency::InSyncTo(_), _) => make_consistent(&arguments.devices()),
    }
}

/// Writes the superblocks of a new array.
pub(super) fn lay_out(arguments: &cli::Create) -> Result<(Blueprint, NewArray), Error> {
    let blueprint = blueprint(arguments)?;
    let paths = &arguments.images;
    if paths.len() < 2 {
        return Err(Error::Usage(String::from(
            "an array has two members at least; name their images",
        )));
    }
    let write_mostly = write_mostly(arguments, blueprint.layout)?;
    let mut images = open_all(paths, Purpose::Write)?;
    let sizes: Vec<_> = images.iter().map(Image::size).collect();
    let array = NewArray::new(blueprint, &sizes);
    let array = match arguments.bitmap {
        cli::Wanted::Yes => array.and_then(NewArray::with_bitmap),
        cli::Wanted::No => array,
    };
    let array = match arguments.ppl {
        cli::Wanted::Yes => array.and_then(NewArray::with_partial_parity),
        cli::Wanted::No => array,
    };
    let mut journal = open_all(arguments.journal.as_slice(), Purpose::Write)?;
    let array = match journal.first() {
        Some(image) => array.and_then(|array| array.with_journal(image.size())),
        None => array,
    };
    let array = array.map_err(|error| impossible(error, paths))?;
    countable(array.geometry())?;
    let new = new_superblocks(&array, &write_mostly)?;
    let all = images.iter().chain(&journal);
    let found = all.map(signatures::of).collect::<Result<Vec<_>, _>>()?;
    match arguments.overwrite {
        cli::Occupied::Refuse => {
            let found: Vec<_> = found.iter().map(Vec::as_slice).collect();
            signatures::refuse_occupied(&arguments.devices(), &found)?;
        }
        cli::Occupied::Overwrite => {}
    }

    // An array that is half made is none: members are missing, and the rest is overwritten if told to.
    for ((image, superblock), found) in images.iter_mut().zip(&new).zip(&found) {
        let written = superblocks::make(image, superblock, found);
        written.map_err(|source| Error::Open { image: image.path().to_path_buf(), source })?;
        if let Some(bitmap) = array.bitmap() {
            Bitmap::new(bitmap, blueprint.consistency)?.make(image, superblock)?;
        }
    }
    if let (Some(image), Some(found)) = (journal.first_mut(), found.last()) {
        make_journal(&array, image, found)?;
    }
    Ok((blueprint, array))
}

fn blueprint(arguments: &cli::Create) -> Result<Blueprint, Error> {
    let name = arguments.layout.as_deref().unwrap_or("default");
    let layout = Layout::from_name(arguments.level, name).map_err(|error| {
        Error::Usage(format!("--level {} --layout {name}: {error}", arguments.level))
    })?;
    let chunk = match (layout, arguments.chunk) {
        (Layout::Raid1, Some(_)) => {
            return Err(Error::Usage(String::from("level 1 has no chunks; leave out --chunk")));
        }
        (_, chunk) => chunk.unwrap_or(DEFAULT_CHUNK_BYTES),
    };
    Ok(Blueprint {
        layout,
        chunk: sectors("--chunk", chunk)?,
        minor: arguments.metadata,
        data_offset: match arguments.data_offset {
            Some(bytes) => Some(DeviceSector(sectors("--data-offset", bytes)?.0)),
            None => None,
        },
        member_size: arguments.size.map(|bytes| sectors("--size", bytes)).transpose()?,
        array_uuid: ArrayUuid(random_uuid()),
        name: array_name(&arguments.name)?,
        creation_time: now(),
        consistency: match arguments.parity {
            cli::NewParity::MakeConsistent => Consistency::InSyncTo(Sectors::ZERO),
            cli::NewParity::AssumeClean => Consistency::Clean,
        },
    })
}

/// As mdadm's.
const DEFAULT_CHUNK_BYTES: u64 = 512 * 1024;

fn sectors(option: &str, bytes: u64) -> Result<Sectors, Error> {
    let sectors = Sectors::from_bytes(bytes);
    sectors.ok_or_else(|| Error::Usage(format!("{option} {bytes}: give a multiple of 512 bytes")))
}

fn array_name(name: &str) -> Result<ArrayName, Error> {
    let mut bytes = [0; 32];
    if name.len() > bytes.len() || name.chars().any(char::is_control) {
        let text = format!("--name: at most {} bytes, without control characters", bytes.len());
        return Err(Error::Usage(text));
    }
    bytes.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    Ok(ArrayName(bytes))
}

/// Writes the superblock of the journal, and the empty meta block that it begins with.
fn make_journal(
    array: &NewArray,
    image: &mut Image,
    found: &[signatures::Found],
) -> Result<(), Error> {
    let superblock = array.journal_superblock(DeviceUuid(random_uuid()));
    let log = superblock.as_ref().and_then(Superblock::journal);
    let (Some(superblock), Some((journal, position))) = (&superblock, log) else {
        return Err(Error::Engine(String::from("the journal has no superblock")));
    };
    let [a, b, c, d, ..] = random_uuid();
    let sequence = u32::from_le_bytes([a, b, c, d]).into();
    let head = JournalHead { position, sequence };
    let (_, block) = JournalWriter::begin([0; SUPERBLOCK_BYTES], journal, head).into_block();
    let written = image
        .write_at(journal.device_sector(position), &block)
        .and_then(|()| superblocks::make(image, superblock, found));
    written.map_err(|source| Error::Open { image: image.path().to_path_buf(), source })
}

/// The flags of each member.
fn write_mostly(arguments: &cli::Create, layout: Layout) -> Result<Vec<DeviceFlags>, Error> {
    let mut flags = vec![DeviceFlags::empty(); arguments.images.len()];
    for place in &arguments.write_mostly {
        let flags = flags.get_mut(usize::from(*place)).filter(|_| layout == Layout::Raid1);
        let flags = flags.ok_or_else(|| {
            Error::Usage(format!(
                "--write-mostly {place}: give the number of a member of a level 1 array"
            ))
        })?;
        flags.insert(DeviceFlags::WRITE_MOSTLY);
    }
    Ok(flags)
}

fn new_superblocks(array: &NewArray, flags: &[DeviceFlags]) -> Result<Vec<Superblock>, Error> {
    let places = (0..=u8::MAX).map(MemberIndex);
    let made = places.zip(flags).map(|(place, flags)| {
        let superblock = array.superblock(place, DeviceUuid(random_uuid()), *flags);
        superblock.ok_or_else(|| Error::Engine(format!("member {} has no superblock", place.0)))
    });
    made.collect()
}

/// Makes the parity or the copies of a new array agree. Until that is done it is on record as not resynced, so that the
/// kernel would do it as well.
fn make_consistent(paths: &[PathBuf]) -> Result<(), Error> {
    let assembled = Assembled::open(paths, Purpose::Write)?;
    let names = Names::of(&assembled);
    let mut workshop = assembled.into_writable(Absence::Refuse, Dirty::Refuse)?;
    let (mut array, events) = workshop.start(Access::ReadWrite, Dirty::Refuse)?;
    let job = Job {
        kind: PassKind::Resync,
        what: String::from("resync of the new array"),
        stop_after: None,
        next: "the array can be used, and 'raidctl resync' with the same images goes on from there",
    };
    let ended = passes::run(&mut array, &job);
    say_events(&events, &names);
    ended.map(|_| ())
}

fn say_created(blueprint: &Blueprint, geometry: &Geometry, used: Sectors) -> Result<(), Error> {
    let layout = match blueprint.layout {
        Layout::Raid0 | Layout::Raid1 | Layout::Raid4 => String::new(),
        layout @ (Layout::Raid5(_) | Layout::Raid6(_) | Layout::Raid10(_)) => format!(" {layout}"),
    };
    print(&format!(
        "created array {}: level {}{layout}, {} members of {} bytes, {} bytes in all",
        blueprint.array_uuid,
        blueprint.layout.md_level(),
        geometry.members(),
        used.bytes().unwrap_or(u64::MAX),
        geometry.size().bytes().unwrap_or(u64::MAX),
    ))
}

/// Why there is no such array, with the image in place of the number of the member.
fn impossible(error: CreateError, paths: &[PathBuf]) -> Error {
    let name = |place: MemberIndex| {
        paths.get(place.index()).map_or(Path::new("?"), PathBuf::as_path).display()
    };
    let bytes = |sectors: Sectors| sectors.bytes().unwrap_or(u64::MAX);
    Error::Usage(match error {
        CreateError::NoRoom { place, device, needed } => format!(
            "{}: too small: it has {} bytes, {} are needed",
            name(place),
            bytes(device),
            bytes(needed)
        ),
        CreateError::Zones { first, second } => format!(
            "{} and {} have unequal room, which level 0 does not support; say with --size how much of each to use",
            name(first),
            name(second)
        ),
        CreateError::DataOffset { min, .. } => {
            let min = bytes(Sectors(min.0));
            format!("--data-offset: give a multiple of 4K, at least {min} bytes with this metadata")
        }
        CreateError::Shape(_)
        | CreateError::TooManyDevices { .. }
        | CreateError::OffsetOfVersion1_0
        | CreateError::BitmapOfLevel0
        | CreateError::Bitmap(_)
        | CreateError::LogLevel
        | CreateError::LogRoom { .. }
        | CreateError::JournalLevel => error.to_string(),
        CreateError::JournalRoom { device, needed } => format!(
            "--journal: too small: it has {} bytes, {} are needed",
            bytes(device),
            bytes(needed)
        ),
        // A kind of error that is newer than this program.
        _ => error.to_string(),
    })
}
