//! Reads and writes that begin and end anywhere, compared with a plain copy of the content.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that fails says so by panicking"
)]

use raid_core::blocking::{Array, BlockDevice, Error, Keeper, Parts};
use raid_core::engine::{
    Access, Behind, Dirty, Memory, ReadsFrom, Refusal, RequestSlot, RowLog, Seat, Setup, Slot,
};
use raid_core::geometry::{Geometry, Layout, Raid5Layout, Shape};
use raid_core::host::{Durability, Event, Failure, Fault};
use raid_core::io_limits::IoLimits;
use raid_core::members::MemberState;
use raid_core::metadata::{Consistency, Record};
use raid_core::units::{DeviceIndex, DeviceSector, Lba, MemberIndex, Sectors};
use raid_simd::Kernels;

const CHUNK: u64 = 16;
const ROWS: u64 = 4;
const MEMBERS: u8 = 4;

/// Memory that counts its writes and has sectors that cannot be read.
struct Ram {
    bytes: Vec<u8>,
    block_bytes: u32,
    unreadable: core::ops::Range<u64>,
    writes: usize,
}

impl BlockDevice for Ram {
    fn read(&mut self, at: DeviceSector, into: &mut [u8]) -> Result<(), Fault> {
        let block = self.block_bytes as usize;
        assert!((at.0 as usize * 512).is_multiple_of(block) && into.len().is_multiple_of(block));
        let end = at.0 + into.len() as u64 / 512;
        if at.0 < self.unreadable.end && self.unreadable.start < end {
            return Err(Fault::Media);
        }
        into.copy_from_slice(&self.bytes[at.0 as usize * 512..][..into.len()]);
        Ok(())
    }

    fn write(&mut self, at: DeviceSector, from: &[u8], _: Durability) -> Result<(), Fault> {
        assert!(from.len().is_multiple_of(self.block_bytes as usize));
        self.writes += 1;
        self.bytes[at.0 as usize * 512..][..from.len()].copy_from_slice(from);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn limits(&self) -> IoLimits {
        IoLimits { logical_block_bytes: self.block_bytes, ..IoLimits::RELAXED }
    }
}

#[derive(Default)]
struct Lost(Vec<(Lba, Sectors)>);

impl Keeper<Ram> for Lost {
    fn record(&mut self, _: MemberIndex, _: &mut Ram, _: &Record) -> Result<(), Fault> {
        Ok(())
    }

    fn note(&mut self, event: Event) {
        if let Event::RangeLost { at, sectors, .. } = event {
            self.0.push((at, sectors));
        }
    }
}

fn devices(block_bytes: u32) -> Vec<Ram> {
    let bytes = vec![0; (CHUNK * ROWS) as usize * 512];
    let ram = || Ram { bytes: bytes.clone(), block_bytes, unreadable: 0..0, writes: 0 };
    (0..MEMBERS).map(|_| ram()).collect()
}

fn with_array<R>(devices: &mut [Ram], work: impl FnOnce(&mut Array<'_, Ram, Lost>) -> R) -> R {
    let geometry = Geometry::new(Shape {
        layout: Layout::Raid5(Raid5Layout::LeftSymmetric),
        members: MEMBERS,
        chunk: Sectors(CHUNK),
        member_size: Sectors(CHUNK * ROWS),
    });
    let seat = |member: u8| Seat {
        device: DeviceIndex(member),
        state: MemberState::InSync,
        data_offset: DeviceSector(0),
        limits: devices[usize::from(member)].limits(),
        reads: ReadsFrom::Freely,
        behind: Behind::Everything,
    };
    let seats: Vec<_> = (0..MEMBERS).map(|member| Some(seat(member))).collect();
    let setup = Setup {
        geometry: geometry.unwrap(),
        seats: &seats,
        consistency: Consistency::Clean,
        events: 1,
        lane: Sectors(8),
        access: Access::ReadWrite,
        dirty: Dirty::Refuse,
        log: RowLog::None,
    };
    let (mut slots, mut requests) = ([Slot::FREE; 2], [RequestSlot::FREE; 1]);
    let mut lanes = vec![0; 2 * seats.len() * 4096];
    let memory = Memory::new(&mut slots, &mut requests);
    let keeper = Lost::default();
    let parts = Parts { devices, keeper, lanes: &mut lanes, kernels: Kernels::detect() };
    work(&mut Array::new(&setup, memory, parts).unwrap())
}

#[test]
fn bytes_anywhere_are_written_and_read() {
    for block_bytes in [512, 4096] {
        let mut devices = devices(block_bytes);
        with_array(&mut devices, |array| {
            let size = array.size().bytes().unwrap();
            let mut model = vec![0_u8; size as usize];
            let edges = [0, 1, 511, 512, 513, 4095, 4096, 4097, 8191, 8192, 24_576, size - 1, size];
            let ranges = edges.iter().flat_map(|start| edges.iter().map(move |end| *start..*end));
            for (turn, range) in ranges.filter(|range| range.start <= range.end).enumerate() {
                let bytes: Vec<_> = range.clone().map(|at| (at as usize ^ turn) as u8).collect();
                array.write_bytes(range.start, &bytes, Durability::Cached).unwrap();
                model[range.start as usize..range.end as usize].copy_from_slice(&bytes);
                let mut found = vec![0; bytes.len()];
                array.read_bytes(range.start, &mut found).unwrap();
                assert!(found == bytes, "{range:?} in blocks of {block_bytes}");
            }
            let mut found = vec![0; model.len()];
            array.read_bytes(0, &mut found).unwrap();
            assert!(found == model, "blocks of {block_bytes}");
            assert_eq!(array.check(Lba(0), Sectors(size / 512)), Ok(Sectors(0)));
        });
    }
}

#[test]
fn a_range_that_leaves_the_array_is_refused_whole() {
    let mut devices = devices(512);
    with_array(&mut devices, |array| {
        let size = array.size().bytes().unwrap();
        let refused = Err(Error::Refused(Refusal::Range { size: array.size() }));
        for at in [size - 1, size, u64::MAX - 1, u64::MAX] {
            assert_eq!(array.write_bytes(at, &[1, 2], Durability::Cached), refused);
            assert_eq!(array.read_bytes(at, &mut [0, 0]), refused);
        }
        assert_eq!(array.write_bytes(size, &[], Durability::Cached), Ok(()));
    });
    assert!(devices.iter().all(|device| device.writes == 0));
}

#[test]
fn what_lies_beside_a_lost_block_is_read_and_the_block_is_not_written() {
    let mut devices = devices(512);
    with_array(&mut devices, |array| {
        let size = array.size().memory_bytes().unwrap();
        array.write_bytes(0, &vec![7; size], Durability::Cached).unwrap();
    });
    // In row 0 of left-symmetric, members 0 and 1 hold data blocks 0 and 1.
    devices[0].unreadable = 0..8;
    devices[1].unreadable = 0..8;
    with_array(&mut devices, |array| {
        let mut found = vec![0; 6000];
        let lost = array.read_bytes(100, &mut found);
        let unit = Sectors(8);
        let failure = Failure::Unrecoverable { at: Lba(0), sectors: Sectors(1) };
        assert_eq!(lost, Err(Error::Failed(failure)), "the head is a block of its own");
        assert!(found[4096 - 100..].iter().all(|byte| *byte == 7));
        let named: u64 = array.keeper().0.iter().map(|(_, sectors)| sectors.0).sum();
        assert_eq!(named, unit.0);

        let write = array.write_bytes(100, &[1, 2, 3], Durability::Cached);
        assert!(matches!(write, Err(Error::Failed(Failure::Unrecoverable { .. }))), "{write:?}");
    });
    assert_eq!(devices[0].bytes[100], 7);
}
