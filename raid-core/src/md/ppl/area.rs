//! Where a member keeps its logs, and which of them is the newest.

use super::PPL_HEADER_SECTORS;
use super::header::{PplHeader, PplSignature};
use crate::md::bytes::Block;
use crate::md::error::SuperblockError;
use crate::md::fields::WriteLog;
use crate::md::superblock::{Superblock, bad};
use crate::units::{DeviceSector, Sectors};

/// Partial parity of one log in a ring.
const RING_LOG_SECTORS: Sectors = Sectors(256);

/// An area of this size or more is a ring: room for two logs of the largest size.
const RING_SECTORS_MIN: u64 = 2 * (RING_LOG_SECTORS.0 + PPL_HEADER_SECTORS.0);

/// md rounds the room for partial parity down to this.
const PAGE_SECTORS: u64 = 8;

/// The space for the logs of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PplArea {
    start: DeviceSector,
    sectors: Sectors,
}

/// Where a log goes, in sectors from the start of the area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PplPlace {
    /// Where its header is to be written.
    pub at: Sectors,
    /// Where the next log goes if it fits there: for the next call of [`PplArea::place`].
    pub next: Sectors,
}

impl Superblock {
    /// The area for the partial parity logs of this device, or `None` if the array has none.
    ///
    /// # Errors
    ///
    /// The area is too small, or overlaps the superblock or the data.
    pub fn ppl_area(&self) -> Result<Option<PplArea>, SuperblockError> {
        let WriteLog::PartialParity { offset, sectors, .. } = self.write_log else {
            return Ok(None);
        };
        let [low, high] = offset.to_le_bytes();
        let misplaced = bad("ppl.offset", u16::from_le_bytes([low, high]).into());
        let start = self.super_offset.0.checked_add_signed(offset.into()).ok_or(misplaced)?;
        let area = PplArea::new(DeviceSector(start), Sectors(sectors.into()));
        let area = area.ok_or(bad("ppl.size", sectors.into()))?;
        let end = start.checked_add(area.sectors.0).ok_or(misplaced)?;
        let apart = |other: DeviceSector, length: Sectors| {
            end <= other.0 || other.0.saturating_add(length.0) <= start
        };
        match apart(self.super_offset, self.sectors()) && apart(self.data_offset, self.data_size) {
            true => Ok(Some(area)),
            false => Err(misplaced),
        }
    }
}

impl PplArea {
    /// The area from here on, of which md uses whole pages. `None` if there is no room for partial
    /// parity.
    #[must_use]
    pub const fn new(start: DeviceSector, sectors: Sectors) -> Option<Self> {
        let room = sectors.0.saturating_sub(PPL_HEADER_SECTORS.0);
        let room = room.saturating_sub(room % PAGE_SECTORS);
        if room == 0 {
            return None;
        }
        Some(Self { start, sectors: Sectors(room.saturating_add(PPL_HEADER_SECTORS.0)) })
    }

    /// Where on its device the area begins.
    #[must_use]
    pub const fn start(&self) -> DeviceSector {
        self.start
    }

    /// How large it is. All of it is to be zeroed when an array is started, before the empty log.
    #[must_use]
    pub const fn sectors(&self) -> Sectors {
        self.sectors
    }

    /// How much partial parity one log may have.
    #[must_use]
    pub const fn log_room(&self) -> Sectors {
        match self.sectors.0 >= RING_SECTORS_MIN {
            true => RING_LOG_SECTORS,
            false => self.sectors.saturating_sub(PPL_HEADER_SECTORS),
        }
    }

    /// Where a log of this length goes, if the one before it left off at `next`; at first, and after
    /// a start, that is 0. `None` if the area is smaller.
    #[must_use]
    pub fn place(&self, next: Sectors, length: Sectors) -> Option<PplPlace> {
        if length > self.sectors {
            return None;
        }
        if self.sectors.0 < RING_SECTORS_MIN {
            return Some(PplPlace { at: Sectors::ZERO, next: Sectors::ZERO });
        }
        let fits = next.checked_add(length).filter(|end| *end <= self.sectors);
        let (at, next) = fits.map_or((Sectors::ZERO, length), |end| (next, end));
        Some(PplPlace { at, next })
    }
}

/// The newest log of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PplFound {
    /// Where its header lies, from the start of the area.
    pub at: Sectors,
    /// Its generation.
    pub generation: u64,
}

/// Looks for the newest log of a member: logs follow each other with rising generations up to it.
#[derive(Clone, Copy, Debug)]
pub struct PplScan {
    area: PplArea,
    signature: PplSignature,
    at: Sectors,
    newest: Option<PplFound>,
}

/// What a scan wants next.
#[derive(Clone, Copy, Debug)]
pub enum PplScanStep {
    /// A block: see [`PplScan::at`] and [`PplScan::feed`].
    Read(PplScan),
    /// Nothing: this is the newest log. Without one, the member cannot vouch for its parity.
    Done(Option<PplFound>),
}

impl PplScan {
    /// Begins with the first block of the area. Each block that it asks for lies behind the one
    /// before, so it ends.
    #[must_use]
    pub const fn begin(area: PplArea, signature: PplSignature) -> Self {
        Self { area, signature, at: Sectors::ZERO, newest: None }
    }

    /// Which block is to be read, from the start of the area.
    #[must_use]
    pub const fn at(&self) -> Sectors {
        self.at
    }

    /// Takes the block.
    #[must_use]
    pub fn feed(self, block: &Block) -> PplScanStep {
        let room = self.area.sectors.saturating_sub(self.at);
        let Ok(header) = PplHeader::parse(block, self.signature, room) else {
            return PplScanStep::Done(self.newest);
        };
        let generation = header.generation();
        if self.newest.is_some_and(|newest| newest.generation > generation) {
            return PplScanStep::Done(self.newest);
        }
        let newest = Some(PplFound { at: self.at, generation });
        let behind = self.at.checked_add(header.length());
        // A header at the very end would have no room for partial parity.
        let last = self.area.sectors.saturating_sub(PPL_HEADER_SECTORS);
        match behind.filter(|at| *at < last) {
            Some(at) => PplScanStep::Read(Self { at, newest, ..self }),
            None => PplScanStep::Done(newest),
        }
    }
}
