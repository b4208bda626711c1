//! Members that were away and come back.

use raid_core::engine::{Behind, PassEnd, PassKind, SeatRefusal};
use raid_core::geometry::{Geometry, Layout};
use raid_core::members::{MemberSet, MemberState};
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::host::Waits;
use raid_sim::order::{Order, Random};
use raid_sim::rules::Action;
use raid_sim::sim::{Blueprint, Lent, Sim, Turn, Wish};

use crate::arrays::{self, AWAY, BIT, CHUNK, bitmap, seat, sweep, wish, write};

/// Sectors written to a device from this command of it on.
fn written(device: &RamDevice, from: usize) -> u64 {
    let writes = device.done[from..].iter().filter(|(action, _)| *action == Action::Write);
    writes.map(|(_, sectors)| sectors.end - sectors.start).sum()
}

fn leave(sim: &mut Sim<'_>) -> u64 {
    let events = sim.engine.events();
    sim.engine.fail_member(AWAY).unwrap();
    sim.host.dismiss(AWAY);
    assert!(sim.request(Wish::Flush).result.is_ok());
    events
}

fn come_back(sim: &mut Sim<'_>, behind: Behind) -> Result<(), SeatRefusal> {
    sim.engine.add_member(AWAY, seat(AWAY.0, behind))?;
    sim.host.seat(AWAY, raid_core::units::DeviceIndex(AWAY.0));
    Ok(())
}

/// While a member is away no bit is cleared, and the event count that decides who may come back stays
/// what it was; a member that does gets what was written meanwhile, no more, and then bits clear.
#[test]
fn a_member_that_comes_back_gets_what_was_written_and_then_bits_clear() {
    for blueprint in arrays::all() {
        let content = arrays::content(&blueprint, 1);
        let mut model = content.clone();
        let other = arrays::content(&blueprint, 2);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        assert!(write(&mut sim, &content, 0, 2).result.is_ok());
        let events = leave(&mut sim);
        // Two bits that are not neighbours.
        for at in [BIT / 2, 5 * BIT + 3] {
            assert!(write(&mut sim, &other, at, 5).result.is_ok());
            arrays::overlay(&mut model, &other, at, 5);
        }
        for _ in 0..4 {
            sweep(&mut sim);
        }
        assert!(sim.request(Wish::Flush).result.is_ok());
        let kept = bitmap(&sim, 0);
        assert!(kept.count() >= 2, "cleared while a member is away: {}", kept.count());
        assert_eq!(kept.cleared_at, blueprint.events, "and so is who may come back");
        let before = sim.host.devices[AWAY.index()].done.len();
        come_back(&mut sim, Behind::MarkedChunks { events }).unwrap();
        assert!(arrays::read_all(&blueprint, &mut sim) == model, "what it lacks is not read");
        sweep(&mut sim);
        sweep(&mut sim);
        assert_eq!(sim.pass(PassKind::Recovery).1, PassEnd::Finished);
        assert_eq!(sim.engine.member_state(AWAY), MemberState::InSync);
        let copied = written(&sim.host.devices[AWAY.index()], before);
        let marked = u64::try_from(kept.count()).unwrap() * BIT;
        assert!(copied <= marked, "{copied} sectors are copied, {marked} are marked");
        assert!(copied > 0 || !matches!(blueprint.geometry, Geometry::Parity(_)));
        arrays::assert_holds(&blueprint, &sim, &model);
        for _ in 0..2 {
            sweep(&mut sim);
        }
        assert!(sim.request(Wish::Flush).result.is_ok());
        let cleared = bitmap(&sim, AWAY.index());
        assert_eq!((cleared.count(), bitmap(&sim, 0).count()), (0, 0));
        assert!(cleared.cleared_at > events, "whoever is away since then has to be rebuilt");
    }
}

#[test]
fn a_member_whose_absence_the_bits_do_not_cover_is_not_believed() {
    for blueprint in arrays::all() {
        let content = arrays::content(&blueprint, 1);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        let events = leave(&mut sim);
        // Below what was on record when a bit was last cleared.
        let early = Behind::MarkedChunks { events: blueprint.events - 1 };
        assert_eq!(come_back(&mut sim, early), Err(SeatRefusal::Unproven));
        // Nor is a mark of a device that missed writes below it.
        for behind in [Behind::Everything, Behind::MarkedChunks { events }] {
            let state = MemberState::Rebuilding { valid_to: Sectors(BIT) };
            let marked = raid_core::engine::Seat { state, ..seat(AWAY.0, behind) };
            assert_eq!(sim.engine.add_member(AWAY, marked), Err(SeatRefusal::Mark));
        }
        // Somebody else sat there meanwhile, and bits were cleared.
        come_back(&mut sim, Behind::Everything).unwrap();
        assert!(write(&mut sim, &content, 0, 4).result.is_ok());
        assert_eq!(sim.pass(PassKind::Recovery).1, PassEnd::Finished);
        for _ in 0..2 {
            sweep(&mut sim);
        }
        let _ = leave(&mut sim);
        let old = Behind::MarkedChunks { events };
        assert_eq!(come_back(&mut sim, old), Err(SeatRefusal::Unproven));
        // Without a bitmap nothing is.
        let without = Blueprint { intent: None, ..blueprint.clone() };
        let mut lent = Lent::to(&without);
        let mut sim = Sim::made(&without, &mut lent, without.devices(&content));
        let events = leave(&mut sim);
        let behind = Behind::MarkedChunks { events };
        assert_eq!(come_back(&mut sim, behind), Err(SeatRefusal::Unproven));
    }
}

/// Writes are planned, wait, and land while a member leaves and comes back: none of them is missing on
/// it afterwards.
#[test]
fn no_write_that_is_under_way_when_a_member_comes_back_is_missing_on_it() {
    let mut late = 0;
    for (blueprint, number) in arrays::all().into_iter().zip(0_u64..) {
        let content = arrays::content(&blueprint, 1);
        for seed in 0..60 {
            let mut random = Random::new(1000 * number + seed);
            let mut model = content.clone();
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
            sim.order = Order::Random(Random::new(seed));
            sim.host.waits = Waits::ForItsOwn;
            sim.budget = 1 + u32::try_from(random.below(4)).unwrap();
            let size = blueprint.geometry.size().0;
            let mut ask = |sim: &mut Sim<'_>, random: &mut Random| {
                let at = random.below(size);
                let sectors = 1 + random.below((size - at).min(30));
                let other = arrays::content(&blueprint, random.next());
                if sim.start(wish(&other, at, sectors)).is_ok() {
                    arrays::overlay(&mut model, &other, at, sectors);
                }
            };
            let events = leave(&mut sim);
            let mut refused = 0;
            for _ in 0..random.below(50) {
                ask(&mut sim, &mut random);
                for _ in 0..random.below(6) {
                    let _ = sim.turn();
                }
            }
            loop {
                match come_back(&mut sim, Behind::MarkedChunks { events }) {
                    Ok(()) => break,
                    Err(refusal) => assert_eq!(refusal, SeatRefusal::Leaving(AWAY)),
                }
                refused += 1;
                if sim.turn() == Turn::Finished {
                    assert!(refused < 1000);
                }
            }
            late += usize::from(sim.host.unanswered() > 0);
            sim.engine.start_pass(PassKind::Recovery).unwrap();
            for _ in 0..4 {
                ask(&mut sim, &mut random);
                let _ = sim.turn();
            }
            sim.run();
            assert!(sim.host.answers.iter().all(|answer| answer.result.is_ok()));
            assert_eq!(sim.engine.member_state(AWAY), MemberState::InSync);
            arrays::assert_holds(&blueprint, &sim, &model);
        }
    }
    assert!(late > 100, "few came back with writes under way: {late}");
}

/// The member fails again half way, and comes back once more.
#[test]
fn a_member_that_leaves_half_way_lacks_what_it_lacked() {
    for blueprint in arrays::all() {
        let content = arrays::content(&blueprint, 1);
        let other = arrays::content(&blueprint, 2);
        for turns in [0, 3, 9, 20, 40] {
            let mut model = content.clone();
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
            let events = leave(&mut sim);
            for at in [0, 2 * BIT, 5 * BIT] {
                assert!(write(&mut sim, &other, at, CHUNK).result.is_ok());
                arrays::overlay(&mut model, &other, at, CHUNK);
            }
            come_back(&mut sim, Behind::MarkedChunks { events }).unwrap();
            sim.engine.start_pass(PassKind::Recovery).unwrap();
            for _ in 0..turns {
                let _ = sim.turn();
            }
            sim.run();
            if sim.engine.member_state(AWAY) != MemberState::InSync {
                continue;
            }
            let again = leave(&mut sim);
            assert!(write(&mut sim, &other, 4 * BIT, CHUNK).result.is_ok());
            arrays::overlay(&mut model, &other, 4 * BIT, CHUNK);
            come_back(&mut sim, Behind::MarkedChunks { events: again }).unwrap();
            assert_eq!(sim.pass(PassKind::Recovery).1, PassEnd::Finished);
            arrays::assert_holds(&blueprint, &sim, &model);
        }
    }
}

/// Two members are away, at different times, and come back one after the other.
#[test]
fn two_members_that_come_back_lack_each_what_they_missed() {
    let raid6 = arrays::all().into_iter().filter(|blueprint| blueprint.geometry.redundancy() == 2);
    for blueprint in raid6 {
        let content = arrays::content(&blueprint, 1);
        let other = arrays::content(&blueprint, 2);
        let mut model = content.clone();
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        let mut put = |sim: &mut Sim<'_>, at| {
            assert!(write(sim, &other, at, CHUNK).result.is_ok());
            arrays::overlay(&mut model, &other, at, CHUNK);
        };
        let first = leave(&mut sim);
        put(&mut sim, 0);
        let second = sim.engine.events();
        sim.engine.fail_member(MemberIndex(2)).unwrap();
        sim.host.dismiss(MemberIndex(2));
        assert!(sim.request(Wish::Flush).result.is_ok());
        put(&mut sim, 3 * BIT);
        come_back(&mut sim, Behind::MarkedChunks { events: first }).unwrap();
        put(&mut sim, 4 * BIT);
        let back = seat(2, Behind::MarkedChunks { events: second });
        sim.engine.add_member(MemberIndex(2), back).unwrap();
        sim.host.seat(MemberIndex(2), raid_core::units::DeviceIndex(2));
        put(&mut sim, 5 * BIT);
        assert!(arrays::read_all(&blueprint, &mut sim) == model);
        assert_eq!(sim.pass(PassKind::Recovery).1, PassEnd::Finished);
        assert_eq!(sim.host.lost(), MemberSet::NONE);
        arrays::assert_holds(&blueprint, &sim, &model);
        assert!(!matches!(blueprint.geometry.layout(), Layout::Raid0));
    }
}
