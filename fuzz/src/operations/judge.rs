//! Answers, and what may be answered.

use raid_core::geometry::Geometry;
use raid_core::host::{Answer, Failure, Loan};
use raid_core::units::{Lba, Sectors};

use super::{CallerMemory, Kind, Parity, Rejections, Run, Seen, Stopping, Strain, Waiting};
use crate::agreement;
use crate::content::{Outcome, Version};
use crate::host::Writing;

impl Run<'_> {
    /// Takes note in every request alive of whether what is hurt now can be borne.
    pub(super) fn feel_strain(&mut self) {
        let parity = matches!(self.engine.geometry(), Geometry::Parity(_));
        let bearable = match self.host.unsynced_from {
            // Parity that is not in sync makes up for nothing.
            Some(_) if parity => 0,
            Some(_) | None => usize::from(self.engine.geometry().redundancy()),
        };
        let hurt = self.host.hurt().len();
        for waiting in &mut self.waiting {
            waiting.hurt = waiting.hurt.max(hurt);
        }
        if hurt > bearable {
            for waiting in &mut self.waiting {
                waiting.strain = Strain::Beyond;
            }
        }
    }

    pub(super) fn take_answers(&mut self) {
        for (id, result, loan) in std::mem::take(&mut self.host.answers) {
            let index = self.waiting.iter().position(|waiting| waiting.id == id);
            let waiting = self.waiting.swap_remove(index.expect("a request is answered once"));
            self.host.unsettled.remove(&id.index());
            self.judge(&waiting, result, loan);
            let caller = match loan {
                Loan::Returned => {
                    Some(self.host.callers.remove(&id.index()).expect("its memory was lent"))
                }
                Loan::Held => None,
            };
            match (waiting.kind, result) {
                (Kind::Write(version), _) => self.write_ended(&waiting, version, result),
                (Kind::Read(before), Ok(_) | Err(Failure::Unrecoverable { .. })) => {
                    if let Some(caller) = caller {
                        self.remember(&waiting, before, &caller.bytes);
                    }
                }
                (Kind::Check, Ok(Answer::Checked { mismatched_sectors })) => {
                    if waiting.parity == Parity::Agrees && self.parity() == Parity::Agrees {
                        assert_eq!(mismatched_sectors, Sectors::ZERO, "parity agrees");
                    }
                }
                (Kind::Check, Ok(Answer::Done)) => panic!("a check says what it found"),
                (Kind::Flush, Ok(_)) => self.host.insist_on_durability(waiting.since),
                (Kind::Read(_) | Kind::Check | Kind::Flush, Err(_)) | (Kind::MarkClean, _) => {}
            }
            self.host.lost.retain(|(request, ..)| *request != id);
        }
    }

    pub(super) fn parity(&self) -> Parity {
        match self.host.unsynced_from {
            None if self.host.doubt.is_empty() => Parity::Agrees,
            Some(_) | None => Parity::Unsure,
        }
    }

    fn write_ended(
        &mut self,
        waiting: &Waiting,
        version: Version,
        result: Result<Answer, Failure>,
    ) {
        let outcome = match result {
            Ok(_) => Outcome::Kept,
            Err(Failure::HandedBack) => Outcome::NotBegun,
            Err(_) => Outcome::Failed,
        };
        self.content.end(version, outcome);
        match result {
            // What was begun of it was finished.
            Ok(_) | Err(Failure::HandedBack | Failure::Interrupted) => {}
            Err(_) => {
                let sectors = waiting.at.0..waiting.at.0 + waiting.sectors.0;
                let geometry = self.host.geometry;
                let lines = sectors.map(|at| agreement::line_of(&geometry, Lba(at)));
                for line in lines {
                    self.host.doubt.insert(line);
                    if let Some(pass) = &mut self.host.pass {
                        pass.doubt_before.remove(&line);
                    }
                }
            }
        }
    }

    /// A request fails only for a reason.
    fn judge(&self, waiting: &Waiting, result: Result<Answer, Failure>, loan: Loan) {
        match result {
            Ok(_) => {
                let read = matches!(waiting.kind, Kind::Read(_));
                let safe = loan == Loan::Returned || waiting.memory == CallerMemory::InUse;
                assert!(!read || safe, "what was read may be overwritten");
            }
            Err(Failure::Rejected { .. }) => {
                assert!(self.rejections == Rejections::Some, "no device rejected anything");
            }
            Err(Failure::NothingToCompare) => assert!(
                waiting.hurt > 0 || self.engine.geometry().redundancy() == 0,
                "there is something to compare"
            ),
            Err(Failure::MemoryHeld { .. }) => {
                assert!(matches!(waiting.kind, Kind::Read(_)), "only reads bring data");
                assert!(waiting.memory == CallerMemory::NamedByHung, "nothing may touch it");
            }
            Err(failure @ (Failure::HandedBack | Failure::Interrupted)) => {
                assert!(waiting.stopping == Stopping::Asked, "nobody stops the engine");
                let write = matches!(waiting.kind, Kind::Write(_));
                assert!(write || failure == Failure::HandedBack, "only writes are interrupted");
            }
            Err(failure @ Failure::NeedsBackup { .. }) => panic!("nothing is reshaped: {failure}"),
            // A check needs every block, those as well that a read would do without.
            Err(Failure::NotCompared { .. }) => {
                assert!(matches!(waiting.kind, Kind::Check), "only a check compares");
                assert!(!self.host.injured.is_empty(), "every block can be read");
            }
            Err(Failure::JournalLost) => panic!("no array here has a journal"),
            Err(failure @ (Failure::Unrecoverable { .. } | Failure::ArrayFailed)) => assert!(
                waiting.strain == Strain::Beyond || self.may_be_rejected_by_all(failure),
                "{failure:?} at {:?} with {:?} hurt",
                waiting.at,
                self.host.hurt(),
            ),
        }
    }

    /// All members may have rejected metadata: then the array takes no more writes.
    fn may_be_rejected_by_all(&self, failure: Failure) -> bool {
        let written = failure == Failure::ArrayFailed;
        written && self.rejections == Rejections::Some && self.host.serving == Writing::Forbidden
    }

    fn remember(&mut self, waiting: &Waiting, before: Version, bytes: &[u8]) {
        let range = waiting.at.0..waiting.at.0 + waiting.sectors.0;
        for (sector, bytes) in range.zip(bytes.chunks_exact(512)) {
            let lost = self.host.lost.iter().any(|(request, at, sectors)| {
                *request == waiting.id && (at.0..at.0 + sectors.0).contains(&sector)
            });
            if !lost {
                self.seen.push(Seen { before, sector, bytes: bytes.to_vec() });
            }
        }
    }
}
