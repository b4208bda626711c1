//! What an entry says to do after a crash: which parity to compute anew, and from what.

use super::error::PplEntryError;
use super::header::PplEntry;
use crate::geometry::{ParityGeometry, RowAddress};
use crate::members::MemberSet;
use crate::units::{DataIndex, Lba, MemberIndex, Sectors, StripeRow};

/// Most pieces that the replay of an entry comes in.
pub const REPLAY_PIECES_MAX: usize = 3;

/// The pieces of a replay.
pub type ReplayPieces = heapless::Vec<ReplayPiece, REPLAY_PIECES_MAX>;

/// A range of one row's parity that is to be computed anew: the XOR of the same range of every
/// member in `modified`, and of the partial parity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplayPiece {
    /// The row.
    pub row: StripeRow,
    /// Where in the chunk the range begins.
    pub offset: Sectors,
    /// How long it is.
    pub sectors: Sectors,
    /// The members whose data were being written.
    pub modified: MemberSet,
    /// The member that holds the parity, and the log.
    pub parity: MemberIndex,
    /// Where in the log, from its header, the partial parity of this range begins; `None` if all
    /// data of the row were being written.
    pub partial_parity: Option<Sectors>,
}

/// What becomes of parity in a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParityFate {
    /// Compute it and write it.
    Recompute,
    /// Leave it. A written block is missing, and parity is all that is left of it: whatever comes
    /// back for it, old, new or neither, the write to it was never answered.
    Leave,
}

impl ReplayPiece {
    /// What becomes of the parity, given the members whose blocks can be read here. One that is
    /// being rebuilt and is not this far yet cannot.
    #[must_use]
    pub fn fate(&self, readable: MemberSet) -> ParityFate {
        match self.modified.difference(readable).is_empty() {
            true => ParityFate::Recompute,
            false => ParityFate::Leave,
        }
    }
}

/// The written data, as an entry of any writer describes them.
///
/// Sector `i` of the partial parity belongs to the data sectors `first + i`, and those one chunk,
/// two chunks and so on further, as far as they lie before `end` and there are `blocks` of them.
#[derive(Clone, Copy)]
struct Written {
    first: u64,
    end: u64,
    blocks: u64,
    /// How many sectors of parity are concerned.
    strip: u64,
}

impl PplEntry {
    /// What to compute anew for this entry, in an array of this geometry, of which `holder` had the
    /// log. The partial parity must have been found intact.
    ///
    /// The kernel writes an entry for a rectangle of one row, and the answer is one piece. Others
    /// write entries whose data begin in the middle of one chunk and end in the middle of another;
    /// those come in up to three.
    ///
    /// # Errors
    ///
    /// Says why the entry cannot be of this array.
    pub fn replay(
        &self,
        geometry: &ParityGeometry,
        holder: MemberIndex,
    ) -> Result<ReplayPieces, PplEntryError> {
        if geometry.parity() != 1 {
            return Err(PplEntryError::Level);
        }
        let written = self.written(geometry)?;
        let chunk = geometry.chunk().0;
        let start = self.map(geometry, 0)?;
        // The number of modified blocks changes where the last of them ends, and all of them move
        // on by one where the first ends.
        let to_chunk_end = chunk.saturating_sub(start.offset.0);
        let last = written.end.saturating_sub(written.first).checked_rem(chunk).unwrap_or(0);
        let (near, far) = (to_chunk_end.min(last), to_chunk_end.max(last));
        let mut pieces = ReplayPieces::new();
        let mut from = 0;
        for to in [near, far, written.strip].map(|to| to.min(written.strip)) {
            if from >= to {
                continue;
            }
            if let Some(piece) = self.piece(geometry, holder, written, from, to)? {
                if piece.row != start.row {
                    return Err(PplEntryError::Range { first: self.first });
                }
                // Three bounds make three pieces at most.
                let _ = pieces.push(piece);
            }
            from = to;
        }
        Ok(pieces)
    }

    fn written(&self, geometry: &ParityGeometry) -> Result<Written, PplEntryError> {
        let sizes = PplEntryError::Sizes { data: self.data, partial_parity: self.partial_parity };
        let (data, partial, chunk) = (self.data.0, self.partial_parity.0, geometry.chunk().0);
        let all = u64::from(geometry.data_members());
        let (blocks, strip) = match partial {
            0 => (all, exact_quotient(data, all).ok_or(sizes)?),
            _ if partial < chunk => (exact_quotient(data, partial).ok_or(sizes)?, partial),
            _ => (all, partial),
        };
        let room = blocks.checked_mul(chunk).ok_or(sizes)?;
        if data == 0 || strip > chunk || blocks > all || data > room {
            return Err(sizes);
        }
        let range = PplEntryError::Range { first: self.first };
        let reach = match strip == chunk {
            true => data,
            // All blocks but the last are a chunk apart.
            false => room.saturating_sub(chunk).saturating_add(strip),
        };
        let end = self.first.0.checked_add(reach).ok_or(range)?;
        Ok(Written { first: self.first.0, end, blocks, strip })
    }

    fn map(&self, geometry: &ParityGeometry, at: u64) -> Result<RowAddress, PplEntryError> {
        self.first
            .checked_add(Sectors(at))
            .and_then(|lba: Lba| geometry.map(lba))
            .ok_or(PplEntryError::Range { first: self.first })
    }

    /// What is to be done for the sectors of the partial parity between two numbers, in which
    /// nothing changes; `None` if there is nothing.
    fn piece(
        &self,
        geometry: &ParityGeometry,
        holder: MemberIndex,
        written: Written,
        from: u64,
        to: u64,
    ) -> Result<Option<ReplayPiece>, PplEntryError> {
        let range = PplEntryError::Range { first: self.first };
        let before = written.end.saturating_sub(written.first.saturating_add(from));
        let blocks = before.div_ceil(geometry.chunk().0.max(1)).min(written.blocks);
        if blocks == 0 {
            return Ok(None);
        }
        let RowAddress { row, data, offset } = self.map(geometry, from)?;
        let roles = geometry.row(row);
        let parity = roles.p();
        if u32::from(parity.0) != self.parity_place || parity != holder {
            return Err(PplEntryError::ParityPlace { named: self.parity_place, holds: parity });
        }
        let end = u8::try_from(blocks).ok().and_then(|count| data.0.checked_add(count));
        let end = end.filter(|end| *end <= geometry.data_members()).ok_or(range)?;
        let modified = (data.0..end).filter_map(|index| roles.member(DataIndex(index))).collect();
        let partial_parity = match self.partial_parity {
            Sectors::ZERO => None,
            Sectors(_) => self.log_offset.checked_add(Sectors(from)),
        };
        let sectors = Sectors(to.saturating_sub(from));
        Ok(Some(ReplayPiece { row, offset, sectors, modified, parity, partial_parity }))
    }
}

fn exact_quotient(number: u64, by: u64) -> Option<u64> {
    match number.checked_rem(by)? {
        0 => number.checked_div(by),
        _ => None,
    }
}
