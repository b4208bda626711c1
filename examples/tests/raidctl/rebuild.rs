//! Members that come in: new ones, and such that were away; and how a rebuild is interrupted.

use crate::array::{Array, Fixture, find, for_each, golden, golden_array, md5, pattern, special};
use crate::create::{Blank, create};
use crate::tool::{command, run, run_with};
use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Instant;

/// Content of images, to see that a refusal changes nothing.
fn contents(images: &[impl AsRef<Path>]) -> Vec<String> {
    images.iter().map(|image| md5(&fs::read(image).unwrap())).collect()
}

fn status(images: &[impl AsRef<std::ffi::OsStr>]) -> serde_json::Value {
    run(&["status", "--json"], images).succeeds().json()
}

#[track_caller]
fn is_whole(images: &[impl AsRef<std::ffi::OsStr>], name: &str) {
    let status = status(images);
    assert_eq!((&status["state"], &status["dirty"]), (&"clean".into(), &false.into()), "{name}");
    assert_eq!(status["action"], "idle", "{name}");
    run(&["check"], images).succeeds();
    let examined = run(&["examine", "--json"], images).succeeds().json();
    let superblocks = examined.as_array().unwrap();
    let mut uuids: Vec<_> =
        superblocks.iter().map(|one| one["device_uuid"].as_str().unwrap()).collect();
    uuids.sort_unstable();
    uuids.dedup();
    assert_eq!(uuids.len(), superblocks.len(), "{name}");
    for superblock in superblocks {
        assert_eq!(superblock["events"], superblocks[0]["events"], "{name}");
        assert_eq!(superblock["feature_map"], 0, "{name}");
        assert_eq!(superblock["dev_roles"], superblocks[0]["dev_roles"], "{name}");
    }
}

/// Blank images as large as the members of an array.
fn blank(fixture: &Fixture, array: &Array, count: usize) -> Vec<PathBuf> {
    let length = fs::metadata(&array.images[0]).unwrap().len();
    let new = |number| {
        let path = array.images[0].with_file_name(format!("{}-new{number}", fixture.name));
        fs::File::create_new(&path).unwrap().set_len(length).unwrap();
        path
    };
    (0..count).map(new).collect()
}

#[test]
fn every_level_and_layout_is_rebuilt_with_all_that_can_be_lost() {
    let redundant: Vec<_> =
        golden().into_iter().filter(|fixture| fixture.redundancy() > 0).collect();
    for_each(&redundant, |fixture| {
        let name = &fixture.name;
        let array = fixture.unpack();
        let losses = fixture.losses();
        let turn = fixture.size / 4096 % 3;
        let lost =
            losses.iter().filter(|lost| lost.len() == fixture.redundancy()).nth(turn % 2).unwrap();
        let mut images: Vec<_> = array.without(lost).into_iter().cloned().collect();
        let new = blank(fixture, &array, lost.len());
        let before = contents(&array.images);
        let mut arguments = vec!["rebuild"];
        for image in &new {
            arguments.extend(["--new", image.to_str().unwrap()]);
        }
        // Their absence is not on record.
        run(&arguments, &images).says_no(3..=3);
        assert_eq!(contents(&array.images), before, "{name}");
        arguments.push("--degraded");
        run(&arguments, &images).succeeds();
        images.extend(new);
        is_whole(&images, name);
        for loss in fixture.losses() {
            let left = images.iter().enumerate().filter(|(at, _)| !loss.contains(at));
            let left: Vec<_> = left.map(|(_, image)| image).collect();
            if status(&left)["state"] != "failed" {
                assert_eq!(md5(&run(&["read"], &left).succeeds().stdout), fixture.md5, "{name}");
            }
        }
    });
}

#[test]
fn a_rebuild_stops_where_it_is_told_and_goes_on() {
    let (fixture, array) = golden_array("r6-left-symmetric");
    let new = blank(&fixture, &array, 2);
    let new: Vec<_> = new.iter().map(|path| path.to_str().unwrap()).collect();
    let present = array.without(&[0, 3]);
    let arguments =
        ["rebuild", "--degraded", "--stop-after", "64K", "--new", new[0], "--new", new[1]];
    let parked = run(&arguments, &present).succeeds();
    let text = String::from_utf8(parked.stdout).unwrap();
    assert!(text.contains("raidctl resume") && text.contains("member 0"), "{text}");
    let mut images: Vec<_> = present.iter().map(|path| path.to_str().unwrap()).collect();
    images.extend(&new);
    let found = status(&images);
    assert_eq!((&found["action"], &found["state"]), (&"recovery".into(), &"degraded".into()));
    let examined = run(&["examine", "--json"], &new).succeeds().json();
    let mark = examined[0]["recovery_offset"].as_u64().unwrap();
    assert!((128..1024).contains(&mark), "{mark}");
    assert_eq!(examined[1]["recovery_offset"], mark);
    assert_eq!(run(&["read"], &images).succeeds().stdout, pattern(fixture.size));

    // What is written before it goes on is there after it.
    let mut model = pattern(fixture.size);
    for at in [5, fixture.size - 99_999] {
        run_with(&["write", "--offset", &at.to_string()], &images, &vec![7; 80_000]).succeeds();
        model[at..at + 80_000].fill(7);
    }
    run(&["resume", "--stop-after", "64K"], &images).succeeds();
    let examined = run(&["examine", "--json"], &new).succeeds().json();
    assert!(examined[0]["recovery_offset"].as_u64().unwrap() > mark);
    run(&["resume"], &images).succeeds();
    is_whole(&images, "resumed");
    let two_old = [images[0], new[0], new[1]];
    assert!(run(&["read"], &two_old).succeeds().stdout == model);
    let again = run(&["resume"], &images).succeeds();
    assert!(again.stdout.starts_with(b"nothing to resume"));
}

#[test]
fn a_kernel_s_recovery_goes_on() {
    for (name, lost) in [("recovering-r5", vec![]), ("recovering-r6", vec![4])] {
        let fixture = find(special(), name);
        let array = fixture.unpack();
        let images = array.without(&lost);
        run(&["resume"], &images).succeeds();
        let after = status(&images);
        assert_eq!(after["action"], "idle", "{name}");
        let other = images.iter().copied().skip(1 + lost.len()).collect::<Vec<_>>();
        let others = [vec![images[0]], other].concat();
        let use_all = run(&["read"], &others).code;
        assert_eq!(use_all, 0, "{name}: the rebuilt one stands in for another");
        assert_eq!(md5(&run(&["read"], &images).succeeds().stdout), fixture.md5, "{name}");
    }
}

#[test]
fn a_rebuild_refuses_before_it_writes() {
    let (fixture, array) = golden_array("r5-left-symmetric");
    run(&["fail", "--member", "2"], &array.images).succeeds();
    let present = array.without(&[2]);
    let new = blank(&fixture, &array, 2);
    let (first, second) = (new[0].to_str().unwrap(), new[1].to_str().unwrap());
    let all = || contents(&[&array.images[..], &new].concat());
    let refuses = |arguments: &[&str], images: &[&PathBuf], code, words: &str| {
        let before = all();
        let arguments = [&["rebuild"], arguments].concat();
        let refused = run(&arguments, images).says_no(code..=code);
        assert!(refused.stderr.contains(words), "{arguments:?}: {}", refused.stderr);
        assert_eq!(all(), before, "{arguments:?}");
    };
    refuses(&[], &present, 2, "--new");
    refuses(&["--new", first, "--new", second], &present, 2, "1 members are missing");
    refuses(&["--new", first, "--new", first], &present, 2, "one and the same");
    refuses(&["--new", present[0].to_str().unwrap()], &present, 2, "one and the same");
    refuses(&["--new", array.images[2].to_str().unwrap()], &present, 3, "md 1.2 superblock");
    refuses(&["--new", first], &present[1..], 3, "too few members");
    let held = fs::File::open(&new[0]).unwrap();
    held.try_lock().unwrap();
    let before = contents(&present);
    run(&["rebuild", "--new", first], &present).says_no(3..=3);
    assert_eq!(contents(&present), before);
    held.unlock().unwrap();

    let length = fs::metadata(&new[0]).unwrap().len();
    for (bytes, code) in [(length - 150_000, 2), (0, 2), (length, 0)] {
        fs::File::options().write(true).open(&new[0]).unwrap().set_len(bytes).unwrap();
        match code {
            0 => drop(run(&["rebuild", "--new", first], &present).succeeds()),
            code => refuses(&["--new", first], &present, code, "too small: it has"),
        }
    }
    // All are there.
    let images = [present, vec![&new[0]]].concat();
    refuses(&["--new", second], &images, 2, "0 members are missing");
    is_whole(&images, "rebuilt");

    // Dirty and degraded.
    let fixture = find(special(), "dirty-degraded-r5");
    let array = fixture.unpack();
    let new = blank(&fixture, &array, 1);
    let new = new[0].to_str().unwrap();
    let before = contents(&array.images);
    let no = run(&["rebuild", "--new", new], &array.without(&[1])).says_no(3..=3);
    assert!(no.stderr.contains("--force-dirty-degraded"), "{}", no.stderr);
    assert_eq!(contents(&array.images), before);
    let forced = ["rebuild", "--force-dirty-degraded", "--new", new];
    run(&forced, &array.without(&[1])).warns(1);
}

#[test]
fn an_old_image_is_overwritten_if_told_to() {
    let (_, array) = golden_array("r1");
    run(&["fail", "--member", "1"], &array.images).succeeds();
    let old = array.images[1].to_str().unwrap();
    let arguments = ["rebuild", "--overwrite", "--new", old];
    run(&arguments, &array.images[..1]).succeeds();
    is_whole(&array.images, "r1");
}

#[test]
fn a_member_comes_back_to_its_place() {
    for (name, back, others) in [
        ("stale-removed-r5", 1, vec![0, 2]),
        ("stale-failed-r5", 1, vec![0, 2]),
        ("stale-r6", 3, vec![0, 1, 2, 4]),
        ("one-behind-faulty-r10", 1, vec![0, 2, 3]),
    ] {
        let fixture = find(special(), name);
        let array = fixture.unpack();
        let mut images = vec![&array.images[back]];
        images.extend(others.iter().map(|slot| &array.images[*slot]));
        let came = run(&["readd"], &images);
        assert_eq!(came.code, 0, "{name}: {}", came.stderr);
        let text = String::from_utf8(came.stdout).unwrap();
        assert!(text.starts_with(&format!("rebuilt member {back} ")), "{name}: {text}");
        let found = run(&["status", "--json"], &images).json();
        assert_eq!(found["members"][back]["state"], "in_sync", "{name}");
        let read = run(&["read"], &images);
        assert_eq!(md5(&read.stdout), fixture.md5, "{name}: {}", read.stderr);
        if name == "stale-r6" {
            let images: Vec<_> = [1, 0, 2, 3, 4].map(|slot| &array.images[slot]).into();
            run(&["readd"], &images).succeeds();
            is_whole(&array.images, name);
        }
    }
}

#[test]
fn what_is_no_member_that_was_away_is_not_taken_back() {
    let (fixture, array) = golden_array("r5-left-symmetric");
    let again = run(&["readd"], &array.images).warns(1);
    assert!(again.stderr.contains("in sync already"), "{}", again.stderr);
    let (_, other) = golden_array("r5-right-symmetric");
    run(&["fail", "--member", "1"], &array.images).succeeds();
    let before = contents(&array.images);
    let mut images = vec![&other.images[1]];
    images.extend(array.without(&[1]));
    run(&["readd"], &images).says_no(2..=2);
    let blank = blank(&fixture, &array, 1);
    images[0] = &blank[0];
    run(&["readd"], &images).says_no(2..=2);
    run(&["readd"], &array.without(&[1])).warns(1);
    assert_eq!(contents(&array.images), before);
    // Its place was taken meanwhile.
    let new = blank[0].to_str().unwrap();
    run(&["rebuild", "--new", new], &array.without(&[1])).succeeds();
    images[0] = &array.images[1];
    images.push(&blank[0]);
    let late = run(&["readd"], &images).says_no(2..=2);
    assert!(late.stderr.contains("no place"), "{}", late.stderr);
}

#[test]
fn a_spare_of_the_array_is_taken_without_insisting_and_a_failed_member_is_not() {
    let (_, array) = golden_array("r6-left-symmetric");
    run(&["fail", "--member", "2"], &array.images).succeeds();
    // The device of number 1 becomes a spare.
    for image in array.without(&[2]) {
        let block = crate::superblocks::read(image);
        let spare = &0xffff_u16.to_le_bytes();
        crate::superblocks::write(image, &crate::superblocks::with(&block, 0x102, spare));
    }
    let rest = array.without(&[1, 2]);
    let [spare, failed] = [1, 2].map(|member: usize| array.images[member].to_str().unwrap());
    run(&["rebuild", "--new", failed], &rest).says_no(3..=3);
    run(&["rebuild", "--new", spare], &rest).succeeds();
    let with_spare = array.without(&[2]);
    assert_eq!(status(&with_spare)["members"][1]["state"], "in_sync");
    run(&["rebuild", "--new", failed, "--overwrite"], &with_spare).succeeds();
    run(&["check"], &array.images).succeeds();
}

/// A mirror whose second member is gone, large enough for a rebuild to be seen at work.
fn large_mirror() -> (Blank, Vec<u8>) {
    let blank = Blank::new(3, 200 << 20);
    create("--level 1 --assume-clean", &blank.images[..2]).succeeds();
    let bytes: Vec<_> = (0..8_u32 << 20).map(|at| (at.wrapping_mul(at) >> 11) as u8).collect();
    run_with(&["write", "--offset", "180M"], &blank.images[..2], &bytes).succeeds();
    run(&["fail", "--member", "1"], &blank.images[..2]).succeeds();
    (blank, bytes)
}

fn start_rebuild(images: &[PathBuf]) -> Child {
    let mut rebuild = command(["rebuild", "--new"]);
    rebuild.args([&images[2], &images[0]]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = rebuild.spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    // The mark lies in the superblock; the image is locked meanwhile.
    let mark = || {
        let block = crate::superblocks::read(&images[2]);
        (block[0] == 0xfc, u64::from_le_bytes(block[0x98..0xa0].try_into().unwrap()))
    };
    while !matches!(mark(), (true, 1..)) {
        assert!(Instant::now() < until, "no mark on record");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

fn goes_on_to_the_end(images: &[PathBuf], bytes: &[u8]) {
    let found = status(&[&images[0], &images[2]]);
    assert_eq!(found["action"], "recovery", "it was interrupted in its middle");
    run(&["resume"], &[&images[0], &images[2]]).succeeds();
    is_whole(&[&images[0], &images[2]], "resumed");
    let arguments = ["read", "--offset", "180M", "--length", "8M"];
    assert!(run(&arguments, &images[2..]).succeeds().stdout == bytes);
}

#[test]
fn a_signal_parks_a_rebuild() {
    for (signal, code) in
        [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)]
    {
        let (blank, bytes) = large_mirror();
        let child = start_rebuild(&blank.images);
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains("raidctl resume"), "{stderr}");
        goes_on_to_the_end(&blank.images, &bytes);
    }
}

#[test]
fn a_signal_parks_the_resync_of_a_new_array() {
    let blank = Blank::new(2, 200 << 20);
    // What the first resync has to make agree, so that it is on record that it is at work.
    fs::write(&blank.images[0], vec![0x5a; 64 << 20]).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&blank.images[0]).unwrap();
    file.set_len(200 << 20).unwrap();
    let mut create = command(["create", "--level", "1", "--overwrite"]);
    create.args(&blank.images).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = create.spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let superblock = || crate::superblocks::read(&blank.images[1]);
    let events = |block: &[u8]| u64::from_le_bytes(block[0xc8..0xd0].try_into().unwrap());
    while superblock()[0] != 0xfc || events(&superblock()) == 0 {
        assert!(Instant::now() < until, "no resync");
        std::thread::sleep(Duration::from_millis(1));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("raidctl resync"), "{stderr}");
    assert_eq!(status(&[&blank.images[0], &blank.images[1]])["action"], "resync");
    run(&["resync"], &blank.images).succeeds();
    run(&["check"], &blank.images).succeeds();
}

#[test]
fn a_rebuild_outlives_a_kill() {
    let (blank, bytes) = large_mirror();
    let mut child = start_rebuild(&blank.images);
    child.kill().unwrap();
    child.wait().unwrap();
    goes_on_to_the_end(&blank.images, &bytes);
}
