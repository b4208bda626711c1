//! Reshapes walked over a model of an array, crashed at every barrier with every subset of the
//! writes under way.
//!
//! `RAID_CRASHES=long` takes a hundred times as many samples where there are too many subsets.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::fn_params_excessive_bools,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and says where"
)]

extern crate alloc;

mod drive;
mod linux;
mod model;
mod pairs;
mod progress;
mod takeover;
