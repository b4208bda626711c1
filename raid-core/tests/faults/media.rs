//! Media and integrity faults: they cost fault units, not rectangles and not members.

use raid_core::host::{Event, Failure, Fault};
use raid_core::members::MemberSet;
use raid_core::request::Stability;
use raid_core::units::{DeviceSector, Lba, MemberIndex, Sectors};
use raid_sim::reference;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish};

use crate::setups::{self, CHUNK};

fn holds(blueprint: &Blueprint, sim: &Sim<'_>, content: &[u8]) {
    let areas = blueprint.areas(&sim.host.devices, sim.host.lost());
    let wrong =
        reference::disagreements(&blueprint.geometry, content, &areas, blueprint.member_sectors);
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_media_fault_costs_its_unit_alone() {
    for fault in [Fault::Media, Fault::Integrity] {
        for stability in [Stability::Stable, Stability::Volatile] {
            let blueprint = setups::raid5(4);
            let content = setups::content(&blueprint, 1);
            let mut devices = blueprint.devices(&content);
            // Member 0 holds the first data block of row 0; one sector in its unit 3 is bad.
            devices[0].medium.spoil(DATA_OFFSET + 27..DATA_OFFSET + 28, fault);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let answer = sim.request(Wish::Read { at: 0, sectors: CHUNK, stability });
            assert!(answer.result.is_ok());
            assert!(answer.memory == setups::part(&content, 0, CHUNK));

            let at = DeviceSector(DATA_OFFSET + 24);
            let rewritten =
                Event::BlockRewritten { member: MemberIndex(0), at, sectors: Sectors(8) };
            assert_eq!(setups::events(&sim), [rewritten]);
            let transfers = setups::transfers(&sim);
            let writes: Vec<_> = transfers.iter().filter(|it| it.0 == Action::Write).collect();
            assert_eq!(writes, [&(Action::Write, 0, DATA_OFFSET + 24, 8)]);
            // The whole, eight units, and of the other members one unit each.
            let reads = |device| {
                transfers.iter().filter(|it| it.0 == Action::Read && it.1 == device).count()
            };
            assert_eq!([reads(0), reads(1), reads(2), reads(3)], [9, 1, 1, 1]);
            assert!(sim.host.lost().is_empty());
            let bad = DATA_OFFSET + 24..DATA_OFFSET + 32;
            assert!(!sim.host.devices[0].medium.is_spoilt(bad));
            holds(&blueprint, &sim, &content);
        }
    }
}

#[test]
fn bad_units_of_two_members_at_different_offsets_of_a_row_are_both_served() {
    let blueprint = setups::raid5(4);
    let content = setups::content(&blueprint, 2);
    let mut devices = blueprint.devices(&content);
    devices[0].medium.spoil(DATA_OFFSET + 8..DATA_OFFSET + 16, Fault::Media);
    devices[1].medium.spoil(DATA_OFFSET + 40..DATA_OFFSET + 41, Fault::Integrity);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let answer = sim.request(setups::read(0, 3 * CHUNK));
    assert!(answer.result.is_ok());
    assert!(answer.memory == setups::part(&content, 0, 3 * CHUNK));
    let rewritten = |member, sector| Event::BlockRewritten {
        member: MemberIndex(member),
        at: DeviceSector(DATA_OFFSET + sector),
        sectors: Sectors(8),
    };
    assert_eq!(setups::events(&sim), [rewritten(0, 8), rewritten(1, 40)]);
    holds(&blueprint, &sim, &content);
}

#[test]
fn bad_units_of_two_members_at_one_offset_cost_this_unit_and_name_it() {
    let blueprint = setups::raid5(4);
    let content = setups::content(&blueprint, 3);
    let mut devices = blueprint.devices(&content);
    for device in [0, 1] {
        devices[device].medium.spoil(DATA_OFFSET + 16..DATA_OFFSET + 24, Fault::Media);
    }
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let answer = sim.request(setups::read(0, 3 * CHUNK));
    let sectors = Sectors(8);
    assert_eq!(answer.result, Err(Failure::Unrecoverable { at: Lba(16), sectors }));
    let lost = |at| Event::RangeLost { request: answer.request, at: Lba(at), sectors };
    assert_eq!(setups::events(&sim), [lost(16), lost(CHUNK + 16)]);
    for sector in (0..3 * CHUNK).filter(|sector| !matches!(sector, 16..24 | 80..88)) {
        let here = usize::try_from(sector).unwrap() * 512..;
        assert!(answer.memory[here][..512] == *setups::part(&content, sector, 1), "{sector}");
    }
    assert!(sim.host.lost().is_empty(), "no member is lost");
}

#[test]
fn a_write_mends_what_it_could_not_read() {
    // Each member's block in turn is bad under each kind of write to a row.
    for (first, sectors) in [(0, CHUNK), (0, 2 * CHUNK), (CHUNK, 2 * CHUNK), (8, 8), (3, 21)] {
        for bad in 0..5 {
            for blueprint in [setups::raid5(5), setups::raid6(5)] {
                let before = setups::content(&blueprint, 4);
                let other = setups::content(&blueprint, 5);
                let mut after = before.clone();
                setups::overlay(&mut after, &other, first, sectors);
                let mut devices = blueprint.devices(&before);
                devices[bad].medium.spoil(DATA_OFFSET..DATA_OFFSET + CHUNK, Fault::Media);
                let mut lent = Lent::to(&blueprint);
                let mut sim = Sim::made(&blueprint, &mut lent, devices);
                let answer = sim.request(setups::write(&other, first, sectors));
                assert!(answer.result.is_ok(), "{first} + {sectors}, bad {bad}");
                assert!(sim.host.lost().is_empty());
                holds(&blueprint, &sim, &after);
            }
        }
    }
}

#[test]
fn a_failed_write_is_tried_again_in_units_and_costs_nothing_if_they_are_taken() {
    let blueprint = setups::raid5(4);
    let before = setups::content(&blueprint, 6);
    let after = setups::content(&blueprint, 7);
    let mut devices = blueprint.devices(&before);
    devices[1].rules.push(Rule::on(&[Action::Write], Fault::Media).times(1));
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let answer = sim.request(setups::write(&after, 0, 3 * CHUNK));
    assert!(answer.result.is_ok());
    assert!(sim.host.lost().is_empty());
    let to_member_1: Vec<_> = setups::transfers(&sim)
        .into_iter()
        .filter(|(action, device, ..)| *action == Action::Write && *device == 1)
        .map(|(_, _, at, sectors)| (at - DATA_OFFSET, sectors))
        .collect();
    let mut wanted = vec![(0, CHUNK)];
    wanted.extend((0..CHUNK / 8).map(|unit| (unit * 8, 8)));
    assert_eq!(to_member_1, wanted);
    let mut content = before;
    setups::overlay(&mut content, &after, 0, 3 * CHUNK);
    holds(&blueprint, &sim, &content);
}

#[test]
fn a_unit_that_takes_no_write_costs_the_member_and_that_is_on_record_first() {
    // The bad unit fails at every write; the answer waits for the record: the host checks that.
    for bad in 0..4 {
        let blueprint = setups::raid5(4);
        let before = setups::content(&blueprint, 8);
        let other = setups::content(&blueprint, 9);
        let mut devices = blueprint.devices(&before);
        let unit = DATA_OFFSET + 40..DATA_OFFSET + 48;
        devices[bad].rules.push(Rule::on(&[Action::Write], Fault::Media).at(unit));
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        let answer = sim.request(setups::write(&other, 0, 3 * CHUNK));
        assert!(answer.result.is_ok());
        let lost = MemberSet::only(MemberIndex(u8::try_from(bad).unwrap()));
        assert_eq!(sim.host.lost(), lost);
        // The whole, and the units up to the bad one.
        assert_eq!(setups::count(&sim.host.devices, bad, Action::Write), 1 + 6);
        let mut after = before;
        setups::overlay(&mut after, &other, 0, 3 * CHUNK);
        holds(&blueprint, &sim, &after);
        for (place, device) in sim.host.devices.iter().enumerate() {
            let record = device.durable.expect("every member was marked dirty");
            if place == bad {
                assert_eq!((record.events, record.failed), (11, MemberSet::NONE));
            } else {
                assert_eq!((record.events, record.failed), (12, lost));
            }
        }
    }
}

#[test]
fn a_block_that_cannot_be_mended_costs_the_member_but_not_the_read() {
    let blueprint = setups::raid5(4);
    let content = setups::content(&blueprint, 10);
    let mut devices = blueprint.devices(&content);
    let unit = DATA_OFFSET..DATA_OFFSET + 8;
    devices[0].rules.push(Rule::on(&[Action::Read, Action::Write], Fault::Media).at(unit));
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let answer = sim.request(setups::read(0, CHUNK));
    assert!(answer.result.is_ok());
    assert!(answer.memory == setups::part(&content, 0, CHUNK));
    assert_eq!(sim.host.lost(), MemberSet::only(MemberIndex(0)));
    let record = sim.host.devices[1].durable.expect("the loss is put on record all the same");
    assert_eq!(record.failed, MemberSet::only(MemberIndex(0)));
}
