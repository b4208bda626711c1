//! I/O limits: what a device cannot take goes through a lane or is refused; it is never sent to
//! fail.

use raid_core::blocking::{Array, Error, Keeper, Parts};
use raid_core::engine::{Access, Dirty, Memory, Refusal, RequestSlot, RowLog, Setup, Slot};
use raid_core::host::{Durability, Fault};
use raid_core::io_limits::IoLimits;
use raid_core::metadata::{Consistency, Record};
use raid_core::request::Stability;
use raid_core::units::{Lba, MemberIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish};
use raid_simd::Kernels;

use crate::setups::{self, CHUNK};

fn limits(block: u32, memory: u32, transfer: u64) -> IoLimits {
    IoLimits {
        logical_block_bytes: block,
        memory_alignment_bytes: memory,
        transfer_max: Sectors(transfer),
    }
}

/// Forgets what it is told.
struct Forgets;

impl Keeper<RamDevice> for Forgets {
    fn record(&mut self, _: MemberIndex, _: &mut RamDevice, _: &Record) -> Result<(), Fault> {
        Ok(())
    }
}

/// Memory at a multiple of 4 KiB plus `shift`.
struct Aligned(Vec<u8>, usize);

impl Aligned {
    fn new(length: usize, shift: usize) -> Self {
        let bytes = vec![0; length + 8192];
        let start = bytes.as_ptr().addr().next_multiple_of(4096) - bytes.as_ptr().addr() + shift;
        Self(bytes, start)
    }

    fn bytes(&mut self, length: usize) -> &mut [u8] {
        &mut self.0[self.1..][..length]
    }
}

/// Runs `test` with an array behind the blocking front-end. Its lanes are aligned to 4 KiB.
fn blocking(
    blueprint: &Blueprint,
    devices: &mut [RamDevice],
    test: impl FnOnce(&mut Array<'_, RamDevice, Forgets>),
) {
    let setup = Setup {
        geometry: blueprint.geometry,
        seats: &blueprint.seats,
        consistency: Consistency::Clean,
        events: 0,
        lane: blueprint.lane,
        access: blueprint.access,
        dirty: Dirty::Refuse,
        log: RowLog::None,
    };
    let mut slots = [Slot::FREE; 2];
    let mut requests = [RequestSlot::FREE; 1];
    let length = 2 * devices.len() * blueprint.lane.memory_bytes().unwrap();
    let mut lanes = Aligned::new(length, 0);
    let parts =
        Parts { devices, keeper: Forgets, lanes: lanes.bytes(length), kernels: Kernels::detect() };
    let memory = Memory::new(&mut slots, &mut requests);
    test(&mut Array::new(&setup, memory, parts).unwrap());
}

#[test]
fn two_odd_segments_are_served_through_lanes() {
    // 4 KiB in 512 bytes at 0xC00 and 3,584 bytes elsewhere, against members that take no such
    // memory.
    for memory in [1, 512, 4096] {
        for blueprint in [setups::raid5(4), setups::raid1(2), setups::raid10()] {
            let demands = limits(512, memory, 2048);
            let blueprint = blueprint.limited(demands);
            let content = setups::content(&blueprint, 1);
            let mut devices = blueprint.devices(&content);
            for device in &mut devices {
                (device.limits, device.demands) = (demands, demands);
            }
            let mut head = Aligned::new(512, 0xC00);
            let mut tail = Aligned::new(3584, 0x10);
            blocking(&blueprint, &mut devices, |array| {
                let (head, tail) = (head.bytes(512), tail.bytes(3584));
                assert_eq!(array.read_segments(Lba(24), &mut [head, tail]), Ok(()));
                let wanted = setups::part(&content, 24, 8);
                assert!(head == &wanted[..512] && tail == &wanted[512..], "alignment {memory}");
            });
            let reads: usize = devices.iter().map(|device| device.count(Action::Read)).sum();
            assert_eq!(reads, 1, "one command, tried once");
        }
    }
}

#[test]
fn aligned_segments_are_served_however_long() {
    for lengths in [[4096, 8192], [8192, 4096], [512, 11776]] {
        let blueprint = setups::raid5(4);
        let content = setups::content(&blueprint, 2);
        let mut devices = blueprint.devices(&content);
        let mut head = Aligned::new(lengths[0], 0);
        let mut tail = Aligned::new(lengths[1], 0);
        blocking(&blueprint, &mut devices, |array| {
            let (head, tail) = (head.bytes(lengths[0]), tail.bytes(lengths[1]));
            assert_eq!(array.read_segments(Lba(56), &mut [head, tail]), Ok(()));
            let wanted = setups::part(&content, 56, 24);
            assert!(head == &wanted[..lengths[0]] && tail == &wanted[lengths[0]..]);
        });
    }
}

#[test]
fn misaligned_memory_goes_through_lanes_both_ways() {
    for shift in [0, 1, 512, 0xC00] {
        let demands = limits(512, 4096, 2048);
        let blueprint = setups::raid6(5).limited(demands);
        let before = setups::content(&blueprint, 3);
        let mut after = before.clone();
        let other = setups::content(&blueprint, 4);
        let mut devices = blueprint.devices(&before);
        for device in &mut devices {
            (device.limits, device.demands) = (demands, demands);
        }
        for (at, sectors) in [(0, 8), (1, 7), (0, 3 * CHUNK), (5, 3 * CHUNK), (60, 16)] {
            setups::overlay(&mut after, &other, at, sectors);
            let length = usize::try_from(sectors).unwrap() * 512;
            let mut memory = Aligned::new(length, shift);
            let bytes = memory.bytes(length);
            bytes.copy_from_slice(setups::part(&other, at, sectors));
            blocking(&blueprint, &mut devices, |array| {
                assert_eq!(array.write(Lba(at), bytes, Durability::Cached), Ok(()));
                bytes.fill(0);
                assert_eq!(array.read(Lba(at), bytes), Ok(()));
                assert!(bytes == setups::part(&after, at, sectors));
            });
        }
    }
}

#[test]
fn pieces_of_a_rectangle_are_as_aligned_as_the_devices_ask() {
    // A rectangle starts one sector into its chunk; its units, done one by one after a media fault,
    // start seven sectors further on in the requester's memory, which the devices do not take.
    for (block, memory, at, sectors) in
        [(512, 4096, 1, 40), (512, 1024, 3, 61), (4096, 4096, 8, 56)]
    {
        for blueprint in [setups::raid5(4), setups::raid1(2), setups::raid10()] {
            for stability in [Stability::Stable, Stability::Volatile] {
                let demands = limits(block, memory, 2048);
                let blueprint = blueprint.clone().limited(demands);
                let content = setups::content(&blueprint, 5);
                let mut devices = blueprint.devices(&content);
                for device in &mut devices {
                    (device.limits, device.demands) = (demands, demands);
                }
                devices[0].medium.spoil(DATA_OFFSET + 24..DATA_OFFSET + 25, Fault::Media);
                let mut lent = Lent::to(&blueprint);
                let mut sim = Sim::made(&blueprint, &mut lent, devices);
                let answer = sim.request(Wish::Read { at, sectors, stability });
                assert!(answer.result.is_ok(), "{:?}", answer.result);
                assert!(answer.memory == setups::part(&content, at, sectors));
                assert!(!sim.host.devices[0].medium.is_spoilt(0..100), "mended");
                assert!(sim.host.lost().is_empty());
            }
        }
    }
}

#[test]
fn pieces_of_a_write_are_as_aligned_as_the_devices_ask() {
    let demands = limits(512, 4096, 2048);
    for way in ["a read for it fails", "it fails itself"] {
        let blueprint = setups::raid5(4).limited(demands);
        let before = setups::content(&blueprint, 6);
        let other = setups::content(&blueprint, 7);
        let mut devices = blueprint.devices(&before);
        for device in &mut devices {
            (device.limits, device.demands) = (demands, demands);
        }
        match way {
            "a read for it fails" => {
                devices[1].medium.spoil(DATA_OFFSET + 24..DATA_OFFSET + 25, Fault::Media);
            }
            _ => devices[0].rules.push(Rule::on(&[Action::Write], Fault::Media).times(1)),
        }
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        let answer = sim.request(setups::write(&other, 1, 60));
        assert!(answer.result.is_ok(), "{:?}", answer.result);
        let mut after = before;
        setups::overlay(&mut after, &other, 1, 60);
        assert!(sim.host.lost().is_empty());
        let read = raid_sim::sim::read_back(&blueprint, sim.host.devices.clone(), sim.host.lost());
        assert!(read == Ok(after));
    }
}

#[test]
fn an_address_that_is_no_multiple_of_the_block_is_refused_and_told_what_is_needed() {
    let blueprint = setups::raid5(4).limited(limits(4096, 512, 2048));
    let content = setups::content(&blueprint, 8);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
    let needed = Sectors(8);
    for (at, sectors) in [(1, 8), (8, 7), (4, 4), (0, 1)] {
        let refusal = Err(Refusal::Alignment { needed });
        assert_eq!(sim.start(setups::read(at, sectors)), refusal);
        assert_eq!(sim.start(setups::write(&content, at, sectors)), refusal);
        assert_eq!(sim.start(Wish::Zeroes { at, sectors }), refusal);
    }
    let says = Refusal::Alignment { needed }.to_string();
    assert!(says.contains("multiples of 8 sectors"), "{says}");
    sim.run();
    assert!(sim.host.trace.is_empty());
}

#[test]
fn no_command_is_longer_than_the_members_take() {
    // The host checks each command.
    for transfer in [8, 9, 15, 16, 24, 63] {
        let blueprint = setups::raid6(5).limited(limits(512, 1, transfer));
        let before = setups::content(&blueprint, 9);
        let other = setups::content(&blueprint, 10);
        let mut after = before.clone();
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&before));
        for (at, sectors) in [(0, 6 * CHUNK), (3, 200), (61, 9)] {
            assert!(sim.request(setups::write(&other, at, sectors)).result.is_ok());
            setups::overlay(&mut after, &other, at, sectors);
            let answer = sim.request(setups::read(at, sectors));
            assert!(answer.memory == setups::part(&after, at, sectors));
        }
    }
}

#[test]
fn a_range_that_is_lost_is_an_error_however_long_it_is() {
    // Nothing can be issued for any of it, for more steps than one poll takes.
    let chunk = 4096;
    let layout = raid_core::geometry::Layout::Raid0;
    let mut blueprint = Blueprint::new(layout, 2, chunk, chunk);
    blueprint.access = Access::ReadOnly;
    let mut devices = blueprint.devices(&vec![7; blueprint.size()]);
    let blueprint = blueprint.without([MemberIndex(0)].into_iter().collect());
    blocking(&blueprint, &mut devices, |array| {
        let mut bytes = vec![0; usize::try_from(chunk).unwrap() * 2 * 512];
        let result = array.read(Lba(0), &mut bytes);
        let (at, sectors) = (Lba(0), Sectors(8));
        let lost = raid_core::host::Failure::Unrecoverable { at, sectors };
        assert_eq!(result, Err(Error::Failed(lost)));
        assert!(bytes[bytes.len() / 2..].iter().all(|byte| *byte == 7), "the rest is served");
    });
}
