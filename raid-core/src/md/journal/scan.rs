//! Recovery: a walk along the journal from its tail, one block at a time.

use super::error::{JournalError, MetaError};
use super::meta::{Cursor, MetaBlock, ParityChecksums, Payload};
use super::ring::{Journal, JournalHead, JournalSector};
use super::table::{LoggedBlock, Table};
use super::writer::JournalWriter;
use crate::geometry::{ParityGeometry, Row};
use crate::md::bytes::Block;
use crate::units::{Lba, MemberSector, Sectors, StripeRow};

/// How far the sequence number jumps after recovery.
pub const SEQUENCE_JUMP: u64 = 10_000;

/// Memory for a scan.
#[derive(Debug)]
pub struct JournalMemory<'m> {
    /// For the meta block at hand.
    pub meta: &'m mut Block,
    /// For blocks that wait for the parity of their row. A journal in write-through mode needs one
    /// for each member; one in write-back mode, for each block that was not yet written out.
    pub blocks: &'m mut [LoggedBlock],
}

/// What a scan wants done next.
///
/// Any failure to read or to write ends the recovery; it can begin anew as often as needed, as long
/// as the tail on record stays where it is.
#[derive(Debug)]
pub enum JournalScan<'m> {
    /// Read a block that may be a meta block.
    ReadMeta(ReadMeta<'m>),
    /// Read a block whose checksum is known.
    Verify(VerifyBlock<'m>),
    /// Copy a block to a member.
    Copy(CopyBlock<'m>),
    /// The end of the log is found.
    End(JournalEnd<'m>),
    /// The journal cannot be replayed.
    Refused(JournalError),
}

/// A scan that is to be given a meta block.
#[derive(Debug)]
pub struct ReadMeta<'m> {
    walk: Walk<'m>,
}

/// A scan that is to be given a block of data or parity.
#[derive(Debug)]
pub struct VerifyBlock<'m> {
    walk: Walk<'m>,
    /// The payload that speaks of the block.
    payload: Cursor,
    /// How many blocks of that payload were verified.
    verified: u8,
    /// How many blocks of the meta block were.
    passed: u64,
}

/// A scan that has a block of a whole row to be copied from the journal.
#[derive(Debug)]
pub struct CopyBlock<'m> {
    walk: Walk<'m>,
    /// The payload behind the row's parity, and the number of blocks up to it.
    payload: Cursor,
    passed: u64,
    block: LoggedBlock,
}

/// The end of a log.
#[derive(Debug)]
pub struct JournalEnd<'m> {
    /// The block that is no valid meta block any more, and the number it would have.
    pub head: JournalHead,
    /// Why the log ends there.
    pub stop: JournalStop,
    /// How many rows were copied.
    pub rows: u64,
    /// Blocks of rows without parity in the journal: data that were answered when they were in the
    /// journal, and are on no member. Write each to the array, parity with it, before the tail moves
    /// on. There are none in write-through mode.
    pub cached: &'m [LoggedBlock],
    journal: Journal,
}

/// Why a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalStop {
    /// The next block is no meta block of this array.
    Meta(MetaError),
    /// It is one of an earlier turn of the ring, or from before an earlier recovery.
    Stale {
        /// Its number.
        sequence: u64,
    },
    /// The ring is full: there is no next block.
    Around,
}

#[derive(Debug)]
struct Walk<'m> {
    journal: Journal,
    geometry: ParityGeometry,
    meta: &'m mut Block,
    table: Table<'m>,
    position: JournalSector,
    /// What the next meta block must have; `None` at the tail, where any will do.
    sequence: Option<u64>,
    rows: u64,
    /// How many blocks of the ring are left.
    left: u64,
}

impl<'m> JournalScan<'m> {
    /// Begins at the tail that is on record.
    #[must_use]
    pub fn begin(
        journal: Journal,
        tail: JournalSector,
        geometry: &ParityGeometry,
        memory: JournalMemory<'m>,
    ) -> Self {
        let JournalMemory { meta, blocks } = memory;
        Self::ReadMeta(ReadMeta {
            walk: Walk {
                journal,
                geometry: *geometry,
                meta,
                table: Table::new(blocks),
                position: tail,
                sequence: None,
                rows: 0,
                left: journal.blocks(),
            },
        })
    }
}

impl<'m> ReadMeta<'m> {
    /// Where the block is to be read from.
    #[must_use]
    pub const fn position(&self) -> JournalSector {
        self.walk.position
    }

    /// Takes the block.
    #[must_use]
    pub fn feed(self, block: &Block) -> JournalScan<'m> {
        let mut walk = self.walk;
        let meta = match MetaBlock::parse(block, walk.journal.seed()) {
            Ok(meta) => meta,
            Err(error) => return walk.not_meta(error),
        };
        let (sequence, position) = (meta.sequence(), meta.position());
        if position != walk.position.offset().0 {
            return walk.not_meta(MetaError::Elsewhere { position });
        }
        if walk.sequence.is_some_and(|is| is != sequence) {
            return walk.end(JournalStop::Stale { sequence });
        }
        walk.sequence = Some(sequence);
        // The meta block itself and what it speaks of must not reach around to the tail.
        match walk.left.checked_sub(meta.blocks().saturating_add(1)) {
            None => return walk.end(JournalStop::Around),
            Some(_) => walk.meta.copy_from_slice(block),
        }
        VerifyBlock { walk, payload: Cursor::FIRST, verified: 0, passed: 0 }.settle()
    }
}

impl<'m> VerifyBlock<'m> {
    /// Where the block is to be read from.
    #[must_use]
    pub fn position(&self) -> JournalSector {
        self.walk.behind_meta(self.passed)
    }

    /// Takes the block.
    #[must_use]
    pub fn feed(mut self, block: &Block) -> JournalScan<'m> {
        let sum = self.walk.journal.seed().checksum(block);
        let payload = self.payload.step(&MetaBlock::kept(self.walk.meta));
        let expected = payload.and_then(|(payload, _)| match (payload, self.verified) {
            (Payload::Data { checksum, .. }, _) => Some(checksum),
            (Payload::Parity { checksums: ParityChecksums::P(p), .. }, _)
            | (Payload::Parity { checksums: ParityChecksums::PAndQ(p, _), .. }, 0) => Some(p),
            (Payload::Parity { checksums: ParityChecksums::PAndQ(_, q), .. }, _) => Some(q),
            (Payload::Flush { .. }, _) => None,
        });
        if expected != Some(sum) {
            // The power went while these blocks were written: none of them was begun on a member.
            // md looks for the next meta block right behind this one, and so leaves its mark there.
            return self.walk.go_on(1);
        }
        self.verified = self.verified.saturating_add(1);
        self.passed = self.passed.saturating_add(1);
        self.settle()
    }

    /// The next block to verify or, if all are, the first to copy.
    fn settle(mut self) -> JournalScan<'m> {
        while let Some((payload, next)) = self.payload.step(&MetaBlock::kept(self.walk.meta)) {
            if self.verified < payload.blocks() {
                return JournalScan::Verify(self);
            }
            self.payload = next;
            self.verified = 0;
        }
        self.walk.apply(Cursor::FIRST, 0)
    }
}

impl<'m> CopyBlock<'m> {
    /// The block in the journal, and where to write it. A member that is missing is left out; so are
    /// writes that fail because the member does.
    #[must_use]
    pub const fn block(&self) -> LoggedBlock {
        self.block
    }

    /// Goes on, once the block is written: not yet durable.
    #[must_use]
    pub fn done(mut self) -> JournalScan<'m> {
        match self.walk.table.take(self.block.address) {
            Some(block) => JournalScan::Copy(Self { block, ..self }),
            None => {
                self.walk.rows = self.walk.rows.saturating_add(1);
                self.walk.apply(self.payload, self.passed)
            }
        }
    }
}

impl<'m> Walk<'m> {
    fn behind_meta(&self, blocks: u64) -> JournalSector {
        self.journal.advance(self.position, blocks.saturating_add(1))
    }

    /// Takes in payloads, all of whose blocks are verified, up to a row that is complete.
    fn apply(mut self, mut cursor: Cursor, mut passed: u64) -> JournalScan<'m> {
        loop {
            let source = self.behind_meta(passed);
            let meta = MetaBlock::kept(self.meta);
            // Each payload moves the cursor on, to the end of the block at last.
            let Some((payload, next)) = cursor.step(&meta) else {
                return self.go_on(passed.saturating_add(1));
            };
            passed = passed.saturating_add(payload.blocks().into());
            cursor = next;
            let outcome = match payload {
                Payload::Data { address, .. } => data_place(&self.geometry, address, source)
                    .map(|block| (None, [Some(block), None])),
                Payload::Parity { address, checksums } => {
                    let second = self.journal.advance(source, 1);
                    parity_places(&self.geometry, address, checksums, [source, second])
                        .map(|blocks| (Some(address), blocks))
                }
                Payload::Flush { rows } => {
                    for address in rows.iter() {
                        // Ends with the table, which gets shorter each time.
                        while self.table.take(address).is_some() {}
                    }
                    continue;
                }
            };
            let (complete, blocks) = match outcome {
                Ok(outcome) => outcome,
                Err(error) => return JournalScan::Refused(error),
            };
            // Parity without data is what is left of a row that was on the members before the tail
            // moved past its data.
            if complete.is_some_and(|address| self.table.find(address).is_none()) {
                continue;
            }
            for block in blocks.into_iter().flatten() {
                if self.table.insert(block).is_err() {
                    let blocks = self.table.capacity();
                    return JournalScan::Refused(JournalError::Memory { blocks });
                }
            }
            if let Some(block) = complete.and_then(|address| self.table.take(address)) {
                return JournalScan::Copy(CopyBlock { walk: self, payload: cursor, passed, block });
            }
        }
    }

    /// To the block where the next meta block may be.
    fn go_on(mut self, blocks: u64) -> JournalScan<'m> {
        self.position = self.journal.advance(self.position, blocks);
        self.sequence = self.sequence.map(|sequence| sequence.wrapping_add(1));
        self.left = self.left.saturating_sub(blocks);
        match self.left {
            0 => self.end(JournalStop::Around),
            _ => JournalScan::ReadMeta(ReadMeta { walk: self }),
        }
    }

    fn not_meta(self, error: MetaError) -> JournalScan<'m> {
        match error {
            // What is written whole and not understood must not be passed over.
            MetaError::Size { .. }
            | MetaError::Kind { .. }
            | MetaError::Flags { .. }
            | MetaError::PayloadSize { .. } => JournalScan::Refused(JournalError::Meta(error)),
            MetaError::NotMeta
            | MetaError::Version { .. }
            | MetaError::Checksum { .. }
            | MetaError::Elsewhere { .. } => match self.sequence {
                Some(_) => self.end(JournalStop::Meta(error)),
                None => JournalScan::Refused(JournalError::NoLog(error)),
            },
        }
    }

    fn end(self, stop: JournalStop) -> JournalScan<'m> {
        let Self { journal, position, sequence, rows, table, .. } = self;
        let head = JournalHead { position, sequence: sequence.unwrap_or(0) };
        JournalScan::End(JournalEnd { head, stop, rows, cached: table.into_rest(), journal })
    }
}

impl JournalEnd<'_> {
    /// Puts into `block` the empty meta block that a recovered log begins with. Write it to the
    /// [head](Self::head), durable, and record that as the tail; both after the members are flushed.
    /// Says where the first meta block of the new log goes.
    #[must_use]
    pub fn restart(&self, block: &mut Block) -> JournalHead {
        let sequence = self.head.sequence.wrapping_add(SEQUENCE_JUMP);
        let head = JournalHead { sequence, ..self.head };
        JournalWriter::begin(block, self.journal, head).finish()
    }
}

fn data_place(
    geometry: &ParityGeometry,
    address: Lba,
    source: JournalSector,
) -> Result<LoggedBlock, JournalError> {
    let place = || {
        let at = geometry.map(address)?;
        let member = geometry.row(at.row).member(at.data)?;
        let address = geometry.member_sector(at.row, at.offset)?;
        address.0.is_multiple_of(BLOCK).then_some(LoggedBlock { member, address, source })
    };
    place().ok_or(JournalError::Data { address })
}

fn parity_places(
    geometry: &ParityGeometry,
    address: MemberSector,
    checksums: ParityChecksums,
    [first, second]: [JournalSector; 2],
) -> Result<[Option<LoggedBlock>; 2], JournalError> {
    let wrong = JournalError::Parity { address };
    let row = row_at(geometry, address).ok_or(wrong)?;
    let p = LoggedBlock { member: row.p(), address, source: first };
    match (checksums, row.q()) {
        (ParityChecksums::P(_), None) => Ok([Some(p), None]),
        (ParityChecksums::PAndQ(..), Some(member)) => {
            Ok([Some(p), Some(LoggedBlock { member, address, source: second })])
        }
        (ParityChecksums::P(_), Some(_)) | (ParityChecksums::PAndQ(..), None) => Err(wrong),
    }
}

const BLOCK: u64 = super::ring::JOURNAL_BLOCK_SECTORS.0;

/// The roles in the row at an address on the members, or `None` if no block begins there.
fn row_at(geometry: &ParityGeometry, address: MemberSector) -> Option<Row> {
    let chunk = geometry.chunk().0;
    let row = StripeRow(address.0.checked_div(chunk)?);
    let offset = Sectors(address.0.checked_rem(chunk)?);
    geometry.member_sector(row, offset).filter(|at| at.0.is_multiple_of(BLOCK))?;
    Some(geometry.row(row))
}
