//! Nothing that is there is written over, whatever leads to it.

use std::fs;

use super::{OLD, export, home};
use crate::support::program::{Home, Run};

/// The bytes of everything in the home, by name; a link as what it leads to.
fn contents(home: &Home) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(home.path()).expect("the folder").map(|entry| entry.expect("an entry"));
    let mut contents: Vec<_> = entries
        .filter(|entry| entry.path().is_file())
        .map(|entry| (entry.file_name().into_string().expect("text"), fs::read(entry.path()).expect("a file")))
        .collect();
    contents.sort();
    contents
}

fn refused(run: &Run) {
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
    let mut lines = run.stderr.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("error: ")), "{run:?}");
    assert!(lines.all(|line| line.starts_with("hint: ")), "{run:?}");
}

#[cfg(unix)]
#[test]
fn no_export_replaces_what_is_no_export() {
    let home = home();
    home.write(".env", "SERVER_NAME=Mine\n");
    home.write("b.tar.zst", "an archive");
    home.write("empty", "");
    home.write("m.db.lock", "coms serve on 127.0.0.1:3000, process 1");
    home.write("m.db.backup", "mine");
    home.write("old.csv", "id,channel_id\r\n");
    fs::hard_link(home.join("m.db"), home.join("hard.jsonl")).expect("a second name");
    std::os::unix::fs::symlink("m.db", home.join("link.jsonl")).expect("a link");
    std::os::unix::fs::symlink("missing.db", home.join("dangling.jsonl")).expect("a link");
    fs::create_dir(home.join("folder")).expect("a folder");
    let before = contents(&home);
    let absolute = home.join("m.db").display().to_string();
    let names = [
        "m.db",
        "./folder/../m.db",
        &absolute,
        "hard.jsonl",
        "link.jsonl",
        "dangling.jsonl",
        ".env",
        "b.tar.zst",
        "empty",
        "old.csv",
        "m.db.lock",
        "m.db-wal",
        "m.db-shm",
        "m.db-journal",
    ];
    for name in names {
        for format in ["jsonl", "csv"] {
            for force in [&["--force"][..], &[]] {
                refused(&export(&home, &[&["-q", "--format", format, "-o", name], force].concat()));
                assert!(contents(&home) == before, "{name}: something was changed");
            }
        }
    }
    for name in ["m.db", ".env", "folder", "link.jsonl", "dangling.jsonl", "m.db-wal"] {
        refused(&export(&home, &["-q", "--force", "--format", "html", "-o", name]));
        assert!(contents(&home) == before, "{name}: something was changed");
    }
    assert!(home.join("dangling.jsonl").is_symlink() && !home.join("missing.db").exists());
}

#[test]
fn an_earlier_export_is_replaced_when_asked_for() {
    let home = home();
    for (format, name) in [("jsonl", "a.jsonl"), ("csv", "a.csv")] {
        let arguments = ["-q", "--format", format, "-o", name];
        assert_eq!(export(&home, &arguments).code, Some(0));
        let first = home.read(name);
        let refused = export(&home, &arguments);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert_eq!(refused.stderr.lines().next(), Some(format!("error: `{name}` exists already").as_str()));
        assert!(refused.stderr.contains("--force"), "{refused:?}");
        home.write(name, &first[..first.len() / 2]);
        assert_eq!(export(&home, &[&arguments[..], &["--force"]].concat()).code, Some(0), "one that was cut off, too");
        assert_eq!(home.read(name), first);
    }
    home.write("old.jsonl", OLD);
    let other = export(&home, &["-q", "--force", "--format", "csv", "-o", "old.jsonl"]);
    assert_eq!((other.code, home.read("old.jsonl").as_str()), (Some(2), OLD), "{other:?}");
}

/// The names of unfinished files are the exporter's own.
#[test]
fn files_with_names_like_those_of_unfinished_ones_stay() {
    let home = home();
    fs::copy(home.join("m.db"), home.join("a.jsonl.partial")).expect("a database");
    let before = fs::read(home.join("a.jsonl.partial")).expect("the file");
    assert_eq!(export(&home, &["-q", "-o", "a.jsonl"]).code, Some(0));
    assert!(fs::read(home.join("a.jsonl.partial")).expect("the file") == before, "it was changed");
}
