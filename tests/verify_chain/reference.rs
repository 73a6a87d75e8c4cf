//! Databases that the Go reference server wrote: read as they are, and never written.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::program::Home;

const KEY: &str = "8cd95f826e0fd5fb5fc82bbfec1b346ab321761d288b8f5bfb45f5263e14a2e8";

fn fixture(home: &Home, name: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let to = home.join(name);
    fs::copy(from, &to).expect("a fixture");
    to
}

fn verify(home: &Home, name: &str) -> (Option<i32>, Value) {
    let path = fixture(home, name);
    let before = fs::read(&path).expect("a file");
    let path_text = path.display().to_string();
    let run = home.run(&["verify-chain", "--db", &path_text, "--public-key", KEY, "--no-state", "--json"]);
    assert_eq!(fs::read(&path).expect("a file"), before, "{name} was written to");
    for suffix in ["-wal", "-shm"] {
        assert!(!home.join(&format!("{name}{suffix}")).exists(), "{name}{suffix} was left");
    }
    (run.code, serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}")))
}

fn breaks(report: &Value) -> Vec<(String, u64)> {
    let breaks = report["breaks"].as_array().expect("a list");
    breaks
        .iter()
        .map(|fault| (fault["kind"].as_str().expect("a kind").to_owned(), fault["index"].as_u64().expect("an index")))
        .collect()
}

#[test]
fn a_whole_chain_of_the_reference_is_intact() {
    let home = Home::new();
    let (code, report) = verify(&home, "reference-clean-500.db");
    assert_eq!((code, &report["verdict"], &report["entries"]), (Some(0), &"intact".into(), &500.into()));
    assert_eq!(report["level"], "full+contents");
}

#[test]
fn what_the_reference_broke_is_named_and_what_it_edits_is_a_note() {
    let home = Home::new();
    let (code, report) = verify(&home, "reference-edited.db");
    assert_eq!((code, breaks(&report)), (Some(1), vec![("prev_hash".to_owned(), 5)]));
    assert!(report["breaks"][0]["detail"].as_str().expect("a text").contains("restart"));
    // What was edited, what was deleted, and what no log covers.
    assert_eq!(report["notes"].as_array().expect("notes").len(), 3);

    let (_, report) = verify(&home, "reference-restarted.db");
    assert_eq!(breaks(&report), [("prev_hash".to_owned(), 3)]);
    let (_, report) = verify(&home, "reference-collision.db");
    assert_eq!(breaks(&report), [("missing_entry".to_owned(), 0), ("prev_hash".to_owned(), 1)]);
}

#[test]
fn a_key_must_come_from_somewhere_and_must_be_the_right_one() {
    let home = Home::new();
    let path = fixture(&home, "reference-clean-500.db").display().to_string();
    let run = home.run(&["verify-chain", "--db", &path, "--no-state"]);
    assert!(run.code == Some(2) && run.stderr.contains("--public-key"), "{run:?}");
    let other = super::log::key().public().to_string();
    let run = home.run(&["verify-chain", "--db", &path, "--no-state", "--public-key", &other]);
    assert!(run.code == Some(1) && run.stdout.contains("break at 0: signature"), "{run:?}");
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_written_is_no_obstacle() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let folder = home.join("locked");
    fs::create_dir(&folder).expect("a folder");
    fs::copy(fixture(&home, "reference-clean-500.db"), folder.join("m.db")).expect("a copy");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).expect("a mode");
    let path = folder.join("m.db").display().to_string();
    let run = home.run(&["verify-chain", "--db", &path, "--public-key", KEY, "--no-state", "-q"]);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("a mode");
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "intact: 500 entries, and what the messages say\n"));
}

#[test]
fn what_is_no_database_is_told_in_one_line() {
    let home = Home::new();
    home.write("text.db", &"not a database at all. ".repeat(40));
    home.write("empty.db", "");
    let whole = fs::read(fixture(&home, "reference-clean-500.db")).expect("a file");
    fs::write(home.join("short.db"), &whole[..5000]).expect("a file");
    for name in ["text.db", "empty.db", "missing.db", "."] {
        let run = home.run(&["verify-chain", "--db", name, "--public-key", KEY, "--no-state"]);
        assert!(run.code == Some(3) && run.stderr.starts_with("error: "), "{name}: {run:?}");
    }
    let run = home.run(&["verify-chain", "--db", "short.db", "--public-key", KEY, "--no-state"]);
    assert!(matches!(run.code, Some(1 | 3)), "{run:?}");
}
