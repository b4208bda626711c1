//! Backends of other architectures: types without values. They run nothing, and keep the loops
//! compiled, and so checked, on every target.

use crate::line::{LINE_BYTES, Line};
use crate::operations::Operation;
use crate::verdict::Different;

/// No value of it exists here: neither proof nor line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Avx2 {}

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    pub(crate) fn run<O: Operation>(self, operation: O) -> O::Answer {
        operation.by_lines::<Self, 1>(self)
    }
}

impl Line for Avx2 {
    type Proof = Self;
    type Factor = Self;
    type Running = Self;

    fn zero(proof: Self) -> Self {
        proof
    }

    fn load(proof: Self, _bytes: &[u8; LINE_BYTES]) -> Self {
        proof
    }

    fn store(self, _bytes: &mut [u8; LINE_BYTES]) {
        match self {}
    }

    fn xor(self, _other: Self) -> Self {
        self
    }

    fn or(self, _other: Self) -> Self {
        self
    }

    fn difference(self) -> Option<Different> {
        match self {}
    }

    fn factor(proof: Self, _constant: u8) -> Self {
        proof
    }

    fn times(self, _factor: Self) -> Self {
        self
    }

    fn begin(self) -> Self {
        self
    }

    fn double(sum: Self) -> Self {
        sum
    }

    fn add(sum: Self, _next: Self) -> Self {
        sum
    }

    fn finish(sum: Self) -> Self {
        sum
    }
}
