//! The backup of a reshape, on a device behind those of the members: areas with real headers.

use raid_core::engine::{Access, Backup};
use raid_core::host::Command;
use raid_core::md::{
    ArrayUuid, BackupHeader, BackupLayout, Block, ChangeSum, ContentSum, SUPERBLOCK_BYTES,
};
use raid_core::metadata::Consistency;
use raid_core::reshape::{BackupArea, BackupMark, Change, Saved};
use raid_core::units::{DeviceIndex, DeviceSector, Sectors};

use crate::blueprint::Blueprint;
use crate::device::RamDevice;
use crate::host::SimHost;
use crate::medium::{SECTOR, index};

const ARRAY: ArrayUuid = ArrayUuid(*b"a simulated one.");

/// What is needed to write a header.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    device: DeviceIndex,
    layout: BackupLayout,
    change: Change,
}

impl Keeper {
    pub(crate) fn of(blueprint: &Blueprint) -> Option<Self> {
        let reshape = blueprint.reshape.as_ref()?;
        let Backup { device, room, .. } = reshape.backup?;
        let layout = BackupLayout::new(room)?;
        Some(Self { device, layout, change: reshape.change })
    }
}

impl Blueprint {
    /// The same array, with a backup behind the devices of the members that has room for so much, if
    /// it is to be reshaped.
    #[must_use]
    pub fn with_backup(mut self, room: u64) -> Self {
        let device = DeviceIndex(u8::try_from(self.seats.len()).expect("at most 255 members"));
        let layout = BackupLayout::new(Sectors(room)).expect("a possible backup");
        if let Some(reshape) = &mut self.reshape {
            reshape.backup = Some(Backup {
                device,
                content: BackupArea::ALL.map(|area| DeviceSector(layout.content(area).0)),
                room: Sectors(room),
                held: [None; 2],
            });
        }
        self
    }

    /// The device for the backup, empty.
    ///
    /// # Panics
    /// If the array has none.
    #[must_use]
    pub fn backup_device(&self) -> RamDevice {
        let keeper = Keeper::of(self).expect("there is a backup");
        RamDevice::new(keeper.layout.sectors().0)
    }

    /// The same array, the backup being what this device holds.
    #[must_use]
    pub fn with_found_backup(mut self, device: &RamDevice) -> Self {
        let keeper = Keeper::of(&self);
        if let (Some(keeper), Some(reshape)) = (keeper, &mut self.reshape)
            && let Some(backup) = &mut reshape.backup
        {
            backup.held = BackupArea::ALL.map(|area| keeper.find(device, area));
        }
        self
    }
}

impl Keeper {
    fn find(&self, device: &RamDevice, area: BackupArea) -> Option<Saved> {
        let header = device.medium.stored(self.layout.header(area).0, SUPERBLOCK_BYTES);
        let block: &Block = header.try_into().expect("a block");
        let header = BackupHeader::parse(block, &self.layout, ARRAY, &self.change).ok()?;
        let length = index(header.sectors.0) * SECTOR;
        let content = device.medium.stored(self.layout.content(area).0, length);
        let BackupHeader { sequence, start, sectors, .. } = header;
        let fits = ContentSum::of(0, content) == header.content;
        fits.then_some(Saved { sequence, start, sectors })
    }
}

impl SimHost {
    pub(crate) fn is_backup(&self, device: DeviceIndex) -> bool {
        self.backup().is_some_and(|keeper| keeper.device == device)
    }

    /// Where a header lies and what it is to say, of the window as it is now.
    pub(crate) fn backup_header(&self, area: BackupArea, mark: BackupMark) -> (u64, Block) {
        let keeper = self.backup().expect("there is a backup");
        let mut block = [0; SUPERBLOCK_BYTES];
        match mark {
            BackupMark::Clear => BackupHeader::clear(&mut block),
            BackupMark::Holds(Saved { sequence, start, sectors }) => {
                let content = &self.window()[..index(sectors.0) * SECTOR];
                let change = ChangeSum::of(&keeper.change);
                let content = ContentSum::of(0, content);
                BackupHeader { array: ARRAY, change, sequence, start, sectors, content }
                    .encode(&mut block);
            }
        }
        (keeper.layout.header(area).0, block)
    }

    /// A backup is marked when what it names is durable there, and every member is on record as dirty.
    pub(crate) fn check_backup(&self, command: &Command) {
        assert_eq!(self.access(), Access::ReadWrite, "a read-only array: {command:?}");
        self.check_memory(command);
        let Command::RecordBackup { device, mark: BackupMark::Holds(_), .. } = command else {
            return;
        };
        if let Some(cache) = &self.devices[device.index()].cache {
            assert!(cache.unflushed().is_empty(), "marked before it is durable: {command:?}");
        }
        for device in self.living_devices() {
            let durable = self.devices[device.index()].durable.map(|record| record.consistency);
            assert!(
                matches!(durable, Some(Consistency::InSyncTo(_))),
                "{device:?} is not marked dirty ({durable:?}): {command:?}"
            );
        }
    }
}
