//! Rebuild and check of an array in memory: a gibibyte of members, eight data members, one core.
//!
//! The engine beside what it drives, measured in turn in one process, so that the ratio can be trusted
//! where the rates cannot:
//!
//! * a host whose lanes are the members' memory, beside the bare kernels over that memory;
//! * a host that copies between members and lanes, beside a loop written by hand that copies and
//!   runs the same kernels.
//!
//! `cargo bench -p raid-benches --bench passes`; with `-- --test` a small array, once.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark may stop, and it prints what it measured"
)]

use core::hint::black_box;
use std::time::Instant;

use raid_core::engine::{
    Access, Behind, Dirty, Engine, Memory, PassEnd, PassKind, ReadsFrom, RequestSlot, RowLog, Seat,
    Setup, Slot,
};
use raid_core::geometry::{Geometry, Layout, ParityGeometry, Raid6Layout, Role, Row, Shape};
use raid_core::host::{
    Answer, Buffer, Busy, Command, Completion, Event, Failure, Host, Loan, RequestId, Token,
};
use raid_core::io_limits::IoLimits;
use raid_core::members::MemberState;
use raid_core::metadata::Consistency;
use raid_core::parity::{self, CallerMemory};
use raid_core::units::{DataIndex, DeviceIndex, DeviceSector, MemberIndex, Sectors, StripeRow};
use raid_simd::{Exponent, Kernels, Source};

const MEMBERS: u8 = 10;
const LOST: MemberIndex = MemberIndex(3);
const SLOTS: usize = 3;
const BACKGROUND: u16 = 2;

/// Where the lanes of a host are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lanes {
    /// The members' own memory.
    Members,
    /// Memory of their own.
    Apart,
}

/// Carries commands out at once.
struct RamHost<'r> {
    members: &'r mut [Vec<u8>],
    lanes: Lanes,
    apart: Vec<Vec<u8>>,
    /// Where on the members the row of each slot lies, in bytes.
    rows: [usize; SLOTS],
    kernels: Kernels,
    done: Vec<(Token, Completion)>,
    ended: Option<PassEnd>,
}

fn bytes(sectors: Sectors) -> usize {
    sectors.memory_bytes().expect("fits into memory")
}

impl RamHost<'_> {
    fn lane(&self, buffer: Buffer) -> (usize, usize) {
        match buffer {
            Buffer::Lane { slot, member, offset } => {
                (slot.index() * usize::from(MEMBERS) + member.index(), bytes(offset))
            }
            Buffer::Caller { .. } | Buffer::Window { .. } => panic!("a pass has no caller"),
        }
    }

    fn row(&mut self, buffer: Buffer, at: DeviceSector) {
        if let Buffer::Lane { slot, offset, .. } = buffer {
            self.rows[slot.index()] = bytes(Sectors(at.0)) - bytes(offset);
        }
    }
}

impl Host for RamHost<'_> {
    fn submit(&mut self, token: Token, command: Command) -> Result<(), Busy> {
        let completion = match command {
            Command::Read { device, at, sectors, into } => {
                self.row(into, at);
                if self.lanes == Lanes::Apart {
                    let (lane, offset) = self.lane(into);
                    let from = &self.members[device.index()][bytes(Sectors(at.0))..];
                    let length = bytes(sectors);
                    self.apart[lane][offset..offset + length].copy_from_slice(&from[..length]);
                }
                Completion::Done
            }
            Command::Write { device, at, sectors, from, .. } => {
                if self.lanes == Lanes::Apart {
                    let (lane, offset) = self.lane(from);
                    let to = &mut self.members[device.index()][bytes(Sectors(at.0))..];
                    let length = bytes(sectors);
                    to[..length].copy_from_slice(&self.apart[lane][offset..offset + length]);
                }
                Completion::Done
            }
            Command::Flush { .. }
            | Command::Record { .. }
            | Command::RecordIntent { .. }
            | Command::RecordBad { .. }
            | Command::LogParity { .. }
            | Command::SealLog { .. }
            | Command::RecordBackup { .. }
            | Command::LogRow { .. }
            | Command::RecordTail { .. } => Completion::Done,
            Command::Compute(job) => {
                let (slot, length) = (job.slot().index(), bytes(job.sectors()));
                let mut lanes: heapless::Vec<&mut [u8], { MEMBERS as usize }> = match self.lanes {
                    Lanes::Members => {
                        let at = self.rows[slot];
                        self.members.iter_mut().map(|it| &mut it[at..at + length]).collect()
                    }
                    Lanes::Apart => {
                        let first = slot * usize::from(MEMBERS);
                        let lanes = &mut self.apart[first..first + usize::from(MEMBERS)];
                        lanes.iter_mut().map(Vec::as_mut_slice).collect()
                    }
                };
                parity::run(&job, self.kernels, &mut lanes, CallerMemory::None)
            }
        };
        self.done.push((token, completion));
        Ok(())
    }

    fn answer(&mut self, _: RequestId, _: Result<Answer, Failure>, _: Loan) {}

    fn note(&mut self, event: Event) {
        if let Event::PassEnded { end, .. } = event {
            self.ended = Some(end);
        }
    }
}

/// An array in memory, and what is done to it.
struct Array {
    geometry: Geometry,
    rows: ParityGeometry,
    members: Vec<Vec<u8>>,
    kernels: Kernels,
}

/// The blocks of a row, by member.
type Blocks<'r> = [Option<&'r mut [u8]>; MEMBERS as usize];

impl Array {
    fn new(chunk: Sectors, member_bytes: usize) -> Self {
        let member_size = Sectors::from_bytes(u64::try_from(member_bytes).expect("fits"));
        let geometry = Geometry::new(Shape {
            layout: Layout::Raid6(Raid6Layout::LeftSymmetric),
            members: MEMBERS,
            chunk,
            member_size: member_size.expect("whole sectors"),
        })
        .expect("a usual shape");
        let Geometry::Parity(rows) = geometry else { panic!("a level with parity") };
        let members = (1..=u64::from(MEMBERS))
            .map(|mut state| {
                let mut area = vec![0; member_bytes];
                for word in area.chunks_exact_mut(8) {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    word.copy_from_slice(&state.to_le_bytes());
                }
                area
            })
            .collect();
        let mut array = Self { geometry, rows, members, kernels: Kernels::detect() };
        array.each_row(|kernels, row, blocks| {
            let p = blocks[row.p().index()].take().expect("there");
            let q = blocks[row.q().expect("level 6").index()].take().expect("there");
            kernels.gen_pq(&sources(row, blocks), p, q).expect("equally long");
        });
        array
    }

    fn each_row(&mut self, mut work: impl FnMut(Kernels, Row, &mut Blocks<'_>)) {
        let chunk = bytes(self.rows.chunk());
        for number in 0..self.rows.rows() {
            let at = usize::try_from(number).expect("fits") * chunk;
            let mut areas = self.members.iter_mut();
            let mut blocks: Blocks<'_> =
                core::array::from_fn(|_| areas.next().map(|area| &mut area[at..at + chunk]));
            work(self.kernels, self.rows.row(StripeRow(number)), &mut blocks);
        }
    }

    /// One pass of the engine.
    fn pass(&mut self, kind: PassKind, lanes: Lanes) {
        let seat = |member| {
            let state = match (kind, MemberIndex(member) == LOST) {
                (PassKind::Recovery, true) => MemberState::Rebuilding { valid_to: Sectors::ZERO },
                (_, _) => MemberState::InSync,
            };
            Some(Seat {
                device: DeviceIndex(member),
                state,
                data_offset: DeviceSector(0),
                limits: IoLimits::RELAXED,
                reads: ReadsFrom::Freely,
                behind: Behind::Everything,
            })
        };
        let seats: Vec<_> = (0..MEMBERS).map(seat).collect();
        let setup = Setup {
            geometry: self.geometry,
            seats: &seats,
            consistency: Consistency::Clean,
            events: 1,
            lane: self.rows.chunk(),
            access: Access::ReadWrite,
            dirty: Dirty::Refuse,
            log: RowLog::None,
        };
        let (mut slots, mut requests) = ([Slot::FREE; SLOTS], [RequestSlot::FREE; 1]);
        let memory = Memory { background: BACKGROUND, ..Memory::new(&mut slots, &mut requests) };
        let mut engine = Engine::new(&setup, memory).expect("a usual setup");
        let lane_bytes = bytes(self.rows.chunk());
        let apart = match lanes {
            Lanes::Members => Vec::new(),
            Lanes::Apart => vec![vec![0; lane_bytes]; SLOTS * usize::from(MEMBERS)],
        };
        let mut host = RamHost {
            members: &mut self.members,
            lanes,
            apart,
            rows: [0; SLOTS],
            kernels: self.kernels,
            done: Vec::with_capacity(64),
            ended: None,
        };
        engine.start_pass(kind).expect("there is something to do");
        while host.ended.is_none() {
            let _ = engine.poll(&mut host, 1024);
            for (token, completion) in host.done.drain(..) {
                engine.on_done(token, completion).expect("it was submitted");
            }
        }
        assert_eq!(host.ended, Some(PassEnd::Finished));
    }

    /// The same work without an engine.
    fn by_hand(&mut self, kind: PassKind, lanes: Lanes) {
        let mut apart = vec![vec![0; bytes(self.rows.chunk())]; usize::from(MEMBERS)];
        self.each_row(|kernels, row, blocks| match lanes {
            Lanes::Members => run_row(kind, kernels, row, blocks),
            Lanes::Apart => {
                // A recovery takes one parity at most, and nothing of the lost member.
                let spare = match row.role(LOST) {
                    Some(Role::Q) => Some(row.p()),
                    Some(Role::P | Role::Data(_)) | None => row.q(),
                };
                let needed = |member: MemberIndex| {
                    kind == PassKind::Check || (member != LOST && Some(member) != spare)
                };
                for (member, (lane, block)) in apart.iter_mut().zip(blocks.iter()).enumerate() {
                    let member = MemberIndex(u8::try_from(member).expect("few"));
                    if needed(member) {
                        lane.copy_from_slice(block.as_deref().expect("there"));
                    }
                }
                let mut lanes = apart.iter_mut();
                let mut copied: Blocks<'_> =
                    core::array::from_fn(|_| lanes.next().map(Vec::as_mut_slice));
                run_row(kind, kernels, row, &mut copied);
                if kind == PassKind::Recovery {
                    let to = blocks[LOST.index()].as_deref_mut().expect("there");
                    to.copy_from_slice(&apart[LOST.index()]);
                }
            }
        });
    }
}

/// The data blocks that are left in place, by ascending exponent.
fn sources<'b>(row: Row, blocks: &'b Blocks<'_>) -> heapless::Vec<Source<'b>, 8> {
    let data = (0..row.data_members()).map(DataIndex);
    data.filter_map(|data| {
        let bytes = blocks[row.member(data)?.index()].as_deref()?;
        Some(Source { exponent: Exponent::new(row.exponent(data)?.0)?, bytes })
    })
    .collect()
}

fn run_row(kind: PassKind, kernels: Kernels, row: Row, blocks: &mut Blocks<'_>) {
    let q = row.q().expect("level 6");
    if kind == PassKind::Check {
        let (p, q) = (&blocks[row.p().index()], &blocks[q.index()]);
        let (p, q) = (p.as_deref().expect("there"), q.as_deref().expect("there"));
        let wrong = kernels.check_pq(&sources(row, blocks), p, q, |_, _| {}).expect("equally long");
        assert_eq!(black_box(wrong), 0);
        return;
    }
    let target = blocks[LOST.index()].take().expect("there");
    let sources = sources(row, blocks);
    match row.role(LOST).expect("a member") {
        Role::P => kernels.gen_p(&sources, target),
        Role::Q => kernels.gen_q(&sources, target),
        Role::Data(_) => {
            let p = blocks[row.p().index()].as_deref().expect("there");
            kernels.recover_from_p(&sources, p, target)
        }
    }
    .expect("equally long");
}

/// Rates of both sides in GiB/s of data, medians of turns taken one after the other.
fn compare(array: &mut Array, kind: PassKind, lanes: Lanes, turns: usize) -> (f64, f64) {
    let (mut engine, mut hand) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        let since = Instant::now();
        array.pass(kind, lanes);
        engine.push(since.elapsed().as_secs_f64());
        let since = Instant::now();
        array.by_hand(kind, lanes);
        hand.push(since.elapsed().as_secs_f64());
    }
    let data = bytes(array.geometry.size());
    let rate = |seconds: &mut Vec<f64>| {
        seconds.sort_by(f64::total_cmp);
        #[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "a rate to print")]
        let gib = data as f64 / f64::from(1 << 30);
        gib / seconds[seconds.len() / 2]
    };
    (rate(&mut engine), rate(&mut hand))
}

fn main() {
    let small = std::env::args().any(|argument| argument == "--test");
    let (all_bytes, turns) = if small { (20 << 20, 1) } else { (1 << 30, 7) };
    println!(
        "{:<10} {:<8} {:>6} {:>12} {:>12} {:>6}",
        "pass", "lanes", "chunk", "engine", "by hand", "ratio"
    );
    for chunk in [Sectors(128), Sectors(8)] {
        let chunk_bytes = bytes(chunk);
        let member_bytes = all_bytes / usize::from(MEMBERS) / chunk_bytes * chunk_bytes;
        let mut array = Array::new(chunk, member_bytes);
        for kind in [PassKind::Recovery, PassKind::Check] {
            for (lanes, name) in [(Lanes::Members, "aliased"), (Lanes::Apart, "copied")] {
                let (engine, hand) = compare(&mut array, kind, lanes, turns);
                println!(
                    "{:<10} {name:<8} {:>3} KiB {engine:>6.1} GiB/s {hand:>6.1} GiB/s {:>6.2}",
                    kind.name(),
                    chunk_bytes >> 10,
                    engine / hand
                );
            }
        }
    }
}
