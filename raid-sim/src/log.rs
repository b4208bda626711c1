//! Logs of partial parity on simulated devices: where they lie, what is written to them, and what is
//! done with them after a crash.

use raid_core::engine::RowLog;
use raid_core::geometry::{Geometry, ParityGeometry};
use raid_core::host::{Command, Token};
use raid_core::md::ppl::{PPL_HEADER_SECTORS, PplArea, PplBatch, PplSignature, PplWrite};
use raid_core::md::{ArrayUuid, Block, SUPERBLOCK_BYTES};
use raid_core::units::{DeviceSector, Sectors};

use crate::sim::{Blueprint, DATA_OFFSET};

/// The array that all logs here are of.
const UUID: ArrayUuid = ArrayUuid(*b"a simulated one.");

/// Whose logs these are.
#[must_use]
pub fn signature() -> PplSignature {
    PplSignature::of(UUID)
}

/// How much of each device its log takes: for a small one a log alone, else a ring of two.
pub(crate) fn sectors(log: RowLog) -> u64 {
    match log {
        RowLog::None | RowLog::Journal(_) => 0,
        RowLog::PartialParity { room } if room.0 < 256 => PPL_HEADER_SECTORS.0 + room.0,
        RowLog::PartialParity { room } => 2 * (PPL_HEADER_SECTORS.0 + room.0),
    }
}

/// Where each device of an array has its log; `None` if the array has none.
#[must_use]
pub fn area(blueprint: &Blueprint) -> Option<PplArea> {
    let start = DeviceSector(DATA_OFFSET + blueprint.member_sectors);
    PplArea::new(start, Sectors(sectors(blueprint.log)))
}

/// What a host keeps for the logs that it writes.
#[derive(Debug)]
pub(crate) struct Logs {
    place: Option<(PplArea, ParityGeometry)>,
    generation: u64,
    books: Vec<Book>,
    /// What the commands in flight write: their tokens' bits, where, and the bytes.
    writes: Vec<(u64, u64, Vec<u8>)>,
}

#[derive(Debug, Default)]
struct Book {
    /// Its number, where it lies, and its header.
    batch: Option<(u32, Sectors, PplBatch<Box<Block>>)>,
    next: Sectors,
}

impl Logs {
    pub(crate) fn of(blueprint: &Blueprint) -> Self {
        let place = area(blueprint).map(|area| match blueprint.geometry {
            Geometry::Parity(geometry) => (area, geometry),
            Geometry::Copies(_) => panic!("a log of partial parity without parity"),
        });
        let books = blueprint.seats.iter().map(|_| Book::default()).collect();
        Self { place, generation: blueprint.log_generation, books, writes: Vec::new() }
    }

    /// A command was taken, with these bytes as partial parity.
    pub(crate) fn take(&mut self, token: Token, command: &Command, bytes: &[u8]) {
        let (member, batch) = match *command {
            Command::LogParity { member, batch, .. } | Command::SealLog { member, batch, .. } => {
                (member, batch)
            }
            Command::Read { .. }
            | Command::Write { .. }
            | Command::Flush { .. }
            | Command::Record { .. }
            | Command::RecordBad { .. }
            | Command::RecordIntent { .. }
            | Command::RecordBackup { .. }
            | Command::LogRow { .. }
            | Command::RecordTail { .. }
            | Command::Compute(_) => return,
        };
        // With a journal that is what is sealed.
        let Some((area, geometry)) = self.place else { return };
        let book = &mut self.books[member.index()];
        if book.batch.as_ref().is_none_or(|(number, ..)| *number != batch) {
            self.generation += 1;
            let block = Box::new([0; SUPERBLOCK_BYTES]);
            let header = PplBatch::begin(
                block,
                signature(),
                self.generation,
                &geometry,
                member,
                area.log_room(),
            );
            let longest = Sectors(PPL_HEADER_SECTORS.0 + area.log_room().0);
            let place = area.place(book.next, longest).expect("the area takes a log");
            book.batch = Some((batch, place.at, header));
        }
        let (_, at, header) = book.batch.as_mut().expect("there is one now");
        let start = area.start().0 + at.0;
        match command {
            Command::LogParity { rectangle, .. } => {
                let write = PplWrite::of(rectangle).expect("a row");
                let offset = header.add(write, bytes).expect("the engine keeps to the bounds");
                if !bytes.is_empty() {
                    self.writes.push((token.to_bits(), start + offset.0, bytes.to_vec()));
                }
            }
            Command::SealLog { .. }
            | Command::LogRow { .. }
            | Command::RecordTail { .. }
            | Command::Read { .. }
            | Command::Write { .. }
            | Command::Flush { .. }
            | Command::Record { .. }
            | Command::RecordBad { .. }
            | Command::RecordIntent { .. }
            | Command::RecordBackup { .. }
            | Command::Compute(_) => {
                let (_, at, header) = book.batch.take().expect("there is one now");
                let (length, block) = header.finish();
                book.next = Sectors(at.0 + length.0);
                self.writes.push((token.to_bits(), start, block.to_vec()));
            }
        }
    }

    /// What a command in flight writes, and where.
    pub(crate) fn written(&self, token: Token) -> Option<(u64, &[u8])> {
        let mut writes = self.writes.iter();
        let found = writes.find(|(bits, ..)| *bits == token.to_bits());
        found.map(|(_, at, bytes)| (*at, bytes.as_slice()))
    }

    /// The same, of one that has its turn now.
    pub(crate) fn end(&mut self, token: Token) -> Option<(u64, Vec<u8>)> {
        let number = self.writes.iter().position(|(bits, ..)| *bits == token.to_bits())?;
        let (_, at, bytes) = self.writes.remove(number);
        Some((at, bytes))
    }
}
