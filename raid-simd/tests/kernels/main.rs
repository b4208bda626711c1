//! The kernels from outside: the reference against plain algebra and against Linux md, every
//! backend against the reference, and what calls refuse.
//!
//! `RAID_SIMD_TESTS=short` takes less of some sweeps, for emulated CPUs; `long` more random rows.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop"
)]

mod backends;
mod effort;
mod lanes;
mod losses;
mod md;
mod reference;
mod rows;
mod shapes;
mod transcript;
mod units;
#[cfg(unix)]
mod walls;
