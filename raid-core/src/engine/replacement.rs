//! The replacement of a member that is in use: how its device comes in, and how it takes over.

use super::overlap::Turn;
use super::quiesce::Running;
use super::slots::Occupant;
use super::{Engine, Stepped};
use crate::array::{Gate, Handover, Seat, SeatRefusal, TakenOver, Trusted};
use crate::host::{Event, Host};
use crate::metadata::Replacement;
use crate::pass::{Halt, PassEnd, Walk};
use crate::stripe::Stripe;
use crate::units::{Generation, MemberIndex};

impl Engine<'_> {
    /// Seats a device that is to replace a member which is in use and valid everywhere, and returns
    /// the number by which commands, events and the record name it: one that no place has. What is
    /// written to the member goes to the device as well from now on; the rest is brought by a
    /// [replacement pass](crate::pass::PassKind::Replacement).
    ///
    /// Its state is rebuilding. A mark above 0 is taken only from an array that was clean when it was
    /// set up, before anything was asked of this engine: otherwise the device may lack any block.
    ///
    /// # Errors
    /// Why it is not taken; nothing has happened.
    pub fn add_replacement(
        &mut self,
        member: MemberIndex,
        seat: Seat,
    ) -> Result<MemberIndex, SeatRefusal> {
        if self.array.both().is_some() {
            return Err(SeatRefusal::Reshaping);
        }
        let by = self.array.replacement_seat();
        let hangs = |hung: &MemberIndex| *hung == by || self.array.device(*hung) == seat.device;
        if let Some(hung) = self.hung_members().into_iter().find(hangs) {
            return Err(SeatRefusal::Hung(hung));
        }
        if self.array.replacement().is_none() && self.is_leaving(by) {
            return Err(SeatRefusal::Leaving(member));
        }
        let untouched = self.array.writer.wanted() == Generation(0) && self.slots.used == 0;
        let trusted = if untouched { Trusted::UpToItsMark } else { Trusted::InNothing };
        self.array.take_in_replacement(member, seat, trusted)?;
        Ok(by)
    }

    /// The member that is being replaced, if one is.
    #[must_use]
    pub fn replacement(&self) -> Option<Replacement> {
        self.array.replacement()
    }

    /// Does what waits until nothing is alive that was begun with the replacement, or the member.
    #[inline]
    pub(super) fn step_handover(&mut self, host: &mut impl Host) -> Stepped {
        let Some(handover) = self.array.handover() else { return Stepped::Nothing };
        match self.running {
            Running::Serving => self.hand_over(handover, host),
            Running::Quiescing | Running::Quiesced => Stepped::Nothing,
        }
    }

    fn hand_over(&mut self, handover: Handover, host: &mut impl Host) -> Stepped {
        match handover {
            Handover::Vacate { seat } => {
                if self.is_at_work_with(seat) {
                    return Stepped::Nothing;
                }
                self.array.vacate();
                // It may have been taking over.
                self.wake_held();
            }
            Handover::TakeOver { member, by } => {
                if self.is_at_work_with(member) || self.is_at_work_with(by) {
                    return Stepped::Nothing;
                }
                self.take_over(member, by, host);
            }
            Handover::Recorded { member, by, until } => {
                // Flushes and records go on meanwhile.
                let recorded = self.array.recorded() >= until;
                if !recorded || self.is_at_work_with(member) || self.is_at_work_with(by) {
                    return Stepped::Nothing;
                }
                // The pass was for this.
                let walk = self.pass.walk().copied();
                self.take_over(member, by, host);
                if let Some(walk) = walk.filter(|walk| walk.course.replacing == Some(member)) {
                    self.conclude(walk.report, PassEnd::Finished, host);
                }
            }
        }
        Stepped::Moved
    }

    fn take_over(&mut self, member: MemberIndex, by: MemberIndex, host: &mut impl Host) {
        match self.array.take_over() {
            TakenOver::NotYet => return,
            TakenOver::Done => host.note(Event::MemberReplaced { member, by }),
        }
        for slot in &mut *self.slots.storage {
            if let Occupant::Operation { stripe, .. } = &mut slot.occupant {
                stripe.forget(member);
            }
        }
        self.wake_held();
    }

    /// Whether anything was begun with this seat and is not over. What waits for the handover has not
    /// begun.
    fn is_at_work_with(&self, seat: MemberIndex) -> bool {
        let mut slots = self.slots.storage.iter();
        let operation = slots.any(|slot| match &slot.occupant {
            Occupant::Operation { stripe, .. } => stripe.has_begun_with(seat),
            Occupant::Nobody | Occupant::Quarantined => false,
        });
        operation
            || self.array.log.in_flight().contains(seat)
            || self.array.writer.trusts(seat)
            || self.is_writing_intents()
            || self.abandoned.is_to_be_lost(seat)
    }

    /// The pass has copied everything, and waits until its device has the member's place.
    pub(super) fn step_end_of_copy(&mut self, walk: &Walk) -> Stepped {
        match self.hindrance(walk) {
            Some(reason) => {
                self.pass.halt(Halt::Stopped(reason));
                Stepped::Moved
            }
            None => Stepped::Nothing,
        }
    }

    /// Lists the operations that were kept from beginning.
    pub(super) fn wake_held(&mut self) {
        match self.array.gate() {
            Gate::Open => {}
            Gate::Shut => return,
        }
        for index in self.slots.indices() {
            let Some(slot) = self.slots.get(index) else { continue };
            match &slot.occupant {
                Occupant::Operation { stripe: Stripe::Planned(_), claim }
                    if claim.turn() == Turn::Now =>
                {
                    self.slots.make_ready(index);
                }
                Occupant::Operation { .. } | Occupant::Nobody | Occupant::Quarantined => {}
            }
        }
    }
}
