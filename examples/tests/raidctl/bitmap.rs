//! Write-intent bitmaps and bad-block logs that the kernel wrote: `examine` says of them what mdadm says.

use crate::array::{Array, Fixture, bitmaps, find, md5};
use crate::superblocks;
use crate::tool::{run, run_with};
use serde_json::Value;
use std::fs;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

fn examine(array: &Array) -> Vec<Value> {
    let examined = run(&["examine", "--json"], &array.images).succeeds().json();
    examined.as_array().unwrap().clone()
}

/// What mdadm says of each member, in the manifest as `member:what`.
fn says(fixture: &Fixture) -> Vec<&str> {
    fixture.note.split('_').map(|member| member.split_once(':').unwrap().1).collect()
}

fn fixture(name: &str) -> (Fixture, Array) {
    let fixture = find(bitmaps(), name);
    let array = fixture.unpack();
    (fixture, array)
}

/// Sectors that count from the start of the members' data: the first, and the one behind the last.
fn dirty(member: &Value) -> Vec<(u64, u64)> {
    let ranges = member["bitmap"]["dirty"].as_array().unwrap().iter();
    let number = |range: &Value, name: &str| range[name].as_u64().unwrap();
    ranges
        .map(|range| (number(range, "sector"), number(range, "sector") + number(range, "sectors")))
        .collect()
}

#[test]
fn bitmaps_are_what_mdadm_says() {
    for name in ["bitmap-r5", "bitmap-r10", "bitmap-r1-large"] {
        let (fixture, array) = fixture(name);
        let members = examine(&array);
        for (member, says) in members.iter().zip(says(&fixture)) {
            let bitmap = &member["bitmap"];
            let found =
                ["events", "events_cleared", "bits", "bits_set"].map(|key| bitmap[key].to_string());
            assert_eq!(found.join("/"), says, "{name}");
            assert_eq!(bitmap["uuid"], member["set_uuid"]);
            let covered: u64 = dirty(member).iter().map(|(start, end)| end - start).sum();
            let chunk = bitmap["chunksize"].as_u64().unwrap() / 512;
            assert_eq!(covered, bitmap["bits_set"].as_u64().unwrap() * chunk, "{name}");
            assert_eq!(member["bad_blocks"], Value::Array(Vec::new()));
        }
    }
}

/// The bits of a large bitmap lie in several pages.
#[test]
fn bits_of_every_page_are_found() {
    let (_, array) = fixture("bitmap-r1-large");
    // 20 blocks of 4 KiB were written at each of these, and a bit covers 8.
    let blocks = [0, 245_760, 1_000_000, 2_000_000];
    let expected = blocks.map(|block| (block / 8 * 64, (block + 20_u64).div_ceil(8) * 64));
    assert_eq!(dirty(&examine(&array)[0]), expected);
}

/// What the member that was away does not have is under set bits; and some bits are not.
#[test]
fn set_bits_cover_what_a_member_missed() {
    let (fixture, array) = fixture("bitmap-r5");
    let members = examine(&array);
    let images: Vec<_> = array.images.iter().map(|image| fs::read(image).unwrap()).collect();
    let dirty = dirty(&members[0]);
    let data = members[0]["data_offset"].as_u64().unwrap();
    let mut missed = 0;
    for sector in 0..members[0]["size"].as_u64().unwrap() {
        let at = ((data + sector) * 512) as usize;
        let agrees =
            (at..at + 512).all(|at| images.iter().fold(0, |sum, image| sum ^ image[at]) == 0);
        let is_dirty = dirty.iter().any(|(start, end)| (*start..*end).contains(&sector));
        assert!(agrees || is_dirty, "{}: sector {sector}", fixture.name);
        missed += u64::from(!agrees);
    }
    let covered: u64 = dirty.iter().map(|(start, end)| end - start).sum();
    assert!(missed > 0 && covered < 1024, "{missed} sectors missed, {covered} covered");
}

#[test]
fn bad_blocks_are_what_mdadm_says() {
    let (fixture, array) = fixture("bad-blocks-r5");
    for (member, says) in examine(&array).iter().zip(says(&fixture)) {
        let ranges = member["bad_blocks"].as_array().unwrap().iter();
        let mut found: Vec<_> =
            ranges.map(|range| format!("{}+{}", range["sector"], range["sectors"])).collect();
        let mut expected: Vec<_> = says.split(',').filter(|range| !range.is_empty()).collect();
        // The kernel did not sort them.
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(member["bitmap"], Value::Null);
    }
    let text = String::from_utf8(run(&["examine"], &array.images).succeeds().stdout).unwrap();
    assert!(
        text.contains(
            "\n  bad blocks   3 sectors from 290, 16 sectors from 300, 1 sectors from 400"
        ),
        "{text}"
    );
}

/// Sectors of a member that its log calls bad: the first, and how many.
fn bad(member: &Value) -> Vec<(u64, u64)> {
    let ranges = member["bad_blocks"].as_array().unwrap().iter();
    let number = |range: &Value, name: &str| range[name].as_u64().unwrap();
    ranges.map(|range| (number(range, "sector"), number(range, "sectors"))).collect()
}

/// The range that a warning calls bad: the first sector, and how many.
fn named_bad(line: &str) -> Option<(u64, u64)> {
    let (before, after) = line.split_once(" sectors at ")?;
    let (start, _) = after.split_once(" are bad")?;
    let (_, count) = before.rsplit_once(' ')?;
    Some((start.parse().ok()?, count.parse().ok()?))
}

/// Overwrites what the logs call bad: nobody may miss it.
fn spoil(array: &Array) -> usize {
    let mut spoilt = 0;
    for (member, image) in examine(array).iter().zip(&array.images) {
        let file = OpenOptions::new().write(true).open(image).unwrap();
        for (start, sectors) in bad(member) {
            let garbage = vec![0xA5; usize::try_from(sectors).unwrap() * 512];
            file.write_all_at(&garbage, start * 512).unwrap();
            spoilt += garbage.len();
        }
    }
    spoilt
}

#[test]
fn what_the_kernel_called_bad_is_not_read_and_a_write_makes_it_good() {
    let (fixture, array) = fixture("bad-blocks-r5");
    assert!(spoil(&array) > 100 * 512);
    let content = run(&["read"], &array.images).succeeds().stdout;
    assert_eq!(md5(&content), fixture.md5);

    let other: Vec<u8> = content.iter().map(|byte| !byte).collect();
    run_with(&["write"], &array.images, &other).succeeds();
    for member in examine(&array) {
        assert_eq!(bad(&member), [], "it was written, and is good");
        assert_eq!(member["feature_map"].as_u64().unwrap() & 8, 0, "Linux need not look");
    }
    assert!(run(&["read"], &array.images).succeeds().stdout == other);
    run(&["check"], &array.images).succeeds();
    for lost in 0..fixture.members {
        let others = array.without(&[lost]);
        assert!(run(&["read"], &others).ends_well().stdout == other, "{lost}");
    }
}

#[test]
fn what_a_rebuild_cannot_make_is_on_the_log_of_the_new_member_and_is_named() {
    let (_, array) = fixture("bad-blocks-r5");
    spoil(&array);
    let right = fs::read(&array.images[0]).unwrap();
    let content = run(&["read"], &array.images).succeeds().stdout;
    let new = array.images[0].with_extension("new");
    fs::write(&new, vec![0; right.len()]).unwrap();
    let new_name = new.to_str().unwrap();
    let rebuilt = run(&["rebuild", "--new", new_name, "--degraded"], &array.without(&[0]));
    assert_eq!(rebuilt.code, 4, "{}", rebuilt.stderr);
    assert!(rebuilt.stderr.contains("cannot be reconstructed"), "{}", rebuilt.stderr);
    let images = [&new, &array.images[1], &array.images[2]];
    let members = run(&["examine", "--json"], &images).succeeds().json();
    let lost = bad(&members[0]);
    let offset = |member: &Value| member["data_offset"].as_u64().unwrap();
    let sources = [&members[1], &members[2]];
    let wanted: u64 = sources.iter().flat_map(|source| bad(source)).map(|(_, count)| count).sum();
    assert_eq!(lost.iter().map(|(_, count)| count).sum::<u64>(), wanted, "{lost:?}");
    let touching = lost.windows(2).filter(|two| two[0].0 + two[0].1 == two[1].0 && two[0].1 < 512);
    assert_eq!(
        touching.count(),
        0,
        "ranges that touch are one, as long as an entry can be: {lost:?}"
    );
    let named: u64 = rebuilt.stderr.lines().filter_map(named_bad).map(|(_, count)| count).sum();
    assert_eq!(named, wanted, "each range is named: {}", rebuilt.stderr);
    // What is read is right, and what is lost is an error that names it.
    let read = run(&["read"], &images);
    assert_eq!(read.code, 4, "{}", read.stderr);
    let bytes = fs::read(&new).unwrap();
    let (old, new) = (offset(&examine(&array)[0]), offset(&members[0]));
    for sector in 0..1024 {
        let is_lost = lost.iter().any(|(at, count)| (*at..at + count).contains(&(new + sector)));
        let at = |offset: u64| usize::try_from((offset + sector) * 512).unwrap();
        let same = bytes[at(new)..][..512] == right[at(old)..][..512];
        assert!(is_lost || same, "sector {sector}");
    }
    // All of it, written anew, is there again, and the logs are empty.
    run_with(&["write"], &images, &content).succeeds();
    assert!(run(&["read"], &images).succeeds().stdout == content);
    for member in run(&["examine", "--json"], &images).succeeds().json().as_array().unwrap() {
        assert_eq!(bad(member), []);
    }
    run(&["check"], &images).succeeds();
}

/// After an unclean stop nobody knows whether the parity fits that stands in for what is bad: a resync gives up what it
/// cannot make without.
#[test]
fn what_is_bad_in_a_dirty_array_is_not_given_up_unasked() {
    let (fixture, array) = fixture("bad-blocks-r5");
    spoil(&array);
    for image in &array.images {
        let block = superblocks::read(image);
        superblocks::write(image, &superblocks::with(&block, 0xd0, &0_u64.to_le_bytes()));
    }
    let before: Vec<_> = array.images.iter().map(|image| fs::read(image).unwrap()).collect();
    for arguments in [["resync"], ["write"]] {
        let refused = run(&arguments, &array.images).says_no(3..=3);
        assert!(refused.stderr.contains("has bad blocks"), "{}", refused.stderr);
    }
    // What can be read without parity is right, the rest is an error.
    let read = run(&["read"], &array.images);
    assert_eq!(read.code, 4, "{}", read.stderr);
    let after: Vec<_> = array.images.iter().map(|image| fs::read(image).unwrap()).collect();
    assert!(before == after, "nothing is written");
    // Whoever takes the parity for good gets all of it, and a resync makes it good.
    let forced = "--force-dirty-degraded";
    assert_eq!(md5(&run(&["read", forced], &array.images).succeeds().stdout), fixture.md5);
    run(&["resync", forced], &array.images).succeeds();
    assert_eq!(md5(&run(&["read"], &array.images).succeeds().stdout), fixture.md5);
    for member in examine(&array) {
        assert_eq!(bad(&member), [], "it was written, and is good");
    }
}

#[test]
fn an_area_that_cannot_be_used_does_not_hide_the_rest() {
    let (_, array) = fixture("bitmap-r5");
    let image = &array.images[0];
    let bitmap = |sectors: u64| {
        OpenOptions::new()
            .write(true)
            .open(image)
            .unwrap()
            .write_all_at(&[0xee; 4], 8192 + sectors)
            .unwrap();
        examine(&array)[0]["bitmap"]["error"].as_str().unwrap().to_string()
    };
    assert_eq!(bitmap(52), "corrupt bitmap: chunksize cannot be 0xeeeeeeee");
    assert!(bitmap(4).starts_with("bitmap of version 4008636142"));
    assert_eq!(bitmap(0), "no bitmap where the md superblock says it is");
    let block = superblocks::read(image);
    let wrong = superblocks::with(&block, 0x60, &(-9_i32).to_le_bytes());
    superblocks::write(image, &wrong);
    let text = String::from_utf8(run(&["examine"], &array.images).succeeds().stdout).unwrap();
    assert!(
        text.contains(
            "\n  bitmap       corrupt md superblock: it points to an area outside the device"
        ),
        "{text}"
    );
}
