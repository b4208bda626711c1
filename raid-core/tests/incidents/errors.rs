//! Errors that cost more than they should, and retries without an end.

use raid_core::engine::{PassEnd, PassKind, Refusal};
use raid_core::geometry::{Geometry, Layout, Raid6Layout, Shape};
use raid_core::host::{Event, Failure, Fault};
use raid_core::limits::MEMBERS_MAX;
use raid_core::members::MemberSet;
use raid_core::units::{DataIndex, DeviceSector, MemberIndex, Sectors, StripeRow};
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim};

use crate::arrays::{self, CHUNK, ROWS};

/// A read whose memory the layer below refused went from mirror to mirror for ever: "raid1:
/// redirecting sector", Linux 6.0.
#[test]
fn a_read_that_a_device_calls_malformed_goes_back_at_once() {
    for fault in [Fault::InvalidRequest, Fault::Unsupported] {
        for blueprint in [arrays::raid1(2), arrays::raid5(3), arrays::raid6(4)] {
            let content = arrays::content(&blueprint, 1);
            let mut devices = blueprint.devices(&content);
            for device in &mut devices {
                device.rules.push(Rule::on(&[Action::Read], fault));
            }
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let answer = sim.request(arrays::read(0, 8));
            assert_eq!(answer.result, Err(Failure::Rejected { fault }));
            let reads = sim.host.devices.iter().map(|device| device.count(Action::Read));
            assert_eq!(reads.sum::<usize>(), 1, "no second try anywhere");
            assert_eq!(sim.host.events().count(), 0, "nobody is blamed");
            assert_eq!(sim.host.lost(), MemberSet::NONE);
        }
    }
}

/// A request of no length was counted as an error of the member until the member was failed: Linux
/// 6.18.
#[test]
fn a_request_that_makes_no_sense_reaches_no_member() {
    let blueprint = arrays::raid1(2);
    let content = arrays::content(&blueprint, 1);
    let size = blueprint.geometry.size();
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
    for (at, sectors) in [(0, 0), (size.0, 1), (size.0 - 1, 2), (u64::MAX, 1), (1, u64::MAX)] {
        let refused = sim.start(arrays::read(at, sectors));
        assert!(
            matches!(refused, Err(Refusal::Range { .. } | Refusal::TooLong { .. })),
            "{refused:?}"
        );
    }
    sim.run();
    assert_eq!(sim.host.commands().count(), 0);
    assert_eq!(sim.host.lost(), MemberSet::NONE);
}

/// One bad sector marked everything as bad that had been read along with it: 49d47f78f9a7.
#[test]
fn one_bad_unit_of_a_long_read_costs_that_unit() {
    const LONG: u64 = 1024;
    let blueprint = Blueprint::new(arrays::raid5(3).geometry.layout(), 3, LONG, 2 * LONG);
    let blueprint = Blueprint { lane: Sectors(LONG), ..blueprint };
    let content = arrays::content(&blueprint, 1);
    let mut devices = blueprint.devices(&content);
    let bad = DATA_OFFSET + 400;
    devices[0].medium.spoil(bad..bad + 1, Fault::Media);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let answer = sim.request(arrays::read(0, 2 * LONG));
    assert!(answer.memory == content[..arrays::bytes(2 * LONG)]);
    let rewritten = Event::BlockRewritten {
        member: MemberIndex(0),
        at: DeviceSector(bad),
        sectors: Sectors(8),
    };
    assert_eq!(sim.host.events().collect::<Vec<_>>(), [rewritten]);
}

/// A recovery whose only source had a bad sector began again and again: 4044ba58dd15, 5389042ffa36.
#[test]
fn a_recovery_that_cannot_go_on_ends_once_and_stays_ended() {
    for blueprint in [arrays::raid1(2), arrays::raid5(3)] {
        let content = arrays::content(&blueprint, 1);
        let mut devices = blueprint.devices(&content);
        arrays::spoil(&mut devices, 1, 0);
        let bad = DATA_OFFSET + 2 * CHUNK;
        devices[0].medium.spoil(bad..bad + 1, Fault::Media);
        let blueprint = arrays::rebuilding(blueprint, 1, 0);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        let (report, end) = sim.pass(PassKind::Recovery);
        assert!(matches!(end, PassEnd::Halted(_)), "{end:?}");
        assert_eq!(report.position, Sectors(2 * CHUNK), "all before is done");
        let commands = sim.host.commands().count();
        sim.run();
        // A read elsewhere wakes nothing up.
        assert!(sim.request(arrays::read(0, 8)).result.is_ok());
        assert!(sim.host.commands().count() <= commands + 8);
        let ends = sim.host.events().filter(|it| matches!(it, Event::PassEnded { .. }));
        assert_eq!(ends.count(), 1);
    }
}

/// A parity block that could not be read was asked for over and over: 7471fb77ce4d.
#[test]
fn an_unreadable_p_of_a_degraded_raid6_is_made_and_mended_with_few_reads() {
    let whole = arrays::raid6(5);
    let content = arrays::content(&whole, 1);
    let Geometry::Parity(geometry) = whole.geometry else { panic!("it has parity") };
    let row = geometry.row(StripeRow(0));
    let p = row.p().index();
    for data in 0..row.data_members() {
        let lost = row.member(DataIndex(data)).unwrap();
        let mut devices = whole.devices(&content);
        devices[p].medium.spoil(DATA_OFFSET..DATA_OFFSET + 8, Fault::Media);
        let blueprint = whole.clone().without(MemberSet::only(lost));
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        let at = u64::from(data) * CHUNK;
        let answer = sim.request(arrays::read(at, 8));
        assert!(answer.memory == content[arrays::bytes(at)..arrays::bytes(at + 8)]);
        let reads: usize = sim.host.devices.iter().map(|device| device.count(Action::Read)).sum();
        assert!(reads <= 2 * 4, "each member once before and once after: {reads}");
        assert_eq!(sim.host.devices[p].count(Action::Write), 1, "mended");
        assert!(!sim.host.devices[p].medium.is_spoilt(DATA_OFFSET..DATA_OFFSET + 8));
        arrays::assert_holds(&blueprint, &sim, &content);
    }
}

/// More members than the tables of the kernels hold ended in a BUG: neilbrown/mdadm issue 6.
#[test]
fn more_members_than_there_can_be_are_refused() {
    let members_max = u8::try_from(MEMBERS_MAX).unwrap();
    let shape = |members| Shape {
        layout: Layout::Raid6(Raid6Layout::LeftSymmetric),
        members,
        chunk: Sectors(CHUNK),
        member_size: Sectors(ROWS * CHUNK),
    };
    assert!(Geometry::new(shape(members_max)).is_ok());
    if let Some(more) = members_max.checked_add(1) {
        assert!(Geometry::new(shape(more)).is_err());
    }
}
