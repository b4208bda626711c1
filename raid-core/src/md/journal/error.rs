//! What can be wrong with a journal.

use core::fmt;

use crate::units::{Lba, MemberSector};

/// Why a block is not a meta block of this journal that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetaError {
    /// No meta block here: the magic number is missing.
    NotMeta,
    /// A version other than 1.
    Version {
        /// The version found.
        found: u8,
    },
    /// Not what was written, or of another array.
    Checksum {
        /// What the block says.
        found: u32,
        /// What its bytes give.
        expected: u32,
    },
    /// A meta block that belongs to another place in the journal.
    Elsewhere {
        /// Where it says it lies, in sectors from the start.
        position: u64,
    },
    /// The payloads do not end within the block, or within each other.
    Size {
        /// Where in the block the one that does not fit begins.
        at: u16,
    },
    /// A payload of a kind that is not known.
    Kind {
        /// What it says it is.
        kind: u16,
    },
    /// Flags of a payload, of which nobody uses any.
    Flags {
        /// The flags.
        flags: u16,
    },
    /// A payload of a size that its kind cannot have.
    PayloadSize {
        /// The size, in its own unit.
        size: u32,
    },
}

impl fmt::Display for MetaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotMeta => f.write_str("no meta block of a journal"),
            Self::Version { found } => {
                write!(f, "meta block of version {found}: only version 1 is supported")
            }
            Self::Checksum { found, expected } => {
                write!(f, "meta block: checksum is {found:08x}, its bytes give {expected:08x}")
            }
            Self::Elsewhere { position } => {
                write!(f, "meta block says that it lies at {position}: a moved or old copy")
            }
            Self::Size { at } => write!(f, "corrupt meta block: no room for the payload at {at}"),
            Self::Kind { kind } => write!(f, "meta block has a payload of unknown kind {kind}"),
            Self::Flags { flags } => write!(f, "meta block has a payload with flags {flags:#x}"),
            Self::PayloadSize { size } => {
                write!(f, "corrupt meta block: a payload cannot be of size {size}")
            }
        }
    }
}

impl core::error::Error for MetaError {}

/// Why a journal cannot be replayed. Nothing is lost by it: what was copied so far is copied again
/// by the next scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalError {
    /// There is no log at the tail that is on record. If the array was never started, or its members
    /// are known to agree, start a new log; otherwise what the journal held is lost.
    NoLog(MetaError),
    /// A meta block whose checksum is right says what cannot be: an unknown feature, or an array of
    /// another shape.
    Meta(MetaError),
    /// Data for an address that the array does not have.
    Data {
        /// The address.
        address: Lba,
    },
    /// Parity for an address that the members do not have, or not as many blocks as a row has.
    Parity {
        /// The address on the members.
        address: MemberSector,
    },
    /// More blocks wait for their parity than the lent memory can name. Lend more.
    Memory {
        /// How many it can name.
        blocks: usize,
    },
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoLog(error) => write!(f, "the journal has no log at its tail: {error}"),
            Self::Meta(error) => write!(f, "the journal cannot be replayed: {error}"),
            Self::Data { address } => {
                write!(f, "the journal has data for sector {}, not of this array", address.0)
            }
            Self::Parity { address } => {
                write!(f, "the journal has parity for sector {}, not of this array", address.0)
            }
            Self::Memory { blocks } => {
                write!(f, "the journal holds more than {blocks} blocks without parity")
            }
        }
    }
}

impl core::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::NoLog(error) | Self::Meta(error) => Some(error),
            Self::Data { .. } | Self::Parity { .. } | Self::Memory { .. } => None,
        }
    }
}

/// A meta block has no room for another write: finish it, and put the write into the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalFull;

impl fmt::Display for JournalFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the meta block has no room for another write")
    }
}

impl core::error::Error for JournalFull {}
