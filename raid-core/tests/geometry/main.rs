//! The geometry: against what md does, against its own definition, and on the way there and back.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and says where"
)]

extern crate alloc;

mod config;
mod copies;
mod numbers;
mod parity;
