//! Carries out commands where they are submitted, and keeps their completions until they are
//! reported.

use super::Parts;
use super::device::{BlockDevice, Keeper};
use crate::engine::{Engine, PassEnd, PassReport, ReshapeEnd, ReshapeReport};
use crate::host::{
    Answer, Buffer, Busy, Command, Completion, Event, Failure, Fault, Host, Loan, RequestId,
    SlotIndex, Token,
};
use crate::limits::MEMBERS_MAX;
use crate::parity::{self, CallerMemory};
use crate::plan::{Job, JournalRow, Operation, Outside, Source};
use crate::reshape::{BackupArea, BackupMark};
use crate::units::{DeviceIndex, Sectors};
use heapless::{Deque, Vec};

/// Completions kept between two polls; a command that finds no room is refused until the next.
const COMPLETIONS_MAX: usize = 64;

/// Most lanes in a slot: one for each member, and one for partial parity.
const LANES_MAX: usize = MEMBERS_MAX + 1;

/// Whether there were completions to report.
pub(super) enum Reported {
    Something,
    Nothing,
}

pub(super) struct CallHost<'c, 'm, 'a, 'b, D, K> {
    parts: &'c mut Parts<'m, D, K>,
    memory: Outer<'c, 'a, 'b>,
    lane_bytes: usize,
    /// In each slot.
    lanes: usize,
    completions: Deque<(Token, Completion), COMPLETIONS_MAX>,
    answer: Option<Result<Answer, Failure>>,
    pass: Option<(PassReport, PassEnd)>,
    reshape: Option<(ReshapeReport, ReshapeEnd)>,
}

/// Memory besides the lanes.
pub(super) struct Outer<'c, 'a, 'b> {
    pub(super) caller: CallerMemory<'a, 'b>,
    /// What a reshape is moving.
    pub(super) window: &'c mut [u8],
}

impl<'c, 'm, 'a, 'b, D: BlockDevice, K: Keeper<D>> CallHost<'c, 'm, 'a, 'b, D, K> {
    pub(super) const fn new(
        parts: &'c mut Parts<'m, D, K>,
        memory: Outer<'c, 'a, 'b>,
        lane_bytes: usize,
        lanes: usize,
    ) -> Self {
        Self {
            parts,
            memory,
            lane_bytes,
            lanes,
            completions: Deque::new(),
            answer: None,
            pass: None,
            reshape: None,
        }
    }

    pub(super) const fn take_answer(&mut self) -> Option<Result<Answer, Failure>> {
        self.answer.take()
    }

    /// How a pass ended, if one did.
    pub(super) const fn take_pass(&mut self) -> Option<(PassReport, PassEnd)> {
        self.pass.take()
    }

    /// How a reshape ended, if one did.
    pub(super) const fn take_reshape(&mut self) -> Option<(ReshapeReport, ReshapeEnd)> {
        self.reshape.take()
    }

    /// Reports all completions that are kept.
    pub(super) fn report(&mut self, engine: &mut Engine<'_>) -> Reported {
        let mut reported = Reported::Nothing;
        while let Some((token, completion)) = self.completions.pop_front() {
            // Each command is reported once, so none of these is refused.
            if engine.on_done(token, completion).is_ok() {
                reported = Reported::Something;
            }
        }
        reported
    }

    fn execute(&mut self, command: &Command) -> Completion {
        let result = match *command {
            Command::Read { device, at, sectors, into } => {
                let length = sectors.memory_bytes();
                let Parts { devices, lanes, .. } = &mut *self.parts;
                let bytes =
                    target(lanes, self.lane_bytes, self.lanes, &mut self.memory, into, length);
                match (device_at(devices, device), bytes) {
                    (Some(device), Some(bytes)) => device.read(at, bytes),
                    (None, _) | (_, None) => Err(Fault::InvalidRequest),
                }
            }
            Command::Write { device, at, sectors, from, durability } => {
                let length = sectors.memory_bytes();
                let Parts { devices, lanes, .. } = &mut *self.parts;
                let bytes = source(lanes, self.lane_bytes, self.lanes, &self.memory, from, length);
                match (device_at(devices, device), bytes) {
                    (Some(device), Some(bytes)) => device.write(at, bytes, durability),
                    (None, _) | (_, None) => Err(Fault::InvalidRequest),
                }
            }
            Command::Flush { device } => match device_at(self.parts.devices, device) {
                Some(device) => device.flush(),
                None => Err(Fault::InvalidRequest),
            },
            Command::Record { device, member, record } => {
                self.keep(device, |keeper, device| keeper.record(member, device, &record))
            }
            Command::RecordIntent { device, member, line } => {
                self.keep(device, |keeper, device| keeper.record_intent(member, device, &line))
            }
            Command::RecordBad { device, member, at, sectors, state } => self
                .keep(device, |keeper, device| {
                    keeper.record_bad(member, device, at, sectors, state)
                }),
            Command::LogParity { device, member, batch, rectangle, from } => {
                let length = rectangle.sectors().memory_bytes();
                let Parts { devices, lanes, keeper, .. } = &mut *self.parts;
                let bytes = match from {
                    Some(from) => {
                        source(lanes, self.lane_bytes, self.lanes, &self.memory, from, length)
                    }
                    None => Some([].as_slice()),
                };
                match (device_at(devices, device), bytes) {
                    (Some(device), Some(bytes)) => {
                        keeper.log_parity(member, device, batch, &rectangle, bytes)
                    }
                    (None, _) | (_, None) => Err(Fault::InvalidRequest),
                }
            }
            Command::SealLog { device, member, batch } => {
                self.keep(device, |keeper, device| keeper.seal_log(member, device, batch))
            }
            Command::LogRow { device, stretch, row, .. } => self.log_row(device, stretch, &row),
            Command::RecordTail { device, member, stretch } => {
                self.keep(device, |keeper, device| keeper.record_tail(member, device, stretch))
            }
            Command::RecordBackup { device, area, mark } => self.record_backup(device, area, mark),
            Command::Compute(job) => return self.compute(&job),
        };
        match result {
            Ok(()) => Completion::Done,
            Err(fault) => Completion::Failed(fault),
        }
    }

    fn log_row(
        &mut self,
        device: DeviceIndex,
        stretch: u32,
        row: &JournalRow,
    ) -> Result<(), Fault> {
        let length = row.rectangle().sectors().memory_bytes();
        let (lane, per_slot, outer) = (self.lane_bytes, self.lanes, &self.memory);
        let Parts { devices, lanes, keeper, .. } = &mut *self.parts;
        let lanes = &**lanes;
        let bytes = |member| source(lanes, lane, per_slot, outer, row.buffer(member), length);
        match device_at(devices, device) {
            Some(device) => keeper.log_row(device, stretch, row, &bytes),
            None => Err(Fault::InvalidRequest),
        }
    }

    fn record_backup(
        &mut self,
        device: DeviceIndex,
        area: BackupArea,
        mark: BackupMark,
    ) -> Result<(), Fault> {
        let content = match mark {
            BackupMark::Clear => Some([].as_slice()),
            BackupMark::Holds(saved) => {
                saved.sectors.memory_bytes().and_then(|length| self.memory.window.get(..length))
            }
        };
        let Parts { devices, keeper, .. } = &mut *self.parts;
        match (device_at(devices, device), content) {
            (Some(device), Some(content)) => keeper.record_backup(device, area, mark, content),
            (None, _) | (_, None) => Err(Fault::InvalidRequest),
        }
    }

    /// Has the keeper write to a device.
    fn keep(
        &mut self,
        device: DeviceIndex,
        work: impl FnOnce(&mut K, &mut D) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Parts { devices, keeper, .. } = &mut *self.parts;
        match device_at(devices, device) {
            Some(device) => work(keeper, device),
            None => Err(Fault::InvalidRequest),
        }
    }

    fn compute(&mut self, job: &Job) -> Completion {
        let wrong = Completion::Failed(Fault::InvalidRequest);
        let Some(start) = lane_start(self.lane_bytes, self.lanes, job.slot(), 0) else {
            return wrong;
        };
        let Some(slab) = self.parts.lanes.get_mut(start..) else { return wrong };
        let mut lanes: Vec<&mut [u8], LANES_MAX> = Vec::new();
        for lane in slab.chunks_exact_mut(self.lane_bytes).take(self.lanes) {
            if lanes.push(lane).is_err() {
                return wrong;
            }
        }
        let kernels = self.parts.kernels;
        let Outer { caller, window } = &mut self.memory;
        let caller = match (job.outside(), job.operation(), caller) {
            (Outside::Window, Operation::Read(_), _) => {
                return parity::run(job, kernels, &mut lanes, CallerMemory::Target(&mut [window]));
            }
            (Outside::Window, Operation::Write(Source::Direct | Source::Staged, _), _) => {
                return parity::run(job, kernels, &mut lanes, CallerMemory::Source(&[window]));
            }
            (
                Outside::Window,
                Operation::Write(Source::Zeroes, _) | Operation::Check | Operation::Sync(_),
                _,
            )
            | (Outside::None | Outside::Request(_), _, CallerMemory::None) => CallerMemory::None,
            (Outside::None | Outside::Request(_), _, CallerMemory::Source(segments)) => {
                CallerMemory::Source(segments)
            }
            (Outside::None | Outside::Request(_), _, CallerMemory::Target(segments)) => {
                CallerMemory::Target(segments)
            }
        };
        parity::run(job, kernels, &mut lanes, caller)
    }
}

impl<D: BlockDevice, K: Keeper<D>> Host for CallHost<'_, '_, '_, '_, D, K> {
    fn submit(&mut self, token: Token, command: Command) -> Result<(), Busy> {
        if self.completions.is_full() {
            return Err(Busy);
        }
        let completion = self.execute(&command);
        self.completions.push_back((token, completion)).map_err(|_| Busy)
    }

    fn answer(&mut self, _: RequestId, result: Result<Answer, Failure>, _: Loan) {
        self.answer = Some(result);
    }

    fn note(&mut self, event: Event) {
        if let Event::PassEnded { report, end } = event {
            self.pass = Some((report, end));
        }
        if let Event::ReshapeEnded { report, end } = event {
            self.reshape = Some((report, end));
        }
        self.parts.keeper.note(event);
    }
}

fn device_at<D>(devices: &mut [D], device: DeviceIndex) -> Option<&mut D> {
    devices.get_mut(device.index())
}

fn lane_start(lane_bytes: usize, per_slot: usize, slot: SlotIndex, lane: usize) -> Option<usize> {
    slot.index().checked_mul(per_slot)?.checked_add(lane)?.checked_mul(lane_bytes)
}

/// The bytes of a lane's buffer, or of the requester's memory where they lie in one segment.
fn target<'t>(
    lanes: &'t mut [u8],
    lane_bytes: usize,
    per_slot: usize,
    memory: &'t mut Outer<'_, '_, '_>,
    buffer: Buffer,
    length: Option<usize>,
) -> Option<&'t mut [u8]> {
    match buffer {
        Buffer::Lane { slot, member, offset } => {
            let start = lane_start(lane_bytes, per_slot, slot, member.index())?;
            lanes.get_mut(start..)?.get_mut(..lane_bytes)?.get_mut(range(offset, length)?)
        }
        Buffer::Caller { offset, .. } => match &mut memory.caller {
            CallerMemory::Target([segment]) => segment.get_mut(range(offset, length)?),
            CallerMemory::None | CallerMemory::Source(_) | CallerMemory::Target(_) => None,
        },
        Buffer::Window { offset } => memory.window.get_mut(range(offset, length)?),
    }
}

fn source<'t>(
    lanes: &'t [u8],
    lane_bytes: usize,
    per_slot: usize,
    memory: &'t Outer<'_, '_, '_>,
    buffer: Buffer,
    length: Option<usize>,
) -> Option<&'t [u8]> {
    match buffer {
        Buffer::Lane { slot, member, offset } => {
            let start = lane_start(lane_bytes, per_slot, slot, member.index())?;
            lanes.get(start..)?.get(..lane_bytes)?.get(range(offset, length)?)
        }
        Buffer::Caller { offset, .. } => match &memory.caller {
            CallerMemory::Source([segment]) => segment.get(range(offset, length)?),
            // A block that a read recovered in place is written back from there.
            CallerMemory::Target([segment]) => segment.get(range(offset, length)?),
            CallerMemory::None | CallerMemory::Source(_) | CallerMemory::Target(_) => None,
        },
        Buffer::Window { offset } => memory.window.get(range(offset, length)?),
    }
}

fn range(offset: Sectors, length: Option<usize>) -> Option<core::ops::Range<usize>> {
    let start = offset.memory_bytes()?;
    Some(start..start.checked_add(length?)?)
}
