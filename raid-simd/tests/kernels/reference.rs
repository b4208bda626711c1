//! The scalar reference against plain linear algebra, and every backend on rows with several errors.

use super::lanes::{Place, Targets};
use super::rows::{Noise, Row};
use raid_simd::{Change, Exponent, Kernels, Mismatch, Source, Suspect, UNIT_BYTES};

const PLACE: Place = Place::Offset(0);

/// md's order, md's order beginning elsewhere, DDF with the places of P and Q left out, the ends.
fn orders() -> Vec<Vec<u8>> {
    vec![
        vec![0],
        vec![0, 1, 2, 3, 4],
        vec![3, 4, 0, 1, 2],
        vec![0, 1, 4, 5, 6],
        vec![2, 3, 4],
        vec![254, 0, 100, 253],
        vec![200],
        (0..=254).collect(),
        (0..=254).rev().collect(),
    ]
}

#[test]
fn generates_what_the_algebra_says() {
    let mut noise = Noise(1);
    for order in orders() {
        let row = Row::new(order, 130, PLACE, &mut noise);
        let mut targets = Targets::new(130, PLACE);
        let made =
            targets.written(|p, q| Kernels::scalar().gen_pq(&row.view().sources, p, q).unwrap());
        assert_eq!(made, [row.p.bytes(), row.q.bytes()]);
    }
}

#[test]
fn updates_to_what_generation_would_give() {
    let mut noise = Noise(5);
    for order in orders() {
        let before = Row::new(order.clone(), 50, PLACE, &mut noise);
        let after = Row::new(order, 50, PLACE, &mut noise);
        let change = |index: usize| Change {
            exponent: before.exponents[index],
            old: before.data[index].bytes(),
            new: after.data[index].bytes(),
        };
        let (mut p, mut q) = (before.p.bytes().to_vec(), before.q.bytes().to_vec());
        let changes: Vec<_> = (0..before.data.len()).map(change).collect();
        let (one, others) = changes.split_first().unwrap();
        Kernels::scalar().update_pq(&[*one], &mut p, &mut q).unwrap();
        Kernels::scalar().update_pq(others, &mut p, &mut q).unwrap();
        assert_eq!((&p[..], &q[..]), (after.p.bytes(), after.q.bytes()));

        // Back again, by differences.
        let differences: Vec<Vec<u8>> = changes
            .iter()
            .map(|change| change.old.iter().zip(change.new).map(|(old, new)| old ^ new).collect())
            .collect();
        let blocks: Vec<_> = changes
            .iter()
            .zip(&differences)
            .map(|(change, bytes)| Source { exponent: change.exponent, bytes })
            .collect();
        Kernels::scalar().accumulate_p(&blocks, &mut p).unwrap();
        Kernels::scalar().accumulate_q(&blocks, &mut q).unwrap();
        assert_eq!((&p[..], &q[..]), (before.p.bytes(), before.q.bytes()));
    }
}

/// Spoils blocks of a row of four units and a short one, one story a unit.
fn spoiled_row(noise: &mut Noise) -> Row {
    let mut row = Row::new([0, 1, 4, 7], 4 * UNIT_BYTES + 100, PLACE, noise);
    row.p.bytes_mut()[0] ^= 1;
    row.p.bytes_mut()[UNIT_BYTES - 1] ^= 0x80;
    // Unit 1 is good.
    row.q.bytes_mut()[2 * UNIT_BYTES + 5] ^= 0xff;
    for at in [0, 77, UNIT_BYTES - 1] {
        row.data[2].bytes_mut()[3 * UNIT_BYTES + at] ^= noise.byte() | 1;
    }
    row.data[0].bytes_mut()[4 * UNIT_BYTES + 99] ^= 3;
    row
}

#[test]
fn checks_tell_the_units() {
    let mut noise = Noise(6);
    for kernels in Kernels::available() {
        let row = spoiled_row(&mut noise);
        let (mut by_p, mut by_q, mut by_both) = (Vec::new(), Vec::new(), Vec::new());
        let (sources, p, q) = (row.view().sources, row.p.bytes(), row.q.bytes());
        assert_eq!(kernels.check_p(&sources, p, |unit| by_p.push(unit)), Ok(3));
        assert_eq!(kernels.check_q(&sources, q, |unit| by_q.push(unit)), Ok(3));
        assert_eq!(
            kernels.check_pq(&sources, p, q, |unit, what| by_both.push((unit, what))),
            Ok(4)
        );
        assert_eq!(by_p, [0, 3, 4]);
        assert_eq!(by_q, [2, 3, 4]);
        let expected =
            [(0, Mismatch::P), (2, Mismatch::Q), (3, Mismatch::Both), (4, Mismatch::Both)];
        assert_eq!(by_both, expected);
    }
}

#[test]
fn locates_the_block() {
    let mut noise = Noise(7);
    for kernels in Kernels::available() {
        let row = spoiled_row(&mut noise);
        let mut found = Vec::new();
        let count =
            kernels.locate(&row.view().sources, row.p.bytes(), row.q.bytes(), |unit, suspect| {
                found.push((unit, suspect));
            });
        let data = |number| Suspect::Data(Exponent::new(number).unwrap());
        let expected = [(0, Suspect::P), (2, Suspect::Q), (3, data(4)), (4, data(0))];
        assert_eq!((count, &found[..]), (Ok(4), &expected[..]));
    }
}

#[test]
fn locates_no_block_where_several_are_wrong() {
    let mut noise = Noise(8);
    for kernels in Kernels::available() {
        let mut row = Row::new([0, 1, 2], 5 * UNIT_BYTES, PLACE, &mut noise);
        // Two data blocks in different bytes; P and data; P and Q in different bytes.
        row.data[0].bytes_mut()[10] ^= 1;
        row.data[1].bytes_mut()[4000] ^= 1;
        row.data[1].bytes_mut()[UNIT_BYTES] ^= 9;
        row.p.bytes_mut()[UNIT_BYTES + 1] ^= 9;
        row.p.bytes_mut()[2 * UNIT_BYTES] ^= 1;
        row.q.bytes_mut()[2 * UNIT_BYTES + 64] ^= 1;
        // A quotient that names exponent 3, which no block has.
        row.p.bytes_mut()[3 * UNIT_BYTES] ^= 1;
        row.q.bytes_mut()[3 * UNIT_BYTES] ^= 8;
        let mut found = Vec::new();
        let count =
            kernels.locate(&row.view().sources, row.p.bytes(), row.q.bytes(), |unit, suspect| {
                found.push((unit, suspect));
            });
        let expected = [0, 1, 2, 3].map(|unit| (unit, Suspect::Several));
        assert_eq!((count, &found[..]), (Ok(4), &expected[..]));
    }
}

#[test]
fn compares_copies() {
    for kernels in Kernels::available() {
        let copies = [vec![7; 2 * UNIT_BYTES + 1], vec![7; 2 * UNIT_BYTES + 1]];
        let mut other = copies[0].clone();
        other[UNIT_BYTES] = 0;
        other[2 * UNIT_BYTES] = 0;
        let mut found = Vec::new();
        let all: [&[u8]; 3] = [&copies[0], &copies[1], &other];
        assert_eq!(kernels.compare(&all[..2], |unit| found.push(unit)), Ok(0));
        assert_eq!(kernels.compare(&all, |unit| found.push(unit)), Ok(2));
        assert_eq!(found, [1, 2]);
        assert_eq!(kernels.compare(&all[..1], |unit| found.push(unit)), Ok(0));
        assert_eq!(kernels.compare(&[], |unit| found.push(unit)), Ok(0));
    }
}
