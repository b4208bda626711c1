//! Hosts that have no logs of partial parity, though the array's setup says so: nobody is blamed.

use raid_core::engine::Fate;
use raid_core::host::{Command, Failure, Fault};
use raid_core::members::MemberSet;
use raid_core::units::Sectors;
use raid_sim::device::RamDevice;
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, Lent, Sim, Wish};
use raid_sim::{log, reference};

use crate::setups::{self, CHUNK};

const KINDS: [Fault; 2] = [Fault::InvalidRequest, Fault::Unsupported];

fn logged() -> Blueprint {
    setups::raid5(4).logged(Sectors(256))
}

/// A device's log takes nothing, once so many writes were let through.
fn refuse(blueprint: &Blueprint, device: &mut RamDevice, fault: Fault, skip: u64, times: u64) {
    let area = log::area(blueprint).unwrap();
    let sectors = area.start().0..area.start().0 + area.sectors().0;
    let rule = Rule::on(&[Action::Write], fault).at(sectors).skipping(skip).times(times);
    device.rules.push(rule);
}

fn assert_agrees(sim: &Sim<'_>, blueprint: &Blueprint, content: &[u8]) {
    let areas = blueprint.areas(&sim.host.devices, MemberSet::NONE);
    let sectors = blueprint.member_sectors;
    let wrong = reference::disagreements(&blueprint.geometry, content, &areas, sectors);
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_host_without_logs_rejects_writes_and_loses_no_member() {
    let blueprint = logged();
    let (content, other) = (setups::content(&blueprint, 1), setups::content(&blueprint, 2));
    let all: &[usize] = &[0, 1, 2, 3];
    for without in [all, &[0], &[2], &[3]] {
        for fault in KINDS {
            let mut devices = blueprint.devices(&content);
            for device in without {
                refuse(&blueprint, &mut devices[*device], fault, 0, u64::MAX);
            }
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            for at in [0, CHUNK, 3 * CHUNK, 7] {
                sim.start(setups::write(&other, at, 8)).unwrap();
            }
            sim.run();
            let answers: Vec<_> = sim.host.answers.iter().map(|answer| answer.result).collect();
            assert_eq!(answers, [Err(Failure::Rejected { fault }); 4], "{without:?}");
            let tried = sim.host.commands().filter(|it| matches!(it, Command::SealLog { .. }));
            assert!(tried.count() <= 4 + all.len(), "each write asks once");
            assert_eq!(setups::events(&sim), []);
            assert_eq!((sim.host.lost(), sim.fate()), (MemberSet::NONE, Fate::Serving));
            let wrote = sim.host.commands().any(|command| match command {
                Command::Write { .. } | Command::Record { .. } => true,
                Command::Read { .. }
                | Command::Flush { .. }
                | Command::RecordIntent { .. }
                | Command::RecordBad { .. }
                | Command::LogParity { .. }
                | Command::SealLog { .. }
                | Command::RecordBackup { .. }
                | Command::LogRow { .. }
                | Command::RecordTail { .. }
                | Command::Compute(_) => false,
            });
            assert!(!wrote, "nothing is marked, and nothing is written");
            assert!(sim.request(setups::read(0, CHUNK)).result.is_ok());
            // Whoever mends that goes on with the same engine.
            for device in &mut sim.host.devices {
                device.rules.clear();
            }
            assert!(sim.request(setups::write(&other, 0, 8)).result.is_ok());
            let mut wanted = content.clone();
            setups::overlay(&mut wanted, &other, 0, 8);
            assert_agrees(&sim, &blueprint, &wanted);
        }
    }
}

/// Logs that cannot be flushed are no logs.
#[test]
fn a_host_that_cannot_flush_a_log_rejects_writes_and_loses_no_member() {
    let blueprint = logged();
    let content = setups::content(&blueprint, 3);
    for fault in KINDS {
        let mut devices = blueprint.devices(&content);
        for device in &mut devices {
            device.rules.push(Rule::on(&[Action::Flush], fault));
        }
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        let answer = sim.request(setups::write(&content, 0, 8));
        assert_eq!(answer.result, Err(Failure::Rejected { fault }));
        assert_eq!((sim.host.lost(), sim.fate()), (MemberSet::NONE, Fate::Serving));
    }
}

/// Entries and headers that are rejected now and then, with the logs open: that concerns the writes
/// that they are of.
#[test]
fn an_entry_that_is_rejected_concerns_its_own_write() {
    let blueprint = logged();
    let before = setups::content(&blueprint, 4);
    let mut rejected = 0;
    for fault in KINDS {
        for device in 0..4 {
            for skip in 1..12 {
                let mut devices = blueprint.devices(&before);
                refuse(&blueprint, &mut devices[device], fault, skip, 1);
                let mut lent = Lent::to(&blueprint);
                let mut sim = Sim::made(&blueprint, &mut lent, devices);
                let mut wanted = before.clone();
                for round in 0..4 {
                    let other = setups::content(&blueprint, 5 + round);
                    let places = [0, CHUNK, 4 * CHUNK + 8, 40];
                    let started: Vec<_> = places
                        .into_iter()
                        .map(|at| (sim.start(setups::write(&other, at, 8)).unwrap(), at))
                        .collect();
                    sim.run();
                    let answered: Vec<_> = sim.host.answers.drain(..).collect();
                    for (request, at) in started {
                        let mut answers = answered.iter();
                        let answer = answers.find(|answer| answer.request == request).unwrap();
                        match answer.result {
                            Ok(_) => setups::overlay(&mut wanted, &other, at, 8),
                            Err(failure) => {
                                assert_eq!(failure, Failure::Rejected { fault });
                                rejected += 1;
                            }
                        }
                    }
                }
                assert_eq!(setups::events(&sim), []);
                assert_eq!((sim.host.lost(), sim.fate()), (MemberSet::NONE, Fate::Serving));
                assert_agrees(&sim, &blueprint, &wanted);
                assert!(sim.request(Wish::MarkClean).result.is_ok());
            }
        }
    }
    assert!(rejected > 40, "{rejected}");
}
