//! The backup of a reshape: which of its areas is needed, and what is in doubt.

use super::shapes::Two;
use super::{Array, Fate};
use crate::host::Failure;
use crate::reshape::{BackupArea, Load, Progress, Saved};
use crate::units::{DeviceIndex, DeviceSector, Lba, Sectors};

/// A device that keeps what a reshape is about to overwrite, for as long as it may have.
///
/// It takes commands of the length and alignment that the members take, and is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The device.
    pub device: DeviceIndex,
    /// Where the content of the first area begins, and of the second. Where their headers are is the
    /// host's business.
    pub content: [DeviceSector; 2],
    /// How much content each area has room for.
    pub room: Sectors,
    /// What their headers say, the host having found that the sums over header and content fit. An area
    /// of which it has not is given as nothing.
    pub held: [Option<Saved>; 2],
}

/// A backup, and what it is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Store {
    pub(crate) device: DeviceIndex,
    content: [DeviceSector; 2],
    room: Sectors,
    /// That of the last window saved.
    sequence: u64,
    /// The area for the next window.
    pub(crate) area: BackupArea,
    pub(crate) held: Held,
    /// Areas whose header says that they hold something, which nobody needs.
    marked: [Option<BackupArea>; 2],
    /// Whether all other headers are clear for good.
    pub(crate) cleared: Cleared,
    pub(crate) epoch: u32,
}

/// What it holds of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Nothing.
    Nothing,
    /// It may be found to hold it after a crash: the old rows are as they were, and are to stay so.
    InDoubt,
    /// All that there is of it: the old rows may have been overwritten.
    Window(Load),
    /// The same, and it is in the new shape, but not on record there.
    Moved(Load),
}

/// Whether clear headers are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cleared {
    Durably,
    NotYet,
}

/// Whether a reshape is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Motion {
    AtWork,
    AtRest,
}

/// What a window can be used for that nobody moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// It is in its old rows.
    InPlace,
    /// It is in its old rows, and may be read there but not written.
    ReadOnly,
    /// It is in the backup.
    Kept,
}

impl Store {
    /// The store, and the walk with the window that the backup holds.
    pub(super) fn new(backup: &Backup, progress: Progress, begun: Option<Lba>) -> (Self, Progress) {
        let Backup { device, content, room, held } = *backup;
        let mut areas = BackupArea::ALL;
        let sequence = |area: &BackupArea| of(&held, *area).map(|saved| saved.sequence);
        areas.sort_unstable_by_key(|area| core::cmp::Reverse(sequence(area)));
        let [newest, _] = areas;
        let mut store = Self {
            device,
            content,
            room,
            sequence: sequence(&newest).unwrap_or(0),
            area: newest.other(),
            held: Held::Nothing,
            marked: areas.map(|area| of(&held, area).map(|_| area)),
            // What was read may not be durable.
            cleared: Cleared::NotYet,
            epoch: 0,
        };
        // What is left of another time is no window from this position on.
        let window = begun
            .and(of(&held, newest))
            .and_then(|saved| progress.restored(saved.start, saved.sectors));
        match window {
            None => (store, progress),
            Some((progress, load)) => {
                store.marked = store.marked.map(|marked| marked.filter(|area| *area != newest));
                store.held = Held::Window(load);
                store.area = newest;
                (store, progress)
            }
        }
    }

    /// How much content it can hold at a time.
    pub(crate) const fn room(&self) -> Sectors {
        self.room
    }

    /// Where in an area the content from here on lies.
    pub(crate) fn place(&self, from: Sectors) -> Option<DeviceSector> {
        let [first, second] = self.content;
        let start = match self.area {
            BackupArea::First => first,
            BackupArea::Second => second,
        };
        start.checked_add(from)
    }

    /// What the header of the next window says.
    pub(crate) fn saves(&mut self, load: &Load) -> Saved {
        self.sequence = self.sequence.saturating_add(1);
        Saved { sequence: self.sequence, start: load.start(), sectors: load.sectors() }
    }

    /// An area that is to be cleared.
    pub(crate) fn unneeded(&self) -> Option<BackupArea> {
        match self.held {
            Held::InDoubt => Some(self.area),
            Held::Nothing | Held::Window(_) | Held::Moved(_) => {
                self.marked.iter().flatten().next().copied()
            }
        }
    }

    /// The header of an area says that nothing there is needed.
    pub(crate) fn cleared(&mut self, area: BackupArea) {
        self.marked = self.marked.map(|marked| marked.filter(|other| *other != area));
        self.cleared = Cleared::NotYet;
    }

    /// What it holds is on record in the new shape: nobody needs it.
    pub(crate) fn released(&mut self) {
        match self.held {
            Held::Window(_) | Held::Moved(_) => {
                self.held = Held::Nothing;
                self.marked = [Some(self.area), None];
                self.area = self.area.other();
            }
            Held::Nothing | Held::InDoubt => {}
        }
    }
}

const fn of(held: &[Option<Saved>; 2], area: BackupArea) -> Option<Saved> {
    let [first, second] = *held;
    match area {
        BackupArea::First => first,
        BackupArea::Second => second,
    }
}

impl Two {
    /// How much content a backup and the window's memory have room for at a time.
    pub(crate) fn backup_room(&self) -> Option<Sectors> {
        self.store.as_ref().map(|store| store.room().min(self.window))
    }

    /// Whether the window is in the backup, or may be, and is not in the new shape.
    pub(crate) const fn is_unmoved(&self) -> bool {
        match &self.store {
            Some(Store { held: Held::InDoubt | Held::Window(_), .. }) => true,
            Some(Store { held: Held::Nothing | Held::Moved(_), .. }) | None => false,
        }
    }

    /// All of the window is in the new shape.
    pub(crate) fn moved(&mut self) {
        if let Some(store) = &mut self.store
            && let Held::Window(load) = store.held
        {
            store.held = Held::Moved(load);
        }
    }

    /// Nobody moves the window any more: it is in its old rows again, if nothing but them may count.
    pub(crate) fn settle(&mut self) {
        match &mut self.store {
            Some(Store { held: Held::InDoubt | Held::Window(_), .. }) => return,
            Some(store) => {
                if let Held::Moved(load) = store.held {
                    store.held = Held::Window(load);
                    // The record of its position, if one was begun, did not come.
                    return;
                }
            }
            None => {}
        }
        if let Some(progress) = self.progress.settled() {
            self.progress = progress;
        }
    }

    /// What its window can be used for; `None` where it is being moved.
    pub(super) const fn window_now(&self, fate: Fate) -> Option<Window> {
        let held = match &self.store {
            None => Held::Nothing,
            Some(store) => store.held,
        };
        match (held, self.motion, fate) {
            (Held::Window(_) | Held::Moved(_), Motion::AtRest, _)
            | (Held::Window(_) | Held::Moved(_), Motion::AtWork, Fate::Failed) => {
                Some(Window::Kept)
            }
            (Held::InDoubt, Motion::AtRest, _) => Some(Window::ReadOnly),
            (Held::Nothing | Held::InDoubt, _, Fate::Failed) => Some(Window::InPlace),
            (_, _, Fate::Serving) => None,
        }
    }
}

impl Array<'_> {
    /// What is said of the window that a backup holds, or may hold.
    pub(crate) fn needs_backup(&self) -> Failure {
        let window = self.both().and_then(|two| two.progress.window());
        let (at, sectors) = window.unwrap_or_default();
        Failure::NeedsBackup { at, sectors }
    }

    /// Whether the array must not be called clean: after a crash its backup would count.
    pub(crate) const fn is_backed(&self) -> Option<Motion> {
        match self.both() {
            Some(Two { store: Some(store), motion, .. }) => match store.held {
                Held::Nothing => None,
                Held::InDoubt | Held::Window(_) | Held::Moved(_) => Some(*motion),
            },
            Some(_) | None => None,
        }
    }
}
