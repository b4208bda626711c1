//! Criterion benches live beside this file; this crate has no library of its own.

/// The example of the front page: compiled and run by `cargo test`, so that it stays true.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
