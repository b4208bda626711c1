//! From images to an array: assembly, what forbids to use it, and the engine with its memory.

pub(crate) mod bitmap;
mod journal;
pub(crate) mod newcomers;
mod partial_parity;
mod refusal;
pub(crate) mod reshaping;
pub(crate) mod starting;

use crate::bad_blocks;
use crate::cli::Absence;
use crate::exit::{Error, warn};
use crate::images::{Image, Purpose, open_all};
use crate::superblocks::{Found, Unusable, find};
use bitmap::Bitmap;
use journal::{JournalOf, Use};
use partial_parity::Logs;
use raid_core::blocking::{
    self, BlockDevice, Keeper as _, MdKeeper, MdLog, MdSeat, MdSeats, Parts,
};
use raid_core::engine::{
    self, Access, BadBlock, Behind, Dirty, Fate, Memory, RequestSlot, SetupError, Slot,
};
use raid_core::geometry::Geometry;
use raid_core::host::Event;
use raid_core::intent::IntentMap;
use raid_core::limits::{LANE_SECTORS_MAX, MEMBERS_MAX};
use raid_core::md::{
    Assembly, AssemblyError, BAD_BLOCKS_MAX, BITMAP_SUPERBLOCK_SECTORS, CANDIDATES_MAX, Candidate,
    DeviceFlags, DeviceRole, LeftOut, RecoveryKind, Superblock, Timestamp, Validity, WriteLog,
    assemble, assemble_reshape,
};
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::{Consistency, Record, Replacement, Shaping};
use raid_core::units::{DeviceIndex, MemberIndex, Sectors};
use raid_simd::Kernels;
use reshaping::{Moving, Reshaping};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{SystemTime, UNIX_EPOCH};

/// Images, what their superblocks say, and the array that they make.
#[derive(Debug)]
pub(crate) struct Assembled {
    pub(crate) images: Vec<Image>,
    pub(crate) superblocks: Vec<Superblock>,
    pub(crate) assembly: Assembly,
}

/// An array, reshaped or not.
#[derive(Debug)]
pub(crate) enum Opened {
    AtRest(Box<Assembled>),
    Reshaping(Box<Reshaping>),
}

impl Opened {
    /// Opens the images and assembles them. What is left out is not said yet.
    pub(crate) fn open(paths: &[PathBuf], purpose: Purpose) -> Result<Self, Error> {
        if paths.len() > CANDIDATES_MAX {
            let (count, max) = (paths.len(), CANDIDATES_MAX);
            return Err(Error::Usage(format!("{count} images are too many: at most {max}")));
        }
        let images = open_all(paths, purpose)?;
        let superblocks = images.iter().map(superblock).collect::<Result<Vec<_>, _>>()?;
        let candidates: Vec<_> = superblocks
            .iter()
            .zip(&images)
            .zip(0..=u8::MAX)
            .map(|((superblock, image), device)| Candidate {
                superblock,
                device: DeviceIndex(device),
                device_size: image.size(),
            })
            .collect();
        match assemble(&candidates) {
            Ok(assembly) => {
                countable(&assembly.geometry)?;
                Ok(Self::AtRest(Box::new(Assembled { images, superblocks, assembly })))
            }
            Err(AssemblyError::ReshapeActive { .. }) => {
                let half_done = assemble_reshape(&candidates);
                let half_done = half_done.map_err(|error| refusal::half_done(&error, paths))?;
                countable(half_done.progress.change().before())?;
                let assembly = half_done.assembly.clone();
                let assembled = Assembled { images, superblocks, assembly };
                Ok(Self::Reshaping(Box::new(Reshaping::new(assembled, &half_done))))
            }
            Err(error) => Err(refusal::assembly(&error, paths)),
        }
    }

    /// What was opened, and how much of the array is served.
    pub(crate) fn content(&self) -> (&Assembled, Sectors) {
        match self {
            Self::AtRest(assembled) => (assembled, assembled.assembly.geometry.size()),
            Self::Reshaping(reshaping) => (&reshaping.assembled, reshaping.size()),
        }
    }
}

impl Assembled {
    /// Opens the images and assembles them. What is left out is not said yet.
    pub(crate) fn open(paths: &[PathBuf], purpose: Purpose) -> Result<Self, Error> {
        match Opened::open(paths, purpose)? {
            Opened::AtRest(assembled) => Ok(*assembled),
            Opened::Reshaping(reshaping) => Err(refusal::reshaping(&reshaping.progress)),
        }
    }

    pub(crate) fn path(&self, device: DeviceIndex) -> &Path {
        self.images.get(device.index()).map_or(Path::new("?"), Image::path)
    }

    /// Places that the freshest superblock counts as members.
    pub(crate) fn listed(&self) -> MemberSet {
        let freshest = self.superblocks.get(self.assembly.freshest.index());
        let roles = freshest.into_iter().flat_map(|freshest| freshest.roles.iter());
        roles.filter_map(refusal::place).collect()
    }

    /// Those of them without a member, or of which only one is here where there are two.
    pub(crate) fn unnamed(&self) -> MemberSet {
        let both = self.assembly.replacement.map(|(member, _)| member).into_iter().collect();
        let half = self.being_replaced().difference(both);
        self.listed().intersection(self.absent()).union(half)
    }

    /// Places of two devices: one is to take over from the other.
    fn being_replaced(&self) -> MemberSet {
        let Some(freshest) = self.superblocks.get(self.assembly.freshest.index()) else {
            return MemberSet::NONE;
        };
        let (mut once, mut twice) = (MemberSet::NONE, MemberSet::NONE);
        for place in freshest.roles.iter().filter_map(refusal::place) {
            let set = if once.contains(place) { &mut twice } else { &mut once };
            set.insert(place);
        }
        twice
    }

    /// Places without a member.
    pub(crate) fn absent(&self) -> MemberSet {
        self.assembly.geometry.all_members().difference(self.assembly.present())
    }

    /// Images that belong to the array and are not used, one line each.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = String> {
        self.assembly.left_out.iter().map(|LeftOut { device, reason }| {
            format!("{} is left out: {reason}", self.path(*device).display())
        })
    }

    /// Whether the members that are in sync can serve.
    pub(crate) fn fate(&self) -> Result<Fate, Error> {
        let images = Vec::<Image>::new();
        let mut workshop = Workshop::of(&self.assembly, &self.superblocks, images, None);
        // A member that is being rebuilt does not make up for one that is lost.
        for seat in &mut workshop.seats {
            *seat = seat.filter(|seat| seat.state == MemberState::InSync);
        }
        // Nothing is done with it: whether it is clean does not matter.
        let (array, _) = workshop.array(Access::ReadOnly, Dirty::Force).map_err(refusal::setup)?;
        Ok(array.engine().fate())
    }

    /// The array's memory and devices, if it may be read.
    pub(crate) fn into_readable(mut self, dirty: Dirty) -> Result<Workshop<Image>, Error> {
        let bitmap = match self.assembly.consistency {
            Consistency::Clean => None,
            // Without its bitmap it may not be in sync anywhere.
            Consistency::InSyncTo(_) => self.bitmap().unwrap_or_else(|error| {
                warn(&error.to_string());
                None
            }),
        };
        self.can_be_served(dirty, bitmap.clone())?;
        self.journal_can_wait(dirty)?;
        self.say_what_is_left_out();
        self.into_workshop(bitmap)
    }

    /// The array's memory and devices, if it may be written.
    pub(crate) fn into_writable(
        mut self,
        absence: Absence,
        dirty: Dirty,
    ) -> Result<Workshop<Image>, Error> {
        let mut logs = Logs::of(&self)?;
        let mut journal = JournalOf::of(&self)?;
        let bitmap = self.bitmap()?;
        match &logs {
            // Whether it can be served is known when what they say is done.
            Some(_) => self.members_suffice()?,
            None => self.can_be_served(dirty, bitmap.clone())?,
        }
        match (absence, self.unnamed().is_empty()) {
            (Absence::Refuse, false) => return Err(refusal::unnamed(&self)),
            (Absence::Refuse, true) | (Absence::Record, _) => {}
        }
        self.say_what_is_left_out();
        if let Some(bitmap) = &bitmap {
            self.level_bitmaps(bitmap)?;
        }
        self.finish_last_record()?;
        if let Some(journal) = &mut journal {
            self.replay(journal)?;
        }
        if let Some(logs) = &mut logs {
            let known = self.assembly.consistency;
            let seats =
                Workshop::of(&self.assembly, &self.superblocks, Vec::<Image>::new(), None).seats;
            let bad_blocks = self.bad_blocks()?;
            let replayed = logs.prepare(&seats, known, &bad_blocks, &mut self.images);
            let failed = |error| refusal::log(&self.assembly, &self.images, error);
            let replayed = replayed.map_err(failed)?;
            self.record_replayed(replayed)?;
            self.can_be_served(dirty, None)?;
        }
        self.bad_blocks_are_safe(dirty)?;
        let workshop = self.into_workshop(bitmap)?;
        Ok(Workshop { logs, journal, ..workshop })
    }

    /// Does what the journal says, once it bears the last record.
    fn replay(&mut self, journal: &mut JournalOf) -> Result<(), Error> {
        let device = journal.device.index();
        let Assembly { events, consistency, .. } = self.assembly;
        let failed = self.assembly.geometry.all_members().difference(self.listed());
        let (known, image) = (self.superblocks.get(device), self.images.get_mut(device));
        if let (Some(known), Some(image)) = (known, image)
            && known.events != events
        {
            let (rebuilding, by_intent) = (MemberSet::NONE, MemberSet::NONE);
            let rebuilt_to = Sectors::ZERO;
            let replacement = None;
            let record = Record {
                events,
                consistency,
                failed,
                rebuilding,
                rebuilt_to,
                by_intent,
                replacement,
                shaping: Shaping::Fixed,
            };
            let keeper = MdKeeper::new([None; MEMBERS_MAX], now, |_| {});
            let mut keeper = keeper.with_journal(journal.superblock());
            let written = keeper.record(journal.place(), image, &record);
            written.map_err(|fault| refusal::superblock(image.path(), fault))?;
        }
        let seats =
            Workshop::of(&self.assembly, &self.superblocks, Vec::<Image>::new(), None).seats;
        let bad_blocks = self.bad_blocks()?;
        journal.prepare(&seats, &bad_blocks, &mut self.images).map_err(refusal::journal)
    }

    /// Whether the array can be read as it is, though its journal may hold writes that the members
    /// lack: parity does not fit then, so nothing may be made from it.
    fn journal_can_wait(&self, dirty: Dirty) -> Result<(), Error> {
        if self.assembly.write_log != WriteLog::Journal {
            return Ok(());
        }
        let used = match JournalOf::of(self) {
            Ok(Some(journal)) => journal.is_in_use(&self.images)?,
            Ok(None) => Use::Stopped,
            Err(_) => Use::Perhaps,
        };
        let whole = self.assembly.in_sync() == self.assembly.geometry.all_members();
        match (used, dirty) {
            (Use::Perhaps, Dirty::Refuse) if !whole => Err(refusal::journal_not_replayed()),
            (Use::Perhaps, Dirty::Refuse) => {
                warn("the journal may hold writes that are not on the members yet");
                Ok(())
            }
            (Use::Stopped, _) | (Use::Perhaps, Dirty::Force) => Ok(()),
        }
    }

    /// Parity makes up for what is bad. After an unclean stop it may not fit, and a resync would give up what it cannot
    /// make without it.
    fn bad_blocks_are_safe(&self, dirty: Dirty) -> Result<(), Error> {
        let parity = matches!(self.assembly.geometry, Geometry::Parity(_));
        match (self.assembly.consistency, dirty) {
            (Consistency::InSyncTo(_), Dirty::Refuse) if parity => {}
            (Consistency::InSyncTo(_) | Consistency::Clean, Dirty::Refuse | Dirty::Force) => {
                return Ok(());
            }
        }
        let bad_blocks = self.bad_blocks()?;
        let bad = bad_blocks.iter().find(|bad| bad.sectors > Sectors::ZERO);
        bad.map_or(Ok(()), |bad| Err(refusal::dirty_and_bad(bad.member)))
    }

    fn into_workshop(self, bitmap: Option<Bitmap>) -> Result<Workshop<Image>, Error> {
        let bad_blocks = self.bad_blocks()?;
        let workshop = Workshop::of(&self.assembly, &self.superblocks, self.images, bitmap);
        Ok(Workshop { bad_blocks, ..workshop })
    }

    /// What is known to be bad of the members, and room for as much as their logs can hold.
    pub(crate) fn bad_blocks(&self) -> Result<Vec<BadBlock>, Error> {
        let mut bad_blocks = Vec::new();
        for (member, seat) in self.seated() {
            let device = seat.device.index();
            let (known, image) = (self.superblocks.get(device), self.images.get(device));
            let (Some(known), Some(image)) = (known, image) else { continue };
            let ranges = bad_blocks::read(image, known);
            let ranges = ranges.map_err(|error| refusal::bad_blocks(image.path(), &error))?;
            let ranges = ranges.into_iter();
            let ranges = ranges.filter_map(|range| bad_blocks::of_member(range, member, known));
            bad_blocks.extend(ranges);
        }
        let room = BAD_BLOCKS_MAX.saturating_mul(self.assembly.places.len().saturating_add(1));
        bad_blocks.resize(room.max(bad_blocks.len()), BadBlock::FREE);
        Ok(bad_blocks)
    }

    /// Gives the last record to members that a crash kept it from. They are trusted with one record missed; the
    /// next one would make it two.
    fn finish_last_record(&mut self) -> Result<(), Error> {
        let events = self.assembly.events;
        let failed = self.assembly.geometry.all_members().difference(self.listed());
        let is_behind = |known: &Superblock| known.events != events;
        self.record(failed, Shaping::Fixed, is_behind)
    }

    /// Puts it on record that parity agrees, on all members: the logs said how to see to that. Who is absent did not
    /// take part.
    fn record_replayed(&mut self, consistency: Consistency) -> Result<(), Error> {
        if self.assembly.consistency == consistency {
            return Ok(());
        }
        self.assembly.consistency = consistency;
        self.assembly.events = self.assembly.events.saturating_add(1);
        self.record(self.absent(), Shaping::Fixed, |_| true)
    }

    /// Writes a record to members of whose superblocks this holds.
    fn record(
        &mut self,
        failed: MemberSet,
        shaping: Shaping,
        whose: impl Fn(&Superblock) -> bool,
    ) -> Result<(), Error> {
        let Assembly { events, consistency, .. } = self.assembly;
        let by = MemberIndex(self.assembly.geometry.members());
        let replacement = self.assembly.replacement.map(|(member, seat)| {
            let copied_to = match seat.state {
                MemberState::Rebuilding { valid_to } => valid_to,
                MemberState::InSync | MemberState::Failed | MemberState::Missing => Sectors::ZERO,
            };
            Replacement { member, by, copied_to }
        });
        let pair: Vec<_> = self.replaced_and_replacement();
        for (member, seat) in self.seated().collect::<Vec<_>>() {
            let device = seat.device.index();
            let (known, image) = (self.superblocks.get(device), self.images.get_mut(device));
            let (Some(known), Some(image)) = (known, image) else { continue };
            if !whose(known) {
                continue;
            }
            let mut at: MdSeats = [None; MEMBERS_MAX];
            let (rebuilding, rebuilt_to) = match seat.state {
                MemberState::Rebuilding { valid_to } if member != by => {
                    (MemberSet::only(member), valid_to)
                }
                MemberState::Rebuilding { .. }
                | MemberState::InSync
                | MemberState::Failed
                | MemberState::Missing => (MemberSet::NONE, Sectors::ZERO),
            };
            let by_intent = match known.validity {
                Validity::Below { kind: RecoveryKind::ByBitmap, .. } => rebuilding,
                Validity::Below { kind: RecoveryKind::Full, .. }
                | Validity::Everything
                | Validity::JournalTail(_) => MemberSet::NONE,
            };
            let record = Record {
                events,
                consistency,
                failed,
                rebuilding,
                rebuilt_to,
                by_intent,
                replacement,
                shaping,
            };
            for (member, seat) in pair.iter().copied().chain([(member, md_seat(known))]) {
                if let Some(at) = at.get_mut(member.index()) {
                    *at = Some(seat);
                }
            }
            let written = MdKeeper::new(at, now, |_| {}).record(member, image, &record);
            written.map_err(|fault| refusal::superblock(image.path(), fault))?;
        }
        Ok(())
    }

    /// Members at their places, and a replacement behind them.
    fn seated(&self) -> impl Iterator<Item = (MemberIndex, raid_core::md::Seat)> + use<> {
        let places = self.assembly.places.clone();
        let by = MemberIndex(self.assembly.geometry.members());
        let behind = self.assembly.replacement.map(|(_, seat)| (by, seat));
        let members = (0..=u8::MAX).map(MemberIndex).zip(places);
        members.filter_map(|(member, seat)| Some((member, seat?))).chain(behind)
    }

    /// Both devices that have one role, if there are two: every superblock has to be told of both.
    fn replaced_and_replacement(&self) -> Vec<(MemberIndex, MdSeat)> {
        let Some((replaced, _)) = self.assembly.replacement else { return Vec::new() };
        let by = MemberIndex(self.assembly.geometry.members());
        let of_pair = self.seated().filter(|(member, _)| [replaced, by].contains(member));
        let known = |(member, seat): (MemberIndex, raid_core::md::Seat)| {
            Some((member, md_seat(self.superblocks.get(seat.device.index())?)))
        };
        of_pair.filter_map(known).collect()
    }

    fn can_be_served(&self, dirty: Dirty, bitmap: Option<Bitmap>) -> Result<(), Error> {
        self.members_suffice()?;
        let mut workshop =
            Workshop::of(&self.assembly, &self.superblocks, Vec::<Image>::new(), bitmap);
        let made = workshop.array(Access::ReadOnly, dirty).map(|_| ());
        made.map_err(|error| match (error, self.assembly.write_log) {
            (SetupError::DirtyDegraded, WriteLog::PartialParity { .. }) => refusal::not_replayed(),
            (error, _) => refusal::setup(error),
        })
    }

    fn members_suffice(&self) -> Result<(), Error> {
        match self.fate()? {
            Fate::Serving => Ok(()),
            Fate::Failed => Err(refusal::too_few(self)),
        }
    }

    pub(crate) fn say_what_is_left_out(&self) {
        for line in self.left_out() {
            warn(&line);
        }
    }
}

/// Refuses an array whose bytes need more than 64 bits: every command counts in bytes.
pub(crate) fn countable(geometry: &Geometry) -> Result<(), Error> {
    match geometry.size().bytes() {
        Some(_) => Ok(()),
        None => Err(Error::Refused(String::from(
            "the array has 2^64 bytes or more, which is beyond this program",
        ))),
    }
}

fn superblock(image: &Image) -> Result<Superblock, Error> {
    let path = image.path().to_path_buf();
    match find(image) {
        Ok(found) => {
            let Found { superblock, .. } = *found;
            Ok(superblock)
        }
        Err(Unusable::Superblock(error)) => Err(Error::NotMember { image: path, error }),
        Err(Unusable::Read(source)) => Err(Error::Open { image: path, source }),
    }
}

/// All that an array borrows: devices, and memory for the engine.
#[derive(Debug)]
pub(crate) struct Workshop<D> {
    geometry: Geometry,
    pub(crate) consistency: Consistency,
    events: u64,
    seats: Vec<Option<engine::Seat>>,
    /// Who is to replace the member at this place.
    replacement: Option<(MemberIndex, engine::Seat)>,
    superblocks: MdSeats,
    lane: Sectors,
    pub(crate) devices: Vec<D>,
    slots: Vec<Slot>,
    requests: Vec<RequestSlot>,
    lanes: Vec<u8>,
    pub(crate) bitmap: Option<Bitmap>,
    bad_blocks: Vec<BadBlock>,
    /// Of an array that was made ready to be written.
    logs: Option<Logs>,
    log_memory: Vec<Option<MdLog>>,
    /// Of an array that is being reshaped.
    moving: Option<Moving>,
    journal: Option<JournalOf>,
}

/// Whether copies are read from a device like from any other.
const fn reads_from(flags: DeviceFlags) -> engine::ReadsFrom {
    if flags.contains(DeviceFlags::WRITE_MOSTLY) {
        engine::ReadsFrom::AsLast
    } else {
        engine::ReadsFrom::Freely
    }
}

/// Where a device's superblock and bitmap lie, and its number.
fn md_seat(superblock: &Superblock) -> MdSeat {
    let bitmap = superblock.bitmap_area(BITMAP_SUPERBLOCK_SECTORS).ok().flatten();
    MdSeat {
        superblock: superblock.super_offset,
        number: superblock.dev_number,
        bitmap: bitmap.map(|area| area.start),
    }
}

/// What a member that is being rebuilt lacks above its mark.
const fn behind(superblock: &Superblock) -> Behind {
    match superblock.validity {
        Validity::Below { kind: RecoveryKind::ByBitmap, .. } => {
            Behind::MarkedChunks { events: superblock.events }
        }
        Validity::Below { kind: RecoveryKind::Full, .. }
        | Validity::Everything
        | Validity::JournalTail(_) => Behind::Everything,
    }
}

/// Keeps the metadata in the members' superblocks, and tells of events.
pub(crate) type Keeper<'m> = MdKeeper<'m, fn() -> Timestamp, Box<dyn FnMut(Event)>>;

/// An array at work.
pub(crate) type Array<'m, D> = blocking::Array<'m, D, Keeper<'m>>;

const SLOTS: usize = 8;

/// Of those, how many are for background passes.
const BACKGROUND_SLOTS: u16 = 4;

impl<D: BlockDevice> Workshop<D> {
    /// What an array of these devices needs; `devices` are in the order of device numbers.
    pub(crate) fn of(
        assembly: &Assembly,
        superblocks: &[Superblock],
        devices: Vec<D>,
        bitmap: Option<Bitmap>,
    ) -> Self {
        let mut at: MdSeats = [None; MEMBERS_MAX];
        let engine_seat = |seat: &raid_core::md::Seat| {
            let device = seat.device.index();
            engine::Seat {
                device: seat.device,
                state: seat.state,
                data_offset: seat.data_offset,
                limits: devices.get(device).map_or(RELAXED, D::limits),
                reads: reads_from(seat.device_flags),
                behind: superblocks.get(device).map_or(Behind::Everything, behind),
            }
        };
        // A replacement comes behind the members.
        let behind_them = assembly.replacement.map(|(_, seat)| seat);
        for (place, at) in assembly.places.iter().chain([&behind_them]).zip(&mut at) {
            let superblock = |seat: &raid_core::md::Seat| superblocks.get(seat.device.index());
            *at = place.as_ref().and_then(superblock).map(md_seat);
        }
        let seats = assembly.places.iter().map(|seat| seat.as_ref().map(engine_seat)).collect();
        let replacement = assembly.replacement;
        let replacement = replacement.map(|(member, seat)| (member, engine_seat(&seat)));
        Self {
            geometry: assembly.geometry,
            consistency: assembly.consistency,
            events: assembly.events,
            seats,
            replacement,
            superblocks: at,
            // A chunk at a time; chunks are at least 4 KiB and powers of two.
            lane: assembly.geometry.chunk().min(LANE_SECTORS_MAX),
            devices,
            slots: vec![Slot::FREE; SLOTS],
            requests: vec![RequestSlot::FREE; 1],
            lanes: Vec::new(),
            bitmap,
            bad_blocks: Vec::new(),
            logs: None,
            log_memory: Vec::new(),
            moving: None,
            journal: None,
        }
    }

    /// The array, and where it tells what happens to it.
    fn array(
        &mut self,
        access: Access,
        dirty: Dirty,
    ) -> Result<(Array<'_, D>, Receiver<Event>), SetupError> {
        let setup = engine::Setup {
            geometry: self.geometry,
            seats: &self.seats,
            consistency: self.consistency,
            events: self.events,
            lane: self.lane,
            access,
            dirty,
            log: self.row_log(),
        };
        let lane = self.lane.memory_bytes().ok_or(SetupError::Lane(self.lane))?;
        // One more than members, for partial parity.
        let per_slot = self.seats.len().saturating_add(1);
        let lanes = lane.checked_mul(per_slot).and_then(|row| row.checked_mul(SLOTS));
        self.lanes.resize(lanes.ok_or(SetupError::Memory)?, 0);
        let (tell, events) = channel();
        let notify: Box<dyn FnMut(Event)> = Box::new(move |event| {
            // Nobody listens any more when the array is done with.
            let _ = tell.send(event);
        });
        let clock: fn() -> Timestamp = now;
        let keeper = MdKeeper::new(self.superblocks, clock, notify);
        let keeper = match &self.logs {
            Some(logs) => {
                self.log_memory = logs.memory();
                keeper.with_logs(logs.keeper(&mut self.log_memory))
            }
            None => keeper,
        };
        let moving = self.moving.as_mut().map(Moving::engine).transpose()?;
        let keeper = match &moving {
            Some((_, reshape, _)) => keeper.with_reshape(*reshape),
            None => keeper,
        };
        let keeper = match &self.journal {
            Some(journal) => keeper.with_journal(journal.keeper()),
            None => keeper,
        };
        let parts = Parts {
            devices: &mut self.devices,
            keeper,
            lanes: &mut self.lanes,
            kernels: Kernels::detect(),
        };
        let memory = Memory {
            background: BACKGROUND_SLOTS,
            bitmap: self.bitmap.as_mut().map(|bitmap| IntentMap {
                chunk: bitmap.superblock.geometry.chunk(),
                chunks: &mut bitmap.chunks,
                cleared_at: bitmap.superblock.events_cleared,
            }),
            bad_blocks: &mut self.bad_blocks,
            ..Memory::new(&mut self.slots, &mut self.requests)
        };
        let array = match moving {
            None => Array::new(&setup, memory, parts)?,
            Some((reshape, _, window)) => {
                Array::reshaping(&setup, &reshape, memory, parts, window)?
            }
        };
        Ok((array, events))
    }
}

impl<D: BlockDevice> Workshop<D> {
    fn row_log(&self) -> engine::RowLog {
        match (&self.logs, &self.journal) {
            (Some(logs), _) => logs.row_log(),
            (None, Some(journal)) => {
                let device = self.devices.get(journal.device.index());
                journal.row_log(device.map_or(RELAXED, D::limits))
            }
            (None, None) => engine::RowLog::None,
        }
    }
}

const RELAXED: raid_core::io_limits::IoLimits = raid_core::io_limits::IoLimits::RELAXED;

impl<D: BlockDevice> Workshop<D> {
    /// The same array of other devices, each made from the one at its place.
    pub(crate) fn map_devices<E: BlockDevice>(self, other: impl FnMut(D) -> E) -> Workshop<E> {
        Workshop {
            geometry: self.geometry,
            consistency: self.consistency,
            events: self.events,
            seats: self.seats,
            replacement: self.replacement,
            superblocks: self.superblocks,
            lane: self.lane,
            devices: self.devices.into_iter().map(other).collect(),
            slots: self.slots,
            requests: self.requests,
            lanes: self.lanes,
            bitmap: self.bitmap,
            bad_blocks: self.bad_blocks,
            logs: self.logs,
            log_memory: self.log_memory,
            moving: self.moving,
            journal: self.journal,
        }
    }

    /// The array at work, as the user named it.
    pub(crate) fn start(
        &mut self,
        access: Access,
        dirty: Dirty,
    ) -> Result<(Array<'_, D>, Receiver<Event>), Error> {
        let replacement = self.replacement;
        let (mut array, events) = self.array(access, dirty).map_err(refusal::setup)?;
        if let (Access::ReadWrite, Some((member, seat))) = (access, replacement) {
            let refused =
                |error| Error::Refused(format!("replacement of member {}: {error}", member.0));
            array.add_replacement(member, seat).map_err(refused)?;
        }
        Ok((array, events))
    }
}

/// The place that a device believes to have.
pub(crate) fn place_of(assembled: &Assembled, device: DeviceIndex) -> Option<u16> {
    match assembled.superblocks.get(device.index())?.own_role() {
        DeviceRole::Slot(place) => Some(place),
        DeviceRole::Spare | DeviceRole::Faulty | DeviceRole::Journal => None,
    }
}

/// The time that goes on record.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(since.as_secs(), since.subsec_micros()).unwrap_or_default()
}

/// Says what happened to members. Ranges that are lost are for the command to say.
pub(crate) fn say_events(events: &Receiver<Event>, names: &Names) {
    for event in events.try_iter() {
        names.say(event);
    }
}

/// The members' images by place.
#[derive(Debug)]
pub(crate) struct Names(Vec<PathBuf>);

impl Names {
    pub(crate) fn of(assembled: &Assembled) -> Self {
        let name = |seat: &Option<raid_core::md::Seat>| {
            seat.as_ref().map_or(PathBuf::new(), |seat| assembled.path(seat.device).to_path_buf())
        };
        let replacement = assembled.assembly.replacement.map(|(_, seat)| seat);
        Self(assembled.assembly.places.iter().chain([&replacement]).map(name).collect())
    }

    /// This image sits at this place now.
    pub(crate) fn set(&mut self, member: MemberIndex, image: &Path) {
        if self.0.len() <= member.index() {
            self.0.resize(member.index().saturating_add(1), PathBuf::new());
        }
        if let Some(name) = self.0.get_mut(member.index()) {
            *name = image.to_path_buf();
        }
    }

    pub(crate) fn path(&self, member: MemberIndex) -> &Path {
        self.0.get(member.index()).map_or(Path::new("?"), PathBuf::as_path)
    }

    pub(crate) fn say(&self, event: Event) {
        let path = |member: MemberIndex| self.path(member).display();
        match event {
            Event::MemberFailed { member, fault } => warn(&format!(
                "member {} ({}) failed ({fault:?}) and is not used any more",
                member.0,
                path(member)
            )),
            Event::BlockRewritten { member, at, sectors } => warn(&format!(
                "member {} ({}): {} sectors at {} could not be read; reconstructed and written back",
                member.0,
                path(member),
                sectors.0,
                at.0
            )),
            Event::BlockBad { member, at, sectors } => warn(&format!(
                "member {} ({}): {} sectors at {} are bad, and are on its bad-block log now",
                member.0,
                path(member),
                sectors.0,
                at.0
            )),
            Event::JournalFailed { fault } => {
                warn(&format!("the journal failed ({fault:?}): the array takes no more writes"));
            }
            Event::ArrayFailed => warn("the array has failed: too few members are left"),
            Event::NotCompared { at, sectors } => warn(&format!(
                "{} sectors at {} of the members could not be read and were not compared",
                sectors.0, at.0
            )),
            Event::BlockLocated { member, at, sectors } => warn(&format!(
                "member {} ({}): {} sectors at {} were wrong, and are made from the others",
                member.0,
                path(member),
                sectors.0,
                at.0
            )),
            Event::Ambiguous { at, sectors } => warn(&format!(
                "{} sectors at {} of the members disagree, and no single block explains it; left as they are",
                sectors.0, at.0
            )),
            // Whoever asked for the request or the pass says it, what is good again is nobody's trouble, and nothing is
            // abandoned here.
            Event::RangeLost { .. }
            | Event::PassEnded { .. }
            | Event::ReshapeEnded { .. }
            | Event::BlockGood { .. }
            | Event::MemberReplaced { .. }
            | Event::MemberHung { .. }
            | Event::MemberQuiet { .. }
            | Event::Quiesced => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use raid_core::geometry::{Layout, Shape};

    #[test]
    fn an_array_of_more_bytes_than_can_be_counted_is_refused() {
        let sized = |member_size| {
            let shape =
                Shape { layout: Layout::Raid0, members: 16, chunk: Sectors(128), member_size };
            countable(&Geometry::new(shape).unwrap())
        };
        let uncountable = Sectors(1 << 51);
        assert!(sized(uncountable.saturating_sub(Sectors(128))).is_ok());
        assert!(matches!(sized(uncountable), Err(Error::Refused(_))));
    }
}
