//! GF(2⁸) as RAID 6 uses it: bytes, polynomial x⁸ + x⁴ + x³ + x² + 1 (0x11d), generator 2.
//!
//! Addition is exclusive or. The tables are computed at compile time: 8.5 KiB.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "an index made of a u8 or a nibble cannot pass the end of 256 or 16 entries, and an \
              overflow in a table computed at compile time does not compile"
)]

use crate::Exponent;

/// The polynomial without its x⁸: what is added when a bit leaves at the top.
pub(crate) const REDUCTION: u8 = 0x1d;

/// Elements other than zero, which is also the order of the generator 2.
const ORDER: u8 = 255;

/// The products of one constant with each low nibble, and with each high nibble.
pub(crate) type Nibbles = [[u8; 16]; 2];

static NIBBLES: [Nibbles; 256] = nibble_tables();
static POWERS: [u8; 255] = POWERS_AND_LOGS.0;
static LOGS: [u8; 256] = POWERS_AND_LOGS.1;
const POWERS_AND_LOGS: ([u8; 255], [u8; 256]) = power_and_log_tables();

/// `2 · a`.
#[must_use]
pub const fn double(a: u8) -> u8 {
    let carry = if a & 0x80 == 0 { 0 } else { REDUCTION };
    (a << 1) ^ carry
}

/// `a · b`.
#[must_use]
pub fn product(a: u8, b: u8) -> u8 {
    let [low, high] = nibbles(a);
    low[(b & 15) as usize] ^ high[(b >> 4) as usize]
}

/// `1 / a`, or `None` for 0.
#[must_use]
pub fn inverse(a: u8) -> Option<u8> {
    Some(power_inverse(log(a)?))
}

/// `2^exponent`.
#[must_use]
pub fn power(exponent: Exponent) -> u8 {
    POWERS[exponent.index()]
}

/// `1 / 2^exponent`.
#[must_use]
pub fn power_inverse(exponent: Exponent) -> u8 {
    POWERS[((ORDER - exponent.get()) % ORDER) as usize]
}

/// The exponent that gives `a`, or `None` for 0.
#[must_use]
pub fn log(a: u8) -> Option<Exponent> {
    if a == 0 { None } else { Exponent::new(LOGS[a as usize]) }
}

/// The exponent of `2^numerator / 2^denominator`.
#[must_use]
pub fn log_quotient(numerator: Exponent, denominator: Exponent) -> Exponent {
    let (above, below) = (numerator.get(), denominator.get());
    let difference = if above >= below { above - below } else { ORDER - (below - above) };
    // Always below the order.
    Exponent::new(difference).unwrap_or(Exponent::MAX)
}

/// The table by which `constant` is multiplied with sixteen or more bytes at a time.
pub(crate) fn nibbles(constant: u8) -> &'static Nibbles {
    &NIBBLES[constant as usize]
}

/// `a · b` from the definition: one doubling for each bit of `b`. Makes the tables.
pub(crate) const fn product_by_shifts(a: u8, b: u8) -> u8 {
    let (mut sum, mut shifted, mut bit) = (0, a, 0);
    while bit < 8 {
        if (b >> bit) & 1 == 1 {
            sum ^= shifted;
        }
        shifted = double(shifted);
        bit += 1;
    }
    sum
}

const fn nibble_tables() -> [Nibbles; 256] {
    let mut tables = [[[0; 16]; 2]; 256];
    let mut constant = 0;
    while constant < 256 {
        let mut nibble = 0;
        while nibble < 16 {
            let (low, high) = (nibble as u8, (nibble << 4) as u8);
            tables[constant][0][nibble] = product_by_shifts(constant as u8, low);
            tables[constant][1][nibble] = product_by_shifts(constant as u8, high);
            nibble += 1;
        }
        constant += 1;
    }
    tables
}

const fn power_and_log_tables() -> ([u8; 255], [u8; 256]) {
    let (mut powers, mut logs) = ([0; 255], [0; 256]);
    let (mut exponent, mut element) = (0, 1_u8);
    while exponent < 255 {
        powers[exponent] = element;
        logs[element as usize] = exponent as u8;
        element = double(element);
        exponent += 1;
    }
    (powers, logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Carry-less product of 15 bits, then long division by the polynomial.
    fn product_by_division(a: u8, b: u8) -> u8 {
        let mut wide = 0_u16;
        for bit in 0..8 {
            if b & (1 << bit) != 0 {
                wide ^= u16::from(a) << bit;
            }
        }
        for bit in (8..16).rev() {
            if wide & (1 << bit) != 0 {
                wide ^= 0x11d << (bit - 8);
            }
        }
        u8::try_from(wide).unwrap()
    }

    #[test]
    fn all_products_are_those_of_the_polynomial() {
        for a in 0..=255 {
            assert_eq!(double(a), product_by_division(a, 2));
            for b in 0..=255 {
                let expected = product_by_division(a, b);
                assert_eq!(product(a, b), expected, "{a} * {b}");
                assert_eq!(product_by_shifts(a, b), expected, "{a} * {b}");
            }
        }
    }

    #[test]
    fn inverses_give_one() {
        assert_eq!(inverse(0), None);
        for a in 1..=255 {
            assert_eq!(product_by_division(a, inverse(a).unwrap()), 1, "1/{a}");
        }
    }

    #[test]
    fn powers_and_logs_are_inverse() {
        assert_eq!(log(0), None);
        let mut element = 1;
        for value in 0..=254 {
            let exponent = Exponent::new(value).unwrap();
            assert_eq!(power(exponent), element);
            assert_eq!(log(element), Some(exponent));
            assert_eq!(product_by_division(element, power_inverse(exponent)), 1);
            element = product_by_division(element, 2);
        }
        assert_eq!(element, 1, "2^255 is 1 again");
        assert_eq!(Exponent::new(255), None);
    }

    #[test]
    fn quotients_of_powers() {
        for above in 0..=254 {
            for below in 0..=254 {
                let (a, b) = (Exponent::new(above).unwrap(), Exponent::new(below).unwrap());
                assert_eq!(product_by_division(power(log_quotient(a, b)), power(b)), power(a));
            }
        }
    }

    #[test]
    fn known_values_of_md() {
        let first: [u8; 11] = core::array::from_fn(|exponent| POWERS[exponent]);
        assert_eq!(first, [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1d, 0x3a, 0x74]);
        assert_eq!(inverse(2), Some(0x8e));
    }
}
