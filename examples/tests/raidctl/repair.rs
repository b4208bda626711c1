//! Parity that is made to agree, wrong blocks that are found, and resyncs.

use crate::array::{find, for_each, golden, golden_array, md5, pattern, special};
use crate::tool::run;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Changes the byte at `at` of an image.
fn flip(image: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(image).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x21], at).unwrap();
}

fn data_offset(image: &Path) -> u64 {
    let examined = run(&["examine", "--json"], &[image]).succeeds().json();
    examined[0]["data_offset"].as_u64().unwrap() * 512
}

#[test]
fn every_level_is_made_to_agree() {
    for_each(&golden(), |fixture| {
        let name = &fixture.name;
        let array = fixture.unpack();
        if fixture.redundancy() == 0 {
            run(&["repair"], &array.images).says_no(3..=3);
            return;
        }
        let at = data_offset(&array.images[1]) + 9000;
        flip(&array.images[1], at);
        let repaired = run(&["repair", "--json"], &array.images).succeeds().json();
        let expected =
            serde_json::json!({"mismatch_sectors": 8, "repaired_sectors": 8, "located": []});
        assert_eq!(repaired, expected, "{name}");
        run(&["check"], &array.images).succeeds();
        let nothing = run(&["repair", "--json"], &array.images).succeeds().json();
        assert_eq!(nothing["repaired_sectors"], 0, "{name}");
        run(&["repair"], &array.without(&[1])).says_no(3..=3);
        run(&["repair", "--locate"], &array.without(&[1])).says_no(3..=3);
    });
}

#[test]
fn the_wrong_block_is_found_whichever_it_is() {
    let level_6: Vec<_> = golden().into_iter().filter(|fixture| fixture.level == 6).collect();
    for_each(&level_6, |fixture| {
        let array = fixture.unpack();
        for (member, image) in array.images.iter().enumerate() {
            let at = data_offset(image) + 4096 * (3 + member as u64) + 77;
            flip(image, at);
            let mended = run(&["repair", "--locate", "--json"], &array.images).warns(1).json();
            let sector = at / 4096 * 8;
            let located = serde_json::json!([{"member": member, "sector": sector}]);
            let expected = serde_json::json!(
                {"mismatch_sectors": 8, "repaired_sectors": 8, "located": located}
            );
            assert_eq!(mended, expected, "{}", fixture.name);
            run(&["check"], &array.images).succeeds();
        }
        let read = run(&["read"], &array.images).succeeds();
        assert_eq!(md5(&read.stdout), fixture.md5, "{}", fixture.name);
    });
}

#[test]
fn what_two_wrong_blocks_made_is_left_and_named() {
    let (fixture, array) = golden_array("r6-left-symmetric");
    // At different bytes: two changes that are alike would look like one of parity.
    for (byte, image) in (8192..).zip(&array.images[..2]) {
        flip(image, data_offset(image) + byte);
    }
    let before =
        md5(&fs::read(&array.images[0]).unwrap()[data_offset(&array.images[0]) as usize..]);
    let left = run(&["repair", "--locate", "--json"], &array.images);
    assert_eq!(left.code, 1, "{}", left.stderr);
    assert_eq!(left.json()["repaired_sectors"], 0);
    assert!(left.stderr.contains("no single block explains it"), "{}", left.stderr);
    let after = md5(&fs::read(&array.images[0]).unwrap()[data_offset(&array.images[0]) as usize..]);
    assert_eq!(before, after);
    run(&["check"], &array.images).says_no(1..=1);
    run(&["repair"], &array.images).succeeds();
    run(&["check"], &array.images).succeeds();
    assert_ne!(run(&["read"], &array.images).succeeds().stdout, pattern(fixture.size));
}

#[test]
fn one_parity_does_not_tell_which_block_is_wrong() {
    for name in ["r0", "r1", "r4", "r5-left-symmetric", "r10-n2"] {
        let (_, array) = golden_array(name);
        let refused = run(&["repair", "--locate"], &array.images).says_no(3..=3);
        assert!(refused.stderr.contains("level 6"), "{name}: {}", refused.stderr);
    }
}

#[test]
fn an_array_that_was_not_stopped_is_resynced() {
    for name in ["dirty-r5", "dirty-torn-r5", "one-behind-r5", "resyncing-r5"] {
        let fixture = find(special(), name);
        let array = fixture.unpack();
        let before: Vec<_> = array.images.iter().map(|image| fs::read(image).unwrap()).collect();
        run(&["resync"], &array.without(&[1])).says_no(3..=3);
        let after = array.images.iter().map(|image| fs::read(image).unwrap());
        assert!(after.eq(before), "{name}: a refusal changed an image");
        // A part, and then the rest.
        run(&["resync", "--stop-after", "64K"], &array.images).succeeds();
        let status = run(&["status", "--json"], &array.images).succeeds().json();
        assert_eq!(
            (&status["dirty"], &status["action"]),
            (&true.into(), &"resync".into()),
            "{name}"
        );
        run(&["resync"], &array.images).succeeds();
        let status = run(&["status", "--json"], &array.images).succeeds().json();
        assert_eq!(
            (&status["dirty"], &status["action"]),
            (&false.into(), &"idle".into()),
            "{name}"
        );
        run(&["check"], &array.images).succeeds();
        for lost in 0..3 {
            let read = run(&["read"], &array.without(&[lost])).succeeds();
            assert_eq!(md5(&read.stdout), fixture.md5, "{name} without {lost}");
        }
        let again = run(&["resync"], &array.images).succeeds();
        assert!(again.stdout.starts_with(b"nothing to resync"), "{name}");
    }
}

#[test]
fn dirty_and_degraded_is_resynced_if_forced() {
    let fixture = find(special(), "dirty-degraded-r5");
    let array = fixture.unpack();
    run(&["resync"], &array.images).says_no(3..=3);
    run(&["resync", "--force-dirty-degraded"], &array.images).warns(1);
    let status = run(&["status", "--json"], &array.images).warns(1).json();
    assert_eq!((&status["dirty"], &status["state"]), (&false.into(), &"degraded".into()));
    assert_eq!(md5(&run(&["read"], &array.images).warns(1).stdout), fixture.md5);
}

#[test]
fn the_help_names_every_command_and_how_it_is_stopped() {
    let help = |arguments: &[&str]| {
        String::from_utf8(run(arguments, &[] as &[&str]).succeeds().stdout).unwrap()
    };
    for command in ["resync", "rebuild", "readd", "resume", "repair", "check"] {
        assert!(help(&["--help"]).contains(command), "{command}");
    }
    for command in ["resync", "rebuild", "readd", "resume"] {
        let text = help(&[command, "--help"]);
        for option in ["--stop-after", "--degraded", "--force-dirty-degraded"] {
            assert!(text.contains(option), "{command} {option}");
        }
    }
    assert!(help(&["repair", "--help"]).contains("--locate"));
}

#[test]
fn what_was_written_last_is_not_called_wrong() {
    let (_, array) = golden_array("r6-left-symmetric");
    let contents =
        || -> Vec<_> { array.images.iter().map(|image| fs::read(image).unwrap()).collect() };
    // As the superblocks of an array that is at work: not in sync from sector 0 on.
    for image in &array.images {
        let block = crate::superblocks::read(image);
        let block = crate::superblocks::with(&block, 0xd0, &[0; 8]);
        crate::superblocks::write(image, &block);
    }
    let before = contents();
    let refused = run(&["repair", "--locate"], &array.images).says_no(3..=3);
    assert!(refused.stderr.contains("resync"), "{}", refused.stderr);
    assert!(contents() == before);
    let repaired = run(&["repair"], &array.images).warns(1);
    assert!(repaired.stderr.contains("raidctl resync"), "{}", repaired.stderr);
    run(&["resync"], &array.images).succeeds();
    run(&["repair", "--locate"], &array.images).succeeds();
}
