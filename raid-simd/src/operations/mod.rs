//! The operations: the methods of [`Kernels`](crate::Kernels), and their loops over any backend.
//!
//! Each is a struct of its checked arguments with two ways to run: [`Operation::by_bytes`] is the
//! reference, [`Operation::by_vectors`] is written once over [`Vector`] and compiled for each
//! backend.

mod check;
mod locate;
mod recover;
mod sum;

pub(crate) use recover::{Lost, OneOfTwo};
pub(crate) use sum::Onto;

use crate::arch::lanes::Extent;
use crate::vector::Vector;

/// A call with checked arguments.
pub(crate) trait Operation {
    /// What it tells the caller.
    type Answer;

    /// Bytes in each block.
    fn length(&self) -> usize;

    /// Blocks to read.
    fn count(&self) -> usize;

    /// Runs the reference.
    fn by_bytes(self) -> Self::Answer;

    /// Runs over vectors. `None`: a block is not what the operation was told, or there is no loop
    /// for it, and nothing was done. `inline(always)`.
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<Self::Answer>;
}
