//! How a campaign ends: all comes to an end, and the array is taken together again.

use raid_core::engine::{Access, Engine, Memory, Progress, RequestSlot, Slot};
use raid_core::members::MemberState;
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::{Lba, MemberIndex, Sectors};

use super::setting::Setting;
use super::{POLLS_MAX, Rejections, Run, Seen};
use crate::content::{Content, Unwritten};
use crate::host::{MemoryHost, Resting};

impl Run<'_> {
    /// Nothing new comes in, and nothing is refused any more: all must end.
    pub(super) fn finish_everything(&mut self) {
        self.finish_all_requests();
        self.engine.resume();
        self.host.resting = Resting::No;
        while !self.host.abandoned.is_empty() {
            self.die(0);
        }
        self.finish_all_requests();
        assert!(self.host.held.is_empty(), "memory is not returned");
        assert!(self.host.told_hung.is_empty(), "nobody was told of a quiet member");
        assert!(self.engine.hung_members().is_empty(), "all commands are dead");
    }

    fn finish_all_requests(&mut self) {
        for device in &mut self.host.devices {
            device.busy = 0;
        }
        self.host.compute_busy = 0;
        for _ in 0..POLLS_MAX {
            match self.poll(7) {
                Progress::More => {}
                Progress::Idle if self.host.in_flight.is_empty() => {
                    let at_rest = !matches!(self.host.resting, Resting::Underway { .. });
                    if self.waiting.is_empty() && self.host.pass.is_none() && at_rest {
                        return;
                    }
                    self.needs_a_death();
                    self.die(0);
                }
                Progress::Idle => self.finish(0),
                Progress::HostBusy(by) => panic!("blocked by {by:?}, which is not busy"),
            }
        }
        panic!("still at work after {POLLS_MAX} polls");
    }

    /// Only abandoned commands may hold work up, and only where they hold all slots of its kind.
    fn needs_a_death(&self) {
        let slots = self.host.slots_in_quarantine();
        let (requests, background): (Vec<_>, Vec<_>) =
            slots.into_iter().partition(|slot| *slot < self.request_slots);
        let all_held = requests.len() as u64 == self.request_slots;
        assert!(all_held || self.waiting.is_empty(), "requests are left without an answer");
        let all_background = background.len() as u64 == self.background_slots;
        assert!(all_held || all_background, "work is left, and slots for it");
    }

    pub(super) fn read_everything(&mut self) {
        let size = self.engine.geometry().size();
        self.read(Lba(0), size, Stability::Stable);
        self.finish_all_requests();
    }
}

/// The members again, as many of them lost as can be borne, those that were hurt first: everything must read as it
/// was left.
pub(super) fn assemble_again(setting: &Setting, old: MemoryHost, content: &Content, choice: u8) {
    let members = setting.geometry.members();
    let mut lost = old.hurt();
    lost.extend((0..members).filter(|member| {
        let device = old.device_of(*member);
        let device = &old.devices[device.index()];
        !device.bad.is_empty() || !device.listed.is_empty()
    }));
    let redundancy = usize::from(setting.geometry.redundancy());
    if lost.len() > redundancy {
        return;
    }
    for member in (0..members).map(|number| (number + choice % members) % members) {
        if lost.len() < redundancy {
            lost.insert(member);
        }
    }
    let seat = |member: u8| {
        let device = old.device_of(member);
        (!lost.contains(&member)).then(|| setting.seat(device, MemberState::InSync))
    };
    let again = Setting {
        seats: (0..members).map(seat).collect(),
        access: Access::ReadOnly,
        consistency: Consistency::Clean,
        ..*setting
    };
    let mut host = again.host(1);
    host.devices = old.devices;
    for device in &mut host.devices {
        device.faults.clear();
        device.busy = 0;
    }
    let (mut slots, mut requests) = ([Slot::FREE], [RequestSlot::FREE]);
    let memory = Memory::new(&mut slots, &mut requests);
    let engine = Engine::new(&again.setup(), memory).expect("the same array, degraded");
    let mut run = Run {
        engine,
        host,
        content: Content::new(Sectors::ZERO, Unwritten::Zeroes),
        waiting: Vec::new(),
        seen: Vec::new(),
        rejections: Rejections::None,
        request_slots: 1,
        background_slots: 0,
    };
    run.read_everything();
    for Seen { sector, bytes, .. } in run.seen {
        content.check(content.now(), sector, &bytes);
    }
    for member in lost {
        assert_eq!(run.engine.member_state(MemberIndex(member)), MemberState::Missing);
    }
}
