//! Newtypes for addresses, lengths and indices. The only place that converts between them.
//!
//! A *sector* is 512 bytes everywhere, as in the md format, whatever the logical block of a device
//! is. Arithmetic on these types is checked: each operation returns `None` where the number has no
//! room.

/// Bytes in a sector.
pub const SECTOR_BYTES: u32 = 512;

/// Sectors in a fault unit: the smallest piece that a media fault is narrowed to (4 KiB).
pub const FAULT_UNIT: Sectors = Sectors(8);

macro_rules! sector_address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The address `by` sectors further up.
            #[must_use]
            pub const fn checked_add(self, by: Sectors) -> Option<Self> {
                match self.0.checked_add(by.0) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }

            /// How far this address is above `base`, or `None` if it is below.
            #[must_use]
            pub const fn checked_since(self, base: Self) -> Option<Sectors> {
                match self.0.checked_sub(base.0) {
                    Some(length) => Some(Sectors(length)),
                    None => None,
                }
            }
        }
    };
}

sector_address!(
    /// An address in the array: the sector that a requester names.
    Lba
);
sector_address!(
    /// An address on a member, counted from the start of its data area.
    MemberSector
);
sector_address!(
    /// An address on a device, counted from its first sector: what a command carries.
    DeviceSector
);

/// A length in sectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sectors(pub u64);

impl Sectors {
    /// No sector at all.
    pub const ZERO: Self = Self(0);

    /// The sum, or `None` if it has no room.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` if `other` is longer.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// The difference, or nothing if `other` is longer.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// This length in bytes, or `None` if it has no room.
    #[must_use]
    pub const fn bytes(self) -> Option<u64> {
        // Lossless: u32 to u64.
        self.0.checked_mul(SECTOR_BYTES_U64)
    }

    /// This length in bytes as an index into memory, or `None` if memory cannot be that large.
    #[must_use]
    pub fn memory_bytes(self) -> Option<usize> {
        self.bytes().and_then(|bytes| usize::try_from(bytes).ok())
    }

    /// The length of `bytes` bytes, or `None` if that is no whole number of sectors.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Option<Self> {
        if bytes.is_multiple_of(SECTOR_BYTES_U64) {
            // The divisor is a constant other than zero.
            Some(Self(bytes >> SECTOR_SHIFT))
        } else {
            None
        }
    }
}

const SECTOR_SHIFT: u32 = SECTOR_BYTES.trailing_zeros();
const SECTOR_BYTES_U64: u64 = 1 << SECTOR_SHIFT;

/// A device: the target of a command. Not a position in the array: see [`MemberIndex`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceIndex(pub u8);

/// A place: a member's position in the array's shape, md's "slot", from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberIndex(pub u8);

impl MemberIndex {
    /// This place as an index into memory.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl DeviceIndex {
    /// This device as an index into memory.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The logical number of a data block in its row, from 0, in the order of array addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataIndex(pub u8);

/// The exponent `e` with which a data block enters Q: Q is the sum of `2^e · D` in GF(2^8).
///
/// Not the logical number of the block: the two differ for layouts 0, 1, 18, 19 and the DDF ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyndromeIndex(pub u8);

/// The number of a row: one chunk of each member, at the same member address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StripeRow(pub u64);

/// The number of a chunk in the order of array addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkIndex(pub u64);

/// The number of metadata generations recorded; rises by one with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation after this one. It stays where it is at the end of the numbers, 2^64 records
    /// on.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
