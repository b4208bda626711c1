//! Cuts a request into rectangles, one at a time, from a cursor.
//!
//! In a row the request covers a run of blocks; the first may start and the last may end inside its
//! chunk. Those two borders cut the row into at most three ranges of offsets, and in each of them
//! every block is covered whole or not at all.

use super::{Request, RequestKind};
use crate::geometry::{CopyGeometry, Geometry, ParityGeometry};
use crate::rectangle::{InShape, Rectangle, Span};
use crate::units::{DataIndex, Lba, Sectors, StripeRow};

/// How far a request has been cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cursor {
    /// At the first block of the request.
    Start,
    /// In a row, at this offset in its chunks.
    Row(StripeRow, Sectors),
    /// So far into the request.
    Linear(Sectors),
    /// Nothing is left.
    End,
}

/// The next rectangle, no longer than `longest`, and the cursor behind it. `None` at the end.
pub(crate) fn cut(
    geometry: &Geometry,
    request: &Request,
    cursor: Cursor,
    longest: impl Fn(&Rectangle) -> Sectors,
) -> Option<(Rectangle, Cursor)> {
    match geometry {
        Geometry::Parity(geometry) => cut_row(geometry, request, cursor, longest),
        Geometry::Copies(geometry) => cut_chunk(geometry, request, cursor, longest),
    }
}

fn cut_row(
    geometry: &ParityGeometry,
    request: &Request,
    cursor: Cursor,
    longest: impl Fn(&Rectangle) -> Sectors,
) -> Option<(Rectangle, Cursor)> {
    let chunk = geometry.chunk();
    let data_last = DataIndex(geometry.data_members().checked_sub(1)?);
    let first = geometry.map(request.at)?;
    let last = geometry.map(Lba(request.at.0.checked_add(request.sectors.0)?.checked_sub(1)?))?;
    let (row, offset) = match cursor {
        Cursor::Start if first.row == last.row && first.data == last.data => {
            (first.row, first.offset)
        }
        // A check compares whole rows, so it never skips to a covered block.
        Cursor::Start => (first.row, Sectors::ZERO),
        Cursor::Row(row, offset) => (row, offset),
        Cursor::Linear(_) | Cursor::End => return None,
    };
    // The blocks of this row that the request covers, and where the first starts and the last ends.
    let (from, from_offset) =
        if row == first.row { (first.data, first.offset) } else { (DataIndex(0), Sectors::ZERO) };
    let (to, to_offset) = if row == last.row {
        (last.data, last.offset.checked_add(Sectors(1))?)
    } else {
        (data_last, chunk)
    };
    if row > last.row {
        return None;
    }

    let mut start = offset;
    // At most three ranges in a row, of which at most one covers nothing.
    for _ in 0..3 {
        let low = if start >= from_offset { from.0 } else { from.0.checked_add(1)? };
        let high = if start < to_offset { Some(to.0) } else { to.0.checked_sub(1) };
        let border = [from_offset, to_offset, chunk].into_iter().filter(|at| *at > start).min()?;
        let covered =
            high.and_then(|high| high.checked_sub(low)).and_then(|span| span.checked_add(1));
        if let Some(count) = covered {
            let block = crate::geometry::RowAddress { row, data: DataIndex(low), offset: start };
            let caller = geometry.unmap(block)?.checked_since(request.at)?;
            let span = Span::Row {
                row,
                roles: geometry.row(row),
                first: DataIndex(low),
                count,
                stride: chunk,
                shape: InShape::Old,
            };
            let whole =
                Rectangle { span, offset: start, sectors: border.checked_sub(start)?, caller };
            let sectors = whole.sectors.min(longest(&whole));
            let end = start.checked_add(sectors)?;
            return Some((Rectangle { sectors, ..whole }, behind(row, end, chunk, last.row)?));
        }
        if border >= chunk {
            return None;
        }
        start = border;
    }
    None
}

/// The cursor behind a range that ends at `end` in `row`.
fn behind(row: StripeRow, end: Sectors, chunk: Sectors, last: StripeRow) -> Option<Cursor> {
    if end < chunk {
        Some(Cursor::Row(row, end))
    } else if row < last {
        Some(Cursor::Row(StripeRow(row.0.checked_add(1)?), Sectors::ZERO))
    } else {
        Some(Cursor::End)
    }
}

fn cut_chunk(
    geometry: &CopyGeometry,
    request: &Request,
    cursor: Cursor,
    longest: impl Fn(&Rectangle) -> Sectors,
) -> Option<(Rectangle, Cursor)> {
    let done = match cursor {
        Cursor::Start => Sectors::ZERO,
        Cursor::Linear(done) => done,
        Cursor::Row(..) | Cursor::End => return None,
    };
    let left = request.sectors.checked_sub(done).filter(|left| *left > Sectors::ZERO)?;
    let address = geometry.map(request.at.checked_add(done)?)?;
    let copies = geometry.copy_places(address.chunk);
    let span = Span::Chunk { chunk: address.chunk, copies, shape: InShape::Old };
    let rest = geometry.chunk().checked_sub(address.offset)?.min(left);
    let whole = Rectangle { span, offset: address.offset, sectors: rest, caller: done };
    let sectors = rest.min(longest(&whole));
    let done = done.checked_add(sectors)?;
    let next = if done < request.sectors { Cursor::Linear(done) } else { Cursor::End };
    Some((Rectangle { sectors, ..whole }, next))
}

impl Request {
    /// The request over whole rows where it is a check: every block of a row is compared with the
    /// others.
    pub(crate) fn widened(self, geometry: &Geometry) -> Self {
        let (RequestKind::Check, Geometry::Parity(parity)) = (self.kind, geometry) else {
            return self;
        };
        let width = parity.chunk().0.saturating_mul(u64::from(parity.data_members())).max(1);
        let end = self.at.0.saturating_add(self.sectors.0);
        let start = self.at.0.saturating_sub(self.at.0.checked_rem(width).unwrap_or(0));
        let end = end.checked_next_multiple_of(width).unwrap_or(end);
        Self { at: Lba(start), sectors: Sectors(end.saturating_sub(start)), ..self }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that panics has failed, and says where")]
mod tests;
