//! What each sector of the array may hold: what was there, or what a write brought, but nothing
//! older than what was promised to be durable.

use raid_core::host::{Durability, RequestId};
use raid_core::units::MemberIndex;
use raid_sim::host::Answered;

use crate::arrays;
use crate::places::Places;

#[derive(Clone, Debug)]
struct Version {
    bytes: Vec<u8>,
    /// The number of the write that brought it.
    write: usize,
}

#[derive(Clone, Debug)]
enum Promise {
    Write {
        at: u64,
        sectors: u64,
        durability: Durability,
    },
    /// Makes durable the writes that were answered before it was started, by number.
    Flush {
        covers: Vec<usize>,
    },
    /// Makes durable all writes before it.
    Clean,
}

#[derive(Clone, Debug)]
struct Entry {
    request: RequestId,
    promise: Promise,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    UnderWay,
    Answered,
}

/// The versions of every sector, and the promises.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    versions: Vec<Vec<Version>>,
    /// Writes up to these are durable, sector by sector.
    floor: Vec<usize>,
    entries: Vec<Entry>,
}

impl Ledger {
    /// Sectors with this content, which counts as write 0.
    pub(crate) fn of(content: &[u8]) -> Self {
        let first = |sector: &[u8]| vec![Version { bytes: sector.to_vec(), write: 0 }];
        let versions: Vec<_> = content.chunks(512).map(first).collect();
        Self { floor: vec![0; versions.len()], versions, entries: Vec::new() }
    }

    /// How many sectors it keeps.
    pub(crate) fn sectors(&self) -> usize {
        self.versions.len()
    }

    /// What lies on a member from a sector of its data on is damaged: a sector may hold that too.
    pub(crate) fn damage(&mut self, places: &Places, member: u8, at: u64, bytes: &[u8]) {
        let start = usize::try_from(at).unwrap();
        for (sector, bytes) in (start..).zip(bytes.chunks(512)) {
            if let Some(lba) = places.lba(MemberIndex(member), sector) {
                self.versions[lba].push(Version { bytes: bytes.to_vec(), write: 0 });
            }
        }
    }

    /// The bytes that the next write brings.
    pub(crate) fn bytes(&self, sectors: u64) -> Vec<u8> {
        arrays::bytes(sectors, 1000 + u64::try_from(self.entries.len()).unwrap())
    }

    pub(crate) fn write(
        &mut self,
        request: RequestId,
        (at, bytes): (u64, &[u8]),
        durability: Durability,
    ) {
        let write = self.entries.len() + 1;
        let start = usize::try_from(at).unwrap();
        for (lba, bytes) in (start..).zip(bytes.chunks(512)) {
            self.versions[lba].push(Version { bytes: bytes.to_vec(), write });
        }
        let sectors = u64::try_from(bytes.len() / 512).unwrap();
        self.enter(request, Promise::Write { at, sectors, durability });
    }

    pub(crate) fn flush(&mut self, request: RequestId) {
        let answered = (1..).zip(&self.entries).filter(|(_, entry)| entry.state == State::Answered);
        let covers = answered.map(|(number, _)| number).collect();
        self.enter(request, Promise::Flush { covers });
    }

    pub(crate) fn mark_clean(&mut self, request: RequestId) {
        self.enter(request, Promise::Clean);
    }

    fn enter(&mut self, request: RequestId, promise: Promise) {
        self.entries.push(Entry { request, promise, state: State::UnderWay });
    }

    /// Takes note of an answer: from now on what it promised has to hold.
    pub(crate) fn answered(&mut self, answer: &Answered) {
        if answer.result.is_err() {
            return;
        }
        let number = self.entries.iter().position(|entry| entry.request == answer.request);
        let Some(number) = number else { return };
        self.entries[number].state = State::Answered;
        match self.entries[number].promise.clone() {
            Promise::Write { durability: Durability::Cached, .. } => {}
            Promise::Write { durability: Durability::Durable, .. } => self.raise(number + 1),
            Promise::Flush { covers } => covers.into_iter().for_each(|write| self.raise(write)),
            Promise::Clean => (1..=number).for_each(|write| self.raise(write)),
        }
    }

    fn raise(&mut self, write: usize) {
        if let Entry {
            promise: Promise::Write { at, sectors, .. }, state: State::Answered, ..
        } = self.entries[write - 1]
        {
            for lba in at..at + sectors {
                let floor = &mut self.floor[usize::try_from(lba).unwrap()];
                *floor = write.max(*floor);
            }
        }
    }

    /// Whether a write to a sector is not known to be durable.
    pub(crate) fn is_in_flight(&self, lba: usize) -> bool {
        self.versions[lba].iter().any(|version| version.write > self.floor[lba])
    }

    /// Why a sector may not hold these bytes; `None` if it may.
    pub(crate) fn objection(&self, lba: usize, bytes: &[u8]) -> Option<String> {
        let found = self.versions[lba].iter().rev().find(|version| version.bytes == bytes);
        match found {
            None => Some(format!("sector {lba} holds what nobody wrote")),
            Some(version) if version.write < self.floor[lba] => Some(format!(
                "sector {lba} holds write {}, and write {} was durable",
                version.write, self.floor[lba]
            )),
            Some(_) => None,
        }
    }
}
