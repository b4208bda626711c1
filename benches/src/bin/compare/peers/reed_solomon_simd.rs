//! reed-solomon-simd: an FFT over GF(2^16), for hundreds of blocks. Its encoder copies what it is
//! given, and that is timed: there is no other way to use it.

use core::cell::RefCell;
use std::rc::Rc;

use reed_solomon_simd::ReedSolomonEncoder;

use super::{Bind, Code, Path, Peer, version};
use crate::cell::{Operation, Task};

#[derive(Debug)]
pub(super) struct Leopard;

impl Peer for Leopard {
    fn name(&self) -> String {
        format!("reed-solomon-simd-{}", version("reed-solomon-simd"))
    }

    fn code(&self) -> Code {
        Code::Other
    }

    fn path(&self, operation: Operation) -> Option<Path> {
        match operation {
            Operation::GenPq => Some(if is_x86_feature_detected!("avx2") {
                Path::Vector("avx2, by CPU flags".to_owned())
            } else {
                Path::Generic("at most SSSE3".to_owned())
            }),
            Operation::Xor
            | Operation::UpdatePq
            | Operation::RecoverOne
            | Operation::RecoverTwo
            | Operation::RecoverDataP
            | Operation::Check => None,
        }
    }

    fn prepare(&self, task: &Task) -> Bind {
        let encoder = ReedSolomonEncoder::new(task.k, 2, task.chunk).expect("a row has few blocks");
        let encoder = Rc::new(RefCell::new(encoder));
        Box::new(move |row| {
            let encoder = Rc::clone(&encoder);
            let (data, p, q) = (row.data, row.p, row.q);
            Box::new(move || {
                let mut encoder = encoder.borrow_mut();
                let added = data.iter().all(|block| encoder.add_original_shard(block).is_ok());
                let Ok(result) = encoder.encode() else { return false };
                let (Some(first), Some(second)) = (result.recovery(0), result.recovery(1)) else {
                    return false;
                };
                p.copy_from_slice(first);
                q.copy_from_slice(second);
                added
            })
        })
    }
}
