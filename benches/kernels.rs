//! Parity kernels, one group an operation.
fn main() {}
