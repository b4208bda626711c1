//! A RAID engine: decides what must be read, computed, written, flushed and recorded, and in which order.
#![no_std]
#![forbid(unsafe_code)]

pub mod geometry;
pub mod limits;
pub mod members;
pub mod units;
