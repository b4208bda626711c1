//! What calls refuse, and that a refused call writes nothing.

use raid_simd::{Change, Exponent, Kernels, ShapeError, Source, Target};

const DATA: [u8; 10] = [1; 10];

fn source(number: u8, length: usize) -> Source<'static> {
    Source { exponent: Exponent::new(number).unwrap(), bytes: &DATA[..length] }
}

fn target(number: u8, bytes: &mut [u8]) -> Target<'_> {
    Target { exponent: Exponent::new(number).unwrap(), bytes }
}

/// Runs a call that must fail, on targets of these lengths.
fn refused(
    lengths: (usize, usize),
    call: impl FnOnce(&mut [u8], &mut [u8]) -> Result<(), ShapeError>,
) -> ShapeError {
    let (mut first, mut second) = (vec![0x55; lengths.0], vec![0x55; lengths.1]);
    let error = call(&mut first, &mut second).unwrap_err();
    assert!(first.iter().chain(&second).all(|byte| *byte == 0x55), "written in spite of {error}");
    error
}

#[test]
fn different_lengths() {
    for kernels in Kernels::available() {
        let wrong = [source(0, 9), source(1, 8)];
        let right = [source(0, 9), source(1, 9)];
        let short = &DATA[..8];
        let long = &DATA[..9];
        let change = Change { exponent: right[0].exponent, old: long, new: short };
        let refusals = [
            refused((9, 0), |target, _| kernels.xor(&[long, short], target)),
            refused((9, 0), |p, _| kernels.gen_p(&wrong, p)),
            refused((9, 0), |q, _| kernels.gen_q(&wrong, q)),
            refused((9, 9), |p, q| kernels.gen_pq(&wrong, p, q)),
            refused((9, 8), |p, q| kernels.gen_pq(&right, p, q)),
            refused((8, 9), |p, q| kernels.gen_pq(&right, p, q)),
            refused((9, 9), |p, q| kernels.update_pq(&[change], p, q)),
            refused((8, 8), |p, q| kernels.update_pq(&[change], p, q)),
            refused((9, 0), |p, _| kernels.accumulate_p(&wrong, p)),
            refused((9, 0), |data, _| kernels.recover_from_p(&right, short, data)),
            refused((9, 0), |data, _| kernels.recover_from_q(&right, short, target(5, data))),
            refused((9, 0), |data, _| {
                let also_lost = Exponent::MAX;
                kernels.recover_from_pq(&right, long, short, target(5, data), also_lost)
            }),
            refused((9, 8), |x, y| {
                kernels.recover_two(&right, long, long, target(5, x), target(6, y))
            }),
            refused((8, 9), |x, p| kernels.recover_data_and_p(&right, long, target(5, x), p)),
            refused((9, 8), |x, q| kernels.recover_data_and_q(&right, long, target(5, x), q)),
            kernels.check_p(&right, short, |_| {}).unwrap_err(),
            kernels.check_q(&wrong, long, |_| {}).unwrap_err(),
            kernels.check_pq(&right, long, short, |_, _| {}).unwrap_err(),
            kernels.locate(&right, short, long, |_, _| {}).unwrap_err(),
            kernels.compare(&[long, long, short], |_| {}).unwrap_err(),
        ];
        for (index, refusal) in refusals.into_iter().enumerate() {
            assert_eq!(refusal, ShapeError::LengthsDiffer, "call {index}");
        }
    }
}

#[test]
fn repeated_exponents() {
    for kernels in Kernels::available() {
        let twice = [source(7, 9), source(3, 9), source(7, 9)];
        let once = [source(7, 9), source(3, 9)];
        let long = &DATA[..9];
        let seven = once[0].exponent;
        let refusals = [
            refused((9, 9), |p, q| kernels.gen_pq(&twice, p, q)),
            refused((9, 0), |q, _| kernels.gen_q(&twice, q)),
            refused((9, 0), |q, _| kernels.accumulate_q(&twice, q)),
            refused((9, 0), |data, _| kernels.recover_from_q(&once, long, target(7, data))),
            refused((9, 0), |data, _| {
                kernels.recover_from_pq(&once, long, long, target(5, data), seven)
            }),
            refused((9, 9), |x, y| {
                kernels.recover_two(&[], long, long, target(7, x), target(7, y))
            }),
            refused((9, 9), |x, y| {
                kernels.recover_two(&once, long, long, target(1, x), target(7, y))
            }),
            refused((9, 9), |x, p| kernels.recover_data_and_p(&once, long, target(7, x), p)),
            refused((9, 9), |x, q| kernels.recover_data_and_q(&once, long, target(7, x), q)),
            kernels.check_pq(&twice, long, long, |_, _| {}).unwrap_err(),
            kernels.check_q(&twice, long, |_| {}).unwrap_err(),
            kernels.locate(&twice, long, long, |_, _| {}).unwrap_err(),
        ];
        for (index, refusal) in refusals.into_iter().enumerate() {
            assert_eq!(refusal, ShapeError::ExponentRepeated(seven), "call {index}");
        }
        // P alone does not know exponents.
        assert_eq!(kernels.gen_p(&twice, &mut [0; 9]), Ok(()));
    }
}

#[test]
fn no_blocks_add_up_to_zero() {
    for kernels in Kernels::available() {
        let (mut p, mut q) = ([9; 70], [9; 70]);
        kernels.gen_pq(&[], &mut p, &mut q).unwrap();
        assert_eq!((p, q), ([0; 70], [0; 70]));

        // The only data block of a row: P is its copy, and Q times its weight.
        p.fill(5);
        kernels.recover_from_p(&[], &p, &mut q).unwrap();
        assert_eq!(q, p);
        kernels.recover_from_q(&[], &p, target(0, &mut q)).unwrap();
        assert_eq!(q, p);

        assert_eq!(kernels.check_pq(&[], &[0; 70], &[0; 70], |_, _| {}), Ok(0));
        assert_eq!(kernels.check_pq(&[], &[], &[], |_, _| {}), Ok(0));
    }
}
