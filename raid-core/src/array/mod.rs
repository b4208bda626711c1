//! The array as the engine knows it: its shape, who sits where, who is lost, what is on record.

mod backup;
mod bad_blocks;
mod balance;
mod marks;
mod progress;
mod replacement;
mod setup;
mod shapes;
mod view;

pub use backup::Backup;
pub(crate) use backup::{Cleared, Held, Motion, Store};
pub use bad_blocks::BadBlock;
pub(crate) use bad_blocks::Health;
pub use progress::SeatRefusal;
pub(crate) use replacement::{Gate, Handover, TakenOver, Trusted};
pub use setup::{Access, Behind, Dirty, JournalSeat, ReadsFrom, RowLog, Seat, Setup, SetupError};
pub use shapes::Reshape;
pub(crate) use shapes::{Phase, Route, Survival, Two};

use crate::batch::Results;
use crate::geometry::{CopyGeometry, Geometry};
use crate::host::{Event, Fault, Host};
use crate::intent::{Intent, IntentMap};
use crate::io_limits::IoLimits;
use crate::limits::{LANE_SECTORS_MAX, LANE_SECTORS_MIN, MEMBERS_MAX};
use crate::log::Logs;
use crate::members::{MemberSet, MemberState};
use crate::metadata::{Claims, Consistency, Facts, Shaping, Writer};
use crate::plan::Redundancy;
use crate::rectangle::{Rectangle, Span};
use crate::units::{
    ChunkIndex, DeviceIndex, DeviceSector, FAULT_UNIT, Generation, MemberIndex, Sectors,
};
use bad_blocks::BadBlocks;
use balance::Balance;
use replacement::Replacing;
use view::Validity;

/// The state of one array.
#[derive(Debug)]
pub(crate) struct Array<'m> {
    geometry: Geometry,
    /// The other shape, while there are two.
    two: Option<Two>,
    /// What records say of the shape while there is one.
    shaping: Shaping,
    seats: [Option<Seat>; MEMBERS_MAX],
    /// All places, and the seat of a replacement.
    everyone: MemberSet,
    replacing: Replacing,
    /// Places without a usable member: none attached, or failed.
    absent: MemberSet,
    /// Places whose member is valid up to a mark only.
    rebuilding: MemberSet,
    /// Places whose member is read only where no other copy is left.
    written_mostly: MemberSet,
    pub(crate) balance: Balance,
    pub(crate) bad_blocks: BadBlocks<'m>,
    fate: Fate,
    access: Access,
    dirty: Dirty,
    /// What the last clean stop, or the last resync, vouches for.
    vouched: Consistency,
    mark: Mark,
    /// The generation that says of members that they were rebuilt to their end.
    rebuilt: Option<Generation>,
    /// The first generation after the end of a resync.
    resynced: Option<Generation>,
    pub(crate) writer: Writer,
    /// The write-intent bitmap, if there is one.
    pub(crate) intent: Option<Intent<'m>>,
    pub(crate) log: Logs,
    limits: IoLimits,
    lane: Sectors,
}

/// Whether the array can still do what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It can, degraded or not.
    Serving,
    /// More members are lost than the redundancy makes up for, or all of them reject metadata: it takes no write, and reads what is
    /// left. Once it was written to, nothing is made from parity any more: its failure may have cut
    /// a write short, and then the row does not fit.
    Failed,
}

/// What the metadata says about writes under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mark {
    /// There are none; as vouched for.
    Clean,
    /// There may be; on record with this generation.
    Dirty(Generation),
}

/// Whether a row kept what was written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Kept,
    Lost,
}

impl<'m> Array<'m> {
    pub(crate) fn new(
        setup: &Setup<'_>,
        reshape: Option<&Reshape<'_>>,
        bad_blocks: &'m mut [BadBlock],
        map: Option<IntentMap<'m>>,
    ) -> Result<Self, SetupError> {
        let geometry = setup.geometry;
        keeps_no_lists(reshape, map.as_ref(), bad_blocks)?;
        let two = reshape.map(|reshape| Two::new(reshape, setup)).transpose()?;
        seats_and_lane_fit(setup, reshape)?;
        let mut seats = [None; MEMBERS_MAX];
        let mut limits = IoLimits::RELAXED;
        let (mut absent, mut rebuilding) = (MemberSet::NONE, MemberSet::NONE);
        for ((place, from), member) in seats.iter_mut().zip(setup.seats).zip(0..=u8::MAX) {
            let member = MemberIndex(member);
            *place = *from;
            let Some(seat) = from else {
                absent.insert(member);
                continue;
            };
            limits = limits.stacked(seat.limits.validated().map_err(SetupError::Limits)?);
            match seat.state {
                MemberState::InSync => {}
                MemberState::Rebuilding { .. } => rebuilding.insert(member),
                MemberState::Failed | MemberState::Missing => absent.insert(member),
            }
        }
        if let RowLog::Journal(journal) = setup.log {
            limits = limits.stacked(journal.take_place(&mut seats, &geometry)?);
        }
        data_is_aligned(setup.seats, limits.logical_block())?;
        each_device_sits_once(&seats)?;
        // Between two shapes no mark tells what is valid.
        let mark = |mark| reshape.map_or(whole_blocks(mark, &limits), |_| Sectors::ZERO);
        cut_marks(&mut seats, mark);
        let vouched = match setup.consistency {
            Consistency::InSyncTo(to) => Consistency::InSyncTo(mark(to)),
            clean @ Consistency::Clean => clean,
        };
        let intent = marks::intent_of(map, &geometry, vouched)?;
        let log = Logs::new(setup.log.kind(&geometry, intent.as_ref())?);
        let places = reshape.map_or(geometry.members(), |reshape| reshape.change.members_max());
        let mut array = Self {
            geometry,
            two,
            shaping: Shaping::Fixed,
            seats,
            everyone: MemberSet::first(places),
            replacing: Replacing::No,
            absent,
            rebuilding,
            written_mostly: balance::written_mostly(setup.seats),
            balance: Balance::new(),
            bad_blocks: BadBlocks::load(bad_blocks, limits.logical_block()),
            fate: Fate::Serving,
            access: setup.access,
            dirty: setup.dirty,
            vouched,
            mark: Mark::Clean,
            rebuilt: None,
            resynced: None,
            writer: Writer::new(setup.events),
            intent,
            log,
            limits,
            lane: setup.lane,
        };
        // A copy is a copy, in sync or not; parity that does not fit makes up blocks.
        if array.distrusts_parity() && !absent.union(rebuilding).is_empty() {
            return Err(SetupError::DirtyDegraded);
        }
        array.take_in_marked();
        if !array.survives_without(MemberSet::NONE) {
            array.fate = Fate::Failed;
        }
        Ok(array)
    }

    /// Whether every block of the array can be had, once these members are lost as well. A member that is not rebuilt to its end holds
    /// not every block of its own, so it makes up for no other: to record that other as failed
    /// would lose for good what it alone holds.
    pub(crate) fn survives_without(&self, more: MemberSet) -> bool {
        let end = whole_blocks(self.geometry.shape().member_size, &self.limits);
        let unfinished = |member: &MemberIndex| match self.seat(*member).map(|seat| seat.state) {
            Some(MemberState::Rebuilding { valid_to }) => valid_to < end,
            Some(MemberState::InSync | MemberState::Failed | MemberState::Missing) | None => false,
        };
        let stale = self.rebuilding.into_iter().filter(unfinished).collect();
        let lost = self.absent_places().union(stale).union(more);
        self.shapes_survive(lost) == Survival::All
    }

    #[inline]
    pub(crate) const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    #[inline]
    pub(crate) const fn absent(&self) -> MemberSet {
        self.absent
    }

    /// Places without a usable member.
    pub(crate) fn absent_places(&self) -> MemberSet {
        self.absent.intersection(self.places())
    }

    /// Whoever is there: members, and a replacement.
    #[inline]
    pub(crate) fn present(&self) -> MemberSet {
        self.everyone.difference(self.absent)
    }

    #[inline]
    pub(crate) const fn fate(&self) -> Fate {
        self.fate
    }

    #[inline]
    pub(crate) const fn access(&self) -> Access {
        self.access
    }

    #[inline]
    pub(crate) const fn limits(&self) -> &IoLimits {
        &self.limits
    }

    #[inline]
    pub(crate) const fn lane(&self) -> Sectors {
        self.lane
    }

    #[inline]
    fn seat(&self, member: MemberIndex) -> Option<&Seat> {
        self.seats.get(member.index())?.as_ref()
    }

    #[inline]
    pub(crate) fn state(&self, member: MemberIndex) -> MemberState {
        match self.seat(member) {
            None => MemberState::Missing,
            Some(seat) => match seat.state {
                MemberState::InSync | MemberState::Rebuilding { .. }
                    if self.absent.contains(member) =>
                {
                    MemberState::Failed
                }
                MemberState::InSync
                | MemberState::Rebuilding { .. }
                | MemberState::Failed
                | MemberState::Missing => seat.state,
            },
        }
    }

    /// The device of a place. Only places that are present are asked for.
    #[inline]
    pub(crate) fn device(&self, member: MemberIndex) -> DeviceIndex {
        self.seat(member).map_or(DeviceIndex(u8::MAX), |seat| seat.device)
    }

    /// Where the block of a place lies. What no validated geometry gives becomes an address that no
    /// device has.
    #[inline]
    pub(crate) fn locate(
        &self,
        rectangle: &Rectangle,
        member: MemberIndex,
    ) -> (DeviceIndex, DeviceSector) {
        let nowhere = (DeviceIndex(u8::MAX), DeviceSector(u64::MAX));
        let address = || {
            let seat = self.seat(member)?;
            let (shape, place) = (rectangle.shape(), self.place_of(member));
            let sector = rectangle.member_sector(self.geometry_of(shape), place)?;
            let start = self.data_start(seat, member, shape);
            Some((seat.device, start.checked_add(Sectors(sector.0))?))
        };
        address().unwrap_or(nowhere)
    }

    /// Places without a usable member, and that of a journal that is lost.
    pub(crate) fn lost(&self) -> MemberSet {
        match (self.log.journal_place(), self.log.has_journal()) {
            (Some(place), false) => self.absent.union(MemberSet::only(place)),
            (Some(_) | None, _) => self.absent,
        }
    }

    /// The same of places of the shape, and the journal's.
    fn lost_places(&self) -> MemberSet {
        match (self.log.journal_place(), self.log.has_journal()) {
            (Some(place), false) => self.absent_places().union(MemberSet::only(place)),
            (Some(_) | None, _) => self.absent_places(),
        }
    }

    /// Devices that metadata goes to, by place: the members', and the journal's.
    fn keepers(&self) -> MemberSet {
        match self.log.journal_place() {
            Some(place) if self.log.has_journal() => self.present().union(MemberSet::only(place)),
            Some(_) | None => self.present(),
        }
    }

    /// Whether there is parity to stand in for a member that is lost, and it may not agree with the
    /// data everywhere.
    pub(crate) fn distrusts_parity(&self) -> bool {
        match (self.vouched, self.dirty, &self.geometry) {
            (Consistency::InSyncTo(_), Dirty::Refuse, Geometry::Parity(_)) => {
                // With a bitmap it is only where bits were set.
                self.intent.as_ref().is_none_or(|intent| intent.doubt() == Redundancy::Unknown)
            }
            (Consistency::InSyncTo(_) | Consistency::Clean, Dirty::Refuse | Dirty::Force, _) => {
                false
            }
        }
    }

    /// Takes a member out of use at the host's wish: from now on it is absent, and a generation that
    /// says so is wanted.
    pub(crate) fn dismiss(&mut self, member: MemberIndex) {
        self.absent.insert(member);
        self.rebuilding.remove(member);
        self.log.lose(member);
        self.replacement_misses(member);
        self.writer.want();
    }

    /// Takes members out of use: from now on they are absent, and a generation that says so is
    /// wanted. A member that left with the old shape of the array may fail late: that is no loss.
    #[inline]
    pub(crate) fn lose<H: Host>(&mut self, members: MemberSet, fault: Fault, host: &mut H) {
        for member in members.difference(self.absent) {
            if self.log.journal_place() == Some(member) {
                self.lose_journal(fault, host);
                continue;
            }
            if !self.everyone.contains(member) {
                continue;
            }
            self.absent.insert(member);
            self.rebuilding.remove(member);
            self.log.lose(member);
            self.replacement_misses(member);
            host.note(Event::MemberFailed { member, fault });
            match self.fate {
                Fate::Serving if !self.survives_without(MemberSet::NONE) => {
                    self.fate = Fate::Failed;
                    host.note(Event::ArrayFailed);
                }
                Fate::Serving | Fate::Failed => {}
            }
            match self.access {
                Access::ReadWrite => {
                    self.writer.want();
                }
                Access::ReadOnly => {}
            }
        }
    }

    /// Takes the journal out of use: no write begins any more. Those that have begun may leave rows
    /// torn from now on, so that is what is put on record.
    fn lose_journal<H: Host>(&mut self, fault: Fault, host: &mut H) {
        if !self.log.has_journal() {
            return;
        }
        self.log.lose_journal();
        host.note(Event::JournalFailed { fault });
        match (self.access, self.mark) {
            (Access::ReadWrite, Mark::Dirty(_)) => self.mark = Mark::Dirty(self.writer.want()),
            (Access::ReadWrite, Mark::Clean) => {
                self.writer.want();
            }
            (Access::ReadOnly, _) => {}
        }
    }

    /// Members that failed while metadata was written. Where all of them reject it, the host cannot
    /// keep it: nobody is blamed, and the array takes no more writes.
    pub(crate) fn lose_all<H: Host>(&mut self, results: &Results, host: &mut H) {
        match self.fate {
            Fate::Serving if results.rejected == self.keepers() => {
                self.fate = Fate::Failed;
                host.note(Event::ArrayFailed);
                return;
            }
            Fate::Serving | Fate::Failed => {}
        }
        self.lose(results.blocks, results.block_fault, host);
        self.lose(results.members, results.member_fault, host);
        self.lose(results.rejected, results.rejected_fault, host);
    }

    /// Whether what was written to these places of a rectangle is kept, with who is absent and what
    /// is bad now.
    #[inline]
    pub(crate) fn standing(&self, rectangle: &Rectangle, writes: MemberSet) -> Standing {
        match self.lost_parts(rectangle, writes).next() {
            Some(_) => Standing::Lost,
            None => Standing::Kept,
        }
    }

    /// The parts of a rectangle that did not keep what was written to these places, and of which
    /// places the blocks are lost there.
    pub(crate) fn lost_parts(
        &self,
        rectangle: &Rectangle,
        writes: MemberSet,
    ) -> impl Iterator<Item = (Rectangle, MemberSet)> {
        let void = |part: &Rectangle| part.covered().intersection(self.void(part));
        let lost = move |part: &Rectangle| self.standing_as_one(part, writes) == Standing::Lost;
        self.parts(*rectangle).filter(lost).map(move |part| (part, void(&part)))
    }

    /// The parts of a rectangle, each of them all good or all bad on every member.
    fn parts(&self, rectangle: Rectangle) -> impl Iterator<Item = Rectangle> {
        let mut rest = Some(rectangle);
        core::iter::from_fn(move || {
            let now = rest?;
            let border = self.bad_border(&now).unwrap_or(now.sectors);
            let part = Rectangle { sectors: border.min(now.sectors), ..now };
            rest = now.behind(part.sectors);
            Some(part)
        })
    }

    /// Places whose block cannot be read, or is not to be.
    fn void(&self, rectangle: &Rectangle) -> MemberSet {
        let lost = rectangle.places().intersection(self.absent);
        let stale = self.rebuilding.into_iter();
        let stale = stale.filter(|member| self.validity(rectangle, *member) == Validity::Stale);
        lost.union(stale.collect()).union(self.bad(rectangle))
    }

    #[inline]
    fn standing_as_one(&self, rectangle: &Rectangle, writes: MemberSet) -> Standing {
        let kept = match rectangle.span {
            Span::Row { .. } => {
                let redundancy = u32::from(self.geometry_of(rectangle.shape()).redundancy());
                let lost = rectangle.places().intersection(self.absent);
                let void = self.void(rectangle);
                let spared = rectangle.covered().intersection(void).is_empty();
                let restorable = match self.redundancy(rectangle) {
                    Redundancy::InSync => void.count() <= redundancy,
                    // Parity that is not known to be in sync stands in for nobody.
                    Redundancy::Unknown => false,
                };
                lost.count() <= redundancy && (spared || restorable)
            }
            Span::Chunk { .. } => writes
                .difference(self.absent)
                .difference(self.bad(rectangle))
                .into_iter()
                .any(|member| self.validity(rectangle, member) == Validity::Valid),
        };
        if kept { Standing::Kept } else { Standing::Lost }
    }

    /// Marks the array dirty. The generation to wait for before the first member write, or `None`
    /// if the mark is on record.
    #[inline]
    pub(crate) fn mark_dirty(&mut self) -> Option<Generation> {
        let marked = match self.mark {
            Mark::Dirty(generation) => generation,
            // With a journal no row stays torn, so the record is true as it stands.
            Mark::Clean if self.log.has_journal() => {
                self.mark = Mark::Dirty(self.writer.recorded());
                return None;
            }
            Mark::Clean => {
                let generation = self.writer.want();
                self.mark = Mark::Dirty(generation);
                generation
            }
        };
        (self.writer.recorded() < marked).then_some(marked)
    }

    /// Marks the array as it was vouched for. The generation to wait for, or `None` if that is on
    /// record.
    pub(crate) fn mark_clean(&mut self) -> Option<Generation> {
        match self.mark {
            Mark::Clean => {}
            Mark::Dirty(_) => {
                self.mark = Mark::Clean;
                self.writer.want();
            }
        }
        self.unrecorded()
    }

    /// Up to where parity and copies are known to agree with the data, once what made them agree is
    /// durable: a generation ends with a flush of all members.
    pub(crate) fn durably_vouched(&self) -> Consistency {
        match self.resynced {
            Some(generation) if self.writer.recorded() < generation => {
                Consistency::InSyncTo(Sectors::ZERO)
            }
            Some(_) | None => self.vouched,
        }
    }

    #[inline]
    pub(crate) const fn recorded(&self) -> Generation {
        self.writer.recorded()
    }

    /// The generation that will say all that is true now, or `None` if it is on record.
    #[inline]
    pub(crate) fn unrecorded(&self) -> Option<Generation> {
        Some(self.writer.wanted()).filter(|wanted| *wanted > self.writer.recorded())
    }

    #[inline]
    pub(crate) fn facts(&self) -> Facts {
        let consistency = match self.mark {
            Mark::Clean => self.vouched,
            Mark::Dirty(_) if self.log.has_journal() => self.vouched,
            Mark::Dirty(_) => Consistency::InSyncTo(Sectors::ZERO),
        };
        let rebuilt_to = self.rebuilt_to(self.rebuilding).unwrap_or_default();
        let (replacement, superseded) = (self.replacement(), self.superseded());
        let copied_to = replacement.map_or(Sectors::ZERO, |replacement| replacement.copied_to);
        Facts {
            consistency,
            absent: self.lost(),
            failed: self.lost_places().union(superseded),
            replacement,
            present: self.keepers(),
            rebuilding: self.rebuilding,
            rebuilt_to,
            by_intent: self.rebuilding_by_intent(),
            shaping: self.shaping_now(),
            claims: match self.rebuilt {
                _ if self.is_publishing() => Claims::OfMembers,
                Some(generation) if self.writer.recorded() < generation => Claims::OfMembers,
                Some(_) | None if rebuilt_to.max(copied_to) > Sectors::ZERO => Claims::OfMembers,
                Some(_) | None => Claims::OfConsistency,
            },
        }
    }
}

/// A mark counts up to the last logical block that lies below it whole: commands stop at marks.
fn whole_blocks(mark: Sectors, limits: &IoLimits) -> Sectors {
    let over = mark.0.checked_rem(limits.logical_block().0).unwrap_or(0);
    mark.saturating_sub(Sectors(over))
}

fn cut_marks(seats: &mut [Option<Seat>], mark: impl Fn(Sectors) -> Sectors) {
    for seat in seats.iter_mut().flatten() {
        if let MemberState::Rebuilding { valid_to } = &mut seat.state {
            *valid_to = mark(*valid_to);
        }
    }
}

fn keeps_no_lists(
    reshape: Option<&Reshape<'_>>,
    map: Option<&IntentMap<'_>>,
    bad_blocks: &[BadBlock],
) -> Result<(), SetupError> {
    // What they say is said of sectors of one shape.
    let lists = map.is_some() || !bad_blocks.is_empty();
    reshape.filter(|_| lists).map_or(Ok(()), |_| Err(SetupError::Reshaping))
}

fn seats_and_lane_fit(setup: &Setup<'_>, reshape: Option<&Reshape<'_>>) -> Result<(), SetupError> {
    let expected = reshape.map_or(setup.geometry.members(), |it| it.change.members_max());
    if setup.seats.len() != usize::from(expected) {
        return Err(SetupError::Seats { expected, found: setup.seats.len() });
    }
    let bounds = LANE_SECTORS_MIN..=LANE_SECTORS_MAX;
    match bounds.contains(&setup.lane) && setup.lane.0.is_multiple_of(FAULT_UNIT.0) {
        true => Ok(()),
        false => Err(SetupError::Lane(setup.lane)),
    }
}

fn each_device_sits_once(seats: &[Option<Seat>]) -> Result<(), SetupError> {
    let mut rest = seats.iter().flatten();
    while let Some(seat) = rest.next() {
        if rest.clone().any(|other| other.device == seat.device) {
            return Err(SetupError::DeviceTwice(seat.device));
        }
    }
    Ok(())
}

fn data_is_aligned(seats: &[Option<Seat>], block: Sectors) -> Result<(), SetupError> {
    for (seat, member) in seats.iter().zip(0..=u8::MAX) {
        let aligned = |seat: &Seat| seat.data_offset.0.checked_rem(block.0) == Some(0);
        if !seat.as_ref().is_none_or(aligned) {
            return Err(SetupError::DataOffset { member: MemberIndex(member), block });
        }
    }
    Ok(())
}

fn every_chunk_survives(geometry: &CopyGeometry, lost: MemberSet) -> bool {
    // The members of chunk c and of chunk c + members are the same.
    (0..geometry.chunks().min(geometry.members().into()))
        .all(|chunk| !geometry.copy_places(ChunkIndex(chunk)).difference(lost).is_empty())
}
