//! Whatever is lost comes back: from every backend, for every pair of blocks.

use super::effort::Effort;
use super::lanes::{Place, Targets};
use super::rows::{Noise, Ranks, Row, View};
use raid_simd::{Kernels, Target};

/// Whole tiles, a column, a tail.
const LENGTH: usize = 64 * 4 + 64 + 9;
/// The reference has one loop, which is slow.
const LENGTH_BY_BYTES: usize = 5;

/// Each backend, with as much of the row as it takes.
fn backends<'a>(row: &View<'a>) -> Vec<(Kernels, View<'a>, Targets)> {
    let scalar = Kernels::scalar().backend();
    let sized = |kernels: Kernels| {
        let length = if kernels.backend() == scalar { LENGTH_BY_BYTES } else { LENGTH };
        (kernels, row.first(length), Targets::new(length, row.place))
    };
    Kernels::available().map(sized).collect()
}

fn generate((kernels, row, targets): &mut (Kernels, View<'_>, Targets)) {
    let made = targets.written(|p, q| kernels.gen_pq(&row.sources, p, q).unwrap());
    assert!(made == [row.p, row.q], "{}: P and Q of {}", kernels.name(), row.sources.len());
    let wrong = kernels.check_pq(&row.sources, row.p, row.q, |_, _| {});
    assert_eq!(wrong, Ok(0), "{}: {}", kernels.name(), row.sources.len());
}

fn recover_pair(
    (kernels, row, targets): &mut (Kernels, View<'_>, Targets),
    (x, y): (usize, usize),
) {
    let survivors = row.survivors(&[x, y]);
    let [lost_x, lost_y] = [x, y].map(|index| row.sources[index]);
    let written = targets.written(|first, second| {
        let first = Target { exponent: lost_x.exponent, bytes: first };
        let second = Target { exponent: lost_y.exponent, bytes: second };
        kernels.recover_two(&survivors, row.p, row.q, first, second).unwrap();
    });
    let name = kernels.name();
    let blocks = row.sources.len();
    assert!(written == [lost_x.bytes, lost_y.bytes], "{name}: {x} and {y} of {blocks}");

    let [one, _] = targets.written(|bytes, _| {
        let target = Target { exponent: lost_x.exponent, bytes };
        kernels.recover_from_pq(&survivors, row.p, row.q, target, lost_y.exponent).unwrap();
    });
    assert!(one == lost_x.bytes, "{name}: {x} without {y} of {blocks}");
}

fn recover_one((kernels, row, targets): &mut (Kernels, View<'_>, Targets), lost: usize) {
    let survivors = row.survivors(&[lost]);
    let (data, exponent) = (row.sources[lost].bytes, row.sources[lost].exponent);
    let (name, blocks) = (kernels.name(), row.sources.len());
    let [from_p, _] =
        targets.written(|bytes, _| kernels.recover_from_p(&survivors, row.p, bytes).unwrap());
    assert!(from_p == data, "{name}: {lost} of {blocks} from P");
    let [from_q, _] = targets.written(|bytes, _| {
        kernels.recover_from_q(&survivors, row.q, Target { exponent, bytes }).unwrap();
    });
    assert!(from_q == data, "{name}: {lost} of {blocks} from Q");
    let written = targets.written(|bytes, p| {
        let data = Target { exponent, bytes };
        kernels.recover_data_and_p(&survivors, row.q, data, p).unwrap();
    });
    assert!(written == [data, row.p], "{name}: {lost} of {blocks} and P");
    let written = targets.written(|bytes, q| {
        let data = Target { exponent, bytes };
        kernels.recover_data_and_q(&survivors, row.p, data, q).unwrap();
    });
    assert!(written == [data, row.q], "{name}: {lost} of {blocks} and Q");
}

#[test]
fn every_pair_of_up_to_32() {
    let mut noise = Noise(30);
    let since = std::time::Instant::now();
    let mut pairs = 0_usize;
    for count in 1..=32_u8 {
        let order = usize::from(count);
        let ranks = Effort::asked().of(Ranks::ALL.into_iter().cycle().skip(order).take(4), 4);
        for ranks in ranks {
            let row = Row::new(ranks.of(count), LENGTH, Place::Offset(order), &mut noise);
            let view = row.view();
            for mut backend in backends(&view) {
                generate(&mut backend);
                for x in 0..usize::from(count) {
                    recover_one(&mut backend, x);
                    for y in 0..x {
                        // In both orders by turns.
                        let pair = if (x ^ y) & 1 == 0 { (x, y) } else { (y, x) };
                        recover_pair(&mut backend, pair);
                        pairs += 1;
                    }
                }
            }
        }
    }
    println!("{pairs} recoveries of two in {:.1} s", since.elapsed().as_secs_f32());
}

/// A long run takes all.
#[test]
fn some_pairs_of_up_to_255() {
    let mut noise = Noise(31);
    for count in Effort::asked().of([33_u8, 47, 64, 100, 128, 200, 253, 254, 255].into_iter(), 3) {
        let last = usize::from(count) - 1;
        for ranks in Ranks::ALL {
            let row = Row::new(ranks.of(count), LENGTH, Place::Offset(1), &mut noise);
            let view = row.view();
            let mut pairs = vec![(0, 1), (0, last), (last, last - 1)];
            match Effort::asked() {
                Effort::Short | Effort::Usual => {
                    pairs.extend((0..6).map(|_| noise.pair_below(last + 1)));
                }
                Effort::Long => pairs.extend((2..=last).flat_map(|y| (0..y).map(move |x| (x, y)))),
            }
            for mut backend in backends(&view) {
                generate(&mut backend);
                for pair in &pairs {
                    recover_one(&mut backend, pair.0);
                    recover_pair(&mut backend, *pair);
                }
            }
        }
    }
}

/// The constants depend on the two exponents alone: two blocks with nobody left take in all.
#[test]
fn every_pair_of_exponents() {
    let mut noise = Noise(32);
    let data = [noise.bytes(LENGTH_BY_BYTES), noise.bytes(LENGTH_BY_BYTES)];
    for x in 0..=254 {
        for y in (0..=254).filter(|y| *y != x) {
            let row = Row::of([x, y], &data, Place::Offset(0));
            let targets = Targets::new(LENGTH_BY_BYTES, row.place);
            recover_pair(&mut (Kernels::scalar(), row.view(), targets), (0, 1));
        }
    }
}
