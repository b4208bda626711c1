//! Rounds of samples, and their medians.

use core::hint::black_box;
use core::time::Duration;

use crate::cell::{Cell, Operation, Place, Task};
use crate::clock::{CpuTime, preemptions};
use crate::options::Effort;
use crate::peers::{Bind, Call};
use crate::reference;
use crate::row::{Memory, Row};

/// Data bytes in a batch of rows whose calls are bound before they are timed.
const BATCH_BYTES: usize = 1 << 20;
/// A sample from memory goes through this part of the rows, the next one through the part after it:
/// what it reads was last touched several caches' worth of rows ago.
const PARTS: usize = 6;
/// The shortest hot sample.
const HOT: Duration = Duration::from_micros(500);
/// Samples that lie this close together, the middle half of them, are enough of them.
const CLOSE: f64 = 0.02;
const GIB: f64 = (1_u64 << 30) as f64;

/// Rates of implementations in a cell, in GiB/s: medians over rounds in which each has its turn.
pub(crate) fn rates(
    cell: &Cell,
    implementations: &[Bind],
    memory: &mut Memory,
    effort: Effort,
) -> Vec<f64> {
    let (fewest, most) = match (effort, cell.place) {
        (Effort::Full, Place::Hot) => (9, 15),
        (Effort::Full, Place::Memory) => (7, 9),
        (Effort::Quick, Place::Hot) => (5, 9),
        (Effort::Quick, Place::Memory) => (3, 5),
    };
    if cell.task.operation == Operation::Check {
        settle(cell, memory);
    }
    let counts: Vec<u32> = implementations
        .iter()
        .map(|bind| match cell.place {
            Place::Hot => calls_in(HOT, bind, &cell.task, memory),
            Place::Memory => 0,
        })
        .collect();
    let mut samples = vec![Vec::new(); implementations.len()];
    let mut part = 0;
    for round in 0..most {
        if round >= fewest && samples.iter().all(|samples| are_close(samples)) {
            break;
        }
        for ((bind, samples), &count) in implementations.iter().zip(&mut samples).zip(&counts) {
            samples.push(match cell.place {
                Place::Hot => undisturbed(|| hot(bind, &cell.task, memory, count)),
                Place::Memory => from_memory(bind, &cell.task, memory, part),
            });
            part = (part + 1) % PARTS;
        }
    }
    samples.into_iter().map(median).collect()
}

/// Whether the middle half of the samples spans little.
fn are_close(samples: &[f64]) -> bool {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quarter = sorted.len() / 4;
    match (sorted.get(quarter), sorted.get(sorted.len() - 1 - quarter)) {
        (Some(low), Some(high)) => high - low <= CLOSE * low,
        (_, None) | (None, _) => false,
    }
}

/// The middle one, or the mean of the two in the middle. Not a number if there is none.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match (numbers.get(middle), numbers.len() % 2, middle.checked_sub(1)) {
        (Some(number), 1, _) => *number,
        (Some(number), _, Some(below)) => f64::midpoint(*number, numbers[below]),
        (None, _, _) | (Some(_), _, None) => f64::NAN,
    }
}

/// A sample in which no other thread had the CPU, and with it the caches; or, where others do not
/// let go of it, the last of a few.
fn undisturbed(mut sample: impl FnMut() -> f64) -> f64 {
    const TRIES: u32 = 5;
    let mut rate = f64::NAN;
    for _ in 0..TRIES {
        let before = preemptions();
        rate = sample();
        if preemptions() == before {
            break;
        }
    }
    rate
}

fn rate(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / GIB / time.as_secs_f64()
}

fn hot_call<'a>(bind: &Bind, task: &Task, memory: &'a mut Memory) -> Call<'a> {
    bind(Row::of(task, &mut memory.bytes()[..Row::size(task)]))
}

/// How many calls take this long.
fn calls_in(time: Duration, bind: &Bind, task: &Task, memory: &mut Memory) -> u32 {
    let mut call = hot_call(bind, task, memory);
    let mut count = 1;
    loop {
        let start = CpuTime::now();
        for _ in 0..count {
            black_box(call());
        }
        let taken = start.elapsed();
        if taken >= time / 8 || count > 1 << 24 {
            let times = time.as_secs_f64() / taken.as_secs_f64();
            return (f64::from(count) * times).ceil().max(1.0) as u32;
        }
        count *= 2;
    }
}

fn hot(bind: &Bind, task: &Task, memory: &mut Memory, count: u32) -> f64 {
    let mut call = hot_call(bind, task, memory);
    // What the implementation before it left in the caches goes out.
    for _ in 0..count.div_ceil(16) {
        black_box(call());
    }
    let start = CpuTime::now();
    for _ in 0..count {
        black_box(call());
    }
    rate(task.bytes() * count as usize, start.elapsed())
}

fn from_memory(bind: &Bind, task: &Task, memory: &mut Memory, part: usize) -> f64 {
    let size = Row::size(task);
    let all = Memory::pass_rows(task);
    let (start, end) = (all * part / PARTS, all * (part + 1) / PARTS);
    let batch = (BATCH_BYTES / (task.k * task.chunk)).max(1);
    let mut time = Duration::ZERO;
    let bytes = &mut memory.bytes()[start * size..end * size];
    for batch in bytes.chunks_mut(batch * size) {
        let mut calls: Vec<_> =
            batch.chunks_exact_mut(size).map(|row| bind(Row::of(task, row))).collect();
        let start = CpuTime::now();
        for call in &mut calls {
            black_box(call());
        }
        time += start.elapsed();
    }
    rate(task.bytes() * (end - start), time)
}

/// Gives the rows the parity that a check shall find: one row, and copies of it.
fn settle(cell: &Cell, memory: &mut Memory) {
    let task = &cell.task;
    let (size, rows) = match cell.place {
        Place::Hot => (Row::size(task), 1),
        Place::Memory => (Row::size(task), Memory::pass_rows(task)),
    };
    let (first, others) = memory.bytes()[..rows * size].split_at_mut(size);
    let row = Row::of(task, first);
    let (p, q) = reference::parity(&row.data, task.chunk);
    row.p.copy_from_slice(&p);
    row.q.copy_from_slice(&q);
    for row in others.chunks_exact_mut(size) {
        row.copy_from_slice(first);
    }
}
