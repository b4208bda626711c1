//! P and Q by bytes, as md defines them: `P = Σ D`, `Q = Σ 2^i · D` over the polynomial 0x11d.
//!
//! Written apart from the kernels, so that these do not vouch for themselves.

/// P and Q of a row.
pub(crate) fn parity<B: AsRef<[u8]>>(data: &[B], chunk: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut p, mut q) = (vec![0; chunk], vec![0; chunk]);
    for block in data.iter().rev() {
        for ((p, q), byte) in p.iter_mut().zip(&mut q).zip(block.as_ref()) {
            *p ^= byte;
            *q = double(*q) ^ byte;
        }
    }
    (p, q)
}

fn double(byte: u8) -> u8 {
    let reduce = if byte & 0x80 == 0 { 0 } else { 0x1d };
    byte << 1 ^ reduce
}

/// The coefficients of Q.
pub(crate) fn powers_of_two(k: usize) -> Vec<u8> {
    core::iter::successors(Some(1), |&power| Some(double(power))).take(k).collect()
}
