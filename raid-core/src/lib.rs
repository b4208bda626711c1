//! A RAID engine: decides what must be read, computed, written, flushed and recorded, and in which
//! order, so that an array of members keeps its data through failures and crashes. It allocates
//! nothing, starts no thread, reads no clock and performs no I/O: its host does, in callbacks.
//!
//! # The contract
//!
//! An [`Engine`](engine::Engine) is made from a [`Setup`](engine::Setup) and memory that the host
//! lends. Then three methods do everything:
//!
//! * [`start`](engine::Engine::start) takes a [`Request`](request::Request) in;
//! * [`poll`](engine::Engine::poll) takes steps, and hands [`Command`](host::Command)s and answers to
//!   the [`Host`](host::Host);
//! * [`on_done`](engine::Engine::on_done) records how one command ended.
//!
//! After each `start` and each `on_done`, poll until it says
//! [`Idle`](engine::Progress::Idle): then nothing is to be done before the next of them. Hosts
//! whose devices block use `blocking::Array`, which does all that.
//!
//! # The map: the way of a request
//!
//! | room | what it holds |
//! |---|---|
//! | [`request`] | what can be asked for, and the cut into rectangles |
//! | [`geometry`] | from an array address to a row, a member and an offset, and back |
//! | [`rectangle`] | the unit of work: a row and a range of offsets in it, on all members |
//! | [`plan`] | what to read, compute and write for a rectangle: one pure function |
//! | `stripe` | the typed state machine that executes a plan |
//! | [`engine`] | admission, slots, order of overlapping operations, answers |
//! | `log` | the logs that keep rows whole which a crash leaves written in part |
//! | `pass` | background walks: resync, recovery, check, repair |
//! | [`reshape`] | from one shape to another: how far, and what comes next |
//! | `array` | who sits where, who is lost, what is valid, what is on record |
//! | [`intent`] | the write-intent bitmap, and the machine that keeps it on the members |
//! | [`metadata`] | what must be durable about the array, and the machine that records it |
//! | `parity` | runs the plan's jobs over buffers, for hosts whose CPU does that |
//! | `md` | Linux md superblocks and logs: bytes to values and back; devices to an array |
//! | `blocking` | the easy way in |
//! | [`units`], [`limits`], [`members`], [`io_limits`], [`host`] | the words all of them use |
#![no_std]
#![forbid(unsafe_code)]

mod array;
mod batch;
#[cfg(feature = "parity")]
pub mod blocking;
pub mod engine;
pub mod geometry;
pub mod host;
pub mod intent;
pub mod io_limits;
pub mod limits;
mod log;
#[cfg(feature = "md")]
pub mod md;
pub mod members;
pub mod metadata;
#[cfg(feature = "parity")]
pub mod parity;
mod pass;
pub mod plan;
pub mod rectangle;
pub mod request;
pub mod reshape;
mod stripe;
pub mod units;
