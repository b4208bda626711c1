//! What is done with md's partial parity logs before an array is started.

use super::device::BlockDevice;
use crate::engine::{BadBlock, Seat};
use crate::geometry::ParityGeometry;
use crate::host::{Durability, Fault};
use crate::md::ppl::{
    Integrity, ParityFate, PplArea, PplBatch, PplEntry, PplHeader, PplScan, PplScanStep,
    PplSignature, ReplayPiece,
};
use crate::md::{Block, SUPERBLOCK_BYTES};
use crate::members::{MemberSet, MemberState};
use crate::metadata::Consistency;
use crate::units::{DeviceIndex, FAULT_UNIT, MemberIndex, Sectors};

const _: () = assert!(FAULT_UNIT.0 * 512 == 4096 && SUPERBLOCK_BYTES == 4096);

/// An array whose logs are to be looked at before it is started.
#[derive(Clone, Copy, Debug)]
pub struct PplArray<'a> {
    /// Its geometry.
    pub geometry: &'a ParityGeometry,
    /// Which array it is.
    pub signature: PplSignature,
    /// Who sits where.
    pub seats: &'a [Option<Seat>],
    /// The area of each member's log, by place.
    pub areas: &'a [Option<PplArea>],
    /// How far parity agrees with the data, says the metadata.
    pub consistency: Consistency,
    /// Ranges of members that are known to be bad, as the engine is to be told.
    pub bad_blocks: &'a [BadBlock],
}

/// What the engine is to be told of an array with logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PplStart {
    /// How far parity agrees with the data.
    pub consistency: Consistency,
    /// The highest generation of any log.
    pub generation: u64,
}

/// What went wrong with a member's log, or with parity that it says is to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PplFailure {
    /// The member.
    pub member: MemberIndex,
    /// What its device said.
    pub fault: Fault,
}

impl core::fmt::Display for PplFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { member, fault } = self;
        write!(f, "the partial parity log of member {} could not be used: {fault:?}", member.0)
    }
}

impl core::error::Error for PplFailure {}

/// What the logs of the members say together.
#[derive(Clone, Copy, Debug)]
struct Findings {
    /// Members whose log is whole.
    found: MemberSet,
    /// Members with entries that could not be used.
    doubtful: MemberSet,
    /// Members whose medium does not give the log, or does not take parity that it speaks of: rows
    /// may be torn that nothing names.
    spoilt: MemberSet,
    generation: u64,
    entries: u64,
}

impl PplArray<'_> {
    /// Does what the logs say, so that the array can be started: writes to the members, if the array
    /// was not stopped cleanly, and makes that durable. The logs are then ready to be written.
    ///
    /// Of an array that lacks nothing, parity is known to agree if every log is whole, all they say
    /// could be done, and they say anything at all; else there is a resync, as without a log. That is
    /// md's rule. Of one that lacks a member, or has bad blocks, parity is all that is left of what is
    /// lacking. There it is as the logs left it if one of them was in use: what a crash spoils of a
    /// log speaks of writes that were not begun. (md starts such an array whatever the logs say.)
    ///
    /// # Errors
    /// What failed. It may be tried again.
    pub fn prepare<D: BlockDevice>(&self, devices: &mut [D]) -> Result<PplStart, PplFailure> {
        let unused = PplStart { consistency: self.consistency, generation: 0 };
        match self.consistency {
            Consistency::Clean => {
                self.empty(devices)?;
                return Ok(unused);
            }
            Consistency::InSyncTo(_) => {}
        }
        let nobody = MemberSet::NONE;
        let mut findings =
            Findings { found: nobody, doubtful: nobody, spoilt: nobody, generation: 0, entries: 0 };
        for member in self.present() {
            self.replay(member, devices, &mut findings)?;
        }
        self.flush(devices)?;
        let Findings { found, doubtful, spoilt, generation, entries } = findings;
        let trusted = if self.lacks_nothing() {
            found == self.present() && doubtful.is_empty() && entries > 0
        } else {
            generation > 0
        };
        if trusted && spoilt.is_empty() {
            return Ok(PplStart { consistency: Consistency::Clean, generation });
        }
        self.empty(devices)?;
        Ok(unused)
    }

    fn present(&self) -> MemberSet {
        self.places(|seat| match seat.state {
            MemberState::InSync | MemberState::Rebuilding { .. } => Some(seat.device),
            MemberState::Failed | MemberState::Missing => None,
        })
    }

    /// Whether all blocks can be read that should be there.
    fn lacks_nothing(&self) -> bool {
        let in_sync =
            self.places(|seat| (seat.state == MemberState::InSync).then_some(seat.device));
        let bad = self.bad_blocks.iter().any(|range| range.sectors > Sectors::ZERO);
        in_sync.count() == u32::from(self.geometry.members()) && !bad
    }

    fn places(&self, which: impl Fn(&Seat) -> Option<DeviceIndex>) -> MemberSet {
        let seats = self.seats.iter().zip(0..=u8::MAX);
        let found = seats.filter(|(seat, _)| seat.as_ref().and_then(&which).is_some());
        found.map(|(_, member)| MemberIndex(member)).collect()
    }

    /// Members whose block of a row can be read where a piece lies.
    fn readable(&self, piece: &ReplayPiece) -> MemberSet {
        let start = self.geometry.member_sector(piece.row, piece.offset);
        let end = start.and_then(|start| start.0.checked_add(piece.sectors.0));
        let valid = self.places(|seat| match seat.state {
            MemberState::InSync => Some(seat.device),
            MemberState::Rebuilding { valid_to } => {
                end.filter(|end| *end <= valid_to.0).map(|_| seat.device)
            }
            MemberState::Failed | MemberState::Missing => None,
        });
        let (Some(start), Some(end)) = (start, end) else { return MemberSet::NONE };
        let here = |range: &&BadBlock| range.at.0 < end && start.0 < range.end();
        valid.difference(self.bad_blocks.iter().filter(here).map(|range| range.member).collect())
    }

    fn device<'d, D>(
        &self,
        member: MemberIndex,
        devices: &'d mut [D],
    ) -> Result<(&Seat, &'d mut D), PplFailure> {
        let missing = PplFailure { member, fault: Fault::Gone };
        let seat = self.seats.get(member.index()).and_then(Option::as_ref).ok_or(missing)?;
        Ok((seat, devices.get_mut(seat.device.index()).ok_or(missing)?))
    }

    fn area(&self, member: MemberIndex) -> Result<PplArea, PplFailure> {
        let area = self.areas.get(member.index()).copied().flatten();
        area.ok_or(PplFailure { member, fault: Fault::InvalidRequest })
    }

    fn flush<D: BlockDevice>(&self, devices: &mut [D]) -> Result<(), PplFailure> {
        for member in self.present() {
            let (_, device) = self.device(member, devices)?;
            device.flush().map_err(|fault| PplFailure { member, fault })?;
        }
        Ok(())
    }

    /// Empties all logs. None is whole before all are gone: what is left of them by a crash then
    /// vouches for nothing.
    fn empty<D: BlockDevice>(&self, devices: &mut [D]) -> Result<(), PplFailure> {
        let zeroes = [0; SUPERBLOCK_BYTES];
        for member in self.present() {
            let area = self.area(member)?;
            let (_, device) = self.device(member, devices)?;
            let failed = |fault| PplFailure { member, fault };
            for at in units(area.sectors()) {
                let at = area.start().checked_add(at).ok_or(failed(Fault::InvalidRequest))?;
                device.write(at, &zeroes, Durability::Cached).map_err(failed)?;
            }
        }
        self.flush(devices)?;
        for member in self.present() {
            let area = self.area(member)?;
            let (_, device) = self.device(member, devices)?;
            let (geometry, room) = (self.geometry, area.log_room());
            let empty = PplBatch::begin(zeroes, self.signature, 0, geometry, member, room);
            let (_, block) = empty.finish();
            let written = device.write(area.start(), &block, Durability::Cached);
            written.map_err(|fault| PplFailure { member, fault })?;
        }
        self.flush(devices)
    }

    /// Does what the log of one member says.
    fn replay<D: BlockDevice>(
        &self,
        holder: MemberIndex,
        devices: &mut [D],
        findings: &mut Findings,
    ) -> Result<(), PplFailure> {
        let area = self.area(holder)?;
        let mut block = [0; SUPERBLOCK_BYTES];
        let mut scan = PplScan::begin(area, self.signature);
        // Each block that a scan asks for lies behind the one before.
        let found = loop {
            let readable = self.read_log(holder, devices, area, scan.at(), &mut block)?;
            if readable == Integrity::Damaged {
                findings.spoilt.insert(holder);
                return Ok(());
            }
            match scan.feed(&block) {
                PplScanStep::Read(next) => scan = next,
                PplScanStep::Done(found) => break found,
            }
        };
        let Some(found) = found else { return Ok(()) };
        findings.found.insert(holder);
        findings.generation = findings.generation.max(found.generation);
        if self.read_log(holder, devices, area, found.at, &mut block)? == Integrity::Damaged {
            findings.spoilt.insert(holder);
            return Ok(());
        }
        let room = area.sectors().saturating_sub(found.at);
        let Ok(header) = PplHeader::parse(&block, self.signature, room) else { return Ok(()) };
        for entry in header.entries() {
            findings.entries = findings.entries.saturating_add(1);
            self.replay_entry(holder, devices, (area, found.at), &entry, findings)?;
        }
        Ok(())
    }

    /// Reads a block of a member's log; damaged if the medium does not give it.
    fn read_log<D: BlockDevice>(
        &self,
        member: MemberIndex,
        devices: &mut [D],
        area: PplArea,
        at: Sectors,
        into: &mut [u8],
    ) -> Result<Integrity, PplFailure> {
        let (_, device) = self.device(member, devices)?;
        let misplaced = PplFailure { member, fault: Fault::InvalidRequest };
        let at = area.start().checked_add(at).ok_or(misplaced)?;
        taken(device.read(at, into), member)
    }

    fn replay_entry<D: BlockDevice>(
        &self,
        holder: MemberIndex,
        devices: &mut [D],
        (area, log): (PplArea, Sectors),
        entry: &PplEntry,
        findings: &mut Findings,
    ) -> Result<(), PplFailure> {
        let misplaced = PplFailure { member: holder, fault: Fault::InvalidRequest };
        let mut buffer = [0; SUPERBLOCK_BYTES];
        let mut digest = entry.verify();
        let start = log.checked_add(entry.log_offset).ok_or(misplaced)?;
        for within in units(entry.partial_parity) {
            let at = start.checked_add(within).ok_or(misplaced)?;
            let bytes = unit(&mut buffer, entry.partial_parity, within).ok_or(misplaced)?;
            if self.read_log(holder, devices, area, at, bytes)? == Integrity::Damaged {
                findings.spoilt.insert(holder);
                return Ok(());
            }
            digest = digest.feed(bytes);
        }
        let (Integrity::Intact, Ok(pieces)) =
            (digest.finish(), entry.replay(self.geometry, holder))
        else {
            findings.doubtful.insert(holder);
            return Ok(());
        };
        for piece in &pieces {
            for within in units(piece.sectors) {
                let piece = part(piece, within).ok_or(misplaced)?;
                let readable = self.readable(&piece);
                match piece.fate(readable) {
                    // Parity that is bad stands in for nothing.
                    ParityFate::Recompute if readable.contains(holder) => {
                        self.recompute(&piece, devices, (area, log), findings)?;
                    }
                    ParityFate::Recompute | ParityFate::Leave => {}
                }
            }
        }
        Ok(())
    }

    /// Makes the parity of a piece, which is no longer than a unit.
    fn recompute<D: BlockDevice>(
        &self,
        piece: &ReplayPiece,
        devices: &mut [D],
        (area, log): (PplArea, Sectors),
        findings: &mut Findings,
    ) -> Result<(), PplFailure> {
        let misplaced = PplFailure { member: piece.parity, fault: Fault::InvalidRequest };
        let (mut parity, mut buffer) = ([0; SUPERBLOCK_BYTES], [0; SUPERBLOCK_BYTES]);
        let sum = unit(&mut parity, piece.sectors, Sectors::ZERO).ok_or(misplaced)?;
        if let Some(partial) = piece.partial_parity {
            let at = log.checked_add(partial).ok_or(misplaced)?;
            if self.read_log(piece.parity, devices, area, at, sum)? == Integrity::Damaged {
                findings.spoilt.insert(piece.parity);
                return Ok(());
            }
        }
        let sector = self.geometry.member_sector(piece.row, piece.offset).ok_or(misplaced)?;
        for member in piece.modified {
            let bytes = unit(&mut buffer, piece.sectors, Sectors::ZERO).ok_or(misplaced)?;
            let (seat, device) = self.device(member, devices)?;
            let at = seat.data_offset.checked_add(Sectors(sector.0)).ok_or(misplaced)?;
            if taken(device.read(at, bytes), member)? == Integrity::Damaged {
                findings.doubtful.insert(piece.parity);
                return Ok(());
            }
            sum.iter_mut().zip(bytes).for_each(|(sum, byte)| *sum ^= *byte);
        }
        let (seat, device) = self.device(piece.parity, devices)?;
        let at = seat.data_offset.checked_add(Sectors(sector.0)).ok_or(misplaced)?;
        let written = device.write(at, sum, Durability::Cached);
        if taken(written, piece.parity)? == Integrity::Damaged {
            findings.spoilt.insert(piece.parity);
        }
        Ok(())
    }
}

/// The unit of a piece that starts so far into it.
fn part(piece: &ReplayPiece, within: Sectors) -> Option<ReplayPiece> {
    let partial_parity = match piece.partial_parity {
        Some(at) => Some(at.checked_add(within)?),
        None => None,
    };
    let offset = piece.offset.checked_add(within)?;
    let sectors = piece.sectors.saturating_sub(within).min(FAULT_UNIT);
    Some(ReplayPiece { offset, sectors, partial_parity, ..*piece })
}

/// Whether the medium gave a block, or took it. Any other failure ends the replay.
fn taken(done: Result<(), Fault>, member: MemberIndex) -> Result<Integrity, PplFailure> {
    match done {
        Ok(()) => Ok(Integrity::Intact),
        Err(Fault::Media | Fault::Integrity) => Ok(Integrity::Damaged),
        Err(
            fault @ (Fault::Transport | Fault::Gone | Fault::InvalidRequest | Fault::Unsupported),
        ) => Err(PplFailure { member, fault }),
    }
}

/// Where each unit of a length starts.
fn units(length: Sectors) -> impl Iterator<Item = Sectors> {
    (0..length.0.div_ceil(FAULT_UNIT.0)).map(|number| Sectors(number.saturating_mul(FAULT_UNIT.0)))
}

/// The part of a buffer for the unit that starts here.
fn unit(buffer: &mut Block, length: Sectors, start: Sectors) -> Option<&mut [u8]> {
    let sectors = length.saturating_sub(start).min(FAULT_UNIT);
    buffer.get_mut(..sectors.memory_bytes()?)
}
