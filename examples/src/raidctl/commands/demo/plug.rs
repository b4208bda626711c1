//! A device whose plug can be pulled in the middle of its work.

use crate::images::Image;
use raid_core::blocking::BlockDevice;
use raid_core::host::{Durability, Fault};
use raid_core::io_limits::IoLimits;
use raid_core::units::DeviceSector;

/// An image, and what becomes of it.
#[derive(Debug)]
pub(super) struct Pluggable {
    image: Image,
    plug: Plug,
}

#[derive(Clone, Copy, Debug)]
enum Plug {
    In,
    /// So many more writes are taken.
    Loose(u32),
    Out,
}

impl Pluggable {
    pub(super) const fn new(image: Image) -> Self {
        Self { image, plug: Plug::In }
    }

    /// Pulls the plug after so many more writes.
    pub(super) const fn pull_after(&mut self, writes: u32) {
        self.plug = Plug::Loose(writes);
    }

    const fn answer(&self) -> Result<(), Fault> {
        match self.plug {
            Plug::In | Plug::Loose(_) => Ok(()),
            Plug::Out => Err(Fault::Gone),
        }
    }
}

impl BlockDevice for Pluggable {
    fn read(&mut self, at: DeviceSector, into: &mut [u8]) -> Result<(), Fault> {
        self.answer()?;
        self.image.read(at, into)
    }

    fn write(
        &mut self,
        at: DeviceSector,
        from: &[u8],
        durability: Durability,
    ) -> Result<(), Fault> {
        self.plug = match self.plug {
            Plug::Loose(writes) => writes.checked_sub(1).map_or(Plug::Out, Plug::Loose),
            plug @ (Plug::In | Plug::Out) => plug,
        };
        self.answer()?;
        self.image.write(at, from, durability)
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.answer()?;
        self.image.flush()
    }

    fn limits(&self) -> IoLimits {
        self.image.limits()
    }
}
