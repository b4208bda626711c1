//! What must be durable about the array, as values, and the machine that records them.
//!
//! The formats in which hosts keep these values are elsewhere (`md` has those of Linux md).

mod writer;

pub(crate) use writer::{Claims, Facts, Need, Writer, WriterStep};

use crate::members::MemberSet;
use crate::units::{Lba, MemberIndex, Sectors};

/// What one generation of metadata says: the same on every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// The event count: one more than in the generation before.
    pub events: u64,
    /// Whether parity and copies agree with the data.
    pub consistency: Consistency,
    /// Places whose member is not to be used again. A journal goes by the place behind the last member.
    pub failed: MemberSet,
    /// Places whose member is being rebuilt. All other members that have not failed are valid
    /// everywhere.
    pub rebuilding: MemberSet,
    /// Up to which sector of their data areas the members in `rebuilding` are valid.
    pub rebuilt_to: Sectors,
    /// Of the members in `rebuilding`, those that are valid above that sector as well, but for chunks
    /// whose bit is set in the write-intent bitmap.
    pub by_intent: MemberSet,
    /// The member that is being replaced, if one is. It is the member of its place for as long as it
    /// has not failed. If it is in `failed` the replacement is, and is being rebuilt where it is not
    /// copied to its end.
    pub replacement: Option<Replacement>,
    /// Which shape the array has.
    pub shaping: Shaping,
}

/// A device that is to take over from a member that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Replacement {
    /// The place of the member that it replaces.
    pub member: MemberIndex,
    /// What commands to it and events call it: a number behind the last place of the shape.
    pub by: MemberIndex,
    /// Up to which sector of its data area it holds what the member holds.
    pub copied_to: Sectors,
}

/// Which shape an array has, as a record says it. From which shape to which a reshape leads is known
/// to whoever made the engine for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shaping {
    /// The one that it had when its engine was made.
    Fixed,
    /// Two: a reshape is under way.
    Underway {
        /// How far: what is done is durable.
        position: Lba,
    },
    /// The new one alone. Places beyond it are members no more: they are spare.
    Done,
}

/// Up to where parity and copies are known to agree with the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consistency {
    /// Everywhere.
    Clean,
    /// Below this sector: of each member, or of the array for level 10. Zero while writes are under
    /// way.
    InSyncTo(Sectors),
}
