//! What is remembered catches what the server's own key can do: cut the log short, or write it anew.

use std::fs;

use coms::logchain::SigningKey;
use serde_json::Value;

use super::log::{Log, SERVER_ID, Step, steps, tamper, write_log, write_log_of};
use crate::support::program::Home;

/// Verifies `log.db` with the memory in `memory.json`.
fn verify(home: &Home, more: &[&str]) -> (Option<i32>, Value) {
    let mut arguments = vec!["verify-chain", "--db", "log.db", "--state", "memory.json", "--json"];
    arguments.extend(more);
    let run = home.run(&arguments);
    (run.code, serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}")))
}

fn found(report: &Value, kind: &str) -> Option<u64> {
    let breaks = report["breaks"].as_array().expect("a list");
    breaks.iter().find(|fault| fault["kind"] == kind).and_then(|fault| fault["index"].as_u64())
}

fn evidence(home: &Home) -> Option<Vec<Value>> {
    let mut files = fs::read_dir(home.path()).expect("a folder").map(|file| file.expect("a file").path());
    let file = files.find(|file| file.to_string_lossy().contains("evidence-"))?;
    let text = fs::read_to_string(file).expect("text");
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect())
}

fn replace(home: &Home, steps: &[Step], key: &SigningKey) {
    fs::remove_file(home.join("log.db")).expect("the old log");
    write_log_of(&home.join("log.db"), steps, key);
}

#[test]
fn a_log_that_grew_is_intact_and_one_that_was_cut_is_not() {
    let log = Log::new(100);
    let (code, first) = verify(&log.home, &[]);
    assert_eq!((code, &first["key_trust"], &first["remembered"]), (Some(0), &"first-use".into(), &Value::Null));
    assert_eq!(first["server_id"], SERVER_ID);
    replace(&log.home, &steps(120), &super::log::key());
    let (code, grown) = verify(&log.home, &[]);
    assert_eq!((code, &grown["key_trust"], &grown["new_since_last"]), (Some(0), &"remembered".into(), &20.into()));
    assert_eq!(grown["remembered"]["index"], 99);

    replace(&log.home, &steps(110), &super::log::key());
    let (code, cut) = verify(&log.home, &[]);
    assert_eq!((code, &cut["verdict"], found(&cut, "rolled_back")), (Some(1), &"broken".into(), Some(110)));
    let evidence = evidence(&log.home).expect("evidence");
    assert_eq!((&evidence[0]["remembered"]["length"], &evidence[0]["presented_length"]), (&120.into(), &110.into()));
    assert_eq!(evidence[1]["index"], 109);
    // What is remembered stays as it was, until it is told otherwise.
    assert_eq!(found(&verify(&log.home, &[]).1, "rolled_back"), Some(110));
    assert_eq!(verify(&log.home, &["--accept-head"]).0, Some(0));
    assert_eq!(verify(&log.home, &[]).1["new_since_last"], 0);
}

#[test]
fn a_log_signed_anew_with_the_real_key_is_forked_wherever_it_begins() {
    for from in [0, 40, 98] {
        let log = Log::new(100);
        assert_eq!(verify(&log.home, &[]).0, Some(0));
        // Only creates, so that every later entry can be made whatever stood at `from`.
        let mut anew: Vec<_> = (0..130).map(|number| Step::Create(format!("instead {number}"))).collect();
        anew.splice(..from, steps(from));
        replace(&log.home, &anew, &super::log::key());
        let (code, report) = verify(&log.home, &[]);
        assert_eq!((code, found(&report, "forked")), (Some(1), Some(99)), "from {from}");
        let evidence = evidence(&log.home).expect("evidence");
        assert_eq!((evidence.len(), &evidence[1]["index"]), (1 + 31, &99.into()));
        assert_ne!(evidence[1]["hash"], evidence[0]["remembered"]["hash"]);
    }
}

#[test]
fn another_key_is_noticed() {
    let log = Log::new(30);
    assert_eq!(verify(&log.home, &[]).0, Some(0));
    replace(&log.home, &steps(30), &SigningKey::from_seed(&[1; 32]));
    let (code, report) = verify(&log.home, &[]);
    assert_eq!(code, Some(1));
    let kinds: Vec<_> = report["breaks"].as_array().expect("a list").iter().map(|fault| &fault["kind"]).collect();
    assert!(kinds.contains(&&Value::from("key_changed")), "{kinds:?}");
    assert!(evidence(&log.home).is_some());
}

#[test]
fn a_damaged_memory_stops_everything() {
    let log = Log::new(10);
    assert_eq!(verify(&log.home, &[]).0, Some(0));
    let text = log.home.read("memory.json");
    log.home.write("memory.json", &text[..text.len() / 2]);
    let run = log.home.run(&["verify-chain", "--db", "log.db", "--state", "memory.json"]);
    assert!(run.code == Some(3) && run.stderr.contains("damaged"), "{run:?}");
}

#[test]
fn verification_may_begin_later_and_pass_over_what_is_broken_before() {
    let log = Log::new(60);
    tamper(&log.path(), "UPDATE entry SET signature = randomblob(64) WHERE idx = 20");
    assert_eq!(found(&verify(&log.home, &[]).1, "signature"), Some(20));
    assert!(!log.home.join("memory.json").exists(), "a broken log is not to be remembered");
    let (code, report) = verify(&log.home, &["--from", "21"]);
    assert_eq!((code, &report["entries"], &report["from"]), (Some(0), &39.into(), &21.into()));
}

#[test]
fn the_default_memory_is_in_the_home_directory() {
    let home = Home::new();
    write_log(&home.join("log.db"), &steps(5));
    let run = home.run(&["verify-chain", "--db", "log.db"]);
    assert!(run.code == Some(0) && run.stderr.contains("no memory of this log"), "{run:?}");
    let run = home.run(&["verify-chain", "--db", "log.db"]);
    assert!(run.code == Some(0) && run.stdout.contains("0 new entries") && run.stderr.is_empty(), "{run:?}");
}

#[test]
fn an_older_export_is_as_old_as_it_is() {
    let log = Log::new(100);
    let home = &log.home;
    let verify = |file: &str| home.run(&["verify-chain", "--export", file, "--state", "memory.json"]);
    for length in [60, 100] {
        home.write(&format!("{length}.jsonl"), &super::log::export(&steps(length), &log.entries[..length]));
    }
    assert_eq!(verify("100.jsonl").code, Some(0));
    let run = verify("60.jsonl");
    let line = "intact, older than what was seen (100): 60 entries, and what the messages say";
    assert!(run.code == Some(0) && run.stdout.lines().last() == Some(line), "{run:?}");
    assert!(evidence(home).is_none(), "there is nothing to prove");
    // What was seen stays what it was, and an export of another log is found.
    let anew: Vec<_> = (0..130).map(|number| Step::Create(format!("instead {number}"))).collect();
    let entries = write_log(&home.join("anew.db"), &anew);
    home.write("anew.jsonl", &super::log::export(&anew, &entries));
    let run = verify("anew.jsonl");
    assert!(run.code == Some(1) && run.stdout.contains("break at 99: forked"), "{run:?}");
}

#[test]
fn a_copy_elsewhere_is_compared_and_neither_a_rollback_nor_remembered() {
    let home = Home::new();
    home.write(".env", "DB_PATH=live.db\n");
    for (name, length) in [("live.db", 100), ("old.db", 60), ("new.db", 120)] {
        write_log(&home.join(name), &steps(length));
    }
    let verify = |more: &[&str]| {
        let mut arguments = vec!["verify-chain", "--state", "memory.json"];
        arguments.extend(more);
        home.run(&arguments)
    };
    let seen = || {
        let memory: Value = serde_json::from_str(&home.read("memory.json")).expect("JSON");
        memory["sources"].as_object().expect("sources").values().next().expect("one")["length"].clone()
    };
    let first = verify(&["--db", "new.db"]);
    assert!(first.code == Some(0) && first.stderr.contains("compared and not remembered"), "{first:?}");
    assert!(!home.join("memory.json").exists());

    assert_eq!(verify(&[]).code, Some(0));
    assert_eq!(seen(), 100);
    let old = verify(&["--db", "old.db"]);
    assert!(
        old.code == Some(0) && old.stdout.contains("intact, older than what was seen (100): 60 entries"),
        "{old:?}"
    );
    let new = verify(&["--db", "new.db"]);
    assert!(new.code == Some(0) && new.stdout.contains("continues what was seen before: 20 new entries"), "{new:?}");
    assert_eq!(seen(), 100, "a copy is not remembered");
    // However it is called: the configured one should have grown.
    fs::copy(home.join("old.db"), home.join("live.db")).expect("a copy");
    for name in ["live.db", "./live.db"] {
        let cut = verify(&["--db", name]);
        assert!(cut.code == Some(1) && cut.stdout.contains("break at 60: rolled_back"), "{cut:?}");
    }
    let forked: Vec<_> = (0..130).map(|number| Step::Create(format!("instead {number}"))).collect();
    write_log(&home.join("forked.db"), &forked);
    let other = verify(&["--db", "forked.db"]);
    assert!(other.code == Some(1) && other.stdout.contains("break at 99: forked"), "{other:?}");
}

#[test]
fn without_a_configuration_the_database_that_was_seen_first_is_the_one_that_grows() {
    let log = Log::new(100);
    assert_eq!(verify(&log.home, &[]).0, Some(0));
    write_log(&log.home.join("copy.db"), &steps(60));
    let run = log.home.run(&["verify-chain", "--db", "copy.db", "--state", "memory.json"]);
    assert!(run.code == Some(0) && run.stdout.contains("older than what was seen (100)"), "{run:?}");
    replace(&log.home, &steps(60), &super::log::key());
    assert_eq!(found(&verify(&log.home, &[]).1, "rolled_back"), Some(60));
}

#[test]
fn a_named_database_with_a_given_key_needs_no_configuration() {
    let log = Log::new(20);
    let key = super::log::key().public().to_string();
    let arguments = ["verify-chain", "--db", "log.db", "--public-key", &key, "--no-state"];
    for unusable in ["PORT='never closed\n", "SERVER_PUBLIC_KEY=nonsense\nSERVER_ID=nonsense\n"] {
        log.home.write(".env", unusable);
        let run = log.home.run(&arguments);
        assert!(run.code == Some(0) && run.stdout.contains("intact: 20 entries"), "{run:?}");
        // Without the key it is the configuration's to say which one is to be expected.
        assert_eq!(log.home.run(&["verify-chain", "--db", "log.db", "--no-state"]).code, Some(2));
    }
    fs::remove_file(log.home.join(".env")).expect("the file");
    fs::create_dir(log.home.join(".env")).expect("a folder");
    assert_eq!(log.home.run(&arguments).code, Some(0));
    // One that was named is to be read.
    assert_eq!(log.home.run(&[&arguments[..], &["-e", "missing.env"]].concat()).code, Some(2));
}

#[test]
fn the_verdict_is_one_line_whatever_it_is() {
    let log = Log::new(20);
    fs::copy(log.path(), log.home.join("bad.db")).expect("a copy");
    tamper(&log.home.join("bad.db"), "UPDATE entry SET signature = randomblob(64) WHERE idx = 4");
    for (source, code, line) in [
        (["--db", "log.db"], 0, "intact: 20 entries, and what the messages say\n"),
        (["--db", "bad.db"], 1, "broken: 1 break, first at 4\n"),
        (["--db", "missing.db"], 3, "unknown: it could not be verified\n"),
        (["--export", "missing.jsonl"], 3, "unknown: it could not be verified\n"),
        (["--manifest", "http://127.0.0.1:1"], 3, "unknown: it could not be verified\n"),
    ] {
        let arguments = [&["verify-chain", "-q", "--no-state", "--timeout", "1"], &source[..]].concat();
        let run = log.home.run(&arguments);
        assert!(run.code == Some(code) && run.stdout.ends_with(line), "{run:?}");
        assert_eq!(run.stdout.lines().filter(|line| !line.starts_with("break")).count(), 1, "{run:?}");
        let run = log.home.run(&[&arguments[..], &["--json"]].concat());
        let report: Value = serde_json::from_str(&run.stdout).expect("one object");
        assert_eq!((run.code, report["verdict"].as_str()), (Some(code), line.split(':').next()));
    }
}
