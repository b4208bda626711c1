//! An array whose reshape is half done.

use super::newcomers::Newcomer;
use super::{Assembled, Workshop, md_seat, refusal};
use crate::cli::Absence;
use crate::exit::{Error, warn};
use crate::images::Image;
use raid_core::blocking::{BlockDevice as _, MdReshape};
use raid_core::engine::{self, SetupError};
use raid_core::io_limits::IoLimits;
use raid_core::md::{HalfDone, WriteLog};
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::{Consistency, Shaping};
use raid_core::reshape::{Change, Progress, Shift};
use raid_core::units::{DeviceSector, Lba, Sectors};

/// How much is moved at a time, at least.
const WINDOW: Sectors = Sectors(8192);

/// Images, what their superblocks say, and how far the reshape is that they are in.
#[derive(Debug)]
pub(crate) struct Reshaping {
    /// The array, its geometry being the old shape, with the places of both.
    pub(crate) assembled: Assembled,
    pub(crate) progress: Progress,
    /// Where the data of each member starts in the new shape.
    new_data: Vec<Option<DeviceSector>>,
}

/// What a workshop needs besides, for an array that is being reshaped.
#[derive(Debug)]
pub(super) struct Moving {
    change: Change,
    /// Where it is on record, if it is.
    position: Option<Lba>,
    data_offsets: Vec<DeviceSector>,
    shifts: Vec<Shift>,
    window: Vec<u8>,
}

impl Moving {
    /// What the engine is to know of the reshape, and the window.
    pub(super) fn engine(
        &mut self,
    ) -> Result<(engine::Reshape<'_>, MdReshape<'_>, &mut [u8]), SetupError> {
        let Self { change, position, data_offsets, shifts, window } = self;
        let length = WINDOW.max(change.unit());
        window.resize(length.memory_bytes().ok_or(SetupError::Memory)?, 0);
        let reshape = engine::Reshape {
            change: *change,
            position: *position,
            data_offsets,
            window: length,
            backup: None,
        };
        Ok((reshape, MdReshape { change, shifts }, window))
    }
}

impl Reshaping {
    pub(super) fn new(assembled: Assembled, half_done: &HalfDone) -> Self {
        let new_data = half_done.new_data.iter().copied().collect();
        Self { assembled, progress: half_done.progress, new_data }
    }

    /// How much of the array is there meanwhile.
    pub(crate) fn size(&self) -> Sectors {
        self.progress.change().size_meanwhile()
    }

    /// Refuses to write while nobody knows what the backup of its critical section holds.
    pub(crate) fn refuse_critical(&self) -> Result<(), Error> {
        match self.progress.doubtful() {
            None => Ok(()),
            Some(_) => Err(Error::Refused(String::from(
                "the reshape stands at its critical section, where another program may have left a backup, which \
                 this program does not read yet; nothing is written before",
            ))),
        }
    }

    /// Places of either shape without a member.
    fn absent(&self) -> MemberSet {
        let places = MemberSet::first(self.progress.change().members_max());
        places.difference(self.assembled.assembly.present())
    }

    /// The array's memory and devices, if it may be read.
    pub(crate) fn into_readable(self) -> Result<Workshop<Image>, Error> {
        self.assembled.say_what_is_left_out();
        if self.progress.doubtful().is_some() {
            warn(
                "the reshape stands at its critical section; if another program was interrupted there, let it restore its \
                 backup first",
            );
        }
        self.into_workshop()
    }

    /// The array's memory and devices, if it may be written.
    pub(crate) fn into_writable(mut self, absence: Absence) -> Result<Workshop<Image>, Error> {
        let unnamed = self.assembled.listed().intersection(self.absent());
        match (absence, unnamed.is_empty()) {
            (Absence::Refuse, false) => {
                return Err(refusal::unnamed_places(&self.assembled, unnamed));
            }
            (Absence::Refuse, true) | (Absence::Record, _) => {}
        }
        self.assembled.say_what_is_left_out();
        // As with an array at rest: members that a crash kept the last record from get it first.
        let position = self.progress.safe().lba();
        let failed = self.absent().difference(self.assembled.listed());
        let events = self.assembled.assembly.events;
        let is_behind = |known: &raid_core::md::Superblock| known.events != events;
        self.assembled.record(failed, Shaping::Underway { position }, is_behind)?;
        self.into_workshop()
    }

    fn into_workshop(self) -> Result<Workshop<Image>, Error> {
        // While a backup is in use the array is not on record as clean.
        match (self.progress.doubtful(), self.assembled.assembly.consistency) {
            (Some(_), Consistency::InSyncTo(_)) => {
                return Err(Error::Refused(String::from(
                    "the reshape was interrupted in its critical section, and what was under way there only its \
                     backup says, which this program does not read yet",
                )));
            }
            (Some(_), Consistency::Clean) | (None, _) => {}
        }
        match self.assembled.assembly.write_log {
            WriteLog::None => {}
            WriteLog::Bitmap { .. } | WriteLog::PartialParity { .. } | WriteLog::Journal => {
                return Err(refusal::setup(SetupError::Reshaping));
            }
        }
        let Self { assembled, progress, new_data } = self;
        let places = assembled.assembly.places.iter().zip(new_data);
        let (shifts, data_offsets) = places
            .map(|(seat, new)| {
                let own =
                    seat.as_ref().and_then(|seat| assembled.superblocks.get(seat.device.index()));
                let shift = own.and_then(|own| own.reshape).map(|reshape| reshape.shift());
                (shift.unwrap_or_default(), new.unwrap_or_default())
            })
            .unzip();
        let (change, position) = (*progress.change(), Some(progress.safe().lba()));
        let moving = Moving { change, position, data_offsets, shifts, window: Vec::new() };
        let bad_blocks = assembled.bad_blocks()?;
        if bad_blocks.iter().any(|bad| bad.sectors > Sectors::ZERO) {
            return Err(refusal::setup(SetupError::Reshaping));
        }
        let workshop =
            Workshop::of(&assembled.assembly, &assembled.superblocks, assembled.images, None);
        Ok(Workshop { moving: Some(moving), ..workshop })
    }
}

impl Workshop<Image> {
    /// The same array, to be reshaped: devices come in, and the data of all members moves by `shift`.
    pub(crate) fn reshaped(
        mut self,
        change: Change,
        newcomers: Vec<(Image, &Newcomer)>,
    ) -> Result<Self, Error> {
        let places = usize::from(change.members_max());
        self.seats.resize(places, None);
        for (image, newcomer) in newcomers {
            let known = &newcomer.superblock;
            let seat = engine::Seat {
                device: self.take(image)?,
                state: MemberState::InSync,
                data_offset: known.data_offset,
                limits: IoLimits::RELAXED,
                reads: super::reads_from(known.device_flags),
                behind: newcomer.behind,
            };
            let limits = self.devices.last().map_or(IoLimits::RELAXED, Image::limits);
            let place = newcomer.place.index();
            if let (Some(at), Some(md)) =
                (self.seats.get_mut(place), self.superblocks.get_mut(place))
            {
                *at = Some(engine::Seat { limits, ..seat });
                *md = Some(md_seat(known));
            }
        }
        let shift = change.shift();
        let moved = |seat: &Option<engine::Seat>| {
            let old = seat.map_or(DeviceSector::default(), |seat| seat.data_offset);
            // The room for it was looked at.
            DeviceSector(old.0.saturating_add_signed(shift.0))
        };
        let data_offsets = self.seats.iter().map(moved).collect();
        let shifts = vec![shift; places];
        let window = Vec::new();
        self.moving = Some(Moving { change, position: None, data_offsets, shifts, window });
        // They count sectors of one shape.
        self.bad_blocks = Vec::new();
        Ok(self)
    }
}
