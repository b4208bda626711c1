//! What the engine asks of its host, and what the host answers.
//!
//! The engine never calls a device: it hands [`Command`]s to [`Host::submit`] from inside
//! [`Engine::poll`](crate::engine::Engine::poll), and the host reports each of them once with
//! [`Engine::on_done`](crate::engine::Engine::on_done). `poll` holds the engine exclusively while a
//! callback runs, so a callback cannot re-enter it.

use crate::intent::IntentLine;
use crate::metadata::Record;
use crate::pass::{PassEnd, PassReport};
use crate::plan::Job;
use crate::rectangle::Rectangle;
use static_assertions::assert_impl_all;

use crate::units::{DeviceIndex, DeviceSector, Lba, MemberIndex, Sectors};

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
    SealLog {
        /// The member's device.
        device: DeviceIndex,
        /// The place of the member.
        member: MemberIndex,
        /// The number of the batch.
        batch: u32,
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
            | Self::SealLog { device, .. } => Some(*device),
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
        }
    }
}

/// A stripe operation's storage, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotIndex(pub u16);

impl SlotIndex {
    /// This slot as an index into memory.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Names an accepted request until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId {
    pub(crate) index: u16,
    pub(crate) epoch: u32,
}

impl RequestId {
    /// The request's storage, by number: below the number of requests that the host lent memory
    /// for. A host can keep what belongs to a request in a table of that length.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.index)
    }
}

/// Names one command until it is reported. A report that names no command in flight is [`Misuse`]
/// and changes nothing; the epoch wraps after 2^32 states of one slot, and no report may be that
/// late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub(crate) owner: Owner,
    pub(crate) epoch: u32,
    pub(crate) member: MemberIndex,
}

impl Token {
    /// The token as one number, for hosts that can only carry that.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        let owner = match self.owner {
            Owner::Metadata => 0,
            Owner::Slot(slot) => u64::from(slot.0).wrapping_add(1),
            Owner::Log => LOG_BITS,
            Owner::Settling => SETTLING_BITS,
            Owner::Intent => INTENT_BITS,
        };
        u64::from(self.epoch) | (u64::from(self.member.0) << 32) | (owner << 40)
    }

    /// The token that gave these bits. Bits that no token gave make a token that names no command.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        let [e0, e1, e2, e3, member, o0, o1, o2] = bits.to_le_bytes();
        let owner = u32::from_le_bytes([o0, o1, o2, 0]);
        let owner = match owner.checked_sub(1) {
            None => Owner::Metadata,
            Some(_) if u64::from(owner) == LOG_BITS => Owner::Log,
            Some(_) if u64::from(owner) == SETTLING_BITS => Owner::Settling,
            Some(_) if u64::from(owner) == INTENT_BITS => Owner::Intent,
            Some(slot) => Owner::Slot(SlotIndex(u16::try_from(slot).unwrap_or(u16::MAX))),
        };
        Self { owner, epoch: u32::from_le_bytes([e0, e1, e2, e3]), member: MemberIndex(member) }
    }
}

/// Beyond all slots.
const LOG_BITS: u64 = 0x1_0001;
const SETTLING_BITS: u64 = 0x1_0002;
const INTENT_BITS: u64 = 0x1_0003;

/// Which machine a command belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// A stripe operation.
    Slot(SlotIndex),
    /// The metadata writer.
    Metadata,
    /// The log of the member that the token names.
    Log,
    /// What makes logs be needed no more.
    Settling,
    /// The machine that keeps the write-intent bitmap.
    Intent,
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

/// What a request brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It was done, as durably as it asked for.
    Done,
    /// The range was compared; so many sectors lie in 4 KiB units that disagree.
    Checked {
        /// Sectors in units that disagree, counted once for each unit of a row.
        mismatched_sectors: Sectors,
    },
}

/// Why a request failed. Its range, or the part of it that is named, holds what it held, or for a
/// write what was to be written, sector by sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// More is lost than the redundancy makes up for. The array's fate: nothing was made up.
    /// The range is the first that was lost; [`Event::RangeLost`] names each.
    Unrecoverable {
        /// First sector lost.
        at: Lba,
        /// How much.
        sectors: Sectors,
    },
    /// A device called the command malformed or cannot do it. The requester's or the host's to
    /// mend; no member was blamed and nothing was tried again.
    Rejected {
        /// What the device said.
        fault: Fault,
    },
    /// The array has failed: more members are lost than the redundancy makes up for, or no metadata
    /// could be written. It takes no more writes.
    ArrayFailed,
    /// There is nothing to compare: the array is degraded here, or has no redundancy.
    NothingToCompare,
    /// The engine is quiesced. Nothing was written for this request: it can be started again, here
    /// or elsewhere.
    HandedBack,
    /// The engine is quiesced. Part of this write is written and part was not begun: it can be
    /// started again.
    Interrupted,
    /// Nothing is lost, but a read that was abandoned may still fill the memory that this was to be
    /// read into ([`Loan::Held`]): read again, into other memory.
    MemoryHeld {
        /// First sector that was not read.
        at: Lba,
        /// How much of each of its members.
        sectors: Sectors,
    },
    /// A block could not be read, so rows were not compared. Nothing is lost by that: a repair
    /// reconstructs the block and writes it back, and so does a read if it is not known to be bad.
    NotCompared {
        /// The first sector of the first row that was not compared.
        at: Lba,
        /// How much of each of its members.
        sectors: Sectors,
    },
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unrecoverable { at, sectors } => write!(
                f,
                "sectors {} to {} are lost: more members fail there than the redundancy makes up for",
                at.0,
                at.0.saturating_add(sectors.0).saturating_sub(1)
            ),
            Self::Rejected { fault } => {
                write!(f, "a device refused the command ({fault:?}); no member was blamed")
            }
            Self::ArrayFailed => f.write_str("the array has failed and takes no writes"),
            Self::NotCompared { at, .. } => write!(
                f,
                "a block of the row with sector {} cannot be read, so it was not compared; a repair \
                 rewrites it",
                at.0
            ),
            Self::HandedBack => {
                f.write_str("not done, because the array is being stopped; nothing was written")
            }
            Self::Interrupted => {
                f.write_str("done in part, because the array is being stopped; start it again")
            }
            Self::MemoryHeld { at, .. } => write!(
                f,
                "an abandoned read may still fill the memory for sector {}; read again into other memory",
                at.0
            ),
            Self::NothingToCompare => {
                f.write_str("there is nothing to compare: no redundancy, or a member is missing")
            }
        }
    }
}

impl core::error::Error for Failure {}

/// Something that happened to the array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A member is lost from now on.
    MemberFailed {
        /// Its place.
        member: MemberIndex,
        /// The last fault that it gave.
        fault: Fault,
    },
    /// A command to a member was abandoned. The member is lost, as [`Event::MemberFailed`] says next
    /// if it was not before, and cannot come back while it has a command that is not dead.
    MemberHung {
        /// Its place.
        member: MemberIndex,
    },
    /// The last abandoned command to a member is dead: nothing of this engine reaches it any more.
    MemberQuiet {
        /// Its place.
        member: MemberIndex,
    },
    /// More members are lost than the redundancy makes up for: no more writes.
    ArrayFailed,
    /// What [`Engine::quiesce`](crate::engine::Engine::quiesce) asked for is reached: nothing is in
    /// flight but commands that were abandoned, and nothing is issued.
    Quiesced,
    /// A block that could not be read was reconstructed and written back.
    BlockRewritten {
        /// The member that it lies on.
        member: MemberIndex,
        /// Where on the device.
        at: DeviceSector,
        /// How much.
        sectors: Sectors,
    },
    /// A block could not be written, or not be made by a pass, and is on the list of bad ones: nobody
    /// reads it.
    BlockBad {
        /// The member that it lies on.
        member: MemberIndex,
        /// Where on the device.
        at: DeviceSector,
        /// How much.
        sectors: Sectors,
    },
    /// A bad block was written, and is on the list no more.
    BlockGood {
        /// The member that it lies on.
        member: MemberIndex,
        /// Where on the device.
        at: DeviceSector,
        /// How much.
        sectors: Sectors,
    },
    /// A background pass has ended. It says so once.
    PassEnded {
        /// How far it came and what it found.
        report: PassReport,
        /// How it ended.
        end: PassEnd,
    },
    /// A block was found wrong, from both parities, and is being made from the others.
    BlockLocated {
        /// The member that it lies on.
        member: MemberIndex,
        /// Where on the device.
        at: DeviceSector,
        /// How much.
        sectors: Sectors,
    },
    /// Parity does not agree with the data, and no single block explains it. Nothing was changed.
    Ambiguous {
        /// The position of the pass, in the measure of [`PassReport::position`].
        at: Sectors,
        /// How much of each member.
        sectors: Sectors,
    },
    /// A check could not read a block, so it was not compared.
    NotCompared {
        /// The position of the pass, in the measure of [`PassReport::position`].
        at: Sectors,
        /// How much of each member.
        sectors: Sectors,
    },
    /// Part of a request could not be served.
    RangeLost {
        /// The request.
        request: RequestId,
        /// First sector lost.
        at: Lba,
        /// How much.
        sectors: Sectors,
    },
}
