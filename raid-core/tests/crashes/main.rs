//! Crashes: everything stops at every command, and every subset of what no flush has covered is on
//! the medium. What comes back keeps the promises. Each test is named after what it shows.
//!
//! `RAID_CRASHES=long` looks at more orders of completions, more subsets and more failures.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and says where"
)]

mod arrays;
mod assembly;
mod bad_blocks;
mod bitmap;
mod failing;
mod journaled;
mod judge;
mod ledger;
mod logged;
mod logged_bad_blocks;
mod passes;
mod places;
mod replacement;
mod reshape;
mod scenario;
mod writes;
