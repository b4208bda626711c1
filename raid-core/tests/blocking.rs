//! Whole arrays behind the blocking front-end, compared with a plain copy of their content.

use raid_core::blocking::{Array, BlockDevice, Keeper, Parts};
use raid_core::engine::{Access, Dirty, Memory, RequestSlot, Seat, Setup, Slot};
use raid_core::geometry::{Geometry, Layout, Raid5Layout, Raid6Layout, Raid10Layout, Shape, Spread};
use raid_core::host::{Durability, Fault};
use raid_core::io_limits::IoLimits;
use raid_core::members::MemberState;
use raid_core::metadata::{Consistency, Record};
use raid_core::units::{DeviceIndex, DeviceSector, Lba, MemberIndex, Sectors};
use raid_simd::Kernels;

const DATA_OFFSET: DeviceSector = DeviceSector(64);

struct Ram(Vec<u8>);

impl BlockDevice for Ram {
    fn read(&mut self, at: DeviceSector, into: &mut [u8]) -> Result<(), Fault> {
        let start = at.0 as usize * 512;
        into.copy_from_slice(&self.0[start..start + into.len()]);
        Ok(())
    }

    fn write(&mut self, at: DeviceSector, from: &[u8], _: Durability) -> Result<(), Fault> {
        let start = at.0 as usize * 512;
        self.0[start..start + from.len()].copy_from_slice(from);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn limits(&self) -> IoLimits {
        IoLimits::RELAXED
    }
}

#[derive(Default)]
struct Records(Vec<(MemberIndex, Record)>);

impl Keeper<Ram> for Records {
    fn record(&mut self, member: MemberIndex, _: &mut Ram, record: &Record) -> Result<(), Fault> {
        self.0.push((member, *record));
        Ok(())
    }
}

fn layouts() -> Vec<(Layout, u8)> {
    let mut layouts = vec![(Layout::Raid0, 3), (Layout::Raid1, 3), (Layout::Raid4, 4)];
    layouts.extend(Raid5Layout::ALL.map(|layout| (Layout::Raid5(layout), 4)));
    layouts.extend(Raid6Layout::ALL.map(|layout| (Layout::Raid6(layout), 5)));
    for (near, far, spread) in [(2, 1, Spread::Zones), (1, 2, Spread::Zones), (1, 2, Spread::Rows)] {
        layouts.push((Layout::Raid10(Raid10Layout { near, far, spread }), 4));
    }
    layouts
}

#[test]
fn what_is_written_is_read_with_every_member_lost() {
    for (layout, members) in layouts() {
        let shape = Shape { layout, members, chunk: Sectors(16), member_size: Sectors(16 * 6) };
        let geometry = Geometry::new(shape).unwrap();
        let size = geometry.size().memory_bytes().unwrap();
        let mut devices: Vec<Ram> =
            (0..members).map(|_| Ram(vec![0; (64 + 16 * 6) * 512])).collect();
        let mut model = vec![0_u8; size];
        let mut seed = 0x1234_5678_u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            seed >> 33
        };
        for degraded in 0..=members {
            let lost = degraded.checked_sub(1);
            let seats: Vec<Option<Seat>> = (0..members)
                .map(|member| {
                    (Some(member) != lost).then_some(Seat {
                        device: DeviceIndex(member),
                        state: MemberState::InSync,
                        data_offset: DATA_OFFSET,
                        limits: IoLimits::RELAXED,
                    })
                })
                .collect();
            let setup = Setup {
                geometry,
                seats: &seats,
                consistency: Consistency::Clean,
                events: 7,
                lane: Sectors(8),
                access: if lost.is_none() { Access::ReadWrite } else { Access::ReadOnly },
                dirty: Dirty::Refuse,
            };
            if lost.is_some() && geometry.redundancy() == 0 {
                continue;
            }
            let mut slots = [Slot::FREE; 3];
            let mut requests = [RequestSlot::FREE; 2];
            let mut lanes = vec![0; 3 * usize::from(members) * 4096];
            let mut array = Array::new(
                &setup,
                Memory { slots: &mut slots, requests: &mut requests },
                Parts {
                    devices: &mut devices,
                    keeper: Records::default(),
                    lanes: &mut lanes,
                    kernels: Kernels::detect(),
                },
            )
            .unwrap();
            if lost.is_none() {
                for _ in 0..60 {
                    let at = random() % (size as u64 / 512);
                    let most = (size as u64 / 512 - at).min(90);
                    let sectors = random() % most + 1;
                    let bytes: Vec<u8> = (0..sectors * 512).map(|_| random() as u8).collect();
                    array.write(Lba(at), &bytes, Durability::Cached).unwrap();
                    model[at as usize * 512..][..bytes.len()].copy_from_slice(&bytes);
                }
                array.mark_clean().unwrap();
                let records = &array.keeper().0;
                assert_eq!(records.len(), 2 * usize::from(members), "{layout:?}: dirty, then clean");
                assert_eq!(records[0].1.events, 8);
                assert_eq!(records[0].1.consistency, Consistency::InSyncTo(Sectors(0)));
                assert_eq!(records.last().unwrap().1.events, 9);
                assert_eq!(records.last().unwrap().1.consistency, Consistency::Clean);
                if geometry.redundancy() > 0 {
                    let size = array.size();
                    assert_eq!(array.check(Lba(0), size), Ok(Sectors(0)), "{layout:?}");
                }
            }
            let mut content = vec![0; size];
            array.read(Lba(0), &mut content).unwrap();
            assert!(content == model, "{layout:?} without {lost:?}");
        }
    }
}
