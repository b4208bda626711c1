//! Every backend against the reference: counts, lengths, alignments, placements, orders.

use super::effort::Effort;
use super::lanes::Place;
use super::rows::{Noise, Ranks, Row, View, exponents, products};
use super::transcript::{BOTH, Oracle, agree, vectors};
use raid_simd::{Kernels, Placement, Source, UNIT_BYTES};

#[test]
fn the_cpu_is_asked() {
    let names: Vec<_> = Kernels::available().map(Kernels::name).collect();
    // Read by .ci/neon.
    println!("backends: {}", names.join(" "));
    println!("effort: {:?}", Effort::asked());
    assert_eq!(names.last(), Some(&Kernels::detect().name()));
    if names.len() == 1 {
        return; // the build asks for it
    }
    let has = |name| names.contains(&name);
    assert!(has("scalar") && has("swar"));
    #[cfg(target_arch = "x86_64")]
    {
        let (avx2, gfni) =
            (std::is_x86_feature_detected!("avx2"), std::is_x86_feature_detected!("gfni"));
        let avx512 = std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512vl");
        assert_eq!(has("ssse3"), std::is_x86_feature_detected!("ssse3"));
        assert_eq!((has("avx2"), has("avx2_gfni")), (avx2, avx2 && gfni));
        assert_eq!((has("avx512"), has("avx512_gfni")), (avx512, avx512 && gfni));
    }
    #[cfg(target_arch = "aarch64")]
    {
        let sha3 = cfg!(feature = "std") && std::arch::is_aarch64_feature_detected!("sha3");
        assert!(has("neon"));
        assert_eq!(has("neon_sha3"), sha3 || cfg!(target_feature = "sha3"));
    }
}

/// Up to 16 blocks many loops are compiled for their count alone: none has its own tail.
#[test]
fn every_length_in_every_loop() {
    let mut noise = Noise(20);
    for count in 1..=18_u8 {
        for length in Effort::asked().of(0..=257, 5) {
            for ranks in [Ranks::Dense, Ranks::nth(length)] {
                let place = Place::Offset((length + usize::from(count)) % 64);
                let row = Row::new(ranks.of(count), length, place, &mut noise);
                let last = usize::from(count) - 1;
                // Past the cache there is one loop for all counts.
                let oracle = Oracle::of(&row.view(), (length % usize::from(count), last));
                oracle.judge(&row.view(), &[Placement::BySize]);
            }
        }
    }
}

#[test]
fn every_length_at_every_offset() {
    let mut noise = Noise(21);
    for length in 0..=257 {
        let ranks = Ranks::nth(length);
        let row = Row::new(ranks.of(3), length, Place::Offset(0), &mut noise);
        let oracle = Oracle::of(&row.view(), (1, 2));
        for offset in Effort::asked().of(0..64, 9) {
            oracle.judge(&row.copied_to(Place::Offset(offset)).view(), BOTH);
        }
    }
}

#[cfg(unix)]
#[test]
fn no_byte_outside_is_touched() {
    let mut noise = Noise(22);
    for place in [Place::AfterWall, Place::BeforeWall] {
        for count in Effort::asked().of([1, 2, 3, 8, 9, 17].into_iter(), 2) {
            for length in (1..=130).chain([191, 192, 193, 255, 256, 257, 511, 513, 4096, 4097]) {
                let row = Row::new(Ranks::nth(length).of(count), length, place, &mut noise);
                agree(&row.view(), (0, usize::from(count) / 2));
            }
        }
    }
}

/// More than the cache nearest to the CPU holds: other tiles, for few blocks and for many.
#[test]
fn beyond_the_nearest_cache() {
    let mut noise = Noise(23);
    let counts = (1..=18).chain([32, 33, 64, 100, 128, 200, 253, 254, 255]);
    for count in Effort::asked().of(counts, 4) {
        let blocks = usize::from(count);
        let length = (32 * 1024 / (blocks + 2)).max(8 * 64) + 64 + 9;
        for ranks in [Ranks::Dense, Ranks::nth(blocks / 2)] {
            let row = Row::new(ranks.of(count), length, Place::Offset(9), &mut noise);
            agree(&row.view(), (0, blocks - 1));
        }
    }
}

#[test]
fn by_size_is_past_the_cache_from_its_size_on() {
    let mut noise = Noise(24);
    // One block, P and Q.
    let enough = Placement::STREAMING_BYTES / 3;
    for length in [enough - 65, enough, enough + 9] {
        let data = noise.bytes(length);
        let (mut p, mut q) = (vec![0; length], vec![0; length]);
        let exponent = exponents([1])[0];
        let doubled: Vec<u8> = data.iter().map(|byte| products(2)[usize::from(*byte)]).collect();
        for kernels in vectors() {
            p.fill(1);
            q.fill(1);
            let by_size = kernels.placed(Placement::BySize);
            by_size.gen_pq(&[Source { exponent, bytes: &data }], &mut p, &mut q).unwrap();
            assert!(p == data && q == doubled, "{} {length}", kernels.name());
        }
    }
}

/// Sources may overlap, be one slice, and be P or Q too.
#[test]
fn sources_that_overlap() {
    let mut noise = Noise(25);
    let memory = noise.bytes(2048);
    for count in [1_u8, 2, 3, 5, 8, 9, 16, 17, 40] {
        for step in [0, 1, 16, 31, 64] {
            // As many as fit behind each other, and again from the start.
            let starts = 1024 / step.max(1);
            let length = 64 * 4 + 64 + 9 + usize::from(count);
            let slice = |index: usize| &memory[index % starts * step..][..length];
            for ranks in Ranks::ALL {
                let ranked = exponents(ranks.of(count));
                let sources = ranked.iter().enumerate();
                let sources = sources
                    .map(|(index, exponent)| Source { exponent: *exponent, bytes: slice(index) });
                let (p, q) = (slice(0), slice(1));
                let view = View { sources: sources.collect(), p, q, place: Place::Offset(step) };
                agree(&view, (0, usize::from(count) / 2));
            }
        }
    }
}

#[test]
fn products_of_all_bytes_with_all_weights() {
    // One block, each exponent, each byte: the tables of a backend, entry by entry.
    let all: Vec<u8> = (0..=255).collect();
    for exponent in exponents(0..=254) {
        let sources = vec![Source { exponent, bytes: &all }];
        agree(&View { sources, p: &all, q: &all, place: Place::Offset(0) }, (0, 0));
    }
}

#[test]
fn any_row() {
    let rows = match Effort::asked() {
        Effort::Short => 100,
        Effort::Usual => 600,
        Effort::Long => 100_000,
    };
    for seed in 0..rows {
        let mut noise = Noise(seed << 32);
        let mut numbers: Vec<u8> = (0..=[20, 254][noise.below(2)]).collect();
        let count = 1 + noise.below(20.min(numbers.len()));
        for at in 0..count {
            let other = at + noise.below(numbers.len() - at);
            numbers.swap(at, other);
        }
        numbers.truncate(count);
        if noise.below(2) == 0 {
            numbers.sort_unstable();
            numbers.rotate_left(noise.below(count));
        }
        let bound = [300, 2 * UNIT_BYTES + 100][noise.below(2)];
        let length = noise.below(bound);
        let place = Place::Offset(noise.below(64));
        let mut row = Row::new(numbers, length, place, &mut noise);
        for _ in 0..noise.below(4).min(length) {
            let (lane, at) = (noise.below(count + 2), noise.below(length));
            let lane = match lane.checked_sub(count) {
                Some(0) => &mut row.p,
                Some(_) => &mut row.q,
                None => &mut row.data[lane],
            };
            lane.bytes_mut()[at] ^= noise.byte() | 1;
        }
        agree(&row.view(), (noise.below(count), noise.below(count)));
    }
}

/// More blocks than any loop takes: P alone can have them.
#[test]
fn more_blocks_than_exponents() {
    let memory = Noise(26).bytes(1024);
    let slices: Vec<_> = (0..300).map(|at| &memory[at..at + 200]).collect();
    for count in [255, 256, 257, 300] {
        let expected: Vec<u8> = (0..200)
            .map(|at| slices[..count].iter().fold(0, |sum, slice| sum ^ slice[at]))
            .collect();
        for kernels in Kernels::available() {
            let mut p = [0; 200];
            kernels.xor(&slices[..count], &mut p).unwrap();
            assert_eq!(p, expected[..], "{} {count}", kernels.name());
        }
    }
}
