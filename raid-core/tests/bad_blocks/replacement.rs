//! A member that is replaced, with blocks that cannot be read, made or written.

use raid_core::engine::{PassEnd, PassKind};
use raid_core::host::{Failure, Fault};
use raid_core::members::MemberSet;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim};

use crate::arrays::{self, CHUNK, ROWS, UNIT};

const PLACE: MemberIndex = MemberIndex(1);

/// An array's devices and a blank one.
fn devices(blueprint: &Blueprint, content: &[u8]) -> Vec<RamDevice> {
    let mut devices = blueprint.devices(content);
    let mut blank = RamDevice::new(DATA_OFFSET + ROWS * CHUNK);
    let garbage = usize::try_from(ROWS * CHUNK).unwrap() * 512;
    blank.medium.store(DATA_OFFSET, &vec![0xA5; garbage]);
    devices.push(blank);
    devices
}

fn fails(action: &'static [Action], at: u64) -> Rule {
    Rule::on(action, Fault::Media).at(DATA_OFFSET + at..DATA_OFFSET + at + 1)
}

#[test]
fn what_neither_the_member_nor_the_others_can_give_is_listed_on_the_new_device() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 1);
        let mut devices = devices(&blueprint, &content);
        // Nobody can be read there.
        for device in &mut devices[..usize::from(members)] {
            device.rules.push(fails(&[Action::Read], CHUNK + UNIT));
        }
        let replacing = blueprint.clone().replacing(PLACE.0, 0);
        let mut lent = Lent::to(&replacing);
        let mut sim = Sim::made(&replacing, &mut lent, devices);
        let (report, end) = sim.pass(PassKind::Replacement);
        assert_eq!(end, PassEnd::Finished, "{layout:?}");
        // Far copies lie elsewhere on the others.
        if report.lost == Sectors::ZERO {
            continue;
        }
        assert_eq!(arrays::found_bad(&sim), [(members, CHUNK + UNIT, UNIT)], "{layout:?}");
        assert_eq!(report.lost, Sectors(UNIT));
        let listed = sim.engine.bad_blocks().to_vec();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].member, listed[0].at.0), (PLACE, CHUNK + UNIT), "it has the place");
        let new = &sim.host.devices[usize::from(members)];
        let at = DATA_OFFSET + CHUNK + UNIT;
        assert!(new.listed.iter().copied().eq(at..at + UNIT));
        // It is an error, not what lies there.
        let size = blueprint.geometry.size().0;
        let mut lost = 0;
        for unit in (0..size).step_by(usize::try_from(UNIT).unwrap()) {
            let answer = sim.request(arrays::read(unit, UNIT));
            match answer.result {
                Ok(_) => {
                    assert!(answer.memory == arrays::part(&content, unit, UNIT), "{layout:?}");
                }
                Err(Failure::Unrecoverable { .. }) => lost += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(lost > 0);
        // Written anew, it is good.
        sim.host.devices.iter_mut().for_each(|device| device.rules.clear());
        assert!(sim.request(arrays::write_all(&blueprint, &content)).result.is_ok());
        assert_eq!(sim.engine.bad_blocks(), []);
        assert!(sim.host.devices[usize::from(members)].listed.is_empty());
    }
}

#[test]
fn a_block_that_the_new_device_does_not_take_is_listed_and_made_from_the_others() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 2);
        let mut devices = devices(&blueprint, &content);
        devices[usize::from(members)].rules.push(fails(&[Action::Write], 2 * CHUNK + UNIT));
        let replacing = blueprint.clone().replacing(PLACE.0, 0);
        let mut lent = Lent::to(&replacing);
        let mut sim = Sim::made(&replacing, &mut lent, devices);
        let (report, end) = sim.pass(PassKind::Replacement);
        assert_eq!(end, PassEnd::Finished, "{layout:?}");
        assert_eq!((report.unwritten, report.lost), (Sectors(UNIT), Sectors::ZERO));
        assert_eq!(arrays::found_bad(&sim), [(members, 2 * CHUNK + UNIT, UNIT)]);
        arrays::assert_nobody_is_lost(&sim);
        let size = blueprint.geometry.size().0;
        let answer = sim.request(arrays::read(0, size));
        assert!(answer.result.is_ok() && answer.memory == content, "{layout:?}");
    }
}

#[test]
fn a_write_that_the_member_does_not_take_is_on_its_replacement() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let mut content = arrays::content(&blueprint, 3);
        let mut devices = devices(&blueprint, &content);
        devices[PLACE.index()].rules.push(fails(&[Action::Write], 2 * CHUNK + UNIT));
        let replacing = blueprint.clone().replacing(PLACE.0, 0);
        let mut lent = Lent::to(&replacing);
        let mut sim = Sim::made(&replacing, &mut lent, devices);
        content.reverse();
        assert!(sim.request(arrays::write_all(&blueprint, &content)).result.is_ok());
        let listed = sim.engine.bad_blocks().to_vec();
        assert_eq!((listed.len(), listed[0].member), (1, PLACE), "{layout:?}");
        let (report, end) = sim.pass(PassKind::Replacement);
        assert_eq!((end, report.lost), (PassEnd::Finished, Sectors::ZERO), "{layout:?}");
        assert_eq!(sim.engine.bad_blocks(), [], "what was bad of the member went with it");
        sim.host.devices.swap_remove(PLACE.index());
        let areas = blueprint.areas(&sim.host.devices, MemberSet::NONE);
        let sectors = blueprint.member_sectors;
        let wrong =
            raid_sim::reference::disagreements(&blueprint.geometry, &content, &areas, sectors);
        assert!(wrong.is_empty(), "{layout:?}: {wrong:?}");
    }
}
