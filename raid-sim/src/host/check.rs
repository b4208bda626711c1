//! What is checked of each command that the engine issues.

use raid_core::engine::Access;
use raid_core::geometry::Geometry;
use raid_core::host::{BlockState, Buffer, Command, Durability, Token};
use raid_core::members::MemberSet;
use raid_core::metadata::{Consistency, Record};
use raid_core::units::{DeviceIndex, DeviceSector, MemberIndex, MemberSector, Sectors};

use super::{ArrayFailed, SimHost};
use crate::crash::Written;
use crate::medium::SECTOR;
use crate::sim::DATA_OFFSET;

impl SimHost {
    pub(super) fn check(&self, token: Token, command: &Command) {
        let bits = token.to_bits();
        assert_eq!(Token::from_bits(bits), token, "the token does not survive its bits");
        assert!(
            self.queue
                .iter()
                .chain(self.hung.iter().map(|hung| &hung.command))
                .all(|other| other.token.to_bits() != bits),
            "two commands in flight with one token: {command:?}"
        );
        self.check_job(command);
        let Some(device) = command.device() else { return };
        if self.is_backup(device) {
            return self.check_backup(command);
        }
        self.check_command_to_member(device, command);
        self.check_memory(command);
    }

    fn check_command_to_member(&self, device: DeviceIndex, command: &Command) {
        let place = self.seats.iter().position(|seat| *seat == Some(device));
        let place = place.unwrap_or_else(|| panic!("no such member: {command:?}"));
        let member = MemberIndex(u8::try_from(place).expect("at most 255 members"));
        assert!(!self.lost.contains(member), "member {place} is lost: {command:?}");
        match *command {
            Command::Read { at, sectors, into, .. } => {
                let mut listed = self.devices[device.index()].listed.range(at.0..at.0 + sectors.0);
                assert_eq!(listed.next(), None, "a bad block is read: {command:?}");
                self.check_transfer(at.0, sectors, into);
            }
            Command::Write { at, sectors, from, .. } => {
                self.check_writes(command);
                self.check_transfer(at.0, sectors, from);
                // What is written to a member under recovery counts for nothing yet.
                // Nor what is being moved.
                if !self.rebuilding.contains(member) && !self.is_moved(from) {
                    // With a journal what is on record is true in the midst of writes.
                    if !self.journal.serves() {
                        self.check_dirty_mark(command);
                    }
                    self.check_intent(command, member, at.0, sectors);
                }
            }
            Command::Flush { .. } => {
                assert_eq!(self.access, Access::ReadWrite, "a flush of a read-only array");
            }
            Command::Record { member: named, record, .. } => {
                self.check_writes(command);
                assert_eq!(named, member, "a record for another place");
                assert!(
                    !record.failed.difference(superseded(&record)).contains(member),
                    "a record for a member that it calls failed"
                );
                self.check_record(&record);
            }
            Command::RecordBad { member: named, at, sectors, state, .. } => {
                self.check_writes(command);
                assert_eq!(named, member, "a bad block of another place");
                match state {
                    BlockState::Bad => {}
                    BlockState::Good => self.check_is_durable(device, at, sectors),
                }
            }
            Command::LogParity { member: named, rectangle, from, .. } => {
                self.check_writes(command);
                assert_eq!(named, member, "an entry for another place");
                if let Some(from) = from {
                    self.memory(from, rectangle.sectors());
                }
            }
            Command::RecordIntent { member: named, .. }
            | Command::SealLog { member: named, .. }
            | Command::LogRow { member: named, .. }
            | Command::RecordTail { member: named, .. } => {
                self.check_writes(command);
                assert_eq!(named, member, "bits or a log of another place");
            }
            Command::RecordBackup { .. } => panic!("a member is no backup: {command:?}"),
            Command::Compute(_) => {}
        }
    }

    /// Whether this is memory of a reshape: the window, or a lane of its slots.
    fn is_moved(&self, buffer: Buffer) -> bool {
        match buffer {
            Buffer::Window { .. } => true,
            Buffer::Lane { slot, .. } => {
                !self.window.is_empty() && slot.index() >= self.front_slots
            }
            Buffer::Caller { .. } => false,
        }
    }

    fn check_writes(&self, command: &Command) {
        assert_eq!(self.access, Access::ReadWrite, "a write to a read-only array: {command:?}");
        assert_eq!(self.array_failed, ArrayFailed::NotYet, "after the array failed: {command:?}");
    }

    /// A block is called good once what was written there is durable.
    fn check_is_durable(&self, device: DeviceIndex, at: DeviceSector, sectors: Sectors) {
        let Some(cache) = &self.devices[device.index()].cache else { return };
        for sector in at.0..at.0 + sectors.0 {
            let covers = |what: &Written| match what {
                Written::Blocks { at, bytes } => {
                    let length = u64::try_from(bytes.len() / SECTOR).expect("fits into 64 bits");
                    (*at..at + length).contains(&sector)
                }
                Written::Metadata(_) | Written::List { .. } | Written::Intent(_) => false,
            };
            let last = cache.unflushed().iter().rfind(|write| covers(&write.what));
            assert!(
                last.is_none_or(|write| write.durability == Durability::Durable),
                "sector {sector} is called good before what it holds is durable"
            );
        }
    }

    fn check_transfer(&self, at: u64, sectors: Sectors, buffer: Buffer) {
        let block = self.limits.logical_block().0;
        assert!(at.is_multiple_of(block), "address {at} is no multiple of {block} sectors");
        assert!(sectors.0.is_multiple_of(block), "{sectors:?} is no multiple of {block} sectors");
        assert!(sectors <= self.limits.transfer_max, "{sectors:?} is more than a device takes");
        let range = self.memory(buffer, sectors);
        let needed = usize::try_from(self.limits.memory_alignment_bytes).expect("fits");
        assert!(
            self.alignment(buffer, &range).is_multiple_of(needed),
            "memory is not aligned to {needed} bytes: {buffer:?}"
        );
    }

    fn check_dirty_mark(&self, command: &Command) {
        for (place, device) in self.living() {
            let durable = self.devices[device.index()].durable.map(|record| record.consistency);
            // A device that has just come in is on no record yet, and nobody goes by it.
            let mut coming = self.rebuilding.into_iter().map(MemberIndex::index);
            if durable.is_none() && coming.any(|coming| coming == place) {
                continue;
            }
            assert!(
                matches!(durable, Some(Consistency::InSyncTo(_))),
                "member {place} is not marked dirty ({durable:?}): {command:?}"
            );
        }
    }

    /// The bits over what is written are durable on every living member. Who was lost and lacks them is
    /// on durable record as failed.
    fn check_intent(&self, command: &Command, member: MemberIndex, at: u64, sectors: Sectors) {
        // An array that is being reshaped has no bitmap.
        if !self.window.is_empty() {
            return;
        }
        let start = at - DATA_OFFSET;
        let start = match &self.geometry {
            Geometry::Parity(_) => start,
            Geometry::Copies(copies) => {
                let address = copies.chunk_at(member, MemberSector(start)).expect("in the array");
                copies.unmap(address).expect("in the array").0
            }
        };
        let lacks = |device: DeviceIndex| {
            let intent = self.devices[device.index()].durable_intent.as_ref();
            intent.is_some_and(|intent| {
                (start..start + sectors.0).any(|sector| !intent.is_set(sector))
            })
        };
        for (place, device) in self.living() {
            assert!(!lacks(device), "a bit is not set on member {place}: {command:?}");
        }
        for lost in self.noted {
            if !self.seats[lost.index()].is_some_and(lacks) {
                continue;
            }
            for (place, device) in self.living() {
                let durable = self.devices[device.index()].durable;
                assert!(
                    durable.is_some_and(|record| record.failed.contains(lost)),
                    "{lost:?} lacks a bit, and member {place} does not know that it is lost: {command:?}"
                );
            }
        }
    }

    fn check_record(&self, record: &Record) {
        match &self.last_record {
            Some(last) if last.events == record.events => {
                assert_eq!(last, record, "one event count, two contents");
            }
            Some(last) => assert_eq!(record.events, last.events + 1, "events rise by one"),
            None => assert_eq!(record.events, self.events_before + 1, "events rise by one"),
        }
        // A device may have come in since the record was made.
        let coming = self.lost.union(self.rebuilding);
        // The member that was replaced is out when its replacement holds everything.
        let ended =
            record.replacement.filter(|it| it.copied_to >= self.geometry.shape().member_size);
        let coming = coming.union(ended.into_iter().map(|it| it.member).collect());
        assert!(record.failed.difference(coming).is_empty(), "a member called failed that is not");
    }

    /// No command in flight fills memory that another uses.
    pub(crate) fn check_memory(&self, command: &Command) {
        let Some((buffer, sectors, fills)) = use_of(command) else { return };
        let range = self.memory(buffer, sectors);
        for other in self.queue.iter().chain(self.hung.iter().map(|hung| &hung.command)) {
            let Some((other_buffer, other_sectors, other_fills)) = use_of(&other.command) else {
                continue;
            };
            let both_only_look = fills == Use::Looks && other_fills == Use::Looks;
            if both_only_look || !same_memory(buffer, other_buffer) {
                continue;
            }
            let other_range = self.memory(other_buffer, other_sectors);
            assert!(
                range.end <= other_range.start || other_range.end <= range.start,
                "two commands in flight over the same memory: {command:?} and {:?}",
                other.command
            );
        }
    }
}

/// The member that a record calls failed because its replacement has its place.
fn superseded(record: &Record) -> MemberSet {
    record.replacement.into_iter().map(|replacement| replacement.member).collect()
}

/// What a command does to its memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Fills,
    Looks,
}

pub(super) fn use_of(command: &Command) -> Option<(Buffer, Sectors, Use)> {
    match *command {
        Command::Read { into, sectors, .. } => Some((into, sectors, Use::Fills)),
        Command::Write { from, sectors, .. } => Some((from, sectors, Use::Looks)),
        Command::LogParity { from: Some(from), rectangle, .. } => {
            Some((from, rectangle.sectors(), Use::Looks))
        }
        Command::Flush { .. }
        | Command::Record { .. }
        | Command::RecordBad { .. }
        | Command::RecordIntent { .. }
        | Command::LogParity { from: None, .. }
        | Command::SealLog { .. }
        | Command::RecordBackup { .. }
        | Command::LogRow { .. }
        | Command::RecordTail { .. }
        | Command::Compute(_) => None,
    }
}

fn same_memory(one: Buffer, other: Buffer) -> bool {
    match (one, other) {
        (Buffer::Lane { .. }, Buffer::Lane { .. })
        | (Buffer::Window { .. }, Buffer::Window { .. }) => true,
        (Buffer::Caller { request: one, .. }, Buffer::Caller { request: other, .. }) => {
            one == other
        }
        (Buffer::Lane { .. }, Buffer::Caller { .. } | Buffer::Window { .. })
        | (Buffer::Caller { .. }, Buffer::Lane { .. } | Buffer::Window { .. })
        | (Buffer::Window { .. }, Buffer::Lane { .. } | Buffer::Caller { .. }) => false,
    }
}
