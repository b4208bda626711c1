//! One member's log.

use super::{Share, Standing, Turn};
use crate::host::{Completion, Fault, Misuse, SlotIndex};
use crate::limits::LOG_ENTRIES_MAX;
use crate::stripe::Call;
use crate::units::Sectors;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Book {
    pub(super) page: Page,
    /// Rises with every command, so that tokens of commands gone by name nothing.
    epoch: u32,
    /// The batch that is put together, or was last.
    batch: u32,
    /// Its entries, and their partial parity.
    entries: u16,
    partial: Sectors,
    /// Operations that wait for a batch,
    queued: u16,
    /// that write their entry,
    writing: u16,
    /// and that have entered, their writes not being over.
    entered: u16,
    /// The operation that is next.
    pub(super) called: Option<SlotIndex>,
}

/// What stands in a member's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Page {
    /// Whatever was there before.
    Closed,
    /// The member is lost.
    Gone,
    /// Nothing that anybody needs.
    Free,
    /// A batch is put together.
    Open,
    /// It takes no more entries; some are being written.
    Shut,
    /// Its header is being written,
    Seal(Call),
    /// and made durable.
    Flush(Call),
    /// A durable batch.
    Full,
    /// A batch that the host did not take: its operations give up, and nothing was written for them.
    Void(Fault),
}

/// What a log asks of its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogTask {
    /// To write the header of this batch.
    Seal(u32),
    Flush,
}

/// What a step of a log led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BookStep {
    Nothing,
    /// This is to be issued.
    Offer(LogTask),
    /// There is more to do, and operations are to be looked at.
    Again,
    Lost(Fault),
    /// The host has no log to open.
    NoLog(Fault),
}

impl Book {
    pub(super) const CLOSED: Self = Self {
        page: Page::Closed,
        epoch: 0,
        batch: 0,
        entries: 0,
        partial: Sectors::ZERO,
        queued: 0,
        writing: 0,
        entered: 0,
        called: None,
    };

    /// The log of another device at the same place.
    pub(super) const fn renewed(&self) -> Self {
        Self { epoch: self.epoch.wrapping_add(1), batch: self.batch, ..Self::CLOSED }
    }

    pub(super) fn leave(&mut self, share: Share, slot: SlotIndex) {
        if self.called == Some(slot) {
            self.called = None;
        }
        if let Some(count) = self.count(share) {
            *count = count.saturating_sub(1);
        }
    }

    pub(super) const fn enter(&mut self, share: Share) {
        if let Some(count) = self.count(share) {
            *count = count.saturating_add(1);
        }
    }

    const fn count(&mut self, share: Share) -> Option<&mut u16> {
        match share {
            Share::Nothing
            | Share::Early
            | Share::GivenUp
            | Share::Recording(_)
            | Share::Recorded(_) => None,
            Share::Queued(_) => Some(&mut self.queued),
            Share::Writing(_) => Some(&mut self.writing),
            Share::Entered(_) => Some(&mut self.entered),
        }
    }

    pub(super) fn join(&mut self, slot: SlotIndex, partial: Sectors, room: Sectors) -> Turn {
        let next = self.called == Some(slot) || (self.queued == 1 && self.called.is_none());
        match self.page {
            Page::Open if next => {}
            Page::Closed
            | Page::Gone
            | Page::Free
            | Page::Open
            | Page::Shut
            | Page::Seal(_)
            | Page::Flush(_)
            | Page::Full
            | Page::Void(_) => return Turn::Later,
        }
        self.called = None;
        let sum = self.partial.0.saturating_add(partial.0);
        if usize::from(self.entries) >= LOG_ENTRIES_MAX || sum > room.0 {
            self.page = Page::Shut;
            return Turn::Later;
        }
        self.entries = self.entries.saturating_add(1);
        self.partial = Sectors(sum);
        Turn::Now(self.batch)
    }

    /// An empty log is to be written.
    pub(super) const fn open(&mut self) {
        self.begin();
        let _ = self.enter_page(Page::Seal(Call::Offer));
    }

    /// Whether somebody waits for the log.
    pub(super) const fn is_wanted(&self) -> bool {
        self.queued > 0
    }

    /// Whether the operation is to be found that waits longest.
    pub(super) const fn wants_next(&self) -> bool {
        matches!(self.page, Page::Open) && self.queued > 0 && self.called.is_none()
    }

    /// Whether the log is not opened yet.
    pub(super) const fn is_closed(&self) -> bool {
        match self.page {
            Page::Closed => true,
            Page::Seal(_) | Page::Flush(_) => self.entries == 0,
            Page::Gone | Page::Free | Page::Open | Page::Shut | Page::Full | Page::Void(_) => false,
        }
    }

    /// Whether the log is being opened.
    pub(super) fn is_opening(&self) -> bool {
        self.is_closed() && self.page != Page::Closed
    }

    /// Whether all writes of a durable batch are over.
    pub(super) fn is_spent(&self) -> bool {
        self.page == Page::Full && self.writing == 0 && self.entered == 0
    }

    /// Nobody needs any more what the log says.
    pub(super) fn settled(&mut self) {
        if self.is_spent() {
            self.page = Page::Free;
        }
    }

    pub(super) const fn is_in_flight(&self) -> bool {
        matches!(self.page, Page::Seal(Call::Wait) | Page::Flush(Call::Wait))
    }

    /// The member is lost. Whether its operations are to be told.
    pub(super) fn give_up(&mut self) -> bool {
        if self.is_in_flight() || self.page == Page::Gone {
            return self.page == Page::Gone && self.queued > 0;
        }
        self.page = Page::Gone;
        true
    }

    pub(super) fn settle(&mut self, epoch: u32, completion: Completion) -> Result<(), Misuse> {
        if epoch != self.epoch {
            return Err(Misuse::UnknownToken);
        }
        let call = match &mut self.page {
            Page::Seal(call) | Page::Flush(call) => call,
            Page::Closed
            | Page::Gone
            | Page::Free
            | Page::Open
            | Page::Shut
            | Page::Full
            | Page::Void(_) => return Err(Misuse::UnknownToken),
        };
        match (&call, completion) {
            (Call::Wait, Completion::Compared { .. } | Completion::Located(_)) => {
                Err(Misuse::WrongCompletion)
            }
            (Call::Wait | Call::Offer | Call::Back(_), _) => call.settle(completion).map(|_| ()),
        }
    }

    pub(super) fn step(&mut self, standing: Standing) -> BookStep {
        match self.page {
            Page::Free if self.is_wanted() && standing == Standing::On => {
                self.begin();
                self.enter_page(Page::Open)
            }
            Page::Open if self.wants_next() => BookStep::Again,
            Page::Open | Page::Shut if self.writing > 0 => BookStep::Nothing,
            // All have left again, so that there is nothing to vouch for.
            Page::Open | Page::Shut if self.entered == 0 && self.entries > 0 => {
                self.enter_page(Page::Free)
            }
            // The one that waits longest was called.
            Page::Open if self.is_wanted() => BookStep::Nothing,
            Page::Open if self.entries == 0 => self.enter_page(Page::Free),
            Page::Open | Page::Shut => self.enter_page(Page::Seal(Call::Offer)),
            Page::Seal(Call::Offer) => BookStep::Offer(LogTask::Seal(self.batch)),
            Page::Flush(Call::Offer) => BookStep::Offer(LogTask::Flush),
            Page::Seal(Call::Back(Completion::Failed(fault)))
            | Page::Flush(Call::Back(Completion::Failed(fault))) => self.failed(fault),
            // Whoever had entered has left.
            Page::Void(_) if self.writing == 0 && self.entered == 0 => self.enter_page(Page::Free),
            Page::Seal(Call::Back(_)) => self.enter_page(Page::Flush(Call::Offer)),
            Page::Flush(Call::Back(_)) if self.entries == 0 => self.enter_page(Page::Free),
            Page::Flush(Call::Back(_)) => self.enter_page(Page::Full),
            Page::Closed
            | Page::Gone
            | Page::Free
            | Page::Seal(Call::Wait)
            | Page::Flush(Call::Wait)
            | Page::Full
            | Page::Void(_) => BookStep::Nothing,
        }
    }

    /// A batch, or the first log of all, did not come to be. Nobody has written yet who relies on it,
    /// so where nobody below is at fault, nobody is lost.
    const fn failed(&mut self, fault: Fault) -> BookStep {
        match (fault.is_rejection(), self.entries) {
            (false, _) => BookStep::Lost(fault),
            (true, 0) => {
                let _ = self.enter_page(Page::Closed);
                BookStep::NoLog(fault)
            }
            (true, _) => self.enter_page(Page::Void(fault)),
        }
    }

    /// Nobody waits for the log after all.
    pub(super) const fn forget_queue(&mut self) {
        self.queued = 0;
    }

    /// Begins the next batch.
    const fn begin(&mut self) {
        self.batch = self.batch.wrapping_add(1);
        self.entries = 0;
        self.partial = Sectors::ZERO;
    }

    const fn enter_page(&mut self, page: Page) -> BookStep {
        self.page = page;
        self.epoch = self.epoch.wrapping_add(1);
        BookStep::Again
    }

    pub(super) const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The host took what was offered.
    pub(super) const fn taken(&mut self) {
        self.page = match self.page {
            Page::Seal(_) => Page::Seal(Call::Wait),
            Page::Flush(_) => Page::Flush(Call::Wait),
            page @ (Page::Closed
            | Page::Gone
            | Page::Free
            | Page::Open
            | Page::Shut
            | Page::Full
            | Page::Void(_)) => page,
        };
    }
}
