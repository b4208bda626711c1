//! Members that are recorded as failed.

use crate::array::{find, for_each, golden, golden_array, md5, special};
use crate::create::{Blank, create};
use crate::tool::run;
use std::fs;

fn fail(member: usize, images: &[impl AsRef<std::ffi::OsStr>]) -> crate::tool::Run {
    run(&["fail", "--member", &member.to_string()], images)
}

#[test]
fn a_member_that_is_failed_is_left_out_from_then_on() {
    for_each(&golden(), |fixture| {
        let name = &fixture.name;
        let array = fixture.unpack();
        let contents =
            || -> Vec<_> { array.images.iter().map(|image| fs::read(image).unwrap()).collect() };
        let before = contents();
        if fixture.redundancy() == 0 {
            let refused = fail(1, &array.images).says_no(3..=3);
            assert!(refused.stderr.contains("blocks of the array would be lost"), "{name}");
            assert!(contents() == before, "{name}");
            return;
        }
        let lost = fixture.size / 512 % fixture.members;
        fail(lost, &array.images).succeeds();
        let after = contents();
        for (place, (before, after)) in before.iter().zip(&after).enumerate() {
            assert_eq!(before == after, place == lost, "{name}: member {place}");
        }
        // It is a failure to all of them, and the array is clean without it.
        let others = array.without(&[lost]);
        let examined = run(&["examine", "--json"], &others).succeeds().json();
        for superblock in examined.as_array().unwrap() {
            assert_eq!(superblock["dev_roles"][lost], 0xfffe, "{name}");
            assert_eq!(superblock["resync_offset"], u64::MAX, "{name}");
            assert_eq!(superblock["events"], examined[0]["events"], "{name}");
        }
        let status = run(&["status", "--json"], &array.images).warns(1).json();
        assert_eq!(status["state"], "degraded", "{name}");
        assert_eq!(status["members"][lost]["state"], "failed", "{name}");
        assert_eq!(status["dirty"], false, "{name}");
        assert_eq!(md5(&run(&["read"], &array.images).warns(1).stdout), fixture.md5, "{name}");
        assert_eq!(md5(&run(&["read"], &others).succeeds().stdout), fixture.md5, "{name}");
        // Once more changes nothing.
        let again = fail(lost, &others).warns(1);
        assert!(again.stderr.contains("already"), "{name}: {}", again.stderr);
        assert!(contents() == after, "{name}");
    });
}

#[test]
fn members_are_failed_until_the_array_could_not_do_without() {
    for (name, order, enough) in [
        ("r6-left-symmetric", [0, 3, 4], 2),
        ("r5-right-symmetric", [1, 0, 2], 1),
        // A pair of level 10 needs one of its two.
        ("r10-n2", [0, 2, 3], 2),
    ] {
        let (fixture, array) = golden_array(name);
        let mut gone = Vec::new();
        for member in order {
            let before: Vec<_> =
                array.images.iter().map(|image| fs::read(image).unwrap()).collect();
            let rest = array.without(&gone);
            if gone.len() < enough {
                fail(member, &rest).succeeds();
                gone.push(member);
                continue;
            }
            fail(member, &rest).says_no(3..=3);
            let refused = fail(member, &array.without(&[&gone[..], &[member]].concat()));
            assert!(refused.says_no(3..=3).stderr.contains("too few"), "{name}");
            assert!(array.images.iter().map(|image| fs::read(image).unwrap()).eq(before));
        }
        let read = run(&["read"], &array.without(&gone)).succeeds();
        assert_eq!(md5(&read.stdout), fixture.md5, "{name}");
    }
}

#[test]
fn its_own_image_need_not_be_named_and_all_others_must_be() {
    let (fixture, array) = golden_array("r6-left-symmetric");
    let refused = fail(1, &array.without(&[2])).says_no(3..=3);
    assert!(refused.stderr.contains("member 2"), "{}", refused.stderr);
    fail(1, &array.without(&[1])).succeeds();
    fail(2, &array.without(&[1, 2])).succeeds();
    assert_eq!(md5(&run(&["read"], &array.images).warns(2).stdout), fixture.md5);
    run(&["read"], &array.without(&[0])).says_no(3..=3);
    let beyond = fail(5, &array.without(&[1, 2])).says_no(2..=2);
    assert!(beyond.stderr.contains("members 0 to 4"), "{}", beyond.stderr);
    run(&["fail"], &array.images).says_no(2..=2);
    run(&["fail", "--member", "300"], &array.images).says_no(2..=2);
}

#[test]
fn parity_that_may_not_agree_is_not_made_to_stand_in() {
    let fixture = find(special(), "dirty-r5");
    let array = fixture.unpack();
    let refused = fail(0, &array.images).says_no(3..=3);
    assert!(refused.stderr.contains("--force-dirty-degraded"), "{}", refused.stderr);
    run(&["fail", "--member", "0", "--force-dirty-degraded"], &array.images).succeeds();
    run(&["read"], &array.without(&[0])).says_no(3..=3);
    let forced = run(&["read", "--force-dirty-degraded"], &array.without(&[0])).succeeds();
    assert_eq!(md5(&forced.stdout), fixture.md5);
    // A copy is a copy.
    let blank = Blank::new(2, 3 << 20);
    create("--level 1", &blank.images).succeeds();
    fail(1, &blank.images).succeeds();
    run(&["read"], &blank.images[..1]).succeeds();
}

#[test]
fn status_draws_members_as_mdstat_does() {
    let (_, array) = golden_array("r6-left-symmetric");
    let line = |images: &[&std::path::PathBuf]| {
        let text = String::from_utf8(run(&["status"], images).stdout).unwrap();
        text.lines().filter(|line| line.contains('[')).map(str::to_owned).collect::<Vec<_>>()
    };
    let all: Vec<_> = array.images.iter().collect();
    assert!(line(&all)[0].ends_with("[5/5] [UUUUU]"), "{:?}", line(&all));
    assert_eq!(line(&all)[1], "raid6 m0[0] m1[1] m2[2] m3[3] m4[4]");
    fail(2, &array.images).succeeds();
    assert!(line(&all)[0].ends_with("[5/4] [UU_UU]"), "{:?}", line(&all));
    assert_eq!(line(&all)[1], "raid6 m0[0] m1[1] m2[2](F) m3[3] m4[4]");
    let without = line(&array.without(&[2, 4]));
    assert!(without[0].ends_with("[5/3] [UU_U_]"), "{without:?}");
    assert_eq!(without[1], "raid6 m0[0] m1[1] m3[3]");
    // The device of number 1 becomes a spare.
    for image in array.without(&[2]) {
        let block = crate::superblocks::read(image);
        crate::superblocks::write(
            image,
            &crate::superblocks::with(&block, 0x102, &0xffff_u16.to_le_bytes()),
        );
    }
    let spare = line(&array.without(&[2]));
    assert!(spare[0].ends_with("[5/3] [U__UU]"), "{spare:?}");
    assert_eq!(spare[1], "raid6 m0[0] m3[3] m4[4] m1[1](S)");
}
