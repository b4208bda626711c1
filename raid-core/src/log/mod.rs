//! The logs of partial parity: one machine for each member, which holds the parity of its rows.
//!
//! ```text
//!             an operation waits     its entries are written      durable
//!  Closed -> Seal -> Flush -> Free ----> Open -----------> Seal -> Flush ----> Full --+
//!            an empty log      ^                                                      |
//!                              +------------- flush of all members, record -----------+
//! ```
//!
//! Operations that wait for a log while one batch is under way make up the next, in order of
//! arrival. A batch is written once: its entries by the operations themselves, then the header, then
//! a flush. From there on its operations write to the members. When all of them have, and an
//! operation waits for the log again, all members are flushed and what was lost is put on record:
//! then nobody needs what the log says, and the next batch may take its place.
//!
//! A log vouches for the parity of all rows that it does not name. So it is not used before parity
//! is known to agree everywhere and no write is under way that was begun without it; and every
//! member's log is opened, with an empty one, before the first write of all: one that survives a
//! crash can tell that the logs were in use.

mod book;
mod journal;
mod settling;

use book::{Book, BookStep, Page};
use journal::{Journal, JournalStep};

use crate::host::{Busy, Completion, Fault, Misuse, SlotIndex};
use crate::limits::MEMBERS_MAX;
use crate::members::MemberSet;
use crate::metadata::Consistency;
use crate::plan::Logging;
use crate::units::{FAULT_UNIT, MemberIndex, Sectors};

pub(crate) use book::LogTask;
pub use journal::Half;
pub(crate) use journal::{Emptied, Joined, JournalTask, Ticket};
pub(crate) use settling::{SettleStep, Settling};

/// The logs of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Logs {
    /// The longest rectangle that can be logged; `None` where the array has no log.
    longest: Option<Sectors>,
    journal: Option<Journal>,
    standing: Standing,
    books: [Book; MEMBERS_MAX],
    pub(crate) settling: Settling,
    /// Writes under way that were planned while the log was not to be used.
    early: u16,
    /// Books that are to be opened.
    opens: MemberSet,
    /// Books that have something to do.
    ready: MemberSet,
    /// Books for which the host was busy.
    refused: MemberSet,
    /// Books whose waiting operations are to be looked at.
    calls: MemberSet,
}

/// Whether the logs are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Standing {
    /// Parity is not known to agree with the data everywhere.
    Off,
    /// It is, and nobody has asked for a log.
    Rest,
    /// Each member's log is being opened.
    Opening,
    /// The host has no log for a member to open. Who waits for one gives up.
    Refused(Fault),
    On,
}

/// What an operation has in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    Nothing,
    /// It was planned without, because the log was not to be used yet.
    Early,
    /// It waits for this member's.
    Queued(MemberIndex),
    /// It writes its entry.
    Writing(MemberIndex),
    /// Its entry is written; its writes are not over.
    Entered(MemberIndex),
    /// Its row is being written to the journal,
    Recording(Half),
    /// or is there; its writes to the members are not over.
    Recorded(Half),
    /// Nothing, for it has ended without having done what it was to do.
    GivenUp,
}

/// Which log an array has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogKind {
    None,
    /// So much partial parity fits into a batch.
    PartialParity {
        room: Sectors,
    },
    /// A journal of so many blocks, for so many members.
    Journal {
        blocks: u64,
        members: u8,
    },
}

/// Whether an operation may write its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Into this batch.
    Now(u32),
    Later,
    /// There are no logs, says the host.
    Never(Fault),
}

/// What became of the batch of an operation whose entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealed {
    Durable,
    NotYet,
    /// The host did not take it.
    Never(Fault),
}

/// What a step of a log led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogStep {
    Nothing,
    Moved,
    /// This is to be issued, with this epoch.
    Offer(MemberIndex, u32, LogTask),
    OfferJournal(MemberIndex, u32, JournalTask),
    /// This member failed.
    Lost(MemberIndex, Fault),
}

impl Logs {
    pub(crate) fn new(kind: LogKind) -> Self {
        let (longest, journal) = match kind {
            LogKind::None => (None, None),
            LogKind::PartialParity { room } => (Some(room), None),
            LogKind::Journal { blocks, members } => {
                let journal = Journal::new(MemberIndex(members), blocks);
                (Some(longest_row(journal.most_blocks(), members)), Some(journal))
            }
        };
        Self {
            longest,
            journal,
            standing: Standing::Off,
            books: [Book::CLOSED; MEMBERS_MAX],
            settling: Settling::IDLE,
            early: 0,
            opens: MemberSet::NONE,
            ready: MemberSet::NONE,
            refused: MemberSet::NONE,
            calls: MemberSet::NONE,
        }
    }

    /// The longest rectangle that can be logged; `None` where the array has no log.
    pub(crate) const fn longest(&self) -> Option<Sectors> {
        self.longest
    }

    /// Room for the partial parity of a batch, in an array with logs of that.
    #[inline]
    pub(crate) const fn room(&self) -> Option<Sectors> {
        match self.journal {
            None => self.longest,
            Some(_) => None,
        }
    }

    /// How a write that is planned now goes about the log.
    #[inline]
    pub(crate) const fn logging(&self, vouched: Consistency) -> Logging {
        match (self.longest, &self.journal, vouched) {
            (None, ..) => Logging::No,
            (Some(_), Some(_), _) => Logging::Journal,
            (Some(_), None, Consistency::Clean) => Logging::PartialParity,
            (Some(_), None, Consistency::InSyncTo(_)) => Logging::NotYet,
        }
    }

    /// Where the journal sits: the place behind those of the members. `None` where the array has
    /// none.
    pub(crate) fn journal_place(&self) -> Option<MemberIndex> {
        self.journal.as_ref().map(|journal| journal.place)
    }

    /// Whether there is a journal that serves.
    pub(crate) fn has_journal(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| !journal.is_lost())
    }

    fn journal_at(&mut self, place: MemberIndex) -> Option<&mut Journal> {
        self.journal.as_mut().filter(|journal| journal.place == place)
    }

    /// The journal's device is lost.
    pub(crate) fn lose_journal(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.lose();
            self.calls.insert(journal.place);
        }
    }

    /// Whether an operation that waits for the journal may have a row of so many blocks logged,
    /// each so long.
    pub(crate) fn join_journal(&mut self, slot: SlotIndex, blocks: u32, each: Sectors) -> Joined {
        let Some(journal) = &mut self.journal else { return Joined::Later };
        self.ready.insert(journal.place);
        journal.join(slot, row_blocks(blocks, each))
    }

    /// Whether this batch of the journal is durable.
    pub(crate) fn is_recorded(&self, batch: u32) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.is_durable(batch))
    }

    /// Asks for the journal to be emptied, if there is one.
    pub(crate) fn ask_to_empty(&mut self) -> Emptied {
        let Some(journal) = &mut self.journal else { return Emptied::Already };
        let place = journal.place;
        let emptied = journal.ask_to_empty();
        self.ready.insert(place);
        emptied
    }

    fn book(&mut self, member: MemberIndex) -> Option<&mut Book> {
        self.books.get_mut(member.index())
    }

    /// What an operation has in a log has changed: the only place where that is counted.
    #[inline]
    pub(crate) fn shift(&mut self, before: Share, after: Share, slot: SlotIndex) {
        if before == after || self.longest.is_none() {
            return;
        }
        if let Some(journal) = &mut self.journal {
            journal.shift(before, after, slot);
            self.ready.insert(journal.place);
            return;
        }
        match before {
            Share::Nothing | Share::GivenUp | Share::Recording(_) | Share::Recorded(_) => {}
            Share::Early => self.early = self.early.saturating_sub(1),
            Share::Queued(member) | Share::Writing(member) | Share::Entered(member) => {
                if let Some(book) = self.book(member) {
                    book.leave(before, slot);
                }
                self.ready.insert(member);
            }
        }
        match after {
            Share::Nothing | Share::GivenUp | Share::Recording(_) | Share::Recorded(_) => {}
            Share::Early => self.early = self.early.saturating_add(1),
            Share::Queued(member) | Share::Writing(member) | Share::Entered(member) => {
                if let Some(book) = self.book(member) {
                    book.enter(after);
                }
                self.ready.insert(member);
            }
        }
    }

    /// Whether an operation that waits for a member's log may write its entry, of so much partial
    /// parity.
    pub(crate) fn join(&mut self, holder: MemberIndex, slot: SlotIndex, partial: Sectors) -> Turn {
        if let Standing::Refused(fault) = self.standing {
            return Turn::Never(fault);
        }
        let room = self.longest.unwrap_or_default();
        let turn = self.book(holder).map_or(Turn::Later, |book| book.join(slot, partial, room));
        self.ready.insert(holder);
        turn
    }

    /// What became of the batch of an operation whose entry is written.
    pub(crate) fn sealed(&self, holder: MemberIndex) -> Sealed {
        match self.books.get(holder.index()).map(|book| book.page) {
            Some(Page::Full) => Sealed::Durable,
            Some(Page::Void(fault)) => Sealed::Never(fault),
            Some(
                Page::Closed
                | Page::Gone
                | Page::Free
                | Page::Open
                | Page::Shut
                | Page::Seal(_)
                | Page::Flush(_),
            )
            | None => Sealed::NotYet,
        }
    }

    /// Whether nobody gets a log that waits for one.
    pub(crate) const fn are_refused(&self) -> bool {
        matches!(self.standing, Standing::Refused(_))
    }

    /// A member was lost: nobody waits for its log any more, once what is in flight has come back.
    pub(crate) fn lose(&mut self, member: MemberIndex) {
        self.ready.insert(member);
    }

    /// A device has come in at a place.
    pub(crate) fn take_in(&mut self, member: MemberIndex) {
        if let Some(book) = self.book(member) {
            *book = book.renewed();
        }
        self.settling.take_in(member);
        self.opens.insert(member);
    }

    /// Offers again what the host was busy for.
    #[inline]
    pub(crate) fn offer_refused_again(&mut self) {
        self.ready = self.ready.union(self.refused);
        self.refused = MemberSet::NONE;
        self.settling.offer_refused_again();
    }

    /// A book whose operations are to be looked at.
    pub(crate) fn next_call(&mut self) -> Option<MemberIndex> {
        let member = self.calls.lowest()?;
        self.calls.remove(member);
        Some(member)
    }

    /// This operation is the first that waits for a member's log.
    pub(crate) fn call(&mut self, holder: MemberIndex, slot: SlotIndex) {
        if let Some(journal) = self.journal_at(holder) {
            journal.call(slot);
        } else if let Some(book) = self.book(holder) {
            book.called = Some(slot);
        }
    }

    /// No operation was found that waits for a member's log.
    pub(crate) fn forget_queue(&mut self, holder: MemberIndex) {
        // The journal's counts are of shares alone.
        if self.journal.is_none()
            && let Some(book) = self.book(holder)
        {
            book.forget_queue();
        }
    }

    /// A book whose first operation in line is to be found.
    pub(crate) fn wants_next(&self, holder: MemberIndex) -> bool {
        match &self.journal {
            Some(journal) => journal.place == holder && journal.wants_next(),
            None => self.books.get(holder.index()).is_some_and(Book::wants_next),
        }
    }

    /// Whether the logs are to be used from now on, or are, all of them being open.
    fn advance(&mut self, vouched: Consistency, present: MemberSet) {
        // One step may lead to all of these: nothing else may be left that would lead to another.
        if let (Standing::Off, Consistency::Clean, 0) = (self.standing, vouched, self.early) {
            self.standing = Standing::Rest;
        }
        // All have given up: who comes later may try again.
        if self.are_refused() && !self.books.iter().any(Book::is_wanted) {
            self.standing = Standing::Rest;
        }
        if self.standing == Standing::Rest && self.books.iter().any(Book::is_wanted) {
            self.standing = Standing::Opening;
            self.opens = present;
        }
        if self.standing == Standing::Opening && self.next_to_open(present).is_none() {
            self.standing = Standing::On;
            self.ready = self.ready.union(present);
        }
    }

    /// Logs are opened one after the other, so that a crash spoils one of them at most.
    fn next_to_open(&mut self, present: MemberSet) -> Option<MemberIndex> {
        let (books, opens) = (&self.books, self.opens.intersection(present));
        let closed = |member: &MemberIndex| books.get(member.index()).is_some_and(Book::is_closed);
        self.opens = opens.into_iter().filter(closed).collect();
        let opening =
            |member: &MemberIndex| books.get(member.index()).is_some_and(Book::is_opening);
        self.opens.into_iter().find(opening).or(self.opens.lowest())
    }

    /// Takes one step with one member's log.
    pub(crate) fn step(&mut self, vouched: Consistency, present: MemberSet) -> LogStep {
        if self.journal.is_some() {
            return self.step_journal(present);
        }
        self.advance(vouched, present);
        if matches!(self.standing, Standing::Opening | Standing::On)
            && let Some(next) = self.next_to_open(present)
            && self.book(next).is_some_and(|book| book.page == Page::Closed)
        {
            if let Some(book) = self.book(next) {
                book.open();
            }
            self.ready.insert(next);
        }
        let Some(member) = self.ready.lowest() else { return LogStep::Nothing };
        self.ready.remove(member);
        let standing = self.standing;
        let Some(book) = self.book(member) else { return LogStep::Moved };
        if !present.contains(member) {
            if book.give_up() {
                self.calls.insert(member);
            }
            return LogStep::Moved;
        }
        let epoch = book.epoch();
        match book.step(standing) {
            BookStep::Nothing => LogStep::Moved,
            BookStep::Again => {
                self.ready.insert(member);
                self.calls.insert(member);
                LogStep::Moved
            }
            BookStep::Offer(task) => LogStep::Offer(member, epoch, task),
            BookStep::Lost(fault) => {
                self.ready.insert(member);
                LogStep::Lost(member, fault)
            }
            BookStep::NoLog(fault) if standing == Standing::On => LogStep::Lost(member, fault),
            BookStep::NoLog(fault) => {
                self.standing = Standing::Refused(fault);
                self.calls = self.calls.union(present);
                LogStep::Moved
            }
        }
    }

    /// Takes one step with the journal.
    fn step_journal(&mut self, present: MemberSet) -> LogStep {
        let Some(journal) = &mut self.journal else { return LogStep::Nothing };
        let place = journal.place;
        if !self.ready.contains(place) {
            return LogStep::Nothing;
        }
        self.ready.remove(place);
        match journal.step() {
            JournalStep::Nothing => LogStep::Moved,
            JournalStep::Again => {
                self.ready.insert(place);
                self.calls.insert(place);
                LogStep::Moved
            }
            JournalStep::Settle => {
                self.settling.begin(MemberSet::only(place), present);
                LogStep::Moved
            }
            JournalStep::Offer(epoch, task) => LogStep::OfferJournal(place, epoch, task),
            JournalStep::Lost(fault) => LogStep::Lost(place, fault),
        }
    }

    /// What the host said to what a step of the journal offered under this epoch.
    pub(crate) fn offered_journal(&mut self, epoch: u32, answer: Result<(), Busy>) {
        let Some(journal) = &mut self.journal else { return };
        match answer {
            Ok(()) => {
                journal.taken(epoch);
                self.ready.insert(journal.place);
            }
            Err(Busy) => self.refused.insert(journal.place),
        }
    }

    /// What the host said to what a step offered.
    pub(crate) fn offered(&mut self, member: MemberIndex, answer: Result<(), Busy>) {
        match (answer, self.book(member)) {
            (Ok(()), Some(book)) => book.taken(),
            (Err(Busy), Some(_)) => self.refused.insert(member),
            (Ok(()) | Err(Busy), None) => {}
        }
    }

    /// Records how a command of a member's log ended.
    pub(crate) fn settle(
        &mut self,
        member: MemberIndex,
        epoch: u32,
        completion: Completion,
    ) -> Result<(), Misuse> {
        match (self.journal_at(member), member) {
            (Some(journal), _) => journal.settle(epoch, completion)?,
            (None, member) => {
                let book = self.book(member).ok_or(Misuse::UnknownToken)?;
                book.settle(epoch, completion)?;
            }
        }
        self.ready.insert(member);
        Ok(())
    }

    /// Begins to settle what somebody waits for.
    pub(crate) fn begin_settling(&mut self, present: MemberSet) -> LogStep {
        let wanted = |book: &Book| book.is_spent() && book.is_wanted();
        if !self.settling.is_idle() || !self.books.iter().any(wanted) {
            return LogStep::Nothing;
        }
        let books = self.books.iter().zip(0..=u8::MAX);
        let covers = books.filter(|(book, _)| book.is_spent());
        self.settling.begin(covers.map(|(_, member)| MemberIndex(member)).collect(), present);
        LogStep::Moved
    }

    /// Nobody needs any more what these logs say.
    pub(crate) fn settled(&mut self, covered: MemberSet) {
        for member in covered {
            if let Some(journal) = self.journal_at(member) {
                journal.settled();
            } else if let Some(book) = self.book(member) {
                book.settled();
            }
        }
        self.ready = self.ready.union(covered);
    }

    /// Records how a flush ended after which logs are not needed any more.
    pub(crate) fn settle_flush(
        &mut self,
        member: MemberIndex,
        epoch: u32,
        completion: Completion,
    ) -> Result<(), Misuse> {
        self.settling.settle(member, epoch, completion)
    }

    /// Whether a command is in flight.
    pub(crate) fn in_flight(&self) -> MemberSet {
        let books = self.books.iter().zip(0..=u8::MAX);
        let waiting = books.filter(|(book, _)| book.is_in_flight());
        let waiting: MemberSet = waiting.map(|(_, member)| MemberIndex(member)).collect();
        let journal = self.journal.as_ref().filter(|journal| journal.is_in_flight());
        let journal = journal.map_or(MemberSet::NONE, |journal| MemberSet::only(journal.place));
        waiting.union(journal).union(self.settling.in_flight())
    }
}

/// At most so many blocks of the journal are taken by a row of blocks that are each so long: what
/// it holds, and a meta block for each 4 KiB of its length. Fewer meta blocks do as a rule; how many
/// is the format's affair.
fn row_blocks(blocks: u32, each: Sectors) -> u64 {
    each.0.div_ceil(FAULT_UNIT.0).saturating_mul(u64::from(blocks).saturating_add(1))
}

/// The longest rectangle of an array with so many members that takes no more blocks of the journal.
fn longest_row(most_blocks: u64, members: u8) -> Sectors {
    let units = most_blocks.checked_div(row_blocks(members.into(), FAULT_UNIT)).unwrap_or(0);
    Sectors(units.saturating_mul(FAULT_UNIT.0))
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and says where"
)]
mod tests;
