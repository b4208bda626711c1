//! Incidents of Linux md that cannot happen here: a test for each, named after what it prevents.
//! `docs/INCIDENTS.md` lists them, with those that other tests cover.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and says where"
)]

mod arrays;
mod corruption;
mod errors;
mod listed;
mod replaced;
mod stuck;
