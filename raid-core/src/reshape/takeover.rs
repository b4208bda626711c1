//! Changes of level that move no data: one record, and at most a member to be filled or dropped.
//!
//! Linux refuses a walk that changes the level, so a reshape to another level is a walk before or
//! after one of these. Whatever gives up redundancy says so: it needs an explicit wish.

use core::fmt;

use crate::geometry::{
    ConfigError, Geometry, Layout, Raid5Layout, Raid6Layout, Raid10Layout, Shape, Spread,
};
use crate::members::MemberSet;
use crate::units::{MemberIndex, Sectors};

/// md's tools give a mirror that becomes level 5 the largest chunk that fits, up to 64 KiB.
const MIRROR_CHUNK_SECTORS_MAX: u64 = 128;

/// Two copies side by side: the one layout of level 10 that is level 0 with mirrors.
const NEAR_2: Raid10Layout = Raid10Layout { near: 2, far: 1, spread: Spread::Zones };

/// A change of level that moves no data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takeover {
    before: Geometry,
    after: Geometry,
    places: Places,
}

/// What becomes of the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Places {
    /// Each member keeps its own; what is new is behind them, what goes was the last.
    Same,
    /// Each member becomes the first of a pair.
    Doubled,
    /// Of each pair one stays.
    Halved,
}

/// What a takeover does to redundancy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Redundancy {
    /// It stays: no member comes or goes.
    Kept,
    /// There is more, once members at these places have been filled.
    Gained(MemberSet),
    /// There is less: these places of the old shape go. Needs an explicit wish.
    GivenUp(MemberSet),
}

/// Why a level cannot be taken over. A matter for whoever asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakeoverError {
    /// No takeover leads from one level to the other.
    NoSuchWay {
        /// md's number of the level before.
        from: i32,
        /// md's number of the level after.
        to: i32,
    },
    /// The layout does not fit: a walk to `first` comes first.
    LayoutFirst {
        /// The layout that the array must have before.
        first: Layout,
    },
    /// The takeover leads to this layout alone; a walk from it to another comes behind.
    LeadsTo {
        /// The layout.
        layout: Layout,
    },
    /// The count of members does not fit: a walk to `members` comes first.
    MembersFirst {
        /// How many the array must have before.
        members: u8,
    },
    /// A level 10 array whose members cannot be paired.
    Pairs {
        /// How many it has.
        members: u8,
    },
    /// A mirror of a size that no chunk divides: reduce it to `fits` first.
    UnevenMirror {
        /// The largest size that would do.
        fits: Sectors,
    },
    /// The new shape cannot be.
    Shape(ConfigError),
}

impl fmt::Display for TakeoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoSuchWay { from, to } => {
                write!(f, "level {from} cannot become level {to} without moving data")
            }
            Self::LayoutFirst { first } => write!(
                f,
                "the array must have layout {} of level {} first",
                first.md_layout(),
                first.md_level()
            ),
            Self::LeadsTo { layout } => write!(
                f,
                "the change of level leads to layout {} of level {}: reshape from there",
                layout.md_layout(),
                layout.md_level()
            ),
            Self::MembersFirst { members } => {
                write!(f, "the array must be reshaped to {members} members first")
            }
            Self::Pairs { members } => write!(f, "{members} members are no pairs"),
            Self::UnevenMirror { fits } => write!(
                f,
                "the mirror's size is no whole number of chunks: reduce it to {} sectors first",
                fits.0
            ),
            Self::Shape(ref error) => error.fmt(f),
        }
    }
}

impl core::error::Error for TakeoverError {}

impl Takeover {
    /// Checks a change of level and layout.
    ///
    /// # Errors
    ///
    /// Says why it cannot be made without moving data, and what walk would have to come first or
    /// behind it.
    pub fn new(before: Geometry, to: Layout) -> Result<Self, TakeoverError> {
        let from = before.shape();
        let (members, places) = way(&from, to)?;
        let chunk = chunk(&from, to)?;
        let member_size = if to == Layout::Raid1 { before.size() } else { from.member_size };
        let after = Geometry::new(Shape { layout: to, members, chunk, member_size });
        let after = after.map_err(TakeoverError::Shape)?;
        Ok(Self { before, after, places })
    }

    /// The shape before.
    #[must_use]
    pub const fn before(&self) -> &Geometry {
        &self.before
    }

    /// The shape after.
    #[must_use]
    pub const fn after(&self) -> &Geometry {
        &self.after
    }

    /// Where the member at a place of the old shape sits in the new one; `None` if it goes. Of a pair
    /// the first stays, or the second if the first is `missing`.
    #[must_use]
    pub fn place(&self, old: MemberIndex, missing: &MemberSet) -> Option<MemberIndex> {
        let MemberIndex(place) = old;
        let new = match self.places {
            Places::Same => place,
            Places::Doubled => place.checked_mul(2)?,
            Places::Halved => {
                let first = MemberIndex(place & !1);
                let stays = if missing.contains(first) { place | 1 } else { first.0 };
                if place != stays {
                    return None;
                }
                place.wrapping_shr(1)
            }
        };
        (new < self.after.members()).then_some(MemberIndex(new))
    }

    /// What it does to redundancy. Members that are `missing` from the old shape are not given up
    /// again.
    #[must_use]
    pub fn redundancy(&self, missing: &MemberSet) -> Redundancy {
        let old = self.before.all_members();
        let kept = |place: &MemberIndex| self.place(*place, missing);
        let filled: MemberSet = old.into_iter().filter_map(|place| kept(&place)).collect();
        let empty = self.after.all_members().difference(filled);
        let gone: MemberSet = old.into_iter().filter(|place| kept(place).is_none()).collect();
        if !empty.is_empty() {
            Redundancy::Gained(empty)
        } else if gone.is_empty() {
            Redundancy::Kept
        } else {
            Redundancy::GivenUp(gone)
        }
    }
}

const LAST: Raid5Layout = Raid5Layout::ParityLast;

/// The layout of level 6 that is this one of level 5 with Q on one more member.
#[must_use]
pub const fn with_q(layout: Raid5Layout) -> Raid6Layout {
    match layout {
        Raid5Layout::LeftAsymmetric => Raid6Layout::LeftAsymmetric6,
        Raid5Layout::RightAsymmetric => Raid6Layout::RightAsymmetric6,
        Raid5Layout::LeftSymmetric => Raid6Layout::LeftSymmetric6,
        Raid5Layout::RightSymmetric => Raid6Layout::RightSymmetric6,
        Raid5Layout::ParityFirst => Raid6Layout::ParityFirst6,
        // P before Q at the end: no number of its own.
        Raid5Layout::ParityLast => Raid6Layout::ParityLast,
    }
}

/// How many members there are then, and which of them is which.
fn way(from: &Shape, to: Layout) -> Result<(u8, Places), TakeoverError> {
    let none = TakeoverError::NoSuchWay { from: from.layout.md_level(), to: to.md_level() };
    let (members, places) = match (from.layout, to) {
        (Layout::Raid0, Layout::Raid10(_)) => {
            leads(to, Layout::Raid10(NEAR_2))?;
            (from.members.checked_mul(2), Places::Doubled)
        }
        (Layout::Raid10(_), Layout::Raid0) => {
            needs(from.layout, Layout::Raid10(NEAR_2))?;
            if !from.members.is_multiple_of(2) {
                return Err(TakeoverError::Pairs { members: from.members });
            }
            (Some(from.members.wrapping_shr(1)), Places::Halved)
        }
        (Layout::Raid1, Layout::Raid5(_)) | (Layout::Raid5(_), Layout::Raid1) => {
            // One data block, and a parity block that equals it, wherever they lie.
            if from.members != 2 {
                return Err(TakeoverError::MembersFirst { members: 2 });
            }
            (Some(2), Places::Same)
        }
        (Layout::Raid0, Layout::Raid4) => (from.members.checked_add(1), Places::Same),
        (Layout::Raid0 | Layout::Raid4, Layout::Raid5(_)) => {
            leads(to, Layout::Raid5(LAST))?;
            let more = u8::from(from.layout == Layout::Raid0);
            (from.members.checked_add(more), Places::Same)
        }
        (Layout::Raid4, Layout::Raid0) => (from.members.checked_sub(1), Places::Same),
        (Layout::Raid5(_), Layout::Raid0 | Layout::Raid4) => {
            needs(from.layout, Layout::Raid5(LAST))?;
            let less = u8::from(to == Layout::Raid0);
            (from.members.checked_sub(less), Places::Same)
        }
        (Layout::Raid5(layout), Layout::Raid6(_)) => {
            leads(to, Layout::Raid6(with_q(layout)))?;
            (from.members.checked_add(1), Places::Same)
        }
        (Layout::Raid6(_), Layout::Raid5(wanted)) => {
            needs(from.layout, Layout::Raid6(with_q(wanted)))?;
            (from.members.checked_sub(1), Places::Same)
        }
        (Layout::Raid0, Layout::Raid0 | Layout::Raid1 | Layout::Raid6(_))
        | (
            Layout::Raid1 | Layout::Raid4 | Layout::Raid6(_),
            Layout::Raid10(_) | Layout::Raid6(_),
        )
        | (Layout::Raid1 | Layout::Raid6(_), Layout::Raid0 | Layout::Raid1 | Layout::Raid4)
        | (Layout::Raid4, Layout::Raid1 | Layout::Raid4)
        | (Layout::Raid5(_), Layout::Raid5(_) | Layout::Raid10(_))
        | (
            Layout::Raid10(_),
            Layout::Raid1 | Layout::Raid4 | Layout::Raid5(_) | Layout::Raid6(_) | Layout::Raid10(_),
        ) => return Err(none),
    };
    members.map(|members| (members, places)).ok_or(none)
}

fn leads(to: Layout, layout: Layout) -> Result<(), TakeoverError> {
    if to == layout { Ok(()) } else { Err(TakeoverError::LeadsTo { layout }) }
}

fn needs(from: Layout, first: Layout) -> Result<(), TakeoverError> {
    if from == first { Ok(()) } else { Err(TakeoverError::LayoutFirst { first }) }
}

/// The chunk after the takeover: a mirror has none, and gets one.
fn chunk(from: &Shape, to: Layout) -> Result<Sectors, TakeoverError> {
    if from.layout != Layout::Raid1 || to == Layout::Raid1 {
        return Ok(from.chunk);
    }
    let least = crate::limits::CHUNK_SECTORS_MIN.0;
    let over = from.member_size.0.checked_rem(least).unwrap_or(0);
    if over != 0 {
        let fits = Sectors(from.member_size.0.saturating_sub(over));
        return Err(TakeoverError::UnevenMirror { fits });
    }
    // The largest power of two in the size.
    let size = from.member_size.0;
    let largest = size & size.wrapping_neg();
    Ok(Sectors(largest.clamp(least, MIRROR_CHUNK_SECTORS_MAX)))
}
