//! The bad-block list against a model that has a word for every sector, and its log against bytes
//! that nobody should have.

#![cfg(feature = "md")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod md_fixtures;

use md_fixtures::zeroed;
use proptest::prelude::*;
use raid_core::md::{
    BAD_BLOCKS_MAX, BadBlockEntry, BadBlockError, BadBlockList, BadBlockLog, BadBlockRange,
    BadBlocks, Full, Unrecorded,
};
use raid_core::units::{DeviceSector, Sectors};

const LOG: BadBlockLog =
    BadBlockLog { offset: 16, sectors: 8, shift: 0, entries: BadBlocks::Listed };

fn range(start: u64, length: u64) -> BadBlockRange {
    BadBlockRange { start: DeviceSector(start), length: Sectors(length) }
}

fn pairs(ranges: impl Iterator<Item = BadBlockRange>) -> Vec<(u64, u64)> {
    ranges.map(|range| (range.start.0, range.length.0)).collect()
}

/// The words of a log.
fn log(words: &[u64]) -> [u8; 4096] {
    let mut block = [0xff; 4096];
    for (to, word) in block.as_chunks_mut().0.iter_mut().zip(words) {
        *to = word.to_le_bytes();
    }
    block
}

fn word(start: u64, length: u64) -> u64 {
    start << 10 | length
}

#[test]
fn a_log_of_linux_comes_back_byte_for_byte() {
    let block: &[u8; 4096] = include_bytes!("fixtures/bad_blocks/sorted.bin");
    let mut memory = [BadBlockEntry::EMPTY; BAD_BLOCKS_MAX];
    let mut list = BadBlockList::decode(&LOG, block, &mut memory).unwrap();
    assert_eq!(pairs(list.iter()), [(290, 3), (300, 16), (400, 1), (402, 1)]);
    assert_eq!(list.unacknowledged().count(), 0);
    assert_eq!(list.listed(), BadBlocks::Listed);
    assert!(list.is_recorded());
    let mut encoded = zeroed();
    list.encode(&mut encoded);
    assert!(encoded == *block);
    assert!(list.is_recorded());
}

#[test]
fn linux_does_not_always_sort() {
    let block: &[u8; 4096] = include_bytes!("fixtures/bad_blocks/unsorted.bin");
    assert_eq!(block[..24], log(&[word(1112, 88), word(600, 512)])[..24]);
    let mut memory = [BadBlockEntry::EMPTY; BAD_BLOCKS_MAX];
    let mut list = BadBlockList::decode(&LOG, block, &mut memory).unwrap();
    assert_eq!(pairs(list.iter()), [(600, 512), (1112, 88)]);
    let mut encoded = zeroed();
    list.encode(&mut encoded);
    assert!(encoded == log(&[word(600, 512), word(1112, 88)]));
}

#[test]
fn logs_that_say_nothing_sensible_are_refused() {
    let decode = |log: &BadBlockLog, words: &[u64], entries: usize| {
        let mut memory = [BadBlockEntry::EMPTY; BAD_BLOCKS_MAX];
        let list = BadBlockList::decode(log, &self::log(words), &mut memory[..entries]);
        list.map(|list| pairs(list.iter()))
    };
    let bad = |word| Err(BadBlockError::BadEntry { word });
    assert_eq!(decode(&LOG, &[0], 512), bad(0));
    assert_eq!(decode(&LOG, &[word(7, 1), word(9, 0)], 512), bad(word(9, 0)));
    // Units that no sector number reaches.
    let units = |shift| BadBlockLog { shift, ..LOG };
    assert_eq!(decode(&units(10), &[word(1, 1)], 512), Ok(vec![(1024, 1024)]));
    let far = word((1 << 54) - 1, 1);
    assert_eq!(decode(&units(9), &[far], 512), Ok(vec![(((1 << 54) - 1) << 9, 512)]));
    assert_eq!(decode(&units(10), &[far], 512), bad(far));
    assert_eq!(decode(&units(63), &[word(0, 1)], 512), Ok(vec![(0, 1 << 63)]));
    assert_eq!(decode(&units(63), &[word(1, 1)], 512), bad(word(1, 1)));
    assert_eq!(decode(&units(64), &[word(0, 1)], 512), bad(word(0, 1)));
    assert_eq!(decode(&units(255), &[word(0, 1)], 512), bad(word(0, 1)));
    // A start that the log has no number for, once a long entry is split.
    let split = word((1 << 54) - 512, 1023);
    assert_eq!(decode(&LOG, &[split], 512), bad(split));
    let full = (1..=512).map(|start| word(2 * start, 1)).collect::<Vec<_>>();
    assert_eq!(decode(&LOG, &full, 512).map(|ranges| ranges.len()), Ok(512));
    assert_eq!(decode(&LOG, &full, 511), Err(BadBlockError::TooLittleMemory { entries: 511 }));
    // What lies behind the log is not of it, however long the superblock says it is.
    assert_eq!(
        decode(&BadBlockLog { sectors: 1, ..LOG }, &full, 512).map(|ranges| ranges.len()),
        Ok(64)
    );
    assert_eq!(
        decode(&BadBlockLog { sectors: u16::MAX, ..LOG }, &full, 512).map(|ranges| ranges.len()),
        Ok(512)
    );
    // Longer than Linux writes, overlapping, out of order.
    let words = [word(5000, 1023), word(10, 4), word(12, 4), word(5100, 1)];
    let expected = vec![(10, 6), (5000, 512), (5512, 511)];
    assert_eq!(decode(&LOG, &words, 512), Ok(expected));
}

#[test]
fn a_member_without_a_log_cannot_have_bad_blocks() {
    let mut memory = [BadBlockEntry::EMPTY; BAD_BLOCKS_MAX];
    let none = BadBlockLog { offset: 0, sectors: 0, ..LOG };
    let mut list = BadBlockList::new(&none, &mut memory);
    assert_eq!(list.add(range(8, 8)), Err(Full));
    assert_eq!(list.listed(), BadBlocks::None);
}

#[test]
fn what_is_found_bad_grows_to_units_and_what_is_found_good_shrinks() {
    let mut memory = [BadBlockEntry::EMPTY; 4];
    let mut list = BadBlockList::new(&BadBlockLog { shift: 3, ..LOG }, &mut memory);
    list.add(range(17, 7)).unwrap();
    list.add(range(31, 2)).unwrap();
    assert_eq!(pairs(list.iter()), [(16, 24)]);
    list.clear(range(17, 8)).unwrap();
    list.clear(range(25, 14)).unwrap();
    assert_eq!(pairs(list.iter()), [(16, 24)]);
    list.clear(range(17, 15)).unwrap();
    assert_eq!(pairs(list.iter()), [(16, 8), (32, 8)]);
    assert_eq!(list.add(range(u64::MAX, 1)), Err(Full));
    // Whole units, in which the last sectors lie, reach past all sector numbers.
    let mut coarse = [BadBlockEntry::EMPTY; 2];
    let mut coarse = BadBlockList::new(&BadBlockLog { shift: 49, ..LOG }, &mut coarse);
    assert_eq!(coarse.add(range(u64::MAX - 9, 4)), Err(Full));
    assert_eq!(list.add(range((1 << 57) - 1, 1)), Ok(()));
    assert_eq!(list.add(range(1 << 57, 1)), Err(Full));
    assert_eq!(list.overlaps(range(33, 0)), None);
    assert_eq!(list.overlaps(range(0, u64::MAX)), Some(range(16, 8)));
    assert_eq!(list.next_from(DeviceSector(24)), Some(range(32, 8)));
}

#[test]
fn only_what_was_written_is_acknowledged() {
    let mut memory = [BadBlockEntry::EMPTY; BAD_BLOCKS_MAX];
    let mut list = BadBlockList::new(&LOG, &mut memory);
    let mut block = zeroed();
    list.add(range(8, 8)).unwrap();
    assert_eq!(list.acknowledge(), Err(Unrecorded));
    list.encode(&mut block);
    list.add(range(16, 8)).unwrap();
    assert_eq!(list.acknowledge(), Err(Unrecorded));
    assert_eq!(pairs(list.unacknowledged()), [(8, 16)]);
    list.encode(&mut block);
    list.acknowledge().unwrap();
    assert!(list.is_recorded());
    assert_eq!(list.unacknowledged().count(), 0);
    // What is known already needs no new record, and stays acknowledged.
    list.add(range(10, 2)).unwrap();
    assert!(list.is_recorded());
    list.add(range(10, 20)).unwrap();
    assert_eq!(pairs(list.unacknowledged()), [(24, 6)]);
    list.encode(&mut block);
    assert!(block == log(&[word(8, 16), word(24, 6)]));
    list.acknowledge().unwrap();
    assert_eq!(pairs(list.iter()), [(8, 22)]);
    list.clear(range(8, 22)).unwrap();
    assert!(!list.is_recorded());
    assert_eq!(list.listed(), BadBlocks::None);
}

/// One byte a sector: good, bad, or bad and acknowledged.
#[derive(Clone, Debug)]
struct Model(Vec<u8>);

impl Model {
    fn add(&mut self, start: usize, end: usize) {
        self.0[start..end].iter_mut().for_each(|sector| *sector = (*sector).max(1));
    }

    fn ranges(&self, bad: impl Fn(u8) -> bool) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for (at, sector) in self.0.iter().enumerate() {
            let at = at as u64;
            match ranges.last_mut() {
                Some((start, length)) if bad(*sector) && *start + *length == at => *length += 1,
                _ if bad(*sector) => ranges.push((at, 1)),
                _ => {}
            }
        }
        ranges
    }

    /// How few entries can say it.
    fn entries(&self) -> usize {
        let runs = self.ranges(|sector| sector == 1).into_iter();
        let runs = runs.chain(self.ranges(|sector| sector == 2));
        runs.map(|(_, length)| length.div_ceil(512) as usize).sum()
    }
}

/// Ranges that touch made one.
fn joined(ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (start, length) in ranges {
        match joined.last_mut() {
            Some((first, so_far)) if *first + *so_far == start => *so_far += length,
            Some((first, so_far)) => {
                assert!(*first + *so_far < start, "sorted, without overlap");
                joined.push((start, length));
            }
            None => joined.push((start, length)),
        }
    }
    joined
}

#[track_caller]
fn same(list: &BadBlockList<'_>, model: &Model) {
    assert_eq!(joined(pairs(list.iter())), model.ranges(|sector| sector > 0));
    assert_eq!(joined(pairs(list.unacknowledged())), model.ranges(|sector| sector == 1));
    assert!(list.iter().all(|range| (1..=512).contains(&range.length.0)));
}

/// One step in both. `what`: add, clear, or record.
fn step(
    list: &mut BadBlockList<'_>,
    model: &mut Model,
    what: u8,
    start: usize,
    end: usize,
    room: usize,
) {
    let sectors = range(start as u64, (end - start) as u64);
    let before = model.clone();
    match what {
        0 => {
            model.add(start, end);
            if list.add(sectors) == Err(Full) {
                // Where a gap is filled, what was apart is not always made as few entries as can
                // be, neither below the gap nor above it.
                let gaps = before.0[start..end].split(|sector| *sector > 0);
                let gaps = gaps.filter(|gap| !gap.is_empty()).count();
                assert!(model.entries() + 2 * gaps > room, "{before:?} add {start}..{end}");
                *model = before;
            }
        }
        1 => {
            model.0[start..end].fill(0);
            if list.clear(sectors) == Err(Full) {
                // A long range is split where it is, not made anew.
                assert!(model.entries() + 1 > room, "{before:?} clear {start}..{end}");
                *model = before;
            }
        }
        _ => {
            list.encode(&mut zeroed());
            list.acknowledge().unwrap();
            model.0.iter_mut().for_each(|sector| *sector *= 2);
            model.0.iter_mut().for_each(|sector| *sector = (*sector).min(2));
        }
    }
    same(list, model);
}

/// Every state of few sectors, every range, added and cleared, with room for all and for few.
#[test]
fn every_small_case_is_as_in_the_model() {
    const SECTORS: usize = 7;
    for room in 1..=8 {
        for state in 0..3_usize.pow(SECTORS as u32) {
            let states = (0..SECTORS).map(|at| (state / 3_usize.pow(at as u32) % 3) as u8);
            let model = Model(states.collect());
            if model.entries() > room {
                continue;
            }
            for start in 0..SECTORS {
                for end in start + 1..=SECTORS {
                    for what in 0..2 {
                        let mut memory = vec![BadBlockEntry::EMPTY; room];
                        let mut list = BadBlockList::new(&LOG, &mut memory);
                        for (start, length) in model.ranges(|sector| sector == 2) {
                            list.add(range(start, length)).unwrap();
                        }
                        list.encode(&mut zeroed());
                        list.acknowledge().unwrap();
                        for (start, length) in model.ranges(|sector| sector == 1) {
                            list.add(range(start, length)).unwrap();
                        }
                        same(&list, &model);
                        step(&mut list, &mut model.clone(), what, start, end, room);
                    }
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn long_ranges_and_many_steps_are_as_in_the_model(
        room in 1_usize..12,
        steps in proptest::collection::vec((0_u8..8, 0_usize..2100, 1_usize..1400), 1..60),
    ) {
        let mut memory = vec![BadBlockEntry::EMPTY; room];
        let mut list = BadBlockList::new(&LOG, &mut memory);
        let mut model = Model(vec![0; 3500]);
        for (what, start, length) in steps {
            // Mostly adding.
            let what = match what { 0..=4 => 0, 5..=6 => 1, _ => 2 };
            step(&mut list, &mut model, what, start, start + length, room);
        }
        let mut block = zeroed();
        list.encode(&mut block);
        let mut memory = vec![BadBlockEntry::EMPTY; room];
        let again = BadBlockList::decode(&LOG, &block, &mut memory).unwrap();
        prop_assert_eq!(pairs(again.iter()), pairs(list.iter()));
        for at in (0..3500).step_by(37) {
            let expected = list.iter().find(|range| range.start.0 + range.length.0 > at);
            prop_assert_eq!(list.next_from(DeviceSector(at)), expected);
            let overlap = expected.filter(|range| range.start.0 < at + 100);
            prop_assert_eq!(list.overlaps(range(at, 100)), overlap);
        }
    }

    #[test]
    fn any_log_is_read_or_refused(
        words in proptest::collection::vec(any::<u64>(), 0..64),
        shift in any::<u8>(),
        sectors in any::<u16>(),
    ) {
        let log_place = BadBlockLog { shift, sectors, ..LOG };
        let mut memory = [BadBlockEntry::EMPTY; BAD_BLOCKS_MAX];
        if let Ok(mut list) = BadBlockList::decode(&log_place, &log(&words), &mut memory) {
            let ranges = pairs(list.iter());
            let mut block = zeroed();
            list.encode(&mut block);
            let mut memory = [BadBlockEntry::EMPTY; BAD_BLOCKS_MAX];
            let again = BadBlockList::decode(&log_place, &block, &mut memory).unwrap();
            prop_assert_eq!(pairs(again.iter()), ranges);
        }
    }
}
