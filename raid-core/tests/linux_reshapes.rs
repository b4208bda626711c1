//! Reshapes that Linux left half done: read, parked, resumed and finished by the engine.

#![cfg(all(feature = "md", feature = "parity"))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod reshape_fixtures;

use md5::{Digest, Md5};
use raid_core::blocking::{
    Array, BlockDevice, MdBackup, MdKeeper, MdReshape, MdSeat, Parts, ReshapeFailure, Watch,
};
use raid_core::engine::{
    Access, Behind, Dirty, Memory, OnLoss, PassKind, ReadsFrom, RequestSlot, Reshape, ReshapeHalt,
    ReshapeStop, RowLog, Seat, Setup, Slot,
};
use raid_core::host::{Durability, Event, Fault};
use raid_core::io_limits::IoLimits;
use raid_core::limits::MEMBERS_MAX;
use raid_core::md::{
    BackupLayout, Candidate, HalfDone, Superblock, Timestamp, assemble, assemble_reshape,
};
use raid_core::reshape::{BackupArea, Parking, Shift};
use raid_core::units::{DeviceIndex, DeviceSector, Lba, Sectors};
use raid_simd::Kernels;
use reshape_fixtures::{Golden, all, block};

fn byte(at: DeviceSector) -> usize {
    usize::try_from(at.0).unwrap() * 512
}

#[derive(Clone)]
struct Ram(Vec<u8>);

impl BlockDevice for Ram {
    fn read(&mut self, at: DeviceSector, into: &mut [u8]) -> Result<(), Fault> {
        let start = byte(at);
        into.copy_from_slice(&self.0[start..start + into.len()]);
        Ok(())
    }

    fn write(&mut self, at: DeviceSector, from: &[u8], _: Durability) -> Result<(), Fault> {
        let start = byte(at);
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

const SLOTS: usize = 6;
const LANE: Sectors = Sectors(64);
const WINDOW: Sectors = Sectors(1024);

/// Who is there, and what they say now.
fn superblocks(devices: &[Ram]) -> Vec<Superblock> {
    let parse = |device: &Ram| Superblock::parse(block(&device.0), DeviceSector(8)).unwrap();
    devices.iter().map(parse).collect()
}

fn candidates<'s>(superblocks: &'s [Superblock], missing: &[u8]) -> Vec<Candidate<'s>> {
    (0..=u8::MAX)
        .zip(superblocks)
        .filter(|(number, _)| !missing.contains(number))
        .map(|(number, superblock)| Candidate {
            superblock,
            device: DeviceIndex(number),
            device_size: Sectors(4096),
        })
        .collect()
}

fn half_done(devices: &[Ram], missing: &[u8]) -> HalfDone {
    assemble_reshape(&candidates(&superblocks(devices), missing)).unwrap()
}

fn seat(seat: &raid_core::md::Seat) -> Seat {
    Seat {
        device: seat.device,
        state: seat.state,
        data_offset: seat.data_offset,
        limits: IoLimits::RELAXED,
        reads: ReadsFrom::Freely,
        behind: Behind::Everything,
    }
}

/// Starts the array that the devices make, and does something with it.
fn with<T>(
    devices: &mut [Ram],
    missing: &[u8],
    backup: Option<BackupLayout>,
    work: impl FnOnce(&mut Array<'_, Ram, MdKeeper<'_, fn() -> Timestamp, fn(Event)>>) -> T,
) -> T {
    // A backup is behind the members.
    let members = devices.len() - usize::from(backup.is_some());
    let found = superblocks(&devices[..members]);
    let half_done = half_done(&devices[..members], missing);
    let change = *half_done.progress.change();
    let mut md_seats = [None; MEMBERS_MAX];
    let mut seats = Vec::new();
    let mut data_offsets = Vec::new();
    let mut shifts = Vec::new();
    for ((known, new), at) in
        half_done.assembly.places.iter().zip(&half_done.new_data).zip(&mut md_seats)
    {
        seats.push(known.as_ref().map(seat));
        data_offsets.push(new.unwrap_or(DeviceSector(0)));
        let own = known.as_ref().map(|seat| &found[seat.device.index()]);
        shifts.push(own.map_or(Shift::NONE, |own| own.reshape.unwrap().shift()));
        *at = own.map(|own| MdSeat {
            superblock: own.super_offset,
            number: own.dev_number,
            bitmap: None,
        });
    }
    let setup = Setup {
        geometry: *change.before(),
        seats: &seats,
        consistency: half_done.assembly.consistency,
        events: half_done.assembly.events,
        lane: LANE,
        access: Access::ReadWrite,
        dirty: Dirty::Refuse,
        log: RowLog::None,
    };
    let position = Some(half_done.progress.safe().lba());
    let md_backup =
        backup.map(|layout| MdBackup { layout, array: found[0].array_uuid, change: &change });
    let index = DeviceIndex(u8::try_from(members).unwrap());
    let backup = md_backup.map(|it| it.find(&mut devices[members], index).unwrap());
    let data_offsets = &data_offsets;
    let reshape = Reshape { change, position, data_offsets, window: WINDOW, backup };
    let (mut slots, mut requests) = ([Slot::FREE; SLOTS], [RequestSlot::FREE; 1]);
    let memory = Memory { background: 4, ..Memory::new(&mut slots, &mut requests) };
    let mut lanes = vec![0; seats.len() * SLOTS * LANE.memory_bytes().unwrap()];
    let mut window = vec![0; WINDOW.memory_bytes().unwrap()];
    let clock: fn() -> Timestamp = Timestamp::default;
    let notify: fn(Event) = |_| {};
    let keeper = MdKeeper::new(md_seats, clock, notify)
        .with_reshape(MdReshape { change: &change, shifts: &shifts });
    let keeper = match md_backup {
        Some(backup) => keeper.with_backup(backup),
        None => keeper,
    };
    let kernels = Kernels::detect();
    let parts = Parts { devices, keeper, lanes: &mut lanes, kernels };
    let mut array = Array::reshaping(&setup, &reshape, memory, parts, &mut window).unwrap();
    work(&mut array)
}

type Keeper<'k> = MdKeeper<'k, fn() -> Timestamp, fn(Event)>;

fn digest(array: &mut Array<'_, Ram, Keeper<'_>>, size: Sectors) -> String {
    let mut content = vec![0; size.memory_bytes().unwrap()];
    array.read(Lba(0), &mut content).unwrap();
    Md5::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn devices(golden: &Golden) -> Vec<Ram> {
    golden.images.iter().cloned().map(Ram).collect()
}

/// Runs it until so much more of the array is done.
fn park(devices: &mut [Ram], missing: &[u8], after: Sectors) -> Result<(), ReshapeFailure> {
    park_backed(devices, missing, None, after)
}

fn park_backed(
    devices: &mut [Ram],
    missing: &[u8],
    backup: Option<BackupLayout>,
    after: Sectors,
) -> Result<(), ReshapeFailure> {
    let mut start = None;
    with(devices, missing, backup, |array| {
        let ended = array.run_reshape(OnLoss::GoOn, |report| {
            let start = start.get_or_insert(report.position).0;
            match Sectors(report.position.0.abs_diff(start)) >= after {
                true => Watch::Park,
                false => Watch::GoOn,
            }
        });
        array.stop().unwrap();
        ended
    })
}

/// The finished array is one of the new shape: its content, and whether parity agrees.
fn check_finished(golden: &Golden, devices: &mut [Ram], missing: &[u8]) {
    let found = superblocks(devices);
    let assembly = assemble(&candidates(&found, missing)).unwrap();
    let seats: Vec<_> = assembly.places.iter().map(|known| known.as_ref().map(seat)).collect();
    let setup = Setup {
        geometry: assembly.geometry,
        seats: &seats,
        consistency: assembly.consistency,
        events: assembly.events,
        lane: LANE,
        access: Access::ReadOnly,
        dirty: Dirty::Refuse,
        log: RowLog::None,
    };
    let (mut slots, mut requests) = ([Slot::FREE; SLOTS], [RequestSlot::FREE; 1]);
    let memory = Memory { background: 4, ..Memory::new(&mut slots, &mut requests) };
    let mut lanes = vec![0; seats.len() * SLOTS * LANE.memory_bytes().unwrap()];
    let clock: fn() -> Timestamp = Timestamp::default;
    let notify: fn(Event) = |_| {};
    let keeper = MdKeeper::new([None; MEMBERS_MAX], clock, notify);
    let parts = Parts { devices, keeper, lanes: &mut lanes, kernels: Kernels::detect() };
    let mut array = Array::new(&setup, memory, parts).unwrap();
    assert_eq!(digest(&mut array, golden.size), golden.md5, "{}", golden.name);
    if missing.is_empty() {
        let report = array.run_pass(PassKind::Check, |_| Watch::GoOn).unwrap();
        assert_eq!(report.mismatched, Sectors::ZERO, "{}", golden.name);
    }
}

#[test]
fn arrays_that_linux_left_half_done_are_served_as_they_are() {
    for golden in all() {
        let mut devices = devices(&golden);
        let before: Vec<_> = devices.iter().map(|device| device.0.clone()).collect();
        assert_eq!(with(&mut devices, &[], None, |array| digest(array, golden.size)), golden.md5);
        for missing in 0..u8::try_from(devices.len()).unwrap() {
            let found = with(&mut devices, &[missing], None, |array| digest(array, golden.size));
            assert_eq!(found, golden.md5, "{} without {missing}", golden.name);
        }
        assert!(devices.iter().map(|device| &device.0).eq(&before), "nothing was written");
    }
}

#[test]
fn arrays_that_linux_left_half_done_are_resumed_parked_resumed_and_finished() {
    for golden in all().into_iter().filter(|golden| golden.name != "shrink-r6-5to4") {
        let mut lost = vec![None];
        lost.extend((0..u8::try_from(golden.images.len()).unwrap()).map(Some));
        for lost in lost {
            let missing = Vec::from_iter(lost);
            let mut devices = devices(&golden);
            let name = format!("{} without {missing:?}", golden.name);
            let mut parked = 0;
            for after in [192, 192, 192, u64::MAX] {
                match park(&mut devices, &missing, Sectors(after)) {
                    Ok(()) => break,
                    Err(ReshapeFailure::Halted { halt: ReshapeHalt::Parked, position }) => {
                        parked += 1;
                        let progress = half_done(&devices, &missing).progress;
                        assert_eq!(progress.safe().lba(), position);
                        assert_eq!(progress.parking(), Parking::Resumable, "{name}");
                        let found =
                            with(&mut devices, &missing, None, |array| digest(array, golden.size));
                        assert_eq!(found, golden.md5, "{name} parked at {position:?}");
                    }
                    Err(other) => panic!("{name}: {other}"),
                }
            }
            println!("{name}: parked {parked} times");
            check_finished(&golden, &mut devices, &missing);
        }
    }
}

#[test]
fn the_shrink_without_a_shift_parks_before_its_critical_section() {
    let golden = all().into_iter().find(|golden| golden.name == "shrink-r6-5to4").unwrap();
    let mut devices = devices(&golden);
    match park(&mut devices, &[], Sectors(u64::MAX)) {
        Err(ReshapeFailure::Halted {
            halt: ReshapeHalt::Stopped(ReshapeStop::NeedsBackup { backup }),
            position,
        }) => {
            assert_eq!(backup, Sectors(192));
            assert!(position <= Lba(192), "{position:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(half_done(&devices, &[]).progress.parking(), Parking::Resumable);
    assert_eq!(with(&mut devices, &[], None, |array| digest(array, golden.size)), golden.md5);
}

#[test]
fn the_shrink_without_a_shift_is_finished_with_a_backup() {
    let golden = all().into_iter().find(|golden| golden.name == "shrink-r6-5to4").unwrap();
    let mut lost = vec![None];
    lost.extend((0..u8::try_from(golden.images.len()).unwrap()).map(Some));
    for lost in lost {
        let missing = Vec::from_iter(lost);
        let mut devices = devices(&golden);
        let members = devices.len();
        let layout = BackupLayout::new(Sectors(192)).unwrap();
        devices.push(Ram(vec![0; layout.sectors().memory_bytes().unwrap()]));
        // Parked once, at a position from which the rest is the critical section.
        let parked = park_backed(&mut devices, &missing, Some(layout), Sectors(64));
        assert!(
            matches!(parked, Err(ReshapeFailure::Halted { halt: ReshapeHalt::Parked, .. })),
            "{parked:?}"
        );
        let found = with(&mut devices, &missing, Some(layout), |it| digest(it, golden.size));
        assert_eq!(found, golden.md5, "without {missing:?}");
        park_backed(&mut devices, &missing, Some(layout), Sectors(u64::MAX)).unwrap();
        let backup = devices.pop().unwrap();
        assert!(backup.0.iter().any(|byte| *byte != 0), "the backup was used");
        for area in BackupArea::ALL {
            let header = byte(DeviceSector(layout.header(area).0));
            assert!(backup.0[header..header + 4096].iter().all(|byte| *byte == 0), "{area:?}");
        }
        assert_eq!(devices.len(), members);
        check_finished(&golden, &mut devices, &missing);
    }
}
