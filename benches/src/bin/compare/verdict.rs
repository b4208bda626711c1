//! Ours against the best peer, cell by cell, and the summaries.

use crate::cell::{Cell, Operation, Place};
use crate::peers::{Part, Path, Peer};
use crate::sample::median;

/// What a rate counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Ours,
    /// A peer that ran vector code.
    Peer,
    /// Functions of a peer put together here: told of apart.
    Composite,
    /// A peer that did not: shown, not compared with.
    Bystander,
    /// Ours by default, where the caller could have said more: shown, not compared.
    OursUnasked,
    Limit,
    /// The loop that writes nothing.
    Reading,
}

impl Standing {
    pub(crate) fn of(peer: &dyn Peer, cell: &Cell) -> Self {
        match (peer.part_in(cell.place), peer.path(cell.task.operation)) {
            (Part::Ours, _) => Self::Ours,
            (Part::OursUnasked, _) => Self::OursUnasked,
            (Part::Limit, _) => Self::Limit,
            (Part::Reading, _) => Self::Reading,
            (Part::Peer, Some(Path::Vector(_))) => Self::Peer,
            (Part::Composite, Some(Path::Vector(_))) => Self::Composite,
            (Part::Peer | Part::Composite, Some(Path::Generic(_)) | None) => Self::Bystander,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
            Self::Composite => "composite",
            Self::Bystander => "generic",
            Self::OursUnasked => "default",
            Self::Limit => "limit",
            Self::Reading => "read",
        }
    }

    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let all = [
            Self::Ours,
            Self::Peer,
            Self::Composite,
            Self::Bystander,
            Self::OursUnasked,
            Self::Limit,
            Self::Reading,
        ];
        all.into_iter()
            .find(|standing| standing.name() == name)
            .ok_or_else(|| format!("no standing {name}"))
    }
}

/// The rates of one implementation in one cell, a launch each.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) standing: Standing,
    pub(crate) rates: Vec<f64>,
}

impl Entry {
    pub(crate) fn rate(&self) -> f64 {
        median(self.rates.clone())
    }
}

/// A code path: peer, operation, text.
pub(crate) type PathLine = [String; 3];

/// All that the launches said.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) cells: Vec<(Cell, Vec<Entry>)>,
    pub(crate) paths: Vec<PathLine>,
}

impl Sheet {
    pub(crate) fn new(cells: Vec<Cell>) -> Self {
        let cells = cells.into_iter().map(|cell| (cell, Vec::new())).collect();
        Self { cells, paths: Vec::new() }
    }

    pub(crate) fn path(&mut self, peer: &str, operation: &str, path: &str) {
        let line = [peer, operation, path].map(str::to_owned);
        if !self.paths.contains(&line) {
            self.paths.push(line);
        }
    }

    pub(crate) fn rate(&mut self, cell: usize, name: &str, standing: Standing, rate: f64) {
        let Some((_, entries)) = self.cells.get_mut(cell) else { return };
        match entries.iter_mut().find(|entry| entry.name == name) {
            Some(entry) => entry.rates.push(rate),
            None => entries.push(Entry { name: name.to_owned(), standing, rates: vec![rate] }),
        }
    }

    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        self.cells.iter().filter_map(|(cell, entries)| Verdict::of(*cell, entries)).collect()
    }
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) cell: Cell,
    pub(crate) ours: f64,
    pub(crate) best: Option<Best>,
    /// Ours, and the rate of the limit.
    pub(crate) limit: Option<(f64, f64)>,
    /// Ours against the loop that writes nothing.
    pub(crate) reading: Option<f64>,
    /// Every peer: name, and ours against it.
    pub(crate) against: Vec<(String, f64)>,
    /// The fastest composite, which is not among the peers.
    pub(crate) composite: Option<Best>,
}

/// The fastest peer, or composite.
#[derive(Debug)]
pub(crate) struct Best {
    pub(crate) name: String,
    pub(crate) rate: f64,
    /// Ours against it.
    pub(crate) ratio: f64,
}

impl Verdict {
    fn of(cell: Cell, entries: &[Entry]) -> Option<Self> {
        let ours = entries.iter().find(|entry| entry.standing == Standing::Ours)?;
        let ratio = |rates: &[f64]| {
            median(ours.rates.iter().zip(rates).map(|(our, it)| our / it).collect())
        };
        let rivals = || entries.iter().filter(|entry| entry.standing == Standing::Peer);
        let fastest = |standing: Standing| {
            let of_them = entries.iter().filter(|entry| entry.standing == standing);
            of_them.max_by(|a, b| a.rate().total_cmp(&b.rate())).map(|entry| Best {
                name: entry.name.clone(),
                rate: entry.rate(),
                ratio: ratio(&entry.rates),
            })
        };
        let (best, composite) = (fastest(Standing::Peer), fastest(Standing::Composite));
        // The fastest loop of each launch.
        let mut limit: Vec<f64> = Vec::new();
        for entry in entries.iter().filter(|entry| entry.standing == Standing::Limit) {
            limit.resize(entry.rates.len(), 0.0);
            for (limit, rate) in limit.iter_mut().zip(&entry.rates) {
                *limit = limit.max(*rate);
            }
        }
        let limit = if limit.is_empty() { None } else { Some((ratio(&limit), median(limit))) };
        let reading = entries.iter().find(|entry| entry.standing == Standing::Reading);
        let reading = reading.map(|entry| ratio(&entry.rates));
        let against = rivals().map(|it| (it.name.clone(), ratio(&it.rates))).collect();
        Some(Self { cell, ours: ours.rate(), best, limit, reading, against, composite })
    }
}

/// Several ratios as one.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) geomean: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    fn of(ratios: &[f64]) -> Option<Self> {
        if ratios.is_empty() {
            return None;
        }
        let logs: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
        Some(Self {
            geomean: (logs / ratios.len() as f64).exp(),
            min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            max: ratios.iter().copied().fold(0.0, f64::max),
        })
    }
}

/// The verdicts of an operation in a place.
pub(crate) fn part(
    verdicts: &[Verdict],
    operation: Operation,
    place: Place,
) -> impl Iterator<Item = &Verdict> + Clone {
    verdicts.iter().filter(move |it| it.cell.task.operation == operation && it.cell.place == place)
}

/// Against the best peer of each cell.
pub(crate) fn summary<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> Option<Summary> {
    Summary::of(&verdicts.filter_map(|it| Some(it.best.as_ref()?.ratio)).collect::<Vec<_>>())
}

/// Against what was put together of a library's functions: the names, and ours against it.
pub(crate) fn composites<'a>(
    verdicts: impl Iterator<Item = &'a Verdict> + Clone,
) -> Option<(String, Summary)> {
    let all = verdicts.filter_map(|it| it.composite.as_ref());
    let mut names: Vec<&str> = all.clone().map(|it| it.name.as_str()).collect();
    names.dedup();
    Some((names.join(", "), Summary::of(&all.map(|it| it.ratio).collect::<Vec<_>>())?))
}

/// Against the loops without arithmetic.
pub(crate) fn limits<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> Option<Summary> {
    Summary::of(&verdicts.filter_map(|it| Some(it.limit?.0)).collect::<Vec<_>>())
}

/// Against each peer alone.
pub(crate) fn each<'a>(
    verdicts: impl Iterator<Item = &'a Verdict> + Clone,
) -> Vec<(String, Summary)> {
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in verdicts.clone().flat_map(|it| &it.against) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let of = |name: &String| {
        let ratios: Vec<f64> = verdicts
            .clone()
            .flat_map(|it| &it.against)
            .filter(|(it, _)| it == name)
            .map(|(_, ratio)| *ratio)
            .collect();
        Some((name.clone(), Summary::of(&ratios)?))
    };
    names.into_iter().filter_map(of).collect()
}
