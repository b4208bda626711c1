//! The stripe machine, exhaustively over small arrays: every set of lost members, lost at every
//! moment, under every run of blocks that a request can cover, and every order of completions.
//!
//! What is compared with what: the bytes on the members, read past the engine, with plain algebra;
//! the answers with what that algebra says can be known; the commands with the promises that
//! `raid_sim::host` checks.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and says where"
)]

mod arrays;
mod bound;
mod hangs;
mod judge;
mod media;
mod orders;
mod pools;
mod quiesce;
mod reads;
mod writes;
