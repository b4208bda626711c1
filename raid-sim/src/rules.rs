//! Which commands fail, how, and what they leave behind.

use core::ops::Range;

use raid_core::host::Fault;

/// What a command does to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It reads.
    Read,
    /// It writes.
    Write,
    /// It flushes.
    Flush,
    /// It writes metadata.
    Record,
    /// It writes bits of the write-intent bitmap.
    Intent,
    /// It puts blocks on the list of bad ones, or takes them off.
    List,
}

impl Action {
    /// Every action.
    pub const ALL: &'static [Self] =
        &[Self::Read, Self::Write, Self::Flush, Self::Record, Self::List, Self::Intent];
}

/// What a failed write leaves on the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// What was there before.
    Nothing,
    /// All that was to be written; only the answer is bad.
    All,
    /// The first half of the sectors.
    Half,
}

/// Makes commands to a device fail.
#[derive(Clone, Debug)]
pub struct Rule {
    actions: &'static [Action],
    sectors: Range<u64>,
    fault: Fault,
    leaves: Leaves,
    /// Matching commands that are let through first.
    skip: u64,
    /// Matching commands that fail after that.
    times: u64,
}

/// What a rule says about a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it fails.
    pub fault: Fault,
    /// What is on the medium all the same.
    pub leaves: Leaves,
}

impl Rule {
    /// Every command of these kinds fails, wherever it goes, for ever.
    #[must_use]
    pub const fn on(actions: &'static [Action], fault: Fault) -> Self {
        Self {
            actions,
            sectors: 0..u64::MAX,
            fault,
            leaves: Leaves::Nothing,
            skip: 0,
            times: u64::MAX,
        }
    }

    /// Whether the device calls the commands malformed, or cannot do them.
    #[must_use]
    pub const fn rejects(&self) -> bool {
        match self.fault {
            Fault::InvalidRequest | Fault::Unsupported => true,
            Fault::Media | Fault::Integrity | Fault::Transport | Fault::Gone => false,
        }
    }

    /// The device is gone once it has carried out `commands` more.
    #[must_use]
    pub const fn gone_after(commands: u64) -> Self {
        Self::on(Action::ALL, Fault::Gone).skipping(commands)
    }

    /// Only commands that touch these sectors. Flushes and metadata touch none in particular, so
    /// they match still.
    #[must_use]
    pub const fn at(self, sectors: Range<u64>) -> Self {
        Self { sectors, ..self }
    }

    /// Only after so many matching commands.
    #[must_use]
    pub const fn skipping(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// Only so many times.
    #[must_use]
    pub const fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    /// A failed write leaves something behind.
    #[must_use]
    pub const fn leaving(self, leaves: Leaves) -> Self {
        Self { leaves, ..self }
    }

    /// Whether commands fail for ever.
    #[must_use]
    pub const fn lasts(&self) -> bool {
        self.times == u64::MAX
    }

    /// What the rule says about a command. Counts it.
    pub(crate) fn judge(&mut self, action: Action, sectors: &Range<u64>) -> Option<Verdict> {
        let touches = match action {
            Action::Read | Action::Write | Action::List => {
                sectors.start < self.sectors.end && self.sectors.start < sectors.end
            }
            Action::Flush | Action::Record | Action::Intent => true,
        };
        if !self.actions.contains(&action) || !touches || self.times == 0 {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if !self.lasts() {
            self.times -= 1;
        }
        Some(Verdict { fault: self.fault, leaves: self.leaves })
    }
}
