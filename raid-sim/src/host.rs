//! A host over devices in memory. It carries a command out when its turn has come, and checks what
//! the engine asks for: each of these checks is a promise of the engine.
//!
//! * No command goes to a place without a member, or to a member that was lost.
//! * Nothing is written and nothing recorded once the array has failed, or where it is read only.
//! * Nothing is written before the dirty mark is durable on every member, and with a write-intent
//!   bitmap the bits over it.
//! * A write is answered only when every member lost so far is on durable record on the others.
//! * The event count rises by one with each generation, and one count has one content.
//! * Commands stay inside lanes, the requester's memory and the stacked limits, and share no memory
//!   in flight.
//! * No block is read that is on the list of bad ones, and none comes off it before what was
//!   written there is durable.
//! * A token names one command at a time, and a request is answered once.
//! * What a hung command names is left alone until it is dead, and not given back.

mod border;
mod check;
mod crash;
mod hung;

pub use border::{Answered, Entry, InFlight, Refuses, Waits};
pub(crate) use border::{Caller, Purpose};
pub use hung::{Hung, Wait};

use core::ops::Range;

use raid_core::engine::{Access, PassEnd, PassKind, ReshapeEnd, RowLog};
use raid_core::geometry::Geometry;
use raid_core::host::{
    Answer, Buffer, Busy, Command, Completion, Durability, Event, Failure, Fault, Host, Loan,
    RequestId, Token,
};
use raid_core::io_limits::IoLimits;
use raid_core::members::MemberSet;
use raid_core::metadata::Record;
use raid_core::parity::{self, CallerMemory};
use raid_core::plan::{Job, Operation, Outside, Source as WriteSource};
use raid_core::units::{DeviceIndex, MemberIndex, Sectors};
use raid_simd::Kernels;

use crate::backup::Keeper;
use crate::device::RamDevice;
use crate::journal::JournalHost;
use crate::log::Logs;
use crate::medium::{SECTOR, index};
use crate::sim::Blueprint;
use check::use_of;

/// Devices, memory, and what is in flight.
#[derive(Debug)]
pub struct SimHost {
    /// The devices, by index.
    pub devices: Vec<RamDevice>,
    /// When commands are refused.
    pub refuses: Refuses,
    /// What answers have to have waited for.
    pub waits: Waits,
    /// All that went over the border.
    pub trace: Vec<Entry>,
    /// The answers, in order.
    pub answers: Vec<Answered>,
    /// Which of the commands to devices that are taken hang, counted from 0.
    pub hangs: Vec<usize>,
    hung: Vec<Hung>,
    /// Answered requests whose memory is held.
    held: Vec<RequestId>,
    queue: Vec<InFlight>,
    callers: Vec<Option<(RequestId, Caller)>>,
    lanes: Vec<u8>,
    /// What a reshape moves is kept here meanwhile.
    window: Vec<u8>,
    backup: Option<Keeper>,
    /// Slots for requests.
    front_slots: usize,
    lane_bytes: usize,
    offered: u64,
    refused_once: Vec<u64>,
    /// Lanes in a slot.
    lanes_per_slot: usize,
    logs: Logs,
    journal: JournalHost,
    kernels: Kernels,
    seats: Vec<Option<DeviceIndex>>,
    geometry: Geometry,
    limits: IoLimits,
    access: Access,
    lost: MemberSet,
    /// Of these, those that the engine noted.
    noted: MemberSet,
    array_failed: ArrayFailed,
    /// Places whose member is being rebuilt.
    rebuilding: MemberSet,
    last_record: Option<Record>,
    events_before: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ArrayFailed {
    NotYet,
    Noted,
}

impl SimHost {
    pub(crate) fn new(blueprint: &Blueprint, devices: Vec<RamDevice>) -> Self {
        let lanes_per_slot = blueprint.lanes();
        let lane_bytes = blueprint.lane.memory_bytes().expect("fits into memory");
        let limits = blueprint
            .seats
            .iter()
            .flatten()
            .fold(IoLimits::RELAXED, |limits, seat| limits.stacked(seat.limits));
        Self {
            devices,
            refuses: Refuses::Nothing,
            waits: Waits::ForEveryLoss,
            trace: Vec::new(),
            answers: Vec::new(),
            hangs: Vec::new(),
            hung: Vec::new(),
            held: Vec::new(),
            queue: Vec::new(),
            callers: (0..blueprint.requests).map(|_| None).collect(),
            lanes: vec![
                0xEE;
                (blueprint.slots + usize::from(blueprint.background))
                    * lanes_per_slot
                    * lane_bytes
            ],
            window: vec![
                0xDD;
                blueprint.reshape.as_ref().map_or(0, |reshape| {
                    reshape.window.memory_bytes().expect("fits into memory")
                })
            ],
            backup: Keeper::of(blueprint),
            front_slots: blueprint.slots,
            lane_bytes,
            offered: 0,
            refused_once: Vec::new(),
            lanes_per_slot,
            logs: Logs::of(blueprint),
            journal: JournalHost::of(blueprint),
            kernels: Kernels::detect(),
            geometry: blueprint.geometry,
            seats: seats_of(blueprint),
            limits,
            access: blueprint.access,
            lost: blueprint.absent(),
            noted: MemberSet::NONE,
            array_failed: ArrayFailed::NotYet,
            rebuilding: blueprint.rebuilding(),
            last_record: None,
            events_before: blueprint.events,
        }
    }

    pub(crate) const fn backup(&self) -> Option<&Keeper> {
        self.backup.as_ref()
    }

    pub(crate) fn window(&self) -> &[u8] {
        &self.window
    }

    pub(crate) const fn access(&self) -> Access {
        self.access
    }

    pub(crate) fn living_devices(&self) -> impl Iterator<Item = DeviceIndex> {
        self.living().map(|(_, device)| device)
    }

    /// Places without a member, or whose member the engine called lost.
    #[must_use]
    pub const fn lost(&self) -> MemberSet {
        self.lost
    }

    /// The host takes a member out of use.
    pub fn dismiss(&mut self, member: MemberIndex) {
        self.lost.insert(member);
        self.noted.insert(member);
        self.rebuilding.remove(member);
    }

    /// A device takes a free place, or comes in as a replacement, as something that is to be rebuilt. It gets the bitmap of the
    /// others.
    pub fn seat(&mut self, member: MemberIndex, device: DeviceIndex) {
        let other = self.living().next().map(|(_, other)| other.index());
        if let Some(other) = other {
            let intent = self.devices[other].intent.clone();
            self.devices[device.index()].intent.clone_from(&intent);
            self.devices[device.index()].durable_intent = intent;
        }
        // A replacement comes behind all members.
        if member.index() == self.seats.len() {
            self.seats.push(None);
        }
        self.seats[member.index()] = Some(device);
        self.lost.remove(member);
        self.noted.remove(member);
        self.rebuilding.insert(member);
    }

    /// The last metadata issued.
    #[must_use]
    pub const fn last_record(&self) -> Option<Record> {
        self.last_record
    }

    /// Who the last metadata issued calls failed, or who was lost from the start where there was
    /// none.
    #[must_use]
    pub fn last_failed(&self) -> MemberSet {
        self.last_record.map_or(self.lost.difference(self.noted), |record| record.failed)
    }

    /// Commands in flight, in order of submission.
    #[must_use]
    pub fn in_flight(&self) -> &[InFlight] {
        &self.queue
    }

    /// The events that the engine noted.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.trace.iter().filter_map(|entry| match entry {
            Entry::Noted(event) => Some(*event),
            Entry::Taken(..)
            | Entry::Refused(..)
            | Entry::Ended(..)
            | Entry::Answered(..)
            | Entry::Returned(_) => None,
        })
    }

    /// The commands that the host took.
    pub fn commands(&self) -> impl Iterator<Item = Command> {
        self.trace.iter().filter_map(|entry| match entry {
            Entry::Taken(_, command) => Some(*command),
            Entry::Refused(..)
            | Entry::Ended(..)
            | Entry::Answered(..)
            | Entry::Returned(_)
            | Entry::Noted(_) => None,
        })
    }

    /// The machines that were last given a write, and then the metadata writer: for
    /// [`Refuses::AllBut`].
    #[must_use]
    pub fn writing(&self) -> u64 {
        let mut writing = 0_u64;
        for entry in &self.trace {
            let Entry::Taken(token, command) = entry else { continue };
            let bit = bit(*token);
            match command {
                Command::Write { .. } => writing |= bit,
                Command::Read { .. }
                | Command::Flush { .. }
                | Command::Record { .. }
                | Command::RecordIntent { .. }
                | Command::RecordBad { .. }
                | Command::LogParity { .. }
                | Command::SealLog { .. }
                | Command::RecordBackup { .. }
                | Command::LogRow { .. }
                | Command::RecordTail { .. }
                | Command::Compute(_) => writing &= !bit,
            }
        }
        if writing == 0 { 0 } else { writing | 1 }
    }

    /// Entries of the trace but for refusals: what moved things on.
    #[must_use]
    pub fn moves(&self) -> usize {
        let refused = |entry: &&Entry| matches!(entry, Entry::Refused(..));
        self.trace.len() - self.trace.iter().filter(refused).count()
    }

    /// How many requests are not answered.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.callers.iter().flatten().count() - self.held.len()
    }

    pub(crate) fn lend(&mut self, request: RequestId, caller: Caller) {
        let place = &mut self.callers[request.index()];
        assert!(place.is_none(), "the engine gave out the name of a request that is not answered");
        *place = Some((request, caller));
    }

    /// Carries out a command in flight and takes it out of the queue.
    pub(crate) fn end(&mut self, number: usize) -> (Token, Completion) {
        let InFlight { token, command } = self.queue.remove(number);
        let completion = self.execute(token, &command);
        if let (Command::Flush { device }, Completion::Done) = (command, completion)
            && let Some(cache) = &mut self.devices[device.index()].cache
        {
            cache.end_flush(token.to_bits());
        }
        self.trace.push(Entry::Ended(token, completion));
        (token, completion)
    }

    fn execute(&mut self, token: Token, command: &Command) -> Completion {
        let result = match *command {
            Command::Read { device, at, sectors, into } => {
                let range = self.memory(into, sectors);
                let aligned = self.alignment(into, &range);
                let bytes = match into {
                    Buffer::Lane { .. } => &mut self.lanes[range],
                    Buffer::Window { .. } => &mut self.window[range],
                    Buffer::Caller { request, .. } => {
                        let (_, caller) =
                            self.callers[request.index()].as_mut().expect("a living request");
                        assert_eq!(caller.purpose, Purpose::Target, "read into a source");
                        &mut caller.bytes[range]
                    }
                };
                self.devices[device.index()].read_aligned(at.0, bytes, aligned)
            }
            Command::Write { device, at, sectors, from, durability } => {
                let range = self.memory(from, sectors);
                let aligned = self.alignment(from, &range);
                let bytes = match from {
                    Buffer::Lane { .. } => &self.lanes[range],
                    Buffer::Window { .. } => &self.window[range],
                    Buffer::Caller { request, .. } => {
                        let (_, caller) =
                            self.callers[request.index()].as_ref().expect("a living request");
                        &caller.bytes[range]
                    }
                };
                self.devices[device.index()].write_aligned(at.0, bytes, aligned, durability)
            }
            Command::Flush { device } => self.devices[device.index()].sync(),
            Command::Record { device, record, .. } => self.devices[device.index()].record(record),
            Command::RecordIntent { device, line, .. } => {
                self.devices[device.index()].record_intent(&line)
            }
            Command::RecordBad { device, at, sectors, state, .. } => {
                self.devices[device.index()].list(at.0..at.0 + sectors.0, state)
            }
            Command::LogRow { device, .. }
            | Command::RecordTail { device, .. }
            | Command::SealLog { device, .. }
                if self.journal.is_kept() =>
            {
                self.journal.end(token, &mut self.devices[device.index()])
            }
            Command::LogRow { .. } | Command::RecordTail { .. } => Err(Fault::Unsupported),
            Command::LogParity { device, .. } | Command::SealLog { device, .. } => {
                match self.logs.end(token) {
                    Some((at, bytes)) => {
                        let all = usize::MAX & !4095;
                        let durability = Durability::Cached;
                        self.devices[device.index()].write_aligned(at, &bytes, all, durability)
                    }
                    None => Ok(()),
                }
            }
            Command::RecordBackup { device, area, mark } => {
                let (at, block) = self.backup_header(area, mark);
                let (all, cached) = (usize::MAX & !4095, Durability::Cached);
                self.devices[device.index()].write_aligned(at, &block, all, cached)
            }
            Command::Compute(job) => return self.compute(&job),
        };
        match result {
            Ok(()) => Completion::Done,
            Err(fault) => Completion::Failed(fault),
        }
    }

    fn compute(&mut self, job: &Job) -> Completion {
        let slot = self.lane_bytes * self.lanes_per_slot;
        let slab = &mut self.lanes[job.slot().index() * slot..][..slot];
        let mut lanes: Vec<&mut [u8]> = slab.chunks_exact_mut(self.lane_bytes).collect();
        let request = match (job.outside(), job.operation()) {
            (Outside::Request(request), _) => request,
            (Outside::None, _) | (Outside::Window, Operation::Write(WriteSource::Zeroes, _)) => {
                return parity::run(job, self.kernels, &mut lanes, CallerMemory::None);
            }
            (Outside::Window, Operation::Read(_)) => {
                let memory = CallerMemory::Target(&mut [&mut self.window]);
                return parity::run(job, self.kernels, &mut lanes, memory);
            }
            (Outside::Window, _) => {
                let memory = CallerMemory::Source(&[&self.window]);
                return parity::run(job, self.kernels, &mut lanes, memory);
            }
        };
        let (_, caller) =
            self.callers[request.index()].as_mut().expect("a job of a living request");
        let lengths: Vec<usize> = caller.segments.iter().map(|(_, length)| *length).collect();
        let completion = match caller.purpose {
            Purpose::WithoutMemory | Purpose::Nothing => {
                parity::run(job, self.kernels, &mut lanes, CallerMemory::None)
            }
            Purpose::Source => {
                let mut rest = caller.bytes.as_slice();
                let mut segments = Vec::new();
                for length in lengths {
                    let (segment, behind) = rest.split_at(length);
                    segments.push(segment);
                    rest = behind;
                }
                parity::run(job, self.kernels, &mut lanes, CallerMemory::Source(&segments))
            }
            Purpose::Target => {
                let mut rest = caller.bytes.as_mut_slice();
                let mut segments = Vec::new();
                for length in lengths {
                    let (segment, behind) = rest.split_at_mut(length);
                    segments.push(segment);
                    rest = behind;
                }
                parity::run(job, self.kernels, &mut lanes, CallerMemory::Target(&mut segments))
            }
        };
        assert_ne!(
            completion,
            Completion::Failed(Fault::InvalidRequest),
            "the engine made a job over memory that does not hold it: {job:?}"
        );
        completion
    }

    /// Which bytes of the lanes, or of the request's memory, a buffer is.
    fn memory(&self, buffer: Buffer, sectors: Sectors) -> Range<usize> {
        let length = sectors.memory_bytes().expect("fits into memory");
        match buffer {
            Buffer::Lane { slot, member, offset } => {
                let inside = index(offset.0) * SECTOR;
                assert!(inside + length <= self.lane_bytes, "beyond the lane: {buffer:?}");
                assert!(member.index() < self.lanes_per_slot, "no such lane: {buffer:?}");
                let lane = slot.index() * self.lanes_per_slot + member.index();
                let start = lane * self.lane_bytes + inside;
                assert!(start + length <= self.lanes.len(), "no such lane: {buffer:?}");
                start..start + length
            }
            Buffer::Window { offset } => {
                let start = index(offset.0) * SECTOR;
                assert!(start + length <= self.window.len(), "beyond the window: {buffer:?}");
                start..start + length
            }
            Buffer::Caller { request, offset } => {
                let (id, caller) =
                    self.callers[request.index()].as_ref().expect("memory of a living request");
                assert_eq!(*id, request, "memory of a request that was answered");
                let start = index(offset.0) * SECTOR;
                assert!(start + length <= caller.bytes.len(), "beyond the memory: {buffer:?}");
                start..start + length
            }
        }
    }

    /// Addresses, and lengths between segments, or-ed: what the memory of a command is aligned to.
    fn alignment(&self, buffer: Buffer, range: &Range<usize>) -> usize {
        let request = match buffer {
            // Lanes are aligned to anything; only the place in the lane counts.
            Buffer::Lane { .. } => return range.start % self.lane_bytes,
            Buffer::Window { .. } => return range.start,
            Buffer::Caller { request, .. } => request,
        };
        let (_, caller) = self.callers[request.index()].as_ref().expect("a living request");
        let (mut all, mut base) = (0, 0);
        for (address, length) in &caller.segments {
            let end = base + length;
            let (from, to) = (range.start.max(base), range.end.min(end));
            if from < to {
                all |= address + (from - base);
                if range.end > end {
                    all |= to - from;
                }
            }
            base = end;
        }
        all
    }

    fn take_for_journal(&mut self, token: Token, command: &Command) {
        let mut blocks = Vec::new();
        if let Command::LogRow { row, .. } = command {
            let (p, q) = row.parity();
            for member in row.covered().into_iter().chain([p]).chain(q) {
                blocks.push((member, self.bytes_at(row.buffer(member), row.rectangle().sectors())));
            }
        }
        self.journal.take(token, command, &|member| {
            blocks.iter().find(|(other, _)| *other == member).map(|(_, bytes)| &**bytes)
        });
    }

    /// Places whose member is not lost, with their devices.
    fn living(&self) -> impl Iterator<Item = (usize, DeviceIndex)> {
        self.seats.iter().enumerate().filter_map(|(place, seat)| {
            let member = MemberIndex(u8::try_from(place).unwrap_or(u8::MAX));
            Some((place, (*seat)?)).filter(|_| !self.lost.contains(member))
        })
    }

    fn is_busy(&mut self, token: Token, command: &Command) -> Result<(), Busy> {
        self.offered += 1;
        let refuse = match self.refuses {
            Refuses::Nothing => false,
            Refuses::Every(k) => self.offered.is_multiple_of(k),
            Refuses::First(bits) => u32::try_from(self.offered - 1)
                .is_ok_and(|it| bits.checked_shr(it).unwrap_or(0) & 1 == 1),
            Refuses::AllBut(machines) => bit(token) & machines == 0,
            Refuses::EachOnce => {
                let bits = token.to_bits();
                let known = self.refused_once.contains(&bits);
                if known {
                    self.refused_once.retain(|other| *other != bits);
                } else {
                    self.refused_once.push(bits);
                }
                !known
            }
            Refuses::Beyond(depth) => command.device().is_some_and(|device| {
                let same = |other: &&InFlight| other.command.device() == Some(device);
                self.queue.iter().filter(same).count() >= depth
            }),
            Refuses::Until(device, count) => {
                let to_others = |other: &Command| other.device().is_some_and(|it| it != device);
                command.device() == Some(device)
                    && self.commands().filter(to_others).count() < count
            }
        };
        if refuse { Err(Busy) } else { Ok(()) }
    }
}

/// The devices by place: the members', and the journal's behind them.
fn seats_of(blueprint: &Blueprint) -> Vec<Option<DeviceIndex>> {
    let members = blueprint.seats.iter().map(|seat| seat.map(|seat| seat.device));
    let journal = match blueprint.log {
        RowLog::Journal(seat) => Some(Some(seat.device)),
        RowLog::None | RowLog::PartialParity { .. } => None,
    };
    members.chain(journal).collect()
}

/// The machine of a token as a bit; the logs and the bitmap have none.
fn bit(token: Token) -> u64 {
    u32::try_from(token.to_bits() >> 40).ok().and_then(|it| 1_u64.checked_shl(it)).unwrap_or(0)
}

impl Host for SimHost {
    fn submit(&mut self, token: Token, command: Command) -> Result<(), Busy> {
        self.check(token, &command);
        self.is_busy(token, &command)
            .inspect_err(|_| self.trace.push(Entry::Refused(token, command)))?;
        let from = self.bytes_of(&command);
        self.logs.take(token, &command, &from);
        self.take_for_journal(token, &command);
        if let Command::Record { record, .. } = command {
            self.last_record = Some(record);
        }
        if let Command::Flush { device } = command
            && let Some(cache) = &mut self.devices[device.index()].cache
        {
            cache.begin_flush(token.to_bits());
        }
        if self.hangs_now(&command) {
            self.hang(token, command);
        } else {
            self.queue.push(InFlight { token, command });
        }
        self.trace.push(Entry::Taken(token, command));
        Ok(())
    }

    fn answer(&mut self, request: RequestId, result: Result<Answer, Failure>, loan: Loan) {
        let (id, caller) =
            self.callers[request.index()].clone().expect("answered once, and not twice");
        assert_eq!(id, request, "an answer to another request");
        assert!(!self.held.contains(&id), "answered once, and not twice");
        self.check_loan(request, loan);
        match loan {
            Loan::Returned => self.callers[request.index()] = None,
            Loan::Held => self.held.push(request),
        }
        for other in &self.queue {
            if let Some((Buffer::Caller { request: used, .. }, ..)) = use_of(&other.command) {
                assert_ne!(used, request, "answered with its memory in flight");
            }
        }
        let writes = matches!(caller.purpose, Purpose::Source | Purpose::WithoutMemory)
            && self.access == Access::ReadWrite
            && self.waits == Waits::ForEveryLoss;
        if result.is_ok() && writes {
            for (place, device) in self.living() {
                let durable = self.devices[device.index()].durable;
                let recorded = durable.map_or(MemberSet::NONE, |record| record.failed);
                let known = durable.and_then(|record| record.replacement);
                let by = MemberIndex(self.geometry.members());
                if self.lost.contains(by) {
                    assert_eq!(known, None, "answered before the loss of a replacement is known");
                }
                let missing = self.noted.difference(recorded.union(MemberSet::only(by)));
                assert!(
                    missing.is_empty(),
                    "answered before the loss of {missing:?} was on record on member {place}"
                );
            }
        }
        self.trace.push(Entry::Answered(request, result));
        self.answers.push(Answered { request, result, loan, memory: caller.bytes });
    }

    fn memory_returned(&mut self, request: RequestId) {
        self.check_loan(request, Loan::Returned);
        let held = self.held.iter().position(|held| *held == request);
        self.held.remove(held.expect("it was held, and comes back once"));
        self.callers[request.index()] = None;
        self.trace.push(Entry::Returned(request));
    }

    fn note(&mut self, event: Event) {
        self.trace.push(Entry::Noted(event));
        match event {
            Event::MemberFailed { member, .. } => {
                assert!(!self.lost.contains(member), "member {member:?} was lost already");
                self.lost.insert(member);
                self.noted.insert(member);
            }
            Event::MemberReplaced { member, by } => {
                self.seats[member.index()] = self.seats[by.index()].take();
                self.rebuilding.remove(by);
                if self.lost.contains(member) {
                    self.lost.remove(member);
                    self.noted.remove(member);
                    self.rebuilding.insert(member);
                }
            }
            Event::JournalFailed { .. } => {
                let place = MemberIndex(self.geometry.members());
                assert!(!self.lost.contains(place), "the journal was lost already");
                self.lost.insert(place);
                self.journal.lose();
            }
            Event::ArrayFailed => {
                assert_eq!(self.array_failed, ArrayFailed::NotYet, "an array fails once");
                self.array_failed = ArrayFailed::Noted;
            }
            Event::MemberQuiet { member } => {
                assert!(self.lost.contains(member), "{member:?} was not lost");
                assert!(!self.has_hung(member), "something hangs at {member:?}");
            }
            Event::Quiesced => {
                assert!(self.queue.is_empty(), "at rest with commands in flight");
                assert!(self.awaited().is_empty(), "at rest with commands in flight");
                assert_eq!(self.unanswered(), 0, "at rest with requests unanswered");
            }
            Event::PassEnded { report, end: PassEnd::Finished } => match report.kind {
                PassKind::Recovery => {
                    // Not a replacement.
                    self.rebuilding = self.rebuilding.difference(self.geometry.all_members());
                }
                PassKind::Replacement => {}
                PassKind::Resync | PassKind::Check | PassKind::Repair | PassKind::Locate => {}
            },
            Event::ReshapeEnded { report, end: ReshapeEnd::Finished } => {
                // Places that the new shape does not have are members no more.
                self.seats.truncate(report.change.after().members().into());
            }
            Event::PassEnded { end: PassEnd::Halted(_), .. }
            | Event::ReshapeEnded { end: ReshapeEnd::Halted(_), .. }
            | Event::MemberHung { .. }
            | Event::BlockRewritten { .. }
            | Event::BlockBad { .. }
            | Event::BlockGood { .. }
            | Event::NotCompared { .. }
            | Event::BlockLocated { .. }
            | Event::Ambiguous { .. }
            | Event::RangeLost { .. } => {}
        }
    }
}
