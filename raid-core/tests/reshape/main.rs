//! Arrays that change their shape, whole sessions.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic says what was wrong"
)]

mod arrays;
mod backed;
mod failing;
mod finishing;
mod halting;
mod session;
