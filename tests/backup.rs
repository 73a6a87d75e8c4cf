//! `coms backup` and `coms restore` with the real program.

mod damaged;
mod encrypted;
mod goes_on;
mod interrupted;
mod restored;
mod under_load;
mod written;

use std::fs;

use serde_json::Value;

use crate::support::corpus::{Corpus, SERVER_ID, signing_key};
use crate::support::program::{Home, Run};

/// A configured home with the database `m.db`: five messages, one of them edited, one deleted.
fn home() -> Home {
    let home = bare_home();
    let mut corpus = Corpus::create(&home.join("m.db"));
    corpus.post("general", 0xaa, "Grüße, 世界!");
    let edited = corpus.post("general", 0xbb, "first");
    corpus.post("announcements", 0xbb, "news");
    corpus.edit(edited, "second");
    let deleted = corpus.post("general", 0xaa, "unforgettable");
    corpus.delete(deleted);
    home
}

/// A configured home without a database.
fn bare_home() -> Home {
    let home = Home::new();
    let (secret, public) = (signing_key().to_hex(), signing_key().public());
    home.write(
        ".env",
        &format!(
            "SERVER_ID={SERVER_ID}\nSERVER_SECRET_KEY={}\nSERVER_PUBLIC_KEY={public}\nDB_PATH=m.db\n",
            secret.reveal()
        ),
    );
    home
}

/// Runs the program, which must succeed.
fn good(home: &Home, arguments: &[&str]) -> Run {
    let run = home.run(arguments);
    assert_eq!(run.code, Some(0), "{arguments:?}: {run:?}");
    run
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

/// The names in the home that contain `part`.
fn names(home: &Home, part: &str) -> Vec<String> {
    let entries = fs::read_dir(home.path()).expect("the folder").map(|entry| entry.expect("a file").file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().expect("text")).collect();
    names.retain(|name| name.contains(part));
    names.sort();
    names
}

/// Moves a file from one home to another.
fn carry(from: &Home, name: &str, to: &Home) {
    fs::copy(from.join(name), to.join(name)).expect("a copy");
}
