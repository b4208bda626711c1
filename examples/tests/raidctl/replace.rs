//! Replacement of a member that is in use.

use crate::array::{find, for_each, golden, golden_array, md5, pattern, special};
use crate::tool::{run, run_with};
use std::fs;
use std::path::{Path, PathBuf};

fn contents(images: &[impl AsRef<Path>]) -> Vec<String> {
    images.iter().map(|image| md5(&fs::read(image).unwrap())).collect()
}

fn status(images: &[impl AsRef<std::ffi::OsStr>]) -> serde_json::Value {
    run(&["status", "--json"], images).succeeds().json()
}

/// A blank image beside another, as large.
fn blank(like: &Path, name: &str) -> PathBuf {
    let length = fs::metadata(like).unwrap().len();
    let path =
        like.with_file_name(format!("{}-{name}", like.file_name().unwrap().to_str().unwrap()));
    fs::File::create_new(&path).unwrap().set_len(length).unwrap();
    path
}

#[test]
fn a_member_of_every_level_and_layout_is_replaced() {
    let redundant: Vec<_> =
        golden().into_iter().filter(|fixture| fixture.redundancy() > 0).collect();
    for_each(&redundant, |fixture| {
        let name = &fixture.name;
        let array = fixture.unpack();
        let at = fixture.size / 4096 % array.images.len();
        let new = blank(&array.images[0], "new");
        let member = at.to_string();
        let with = new.to_str().unwrap();
        run(&["replace", "--member", &member, "--with", with], &array.images).succeeds();
        let mut images = array.images.clone();
        images[at] = new;
        let whole = status(&images);
        assert_eq!((&whole["state"], &whole["dirty"]), (&"clean".into(), &false.into()), "{name}");
        assert_eq!(whole["action"], "idle", "{name}");
        run(&["check"], &images).succeeds();
        assert_eq!(md5(&run(&["read"], &images).succeeds().stdout), fixture.md5, "{name}");
        let examined = run(&["examine", "--json"], &images).succeeds().json();
        for superblock in examined.as_array().unwrap() {
            assert_eq!(superblock["feature_map"], 0, "{name}");
            assert_eq!(superblock["dev_roles"], examined[0]["dev_roles"], "{name}");
        }
        // Who was replaced knows that it is out, and so do the others.
        images.push(array.images[at].clone());
        let left_out = run(&["status", "--json"], &images).warns(1);
        assert_eq!(left_out.json()["state"], "clean", "{name}");
    });
}

#[test]
fn a_replacement_stops_where_it_is_told_and_goes_on() {
    let (fixture, array) = golden_array("r6-left-symmetric");
    let new = blank(&array.images[0], "new");
    let with = new.to_str().unwrap();
    let replace = ["replace", "--member", "2", "--with", with];
    let parked = run(&[&replace[..], &["--stop-after", "64K"]].concat(), &array.images).succeeds();
    let text = String::from_utf8(parked.stdout).unwrap();
    assert!(text.contains("raidctl resume") && text.contains("member 2"), "{text}");
    let all = [array.images.clone(), vec![new.clone()]].concat();
    let found = status(&all);
    assert_eq!((&found["state"], &found["action"]), (&"clean".into(), &"recovery".into()));
    let members = found["members"].as_array().unwrap();
    let last = &members[members.len() - 1];
    assert_eq!((&last["slot"], &last["state"]), (&2.into(), &"rebuilding".into()));
    let text = run(&["status"], &all).succeeds().stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("](R)") && text.contains("replacing"), "{text}");
    let examined = run(&["examine", "--json"], &[&new, &array.images[2]]).succeeds().json();
    assert_eq!(examined[0]["feature_map"], 0x12, "an offset of a replacement");
    assert_eq!(examined[1]["feature_map"], 0);
    let mark = examined[0]["recovery_offset"].as_u64().unwrap();
    assert!((128..1024).contains(&mark), "{mark}");

    // What is written before it goes on is there after it.
    let mut model = pattern(fixture.size);
    for at in [5, fixture.size - 99_999] {
        run_with(&["write", "--offset", &at.to_string()], &all, &vec![7; 80_000]).succeeds();
        model[at..at + 80_000].fill(7);
    }
    run(&["resume", "--stop-after", "64K"], &all).succeeds();
    let examined = run(&["examine", "--json"], &[&new]).succeeds().json();
    assert!(examined[0]["recovery_offset"].as_u64().unwrap() > mark);
    // Running it again goes on as well.
    run(&replace, &array.images).succeeds();
    let mut images = array.images.clone();
    images[2] = new;
    assert!(run(&["read"], &images).succeeds().stdout == model);
    run(&["check"], &images).succeeds();
    assert_eq!(md5(&run(&["read"], &images[2..]).warns(0).stdout), md5(&model));
    let again = run(&["resume"], &images).succeeds();
    assert!(again.stdout.starts_with(b"nothing to resume"));
}

#[test]
fn what_was_copied_of_a_member_that_is_gone_counts() {
    let (fixture, array) = golden_array("r5-left-symmetric");
    let new = blank(&array.images[0], "new");
    let with = new.to_str().unwrap();
    let begin = ["replace", "--member", "1", "--stop-after", "64K", "--with", with];
    run(&begin, &array.images).succeeds();
    let mut images = array.images.clone();
    images[1] = new;
    assert_eq!(md5(&run(&["read"], &images).succeeds().stdout), fixture.md5);
    let mark = |image| {
        run(&["examine", "--json"], &[image]).succeeds().json()[0]["recovery_offset"].as_u64()
    };
    let before = mark(&images[1]);
    // The member is in sync, and not named.
    run_with(&["write"], &images, b"new").says_no(3..=3);
    run(&["resume"], &images).says_no(3..=3);
    run(&["resume", "--degraded", "--stop-after", "4K"], &images).succeeds();
    assert!(mark(&images[1]) > before, "it did not begin anew");
    run(&["resume"], &images).succeeds();
    assert_eq!(md5(&run(&["read"], &images[1..]).succeeds().stdout), fixture.md5);
    run(&["check"], &images).succeeds();
}

#[test]
fn a_replacement_refuses_before_it_writes() {
    let (_, array) = golden_array("r5-left-symmetric");
    let new = blank(&array.images[0], "new");
    let with = new.to_str().unwrap();
    let other = array.images[0].to_str().unwrap();
    let refuses = |arguments: &[&str], images: &[PathBuf], code, words: &str| {
        let all = [array.images.clone(), vec![new.clone()]].concat();
        let before = contents(&all);
        let refused = run(&[&["replace"], arguments].concat(), images).says_no(code..=code);
        assert!(refused.stderr.contains(words), "{arguments:?}: {}", refused.stderr);
        assert_eq!(contents(&all), before, "{arguments:?}");
    };
    refuses(&["--member", "1"], &array.images, 2, "--with");
    refuses(&["--member", "9", "--with", with], &array.images, 2, "members 0 to");
    refuses(&["--member", "1", "--with", other], &array.images, 2, "one and the same");
    refuses(&["--member", "0", "--with", with], &array.images[1..], 3, "not in sync");
    refuses(&["--member", "1", "--with", with], &array.images[..2], 3, "members");
    let held = fs::File::open(&new).unwrap();
    held.try_lock().unwrap();
    run(&["replace", "--member", "1", "--with", with], &array.images).says_no(3..=3);
    held.unlock().unwrap();

    run(&["replace", "--member", "1", "--stop-after", "4K", "--with", with], &array.images)
        .succeeds();
    let all = [array.images.clone(), vec![new]].concat();
    let second = blank(&array.images[0], "second");
    let before = contents(&all);
    let again = ["replace", "--member", "0", "--with", second.to_str().unwrap()];
    run(&again, &all).says_no(3..=3);
    // Its replacement would miss what is written.
    run_with(&["write"], &array.images, b"new").says_no(3..=3);
    assert_eq!(contents(&all), before);

    let dirty = find(special(), "dirty-degraded-r5").unpack();
    let new = blank(&dirty.images[0], "new");
    let no = ["replace", "--member", "0", "--with", new.to_str().unwrap()];
    run(&no, &dirty.images).says_no(3..=3);
}
