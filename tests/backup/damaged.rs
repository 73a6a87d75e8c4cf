//! Files that are no backups, or none any more. What the reader of the archive refuses is in its own tests, bit by bit.

use std::fs;

use super::{good, home, names};

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
