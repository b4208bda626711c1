//! Numbers for shapes.

use proptest::prelude::*;
use raid_core::limits::MEMBERS_MAX;

/// The most members that this build allows, as the number that a shape has.
pub(crate) const MEMBERS_LIMIT: u8 = {
    let [limit, ..] = MEMBERS_MAX.to_le_bytes();
    limit
};

/// Whether this build allows so many members.
pub(crate) fn allowed(members: u8) -> bool {
    usize::from(members) <= MEMBERS_MAX
}

/// Numbers from `min` to `max`, as often small as near the end.
pub(crate) fn numbers_of_any_size(min: u64, max: u64) -> impl Strategy<Value = u64> {
    let few = min.saturating_mul(1000).clamp(min, max);
    let many = max.saturating_sub(min).max(min);
    prop_oneof![Just(min), min..=few, min..=max, many..=max]
}
