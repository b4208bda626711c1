//! fec-rs, given md's matrix. It recovers into vectors of its own making alone, so not here.

use std::rc::Rc;

use fec_rs::ReedSolomon;

use super::{Bind, Path, Peer, version};
use crate::cell::{Operation, Task};
use crate::reference::powers_of_two;

#[derive(Debug)]
pub(super) struct Fec;

impl Peer for Fec {
    fn name(&self) -> String {
        format!("fec-rs-{}", version("fec-rs"))
    }

    fn path(&self, operation: Operation) -> Option<Path> {
        match operation {
            Operation::GenPq | Operation::Check => Some(if is_x86_feature_detected!("avx2") {
                let gfni = if is_x86_feature_detected!("gfni") { "+gfni" } else { "" };
                Path::Vector(format!("avx2{gfni}, by CPU flags"))
            } else {
                Path::Generic("at most SSSE3".to_owned())
            }),
            Operation::Xor
            | Operation::UpdatePq
            | Operation::RecoverOne
            | Operation::RecoverTwo
            | Operation::RecoverDataP => None,
        }
    }

    fn prepare(&self, task: &Task) -> Bind {
        let mut coder = ReedSolomon::new(task.k, 2).expect("a row has few blocks");
        let matrix = [vec![1; task.k], powers_of_two(task.k)].concat();
        coder.set_parity_matrix(&matrix).expect("two rows of k");
        let coder = Rc::new(coder);
        if task.operation == Operation::Check {
            return Box::new(move |row| {
                let coder = Rc::clone(&coder);
                let shards: Vec<&mut [u8]> = row.data.into_iter().chain([row.p, row.q]).collect();
                Box::new(move || coder.verify(&shards) == Ok(true))
            });
        }
        Box::new(move |row| {
            let (coder, data) = (Rc::clone(&coder), row.data);
            let mut parity = [row.p, row.q];
            Box::new(move || coder.encode_sep(&data, &mut parity).is_ok())
        })
    }
}
