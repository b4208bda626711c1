//! Members in memory that fail on demand, and what a host may insist on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use raid_core::host::{
    Answer, Buffer, Busy, Command, Completion, Event, Failure, Fault, Host, Loan, RequestId, Token,
};
use raid_core::metadata::{Consistency, Record};
use raid_core::parity::{self, CallerMemory};
use raid_core::units::{DeviceIndex, DeviceSector, Lba, Sectors};
use raid_simd::Kernels;

const SECTOR_BYTES: usize = 512;
/// What nobody may use: memory after a failed read, and what is on members where it is not valid.
const SCRIBBLE: u8 = 0xDD;

/// A member's device.
#[derive(Debug, Default)]
pub struct Device {
    pub bytes: Vec<u8>,
    /// Sectors that cannot be read until they are written.
    pub bad: BTreeSet<u64>,
    /// The faults of the next commands.
    pub faults: VecDeque<Fault>,
    /// How many commands it will refuse to take.
    pub busy: u8,
    cached: Option<Record>,
    durable: Option<Record>,
}

impl Device {
    /// A device that holds zeroes.
    pub fn blank(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes], ..Self::default() }
    }
}

/// The memory of a request.
#[derive(Debug)]
pub struct Caller {
    pub bytes: Vec<u8>,
    pub kind: CallerKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind {
    None,
    Source,
    Target,
}

/// Whether devices may be written at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    Forbidden,
    Allowed,
}

/// Carries commands out when it is told to, in the order that it is told.
#[derive(Debug)]
pub struct MemoryHost {
    /// By device index; the device of member `m` is the one at `members - 1 - m`.
    pub devices: Vec<Device>,
    /// By slot and member.
    pub lanes: Vec<Vec<Vec<u8>>>,
    /// By request index.
    pub callers: BTreeMap<usize, Caller>,
    pub in_flight: Vec<(Token, Command)>,
    /// Every token so far, as bits.
    pub tokens: BTreeSet<u64>,
    pub answers: Vec<(RequestId, Result<Answer, Failure>)>,
    pub lost: Vec<(RequestId, Lba, Sectors)>,
    /// Devices that ever failed a command, or cannot be relied on from the start.
    pub injured: BTreeSet<u8>,
    /// Members that the engine has given up, and those that were not there at the start.
    pub absent: BTreeSet<u8>,
    pub compute_busy: u8,
    pub compute_faults: u8,
    pub writing: Writing,
}

impl MemoryHost {
    pub fn device_of(&self, member: u8) -> DeviceIndex {
        let count = u8::try_from(self.devices.len()).expect("few members");
        DeviceIndex(count - 1 - member)
    }

    /// Ends one command, chosen from those in flight.
    pub fn finish(&mut self, choice: usize) -> Option<(Token, Completion)> {
        let index = choice.checked_rem(self.in_flight.len())?;
        let (token, command) = self.in_flight.swap_remove(index);
        Some((token, self.carry_out(&command)))
    }

    fn carry_out(&mut self, command: &Command) -> Completion {
        let Some(device) = command.device() else { return self.compute(command) };
        let fault = match command {
            Command::Read { at, sectors, .. } => {
                let mut bad = self.devices[device.index()].bad.range(at.0..at.0 + sectors.0);
                bad.next().map(|_| Fault::Media)
            }
            _ => None,
        };
        let fault = self.devices[device.index()].faults.pop_front().or(fault);
        if let Some(fault) = fault {
            self.injured.insert(device.0);
            self.spoil(command, fault);
            return Completion::Failed(fault);
        }
        match *command {
            Command::Read { at, sectors, into, .. } => {
                let bytes = self.devices[device.index()].bytes[bytes_of(at.0, sectors)].to_vec();
                self.memory(into, sectors).copy_from_slice(&bytes);
            }
            Command::Write { at, sectors, from, .. } => {
                let bytes = self.memory(from, sectors).to_vec();
                self.store(device, at, &bytes);
            }
            Command::Flush { .. } => {
                let device = &mut self.devices[device.index()];
                device.durable = device.cached;
            }
            Command::Record { record, .. } => {
                let device = &mut self.devices[device.index()];
                let before = device.cached.map_or(0, |record| record.events);
                assert!(record.events > before, "the event count rises with every record");
                device.cached = Some(record);
            }
            Command::Compute(_) => unreachable!("a job has no device"),
        }
        Completion::Done
    }

    /// What a failed command leaves behind: a read's memory is not to be used, and a write may be torn.
    fn spoil(&mut self, command: &Command, fault: Fault) {
        match (*command, fault) {
            (Command::Read { sectors, into, .. }, _) => self.memory(into, sectors).fill(SCRIBBLE),
            (_, Fault::InvalidRequest | Fault::Unsupported) => {}
            (Command::Write { device, at, sectors, from, .. }, _) => {
                let half = Sectors(sectors.0 / 2);
                let bytes = self.memory(from, half).to_vec();
                self.store(device, at, &bytes);
            }
            (Command::Flush { .. } | Command::Record { .. } | Command::Compute(_), _) => {}
        }
    }

    fn store(&mut self, device: DeviceIndex, at: DeviceSector, bytes: &[u8]) {
        let sectors = Sectors::from_bytes(bytes.len() as u64).expect("whole sectors");
        let device = &mut self.devices[device.index()];
        device.bytes[bytes_of(at.0, sectors)].copy_from_slice(bytes);
        device.bad.retain(|sector| !(at.0..at.0 + sectors.0).contains(sector));
    }

    /// Fills a range of a device with what nobody wrote.
    pub fn litter(&mut self, device: DeviceIndex, at: DeviceSector, sectors: Sectors) {
        self.devices[device.index()].bytes[bytes_of(at.0, sectors)].fill(SCRIBBLE);
    }

    fn memory(&mut self, buffer: Buffer, sectors: Sectors) -> &mut [u8] {
        let (bytes, offset) = match buffer {
            Buffer::Lane { slot, member, offset } => {
                (&mut self.lanes[slot.index()][member.index()], offset)
            }
            Buffer::Caller { request, offset } => {
                let caller = self.callers.get_mut(&request.index()).expect("the memory is lent");
                (&mut caller.bytes, offset)
            }
        };
        &mut bytes[bytes_of(offset.0, sectors)]
    }

    fn compute(&mut self, command: &Command) -> Completion {
        let Command::Compute(job) = command else { unreachable!("anything else has a device") };
        if let Some(left) = self.compute_faults.checked_sub(1) {
            self.compute_faults = left;
            return Completion::Failed(Fault::Unsupported);
        }
        let lanes = &mut self.lanes[job.slot().index()];
        let mut lanes: Vec<&mut [u8]> = lanes.iter_mut().map(Vec::as_mut_slice).collect();
        let kernels = Kernels::detect();
        match job.request().and_then(|request| self.callers.get_mut(&request.index())) {
            None => parity::run(job, kernels, &mut lanes, CallerMemory::None),
            Some(Caller { bytes, kind }) => match kind {
                CallerKind::None => parity::run(job, kernels, &mut lanes, CallerMemory::None),
                CallerKind::Source => {
                    parity::run(job, kernels, &mut lanes, CallerMemory::Source(&[bytes]))
                }
                CallerKind::Target => {
                    parity::run(job, kernels, &mut lanes, CallerMemory::Target(&mut [bytes]))
                }
            },
        }
    }

    /// Panics where a command breaks a promise to its host.
    fn insist(&self, token: Token, command: &Command) {
        assert!(!self.tokens.contains(&token.to_bits()), "a token names one command, ever");
        assert_eq!(Token::from_bits(token.to_bits()), token, "a token is its bits");
        match command {
            Command::Write { .. } => {
                self.insist_on_dirty_mark();
                assert_eq!(self.writing, Writing::Allowed, "a read-only array is not written");
            }
            Command::Flush { .. } | Command::Record { .. } => {
                assert_eq!(self.writing, Writing::Allowed, "a read-only array records nothing");
            }
            Command::Read { .. } | Command::Compute(_) => {}
        }
        let Some((device, range)) = range_of(command) else { return };
        assert!(range.end <= self.devices[device.index()].bytes.len() as u64 / 512);
        for (_, other) in &self.in_flight {
            let Some((other_device, other_range)) = range_of(other) else { continue };
            let apart = device != other_device
                || range.end <= other_range.start
                || other_range.end <= range.start;
            assert!(
                apart || (self.changes_nothing(command) && self.changes_nothing(other)),
                "{command:?} while {other:?} is in flight"
            );
        }
    }

    /// A block that was reconstructed is written back while others may read it: what they can read of it does
    /// not change.
    fn changes_nothing(&self, command: &Command) -> bool {
        let Command::Write { device, at, sectors, from, .. } = *command else { return true };
        let (memory, offset) = match from {
            Buffer::Lane { slot, member, offset } => {
                (&self.lanes[slot.index()][member.index()], offset)
            }
            Buffer::Caller { request, offset } => (&self.callers[&request.index()].bytes, offset),
        };
        let new = memory[bytes_of(offset.0, sectors)].chunks_exact(SECTOR_BYTES);
        let device = &self.devices[device.index()];
        let old = device.bytes[bytes_of(at.0, sectors)].chunks_exact(SECTOR_BYTES);
        new.zip(old).zip(at.0..).all(|((new, old), at)| new == old || device.bad.contains(&at))
    }

    /// Before a member is written, every live member says durably that writes are under way.
    fn insist_on_dirty_mark(&self) {
        for (device, number) in self.devices.iter().zip(0..=u8::MAX) {
            let members = u8::try_from(self.devices.len()).expect("few members");
            if self.absent.contains(&(members - 1 - number)) {
                continue;
            }
            assert_eq!(
                device.durable.map(|record| record.consistency),
                Some(Consistency::InSyncTo(Sectors(0))),
                "device {number} is not marked dirty"
            );
        }
    }
}

impl Host for MemoryHost {
    fn submit(&mut self, token: Token, command: Command) -> Result<(), Busy> {
        let busy = match command.device() {
            Some(device) => &mut self.devices[device.index()].busy,
            None => &mut self.compute_busy,
        };
        if let Some(left) = busy.checked_sub(1) {
            *busy = left;
            return Err(Busy);
        }
        self.insist(token, &command);
        self.tokens.insert(token.to_bits());
        self.in_flight.push((token, command));
        Ok(())
    }

    fn answer(&mut self, request: RequestId, result: Result<Answer, Failure>, loan: Loan) {
        assert_eq!(loan, Loan::Returned, "no command is abandoned");
        for (_, command) in &self.in_flight {
            let buffer = match command {
                Command::Read { into, .. } => *into,
                Command::Write { from, .. } => *from,
                Command::Compute(job) => {
                    assert_ne!(
                        job.request(),
                        Some(request),
                        "a job uses memory that is given back"
                    );
                    continue;
                }
                Command::Flush { .. } | Command::Record { .. } => continue,
            };
            if let Buffer::Caller { request: user, .. } = buffer {
                assert_ne!(user, request, "{command:?} uses memory that is given back");
            }
        }
        self.answers.push((request, result));
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::MemberFailed { member, .. } => {
                assert!(self.absent.insert(member.0), "member {member:?} fails once");
            }
            Event::RangeLost { request, at, sectors } => self.lost.push((request, at, sectors)),
            Event::MemberHung { .. } | Event::MemberQuiet { .. } | Event::Quiesced => {
                panic!("no command is abandoned, and nobody stops the engine");
            }
            Event::ArrayFailed
            | Event::BlockRewritten { .. }
            | Event::PassEnded { .. }
            | Event::NotCompared { .. }
            | Event::BlockLocated { .. }
            | Event::Ambiguous { .. } => {}
        }
    }
}

fn range_of(command: &Command) -> Option<(DeviceIndex, std::ops::Range<u64>)> {
    match *command {
        Command::Read { device, at, sectors, .. } | Command::Write { device, at, sectors, .. } => {
            Some((device, at.0..at.0.checked_add(sectors.0)?))
        }
        Command::Flush { .. } | Command::Record { .. } | Command::Compute(_) => None,
    }
}

fn bytes_of(start: u64, sectors: Sectors) -> std::ops::Range<usize> {
    let start = usize::try_from(start).expect("small devices only") * SECTOR_BYTES;
    start..start + sectors.memory_bytes().expect("small devices only")
}
