//! Which members an array has after a crash, from their records alone: the rules of assembly once
//! more, in plain words, apart from those of `raid_core::md`.

use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::{Consistency, Record};
use raid_core::units::MemberIndex;
use raid_sim::sim::Blueprint;

/// What the records say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Assembled {
    /// The record with the highest event count.
    pub(crate) freshest: Record,
    /// Places whose member is out.
    pub(crate) out: MemberSet,
}

/// The freshest record decides. A member that it calls failed is out, and so is one that missed
/// more than one record. A member that missed the last one alone is in: a crash leaves that.
pub(crate) fn assemble(records: &[Option<Record>]) -> Assembled {
    let freshest = records.iter().flatten().max_by_key(|record| record.events);
    let freshest = *freshest.expect("somebody has a record");
    let mut out = MemberSet::NONE;
    for (record, member) in records.iter().zip(0..=u8::MAX) {
        let member = MemberIndex(member);
        let Some(record) = record else {
            out.insert(member);
            continue;
        };
        assert!(
            record.events < freshest.events || *record == freshest,
            "one event count, two contents: {record:?} and {freshest:?}"
        );
        if freshest.failed.contains(member) || record.events + 1 < freshest.events {
            out.insert(member);
        }
    }
    Assembled { freshest, out }
}

impl Assembled {
    /// The array to start, `without` being places whose member was lost besides.
    pub(crate) fn blueprint(&self, before: &Blueprint, without: MemberSet) -> Blueprint {
        let mut blueprint = Blueprint {
            consistency: self.freshest.consistency,
            events: self.freshest.events,
            ..before.clone()
        };
        for (seat, member) in blueprint.seats.iter_mut().zip(0..=u8::MAX) {
            let member = MemberIndex(member);
            if self.out.union(without).contains(member) {
                *seat = None;
            } else if let Some(seat) = seat {
                seat.state = if self.freshest.rebuilding.contains(member) {
                    MemberState::Rebuilding { valid_to: self.freshest.rebuilt_to }
                } else {
                    MemberState::InSync
                };
            }
        }
        blueprint
    }

    /// Whether the record vouches for parity and copies everywhere.
    pub(crate) fn is_clean(&self) -> bool {
        match self.freshest.consistency {
            Consistency::Clean => true,
            Consistency::InSyncTo(_) => false,
        }
    }
}
