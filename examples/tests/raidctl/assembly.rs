//! Arrays that crashed, lost members or were stopped half way: who is in, and what is refused.

use crate::array::{Array, Fixture, find, md5, special};
use crate::tool::{Run, run};
use serde_json::Value;

/// The content of half 0 of a mirror that went on in two halves; half 1 has the md5 of the manifest.
const HALF_0: &str = "1aabbd753d6e7683c816a4057946b560";

fn unpacked(name: &str) -> (Fixture, Array) {
    let fixture = find(special(), name);
    let array = fixture.unpack();
    (fixture, array)
}

#[track_caller]
fn is_right(fixture: &Fixture, read: &Run) {
    assert_eq!(md5(&read.stdout), fixture.md5, "{}", fixture.name);
}

/// The states of the members, by slot.
fn states(array: &Array) -> Vec<String> {
    let status = run(&["status", "--json"], &array.images).json();
    let members = status["members"].as_array().unwrap();
    members.iter().map(|member| member["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn members_that_missed_writes_are_left_out() {
    let cases: [(&str, &[usize]); 4] = [
        ("stale-removed-r5", &[1]),
        ("stale-failed-r5", &[1]),
        ("stale-r6", &[1, 3]),
        ("one-behind-faulty-r10", &[1]),
    ];
    for (name, stale) in cases {
        let (fixture, mut array) = unpacked(name);
        for _ in 0..fixture.members {
            array.images.rotate_left(1);
            is_right(&fixture, &run(&["read"], &array.images).warns(stale.len()));
        }
        is_right(&fixture, &run(&["read"], &array.without(stale)).succeeds());
        let states = states(&array);
        for (slot, state) in states.iter().enumerate() {
            let expected = if stale.contains(&slot) { "failed" } else { "in_sync" };
            assert_eq!(state, expected, "{name} slot {slot}");
        }
        run(&["check"], &array.images).says_no(3..=3);
    }
}

#[test]
fn a_stale_member_does_not_stand_in_for_one_that_is_lost() {
    for (name, lost) in [("stale-removed-r5", 0), ("stale-failed-r5", 2), ("stale-r6", 4)] {
        let (_, array) = unpacked(name);
        let read = run(&["read"], &array.without(&[lost])).says_no(3..=3);
        assert_eq!(read.stdout, b"", "{name}");
        assert!(read.stderr.contains("too few members"), "{}", read.stderr);
    }
}

#[test]
fn halves_that_went_on_apart_are_refused_together_and_served_alone() {
    for name in ["split-brain-r1", "mutual-faulty-r1"] {
        let (fixture, mut array) = unpacked(name);
        for command in ["read", "check", "write", "status"] {
            let refused = run(&[command], &array.images).says_no(3..=3);
            assert_eq!(refused.stdout, b"", "{name}");
        }
        let half = |slot| md5(&run(&["read"], &[&array.images[slot]]).succeeds().stdout);
        assert_eq!((half(0), half(1)), (HALF_0.into(), fixture.md5), "{name}");
        array.images.reverse();
        run(&["read"], &array.images).says_no(3..=3);
    }
}

#[test]
fn a_member_that_is_being_rebuilt_is_no_source() {
    let (fixture, array) = unpacked("recovering-r5");
    is_right(&fixture, &run(&["read"], &array.images).succeeds());
    is_right(&fixture, &run(&["read"], &array.without(&[2])).succeeds());
    assert_eq!(states(&array), ["in_sync", "in_sync", "rebuilding"]);
    run(&["read"], &array.without(&[0])).says_no(3..=3);

    let (fixture, array) = unpacked("recovering-r6");
    is_right(&fixture, &run(&["read"], &array.images).warns(1));
    is_right(&fixture, &run(&["read"], &array.without(&[0, 4])).succeeds());
    assert_eq!(states(&array), ["rebuilding", "in_sync", "in_sync", "in_sync", "failed"]);
}

#[test]
fn an_array_that_was_not_stopped_is_served_while_it_is_whole() {
    for (name, mismatches) in
        [("dirty-r5", false), ("dirty-torn-r5", true), ("one-behind-r5", false)]
    {
        let (fixture, array) = unpacked(name);
        is_right(&fixture, &run(&["read"], &array.images).succeeds());
        let status = run(&["status", "--json"], &array.images).succeeds().json();
        assert_eq!((&status["dirty"], &status["state"]), (&Value::Bool(true), &"clean".into()));
        assert_eq!(states(&array), ["in_sync"; 3], "{name}");
        let check = run(&["check"], &array.images);
        match mismatches {
            true => assert_ne!(check.says_no(1..=1).stdout, b"mismatch_sectors: 0\n"),
            false => assert_eq!(check.succeeds().stdout, b"mismatch_sectors: 0\n"),
        }
        for lost in 0..3 {
            let refused = run(&["read"], &array.without(&[lost])).says_no(3..=3);
            assert!(refused.stderr.contains("--force-dirty-degraded"), "{}", refused.stderr);
        }
        if !mismatches {
            let forced = run(&["read", "--force-dirty-degraded"], &array.without(&[1]));
            is_right(&fixture, &forced.succeeds());
        }
    }
}

#[test]
fn dirty_and_degraded_is_refused_unless_forced() {
    for name in ["dirty-degraded-r5", "one-behind-faulty-r6"] {
        let (fixture, array) = unpacked(name);
        for command in ["read", "write"] {
            let refused = run(&[command], &array.images).says_no(3..=3);
            assert!(refused.stderr.contains("--force-dirty-degraded"), "{}", refused.stderr);
        }
        let forced = run(&["read", "--force-dirty-degraded"], &array.images).warns(1);
        is_right(&fixture, &forced);
    }
}

#[test]
fn a_resync_that_was_stopped_is_on_record() {
    let (fixture, array) = unpacked("resyncing-r5");
    is_right(&fixture, &run(&["read"], &array.images).succeeds());
    let status = run(&["status", "--json"], &array.images).succeeds().json();
    assert_eq!((&status["dirty"], &status["action"]), (&Value::Bool(true), &"resync".into()));
    run(&["read"], &array.without(&[1])).says_no(3..=3);
}

#[test]
fn every_fixture_has_its_test() {
    let here = include_str!("assembly.rs");
    for fixture in special() {
        assert!(here.contains(&format!("\"{}\"", fixture.name)), "{}", fixture.name);
    }
}
