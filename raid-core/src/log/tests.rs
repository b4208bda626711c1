//! Logs on their own: in which order their commands come.

use super::*;
use heapless::Vec;

const ROOM: LogKind = LogKind::PartialParity { room: Sectors(16) };

fn members(places: impl IntoIterator<Item = u8>) -> MemberSet {
    places.into_iter().map(MemberIndex).collect()
}

/// Takes steps until there is nothing left to do; what was offered, and taken.
fn offers(logs: &mut Logs, present: MemberSet) -> Vec<(u8, u32, LogTask), 8> {
    let mut offers = Vec::new();
    loop {
        match logs.step(Consistency::Clean, present) {
            LogStep::Nothing => return offers,
            // Nobody is there any more who waited.
            LogStep::Moved => {
                while let Some(holder) = logs.next_call() {
                    logs.forget_queue(holder);
                }
            }
            LogStep::Offer(member, epoch, task) => {
                logs.offered(member, Ok(()));
                offers.push((member.0, epoch, task)).unwrap();
            }
            LogStep::OfferJournal(..) => panic!("there is no journal"),
            LogStep::Lost(member, fault) => panic!("{member:?}: {fault:?}"),
        }
    }
}

fn done(logs: &mut Logs, member: u8, epoch: u32) {
    logs.settle(MemberIndex(member), epoch, Completion::Done).unwrap();
}

#[test]
fn a_device_that_comes_in_has_its_log_opened_after_the_one_that_is_being_opened() {
    for at in 1..=3 {
        let mut logs = Logs::new(ROOM);
        let queued = Share::Queued(MemberIndex(1));
        logs.shift(Share::Nothing, queued, SlotIndex(0));
        let mut present = members(1..=3);
        let mut order = Vec::<u8, 16>::new();
        let mut opened = 0;
        while let [(member, epoch, task)] = offers(&mut logs, present)[..] {
            order.push(member).unwrap();
            if (member, task) == (at, LogTask::Flush) {
                logs.take_in(MemberIndex(0));
                present.insert(MemberIndex(0));
                assert_eq!(offers(&mut logs, present), []);
            }
            opened += usize::from(task == LogTask::Flush);
            done(&mut logs, member, epoch);
        }
        assert_eq!(opened, 4, "{order:?}");
        assert!(order.chunks(2).all(|pair| pair[0] == pair[1]), "one at a time: {order:?}");
    }
}
