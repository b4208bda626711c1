//! What a member must be able to do, and who keeps the metadata.

use crate::host::{Durability, Event, Fault};
use crate::io_limits::IoLimits;
use crate::metadata::Record;
use crate::units::{DeviceSector, MemberIndex};

/// A device that reads, writes and flushes in the calling thread.
pub trait BlockDevice {
    /// Fills `into` from `at`. Its length is a whole number of sectors.
    ///
    /// # Errors
    /// What went wrong. The kind of the fault decides whether a block, the member or nobody is to
    /// blame.
    fn read(&mut self, at: DeviceSector, into: &mut [u8]) -> Result<(), Fault>;

    /// Writes `from` at `at`. Its length is a whole number of sectors.
    ///
    /// # Errors
    /// As for `read`. Part of it may have been written.
    fn write(&mut self, at: DeviceSector, from: &[u8], durability: Durability)
    -> Result<(), Fault>;

    /// Makes durable what was written before. A device without a volatile cache has nothing to do.
    ///
    /// # Errors
    /// It is unknown what is durable.
    fn flush(&mut self) -> Result<(), Fault>;

    /// What the device can take in one command.
    fn limits(&self) -> IoLimits;
}

/// Writes metadata in a format of its choice, and hears what happens to the array.
pub trait Keeper<D> {
    /// Writes the record's values to the metadata of `member` on its device.
    ///
    /// # Errors
    /// It is not written, or may be. The member is lost.
    fn record(&mut self, member: MemberIndex, device: &mut D, record: &Record)
    -> Result<(), Fault>;

    /// Hears what happened to the array.
    fn note(&mut self, event: Event) {
        let _ = event;
    }
}
