//! What the commands print, whom they lock out, and the demo.

use crate::array::{golden_array, pattern};
use crate::tool::{command, run, run_with};
use std::fs::File;
use std::io::Read;
use std::process::Stdio;

#[test]
fn read_gives_the_range_asked_for() {
    let (fixture, array) = golden_array("r5-left-asymmetric");
    let content = pattern(fixture.size);
    let ranges = [(0, 0), (0, 1), (511, 2), (4095, 8194), (70_000, 300_001), (1_572_863, 1)];
    for (offset, length) in ranges {
        let (at, many) = (offset.to_string(), length.to_string());
        let arguments = ["read", "--offset", &at, "--length", &many];
        let read = run(&arguments, &array.images).succeeds();
        assert!(read.stdout == content[offset..offset + length], "{offset} {length}");
    }
    let read = run(&["read", "--offset", "1535K"], &array.images).succeeds();
    assert!(read.stdout == content[1535 * 1024..]);
    assert_eq!(run(&["read", "--offset", "1536K"], &array.images).succeeds().stdout, b"");
    for arguments in [["--offset", "1572865"], ["--length", "1572865"], ["--offset", "16T"]] {
        let arguments = [&["read"], &arguments[..]].concat();
        assert_eq!(run(&arguments, &array.images).says_no(2..=2).stdout, b"");
    }
}

#[test]
fn status_says_what_the_array_is() {
    let (fixture, array) = golden_array("r6-left-symmetric-6");
    let images = array.without(&[1]);
    let status = run(&["status", "--json"], &images).succeeds().json();
    let path = |slot: usize| array.images[slot].to_str().unwrap();
    assert_eq!(
        status,
        serde_json::json!({
            "level": 6, "layout": "left-symmetric-6", "chunk_bytes": 4096, "raid_members": 5,
            "size_bytes": fixture.size, "state": "degraded",
            "members": [
                {"slot": 0, "state": "in_sync", "image": path(0)},
                {"slot": 1, "state": "missing", "image": null},
                {"slot": 2, "state": "in_sync", "image": path(2)},
                {"slot": 3, "state": "in_sync", "image": path(3)},
                {"slot": 4, "state": "in_sync", "image": path(4)},
            ],
            "events": status["events"], "uuid": status["uuid"], "name": "(none):0",
            "dirty": false, "action": "idle", "reshape": null,
        })
    );
    assert!(status["events"].as_u64().unwrap() > 0);
    let text = String::from_utf8(run(&["status"], &images).succeeds().stdout).unwrap();
    assert!(text.contains("[5/4] [U_UUU]"), "{text}");
    let failed = run(&["status", "--json"], &array.without(&[0, 1, 2])).succeeds().json();
    assert_eq!(failed["state"], "failed");
}

#[test]
fn examine_shows_every_field() {
    let (fixture, array) = golden_array("r10-f2");
    let examined = run(&["examine", "--json"], &array.images).succeeds().json();
    let names = "image magic major_version feature_map set_uuid set_name ctime level layout size chunksize raid_disks \
        bitmap_offset new_level reshape_position delta_disks new_layout new_chunk new_offset data_offset data_size \
        super_offset recovery_offset dev_number cnt_corrected_read device_uuid devflags bblog_shift bblog_size \
        bblog_offset utime events resync_offset sb_csum max_dev dev_roles";
    for (slot, superblock) in examined.as_array().unwrap().iter().enumerate() {
        for name in names.split_whitespace() {
            assert!(!superblock[name].is_null(), "{name}");
        }
        assert_eq!(superblock["magic"], 0xa92b_4efc_u32);
        assert_eq!(superblock["level"], fixture.level);
        assert_eq!(superblock["layout"], 0x201);
        assert_eq!(superblock["raid_disks"], fixture.members);
        assert_eq!(superblock["chunksize"], fixture.chunk / 512);
        assert_eq!(superblock["version"], fixture.metadata);
        assert_eq!(superblock["resync_offset"], u64::MAX);
        assert_eq!(
            superblock["dev_roles"][superblock["dev_number"].as_u64().unwrap() as usize],
            slot
        );
    }
    let text = String::from_utf8(run(&["examine"], &array.images).succeeds().stdout).unwrap();
    assert!(text.contains(&format!("level        10 {}", fixture.layout)), "{text}");
}

#[test]
fn check_prints_json() {
    let (_, array) = golden_array("r1");
    let check = run(&["check", "--json"], &array.images).succeeds().json();
    let expected = serde_json::json!({"mismatch_sectors": 0, "repaired_sectors": 0, "located": []});
    assert_eq!(check, expected);
}

#[test]
fn an_image_in_use_is_not_touched() {
    let (_, array) = golden_array("r1");
    let held = File::open(&array.images[1]).unwrap();
    held.try_lock_shared().unwrap();
    run(&["read"], &array.images).succeeds();
    let write = run_with(&["write"], &array.images, b"new").says_no(3..=3);
    assert!(write.stderr.contains("in use"), "{}", write.stderr);
    held.unlock().unwrap();
    held.try_lock().unwrap();
    for arguments in [["read"], ["check"], ["status"], ["examine"]] {
        run(&arguments, &array.images).says_no(3..=3);
    }
    let also_held = File::open(&array.images[0]).unwrap();
    also_held.try_lock().unwrap();
    run(&["examine"], &array.images).says_no(3..=3);
    also_held.unlock().unwrap();
    held.unlock().unwrap();
    run_with(&["write"], &array.images, b"new").succeeds();
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (fixture, array) = golden_array("r0");
    let mut read = command(["read"]);
    read.args(&array.images).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = read.spawn().unwrap();
    let mut first = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(first, pattern(fixture.size)[..16]);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn the_demo_verifies_itself_and_cleans_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let demo = run(&["demo", "--dir", path], &[] as &[&str]);
    let text = String::from_utf8(demo.stdout).unwrap();
    assert_eq!(demo.code, 0, "{text}{}", demo.stderr);
    assert!(text.lines().filter(|line| line.starts_with("ok ")).count() > 10, "{text}");
    assert!(text.ends_with("every byte was right\n"), "{text}");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);

    let kept = run(&["demo", "--keep", "--dir", path], &[] as &[&str]);
    assert_eq!(kept.code, 0, "{}", kept.stderr);
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
}
