//! The journal: against those that the kernel left behind in a crash, and against bytes that nobody
//! should have.

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

use log_fixtures::{Crashed, crashed, digest};
use proptest::prelude::*;
use raid_core::geometry::{
    Geometry, Layout, ParityGeometry, Raid5Layout, Raid6Layout, RowAddress, Shape,
};
use raid_core::md::journal::{
    Journal, JournalError, JournalFull, JournalHead, JournalMemory, JournalScan, JournalSector,
    JournalSeed, JournalStop, JournalWrite, JournalWriter, LoggedBlock, MetaBlock, MetaError,
    ParityChecksums, Payload, SEQUENCE_JUMP,
};
use raid_core::md::{ArrayUuid, Block, SUPERBLOCK_BYTES, Validity};
use raid_core::units::{DataIndex, DeviceSector, Lba, MemberSector, Sectors, StripeRow};

const UUID: ArrayUuid = ArrayUuid(*b"an array of ours");

fn blank() -> Block {
    [0; SUPERBLOCK_BYTES]
}

fn seed() -> JournalSeed {
    JournalSeed::of(UUID)
}

/// A journal of 16 blocks.
fn journal() -> Journal {
    Journal::new(DeviceSector(256), Sectors(16 * 8), seed()).unwrap()
}

fn geometry(layout: Layout, members: u8) -> ParityGeometry {
    let shape = Shape { layout, members, chunk: Sectors(16), member_size: Sectors(16 * 10) };
    match Geometry::new(shape).unwrap() {
        Geometry::Parity(geometry) => geometry,
        Geometry::Copies(_) => panic!("the level has parity"),
    }
}

fn level5() -> ParityGeometry {
    geometry(Layout::Raid5(Raid5Layout::LeftSymmetric), 4)
}

fn level6() -> ParityGeometry {
    geometry(Layout::Raid6(Raid6Layout::LeftSymmetric), 5)
}

// --- what the kernel left behind ---

/// The blocks of the journal on a device of an array, with what is needed to find them.
fn journal_of(array: &Crashed) -> (usize, Journal, JournalSector) {
    let device = array.members();
    let (journal, tail) = array.superblocks[device].journal().unwrap();
    (device, journal, tail)
}

/// Does what the journal says, and begins a new log. Returns how many rows were copied, and why the
/// log ended.
fn replay(array: &mut Crashed, missing: &dyn Fn(usize) -> bool) -> (u64, JournalStop) {
    let (device, journal, tail) = journal_of(array);
    let geometry = array.geometry;
    let mut meta = blank();
    let mut blocks = vec![LoggedBlock::BLANK; array.members()];
    let memory = JournalMemory { meta: &mut meta, blocks: &mut blocks };
    let mut scan = JournalScan::begin(journal, tail, &geometry, memory);
    let end = loop {
        scan = match scan {
            JournalScan::ReadMeta(read) => {
                let at = journal.device_sector(read.position());
                read.feed(array.block(device, at))
            }
            JournalScan::Verify(verify) => {
                let at = journal.device_sector(verify.position());
                verify.feed(array.block(device, at))
            }
            JournalScan::Copy(copy) => {
                let LoggedBlock { member, address, source } = copy.block();
                if !missing(member.index()) {
                    let bytes = *array.block(device, journal.device_sector(source));
                    array.at(member, address.0, Sectors(8)).copy_from_slice(&bytes);
                }
                copy.done()
            }
            JournalScan::End(end) => break end,
            JournalScan::Refused(error) => panic!("{}: {error}", array.name),
        };
    };
    assert_eq!(end.cached, [], "{} is in write-through mode", array.name);
    let (rows, stop, head) = (end.rows, end.stop, end.head);
    let mut empty = blank();
    let next = end.restart(&mut empty);
    assert_eq!(next.position, journal.advance(head.position, 1));
    assert_eq!(next.sequence, head.sequence + SEQUENCE_JUMP + 1);
    let at = journal.device_sector(head.position).0 as usize * 512;
    array.images[device][at..at + 4096].copy_from_slice(&empty);
    array.superblocks[device].validity = Validity::JournalTail(head.position.offset());
    (rows, stop)
}

#[test]
fn replay_does_what_the_kernel_does() {
    for array in crashed("journal") {
        let hole = array.inconsistent_rows();
        assert!(!hole.is_empty(), "{}: the crash left nothing to mend", array.name);
        for outcome in array.outcomes() {
            let mut array = array.clone();
            let missing = |member: usize| outcome.missing.contains(&member);
            let (rows, stop) = replay(&mut array, &missing);
            println!("{} without {:?}: {rows} rows, {stop:?}", array.name, outcome.missing);
            // What the kernel said that it recovered.
            assert_eq!(rows, if array.members() == 3 { 26 } else { 19 });
            assert_eq!(outcome.resync, "none");
            for device in 0..=array.members() {
                assert_eq!(array.area(device), outcome.areas[device], "device {device}");
            }
            match outcome.missing.len() {
                0 => assert_eq!(array.inconsistent_rows(), [], "of {hole:?}"),
                1 => {
                    let missing = outcome.missing.first().copied();
                    assert_eq!(digest(&array.content(missing)), outcome.content);
                }
                _ => {} // the areas say it
            }
            // The new log is empty, and is found.
            let (again, stop) = replay(&mut array, &missing);
            assert_eq!(again, 0, "{stop:?}");
        }
    }
}

/// Every meta block of the kernel's that is still whole, of this turn of the ring or the last.
#[test]
fn what_the_kernel_wrote_comes_back_byte_for_byte() {
    for array in crashed("journal") {
        let (device, journal, _) = journal_of(&array);
        let (mut whole, mut around) = (0, 0);
        for number in 0..journal.blocks() {
            let position = journal.advance(JournalSector::ZERO, number);
            let block = array.block(device, journal.device_sector(position));
            let Ok(meta) = MetaBlock::parse(block, journal.seed()) else { continue };
            whole += 1;
            assert_eq!(meta.position(), position.offset().0);
            let mut again = blank();
            let head = JournalHead { position, sequence: meta.sequence() };
            let mut writer = JournalWriter::begin(&mut again, journal, head);
            let mut data = Vec::new();
            for payload in meta.payloads() {
                match payload {
                    Payload::Data { address, checksum } => data.push((address, checksum)),
                    Payload::Parity { address, checksums } => {
                        let first = journal.advance(position, writer.taken());
                        let write = JournalWrite { data: &data, address, parity: checksums };
                        assert_eq!(writer.add(write), Ok(first));
                        data.clear();
                    }
                    Payload::Flush { .. } => panic!("none in write-through mode"),
                }
            }
            assert_eq!(data, []);
            assert_eq!(writer.taken(), meta.blocks() + 1);
            let next = writer.finish();
            assert_eq!(next.sequence, meta.sequence() + 1);
            assert_eq!(next.position, journal.advance(position, meta.blocks() + 1));
            assert!(again == *block, "{}: block {number}", array.name);
            around += u64::from(next.position < position);
        }
        println!("{}: {whole} whole meta blocks, {around} across the end", array.name);
        assert!(whole > 5, "{whole}");
    }
}

// --- the ring ---

#[test]
fn ring() {
    let ring = journal();
    let at = |block: u64| ring.sector(Sectors(8 * block)).unwrap();
    assert_eq!(ring.blocks(), 16);
    assert_eq!(ring.device_sector(at(2)), DeviceSector(256 + 16));
    assert_eq!(ring.sector(Sectors(16 * 8)), None);
    assert_eq!(ring.sector(Sectors(9)), None);
    assert_eq!(ring.sector(Sectors(u64::MAX - 7)), None);
    assert_eq!(ring.advance(at(14), 1), at(15));
    assert_eq!(ring.advance(at(14), 2), at(0));
    assert_eq!(ring.advance(at(14), 16 * 5 + 3), at(1));
    assert_eq!(ring.advance(at(15), u64::MAX), at(14));
    assert_eq!((ring.distance(at(3), at(3)), ring.room(at(3), at(3))), (0, 15));
    assert_eq!((ring.distance(at(3), at(5)), ring.room(at(3), at(5))), (2, 13));
    assert_eq!((ring.distance(at(5), at(3)), ring.room(at(5), at(3))), (14, 1));
    let new = |start, size| Journal::new(DeviceSector(start), Sectors(size), seed());
    assert_eq!(new(0, 15), None);
    assert_eq!(new(0, 31).map(|ring| ring.blocks()), Some(3));
    assert_eq!(new(u64::MAX - 8, 16), None);
}

#[test]
fn journal_of_a_superblock() {
    let array = crashed("journal").swap_remove(0);
    assert_eq!(array.superblocks[0].journal(), None, "a member is none");
    let mut superblock = array.superblocks[array.members()].clone();
    let (journal, tail) = superblock.journal().unwrap();
    assert_eq!(
        (journal.device_sector(JournalSector::ZERO), journal.blocks()),
        (DeviceSector(256), 128)
    );
    assert_ne!(tail, JournalSector::ZERO, "the log has gone around");
    for tail in [128 * 8, 4, u64::MAX] {
        superblock.validity = Validity::JournalTail(Sectors(tail));
        assert_eq!(superblock.journal().unwrap().1, JournalSector::ZERO, "as md takes it");
    }
    superblock.data_size = Sectors(15);
    assert_eq!(superblock.journal(), None);
}

// --- meta blocks ---

fn head(block: u64, sequence: u64) -> JournalHead {
    JournalHead { position: journal().sector(Sectors(8 * block)).unwrap(), sequence }
}

fn meta(payloads: &[u8]) -> Block {
    let mut block = blank();
    let _ = JournalWriter::begin(&mut block, journal(), head(0, 7)).finish();
    block[32..32 + payloads.len()].copy_from_slice(payloads);
    block[12..16].copy_from_slice(&(32 + payloads.len() as u32).to_le_bytes());
    seal(&mut block);
    block
}

/// Gives a meta block the checksum of its bytes: what the error says that it should be.
fn seal(block: &mut Block) {
    block[4..8].fill(0);
    if let Err(MetaError::Checksum { expected, .. }) = MetaBlock::parse(block, seed()) {
        block[4..8].copy_from_slice(&expected.to_le_bytes());
    }
}

fn payload(kind: u16, flags: u16, size: u32, address: u64, sums: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(address.to_le_bytes());
    bytes.extend(sums.iter().flat_map(|sum| sum.to_le_bytes()));
    bytes
}

#[test]
fn damaged_meta_blocks_are_refused() {
    let good = meta(&payload(0, 0, 8, 16, &[5]));
    assert_eq!(MetaBlock::parse(&good, seed()).unwrap().blocks(), 1);
    for at in 0..good.len() {
        let mut block = good;
        block[at] ^= 0x10;
        assert!(MetaBlock::parse(&block, seed()).is_err(), "byte {at}");
    }
    let other = JournalSeed::of(ArrayUuid([1; 16]));
    assert!(matches!(MetaBlock::parse(&good, other), Err(MetaError::Checksum { .. })));
    let refusal = |block: Block| MetaBlock::parse(&block, seed()).unwrap_err();
    assert_eq!(refusal(blank()), MetaError::NotMeta);
    let mut block = good;
    block[8] = 2;
    assert_eq!(refusal(block), MetaError::Version { found: 2 });
    for size in [0, 31, 33, 51, 53, 4097, 65_568, u32::MAX] {
        let mut block = good;
        block[12..16].copy_from_slice(&size.to_le_bytes());
        seal(&mut block);
        assert!(matches!(refusal(block), MetaError::Size { .. }), "meta_size {size}");
    }
    let of = |bytes: Vec<u8>| refusal(meta(&bytes));
    assert_eq!(of(payload(3, 0, 8, 0, &[0])), MetaError::Kind { kind: 3 });
    assert_eq!(of(payload(0, 1, 8, 0, &[0])), MetaError::Flags { flags: 1 });
    for (kind, size) in [(0, 0), (0, 7), (0, 16), (1, 24), (1, 0), (2, 7), (2, u32::MAX)] {
        assert_eq!(of(payload(kind, 0, size, 0, &[0])), MetaError::PayloadSize { size }, "{kind}");
    }
    assert_eq!(of(payload(0, 0, 8, 0, &[])), MetaError::Size { at: 32 });
    assert_eq!(of(payload(1, 0, 16, 0, &[1])), MetaError::Size { at: 32 });
    assert_eq!(of(payload(2, 0, 16, 0, &[])), MetaError::Size { at: 32 });
    assert_eq!(of(payload(2, 0, 0xffff_fff8, 0, &[])), MetaError::Size { at: 32 });
    let flush = meta(&payload(2, 0, 8, 48, &[]));
    let rows: Vec<_> = MetaBlock::parse(&flush, seed())
        .unwrap()
        .payloads()
        .flat_map(|payload| match payload {
            Payload::Flush { rows } => rows.iter().collect::<Vec<_>>(),
            Payload::Data { .. } | Payload::Parity { .. } => panic!("{payload:?}"),
        })
        .collect();
    assert_eq!(rows, [MemberSector(48)]);
}

#[test]
fn writer_keeps_a_write_whole() {
    let mut block = blank();
    let mut writer = JournalWriter::begin(&mut block, journal(), head(15, u64::MAX));
    let data = [(Lba(8), 1); 100];
    let write = |count: usize, parity| JournalWrite {
        data: &data[..count],
        address: MemberSector(8),
        parity,
    };
    assert_eq!(writer.add(write(3, ParityChecksums::P(9))), Ok(head(0, 0).position));
    // 32 + 80 bytes in use; 3984 left: 198 data blocks and P and Q, and four bytes.
    assert_eq!(writer.add(write(100, ParityChecksums::P(9))), Ok(head(4, 0).position));
    assert_eq!(writer.add(write(99, ParityChecksums::P(9))), Err(JournalFull));
    assert_eq!(writer.add(write(97, ParityChecksums::PAndQ(9, 9))), Ok(head(9, 0).position));
    assert_eq!(writer.add(write(0, ParityChecksums::P(9))), Err(JournalFull));
    assert_eq!(writer.taken(), 1 + 4 + 101 + 99);
    assert_eq!(writer.finish().sequence, 0, "goes around");
    let meta = MetaBlock::parse(&block, seed()).unwrap();
    assert_eq!((meta.blocks(), meta.payloads().count()), (204, 203));
}

// --- scans of made-up journals ---

/// A journal in memory, and what a scan made of it.
struct Ring {
    blocks: Vec<Block>,
}

#[derive(Debug, PartialEq)]
enum Ended {
    At { head: JournalHead, stop: JournalStop, cached: Vec<LoggedBlock> },
    Refused(JournalError),
}

impl Ring {
    fn new() -> Self {
        Self { blocks: vec![blank(); 16] }
    }

    fn put(&mut self, at: JournalSector, block: Block) {
        self.blocks[at.offset().0 as usize / 8] = block;
    }

    fn get(&self, at: JournalSector) -> &Block {
        &self.blocks[at.offset().0 as usize / 8]
    }

    /// Writes one row: blocks whose bytes are all `fill`, of these data blocks.
    fn write(
        &mut self,
        geometry: &ParityGeometry,
        head: JournalHead,
        row: u64,
        data: &[u8],
        fill: u8,
    ) -> JournalHead {
        let content = [fill; 4096];
        let sum = seed().checksum(&content);
        let (row, offset) = (StripeRow(row), Sectors(8));
        let lba = |data| geometry.unmap(RowAddress { row, data: DataIndex(data), offset }).unwrap();
        let data: Vec<_> = data.iter().map(|data| (lba(*data), sum)).collect();
        let parity = match geometry.parity() {
            1 => ParityChecksums::P(sum),
            _ => ParityChecksums::PAndQ(sum, sum),
        };
        let address = geometry.member_sector(row, offset).unwrap();
        let mut block = blank();
        let mut writer = JournalWriter::begin(&mut block, journal(), head);
        let mut at = writer.add(JournalWrite { data: &data, address, parity }).unwrap();
        for _ in 0..data.len() + usize::from(parity.blocks()) {
            self.put(at, content);
            at = journal().advance(at, 1);
        }
        let next = writer.finish();
        self.put(head.position, block);
        assert_eq!(at, next.position);
        next
    }

    /// Copies as (member, address, first byte).
    fn scan(
        &self,
        geometry: &ParityGeometry,
        tail: JournalSector,
        memory: usize,
    ) -> (Vec<(u8, u64, u8)>, Ended) {
        let mut meta = blank();
        let mut blocks = vec![LoggedBlock::BLANK; memory];
        let memory = JournalMemory { meta: &mut meta, blocks: &mut blocks };
        let mut scan = JournalScan::begin(journal(), tail, geometry, memory);
        let mut copies = Vec::new();
        for _ in 0..1000 {
            scan = match scan {
                JournalScan::ReadMeta(read) => {
                    let at = read.position();
                    read.feed(self.get(at))
                }
                JournalScan::Verify(verify) => {
                    let at = verify.position();
                    verify.feed(self.get(at))
                }
                JournalScan::Copy(copy) => {
                    let LoggedBlock { member, address, source } = copy.block();
                    copies.push((member.0, address.0, self.get(source)[0]));
                    copy.done()
                }
                JournalScan::End(end) => {
                    let cached = end.cached.to_vec();
                    return (copies, Ended::At { head: end.head, stop: end.stop, cached });
                }
                JournalScan::Refused(error) => return (copies, Ended::Refused(error)),
            };
        }
        panic!("the scan does not end");
    }
}

fn sorted(mut copies: Vec<(u8, u64, u8)>) -> Vec<(u8, u64, u8)> {
    copies.sort_unstable();
    copies
}

/// What a write of [`Ring::write`] must come to.
fn expected(geometry: &ParityGeometry, row: u64, data: &[u8], fill: u8) -> Vec<(u8, u64, u8)> {
    let roles = geometry.row(StripeRow(row));
    let address = geometry.member_sector(StripeRow(row), Sectors(8)).unwrap().0;
    let data = data.iter().map(|data| roles.member(DataIndex(*data)).unwrap());
    data.chain(roles.parity_places()).map(|member| (member.0, address, fill)).collect()
}

#[test]
fn log_ends_at_the_first_block_that_was_not_written() {
    for geometry in [level5(), level6()] {
        // Across the end of the ring, with an older turn behind.
        let mut ring = Ring::new();
        let stale = ring.write(&geometry, head(7, 3), 9, &[0], 99);
        ring.write(&geometry, stale, 9, &[1], 98);
        let first = head(11, 100);
        let second = ring.write(&geometry, first, 2, &[0, 1], 1);
        let third = ring.write(&geometry, second, 3, &[2], 2);
        let whole: Vec<_> =
            [expected(&geometry, 2, &[0, 1], 1), expected(&geometry, 3, &[2], 2)].concat();
        let (copies, ended) = ring.scan(&geometry, first.position, 5);
        assert_eq!(sorted(copies), sorted(whole));
        let Ended::At { head, cached, .. } = ended else { panic!("{ended:?}") };
        assert_eq!((head, cached), (third, vec![]));

        // Any block of the second write was not written: the first is whole, and alone.
        let length = journal().distance(second.position, third.position);
        for lost in 0..length {
            let mut torn = Ring { blocks: ring.blocks.clone() };
            torn.put(journal().advance(second.position, lost), [0xee; 4096]);
            let (copies, ended) = torn.scan(&geometry, first.position, 5);
            assert_eq!(sorted(copies), sorted(expected(&geometry, 2, &[0, 1], 1)), "{lost}");
            let Ended::At { head, .. } = ended else { panic!("{ended:?}") };
            // As md has it: behind a whole meta block whose blocks are not.
            let (passed, position) = match lost {
                0 => (0, second.position),
                _ => (1, journal().advance(second.position, 1)),
            };
            assert_eq!(head, JournalHead { position, sequence: second.sequence + passed });
        }
    }
}

#[test]
fn rows_are_copied_in_the_order_of_the_log() {
    let geometry = level5();
    let mut ring = Ring::new();
    let first = head(0, 1);
    let second = ring.write(&geometry, first, 4, &[0], 1);
    let third = ring.write(&geometry, second, 4, &[0, 1], 2);
    let (copies, _) = ring.scan(&geometry, first.position, 4);
    let (one, two) = copies.split_at(2);
    assert_eq!(sorted(one.to_vec()), sorted(expected(&geometry, 4, &[0], 1)));
    assert_eq!(sorted(two.to_vec()), sorted(expected(&geometry, 4, &[0, 1], 2)));
    assert_eq!(third.sequence, 3);
}

/// Write-back mode: data alone, whose parity may come later, and flushes.
#[test]
fn data_without_parity_waits_for_it() {
    let geometry = level5();
    let lba = |row, data| {
        let address = RowAddress { row: StripeRow(row), data: DataIndex(data), offset: Sectors(8) };
        geometry.unmap(address).unwrap().0
    };
    let row = |row| geometry.member_sector(StripeRow(row), Sectors(8)).unwrap().0;
    let member = |r, data| geometry.row(StripeRow(r)).member(DataIndex(data)).unwrap();
    let sum = |fill: u8| seed().checksum(&[fill; 4096]);
    let ring_of = |payloads: &[Vec<u8>], fills: &[u8]| {
        let mut ring = Ring::new();
        ring.put(JournalSector::ZERO, meta(&payloads.concat()));
        for (number, fill) in (1..).zip(fills) {
            ring.put(journal().advance(JournalSector::ZERO, number), [*fill; 4096]);
        }
        ring
    };
    let data = |r, d, fill| payload(0, 0, 8, lba(r, d), &[sum(fill)]);
    let parity = |r, fill| payload(1, 0, 8, row(r), &[sum(fill)]);
    let flush = |r| payload(2, 0, 8, row(r), &[]);
    let scan = |ring: &Ring, memory| ring.scan(&geometry, JournalSector::ZERO, memory);
    let cached = |ended: Ended| match ended {
        Ended::At { cached, .. } => cached
            .iter()
            .map(|block| (block.member, block.address.0, block.source.offset().0 / 8))
            .collect::<Vec<_>>(),
        Ended::Refused(error) => panic!("{error}"),
    };

    // The newest data of two, and another row; nothing is copied.
    let ring = ring_of(&[data(1, 0, 1), data(1, 0, 2), data(2, 1, 3)], &[1, 2, 3]);
    let (copies, ended) = scan(&ring, 2);
    assert_eq!(copies, []);
    assert_eq!(cached(ended), [(member(1, 0), row(1), 2), (member(2, 1), row(2), 3)]);
    let (_, ended) = scan(&ring, 1);
    assert_eq!(ended, Ended::Refused(JournalError::Memory { blocks: 1 }));

    // Parity completes one of the rows; data that come later wait again.
    let payloads = [data(1, 0, 1), data(2, 1, 2), parity(1, 3), data(1, 0, 4)];
    let (copies, ended) = scan(&ring_of(&payloads, &[1, 2, 3, 4]), 4);
    let p = geometry.row(StripeRow(1)).p();
    assert_eq!(sorted(copies), sorted(vec![(member(1, 0).0, row(1), 1), (p.0, row(1), 3)]));
    assert_eq!(sorted_places(cached(ended)), [(row(1), 4), (row(2), 2)]);

    // A flush says that a row is on the members; parity without data says the same.
    let payloads = [data(1, 0, 1), flush(1), parity(2, 2), data(3, 0, 3)];
    let (copies, ended) = scan(&ring_of(&payloads, &[1, 2, 3]), 4);
    assert_eq!(copies, []);
    assert_eq!(sorted_places(cached(ended)), [(row(3), 3)]);
}

fn sorted_places<T>(cached: Vec<(T, u64, u64)>) -> Vec<(u64, u64)> {
    let mut places: Vec<_> = cached.into_iter().map(|(_, row, at)| (row, at)).collect();
    places.sort_unstable();
    places
}

#[test]
fn impossible_journals_are_refused() {
    let geometry = level5();
    let sum = seed().checksum(&blank());
    let refusal = |bytes: Vec<u8>, geometry: &ParityGeometry| {
        let mut ring = Ring::new();
        ring.put(JournalSector::ZERO, meta(&bytes));
        match ring.scan(geometry, JournalSector::ZERO, 8) {
            (copies, Ended::Refused(error)) => {
                assert_eq!(copies, []);
                error
            }
            (_, ended) => panic!("{ended:?}"),
        }
    };
    for address in [1, 4, geometry.size().0, u64::MAX] {
        let error = refusal(payload(0, 0, 8, address, &[sum]), &geometry);
        assert_eq!(error, JournalError::Data { address: Lba(address) });
    }
    for address in [1, 160, u64::MAX] {
        let error = refusal(payload(1, 0, 8, address, &[sum]), &geometry);
        assert_eq!(error, JournalError::Parity { address: MemberSector(address) });
    }
    let address = MemberSector(0);
    let error = refusal(payload(1, 0, 16, 0, &[sum, sum]), &geometry);
    assert_eq!(error, JournalError::Parity { address }, "Q at level 5");
    let error = refusal(payload(1, 0, 8, 0, &[sum]), &level6());
    assert_eq!(error, JournalError::Parity { address }, "no Q at level 6");
    let error = refusal(payload(9, 0, 8, 0, &[sum]), &geometry);
    assert_eq!(error, JournalError::Meta(MetaError::Kind { kind: 9 }));

    let no_log = |ring: &Ring, tail| match ring.scan(&geometry, tail, 8).1 {
        Ended::Refused(JournalError::NoLog(error)) => error,
        ended @ (Ended::At { .. } | Ended::Refused(_)) => panic!("{ended:?}"),
    };
    let mut ring = Ring::new();
    assert_eq!(no_log(&ring, JournalSector::ZERO), MetaError::NotMeta);
    let elsewhere = head(3, 1).position;
    ring.put(elsewhere, meta(&[]));
    assert_eq!(no_log(&ring, elsewhere), MetaError::Elsewhere { position: 0 });
}

/// Meta blocks all around the ring, each of them a good successor of the one before.
#[test]
fn full_ring_ends() {
    let geometry = level5();
    let mut ring = Ring::new();
    let mut at = head(0, 1);
    for _ in 0..16 {
        let mut block = blank();
        let next = JournalWriter::begin(&mut block, journal(), at).finish();
        ring.put(at.position, block);
        at = next;
    }
    let (_, ended) = ring.scan(&geometry, JournalSector::ZERO, 4);
    let Ended::At { head, stop, .. } = ended else { panic!("{ended:?}") };
    assert_eq!((head, stop), (at, JournalStop::Around));

    // One that claims more blocks than there are.
    let many: Vec<u8> = (0..16).flat_map(|_| payload(0, 0, 8, 8, &[0])).collect();
    let mut ring = Ring::new();
    ring.put(JournalSector::ZERO, meta(&many));
    let (_, ended) = ring.scan(&geometry, JournalSector::ZERO, 4);
    assert!(matches!(ended, Ended::At { stop: JournalStop::Around, .. }), "{ended:?}");
}

// --- properties ---

proptest! {
    /// Writes one after the other, from anywhere in the ring, all but a number of last blocks: what
    /// is whole is copied, in order, and nothing else.
    #[test]
    fn what_is_whole_is_copied(
        six: bool,
        start in 0_u64..16,
        sequence: u64,
        writes in prop::collection::vec((0_u64..10, 1_u8..8), 1..6),
        lost in 0_u64..16,
    ) {
        let geometry = if six { level6() } else { level5() };
        let first = head(start, sequence);
        let mut ring = Ring::new();
        let mut at = first;
        let mut whole = Vec::new();
        let mut written = 0;
        let mut cut = None;
        for (number, (row, mask)) in writes.iter().enumerate() {
            let data: Vec<u8> = (0..3).filter(|data| mask & (1 << data) != 0).collect();
            let blocks = 1 + data.len() as u64 + u64::from(geometry.parity());
            if journal().room(first.position, at.position) < blocks {
                break;
            }
            let fill = number as u8 + 1;
            let next = ring.write(&geometry, at, *row, &data, fill);
            written += blocks;
            whole.push((written, expected(&geometry, *row, &data, fill)));
            at = next;
            cut = Some(written.saturating_sub(lost));
        }
        prop_assume!(!whole.is_empty());
        let cut = cut.unwrap();
        for number in cut..written {
            ring.put(journal().advance(first.position, number), [0xdd; 4096]);
        }
        let (copies, ended) = ring.scan(&geometry, first.position, 5);
        let mut copies = copies.as_slice();
        for (_, expected) in whole.iter().filter(|(end, _)| *end <= cut) {
            let (row, rest) = copies.split_at(expected.len());
            prop_assert_eq!(sorted(row.to_vec()), sorted(expected.clone()));
            copies = rest;
        }
        prop_assert_eq!(copies, []);
        match ended {
            Ended::At { head, cached, .. } => {
                prop_assert_eq!(cached, vec![]);
                if cut == written {
                    prop_assert_eq!(head, at);
                }
                // A new log there is found from there, and nothing of the old one behind it.
                let mut block = blank();
                let sequence = head.sequence.wrapping_add(SEQUENCE_JUMP);
                let fresh = JournalHead { sequence, ..head };
                let next = JournalWriter::begin(&mut block, journal(), fresh).finish();
                ring.put(fresh.position, block);
                let (copies, ended) = ring.scan(&geometry, fresh.position, 5);
                prop_assert_eq!(copies, []);
                let found = matches!(ended, Ended::At { head, .. } if head == next);
                prop_assert!(found);
            }
            Ended::Refused(error) => {
                prop_assert_eq!(cut, 0);
                prop_assert_eq!(error, JournalError::NoLog(MetaError::NotMeta));
            }
        }
    }

    /// Payloads of any bytes under a good checksum: the scan ends, and copies nothing beyond the
    /// members.
    #[test]
    fn any_payloads_are_answered(
        payloads in prop::collection::vec(
            (0_u16..4, 0_u32..3, prop_oneof![0_u64..500, any::<u64>()], 0_usize..3),
            0..12,
        ),
        noise in prop::collection::vec(any::<u8>(), 0..64),
        memory in 0_usize..12,
        cut in prop::option::of(0_u32..400),
    ) {
        let sum = seed().checksum(&blank());
        let mut bytes: Vec<u8> = payloads
            .iter()
            .flat_map(|(kind, size, address, sums)| {
                payload(*kind, 0, size * 8, address & !7, &vec![sum; *sums])
            })
            .collect();
        bytes.extend(noise);
        let mut block = meta(&bytes);
        if let Some(cut) = cut {
            block[12..16].copy_from_slice(&cut.to_le_bytes());
            seal(&mut block);
        }
        let mut ring = Ring::new();
        ring.put(JournalSector::ZERO, block);
        for geometry in [level5(), level6()] {
            let (copies, ended) = ring.scan(&geometry, JournalSector::ZERO, memory);
            for (member, address, _) in copies {
                prop_assert!(member < geometry.members() && address < 160);
            }
            if let Ended::At { cached, .. } = ended {
                prop_assert!(cached.len() <= memory);
            }
        }
    }
}
