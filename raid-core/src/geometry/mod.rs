//! Where each block lies: from an array address to a member and back.

mod layout;

pub use layout::{Layout, Raid5Layout, Raid6Layout, Raid10Layout, Spread};
