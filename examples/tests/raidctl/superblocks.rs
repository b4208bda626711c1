//! Superblocks whose fields are set to whatever a broken or malicious device may say.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(crate) const BYTES: usize = 4096;

/// Where a 1.2 superblock lies.
const AT: u64 = 4096;

const CHECKSUM: usize = 0xd8;
const MAX_DEV: usize = 0xdc;

/// Offset and length of each field.
pub(crate) const FIELDS: [(usize, usize); 40] = [
    (0x00, 4),
    (0x04, 4),
    (0x08, 4),
    (0x0c, 4),
    (0x10, 8),
    (0x20, 8),
    (0x40, 8),
    (0x48, 4),
    (0x4c, 4),
    (0x50, 8),
    (0x58, 4),
    (0x5c, 4),
    (0x60, 4),
    (0x64, 4),
    (0x68, 8),
    (0x70, 4),
    (0x74, 4),
    (0x78, 4),
    (0x7c, 4),
    (0x80, 8),
    (0x88, 8),
    (0x90, 8),
    (0x98, 8),
    (0xa0, 4),
    (0xa4, 4),
    (0xa8, 8),
    (0xb8, 1),
    (0xb9, 1),
    (0xba, 2),
    (0xbc, 4),
    (0xc0, 8),
    (0xc8, 8),
    (0xd0, 8),
    (0xdc, 4),
    (0xe0, 4),
    (0xe4, 4),
    (0x100, 2),
    (0x102, 2),
    (0x104, 2),
    (0x1fe, 2),
];

pub(crate) fn read(image: &Path) -> [u8; BYTES] {
    let mut block = [0; BYTES];
    OpenOptions::new().read(true).open(image).unwrap().read_exact_at(&mut block, AT).unwrap();
    block
}

pub(crate) fn write(image: &Path, block: &[u8; BYTES]) {
    OpenOptions::new().write(true).open(image).unwrap().write_all_at(block, AT).unwrap();
}

/// The superblock with other bytes at `at`, and the checksum that md computes.
pub(crate) fn with(block: &[u8; BYTES], at: usize, bytes: &[u8]) -> [u8; BYTES] {
    let mut block = *block;
    block[at..at + bytes.len()].copy_from_slice(bytes);
    let sum = checksum(&block);
    block[CHECKSUM..CHECKSUM + 4].copy_from_slice(&sum.to_le_bytes());
    block
}

fn checksum(block: &[u8; BYTES]) -> u32 {
    let roles = u32::from_le_bytes(block[MAX_DEV..MAX_DEV + 4].try_into().unwrap());
    let length = (256 + 2 * roles as usize).min(BYTES);
    let mut sum = 0_u64;
    for (at, word) in block[..length].chunks(4).enumerate() {
        let mut bytes = [0; 4];
        bytes[..word.len()].copy_from_slice(word);
        if at != CHECKSUM / 4 {
            sum += u64::from(u32::from_le_bytes(bytes));
        }
    }
    (sum as u32).wrapping_add((sum >> 32) as u32)
}

/// Values at the edges of what a field can hold.
pub(crate) fn extremes(length: usize) -> Vec<Vec<u8>> {
    let values: [u64; 5] = [0, 1, 1 << 7, 1 << 15, u64::MAX];
    let mut extremes: Vec<_> =
        values.iter().map(|value| value.to_le_bytes()[..length].to_vec()).collect();
    extremes.push([vec![0xff; length - 1], vec![0x7f]].concat());
    extremes.push([vec![0; length - 1], vec![0x80]].concat());
    extremes.sort();
    extremes.dedup();
    extremes
}
