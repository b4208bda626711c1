//! Arrays with partial parity logs: replayed after a crash as the kernel does it, and kept.

use crate::array::{Fixture, logs, md5};
use crate::create::{Blank, create};
use crate::tool::{run, run_with};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const SECTOR: u64 = 512;

fn fixture() -> Fixture {
    logs().into_iter().find(|fixture| fixture.name == "ppl-r5").unwrap()
}

/// What the kernel made of the same array, without these members.
fn content_by_the_kernel(missing: &str) -> String {
    let outcomes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../raid-core/tests/fixtures/log");
    let outcomes = fs::read_to_string(outcomes.join("outcomes.tsv")).unwrap();
    let mut lines = outcomes.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let line = lines.find(|line| line[0] == "ppl-r5" && line[1] == missing).unwrap();
    line[4].to_string()
}

#[test]
fn a_log_of_the_kernel_is_replayed_as_the_kernel_does_it() {
    let array = fixture().unpack();
    run(&["resync"], &array.images).succeeds();
    let read = run(&["read"], &array.images).succeeds();
    assert_eq!(md5(&read.stdout), content_by_the_kernel("-"));
    let check = run(&["check"], &array.images).succeeds();
    assert_eq!(check.stdout, b"mismatch_sectors: 0\n");
    for lost in 0..4 {
        let read = run(&["read"], &array.without(&[lost])).succeeds();
        assert_eq!(md5(&read.stdout), content_by_the_kernel("-"), "then without {lost}");
    }
}

#[test]
fn a_log_of_the_kernel_is_replayed_without_a_member_as_the_kernel_does_it() {
    for lost in 0..4 {
        let array = fixture().unpack();
        let images = array.without(&[lost]);
        // Nothing is said of the parity before.
        let refused = run(&["read"], &images).says_no(3..=3);
        assert!(refused.stderr.contains("partial parity"), "{}", refused.stderr);
        run(&["resync", "--degraded"], &images).ends_well();
        let read = run(&["read"], &images).succeeds();
        assert_eq!(md5(&read.stdout), content_by_the_kernel(&lost.to_string()), "without {lost}");
    }
}

/// The first sector of each member's log.
fn log_start(image: &Path) -> u64 {
    let bytes = fs::read(image).unwrap();
    let field = |at: usize| u16::from_le_bytes([bytes[4096 + at], bytes[4096 + at + 1]]);
    assert_eq!(field(0x08), 2048, "several logs");
    assert!(field(0x62) >= 2 * 264, "room for two: {}", field(0x62));
    8 + u64::from(field(0x60))
}

fn generation(image: &Path) -> u64 {
    let mut bytes = [0; 8];
    let at = log_start(image) * SECTOR + 520;
    fs::File::open(image).unwrap().read_exact_at(&mut bytes, at).unwrap();
    u64::from_le_bytes(bytes)
}

/// The log lies behind the data there, and is found from the end of the device.
#[test]
fn an_array_of_version_1_0_has_its_logs_behind_the_data() {
    let blank = Blank::new(3, 4 << 20);
    create("--level 5 --chunk 16K --metadata 1.0 --ppl", &blank.images).succeeds();
    let size = blank.images.len() as u64 - 1;
    let content: Vec<u8> = (0..size * 6112 * SECTOR).map(|at| (at >> 9) as u8).collect();
    run_with(&["write"], &blank.images, &content).succeeds();
    run(&["fail", "--member", "1"], &blank.images).ends_well();
    let other = Blank::new(1, 4 << 20);
    let new = other.images[0].to_str().unwrap();
    let mut rest = vec![blank.images[0].clone(), blank.images[2].clone()];
    run(&["rebuild", "--new", new], &rest).ends_well();
    rest.push(other.images[0].clone());
    run_with(&["write", "--offset", "700"], &rest, b"and so it does").succeeds();
    assert_eq!(run(&["check"], &rest).succeeds().stdout, b"mismatch_sectors: 0\n");
    let read = run(&["read"], &rest[1..]).succeeds().stdout;
    assert!(&read[700..714] == b"and so it does" && read[714..] == content[714..]);
}

fn new_array() -> Blank {
    let blank = Blank::new(4, 8 << 20);
    let line = "--level 5 --chunk 64K --ppl";
    create(line, &blank.images).succeeds();
    blank
}

#[test]
fn an_array_with_logs_is_made_written_and_read_back() {
    let blank = new_array();
    let content: Vec<u8> = (0..700_000_u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
    run_with(&["write", "--offset", "12345"], &blank.images, &content).succeeds();
    let here = ["read", "--offset", "12345", "--length", "700000"];
    assert!(run(&here, &blank.images).succeeds().stdout == content);
    let check = run(&["check"], &blank.images).succeeds();
    assert_eq!(check.stdout, b"mismatch_sectors: 0\n");
    for image in &blank.images {
        assert!(generation(image) > 0, "{} was opened", image.display());
    }
    let few: Vec<PathBuf> = blank.images[1..].to_vec();
    run_with(&["write", "--degraded", "--offset", "0"], &few, &content[..9999]).ends_well();
    let read = run(&["read", "--length", "9999"], &few).succeeds();
    assert!(read.stdout == content[..9999]);
}

#[test]
fn members_come_into_an_array_with_logs_and_get_one() {
    let blank = new_array();
    let content: Vec<u8> = (0..900_000_u32).map(|at| (at.wrapping_mul(at) >> 5) as u8).collect();
    run_with(&["write"], &blank.images, &content).succeeds();
    run(&["fail", "--member", "2"], &blank.images).ends_well();
    let few: Vec<_> = [0, 1, 3].map(|place: usize| blank.images[place].clone()).into();
    let newer: Vec<u8> = content.iter().rev().copied().collect();
    run_with(&["write", "--degraded"], &few, &newer).ends_well();
    // What was away has a log that speaks of what was there before.
    let mut back = vec![blank.images[2].clone()];
    back.extend_from_slice(&few);
    run(&["readd"], &back).ends_well();
    run(&["fail", "--member", "0"], &blank.images).ends_well();
    let other = Blank::new(1, 8 << 20);
    let mut rest = blank.images[1..].to_vec();
    let new = other.images[0].to_str().unwrap();
    run(&["rebuild", "--new", new], &rest).ends_well();
    rest.push(other.images[0].clone());
    assert_eq!(run(&["check"], &rest).succeeds().stdout, b"mismatch_sectors: 0\n");
    run_with(&["write", "--offset", "5000"], &rest, b"after all").succeeds();
    let read = run(&["read", "--length", "900000"], &rest).succeeds();
    assert!(read.stdout[..5000] == newer[..5000] && &read.stdout[5000..5009] == b"after all");
    assert!(read.stdout[5009..] == newer[5009..]);
    assert!(generation(&other.images[0]) > 0);
    let small = Blank::new(1, 7 << 20);
    let new = small.images[0].to_str().unwrap();
    run(&["fail", "--member", "0"], &rest).ends_well();
    run(&["rebuild", "--new", new], &rest[..3]).says_no(2..=2);
}

#[test]
fn logs_are_for_level_5_and_need_room() {
    let blank = Blank::new(4, 8 << 20);
    for (line, words) in [
        ("--level 6 --ppl", "level 5"),
        ("--level 1 --ppl", "level 5"),
        ("--level 5 --chunk 64K --data-offset 64K --ppl", "room"),
    ] {
        let refused = create(line, &blank.images).says_no(2..=2);
        assert!(refused.stderr.contains(words), "{line}: {}", refused.stderr);
    }
}
