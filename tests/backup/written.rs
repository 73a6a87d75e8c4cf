//! What is written, where, and what becomes of older ones.

use std::fs;

use rusqlite::Connection;

use super::{bare_home, good, home, json, names};
use crate::support::corpus::{Corpus, SERVER_ID};

#[test]
fn a_backup_says_what_is_in_it_and_is_for_its_owner_only() {
    let home = home();
    let report = json(&good(&home, &["backup", "-o", "b.tar.zst", "--json"]));
    let manifest = &report["manifest"];
    assert_eq!((&report["file"], &report["encrypted"]), (&"b.tar.zst".into(), &false.into()));
    assert_eq!((&manifest["server_id"], &manifest["chain_length"]), (&SERVER_ID.into(), &6.into()));
    assert_eq!((&manifest["counts"]["messages"], &manifest["faults"]), (&4.into(), &0.into()));
    assert_eq!(manifest["head"]["length"], 6, "it is signed");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(home.join("b.tar.zst")).expect("the backup").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // Any system's tools can take it apart.
    let bytes = fs::read(home.join("b.tar.zst")).expect("the backup");
    let mut tar = tar::Archive::new(zstd::Decoder::new(bytes.as_slice()).expect("zstd"));
    let found =
        tar.entries().expect("a tar").map(|entry| entry.expect("an entry").path().expect("a name").into_owned());
    assert_eq!(found.collect::<Vec<_>>(), ["manifest.json".as_ref(), "messages.db".as_ref()] as [&std::path::Path; 2]);
    assert_eq!(names(&home, "partial"), [""; 0]);
    let text = good(&home, &["backup", "-o", "c.tar.zst"]).stdout;
    assert!(text.starts_with("c.tar.zst: 4 messages, 6 log entries, ") && text.ends_with(", checked\n"), "{text}");
    assert_eq!(good(&home, &["-q", "backup", "-o", "d.tar.zst"]).stdout, "");
}

#[test]
fn nothing_that_is_there_is_replaced() {
    let home = home();
    home.write("b.tar.zst", "mine");
    for (arguments, code, said) in [
        (&["backup", "-o", "b.tar.zst"][..], 2, "error: `b.tar.zst` exists already\nhint: "),
        (&["backup", "-o", "missing/b.tar.zst"], 3, "the folder `missing` is not there"),
        (&["backup", "-o", "-", "--json"], 2, "can't both go to standard output"),
        (&["backup", "-o", "new", "--keep", "3"], 2, "`--keep` needs a folder"),
        (
            &["backup", "-o", "new", "--include-secrets"],
            2,
            "hint: give `--passphrase-file FILE` or `--recipient AGE1…`",
        ),
        (&["backup", "-o", "new", "--recipient", "age1nonsense"], 2, "an age recipient begins with `age1`"),
        (&["backup", "-o", "new", "--db", "missing.db"], 3, "error: cannot open the database `missing.db`"),
        (&["backup", "-o", "new", "--db", ".env"], 3, "is not a database of coms"),
    ] {
        let run = home.run(arguments);
        assert_eq!(run.code, Some(code), "{arguments:?}: {run:?}");
        assert!(run.stderr.contains(said), "{arguments:?}: {run:?}");
    }
    assert_eq!(home.read("b.tar.zst"), "mine");
    assert_eq!(names(&home, "new"), [""; 0]);
}

#[test]
fn a_pipe_takes_a_backup_too() {
    let home = home();
    let output = home.command(&["backup", "-o", "-"]).output().expect("it ends");
    assert!(output.status.success() && output.stdout.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]), "{output:?}");
    fs::write(home.join("b.tar.zst"), output.stdout).expect("a file");
    fs::remove_file(home.join("m.db")).expect("the database");
    good(&home, &["restore", "b.tar.zst"]);
}

#[test]
fn a_damaged_database_is_backed_up_and_said_to_be_damaged() {
    let home = home();
    fs::create_dir(home.join("kept")).expect("a folder");
    let sound = json(&good(&home, &["backup", "-o", "kept", "--json"]))["file"].as_str().expect("a name").to_owned();
    tamper(&home);
    let run = home.run(&["backup", "-o", "kept", "--keep", "1"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("warning: content at entry 0: ") && run.stdout.ends_with(", damaged\n"), "{run:?}");
    assert!(home.join(&sound).exists(), "the last that is sound stays");
    let unchecked = good(&home, &["backup", "-o", "unchecked.tar.zst", "--no-check"]);
    assert!(unchecked.stdout.ends_with(", not checked\n"), "{unchecked:?}");

    let other = bare_home();
    super::carry(&home, "unchecked.tar.zst", &other);
    let refused = other.run(&["restore", "unchecked.tar.zst"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stdout.contains("result    not restored") && !other.join("m.db").exists(), "{refused:?}");
    let taken = good(&other, &["restore", "unchecked.tar.zst", "--accept-breaks"]);
    assert!(taken.stdout.contains("restored as m.db"), "{taken:?}");
}

/// Makes a message say something that its author did not write.
#[expect(clippy::disallowed_methods, reason = "as whoever has the file can, without the program")]
fn tamper(home: &crate::support::program::Home) {
    let connection = Connection::open(home.join("m.db")).expect("the database");
    connection.execute("UPDATE message SET content = 'Gruss' WHERE key = 1", []).expect("tampered");
}

#[test]
fn an_empty_server_has_a_backup_too() {
    let home = bare_home();
    drop(Corpus::create(&home.join("m.db")));
    good(&home, &["backup", "-o", "b.tar.zst"]);
    fs::remove_file(home.join("m.db")).expect("the database");
    let run = good(&home, &["restore", "b.tar.zst"]);
    assert!(run.stdout.contains("log ends  empty"), "{run:?}");
}
