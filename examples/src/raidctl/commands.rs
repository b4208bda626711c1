//! The commands, one file each.

mod check;
mod create;
pub(crate) mod demo;
mod examine;
mod fail;
mod read;
mod readd;
mod rebuild;
mod repair;
mod replace;
mod reshape;
mod resume;
mod resync;
mod status;
mod write;

use crate::cli::Command;
use crate::exit::Error;
use std::io::{Write, stdout};

/// Runs a command to its end.
pub(crate) fn run(command: Option<Command>) -> Result<(), Error> {
    match command {
        None => Ok(()),
        Some(Command::Demo(demo)) => demo::run(&demo),
        Some(Command::Create(create)) => create::run(&create),
        Some(Command::Examine(examine)) => examine::run(&examine),
        Some(Command::Status(status)) => status::run(&status),
        Some(Command::Read(read)) => read::run(&read),
        Some(Command::Write(write)) => write::run(&write),
        Some(Command::Check(check)) => check::run(&check),
        Some(Command::Repair(repair)) => repair::run(&repair),
        Some(Command::Resync(resync)) => resync::run(&resync),
        Some(Command::Fail(fail)) => fail::run(&fail),
        Some(Command::Readd(readd)) => readd::run(&readd),
        Some(Command::Rebuild(rebuild)) => rebuild::run(&rebuild),
        Some(Command::Replace(replace)) => replace::run(&replace),
        Some(Command::Reshape(reshape)) => reshape::run(&reshape),
        Some(Command::Resume(resume)) => resume::run(&resume),
    }
}

/// A line on standard output.
fn print(line: &str) -> Result<(), Error> {
    writeln!(stdout(), "{line}").map_err(Error::output)
}
