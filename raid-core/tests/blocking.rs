//! Whole arrays behind the blocking front-end, compared with a plain copy of their content.
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
use raid_core::geometry::{
    Geometry, Layout, Raid5Layout, Raid6Layout, Raid10Layout, Shape, Spread,
};
use raid_core::host::{Durability, Fault};
use raid_core::io_limits::IoLimits;
use raid_core::limits::REQUEST_SECTORS_MAX;
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::{Consistency, Record, Shaping};
use raid_core::units::{DeviceIndex, DeviceSector, Lba, MemberIndex, Sectors};
use raid_simd::Kernels;

const DATA_OFFSET: DeviceSector = DeviceSector(64);

struct Ram(Vec<u8>);

impl BlockDevice for Ram {
    fn read(&mut self, at: DeviceSector, into: &mut [u8]) -> Result<(), Fault> {
        let start = at.0 as usize * 512;
        into.copy_from_slice(&self.0[start..start + into.len()]);
        Ok(())
    }

    fn write(&mut self, at: DeviceSector, from: &[u8], _: Durability) -> Result<(), Fault> {
        let start = at.0 as usize * 512;
        self.0[start..start + from.len()].copy_from_slice(from);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn limits(&self) -> IoLimits {
        IoLimits::RELAXED
    }
}

#[derive(Default)]
struct Records(Vec<(MemberIndex, Record)>);

impl Keeper<Ram> for Records {
    fn record(&mut self, member: MemberIndex, _: &mut Ram, record: &Record) -> Result<(), Fault> {
        self.0.push((member, *record));
        Ok(())
    }
}

fn layouts() -> Vec<(Layout, u8)> {
    let mut layouts = vec![(Layout::Raid0, 3), (Layout::Raid1, 3), (Layout::Raid4, 4)];
    layouts.extend(Raid5Layout::ALL.map(|layout| (Layout::Raid5(layout), 4)));
    layouts.extend(Raid6Layout::ALL.map(|layout| (Layout::Raid6(layout), 5)));
    for (near, far, spread) in [(2, 1, Spread::Zones), (1, 2, Spread::Zones), (1, 2, Spread::Rows)]
    {
        layouts.push((Layout::Raid10(Raid10Layout { near, far, spread }), 4));
    }
    layouts
}

const CHUNK: u64 = 16;
const ROWS: u64 = 6;

/// Numbers that look random and are the same in every run.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

fn geometry(layout: Layout, members: u8) -> Geometry {
    let (chunk, member_size) = (Sectors(CHUNK), Sectors(CHUNK * ROWS));
    Geometry::new(Shape { layout, members, chunk, member_size }).unwrap()
}

/// Runs `work` on an array of these devices, without the member `lost`.
fn with_array(
    geometry: Geometry,
    devices: &mut [Ram],
    lost: Option<u8>,
    work: impl FnOnce(&mut Array<'_, Ram, Records>),
) {
    with_array_in(Consistency::Clean, geometry, devices, lost, work);
}

fn with_array_in(
    consistency: Consistency,
    geometry: Geometry,
    devices: &mut [Ram],
    lost: Option<u8>,
    work: impl FnOnce(&mut Array<'_, Ram, Records>),
) {
    let seat = |member| Seat {
        device: DeviceIndex(member),
        state: MemberState::InSync,
        data_offset: DATA_OFFSET,
        limits: IoLimits::RELAXED,
        reads: ReadsFrom::Freely,
        behind: Behind::Everything,
    };
    let seats: Vec<_> = (0..geometry.members())
        .map(|member| (Some(member) != lost).then(|| seat(member)))
        .collect();
    let setup = Setup {
        geometry,
        seats: &seats,
        consistency,
        events: 7,
        lane: Sectors(8),
        access: Access::ReadWrite,
        dirty: Dirty::Refuse,
        log: RowLog::None,
    };
    let mut slots = [Slot::FREE; 3];
    let mut requests = [RequestSlot::FREE; 2];
    let mut lanes = vec![0; 3 * seats.len() * 4096];
    let memory = Memory::new(&mut slots, &mut requests);
    let keeper = Records::default();
    let parts = Parts { devices, keeper, lanes: &mut lanes, kernels: Kernels::detect() };
    work(&mut Array::new(&setup, memory, parts).unwrap());
}

fn write_at_random(array: &mut Array<'_, Ram, Records>, model: &mut [u8], sequence: &mut Sequence) {
    let size = array.size().0;
    for _ in 0..60 {
        let at = sequence.next() % size;
        let sectors = sequence.next() % (size - at).min(90) + 1;
        let bytes: Vec<u8> = (0..sectors * 512).map(|_| sequence.next() as u8).collect();
        array.write(Lba(at), &bytes, Durability::Cached).unwrap();
        model[at as usize * 512..][..bytes.len()].copy_from_slice(&bytes);
    }
}

fn content(array: &mut Array<'_, Ram, Records>) -> Vec<u8> {
    let mut content = vec![0; array.size().memory_bytes().unwrap()];
    array.read(Lba(0), &mut content).unwrap();
    content
}

#[test]
fn what_is_written_is_read_with_every_member_lost() {
    for (layout, members) in layouts() {
        let geometry = geometry(layout, members);
        let bytes = (DATA_OFFSET.0 + CHUNK * ROWS) as usize * 512;
        let mut devices: Vec<Ram> = (0..members).map(|_| Ram(vec![0; bytes])).collect();
        let mut model = vec![0; geometry.size().memory_bytes().unwrap()];
        let mut sequence = Sequence(0x1234_5678);
        with_array(geometry, &mut devices, None, |array| {
            write_at_random(array, &mut model, &mut sequence);
            array.mark_clean().unwrap();
            let records = &array.keeper().0;
            assert_eq!(records.len(), 2 * usize::from(members), "{layout:?}: dirty, then clean");
            let (first, last) = (records[0].1, records.last().unwrap().1);
            assert_eq!((first.events, first.consistency), (8, Consistency::InSyncTo(Sectors(0))));
            assert_eq!((last.events, last.consistency), (9, Consistency::Clean));
            assert!(content(array) == model, "{layout:?}");
            if geometry.redundancy() > 0 {
                let size = array.size();
                assert_eq!(array.check(Lba(0), size), Ok(Sectors(0)), "{layout:?}");
            }
        });
        if geometry.redundancy() == 0 {
            continue;
        }
        for lost in 0..members {
            with_array(geometry, &mut devices, Some(lost), |array| {
                assert!(content(array) == model, "{layout:?} without {lost}");
            });
        }
    }
}

#[test]
fn what_is_written_degraded_is_read_without_that_member() {
    for (layout, members) in layouts() {
        let geometry = geometry(layout, members);
        if geometry.redundancy() == 0 {
            continue;
        }
        let bytes = (DATA_OFFSET.0 + CHUNK * ROWS) as usize * 512;
        for lost in 0..members {
            let mut devices: Vec<Ram> = (0..members).map(|_| Ram(vec![0; bytes])).collect();
            let mut model = vec![0; geometry.size().memory_bytes().unwrap()];
            with_array(geometry, &mut devices, Some(lost), |array| {
                write_at_random(array, &mut model, &mut Sequence(lost.into()));
                let failed = array.keeper().0[0].1.failed;
                assert!(failed.contains(MemberIndex(lost)), "the absence is on record first");
                assert!(content(array) == model, "{layout:?} without {lost}");
            });
        }
    }
}

#[test]
fn segments_are_filled_one_after_the_other() {
    for layout in [Layout::Raid5(Raid5Layout::LeftSymmetric), Layout::Raid1] {
        let geometry = geometry(layout, 3);
        let bytes = (DATA_OFFSET.0 + CHUNK * ROWS) as usize * 512;
        for lost in [None, Some(0)] {
            let mut devices: Vec<Ram> = (0..3).map(|_| Ram(vec![0; bytes])).collect();
            let mut model = vec![0; geometry.size().memory_bytes().unwrap()];
            with_array(geometry, &mut devices, lost, |array| {
                write_at_random(array, &mut model, &mut Sequence(3));
                let (mut first, mut second) = (vec![1; 700], vec![1; 512 * 40 - 700]);
                array.read_segments(Lba(3), &mut [&mut first, &mut second]).unwrap();
                first.append(&mut second);
                assert!(first == model[3 * 512..][..512 * 40], "{layout:?} without {lost:?}");
            });
        }
    }
}

#[test]
fn a_check_in_parts_counts_each_row_once() {
    // Rows of three chunks, so that a longest request ends inside a row.
    let geometry = Geometry::new(Shape {
        layout: Layout::Raid5(Raid5Layout::LeftSymmetric),
        members: 4,
        chunk: Sectors(CHUNK),
        member_size: Sectors(24 * 1024),
    })
    .unwrap();
    let row = REQUEST_SECTORS_MAX.0 / (3 * CHUNK);
    let bytes = (DATA_OFFSET.0 as usize + 24 * 1024) * 512;
    let mut devices: Vec<Ram> = (0..4).map(|_| Ram(vec![0; bytes])).collect();
    devices[0].0[(DATA_OFFSET.0 + row * CHUNK) as usize * 512] = 1;
    with_array(geometry, &mut devices, None, |array| {
        let size = array.size();
        assert_eq!(array.check(Lba(0), size), Ok(Sectors(8)));
    });
}

#[test]
fn a_member_that_is_failed_is_on_record_and_not_used_again() {
    for (layout, members) in layouts() {
        let geometry = geometry(layout, members);
        let bytes = (DATA_OFFSET.0 + CHUNK * ROWS) as usize * 512;
        let mut devices: Vec<Ram> = (0..members).map(|_| Ram(vec![0; bytes])).collect();
        with_array(geometry, &mut devices, None, |array| {
            let size = array.size().memory_bytes().unwrap();
            let mut sequence = Sequence(3);
            let model: Vec<u8> = (0..size).map(|_| sequence.next() as u8).collect();
            array.write(Lba(0), &model, Durability::Cached).unwrap();
            array.mark_clean().unwrap();
            let mut gone = Vec::new();
            for member in (0..members).map(MemberIndex) {
                array.keeper().0.clear();
                let events = array.engine().events();
                match array.fail(member) {
                    Ok(()) => gone.push(member),
                    Err(error) => {
                        assert_eq!(error, Error::Refused(Refusal::Indispensable { member }));
                        assert!(array.keeper().0.is_empty(), "nothing has happened");
                        continue;
                    }
                }
                let record = Record {
                    events: events + 1,
                    consistency: Consistency::Clean,
                    failed: gone.iter().copied().collect(),
                    rebuilding: MemberSet::NONE,
                    rebuilt_to: Sectors(0),
                    by_intent: MemberSet::NONE,
                    replacement: None,
                    shaping: Shaping::Fixed,
                };
                let others = (0..members).map(MemberIndex).filter(|other| !gone.contains(other));
                let expected: Vec<_> = others.map(|other| (other, record)).collect();
                assert_eq!(array.keeper().0, expected, "{layout:?}");
                array.devices()[usize::from(member.0)].0.fill(0xee);
                assert!(content(array) == model, "{layout:?} without {gone:?}");
            }
            let redundancy = usize::from(array.geometry().redundancy());
            assert!(gone.len() >= redundancy, "{layout:?}: {gone:?}");
            let member = MemberIndex(members);
            let none = Error::Refused(Refusal::NoSuchMember { member });
            assert_eq!(array.fail(member), Err(none));
        });
    }
}

#[test]
fn parity_that_may_not_agree_stands_in_for_nobody() {
    for (layout, members) in layouts() {
        let geometry = geometry(layout, members);
        let bytes = (DATA_OFFSET.0 + CHUNK * ROWS) as usize * 512;
        let mut devices: Vec<Ram> = (0..members).map(|_| Ram(vec![0; bytes])).collect();
        let resyncing = Consistency::InSyncTo(Sectors(CHUNK));
        with_array_in(resyncing, geometry, &mut devices, None, |array| {
            let member = MemberIndex(1);
            let expected = match (geometry.redundancy(), &geometry) {
                (0, _) => Err(Error::Refused(Refusal::Indispensable { member })),
                (_, Geometry::Copies(_)) => Ok(()),
                (_, Geometry::Parity(_)) => Err(Error::Refused(Refusal::ParityUnsure { member })),
            };
            assert_eq!(array.fail(member), expected, "{layout:?}");
        });
    }
}

#[test]
fn a_stopped_array_is_clean_and_issues_nothing() {
    for (layout, members) in layouts() {
        let geometry = geometry(layout, members);
        let bytes = (DATA_OFFSET.0 + CHUNK * ROWS) as usize * 512;
        let mut devices: Vec<Ram> = (0..members).map(|_| Ram(vec![0; bytes])).collect();
        with_array(geometry, &mut devices, None, |array| {
            let bytes = vec![7; 40 * 512];
            array.write(Lba(3), &bytes, Durability::Cached).unwrap();
            array.stop().unwrap();
            // Dirty on each member, then clean on each.
            let records = &array.keeper().0;
            let (dirty, clean) = records.split_at(usize::from(members));
            assert_eq!(clean.len(), usize::from(members));
            assert!(dirty.iter().all(|(_, it)| it.consistency != Consistency::Clean));
            assert!(clean.iter().all(|(_, it)| it.consistency == Consistency::Clean));
            let refused = Err(Error::Refused(Refusal::Quiesced));
            assert_eq!(array.write(Lba(0), &bytes, Durability::Cached), refused);
            assert_eq!(array.flush(), refused);
            assert_eq!(array.read(Lba(0), &mut [0; 512]), refused);
        });
    }
}
