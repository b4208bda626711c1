//! Locating: with two parities the one wrong block is found and mended, and nothing else is touched.

use raid_core::engine::{Dirty, PassEnd, PassKind, PassRefusal};
use raid_core::geometry::{Layout, Raid6Layout};
use raid_core::host::{Event, Fault};
use raid_core::members::MemberSet;
use raid_core::metadata::Consistency;
use raid_core::units::{DeviceSector, MemberIndex, Sectors};
use raid_sim::sim::{DATA_OFFSET, Lent, Sim};

use crate::arrays::{self, CHUNK, ROWS};

fn flip(sim: &mut Sim<'_>, member: u8, sector: u64, bit: u8) {
    let at = DATA_OFFSET + sector;
    let medium = &mut sim.host.devices[usize::from(member)].medium;
    let mut bytes = medium.stored(at, 512).to_vec();
    bytes[17] ^= bit;
    bytes[333] ^= bit.rotate_left(3);
    medium.store(at, &bytes);
}

#[test]
fn a_wrong_block_is_found_wherever_it_lies_and_becomes_what_it_was() {
    for layout in [
        Raid6Layout::LeftSymmetric,
        Raid6Layout::RightAsymmetric,
        Raid6Layout::DdfZeroRestart,
        Raid6Layout::DdfNContinue,
        Raid6Layout::LeftSymmetric6,
    ] {
        for members in [4, 5, 7] {
            let blueprint = arrays::blueprint(Layout::Raid6(layout), members);
            let content = arrays::content(&blueprint, 1);
            for member in 0..members {
                for sector in [0, 9, CHUNK + 7, ROWS * CHUNK - 1] {
                    let mut lent = Lent::to(&blueprint);
                    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
                    flip(&mut sim, member, sector, 0x81);
                    let (report, end) = sim.pass(PassKind::Locate);
                    assert_eq!(end, PassEnd::Finished);
                    let unit = Sectors(8);
                    assert_eq!((report.mismatched, report.mended), (unit, unit), "{report:?}");
                    assert_eq!(report.ambiguous, Sectors(0));
                    let found = Event::BlockLocated {
                        member: MemberIndex(member),
                        at: DeviceSector(DATA_OFFSET + sector / 8 * 8),
                        sectors: unit,
                    };
                    assert!(sim.host.events().any(|event| event == found), "{found:?}");
                    arrays::assert_holds(&blueprint, &sim, &content);
                }
            }
        }
    }
}

#[test]
fn one_wrong_block_in_each_of_many_units_is_mended_member_by_member() {
    let blueprint = arrays::blueprint(Layout::Raid6(Raid6Layout::LeftSymmetric), 6);
    let blueprint = raid_sim::sim::Blueprint { lane: Sectors(CHUNK), ..blueprint };
    let content = arrays::content(&blueprint, 2);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
    for (unit, member) in (0..ROWS * CHUNK / 8).zip([0, 3, 5, 1, 1, 4, 2].into_iter().cycle()) {
        flip(&mut sim, member, unit * 8 + unit % 8, 0x10);
    }
    let (report, _) = sim.pass(PassKind::Locate);
    assert_eq!(report.mended, Sectors(ROWS * CHUNK));
    arrays::assert_holds(&blueprint, &sim, &content);
}

#[test]
fn two_wrong_blocks_in_a_unit_are_reported_and_left_as_they_are() {
    let blueprint = arrays::blueprint(Layout::Raid6(Raid6Layout::LeftSymmetric), 5);
    let content = arrays::content(&blueprint, 3);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
    flip(&mut sim, 0, 2, 0x01);
    flip(&mut sim, 1, 3, 0x01);
    // Beside it one that is alone in its unit.
    flip(&mut sim, 2, 8, 0x04);
    let before: Vec<Vec<u8>> = sim
        .host
        .devices
        .iter()
        .map(|device| device.medium.stored(DATA_OFFSET, 4096).to_vec())
        .collect();
    let (report, end) = sim.pass(PassKind::Locate);
    assert_eq!(end, PassEnd::Finished);
    assert_eq!((report.ambiguous, report.mended), (Sectors(8), Sectors(8)));
    for (device, before) in sim.host.devices.iter().zip(&before) {
        assert!(device.medium.stored(DATA_OFFSET, 4096) == before.as_slice(), "touched");
    }
    let named = Event::Ambiguous { at: Sectors(0), sectors: Sectors(8) };
    assert!(sim.host.events().any(|event| event == named));
}

#[test]
fn what_is_reported_of_a_unit_names_the_unit_and_not_the_piece_that_it_lies_in() {
    let blueprint = arrays::blueprint(Layout::Raid6(Raid6Layout::LeftSymmetric), 5);
    let blueprint = raid_sim::sim::Blueprint { lane: Sectors(CHUNK), ..blueprint };
    let content = arrays::content(&blueprint, 6);
    let mut devices = blueprint.devices(&content);
    let unread = DATA_OFFSET + 2 * CHUNK + 8;
    devices[0].medium.spoil(unread..unread + 1, Fault::Media);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    flip(&mut sim, 0, CHUNK + 9, 0x01);
    flip(&mut sim, 1, CHUNK + 10, 0x01);
    assert_eq!(sim.pass(PassKind::Locate).1, PassEnd::Finished);
    let unit = Sectors(8);
    for event in [
        Event::Ambiguous { at: Sectors(CHUNK + 8), sectors: unit },
        Event::NotCompared { at: Sectors(2 * CHUNK + 8), sectors: unit },
    ] {
        assert!(sim.host.events().any(|noted| noted == event), "{event:?}");
    }
}

#[test]
fn nothing_is_located_by_parity_that_is_not_known_to_agree() {
    for dirty in [Dirty::Refuse, Dirty::Force] {
        let consistency = Consistency::InSyncTo(Sectors(CHUNK));
        let blueprint = arrays::blueprint(Layout::Raid6(Raid6Layout::LeftSymmetric), 5);
        let blueprint = raid_sim::sim::Blueprint { consistency, dirty, ..blueprint };
        let content = arrays::content(&blueprint, 7);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        // A write that a loss of power cut short: its parity is that of the data before.
        flip(&mut sim, 0, 2 * CHUNK, 0x01);
        assert_eq!(sim.engine.start_pass(PassKind::Locate), Err(PassRefusal::NotInSync));
        assert_eq!(sim.pass(PassKind::Resync).1, PassEnd::Finished);
        let (report, end) = sim.pass(PassKind::Locate);
        assert_eq!((report.mismatched, end), (Sectors(0), PassEnd::Finished));
    }
}

#[test]
fn without_two_parities_nothing_is_located() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 4);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        let started = sim.engine.start_pass(PassKind::Locate);
        match layout {
            Layout::Raid6(_) => assert_eq!(started, Ok(())),
            Layout::Raid0
            | Layout::Raid1
            | Layout::Raid4
            | Layout::Raid5(_)
            | Layout::Raid10(_) => assert_eq!(started, Err(PassRefusal::OneParity)),
        }
        sim.run();
    }
    let lost = MemberSet::only(MemberIndex(1));
    let blueprint = arrays::blueprint(Layout::Raid6(Raid6Layout::LeftSymmetric), 5).without(lost);
    let content = arrays::content(&blueprint, 5);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
    assert_eq!(sim.engine.start_pass(PassKind::Locate), Err(PassRefusal::Degraded));
}
