//! Files that are no backups, or none any more. What the reader of the archive refuses is in its own tests, bit by bit.

use std::fs;

use serde_json::{Value, json};

use super::{bare_home, carry, good, home, names, with_manifest};

#[test]
fn cut_and_flipped_backups_are_refused_and_change_nothing() {
    let home = home();
    good(&home, &["backup", "-o", "b.tar.zst"]);
    let whole = fs::read(home.join("b.tar.zst")).expect("the backup");
    fs::remove_file(home.join("m.db")).expect("the database");
    for part in 1..8 {
        let at = whole.len() * part / 8;
        let mut flipped = whole.clone();
        flipped[at] ^= 0xff;
        for (what, bytes) in [("cut", &whole[..at]), ("flipped", &flipped)] {
            fs::write(home.join("bad.tar.zst"), bytes).expect("a file");
            let run = home.run(&["restore", "bad.tar.zst"]);
            assert_eq!(run.code, Some(3), "{what} at {at}: {run:?}");
            assert!(run.stderr.starts_with("error: `bad.tar.zst` is "), "{what} at {at}: {run:?}");
            assert_eq!(run.stdout, "");
        }
    }
    assert_eq!(names(&home, "m.db"), ["m.db.lock"]);
}

#[test]
fn a_file_of_another_kind_is_called_by_its_name() {
    let home = home();
    good(&home, &["export", "-o", "export.jsonl"]);
    fs::write(home.join("picture.png"), b"\x89PNG\r\n\x1a\nand so on").expect("a file");
    home.write("empty", "");
    home.write("armored", "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n");
    fs::write(home.join("other.zst"), zstd::encode_all(&b"something else"[..], 1).expect("memory")).expect("a file");
    for (file, said) in [
        ("m.db", "`m.db` is a database, and no backup of coms\nhint: "),
        ("export.jsonl", "`export.jsonl` is an export, and no backup of coms\nhint: "),
        ("picture.png", "`picture.png` is not a backup of coms\nhint: "),
        ("empty", "`empty` is empty, and no backup of coms"),
        ("armored", "`armored` is an encrypted file in text form\nhint: "),
        ("other.zst", "`other.zst` is damaged: it was cut off"),
        ("missing", "cannot read `missing`: "),
        (".", "cannot read `.`: "),
    ] {
        let run = home.run(&["restore", file, "--force"]);
        assert_eq!(run.code, Some(3), "{file}: {run:?}");
        assert!(run.stderr.contains(said), "{file}: {run:?}");
    }
}

#[test]
fn what_the_manifest_says_is_compared_with_the_database() {
    let home = home();
    good(&home, &["backup", "-o", "b.tar.zst"]);
    let other = bare_home();
    let huge = 1_000_000_000_000_000_000_u64;
    let set = |pointer: &'static str, value: Value| {
        move |manifest: &mut Value| {
            *manifest.pointer_mut(pointer).expect("a member") = value.clone();
        }
    };
    for (pointer, value, said) in [
        ("/counts/messages", json!(huge), "its manifest says it holds 1000000000000000000 messages in 2 channels"),
        ("/counts/members", json!(0), ", 0 members"),
        ("/counts/channels", json!(3), "in 3 channels"),
        ("/counts/entries", json!(7), "7 log entries, and its database holds 4 messages in 2 channels"),
        ("/chain_length", json!(5), "its manifest says 5 log entries"),
        ("/chain_hash", json!("00".repeat(32)), &format!("6 log entries up to {}", "00".repeat(32))),
        ("/head/length", json!(5), "the signed head in its manifest is not that of its database"),
        ("/server_id", json!("ca0f4d71-0000-4fb3-9a8e-1cde09a6d95e"), "the backup is of the server ca0f4d71-0000-"),
    ] {
        with_manifest(&home, "b.tar.zst", "bad.tar.zst", set(pointer, value));
        carry(&home, "bad.tar.zst", &other);
        for arguments in [&["restore", "bad.tar.zst"][..], &["restore", "bad.tar.zst", "--dry-run"]] {
            let run = other.run(arguments);
            assert!(matches!(run.code, Some(2 | 3)) && run.stderr.contains(said), "{pointer}: {run:?}");
            assert_eq!(run.stdout, "", "{pointer}");
        }
        assert_eq!(names(&other, "m.db"), ["m.db.lock"], "{pointer}");
    }
    with_manifest(&home, "b.tar.zst", "b2.tar.zst", |_| {});
    carry(&home, "b2.tar.zst", &other);
    good(&other, &["restore", "b2.tar.zst"]);
}

#[test]
fn no_text_in_a_backup_acts_on_the_terminal() {
    let home = home();
    good(&home, &["backup", "-o", "b.tar.zst"]);
    fs::remove_file(home.join("m.db")).expect("the database");
    let escape = "\u{1b}[2K\u{9b}1G\u{202e}\rx\nresult    all is well";
    for pointer in
        ["/server_id", "/public_key", "/chain_hash", "/coms", "/created_at", "/files/0/name", "/files/0/sha256"]
    {
        with_manifest(&home, "b.tar.zst", "bad.tar.zst", |manifest| {
            let member = manifest.pointer_mut(pointer).expect("a member");
            *member = format!("{}{escape}", member.as_str().expect("a text")).into();
        });
        for arguments in
            [&["restore", "bad.tar.zst", "--dry-run"][..], &["restore", "bad.tar.zst", "--dry-run", "--json"]]
        {
            let run = home.run(arguments);
            let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!run.stdout.contains(acts) && !run.stderr.contains(acts), "{pointer}: {run:?}");
            assert!(!run.stdout.contains("\nresult    all is well"), "{pointer}: {run:?}");
            assert!(pointer == "/coms" || (run.code == Some(3) && run.stderr.starts_with("error: ")), "{run:?}");
        }
    }
}
