//! Which members an array has after a crash, from their records alone: the rules of assembly once
//! more, in plain words, apart from those of `raid_core::md`.

use raid_core::engine::Behind;
use raid_core::members::{MemberSet, MemberState};
use raid_core::metadata::{Consistency, Record};
use raid_core::units::MemberIndex;
use raid_sim::device::RamDevice;
use raid_sim::intent::{Bit, Intent};
use raid_sim::sim::Blueprint;

/// What the records say.
#[derive(Clone, Debug)]
pub(crate) struct Assembled {
    /// The record with the highest event count.
    pub(crate) freshest: Record,
    /// Places whose member is out.
    pub(crate) out: MemberSet,
    /// The write-intent bitmap, if there is one: a bit is clear if it is on any member that is in,
    /// for each of them may be the one that is asked.
    pub(crate) intent: Option<Intent>,
}

/// The freshest record decides. A member that it calls failed is out, and so is one that missed
/// more than one record. A member that missed the last one alone is in: a crash leaves that.
pub(crate) fn assemble(devices: &[RamDevice]) -> Assembled {
    let records: Vec<_> = devices.iter().map(|device| device.recorded).collect();
    let by_events = |device: &&RamDevice| device.recorded.map(|record| record.events);
    let freshest = devices.iter().max_by_key(by_events).expect("there are devices");
    let freshest = freshest.recorded.expect("somebody has a record");
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
    let places = devices.iter().zip((0..=u8::MAX).map(MemberIndex));
    let inside = places.filter(|(_, member)| !out.contains(*member));
    let intents = inside.filter_map(|(device, _)| device.intent.clone());
    let intent = intents.reduce(|mut one, other| {
        for (bit, other) in one.bits.iter_mut().zip(other.bits) {
            if other == Bit::Clear {
                *bit = Bit::Clear;
            }
        }
        one
    });
    Assembled { freshest, out, intent }
}

impl Assembled {
    /// The array to start, `without` being places whose member was lost besides.
    pub(crate) fn blueprint(&self, before: &Blueprint, without: MemberSet) -> Blueprint {
        let mut blueprint = Blueprint {
            consistency: self.freshest.consistency,
            events: self.freshest.events,
            intent: self.intent.clone(),
            ..before.clone()
        };
        for (seat, member) in blueprint.seats.iter_mut().zip(0..=u8::MAX) {
            let member = MemberIndex(member);
            if self.out.union(without).contains(member) {
                *seat = None;
            } else if let Some(seat) = seat {
                seat.behind = if self.freshest.by_intent.contains(member) {
                    Behind::MarkedChunks { events: self.freshest.events }
                } else {
                    Behind::Everything
                };
                seat.state = if self.freshest.rebuilding.contains(member) {
                    MemberState::Rebuilding { valid_to: self.freshest.rebuilt_to }
                } else {
                    MemberState::InSync
                };
            }
        }
        blueprint
    }

    /// Whether a bit is set.
    pub(crate) fn is_marked(&self) -> bool {
        self.intent.as_ref().is_none_or(|intent| intent.count() > 0)
    }

    /// Whether the record vouches for parity and copies everywhere.
    pub(crate) fn is_clean(&self) -> bool {
        match self.freshest.consistency {
            Consistency::Clean => true,
            Consistency::InSyncTo(_) => false,
        }
    }
}
