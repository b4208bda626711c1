//! A RAID engine: decides what must be read, computed, written, flushed and recorded, and in which
//! order.
#![no_std]
#![forbid(unsafe_code)]

mod batch;
#[cfg(feature = "parity")]
pub mod blocking;
pub mod engine;
pub mod geometry;
pub mod host;
pub mod io_limits;
pub mod limits;
#[cfg(feature = "md")]
pub mod md;
pub mod members;
pub mod metadata;
#[cfg(feature = "parity")]
pub mod parity;
pub mod plan;
pub mod rectangle;
pub mod request;
mod stripe;
pub mod units;
