//! What this process has locked of a database stays locked, whatever else it and others do with that file. A process that
//! closes a file gives up the locks that `fcntl` gave it on that file, and SQLite's are of that kind: without them another
//! process deletes the write-ahead log under the server.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use coms::storage::{Access, AsIs, Database, DatabaseLock, LockError, WriteStore};

use crate::support::corpus::Corpus;
use crate::support::person;
use crate::support::process::Site;
use crate::support::program::Home;

/// How many locks of this kind the process has on the file.
fn locks(kind: &str, process: u32, path: &Path) -> usize {
    let inode = fs::metadata(path).expect("the file").ino().to_string();
    let list = fs::read_to_string("/proc/locks").expect("the system's list of locks");
    let is_it = |line: &&str| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        words.get(1) == Some(&kind)
            && words.get(4) == Some(&process.to_string().as_str())
            && words.get(5).and_then(|file| file.rsplit(':').next()) == Some(&inode)
    };
    list.lines().filter(is_it).count()
}

#[test]
fn no_way_of_opening_a_database_drops_the_locks_that_are_held() {
    let home = Home::new();
    let path = home.join("m.db");
    drop(Corpus::create(&path));
    let lock = DatabaseLock::take(&path, "coms serve").expect("the lock");
    let held = || (locks("FLOCK", std::process::id(), &path), locks("POSIX", std::process::id(), &path));
    assert_eq!(held(), (1, 0));
    let mut store = WriteStore::open(&lock).expect("a database");
    assert_eq!(held(), (1, 1), "SQLite keeps a lock as long as it is open");

    fs::hard_link(&path, home.join("hard.db")).expect("a second name");
    std::os::unix::fs::symlink(&path, home.join("link.db")).expect("a link");
    let is_held = |result: Result<DatabaseLock, LockError>| matches!(result, Err(LockError::Held { .. }));
    for (what, open) in [
        ("a reader", Box::new(|| drop(Database::open(&path, Access::ReadOnly).expect("a reader"))) as Box<dyn Fn()>),
        ("a small change", Box::new(|| drop(WriteStore::beside(&path).expect("a writer")))),
        ("a look", Box::new(|| drop(AsIs::prepare(&path).and_then(|as_is| as_is.open()).expect("a reader")))),
        ("another lock", Box::new(|| assert!(is_held(DatabaseLock::take(&path, "coms adopt"))))),
        ("one by a link", Box::new(|| assert!(is_held(DatabaseLock::take(&home.join("link.db"), "coms adopt"))))),
        (
            "one by a second name",
            Box::new(|| assert!(is_held(DatabaseLock::take(&home.join("hard.db"), "coms adopt")))),
        ),
        ("a question", Box::new(|| assert!(DatabaseLock::holder(&path).is_some()))),
    ] {
        open();
        assert_eq!(held(), (1, 1), "dropped by {what}");
    }
    // What it is for: another process that closes the database leaves the log where it is.
    store.probe(1).expect("a commit");
    let run = home.run(&["search", "--db", "m.db", "nothing"]);
    assert!(home.join("m.db-wal").exists(), "{run:?}");
    drop((store, lock));
    assert_eq!(held(), (0, 0));
}

#[tokio::test]
async fn a_running_server_keeps_its_locks_while_commands_use_its_database() {
    let site = Site::new().await;
    let server = site.serve().await;
    let mut ada = site.connect(&server, person(1)).await;
    ada.post("before").await;
    let held = || locks("POSIX", server.id(), &site.database());
    let before = held();
    assert!(before > 0);
    for arguments in [
        &["token", "auditor", "add", "--name", "Vera"][..],
        &["token", "auditor", "revoke", "Vera"],
        &["search", "before"],
        &["export", "-o", "all.jsonl"],
        &["backup", "-o", "b.tar.zst"],
        &["verify-chain", "--db", "messages.db", "--no-state"],
        &["restore", "b.tar.zst", "--dry-run"],
    ] {
        let output = site.command(arguments).output().expect("the program ends");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert_eq!(held(), before, "{arguments:?}");
        assert!(site.home.join("messages.db-wal").exists(), "{arguments:?}");
    }
    ada.post("after").await;
}

/// SQLite looks for the write-ahead log beside the name: by another one, commands would miss what was written last, and one
/// that writes would damage the database.
#[tokio::test]
async fn no_command_uses_a_database_in_use_under_another_name() {
    let mut site = Site::new().await;
    let server = site.serve().await;
    let mut ada = site.connect(&server, person(1)).await;
    ada.post("before").await;
    fs::create_dir(site.home.join("other")).expect("a folder");
    fs::hard_link(site.database(), site.home.join("other/m.db")).expect("a second name");
    site.set("DB_PATH", "other/m.db");
    for arguments in [
        &["token", "auditor", "add", "--name", "Vera"][..],
        &["token", "auditor", "list"],
        &["search", "before"],
        &["export"],
        &["backup", "-o", "b.tar.zst"],
        &["verify-chain", "--db", "other/m.db", "--no-state"],
        &["adopt", "other/m.db"],
    ] {
        let output = site.command(arguments).output().expect("the program ends");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert!(!output.status.success(), "{arguments:?}");
        let expected = format!("in use by process {}, under another name", server.id());
        assert!(stderr.contains(&expected), "{arguments:?}: {stderr}");
    }
    let beside: Vec<_> = fs::read_dir(site.home.join("other")).expect("a folder").collect();
    assert_eq!(beside.len(), 1, "{beside:?}");
    ada.post("after").await;
}
