//! Finds the superblock of an image.

use crate::images::Image;
use crate::signatures::Found as Signature;
use core::hash::{BuildHasher, Hasher};
use raid_core::md::{Block, Minor, SUPERBLOCK_BYTES, Superblock, SuperblockError};
use raid_core::units::{DeviceSector, Sectors};
use std::hash::RandomState;
use std::io;

/// A superblock, and the bytes that it was read from.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) superblock: Superblock,
    pub(crate) block: Block,
}

/// Why an image bears no superblock that can be used.
#[derive(Debug)]
pub(crate) enum Unusable {
    Superblock(SuperblockError),
    Read(io::Error),
}

/// The superblock of an image, wherever it lies. Of several, left behind by older arrays, the one that was created
/// last.
pub(crate) fn find(image: &Image) -> Result<Box<Found>, Unusable> {
    let mut newest: Option<Box<Found>> = None;
    let mut wrong = Unusable::Superblock(SuperblockError::NotMd);
    for minor in Minor::ALL {
        let Some(at) = minor.position(image.size()) else { continue };
        match look(image, at) {
            Ok(found) => {
                let created = |found: &Found| found.superblock.creation_time.seconds();
                if newest.as_ref().is_none_or(|newest| created(newest) < created(&found)) {
                    newest = Some(found);
                }
            }
            Err(Unusable::Superblock(SuperblockError::NotMd)) => {}
            Err(error) => wrong = more_telling(wrong, error),
        }
    }
    newest.ok_or(wrong)
}

fn look(image: &Image, at: DeviceSector) -> Result<Box<Found>, Unusable> {
    let mut block = [0; SUPERBLOCK_BYTES];
    image.read_at(at, &mut block).map_err(Unusable::Read)?;
    let superblock = Superblock::parse(&block, at).map_err(Unusable::Superblock)?;
    Ok(Box::new(Found { superblock, block }))
}

/// A page of which only the first sectors count.
pub(crate) fn read_page(image: &Image, at: DeviceSector, length: Sectors) -> io::Result<Block> {
    let mut block = [0; SUPERBLOCK_BYTES];
    let bytes = length.memory_bytes().map_or(SUPERBLOCK_BYTES, |bytes| bytes.min(SUPERBLOCK_BYTES));
    let (used, _) = block.split_at_mut_checked(bytes).unwrap_or_default();
    image.read_at(at, used)?;
    Ok(block)
}

/// The first error that is more than "nothing here".
fn more_telling(known: Unusable, new: Unusable) -> Unusable {
    match known {
        Unusable::Superblock(SuperblockError::NotMd) => new,
        Unusable::Superblock(_) | Unusable::Read(_) => known,
    }
}

/// Writes the superblock of one member. The data area is left as it is, but for old superblocks of md there.
pub(crate) fn make(
    image: &mut Image,
    superblock: &Superblock,
    found: &[Signature],
) -> io::Result<()> {
    let data = superblock.data_offset..;
    let end = superblock.data_offset.checked_add(superblock.data_size).unwrap_or_default();
    for found in found {
        let is_data = data.contains(&found.sector()) && found.sector() < end;
        if found.is_md() || !is_data {
            found.wipe(image)?;
        }
    }
    let log = superblock.bad_block_log;
    let log_at = superblock.super_offset.0.checked_add_signed(log.offset.into());
    let log_bytes = usize::from(log.sectors).saturating_mul(512);
    if let Some(at) = log_at {
        image.write_at(DeviceSector(at), &vec![0xff; log_bytes])?;
    }
    let mut block = [0; SUPERBLOCK_BYTES];
    superblock.encode(&mut block);
    image.write_at(superblock.super_offset, &block)?;
    image.sync()
}

/// What names a new array, or a new member of one: nobody else has drawn the same.
pub(crate) fn random_uuid() -> [u8; 16] {
    let mut bytes = [0; 16];
    let (words, _) = bytes.as_chunks_mut::<8>();
    for word in words {
        // Each new state has keys of its own.
        *word = RandomState::new().build_hasher().finish().to_le_bytes();
    }
    bytes
}
