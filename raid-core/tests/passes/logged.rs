//! Arrays with logs of partial parity, while passes are at work.

use raid_core::engine::{PassEnd, PassKind};
use raid_core::geometry::{Layout, Raid5Layout};
use raid_core::metadata::Consistency;
use raid_core::request::Stability;
use raid_core::units::Sectors;
use raid_sim::host::Waits;
use raid_sim::order::{Order, Random};
use raid_sim::sim::{Blueprint, Lent, Sim, Turn, Wish};

use crate::arrays;

fn logged() -> Blueprint {
    let layout = Layout::Raid5(Raid5Layout::LeftSymmetric);
    arrays::blueprint(layout, 3).logged(Sectors(16))
}

/// A write to one of these sectors, of what is there already.
fn write(content: &[u8], at: u64, sectors: u64) -> Wish {
    let first = usize::try_from(at).unwrap() * 512;
    let bytes = content[first..][..usize::try_from(sectors).unwrap() * 512].to_vec();
    Wish::Write { at, bytes, stability: Stability::Stable }
}

/// The logs wait for the writes that were begun without them, and the end of the last of these may be
/// the last thing that happens.
#[test]
fn writes_get_their_log_when_the_last_write_without_one_is_over() {
    for seed in 0..100 {
        let blueprint = Blueprint { consistency: Consistency::InSyncTo(Sectors(0)), ..logged() };
        let content = arrays::content(&blueprint, seed);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        let mut random = Random::new(seed);
        sim.order = Order::Random(Random::new(seed + 1));
        sim.host.waits = Waits::ForItsOwn;
        sim.engine.start_pass(PassKind::Resync).unwrap();
        let size = blueprint.geometry.size().0;
        while sim.turn() == Turn::Again {
            if sim.pass_ended().is_none() && random.below(4) == 0 {
                let _ = sim.start(write(&content, random.below(size - 4), 4));
            }
        }
        assert_eq!(sim.pass_ended().unwrap().1, PassEnd::Finished);
        arrays::assert_holds(&blueprint, &sim, &content);
    }
}
