//! Layouts by the words that md's tools use, and by the words of its superblock.

use core::fmt;

use super::error::ConfigError;
use super::layout::{Layout, Raid5Layout, Raid6Layout, Raid10Layout, Spread};

/// Above the near copies in the level 10 layout word: far copies, their spread, the kind of sets.
const FAR_SHIFT: u32 = 8;
const OFFSET_BIT: u32 = 1 << 16;
const SETS_SHIFT: u32 = 17;

impl Layout {
    /// The layout of md's level and layout numbers, as superblocks have them.
    ///
    /// Levels 1 and 4 ignore the layout. Level 0 has numbers 0 to 2, which differ only on members
    /// of different sizes. Level 10 has a word: near copies in bits 0 to 7, far copies in bits 8 to
    /// 15, bit 16 for far copies in the next row, bits 17 and 18 for the kind of sets: 0 for none,
    /// 2 for sets.
    ///
    /// # Errors
    ///
    /// Says which number is unknown. Level 10's sets of kind 1 are refused as faulty.
    pub fn from_md(level: i32, layout: u32) -> Result<Self, ConfigError> {
        let unknown = ConfigError::UnknownLayout { level, layout };
        match level {
            0 if layout <= 2 => Ok(Self::Raid0),
            0 => Err(unknown),
            1 => Ok(Self::Raid1),
            4 => Ok(Self::Raid4),
            5 => Raid5Layout::ALL
                .into_iter()
                .find(|known| known.number() == layout)
                .map(Self::Raid5)
                .ok_or(unknown),
            6 => Raid6Layout::ALL
                .into_iter()
                .find(|known| known.number() == layout)
                .map(Self::Raid6)
                .ok_or(unknown),
            10 => Raid10Layout::from_word(layout, unknown).map(Self::Raid10),
            _ => Err(ConfigError::UnknownLevel { level }),
        }
    }

    /// md's number of the level.
    #[must_use]
    pub const fn md_level(self) -> i32 {
        match self {
            Self::Raid0 => 0,
            Self::Raid1 => 1,
            Self::Raid4 => 4,
            Self::Raid5(_) => 5,
            Self::Raid6(_) => 6,
            Self::Raid10(_) => 10,
        }
    }

    /// md's number of the layout; 0 for the levels that have no choice.
    #[must_use]
    pub fn md_layout(self) -> u32 {
        match self {
            Self::Raid0 | Self::Raid1 | Self::Raid4 => 0,
            Self::Raid5(layout) => layout.number(),
            Self::Raid6(layout) => layout.number(),
            Self::Raid10(layout) => layout.word(),
        }
    }

    /// The layout of a level by the name that md's tools use, or by what [`Display`](fmt::Display)
    /// writes. `default` is the choice of md's tools; levels 1 and 4 know only that and `-`.
    ///
    /// # Errors
    ///
    /// Says which of the two is unknown.
    pub fn from_name(level: u8, name: &str) -> Result<Self, ConfigError> {
        let layout = match (level, name) {
            (0, "original" | "alternate" | "dangerous" | "default" | "-") => Some(Self::Raid0),
            (1, "default" | "-") => Some(Self::Raid1),
            (4, "default" | "-") => Some(Self::Raid4),
            (5, name) => Raid5Layout::from_name(name).map(Self::Raid5),
            (6, name) => Raid6Layout::from_name(name).map(Self::Raid6),
            (10, name) => Raid10Layout::from_name(name).map(Self::Raid10),
            (0 | 1 | 4, _) => None,
            (_, _) => return Err(ConfigError::UnknownLevel { level: i32::from(level) }),
        };
        layout.ok_or(ConfigError::UnknownLayoutName { level })
    }
}

/// The name of the layout without the level, as md's tools have it: `left-symmetric`, `n2`, and `-`
/// for the levels that have no choice.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raid0 | Self::Raid1 | Self::Raid4 => f.pad("-"),
            Self::Raid5(layout) => f.pad(layout.name()),
            Self::Raid6(layout) => f.pad(layout.name()),
            Self::Raid10(layout) => layout.fmt(f),
        }
    }
}

impl Raid5Layout {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "la" => Some(Self::LeftAsymmetric),
            "ra" => Some(Self::RightAsymmetric),
            "ls" | "default" => Some(Self::LeftSymmetric),
            "rs" => Some(Self::RightSymmetric),
            name => Self::ALL.into_iter().find(|layout| layout.name() == name),
        }
    }
}

impl Raid6Layout {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "la" => Some(Self::LeftAsymmetric),
            "ra" => Some(Self::RightAsymmetric),
            "ls" | "default" => Some(Self::LeftSymmetric),
            "rs" => Some(Self::RightSymmetric),
            name => Self::ALL.into_iter().find(|layout| layout.name() == name),
        }
    }
}

impl Raid10Layout {
    fn from_word(word: u32, unknown: ConfigError) -> Result<Self, ConfigError> {
        let [near, far, ..] = word.to_le_bytes();
        let spread = match (word.wrapping_shr(SETS_SHIFT), word & OFFSET_BIT) {
            (0, 0) => Spread::Zones,
            (0, _) => Spread::Rows,
            (1, _) => return Err(ConfigError::FaultyFarSets),
            (2, 0) => Spread::ZonesInSets,
            (2, _) => Spread::RowsInSets,
            (_, _) => return Err(unknown),
        };
        if near == 0 || far == 0 { Err(unknown) } else { Ok(Self { near, far, spread }) }
    }

    fn word(self) -> u32 {
        let spread = match self.spread {
            Spread::Zones => 0,
            Spread::Rows => OFFSET_BIT,
            Spread::ZonesInSets => 2 << SETS_SHIFT,
            Spread::RowsInSets => OFFSET_BIT | (2 << SETS_SHIFT),
        };
        let far = u32::from(self.far).wrapping_shl(FAR_SHIFT);
        u32::from(self.near) | far | spread
    }

    /// `n2`, `f2`, `o2`, and for what md's tools have no word: `n2f2`, `n2o2`, any with `-sets`
    /// behind it.
    fn from_name(name: &str) -> Option<Self> {
        let name = if name == "default" { "n2" } else { name };
        let (name, sets) = match name.strip_suffix("-sets") {
            Some(name) => (name, Sets::Separate),
            None => (name, Sets::One),
        };
        let (near, rest) = match name.strip_prefix('n') {
            Some(rest) => {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                let (digits, rest) = rest.split_at_checked(end)?;
                (count(digits)?, rest)
            }
            None => (1, name),
        };
        let (far, rows) = match (rest.strip_prefix('f'), rest.strip_prefix('o')) {
            (Some(digits), _) => (count(digits)?, Rows::Apart),
            (None, Some(digits)) => (count(digits)?, Rows::Next),
            (None, None) if rest.is_empty() && name.starts_with('n') => (1, Rows::Apart),
            (None, None) => return None,
        };
        let spread = match (rows, sets) {
            (Rows::Apart, Sets::One) => Spread::Zones,
            (Rows::Next, Sets::One) => Spread::Rows,
            (Rows::Apart, Sets::Separate) => Spread::ZonesInSets,
            (Rows::Next, Sets::Separate) => Spread::RowsInSets,
        };
        Some(Self { near, far, spread })
    }
}

#[derive(Clone, Copy)]
enum Sets {
    One,
    Separate,
}

#[derive(Clone, Copy)]
enum Rows {
    Apart,
    Next,
}

/// A number of copies: digits only, and not nothing.
fn count(digits: &str) -> Option<u8> {
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|count| *count > 0)
}

impl fmt::Display for Raid10Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { near, far, spread } = *self;
        let (letter, sets) = match spread {
            Spread::Zones => ('f', ""),
            Spread::Rows => ('o', ""),
            Spread::ZonesInSets => ('f', "-sets"),
            Spread::RowsInSets => ('o', "-sets"),
        };
        match (near, far, spread) {
            (_, 1, Spread::Zones) => write!(f, "n{near}"),
            (1, _, _) => write!(f, "{letter}{far}{sets}"),
            (_, _, _) => write!(f, "n{near}{letter}{far}{sets}"),
        }
    }
}
