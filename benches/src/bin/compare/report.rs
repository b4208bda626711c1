//! The lines that are printed, and the files.

use core::fmt::Write as _;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cell::{Operation, Place, Task};
use crate::chart;
use crate::machine;
use crate::verdict::{Sheet, Verdict, composites, each, limits, part, summary};

/// Under what circumstances it was measured.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) backend: String,
    pub(crate) pinned: usize,
    pub(crate) launches: u32,
    /// In the names of the files.
    pub(crate) label: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Report<'a> {
    setting: Setting,
    sheet: &'a Sheet,
    verdicts: Vec<Verdict>,
    date: String,
    cpu: String,
}

impl<'a> Report<'a> {
    pub(crate) fn new(setting: Setting, sheet: &'a Sheet) -> Self {
        let verdicts = sheet.verdicts();
        Self { setting, sheet, verdicts, date: machine::date(), cpu: machine::cpu() }
    }

    /// Prints the table and writes the files.
    pub(crate) fn publish(&self, directory: &Path) -> Result<(), Box<dyn Error>> {
        let mut text = String::new();
        self.heading(&mut text)?;
        self.table(&mut text)?;
        self.summaries(&mut text)?;
        for [peer, operation, path] in &self.sheet.paths {
            writeln!(text, "PATH\t{peer}\t{operation}\t{path}")?;
        }
        print!("{text}");
        let mut every = String::new();
        self.heading(&mut every)?;
        self.every(&mut every)?;
        fs::create_dir_all(directory)?;
        let label = self.setting.label.as_ref().map_or(String::new(), |label| format!("-{label}"));
        let stem = format!("{}-{}{label}", self.date, self.setting.backend);
        let title = format!("{} on {}, {}", self.setting.backend, self.cpu, self.date);
        let files = [
            (format!("{stem}.tsv"), text),
            (format!("{stem}-all.tsv"), every),
            (format!("{stem}.svg"), chart::draw(&title, &self.verdicts)?),
        ];
        for (name, content) in files {
            let path = directory.join(name);
            fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))?;
            eprintln!("wrote {}", path.display());
        }
        Ok(())
    }

    fn heading(&self, text: &mut String) -> Result<(), core::fmt::Error> {
        let Setting { backend, pinned, launches, label } = &self.setting;
        let commit = commit();
        writeln!(text, "# {}; {}; CPU {pinned}; launches: {launches}", self.date, self.cpu)?;
        let label = label.as_ref().map_or(String::new(), |label| format!("; {label}"));
        writeln!(text, "# {backend} at commit {commit}; GiB/s of data bytes{label}")
    }

    fn table(&self, text: &mut String) -> Result<(), core::fmt::Error> {
        writeln!(
            text,
            "op\tplace\tk\tchunk\tours_gib_s\tbest_peer\tbest_peer_gib_s\tratio\tlimit_ratio"
        )?;
        for Verdict { cell, ours, best, limit, .. } in &self.verdicts {
            write!(text, "{cell}\t{ours:.2}\t")?;
            match best {
                Some(best) => {
                    write!(text, "{}\t{:.2}\t{:.3}\t", best.name, best.rate, best.ratio)?;
                }
                None => write!(text, "-\t-\t-\t")?,
            }
            match limit {
                Some((ratio, _)) => writeln!(text, "{ratio:.3}")?,
                None => writeln!(text, "-")?,
            }
        }
        Ok(())
    }

    fn summaries(&self, text: &mut String) -> Result<(), core::fmt::Error> {
        let groups = || Operation::ALL.into_iter().flat_map(|op| Place::ALL.map(|at| (op, at)));
        for (operation, place) in groups() {
            let part = part(&self.verdicts, operation, place);
            let Some(ratio) = summary(part.clone()) else { continue };
            let (geomean, min) = (ratio.geomean, ratio.min);
            write!(text, "SUMMARY {operation} {place} geomean={geomean:.3} min={min:.3}")?;
            match limits(part) {
                Some(limit) => writeln!(text, " limit_geomean={:.3}", limit.geomean)?,
                None => writeln!(text)?,
            }
        }
        self.notes(text)?;
        for Verdict { cell, best, .. } in &self.verdicts {
            if let Some(best) = best.as_ref().filter(|best| best.ratio < 1.0) {
                let Task { operation, k, chunk } = cell.task;
                let (place, name, ratio) = (cell.place, &best.name, best.ratio);
                writeln!(text, "LOSES {operation} {place} k={k} chunk={chunk} {ratio:.3} {name}")?;
            }
        }
        for Verdict { cell, reading, .. } in &self.verdicts {
            if let Some(ratio) = reading {
                let Task { operation, k, chunk } = cell.task;
                writeln!(
                    text,
                    "READING {operation} {} k={k} chunk={chunk} {ratio:.3}",
                    cell.place
                )?;
            }
        }
        for (operation, place) in groups() {
            for (name, it) in each(part(&self.verdicts, operation, place)) {
                writeln!(
                    text,
                    "AGAINST {name} {operation} {place} geomean={:.3} min={:.3} max={:.3}",
                    it.geomean, it.min, it.max
                )?;
            }
        }
        Ok(())
    }

    /// Ours against what no library has as one function, but what can be put together of its
    /// functions: told of, so that nobody is misled by the summaries.
    fn notes(&self, text: &mut String) -> Result<(), core::fmt::Error> {
        for operation in Operation::ALL {
            for place in Place::ALL {
                let part = part(&self.verdicts, operation, place);
                let Some((name, it)) = composites(part.clone()) else { continue };
                writeln!(
                    text,
                    "NOTE {operation} {place} geomean={:.3} min={:.3} max={:.3} against {name}, put \
                     together here: not in the summary",
                    it.geomean, it.min, it.max
                )?;
                for Verdict { cell, composite, .. } in part {
                    let Some(it) = composite else { continue };
                    let Task { operation, k, chunk } = cell.task;
                    let (rate, ratio) = (it.rate, it.ratio);
                    writeln!(
                        text,
                        "NOTE {operation} {place} k={k} chunk={chunk} {ratio:.3} {rate:.2} {}",
                        it.name
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Every rate of every launch.
    fn every(&self, text: &mut String) -> Result<(), core::fmt::Error> {
        writeln!(text, "op\tplace\tk\tchunk\timplementation\tstanding\tgib_s\tlaunches")?;
        for (cell, entries) in &self.sheet.cells {
            for entry in entries {
                let rates: Vec<_> = entry.rates.iter().map(|rate| format!("{rate:.2}")).collect();
                writeln!(
                    text,
                    "{cell}\t{}\t{}\t{:.2}\t{}",
                    entry.name,
                    entry.standing.name(),
                    entry.rate(),
                    rates.join(" ")
                )?;
            }
        }
        Ok(())
    }
}

/// What was measured, if git knows.
fn commit() -> String {
    let output = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"])
        .output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        Ok(_) | Err(_) => "?".to_owned(),
    }
}
