//! raid-simd.

use raid_simd::{Change, Exponent, Kernels, Placement, Source, Target};

use super::{Bind, Call, Part, Path, Peer};
use crate::cell::{Operation, Place, Task};
use crate::row::Row;

/// What a caller tells of where the rows are. One call cannot see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Nothing.
    Nothing,
    /// That it goes through more rows than a cache holds.
    Streaming,
}

impl Ask {
    pub(super) const ALL: [Self; 2] = [Self::Nothing, Self::Streaming];
}

#[derive(Debug)]
pub(super) struct Ours(Kernels, Ask);

impl Ours {
    pub(super) fn new(backend: Option<&str>, ask: Ask) -> Result<Self, String> {
        let kernels = match backend {
            None => Kernels::detect(),
            Some(name) => {
                Kernels::available().find(|kernels| kernels.name() == name).ok_or_else(|| {
                    let names: Vec<_> = Kernels::available().map(Kernels::name).collect();
                    format!("no backend {name} on this CPU; there are: {}", names.join(", "))
                })?
            }
        };
        let placement = match ask {
            Ask::Nothing => Placement::default(),
            Ask::Streaming => Placement::Streaming,
        };
        Ok(Self(kernels.placed(placement), ask))
    }
}

impl Peer for Ours {
    fn name(&self) -> String {
        let Self(kernels, ask) = self;
        match ask {
            Ask::Nothing => format!("raid-simd-{}", kernels.name()),
            Ask::Streaming => format!("raid-simd-{}:streaming", kernels.name()),
        }
    }

    fn part(&self) -> Part {
        Part::Ours
    }

    fn part_in(&self, place: Place) -> Part {
        match (place, self.1) {
            (Place::Hot, _) | (Place::Memory, Ask::Streaming) => Part::Ours,
            (Place::Memory, Ask::Nothing) => Part::OursUnasked,
        }
    }

    fn visits(&self, place: Place) -> bool {
        match (place, self.1) {
            (Place::Hot, Ask::Streaming) => false,
            (Place::Hot, Ask::Nothing) | (Place::Memory, _) => true,
        }
    }

    fn path(&self, _: Operation) -> Option<Path> {
        Some(Path::Vector(self.0.name().to_owned()))
    }

    fn prepare(&self, task: &Task) -> Bind {
        let (kernels, task) = (self.0, *task);
        match task.operation {
            Operation::GenPq => Box::new(move |row| gen_pq(kernels, row)),
            Operation::Xor => Box::new(move |row| xor(kernels, row)),
            Operation::UpdatePq => Box::new(move |row| update_pq(kernels, task, row)),
            Operation::RecoverOne => Box::new(move |row| recover_one(kernels, task, row)),
            Operation::RecoverTwo => Box::new(move |row| recover_two(kernels, task, row)),
            Operation::RecoverDataP => Box::new(move |row| recover_data_p(kernels, task, row)),
            Operation::Check => Box::new(move |row| check(kernels, row)),
        }
    }
}

fn exponent(index: usize) -> Exponent {
    let number = u8::try_from(index).expect("a row has at most 64 blocks");
    Exponent::new(number).expect("a row has at most 64 blocks")
}

fn sources(data: Vec<&mut [u8]>) -> Vec<Source<'_>> {
    let shared = data.into_iter().map(|block| &*block);
    shared.enumerate().map(|(at, bytes)| Source { exponent: exponent(at), bytes }).collect()
}

fn gen_pq(kernels: Kernels, row: Row<'_>) -> Call<'_> {
    let (sources, p, q) = (sources(row.data), row.p, row.q);
    Box::new(move || kernels.gen_pq(&sources, p, q).is_ok())
}

fn xor(kernels: Kernels, row: Row<'_>) -> Call<'_> {
    let sources: Vec<&[u8]> = row.data.into_iter().map(|block| &*block).collect();
    let p = row.p;
    Box::new(move || kernels.xor(&sources, p).is_ok())
}

fn update_pq(kernels: Kernels, task: Task, row: Row<'_>) -> Call<'_> {
    let Source { exponent, bytes: old } = sources(row.data).swap_remove(task.first());
    let changes = [Change { exponent, old, new: row.new }];
    let (p, q) = (row.p, row.q);
    Box::new(move || kernels.update_pq(&changes, p, q).is_ok())
}

fn recover_one(kernels: Kernels, task: Task, mut row: Row<'_>) -> Call<'_> {
    let target = row.data.remove(task.first());
    let (survivors, p) = (sources(row.data), row.p);
    Box::new(move || kernels.recover_from_p(&survivors, p, target).is_ok())
}

fn recover_two(kernels: Kernels, task: Task, row: Row<'_>) -> Call<'_> {
    let (mut first, mut second, mut survivors) = (None, None, Vec::new());
    for (at, block) in row.data.into_iter().enumerate() {
        if at == task.first() {
            first = Some(block);
        } else if at == task.second() {
            second = Some(block);
        } else {
            survivors.push(Source { exponent: exponent(at), bytes: block });
        }
    }
    let (first, second) = (first.expect("a block is lost"), second.expect("two blocks are lost"));
    let (p, q) = (row.p, row.q);
    Box::new(move || {
        let first = Target { exponent: exponent(task.first()), bytes: first };
        let second = Target { exponent: exponent(task.second()), bytes: second };
        kernels.recover_two(&survivors, p, q, first, second).is_ok()
    })
}

fn recover_data_p(kernels: Kernels, task: Task, row: Row<'_>) -> Call<'_> {
    let (mut lost, mut survivors) = (None, Vec::new());
    for (at, block) in row.data.into_iter().enumerate() {
        if at == task.first() {
            lost = Some(block);
        } else {
            survivors.push(Source { exponent: exponent(at), bytes: block });
        }
    }
    let (lost, p, q) = (lost.expect("a block is lost"), row.p, row.q);
    Box::new(move || {
        let data = Target { exponent: exponent(task.first()), bytes: lost };
        kernels.recover_data_and_p(&survivors, q, data, p).is_ok()
    })
}

fn check(kernels: Kernels, row: Row<'_>) -> Call<'_> {
    let (sources, p, q) = (sources(row.data), row.p, row.q);
    Box::new(move || kernels.check_pq(&sources, p, q, |_, _| {}) == Ok(0))
}
