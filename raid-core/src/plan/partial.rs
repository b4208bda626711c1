//! What partial parity is made of: the XOR of the data blocks that a write leaves alone.

use crate::geometry::Row;
use crate::members::MemberSet;

/// How a write comes to the new parity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpdateWay {
    /// From the old parity and the old data of the written blocks.
    ReadModifyWrite,
    /// From the data blocks that are not written.
    ReconstructWrite,
}

/// How the partial parity of a write is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartialParity {
    /// Not at all: the write covers all data blocks, and its entry has none.
    None,
    /// As the XOR of the old blocks of these members: what the write has read anyway, or computed
    /// where a member is missing.
    XorOf(MemberSet),
}

impl PartialParity {
    /// For a write to the blocks of `covered`, with old blocks that the way of the update has at
    /// hand: those of `covered` and the parity, or those that are not written. Both give the same.
    #[must_use]
    pub fn of(row: &Row, covered: MemberSet, way: UpdateWay) -> Self {
        let data = row.data_places();
        let untouched = data.difference(covered);
        if untouched.is_empty() {
            return Self::None;
        }
        Self::XorOf(match way {
            UpdateWay::ReadModifyWrite => covered.intersection(data).union(row.parity_places()),
            UpdateWay::ReconstructWrite => untouched,
        })
    }
}
