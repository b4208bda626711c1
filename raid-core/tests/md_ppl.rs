//! The partial parity log: against logs that the kernel left behind in a crash, and against bytes
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

mod log_fixtures;

use log_fixtures::{Crashed, crashed, digest, xor};
use proptest::prelude::*;
use raid_core::geometry::{Geometry, Layout, ParityGeometry, Raid5Layout, Shape};
use raid_core::md::ppl::{
    Integrity, PPL_ENTRIES_MAX, ParityFate, PartialParity, PplArea, PplBatch, PplEntry,
    PplEntryError, PplError, PplFound, PplHeader, PplPlace, PplRefusal, PplScan, PplScanStep,
    PplSignature, PplWrite, ReplayPiece, UpdateWay,
};
use raid_core::md::{ArrayUuid, Block, SUPERBLOCK_BYTES, WriteLog};
use raid_core::members::MemberSet;
use raid_core::units::{DataIndex, DeviceSector, Lba, MemberIndex, Sectors, StripeRow};

const UUID: ArrayUuid = ArrayUuid(*b"an array of ours");

fn blank() -> Block {
    [0; SUPERBLOCK_BYTES]
}

fn geometry(members: u8, chunk: u64, rows: u64) -> ParityGeometry {
    let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
    let (chunk, member_size) = (Sectors(chunk), Sectors(chunk * rows));
    match Geometry::new(Shape { layout, members, chunk, member_size }).unwrap() {
        Geometry::Parity(geometry) => geometry,
        Geometry::Copies(_) => panic!("level 5 has parity"),
    }
}

// --- what the kernel left behind ---

struct Log {
    area: PplArea,
    found: PplFound,
}

impl Log {
    fn newest(array: &Crashed, member: usize) -> Self {
        let superblock = &array.superblocks[member];
        let area = superblock.ppl_area().unwrap().unwrap();
        let signature = PplSignature::of(superblock.array_uuid);
        let mut step = PplScanStep::Read(PplScan::begin(area, signature));
        loop {
            step = match step {
                PplScanStep::Read(scan) => {
                    let at = area.start().checked_add(scan.at()).unwrap();
                    scan.feed(array.block(member, at))
                }
                PplScanStep::Done(found) => {
                    return Self { area, found: found.expect("a log of each member") };
                }
            }
        }
    }

    fn header<'a>(&self, array: &'a Crashed, member: usize) -> PplHeader<'a> {
        let at = self.area.start().checked_add(self.found.at).unwrap();
        let signature = PplSignature::of(array.superblocks[member].array_uuid);
        let room = self.area.sectors().checked_sub(self.found.at).unwrap();
        PplHeader::parse(array.block(member, at), signature, room).unwrap()
    }

    fn bytes<'a>(
        &self,
        array: &'a Crashed,
        member: usize,
        at: Sectors,
        length: Sectors,
    ) -> &'a [u8] {
        let from = (self.area.start().0 + self.found.at.0 + at.0) as usize * 512;
        &array.images[member][from..from + length.memory_bytes().unwrap()]
    }
}

/// Does what the log says. Returns how many pieces of parity were computed, and how many left.
fn replay(array: &mut Crashed, present: MemberSet) -> (usize, usize) {
    let (mut computed, mut left) = (0, 0);
    for holder in present {
        let member = holder.index();
        let log = Log::newest(array, member);
        let entries: Vec<PplEntry> = log.header(array, member).entries().collect();
        for entry in entries {
            let partial = log.bytes(array, member, entry.log_offset, entry.partial_parity);
            // In two halves, as a host with small buffers has it.
            let (one, two) = partial.split_at(partial.len() / 2);
            assert_eq!(entry.verify().feed(one).feed(two).finish(), Integrity::Intact);
            for piece in entry.replay(&array.geometry, holder).unwrap() {
                if piece.fate(present) == ParityFate::Leave {
                    left += 1;
                    continue;
                }
                computed += 1;
                compute(array, &log, piece);
            }
        }
        // The log is emptied, as the last step.
        let area = log.area;
        let from = area.start().0 as usize * 512;
        let space = &mut array.images[member][from..from + area.sectors().memory_bytes().unwrap()];
        space.fill(0);
        let mut block = blank();
        let signature = PplSignature::of(array.superblocks[member].array_uuid);
        let room = area.log_room();
        let length =
            PplBatch::begin(&mut block, signature, 0, &array.geometry, holder, room).finish().0;
        assert_eq!(length, Sectors(8));
        space[..4096].copy_from_slice(&block);
    }
    (computed, left)
}

fn compute(array: &mut Crashed, log: &Log, piece: ReplayPiece) {
    let ReplayPiece { row, offset, sectors, modified, parity, partial_parity } = piece;
    let sector = array.geometry.member_sector(row, offset).unwrap().0;
    let mut blocks: Vec<Vec<u8>> =
        modified.into_iter().map(|member| array.at(member, sector, sectors).to_vec()).collect();
    if let Some(at) = partial_parity {
        blocks.push(log.bytes(array, parity.index(), at, sectors).to_vec());
    }
    let sum = xor(blocks.iter().map(Vec::as_slice));
    array.at(parity, sector, sectors).copy_from_slice(&sum);
}

#[test]
fn replay_does_what_the_kernel_does() {
    for array in crashed("ppl") {
        let hole = array.inconsistent_rows();
        assert!(!hole.is_empty(), "{}: the crash left nothing to mend", array.name);
        let mut left_in_all = 0;
        for outcome in array.outcomes() {
            let mut array = array.clone();
            let present = (0..array.members()).filter(|member| !outcome.missing.contains(member));
            let present = present.map(|member| MemberIndex(member as u8)).collect();
            let (computed, left) = replay(&mut array, present);
            let missing = outcome.missing.first().copied();
            println!("{} without {missing:?}: {computed} pieces, {left} left", array.name);
            match missing {
                None => {
                    assert!(computed > 0 && left == 0);
                    assert_eq!(outcome.resync, "none", "the kernel trusts it as well");
                    assert_eq!(array.inconsistent_rows(), [], "of {hole:?}");
                }
                Some(_) => left_in_all += left,
            }
            assert_eq!(digest(&array.content(missing)), outcome.content, "content");
            for member in 0..array.members() {
                let area = array.area(member);
                assert_eq!(area, outcome.areas[member], "data area of member {member}");
                let log = digest(&array.images[member][16 * 512..(16 + 2048) * 512]);
                assert_eq!(log, outcome.logs[member], "log of member {member}");
            }
        }
        assert!(left_in_all > 0, "a written block was missing somewhere");
    }
}

/// The headers come back byte for byte from the writes that they speak of, whether an entry is given
/// at once or in blocks of 4 KiB, as the kernel gathers it.
#[test]
fn what_the_kernel_wrote_comes_back_byte_for_byte() {
    for array in crashed("ppl") {
        let mut entries = 0;
        for member in 0..array.members() {
            let log = Log::newest(&array, member);
            let header = log.header(&array, member);
            for unit in [Sectors(8), array.geometry.chunk()] {
                let mut block = blank();
                let signature = PplSignature::of(array.superblocks[member].array_uuid);
                let mut batch = PplBatch::begin(
                    &mut block,
                    signature,
                    header.generation(),
                    &array.geometry,
                    MemberIndex(member as u8),
                    log.area.log_room(),
                );
                for entry in header.entries() {
                    log_again(&array, &log, &mut batch, &entry, unit);
                    entries += 1;
                }
                assert_eq!(batch.finish().0, header.length());
                let at = log.area.start().checked_add(log.found.at).unwrap();
                assert!(block == *array.block(member, at), "member {member}, by {}", unit.0);
            }
        }
        assert!(entries > 2 * array.members(), "{entries}");
    }
}

fn log_again(
    array: &Crashed,
    log: &Log,
    batch: &mut PplBatch<&mut Block>,
    entry: &PplEntry,
    unit: Sectors,
) {
    let holder = MemberIndex(entry.parity_place as u8);
    let pieces = entry.replay(&array.geometry, holder).unwrap();
    let [piece] = pieces.as_slice() else { panic!("the kernel writes rectangles") };
    let first = array.geometry.map(entry.first).unwrap().data;
    let mut done = Sectors::ZERO;
    while done < piece.sectors {
        let sectors = unit.min(piece.sectors.saturating_sub(done));
        let write = PplWrite {
            row: piece.row,
            offset: piece.offset.checked_add(done).unwrap(),
            sectors,
            first,
            blocks: piece.modified.count() as u8,
        };
        let partial = match piece.partial_parity {
            Some(at) => log.bytes(array, holder.index(), at.checked_add(done).unwrap(), sectors),
            None => &[],
        };
        let at = batch.add(write, partial).unwrap();
        if done == Sectors::ZERO {
            assert_eq!(at, entry.log_offset);
        }
        done = done.checked_add(sectors).unwrap();
    }
}

// --- areas and rings ---

#[test]
fn area_of_a_superblock() {
    let array = crashed("ppl").swap_remove(0);
    let mut superblock = array.superblocks[0].clone();
    let area = superblock.ppl_area().unwrap().unwrap();
    assert_eq!((area.start(), area.sectors()), (DeviceSector(16), Sectors(2048)));
    assert_eq!(area.log_room(), Sectors(256), "large enough for a ring");
    let WriteLog::PartialParity { kind, .. } = superblock.write_log else { panic!() };
    let mut with = |offset, sectors| {
        superblock.write_log = WriteLog::PartialParity { offset, sectors, kind };
        superblock.ppl_area().map(|area| area.map(|area| (area.start().0, area.sectors().0)))
    };
    assert_eq!(with(8, 4080), Ok(Some((16, 4080))), "up to the data");
    assert_eq!(with(8, 23), Ok(Some((16, 16))), "whole pages of partial parity");
    for (offset, sectors) in [(8, 15), (8, 8), (8, 0), (0, 64), (-8, 64), (-9, 64)] {
        assert!(with(offset, sectors).is_err(), "{offset} {sectors}");
    }
    assert!(with(8, 4096).is_err(), "into the data");
    assert!(with(4200, 64).is_err(), "in the data");
    assert!(with(-32768, 64).is_err(), "before the device");
    assert_eq!(with(8 + 4480, 64).map(|area| area.map(|(start, _)| start)), Ok(Some(4496)));
}

#[test]
fn ring_goes_around_before_its_end() {
    let array = crashed("ppl").swap_remove(0);
    let mut superblock = array.superblocks[0].clone();
    let area = superblock.ppl_area().unwrap().unwrap();
    let place = |next, length| area.place(Sectors(next), Sectors(length)).unwrap();
    let at = |at, next| PplPlace { at: Sectors(at), next: Sectors(next) };
    assert_eq!(place(0, 264), at(0, 264));
    assert_eq!(place(264, 8), at(264, 272));
    assert_eq!(place(1784, 264), at(1784, 2048), "to the very end");
    assert_eq!(place(2048, 8), at(0, 8));
    assert_eq!(place(1785, 264), at(0, 264));
    assert_eq!(place(u64::MAX, 264), at(0, 264));
    assert_eq!(area.place(Sectors::ZERO, Sectors(2049)), None);
    let WriteLog::PartialParity { offset, kind, .. } = superblock.write_log else { panic!() };
    superblock.write_log = WriteLog::PartialParity { offset, sectors: 527, kind };
    let single = superblock.ppl_area().unwrap().unwrap();
    assert_eq!(single.log_room(), Sectors(512));
    assert_eq!(single.place(Sectors(8), Sectors(16)), Some(at(0, 0)), "always the same place");
}

#[test]
fn scan_stops_at_a_break_in_the_generations() {
    let array = crashed("ppl").swap_remove(0);
    let area = array.superblocks[0].ppl_area().unwrap().unwrap();
    let shape = geometry(3, 8, 8);
    let header = |generation, uuid| {
        let mut block = blank();
        let signature = PplSignature::of(uuid);
        let batch =
            PplBatch::begin(&mut block, signature, generation, &shape, MemberIndex(0), Sectors(8));
        let _ = batch.finish();
        block
    };
    let scan = |headers: &[Block]| {
        let mut step = PplScanStep::Read(PplScan::begin(area, PplSignature::of(UUID)));
        let mut reads = 0;
        loop {
            step = match step {
                PplScanStep::Read(scan) => {
                    assert_eq!(scan.at(), Sectors(8 * reads as u64));
                    let block = headers.get(reads).copied().unwrap_or(blank());
                    reads += 1;
                    scan.feed(&block)
                }
                PplScanStep::Done(found) => {
                    return (reads, found.map(|found| (found.at.0, found.generation)));
                }
            }
        }
    };
    let of = |generation| header(generation, UUID);
    let foreign = header(9, ArrayUuid([7; 16]));
    assert_eq!(scan(&[]), (1, None));
    assert_eq!(scan(&[of(0)]), (2, Some((0, 0))));
    assert_eq!(scan(&[of(4), of(7), of(5), of(8)]), (3, Some((8, 7))));
    assert_eq!(scan(&[of(4), of(4)]), (3, Some((8, 4))), "the later of two equals, as md");
    assert_eq!(scan(&[of(1), foreign]), (2, Some((0, 1))));
    assert_eq!(scan(&[foreign, of(1)]), (1, None));
    let endless = vec![of(3); 1000];
    assert_eq!(scan(&endless), (255, Some((254 * 8, 3))), "ends with the area");
}

// --- batches ---

fn write(row: u64, offset: u64, sectors: u64, first: u8, blocks: u8) -> PplWrite {
    PplWrite {
        row: StripeRow(row),
        offset: Sectors(offset),
        sectors: Sectors(sectors),
        first: DataIndex(first),
        blocks,
    }
}

#[test]
fn batch_refuses_what_does_not_fit_and_stays_as_it_was() {
    let shape = geometry(4, 16, 8 * 200);
    let mut block = blank();
    let holder = shape.row(StripeRow(0)).p();
    let signature = PplSignature::of(UUID);
    let mut batch = PplBatch::begin(&mut block, signature, 1, &shape, holder, Sectors(24));
    let page = [1; 4096];
    for wrong in [
        write(0, 0, 8, 0, 0),
        write(0, 0, 8, 2, 2),
        write(0, 0, 8, 255, 255),
        write(0, 0, 0, 0, 1),
        write(0, 9, 8, 0, 1),
        write(0, u64::MAX, 8, 0, 1),
        write(1, 0, 8, 0, 1),
        write(u64::MAX, 0, 8, 0, 1),
        write(0, 0, 16, 0, 1),
        write(0, 0, 8, 0, 3),
    ] {
        assert_eq!(batch.add(wrong, &page), Err(PplRefusal::Misuse), "{wrong:?}");
    }
    assert_eq!(batch.add(write(0, 0, 8, 0, 1), &[]), Err(PplRefusal::Misuse), "no partial parity");
    assert_eq!(batch.add(write(0, 0, 8, 0, 1), &page), Ok(Sectors(8)));
    assert_eq!(batch.add(write(4, 0, 16, 1, 2), &[0; 8192]), Ok(Sectors(16)));
    assert_eq!(batch.add(write(4, 0, 8, 0, 1), &page), Err(PplRefusal::Full));
    assert_eq!(batch.add(write(8, 0, 16, 0, 3), &[]), Ok(Sectors(32)), "needs no room");
    assert_eq!(batch.finish().0, Sectors(32));
    let header = PplHeader::parse(&block, signature, Sectors(32)).unwrap();
    assert_eq!(header.entries().count(), 3);
    let room = Sectors(31);
    let short = PplHeader::parse(&block, signature, room).unwrap_err();
    assert_eq!(short, PplError::BeyondArea { room });

    let mut block = blank();
    let mut batch = PplBatch::begin(&mut block, signature, 1, &shape, holder, Sectors(24));
    for number in 0..PPL_ENTRIES_MAX as u64 {
        batch.add(write(4 * number, 0, 8, 0, 3), &[]).unwrap();
    }
    assert_eq!(batch.add(write(0, 0, 8, 0, 3), &[]), Err(PplRefusal::Full), "no more entries");
    let last = 4 * (PPL_ENTRIES_MAX as u64 - 1);
    assert_eq!(batch.add(write(last, 8, 8, 0, 3), &[]), Ok(Sectors(8)), "but a longer one");
    let _ = batch.finish();
    let header = PplHeader::parse(&block, signature, Sectors(8)).unwrap();
    assert_eq!(header.entries().count(), PPL_ENTRIES_MAX);
    assert_eq!(header.entries().last().unwrap().data, Sectors(48));
}

// --- entries of other writers, and of nobody ---

fn raw_header(entries: &[(u64, u32, u32, u32)], count: u32) -> Block {
    let mut block = blank();
    let shape = geometry(2, 8, 1);
    let signature = PplSignature::of(UUID);
    let _ = PplBatch::begin(&mut block, signature, 5, &shape, MemberIndex(1), Sectors(8)).finish();
    for (number, (sector, partial, data, parity)) in entries.iter().enumerate() {
        let at = 536 + 24 * number;
        block[at..at + 8].copy_from_slice(&sector.to_le_bytes());
        for (word, value) in [partial, data, parity].into_iter().enumerate() {
            let at = at + 8 + 4 * word;
            block[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    }
    block[528..532].copy_from_slice(&count.to_le_bytes());
    seal(&mut block);
    block
}

/// Gives a header the checksum of its bytes: what the error says that it should be.
fn seal(block: &mut Block) {
    block[532..536].fill(0);
    let parsed = PplHeader::parse(block, PplSignature::of(UUID), Sectors(u64::MAX));
    if let Err(PplError::Checksum { expected, .. }) = parsed {
        block[532..536].copy_from_slice(&expected.to_le_bytes());
    }
}

fn parse(block: &Block) -> Result<PplHeader<'_>, PplError> {
    PplHeader::parse(block, PplSignature::of(UUID), Sectors(u64::MAX))
}

#[test]
fn damaged_headers_are_refused() {
    assert!(matches!(parse(&blank()), Err(PplError::Checksum { .. })));
    let good = raw_header(&[(0, 4096, 4096, 1)], 1);
    assert_eq!(parse(&good).unwrap().entries().count(), 1);
    for at in 0..good.len() {
        let mut block = good;
        block[at] ^= 0x10;
        assert!(parse(&block).is_err(), "byte {at}");
    }
    let refusal = |block: Block| parse(&block).unwrap_err();
    assert_eq!(refusal(raw_header(&[], 149)), PplError::TooManyEntries { count: 149 });
    assert_eq!(refusal(raw_header(&[], u32::MAX)), PplError::TooManyEntries { count: u32::MAX });
    let entries = [(0, 512, 512, 0), (0, 513, 512, 0)];
    assert_eq!(refusal(raw_header(&entries, 2)), PplError::EntrySize { entry: 1, bytes: 513 });
    let entries = [(0, 0, 5, 0)];
    assert_eq!(refusal(raw_header(&entries, 1)), PplError::EntrySize { entry: 0, bytes: 5 });
    let mut foreign = good;
    foreign[512] ^= 1;
    seal(&mut foreign);
    assert!(matches!(refusal(foreign), PplError::Signature { .. }));
}

/// The cases that md's own description draws, on 4 members with a chunk of 4 blocks: those that it
/// writes, and those that it only reads.
#[test]
fn replay_of_every_kind_of_entry() {
    let shape = geometry(4, 32, 8);
    let parity = shape.row(StripeRow(0)).p();
    let member = |data| shape.row(StripeRow(0)).member(DataIndex(data)).unwrap();
    let pieces = |first: u64, partial: u32, data: u32| -> Vec<_> {
        let block = raw_header(&[(first, partial, data, parity.0.into())], 1);
        let entry = parse(&block).unwrap().entries().next().unwrap();
        let pieces = entry.replay(&shape, parity).unwrap();
        pieces
            .iter()
            .map(|piece| {
                assert_eq!((piece.row, piece.parity), (StripeRow(0), parity));
                let members: Vec<_> =
                    (0..3).filter(|data| piece.modified.contains(member(*data))).collect();
                (piece.offset.0, piece.sectors.0, members, piece.partial_parity.map(|at| at.0))
            })
            .collect()
    };
    // One member; two; all three.
    assert_eq!(pieces(40, 8192, 8192), [(8, 16, vec![1], Some(8))]);
    assert_eq!(pieces(8, 8192, 16384), [(8, 16, vec![0, 1], Some(8))]);
    assert_eq!(pieces(8, 0, 3 * 8192), [(8, 16, vec![0, 1, 2], None)]);
    assert_eq!(pieces(0, 0, 3 * 16384), [(0, 32, vec![0, 1, 2], None)]);
    // A chunk of partial parity, from the start of a chunk: as many whole chunks of data.
    assert_eq!(pieces(32, 16384, 16384), [(0, 32, vec![1], Some(8))]);
    assert_eq!(pieces(32, 16384, 32768), [(0, 32, vec![1, 2], Some(8))]);
    // From the middle of one chunk to the middle of another. The partial parity begins with the
    // offset of the data's first sector, and goes around.
    assert_eq!(
        pieces(16, 16384, (16 + 32 + 24) * 512),
        [
            (16, 8, vec![0, 1, 2], Some(8)),
            (24, 8, vec![0, 1], Some(16)),
            (0, 16, vec![1, 2], Some(24)),
        ]
    );
    // The end of one chunk and the beginning of the next: what lies between stays.
    assert_eq!(pieces(24, 16384, 16 * 512), [(24, 8, vec![0], Some(8)), (0, 8, vec![1], Some(16))]);
}

#[test]
fn impossible_entries_are_refused() {
    let shape = geometry(4, 32, 8);
    let parity = shape.row(StripeRow(0)).p();
    let refusal = |first, partial, data, place: u32, holder| {
        let block = raw_header(&[(first, partial, data, place)], 1);
        let entry = parse(&block).unwrap().entries().next().unwrap();
        entry.replay(&shape, holder).unwrap_err()
    };
    let own = u32::from(parity.0);
    let sizes = |first, partial, data| {
        let error = refusal(first, partial, data, own, parity);
        assert!(matches!(error, PplEntryError::Sizes { .. }), "{error:?}");
    };
    sizes(0, 4096, 0);
    sizes(0, 0, 0);
    sizes(0, 8192, 4096); // less data than partial parity
    sizes(0, 8192, 12288); // no whole number of blocks
    sizes(0, 4096, 4 * 4096); // more blocks than the row has
    sizes(0, 0, 4096); // no whole number of sectors on each
    sizes(0, 32768, 32768); // partial parity beyond a chunk
    sizes(0, 0, 0xffff_fe00);
    sizes(0, 16384, 4 * 16384);
    let range = |first, partial, data| {
        let error = refusal(first, partial, data, own, parity);
        assert_eq!(error, PplEntryError::Range { first: Lba(first) });
    };
    range(8 * 3 * 32, 4096, 4096); // beyond the array
    range(u64::MAX, 4096, 4096);
    range(u64::MAX - 7, 4096, 4096);
    range(32, 0, 3 * 4096); // all blocks, but not from the first on
    range(64, 4096, 8192); // into the next row
    let wrong = PplEntryError::ParityPlace { named: 0, holds: parity };
    assert_eq!(refusal(0, 4096, 4096, 0, parity), wrong);
    let wrong = PplEntryError::ParityPlace { named: own, holds: parity };
    assert_eq!(refusal(0, 4096, 4096, own, MemberIndex(0)), wrong, "in another member's log");
    let wrong = PplEntryError::ParityPlace { named: u32::MAX, holds: parity };
    assert_eq!(refusal(0, 4096, 4096, u32::MAX, parity), wrong);
}

// --- properties ---

/// Members, chunk, and writes to rows whose parity the first row's parity member holds.
fn batches() -> impl Strategy<Value = (u8, u64, Vec<PplWrite>)> {
    (3_u8..9, 3_u32..6).prop_flat_map(|(members, shift)| {
        let chunk = 1_u64 << shift;
        let write = (0_u64..6, 0..chunk, 0..chunk, 0..members - 1, 0..members).prop_map(
            move |(turn, from, to, first, blocks)| {
                let (from, to) = (from.min(to), from.max(to) + 1);
                let blocks = (blocks % (members - 1 - first)) + 1;
                write(turn * u64::from(members), from, to - from, first, blocks)
            },
        );
        (Just(members), Just(chunk), prop::collection::vec(write, 0..12))
    })
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    core::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(length)
    .collect()
}

proptest! {
    /// What goes into a batch is what a replay finds, write by write: each sector of parity is
    /// computed from the written members, and from its own partial parity.
    #[test]
    fn writes_come_back(batch in batches(), generation: u64) {
        let (members, chunk, writes) = batch;
        let shape = geometry(members, chunk, 6 * u64::from(members));
        let holder = shape.row(StripeRow(0)).p();
        let signature = PplSignature::of(UUID);
        let mut block = blank();
        let room = Sectors(100_000);
        let mut log = PplBatch::begin(&mut block, signature, generation, &shape, holder, room);
        let mut places = Vec::new();
        let mut partials = Vec::new();
        for (number, write) in writes.iter().enumerate() {
            let all = write.blocks == members - 1;
            let length = if all { 0 } else { write.sectors.0 as usize * 512 };
            let partial = noise(number as u64, length);
            places.push(log.add(*write, &partial).unwrap());
            partials.extend(partial);
        }
        let (length, _) = log.finish();
        let header = PplHeader::parse(&block, signature, length).unwrap();
        prop_assert_eq!((header.generation(), header.length()), (generation, length));
        let mut expected = writes.iter().zip(&places).flat_map(|(write, place)| {
            (0..write.sectors.0).map(move |i| (write, i, place.0 + i))
        });
        for entry in header.entries() {
            let from = (entry.log_offset.0 as usize - 8) * 512;
            let partial = &partials[from..from + entry.partial_parity.memory_bytes().unwrap()];
            prop_assert_eq!(entry.verify().feed(partial).finish(), Integrity::Intact);
            if let Some((_, but_one)) = partial.split_last() {
                prop_assert_eq!(entry.verify().feed(but_one).finish(), Integrity::Damaged);
            }
            for piece in entry.replay(&shape, holder).unwrap() {
                for i in 0..piece.sectors.0 {
                    let (write, sector, place) = expected.next().unwrap();
                    let roles = shape.row(write.row);
                    let covered: MemberSet = (write.first.0..write.first.0 + write.blocks)
                        .map(|data| roles.member(DataIndex(data)).unwrap())
                        .collect();
                    prop_assert_eq!(piece.row, write.row);
                    prop_assert_eq!(piece.offset.0 + i, write.offset.0 + sector);
                    prop_assert_eq!(piece.modified, covered);
                    let all = write.blocks == members - 1;
                    prop_assert_eq!(piece.partial_parity.map(|at| at.0 + i), (!all).then_some(place));
                }
            }
        }
        prop_assert!(expected.next().is_none());
    }

    /// The point of it: whichever of the blocks of a write reached their members, parity agrees with
    /// them afterwards, so that untouched blocks can be computed. Either way of an update gives the
    /// same partial parity.
    #[test]
    fn parity_agrees_whatever_was_written(
        members in 3_u8..9, row in 0_u64..9, first: u8, blocks: u8, reached: u16, seed: u64,
    ) {
        let shape = geometry(members, 8, 9);
        let roles = shape.row(StripeRow(row));
        let data = members - 1;
        let first = first % data;
        let blocks = blocks % (data - first) + 1;
        let covered: MemberSet =
            (first..first + blocks).map(|data| roles.member(DataIndex(data)).unwrap()).collect();
        let mut chunks: Vec<u8> = noise(seed, members.into());
        let xor_of = |set: MemberSet, chunks: &[u8]| {
            set.into_iter().fold(0, |sum, member| sum ^ chunks[member.index()])
        };
        chunks[roles.p().index()] = xor_of(roles.data_places(), &chunks);
        let partial = |way| match PartialParity::of(&roles, covered, way) {
            PartialParity::None => None,
            PartialParity::XorOf(set) => Some(xor_of(set, &chunks)),
        };
        let logged = partial(UpdateWay::ReadModifyWrite);
        prop_assert_eq!(logged, partial(UpdateWay::ReconstructWrite));
        prop_assert_eq!(logged.is_none(), blocks == data);
        // A crash: some of the covered blocks are new, and parity is anything.
        for member in covered.into_iter().chain([roles.p()]) {
            if reached & (1 << member.0) != 0 {
                chunks[member.index()] = chunks[member.index()].wrapping_mul(37).wrapping_add(11);
            }
        }
        let recomputed = xor_of(covered, &chunks) ^ logged.unwrap_or(0);
        prop_assert_eq!(recomputed, xor_of(roles.data_places(), &chunks));
    }

    /// Entries of any numbers under a good checksum: an answer that stays within the array, the row
    /// and the log, or a refusal.
    #[test]
    fn any_entry_is_answered(
        first in prop_oneof![0_u64..2000, any::<u64>()],
        partial in prop_oneof![(0_u32..80).prop_map(|sectors| sectors * 512), any::<u32>()],
        data in prop_oneof![(0_u32..300).prop_map(|sectors| sectors * 512), any::<u32>()],
        holder in 0_u8..5,
        members in 2_u8..6,
    ) {
        let shape = geometry(members, 32, 20);
        let block = raw_header(&[(first, partial, data, holder.into())], 1);
        let Ok(header) = parse(&block) else {
            prop_assert!(partial % 512 != 0 || data % 512 != 0);
            return Ok(());
        };
        let entry = header.entries().next().unwrap();
        let Ok(pieces) = entry.replay(&shape, MemberIndex(holder)) else { return Ok(()) };
        let mut covered = 0;
        for piece in pieces {
            prop_assert!(piece.row.0 < 20 && piece.sectors.0 > 0);
            prop_assert!(piece.offset.0 + piece.sectors.0 <= 32, "{:?}", piece);
            let roles = shape.row(piece.row);
            prop_assert_eq!(roles.p(), piece.parity);
            prop_assert_eq!(piece.parity, MemberIndex(holder));
            prop_assert!(!piece.modified.contains(piece.parity) && !piece.modified.is_empty());
            if let Some(at) = piece.partial_parity {
                prop_assert!(at.0 >= 8 && at.0 + piece.sectors.0 <= header.length().0);
            }
            covered += u64::from(piece.modified.count()) * piece.sectors.0;
        }
        prop_assert_eq!(covered * 512, u64::from(data), "each written sector, once");
    }

    /// Any bytes under a good checksum.
    #[test]
    fn any_header_is_answered(seed: u64, count in 0_u32..200) {
        let mut block = blank();
        block.copy_from_slice(&noise(seed, SUPERBLOCK_BYTES));
        let signature: Block = raw_header(&[], 0);
        block[512..516].copy_from_slice(&signature[512..516]);
        block[528..532].copy_from_slice(&count.to_le_bytes());
        seal(&mut block);
        let shape = geometry(5, 16, 1000);
        if let Ok(header) = parse(&block) {
            prop_assert_eq!(header.entries().count(), count as usize);
            for entry in header.entries() {
                let _ = entry.replay(&shape, MemberIndex(4));
            }
        }
    }
}
