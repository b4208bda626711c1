//! Reshapes that overwrite what they move, and save it in a backup first.

use raid_core::engine::{OnLoss, ReshapeEnd, ReshapeHalt, ReshapeRefusal, ReshapeStop};
use raid_core::geometry::{Geometry, Layout, Raid5Layout, Raid6Layout};
use raid_core::host::{Command, Failure, Fault};
use raid_core::members::MemberSet;
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::reshape::{BackupMark, Change};
use raid_core::units::{DeviceIndex, MemberIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::host::Refuses;
use raid_sim::order::{Order, Random};
use raid_sim::rules::{Action, Rule};
use raid_sim::sim::{Blueprint, Lent, Sim, Turn, Wish};

use crate::arrays::{RAID5, RAID6, content, read, sized, to_be};
use crate::session::Session;

fn changes() -> Vec<Change> {
    let other5 = Layout::Raid5(Raid5Layout::RightAsymmetric);
    let other6 = Layout::Raid6(Raid6Layout::RightSymmetric);
    let pairs = [
        (small(RAID5, 4, 16), small(RAID5, 4, 8)),
        (small(RAID5, 3, 8), small(RAID5, 3, 16)),
        (small(RAID5, 4, 8), small(other5, 4, 8)),
        (small(RAID5, 3, 8), small(RAID5, 4, 8)),
        (small(RAID5, 4, 8), small(RAID5, 3, 8)),
        (small(RAID6, 5, 8), small(other6, 5, 8)),
        (small(RAID6, 4, 16), small(RAID6, 4, 8)),
        (small(RAID6, 4, 8), small(RAID6, 5, 8)),
        (small(RAID6, 5, 8), small(RAID6, 4, 8)),
    ];
    pairs.map(|(before, after)| in_place(before, after)).to_vec()
}

fn small(layout: Layout, members: u8, chunk: u64) -> Geometry {
    sized(layout, members, chunk, 48)
}

fn in_place(before: Geometry, after: Geometry) -> Change {
    Change::in_place(before, after).expect("a possible change")
}

/// As much room as the critical section takes where it is longest.
fn room(change: &Change) -> u64 {
    change.common_rows().expect("few enough").min(change.walk()).0.max(change.unit().0)
}

fn backed(change: Change) -> Blueprint {
    let units = room(&change).div_ceil(change.unit().0);
    to_be(change, units).with_backup(room(&change))
}

fn devices(blueprint: &Blueprint, content: &[u8]) -> Vec<RamDevice> {
    let mut devices = blueprint.devices(content);
    devices.push(blueprint.backup_device());
    devices
}

fn marks(sim: &Sim<'_>) -> usize {
    let holds = |command: &Command| {
        matches!(command, Command::RecordBackup { mark: BackupMark::Holds(_), .. })
    };
    sim.host.commands().filter(holds).count()
}

/// No area is called valid any more, and that is durable.
fn assert_released(blueprint: &Blueprint, devices: &[RamDevice]) {
    let backup = devices.last().expect("it is the last");
    let found = blueprint.clone().with_found_backup(backup);
    let held = found.reshape.and_then(|it| it.backup).map(|it| it.held);
    assert_eq!(held, Some([None; 2]), "a backup is left behind");
    let last = backup.done.last().map(|(action, _)| *action);
    assert_eq!(last, Some(Action::Flush), "what was done last to the backup is durable");
}

fn finishes(change: Change, missing: MemberSet) -> usize {
    let whole = backed(change);
    let before = content(change.before(), 5);
    let devices = devices(&whole, &before);
    let blueprint = whole.without(missing);
    let mut lent = Lent::to(&blueprint);
    let mut sim = Sim::made(&blueprint, &mut lent, devices);
    let (_, end) = sim.reshape(OnLoss::Stop);
    assert_eq!(end, ReshapeEnd::Finished, "{change:?} without {missing:?}");
    assert_released(&blueprint, &sim.host.devices);
    let after = blueprint.as_recorded(&sim.host.last_record().expect("it is on record"));
    let mut expected = before;
    expected.resize(after.size(), 0);
    assert!(read(&after, &sim.host.devices, MemberSet::NONE) == expected, "{change:?}");
    if missing.is_empty() {
        for lost in 0..after.geometry.members() {
            let lost = MemberSet::only(MemberIndex(lost));
            let clean = Blueprint { consistency: Consistency::Clean, ..after.clone() };
            assert!(read(&clean, &sim.host.devices, lost) == expected, "{change:?} {lost:?}");
        }
    }
    marks(&sim)
}

#[test]
fn what_would_be_overwritten_is_saved_first() {
    for change in changes() {
        assert!(finishes(change, MemberSet::NONE) > 0, "the backup was used: {change:?}");
    }
}

#[test]
fn a_member_may_be_missing() {
    for change in changes() {
        for member in 0..change.members_max() {
            finishes(change, MemberSet::only(MemberIndex(member)));
        }
    }
}

#[test]
fn without_a_backup_or_with_too_small_a_one_it_is_not_started() {
    for change in changes() {
        let before = content(change.before(), 5);
        let needed = Sectors(room(&change));
        let without = to_be(change, 1);
        let small = (change.unit().0 < needed.0).then(|| without.clone().with_backup(8));
        for blueprint in core::iter::once(without).chain(small) {
            let mut devices = blueprint.devices(&before);
            devices.push(RamDevice::new(64));
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            let refused = sim.engine.start_reshape(OnLoss::Stop);
            let Err(ReshapeRefusal::NeedsBackup { backup, .. }) = refused else {
                panic!("{refused:?}")
            };
            assert_eq!(backup, needed, "it names the room");
            sim.run();
            assert_eq!(sim.host.commands().count(), 0);
        }
    }
}

/// Requests go on, the reshape is parked at any moment, and rests only where no backup is needed.
#[test]
fn a_stop_is_honoured_when_no_backup_is_valid() {
    for (change, seed) in changes().into_iter().cycle().take(36).zip(1..) {
        let whole = backed(change);
        let before = content(change.before(), seed);
        let (mut devices, mut blueprint) = (devices(&whole, &before), whole.clone());
        let mut random = Random::new(seed);
        let mut session = Session::new(&before, change.size_meanwhile().0, seed);
        for parked in 1.. {
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices);
            sim.order = Order::Random(Random::new(seed + parked));
            let held = session.content.clone();
            session = Session::new(&held, change.size_meanwhile().0, seed + parked);
            sim.engine.start_reshape(OnLoss::Stop).expect("it starts");
            for _ in 0..random.below(300) {
                if random.below(4) == 0 {
                    session.start(&mut sim);
                }
                session.turn(&mut sim);
            }
            sim.engine.park_pass();
            session.settle(&mut sim);
            let (_, end) = sim.reshape_ended().expect("it has ended, or halted");
            if marks(&sim) > 0 {
                assert_released(&blueprint, &sim.host.devices);
            }
            if end == ReshapeEnd::Finished {
                break;
            }
            assert_eq!(end, ReshapeEnd::Halted(ReshapeHalt::Parked));
            assert!(sim.request(Wish::MarkClean).result.is_ok(), "nothing is in doubt");
            let record = sim.host.last_record().expect("the position is on record");
            blueprint = whole.clone().as_recorded(&record);
            assert!(read(&blueprint, &sim.host.devices, MemberSet::NONE) == session.content);
            devices = core::mem::take(&mut sim.host.devices);
            for device in &mut devices {
                device.durable = device.recorded;
            }
            assert!(parked < 500, "it gets on");
        }
    }
}

/// Each command to the backup fails in turn: the reshape stops once and says why, all can be read,
/// and with the backup mended it goes on to its end.
#[test]
fn whichever_command_to_the_backup_fails_the_reshape_stops_once() {
    let mut stopped = 0;
    for change in changes() {
        let blueprint = backed(change);
        let before = content(change.before(), 7);
        let served = change.size_meanwhile().memory_bytes().expect("fits");
        for broken in [Broken::Once, Broken::FromThenOn] {
            for command in 0.. {
                let mut devices = devices(&blueprint, &before);
                let backup = devices.last_mut().expect("it is there");
                backup.rules.push(broken.rule(command));
                let mut lent = Lent::to(&blueprint);
                let mut sim = Sim::made(&blueprint, &mut lent, devices);
                let (_, end) = sim.reshape(OnLoss::Stop);
                if end == ReshapeEnd::Finished {
                    break;
                }
                let fault = Fault::Transport;
                let halt = ReshapeHalt::Stopped(ReshapeStop::BackupFailed { fault });
                assert_eq!(end, ReshapeEnd::Halted(halt), "command {command}: {change:?}");
                stopped += 1;
                let sectors = change.size_meanwhile().0;
                let answer =
                    sim.request(Wish::Read { at: 0, sectors, stability: Stability::Stable });
                assert!(answer.result.is_ok(), "{:?}, command {command}", answer.result);
                assert!(answer.memory == before[..served], "other content: command {command}");
                let (_, end) = mended(&mut sim);
                assert_eq!(end, ReshapeEnd::Finished, "command {command}: {change:?}");
                assert_released(&blueprint, &sim.host.devices);
                let record = sim.host.last_record().expect("it is on record");
                let after = blueprint.clone().as_recorded(&record);
                let now = read(&after, &sim.host.devices, MemberSet::NONE);
                assert!(now[..served] == before[..served], "command {command}: {change:?}");
            }
        }
    }
    assert!(stopped > 200, "stops: {stopped}");
}

#[derive(Clone, Copy)]
enum Broken {
    Once,
    FromThenOn,
}

impl Broken {
    fn rule(self, after: u64) -> Rule {
        match self {
            Self::Once => Rule::on(Action::ALL, Fault::Transport).skipping(after).times(1),
            Self::FromThenOn => Rule::on(Action::ALL, Fault::Transport).skipping(after),
        }
    }
}

fn mended(sim: &mut Sim<'_>) -> (raid_core::engine::ReshapeReport, ReshapeEnd) {
    sim.host.devices.last_mut().expect("it is the last").rules.clear();
    sim.reshape(OnLoss::Stop)
}

/// A backup that is not known to be clear keeps the window from being written, and the array from
/// being called clean; it can be read.
#[test]
fn a_window_in_doubt_is_read_and_not_written() {
    let change = changes()[2];
    let blueprint = backed(change);
    let before = content(change.before(), 9);
    let mut seen = 0;
    for command in 0..12 {
        let mut devices = devices(&blueprint, &before);
        let backup = devices.last_mut().expect("it is there");
        backup.rules.push(Rule::gone_after(command));
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        sim.reshape(OnLoss::Stop);
        let sectors = change.size_meanwhile().0;
        let read = sim.request(Wish::Read { at: 0, sectors, stability: Stability::Stable });
        assert!(read.result.is_ok(), "{:?}", read.result);
        let (start, length) = match sim.request(Wish::MarkClean).result {
            Ok(_) => (0, 0),
            Err(Failure::NeedsBackup { at, sectors }) => (at.0, sectors.0),
            Err(other) => panic!("{other:?}"),
        };
        seen += usize::from(length > 0);
        for at in (0..sectors).step_by(8) {
            let result = sim.request(Wish::Zeroes { at, sectors: 8 }).result;
            match (start..start + length).contains(&at) {
                true => assert!(matches!(result, Err(Failure::NeedsBackup { .. })), "{result:?}"),
                false => assert!(result.is_ok(), "all else is served: {result:?}"),
            }
        }
    }
    assert!(seen > 0);
}

/// The engine comes to rest at any moment, and where it was, another goes on with the backup.
#[test]
fn it_is_quiesced_at_any_moment_and_another_engine_goes_on() {
    let mut resumed = 0;
    for change in changes() {
        let whole = backed(change);
        let before = content(change.before(), 3);
        for stop in 0..100 {
            let mut lent = Lent::to(&whole);
            let mut sim = Sim::made(&whole, &mut lent, devices(&whole, &before));
            sim.budget = 1;
            sim.engine.start_reshape(OnLoss::Stop).expect("it starts");
            for _ in 0..stop * 7 {
                sim.turn();
            }
            if sim.reshape_ended().is_some() {
                break;
            }
            sim.engine.quiesce();
            while sim.turn() == Turn::Again {}
            assert!(sim.host.in_flight().is_empty(), "it is at rest");
            let Some(record) = sim.host.last_record() else { continue };
            let mut devices = core::mem::take(&mut sim.host.devices);
            for device in &mut devices {
                device.recorded = Some(record);
                device.durable = Some(record);
            }
            let back = whole.clone().as_recorded(&record);
            let back = back.with_found_backup(devices.last().expect("it is the last"));
            if back.reshape.is_none() {
                continue;
            }
            let held = back.reshape.as_ref().and_then(|it| it.backup).map(|it| it.held);
            resumed += usize::from(held != Some([None; 2]));
            let mut lent = Lent::to(&back);
            let mut sim = Sim::made(&back, &mut lent, devices);
            let (_, end) = sim.reshape(OnLoss::Stop);
            assert_eq!(end, ReshapeEnd::Finished, "{change:?} at {stop}");
            assert_released(&back, &sim.host.devices);
            let after = back.as_recorded(&sim.host.last_record().expect("on record"));
            let now = read(&after, &sim.host.devices, MemberSet::NONE);
            let kept = now.len().min(before.len());
            assert!(now[..kept] == before[..kept], "{change:?} at {stop}");
        }
    }
    assert!(resumed > 50, "backups found valid: {resumed}");
}

/// The host is busy for every command once.
#[test]
fn commands_to_the_backup_are_offered_again() {
    for change in changes() {
        let blueprint = backed(change);
        let before = content(change.before(), 11);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices(&blueprint, &before));
        sim.host.refuses = Refuses::EachOnce;
        assert_eq!(sim.reshape(OnLoss::Stop).1, ReshapeEnd::Finished);
        assert_released(&blueprint, &sim.host.devices);
        let after = blueprint.as_recorded(&sim.host.last_record().expect("on record"));
        let now = read(&after, &sim.host.devices, MemberSet::NONE);
        let kept = now.len().min(before.len());
        assert!(now[..kept] == before[..kept], "{change:?}");
    }
}

/// A command to the backup hangs and is abandoned: nothing waits for it, and when it is dead the
/// reshape goes on.
#[test]
fn any_one_command_to_the_backup_may_hang() {
    let mut halted = 0;
    for change in changes() {
        let blueprint = backed(change);
        let before = content(change.before(), 13);
        let served = change.size_meanwhile().memory_bytes().expect("fits");
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices(&blueprint, &before));
        assert_eq!(sim.reshape(OnLoss::Stop).1, ReshapeEnd::Finished);
        let backup = backup_of(&blueprint);
        let to_devices = sim.host.commands().filter(|it| it.device().is_some());
        let numbers: Vec<usize> = (0..)
            .zip(to_devices)
            .filter(|(_, command)| command.device() == Some(backup))
            .map(|(number, _)| number)
            .take(14)
            .collect();
        for number in numbers {
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, devices(&blueprint, &before));
            sim.host.hangs = vec![number];
            let (_, end) = sim.reshape(OnLoss::Stop);
            let hung = ReshapeHalt::Stopped(ReshapeStop::Hung);
            assert_eq!(end, ReshapeEnd::Halted(hung), "{change:?}, command {number}");
            assert_eq!(sim.engine.start_reshape(OnLoss::Stop), Err(ReshapeRefusal::Hung));
            assert!(sim.engine.hung_members().is_empty(), "no member is to blame");
            halted += 1;
            let sectors = change.size_meanwhile().0;
            let stability = Stability::Stable;
            let answer = sim.request(Wish::Read { at: 0, sectors, stability });
            assert!(answer.result.is_ok(), "{:?}", answer.result);
            assert!(answer.memory == before[..served], "command {number}: {change:?}");
            sim.die_all();
            assert_eq!(sim.reshape(OnLoss::Stop).1, ReshapeEnd::Finished);
            assert_released(&blueprint, &sim.host.devices);
            let after = blueprint.clone().as_recorded(&sim.host.last_record().expect("recorded"));
            let now = read(&after, &sim.host.devices, MemberSet::NONE);
            assert!(now[..served] == before[..served], "command {number}: {change:?}");
        }
    }
    assert!(halted > 50, "halts: {halted}");
}

fn backup_of(blueprint: &Blueprint) -> DeviceIndex {
    let reshape = blueprint.reshape.as_ref().expect("it is to be reshaped");
    reshape.backup.expect("there is a backup").device
}
