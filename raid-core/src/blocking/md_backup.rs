//! The backup of a reshape on a device or in a file: found when the array starts, and its headers
//! written.

use super::device::BlockDevice;
use crate::engine::Backup;
use crate::host::{Durability, Fault};
use crate::md::{ArrayUuid, BackupHeader, BackupLayout, ChangeSum, ContentSum, SUPERBLOCK_BYTES};
use crate::reshape::{BackupArea, BackupMark, Change, Saved};
use crate::units::{DeviceIndex, DeviceSector, FAULT_UNIT};

/// The backup of the reshape of an array, from sector 0 of a device on.
#[derive(Clone, Copy, Debug)]
pub struct MdBackup<'m> {
    /// Where everything lies.
    pub layout: BackupLayout,
    /// The array.
    pub array: ArrayUuid,
    /// The reshape.
    pub change: &'m Change,
}

impl MdBackup<'_> {
    /// The backup as the engine is given it, with what it holds of this array and reshape: what its
    /// headers say, if the sums over header and content fit.
    ///
    /// # Errors
    /// It cannot be read. What it held may be needed.
    pub fn find<D: BlockDevice>(
        &self,
        device: &mut D,
        index: DeviceIndex,
    ) -> Result<Backup, Fault> {
        let [first, second] = BackupArea::ALL;
        Ok(Backup {
            device: index,
            content: BackupArea::ALL.map(|area| DeviceSector(self.layout.content(area).0)),
            room: self.layout.room(),
            held: [self.held(device, first)?, self.held(device, second)?],
        })
    }

    fn held<D: BlockDevice>(
        &self,
        device: &mut D,
        area: BackupArea,
    ) -> Result<Option<Saved>, Fault> {
        let mut block = [0; SUPERBLOCK_BYTES];
        device.read(DeviceSector(self.layout.header(area).0), &mut block)?;
        let parsed = BackupHeader::parse(&block, &self.layout, self.array, self.change);
        let Ok(BackupHeader { sequence, start, sectors, content, .. }) = parsed else {
            return Ok(None);
        };
        let mut at = DeviceSector(self.layout.content(area).0);
        let mut found = ContentSum::default();
        // No more than an area has room for: the header says so.
        for number in 0..sectors.0.div_ceil(FAULT_UNIT.0) {
            device.read(at, &mut block)?;
            found = found.with(number, &block);
            at = at.checked_add(FAULT_UNIT).ok_or(Fault::InvalidRequest)?;
        }
        Ok((found == content).then_some(Saved { sequence, start, sectors }))
    }

    /// Writes the header of an area; `content` is what it holds.
    ///
    /// # Errors
    /// It is not written, or may be.
    pub fn record<D: BlockDevice>(
        &self,
        device: &mut D,
        area: BackupArea,
        mark: BackupMark,
        content: &[u8],
    ) -> Result<(), Fault> {
        let mut block = [0; SUPERBLOCK_BYTES];
        match mark {
            BackupMark::Clear => BackupHeader::clear(&mut block),
            BackupMark::Holds(Saved { sequence, start, sectors }) => {
                let (array, change) = (self.array, ChangeSum::of(self.change));
                let content = ContentSum::of(0, content);
                BackupHeader { array, change, sequence, start, sectors, content }
                    .encode(&mut block);
            }
        }
        let at = DeviceSector(self.layout.header(area).0);
        device.write(at, &block, Durability::Cached)
    }
}
