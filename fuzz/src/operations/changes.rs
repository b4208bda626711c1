//! Passes, members that come and go, commands that hang, and rest.

use raid_core::engine::{Activity, PassKind, PassRefusal};
use raid_core::engine::{Behind, ReadsFrom, Refusal, Seat, SeatRefusal};
use raid_core::host::{Buffer, Command, Misuse};
use raid_core::members::MemberState;
use raid_core::units::{DeviceIndex, MemberIndex, Sectors};

use super::campaign::{Change, Hang, Replacement};
use super::setting::{EVENTS, Setting};
use super::{CallerMemory, Run, Stopping};
use crate::host::{Parking, Resting, RunningPass, Writing};

const DEVICES_MAX: usize = 200;

impl Run<'_> {
    pub(super) fn start_pass(&mut self, kind: PassKind) {
        let targets: std::collections::BTreeSet<_> =
            self.host.unbuilt.difference(&self.host.absent).copied().collect();
        match self.engine.start_pass(kind) {
            Ok(()) => {
                assert!(self.host.pass.is_none(), "one pass at a time");
                assert_eq!(self.host.resting, Resting::No, "an engine at rest takes no pass");
                let Activity::Running(report) = self.engine.activity() else {
                    panic!("a pass that was started is at work");
                };
                let chunk = self.engine.geometry().chunk().0;
                self.host.pass = Some(RunningPass {
                    kind,
                    first: report.position.0.div_ceil(chunk),
                    targets,
                    doubt_before: self.host.doubt.clone(),
                    parking: Parking::NotAsked,
                });
            }
            Err(PassRefusal::Running) => assert!(self.host.pass.is_some()),
            Err(PassRefusal::NoSlots) => assert_eq!(self.background_slots, 0),
            Err(PassRefusal::ReadOnly) => assert_eq!(self.host.writing, Writing::Forbidden),
            Err(PassRefusal::ArrayFailed) => assert_eq!(self.host.serving, Writing::Forbidden),
            Err(PassRefusal::NothingToDo) => match kind {
                PassKind::Recovery => assert!(targets.is_empty()),
                _ => assert_eq!(self.host.unsynced_from, None),
            },
            Err(PassRefusal::NoRedundancy) => assert_eq!(self.engine.geometry().redundancy(), 0),
            Err(PassRefusal::OneParity) => assert_eq!(kind, PassKind::Locate),
            Err(PassRefusal::Degraded) => {
                assert!(!self.host.absent.is_empty() || !self.host.unbuilt.is_empty());
            }
            Err(PassRefusal::NotInSync) => {
                assert!(kind == PassKind::Locate && self.host.unsynced_from.is_some());
            }
            Err(PassRefusal::Quiesced) => assert_ne!(self.host.resting, Resting::No),
            Err(other) => panic!("{other:?}"),
        }
    }

    pub(super) fn change(&mut self, change: Change, setting: &Setting) {
        match change {
            Change::Add { choice, device } => self.add_member(choice, device, setting),
            Change::FailMember { member } => self.fail_member(member),
            Change::Park => {
                self.engine.park_pass();
                self.pass_is_to_stop();
            }
            Change::Quiesce => {
                self.engine.quiesce();
                self.pass_is_to_stop();
                if self.host.resting == Resting::No {
                    self.host.resting = Resting::Underway { completions: 0 };
                }
                for waiting in &mut self.waiting {
                    waiting.stopping = Stopping::Asked;
                }
            }
            Change::Resume => {
                self.engine.resume();
                self.host.resting = Resting::No;
            }
        }
    }

    fn pass_is_to_stop(&mut self) {
        if let Some(pass) = &mut self.host.pass {
            pass.parking = Parking::Asked;
        }
    }

    fn add_member(&mut self, choice: u8, replacement: Replacement, setting: &Setting) {
        let members = self.engine.geometry().members();
        let absent: Vec<u8> = self.host.absent.iter().copied().collect();
        let member = match usize::from(choice).checked_rem(absent.len()) {
            Some(index) => absent[index],
            None => choice % members,
        };
        if self.host.devices.len() == DEVICES_MAX {
            return;
        }
        let another = DeviceIndex(u8::try_from(self.host.devices.len()).expect("few devices"));
        let (device, reads) = match replacement {
            Replacement::Another => (another, ReadsFrom::Freely),
            Replacement::AnotherAsLast => (another, ReadsFrom::AsLast),
            Replacement::Same => (self.host.device_of(member), ReadsFrom::Freely),
        };
        let state = MemberState::Rebuilding { valid_to: Sectors::ZERO };
        let whole = device != another && !self.host.hollow.contains(&device);
        let returns = whole && choice & 0x80 != 0 && self.host.bit.is_some();
        let behind = match returns {
            true => {
                let events = self.host.devices[device.index()].events();
                Behind::MarkedChunks { events: events.unwrap_or(EVENTS) }
            }
            false => Behind::Everything,
        };
        let seat = Seat { reads, behind, ..setting.seat(device, state) };
        match self.engine.add_member(MemberIndex(member), seat) {
            Ok(()) => {
                assert!(!self.host.hangs(member), "its commands are not dead");
                assert!(self.host.absent.remove(&member), "a member sits there");
                if device == another {
                    self.host.devices.push(Setting::blank_device());
                } else if returns {
                    self.host.devices[device.index()].come_back();
                } else {
                    self.host.devices[device.index()] = Setting::blank_device();
                }
                if !returns {
                    self.host.hollow.insert(device);
                }
                let others = (0..members)
                    .filter(|other| !self.host.absent.contains(other) && *other != member);
                if let Some(other) = others.into_iter().next() {
                    let bits = self.host.devices[self.host.device_of(other).index()].bits.clone();
                    self.host.devices[device.index()].bits.clone_from(&bits);
                    self.host.devices[device.index()].durable_bits = bits;
                }
                self.host.seats[usize::from(member)] = device;
                self.host.unbuilt.insert(member);
                self.host.newcomers.insert(member);
                self.host.injured.insert(member);
                if let Some(pass) = &mut self.host.pass {
                    pass.targets.remove(&member);
                }
            }
            Err(SeatRefusal::Taken(_)) => assert!(!self.host.absent.contains(&member)),
            Err(SeatRefusal::Hung(hung)) => assert!(self.host.hangs(hung.0), "all are dead"),
            Err(SeatRefusal::Leaving(_)) => {
                assert!(self.host.absent.contains(&member), "a member sits there");
            }
            Err(SeatRefusal::Unproven) => assert!(returns),
            Err(SeatRefusal::ReadOnly) => assert_eq!(self.host.writing, Writing::Forbidden),
            Err(SeatRefusal::ArrayFailed) => assert_eq!(self.host.serving, Writing::Forbidden),
            Err(other) => panic!("{other:?} for a device like the others"),
        }
    }

    fn fail_member(&mut self, member: u8) {
        let member = member % self.engine.geometry().members();
        match self.engine.fail_member(MemberIndex(member)) {
            Ok(()) => {
                self.host.absent.insert(member);
                self.host.injured.insert(member);
            }
            Err(Refusal::ReadOnly) => assert_eq!(self.host.writing, Writing::Forbidden),
            Err(Refusal::ArrayFailed) => assert_eq!(self.host.serving, Writing::Forbidden),
            Err(Refusal::Indispensable { .. }) => {
                let whole = self.host.absent.is_empty() && self.host.unbuilt.is_empty();
                assert!(!whole || self.engine.geometry().redundancy() == 0, "others can do it");
            }
            Err(Refusal::ParityUnsure { .. }) => assert!(self.host.unsynced_from.is_some()),
            Err(other) => panic!("{other:?} for a member of the array"),
        }
    }

    pub(super) fn hang(&mut self, hang: Hang) {
        match hang {
            Hang::Abandon { choice } => {
                if let Some(index) = usize::from(choice).checked_rem(self.host.in_flight.len()) {
                    self.abandon(index);
                }
            }
            Hang::Late => self.host.act_late(),
            Hang::Dead { choice } => self.die(choice.into()),
        }
    }

    fn abandon(&mut self, index: usize) {
        let (token, command) = self.host.in_flight[index];
        let abandoned = self.engine.abandon(token);
        if let Command::Compute(_) = command {
            assert_eq!(abandoned, Err(Misuse::NoDevice));
            return;
        }
        abandoned.expect("the command was in flight");
        assert!(self.engine.abandon(token).is_err(), "a command is abandoned once");
        if let Command::Read { into: Buffer::Caller { request, .. }, .. } = command {
            for waiting in self.waiting.iter_mut().filter(|waiting| waiting.id == request) {
                waiting.memory = CallerMemory::NamedByHung;
            }
        }
        self.host.give_up(index);
        self.feel_strain();
    }

    pub(super) fn die(&mut self, choice: usize) {
        let Some((token, completion)) = self.host.die(choice) else { return };
        self.engine.on_done(token, completion).expect("it was not dead");
        assert!(self.engine.on_done(token, completion).is_err(), "a command dies once");
    }
}
