//! Whether what came of a request is right.

use raid_core::engine::Fate;
use raid_core::geometry::Geometry;
use raid_core::host::{Event, Failure};
use raid_core::members::MemberSet;
use raid_core::units::{Lba, MemberIndex};
use raid_sim::device::RamDevice;
use raid_sim::host::Answered;
use raid_sim::reference;
use raid_sim::sim::{Blueprint, DATA_OFFSET, Sim, read_back};

/// Whether all blocks can be known without these members, says algebra.
pub(crate) fn survives(blueprint: &Blueprint, devices: &[RamDevice], lost: MemberSet) -> bool {
    lost.is_empty()
        || reference::content(&blueprint.geometry, &blueprint.areas(devices, lost)).is_ok()
}

/// Judges a write of `at .. at + sectors` that makes the content `before` into `after`.
pub(crate) fn write(
    blueprint: &Blueprint,
    sim: &Sim<'_>,
    answer: &Answered,
    (at, sectors): (u64, u64),
    (before, after): (&[u8], &[u8]),
    case: u64,
) {
    let lost = sim.host.lost();
    let devices = &sim.host.devices;
    let serves = survives(blueprint, devices, lost);
    assert_eq!(sim.fate() == Fate::Serving, serves, "lost: {lost:?}");
    match answer.result {
        Ok(_) => {
            assert!(serves, "a write was answered that cannot be read back: lost {lost:?}");
            fits(blueprint, devices, lost, after);
            // Where the bytes are right a fresh engine reads them; that is a test of reads, and of
            // every third case.
            if case.is_multiple_of(3) {
                let read = read_back(blueprint, devices.to_vec(), lost);
                assert!(read.as_deref() == Ok(after), "a fresh engine reads other bytes");
            }
        }
        Err(failure) => {
            assert!(!serves, "{failure} with no more lost than {lost:?}");
            assert_named(failure, at, sectors);
            assert_not_mangled(blueprint, devices, lost, (at, sectors), (before, after));
        }
    }
}

/// The members hold exactly this content and its parity.
fn fits(blueprint: &Blueprint, devices: &[RamDevice], lost: MemberSet, content: &[u8]) {
    let areas = blueprint.areas(devices, lost);
    let geometry = &blueprint.geometry;
    let wrong = reference::disagreements(geometry, content, &areas, blueprint.member_sectors);
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The devices with what belongs to this content where they call blocks bad: nobody reads that.
pub(crate) fn unlisted(
    blueprint: &Blueprint,
    devices: &[RamDevice],
    content: &[u8],
) -> Vec<RamDevice> {
    let mut devices = devices.to_vec();
    let wanted = reference::lay_out(&blueprint.geometry, content, blueprint.member_sectors);
    for (device, wanted) in devices.iter_mut().zip(&wanted) {
        for sector in device.listed.clone() {
            let at = usize::try_from(sector - DATA_OFFSET).unwrap() * 512;
            device.medium.store(sector, &wanted[at..at + 512]);
        }
    }
    devices
}

/// The members fit this content, and algebra solves them for it.
pub(crate) fn holds(blueprint: &Blueprint, devices: &[RamDevice], lost: MemberSet, content: &[u8]) {
    let devices = &unlisted(blueprint, devices, content);
    fits(blueprint, devices, lost, content);
    let areas = blueprint.areas(devices, lost);
    let geometry = &blueprint.geometry;
    let solved = reference::content(geometry, &areas).expect("within the redundancy");
    assert!(solved == content, "algebra gives other bytes");
}

fn assert_named(failure: Failure, at: u64, sectors: u64) {
    match failure {
        Failure::Unrecoverable { at: first, sectors: length } => assert!(
            at <= first.0 && first.0 + length.0 <= at + sectors && length.0 > 0,
            "{failure} is not about {at} + {sectors}"
        ),
        Failure::ArrayFailed | Failure::JournalLost => {}
        Failure::Rejected { .. }
        | Failure::NothingToCompare
        | Failure::MemoryHeld { .. }
        | Failure::HandedBack
        | Failure::Interrupted
        | Failure::NeedsBackup { .. }
        | Failure::NotCompared { .. } => {
            panic!("unexpected failure: {failure}")
        }
    }
}

/// On the members that are left, each sector of the range holds the old or the new, and all others
/// the old.
fn assert_not_mangled(
    blueprint: &Blueprint,
    devices: &[RamDevice],
    lost: MemberSet,
    (at, sectors): (u64, u64),
    (before, after): (&[u8], &[u8]),
) {
    let areas = blueprint.areas(devices, lost);
    for lba in 0..blueprint.geometry.size().0 {
        let sector = |content: &[u8]| -> [u8; 512] {
            let start = usize::try_from(lba).unwrap() * 512;
            content[start..start + 512].try_into().unwrap()
        };
        for (member, on_member) in places_of(&blueprint.geometry, Lba(lba)) {
            let Some(area) = areas[member.index()] else { continue };
            let start = usize::try_from(on_member).unwrap() * 512;
            let is = &area[start..start + 512];
            let covered = (at..at + sectors).contains(&lba);
            assert!(
                is == sector(before) || covered && is == sector(after),
                "sector {lba} on member {member:?} is neither old nor new"
            );
        }
    }
}

/// Where a sector of the array lies: places, and the sector in their data areas.
pub(crate) fn places_of(geometry: &Geometry, lba: Lba) -> Vec<(MemberIndex, u64)> {
    match geometry {
        Geometry::Parity(parity) => {
            let address = parity.map(lba).unwrap();
            let member = parity.row(address.row).member(address.data).unwrap();
            vec![(member, parity.member_sector(address.row, address.offset).unwrap().0)]
        }
        Geometry::Copies(copies) => {
            let address = copies.map(lba).unwrap();
            let sector =
                |member| copies.member_sector(address.chunk, member).unwrap().0 + address.offset.0;
            let places = copies.copy_places(address.chunk).into_iter();
            places.map(|member| (member, sector(member))).collect()
        }
    }
}

/// The sectors of a request that the engine named as lost.
pub(crate) fn named_lost(sim: &Sim<'_>, answer: &Answered) -> Vec<u64> {
    sim.host
        .events()
        .flat_map(|event| match event {
            Event::RangeLost { request, at, sectors } if request == answer.request => {
                at.0..at.0 + sectors.0
            }
            Event::RangeLost { .. }
            | Event::MemberFailed { .. }
            | Event::ArrayFailed
            | Event::MemberReplaced { .. }
            | Event::JournalFailed { .. }
            | Event::MemberHung { .. }
            | Event::MemberQuiet { .. }
            | Event::Quiesced
            | Event::BlockRewritten { .. }
            | Event::BlockBad { .. }
            | Event::BlockGood { .. }
            | Event::PassEnded { .. }
            | Event::ReshapeEnded { .. }
            | Event::NotCompared { .. }
            | Event::BlockLocated { .. }
            | Event::Ambiguous { .. } => 0..0,
        })
        .collect()
}

/// Judges a read: what is not named as lost is right, and what is named as lost has its member lost
/// and cannot be solved for.
pub(crate) fn read(
    blueprint: &Blueprint,
    sim: &Sim<'_>,
    answer: &Answered,
    (at, sectors): (u64, u64),
    content: &[u8],
) {
    let lost = sim.host.lost();
    let named = named_lost(sim, answer);
    match answer.result {
        Ok(_) => assert!(named.is_empty()),
        Err(Failure::Unrecoverable { at: first, .. }) => {
            assert!(named.contains(&first.0), "the failure names what the events name");
        }
        Err(
            failure @ (Failure::ArrayFailed
            | Failure::JournalLost
            | Failure::Rejected { .. }
            | Failure::NothingToCompare
            | Failure::MemoryHeld { .. }
            | Failure::HandedBack
            | Failure::Interrupted
            | Failure::NeedsBackup { .. }
            | Failure::NotCompared { .. }),
        ) => panic!("unexpected failure: {failure}"),
    }
    if survives(blueprint, &sim.host.devices, lost) {
        assert!(answer.result.is_ok(), "{:?} with no more lost than {lost:?}", answer.result);
    }
    for lba in at..at + sectors {
        let start = usize::try_from(lba - at).unwrap() * 512;
        let here = usize::try_from(lba).unwrap() * 512;
        if named.contains(&lba) {
            let places = places_of(&blueprint.geometry, Lba(lba));
            assert!(
                places.iter().all(|(member, _)| lost.contains(*member)),
                "sector {lba} was not served, though a member with it lives"
            );
        } else {
            assert!(
                answer.memory[start..start + 512] == content[here..here + 512],
                "sector {lba} was read wrong, lost {lost:?}"
            );
        }
    }
    // Reading changes nothing.
    let areas = blueprint.areas(&sim.host.devices, MemberSet::NONE);
    let wrong =
        reference::disagreements(&blueprint.geometry, content, &areas, blueprint.member_sectors);
    assert!(wrong.is_empty(), "{wrong:?}");
}
