//! From superblocks to an array whose reshape is half done.

use core::fmt;

use super::{Assembly, AssemblyError, Candidate, Seat, Seated, agreed, check_supported, seat_all};
use crate::limits::MEMBERS_MAX;
use crate::md::fields::{Reshape, WriteLog};
use crate::md::reshape::{ReshapeError, Which};
use crate::md::superblock::Superblock;
use crate::members::{MemberSet, MemberState};
use crate::reshape::{Progress, Shift, beyond_redundancy};
use crate::units::DeviceSector;

/// An array whose reshape is half done.
#[derive(Clone, Debug)]
pub struct HalfDone {
    /// From what to what, and how far.
    pub progress: Progress,
    /// The array, its geometry being the old shape. It has the places of both shapes: a member that
    /// comes in has nothing below the old shape, one that goes has nothing in the new one.
    pub assembly: Assembly,
    /// Where the data of each member starts in the new shape; `None` where nobody sits. Its seat says
    /// where it does in the old one.
    pub new_data: heapless::Vec<Option<DeviceSector>, MEMBERS_MAX>,
}

/// Why devices make no array whose reshape can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfDoneError {
    /// They make no array.
    Assembly(AssemblyError),
    /// They make one, and its reshape cannot go on.
    Reshape(ReshapeError),
}

impl fmt::Display for HalfDoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assembly(error) => error.fmt(f),
            Self::Reshape(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for HalfDoneError {}

impl From<AssemblyError> for HalfDoneError {
    fn from(error: AssemblyError) -> Self {
        Self::Assembly(error)
    }
}

impl From<ReshapeError> for HalfDoneError {
    fn from(error: ReshapeError) -> Self {
        Self::Reshape(error)
    }
}

/// Makes an array of the devices whose superblocks are given, and which a reshape is under way on.
///
/// As with [`assemble`](super::assemble), the freshest superblock alone says how far it is: a record
/// follows a flush of all members, so what it calls done is done on those that it did not reach.
///
/// # Errors
///
/// Says why they make none, or none that would be safe to walk on with.
pub fn assemble_reshape(candidates: &[Candidate<'_>]) -> Result<HalfDone, HalfDoneError> {
    let freshest = agreed(candidates)?;
    let superblock = freshest.superblock;
    check_supported(superblock)?;
    if superblock.write_log == WriteLog::Journal {
        return Err(AssemblyError::Journal.into());
    }
    let reshape = superblock.reshape.ok_or(ReshapeError::None)?;
    // What the shapes are does not depend on the shift, how many places there are not on its size.
    let rough = superblock.progress(Shift::NONE)?.ok_or(ReshapeError::None)?;
    let members = rough.change().members_max();
    let Seated { places, replacement, journal, spares, left_out } =
        seat_all(freshest, candidates, members)?;

    let mut shift = None;
    let mut new_data = heapless::Vec::new();
    for seat in &places {
        let start = match seat.as_ref().and_then(|seat| candidate_of(candidates, seat)) {
            None => None,
            Some(candidate) => {
                let own = agree(&reshape, superblock, candidate)?.shift();
                shift = Some(shift.map_or(own, |shift| reshape.less_favourable(shift, own)));
                Some(moved(candidate, own)?)
            }
        };
        let too_many = AssemblyError::TooManyMembers { members: members.into() };
        new_data.push(start).map_err(|_| too_many)?;
    }
    let shift = shift.ok_or(AssemblyError::NoMembers)?;
    let progress = superblock.progress(shift)?.ok_or(ReshapeError::None)?;
    let geometry = *progress.change().before();
    let assembly = Assembly {
        geometry,
        places,
        replacement,
        journal,
        spares,
        left_out,
        freshest: freshest.device,
        array_uuid: superblock.array_uuid,
        name: superblock.name,
        events: superblock.events,
        consistency: superblock.consistency,
        write_log: superblock.write_log,
        logical_block_bytes: superblock.logical_block_bytes,
    };
    check_members(&progress, &assembly)?;
    Ok(HalfDone { progress, assembly, new_data })
}

fn candidate_of<'a, 'b>(candidates: &'a [Candidate<'b>], seat: &Seat) -> Option<&'a Candidate<'b>> {
    candidates.iter().find(|candidate| candidate.device == seat.device)
}

/// The reshape as a member has it on record: the same as the freshest, but for its own shift and, if
/// it missed a record, the position.
fn agree(
    reshape: &Reshape,
    freshest: &Superblock,
    candidate: &Candidate<'_>,
) -> Result<Reshape, ReshapeError> {
    let Candidate { superblock, device, .. } = *candidate;
    let Some(own) = superblock.reshape else {
        let position = reshape.position;
        return Err(ReshapeError::StartNotEverywhere { device, position });
    };
    let same_age = superblock.events == freshest.events;
    let differs = [
        ("new_level", own.level != reshape.level),
        ("new_layout", own.layout != reshape.layout),
        ("new_chunk", own.chunk_sectors != reshape.chunk_sectors),
        ("delta_disks", own.delta_members != reshape.delta_members),
        ("feature_map", own.direction != reshape.direction),
        ("reshape_position", same_age && own.position != reshape.position),
    ];
    match differs.into_iter().find(|(_, differs)| *differs) {
        Some((field, _)) => Err(ReshapeError::Disagreement { field, device }),
        None => Ok(own),
    }
}

/// Where the data of a member starts in the new shape, if it has room there.
fn moved(candidate: &Candidate<'_>, shift: Shift) -> Result<DeviceSector, ReshapeError> {
    let Candidate { superblock, device, .. } = *candidate;
    let room = superblock.room();
    let has = if shift < Shift::NONE { room.before } else { room.behind };
    let no_room = ReshapeError::NoRoom { device, shift };
    if shift.distance() > has {
        return Err(no_room);
    }
    let start = superblock.data_offset.0.checked_add_signed(shift.0);
    start.map(DeviceSector).ok_or(no_room)
}

fn check_members(progress: &Progress, assembly: &Assembly) -> Result<(), ReshapeError> {
    let change = progress.change();
    for (shape, geometry) in [(Which::Before, change.before()), (Which::After, change.after())] {
        let missing = geometry.all_members().difference(useful(assembly));
        if beyond_redundancy(geometry, &missing) > 0 {
            let (missing, bears) = (missing.count(), geometry.redundancy());
            return Err(ReshapeError::TooFewMembers { shape, missing, bears });
        }
    }
    Ok(())
}

/// Places with a member that is valid in all of its shape.
fn useful(assembly: &Assembly) -> MemberSet {
    let valid = |seat: &Seat| match seat.state {
        MemberState::InSync => true,
        MemberState::Rebuilding { .. } | MemberState::Failed | MemberState::Missing => false,
    };
    assembly.places_where(valid)
}
