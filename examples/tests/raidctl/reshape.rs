//! Arrays whose reshape is half done.

mod begun;

use crate::array::{find, for_each, md5, reshapes};
use crate::tool::run;
use serde_json::{Value, json};

fn status(name: &str, missing: &[usize]) -> Value {
    let array = find(reshapes(), name).unpack();
    run(&["status", "--json"], &array.without(missing)).succeeds().json()
}

fn left_symmetric(level: u8, members: u8, chunk: u32) -> Value {
    json!({
        "level": level, "layout": "left-symmetric", "chunk_bytes": chunk, "raid_members": members,
    })
}

#[test]
fn status_says_from_what_to_what_and_how_far() {
    let cases = [
        ("grow-r5-3to4", (5, 3, 16384), (5, 4, 16384), "forward", 768),
        ("grow-r6-4to6", (6, 4, 16384), (6, 6, 16384), "forward", 640),
        ("shrink-r6-5to4", (6, 5, 16384), (6, 4, 16384), "backward", 3072),
        ("chunk-r5-16to32", (5, 4, 16384), (5, 4, 32768), "forward", 9984),
    ];
    for (name, from, to, direction, sector) in cases {
        let fixture = find(reshapes(), name);
        let status = status(name, &[]);
        let expected = json!({
            "position_bytes": sector * 512,
            "direction": direction,
            "from": left_symmetric(from.0, from.1, from.2),
            "to": left_symmetric(to.0, to.1, to.2),
            "stopped": "unknown",
        });
        assert_eq!(status["reshape"], expected, "{name}");
        assert_eq!(status["action"], "reshape");
        assert_eq!(status["state"], "clean");
        assert_eq!(status["size_bytes"], fixture.size, "{name}");
        assert_eq!(status["members"].as_array().unwrap().len(), fixture.members);
    }
}

#[test]
fn status_says_what_a_half_done_reshape_lacks() {
    let status = status("grow-r6-4to6", &[1, 5]);
    assert_eq!(status["reshape"]["stopped"], "members missing");
    assert_eq!(status["state"], "degraded");
    // Linux seated the last image at place 4.
    assert_eq!(status["members"][4]["state"], "missing");
    let array = find(reshapes(), "grow-r5-3to4").unpack();
    let refused = run(&["status"], &array.without(&[0, 3])).says_no(3..=3);
    assert!(refused.stderr.contains("the new shape lacks 2 members"), "{}", refused.stderr);
}

#[test]
fn people_are_told_as_well() {
    let array = find(reshapes(), "chunk-r5-16to32").unpack();
    let status = run(&["status"], &array.images).succeeds();
    let text = String::from_utf8(status.stdout).unwrap();
    let expected = "\nreshape from 4 members of level 5, left-symmetric, 16 KiB chunks to 4 members of \
                    level 5, left-symmetric, 32 KiB chunks\n  92 % done, forward, at byte 5111808\n";
    assert!(text.contains(expected), "{text}");
    let examine = run(&["examine"], &array.images).succeeds();
    let text = String::from_utf8(examine.stdout).unwrap();
    for part in ["reshape      forward, at array sector 9984", "data moves by -256 sectors"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_half_done_reshape_is_read_whoever_is_lost() {
    for_each(&reshapes(), |fixture| {
        let array = fixture.unpack();
        for lost in fixture.losses() {
            let read = run(&["read"], &array.without(&lost)).succeeds();
            assert_eq!(md5(&read.stdout), fixture.md5, "{} without {lost:?}", fixture.name);
        }
        let part = run(&["read", "--offset", "393000", "--length", "5000"], &array.images);
        assert_eq!(part.succeeds().stdout.len(), 5000);
        let size = fixture.size.to_string();
        run(&["read", "--offset", &size, "--length", "1"], &array.images).says_no(2..=2);
    });
}

#[test]
fn a_reshape_that_linux_began_is_resumed_stopped_resumed_and_finished() {
    for name in ["grow-r5-3to4", "grow-r6-4to6", "chunk-r5-16to32"] {
        let fixture = find(reshapes(), name);
        let array = fixture.unpack();
        let mut stops = 0;
        for _ in 0..20 {
            let resumed = run(&["resume", "--stop-after", "512K"], &array.images).succeeds();
            let read = run(&["read", "--length", &fixture.size.to_string()], &array.images);
            assert_eq!(md5(&read.succeeds().stdout), fixture.md5, "{name} after {stops} stops");
            if resumed.stdout == b"the reshape is finished\n" {
                break;
            }
            let text = String::from_utf8(resumed.stdout).unwrap();
            assert!(text.starts_with("the reshape stopped at byte "), "{text}");
            stops += 1;
        }
        assert!(stops > 0 || name == "chunk-r5-16to32", "{name}");
        let status = run(&["status", "--json"], &array.images).succeeds().json();
        assert_eq!((&status["reshape"], &status["state"]), (&Value::Null, &json!("clean")));
        let check = run(&["check"], &array.images).succeeds();
        assert_eq!(check.stdout, b"mismatch_sectors: 0\n", "{name}");
    }
}

#[test]
fn a_reshape_is_resumed_without_a_member_only_if_that_is_wished() {
    let fixture = find(reshapes(), "grow-r5-3to4");
    let array = fixture.unpack();
    let images = array.without(&[1]);
    let refused = run(&["resume"], &images).says_no(3..=3);
    assert!(refused.stderr.contains("without member 1"), "{}", refused.stderr);
    run(&["resume", "--degraded"], &images).succeeds();
    let read = run(&["read", "--length", &fixture.size.to_string()], &images).succeeds();
    assert_eq!(md5(&read.stdout), fixture.md5);
    let status = run(&["status", "--json"], &images).succeeds().json();
    assert_eq!(status["members"][1]["state"], "missing");
}

#[test]
fn a_shrink_without_a_shift_is_refused_before_its_critical_section() {
    let fixture = find(reshapes(), "shrink-r6-5to4");
    let array = fixture.unpack();
    for _ in 0..2 {
        let refused = run(&["resume"], &array.images).says_no(3..=3);
        assert!(refused.stderr.contains("a backup of 192 sectors"), "{}", refused.stderr);
        let read = run(&["read"], &array.images).warns(1);
        assert_eq!(md5(&read.stdout), fixture.md5);
        run(&["write"], &array.images).says_no(3..=3);
    }
}
