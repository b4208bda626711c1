//! The plan for copies: every state of every copy, every source.

use super::*;
use crate::plan::Redundancy::{InSync, Unknown};
use crate::plan::{Listing, Logging};

/// What a copy is to the operation: its block can be read, its member takes writes, and it was
/// found unreadable here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Valid,
    Faulted,
    Bad,
    Stale,
    Lost,
}

const STATES: [Is; 5] = [Is::Valid, Is::Faulted, Is::Bad, Is::Stale, Is::Lost];

fn judge(states: &[Is], at: Snapshot) {
    let is = |member: MemberIndex| states[member.index()];
    let count = u8::try_from(states.len()).unwrap();
    let copies = MemberSet::first(count);
    let plan = ChunkPlan::new(copies, at);
    let valid = (0..count).map(MemberIndex).find(|member| is(*member) == Is::Valid);
    let chosen = at.preferred.filter(|member| is(*member) == Is::Valid).or(valid);
    for transfer in [Transfer::Direct, Transfer::Staged] {
        let read = plan.read(transfer);
        match chosen {
            Some(first) => {
                assert_eq!((read.reads, read.block), (MemberSet::only(first), first));
                assert_eq!(read.writes, at.faulted, "what is faulted is mended, and nothing else");
                assert!(read.unserved.is_empty());
            }
            None => {
                assert_eq!(read.unserved, copies);
                assert!(read.reads.is_empty() && read.writes.is_empty());
            }
        }
    }
    // After a write one copy at least has to be valid: a copy that is being rebuilt is not, even if
    // it is written.
    let keeps = states.iter().any(|is| matches!(is, Is::Valid | Is::Faulted | Is::Bad));
    for source in [Source::Direct, Source::Staged, Source::Zeroes] {
        match plan.write(source) {
            Ok(write) => {
                assert!(keeps);
                assert!(write.reads.is_empty());
                assert_eq!(write.writes, copies.difference(at.unwritable));
                assert!(write.writes.contains(write.block));
                assert_eq!(write.tasks.iter().count(), usize::from(source != Source::Direct));
            }
            Err(error) => assert!(!keeps && error == NoPlan::Unrecoverable),
        }
    }
    let unread = at.faulted.union(at.bad);
    let stale = at.unreadable.difference(unread).difference(at.unwritable);
    let given_up = |blocks: MemberSet| match blocks.is_empty() {
        true => Err(NoPlan::Unrecoverable),
        false => Ok(Plan { unserved: blocks, ..Plan::NOTHING }),
    };
    let listing = ChunkPlan::new(copies, Snapshot { listing: Listing::Kept, ..at });
    match (plan.rebuild(), valid) {
        (Ok(rebuild), _) if stale.is_empty() => assert_eq!(rebuild, Plan::NOTHING),
        (Ok(rebuild), Some(first)) => {
            assert_eq!((rebuild.reads, rebuild.block), (MemberSet::only(first), first));
            assert_eq!(rebuild.writes, stale.union(unread));
        }
        (Ok(rebuild), None) => panic!("made up: {rebuild:?}"),
        (Err(error), first) => {
            assert!(!stale.is_empty() && first.is_none() && error == NoPlan::Unrecoverable);
            assert_eq!(listing.rebuild(), given_up(stale.union(at.bad)));
        }
    }
    match (plan.rewrite(), valid) {
        (Ok(rewrite), Some(first)) => {
            assert_eq!((rewrite.reads, rewrite.block), (MemberSet::only(first), first));
            let others = copies.difference(at.unreadable).union(unread);
            assert_eq!(rewrite.writes, others.difference(MemberSet::only(first)));
        }
        (Err(error), None) => {
            assert_eq!(error, NoPlan::Unrecoverable);
            assert_eq!(listing.rewrite(), given_up(unread));
        }
        (other, _) => panic!("{other:?}"),
    }
    let whole = states.iter().all(|is| *is == Is::Valid) && states.len() > 1;
    assert_eq!(plan.check().is_ok(), whole);
}

#[test]
fn every_plan_for_copies_is_right() {
    for count in 1..=4_u32 {
        for number in 0..5_u32.pow(count) {
            let states: [Is; 4] = core::array::from_fn(|member| {
                let digit = number / 5_u32.pow(u32::try_from(member).unwrap()) % 5;
                STATES[usize::try_from(digit).unwrap()]
            });
            let states = &states[..usize::try_from(count).unwrap()];
            let set = |which: fn(Is) -> bool| -> MemberSet {
                let places = states.iter().zip(0..).filter(|(is, _)| which(**is));
                places.map(|(_, member)| MemberIndex(member)).collect()
            };
            let places =
                (0..u8::try_from(states.len()).unwrap()).map(|member| Some(MemberIndex(member)));
            let choices = places.chain([None]).flat_map(|it| [(InSync, it), (Unknown, it)]);
            for (redundancy, preferred) in choices {
                judge(
                    states,
                    Snapshot {
                        unreadable: set(|is| is != Is::Valid),
                        unwritable: set(|is| is == Is::Lost),
                        faulted: set(|is| is == Is::Faulted),
                        bad: set(|is| is == Is::Bad),
                        listing: Listing::NotKept,
                        redundancy,
                        preferred,
                        logging: Logging::No,
                    },
                );
            }
        }
    }
}
