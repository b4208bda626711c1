//! What a measurement is of.

use core::fmt;

use clap::ValueEnum;

/// An operation of RAID 5 and 6, in the words of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Operation {
    GenPq,
    Xor,
    UpdatePq,
    RecoverOne,
    RecoverTwo,
    RecoverDataP,
    Check,
}

impl Operation {
    pub(crate) const ALL: [Self; 7] = [
        Self::GenPq,
        Self::Xor,
        Self::UpdatePq,
        Self::RecoverOne,
        Self::RecoverTwo,
        Self::RecoverDataP,
        Self::Check,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GenPq => "gen_pq",
            Self::Xor => "xor",
            Self::UpdatePq => "update_pq",
            Self::RecoverOne => "recover_one",
            Self::RecoverTwo => "recover_two",
            Self::RecoverDataP => "recover_data_p",
            Self::Check => "check",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the blocks are when a call begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    /// In the cache that they fit in: the same row again and again.
    Hot,
    /// In memory: one row after another.
    Memory,
}

impl Place {
    pub(crate) const ALL: [Self; 2] = [Self::Hot, Self::Memory];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An operation on a row of `k` data blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Task {
    pub(crate) operation: Operation,
    /// Data blocks in the row.
    pub(crate) k: usize,
    /// Bytes in a block.
    pub(crate) chunk: usize,
}

impl Task {
    /// The data bytes that a call counts for.
    pub(crate) fn bytes(&self) -> usize {
        match self.operation {
            Operation::UpdatePq => self.chunk,
            Operation::GenPq
            | Operation::Xor
            | Operation::RecoverOne
            | Operation::RecoverTwo
            | Operation::RecoverDataP
            | Operation::Check => self.k * self.chunk,
        }
    }

    /// The lost block, or the first of two, or the changed one. Of the middle, so that the
    /// exponents of the survivors have a gap.
    pub(crate) fn first(&self) -> usize {
        self.k / 4
    }

    /// The second lost block.
    pub(crate) fn second(&self) -> usize {
        self.k / 2
    }
}

/// A cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) task: Task,
    pub(crate) place: Place,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Task { operation, k, chunk } = self.task;
        write!(f, "{operation}\t{}\t{k}\t{chunk}", self.place)
    }
}
