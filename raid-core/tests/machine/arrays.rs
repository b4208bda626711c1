//! The arrays, the ways to lose their members, and the ranges that requests cover.

use raid_core::geometry::{Layout, Raid5Layout, Raid6Layout, Raid10Layout, Spread};
use raid_core::host::Fault;
use raid_core::members::MemberSet;
use raid_core::units::{MemberIndex, Sectors};
use raid_sim::device::RamDevice;
use raid_sim::order::{Order, Random};
use raid_sim::rules::{Action, Leaves, Rule};
use raid_sim::sim::Blueprint;

/// Two lanes a chunk.
pub(crate) const CHUNK: u64 = 16;

/// Two rows, or as many chunks.
const MEMBER: u64 = 2 * CHUNK;

const LEFT: Layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
const LEFT6: Layout = Layout::Raid6(Raid6Layout::LeftSymmetric);

pub(crate) fn raid5(members: u8) -> Blueprint {
    Blueprint::new(LEFT, members, CHUNK, MEMBER)
}

/// RAID 5 with logs that have room for few entries.
pub(crate) fn logged(members: u8) -> Blueprint {
    raid5(members).logged(Sectors(24))
}

/// With a write-intent bitmap, of several chunks in one line.
pub(crate) fn marked(blueprint: Blueprint) -> Blueprint {
    blueprint.with_intent(8)
}

pub(crate) fn raid6(members: u8) -> Blueprint {
    Blueprint::new(LEFT6, members, CHUNK, MEMBER)
}

pub(crate) fn raid4() -> Blueprint {
    Blueprint::new(Layout::Raid4, 4, CHUNK, MEMBER)
}

pub(crate) fn raid1(members: u8) -> Blueprint {
    Blueprint::new(Layout::Raid1, members, CHUNK, MEMBER)
}

pub(crate) fn raid0() -> Blueprint {
    Blueprint::new(Layout::Raid0, 3, CHUNK, MEMBER)
}

pub(crate) fn raid10(near: u8, far: u8, spread: Spread) -> Blueprint {
    Blueprint::new(Layout::Raid10(Raid10Layout { near, far, spread }), 4, CHUNK, MEMBER)
}

/// The arrays without Q and P, by name.
pub(crate) fn with_copies() -> Vec<(&'static str, Blueprint)> {
    vec![
        ("RAID 1 of 2", raid1(2)),
        ("RAID 1 of 3", raid1(3)),
        ("RAID 10 n2", raid10(2, 1, Spread::Zones)),
        ("RAID 10 f2", raid10(1, 2, Spread::Zones)),
        ("RAID 10 o2", raid10(1, 2, Spread::Rows)),
        ("RAID 0", raid0()),
    ]
}

/// When a member is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It is not there at the start.
    Before,
    /// Its first read fails.
    Gathering,
    /// Its first write fails.
    Committing,
}

/// Every set of at most `most` members, with every way to lose each of them at one of these
/// moments.
pub(crate) fn losses(
    members: u8,
    most: u32,
    moments: &[Moment],
) -> Vec<Vec<(MemberIndex, Moment)>> {
    let mut all: Vec<Vec<(MemberIndex, Moment)>> = vec![Vec::new()];
    for member in (0..members).map(MemberIndex) {
        for so_far in all.clone() {
            if u32::try_from(so_far.len()).unwrap() < most {
                for moment in moments {
                    let mut more = so_far.clone();
                    more.push((member, *moment));
                    all.push(more);
                }
            }
        }
    }
    all
}

/// Makes members fail as said. What failed writes leave behind depends on the case.
pub(crate) fn arrange(
    blueprint: Blueprint,
    devices: &mut [RamDevice],
    losses: &[(MemberIndex, Moment)],
    case: u64,
) -> Blueprint {
    let mut missing = MemberSet::NONE;
    for (member, moment) in losses {
        let device = &mut devices[member.index()];
        let fault = if case.is_multiple_of(2) { Fault::Gone } else { Fault::Transport };
        let leaves = match case % 3 {
            0 => Leaves::Nothing,
            1 => Leaves::All,
            _ => Leaves::Half,
        };
        match moment {
            Moment::Before => missing.insert(*member),
            Moment::Gathering => device.rules.push(Rule::on(&[Action::Read], fault)),
            Moment::Committing => {
                device.rules.push(Rule::on(&[Action::Write], fault).leaving(leaves));
            }
        }
    }
    blueprint.without(missing)
}

/// Every run of 4 KiB units inside row (or group of chunks) number `row` of `width` sectors, and
/// some that are odd or reach into the next row.
pub(crate) fn ranges(row: u64, width: u64, size: u64) -> Vec<(u64, u64)> {
    let mut ranges = Vec::new();
    let base = row * width;
    for from in (0..width).step_by(8) {
        for to in (from + 8..=width).step_by(8) {
            ranges.push((base + from, to - from));
        }
    }
    let odd = [(3, 1), (3, 7), (5, 13), (13, 22), (width - 5, 10), (0, 2 * width), (7, width)];
    ranges.extend(odd);
    ranges.retain(|(at, sectors)| at + sectors <= size);
    ranges
}

pub(crate) fn order(case: u64) -> Order {
    match case % 3 {
        0 => Order::Fifo,
        1 => Order::Lifo,
        _ => Order::Random(Random::new(case)),
    }
}

/// Content in which no two sectors are alike.
pub(crate) fn content(bytes: usize, seed: u64) -> Vec<u8> {
    let mut content = vec![0; bytes];
    Random::new(seed).fill(&mut content);
    content
}
