//! `--keep`: which backups are removed, and which never.

use std::fs;

use super::{bare_home, good, home, json, with_manifest};
use crate::support::corpus::{Corpus, SERVER_ID};
use crate::support::program::{Home, Run};

/// Shares the first eight digits with [`SERVER_ID`].
const OTHER_ID: &str = "ca0f4d71-0000-4fb3-9a8e-1cde09a6d95e";

/// A home with a database and the folder `kept`, and a backup in the home to copy from.
fn with_folder() -> Home {
    let home = home();
    fs::create_dir(home.join("kept")).expect("a folder");
    good(&home, &["-q", "backup", "-o", "any.tar.zst"]);
    home
}

fn kept(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.join("kept")).expect("the folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("a file").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

fn back_up(home: &Home, keep: &str) -> (Vec<String>, Run) {
    let run = good(home, &["backup", "-o", "kept", "--keep", keep, "--json"]);
    let removed = json(&run)["removed"].as_array().expect("a list").clone();
    let name = |path: &serde_json::Value| path.as_str().expect("a path").trim_start_matches("kept/").to_owned();
    (removed.iter().map(name).collect(), run)
}

fn named(id: &str, rest: &str) -> String {
    format!("coms-{id}-{rest}")
}

#[test]
fn a_folder_keeps_the_newest_of_this_server_and_everything_else() {
    let home = with_folder();
    let others = [
        named(OTHER_ID, "20200101T000000Z.tar.zst"),
        named(SERVER_ID, "20200101T000000Z.tar.zst.bak"),
        named(SERVER_ID, "20200101T000000Z-1.tar.zst"),
        named(&SERVER_ID.to_uppercase(), "20200101T000000Z.tar.zst"),
        named(OTHER_ID, "20200103T000000Z.tar.zst.0123456789abcdef.partial"),
        "notes.tar.zst".to_owned(),
    ];
    let old = ["20200101T000000Z.tar.zst", "20200101T000000Z-2.tar.zst", "20200102T000000Z.tar.zst.age"];
    for name in old.map(|rest| named(SERVER_ID, rest)).iter().chain(&others) {
        home.write(&format!("kept/{name}"), "");
    }
    // What a killed backup left goes as well.
    home.write(&format!("kept/{}", named(SERVER_ID, "20200103T000000Z.tar.zst.0123456789abcdef.partial")), "");
    let (removed, run) = back_up(&home, "3");
    assert_eq!((removed, run.stderr.as_str()), (vec![named(SERVER_ID, "20200101T000000Z.tar.zst")], ""));
    back_up(&home, "2");
    back_up(&home, "2");
    let left: Vec<_> = kept(&home).into_iter().filter(|name| !others.contains(name)).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(
        left.iter().all(|name| name.starts_with(&named(SERVER_ID, "20")) && !name.contains("T000000Z")),
        "{left:?}"
    );
    assert_eq!(kept(&home).len(), 2 + others.len());
}

#[test]
fn the_new_backup_stays_whatever_is_named_for_a_later_time() {
    let home = with_folder();
    let later = ["20990101T000000Z.tar.zst", "20990102T000000Z.tar.zst", "99991231T235959Z-99.tar.zst.age"];
    let later = later.map(|rest| named(SERVER_ID, rest));
    for name in &later {
        home.write(&format!("kept/{name}"), "");
    }
    home.write(&format!("kept/{}", named(SERVER_ID, "20200101T000000Z.tar.zst")), "");
    for keep in ["2", "1"] {
        let run = good(&home, &["backup", "-o", "kept", "--keep", keep, "--json"]);
        let new = json(&run)["file"].as_str().expect("a name").to_owned();
        assert!(home.join(&new).exists(), "{run:?}");
        assert!(run.stderr.contains("warning: passed over, since their names are of a later time"), "{run:?}");
        assert!(run.stderr.contains(&format!("3, such as `kept/{}`", later[0])), "{run:?}");
        let counted = kept(&home).iter().filter(|name| !later.contains(name)).count();
        assert_eq!(counted, keep.parse::<usize>().expect("a number"), "the later ones do not count: {run:?}");
    }
    assert!(later.iter().all(|name| kept(&home).contains(name)));
}

#[test]
fn of_the_first_versions_names_the_manifest_decides() {
    let home = with_folder();
    let ours = "coms-ca0f4d71-20200101T000000Z.tar.zst";
    let theirs = "coms-ca0f4d71-20200102T000000Z.tar.zst";
    let broken = "coms-ca0f4d71-20200103T000000Z.tar.zst";
    let stranger = "coms-00000000-20200104T000000Z.tar.zst";
    fs::copy(home.join("any.tar.zst"), home.join("kept").join(ours)).expect("a copy");
    with_manifest(&home, "any.tar.zst", &format!("kept/{theirs}"), |manifest| {
        manifest["server_id"] = OTHER_ID.into();
    });
    home.write(&format!("kept/{broken}"), "cut off");
    home.write(&format!("kept/{stranger}"), "");
    let (removed, run) = back_up(&home, "1");
    assert_eq!(removed, [ours], "{run:?}");
    assert!(run.stderr.contains(&format!("nothing tells whose they are: 1, such as `kept/{broken}`")), "{run:?}");
    assert!(run.stderr.contains(&format!("as in `coms-{SERVER_ID}-…`")), "{run:?}");
    assert!([theirs, broken, stranger].iter().all(|name| kept(&home).contains(&(*name).to_owned())));
}

#[test]
fn an_encrypted_backup_with_a_short_name_is_opened_with_the_passphrase_or_left_alone() {
    let home = with_folder();
    home.write("passphrase", "correct horse");
    let encrypted = "coms-ca0f4d71-20200101T000000Z.tar.zst.age";
    good(&home, &["-q", "backup", "-o", "any.age", "--passphrase-file", "passphrase"]);
    fs::copy(home.join("any.age"), home.join("kept").join(encrypted)).expect("a copy");
    let (removed, run) = back_up(&home, "1");
    assert!(removed.is_empty() && run.stderr.contains("nothing tells whose they are: 1"), "{run:?}");
    let arguments = ["backup", "-o", "kept", "--keep", "1", "--passphrase-file", "passphrase", "--json"];
    let removed = json(&good(&home, &arguments))["removed"].to_string();
    assert!(removed.contains(encrypted), "{removed}");
}

#[test]
fn two_servers_that_share_eight_digits_share_a_folder() {
    let home = with_folder();
    let other = bare_home();
    let env = other.read(".env").replace(SERVER_ID, OTHER_ID);
    other.write(".env", &env);
    Corpus::create_for(&other.join("m.db"), OTHER_ID);
    let folder = home.join("kept").display().to_string();
    for _ in 0..2 {
        good(&home, &["-q", "backup", "-o", &folder, "--keep", "1"]);
        good(&other, &["-q", "backup", "-o", &folder, "--keep", "1"]);
    }
    let names = kept(&home);
    let count = |id: &str| names.iter().filter(|name| name.starts_with(&named(id, "20"))).count();
    assert_eq!((names.len(), count(SERVER_ID), count(OTHER_ID)), (2, 1, 1), "{names:?}");
}
