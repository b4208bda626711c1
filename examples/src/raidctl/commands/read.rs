//! `read`: the array's content to standard output.

use crate::array::{Names, Opened};
use crate::cli;
use crate::exit::Error;
use crate::images::{Purpose, none_is};
use crate::progress::Progress;
use crate::stream::{copy_out, unbuffered};
use core::ops::Range;
use raid_core::engine::Access;

pub(super) fn run(arguments: &cli::Read) -> Result<(), Error> {
    let opened = Opened::open(&arguments.members.images, Purpose::Read)?;
    let (assembled, size) = opened.content();
    let size = size.bytes().unwrap_or(u64::MAX);
    let range = range(arguments.offset, arguments.length, size)?;
    let mut output = unbuffered(std::io::stdout()).map_err(Error::Output)?;
    none_is(&assembled.images, &output, "standard output")?;
    let names = Names::of(assembled);
    let dirty = arguments.force.dirty;
    let mut workshop = match opened {
        Opened::AtRest(assembled) => assembled.into_readable(dirty)?,
        Opened::Reshaping(reshaping) => reshaping.into_readable()?,
    };
    let (mut array, events) = workshop.start(Access::ReadOnly, dirty)?;

    let mut progress = Progress::new("read", range.end.saturating_sub(range.start));
    let losses = copy_out(&mut array, &events, range, &mut output, |bytes, events| {
        events.iter().for_each(|event| names.say(*event));
        progress.advance(bytes);
    })?;
    match losses.is_empty() {
        true => Ok(()),
        false => Err(Error::Lost(format!(
            "bytes {} are lost and were given as zeroes: more members fail there than the redundancy makes up for",
            losses.list()
        ))),
    }
}

/// The bytes asked for, if the array has them.
fn range(offset: u64, length: Option<u64>, size: u64) -> Result<Range<u64>, Error> {
    let end = match length {
        Some(length) => offset.checked_add(length),
        None => Some(size),
    };
    match end {
        Some(end) if offset <= end && end <= size => Ok(offset..end),
        Some(_) | None => {
            Err(Error::Usage(format!("the range leaves the array, which ends at byte {size}")))
        }
    }
}
