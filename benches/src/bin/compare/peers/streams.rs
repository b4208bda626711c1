//! The limit: loops that read and write what an operation does, and only add up by xor.

use core::arch::x86_64::{
    __m256i, __m512i, _mm_sfence, _mm256_loadu_si256, _mm256_setzero_si256, _mm256_storeu_si256,
    _mm256_stream_si256, _mm256_xor_si256, _mm512_loadu_si512, _mm512_setzero_si512,
    _mm512_storeu_si512, _mm512_stream_si512, _mm512_xor_si512,
};
use core::hint::black_box;
use core::marker::PhantomData;

use super::{Bind, Part, Path, Peer};
use crate::cell::{Operation, Place, Task};
use crate::row::Row;

/// One such loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    width: Width,
    step: Step,
}

/// The CPU's widest vectors.
#[derive(Clone, Copy, Debug)]
enum Width {
    Avx512,
    Avx2,
}

/// Bytes of each stream at a time, and the kind of stores.
#[derive(Clone, Copy, Debug)]
enum Step {
    By256,
    By512,
    By64PastCache,
    By512PastCache,
    /// Writes nothing.
    Reading,
}

impl Streams {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let width = if is_x86_feature_detected!("avx512f") {
            Some(Width::Avx512)
        } else if is_x86_feature_detected!("avx2") {
            Some(Width::Avx2)
        } else {
            None
        };
        let steps =
            [Step::By256, Step::By512, Step::By64PastCache, Step::By512PastCache, Step::Reading];
        width.into_iter().flat_map(move |width| steps.map(|step| Self { width, step }))
    }
}

impl Peer for Streams {
    fn name(&self) -> String {
        let step = match self.step {
            Step::By256 => "256",
            Step::By512 => "512",
            Step::By64PastCache => "64-past-cache",
            Step::By512PastCache => "512-past-cache",
            Step::Reading => return "read".to_owned(),
        };
        format!("limit:{step}")
    }

    fn part(&self) -> Part {
        match self.step {
            Step::Reading => Part::Reading,
            Step::By256 | Step::By512 | Step::By64PastCache | Step::By512PastCache => Part::Limit,
        }
    }

    fn path(&self, operation: Operation) -> Option<Path> {
        if self.part() == Part::Reading && operation != Operation::GenPq {
            return None;
        }
        let width = match self.width {
            Width::Avx512 => "avx512",
            Width::Avx2 => "avx2",
        };
        Some(Path::Vector(width.to_owned()))
    }

    fn visits(&self, place: Place) -> bool {
        match (place, self.step) {
            (Place::Hot, Step::By64PastCache | Step::By512PastCache) => false,
            (Place::Hot, Step::By256 | Step::By512 | Step::Reading) => true,
            (Place::Memory, Step::Reading) => false,
            (Place::Memory, Step::By256 | Step::By512) => true,
            (Place::Memory, Step::By64PastCache | Step::By512PastCache) => true,
        }
    }

    fn prepare(&self, task: &Task) -> Bind {
        let (task, loops) = (*task, *self);
        Box::new(move |row| {
            let mut traffic = Traffic::of(&task, row);
            if loops.part() == Part::Reading {
                traffic.writes = Writes::None;
            }
            Box::new(move || {
                loops.run(&mut traffic);
                true
            })
        })
    }
}

impl Streams {
    fn run(self, traffic: &mut Traffic<'_>) {
        /// The loop for the number of streams: what the k of the options come to.
        macro_rules! by_count {
            ($pass:ident, $lines:literal, $past_cache:literal) => {
                match traffic.reads.len() {
                    // SAFETY: `Streams::all` asked the CPU for these instructions.
                    4 => unsafe { $pass::<4, $lines, $past_cache>(traffic) },
                    // SAFETY: as above.
                    6 => unsafe { $pass::<6, $lines, $past_cache>(traffic) },
                    // SAFETY: as above.
                    8 => unsafe { $pass::<8, $lines, $past_cache>(traffic) },
                    // SAFETY: as above.
                    10 => unsafe { $pass::<10, $lines, $past_cache>(traffic) },
                    // SAFETY: as above.
                    12 => unsafe { $pass::<12, $lines, $past_cache>(traffic) },
                    // SAFETY: as above.
                    16 => unsafe { $pass::<16, $lines, $past_cache>(traffic) },
                    // SAFETY: as above.
                    18 => unsafe { $pass::<18, $lines, $past_cache>(traffic) },
                    // SAFETY: as above.
                    32 => unsafe { $pass::<32, $lines, $past_cache>(traffic) },
                    // SAFETY: as above.
                    34 => unsafe { $pass::<34, $lines, $past_cache>(traffic) },
                    count => panic!("no loop for {count} streams"),
                }
            };
        }
        match (self.width, self.step) {
            (Width::Avx512, Step::By256 | Step::Reading) => by_count!(pass512, 4, false),
            (Width::Avx512, Step::By512) => by_count!(pass512, 8, false),
            (Width::Avx512, Step::By64PastCache) => by_count!(pass512, 1, true),
            (Width::Avx512, Step::By512PastCache) => by_count!(pass512, 8, true),
            (Width::Avx2, Step::By256 | Step::Reading) => by_count!(pass256, 8, false),
            (Width::Avx2, Step::By512) => by_count!(pass256, 16, false),
            (Width::Avx2, Step::By64PastCache) => by_count!(pass256, 2, true),
            (Width::Avx2, Step::By512PastCache) => by_count!(pass256, 16, true),
        }
    }
}

/// The streams of an operation on a row: `length` bytes each, borrowed exclusively, at multiples
/// of 1 KiB. An updated block is among both.
struct Traffic<'a> {
    reads: Vec<*const u8>,
    writes: Writes,
    length: usize,
    borrow: PhantomData<&'a mut [u8]>,
}

#[derive(Clone, Copy)]
enum Writes {
    None,
    One(*mut u8),
    Two(*mut u8, *mut u8),
}

impl<'a> Traffic<'a> {
    fn of(task: &Task, row: Row<'a>) -> Self {
        let mut reads: Vec<*mut u8> = row.data.into_iter().map(<[u8]>::as_mut_ptr).collect();
        let (p, q, new) = (row.p.as_mut_ptr(), row.q.as_mut_ptr(), row.new.as_mut_ptr());
        let writes = match task.operation {
            Operation::GenPq => Writes::Two(p, q),
            Operation::Xor => Writes::One(p),
            Operation::UpdatePq => {
                reads = vec![reads[task.first()], new, p, q];
                Writes::Two(p, q)
            }
            Operation::RecoverOne => Writes::One(core::mem::replace(&mut reads[task.first()], p)),
            Operation::RecoverTwo => Writes::Two(
                core::mem::replace(&mut reads[task.first()], p),
                core::mem::replace(&mut reads[task.second()], q),
            ),
            Operation::RecoverDataP => {
                Writes::Two(core::mem::replace(&mut reads[task.first()], q), p)
            }
            Operation::Check => {
                reads.extend([p, q]);
                Writes::None
            }
        };
        let reads = reads.into_iter().map(<*mut u8>::cast_const).collect();
        Self { reads, writes, length: task.chunk, borrow: PhantomData }
    }
}

macro_rules! pass {
    ($name:ident, $features:literal, $vector:ty, $bytes:literal,
     $zero:ident, $xor:ident, $load:ident, $store:ident, $stream:ident) => {
        /// `COUNT` streams, `LINES` vectors of each at a time.
        #[target_feature(enable = $features)]
        fn $name<const COUNT: usize, const LINES: usize, const PAST_CACHE: bool>(
            traffic: &mut Traffic<'_>,
        ) {
            // A copy can stay in registers: no store may change it.
            let Some(reads) = traffic.reads.first_chunk::<COUNT>().copied() else { return };
            let writes = traffic.writes;
            let mut at = 0;
            let mut seen: $vector = $zero();
            while at + $bytes * LINES <= traffic.length {
                let mut sums: [$vector; LINES] = [$zero(); LINES];
                for stream in &reads {
                    for (line, sum) in sums.iter_mut().enumerate() {
                        let from = stream.wrapping_add(at + line * $bytes);
                        // SAFETY: a stream has `length` bytes, and the loop ends before them.
                        *sum = $xor(*sum, unsafe { $load(from.cast()) });
                    }
                }
                let put = |stream: *mut u8| {
                    for (line, sum) in sums.iter().enumerate() {
                        let to = stream.wrapping_add(at + line * $bytes);
                        if PAST_CACHE {
                            // SAFETY: as above; and streams begin at multiples of 1 KiB.
                            unsafe { $stream(to.cast(), *sum) };
                        } else {
                            // SAFETY: as above.
                            unsafe { $store(to.cast(), *sum) };
                        }
                    }
                };
                match writes {
                    Writes::None => seen = sums.iter().fold(seen, |seen, sum| $xor(seen, *sum)),
                    Writes::One(only) => put(only),
                    Writes::Two(first, second) => {
                        put(first);
                        put(second);
                    }
                }
                at += $bytes * LINES;
            }
            if matches!(writes, Writes::None) {
                black_box(seen);
            }
            if PAST_CACHE {
                _mm_sfence();
            }
        }
    };
}

pass!(
    pass512,
    "avx512f",
    __m512i,
    64,
    _mm512_setzero_si512,
    _mm512_xor_si512,
    _mm512_loadu_si512,
    _mm512_storeu_si512,
    _mm512_stream_si512
);
pass!(
    pass256,
    "avx2",
    __m256i,
    32,
    _mm256_setzero_si256,
    _mm256_xor_si256,
    _mm256_loadu_si256,
    _mm256_storeu_si256,
    _mm256_stream_si256
);
