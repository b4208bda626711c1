//! The journal of an array: replayed before it is written, and kept while it is.

use super::{Assembled, md_seat};
use crate::exit::Error;
use crate::images::Image;
use raid_core::blocking::{
    JournalArray, JournalFailure, MdJournal, MdJournalSeat, MdSeat, record_journal_tail,
};
use raid_core::engine::{self, BadBlock, JournalSeat, RowLog};
use raid_core::geometry::{Geometry, ParityGeometry};
use raid_core::io_limits::IoLimits;
use raid_core::md::journal::{Journal, JournalHead, JournalSector, MetaBlock};
use raid_core::md::{Block, SUPERBLOCK_BYTES, WriteLog};
use raid_core::units::{DeviceIndex, MemberIndex};

/// Where the journal lies, and where it goes on.
#[derive(Clone, Debug)]
pub(crate) struct JournalOf {
    pub(super) device: DeviceIndex,
    geometry: ParityGeometry,
    journal: Journal,
    tail: JournalSector,
    seat: MdSeat,
    /// Once it is replayed.
    head: Option<JournalHead>,
}

impl JournalOf {
    /// That of an array that has one.
    pub(super) fn of(assembled: &Assembled) -> Result<Option<Self>, Error> {
        let assembly = &assembled.assembly;
        let geometry = match (assembly.write_log, &assembly.geometry) {
            (WriteLog::Journal, Geometry::Parity(geometry)) => *geometry,
            (WriteLog::None | WriteLog::Bitmap { .. } | WriteLog::PartialParity { .. }, _)
            | (WriteLog::Journal, Geometry::Copies(_)) => return Ok(None),
        };
        let device = assembly.journal.ok_or_else(not_named)?;
        let superblock = assembled.superblocks.get(device.index()).ok_or_else(not_named)?;
        let (journal, tail) = superblock.journal().ok_or_else(|| {
            let image = assembled.path(device).display();
            Error::Refused(format!("{image}: the journal has no room for a log"))
        })?;
        let seat = md_seat(superblock);
        Ok(Some(Self { device, geometry, journal, tail, seat, head: None }))
    }

    /// The place by which the engine names it.
    pub(super) fn place(&self) -> MemberIndex {
        MemberIndex(self.geometry.members())
    }

    /// What keeps its superblock alone.
    pub(super) fn superblock(&self) -> MdJournalSeat {
        MdJournalSeat { seat: self.seat, place: self.place(), journal: None }
    }

    /// Whether it holds writes that the members may lack, for all that can be seen without a walk: the
    /// array was stopped while it was at work.
    pub(super) fn is_in_use(&self, images: &[Image]) -> Result<Use, Error> {
        let Some(image) = images.get(self.device.index()) else { return Ok(Use::Perhaps) };
        let mut block: Block = [0; SUPERBLOCK_BYTES];
        let read = image.read_at(self.journal.device_sector(self.tail), &mut block);
        read.map_err(|source| Error::Open { image: image.path().to_path_buf(), source })?;
        let empty = |meta: MetaBlock<'_>| meta.blocks() == 0;
        Ok(match MetaBlock::parse(&block, self.journal.seed()).map(empty) {
            Ok(true) => Use::Stopped,
            Ok(false) | Err(_) => Use::Perhaps,
        })
    }

    /// Does what it says.
    pub(super) fn prepare(
        &mut self,
        seats: &[Option<engine::Seat>],
        bad_blocks: &[BadBlock],
        images: &mut [Image],
    ) -> Result<(), JournalFailure> {
        let Self { geometry, device, journal, tail, .. } = self;
        let (device, journal, tail) = (*device, *journal, *tail);
        let array = JournalArray { geometry, seats, device, journal, tail, bad_blocks };
        let at = self.seat.superblock;
        let head = array.prepare(images, |image, tail| record_journal_tail(image, at, tail))?;
        self.head = Some(head);
        Ok(())
    }

    /// What the engine is to know of it.
    pub(super) fn row_log(&self, limits: IoLimits) -> RowLog {
        let room = MdJournal::room(&self.journal);
        RowLog::Journal(JournalSeat { device: self.device, room, limits })
    }

    /// What keeps it.
    pub(super) fn keeper(&self) -> MdJournalSeat {
        let journal = self.head.map(|head| MdJournal::new(self.journal, self.geometry, head));
        MdJournalSeat { journal, ..self.superblock() }
    }
}

/// What is to be expected of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// The array was stopped cleanly.
    Stopped,
    /// There may be writes in it.
    Perhaps,
}

fn not_named() -> Error {
    Error::Refused(String::from(
        "the array has a write journal, which is not named or has failed: without it the array takes no writes",
    ))
}
