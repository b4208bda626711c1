//! Partial parity logs: any header is read or refused, and what it says to do stays within the array and the log.

use raid_core::geometry::{Geometry, Layout, ParityGeometry, Raid5Layout, Shape};
use raid_core::md::ppl::{PplError, PplHeader, PplSignature};
use raid_core::md::{ArrayUuid, Block, SUPERBLOCK_BYTES};
use raid_core::units::{MemberIndex, Sectors};

const SIGNATURE_AT: usize = 512;
const CHECKSUM_AT: usize = 532;
const MEMBERS: u8 = 4;
const ROWS: u64 = 64;
const CHUNK: Sectors = Sectors(32);

/// The bytes as they are, and then with signature and checksum in order, so that what is behind those is reached.
pub fn run(bytes: &[u8]) {
    let mut block: Block = [0; SUPERBLOCK_BYTES];
    for (to, from) in block.iter_mut().zip(bytes) {
        *to = *from;
    }
    answer(&block);
    // Two refusals say what would be right: the signature of a fresh header, and the checksum.
    block[SIGNATURE_AT..SIGNATURE_AT + 4].copy_from_slice(&signature_bytes());
    block[CHECKSUM_AT..CHECKSUM_AT + 4].fill(0);
    if let Err(PplError::Checksum { expected, .. }) = parse(&block) {
        block[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&expected.to_le_bytes());
    }
    answer(&block);
}

fn signature() -> PplSignature {
    PplSignature::of(ArrayUuid([0x5a; 16]))
}

fn signature_bytes() -> [u8; 4] {
    let mut block: Block = [0; SUPERBLOCK_BYTES];
    let (geometry, holder) = (geometry(), MemberIndex(0));
    let batch =
        raid_core::md::ppl::PplBatch::begin(&mut block, signature(), 0, &geometry, holder, CHUNK);
    let _ = batch.finish();
    block[SIGNATURE_AT..SIGNATURE_AT + 4].try_into().expect("four bytes")
}

fn parse(block: &Block) -> Result<PplHeader<'_>, PplError> {
    PplHeader::parse(block, signature(), Sectors(2048))
}

fn geometry() -> ParityGeometry {
    let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
    let member_size = Sectors(CHUNK.0 * ROWS);
    match Geometry::new(Shape { layout, members: MEMBERS, chunk: CHUNK, member_size }) {
        Ok(Geometry::Parity(geometry)) => geometry,
        Ok(Geometry::Copies(_)) | Err(_) => unreachable!("level 5 of four members"),
    }
}

fn answer(block: &Block) {
    let Ok(header) = parse(block) else { return };
    assert!(header.length() <= Sectors(2048));
    let geometry = geometry();
    for entry in header.entries() {
        for holder in 0..MEMBERS {
            let Ok(pieces) = entry.replay(&geometry, MemberIndex(holder)) else { continue };
            let mut written = 0;
            for piece in pieces {
                assert!(
                    piece.row.0 < ROWS && piece.offset.0 + piece.sectors.0 <= CHUNK.0,
                    "{piece:?}"
                );
                assert!(
                    piece.parity == MemberIndex(holder) && !piece.modified.contains(piece.parity)
                );
                if let Some(at) = piece.partial_parity {
                    assert!(at.0 >= 8 && at.0 + piece.sectors.0 <= header.length().0, "{piece:?}");
                }
                written += piece.sectors.0 * u64::from(piece.modified.count());
            }
            assert_eq!(written, entry.data.0, "every written sector once: {entry:?}");
        }
    }
}
