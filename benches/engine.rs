//! The engine's own time: a host that takes every command and does nothing, so that neither a device nor a parity
//! kernel is in the number.
//!
//! One request at a time is the length of the path; 32 at a time adds what slots cost each other. The array is
//! marked dirty before the clock runs, as it is in a busy system: no metadata is written.
#![allow(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    missing_docs,
    reason = "a benchmark may stop, and its entry is a macro's"
)]

use core::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use raid_core::engine::{
    Access, Behind, Dirty, Engine, Memory, Progress, ReadsFrom, RequestSlot, RowLog, Seat, Setup,
    Slot,
};
use raid_core::geometry::{Geometry, Layout, Raid5Layout, Raid6Layout, Shape};
use raid_core::host::{
    Answer, Busy, Command, Completion, Durability, Failure, Host, Loan, RequestId, Token,
};
use raid_core::io_limits::{IoLimits, MemoryAlignment};
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::Consistency;
use raid_core::request::{Request, Stability};
use raid_core::units::{DeviceIndex, DeviceSector, Lba, MemberIndex, Sectors};

const MEMBERS: u8 = 8;
const CHUNK: Sectors = Sectors(128);
const BLOCK: Sectors = Sectors(8);
const DEPTHS: [u16; 2] = [1, 32];

/// Takes every command, and reports it when it is asked to.
struct NullHost {
    in_flight: Vec<Token>,
    /// Reads, jobs and writes since the start, so that a bench measures what it says.
    commands: Commands,
    answers: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Commands {
    reads: u32,
    jobs: u32,
    writes: u32,
    others: u32,
}

impl Host for NullHost {
    fn submit(&mut self, token: Token, command: Command) -> Result<(), Busy> {
        let counter = match command {
            Command::Read { .. } => &mut self.commands.reads,
            Command::Compute(_) => &mut self.commands.jobs,
            Command::Write { .. } => &mut self.commands.writes,
            Command::Flush { .. }
            | Command::Record { .. }
            | Command::RecordIntent { .. }
            | Command::RecordBad { .. }
            | Command::LogParity { .. }
            | Command::SealLog { .. }
            | Command::RecordBackup { .. }
            | Command::LogRow { .. }
            | Command::RecordTail { .. } => &mut self.commands.others,
        };
        *counter = counter.wrapping_add(1);
        self.in_flight.push(token);
        Ok(())
    }

    fn answer(&mut self, _: RequestId, result: Result<Answer, Failure>, _: Loan) {
        result.expect("nothing fails here");
        self.answers += 1;
    }
}

/// An engine, and the host that it runs on.
struct Bench<'m> {
    engine: Engine<'m>,
    host: NullHost,
}

impl<'m> Bench<'m> {
    fn new(layout: Layout, lost: Option<MemberIndex>, memory: Memory<'m>) -> Self {
        let shape = Shape { layout, members: MEMBERS, chunk: CHUNK, member_size: Sectors(1 << 20) };
        let geometry = Geometry::new(shape).expect("a usual shape");
        let seats = core::array::from_fn::<_, 8, _>(|member| {
            let number = u8::try_from(member).expect("few members");
            (Some(MemberIndex(number)) != lost).then_some(Seat {
                device: DeviceIndex(number),
                state: MemberState::InSync,
                data_offset: DeviceSector(2048),
                limits: IoLimits::RELAXED,
                reads: ReadsFrom::Freely,
                behind: Behind::Everything,
            })
        });
        let setup = Setup {
            geometry,
            seats: &seats,
            consistency: Consistency::Clean,
            events: 1,
            lane: CHUNK,
            access: Access::ReadWrite,
            dirty: Dirty::Refuse,
            log: RowLog::None,
        };
        let engine = Engine::new(&setup, memory).expect("a usual setup");
        let host = NullHost {
            in_flight: Vec::with_capacity(4096),
            commands: Commands::default(),
            answers: 0,
        };
        let mut bench = Self { engine, host };
        bench.run(&[write(Lba(0), BLOCK)]);
        bench
    }

    /// Runs requests to their answers.
    fn run(&mut self, requests: &[Request]) {
        self.host.answers = 0;
        for request in requests {
            self.engine.start(*request).expect("the request is in shape");
        }
        while usize::from(self.host.answers) < requests.len() {
            let progress = self.engine.poll(&mut self.host, 1024);
            assert_ne!(progress, Progress::More, "a poll ends where it has to wait");
            // The last in is the first out; the engine does not care.
            while let Some(token) = self.host.in_flight.pop() {
                self.engine.on_done(token, Completion::Done).expect("it was submitted");
            }
        }
    }

    /// What one request makes of commands.
    fn commands_of(&mut self, request: Request) -> Commands {
        self.host.commands = Commands::default();
        self.run(&[request]);
        self.host.commands
    }
}

const fn read(at: Lba) -> Request {
    Request::read(at, BLOCK, MemoryAlignment::contiguous(0), Stability::Stable)
}

const fn write(at: Lba, sectors: Sectors) -> Request {
    let memory = MemoryAlignment::contiguous(0);
    Request::write(at, sectors, memory, Stability::Stable, Durability::Cached)
}

const RAID5: Layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
const RAID6: Layout = Layout::Raid6(Raid6Layout::LeftSymmetric);

/// One kind of request, the same on every row of the array.
struct Case {
    name: &'static str,
    layout: Layout,
    lost: Option<MemberIndex>,
    request: fn(Lba) -> Request,
    expected: Commands,
}

fn cases() -> [Case; 6] {
    let full = |at: Lba| write(at, Sectors(CHUNK.0 * u64::from(MEMBERS - 2)));
    let commands = |reads, jobs, writes| Commands { reads, jobs, writes, others: 0 };
    // The first data block of row 0 is on member 1, behind Q, and so it is in the rows that are asked.
    let first = Some(MemberIndex(1));
    let case =
        |name, layout, lost, request, expected| Case { name, layout, lost, request, expected };
    [
        case("raid5/read 4 KiB", RAID5, None, read, commands(1, 0, 0)),
        case("raid6/read 4 KiB", RAID6, None, read, commands(1, 0, 0)),
        case("raid6/degraded read 4 KiB", RAID6, first, read, commands(6, 1, 0)),
        case("raid5/write 4 KiB", RAID5, None, |at| write(at, BLOCK), commands(2, 1, 2)),
        case("raid6/write 4 KiB", RAID6, None, |at| write(at, BLOCK), commands(3, 1, 3)),
        case("raid6/full-stripe write", RAID6, None, full, commands(0, 1, 8)),
    ]
}

/// The first block of rows that all have the layout of row 0.
fn row_start(layout: Layout, number: u16) -> Lba {
    let data = match layout {
        Layout::Raid6(_) => MEMBERS - 2,
        Layout::Raid5(_) | Layout::Raid4 | Layout::Raid0 | Layout::Raid1 | Layout::Raid10(_) => {
            MEMBERS - 1
        }
    };
    let row = u64::from(number) * u64::from(MEMBERS);
    Lba(row * CHUNK.0 * u64::from(data))
}

fn engine(criterion: &mut Criterion) {
    for case in cases() {
        for depth in DEPTHS {
            let mut slots = vec![Slot::FREE; 64];
            let mut requests = vec![RequestSlot::FREE; 64];
            let memory = Memory::new(&mut slots, &mut requests);
            let mut bench = Bench::new(case.layout, case.lost, memory);
            let batch: Vec<Request> =
                (1..=depth).map(|row| (case.request)(row_start(case.layout, row))).collect();
            let one = *batch.first().expect("a depth is not zero");
            assert_eq!(bench.commands_of(one), case.expected, "{}", case.name);

            let mut group = criterion.benchmark_group("engine");
            group.warm_up_time(Duration::from_millis(300));
            group.measurement_time(Duration::from_secs(1));
            // So that criterion's rate is requests a second, and its inverse the time of one.
            group.throughput(Throughput::Elements(u64::from(depth)));
            group.bench_function(format!("{}/{depth} at a time", case.name), |bencher| {
                bencher.iter(|| bench.run(&batch));
            });
            group.finish();
        }
    }
    sizes();
}

/// What a host lends, in bytes.
fn sizes() {
    println!(
        "bytes: slot {}, request {}, engine {}, command {}, member set {}",
        size_of::<Slot>(),
        size_of::<RequestSlot>(),
        size_of::<Engine<'_>>(),
        size_of::<Command>(),
        size_of::<MemberSet>(),
    );
}

criterion_group!(benches, engine);
criterion_main!(benches);
