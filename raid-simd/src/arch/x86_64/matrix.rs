//! Products with a constant as GFNI wants them.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "an index made of a u8 cannot pass the end of 256 entries, and an overflow in a table \
              computed at compile time does not compile"
)]

use crate::gf256::product_by_shifts;

/// A product with one constant as an 8 × 8 matrix of bits: the row for bit 0 of the product is the
/// highest byte.
pub(super) type Matrix = u64;

static MATRICES: [Matrix; 256] = matrices();

/// The matrices of doubling once and twice.
pub(super) const BY_2: Matrix = matrix_from_shifts(2);
pub(super) const BY_4: Matrix = matrix_from_shifts(4);

/// The matrix by which `constant` is multiplied with eight or more bytes at a time.
pub(super) fn matrix(constant: u8) -> Matrix {
    MATRICES[constant as usize]
}

const fn matrix_from_shifts(constant: u8) -> Matrix {
    let (mut matrix, mut bit) = (0, 0);
    while bit < 8 {
        let (mut row, mut column) = (0_u64, 0);
        while column < 8 {
            row |= (((product_by_shifts(constant, 1 << column) >> bit) & 1) as u64) << column;
            column += 1;
        }
        matrix |= row << (8 * (7 - bit));
        bit += 1;
    }
    matrix
}

const fn matrices() -> [Matrix; 256] {
    let mut matrices = [0; 256];
    let mut constant = 0;
    while constant < 256 {
        matrices[constant] = matrix_from_shifts(constant as u8);
        constant += 1;
    }
    matrices
}

#[cfg(test)]
mod tests {
    use super::{BY_2, BY_4};

    #[test]
    fn known_matrices() {
        assert_eq!((BY_2, BY_4), (0x8001_8284_8810_2040, 0x4080_41c2_c488_1020));
    }
}
