//! The logs of partial parity and the journal at work: their steps, and who is woken by them.

use super::quiesce::Running;
use super::slots::Occupant;
use super::{Engine, Stepped};
use crate::array::{Access, Fate};
use crate::host::{Blocked, Busy, Command, Host, Owner, SlotIndex, Token};
use crate::log::{JournalTask, LogStep, LogTask, Logs, SettleStep, Share};
use crate::members::MemberSet;
use crate::stripe::{Awaits, Stripe};
use crate::units::MemberIndex;

/// What an operation has in a log, if the array has logs.
#[inline]
pub(super) fn share(logs: &Logs, stripe: &Stripe) -> Share {
    logs.longest().map_or(Share::Nothing, |_| stripe.share())
}

impl Engine<'_> {
    /// Takes one step with a log, or towards logs that nobody needs any more.
    pub(super) fn step_logs(&mut self, host: &mut impl Host) -> Stepped {
        if self.array.log.longest().is_none() {
            return Stepped::Nothing;
        }
        match (self.running, self.array.fate(), self.array.access()) {
            (Running::Serving, Fate::Serving, Access::ReadWrite) => {}
            (Running::Serving | Running::Quiescing | Running::Quiesced, ..) => {
                return Stepped::Nothing;
            }
        }
        while let Some(holder) = self.array.log.next_call() {
            self.call_up(holder);
        }
        match self.step_log(host) {
            Stepped::Nothing => self.step_settling(host),
            stepped @ (Stepped::Moved | Stepped::Refused(_)) => stepped,
        }
    }

    fn step_log(&mut self, host: &mut impl Host) -> Stepped {
        match self.array.log.step(self.array.durably_vouched(), self.array.present()) {
            LogStep::Nothing => Stepped::Nothing,
            LogStep::Moved => Stepped::Moved,
            LogStep::Offer(member, epoch, task) => {
                let device = self.array.device(member);
                let command = match task {
                    LogTask::Seal(batch) => Command::SealLog { device, member, batch },
                    LogTask::Flush => Command::Flush { device },
                };
                let answer = host.submit(Token { owner: Owner::Log, epoch, member }, command);
                self.array.log.offered(member, answer);
                match answer {
                    Ok(()) => Stepped::Moved,
                    Err(Busy) => Stepped::Refused(Blocked::Device(device)),
                }
            }
            LogStep::OfferJournal(member, epoch, task) => {
                let device = self.array.device(member);
                let command = match task {
                    JournalTask::Seal(batch) => Command::SealLog { device, member, batch },
                    JournalTask::Flush => Command::Flush { device },
                    JournalTask::Tail(stretch) => Command::RecordTail { device, member, stretch },
                };
                let answer = host.submit(Token { owner: Owner::Log, epoch, member }, command);
                self.array.log.offered_journal(epoch, answer);
                match answer {
                    Ok(()) => Stepped::Moved,
                    Err(Busy) => Stepped::Refused(Blocked::Device(device)),
                }
            }
            LogStep::Lost(member, fault) => {
                self.array.lose(MemberSet::only(member), fault, host);
                Stepped::Moved
            }
        }
    }

    fn step_settling(&mut self, host: &mut impl Host) -> Stepped {
        let mut settling = self.array.log.settling;
        let array = &self.array;
        let records = (array.unrecorded(), array.recorded());
        let step = settling.step(array.absent(), records, |member, epoch| {
            let command = Command::Flush { device: array.device(member) };
            host.submit(Token { owner: Owner::Settling, epoch, member }, command)
        });
        self.array.log.settling = settling;
        match step {
            SettleStep::Nothing => match self.array.log.begin_settling(self.array.present()) {
                LogStep::Moved => Stepped::Moved,
                LogStep::Nothing
                | LogStep::Offer(..)
                | LogStep::OfferJournal(..)
                | LogStep::Lost(..) => Stepped::Nothing,
            },
            SettleStep::Moved => Stepped::Moved,
            SettleStep::Refused(member) => {
                Stepped::Refused(Blocked::Device(self.array.device(member)))
            }
            SettleStep::Lost(results) => {
                self.array.lose_all(&results, host);
                Stepped::Moved
            }
            SettleStep::Over(covered) => {
                self.array.log.settled(covered);
                Stepped::Moved
            }
        }
    }

    /// Lists the operations that a log has news for: of those that wait for their turn the
    /// one that came first.
    fn call_up(&mut self, holder: MemberIndex) {
        let mut first: Option<(u64, SlotIndex)> = None;
        for index in self.slots.indices() {
            let Some(slot) = self.slots.get(index) else { continue };
            let Occupant::Operation { stripe, claim } = &slot.occupant else { continue };
            match (stripe.share(), stripe.awaits()) {
                (Share::Queued(member), _)
                    if member == holder
                        && !self.array.lost().contains(holder)
                        && !self.array.log.are_refused() =>
                {
                    let candidate = (claim.arrival(), index);
                    first = Some(first.map_or(candidate, |first| first.min(candidate)));
                }
                (_, Awaits::Log(member)) if member == holder => self.slots.make_ready(index),
                (
                    _,
                    Awaits::Log(_) | Awaits::Bits | Awaits::Generation(_) | Awaits::Completions,
                ) => {}
            }
        }
        if !self.array.log.wants_next(holder) {
            return;
        }
        match first {
            Some((_, index)) => {
                self.array.log.call(holder, index);
                self.slots.make_ready(index);
            }
            None => self.array.log.forget_queue(holder),
        }
    }
}
