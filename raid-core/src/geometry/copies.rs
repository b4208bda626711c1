//! Levels 0, 1 and 10: chunks, each on one member or more.
//!
//! All three are one scheme. Chunks are dealt to *places*: place `p` is on member `p mod n`, in
//! line `p div n`, and each chunk takes `near` places in turn. That whole picture is then drawn
//! `far` times, each time shifted by `near` members around the ring, in the next zone of the
//! members or in the next row. Level 0 is one near copy, level 1 is as many near copies as members.

use core::num::{NonZeroU8, NonZeroU64};

use super::Shape;
use super::chunk::ChunkSize;
use super::error::ConfigError;
use super::layout::{Layout, Raid10Layout, Spread};
use crate::limits::MIRROR_UNIT;
use crate::members::MemberSet;
use crate::units::{ChunkIndex, Lba, MemberIndex, MemberSector, Sectors};

/// Where a sector of the array lies, in terms of its chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChunkAddress {
    /// The chunk.
    pub chunk: ChunkIndex,
    /// The distance from the start of the chunk.
    pub offset: Sectors,
}

/// The geometry of a level that keeps whole copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CopyGeometry {
    layout: Layout,
    members: NonZeroU8,
    copies: Copies,
    chunk: ChunkSize,
    rings: Rings,
    pitch: Pitch,
    chunks: u64,
    size: Sectors,
    member_size: Sectors,
}

/// The members among which far copies are shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Rings {
    One,
    /// Sets of so many members; the last set, from a member on, has what is left over as well.
    Sets {
        width: NonZeroU8,
        last: u8,
    },
}

/// How far apart far copies lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pitch {
    /// So many rows.
    Zones(NonZeroU64),
    /// One row.
    Rows,
}

/// One ring: its first member and how many it has.
#[derive(Clone, Copy, Debug)]
struct Ring {
    first: u8,
    width: u8,
}

/// Where the first copy of a chunk lies, before any shift.
#[derive(Clone, Copy, Debug)]
struct Home {
    line: u64,
    member: u8,
}

impl Ring {
    /// How many steps up and around it is from one member to another; `None` if either is outside.
    #[inline]
    fn distance(self, from: u8, to: u8) -> Option<u8> {
        let from = from.checked_sub(self.first).filter(|from| *from < self.width)?;
        let to = to.checked_sub(self.first).filter(|to| *to < self.width)?;
        Some(match to.checked_sub(from) {
            Some(steps) => steps,
            None => self.width.saturating_sub(from).saturating_add(to),
        })
    }

    /// The member so many steps down and around; `steps` is less than the width.
    #[inline]
    fn back(self, member: u8, steps: u8) -> u8 {
        let up = member.saturating_sub(self.first);
        match up.checked_sub(steps) {
            Some(up) => self.first.saturating_add(up),
            None => member.saturating_add(self.width.saturating_sub(steps)),
        }
    }

    /// So many members from one on, up and around.
    fn span(self, member: u8, count: u8) -> MemberSet {
        let room = self.first.saturating_add(self.width).saturating_sub(member);
        let around = count.saturating_sub(room);
        span(member, count.min(room)).union(span(self.first, around))
    }
}

fn at_least_one(shape: Shape) -> Result<NonZeroU8, ConfigError> {
    let Shape { members, .. } = shape;
    NonZeroU8::new(members).ok_or(ConfigError::TooFewMembers { members, min: 1 })
}

fn span(first: u8, count: u8) -> MemberSet {
    MemberSet::first(first.saturating_add(count)).difference(MemberSet::first(first))
}

impl CopyGeometry {
    /// Level 0. The caller has compared the number of members with the build's bound.
    pub(super) fn raid0(shape: Shape) -> Result<Self, ConfigError> {
        let members = at_least_one(shape)?;
        Self::dealt(shape, members, Copies::near(NonZeroU8::MIN))
    }

    /// Level 10. The caller has compared the number of members with the build's bound.
    pub(super) fn raid10(shape: Shape, layout: Raid10Layout) -> Result<Self, ConfigError> {
        let members = at_least_one(shape)?;
        Self::dealt(shape, members, Copies::new(layout, members)?)
    }

    /// Level 1. The caller has compared the number of members with the build's bound.
    pub(super) fn raid1(shape: Shape) -> Result<Self, ConfigError> {
        let Shape { layout, member_size, .. } = shape;
        let members = at_least_one(shape)?;
        let chunk = ChunkSize::new(MIRROR_UNIT)?;
        let (units, rest) = chunk.split(member_size.0);
        // There is no chunk to round to, so the last unit can be cut short.
        let chunks = units.saturating_add(u64::from(rest > Sectors::ZERO));
        let zone = NonZeroU64::new(chunks)
            .ok_or(ConfigError::MemberTooSmall { size: member_size, min: Sectors(1) })?;
        Ok(Self {
            layout,
            members,
            copies: Copies::near(members),
            chunk,
            rings: Rings::One,
            pitch: Pitch::Zones(zone),
            chunks,
            size: member_size,
            member_size,
        })
    }

    fn dealt(shape: Shape, members: NonZeroU8, copies: Copies) -> Result<Self, ConfigError> {
        let Shape { layout, member_size, .. } = shape;
        let chunk = ChunkSize::new(shape.chunk)?;
        let (rows, _) = chunk.split(member_size.0);
        let zone = NonZeroU64::new(rows / NonZeroU64::from(copies.far)).ok_or_else(|| {
            let min = Sectors(chunk.start_of(u64::from(copies.far.get())));
            ConfigError::MemberTooSmall { size: member_size, min }
        })?;
        let places = zone.checked_mul(members.into()).ok_or(ConfigError::ArrayTooLarge)?;
        let chunks = places.get() / NonZeroU64::from(copies.near);
        let size = chunk.total(chunks).ok_or(ConfigError::ArrayTooLarge)?;
        let pitch = match copies.spread {
            Spread::Zones | Spread::ZonesInSets => Pitch::Zones(zone),
            Spread::Rows | Spread::RowsInSets => Pitch::Rows,
        };
        let rings = copies.rings(members);
        Ok(Self { layout, members, copies, chunk, rings, pitch, chunks, size, member_size })
    }

    pub(super) fn shape(&self) -> Shape {
        let Self { layout, member_size, .. } = *self;
        Shape { layout, members: self.members(), chunk: self.chunk(), member_size }
    }

    /// How many copies there are of each chunk; 1 at level 0.
    #[inline]
    #[must_use]
    pub fn copies(&self) -> u8 {
        self.copies.total.get()
    }

    /// How many places there are.
    #[inline]
    #[must_use]
    pub fn members(&self) -> u8 {
        self.members.get()
    }

    /// The run of sectors on one member before the next member's turn.
    #[inline]
    #[must_use]
    pub fn chunk(&self) -> Sectors {
        self.chunk.sectors()
    }

    /// How many chunks there are. At level 1 the last one can be shorter than the others.
    #[inline]
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// How much the array holds.
    #[inline]
    #[must_use]
    pub fn size(&self) -> Sectors {
        self.size
    }

    /// How much of each member's data area is used.
    #[inline]
    #[must_use]
    pub fn member_size(&self) -> Sectors {
        self.member_size
    }

    /// The chunk of an array address, or `None` beyond the end of the array.
    #[inline]
    #[must_use]
    pub fn map(&self, lba: Lba) -> Option<ChunkAddress> {
        if lba.0 >= self.size.0 {
            return None;
        }
        let (number, offset) = self.chunk.split(lba.0);
        Some(ChunkAddress { chunk: ChunkIndex(number), offset })
    }

    /// The array address of a place in a chunk, or `None` if the array has no such place.
    #[inline]
    #[must_use]
    pub fn unmap(&self, address: ChunkAddress) -> Option<Lba> {
        let ChunkAddress { chunk, offset } = address;
        if chunk.0 >= self.chunks || offset >= self.chunk() {
            return None;
        }
        let lba = self.chunk.start_of(chunk.0) | offset.0;
        (lba < self.size.0).then_some(Lba(lba))
    }

    /// The members that hold a copy of a chunk; none if there is no such chunk.
    #[inline]
    #[must_use]
    pub fn copy_places(&self, chunk: ChunkIndex) -> MemberSet {
        // Shifts by `near` put the copies side by side on the ring, whatever the spread.
        self.home(chunk)
            .map_or(MemberSet::NONE, |home| self.ring(home.member).span(home.member, self.copies()))
    }

    /// Where a member's copy of a chunk starts, or `None` if it has none.
    #[inline]
    #[must_use]
    pub fn member_sector(&self, chunk: ChunkIndex, member: MemberIndex) -> Option<MemberSector> {
        let home = self.home(chunk)?;
        let copy = self.ring(home.member).distance(home.member, member.0)?;
        if copy >= self.copies() {
            return None;
        }
        let far = copy / self.copies.near;
        let near = copy % self.copies.near;
        let wraps = u64::from(near >= self.members().saturating_sub(home.member));
        let line = home.line.checked_add(wraps)?;
        let row = match self.pitch {
            Pitch::Zones(zone) => zone.get().checked_mul(u64::from(far))?.checked_add(line)?,
            Pitch::Rows => {
                line.checked_mul(u64::from(self.copies.far.get()))?.checked_add(u64::from(far))?
            }
        };
        Some(MemberSector(self.chunk.start_of(row)))
    }

    /// What a sector of a member holds, or `None` if nothing of the array.
    #[inline]
    #[must_use]
    pub fn chunk_at(&self, member: MemberIndex, at: MemberSector) -> Option<ChunkAddress> {
        let MemberIndex(member) = member;
        if member >= self.members() {
            return None;
        }
        let (row, offset) = self.chunk.split(at.0);
        let (far, line) = match self.pitch {
            Pitch::Zones(zone) => (row / zone, row % zone),
            Pitch::Rows => {
                let rows = NonZeroU64::from(self.copies.far);
                (row % rows, row / rows)
            }
        };
        let far = u8::try_from(far).ok().filter(|far| *far < self.copies.far.get())?;
        let shift = far.checked_mul(self.copies.near.get())?;
        let home = self.ring(member).back(member, shift);
        let chunk = if self.copies.near == self.members {
            line
        } else {
            let place =
                line.checked_mul(u64::from(self.members()))?.checked_add(u64::from(home))?;
            place / NonZeroU64::from(self.copies.near)
        };
        let address = ChunkAddress { chunk: ChunkIndex(chunk), offset };
        self.unmap(address).map(|_| address)
    }

    #[inline]
    fn home(&self, chunk: ChunkIndex) -> Option<Home> {
        if chunk.0 >= self.chunks {
            return None;
        }
        if self.copies.near == self.members {
            return Some(Home { line: chunk.0, member: 0 });
        }
        let place = chunk.0.checked_mul(u64::from(self.copies.near.get()))?;
        let members = NonZeroU64::from(self.members);
        let [member, ..] = (place % members).to_le_bytes();
        Some(Home { line: place / members, member })
    }

    #[inline]
    fn ring(&self, member: u8) -> Ring {
        match self.rings {
            Rings::One => Ring { first: 0, width: self.members() },
            Rings::Sets { last, .. } if member >= last => {
                Ring { first: last, width: self.members().saturating_sub(last) }
            }
            Rings::Sets { width, .. } => {
                Ring { first: member.saturating_sub(member % width), width: width.get() }
            }
        }
    }
}

/// The copies of a layout, checked against the number of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Copies {
    near: NonZeroU8,
    far: NonZeroU8,
    total: NonZeroU8,
    spread: Spread,
}

impl Copies {
    fn near(near: NonZeroU8) -> Self {
        Self { near, far: NonZeroU8::MIN, total: near, spread: Spread::Zones }
    }

    fn new(layout: Raid10Layout, members: NonZeroU8) -> Result<Self, ConfigError> {
        let Raid10Layout { near, far, spread } = layout;
        let copies = u16::from(near).saturating_mul(u16::from(far));
        let too_few = ConfigError::TooFewCopies { copies };
        if copies < 2 {
            return Err(too_few);
        }
        let total = u8::try_from(copies)
            .ok()
            .filter(|copies| *copies <= members.get())
            .ok_or(ConfigError::TooManyCopies { copies, members: members.get() })?;
        let near = NonZeroU8::new(near).ok_or(too_few)?;
        let far = NonZeroU8::new(far).ok_or(too_few)?;
        let total = NonZeroU8::new(total).ok_or(too_few)?;
        let copies = Self { near, far, total, spread };
        copies.stay_apart(members)?;
        Ok(copies)
    }

    /// The rings of far copies. What is left over of one set alone makes that set the whole array.
    fn rings(self, members: NonZeroU8) -> Rings {
        let members = members.get();
        let sets = match self.spread {
            Spread::Zones | Spread::Rows => 1,
            Spread::ZonesInSets | Spread::RowsInSets if self.far == NonZeroU8::MIN => 1,
            Spread::ZonesInSets | Spread::RowsInSets => members / self.total,
        };
        if sets < 2 {
            return Rings::One;
        }
        let over = members % self.total;
        let last = members.saturating_sub(over).saturating_sub(self.total.get());
        Rings::Sets { width: self.total, last }
    }

    /// md moves a near copy that wraps around the members one row down, even into the row of the
    /// far copies, and a far copy into the last set if it overshoots the set before by more than
    /// one. Layouts in which that would put two chunks in one place are refused.
    fn stay_apart(self, members: NonZeroU8) -> Result<(), ConfigError> {
        if self.near == NonZeroU8::MIN || self.far == NonZeroU8::MIN {
            return Ok(());
        }
        let multiple = match (self.rings(members), self.spread) {
            (Rings::Sets { width, .. }, _) => width,
            (Rings::One, Spread::Rows | Spread::RowsInSets) => self.near,
            (Rings::One, Spread::Zones | Spread::ZonesInSets) => return Ok(()),
        };
        if members.get() % multiple == 0 {
            Ok(())
        } else {
            Err(ConfigError::CollidingCopies { members: members.get(), multiple: multiple.get() })
        }
    }
}
