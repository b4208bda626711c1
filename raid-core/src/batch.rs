//! One set of like commands, at most one a member: not yet accepted, in flight, and how they ended.

use crate::host::{Busy, Completion, Fault, Misuse};
use crate::members::MemberSet;
use crate::units::MemberIndex;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Batch {
    /// Not yet accepted by the host.
    issue: MemberSet,
    /// In flight.
    wait: MemberSet,
    /// Kinds of failures, in two bits for each member, so that a batch takes little memory: what
    /// costs the block, or is rejected,
    not_member: MemberSet,
    /// and what costs the member, or is rejected.
    not_block: MemberSet,
    block_fault: Fault,
    member_fault: Fault,
    rejected_fault: Fault,
}

/// How the commands of a batch ended: those that are in no set here are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Results {
    /// Media and integrity faults: these blocks are lost.
    pub(crate) blocks: MemberSet,
    /// Transport faults and devices gone: these members are lost.
    pub(crate) members: MemberSet,
    /// Malformed or unsupported, says the device.
    pub(crate) rejected: MemberSet,
    /// The last fault of each kind, in the order of the sets above.
    pub(crate) block_fault: Fault,
    pub(crate) member_fault: Fault,
    pub(crate) rejected_fault: Fault,
}

impl Results {
    /// Members that failed in any way.
    #[inline]
    pub(crate) fn lost(&self) -> MemberSet {
        self.blocks.union(self.members).union(self.rejected)
    }
}

/// What offering a batch to the host led to.
pub(crate) enum Round {
    /// Nothing is left to issue and nothing is in flight.
    Quiet(Results),
    /// All is issued; completions are due.
    Waiting(Batch),
    /// The host was busy for this member, at least.
    Refused(Batch, MemberIndex),
}

/// Whether the host took commands of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Nothing,
    Something,
}

/// Whether a batch has more to come after a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Other commands are in flight, or not issued yet.
    More,
    /// This was the last one.
    Last,
}

impl Batch {
    #[inline]
    pub(crate) const fn of(issue: MemberSet) -> Self {
        Self {
            issue,
            wait: MemberSet::NONE,
            not_member: MemberSet::NONE,
            not_block: MemberSet::NONE,
            block_fault: Fault::Media,
            member_fault: Fault::Gone,
            rejected_fault: Fault::InvalidRequest,
        }
    }

    /// What is not issued yet to these members fails like a block that cannot be read: it has been
    /// found bad meanwhile.
    #[inline]
    pub(crate) fn sparing(mut self, bad: MemberSet) -> Self {
        let spared = self.issue.intersection(bad);
        self.issue = self.issue.difference(spared);
        self.not_member = self.not_member.union(spared);
        self
    }

    /// The same batch without a member to whom nothing is in flight.
    #[inline]
    pub(crate) fn without(mut self, member: MemberIndex) -> Self {
        self.issue.remove(member);
        self.not_member.remove(member);
        self.not_block.remove(member);
        self
    }

    /// Offers what is not issued yet; a command to a member in `absent` ends at once, as gone.
    #[inline]
    pub(crate) fn offer(
        mut self,
        absent: MemberSet,
        mut submit: impl FnMut(MemberIndex) -> Result<(), Busy>,
    ) -> Round {
        let gone = self.issue.intersection(absent);
        self.issue = self.issue.difference(gone);
        self.not_block = self.not_block.union(gone);
        let mut refused = None;
        for member in self.issue {
            match submit(member) {
                Ok(()) => {
                    self.issue.remove(member);
                    self.wait.insert(member);
                }
                Err(Busy) => refused = refused.or(Some(member)),
            }
        }
        match refused {
            Some(member) => Round::Refused(self, member),
            None if self.wait.is_empty() => Round::Quiet(self.results()),
            None => Round::Waiting(self),
        }
    }

    /// Records how one command ended.
    #[inline]
    pub(crate) fn settle(
        &mut self,
        member: MemberIndex,
        completion: Completion,
    ) -> Result<Settled, Misuse> {
        if !self.wait.contains(member) {
            return Err(Misuse::UnknownToken);
        }
        match completion {
            Completion::Done => {}
            Completion::Compared { .. } | Completion::Located(_) => {
                return Err(Misuse::WrongCompletion);
            }
            Completion::Failed(fault) => match fault {
                Fault::Media | Fault::Integrity => {
                    self.not_member.insert(member);
                    self.block_fault = fault;
                }
                Fault::Transport | Fault::Gone => {
                    self.not_block.insert(member);
                    self.member_fault = fault;
                }
                Fault::InvalidRequest | Fault::Unsupported => {
                    self.not_member.insert(member);
                    self.not_block.insert(member);
                    self.rejected_fault = fault;
                }
            },
        }
        self.wait.remove(member);
        Ok(if self.wait.is_empty() && self.issue.is_empty() {
            Settled::Last
        } else {
            Settled::More
        })
    }

    #[inline]
    fn results(&self) -> Results {
        Results {
            blocks: self.not_member.difference(self.not_block),
            members: self.not_block.difference(self.not_member),
            rejected: self.not_member.intersection(self.not_block),
            block_fault: self.block_fault,
            member_fault: self.member_fault,
            rejected_fault: self.rejected_fault,
        }
    }

    /// The same batch, of which nothing more is issued.
    pub(crate) const fn withdrawn(self) -> Self {
        Self { issue: MemberSet::NONE, ..self }
    }

    /// Whether a command to a member that is not lost was taken.
    #[inline]
    pub(crate) fn taken(&self, of: MemberSet, absent: MemberSet) -> Taken {
        let taken = of.difference(self.issue).difference(absent);
        if self.wait.is_empty() && taken.is_empty() { Taken::Nothing } else { Taken::Something }
    }

    /// Commands that have not ended.
    #[inline]
    pub(crate) fn open(&self) -> u32 {
        self.issue.count().saturating_add(self.wait.count())
    }

    /// Whether a command to this member is in flight, or to be issued, or has failed: that is acted upon
    /// when the last has ended.
    #[inline]
    pub(crate) fn names(&self, member: MemberIndex) -> bool {
        let failed = self.not_member.union(self.not_block);
        self.issue.union(self.wait).union(failed).contains(member)
    }

    /// Commands in flight.
    #[inline]
    pub(crate) const fn in_flight(&self) -> MemberSet {
        self.wait
    }
}
