//! The command line.

use crate::exit::Error;
use clap::builder::{BoolishValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{ArgAction, Args, Parser, Subcommand};
use raid_core::engine::Dirty;
use raid_core::md::Minor;
use std::path::PathBuf;

/// Read, write and check Linux md arrays from their members, without root and without the kernel.
///
/// IMAGE... names the members of one array, in any order: image files or block devices. Their superblocks say who
/// they are. A member that is absent is simply not named. Offsets and lengths are in bytes, or in K, M, G, T
/// (powers of 1024).
///
/// Exit codes: 0 done; 1 the array is inconsistent, or a verification failed; 2 bad usage or bad input; 3 refused
/// because it would not be safe; 4 data that cannot be reconstructed; 130 or 143 interrupted by a signal, where it can
/// go on.
#[derive(Debug, Parser)]
#[command(name = "raidctl", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show on real files what the engine does: store, lose members, write degraded, rebuild, grow, verify
    ///
    /// Makes an array of files in a directory, works on it and verifies every byte. Each step is a line. Exits with 0
    /// only if every byte was right.
    Demo(Demo),
    /// Make a new array: write superblocks that mdadm and the Linux kernel accept
    ///
    /// Makes a new array of the images, which become its members in this order. The smallest of them rules; what lies in
    /// their data areas stays as it is.
    ///
    /// An image that bears a signature is not overwritten without --overwrite: a superblock of md, DDF or Intel RAID; an
    /// ext2, ext3, ext4, XFS, btrfs, NTFS or squashfs file system; a LUKS or LVM volume, a bcache device, swap space; a GPT
    /// or MBR partition table or a boot sector. Other formats are not recognised. Everything is checked before the first
    /// write.
    Create(Create),
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
    /// Make parity or copies agree with the data, or find the wrong block and mend that
    ///
    /// Compares everything. Where parity does not agree with the data it is computed anew; of copies that differ, the
    /// first is taken.
    ///
    /// With --locate, for level 6: from the two parities it follows which one block of a row is wrong, be it data or
    /// parity, and that is made from the others. Rows that no single wrong block explains are left as they are and named;
    /// the exit code is 1 then. `sector` in the JSON counts from the start of the member's image.
    Repair(Repair),
    /// Make an array consistent that was not stopped cleanly
    ///
    /// Parity is computed anew and copies are made alike, from where the last resync stopped. If there is nothing to do, it
    /// says so.
    Resync(Resync),
    /// Record a member as failed in the metadata of the others
    ///
    /// Records a member as failed in the metadata of the others; it is left out from then on. Its own image need not be
    /// named, all others must be. Refused where blocks of the array would be lost without it.
    Fail(Fail),
    /// Take back a member that was away
    ///
    /// The first image is that member: failed, or stale. What it holds is not trusted, so all of it is written anew. It gets
    /// its old place if that is free, else the lowest that is.
    Readd(Readd),
    /// Bring blank images in for missing members and recover onto them
    ///
    /// The new images take the lowest places that lack a member, in their order, and are recovered onto together in one
    /// walk. An image that bears a signature is refused without --overwrite, as by create. Everything is checked before
    /// the first write.
    ///
    /// Ctrl-C parks the recovery; 'raidctl resume' goes on with it, and so does the kernel.
    Rebuild(Rebuild),
    /// Copy a live member to a blank image, which then has its place
    ///
    /// What the member cannot give is reconstructed from the others. It stays in use until the image holds everything;
    /// should it fail before, the image has its place with what was copied, and 'raidctl resume' rebuilds the rest. An
    /// image that bears any signature is refused without --overwrite.
    ///
    /// Ctrl-C parks the replacement; 'raidctl resume' or the same command goes on with it, and so does the kernel.
    Replace(Replace),
    /// Change the number of members, the chunk or the layout of an array in place
    ///
    /// Moves all content to where the new shape has it, while the start of the data moves on every member, so that
    /// nothing is overwritten that a crash would need. Where the members have no room for that, it says how much they
    /// would need. Everything is checked before the first write.
    ///
    /// A shrink cuts off the end of the array: --array-size says how much of it counts.
    ///
    /// Ctrl-C parks the reshape at its next checkpoint; 'raidctl resume' goes on with it, and so does the kernel.
    Reshape(Reshape),
    /// Go on with a reshape, a rebuild or a replacement that was interrupted, whoever began it
    Resume(Resume),
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
pub(crate) struct Create {
    /// The level: 0, 1, 4, 5, 6 or 10
    #[arg(long, value_name = "L", value_parser = level)]
    pub(crate) level: u8,
    /// The layout by mdadm's name: left-symmetric (ls) and its kin for levels 5 and 6; n2, f2, o2 and so on for level 10
    /// [default: left-symmetric, n2]
    #[arg(long, value_name = "X")]
    pub(crate) layout: Option<String>,
    /// The run of bytes on one member before the next member's turn, a power of two from 4K; level 1 has none
    /// [default: 512K]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) chunk: Option<u64>,
    /// Where the data of each member starts, with metadata 1.1 and 1.2 [default: what mdadm chooses, from 1M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) data_offset: Option<u64>,
    /// How much of each member to use, cut to whole chunks [default: what the smallest has]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) size: Option<u64>,
    /// The name of the array, up to 32 bytes [default: none]
    #[arg(long, value_name = "N", default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// The version of the metadata: 1.0 at the end of each member, 1.1 at its start, 1.2 at 4K
    #[arg(long, value_name = "VERSION", default_value = "1.2", value_parser = minor)]
    pub(crate) metadata: Minor,
    /// With a write-intent bitmap: after a crash, or when a member was away, only what was written needs work
    #[arg(long, conflicts_with = "ppl", action = ArgAction::SetTrue, value_parser = flag(Wanted::No, Wanted::Yes))]
    pub(crate) bitmap: Wanted,
    /// With a partial parity log, which closes the write hole; level 5 alone
    #[arg(long, action = ArgAction::SetTrue, value_parser = flag(Wanted::No, Wanted::Yes))]
    pub(crate) ppl: Wanted,
    /// With a write journal on this image, which closes the write hole; levels 4, 5 and 6. From then on it is named
    /// among the members
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["bitmap", "ppl"])]
    pub(crate) journal: Option<PathBuf>,
    /// Read this member, counted from 0, only if no other can be; level 1 alone; may be given several times
    #[arg(long, value_name = "N")]
    pub(crate) write_mostly: Vec<u8>,
    /// Take parity or copies for right as they are: for images that are all zeroes, or that were this array before
    #[arg(long = "assume-clean", action = ArgAction::SetTrue, value_parser = flag(NewParity::MakeConsistent, NewParity::AssumeClean))]
    pub(crate) parity: NewParity,
    /// Overwrite images that bear a signature. Old superblocks of md are wiped, and so are other signatures outside of
    /// the data
    #[arg(long, action = ArgAction::SetTrue, value_parser = flag(Occupied::Refuse, Occupied::Overwrite))]
    pub(crate) overwrite: Occupied,
    /// The members, in the order of their places
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<PathBuf>,
}

impl Create {
    /// The members' images, and that of the journal behind them.
    pub(crate) fn devices(&self) -> Vec<PathBuf> {
        self.images.iter().chain(&self.journal).cloned().collect()
    }
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
    #[command(flatten)]
    pub(crate) insist: Insistence,
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
pub(crate) struct Fail {
    /// Which member, counted from 0
    #[arg(long, value_name = "N")]
    pub(crate) member: u8,
    #[command(flatten)]
    pub(crate) force: Force,
    #[command(flatten)]
    pub(crate) members: Members,
}

#[derive(Debug, Args)]
pub(crate) struct Repair {
    /// Find the one wrong block of a row from both parities and mend that
    #[arg(long = "locate", action = ArgAction::SetTrue, value_parser = flag(Method::Recompute, Method::Locate))]
    pub(crate) method: Method,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) members: Members,
}

#[derive(Debug, Args)]
pub(crate) struct Resync {
    #[command(flatten)]
    pub(crate) stop: Stop,
    #[command(flatten)]
    pub(crate) insist: Insistence,
    #[command(flatten)]
    pub(crate) members: Members,
}

#[derive(Debug, Args)]
pub(crate) struct Readd {
    #[command(flatten)]
    pub(crate) stop: Stop,
    #[command(flatten)]
    pub(crate) insist: Insistence,
    /// The member that comes back, then the others in any order
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    /// A blank image; may be given several times
    #[arg(long, value_name = "IMAGE", required = true)]
    pub(crate) new: Vec<PathBuf>,
    /// Overwrite new images that bear a signature. A spare of the array is taken without
    #[arg(long, action = ArgAction::SetTrue, value_parser = flag(Occupied::Refuse, Occupied::Overwrite))]
    pub(crate) overwrite: Occupied,
    #[command(flatten)]
    pub(crate) stop: Stop,
    #[command(flatten)]
    pub(crate) insist: Insistence,
    #[command(flatten)]
    pub(crate) members: Members,
}

#[derive(Debug, Args)]
pub(crate) struct Replace {
    /// The place of the member
    #[arg(long, value_name = "N")]
    pub(crate) member: u8,
    /// A blank image
    #[arg(long, value_name = "IMAGE")]
    pub(crate) with: PathBuf,
    /// Overwrite an image that bears a signature. A spare of the array is taken without
    #[arg(long, action = ArgAction::SetTrue, value_parser = flag(Occupied::Refuse, Occupied::Overwrite))]
    pub(crate) overwrite: Occupied,
    #[command(flatten)]
    pub(crate) stop: Stop,
    #[command(flatten)]
    pub(crate) insist: Insistence,
    #[command(flatten)]
    pub(crate) members: Members,
}

#[derive(Debug, Args)]
pub(crate) struct Reshape {
    /// How many members the array is to have [default: as many as it has]
    #[arg(long = "members", value_name = "N")]
    pub(crate) count: Option<u8>,
    /// The level, which stays as it is (others are to come)
    #[arg(long, value_name = "L", value_parser = level)]
    pub(crate) level: Option<u8>,
    /// The new layout, by the names that create takes [default: as it is]
    #[arg(long, value_name = "X")]
    pub(crate) layout: Option<String>,
    /// The new chunk, a power of two from 4K [default: as it is]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) chunk: Option<u64>,
    /// A blank image for a member that comes in; one for each
    #[arg(long, value_name = "IMAGE")]
    pub(crate) new: Vec<PathBuf>,
    /// Overwrite new images that bear a signature. A spare of the array is taken without
    #[arg(long, action = ArgAction::SetTrue, value_parser = flag(Occupied::Refuse, Occupied::Overwrite))]
    pub(crate) overwrite: Occupied,
    /// How much of the array counts: what lies behind may be cut off, and a reshape that would cut off more is refused
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) array_size: Option<u64>,
    /// How far the data moves on each member [default: what is good, or enough, where there is room]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) data_offset_shift: Option<u64>,
    #[command(flatten)]
    pub(crate) stop: Stop,
    #[command(flatten)]
    pub(crate) insist: Insistence,
    #[command(flatten)]
    pub(crate) members: Members,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) stop: Stop,
    #[command(flatten)]
    pub(crate) insist: Insistence,
    #[command(flatten)]
    pub(crate) members: Members,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Stop {
    /// Stop once so much of each member is done, or so much of the array is reshaped, as if interrupted; exits with 0
    #[arg(long = "stop-after", value_name = "SIZE", value_parser = size)]
    pub(crate) after: Option<u64>,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Insistence {
    /// Write although a member that the metadata calls in sync is not there. Its absence is recorded first: it will
    /// have to be rebuilt
    #[arg(long, action = ArgAction::SetTrue, value_parser = flag(Absence::Refuse, Absence::Record))]
    pub(crate) degraded: Absence,
    #[command(flatten)]
    pub(crate) force: Force,
}

#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print JSON
    #[arg(long = "json", action = ArgAction::SetTrue, value_parser = flag(Format::Text, Format::Json))]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, Args)]
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

/// Whether something is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    No,
    Yes,
}

/// How parity is made to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// It is computed from the data.
    Recompute,
    /// The wrong block is found, data or parity.
    Locate,
}

/// What becomes of parity and copies of a new array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewParity {
    MakeConsistent,
    AssumeClean,
}

/// What to do with an image that bears a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occupied {
    Refuse,
    Overwrite,
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

fn level(text: &str) -> Result<u8, String> {
    let level = text.parse().ok().filter(|level| [0, 1, 4, 5, 6, 10].contains(level));
    level.ok_or_else(|| String::from("give 0, 1, 4, 5, 6 or 10"))
}

fn minor(text: &str) -> Result<Minor, String> {
    let minor = Minor::ALL.into_iter().find(|minor| minor.to_string() == text);
    minor.ok_or_else(|| String::from("give 1.0, 1.1 or 1.2"))
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
            Command::Write(write) => (write.insist.degraded, write.insist.force.dirty),
            other @ (Command::Demo(_)
            | Command::Create(_)
            | Command::Fail(_)
            | Command::Examine(_)
            | Command::Status(_)
            | Command::Read(_)
            | Command::Check(_)
            | Command::Repair(_)
            | Command::Resync(_)
            | Command::Readd(_)
            | Command::Rebuild(_)
            | Command::Replace(_)
            | Command::Reshape(_)
            | Command::Resume(_)) => panic!("{other:?}"),
        };
        assert_eq!(parsed(&["raidctl", "write", "a"]), (Absence::Refuse, Dirty::Refuse));
        let line = ["raidctl", "write", "--degraded", "--force-dirty-degraded", "a"];
        assert_eq!(parsed(&line), (Absence::Record, Dirty::Force));
    }
}
