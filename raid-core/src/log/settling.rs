//! How logs come to be needed no more: the writes that they speak of are made durable on all
//! members, and what was lost with a member is put on record.

use crate::batch::{Batch, Results, Round};
use crate::host::{Busy, Completion, Misuse};
use crate::members::MemberSet;
use crate::units::{Generation, MemberIndex};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Settling {
    state: State,
    epoch: u32,
    /// Whether the host was busy in this poll.
    offers: Offers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Offers {
    Allowed,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Idle,
    /// The writes that the logs of these members speak of are being made durable.
    Flush(MemberSet, Batch),
    /// The loss of a member that has not got them is being put on record.
    Record(MemberSet, Generation),
}

/// What a step led to.
pub(crate) enum SettleStep {
    Nothing,
    Moved,
    /// The host was busy for this member.
    Refused(MemberIndex),
    /// These members could not be flushed.
    Lost(Results),
    /// Nobody needs the logs of these members.
    Over(MemberSet),
}

impl Settling {
    pub(super) const IDLE: Self = Self { state: State::Idle, epoch: 0, offers: Offers::Allowed };

    pub(super) const fn offer_refused_again(&mut self) {
        self.offers = Offers::Allowed;
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    pub(super) const fn begin(&mut self, covers: MemberSet, present: MemberSet) {
        self.state = State::Flush(covers, Batch::of(present));
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Another device has come in at a place: what became of the one before, and of its log, is not
    /// its affair.
    pub(super) fn take_in(&mut self, member: MemberIndex) {
        match &mut self.state {
            State::Idle => {}
            State::Flush(covers, io) => {
                covers.remove(member);
                *io = io.without(member);
            }
            State::Record(covers, _) => covers.remove(member),
        }
    }

    pub(crate) fn step(
        &mut self,
        absent: MemberSet,
        (unrecorded, recorded): (Option<Generation>, Generation),
        mut submit: impl FnMut(MemberIndex, u32) -> Result<(), Busy>,
    ) -> SettleStep {
        match self.state {
            State::Idle => SettleStep::Nothing,
            State::Flush(covers, io) => {
                let waits = io.open() > 0 && io.open() == io.in_flight().count();
                if waits || self.offers == Offers::Refused {
                    return SettleStep::Nothing;
                }
                let epoch = self.epoch;
                match io.offer(absent, |member| submit(member, epoch)) {
                    Round::Waiting(io) => {
                        self.state = State::Flush(covers, io);
                        SettleStep::Moved
                    }
                    Round::Refused(io, member) => {
                        self.state = State::Flush(covers, io);
                        self.offers = Offers::Refused;
                        SettleStep::Refused(member)
                    }
                    Round::Quiet(results) if results.lost().difference(absent).is_empty() => {
                        self.state = State::Record(covers, unrecorded.unwrap_or(recorded));
                        SettleStep::Moved
                    }
                    Round::Quiet(results) => SettleStep::Lost(results),
                }
            }
            State::Record(covers, until) if recorded >= until => {
                self.state = State::Idle;
                SettleStep::Over(covers)
            }
            State::Record(..) => SettleStep::Nothing,
        }
    }

    pub(super) fn settle(
        &mut self,
        member: MemberIndex,
        epoch: u32,
        completion: Completion,
    ) -> Result<(), Misuse> {
        if epoch != self.epoch {
            return Err(Misuse::UnknownToken);
        }
        match &mut self.state {
            State::Flush(_, io) => io.settle(member, completion).map(|_| ()),
            State::Idle | State::Record(..) => Err(Misuse::UnknownToken),
        }
    }

    pub(super) const fn in_flight(&self) -> MemberSet {
        match self.state {
            State::Flush(_, io) => io.in_flight(),
            State::Idle | State::Record(..) => MemberSet::NONE,
        }
    }
}
