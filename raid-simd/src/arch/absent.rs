//! Backends of other architectures: types without values.

use crate::operations::Operation;

/// No value of it exists here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Avx2 {}

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    pub(crate) fn run<O: Operation>(self, _operation: O) -> O::Answer {
        match self {}
    }
}
