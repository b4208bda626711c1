//! Superblocks: any bytes are read or refused, and what was read survives being written.

use raid_core::md::{Block, SUPERBLOCK_BYTES, Superblock, checksum};
use raid_core::units::DeviceSector;

const CHECKSUM_AT: usize = 0xd8;
const SUPER_OFFSET_AT: usize = 0x90;
const MAGIC_AND_MAJOR: [u8; 8] = [0xfc, 0x4e, 0x2b, 0xa9, 1, 0, 0, 0];

/// The bytes as they are, and then with magic, version and checksum in order, so that what is behind those is
/// reached.
pub fn run(bytes: &[u8]) {
    let mut block: Block = [0; SUPERBLOCK_BYTES];
    for (to, from) in block.iter_mut().zip(bytes) {
        *to = *from;
    }
    round_trip(&block);
    block[..8].copy_from_slice(&MAGIC_AND_MAJOR);
    let sum = checksum(&block);
    block[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&sum.to_le_bytes());
    round_trip(&block);
}

fn round_trip(block: &Block) {
    let own_place = DeviceSector(u64::from_le_bytes(
        block[SUPER_OFFSET_AT..SUPER_OFFSET_AT + 8].try_into().expect("eight bytes"),
    ));
    for found_at in [DeviceSector(0), DeviceSector(8), own_place] {
        let Ok(superblock) = Superblock::parse(block, found_at) else { continue };
        // Over the block that it came from, as a keeper does it, and over a fresh one.
        for mut target in [*block, [0; SUPERBLOCK_BYTES]] {
            superblock.encode(&mut target);
            let again = Superblock::parse(&target, found_at);
            assert_eq!(again.as_ref(), Ok(&superblock), "what is written is what is read");
        }
    }
}
