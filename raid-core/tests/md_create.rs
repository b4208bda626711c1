//! Superblocks of new arrays: laid out as mdadm lays them out, and read back as what was asked for.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails says so by panicking"
)]

use proptest::prelude::*;
use raid_core::geometry::{ConfigError, Layout, Raid5Layout, Raid6Layout};
use raid_core::md::{
    ArrayName, ArrayUuid, Blueprint, Candidate, CreateError, DeviceFlags, DeviceRole, DeviceUuid,
    JoinError, Minor, NewArray, SUPERBLOCK_BYTES, Superblock, Timestamp, assemble,
};
use raid_core::metadata::Consistency;
use raid_core::units::{DeviceIndex, DeviceSector, MemberIndex, Sectors};

const RAID5: Layout = Layout::Raid5(Raid5Layout::LeftSymmetric);

fn blueprint(layout: Layout, minor: Minor) -> Blueprint {
    Blueprint {
        layout,
        chunk: Sectors(1024),
        minor,
        data_offset: None,
        member_size: None,
        array_uuid: ArrayUuid([7; 16]),
        name: ArrayName([b'n'; 32]),
        creation_time: Timestamp::new(1_700_000_000, 5).unwrap(),
        consistency: Consistency::Clean,
    }
}

fn superblocks(array: &NewArray) -> Vec<Superblock> {
    let places = (0..array.geometry().members()).map(MemberIndex);
    let flags = DeviceFlags::empty();
    places.map(|place| array.superblock(place, DeviceUuid([place.0; 16]), flags).unwrap()).collect()
}

/// Device size, level, minor, chunk and what mdadm 4.2 made of it on a kernel: data offset, room for data, what is used
/// of it, and where the bad-block log lies.
const MDADM: [(u64, i32, Minor, u64, [i64; 4]); 31] = {
    use Minor::{V1_0, V1_1, V1_2};
    const MIB: u64 = 2048;
    [
        (2 * MIB, 1, V1_2, 0, [2048, 2048, 2048, 16]),
        (3 * MIB, 1, V1_2, 0, [2048, 4096, 4096, 16]),
        (16 * MIB, 1, V1_2, 0, [2048, 30_720, 30_720, 16]),
        (511 * MIB, 1, V1_2, 0, [2048, 1_044_480, 1_044_480, 16]),
        (512 * MIB, 1, V1_2, 0, [2048, 1_046_528, 1_046_528, 16]),
        (1024 * MIB, 1, V1_2, 0, [4096, 2_093_056, 2_093_056, 16]),
        (2048 * MIB, 1, V1_2, 0, [6144, 4_188_160, 4_188_160, 16]),
        (4096 * MIB, 1, V1_2, 0, [10_240, 8_378_368, 8_378_368, 16]),
        (8193 * MIB, 1, V1_2, 0, [18_432, 16_760_832, 16_760_832, 16]),
        (8200 * MIB, 1, V1_2, 0, [18_432, 16_775_168, 16_775_168, 16]),
        (16_384 * MIB, 1, V1_2, 0, [34_816, 33_519_616, 33_519_616, 136]),
        (102_400 * MIB, 1, V1_2, 0, [133_120, 209_582_080, 209_582_080, 136]),
        (131_072 * MIB, 1, V1_2, 0, [264_192, 268_171_264, 268_171_264, 136]),
        (204_801 * MIB, 1, V1_2, 0, [264_192, 419_168_256, 419_168_256, 136]),
        (205_000 * MIB, 1, V1_2, 0, [264_192, 419_575_808, 419_575_808, 264]),
        (1_048_576 * MIB, 1, V1_2, 0, [264_192, 2_147_219_456, 2_147_219_456, 264]),
        (3 * MIB, 5, V1_2, 1024, [4096, 2048, 2048, 16]),
        (3 * MIB, 5, V1_1, 1024, [4096, 2048, 2048, 16]),
        (3 * MIB, 5, V1_0, 1024, [0, 6112, 5120, -8]),
        (16 * MIB, 5, V1_0, 1024, [0, 32_736, 31_744, -8]),
        (16_384 * MIB, 5, V1_2, 1024, [34_816, 33_519_616, 33_519_616, 136]),
        (16_384 * MIB, 5, V1_1, 1024, [34_816, 33_519_616, 33_519_616, 136]),
        (16_384 * MIB, 5, V1_0, 1024, [0, 33_554_280, 33_553_408, -8]),
        (204_801 * MIB, 5, V1_0, 1024, [0, 419_432_168, 419_431_424, -8]),
        (1024 * MIB, 5, V1_2, 32_768, [67_584, 2_029_568, 1_998_848, 16]),
        (16 * MIB, 5, V1_2, 8192, [18_432, 14_336, 8192, 16]),
        (20_481, 1, V1_2, 0, [2048, 18_433, 18_432, 16]),
        (20_481, 1, V1_0, 0, [0, 20_448, 20_352, -8]),
        (20_481, 5, V1_0, 1024, [0, 20_448, 19_456, -8]),
        (20_481, 0, V1_2, 1024, [4096, 16_385, 0, 8]),
        (20_481, 0, V1_0, 1024, [0, 20_456, 0, -8]),
    ]
};

#[test]
fn everything_lies_where_mdadm_puts_it() {
    for (size, level, minor, chunk, expected) in MDADM {
        let layout = Layout::from_name(u8::try_from(level).unwrap(), "default").unwrap();
        let blueprint = Blueprint { chunk: Sectors(chunk), ..blueprint(layout, minor) };
        let array = NewArray::new(blueprint, &[Sectors(size); 3]).unwrap();
        for superblock in superblocks(&array) {
            let Superblock { data_offset, data_size, member_size, bad_block_log, .. } = superblock;
            let found = [data_offset.0, data_size.0, member_size.0].map(u64::cast_signed);
            let found = [found[0], found[1], found[2], bad_block_log.offset.into()];
            assert_eq!(found, expected, "level {level} {minor} on {size} sectors");
            assert_eq!(bad_block_log.sectors, 8);
        }
    }
}

/// Eight sectors behind the superblock, or close before the log of 1.0.
#[test]
fn a_bitmap_lies_where_mdadm_puts_it() {
    for (size, level, minor, chunk, _) in MDADM {
        let layout = Layout::from_name(u8::try_from(level).unwrap(), "default").unwrap();
        let blueprint = Blueprint { chunk: Sectors(chunk), ..blueprint(layout, minor) };
        let array = NewArray::new(blueprint, &[Sectors(size); 3]).unwrap().with_bitmap();
        if level == 0 {
            assert_eq!(array.unwrap_err(), CreateError::BitmapOfLevel0);
            continue;
        }
        let array = array.unwrap();
        let bitmap = array.bitmap().unwrap();
        assert_eq!(bitmap.array_uuid, blueprint.array_uuid);
        assert_eq!(bitmap.geometry.chunk_bytes() % (64 << 20), 0, "{size} {level} {minor}");
        let sync_size = array.superblock(MemberIndex(0), DeviceUuid([1; 16]), DeviceFlags::empty());
        assert_eq!(bitmap.geometry.sync_size(), sync_size.unwrap().member_size);
        for superblock in superblocks(&array) {
            let area = superblock.bitmap_area(bitmap.geometry.sectors()).unwrap().unwrap();
            let from_superblock =
                area.start.0.cast_signed() - superblock.super_offset.0.cast_signed();
            match minor {
                Minor::V1_0 => {
                    let pages = bitmap.geometry.pages().cast_signed();
                    assert_eq!(from_superblock, -8 - 8 * pages, "{size} {level}");
                }
                Minor::V1_1 | Minor::V1_2 => assert_eq!(from_superblock, 8, "{size} {level}"),
            }
        }
    }
    let tight = Blueprint { data_offset: Some(DeviceSector(24)), ..blueprint(RAID5, Minor::V1_2) };
    let tight = NewArray::new(tight, &[Sectors(32_768); 3]).unwrap().with_bitmap();
    assert!(matches!(tight, Err(CreateError::Bitmap(_))), "{tight:?}");
}

/// Behind the data, as mdadm 4.2 has it on devices of 4 MiB.
#[test]
fn a_log_of_version_1_0_lies_where_mdadm_puts_it_and_a_new_device_has_room_for_it() {
    let size = Sectors(8192);
    let asked = Blueprint { chunk: Sectors(32), ..blueprint(RAID5, Minor::V1_0) };
    let array = NewArray::new(asked, &[size; 3]).unwrap().with_partial_parity().unwrap();
    let made = superblocks(&array);
    let join = |size| made[0].for_new_device(3, DeviceUuid([3; 16]), size);
    for superblock in made.iter().chain([&join(size).unwrap()]) {
        let area = superblock.ppl_area().unwrap().unwrap();
        assert_eq!((area.start(), area.sectors()), (DeviceSector(6120), Sectors(2048)));
        let data = (superblock.data_offset, superblock.data_size, superblock.member_size);
        assert_eq!(data, (DeviceSector(0), Sectors(6120), Sectors(6112)));
        assert_eq!(superblock.bad_block_log.offset, -8);
    }
    assert!(matches!(join(Sectors(8176)), Err(JoinError::NoRoom { .. })));
}

#[test]
fn an_offset_that_is_given_leaves_the_log_where_mdadm_puts_it() {
    let cases = [
        (Minor::V1_2, 256, Some(16)),
        (Minor::V1_2, 32, Some(16)),
        (Minor::V1_2, 24, Some(8)),
        (Minor::V1_2, 16, None),
        (Minor::V1_1, 24, Some(16)),
        (Minor::V1_1, 8, None),
    ];
    for (minor, offset, log) in cases {
        let offset = Some(DeviceSector(offset));
        let blueprint = Blueprint { data_offset: offset, ..blueprint(RAID5, minor) };
        let array = NewArray::new(blueprint, &[Sectors(32_768); 3]).unwrap();
        let superblock = &superblocks(&array)[0];
        assert_eq!(Some(superblock.data_offset), offset);
        let found = superblock.bad_block_log;
        assert_eq!((found.offset, found.sectors), (log.unwrap_or(0), log.map_or(0, |_| 8)));
    }
}

#[test]
fn the_smallest_device_rules() {
    let sizes = [4_194_304, 32_768, 131_072].map(Sectors);
    let array = NewArray::new(blueprint(RAID5, Minor::V1_2), &sizes).unwrap();
    assert_eq!((array.data_offset(), array.member_size()), (DeviceSector(4096), Sectors(28_672)));
    let data: Vec<_> =
        superblocks(&array).iter().map(|superblock| superblock.data_size.0).collect();
    assert_eq!(data, [4_190_208, 28_672, 126_976]);
    let zones = NewArray::new(blueprint(Layout::Raid0, Minor::V1_2), &sizes).unwrap_err();
    assert_eq!(zones, CreateError::Zones { first: MemberIndex(1), second: MemberIndex(0) });
    // A size that is given makes them equal.
    let size = Some(Sectors(20_500));
    let given = Blueprint { member_size: size, ..blueprint(Layout::Raid0, Minor::V1_2) };
    let array = NewArray::new(given, &sizes).unwrap();
    for superblock in superblocks(&array) {
        assert_eq!((superblock.member_size, superblock.data_size), (Sectors(0), Sectors(20_480)));
    }
}

#[test]
fn what_cannot_be_is_said() {
    let new = |blueprint, size| NewArray::new(blueprint, &[Sectors(size); 3]).unwrap_err();
    let plain = blueprint(RAID5, Minor::V1_2);
    let place = MemberIndex(0);
    let needed = Sectors(4096 + 1024);
    assert_eq!(
        new(plain, 5119),
        CreateError::NoRoom { place, device: Sectors(5119), needed },
        "one sector too few"
    );
    assert!(NewArray::new(plain, &[needed; 3]).is_ok());
    let tiny = CreateError::NoRoom { place, device: Sectors(0), needed: Sectors(1056) };
    assert_eq!(new(blueprint(RAID5, Minor::V1_0), 0), tiny);
    let size = Some(Sectors(28_672 + 1024));
    let needed = Sectors(32_768 + 1024);
    let large = Blueprint { member_size: size, ..plain };
    assert_eq!(new(large, 32_768), CreateError::NoRoom { place, device: Sectors(32_768), needed });
    let small = Blueprint { member_size: Some(Sectors(1023)), ..plain };
    let shape = new(small, 32_768);
    assert!(matches!(shape, CreateError::Shape(ConfigError::MemberTooSmall { .. })), "{shape:?}");
    for (minor, offset, min) in [(Minor::V1_2, 8, 16), (Minor::V1_2, 17, 16), (Minor::V1_1, 0, 8)] {
        let offset = DeviceSector(offset);
        let asked = Blueprint { data_offset: Some(offset), ..blueprint(RAID5, minor) };
        let min = DeviceSector(min);
        assert_eq!(new(asked, 32_768), CreateError::DataOffset { offset, min });
    }
    let moved = Blueprint { data_offset: Some(DeviceSector(8)), ..blueprint(RAID5, Minor::V1_0) };
    assert_eq!(new(moved, 32_768), CreateError::OffsetOfVersion1_0);
    let raid6 = blueprint(Layout::Raid6(Raid6Layout::LeftSymmetric), Minor::V1_2);
    assert!(matches!(new(raid6, 32_768), CreateError::Shape(ConfigError::TooFewMembers { .. })));
    let many = NewArray::new(plain, &[Sectors(32_768); 256]).unwrap_err();
    assert_eq!(many, CreateError::TooManyDevices { count: 256 });
    assert!(matches!(NewArray::new(plain, &[]), Err(CreateError::Shape(_))));
}

fn layouts() -> impl Strategy<Value = Layout> {
    let parity = Raid5Layout::ALL.map(Layout::Raid5).into_iter();
    let both = parity.chain(Raid6Layout::ALL.map(Layout::Raid6));
    let copies = ["n2", "n3", "f2", "o2", "f3"].map(|name| Layout::from_name(10, name).unwrap());
    let plain = [Layout::Raid0, Layout::Raid1, Layout::Raid4];
    prop::sample::select(both.chain(copies).chain(plain).collect::<Vec<_>>())
}

proptest! {
    /// Whatever is laid out fits on its devices, is read back as it was written, and assembles to what was asked for.
    #[test]
    fn what_is_asked_for_is_read_back(
        layout in layouts(),
        minor in prop::sample::select(Minor::ALL.to_vec()),
        chunk_shift in 3_u32..13,
        sizes in prop::collection::vec(prop_oneof![0_u64..100_000, 0..1_u64 << 42], 2..9),
        equal in any::<bool>(),
        data_offset in prop::option::of(0_u64..5000),
        member_size in prop::option::of(0_u64..100_000),
        clean in any::<bool>(),
    ) {
        let sizes: Vec<_> = match equal {
            true => vec![Sectors(sizes[0]); sizes.len()],
            false => sizes.into_iter().map(Sectors).collect(),
        };
        let consistency =
            if clean { Consistency::Clean } else { Consistency::InSyncTo(Sectors::ZERO) };
        let asked = Blueprint {
            chunk: Sectors(1 << chunk_shift),
            data_offset: data_offset.map(DeviceSector),
            member_size: member_size.map(Sectors),
            consistency,
            ..blueprint(layout, minor)
        };
        let Ok(array) = NewArray::new(asked, &sizes) else { return Ok(()) };
        let written = superblocks(&array);
        let mut parsed = Vec::new();
        for (superblock, size) in written.iter().zip(&sizes) {
            let mut block = [0; SUPERBLOCK_BYTES];
            superblock.encode(&mut block);
            let at = minor.position(*size).unwrap();
            let found = Superblock::parse(&block, at).unwrap();
            prop_assert_eq!(&found, superblock);
            let log = i64::try_from(at.0).unwrap() + i64::from(found.bad_block_log.offset);
            let (log, length) = (u64::try_from(log).unwrap(), u64::from(found.bad_block_log.sectors));
            let data_end = found.data_offset.0 + found.data_size.0;
            prop_assert!(data_end <= size.0 && found.member_size <= found.data_size);
            prop_assert!(length == 0 || log + length <= found.data_offset.0 || log >= data_end);
            prop_assert!(length == 0 || log + length <= at.0 || log >= at.0 + 8);
            parsed.push(found);
        }
        let devices = (0..=u8::MAX).map(DeviceIndex);
        let candidates: Vec<_> = parsed.iter().zip(devices).zip(&sizes)
            .map(|((superblock, device), size)| Candidate { superblock, device, device_size: *size })
            .collect();
        let assembly = assemble(&candidates).unwrap();
        prop_assert_eq!(assembly.geometry, *array.geometry());
        prop_assert_eq!(assembly.geometry.layout(), layout);
        prop_assert_eq!(assembly.array_uuid, asked.array_uuid);
        let redundant = array.geometry().redundancy() > 0;
        prop_assert_eq!(assembly.consistency, if redundant { consistency } else { Consistency::Clean });
        prop_assert_eq!(assembly.in_sync(), array.geometry().all_members());
        for (place, superblock) in (0_u16..).zip(&parsed) {
            prop_assert_eq!(superblock.own_role(), DeviceRole::Slot(place));
        }
    }
}
