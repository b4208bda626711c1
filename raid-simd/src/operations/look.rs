//! Operations that look at unit after unit and write nothing.

use core::ops::Range;

use super::Operation;
use crate::line::Line;
use crate::verdict::units;

/// How one unit is looked at.
pub(crate) trait Look {
    /// What can be wrong with a unit.
    type Finding;

    /// Bytes in each slice.
    fn length(&self) -> usize;

    /// The finding of the reference.
    fn by_bytes(&self, unit: Range<usize>) -> Option<Self::Finding>;

    /// The finding by lines.
    fn by_lines<V: Line, const N: usize>(
        &self,
        proof: V::Proof,
        unit: Range<usize>,
    ) -> Option<Self::Finding>;
}

/// Looks at each unit, tells of those with a finding and counts them.
pub(crate) struct ByUnit<'a, L: Look> {
    pub(crate) look: L,
    pub(crate) visit: &'a mut dyn FnMut(usize, L::Finding),
}

impl<L: Look> ByUnit<'_, L> {
    /// What to add to the count.
    fn tell(&mut self, unit: usize, finding: Option<L::Finding>) -> usize {
        match finding {
            Some(finding) => {
                (self.visit)(unit, finding);
                1
            }
            None => 0,
        }
    }
}

impl<L: Look> Operation for ByUnit<'_, L> {
    type Answer = usize;

    fn by_bytes(mut self) -> usize {
        let mut count = 0_usize;
        for (unit, range) in units(self.look.length()) {
            let finding = self.look.by_bytes(range);
            count = count.saturating_add(self.tell(unit, finding));
        }
        count
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(mut self, proof: V::Proof) -> usize {
        let mut count = 0_usize;
        for (unit, range) in units(self.look.length()) {
            let finding = self.look.by_lines::<V, N>(proof, range);
            count = count.saturating_add(self.tell(unit, finding));
        }
        count
    }
}
