//! Where parity agrees with the data and copies with each other, by plain algebra: nothing here is shared with
//! raid-simd.

use raid_core::geometry::{ChunkAddress, CopyGeometry, Geometry, ParityGeometry};
use raid_core::units::{ChunkIndex, DataIndex, Lba, MemberIndex, Sectors, StripeRow};

const SECTOR_WORDS: usize = 64;

/// A row, or for levels with copies a chunk, by number.
pub fn line_of(geometry: &Geometry, at: Lba) -> u64 {
    match geometry {
        Geometry::Parity(parity) => parity.map(at).expect("in the array").row.0,
        Geometry::Copies(copies) => copies.map(at).expect("in the array").chunk.0,
    }
}

pub fn lines(geometry: &Geometry) -> u64 {
    match geometry {
        Geometry::Parity(parity) => parity.rows(),
        Geometry::Copies(copies) => copies.chunks(),
    }
}

/// Whether a line agrees, as far as its sectors are known: `known` gives a sector of a member's data area.
pub fn agrees<'d>(
    geometry: &Geometry,
    line: u64,
    known: impl Fn(MemberIndex, u64) -> Option<&'d [u8]>,
) -> Result<(), String> {
    match geometry {
        Geometry::Parity(parity) => row_agrees(parity, StripeRow(line), known),
        Geometry::Copies(copies) => copies_agree(copies, ChunkIndex(line), known),
    }
}

fn row_agrees<'d>(
    geometry: &ParityGeometry,
    row: StripeRow,
    known: impl Fn(MemberIndex, u64) -> Option<&'d [u8]>,
) -> Result<(), String> {
    let roles = geometry.row(row);
    for offset in 0..geometry.chunk().0 {
        let at = geometry.member_sector(row, Sectors(offset)).expect("in the row").0;
        let (mut p, mut q) = ([0; SECTOR_WORDS], [0; SECTOR_WORDS]);
        let mut complete = Some(());
        for data in (0..roles.data_members()).map(DataIndex) {
            let Some(bytes) = known(roles.member(data).expect("a data block"), at) else {
                complete = None;
                break;
            };
            let exponent = roles.exponent(data).map_or(0, |exponent| exponent.0);
            for ((p, q), word) in p.iter_mut().zip(&mut q).zip(words(bytes)) {
                *p ^= word;
                *q ^= (0..exponent).fold(word, |word, _| doubled(word));
            }
        }
        if complete.is_none() {
            continue;
        }
        if known(roles.p(), at).is_some_and(|bytes| !words(bytes).eq(p)) {
            return Err(format!("P of row {} does not agree at sector {offset}", row.0));
        }
        let q_is = roles.q().and_then(|place| known(place, at));
        if q_is.is_some_and(|bytes| !words(bytes).eq(q)) {
            return Err(format!("Q of row {} does not agree at sector {offset}", row.0));
        }
    }
    Ok(())
}

fn copies_agree<'d>(
    geometry: &CopyGeometry,
    chunk: ChunkIndex,
    known: impl Fn(MemberIndex, u64) -> Option<&'d [u8]>,
) -> Result<(), String> {
    for offset in 0..geometry.chunk().0 {
        if geometry.unmap(ChunkAddress { chunk, offset: Sectors(offset) }).is_none() {
            break;
        }
        let mut copies = geometry.copy_places(chunk).into_iter().filter_map(|member| {
            let start = geometry.member_sector(chunk, member).expect("a copy lies there");
            known(member, start.0 + offset)
        });
        let Some(first) = copies.next() else { continue };
        if copies.any(|other| other != first) {
            return Err(format!("copies of chunk {} differ at sector {offset}", chunk.0));
        }
    }
    Ok(())
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
}

/// Eight products by two in GF(2^8) with the polynomial 0x11d.
const fn doubled(word: u64) -> u64 {
    let carries = (word >> 7) & 0x0101_0101_0101_0101;
    ((word & 0x7f7f_7f7f_7f7f_7f7f) << 1) ^ (carries * 0x1d)
}
