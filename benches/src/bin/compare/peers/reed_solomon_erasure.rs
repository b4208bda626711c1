//! reed-solomon-erasure: any number of parities, by a Vandermonde matrix that is not md's.

use std::rc::Rc;

use reed_solomon_erasure::galois_8::ReedSolomon;

use super::{Bind, Code, Path, Peer, version};
use crate::cell::{Operation, Task};

#[derive(Debug)]
pub(super) struct Erasure;

impl Peer for Erasure {
    fn name(&self) -> String {
        format!("reed-solomon-erasure-{}", version("reed-solomon-erasure"))
    }

    fn code(&self) -> Code {
        Code::Other
    }

    fn path(&self, operation: Operation) -> Option<Path> {
        match operation {
            Operation::GenPq | Operation::RecoverTwo | Operation::RecoverDataP => {
                Some(Path::Vector("C compiled for Haswell (AVX2), feature simd-accel".to_owned()))
            }
            // With one parity of two it has nothing faster than the matrix, with an update two
            // passes: no match for the others.
            Operation::Xor | Operation::UpdatePq | Operation::RecoverOne | Operation::Check => None,
        }
    }

    fn prepare(&self, task: &Task) -> Bind {
        let coder = Rc::new(ReedSolomon::new(task.k, 2).expect("a row has few blocks"));
        let lost = match task.operation {
            Operation::RecoverTwo => [task.first(), task.second()],
            Operation::RecoverDataP => [task.first(), task.k],
            Operation::GenPq
            | Operation::Xor
            | Operation::UpdatePq
            | Operation::RecoverOne
            | Operation::Check => {
                return Box::new(move |row| {
                    let (coder, data) = (Rc::clone(&coder), row.data);
                    let mut parity = [row.p, row.q];
                    Box::new(move || coder.encode_sep(&data, &mut parity).is_ok())
                });
            }
        };
        Box::new(move |row| {
            let coder = Rc::clone(&coder);
            let mut shards: Vec<(&mut [u8], bool)> =
                row.data.into_iter().chain([row.p, row.q]).map(|block| (block, true)).collect();
            Box::new(move || {
                for at in lost {
                    shards[at].1 = false;
                }
                coder.reconstruct(&mut shards).is_ok()
            })
        })
    }
}
