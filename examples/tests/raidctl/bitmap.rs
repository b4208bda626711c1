//! Write-intent bitmaps and bad-block logs that the kernel wrote: `examine` says of them what mdadm says.

use crate::array::{Array, Fixture, bitmaps, find};
use crate::superblocks;
use crate::tool::run;
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
