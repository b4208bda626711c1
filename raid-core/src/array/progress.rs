//! How members and marks change while the array is at work: a device takes a place, a pass gets on.

use super::{Access, Array, Behind, Fate, ReadsFrom, Seat, whole_blocks};
use crate::intent::Others;
use crate::members::{MemberSet, MemberState};
use crate::metadata::Consistency;
use crate::units::{DeviceIndex, Generation, MemberIndex, Sectors};

/// Why a device cannot take a place. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeatRefusal {
    /// The array has no such place, or a member sits there. Choose a place that lacks one.
    Taken(MemberIndex),
    /// The device sits at a place already.
    DeviceTwice(DeviceIndex),
    /// The member is not said to be rebuilding: one that comes into a started array never holds all
    /// that was written.
    State,
    /// It is said to be valid below a mark. What was written there while it was away it does not
    /// have: say 0.
    Mark,
    /// It is said to lack marked chunks only, and the array has no write-intent bitmap, or one that
    /// was cleared since: say that it lacks everything.
    Unproven,
    /// The device's data does not start at a multiple of the array's logical block.
    DataOffset {
        /// Sectors in that block.
        block: Sectors,
    },
    /// The device takes less in one command than the array was started with. Stop the array and
    /// start it with the device.
    Limits,
    /// A command to this place, or to this device, was abandoned and is not dead. Wait for
    /// [`Event::MemberQuiet`](crate::host::Event::MemberQuiet).
    Hung(MemberIndex),
    /// Operations, a record or commands to its log that were begun with the member that sat there are
    /// not over. Poll, and try again.
    Leaving(MemberIndex),
    /// A replacement of this member is on its way, or was lost and what was begun with it is not over.
    /// One member is replaced at a time.
    Replacing(MemberIndex),
    /// The member is missing, or not valid everywhere: there is nothing to copy. Rebuild it.
    NotInSync(MemberIndex),
    /// The level has no redundancy: what the member cannot give could not be made.
    NoRedundancy,
    /// The array has a log of partial parity, which a replacement does not keep.
    Logged,
    /// This build keeps as many members apart as the array has, and a replacement is one more: see
    /// [`MEMBERS_MAX`](crate::limits::MEMBERS_MAX).
    NoSeat,
    /// The array is between two shapes. Members come in before a reshape or after it.
    Reshaping,
    /// The array was set up to be read only.
    ReadOnly,
    /// The array has failed.
    ArrayFailed,
}

impl core::fmt::Display for SeatRefusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Taken(member) => write!(f, "place {} is not free", member.0),
            Self::DeviceTwice(device) => write!(f, "device {} sits at a place already", device.0),
            Self::State => f.write_str("a member that comes in has to be rebuilt"),
            Self::Mark => {
                f.write_str("a member that was away may lack any block: its mark must be 0")
            }
            Self::Unproven => f.write_str("the bitmap does not tell what the member missed"),
            Self::DataOffset { block } => {
                write!(f, "its data does not start at a multiple of {} sectors", block.0)
            }
            Self::Limits => {
                f.write_str("it takes less in one command than the array was started with")
            }
            Self::Hung(member) => {
                write!(f, "a command to member {} hangs and may still reach its device", member.0)
            }
            Self::Leaving(member) => {
                write!(f, "not all is over that was begun with the member at place {}", member.0)
            }
            Self::Replacing(member) => write!(f, "member {} is being replaced", member.0),
            Self::NotInSync(member) => {
                write!(f, "member {} is not valid everywhere: rebuild it instead", member.0)
            }
            Self::NoRedundancy => f.write_str("the level has no redundancy"),
            Self::Logged => {
                f.write_str("members of an array with a log of partial parity are not replaced")
            }
            Self::NoSeat => f.write_str("this build has no room for a member more"),
            Self::Reshaping => f.write_str("the array is between two shapes"),
            Self::ReadOnly => f.write_str("the array is read only"),
            Self::ArrayFailed => f.write_str("the array has failed"),
        }
    }
}

impl core::error::Error for SeatRefusal {}

impl Array<'_> {
    /// Members that are being rebuilt, or wait for it.
    pub(crate) const fn rebuilding(&self) -> MemberSet {
        self.rebuilding
    }

    /// Up to where all of these members that are being rebuilt are valid; `None` if none is.
    pub(crate) fn rebuilt_to(&self, members: MemberSet) -> Option<Sectors> {
        let marks = self.rebuilding.intersection(members).into_iter();
        marks
            .filter_map(|member| match self.seat(member)?.state {
                MemberState::Rebuilding { valid_to } => Some(valid_to),
                MemberState::InSync | MemberState::Failed | MemberState::Missing => None,
            })
            .min()
    }

    /// Up to where parity and copies are known to agree with the data; `None` if everywhere.
    pub(crate) const fn resynced_to(&self) -> Option<Sectors> {
        match self.vouched {
            Consistency::Clean => None,
            Consistency::InSyncTo(mark) => Some(mark),
        }
    }

    /// Gives a place that lacks a member to a device. The generation that says so.
    pub(crate) fn take_in(
        &mut self,
        member: MemberIndex,
        seat: Seat,
    ) -> Result<Generation, SeatRefusal> {
        let MemberState::Rebuilding { valid_to } = seat.state else {
            return Err(SeatRefusal::State);
        };
        if valid_to > Sectors::ZERO {
            return Err(SeatRefusal::Mark);
        }
        if !self.absent_places().contains(member) {
            return Err(SeatRefusal::Taken(member));
        }
        if self.replacement().is_some_and(|replacement| replacement.member == member) {
            return Err(SeatRefusal::Replacing(member));
        }
        self.fits(&seat)?;
        match seat.behind {
            Behind::Everything => {}
            Behind::MarkedChunks { events } if self.bits_tell_since(events) => {
                let others = match self.rebuilding_by_intent().is_empty() {
                    true => Others::LackNothing,
                    false => Others::Lack,
                };
                if let Some(intent) = &mut self.intent {
                    intent.is_lacked(others);
                }
            }
            Behind::MarkedChunks { .. } => return Err(SeatRefusal::Unproven),
        }
        let place = self.seats.get_mut(member.index()).ok_or(SeatRefusal::Taken(member))?;
        *place = Some(seat);
        match seat.behind {
            Behind::Everything => self.bad_blocks.forget(member),
            // What was not written there is not there.
            Behind::MarkedChunks { .. } => {}
        }
        self.absent.remove(member);
        self.rebuilding.insert(member);
        self.log.take_in(member);
        match seat.reads {
            ReadsFrom::Freely => self.written_mostly.remove(member),
            ReadsFrom::AsLast => self.written_mostly.insert(member),
        }
        Ok(self.writer.want())
    }

    /// Whether a device can work with those that are there.
    pub(super) fn fits(&self, seat: &Seat) -> Result<(), SeatRefusal> {
        match (self.access, self.fate) {
            (Access::ReadOnly, _) => return Err(SeatRefusal::ReadOnly),
            (Access::ReadWrite, Fate::Failed) => return Err(SeatRefusal::ArrayFailed),
            (Access::ReadWrite, Fate::Serving) => {}
        }
        let seated = |other: &MemberIndex| self.seat(*other).map(|other| other.device);
        if self.keepers().into_iter().filter_map(|other| seated(&other)).any(|d| d == seat.device) {
            return Err(SeatRefusal::DeviceTwice(seat.device));
        }
        let block = self.limits.logical_block();
        if seat.data_offset.0.checked_rem(block.0) != Some(0) {
            return Err(SeatRefusal::DataOffset { block });
        }
        let limits = seat.limits.validated().map_err(|_| SeatRefusal::Limits)?;
        if self.limits.stacked(limits) != self.limits {
            return Err(SeatRefusal::Limits);
        }
        Ok(())
    }

    /// These members are valid up to the mark.
    pub(crate) fn rebuild_reached(&mut self, members: MemberSet, mark: Sectors) {
        let mark = whole_blocks(mark, &self.limits);
        for member in self.rebuilding.intersection(members) {
            let seat = self.seats.get_mut(member.index()).and_then(Option::as_mut);
            if let Some(MemberState::Rebuilding { valid_to }) = seat.map(|seat| &mut seat.state) {
                *valid_to = mark.max(*valid_to);
            }
        }
    }

    /// These members are valid everywhere. The generation that says so.
    pub(crate) fn rebuild_finished(&mut self, members: MemberSet) -> Generation {
        for member in self.rebuilding.intersection(members) {
            if let Some(seat) = self.seats.get_mut(member.index()).and_then(Option::as_mut) {
                seat.state = MemberState::InSync;
            }
            self.rebuilding.remove(member);
        }
        let generation = self.writer.want();
        self.rebuilt = Some(generation);
        generation
    }

    /// Parity and copies agree with the data up to the mark.
    pub(crate) fn resync_reached(&mut self, mark: Sectors) {
        match &mut self.vouched {
            Consistency::Clean => {}
            Consistency::InSyncTo(reached) => {
                *reached = whole_blocks(mark, &self.limits).max(*reached);
            }
        }
    }

    /// Parity and copies agree with the data everywhere. The generation that says so.
    pub(crate) fn resync_finished(&mut self) -> Generation {
        self.vouched = Consistency::Clean;
        let generation = self.writer.want();
        self.resynced = Some(generation);
        generation
    }
}
