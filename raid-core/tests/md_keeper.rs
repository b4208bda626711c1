//! The keeper of md superblocks and bad-block logs, over superblocks that the kernel wrote.

#![cfg(all(feature = "md", feature = "parity"))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod md_fixtures;

use md_fixtures::KERNEL_MADE;
use raid_core::blocking::{BlockDevice, Keeper as _, MdKeeper, MdReshape, MdSeat};
use raid_core::geometry::{Geometry, Layout, Shape};
use raid_core::host::{BlockState, Durability, Event, Fault};
use raid_core::io_limits::IoLimits;
use raid_core::limits::MEMBERS_MAX;
use raid_core::md::{
    BAD_BLOCKS_MAX, BadBlockEntry, BadBlockList, BadBlocks, DeviceRole, ROLES_MAX,
    SUPERBLOCK_BYTES, Superblock, Timestamp,
};
use raid_core::members::MemberSet;
use raid_core::metadata::{Consistency, Record, Shaping};
use raid_core::reshape::Change;
use raid_core::units::{DeviceSector, Lba, MemberIndex, Sectors};

const MEMBER: MemberIndex = MemberIndex(0);

fn byte(at: DeviceSector) -> usize {
    usize::try_from(at.0).unwrap() * 512
}

/// A device that writes so many times, and then no more.
struct Ram {
    bytes: Vec<u8>,
    writes: Vec<(u64, usize, Durability)>,
    left: usize,
}

impl BlockDevice for Ram {
    fn read(&mut self, at: DeviceSector, into: &mut [u8]) -> Result<(), Fault> {
        let start = byte(at);
        into.copy_from_slice(&self.bytes[start..start + into.len()]);
        Ok(())
    }

    fn write(
        &mut self,
        at: DeviceSector,
        from: &[u8],
        durability: Durability,
    ) -> Result<(), Fault> {
        self.left = self.left.checked_sub(1).ok_or(Fault::Gone)?;
        let start = byte(at);
        self.bytes[start..start + from.len()].copy_from_slice(from);
        self.writes.push((at.0, from.len(), durability));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn limits(&self) -> IoLimits {
        IoLimits::RELAXED
    }
}

/// A member with this superblock, changed like that.
struct Member {
    device: Ram,
    at: DeviceSector,
}

impl Member {
    fn of(name: &str, change: impl Fn(&mut Superblock)) -> Self {
        let fixture = KERNEL_MADE.iter().find(|fixture| fixture.name == name).unwrap();
        let mut superblock = Superblock::parse(fixture.block, fixture.at).unwrap();
        change(&mut superblock);
        let mut block = [0; SUPERBLOCK_BYTES];
        superblock.encode(&mut block);
        // What lies about means nothing until the superblock says so.
        let mut device =
            Ram { bytes: vec![0x77; 1280 * 512], writes: Vec::new(), left: usize::MAX };
        device.write(fixture.at, &block, Durability::Cached).unwrap();
        device.writes.clear();
        Self { device, at: fixture.at }
    }

    fn record(&mut self, at: u64, sectors: u64, state: BlockState) -> Result<(), Fault> {
        let mut seats = [None; MEMBERS_MAX];
        seats[0] = Some(MdSeat { superblock: self.at, number: 0, bitmap: None });
        let mut keeper = MdKeeper::new(seats, Timestamp::default, |_: Event| {});
        let (at, sectors) = (DeviceSector(at), Sectors(sectors));
        keeper.record_bad(MEMBER, &mut self.device, at, sectors, state)
    }

    /// Records that this member, under that number, is all that there is.
    fn record_as(&mut self, number: u32) -> Result<(), Fault> {
        let mut seats = [None; MEMBERS_MAX];
        seats[0] = Some(MdSeat { superblock: self.at, number, bitmap: None });
        let mut keeper = MdKeeper::new(seats, Timestamp::default, |_: Event| {});
        let record = Record {
            events: self.superblock().events + 1,
            consistency: Consistency::Clean,
            failed: MemberSet::NONE,
            rebuilding: MemberSet::NONE,
            rebuilt_to: Sectors(0),
            by_intent: MemberSet::NONE,
            replacement: None,
            shaping: Shaping::Fixed,
        };
        keeper.record(MEMBER, &mut self.device, &record)
    }

    /// Records this of a reshape, among members whose places and numbers are the same.
    fn reshape(&mut self, change: &Change, shaping: Shaping) -> Result<Superblock, Fault> {
        let mut seats = [None; MEMBERS_MAX];
        for (seat, number) in seats.iter_mut().zip(0..u32::from(change.members_max())) {
            *seat = Some(MdSeat { superblock: self.at, number, bitmap: None });
        }
        let shifts = [change.shift(); MEMBERS_MAX];
        let mut keeper = MdKeeper::new(seats, Timestamp::default, |_: Event| {})
            .with_reshape(MdReshape { change, shifts: &shifts });
        let record = Record {
            events: self.superblock().events + 1,
            consistency: Consistency::Clean,
            failed: MemberSet::NONE,
            rebuilding: MemberSet::NONE,
            rebuilt_to: Sectors(0),
            by_intent: MemberSet::NONE,
            replacement: None,
            shaping,
        };
        keeper.record(MEMBER, &mut self.device, &record)?;
        Ok(self.superblock())
    }

    fn superblock(&mut self) -> Superblock {
        let mut block = [0; SUPERBLOCK_BYTES];
        self.device.read(self.at, &mut block).unwrap();
        Superblock::parse(&block, self.at).unwrap()
    }

    /// What Linux would find.
    fn listed(&mut self) -> Vec<(u64, u64)> {
        let superblock = self.superblock();
        match superblock.bad_block_log.entries {
            BadBlocks::None => Vec::new(),
            BadBlocks::Listed => {
                let area = superblock.bad_block_area().unwrap().unwrap();
                let mut block = [0; SUPERBLOCK_BYTES];
                let bytes = area.length.memory_bytes().unwrap();
                self.device.read(area.start, &mut block[..bytes]).unwrap();
                let mut memory = [BadBlockEntry::EMPTY; BAD_BLOCKS_MAX];
                let log = superblock.bad_block_log;
                let list = BadBlockList::decode(&log, &block, &mut memory).unwrap();
                list.iter().map(|range| (range.start.0, range.length.0)).collect()
            }
        }
    }
}

/// Members of arrays of every version, all with a log.
const WITH_LOGS: [&str; 3] = ["level5-v1.0", "level6-v1.1", "level5-v1.2"];

/// It would be in use, and after a restart no superblock would know of it.
#[test]
fn a_record_that_has_no_room_for_a_device_number_is_not_written() {
    for fixture in KERNEL_MADE {
        let mut member = Member::of(fixture.name, |_| {});
        let before = member.superblock();
        let kept = usize::from(before.roles.count()).min(ROLES_MAX);
        for number in [u32::try_from(kept).unwrap(), u32::MAX] {
            assert_eq!(member.record_as(number), Err(Fault::InvalidRequest), "{number}");
            assert_eq!(member.device.writes, []);
        }
        let last = u32::try_from(kept).unwrap() - 1;
        assert_eq!(member.record_as(last), Ok(()));
        let after = member.superblock();
        assert_eq!(after.roles.role(last), DeviceRole::Slot(0));
        assert_eq!(after.events, before.events + 1);
    }
}

#[test]
fn a_range_goes_on_the_log_and_comes_off_it_again() {
    for name in WITH_LOGS {
        let mut member = Member::of(name, |_| {});
        let before = member.superblock();
        assert_eq!(member.listed(), []);
        member.record(600, 8, BlockState::Bad).unwrap();
        member.record(616, 8, BlockState::Bad).unwrap();
        member.record(608, 8, BlockState::Bad).unwrap();
        assert_eq!(member.listed(), [(600, 24)], "{name}: one range of three");
        member.record(604, 4, BlockState::Good).unwrap();
        assert_eq!(member.listed(), [(600, 4), (608, 16)], "{name}");
        member.record(600, 24, BlockState::Good).unwrap();
        assert_eq!(member.listed(), []);
        assert_eq!(member.superblock(), before, "{name}: nothing else has changed");
    }
}

#[test]
fn entries_are_durable_before_the_superblock_says_that_there_are_any() {
    for name in WITH_LOGS {
        let mut member = Member::of(name, |_| {});
        let log = member.superblock().bad_block_area().unwrap().unwrap();
        member.record(600, 8, BlockState::Bad).unwrap();
        let written = [
            (log.start.0, log.length.memory_bytes().unwrap(), Durability::Durable),
            (member.at.0, SUPERBLOCK_BYTES, Durability::Durable),
        ];
        assert_eq!(member.device.writes, written, "{name}");
        // What is there already takes the log alone.
        member.record(700, 8, BlockState::Bad).unwrap();
        assert_eq!(member.device.writes[2..], written[..1], "{name}");
    }
}

#[test]
fn a_crash_between_the_log_and_the_superblock_leaves_what_was_there() {
    for name in WITH_LOGS {
        for left in [0, 1] {
            let mut member = Member::of(name, |_| {});
            member.device.left = left;
            assert_eq!(member.record(600, 8, BlockState::Bad), Err(Fault::Gone));
            assert_eq!(member.listed(), [], "{name}: it is not said to be recorded");

            let mut member = Member::of(name, |_| {});
            member.record(600, 8, BlockState::Bad).unwrap();
            member.device.left = left;
            assert_eq!(member.record(600, 8, BlockState::Good), Err(Fault::Gone));
            let still: &[(u64, u64)] = if left == 0 { &[(600, 8)] } else { &[] };
            assert_eq!(member.listed(), still, "{name}: good is durable, so either is right");
        }
    }
}

#[test]
fn without_a_log_or_with_a_full_or_a_corrupt_one_nothing_is_recorded() {
    let mut member = Member::of("level5-v1.2", |superblock| {
        superblock.bad_block_log.sectors = 0;
        superblock.bad_block_log.offset = 0;
    });
    assert_eq!(member.record(600, 8, BlockState::Bad), Err(Fault::Unsupported));
    assert_eq!(member.device.writes, []);

    let mut member = Member::of("level5-v1.2", |_| {});
    for number in 0..512 {
        member.record(300 + 2 * number, 1, BlockState::Bad).unwrap();
    }
    let full = member.listed();
    member.device.writes.clear();
    assert_eq!(member.record(299, 1, BlockState::Bad), Err(Fault::Unsupported));
    assert_eq!((member.listed(), &member.device.writes[..]), (full, &[][..]));

    // The superblock says that there are entries, and there are none.
    let mut member = Member::of("level5-v1.2", |superblock| {
        superblock.bad_block_log.entries = BadBlocks::Listed;
    });
    member.device.bytes[24 * 512..].fill(0);
    assert_eq!(member.record(600, 8, BlockState::Bad), Err(Fault::Integrity));
    assert_eq!(member.device.writes, []);
}

#[test]
fn part_of_a_unit_of_the_log_stays_bad() {
    let mut member = Member::of("level5-v1.2", |superblock| superblock.bad_block_log.shift = 3);
    member.record(602, 2, BlockState::Bad).unwrap();
    assert_eq!(member.listed(), [(600, 8)], "whole units");
    assert_eq!(member.record(602, 2, BlockState::Good), Err(Fault::Unsupported));
    assert_eq!(member.listed(), [(600, 8)]);
    member.record(600, 8, BlockState::Good).unwrap();
    assert_eq!(member.listed(), []);
}

/// From the four members of that array to so many.
fn to_members(member: &mut Member, members: u8) -> Change {
    let superblock = member.superblock();
    let shape = Shape {
        layout: Layout::from_md(superblock.level, superblock.layout).unwrap(),
        members: 4,
        chunk: superblock.chunk(),
        member_size: superblock.member_size,
    };
    let before = Geometry::new(shape).unwrap();
    Change::in_place(before, Geometry::new(Shape { members, ..shape }).unwrap()).unwrap()
}

fn places(superblock: &Superblock) -> Vec<DeviceRole> {
    let mut roles: Vec<_> = superblock.roles.iter().collect();
    while roles.last() == Some(&DeviceRole::Spare) {
        roles.pop();
    }
    roles
}

#[test]
fn a_reshape_is_on_record_from_its_start_to_its_end() {
    for (members, count) in [(5, 5), (3, 4)] {
        let mut member = Member::of("level5-v1.2", |_| {});
        let change = to_members(&mut member, members);
        // Not begun: the members that are to come in are in no record.
        let before = member.reshape(&change, Shaping::Fixed).unwrap();
        assert_eq!((before.reshape, places(&before).len()), (None, 4));
        for position in [change.start(), Lba(change.unit().0 * 2)] {
            let begun = member.reshape(&change, Shaping::Underway { position }).unwrap();
            let reshape = begun.reshape.unwrap();
            assert_eq!(reshape.position, position);
            assert_eq!(i64::from(reshape.delta_members), i64::from(members) - 4);
            assert_eq!(begun.members, u32::from(members));
            let expected: Vec<_> = (0..count).map(DeviceRole::Slot).collect();
            assert_eq!(places(&begun), expected, "the places of both shapes");
        }
        let off = member.reshape(&change, Shaping::Fixed);
        assert_eq!(off, Err(Fault::InvalidRequest), "what has moved something is not called off");
        for _ in 0..2 {
            let done = member.reshape(&change, Shaping::Done).unwrap();
            assert_eq!((done.reshape, done.members), (None, u32::from(members)));
            assert_eq!(places(&done).len(), usize::from(members));
        }
    }
}

#[test]
fn a_reshape_that_is_called_off_leaves_the_record_as_it_was() {
    let mut member = Member::of("level5-v1.2", |_| {});
    let change = to_members(&mut member, 5);
    let before = member.reshape(&change, Shaping::Fixed).unwrap();
    let position = change.start();
    member.reshape(&change, Shaping::Underway { position }).unwrap();
    let after = member.reshape(&change, Shaping::Fixed).unwrap();
    assert_eq!(after, Superblock { events: after.events, ..before });
}
