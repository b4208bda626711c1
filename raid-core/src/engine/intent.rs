//! The write-intent bitmap at work: whose bits are set next, and when bits are cleared.

use super::quiesce::Running;
use super::slots::Occupant;
use super::{Engine, Stepped};
use crate::array::{Access, Fate};
use crate::host::{Blocked, Host};
use crate::intent::{Facts, IntentStep, LineMask, Lines, Need, Turn, Wish};
use crate::members::MemberSet;
use crate::stripe::Awaits;

impl Engine<'_> {
    /// Clears the bits of chunks in the write-intent bitmap that nothing was written to since the last
    /// sweep but one. A host calls it every few seconds, and twice before it stops the array. What
    /// follows is done in [`Engine::poll`]: a flush, and a write for each line that changes. While a
    /// member is missing or being rebuilt nothing is cleared.
    pub const fn sweep_bitmap(&mut self) {
        if let Some(intent) = &mut self.array.intent {
            intent.writer.ask_for_sweep();
        }
    }

    /// Members to whom a command for the bitmap is in flight.
    pub(super) fn intents_in_flight(&self) -> MemberSet {
        let intent = self.array.intent.as_ref();
        intent.map_or(MemberSet::NONE, |intent| intent.writer.in_flight())
    }

    /// Whether a device that came in now would miss bits.
    pub(super) fn is_writing_intents(&self) -> bool {
        self.array.intent.as_ref().is_some_and(|intent| !intent.writer.is_between_batches())
    }

    pub(super) fn step_intent(&mut self, host: &mut impl Host) -> Stepped {
        if self.array.intent.is_none() {
            return Stepped::Nothing;
        }
        match (self.running, self.array.fate(), self.array.access()) {
            (Running::Serving, Fate::Serving, Access::ReadWrite) => {}
            (Running::Serving | Running::Quiescing | Running::Quiesced, ..) => {
                return Stepped::Nothing;
            }
        }
        let recorded = self.array.recorded();
        let (present, rebuilding) = (self.array.present(), self.array.rebuilding());
        let whole = self.array.absent().union(rebuilding).is_empty();
        let Some(intent) = &mut self.array.intent else { return Stepped::Nothing };
        let wish = match (intent.need(), intent.writer.turn()) {
            (Need::Sweep | Need::Line(_), Turn::Sweep) => Wish::Nothing,
            (Need::Sweep | Need::Line(_), Turn::Batch)
            | (Need::Rest | Need::Step | Need::Record(_) | Need::Batch, _) => intent.wish(),
        };
        match (intent.need(), wish) {
            (Need::Rest, _) | (Need::Batch, Wish::Nothing) => return Stepped::Nothing,
            (Need::Record(until), _) if recorded < until => return Stepped::Nothing,
            (Need::Step, _) => return self.step_intent_machine(host),
            (Need::Record(_), _) => {
                intent.release();
                self.wake_for_bits();
            }
            (Need::Batch | Need::Sweep | Need::Line(_), Wish::Something) => self.begin_batch(),
            (Need::Sweep, Wish::Nothing) if whole => intent.begin_sweep(present),
            (Need::Line(line), Wish::Nothing) if whole => self.sweep_line(line),
            (Need::Sweep | Need::Line(_), Wish::Nothing) => intent.writer.give_up_sweep(),
        }
        Stepped::Moved
    }

    /// A batch of the lines that operations wait for: of the one that waits longest first.
    fn begin_batch(&mut self) {
        let waiting = self.slots.storage.iter().filter_map(|slot| match &slot.occupant {
            Occupant::Operation { stripe, claim } if stripe.awaits() == Awaits::Bits => {
                Some((claim.arrival(), *stripe.work()?.whole()))
            }
            Occupant::Operation { .. } | Occupant::Nobody | Occupant::Quarantined => None,
        });
        let first = waiting.clone().min_by_key(|(arrival, _)| *arrival);
        let mut lines = Lines::default();
        for (_, rectangle) in first.into_iter().chain(waiting) {
            lines.add(self.array.intent_lines(&rectangle));
        }
        let present = self.array.present();
        if let Some(intent) = &mut self.array.intent {
            intent.begin_batch(lines, present);
        }
    }

    fn sweep_line(&mut self, number: u32) {
        let mut busy: LineMask = [0; _];
        for slot in &*self.slots.storage {
            match &slot.occupant {
                Occupant::Operation { stripe, .. } => {
                    if let Some(work) = stripe.work() {
                        self.array.add_to_line(work.whole(), number, &mut busy);
                    }
                }
                Occupant::Nobody | Occupant::Quarantined => {}
            }
        }
        let (in_sync, present) = (self.array.in_sync(), self.array.present());
        let events = self.array.writer.events();
        if let Some(intent) = &mut self.array.intent {
            let line = intent.begin_clearing(number, &busy, in_sync, events);
            intent.sweep_line(number, line, present);
        }
    }

    fn step_intent_machine(&mut self, host: &mut impl Host) -> Stepped {
        let facts = Facts {
            present: self.array.present(),
            absent: self.array.absent(),
            unrecorded: self.array.unrecorded(),
        };
        let Some(mut intent) = self.array.intent.take() else { return Stepped::Nothing };
        let array = &self.array;
        let step = intent.step(facts, |token, task| {
            host.submit(token, task.command(array.device(token.member), token.member))
        });
        self.array.intent = Some(intent);
        match step {
            IntentStep::Moved => {}
            IntentStep::Settled => self.wake_for_bits(),
            IntentStep::Lost(results) => self.array.lose_all(&results, host),
            IntentStep::Refused(member) => {
                return Stepped::Refused(Blocked::Device(self.array.device(member)));
            }
        }
        Stepped::Moved
    }

    /// Lists the operations that wait for bits: theirs may be set.
    fn wake_for_bits(&mut self) {
        for index in self.slots.indices() {
            let Some(slot) = self.slots.get(index) else { continue };
            match &slot.occupant {
                Occupant::Operation { stripe, .. } if stripe.awaits() == Awaits::Bits => {
                    self.slots.make_ready(index);
                }
                Occupant::Operation { .. } | Occupant::Nobody | Occupant::Quarantined => {}
            }
        }
    }
}
