//! The write-intent bitmap against pages that Linux wrote, against a naive set of bits, and against
//! bytes that nobody should have.

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

use md_fixtures::{KERNEL_MADE, parse, set, zeroed};
use proptest::prelude::*;
use raid_core::md::{
    Area, AreaError, ArrayUuid, BitRange, BitmapError, BitmapGeometry, BitmapStanding, BitmapState,
    BitmapSuperblock, Block, DirtyBits, Presence, RecoveryKind, Superblock, SyncSector,
};
use raid_core::metadata::Consistency;
use raid_core::units::{DeviceSector, Sectors};

const KIB: u32 = 1024;
const MIB: u32 = 1024 * KIB;

/// The bitmaps of a member that stayed and of one that was away.
const STAYED: &Block = include_bytes!("fixtures/bitmap/stayed.bin");
const AWAY: &Block = include_bytes!("fixtures/bitmap/away.bin");

fn bits(first: u64, end: u64) -> BitRange {
    BitRange { first, end }
}

fn geometry(chunk_bytes: u32, sync_size: u64) -> BitmapGeometry {
    BitmapGeometry::new(chunk_bytes, Sectors(sync_size)).unwrap()
}

#[test]
fn a_bitmap_of_linux_comes_back_byte_for_byte() {
    for page in [STAYED, AWAY] {
        let superblock = BitmapSuperblock::parse(page).unwrap();
        let mut encoded = zeroed();
        superblock.encode(&mut encoded);
        assert!(encoded[..256] == page[..256]);
        let old = superblock.geometry.page(0, page);
        let mut new = superblock.geometry.page_mut(0, &mut encoded);
        for range in old.ranges(old.range()) {
            new.set(range);
        }
        assert_eq!(new.count(), old.count());
        // Behind the last bit there is what mdadm filled the area with.
        assert!(encoded[..256 + 128 / 8] == page[..256 + 128 / 8]);
    }
}

#[test]
fn fields_of_a_bitmap() {
    let superblock = BitmapSuperblock::parse(STAYED).unwrap();
    assert_eq!((superblock.events, superblock.events_cleared), (7, 1));
    assert_eq!(superblock.state, BitmapState::empty());
    assert_eq!(superblock.geometry.chunk_bytes(), 4 * KIB);
    assert_eq!(superblock.geometry.sync_size(), Sectors(1024));
    assert_eq!(superblock.geometry.bits(), 128);
    assert_eq!(superblock.geometry.sectors(), Sectors(1));
    assert_eq!((superblock.daemon_sleep_seconds, superblock.write_behind), (5, 0));
    assert_eq!(superblock.geometry.page(0, STAYED).count(), 22);
    assert_eq!(superblock.geometry.page(0, AWAY).count(), 0);
}

#[test]
fn who_was_away_comes_back_by_the_bitmap_unless_it_missed_a_clearing() {
    let stayed = BitmapSuperblock::parse(STAYED).unwrap();
    let array = stayed.array_uuid;
    let current = stayed.standing(array, 7);
    assert_eq!(current, BitmapStanding::Current);
    assert_eq!(stayed.standing(array, 6), BitmapStanding::Current);
    assert_eq!(stayed.standing(array, 8), BitmapStanding::Stale);
    assert_eq!(stayed.standing(ArrayUuid([1; 16]), 7), BitmapStanding::Foreign);
    let stale = BitmapSuperblock { state: BitmapState::STALE, ..stayed };
    assert_eq!(stale.standing(array, 7), BitmapStanding::Stale);

    let away = BitmapSuperblock::parse(AWAY).unwrap().events;
    assert_eq!(away, 2);
    assert_eq!(stayed.recovery_of(current, away), RecoveryKind::ByBitmap);
    assert_eq!(stayed.recovery_of(current, 1), RecoveryKind::ByBitmap);
    assert_eq!(stayed.recovery_of(current, 0), RecoveryKind::Full);
    assert_eq!(stayed.recovery_of(BitmapStanding::Stale, away), RecoveryKind::Full);
    assert_eq!(stayed.recovery_of(BitmapStanding::Foreign, away), RecoveryKind::Full);
}

#[test]
fn which_set_bits_mean_work_when_an_array_starts() {
    let stayed = BitmapSuperblock::parse(STAYED).unwrap();
    let resyncing = Consistency::InSyncTo(Sectors(512));
    let from = |consistency, events, presence| stayed.work_from(consistency, events, presence);
    assert_eq!(from(Consistency::Clean, 7, Presence::Complete), None);
    assert_eq!(from(resyncing, 7, Presence::Complete), Some(SyncSector(512)));
    assert_eq!(from(Consistency::Clean, 7, Presence::Degraded), Some(SyncSector(0)));
    assert_eq!(from(resyncing, 7, Presence::Degraded), Some(SyncSector(0)));
    // Bits were cleared since the last event: nobody's return hangs on them.
    assert_eq!(from(Consistency::Clean, 1, Presence::Degraded), None);
    assert_eq!(from(resyncing, 1, Presence::Degraded), Some(SyncSector(512)));
}

#[test]
fn bitmaps_that_cannot_be_are_refused() {
    let with = |at: usize, value: u32| {
        let mut page = *STAYED;
        page[at..at + 4].copy_from_slice(&value.to_le_bytes());
        BitmapSuperblock::parse(&page)
    };
    let bad = |field, value| Err(BitmapError::BadField { field, value });
    assert_eq!(BitmapSuperblock::parse(&zeroed()), Err(BitmapError::NoBitmap));
    for version in [0, 1, 2, 3, 5, 6, u32::MAX] {
        assert_eq!(with(4, version), Err(BitmapError::UnsupportedVersion { version }));
    }
    for chunk in [0, 1, 256, 511, 513, 4097, u32::MAX] {
        assert_eq!(with(52, chunk), bad("chunksize", chunk));
    }
    for shift in 9..32 {
        assert_eq!(with(52, 1 << shift).map(|found| found.geometry.chunk_bytes()), Ok(1 << shift));
    }
    assert_eq!(with(48, 1 << 15), bad("state", 1 << 15));
    assert_eq!(with(48, 0x76).map(|found| found.state.bits()), Ok(0x76));
    assert_eq!(with(56, 0), bad("daemon_sleep", 0));
    assert_eq!(with(60, 16_384), bad("write_behind", 16_384));
    assert!(with(60, 16_383).is_ok());
}

/// What mdadm 4.2 chose for level 1: sectors of a member in use, MiB of a chunk.
const MDADM: [(u64, u32); 13] = [
    (2_093_056, 64),
    (14_669_824, 64),
    (16_758_784, 64),
    (18_855_936, 64),
    (209_582_080, 64),
    (417_069_056, 64),
    (419_166_208, 64),
    (421_263_360, 64),
    (2_096_887_808, 64),
    (41_942_775_808, 64),
    (83_885_815_808, 64),
    (136_314_615_808, 64),
    (293_601_015_808, 256),
];

#[test]
fn new_bitmaps_are_as_large_as_those_of_mdadm() {
    for (size, chunk_mib) in MDADM {
        let size = Sectors(size);
        let room = BitmapGeometry::room_for_new(size);
        let geometry = BitmapGeometry::for_new(size, room).unwrap();
        assert_eq!(geometry.chunk_bytes(), chunk_mib * MIB, "{size:?}");
        assert!(geometry.sectors() <= room, "{size:?}");
    }
    const GIB: u64 = 1 << 21;
    for (size, room) in [
        (0, 0),
        (127, 0),
        (128, 8),
        (8 * GIB + 8, 8),
        (8 * GIB + 9, 128),
        (200 * GIB + 127, 128),
        (200 * GIB + 128, 256),
        (u64::MAX, 256),
    ] {
        assert_eq!(BitmapGeometry::room_for_new(Sectors(size)), Sectors(room), "{size}");
    }
}

#[test]
fn new_bitmaps_fit_their_room() {
    let no_room = |room| Err(BitmapError::NoRoom { room: Sectors(room) });
    let chosen = |size, room| {
        BitmapGeometry::for_new(Sectors(size), Sectors(room)).map(BitmapGeometry::chunk_bytes)
    };
    assert_eq!(chosen(1024, 0), no_room(0));
    assert_eq!(chosen(u64::MAX, 256), no_room(256));
    let with = |chunk, size, room| {
        BitmapGeometry::for_new_with_chunk(chunk, Sectors(size), Sectors(room))
            .map(|geometry| geometry.chunk_bytes())
    };
    // 30720 bits follow the superblock in a page; mdadm counts one more than there are.
    assert_eq!(with(4 * KIB, 30_719 * 8, 8), Ok(4 * KIB));
    assert_eq!(with(4 * KIB, 30_720 * 8, 8), no_room(8));
    assert_eq!(with(8 * KIB, 30_720 * 8, 8), Ok(8 * KIB));
    assert_eq!(with(2 * KIB, 1024, 8), no_room(8));
    assert_eq!(
        with(5 * KIB, 1024, 8).unwrap_err().to_string().as_str(),
        "corrupt bitmap: chunksize cannot be 0x1400"
    );
    assert_eq!(with(4 * KIB, u64::MAX, u64::MAX), Ok(4 * KIB));
}

#[test]
fn a_new_bitmap_is_read_back() {
    let geometry = geometry(64 * MIB, 1_000_000);
    let superblock = BitmapSuperblock::new(ArrayUuid([7; 16]), geometry);
    let mut page = [0xff; 4096];
    superblock.encode(&mut page);
    assert_eq!(BitmapSuperblock::parse(&page), Ok(superblock));
    assert_eq!(geometry.page(0, &page).count(), 8);
}

/// Where md puts a bit, computed in bytes of the whole.
fn place(bit: u64) -> (u64, u64) {
    let byte = 256 + bit / 8;
    (byte / 4096, byte % 4096 * 8 + bit % 8)
}

#[test]
fn every_bit_lies_where_md_has_it() {
    let geometry = geometry(4 * KIB, 100_001 * 8 - 3);
    assert_eq!(geometry.bits(), 100_001);
    assert_eq!(geometry.sectors(), Sectors((256_u64 + 12_501).div_ceil(512)));
    assert_eq!(geometry.pages(), 4);
    assert_eq!(geometry.bits_of(0), bits(0, 30_720));
    assert_eq!(geometry.bits_of(1), bits(30_720, 63_488));
    assert_eq!(geometry.bits_of(3), bits(96_256, 100_001));
    assert_eq!(geometry.bits_of(4).count(), 0);
    assert_eq!(geometry.bits_of(u64::MAX).count(), 0);
    for bit in 0..geometry.bits() {
        let (page, at) = place(bit);
        assert_eq!(geometry.page_of(bit), page);
        let mut bytes = zeroed();
        geometry.page_mut(page, &mut bytes).set(bits(bit, bit + 1));
        assert_eq!(bytes.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
        assert_eq!(u64::from(bytes[at as usize / 8]), 1 << (at % 8), "{bit}");
        let page = geometry.page(page, &bytes);
        assert_eq!(page.ranges(page.range()).collect::<Vec<_>>(), [bits(bit, bit + 1)]);
        assert!(page.is_set(bit) && !page.is_set(bit + 1));
    }
}

#[test]
fn sectors_and_bits() {
    let geometry = geometry(4 * KIB, 100);
    let over = |start, length| geometry.bits_over(SyncSector(start), Sectors(length));
    assert_eq!(geometry.bits(), 13);
    assert_eq!(over(0, 100), geometry.all());
    assert_eq!(over(0, u64::MAX), geometry.all());
    assert_eq!(over(7, 1), bits(0, 1));
    assert_eq!(over(7, 2), bits(0, 2));
    assert_eq!(over(99, 5), bits(12, 13));
    for (start, length) in [(0, 0), (50, 0), (100, 1), (u64::MAX, u64::MAX)] {
        assert_eq!(over(start, length).count(), 0);
    }
    assert_eq!(geometry.sectors_under(bits(1, 3)), (SyncSector(8), Sectors(16)));
    assert_eq!(geometry.sectors_under(bits(12, 13)), (SyncSector(96), Sectors(4)));
    assert_eq!(geometry.sectors_under(bits(13, 99)), (SyncSector(100), Sectors(0)));
}

/// Every range set in and cleared from every state of few bits that do not end with a byte.
#[test]
fn every_small_set_is_as_in_the_model() {
    const BITS: u64 = 11;
    const FIRST: u64 = 30_720;
    let all = bits(FIRST, FIRST + BITS);
    for state in 0..1_u64 << BITS {
        for first in 0..BITS {
            for end in first..=BITS {
                let mask = (1 << end) - (1 << first);
                let range = bits(FIRST + first, FIRST + end);
                // Bits behind the last keep what they have.
                let padding = 0b10101 << BITS;
                let mut bytes = ((state | padding) as u16).to_le_bytes();
                let mut set = DirtyBits::new(all, &mut bytes[..]).unwrap();
                set.set(range);
                assert_eq!(set.count(), u64::from((state | mask).count_ones()));
                assert_eq!(u64::from(u16::from_le_bytes(bytes)), state | mask | padding);
                let mut bytes = ((state | padding) as u16).to_le_bytes();
                DirtyBits::new(all, &mut bytes[..]).unwrap().clear(range);
                assert_eq!(u64::from(u16::from_le_bytes(bytes)), state & !mask | padding);
                let set = DirtyBits::new(all, &bytes[..]).unwrap();
                let found: Vec<_> = set.ranges(range).collect();
                assert_eq!(found, [], "they have just been cleared");
            }
        }
    }
}

proptest! {
    #[test]
    fn large_sets_are_as_in_the_model(
        first in 0_u64..1000,
        count in 1_u64..900,
        steps in proptest::collection::vec((any::<bool>(), 0_u64..2000, 0_u64..500), 0..40),
        among in (0_u64..2000, 0_u64..2000),
    ) {
        let mut bytes = vec![0_u8; count.div_ceil(8) as usize];
        let mut model = vec![false; count as usize];
        let mut set = DirtyBits::new(bits(first, first + count), &mut bytes[..]).unwrap();
        for (sets, start, length) in steps {
            let range = bits(start, start + length);
            if sets { set.set(range) } else { set.clear(range) }
            for bit in start.max(first)..(start + length).min(first + count) {
                model[(bit - first) as usize] = sets;
            }
        }
        let is_set = |bit: u64| {
            bit >= first && model.get((bit - first) as usize).is_some_and(|set| *set)
        };
        prop_assert_eq!(set.count(), model.iter().filter(|set| **set).count() as u64);
        let (from, to) = among;
        let mut expected: Vec<BitRange> = Vec::new();
        for bit in (from..to).filter(|bit| is_set(*bit)) {
            match expected.last_mut() {
                Some(last) if last.end == bit => last.end = bit + 1,
                _ => expected.push(bits(bit, bit + 1)),
            }
        }
        prop_assert_eq!(set.ranges(bits(from, to)).collect::<Vec<_>>(), expected);
        for bit in 0..2000 {
            prop_assert_eq!(set.is_set(bit), is_set(bit));
        }
    }

    #[test]
    fn any_bitmap_is_read_or_refused(
        fields in proptest::collection::vec(any::<u8>(), 248),
        chunk_shift in 0_u32..32,
        page_index in any::<u64>(),
    ) {
        let mut page = zeroed();
        page[8..256].copy_from_slice(&fields);
        page[..8].copy_from_slice(b"bitm\x04\0\0\0");
        page[52..56].copy_from_slice(&(1_u32 << chunk_shift).to_le_bytes());
        page[61..64].fill(0);
        page[49] &= 0x7f;
        let Ok(superblock) = BitmapSuperblock::parse(&page) else {
            prop_assert!(chunk_shift < 9 || page[56..60] == [0; 4] || page[60] != 0);
            return Ok(());
        };
        let mut encoded = page;
        superblock.encode(&mut encoded);
        prop_assert!(encoded == page);
        let geometry = superblock.geometry;
        prop_assert!(geometry.pages() >= 1);
        for index in [0, 1, page_index, geometry.pages() - 1, u64::MAX] {
            let mut view = geometry.page_mut(index, &mut encoded);
            let range = view.range();
            view.set(geometry.all());
            prop_assert_eq!(view.count(), range.count());
            if range.count() > 0 {
                prop_assert_eq!(geometry.page_of(range.first), index);
                prop_assert_eq!(geometry.page_of(range.end - 1), index);
                let (start, length) = geometry.sectors_under(range);
                prop_assert_eq!(geometry.bits_over(start, length), range);
            }
        }
    }
}

#[test]
fn too_few_bytes_for_the_bits() {
    assert!(DirtyBits::new(bits(0, 9), &[0][..]).is_none());
    assert!(DirtyBits::new(bits(0, u64::MAX), &[0][..]).is_none());
    let empty = DirtyBits::new(bits(5, 5), &[][..]).unwrap();
    assert_eq!(empty.count(), 0);
}

#[test]
fn the_areas_of_what_linux_made_are_free() {
    for fixture in KERNEL_MADE {
        let superblock = Superblock::parse(fixture.block, fixture.at).unwrap();
        assert!(superblock.bad_block_area().is_ok(), "{}", fixture.name);
        assert!(superblock.bitmap_area(Sectors(1)).is_ok(), "{}", fixture.name);
    }
    assert_eq!(parse("level5-v1.2").bitmap_area(Sectors(1)), Ok(None));
    let log = Area { start: DeviceSector(24), length: Sectors(8) };
    assert_eq!(parse("level5-v1.2").bad_block_area(), Ok(Some(log)));
    // Before the superblock that lies at the end.
    let log = Area { start: DeviceSector(1256), length: Sectors(8) };
    assert_eq!(parse("level5-v1.0").bad_block_area(), Ok(Some(log)));
}

#[test]
fn areas_that_are_taken_are_refused() {
    let plain = KERNEL_MADE.iter().find(|fixture| fixture.name == "level5-v1.2").unwrap().block;
    let log_at = |offset: i32| {
        let block = set(plain, 0xbc, &offset.to_le_bytes());
        Superblock::parse(&block, DeviceSector(8)).unwrap().bad_block_area()
    };
    let start = |start| Ok(Some(Area { start: DeviceSector(start), length: Sectors(8) }));
    assert_eq!(log_at(-9), Err(AreaError::OutsideDevice));
    assert_eq!(log_at(i32::MIN), Err(AreaError::OutsideDevice));
    assert_eq!(log_at(-8), start(0));
    assert_eq!(log_at(-7), Err(AreaError::OnSuperblock));
    // 512 bytes of superblock.
    assert_eq!(log_at(0), Err(AreaError::OnSuperblock));
    assert_eq!(log_at(1), start(9));
    // The data begins at sector 256.
    assert_eq!(log_at(240), start(248));
    assert_eq!(log_at(241), Err(AreaError::OnData));
    assert_eq!(log_at(i32::MAX), start(8 + i32::MAX as u64));

    let bitmap = |offset: i32, length: u64| {
        let block = set(plain, 0x08, &[1]);
        let block = set(&block, 0x60, &offset.to_le_bytes());
        Superblock::parse(&block, DeviceSector(8)).unwrap().bitmap_area(Sectors(length))
    };
    assert_eq!(bitmap(8, 8), start(16));
    assert_eq!(bitmap(8, 9), Err(AreaError::OnBadBlockLog));
    assert_eq!(bitmap(24, 300), Err(AreaError::OnData));
    assert_eq!(bitmap(24, u64::MAX), Err(AreaError::OutsideDevice));
    assert_eq!(bitmap(0, 1), Err(AreaError::OnSuperblock));
}
