//! The command line.

use crate::exit::Error;
use clap::builder::{BoolishValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{ArgAction, Args, Parser, Subcommand};
use raid_core::engine::Dirty;
use std::path::PathBuf;

/// Read, write and check Linux md arrays from their members, without root and without the kernel.
///
/// IMAGE... names the members of one array, in any order: image files or block devices. Their superblocks say who
/// they are. A member that is absent is simply not named. Offsets and lengths are in bytes, or in K, M, G, T
/// (powers of 1024).
///
/// Exit codes: 0 done; 1 the array is inconsistent, or a verification failed; 2 bad usage or bad input; 3 refused
/// because it would not be safe; 4 data that cannot be reconstructed.
#[derive(Debug, Parser)]
#[command(name = "raidctl", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show on real files what the engine does: store, lose members, read and write degraded, verify
    ///
    /// Makes an array of files in a directory, works on it and verifies every byte. Each step is a line. Exits with 0
    /// only if every byte was right.
    Demo(Demo),
    /// Show what each superblock says, also of one that does not fit the others
    Examine(Examine),
    /// Show the array that the images make
    Status(Status),
    /// Write the array's content to standard output, degraded if it must be
    ///
    /// Writes the array's content to standard output. What cannot be reconstructed is written as zero bytes, so that
    /// everything else stays at its offset; it is named on standard error, and the exit code is 4.
    Read(Read),
    /// Write standard input into the array, degraded if it must be
    ///
    /// Writes standard input into the array. When it exits with 0, everything is durable and the array is as clean as it was.
    /// Input that reaches beyond the end of the array is refused there, with exit code 2.
    Write(Write),
    /// Compare parity or copies of the whole array, and change nothing
    Check(Check),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where to make the files [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Leave the files there
    #[arg(long, action = ArgAction::SetTrue, value_parser = flag(Afterwards::Remove, Afterwards::Keep))]
    pub(crate) keep: Afterwards,
}

#[derive(Debug, Args)]
pub(crate) struct Examine {
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) members: Members,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) members: Members,
}

#[derive(Debug, Args)]
pub(crate) struct Read {
    /// Where to begin
    #[arg(long, value_name = "N", default_value = "0", value_parser = size)]
    pub(crate) offset: u64,
    /// How much to read [default: up to the end]
    #[arg(long, value_name = "N", value_parser = size)]
    pub(crate) length: Option<u64>,
    #[command(flatten)]
    pub(crate) force: Force,
    #[command(flatten)]
    pub(crate) members: Members,
}

#[derive(Debug, Args)]
pub(crate) struct Write {
    /// Where to begin
    #[arg(long, value_name = "N", default_value = "0", value_parser = size)]
    pub(crate) offset: u64,
    /// Write although a member that the metadata calls in sync is not there. Its absence is recorded first: it will
    /// have to be rebuilt
    #[arg(long, action = ArgAction::SetTrue, value_parser = flag(Absence::Refuse, Absence::Record))]
    pub(crate) degraded: Absence,
    #[command(flatten)]
    pub(crate) force: Force,
    #[command(flatten)]
    pub(crate) members: Members,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) members: Members,
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print JSON
    #[arg(long = "json", action = ArgAction::SetTrue, value_parser = flag(Format::Text, Format::Json))]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Force {
    /// Start an array that was not stopped cleanly and lacks a member: parity is believed, so blocks of that member
    /// may come out wrong
    #[arg(long = "force-dirty-degraded", action = ArgAction::SetTrue, value_parser = flag(Dirty::Refuse, Dirty::Force))]
    pub(crate) dirty: Dirty,
}

#[derive(Debug, Args)]
pub(crate) struct Members {
    /// The members, in any order
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

/// What to do with the files of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    Remove,
    Keep,
}

/// What to do if a member that the metadata calls in sync is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    Refuse,
    Record,
}

/// An option without a value, as one of two values.
fn flag<T: Clone + Send + Sync + 'static>(absent: T, given: T) -> impl TypedValueParser<Value = T> {
    BoolishValueParser::new().map(move |is_given| match is_given {
        true => given.clone(),
        false => absent.clone(),
    })
}

/// A number of bytes: digits, and perhaps K, M, G or T.
fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (text.get(..at), 1 << 10),
        Some((at, 'M' | 'm')) => (text.get(..at), 1 << 20),
        Some((at, 'G' | 'g')) => (text.get(..at), 1 << 30),
        Some((at, 'T' | 't')) => (text.get(..at), 1_u64 << 40),
        Some(_) | None => (Some(text), 1),
    };
    let number = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.and_then(|digits| digits.parse::<u64>().ok());
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| String::from("give bytes, or a number with K, M, G or T"))
}

/// The command to run. `None` if help or the version was asked for, which are printed here.
pub(crate) fn parse() -> Result<Option<Command>, Error> {
    let error = match Arguments::try_parse() {
        Ok(arguments) => return Ok(Some(arguments.command)),
        Err(error) => error,
    };
    if !error.use_stderr() {
        return error.print().map_err(Error::output).map(|()| None);
    }
    Err(Error::Usage(match error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        true => String::from("say what to do; 'raidctl --help' lists the commands"),
        false => one_line(&error.to_string()),
    }))
}

/// What clap says in several lines, without the usage.
fn one_line(text: &str) -> String {
    let lines = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words: Vec<_> = lines.flat_map(str::split_whitespace).collect();
    let line = words.join(" ");
    format!("{}; try '--help'", line.trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes_have_units() {
        let sizes = [("0", 0), ("4096", 4096), ("4K", 4096), ("1m", 1 << 20), ("3T", 3 << 40)];
        for (text, bytes) in sizes {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "K", "-1", "+1", "1.5G", "1KB", "99999999999T", "1 K", "0x10", "1é"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_flag_is_one_of_two_values() {
        let parsed = |line: &[&str]| match Arguments::try_parse_from(line).unwrap().command {
            Command::Write(write) => (write.degraded, write.force.dirty),
            other @ (Command::Demo(_)
            | Command::Examine(_)
            | Command::Status(_)
            | Command::Read(_)
            | Command::Check(_)) => panic!("{other:?}"),
        };
        assert_eq!(parsed(&["raidctl", "write", "a"]), (Absence::Refuse, Dirty::Refuse));
        let line = ["raidctl", "write", "--degraded", "--force-dirty-degraded", "a"];
        assert_eq!(parsed(&line), (Absence::Record, Dirty::Force));
    }
}
