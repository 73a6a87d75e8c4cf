//! What comes back, what is refused, and what is said of those who saw more.

use std::fs;

use coms::storage::DatabaseLock;

use super::{bare_home, carry, good, home, json, names};
use crate::support::corpus::Corpus;
use crate::support::program::Home;

#[test]
fn what_was_there_comes_back_to_the_letter() {
    let home = home();
    let before = good(&home, &["-q", "export"]).stdout;
    good(&home, &["backup", "-o", "b.tar.zst"]);
    let other = bare_home();
    carry(&home, "b.tar.zst", &other);
    let run = good(&other, &["restore", "b.tar.zst"]);
    assert!(run.stdout.contains("result    restored as m.db\n") && run.stderr.is_empty(), "{run:?}");
    assert_eq!(names(&other, "m.db"), ["m.db", "m.db.lock"], "nothing else is left");
    let without_head = |text: &str| text.split_once('\n').expect("lines").1.to_owned();
    assert_eq!(without_head(&good(&other, &["-q", "export"]).stdout), without_head(&before));
    assert!(good(&other, &["verify-chain", "--no-state"]).stdout.contains("intact"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(other.join("m.db")).expect("it").permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn an_existing_database_stays_unless_it_is_to_be_replaced_and_is_kept_then() {
    let home = home();
    good(&home, &["backup", "-o", "b.tar.zst"]);
    let bytes = fs::read(home.join("m.db")).expect("the database");
    let refused = home.run(&["restore", "b.tar.zst"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("hint: `--force` puts the backup in its place"), "{refused:?}");
    let dry = good(&home, &["restore", "b.tar.zst", "--dry-run"]);
    assert!(dry.stdout.contains("all of them in the backup") && dry.stdout.contains("only checked"), "{dry:?}");
    assert_eq!(fs::read(home.join("m.db")).expect("the database"), bytes);
    assert_eq!(names(&home, "m.db").first().map(String::as_str), Some("m.db"));

    let first = json(&good(&home, &["restore", "b.tar.zst", "--force", "--json"]));
    let second = json(&good(&home, &["restore", "b.tar.zst", "--force", "--json"]));
    let kept = |report: &serde_json::Value| report["kept"].as_str().expect("a name").to_owned();
    assert!(kept(&first).ends_with("m.db.before-restore") && kept(&second).ends_with("m.db.before-restore-1"));
    good(&home, &["verify-chain", "--no-state", "--db", "m.db.before-restore"]);
    good(&home, &["verify-chain", "--no-state"]);
}

#[test]
fn a_log_that_a_dead_database_left_is_not_applied_to_the_new_one() {
    let home = home();
    good(&home, &["backup", "-o", "b.tar.zst"]);
    // A server that was killed leaves its log; somebody removed the database, but not that.
    let live = Home::new();
    let mut corpus = Corpus::create(&live.join("m.db"));
    corpus.post("general", 0xee, "of another life");
    fs::copy(live.join("m.db-wal"), home.join("m.db-wal")).expect("its log");
    fs::remove_file(home.join("m.db")).expect("the database");
    good(&home, &["restore", "b.tar.zst"]);
    assert_eq!(names(&home, "-wal"), ["m.db.before-restore-wal"]);
    good(&home, &["verify-chain", "--no-state"]);
}

#[test]
fn nothing_is_restored_under_a_running_server() {
    let home = home();
    good(&home, &["backup", "-o", "b.tar.zst"]);
    let _lock = DatabaseLock::take(&home.join("m.db"), "coms serve on port 3000").expect("the lock");
    let refused = home.run(&["restore", "b.tar.zst", "--force"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("in use by coms serve on port 3000, process "), "{refused:?}");
    let dry = good(&home, &["restore", "b.tar.zst", "--dry-run"]);
    assert!(dry.stdout.contains("in use by coms serve on port 3000"), "{dry:?}");
}

#[test]
fn a_backup_of_another_server_or_another_key_is_refused() {
    let home = home();
    good(&home, &["backup", "-o", "b.tar.zst"]);
    for (variable, value, said) in [
        ("SERVER_ID", "00000000-1d90-4fb3-9a8e-1cde09a6d95e", "and SERVER_ID is 00000000-"),
        (
            "SERVER_PUBLIC_KEY",
            &coms::keys::SigningKey::from_seed(&[2; 32]).public().to_string(),
            "SERVER_PUBLIC_KEY is",
        ),
    ] {
        let mut command = home.command(&["restore", "b.tar.zst", "--force"]);
        let refused = crate::support::program::Run::of(&command.env(variable, value).output().expect("it ends"));
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(said) && refused.stderr.contains("hint: "), "{refused:?}");
    }
}

#[test]
fn it_is_said_how_far_the_backup_is_behind_and_what_to_tell_others() {
    let home = bare_home();
    let mut corpus = Corpus::create(&home.join("m.db"));
    corpus.batch("general", 10);
    good(&home, &["backup", "-o", "b.tar.zst"]);
    corpus.batch("general", 5);
    drop(corpus);
    good(&home, &["verify-chain", "--state", "memory.json"]);
    let run = good(&home, &["restore", "b.tar.zst", "--force", "--state", "memory.json"]);
    let behind = run.stdout.matches("15 entries; the backup lacks the last 5").count();
    assert_eq!(behind, 2, "the database's and the verifier's: {run:?}");
    assert!(
        run.stderr.contains("`coms verify-chain --accept-head`") && run.stderr.contains("up to entry 9 with hash ")
    );
    // That is what happens to who verifies, and how they go on.
    assert_eq!(home.run(&["verify-chain", "--state", "memory.json"]).code, Some(1));
    good(&home, &["verify-chain", "--state", "memory.json", "--accept-head"]);
    let json = json(&good(&home, &["restore", "b.tar.zst", "--force", "--state", "memory.json", "--json"]));
    assert_eq!((&json["known"][0]["relation"], &json["result"]), (&"complete".into(), &"restored".into()));
}

#[test]
fn another_history_is_called_that() {
    let home = home();
    good(&home, &["backup", "-o", "b.tar.zst"]);
    fs::remove_file(home.join("m.db")).expect("the database");
    Corpus::create(&home.join("m.db")).batch("general", 20);
    let run = good(&home, &["restore", "b.tar.zst", "--dry-run"]);
    assert!(run.stdout.contains("20 entries of another history than the backup's"), "{run:?}");
    home.write("m.db", "no database at all");
    let run = good(&home, &["restore", "b.tar.zst", "--force"]);
    assert!(
        run.stdout.contains("unknown   `") && home.read("m.db.before-restore").starts_with("no database"),
        "{run:?}"
    );
}
