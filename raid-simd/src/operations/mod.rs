//! The operations: the methods of [`Kernels`](crate::Kernels), and their loops over any backend.
//!
//! Each is a struct of its checked arguments with two ways to run: [`Operation::by_bytes`] is the
//! reference, [`Operation::by_lines`] is written once over [`Line`] and compiled for each backend.

mod check;
mod locate;
mod look;
mod recover;
mod sum;

pub(crate) use recover::{Lost, OneOfTwo};
pub(crate) use sum::Onto;

use crate::line::Line;

/// A call with checked arguments.
pub(crate) trait Operation {
    /// What it tells the caller.
    type Answer;

    /// Runs the reference.
    fn by_bytes(self) -> Self::Answer;

    /// Runs in tiles of `N` lines. `inline(always)` in every operation: see [`crate::line`].
    fn by_lines<V: Line, const N: usize>(self, proof: V::Proof) -> Self::Answer;
}
