//! What the bits say when an array is started.

use raid_core::engine::{Dirty, PassEnd, PassKind, PassRefusal, SetupError};
use raid_core::geometry::Geometry;
use raid_core::members::MemberSet;
use raid_core::metadata::Consistency;
use raid_core::units::{MemberIndex, Sectors, StripeRow};
use raid_sim::intent::Bit;
use raid_sim::rules::Action;
use raid_sim::sim::{Blueprint, DATA_OFFSET, Lent, Sim};

use crate::arrays::{self, BIT, CHUNK, ROWS};

fn dirty(mut blueprint: Blueprint, bits: &[usize]) -> Blueprint {
    blueprint.consistency = Consistency::InSyncTo(Sectors::ZERO);
    for bit in bits {
        blueprint.intent.as_mut().unwrap().bits[*bit] = Bit::Set;
    }
    blueprint
}

fn refusal(blueprint: &Blueprint) -> Option<SetupError> {
    let mut lent = Lent::to(blueprint);
    let content = arrays::content(blueprint, 1);
    Sim::new(blueprint, &mut lent, blueprint.devices(&content)).err()
}

#[test]
fn a_bitmap_that_is_shorter_than_the_array_is_refused() {
    for blueprint in arrays::all() {
        let mut short = blueprint.clone();
        let bits = &mut short.intent.as_mut().unwrap().bits;
        let needed = u64::try_from(bits.len()).unwrap();
        bits.pop();
        assert_eq!(refusal(&short), Some(SetupError::Intent { needed }));
        // One that is longer is none the worse.
        let mut long = blueprint.clone();
        long.intent.as_mut().unwrap().bits.push(Bit::Clear);
        assert_eq!(refusal(&long), None);
        for chunk in [0, 4, 12] {
            let mut odd = blueprint.clone();
            odd.intent.as_mut().unwrap().chunk = Sectors(chunk);
            assert!(matches!(refusal(&odd), Some(SetupError::Intent { .. })), "{chunk}");
        }
    }
}

#[test]
fn a_resync_reads_nothing_but_what_is_under_set_bits() {
    let all = arrays::all().into_iter();
    // Bits that cover more than a lane, and less.
    let all = all.flat_map(|array| [BIT, 8].map(|bit| (array.clone().with_intent(bit), bit)));
    for (blueprint, bit) in all {
        let blueprint = Blueprint { lane: Sectors(16), ..blueprint };
        let content = arrays::content(&blueprint, 1);
        let bits = blueprint.intent.as_ref().unwrap().bits.len();
        for marked in [vec![], vec![0], vec![1, 2], vec![bits - 1], vec![0, 3]] {
            let blueprint = dirty(blueprint.clone(), &marked);
            let mut lent = Lent::to(&blueprint);
            let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
            let (report, end) = sim.pass(PassKind::Resync);
            assert_eq!(end, PassEnd::Finished);
            assert_eq!((report.position, report.mismatched), (report.end, Sectors(0)));
            let devices = sim.host.devices.iter();
            let read = devices.flat_map(|device| &device.done).filter_map(|(action, sectors)| {
                (*action == Action::Read).then_some(sectors.end - sectors.start)
            });
            let members = u64::from(blueprint.geometry.members());
            let copies = u64::from(blueprint.geometry.redundancy()) + 1;
            let marked = u64::try_from(marked.len()).unwrap();
            let wide = match &blueprint.geometry {
                Geometry::Parity(_) => members,
                Geometry::Copies(_) => copies,
            };
            assert_eq!(read.sum::<u64>(), marked * bit * wide);
        }
    }
}

/// Bits that are set by writes do not make parity doubtful, nor do those of a clean array.
#[test]
fn parity_is_doubted_under_bits_that_were_set_at_the_start_alone() {
    for blueprint in arrays::all() {
        let Geometry::Parity(geometry) = &blueprint.geometry else { continue };
        let content = arrays::content(&blueprint, 1);
        let blueprint = dirty(blueprint.clone(), &[1]);
        let mut devices = blueprint.devices(&content);
        // Parity that does not fit, under the set bit and elsewhere.
        for row in [2, 7] {
            let p = geometry.row(StripeRow(row)).p();
            let at = DATA_OFFSET + row * CHUNK;
            devices[p.index()].medium.store(at, &arrays::content(&blueprint, 3)[..512]);
        }
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, devices);
        let (report, end) = sim.pass(PassKind::Resync);
        assert_eq!(end, PassEnd::Finished);
        assert_eq!(report.mismatched, Sectors(8), "the row under the bit alone");
    }
}

#[test]
fn a_dirty_array_lacks_a_member_and_is_refused_only_if_a_bit_is_set() {
    for blueprint in arrays::all() {
        let content = arrays::content(&blueprint, 1);
        let lacking = |bits: &[usize]| {
            dirty(blueprint.clone(), bits).without(MemberSet::only(MemberIndex(0)))
        };
        let parity = matches!(blueprint.geometry, Geometry::Parity(_));
        let expected = parity.then_some(SetupError::DirtyDegraded);
        assert_eq!(refusal(&lacking(&[2])), expected);
        assert_eq!(refusal(&Blueprint { dirty: Dirty::Force, ..lacking(&[2]) }), None);
        let mut whole = dirty(blueprint.clone(), &[]);
        whole.intent = None;
        assert_eq!(refusal(&whole.without(MemberSet::only(MemberIndex(0)))), expected);
        let degraded = lacking(&[]);
        let mut lent = Lent::to(&degraded);
        let mut sim = Sim::made(&degraded, &mut lent, degraded.devices(&content));
        assert!(arrays::read_all(&degraded, &mut sim) == content);
        assert_eq!(sim.pass(PassKind::Resync).1, PassEnd::Finished);
        assert_eq!(sim.engine.start_pass(PassKind::Resync), Err(PassRefusal::NothingToDo));
    }
}

#[test]
fn bits_of_a_clean_array_mean_no_work_and_are_swept() {
    for mut blueprint in arrays::all() {
        let content = arrays::content(&blueprint, 1);
        blueprint.intent.as_mut().unwrap().bits.fill(Bit::Set);
        let mut lent = Lent::to(&blueprint);
        let mut sim = Sim::made(&blueprint, &mut lent, blueprint.devices(&content));
        assert_eq!(sim.engine.start_pass(PassKind::Resync), Err(PassRefusal::NothingToDo));
        for _ in 0..2 {
            arrays::sweep(&mut sim);
        }
        assert!(sim.request(raid_sim::sim::Wish::Flush).result.is_ok());
        assert_eq!(arrays::bitmap(&sim, 0).count(), 0);
        assert_eq!(ROWS * CHUNK % BIT, 0);
    }
}
