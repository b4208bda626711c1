//! New arrays: what is asked for is what they are, and nobody's data is overwritten unasked.

use crate::array::md5;
use crate::tool::{Run, run, run_with};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// Files for members, all zeroes.
pub(crate) struct Blank {
    _directory: TempDir,
    pub(crate) images: Vec<PathBuf>,
}

impl Blank {
    pub(crate) fn new(count: usize, bytes: u64) -> Self {
        Self::of_sizes(&vec![bytes; count])
    }

    fn of_sizes(sizes: &[u64]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let make = |(place, bytes): (usize, &u64)| {
            let path = directory.path().join(format!("m{place}"));
            fs::File::create_new(&path).unwrap().set_len(*bytes).unwrap();
            path
        };
        let images = sizes.iter().enumerate().map(make).collect();
        Self { _directory: directory, images }
    }

    fn content(&self) -> Vec<String> {
        self.images.iter().map(|image| md5(&fs::read(image).unwrap())).collect()
    }

    fn without(&self, lost: usize) -> Vec<&PathBuf> {
        let images = self.images.iter().enumerate();
        images.filter(|(place, _)| *place != lost).map(|(_, image)| image).collect()
    }

    /// Runs `create` and sees that it says no, in these words, and that nothing is changed.
    #[track_caller]
    fn refuses(&self, line: &str, code: i32, words: &str) {
        let before = self.content();
        let refused = create(line, &self.images).says_no(code..=code);
        assert!(refused.stderr.contains(words), "{line}: {}", refused.stderr);
        assert_eq!(self.content(), before, "{line}");
    }
}

pub(crate) fn create(line: &str, images: &[PathBuf]) -> Run {
    let arguments: Vec<_> = ["create"].into_iter().chain(line.split_whitespace()).collect();
    run(&arguments, images)
}

fn noise(image: &Path, seed: u32) {
    let length = fs::metadata(image).unwrap().len() as u32;
    let byte = |at: u32| (at.wrapping_mul(at ^ seed).wrapping_mul(0x9e37_79b9) >> 24) as u8;
    let bytes: Vec<_> = (0..length).map(byte).collect();
    fs::write(image, bytes).unwrap();
}

fn plant(image: &Path, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(image).unwrap().write_all_at(bytes, at).unwrap();
}

fn look(image: &Path, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fs::File::open(image).unwrap().read_exact_at(&mut bytes, at).unwrap();
    bytes
}

/// Level, layout and number of members.
const SHAPES: [(u8, &str, usize); 29] = [
    (0, "-", 3),
    (1, "-", 3),
    (4, "-", 3),
    (5, "left-asymmetric", 4),
    (5, "right-asymmetric", 4),
    (5, "left-symmetric", 4),
    (5, "right-symmetric", 3),
    (5, "parity-first", 3),
    (5, "parity-last", 3),
    (6, "left-asymmetric", 4),
    (6, "right-asymmetric", 5),
    (6, "left-symmetric", 5),
    (6, "right-symmetric", 5),
    (6, "parity-first", 4),
    (6, "parity-last", 5),
    (6, "ddf-zero-restart", 5),
    (6, "ddf-N-restart", 4),
    (6, "ddf-N-continue", 5),
    (6, "left-asymmetric-6", 5),
    (6, "right-asymmetric-6", 4),
    (6, "left-symmetric-6", 5),
    (6, "right-symmetric-6", 5),
    (6, "parity-first-6", 4),
    (10, "n2", 4),
    (10, "n3", 5),
    (10, "f2", 3),
    (10, "f3", 4),
    (10, "o2", 3),
    (10, "o3", 5),
];

#[test]
fn an_array_is_what_was_asked_for() {
    for (turn, (level, layout, members)) in SHAPES.into_iter().enumerate() {
        let versions = ["1.0", "1.1", "1.2"];
        // Each level with each version, its other layouts with one of them; chunks of every size in turn.
        let versions = match layout {
            "-" | "left-symmetric" | "n2" | "f2" | "o2" => &versions[..],
            _ => &versions[turn % 3..][..1],
        };
        for metadata in versions {
            let chunk = 4096_u64 << (turn % 5);
            let mut line =
                format!("--level {level} --metadata {metadata} --name at:{turn} --assume-clean");
            if level != 1 {
                line += &format!(" --chunk {chunk}");
            }
            if layout != "-" {
                line += &format!(" --layout {layout}");
            }
            let blank = Blank::new(members, 3 * MIB / 2);
            let images = &blank.images;
            create(&line, images).succeeds();
            is_as_asked(images, level, layout, metadata, &line);
            holds_what_is_written(&blank, level);
        }
    }
}

fn is_as_asked(images: &[PathBuf], level: u8, layout: &str, metadata: &str, line: &str) {
    let status = run(&["status", "--json"], images).succeeds().json();
    assert_eq!((&status["level"], &status["layout"]), (&level.into(), &layout.into()), "{line}");
    assert_eq!((&status["state"], &status["dirty"]), (&"clean".into(), &false.into()), "{line}");
    assert_eq!(status["raid_members"], images.len(), "{line}");
    let examined = run(&["examine", "--json"], images).succeeds().json();
    let superblocks = examined.as_array().unwrap();
    let mut uuids = Vec::new();
    for (place, superblock) in superblocks.iter().enumerate() {
        assert_eq!(superblock["version"], metadata, "{line}");
        assert_eq!((&superblock["events"], &superblock["feature_map"]), (&0.into(), &0.into()));
        assert_eq!(superblock["resync_offset"], u64::MAX, "{line}");
        assert_eq!(superblock["dev_roles"][place], place, "{line}");
        assert_eq!(superblock["dev_number"], place, "{line}");
        assert!(superblock["set_name"].as_str().unwrap().starts_with("at:"), "{line}");
        assert_eq!(superblock["set_uuid"], status["uuid"], "{line}");
        uuids.push(superblock["device_uuid"].as_str().unwrap());
    }
    uuids.sort_unstable();
    uuids.dedup();
    assert_eq!(uuids.len(), images.len(), "each device has a uuid of its own: {line}");
}

fn holds_what_is_written(blank: &Blank, level: u8) {
    let status = run(&["status", "--json"], &blank.images).json();
    let size = status["size_bytes"].as_u64().unwrap() as usize;
    let mut model = vec![0; size];
    for (at, length) in [(0, 100_000), (size / 2 - 7, 33_333), (size - 50_001, 50_001)] {
        let bytes: Vec<_> = (0..length).map(|byte| (byte * 7 + at) as u8 ^ 0x5a).collect();
        let offset = at.to_string();
        run_with(&["write", "--offset", &offset], &blank.images, &bytes).succeeds();
        model[at..at + length].copy_from_slice(&bytes);
    }
    assert!(run(&["read"], &blank.images).succeeds().stdout == model);
    if level == 0 {
        return;
    }
    run(&["check"], &blank.images).succeeds();
    let lost = size % blank.images.len();
    assert!(run(&["read"], &blank.without(lost)).succeeds().stdout == model, "without {lost}");
}

#[test]
fn defaults_are_those_of_mdadm() {
    let blank = Blank::new(3, 8 * MIB);
    create("--level 5", &blank.images).succeeds();
    let examined = run(&["examine", "--json"], &blank.images).json();
    let expected = [
        ("chunksize", 1024),
        ("layout", 2),
        ("data_offset", 4096),
        ("data_size", 12_288),
        ("size", 12_288),
        ("bblog_offset", 16),
        ("bblog_size", 8),
        ("max_dev", 128),
    ];
    for (field, value) in expected {
        assert_eq!(examined[0][field], value, "{field}");
    }
    assert_eq!(examined[0]["version"], "1.2");
    assert_eq!(examined[0]["set_name"], "");
}

#[test]
fn without_assume_clean_everything_is_made_to_agree() {
    for level in [1, 4, 5, 6, 10] {
        let blank = Blank::new(4, 3 * MIB);
        blank.images.iter().zip(level..).for_each(|(image, seed)| noise(image, seed));
        // In the first row of level 6, Q lies on member 0.
        let first = look(&blank.images[usize::from(level == 6)], 64 << 10, 4096);
        create(&format!("--level {level} --data-offset 64K"), &blank.images).succeeds();
        let status = run(&["status", "--json"], &blank.images).succeeds().json();
        assert_eq!((&status["dirty"], &status["action"]), (&false.into(), &"idle".into()));
        run(&["check"], &blank.images).succeeds();
        let content = run(&["read"], &blank.images).succeeds().stdout;
        assert!(content[..4096] == first, "level {level}: data is believed, parity is made");
        for lost in 0..4 {
            let read = run(&["read"], &blank.without(lost)).succeeds();
            assert!(read.stdout == content, "level {level} without {lost}");
        }
    }
}

#[test]
fn sizes_are_those_of_the_smallest() {
    let blank = Blank::of_sizes(&[9 * MIB, 5 * MIB + 512, 6 * MIB + 3]);
    create("--level 5 --chunk 64K --assume-clean", &blank.images).succeeds();
    let examined = run(&["examine", "--json"], &blank.images).json();
    let fields = |name: &str| -> Vec<u64> {
        (0..3).map(|place| examined[place][name].as_u64().unwrap()).collect()
    };
    assert_eq!(fields("size"), [8192; 3]);
    assert_eq!(fields("data_size"), [16_384, 8193, 10_240]);
    blank.refuses("--level 0 --overwrite", 2, "--size");
    create("--level 0 --overwrite --size 3M", &blank.images).succeeds();
    let status = run(&["status", "--json"], &blank.images).succeeds().json();
    assert_eq!(status["size_bytes"], 9 * MIB);
    create("--level 1 --overwrite --size 5K --assume-clean", &blank.images).succeeds();
    let status = run(&["status", "--json"], &blank.images).succeeds().json();
    assert_eq!(status["size_bytes"], 4096);
}

#[test]
fn a_member_can_be_mostly_written() {
    let blank = Blank::new(3, 3 * MIB);
    create("--level 1 --write-mostly 2 --write-mostly 0", &blank.images).succeeds();
    let examined = run(&["examine", "--json"], &blank.images).json();
    let flags: Vec<_> = (0..3).map(|place| examined[place]["devflags"].clone()).collect();
    assert_eq!(flags, [1, 0, 1]);
    let status = String::from_utf8(run(&["status"], &blank.images).succeeds().stdout).unwrap();
    assert!(status.contains("\nraid1 m0[0](W) m1[1] m2[2](W)\n"), "{status}");
}

#[test]
fn what_cannot_be_made_is_refused_before_the_first_write() {
    let blank = Blank::new(3, 3 * MIB);
    let usage = [
        ("", "--level"),
        ("--level 3", "0, 1, 4, 5, 6 or 10"),
        ("--level five", "0, 1, 4, 5, 6 or 10"),
        ("--level 5 --layout n2", "no layout of this name"),
        ("--level 4 --layout left-symmetric", "no layout of this name"),
        ("--level 10 --layout n4", "4 copies"),
        ("--level 6", "too few"),
        ("--level 5 --chunk 2K", "too small"),
        ("--level 5 --chunk 96K", "power of two"),
        ("--level 5 --chunk 4097", "512"),
        ("--level 5 --chunk 2G", "too large"),
        ("--level 1 --chunk 64K", "no chunks"),
        ("--level 5 --metadata 0.90", "1.0, 1.1 or 1.2"),
        ("--level 5 --data-offset 4K", "--data-offset"),
        ("--level 5 --data-offset 10K", "--data-offset"),
        ("--level 5 --data-offset 700", "512"),
        ("--level 5 --data-offset 3M", "too small"),
        ("--level 5 --data-offset 16E", "K, M, G or T"),
        ("--level 5 --metadata 1.0 --data-offset 1M", "1.0"),
        ("--level 5 --size 4M", "too small"),
        ("--level 5 --size 64K", "too small"),
        ("--level 5 --size 16777215T", "too small"),
        ("--level 0 --bitmap", "no redundancy"),
        ("--level 5 --bitmap --ppl", "--ppl"),
        ("--level 5 --bitmap --data-offset 12K", "room"),
        ("--level 1 --write-mostly 3", "--write-mostly 3"),
        ("--level 5 --write-mostly 1", "level 1"),
        ("--level 5 --name 123456789012345678901234567890123", "--name"),
    ];
    for (line, words) in usage {
        blank.refuses(line, 2, words);
    }
    let small = Blank::of_sizes(&[3 * MIB, 0, 3 * MIB]);
    small.refuses("--level 5", 2, "too small");
    small.refuses("--level 1 --metadata 1.0", 2, "too small");
    let none: [PathBuf; 0] = [];
    create("--level 1", &none).says_no(2..=2);
    create("--level 1", &blank.images[..1]).says_no(2..=2);
    let twice = [&blank.images[..], &blank.images[..1]].concat();
    create("--level 5", &twice).says_no(2..=2);
    create("--level 5", &vec!["/nonexistent".into(); 300]).says_no(2..=2);
    let held = fs::File::open(&blank.images[1]).unwrap();
    held.try_lock_shared().unwrap();
    blank.refuses("--level 5", 3, "in use");
    held.unlock().unwrap();
    create("--level 5", &blank.images).succeeds();
    blank.refuses("--level 5", 3, "md 1.2 superblock, at byte 4096, and 2 more");
}

/// What is found where on an image of 3 MiB.
const SIGNATURES: [(&str, u64, &[u8]); 27] = [
    ("md 1.1", 0, b"\xfc\x4e\x2b\xa9"),
    ("md 1.2", 4096, b"\xfc\x4e\x2b\xa9"),
    ("md 1.0", 3 * MIB - 8192, b"\xfc\x4e\x2b\xa9"),
    ("md 0.90", 3 * MIB - 65_536, b"\xfc\x4e\x2b\xa9"),
    ("md 0.90", 3 * MIB - 65_536, b"\xa9\x2b\x4e\xfc"),
    ("Intel", 3 * MIB - 1024, b"Intel Raid ISM Cfg Sig. 1.3"),
    ("DDF", 3 * MIB - 512, b"\xde\x11\xde\x11"),
    ("ext2", 1024 + 56, b"\x53\xef"),
    ("XFS", 0, b"XFSB"),
    ("btrfs", 65_600, b"_BHRfS_M"),
    ("squashfs", 0, b"hsqs"),
    ("LUKS", 0, b"LUKS\xba\xbe\0\x02"),
    ("LVM", 0, b"LABELONE"),
    ("LVM", 512, b"LABELONE"),
    ("LVM", 1536, b"LABELONE"),
    ("swap", 4086, b"SWAPSPACE2"),
    ("swap", 65_526, b"SWAPSPACE2"),
    ("swap", 4086, b"SWAP-SPACE"),
    ("hibernated", 4086, b"S1SUSPEND"),
    ("GPT", 512, b"EFI PART"),
    ("GPT", 4096, b"EFI PART"),
    ("GPT", 3 * MIB - 512, b"EFI PART"),
    ("GPT", 3 * MIB - 4096, b"EFI PART"),
    ("bcache", 4120, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca"),
    ("NTFS", 3, b"NTFS    "),
    ("MBR", 510, b"\x55\xaa"),
    ("LVM", 1024, b"LABELONE"),
];

#[test]
fn an_image_with_a_signature_is_not_overwritten_unasked() {
    for (name, at, magic) in SIGNATURES {
        let blank = Blank::new(2, 3 * MIB);
        plant(&blank.images[1], at, magic);
        blank.refuses("--level 1 --metadata 1.1", 3, name);
        blank.refuses("--level 1 --metadata 1.0 --assume-clean", 3, "m1 bears the signature of");
        // The data of 1.2 lies between 1 MiB and the end: what is outside of it goes, and md's everywhere.
        create("--level 1 --overwrite --assume-clean", &blank.images).succeeds();
        let left = look(&blank.images[1], at, magic.len()) == magic;
        let data = (MIB..3 * MIB).contains(&at) && !name.starts_with("md");
        // The new superblock is md's as well.
        let own = name == "md 1.2";
        assert_eq!(left, data || own, "{name} at {at}");
    }
}

#[test]
fn data_stays_where_it_is() {
    let blank = Blank::new(2, 3 * MIB);
    blank.images.iter().for_each(|image| noise(image, 9));
    plant(&blank.images[0], 1024 + 56, b"\x53\xef");
    let before = look(&blank.images[0], 0, 2 * MIB as usize);
    blank.refuses("--level 1 --metadata 1.0", 3, "ext2");
    let line = "--level 1 --metadata 1.0 --overwrite --assume-clean";
    create(line, &blank.images).succeeds();
    assert!(look(&blank.images[0], 0, before.len()) == before);
    let read = run(&["read", "--length", "2M"], &blank.images[..1]).succeeds();
    assert!(read.stdout == before);
}

#[test]
fn a_new_array_takes_the_place_of_an_old_one() {
    let blank = Blank::new(3, 3 * MIB);
    let mut before = String::new();
    for metadata in ["1.0", "1.1", "1.2", "1.0", "1.2", "1.1", "1.0"] {
        let line = format!("--level 5 --metadata {metadata} --assume-clean --overwrite");
        create(&line, &blank.images).succeeds();
        let examined = run(&["examine", "--json"], &blank.images).succeeds().json();
        assert_eq!(examined[1]["version"], metadata);
        let uuid = examined[1]["set_uuid"].as_str().unwrap().to_owned();
        assert_ne!(uuid, before);
        before = uuid;
    }
}

#[test]
fn the_help_names_every_option() {
    let help = String::from_utf8(run(&["create", "--help"], &[] as &[&str]).succeeds().stdout);
    let help = help.unwrap();
    let options = "level layout chunk data-offset size name metadata bitmap ppl journal write-mostly assume-clean \
        overwrite";
    for option in options.split_whitespace() {
        assert!(help.contains(&format!("--{option}")), "{option}");
    }
}
