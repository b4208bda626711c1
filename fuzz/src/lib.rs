//! The bodies of the fuzz targets, as functions: the fuzzer runs them on what it makes up, and the tests on what
//! is kept in `corpus`.
//!
//! A body panics where a promise is broken, and returns otherwise.

mod agreement;
pub mod bad_blocks;
pub mod bitmap;
mod content;
mod host;
pub mod journal;
pub mod operations;
pub mod ppl;
pub mod superblock;
