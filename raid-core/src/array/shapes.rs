//! The two shapes of an array that is being reshaped, and which of them counts where.

use super::backup::{Backup, Motion, Store, Window};
use super::{Array, RowLog, Seat, Setup, SetupError};
use crate::geometry::Geometry;
use crate::limits::MEMBERS_MAX;
use crate::members::MemberSet;
use crate::metadata::{Consistency, Shaping};
use crate::rectangle::{InShape, Rectangle};
use crate::request::{Cursor, Request, cut};
use crate::reshape::{Change, Progress, Side};
use crate::units::{DeviceSector, Generation, Lba, MemberIndex, Sectors};

/// A reshape that an array is to be started with: one that is on record, or one to be begun.
#[derive(Clone, Copy, Debug)]
pub struct Reshape<'s> {
    /// From the shape of the setup to the new one.
    pub change: Change,
    /// The position on record; `None` where nothing is on record yet.
    pub position: Option<Lba>,
    /// Where the data areas start in the new shape, for each place that either shape has.
    pub data_offsets: &'s [DeviceSector],
    /// How much memory the host lends for what is being relocated, aligned as lanes are:
    /// [`Buffer::Window`](crate::host::Buffer::Window) names it. At least [`Change::unit`].
    pub window: Sectors,
    /// Where what would be overwritten is saved; `None` where nothing is to be.
    pub backup: Option<Backup>,
}

/// An array between two shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Two {
    pub(crate) progress: Progress,
    pub(crate) phase: Phase,
    pub(crate) window: Sectors,
    pub(crate) store: Option<Store>,
    pub(crate) motion: Motion,
    data_offsets: [DeviceSector; MEMBERS_MAX],
}

/// What is on record of a reshape, or on its way there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing: all is in the old shape.
    NotBegun,
    /// Its position.
    Begun,
    /// The position that it has come to since.
    Publishing,
    /// That it has come to its end: all is in the new shape.
    Ending,
}

/// Where a position of the array is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// In this shape, and so are so many sectors from there on.
    In(InShape, Sectors),
    /// It is being relocated.
    Held,
    /// In the old shape, where it is to stay as it is.
    ReadOnly(Sectors),
    /// In the backup.
    Kept(Sectors),
}

impl Two {
    pub(super) fn new(reshape: &Reshape<'_>, setup: &Setup<'_>) -> Result<Self, SetupError> {
        let Reshape { change, position, data_offsets: offsets, window, backup } = *reshape;
        let fits = *change.before() == setup.geometry
            && offsets.len() == usize::from(change.members_max())
            && window >= change.unit()
            && setup.log == RowLog::None;
        if !fits {
            let (places, window) = (change.members_max(), change.unit());
            return Err(SetupError::Reshape { places, window });
        }
        let (progress, phase) = match position {
            None => (Progress::begin(change), Phase::NotBegun),
            Some(at) => {
                let progress = Progress::at(change, at).map_err(SetupError::ReshapePosition)?;
                (progress, Phase::Begun)
            }
        };
        let mut data_offsets = [DeviceSector(0); MEMBERS_MAX];
        for (place, offset) in data_offsets.iter_mut().zip(offsets) {
            *place = *offset;
        }
        let (store, progress) = match backup {
            None => (None, progress),
            Some(backup) => {
                let (store, progress) = Store::new(&backup, progress, position);
                (Some(store), progress)
            }
        };
        Ok(Self { progress, phase, window, store, motion: Motion::AtRest, data_offsets })
    }

    fn data_offset(&self, member: MemberIndex) -> Option<DeviceSector> {
        self.data_offsets.get(member.index()).copied()
    }

    fn route(&self, at: Lba, sectors: Sectors) -> Route {
        let routed = self.progress.route(at, sectors);
        match routed.side {
            Side::Done => Route::In(InShape::New, routed.sectors),
            Side::ToDo => Route::In(InShape::Old, routed.sectors),
            Side::Window => Route::Held,
        }
    }

    /// How much of a range that begins in the window lies there.
    fn held_from(&self, at: Lba, sectors: Sectors) -> Sectors {
        self.progress.route(at, sectors).sectors
    }

    /// Whether either side of the position holds anything, or will once a record is written that is on
    /// its way.
    fn counts(&self) -> [Option<&Geometry>; 2] {
        let change = self.progress.change();
        let at = self.progress.safe().lba();
        let to = match self.phase {
            Phase::Publishing => self.progress.front().lba(),
            Phase::NotBegun | Phase::Begun | Phase::Ending => at,
        };
        let old = Some(change.before()).filter(|_| at != change.end());
        let new = Some(change.after()).filter(|_| to != change.start());
        [old, new]
    }
}

impl Array<'_> {
    /// The shape in which a rectangle lies.
    #[inline]
    pub(crate) const fn geometry_of(&self, shape: InShape) -> &Geometry {
        match (shape, &self.two) {
            (InShape::New, Some(two)) => two.progress.change().after(),
            // What was cut in the new shape lies in the only one when the old is gone.
            (InShape::New, None) | (InShape::Old, _) => &self.geometry,
        }
    }

    /// Where the data area of a member starts.
    #[inline]
    pub(super) fn data_start(
        &self,
        seat: &Seat,
        member: MemberIndex,
        shape: InShape,
    ) -> DeviceSector {
        match (shape, &self.two) {
            (InShape::New, Some(two)) => two.data_offset(member).unwrap_or(seat.data_offset),
            (InShape::New, None) | (InShape::Old, _) => seat.data_offset,
        }
    }

    /// Every place of either shape.
    #[inline]
    pub(crate) fn places(&self) -> MemberSet {
        match &self.two {
            None => self.geometry.all_members(),
            Some(two) => MemberSet::first(two.progress.change().members_max()),
        }
    }

    /// How much of the array is served.
    pub(crate) fn size(&self) -> Sectors {
        match &self.two {
            None => self.geometry.size(),
            Some(two) => two.progress.change().size_meanwhile(),
        }
    }

    /// Where a range of the array is to be found.
    pub(crate) fn route(&self, at: Lba, sectors: Sectors) -> Route {
        match &self.two {
            None => Route::In(InShape::Old, sectors),
            Some(two) => match (two.route(at, sectors), two.window_now(self.fate)) {
                // Nothing is moved any more, and nothing is written: what was to be moved is still
                // there.
                (Route::Held, Some(Window::InPlace)) => {
                    Route::In(InShape::Old, two.held_from(at, sectors))
                }
                (Route::Held, Some(Window::ReadOnly)) => {
                    Route::ReadOnly(two.held_from(at, sectors))
                }
                (Route::Held, Some(Window::Kept)) => Route::Kept(two.held_from(at, sectors)),
                (route, _) => route,
            },
        }
    }

    /// The next rectangle of a range that lies in one shape.
    pub(crate) fn cut(
        &self,
        shape: InShape,
        request: &Request,
        cursor: Cursor,
    ) -> Option<(Rectangle, Cursor)> {
        let longest = |rectangle: &Rectangle| self.longest(&rectangle.in_shape(shape));
        let (rectangle, cursor) = cut(self.geometry_of(shape), request, cursor, longest)?;
        Some((rectangle.in_shape(shape), cursor))
    }

    /// Whether every block survives the loss of these places, in whichever shape it is.
    pub(super) fn shapes_survive(&self, lost: MemberSet) -> Survival {
        let Some(two) = &self.two else { return survival(&self.geometry, lost) };
        let mut counts = two.counts().into_iter().flatten();
        match counts.any(|geometry| survival(geometry, lost) == Survival::NotAll) {
            true => Survival::NotAll,
            false => Survival::All,
        }
    }

    /// Whether both shapes could do with the members that are left, as far as the walk still needs them.
    pub(crate) fn both_shapes_survive(&self) -> Survival {
        let Some(two) = &self.two else { return survival(&self.geometry, self.absent) };
        let change = two.progress.change();
        let before = match two.progress.safe().lba() == change.end() {
            true => Survival::All,
            false => survival(change.before(), self.absent),
        };
        match before {
            Survival::All => survival(change.after(), self.absent),
            Survival::NotAll => Survival::NotAll,
        }
    }

    /// What a record says of the shape.
    pub(super) fn shaping_now(&self) -> Shaping {
        let Some(two) = &self.two else { return self.shaping };
        match two.phase {
            Phase::NotBegun => Shaping::Fixed,
            Phase::Begun => Shaping::Underway { position: two.progress.safe().lba() },
            Phase::Publishing => Shaping::Underway { position: two.progress.front().lba() },
            Phase::Ending => Shaping::Done,
        }
    }

    /// Whether a record vouches for what was moved since the last one.
    pub(super) const fn is_publishing(&self) -> bool {
        match &self.two {
            Some(Two { phase: Phase::Publishing | Phase::Ending, .. }) => true,
            Some(Two { phase: Phase::NotBegun | Phase::Begun, .. }) | None => false,
        }
    }

    /// The two shapes, while there are two.
    pub(crate) const fn two(&mut self) -> Option<&mut Two> {
        self.two.as_mut()
    }

    /// The two shapes, while there are two, to look at.
    pub(crate) const fn both(&self) -> Option<&Two> {
        self.two.as_ref()
    }

    /// All that the old shape held is in the new one. The generation that says so.
    pub(crate) fn end_reshape(&mut self) -> Generation {
        if let Some(two) = &mut self.two {
            two.phase = Phase::Ending;
            let change = two.progress.change();
            let walk = change.walk();
            if walk < change.after().size() {
                // Copies behind the end of the walk hold anything.
                self.vouched = Consistency::InSyncTo(match self.vouched {
                    Consistency::Clean => walk,
                    Consistency::InSyncTo(mark) => mark.min(walk),
                });
            }
        }
        self.writer.want()
    }

    /// That all is in the new shape is on record: the old one is gone.
    pub(crate) fn forget_old_shape(&mut self) {
        let Some(two) = self.two else { return };
        for (seat, offset) in self.seats.iter_mut().zip(two.data_offsets) {
            if let Some(seat) = seat {
                seat.data_offset = offset;
            }
        }
        let change = *two.progress.change();
        self.geometry = *change.after();
        self.two = None;
        self.shaping = Shaping::Done;
        let places = self.geometry.all_members();
        self.everyone = places;
        self.absent = self.absent.intersection(places);
        self.rebuilding = self.rebuilding.intersection(places);
    }
}

/// Whether all blocks are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survival {
    All,
    NotAll,
}

/// Whether every block of this shape survives the loss of these places.
fn survival(geometry: &Geometry, lost: MemberSet) -> Survival {
    let lost = lost.intersection(geometry.all_members());
    let survives = match geometry {
        Geometry::Parity(_) => lost.count() <= u32::from(geometry.redundancy()),
        Geometry::Copies(copies) => super::every_chunk_survives(copies, lost),
    };
    if survives { Survival::All } else { Survival::NotAll }
}
