//! Parity kernels, one group an operation: every backend of this CPU, rows of 4, 8 and 16 data
//! blocks, blocks of 4 KiB (a stripe cache's) and 64 KiB (a chunk's).
//!
//! The same row again and again, so from cache; blocks begin at pages. Throughput counts data
//! bytes alone: those of all `k` blocks, lost ones included, and for an update those of the new
//! content.
#![allow(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    missing_docs,
    reason = "a benchmark may stop, and its entry is a macro's"
)]

use core::hint::black_box;
use core::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use raid_simd::{Change, Exponent, Kernels, ShapeError, Source, Target};

const COUNTS: [u8; 3] = [4, 8, 16];
const LENGTHS: [usize; 2] = [4 << 10, 64 << 10];
const PAGE_BYTES: usize = 4096;

/// The blocks of a row in one stretch of memory, each from a page on, and four targets.
struct Row {
    storage: Vec<u8>,
    start: usize,
    length: usize,
    count: u8,
}

impl Row {
    fn new(count: u8, length: usize) -> Self {
        let bytes = (usize::from(count) + 4) * length;
        let storage: Vec<u8> = (0..=250).cycle().take(bytes + PAGE_BYTES).collect();
        let start = storage.as_ptr().align_offset(PAGE_BYTES);
        Self { storage, start, length, count }
    }

    fn data_bytes(&self) -> usize {
        usize::from(self.count) * self.length
    }

    /// Data, then P, Q and two more.
    fn split(&mut self) -> (Vec<Source<'_>>, [&mut [u8]; 4]) {
        let data_bytes = self.data_bytes();
        let (_, blocks) = self.storage.split_at_mut(self.start);
        let (data, rest) = blocks.split_at_mut(data_bytes);
        let sources = data
            .chunks_exact(self.length)
            .zip(0..)
            .map(|(bytes, index)| Source { exponent: exponent(index), bytes })
            .collect();
        let mut targets = rest.chunks_exact_mut(self.length);
        (sources, [(); 4].map(|()| targets.next().expect("four targets follow the data")))
    }
}

fn exponent(number: u8) -> Exponent {
    Exponent::new(number).expect("a bench has few blocks")
}

/// One operation on one row, ready to run again and again.
type Call<'a> = Box<dyn FnMut() -> Result<(), ShapeError> + 'a>;

fn measure(
    criterion: &mut Criterion,
    operation: &str,
    data_bytes: fn(&Row) -> usize,
    prepare: for<'a> fn(Kernels, &'a mut Row) -> Call<'a>,
) {
    let mut group: BenchmarkGroup<'_, WallTime> = criterion.benchmark_group(operation);
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(50));
    group.measurement_time(Duration::from_millis(150));
    for length in LENGTHS {
        for count in COUNTS {
            let mut row = Row::new(count, length);
            let bytes = u64::try_from(data_bytes(&row)).expect("a row is small");
            group.throughput(Throughput::Bytes(bytes));
            for kernels in Kernels::available() {
                let id = BenchmarkId::new(kernels.name(), format!("k{count}/{length}"));
                let mut call = prepare(kernels, &mut row);
                group.bench_function(id, |bencher| {
                    bencher.iter(|| black_box(call()).expect("the row is in shape"));
                });
            }
        }
    }
    group.finish();
}

fn sums(criterion: &mut Criterion) {
    measure(criterion, "xor", Row::data_bytes, |kernels, row| {
        let (sources, [p, ..]) = row.split();
        let slices: Vec<_> = sources.iter().map(|source| source.bytes).collect();
        Box::new(move || kernels.xor(&slices, p))
    });
    measure(criterion, "gen_pq", Row::data_bytes, |kernels, row| {
        let (sources, [p, q, ..]) = row.split();
        Box::new(move || kernels.gen_pq(&sources, p, q))
    });
    measure(
        criterion,
        "update_pq",
        |row| row.length,
        |kernels, row| {
            let (sources, [p, q, new, _]) = row.split();
            let old = *sources.last().expect("a row has blocks");
            Box::new(move || {
                let change = Change { exponent: old.exponent, old: old.bytes, new };
                kernels.update_pq(&[change], p, q)
            })
        },
    );
}

fn recoveries(criterion: &mut Criterion) {
    measure(criterion, "recover_two", Row::data_bytes, |kernels, row| {
        let (mut sources, [p, q, x, y]) = row.split();
        // Of the middle, so that the exponents have a gap.
        let (second, first) = (sources.remove(2).exponent, sources.remove(1).exponent);
        Box::new(move || {
            let first = Target { exponent: first, bytes: x };
            kernels.recover_two(&sources, p, q, first, Target { exponent: second, bytes: y })
        })
    });
    measure(criterion, "recover_data_and_p", Row::data_bytes, |kernels, row| {
        let (mut sources, [p, q, data, _]) = row.split();
        let exponent = sources.remove(1).exponent;
        Box::new(move || {
            kernels.recover_data_and_p(&sources, q, Target { exponent, bytes: data }, p)
        })
    });
}

fn looks(criterion: &mut Criterion) {
    measure(criterion, "check_pq", Row::data_bytes, |kernels, row| {
        let (sources, [p, q, ..]) = row.split();
        kernels.gen_pq(&sources, p, q).expect("the row is in shape");
        Box::new(move || kernels.check_pq(&sources, p, q, |_, _| {}).map(|_| ()))
    });
}

criterion_group!(kernels, sums, recoveries, looks);
criterion_main!(kernels);
