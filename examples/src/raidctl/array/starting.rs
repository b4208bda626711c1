//! A reshape whose start is on record on some members alone: a crash came between their superblocks.

use super::{now, superblock};
use crate::exit::Error;
use crate::images::{Image, Purpose, open_all};
use raid_core::geometry::{Geometry, Layout, Shape};
use raid_core::md::{
    Candidate, DeviceRole, HalfDoneError, ReshapeError, SUPERBLOCK_BYTES, Superblock, Validity,
    assemble_reshape,
};
use raid_core::reshape::{Change, Direction};
use raid_core::units::{DeviceIndex, Lba, Sectors};
use std::path::PathBuf;

/// Puts the start on record where it is missing. Nothing was moved before it was on record everywhere, so how far the data
/// of such a member is to move is still open: as far as that of the others.
pub(crate) fn complete(paths: &[PathBuf]) -> Result<(), Error> {
    let mut images = open_all(paths, Purpose::Write)?;
    // One member gets it in each round.
    for _ in paths {
        let superblocks = images.iter().map(superblock).collect::<Result<Vec<_>, _>>()?;
        let Some(device) = lacks_it(&images, &superblocks) else { break };
        let own = superblocks.get(device.index());
        let (Some(begun), Some(own)) = (begun(&superblocks), own) else { break };
        let Some(image) = images.get_mut(device.index()) else { break };
        let started = started(begun, own).ok_or_else(|| {
            let text = "the start of a reshape cannot be put on record there";
            Error::Refused(format!("{}: {text}", image.path().display()))
        })?;
        write(image, &started)?;
    }
    Ok(())
}

/// A member that the start has not reached.
fn lacks_it(images: &[Image], superblocks: &[Superblock]) -> Option<DeviceIndex> {
    let known = superblocks.iter().zip(images).zip((0..=u8::MAX).map(DeviceIndex));
    let candidates: Vec<_> = known
        .map(|((superblock, image), device)| Candidate {
            superblock,
            device,
            device_size: image.size(),
        })
        .collect();
    match assemble_reshape(&candidates) {
        Err(HalfDoneError::Reshape(ReshapeError::StartNotEverywhere { device, .. })) => {
            Some(device)
        }
        // What else is wrong, whoever opens the array says.
        Ok(_) | Err(HalfDoneError::Reshape(_) | HalfDoneError::Assembly(_)) => unaware(superblocks),
    }
}

/// A device that comes in, and thinks that it is a spare still, while nothing was moved.
fn unaware(superblocks: &[Superblock]) -> Option<DeviceIndex> {
    let begun = begun(superblocks)?;
    let reshape = begun.reshape?;
    if (reshape.direction, reshape.position) != (Direction::Forward, Lba(0)) {
        return None;
    }
    let comes_in = |own: &Superblock| {
        let roles = [&own.roles, &begun.roles].map(|roles| roles.role(own.dev_number));
        let same = own.array_uuid == begun.array_uuid && own.reshape.is_none();
        same && matches!(roles, [DeviceRole::Spare, DeviceRole::Slot(_)])
    };
    let devices = superblocks.iter().zip((0..=u8::MAX).map(DeviceIndex));
    devices.into_iter().find_map(|(own, device)| comes_in(own).then_some(device))
}

/// The freshest superblock that has the start.
fn begun(superblocks: &[Superblock]) -> Option<&Superblock> {
    let begun = superblocks.iter().filter(|superblock| superblock.reshape.is_some());
    begun.max_by_key(|superblock| superblock.events)
}

/// A member's superblock with the start that another one has.
fn started(begun: &Superblock, own: &Superblock) -> Option<Superblock> {
    let reshape = begun.reshape?;
    let members = |count: u32| u8::try_from(count).ok();
    let before = Shape {
        layout: Layout::from_md(begun.level, begun.layout).ok()?,
        members: members(begun.members.checked_add_signed(reshape.delta_members.checked_neg()?)?)?,
        chunk: begun.chunk(),
        member_size: begun.member_size,
    };
    let after = Shape {
        layout: Layout::from_md(reshape.level, reshape.layout).ok()?,
        members: members(begun.members)?,
        chunk: Sectors(reshape.chunk_sectors.into()),
        ..before
    };
    let (before, after) = (Geometry::new(before).ok()?, Geometry::new(after).ok()?);
    let change = Change::new(before, after, reshape.direction, reshape.shift()).ok()?;
    let mut started = own.clone();
    started.begin_reshape(&change, reshape.shift(), &[]).ok()?;
    started.roles = begun.roles.clone();
    started.events = begun.events;
    started.consistency = begun.consistency;
    // Nobody was being rebuilt, and who comes in lacks nothing.
    started.validity = Validity::Everything;
    started.update_time = now();
    Some(started)
}

fn write(image: &mut Image, superblock: &Superblock) -> Result<(), Error> {
    let at = superblock.super_offset;
    let mut block = [0; SUPERBLOCK_BYTES];
    let written = image.read_at(at, &mut block).and_then(|()| {
        superblock.encode(&mut block);
        image.write_at(at, &block)?;
        image.sync()
    });
    written.map_err(|source| Error::Open { image: image.path().to_path_buf(), source })
}

/// Only a command that goes on with the reshape completes its start.
pub(super) fn not_complete() -> Error {
    Error::Refused(String::from(
        "the start of a reshape did not reach every member, and nothing was moved yet; 'raidctl resume' with all images \
         completes it and goes on",
    ))
}
