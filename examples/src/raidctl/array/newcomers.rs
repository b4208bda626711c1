//! Devices that come into an array that lacks members.

use super::bitmap::Bitmap;
use super::{Array, Assembled, Names, Workshop, md_seat, reads_from};
use crate::exit::Error;
use crate::images::Image;
use crate::signatures::Found;
use crate::superblocks;
use core::fmt::Write as _;
use raid_core::blocking::BlockDevice;
use raid_core::engine;
use raid_core::host::Durability;
use raid_core::md::ppl::PplArea;
use raid_core::md::{DeviceRole, DeviceUuid, JoinError, Superblock};
use raid_core::members::{MemberSet, MemberState};
use raid_core::units::{DeviceIndex, MemberIndex, Sectors};
use std::path::Path;

/// A device that comes in, and what it is to be.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) place: MemberIndex,
    pub(crate) superblock: Superblock,
    /// What lies on it and does not outlive that.
    pub(crate) found: Vec<Found>,
    /// What it lacks.
    pub(crate) behind: engine::Behind,
}

impl Assembled {
    /// The superblock that knows the array best.
    pub(crate) fn freshest(&self) -> Result<&Superblock, Error> {
        let freshest = self.superblocks.get(self.assembly.freshest.index());
        freshest.ok_or_else(|| Error::Engine(String::from("the array has no superblock")))
    }

    /// A device number that no device of the array has, or had if that can be.
    pub(crate) fn free_number(&self, taken: &[u32]) -> Result<u32, Error> {
        let freshest = self.freshest()?;
        let is_taken = |number| {
            let known = self.superblocks.iter().map(|superblock| superblock.dev_number);
            known.chain(taken.iter().copied()).any(|other| other == number)
        };
        let number = freshest.roles.free_number(freshest.members, is_taken);
        let none = || Error::Refused(String::from("the array has no number left for a device"));
        number.ok_or_else(none)
    }

    /// A blank image as a new member at this place.
    pub(crate) fn newcomer(
        &self,
        place: MemberIndex,
        taken: &[u32],
        uuid: DeviceUuid,
        image: &Image,
    ) -> Result<Newcomer, Error> {
        let number = self.free_number(taken)?;
        let superblock = self.freshest()?.for_new_device(number, uuid, image.size());
        let superblock = superblock.map_err(|error| unfit(image.path(), error))?;
        let found = crate::signatures::of(image)?;
        let behind = engine::Behind::Everything;
        Ok(Newcomer { place, superblock, found, behind })
    }

    /// Of what lies on an image, what somebody may miss: not the superblock of a spare of this array.
    pub(crate) fn missed(&self, image: &Image, found: &[Found]) -> Vec<Found> {
        let spare = self.has_spare(image);
        found.iter().filter(|found| !(spare && found.is_md())).copied().collect()
    }

    /// Whether an image is a spare of this array, and thinks so itself: a member that was taken out says that it is
    /// one.
    fn has_spare(&self, image: &Image) -> bool {
        let Ok(found) = superblocks::find(image) else { return false };
        let own = &found.superblock;
        self.freshest().is_ok_and(|freshest| {
            let roles = [&freshest.roles, &own.roles].map(|roles| roles.role(own.dev_number));
            own.array_uuid == freshest.array_uuid && roles == [DeviceRole::Spare; 2]
        })
    }
}

pub(crate) fn unfit(image: &Path, error: JoinError) -> Error {
    let bytes = |sectors: Sectors| sectors.bytes().unwrap_or(u64::MAX);
    match error {
        JoinError::NoRoom { has, needs } => Error::Usage(format!(
            "{}: too small: it has {} bytes, {} are needed",
            image.display(),
            bytes(has),
            bytes(needs)
        )),
        // The write log; or a kind of error that is newer than this program.
        JoinError::WriteLog | _ => Error::Refused(format!("{}: {error}", image.display())),
    }
}

impl<D: BlockDevice> Workshop<D> {
    /// One more device, which sits nowhere yet.
    pub(crate) fn take(&mut self, device: D) -> Result<DeviceIndex, Error> {
        let index = u8::try_from(self.devices.len()).map(DeviceIndex);
        let index = index.map_err(|_| Error::Usage(String::from("too many images")))?;
        self.devices.push(device);
        Ok(index)
    }
}

/// Gives newcomers their places, and the array's bitmap as it was read at the start: nothing was written since. Nothing
/// else is copied to them yet; that they are there goes on record with the next step
/// of the array.
pub(crate) fn bring_in(
    array: &mut Array<'_, Image>,
    newcomers: &[(DeviceIndex, Newcomer)],
    names: &mut Names,
    bitmap: Option<&Bitmap>,
) -> Result<(), Error> {
    for (device, Newcomer { place, superblock, behind, .. }) in newcomers {
        let image = array.devices().get(device.index());
        let image = image.ok_or_else(|| Error::Engine(String::from("an image is missing")))?;
        if let Some(bitmap) = bitmap {
            // One that has no room for it is not taken.
            bitmap.start_on(image, superblock)?;
        }
        let seat = engine::Seat {
            device: *device,
            state: MemberState::Rebuilding { valid_to: Sectors::ZERO },
            data_offset: superblock.data_offset,
            limits: image.limits(),
            reads: reads_from(superblock.device_flags),
            behind: *behind,
        };
        let path = image.path().to_path_buf();
        if let Some(area) = log_of(superblock, &path)? {
            let less = |_| {
                Error::Refused(format!("{}: its log has less room than the others", path.display()))
            };
            array.keeper().seat_log(*place, area).map_err(less)?;
        }
        let refused = |error| Error::Refused(format!("{}: {error}", path.display()));
        array.add_member(*place, seat).map_err(refused)?;
        names.set(*place, &path);
        array.keeper().seat(*place, md_seat(superblock));
    }
    // All of them are taken: from here on they are written to. Up to the record each is a device without a place.
    for (device, Newcomer { superblock, found, .. }) in newcomers {
        let Some(image) = array.devices().get_mut(device.index()) else { continue };
        let cleared = clear_log(image, log_of(superblock, image.path())?);
        let written = superblocks::make(image, superblock, found);
        cleared
            .and(written)
            .map_err(|source| Error::Open { image: image.path().to_path_buf(), source })?;
        if let Some(bitmap) = bitmap {
            let start = bitmap.start_on(image, superblock)?;
            bitmap.write(image, start)?;
        }
    }
    Ok(())
}

/// Seats a newcomer that is to replace a member, with the array's bitmap as it was read at the start. Nothing else is
/// copied to it yet.
pub(crate) fn bring_in_replacement(
    array: &mut Array<'_, Image>,
    (device, newcomer): (DeviceIndex, &Newcomer),
    names: &mut Names,
    bitmap: Option<&Bitmap>,
) -> Result<(), Error> {
    let Newcomer { place, superblock, found, .. } = newcomer;
    let image = array.devices().get(device.index());
    let image = image.ok_or_else(|| Error::Engine(String::from("an image is missing")))?;
    let start = bitmap.map(|bitmap| bitmap.start_on(image, superblock)).transpose()?;
    let path = image.path().to_path_buf();
    let seat = engine::Seat {
        device,
        state: MemberState::Rebuilding { valid_to: Sectors::ZERO },
        data_offset: superblock.data_offset,
        limits: image.limits(),
        reads: reads_from(superblock.device_flags),
        behind: engine::Behind::Everything,
    };
    let refused = |error| Error::Refused(format!("{}: {error}", path.display()));
    let by = array.add_replacement(*place, seat).map_err(refused)?;
    names.set(by, &path);
    array.keeper().seat(by, md_seat(superblock));
    let Some(image) = array.devices().get_mut(device.index()) else { return Ok(()) };
    superblocks::make(image, superblock, found)
        .map_err(|source| Error::Open { image: path, source })?;
    match (bitmap, start) {
        (Some(bitmap), Some(start)) => bitmap.write(image, start),
        (None, _) | (_, None) => Ok(()),
    }
}

fn log_of(superblock: &Superblock, image: &Path) -> Result<Option<PplArea>, Error> {
    let area = superblock.ppl_area();
    area.map_err(|error| Error::NotMember { image: image.to_path_buf(), error })
}

/// What the log of a device says of an earlier life is not to be replayed.
fn clear_log(image: &mut Image, area: Option<PplArea>) -> std::io::Result<()> {
    let Some(area) = area else { return Ok(()) };
    let zeroes = vec![0; area.sectors().memory_bytes().unwrap_or(0)];
    let written = image.write(area.start(), &zeroes, Durability::Durable);
    written.map_err(|fault| std::io::Error::other(format!("{fault:?}")))
}

/// `member 1 (a.img), member 3 (b.img)`.
pub(crate) fn named(members: MemberSet, names: &Names) -> String {
    let mut text = String::new();
    for member in members {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}member {} ({})", member.0, names.path(member).display());
    }
    text
}
