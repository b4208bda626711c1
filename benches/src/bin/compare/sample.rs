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
const GIB: f64 = (1_u64 << 30) as f64;

/// Rates of implementations in a cell, in GiB/s: medians over rounds in which each has its turn.
pub(crate) fn rates(
    cell: &Cell,
    implementations: &[Bind],
    memory: &mut Memory,
    effort: Effort,
) -> Vec<f64> {
    let rounds = match (effort, cell.place) {
        (Effort::Full, Place::Hot) => 9,
        (Effort::Full, Place::Memory) => 5,
        (Effort::Quick, Place::Hot) => 5,
        (Effort::Quick, Place::Memory) => 3,
    };
    if cell.task.operation == Operation::Check {
        settle(cell, memory);
    }
    let counts: Vec<u32> = implementations
        .iter()
        .map(|bind| match cell.place {
            Place::Hot => calls_in(Duration::from_millis(1), bind, &cell.task, memory),
            Place::Memory => 0,
        })
        .collect();
    let mut samples = vec![Vec::new(); implementations.len()];
    for _ in 0..rounds {
        for ((bind, samples), &count) in implementations.iter().zip(&mut samples).zip(&counts) {
            samples.push(match cell.place {
                Place::Hot => undisturbed(|| hot(bind, &cell.task, memory, count)),
                Place::Memory => from_memory(bind, &cell.task, memory),
            });
        }
    }
    samples.into_iter().map(median).collect()
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
        if start.elapsed() >= time || count > 1 << 24 {
            return count;
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

fn from_memory(bind: &Bind, task: &Task, memory: &mut Memory) -> f64 {
    let rows = Memory::pass_rows(task);
    let batch = (BATCH_BYTES / (task.k * task.chunk)).max(1);
    let mut time = Duration::ZERO;
    let bytes = &mut memory.bytes()[..rows * Row::size(task)];
    for batch in bytes.chunks_mut(batch * Row::size(task)) {
        let mut calls: Vec<_> =
            batch.chunks_exact_mut(Row::size(task)).map(|row| bind(Row::of(task, row))).collect();
        let start = CpuTime::now();
        for call in &mut calls {
            black_box(call());
        }
        time += start.elapsed();
    }
    rate(task.bytes() * rows, time)
}

/// Gives the rows the parity that a check shall find.
fn settle(cell: &Cell, memory: &mut Memory) {
    let task = &cell.task;
    let rows = match cell.place {
        Place::Hot => 1,
        Place::Memory => Memory::pass_rows(task),
    };
    for row in memory.bytes()[..rows * Row::size(task)].chunks_exact_mut(Row::size(task)) {
        let row = Row::of(task, row);
        let (p, q) = reference::parity(&row.data, task.chunk);
        row.p.copy_from_slice(&p);
        row.q.copy_from_slice(&q);
    }
}
