//! What the fuzzer makes up: an array, how it is found, and what is done with it.

use arbitrary::{Arbitrary, Unstructured};
use raid_core::engine::PassKind;
use raid_core::geometry::{Layout, Raid5Layout, Raid6Layout, Raid10Layout, Shape, Spread};
use raid_core::host::Fault;

use super::STEPS_MAX;
use super::setting::{CHUNK, MEMBER_SIZE};

#[derive(Clone, Debug, Arbitrary)]
pub struct Campaign {
    pub array: Array,
    pub start: Start,
    pub slots: u8,
    /// Slots for passes, besides.
    pub background: u8,
    pub requests: u8,
    pub lane_units: u8,
    pub transfer: Transfer,
    /// Members that are read only where no other copy is left, as bits.
    pub last: u8,
    /// Which members are lost when the array is taken together again.
    pub lost_at_the_end: u8,
    #[arbitrary(with = steps)]
    pub steps: Vec<Step>,
}

/// Steps for as long as there are bytes: a list that tosses a coin for each of its elements has two.
fn steps(bytes: &mut Unstructured<'_>) -> arbitrary::Result<Vec<Step>> {
    let mut steps = Vec::new();
    while !bytes.is_empty() && steps.len() < STEPS_MAX {
        steps.push(bytes.arbitrary()?);
    }
    Ok(steps)
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Array {
    Raid0,
    Raid1 { members: u8 },
    Raid4,
    Raid5 { layout: u8, members: u8 },
    Raid6 { layout: u8, members: u8 },
    Raid10 { members: u8, near: bool, spread: bool },
}

/// How the array is found.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Start {
    Whole,
    /// Not resynced from here on.
    Unsynced {
        mark: u8,
    },
    Missing {
        member: u8,
    },
    Rebuilding {
        member: u8,
        valid_to: u8,
    },
    ReadOnly {
        missing: u8,
    },
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Transfer {
    Unlimited,
    OneUnit,
    ThreeUnits,
}

/// Grouped, so that what goes wrong is rarer than what goes right.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Step {
    Read {
        at: u16,
        sectors: u8,
        staged: bool,
    },
    Write {
        at: u16,
        sectors: u8,
        staged: bool,
        durable: bool,
    },
    Zeroes {
        at: u16,
        sectors: u8,
    },
    Check {
        at: u16,
        sectors: u8,
    },
    Barrier(BarrierStep),
    Poll {
        budget: u8,
    },
    /// One command in flight ends.
    Finish {
        choice: u8,
    },
    /// All commands that are in flight end.
    FinishAll,
    /// All that can be done without news is done.
    Settle,
    StartPass {
        kind: Kind,
    },
    Change(Change),
    Trouble(Trouble),
    Hang(Hang),
    Refuse(Refuse),
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum BarrierStep {
    Flush,
    MarkClean,
}

/// What an administrator does.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Change {
    /// A device that holds nothing takes a place, one that lacks a member if there is any.
    Add {
        choice: u8,
        device: Replacement,
    },
    FailMember {
        member: u8,
    },
    Park,
    Quiesce,
    Resume,
}

/// Which device takes a place.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Replacement {
    Another,
    /// Another, to be read only where no other copy is left.
    AnotherAsLast,
    /// The one that was there, wiped.
    Same,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Trouble {
    /// A report that names no command in flight.
    Forge {
        bits: u64,
        kind: FaultKind,
    },
    ComputeFails,
    Fault {
        member: u8,
        kind: FaultKind,
    },
    Gone {
        member: u8,
    },
    BadSector {
        member: u8,
        sector: u8,
    },
}

/// A command that nobody waits for any more.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Hang {
    Abandon {
        choice: u8,
    },
    /// Abandoned commands touch what they can still reach.
    Late,
    /// An abandoned command is dead.
    Dead {
        choice: u8,
    },
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Refuse {
    Device { member: u8, commands: u8 },
    Compute { jobs: u8 },
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum FaultKind {
    Media,
    Integrity,
    Transport,
    Gone,
    InvalidRequest,
    Unsupported,
}

impl FaultKind {
    pub const fn fault(self) -> Fault {
        match self {
            Self::Media => Fault::Media,
            Self::Integrity => Fault::Integrity,
            Self::Transport => Fault::Transport,
            Self::Gone => Fault::Gone,
            Self::InvalidRequest => Fault::InvalidRequest,
            Self::Unsupported => Fault::Unsupported,
        }
    }
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Kind {
    Resync,
    Recovery,
    Check,
    Repair,
    Locate,
}

impl Kind {
    pub const fn pass(self) -> PassKind {
        match self {
            Self::Resync => PassKind::Resync,
            Self::Recovery => PassKind::Recovery,
            Self::Check => PassKind::Check,
            Self::Repair => PassKind::Repair,
            Self::Locate => PassKind::Locate,
        }
    }
}

impl Array {
    pub fn shape(self) -> Shape {
        let (layout, members) = match self {
            Self::Raid0 => (Layout::Raid0, 3),
            Self::Raid1 { members } => (Layout::Raid1, 2 + members % 2),
            Self::Raid4 => (Layout::Raid4, 4),
            Self::Raid5 { layout, members } => {
                (Layout::Raid5(pick(&Raid5Layout::ALL, layout)), 3 + members % 3)
            }
            Self::Raid6 { layout, members } => {
                (Layout::Raid6(pick(&Raid6Layout::ALL, layout)), 4 + members % 3)
            }
            Self::Raid10 { members, near, spread } => {
                let (near, far) = if near { (2, 1) } else { (1, 2) };
                let spread = if spread { Spread::Rows } else { Spread::Zones };
                (Layout::Raid10(Raid10Layout { near, far, spread }), 2 + members % 4)
            }
        };
        Shape { layout, members, chunk: CHUNK, member_size: MEMBER_SIZE }
    }
}

fn pick<T: Copy>(all: &[T], choice: u8) -> T {
    all[usize::from(choice) % all.len()]
}
