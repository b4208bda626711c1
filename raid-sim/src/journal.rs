//! A journal on a simulated device of its own, behind the members': where it lies, what is written to
//! it, and what is done with it after a crash.

use raid_core::blocking::{BlockDevice, JournalArray, JournalFailure, MdJournal};
use raid_core::engine::{BadBlock, JournalSeat, RowLog};
use raid_core::geometry::{Geometry, ParityGeometry};
use raid_core::host::{Command, Durability, Fault, Token};
use raid_core::io_limits::IoLimits;
use raid_core::md::journal::{
    JOURNAL_BLOCK_SECTORS, Journal, JournalHead, JournalSector, JournalSeed, JournalWriter,
};
use raid_core::md::{ArrayUuid, SUPERBLOCK_BYTES};
use raid_core::units::{DeviceIndex, DeviceSector, MemberIndex, Sectors};

use crate::device::RamDevice;
use crate::medium::SECTOR;
use crate::sim::{Blueprint, DATA_OFFSET};

/// The array that all journals here are of.
const UUID: ArrayUuid = ArrayUuid(*b"a simulated one.");

/// Where the tail is on record: one sector, which does not tear.
const TAIL_AT: u64 = 0;

/// Where the first log begins.
const FIRST: JournalHead = JournalHead { position: JournalSector::ZERO, sequence: 77 };

/// How the engine is told of a journal of so many blocks, of an array of so many members.
pub(crate) fn row_log(blocks: u64, members: usize) -> RowLog {
    let device = DeviceIndex(u8::try_from(members).expect("at most 255 members"));
    let room = MdJournal::room(&of(blocks));
    RowLog::Journal(JournalSeat { device, room, limits: IoLimits::RELAXED })
}

fn of(blocks: u64) -> Journal {
    let size = Sectors(blocks * JOURNAL_BLOCK_SECTORS.0);
    Journal::new(DeviceSector(DATA_OFFSET), size, JournalSeed::of(UUID)).expect("a journal")
}

/// The journal of an array; `None` if it has none.
#[must_use]
pub fn of_array(blueprint: &Blueprint) -> Option<Journal> {
    match blueprint.log {
        RowLog::Journal(seat) => Some(of(seat.room.0 / JOURNAL_BLOCK_SECTORS.0 + 2)),
        RowLog::None | RowLog::PartialParity { .. } => None,
    }
}

/// The device of a journal, and where its log goes on.
pub(crate) fn device(blocks: u64) -> RamDevice {
    let mut device = RamDevice::new(DATA_OFFSET + blocks * JOURNAL_BLOCK_SECTORS.0);
    let (_, block) = JournalWriter::begin([0; SUPERBLOCK_BYTES], of(blocks), FIRST).into_block();
    device.medium.store(DATA_OFFSET, &block);
    device.medium.store(TAIL_AT, &[0; SECTOR]);
    device
}

/// Where the log of a new device goes on.
pub(crate) fn first_head(blocks: u64) -> JournalHead {
    JournalWriter::begin([0; SUPERBLOCK_BYTES], of(blocks), FIRST).finish()
}

fn tail_of(device: &RamDevice, journal: &Journal) -> JournalSector {
    let (word, _) = device.medium.stored(TAIL_AT, SECTOR).split_first_chunk().expect("a sector");
    journal.sector(Sectors(u64::from_le_bytes(*word))).expect("a tail in the journal")
}

fn record_tail<D: BlockDevice>(device: &mut D, tail: JournalSector) -> Result<(), Fault> {
    let mut sector = [0; SECTOR];
    sector[..8].copy_from_slice(&tail.offset().0.to_le_bytes());
    device.write(DeviceSector(TAIL_AT), &sector, Durability::Cached)
}

/// Does what the journal says, as a host does before it starts the array. Where the log goes on.
///
/// # Errors
/// What failed.
pub fn replay(
    blueprint: &Blueprint,
    devices: &mut [RamDevice],
    bad_blocks: &[BadBlock],
) -> Result<JournalHead, JournalFailure> {
    let tail = recorded_tail(blueprint, devices);
    replay_from(tail, blueprint, devices, bad_blocks)
}

/// The tail that is on record on the journal's device.
#[must_use]
pub fn recorded_tail(blueprint: &Blueprint, devices: &[RamDevice]) -> JournalSector {
    let RowLog::Journal(seat) = blueprint.log else { panic!("an array without a journal") };
    tail_of(&devices[seat.device.index()], &of_array(blueprint).expect("it has one"))
}

/// The same as [`replay`], over any devices.
///
/// # Errors
/// What failed.
pub fn replay_from<D: BlockDevice>(
    tail: JournalSector,
    blueprint: &Blueprint,
    devices: &mut [D],
    bad_blocks: &[BadBlock],
) -> Result<JournalHead, JournalFailure> {
    let RowLog::Journal(seat) = blueprint.log else { panic!("an array without a journal") };
    let journal = of_array(blueprint).expect("it has one");
    let array = JournalArray {
        geometry: parity_geometry(blueprint),
        seats: &blueprint.seats,
        device: seat.device,
        journal,
        tail,
        bad_blocks,
    };
    array.prepare(devices, record_tail)
}

const fn parity_geometry(blueprint: &Blueprint) -> &ParityGeometry {
    match &blueprint.geometry {
        Geometry::Parity(geometry) => geometry,
        Geometry::Copies(_) => panic!("a journal without parity"),
    }
}

/// What a command writes, in order.
#[derive(Debug, Default)]
pub(crate) struct Writes(Vec<(u64, Vec<u8>, Durability)>);

impl BlockDevice for Writes {
    fn read(&mut self, _: DeviceSector, _: &mut [u8]) -> Result<(), Fault> {
        Err(Fault::Unsupported)
    }

    fn write(
        &mut self,
        at: DeviceSector,
        from: &[u8],
        durability: Durability,
    ) -> Result<(), Fault> {
        self.0.push((at.0, from.to_vec(), durability));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        for (_, _, durability) in &mut self.0 {
            *durability = Durability::Durable;
        }
        Ok(())
    }

    fn limits(&self) -> IoLimits {
        IoLimits::RELAXED
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    On,
    Lost,
}

/// What a host keeps for the journal that it writes.
#[derive(Debug)]
pub(crate) struct JournalHost {
    md: Option<MdJournal>,
    service: Service,
    /// What the commands in flight write, by their tokens' bits.
    writes: Vec<(u64, Writes)>,
}

impl JournalHost {
    pub(crate) fn of(blueprint: &Blueprint) -> Self {
        let md = of_array(blueprint).map(|journal| {
            let head = blueprint.journal_head.expect("an array with a journal is prepared");
            MdJournal::new(journal, *parity_geometry(blueprint), head)
        });
        Self { md, service: Service::On, writes: Vec::new() }
    }

    pub(crate) fn lose(&mut self) {
        self.service = Service::Lost;
    }

    /// Whether the array has a journal that is not lost.
    pub(crate) fn serves(&self) -> bool {
        self.is_kept() && self.service == Service::On
    }

    pub(crate) const fn is_kept(&self) -> bool {
        self.md.is_some()
    }

    /// A command was taken; `bytes` gives the blocks of a row.
    pub(crate) fn take<'b>(
        &mut self,
        token: Token,
        command: &Command,
        bytes: &dyn Fn(MemberIndex) -> Option<&'b [u8]>,
    ) {
        let Some(md) = &mut self.md else { return };
        let mut writes = Writes::default();
        let done = match command {
            Command::LogRow { stretch, row, .. } => md.log_row(&mut writes, *stretch, row, bytes),
            Command::SealLog { .. } => md.close(&mut writes),
            Command::RecordTail { stretch, .. } => {
                md.tail(&mut writes, *stretch).and_then(|tail| record_tail(&mut writes, tail))
            }
            Command::Read { .. }
            | Command::Write { .. }
            | Command::Flush { .. }
            | Command::Record { .. }
            | Command::RecordBad { .. }
            | Command::RecordIntent { .. }
            | Command::RecordBackup { .. }
            | Command::LogParity { .. }
            | Command::Compute(_) => return,
        };
        done.expect("the engine keeps to the bounds");
        self.writes.push((token.to_bits(), writes));
    }

    /// What a command in flight writes, and where.
    pub(crate) fn written(&self, token: Token) -> impl Iterator<Item = (u64, &[u8], Durability)> {
        let of_it = self.writes.iter().filter(move |(bits, _)| *bits == token.to_bits());
        of_it.flat_map(|(_, writes)| &writes.0).map(|(at, bytes, how)| (*at, &**bytes, *how))
    }

    /// A command has its turn now: it is carried out.
    pub(crate) fn end(&mut self, token: Token, device: &mut RamDevice) -> Result<(), Fault> {
        let number = self.writes.iter().position(|(bits, _)| *bits == token.to_bits());
        let (_, writes) = self.writes.remove(number.expect("it was taken"));
        for (at, bytes, durability) in writes.0 {
            device.write_aligned(at, &bytes, 0, durability)?;
        }
        Ok(())
    }
}
