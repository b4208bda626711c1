//! Passes over blocks that cannot be read, made or written: they list them and go on.

use raid_core::engine::{Activity, PassEnd, PassKind};
use raid_core::geometry::Geometry;
use raid_core::host::{Event, Fault};
use raid_core::metadata::Consistency;
use raid_core::units::{MemberIndex, Sectors, StripeRow};
use raid_sim::reference;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish};

use crate::arrays::{self, CHUNK, UNIT};

fn reads_fail(at: u64) -> Rule {
    Rule::on(&[Action::Read], Fault::Media).at(DATA_OFFSET + at..DATA_OFFSET + at + 1)
}

fn ended(sim: &Sim<'_>) -> usize {
    sim.host.events().filter(|event| matches!(event, Event::PassEnded { .. })).count()
}

/// A recovery whose only source had a bad sector began again, and again.
#[test]
fn a_recovery_over_blocks_that_cannot_be_read_lists_what_it_cannot_make_and_ends_once() {
    for (layout, members) in arrays::layouts() {
        for target in 0..members {
            let blueprint = arrays::blueprint(layout, members);
            let content = arrays::content(&blueprint, 1);
            let mut devices = blueprint.devices(&content);
            for (device, member) in devices.iter_mut().zip(0..) {
                if member == target {
                    device.medium.store(DATA_OFFSET, &vec![0xA5; 4 * 32 * 512]);
                } else {
                    device.rules.push(reads_fail(CHUNK + UNIT));
                }
            }
            let damaged = arrays::rebuilding(blueprint.clone(), target);
            let mut lent = Lent::to(&damaged);
            let mut sim = Sim::made(&damaged, &mut lent, devices);
            let (report, end) = sim.pass(PassKind::Recovery);
            assert_eq!(end, PassEnd::Finished, "{layout:?}, {target}");
            assert_eq!((report.position, ended(&sim)), (report.end, 1));
            assert_eq!(sim.engine.activity(), Activity::Idle);
            arrays::assert_nobody_is_lost(&sim);
            let listed = arrays::listed(&sim);
            assert_eq!(arrays::found_bad(&sim), listed, "each range is reported");
            assert_eq!(report.lost.0, listed.iter().map(|(.., sectors)| sectors).sum::<u64>());
            assert!(listed.iter().all(|(member, ..)| *member == target), "{layout:?}: {listed:?}");
            assert!(!listed.is_empty() || !makes(&blueprint, target), "{layout:?}, {target}");
            // Nothing that can be read is made up, now and after a restart.
            let lost = arrays::lost_units(&mut sim, &content);
            let again = arrays::lost_after_restart(&blueprint, &sim.host.devices, &content);
            assert_eq!(again, lost);
            // Nothing but what cannot be read and what is on the list is wrong.
            let wanted = reference::lay_out(&blueprint.geometry, &content, 4 * CHUNK);
            let is =
                sim.host.devices[usize::from(target)].medium.stored(DATA_OFFSET, wanted[0].len());
            for (sector, (is, wanted)) in
                is.chunks(512).zip(wanted[usize::from(target)].chunks(512)).enumerate()
            {
                let sector = u64::try_from(sector).unwrap();
                let bad = listed.iter().any(|(_, at, count)| (*at..at + count).contains(&sector));
                assert!(bad || is == wanted, "{layout:?}: sector {sector} of {target}");
            }
            // The medium takes writes: the data, written again, is all there.
            for device in &mut sim.host.devices {
                device.rules.clear();
            }
            assert!(sim.request(arrays::write_all(&blueprint, &content)).result.is_ok());
            assert_eq!(arrays::listed(&sim), [], "{layout:?}");
            arrays::assert_holds(&blueprint, &sim, &content);
        }
    }
}

/// Whether a block of this member at the place that cannot be read is made from others there.
fn makes(blueprint: &Blueprint, target: u8) -> bool {
    let Geometry::Copies(geometry) = &blueprint.geometry else { return true };
    let at = raid_core::units::MemberSector(CHUNK + UNIT);
    let Some(address) = geometry.chunk_at(MemberIndex(target), at) else { return false };
    let mut copies = geometry.copy_places(address.chunk).into_iter();
    copies.all(|copy| {
        let here = geometry.member_sector(address.chunk, copy);
        here.is_some_and(|here| here.0 == CHUNK)
    })
}

#[test]
fn a_unit_of_a_new_member_that_takes_no_write_is_listed_and_the_recovery_goes_on() {
    for (layout, members) in arrays::layouts() {
        for target in 0..members {
            let blueprint = arrays::blueprint(layout, members);
            let content = arrays::content(&blueprint, 1);
            let mut devices = blueprint.devices(&content);
            let writes = Rule::on(&[Action::Write], Fault::Media);
            let bad = DATA_OFFSET + CHUNK + UNIT;
            devices[usize::from(target)].rules.push(writes.at(bad..bad + 1));
            let damaged = arrays::rebuilding(blueprint.clone(), target);
            let mut lent = Lent::to(&damaged);
            let mut sim = Sim::made(&damaged, &mut lent, devices);
            let (report, end) = sim.pass(PassKind::Recovery);
            assert_eq!((end, report.unwritten), (PassEnd::Finished, Sectors(UNIT)), "{layout:?}");
            assert_eq!(report.lost, Sectors(0));
            assert_eq!(arrays::listed(&sim), [(target, CHUNK + UNIT, UNIT)]);
            assert_eq!(arrays::found_bad(&sim), [(target, CHUNK + UNIT, UNIT)]);
            arrays::assert_nobody_is_lost(&sim);
            assert_eq!(arrays::lost_units(&mut sim, &content), []);
        }
    }
}

#[test]
fn a_resync_over_data_that_cannot_be_read_lists_it_with_its_parity_and_goes_on() {
    for (layout, members) in arrays::layouts() {
        let blueprint = Blueprint {
            consistency: Consistency::InSyncTo(Sectors::ZERO),
            ..arrays::blueprint(layout, members)
        };
        let Geometry::Parity(geometry) = &blueprint.geometry else { continue };
        let roles = geometry.row(StripeRow(1));
        let content = arrays::content(&blueprint, 1);
        for data in roles.data_places() {
            let mut devices = blueprint.devices(&content);
            // Parity is garbage: to make the block from it would be to make it up.
            for parity in roles.parity_places() {
                devices[parity.index()].medium.store(DATA_OFFSET + CHUNK, &[0xA5; 32 * 512]);
            }
            devices[data.index()].rules.push(reads_fail(CHUNK + UNIT));
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let (report, end) = sim.pass(PassKind::Resync);
            assert_eq!(end, PassEnd::Finished, "{layout:?}, {data:?}");
            let bad = roles.parity_places().into_iter().chain([data]);
            let mut bad: Vec<_> = bad.map(|member| (member.0, CHUNK + UNIT, UNIT)).collect();
            bad.sort_unstable();
            assert_eq!(arrays::listed(&sim), bad, "{layout:?}, {data:?}");
            assert_eq!(report.lost.0, UNIT * u64::try_from(bad.len()).unwrap());
            assert!(sim.request(Wish::MarkClean).result.is_ok());
            let record = sim.host.devices[0].durable.unwrap();
            assert_eq!(record.consistency, Consistency::Clean);
            let lost = arrays::lost_units(&mut sim, &content);
            assert_eq!(lost.len(), 1, "{layout:?}: one block of data, and no other");
            let clean = Blueprint { consistency: Consistency::Clean, ..blueprint.clone() };
            assert_eq!(arrays::lost_after_restart(&clean, &sim.host.devices, &content), lost);
            // The next resync comes over it as well.
            let devices = sim.host.devices.clone();
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let (again, end) = sim.pass(PassKind::Resync);
            assert_eq!((end, again.lost), (PassEnd::Finished, report.lost));
            assert_eq!(arrays::found_bad(&sim), [], "that was known");
            // Its block, written again, brings the parity with it.
            let at = lost[0];
            assert!(sim.request(arrays::write(&content, at, UNIT)).result.is_ok());
            assert_eq!(arrays::listed(&sim), []);
            sim.host.devices[data.index()].rules.clear();
            arrays::assert_holds(&blueprint, &sim, &content);
        }
    }
}

#[test]
fn a_resync_of_copies_that_nobody_can_read_lists_them_all_and_goes_on() {
    for (layout, members) in arrays::layouts() {
        let blueprint = Blueprint {
            consistency: Consistency::InSyncTo(Sectors::ZERO),
            ..arrays::blueprint(layout, members)
        };
        let Geometry::Copies(geometry) = &blueprint.geometry else { continue };
        let content = arrays::content(&blueprint, 1);
        let mut devices = blueprint.devices(&content);
        let chunk = raid_core::units::ChunkIndex(0);
        let copies = geometry.copy_places(chunk);
        for copy in copies {
            let at = geometry.member_sector(chunk, copy).unwrap().0;
            devices[copy.index()].rules.push(reads_fail(at + UNIT));
        }
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        let (report, end) = sim.pass(PassKind::Resync);
        assert_eq!(end, PassEnd::Finished, "{layout:?}");
        assert_eq!(report.lost.0, UNIT * u64::from(copies.count()));
        assert_eq!(arrays::listed(&sim).len(), usize::try_from(copies.count()).unwrap());
        let lost = arrays::lost_units(&mut sim, &content);
        assert_eq!(lost, [UNIT], "{layout:?}");
        assert!(sim.request(arrays::write(&content, lost[0], UNIT)).result.is_ok());
        assert_eq!(arrays::listed(&sim), []);
    }
}

#[test]
fn a_repair_beyond_the_redundancy_lists_what_cannot_be_read_and_spares_the_parity() {
    let blueprint = arrays::raid5();
    let content = arrays::content(&blueprint, 1);
    let mut devices = blueprint.devices(&content);
    for device in [0, 1] {
        devices[device].rules.push(reads_fail(UNIT));
    }
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let (report, end) = sim.pass(PassKind::Repair);
    assert_eq!((end, report.lost), (PassEnd::Finished, Sectors(2 * UNIT)));
    assert_eq!(arrays::listed(&sim), [(0, UNIT, UNIT), (1, UNIT, UNIT)]);
    assert_eq!(arrays::lost_units(&mut sim, &content), [UNIT, CHUNK + UNIT]);
}

#[test]
fn a_pass_parked_and_started_again_lists_a_block_once() {
    let (layout, members) = arrays::layouts()[4];
    for turns in 0..40 {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 1);
        let mut devices = blueprint.devices(&content);
        devices[0].rules.push(reads_fail(CHUNK + UNIT));
        let damaged = arrays::rebuilding(blueprint.clone(), 1);
        let mut lent = Lent::to(&damaged);
        let mut sim = Sim::made(&damaged, &mut lent, devices);
        sim.engine.start_pass(PassKind::Recovery).unwrap();
        for _ in 0..turns {
            sim.turn();
        }
        sim.engine.park_pass();
        sim.run();
        if sim.pass_ended().unwrap().1 != PassEnd::Finished {
            assert_eq!(sim.pass(PassKind::Recovery).1, PassEnd::Finished);
        }
        assert_eq!(arrays::listed(&sim), [(1, CHUNK + UNIT, UNIT)]);
        assert_eq!(arrays::found_bad(&sim), [(1, CHUNK + UNIT, UNIT)], "after {turns} turns");
    }
}
