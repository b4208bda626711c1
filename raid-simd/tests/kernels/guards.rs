//! Lanes that begin or end at a page nobody may touch: a read or a write outside of one ends the
//! test program.

use super::rows::{Noise, product, weight};
use raid_simd::{Change, Exponent, Kernels, Placement, Source, Target};

const PAGE: usize = 4096;

/// One lane of up to two pages between two pages without any access.
struct Guarded {
    start: *mut u8,
    mapped: usize,
    length: usize,
    /// Which side of it touches a guard.
    side: At,
}

/// Which side of the lane touches a guard.
#[derive(Clone, Copy)]
enum At {
    Start,
    End,
}

impl Guarded {
    fn new(length: usize, side: At) -> Self {
        let inner = length.div_ceil(PAGE).max(1) * PAGE;
        let mapped = inner + 2 * PAGE;
        // SAFETY: an anonymous mapping anywhere.
        let start = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                mapped,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(start, libc::MAP_FAILED);
        let start = start.cast::<u8>();
        // SAFETY: inside the mapping.
        let first = unsafe { start.add(PAGE) };
        // SAFETY: whole pages of the mapping.
        let done =
            unsafe { libc::mprotect(first.cast(), inner, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(done, 0);
        Self { start, mapped, length, side }
    }

    fn offset(&self) -> usize {
        match self.side {
            At::Start => PAGE,
            At::End => self.mapped - PAGE - self.length,
        }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: inside the pages that may be read.
        unsafe { core::slice::from_raw_parts(self.start.wrapping_add(self.offset()), self.length) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: inside the pages that may be written, and ours alone.
        unsafe {
            core::slice::from_raw_parts_mut(self.start.wrapping_add(self.offset()), self.length)
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`; nothing borrows from it any more.
        unsafe { libc::munmap(self.start.cast(), self.mapped) };
    }
}

fn exponent(number: usize) -> Exponent {
    Exponent::new(u8::try_from(number).unwrap()).unwrap()
}

/// A row between guards: data, then P, Q and two targets.
fn row(count: usize, length: usize, side: At, noise: &mut Noise) -> Vec<Guarded> {
    let mut lanes: Vec<_> = (0..count + 4).map(|_| Guarded::new(length, side)).collect();
    for lane in &mut lanes {
        lane.bytes_mut().fill_with(|| noise.byte());
    }
    lanes
}

fn every_operation(kernels: Kernels, lanes: &mut [Guarded], count: usize) {
    let length = lanes[0].length;
    let (data, rest) = lanes.split_at_mut(count);
    let [p, q, x, y]: &mut [Guarded; 4] = rest.try_into().unwrap();
    let sources: Vec<_> = data
        .iter()
        .enumerate()
        .map(|(index, lane)| Source { exponent: exponent(index), bytes: lane.bytes() })
        .collect();
    let slices: Vec<_> = sources.iter().map(|source| source.bytes).collect();

    kernels.gen_pq(&sources, p.bytes_mut(), q.bytes_mut()).unwrap();
    for at in 0..length {
        let byte = |source: &Source<'_>| product(weight(source.exponent), source.bytes[at]);
        assert_eq!(p.bytes()[at], slices.iter().fold(0, |sum, slice| sum ^ slice[at]));
        assert_eq!(q.bytes()[at], sources.iter().fold(0, |sum, source| sum ^ byte(source)));
    }
    kernels.xor(&slices, x.bytes_mut()).unwrap();
    assert_eq!(x.bytes(), p.bytes());
    assert_eq!(kernels.check_pq(&sources, p.bytes(), q.bytes(), |_, _| {}), Ok(0));
    assert_eq!(kernels.check_p(&sources, p.bytes(), |_| {}), Ok(0));
    assert_eq!(kernels.check_q(&sources, q.bytes(), |_| {}), Ok(0));
    assert_eq!(kernels.locate(&sources, p.bytes(), q.bytes(), |_, _| {}), Ok(0));
    assert_eq!(kernels.compare(&[x.bytes(), p.bytes()], |_| {}), Ok(0));

    let one = &sources[1..];
    kernels.recover_from_p(one, p.bytes(), x.bytes_mut()).unwrap();
    assert_eq!(x.bytes(), slices[0]);
    let target = Target { exponent: exponent(0), bytes: x.bytes_mut() };
    kernels.recover_data_and_p(one, q.bytes(), target, y.bytes_mut()).unwrap();
    assert_eq!((x.bytes(), y.bytes()), (slices[0], p.bytes()));
    let target = Target { exponent: exponent(0), bytes: x.bytes_mut() };
    kernels.recover_data_and_q(one, p.bytes(), target, y.bytes_mut()).unwrap();
    assert_eq!((x.bytes(), y.bytes()), (slices[0], q.bytes()));
    let first = Target { exponent: exponent(0), bytes: x.bytes_mut() };
    let second = Target { exponent: exponent(1), bytes: y.bytes_mut() };
    kernels.recover_two(&sources[2..], p.bytes(), q.bytes(), first, second).unwrap();
    assert_eq!((x.bytes(), y.bytes()), (slices[0], slices[1]));

    // There and back.
    let (old_p, old_q) = (p.bytes().to_vec(), q.bytes().to_vec());
    for (old, new) in [(slices[0], slices[1]), (slices[1], slices[0])] {
        let change = Change { exponent: exponent(0), old, new };
        kernels.update_pq(&[change], p.bytes_mut(), q.bytes_mut()).unwrap();
    }
    assert_eq!((p.bytes(), q.bytes()), (&old_p[..], &old_q[..]));
}

#[test]
fn no_byte_outside_is_touched() {
    let mut noise = Noise(40);
    for side in [At::Start, At::End] {
        for count in [2, 3, 8, 17] {
            for length in (1..=130).chain([255, 256, 511, 513, 1000, 4096, 4097]) {
                let mut lanes = row(count, length, side, &mut noise);
                for kernels in Kernels::available() {
                    for placement in [Placement::Cached, Placement::Streaming] {
                        every_operation(kernels.placed(placement), &mut lanes, count);
                    }
                }
            }
        }
    }
}
