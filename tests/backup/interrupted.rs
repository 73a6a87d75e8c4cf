//! Ctrl-C and a kill in the middle: nothing half-written has a final name, and the next run clears up.

#![cfg(unix)]

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{bare_home, good, home, names};
use crate::support::DEADLINE;
use crate::support::corpus::Corpus;
use crate::support::program::Home;

/// Waits until the file `name` is there while `child` runs.
fn wait_for(home: &Home, name: &str, child: &mut Child) {
    let mut waited = Duration::ZERO;
    let is_begun = |file: &String| file.starts_with(&format!("{name}.")) && file.ends_with(".partial");
    while !names(home, "").iter().any(is_begun) {
        assert!(child.try_wait().expect("a child").is_none(), "it ended before `{name}` was begun");
        assert!(waited < DEADLINE, "no `{name}`");
        std::thread::sleep(Duration::from_millis(1));
        waited += Duration::from_millis(1);
    }
}

/// A backup that is at its passphrase, which takes a while, with its file begun.
fn backup_under_way(home: &Home) -> Child {
    home.write("passphrase", "x");
    let mut command = home.command(&["backup", "-o", "b.age", "--passphrase-file", "passphrase"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it starts");
    wait_for(home, "b.age", &mut child);
    child
}

#[test]
fn a_killed_backup_has_no_name_and_the_next_one_clears_up() {
    let home = home();
    let mut child = backup_under_way(&home);
    let second = home.run(&["backup", "-o", "c.tar.zst"]);
    assert_eq!(second.code, Some(3), "{second:?}");
    assert!(second.stderr.contains("another backup of this database is under way"), "{second:?}");
    child.kill().expect("killed");
    child.wait().expect("its end");
    assert!(!home.join("b.age").exists());
    good(&home, &["backup", "-o", "b.age", "--no-check", "--recipient", &recipient()]);
    assert_eq!(names(&home, "partial"), [""; 0]);
}

#[test]
fn an_interrupted_backup_leaves_nothing() {
    let home = home();
    let mut child = backup_under_way(&home);
    kill_process(Pid::from_child(&child), Signal::INT).expect("interrupted");
    assert_eq!(child.wait().expect("its end").code(), Some(130));
    assert_eq!((names(&home, "partial"), home.join("b.age").exists()), (Vec::new(), false));
}

#[test]
fn a_restore_that_dies_in_the_middle_has_restored_nothing() {
    let home = bare_home();
    // Large enough that something comes out before all has gone in.
    Corpus::create(&home.join("m.db")).batch("general", 3_000);
    good(&home, &["backup", "-o", "b.tar.zst"]);
    fs::remove_file(home.join("m.db")).expect("the database");
    let whole = fs::read(home.join("b.tar.zst")).expect("the backup");
    let middle = |home: &Home| {
        let mut command = home.command(&["restore", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(&whole[..whole.len() - 9]).expect("a pipe");
        wait_for(home, "m.db", &mut child);
        (child, input)
    };
    let (mut child, _input) = middle(&home);
    child.kill().expect("killed");
    child.wait().expect("its end");
    assert!(!home.join("m.db").exists());

    let (mut child, input) = middle(&home);
    kill_process(Pid::from_child(&child), Signal::INT).expect("interrupted");
    drop(input);
    let code = child.wait().expect("its end").code();
    assert!(matches!(code, Some(130 | 3)), "{code:?}");
    assert_eq!(names(&home, "m.db"), ["m.db.lock"]);
    let mut command = home.command(&["restore", "-"]);
    let file = File::open(home.join("b.tar.zst")).expect("the backup");
    assert!(command.stdin(file).stdout(Stdio::null()).status().expect("it ends").success());
    good(&home, &["verify-chain", "--no-state"]);
}

fn recipient() -> String {
    age::x25519::Identity::generate().to_public().to_string()
}
