//! The backup of a reshape: what is asked of it when, and what follows when it fails.

use super::quiesce::Running;
use super::{Engine, Stepped};
use crate::array::{Cleared, Fate, Held, Store};
use crate::host::{Blocked, Buffer, Command, Completion, Durability, Host, Misuse, Owner, Token};
use crate::pass::{Errand, Keep, Pass, ReshapeHalt, ReshapeStop, Reshaping, Sent, Task};
use crate::request::RequestKind;
use crate::reshape::{BackupMark, Load};
use crate::units::{MemberIndex, Sectors};

impl Engine<'_> {
    /// What the backup is needed for before anything else is chosen.
    pub(super) fn due(&self) -> Option<Task> {
        let store = self.array.both()?.store.as_ref()?;
        // While a command hangs that may still reach the backup or the window, neither is used.
        if self.abandoned.over_window > 0 {
            return None;
        }
        match (store.unneeded(), store.held) {
            (Some(area), _) => Some(Task::Clear(area)),
            (None, Held::Window(load)) => Some(Task::Load(load, Sectors::ZERO)),
            (None, Held::Nothing | Held::InDoubt | Held::Moved(_)) => None,
        }
    }

    /// What is to be done before a reshape rests or ends: no backup is to be found valid then.
    pub(super) fn due_at_rest(&self) -> Option<Task> {
        let store = self.array.both()?.store.as_ref()?;
        match (store.cleared, self.abandoned.over_window) {
            (Cleared::NotYet, 0) => Some(Task::FlushClear),
            (Cleared::NotYet, _) | (Cleared::Durably, _) => None,
        }
    }

    pub(super) fn keep(&mut self, errand: Errand, task: Task) -> Stepped {
        self.pass = Pass::Reshape(Reshaping::Keep(Keep::new(errand, task)));
        Stepped::Moved
    }

    pub(super) fn step_keep(&mut self, keep: Keep, host: &mut impl Host) -> Stepped {
        let Keep { errand, task, sent } = keep;
        match sent {
            Sent::InFlight { .. } => Stepped::Nothing,
            Sent::NotYet => match (self.array.fate(), self.running) {
                (Fate::Failed, _) => {
                    self.halt_reshape(ReshapeHalt::Stopped(ReshapeStop::ArrayFailed), host)
                }
                (Fate::Serving, Running::Serving) => self.send(keep, host),
                (Fate::Serving, Running::Quiescing | Running::Quiesced) => {
                    self.halt_reshape(errand.wish.unwrap_or(ReshapeHalt::Parked), host)
                }
            },
            Sent::Done => {
                self.kept(errand, task);
                Stepped::Moved
            }
            Sent::Failed(fault) => {
                let halt = ReshapeHalt::Stopped(ReshapeStop::BackupFailed { fault });
                match (task, self.due()) {
                    // The mark may be there: it is to go before what it names changes.
                    (Task::Mark(_) | Task::FlushMark(_), Some(clear)) => {
                        self.keep(Errand { wish: Some(halt), ..errand }, clear)
                    }
                    (
                        Task::Mark(_)
                        | Task::FlushMark(_)
                        | Task::Save(..)
                        | Task::FlushContent(_)
                        | Task::Load(..)
                        | Task::Clear(_)
                        | Task::FlushClear,
                        _,
                    ) => match errand.wish {
                        // What it stops for already came first.
                        Some(first @ ReshapeHalt::Stopped(_)) => self.halt_reshape(first, host),
                        Some(ReshapeHalt::Loaded | ReshapeHalt::Parked) | None => {
                            self.halt_reshape(halt, host)
                        }
                    },
                }
            }
            Sent::Abandoned => self.halt_reshape(ReshapeHalt::Stopped(ReshapeStop::Hung), host),
        }
    }

    fn send(&mut self, keep: Keep, host: &mut impl Host) -> Stepped {
        if let (Task::Mark(_), Stepped::Nothing) = (keep.task, self.is_ready_to_mark()) {
            return Stepped::Nothing;
        }
        let longest = self.array.limits().transfer_max;
        let Some(store) = self.array.two().and_then(|two| two.store.as_mut()) else {
            return Stepped::Nothing;
        };
        let mut sending = *store;
        sending.epoch = sending.epoch.wrapping_add(1);
        let epoch = sending.epoch;
        let Some(command) = command(&mut sending, &keep.task, longest) else {
            return Stepped::Nothing;
        };
        // The token's member says nothing: a backup is none.
        let token = Token { owner: Owner::Backup, epoch, member: MemberIndex(0) };
        if host.submit(token, command).is_err() {
            return Stepped::Refused(Blocked::by(&command));
        }
        *store = sending;
        self.pass = Pass::Reshape(Reshaping::Keep(Keep { sent: Sent::InFlight { epoch }, ..keep }));
        Stepped::Moved
    }

    /// A backup counts after a crash alone: the array has to be on record as dirty before there is one.
    fn is_ready_to_mark(&mut self) -> Stepped {
        if let Some((_, head)) = self.requests.head()
            && head.request.kind == RequestKind::MarkClean
        {
            return Stepped::Nothing;
        }
        match self.array.mark_dirty() {
            Some(_) => Stepped::Nothing,
            None => Stepped::Moved,
        }
    }

    /// A command to the backup has done what it was to do.
    fn kept(&mut self, errand: Errand, task: Task) {
        let longest = self.array.limits().transfer_max;
        let Some(two) = self.array.two() else { return };
        let Some(store) = &mut two.store else { return };
        let next = match task {
            Task::Save(load, from) => match behind(&load, from, longest) {
                Some(from) => Task::Save(load, from),
                None => Task::FlushContent(load),
            },
            Task::FlushContent(load) => {
                store.cleared = Cleared::Durably;
                Task::Mark(load)
            }
            Task::Mark(load) => Task::FlushMark(load),
            Task::FlushMark(load) => {
                store.held = Held::Window(load);
                two.progress = two.progress.backed();
                return self.scatter_saved(errand, load);
            }
            Task::Load(load, from) => match behind(&load, from, longest) {
                Some(from) => Task::Load(load, from),
                None => return self.scatter_saved(errand, load),
            },
            Task::Clear(area) => {
                store.cleared(area);
                match store.held {
                    Held::InDoubt => Task::FlushClear,
                    Held::Nothing | Held::Window(_) | Held::Moved(_) => {
                        self.pass = Pass::Reshape(Reshaping::Choose(errand));
                        return;
                    }
                }
            }
            Task::FlushClear => {
                store.cleared = Cleared::Durably;
                if store.held == Held::InDoubt {
                    store.held = Held::Nothing;
                    two.settle();
                }
                self.pass = Pass::Reshape(Reshaping::Choose(errand));
                return;
            }
        };
        self.pass = Pass::Reshape(Reshaping::Keep(Keep::new(errand, next)));
    }

    /// A command to the backup has ended.
    pub(super) fn on_kept(&mut self, epoch: u32, how: Completion) -> Result<(), Misuse> {
        self.pass.keep().ok_or(Misuse::UnknownToken)?.settle(epoch, how)
    }

    /// Nobody waits for a command to the backup any more. It may still touch the window.
    pub(super) fn abandon_kept(&mut self, epoch: u32) -> Result<(), Misuse> {
        self.pass.keep().ok_or(Misuse::UnknownToken)?.abandon(epoch)?;
        self.abandoned.backup = Some(epoch);
        self.abandoned.over_window = self.abandoned.over_window.saturating_add(1);
        Ok(())
    }

    /// An abandoned command to the backup is dead.
    pub(super) fn on_dead_kept(&mut self, epoch: u32) -> Result<(), Misuse> {
        if self.abandoned.backup != Some(epoch) {
            return Err(Misuse::UnknownToken);
        }
        self.abandoned.backup = None;
        self.abandoned.over_window = self.abandoned.over_window.saturating_sub(1);
        Ok(())
    }
}

/// What is left of a load behind a command that begins here.
fn behind(load: &Load, from: Sectors, longest: Sectors) -> Option<Sectors> {
    let next = from.checked_add(longest)?;
    (next < load.sectors()).then_some(next)
}

/// The command for a task, and what is to be kept in mind of it if it is taken.
fn command(store: &mut Store, task: &Task, longest: Sectors) -> Option<Command> {
    let Store { device, area, .. } = *store;
    let piece = |load: &Load, from: Sectors| load.sectors().saturating_sub(from).min(longest);
    Some(match *task {
        Task::Save(load, from) => Command::Write {
            device,
            at: store.place(from)?,
            sectors: piece(&load, from),
            from: Buffer::Window { offset: from },
            durability: Durability::Cached,
        },
        Task::Load(load, from) => Command::Read {
            device,
            at: store.place(from)?,
            sectors: piece(&load, from),
            into: Buffer::Window { offset: from },
        },
        Task::Mark(load) => {
            store.held = Held::InDoubt;
            let mark = BackupMark::Holds(store.saves(&load));
            Command::RecordBackup { device, area, mark }
        }
        Task::Clear(area) => Command::RecordBackup { device, area, mark: BackupMark::Clear },
        Task::FlushContent(_) | Task::FlushMark(_) | Task::FlushClear => Command::Flush { device },
    })
}
