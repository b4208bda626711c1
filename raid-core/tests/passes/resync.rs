//! Resync, check and repair: what disagrees is counted, and made to agree where that was asked for.

use raid_core::engine::{Access, Dirty, PassEnd, PassKind, PassRefusal};
use raid_core::geometry::{Geometry, Layout};
use raid_core::host::Command;
use raid_core::members::MemberSet;
use raid_core::metadata::Consistency;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::order::{Order, Random};
use raid_sim::reference;
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish};

use crate::arrays::{self, CHUNK, ROWS};

/// Turns a sector on a member over.
fn flip(devices: &mut [RamDevice], member: u8, sector: u64) {
    let at = DATA_OFFSET + sector;
    let mut bytes = devices[usize::from(member)].medium.stored(at, 512).to_vec();
    bytes[100] ^= 0x40;
    devices[usize::from(member)].medium.store(at, &bytes);
}

/// All that is on the members agrees, whatever it is.
fn assert_agrees(blueprint: &Blueprint, sim: &Sim<'_>) {
    let areas = blueprint.areas(&sim.host.devices, MemberSet::NONE);
    // With parity the data counts; of copies any one.
    let content = reference::content(&blueprint.geometry, &areas).unwrap();
    arrays::assert_holds(blueprint, sim, &content);
}

#[test]
fn check_counts_and_changes_nothing_and_repair_makes_agree() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 1);
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let mut devices = blueprint.devices(&content);
            // Different units of different rows, the last sector of all among them.
            flip(&mut devices, 0, 3);
            flip(&mut devices, 1, 2 * CHUNK + 9);
            let before: Vec<_> = devices.clone();
            let blueprint = Blueprint { access, ..blueprint.clone() };
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let (report, end) = sim.pass(PassKind::Check);
            assert_eq!(end, PassEnd::Finished);
            assert_eq!(report.mismatched, Sectors(16), "{layout:?}");
            assert!(
                sim.host
                    .commands()
                    .all(|command| matches!(command, Command::Read { .. } | Command::Compute(_)))
            );
            for (device, before) in sim.host.devices.iter().zip(&before) {
                assert!(device.medium.stored(0, 512 * 90) == before.medium.stored(0, 512 * 90));
            }
            let repair = sim.engine.start_pass(PassKind::Repair);
            match access {
                Access::ReadOnly => assert_eq!(repair, Err(PassRefusal::ReadOnly)),
                Access::ReadWrite => {
                    sim.run();
                    let (report, end) = sim.pass_ended().unwrap();
                    assert_eq!((report.mismatched, end), (Sectors(16), PassEnd::Finished));
                    assert_agrees(&blueprint, &sim);
                    let (report, _) = sim.pass(PassKind::Check);
                    assert_eq!(report.mismatched, Sectors(0));
                    // It wrote parity, so the array is dirty until it is said to be clean.
                    assert!(sim.request(Wish::MarkClean).result.is_ok());
                    let record = sim.host.last_record().unwrap();
                    assert_eq!(record.consistency, Consistency::Clean);
                }
            }
        }
    }
}

#[test]
fn a_resync_goes_on_from_its_mark_and_its_end_is_on_record() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 2);
        for mark in [0, 8, CHUNK, 2 * CHUNK] {
            let mut devices = blueprint.devices(&content);
            let mark = match (blueprint.geometry, layout) {
                (Geometry::Copies(_), Layout::Raid10(_)) => mark * 2,
                (Geometry::Copies(_) | Geometry::Parity(_), _) => mark,
            };
            for sector in (4 * CHUNK..ROWS * CHUNK).step_by(3) {
                flip(&mut devices, members - 1, sector);
            }
            let consistency = Consistency::InSyncTo(Sectors(mark));
            let blueprint = Blueprint { consistency, ..blueprint.clone() };
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            sim.order = Order::Random(Random::new(mark));
            let (report, end) = sim.pass(PassKind::Resync);
            assert_eq!(end, PassEnd::Finished);
            assert!(report.mismatched > Sectors(0));
            assert_agrees(&blueprint, &sim);
            assert!(sim.request(Wish::MarkClean).result.is_ok());
            for device in &sim.host.devices {
                assert_eq!(device.durable.unwrap().consistency, Consistency::Clean);
            }
            assert_eq!(sim.engine.start_pass(PassKind::Resync), Err(PassRefusal::NothingToDo));
        }
    }
}

#[test]
fn an_array_that_has_nothing_to_compare_says_so() {
    let raid0 = arrays::blueprint(Layout::Raid0, 3);
    let content = arrays::content(&raid0, 3);
    let mut lent = Lent::to(&raid0);
    let mut sim = Sim::made(&raid0, &mut lent, raid0.devices(&content));
    for kind in [PassKind::Check, PassKind::Repair, PassKind::Resync] {
        assert_eq!(sim.engine.start_pass(kind), Err(PassRefusal::NoRedundancy));
    }
    for (layout, members) in arrays::layouts() {
        let lost = MemberSet::only(MemberIndex(0));
        let blueprint = arrays::blueprint(layout, members).without(lost);
        let content = arrays::content(&blueprint, 3);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        for kind in [PassKind::Check, PassKind::Repair] {
            assert_eq!(sim.engine.start_pass(kind), Err(PassRefusal::Degraded), "{layout:?}");
        }
        let none = Blueprint { background: 0, ..blueprint.clone() };
        let mut lent = Lent::to(&none);
        let mut sim = Sim::made(&none, &mut lent, none.devices(&content));
        assert_eq!(sim.engine.start_pass(PassKind::Check), Err(PassRefusal::NoSlots));
    }
}

#[test]
fn a_forced_dirty_and_degraded_row_keeps_its_data_and_gets_parity_that_fits() {
    for (layout, members) in arrays::layouts() {
        for lost in 0..members {
            let whole = arrays::blueprint(layout, members);
            let content = arrays::content(&whole, 4);
            let devices = whole.devices(&content);
            let absent = MemberSet::only(MemberIndex(lost));
            let blueprint = Blueprint {
                consistency: Consistency::InSyncTo(Sectors(0)),
                dirty: Dirty::Force,
                ..whole.clone().without(absent)
            };
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let (_, end) = sim.pass(PassKind::Resync);
            assert_eq!(end, PassEnd::Finished);
            let areas = blueprint.areas(&sim.host.devices, absent);
            assert!(reference::content(&blueprint.geometry, &areas).unwrap() == content);
        }
    }
}
