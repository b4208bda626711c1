//! Reshape, the pure half: from what to what, how far, and what comes next.
//!
//! A [`Change`] is a pair of geometries that a walk can lead from one to the other; [`Progress`] is
//! how far such a walk has come, and the only type that compares a position with an address, because
//! half of all walks go backward. [`Progress::next`] decides and the engine executes.
//!
//! ```text
//!   safe            front
//!     |   Window      |                 forward; a backward walk is the mirror image
//! ----+---------------+-------------
//! Done|               | ToDo
//! new shape           old shape
//! ```
//!
//! What makes it survive a crash is one rule, checked exactly before every piece
//! ([`Step::Relocate`]): a destination row lands on no block, parity included, of an old row that
//! still holds a block at or beyond the durable position. Then all that a restart reads is whole,
//! and the pieces of a window can be moved in any order. Where the rule cannot be kept, the walk is
//! in its critical section, and the content of the window is saved first ([`Step::Backup`]).

mod backup;
mod change;
mod collide;
mod error;
mod progress;
mod room;
mod takeover;
mod walk;

pub use backup::{BackupArea, BackupMark, Saved};
pub use change::{Change, Direction, Shift, beyond_redundancy};
pub use error::{ChangeError, PositionError};
pub use progress::{Position, Progress, Routed, Side};
pub use room::Room;
pub use takeover::{Redundancy, Takeover, TakeoverError, with_q};
pub use walk::{Load, Means, Parking, Reversal, Step, WINDOW_UNITS_MAX};
