//! Keeps metadata in Linux md superblocks.

use super::device::{BlockDevice, Keeper};
use super::md_backup::MdBackup;
use super::md_bitmap;
use super::md_journal::MdJournal;
use super::md_ppl::MdLogs;
use crate::engine::ReshapeEnd;
use crate::host::{BlockState, Durability, Event, Fault};
use crate::intent::IntentLine;
use crate::limits::MEMBERS_MAX;
use crate::md::journal::JournalSector;
use crate::md::ppl::PplArea;
use crate::md::{
    Area, BAD_BLOCKS_MAX, BadBlockEntry, BadBlockList, BadBlockRange, BadBlocks, Block,
    NumberBeyondRoles, SUPERBLOCK_BYTES, Superblock, Timestamp, Validity,
};
use crate::metadata::{Record, Shaping};
use crate::plan::JournalRow;
use crate::rectangle::Rectangle;
use crate::reshape::{BackupArea, BackupMark, Change, Shift};
use crate::units::{DeviceSector, MemberIndex, Sectors};

/// A member's superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MdSeat {
    /// Where it lies.
    pub superblock: DeviceSector,
    /// The device's number, by which all superblocks name it:
    /// [`Roles::free_number`](crate::md::Roles::free_number) gives one. With a number that they have
    /// no room for, no record is written.
    pub number: u32,
    /// Where its write-intent bitmap lies, if the array has one.
    pub bitmap: Option<DeviceSector>,
}

/// What a place is in the shape on record.
enum Standing {
    Member,
    /// A place of the other shape of a reshape that has not begun, or that has ended.
    OfOtherShape,
    /// A place behind all members, for a replacement.
    Behind,
}

/// A reshape as a keeper of md superblocks puts it on record.
#[derive(Clone, Copy, Debug)]
pub struct MdReshape<'m> {
    /// From what to what.
    pub change: &'m Change,
    /// How far the data of each member moves, by place.
    pub shifts: &'m [Shift],
}

/// A journal, and its superblock.
#[derive(Debug)]
pub struct MdJournalSeat {
    /// Where the superblock lies.
    pub seat: MdSeat,
    /// The place behind the last member, by which the engine names it.
    pub place: MemberIndex,
    /// The journal; `None` to keep the superblock alone.
    pub journal: Option<MdJournal>,
}

/// Puts the tail of a journal on record in the superblock that lies here on its device.
///
/// # Errors
/// It is not written, or may be.
pub fn record_journal_tail<D: BlockDevice>(
    device: &mut D,
    at: DeviceSector,
    tail: JournalSector,
) -> Result<(), Fault> {
    let mut block = [0; SUPERBLOCK_BYTES];
    device.read(at, &mut block)?;
    let mut superblock = Superblock::parse(&block, at).map_err(|_| Fault::Integrity)?;
    superblock.validity = Validity::JournalTail(tail.offset());
    superblock.encode(&mut block);
    device.write(at, &block, Durability::Durable)
}

/// The superblocks of the members, by place. `None` where there is no member.
pub type MdSeats = [Option<MdSeat>; MEMBERS_MAX];

/// Keeps metadata in Linux md superblocks: reads a member's, changes what the record says, writes
/// it back. Where a member has a bad-block log, it keeps that as well.
#[derive(Debug)]
pub struct MdKeeper<'m, C, N> {
    seats: MdSeats,
    logs: Option<MdLogs<'m>>,
    reshape: Option<MdReshape<'m>>,
    journal: Option<MdJournalSeat>,
    backup: Option<MdBackup<'m>>,
    clock: C,
    notify: N,
}

impl<'m, C: FnMut() -> Timestamp, N: FnMut(Event)> MdKeeper<'m, C, N> {
    /// A keeper of these superblocks. `clock` gives the time that is put on record; `notify` hears
    /// of events.
    #[must_use]
    pub const fn new(seats: MdSeats, clock: C, notify: N) -> Self {
        Self { seats, logs: None, reshape: None, journal: None, backup: None, clock, notify }
    }

    /// The same keeper, which keeps these logs besides: of an array that was
    /// [prepared](super::PplArray::prepare) for that.
    #[must_use]
    pub fn with_logs(self, logs: MdLogs<'m>) -> Self {
        Self { logs: Some(logs), ..self }
    }

    /// The same keeper, which puts this reshape on record besides: of an engine that was given the same.
    #[must_use]
    pub fn with_reshape(self, reshape: MdReshape<'m>) -> Self {
        Self { reshape: Some(reshape), ..self }
    }

    /// The same keeper, which writes the headers of this backup besides: of an engine that was given what
    /// [was found](MdBackup::find) there.
    #[must_use]
    pub fn with_backup(self, backup: MdBackup<'m>) -> Self {
        Self { backup: Some(backup), ..self }
    }

    /// The same keeper, which keeps a journal and its superblock besides: of an array that was
    /// [prepared](super::JournalArray::prepare) for that.
    #[must_use]
    pub fn with_journal(self, journal: MdJournalSeat) -> Self {
        Self { journal: Some(journal), ..self }
    }

    /// Keeps the superblock of a device that comes in at a place, or as a replacement under the number
    /// that the engine is going to give it: that of the members. To be called before
    /// [`Engine::add_member`](crate::engine::Engine::add_member) or
    /// [`Engine::add_replacement`](crate::engine::Engine::add_replacement).
    pub fn seat(&mut self, member: MemberIndex, seat: MdSeat) {
        if let Some(place) = self.seats.get_mut(member.index()) {
            *place = Some(seat);
        }
    }

    /// Keeps the log of a device that comes in at a place, in an area that was zeroed. To be called
    /// before [`Engine::add_member`](crate::engine::Engine::add_member).
    ///
    /// # Errors
    /// The array has no logs, or this one has less room than those it was started with.
    pub fn seat_log(&mut self, member: MemberIndex, area: PplArea) -> Result<(), Fault> {
        let logs = self.logs.as_mut().ok_or(Fault::Unsupported)?;
        logs.seat(member, area)
    }

    fn seat_of(&self, member: MemberIndex) -> Result<MdSeat, Fault> {
        let journal = self.journal.as_ref().filter(|journal| journal.place == member);
        let seat = journal.map(|journal| journal.seat);
        let seat = seat.or_else(|| self.seats.get(member.index()).copied().flatten());
        seat.ok_or(Fault::InvalidRequest)
    }

    /// Tells a superblock who sits where. A record that does not name a member would leave it out of
    /// the array.
    fn seat_all(
        &self,
        record: &Record,
        superblock: &mut Superblock,
    ) -> Result<(), NumberBeyondRoles> {
        let replaced = record.replacement.map(|replacement| replacement.member);
        let replacement = record.replacement.map(|replacement| replacement.by);
        let seats = self.seats.iter().zip((0..=u8::MAX).map(MemberIndex));
        // A replacement comes behind all members, so it is beside one that is seated already.
        for (seat, place) in seats.filter_map(|(seat, place)| Some((seat.as_ref()?, place))) {
            let standing = self.standing(superblock, place);
            let roles = &mut superblock.roles;
            match (record.failed.contains(place), standing) {
                (false, Standing::Member) => roles.seat(seat.number, place)?,
                (true, Standing::Member) if replaced == Some(place) => {
                    roles.call_faulty(seat.number);
                }
                (true, Standing::Member) | (_, Standing::OfOtherShape) => {}
                (_, Standing::Behind) => match replaced.filter(|_| replacement == Some(place)) {
                    Some(place) => roles.seat_beside(seat.number, place)?,
                    // It is lost.
                    None => roles.call_faulty(seat.number),
                },
            }
        }
        Ok(())
    }

    /// What a place is in the shape on record. Members that come in with a reshape have a place from
    /// its start on, those that go have theirs until its end.
    fn standing(&self, superblock: &Superblock, place: MemberIndex) -> Standing {
        let both = self.reshape.map_or(0, |reshape| reshape.change.members_max());
        if u32::from(place.0) < superblock.places() {
            Standing::Member
        } else if place.0 < both {
            Standing::OfOtherShape
        } else {
            Standing::Behind
        }
    }

    /// What a record says of a reshape.
    fn shape(
        &self,
        member: MemberIndex,
        superblock: &mut Superblock,
        shaping: Shaping,
    ) -> Result<(), Fault> {
        match (shaping, &self.reshape, superblock.reshape) {
            (Shaping::Fixed, None, _) | (Shaping::Fixed, Some(_), None) => Ok(()),
            (Shaping::Fixed, Some(known), Some(reshape)) => {
                // Called off. What has moved anything cannot be.
                if reshape.position != known.change.start() {
                    return Err(Fault::InvalidRequest);
                }
                superblock.cancel_reshape();
                Ok(())
            }
            (Shaping::Underway { position }, known, reshape) => {
                if reshape.is_none() {
                    let MdReshape { change, shifts } = known.ok_or(Fault::InvalidRequest)?;
                    let shift = shifts.get(member.index()).ok_or(Fault::InvalidRequest)?;
                    let begun = superblock.begin_reshape(change, *shift, &[]);
                    begun.map_err(|_| Fault::InvalidRequest)?;
                }
                superblock.checkpoint_reshape(position);
                Ok(())
            }
            (Shaping::Done, _, _) => {
                superblock.finish_reshape();
                Ok(())
            }
        }
    }

    /// A member's superblock as it is on its device, and where.
    fn superblock<D: BlockDevice>(
        &self,
        member: MemberIndex,
        device: &mut D,
        block: &mut Block,
    ) -> Result<(DeviceSector, Superblock), Fault> {
        let at = self.seat_of(member)?.superblock;
        device.read(at, block)?;
        // What cannot be read back as a superblock is not one to write over.
        let superblock = Superblock::parse(block, at).map_err(|_| Fault::Integrity)?;
        Ok((at, superblock))
    }
}

impl<D, C, N> Keeper<D> for MdKeeper<'_, C, N>
where
    D: BlockDevice,
    C: FnMut() -> Timestamp,
    N: FnMut(Event),
{
    fn record(
        &mut self,
        member: MemberIndex,
        device: &mut D,
        record: &Record,
    ) -> Result<(), Fault> {
        let mut block = [0; SUPERBLOCK_BYTES];
        let (at, mut superblock) = self.superblock(member, device, &mut block)?;
        self.shape(member, &mut superblock, record.shaping)?;
        self.seat_all(record, &mut superblock).map_err(|_| Fault::InvalidRequest)?;
        superblock.apply(record, (self.clock)());
        if let Some(bitmap) = self.seat_of(member)?.bitmap {
            md_bitmap::record(device, bitmap, record.events)?;
        }
        superblock.encode(&mut block);
        device.write(at, &block, Durability::Durable)
    }

    fn record_bad(
        &mut self,
        member: MemberIndex,
        device: &mut D,
        at: DeviceSector,
        sectors: Sectors,
        state: BlockState,
    ) -> Result<(), Fault> {
        let mut block = [0; SUPERBLOCK_BYTES];
        let (superblock_at, mut superblock) = self.superblock(member, device, &mut block)?;
        let Ok(Some(area)) = superblock.bad_block_area() else { return Err(Fault::Unsupported) };
        let mut log = [0; SUPERBLOCK_BYTES];
        let mut memory = [BadBlockEntry::EMPTY; BAD_BLOCKS_MAX];
        let mut list = match superblock.bad_block_log.entries {
            // Whatever lies there means nothing.
            BadBlocks::None => BadBlockList::new(&superblock.bad_block_log, &mut memory),
            BadBlocks::Listed => {
                device.read(area.start, log_of(&mut log, area)?)?;
                BadBlockList::decode(&superblock.bad_block_log, &log, &mut memory)
                    .map_err(|_| Fault::Integrity)?
            }
        };
        let range = BadBlockRange { start: at, length: sectors };
        let changed = match state {
            BlockState::Bad => list.add(range),
            BlockState::Good => list.clear(range),
        };
        changed.map_err(|_| Fault::Unsupported)?;
        list.encode(&mut log);
        // Nobody waits for this list: with all of it acknowledged, ranges that touch become one.
        list.acknowledge().map_err(|_| Fault::Unsupported)?;
        list.encode(&mut log);
        // Linux reads the log where the superblock says that it has entries: it has to have them
        // first.
        device.write(area.start, log_of(&mut log, area)?, Durability::Durable)?;
        if superblock.bad_block_log.entries != list.listed() {
            superblock.bad_block_log.entries = list.listed();
            superblock.encode(&mut block);
            device.write(superblock_at, &block, Durability::Durable)?;
        }
        match (state, list.overlaps(range)) {
            // The log counts in units of which only a part was written.
            (BlockState::Good, Some(_)) => Err(Fault::Unsupported),
            (BlockState::Good, None) | (BlockState::Bad, _) => Ok(()),
        }
    }

    fn log_parity(
        &mut self,
        member: MemberIndex,
        device: &mut D,
        batch: u32,
        rectangle: &Rectangle,
        partial_parity: &[u8],
    ) -> Result<(), Fault> {
        let logs = self.logs.as_mut().ok_or(Fault::Unsupported)?;
        logs.log_parity(member, device, batch, rectangle, partial_parity)
    }

    fn seal_log(&mut self, member: MemberIndex, device: &mut D, batch: u32) -> Result<(), Fault> {
        if let Some(journal) = self.journal.as_mut().and_then(|journal| journal.journal.as_mut()) {
            return journal.close(device);
        }
        self.logs.as_mut().ok_or(Fault::Unsupported)?.seal(member, device, batch)
    }

    fn log_row<'b>(
        &mut self,
        device: &mut D,
        stretch: u32,
        row: &JournalRow,
        bytes: &dyn Fn(MemberIndex) -> Option<&'b [u8]>,
    ) -> Result<(), Fault> {
        let journal = self.journal.as_mut().and_then(|journal| journal.journal.as_mut());
        journal.ok_or(Fault::Unsupported)?.log_row(device, stretch, row, bytes)
    }

    fn record_tail(
        &mut self,
        member: MemberIndex,
        device: &mut D,
        stretch: u32,
    ) -> Result<(), Fault> {
        let at = self.seat_of(member)?.superblock;
        let journal = self.journal.as_mut().and_then(|journal| journal.journal.as_mut());
        let tail = journal.ok_or(Fault::Unsupported)?.tail(device, stretch)?;
        record_journal_tail(device, at, tail)
    }

    fn record_backup(
        &mut self,
        device: &mut D,
        area: BackupArea,
        mark: BackupMark,
        content: &[u8],
    ) -> Result<(), Fault> {
        self.backup.ok_or(Fault::Unsupported)?.record(device, area, mark, content)
    }

    fn record_intent(
        &mut self,
        member: MemberIndex,
        device: &mut D,
        line: &IntentLine,
    ) -> Result<(), Fault> {
        let bitmap = self.seat_of(member)?.bitmap.ok_or(Fault::InvalidRequest)?;
        md_bitmap::record_line(device, bitmap, line)
    }

    fn note(&mut self, event: Event) {
        if let Event::ReshapeEnded { report, end: ReshapeEnd::Finished } = event {
            // A replacement sits behind the members that are left.
            let members = report.change.after().members();
            self.seats.iter_mut().skip(members.into()).for_each(|seat| *seat = None);
            self.reshape = None;
        }
        if let Event::MemberReplaced { member, by } = event {
            let seat = self.seats.get_mut(by.index()).and_then(Option::take);
            if let (Some(seat), Some(place)) = (seat, self.seats.get_mut(member.index())) {
                *place = Some(seat);
            }
        }
        (self.notify)(event);
    }
}

/// The sectors of a block that are the log.
fn log_of(block: &mut Block, area: Area) -> Result<&mut [u8], Fault> {
    let bytes = area.length.memory_bytes().ok_or(Fault::InvalidRequest)?;
    block.get_mut(..bytes).ok_or(Fault::InvalidRequest)
}
