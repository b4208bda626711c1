//! `readd`: a member that was away comes back. What it holds is trusted only where the write-intent bitmap proves that
//! nothing was written meanwhile; else it is rebuilt as a whole.

use super::{print, rebuild};
use crate::array::bitmap::Bitmap;
use crate::array::newcomers::{Newcomer, bring_in, named, unfit};
use crate::array::{Assembled, Names, place_of, say_events};
use crate::cli::{self, Absence};
use crate::exit::{Error, warn};
use crate::images::Purpose;
use raid_core::engine::{Access, Behind};
use raid_core::md::{
    BadBlocks, DeviceRole, LeftOutReason, RecoveryKind, Replacement, Superblock, Validity,
};
use raid_core::members::{MemberSet, MemberState};
use raid_core::units::{DeviceIndex, MemberIndex};

/// The image named first.
const BACK: DeviceIndex = DeviceIndex(0);

pub(super) fn run(arguments: &cli::Readd) -> Result<(), Error> {
    let cli::Insistence { degraded, force } = arguments.insist;
    let mut assembled = Assembled::open(&arguments.images, Purpose::Write)?;
    if let Standing::Member = standing(&assembled)? {
        warn(&format!("{} is in sync already", assembled.path(BACK).display()));
        return Ok(());
    }
    let bitmap = assembled.bitmap()?;
    let newcomer = newcomer(&assembled, bitmap.as_ref())?;
    match (newcomer.behind, &bitmap) {
        (Behind::MarkedChunks { .. }, Some(bitmap)) => print(&format!(
            "the bitmap tells what {} missed: something in {} of {} bytes",
            assembled.path(BACK).display(),
            bitmap.marked_bytes(),
            bitmap.bytes(),
        ))?,
        (Behind::MarkedChunks { .. } | Behind::Everything, _) => {}
    }
    let place = newcomer.place;
    // The array may still list it, as it does a member that was away without a record.
    let others = assembled.unnamed().difference(listed_place(&assembled)?);
    let absence = if others.is_empty() { Absence::Record } else { degraded };
    assembled.assembly.left_out.retain(|left_out| left_out.device != BACK);
    let (mut names, consistency) = (Names::of(&assembled), assembled.assembly.consistency);
    let mut workshop = assembled.into_writable(absence, force.dirty)?;
    let bitmap = workshop.bitmap.clone();
    let (mut array, events) = workshop.start(Access::ReadWrite, force.dirty)?;
    bring_in(&mut array, &[(BACK, newcomer)], &mut names, bitmap.as_ref())?;
    let who = named(MemberSet::only(place), &names);
    let rebuilt = rebuild::recover(&mut array, who, consistency, arguments.stop);
    say_events(&events, &names);
    rebuilt?.say()
}

/// What the array makes of the image.
enum Standing {
    /// It is in use, and in sync.
    Member,
    /// It is out.
    Away,
}

fn standing(assembled: &Assembled) -> Result<Standing, Error> {
    let name = assembled.path(BACK).display();
    let assembly = &assembled.assembly;
    if let Some(seat) = assembly.places.iter().flatten().find(|seat| seat.device == BACK) {
        return match seat.state {
            MemberState::InSync => Ok(Standing::Member),
            MemberState::Rebuilding { .. } | MemberState::Failed | MemberState::Missing => {
                Err(Error::Refused(format!(
                    "{name} is being rebuilt; 'raidctl resume' goes on with it"
                )))
            }
        };
    }
    let left_out = assembly.left_out.iter().find(|left_out| left_out.device == BACK);
    match left_out.map(|left_out| left_out.reason) {
        None
        | Some(
            LeftOutReason::CalledFaulty
            | LeftOutReason::NotListed
            | LeftOutReason::Stale { .. }
            | LeftOutReason::Unconfirmed { .. },
        ) => Ok(Standing::Away),
        Some(reason) => Err(Error::Refused(format!("{name} cannot be taken back: {reason}"))),
    }
}

/// Its superblock as a member that has everything before it.
fn newcomer(assembled: &Assembled, bitmap: Option<&Bitmap>) -> Result<Newcomer, Error> {
    let name = assembled.path(BACK);
    let missing = assembled.absent();
    let Some(lowest) = missing.lowest() else {
        let text = format!("no member is missing, so {} has no place", name.display());
        return Err(Error::Usage(text));
    };
    let own = own(assembled)?;
    let old_place = place_of(assembled, BACK).and_then(|place| u8::try_from(place).ok());
    let old_place = old_place.map(MemberIndex).filter(|place| missing.contains(*place));
    let number = number(assembled, own)?;
    let superblock = assembled.freshest()?.for_returning_device(number, own);
    let behind = match (old_place, bitmap) {
        (Some(_), Some(bitmap)) => behind(own, bitmap, assembled.assembly.events),
        (Some(_) | None, _) => Behind::Everything,
    };
    Ok(Newcomer {
        place: old_place.unwrap_or(lowest),
        behind,
        superblock: superblock.map_err(|error| unfit(name, error))?,
        // What else lies on it was there when it was a member.
        found: Vec::new(),
    })
}

/// What it lacks, if it sat at this place and has everything up to its own event count.
fn behind(own: &Superblock, bitmap: &Bitmap, events: u64) -> Behind {
    let had_all = match own.validity {
        Validity::Everything | Validity::Below { kind: RecoveryKind::ByBitmap, .. } => {
            own.events <= events
                && own.replacement == Replacement::No
                // What is bad of it was not written to it.
                && own.bad_block_log.entries == BadBlocks::None
        }
        Validity::Below { kind: RecoveryKind::Full, .. } | Validity::JournalTail(_) => false,
    };
    match (had_all, bitmap.tells_of(own)) {
        (true, RecoveryKind::ByBitmap) => Behind::MarkedChunks { events: own.events },
        (true, RecoveryKind::Full) | (false, _) => Behind::Everything,
    }
}

fn own(assembled: &Assembled) -> Result<&Superblock, Error> {
    let own = assembled.superblocks.get(BACK.index());
    own.ok_or_else(|| Error::Engine(String::from("an image is missing")))
}

/// Its own number, unless another device got that meanwhile.
fn number(assembled: &Assembled, own: &Superblock) -> Result<u32, Error> {
    let mut others = assembled.superblocks.iter().skip(1);
    let taken = others.any(|other| other.dev_number == own.dev_number);
    let number = own.dev_number;
    let is_somebody = match assembled.freshest()?.roles.role(number) {
        DeviceRole::Slot(place) => place_of(assembled, BACK) != Some(place),
        DeviceRole::Journal => true,
        DeviceRole::Spare | DeviceRole::Faulty => false,
    };
    if taken || is_somebody { assembled.free_number(&[]) } else { Ok(number) }
}

/// The place at which the array still lists it.
fn listed_place(assembled: &Assembled) -> Result<MemberSet, Error> {
    Ok(match assembled.freshest()?.roles.role(own(assembled)?.dev_number) {
        DeviceRole::Slot(place) => u8::try_from(place).ok().map(MemberIndex).into_iter().collect(),
        DeviceRole::Spare | DeviceRole::Faulty | DeviceRole::Journal => MemberSet::NONE,
    })
}
