//! `coms backup` and `coms restore` with the real program.

mod damaged;
mod encrypted;
mod goes_on;
mod interrupted;
mod kept;
mod restored;
mod under_load;
mod written;

use std::fs;
use std::io::Read as _;

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

/// Writes the backup `from` anew as `to`, its manifest changed.
fn with_manifest(home: &Home, from: &str, to: &str, change: impl Fn(&mut Value)) {
    let bytes = fs::read(home.join(from)).expect("a backup");
    let mut old = tar::Archive::new(zstd::Decoder::new(bytes.as_slice()).expect("zstd"));
    let mut new = tar::Builder::new(Vec::new());
    for entry in old.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let mut header = entry.header().clone();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).expect("its text");
        if &*header.path_bytes() == b"manifest.json" {
            let mut manifest = serde_json::from_slice(&text).expect("JSON");
            change(&mut manifest);
            text = serde_json::to_vec(&manifest).expect("JSON");
        }
        header.set_size(text.len() as u64);
        header.set_cksum();
        new.append(&header, text.as_slice()).expect("memory");
    }
    let tar = new.into_inner().expect("memory");
    fs::write(home.join(to), zstd::encode_all(tar.as_slice(), 1).expect("memory")).expect("a file");
}

/// Moves a file from one home to another.
fn carry(from: &Home, name: &str, to: &Home) {
    fs::copy(from.join(name), to.join(name)).expect("a copy");
}
