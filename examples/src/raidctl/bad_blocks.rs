//! The bad-block log of an image.

use crate::images::Image;
use crate::superblocks::read_page;
use raid_core::engine::BadBlock;
use raid_core::md::{
    AreaError, BAD_BLOCKS_MAX, BadBlockEntry, BadBlockError, BadBlockList, BadBlockRange,
    BadBlocks, Superblock,
};
use raid_core::units::{MemberIndex, MemberSector, Sectors};
use std::io;

/// Why nothing is known of an image's bad blocks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error(transparent)]
    Area(#[from] AreaError),
    #[error(transparent)]
    Log(#[from] BadBlockError),
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// The ranges in the log, in sectors of the device.
pub(crate) fn read(image: &Image, superblock: &Superblock) -> Result<Vec<BadBlockRange>, Unusable> {
    let log = &superblock.bad_block_log;
    let Some(area) = superblock.bad_block_area()? else { return Ok(Vec::new()) };
    match log.entries {
        // Whatever lies there means nothing.
        BadBlocks::None => Ok(Vec::new()),
        BadBlocks::Listed => {
            let block = read_page(image, area.start, area.length)?;
            let mut memory = [BadBlockEntry::EMPTY; BAD_BLOCKS_MAX];
            let list = BadBlockList::decode(log, &block, &mut memory)?;
            Ok(list.iter().collect())
        }
    }
}

/// The part of a range that lies in the data of this member; `None` if none does.
pub(crate) fn of_member(
    range: BadBlockRange,
    member: MemberIndex,
    superblock: &Superblock,
) -> Option<BadBlock> {
    let from = range.start.0.max(superblock.data_offset.0);
    let end = range.start.0.saturating_add(range.length.0);
    let sectors = end.checked_sub(from).filter(|sectors| *sectors > 0)?;
    let at = MemberSector(from.saturating_sub(superblock.data_offset.0));
    Some(BadBlock { member, at, sectors: Sectors(sectors) })
}
