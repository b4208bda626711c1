//! What looking operations tell: which units are wrong, and which block of each.

use super::effort::Effort;
use super::lanes::Place;
use super::rows::{Noise, Ranks, Row};
use raid_simd::{Kernels, Mismatch, Suspect, UNIT_BYTES};

/// Which lane of a row is spoiled.
#[derive(Clone, Copy, Debug)]
enum Spoiled {
    Data(usize),
    P,
    Q,
}

impl Spoiled {
    fn every(blocks: usize) -> impl Iterator<Item = Self> {
        (0..blocks).map(Self::Data).chain([Self::P, Self::Q])
    }

    fn flip(self, row: &mut Row, at: usize, error: u8) {
        let lane = match self {
            Self::Data(index) => &mut row.data[index],
            Self::P => &mut row.p,
            Self::Q => &mut row.q,
        };
        lane.bytes_mut()[at] ^= error;
    }

    /// Asserts that this one unit is told of, and no other.
    fn is_told(self, kernels: Kernels, row: &Row, at: usize) {
        let row = row.view();
        let (sources, p, q) = (&row.sources, row.p, row.q);
        let mut told = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        kernels.check_p(sources, p, |unit| told.0.push(unit)).unwrap();
        kernels.check_q(sources, q, |unit| told.1.push(unit)).unwrap();
        kernels.check_pq(sources, p, q, |unit, what| told.2.push((unit, what))).unwrap();
        kernels.locate(sources, p, q, |unit, what| told.3.push((unit, what))).unwrap();
        let unit = at / UNIT_BYTES;
        let expected = match self {
            Self::Data(index) => (
                vec![unit],
                vec![unit],
                vec![(unit, Mismatch::Both)],
                vec![(unit, Suspect::Data(sources[index].exponent))],
            ),
            Self::P => (vec![unit], vec![], vec![(unit, Mismatch::P)], vec![(unit, Suspect::P)]),
            Self::Q => (vec![], vec![unit], vec![(unit, Mismatch::Q)], vec![(unit, Suspect::Q)]),
        };
        assert_eq!(told, expected, "{} {self:?} at byte {at}", kernels.name());
    }
}

/// A unit's first and last bytes, of three units and a short one.
fn edges(length: usize) -> impl Iterator<Item = usize> {
    (0..length)
        .step_by(UNIT_BYTES)
        .flat_map(move |start| [start, (start + UNIT_BYTES).min(length) - 1])
}

#[test]
fn one_wrong_byte_at_the_edges_of_a_unit() {
    let mut noise = Noise(50);
    let length = 3 * UNIT_BYTES + 100;
    for count in Effort::asked().of([1_u8, 2, 3, 8, 9, 16, 17, 33].into_iter(), 3) {
        for ranks in Ranks::ALL {
            let mut row = Row::new(ranks.of(count), length, Place::Offset(3), &mut noise);
            for spoiled in Spoiled::every(usize::from(count)) {
                for at in edges(length) {
                    let error = noise.byte() | 1;
                    spoiled.flip(&mut row, at, error);
                    let slow = Kernels::scalar().backend();
                    for kernels in Kernels::available() {
                        if count <= 2 || kernels.backend() != slow {
                            spoiled.is_told(kernels, &row, at);
                        }
                    }
                    spoiled.flip(&mut row, at, error);
                }
            }
        }
    }
}

#[test]
fn one_wrong_byte_anywhere() {
    let mut noise = Noise(51);
    let length = UNIT_BYTES + 64 * 5 + 9;
    let mut row = Row::new(Ranks::Gapped.of(3), length, Place::Offset(7), &mut noise);
    for at in Effort::asked().of(0..length, 7) {
        let spoiled = [Spoiled::Data(at % 3), Spoiled::P, Spoiled::Q][noise.below(3)];
        let error = 1 << (at % 8);
        spoiled.flip(&mut row, at, error);
        for kernels in Kernels::available() {
            if kernels.backend() != Kernels::scalar().backend() || at % 64 == 0 {
                spoiled.is_told(kernels, &row, at);
            }
        }
        spoiled.flip(&mut row, at, error);
    }
}

#[test]
fn one_wrong_byte_of_a_copy() {
    let mut noise = Noise(52);
    let length = 3 * UNIT_BYTES + 100;
    let good = noise.bytes(length);
    for copies in [2, 3, 8, 9, 17] {
        let mut all = vec![good.clone(); copies];
        for wrong in 0..copies {
            for at in edges(length) {
                all[wrong][at] ^= 0x10;
                let slices: Vec<_> = all.iter().map(Vec::as_slice).collect();
                for kernels in Kernels::available() {
                    let mut told = Vec::new();
                    let count = kernels.compare(&slices, |unit| told.push(unit));
                    assert_eq!((count, &told[..]), (Ok(1), &[at / UNIT_BYTES][..]));
                }
                all[wrong][at] ^= 0x10;
            }
        }
    }
}
