//! Bad-block logs: any bytes are read or refused, and what was read survives being changed and written.

use raid_core::md::{
    BAD_BLOCKS_MAX, BadBlockEntry, BadBlockList, BadBlockLog, BadBlockRange, BadBlocks, Block,
    SUPERBLOCK_BYTES,
};
use raid_core::units::{DeviceSector, Sectors};

/// The first 16 bytes say where the log lies and which range is added and cleared, the rest is the log.
pub fn run(bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_first_chunk::<16>() else { return };
    let [shift, sectors, low, high, ..] = *head;
    let log = BadBlockLog { offset: 0, sectors: sectors.into(), shift, entries: BadBlocks::Listed };
    let (_, start) = head.split_last_chunk::<8>().expect("eight of sixteen bytes");
    let range = BadBlockRange {
        start: DeviceSector(u64::from_le_bytes(*start) >> (high % 64)),
        length: Sectors(u64::from(u16::from_le_bytes([low, high])) + 1),
    };
    let mut block: Block = [0xff; SUPERBLOCK_BYTES];
    for (to, from) in block.iter_mut().zip(rest) {
        *to = *from;
    }
    let mut memory = [BadBlockEntry::EMPTY; BAD_BLOCKS_MAX];
    let Ok(mut list) = BadBlockList::decode(&log, &block, &mut memory) else { return };
    survives(&log, &mut list);
    if list.add(range).is_ok() {
        let bad = list.overlaps(range).expect("it has been added");
        assert!(bad.start <= range.start, "from its first sector on");
        survives(&log, &mut list);
    }
    if list.clear(range).is_ok() && shift == 0 {
        assert_eq!(list.overlaps(range), None);
    }
    survives(&log, &mut list);
    list.acknowledge().expect("just encoded");
    assert_eq!(list.unacknowledged().count(), 0);
    survives(&log, &mut list);
}

/// Sorted, without overlap, and the same when it has been written and read.
fn survives(log: &BadBlockLog, list: &mut BadBlockList<'_>) {
    let mut end = 0;
    for range in list.iter() {
        assert!(range.start.0 >= end && range.length != Sectors::ZERO);
        end = range.start.0 + range.length.0;
    }
    let mut block = [0; SUPERBLOCK_BYTES];
    list.encode(&mut block);
    let mut memory = [BadBlockEntry::EMPTY; BAD_BLOCKS_MAX];
    let again = BadBlockList::decode(log, &block, &mut memory).expect("what is written is read");
    assert!(again.iter().eq(list.iter()), "what is written is what is read");
}
