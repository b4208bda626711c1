//! The list of bad blocks: what goes on it, what comes off it, and what goes by it. Each test is
//! named after what it shows.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and says where"
)]

mod arrays;
mod passes;
mod reads;
mod refusals;
mod replacement;
mod stops;
mod writes;
