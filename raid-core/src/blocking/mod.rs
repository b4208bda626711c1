//! The easy way in: an array over members that implement [`BlockDevice`], driven to the end of each
//! call.
//!
//! One request runs at a time, and every command of it is carried out in the thread that calls. For
//! anything more, drive the [`Engine`] yourself.

mod bytes;
mod device;
mod host;
#[cfg(feature = "md")]
mod md_backup;
#[cfg(feature = "md")]
mod md_bitmap;
#[cfg(feature = "md")]
mod md_journal;
#[cfg(feature = "md")]
mod md_keeper;
#[cfg(feature = "md")]
mod md_ppl;
#[cfg(feature = "md")]
mod md_replay;
mod pass;
mod reshape;

pub use device::{BlockDevice, Keeper};
#[cfg(feature = "md")]
pub use md_backup::MdBackup;
#[cfg(feature = "md")]
pub use md_bitmap::{load_bitmap, store_bitmap};
#[cfg(feature = "md")]
pub use md_journal::{JournalArray, JournalFailure, MdJournal};
#[cfg(feature = "md")]
pub use md_keeper::{MdJournalSeat, MdKeeper, MdReshape, MdSeat, MdSeats, record_journal_tail};
#[cfg(feature = "md")]
pub use md_ppl::{MdLog, MdLogs};
#[cfg(feature = "md")]
pub use md_replay::{PplArray, PplFailure, PplStart};
pub use pass::{PassFailure, Watch};
pub use reshape::ReshapeFailure;

use crate::engine::{
    Access, Engine, Memory, Progress, Refusal, Seat, SeatRefusal, Setup, SetupError,
};
use crate::geometry::Geometry;
use crate::host::{Answer, Durability, Failure};
use crate::io_limits::MemoryAlignment;
use crate::limits::REQUEST_SECTORS_MAX;
use crate::parity::CallerMemory;
use crate::request::{Request, Stability};
use crate::units::{Lba, MemberIndex, Sectors};
use host::{CallHost, Outer, Reported};
use raid_simd::Kernels;

/// An array whose calls return when they are done.
#[derive(Debug)]
pub struct Array<'m, D, K> {
    engine: Engine<'m>,
    parts: Parts<'m, D, K>,
    /// What a reshape is moving.
    window: &'m mut [u8],
}

/// Memory and devices that an array works with.
#[derive(Debug)]
pub struct Parts<'m, D, K> {
    /// The devices, by device index.
    pub devices: &'m mut [D],
    /// Keeps the metadata.
    pub keeper: K,
    /// Memory for lanes: slots times members times the lane length, or times one more than members
    /// where the array has a log of partial parity. Aligned as the devices ask.
    pub lanes: &'m mut [u8],
    /// What computes parity.
    pub kernels: Kernels,
}

/// Why a call did not do all that it was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// It was not begun.
    Refused(Refusal),
    /// It was begun and failed.
    Failed(Failure),
    /// The memory lent for lanes is too short, so that a command could not run.
    Lanes,
    /// The engine has nothing to do and no answer. A defect of the engine.
    Stalled,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Failed(failure) => failure.fmt(f),
            Self::Lanes => f.write_str("the memory lent for lanes is too short"),
            Self::Stalled => f.write_str("the engine stalled; this is a defect, please report it"),
        }
    }
}

impl core::error::Error for Error {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Steps of one `poll`. What is left over is done in the next.
const BUDGET: u32 = 1024;

impl<'m, D: BlockDevice, K: Keeper<D>> Array<'m, D, K> {
    /// An array as it is. It issues nothing before a call asks for it.
    ///
    /// # Errors
    /// What about the setup cannot be worked with.
    pub fn new(
        setup: &Setup<'_>,
        memory: Memory<'m>,
        parts: Parts<'m, D, K>,
    ) -> Result<Self, SetupError> {
        let slots = memory.slots.len();
        Self::of(Engine::new(setup, memory)?, slots, parts, &mut [])
    }

    fn of(
        engine: Engine<'m>,
        slots: usize,
        parts: Parts<'m, D, K>,
        window: &'m mut [u8],
    ) -> Result<Self, SetupError> {
        let lanes = engine
            .lane()
            .memory_bytes()
            .and_then(|lane| lane.checked_mul(engine.lanes_per_slot()))
            .and_then(|lanes| lanes.checked_mul(slots));
        if lanes.is_none_or(|needed| parts.lanes.len() < needed) {
            return Err(SetupError::Memory);
        }
        Ok(Self { engine, parts, window })
    }

    /// The engine: geometry, members, limits.
    #[must_use]
    pub const fn engine(&self) -> &Engine<'m> {
        &self.engine
    }

    /// What keeps the metadata.
    pub const fn keeper(&mut self) -> &mut K {
        &mut self.parts.keeper
    }

    /// The devices.
    pub const fn devices(&mut self) -> &mut [D] {
        self.parts.devices
    }

    /// The array's size in sectors.
    #[must_use]
    pub fn size(&self) -> Sectors {
        self.engine.geometry().size()
    }

    /// Where each block lies.
    #[must_use]
    pub const fn geometry(&self) -> &Geometry {
        self.engine.geometry()
    }

    /// Reads whole sectors at `at` until `into` is full.
    ///
    /// # Errors
    /// What could be read is in `into`; the keeper was told of each range that is lost.
    pub fn read(&mut self, at: Lba, into: &mut [u8]) -> Result<(), Error> {
        let mut first = Ok(());
        let mut at = at;
        for piece in into.chunks_mut(REQUEST_BYTES_MAX) {
            let sectors = whole_sectors(piece.len(), &self.engine)?;
            let memory = MemoryAlignment::of_segments([(piece.as_ptr().addr(), piece.len())]);
            // Nobody else can change memory that is borrowed, so nothing has to be copied.
            let request = Request::read(at, sectors, memory, Stability::Stable);
            let result = self.run(request, CallerMemory::Target(&mut [piece]));
            // What follows a lost range is read all the same.
            match result {
                Ok(_) => {}
                Err(Error::Failed(failure)) => first = first.and(Err(Error::Failed(failure))),
                Err(error) => return Err(error),
            }
            at = at
                .checked_add(sectors)
                .ok_or(Error::Refused(Refusal::Range { size: self.size() }))?;
        }
        first
    }

    /// Reads whole sectors at `at` into segments, one after the other.
    ///
    /// # Errors
    /// As [`Array::read`]; also if the segments together are no whole number of sectors or too
    /// long.
    pub fn read_segments(&mut self, at: Lba, segments: &mut [&mut [u8]]) -> Result<(), Error> {
        let length =
            segments.iter().fold(0_usize, |sum, segment| sum.saturating_add(segment.len()));
        let sectors = whole_sectors(length, &self.engine)?;
        let memory = MemoryAlignment::of_segments(
            segments.iter().map(|segment| (segment.as_ptr().addr(), segment.len())),
        );
        // A device takes one run of memory: what may lie across two segments goes through lanes.
        let stability = match segments.len() {
            0 | 1 => Stability::Stable,
            _ => Stability::Volatile,
        };
        let request = Request::read(at, sectors, memory, stability);
        self.run(request, CallerMemory::Target(segments)).map(|_| ())
    }

    /// Writes whole sectors at `at`. It is as durable as asked for when this returns.
    ///
    /// # Errors
    /// Part of it may have been written.
    pub fn write(&mut self, at: Lba, from: &[u8], durability: Durability) -> Result<(), Error> {
        let mut at = at;
        for piece in from.chunks(REQUEST_BYTES_MAX) {
            let sectors = whole_sectors(piece.len(), &self.engine)?;
            let memory = MemoryAlignment::of_segments([(piece.as_ptr().addr(), piece.len())]);
            let request = Request::write(at, sectors, memory, Stability::Stable, durability);
            self.run(request, CallerMemory::Source(&[piece]))?;
            at = at
                .checked_add(sectors)
                .ok_or(Error::Refused(Refusal::Range { size: self.size() }))?;
        }
        Ok(())
    }

    /// Writes zeroes to whole sectors at `at`.
    ///
    /// # Errors
    /// Part of it may have been written.
    pub fn write_zeroes(
        &mut self,
        at: Lba,
        sectors: Sectors,
        durability: Durability,
    ) -> Result<(), Error> {
        self.each_part(at, sectors, |array, at, sectors| {
            array
                .run(Request::write_zeroes(at, sectors, durability), CallerMemory::None)
                .map(|_| ())
        })
    }

    /// Compares parity or copies of the rows that hold a range. How many sectors lie in units that
    /// disagree.
    ///
    /// # Errors
    /// There is nothing to compare, or it cannot be read.
    pub fn check(&mut self, at: Lba, sectors: Sectors) -> Result<Sectors, Error> {
        let outside = Error::Refused(Refusal::Range { size: self.size() });
        let end = at.checked_add(sectors).ok_or(outside)?;
        let (mut sum, mut at) = (0_u64, at);
        while let Some(rest) = end.checked_since(at).filter(|rest| *rest > Sectors::ZERO) {
            let request = Request::check(at, rest.min(REQUEST_SECTORS_MAX));
            match self.run(request, CallerMemory::None)? {
                Answer::Checked { mismatched_sectors } => {
                    sum = sum.saturating_add(mismatched_sectors.0);
                }
                Answer::Done => {}
            }
            // Rows are compared whole: the next part starts behind the last of them.
            let rows = request.widened(self.engine.geometry());
            at = rows.at.checked_add(rows.sectors).ok_or(outside)?;
        }
        Ok(Sectors(sum))
    }

    /// Takes a member out of use for good, as if it had failed. That is on record on all others
    /// when this returns.
    ///
    /// # Errors
    /// The array cannot do without it, or the record could not be written.
    pub fn fail(&mut self, member: MemberIndex) -> Result<(), Error> {
        self.engine.fail_member(member)?;
        self.flush()
    }

    /// Makes all writes durable that have returned.
    ///
    /// # Errors
    /// A device rejected it, or the array failed.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.run(Request::flush(), CallerMemory::None).map(|_| ())
    }

    /// Makes all writes durable, clears their bits in the write-intent bitmap, and records that the
    /// array is clean.
    ///
    /// # Errors
    /// The array failed.
    pub fn mark_clean(&mut self) -> Result<(), Error> {
        self.sweep_bitmap()?;
        self.run(Request::mark_clean(), CallerMemory::None).map(|_| ())
    }

    /// Clears all bits of the write-intent bitmap that can be cleared. Without a bitmap nothing
    /// happens.
    ///
    /// # Errors
    /// The memory lent for lanes is too short.
    pub fn sweep_bitmap(&mut self) -> Result<(), Error> {
        // The first takes note of what is not written to, the second clears it.
        for _ in 0..2 {
            self.engine.sweep_bitmap();
            self.drive(CallerMemory::None)?;
        }
        Ok(())
    }

    /// Gives a place that lacks a member to one of the devices. A recovery brings it in order.
    ///
    /// # Errors
    /// Why it is not taken; nothing has happened.
    pub fn add_member(&mut self, member: MemberIndex, seat: Seat) -> Result<(), SeatRefusal> {
        self.engine.add_member(member, seat)
    }

    /// Seats a device that is to replace a member, as
    /// [`Engine::add_replacement`](crate::engine::Engine::add_replacement) does. The keeper has to be
    /// able to write its metadata from then on, under the number that is returned: that of the members.
    ///
    /// # Errors
    /// Why it is not taken; nothing has happened.
    pub fn add_replacement(
        &mut self,
        member: MemberIndex,
        seat: Seat,
    ) -> Result<MemberIndex, SeatRefusal> {
        self.engine.add_replacement(member, seat)
    }

    /// Stops the array: all writes are durable, the array is on record as clean, and no command is
    /// issued any more. What is asked for after that is refused, so drop it.
    ///
    /// # Errors
    /// The array could not be marked clean. It is stopped all the same, as by a loss of power.
    pub fn stop(&mut self) -> Result<(), Error> {
        let marked = match self.engine.access() {
            Access::ReadWrite => self.mark_clean(),
            Access::ReadOnly => Ok(()),
        };
        self.engine.quiesce();
        self.drive(CallerMemory::None)?;
        marked
    }

    fn each_part(
        &mut self,
        mut at: Lba,
        mut sectors: Sectors,
        mut part: impl FnMut(&mut Self, Lba, Sectors) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // Each round is a longest request, or the last.
        while sectors > Sectors::ZERO {
            let now = sectors.min(REQUEST_SECTORS_MAX);
            part(self, at, now)?;
            sectors = sectors.saturating_sub(now);
            at = at.checked_add(now).ok_or(Error::Refused(Refusal::Range { size: self.size() }))?;
        }
        Ok(())
    }

    /// Bytes in a lane, and lanes in a slot.
    fn lanes(&self) -> Result<(usize, usize), Error> {
        let lane = self.engine.lane().memory_bytes().ok_or(Error::Lanes)?;
        Ok((lane, self.engine.lanes_per_slot()))
    }

    /// Runs one request to its answer.
    fn run(&mut self, request: Request, caller: CallerMemory<'_, '_>) -> Result<Answer, Error> {
        self.engine.start(request)?;
        self.drive(caller)?.ok_or(Error::Stalled)?.map_err(Error::Failed)
    }

    /// Goes on until there is nothing left to do. The answer that came.
    fn drive(
        &mut self,
        caller: CallerMemory<'_, '_>,
    ) -> Result<Option<Result<Answer, Failure>>, Error> {
        let (lane, lanes) = self.lanes()?;
        let memory = Outer { caller, window: self.window };
        let mut host = CallHost::new(&mut self.parts, memory, lane, lanes);
        // Every round delivers a completion at least, and of those a request needs a bounded
        // number. What it set off besides, as the record of a lost member, is seen to its end as
        // well.
        loop {
            let progress = self.engine.poll(&mut host, BUDGET);
            let delivered = host.report(&mut self.engine);
            match (progress, delivered) {
                (Progress::Idle | Progress::HostBusy(_), Reported::Nothing) => break,
                (Progress::Idle | Progress::HostBusy(_), Reported::Something)
                | (Progress::More, Reported::Nothing | Reported::Something) => {}
            }
        }
        Ok(host.take_answer())
    }
}

const REQUEST_BYTES_MAX: usize = 32 * 1024 * 1024;

const _: () = assert!(REQUEST_SECTORS_MAX.0 == 64 * 1024, "the two constants are one length");

fn whole_sectors(bytes: usize, engine: &Engine<'_>) -> Result<Sectors, Error> {
    let sectors = u64::try_from(bytes).ok().and_then(Sectors::from_bytes);
    sectors.ok_or(Error::Refused(Refusal::Alignment { needed: engine.limits().logical_block() }))
}
