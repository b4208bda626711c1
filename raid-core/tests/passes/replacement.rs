//! Replacement: a member that is in use is copied to another device, which then has its place.

use raid_core::engine::{
    Access, Activity, Halt, PassEnd, PassKind, PassRefusal, Replacement, Seat, SeatRefusal,
    StopReason,
};
use raid_core::geometry::Layout;
use raid_core::host::{Command, Event, Failure, Fault};
use raid_core::io_limits::IoLimits;
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::{DeviceIndex, MemberIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::host::{InFlight, Waits};
use raid_sim::order::{Order, Random};
use raid_sim::reference;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Turn, Wish};

use crate::arrays::{self, CHUNK, ROWS};

/// Another device, which holds what `like` holds up to a mark, and garbage behind.
fn device(like: &RamDevice, copied_to: u64) -> RamDevice {
    let mut device = RamDevice::new(DATA_OFFSET + ROWS * CHUNK);
    let bytes = usize::try_from(ROWS * CHUNK).unwrap() * 512;
    let valid = usize::try_from(copied_to).unwrap() * 512;
    let mut area = vec![0; bytes];
    Random::new(77).fill(&mut area);
    area[..valid].copy_from_slice(&like.medium.stored(DATA_OFFSET, bytes)[..valid]);
    device.medium.store(DATA_OFFSET, &area);
    device.intent.clone_from(&like.intent);
    device.durable_intent.clone_from(&like.intent);
    device
}

/// The devices of an array and one more, which is to replace a member.
fn devices(blueprint: &Blueprint, content: &[u8], member: u8, copied_to: u64) -> Vec<RamDevice> {
    let mut devices = blueprint.devices(content);
    let new = device(&devices[usize::from(member)], copied_to);
    devices.push(new);
    devices
}

/// Nothing on the members disagrees with the content, the new device being at the place of the one that
/// it replaced.
fn assert_holds(blueprint: &Blueprint, sim: &Sim<'_>, member: u8, content: &[u8]) {
    let mut devices = sim.host.devices.clone();
    devices.swap_remove(usize::from(member));
    let areas = blueprint.areas(&devices, MemberSet::NONE);
    let wrong =
        reference::disagreements(&blueprint.geometry, content, &areas, blueprint.member_sectors);
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Commands to a device, and what of them reads.
fn reads(sim: &Sim<'_>, device: u8) -> usize {
    let read =
        |command: &Command| matches!(command, Command::Read { device: of, .. } if of.0 == device);
    sim.host.commands().filter(read).count()
}

#[test]
fn a_member_of_every_level_is_copied_and_its_place_taken() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 1);
        for member in 0..members {
            for mark in [0, 8, CHUNK, 2 * CHUNK + 8] {
                let devices = devices(&blueprint, &content, member, mark);
                let replacing = blueprint.clone().replacing(member, mark);
                let mut lent = Lent::to(&replacing);
                let mut sim = Sim::made(&replacing, &mut lent, devices);
                sim.order = Order::Random(Random::new(mark));
                let by = MemberIndex(members);
                let place = MemberIndex(member);
                let copied_to = Sectors(mark);
                let expected = Some(Replacement { member: place, by, copied_to });
                assert_eq!(sim.engine.replacement(), expected);
                let (report, end) = sim.pass(PassKind::Replacement);
                assert_eq!(end, PassEnd::Finished, "{layout:?} {member} {mark}: {report:?}");
                assert_holds(&blueprint, &sim, member, &content);
                assert_eq!(sim.engine.replacement(), None);
                assert_eq!(sim.engine.member_state(place), MemberState::InSync);
                assert_eq!(sim.engine.activity(), Activity::Idle);
                // The record is on the new device, and on the old, which may come back otherwise.
                let record = sim.host.devices[usize::from(members)].durable.unwrap();
                let copied_to = Sectors(blueprint.member_sectors);
                assert_eq!(record.replacement, Some(Replacement { member: place, by, copied_to }));
                assert_eq!(record.failed, MemberSet::only(place), "who sat there is out");
                assert_eq!(record.rebuilding, MemberSet::NONE);
                assert_eq!(record.consistency, Consistency::Clean, "no parity was touched");
                let old = sim.host.devices[usize::from(member)].durable.unwrap();
                assert_eq!(old, record);
                // Nobody else was read.
                for other in (0..members).filter(|other| *other != member) {
                    assert_eq!(reads(&sim, other), 0, "{layout:?} {member}");
                }
            }
        }
    }
}

#[test]
fn what_is_written_meanwhile_is_on_the_new_device() {
    for (layout, members) in arrays::layouts() {
        for seed in 0..40 {
            let blueprint = arrays::blueprint(layout, members);
            let mut content = arrays::content(&blueprint, 2);
            let mut random = Random::new(seed);
            let member = u8::try_from(random.below(members.into())).unwrap();
            let devices = devices(&blueprint, &content, member, 0);
            let replacing = blueprint.clone().replacing(member, 0);
            let mut lent = Lent::to(&replacing);
            let mut sim = Sim::made(&replacing, &mut lent, devices);
            sim.order = Order::Random(Random::new(seed));
            sim.budget = 3;
            sim.engine.start_pass(PassKind::Replacement).unwrap();
            let size = blueprint.geometry.size().0;
            let mut wishes = 60;
            while sim.turn() == Turn::Again || wishes > 0 {
                let at = random.below(size);
                let sectors = 1 + random.below((size - at).min(40));
                let mut bytes = vec![0; usize::try_from(sectors).unwrap() * 512];
                random.fill(&mut bytes);
                let first = usize::try_from(at).unwrap() * 512;
                let wish = Wish::Write { at, bytes: bytes.clone(), stability: Stability::Stable };
                if wishes > 0 && sim.start(wish).is_ok() {
                    wishes -= 1;
                    content[first..][..bytes.len()].copy_from_slice(&bytes);
                }
            }
            assert_eq!(sim.pass_ended().map(|(_, end)| end), Some(PassEnd::Finished));
            for answer in &sim.host.answers {
                assert!(answer.result.is_ok(), "{:?}", answer.result);
            }
            assert_holds(&blueprint, &sim, member, &content);
        }
    }
}

#[test]
fn a_parked_replacement_goes_on_from_what_is_on_record() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 4);
        for turns in [0, 1, 7, 20, 33, 60, 90] {
            let first = blueprint.clone().replacing(1, 0);
            let devices = devices(&blueprint, &content, 1, 0);
            let mut lent = Lent::to(&first);
            let mut sim = Sim::made(&first, &mut lent, devices);
            sim.engine.start_pass(PassKind::Replacement).unwrap();
            for _ in 0..turns {
                sim.turn();
            }
            sim.engine.park_pass();
            sim.run();
            let (report, end) = sim.pass_ended().unwrap();
            if end == PassEnd::Finished {
                continue;
            }
            assert_eq!(end, PassEnd::Halted(Halt::Parked));
            assert_eq!(sim.engine.activity(), Activity::Halted(report, Halt::Parked));
            for device in &sim.host.devices {
                let record = device.durable.unwrap();
                let replacement = record.replacement.unwrap();
                assert_eq!(replacement.copied_to, report.position);
                assert_eq!(record.rebuilding.union(record.failed), MemberSet::NONE);
            }
            // What the record says is valid is; the rest is copied, by another engine.
            let mut devices = sim.host.devices.clone();
            let record = devices[0].durable.unwrap();
            let new = u8::try_from(devices.len() - 1).unwrap();
            arrays::spoil(&mut devices, &[new], report.position.0);
            let second = blueprint.clone().replacing(1, report.position.0);
            let second = Blueprint { events: record.events, ..second };
            let mut lent = Lent::to(&second);
            let mut sim = Sim::made(&second, &mut lent, devices);
            assert_eq!(sim.pass(PassKind::Replacement).1, PassEnd::Finished);
            assert_holds(&blueprint, &sim, 1, &content);
        }
    }
}

/// Reads all of the array, and says what comes.
fn read_all(sim: &mut Sim<'_>, blueprint: &Blueprint) -> Result<Vec<u8>, Failure> {
    let sectors = blueprint.geometry.size().0;
    let answer = sim.request(Wish::Read { at: 0, sectors, stability: Stability::Stable });
    answer.result.map(|_| answer.memory)
}

#[test]
fn an_original_that_is_lost_leaves_its_place_to_what_was_copied() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        for commands in (0..60).step_by(3) {
            let mut content = arrays::content(&blueprint, commands);
            let mut devices = devices(&blueprint, &content, 1, 0);
            devices[1].rules.push(Rule::gone_after(commands));
            let replacing = blueprint.clone().replacing(1, 0);
            let mut lent = Lent::to(&replacing);
            let mut sim = Sim::made(&replacing, &mut lent, devices);
            sim.order = Order::Random(Random::new(commands));
            sim.host.waits = Waits::ForItsOwn;
            sim.engine.start_pass(PassKind::Replacement).unwrap();
            let mut random = Random::new(commands);
            let mut wishes = 30;
            while sim.turn() == Turn::Again || wishes > 0 {
                wishes -=
                    usize::from(wishes > 0 && write_somewhere(&mut sim, &mut random, &mut content));
            }
            for answer in &sim.host.answers {
                assert!(answer.result.is_ok(), "{:?}", answer.result);
            }
            let (report, end) = sim.pass_ended().unwrap();
            let context = format!("{layout:?} {commands} {report:?}");
            let replaced =
                sim.host.events().any(|event| matches!(event, Event::MemberReplaced { .. }));
            assert!(replaced, "{context}");
            let place = MemberIndex(1);
            if end == PassEnd::Finished {
                assert_holds(&blueprint, &sim, 1, &content);
                continue;
            }
            assert_eq!(end, PassEnd::Halted(Halt::Stopped(StopReason::OriginalLost)));
            let MemberState::Rebuilding { valid_to } = sim.engine.member_state(place) else {
                panic!("{context}");
            };
            assert_eq!(valid_to, report.position, "what was copied counts: {context}");
            // What the record says, and what the engine serves.
            let record = sim.host.devices[0].durable.unwrap();
            assert_eq!(record.rebuilt_to, valid_to);
            assert_eq!(record.rebuilding, arrays::set(&[1]));
            assert!(read_all(&mut sim, &blueprint) == Ok(content.clone()), "{context}");
            // The rest is made from the others.
            let (report, end) = sim.pass(PassKind::Recovery);
            assert_eq!(end, PassEnd::Finished);
            assert_eq!(report.lost, Sectors(0));
            assert_holds(&blueprint, &sim, 1, &content);
        }
    }
}

fn write_somewhere(sim: &mut Sim<'_>, random: &mut Random, content: &mut [u8]) -> bool {
    let size = u64::try_from(content.len()).unwrap() / 512;
    let at = random.below(size);
    let sectors = 1 + random.below((size - at).min(40));
    let mut bytes = vec![0; usize::try_from(sectors).unwrap() * 512];
    random.fill(&mut bytes);
    let wish = Wish::Write { at, bytes: bytes.clone(), stability: Stability::Stable };
    let taken = sim.start(wish).is_ok();
    if taken {
        content[usize::try_from(at).unwrap() * 512..][..bytes.len()].copy_from_slice(&bytes);
    }
    taken
}

#[test]
fn a_replacement_that_is_lost_leaves_the_array_as_it_was() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        for commands in (0..60).step_by(3) {
            let mut content = arrays::content(&blueprint, commands);
            let mut devices = devices(&blueprint, &content, 1, 0);
            devices[usize::from(members)].rules.push(Rule::gone_after(commands));
            let another = device(&devices[1], 0);
            devices.push(another);
            let replacing = blueprint.clone().replacing(1, 0);
            let mut lent = Lent::to(&replacing);
            let mut sim = Sim::made(&replacing, &mut lent, devices);
            sim.order = Order::Random(Random::new(commands));
            sim.host.waits = Waits::ForItsOwn;
            sim.engine.start_pass(PassKind::Replacement).unwrap();
            let mut random = Random::new(commands);
            let mut wishes = 30;
            while sim.turn() == Turn::Again || wishes > 0 {
                let taken = wishes > 0 && write_somewhere(&mut sim, &mut random, &mut content);
                wishes -= usize::from(taken);
            }
            for answer in &sim.host.answers {
                assert!(answer.result.is_ok(), "{:?}", answer.result);
            }
            if sim.pass_ended().unwrap().1 == PassEnd::Finished {
                // It was lost as a member, or not at all.
                continue;
            }
            let stopped = PassEnd::Halted(Halt::Stopped(StopReason::TargetLost));
            assert_eq!(sim.pass_ended().unwrap().1, stopped, "{layout:?} {commands}");
            assert_eq!(sim.engine.replacement(), None);
            assert_eq!(sim.engine.member_state(MemberIndex(1)), MemberState::InSync);
            for device in &sim.host.devices[..usize::from(members)] {
                let record = device.durable.unwrap();
                assert_eq!((record.replacement, record.failed), (None, MemberSet::NONE));
            }
            let areas = blueprint.areas(&sim.host.devices[..usize::from(members)], MemberSet::NONE);
            let sectors = blueprint.member_sectors;
            let wrong = reference::disagreements(&blueprint.geometry, &content, &areas, sectors);
            assert!(wrong.is_empty(), "{wrong:?}");
            assert_eq!(sim.pass(PassKind::Check).1, PassEnd::Finished, "nobody is missing");
            // Another device takes over in its stead.
            let (place, seat) = replacing.replacement.unwrap();
            let seat = Seat { device: DeviceIndex(members + 1), ..seat };
            let by = sim.engine.add_replacement(place, seat).unwrap();
            sim.host.seat(by, seat.device);
            assert_eq!(sim.pass(PassKind::Replacement).1, PassEnd::Finished);
            sim.host.devices.swap_remove(usize::from(members));
            assert_holds(&blueprint, &sim, 1, &content);
        }
    }
}

#[test]
fn blocks_that_the_original_cannot_give_are_made_from_the_others() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 6);
        for member in 0..members {
            let mut devices = devices(&blueprint, &content, member, 0);
            let at = DATA_OFFSET + CHUNK;
            devices[usize::from(member)].medium.spoil(at + 9..at + 26, Fault::Media);
            let replacing = blueprint.clone().replacing(member, 0);
            let mut lent = Lent::to(&replacing);
            let mut sim = Sim::made(&replacing, &mut lent, devices);
            let (report, end) = sim.pass(PassKind::Replacement);
            assert_eq!(end, PassEnd::Finished, "{layout:?} {member}");
            assert_eq!((report.lost, report.unwritten), (Sectors(0), Sectors(0)));
            assert_holds(&blueprint, &sim, member, &content);
            let written = sim.host.devices[usize::from(member)].count(Action::Write);
            assert_eq!(written, 0, "a member that goes is not worn any more");
        }
    }
}

#[test]
fn what_cannot_be_a_replacement_is_refused() {
    let (layout, members) = arrays::layouts()[3];
    let blueprint = arrays::blueprint(layout, members);
    let content = arrays::content(&blueprint, 8);
    let (place, seat) = blueprint.clone().replacing(1, 0).replacement.unwrap();
    let seated = |blueprint: &Blueprint, member: MemberIndex, seat: Seat| {
        let mut lent = Lent::to(blueprint);
        let blank = RamDevice::new(DATA_OFFSET + 2 * ROWS * CHUNK);
        let mut sim = Sim::made(blueprint, &mut lent, vec![blank; usize::from(members) + 1]);
        sim.engine.add_replacement(member, seat)
    };
    let refused = |seat, refusal| assert_eq!(seated(&blueprint, place, seat), Err(refusal));
    assert_eq!(seated(&blueprint, place, seat), Ok(MemberIndex(members)));
    refused(Seat { state: MemberState::InSync, ..seat }, SeatRefusal::State);
    refused(Seat { device: DeviceIndex(2), ..seat }, SeatRefusal::DeviceTwice(DeviceIndex(2)));
    let tight = IoLimits { transfer_max: Sectors(8), ..IoLimits::RELAXED };
    refused(Seat { limits: tight, ..seat }, SeatRefusal::Limits);
    let beyond = MemberIndex(members);
    let no_such = Err(SeatRefusal::NotInSync(beyond));
    assert_eq!(seated(&blueprint, beyond, seat), no_such);
    for other in [
        blueprint.clone().without(MemberSet::only(place)),
        arrays::rebuilding(blueprint.clone(), &[1], CHUNK),
    ] {
        assert_eq!(seated(&other, place, seat), Err(SeatRefusal::NotInSync(place)));
    }
    // What was written since it stopped being copied to, nobody knows.
    let dirty = Consistency::InSyncTo(Sectors(0));
    let dirty = Blueprint { consistency: dirty, ..blueprint.clone() };
    let marked = Seat { state: MemberState::Rebuilding { valid_to: Sectors(CHUNK) }, ..seat };
    assert_eq!(seated(&blueprint, place, marked), Ok(beyond));
    assert_eq!(seated(&dirty, place, marked), Err(SeatRefusal::Mark));
    assert_eq!(seated(&dirty, place, seat), Ok(beyond));
    let read_only = Blueprint { access: Access::ReadOnly, ..blueprint.clone() };
    assert_eq!(seated(&read_only, place, seat), Err(SeatRefusal::ReadOnly));
    assert_eq!(
        seated(&blueprint.clone().logged(Sectors(8)), place, seat),
        Err(SeatRefusal::Logged)
    );
    let striped = arrays::blueprint(Layout::Raid0, 3);
    assert_eq!(seated(&striped, place, seat), Err(SeatRefusal::NoRedundancy));

    let mut lent = Lent::to(&blueprint);
    let mut devices = blueprint.devices(&content);
    devices.extend([devices[0].clone(), devices[0].clone()]);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    assert_eq!(sim.engine.start_pass(PassKind::Replacement), Err(PassRefusal::NothingToDo));
    let write = Wish::Write { at: 0, bytes: vec![1; 512], stability: Stability::Stable };
    assert!(sim.request(write).result.is_ok());
    assert_eq!(sim.engine.add_replacement(place, marked), Err(SeatRefusal::Mark));
    assert_eq!(sim.engine.add_replacement(place, seat), Ok(beyond));
    let second = Seat { device: DeviceIndex(members + 1), ..seat };
    let taken = Err(SeatRefusal::Replacing(place));
    assert_eq!(sim.engine.add_replacement(MemberIndex(0), second), taken);
    assert_eq!(sim.engine.add_member(place, second), Err(SeatRefusal::Taken(place)));
    // It is to be the replacement's, though nothing has happened yet.
    assert_eq!(sim.engine.fail_member(place), Ok(()));
    assert_eq!(sim.engine.add_member(place, second), Err(SeatRefusal::Replacing(place)));
    sim.host.dismiss(place);
    sim.host.seat(beyond, seat.device);
    sim.run();
    assert_eq!(sim.engine.member_state(place), MemberState::Rebuilding { valid_to: Sectors(0) });
    assert_eq!(sim.engine.add_member(place, second), Err(SeatRefusal::Taken(place)));
}

#[test]
fn a_degraded_array_s_member_is_replaced() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members).with_intent(CHUNK);
        let mut content = arrays::content(&blueprint, 9);
        let devices = devices(&blueprint, &content, 1, 0);
        let degraded = blueprint.clone().without(MemberSet::only(MemberIndex(0)));
        let mut lent = Lent::to(&degraded);
        let mut sim = Sim::made(&degraded.clone().replacing(1, 0), &mut lent, devices);
        sim.engine.start_pass(PassKind::Replacement).unwrap();
        let mut random = Random::new(9);
        for _ in 0..20 {
            write_somewhere(&mut sim, &mut random, &mut content);
            sim.turn();
        }
        sim.run();
        assert_eq!(sim.pass_ended().map(|(_, end)| end), Some(PassEnd::Finished), "{layout:?}");
        sim.host.devices.swap_remove(1);
        let areas = blueprint.areas(&sim.host.devices, MemberSet::only(MemberIndex(0)));
        let sectors = blueprint.member_sectors;
        let wrong = reference::disagreements(&blueprint.geometry, &content, &areas, sectors);
        assert!(wrong.is_empty(), "{layout:?}: {wrong:?}");
    }
}

#[test]
fn an_engine_at_rest_in_the_middle_of_it_goes_on_later() {
    let (layout, members) = arrays::layouts()[3];
    let blueprint = arrays::blueprint(layout, members);
    for turns in 0..150 {
        let mut content = arrays::content(&blueprint, turns);
        let devices = devices(&blueprint, &content, 1, 0);
        let replacing = blueprint.clone().replacing(1, 0);
        let mut lent = Lent::to(&replacing);
        let mut sim = Sim::made(&replacing, &mut lent, devices);
        sim.host.waits = Waits::ForItsOwn;
        sim.order = Order::Random(Random::new(turns));
        // What is handed back may be in part; so nothing is written but what is there.
        let same = |at: u64| {
            let first = usize::try_from(at).unwrap() * 512;
            let bytes = content[first..][..20 * 512].to_vec();
            Wish::Write { at, bytes, stability: Stability::Stable }
        };
        sim.engine.start_pass(PassKind::Replacement).unwrap();
        let mut random = Random::new(turns);
        for _ in 0..turns {
            let _ = sim.start(same(random.below(100)));
            sim.turn();
        }
        sim.engine.quiesce();
        sim.run();
        assert!(sim.host.events().any(|event| event == Event::Quiesced), "{turns}");
        sim.engine.resume();
        if sim.engine.replacement().is_some() {
            assert_eq!(sim.pass(PassKind::Replacement).1, PassEnd::Finished, "{turns}");
        }
        write_somewhere(&mut sim, &mut random, &mut content);
        sim.run();
        assert_holds(&blueprint, &sim, 1, &content);
    }
}

#[test]
fn commands_that_hang_cost_the_member_or_the_replacement_and_no_more() {
    for (layout, members) in [arrays::layouts()[1], arrays::layouts()[3], arrays::layouts()[5]] {
        let blueprint = arrays::blueprint(layout, members);
        for hanging in 0..70 {
            let mut content = arrays::content(&blueprint, 10);
            let devices = devices(&blueprint, &content, 1, 0);
            let replacing = blueprint.clone().replacing(1, 0);
            let mut lent = Lent::to(&Blueprint { slots: 6, ..replacing.clone() });
            let replacing = Blueprint { slots: 6, ..replacing };
            let mut sim = Sim::made(&replacing, &mut lent, devices);
            sim.host.waits = Waits::ForItsOwn;
            sim.host.hangs = vec![hanging];
            sim.engine.start_pass(PassKind::Replacement).unwrap();
            let mut random = Random::new(11);
            let mut wishes = 12;
            while sim.turn() == Turn::Again || wishes > 0 {
                let taken = wishes > 0 && write_somewhere(&mut sim, &mut random, &mut content);
                wishes -= usize::from(taken);
            }
            let context = format!("{layout:?} {hanging}");
            for answer in &sim.host.answers {
                assert!(answer.result.is_ok(), "{context}: {:?}", answer.result);
            }
            assert!(read_all(&mut sim, &blueprint) == Ok(content), "{context}");
        }
    }
}

#[test]
fn the_host_gives_up_a_replacement_or_the_member() {
    let (layout, members) = arrays::layouts()[3];
    let blueprint = arrays::blueprint(layout, members);
    for turns in 0..60 {
        for which in [1, members] {
            let mut content = arrays::content(&blueprint, turns);
            let devices = devices(&blueprint, &content, 1, 0);
            let replacing = blueprint.clone().replacing(1, 0);
            let mut lent = Lent::to(&replacing);
            let mut sim = Sim::made(&replacing, &mut lent, devices);
            sim.host.waits = Waits::ForItsOwn;
            sim.order = Order::Random(Random::new(turns));
            sim.engine.start_pass(PassKind::Replacement).unwrap();
            let mut random = Random::new(turns);
            for _ in 0..turns {
                write_somewhere(&mut sim, &mut random, &mut content);
                sim.turn();
            }
            if sim.engine.replacement().is_none() {
                continue;
            }
            assert_eq!(sim.engine.fail_member(MemberIndex(which)), Ok(()));
            sim.host.dismiss(MemberIndex(which));
            write_somewhere(&mut sim, &mut random, &mut content);
            sim.run();
            let reason = if which == 1 { StopReason::OriginalLost } else { StopReason::TargetLost };
            let stopped = PassEnd::Halted(Halt::Stopped(reason));
            assert_eq!(sim.pass_ended().unwrap().1, stopped, "{turns}, {which}");
            assert_eq!(sim.engine.replacement(), None);
            assert!(read_all(&mut sim, &blueprint) == Ok(content.clone()), "{turns}, {which}");
            if which == 1 {
                assert_eq!(sim.pass(PassKind::Recovery).1, PassEnd::Finished);
                assert_holds(&blueprint, &sim, 1, &content);
            } else {
                assert_eq!(sim.engine.member_state(MemberIndex(1)), MemberState::InSync);
            }
        }
    }
}

#[test]
fn what_was_held_goes_on_when_the_member_and_then_its_replacement_are_lost() {
    for (layout, members) in [arrays::layouts()[1], arrays::layouts()[3], arrays::layouts()[5]] {
        let blueprint = arrays::blueprint(layout, members);
        for turns in 0..40 {
            let mut content = arrays::content(&blueprint, turns);
            let devices = devices(&blueprint, &content, 1, 0);
            let replacing = blueprint.clone().replacing(1, 0);
            let mut lent = Lent::to(&replacing);
            let mut sim = Sim::made(&replacing, &mut lent, devices);
            sim.host.waits = Waits::ForItsOwn;
            sim.order = Order::Random(Random::new(turns));
            sim.budget = 5;
            let mut random = Random::new(turns);
            for _ in 0..turns {
                write_somewhere(&mut sim, &mut random, &mut content);
                sim.turn();
            }
            for lost in [1, members] {
                if lost == members && sim.engine.replacement().is_none() {
                    continue;
                }
                assert_eq!(sim.engine.fail_member(MemberIndex(lost)), Ok(()));
                sim.host.dismiss(MemberIndex(lost));
                write_somewhere(&mut sim, &mut random, &mut content);
                sim.turn();
            }
            sim.run();
            assert_eq!(sim.engine.replacement(), None);
            assert!(read_all(&mut sim, &blueprint) == Ok(content.clone()), "{turns}");
        }
    }
}

/// Goes on until nothing is in flight. A request's flush ends when nothing else is left to end.
fn run_with_late_flushes(sim: &mut Sim<'_>, mut each: impl FnMut(&mut Sim<'_>)) {
    loop {
        sim.engine.poll(&mut sim.host, 1024);
        each(sim);
        sim.engine.poll(&mut sim.host, 1024);
        let queue = sim.host.in_flight();
        let late = |it: &InFlight| {
            let of_request = format!("{:?}", it.token).contains("Slot");
            of_request && matches!(it.command, Command::Flush { .. })
        };
        let first = queue.iter().position(|it| !late(it)).or_else(|| queue.len().checked_sub(1));
        let Some(first) = first else { break };
        let mut orders = (0..).map(Random::new);
        let [of, first] = [queue.len(), first].map(|number| u64::try_from(number).unwrap());
        let picks = |random: &Random| random.clone().below(of) == first;
        sim.order = Order::Random(orders.find(picks).unwrap());
        sim.end_one();
    }
}

#[test]
fn what_fails_while_the_place_changes_hands_is_put_down_to_the_right_device() {
    let (layout, members) = arrays::layouts()[5];
    let blueprint = arrays::blueprint(layout, members);
    let (place, mark) = (MemberIndex(1), ROWS * CHUNK - 8);
    let cases = [(1, 0), (1, 1), (members, 0), (members, 1)];
    for ((failing, after), skip) in cases.into_iter().flat_map(|it| (0..8).map(move |n| (it, n))) {
        let content = arrays::content(&blueprint, 3);
        let devices = devices(&blueprint, &content, 1, mark);
        let replacing = blueprint.clone().replacing(1, mark);
        let mut lent = Lent::to(&replacing);
        let mut sim = Sim::made(&replacing, &mut lent, devices);
        sim.host.waits = Waits::ForItsOwn;
        sim.engine.start_pass(PassKind::Replacement).unwrap();
        let mut asked = false;
        run_with_late_flushes(&mut sim, |sim| {
            let swaps = |it: &Command| matches!(it, Command::Record { record, .. } if record.failed.contains(place));
            if !asked && sim.host.commands().filter(swaps).count() >= after {
                asked = true;
                // A flush of somebody's, and one record more than the one that swaps.
                sim.start(Wish::Flush).unwrap();
                if after > 0 {
                    sim.engine.fail_member(MemberIndex(0)).unwrap();
                    sim.host.dismiss(MemberIndex(0));
                }
                let actions = &[Action::Flush, Action::Record];
                let rule = Rule::on(actions, Fault::Gone).skipping(skip);
                sim.host.devices[usize::from(failing)].rules.push(rule);
            }
        });
        let context =
            format!("{failing} {after} {skip} {:?}", sim.host.events().collect::<Vec<_>>());
        let lost = |member| {
            let of = move |event: &Event| matches!(event, Event::MemberFailed { member: it, .. } if *it == member);
            sim.host.events().filter(of).count()
        };
        let replaced = sim.host.events().any(|it| matches!(it, Event::MemberReplaced { .. }));
        let is_lost = sim.engine.member_state(place) == MemberState::Failed;
        assert_eq!(sim.engine.replacement(), None, "{context}");
        assert_eq!(sim.engine.member_state(MemberIndex(2)), MemberState::InSync);
        if failing == 1 {
            assert!(replaced && !is_lost, "its replacement is well: {context}");
            assert!(lost(place) <= 1 && lost(MemberIndex(members)) == 0, "{context}");
        } else {
            assert_eq!(replaced, lost(MemberIndex(members)) == 0, "{context}");
            assert_eq!(is_lost, lost(place) == 1, "{context}");
            assert!(lost(place) + lost(MemberIndex(members)) <= 1, "{context}");
        }
    }
}

#[test]
fn flushes_without_end_do_not_keep_a_place_from_changing_hands() {
    let (layout, members) = arrays::layouts()[3];
    let blueprint = arrays::blueprint(layout, members);
    // So near to the end that no record is due on the way there.
    let mark = ROWS * CHUNK - 4;
    let content = arrays::content(&blueprint, 4);
    let devices = devices(&blueprint, &content, 1, mark);
    let replacing = blueprint.clone().replacing(1, mark);
    let mut lent = Lent::to(&replacing);
    let mut sim = Sim::made(&replacing, &mut lent, devices);
    sim.order = Order::Fifo;
    sim.engine.start_pass(PassKind::Replacement).unwrap();
    for _ in 0..4000 {
        let _ = sim.start(Wish::Flush);
        sim.turn();
    }
    assert_eq!(sim.pass_ended().map(|(_, end)| end), Some(PassEnd::Finished));
}
