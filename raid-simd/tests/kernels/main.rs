//! The kernels from outside: the reference against plain algebra, every backend against the
//! reference, and what calls refuse.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may stop"
)]

mod backends;
#[cfg(unix)]
mod guards;
mod reference;
mod rows;
mod shapes;
