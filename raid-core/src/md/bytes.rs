//! The superblock as bytes: little-endian fields at fixed places, and the checksum over them.

/// Bytes in the area of a superblock. A superblock itself is shorter: 256 bytes and two for each
/// device number.
pub const SUPERBLOCK_BYTES: usize = 4096;

/// The area of one superblock, as it lies on a device.
pub type Block = [u8; SUPERBLOCK_BYTES];

/// Bytes before the list of roles.
pub(super) const HEADER_BYTES: usize = 256;

/// Most roles that the area has room for.
pub(super) const FORMAT_ROLES_MAX: u16 = 1920;

/// Where the checksum lies; it counts as zero in its own sum.
pub(super) const SB_CSUM: usize = 0xd8;

/// Where the number of roles lies.
pub(super) const MAX_DEV: usize = 0xdc;

const WORD_BYTES: usize = 4;

const _: () = assert!(HEADER_BYTES + 2 * 1920 == SUPERBLOCK_BYTES && FORMAT_ROLES_MAX == 1920);

/// The `N` bytes at `AT`.
pub(super) fn bytes_at<const AT: usize, const N: usize>(block: &Block) -> [u8; N] {
    const { assert!(AT + N <= SUPERBLOCK_BYTES) };
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(block.iter().skip(AT)) {
        *to = *from;
    }
    bytes
}

/// Replaces the bytes at `AT`.
pub(super) fn put<const AT: usize, const N: usize>(block: &mut Block, bytes: [u8; N]) {
    const { assert!(AT + N <= SUPERBLOCK_BYTES) };
    for (to, from) in block.iter_mut().skip(AT).zip(bytes) {
        *to = from;
    }
}

pub(super) fn u8_at<const AT: usize>(block: &Block) -> u8 {
    u8::from_le_bytes(bytes_at::<AT, 1>(block))
}

pub(super) fn u16_at<const AT: usize>(block: &Block) -> u16 {
    u16::from_le_bytes(bytes_at::<AT, 2>(block))
}

pub(super) fn u32_at<const AT: usize>(block: &Block) -> u32 {
    u32::from_le_bytes(bytes_at::<AT, 4>(block))
}

pub(super) fn u64_at<const AT: usize>(block: &Block) -> u64 {
    u64::from_le_bytes(bytes_at::<AT, 8>(block))
}

/// The list of roles as numbers, as many as `max_dev` says and the area holds.
pub(super) fn roles_of(block: &Block) -> impl Iterator<Item = u16> + Clone + '_ {
    let (pairs, _) = block.as_chunks::<2>();
    pairs
        .iter()
        .skip(HEADER_BYTES / 2)
        .map(|pair| u16::from_le_bytes(*pair))
        .take(usize::from(role_count(block)))
}

/// Replaces the list of roles; what it has no room for is dropped.
pub(super) fn put_roles(block: &mut Block, roles: impl Iterator<Item = u16>) {
    let (pairs, _) = block.as_chunks_mut::<2>();
    for (to, role) in pairs.iter_mut().skip(HEADER_BYTES / 2).zip(roles) {
        *to = role.to_le_bytes();
    }
}

/// The checksum that md expects in this block: the sum of all little-endian words of the
/// superblock, its own field counted as zero, folded to 32 bits. A `max_dev` beyond the area counts
/// as the most that fits.
#[must_use]
pub fn checksum(block: &Block) -> u32 {
    let length = HEADER_BYTES.saturating_add(usize::from(role_count(block)).saturating_mul(2));
    let (words, _) = block.as_chunks::<WORD_BYTES>();
    let sum = words.iter().take(length / WORD_BYTES).fold(0_u64, |sum, word| {
        // 1024 words of 32 bits cannot overflow 64.
        sum.wrapping_add(u64::from(u32::from_le_bytes(*word)))
    });
    // An odd number of roles ends in half a word.
    let last = match length % WORD_BYTES {
        0 => 0,
        _ => roles_of(block).last().map_or(0, u64::from),
    };
    let sum = sum.wrapping_add(last).wrapping_sub(u64::from(u32_at::<SB_CSUM>(block)));
    let [a, b, c, d, e, f, g, h] = sum.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]).wrapping_add(u32::from_le_bytes([e, f, g, h]))
}

fn role_count(block: &Block) -> u16 {
    u16::try_from(u32_at::<MAX_DEV>(block)).unwrap_or(FORMAT_ROLES_MAX).min(FORMAT_ROLES_MAX)
}
