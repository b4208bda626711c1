//! Commands that nobody waits for any more, and what they still do.

use raid_core::host::{Buffer, Command, Completion, Fault, Token};
use raid_core::units::Sectors;

use super::{MemoryHost, SCRIBBLE};

/// An abandoned command that is not dead.
#[derive(Debug)]
pub struct Hung {
    pub token: Token,
    pub command: Command,
    pub member: u8,
    /// What it was to write.
    pub bytes: Vec<u8>,
}

impl MemoryHost {
    /// Takes note that a command was abandoned.
    pub fn give_up(&mut self, choice: usize) {
        let (token, command) = self.in_flight.swap_remove(choice);
        let bytes = match command {
            Command::Write { from, sectors, .. } => self.memory(from, sectors).to_vec(),
            Command::LogParity { from: Some(from), rectangle, .. } => {
                self.memory(from, rectangle.sectors()).to_vec()
            }
            Command::LogParity { from: None, .. }
            | Command::Read { .. }
            | Command::Flush { .. }
            | Command::Record { .. }
            | Command::RecordIntent { .. }
            | Command::RecordBad { .. }
            | Command::SealLog { .. }
            | Command::RecordBackup { .. }
            | Command::LogRow { .. }
            | Command::RecordTail { .. } => Vec::new(),
            Command::Compute(_) => unreachable!("a job is not abandoned"),
        };
        let member = u8::try_from(token.to_bits() >> 32 & 0xFF).expect("a byte");
        self.injured.insert(member);
        self.abandoned.push(Hung { token, command, member, bytes });
    }

    pub fn hangs(&self, member: u8) -> bool {
        self.abandoned.iter().any(|hung| hung.member == member)
    }

    /// Every abandoned command touches what it can reach.
    pub fn act_late(&mut self) {
        for index in 0..self.abandoned.len() {
            let command = self.abandoned[index].command;
            match command {
                Command::Read { into, sectors, .. } => self.memory(into, sectors).fill(SCRIBBLE),
                Command::Write { device, at, .. } => {
                    self.memory_is_untouched(index);
                    let bytes = std::mem::take(&mut self.abandoned[index].bytes);
                    self.store(device, at, &bytes);
                    self.abandoned[index].bytes = bytes;
                }
                Command::LogParity { .. } => self.memory_is_untouched(index),
                Command::Flush { .. }
                | Command::Record { .. }
                | Command::RecordIntent { .. }
                | Command::RecordBad { .. }
                | Command::SealLog { .. }
                | Command::RecordBackup { .. }
                | Command::LogRow { .. }
                | Command::RecordTail { .. }
                | Command::Compute(_) => {}
            }
        }
    }

    /// An abandoned command ends for good.
    pub fn die(&mut self, choice: usize) -> Option<(Token, Completion)> {
        let index = choice.checked_rem(self.abandoned.len())?;
        self.act_late();
        self.memory_is_untouched(index);
        let hung = self.abandoned.swap_remove(index);
        let completion = match choice % 2 {
            0 => Completion::Done,
            _ => Completion::Failed(Fault::Gone),
        };
        Some((hung.token, completion))
    }

    /// A write that may still read its memory finds there what it was to write.
    fn memory_is_untouched(&mut self, index: usize) {
        let hung = &self.abandoned[index];
        let (from, sectors) = match hung.command {
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
            | Command::Compute(_) => return,
        };
        let expected = hung.bytes.clone();
        let is = self.memory(from, sectors).to_vec();
        assert!(is == expected, "the memory of {:?} was used again", self.abandoned[index].command);
    }

    /// Slots whose lanes an abandoned command may touch.
    pub fn slots_in_quarantine(&self) -> Vec<u64> {
        let slots = self.lanes.len() as u64;
        let owner = |hung: &Hung| {
            // The logs and the bitmap have numbers beyond all slots.
            (hung.token.to_bits() >> 40).checked_sub(1).filter(|slot| *slot < slots)
        };
        let mut slots: Vec<_> = self.abandoned.iter().filter_map(owner).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Where an abandoned read may put what it reads.
    pub(super) fn is_reached(&self, buffer: Buffer, sectors: Sectors) -> bool {
        self.abandoned.iter().any(|hung| match hung.command {
            Command::Read { into, sectors: length, .. } => overlap(into, length, buffer, sectors),
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
            | Command::Compute(_) => false,
        })
    }
}

fn overlap(one: Buffer, one_length: Sectors, other: Buffer, other_length: Sectors) -> bool {
    let (start, other_start) = match (one, other) {
        (Buffer::Lane { slot, member, offset }, Buffer::Lane { slot: s, member: m, offset: o })
            if (slot, member) == (s, m) =>
        {
            (offset.0, o.0)
        }
        (Buffer::Caller { request, offset }, Buffer::Caller { request: r, offset: o })
            if request == r =>
        {
            (offset.0, o.0)
        }
        _ => return false,
    };
    start < other_start + other_length.0 && other_start < start + one_length.0
}
