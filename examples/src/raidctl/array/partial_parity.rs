//! The logs of partial parity of an array: replayed before it is written, and kept while it is.

use super::Assembled;
use crate::exit::Error;
use raid_core::blocking::{BlockDevice, MdLog, MdLogs, PplArray, PplFailure, PplStart};
use raid_core::engine::{self, BadBlock, RowLog};
use raid_core::geometry::{Geometry, ParityGeometry};
use raid_core::md::WriteLog;
use raid_core::md::ppl::{PplArea, PplSignature};
use raid_core::metadata::Consistency;

/// Where the logs lie, and what of them goes on.
#[derive(Clone, Debug)]
pub(crate) struct Logs {
    geometry: ParityGeometry,
    signature: PplSignature,
    areas: Vec<Option<PplArea>>,
    /// Of the newest, once they are replayed.
    generation: u64,
}

impl Logs {
    /// Those of an array that has any.
    pub(super) fn of(assembled: &Assembled) -> Result<Option<Self>, Error> {
        let assembly = &assembled.assembly;
        let geometry = match (&assembly.write_log, &assembly.geometry) {
            (WriteLog::PartialParity { .. }, Geometry::Parity(geometry)) => *geometry,
            (WriteLog::None | WriteLog::Bitmap { .. } | WriteLog::Journal, _)
            | (WriteLog::PartialParity { .. }, Geometry::Copies(_)) => return Ok(None),
        };
        let mut areas = Vec::new();
        for seat in &assembly.places {
            let device = seat.as_ref().map(|seat| seat.device);
            let superblock = device.and_then(|device| assembled.superblocks.get(device.index()));
            areas.push(match (device, superblock) {
                (Some(device), Some(superblock)) => superblock.ppl_area().map_err(|error| {
                    let image = assembled.path(device).to_path_buf();
                    Error::NotMember { image, error }
                })?,
                (None, _) | (Some(_), None) => None,
            });
        }
        let signature = PplSignature::of(assembly.array_uuid);
        Ok(Some(Self { geometry, signature, areas, generation: 0 }))
    }

    /// What the engine is to know of them: the smallest decides.
    pub(super) fn row_log(&self) -> RowLog {
        let rooms = self.areas.iter().flatten().map(PplArea::log_room);
        rooms.min().map_or(RowLog::None, |room| RowLog::PartialParity { room })
    }

    /// Does what they say. How far parity agrees with the data then.
    pub(super) fn prepare<D: BlockDevice>(
        &mut self,
        seats: &[Option<engine::Seat>],
        consistency: Consistency,
        bad_blocks: &[BadBlock],
        devices: &mut [D],
    ) -> Result<Consistency, PplFailure> {
        let Self { geometry, signature, areas, .. } = self;
        let (signature, areas) = (*signature, areas.as_slice());
        let array = PplArray { geometry, signature, seats, areas, consistency, bad_blocks };
        let PplStart { consistency, generation } = array.prepare(devices)?;
        self.generation = generation;
        Ok(consistency)
    }

    /// Memory for them.
    pub(super) fn memory(&self) -> Vec<Option<MdLog>> {
        self.areas.iter().map(|area| area.map(MdLog::new)).collect()
    }

    /// What keeps them, with this memory.
    pub(super) fn keeper<'m>(&self, logs: &'m mut [Option<MdLog>]) -> MdLogs<'m> {
        let Self { geometry, signature, generation, .. } = *self;
        MdLogs { logs, geometry, signature, generation }
    }
}
