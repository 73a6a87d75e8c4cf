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
