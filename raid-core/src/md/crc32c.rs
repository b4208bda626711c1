//! CRC-32C, as the kernel's `crc32c` has it.

use crc::{CRC_32_ISCSI, Crc, Table};

/// 16 KiB of tables, shared by all: sixteen bytes a step, since every logged block is summed.
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// The state of a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Crc32c(u32);

impl Crc32c {
    /// The state before the first byte.
    pub(super) const START: Self = Self(u32::MAX);

    pub(super) fn update(self, bytes: &[u8]) -> Self {
        // The crate takes the state in the polynomial's bit order, and inverts what it gives out.
        let mut digest = CRC32C.digest_with_initial(self.0.reverse_bits());
        digest.update(bytes);
        Self(!digest.finalize())
    }

    /// The state, as the journal stores it.
    pub(super) const fn state(self) -> u32 {
        self.0
    }

    /// The state inverted, as the partial parity log stores it.
    pub(super) const fn inverted(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Crc32c;

    /// The check value of CRC-32/ISCSI, in one go and in two.
    #[test]
    fn check_value() {
        assert_eq!(Crc32c::START.update(b"123456789").inverted(), 0xe306_9283);
        let half = Crc32c::START.update(b"1234");
        assert_eq!(half.update(b"56789").inverted(), 0xe306_9283);
        assert_eq!(half.state(), !half.inverted());
        assert_eq!(half.update(b""), half);
    }
}
