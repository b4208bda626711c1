//! md's partial parity log (PPL): what closes the write hole of level 5 without a device for it.
//!
//! Before a write changes a part of a row, the member that holds the row's parity is given the XOR
//! of the data blocks that the write *leaves alone*: the partial parity. After a crash the parity is
//! that, plus whatever the written blocks hold by then, old or new. So a member that is lost with
//! the crash can be computed, and what no write touched comes back as it was. It makes no promise
//! for the blocks that were being written.
//!
//! A log is a header of 4 KiB with up to [`PPL_ENTRIES_MAX`] entries, then their partial parity, one
//! after the other. A write that covers all data blocks of a row has an entry, and no partial
//! parity. Each member has an [area](PplArea) for its logs; a small one holds one, a larger one is a
//! [ring](PplArea::place).
//!
//! # Order of writes
//!
//! A log, durable; then the data and the parity that it speaks of, together; then, when those are
//! durable too, the next log of that member. Other members' logs are independent of it.
//!
//! # Recovery of an array that was not shut down cleanly
//!
//! For each member present: find its newest log ([`PplScan`]), and for each entry read its partial
//! parity, compare the [checksum](PplEntry::verify), and if it agrees do what its
//! [replay](PplEntry::replay) says. The members that are in a
//! [piece's](ReplayPiece) `modified` must all be readable, or its parity stays as it is. Where every
//! member has a log, every checksum agrees and there was an entry at all, parity agrees everywhere
//! and no resync is needed; otherwise there is one, as without a log. Then zero each area and write
//! an empty log (a [batch](PplBatch) without a write) of generation 0, before anything else: the
//! generations begin anew.

mod area;
mod batch;
mod error;
mod header;
mod replay;

pub use crate::plan::{PartialParity, UpdateWay};
pub use area::{PplArea, PplFound, PplPlace, PplScan, PplScanStep};
pub use batch::{PplBatch, PplWrite};
pub use error::{PplEntryError, PplError, PplRefusal};
pub use header::{Integrity, PPL_ENTRIES_MAX, PplDigest, PplEntry, PplHeader, PplSignature};
pub use replay::{ParityFate, REPLAY_PIECES_MAX, ReplayPiece, ReplayPieces};

use crate::units::Sectors;

/// The size of a log's header.
pub const PPL_HEADER_SECTORS: Sectors = Sectors(8);
