//! Arrays that the kernel made: their content with every member there and lost, and their parity.

use crate::array::{Fixture, for_each, golden, md5, pattern};
use crate::tool::run;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

#[test]
fn the_content_is_right_whoever_is_lost() {
    for_each(&golden(), |fixture| {
        let array = fixture.unpack();
        let expected = pattern(fixture.size);
        assert_eq!(md5(&expected), fixture.md5, "{}", fixture.name);
        for lost in fixture.losses() {
            let read = run(&["read"], &array.without(&lost)).succeeds();
            assert!(read.stdout == expected, "{} without {lost:?}", fixture.name);
        }
    });
}

#[test]
fn one_more_lost_is_refused() {
    for_each(&golden(), |fixture| {
        let array = fixture.unpack();
        // Members 0 and 1 of two near copies are one pair.
        let lost: Vec<_> = (0..=fixture.redundancy()).collect();
        let read = run(&["read"], &array.without(&lost));
        let codes = if fixture.members == lost.len() { 2..=2 } else { 3..=3 };
        assert_eq!(read.says_no(codes).stdout, b"", "{}", fixture.name);
    });
}

#[test]
fn the_order_of_the_images_does_not_matter() {
    for_each(&golden(), |fixture| {
        let mut array = fixture.unpack();
        for turn in 0..fixture.members {
            match turn {
                0 => array.images.reverse(),
                _ => array.images.rotate_left(1),
            }
            let read = run(&["read"], &array.images).succeeds();
            assert_eq!(md5(&read.stdout), fixture.md5, "{}", fixture.name);
        }
    });
}

#[test]
fn check_finds_nothing_where_nothing_is_wrong() {
    for_each(&golden(), |fixture| {
        let array = fixture.unpack();
        let check = run(&["check"], &array.images);
        match fixture.level {
            0 => assert_eq!(check.says_no(3..=3).stdout, b""),
            _ => assert_eq!(check.succeeds().stdout, b"mismatch_sectors: 0\n", "{}", fixture.name),
        }
        let degraded = run(&["check"], &array.without(&[0]));
        assert_eq!(degraded.says_no(3..=3).stdout, b"", "{}", fixture.name);
    });
}

#[test]
fn check_finds_a_wrong_byte_wherever_it_is() {
    let redundant: Vec<_> = golden().into_iter().filter(|fixture| fixture.level != 0).collect();
    for_each(&redundant, |fixture| {
        let array = fixture.unpack();
        let superblocks = run(&["examine", "--json"], &array.images).succeeds().json();
        for (image, superblock) in array.images.iter().zip(superblocks.as_array().unwrap()) {
            let data = superblock["data_offset"].as_u64().unwrap() * 512;
            let file = OpenOptions::new().read(true).write(true).open(image).unwrap();
            for within in places(fixture) {
                let mut byte = [0];
                file.read_exact_at(&mut byte, data + within).unwrap();
                file.write_all_at(&[byte[0] ^ 0x40], data + within).unwrap();
                let check = run(&["check", "--json"], &array.images).says_no(1..=1);
                let found = check.json();
                let name = &fixture.name;
                assert_eq!(found["mismatch_sectors"], 8, "{name}: {image:?} at {within}");
                file.write_all_at(&byte, data + within).unwrap();
            }
        }
        run(&["check"], &array.images).succeeds();
    });
}

/// Bytes of a data area: at its edges, at the edges of its blocks, in its middle.
fn places(fixture: &Fixture) -> [u64; 5] {
    let used = fixture.used_bytes() as u64;
    [0, 4095, 4096, used / 2 + 777, used - 1]
}
