//! Commands that hang: taken, and not heard of until somebody lets them die. A read that hangs fills
//! its memory with anything, over and over; a write that hangs lands when it dies.

use raid_core::host::{Buffer, Command, Completion, Loan, RequestId, Token};
use raid_core::plan::Outside;
use raid_core::units::{MemberIndex, Sectors};

use super::check::{Use, use_of};
use super::{Entry, InFlight, SimHost};

/// A command that hangs.
#[derive(Clone, Debug)]
pub struct Hung {
    /// Which command.
    pub command: InFlight,
    /// Whether the engine was told.
    pub wait: Wait,
    /// What a write was to write.
    bytes: Vec<u8>,
}

/// Whether somebody waits for a command that hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It is in flight, for all that the engine knows.
    Waiting,
    /// The engine was told that nobody waits any more.
    Abandoned,
}

impl SimHost {
    /// The commands that hang.
    #[must_use]
    pub fn hung(&self) -> &[Hung] {
        &self.hung
    }

    /// Those of them that the engine waits for.
    #[must_use]
    pub fn awaited(&self) -> Vec<Token> {
        let waiting = self.hung.iter().filter(|hung| hung.wait == Wait::Waiting);
        waiting.map(|hung| hung.command.token).collect()
    }

    /// Answered requests whose memory is held.
    #[must_use]
    pub fn held(&self) -> &[RequestId] {
        &self.held
    }

    pub(crate) fn gave_up(&mut self, token: Token) {
        for hung in self.hung.iter_mut().filter(|hung| hung.command.token == token) {
            hung.wait = Wait::Abandoned;
        }
    }

    pub(super) fn hangs_now(&self, command: &Command) -> bool {
        let to_devices = self.commands().filter(|command| command.device().is_some()).count();
        command.device().is_some() && self.hangs.contains(&to_devices)
    }

    pub(super) fn hang(&mut self, token: Token, command: Command) {
        let bytes = self.bytes_of(&command);
        let command = InFlight { token, command };
        self.hung.push(Hung { command, wait: Wait::Waiting, bytes });
    }

    /// What the memory holds that a write names.
    pub(super) fn bytes_of(&self, command: &Command) -> Vec<u8> {
        let (from, sectors) = match *command {
            Command::Write { from, sectors, .. } => (from, sectors),
            Command::LogParity { from: Some(from), rectangle, .. } => (from, rectangle.sectors()),
            Command::LogParity { from: None, .. }
            | Command::Read { .. }
            | Command::Flush { .. }
            | Command::Record { .. }
            | Command::SealLog { .. }
            | Command::RecordBackup { .. }
            | Command::LogRow { .. }
            | Command::RecordTail { .. }
            | Command::RecordBad { .. }
            | Command::RecordIntent { .. }
            | Command::Compute(_) => return Vec::new(),
        };
        self.bytes_at(from, sectors)
    }

    /// What a buffer holds.
    pub(super) fn bytes_at(&self, from: Buffer, sectors: Sectors) -> Vec<u8> {
        let range = self.memory(from, sectors);
        match from {
            Buffer::Lane { .. } => self.lanes[range].to_vec(),
            Buffer::Window { .. } => self.window[range].to_vec(),
            Buffer::Caller { request, .. } => {
                let (_, caller) = self.callers[request.index()].as_ref().expect("it is held");
                caller.bytes[range].to_vec()
            }
        }
    }

    /// Reads that hang fill their memory with something else than last time.
    pub(crate) fn scribble(&mut self) {
        let seed = self.trace.len().to_le_bytes()[0];
        let reads = self.hung.iter().filter_map(|hung| match hung.command.command {
            Command::Read { into, sectors, .. } => Some((into, sectors)),
            Command::Write { .. }
            | Command::Flush { .. }
            | Command::Record { .. }
            | Command::RecordIntent { .. }
            | Command::RecordBad { .. }
            | Command::LogParity { .. }
            | Command::SealLog { .. }
            | Command::RecordBackup { .. }
            | Command::LogRow { .. }
            | Command::RecordTail { .. }
            | Command::Compute(_) => None,
        });
        for (into, sectors) in reads.collect::<Vec<_>>() {
            let range = self.memory(into, sectors);
            let bytes = match into {
                Buffer::Lane { .. } => &mut self.lanes[range],
                Buffer::Window { .. } => &mut self.window[range],
                Buffer::Caller { request, .. } => {
                    let (_, caller) = self.callers[request.index()].as_mut().expect("it is held");
                    &mut caller.bytes[range]
                }
            };
            bytes.fill(seed ^ 0xA5);
        }
    }

    /// A command that hangs dies: a write lands on the medium first, a read fills its memory.
    pub(crate) fn die(&mut self, number: usize) -> (Token, Completion) {
        self.scribble();
        let Hung { command: InFlight { token, command }, bytes, .. } = self.hung.remove(number);
        let now = self.bytes_of(&command);
        assert!(now == bytes, "the memory of a write that hung was used for something else");
        let completion = match command {
            Command::Read { .. } | Command::Compute(_) => Completion::Done,
            Command::Write { .. }
            | Command::Flush { .. }
            | Command::Record { .. }
            | Command::RecordIntent { .. }
            | Command::RecordBad { .. }
            | Command::LogParity { .. }
            | Command::RecordBackup { .. }
            | Command::SealLog { .. }
            | Command::LogRow { .. }
            | Command::RecordTail { .. } => self.execute(token, &command),
        };
        self.trace.push(Entry::Ended(token, completion));
        (token, completion)
    }

    pub(super) fn has_hung(&self, member: MemberIndex) -> bool {
        // One that the array has no place for any more is asked for as well.
        let device = self.seats.get(member.index()).copied().flatten();
        let hangs = |hung: &Hung| hung.command.command.device() == device;
        device.is_some() && self.hung.iter().any(hangs)
    }

    /// The memory of a request is held exactly as long as something that hangs may touch it.
    pub(super) fn check_loan(&self, request: RequestId, loan: Loan) {
        let names = |hung: &Hung| match use_of(&hung.command.command) {
            Some((Buffer::Caller { request: named, .. }, ..)) => named == request,
            Some((Buffer::Lane { .. } | Buffer::Window { .. }, ..)) | None => false,
        };
        if self.hung.iter().any(names) {
            assert_eq!(loan, Loan::Held, "something that hangs may touch the memory");
        }
        if self.hung.is_empty() {
            assert_eq!(loan, Loan::Returned, "nothing hangs");
        }
    }

    /// No job reads or fills what a command that hangs may touch.
    pub(super) fn check_job(&self, command: &Command) {
        let Command::Compute(job) = command else { return };
        for hung in &self.hung {
            match use_of(&hung.command.command) {
                Some((Buffer::Lane { slot, .. }, ..)) => {
                    assert_ne!(slot, job.slot(), "a job in a slot where a command hangs");
                }
                Some((Buffer::Caller { request, offset }, sectors, Use::Fills)) => {
                    let apart = Some(request) != job.request()
                        || job.covered().into_iter().all(|member| {
                            job.caller_offset(member).is_none_or(|start| {
                                start.0 >= offset.0 + sectors.0
                                    || offset.0 >= start.0 + job.sectors().0
                            })
                        });
                    assert!(apart, "a job over memory that a read which hangs may fill");
                }
                Some((Buffer::Window { .. }, _, Use::Fills)) => {
                    assert_ne!(
                        job.outside(),
                        Outside::Window,
                        "a job over a window that may be filled"
                    );
                }
                Some((Buffer::Caller { .. } | Buffer::Window { .. }, _, Use::Looks)) | None => {}
            }
        }
    }
}
