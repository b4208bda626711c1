//! Commands that the host stopped waiting for, and what must not be touched until they are dead.
//!
//! An abandoned command may still read or fill its memory, and may still reach the medium. So its
//! member is lost, its slot's lanes are in quarantine, and the requester's memory is held, until the
//! host reports the command after all: from then on it is dead. A member has at most one command in
//! a slot, and gets none any more once it is lost, so a slot has at most one abandoned command for
//! each member.

use super::slots::{Occupant, Slot};
use super::{Engine, Stepped};
use crate::batch::Settled;
use crate::host::{Buffer, Completion, Event, Fault, Host, Misuse, Owner, SlotIndex, Token};
use crate::limits::MEMBERS_MAX;
use crate::members::MemberSet;
use crate::stripe::{Ending, Outcome, Retries, Stripe, Trouble};
use crate::units::MemberIndex;

/// States of one operation whose commands a slot can remember: Gather, ParityLog or ToJournal, Commit, retries
/// in units, and Flush.
const STATES_MAX: usize = 4;

/// A slot's abandoned commands that are not dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Quarantine {
    /// The epochs of the states that issued them,
    epochs: [u32; STATES_MAX],
    /// and to whom.
    members: [MemberSet; STATES_MAX],
    /// Whose memory one of them names.
    holds: Option<Held>,
}

/// Memory besides lanes that an abandoned command names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Held {
    /// That of the request in this place.
    Request(u16),
    /// The window of a reshape.
    Window,
}

impl Quarantine {
    pub(super) const NONE: Self =
        Self { epochs: [0; STATES_MAX], members: [MemberSet::NONE; STATES_MAX], holds: None };

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.members.iter().all(MemberSet::is_empty)
    }

    #[inline]
    pub(super) fn retries(&self) -> Retries {
        match self.members.iter().filter(|members| members.is_empty()).count() {
            // One is left for Flush.
            0 | 1 => Retries::Over,
            _ => Retries::Allowed,
        }
    }

    /// How a read ends instead of beginning again: what it issued may still fill the requester's
    /// memory.
    #[inline]
    pub(super) fn holds_back(&self, stripe: &Stripe) -> Option<Ending> {
        self.holds?;
        // Nothing is gathered in a slot in quarantine, so what hangs here is of this operation.
        match stripe {
            Stripe::Gather(_) => {
                let outcome = Outcome::Failed(Trouble::MemoryHeld);
                stripe.work().map(|work| Ending::Work(*work, outcome))
            }
            Stripe::Planned(_)
            | Stripe::Compute(_)
            | Stripe::ParityLog(_)
            | Stripe::ToJournal(_)
            | Stripe::Log(_)
            | Stripe::Intend(_)
            | Stripe::Commit(_)
            | Stripe::Rewrite(_)
            | Stripe::Record(_)
            | Stripe::Flush(_)
            | Stripe::Withdrawn(_) => None,
        }
    }

    fn states(&mut self) -> impl Iterator<Item = (&mut u32, &mut MemberSet)> {
        self.epochs.iter_mut().zip(&mut self.members)
    }

    /// Remembers a command. `None` if there is no room.
    fn insert(&mut self, epoch: u32, member: MemberIndex) -> Option<()> {
        let room = self.states().find(|(known, members)| members.is_empty() || **known == epoch);
        let (known, members) = room?;
        *known = epoch;
        members.insert(member);
        Some(())
    }

    /// Forgets a command, which is dead.
    fn remove(&mut self, epoch: u32, member: MemberIndex) -> Result<(), Misuse> {
        let state = self
            .states()
            .find(|(known, members)| **known == epoch && members.contains(member))
            .ok_or(Misuse::UnknownToken)?;
        state.1.remove(member);
        Ok(())
    }
}

/// Members with abandoned commands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abandoned {
    /// How many commands to each member are not dead.
    alive: [u16; MEMBERS_MAX],
    /// The members to whom there are any.
    members: MemberSet,
    /// Members whose loss is to be told and acted upon.
    hung: MemberSet,
    /// Members to whom there are none any more, to be told.
    quiet: MemberSet,
    /// Slots whose abandoned commands name the window of a reshape, and one to its backup.
    pub(super) over_window: u16,
    records: Machine,
    logs: Machine,
    settling: Machine,
    intents: Machine,
    /// The one to the backup of a reshape.
    pub(super) backup: Option<u32>,
}

/// Abandoned commands of a machine beside the stripes', at most one to each member. What memory they
/// name is the host's own; the member alone has to stay away.
#[derive(Clone, Copy, Debug)]
struct Machine {
    epochs: [u32; MEMBERS_MAX],
    members: MemberSet,
}

impl Machine {
    const NONE: Self = Self { epochs: [0; MEMBERS_MAX], members: MemberSet::NONE };

    fn begin(&mut self, token: Token) {
        if let Some(epoch) = self.epochs.get_mut(token.member.index()) {
            *epoch = token.epoch;
            self.members.insert(token.member);
        }
    }

    fn end(&mut self, token: Token) -> Result<(), Misuse> {
        let epoch = self.epochs.get(token.member.index());
        if !self.members.contains(token.member) || epoch != Some(&token.epoch) {
            return Err(Misuse::UnknownToken);
        }
        self.members.remove(token.member);
        Ok(())
    }
}

impl Abandoned {
    pub(super) const NONE: Self = Self {
        alive: [0; MEMBERS_MAX],
        members: MemberSet::NONE,
        hung: MemberSet::NONE,
        quiet: MemberSet::NONE,
        over_window: 0,
        records: Machine::NONE,
        logs: Machine::NONE,
        settling: Machine::NONE,
        intents: Machine::NONE,
        backup: None,
    };

    fn begin(&mut self, member: MemberIndex) {
        let Some(alive) = self.alive.get_mut(member.index()) else { return };
        *alive = alive.saturating_add(1);
        if !self.members.contains(member) {
            self.members.insert(member);
            self.hung.insert(member);
            self.quiet.remove(member);
        }
    }

    /// Whether the loss of a member is still to be acted upon.
    pub(super) fn is_to_be_lost(&self, member: MemberIndex) -> bool {
        self.hung.contains(member)
    }

    fn end(&mut self, member: MemberIndex) {
        let Some(alive) = self.alive.get_mut(member.index()) else { return };
        *alive = alive.saturating_sub(1);
        if *alive == 0 {
            self.members.remove(member);
            self.quiet.insert(member);
        }
    }
}

impl Engine<'_> {
    /// The host has stopped waiting for a command, which may still touch its memory or the medium.
    ///
    /// The member is lost. The operation goes on without it: reads that the member takes part in are
    /// begun again from other lanes, a write is lost like one to a member that is gone. What the
    /// command can still reach stays untouched until it is *dead*: until the host reports its token
    /// to [`Engine::on_done`] after all, with whatever completion. That report says that the command
    /// will touch nothing any more, and nothing else.
    ///
    /// Until then
    /// * the slot whose lanes the command names is used for nothing else. An operation that begins
    ///   again needs another slot, and waits where there is none: a host lends one slot more for
    ///   each hung command that it wants to survive;
    /// * the memory of a request that the command names is held ([`Loan`](crate::host::Loan)), and
    ///   with it the request's name;
    /// * a read that was to bring data straight into such memory is answered with
    ///   [`Failure::MemoryHeld`](crate::host::Failure::MemoryHeld): an answer that says that data is
    ///   there while something may still overwrite it would be a lie;
    /// * the member is in [`Engine::hung_members`] and cannot come back.
    ///
    /// A host that can stop a command for good needs no other call: it stops it, and reports it as
    /// failed with [`Fault::Gone`] or
    /// [`Fault::Transport`].
    ///
    /// # Errors
    /// The token names no command in flight, or a job over memory. Nothing has changed.
    pub fn abandon(&mut self, token: Token) -> Result<(), Misuse> {
        let gone = Completion::Failed(Fault::Gone);
        match token.owner {
            // It is no member's.
            Owner::Backup => return self.abandon_kept(token.epoch),
            Owner::Metadata => {
                self.array.writer.settle(token, gone)?;
                self.abandoned.records.begin(token);
            }
            Owner::Log => {
                self.array.log.settle(token.member, token.epoch, gone)?;
                self.abandoned.logs.begin(token);
            }
            Owner::Settling => {
                self.array.log.settle_flush(token.member, token.epoch, gone)?;
                self.abandoned.settling.begin(token);
            }
            Owner::Intent => {
                let intent = self.array.intent.as_mut().ok_or(Misuse::UnknownToken)?;
                intent.writer.settle(token, gone)?;
                self.abandoned.intents.begin(token);
            }
            Owner::Slot(index) => match self.abandon_in(index, token, gone)? {
                Settled::Last => self.slots.make_ready(index),
                Settled::More => {}
            },
        }
        self.abandoned.begin(token.member);
        Ok(())
    }

    /// Members to whom there are abandoned commands that are not dead: they cannot come back.
    #[must_use]
    pub const fn hung_members(&self) -> MemberSet {
        self.abandoned.members
    }

    fn abandon_in(
        &mut self,
        index: SlotIndex,
        token: Token,
        gone: Completion,
    ) -> Result<Settled, Misuse> {
        let place = self.array.place_of(token.member);
        let slot = self.slots.get(index).ok_or(Misuse::UnknownToken)?;
        let Slot { occupant, quarantine, epoch, .. } = slot;
        let stripe = match occupant {
            Occupant::Operation { stripe, .. } if *epoch == token.epoch => stripe,
            Occupant::Operation { .. } | Occupant::Quarantined | Occupant::Nobody => {
                return Err(Misuse::UnknownToken);
            }
        };
        let memory = stripe.memory(place, index)?;
        let mut kept = *quarantine;
        kept.insert(token.epoch, token.member).ok_or(Misuse::UnknownToken)?;
        let settled = stripe.settle(token.member, gone)?;
        match (memory, kept.holds) {
            (Some(Buffer::Caller { request, .. }), None) => {
                kept.holds = Some(Held::Request(request.index));
                self.requests.hold(request);
            }
            (Some(Buffer::Window { .. }), None) => {
                kept.holds = Some(Held::Window);
                self.abandoned.over_window = self.abandoned.over_window.saturating_add(1);
            }
            (Some(_), Some(_)) | (Some(Buffer::Lane { .. }) | None, _) => {}
        }
        *quarantine = kept;
        Ok(settled)
    }

    /// A report that names no command in flight: an abandoned one is dead.
    pub(super) fn on_dead(&mut self, token: Token, completion: Completion) -> Result<(), Misuse> {
        match completion {
            Completion::Done | Completion::Failed(_) => {}
            // No command to a device compares.
            Completion::Compared { .. } | Completion::Located(_) => {
                return Err(Misuse::UnknownToken);
            }
        }
        let member = token.member;
        match token.owner {
            Owner::Backup => return self.on_dead_kept(token.epoch),
            Owner::Metadata => self.abandoned.records.end(token)?,
            Owner::Log => self.abandoned.logs.end(token)?,
            Owner::Settling => self.abandoned.settling.end(token)?,
            Owner::Intent => self.abandoned.intents.end(token)?,
            Owner::Slot(index) => {
                let slot = self.slots.get(index).ok_or(Misuse::UnknownToken)?;
                slot.quarantine.remove(token.epoch, member)?;
                if slot.quarantine.is_empty() {
                    match slot.quarantine.holds.take() {
                        Some(Held::Request(request)) => self.requests.give_back(request),
                        Some(Held::Window) => {
                            let over = self.abandoned.over_window;
                            self.abandoned.over_window = over.saturating_sub(1);
                        }
                        None => {}
                    }
                    self.slots.end_quarantine(index);
                }
            }
        }
        self.abandoned.end(member);
        Ok(())
    }

    /// Tells the host of a member that hung or came to rest, or of memory that is returned.
    #[inline]
    pub(super) fn step_abandoned(&mut self, host: &mut impl Host) -> Stepped {
        if let Some(member) = self.abandoned.hung.lowest() {
            self.abandoned.hung.remove(member);
            host.note(Event::MemberHung { member });
            self.array.lose(MemberSet::only(member), Fault::Gone, host);
        } else if let Some(member) = self.abandoned.quiet.lowest() {
            self.abandoned.quiet.remove(member);
            host.note(Event::MemberQuiet { member });
        } else if let Some(request) = self.requests.pop_returned() {
            host.memory_returned(request);
        } else {
            return Stepped::Nothing;
        }
        Stepped::Moved
    }
}

/// Whether an operation has to leave its slot before it begins.
#[inline]
pub(super) fn must_move(stripe: &Stripe, quarantine: &Quarantine) -> bool {
    match stripe {
        Stripe::Planned(_) => !quarantine.is_empty(),
        Stripe::Gather(_)
        | Stripe::Compute(_)
        | Stripe::ParityLog(_)
        | Stripe::ToJournal(_)
        | Stripe::Log(_)
        | Stripe::Intend(_)
        | Stripe::Commit(_)
        | Stripe::Rewrite(_)
        | Stripe::Record(_)
        | Stripe::Flush(_)
        | Stripe::Withdrawn(_) => false,
    }
}
