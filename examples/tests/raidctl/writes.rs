//! Writes anywhere, with all members and without some, compared with a plain copy of the content.

use crate::array::{Fixture, for_each, golden, golden_array, pattern};
use crate::superblocks;
use crate::tool::{run, run_with};
use std::fs;

/// Numbers that look random and are the same in every run.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// Offsets and lengths that meet bytes, sectors, blocks, chunks, rows and the end.
fn ranges(fixture: &Fixture) -> Vec<(usize, usize)> {
    let (chunk, size) = (fixture.chunk.max(4096), fixture.size);
    let row = chunk * (fixture.members - fixture.redundancy());
    vec![
        (0, 1),
        (511, 2),
        (chunk - 3, 7),
        (row - 1, row + 2),
        (3 * chunk, chunk),
        (4 * row, 2 * row),
        (123_457, 100_003),
        (size - 70_001, 70_001),
        (size - 1, 1),
    ]
}

#[test]
fn what_is_written_is_read_and_parity_agrees() {
    for_each(&golden(), |fixture| {
        let array = fixture.unpack();
        let mut model = pattern(fixture.size);
        let mut sequence = Sequence(1);
        for (at, length) in ranges(fixture) {
            let bytes = sequence.bytes(length);
            let offset = at.to_string();
            run_with(&["write", "--offset", &offset], &array.images, &bytes).succeeds();
            model[at..at + length].copy_from_slice(&bytes);
        }
        for lost in fixture.losses() {
            let read = run(&["read"], &array.without(&lost)).succeeds();
            assert!(read.stdout == model, "{} without {lost:?}", fixture.name);
        }
        if fixture.redundancy() > 0 {
            run(&["check"], &array.images).succeeds();
        }
        let status = run(&["status", "--json"], &array.images).succeeds().json();
        assert_eq!((&status["dirty"], &status["state"]), (&false.into(), &"clean".into()));
    });
}

#[test]
fn what_is_written_degraded_is_read() {
    let redundant: Vec<_> =
        golden().into_iter().filter(|fixture| fixture.redundancy() > 0).collect();
    for_each(&redundant, |fixture| {
        // As many as can be lost, in two ways.
        let losses = fixture.losses();
        let most: Vec<_> =
            losses.iter().filter(|lost| lost.len() == fixture.redundancy()).collect();
        for lost in [most[0], most[most.len() - 1]] {
            let array = fixture.unpack();
            let absent: Vec<_> =
                lost.iter().map(|slot| fs::read(&array.images[*slot]).unwrap()).collect();
            let present = array.without(lost);
            let mut model = pattern(fixture.size);
            let mut sequence = Sequence(2);
            for (turn, (at, length)) in ranges(fixture).into_iter().enumerate() {
                let bytes = sequence.bytes(length);
                let offset = at.to_string();
                let arguments = ["write", "--offset", &offset, "--degraded"];
                // Once the absence is on record, the flag is not needed any more.
                let arguments = if turn == 0 { &arguments[..] } else { &arguments[..3] };
                run_with(arguments, &present, &bytes).succeeds();
                model[at..at + length].copy_from_slice(&bytes);
            }
            let read = run(&["read"], &present).succeeds();
            assert!(read.stdout == model, "{} without {lost:?}", fixture.name);
            let all = run(&["read"], &array.images).warns(lost.len());
            assert!(all.stdout == model, "{}: the stale members are out", fixture.name);
            for (slot, before) in lost.iter().zip(absent) {
                assert!(fs::read(&array.images[*slot]).unwrap() == before, "{}", fixture.name);
            }
        }
    });
}

#[test]
fn a_write_begins_with_all_members_at_one_record() {
    const EVENTS: usize = 0xc8;
    const RESYNC_OFFSET: usize = 0xd0;
    let (fixture, array) = golden_array("r5-left-symmetric");
    // A crash between the superblock writes of a record: only member 0 has it.
    let block = superblocks::read(&array.images[0]);
    let events = u64::from_le_bytes(block[EVENTS..EVENTS + 8].try_into().unwrap()) + 1;
    let block = superblocks::with(&block, EVENTS, &events.to_le_bytes());
    superblocks::write(&array.images[0], &superblocks::with(&block, RESYNC_OFFSET, &[0; 8]));
    // Without input nothing follows, as if it crashed again right there.
    run_with(&["write"], &array.images, b"").succeeds();
    let examined = run(&["examine", "--json"], &array.images).succeeds().json();
    for superblock in examined.as_array().unwrap() {
        assert_eq!(
            (&superblock["events"], &superblock["resync_offset"]),
            (&events.into(), &0.into())
        );
    }
    assert!(run(&["read"], &array.images).succeeds().stdout == pattern(fixture.size));
}

#[test]
fn a_write_without_a_member_is_refused_and_changes_nothing() {
    for name in ["r1", "r5-left-symmetric", "r6-left-symmetric", "r10-n2"] {
        let (_, array) = golden_array(name);
        let content = || array.images.iter().map(|image| fs::read(image).unwrap());
        let before: Vec<_> = content().collect();
        run_with(&["write"], &array.without(&[1]), b"new").says_no(3..=3);
        assert!(content().eq(before), "{name}");
    }
}

#[test]
fn an_empty_write_changes_nothing() {
    let (_, array) = golden_array("r5-left-symmetric");
    let content = || array.images.iter().map(|image| fs::read(image).unwrap());
    let before: Vec<_> = content().collect();
    run_with(&["write", "--offset", "77"], &array.images, b"").succeeds();
    assert!(content().eq(before));
}

#[test]
fn input_beyond_the_end_is_refused() {
    let (fixture, array) = golden_array("r5-left-symmetric");
    let end = fixture.size.to_string();
    run_with(&["write", "--offset", &end], &array.images, b"").succeeds();
    let read = || run(&["read"], &array.images).succeeds().stdout;
    for (offset, length) in [(0, fixture.size + 1), (fixture.size - 2, 3), (fixture.size, 1)] {
        let offset = offset.to_string();
        let write = run_with(&["write", "--offset", &offset], &array.images, &vec![7; length]);
        let says = write.says_no(2..=2).stderr;
        assert!(says.contains(&end) && says.contains("0 bytes were written"), "{says}");
        assert!(read() == pattern(fixture.size));
    }
    let beyond = (fixture.size + 1).to_string();
    run_with(&["write", "--offset", &beyond], &array.images, b"").says_no(2..=2);
}

#[test]
fn a_whole_array_is_written_in_one_stream() {
    let (fixture, array) = golden_array("r6-ddf-N-continue");
    let bytes = Sequence(3).bytes(fixture.size);
    run_with(&["write"], &array.images, &bytes).succeeds();
    for lost in fixture.losses() {
        assert!(run(&["read"], &array.without(&lost)).succeeds().stdout == bytes, "{lost:?}");
    }
}
