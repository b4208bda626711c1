//! Journals: a scan of any blocks ends, and what it says to copy stays within the members.

use raid_core::geometry::{Geometry, Layout, ParityGeometry, Raid5Layout, Raid6Layout, Shape};
use raid_core::md::journal::{
    Journal, JournalMemory, JournalScan, JournalSector, JournalSeed, LoggedBlock, MetaBlock,
    MetaError,
};
use raid_core::md::{ArrayUuid, Block, SUPERBLOCK_BYTES};
use raid_core::units::{DeviceSector, Sectors};

const BLOCKS: usize = 8;
const MEMBER_SECTORS: u64 = 64;
const MEMORY: usize = 6;

/// Far more than there are blocks to read and to copy.
const STEPS_MAX: usize = 10_000;

/// The bytes are spread over the blocks; then the same with magic, version, place and checksum of each block in order,
/// and all sequence numbers in a row, so that what is behind those is reached; then the first of these, and nothing but
/// zeros behind it, whose checksum payloads of the corpus have.
pub fn run(bytes: &[u8]) {
    let mut ring = [[0; SUPERBLOCK_BYTES]; BLOCKS];
    for (block, part) in ring.iter_mut().zip(bytes.chunks(bytes.len().div_ceil(BLOCKS).max(1))) {
        for (to, from) in block.iter_mut().zip(part) {
            *to = *from;
        }
    }
    scan(&ring);
    for (number, block) in (0_u64..).zip(&mut ring) {
        block[..4].copy_from_slice(&0x6433_c509_u32.to_le_bytes());
        block[8] = 1;
        block[16..24].copy_from_slice(&number.to_le_bytes());
        block[24..32].copy_from_slice(&(number * 8).to_le_bytes());
        // The meta block of a write has a size that means something.
        block[14..16].fill(0);
        block[13] &= 0x1f;
        block[4..8].fill(0);
        if let Err(MetaError::Checksum { expected, .. }) = MetaBlock::parse(block, seed()) {
            block[4..8].copy_from_slice(&expected.to_le_bytes());
        }
    }
    scan(&ring);
    ring[1..].fill([0; SUPERBLOCK_BYTES]);
    scan(&ring);
}

fn seed() -> JournalSeed {
    JournalSeed::of(ArrayUuid([0x5a; 16]))
}

fn geometry(layout: Layout, members: u8) -> ParityGeometry {
    let shape = Shape { layout, members, chunk: Sectors(16), member_size: Sectors(MEMBER_SECTORS) };
    match Geometry::new(shape) {
        Ok(Geometry::Parity(geometry)) => geometry,
        Ok(Geometry::Copies(_)) | Err(_) => unreachable!("a level with parity, of enough members"),
    }
}

fn scan(ring: &[Block; BLOCKS]) {
    let size = Sectors(8 * BLOCKS as u64);
    let journal = Journal::new(DeviceSector(0), size, seed()).expect("large enough");
    let level5 = geometry(Layout::Raid5(Raid5Layout::LeftSymmetric), 3);
    let level6 = geometry(Layout::Raid6(Raid6Layout::LeftSymmetric), 5);
    for geometry in [level5, level6] {
        let (mut meta, mut blocks) = ([0; SUPERBLOCK_BYTES], [LoggedBlock::BLANK; MEMORY]);
        let memory = JournalMemory { meta: &mut meta, blocks: &mut blocks };
        let mut scan = JournalScan::begin(journal, JournalSector::ZERO, &geometry, memory);
        let block = |at: JournalSector| &ring[at.offset().0 as usize / 8];
        for step in 0.. {
            assert!(step < STEPS_MAX, "the scan does not end");
            scan = match scan {
                JournalScan::ReadMeta(read) => {
                    let at = read.position();
                    read.feed(block(at))
                }
                JournalScan::Verify(verify) => {
                    let at = verify.position();
                    verify.feed(block(at))
                }
                JournalScan::Copy(copy) => {
                    let LoggedBlock { member, address, source } = copy.block();
                    assert!(member.0 < geometry.members() && address.0 + 8 <= MEMBER_SECTORS);
                    assert!(block(source).len() == SUPERBLOCK_BYTES);
                    copy.done()
                }
                JournalScan::End(end) => {
                    assert!(end.cached.len() <= MEMORY);
                    break;
                }
                JournalScan::Refused(_) => break,
            };
        }
    }
}
