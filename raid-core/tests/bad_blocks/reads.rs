//! What is on the list is read by nobody.

use raid_core::engine::{Dirty, PassEnd, PassKind};
use raid_core::geometry::Geometry;
use raid_core::host::{Command, Event, Failure};
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::{MemberIndex, Sectors, StripeRow};
use raid_sim::rules::Action;
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish};

use crate::arrays::{self, CHUNK, ROWS, UNIT};

/// It is no reason to refuse the whole array: what would have to be made from parity of unknown worth
/// is an error, nothing on the members changes by that, and it is there for who insists.
#[test]
fn a_dirty_array_with_a_bad_block_neither_makes_it_up_nor_gives_it_up_by_being_started() {
    for (layout, members) in arrays::layouts() {
        let clean = arrays::blueprint(layout, members);
        let Geometry::Parity(geometry) = &clean.geometry else { continue };
        let data = geometry.row(StripeRow(1)).data_places();
        let content = arrays::content(&clean, 1);
        let dirty = Blueprint { consistency: Consistency::InSyncTo(Sectors(0)), ..clean.clone() };
        let forced = Blueprint { dirty: Dirty::Force, ..dirty.clone() };
        for member in 0..members {
            let mut devices = clean.devices(&content);
            arrays::list(&mut devices[usize::from(member)], CHUNK, UNIT);
            let garbage = vec![0xA5; usize::try_from(UNIT).unwrap() * 512];
            devices[usize::from(member)].medium.store(DATA_OFFSET + CHUNK, &garbage);
            let lost = arrays::lost_after_restart(&dirty, &devices, &content);
            assert_eq!(lost.len(), usize::from(data.contains(MemberIndex(member))), "{layout:?}");
            assert_eq!(arrays::lost_after_restart(&forced, &devices, &content), []);
        }
    }
}

#[test]
fn a_read_of_a_bad_block_comes_from_the_others_and_writes_nothing() {
    for (layout, members) in arrays::layouts() {
        for member in 0..members {
            for (at, sectors) in [(0, UNIT), (CHUNK + 3, 2), (0, ROWS * CHUNK), (UNIT - 1, UNIT)] {
                let blueprint = arrays::blueprint(layout, members);
                let content = arrays::content(&blueprint, 1);
                let mut devices = blueprint.devices(&content);
                arrays::list(&mut devices[usize::from(member)], at, sectors);
                let garbage = vec![0xA5; usize::try_from(sectors).unwrap() * 512];
                devices[usize::from(member)].medium.store(DATA_OFFSET + at, &garbage);
                for stability in [Stability::Stable, Stability::Volatile] {
                    let mut lent = Lent::to(&blueprint);
                    let mut sim = Sim::made(&blueprint, &mut lent, devices.clone());
                    let size = blueprint.geometry.size().0;
                    let answer = sim.request(Wish::Read { at: 0, sectors: size, stability });
                    assert!(answer.result.is_ok() && answer.memory == content, "{layout:?}");
                    assert_eq!(arrays::lost_units(&mut sim, &content), []);
                    for device in 0..members {
                        assert_eq!(arrays::count(&sim, device, Action::Write), 0);
                        assert_eq!(arrays::count(&sim, device, Action::List), 0);
                    }
                    assert_eq!(sim.host.events().count(), 0, "nothing has happened");
                }
            }
        }
    }
}

#[test]
fn a_check_counts_a_bad_block_as_not_compared_and_a_repair_mends_it() {
    for (layout, members) in arrays::layouts() {
        for member in 0..members {
            let blueprint = arrays::blueprint(layout, members);
            let content = arrays::content(&blueprint, 1);
            let mut devices = blueprint.devices(&content);
            let device = &mut devices[usize::from(member)];
            arrays::list(device, CHUNK + UNIT, UNIT);
            device.medium.store(DATA_OFFSET + CHUNK + UNIT, &[0xA5; 8 * 512]);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let (report, end) = sim.pass(PassKind::Check);
            assert_eq!(end, PassEnd::Finished);
            assert_eq!((report.mismatched, report.unread), (Sectors(0), Sectors(UNIT)));
            let size = blueprint.geometry.size().0;
            let answer = sim.request(Wish::Check { at: 0, sectors: size });
            let Err(Failure::NotCompared { .. }) = answer.result else { panic!("{answer:?}") };
            assert_eq!(arrays::listed(&sim), [(member, CHUNK + UNIT, UNIT)]);

            let (report, end) = sim.pass(PassKind::Repair);
            assert_eq!((end, report.unwritten), (PassEnd::Finished, Sectors(0)), "{layout:?}");
            assert_eq!(arrays::listed(&sim), [], "{layout:?}, {member}");
            arrays::assert_holds(&blueprint, &sim, &content);
            let (report, _) = sim.pass(PassKind::Check);
            assert_eq!((report.mismatched, report.unread), (Sectors(0), Sectors(0)));
        }
    }
}

/// A parity that could not be read was read over and over.
#[test]
fn a_bad_parity_is_left_alone_by_reads_and_made_anew_by_a_write() {
    let blueprint = arrays::raid5();
    let content = arrays::content(&blueprint, 1);
    let after = arrays::content(&blueprint, 2);
    let mut devices = blueprint.devices(&content);
    arrays::list(&mut devices[3], 0, CHUNK);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    assert!(sim.request(arrays::write(&after, 0, UNIT)).result.is_ok());
    let parity_read = |command| match command {
        Command::Read { device, at, .. } => device.0 == 3 && at.0 < DATA_OFFSET + CHUNK,
        Command::Write { .. }
        | Command::Flush { .. }
        | Command::Record { .. }
        | Command::RecordBad { .. }
        | Command::RecordIntent { .. }
        | Command::LogParity { .. }
        | Command::SealLog { .. }
        | Command::RecordBackup { .. }
        | Command::LogRow { .. }
        | Command::RecordTail { .. }
        | Command::Compute(_) => false,
    };
    assert!(!sim.host.commands().any(parity_read));
    assert_eq!(arrays::listed(&sim), [(3, UNIT, CHUNK - UNIT)]);
    let good = |event| matches!(event, Event::BlockGood { member, .. } if member.0 == 3);
    assert_eq!(sim.host.events().filter(|event| good(*event)).count(), 1);
}
