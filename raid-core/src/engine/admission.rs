//! Admission: what is taken in, and how requests become operations, in order of arrival.

use super::Engine;
use super::requests::{Compared, Part, Progress};
use super::slots::Occupant;
use crate::array::{Access, Array, Fate, Gate, Motion, Route};
use crate::host::{Failure, Host, RequestId, SlotIndex};
use crate::io_limits::Fit;
use crate::limits::REQUEST_SECTORS_MAX;
use crate::log::Emptied;
use crate::members::MemberSet;
use crate::plan::{Operation, Source, Transfer};
use crate::rectangle::{InShape, Rectangle, Span};
use crate::request::{Cursor, Request, RequestKind, Stability, cut};
use crate::stripe::{Awaits, Ending, Flush, Origin, Planned, Record, Stripe, Work};
use crate::units::{Lba, MemberIndex, Sectors};

use super::overlap::{Claim, Turn};
use super::quiesce::Running;

/// Why a request is not taken in. Nothing has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Every request slot is in use. Try again when one is free.
    Busy(Frees),
    /// The range is empty or does not lie in the array. The requester's to mend.
    Range {
        /// The size of the array.
        size: Sectors,
    },
    /// The request is too long. The requester's to mend.
    TooLong {
        /// The longest that is taken.
        max: Sectors,
    },
    /// Address or length is no multiple of the members' logical block. The requester's to mend.
    Alignment {
        /// What both must be a multiple of.
        needed: Sectors,
    },
    /// The array was set up to be read only.
    ReadOnly,
    /// The array has failed and takes no writes.
    ArrayFailed,
    /// The array has no such place.
    NoSuchMember {
        /// The place.
        member: MemberIndex,
    },
    /// Too many members are lost to do without this one as well.
    Indispensable {
        /// The member.
        member: MemberIndex,
    },
    /// Parity would have to stand in for this member and is not known to agree with the data
    /// everywhere.
    ParityUnsure {
        /// The member.
        member: MemberIndex,
    },
    /// The engine is brought to rest. Try again after [`Engine::resume`].
    Quiesced,
    /// The array is between two shapes: nothing is compared before it has one.
    Reshaping,
}

/// What frees a request slot next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frees {
    /// The answer to a request, unless it comes with [`Loan::Held`](crate::host::Loan::Held).
    Answer,
    /// [`Host::memory_returned`]: every request is answered, and abandoned commands hold its memory.
    MemoryReturned,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Busy(Frees::Answer) => {
                f.write_str("all requests are in use; try again after the next answer")
            }
            Self::Busy(Frees::MemoryReturned) => f.write_str(
                "abandoned commands hold the memory of all requests; try again when some is returned",
            ),
            Self::Range { size } => {
                write!(f, "the range is empty or leaves the array, which has {} sectors", size.0)
            }
            Self::TooLong { max } => write!(f, "the request is longer than {} sectors", max.0),
            Self::Alignment { needed } => {
                write!(f, "address and length must be multiples of {} sectors", needed.0)
            }
            Self::ReadOnly => f.write_str("the array is read only"),
            Self::ArrayFailed => f.write_str("the array has failed and takes no writes"),
            Self::NoSuchMember { member } => write!(f, "the array has no member {}", member.0),
            Self::Indispensable { member } => {
                write!(f, "blocks of the array would be lost with member {}", member.0)
            }
            Self::ParityUnsure { member } => write!(
                f,
                "parity is not known to agree with the data, so it cannot stand in for member {}",
                member.0
            ),
            Self::Quiesced => f.write_str("the array is stopped or being stopped"),
            Self::Reshaping => f.write_str("the array is between two shapes"),
        }
    }
}

impl core::error::Error for Refusal {}

/// Whether a step of admission did something.
pub(super) enum Admitted {
    Something,
    Nothing,
}

/// What the request at the head of the queue can do now.
enum Turnout {
    /// This operation begins, and the request is cut up to here.
    Begins(Operation, Rectangle, Cursor, Part),
    /// The request is cut to its end.
    CutUp,
    /// Flush every member.
    Flushes,
    /// All operations have ended: the clean mark can be written, or is.
    Settles,
    /// All operations have ended, and the journal is to be emptied.
    Empties,
    /// It has to wait for operations alive, or for the journal.
    Waits,
    /// What is left of it cannot be served.
    Fails(Failure),
}

impl Engine<'_> {
    /// Takes a request in. Calls nothing back: it is begun in `poll`.
    ///
    /// # Errors
    /// Why it is not taken in; nothing has happened.
    pub fn start(&mut self, request: Request) -> Result<RequestId, Refusal> {
        match self.running {
            Running::Serving => {}
            Running::Quiescing | Running::Quiesced => return Err(Refusal::Quiesced),
        }
        let writes = match request.kind {
            RequestKind::Read | RequestKind::Check => Access::ReadOnly,
            RequestKind::Write(_) | RequestKind::WriteZeroes(_) | RequestKind::MarkClean => {
                Access::ReadWrite
            }
            // Nothing was written to a read-only array, so all of it is durable.
            RequestKind::Flush => self.array.access(),
        };
        match (writes, self.array.access(), self.array.fate()) {
            (Access::ReadWrite, Access::ReadOnly, _) => return Err(Refusal::ReadOnly),
            (Access::ReadWrite, Access::ReadWrite, Fate::Failed) => {
                return Err(Refusal::ArrayFailed);
            }
            (Access::ReadOnly, ..) | (Access::ReadWrite, Access::ReadWrite, Fate::Serving) => {}
        }
        let compared = match request.kind {
            RequestKind::Check => Compared::Mismatches(Sectors::ZERO),
            RequestKind::Read
            | RequestKind::Write(_)
            | RequestKind::WriteZeroes(_)
            | RequestKind::Flush
            | RequestKind::MarkClean => Compared::No,
        };
        match request.kind {
            RequestKind::Flush | RequestKind::MarkClean => {}
            RequestKind::Read
            | RequestKind::Check
            | RequestKind::Write(_)
            | RequestKind::WriteZeroes(_) => self.range_is_served(request.at, request.sectors)?,
        }
        if let (RequestKind::Check, Some(_)) = (request.kind, self.array.both()) {
            return Err(Refusal::Reshaping);
        }
        let request = request.widened(self.array.geometry());
        self.requests.push(Progress::new(request, compared)).map_err(Refusal::Busy)
    }

    /// Takes a member out of use for good, as if it had failed. Calls nothing back: the record of it
    /// is written in `poll`, and the answer to a flush begun from now on waits for it. A member that
    /// is lost already is recorded all the same. The replacement of one is named by
    /// [`Replacement::by`](super::Replacement).
    ///
    /// # Errors
    /// Why the array cannot do without it; nothing has happened.
    pub fn fail_member(&mut self, member: MemberIndex) -> Result<(), Refusal> {
        let replacement = self.array.replacement().map(|replacement| replacement.by);
        if !self.array.places().contains(member) && replacement != Some(member) {
            return Err(Refusal::NoSuchMember { member });
        }
        match (self.array.access(), self.array.fate()) {
            (Access::ReadOnly, _) => return Err(Refusal::ReadOnly),
            (Access::ReadWrite, Fate::Failed) => return Err(Refusal::ArrayFailed),
            (Access::ReadWrite, Fate::Serving) => {}
        }
        if !self.array.survives_without(MemberSet::only(member)) {
            return Err(Refusal::Indispensable { member });
        }
        if self.array.distrusts_parity() {
            return Err(Refusal::ParityUnsure { member });
        }
        self.array.dismiss(member);
        Ok(())
    }

    #[inline]
    fn range_is_served(&self, at: Lba, sectors: Sectors) -> Result<(), Refusal> {
        let size = self.array.size();
        match at.0.checked_add(sectors.0) {
            Some(end) if end <= size.0 && sectors > Sectors::ZERO => {}
            Some(_) | None => return Err(Refusal::Range { size }),
        }
        if sectors > REQUEST_SECTORS_MAX {
            return Err(Refusal::TooLong { max: REQUEST_SECTORS_MAX });
        }
        let needed = self.array.limits().logical_block();
        if (at.0 | sectors.0).checked_rem(needed.0) != Some(0) {
            return Err(Refusal::Alignment { needed });
        }
        Ok(())
    }

    /// Begins one operation of the request that came first, if there is a slot for it.
    pub(super) fn admit(&mut self, host: &mut impl Host) -> Admitted {
        match self.running {
            Running::Serving => {}
            Running::Quiescing | Running::Quiesced => return self.hand_back(host),
        }
        if self.slots.is_full() {
            return Admitted::Nothing;
        }
        let Some((id, turnout)) = self.turnout() else { return Admitted::Nothing };
        match turnout {
            Turnout::Waits => return Admitted::Nothing,
            Turnout::Empties => return Admitted::Something,
            Turnout::CutUp => self.cut_up(id),
            Turnout::Fails(failure) => {
                if let Some(progress) = self.requests.get(id) {
                    progress.fail(failure);
                }
                self.cut_up(id);
            }
            Turnout::Begins(operation, rectangle, cursor, part) => {
                let work = Work::new(Origin::Request(id), operation, rectangle);
                let claim = self.overlaps.claim(&self.slots, &work);
                self.begin(id, Planned::enter(work, MemberSet::NONE), claim);
                match cursor {
                    Cursor::End => self.cut_up(id),
                    Cursor::Start | Cursor::Row(..) | Cursor::Linear(_) => {
                        if let Some(progress) = self.requests.get(id) {
                            progress.cursor = cursor;
                            progress.part = part;
                        }
                    }
                }
            }
            Turnout::Flushes => {
                let claim = self.overlaps.none();
                self.begin(id, Flush::enter(Ending::Barrier(id, Ok(())), &self.array), claim);
                self.cut_up(id);
            }
            Turnout::Settles => {
                match self.array.mark_clean() {
                    // It stays at the head: a write behind it would take the mark back before it is
                    // on record.
                    Some(until) => {
                        let claim = self.overlaps.none();
                        self.begin(id, Record::of(Ending::Barrier(id, Ok(())), until), claim);
                    }
                    None => self.cut_up(id),
                }
            }
        }
        self.answer_if_finished(id, host);
        Admitted::Something
    }

    fn turnout(&mut self) -> Option<(RequestId, Turnout)> {
        let idle = self.slots.used == 0;
        let (id, progress) = self.requests.head()?;
        let request = progress.request;
        let turnout = match request.kind {
            RequestKind::Flush => match (self.array.access(), self.array.gate()) {
                (Access::ReadOnly, _) => Turnout::CutUp,
                (Access::ReadWrite, Gate::Open) => Turnout::Flushes,
                // One after the other, flushes would keep a replacement from taking over.
                (Access::ReadWrite, Gate::Shut) => Turnout::Waits,
            },
            RequestKind::MarkClean if progress.failure.is_some() => Turnout::CutUp,
            RequestKind::MarkClean if idle => match self.array.is_backed() {
                None => match self.array.log.ask_to_empty() {
                    Emptied::Already => Turnout::Settles,
                    Emptied::Asked => Turnout::Empties,
                    Emptied::Waits => Turnout::Waits,
                },
                Some(Motion::AtWork) => Turnout::Waits,
                Some(Motion::AtRest) => Turnout::Fails(self.array.needs_backup()),
            },
            RequestKind::MarkClean => Turnout::Waits,
            RequestKind::Read
            | RequestKind::Check
            | RequestKind::Write(_)
            | RequestKind::WriteZeroes(_) => {
                let (part, cursor) = (progress.part, progress.cursor);
                match cut_part(&self.array, &request, part, cursor) {
                    NextCut::End => Turnout::CutUp,
                    NextCut::Held => Turnout::Waits,
                    NextCut::Kept(at, sectors) => {
                        Turnout::Fails(Failure::NeedsBackup { at, sectors })
                    }
                    NextCut::Piece(rectangle, cursor, part) => {
                        let operation = self.operation(&request, &rectangle);
                        Turnout::Begins(operation, rectangle, cursor, part)
                    }
                }
            }
        };
        Some((id, turnout))
    }

    /// What is done with a piece of a request: straight from and to its memory where every device
    /// takes that.
    #[inline]
    fn operation(&self, request: &Request, rectangle: &Rectangle) -> Operation {
        let stride = match rectangle.span {
            Span::Row { stride, .. } => stride,
            Span::Chunk { .. } => Sectors::ZERO,
        };
        let offsets = Sectors(rectangle.caller.0 | stride.0);
        let fit = match request.stability {
            Stability::Volatile => Fit::ThroughLane,
            Stability::Stable => self.array.limits().takes(request.memory, offsets),
        };
        match (request.kind, fit) {
            (RequestKind::Read, Fit::Direct) => Operation::Read(Transfer::Direct),
            (RequestKind::Read, Fit::ThroughLane) => Operation::Read(Transfer::Staged),
            (RequestKind::Write(durability), Fit::Direct) => {
                Operation::Write(Source::Direct, durability)
            }
            (RequestKind::Write(durability), Fit::ThroughLane) => {
                Operation::Write(Source::Staged, durability)
            }
            (RequestKind::WriteZeroes(durability), _) => {
                Operation::Write(Source::Zeroes, durability)
            }
            (RequestKind::Check | RequestKind::Flush | RequestKind::MarkClean, _) => {
                Operation::Check
            }
        }
    }

    #[inline]
    fn begin(&mut self, id: RequestId, stripe: Stripe, claim: Claim) {
        let Some(index) = self.slots.take_free() else { return };
        if let Some(progress) = self.requests.get(id) {
            progress.pieces = progress.pieces.saturating_add(1);
        }
        self.occupy(index, stripe, claim);
    }

    /// Puts an operation into a slot that was free.
    #[inline]
    pub(super) fn occupy(&mut self, index: SlotIndex, stripe: Stripe, claim: Claim) {
        let Some(slot) = self.slots.get(index) else { return };
        slot.occupant = Occupant::Operation { stripe, claim };
        slot.epoch = slot.epoch.wrapping_add(1);
        match (claim.turn(), stripe.awaits()) {
            (Turn::Later, _) => {}
            (Turn::Now, awaits @ (Awaits::Generation(_) | Awaits::Log(_) | Awaits::Bits)) => {
                self.rest(index, awaits);
            }
            (Turn::Now, Awaits::Completions) => self.slots.make_ready(index),
        }
    }

    #[inline]
    pub(super) fn cut_up(&mut self, id: RequestId) {
        if let Some(progress) = self.requests.get(id) {
            progress.cursor = Cursor::End;
        }
        self.requests.pop_head();
    }
}

/// What comes next of a request.
enum NextCut {
    /// This rectangle; the cursor behind it, and the part that the cursor is in.
    Piece(Rectangle, Cursor, Part),
    /// It lies where a reshape is at work.
    Held,
    /// It lies where a reshape rests, and only a backup says what is there.
    Kept(Lba, Sectors),
    End,
}

#[inline]
fn cut_part(array: &Array<'_>, request: &Request, part: Part, cursor: Cursor) -> NextCut {
    match array.both() {
        None if part.sectors == request.sectors => {
            let longest = |rectangle: &Rectangle| array.longest(rectangle);
            match cut(array.geometry(), request, cursor, longest) {
                Some((rectangle, cursor)) => NextCut::Piece(rectangle, cursor, part),
                None => NextCut::End,
            }
        }
        None | Some(_) => cut_routed(array, request, part, cursor),
    }
}

/// The same for an array that is being reshaped: the request is cut where the shapes meet first.
fn cut_routed(array: &Array<'_>, request: &Request, part: Part, cursor: Cursor) -> NextCut {
    let rest = request.sectors.saturating_sub(part.from);
    let Some(at) = request.at.checked_add(part.from) else { return NextCut::End };
    let part = match cursor {
        Cursor::Start if rest == Sectors::ZERO => return NextCut::End,
        Cursor::Start => match array.route(at, rest) {
            Route::Held => return NextCut::Held,
            Route::Kept(sectors) => return NextCut::Kept(at, sectors),
            Route::ReadOnly(sectors) => match request.kind {
                RequestKind::Read => Part { from: part.from, sectors, shape: InShape::Old },
                RequestKind::Check
                | RequestKind::Write(_)
                | RequestKind::WriteZeroes(_)
                | RequestKind::Flush
                | RequestKind::MarkClean => return NextCut::Kept(at, sectors),
            },
            Route::In(shape, sectors) => Part { from: part.from, sectors, shape },
        },
        Cursor::Row(..) | Cursor::Linear(_) => part,
        Cursor::End => return NextCut::End,
    };
    let piece = Request { at, sectors: part.sectors, ..*request };
    let cut = array.cut(part.shape, &piece, cursor);
    let cut = cut.and_then(|(it, cursor)| Some((it.behind_memory(part.from)?, cursor)));
    match cut {
        None => NextCut::End,
        Some((rectangle, Cursor::End)) if part.sectors < rest => {
            let from = Sectors(part.from.0.saturating_add(part.sectors.0));
            let sectors = request.sectors.saturating_sub(from);
            let part = Part { from, sectors, shape: InShape::Old };
            NextCut::Piece(rectangle, Cursor::Start, part)
        }
        Some((rectangle, cursor)) => NextCut::Piece(rectangle, cursor, part),
    }
}
