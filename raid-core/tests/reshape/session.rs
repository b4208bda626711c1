//! A reshape with requests going on beside it: every answer is compared with what it has to be.

use std::collections::HashMap;

use raid_core::engine::Refusal;
use raid_core::host::{Answer, Failure, RequestId};
use raid_core::request::Stability;
use raid_sim::medium::SECTOR;
use raid_sim::order::Random;
use raid_sim::sim::{Sim, Turn, Wish};

/// What the array holds, and what was asked of it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) content: Vec<u8>,
    /// What a read has to bring.
    reads: HashMap<RequestId, Option<Vec<u8>>>,
    answered: usize,
    random: Random,
    /// Requests answered well, and those that were handed back.
    pub(crate) done: usize,
    pub(crate) handed_back: usize,
}

impl Session {
    pub(crate) fn new(content: &[u8], served: u64, seed: u64) -> Self {
        let served = usize::try_from(served).unwrap() * SECTOR;
        Self {
            content: content[..served].to_vec(),
            reads: HashMap::new(),
            answered: 0,
            random: Random::new(seed),
            done: 0,
            handed_back: 0,
        }
    }

    pub(crate) fn sectors(&self) -> u64 {
        u64::try_from(self.content.len() / SECTOR).unwrap()
    }

    /// Starts a read or a write anywhere, if there is room for it. Requests are done in order of
    /// arrival, so what a read brings is known when it starts.
    pub(crate) fn start(&mut self, sim: &mut Sim<'_>) {
        let at = self.random.below(self.sectors());
        let most = (self.sectors() - at).min(1 + self.random.below(80));
        let sectors = 1 + self.random.below(most);
        match self.random.below(2) {
            0 => self.read(sim, at, sectors),
            _ => self.write(sim, at, sectors),
        }
    }

    pub(crate) fn read(&mut self, sim: &mut Sim<'_>, at: u64, sectors: u64) {
        let range =
            usize::try_from(at).unwrap() * SECTOR..usize::try_from(at + sectors).unwrap() * SECTOR;
        match sim.start(Wish::Read { at, sectors, stability: Stability::Stable }) {
            Ok(id) => self.expect(id, Some(self.content[range].to_vec())),
            Err(Refusal::Busy(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) fn write(&mut self, sim: &mut Sim<'_>, at: u64, sectors: u64) {
        let start = usize::try_from(at).unwrap() * SECTOR;
        let mut bytes = vec![0; usize::try_from(sectors).unwrap() * SECTOR];
        self.random.fill(&mut bytes);
        let stability = match self.random.below(2) {
            0 => Stability::Stable,
            _ => Stability::Volatile,
        };
        match sim.start(Wish::Write { at, bytes: bytes.clone(), stability }) {
            Ok(id) => {
                self.content[start..start + bytes.len()].copy_from_slice(&bytes);
                self.expect(id, None);
            }
            Err(Refusal::Busy(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }

    fn expect(&mut self, id: RequestId, bytes: Option<Vec<u8>>) {
        assert_eq!(self.reads.insert(id, bytes), None, "a name is given once");
    }

    /// One turn, and what was answered in it.
    pub(crate) fn turn(&mut self, sim: &mut Sim<'_>) -> Turn {
        let turned = sim.turn();
        for answer in &sim.host.answers[self.answered..] {
            let expected = self.reads.remove(&answer.request).expect("it was asked for");
            match answer.result {
                Ok(Answer::Done) => self.done += 1,
                Err(Failure::HandedBack | Failure::Interrupted) => {
                    self.handed_back += 1;
                    continue;
                }
                Ok(_) | Err(_) => panic!("{:?}", answer.result),
            }
            if let Some(expected) = expected {
                assert!(answer.memory == expected, "a read brought something else");
            }
        }
        self.answered = sim.host.answers.len();
        turned
    }

    pub(crate) fn settle(&mut self, sim: &mut Sim<'_>) {
        while self.turn(sim) == Turn::Again {}
        assert!(self.reads.is_empty(), "a request was not answered");
    }
}
