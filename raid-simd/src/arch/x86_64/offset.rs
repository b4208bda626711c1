//! The trick by which a doubling costs an addition, a shuffle and an exclusive or.

use crate::gf256;

/// What running sums for Q are offset by.
///
/// A shuffle of the constant 0x1d by `q` gives 0 where bit 7 of `q` is set and 0x1d elsewhere: the
/// reduction turned upside down, that is `2q + 0x1d` from one addition, one shuffle and one
/// exclusive or. With `q` kept as `q + o` it gives `2q + 2o + 0x1d`, which is `2q + o` for
/// `o = 0x1d / 3`.
pub(super) const OFFSET: i8 = {
    let mut offset = 0_u8;
    while gf256::product_by_shifts(offset, 3) != gf256::REDUCTION {
        offset = offset.wrapping_add(1);
    }
    offset.cast_signed()
};
