//! What faults cost: each test is named after what it shows.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and says where"
)]

mod alignment;
mod marks;
mod media;
mod mirrors;
mod rejected;
mod setups;
