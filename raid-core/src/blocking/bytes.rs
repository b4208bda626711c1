//! Reads and writes that begin and end anywhere: whole blocks go as they are, the edges by way of a block of their own.

use super::{Array, BlockDevice, Error, Keeper};
use crate::engine::Refusal;
use crate::host::Durability;
use crate::io_limits::ALIGNMENT_BYTES_MAX;
use crate::units::{Lba, SECTOR_BYTES};

const BLOCK_BYTES_MAX: usize = 4096;

const _: () = assert!(ALIGNMENT_BYTES_MAX == 4096, "the two constants are one length");

/// A run of bytes inside one logical block.
struct Edge {
    block: Lba,
    /// Where in the block the run starts.
    start: usize,
}

impl<D: BlockDevice, K: Keeper<D>> Array<'_, D, K> {
    /// Reads bytes, the first of them `offset_bytes` into the array, until `into` is full.
    ///
    /// # Errors
    /// As [`Array::read`]. Ranges that are lost are named in whole blocks.
    pub fn read_bytes(&mut self, offset_bytes: u64, into: &mut [u8]) -> Result<(), Error> {
        let cut = self.cut(offset_bytes, into.len())?;
        let (head, rest) = into.split_at_mut_checked(cut.head).ok_or(Error::Lanes)?;
        let (body, tail) = rest.split_at_mut_checked(cut.body).ok_or(Error::Lanes)?;
        // What follows a lost range is read all the same.
        let first = lost(Ok(()), self.read_edge(&cut.first, head))?;
        let first = lost(first, self.read(cut.middle, body))?;
        lost(first, self.read_edge(&cut.last, tail))?
    }

    fn read_edge(&mut self, edge: &Edge, into: &mut [u8]) -> Result<(), Error> {
        if into.is_empty() {
            return Ok(());
        }
        let mut block = [0; BLOCK_BYTES_MAX];
        let block = block.get_mut(..self.block_bytes()).ok_or(Error::Lanes)?;
        let result = self.read(edge.block, block);
        into.iter_mut().zip(block.iter().skip(edge.start)).for_each(|(to, from)| *to = *from);
        result
    }

    /// Writes bytes, the first of them `offset_bytes` into the array. What shares a block with the edges is read first
    /// and written back as it was.
    ///
    /// # Errors
    /// Part of it may have been written. A block that cannot be read is not written.
    pub fn write_bytes(
        &mut self,
        offset_bytes: u64,
        from: &[u8],
        durability: Durability,
    ) -> Result<(), Error> {
        let cut = self.cut(offset_bytes, from.len())?;
        let (head, rest) = from.split_at_checked(cut.head).ok_or(Error::Lanes)?;
        let (body, tail) = rest.split_at_checked(cut.body).ok_or(Error::Lanes)?;
        self.write_edge(&cut.first, head, durability)?;
        self.write(cut.middle, body, durability)?;
        self.write_edge(&cut.last, tail, durability)
    }

    fn write_edge(
        &mut self,
        edge: &Edge,
        from: &[u8],
        durability: Durability,
    ) -> Result<(), Error> {
        if from.is_empty() {
            return Ok(());
        }
        let mut block = [0; BLOCK_BYTES_MAX];
        let block = block.get_mut(..self.block_bytes()).ok_or(Error::Lanes)?;
        self.read(edge.block, block)?;
        block.iter_mut().skip(edge.start).zip(from).for_each(|(to, from)| *to = *from);
        self.write(edge.block, block, durability)
    }

    fn block_bytes(&self) -> usize {
        self.engine.limits().logical_block().memory_bytes().unwrap_or(BLOCK_BYTES_MAX)
    }

    /// Cuts a range at the borders of logical blocks.
    fn cut(&self, offset_bytes: u64, length: usize) -> Result<Cut, Error> {
        let outside = Error::Refused(Refusal::Range { size: self.size() });
        let block_bytes = self.block_bytes();
        let end = u64::try_from(length).ok().and_then(|length| offset_bytes.checked_add(length));
        match (end, self.size().bytes()) {
            (Some(end), Some(size)) if end <= size => {}
            (Some(_) | None, Some(_) | None) => return Err(outside),
        }
        let block = u64::try_from(block_bytes).map_err(|_| outside)?;
        let start = offset_bytes.checked_rem(block).unwrap_or(0);
        let first_block = offset_bytes.saturating_sub(start);
        let start = usize::try_from(start).map_err(|_| outside)?;
        let head = match start {
            0 => 0,
            _ => block_bytes.saturating_sub(start).min(length),
        };
        let rest = length.saturating_sub(head);
        let body = rest.saturating_sub(rest.checked_rem(block_bytes).unwrap_or(0));
        let middle = first_block.saturating_add(if head == 0 { 0 } else { block });
        let last_block = middle.saturating_add(u64::try_from(body).map_err(|_| outside)?);
        Ok(Cut {
            head,
            body,
            first: Edge { block: lba(first_block), start },
            middle: lba(middle),
            last: Edge { block: lba(last_block), start: 0 },
        })
    }
}

struct Cut {
    /// Bytes before the first whole block.
    head: usize,
    /// Bytes of whole blocks.
    body: usize,
    first: Edge,
    middle: Lba,
    last: Edge,
}

fn lba(bytes: u64) -> Lba {
    Lba(bytes.wrapping_shr(SECTOR_BYTES.trailing_zeros()))
}

/// The first loss of several; any other error ends the call.
fn lost(first: Result<(), Error>, next: Result<(), Error>) -> Result<Result<(), Error>, Error> {
    match next {
        Ok(()) => Ok(first),
        Err(Error::Failed(failure)) => Ok(first.and(Err(Error::Failed(failure)))),
        Err(error @ (Error::Refused(_) | Error::Lanes | Error::Stalled)) => Err(error),
    }
}
