//! Superblocks that the Linux kernel wrote, and ways to spoil them.

#![allow(dead_code, reason = "each test binary uses its own part")]

use raid_core::md::{Block, SUPERBLOCK_BYTES, Superblock, checksum};
use raid_core::units::DeviceSector;

pub(crate) struct Fixture {
    pub(crate) name: &'static str,
    pub(crate) block: &'static Block,
    pub(crate) at: DeviceSector,
}

macro_rules! fixtures {
    ($($name:literal at $at:literal,)*) => {
        &[$(Fixture {
            name: $name,
            block: include_bytes!(concat!("../fixtures/superblocks/", $name, ".bin")),
            at: DeviceSector($at),
        }),*]
    };
}

/// Written by Linux 6.1 for arrays of its own making.
pub(crate) const KERNEL_MADE: &[Fixture] = fixtures![
    "level5-v1.0" at 1264,
    "level6-v1.1" at 0,
    "level5-v1.2" at 8,
    "level0" at 8,
    "level1" at 8,
    "level10-far" at 8,
    "reshape-grow" at 8,
    "reshape-shrink" at 8,
    "reshape-chunk" at 8,
    "failed-0" at 8,
    "failed-1" at 8,
    "failed-2" at 8,
    "failed-3" at 8,
    "recovering-0" at 8,
    "recovering-1" at 8,
    "recovering-2" at 8,
    "recovering-3" at 8,
    "spare-0" at 8,
    "spare-1" at 8,
    "spare-2" at 8,
    "spare-3" at 8,
    "journal-0" at 8,
    "journal-1" at 8,
    "journal-2" at 8,
    "journal-3" at 8,
    "ppl-0" at 8,
    "ppl-1" at 8,
    "ppl-2" at 8,
    "mirror-0" at 8,
    "mirror-1" at 8,
    "zones-0" at 8,
    "zones-1" at 8,
    "linear-0" at 8,
    "linear-1" at 8,
];

pub(crate) fn parse(name: &str) -> Superblock {
    let fixture = KERNEL_MADE.iter().find(|fixture| fixture.name == name).expect("a fixture");
    Superblock::parse(fixture.block, fixture.at).expect("what the kernel wrote")
}

pub(crate) fn zeroed() -> Block {
    [0; SUPERBLOCK_BYTES]
}

/// Mends the checksum.
pub(crate) fn sum(block: &mut Block) {
    let sum = checksum(block);
    block[0xd8..0xdc].copy_from_slice(&sum.to_le_bytes());
}

/// The block with some bytes replaced and the checksum mended.
pub(crate) fn set(block: &Block, offset: usize, bytes: &[u8]) -> Block {
    let mut block = *block;
    block[offset..offset + bytes.len()].copy_from_slice(bytes);
    sum(&mut block);
    block
}
