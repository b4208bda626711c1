//! The implementations: ours, the peers, the loops without arithmetic. One file each.

mod fec_rs;
mod isal;
mod ours;
mod reed_solomon_erasure;
mod reed_solomon_simd;
mod rusty_erasure;
mod streams;

use crate::cell::{Operation, Place, Task};
use crate::row::Row;

/// One call on one row, its arguments bound, to be made again and again. Its answer is whether the
/// row was consistent; operations that do not look say so always.
pub(crate) type Call<'a> = Box<dyn FnMut() -> bool + 'a>;

/// Binds calls to rows. It holds what an implementation computes once for a kind of row.
pub(crate) type Bind = Box<dyn for<'a> Fn(Row<'a>) -> Call<'a>>;

/// Whose Q it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// That of Linux md.
    Md,
    /// Another one, so bytes cannot be compared.
    Other,
}

/// The instructions that an operation runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// Vectors: which, and how that was chosen.
    Vector(String),
    /// No vectors: no ratio.
    Generic(String),
}

/// What part an implementation plays in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Ours,
    /// Ours as it is when the caller says nothing: listed, not compared.
    OursUnasked,
    Peer,
    /// Functions of a library put together here to what it does not have as one: listed, and
    /// compared apart.
    Composite,
    Limit,
    /// A loop that writes nothing.
    Reading,
}

/// An implementation.
pub(crate) trait Peer {
    /// Library, version and, where there are two, the way.
    fn name(&self) -> String;

    fn part(&self) -> Part {
        Part::Peer
    }

    fn part_in(&self, _: Place) -> Part {
        self.part()
    }

    fn code(&self) -> Code {
        Code::Md
    }

    /// The code that an operation takes on this CPU. `None` if the library does not have it.
    fn path(&self, operation: Operation) -> Option<Path>;

    /// Whether it has something to say in this place.
    fn visits(&self, _: Place) -> bool {
        true
    }

    /// Everything that can be done once for all rows of a kind.
    fn prepare(&self, task: &Task) -> Bind;

    /// The name in the table: `*` for bytes that are not md's.
    fn label(&self) -> String {
        match self.code() {
            Code::Md => self.name(),
            Code::Other => self.name() + "*",
        }
    }
}

/// All of them, ours first. Where one of our backends is named that has a counterpart in ISA-L for
/// the same instructions, no other peer than that.
pub(crate) fn all(backend: Option<&str>) -> Result<Vec<Box<dyn Peer>>, String> {
    let mut peers: Vec<Box<dyn Peer>> = Vec::new();
    for ask in ours::Ask::ALL {
        peers.push(Box::new(ours::Ours::new(backend, ask)?));
    }
    let limits = streams::Streams::all().map(|streams| Box::new(streams) as Box<dyn Peer>);
    if let Some(counterpart) = backend.and_then(isal::Isal::of_instructions) {
        peers.push(Box::new(counterpart));
        peers.extend(limits);
        return Ok(peers);
    }
    peers.extend(isal::Isal::WAYS.map(|isal| Box::new(isal) as Box<dyn Peer>));
    peers.extend(rusty_erasure::Rusty::WAYS.map(|rusty| Box::new(rusty) as Box<dyn Peer>));
    peers.push(Box::new(reed_solomon_erasure::Erasure));
    peers.push(Box::new(fec_rs::Fec));
    peers.push(Box::new(reed_solomon_simd::Leopard));
    peers.extend(limits);
    Ok(peers)
}

/// The version of a library in the lock file that this program was built from.
fn version(library: &str) -> &'static str {
    let (_, rest) = include_str!("../../../../../Cargo.lock")
        .split_once(&format!("name = \"{library}\"\nversion = \""))
        .expect("the lock file has what was built");
    rest.split('"').next().unwrap_or(rest)
}
