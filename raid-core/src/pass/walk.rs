//! The walk: which piece comes next, and up to where all is done.

use super::{CHECKPOINT_PARTS, CHECKPOINT_SECTORS_MAX, Course, PassKind, PassReport};
use crate::array::Array;
use crate::geometry::{CopyGeometry, Geometry, ParityGeometry};
use crate::members::MemberSet;
use crate::plan::{Operation, Sync};
use crate::rectangle::{InShape, Rectangle, Span};
use crate::units::{DataIndex, Lba, MemberIndex, MemberSector, Sectors, StripeRow};

/// How far a pass has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Walk {
    pub(crate) course: Course,
    pub(crate) report: PassReport,
    front: Front,
    /// Where a piece failed: nothing from here on counts as done.
    failed_at: Option<Sectors>,
    /// The position that was put on record last.
    recorded: Sectors,
}

/// Where the next piece begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Front {
    /// Pieces before this position have been begun.
    At(Sectors),
    /// A piece of this length at this position has been begun on the members before this one.
    Among { at: Sectors, sectors: Sectors, member: MemberIndex },
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    Piece(Piece),
    /// No member holds anything here.
    Nothing,
}

/// A rectangle of a pass, and the position that it is done for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) at: Sectors,
    pub(crate) rectangle: Rectangle,
}

impl Walk {
    pub(crate) fn new(course: Course, start: Sectors, end: Sectors) -> Self {
        // A mark counts sectors of members, and can lie behind the last row.
        let start = start.min(end);
        let report = PassReport {
            kind: course.kind,
            position: start,
            end,
            mismatched: Sectors::ZERO,
            mended: Sectors::ZERO,
            ambiguous: Sectors::ZERO,
            unread: Sectors::ZERO,
            lost: Sectors::ZERO,
            unwritten: Sectors::ZERO,
        };
        Self { course, report, front: Front::At(start), failed_at: None, recorded: start }
    }

    /// What is done with each piece first.
    pub(crate) const fn operation(&self) -> Operation {
        match self.course.kind {
            PassKind::Resync | PassKind::Repair | PassKind::Locate => {
                Operation::Sync(Sync::Compare)
            }
            PassKind::Recovery => Operation::Sync(Sync::Rebuild),
            PassKind::Replacement => match self.course.replacing {
                Some(member) => Operation::Sync(Sync::Copy(member)),
                // There is no such course.
                None => Operation::Check,
            },
            PassKind::Check => Operation::Check,
        }
    }

    /// What comes next, and the walk behind it; `None` at the end.
    pub(crate) fn next(&self, array: &Array<'_>) -> Option<(Next, Self)> {
        let at = self.front.at();
        if at >= self.report.end {
            return None;
        }
        if let Front::At(_) = self.front {
            let work = array.next_work(&self.course, at).min(self.report.end);
            if work > at {
                return Some((Next::Nothing, Self { front: Front::At(work), ..*self }));
            }
        }
        let rectangle = match (array.geometry(), self.course.kind) {
            (Geometry::Parity(geometry), _) => row_piece(geometry, at, array)?,
            (Geometry::Copies(geometry), PassKind::Recovery | PassKind::Replacement) => {
                let (next, front) = self.member_piece(geometry, array)?;
                return Some((next, Self { front, ..*self }));
            }
            (
                Geometry::Copies(geometry),
                PassKind::Resync | PassKind::Check | PassKind::Repair | PassKind::Locate,
            ) => chunk_piece(geometry, geometry.map(Lba(at.0))?, array)?,
        };
        let front = Front::At(at.checked_add(rectangle.sectors)?);
        Some((Next::Piece(Piece { at, rectangle }), Self { front, ..*self }))
    }

    /// The next piece of a chunk that a member under recovery holds.
    fn member_piece(&self, geometry: &CopyGeometry, array: &Array<'_>) -> Option<(Next, Front)> {
        let at = self.front.at();
        let members = self.course.rebuilding.intersection(array.rebuilding());
        let replaced: MemberSet = self.course.replacing.into_iter().collect();
        let members = members.union(replaced).into_iter();
        let mut pieces = members.filter_map(|member| {
            let address = geometry.chunk_at(member, MemberSector(at.0))?;
            Some((member, chunk_piece(geometry, address, array)?))
        });
        let (from, sectors) = match self.front {
            // One length for all members, so that none has a gap behind it.
            Front::At(_) => {
                let into = Sectors(at.0.checked_rem(geometry.chunk().0)?);
                let rest = geometry.chunk().checked_sub(into)?;
                let lengths = pieces.clone().map(|(_, rectangle)| rectangle.sectors);
                (MemberIndex(0), lengths.fold(rest, Sectors::min))
            }
            Front::Among { member, sectors, .. } => (member, sectors),
        };
        let wanted = |(member, rectangle): &(MemberIndex, Rectangle)| {
            let lacks = replaced.contains(*member) || array.is_stale(rectangle, *member);
            *member >= from && lacks
        };
        Some(match pieces.find(wanted) {
            None => (Next::Nothing, Front::At(at.checked_add(sectors)?)),
            Some((member, rectangle)) => {
                let rectangle = Rectangle { sectors, ..rectangle };
                let member = MemberIndex(member.0.checked_add(1)?);
                (Next::Piece(Piece { at, rectangle }), Front::Among { at, sectors, member })
            }
        })
    }

    /// Nothing from here on is done: a piece failed.
    pub(crate) fn fail_at(&mut self, at: Sectors) {
        self.failed_at = Some(self.failed_at.map_or(at, |other| other.min(at)));
    }

    /// Takes note of up to where all is done, `oldest` being the first piece alive. The position.
    pub(crate) fn advance(&mut self, oldest: Option<Sectors>) -> Sectors {
        let done =
            [oldest, self.failed_at].into_iter().flatten().fold(self.front.at(), Sectors::min);
        self.report.position = done.min(self.report.end).max(self.report.position);
        self.report.position
    }

    /// The position, if it is far enough from the last one recorded to be worth a record.
    pub(crate) fn checkpoint(&mut self) -> Option<Sectors> {
        let part = Sectors(self.report.end.0 / CHECKPOINT_PARTS).min(CHECKPOINT_SECTORS_MAX);
        let due = self.recorded.checked_add(part)?;
        if self.report.position < due {
            return None;
        }
        self.recorded = self.report.position;
        Some(self.recorded)
    }
}

impl Front {
    const fn at(self) -> Sectors {
        match self {
            Self::At(at) | Self::Among { at, .. } => at,
        }
    }
}

/// All blocks of a row, from this sector of the members on.
fn row_piece(geometry: &ParityGeometry, at: Sectors, array: &Array<'_>) -> Option<Rectangle> {
    let row = StripeRow(at.0.checked_div(geometry.chunk().0)?);
    let offset = Sectors(at.0.checked_rem(geometry.chunk().0)?);
    if row.0 >= geometry.rows() {
        return None;
    }
    let span = Span::Row {
        row,
        roles: geometry.row(row),
        first: DataIndex(0),
        count: geometry.data_members(),
        stride: geometry.chunk(),
        shape: InShape::Old,
    };
    let sectors = geometry.chunk().checked_sub(offset)?;
    let whole = Rectangle { span, offset, sectors, caller: Sectors::ZERO };
    Some(Rectangle { sectors: sectors.min(array.longest(&whole)), ..whole })
}

/// A chunk and its copies, from this address on.
fn chunk_piece(
    geometry: &CopyGeometry,
    address: crate::geometry::ChunkAddress,
    array: &Array<'_>,
) -> Option<Rectangle> {
    let copies = geometry.copy_places(address.chunk);
    let span = Span::Chunk { chunk: address.chunk, copies, shape: InShape::Old };
    let start = geometry.unmap(address)?;
    let left = geometry.size().checked_sub(Sectors(start.0))?;
    let sectors = geometry.chunk().checked_sub(address.offset)?.min(left);
    let whole = Rectangle { span, offset: address.offset, sectors, caller: Sectors::ZERO };
    Some(Rectangle { sectors: sectors.min(array.longest(&whole)), ..whole })
}
