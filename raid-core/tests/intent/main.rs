//! The write-intent bitmap: bits before writes, sweeps after them, and what set bits save when a
//! member comes back or the array was not stopped. Each test is named after what it shows.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and says where"
)]

mod arrays;
mod bits;
mod returning;
mod starting;
