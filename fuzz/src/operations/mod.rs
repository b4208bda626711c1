//! Sequences of operations on one small array, and the promises that hold whatever happens:
//!
//! * every request is answered exactly once, after a bounded number of polls, and its memory is then unused, or
//!   held until what may touch it is dead;
//! * no two commands in flight conflict, no member is written before the dirty mark is durable on all, and none
//!   after the array has failed;
//! * no request fails while no more members were hurt than the redundancy makes up for;
//! * a read brings what the writes before it left, and so does the array taken together again from its members
//!   with as many lost as it can bear;
//! * a pass that was started ends once, with a reason that is so, and none starts by itself;
//! * what a record says is so when it is written: parity and copies agree, and members hold what was rebuilt; so
//!   it is after a finished pass;
//! * what is on the list of bad blocks is not read, and comes off it only when it is durably good;
//! * an abandoned command finds its memory as it left it, and its member does not come back before it is dead;
//! * an engine at rest issues nothing, and comes to rest after as many completions as it says.

mod campaign;
mod changes;
mod end;
mod judge;
mod requests;
mod setting;

pub use campaign::Campaign;

use campaign::{Refuse, Step, Trouble};
use raid_core::engine::Activity;
use raid_core::engine::{BadBlock, Engine, Memory, Progress, RequestSlot, Slot};
use raid_core::geometry::Geometry;
use raid_core::host::{Completion, RequestId, Token};
use raid_core::intent::IntentMap;
use raid_core::units::{Lba, Sectors};

use crate::content::{Content, Version};
use crate::host::{Device, MemoryHost, Resting};
use setting::{MEMBER_SIZE, Setting};

const STEPS_MAX: usize = 300;
/// Far more than all that a small array can have to do.
const POLLS_MAX: usize = 50_000;

/// A request that is not answered yet.
struct Waiting {
    id: RequestId,
    kind: Kind,
    at: Lba,
    sectors: Sectors,
    /// The host's clock when it was started.
    since: u64,
    strain: Strain,
    stopping: Stopping,
    memory: CallerMemory,
    parity: Parity,
    /// Most members that were hurt at a time.
    hurt: usize,
}

/// Whether parity and copies agreed everywhere when a request was started.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parity {
    Agrees,
    Unsure,
}

#[derive(Clone, Copy)]
enum Kind {
    Read(Version),
    Write(Version),
    Check,
    Flush,
    MarkClean,
}

/// Whether, while a request was alive, more was hurt than the redundancy makes up for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strain {
    Bearable,
    Beyond,
}

/// Whether the engine was asked to come to rest while a request was alive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopping {
    NotAsked,
    Asked,
}

/// Whether a read into the memory of a request was abandoned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CallerMemory {
    InUse,
    NamedByHung,
}

/// What a read brought, to be judged when all writes have come out.
struct Seen {
    before: Version,
    sector: u64,
    bytes: Vec<u8>,
}

struct Run<'m> {
    engine: Engine<'m>,
    host: MemoryHost,
    content: Content,
    waiting: Vec<Waiting>,
    seen: Vec<Seen>,
    rejections: Rejections,
    request_slots: u64,
    background_slots: u64,
}

/// Whether any device or job was told to call a command malformed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rejections {
    None,
    Some,
}

/// Runs a campaign. Panics where a promise is broken.
pub fn run(campaign: &Campaign) {
    let Ok(geometry) = Geometry::new(campaign.array.shape()) else { return };
    let setting = Setting::new(campaign, geometry);
    let (foreground, background) = (campaign.slots % 4 + 1, campaign.background % 4);
    let mut slots = vec![Slot::FREE; usize::from(foreground + background)];
    let mut requests = vec![RequestSlot::FREE; usize::from(campaign.requests % 6) + 1];
    let mut host = setting.host(slots.len());
    setting.litter(&mut host);
    let mut bad_blocks = vec![BadBlock::FREE; usize::from(campaign.slots / 4 % 8)];
    let mut chunks = setting.intent();
    let memory = Memory {
        background: background.into(),
        bad_blocks: &mut bad_blocks,
        bitmap: chunks.as_mut().zip(setting.bit).map(|(chunks, chunk)| IntentMap {
            chunk,
            chunks,
            cleared_at: setting::EVENTS,
        }),
        ..Memory::new(&mut slots, &mut requests)
    };
    let Ok(engine) = Engine::new(&setting.setup(), memory) else { return };
    let mut run = Run {
        engine,
        host,
        content: Content::new(geometry.size(), setting.unwritten()),
        waiting: Vec::new(),
        seen: Vec::new(),
        rejections: Rejections::None,
        request_slots: foreground.into(),
        background_slots: background.into(),
    };
    for step in &campaign.steps {
        run.step(*step, &setting);
    }
    run.finish_everything();
    run.read_everything();
    let Run { host, content, seen, .. } = run;
    host.insist_at_the_end();
    for Seen { before, sector, bytes } in seen {
        content.check(before, sector, &bytes);
    }
    if !content.has_failed_writes() {
        end::assemble_again(&setting, host, &content, campaign.lost_at_the_end);
    }
}

impl Run<'_> {
    fn step(&mut self, step: Step, setting: &Setting) {
        match step {
            Step::Read { at, sectors, staged } => self.step_read(at, sectors, staged),
            Step::Write { at, sectors, staged, durable } => {
                self.step_write(at, sectors, staged, durable);
            }
            Step::Zeroes { at, sectors } => self.step_zeroes(at, sectors),
            Step::Check { at, sectors } => self.step_check(at, sectors),
            Step::Barrier(barrier) => self.step_barrier(barrier),
            Step::Poll { budget } => {
                self.poll(budget.into());
            }
            Step::Finish { choice } => self.finish(choice.into()),
            Step::FinishAll => {
                for _ in 0..self.host.in_flight.len() {
                    self.finish(0);
                }
            }
            Step::Settle => {
                self.settle();
                self.engine.sweep_bitmap();
            }
            Step::StartPass { kind } => self.start_pass(kind.pass()),
            Step::Change(change) => self.change(change, setting),
            Step::Trouble(trouble) => self.trouble(trouble),
            Step::Hang(hang) => self.hang(hang),
            Step::Refuse(Refuse::Device { member, commands }) => {
                self.device(member).busy = commands;
            }
            Step::Refuse(Refuse::Compute { jobs }) => self.host.compute_busy = jobs,
        }
    }

    fn trouble(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Forge { bits, kind } => {
                let token = Token::from_bits(bits);
                let hung = self.host.abandoned.iter().map(|hung| hung.token);
                let known = self.host.in_flight.iter().map(|(token, _)| *token).chain(hung);
                if known.into_iter().all(|other| other != token) {
                    let forged = self.engine.on_done(token, Completion::Failed(kind.fault()));
                    assert!(forged.is_err(), "{token:?} names nothing in flight");
                }
            }
            Trouble::ComputeFails => {
                self.host.compute_faults = 1;
                self.rejections = Rejections::Some;
            }
            Trouble::Fault { member, kind } => {
                self.device(member).faults.push_back(kind.fault());
                if let campaign::FaultKind::InvalidRequest | campaign::FaultKind::Unsupported = kind
                {
                    self.rejections = Rejections::Some;
                }
            }
            Trouble::Gone { member } => {
                self.device(member).faults.extend([raid_core::host::Fault::Gone; 64]);
            }
            Trouble::BadSector { member, sector } => {
                let sector = self.host.data_offset.0 + u64::from(sector) % MEMBER_SIZE.0;
                self.device(member).bad.insert(sector);
            }
        }
    }

    fn device(&mut self, member: u8) -> &mut Device {
        let member = member % self.engine.geometry().members();
        let device = self.host.device_of(member);
        &mut self.host.devices[device.index()]
    }

    fn poll(&mut self, budget: u32) -> Progress {
        self.feel_strain();
        let progress = self.engine.poll(&mut self.host, budget);
        self.take_answers();
        let runs = matches!(self.engine.activity(), Activity::Running(_));
        assert_eq!(runs, self.host.pass.is_some(), "a pass starts when asked, and says its end");
        progress
    }

    fn finish(&mut self, choice: usize) {
        let Some((token, completion)) = self.host.finish(choice) else { return };
        self.engine.on_done(token, completion).expect("the command was in flight");
        let again = self.engine.on_done(token, completion);
        assert!(again.is_err(), "a command is reported once");
        if let Resting::Underway { completions } = self.host.resting {
            assert!(completions <= self.completions_to_rest(), "still not at rest");
        }
    }

    /// All that can be done without news is done, unless the host is busy.
    fn settle(&mut self) {
        for _ in 0..POLLS_MAX {
            match self.poll(32) {
                Progress::More => {}
                Progress::HostBusy(_) => return,
                Progress::Idle if self.host.in_flight.is_empty() => return,
                Progress::Idle => self.finish(0),
            }
        }
        panic!("still at work after {POLLS_MAX} polls");
    }

    /// As [`Engine::quiesce`] says.
    fn completions_to_rest(&self) -> usize {
        let slots = self.host.lanes.len();
        let members = usize::from(self.engine.geometry().members());
        let units = usize::try_from(self.engine.lane().0 / 8).expect("small");
        let bits = self.host.bit.map_or(0, |_| members);
        slots * (2 * members + 2 * members * units) + (members + 2) * 3 * members + 1 + bits
    }
}
