//! Every backend against the reference, over lengths, alignments, orders and losses.

use super::rows::{Entry, Noise, Row, looks, recoveries_of_one, recoveries_of_two, sums};
use proptest::prelude::*;
use raid_simd::{Kernels, UNIT_BYTES};

/// Asserts that each backend does as the reference does.
fn agree(row: &Row, transcript: impl Fn(Kernels) -> Vec<Entry>) {
    let expected = transcript(Kernels::scalar());
    for kernels in Kernels::available() {
        for (entry, expected) in transcript(kernels).iter().zip(&expected) {
            assert!(
                entry == expected,
                "{} {}: {} blocks of {} bytes, misaligned by {}",
                kernels.name(),
                entry.operation,
                row.data.len(),
                row.length(),
                row.misalignment,
            );
        }
    }
}

/// Every operation on a row, with the blocks `x` and `y` lost where two are.
fn agree_on_all(row: &Row, x: usize, y: usize) {
    agree(row, |kernels| sums(kernels, row));
    agree(row, |kernels| looks(kernels, row));
    agree(row, |kernels| recoveries_of_one(kernels, row, x));
    if x != y {
        agree(row, |kernels| recoveries_of_two(kernels, row, x, y));
    }
}

/// Exponents of `count` blocks: md's, md's from `at` on, DDF's with P and Q at `at`.
fn orders(count: u8, at: u8) -> [Vec<u8>; 3] {
    let turned = (at..count).chain(0..at).collect();
    let gapped = (0..count).map(|index| if index < at { index } else { index + 2 }).collect();
    [(0..count).collect(), turned, gapped]
}

#[test]
fn the_cpu_is_asked() {
    let names: Vec<_> = Kernels::available().map(Kernels::name).collect();
    assert_eq!(names.last(), Some(&Kernels::detect().name()));
    #[cfg(target_arch = "x86_64")]
    if names.contains(&"scalar") && names.len() > 1 {
        let has = |name| names.contains(&name);
        let (avx2, gfni) =
            (std::is_x86_feature_detected!("avx2"), std::is_x86_feature_detected!("gfni"));
        let avx512 = std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512vl");
        assert!(has("swar"));
        assert_eq!(has("ssse3"), std::is_x86_feature_detected!("ssse3"));
        assert_eq!((has("avx2"), has("avx2_gfni")), (avx2, avx2 && gfni));
        assert_eq!((has("avx512"), has("avx512_gfni")), (avx512, avx512 && gfni));
    }
}

#[test]
fn every_length() {
    let mut noise = Noise(20);
    for length in 0..=257 {
        for count in [1, 2, 5] {
            for order in orders(count, 1) {
                let row = Row::new(order, length, length, &mut noise);
                agree_on_all(&row, 0, usize::from(count) - 1);
            }
        }
    }
}

#[test]
fn every_alignment() {
    let mut noise = Noise(21);
    for misalignment in 0..=63 {
        for length in [1, 63, 64, 127, 129, 200] {
            for order in orders(3, 2) {
                let row = Row::new(order, length, misalignment, &mut noise);
                agree_on_all(&row, 1, 2);
            }
        }
    }
}

#[test]
fn every_pair_of_lost_blocks() {
    let mut noise = Noise(22);
    for count in 2..=16_u8 {
        for order in orders(count, count / 2) {
            let row = Row::new(order, 64 * 3 + 9, 1, &mut noise);
            for x in 0..usize::from(count) {
                agree(&row, |kernels| recoveries_of_one(kernels, &row, x));
                for y in 0..x {
                    agree(&row, |kernels| recoveries_of_two(kernels, &row, x, y));
                }
            }
        }
    }
}

#[test]
fn many_blocks() {
    let mut noise = Noise(23);
    for count in [17_u8, 32, 33, 100, 253] {
        for order in orders(count, 90.min(count)) {
            let row = Row::new(order, 64 * 3 + 1, 0, &mut noise);
            let x = noise.below(usize::from(count));
            let y = (x + 1 + noise.below(usize::from(count) - 1)) % usize::from(count);
            agree_on_all(&row, x, y);
        }
    }
    agree_on_all(&Row::new(0..=254, 300, 0, &mut noise), 254, 0);
    agree_on_all(&Row::new((0..=254).rev(), 300, 0, &mut noise), 17, 200);
}

#[test]
fn long_blocks() {
    let mut noise = Noise(24);
    for length in [UNIT_BYTES - 1, UNIT_BYTES, UNIT_BYTES + 1, 65_536] {
        for order in orders(4, 1) {
            let mut row = Row::new(order, length, 9, &mut noise);
            // Something to find for those that look: the last byte, and one block's anywhere.
            row.q.bytes_mut()[length - 1] ^= 1;
            let (lane, at) = (noise.below(4), noise.below(length));
            row.data[lane].bytes_mut()[at] ^= 0x40;
            agree_on_all(&row, 0, 3);
        }
    }
}

#[test]
fn products_of_all_bytes_with_all_weights() {
    // One block, each exponent, each byte: the shuffle tables of a backend, entry by entry.
    for number in 0..=254 {
        let mut row = Row::new([number], 256, 0, &mut Noise(25));
        for (byte, value) in row.data[0].bytes_mut().iter_mut().zip(0..=255) {
            *byte = value;
        }
        agree(&row, |kernels| sums(kernels, &row));
    }
}

/// Distinct exponents in any order, some of them close to each other.
fn any_exponents() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::sample::subsequence((0..=20).collect::<Vec<u8>>(), 1..=20),
        proptest::sample::subsequence((0..=254).collect::<Vec<u8>>(), 1..=40).prop_shuffle(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_row(
        order in any_exponents(),
        length in 0..700_usize,
        misalignment in 0..64_usize,
        seed: u64,
        faults in proptest::collection::vec((0..42_usize, any::<u16>(), 1..=255_u8), 0..4),
    ) {
        let mut noise = Noise(seed);
        let mut row = Row::new(order, length, misalignment, &mut noise);
        for (lane, at, error) in faults.into_iter().filter(|_| length > 0) {
            let blocks = row.data.len();
            let lane = match lane % (blocks + 2) {
                0 => &mut row.p,
                1 => &mut row.q,
                data => &mut row.data[data - 2],
            };
            lane.bytes_mut()[usize::from(at) % length] ^= error;
        }
        agree_on_all(&row, noise.below(row.data.len()), noise.below(row.data.len()));
    }
}
