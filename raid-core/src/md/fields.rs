//! The values of a superblock's fields.

use core::fmt::{self, Write};

use bitflags::bitflags;

use crate::reshape::Direction;
use crate::units::{DeviceSector, Lba, Sectors};

bitflags! {
    /// md's `feature_map`: what of a superblock is in use.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Features: u32 {
        /// A write-intent bitmap.
        const BITMAP_OFFSET = 1;
        /// This device is being recovered.
        const RECOVERY_OFFSET = 2;
        /// The array is being reshaped.
        const RESHAPE_ACTIVE = 4;
        /// The bad-block log has entries.
        const BAD_BLOCKS = 8;
        /// This device is to replace the member at its place.
        const REPLACEMENT = 16;
        /// A reshape that keeps the count of members walks backward.
        const RESHAPE_BACKWARDS = 32;
        /// A reshape moves the data area of this device.
        const NEW_OFFSET = 64;
        /// The recovery of this device goes by the bitmap.
        const RECOVERY_BITMAP = 128;
        /// The bitmap is shared by a cluster.
        const CLUSTERED = 256;
        /// The array has a write journal.
        const JOURNAL = 512;
        /// A partial parity log with room for one.
        const PPL = 1024;
        /// A partial parity log with room for several.
        const MULTIPLE_PPLS = 2048;
        /// The layout of a level 0 array is said.
        const RAID0_LAYOUT = 4096;
    }
}

bitflags! {
    /// md's `devflags`. Bits without a name are kept as they are, as the kernel does.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct DeviceFlags: u8 {
        /// To be read only if no other copy can be.
        const WRITE_MOSTLY = 1;
        /// Commands should fail early rather than be tried again below.
        const FAIL_FAST = 2;
        const _ = !0;
    }
}

/// Where on a device the superblock lies: the minor version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Minor {
    /// Near the end, so that the data can start at sector 0.
    V1_0,
    /// At the start.
    V1_1,
    /// 4 KiB from the start.
    V1_2,
}

impl Minor {
    /// Every minor version, in the order in which md looks for them.
    pub const ALL: [Self; 3] = [Self::V1_1, Self::V1_2, Self::V1_0];

    /// Where the superblock of a device of this size lies, or `None` if the device has no room for
    /// one.
    #[must_use]
    pub fn position(self, device_size: Sectors) -> Option<DeviceSector> {
        let before_end = device_size.0.checked_sub(16)?;
        Some(DeviceSector(match self {
            Self::V1_0 => before_end & !7,
            Self::V1_1 => 0,
            Self::V1_2 => 8,
        }))
    }

    /// The minor version of a superblock found here.
    #[must_use]
    pub const fn at(position: DeviceSector) -> Self {
        match position.0 {
            0 => Self::V1_1,
            8 => Self::V1_2,
            _ => Self::V1_0,
        }
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        })
    }
}

macro_rules! uuid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            /// As md's tools print it: four groups of eight digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for (at, byte) in self.0.iter().enumerate() {
                    if at != 0 && at.is_multiple_of(4) {
                        f.write_char(':')?;
                    }
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }
    };
}

uuid!(
    /// Names an array: all its members bear the same.
    ArrayUuid
);
uuid!(
    /// Names one device, in all arrays.
    DeviceUuid
);

/// The name of an array, usually `host:name`, padded with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArrayName(pub [u8; 32]);

impl ArrayName {
    /// The bytes before the first zero.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

impl fmt::Display for ArrayName {
    /// The name, with everything but printable ASCII escaped: it comes from media and goes to
    /// terminals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}

/// A time as md keeps it: 40 bits of seconds since 1970, 24 bits of microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timestamp(u64);

const SECOND_BITS: u32 = 40;
const SECOND_MASK: u64 = (1 << SECOND_BITS) - 1;

impl Timestamp {
    /// A time, or `None` if the seconds need more than 40 bits or the microseconds make a second.
    #[must_use]
    pub fn new(seconds: u64, microseconds: u32) -> Option<Self> {
        if seconds > SECOND_MASK || microseconds >= 1_000_000 {
            return None;
        }
        Some(Self(seconds | u64::from(microseconds).wrapping_shl(SECOND_BITS)))
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 & SECOND_MASK
    }

    /// Microseconds, as found: media may say more than a second's.
    #[must_use]
    pub const fn microseconds(self) -> u32 {
        let [.., a, b, c] = self.0.to_le_bytes();
        u32::from_le_bytes([a, b, c, 0])
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }
}

/// What of a device is valid (md's `recovery_offset`, and `journal_tail` at the same place).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Validity {
    /// Whatever its role says.
    Everything,
    /// What lies below this sector of its data area: it is being recovered.
    Below {
        /// The first sector that is not valid.
        valid_to: Sectors,
        /// How the rest is being recovered.
        kind: RecoveryKind,
    },
    /// A journal device: where its oldest entry in use lies.
    JournalTail(Sectors),
}

/// How a device is being recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecoveryKind {
    /// Everything beyond the mark.
    Full,
    /// What the bitmap marks beyond it: the device was in the array before.
    ByBitmap,
}

/// What guards the time between a write's first and last command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteLog {
    /// Nothing: all is resynced after a crash.
    None,
    /// A write-intent bitmap on each member.
    Bitmap {
        /// Where it lies, in sectors from the superblock.
        offset: i32,
        /// Who uses it.
        kind: Bitmap,
    },
    /// A partial parity log on each member.
    PartialParity {
        /// Where it lies, in sectors from the superblock.
        offset: i16,
        /// Its size.
        sectors: u16,
        /// How many logs the space holds.
        kind: PartialParityLog,
    },
    /// A journal on a device of its own.
    Journal,
}

/// Who uses a bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bitmap {
    /// One machine.
    Local,
    /// A cluster: each node has a bitmap, and nobody may write alone.
    Clustered,
}

/// How many partial parity logs follow each other in the space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartialParityLog {
    /// One.
    Single,
    /// As many as fit, used in turn.
    Multiple,
}

/// A reshape on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reshape {
    /// The next array sector to relocate; everything on its done side is in the new shape.
    pub position: Lba,
    /// New count of members less the old one. The superblock's count is the new one.
    pub delta_members: i32,
    /// md's number of the new level.
    pub level: i32,
    /// md's number of the new layout.
    pub layout: u32,
    /// The new chunk, in sectors.
    pub chunk_sectors: u32,
    /// Which way it walks. On record only if the count of members stays; else the sign of
    /// `delta_members` says it.
    pub direction: Direction,
    /// How far the data area of this device moves, in sectors; `None` if it stays.
    pub new_offset: Option<i32>,
}

/// Where the bad-block log of a device lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BadBlockLog {
    /// In sectors from the superblock.
    pub offset: i32,
    /// Its size; 0 if there is no log.
    pub sectors: u16,
    /// Its entries count in units of `1 << shift` sectors.
    pub shift: u8,
    /// Whether it has entries.
    pub entries: BadBlocks,
}

/// Whether a bad-block log has entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadBlocks {
    /// It has none: the log need not be read.
    None,
    /// It has some: the log must be read before the device is.
    Listed,
}
