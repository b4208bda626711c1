//! `demo`: what the engine does, shown on real files and verified byte for byte against a plain copy of the content.

pub(crate) mod files;
mod grow;
mod plug;

use super::check::check;
use super::print;
use super::rebuild::{Rebuilt, rebuild};
use super::repair::repair;
use super::resume::resume;
use crate::array::{Array, Assembled, Opened, Workshop};
use crate::cli::{self, Absence, Afterwards, Method};
use crate::exit::Error;
use crate::images::Purpose;
use crate::report::Located;
use core::fmt::Display;
use plug::Pluggable;
use raid_core::engine::{Access, Dirty};
use raid_core::host::{Durability, Event};
use raid_core::units::{MemberIndex, Sectors};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Most of the stored file, and what the array has room for besides.
const CONTENT_BYTES_MAX: usize = 24 << 20;
const SPARE_BYTES: usize = 8 << 20;

/// An offset that no block begins at.
const ODD_OFFSET: u64 = 12_345;

const INSIST_ON_NOTHING: cli::Insistence =
    cli::Insistence { degraded: Absence::Refuse, force: cli::Force { dirty: Dirty::Refuse } };

const LOAD_REQUESTS: u32 = 200;
const LOAD_BYTES_MAX: u64 = 300_000;

/// Whose plug is pulled while it is being written to, and after how many writes.
const PULLED: u8 = 2;
const PULLED_AFTER: u32 = 150;

/// Whose file is removed.
const REMOVED: u8 = 4;

pub(super) fn run(arguments: &cli::Demo) -> Result<(), Error> {
    let parent = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    let directory = tempfile::Builder::new().prefix("raidctl-demo-").tempdir_in(&parent);
    let directory = directory.map_err(|source| Error::Open { image: parent, source })?;
    let result = show(directory.path());
    match arguments.keep {
        Afterwards::Keep => print(&format!("kept    {}", directory.keep().display()))?,
        Afterwards::Remove => {
            let image = directory.path().to_path_buf();
            directory.close().map_err(|source| Error::Open { image, source })?;
        }
    }
    result
}

fn show(directory: &Path) -> Result<(), Error> {
    let mut demo = Demo {
        directory: directory.to_path_buf(),
        members: Vec::new(),
        content: Vec::new(),
        model: Vec::new(),
        random: Random(0x5EED),
    };
    demo.step("make an array of files", Demo::make)?;
    demo.step("store this program in it, at an odd offset", Demo::store)?;
    demo.step("read it all back", Demo::read_all)?;
    demo.step("compare parity with data", Demo::check)?;
    demo.step("change a byte on a member, find and mend it", Demo::mend_changed_byte)?;
    demo.step("compare parity with data again", Demo::check)?;
    demo.step("pull a member's plug under load", Demo::lose_under_load)?;
    demo.step("read it all back without that member", Demo::read_all)?;
    demo.step("remove another member's file, read it all back", Demo::lose_file)?;
    demo.step("refuse to write without it unless told to", Demo::refuse_unnamed)?;
    demo.step("write with two members lost", Demo::write_degraded)?;
    demo.step("read it all back with two members lost", Demo::read_all)?;
    demo.step("refuse to make data up when a third is lost", Demo::refuse_third)?;
    demo.step("read it all back with the third back", Demo::read_all)?;
    demo.step("rebuild both onto new files, and stop half way", Demo::rebuild_half)?;
    demo.step("read it all back in the middle of that", Demo::read_all)?;
    demo.step("go on where it stopped", Demo::resume)?;
    demo.step("compare parity with data", Demo::check)?;
    demo.step("grow it by a member, and stop on the way", Demo::grow_half)?;
    demo.step("read it all back in the middle of that", Demo::read_all)?;
    demo.step("go on, and pull a member's plug", Demo::fail_growing)?;
    demo.step("read it all back where it stopped", Demo::read_all)?;
    demo.step("go on without that member", Demo::grow_degraded)?;
    demo.step("read it all back in the new shape", Demo::read_all)?;
    demo.step("rebuild the member onto a new file", Demo::rebuild_grown)?;
    demo.step("compare parity with data", Demo::check)?;
    demo.step("lose two others, read it all back with the new ones", Demo::rely_on_new)?;
    print("every byte was right")
}

/// The array's members, and what it should hold.
struct Demo {
    directory: PathBuf,
    members: Vec<PathBuf>,
    content: Vec<u8>,
    model: Vec<u8>,
    random: Random,
}

/// What a step has to say, or why it failed.
type Outcome = Result<String, Error>;

impl Demo {
    fn step(&mut self, what: &str, work: impl FnOnce(&mut Self) -> Outcome) -> Result<(), Error> {
        let since = Instant::now();
        let outcome = work(self);
        let time = since.elapsed().as_millis();
        match outcome {
            Ok(detail) => print(&format!("ok      {what}: {detail} ({time} ms)")),
            Err(error @ Error::OutputClosed) => Err(error),
            Err(error) => {
                print(&format!("FAILED  {what} ({time} ms)"))?;
                Err(Error::Inconsistent(format!("demo: {what}: {error}")))
            }
        }
    }

    fn make(&mut self) -> Outcome {
        let program = std::env::current_exe().map_err(Error::Input)?;
        self.content =
            std::fs::read(&program).map_err(|source| Error::Open { image: program, source })?;
        self.content.truncate(CONTENT_BYTES_MAX);
        let bytes = u64::try_from(self.content.len().saturating_add(SPARE_BYTES));
        self.members = files::make(&self.directory, bytes.unwrap_or(u64::MAX))?;
        let assembled = Assembled::open(&self.members, Purpose::Read)?;
        let size = assembled.assembly.geometry.size();
        self.model = vec![0; size.memory_bytes().unwrap_or(0)];
        Ok(format!("RAID 6 of {} members, {} MiB", files::MEMBERS, size.0 / 2048))
    }

    fn store(&mut self) -> Outcome {
        let content = core::mem::take(&mut self.content);
        let mut workshop = self.open(Absence::Refuse)?;
        let (mut array, _) = workshop.start(Access::ReadWrite, Dirty::Refuse)?;
        write(&mut array, &mut self.model, ODD_OFFSET, &content)?;
        mark_clean(&mut array)?;
        Ok(format!("{} bytes of it at {ODD_OFFSET}", content.len()))
    }

    fn read_all(&mut self) -> Outcome {
        let mut workshop = self.open_to_read()?;
        let (mut array, _) = workshop.start(Access::ReadOnly, Dirty::Refuse)?;
        let mut found = vec![0; self.model.len()];
        array.read_bytes(0, &mut found).map_err(|error| Error::engine("read", &error))?;
        same(&found, &self.model, 0)?;
        Ok(format!("{} bytes are right", found.len()))
    }

    fn check(&mut self) -> Outcome {
        match check(&self.members)?.mismatched {
            Sectors::ZERO => Ok(String::from("all rows agree")),
            sectors => Err(wrong(format!("{} sectors disagree", sectors.0))),
        }
    }

    fn mend_changed_byte(&mut self) -> Outcome {
        let path = self.members.first().ok_or_else(|| wrong("no member"))?.clone();
        let data = Sectors(files::DATA_OFFSET.0).bytes().unwrap_or(0);
        let at = data.saturating_add(70_000);
        let before = byte_at(&path, at)?;
        flip(&path, at)?;
        let repaired = repair(&self.members, Method::Locate, |_, _| {})?;
        match repaired.located.as_slice() {
            [Located { member: 0, sector }] if byte_at(&path, at)? == before => {
                Ok(format!("member 0, sector {sector}"))
            }
            other => Err(wrong(format!("found {other:?}, and {:?}", repaired.report))),
        }
    }

    fn lose_under_load(&mut self) -> Outcome {
        let mut workshop = self.open(Absence::Refuse)?;
        let (mut array, events) = workshop.start(Access::ReadWrite, Dirty::Refuse)?;
        let device = array.devices().get_mut(usize::from(PULLED));
        device.ok_or_else(|| wrong("no such member"))?.pull_after(PULLED_AFTER);
        load(&mut array, &mut self.model, &mut self.random)?;
        mark_clean(&mut array)?;
        let events: Vec<_> = events.try_iter().collect();
        match events.as_slice() {
            [Event::MemberFailed { member: MemberIndex(PULLED), .. }] => Ok(format!(
                "member {PULLED} failed at its write {PULLED_AFTER}, {LOAD_REQUESTS} requests were right"
            )),
            other => Err(wrong(format!("not what was expected to happen: {other:?}"))),
        }
    }

    fn lose_file(&mut self) -> Outcome {
        let path = self.members.get(usize::from(REMOVED)).ok_or_else(|| wrong("no such member"))?;
        std::fs::remove_file(path).map_err(|source| Error::Open { image: path.clone(), source })?;
        self.members.retain(|member| member.exists());
        let assembled = Assembled::open(&self.members, Purpose::Read)?;
        let left_out: Vec<_> = assembled.left_out().collect();
        drop(assembled);
        match left_out.as_slice() {
            [one] if one.contains(&format!("member{PULLED}.img")) => {}
            other => return Err(wrong(format!("member {PULLED} is not left out: {other:?}"))),
        }
        self.members.retain(|member| !member.ends_with(format!("member{PULLED}.img")));
        self.read_all()
    }

    fn refuse_unnamed(&mut self) -> Outcome {
        let assembled = Assembled::open(&self.members, Purpose::Write)?;
        refused(assembled.into_writable(Absence::Refuse, Dirty::Refuse))
    }

    fn write_degraded(&mut self) -> Outcome {
        let mut workshop = self.open(Absence::Record)?;
        let (mut array, _) = workshop.start(Access::ReadWrite, Dirty::Refuse)?;
        load(&mut array, &mut self.model, &mut self.random)?;
        mark_clean(&mut array)?;
        Ok(format!("{LOAD_REQUESTS} requests were right"))
    }

    fn refuse_third(&mut self) -> Outcome {
        let few: Vec<_> = self.members.iter().skip(1).cloned().collect();
        refused(Assembled::open(&few, Purpose::Read)?.into_readable(Dirty::Refuse))
    }

    fn rebuild_half(&mut self) -> Outcome {
        let mut new = Vec::new();
        for place in [PULLED, REMOVED] {
            new.push(self.new_file(&format!("new{place}.img"))?);
        }
        let bytes = new.first().map(std::fs::metadata);
        let bytes = bytes.ok_or_else(|| wrong("no member"))?.map_err(Error::Input)?.len();
        let rebuilt = rebuild(&cli::Rebuild {
            new: new.clone(),
            overwrite: cli::Occupied::Refuse,
            stop: cli::Stop { after: Some(bytes / 2) },
            insist: INSIST_ON_NOTHING,
            members: cli::Members { images: self.members.clone() },
        })?;
        self.members.extend(new);
        match (rebuilt, self.rebuilding()?) {
            (Rebuilt::Part(_), 2) => Ok(String::from("two members, one walk")),
            (other, members) => Err(wrong(format!("{members} members are in it: {other:?}"))),
        }
    }

    fn resume(&mut self) -> Outcome {
        let rebuilt = resume(&cli::Resume {
            stop: cli::Stop { after: None },
            insist: INSIST_ON_NOTHING,
            members: cli::Members { images: self.members.clone() },
        })?;
        match (rebuilt, self.rebuilding()?) {
            (Some(Rebuilt::All { .. }), 0) => Ok(String::from("all members are in sync")),
            (other, members) => Err(wrong(format!("{members} members are in it: {other:?}"))),
        }
    }

    /// How many members are being rebuilt.
    fn rebuilding(&self) -> Result<u32, Error> {
        let assembly = Assembled::open(&self.members, Purpose::Read)?.assembly;
        Ok(assembly.present().difference(assembly.in_sync()).count())
    }

    fn rely_on_new(&mut self) -> Outcome {
        self.members = self.members.split_off(2);
        self.read_all()
    }

    fn open(&self, absence: Absence) -> Result<Workshop<Pluggable>, Error> {
        let assembled = Assembled::open(&self.members, Purpose::Write)?;
        Ok(assembled.into_writable(absence, Dirty::Refuse)?.map_devices(Pluggable::new))
    }

    fn open_to_read(&self) -> Result<Workshop<Pluggable>, Error> {
        let workshop = match Opened::open(&self.members, Purpose::Read)? {
            Opened::AtRest(assembled) => assembled.into_readable(Dirty::Refuse)?,
            Opened::Reshaping(reshaping) => reshaping.into_readable()?,
        };
        Ok(workshop.map_devices(Pluggable::new))
    }
}

/// Writes to the array and to the model of it.
fn write(
    array: &mut Array<'_, Pluggable>,
    model: &mut [u8],
    at: u64,
    bytes: &[u8],
) -> Result<(), Error> {
    array
        .write_bytes(at, bytes, Durability::Cached)
        .map_err(|error| Error::engine("write", &error))?;
    let range = range(at, bytes.len()).and_then(|range| model.get_mut(range));
    range.ok_or_else(|| wrong("the model is too short"))?.copy_from_slice(bytes);
    Ok(())
}

/// Reads and writes anywhere, and compares what is read.
fn load(
    array: &mut Array<'_, Pluggable>,
    model: &mut [u8],
    random: &mut Random,
) -> Result<(), Error> {
    let size = u64::try_from(model.len()).unwrap_or(0);
    for request in 0..LOAD_REQUESTS {
        let at = random.below(size);
        let length = random.below(LOAD_BYTES_MAX.min(size.saturating_sub(at))).saturating_add(1);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        if request % 3 == 0 {
            array.read_bytes(at, &mut bytes).map_err(|error| Error::engine("read", &error))?;
            let range = range(at, bytes.len()).and_then(|range| model.get(range));
            same(&bytes, range.unwrap_or_default(), at)?;
        } else {
            bytes.fill_with(|| random.byte());
            write(array, model, at, &bytes)?;
        }
    }
    Ok(())
}

fn mark_clean(array: &mut Array<'_, Pluggable>) -> Result<(), Error> {
    array.mark_clean().map_err(|error| Error::engine("mark clean", &error))
}

fn range(at: u64, length: usize) -> Option<core::ops::Range<usize>> {
    let start = usize::try_from(at).ok()?;
    Some(start..start.checked_add(length)?)
}

fn same(found: &[u8], expected: &[u8], at: u64) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    let first =
        found.iter().zip(expected).take_while(|(found, expected)| found == expected).count();
    Err(wrong(format!("wrong content {first} bytes behind {at}")))
}

fn refused<T>(result: Result<T, Error>) -> Outcome {
    match result {
        Err(Error::Refused(why)) => Ok(format!("refused ({why})")),
        Err(error) => Err(error),
        Ok(_) => Err(wrong("not refused")),
    }
}

fn byte_at(path: &Path, at: u64) -> Result<[u8; 1], Error> {
    let mut byte = [0];
    let read = std::fs::File::open(path).and_then(|file| file.read_exact_at(&mut byte, at));
    read.map_err(|source| Error::Open { image: path.to_path_buf(), source })?;
    Ok(byte)
}

fn flip(path: &Path, at: u64) -> Result<(), Error> {
    let change = || {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        file.write_all_at(&byte.map(|byte| byte ^ 0x10), at)
    };
    change().map_err(|source| Error::Open { image: path.to_path_buf(), source })
}

fn wrong(what: impl Display) -> Error {
    Error::Inconsistent(what.to_string())
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.wrapping_shr(33)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    const fn byte(&mut self) -> u8 {
        let [byte, ..] = self.next().to_le_bytes();
        byte
    }
}
