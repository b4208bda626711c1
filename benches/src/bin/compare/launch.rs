//! One launch, which measures and tells its parent; and many, which the parent starts.

use std::collections::HashSet;
use std::error::Error;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::{env, io};

use crate::cell::{Cell, Place, Task};
use crate::options::Options;
use crate::peers::{self, Part, Path, Peer};
use crate::report::{Report, Setting};
use crate::row::{Memory, Row};
use crate::verdict::{Sheet, Standing};
use crate::{machine, sample, trial};

/// Starts the launches one after another and reports.
pub(crate) fn all(options: &Options) -> Result<(), Box<dyn Error>> {
    let cells = options.cells();
    let pinned = machine::pin(options.pin)?;
    let backend = peers::all(options.backend.as_deref())?[0].name();
    let mut sheet = Sheet::new(cells);
    for launch in 1..=options.launches {
        eprintln!("launch {launch} of {}", options.launches);
        listen(&mut sheet)?;
    }
    let (launches, label) = (options.launches, options.label.clone());
    Report::new(Setting { backend, pinned, launches, label }, &sheet).publish(&options.out)
}

/// Runs a child with the arguments of this process, and takes in what it says.
fn listen(sheet: &mut Sheet) -> Result<(), Box<dyn Error>> {
    let mut child = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .args(["--role", "child"])
        .stdout(Stdio::piped())
        .spawn()?;
    let Some(output) = child.stdout.take() else { return Err("a child without output".into()) };
    for line in BufReader::new(output).lines() {
        let line = line?;
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["PATH", peer, operation, path] => sheet.path(peer, operation, path),
            ["RATE", cell, name, standing, rate] => {
                sheet.rate(cell.parse()?, name, Standing::parse(standing)?, rate.parse()?);
            }
            _ => return Err(format!("a child said: {line}").into()),
        }
    }
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(format!("a child ended: {status}").into()) }
}

/// Measures every cell, and says so on standard output.
pub(crate) fn one(options: &Options) -> Result<(), Box<dyn Error>> {
    machine::pin(options.pin)?;
    let peers = peers::all(options.backend.as_deref())?;
    let mut out = io::stdout().lock();
    for &operation in &options.ops {
        for peer in peers.iter().filter(|peer| !matches!(peer.part(), Part::Limit | Part::Reading))
        {
            let path = match peer.path(operation) {
                None => continue,
                Some(Path::Vector(path)) => path,
                Some(Path::Generic(path)) => format!("generic, no ratio: {path}"),
            };
            writeln!(out, "PATH\t{}\t{operation}\t{path}", peer.label())?;
        }
    }
    let cells = options.cells();
    let mut memory = Memory::new(cells.iter().map(memory_bytes).max().unwrap_or(0))?;
    let mut tried = HashSet::new();
    for (number, cell) in cells.iter().enumerate() {
        for (peer, rate) in measure(cell, &peers, &mut memory, &mut tried, options)? {
            let standing = Standing::of(peer, cell);
            writeln!(out, "RATE\t{number}\t{}\t{}\t{rate}", peer.label(), standing.name())?;
        }
        if io::stderr().is_terminal() {
            eprint!("\r{} of {} cells ", number + 1, cells.len());
        }
    }
    Ok(())
}

fn memory_bytes(cell: &Cell) -> usize {
    match cell.place {
        Place::Hot => Row::size(&cell.task),
        Place::Memory => Row::size(&cell.task) * Memory::pass_rows(&cell.task),
    }
}

fn measure<'a>(
    cell: &Cell,
    peers: &'a [Box<dyn Peer>],
    memory: &mut Memory,
    tried: &mut HashSet<(String, Task)>,
    options: &Options,
) -> Result<Vec<(&'a dyn Peer, f64)>, String> {
    let present: Vec<&dyn Peer> = peers
        .iter()
        .map(AsRef::as_ref)
        .filter(|peer| peer.path(cell.task.operation).is_some())
        .filter(|peer| peer.visits(cell.place))
        .collect();
    for peer in &present {
        if tried.insert((peer.name(), cell.task)) {
            trial::run(*peer, &cell.task)?;
        }
    }
    let binds: Vec<_> = present.iter().map(|peer| peer.prepare(&cell.task)).collect();
    let rates = sample::rates(cell, &binds, memory, options.effort);
    Ok(present.into_iter().zip(rates).collect())
}
