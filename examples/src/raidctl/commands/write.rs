//! `write`: standard input into the array.

use crate::array::{Names, Opened, say_events};
use crate::cli;
use crate::exit::Error;
use crate::images::{Purpose, none_is};
use crate::progress::Progress;
use crate::stream::{Copied, copy_in, unbuffered};
use raid_core::engine::Access;
use std::fs::File;
use std::io::Seek;

pub(super) fn run(arguments: &cli::Write) -> Result<(), Error> {
    let offset = arguments.offset;
    let opened = Opened::open(&arguments.members.images, Purpose::Write)?;
    let (assembled, size) = opened.content();
    let size = size.bytes().unwrap_or(u64::MAX);
    let mut input = unbuffered(std::io::stdin()).map_err(Error::Input)?;
    none_is(&assembled.images, &input, "standard input")?;
    let length = known_length(&mut input);
    if offset.checked_add(length.unwrap_or(0)).is_none_or(|end| end > size) {
        return Err(beyond(size, 0));
    }
    let names = Names::of(assembled);
    let cli::Insistence { degraded, force: cli::Force { dirty } } = arguments.insist;
    let mut workshop = match opened {
        Opened::AtRest(assembled) => assembled.into_writable(degraded, dirty)?,
        Opened::Reshaping(reshaping) => {
            reshaping.refuse_critical()?;
            reshaping.into_writable(degraded)?
        }
    };
    let (mut array, events) = workshop.start(Access::ReadWrite, dirty)?;

    let mut progress = Progress::new("write", length.unwrap_or(size));
    let copied = copy_in(&mut array, &mut input, offset..size, |bytes| progress.advance(bytes));
    // What could not be written leaves the array marked as dirty.
    let ended = match &copied {
        Ok(_) | Err(Error::Input(_)) => {
            array.mark_clean().map_err(|error| Error::engine("mark the array clean", &error))
        }
        Err(_) => Ok(()),
    };
    say_events(&events, &names);
    match (copied?, ended?) {
        (Copied::All { .. }, ()) => Ok(()),
        (Copied::Beyond { bytes }, ()) => Err(beyond(size, bytes)),
    }
}

fn beyond(size: u64, written: u64) -> Error {
    Error::Usage(format!(
        "the input reaches beyond the end of the array, which is at byte {size}; {written} bytes were written"
    ))
}

/// How much there is to read, where the input is a file.
fn known_length(input: &mut File) -> Option<u64> {
    let metadata = input.metadata().ok().filter(|metadata| metadata.is_file())?;
    let position = input.stream_position().ok()?;
    metadata.len().checked_sub(position)
}
