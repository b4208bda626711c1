//! Marks: what is not known to be valid is no input.

use raid_core::engine::{Access, Fate, SetupError};
use raid_core::host::{Command, Failure, Fault};
use raid_core::io_limits::IoLimits;
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::Consistency;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::order::Random;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim, Wish};

use crate::setups::{self, CHUNK};

fn rebuilding(mut blueprint: Blueprint, member: usize, valid_to: u64) -> Blueprint {
    let seat = blueprint.seats[member].as_mut().unwrap();
    seat.state = MemberState::Rebuilding { valid_to: Sectors(valid_to) };
    blueprint
}

/// Devices of which one holds garbage from a mark on.
fn with_garbage(
    blueprint: &Blueprint,
    content: &[u8],
    member: usize,
    from: u64,
) -> Vec<raid_sim::device::RamDevice> {
    let mut devices = blueprint.devices(content);
    let mut garbage = vec![0; usize::try_from(blueprint.member_sectors - from).unwrap() * 512];
    Random::new(77).fill(&mut garbage);
    devices[member].medium.store(DATA_OFFSET + from, &garbage);
    devices
}

#[test]
fn a_rebuilding_member_is_read_below_its_mark_only() {
    for mark in [0, 8, 13, CHUNK, CHUNK + 24, 3 * CHUNK + 1] {
        for member in 0..3 {
            for blueprint in [setups::raid5(4), setups::raid6(5), setups::raid1(3)] {
                let content = setups::content(&blueprint, 1);
                let devices = with_garbage(&blueprint, &content, member, mark);
                let blueprint = rebuilding(blueprint, member, mark);
                let mut lent = Lent::to(&blueprint);
                let mut sim = Sim::made(&blueprint, &mut lent, devices);
                let size = blueprint.geometry.size().0;
                let answer = sim.request(setups::read(0, size));
                assert!(answer.result.is_ok());
                assert!(answer.memory == content, "mark {mark}, member {member}");
                for (action, device, at, sectors) in setups::transfers(&sim) {
                    assert_eq!(action, Action::Read);
                    let end = at + sectors - DATA_OFFSET;
                    assert!(usize::from(device) != member || end <= mark, "read to {end}");
                }
            }
        }
    }
}

#[test]
fn a_rebuilding_member_takes_every_write() {
    for mark in [0, 24, CHUNK, 2 * CHUNK + 8] {
        let blueprint = setups::raid6(5);
        let before = setups::content(&blueprint, 2);
        let other = setups::content(&blueprint, 3);
        let mut after = before.clone();
        let devices = with_garbage(&blueprint, &before, 1, mark);
        let blueprint = rebuilding(blueprint, 1, mark);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        for (at, sectors) in [(0, 8), (20, 100), (3 * CHUNK, 3 * CHUNK), (500, 77)] {
            assert!(sim.request(setups::write(&other, at, sectors)).result.is_ok());
            setups::overlay(&mut after, &other, at, sectors);
        }
        let lost = MemberSet::only(MemberIndex(1));
        let read = raid_sim::sim::read_back(&blueprint, sim.host.devices.clone(), lost);
        assert!(read.as_ref() == Ok(&after), "without the member");
        // What was written lies on the member too, valid or not.
        assert!(setups::transfers(&sim).iter().any(|it| it.0 == Action::Write && it.1 == 1));
    }
}

#[test]
fn a_mark_inside_of_a_logical_block_counts_from_the_block() {
    let limits = IoLimits {
        logical_block_bytes: 4096,
        memory_alignment_bytes: 512,
        transfer_max: Sectors(2048),
    };
    for mark in [1, 12, CHUNK + 7] {
        let blueprint = setups::raid5(4).limited(limits);
        let content = setups::content(&blueprint, 4);
        let devices = with_garbage(&blueprint, &content, 0, mark);
        let blueprint = rebuilding(blueprint, 0, mark);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        let answer = sim.request(setups::read(0, blueprint.geometry.size().0));
        assert!(answer.result.is_ok());
        assert!(answer.memory == content);
    }
    for mark in [1, 12, CHUNK + 7] {
        let mut blueprint = setups::raid5(5).limited(limits);
        blueprint.consistency = Consistency::InSyncTo(Sectors(mark));
        let content = setups::content(&blueprint, 4);
        let devices = blueprint.devices(&content);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        assert!(sim.request(setups::write(&content, 0, 2 * CHUNK)).result.is_ok());
    }
}

#[test]
fn an_unclean_array_is_written_without_its_old_parity() {
    let mut blueprint = setups::raid5(5);
    let before = setups::content(&blueprint, 5);
    let other = setups::content(&blueprint, 6);
    let mut devices = blueprint.devices(&before);
    // The parity of row 0 is on the last member, and it is wrong.
    devices[4].medium.store(DATA_OFFSET, &vec![0xA5; 64 * 512]);
    blueprint.consistency = Consistency::InSyncTo(Sectors(0));
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    assert!(sim.request(setups::write(&other, 0, CHUNK)).result.is_ok());
    let read: Vec<u8> = setups::transfers(&sim)
        .iter()
        .filter(|transfer| transfer.0 == Action::Read)
        .map(|transfer| transfer.1)
        .collect();
    assert_eq!(read, [1, 2, 3], "the data that is not written, and no parity");
    let mut after = before;
    setups::overlay(&mut after, &other, 0, CHUNK);
    let areas = blueprint.areas(&sim.host.devices, MemberSet::NONE);
    let sectors = blueprint.member_sectors;
    let wrong = raid_sim::reference::disagreements(&blueprint.geometry, &after, &areas, sectors);
    assert!(wrong.is_empty(), "the parity of what was written fits: {wrong:?}");
}

#[test]
fn a_block_lost_where_parity_may_not_fit_is_an_error_and_not_made_up() {
    for (mark, serves) in [(0, false), (CHUNK, true), (4 * CHUNK, true)] {
        for fault in [Fault::Media, Fault::Gone] {
            let mut blueprint = setups::raid5(4);
            let content = setups::content(&blueprint, 7);
            let mut devices = blueprint.devices(&content);
            if mark == 0 {
                devices[3].medium.store(DATA_OFFSET, &vec![0x5A; 64 * 512]);
            }
            devices[0].rules.push(Rule::on(&[Action::Read], fault).at(16..80));
            blueprint.consistency = Consistency::InSyncTo(Sectors(mark));
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let answer = sim.request(setups::read(0, 3 * CHUNK));
            if serves {
                assert!(answer.memory == setups::part(&content, 0, 3 * CHUNK));
                assert!(answer.result.is_ok());
            } else {
                assert!(matches!(answer.result, Err(Failure::Unrecoverable { .. })));
                let rest = &answer.memory[64 * 512..];
                assert!(rest == setups::part(&content, CHUNK, 2 * CHUNK), "the rest is served");
                let written = setups::transfers(&sim).iter().any(|it| it.0 == Action::Write);
                assert!(!written, "nothing is made up");
            }
        }
    }
}

#[test]
fn a_dirty_array_without_a_member_is_refused() {
    let mut blueprint = setups::raid5(4).without(MemberSet::only(MemberIndex(2)));
    blueprint.consistency = Consistency::InSyncTo(Sectors(0));
    let devices = blueprint.devices(&setups::content(&blueprint, 8));
    let mut lent = Lent::to(&blueprint);
    let error = Sim::new(&blueprint, &mut lent, devices).err();
    assert_eq!(error, Some(SetupError::DirtyDegraded));
}

#[test]
fn the_clean_mark_comes_after_a_flush_even_if_only_part_is_vouched_for() {
    for consistency in [Consistency::Clean, Consistency::InSyncTo(Sectors(2 * CHUNK))] {
        let mut blueprint = setups::raid5(4);
        blueprint.consistency = consistency;
        let content = setups::content(&blueprint, 9);
        let mut lent = Lent::to(&blueprint);
        let devices = blueprint.devices(&content);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        assert!(sim.request(setups::write(&content, 0, CHUNK)).result.is_ok());
        assert!(sim.request(Wish::MarkClean).result.is_ok());
        let records = |command: &Command| match command {
            Command::Record { record, .. } => Some(record.consistency),
            Command::Read { .. }
            | Command::Write { .. }
            | Command::Flush { .. }
            | Command::RecordIntent { .. }
            | Command::RecordBad { .. }
            | Command::LogParity { .. }
            | Command::SealLog { .. }
            | Command::RecordBackup { .. }
            | Command::LogRow { .. }
            | Command::RecordTail { .. }
            | Command::Compute(_) => None,
        };
        let commands: Vec<Command> = sim.host.commands().collect();
        let last_write = commands.iter().rposition(|it| matches!(it, Command::Write { .. }));
        let vouching = commands.iter().position(|it| records(it) == Some(consistency));
        let between = &commands[last_write.unwrap()..vouching.unwrap()];
        let flushes = between.iter().filter(|it| matches!(it, Command::Flush { .. })).count();
        assert_eq!(flushes, 4, "what the record vouches for is durable before it: {consistency:?}");
    }
}

#[test]
fn a_write_that_could_not_be_read_back_is_not_answered_as_done() {
    // Member 0 is being rebuilt and holds nothing yet, and member 3 with the parity of row 0 fails:
    // the array has failed, and says so instead of writing to a member that nothing vouches for.
    for (first, readable) in [(0, false), (CHUNK, true)] {
        let blueprint = rebuilding(setups::raid5(4), 0, 0);
        let before = setups::content(&blueprint, 10);
        let other = setups::content(&blueprint, 11);
        let mut devices = with_garbage(&blueprint, &before, 0, 0);
        devices[3].rules.push(Rule::on(&[Action::Write], Fault::Gone));
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        let wrote = sim.request(setups::write(&other, first, CHUNK));
        let read = sim.request(setups::read(first, CHUNK));
        assert!(wrote.result.is_err(), "{first}: {:?}", wrote.result);
        assert_eq!(read.result.is_ok(), readable, "{first}");
    }
}

#[test]
fn a_read_only_array_is_not_written_whatever_fails() {
    for fault in [Fault::Media, Fault::Integrity, Fault::Transport, Fault::Gone] {
        for bad in 0..4 {
            for blueprint in
                [setups::raid5(4), setups::raid6(4), setups::raid1(4), setups::raid10()]
            {
                let mut blueprint = blueprint;
                blueprint.access = Access::ReadOnly;
                let content = setups::content(&blueprint, 12);
                let mut devices = blueprint.devices(&content);
                devices[bad].rules.push(Rule::on(Action::ALL, fault));
                let mut lent = Lent::to(&blueprint);
                // The host checks that nothing is written, flushed or recorded.
                let mut sim = Sim::made(&blueprint, &mut lent, devices);
                let size = blueprint.geometry.size().0;
                let answer = sim.request(setups::read(0, size));
                assert!(answer.result.is_ok() && answer.memory == content);
                assert!(sim.request(Wish::Flush).result.is_ok());
                assert!(sim.start(setups::write(&content, 0, 8)).is_err());
                assert!(sim.start(Wish::MarkClean).is_err());
                assert_eq!(sim.fate(), Fate::Serving);
            }
        }
    }
}
