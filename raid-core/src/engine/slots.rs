//! The slots: where stripe operations live, and in which of the lists each of them is.
//!
//! A slot is in one list at most, by links in the slots themselves, so no list can be full.

use super::overlap::Claim;
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
}

/// What a slot takes at most: a fixed part, and the sets of members that its states hold. 240 bytes
/// for up to 64 members on a 64-bit machine, 196 for up to 32 on a 32-bit one.
pub const SLOT_BYTES_MAX: usize = 152 + 11 * size_of::<MemberSet>();

const_assert!(size_of::<Slot>() <= SLOT_BYTES_MAX);
assert_impl_all!(Slot: Copy, Send, Sync);

impl Slot {
    /// A slot without an operation.
    pub const FREE: Self =
        Self { occupant: Occupant::Nobody, epoch: 0, listing: Listing::None, next: None };
}

#[expect(
    clippy::large_enum_variant,
    reason = "a slot is storage; it is as large as its largest state"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Occupant {
    Nobody,
    Operation { stripe: Stripe, claim: Claim },
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
    pub(super) used: u16,
    /// The last so many slots are for background work.
    background: u16,
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
        if let Some(slot) = self.get(index) {
            slot.occupant = Occupant::Nobody;
            slot.epoch = slot.epoch.wrapping_add(1);
        }
        self.used = self.used.saturating_sub(1);
        self.push(index, self.home(index));
    }

    /// To be stepped, unless it is listed already.
    #[inline]
    pub(super) fn make_ready(&mut self, index: SlotIndex) {
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
            Listing::None => None,
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
