//! What commands print: for people, or as JSON.

use crate::cli::Format;
use crate::exit::Error;
use core::fmt::{self, Display};
use raid_core::md::DeviceFlags;
use serde::Serialize;
use std::ffi::OsStr;
use std::io::{Write, stdout};
use std::path::Path;

/// Prints a report on standard output.
pub(crate) fn print(report: &(impl Display + Serialize), format: Format) -> Result<(), Error> {
    let mut text = match format {
        Format::Text => report.to_string(),
        Format::Json => {
            serde_json::to_string(report).map_err(|error| Error::Output(error.into()))?
        }
    };
    text.push('\n');
    let mut output = stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(Error::output)
}

/// What a check found, and a repair did.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Scrubbed {
    pub(crate) mismatch_sectors: u64,
    pub(crate) repaired_sectors: u64,
    pub(crate) located: Vec<Located>,
}

/// A wrong block whose member is known.
#[derive(Debug, Serialize)]
pub(crate) struct Located {
    pub(crate) member: u8,
    /// From the start of the image.
    pub(crate) sector: u64,
}

impl Display for Scrubbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mismatch_sectors: {}", self.mismatch_sectors)?;
        if self.repaired_sectors > 0 {
            write!(f, "\nrepaired_sectors: {}", self.repaired_sectors)?;
        }
        Ok(())
    }
}

/// The assembled array.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "JSON says true or false")]
pub(crate) struct Status {
    pub(crate) level: i32,
    pub(crate) layout: String,
    pub(crate) chunk_bytes: u64,
    pub(crate) raid_members: u8,
    pub(crate) size_bytes: u64,
    pub(crate) state: State,
    pub(crate) members: Vec<Member>,
    pub(crate) events: u64,
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) dirty: bool,
    pub(crate) action: Action,
    pub(crate) reshape: Option<Reshape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bitmap: Option<Bitmap>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) journal: Option<Journal>,
}

/// The write journal.
#[derive(Debug, Serialize)]
pub(crate) struct Journal {
    pub(crate) state: Standing,
    pub(crate) image: Option<String>,
}

/// The write-intent bitmap.
#[derive(Debug, Serialize)]
pub(crate) struct Bitmap {
    pub(crate) chunk_bytes: u32,
    pub(crate) bits: u64,
    pub(crate) bits_set: u64,
    /// As mdstat draws it.
    #[serde(skip)]
    pub(crate) pages: u64,
    #[serde(skip)]
    pub(crate) pages_set: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Clean,
    Degraded,
    Failed,
}

#[derive(Debug, Serialize)]
pub(crate) struct Member {
    pub(crate) slot: Option<u16>,
    pub(crate) state: Standing,
    pub(crate) image: Option<String>,
    /// Whether it is to replace the member at its place.
    #[serde(skip)]
    pub(crate) seated: Seated,
    /// As mdstat draws it: what follows is for people.
    #[serde(skip)]
    pub(crate) number: u32,
    #[serde(skip)]
    pub(crate) flags: DeviceFlags,
}

/// Whether a device is at its place, or beside who is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seated {
    AtItsPlace,
    AsReplacement,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    InSync,
    Rebuilding,
    Spare,
    Failed,
    Missing,
}

/// What the metadata shows to be unfinished.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Idle,
    Resync,
    Recovery,
    Reshape,
}

/// A reshape on record.
#[derive(Debug, Serialize)]
pub(crate) struct Reshape {
    pub(crate) position_bytes: u64,
    pub(crate) direction: Direction,
    pub(crate) from: Shape,
    pub(crate) to: Shape,
    /// What the metadata shows to be in its way.
    pub(crate) stopped: Option<Obstacle>,
    /// How much of it is done, and of how much.
    #[serde(skip)]
    pub(crate) done_bytes: u64,
    #[serde(skip)]
    pub(crate) walk_bytes: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// One of the two shapes of an array that is being reshaped.
#[derive(Debug, Serialize)]
pub(crate) struct Shape {
    pub(crate) level: i32,
    pub(crate) layout: String,
    pub(crate) chunk_bytes: u64,
    pub(crate) raid_members: u8,
}

/// Why a reshape that is on record does not go on.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) enum Obstacle {
    #[serde(rename = "members missing")]
    MembersMissing,
    #[serde(rename = "critical section")]
    CriticalSection,
    #[serde(rename = "unknown")]
    Unknown,
}

impl Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "array {} {}", self.uuid, self.name)?;
        write!(f, "level {}", self.level)?;
        if self.layout != "-" {
            write!(f, ", {}", self.layout)?;
        }
        if self.level != 1 {
            write!(f, ", {} KiB chunks", self.chunk_bytes / 1024)?;
        }
        let in_place = || self.members.iter().filter(|member| member.state != Standing::Spare);
        let up = in_place().filter(|member| member.state == Standing::InSync).count();
        let marks: String = (0..u16::from(self.raid_members)).map(|slot| self.mark(slot)).collect();
        writeln!(f, ", {} bytes [{}/{up}] [{marks}]", self.size_bytes, self.raid_members)?;
        let state = match (self.state, self.dirty) {
            (State::Clean, false) => "clean",
            (State::Clean, true) => "dirty: not stopped cleanly",
            (State::Degraded, false) => "degraded",
            (State::Degraded, true) => "degraded and dirty: not stopped cleanly",
            (State::Failed, _) => "failed: too few members",
        };
        write!(f, "state {state}, {} events", self.events)?;
        match self.action {
            Action::Idle => {}
            Action::Resync => write!(f, ", resync unfinished")?,
            Action::Recovery => write!(f, ", recovery unfinished")?,
            Action::Reshape => write!(f, ", reshape unfinished")?,
        }
        if let Some(reshape) = &self.reshape {
            write!(f, "\n{reshape}")?;
        }
        write!(f, "\nraid{}", self.level)?;
        self.members.iter().try_for_each(|member| member.draw(f))?;
        if let Some(Bitmap { chunk_bytes, pages, pages_set, .. }) = &self.bitmap {
            let kib = pages_set.saturating_mul(4);
            let chunk = chunk_bytes / 1024;
            write!(f, "\n      bitmap: {pages_set}/{pages} pages [{kib}KB], {chunk}KB chunk")?;
        }
        for member in &self.members {
            match member.slot {
                Some(slot) if member.seated == Seated::AsReplacement => {
                    write!(f, "\n  {slot:>3}  {:<10}", "replacing")?;
                }
                Some(slot) => write!(f, "\n  {slot:>3}  {:<10}", member.state)?,
                None => write!(f, "\n    -  {:<10}", member.state)?,
            }
            if let Some(image) = &member.image {
                write!(f, "  {image}")?;
            }
        }
        if let Some(Journal { state, image }) = &self.journal {
            write!(f, "\n    J  {state:<10}")?;
            image.iter().try_for_each(|image| write!(f, "  {image}"))?;
        }
        Ok(())
    }
}

impl Display for Reshape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, done_bytes, walk_bytes, position_bytes, .. } = self;
        let percent = done_bytes.saturating_mul(100).checked_div(*walk_bytes).unwrap_or(0);
        let way = match self.direction {
            Direction::Forward => "forward",
            Direction::Backward => "backward",
        };
        write!(
            f,
            "reshape from {from} to {to}\n  {percent} % done, {way}, at byte {position_bytes}"
        )?;
        match self.stopped {
            Some(Obstacle::MembersMissing) => f.write_str("; members are missing"),
            Some(Obstacle::CriticalSection) => {
                f.write_str("; in its critical section, which only its backup can lead out of")
            }
            Some(Obstacle::Unknown) | None => Ok(()),
        }
    }
}

impl Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { level, layout, chunk_bytes, raid_members } = self;
        write!(f, "{raid_members} members of level {level}")?;
        if layout != "-" {
            write!(f, ", {layout}")?;
        }
        write!(f, ", {} KiB chunks", chunk_bytes / 1024)
    }
}

impl Status {
    fn mark(&self, slot: u16) -> char {
        let up = |member: &Member| member.slot == Some(slot) && member.state == Standing::InSync;
        if self.members.iter().any(up) { 'U' } else { '_' }
    }
}

impl Member {
    /// ` name[number]` and a letter for each thing that is special about it.
    fn draw(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(image) = &self.image else { return Ok(()) };
        let name = Path::new(image).file_name().map_or(image.into(), OsStr::to_string_lossy);
        write!(f, " {name}[{}]", self.number)?;
        if self.flags.contains(DeviceFlags::WRITE_MOSTLY) {
            f.write_str("(W)")?;
        }
        match self.seated {
            Seated::AtItsPlace => {}
            Seated::AsReplacement => f.write_str("(R)")?,
        }
        match self.state {
            Standing::Failed => f.write_str("(F)"),
            Standing::Spare => f.write_str("(S)"),
            Standing::InSync | Standing::Rebuilding | Standing::Missing => Ok(()),
        }
    }
}

impl Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::InSync => "in sync",
            Self::Rebuilding => "rebuilding",
            Self::Spare => "spare",
            Self::Failed => "failed",
            Self::Missing => "missing",
        })
    }
}
