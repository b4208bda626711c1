//! The steps of the demo that grow its array: one is interrupted, one fails.

use super::plug::Pluggable;
use super::{Demo, INSIST_ON_NOTHING, Outcome, files, wrong};
use crate::array::reshaping::Reshaping;
use crate::array::{Assembled, Opened};
use crate::cli::{self, Absence};
use crate::commands::rebuild::{Rebuilt, rebuild};
use crate::commands::reshape;
use crate::exit::Error;
use crate::images::Purpose;
use raid_core::blocking::{ReshapeFailure, Watch};
use raid_core::engine::{Access, Dirty, OnLoss, ReshapeHalt, ReshapeStop};
use raid_core::units::Sectors;
use std::path::PathBuf;

/// Whose plug is pulled while the array grows, and after how many writes.
const PULLED: u8 = 0;
const PULLED_AFTER: u32 = 40;

impl Demo {
    pub(super) fn grow_half(&mut self) -> Outcome {
        let new = self.new_file("grown.img")?;
        let bytes = u64::try_from(self.model.len()).unwrap_or(0);
        let text = reshape::begin(&cli::Reshape {
            count: Some(files::MEMBERS.saturating_add(1)),
            level: None,
            layout: None,
            chunk: None,
            new: vec![new.clone()],
            overwrite: cli::Occupied::Refuse,
            array_size: None,
            data_offset_shift: None,
            stop: cli::Stop { after: Some(bytes / 4) },
            insist: INSIST_ON_NOTHING,
            members: cli::Members { images: self.members.clone() },
        })?;
        self.members.push(new);
        let reshaping = self.half_done()?;
        let at = reshaping.progress.safe().lba();
        match Sectors(at.0) < reshaping.progress.change().walk() && at.0 > 0 {
            true => Ok(format!("it stands at sector {}", at.0)),
            false => Err(wrong(text)),
        }
    }

    pub(super) fn fail_growing(&mut self) -> Outcome {
        let mut workshop =
            self.half_done()?.into_writable(Absence::Refuse)?.map_devices(Pluggable::new);
        let (mut array, _) = workshop.start(Access::ReadWrite, Dirty::Refuse)?;
        // The images are named in any order: the first of them is the one.
        let device = array.devices().get_mut(usize::from(PULLED));
        device.ok_or_else(|| wrong("no such member"))?.pull_after(PULLED_AFTER);
        match array.run_reshape(OnLoss::Stop, |_| Watch::GoOn) {
            Err(ReshapeFailure::Halted {
                position,
                halt: ReshapeHalt::Stopped(ReshapeStop::MemberLost),
            }) => {
                self.members.remove(usize::from(PULLED));
                Ok(format!("it stopped at sector {}, nothing was lost", position.0))
            }
            other => Err(wrong(format!("not what was expected to happen: {other:?}"))),
        }
    }

    pub(super) fn grow_degraded(&mut self) -> Outcome {
        let stop = cli::Stop { after: None };
        let text = reshape::resume(*self.half_done()?, INSIST_ON_NOTHING, stop)?;
        let size = Assembled::open(&self.members, Purpose::Read)?.assembly.geometry.size();
        let bytes = size.memory_bytes().unwrap_or(0);
        if bytes <= self.model.len() {
            return Err(wrong(format!("{bytes} bytes: {text}")));
        }
        // What the old shape had no room for is zeroes.
        self.model.resize(bytes, 0);
        Ok(format!("{} MiB", size.0 / 2048))
    }

    pub(super) fn rebuild_grown(&mut self) -> Outcome {
        let new = self.new_file("rebuilt.img")?;
        let rebuilt = rebuild(&cli::Rebuild {
            new: vec![new.clone()],
            overwrite: cli::Occupied::Refuse,
            stop: cli::Stop { after: None },
            insist: INSIST_ON_NOTHING,
            members: cli::Members { images: self.members.clone() },
        })?;
        self.members.push(new);
        match (rebuilt, self.rebuilding()?) {
            (Rebuilt::All { .. }, 0) => Ok(String::from("all members are in sync")),
            (other, members) => Err(wrong(format!("{members} members are in it: {other:?}"))),
        }
    }

    fn half_done(&self) -> Result<Box<Reshaping>, Error> {
        match Opened::open(&self.members, Purpose::Write)? {
            Opened::Reshaping(reshaping) => Ok(reshaping),
            Opened::AtRest(_) => Err(wrong("the array is not being reshaped")),
        }
    }

    /// A file as large as the members.
    pub(super) fn new_file(&self, name: &str) -> Result<PathBuf, Error> {
        let bytes = self.members.first().map(std::fs::metadata);
        let bytes = bytes.ok_or_else(|| wrong("no member"))?.map_err(Error::Input)?.len();
        let path = self.directory.join(name);
        files::blank(&path, bytes)?;
        Ok(path)
    }
}
