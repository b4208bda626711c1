//! What a host insists on, with every command and at the end of every pass.

use std::collections::BTreeSet;

use raid_core::engine::{Halt, PassEnd, PassKind, PassReport, StopReason};
use raid_core::geometry::Geometry;
use raid_core::host::{BlockState, Buffer, Command, Token};
use raid_core::metadata::{Consistency, Record};
use raid_core::units::{DeviceIndex, DeviceSector, Lba, MemberIndex, MemberSector, Sectors};

use super::state::{MemoryHost, Parking, Resting, Writing};
use super::{SECTOR_BYTES, bytes_of};
use crate::agreement;

impl MemoryHost {
    /// Panics where a command breaks a promise to its host.
    pub(super) fn insist(&self, token: Token, command: &Command) {
        assert!(!self.tokens.contains(&token.to_bits()), "a token names one command, ever");
        assert_eq!(Token::from_bits(token.to_bits()), token, "a token is its bits");
        assert_ne!(self.resting, Resting::Reached, "{command:?} from an engine at rest");
        match command {
            Command::Write { device, at, sectors, .. } => {
                self.insist_on_dirty_mark(*device);
                self.insist_on_bits(*device, *at, *sectors);
                assert_eq!(self.writing, Writing::Allowed, "a read-only array is not written");
                assert_eq!(self.serving, Writing::Allowed, "a failed array is not written");
            }
            Command::Flush { .. } => {
                assert_eq!(self.writing, Writing::Allowed, "a read-only array records nothing");
            }
            Command::Record { record, member, .. } => {
                let known = record.rebuilding.contains(*member) || record.failed.contains(*member);
                let newcomer = self.newcomers.contains(&member.0);
                assert!(!newcomer || known, "{member:?} holds nothing, says {record:?} not");
                assert_eq!(self.writing, Writing::Allowed, "a read-only array records nothing");
                self.insist_on_truth(record);
            }
            Command::RecordIntent { .. } => {
                assert_eq!(self.writing, Writing::Allowed, "a read-only array records nothing");
                assert_eq!(self.serving, Writing::Allowed, "nor does a failed one");
            }
            Command::RecordBad { device, at, sectors, state, .. } => {
                assert_eq!(self.writing, Writing::Allowed, "a read-only array records nothing");
                assert_eq!(self.serving, Writing::Allowed, "a failed array records nothing");
                if let BlockState::Good = state {
                    let volatile = &self.devices[device.index()].volatile;
                    let doubtful = volatile.range(at.0..at.0 + sectors.0).next();
                    assert_eq!(doubtful, None, "{command:?}: a loss of power would undo it");
                }
            }
            Command::Read { device, at, sectors, .. } => {
                let known = &self.devices[device.index()].known_bad;
                let bad = known.range(at.0..at.0 + sectors.0).next();
                assert_eq!(bad, None, "{command:?} of what is known to be bad");
            }
            Command::LogParity { .. }
            | Command::SealLog { .. }
            | Command::RecordBackup { .. }
            | Command::LogRow { .. }
            | Command::RecordTail { .. } => {
                assert_eq!(self.writing, Writing::Allowed, "a read-only array logs nothing");
                assert_eq!(self.serving, Writing::Allowed, "a failed array is not written");
            }
            Command::Compute(_) => {}
        }
        if let Some(device) = command.device() {
            let seated = self.member_of(device);
            let hangs = seated.is_some_and(|member| self.hangs(member));
            assert!(!hangs, "{command:?} to a member with commands that are not dead");
        }
        if let Command::Read { into: buffer, sectors, .. }
        | Command::Write { from: buffer, sectors, .. } = command
        {
            assert!(
                !self.is_reached(*buffer, *sectors),
                "{command:?}: its memory may be overwritten"
            );
        }
        let Some((device, range)) = range_of(command) else { return };
        assert!(range.end <= self.devices[device.index()].bytes.len() as u64 / 512);
        for (_, other) in &self.in_flight {
            let Some((other_device, other_range)) = range_of(other) else { continue };
            let apart = device != other_device
                || range.end <= other_range.start
                || other_range.end <= range.start;
            assert!(
                apart || (self.changes_nothing(command) && self.changes_nothing(other)),
                "{command:?} while {other:?} is in flight"
            );
        }
    }

    /// A block that was reconstructed is written back while others may read it: what they can read of it does
    /// not change.
    fn changes_nothing(&self, command: &Command) -> bool {
        let Command::Write { device, at, sectors, from, .. } = *command else { return true };
        if let (Geometry::Copies(_), Some(_)) = (&self.geometry, self.unsynced_from) {
            // Where nobody wrote, the copy that it is made from may be another.
            return true;
        }
        let (memory, offset) = match from {
            Buffer::Lane { slot, member, offset } => {
                (&self.lanes[slot.index()][member.index()], offset)
            }
            Buffer::Caller { request, offset } => (&self.callers[&request.index()].bytes, offset),
            Buffer::Window { .. } => unreachable!("nothing is reshaped"),
        };
        let new = memory[bytes_of(offset.0, sectors)].chunks_exact(SECTOR_BYTES);
        let device = &self.devices[device.index()];
        let old = device.bytes[bytes_of(at.0, sectors)].chunks_exact(SECTOR_BYTES);
        new.zip(old).zip(at.0..).all(|((new, old), at)| new == old || device.bad.contains(&at))
    }

    /// Before a member is written, every live member says durably that writes are under way. Who is not rebuilt
    /// holds nothing that disagrees, and one that came in meanwhile no record that anybody would trust.
    fn insist_on_dirty_mark(&self, written: DeviceIndex) {
        if self.member_of(written).is_none_or(|member| self.unbuilt.contains(&member)) {
            return;
        }
        for (member, device) in (0..).zip(&self.seats) {
            let durable = self.devices[device.index()].durable;
            if self.absent.contains(&member)
                || (durable.is_none() && self.unbuilt.contains(&member))
            {
                continue;
            }
            assert_eq!(
                durable.map(|record| record.consistency),
                Some(Consistency::InSyncTo(Sectors(0))),
                "member {member} is not marked dirty"
            );
        }
    }

    /// Before a member is written, every live member has the bits over it durably.
    fn insist_on_bits(&self, written: DeviceIndex, at: DeviceSector, sectors: Sectors) {
        let Some(bit) = self.bit else { return };
        let Some(member) = self.member_of(written) else { return };
        if self.unbuilt.contains(&member) {
            return;
        }
        let start = at.0 - self.data_offset.0;
        let start = match &self.geometry {
            Geometry::Parity(_) => start,
            Geometry::Copies(copies) => {
                let address = copies.chunk_at(MemberIndex(member), MemberSector(start));
                copies.unmap(address.expect("in the array")).expect("in the array").0
            }
        };
        for (other, device) in (0..).zip(&self.seats) {
            let bits = &self.devices[device.index()].durable_bits;
            let all = (start..start + sectors.0).all(|sector| bits.contains(&(sector / bit.0)));
            assert!(self.absent.contains(&other) || all, "member {other} lacks a bit");
        }
    }

    /// What a record vouches for is so, and no loss of power takes it back.
    fn insist_on_truth(&self, record: &Record) {
        let vouched = match record.consistency {
            Consistency::InSyncTo(Sectors(0)) => 0,
            Consistency::InSyncTo(mark) => self.line_at(PassKind::Resync, mark),
            Consistency::Clean => {
                for (member, device) in (0..).zip(&self.seats) {
                    let mark = match record.rebuilding.contains(MemberIndex(member)) {
                        true => self.data_offset.0 + record.rebuilt_to.0,
                        false => u64::MAX,
                    };
                    let mut volatile = self.devices[device.index()].volatile.range(..mark);
                    let trusted =
                        !self.absent.contains(&member) && !self.newcomers.contains(&member);
                    let at_stake = trusted && volatile.next().is_some();
                    assert!(!at_stake, "member {member} may lose what is called clean");
                }
                agreement::lines(&self.geometry)
            }
        };
        let rebuilding = |member: MemberIndex| record.rebuilding.contains(member);
        self.insist_on_agreement("a record", 0..vouched, |member, at| {
            let valid = !rebuilding(member) || at < record.rebuilt_to.0;
            valid && !record.failed.contains(member) && !self.newcomers.contains(&member.0)
        });
        let all = self.synced_lines();
        if !record.rebuilding.is_empty() && record.rebuilt_to > Sectors::ZERO {
            self.insist_on_agreement("the mark of a recovery", all, |member, at| {
                !self.unbuilt.contains(&member.0)
                    || (!self.newcomers.contains(&member.0)
                        && rebuilding(member)
                        && at < record.rebuilt_to.0)
            });
        }
    }

    /// What was written up to then survives a loss of power.
    pub fn insist_on_durability(&self, until: u64) {
        for (member, device) in (0..).zip(&self.seats) {
            let volatile = &self.devices[device.index()].volatile;
            let at_stake = volatile.values().any(|written| *written <= until);
            assert!(self.absent.contains(&member) || !at_stake, "member {member} is not flushed");
        }
    }

    pub fn insist_at_the_end(&self) {
        let all = self.synced_lines();
        self.insist_on_agreement("all", all, |member, _| !self.unbuilt.contains(&member.0));
    }

    /// Lines that are known to agree.
    fn synced_lines(&self) -> std::ops::Range<u64> {
        0..self.unsynced_from.unwrap_or(u64::MAX).min(agreement::lines(&self.geometry))
    }

    /// The lines below a position of a pass that are done as a whole.
    pub fn line_at(&self, kind: PassKind, position: Sectors) -> u64 {
        match (&self.geometry, kind) {
            (Geometry::Copies(_), PassKind::Recovery) => 0,
            _ => position.0 / self.geometry.chunk().0.max(1),
        }
    }

    /// All lines agree that nobody writes and that no failed write left behind, on members that are valid there.
    fn insist_on_agreement(
        &self,
        what: &str,
        lines: std::ops::Range<u64>,
        valid: impl Fn(MemberIndex, u64) -> bool,
    ) {
        let mut unsettled = BTreeSet::new();
        for range in self.unsettled.values() {
            let line = |at| agreement::line_of(&self.geometry, Lba(at));
            unsettled.extend(range.clone().map(line));
        }
        for line in lines {
            if self.doubt.contains(&line) || unsettled.contains(&line) {
                continue;
            }
            let known = |member: MemberIndex, at: u64| {
                let there = !self.absent.contains(&member.0) && valid(member, at);
                let device = &self.devices[self.seats[member.index()].index()];
                let at = self.data_offset.0 + at;
                let there = there && !device.listed.contains(&at);
                there.then(|| &device.bytes[bytes_of(at, Sectors(1))])
            };
            if let Err(how) = agreement::agrees(&self.geometry, line, known) {
                panic!("after {what}: {how}");
            }
        }
    }

    pub(super) fn pass_ended(&mut self, report: &PassReport, end: PassEnd) {
        let pass = self.pass.take().expect("a pass ends once");
        assert_eq!(report.kind, pass.kind, "the pass that was started ends");
        match end {
            PassEnd::Halted(Halt::Parked) => {
                assert_eq!(pass.parking, Parking::Asked, "nobody asked");
                return;
            }
            PassEnd::Halted(Halt::Stopped(reason)) => {
                match reason {
                    StopReason::ArrayFailed => assert_eq!(self.serving, Writing::Forbidden),
                    StopReason::MemberLost => {
                        assert!(!self.absent.is_empty() || !self.unbuilt.is_empty());
                    }
                    StopReason::TargetLost => {
                        let there = |member| !self.absent.contains(member);
                        assert!(!pass.targets.iter().any(there), "a target is left");
                    }
                    StopReason::OriginalLost => panic!("no member is being replaced"),
                    StopReason::Unrecoverable { .. } => {
                        assert!(!self.injured.is_empty() || self.unsynced_from.is_some());
                    }
                    StopReason::Rejected => {}
                }
                return;
            }
            PassEnd::Finished => assert_eq!(report.position, report.end, "finished at its end"),
        }
        match pass.kind {
            PassKind::Recovery => {
                for member in &pass.targets {
                    if !self.absent.contains(member) {
                        self.is_built(*member);
                    }
                }
            }
            PassKind::Resync | PassKind::Repair => {
                if pass.kind == PassKind::Resync {
                    self.unsynced_from = None;
                }
                // What came into doubt since may have been passed already.
                self.doubt.retain(|line| *line < pass.first || !pass.doubt_before.contains(line));
            }
            PassKind::Check => {
                let certain = pass.doubt_before.is_empty()
                    && self.doubt.is_empty()
                    && self.unsynced_from.is_none();
                assert!(
                    !certain || report.mismatched == Sectors::ZERO,
                    "parity agrees: {report:?}"
                );
            }
            PassKind::Locate | PassKind::Replacement => {}
        }
        let all = self.synced_lines();
        let what = format!("a finished {:?}", pass.kind);
        self.insist_on_agreement(&what, all, |member, _| !self.unbuilt.contains(&member.0));
    }

    /// A member holds all that it should.
    fn is_built(&mut self, member: u8) {
        self.unbuilt.remove(&member);
        self.hollow.remove(&self.device_of(member));
        let device = &self.devices[self.device_of(member).index()];
        if device.faults_given == 0 && device.listed.is_empty() && !self.hangs(member) {
            self.injured.remove(&member);
        }
    }
}

fn range_of(command: &Command) -> Option<(DeviceIndex, std::ops::Range<u64>)> {
    match *command {
        Command::Read { device, at, sectors, .. } | Command::Write { device, at, sectors, .. } => {
            Some((device, at.0..at.0.checked_add(sectors.0)?))
        }
        Command::Flush { .. }
        | Command::Record { .. }
        | Command::RecordIntent { .. }
        | Command::RecordBad { .. }
        | Command::LogParity { .. }
        | Command::SealLog { .. }
        | Command::RecordBackup { .. }
        | Command::LogRow { .. }
        | Command::RecordTail { .. }
        | Command::Compute(_) => None,
    }
}
