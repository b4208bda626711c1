//! Background passes: each test is named after what it shows.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and says where"
)]

mod arrays;
mod failing;
mod locate;
mod logged;
mod recovery;
mod replaced;
mod replacement;
mod resync;
mod under_load;
