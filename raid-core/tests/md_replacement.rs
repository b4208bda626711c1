//! The superblocks of an array whose member is being replaced: a crash between any of their writes
//! leaves an array that has the member, or its replacement with what it holds.

#![cfg(all(feature = "md", feature = "parity"))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod md_fixtures;

use raid_core::blocking::{BlockDevice, Keeper, MdKeeper, MdReshape, MdSeat, MdSeats};
use raid_core::engine::{ReshapeEnd, ReshapeReport};
use raid_core::geometry::{Geometry, Layout, Raid5Layout, Shape};
use raid_core::host::{Durability, Event, Fault};
use raid_core::io_limits::IoLimits;
use raid_core::limits::MEMBERS_MAX;
use raid_core::md::{
    Assembly, Candidate, DeviceUuid, LeftOutReason, SUPERBLOCK_BYTES, Superblock, Timestamp,
    assemble,
};
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::{Consistency, Record, Replacement, Shaping};
use raid_core::reshape::{Change, Direction, Shift};
use raid_core::units::{DeviceIndex, DeviceSector, MemberIndex, Sectors};

const PLACE: MemberIndex = MemberIndex(1);
const BY: MemberIndex = MemberIndex(4);
const MARK: Sectors = Sectors(512);

#[derive(Clone, Debug, PartialEq)]
struct Device {
    block: [u8; SUPERBLOCK_BYTES],
    at: DeviceSector,
}

impl Device {
    fn superblock(&self) -> Superblock {
        Superblock::parse(&self.block, self.at).unwrap()
    }
}

impl BlockDevice for Device {
    fn read(&mut self, at: DeviceSector, into: &mut [u8]) -> Result<(), Fault> {
        assert_eq!(at, self.at);
        into.copy_from_slice(&self.block);
        Ok(())
    }

    fn write(&mut self, at: DeviceSector, from: &[u8], _: Durability) -> Result<(), Fault> {
        assert_eq!(at, self.at);
        self.block.copy_from_slice(from);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn limits(&self) -> IoLimits {
        IoLimits::RELAXED
    }
}

/// The members of a level 5 array of four, and a new device that is to replace one.
fn devices() -> Vec<Device> {
    let member = |number: u8| Superblock {
        dev_number: number.into(),
        device_uuid: DeviceUuid([number; 16]),
        ..md_fixtures::parse("level5-v1.2")
    };
    let mut superblocks: Vec<_> = (0..4).map(member).collect();
    let uuid = DeviceUuid([9; 16]);
    let mut new = superblocks[0].for_new_device(4, uuid, Sectors(8192)).unwrap();
    new.replacement = raid_core::md::Replacement::Yes;
    superblocks.push(new);
    let device = |superblock: &Superblock| {
        let mut block = [0; SUPERBLOCK_BYTES];
        superblock.encode(&mut block);
        Device { block, at: superblock.super_offset }
    };
    superblocks.iter().map(device).collect()
}

fn record(events: u64, failed: MemberSet, copied_to: Sectors) -> Record {
    Record {
        events,
        consistency: Consistency::Clean,
        failed,
        rebuilding: MemberSet::NONE,
        rebuilt_to: Sectors(0),
        by_intent: MemberSet::NONE,
        replacement: Some(Replacement { member: PLACE, by: BY, copied_to }),
        shaping: Shaping::Fixed,
    }
}

/// The same devices with a record on all of them.
fn recorded(devices: Vec<Device>, record: &Record) -> Vec<Device> {
    let mut seats: MdSeats = [None; MEMBERS_MAX];
    for (seat, device) in seats.iter_mut().zip(&devices) {
        let superblock = device.superblock();
        let (at, number) = (superblock.super_offset, superblock.dev_number);
        *seat = Some(MdSeat { superblock: at, number, bitmap: None });
    }
    let keeper = MdKeeper::new(seats, Timestamp::default, |_: Event| {});
    recorded_by(keeper, devices, record)
}

fn recorded_by(
    mut keeper: impl Keeper<Device>,
    mut devices: Vec<Device>,
    record: &Record,
) -> Vec<Device> {
    for (device, member) in devices.iter_mut().zip((0..).map(MemberIndex)) {
        keeper.record(member, device, record).unwrap();
    }
    devices
}

fn assembled(devices: &[Device]) -> Assembly {
    let superblocks: Vec<_> = devices.iter().map(Device::superblock).collect();
    let candidates: Vec<_> = (0..)
        .zip(&superblocks)
        .map(|(number, superblock)| Candidate {
            superblock,
            device: DeviceIndex(number),
            device_size: Sectors(8192),
        })
        .collect();
    assemble(&candidates).unwrap()
}

/// What there is after a crash in which each subset of devices got the next record.
fn crashes(before: &[Device], after: &[Device]) -> impl Iterator<Item = Assembly> {
    (0..1_u32 << before.len()).map(move |got| {
        let pairs = before.iter().zip(after).enumerate();
        let mixed: Vec<_> = pairs
            .map(|(at, (before, after))| if got >> at & 1 == 1 { after } else { before }.clone())
            .collect();
        assembled(&mixed)
    })
}

/// Who is at the place, and how far that is valid: all of the member's data if it is not said.
fn at_place(array: &Assembly) -> (DeviceIndex, Option<Sectors>) {
    for other in [0, 2, 3] {
        let seat = array.places[other].expect("no other member is touched");
        assert_eq!(seat.state, MemberState::InSync);
    }
    let seat = array.places[PLACE.index()].expect("somebody is at the place");
    match seat.state {
        MemberState::InSync => (seat.device, None),
        MemberState::Rebuilding { valid_to } => (seat.device, Some(valid_to)),
        lost @ (MemberState::Failed | MemberState::Missing) => panic!("{lost:?}"),
    }
}

const ORIGINAL: (DeviceIndex, Option<Sectors>) = (DeviceIndex(1), None);

fn begun(events: u64) -> Vec<Device> {
    recorded(devices(), &record(events, MemberSet::NONE, Sectors(0)))
}

#[test]
fn a_replacement_comes_in_and_gets_on() {
    let before = devices();
    let events = before[0].superblock().events;
    let first = begun(events + 1);
    for array in crashes(&before, &first) {
        assert_eq!(at_place(&array), ORIGINAL);
    }
    let second = recorded(first.clone(), &record(events + 2, MemberSet::NONE, MARK));
    for array in crashes(&first, &second) {
        assert_eq!(at_place(&array), ORIGINAL);
        let (place, seat) = array.replacement.expect("it is there");
        assert_eq!(place, PLACE);
        let mark = |to| seat.state == MemberState::Rebuilding { valid_to: to };
        assert!(mark(MARK) || mark(Sectors(0)), "{seat:?}");
    }
    // As Linux writes it.
    let new = second[4].superblock();
    assert_eq!(new.features().bits(), 0x12);
    assert_eq!(new.own_role(), second[1].superblock().own_role());
}

#[test]
fn after_an_unclean_stop_it_holds_nothing_beside_its_member_and_all_without() {
    let events = devices()[0].superblock().events + 1;
    let consistency = Consistency::InSyncTo(Sectors(0));
    let dirty = Record { consistency, ..record(events + 1, MemberSet::NONE, MARK) };
    let mut devices = recorded(begun(events), &dirty);
    let array = assembled(&devices);
    let (_, seat) = array.replacement.unwrap();
    assert_eq!(seat.state, MemberState::Rebuilding { valid_to: Sectors(0) });
    devices.remove(1);
    assert_eq!(at_place(&assembled(&devices)), (DeviceIndex(3), Some(MARK)));
}

#[test]
fn the_place_changes_hands_in_one_record() {
    let events = devices()[0].superblock().events + 1;
    let end = devices()[0].superblock().member_size;
    let before = recorded(begun(events), &record(events + 1, MemberSet::NONE, end));
    let after = recorded(before.clone(), &record(events + 2, MemberSet::only(PLACE), end));
    for array in crashes(&before, &after) {
        match at_place(&array) {
            ORIGINAL => assert_eq!(array.replacement.unwrap().0, PLACE),
            (DeviceIndex(4), mark) => {
                assert!(mark.is_none_or(|mark| mark == end), "{mark:?}");
                let out: Vec<_> =
                    array.left_out.iter().map(|out| (out.device.0, out.reason)).collect();
                assert_eq!(out, [(1, LeftOutReason::CalledFaulty)]);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(at_place(&assembled(&after)), (DeviceIndex(4), None));
    assert_eq!(after[4].superblock().features().bits(), 0);
}

#[test]
fn a_member_that_is_lost_leaves_its_place_to_what_was_copied() {
    let events = devices()[0].superblock().events + 1;
    let before = recorded(begun(events), &record(events + 1, MemberSet::NONE, MARK));
    let after = recorded(before.clone(), &record(events + 2, MemberSet::only(PLACE), MARK));
    for array in crashes(&before, &after) {
        let at = at_place(&array);
        assert!(at == ORIGINAL || at == (DeviceIndex(4), Some(MARK)), "{at:?}");
    }
}

#[test]
fn one_member_is_replaced_at_a_time() {
    let events = devices()[0].superblock().events + 1;
    let mut devices = begun(events);
    // Another replacement, of another member, as Linux may leave it.
    let mut second = devices[4].superblock();
    (second.dev_number, second.device_uuid) = (5, DeviceUuid([8; 16]));
    second.roles.seat_beside(5, MemberIndex(2)).unwrap();
    devices.push(devices[4].clone());
    second.encode(&mut devices[5].block);
    for device in &mut devices[..5] {
        let mut superblock = device.superblock();
        superblock.roles.seat_beside(5, MemberIndex(2)).unwrap();
        superblock.encode(&mut device.block);
    }
    let array = assembled(&devices);
    assert_eq!(array.replacement.unwrap().0, PLACE);
    let out: Vec<_> = array.left_out.iter().map(|out| (out.device.0, out.reason)).collect();
    assert_eq!(out, [(5, LeftOutReason::Replacement)]);
}

/// The seat of a replacement is a place of the shape that the array had before.
#[test]
fn a_replacement_is_on_record_after_a_reshape_to_fewer_members() {
    let shape = |members| {
        let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
        let (chunk, member_size) = (Sectors(8), Sectors(128));
        Geometry::new(Shape { layout, members, chunk, member_size }).unwrap()
    };
    let change = Change::new(shape(5), shape(4), Direction::Backward, Shift(64)).unwrap();
    let shifts = [Shift(64); 5];
    let devices = devices();
    let mut seats: MdSeats = [None; MEMBERS_MAX];
    for (seat, device) in seats.iter_mut().zip(&devices) {
        let superblock = device.superblock();
        let (at, number) = (superblock.super_offset, superblock.dev_number);
        *seat = Some(MdSeat { superblock: at, number, bitmap: None });
    }
    // The member that left had another number.
    let by = seats[4].replace(MdSeat { number: 7, ..seats[4].unwrap() }).unwrap();
    let mut keeper = MdKeeper::new(seats, Timestamp::default, |_: Event| {})
        .with_reshape(MdReshape { change: &change, shifts: &shifts });
    let report = ReshapeReport { change, position: change.end() };
    let ended = Event::ReshapeEnded { report, end: ReshapeEnd::Finished };
    Keeper::<Device>::note(&mut keeper, ended);
    keeper.seat(BY, by);
    let record = Record { shaping: Shaping::Done, ..record(9, MemberSet::NONE, MARK) };
    let expected = recorded(devices.clone(), &record);
    assert_eq!(at_place(&assembled(&expected)), (DeviceIndex(1), None));
    let found = recorded_by(keeper, devices, &record);
    assert!(found == expected, "{:?}", found[0].superblock().roles);
}
