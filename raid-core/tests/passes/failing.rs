//! Passes over members that fail: they go on, or stop once and say why.

use raid_core::engine::{Activity, Fate, Halt, PassEnd, PassKind, StopReason};
use raid_core::geometry::{Layout, Raid5Layout};
use raid_core::host::{Event, Failure, Fault};
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::host::Waits;
use raid_sim::order::{Order, Random};
use raid_sim::reference::lay_out;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish};

use crate::arrays::{self, CHUNK, ROWS};

fn stops(sim: &Sim<'_>) -> Vec<PassEnd> {
    let end = |event| match event {
        Event::PassEnded { end, .. } => Some(end),
        Event::MemberFailed { .. }
        | Event::ArrayFailed
        | Event::MemberReplaced { .. }
        | Event::JournalFailed { .. }
        | Event::MemberHung { .. }
        | Event::MemberQuiet { .. }
        | Event::Quiesced
        | Event::BlockRewritten { .. }
        | Event::BlockBad { .. }
        | Event::BlockGood { .. }
        | Event::NotCompared { .. }
        | Event::BlockLocated { .. }
        | Event::Ambiguous { .. }
        | Event::ReshapeEnded { .. }
        | Event::RangeLost { .. } => None,
    };
    sim.host.events().filter_map(end).collect()
}

#[test]
fn any_member_gone_at_any_command_of_a_recovery_ends_it_once() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 1);
        for gone in 0..members {
            for after in (0..60).step_by(3) {
                let mut devices = blueprint.devices(&content);
                arrays::spoil(&mut devices, &[1], 0);
                devices[usize::from(gone)].rules.push(Rule::gone_after(after));
                let damaged = arrays::rebuilding(blueprint.clone(), &[1], 0);
                let mut lent = Lent::to(&damaged);
                let mut sim = Sim::made(&damaged, &mut lent, devices);
                sim.order = Order::Random(Random::new(after));
                sim.engine.start_pass(PassKind::Recovery).unwrap();
                sim.run();
                let (report, end) = sim.pass_ended().unwrap();
                assert_eq!(stops(&sim).len(), 1);
                let finished = end == PassEnd::Finished;
                if finished {
                    arrays::assert_holds(&blueprint, &sim, &content);
                }
                match (sim.engine.fate(), end) {
                    (Fate::Serving, PassEnd::Finished) => {}
                    (Fate::Serving, PassEnd::Halted(Halt::Stopped(reason))) => {
                        assert_eq!(reason, StopReason::TargetLost, "{layout:?} {gone} {after}");
                        assert_eq!(gone, 1);
                        let halt = Halt::Stopped(reason);
                        assert_eq!(sim.engine.activity(), Activity::Halted(report, halt));
                    }
                    (Fate::Failed, PassEnd::Halted(Halt::Stopped(StopReason::ArrayFailed))) => {}
                    // A member lost when all was rebuilt: the array failed or it did not.
                    (Fate::Failed, PassEnd::Finished) => {}
                    (fate, end) => panic!("{layout:?} {gone} {after}: {fate:?} {end:?}"),
                }
                // Whoever is not lost for good is read; what is read is right.
                let lost = sim.host.lost();
                if sim.engine.fate() == Fate::Serving {
                    let void = match sim.engine.member_state(MemberIndex(1)) {
                        MemberState::InSync => lost,
                        MemberState::Rebuilding { .. }
                        | MemberState::Failed
                        | MemberState::Missing => lost.union(arrays::set(&[1])),
                    };
                    let devices = sim.host.devices.clone();
                    let read = raid_sim::sim::read_back(&blueprint, devices, void);
                    assert!(read.as_ref() == Ok(&content), "{layout:?} {gone} {after}");
                }
            }
        }
    }
}

#[test]
fn a_block_that_no_member_has_stops_a_recovery_there_and_nothing_is_made_up() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 2);
        let mut devices = blueprint.devices(&content);
        let bytes = usize::try_from(ROWS * CHUNK).unwrap() * 512;
        let right = devices[1].medium.stored(DATA_OFFSET, bytes).to_vec();
        arrays::spoil(&mut devices, &[1], 0);
        let garbage = devices[1].medium.stored(DATA_OFFSET, bytes).to_vec();
        // One unit of one row is unreadable wherever it lies.
        for device in &mut devices {
            device.medium.spoil(DATA_OFFSET + 2 * CHUNK..DATA_OFFSET + 2 * CHUNK + 8, Fault::Media);
            device.rules.push(
                Rule::on(&[Action::Read], Fault::Media)
                    .at(DATA_OFFSET + 2 * CHUNK..DATA_OFFSET + 2 * CHUNK + 8),
            );
        }
        let blueprint = arrays::rebuilding(blueprint, &[1], 0);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        let (report, end) = sim.pass(PassKind::Recovery);
        let PassEnd::Halted(Halt::Stopped(StopReason::Unrecoverable { at })) = end else {
            panic!("{layout:?}: {end:?}");
        };
        assert!(report.position <= at, "{layout:?}: {report:?} {at:?}");
        assert!(at.0 < ROWS * CHUNK);
        assert_eq!(stops(&sim).len(), 1);
        assert_eq!(sim.engine.fate(), Fate::Serving);
        let now = sim.host.devices[1].medium.stored(DATA_OFFSET, bytes).to_vec();
        let sectors = now.chunks(512).zip(garbage.chunks(512)).zip(right.chunks(512));
        for (number, ((now, garbage), right)) in sectors.enumerate() {
            assert!(now == garbage || now == right, "{layout:?}: sector {number} is made up");
        }
        // It can be started again, and stops there again: never by itself.
        let (_, again) = sim.pass(PassKind::Recovery);
        assert_eq!(again, end);
        assert_eq!(stops(&sim).len(), 2);
    }
}

#[test]
fn a_member_lost_in_a_resync_stops_it_where_parity_is_not_known() {
    for (layout, members) in arrays::layouts() {
        for gone in 0..members {
            for after in [0, 5, 11] {
                let blueprint = Blueprint {
                    consistency: Consistency::InSyncTo(Sectors(0)),
                    ..arrays::blueprint(layout, members)
                };
                let content = arrays::content(&blueprint, 3);
                let mut devices = blueprint.devices(&content);
                devices[usize::from(gone)].rules.push(Rule::gone_after(after));
                let mut lent = Lent::to(&blueprint);
                let mut sim = Sim::made(&blueprint, &mut lent, devices);
                sim.host.waits = Waits::ForItsOwn;
                let (report, end) = sim.pass(PassKind::Resync);
                let reasons = [StopReason::MemberLost, StopReason::ArrayFailed];
                match end {
                    PassEnd::Halted(Halt::Stopped(reason)) => assert!(reasons.contains(&reason)),
                    PassEnd::Halted(Halt::Parked) | PassEnd::Finished => panic!("{end:?}"),
                }
                assert!(report.position <= report.end);
                let record = sim.host.last_record();
                assert!(record.is_none_or(|record| record.consistency != Consistency::Clean));
            }
        }
    }
}

#[test]
fn bad_sectors_within_the_redundancy_are_mended_on_the_way() {
    for (layout, members) in arrays::layouts() {
        let blueprint =
            Blueprint { consistency: Consistency::Clean, ..arrays::blueprint(layout, members) };
        let content = arrays::content(&blueprint, 4);
        for kind in [PassKind::Repair, PassKind::Check] {
            let mut devices = blueprint.devices(&content);
            devices[0].medium.spoil(DATA_OFFSET + 3..DATA_OFFSET + 4, Fault::Media);
            let last = usize::from(members) - 1;
            let at = DATA_OFFSET + 3 * CHUNK;
            devices[last].medium.spoil(at + 9..at + 12, Fault::Integrity);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let (report, end) = sim.pass(kind);
            assert_eq!(end, PassEnd::Finished, "{layout:?}");
            assert_eq!(report.mismatched, Sectors(0));
            match kind {
                PassKind::Check => assert_eq!(report.unread, Sectors(16)),
                PassKind::Repair
                | PassKind::Resync
                | PassKind::Recovery
                | PassKind::Replacement
                | PassKind::Locate => {
                    assert_eq!(report.unread, Sectors(0));
                    let read = raid_sim::sim::read_back(
                        &blueprint,
                        sim.host.devices.clone(),
                        MemberSet::NONE,
                    );
                    assert!(read == Ok(content.clone()));
                    let (report, _) = sim.pass(PassKind::Check);
                    assert_eq!((report.unread, report.mismatched), (Sectors(0), Sectors(0)));
                }
            }
        }
    }
}

#[test]
fn a_member_under_recovery_is_valid_only_where_it_was_written_when_the_array_fails() {
    for (layout, members) in arrays::layouts() {
        let blueprint = arrays::blueprint(layout, members);
        let content = arrays::content(&blueprint, 6);
        for (gone, after) in (0..members)
            .filter(|gone| *gone != 1)
            .flat_map(|gone| (0..40).map(move |after| (gone, after)))
        {
            let mut devices = blueprint.devices(&content);
            arrays::spoil(&mut devices, &[1], 0);
            devices[usize::from(gone)].rules.push(Rule::gone_after(after));
            let damaged = arrays::rebuilding(blueprint.clone(), &[1], 0);
            let mut lent = Lent::to(&damaged);
            let mut sim = Sim::made(&damaged, &mut lent, devices);
            sim.order = Order::Random(Random::new(after));
            sim.engine.start_pass(PassKind::Recovery).unwrap();
            sim.run();
            let valid_to = match sim.engine.member_state(MemberIndex(1)) {
                MemberState::Rebuilding { valid_to } => valid_to,
                MemberState::InSync | MemberState::Failed | MemberState::Missing => continue,
            };
            let bytes = usize::try_from(valid_to.0).unwrap() * 512;
            let areas = blueprint.areas(&sim.host.devices, MemberSet::NONE);
            let wanted = lay_out(&blueprint.geometry, &content, blueprint.member_sectors);
            let is_valid = areas[1].unwrap()[..bytes] == wanted[1][..bytes];
            assert!(is_valid, "{layout:?}, {gone} gone after {after}: not valid to {valid_to:?}");
        }
    }
}

#[test]
fn nothing_is_made_from_a_row_that_the_failure_of_the_array_has_torn() {
    let whole = arrays::blueprint(Layout::Raid5(Raid5Layout::LeftSymmetric), 3);
    let whole = Blueprint { lane: Sectors(CHUNK), ..whole };
    let content = arrays::content(&whole, 1);
    let written = arrays::content(&whole, 2);
    let mut refused = 0;
    for after in 0..24 {
        for seed in 0..20 {
            let mut devices = whole.devices(&content);
            arrays::spoil(&mut devices, &[2], CHUNK);
            // The data is not written at once, and the array fails before it is written in parts.
            devices[0].rules.push(Rule::on(&[Action::Write], Fault::Media).times(1));
            devices[1].rules.push(Rule::gone_after(after));
            // The first row is rebuilt: its parity is on the member under recovery.
            let blueprint = arrays::rebuilding(whole.clone(), &[2], CHUNK);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            sim.host.waits = Waits::ForItsOwn;
            sim.order = Order::Random(Random::new(seed));
            let read = |at, sectors| Wish::Read { at, sectors, stability: Stability::Stable };
            let bytes = written[..usize::try_from(CHUNK * 512).unwrap()].to_vec();
            sim.start(Wish::Write { at: 0, bytes, stability: Stability::Stable }).unwrap();
            for _ in 0..40 {
                // As many as find room, so that the failure may come at any time.
                let _ = sim.start(read(2 * CHUNK, 2 * CHUNK));
                sim.turn();
            }
            sim.run();
            let answer = sim.request(read(CHUNK, 8));
            match answer.result {
                Ok(_) => {
                    let range = usize::try_from(CHUNK * 512).unwrap()..;
                    assert!(answer.memory == content[range][..8 * 512], "{after} {seed}");
                }
                Err(failure) => {
                    assert!(matches!(failure, Failure::Unrecoverable { .. }), "{failure}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_recovery_whose_member_fails_over_the_last_record_has_not_finished() {
    let whole = arrays::blueprint(Layout::Raid5(Raid5Layout::LeftSymmetric), 4);
    let content = arrays::content(&whole, 1);
    let (mut finished, mut lost) = (0, 0);
    for actions in [&[Action::Record], &[Action::Flush]] {
        for before in 0..24 {
            let mut devices = whole.devices(&content);
            arrays::spoil(&mut devices, &[1], 0);
            let rule = Rule::on(actions, Fault::Gone);
            devices[1].rules.push(rule.skipping(before));
            let blueprint = arrays::rebuilding(whole.clone(), &[1], 0);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let (_, end) = sim.pass(PassKind::Recovery);
            match sim.engine.member_state(MemberIndex(1)) {
                MemberState::InSync => {
                    assert_eq!(end, PassEnd::Finished);
                    finished += 1;
                }
                state @ (MemberState::Rebuilding { .. }
                | MemberState::Failed
                | MemberState::Missing) => {
                    let reason = PassEnd::Halted(Halt::Stopped(StopReason::TargetLost));
                    assert_eq!((state, end), (MemberState::Failed, reason), "{actions:?} {before}");
                    lost += 1;
                }
            }
        }
    }
    assert!(finished > 0 && lost > 0);
}
