//! raidctl as its users see it: on arrays that the Linux kernel made, whole, degraded, broken and forged.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails says so by panicking"
)]

mod array;
mod assembly;
mod bad_input;
mod bitmap;
mod commands;
mod create;
mod fail;
mod golden;
mod journal;
mod marked;
mod partial_parity;
mod rebuild;
mod repair;
mod replace;
mod reshape;
mod superblocks;
mod tool;
mod writes;
