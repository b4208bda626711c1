//! Which copy of a chunk is read: the one whose member has the fewest reads to do.

use super::{Array, ReadsFrom, Seat};
use crate::limits::MEMBERS_MAX;
use crate::members::MemberSet;
use crate::rectangle::{Rectangle, Span};
use crate::units::{Lba, MemberIndex};

/// Reads that follow each other stay on one member for so long: 1 MiB of the array, so that its
/// read-ahead is of use.
const RUN_SHIFT: u32 = 11;

/// The reads of copies that each member has to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Balance {
    reading: [u16; MEMBERS_MAX],
}

impl Balance {
    pub(super) const fn new() -> Self {
        Self { reading: [0; MEMBERS_MAX] }
    }

    /// A read of a chunk is to be issued to these.
    #[inline]
    pub(crate) fn begin(&mut self, rectangle: &Rectangle, members: MemberSet) {
        let Span::Chunk { .. } = rectangle.span else { return };
        for member in members {
            if let Some(count) = self.reading.get_mut(member.index()) {
                *count = count.saturating_add(1);
            }
        }
    }

    /// It has come back, or will never be issued.
    #[inline]
    pub(crate) fn end(&mut self, rectangle: &Rectangle, members: MemberSet) {
        let Span::Chunk { .. } = rectangle.span else { return };
        for member in members {
            if let Some(count) = self.reading.get_mut(member.index()) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// Whether no read is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.reading.iter().all(|count| *count == 0)
    }

    fn reading(&self, member: MemberIndex) -> u16 {
        self.reading.get(member.index()).copied().unwrap_or(0)
    }
}

/// Places whose member is read as the last.
pub(super) fn written_mostly(seats: &[Option<Seat>]) -> MemberSet {
    let places = seats.iter().zip(0..=u8::MAX);
    let last = places.filter(|(seat, _)| match seat.map(|seat| seat.reads) {
        Some(ReadsFrom::AsLast) => true,
        Some(ReadsFrom::Freely) | None => false,
    });
    last.map(|(_, member)| MemberIndex(member)).collect()
}

impl Array<'_> {
    /// Of copies that can be read and agree, the one to read: none that is written mostly if there
    /// is another; the least busy; and of members equally busy one after the other along the array.
    #[inline]
    pub(super) fn preferred(
        &self,
        rectangle: &Rectangle,
        unreadable: MemberSet,
    ) -> Option<MemberIndex> {
        let copies = match rectangle.span {
            Span::Row { .. } => return None,
            Span::Chunk { copies, .. } => copies.difference(unreadable),
        };
        let normal = copies.difference(self.written_mostly);
        let candidates = if normal.is_empty() { copies } else { normal };
        let least = candidates.into_iter().map(|member| self.balance.reading(member)).min()?;
        let idle = candidates.into_iter().filter(|member| self.balance.reading(*member) == least);
        let Lba(at) = rectangle.lba(self.geometry_of(rectangle.shape()), candidates.lowest()?)?;
        let count = u64::try_from(idle.clone().count()).ok()?;
        let turn = (at >> RUN_SHIFT).checked_rem(count)?;
        idle.clone().nth(usize::try_from(turn).ok()?)
    }
}
