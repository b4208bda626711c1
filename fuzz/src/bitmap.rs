//! Bitmaps: any page is read or refused, and what was read survives being written, bits and all.

use raid_core::md::{BitRange, BitmapSuperblock, Block, SUPERBLOCK_BYTES};

const MAGIC_AND_VERSION: [u8; 8] = [0x62, 0x69, 0x74, 0x6d, 4, 0, 0, 0];
const HEADER_BYTES: usize = 256;

/// The bytes as they are, and then with magic and version in order, so that what is behind those is reached.
pub fn run(bytes: &[u8]) {
    let mut page: Block = [0; SUPERBLOCK_BYTES];
    for (to, from) in page.iter_mut().zip(bytes) {
        *to = *from;
    }
    round_trip(&page);
    page[..8].copy_from_slice(&MAGIC_AND_VERSION);
    round_trip(&page);
}

fn round_trip(page: &Block) {
    let Ok(superblock) = BitmapSuperblock::parse(page) else { return };
    let mut target = *page;
    superblock.encode(&mut target);
    assert!(target == *page, "nothing changes what was read");
    let mut target = [0; SUPERBLOCK_BYTES];
    superblock.encode(&mut target);
    assert_eq!(BitmapSuperblock::parse(&target), Ok(superblock), "what is written is what is read");

    let geometry = superblock.geometry;
    for index in [0, 1, geometry.pages() - 1, superblock.events] {
        let old = geometry.page(index, page);
        let mut bytes = [0; SUPERBLOCK_BYTES];
        let mut new = geometry.page_mut(index, &mut bytes);
        for range in old.ranges(geometry.all()) {
            new.set(range);
            let (start, length) = geometry.sectors_under(range);
            assert_eq!(geometry.bits_over(start, length), range);
        }
        assert_eq!(new.count(), old.count());
        new.clear(geometry.all());
        new.set(BitRange { first: superblock.events, end: superblock.events_cleared });
        new.clear(BitRange { first: 0, end: u64::MAX });
        assert!(bytes == [0; SUPERBLOCK_BYTES], "no bit but the page's own is touched");
    }
    assert!(geometry.pages() > 1 || geometry.sectors().0 * 512 > HEADER_BYTES as u64);
}
