//! An array's content as a stream: in pieces of whole rows, so that no row is read or written in two parts.

use crate::array::Array;
use crate::exit::Error;
use core::ops::Range;
use raid_core::blocking::{self, BlockDevice};
use raid_core::geometry::Geometry;
use raid_core::host::{Durability, Event, Failure};
use raid_core::units::Sectors;
use std::io::{self, Read, Write};
use std::sync::mpsc::Receiver;

/// About how much is done at a time.
const PIECE_BYTES: u64 = 4 << 20;

/// Longer rows are done in parts.
const ROW_BYTES_MAX: u64 = 32 << 20;

/// Data bytes in a row, or in a chunk where there are copies: the unit that is best done at once.
pub(crate) fn row_bytes(geometry: &Geometry) -> u64 {
    let blocks = match geometry {
        Geometry::Parity(parity) => parity.data_members(),
        Geometry::Copies(_) => 1,
    };
    let row = geometry.chunk().bytes().and_then(|chunk| chunk.checked_mul(blocks.into()));
    row.filter(|row| *row > 0).unwrap_or(PIECE_BYTES)
}

/// The length of a piece: whole rows.
pub(crate) fn piece_bytes(geometry: &Geometry) -> u64 {
    let row = row_bytes(geometry);
    let rows = PIECE_BYTES.checked_div(row).unwrap_or(1).max(1);
    if row > ROW_BYTES_MAX { PIECE_BYTES } else { rows.saturating_mul(row) }
}

/// The pieces of a range, cut where pieces of the whole array end.
pub(crate) fn pieces(range: Range<u64>, piece: u64) -> impl Iterator<Item = Range<u64>> {
    let Range { start: mut at, end } = range;
    core::iter::from_fn(move || {
        let border = at.checked_div(piece)?.checked_add(1)?.checked_mul(piece)?;
        let start = at;
        at = border.min(end);
        (start < end).then_some(start..at)
    })
}

/// Ranges of bytes that are lost, in ascending order.
#[derive(Debug, Default)]
pub(crate) struct Losses(Vec<Range<u64>>);

impl Losses {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, range: Range<u64>) {
        match self.0.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            Some(_) | None => self.0.push(range),
        }
    }

    /// All of them: the first byte and the last of each.
    pub(crate) fn list(&self) -> String {
        let range = |range: &Range<u64>| format!("{}-{}", range.start, range.end.saturating_sub(1));
        self.0.iter().map(range).collect::<Vec<_>>().join(", ")
    }
}

/// Writes a range of the array to `output`, lost bytes as zeroes.
pub(crate) fn copy_out<D: BlockDevice>(
    array: &mut Array<'_, D>,
    events: &Receiver<Event>,
    range: Range<u64>,
    output: &mut impl Write,
    mut each: impl FnMut(u64, &[Event]),
) -> Result<Losses, Error> {
    let piece = piece_bytes(array.geometry());
    let mut buffer = Vec::new();
    let mut losses = Losses::default();
    for part in pieces(range, piece) {
        let length = part.end.saturating_sub(part.start);
        buffer.resize(usize::try_from(length).unwrap_or(0), 0);
        let result = array.read_bytes(part.start, &mut buffer);
        let events: Vec<_> = events.try_iter().collect();
        match result {
            Ok(()) => {}
            Err(blocking::Error::Failed(Failure::Unrecoverable { .. })) => {
                let mut lost: Vec<_> =
                    events.iter().filter_map(|event| lost_bytes(event, &part)).collect();
                lost.sort_by_key(|range| range.start);
                for range in lost {
                    erase(&mut buffer, &part, &range);
                    losses.add(range);
                }
            }
            Err(error) => return Err(Error::engine(&at("read", part.start), &error)),
        }
        output.write_all(&buffer).map_err(Error::output)?;
        each(length, &events);
    }
    Ok(losses)
}

/// The bytes of a part that an event says are lost.
fn lost_bytes(event: &Event, part: &Range<u64>) -> Option<Range<u64>> {
    let Event::RangeLost { at, sectors, .. } = *event else { return None };
    let start = Sectors(at.0).bytes()?;
    let end = start.checked_add(sectors.bytes()?)?;
    let range = start.max(part.start)..end.min(part.end);
    (!range.is_empty()).then_some(range)
}

fn erase(buffer: &mut [u8], part: &Range<u64>, range: &Range<u64>) {
    let index = |at: u64| at.checked_sub(part.start).and_then(|at| usize::try_from(at).ok());
    if let (Some(start), Some(end)) = (index(range.start), index(range.end))
        && let Some(bytes) = buffer.get_mut(start..end)
    {
        bytes.fill(0);
    }
}

/// How a copy into the array ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// All of the input is in the array.
    All { bytes: u64 },
    /// The input is longer than the array; what comes behind its end, and the piece that reaches there, is not.
    Beyond { bytes: u64 },
}

/// Writes `input` into the array from the start of a range on, which ends where the array does.
pub(crate) fn copy_in<D: BlockDevice>(
    array: &mut Array<'_, D>,
    input: &mut impl Read,
    range: Range<u64>,
    mut each: impl FnMut(u64),
) -> Result<Copied, Error> {
    let piece = piece_bytes(array.geometry());
    let mut bytes = 0_u64;
    let mut buffer = Vec::new();
    // One byte more than there is room for shows whether the input goes on.
    for part in pieces(range.start..u64::MAX, piece) {
        buffer.clear();
        let length = part.end.saturating_sub(part.start);
        let found = input.take(length).read_to_end(&mut buffer).map_err(Error::Input)?;
        let found = u64::try_from(found).unwrap_or(u64::MAX);
        if found == 0 {
            break;
        }
        if part.start.saturating_add(found) > range.end {
            return Ok(Copied::Beyond { bytes });
        }
        array
            .write_bytes(part.start, &buffer, Durability::Cached)
            .map_err(|error| Error::engine(&at("write", part.start), &error))?;
        bytes = bytes.saturating_add(found);
        each(found);
        if found < length {
            break;
        }
    }
    Ok(Copied::All { bytes })
}

fn at(what: &str, offset: u64) -> String {
    format!("{what} at byte {offset}")
}

/// Standard input or output without a buffer of its own: pieces are long.
pub(crate) fn unbuffered(stream: impl std::os::fd::AsFd) -> io::Result<std::fs::File> {
    stream.as_fd().try_clone_to_owned().map(std::fs::File::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Assembled;
    use crate::commands::demo::files;
    use crate::images::{Image, Purpose};
    use raid_core::engine::{Access, Dirty};
    use raid_core::host::Fault;
    use raid_core::io_limits::IoLimits;
    use raid_core::units::DeviceSector;

    /// An image with sectors that cannot be read.
    struct Scratched {
        image: Image,
        unreadable: Range<u64>,
    }

    impl BlockDevice for Scratched {
        fn read(&mut self, at: DeviceSector, into: &mut [u8]) -> Result<(), Fault> {
            let end = at.0.saturating_add(u64::try_from(into.len() / 512).unwrap_or(0));
            match at.0 < self.unreadable.end && self.unreadable.start < end {
                true => Err(Fault::Media),
                false => self.image.read(at, into),
            }
        }

        fn write(&mut self, at: DeviceSector, from: &[u8], how: Durability) -> Result<(), Fault> {
            self.image.write(at, from, how)
        }

        fn flush(&mut self) -> Result<(), Fault> {
            self.image.flush()
        }

        fn limits(&self) -> IoLimits {
            self.image.limits()
        }
    }

    #[test]
    fn what_is_lost_is_named_and_given_as_zeroes() {
        let directory = tempfile::tempdir().unwrap();
        let paths = files::make(directory.path(), 1 << 20).unwrap();
        let content: Vec<u8> = (0..1_u32 << 20).map(|at| at.to_le_bytes()[1] | 1).collect();
        let open = |purpose| Assembled::open(&paths, purpose).unwrap();
        {
            let refuse = (crate::cli::Absence::Refuse, Dirty::Refuse);
            let mut workshop = open(Purpose::Write).into_writable(refuse.0, refuse.1).unwrap();
            let (mut array, _) = workshop.start(Access::ReadWrite, Dirty::Refuse).unwrap();
            let copied = copy_in(&mut array, &mut content.as_slice(), 0..1 << 20, |_| {}).unwrap();
            assert_eq!(copied, Copied::All { bytes: 1 << 20 });
            array.mark_clean().unwrap();
        }
        // In row 0 of six members the data blocks lie on members 1 to 4. Of three, the second 4 KiB are lost.
        let first = files::DATA_OFFSET.0;
        let mut member = 0;
        let workshop = open(Purpose::Read).into_readable(Dirty::Refuse).unwrap();
        let mut workshop = workshop.map_devices(|image| {
            let lost = (1..=3).contains(&member);
            member += 1;
            let unreadable = if lost { first + 8..first + 16 } else { 0..0 };
            Scratched { image, unreadable }
        });
        let (mut array, events) = workshop.start(Access::ReadOnly, Dirty::Refuse).unwrap();
        let lost = [4096..8192, 69_632..73_728, 135_168..139_264_usize];
        for start in [0, 5000, 8192] {
            let mut output = Vec::new();
            let range = start..1 << 20;
            let losses = copy_out(&mut array, &events, range, &mut output, |_, _| {}).unwrap();
            let start = usize::try_from(start).unwrap();
            let mut expected = content.clone();
            lost.iter().for_each(|range| expected[range.clone()].fill(0));
            assert!(output == expected[start..], "from {start}");
            let named = lost.iter().map(|range| range.start.max(start)..range.end);
            let named = named.filter(|range| !range.is_empty());
            let named = named.map(|range| format!("{}-{}", range.start, range.end - 1));
            assert_eq!(losses.list(), named.collect::<Vec<_>>().join(", "));
        }
    }

    #[test]
    fn pieces_end_where_those_of_the_whole_end() {
        let cut = |range, piece| pieces(range, piece).collect::<Vec<_>>();
        assert_eq!(cut(0..10, 4), [0..4, 4..8, 8..10]);
        assert_eq!(cut(3..9, 4), [3..4, 4..8, 8..9]);
        assert_eq!(cut(4..12, 4), [4..8, 8..12]);
        assert_eq!(cut(7..7, 4), []);
    }
}
