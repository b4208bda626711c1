//! What the engine promises, asked of it with a host that keeps no bytes: which commands are issued,
//! which answers are given, and when.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that fails says so by panicking"
)]

use raid_core::engine::{
    Access, Behind, Dirty, Engine, Fate, Memory, Progress, ReadsFrom, RequestSlot, RowLog, Seat,
    Setup, SetupError, Slot,
};
use raid_core::geometry::{Geometry, Layout, Raid5Layout, Shape};
use raid_core::host::{
    Answer, Buffer, Busy, Command, Completion, Durability, Failure, Fault, Host, Loan, RequestId,
    Token,
};
use raid_core::io_limits::{IoLimits, MemoryAlignment};
use raid_core::members::MemberState;
use raid_core::metadata::Consistency;
use raid_core::request::{Request, Stability};
use raid_core::units::{DeviceIndex, DeviceSector, Lba, MemberIndex, Sectors};

const CHUNK: Sectors = Sectors(32);

/// Takes every command but those that `busy` names, and ends each as `ends` says.
struct Script<B, E> {
    busy: B,
    ends: E,
    in_flight: Vec<(Token, Command)>,
    seen: Vec<Command>,
    answers: Vec<Result<Answer, Failure>>,
}

impl<B: Fn(&Command) -> bool, E: FnMut(&Command) -> Completion> Script<B, E> {
    fn new(busy: B, ends: E) -> Self {
        Self { busy, ends, in_flight: vec![], seen: vec![], answers: vec![] }
    }

    /// Polls and reports until nothing moves any more.
    fn drive(&mut self, engine: &mut Engine<'_>) {
        loop {
            let progress = engine.poll(self, 64);
            if self.in_flight.is_empty() && progress != Progress::More {
                break;
            }
            self.report(engine);
        }
    }

    fn report(&mut self, engine: &mut Engine<'_>) {
        for (token, command) in core::mem::take(&mut self.in_flight) {
            engine.on_done(token, (self.ends)(&command)).unwrap();
        }
    }

    fn run(&mut self, engine: &mut Engine<'_>, request: Request) -> Result<Answer, Failure> {
        engine.start(request).unwrap();
        self.drive(engine);
        self.answers.pop().unwrap()
    }
}

impl<B: Fn(&Command) -> bool, E: FnMut(&Command) -> Completion> Host for Script<B, E> {
    fn submit(&mut self, token: Token, command: Command) -> Result<(), Busy> {
        if (self.busy)(&command) {
            return Err(Busy);
        }
        self.in_flight.push((token, command));
        self.seen.push(command);
        Ok(())
    }

    fn answer(&mut self, _: RequestId, result: Result<Answer, Failure>, _: Loan) {
        self.answers.push(result);
    }
}

fn never(_: &Command) -> bool {
    false
}

fn is_record(command: &Command) -> bool {
    matches!(command, Command::Record { .. })
}

/// A device of which nothing comes back from its first write on.
fn gone_at_write(device: u8) -> impl FnMut(&Command) -> Completion {
    let mut gone = false;
    move |command| {
        let here = command.device() == Some(DeviceIndex(device));
        gone |= here && matches!(command, Command::Write { .. });
        if gone && here { Completion::Failed(Fault::Gone) } else { Completion::Done }
    }
}

fn seats(states: &[MemberState], limits: IoLimits) -> Vec<Option<Seat>> {
    (0_u8..)
        .zip(states)
        .map(|(number, state)| {
            let (device, data_offset) = (DeviceIndex(number), DeviceSector(64));
            Some(Seat {
                device,
                state: *state,
                data_offset,
                limits,
                reads: ReadsFrom::Freely,
                behind: Behind::Everything,
            })
        })
        .collect()
}

fn geometry(layout: Layout, members: usize) -> Geometry {
    let members = u8::try_from(members).unwrap();
    let member_size = Sectors(CHUNK.0 * 8);
    Geometry::new(Shape { layout, members, chunk: CHUNK, member_size }).unwrap()
}

const RAID5: Layout = Layout::Raid5(Raid5Layout::LeftSymmetric);

/// Runs `work` on an engine over seats in these states.
fn with_engine(
    layout: Layout,
    seats: &[Option<Seat>],
    consistency: Consistency,
    work: impl FnOnce(&mut Engine<'_>),
) {
    let setup = Setup {
        geometry: geometry(layout, seats.len()),
        seats,
        consistency,
        events: 1,
        lane: CHUNK,
        access: Access::ReadWrite,
        dirty: Dirty::Refuse,
        log: RowLog::None,
    };
    let mut slots = [Slot::FREE; 4];
    let mut requests = [RequestSlot::FREE; 4];
    let memory = Memory::new(&mut slots, &mut requests);
    work(&mut Engine::new(&setup, memory).unwrap());
}

fn read(at: u64, sectors: u64) -> Request {
    let memory = MemoryAlignment::contiguous(4096);
    Request::read(Lba(at), Sectors(sectors), memory, Stability::Stable)
}

fn write(at: u64, sectors: u64) -> Request {
    let memory = MemoryAlignment::contiguous(4096);
    Request::write(Lba(at), Sectors(sectors), memory, Stability::Stable, Durability::Cached)
}

#[test]
fn a_write_is_no_success_where_what_it_wrote_cannot_be_read() {
    // Parity is not known to be in sync, so it does not stand in for the member that dies.
    let seats = seats(&[MemberState::InSync; 3], IoLimits::RELAXED);
    with_engine(RAID5, &seats, Consistency::InSyncTo(Sectors(0)), |engine| {
        let mut host = Script::new(never, gone_at_write(0));
        let lost = Err(Failure::Unrecoverable { at: Lba(0), sectors: CHUNK });
        assert_eq!(host.run(engine, write(0, CHUNK.0 * 2)), lost);
        assert_eq!(host.run(engine, read(0, CHUNK.0)), lost);
        assert_eq!(host.run(engine, read(CHUNK.0, CHUNK.0)), Ok(Answer::Done));
    });
}

#[test]
fn the_last_valid_member_is_not_recorded_as_failed() {
    let rebuilding = MemberState::Rebuilding { valid_to: Sectors(0) };
    for (layout, states) in [
        (Layout::Raid1, vec![MemberState::InSync, rebuilding]),
        (RAID5, vec![MemberState::InSync, rebuilding, MemberState::InSync]),
    ] {
        let seats = seats(&states, IoLimits::RELAXED);
        with_engine(layout, &seats, Consistency::Clean, |engine| {
            let mut host = Script::new(never, |command| match command.device() {
                Some(DeviceIndex(0)) => Completion::Failed(Fault::Transport),
                Some(_) | None => Completion::Done,
            });
            assert!(host.run(engine, read(0, CHUNK.0)).is_err(), "{layout:?}");
            assert_eq!(engine.fate(), Fate::Failed, "{layout:?}");
            assert!(!host.seen.iter().any(is_record), "{layout:?}: {:?}", host.seen);
        });
    }
}

#[test]
fn a_member_rebuilt_to_its_end_stands_in_for_one_that_fails() {
    let rebuilt = MemberState::Rebuilding { valid_to: Sectors(CHUNK.0 * 8) };
    let seats = seats(&[MemberState::InSync, rebuilt], IoLimits::RELAXED);
    with_engine(Layout::Raid1, &seats, Consistency::Clean, |engine| {
        let mut host = Script::new(never, gone_at_write(0));
        assert_eq!(host.run(engine, write(0, CHUNK.0)), Ok(Answer::Done));
        assert_eq!(engine.fate(), Fate::Serving);
    });
}

#[test]
fn refused_commands_do_not_use_up_the_budget() {
    let seats = seats(&[MemberState::InSync; 2], IoLimits::RELAXED);
    with_engine(Layout::Raid0, &seats, Consistency::Clean, |engine| {
        let slow = |command: &Command| command.device() == Some(DeviceIndex(0));
        let mut host = Script::new(slow, |_: &Command| Completion::Done);
        for at in [0, CHUNK.0 * 2, CHUNK.0] {
            engine.start(read(at, CHUNK.0)).unwrap();
        }
        // With the smallest budget, the host hears in the end that it is what holds things up.
        let mut polls = 0;
        while engine.poll(&mut host, 1) == Progress::More {
            polls += 1;
            assert!(polls < 100, "the engine says that there is more to do, and does nothing");
        }
        for (token, _) in core::mem::take(&mut host.in_flight) {
            engine.on_done(token, Completion::Done).unwrap();
        }
        host.drive(engine);
        assert_eq!(host.answers, [Ok(Answer::Done)], "the read from the other device");
    });
}

#[test]
fn marks_between_logical_blocks_cut_no_block() {
    let limits = IoLimits { logical_block_bytes: 4096, ..IoLimits::RELAXED };
    let rebuilding = MemberState::Rebuilding { valid_to: Sectors(13) };
    for (states, consistency) in [
        ([MemberState::InSync; 3], Consistency::InSyncTo(Sectors(13))),
        ([MemberState::InSync, rebuilding, MemberState::InSync], Consistency::Clean),
    ] {
        let seats = seats(&states, limits);
        with_engine(RAID5, &seats, consistency, |engine| {
            let mut host = Script::new(never, |_: &Command| Completion::Done);
            assert_eq!(host.run(engine, write(0, CHUNK.0 * 2)), Ok(Answer::Done));
            assert_eq!(host.run(engine, read(0, CHUNK.0 * 2)), Ok(Answer::Done));
            for command in &host.seen {
                if let Command::Read { at, sectors, .. } | Command::Write { at, sectors, .. } =
                    command
                {
                    assert_eq!((at.0 | sectors.0) % 8, 0, "{command:?}");
                }
            }
        });
    }
}

#[test]
fn fault_units_fit_the_memory_that_they_are_read_into() {
    let limits = IoLimits { memory_alignment_bytes: 4096, ..IoLimits::RELAXED };
    let seats = seats(&[MemberState::InSync; 3], limits);
    with_engine(RAID5, &seats, Consistency::Clean, |engine| {
        let mut first = true;
        let mut host = Script::new(never, |_: &Command| {
            if core::mem::take(&mut first) {
                Completion::Failed(Fault::Media)
            } else {
                Completion::Done
            }
        });
        // The first fault unit of the chunk starts before the request.
        assert_eq!(host.run(engine, read(4, 20)), Ok(Answer::Done));
        for command in &host.seen {
            if let Command::Read { into: Buffer::Caller { offset, .. }, .. } = command {
                assert_eq!(offset.0 % 8, 0, "{command:?}");
            }
        }
    });
}

#[test]
fn a_clean_mark_is_on_record_before_the_next_write_takes_it_back() {
    let seats = seats(&[MemberState::InSync; 3], IoLimits::RELAXED);
    with_engine(Layout::Raid1, &seats, Consistency::Clean, |engine| {
        let mut host = Script::new(never, |command: &Command| match command.device() {
            Some(DeviceIndex(0)) if matches!(command, Command::Read { .. }) => {
                Completion::Failed(Fault::Gone)
            }
            Some(_) | None => Completion::Done,
        });
        host.run(engine, write(0, CHUNK.0)).unwrap();
        // The loss of a member is being recorded when the mark is asked for.
        engine.start(read(0, CHUNK.0)).unwrap();
        let lost = |host: &Script<_, _>| host.in_flight.iter().any(|(_, it)| is_record(it));
        while !lost(&host) {
            engine.poll(&mut host, 64);
            if !lost(&host) {
                host.report(engine);
            }
        }
        engine.start(Request::mark_clean()).unwrap();
        engine.start(write(0, CHUNK.0)).unwrap();
        host.drive(engine);
        assert_eq!(host.answers, [Ok(Answer::Done); 3]);
        let said = host.seen.iter().filter_map(|command| match command {
            Command::Record { member: MemberIndex(1), record, .. } => Some(record.consistency),
            _ => None,
        });
        let (clean, dirty) = (Consistency::Clean, Consistency::InSyncTo(Sectors(0)));
        assert_eq!(said.collect::<Vec<_>>(), [dirty, dirty, clean, dirty]);
    });
}

#[test]
fn a_clean_mark_that_no_member_takes_is_answered() {
    let seats = seats(&[MemberState::InSync; 2], IoLimits::RELAXED);
    with_engine(Layout::Raid1, &seats, Consistency::Clean, |engine| {
        let mut records = 0;
        let mut host = Script::new(never, |command: &Command| {
            records += u32::from(is_record(command));
            if records > 2 { Completion::Failed(Fault::Transport) } else { Completion::Done }
        });
        host.run(engine, write(0, CHUNK.0)).unwrap();
        assert_eq!(host.run(engine, Request::mark_clean()), Err(Failure::ArrayFailed));
    });
}

#[test]
fn a_write_that_a_failed_array_does_not_take_names_no_lost_range() {
    let seats = seats(&[MemberState::InSync; 2], IoLimits::RELAXED);
    with_engine(Layout::Raid0, &seats, Consistency::Clean, |engine| {
        let mut host = Script::new(never, |command: &Command| match command.device() {
            Some(DeviceIndex(0)) => Completion::Failed(Fault::Gone),
            Some(_) | None => Completion::Done,
        });
        engine.start(read(0, CHUNK.0)).unwrap();
        engine.poll(&mut host, 64);
        // Taken in before the array knows that it has failed.
        host.report(engine);
        engine.start(write(CHUNK.0, CHUNK.0)).unwrap();
        host.drive(engine);
        let lost = Failure::Unrecoverable { at: Lba(0), sectors: CHUNK };
        assert_eq!(host.answers, [Err(lost), Err(Failure::ArrayFailed)]);
        assert_eq!(host.run(engine, read(CHUNK.0, CHUNK.0)), Ok(Answer::Done));
    });
}

#[test]
fn a_durable_write_to_a_lost_member_flushes_the_row_that_stands_in_for_it() {
    let mut seats = seats(&[MemberState::InSync; 3], IoLimits::RELAXED);
    seats[0] = None;
    let memory = MemoryAlignment::contiguous(4096);
    for (durability, flushes) in [(Durability::Cached, 0), (Durability::Durable, 2)] {
        with_engine(RAID5, &seats, Consistency::Clean, |engine| {
            let mut host = Script::new(never, |_: &Command| Completion::Done);
            // The first write marks the array dirty, which takes flushes of its own.
            assert_eq!(host.run(engine, write(CHUNK.0, 8)), Ok(Answer::Done));
            host.seen.clear();
            let request = Request::write(Lba(0), Sectors(8), memory, Stability::Stable, durability);
            assert_eq!(host.run(engine, request), Ok(Answer::Done));
            let is_flush = |command: &&Command| matches!(command, Command::Flush { .. });
            assert_eq!(host.seen.iter().filter(is_flush).count(), flushes, "{durability:?}");
        });
    }
}

#[test]
fn a_durable_write_to_a_member_that_is_being_rebuilt_flushes_the_row_that_stands_in_for_it() {
    // Valid here or not: after a loss of power, the mark on record counts.
    for valid_to in [0, 8, CHUNK.0] {
        let mut states = [MemberState::InSync; 3];
        states[0] = MemberState::Rebuilding { valid_to: Sectors(valid_to) };
        let seats = seats(&states, IoLimits::RELAXED);
        let memory = MemoryAlignment::contiguous(4096);
        for (durability, flushes) in [(Durability::Cached, 0), (Durability::Durable, 3)] {
            with_engine(RAID5, &seats, Consistency::Clean, |engine| {
                let mut host = Script::new(never, |_: &Command| Completion::Done);
                assert_eq!(host.run(engine, write(CHUNK.0, 8)), Ok(Answer::Done));
                host.seen.clear();
                let request =
                    Request::write(Lba(0), Sectors(8), memory, Stability::Stable, durability);
                assert_eq!(host.run(engine, request), Ok(Answer::Done));
                let is_flush = |command: &&Command| matches!(command, Command::Flush { .. });
                let seen = host.seen.iter().filter(is_flush).count();
                assert_eq!(seen, flushes, "{durability:?} {valid_to}");
            });
        }
    }
}

#[test]
fn a_check_that_cannot_read_a_block_compares_the_rest_and_loses_nothing() {
    let seats = seats(&[MemberState::InSync; 3], IoLimits::RELAXED);
    with_engine(RAID5, &seats, Consistency::Clean, |engine| {
        let mut host = Script::new(never, |command: &Command| match command {
            // The second fault unit of the first chunk of member 1 is unreadable.
            Command::Read { device: DeviceIndex(1), at, sectors, .. }
                if (64 + 8..64 + 16).contains(&at.0) || (at.0 == 64 && sectors.0 > 8) =>
            {
                Completion::Failed(Fault::Media)
            }
            Command::Compute(_) => Completion::Compared { mismatched_units: 0 },
            _ => Completion::Done,
        });
        let result = host.run(engine, Request::check(Lba(0), Sectors(CHUNK.0 * 2)));
        assert_eq!(result, Err(Failure::NotCompared { at: Lba(8), sectors: Sectors(8) }));
        let compared = host.seen.iter().filter(|command| matches!(command, Command::Compute(_)));
        assert_eq!(compared.count(), 3, "the other three units of the row are compared");
        assert_eq!(engine.member_state(MemberIndex(1)), MemberState::InSync);
    });
}

#[test]
fn a_device_cannot_sit_at_two_places() {
    let mut seats = seats(&[MemberState::InSync; 3], IoLimits::RELAXED);
    seats[2] = seats[0];
    let setup = Setup {
        geometry: geometry(RAID5, 3),
        seats: &seats,
        consistency: Consistency::Clean,
        events: 0,
        lane: Sectors(8),
        access: Access::ReadOnly,
        dirty: Dirty::Refuse,
        log: RowLog::None,
    };
    let (mut slots, mut requests) = ([Slot::FREE; 1], [RequestSlot::FREE; 1]);
    let memory = Memory::new(&mut slots, &mut requests);
    let error = Engine::new(&setup, memory).map(|_| ()).unwrap_err();
    assert_eq!(error, SetupError::DeviceTwice(DeviceIndex(0)));
}
