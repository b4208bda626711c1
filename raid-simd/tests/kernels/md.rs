//! Rows that Linux md wrote: its P, its Q, its coefficients.

use super::lanes::{Place, Targets};
use super::rows::{View, exponents};
use raid_simd::{Kernels, Source, Target};

const ROWS: &str = include_str!("../fixtures/md/rows.tsv");
const BYTES: &[u8] = include_bytes!("../fixtures/md/rows.bin");
const SECTOR: usize = 512;

struct MdRow {
    layout: &'static str,
    name: String,
    view: View<'static>,
}

fn rows() -> Vec<MdRow> {
    let mut sectors = BYTES.chunks_exact(SECTOR);
    let rows: Vec<_> = ROWS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let [layout, number, list] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("not three fields: {line}");
            };
            let numbers = list.split(',').map(|number| number.parse().unwrap());
            let source = |exponent| Source { exponent, bytes: sectors.next().unwrap() };
            let sources = exponents(numbers).into_iter().map(source).collect();
            let [p, q] = [(); 2].map(|()| sectors.next().unwrap());
            let view = View { sources, p, q, place: Place::Offset(0) };
            MdRow { layout, name: format!("{layout}, row {number}"), view }
        })
        .collect();
    assert_eq!(sectors.len(), 0);
    rows
}

#[test]
fn all_layouts_are_there() {
    let mut layouts: Vec<_> = rows().iter().map(|row| row.layout).collect();
    assert_eq!(layouts.len(), 14 * 5);
    layouts.dedup();
    assert_eq!(layouts.len(), 14);
    for layout in ["left-symmetric", "ddf-N-continue", "ddf-zero-restart", "left-symmetric-6"] {
        assert!(layouts.contains(&layout));
    }
}

#[test]
fn p_and_q_are_those_of_md() {
    for MdRow { name, view, .. } in rows() {
        let mut targets = Targets::new(SECTOR, view.place);
        for kernels in Kernels::available() {
            let made = targets.written(|p, q| kernels.gen_pq(&view.sources, p, q).unwrap());
            assert!(made == [view.p, view.q], "{name}: {}", kernels.name());
            assert_eq!(kernels.check_pq(&view.sources, view.p, view.q, |_, _| {}), Ok(0), "{name}");
        }
    }
}

#[test]
fn two_lost_blocks_come_back_from_the_parity_of_md() {
    for MdRow { name, view, .. } in rows() {
        let mut targets = Targets::new(SECTOR, view.place);
        for kernels in Kernels::available() {
            for (x, y) in [(0, 1), (0, 2), (2, 1)] {
                let (lost_x, lost_y) = (view.sources[x], view.sources[y]);
                let survivors = view.survivors(&[x, y]);
                let written = targets.written(|first, second| {
                    let first = Target { exponent: lost_x.exponent, bytes: first };
                    let second = Target { exponent: lost_y.exponent, bytes: second };
                    kernels.recover_two(&survivors, view.p, view.q, first, second).unwrap();
                });
                assert!(written == [lost_x.bytes, lost_y.bytes], "{name}: {}", kernels.name());
            }
        }
    }
}
