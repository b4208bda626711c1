//! Arrays to be reshaped, and what they hold.

use raid_core::geometry::{Geometry, Layout, Raid5Layout, Raid6Layout, Shape};
use raid_core::members::MemberSet;
use raid_core::reshape::{Change, Room};
use raid_core::units::Sectors;
use raid_sim::device::RamDevice;
use raid_sim::medium::SECTOR;
use raid_sim::sim::{Blueprint, read_back};

pub(crate) const RAID5: Layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
pub(crate) const RAID6: Layout = Layout::Raid6(Raid6Layout::LeftSymmetric);

/// Sectors of every member, unless chunks are larger.
pub(crate) const MEMBER: u64 = 128;

pub(crate) fn geometry(layout: Layout, members: u8, chunk: u64) -> Geometry {
    sized(layout, members, chunk, MEMBER)
}

pub(crate) fn sized(layout: Layout, members: u8, chunk: u64, member: u64) -> Geometry {
    let (chunk, member_size) = (Sectors(chunk), Sectors(member));
    Geometry::new(Shape { layout, members, chunk, member_size }).expect("a possible shape")
}

/// The change with as short a shift as does.
pub(crate) fn shifted(before: Geometry, after: Geometry) -> Change {
    let ample = Room { before: Sectors(1 << 20), behind: Sectors(1 << 20) };
    Change::shifted(before, after, ample).expect("a change with a shift")
}

/// An array that is to be changed so, with a window of some units.
pub(crate) fn to_be(change: Change, units: u64) -> Blueprint {
    let shape = change.before().shape();
    Blueprint::new(shape.layout, shape.members, shape.chunk.0, shape.member_size.0)
        .to_be(change, change.unit().0 * units)
}

/// Bytes that tell one sector from another.
pub(crate) fn content(geometry: &Geometry, seed: u64) -> Vec<u8> {
    let sectors = geometry.size().0;
    (0..sectors)
        .flat_map(|sector| {
            let word = (sector ^ (seed << 48)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            word.to_le_bytes().repeat(SECTOR / 8)
        })
        .collect()
}

/// Everything that is served, read by a new engine that writes nothing.
pub(crate) fn read(blueprint: &Blueprint, devices: &[RamDevice], lost: MemberSet) -> Vec<u8> {
    read_back(blueprint, devices.to_vec(), lost).expect("all can be read")
}
