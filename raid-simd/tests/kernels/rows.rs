//! Rows to test with, the plain algebra that says what is right, and a transcript of every
//! operation on a row.

use raid_simd::{Change, Exponent, Kernels, ShapeError, Source, Target};

/// Bytes at a chosen misalignment, between guards.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    storage: Vec<u8>,
    start: usize,
    length: usize,
}

const GUARD: u8 = 0xa5;
const GUARD_BYTES: usize = 64;

impl Lane {
    pub(crate) fn noise(noise: &mut Noise, length: usize, misalignment: usize) -> Self {
        let mut storage = vec![GUARD; length + 3 * GUARD_BYTES];
        let to_aligned = storage.as_ptr().align_offset(GUARD_BYTES);
        let start = to_aligned + misalignment % GUARD_BYTES;
        storage[start..start + length].fill_with(|| noise.byte());
        Self { storage, start, length }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.length]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.length]
    }

    /// The content, once it is sure that nothing around it was written.
    fn checked(&self) -> Vec<u8> {
        let (before, rest) = self.storage.split_at(self.start);
        let (bytes, after) = rest.split_at(self.length);
        assert!(before.iter().chain(after).all(|byte| *byte == GUARD), "wrote outside the target");
        bytes.to_vec()
    }
}

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

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.word() % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// A product from the definition: long division by 0x11d. Shares nothing with the crate.
pub(crate) fn product(a: u8, b: u8) -> u8 {
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
pub(crate) fn weight(exponent: Exponent) -> u8 {
    (0..exponent.get()).fold(1, |power, _| product(power, 2))
}

pub(crate) fn exponents(numbers: impl IntoIterator<Item = u8>) -> Vec<Exponent> {
    numbers.into_iter().map(|number| Exponent::new(number).unwrap()).collect()
}

/// A row whose P and Q are right, computed by the algebra above.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) exponents: Vec<Exponent>,
    pub(crate) data: Vec<Lane>,
    pub(crate) p: Lane,
    pub(crate) q: Lane,
    /// How far the lanes of this row are off alignment: the first by this, each next by 7 more.
    pub(crate) misalignment: usize,
}

impl Row {
    pub(crate) fn new(
        numbers: impl IntoIterator<Item = u8>,
        length: usize,
        misalignment: usize,
        noise: &mut Noise,
    ) -> Self {
        let exponents = exponents(numbers);
        let data: Vec<_> = (0..exponents.len())
            .map(|index| Lane::noise(noise, length, misalignment + 7 * index))
            .collect();
        let mut p = Lane::noise(noise, length, misalignment + 3);
        let mut q = Lane::noise(noise, length, misalignment + 5);
        p.bytes_mut().fill(0);
        q.bytes_mut().fill(0);
        for (exponent, lane) in exponents.iter().zip(&data) {
            let weight = weight(*exponent);
            let row: Vec<u8> = (0..=255).map(|byte| product(weight, byte)).collect();
            for (at, byte) in lane.bytes().iter().enumerate() {
                p.bytes_mut()[at] ^= byte;
                q.bytes_mut()[at] ^= row[usize::from(*byte)];
            }
        }
        Self { exponents, data, p, q, misalignment }
    }

    pub(crate) fn length(&self) -> usize {
        self.p.length
    }

    pub(crate) fn sources(&self) -> Vec<Source<'_>> {
        self.survivors(&[])
    }

    /// The blocks without those with the numbers `lost`.
    pub(crate) fn survivors(&self, lost: &[usize]) -> Vec<Source<'_>> {
        (0..self.data.len())
            .filter(|index| !lost.contains(index))
            .map(|index| Source {
                exponent: self.exponents[index],
                bytes: self.data[index].bytes(),
            })
            .collect()
    }

    /// Two lanes to write to, full of what nobody may rely on.
    pub(crate) fn targets(&self) -> [Lane; 2] {
        let mut noise = Noise(99);
        [11, 13].map(|step| Lane::noise(&mut noise, self.length(), self.misalignment + step))
    }
}

/// What an operation wrote or told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) operation: &'static str,
    pub(crate) written: Vec<Vec<u8>>,
    pub(crate) told: Vec<String>,
}

/// Runs an operation that writes to two targets, or to the first of them alone.
pub(crate) fn write(
    operation: &'static str,
    row: &Row,
    call: impl FnOnce(&mut [u8], &mut [u8]) -> Result<(), ShapeError>,
) -> Entry {
    let [mut first, mut second] = row.targets();
    call(first.bytes_mut(), second.bytes_mut()).unwrap();
    Entry { operation, written: vec![first.checked(), second.checked()], told: Vec::new() }
}

/// Runs every operation that needs no lost block.
pub(crate) fn sums(kernels: Kernels, row: &Row) -> Vec<Entry> {
    let sources = row.sources();
    let slices: Vec<&[u8]> = sources.iter().map(|source| source.bytes).collect();
    // Every block changes to what its neighbour holds.
    let changes: Vec<_> = sources
        .iter()
        .zip(sources.iter().cycle().skip(1))
        .map(|(old, new)| Change { exponent: old.exponent, old: old.bytes, new: new.bytes })
        .collect();
    vec![
        write("xor", row, |target, _| kernels.xor(&slices, target)),
        write("gen_p", row, |p, _| kernels.gen_p(&sources, p)),
        write("gen_q", row, |q, _| kernels.gen_q(&sources, q)),
        write("gen_pq", row, |p, q| kernels.gen_pq(&sources, p, q)),
        write("update_p", row, |p, _| kernels.update_p(&changes, p)),
        write("update_q", row, |q, _| kernels.update_q(&changes, q)),
        write("update_pq", row, |p, q| kernels.update_pq(&changes, p, q)),
        write("accumulate_p", row, |p, _| kernels.accumulate_p(&sources, p)),
        write("accumulate_q", row, |q, _| kernels.accumulate_q(&sources, q)),
        write("accumulate_pq", row, |p, q| kernels.accumulate_pq(&sources, p, q)),
    ]
}

/// Runs every recovery of the block `lost`.
pub(crate) fn recoveries_of_one(kernels: Kernels, row: &Row, lost: usize) -> Vec<Entry> {
    let survivors = row.survivors(&[lost]);
    let (p, q) = (row.p.bytes(), row.q.bytes());
    let exponent = row.exponents[lost];
    vec![
        write("recover_from_p", row, |bytes, _| kernels.recover_from_p(&survivors, p, bytes)),
        write("recover_from_q", row, |bytes, _| {
            kernels.recover_from_q(&survivors, q, Target { exponent, bytes })
        }),
        write("recover_data_and_p", row, |bytes, p| {
            kernels.recover_data_and_p(&survivors, q, Target { exponent, bytes }, p)
        }),
        write("recover_data_and_q", row, |bytes, q| {
            kernels.recover_data_and_q(&survivors, p, Target { exponent, bytes }, q)
        }),
    ]
}

/// Runs every recovery of the blocks `x` and `y`.
pub(crate) fn recoveries_of_two(kernels: Kernels, row: &Row, x: usize, y: usize) -> Vec<Entry> {
    let survivors = row.survivors(&[x, y]);
    let (p, q) = (row.p.bytes(), row.q.bytes());
    let [ex, ey] = [x, y].map(|index| row.exponents[index]);
    vec![
        write("recover_two", row, |first, second| {
            let first = Target { exponent: ex, bytes: first };
            kernels.recover_two(&survivors, p, q, first, Target { exponent: ey, bytes: second })
        }),
        write("recover_from_pq", row, |bytes, _| {
            kernels.recover_from_pq(&survivors, p, q, Target { exponent: ex, bytes }, ey)
        }),
        write("recover_from_pq", row, |bytes, _| {
            kernels.recover_from_pq(&survivors, p, q, Target { exponent: ey, bytes }, ex)
        }),
    ]
}

/// Runs every operation that only looks.
pub(crate) fn looks(kernels: Kernels, row: &Row) -> Vec<Entry> {
    let sources = row.sources();
    let slices: Vec<&[u8]> = sources.iter().map(|source| source.bytes).collect();
    let (p, q) = (row.p.bytes(), row.q.bytes());
    let entry = |operation, told: Vec<String>, count: Result<usize, ShapeError>| {
        assert_eq!(count, Ok(told.len()), "{operation} counts what it tells");
        Entry { operation, written: Vec::new(), told }
    };
    let mut told: [Vec<String>; 5] = Default::default();
    let [by_p, by_q, by_both, located, compared] = &mut told;
    let counts = [
        kernels.check_p(&sources, p, |unit| by_p.push(format!("{unit}"))),
        kernels.check_q(&sources, q, |unit| by_q.push(format!("{unit}"))),
        kernels.check_pq(&sources, p, q, |unit, what| by_both.push(format!("{unit} {what:?}"))),
        kernels.locate(&sources, p, q, |unit, what| located.push(format!("{unit} {what:?}"))),
        kernels.compare(&slices, |unit| compared.push(format!("{unit}"))),
    ];
    ["check_p", "check_q", "check_pq", "locate", "compare"]
        .into_iter()
        .zip(told)
        .zip(counts)
        .map(|((operation, told), count)| entry(operation, told, count))
        .collect()
}
