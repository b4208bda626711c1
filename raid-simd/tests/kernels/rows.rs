//! Rows to test with, and the plain algebra that says what is right.

use super::lanes::{Lane, Place};
use raid_simd::{Exponent, Source};
use std::sync::LazyLock;

/// Bytes that look random: splitmix64.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.word().to_le_bytes()[7]
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length.div_ceil(8)).flat_map(|_| self.word().to_le_bytes()).take(length).collect()
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.word() % u64::try_from(bound).unwrap()).unwrap()
    }

    /// Two different numbers, in any order.
    pub(crate) fn pair_below(&mut self, bound: usize) -> (usize, usize) {
        let first = self.below(bound);
        (first, (first + 1 + self.below(bound - 1)) % bound)
    }
}

/// A product from the definition: long division by 0x11d. Shares nothing with the crate.
fn product(a: u8, b: u8) -> u8 {
    let mut wide =
        (0..8).filter(|bit| b >> bit & 1 == 1).fold(0, |sum, bit| sum ^ u16::from(a) << bit);
    for bit in (8..15).rev() {
        if wide >> bit & 1 == 1 {
            wide ^= 0x11d << (bit - 8);
        }
    }
    u8::try_from(wide).unwrap()
}

/// `2^exponent` by so many doublings.
fn weight(exponent: Exponent) -> u8 {
    (0..exponent.get()).fold(1, |power, _| product(power, 2))
}

/// The products of every byte with a weight, computed once.
pub(crate) fn products(weight: u8) -> &'static [u8; 256] {
    static TABLES: LazyLock<Vec<[u8; 256]>> = LazyLock::new(|| {
        let row =
            |weight| core::array::from_fn(|byte| product(weight, u8::try_from(byte).unwrap()));
        (0..=255).map(row).collect()
    });
    &TABLES[usize::from(weight)]
}

pub(crate) fn exponents(numbers: impl IntoIterator<Item = u8>) -> Vec<Exponent> {
    numbers.into_iter().map(|number| Exponent::new(number).unwrap()).collect()
}

/// The orders in which exponents come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ranks {
    /// md's where a row begins at its first block: 0, 1, 2 ...
    Dense,
    /// md's where it begins in the middle.
    Turned,
    /// DDF's: the places of P and Q are left out.
    Gapped,
    /// Anything: up and down, with wide gaps.
    Scattered,
}

impl Ranks {
    pub(crate) const ALL: [Self; 4] = [Self::Dense, Self::Turned, Self::Gapped, Self::Scattered];

    /// For sweeps in which each row takes but one of them.
    pub(crate) fn nth(number: usize) -> Self {
        Self::ALL[number % Self::ALL.len()]
    }

    /// The exponents of so many blocks.
    pub(crate) fn of(self, count: u8) -> Vec<u8> {
        let middle = count / 2;
        match self {
            Self::Dense => (0..count).collect(),
            Self::Turned => (middle..count).chain(0..middle).collect(),
            // 254 and 255 blocks leave no room for both.
            Self::Gapped => {
                let gap = 2.min(255 - count);
                (0..count).map(|index| if index < middle { index } else { index + gap }).collect()
            }
            // 101 and 255 have no common divisor: no number comes twice.
            Self::Scattered => (0..count)
                .map(|index| u8::try_from((u16::from(index) * 101 + 254) % 255).unwrap())
                .collect(),
        }
    }
}

/// A row whose P and Q are right, computed by the algebra above.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) exponents: Vec<Exponent>,
    pub(crate) data: Vec<Lane>,
    pub(crate) p: Lane,
    pub(crate) q: Lane,
    pub(crate) place: Place,
}

impl Row {
    pub(crate) fn new(
        numbers: impl IntoIterator<Item = u8>,
        length: usize,
        place: Place,
        noise: &mut Noise,
    ) -> Self {
        let exponents = exponents(numbers);
        let data: Vec<_> = exponents.iter().map(|_| noise.bytes(length)).collect();
        Self::made(exponents, length, &data, place)
    }

    /// A row of these blocks.
    pub(crate) fn of<const K: usize>(numbers: [u8; K], data: &[Vec<u8>; K], place: Place) -> Self {
        Self::made(exponents(numbers), data[0].len(), data, place)
    }

    fn made(exponents: Vec<Exponent>, length: usize, data: &[Vec<u8>], place: Place) -> Self {
        let (mut p, mut q) = (vec![0; length], vec![0; length]);
        for (exponent, block) in exponents.iter().zip(data) {
            let products = products(weight(*exponent));
            for ((p, q), byte) in p.iter_mut().zip(&mut q).zip(block) {
                *p ^= byte;
                *q ^= products[usize::from(*byte)];
            }
        }
        let content: Vec<_> = data.iter().map(Vec::as_slice).collect();
        Self::at(exponents, &content, &p, &q, place)
    }

    /// Lanes of this content: the first at the place, each next seven bytes further.
    fn at(exponents: Vec<Exponent>, data: &[&[u8]], p: &[u8], q: &[u8], place: Place) -> Self {
        let lane = |(index, bytes): (usize, &&[u8])| Lane::new(bytes, place.moved(7 * index));
        let data = data.iter().enumerate().map(lane).collect();
        let (p, q) = (Lane::new(p, place.moved(3)), Lane::new(q, place.moved(5)));
        Self { exponents, data, p, q, place }
    }

    /// The same content elsewhere.
    pub(crate) fn copied_to(&self, place: Place) -> Self {
        let data: Vec<_> = self.data.iter().map(Lane::bytes).collect();
        Self::at(self.exponents.clone(), &data, self.p.bytes(), self.q.bytes(), place)
    }

    pub(crate) fn view(&self) -> View<'_> {
        let lanes = self.exponents.iter().zip(&self.data);
        View {
            sources: lanes
                .map(|(exponent, lane)| Source { exponent: *exponent, bytes: lane.bytes() })
                .collect(),
            p: self.p.bytes(),
            q: self.q.bytes(),
            place: self.place,
        }
    }
}

/// The slices of a row, wherever they are.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    pub(crate) sources: Vec<Source<'a>>,
    pub(crate) p: &'a [u8],
    pub(crate) q: &'a [u8],
    pub(crate) place: Place,
}

impl<'a> View<'a> {
    /// The blocks without those with the numbers `lost`.
    pub(crate) fn survivors(&self, lost: &[usize]) -> Vec<Source<'a>> {
        let blocks = self.sources.iter().enumerate();
        blocks.filter(|(index, _)| !lost.contains(index)).map(|(_, source)| *source).collect()
    }

    pub(crate) fn slices(&self) -> Vec<&'a [u8]> {
        self.sources.iter().map(|source| source.bytes).collect()
    }

    /// The first bytes of each block.
    pub(crate) fn first(&self, bytes: usize) -> Self {
        let cut = |source: &Source<'a>| Source { bytes: &source.bytes[..bytes], ..*source };
        Self {
            sources: self.sources.iter().map(cut).collect(),
            p: &self.p[..bytes],
            q: &self.q[..bytes],
            place: self.place,
        }
    }
}
