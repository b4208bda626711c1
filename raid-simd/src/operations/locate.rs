//! `locate`: which single block of a unit is silently wrong.

use core::ops::Range;

use super::look::{ByUnit, Look};
use crate::blocks::Source;
use crate::error::ShapeError;
use crate::fold::{Sums, deltas};
use crate::line::{LINE_BYTES, Line, Step, Window, sweep};
use crate::scalar;
use crate::select::Kernels;
use crate::shape::{Order, blocks_have_length, order, slices_have_length};
use crate::verdict::Suspect;

impl Kernels {
    /// Calls `visit` with each inconsistent unit and the block that it points at, in ascending
    /// order; returns how many there are. `sources` are all data blocks of the row.
    ///
    /// If one data block is wrong by `d` in a byte, ΔP = d and ΔQ = 2^e · d there, so the quotient
    /// names the exponent. All inconsistent bytes of a unit must name the same block, and it must
    /// be one of `sources`.
    ///
    /// # Errors
    ///
    /// Any [`ShapeError`].
    pub fn locate(
        self,
        sources: &[Source<'_>],
        p: &[u8],
        q: &[u8],
        mut visit: impl FnMut(usize, Suspect),
    ) -> Result<usize, ShapeError> {
        slices_have_length(&[q], p.len())?;
        blocks_have_length(sources, p.len())?;
        let order = order(sources, &[])?;
        Ok(self.run(ByUnit { look: Locate { sources, order, p, q }, visit: &mut visit }))
    }
}

struct Locate<'a> {
    sources: &'a [Source<'a>],
    order: Order,
    p: &'a [u8],
    q: &'a [u8],
}

impl Locate<'_> {
    /// A quotient can name a block that the row does not have.
    fn among_sources(&self, suspect: Suspect) -> Suspect {
        match suspect {
            Suspect::Data(exponent) => {
                if self.sources.iter().any(|source| source.exponent == exponent) {
                    suspect
                } else {
                    Suspect::Several
                }
            }
            Suspect::P | Suspect::Q | Suspect::Several => suspect,
        }
    }
}

impl Look for Locate<'_> {
    type Finding = Suspect;

    fn length(&self) -> usize {
        self.p.len()
    }

    fn by_bytes(&self, unit: Range<usize>) -> Option<Suspect> {
        scalar::locate(self.sources, self.p, self.q, unit)
            .map(|suspect| self.among_sources(suspect))
    }

    #[inline(always)]
    fn by_lines<V: Line, const N: usize>(
        &self,
        proof: V::Proof,
        unit: Range<usize>,
    ) -> Option<Suspect> {
        let mut step = LocateStep { locate: self, suspect: None };
        sweep::<V, _, N>(proof, unit, &mut step);
        step.suspect.map(|suspect| self.among_sources(suspect))
    }
}

struct LocateStep<'a> {
    locate: &'a Locate<'a>,
    suspect: Option<Suspect>,
}

impl<V: Line> Step<V> for LocateStep<'_> {
    #[inline(always)]
    fn step<W: Window<N>, const N: usize>(&mut self, proof: V::Proof, at: &W) {
        let Locate { sources, order, p, q } = *self.locate;
        let delta: Sums<V, N> = deltas(proof, sources, order, (p, q), at);
        if delta.p.or(&delta.q).gathered(proof).difference().is_none() {
            return;
        }
        // Rare, and without the blocks: the quotients may be taken byte by byte.
        for (p, q) in delta.p.0.iter().zip(&delta.q.0) {
            let (mut p_bytes, mut q_bytes) = ([0; LINE_BYTES], [0; LINE_BYTES]);
            p.store(&mut p_bytes);
            q.store(&mut q_bytes);
            self.suspect = judge(self.suspect, &p_bytes, &q_bytes);
        }
    }
}

/// What these bytes of ΔP and ΔQ add to what is known of a unit.
fn judge(so_far: Option<Suspect>, p: &[u8; LINE_BYTES], q: &[u8; LINE_BYTES]) -> Option<Suspect> {
    p.iter().zip(q).fold(so_far, |so_far, (p, q)| Suspect::join(so_far, Suspect::of(*p, *q)))
}
