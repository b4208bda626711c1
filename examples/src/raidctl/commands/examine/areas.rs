//! What lies beside a superblock: the write-intent bitmap and the bad-block log.

use crate::bad_blocks;
use crate::images::Image;
use crate::superblocks::read_page;
use core::fmt::{self, Display};
use raid_core::md::{
    AreaError, BITMAP_SUPERBLOCK_SECTORS, BadBlockRange, BitmapError, BitmapSuperblock, Superblock,
    SyncSector,
};
use raid_core::units::{DeviceSector, Sectors};
use serde_json::{Map, Value, json};
use std::io;

/// Most ranges of set bits that are shown one by one.
const RANGES_MAX: usize = 64;

/// What the areas of one image say. An area that cannot be used says why, and does not hide the others.
pub(super) struct Areas {
    bitmap: Result<Option<Bitmap>, Unusable>,
    bad_blocks: Result<Vec<BadBlockRange>, bad_blocks::Unusable>,
}

struct Bitmap {
    start: DeviceSector,
    superblock: BitmapSuperblock,
    bits_set: u64,
    /// What the first set bits cover.
    dirty: Vec<(SyncSector, Sectors)>,
}

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Area(#[from] AreaError),
    #[error(transparent)]
    Bitmap(#[from] BitmapError),
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
}

impl Areas {
    pub(super) fn read(image: &Image, superblock: &Superblock) -> Self {
        Self {
            bitmap: read_bitmap(image, superblock),
            bad_blocks: bad_blocks::read(image, superblock),
        }
    }

    /// Members of the image's object. md's tools have no names for those that are not fields of the bitmap's superblock.
    pub(super) fn fields(&self) -> Map<String, Value> {
        let bitmap = match &self.bitmap {
            Ok(bitmap) => bitmap.as_ref().map_or(Value::Null, Bitmap::fields),
            Err(error) => json!({ "error": error.to_string() }),
        };
        let bad_blocks = match &self.bad_blocks {
            Ok(ranges) => ranges
                .iter()
                .map(|range| json!({ "sector": range.start.0, "sectors": range.length.0 }))
                .collect(),
            Err(error) => json!({ "error": error.to_string() }),
        };
        [("bitmap", bitmap), ("bad_blocks", bad_blocks)]
            .into_iter()
            .map(|(name, value)| (String::from(name), value))
            .collect()
    }

    /// A line for each area that says something.
    pub(super) fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: &dyn Display| write!(f, "\n  {name:<12} {value}");
        match &self.bitmap {
            Ok(None) => {}
            Ok(Some(bitmap)) => line("bitmap", bitmap)?,
            Err(error) => line("bitmap", error)?,
        }
        match &self.bad_blocks {
            Ok(ranges) if ranges.is_empty() => Ok(()),
            Ok(ranges) => {
                let ranges = ranges
                    .iter()
                    .map(|range| format!("{} sectors from {}", range.length.0, range.start.0));
                line("bad blocks", &ranges.collect::<Vec<_>>().join(", "))
            }
            Err(error) => line("bad blocks", error),
        }
    }
}

impl Bitmap {
    fn fields(&self) -> Value {
        let superblock = &self.superblock;
        let dirty = self
            .dirty
            .iter()
            .map(|(start, length)| json!({ "sector": start.0, "sectors": length.0 }));
        json!({
            "sector": self.start.0,
            "uuid": superblock.array_uuid.to_string(),
            "events": superblock.events,
            "events_cleared": superblock.events_cleared,
            "sync_size": superblock.geometry.sync_size().0,
            "state": superblock.state.bits(),
            "chunksize": superblock.geometry.chunk_bytes(),
            "daemon_sleep": superblock.daemon_sleep_seconds,
            "write_behind": superblock.write_behind,
            "sectors_reserved": superblock.sectors_reserved,
            "bits": superblock.geometry.bits(),
            "bits_set": self.bits_set,
            "dirty": dirty.collect::<Vec<_>>(),
        })
    }
}

impl Display for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BitmapSuperblock { geometry, events, events_cleared, state, .. } = self.superblock;
        write!(
            f,
            "{} of {} bits set, {} sectors each, from sector {}; events {events}, cleared at {events_cleared}",
            self.bits_set,
            geometry.bits(),
            geometry.chunk().0,
            self.start.0
        )?;
        match state.bits() {
            0 => Ok(()),
            bits => write!(f, "; state {bits:#x}"),
        }
    }
}

fn read_bitmap(image: &Image, superblock: &Superblock) -> Result<Option<Bitmap>, Unusable> {
    let Some(area) = superblock.bitmap_area(BITMAP_SUPERBLOCK_SECTORS)? else { return Ok(None) };
    let first = read_page(image, area.start, BITMAP_SUPERBLOCK_SECTORS)?;
    let of_bitmap = BitmapSuperblock::parse(&first)?;
    let geometry = of_bitmap.geometry;
    // Only now is it known how long it is.
    let length =
        superblock.bitmap_area(geometry.sectors())?.map_or(Sectors::ZERO, |area| area.length);
    let mut bitmap =
        Bitmap { start: area.start, superblock: of_bitmap, bits_set: 0, dirty: Vec::new() };
    let page_sectors = Sectors(8);
    for page in 0..geometry.pages() {
        let before = Sectors(page.saturating_mul(page_sectors.0));
        let start = area.start.checked_add(before).ok_or(AreaError::OutsideDevice)?;
        let block = read_page(image, start, length.saturating_sub(before).min(page_sectors))?;
        let bits = geometry.page(page, &block);
        bitmap.bits_set = bitmap.bits_set.saturating_add(bits.count());
        let room = RANGES_MAX.saturating_sub(bitmap.dirty.len());
        let ranges = bits.ranges(bits.range()).take(room);
        bitmap.dirty.extend(ranges.map(|range| geometry.sectors_under(range)));
    }
    Ok(Some(bitmap))
}
