//! The files of the demo: members of a new RAID 6, their superblocks written.

use crate::array::now;
use crate::exit::Error;
use crate::superblocks::random_uuid;
use raid_core::geometry::{Layout, Raid6Layout};
use raid_core::md::{
    ArrayName, ArrayUuid, Blueprint, DeviceFlags, DeviceUuid, Minor, NewArray, SUPERBLOCK_BYTES,
    Superblock,
};
use raid_core::metadata::Consistency;
use raid_core::units::{DeviceSector, MemberIndex, Sectors};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub(super) const MEMBERS: u8 = 6;

/// 64 KiB.
const CHUNK: Sectors = Sectors(128);

/// 1 MiB, as md leaves before the data of members of some size.
pub(crate) const DATA_OFFSET: DeviceSector = DeviceSector(2048);

/// Makes the members in a directory, so large that the array holds `bytes`. All of a new file reads as zeroes, and so
/// parity agrees from the start.
pub(crate) fn make(directory: &Path, bytes: u64) -> Result<Vec<PathBuf>, Error> {
    let member_size = member_size(bytes);
    let mut name = [0; 32];
    name.iter_mut().zip(b"demo").for_each(|(to, from)| *to = *from);
    let blueprint = Blueprint {
        layout: Layout::Raid6(Raid6Layout::LeftSymmetric),
        chunk: CHUNK,
        minor: Minor::V1_2,
        data_offset: Some(DATA_OFFSET),
        member_size: Some(member_size),
        array_uuid: ArrayUuid(random_uuid()),
        name: ArrayName(name),
        creation_time: now(),
        consistency: Consistency::Clean,
    };
    let device_size = DATA_OFFSET.checked_add(member_size).unwrap_or_default();
    let array = NewArray::new(blueprint, &vec![Sectors(device_size.0); MEMBERS.into()]);
    let array = array.map_err(|error| Error::Engine(error.to_string()))?;
    let mut paths = Vec::new();
    for place in (0..MEMBERS).map(MemberIndex) {
        let uuid = DeviceUuid(random_uuid());
        let Some(superblock) = array.superblock(place, uuid, DeviceFlags::empty()) else {
            continue;
        };
        let path = directory.join(format!("member{}.img", place.0));
        write(&path, &superblock).map_err(|source| Error::Open { image: path.clone(), source })?;
        paths.push(path);
    }
    Ok(paths)
}

/// Whole chunks of each member, so that all data members together have the bytes.
fn member_size(bytes: u64) -> Sectors {
    let data_members = u64::from(MEMBERS.saturating_sub(2));
    let row = CHUNK.0.saturating_mul(512).saturating_mul(data_members).max(1);
    Sectors(bytes.div_ceil(row).max(1).saturating_mul(CHUNK.0))
}

fn write(path: &Path, superblock: &Superblock) -> io::Result<()> {
    let no_room = || io::Error::from(io::ErrorKind::InvalidInput);
    let end = superblock.data_offset.checked_add(superblock.data_size).ok_or_else(no_room)?;
    let file = File::create_new(path)?;
    file.set_len(Sectors(end.0).bytes().ok_or_else(no_room)?)?;
    let mut block = [0; SUPERBLOCK_BYTES];
    superblock.encode(&mut block);
    let at = Sectors(superblock.super_offset.0).bytes().ok_or_else(no_room)?;
    file.write_all_at(&block, at)?;
    file.sync_all()
}
