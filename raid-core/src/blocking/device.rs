//! What a member must be able to do, and who keeps the metadata.

use crate::host::{BlockState, Durability, Event, Fault};
use crate::intent::IntentLine;
use crate::io_limits::IoLimits;
use crate::metadata::Record;
use crate::plan::JournalRow;
use crate::rectangle::Rectangle;
use crate::reshape::{BackupArea, BackupMark};
use crate::units::{DeviceSector, MemberIndex, Sectors};

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

    /// Writes a line of the write-intent bitmap to that of `member` on its device. Only asked of a
    /// keeper of an array that has one.
    ///
    /// # Errors
    /// As for `record`.
    fn record_intent(
        &mut self,
        member: MemberIndex,
        device: &mut D,
        line: &IntentLine,
    ) -> Result<(), Fault> {
        let _ = (member, device, line);
        Err(Fault::Unsupported)
    }

    /// Puts a range of the device of `member` on the list of its bad blocks, or takes it off. It is
    /// durable when this returns.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] if there is no such list, or no room on it. Otherwise it is not written,
    /// or may be, and the member is lost.
    fn record_bad(
        &mut self,
        member: MemberIndex,
        device: &mut D,
        at: DeviceSector,
        sectors: Sectors,
        state: BlockState,
    ) -> Result<(), Fault> {
        let _ = (member, device, at, sectors, state);
        Err(Fault::Unsupported)
    }

    /// Takes an entry of the log of a member ([`Command::LogParity`]). Called for arrays that were
    /// set up with such a log alone.
    ///
    /// # Errors
    /// It is not taken. The member is lost.
    ///
    /// [`Command::LogParity`]: crate::host::Command::LogParity
    fn log_parity(
        &mut self,
        member: MemberIndex,
        device: &mut D,
        batch: u32,
        rectangle: &Rectangle,
        partial_parity: &[u8],
    ) -> Result<(), Fault> {
        let _ = (member, device, batch, rectangle, partial_parity);
        Err(Fault::Unsupported)
    }

    /// Writes the header of a batch ([`Command::SealLog`]). Called for arrays that were set up with
    /// such a log alone.
    ///
    /// # Errors
    /// It is not written, or may be. The member is lost.
    ///
    /// [`Command::SealLog`]: crate::host::Command::SealLog
    fn seal_log(&mut self, member: MemberIndex, device: &mut D, batch: u32) -> Result<(), Fault> {
        let _ = (member, device, batch);
        Err(Fault::Unsupported)
    }

    /// Takes a row of the journal ([`Command::LogRow`]); `bytes` gives the new block of a place.
    /// Called for arrays that were set up with a journal alone.
    ///
    /// # Errors
    /// It is not taken. The journal is lost.
    ///
    /// [`Command::LogRow`]: crate::host::Command::LogRow
    fn log_row<'b>(
        &mut self,
        device: &mut D,
        stretch: u32,
        row: &JournalRow,
        bytes: &dyn Fn(MemberIndex) -> Option<&'b [u8]>,
    ) -> Result<(), Fault> {
        let _ = (device, stretch, row, bytes);
        Err(Fault::Unsupported)
    }

    /// Moves the tail of the journal ([`Command::RecordTail`]). Called for arrays that were set up with
    /// a journal alone.
    ///
    /// # Errors
    /// It has not moved, or may have. The journal is lost.
    ///
    /// [`Command::RecordTail`]: crate::host::Command::RecordTail
    fn record_tail(
        &mut self,
        member: MemberIndex,
        device: &mut D,
        stretch: u32,
    ) -> Result<(), Fault> {
        let _ = (member, device, stretch);
        Err(Fault::Unsupported)
    }

    /// Writes the header of an area of a reshape's backup ([`Command::RecordBackup`]), with a sum over
    /// this content where it holds any. Called for arrays that are given a backup alone.
    ///
    /// # Errors
    /// It is not written, or may be. The reshape stops.
    ///
    /// [`Command::RecordBackup`]: crate::host::Command::RecordBackup
    fn record_backup(
        &mut self,
        device: &mut D,
        area: BackupArea,
        mark: BackupMark,
        content: &[u8],
    ) -> Result<(), Fault> {
        let _ = (device, area, mark, content);
        Err(Fault::Unsupported)
    }

    /// Hears what happened to the array.
    fn note(&mut self, event: Event) {
        let _ = event;
    }
}
