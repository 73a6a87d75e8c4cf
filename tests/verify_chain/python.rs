//! The independent verifier in Python agrees with ours, on good chains and on broken ones.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use coms::ids::MessageId;
use coms::logchain::{Entry, EntryHash, EntryLine, Verifier, VerifyOptions};
use coms::time::Timestamp;
use serde_json::Value;

use super::log::{Log, export, key, steps};

/// A Python that has `cryptography`: the system's, or one of an environment that is made once, beside what is built.
/// Where nobody looks at what is skipped, it must be there.
fn python() -> Option<PathBuf> {
    let found = find_python();
    let is_ci = std::env::vars().any(|(name, value)| name == "CI" && value == "true");
    assert!(found.is_some() || !is_ci, "CI is to run the verifier in Python: it needs python3 with `cryptography`");
    found
}

fn find_python() -> Option<PathBuf> {
    let can = |python: &Path| {
        let tried = Command::new(python).args(["-c", "import cryptography"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let system = PathBuf::from("python3");
    if can(&system) {
        return Some(system);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let own = folder.join("bin/python");
    if !can(&own) {
        Command::new("python3").args(["-m", "venv"]).arg(&folder).status().ok()?;
        Command::new(&own).args(["-m", "pip", "install", "--quiet", "cryptography"]).status().ok()?;
    }
    can(&own).then_some(own)
}

/// Index and kind of each break.
type Found = BTreeSet<(u64, String)>;

type Alter = fn(&mut Vec<Entry>);

/// What our verifier and the Python one find: index and kind of each break.
fn both(python: &Path, entries: &[Entry]) -> (Found, Found) {
    let mut verifier = Verifier::new(VerifyOptions::new(key().public()), 1);
    let mut lines = Vec::new();
    for entry in entries {
        verifier.push(entry);
        EntryLine::write(entry, &mut lines);
    }
    let ours = verifier.finish().breaks.listed().to_vec();
    let ours = ours.into_iter().map(|fault| (fault.index.expect("an index").0, fault.kind.name().to_owned())).collect();

    let (count, theirs) = run(python, &lines);
    assert_eq!(count, entries.len() as u64);
    (ours, theirs)
}

/// What the verifier in Python finds in `input`: the number of entries, and the breaks.
fn run(python: &Path, input: &[u8]) -> (u64, Found) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verify_chain.py");
    let mut child = Command::new(python)
        .arg(script)
        .arg(key().public().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    child.stdin.take().expect("its input").write_all(input).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    (report["entries"].as_u64().expect("a number"), breaks(&report))
}

fn breaks(report: &Value) -> Found {
    let listed = report["breaks"].as_array().expect("a list").iter();
    let kind = |fault: &Value| fault["kind"].as_str().expect("a kind").to_owned();
    listed.map(|fault| (fault["index"].as_u64().expect("an index"), kind(fault))).collect()
}

/// The Python, or a word that it is skipped: not by the macro, whose words nobody sees of a test that passes.
fn python_or_say(test: &str) -> Option<PathBuf> {
    let found = python();
    if found.is_none() {
        let words = format!("skipped {test}: there is no python3 with the `cryptography` package");
        writeln!(std::io::stderr(), "{words}").expect("standard error");
    }
    found
}

#[test]
fn an_independent_verifier_agrees_on_exports_and_the_times_in_them() {
    let Some(python) = python_or_say("an_independent_verifier_agrees_on_exports_and_the_times_in_them") else { return };
    let log = Log::new(40);
    let good = export(&steps(40), &log.entries);
    let time = |index: usize| log.entries[index].timestamp.to_string();
    let other = "2026-11-23T00:00:00.000Z";
    let named = |name: &str, index: usize| (format!(r#""{name}":"{}"#, time(index)), format!(r#""{name}":"{other}"#));
    let mut cases = vec![
        (String::new(), String::new()),
        ("from message 5,".to_owned(), "from massage 5,".to_owned()),
        ("hello from message 2,".to_owned(), "hullo from message 2,".to_owned()),
        (r#""chain_hash":""#.to_owned(), r#""chain_hash":"AAAA"#.to_owned()),
    ];
    cases.extend([named("created_at", 1), named("updated_at", 7), named("deleted_at", 9)]);
    for (from, to) in cases {
        assert!(good.contains(&from), "{from}");
        let text = if from.is_empty() { good.clone() } else { good.replacen(&from, &to, 1) };
        let run_of_ours = log.home.run_with_input(&["verify-chain", "--export", "-", "--no-state", "--json"], &text);
        let ours = breaks(&serde_json::from_str(&run_of_ours.stdout).expect("a report"));
        assert_eq!((40, ours.clone()), run(&python, text.as_bytes()), "{from}");
        assert_eq!(ours.is_empty(), from.is_empty(), "{from}");
    }
}

#[test]
fn an_independent_verifier_agrees() {
    let Some(python) = python_or_say("an_independent_verifier_agrees") else { return };
    let good = Log::new(120).entries;
    let cases: [(&str, Alter); 10] = [
        ("nothing", |_| {}),
        ("empty", Vec::clear),
        ("removed", |entries| {
            entries.remove(50);
        }),
        ("swapped", |entries| entries.swap(10, 11)),
        ("doubled", |entries| entries.insert(7, entries[6])),
        ("prev_hash", |entries| entries[30].prev_hash = EntryHash::ZERO),
        ("hash", |entries| entries[31].hash.0[0] ^= 1),
        ("signature", |entries| entries[32].signature.0[40] ^= 1),
        ("message", |entries| entries[33].message_id = MessageId::from_bytes([1; 16])),
        ("time", |entries| entries[34].timestamp = Timestamp::from_unix_ms(5)),
    ];
    for (name, alter) in cases {
        let mut entries = good.clone();
        alter(&mut entries);
        let (ours, theirs) = both(&python, &entries);
        assert_eq!(ours, theirs, "{name}");
        assert_eq!(ours.is_empty(), matches!(name, "nothing" | "empty"), "{name}");
    }
}
