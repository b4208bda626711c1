//! `check`: compares parity or copies of the whole array.

use crate::array::{Array, Assembled, Names, say_events};
use crate::cli;
use crate::exit::Error;
use crate::images::Purpose;
use crate::progress::Progress;
use crate::report::{self, Scrubbed};
use crate::stream::{piece_bytes, pieces, row_bytes};
use core::ops::Range;
use raid_core::blocking::BlockDevice;
use raid_core::engine::{Access, Dirty};
use raid_core::limits::REQUEST_SECTORS_MAX;
use raid_core::members::MemberState;
use raid_core::units::{Lba, Sectors};

pub(super) fn run(arguments: &cli::Check) -> Result<(), Error> {
    let assembled = Assembled::open(&arguments.members.images, Purpose::Read)?;
    comparable(&assembled)?;
    let names = Names::of(&assembled);
    // With all members there, it does not matter whether the array is clean.
    let mut workshop = assembled.into_readable(Dirty::Refuse)?;
    let (mut array, events) = workshop.start(Access::ReadOnly, Dirty::Refuse)?;
    let size = array.size().bytes().unwrap_or(u64::MAX);
    let mut progress = Progress::new("check", size);
    let mismatch_sectors = mismatches(&mut array, |bytes| progress.advance(bytes));
    drop(progress);
    say_events(&events, &names);
    let scrubbed = Scrubbed { mismatch_sectors: mismatch_sectors?, ..Scrubbed::default() };
    report::print(&scrubbed, arguments.output.format)?;
    match scrubbed.mismatch_sectors {
        0 => Ok(()),
        sectors => Err(Error::Inconsistent(format!(
            "{sectors} sectors lie in units of which parity or copies disagree"
        ))),
    }
}

/// Refuses what has nothing to compare.
fn comparable(assembled: &Assembled) -> Result<(), Error> {
    let places = &assembled.assembly.places;
    let whole = places
        .iter()
        .all(|seat| seat.as_ref().is_some_and(|seat| seat.state == MemberState::InSync));
    match (assembled.assembly.geometry.redundancy(), whole) {
        (0, _) => Err(Error::Refused(String::from("level 0 has no redundancy to compare"))),
        (_, false) => Err(Error::Refused(String::from(
            "the array is degraded, so there is nothing to compare; rebuild it first",
        ))),
        (_, true) => Ok(()),
    }
}

/// How many sectors of the array lie in units that disagree.
pub(super) fn mismatches<D: BlockDevice>(
    array: &mut Array<'_, D>,
    mut each: impl FnMut(u64),
) -> Result<u64, Error> {
    let geometry = *array.geometry();
    let size = array.size().bytes().unwrap_or(u64::MAX);
    // A check covers the whole of each row that it touches: pieces end with rows, so that none is counted twice.
    let piece = piece_bytes(&geometry).max(row_bytes(&geometry));
    let longest = REQUEST_SECTORS_MAX.bytes().unwrap_or(piece);
    let mut sum = 0_u64;
    for Range { start, end } in pieces(0..size, piece) {
        let length = end.saturating_sub(start).min(longest);
        let (at, sectors) = (Sectors::from_bytes(start), Sectors::from_bytes(length));
        let (Some(at), Some(sectors)) = (at, sectors) else { continue };
        let found = array
            .check(Lba(at.0), sectors)
            .map_err(|error| Error::engine(&format!("check at byte {start}"), &error))?;
        sum = sum.saturating_add(found.0);
        each(end.saturating_sub(start));
    }
    Ok(sum)
}
