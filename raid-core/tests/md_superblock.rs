//! The superblock codec against superblocks that the Linux kernel wrote, and against bytes that
//! nobody should have.

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

use md_fixtures::{Fixture, KERNEL_MADE, parse, set, sum, zeroed};
use proptest::prelude::*;
use raid_core::md::{
    BadBlocks, Block, DeviceFlags, DeviceRole, Features, Minor, ROLES_MAX, RecoveryKind,
    SUPERBLOCK_BYTES, Superblock, SuperblockError, Timestamp, Validity, WriteLog, checksum,
};
use raid_core::metadata::Consistency;
use raid_core::reshape::Direction;
use raid_core::units::{DeviceSector, Lba, MemberIndex, Sectors};

/// The bytes that the checksum covers.
fn used(block: &Block) -> usize {
    256 + 2 * usize::from(u16::from_le_bytes([block[0xdc], block[0xdd]]))
}

#[test]
fn what_the_kernel_wrote_comes_back_byte_for_byte() {
    for Fixture { name, block, at } in KERNEL_MADE {
        let superblock = Superblock::parse(block, *at).unwrap_or_else(|e| panic!("{name}: {e}"));
        // Into zeros: no byte can come from anywhere but the values.
        let mut encoded = zeroed();
        superblock.encode(&mut encoded);
        assert!(encoded == **block, "{name}: bytes differ");
    }
}

/// The plain superblock with only so many roles.
fn with_roles(count: u8) -> Block {
    let Fixture { block, .. } = &KERNEL_MADE[2];
    let mut block = **block;
    block[0xdc..0xe0].copy_from_slice(&u32::from(count).to_le_bytes());
    block[256 + 2 * usize::from(count)..].fill(0x77);
    sum(&mut block);
    block
}

#[test]
fn the_checksum_is_the_sum_of_what_is_used() {
    for count in 0..9 {
        let mut block = with_roles(count);
        let found = u32::from_le_bytes(block[0xd8..0xdc].try_into().unwrap());
        block[0xd8..0xdc].fill(0);
        // Each byte has its weight in a little-endian word; a last half word is the low half of
        // one.
        let bytes = block[..used(&block)].iter().enumerate();
        let total: u64 = bytes.map(|(at, byte)| u64::from(*byte) << (8 * (at % 4))).sum();
        let folded = (total & 0xffff_ffff) + (total >> 32);
        assert_eq!(u64::from(found), folded & 0xffff_ffff, "{count} roles");
    }
}

#[test]
fn every_role_at_a_failed_place_becomes_faulty() {
    use DeviceRole::{Faulty, Slot};
    let mut roles = Superblock::parse(&with_roles(4), DeviceSector(8)).unwrap().roles;
    assert_eq!(roles.iter().collect::<Vec<_>>(), [Slot(0), Slot(1), Slot(2), Slot(3)]);
    roles.fail(&[1, 3, 9].into_iter().map(MemberIndex).collect());
    assert_eq!(roles.iter().collect::<Vec<_>>(), [Slot(0), Faulty, Slot(2), Faulty]);
}

#[test]
fn encoding_leaves_what_it_does_not_own() {
    for Fixture { name, block, at } in KERNEL_MADE {
        let superblock = Superblock::parse(block, *at).unwrap();
        let mut over = [0xa5; SUPERBLOCK_BYTES];
        superblock.encode(&mut over);
        assert!(over[used(block)..].iter().all(|byte| *byte == 0xa5), "{name}");
        // Stale bytes of unused features change nothing that is said.
        assert_eq!(Superblock::parse(&over, *at).as_ref(), Ok(&superblock), "{name}");
        let bytes = used(block).next_multiple_of(512) as u64;
        assert_eq!(superblock.sectors(), Sectors(bytes / 512), "{name}");
    }
}

#[test]
fn minor_versions_lie_where_md_puts_them() {
    let size = Sectors(1287);
    assert_eq!(Minor::V1_0.position(size), Some(DeviceSector(1264)));
    assert_eq!(Minor::V1_1.position(size), Some(DeviceSector(0)));
    assert_eq!(Minor::V1_2.position(size), Some(DeviceSector(8)));
    for minor in Minor::ALL {
        assert_eq!(minor.position(Sectors(15)), None);
        assert!(minor.position(Sectors(u64::MAX)).is_some());
    }
    for (name, minor) in [("level5-v1.0", "1.0"), ("level6-v1.1", "1.1"), ("level5-v1.2", "1.2")] {
        assert_eq!(parse(name).minor().to_string(), minor);
    }
}

#[test]
fn fields_of_a_plain_array() {
    let superblock = parse("level5-v1.2");
    assert_eq!((superblock.level, superblock.layout, superblock.members), (5, 2, 4));
    assert_eq!(superblock.chunk(), Sectors(8));
    assert_eq!(superblock.member_size, Sectors(1024));
    assert_eq!(superblock.data_offset, DeviceSector(256));
    assert_eq!(superblock.events, 34);
    assert_eq!(superblock.consistency, Consistency::Clean);
    assert_eq!(superblock.own_role(), DeviceRole::Slot(1));
    assert_eq!(superblock.roles.role(4), DeviceRole::Spare);
    assert_eq!(superblock.roles.role(u32::MAX), DeviceRole::Spare);
    assert_eq!(superblock.roles.count(), 128);
    assert_eq!(superblock.validity, Validity::Everything);
    assert_eq!(superblock.bad_block_log.entries, BadBlocks::None);
    assert_eq!((superblock.bad_block_log.offset, superblock.bad_block_log.sectors), (16, 8));
    assert_eq!(superblock.features(), Features::empty());
    assert_eq!(superblock.reshape, None);
    assert_eq!(superblock.device_flags, DeviceFlags::empty());
    assert_eq!(superblock.array_uuid.to_string().len(), 35);
}

#[test]
fn fields_of_reshapes() {
    let grow = parse("reshape-grow");
    let reshape = grow.reshape.expect("a reshape");
    assert_eq!((grow.members, reshape.delta_members, reshape.level), (6, 2, 6));
    assert_eq!(reshape.position, Lba(640));
    assert_eq!(reshape.direction, Direction::Forward);
    assert_eq!(reshape.new_offset, Some(-64));
    // Numbers are not places: the kernel gave device 4 place 5.
    assert_eq!(grow.own_role(), DeviceRole::Slot(5));

    let shrink = parse("reshape-shrink").reshape.expect("a reshape");
    assert_eq!((shrink.delta_members, shrink.new_offset), (-1, None));
    assert_eq!(shrink.direction, Direction::Backward);
    assert_eq!(shrink.position, Lba(3072));

    let chunk = parse("reshape-chunk").reshape.expect("a reshape");
    assert_eq!((chunk.delta_members, chunk.chunk_sectors), (0, 64));
    assert_eq!(chunk.direction, Direction::Forward);
}

#[test]
fn fields_of_unusual_devices() {
    let failed = parse("failed-0");
    assert!(matches!(failed.write_log, WriteLog::Bitmap { offset: 8, .. }));
    assert_eq!(failed.roles.role(2), DeviceRole::Faulty);

    let recovering = parse("recovering-3");
    assert_eq!(recovering.own_role(), DeviceRole::Slot(1));
    let kind = RecoveryKind::Full;
    assert_eq!(recovering.validity, Validity::Below { valid_to: Sectors(1024), kind });

    let journal = parse("journal-3");
    assert_eq!((journal.own_role(), journal.write_log), (DeviceRole::Journal, WriteLog::Journal));
    assert_eq!(journal.validity, Validity::JournalTail(Sectors(0x268)));

    let log = parse("ppl-0").write_log;
    assert!(matches!(log, WriteLog::PartialParity { offset: 8, sectors: 2048, .. }), "{log:?}");
    assert_eq!(parse("zones-1").zone_layout, raid_core::md::ZoneLayout::Said);
    assert_eq!(parse("linear-0").level, -1);
    let mirror = parse("mirror-1");
    assert_eq!(mirror.device_flags, DeviceFlags::WRITE_MOSTLY | DeviceFlags::FAIL_FAST);
}

#[test]
fn each_flipped_bit_is_refused_or_means_nothing() {
    for Fixture { name, block, at } in &KERNEL_MADE[..9] {
        let original = Superblock::parse(block, *at).unwrap();
        let covered = used(block);
        for bit in 0..SUPERBLOCK_BYTES * 8 {
            let mut flipped = **block;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let parsed = Superblock::parse(&flipped, *at);
            if bit / 8 < covered {
                assert!(parsed.is_err(), "{name}: bit {bit} went unseen");
            } else {
                assert_eq!(parsed.as_ref(), Ok(&original), "{name}: bit {bit}");
            }
        }
    }
}

#[test]
fn a_torn_superblock_is_refused() {
    // A newer superblock of which only some bytes arrived over an older one.
    let Fixture { block: old, at, .. } = &KERNEL_MADE[2];
    let mut newer = Superblock::parse(old, *at).unwrap();
    newer.events += 1;
    newer.consistency = Consistency::InSyncTo(Sectors(0));
    newer.update_time = Timestamp::new(newer.update_time.seconds() + 5, 250_000).unwrap();
    let mut new = **old;
    newer.encode(&mut new);
    for cut in 1..used(old) {
        let mut torn = new;
        torn[cut..].copy_from_slice(&old[cut..]);
        if torn != new && torn != **old {
            let parsed = Superblock::parse(&torn, *at);
            assert!(matches!(parsed, Err(SuperblockError::Checksum { .. })), "cut at {cut}");
        }
    }
}

/// Parses the plain superblock with one field replaced and the checksum mended.
fn with(offset: usize, bytes: &[u8]) -> Result<Superblock, SuperblockError> {
    let Fixture { block, at, .. } = &KERNEL_MADE[2];
    Superblock::parse(&set(block, offset, bytes), *at)
}

fn bad(field: &'static str, value: u64) -> Result<Superblock, SuperblockError> {
    Err(SuperblockError::BadField { field, value })
}

#[test]
fn what_is_wrong_is_said() {
    assert_eq!(with(0, &[0; 4]), Err(SuperblockError::NotMd));
    assert_eq!(Superblock::parse(&zeroed(), DeviceSector(8)), Err(SuperblockError::NotMd));
    assert_eq!(with(4, &[0; 4]), Err(SuperblockError::UnsupportedVersion { major: 0 }));
    let Fixture { block, at, .. } = &KERNEL_MADE[2];
    let mut block = **block;
    block[0xdc..0xe0].copy_from_slice(&1921_u32.to_le_bytes());
    assert_eq!(
        Superblock::parse(&block, *at),
        Err(SuperblockError::TooManyRoles { max_dev: 1921 })
    );
    assert_eq!(
        with(0x90, &[9]),
        Err(SuperblockError::WrongPlace { found_at: DeviceSector(8), says: DeviceSector(9) })
    );
    assert_eq!(with(0x09, &[0xff]), Err(SuperblockError::UnknownFeatures { bits: 0xe000 }));
    assert_eq!(with(0x0c, &[1]), Err(SuperblockError::ReservedBytes { offset: 0x0c }));
    assert_eq!(with(0xff, &[1]), Err(SuperblockError::ReservedBytes { offset: 0xe4 }));
    assert_eq!(with(0x88, &9_u64.to_le_bytes()), bad("data_size", 9));
    assert_eq!(with(0x88, &[0xff; 8]), bad("data_size", u64::MAX));
    assert_eq!(with(0x80, &8_u64.to_le_bytes()), bad("data_offset", 8));
    assert_eq!(with(0xb9, &[64]), bad("bblog_shift", 64));
    assert_eq!(with(0xba, &[9, 0]), bad("bblog_size", 9));
    assert_eq!(with(0xe0, &513_u32.to_le_bytes()), bad("logical_block_size", 513));
    assert_eq!(with(0x100, &0xff00_u16.to_le_bytes()), bad("dev_roles", 0xff00));
    // Number 1500 differs from those after it.
    let Fixture { block, at, .. } = &KERNEL_MADE[2];
    let long = set(&set(block, 0xdc, &1920_u32.to_le_bytes()), 0x100 + 2 * 1500, &[1]);
    assert_eq!(
        Superblock::parse(&long, *at),
        Err(SuperblockError::RolesBeyondBuild { needed: 1501 })
    );
    // A superblock behind the data, 1.0, must not lie inside its data.
    let Fixture { block, at, .. } = &KERNEL_MADE[0];
    let inside = set(block, 0x88, &1265_u64.to_le_bytes());
    assert_eq!(Superblock::parse(&inside, *at), bad("data_size", 1265));
}

#[test]
fn features_that_exclude_each_other_are_refused() {
    use Features as F;
    let refused = [
        F::PPL | F::BITMAP_OFFSET,
        F::PPL | F::JOURNAL,
        F::PPL | F::MULTIPLE_PPLS,
        F::BITMAP_OFFSET | F::JOURNAL,
        F::CLUSTERED,
        F::RECOVERY_BITMAP,
        F::NEW_OFFSET,
        F::RESHAPE_BACKWARDS,
    ];
    for features in refused {
        assert_eq!(
            with(8, &features.bits().to_le_bytes()),
            Err(SuperblockError::ContradictoryFeatures { features })
        );
    }
}

#[test]
fn every_set_of_features_is_kept_or_refused() {
    let Fixture { block, at, .. } = &KERNEL_MADE[2];
    let mut kept = 0;
    for bits in 0..=Features::all().bits() {
        let block = set(block, 8, &bits.to_le_bytes());
        match Superblock::parse(&block, *at) {
            Ok(superblock) => {
                kept += 1;
                assert_eq!(superblock.features().bits(), bits);
                let mut encoded = block;
                superblock.encode(&mut encoded);
                assert!(encoded == block);
            }
            Err(SuperblockError::ContradictoryFeatures { .. }) => {}
            Err(error) => panic!("{bits:#x}: {error}"),
        }
    }
    // 6 logs, 3 recoveries, 5 reshapes, bad blocks, replacement, zone layout.
    assert_eq!(kept, 6 * 3 * 5 * 8);
}

#[test]
fn recovery_and_logs_are_values() {
    let mut superblock = parse("level5-v1.2");
    superblock.validity = Validity::Below { valid_to: Sectors(640), kind: RecoveryKind::ByBitmap };
    superblock.write_log = WriteLog::PartialParity {
        offset: -24,
        sectors: 256,
        kind: raid_core::md::PartialParityLog::Multiple,
    };
    let mut block = zeroed();
    superblock.encode(&mut block);
    assert_eq!(block[0x60..0x64], [0xe8, 0xff, 0x00, 0x01]);
    assert_eq!(Superblock::parse(&block, superblock.super_offset), Ok(superblock));
}

#[test]
fn an_error_is_one_line() {
    let errors = [
        Superblock::parse(&zeroed(), DeviceSector(0)).unwrap_err(),
        with(4, &[7]).unwrap_err(),
        with(8, &[0, 0, 0xff, 0]).unwrap_err(),
        with(0x88, &[0; 8]).unwrap_err(),
    ];
    for error in errors {
        let line = error.to_string();
        assert!(line.contains("md superblock") && !line.contains('\n'), "{line}");
    }
}

#[test]
fn names_are_fit_for_a_terminal() {
    let mut name = [0; 32];
    name[..8].copy_from_slice(b"a\x1b[2J\xff:b");
    assert_eq!(raid_core::md::ArrayName(name).to_string(), "a\\x1b[2J\\xff:b");
}

#[test]
fn times_keep_their_two_parts() {
    let time = Timestamp::new((1 << 40) - 1, 999_999).unwrap();
    assert_eq!((time.seconds(), time.microseconds()), ((1 << 40) - 1, 999_999));
    assert_eq!(Timestamp::new(1 << 40, 0), None);
    assert_eq!(Timestamp::new(0, 1_000_000), None);
}

/// Where each field of the header lies and how long it is.
const FIELDS: [(usize, usize); 46] = [
    (0x00, 4),
    (0x04, 4),
    (0x08, 4),
    (0x0c, 4),
    (0x10, 8),
    (0x18, 8),
    (0x20, 8),
    (0x38, 8),
    (0x40, 8),
    (0x48, 4),
    (0x4c, 4),
    (0x50, 8),
    (0x58, 4),
    (0x5c, 4),
    (0x60, 2),
    (0x62, 2),
    (0x64, 4),
    (0x68, 8),
    (0x70, 4),
    (0x74, 4),
    (0x78, 4),
    (0x7c, 4),
    (0x80, 8),
    (0x88, 8),
    (0x90, 8),
    (0x98, 8),
    (0xa0, 4),
    (0xa4, 4),
    (0xa8, 8),
    (0xb0, 8),
    (0xb8, 1),
    (0xb9, 1),
    (0xba, 2),
    (0xbc, 4),
    (0xc0, 8),
    (0xc8, 8),
    (0xd0, 8),
    (0xd8, 4),
    (0xdc, 4),
    (0xe0, 4),
    (0xe4, 4),
    (0xf8, 8),
    (0x100, 2),
    (0x102, 2),
    (0x1fe, 2),
    (0xffe, 2),
];

/// Whatever parses must come back as the same values, over any bytes.
fn round_trip(block: &Block, at: DeviceSector) {
    if let Ok(superblock) = Superblock::parse(block, at) {
        let mut again = *block;
        superblock.encode(&mut again);
        assert!(again == *block);
        let mut fresh = [0x5a; SUPERBLOCK_BYTES];
        superblock.encode(&mut fresh);
        assert_eq!(Superblock::parse(&fresh, at), Ok(superblock));
    }
}

#[test]
fn extremes_of_every_field_never_panic() {
    for Fixture { block, at, .. } in KERNEL_MADE {
        for (offset, length) in FIELDS {
            for value in [0, 1, u64::MAX >> 1, u64::MAX, 1 << 63, 0xffff_fffe, 0x1_0000_0000] {
                round_trip(&set(block, offset, &value.to_le_bytes()[..length]), *at);
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), SUPERBLOCK_BYTES),
        at: u64,
    ) {
        let mut block: Block = bytes.try_into().unwrap();
        prop_assert_eq!(Superblock::parse(&block, DeviceSector(at)), Err(SuperblockError::NotMd));
        // The same bytes, dressed up as far as the checks of the frame go.
        block[..8].copy_from_slice(&KERNEL_MADE[0].block[..8]);
        block[0xde..0xe0].fill(0);
        block[0xdd] &= 7;
        block[0x90..0x98].copy_from_slice(&at.to_le_bytes());
        sum(&mut block);
        let parsed = Superblock::parse(&block, DeviceSector(at));
        prop_assert!(parsed.is_err());
        prop_assert_eq!(block[0xd8..0xdc].to_vec(), checksum(&block).to_le_bytes().to_vec());
    }

    #[test]
    fn random_fields_never_panic(
        fixture in 0..KERNEL_MADE.len(),
        changes in proptest::collection::vec((0..FIELDS.len(), any::<u64>()), 1..6),
    ) {
        let Fixture { block, at, .. } = &KERNEL_MADE[fixture];
        let mut block = **block;
        for (field, value) in changes {
            let (offset, length) = FIELDS[field];
            block = set(&block, offset, &value.to_le_bytes()[..length]);
        }
        round_trip(&block, *at);
    }

    #[test]
    fn random_roles_come_back(
        roles in proptest::collection::vec(
            prop_oneof![0_u16..80, Just(0xffff), Just(0xfffe), Just(0xfffd)], 0..ROLES_MAX),
        tail in prop_oneof![Just(0xffff_u16), Just(0xfffe), Just(3)],
        length in 0_u16..1300,
    ) {
        let Fixture { block, at, .. } = &KERNEL_MADE[0];
        let mut block = **block;
        let list: Vec<u16> =
            roles.iter().copied().chain(core::iter::repeat_n(tail, length.into())).collect();
        block[0xdc..0xe0].copy_from_slice(&u32::try_from(list.len()).unwrap().to_le_bytes());
        for (to, role) in block[0x100..].chunks_exact_mut(2).zip(&list) {
            to.copy_from_slice(&role.to_le_bytes());
        }
        sum(&mut block);
        let superblock = Superblock::parse(&block, *at).unwrap();
        prop_assert_eq!(superblock.roles.iter().count(), list.len());
        round_trip(&block, *at);
    }
}
