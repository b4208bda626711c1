//! Layouts by md's numbers: how data, parity and copies rotate over the members.

/// How one level places its blocks. Says the level too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Chunks dealt out in turn, no redundancy. All members are of one size.
    Raid0,
    /// Every member is a copy.
    Raid1,
    /// One parity block, on the last member.
    Raid4,
    /// One parity block, placed by the layout.
    Raid5(Raid5Layout),
    /// Two parity blocks, placed by the layout.
    Raid6(Raid6Layout),
    /// Copies of each chunk on different members.
    Raid10(Raid10Layout),
}

/// The six layouts of level 5, numbers 0 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Raid5Layout {
    /// Number 0.
    LeftAsymmetric,
    /// Number 1.
    RightAsymmetric,
    /// Number 2, md's default.
    LeftSymmetric,
    /// Number 3.
    RightSymmetric,
    /// Number 4.
    ParityFirst,
    /// Number 5.
    ParityLast,
}

/// The layouts of level 6: numbers 0 to 5 rotate both parities, 8 to 10 are those of the DDF
/// standard, 16 to 20 (`…6`) are a level 5 layout with Q on one more member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Raid6Layout {
    /// Number 0.
    LeftAsymmetric,
    /// Number 1.
    RightAsymmetric,
    /// Number 2, md's default.
    LeftSymmetric,
    /// Number 3.
    RightSymmetric,
    /// Number 4.
    ParityFirst,
    /// Number 5.
    ParityLast,
    /// Number 8.
    DdfZeroRestart,
    /// Number 9.
    DdfNRestart,
    /// Number 10.
    DdfNContinue,
    /// Number 16.
    LeftAsymmetric6,
    /// Number 17.
    RightAsymmetric6,
    /// Number 18.
    LeftSymmetric6,
    /// Number 19.
    RightSymmetric6,
    /// Number 20.
    ParityFirst6,
}

/// The layout of level 10: how many copies lie side by side, and how many lie far apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Raid10Layout {
    /// Copies on neighbouring members of one row; at least 1.
    pub near: u8,
    /// Copies on shifted members, `spread` apart; at least 1.
    pub far: u8,
    /// Where the far copies lie.
    pub spread: Spread,
}

/// Where the far copies of level 10 lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spread {
    /// In zones of the whole member, one zone a copy (md's "far").
    Zones,
    /// In the next row (md's "offset").
    Rows,
    /// In zones, and shifted only within sets of `near · far` members (md's "improved far sets").
    ZonesInSets,
    /// In the next row, and shifted only within sets of `near · far` members.
    RowsInSets,
}

impl Raid5Layout {
    /// Every layout, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::LeftAsymmetric,
        Self::RightAsymmetric,
        Self::LeftSymmetric,
        Self::RightSymmetric,
        Self::ParityFirst,
        Self::ParityLast,
    ];

    /// md's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::LeftAsymmetric => 0,
            Self::RightAsymmetric => 1,
            Self::LeftSymmetric => 2,
            Self::RightSymmetric => 3,
            Self::ParityFirst => 4,
            Self::ParityLast => 5,
        }
    }

    /// The name that md's tools use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeftAsymmetric => "left-asymmetric",
            Self::RightAsymmetric => "right-asymmetric",
            Self::LeftSymmetric => "left-symmetric",
            Self::RightSymmetric => "right-symmetric",
            Self::ParityFirst => "parity-first",
            Self::ParityLast => "parity-last",
        }
    }
}

impl Raid6Layout {
    /// Every layout, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::LeftAsymmetric,
        Self::RightAsymmetric,
        Self::LeftSymmetric,
        Self::RightSymmetric,
        Self::ParityFirst,
        Self::ParityLast,
        Self::DdfZeroRestart,
        Self::DdfNRestart,
        Self::DdfNContinue,
        Self::LeftAsymmetric6,
        Self::RightAsymmetric6,
        Self::LeftSymmetric6,
        Self::RightSymmetric6,
        Self::ParityFirst6,
    ];

    /// md's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::LeftAsymmetric => 0,
            Self::RightAsymmetric => 1,
            Self::LeftSymmetric => 2,
            Self::RightSymmetric => 3,
            Self::ParityFirst => 4,
            Self::ParityLast => 5,
            Self::DdfZeroRestart => 8,
            Self::DdfNRestart => 9,
            Self::DdfNContinue => 10,
            Self::LeftAsymmetric6 => 16,
            Self::RightAsymmetric6 => 17,
            Self::LeftSymmetric6 => 18,
            Self::RightSymmetric6 => 19,
            Self::ParityFirst6 => 20,
        }
    }

    /// The name that md's tools use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LeftAsymmetric => "left-asymmetric",
            Self::RightAsymmetric => "right-asymmetric",
            Self::LeftSymmetric => "left-symmetric",
            Self::RightSymmetric => "right-symmetric",
            Self::ParityFirst => "parity-first",
            Self::ParityLast => "parity-last",
            Self::DdfZeroRestart => "ddf-zero-restart",
            Self::DdfNRestart => "ddf-N-restart",
            Self::DdfNContinue => "ddf-N-continue",
            Self::LeftAsymmetric6 => "left-asymmetric-6",
            Self::RightAsymmetric6 => "right-asymmetric-6",
            Self::LeftSymmetric6 => "left-symmetric-6",
            Self::RightSymmetric6 => "right-symmetric-6",
            Self::ParityFirst6 => "parity-first-6",
        }
    }
}
