//! What the write-intent bitmap tells of the array: where it may not be in sync, and what a member
//! that was away lacks.

use super::{Array, Behind, SetupError, Validity};
use crate::geometry::{Geometry, Layout};
use crate::intent::{Announced, InSync, Intent, IntentMap, LINE_BITS, LineMask};
use crate::members::{MemberSet, MemberState};
use crate::metadata::Consistency;
use crate::pass::{Course, PassKind};
use crate::rectangle::Rectangle;
use crate::units::{MemberIndex, Sectors};

/// The bitmap over the array, if there is one.
pub(super) fn intent_of<'m>(
    map: Option<IntentMap<'m>>,
    geometry: &Geometry,
    vouched: Consistency,
) -> Result<Option<Intent<'m>>, SetupError> {
    let Some(map) = map else { return Ok(None) };
    let size = match geometry {
        Geometry::Parity(_) => geometry.shape().member_size,
        Geometry::Copies(copies) => copies.size(),
    };
    let in_sync_to = match vouched {
        Consistency::Clean => Sectors(u64::MAX),
        Consistency::InSyncTo(mark) => mark,
    };
    Intent::new(map, size, in_sync_to).map(Some).map_err(|needed| SetupError::Intent { needed })
}

impl Array<'_> {
    /// At the start: members that are being rebuilt by the bitmap lack what its set bits cover. Where
    /// the bitmap does not tell, they lack everything.
    pub(super) fn take_in_marked(&mut self) {
        let unproven = |events| !self.bits_tell_since(events);
        let unproven: MemberSet = self
            .rebuilding
            .into_iter()
            .filter(|member| match self.seat(*member).map(|seat| seat.behind) {
                Some(Behind::MarkedChunks { events }) => unproven(events),
                Some(Behind::Everything) | None => false,
            })
            .collect();
        for member in unproven {
            if let Some(seat) = self.seats.get_mut(member.index()).and_then(Option::as_mut) {
                seat.behind = Behind::Everything;
            }
        }
        let others = crate::intent::Others::LackNothing;
        if let (false, Some(intent)) = (self.rebuilding_by_intent().is_empty(), &mut self.intent) {
            intent.is_lacked(others);
        }
    }

    /// Whether set bits cover all that was written since this event count.
    pub(super) fn bits_tell_since(&self, events: u64) -> bool {
        self.intent.as_ref().is_some_and(|intent| events >= intent.cleared_at())
    }

    /// Members that are being rebuilt and lack no more than marked chunks.
    pub(crate) fn rebuilding_by_intent(&self) -> MemberSet {
        let marked = |member: &MemberIndex| match self.seat(*member).map(|seat| seat.behind) {
            Some(Behind::MarkedChunks { .. }) => true,
            Some(Behind::Everything) | None => false,
        };
        self.rebuilding.into_iter().filter(marked).collect()
    }

    /// Whether a member holds what lies above its mark here.
    #[inline]
    pub(super) fn is_held(&self, rectangle: &Rectangle, member: MemberIndex) -> bool {
        let Some(intent) = &self.intent else { return false };
        match (self.seat(member).map(|seat| seat.behind), self.resync_address(rectangle)) {
            (Some(Behind::MarkedChunks { .. }), Some(start)) => {
                intent.is_held(start, rectangle.sectors)
            }
            (Some(Behind::MarkedChunks { .. } | Behind::Everything) | None, _) => false,
        }
    }

    /// How much of this length is equally valid, as far as the bitmap tells.
    #[inline]
    pub(super) fn longest_between_marks(&self, rectangle: &Rectangle, longest: Sectors) -> Sectors {
        let Some(intent) = &self.intent else { return longest };
        if self.vouched == Consistency::Clean && self.rebuilding.is_empty() {
            return longest;
        }
        let start = self.resync_address(rectangle);
        start.map_or(longest, |start| intent.longest(start, longest))
    }

    /// Asks for the bits of a rectangle that is to be written.
    #[inline]
    pub(crate) fn announce(&mut self, rectangle: &Rectangle) -> Announced {
        if self.intent.is_none() {
            return Announced::Durable;
        }
        let start = self.resync_address(rectangle);
        match (&mut self.intent, start) {
            (Some(intent), Some(start)) => intent.announce(start, rectangle.sectors),
            (None, _) | (_, None) => Announced::Durable,
        }
    }

    /// The lines of the bitmap that hold a rectangle's bits.
    pub(crate) fn intent_lines(&self, rectangle: &Rectangle) -> impl Iterator<Item = u32> + use<> {
        let start = self.resync_address(rectangle);
        let chunks = match (&self.intent, start) {
            (Some(intent), Some(start)) => intent.over(start, rectangle.sectors),
            (None, _) | (_, None) => 0..0,
        };
        let line = |chunk: usize| u32::try_from(chunk / LINE_BITS).unwrap_or(u32::MAX);
        let lines = line(chunks.start)..=line(chunks.end.saturating_sub(1));
        lines.filter(move |_| !chunks.is_empty())
    }

    /// Adds a rectangle's chunks to those of a line.
    pub(crate) fn add_to_line(&self, rectangle: &Rectangle, number: u32, mask: &mut LineMask) {
        let (Some(intent), Some(start)) = (&self.intent, self.resync_address(rectangle)) else {
            return;
        };
        let first = usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(LINE_BITS);
        let chunks = intent.over(start, rectangle.sectors);
        let end = first.saturating_add(LINE_BITS).min(chunks.end);
        for chunk in chunks.start.max(first)..end {
            let place = chunk.saturating_sub(first);
            if let (Some(word), Ok(bit)) = (mask.get_mut(place / 64), u32::try_from(place % 64)) {
                *word |= 1_u64.wrapping_shl(bit);
            }
        }
    }

    /// A write that was planned without a member that comes back is under way: the member lacks it.
    pub(crate) fn lacks(&mut self, rectangle: &Rectangle) {
        let start = self.resync_address(rectangle);
        if let (Some(intent), Some(start)) = (&mut self.intent, start) {
            intent.lacks(start, rectangle.sectors);
        }
    }

    /// What a sweep may take to be in sync.
    pub(crate) const fn in_sync(&self) -> InSync {
        match self.vouched {
            Consistency::Clean => InSync::Everywhere,
            Consistency::InSyncTo(_) => InSync::AsAtTheStart,
        }
    }

    /// Where a pass finds the next work: here, or further on where the bitmap tells of none.
    pub(crate) fn next_work(&self, course: &Course, at: Sectors) -> Sectors {
        let Some(intent) = &self.intent else { return at };
        match course.kind {
            PassKind::Resync => intent.next_in_doubt(at),
            PassKind::Recovery if self.counts_like_members() => {
                let targets = course.rebuilding.intersection(self.rebuilding);
                match targets.difference(self.rebuilding_by_intent()).is_empty() {
                    true => intent.next_lacked(at),
                    false => at,
                }
            }
            PassKind::Recovery
            | PassKind::Replacement
            | PassKind::Check
            | PassKind::Repair
            | PassKind::Locate => at,
        }
    }

    /// Whether a sector of the bitmap is one of the members.
    fn counts_like_members(&self) -> bool {
        match self.geometry.layout() {
            Layout::Raid1 | Layout::Raid4 | Layout::Raid5(_) | Layout::Raid6(_) => true,
            Layout::Raid0 | Layout::Raid10(_) => false,
        }
    }

    /// Whether a member that is being rebuilt lacks what lies here.
    pub(crate) fn is_stale(&self, rectangle: &Rectangle, member: MemberIndex) -> bool {
        match self.seat(member).map(|seat| seat.state) {
            Some(MemberState::Rebuilding { .. }) => {
                self.validity(rectangle, member) == Validity::Stale
            }
            Some(MemberState::InSync | MemberState::Failed | MemberState::Missing) | None => false,
        }
    }
}
