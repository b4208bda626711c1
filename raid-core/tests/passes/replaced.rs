//! A member taken out and replaced at once, while a pass and requests are at work.

use raid_core::engine::{Behind, PassEnd, PassKind, ReadsFrom, Seat, SeatRefusal};
use raid_core::io_limits::IoLimits;
use raid_core::members::MemberState;
use raid_core::request::Stability;
use raid_core::units::{DeviceIndex, DeviceSector, MemberIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::host::{Refuses, Waits};
use raid_sim::order::{Order, Random};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Turn, Wish};

use crate::arrays::{self, CHUNK, ROWS};

const PLACE: MemberIndex = MemberIndex(1);

/// Another device, full of garbage.
fn device() -> RamDevice {
    let mut device = RamDevice::new(DATA_OFFSET + ROWS * CHUNK);
    let mut garbage = vec![0; usize::try_from(ROWS * CHUNK).unwrap() * 512];
    Random::new(77).fill(&mut garbage);
    device.medium.store(DATA_OFFSET, &garbage);
    device
}

/// A record on the new device that does not say that it is to be rebuilt would pass its garbage off
/// as the member's data.
fn assert_no_record_vouches(sim: &Sim<'_>, new: usize) {
    let device = &sim.host.devices[new];
    for record in [device.recorded, device.durable].into_iter().flatten() {
        let stale = record.rebuilding.contains(PLACE) || record.failed.contains(PLACE);
        assert!(stale, "vouched for: {record:?}");
    }
}

fn replace_after(blueprint: &Blueprint, kind: PassKind, turns: u64, seed: u64) {
    let mut random = Random::new(seed);
    let content = arrays::content(blueprint, seed);
    let mut devices = blueprint.devices(&content);
    if kind == PassKind::Recovery {
        arrays::spoil(&mut devices, &[PLACE.0], 0);
    }
    let new = devices.len();
    devices.push(device());
    let mut lent = Lent::to(blueprint);
    let mut sim = Sim::made(blueprint, &mut lent, devices);
    sim.order = Order::Random(Random::new(seed + 1));
    sim.host.waits = Waits::ForItsOwn;
    sim.host.refuses = Refuses::Beyond(1);
    sim.budget = 3;
    sim.engine.start_pass(kind).unwrap();
    let size = blueprint.geometry.size().0;
    let mut ask = |sim: &mut Sim<'_>| {
        let at = random.below(size);
        let sectors = 1 + random.below((size - at).min(40));
        let first = usize::try_from(at).unwrap() * 512;
        let bytes = content[first..][..usize::try_from(sectors).unwrap() * 512].to_vec();
        let wish = match random.below(4) {
            0 => Wish::Write { at, bytes, stability: Stability::Stable },
            1 => Wish::MarkClean,
            _ => Wish::Read { at, sectors, stability: Stability::Stable },
        };
        let _ = sim.start(wish);
    };
    for _ in 0..turns {
        ask(&mut sim);
        let _ = sim.turn();
    }
    sim.engine.fail_member(PLACE).unwrap();
    sim.host.dismiss(PLACE);
    let seat = Seat {
        device: DeviceIndex(u8::try_from(new).unwrap()),
        state: MemberState::Rebuilding { valid_to: Sectors(0) },
        data_offset: DeviceSector(DATA_OFFSET),
        limits: IoLimits::RELAXED,
        reads: ReadsFrom::Freely,
        behind: Behind::Everything,
    };
    loop {
        match sim.engine.add_member(PLACE, seat) {
            Ok(()) => break,
            Err(refusal) => assert_eq!(refusal, SeatRefusal::Leaving(PLACE)),
        }
        ask(&mut sim);
        assert_eq!(sim.turn(), Turn::Again, "nothing is left that could leave");
    }
    sim.host.seat(PLACE, seat.device);
    while sim.turn() == Turn::Again {
        assert_no_record_vouches(&sim, new);
    }
    for answer in &sim.host.answers {
        assert!(answer.result.is_ok(), "{:?}", answer.result);
    }
    assert_eq!(
        sim.engine.member_state(PLACE),
        MemberState::Rebuilding { valid_to: Sectors(0) },
        "what was done for the member before counts for nothing"
    );
    assert_eq!(sim.pass(PassKind::Recovery).1, PassEnd::Finished);
    sim.host.devices.swap_remove(usize::from(PLACE.0));
    arrays::assert_holds(blueprint, &sim, &content);
}

#[test]
fn a_device_that_replaces_a_member_at_once_is_trusted_in_nothing() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        for turns in 0..40 {
            let rebuilt = arrays::rebuilding(blueprint.clone(), &[PLACE.0], 0);
            replace_after(&rebuilt, PassKind::Recovery, turns, turns);
            replace_after(&blueprint, PassKind::Repair, turns, turns + 100);
        }
    }
}
