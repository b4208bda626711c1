//! Arrays with a write journal: replayed after a crash as the kernel does it, and kept.

use crate::array::{Fixture, logs, md5};
use crate::create::{Blank, create};
use crate::tool::{run, run_with};
use std::fs;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> Fixture {
    logs().into_iter().find(|fixture| fixture.name == name).unwrap()
}

/// What the kernel made of the same array: which members were missing, and the digest of the content.
fn outcomes(name: &str) -> Vec<(Vec<usize>, String)> {
    let outcomes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../raid-core/tests/fixtures/log");
    let outcomes = fs::read_to_string(outcomes.join("outcomes.tsv")).unwrap();
    let lines = outcomes.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let missing = |text: &str| match text {
        "-" => Vec::new(),
        text => text.split(',').map(|member| member.parse().unwrap()).collect(),
    };
    lines
        .filter(|line| line[0] == name)
        .map(|line| (missing(line[1]), line[4].to_string()))
        .collect()
}

#[test]
fn a_journal_of_the_kernel_is_replayed_as_the_kernel_does_it() {
    let mut count = 0;
    for name in ["journal-r5", "journal-r6"] {
        for (missing, content) in outcomes(name) {
            let array = fixture(name).unpack();
            let images = array.without(&missing);
            if missing.is_empty() {
                run(&["resync"], &images).succeeds();
                let check = run(&["check"], &images).succeeds();
                assert_eq!(check.stdout, b"mismatch_sectors: 0\n");
            } else {
                // Parity may not fit before.
                let refused = run(&["read"], &images).says_no(3..=3);
                assert!(refused.stderr.contains("journal"), "{}", refused.stderr);
                run(&["resync", "--degraded"], &images).ends_well();
            }
            let read = run(&["read"], &images).succeeds();
            assert_eq!(md5(&read.stdout), content, "{name} without {missing:?}");
            count += 1;
        }
    }
    assert_eq!(count, 7, "arrays that the kernel started");
}

struct Journaled {
    members: Blank,
    journal: Blank,
}

impl Journaled {
    fn new(line: &str, journal_bytes: u64) -> Self {
        let (members, journal) = (Blank::new(4, 8 << 20), Blank::new(1, journal_bytes));
        let line = format!("{line} --chunk 64K --journal {}", journal.images[0].display());
        create(&line, &members.images).succeeds();
        Self { members, journal }
    }

    /// The images but for those of some members, the journal's somewhere among them.
    fn without(&self, lost: &[usize]) -> Vec<PathBuf> {
        let members = self.members.images.iter().enumerate();
        let members = members.filter(|(place, _)| !lost.contains(place));
        let mut images: Vec<_> = members.map(|(_, image)| image.clone()).collect();
        images.insert(1, self.journal.images[0].clone());
        images
    }
}

fn noise(bytes: u32, salt: u32) -> Vec<u8> {
    (0..bytes).map(|at| (at.wrapping_mul(at.wrapping_add(salt)) >> 7) as u8).collect()
}

#[test]
fn an_array_with_a_journal_is_made_written_and_read_back() {
    for line in ["--level 4", "--level 5 --metadata 1.1", "--level 6", "--level 6 --metadata 1.0"] {
        // A small one, to be gone around in.
        let array = Journaled::new(line, 3 << 20);
        let (content, all) = (noise(1_700_000, 3), array.without(&[]));
        run_with(&["write", "--offset", "12345"], &all, &content).succeeds();
        let here = ["read", "--offset", "12345", "--length", "1700000"];
        assert!(run(&here, &all).succeeds().stdout == content, "{line}");
        assert_eq!(run(&["check"], &all).succeeds().stdout, b"mismatch_sectors: 0\n");

        let (few, newer) = (array.without(&[1]), noise(300_001, 5));
        run_with(&["write", "--degraded", "--offset", "777"], &few, &newer).ends_well();
        let read = run(&["read", "--offset", "777", "--length", "300001"], &few).succeeds();
        assert!(read.stdout == newer, "{line}");

        let new = Blank::new(1, 8 << 20);
        run(&["rebuild", "--new", new.images[0].to_str().unwrap()], &few).ends_well();
        let mut again = few;
        again.push(new.images[0].clone());
        assert_eq!(run(&["check"], &again).succeeds().stdout, b"mismatch_sectors: 0\n");
        let read = run(&["read", "--offset", "777", "--length", "300001"], &again).succeeds();
        assert!(read.stdout == newer, "{line}");
    }
}

#[test]
fn the_journal_is_named_to_write() {
    let array = Journaled::new("--level 5", 3 << 20);
    let content = noise(100_000, 9);
    run_with(&["write"], &array.without(&[]), &content).succeeds();
    let members = &array.members.images;
    let refused = run_with(&["write"], members, b"no").says_no(3..=3);
    assert!(refused.stderr.contains("journal"), "{}", refused.stderr);
    // Nothing is made from parity, so it can be read; with a member missing it could not.
    let read = run(&["read", "--length", "100000"], members).ends_well();
    assert!(read.stdout == content);
    run(&["read"], &members[1..]).says_no(3..=3);
    let status = run(&["status"], &array.without(&[])).succeeds();
    let status = String::from_utf8(status.stdout).unwrap();
    let journal = array.journal.images[0].display().to_string();
    assert!(status.contains("J  in sync") && status.contains(&journal), "{status}");
    let status = run(&["status", "--json"], members).ends_well();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains(r#""journal":{"state":"missing","image":null}"#), "{status}");
}

#[test]
fn a_journal_is_for_levels_with_parity_and_needs_room() {
    let blank = Blank::new(4, 8 << 20);
    let (large, small) = (Blank::new(1, 4 << 20), Blank::new(1, 1 << 20));
    let journal = |blank: &Blank| format!("--journal {}", blank.images[0].display());
    for (line, words) in [
        (format!("--level 1 {}", journal(&large)), "levels 4, 5 and 6"),
        (format!("--level 10 {}", journal(&large)), "levels 4, 5 and 6"),
        (format!("--level 5 {}", journal(&small)), "too small"),
        (format!("--level 5 --bitmap {}", journal(&large)), "cannot be used with"),
        (format!("--level 5 --ppl {}", journal(&large)), "cannot be used with"),
    ] {
        let refused = create(&line, &blank.images).says_no(2..=2);
        assert!(refused.stderr.contains(words), "{line}: {}", refused.stderr);
    }
}
