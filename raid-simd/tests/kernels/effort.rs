//! How much the sweeps take in.

use std::env::{VarError, var};

/// Set by `RAID_SIMD_TESTS`: for an emulated CPU or for a night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Every loop and every length, fewer of their combinations.
    Short,
    /// What the tests say.
    Usual,
    /// More random rows.
    Long,
}

impl Effort {
    pub(crate) fn asked() -> Self {
        match var("RAID_SIMD_TESTS").as_deref() {
            Err(VarError::NotPresent) => Self::Usual,
            Ok("short") => Self::Short,
            Ok("long") => Self::Long,
            other => panic!("RAID_SIMD_TESTS is {other:?}; it is short or long, or not there"),
        }
    }

    /// Those that are swept: all, or in a short run every `step`th.
    pub(crate) fn of<T>(
        self,
        all: impl Iterator<Item = T>,
        step: usize,
    ) -> impl Iterator<Item = T> {
        match self {
            Self::Short => all.step_by(step),
            Self::Usual | Self::Long => all.step_by(1),
        }
    }
}
