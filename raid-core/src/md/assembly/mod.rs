//! From superblocks, given in any order, to an array.
//!
//! The freshest superblock alone says who is a member. What a device says of itself can only take
//! trust away: a device is seated if the freshest superblock and its own agree on its place, it
//! missed at most one record (a crash between the superblock writes of one generation leaves that)
//! and not the one that says where its data lies after a reshape, and it was not called faulty.
//!
//! Halves that went on apart are told by this: a record goes to every current member, so a device
//! that was ever current together with one of today's members lists it. One that lists none of them
//! ran without them.

mod error;
mod half_done;
mod replacement;

pub use error::{AssemblyError, FaultClass, LeftOut, LeftOutReason};
pub use half_done::{HalfDone, HalfDoneError, assemble_reshape};

use super::fields::{ArrayName, ArrayUuid, BadBlocks, Bitmap, DeviceFlags, Validity, WriteLog};
use super::roles::DeviceRole;
use super::superblock::{Replacement, Superblock, ZoneLayout};
use crate::geometry::{Geometry, Layout, Shape};
use crate::limits::MEMBERS_MAX;
use crate::members::{MemberSet, MemberState};
use crate::metadata::Consistency;
use crate::units::{DeviceIndex, DeviceSector, MemberIndex, Sectors};

/// Most devices that are looked at for one array: each place can have one, and as many more, as far
/// as [`DeviceIndex`] counts.
pub const CANDIDATES_MAX: usize = if MEMBERS_MAX < 128 { 2 * MEMBERS_MAX } else { 256 };

/// A device that may belong to the array.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// What it says.
    pub superblock: &'a Superblock,
    /// The host's name of it.
    pub device: DeviceIndex,
    /// Its size.
    pub device_size: Sectors,
}

/// A member at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The device.
    pub device: DeviceIndex,
    /// What of it is valid: in sync, or rebuilding.
    pub state: MemberState,
    /// Where its data area starts.
    pub data_offset: DeviceSector,
    /// Whether its bad-block log must be read before it is.
    pub bad_blocks: BadBlocks,
    /// How it likes to be used.
    pub device_flags: DeviceFlags,
}

/// The array that the devices make. Whether there are members enough to run it is not decided here.
#[derive(Clone, Debug)]
pub struct Assembly {
    /// Its shape.
    pub geometry: Geometry,
    /// What is at each place; `None` where nothing usable was given.
    pub places: heapless::Vec<Option<Seat>, MEMBERS_MAX>,
    /// Who is to replace the member at a place, which is there. Where it is not, the replacement is at
    /// the place.
    pub replacement: Option<(MemberIndex, Seat)>,
    /// The device of its journal; `None` if it has none or that was not given, or cannot be used.
    /// [`Assembly::write_log`] says whether it should have one.
    pub journal: Option<DeviceIndex>,
    /// Devices of the array without a place.
    pub spares: heapless::Vec<DeviceIndex, CANDIDATES_MAX>,
    /// Devices of the array that are not used.
    pub left_out: heapless::Vec<LeftOut, CANDIDATES_MAX>,
    /// Whose superblock all this was taken from.
    pub freshest: DeviceIndex,
    /// Which array it is.
    pub array_uuid: ArrayUuid,
    /// Its name.
    pub name: ArrayName,
    /// Its event count.
    pub events: u64,
    /// How far parity and copies are known to agree with the data.
    pub consistency: Consistency,
    /// What guards its writes: nothing, a bitmap, logs of partial parity, or a journal. One that writes must
    /// keep them or not write.
    pub write_log: WriteLog,
    /// The logical block that the array shows, in bytes; 0 if not said.
    pub logical_block_bytes: u32,
}

impl Assembly {
    /// The places with a member that is valid everywhere.
    #[must_use]
    pub fn in_sync(&self) -> MemberSet {
        self.places_where(|seat| seat.state == MemberState::InSync)
    }

    /// The places with a member.
    #[must_use]
    pub fn present(&self) -> MemberSet {
        self.places_where(|_| true)
    }

    fn places_where(&self, wanted: impl Fn(&Seat) -> bool) -> MemberSet {
        (0..=u8::MAX)
            .zip(&self.places)
            .filter(|(_, seat)| seat.as_ref().is_some_and(&wanted))
            .map(|(place, _)| MemberIndex(place))
            .collect()
    }
}

/// Makes an array of the devices whose superblocks are given.
///
/// # Errors
///
/// Says why they make none, or none that would be safe to use; [`AssemblyError::class`] tells the
/// two apart. A device that is merely stale or failed is no error: it is [left
/// out](Assembly::left_out).
pub fn assemble(candidates: &[Candidate<'_>]) -> Result<Assembly, AssemblyError> {
    let freshest = agreed(candidates)?;
    check_supported(freshest.superblock)?;
    if let Some(reshape) = freshest.superblock.reshape {
        return Err(AssemblyError::ReshapeActive { position: reshape.position });
    }
    let members = member_count(freshest.superblock)?;
    let Seated { places, replacement, journal, spares, left_out } =
        seat_all(freshest, candidates, members)?;
    let geometry = geometry(freshest.superblock, candidates, &places)?;
    let superblock = freshest.superblock;
    Ok(Assembly {
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
    })
}

type Places = heapless::Vec<Option<Seat>, MEMBERS_MAX>;

/// What becomes of each device.
struct Seated {
    places: Places,
    replacement: Option<(MemberIndex, Seat)>,
    journal: Option<DeviceIndex>,
    spares: heapless::Vec<DeviceIndex, CANDIDATES_MAX>,
    left_out: heapless::Vec<LeftOut, CANDIDATES_MAX>,
}

/// The freshest superblock, if all are of one array and those of its age say the same.
fn agreed<'a, 'b>(candidates: &'a [Candidate<'b>]) -> Result<&'a Candidate<'b>, AssemblyError> {
    if candidates.len() > CANDIDATES_MAX {
        return Err(AssemblyError::TooManyCandidates {
            count: candidates.len(),
            max: CANDIDATES_MAX,
        });
    }
    let freshest = freshest_of(candidates).ok_or(AssemblyError::NoCandidates)?;
    check_identities(candidates)?;
    for candidate in candidates {
        check_agreement(freshest, candidate, candidates)?;
    }
    Ok(freshest)
}

/// Gives every device its place, in a shape of so many.
fn seat_all(
    freshest: &Candidate<'_>,
    candidates: &[Candidate<'_>],
    members: u8,
) -> Result<Seated, AssemblyError> {
    let mut places = Places::new();
    for _ in 0..members {
        places.push(None).map_err(|_| too_many_members(freshest.superblock))?;
    }
    let mut journal = None;
    let mut spares = heapless::Vec::new();
    let mut left_out = heapless::Vec::new();
    for candidate in candidates {
        let device = candidate.device;
        let full = |count| AssemblyError::TooManyCandidates { count, max: CANDIDATES_MAX };
        match judge(freshest.superblock, candidate, members)? {
            Verdict::Member(place) => seat(&mut places, place, candidate)?,
            // Who sits where has to be known before.
            Verdict::Replacement(_) => {}
            Verdict::Journal if journal.is_none() => journal = Some(device),
            Verdict::Journal => {
                let entry = LeftOut { device, reason: LeftOutReason::NotListed };
                left_out.push(entry).map_err(|_| full(candidates.len()))?;
            }
            Verdict::Spare => spares.push(device).map_err(|_| full(candidates.len()))?,
            Verdict::Out(reason) => {
                let entry = LeftOut { device, reason };
                left_out.push(entry).map_err(|_| full(candidates.len()))?;
            }
        }
    }
    let mut seated = Seated { places, replacement: None, journal, spares, left_out };
    seated.take_in_replacements(freshest.superblock, candidates, members)?;
    for candidate in candidates {
        check_one_history(freshest, candidate, candidates, &seated.places)?;
    }
    Ok(seated)
}

enum Verdict {
    Member(MemberIndex),
    Replacement(MemberIndex),
    Journal,
    Spare,
    Out(LeftOutReason),
}

/// The superblock with the most events. Among equals a member's, the one that claims the least to
/// be in sync, the lowest number: so that the order in which devices are given does not matter.
fn freshest_of<'a, 'b>(candidates: &'a [Candidate<'b>]) -> Option<&'a Candidate<'b>> {
    candidates.iter().max_by_key(|candidate| {
        let superblock = candidate.superblock;
        let in_sync_to = match superblock.consistency {
            Consistency::Clean => u64::MAX,
            Consistency::InSyncTo(mark) => mark.0,
        };
        (
            superblock.events,
            claims_place(superblock),
            core::cmp::Reverse((in_sync_to, superblock.dev_number)),
        )
    })
}

fn claims_place(superblock: &Superblock) -> bool {
    lists(superblock, superblock.dev_number)
}

/// Whether a superblock calls the device of this number a member.
fn lists(superblock: &Superblock, number: u32) -> bool {
    match superblock.roles.role(number) {
        DeviceRole::Slot(_) => true,
        DeviceRole::Spare | DeviceRole::Faulty | DeviceRole::Journal => false,
    }
}

fn check_identities(candidates: &[Candidate<'_>]) -> Result<(), AssemblyError> {
    let pairs = candidates.iter().enumerate().flat_map(|(at, first)| {
        candidates.iter().skip(at.saturating_add(1)).map(move |second| (first, second))
    });
    for (first, second) in pairs {
        let (one, other) = (first.superblock, second.superblock);
        if one.array_uuid != other.array_uuid {
            return Err(AssemblyError::DifferentArrays {
                first: first.device,
                first_array: one.array_uuid,
                second: second.device,
                second_array: other.array_uuid,
            });
        }
        if one.device_uuid == other.device_uuid || first.device == second.device {
            return Err(AssemblyError::DuplicateDevice {
                first: first.device,
                second: second.device,
                uuid: one.device_uuid,
            });
        }
    }
    Ok(())
}

/// Superblocks of one event count are copies of one record, and so say the same of the array.
fn check_agreement(
    freshest: &Candidate<'_>,
    candidate: &Candidate<'_>,
    candidates: &[Candidate<'_>],
) -> Result<(), AssemblyError> {
    let (first, second) = (freshest.superblock, candidate.superblock);
    // A spare is not always written to.
    if first.events != second.events || !claims_place(second) {
        return Ok(());
    }
    let differs = [
        ("level", first.level != second.level),
        ("layout", first.layout != second.layout),
        ("size", first.member_size != second.member_size),
        ("chunksize", first.chunk_sectors != second.chunk_sectors),
        ("raid_disks", first.members != second.members),
        ("reshape_position", first.reshape.is_some() != second.reshape.is_some()),
        ("feature_map", !same_kind(first.write_log, second.write_log)),
    ];
    if let Some((field, _)) = differs.into_iter().find(|(_, differs)| *differs) {
        let (first, second) = (freshest.device, candidate.device);
        return Err(AssemblyError::Disagreement { field, first, second });
    }
    let same_roles = candidates.iter().map(|other| other.superblock.dev_number).all(|number| {
        let either = lists(first, number) || lists(second, number);
        !either || first.roles.role(number) == second.roles.role(number)
    });
    match same_roles {
        true => Ok(()),
        false => {
            Err(AssemblyError::SplitBrain { first: freshest.device, second: candidate.device })
        }
    }
}

/// Logs may lie elsewhere on each device, but all have the same kind.
fn same_kind(one: WriteLog, other: WriteLog) -> bool {
    core::mem::discriminant(&one) == core::mem::discriminant(&other)
}

fn check_supported(superblock: &Superblock) -> Result<(), AssemblyError> {
    match superblock.write_log {
        WriteLog::None | WriteLog::Bitmap { kind: Bitmap::Local, .. } => Ok(()),
        WriteLog::Bitmap { kind: Bitmap::Clustered, .. } => Err(AssemblyError::Clustered),
        WriteLog::PartialParity { .. } if superblock.level == 5 => Ok(()),
        WriteLog::PartialParity { .. } => Err(AssemblyError::PartialParityLog),
        WriteLog::Journal if (4..=6).contains(&superblock.level) => Ok(()),
        WriteLog::Journal => Err(AssemblyError::Journal),
    }
}

fn member_count(superblock: &Superblock) -> Result<u8, AssemblyError> {
    let fits = usize::try_from(superblock.members).is_ok_and(|members| members <= MEMBERS_MAX);
    match u8::try_from(superblock.members) {
        Ok(members) if fits => Ok(members),
        Ok(_) | Err(_) => Err(too_many_members(superblock)),
    }
}

fn too_many_members(superblock: &Superblock) -> AssemblyError {
    AssemblyError::TooManyMembers { members: superblock.members }
}

/// What the freshest superblock makes of a device, and whether the device bears it out.
fn judge(
    freshest: &Superblock,
    candidate: &Candidate<'_>,
    members: u8,
) -> Result<Verdict, AssemblyError> {
    let superblock = candidate.superblock;
    let missed = freshest.events.saturating_sub(superblock.events);
    let place = match freshest.roles.role(superblock.dev_number) {
        DeviceRole::Journal => return Ok(judge_journal(superblock, missed)),
        DeviceRole::Faulty => return Ok(Verdict::Out(LeftOutReason::CalledFaulty)),
        DeviceRole::Spare if claims_place(superblock) => {
            return Ok(Verdict::Out(LeftOutReason::NotListed));
        }
        DeviceRole::Spare => return Ok(Verdict::Spare),
        DeviceRole::Slot(place) => place,
    };
    let member = u8::try_from(place).ok().filter(|_| place < u16::from(members));
    let reason = match (member, superblock.own_role()) {
        _ if missed > 1 => LeftOutReason::Stale { missed },
        _ if moves(superblock) && freshest.reshape.is_none() => LeftOutReason::Moved,
        (None, _) => LeftOutReason::BeyondShape { place },
        (Some(_), own) if own != DeviceRole::Slot(place) => LeftOutReason::Unconfirmed { place },
        (Some(member), _) => match (shortage(freshest, candidate), superblock.replacement) {
            (Some((needs, has)), _) => LeftOutReason::TooSmall { needs, has },
            (None, Replacement::No) => return Ok(Verdict::Member(MemberIndex(member))),
            (None, Replacement::Yes) => return Ok(Verdict::Replacement(MemberIndex(member))),
        },
    };
    Ok(Verdict::Out(reason))
}

fn judge_journal(superblock: &Superblock, missed: u64) -> Verdict {
    match superblock.own_role() {
        DeviceRole::Journal if missed <= 1 => Verdict::Journal,
        DeviceRole::Journal => Verdict::Out(LeftOutReason::Stale { missed }),
        DeviceRole::Slot(_) | DeviceRole::Spare | DeviceRole::Faulty => {
            Verdict::Out(LeftOutReason::NotListed)
        }
    }
}

/// Whether a reshape on record moves the data of this device. Once the reshape is over, the data lies
/// at the new offset if it was finished and at the old one if it was cancelled: a device that missed
/// the end of it cannot say.
fn moves(superblock: &Superblock) -> bool {
    superblock.reshape.is_some_and(|reshape| reshape.new_offset.is_some())
}

/// What the array needs of a device and what there is, if that is less.
fn shortage(freshest: &Superblock, candidate: &Candidate<'_>) -> Option<(Sectors, Sectors)> {
    let superblock = candidate.superblock;
    let data = (freshest.member_size, superblock.data_size);
    let end = |start: DeviceSector, length| {
        // Parsing checked both sums; one that has no room fits on no device.
        start.checked_add(length).map_or(Sectors(u64::MAX), |end| Sectors(end.0))
    };
    let data_end = end(superblock.data_offset, superblock.data_size);
    let superblock_end = end(superblock.super_offset, superblock.sectors());
    let device = (data_end.max(superblock_end), candidate.device_size);
    [data, device].into_iter().find(|(needs, has)| needs > has)
}

fn seat(
    places: &mut Places,
    place: MemberIndex,
    candidate: &Candidate<'_>,
) -> Result<(), AssemblyError> {
    let Candidate { superblock, device, .. } = *candidate;
    // A member's place is below the count of places.
    let Some(at) = places.get_mut(place.index()) else {
        return Err(too_many_members(superblock));
    };
    if let Some(Seat { device: first, .. }) = *at {
        return Err(AssemblyError::DuplicatePlace { place, first, second: device });
    }
    *at = Some(seat_of(candidate));
    Ok(())
}

fn seat_of(candidate: &Candidate<'_>) -> Seat {
    let Candidate { superblock, device, .. } = *candidate;
    Seat {
        device,
        state: match superblock.validity {
            Validity::Below { valid_to, .. } => MemberState::Rebuilding { valid_to },
            // The tail of a journal is never at a place: its own role is not one.
            Validity::Everything | Validity::JournalTail(_) => MemberState::InSync,
        },
        data_offset: superblock.data_offset,
        bad_blocks: superblock.bad_block_log.entries,
        device_flags: superblock.device_flags,
    }
}

/// Refuses a device that believes to be a member of an array without any of today's members.
fn check_one_history(
    freshest: &Candidate<'_>,
    candidate: &Candidate<'_>,
    candidates: &[Candidate<'_>],
    places: &Places,
) -> Result<(), AssemblyError> {
    if !claims_place(candidate.superblock) {
        return Ok(());
    }
    let seated = |device| places.iter().flatten().any(|seat| seat.device == device);
    let mut others = candidates
        .iter()
        .filter(|other| other.device != candidate.device && seated(other.device))
        .peekable();
    let alone = others.peek().is_none();
    match alone || others.any(|other| lists(candidate.superblock, other.superblock.dev_number)) {
        true => Ok(()),
        false => {
            Err(AssemblyError::SplitBrain { first: freshest.device, second: candidate.device })
        }
    }
}

fn geometry(
    superblock: &Superblock,
    candidates: &[Candidate<'_>],
    places: &Places,
) -> Result<Geometry, AssemblyError> {
    if let level @ (-1 | -4 | -5) = superblock.level {
        return Err(AssemblyError::UnsupportedLevel { level });
    }
    let layout = match (superblock.level, superblock.zone_layout) {
        // The field means nothing then, and is all ones on some arrays.
        (0, ZoneLayout::Unsaid) => 0,
        _ => superblock.layout,
    };
    let layout = Layout::from_md(superblock.level, layout).map_err(AssemblyError::Shape)?;
    let member_size = match layout {
        Layout::Raid0 => even_size(superblock.chunk(), candidates, places)?,
        Layout::Raid1 | Layout::Raid4 | Layout::Raid5(_) | Layout::Raid6(_) | Layout::Raid10(_) => {
            superblock.member_size
        }
    };
    if places.iter().flatten().next().is_none() {
        return Err(AssemblyError::NoMembers);
    }
    let members = member_count(superblock)?;
    Geometry::new(Shape { layout, members, chunk: superblock.chunk(), member_size })
        .map_err(AssemblyError::Shape)
}

/// The size that all members of a level 0 array have in whole chunks.
fn even_size(
    chunk: Sectors,
    candidates: &[Candidate<'_>],
    places: &Places,
) -> Result<Sectors, AssemblyError> {
    let mut found: Option<(DeviceIndex, Sectors)> = None;
    for seat in places.iter().flatten() {
        let Some(candidate) = candidates.iter().find(|other| other.device == seat.device) else {
            continue;
        };
        let size = candidate.superblock.data_size;
        let part = size.0.checked_rem(chunk.0).map_or(Sectors::ZERO, Sectors);
        let size = size.saturating_sub(part);
        match found {
            Some((first, known)) if known != size => {
                return Err(AssemblyError::Zones { first, second: seat.device });
            }
            Some(_) => {}
            None => found = Some((seat.device, size)),
        }
    }
    found.map(|(_, size)| size).ok_or(AssemblyError::NoMembers)
}
