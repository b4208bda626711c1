//! What every operation does with a row, and whether a backend does as the reference.

use super::lanes::Targets;
use super::rows::View;
use raid_simd::{Change, Kernels, Placement, ShapeError, Target};

/// What an operation wrote or told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) operation: &'static str,
    pub(crate) written: Vec<Vec<u8>>,
    pub(crate) told: Vec<String>,
}

/// Runs an operation that writes to two targets, or to the first of them alone.
fn write(
    operation: &'static str,
    targets: &mut Targets,
    call: impl FnOnce(&mut [u8], &mut [u8]) -> Result<(), ShapeError>,
) -> Entry {
    let written = targets.written(|first, second| call(first, second).unwrap());
    Entry { operation, written: written.map(<[u8]>::to_vec).into(), told: Vec::new() }
}

/// Runs every operation that needs no lost block.
pub(crate) fn sums(kernels: Kernels, row: &View<'_>, targets: &mut Targets) -> Vec<Entry> {
    let (sources, slices) = (&row.sources, row.slices());
    // Every block changes to what its neighbour holds.
    let changes: Vec<_> = sources
        .iter()
        .zip(sources.iter().cycle().skip(1))
        .map(|(old, new)| Change { exponent: old.exponent, old: old.bytes, new: new.bytes })
        .collect();
    // Change by change there is another loop.
    let update_one = |p: &mut [u8], q: &mut [u8]| {
        changes.first().map_or(Ok(()), |change| kernels.update_pq(&[*change], p, q))
    };
    vec![
        write("xor", targets, |target, _| kernels.xor(&slices, target)),
        write("gen_p", targets, |p, _| kernels.gen_p(sources, p)),
        write("gen_q", targets, |q, _| kernels.gen_q(sources, q)),
        write("gen_pq", targets, |p, q| kernels.gen_pq(sources, p, q)),
        write("update_p", targets, |p, _| kernels.update_p(&changes, p)),
        write("update_q", targets, |q, _| kernels.update_q(&changes, q)),
        write("update_pq", targets, |p, q| kernels.update_pq(&changes, p, q)),
        write("update_pq of one block", targets, update_one),
        write("accumulate_p", targets, |p, _| kernels.accumulate_p(sources, p)),
        write("accumulate_q", targets, |q, _| kernels.accumulate_q(sources, q)),
        write("accumulate_pq", targets, |p, q| kernels.accumulate_pq(sources, p, q)),
    ]
}

/// Runs every recovery of the block `lost`.
pub(crate) fn recoveries_of_one(
    kernels: Kernels,
    row: &View<'_>,
    lost: usize,
    targets: &mut Targets,
) -> Vec<Entry> {
    let survivors = row.survivors(&[lost]);
    let (p, q, exponent) = (row.p, row.q, row.sources[lost].exponent);
    vec![
        write("recover_from_p", targets, |bytes, _| kernels.recover_from_p(&survivors, p, bytes)),
        write("recover_from_q", targets, |bytes, _| {
            kernels.recover_from_q(&survivors, q, Target { exponent, bytes })
        }),
        write("recover_data_and_p", targets, |bytes, p| {
            kernels.recover_data_and_p(&survivors, q, Target { exponent, bytes }, p)
        }),
        write("recover_data_and_q", targets, |bytes, q| {
            kernels.recover_data_and_q(&survivors, p, Target { exponent, bytes }, q)
        }),
    ]
}

/// Runs every recovery of the blocks `x` and `y`.
pub(crate) fn recoveries_of_two(
    kernels: Kernels,
    row: &View<'_>,
    (x, y): (usize, usize),
    targets: &mut Targets,
) -> Vec<Entry> {
    let survivors = row.survivors(&[x, y]);
    let (p, q) = (row.p, row.q);
    let [ex, ey] = [x, y].map(|index| row.sources[index].exponent);
    vec![
        write("recover_two", targets, |first, second| {
            let first = Target { exponent: ex, bytes: first };
            kernels.recover_two(&survivors, p, q, first, Target { exponent: ey, bytes: second })
        }),
        write("recover_from_pq", targets, |bytes, _| {
            kernels.recover_from_pq(&survivors, p, q, Target { exponent: ex, bytes }, ey)
        }),
    ]
}

/// Runs every operation that only looks.
pub(crate) fn looks(kernels: Kernels, row: &View<'_>) -> Vec<Entry> {
    let (sources, slices) = (&row.sources, row.slices());
    let (p, q) = (row.p, row.q);
    let entry = |operation, told: Vec<String>, count: Result<usize, ShapeError>| {
        assert_eq!(count, Ok(told.len()), "{operation} counts what it tells");
        Entry { operation, written: Vec::new(), told }
    };
    let mut told: [Vec<String>; 5] = Default::default();
    let [by_p, by_q, by_both, located, compared] = &mut told;
    let counts = [
        kernels.check_p(sources, p, |unit| by_p.push(format!("{unit}"))),
        kernels.check_q(sources, q, |unit| by_q.push(format!("{unit}"))),
        kernels.check_pq(sources, p, q, |unit, what| by_both.push(format!("{unit} {what:?}"))),
        kernels.locate(sources, p, q, |unit, what| located.push(format!("{unit} {what:?}"))),
        kernels.compare(&slices, |unit| compared.push(format!("{unit}"))),
    ];
    ["check_p", "check_q", "check_pq", "locate", "compare"]
        .into_iter()
        .zip(told)
        .zip(counts)
        .map(|((operation, told), count)| entry(operation, told, count))
        .collect()
}

/// Runs every operation, with the blocks `lost` lost; twice the same one is one.
fn everything(
    kernels: Kernels,
    row: &View<'_>,
    lost: (usize, usize),
    targets: &mut Targets,
) -> Vec<Entry> {
    let mut all = sums(kernels, row, targets);
    all.extend(looks(kernels, row));
    all.extend(recoveries_of_one(kernels, row, lost.0, targets));
    if lost.0 != lost.1 {
        all.extend(recoveries_of_two(kernels, row, lost, targets));
    }
    all
}

/// Every backend but the reference.
pub(crate) fn vectors() -> impl Iterator<Item = Kernels> {
    let scalar = Kernels::scalar().backend();
    Kernels::available().filter(move |kernels| kernels.backend() != scalar)
}

/// What the reference does with a row.
pub(crate) struct Oracle {
    lost: (usize, usize),
    expected: Vec<Entry>,
}

impl Oracle {
    pub(crate) fn of(row: &View<'_>, lost: (usize, usize)) -> Self {
        let mut targets = Targets::new(row.p.len(), row.place);
        Self { lost, expected: everything(Kernels::scalar(), row, lost, &mut targets) }
    }

    /// Asserts that every backend does the same with a row of this content, to each placement.
    pub(crate) fn judge(&self, row: &View<'_>, placements: &[Placement]) {
        let mut targets = Targets::new(row.p.len(), row.place);
        for kernels in vectors() {
            for &placement in placements {
                let placed = kernels.placed(placement);
                let entries = everything(placed, row, self.lost, &mut targets);
                assert_eq!(entries.len(), self.expected.len());
                for (entry, expected) in entries.iter().zip(&self.expected) {
                    assert!(
                        entry == expected,
                        "{} {} {placement:?}: {} bytes at {:?}, exponents {:?}, lost {:?}",
                        kernels.name(),
                        entry.operation,
                        row.p.len(),
                        row.place,
                        row.sources.iter().map(|source| source.exponent.get()).collect::<Vec<_>>(),
                        self.lost,
                    );
                }
            }
        }
    }
}

/// To the cache and past it. By size is one of the two.
pub(crate) const BOTH: &[Placement] = &[Placement::Cached, Placement::Streaming];

/// Asserts that each backend does with a row as the reference does.
pub(crate) fn agree(row: &View<'_>, lost: (usize, usize)) {
    Oracle::of(row, lost).judge(row, BOTH);
}
