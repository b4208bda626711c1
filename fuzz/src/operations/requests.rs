//! Requests, as they are started.

use raid_core::engine::{Fate, Frees, Refusal};
use raid_core::host::{Durability, RequestId};
use raid_core::io_limits::MemoryAlignment;
use raid_core::request::{Request, Stability};
use raid_core::units::{Lba, Sectors};

use super::campaign::BarrierStep;
use super::{CallerMemory, Kind, Run, Stopping, Strain, Waiting};
use crate::content::Payload;
use crate::host::{Caller, CallerKind, Resting, Writing};

impl Run<'_> {
    pub(super) fn step_read(&mut self, at: u16, sectors: u8, staged: bool) {
        let (at, sectors) = self.range(at, sectors);
        self.read(at, sectors, stability(staged));
    }

    pub(super) fn step_write(&mut self, at: u16, sectors: u8, staged: bool, durable: bool) {
        let (at, sectors) = self.range(at, sectors);
        let durability = if durable { Durability::Durable } else { Durability::Cached };
        let memory = MemoryAlignment::contiguous(0);
        let request = Request::write(at, sectors, memory, stability(staged), durability);
        self.write(at, sectors, Payload::Stamp, request);
    }

    pub(super) fn step_zeroes(&mut self, at: u16, sectors: u8) {
        let (at, sectors) = self.range(at, sectors);
        let request = Request::write_zeroes(at, sectors, Durability::Cached);
        self.write(at, sectors, Payload::Zeroes, request);
    }

    pub(super) fn step_check(&mut self, at: u16, sectors: u8) {
        let (at, sectors) = self.range(at, sectors);
        self.start(Request::check(at, sectors), Kind::Check, at, sectors, nothing());
    }

    pub(super) fn step_barrier(&mut self, barrier: BarrierStep) {
        let (request, kind) = match barrier {
            BarrierStep::Flush => (Request::flush(), Kind::Flush),
            BarrierStep::MarkClean => (Request::mark_clean(), Kind::MarkClean),
        };
        self.start(request, kind, Lba(0), Sectors::ZERO, nothing());
    }

    fn range(&self, at: u16, sectors: u8) -> (Lba, Sectors) {
        let size = self.engine.geometry().size().0;
        let at = u64::from(at) % size;
        (Lba(at), Sectors((u64::from(sectors) + 1).min(size - at)))
    }

    pub(super) fn read(&mut self, at: Lba, sectors: Sectors, stability: Stability) {
        let request = Request::read(at, sectors, MemoryAlignment::contiguous(0), stability);
        let bytes = vec![0xEE; sectors.memory_bytes().expect("small")];
        let caller = Caller { bytes, kind: CallerKind::Target };
        self.start(request, Kind::Read(self.content.now()), at, sectors, caller);
    }

    fn write(&mut self, at: Lba, sectors: Sectors, payload: Payload, request: Request) {
        // Only what is taken in is written.
        let mark = self.content.now();
        let caller = Caller { bytes: Vec::new(), kind: CallerKind::Source };
        let Some(id) = self.start(request, Kind::Write(mark), at, sectors, caller) else { return };
        let (version, bytes) = self.content.start(at, sectors, payload);
        assert_eq!(version, mark);
        let caller = match payload {
            Payload::Stamp => Caller { bytes, kind: CallerKind::Source },
            Payload::Zeroes => nothing(),
        };
        self.host.callers.insert(id.index(), caller);
        self.host.unsettled.insert(id.index(), at.0..at.0 + sectors.0);
    }

    fn start(
        &mut self,
        request: Request,
        kind: Kind,
        at: Lba,
        sectors: Sectors,
        caller: Caller,
    ) -> Option<RequestId> {
        match self.engine.start(request) {
            Ok(id) => {
                assert_eq!(self.host.resting, Resting::No, "an engine at rest takes no request");
                let unused = self.waiting.iter().all(|waiting| waiting.id.index() != id.index());
                assert!(unused && !self.host.held.contains(&id.index()), "the name is free");
                self.host.callers.insert(id.index(), caller);
                let (strain, stopping) = (Strain::Bearable, Stopping::NotAsked);
                let (since, memory) = (self.host.now(), CallerMemory::InUse);
                let (parity, hurt) = (self.parity(), self.host.hurt().len());
                let waiting = Waiting {
                    id,
                    kind,
                    at,
                    sectors,
                    since,
                    strain,
                    stopping,
                    memory,
                    parity,
                    hurt,
                };
                self.waiting.push(waiting);
                return Some(id);
            }
            Err(Refusal::Busy(Frees::Answer)) => {
                assert!(!self.waiting.is_empty(), "no request is alive, and there is no room");
            }
            Err(Refusal::Busy(Frees::MemoryReturned)) => {
                assert!(self.waiting.is_empty(), "an answer frees a request");
            }
            Err(Refusal::ReadOnly) => assert_eq!(self.host.writing, Writing::Forbidden),
            Err(Refusal::ArrayFailed) => assert_eq!(self.engine.fate(), Fate::Failed),
            Err(Refusal::Quiesced) => assert_ne!(self.host.resting, Resting::No),
            Err(other) => panic!("{other:?} for a range that lies in the array"),
        }
        None
    }
}

const fn stability(staged: bool) -> Stability {
    if staged { Stability::Volatile } else { Stability::Stable }
}

const fn nothing() -> Caller {
    Caller { bytes: Vec::new(), kind: CallerKind::None }
}
