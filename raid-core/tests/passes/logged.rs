//! Arrays with logs of partial parity, while passes are at work and members go.

use raid_core::engine::{PassEnd, PassKind, Seat, SeatRefusal};
use raid_core::geometry::{Layout, Raid5Layout};
use raid_core::host::Fault;
use raid_core::members::MemberState;
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::{DeviceIndex, MemberIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::host::Waits;
use raid_sim::order::{Order, Random};
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, Lent, Sim, Turn, Wish};

use crate::arrays;

fn logged() -> Blueprint {
    let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
    arrays::blueprint(layout, 3).logged(Sectors(16))
}

/// A write to one of these sectors, of what is there already.
fn write(content: &[u8], at: u64, sectors: u64) -> Wish {
    let first = usize::try_from(at).unwrap() * 512;
    let bytes = content[first..][..usize::try_from(sectors).unwrap() * 512].to_vec();
    Wish::Write { at, bytes, stability: Stability::Stable }
}

/// The logs wait for the writes that were begun without them, and the end of the last of these may be
/// the last thing that happens.
#[test]
fn writes_get_their_log_when_the_last_write_without_one_is_over() {
    for seed in 0..100 {
        let blueprint = Blueprint { consistency: Consistency::InSyncTo(Sectors(0)), ..logged() };
        let content = arrays::content(&blueprint, seed);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        let mut random = Random::new(seed);
        sim.order = Order::Random(Random::new(seed + 1));
        sim.host.waits = Waits::ForItsOwn;
        sim.engine.start_pass(PassKind::Resync).unwrap();
        let size = blueprint.geometry.size().0;
        while sim.turn() == Turn::Again {
            if sim.pass_ended().is_none() && random.below(4) == 0 {
                let _ = sim.start(write(&content, random.below(size - 4), 4));
            }
        }
        assert_eq!(sim.pass_ended().unwrap().1, PassEnd::Finished);
        arrays::assert_holds(&blueprint, &sim, &content);
    }
}

const PLACE: MemberIndex = MemberIndex(1);

/// A member is replaced at once after so many turns. It had nothing to do with the writes, and one of
/// its flushes may have failed.
fn replace_after(turns: u64, failing: Option<u64>) {
    let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
    let blueprint = arrays::blueprint(layout, 5).logged(Sectors(16));
    let content = arrays::content(&blueprint, 1);
    let mut devices = blueprint.devices(&content);
    let new = DeviceIndex(u8::try_from(devices.len()).unwrap());
    devices.push(RamDevice::new(devices[0].medium.sectors()));
    if let Some(skip) = failing {
        let rule = Rule::on(&[Action::Flush], Fault::Media).skipping(skip);
        devices[PLACE.index()].rules.push(rule);
    }
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    // What is in flight stays so while there is something newer.
    sim.order = Order::Lifo;
    sim.host.waits = Waits::ForItsOwn;
    let mut random = Random::new(7);
    for turn in 0..turns {
        if turn % 3 == 0 {
            let at = [0, 32, 64][usize::try_from(random.below(3)).unwrap()];
            let _ = sim.start(write(&content, at + random.below(8), 2));
        }
        let _ = sim.turn();
    }
    if !sim.host.lost().contains(PLACE) {
        sim.engine.fail_member(PLACE).unwrap();
        sim.host.dismiss(PLACE);
    }
    let state = MemberState::Rebuilding { valid_to: Sectors(0) };
    let seat = Seat { device: new, state, ..blueprint.seats[0].unwrap() };
    let mut turn = Turn::Again;
    while let Err(refusal) = sim.engine.add_member(PLACE, seat) {
        assert_eq!(refusal, SeatRefusal::Leaving(PLACE));
        assert_eq!(turn, Turn::Again, "nothing is left that could leave");
        turn = sim.turn();
    }
    sim.host.seat(PLACE, new);
    let _ = sim.start(write(&content, 0, 2));
    sim.run();
    assert_eq!(sim.engine.member_state(PLACE), state, "{failing:?}, after {turns} turns");
}

/// The reports of these commands would not be known any more, and what they do to a log would be done
/// to that of the device that came in.
#[test]
fn a_place_is_free_when_no_command_for_the_logs_is_in_flight_to_it() {
    for turns in 0..120 {
        replace_after(turns, None);
    }
}

#[test]
fn a_device_that_came_in_does_not_answer_for_a_flush_that_the_logs_asked_of_the_one_before() {
    for skip in 0..4 {
        for turns in 0..120 {
            replace_after(turns, Some(skip));
        }
    }
}
