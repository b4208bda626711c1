//! Arrays with a write-intent bitmap in use: kept by every command, and what it saves when a member comes back.

use crate::array::{bitmaps, find, md5};
use crate::create::{Blank, create};
use crate::superblocks;
use crate::tool::{Run, run, run_with};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;

/// The bitmap of an image.
fn bitmap(image: &Path) -> Value {
    run(&["examine", "--json"], &[image]).succeeds().json()[0]["bitmap"].clone()
}

fn bits_set(image: &Path) -> u64 {
    bitmap(image)["bits_set"].as_u64().unwrap()
}

/// Of how much of the array the bitmap told, and how much there is; `None` if it told nothing.
fn told(run: &Run) -> Option<(u64, u64)> {
    let text = String::from_utf8(run.stdout.clone()).unwrap();
    let line = text.lines().find(|line| line.starts_with("the bitmap tells"))?;
    let words: Vec<_> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    Some((words[0], words[1]))
}

fn assert_in_order(images: &[PathBuf], content: &[u8]) {
    let check = run(&["check", "--json"], images).succeeds().json();
    assert_eq!(check["mismatch_sectors"], 0);
    assert!(run(&["read"], images).succeeds().stdout == content);
    for image in images {
        let bitmap = bitmap(image);
        assert_eq!((&bitmap["bits_set"], &bitmap["state"]), (&0.into(), &0.into()), "{bitmap}");
        let examined = run(&["examine", "--json"], &[image]).succeeds().json();
        assert_eq!(bitmap["events"], examined[0]["events"], "it would count as not kept");
    }
}

/// Every level and version: made, written, failed, written without the member, which then comes back.
#[test]
fn a_member_that_was_away_gets_what_bits_cover() {
    for line in [
        "--level 1",
        "--level 4 --metadata 1.1",
        "--level 5",
        "--level 5 --metadata 1.0",
        "--level 6 --layout ddf-N-restart",
        "--level 10",
        "--level 10 --layout f2 --metadata 1.0",
    ] {
        let blank = Blank::new(4, 4 * MIB);
        let images = &blank.images;
        let chunk = if line == "--level 1" { "" } else { "--chunk 64K" };
        create(&format!("{line} {chunk} --bitmap --assume-clean"), images).succeeds();
        let size = run(&["status", "--json"], images).succeeds().json()["size_bytes"].clone();
        let mut content = vec![0; size.as_u64().unwrap() as usize];
        let fresh: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
        run_with(&["write", "--offset", "1000"], images, &fresh).succeeds();
        content[1000..1000 + fresh.len()].copy_from_slice(&fresh);
        assert_in_order(images, &content);
        run(&["fail", "--member", "1"], images).succeeds();
        let others: Vec<_> = [0, 2, 3].map(|place| images[place].clone()).into();
        run_with(&["write", "--degraded"], &others, &fresh[1..]).succeeds();
        content[..fresh.len() - 1].copy_from_slice(&fresh[1..]);
        assert_eq!(bits_set(&images[0]), 1, "{line}: kept for the member that is away");
        assert_eq!(bits_set(&images[1]), 0);
        let back: Vec<_> = [1, 0, 2, 3].map(|place| images[place].clone()).into();
        let readd = run(&["readd"], &back).succeeds();
        let (marked, all) = told(&readd).unwrap();
        assert_eq!(marked, all, "{line}: so small an array has one bit");
        assert_in_order(images, &content);
        for lost in 0..4 {
            let left: Vec<_> = (0..4).filter(|place| *place != lost).collect();
            let left: Vec<_> = left.into_iter().map(|place| images[place].clone()).collect();
            assert!(run(&["read"], &left).succeeds().stdout == content, "{line}: without {lost}");
        }
    }
}

#[test]
fn a_recovery_by_the_bitmap_copies_no_more_than_it_marks() {
    let blank = Blank::new(3, 70 * MIB);
    let images = &blank.images;
    create("--level 5 --chunk 64K --bitmap --assume-clean", images).succeeds();
    run(&["fail", "--member", "1"], images).succeeds();
    let new = vec![7; 100_000];
    let others = [images[0].clone(), images[2].clone()];
    run_with(&["write", "--degraded", "--offset", "130M"], &others, &new).succeeds();
    // Where no bit is set nothing is read, and nothing put right.
    let spoilt = vec![1; 4096];
    let data = superblocks::read(&images[1])[0x80..0x88].try_into().unwrap();
    let data = u64::from_le_bytes(data) * 512;
    let image = fs::OpenOptions::new().write(true).open(&images[1]).unwrap();
    image.write_all_at(&spoilt, data).unwrap();
    let back = [1, 0, 2].map(|place| images[place].clone());
    let (marked, all) = told(&run(&["readd"], &back).succeeds()).unwrap();
    assert!(marked < 8 << 20 && all > 64 << 20, "{marked} of {all}");
    assert!(fs::read(&images[1]).unwrap()[data as usize..].starts_with(&spoilt));
    let read = run(&["read", "--offset", "130M", "--length", "100000"], &back[..2]).succeeds();
    assert!(read.stdout == new);
}

/// Parked as by a signal, written to, and gone on with: nothing but marked chunks is copied still.
#[test]
fn a_recovery_by_the_bitmap_that_was_parked_goes_on_by_the_bitmap() {
    let blank = Blank::new(3, 70 * MIB);
    let images = &blank.images;
    create("--level 5 --chunk 64K --bitmap --assume-clean", images).succeeds();
    run(&["fail", "--member", "1"], images).succeeds();
    let others = [images[0].clone(), images[2].clone()];
    let new = vec![7; 300_000];
    run_with(&["write", "--degraded", "--offset", "9M"], &others, &new).succeeds();
    // Where no bit is set nothing is put right.
    let data = superblocks::read(&images[1])[0x80..0x88].try_into().unwrap();
    let data = u64::from_le_bytes(data) * 512;
    let image = fs::OpenOptions::new().write(true).open(&images[1]).unwrap();
    let spoilt = data + 66 * MIB;
    image.write_all_at(&[1; 4096], spoilt).unwrap();
    let back = [1, 0, 2].map(|place| images[place].clone());
    let readd = run(&["readd", "--stop-after", "64K"], &back).succeeds();
    assert!(told(&readd).is_some());
    let status = run(&["status", "--json"], images).succeeds().json();
    assert_eq!((&status["action"], &status["dirty"]), (&"recovery".into(), &false.into()));
    assert_eq!(bits_set(&images[0]), 1, "it is kept for the member");
    run_with(&["write", "--offset", "10M"], images, &new).succeeds();
    run(&["resume"], images).succeeds();
    let status = run(&["status", "--json"], images).succeeds().json();
    assert_eq!((&status["action"], &status["state"]), (&"idle".into(), &"clean".into()));
    for image in images {
        assert_eq!(bits_set(image), 0);
    }
    let bytes = fs::read(&images[1]).unwrap();
    assert!(bytes[spoilt as usize..].starts_with(&[1; 4096]));
    for offset in ["9M", "10M"] {
        for left in [&images[..2], &images[1..]] {
            let read = run(&["read", "--offset", offset, "--length", "300000"], left).succeeds();
            assert!(read.stdout == new, "{offset}");
        }
    }
}

/// The kernel wrote while the member was away, and left the bits.
#[test]
fn a_member_that_the_kernel_went_on_without_comes_back_by_its_bitmap() {
    for (name, away, bits, chunk) in [("bitmap-r5", 1, 22, 4096), ("bitmap-r10", 2, 5, 4096)] {
        let fixture = find(bitmaps(), name);
        let array = fixture.unpack();
        let mut back = vec![array.images[away].clone()];
        back.extend(array.without(&[away]).into_iter().cloned());
        let readd = run(&["readd"], &back).succeeds();
        assert_eq!(told(&readd).map(|(marked, _)| marked), Some(bits * chunk), "{name}");
        let content = run(&["read"], &array.images).succeeds().stdout;
        assert_eq!(md5(&content), fixture.md5, "{name}");
        assert_in_order(&array.images, &content);
    }
}

/// What is behind the bitmap's back is not believed: a bitmap that was not kept, a member that has
/// missed more than bits tell, one that was not whole.
#[test]
fn a_member_is_rebuilt_where_the_bitmap_does_not_prove_what_it_missed() {
    const EVENTS: usize = 0xc8;
    const FEATURES: usize = 0x08;
    const RECOVERY_OFFSET: usize = 0x98;
    let prepared = |forge: &dyn Fn(&[PathBuf])| {
        let fixture = find(bitmaps(), "bitmap-r5");
        let array = fixture.unpack();
        forge(&array.images);
        let back = [1, 0, 2].map(|place| array.images[place].clone());
        let readd = run(&["readd"], &back).succeeds();
        let content = run(&["read"], &array.images).succeeds().stdout;
        assert_eq!(md5(&content), fixture.md5);
        assert_in_order(&array.images, &content);
        told(&readd)
    };
    let set = |image: &Path, at: usize, bytes: &[u8]| {
        let block = superblocks::with(&superblocks::read(image), at, bytes);
        superblocks::write(image, &block);
    };
    assert!(prepared(&|_| {}).is_some());
    // Its superblock is older than the last clearing.
    assert_eq!(prepared(&|images| set(&images[1], EVENTS, &0_u64.to_le_bytes())), None);
    // Somebody wrote superblocks and no bitmap.
    let stale = |images: &[PathBuf]| {
        for place in [0, 2] {
            set(&images[place], EVENTS, &9_u64.to_le_bytes());
        }
    };
    assert_eq!(prepared(&stale), None);
    // It was being rebuilt as a whole when it went.
    let half = |images: &[PathBuf]| {
        set(&images[1], RECOVERY_OFFSET, &8_u64.to_le_bytes());
        set(&images[1], FEATURES, &3_u32.to_le_bytes());
    };
    assert_eq!(prepared(&half), None);
}

#[test]
fn a_new_member_gets_the_bitmap_of_the_others() {
    let blank = Blank::new(5, 4 * MIB);
    let images = &blank.images[..4];
    create("--level 6 --chunk 64K --bitmap", images).succeeds();
    run(&["fail", "--member", "2"], images).succeeds();
    let new = blank.images[4].to_str().unwrap();
    let left: Vec<_> = [0, 1, 3].map(|place| images[place].clone()).into();
    run(&["rebuild", "--new", new], &left).succeeds();
    let whole: Vec<_> = [0, 1, 4, 3].map(|place| blank.images[place].clone()).into();
    run_with(&["write"], &whole, b"new").succeeds();
    let content = run(&["read"], &whole).succeeds().stdout;
    assert_in_order(&whole, &content);
    assert_eq!(bitmap(&whole[2]), bitmap(&whole[0]));
    // Who was away meanwhile is not believed any more: bits were cleared with the new one there.
    run(&["fail", "--member", "2"], &whole).succeeds();
    let back: Vec<_> = [2, 0, 1, 3].map(|place| blank.images[place].clone()).into();
    assert_eq!(told(&run(&["readd"], &back).succeeds()), None);
    assert_in_order(images, &content);
}

/// As the kernel's own line in `/proc/mdstat`.
#[test]
fn status_draws_the_bitmap() {
    let blank = Blank::new(3, 80 * MIB);
    create("--level 5 --chunk 64K --bitmap --assume-clean", &blank.images).succeeds();
    let text = || {
        let run = run(&["status"], &blank.images).succeeds();
        String::from_utf8(run.stdout).unwrap()
    };
    assert!(text().contains("bitmap: 0/1 pages [0KB], 65536KB chunk"), "{}", text());
    run(&["fail", "--member", "0"], &blank.images).succeeds();
    run_with(&["write", "--degraded"], &blank.images[1..], b"new").succeeds();
    let status = run(&["status", "--json"], &blank.images[1..]).succeeds().json();
    assert_eq!(status["bitmap"]["bits_set"], 1);
    let run = run(&["status"], &blank.images[1..]).succeeds();
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(text.contains("bitmap: 1/1 pages [4KB], 65536KB chunk"), "{text}");
}
