//! The number of completions after which a request is answered, whatever fails. From the limits
//! alone.

use raid_core::limits::LANE_SECTORS_MIN;
use raid_core::plan::TASKS_MAX;
use raid_core::units::FAULT_UNIT;
use raid_sim::sim::{Blueprint, Tally};

/// Most completions that a request of so many sectors can take.
pub(crate) fn completions_max(blueprint: &Blueprint, sectors: u64) -> u64 {
    let members = u64::from(blueprint.geometry.members());
    let chunk = blueprint.geometry.chunk().0;
    let units_of = |sectors: u64| sectors / FAULT_UNIT.0 + 2;
    // Each chunk that the request touches is cut at its two borders and at lanes.
    let chunks = sectors / chunk + 2;
    let rectangles = chunks * (chunk / LANE_SECTORS_MIN.0 + 2);
    // A part is planned anew once for each member or block that is lost.
    let part = (members + 1) * members + u64::try_from(TASKS_MAX).unwrap() + members;
    // A rectangle is done whole, or given up and done in fault units; writes are repeated in units,
    // and each of these may be put on the list of bad blocks.
    let units = units_of(blueprint.lane.0);
    // In a log: an entry, a header and a flush, and before it a flush of all members.
    let log = 3 + members;
    let rectangle = (part + log) * (1 + units) + 2 * members * units;
    // One generation marks the array dirty, and one for each member says that it is lost; each is
    // begun anew for each member that fails in it. A generation is at most a flush, a record and a
    // flush.
    let generations = (2 + members) * (1 + members) * 3 * members;
    // Each log is opened with a header and a flush.
    rectangles * rectangle + generations + 2 * members
}

/// Most polls: each is followed by a completion, or has used up its budget, or offers what was
/// refused.
pub(crate) fn polls_max(completions: u64) -> u64 {
    const STEPS_BETWEEN: u64 = 8;
    completions * STEPS_BETWEEN + STEPS_BETWEEN
}

pub(crate) fn assert_bounded(blueprint: &Blueprint, sectors: u64, tally: Tally) {
    let most = completions_max(blueprint, sectors);
    assert!(tally.completions <= most, "{tally:?} for {sectors} sectors; the bound is {most}");
    assert!(tally.polls <= polls_max(most), "{tally:?} for {sectors} sectors");
}
