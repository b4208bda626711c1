//! What the engine asks of its host, and what the host answers.
//!
//! The engine never calls a device: it hands [`Command`]s to [`Host::submit`] from inside
//! [`Engine::poll`](crate::engine::Engine::poll), and the host reports each of them once with
//! [`Engine::on_done`](crate::engine::Engine::on_done). `poll` holds the engine exclusively while a
//! callback runs, so a callback cannot re-enter it.

mod answer;
mod names;

pub use answer::{Answer, Event, Failure};
pub(crate) use names::Owner;
pub use names::{RequestId, SlotIndex, Token};

use crate::intent::IntentLine;
use crate::metadata::Record;
use crate::plan::{Job, JournalRow};
use crate::rectangle::Rectangle;
use crate::reshape::{BackupArea, BackupMark};
use crate::units::{DeviceIndex, DeviceSector, MemberIndex, Sectors};
use static_assertions::assert_impl_all;

/// The callbacks that a host supplies.
pub trait Host {
    /// Begins a command. It is finished when the host reports `token` to `on_done`, never from in
    /// here.
    ///
    /// Until then the command's memory belongs to the command. A host that stops waiting says so
    /// with [`Engine::abandon`](crate::engine::Engine::abandon).
    ///
    /// # Errors
    /// [`Busy`] if the command cannot be taken now: nothing has happened, and it is offered again
    /// in a later `poll`. `Busy` concerns this command alone; the engine goes on with others.
    fn submit(&mut self, token: Token, command: Command) -> Result<(), Busy>;

    /// Takes the one answer to a request, and what becomes of its memory. The name is free when the
    /// memory is returned.
    fn answer(&mut self, request: RequestId, result: Result<Answer, Failure>, loan: Loan);

    /// The memory of a request that was answered with [`Loan::Held`] is the requester's again, and
    /// its name is free: the last abandoned command that names that memory is dead.
    fn memory_returned(&mut self, request: RequestId) {
        let _ = request;
    }

    /// Takes note of something that happened to the array. Nothing needs to be done.
    fn note(&mut self, event: Event) {
        let _ = event;
    }
}

/// What becomes of a request's memory when it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loan {
    /// It is the requester's again.
    Returned,
    /// An abandoned command may still touch it: it has to stay as it is and where it is until
    /// [`Host::memory_returned`].
    Held,
}

/// The host cannot take this command now. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// One thing to do. Plain data: it can be logged, compared, queued and passed over a C boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Read from a device into memory.
    Read {
        /// The device to read.
        device: DeviceIndex,
        /// First sector on the device.
        at: DeviceSector,
        /// How much.
        sectors: Sectors,
        /// Where it goes.
        into: Buffer,
    },
    /// Write memory to a device.
    Write {
        /// The device to write.
        device: DeviceIndex,
        /// First sector on the device.
        at: DeviceSector,
        /// How much.
        sectors: Sectors,
        /// Where it comes from.
        from: Buffer,
        /// When it counts as done.
        durability: Durability,
    },
    /// Make durable all writes to a device that were reported done before. For a device without a
    /// volatile cache that is [`Completion::Done`] at once: one that says that it cannot flush loses
    /// its place in the array when metadata is written.
    Flush {
        /// The device to flush.
        device: DeviceIndex,
    },
    /// Write the array's metadata to a device: the record's values, in the host's format, in place
    /// of those there.
    Record {
        /// The device to write.
        device: DeviceIndex,
        /// The place that the device has in the array.
        member: MemberIndex,
        /// The values.
        record: Record,
    },
    /// Write a line of the write-intent bitmap to a device, in the host's format. A host that keeps
    /// its bits in longer blocks writes the block that holds the line.
    RecordIntent {
        /// The device to write.
        device: DeviceIndex,
        /// The place that the device has in the array.
        member: MemberIndex,
        /// The bits.
        line: IntentLine,
    },
    /// Put a range of a device on the list of its bad blocks, or take it off. When it is done that is
    /// durable: the operation goes on relying on it. A host that keeps no such list says
    /// [`Fault::Unsupported`]; any other failure costs the member, as one to write metadata does.
    ///
    /// A [`Command::Record`] for the same member can be under way: where a format keeps both in one
    /// place, the host has the one wait for the other.
    RecordBad {
        /// The device whose blocks they are, and where that is recorded.
        device: DeviceIndex,
        /// The place that the device has in the array.
        member: MemberIndex,
        /// First sector on the device.
        at: DeviceSector,
        /// How much.
        sectors: Sectors,
        /// Whether it is bad from now on, or good.
        state: BlockState,
    },
    /// Add an entry to the batch that is being put together for the log of the member at this place:
    /// that the covered blocks of a row are about to be written, and what the row's parity is
    /// without them. A batch with another number than the entry before is a new one: of that before
    /// only what was sealed counts.
    ///
    /// The bytes may be written now, or kept and written with the header.
    ///
    /// A host that says [`Fault::InvalidRequest`] or [`Fault::Unsupported`] to this, or to
    /// [`Command::SealLog`], has no such log: the writes that were to be logged are rejected, and no
    /// member is blamed.
    LogParity {
        /// The member's device.
        device: DeviceIndex,
        /// The place of the member: it holds the parity of the row.
        member: MemberIndex,
        /// The number of the batch.
        batch: u32,
        /// What is about to be written.
        rectangle: Rectangle,
        /// Where the partial parity is, as long as the rectangle; `None` where it covers the whole
        /// row.
        from: Option<Buffer>,
    },
    /// Complete a batch: write the header of the log of the member at this place, with the entries
    /// that were added to this batch, or with none. From then on it stands for the log before. It
    /// need not be durable: a flush of the device follows.
    ///
    /// With a journal, at the place behind the last member: write what is still to be written for the
    /// rows of the batch.
    SealLog {
        /// The member's device.
        device: DeviceIndex,
        /// The place of the member.
        member: MemberIndex,
        /// The number of the batch.
        batch: u32,
    },
    /// Add the new blocks of a row to the journal, behind those that were added before. Nothing of
    /// the batch counts before it is sealed, and the device flushed.
    ///
    /// A stretch with another number than that of the row before is a new one: the host remembers
    /// where it begins.
    LogRow {
        /// The journal's device.
        device: DeviceIndex,
        /// The place behind the last member.
        member: MemberIndex,
        /// The number of the batch.
        batch: u32,
        /// The number of the stretch of the journal that the row is a part of.
        stretch: u32,
        /// What is about to be written, and where it is in memory.
        row: JournalRow,
    },
    /// Put on record that nothing before this stretch of the journal is needed: its tail moves to
    /// where the stretch begins. If no row of it was added yet, it begins here and now; what a walk
    /// along the journal needs to find there is to be durable before the record. The record itself
    /// need not be: a flush of the device follows.
    ///
    /// A [`Command::Record`] for the same device can be under way: where a format keeps both in one
    /// place, the host has the one wait for the other.
    RecordTail {
        /// The journal's device.
        device: DeviceIndex,
        /// The place behind the last member.
        member: MemberIndex,
        /// The number of the stretch.
        stretch: u32,
    },
    /// Write the header of an area of a reshape's backup, in the host's format. One that holds a window
    /// bears a sum over the content, which is the beginning of [`Buffer::Window`] now.
    ///
    /// What is in the area was flushed before, and a flush follows. What was there before must be as it
    /// was or as it is to be after a crash, and nothing else be taken for a header.
    RecordBackup {
        /// The device of the backup.
        device: DeviceIndex,
        /// Which area.
        area: BackupArea,
        /// What the header is to say.
        mark: BackupMark,
    },
    /// Run a job over memory: parity, recovery, comparison or copying.
    Compute(Job),
}

// Hosts queue commands, hand them to other threads and pass them over a C boundary.
assert_impl_all!(Command: Copy, Send, Sync);
assert_impl_all!(Token: Copy, Send, Sync);

impl Command {
    /// The device that the command goes to, or `None` for a job over memory.
    #[must_use]
    pub const fn device(&self) -> Option<DeviceIndex> {
        match self {
            Self::Read { device, .. }
            | Self::Write { device, .. }
            | Self::Flush { device }
            | Self::Record { device, .. }
            | Self::RecordIntent { device, .. }
            | Self::RecordBad { device, .. }
            | Self::LogParity { device, .. }
            | Self::SealLog { device, .. }
            | Self::RecordBackup { device, .. }
            | Self::LogRow { device, .. }
            | Self::RecordTail { device, .. } => Some(*device),
            Self::Compute(_) => None,
        }
    }
}

/// What refused commands wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// This device, and perhaps others.
    Device(DeviceIndex),
    /// Whatever runs jobs over memory, and perhaps devices.
    Compute,
}

impl Blocked {
    /// What this command waits for.
    pub(crate) const fn by(command: &Command) -> Self {
        match command.device() {
            Some(device) => Self::Device(device),
            None => Self::Compute,
        }
    }
}

/// Whether blocks can be read, for all that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockState {
    /// They cannot, or what they hold is not to be used.
    Bad,
    /// They can: they were written, and that is durable.
    Good,
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// When the device has it, be it in a volatile cache.
    Cached,
    /// When it would survive a loss of power (force unit access).
    Durable,
}

/// Memory by name. The engine never sees a byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Buffer {
    /// A lane: memory that the host set aside, one lane for each member of each slot. Where the array
    /// has a log of partial parity each slot has one lane more, behind those of the members.
    Lane {
        /// The stripe operation's slot.
        slot: SlotIndex,
        /// The member that the lane belongs to.
        member: MemberIndex,
        /// Where in the lane the data starts.
        offset: Sectors,
    },
    /// The requester's own memory.
    Caller {
        /// The request that brought it.
        request: RequestId,
        /// Where in that memory, all segments taken as one run, the data starts.
        offset: Sectors,
    },
    /// The memory that the host lends to a reshape for what is being moved: one run, as long as
    /// [`Reshape::window`](crate::engine::Reshape::window) says.
    Window {
        /// Where in that memory the data starts.
        offset: Sectors,
    },
}

impl Buffer {
    /// The same memory, from `by` further on.
    pub(crate) fn moved(self, by: Sectors) -> Self {
        match self {
            Self::Lane { slot, member, offset } => {
                Self::Lane { slot, member, offset: Sectors(offset.0.saturating_add(by.0)) }
            }
            Self::Caller { request, offset } => {
                Self::Caller { request, offset: Sectors(offset.0.saturating_add(by.0)) }
            }
            Self::Window { offset } => {
                Self::Window { offset: Sectors(offset.0.saturating_add(by.0)) }
            }
        }
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Completion {
    /// It did what it was to do.
    Done,
    /// A comparing job ran; so many 4 KiB units disagree.
    Compared {
        /// Units that disagree. The last unit of a job may be short.
        mismatched_units: u32,
    },
    /// A locating job ran.
    Located(Located),
    /// It failed. What a failed read left in memory is not used.
    Failed(Fault),
}

/// Which block of a 4 KiB unit is wrong, if one alone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Located {
    /// None: both parities agree with the data.
    Nowhere,
    /// The one at this place. All bytes that disagree say so.
    At(MemberIndex),
    /// No single block explains every byte.
    Ambiguous,
}

/// Why a command failed. The kind decides who is to blame, and so what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The medium cannot give or take these sectors. Costs the member these units only.
    Media,
    /// A checksum below says that the data is wrong. Treated as [`Fault::Media`].
    Integrity,
    /// The way to the device is broken. Costs the member.
    Transport,
    /// The device is gone. Costs the member.
    Gone,
    /// The device says that the command is malformed. Nobody's fault below: goes back to the
    /// requester.
    InvalidRequest,
    /// The device cannot do this at all. Nobody's fault below: goes back to the requester.
    Unsupported,
}

impl Fault {
    /// Whether it is nobody's below: the command is at fault, or the host that has it carried out.
    pub(crate) const fn is_rejection(self) -> bool {
        match self {
            Self::InvalidRequest | Self::Unsupported => true,
            Self::Media | Self::Integrity | Self::Transport | Self::Gone => false,
        }
    }
}

/// A report that no command in flight matches: late, doubled or forged. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The token names no command in flight.
    UnknownToken,
    /// The completion is not one that this command can have.
    WrongCompletion,
    /// A job over memory goes to no device. It is not abandoned but ended by whoever runs it.
    NoDevice,
}

impl core::fmt::Display for Misuse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::UnknownToken => "the token names no command in flight; the report was ignored",
            Self::NoDevice => "a job over memory cannot be abandoned; end it and report it",
            Self::WrongCompletion => "this command cannot end like that; the report was ignored",
        })
    }
}

impl core::error::Error for Misuse {}
