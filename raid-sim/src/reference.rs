//! What rows and copies have to hold, by plain algebra.
//!
//! Multiplication in GF(2^8) is done bit by bit, as the definition says; nothing here is shared
//! with raid-simd.

use std::sync::OnceLock;

use raid_core::geometry::{ChunkAddress, CopyGeometry, Geometry, ParityGeometry, Row, RowAddress};
use raid_core::units::{ChunkIndex, DataIndex, Lba, MemberIndex, Sectors, StripeRow};

use crate::medium::{SECTOR, index};

/// The product in GF(2^8) with the polynomial 0x11d.
#[must_use]
pub const fn multiply(a: u8, b: u8) -> u8 {
    let (mut product, mut a, mut b) = (0, a, b);
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        let carry = a & 0x80 != 0;
        a <<= 1;
        if carry {
            a ^= 0x1d;
        }
        b >>= 1;
    }
    product
}

/// Two to the power of an exponent.
#[must_use]
pub const fn power(exponent: u8) -> u8 {
    let (mut power, mut left) = (1, exponent);
    while left > 0 {
        power = multiply(power, 2);
        left -= 1;
    }
    power
}

/// What times `a` is one. There is no such number for zero.
#[must_use]
pub fn inverse(a: u8) -> u8 {
    (1..=u8::MAX).find(|b| multiply(a, *b) == 1).expect("zero has no inverse")
}

/// Products by a coefficient, looked up; the table is made by [`multiply`].
fn row_of_products(coefficient: u8) -> &'static [u8; 256] {
    static TABLE: OnceLock<Vec<[u8; 256]>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        (0..=u8::MAX)
            .map(|a| core::array::from_fn(|b| multiply(a, u8::try_from(b).unwrap_or(0))))
            .collect()
    });
    &table[usize::from(coefficient)]
}

/// The sum of blocks, each times its coefficient.
#[must_use]
pub fn sum(blocks: &[(u8, &[u8])]) -> Vec<u8> {
    let length = blocks.first().map_or(0, |(_, block)| block.len());
    let mut sum = vec![0; length];
    for (coefficient, block) in blocks {
        let products = row_of_products(*coefficient);
        for (byte, from) in sum.iter_mut().zip(*block) {
            *byte ^= products[usize::from(*from)];
        }
    }
    sum
}

/// Blocks that cannot be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The array address of the first.
    pub at: Lba,
}

/// Members' data areas as they have to be for this content of the array. Bytes that belong to no
/// block are zero.
#[must_use]
pub fn lay_out(geometry: &Geometry, content: &[u8], member_sectors: u64) -> Vec<Vec<u8>> {
    let empty = vec![0; index(member_sectors) * SECTOR];
    let mut members = vec![empty; usize::from(geometry.members())];
    match geometry {
        Geometry::Parity(geometry) => {
            for row in (0..geometry.rows()).map(StripeRow) {
                let data = row_content(geometry, row, content);
                let [p, q] = parity_of(geometry, row, &data);
                let at = block_range(geometry, row);
                let roles = geometry.row(row);
                for (number, block) in data.iter().enumerate() {
                    let member = roles.member(data_index(number)).expect("a data block");
                    members[member.index()][at.clone()].copy_from_slice(block);
                }
                members[roles.p().index()][at.clone()].copy_from_slice(&p);
                if let Some(place) = roles.q() {
                    members[place.index()][at].copy_from_slice(&q);
                }
            }
        }
        Geometry::Copies(geometry) => {
            for chunk in (0..geometry.chunks()).map(ChunkIndex) {
                let (from, length) = chunk_content(geometry, chunk, content.len());
                for place in geometry.copy_places(chunk) {
                    let at = copy_start(geometry, chunk, place);
                    members[place.index()][at..at + length]
                        .copy_from_slice(&content[from..from + length]);
                }
            }
        }
    }
    members
}

/// The content of the array from these data areas, `None` standing for a lost member.
///
/// # Errors
/// The first block that cannot be known.
pub fn content(geometry: &Geometry, members: &[Option<&[u8]>]) -> Result<Vec<u8>, Lost> {
    let mut content = vec![0; geometry.size().memory_bytes().expect("fits into memory")];
    match geometry {
        Geometry::Parity(geometry) => {
            let chunk = geometry.chunk().memory_bytes().expect("fits into memory");
            let width = chunk * usize::from(geometry.data_members());
            for row in (0..geometry.rows()).map(StripeRow) {
                let data = solve(geometry, row, members).ok_or_else(|| {
                    let first = RowAddress { row, data: DataIndex(0), offset: Sectors::ZERO };
                    Lost { at: geometry.unmap(first).expect("in the array") }
                })?;
                for (number, block) in data.iter().enumerate() {
                    let at = index(row.0) * width + number * chunk;
                    content[at..at + chunk].copy_from_slice(block);
                }
            }
        }
        Geometry::Copies(geometry) => {
            for chunk in (0..geometry.chunks()).map(ChunkIndex) {
                let (to, length) = chunk_content(geometry, chunk, content.len());
                let copy = geometry.copy_places(chunk).into_iter().find_map(|place| {
                    let at = copy_start(geometry, chunk, place);
                    members[place.index()].map(|member| &member[at..at + length])
                });
                let copy = copy.ok_or_else(|| {
                    let first = ChunkAddress { chunk, offset: Sectors::ZERO };
                    Lost { at: geometry.unmap(first).expect("in the array") }
                })?;
                content[to..to + length].copy_from_slice(copy);
            }
        }
    }
    Ok(content)
}

/// Names every row whose parity, and every chunk whose copies, do not fit `content` on the members
/// that are there.
#[must_use]
pub fn disagreements(
    geometry: &Geometry,
    content: &[u8],
    members: &[Option<&[u8]>],
    member_sectors: u64,
) -> Vec<String> {
    let wanted = lay_out(geometry, content, member_sectors);
    let mut found = Vec::new();
    for (place, (member, wanted)) in members.iter().zip(&wanted).enumerate() {
        let Some(member) = member else { continue };
        for (sector, (is, wanted)) in member.chunks(SECTOR).zip(wanted.chunks(SECTOR)).enumerate() {
            if is != wanted {
                found.push(format!("member {place}, sector {sector} of its data"));
            }
        }
    }
    found
}

/// The data blocks of a row, the lost ones solved for; `None` if too many are lost.
fn solve(
    geometry: &ParityGeometry,
    row: StripeRow,
    members: &[Option<&[u8]>],
) -> Option<Vec<Vec<u8>>> {
    let roles = geometry.row(row);
    let at = block_range(geometry, row);
    let block = |place: MemberIndex| members[place.index()].map(|member| &member[at.clone()]);
    let data: Vec<Option<&[u8]>> = (0..roles.data_members())
        .map(|number| block(roles.member(DataIndex(number)).expect("a data block")))
        .collect();
    let lost: Vec<usize> = (0..data.len()).filter(|number| data[*number].is_none()).collect();
    let mut solved: Vec<Vec<u8>> =
        data.iter().map(|block| block.map_or(Vec::new(), <[u8]>::to_vec)).collect();
    let known = |coefficient: &dyn Fn(usize) -> u8| -> Vec<(u8, &[u8])> {
        data.iter()
            .enumerate()
            .filter_map(|(number, block)| Some((coefficient(number), (*block)?)))
            .collect()
    };
    let weight = |number: usize| weight(roles, number);
    let p = block(roles.p());
    let q = roles.q().and_then(block);
    match (lost.as_slice(), p, q) {
        ([], ..) => {}
        ([x], Some(p), _) => {
            let mut terms = known(&|_| 1);
            terms.push((1, p));
            solved[*x] = sum(&terms);
        }
        ([x], None, Some(q)) => {
            let mut terms = known(&weight);
            terms.push((1, q));
            solved[*x] = sum(&[(inverse(weight(*x)), &sum(&terms))]);
        }
        ([x, y], Some(p), Some(q)) => {
            // X + Y = p, wx·X + wy·Y = q, so (wx + wy)·X = wy·p + q.
            let mut terms = known(&|_| 1);
            terms.push((1, p));
            let p = sum(&terms);
            let mut terms = known(&weight);
            terms.push((1, q));
            let q = sum(&terms);
            let scale = inverse(weight(*x) ^ weight(*y));
            solved[*x] = sum(&[(multiply(scale, weight(*y)), p.as_slice()), (scale, q.as_slice())]);
            solved[*y] = sum(&[(1, p.as_slice()), (1, solved[*x].clone().as_slice())]);
        }
        (_, _, _) => return None,
    }
    Some(solved)
}

fn parity_of(geometry: &ParityGeometry, row: StripeRow, data: &[&[u8]]) -> [Vec<u8>; 2] {
    let roles = geometry.row(row);
    let plain: Vec<(u8, &[u8])> = data.iter().map(|block| (1, *block)).collect();
    let weighted: Vec<(u8, &[u8])> = data
        .iter()
        .enumerate()
        .map(|(number, block)| {
            (if roles.q().is_some() { weight(roles, number) } else { 0 }, *block)
        })
        .collect();
    [sum(&plain), sum(&weighted)]
}

fn weight(roles: Row, number: usize) -> u8 {
    power(roles.exponent(data_index(number)).expect("the level has Q").0)
}

fn data_index(number: usize) -> DataIndex {
    DataIndex(u8::try_from(number).expect("at most 255 members"))
}

fn row_content<'c>(geometry: &ParityGeometry, row: StripeRow, content: &'c [u8]) -> Vec<&'c [u8]> {
    let chunk = geometry.chunk().memory_bytes().expect("fits into memory");
    let width = chunk * usize::from(geometry.data_members());
    content[index(row.0) * width..][..width].chunks(chunk).collect()
}

fn block_range(geometry: &ParityGeometry, row: StripeRow) -> core::ops::Range<usize> {
    let start = geometry.member_sector(row, Sectors::ZERO).expect("in the array");
    let start = index(start.0) * SECTOR;
    start..start + geometry.chunk().memory_bytes().expect("fits into memory")
}

fn chunk_content(geometry: &CopyGeometry, chunk: ChunkIndex, size: usize) -> (usize, usize) {
    let length = geometry.chunk().memory_bytes().expect("fits into memory");
    let from = index(chunk.0) * length;
    (from, length.min(size - from))
}

fn copy_start(geometry: &CopyGeometry, chunk: ChunkIndex, place: MemberIndex) -> usize {
    index(geometry.member_sector(chunk, place).expect("a copy").0) * SECTOR
}
