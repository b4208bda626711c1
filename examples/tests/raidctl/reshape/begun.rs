//! Reshapes that raidctl begins.

use crate::array::{find, md5, pattern, special};
use crate::tool::{command, run, run_with};
use core::time::Duration;
use raid_core::md::{RecoveryKind, Superblock, Validity};
use raid_core::units::{DeviceSector, Sectors};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// An array of which only the start counts, which holds a pattern, and blank images beside it.
struct Begun {
    _directory: TempDir,
    members: Vec<PathBuf>,
    blank: Vec<PathBuf>,
    content: Vec<u8>,
}

const CONTENT: usize = 3 << 20;

impl Begun {
    fn new(create: &[&str], members: usize, blank: usize) -> Self {
        Self::sized(create, (members, blank), 6 << 20)
    }

    fn sized(create: &[&str], (members, blank): (usize, usize), bytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let image = |number: usize| {
            let path = directory.path().join(format!("m{number}"));
            File::create(&path).unwrap().set_len(bytes).unwrap();
            path
        };
        let all: Vec<_> = (0..members + blank).map(image).collect();
        let (members, blank) = all.split_at(members);
        let create = [&["create", "--assume-clean"], create].concat();
        run(&create, members).succeeds();
        let content = pattern(CONTENT);
        run_with(&["write"], members, &content).succeeds();
        Self { members: members.to_vec(), blank: blank.to_vec(), content, _directory: directory }
    }

    fn all(&self) -> Vec<PathBuf> {
        [self.members.as_slice(), &self.blank].concat()
    }

    /// The command line, with the blank images as new ones.
    fn reshape<'a>(&'a self, options: &[&'a str]) -> Vec<&'a str> {
        let new = self.blank.iter().flat_map(|path| ["--new", path.to_str().unwrap()]);
        ["reshape"].into_iter().chain(options.iter().copied()).chain(new).collect()
    }

    #[track_caller]
    fn holds(&self, images: &[impl AsRef<std::ffi::OsStr>], when: &str) {
        let read = run(&["read", "--length", &CONTENT.to_string()], images).succeeds();
        assert!(read.stdout == self.content, "{when}");
    }

    fn digests(&self) -> Vec<String> {
        self.all().iter().map(|image| md5(&fs::read(image).unwrap())).collect()
    }
}

fn status(images: &[impl AsRef<std::ffi::OsStr>]) -> Value {
    run(&["status", "--json"], images).succeeds().json()
}

/// Options of create, members, blank images, options of reshape, and what the new shape is.
type Case = (&'static [&'static str], usize, usize, &'static [&'static str], [Value; 4]);

fn cases() -> Vec<Case> {
    let shape = |layout: &str, chunk: u32, members: u8, size: u32| {
        [json!(layout), json!(chunk), json!(members), json!(size)]
    };
    let (mib, size) = (1 << 20, ["--size", "3M", "--chunk", "16K"]);
    let small =
        |rest: &[&'static str]| [&size[..], rest].concat().leak() as &'static [&'static str];
    let ls = "left-symmetric";
    vec![
        (small(&["--level", "5"]), 3, 1, &["--members", "4"], shape(ls, 16384, 4, 9 * mib)),
        (small(&["--level", "6"]), 4, 2, &["--members", "6"], shape(ls, 16384, 6, 12 * mib)),
        (
            small(&["--level", "6"]),
            5,
            0,
            &["--members", "4", "--array-size", "3M"],
            shape(ls, 16384, 4, 6 * mib),
        ),
        (small(&["--level", "5"]), 4, 0, &["--chunk", "64K"], shape(ls, 65536, 4, 9 * mib)),
        (
            small(&["--level", "5", "--metadata", "1.1"]),
            4,
            0,
            &["--layout", "ra"],
            shape("right-asymmetric", 16384, 4, 9 * mib),
        ),
        (
            small(&["--level", "5", "--metadata", "1.0"]),
            4,
            0,
            &["--chunk", "4K"],
            shape(ls, 4096, 4, 9 * mib),
        ),
        (
            small(&["--level", "6"]),
            4,
            1,
            &["--members", "5", "--chunk", "32K", "--layout", "ddf-N-continue"],
            shape("ddf-N-continue", 32768, 5, 9 * mib),
        ),
        (small(&["--level", "4"]), 3, 1, &["--members", "4"], shape("-", 16384, 4, 9 * mib)),
        (small(&["--level", "10"]), 4, 2, &["--members", "6"], shape("n2", 16384, 6, 9 * mib)),
    ]
}

#[test]
fn a_reshape_stops_resumes_and_ends_in_the_new_shape() {
    for (create, members, blank, options, shape) in cases() {
        let array = Begun::new(create, members, blank);
        let what = format!("{create:?} {options:?}");
        let reshape = array.reshape(&[options, &["--stop-after", "256K"]].concat());
        let parked = run(&reshape, &array.members).succeeds();
        assert!(parked.stdout.starts_with(b"the reshape stopped at byte "), "{what}");
        let (mut stops, all) = (1, array.all());
        loop {
            assert!(stops < 40, "{what}");
            array.holds(&all, &what);
            array.holds(&all[1..], &what);
            let found = status(&all);
            assert_eq!((&found["action"], &found["state"]), (&"reshape".into(), &"clean".into()));
            let resumed = run(&["resume", "--stop-after", "512K"], &all).succeeds();
            if resumed.stdout == b"the reshape is finished\n" {
                break;
            }
            stops += 1;
        }
        assert!(stops > 1, "{what}");
        let found = status(&all);
        let seen =
            ["layout", "chunk_bytes", "raid_members", "size_bytes"].map(|key| found[key].clone());
        assert_eq!(seen, shape, "{what}");
        assert_eq!(
            (&found["action"], &found["state"]),
            (&"idle".into(), &"clean".into()),
            "{what}"
        );
        array.holds(&all, &what);
        let check = run(&["check"], &all).succeeds();
        assert_eq!(check.stdout, b"mismatch_sectors: 0\n", "{what}");
        array.holds(&all[1..], &what);
    }
}

#[test]
fn what_is_written_while_a_reshape_rests_is_there_after_it() {
    let (create, members, blank, options, _) = cases().swap_remove(0);
    let mut array = Begun::new(create, members, blank);
    let stop = [options, &["--stop-after", "1M"]].concat();
    run(&array.reshape(&stop), &array.members).succeeds();
    let all = array.all();
    let at = status(&all)["reshape"]["position_bytes"].as_u64().unwrap() as usize;
    assert!((1 << 20..CONTENT).contains(&at), "{at}");
    // On either side of the position, and across it.
    for at in [5000, at - 70_000, at + 30_000] {
        run_with(&["write", "--offset", &at.to_string()], &all, &vec![7; 80_001]).succeeds();
        array.content[at..at + 80_001].fill(7);
    }
    array.holds(&all, "at rest");
    // The old shape ends at 6 MiB, and so does the array for now.
    run_with(&["write", "--offset", "6M"], &all, b"x").says_no(2..=2);
    run(&["resume"], &all).succeeds();
    array.holds(&all, "finished");
    run(&["check"], &all).succeeds();
    run_with(&["write", "--offset", "6M"], &all, b"x").succeeds();
}

#[test]
fn a_refused_start_changes_nothing_on_any_device() {
    let create = ["--level", "5", "--size", "3M", "--chunk", "16K"];
    let array = Begun::new(&create, 4, 1);
    let new = array.blank[0].to_str().unwrap();
    let before = array.digests();
    let refusals: &[(&[&str], _, &str)] = &[
        (&["--members", "5"], 3, "takes 1 new images, 0 are given"),
        (&["--new", new], 2, "takes 0 new images, 1 are given"),
        (&["--members", "3"], 3, "say with --array-size"),
        (&["--members", "3", "--array-size", "7M"], 3, "the array would have 6291456 bytes"),
        (&["--members", "1", "--array-size", "1K"], 2, ""),
        (&["--chunk", "16K"], 2, "has this shape already"),
        (&["--chunk", "5K"], 2, "multiple of 4K"),
        (&["--chunk", "12K"], 2, ""),
        (&["--level", "6"], 3, "not supported yet"),
        (&["--layout", "ddf-N-restart"], 2, ""),
        (&["--chunk", "32K", "--data-offset-shift", "16K"], 3, "by 32768 bytes at least"),
        (&["--chunk", "32K", "--data-offset-shift", "9M"], 3, "needs 9437184 free bytes behind"),
        (&["--chunk", "2M"], 3, ""),
    ];
    for (options, code, says) in refusals {
        let refused = run(&[&["reshape"], *options].concat(), &array.members);
        let refused = refused.says_no(*code..=*code);
        assert!(refused.stderr.contains(says), "{}", refused.stderr);
    }
    // Not all members are named, or too few; with the new image among them.
    let grow = array.reshape(&["--members", "5"]);
    for present in [3, 2] {
        run(&grow, &array.members[..present]).says_no(3..=3);
    }
    run(&[&grow[..], &["--degraded"]].concat(), &array.members[..2]).says_no(3..=3);
    assert_eq!(array.digests(), before);
    // An image that somebody may miss.
    fs::copy(&array.members[0], &array.blank[0]).unwrap();
    let refused = run(&grow, &array.members).says_no(3..=3);
    assert!(refused.stderr.contains("md 1.2 superblock"), "{}", refused.stderr);
    assert_eq!(array.digests()[..4], before[..4]);
}

#[test]
fn without_room_it_says_how_much_is_needed() {
    // All of each member is used, and little lies before the data.
    let create = ["--level", "6", "--chunk", "64K", "--data-offset", "128K"];
    let array = Begun::new(&create, 5, 1);
    let before = array.digests();
    let shrink = ["reshape", "--members", "4", "--array-size", "3M"];
    let refused = run(&shrink, &array.members).says_no(3..=3);
    assert!(refused.stderr.contains("65536 free bytes behind the data"), "{}", refused.stderr);
    assert!(refused.stderr.contains("a backup, which is not supported yet"), "{}", refused.stderr);
    let chunk = ["reshape", "--chunk", "128K"];
    let refused = run(&chunk, &array.members).says_no(3..=3);
    assert!(refused.stderr.contains("131072 free bytes before"), "{}", refused.stderr);
    assert_eq!(array.digests(), before);
}

#[test]
fn arrays_that_keep_more_than_data_are_refused() {
    for option in ["--bitmap", "--ppl"] {
        let array = Begun::new(&["--level", "5", "--chunk", "16K", option], 3, 1);
        let before = array.digests();
        let grow = array.reshape(&["--members", "4"]);
        let refused = run(&grow, &array.members).says_no(3..=3);
        assert!(refused.stderr.contains("removed first"), "{}", refused.stderr);
        assert_eq!(array.digests(), before, "{option}");
    }
    let dirty: Vec<_> = special().into_iter().filter(|one| one.name.contains("dirty")).collect();
    assert!(!dirty.is_empty());
    let array = find(dirty.clone(), &dirty[0].name).unpack();
    let before: Vec<_> = array.images.iter().map(|image| fs::read(image).unwrap()).collect();
    run(&["reshape", "--chunk", "64K"], &array.images).says_no(3..=3);
    let after: Vec<_> = array.images.iter().map(|image| fs::read(image).unwrap()).collect();
    assert!(before == after);
}

/// A large array whose reshape is at work: something of it is on record as moved.
fn at_work() -> (Begun, Child) {
    let create = ["--level", "5", "--chunk", "64K", "--size", "48M"];
    let array = Begun::sized(&create, (3, 1), 52 << 20);
    let reshape = array.reshape(&["--members", "4"]);
    let line = reshape.iter().map(Path::new).chain(array.members.iter().map(PathBuf::as_path));
    let mut child = command(line);
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let has_moved = |image: &PathBuf| {
        let block = crate::superblocks::read(image);
        let position = u64::from_le_bytes(block[0x68..0x70].try_into().unwrap());
        block[8] & 4 != 0 && position > 0
    };
    while !array.all().iter().all(has_moved) {
        assert!(Instant::now() < until, "no position on record");
        std::thread::sleep(Duration::from_millis(1));
    }
    (array, child)
}

impl Begun {
    fn goes_on_to_the_end(&self) {
        let all = self.all();
        assert_eq!(status(&all)["action"], "reshape", "it was interrupted in its middle");
        self.holds(&all, "interrupted");
        run(&["resume"], &all).succeeds();
        self.holds(&all, "finished");
        assert_eq!(status(&all)["size_bytes"], 144 << 20);
        let check = run(&["check"], &all).succeeds();
        assert_eq!(check.stdout, b"mismatch_sectors: 0\n");
    }
}

#[test]
fn a_reshape_outlives_kills() {
    let (array, mut child) = at_work();
    child.kill().unwrap();
    child.wait().unwrap();
    let all = array.all();
    for kill in 0..4 {
        array.holds(&all, &format!("after {kill} more kills"));
        let line = [Path::new("resume")].into_iter().chain(all.iter().map(PathBuf::as_path));
        let mut child = command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(3 + 11 * kill));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    array.goes_on_to_the_end();
}

#[test]
fn a_signal_parks_a_reshape() {
    let (array, child) = at_work();
    let signal = rustix::process::Signal::INT;
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("raidctl resume"), "{stderr}");
    array.goes_on_to_the_end();
}

/// What is on a new image up to the start of the reshape: the superblock of a spare. `old` is that of a member then.
fn spare(new: &Path, old: &[u8]) {
    let parse = |image: &[u8]| {
        let block = image[4096..8192].try_into().unwrap();
        Superblock::parse(block, DeviceSector(8)).unwrap()
    };
    let mut image = fs::read(new).unwrap();
    let old = parse(old);
    let spare = Superblock {
        members: old.members,
        roles: old.roles.clone(),
        events: old.events,
        reshape: None,
        validity: Validity::Below { valid_to: Sectors::ZERO, kind: RecoveryKind::Full },
        ..parse(&image)
    };
    let mut block = [0; 4096];
    spare.encode(&mut block);
    image[4096..8192].copy_from_slice(&block);
    fs::write(new, image).unwrap();
}

#[test]
fn a_start_that_a_crash_kept_from_members_is_completed() {
    for (create, members, blank, options, _) in cases().into_iter().step_by(2) {
        // The last, all but the first, all that were there, the new ones.
        let count = members + blank;
        for lacking in [count - 1..count, 1..count, 0..members, members..count] {
            if lacking.is_empty() || lacking.len() == count {
                continue;
            }
            let array = Begun::new(create, members, blank);
            let old: Vec<_> = array.members.iter().map(|image| fs::read(image).unwrap()).collect();
            let start = array.reshape(&[options, &["--stop-after", "0"]].concat());
            run(&start, &array.members).succeeds();
            let all = array.all();
            let what = format!("{options:?}, not on {lacking:?}");
            let found = status(&all);
            assert_eq!(found["action"], "reshape", "{what}");
            let backward = found["reshape"]["direction"] == "backward";
            let start = if backward { &found["size_bytes"] } else { &json!(0) };
            assert_eq!(&found["reshape"]["position_bytes"], start, "{what}: nothing was moved");
            for place in lacking {
                match old.get(place) {
                    Some(old) => fs::write(&all[place], old).unwrap(),
                    None => spare(&all[place], &old[0]),
                }
            }
            run(&["write"], &all).says_no(3..=3);
            run(&["resume", "--stop-after", "256K"], &all).succeeds();
            array.holds(&all, &what);
            run(&["resume"], &all).succeeds();
            array.holds(&all, &what);
            let check = run(&["check"], &all).succeeds();
            assert_eq!(check.stdout, b"mismatch_sectors: 0\n", "{what}");
        }
    }
}
