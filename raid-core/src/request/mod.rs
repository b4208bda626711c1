//! Requests: what a requester may ask for, and how it is cut into rectangles.

mod cut;

pub(crate) use cut::{Cursor, cut};

use crate::host::Durability;
use crate::io_limits::MemoryAlignment;
use crate::units::{Lba, Sectors};

/// What a requester asks the array for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub(crate) kind: RequestKind,
    pub(crate) at: Lba,
    pub(crate) sectors: Sectors,
    pub(crate) memory: MemoryAlignment,
    pub(crate) stability: Stability,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RequestKind {
    Read,
    Write(Durability),
    WriteZeroes(Durability),
    Check,
    Flush,
    MarkClean,
}

/// Whether somebody may change a request's memory before the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stability {
    /// Nobody does: parity is computed from it and members are written from it, without a copy.
    Stable,
    /// Somebody may, as with the memory of a guest or a mapped file: it is copied through lanes
    /// once, so that data and parity are made of the same bytes.
    Volatile,
}

impl Request {
    const fn over(kind: RequestKind, at: Lba, sectors: Sectors) -> Self {
        Self {
            kind,
            at,
            sectors,
            memory: MemoryAlignment::contiguous(0),
            stability: Stability::Stable,
        }
    }

    /// Read `sectors` at `at` into the requester's memory.
    #[must_use]
    pub const fn read(
        at: Lba,
        sectors: Sectors,
        memory: MemoryAlignment,
        stability: Stability,
    ) -> Self {
        Self { memory, stability, ..Self::over(RequestKind::Read, at, sectors) }
    }

    /// Write the requester's memory to `sectors` at `at`.
    #[must_use]
    pub const fn write(
        at: Lba,
        sectors: Sectors,
        memory: MemoryAlignment,
        stability: Stability,
        durability: Durability,
    ) -> Self {
        Self { memory, stability, ..Self::over(RequestKind::Write(durability), at, sectors) }
    }

    /// Write zeroes to `sectors` at `at`.
    #[must_use]
    pub const fn write_zeroes(at: Lba, sectors: Sectors, durability: Durability) -> Self {
        Self::over(RequestKind::WriteZeroes(durability), at, sectors)
    }

    /// Compare parity or copies of the rows that hold `sectors` at `at`, and change nothing.
    #[must_use]
    pub const fn check(at: Lba, sectors: Sectors) -> Self {
        Self::over(RequestKind::Check, at, sectors)
    }

    /// Make every write durable that was answered before this request was started.
    #[must_use]
    pub const fn flush() -> Self {
        Self::over(RequestKind::Flush, Lba(0), Sectors::ZERO)
    }

    /// Once all requests before this one are answered: make their writes durable and record that
    /// the array is clean. The next write marks it dirty again.
    #[must_use]
    pub const fn mark_clean() -> Self {
        Self::over(RequestKind::MarkClean, Lba(0), Sectors::ZERO)
    }
}
