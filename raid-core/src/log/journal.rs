//! The journal: one machine for the device that all writes go by.
//!
//! ```text
//!       an operation joins       all rows are taken                    durable
//!  Rest ----------------> Open -----------------> Seal -> Flush -------------+
//!    ^ ^                                                                     |
//!    | +---------------------------------------------------------------------+
//!    +--- Starved <-- no room, or no row may be logged before others are released
//! ```
//!
//! Operations that come while a batch is under way make up the next, in order of arrival. With its
//! batch durable an operation writes to the members.
//!
//! The ring is used in two *stretches*. Rows are logged in one of them; meanwhile the writes of the
//! other come to their end. It is released when they have: all members are flushed, what was lost is
//! put on record, and the tail moves past it. Two counters stand for a queue of rows.
//!
//! An operation that is given up after its row was logged leaves a row in the journal that the
//! members do not hold. A crash may bring it about after all, but not before a later write to the
//! same row. So no row is logged any more before the stretch is released.

use super::Share;
use crate::host::{Completion, Fault, Misuse, SlotIndex};
use crate::stripe::Call;
use crate::units::MemberIndex;

/// One of the two stretches of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Half {
    /// One,
    First,
    /// and the other.
    Second,
}

impl Half {
    const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Journal {
    /// The place behind those of the members.
    pub(super) place: MemberIndex,
    service: Service,
    /// Blocks that a stretch takes.
    room_blocks: u64,
    page: Page,
    page_epoch: u32,
    batch: u32,
    /// The last batch that is durable.
    durable: u32,
    /// Operations that wait for a batch, and that have a row taken.
    queued: u16,
    writing: u16,
    /// The operation that is next.
    called: Option<SlotIndex>,
    first: Stretch,
    second: Stretch,
    current: Half,
    release: Release,
    release_epoch: u32,
    wish: Wish,
    epoch: u32,
}

/// Whether the device serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Service {
    On,
    Lost,
}

/// Whether the journal is to be emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Wish {
    Nothing,
    Empty,
}

/// What is done about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Page {
    /// There is none.
    Rest,
    /// Operations join it.
    Open,
    /// It takes no more rows; some are being written.
    Shut,
    Seal(Call),
    Flush(Call),
    /// The operation that is next cannot join before a stretch is released.
    Starved,
}

/// What is done about a stretch that nobody writes for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Release {
    Rest,
    /// Its writes are being made durable, and who lacks them is put on record.
    Members(Half),
    /// The tail is being moved,
    Tail(Half, Call),
    /// and that made durable.
    Flush(Half, Call),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stretch {
    /// Rises by one from each stretch to the next.
    number: u32,
    /// At most so many blocks of the ring are taken.
    blocks: u64,
    /// Operations whose row is in it, their writes not being over.
    alive: u16,
    content: Content,
    standing: Standing,
}

/// What a stretch holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Content {
    Nothing,
    /// Rows of which none is durable.
    Begun,
    Durable,
}

/// Whether the members hold, or are about to, what a stretch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Standing {
    Good,
    /// Not all of it: an operation was given up.
    Void,
}

/// What the journal asks of its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JournalTask {
    /// To complete the batch.
    Seal(u32),
    Flush,
    /// To move the tail to the start of this stretch.
    Tail(u32),
}

/// Whether an operation may have its row logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    Now(Ticket),
    Later,
}

/// Where an operation's row goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ticket {
    pub(crate) batch: u32,
    pub(crate) stretch: u32,
    pub(crate) half: Half,
}

/// What a step led to.
pub(super) enum JournalStep {
    Nothing,
    /// Operations are to be looked at.
    Again,
    /// Members are to be flushed, and what was lost put on record.
    Settle,
    /// This is to be issued, with this epoch.
    Offer(u32, JournalTask),
    Lost(Fault),
}

impl Stretch {
    const fn empty(number: u32) -> Self {
        let standing = Standing::Good;
        Self { number, blocks: 0, alive: 0, content: Content::Nothing, standing }
    }

    fn is_free(&self) -> bool {
        self.content == Content::Nothing
    }

    const fn is_spent(&self) -> bool {
        self.alive == 0 && matches!(self.content, Content::Durable)
    }
}

/// A stretch may begin with an empty meta block, for the tail to stand at.
const FIRST_BLOCKS: u64 = 1;

impl Journal {
    /// A journal at the place behind the members', with so many blocks to be taken.
    pub(super) const fn new(place: MemberIndex, blocks: u64) -> Self {
        Self {
            place,
            service: Service::On,
            room_blocks: blocks / 2,
            page: Page::Rest,
            page_epoch: 0,
            batch: 0,
            durable: 0,
            queued: 0,
            writing: 0,
            called: None,
            first: Stretch::empty(0),
            second: Stretch::empty(0),
            current: Half::First,
            release: Release::Rest,
            release_epoch: 0,
            wish: Wish::Nothing,
            epoch: 0,
        }
    }

    /// The most blocks that an operation may take: as many as a stretch has.
    pub(super) const fn most_blocks(&self) -> u64 {
        self.room_blocks.saturating_sub(FIRST_BLOCKS)
    }

    const fn stretch(&mut self, half: Half) -> &mut Stretch {
        match half {
            Half::First => &mut self.first,
            Half::Second => &mut self.second,
        }
    }

    const fn here(&self) -> &Stretch {
        match self.current {
            Half::First => &self.first,
            Half::Second => &self.second,
        }
    }

    /// The stretch before the current one.
    const fn older(&self) -> &Stretch {
        match self.current {
            Half::First => &self.second,
            Half::Second => &self.first,
        }
    }

    /// What an operation has in the journal has changed.
    pub(super) fn shift(&mut self, before: Share, after: Share, slot: SlotIndex) {
        if self.called == Some(slot) && matches!(before, Share::Queued(_)) {
            self.called = None;
        }
        match before {
            Share::Queued(_) => self.queued = self.queued.saturating_sub(1),
            Share::Recording(half) => {
                self.writing = self.writing.saturating_sub(1);
                let stretch = self.stretch(half);
                stretch.alive = stretch.alive.saturating_sub(1);
            }
            Share::Recorded(half) => {
                let stretch = self.stretch(half);
                stretch.alive = stretch.alive.saturating_sub(1);
            }
            Share::Nothing
            | Share::GivenUp
            | Share::Early
            | Share::Writing(_)
            | Share::Entered(_) => {}
        }
        match (after, before) {
            (Share::Queued(_), _) => self.queued = self.queued.saturating_add(1),
            (Share::Recording(half), _) => {
                self.writing = self.writing.saturating_add(1);
                let stretch = self.stretch(half);
                stretch.alive = stretch.alive.saturating_add(1);
            }
            (Share::Recorded(half), _) => {
                let stretch = self.stretch(half);
                stretch.alive = stretch.alive.saturating_add(1);
            }
            (Share::GivenUp, Share::Recording(half) | Share::Recorded(half)) => {
                self.stretch(half).standing = Standing::Void;
            }
            (
                Share::Nothing
                | Share::GivenUp
                | Share::Early
                | Share::Writing(_)
                | Share::Entered(_),
                _,
            ) => {}
        }
    }

    /// Whether an operation whose row takes so many blocks may have it logged.
    pub(super) fn join(&mut self, slot: SlotIndex, blocks: u64) -> Joined {
        let next = self.called == Some(slot) || (self.queued == 1 && self.called.is_none());
        match self.page {
            Page::Rest | Page::Open if next => {}
            Page::Rest
            | Page::Open
            | Page::Shut
            | Page::Seal(_)
            | Page::Flush(_)
            | Page::Starved => return Joined::Later,
        }
        self.called = None;
        let fits = self.here().blocks.saturating_add(blocks) <= self.room_blocks;
        match (self.page, self.is_barred() || !fits) {
            (Page::Rest, true) if self.is_barred() || !self.older().is_free() => {
                self.page = Page::Starved;
                return Joined::Later;
            }
            (Page::Rest, true) => {
                let number = self.here().number.wrapping_add(1);
                self.current = self.current.other();
                *self.stretch(self.current) = Stretch::empty(number);
            }
            // A batch lies in one stretch.
            (_, true) => {
                self.page = Page::Shut;
                return Joined::Later;
            }
            (_, false) => {}
        }
        if self.page == Page::Rest {
            self.page = Page::Open;
            self.batch = self.batch.wrapping_add(1);
        }
        let half = self.current;
        let stretch = self.stretch(half);
        stretch.blocks = stretch.blocks.max(FIRST_BLOCKS).saturating_add(blocks);
        if stretch.is_free() {
            stretch.content = Content::Begun;
        }
        let stretch = stretch.number;
        Joined::Now(Ticket { batch: self.batch, stretch, half })
    }

    /// Whether no row may be logged before a stretch is released.
    fn is_barred(&self) -> bool {
        let current = match self.release {
            Release::Rest => false,
            Release::Members(half) | Release::Tail(half, _) | Release::Flush(half, _) => {
                half == self.current
            }
        };
        let void = |stretch: &Stretch| stretch.standing == Standing::Void;
        current || self.wish == Wish::Empty || void(&self.first) || void(&self.second)
    }

    pub(super) const fn is_lost(&self) -> bool {
        matches!(self.service, Service::Lost)
    }

    pub(super) const fn is_durable(&self, batch: u32) -> bool {
        // Batches are sealed one after the other, and nobody waits for one that is long gone.
        self.durable.wrapping_sub(batch) < u32::MAX / 2
    }

    /// Whether the operation that waits longest is to be found.
    pub(super) const fn wants_next(&self) -> bool {
        matches!(self.page, Page::Rest | Page::Open) && self.queued > 0 && self.called.is_none()
    }

    pub(super) const fn call(&mut self, slot: SlotIndex) {
        self.called = Some(slot);
    }

    /// Asks for the journal to be emptied.
    pub(super) fn ask_to_empty(&mut self) -> Emptied {
        if self.is_lost() || (self.first.is_free() && self.second.is_free()) {
            return Emptied::Already;
        }
        match self.wish {
            Wish::Empty => Emptied::Waits,
            Wish::Nothing => {
                self.wish = Wish::Empty;
                Emptied::Asked
            }
        }
    }

    /// The device is lost. What is in flight comes back.
    pub(super) const fn lose(&mut self) {
        self.service = Service::Lost;
    }

    pub(super) const fn is_in_flight(&self) -> bool {
        matches!(self.page, Page::Seal(Call::Wait) | Page::Flush(Call::Wait))
            || matches!(self.release, Release::Tail(_, Call::Wait) | Release::Flush(_, Call::Wait))
    }

    pub(super) fn settle(&mut self, epoch: u32, completion: Completion) -> Result<(), Misuse> {
        let page = match &mut self.page {
            Page::Seal(call) | Page::Flush(call) if self.page_epoch == epoch => Some(call),
            Page::Rest
            | Page::Open
            | Page::Shut
            | Page::Seal(_)
            | Page::Flush(_)
            | Page::Starved => None,
        };
        let release = match &mut self.release {
            Release::Tail(_, call) | Release::Flush(_, call) if self.release_epoch == epoch => {
                Some(call)
            }
            Release::Rest | Release::Members(_) | Release::Tail(..) | Release::Flush(..) => None,
        };
        let call = page.or(release).ok_or(Misuse::UnknownToken)?;
        match (&call, completion) {
            (Call::Wait, Completion::Compared { .. } | Completion::Located(_)) => {
                Err(Misuse::WrongCompletion)
            }
            (Call::Wait | Call::Offer | Call::Back(_), _) => call.settle(completion).map(|_| ()),
        }
    }

    pub(super) fn step(&mut self) -> JournalStep {
        if self.is_lost() {
            return JournalStep::Nothing;
        }
        match self.step_page() {
            JournalStep::Nothing => self.step_release(),
            step @ (JournalStep::Again
            | JournalStep::Settle
            | JournalStep::Offer(..)
            | JournalStep::Lost(_)) => step,
        }
    }

    fn step_page(&mut self) -> JournalStep {
        match self.page {
            Page::Rest | Page::Open if self.wants_next() => JournalStep::Again,
            Page::Open | Page::Shut if self.writing > 0 => JournalStep::Nothing,
            // The one that waits longest was called.
            Page::Open if self.queued > 0 => JournalStep::Nothing,
            Page::Open | Page::Shut => self.enter_page(Page::Seal(Call::Offer)),
            Page::Seal(Call::Offer) => {
                JournalStep::Offer(self.page_epoch, JournalTask::Seal(self.batch))
            }
            Page::Flush(Call::Offer) => JournalStep::Offer(self.page_epoch, JournalTask::Flush),
            Page::Seal(Call::Back(Completion::Failed(fault)))
            | Page::Flush(Call::Back(Completion::Failed(fault))) => JournalStep::Lost(fault),
            Page::Seal(Call::Back(_)) => self.enter_page(Page::Flush(Call::Offer)),
            Page::Flush(Call::Back(_)) => {
                self.durable = self.batch;
                self.stretch(self.current).content = Content::Durable;
                self.enter_page(Page::Rest)
            }
            Page::Rest | Page::Seal(Call::Wait) | Page::Flush(Call::Wait) | Page::Starved => {
                JournalStep::Nothing
            }
        }
    }

    fn step_release(&mut self) -> JournalStep {
        match self.release {
            Release::Rest => match self.releasable() {
                Some(half) => {
                    self.release = Release::Members(half);
                    JournalStep::Settle
                }
                None => JournalStep::Nothing,
            },
            Release::Members(_) | Release::Tail(_, Call::Wait) | Release::Flush(_, Call::Wait) => {
                JournalStep::Nothing
            }
            Release::Tail(half, Call::Offer) => {
                let behind = self.stretch(half).number.wrapping_add(1);
                JournalStep::Offer(self.release_epoch, JournalTask::Tail(behind))
            }
            Release::Flush(_, Call::Offer) => {
                JournalStep::Offer(self.release_epoch, JournalTask::Flush)
            }
            Release::Tail(_, Call::Back(Completion::Failed(fault)))
            | Release::Flush(_, Call::Back(Completion::Failed(fault))) => JournalStep::Lost(fault),
            Release::Tail(half, Call::Back(_)) => {
                self.enter_release(Release::Flush(half, Call::Offer))
            }
            Release::Flush(half, Call::Back(_)) => self.released(half),
        }
    }

    /// The stretch that can be released and is to be.
    fn releasable(&self) -> Option<Half> {
        let half_full = self.here().blocks.saturating_mul(2) > self.room_blocks;
        let starved = self.page == Page::Starved;
        if !self.older().is_free() {
            // The tail moves to the start of the current stretch, where a durable row has to be.
            let wanted = starved || half_full || self.is_barred();
            let can = self.older().is_spent() && self.here().content == Content::Durable;
            return (wanted && can).then(|| self.current.other());
        }
        let at_rest = matches!(self.page, Page::Rest | Page::Starved);
        let can = at_rest && self.here().is_spent();
        (can && (starved || self.is_barred())).then_some(self.current)
    }

    /// Members are flushed, and what was lost is on record.
    pub(super) const fn settled(&mut self) {
        if let Release::Members(half) = self.release {
            let _ = self.enter_release(Release::Tail(half, Call::Offer));
        }
    }

    fn released(&mut self, half: Half) -> JournalStep {
        let number = self.stretch(half).number;
        // What is logged next in place of it lies behind it.
        let number = if half == self.current { number.wrapping_add(1) } else { number };
        *self.stretch(half) = Stretch::empty(number);
        if self.first.is_free() && self.second.is_free() {
            self.wish = Wish::Nothing;
        }
        if self.page == Page::Starved {
            self.page = Page::Rest;
        }
        self.enter_release(Release::Rest)
    }

    const fn enter_page(&mut self, page: Page) -> JournalStep {
        self.epoch = self.epoch.wrapping_add(1);
        self.page_epoch = self.epoch;
        self.page = page;
        JournalStep::Again
    }

    const fn enter_release(&mut self, release: Release) -> JournalStep {
        self.epoch = self.epoch.wrapping_add(1);
        self.release_epoch = self.epoch;
        self.release = release;
        JournalStep::Again
    }

    /// The host took what was offered under this epoch.
    pub(super) const fn taken(&mut self, epoch: u32) {
        match (self.page_epoch == epoch, self.page, self.release) {
            (true, Page::Seal(Call::Offer), _) => self.page = Page::Seal(Call::Wait),
            (true, Page::Flush(Call::Offer), _) => self.page = Page::Flush(Call::Wait),
            (_, _, Release::Tail(half, Call::Offer)) => {
                self.release = Release::Tail(half, Call::Wait);
            }
            (_, _, Release::Flush(half, Call::Offer)) => {
                self.release = Release::Flush(half, Call::Wait);
            }
            (
                _,
                Page::Rest
                | Page::Open
                | Page::Shut
                | Page::Seal(_)
                | Page::Flush(_)
                | Page::Starved,
                Release::Rest | Release::Members(_) | Release::Tail(..) | Release::Flush(..),
            ) => {}
        }
    }
}

/// Whether the journal holds anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Emptied {
    /// Nothing, or it is lost.
    Already,
    /// It is being emptied from now on,
    Asked,
    /// or was before.
    Waits,
}
