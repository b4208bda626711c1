//! The files of the demo: members of a new RAID 6, their superblocks written.

use crate::array::now;
use crate::exit::Error;
use core::hash::{BuildHasher, Hasher};
use raid_core::geometry::{Geometry, Layout, Raid6Layout, Shape};
use raid_core::md::{
    ArrayName, ArrayUuid, BadBlockLog, BadBlocks, DeviceFlags, DeviceUuid, Minor, Replacement,
    Roles, SUPERBLOCK_BYTES, Superblock, Validity, WriteLog, ZoneLayout,
};
use raid_core::metadata::Consistency;
use raid_core::units::{DeviceSector, Sectors};
use std::fs::File;
use std::hash::RandomState;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub(super) const MEMBERS: u8 = 6;

const LAYOUT: Layout = Layout::Raid6(Raid6Layout::LeftSymmetric);

/// 64 KiB.
const CHUNK_SECTORS: u32 = 128;

/// 1 MiB, as md leaves before the data of members of some size.
pub(crate) const DATA_OFFSET: DeviceSector = DeviceSector(2048);

/// Makes the members in a directory, so large that the array holds `bytes`. All of a new file reads as zeroes, and so
/// parity agrees from the start.
pub(crate) fn make(directory: &Path, bytes: u64) -> Result<Vec<PathBuf>, Error> {
    let member_size = member_size(bytes);
    let geometry = Geometry::new(Shape {
        layout: LAYOUT,
        members: MEMBERS,
        chunk: Sectors(CHUNK_SECTORS.into()),
        member_size,
    });
    let geometry = geometry.map_err(|error| Error::Engine(error.to_string()))?;
    let array = ArrayUuid(random_bytes());
    let mut paths = Vec::new();
    for place in 0..MEMBERS {
        let path = directory.join(format!("member{place}.img"));
        let superblock = superblock(&geometry, array, place, member_size);
        write(&path, &superblock).map_err(|source| Error::Open { image: path.clone(), source })?;
        paths.push(path);
    }
    Ok(paths)
}

/// Whole chunks of each member, so that all data members together have the bytes.
fn member_size(bytes: u64) -> Sectors {
    let data_members = u64::from(MEMBERS.saturating_sub(2));
    let row = u64::from(CHUNK_SECTORS).saturating_mul(512).saturating_mul(data_members).max(1);
    Sectors(bytes.div_ceil(row).max(1).saturating_mul(CHUNK_SECTORS.into()))
}

fn superblock(
    geometry: &Geometry,
    array: ArrayUuid,
    place: u8,
    member_size: Sectors,
) -> Superblock {
    let mut name = [0; 32];
    name.iter_mut().zip(b"demo:raidctl").for_each(|(to, from)| *to = *from);
    let layout = geometry.layout();
    Superblock {
        array_uuid: array,
        name: ArrayName(name),
        creation_time: now(),
        level: layout.md_level(),
        layout: layout.md_layout(),
        member_size,
        chunk_sectors: CHUNK_SECTORS,
        members: MEMBERS.into(),
        write_log: WriteLog::None,
        reshape: None,
        logical_block_bytes: 0,
        zone_layout: ZoneLayout::Unsaid,
        update_time: now(),
        events: 0,
        consistency: Consistency::Clean,
        roles: Roles::of_new_array(MEMBERS),
        device_uuid: DeviceUuid(random_bytes()),
        dev_number: place.into(),
        super_offset: Minor::V1_2.position(Sectors(u64::MAX)).unwrap_or_default(),
        data_offset: DATA_OFFSET,
        data_size: member_size,
        validity: Validity::Everything,
        replacement: Replacement::No,
        corrected_reads: 0,
        device_flags: DeviceFlags::empty(),
        bad_block_log: BadBlockLog { offset: 0, sectors: 0, shift: 0, entries: BadBlocks::None },
    }
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

fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    let (words, _) = bytes.as_chunks_mut::<8>();
    for word in words {
        // Each new state has keys of its own.
        *word = RandomState::new().build_hasher().finish().to_le_bytes();
    }
    bytes
}
