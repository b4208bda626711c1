//! Runs jobs over buffers with raid-simd, for hosts whose CPU does it.
//!
//! A job names its buffers; the host brings them: the lanes of the job's slot, and the requester's
//! memory. A host with an engine for parity in hardware runs the job there instead.

mod blocks;

pub use blocks::CallerMemory;

use crate::geometry::{Role, Row};
use crate::host::{Completion, Fault, Located};
use crate::limits::MEMBERS_MAX;
use crate::members::MemberSet;
use crate::plan::{
    Job, Operation, Parities, PartialParity, Recovery, Source as WriteSource, Task, UpdateWay,
};
use crate::units::{DataIndex, MemberIndex};
use blocks::{Blocks, extent_at};
use heapless::Vec;
use raid_simd::{Change, Exponent, Kernels, Source, Suspect, Target};

/// Why a job cannot run: the memory that the host brought is not what the job names.
struct WrongMemory;

impl From<raid_simd::ShapeError> for WrongMemory {
    fn from(_: raid_simd::ShapeError) -> Self {
        Self
    }
}

/// Runs a job to its end.
///
/// `lanes` are those of [`Job::slot`], by member, and behind them that for partial parity if there is one; `caller` is the memory of [`Job::request`]. What
/// comes back is to be reported to the engine; memory that is too short for the job makes it an
/// invalid request.
#[must_use]
pub fn run(
    job: &Job,
    kernels: Kernels,
    lanes: &mut [&mut [u8]],
    mut caller: CallerMemory<'_, '_>,
) -> Completion {
    match run_pieces(job, kernels, lanes, &mut caller) {
        Ok(completion) => completion,
        Err(WrongMemory) => Completion::Failed(Fault::InvalidRequest),
    }
}

/// The requester's memory may come in segments: the job runs over one run of bytes after the other
/// in which every block is contiguous.
fn run_pieces(
    job: &Job,
    kernels: Kernels,
    lanes: &mut [&mut [u8]],
    caller: &mut CallerMemory<'_, '_>,
) -> Result<Completion, WrongMemory> {
    let length = job.sectors().memory_bytes().ok_or(WrongMemory)?;
    let mut start = 0;
    let mut mismatched_units = 0_u32;
    let mut located = Located::Nowhere;
    // Each round is at least one byte long.
    while start < length {
        let extent =
            extent_at(job, caller, start).ok_or(WrongMemory)?.min(length.saturating_sub(start));
        if extent == 0 {
            return Err(WrongMemory);
        }
        let blocks = Blocks::view(job, lanes, caller, start, extent).ok_or(WrongMemory)?;
        let found = run_task(job, kernels, blocks, &mut located)?;
        mismatched_units =
            mismatched_units.saturating_add(u32::try_from(found).unwrap_or(u32::MAX));
        start = start.saturating_add(extent);
    }
    Ok(match job.task() {
        Task::Check => Completion::Compared { mismatched_units },
        Task::Locate => Completion::Located(located),
        Task::Recover(_)
        | Task::Generate(_)
        | Task::Update(_)
        | Task::Subtract(_)
        | Task::Add(_)
        | Task::PartialParity(_)
        | Task::Stage
        | Task::Deliver => Completion::Done,
    })
}

/// Runs the task over blocks that are in view. How many units disagree, if it compares.
fn run_task(
    job: &Job,
    kernels: Kernels,
    mut blocks: Blocks<'_>,
    located: &mut Located,
) -> Result<usize, WrongMemory> {
    match (job.task(), job.roles()) {
        (Task::Stage, _) => stage(job, &mut blocks).map(|()| 0),
        (Task::Deliver, _) => deliver(job, &mut blocks).map(|()| 0),
        (Task::Check, None) => compare(job, kernels, &mut blocks),
        (Task::Check, Some(row)) => check(kernels, row, &mut blocks),
        (Task::Locate, Some(row)) => locate(kernels, row, &mut blocks, located).map(|()| 0),
        (Task::Recover(recovery), Some(row)) => {
            recover(job, kernels, row, recovery, &mut blocks).map(|()| 0)
        }
        (Task::Generate(parities), Some(row)) => {
            generate(job, kernels, row, parities, &mut blocks).map(|()| 0)
        }
        (Task::Update(parities), Some(row)) => {
            update(job, kernels, row, parities, &mut blocks).map(|()| 0)
        }
        (Task::Subtract(parities) | Task::Add(parities), Some(row)) => {
            accumulate(job, kernels, row, parities, &mut blocks).map(|()| 0)
        }
        (Task::PartialParity(way), Some(row)) => {
            partial_parity(job, kernels, row, way, &mut blocks).map(|()| 0)
        }
        (
            Task::Locate
            | Task::Recover(_)
            | Task::Generate(_)
            | Task::Update(_)
            | Task::Subtract(_)
            | Task::Add(_)
            | Task::PartialParity(_),
            None,
        ) => Err(WrongMemory),
    }
}

fn stage(job: &Job, blocks: &mut Blocks<'_>) -> Result<(), WrongMemory> {
    for member in job.covered() {
        let lane = blocks.take_lane(member).ok_or(WrongMemory)?;
        match job.operation() {
            Operation::Write(WriteSource::Zeroes, _) => lane.fill(0),
            Operation::Write(WriteSource::Direct | WriteSource::Staged, _)
            | Operation::Read(_)
            | Operation::Check
            | Operation::Sync(_) => {
                let from = blocks.take_caller(member).ok_or(WrongMemory)?;
                lane.copy_from_slice(from.shared());
            }
        }
    }
    Ok(())
}

fn deliver(job: &Job, blocks: &mut Blocks<'_>) -> Result<(), WrongMemory> {
    for member in job.covered() {
        let lane = blocks.take_lane(member).ok_or(WrongMemory)?;
        let to =
            blocks.take_caller(member).and_then(blocks::Piece::exclusive).ok_or(WrongMemory)?;
        to.copy_from_slice(lane);
    }
    Ok(())
}

fn compare(job: &Job, kernels: Kernels, blocks: &mut Blocks<'_>) -> Result<usize, WrongMemory> {
    let mut copies: Vec<&[u8], MEMBERS_MAX> = Vec::new();
    for member in job.places() {
        copies.push(blocks.take_lane(member).ok_or(WrongMemory)?).map_err(|_| WrongMemory)?;
    }
    Ok(kernels.compare(&copies, |_| {})?)
}

fn check(kernels: Kernels, row: Row, blocks: &mut Blocks<'_>) -> Result<usize, WrongMemory> {
    let sources =
        sources(row, row.data_places(), |member| blocks.take_lane(member).map(|lane| &*lane))?;
    let p = blocks.take_lane(row.p()).ok_or(WrongMemory)?;
    match row.q() {
        None => Ok(kernels.check_p(&sources, p, |_| {})?),
        Some(q) => {
            let q = blocks.take_lane(q).ok_or(WrongMemory)?;
            Ok(kernels.check_pq(&sources, p, q, |_, _| {})?)
        }
    }
}

/// Brings what one more run of bytes says together with what those before it said.
fn locate(
    kernels: Kernels,
    row: Row,
    blocks: &mut Blocks<'_>,
    located: &mut Located,
) -> Result<(), WrongMemory> {
    let sources =
        sources(row, row.data_places(), |member| blocks.take_lane(member).map(|lane| &*lane))?;
    let p = blocks.take_lane(row.p()).ok_or(WrongMemory)?;
    let q_place = row.q().ok_or(WrongMemory)?;
    let q = blocks.take_lane(q_place).ok_or(WrongMemory)?;
    let data = (0..row.data_members()).map(DataIndex).filter_map(|data| row.member(data));
    kernels.locate(&sources, p, q, |_, suspect| {
        let found = match suspect {
            Suspect::P => Some(row.p()),
            Suspect::Q => Some(q_place),
            Suspect::Data(wrong) => {
                data.clone().find(|member| exponent(row, *member).is_ok_and(|it| it == wrong))
            }
            Suspect::Several => None,
        };
        *located = match (*located, found) {
            (Located::Nowhere, Some(member)) => Located::At(member),
            (Located::At(before), Some(member)) if before == member => Located::At(member),
            (Located::Nowhere | Located::At(_) | Located::Ambiguous, _) => Located::Ambiguous,
        };
    })?;
    Ok(())
}

fn recover(
    job: &Job,
    kernels: Kernels,
    row: Row,
    recovery: Recovery,
    blocks: &mut Blocks<'_>,
) -> Result<(), WrongMemory> {
    let (first, second) = match recovery {
        Recovery::FromP { lost } | Recovery::FromQ { lost } | Recovery::WithPFromQ { lost } => {
            (lost, None)
        }
        Recovery::Two { first, second } => (first, Some(second)),
    };
    let lost: MemberSet = core::iter::once(first).chain(second).collect();
    let bytes = blocks.take_exclusive(first, job.before(first)).ok_or(WrongMemory)?;
    let target = Target { exponent: exponent(row, first)?, bytes };
    let other = match second {
        None => None,
        Some(second) => {
            let bytes = blocks.take_exclusive(second, job.before(second)).ok_or(WrongMemory)?;
            Some(Target { exponent: exponent(row, second)?, bytes })
        }
    };
    let p = blocks.take_lane(row.p());
    let q = row.q().and_then(|q| blocks.take_lane(q));
    let survivors = sources(row, row.data_places().difference(lost), |member| {
        blocks.take_shared(member, job.before(member))
    })?;
    match (recovery, p, q, other) {
        (Recovery::FromP { .. }, Some(p), _, _) => {
            kernels.recover_from_p(&survivors, p, target.bytes)?;
        }
        (Recovery::FromQ { .. }, _, Some(q), _) => kernels.recover_from_q(&survivors, q, target)?,
        (Recovery::WithPFromQ { .. }, Some(p), Some(q), _) => {
            kernels.recover_data_and_p(&survivors, q, target, p)?;
        }
        (Recovery::Two { .. }, Some(p), Some(q), Some(other)) => {
            kernels.recover_two(&survivors, p, q, target, other)?;
        }
        (Recovery::FromP { .. }, None, ..)
        | (Recovery::FromQ { .. }, _, None, _)
        | (Recovery::WithPFromQ { .. } | Recovery::Two { .. }, ..) => return Err(WrongMemory),
    }
    Ok(())
}

fn generate(
    job: &Job,
    kernels: Kernels,
    row: Row,
    parities: Parities,
    blocks: &mut Blocks<'_>,
) -> Result<(), WrongMemory> {
    let lanes = ParityLanes::take(row, parities, blocks)?;
    let sources =
        sources(row, row.data_places(), |member| blocks.take_shared(member, job.after(member)))?;
    match lanes {
        ParityLanes::P(p) => kernels.gen_p(&sources, p)?,
        ParityLanes::Q(q) => kernels.gen_q(&sources, q)?,
        ParityLanes::Both(p, q) => kernels.gen_pq(&sources, p, q)?,
    }
    Ok(())
}

fn update(
    job: &Job,
    kernels: Kernels,
    row: Row,
    parities: Parities,
    blocks: &mut Blocks<'_>,
) -> Result<(), WrongMemory> {
    let lanes = ParityLanes::take(row, parities, blocks)?;
    let mut changes: Vec<Change<'_>, MEMBERS_MAX> = Vec::new();
    for member in job.covered() {
        let old = blocks.take_lane(member).ok_or(WrongMemory)?;
        let new = blocks.take_shared(member, job.after(member)).ok_or(WrongMemory)?;
        let change = Change { exponent: exponent(row, member)?, old, new };
        changes.push(change).map_err(|_| WrongMemory)?;
    }
    match lanes {
        ParityLanes::P(p) => kernels.update_p(&changes, p)?,
        ParityLanes::Q(q) => kernels.update_q(&changes, q)?,
        ParityLanes::Both(p, q) => kernels.update_pq(&changes, p, q)?,
    }
    Ok(())
}

fn accumulate(
    job: &Job,
    kernels: Kernels,
    row: Row,
    parities: Parities,
    blocks: &mut Blocks<'_>,
) -> Result<(), WrongMemory> {
    let lanes = ParityLanes::take(row, parities, blocks)?;
    let sources =
        sources(row, job.covered(), |member| blocks.take_lane(member).map(|lane| &*lane))?;
    match lanes {
        ParityLanes::P(p) => kernels.accumulate_p(&sources, p)?,
        ParityLanes::Q(q) => kernels.accumulate_q(&sources, q)?,
        ParityLanes::Both(p, q) => kernels.accumulate_pq(&sources, p, q)?,
    }
    Ok(())
}

fn partial_parity(
    job: &Job,
    kernels: Kernels,
    row: Row,
    way: UpdateWay,
    blocks: &mut Blocks<'_>,
) -> Result<(), WrongMemory> {
    let mut sources: Vec<&[u8], MEMBERS_MAX> = Vec::new();
    match PartialParity::of(&row, job.rectangle.covered(), way) {
        // A write to the whole row leaves nothing over.
        PartialParity::None => return Err(WrongMemory),
        PartialParity::XorOf(members) => {
            for member in members {
                let lane = blocks.take_lane(member).ok_or(WrongMemory)?;
                sources.push(lane).map_err(|_| WrongMemory)?;
            }
        }
    }
    let target = blocks.take_behind().ok_or(WrongMemory)?;
    Ok(kernels.xor(&sources, target)?)
}

/// The lanes of the parity that a job makes.
enum ParityLanes<'b> {
    P(&'b mut [u8]),
    Q(&'b mut [u8]),
    Both(&'b mut [u8], &'b mut [u8]),
}

impl<'b> ParityLanes<'b> {
    fn take(row: Row, parities: Parities, blocks: &mut Blocks<'b>) -> Result<Self, WrongMemory> {
        let mut lane = |member: MemberIndex| blocks.take_lane(member).ok_or(WrongMemory);
        let q = || row.q().ok_or(WrongMemory);
        Ok(match parities {
            Parities::P => Self::P(lane(row.p())?),
            Parities::Q => Self::Q(lane(q()?)?),
            Parities::Both => Self::Both(lane(row.p())?, lane(q()?)?),
        })
    }
}

/// The data blocks of these places, with their exponents, in ascending order of exponents as far as
/// the layout has them in the order of the data.
fn sources<'b>(
    row: Row,
    places: MemberSet,
    mut bytes: impl FnMut(MemberIndex) -> Option<&'b [u8]>,
) -> Result<Vec<Source<'b>, MEMBERS_MAX>, WrongMemory> {
    let mut sources = Vec::new();
    for data in 0..row.data_members() {
        let Some(member) = row.member(DataIndex(data)) else { return Err(WrongMemory) };
        if places.contains(member) {
            let source = Source {
                exponent: exponent(row, member)?,
                bytes: bytes(member).ok_or(WrongMemory)?,
            };
            sources.push(source).map_err(|_| WrongMemory)?;
        }
    }
    Ok(sources)
}

/// The exponent of a place's data. Without Q there is none, and any will do that is its own.
fn exponent(row: Row, member: MemberIndex) -> Result<Exponent, WrongMemory> {
    let Some(Role::Data(data)) = row.role(member) else { return Err(WrongMemory) };
    let exponent = row.exponent(data).map_or(data.0, |exponent| exponent.0);
    Exponent::new(exponent).ok_or(WrongMemory)
}
