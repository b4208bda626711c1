//! The backup of a reshape's critical section, as bytes.

#![cfg(feature = "md")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use raid_core::geometry::{Geometry, Layout, Raid5Layout, Shape};
use raid_core::md::{
    ArrayUuid, BACKUP_HEADER_SECTORS, BackupError, BackupHeader, BackupLayout, Block, ChangeSum,
    ContentSum, SUPERBLOCK_BYTES,
};
use raid_core::reshape::{BackupArea, Change, Direction, Shift};
use raid_core::units::{Lba, Sectors};

const ARRAY: ArrayUuid = ArrayUuid(*b"an array's name.");

fn geometry(members: u8, chunk: u64) -> Geometry {
    let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
    let member_size = Sectors(1280);
    Geometry::new(Shape { layout, members, chunk: Sectors(chunk), member_size }).unwrap()
}

fn change() -> Change {
    Change::in_place(geometry(4, 16), geometry(5, 16)).unwrap()
}

fn layout() -> BackupLayout {
    BackupLayout::new(Sectors(256)).unwrap()
}

fn header(content: ContentSum) -> BackupHeader {
    let change = ChangeSum::of(&change());
    let (start, sectors) = (Lba(64), Sectors(128));
    BackupHeader { array: ARRAY, change, sequence: 7, start, sectors, content }
}

fn encoded(header: &BackupHeader) -> Block {
    let mut block = [0xaa; SUPERBLOCK_BYTES];
    header.encode(&mut block);
    block
}

fn parsed(block: &Block) -> Result<BackupHeader, BackupError> {
    BackupHeader::parse(block, &layout(), ARRAY, &change())
}

#[test]
fn a_header_comes_back_as_it_went() {
    let content = ContentSum::of(0, &[1; 4 * SUPERBLOCK_BYTES]);
    assert_eq!(parsed(&encoded(&header(content))), Ok(header(content)));
    let mut cleared = encoded(&header(content));
    BackupHeader::clear(&mut cleared);
    assert_eq!(parsed(&cleared), Err(BackupError::NoBackup));
}

#[test]
fn one_wrong_bit_anywhere_in_a_header_is_noticed() {
    let block = encoded(&header(ContentSum::default()));
    for bit in 0..8 * SUPERBLOCK_BYTES {
        let mut spoilt = block;
        spoilt[bit / 8] ^= 1 << (bit % 8);
        assert!(parsed(&spoilt).is_err(), "bit {bit}");
    }
}

#[test]
fn one_wrong_bit_anywhere_in_the_content_is_noticed() {
    let content: Vec<u8> = (0..3 * SUPERBLOCK_BYTES).map(|at| (at % 251) as u8).collect();
    let sum = ContentSum::of(0, &content);
    for bit in (0..8 * content.len()).step_by(7) {
        let mut spoilt = content.clone();
        spoilt[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(ContentSum::of(0, &spoilt), sum, "bit {bit}");
    }
    // Blocks that changed places.
    let mut swapped = content.clone();
    swapped.rotate_left(SUPERBLOCK_BYTES);
    assert_ne!(ContentSum::of(0, &swapped), sum);
    // In parts, in any order.
    let (front, back) = content.split_at(SUPERBLOCK_BYTES);
    assert_eq!(ContentSum::of(1, back).and(ContentSum::of(0, front)), sum);
}

#[test]
fn a_backup_of_something_else_is_refused() {
    let block = encoded(&header(ContentSum::default()));
    let other = ArrayUuid([9; 16]);
    let error = BackupHeader::parse(&block, &layout(), other, &change());
    assert_eq!(error, Err(BackupError::OtherArray { array: ARRAY }));
    let others = [
        Change::in_place(geometry(4, 16), geometry(6, 16)),
        Change::in_place(geometry(4, 16), geometry(5, 32)),
        Change::in_place(geometry(5, 16), geometry(4, 16)),
    ];
    for other in others {
        let error = BackupHeader::parse(&block, &layout(), ARRAY, &other.unwrap());
        assert_eq!(error, Err(BackupError::OtherChange));
    }
    // The member that moves least may have been lost since.
    let shifted = Change::new(geometry(4, 16), geometry(5, 16), Direction::Forward, Shift(-16));
    assert!(BackupHeader::parse(&block, &layout(), ARRAY, &shifted.unwrap()).is_ok());
    for sectors in [0, 4, 264, u64::MAX] {
        let sectors = Sectors(sectors);
        let long = BackupHeader { sectors, ..header(ContentSum::default()) };
        assert_eq!(parsed(&encoded(&long)), Err(BackupError::Length { sectors }));
    }
}

#[test]
fn areas_do_not_meet() {
    let layout = layout();
    assert_eq!(layout.header(BackupArea::First), Sectors(0));
    assert_eq!(layout.content(BackupArea::First), BACKUP_HEADER_SECTORS);
    assert_eq!(layout.header(BackupArea::Second), Sectors(264));
    assert_eq!(layout.content(BackupArea::Second), Sectors(272));
    assert_eq!(layout.sectors(), Sectors(528));
    assert_eq!(BackupLayout::fitting(Sectors(528 + 15)), Some(layout));
    assert_eq!(BackupLayout::fitting(Sectors(31)), None);
    assert_eq!(BackupLayout::new(Sectors(u64::MAX - 7)), None);
    assert_eq!(BackupArea::ALL.map(BackupArea::other), [BackupArea::Second, BackupArea::First]);
}

proptest! {
    #[test]
    fn any_bytes_are_a_header_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 128)) {
        let mut block = [0; SUPERBLOCK_BYTES];
        block[..128].copy_from_slice(&bytes);
        block[..8].copy_from_slice(b"raidbak1");
        prop_assert_eq!(parsed(&block), Err(BackupError::Checksum));
    }
}
