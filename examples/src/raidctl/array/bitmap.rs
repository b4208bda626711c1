//! The write-intent bitmap of an array: read from the member that knows best, put in order on all of them before the
//! array is written, and written to a device that comes in.

use super::Assembled;
use crate::exit::Error;
use crate::images::Image;
use raid_core::blocking::{load_bitmap, store_bitmap};
use raid_core::host::Fault;
use raid_core::intent::IntentChunk;
use raid_core::md::{
    BITMAP_SUPERBLOCK_SECTORS, BitRange, BitmapStanding, BitmapState, BitmapSuperblock, Block,
    RecoveryKind, SUPERBLOCK_BYTES, Superblock, WriteLog,
};
use raid_core::members::MemberState;
use raid_core::metadata::Consistency;
use raid_core::units::{DeviceIndex, DeviceSector, Sectors};
use std::path::Path;

/// What a bitmap says, and what that is worth.
#[derive(Clone, Debug)]
pub(crate) struct Bitmap {
    pub(crate) superblock: BitmapSuperblock,
    pub(crate) chunks: Vec<IntentChunk>,
    pub(crate) standing: BitmapStanding,
}

impl Bitmap {
    /// The bitmap of one member; `None` if the array has none.
    fn read(image: &mut Image, superblock: &Superblock) -> Result<Option<Self>, Error> {
        let Some(start) = start(image.path(), superblock, BITMAP_SUPERBLOCK_SECTORS)? else {
            return Ok(None);
        };
        let wrong = |image: &Image, what: String| {
            Error::BadArray(format!("{}: {what}", image.path().display()))
        };
        let mut page: Block = [0; SUPERBLOCK_BYTES];
        let first = page.first_chunk_mut::<512>().ok_or(Error::Engine(String::from("page")))?;
        image
            .read_at(start, first)
            .map_err(|source| Error::Open { image: image.path().to_path_buf(), source })?;
        let bitmap = BitmapSuperblock::parse(&page);
        let bitmap = bitmap.map_err(|error| wrong(image, error.to_string()))?;
        let geometry = bitmap.geometry;
        let _ = self::start(image.path(), superblock, geometry.sectors())?;
        let bits = usize::try_from(geometry.bits()).ok().filter(|bits| *bits <= BITS_MAX);
        let bits = bits.ok_or_else(|| wrong(image, String::from("its bitmap is too long")))?;
        let mut chunks = vec![IntentChunk::SET; bits];
        let standing = bitmap.standing(superblock.array_uuid, superblock.events);
        if standing == BitmapStanding::Current {
            let read = load_bitmap(image, start, geometry, &mut chunks);
            read.map_err(|fault| unusable(image.path(), fault))?;
        }
        Ok(Some(Self { superblock: bitmap, chunks, standing }))
    }

    /// The bitmap of a new array. Where it is not in sync, the bits have to say so.
    pub(crate) fn new(
        superblock: &BitmapSuperblock,
        consistency: Consistency,
    ) -> Result<Self, Error> {
        let bits = usize::try_from(superblock.geometry.bits());
        let bits = bits.map_err(|_| Error::Usage(String::from("the bitmap is too long")))?;
        let chunk = match consistency {
            Consistency::Clean => IntentChunk::CLEAR,
            Consistency::InSyncTo(_) => IntentChunk::SET,
        };
        let standing = BitmapStanding::Current;
        Ok(Self { superblock: *superblock, chunks: vec![chunk; bits], standing })
    }

    /// Writes it to a member of a new array.
    pub(crate) fn make(&self, image: &mut Image, superblock: &Superblock) -> Result<(), Error> {
        let start = self.start_on(image, superblock)?;
        self.write(image, start)
    }

    /// What its set bits cover, in bytes.
    pub(crate) fn marked_bytes(&self) -> u64 {
        let set = (0_u64..).zip(&self.chunks).filter(|(_, chunk)| chunk.is_set());
        let covered = set.map(|(first, _)| {
            let bit = BitRange { first, end: first.saturating_add(1) };
            self.superblock.geometry.sectors_under(bit).1.bytes().unwrap_or(0)
        });
        covered.fold(0, u64::saturating_add)
    }

    /// What all of them cover, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.superblock.geometry.sync_size().bytes().unwrap_or(u64::MAX)
    }

    /// Whether a member that was away, as its superblock says, lacks nothing but what bits cover.
    pub(crate) fn tells_of(&self, own: &Superblock) -> RecoveryKind {
        self.superblock.recovery_of(self.standing, own.events)
    }

    /// Where it is to lie on an image with this superblock.
    pub(super) fn start_on(
        &self,
        image: &Image,
        superblock: &Superblock,
    ) -> Result<DeviceSector, Error> {
        let start = start(image.path(), superblock, self.superblock.geometry.sectors());
        let no_room =
            || Error::Usage(format!("{}: no room for the bitmap", image.path().display()));
        start.map_err(|_| no_room())?.ok_or_else(no_room)
    }

    pub(super) fn write(&self, image: &mut Image, start: DeviceSector) -> Result<(), Error> {
        let written = store_bitmap(image, start, &self.superblock, &self.chunks);
        written.map_err(|fault| unusable(image.path(), fault))
    }
}

/// As many bits as take a mebibyte; md's tools make no more than 128 KiB of them.
const BITS_MAX: usize = 8 << 20;

/// Where the bitmap of a member lies, if the array has one of this length.
pub(crate) fn start(
    image: &Path,
    superblock: &Superblock,
    length: Sectors,
) -> Result<Option<DeviceSector>, Error> {
    let area = superblock.bitmap_area(length);
    let area =
        area.map_err(|error| Error::BadArray(format!("{}: no bitmap: {error}", image.display())))?;
    Ok(area.map(|area| area.start))
}

fn unusable(image: &Path, fault: Fault) -> Error {
    Error::Engine(format!("{}: its bitmap cannot be kept ({fault:?})", image.display()))
}

impl Assembled {
    /// The bitmap beside the freshest superblock of a member that is in sync.
    pub(crate) fn bitmap(&mut self) -> Result<Option<Bitmap>, Error> {
        match self.assembly.write_log {
            WriteLog::Bitmap { .. } => {}
            WriteLog::None | WriteLog::PartialParity { .. } | WriteLog::Journal => return Ok(None),
        }
        let events = |device: &DeviceIndex| {
            self.superblocks.get(device.index()).map(|superblock| superblock.events)
        };
        let in_sync = self.assembly.places.iter().flatten();
        let in_sync = in_sync.filter(|seat| seat.state == MemberState::InSync);
        let best = in_sync.map(|seat| seat.device).max_by_key(events);
        let Some(best) = best.map(DeviceIndex::index) else { return Ok(None) };
        let (Some(image), Some(superblock)) =
            (self.images.get_mut(best), self.superblocks.get(best))
        else {
            return Ok(None);
        };
        let Some(mut bitmap) = Bitmap::read(image, superblock)? else { return Ok(None) };
        match bitmap.standing {
            BitmapStanding::Current => {}
            BitmapStanding::Foreign => {
                return Err(Error::BadArray(format!(
                    "{}: its bitmap is another array's",
                    self.path(DeviceIndex(u8::try_from(best).unwrap_or(u8::MAX))).display()
                )));
            }
            // As the kernel does: with all bits set it tells of everything from now on.
            BitmapStanding::Stale => bitmap.superblock.events_cleared = self.assembly.events,
        }
        bitmap.superblock.events = self.assembly.events;
        bitmap.superblock.state.remove(BitmapState::STALE | BitmapState::WRITE_ERROR);
        Ok(Some(bitmap))
    }

    /// Gives every member the same bitmap: a crash leaves bits that not all of them have.
    pub(super) fn level_bitmaps(&mut self, bitmap: &Bitmap) -> Result<(), Error> {
        let length = bitmap.superblock.geometry.sectors();
        for seat in self.assembly.places.iter().flatten() {
            let device = seat.device.index();
            let (Some(image), Some(superblock)) =
                (self.images.get_mut(device), self.superblocks.get(device))
            else {
                continue;
            };
            let known = Bitmap::read(image, superblock).ok().flatten();
            let same = known.is_some_and(|known| {
                known.superblock == bitmap.superblock && known.chunks == bitmap.chunks
            });
            if let (false, Some(start)) = (same, start(image.path(), superblock, length)?) {
                bitmap.write(image, start)?;
            }
        }
        Ok(())
    }
}
