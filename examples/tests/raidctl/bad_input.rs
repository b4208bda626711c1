//! Input that is no array, or a broken or forged one: one line, a code, and no harm done.

use crate::array::{Array, find, for_each, golden, golden_array, md5};
use crate::superblocks::{FIELDS, extremes, read, with, write};
use crate::tool::{command, run, run_with};
use std::fs;
use std::path::PathBuf;

#[test]
fn what_is_no_image_is_bad_input() {
    let (_, array) = golden_array("r1");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let noise: Vec<u8> = (0..1_u32 << 20).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
    fs::write(path("noise"), noise).unwrap();
    fs::write(path("empty"), b"").unwrap();
    fs::write(path("short"), b"raid").unwrap();
    fs::write(path("two\nlines"), b"raid").unwrap();
    fs::write(path("zeroes"), vec![0; 1 << 20]).unwrap();
    let names = ["noise", "empty", "short", "two\nlines", "zeroes", "absent", "."];
    let others = ["/dev/null", "/proc/self/mem"].map(PathBuf::from);
    for bad in names.map(path).into_iter().chain(others) {
        for arguments in [["read"], ["check"], ["write"], ["status"]] {
            let images = [array.images[0].clone(), bad.clone(), array.images[1].clone()];
            assert_eq!(run(&arguments, &images).says_no(2..=2).stdout, b"", "{bad:?}");
        }
        let examined = run(&["examine", "--json"], &[bad.clone(), array.images[0].clone()]);
        let examined = examined.says_no(2..=2).json();
        assert!(examined[0]["error"].is_string(), "{examined}");
        assert_eq!(examined[1]["level"], 1);
        run(&["examine"], &[bad]).says_no(2..=2);
    }
}

#[test]
fn an_image_twice_is_refused() {
    let (_, array) = golden_array("r5-left-symmetric");
    let twice: Vec<_> = array.images.iter().chain(&array.images[..1]).collect();
    let copy = array.images[0].with_extension("copy");
    fs::copy(&array.images[0], &copy).unwrap();
    let copied: Vec<_> = array.images.iter().chain([&copy]).collect();
    let link = array.images[0].with_extension("link");
    std::os::unix::fs::symlink(&array.images[0], &link).unwrap();
    let linked: Vec<_> = array.images.iter().chain([&link]).collect();
    for arguments in [["read"], ["check"], ["write"], ["status"]] {
        for images in [&twice, &copied, &linked] {
            run(&arguments, images).says_no(2..=3);
        }
    }
}

#[test]
fn a_member_is_neither_the_input_nor_the_output() {
    let (_, array) = golden_array("r5-left-symmetric");
    let content = || array.images.iter().map(|image| fs::read(image).unwrap());
    let before: Vec<_> = content().collect();
    for name in ["read", "write"] {
        let stream =
            || fs::OpenOptions::new().read(true).append(true).open(&array.images[2]).unwrap();
        let mut command = command([name]);
        command.args(&array.images);
        let output = match name {
            "read" => command.stdout(stream()).output().unwrap(),
            _ => command.stdin(stream()).output().unwrap(),
        };
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(line.contains("a member cannot be standard"), "{line}");
        assert!(content().eq(before.iter().cloned()), "{name}");
    }
}

#[test]
fn members_of_two_arrays_are_bad_input() {
    let (_, one) = golden_array("r5-left-symmetric");
    let (_, other) = golden_array("r5-right-symmetric");
    let mixed = [&one.images[..2], &other.images[2..]].concat();
    for arguments in [["read"], ["check"], ["write"], ["status"]] {
        run(&arguments, &mixed).says_no(2..=2);
    }
}

#[test]
fn a_cut_image_is_no_member() {
    let fixtures = ["r5-left-symmetric", "r5-v10", "r6-v11"].map(|name| find(golden(), name));
    for_each(&fixtures, |fixture| {
        let array = fixture.unpack();
        let whole = fs::read(&array.images[1]).unwrap();
        let edges = [0, 512, 4096, 8192, 12_288, 65_536, 131_072, 132_096, whole.len()];
        let near = |at: usize| [at.saturating_sub(1), at, at + 1, at + 511];
        for length in edges.into_iter().flat_map(near).filter(|length| *length < whole.len()) {
            fs::write(&array.images[1], &whole[..length]).unwrap();
            let read = run(&["read"], &array.images);
            match read.code {
                // Too short for the array, which can do without.
                0 => assert_eq!(md5(&read.warns(1).stdout), fixture.md5, "{length}"),
                _ => assert_eq!(read.says_no(2..=2).stdout, b"", "{length}"),
            }
            let lost: Vec<_> = (2..2 + fixture.redundancy()).collect();
            run(&["read"], &array.without(&lost)).says_no(2..=3);
            run(&["check"], &array.images).says_no(2..=3);
            run_with(&["write"], &array.images, b"new").says_no(2..=3);
        }
    });
}

#[test]
fn whatever_a_superblock_says_nothing_breaks() {
    let fixtures = ["r1", "r5-left-symmetric", "r0", "r10-f2"].map(|name| find(golden(), name));
    for_each(&fixtures, |fixture| {
        let array = fixture.unpack();
        let blocks: Vec<_> = array.images.iter().map(|image| read(image)).collect();
        for (at, length) in FIELDS {
            for value in extremes(length) {
                // One member lies, then all of them do.
                write(&array.images[0], &with(&blocks[0], at, &value));
                survives(&array);
                for (image, block) in array.images.iter().zip(&blocks) {
                    write(image, &with(block, at, &value));
                }
                survives(&array);
                for (image, block) in array.images.iter().zip(&blocks) {
                    write(image, block);
                }
            }
        }
        let content = run(&["read"], &array.images).succeeds().stdout;
        assert_eq!(md5(&content), fixture.md5, "nothing was written");
    });
}

fn survives(array: &Array) {
    run(&["examine", "--json"], &array.images[..1]).ends_well();
    run(&["read"], &array.images).ends_well();
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    const FEATURES: usize = 0x08;
    // A reshape, a cluster's bitmap.
    let cases = [(4, "reshape"), (257, "cluster")];
    let (fixture, array) = golden_array("r5-left-symmetric");
    let blocks: Vec<_> = array.images.iter().map(|image| read(image)).collect();
    let set = |features: u32| {
        for (image, block) in array.images.iter().zip(&blocks) {
            write(image, &with(block, FEATURES, &features.to_le_bytes()));
        }
    };
    for (features, name) in cases {
        set(features);
        for arguments in [["read"], ["check"], ["write"]] {
            let refused = run_with(&arguments, &array.images, b"new").says_no(3..=3);
            assert!(refused.stderr.contains(name), "{}", refused.stderr);
        }
    }
    // A journal that is not there: a whole array is read without, and not written.
    set(512);
    run(&["read"], &array.images).warns(1);
    let refused = run_with(&["write"], &array.images, b"new").says_no(3..=3);
    assert!(refused.stderr.contains("journal"), "{}", refused.stderr);
    // A bad-block log where there is none: what is bad is not known.
    set(8);
    for arguments in [["read"], ["check"], ["write"]] {
        let refused = run_with(&arguments, &array.images, b"new").says_no(2..=2);
        assert!(refused.stderr.contains("corrupt bad-block log"), "{}", refused.stderr);
    }
    // Partial parity logs that lie nowhere: reading needs none.
    set(1024);
    assert_eq!(md5(&run(&["read"], &array.images).succeeds().stdout), fixture.md5);
    let refused = run_with(&["write"], &array.images, b"new").says_no(2..=2);
    assert!(refused.stderr.contains("ppl.size"), "{}", refused.stderr);
    // Reading a clean array needs no bitmap; to write there has to be one.
    set(1);
    assert_eq!(md5(&run(&["read"], &array.images).succeeds().stdout), fixture.md5);
    run(&["check"], &array.images).succeeds();
    let refused = run_with(&["write"], &array.images, b"new").says_no(2..=2);
    assert!(refused.stderr.contains("bitmap"), "{}", refused.stderr);
    assert_eq!(md5(&run(&["read"], &array.images).succeeds().stdout), fixture.md5);
}

#[test]
fn a_member_that_missed_the_end_of_a_reshape_is_left_out() {
    const FEATURES: usize = 0x08;
    const NEW_OFFSET: usize = 0x7c;
    const DATA_OFFSET: usize = 0x80;
    const EVENTS: usize = 0xc8;
    let (fixture, array) = golden_array("r5-left-symmetric");
    let block = read(&array.images[1]);
    let number = |at: usize| u64::from_le_bytes(block[at..at + 8].try_into().unwrap());
    // Its data has moved; it did not hear that the reshape has ended, and names the old place.
    let block = with(&block, FEATURES, &0x44_u32.to_le_bytes());
    let block = with(&block, NEW_OFFSET, &8_i32.to_le_bytes());
    let old = with(&block, DATA_OFFSET, &(number(DATA_OFFSET) - 8).to_le_bytes());
    write(&array.images[1], &with(&old, EVENTS, &(number(EVENTS) - 1).to_le_bytes()));
    let content = || array.images.iter().map(|image| fs::read(image).unwrap());
    let before: Vec<_> = content().collect();
    assert_eq!(md5(&run(&["read"], &array.images).warns(1).stdout), fixture.md5);
    run_with(&["write"], &array.images, b"new").says_no(3..=3);
    assert!(content().eq(before));
}

#[test]
fn a_replacement_on_record_is_not_left_behind() {
    const ROLE_OF_2: usize = 0x104;
    let (fixture, array) = golden_array("r1");
    for image in &array.images {
        let block = read(image);
        write(image, &with(&block, ROLE_OF_2, &0_u16.to_le_bytes()));
    }
    assert_eq!(md5(&run(&["read"], &array.images).succeeds().stdout), fixture.md5);
    let refused = run_with(&["write"], &array.images, b"new").says_no(3..=3);
    assert!(refused.stderr.contains("without member 0"), "{}", refused.stderr);
    // That it is gone is on record from then on.
    run_with(&["write", "--degraded"], &array.images, b"new").succeeds();
    run_with(&["write"], &array.images, b"new").succeeds();
}

#[test]
fn members_of_a_level_0_array_must_be_of_one_size() {
    const DATA_SIZE: usize = 0x88;
    let (_, array) = golden_array("r0");
    let block = read(&array.images[1]);
    write(&array.images[1], &with(&block, DATA_SIZE, &768_u64.to_le_bytes()));
    for arguments in [["read"], ["check"], ["write"]] {
        let refused = run_with(&arguments, &array.images, b"new").says_no(3..=3);
        assert!(refused.stderr.contains("differ in size"), "{}", refused.stderr);
    }
}

#[test]
fn whatever_a_superblock_says_a_write_ends_well() {
    let (_, array) = golden_array("r1");
    let whole: Vec<_> = array.images.iter().map(|image| fs::read(image).unwrap()).collect();
    let block = read(&array.images[0]);
    for (at, length) in FIELDS {
        for value in extremes(length) {
            write(&array.images[0], &with(&block, at, &value));
            run_with(&["write", "--degraded"], &array.images, b"new").ends_well();
            for (image, bytes) in array.images.iter().zip(&whole) {
                fs::write(image, bytes).unwrap();
            }
        }
    }
}

#[test]
fn a_wrong_command_line_is_one_line() {
    let lines: [&[&str]; 10] = [
        &[],
        &["read", ""],
        &["read"],
        &["nonsense"],
        &["read", "--nonsense", "x"],
        &["read", "--offset", "-1", "x"],
        &["read", "--offset", "1", "--offset", "2", "x"],
        &["read", "--length", "99999999999999999999", "x"],
        &["check", "--offset", "0", "x"],
        &["demo", "--dir", "/nonexistent"],
    ];
    for line in lines {
        assert_eq!(run(line, &[] as &[&str]).says_no(2..=2).stdout, b"");
    }
    let many = vec!["/dev/null"; 300];
    run(&["read"], &many).says_no(2..=2);
    let help = command(["help"]).output().unwrap();
    assert!(help.status.success() && help.stderr.is_empty());
}
