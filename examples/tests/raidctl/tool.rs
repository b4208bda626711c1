//! Runs raidctl and looks at how it ends.

use core::ops::RangeInclusive;
use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    line: String,
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

pub(crate) fn command(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raidctl"));
    command.args(arguments);
    command
}

/// Runs raidctl with these arguments, the last of them the images.
pub(crate) fn run(arguments: &[&str], images: &[impl AsRef<OsStr>]) -> Run {
    run_with(arguments, images, &[])
}

/// Runs raidctl with this on its standard input.
pub(crate) fn run_with(arguments: &[&str], images: &[impl AsRef<OsStr>], stdin: &[u8]) -> Run {
    let arguments = arguments.iter().map(OsStr::new).chain(images.iter().map(AsRef::as_ref));
    let mut command = command(arguments);
    let line = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A command that refuses does not read its input.
            let _ = input.write_all(stdin);
        });
        child.wait_with_output().unwrap()
    });
    let code = output.status.code().unwrap_or_else(|| panic!("{line}: {}", output.status));
    let stderr = String::from_utf8(output.stderr).unwrap();
    Run { line, code, stdout: output.stdout, stderr }
}

impl Run {
    /// It did what it was to do, without a word.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{}", self.line);
        self
    }

    /// It did what it was to do, and warned of this many things.
    #[track_caller]
    pub(crate) fn warns(self, count: usize) -> Self {
        assert_eq!(self.code, 0, "{}: {}", self.line, self.stderr);
        let warnings = self.stderr.lines().filter(|line| line.starts_with("raidctl: warning: "));
        assert_eq!(warnings.count(), count, "{}: {}", self.line, self.stderr);
        assert_eq!(self.stderr.lines().count(), count, "{}: {}", self.line, self.stderr);
        self
    }

    /// It ended with one of these codes, said why in one line, and nothing else.
    #[track_caller]
    pub(crate) fn says_no(self, codes: RangeInclusive<i32>) -> Self {
        assert!(codes.contains(&self.code), "{}: exit {}: {}", self.line, self.code, self.stderr);
        assert!(self.stderr.starts_with("raidctl: "), "{}: {}", self.line, self.stderr);
        assert_eq!(self.stderr.matches('\n').count(), 1, "{}: {}", self.line, self.stderr);
        assert!(self.stderr.ends_with('\n'), "{}: {}", self.line, self.stderr);
        self
    }

    /// Whatever it did, it ended as a program should.
    #[track_caller]
    pub(crate) fn ends_well(self) -> Self {
        match self.code {
            0 => {
                let lines = self.stderr.lines().count();
                self.warns(lines)
            }
            _ => self.says_no(1..=3),
        }
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        let text = String::from_utf8_lossy(&self.stdout);
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}
