//! rusty_erasure, after ISA-L.

use core::cell::RefCell;
use std::rc::Rc;

use rusty_erasure::{Coder, Matrix, raid};

use super::{Bind, Call, Path, Peer, version};
use crate::cell::{Operation, Task};
use crate::row::Row;

/// One way to use it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rusty {
    /// Its RAID functions, and its coder where there are none.
    Plain,
    /// A check by its coder.
    Verify,
}

impl Rusty {
    pub(super) const WAYS: [Self; 2] = [Self::Plain, Self::Verify];
}

impl Peer for Rusty {
    fn name(&self) -> String {
        let version = version("rusty_erasure");
        match self {
            Self::Plain => format!("rusty_erasure-{version}"),
            Self::Verify => format!("rusty_erasure-{version}:verify"),
        }
    }

    fn path(&self, operation: Operation) -> Option<Path> {
        let coder = rusty_erasure::best_kernels().name;
        match (self, operation) {
            (Self::Plain, Operation::GenPq) => {
                Some(vector(if is_x86_feature_detected!("avx2") { coder } else { "sse2" }))
            }
            (Self::Plain, Operation::Xor | Operation::RecoverOne) => {
                Some(vector(if is_x86_feature_detected!("avx2") { "avx2" } else { "sse2" }))
            }
            (
                Self::Plain,
                Operation::UpdatePq | Operation::RecoverTwo | Operation::RecoverDataP,
            )
            | (Self::Verify, Operation::Check) => Some(if coder == "scalar" {
                Path::Generic(coder.to_owned())
            } else {
                vector(coder)
            }),
            (Self::Plain, Operation::Check) => {
                Some(Path::Generic("raid::pq_check has words of 64 bits alone".to_owned()))
            }
            (
                Self::Verify,
                Operation::GenPq
                | Operation::Xor
                | Operation::UpdatePq
                | Operation::RecoverOne
                | Operation::RecoverTwo
                | Operation::RecoverDataP,
            ) => None,
        }
    }

    fn prepare(&self, task: &Task) -> Bind {
        let task = *task;
        match (self, task.operation) {
            (_, Operation::GenPq) => Box::new(|row| {
                let (data, p, q) = (shared(row.data), row.p, row.q);
                Box::new(move || raid::pq_gen(&data, p, q).is_ok())
            }),
            (_, Operation::Xor) => Box::new(|row| {
                let (data, p) = (shared(row.data), row.p);
                Box::new(move || raid::xor_gen(&data, p).is_ok())
            }),
            (_, Operation::RecoverOne) => Box::new(move |mut row: Row<'_>| {
                let lost = row.data.remove(task.first());
                let mut survivors = shared(row.data);
                survivors.push(row.p);
                Box::new(move || raid::xor_gen(&survivors, lost).is_ok())
            }),
            (Self::Plain, Operation::Check) => Box::new(|row| {
                let (data, p, q) = (shared(row.data), row.p, row.q);
                Box::new(move || raid::pq_check(&data, p, q) == Ok(None))
            }),
            (Self::Verify, Operation::Check) => {
                let coder = Rc::new(coder(task.k));
                Box::new(move |row| verify(Rc::clone(&coder), row))
            }
            (_, Operation::UpdatePq) => {
                let coder = Rc::new(coder(task.k));
                let scratch = Rc::new(RefCell::new(vec![0; task.chunk]));
                Box::new(move |row| update(task, Rc::clone(&coder), Rc::clone(&scratch), row))
            }
            (_, Operation::RecoverTwo) => recover(task, [task.first(), task.second()]),
            (_, Operation::RecoverDataP) => recover(task, [task.first(), task.k]),
        }
    }
}

fn vector(name: &str) -> Path {
    Path::Vector(format!("{name}, by CPU flags"))
}

fn shared(data: Vec<&mut [u8]>) -> Vec<&[u8]> {
    data.into_iter().map(|block| &*block).collect()
}

fn coder(k: usize) -> Coder {
    let matrix = Matrix::reed_solomon(k, 2).expect("a row has few blocks");
    rusty_erasure::coder(matrix).expect("a row has few blocks")
}

fn verify(coder: Rc<Coder>, row: Row<'_>) -> Call<'_> {
    let data = shared(row.data);
    let parity: [&[u8]; 2] = [row.p, row.q];
    Box::new(move || coder.verify(&data, &parity) == Ok(true))
}

fn update(
    task: Task,
    coder: Rc<Coder>,
    scratch: Rc<RefCell<Vec<u8>>>,
    mut row: Row<'_>,
) -> Call<'_> {
    let pair: [&[u8]; 2] = [row.data.swap_remove(task.first()), row.new];
    let mut parity = [row.p, row.q];
    Box::new(move || {
        let mut difference = scratch.borrow_mut();
        raid::xor_gen(&pair, &mut difference).is_ok()
            && coder.update(task.first(), &difference, &mut parity).is_ok()
    })
}

/// Brings back two blocks of a row, counted with P as `k` and Q as `k + 1`.
fn recover(task: Task, lost: [usize; 2]) -> Bind {
    let coder = Rc::new(coder(task.k));
    let present: Vec<bool> = (0..task.k + 2).map(|at| !lost.contains(&at)).collect();
    let plan = Rc::new(coder.decode_plan(&present, &lost).expect("two losses can be borne"));
    Box::new(move |row| {
        let (coder, plan) = (Rc::clone(&coder), Rc::clone(&plan));
        let (mut targets, mut shards) = (Vec::new(), Vec::new());
        for (at, block) in row.data.into_iter().chain([row.p, row.q]).enumerate() {
            if lost.contains(&at) {
                targets.push(block);
                shards.push(None);
            } else {
                shards.push(Some(&*block));
            }
        }
        Box::new(move || coder.recover_with(&plan, &shards, &mut targets).is_ok())
    })
}
