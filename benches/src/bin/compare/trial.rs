//! Checks an implementation before it is timed.

use crate::cell::{Operation, Task};
use crate::peers::{Code, Part, Peer};
use crate::reference;
use crate::row::{PAGE_BYTES, Row, fill};

/// What a target holds before it is written.
const POISON: u8 = 0xa5;

/// A row with the right parity, and what it should be after the call.
struct Case {
    bytes: Vec<u8>,
    task: Task,
}

/// Runs the operation once on a row whose outcome is known.
pub(crate) fn run(peer: &dyn Peer, task: &Task) -> Result<(), String> {
    if matches!(peer.part(), Part::Limit | Part::Reading) {
        return Ok(());
    }
    let outcome = match (task.operation, peer.code()) {
        (Operation::Check, _) => sees(peer, task),
        (Operation::GenPq, Code::Other) => writes(peer, task),
        (_, Code::Md | Code::Other) => computes(peer, task),
    };
    let Task { operation, k, chunk } = task;
    outcome.map_err(|what| format!("{} {operation} k={k} chunk={chunk}: {what}", peer.name()))
}

impl Case {
    fn new(task: &Task) -> Self {
        let bytes = vec![0; Row::size(task) + PAGE_BYTES];
        let mut case = Self { bytes, task: *task };
        fill(&mut case.bytes);
        case
    }

    /// Aligned as the rows that are timed: ISA-L asks for it.
    fn row(&mut self) -> Row<'_> {
        let start = self.bytes.as_ptr().align_offset(PAGE_BYTES);
        Row::of(&self.task, &mut self.bytes[start..])
    }
}

fn call(peer: &dyn Peer, task: &Task, case: &mut Case) -> bool {
    let bind = peer.prepare(task);
    let mut call = bind(case.row());
    call()
}

/// Gives a row the parity of this implementation's code.
fn settle(peer: &dyn Peer, case: &mut Case) {
    match peer.code() {
        Code::Md => {
            let chunk = case.task.chunk;
            let (p, q) = reference::parity(&case.row().data, chunk);
            let row = case.row();
            row.p.copy_from_slice(&p);
            row.q.copy_from_slice(&q);
        }
        Code::Other => {
            let task = Task { operation: Operation::GenPq, ..case.task };
            call(peer, &task, case);
        }
    }
}

/// The bytes of data, P and Q.
fn content(case: &mut Case) -> Vec<Vec<u8>> {
    let row = case.row();
    row.data.into_iter().chain([row.p, row.q]).map(|block| block.to_vec()).collect()
}

fn computes(peer: &dyn Peer, task: &Task) -> Result<(), String> {
    let mut case = Case::new(task);
    settle(peer, &mut case);
    let mut wanted = content(&mut case);
    let row = case.row();
    let targets: &[usize] = match task.operation {
        Operation::GenPq => &[task.k, task.k + 1],
        Operation::Xor => &[task.k],
        Operation::RecoverOne => &[task.first()],
        Operation::RecoverTwo => &[task.first(), task.second()],
        Operation::RecoverDataP => &[task.first(), task.k],
        Operation::UpdatePq => {
            let old = wanted[task.first()].clone();
            wanted[task.first()] = row.new.to_vec();
            let (p, q) = reference::parity(&wanted[..task.k], task.chunk);
            wanted[task.first()] = old;
            wanted[task.k] = p;
            wanted[task.k + 1] = q;
            &[]
        }
        Operation::Check => unreachable!("it has no target"),
    };
    for (at, block) in row.data.into_iter().chain([row.p, row.q]).enumerate() {
        if targets.contains(&at) {
            block.fill(POISON);
        }
    }
    if !call(peer, task, &mut case) {
        return Err("the call failed".to_owned());
    }
    match content(&mut case).iter().zip(&wanted).position(|(got, wanted)| got != wanted) {
        None => Ok(()),
        Some(block) => Err(format!("block {block} is not what it should be")),
    }
}

/// Of another code only that it writes both parities. Its recoveries tell the rest.
fn writes(peer: &dyn Peer, task: &Task) -> Result<(), String> {
    let mut case = Case::new(task);
    let row = case.row();
    row.p.fill(POISON);
    row.q.fill(POISON);
    let done = call(peer, task, &mut case);
    let row = case.row();
    let poisoned = |block: &[u8]| block.iter().filter(|byte| **byte == POISON).count() * 8;
    if done && poisoned(row.p) < task.chunk && poisoned(row.q) < task.chunk {
        Ok(())
    } else {
        Err("a parity was not written".to_owned())
    }
}

fn sees(peer: &dyn Peer, task: &Task) -> Result<(), String> {
    let mut case = Case::new(task);
    settle(peer, &mut case);
    if !call(peer, task, &mut case) {
        return Err("consistent parity was refused".to_owned());
    }
    let last = task.chunk - 1;
    for block in 0..3 {
        let spoil = |case: &mut Case| {
            let mut row = case.row();
            let spoilt: [&mut [u8]; 3] = [row.p, row.q, &mut *row.data[task.k / 2]];
            for (at, bytes) in spoilt.into_iter().enumerate() {
                if at == block {
                    bytes[last] ^= 1;
                }
            }
        };
        spoil(&mut case);
        if call(peer, task, &mut case) {
            return Err(format!("a wrong byte was not seen: {block}"));
        }
        spoil(&mut case);
    }
    Ok(())
}
