//! Runs the targets on stable: on everything in `corpus`, on the superblocks that md wrote, and on bytes from a fixed
//! sequence of random numbers.

use arbitrary::{Arbitrary, Unstructured};
use raid_fuzz::{bad_blocks, bitmap, journal, operations, ppl, superblock};
use std::path::Path;

/// Campaigns of random bytes. `RAID_CAMPAIGNS` in the environment asks for another number.
const CAMPAIGNS: u64 = 20_000;

fn corpus(directory: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .expect("every target has one")
        .map(|entry| entry.expect("the corpus can be listed").path())
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), std::fs::read(&path).expect("readable")))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", directory.display());
    files
}

fn campaign(bytes: &[u8]) -> Option<operations::Campaign> {
    operations::Campaign::arbitrary_take_rest(Unstructured::new(bytes)).ok()
}

/// Random bytes that follow from a number (splitmix64).
fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
    .flat_map(u64::to_le_bytes)
    .take(length)
    .collect()
}

#[test]
fn operations_of_the_corpus() {
    for (name, bytes) in corpus("corpus/operations") {
        println!("{name}");
        if let Some(campaign) = campaign(&bytes) {
            operations::run(&campaign);
        }
    }
}

#[test]
fn operations_of_random_bytes() {
    let campaigns = std::env::var("RAID_CAMPAIGNS")
        .map_or(CAMPAIGNS, |count| count.parse().expect("RAID_CAMPAIGNS is a number"));
    let mut run = 0;
    for seed in 0..campaigns {
        if let Some(campaign) = campaign(&random(seed, 40 + (seed as usize % 24) * 32)) {
            // Shown if the test fails.
            println!("seed {seed}");
            operations::run(&campaign);
            run += 1;
        }
    }
    assert!(run > campaigns / 2, "only {run} of {campaigns} were campaigns");
}

#[test]
fn superblocks_that_md_wrote() {
    for (name, bytes) in corpus("../raid-core/tests/fixtures/superblocks") {
        println!("{name}");
        superblock::run(&bytes);
    }
}

/// One byte of a good superblock is another: near misses, which random bytes never are.
#[test]
fn superblocks_with_a_changed_byte() {
    for (name, bytes) in corpus("../raid-core/tests/fixtures/superblocks") {
        println!("{name}");
        for at in 0..bytes.len().min(0x108) {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                superblock::run(&changed);
            }
        }
    }
}

/// Logs that md left behind, as they are and with a byte changed.
fn logs_of_the_corpus(directory: &str, run: impl Fn(&[u8])) {
    for (name, bytes) in corpus(directory) {
        println!("{name}");
        run(&bytes);
        // Headers, the first entries or payloads, and a few of the bytes behind.
        for at in (0..64).chain(512..640).chain((640..bytes.len()).step_by(509)) {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                if let Some(byte) = changed.get_mut(at) {
                    *byte = value;
                    run(&changed);
                }
            }
        }
    }
}

#[test]
fn partial_parity_logs_of_the_corpus() {
    logs_of_the_corpus("corpus/ppl", ppl::run);
}

#[test]
fn journals_of_the_corpus() {
    logs_of_the_corpus("corpus/journal", journal::run);
}

#[test]
fn logs_of_random_bytes() {
    for seed in 0..300 {
        let bytes = random(seed, 40 + (seed as usize % 64) * 64);
        ppl::run(&bytes);
        journal::run(&bytes);
    }
}

/// Pages that md wrote, each byte of their superblock replaced by others, and random bytes.
#[test]
fn bitmaps() {
    for (name, bytes) in corpus("../raid-core/tests/fixtures/bitmap") {
        println!("{name}");
        bitmap::run(&bytes);
        for at in 0..264 {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                bitmap::run(&changed);
            }
        }
    }
    for seed in 0..500 {
        bitmap::run(&random(seed, 4096));
    }
}

/// Logs of the corpus with each byte replaced by others, and random bytes.
#[test]
fn bad_block_logs() {
    for (name, bytes) in corpus("corpus/bad_blocks") {
        println!("{name}");
        bad_blocks::run(&bytes);
        for at in 0..bytes.len().min(80) {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                bad_blocks::run(&changed);
            }
        }
    }
    for seed in 0..2000 {
        let mut bytes = random(seed, 16 + 8 * (seed as usize % 40));
        bytes[0] %= 12;
        bad_blocks::run(&bytes);
    }
}
