//! The files of the demo: members of a new RAID 6.

use crate::cli;
use crate::commands::create;
use crate::exit::Error;
use raid_core::md::Minor;
use raid_core::units::{DeviceSector, Sectors};
use std::fs::File;
use std::path::{Path, PathBuf};

pub(super) const MEMBERS: u8 = 6;

/// 64 KiB.
const CHUNK: Sectors = Sectors(128);

/// 1 MiB, as md leaves before the data of members of some size.
pub(crate) const DATA_OFFSET: DeviceSector = DeviceSector(2048);

/// Makes the members in a directory, so large that the array holds `bytes`. All of a new file reads as zeroes, and so
/// parity agrees from the start.
pub(crate) fn make(directory: &Path, bytes: u64) -> Result<Vec<PathBuf>, Error> {
    let length = DATA_OFFSET.0.saturating_add(member_size(bytes).0);
    let paths: Vec<_> =
        (0..MEMBERS).map(|place| directory.join(format!("member{place}.img"))).collect();
    for path in &paths {
        blank(path, Sectors(length).bytes().unwrap_or(u64::MAX))?;
    }
    create::lay_out(&cli::Create {
        level: 6,
        layout: None,
        chunk: CHUNK.bytes(),
        data_offset: Sectors(DATA_OFFSET.0).bytes(),
        size: None,
        name: String::from("demo"),
        metadata: Minor::V1_2,
        bitmap: cli::Wanted::No,
        ppl: cli::Wanted::No,
        journal: None,
        write_mostly: Vec::new(),
        parity: cli::NewParity::AssumeClean,
        overwrite: cli::Occupied::Refuse,
        images: paths.clone(),
    })?;
    Ok(paths)
}

/// A new file without content.
pub(super) fn blank(path: &Path, bytes: u64) -> Result<(), Error> {
    let made = File::create_new(path).and_then(|file| file.set_len(bytes));
    made.map_err(|source| Error::Open { image: path.to_path_buf(), source })
}

/// Whole chunks of each member, so that all data members together have the bytes.
fn member_size(bytes: u64) -> Sectors {
    let data_members = u64::from(MEMBERS.saturating_sub(2));
    let row = CHUNK.0.saturating_mul(512).saturating_mul(data_members).max(1);
    Sectors(bytes.div_ceil(row).max(1).saturating_mul(CHUNK.0))
}
