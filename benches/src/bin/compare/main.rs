//! Measures this library's kernels and those of others in turn, in one process, on one core.
//!
//! `compare --help` gives the method; `docs/PERFORMANCE.md` says where the results are.
//!
//! | file | holds |
//! |---|---|
//! | `options.rs` | the command line |
//! | `cell.rs` | what a measurement is of: operation, place, row |
//! | `row.rs` | the blocks of one row, and the memory that rows lie in |
//! | `reference.rs` | P and Q by bytes: what every code is checked against |
//! | `peers/` | one file a library, ours and the loops without arithmetic among them |
//! | `trial.rs` | checks an implementation before it is timed |
//! | `sample.rs` | rounds of samples, medians |
//! | `clock.rs` | the stopwatch |
//! | `launch.rs` | one launch (the child) and many of them (the parent) |
//! | `verdict.rs` | ours against the best peer, and the summaries |
//! | `report.rs`, `chart.rs` | the files it writes |
//! | `machine.rs` | the core, the CPU's name, the date |
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unreachable,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "a measuring program: it may stop, and it computes with times"
)]

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("this comparison knows the code paths of its peers on x86-64 Linux alone");

mod cell;
mod chart;
mod clock;
mod launch;
mod machine;
mod options;
mod peers;
mod reference;
mod report;
mod row;
mod sample;
mod trial;
mod verdict;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let options = options::Options::parse();
    let outcome = match options.role {
        options::Role::Parent => launch::all(&options),
        options::Role::Child => launch::one(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}
