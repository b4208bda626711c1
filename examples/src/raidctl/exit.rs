//! What can go wrong, in one line each, and the exit code that it ends with.

use raid_core::blocking;
use raid_core::host::Failure;
use raid_core::md::SuperblockError;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use thiserror::Error;

/// Why a command did not do all that it was to do.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// Whoever reads our output has gone: it has what it wanted.
    #[error("nobody reads the output any more")]
    OutputClosed,

    /// The array's parity or copies disagree, or a verification failed. Printed by the command already.
    #[error("{0}")]
    Inconsistent(String),

    #[error("{0}")]
    Usage(String),
    #[error("{}: {source}", .image.display())]
    Open { image: PathBuf, source: io::Error },
    #[error("{}: {what}; name an image file or a block device", .image.display())]
    NotStorage { image: PathBuf, what: &'static str },
    #[error("{} and {} are one and the same; name it once", .first.display(), .second.display())]
    NamedTwice { first: PathBuf, second: PathBuf },
    #[error("{}: a member cannot be {name} as well; name another file", .image.display())]
    Stream { image: PathBuf, name: &'static str },
    #[error("{}: not a member of an md array: {error}", .image.display())]
    NotMember { image: PathBuf, error: SuperblockError },
    /// Several images for one reason or another: the first one's, and how many more.
    #[error("{first}; and {more} more")]
    Several { first: Box<Self>, more: usize },
    #[error("{0}")]
    BadArray(String),
    #[error("standard output: {0}")]
    Output(io::Error),
    #[error("standard input: {0}")]
    Input(io::Error),
    #[error("{0}")]
    Engine(String),

    #[error("{}: in use by another program; stop that first", .image.display())]
    InUse { image: PathBuf },
    #[error("{}: cannot be locked, so others may be using it: {source}", .image.display())]
    Lock { image: PathBuf, source: io::Error },
    #[error("{0}")]
    Refused(String),

    #[error("{0}")]
    Lost(String),

    /// A signal ended it where it can go on.
    #[error("{text}")]
    Interrupted { text: String, code: u8 },
}

impl Error {
    /// Output that failed.
    pub(crate) fn output(error: io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe { Self::OutputClosed } else { Self::Output(error) }
    }

    /// What the front-end said while it did `what`.
    pub(crate) fn engine(what: &str, error: &blocking::Error) -> Self {
        let text = format!("{what}: {error}");
        let blocking::Error::Failed(failure) = error else { return Self::Engine(text) };
        match failure {
            Failure::Unrecoverable { .. } | Failure::NotCompared { .. } => Self::Lost(text),
            Failure::ArrayFailed
            | Failure::JournalLost
            | Failure::NeedsBackup { .. }
            | Failure::NothingToCompare => Self::Refused(text),
            Failure::Rejected { .. }
            | Failure::MemoryHeld { .. }
            | Failure::HandedBack
            | Failure::Interrupted => Self::Engine(text),
        }
    }

    fn number(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Inconsistent(_) => 1,
            Self::Usage(_)
            | Self::Open { .. }
            | Self::NotStorage { .. }
            | Self::NamedTwice { .. }
            | Self::Stream { .. }
            | Self::NotMember { .. }
            | Self::BadArray(_)
            | Self::Output(_)
            | Self::Input(_)
            | Self::Engine(_) => 2,
            Self::InUse { .. } | Self::Lock { .. } | Self::Refused(_) => 3,
            Self::Lost(_) => 4,
            Self::Interrupted { code, .. } => *code,
            Self::Several { first, .. } => first.number(),
        }
    }
}

/// Says what went wrong, if anything did, and gives the exit code.
pub(crate) fn code(result: Result<(), Error>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ Error::OutputClosed) => ExitCode::from(error.number()),
        Err(error) => {
            say(&error.to_string());
            ExitCode::from(error.number())
        }
    }
}

/// One line on standard error, whatever the text has in it: names of images come from anywhere.
pub(crate) fn say(text: &str) {
    let mut line = String::from("raidctl: ");
    for character in text.chars() {
        match character.is_control() {
            true => line.extend(character.escape_default()),
            false => line.push(character),
        }
    }
    line.push('\n');
    // There is nobody left to tell.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Something that did not keep the command from being done.
pub(crate) fn warn(text: &str) {
    say(&format!("warning: {text}"));
}
