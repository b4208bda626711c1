//! Simulated members with injected faults, and a host that drives an engine over them in any order.
//!
//! * [`log`]: logs of partial parity on devices, written and replayed.
//! * [`journal`]: a journal on a device of its own, the same.
//! * [`medium`]: what a device holds, sector by sector.
//! * [`rules`]: which commands fail, how, and what they leave behind.
//! * [`device`]: a medium with rules, in memory; also a `BlockDevice`.
//! * [`crash`]: which writes survive when everything stops.
//! * [`intent`]: the write-intent bitmap on a device.
//! * [`host`]: carries commands out when their turn has come, keeps a trace, and checks the engine
//!   as it goes.
//! * [`order`]: whose turn it is: first come, last come, by chance, or every order there is.
//! * [`sim`]: an engine with a host under it, driven to the end.
//! * [`reshape`]: a reshape of a simulated array.
//! * [`mod@reference`]: what rows and copies have to hold, by plain algebra. Knows nothing of
//!   raid-simd.
//!
//! For tests. Whatever is found wrong panics, and says what it was.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a simulator for tests: a panic is how it reports what it found"
)]

extern crate alloc;

mod backup;
pub mod blueprint;
pub mod crash;
pub mod device;
pub mod host;
pub mod intent;
pub mod journal;
pub mod log;
pub mod medium;
pub mod order;
pub mod reference;
pub mod reshape;
pub mod rules;
pub mod sim;
