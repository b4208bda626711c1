//! Coming to rest: what has written is finished, all else is handed back.

use super::slots::Occupant;
use super::{Engine, Stepped, admission::Admitted};
use crate::host::{Event, Failure, Host};
use crate::pass::{Halt, ReshapeHalt};
use crate::stripe::{Awaits, Stripe};

/// Whether the engine takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Running {
    /// It does.
    Serving,
    /// It does not, and ends what there is.
    Quiescing,
    /// It does not, and issues nothing.
    Quiesced,
}

impl Engine<'_> {
    /// Brings the engine to rest. What follows is done in [`Engine::poll`]:
    ///
    /// * No operation begins. Requests that are not done are answered with
    ///   [`Failure::HandedBack`], where nothing was written, or [`Failure::Interrupted`].
    /// * An operation that has not written is given up: without any command if none of it is in
    ///   flight, else when what is in flight has come back. One of whose writes the host took none
    ///   is given up as soon as the host is busy for them.
    /// * An operation of whose writes the host took one goes on to its end, which includes the
    ///   record of a member that it survived. For these the host has to take what is left: one that
    ///   cannot says so by ending the command with [`Fault::Gone`](crate::host::Fault::Gone).
    /// * A pass at work is parked, with its position on record.
    /// * Metadata is written for those alone. A generation that nobody needs is left as it is, as by
    ///   a loss of power.
    ///
    /// Then [`Event::Quiesced`] is noted, once. Nothing is in flight then but commands that were
    /// [abandoned](Engine::abandon).
    ///
    /// It takes at most `slots * (2 * members + 2 * members * units) + (members + 2) * 3 * members +
    /// 2 * members` completions, `units` being the 4 KiB units of a lane, and one more: of each
    /// operation its batch of reads or writes, the writes once more in units, each of which may be
    /// found bad, and a flush; and a flush, a record and a flush on each member for the generation
    /// in flight, for one after it, and for each member that fails; and of each log what is in
    /// flight, and a flush of each member. With a write-intent bitmap, what is in flight for it
    /// besides: one for each member.
    ///
    /// A clean stop is a request to [mark the array
    /// clean](crate::request::Request::mark_clean), and then this.
    pub fn quiesce(&mut self) {
        match self.running {
            Running::Serving => self.running = Running::Quiescing,
            Running::Quiescing | Running::Quiesced => return,
        }
        self.pass.halt(Halt::Parked);
        self.pass.give_up(ReshapeHalt::Parked);
        for index in self.slots.indices() {
            let Some(slot) = self.slots.get(index) else { continue };
            let Occupant::Operation { stripe, .. } = &slot.occupant else { continue };
            match (stripe, stripe.awaits()) {
                (Stripe::Planned(_), _)
                | (_, Awaits::Generation(_) | Awaits::Log(_) | Awaits::Bits) => {
                    self.slots.make_ready(index);
                }
                (_, Awaits::Completions) => {}
            }
        }
    }

    /// Takes requests again. What was being handed back still is.
    pub const fn resume(&mut self) {
        self.running = Running::Serving;
    }

    /// Hands the request at the head of the queue back, or what is not begun of it.
    pub(super) fn hand_back(&mut self, host: &mut impl Host) -> Admitted {
        let Some((id, progress)) = self.requests.head() else { return Admitted::Nothing };
        progress.fail(Failure::HandedBack);
        self.cut_up(id);
        self.answer_if_finished(id, host);
        Admitted::Something
    }

    /// Whether metadata may be written now.
    #[inline]
    pub(super) fn writer_may_step(&self) -> Admitted {
        let waits = || {
            self.slots.storage.iter().any(|slot| match &slot.occupant {
                Occupant::Operation { stripe, .. } => stripe.must_be_recorded().is_some(),
                Occupant::Quarantined | Occupant::Nobody => false,
            })
        };
        match self.running {
            Running::Serving => Admitted::Something,
            Running::Quiescing if waits() || self.pass.is_settling() => Admitted::Something,
            Running::Quiescing | Running::Quiesced => Admitted::Nothing,
        }
    }

    /// Nothing is left to step: the engine is at rest if nothing is in flight either.
    pub(super) fn come_to_rest(&mut self, host: &mut impl Host) -> Stepped {
        match self.running {
            Running::Quiescing
                if self.slots.used == 0
                    && self.array.writer.in_flight().is_empty()
                    && self.intents_in_flight().is_empty()
                    && self.array.log.in_flight().is_empty()
                    && !self.pass.is_settling()
                    && !self.pass.awaits_backup() =>
            {
                self.running = Running::Quiesced;
                host.note(Event::Quiesced);
                Stepped::Moved
            }
            Running::Serving | Running::Quiescing | Running::Quiesced => Stepped::Nothing,
        }
    }
}
