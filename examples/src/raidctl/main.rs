//! raidctl: works on the members of Linux md arrays, as image files or block devices, in user space.
//!
//! A thin host around raid-core: it opens images, lends memory, carries out commands and reports. What RAID is, the
//! engine knows.

extern crate alloc;

mod array;
mod bad_blocks;
mod cli;
mod commands;
mod exit;
mod images;
mod interrupt;
mod passes;
mod progress;
mod report;
mod signatures;
mod stream;
mod superblocks;

use std::process::ExitCode;

fn main() -> ExitCode {
    exit::code(cli::parse().and_then(commands::run))
}
