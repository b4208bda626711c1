//! ISA-L, called through its C interface as its documentation has it.

use core::ffi::{c_int, c_uchar, c_void};
use std::rc::Rc;

use erasure_isa_l_sys as isal;

use super::{Bind, Call, Part, Path, Peer};
use crate::cell::{Operation, Task};
use crate::row::Row;

/// What the crate that vendors it, pinned in `Cargo.toml`, brings.
const VERSION: &str = "2.32.0";

// The crate declares the erasure codes alone; these are in the same library. Facts from raid.h:
// `array` has `vects` pointers to blocks of `len` bytes, the last one (xor) or two (P, Q) being the
// parity. Blocks are aligned to 32 bytes, 16 to check. Answer 0: done, or consistent.
unsafe extern "C" {
    fn xor_gen(vects: c_int, len: c_int, array: *mut *mut c_void) -> c_int;
    fn pq_gen(vects: c_int, len: c_int, array: *mut *mut c_void) -> c_int;
    fn pq_check(vects: c_int, len: c_int, array: *mut *mut c_void) -> c_int;
    // What pq_gen dispatches to.
    fn pq_gen_sse(vects: c_int, len: c_int, array: *mut *mut c_void) -> c_int;
    fn pq_gen_avx2(vects: c_int, len: c_int, array: *mut *mut c_void) -> c_int;
    fn pq_gen_avx2_gfni(vects: c_int, len: c_int, array: *mut *mut c_void) -> c_int;
    fn pq_gen_avx512(vects: c_int, len: c_int, array: *mut *mut c_void) -> c_int;
}

type Raid = unsafe extern "C" fn(c_int, c_int, *mut *mut c_void) -> c_int;

/// One way to use it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Isal {
    /// The functions that it has.
    Plain,
    /// A check that it does not have: its fast generator and `memcmp`, put together here.
    GenerateAndCompare,
    /// Its generator for one set of instructions, past its dispatcher.
    Instructions(&'static str, Raid),
}

impl Isal {
    pub(super) const WAYS: [Self; 2] = [Self::Plain, Self::GenerateAndCompare];

    /// What it has for the instructions of one of our backends, other than the best of them all.
    /// The CPU has them, since it has the backend.
    pub(super) fn of_instructions(backend: &str) -> Option<Self> {
        match backend {
            "ssse3" => Some(Self::Instructions("pq_gen_sse", pq_gen_sse)),
            "avx2" => Some(Self::Instructions("pq_gen_avx2", pq_gen_avx2)),
            "avx2_gfni" => Some(Self::Instructions("pq_gen_avx2_gfni", pq_gen_avx2_gfni)),
            "avx512" => Some(Self::Instructions("pq_gen_avx512", pq_gen_avx512)),
            _ => None,
        }
    }
}

impl Peer for Isal {
    fn name(&self) -> String {
        match self {
            Self::Plain => format!("isa-l-{VERSION}"),
            Self::GenerateAndCompare => format!("isa-l-{VERSION}:pq_gen+memcmp"),
            Self::Instructions(function, _) => format!("isa-l-{VERSION}:{function}"),
        }
    }

    fn part(&self) -> Part {
        match self {
            Self::Plain | Self::Instructions(..) => Part::Peer,
            Self::GenerateAndCompare => Part::Composite,
        }
    }

    fn path(&self, operation: Operation) -> Option<Path> {
        match (self, operation) {
            (Self::Plain, Operation::GenPq) | (Self::GenerateAndCompare, Operation::Check) => {
                Some(dispatched("pq_gen", &PRODUCTS))
            }
            (Self::Plain, Operation::Xor | Operation::RecoverOne) => {
                Some(dispatched("xor_gen", &SUMS))
            }
            (Self::Plain, Operation::UpdatePq) => {
                Some(dispatched("ec_encode_data_update", &PRODUCTS))
            }
            (Self::Plain, Operation::RecoverTwo | Operation::RecoverDataP) => {
                Some(dispatched("ec_encode_data", &PRODUCTS))
            }
            (Self::Plain, Operation::Check) => Some(dispatched("pq_check", &CHECKS)),
            (Self::Instructions(function, _), Operation::GenPq) => {
                Some(Path::Vector((*function).to_owned()))
            }
            (Self::Instructions(..), Operation::Check)
            | (
                Self::Instructions(..) | Self::GenerateAndCompare,
                Operation::Xor
                | Operation::UpdatePq
                | Operation::RecoverOne
                | Operation::RecoverTwo
                | Operation::RecoverDataP,
            )
            | (Self::GenerateAndCompare, Operation::GenPq) => None,
        }
    }

    fn prepare(&self, task: &Task) -> Bind {
        let task = *task;
        match (self, task.operation) {
            (Self::Plain, Operation::GenPq) => {
                Box::new(|row| raid(pq_gen, pointers(row.data, [row.p, row.q]), row.new.len()))
            }
            (Self::Plain, Operation::Xor) => {
                Box::new(|row| raid(xor_gen, pointers(row.data, [row.p]), row.new.len()))
            }
            (Self::Plain, Operation::Check) => {
                Box::new(|row| raid(pq_check, pointers(row.data, [row.p, row.q]), row.new.len()))
            }
            (Self::Plain, Operation::RecoverOne) => Box::new(move |mut row: Row<'_>| {
                let lost = row.data.remove(task.first());
                raid(xor_gen, pointers(row.data, [row.p, lost]), task.chunk)
            }),
            (Self::Plain, Operation::UpdatePq) => {
                let tables = Rc::new(tables(task.k, 2, &encode_matrix(task.k)[task.k * task.k..]));
                let scratch = Rc::new(Scratch::new(task.chunk));
                Box::new(move |row| update(task, Rc::clone(&tables), Rc::clone(&scratch), row))
            }
            (Self::Plain, Operation::RecoverTwo) => {
                let tables = Rc::new(decode_tables(&task, &[task.first(), task.second()]));
                Box::new(move |row| recover_two(task, Rc::clone(&tables), row))
            }
            (Self::Plain, Operation::RecoverDataP) => {
                let tables = Rc::new(decode_tables(&task, &[task.first(), task.k]));
                Box::new(move |row| recover_data_p(task, Rc::clone(&tables), row))
            }
            (Self::Instructions(_, generate), _) => {
                let generate = *generate;
                Box::new(move |row| {
                    raid(generate, pointers(row.data, [row.p, row.q]), row.new.len())
                })
            }
            (Self::GenerateAndCompare, _) => {
                let scratch = Rc::new([Scratch::new(task.chunk), Scratch::new(task.chunk)]);
                Box::new(move |row| generate_and_compare(Rc::clone(&scratch), row))
            }
        }
    }
}

/// The variants of a function, best first, with the CPU features that its dispatcher asks for.
type Variants = [(&'static str, &'static [Feature])];

#[derive(Clone, Copy)]
enum Feature {
    Sse41,
    Sse42,
    Avx,
    Avx2,
    Avx512,
    /// GFNI, and with 512 bits what Ice Lake brought with it.
    Gfni,
    Gfni512,
}

impl Feature {
    fn is_here(self) -> bool {
        match self {
            Self::Sse41 => is_x86_feature_detected!("sse4.1"),
            Self::Sse42 => is_x86_feature_detected!("sse4.2"),
            Self::Avx => is_x86_feature_detected!("avx"),
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512cd")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
            }
            Self::Gfni => is_x86_feature_detected!("gfni"),
            Self::Gfni512 => {
                is_x86_feature_detected!("gfni")
                    && is_x86_feature_detected!("vaes")
                    && is_x86_feature_detected!("vpclmulqdq")
                    && is_x86_feature_detected!("avx512vbmi2")
                    && is_x86_feature_detected!("avx512vnni")
                    && is_x86_feature_detected!("avx512bitalg")
                    && is_x86_feature_detected!("avx512vpopcntdq")
            }
        }
    }
}

/// pq_gen, ec_encode_data, ec_encode_data_update. With AVX-512 it does not look for 256-bit GFNI.
const PRODUCTS: [(&str, &[Feature]); 6] = [
    ("avx512_gfni", &[Feature::Avx2, Feature::Avx512, Feature::Gfni512]),
    ("avx512", &[Feature::Avx2, Feature::Avx512]),
    ("avx2_gfni", &[Feature::Avx2, Feature::Gfni]),
    ("avx2", &[Feature::Avx2]),
    ("avx", &[Feature::Avx]),
    ("sse", &[Feature::Sse42]),
];
const SUMS: [(&str, &[Feature]); 3] = [
    ("avx512", &[Feature::Avx2, Feature::Avx512]),
    ("avx", &[Feature::Avx]),
    ("sse", &[Feature::Sse42]),
];
const CHECKS: [(&str, &[Feature]); 1] = [("sse", &[Feature::Sse41])];

/// What its dispatcher chooses on this CPU, by the same rules.
fn dispatched(function: &str, variants: &Variants) -> Path {
    let here =
        |(_, features): &&(&str, &[Feature])| features.iter().all(|feature| feature.is_here());
    match variants.iter().find(here) {
        Some((variant, _)) => Path::Vector(format!("{function}_{variant}, by CPU flags")),
        None => Path::Generic(format!("{function}_base")),
    }
}

fn int(number: usize) -> c_int {
    c_int::try_from(number).expect("rows are small")
}

/// The blocks as C has them. The borrow is the caller's to keep: see [`raid`].
fn pointers<'a, const N: usize>(data: Vec<&'a mut [u8]>, parity: [&'a mut [u8]; N]) -> Blocks<'a> {
    Blocks {
        pointers: data.into_iter().chain(parity).map(<[u8]>::as_mut_ptr).collect(),
        borrow: core::marker::PhantomData,
    }
}

/// Pointers to blocks of one row, borrowed exclusively, each for the row's `chunk` bytes.
struct Blocks<'a> {
    pointers: Vec<*mut u8>,
    borrow: core::marker::PhantomData<&'a mut [u8]>,
}

fn raid(function: Raid, blocks: Blocks<'_>, length: usize) -> Call<'_> {
    let (count, length) = (int(blocks.pointers.len()), int(length));
    let mut blocks = blocks;
    Box::new(move || {
        let array = blocks.pointers.as_mut_ptr().cast::<*mut c_void>();
        // SAFETY: `array` has `count` pointers, each to `length` bytes that the row lends
        // exclusively, aligned to 1 KiB; `length` is a multiple of 1 KiB; the function is one of
        // those declared above.
        unsafe { function(count, length, array) == 0 }
    })
}

/// A block of its own, for what lies between two functions.
struct Scratch(*mut u8, core::alloc::Layout);

impl Scratch {
    fn new(size: usize) -> Self {
        let layout = core::alloc::Layout::from_size_align(size, 4096).expect("a block is small");
        // SAFETY: a chunk has at least 1 KiB, so the layout is not empty.
        let start = unsafe { std::alloc::alloc_zeroed(layout) };
        assert!(!start.is_null(), "no memory for a scratch block");
        Self(start, layout)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: `new` got it with this layout, and it is freed once.
        unsafe { std::alloc::dealloc(self.0, self.1) };
    }
}

fn generate_and_compare<'a>(scratch: Rc<[Scratch; 2]>, row: Row<'a>) -> Call<'a> {
    let (p, q): (&'a [u8], &'a [u8]) = (row.p, row.q);
    let mut blocks = pointers(row.data, []);
    let length = p.len();
    blocks.pointers.extend([scratch[0].0, scratch[1].0]);
    let mut generate = raid(pq_gen, blocks, length);
    Box::new(move || {
        let done = generate();
        // SAFETY: a scratch block has `chunk` bytes, initialized, and nothing writes them while
        // this slice lives.
        let own_p = unsafe { core::slice::from_raw_parts(scratch[0].0, length) };
        // SAFETY: as above.
        let own_q = unsafe { core::slice::from_raw_parts(scratch[1].0, length) };
        done && own_p == p && own_q == q
    })
}

fn update(task: Task, tables: Rc<Vec<u8>>, scratch: Rc<Scratch>, mut row: Row<'_>) -> Call<'_> {
    let old = row.data.swap_remove(task.first());
    let mut sum = pointers(vec![old, row.new], []);
    sum.pointers.push(scratch.0);
    let mut difference = raid(xor_gen, sum, task.chunk);
    let mut parity = pointers(vec![row.p, row.q], []);
    let (length, k, changed) = (int(task.chunk), int(task.k), int(task.first()));
    Box::new(move || {
        let done = difference();
        // SAFETY: the scratch block and the two of the parity have `length` bytes each; the tables
        // are those of `k` sources and 2 rows, and are only read.
        unsafe {
            isal::ec_encode_data_update(
                length,
                k,
                2,
                changed,
                tables.as_ptr().cast_mut(),
                scratch.0,
                parity.pointers.as_mut_ptr(),
            );
        }
        done
    })
}

fn recover_two(task: Task, tables: Rc<Vec<u8>>, mut row: Row<'_>) -> Call<'_> {
    let second = row.data.remove(task.second());
    let first = row.data.remove(task.first());
    let survivors = pointers(row.data, [row.p, row.q]);
    decode(task, tables, survivors, pointers(vec![first, second], []))
}

fn recover_data_p(task: Task, tables: Rc<Vec<u8>>, mut row: Row<'_>) -> Call<'_> {
    let lost = row.data.remove(task.first());
    let survivors = pointers(row.data, [row.q]);
    decode(task, tables, survivors, pointers(vec![lost, row.p], []))
}

fn decode<'a>(
    task: Task,
    tables: Rc<Vec<u8>>,
    mut survivors: Blocks<'a>,
    mut targets: Blocks<'a>,
) -> Call<'a> {
    assert_eq!(survivors.pointers.len(), task.k, "a decode matrix has k columns");
    let (length, k, rows) = (int(task.chunk), int(task.k), int(targets.pointers.len()));
    Box::new(move || {
        // SAFETY: `k` survivors and `rows` targets of `length` bytes each, all distinct; the tables
        // are those of `k` sources and `rows` rows, and are only read.
        unsafe {
            isal::ec_encode_data(
                length,
                k,
                rows,
                tables.as_ptr().cast_mut(),
                survivors.pointers.as_mut_ptr(),
                targets.pointers.as_mut_ptr(),
            );
        }
        true
    })
}

/// `k + 2` rows of `k` coefficients: identity, ones, powers of two. So its code is md's.
fn encode_matrix(k: usize) -> Vec<c_uchar> {
    let mut matrix = vec![0; (k + 2) * k];
    // SAFETY: the matrix has room for `k + 2` rows of `k`.
    unsafe { isal::gf_gen_rs_matrix(matrix.as_mut_ptr(), int(k + 2), int(k)) };
    matrix
}

fn tables(k: usize, rows: usize, coefficients: &[u8]) -> Vec<u8> {
    assert_eq!(coefficients.len(), k * rows, "one coefficient a source and row");
    let mut tables = vec![0; 32 * k * rows];
    // SAFETY: `k * rows` coefficients, only read, and 32 bytes of table for each.
    unsafe {
        isal::ec_init_tables(
            int(k),
            int(rows),
            coefficients.as_ptr().cast_mut(),
            tables.as_mut_ptr(),
        );
    }
    tables
}

/// Tables that bring back two blocks of a row, counted with P as `k`, from the first `k` others.
fn decode_tables(task: &Task, lost: &[usize; 2]) -> Vec<u8> {
    let k = task.k;
    let encode = encode_matrix(k);
    let survivors = (0..k + 2).filter(|at| !lost.contains(at)).take(k);
    let mut left: Vec<u8> =
        survivors.flat_map(|at| encode[at * k..][..k].iter().copied()).collect();
    let mut inverse = vec![0; k * k];
    // SAFETY: two matrices of `k` by `k`.
    let singular =
        unsafe { isal::gf_invert_matrix(left.as_mut_ptr(), inverse.as_mut_ptr(), int(k)) };
    assert_eq!(singular, 0, "any k blocks of a row determine it");
    let product = |row: usize, column: usize| {
        let terms = (0..k).map(|at| {
            // SAFETY: a function of two bytes.
            unsafe { isal::gf_mul(encode[row * k + at], inverse[at * k + column]) }
        });
        terms.fold(0, |sum, term| sum ^ term)
    };
    let decode: Vec<u8> =
        lost.iter().flat_map(|&row| (0..k).map(move |column| product(row, column))).collect();
    tables(k, lost.len(), &decode)
}
