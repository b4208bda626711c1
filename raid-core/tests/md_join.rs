//! Superblocks of devices that come into an array that exists.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails says so by panicking"
)]

use raid_core::geometry::Layout;
use raid_core::md::{
    ArrayName, ArrayUuid, BadBlocks, Blueprint, DeviceFlags, DeviceRole, DeviceUuid, JoinError,
    Minor, NewArray, RecoveryKind, Replacement, SUPERBLOCK_BYTES, Superblock, Timestamp, Validity,
    WriteLog,
};
use raid_core::metadata::Consistency;
use raid_core::units::{MemberIndex, Sectors};

fn member(minor: Minor, device_size: u64) -> Superblock {
    let blueprint = Blueprint {
        layout: Layout::from_name(5, "default").unwrap(),
        chunk: Sectors(128),
        minor,
        data_offset: None,
        member_size: None,
        array_uuid: ArrayUuid([7; 16]),
        name: ArrayName([b'n'; 32]),
        creation_time: Timestamp::new(1_700_000_000, 5).unwrap(),
        consistency: Consistency::Clean,
    };
    let array = NewArray::new(blueprint, &[Sectors(device_size); 3]).unwrap();
    let mut first =
        array.superblock(MemberIndex(0), DeviceUuid([1; 16]), DeviceFlags::WRITE_MOSTLY).unwrap();
    first.events = 77;
    first.corrected_reads = 3;
    first
}

/// What the device's end is to the data: of 1.0 the log and the superblock lie behind it.
fn fits(superblock: &Superblock, device_size: u64) {
    let Superblock { data_offset, data_size, member_size, super_offset, bad_block_log, .. } =
        superblock;
    assert!(data_size >= member_size, "{superblock:?}");
    let end = data_offset.0 + data_size.0;
    let log = super_offset.0.checked_add_signed(bad_block_log.offset.into()).unwrap();
    let log_end = log + u64::from(bad_block_log.sectors);
    match superblock.minor() {
        Minor::V1_0 => assert!(end <= log && log_end <= super_offset.0, "{superblock:?}"),
        Minor::V1_1 | Minor::V1_2 => {
            assert!(super_offset.0 + 8 <= log && log_end <= data_offset.0, "{superblock:?}");
            assert!(end <= device_size, "{superblock:?}");
        }
    }
    assert!(data_offset.0.is_multiple_of(8));
    let mut block = [0; SUPERBLOCK_BYTES];
    superblock.encode(&mut block);
    assert_eq!(&Superblock::parse(&block, *super_offset).unwrap(), superblock);
}

#[test]
fn a_new_device_fits_from_the_least_size_on() {
    for minor in Minor::ALL {
        let freshest = member(minor, 9000);
        let join = |size| freshest.for_new_device(4, DeviceUuid([9; 16]), Sectors(size));
        let Err(JoinError::NoRoom { has: Sectors(1), needs }) = join(1) else {
            panic!("{minor}: a sector is enough");
        };
        assert!(needs <= Sectors(9000), "{minor}: a device like the others is large enough");
        for size in 0..needs.0 {
            assert_eq!(join(size), Err(JoinError::NoRoom { has: Sectors(size), needs }), "{minor}");
        }
        for size in needs.0..needs.0 + 5000 {
            let new = join(size).unwrap();
            fits(&new, size);
            assert!(new.data_offset <= freshest.data_offset);
            if size >= 9000 {
                assert_eq!(new.data_offset, freshest.data_offset, "{minor} {size}");
                assert_eq!(new.bad_block_log, freshest.bad_block_log, "{minor} {size}");
            }
        }
    }
}

#[test]
fn a_new_device_knows_the_array_and_claims_nothing() {
    let freshest = member(Minor::V1_2, 9000);
    let new = freshest.for_new_device(3, DeviceUuid([9; 16]), Sectors(20_000)).unwrap();
    assert_eq!((new.device_uuid, new.dev_number), (DeviceUuid([9; 16]), 3));
    assert_eq!(
        (new.array_uuid, new.events, &new.roles),
        (freshest.array_uuid, 77, &freshest.roles)
    );
    assert_eq!(new.own_role(), DeviceRole::Spare);
    let valid_to = Sectors::ZERO;
    assert_eq!(new.validity, Validity::Below { valid_to, kind: RecoveryKind::Full });
    assert_eq!((new.corrected_reads, new.device_flags), (0, DeviceFlags::empty()));
    assert_eq!(new.replacement, Replacement::No);
    assert_eq!(new.data_size, Sectors(20_000 - new.data_offset.0));
}

#[test]
fn a_returning_device_keeps_what_is_its_own() {
    let mut freshest = member(Minor::V1_1, 9000);
    let mut own = member(Minor::V1_1, 12_000);
    (own.device_uuid, own.dev_number, own.events) = (DeviceUuid([2; 16]), 1, 5);
    own.bad_block_log.entries = BadBlocks::None;
    let back = freshest.for_returning_device(1, &own).unwrap();
    assert_eq!((back.device_uuid, back.dev_number, back.events), (own.device_uuid, 1, 77));
    assert_eq!((back.data_offset, back.data_size), (own.data_offset, own.data_size));
    assert_eq!((back.device_flags, back.corrected_reads), (own.device_flags, 3));
    let valid_to = Sectors::ZERO;
    assert_eq!(back.validity, Validity::Below { valid_to, kind: RecoveryKind::Full });

    own.data_size = freshest.member_size.saturating_sub(Sectors(1));
    let needs = freshest.member_size;
    let short = JoinError::NoRoom { has: own.data_size, needs };
    assert_eq!(freshest.for_returning_device(1, &own), Err(short));
    freshest.write_log = WriteLog::Journal;
    assert_eq!(freshest.for_returning_device(1, &own), Err(JoinError::WriteLog));
    let new = freshest.for_new_device(3, DeviceUuid([9; 16]), Sectors(20_000));
    assert_eq!(new.unwrap().write_log, WriteLog::Journal);
}

/// What comes in is to keep the bitmap too: there is room for it on the smallest device.
#[test]
fn a_device_that_comes_in_has_room_for_the_bitmap() {
    for minor in Minor::ALL {
        let blueprint = Blueprint {
            layout: Layout::from_name(5, "default").unwrap(),
            chunk: Sectors(128),
            minor,
            data_offset: None,
            member_size: None,
            array_uuid: ArrayUuid([7; 16]),
            name: ArrayName([b'n'; 32]),
            creation_time: Timestamp::new(1_700_000_000, 5).unwrap(),
            consistency: Consistency::Clean,
        };
        let array = NewArray::new(blueprint, &[Sectors(9000); 3]).unwrap().with_bitmap().unwrap();
        let length = array.bitmap().unwrap().geometry.sectors();
        let first = array.superblock(MemberIndex(0), DeviceUuid([1; 16]), DeviceFlags::empty());
        let first = first.unwrap();
        let Err(JoinError::NoRoom { needs, .. }) =
            first.for_new_device(3, DeviceUuid([9; 16]), Sectors(1))
        else {
            panic!("{minor}: a sector is enough");
        };
        for size in needs.0..needs.0 + 300 {
            let new = first.for_new_device(3, DeviceUuid([9; 16]), Sectors(size)).unwrap();
            fits(&new, size);
            let area = new.bitmap_area(length).unwrap().unwrap();
            assert!(new.bad_block_area().unwrap().is_some());
            match minor {
                Minor::V1_0 => assert!(new.data_offset.0 + new.data_size.0 <= area.start.0),
                Minor::V1_1 | Minor::V1_2 => {
                    assert!(area.start.0 + area.length.0 <= new.data_offset.0);
                }
            }
        }
        let back = first.for_returning_device(1, &first).unwrap();
        assert_eq!(back.write_log, first.write_log);
    }
}

#[test]
fn numbers_that_somebody_may_bear_are_given_last() {
    let mut roles = member(Minor::V1_2, 9000).roles;
    assert_eq!(roles.free_number(3, |_| false), Some(3));
    assert_eq!(roles.free_number(3, |number| number == 3 || number == 4), Some(5));
    roles.fail(&[MemberIndex(1)].into_iter().collect());
    assert_eq!(roles.free_number(3, |_| false), Some(3));
    assert_eq!(roles.free_number(3, |number| number >= 3), Some(1));
    assert_eq!(roles.free_number(3, |_| true), None);
}
