//! Every field of a superblock under its md name, as it lies there: also those that mean nothing at the moment, which
//! the parsed superblock leaves out.

use crate::superblocks::Found;
use raid_core::md::{ArrayName, ArrayUuid, Block, DeviceUuid, Timestamp};
use serde_json::{Map, Number, Value};

/// How the bytes of a field are to be read.
#[derive(Clone, Copy)]
enum Kind {
    U8,
    U16,
    U32,
    I32,
    U64,
    /// A time, given in seconds.
    Seconds,
    Uuid,
    DeviceUuid,
    Name,
}

/// Names, offsets and kinds as in the kernel's `md_p.h`.
const FIELDS: [(&str, usize, Kind); 37] = [
    ("magic", 0x00, Kind::U32),
    ("major_version", 0x04, Kind::U32),
    ("feature_map", 0x08, Kind::U32),
    ("set_uuid", 0x10, Kind::Uuid),
    ("set_name", 0x20, Kind::Name),
    ("ctime", 0x40, Kind::Seconds),
    ("level", 0x48, Kind::I32),
    ("layout", 0x4c, Kind::U32),
    ("size", 0x50, Kind::U64),
    ("chunksize", 0x58, Kind::U32),
    ("raid_disks", 0x5c, Kind::U32),
    ("bitmap_offset", 0x60, Kind::I32),
    ("new_level", 0x64, Kind::I32),
    ("reshape_position", 0x68, Kind::U64),
    ("delta_disks", 0x70, Kind::I32),
    ("new_layout", 0x74, Kind::U32),
    ("new_chunk", 0x78, Kind::U32),
    ("new_offset", 0x7c, Kind::I32),
    ("data_offset", 0x80, Kind::U64),
    ("data_size", 0x88, Kind::U64),
    ("super_offset", 0x90, Kind::U64),
    ("recovery_offset", 0x98, Kind::U64),
    ("dev_number", 0xa0, Kind::U32),
    ("cnt_corrected_read", 0xa4, Kind::U32),
    ("device_uuid", 0xa8, Kind::DeviceUuid),
    ("devflags", 0xb8, Kind::U8),
    ("bblog_shift", 0xb9, Kind::U8),
    ("bblog_size", 0xba, Kind::U16),
    ("bblog_offset", 0xbc, Kind::I32),
    ("utime", 0xc0, Kind::Seconds),
    ("events", 0xc8, Kind::U64),
    ("resync_offset", 0xd0, Kind::U64),
    ("sb_csum", 0xd8, Kind::U32),
    ("max_dev", 0xdc, Kind::U32),
    ("logical_block_size", 0xe0, Kind::U32),
    ("ppl.offset", 0x60, Kind::U16),
    ("ppl.size", 0x62, Kind::U16),
];

const ROLES: usize = 0x100;

/// All fields, and the minor version.
pub(super) fn all(found: &Found) -> Map<String, Value> {
    let mut fields: Map<String, Value> = FIELDS
        .iter()
        .map(|(name, at, kind)| (String::from(*name), value(&found.block, *at, *kind)))
        .collect();
    let count = usize::from(found.superblock.roles.count());
    let roles = found.block.get(ROLES..).unwrap_or_default().as_chunks::<2>().0;
    let roles = roles.iter().take(count).map(|role| Value::from(u16::from_le_bytes(*role)));
    fields.insert(String::from("dev_roles"), roles.collect());
    let minor = found.superblock.minor().to_string();
    fields.insert(String::from("version"), Value::from(minor));
    fields
}

fn value(block: &Block, at: usize, kind: Kind) -> Value {
    match kind {
        Kind::U8 => number(u8::from_le_bytes(bytes(block, at))),
        Kind::U16 => number(u16::from_le_bytes(bytes(block, at))),
        Kind::U32 => number(u32::from_le_bytes(bytes(block, at))),
        Kind::I32 => number(i32::from_le_bytes(bytes(block, at))),
        Kind::U64 => number(u64::from_le_bytes(bytes(block, at))),
        Kind::Seconds => {
            let [a, b, c, d, e, ..] = bytes::<8>(block, at);
            let seconds = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]);
            number(Timestamp::new(seconds, 0).unwrap_or_default().seconds())
        }
        Kind::Uuid => Value::from(ArrayUuid(bytes(block, at)).to_string()),
        Kind::DeviceUuid => Value::from(DeviceUuid(bytes(block, at)).to_string()),
        Kind::Name => Value::from(ArrayName(bytes(block, at)).to_string()),
    }
}

fn number(number: impl Into<Number>) -> Value {
    Value::Number(number.into())
}

fn bytes<const N: usize>(block: &Block, at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(block.iter().skip(at)).for_each(|(to, from)| *to = *from);
    bytes
}
