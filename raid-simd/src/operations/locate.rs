//! `locate`: which single block of a unit is silently wrong.

use super::Operation;
use crate::arch::lanes::{Bytes, Extent, Lane};
use crate::blocks::Source;
use crate::error::ShapeError;
use crate::fold::Sums;
use crate::placement::Placement;
use crate::rows::{Arrangement, Call};
use crate::scalar;
use crate::select::Kernels;
use crate::shape::{Order, order, slices_have_length};
use crate::units::Look;
use crate::vector::{Tile, Vector, Window};
use crate::verdict::{Suspect, tell_units};

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
        self.tell_suspects(sources, p, q, &mut visit)
    }

    /// Not generic, so that the loops are compiled here and not in each crate that calls them.
    fn tell_suspects(
        self,
        sources: &[Source<'_>],
        p: &[u8],
        q: &[u8],
        visit: &mut dyn FnMut(usize, Suspect),
    ) -> Result<usize, ShapeError> {
        slices_have_length(&[q], p.len())?;
        let order = order(sources, p.len(), [])?;
        self.run(Locate { placement: self.placement(), sources, order, p, q, visit })
    }
}

struct Locate<'a> {
    placement: Placement,
    sources: &'a [Source<'a>],
    order: Order<0>,
    p: &'a [u8],
    q: &'a [u8],
    visit: &'a mut dyn FnMut(usize, Suspect),
}

impl Operation for Locate<'_> {
    type Answer = usize;

    fn length(&self) -> usize {
        self.p.len()
    }

    fn count(&self) -> usize {
        self.sources.len()
    }

    fn by_bytes(self) -> usize {
        tell_units(self.p.len(), self.visit, |unit| {
            scalar::locate(self.sources, self.p, self.q, unit)
                .map(|suspect| among(self.sources, suspect))
        })
    }

    #[inline(always)]
    fn by_vectors<V: Vector>(self, proof: V::Proof, extent: Extent<'_>) -> Option<usize> {
        let p = extent.lane(self.p)?;
        let q = extent.lane(self.q)?;
        let look = Suspects { sources: self.sources, p, q };
        let call = Call::<V> { proof, extent, placement: self.placement };
        self.order.look(call, self.sources, look, self.visit)
    }
}

/// A quotient can name a block that the row does not have.
fn among(sources: &[Source<'_>], suspect: Suspect) -> Suspect {
    match suspect {
        Suspect::Data(exponent) => {
            if sources.iter().any(|source| source.exponent == exponent) {
                suspect
            } else {
                Suspect::Several
            }
        }
        Suspect::P | Suspect::Q | Suspect::Several => suspect,
    }
}

/// Which block is to blame.
#[derive(Clone, Copy)]
struct Suspects<'c, 'a> {
    sources: &'a [Source<'a>],
    p: Lane<'c, 'a>,
    q: Lane<'c, 'a>,
}

impl<'c, V: Vector> Look<'c, V> for Suspects<'c, '_> {
    type Seen = Option<Suspect>;
    type Finding = Suspect;

    #[inline(always)]
    fn nothing(_proof: V::Proof) -> Self::Seen {
        None
    }

    #[inline(always)]
    fn look<W: Window<'c, N>, const N: usize>(
        &self,
        proof: V::Proof,
        at: &W,
        sums: Sums<V, N>,
        seen: &mut Self::Seen,
    ) {
        let p = sums.p.xor(&Tile::load(proof, self.p, at));
        let q = sums.q.xor(&Tile::load(proof, self.q, at));
        if p.or(&q).gathered(proof).difference().is_none() {
            return;
        }
        // Rare, and without the blocks: the quotients may be taken byte by byte.
        for (p, q) in p.0.iter().zip(&q.0) {
            let (mut p_bytes, mut q_bytes) = (V::Bytes::ZERO, V::Bytes::ZERO);
            p.store(&mut p_bytes);
            q.store(&mut q_bytes);
            *seen = judge(*seen, p_bytes.as_ref(), q_bytes.as_ref());
        }
    }

    #[inline(always)]
    fn finding(&self, seen: Self::Seen) -> Option<Suspect> {
        seen.map(|suspect| among(self.sources, suspect))
    }
}

/// What these bytes of ΔP and ΔQ add to what is known of a unit.
fn judge(so_far: Option<Suspect>, p: &[u8], q: &[u8]) -> Option<Suspect> {
    p.iter().zip(q).fold(so_far, |so_far, (p, q)| Suspect::join(so_far, Suspect::of(*p, *q)))
}
