//! Members in memory that fail on demand, and what a host may insist on.

mod hung;
mod insist;
mod state;

pub use state::{Caller, CallerKind, Device, MemoryHost, Parking, Resting, RunningPass, Writing};

use raid_core::host::{
    Answer, BlockState, Buffer, Busy, Command, Completion, Durability, Event, Failure, Fault, Host,
    Loan, RequestId, Token,
};
use raid_core::parity::{self, CallerMemory};
use raid_core::units::{DeviceIndex, DeviceSector, Sectors};
use raid_simd::Kernels;

const SECTOR_BYTES: usize = 512;
/// What nobody may use: memory after a failed read, and what is on members where it is not valid.
const SCRIBBLE: u8 = 0xDD;

impl MemoryHost {
    /// Ends one command, chosen from those in flight.
    pub fn finish(&mut self, choice: usize) -> Option<(Token, Completion)> {
        let index = choice.checked_rem(self.in_flight.len())?;
        let (token, command) = self.in_flight.swap_remove(index);
        if let Resting::Underway { completions } = &mut self.resting {
            *completions += 1;
        }
        Some((token, self.carry_out(token, &command)))
    }

    fn carry_out(&mut self, token: Token, command: &Command) -> Completion {
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
            self.devices[device.index()].faults_given += 1;
            self.injured.extend(self.member_of(device));
            self.spoil(command, fault);
            return Completion::Failed(fault);
        }
        self.act(token, command);
        Completion::Done
    }

    /// What a command does that succeeds.
    fn act(&mut self, token: Token, command: &Command) {
        match *command {
            Command::Read { device, at, sectors, into } => {
                let bytes = self.devices[device.index()].bytes[bytes_of(at.0, sectors)].to_vec();
                self.memory(into, sectors).copy_from_slice(&bytes);
            }
            Command::Write { device, at, sectors, from, durability } => {
                let bytes = self.memory(from, sectors).to_vec();
                self.store(device, at, &bytes);
                self.clock += 1;
                let written = at.0..at.0 + sectors.0;
                let volatile = &mut self.devices[device.index()].volatile;
                match durability {
                    Durability::Cached => {
                        volatile.extend(written.map(|sector| (sector, self.clock)));
                    }
                    Durability::Durable => volatile.retain(|sector, _| !written.contains(sector)),
                }
            }
            Command::Flush { device } => {
                let began = self.flushes.remove(&token.to_bits()).expect("it was submitted");
                let device = &mut self.devices[device.index()];
                device.durable = device.cached;
                device.durable_bits.clone_from(&device.bits);
                device.volatile.retain(|_, written| *written > began);
            }
            Command::Record { device, record, .. } => {
                let device = &mut self.devices[device.index()];
                let before = device.cached.map_or(0, |record| record.events);
                assert!(record.events > before, "the event count rises with every record");
                device.cached = Some(record);
            }
            Command::RecordIntent { device, line, .. } => {
                assert_eq!(line.number, 0, "so small an array has one line");
                let places = (0..).zip(line.bits).flat_map(|(word, bits)| {
                    (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| 64 * word + bit)
                });
                self.devices[device.index()].bits = places.collect();
            }
            Command::RecordBad { device, member, at, sectors, state } => {
                // A pass lists parity that nothing is the matter with.
                self.injured.insert(member.0);
                let sectors = at.0..at.0 + sectors.0;
                let listed = &mut self.devices[device.index()].listed;
                match state {
                    BlockState::Bad => listed.extend(sectors),
                    BlockState::Good => listed.retain(|sector| !sectors.contains(sector)),
                }
            }
            // The logs are not read back here: what is in them is the simulator's to check.
            Command::LogParity { .. }
            | Command::SealLog { .. }
            | Command::RecordBackup { .. }
            | Command::LogRow { .. }
            | Command::RecordTail { .. } => {}
            Command::Compute(_) => unreachable!("a job has no device"),
        }
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
            (
                Command::Flush { .. }
                | Command::Record { .. }
                | Command::RecordIntent { .. }
                | Command::RecordBad { .. }
                | Command::LogParity { .. }
                | Command::SealLog { .. }
                | Command::RecordBackup { .. }
                | Command::LogRow { .. }
                | Command::RecordTail { .. }
                | Command::Compute(_),
                _,
            ) => {}
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
            Buffer::Window { .. } => unreachable!("nothing is reshaped"),
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
        if let Command::Record { member, .. } = command {
            self.newcomers.remove(&member.0);
        }
        self.tokens.insert(token.to_bits());
        if let Command::Flush { .. } = command {
            self.flushes.insert(token.to_bits(), self.clock);
        }
        self.in_flight.push((token, command));
        Ok(())
    }

    fn answer(&mut self, request: RequestId, result: Result<Answer, Failure>, loan: Loan) {
        for (_, command) in &self.in_flight {
            assert!(!uses(command, request), "{command:?} uses memory that is given back");
        }
        let held = self.abandoned.iter().any(|hung| uses(&hung.command, request));
        assert!(!held || loan == Loan::Held, "something may still touch the memory");
        if loan == Loan::Held {
            self.held.insert(request.index());
        }
        self.answers.push((request, result, loan));
    }

    fn memory_returned(&mut self, request: RequestId) {
        for hung in &self.abandoned {
            assert!(!uses(&hung.command, request), "{:?} is not dead", hung.command);
        }
        let caller = self.callers.remove(&request.index());
        assert!(caller.is_some() && self.held.remove(&request.index()), "{request:?} was held");
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::MemberFailed { member, .. } => {
                assert!(self.absent.insert(member.0), "member {member:?} fails once");
            }
            Event::RangeLost { request, at, sectors } => self.lost.push((request, at, sectors)),
            Event::MemberReplaced { member, .. } => panic!("nobody replaces member {member:?}"),
            Event::MemberHung { member } => {
                self.told_hung.insert(member.0);
            }
            Event::MemberQuiet { member } => {
                assert!(self.told_hung.remove(&member.0), "{member:?} was not said to hang");
                assert!(!self.hangs(member.0), "{member:?} has commands that are not dead");
            }
            Event::Quiesced => {
                assert!(matches!(self.resting, Resting::Underway { .. }), "asked for, and once");
                assert!(self.in_flight.is_empty(), "at rest with commands in flight");
                self.resting = Resting::Reached;
            }
            Event::JournalFailed { .. } => panic!("no array here has a journal"),
            Event::ArrayFailed => {
                assert_eq!(self.serving, Writing::Allowed, "an array fails once");
                self.serving = Writing::Forbidden;
            }
            Event::PassEnded { report, end } => self.pass_ended(&report, end),
            Event::BlockBad { member, at, sectors } => {
                let device = self.device_of(member.0);
                let device = &mut self.devices[device.index()];
                device.known_bad.extend(at.0..at.0 + sectors.0);
                assert!(device.known_bad.is_subset(&device.listed), "it is on record");
            }
            Event::BlockGood { member, at, sectors } => {
                let device = self.device_of(member.0);
                let known = &mut self.devices[device.index()].known_bad;
                known.retain(|sector| !(at.0..at.0 + sectors.0).contains(sector));
            }
            Event::BlockRewritten { .. }
            | Event::NotCompared { .. }
            | Event::BlockLocated { .. }
            | Event::Ambiguous { .. }
            | Event::ReshapeEnded { .. } => {}
        }
    }
}

/// Whether a command names the memory of this request.
fn uses(command: &Command, request: RequestId) -> bool {
    let buffer = match command {
        Command::Read { into, .. } => *into,
        Command::Write { from, .. } | Command::LogParity { from: Some(from), .. } => *from,
        Command::Compute(job) => return job.request() == Some(request),
        Command::Flush { .. }
        | Command::Record { .. }
        | Command::RecordIntent { .. }
        | Command::RecordBad { .. }
        | Command::LogParity { from: None, .. }
        | Command::SealLog { .. }
        | Command::RecordBackup { .. }
        | Command::LogRow { .. }
        | Command::RecordTail { .. } => return false,
    };
    matches!(buffer, Buffer::Caller { request: user, .. } if user == request)
}

fn bytes_of(start: u64, sectors: Sectors) -> std::ops::Range<usize> {
    let start = usize::try_from(start).expect("small devices only") * SECTOR_BYTES;
    start..start + sectors.memory_bytes().expect("small devices only")
}
