use super::{BadBlock, BadBlocks, Full, Health};
use crate::units::{MemberIndex, MemberSector, Sectors};

const SECTORS: u64 = 24;

fn range(member: u8, at: u64, sectors: u64) -> BadBlock {
    BadBlock { member: MemberIndex(member), at: MemberSector(at), sectors: Sectors(sectors) }
}

/// What the list is to say, sector by sector.
fn model(list: &BadBlocks<'_>) -> [[bool; 24]; 3] {
    let mut bad = [[false; 24]; 3];
    let mut before: Option<BadBlock> = None;
    for range in list.ranges() {
        assert!(range.sectors > Sectors::ZERO, "an empty range: {range:?}");
        if let Some(before) = before {
            let sorted = (before.member, before.end()) < (range.member, range.at.0);
            assert!(sorted, "{before:?} and {range:?} touch or are not sorted");
        }
        before = Some(*range);
        for sector in range.at.0..range.end() {
            bad[range.member.index()][usize::try_from(sector).unwrap()] = true;
        }
    }
    bad
}

#[test]
fn a_list_says_of_each_sector_what_was_last_said_of_it() {
    let mut memory = [BadBlock::FREE; 6];
    let mut list = BadBlocks::load(&mut memory, Sectors(1));
    let mut wanted = model(&list);
    let (mut seed, mut full) = (1_u64, 0);
    for _ in 0..20_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let draw = |shift: u32, below: u64| (seed >> shift) % below;
        let member = u8::try_from(draw(20, 3)).unwrap();
        let at = draw(28, SECTORS);
        let range = range(member, at, 1 + draw(36, SECTORS - at));
        let (bad, result) =
            if draw(50, 2) == 0 { (true, list.add(range)) } else { (false, list.clear(range)) };
        match result {
            Ok(()) => {
                for sector in at..range.end() {
                    wanted[usize::from(member)][usize::try_from(sector).unwrap()] = bad;
                }
            }
            Err(Full) => full += 1,
        }
        assert_eq!(model(&list), wanted, "after {range:?}, bad: {bad}");
        let here = &wanted[usize::from(member)];
        let here = &here[usize::try_from(at).unwrap()..usize::try_from(range.end()).unwrap()];
        let health = match (here.iter().any(|bad| *bad), here.iter().all(|bad| *bad)) {
            (false, _) => Health::Good,
            (true, true) => Health::Bad,
            (true, false) => Health::Mixed,
        };
        assert_eq!(list.health(range), health, "{range:?}");
        let behind = (at + 1..=SECTORS).find(|sector| {
            let is = |sector: u64| {
                let here = wanted[usize::from(member)].get(usize::try_from(sector).unwrap());
                here.copied().unwrap_or(false)
            };
            is(*sector) != is(*sector - 1)
        });
        assert_eq!(list.border(MemberIndex(member), at), behind, "member {member} from {at}");
    }
    assert!(full > 100, "the list was full {full} times");
}

#[test]
fn ranges_that_were_lent_are_taken_in_whatever_their_order() {
    let mut memory = [
        range(1, 9, 3),
        BadBlock::FREE,
        range(0, 17, 1),
        range(1, 2, 3),
        range(0, 8, 8),
        range(1, 5, 4),
    ];
    let list = BadBlocks::load(&mut memory, Sectors(8));
    assert_eq!(list.ranges(), [range(0, 8, 16), range(1, 0, 16)], "in whole blocks of 4 KiB");
}

#[test]
fn a_member_is_forgotten_and_no_other() {
    let mut memory = [range(0, 0, 1), range(1, 0, 1), range(1, 8, 1), range(2, 0, 1)];
    let mut list = BadBlocks::load(&mut memory, Sectors(1));
    assert_eq!(list.add(range(0, 4, 1)), Err(Full));
    list.forget(MemberIndex(1));
    assert_eq!(list.ranges(), [range(0, 0, 1), range(2, 0, 1)]);
    assert_eq!(list.add(range(0, 4, 1)), Ok(()));
}
