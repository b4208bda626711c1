//! The slots: where stripe operations live, and in which of the lists each of them is.
//!
//! A slot is in one list at most, by links in the slots themselves, so no list can be full.

use super::abandon::Quarantine;
use super::overlap::{Claim, Turn};
use crate::host::SlotIndex;
use crate::members::MemberSet;
use crate::stripe::Stripe;
use static_assertions::{assert_impl_all, const_assert};

/// Memory for one stripe operation. The host lends as many as it wants operations at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    pub(super) occupant: Occupant,
    /// Rises with every state, so that tokens of states gone by name nothing.
    pub(super) epoch: u32,
    listing: Listing,
    next: Option<SlotIndex>,
    pub(super) quarantine: Quarantine,
}

/// What a slot takes at most: a fixed part, and the sets of members that its states hold. 256 bytes
/// for up to 64 members on a 64-bit machine, 200 for up to 32 on a 32-bit one.
pub const SLOT_BYTES_MAX: usize = (144 + 14 * size_of::<MemberSet>()).next_multiple_of(8);

const_assert!(size_of::<Slot>() <= SLOT_BYTES_MAX);
assert_impl_all!(Slot: Copy, Send, Sync);

impl Slot {
    /// A slot without an operation.
    pub const FREE: Self = Self {
        occupant: Occupant::Nobody,
        epoch: 0,
        listing: Listing::None,
        next: None,
        quarantine: Quarantine::NONE,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Occupant {
    Nobody,
    /// Abandoned commands may still touch its lanes.
    Quarantined,
    Operation {
        stripe: Stripe,
        claim: Claim,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Listing {
    /// Waits for completions or a record, or is free and not in use.
    None,
    Free,
    /// Free, and set aside for background work.
    FreeBackground,
    Ready,
    Refused,
    /// Waits for another slot, in no list.
    Moving,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct List {
    first: Option<SlotIndex>,
    last: Option<SlotIndex>,
}

#[derive(Debug)]
pub(super) struct Slots<'m> {
    pub(super) storage: &'m mut [Slot],
    free: List,
    free_background: List,
    ready: List,
    refused: List,
    /// Slots that hold an operation.
    pub(super) used: u16,
    /// The last so many slots are for background work.
    background: u16,
    /// Of these, those whose operation waits for another slot.
    moving: u16,
}

impl<'m> Slots<'m> {
    pub(super) fn new(storage: &'m mut [Slot], background: u16) -> Self {
        storage.fill(Slot::FREE);
        let mut slots = Self {
            storage,
            background,
            free: List::default(),
            free_background: List::default(),
            ready: List::default(),
            refused: List::default(),
            used: 0,
            moving: 0,
        };
        for index in slots.indices() {
            slots.push(index, slots.home(index));
        }
        slots
    }

    pub(super) fn indices(&self) -> impl Iterator<Item = SlotIndex> + use<> {
        (0..u16::try_from(self.storage.len()).unwrap_or(u16::MAX)).map(SlotIndex)
    }

    #[inline]
    pub(super) fn get(&mut self, index: SlotIndex) -> Option<&mut Slot> {
        self.storage.get_mut(index.index())
    }

    /// Whether no slot for background work is free.
    pub(super) const fn is_background_full(&self) -> bool {
        self.free_background.first.is_none()
    }

    /// How many slots are for background work.
    pub(super) const fn background(&self) -> u16 {
        self.background
    }

    /// The list that a slot is in while it is free.
    fn home(&self, index: SlotIndex) -> Listing {
        let count = u16::try_from(self.storage.len()).unwrap_or(u16::MAX);
        if index.0 < count.saturating_sub(self.background) {
            Listing::Free
        } else {
            Listing::FreeBackground
        }
    }

    /// A free slot, not in any list from now on.
    #[inline]
    pub(super) fn take_free(&mut self) -> Option<SlotIndex> {
        self.take(Listing::Free)
    }

    /// A free slot for background work.
    pub(super) fn take_free_background(&mut self) -> Option<SlotIndex> {
        self.take(Listing::FreeBackground)
    }

    #[inline]
    fn take(&mut self, listing: Listing) -> Option<SlotIndex> {
        let index = self.pop(listing)?;
        self.used = self.used.saturating_add(1);
        Some(index)
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.free.first.is_none()
    }

    #[inline]
    pub(super) fn release(&mut self, index: SlotIndex) {
        self.used = self.used.saturating_sub(1);
        let Some(slot) = self.get(index) else { return };
        slot.epoch = slot.epoch.wrapping_add(1);
        if slot.quarantine.is_empty() {
            slot.occupant = Occupant::Nobody;
            self.set_free(index);
        } else {
            slot.occupant = Occupant::Quarantined;
        }
    }

    /// To be taken, by an operation that waits for another slot before any other.
    #[inline]
    fn set_free(&mut self, index: SlotIndex) {
        self.push(index, self.home(index));
        if self.moving == 0 {
            return;
        }
        let waiting = self.storage.iter().zip(0..=u16::MAX);
        let waiting = waiting.filter_map(|(slot, number)| match &slot.occupant {
            Occupant::Operation { claim, .. } if slot.listing == Listing::Moving => {
                Some((claim.arrival(), SlotIndex(number)))
            }
            Occupant::Operation { .. } | Occupant::Quarantined | Occupant::Nobody => None,
        });
        if let Some((_, first)) = waiting.min() {
            self.make_ready(first);
        }
    }

    /// No abandoned command can touch the lanes of this slot any more.
    pub(super) fn end_quarantine(&mut self, index: SlotIndex) {
        let Some(slot) = self.get(index) else { return };
        match (&slot.occupant, slot.listing) {
            (Occupant::Quarantined, _) => {
                slot.occupant = Occupant::Nobody;
                self.set_free(index);
            }
            // It can begin where it is.
            (Occupant::Operation { .. }, Listing::Moving) => self.make_ready(index),
            (Occupant::Operation { .. } | Occupant::Nobody, _) => {}
        }
    }

    /// Takes an operation that has not begun to a slot without abandoned commands: a free one of its
    /// own kind if there is one, or that of an operation that waits for its turn, which moves in
    /// here. Where there is none it waits for one.
    pub(super) fn move_on(&mut self, index: SlotIndex, operation: Occupant) {
        let (own, other) = match self.home(index) {
            Listing::FreeBackground => (Listing::FreeBackground, Listing::Free),
            Listing::Free | Listing::None | Listing::Ready | Listing::Refused | Listing::Moving => {
                (Listing::Free, Listing::FreeBackground)
            }
        };
        let free = self.take(own).or_else(|| self.take(other));
        match free.or_else(|| self.not_begun()) {
            Some(to) => {
                let Some(slot) = self.get(to) else { return };
                let before = core::mem::replace(&mut slot.occupant, operation);
                slot.epoch = slot.epoch.wrapping_add(1);
                self.make_ready(to);
                match before {
                    Occupant::Operation { .. } => {
                        let Some(slot) = self.get(index) else { return };
                        slot.occupant = before;
                        slot.epoch = slot.epoch.wrapping_add(1);
                    }
                    Occupant::Nobody | Occupant::Quarantined => self.release(index),
                }
            }
            None => {
                if let Some(slot) = self.get(index) {
                    slot.listing = Listing::Moving;
                    self.moving = self.moving.saturating_add(1);
                }
            }
        }
    }

    /// A slot without abandoned commands whose operation waits for its turn.
    fn not_begun(&self) -> Option<SlotIndex> {
        let mut slots = self.storage.iter().zip(0..=u16::MAX);
        let found = slots.find(|(slot, _)| match &slot.occupant {
            Occupant::Operation { claim, .. } => {
                claim.turn() == Turn::Later && slot.quarantine.is_empty()
            }
            Occupant::Nobody | Occupant::Quarantined => false,
        });
        found.map(|(_, number)| SlotIndex(number))
    }

    /// To be stepped, unless it is listed already.
    #[inline]
    pub(super) fn make_ready(&mut self, index: SlotIndex) {
        if let Some(slot) = self.get(index)
            && slot.listing == Listing::Moving
        {
            slot.listing = Listing::None;
            self.moving = self.moving.saturating_sub(1);
        }
        self.push(index, Listing::Ready);
    }

    /// To be stepped in a later poll: the host was busy.
    #[inline]
    pub(super) fn make_refused(&mut self, index: SlotIndex) {
        self.push(index, Listing::Refused);
    }

    #[inline]
    pub(super) fn pop_ready(&mut self) -> Option<SlotIndex> {
        self.pop(Listing::Ready)
    }

    /// What the host refused is offered again: it goes before what is ready.
    pub(super) fn offer_refused_again(&mut self) {
        let mut next = self.refused.first;
        // Each slot is in the list once.
        for _ in 0..self.storage.len() {
            let Some(index) = next else { break };
            let Some(slot) = self.get(index) else { break };
            slot.listing = Listing::Ready;
            next = slot.next;
        }
        let refused = core::mem::take(&mut self.refused);
        if let (Some(_), Some(last)) = (refused.first, refused.last) {
            let behind = self.ready.first;
            if let Some(slot) = self.get(last) {
                slot.next = behind;
            }
            self.ready = List { first: refused.first, last: self.ready.last.or(refused.last) };
        }
    }

    #[inline]
    fn list(&mut self, listing: Listing) -> Option<&mut List> {
        match listing {
            Listing::None | Listing::Moving => None,
            Listing::Free => Some(&mut self.free),
            Listing::FreeBackground => Some(&mut self.free_background),
            Listing::Ready => Some(&mut self.ready),
            Listing::Refused => Some(&mut self.refused),
        }
    }

    #[inline]
    fn push(&mut self, index: SlotIndex, listing: Listing) {
        match self.get(index) {
            Some(slot) if slot.listing == Listing::None => {
                slot.listing = listing;
                slot.next = None;
            }
            Some(_) | None => return,
        }
        let Some(list) = self.list(listing) else { return };
        let before = list.last.replace(index);
        match before {
            None => list.first = Some(index),
            Some(before) => {
                if let Some(slot) = self.get(before) {
                    slot.next = Some(index);
                }
            }
        }
    }

    #[inline]
    fn pop(&mut self, listing: Listing) -> Option<SlotIndex> {
        let first = self.list(listing)?.first?;
        let slot = self.get(first)?;
        let next = slot.next.take();
        slot.listing = Listing::None;
        let list = self.list(listing)?;
        list.first = next;
        if next.is_none() {
            list.last = None;
        }
        Some(first)
    }
}
