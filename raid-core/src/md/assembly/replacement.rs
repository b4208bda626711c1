//! Replacements: at the place of a member that is not there, else beside it.

use super::{
    AssemblyError, CANDIDATES_MAX, Candidate, LeftOut, LeftOutReason, Seat, Seated, Verdict, judge,
    seat, seat_of,
};
use crate::md::fields::Validity;
use crate::md::superblock::Superblock;
use crate::members::MemberState;
use crate::metadata::Consistency;
use crate::units::{MemberIndex, Sectors};

impl Seated {
    /// Seats replacements, beside members one at most.
    pub(super) fn take_in_replacements(
        &mut self,
        freshest: &Superblock,
        candidates: &[Candidate<'_>],
        members: u8,
    ) -> Result<(), AssemblyError> {
        for candidate in candidates {
            let Verdict::Replacement(place) = judge(freshest, candidate, members)? else {
                continue;
            };
            let taken = self.places.get(place.index()).is_some_and(Option::is_some);
            match (taken, self.replacement) {
                (false, _) => seat(&mut self.places, place, candidate)?,
                (true, None) => self.replacement = Some(beside(place, freshest, candidate)),
                (true, Some(_)) => self.leave_out(candidate, candidates)?,
            }
        }
        Ok(())
    }

    fn leave_out(
        &mut self,
        candidate: &Candidate<'_>,
        candidates: &[Candidate<'_>],
    ) -> Result<(), AssemblyError> {
        let out = LeftOut { device: candidate.device, reason: LeftOutReason::Replacement };
        let (count, max) = (candidates.len(), CANDIDATES_MAX);
        self.left_out.push(out).map_err(|_| AssemblyError::TooManyCandidates { count, max })
    }
}

/// A replacement beside the member that it replaces. A crash can leave a write on the member and not on
/// the replacement, and no resync compares the two: after an unclean stop it holds nothing that counts.
fn beside(
    place: MemberIndex,
    freshest: &Superblock,
    candidate: &Candidate<'_>,
) -> (MemberIndex, Seat) {
    let copied_to = match (freshest.consistency, candidate.superblock.validity) {
        (Consistency::Clean, Validity::Below { valid_to, .. }) => valid_to,
        (Consistency::Clean, Validity::Everything | Validity::JournalTail(_))
        | (Consistency::InSyncTo(_), _) => Sectors::ZERO,
    };
    let state = MemberState::Rebuilding { valid_to: copied_to };
    (place, Seat { state, ..seat_of(candidate) })
}
