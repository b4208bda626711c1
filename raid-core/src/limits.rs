//! Every bound of the engine, by name. Relations between them are checked at compile time.

use crate::units::{FAULT_UNIT, Sectors};

/// Most members that an array can have. 64 unless the build sets `RAID_MEMBERS_MAX` (2 to 255) in
/// its environment: a firmware with four members builds with `RAID_MEMBERS_MAX=4` and pays for
/// four.
pub const MEMBERS_MAX: usize = number_or(option_env!("RAID_MEMBERS_MAX"), 64);

/// Most parity blocks in a row.
pub const PARITY_MAX: usize = 2;

/// Smallest chunk: 4 KiB.
pub const CHUNK_SECTORS_MIN: Sectors = Sectors(8);

/// Largest chunk: 1 GiB.
pub const CHUNK_SECTORS_MAX: Sectors = Sectors(2 * 1024 * 1024);

/// The unit by which requests of a level 1 array are cut and ordered, where there is no chunk: 64
/// KiB.
pub const MIRROR_UNIT: Sectors = Sectors(128);

/// Smallest lane that a host may set aside: one fault unit.
pub const LANE_SECTORS_MIN: Sectors = FAULT_UNIT;

/// Largest lane: 1 MiB.
pub const LANE_SECTORS_MAX: Sectors = Sectors(2048);

/// Longest request: 32 MiB.
pub const REQUEST_SECTORS_MAX: Sectors = Sectors(64 * 1024);

/// Most entries in a batch of a member's log: as many as md's header of such a log takes.
pub const LOG_ENTRIES_MAX: usize = 148;

/// Most stripe operations at a time.
pub const SLOTS_MAX: usize = 4096;

/// Most requests at a time.
pub const REQUESTS_MAX: usize = 4096;

const _: () = {
    assert!(MEMBERS_MAX >= 2 && MEMBERS_MAX <= 255, "RAID_MEMBERS_MAX must be 2 to 255");
    assert!(PARITY_MAX < MEMBERS_MAX || MEMBERS_MAX == 2);
    assert!(LANE_SECTORS_MAX.0.is_multiple_of(FAULT_UNIT.0));
    assert!(CHUNK_SECTORS_MIN.0.is_multiple_of(FAULT_UNIT.0));
    assert!(LANE_SECTORS_MAX.0 <= REQUEST_SECTORS_MAX.0);
    assert!(SLOTS_MAX <= 65_535 && REQUESTS_MAX <= 65_535);
};

/// A decimal number from the build's environment.
const fn number_or(text: Option<&str>, default: usize) -> usize {
    let Some(text) = text else { return default };
    match usize::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => 0, // refused by the assertion above
    }
}
