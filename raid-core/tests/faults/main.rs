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
mod busy;
mod marks;
mod media;
mod metadata;
mod mirrors;
mod misuse;
mod rejected;
mod setups;
mod soak;
mod without_logs;
