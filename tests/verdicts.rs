//! The exit code says what was found or done, whatever becomes of the text: a reader who went away, or a full disk.

use std::fs::OpenOptions;
use std::process::Stdio;

use crate::support::program::Home;
use crate::verify_chain::log::{SERVER_ID, key, steps, tamper, write_log};

/// A home with the database `good.db`, one `bad.db` in which a text was changed, and a backup of each.
fn home() -> Home {
    let home = Home::new();
    write_log(&home.join("good.db"), &steps(30));
    std::fs::copy(home.join("good.db"), home.join("bad.db")).expect("a copy");
    tamper(&home.join("bad.db"), "UPDATE message SET content = content || '.' WHERE key = 1");
    let (secret, public) = (key().to_hex(), key().public());
    let keys = format!("SERVER_SECRET_KEY={}\nSERVER_PUBLIC_KEY={public}\n", secret.reveal());
    home.write(".env", &format!("SERVER_ID={SERVER_ID}\n{keys}DB_PATH=restored.db\n"));
    for (name, code) in [("good", 0), ("bad", 1)] {
        let run = home.run(&["backup", "--db", &format!("{name}.db"), "-o", &format!("{name}.zst")]);
        assert_eq!(run.code, Some(code), "{run:?}");
    }
    home
}

/// A pipe whose reader has gone.
fn gone() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// A file on a disk that is full.
fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").expect("a device").into()
}

fn code(home: &Home, arguments: &[&str], stdout: Stdio) -> Option<i32> {
    let mut command = home.command(arguments);
    command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null());
    command.status().expect("the program ends").code()
}

#[test]
fn the_verdict_decides_whatever_becomes_of_the_text() {
    let home = home();
    let cases: [(&[&str], i32); 9] = [
        (&["verify-chain", "--no-state", "--db", "good.db"], 0),
        (&["verify-chain", "--no-state", "--db", "bad.db"], 1),
        (&["verify-chain", "--no-state", "--db", "bad.db", "--json"], 1),
        (&["verify-chain", "--no-state", "--db", "missing.db"], 3),
        (&["verify-chain", "--no-state", "--db", "missing.db", "--json"], 3),
        (&["search", "--db", "good.db", "nothing-like-this"], 1),
        (&["restore", "bad.zst", "--dry-run"], 1),
        (&["restore", "bad.zst", "--dry-run", "--json"], 1),
        (&["restore", "good.zst", "--dry-run"], 0),
    ];
    for (arguments, expected) in cases {
        for stdout in [gone(), full()] {
            assert_eq!(code(&home, arguments, stdout), Some(expected), "{arguments:?}");
        }
    }
    for (number, stdout) in [gone(), full()].into_iter().enumerate() {
        let name = format!("again-{number}.zst");
        assert_eq!(code(&home, &["backup", "--db", "bad.db", "-o", &name], stdout), Some(1));
        assert!(home.join(&name).exists());
    }
}

#[test]
fn what_only_a_reader_could_keep_is_not_done_without_one() {
    let home = home();
    assert_eq!(code(&home, &["backup", "--db", "good.db", "-o", "-"], gone()), Some(3));
    std::fs::copy(home.join("good.db"), home.join("restored.db")).expect("a copy");
    assert_eq!(code(&home, &["token", "auditor", "add", "--name", "Grace"], gone()), Some(3));
    // A text is for whoever reads it, for as long as they like.
    assert_eq!(code(&home, &["export", "--db", "good.db"], gone()), Some(0));
}
