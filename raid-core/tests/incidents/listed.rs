//! The list of incidents names tests that there are.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// The names of all functions under a folder of the workspace.
fn functions(folder: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let after = text.split("#[test]").skip(1);
            let named = after.filter_map(|text| text.split_once("fn ")?.1.split_once('('));
            names.extend(named.map(|(name, _)| name.to_owned()));
        }
    }
}

#[test]
fn every_test_that_the_list_of_incidents_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut names = HashSet::new();
    for folder in ["raid-core", "examples/tests", "fuzz/tests"] {
        functions(&root.join(folder), &mut names);
    }
    let list = fs::read_to_string(root.join("docs/INCIDENTS.md")).unwrap();
    let rows: Vec<&str> = list.lines().filter(|line| line.starts_with("| ")).collect();
    let mut tests = 0;
    for row in &rows {
        let cell = row.trim_end_matches('|').rsplit_once('|').unwrap().1;
        for name in cell.split('`').skip(1).step_by(2) {
            assert!(names.contains(name), "no test is called {name}");
            tests += 1;
        }
    }
    assert!(tests >= 25, "{tests}");
}
