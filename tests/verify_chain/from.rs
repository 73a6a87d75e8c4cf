//! `--from`: at, above and below the end, with and without a memory, from each kind of source.

use serde_json::Value;

use super::liar::{Liar, Lies, honest, kinds, log_of, verify};
use super::log::{Log, Step, export, steps, write_log};
use crate::support::program::{Home, Run};

/// A source with 26 entries of a log, and how to change its entries.
struct Source {
    home: Home,
    liar: Option<Liar>,
    arguments: [String; 2],
}

impl Source {
    /// A server, a database and an export, each with a home of its own.
    fn all() -> [Self; 3] {
        let liar = Liar::start(honest(26));
        let manifest = ["--manifest".to_owned(), liar.url.clone()];
        let sources = [(Some(liar), manifest), (None, file("--db", "log.db")), (None, file("--export", "log.jsonl"))];
        sources.map(|(liar, arguments)| {
            let source = Self { home: Home::new(), liar, arguments };
            source.show(&steps(26));
            source
        })
    }

    /// Shows the log of `steps` from now on.
    fn show(&self, steps: &[Step]) {
        let Some(liar) = &self.liar else {
            std::fs::remove_file(self.home.join("log.db")).ok();
            let entries = write_log(&self.home.join("log.db"), steps);
            self.home.write("log.jsonl", &export(steps, &entries));
            return;
        };
        liar.lie(|lies| *lies = Lies { entries: log_of(steps), ..honest(0) });
    }

    fn run(&self, more: &[&str]) -> Run {
        let mut arguments = vec!["verify-chain", &self.arguments[0], &self.arguments[1], "--state", "memory.json"];
        arguments.extend(["--json"]);
        arguments.extend(more);
        self.home.run(&arguments)
    }

    fn from(&self, index: &str) -> (Option<i32>, Value) {
        let run = self.run(&["--from", index]);
        (run.code, serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}")))
    }

    /// How long the log is that is remembered.
    fn remembered(&self) -> Option<u64> {
        let text = std::fs::read_to_string(self.home.join("memory.json")).ok()?;
        let memory: Value = serde_json::from_str(&text).expect("JSON");
        memory["sources"].as_object().expect("sources").values().next().and_then(|known| known["length"].as_u64())
    }
}

fn file(option: &str, name: &str) -> [String; 2] {
    [option.to_owned(), name.to_owned()]
}

/// A log of `count` creates that agrees with `steps` up to `from`.
fn forked(from: usize, count: usize) -> Vec<Step> {
    let mut forked = steps(from);
    forked.extend((from..count).map(|number| Step::Create(format!("instead {number}"))));
    forked
}

#[test]
fn beyond_the_end_is_a_mistake_and_nothing_is_remembered() {
    for source in Source::all() {
        for known in [None, Some(26)] {
            for from in ["27", "1000000", "18446744073709551615"] {
                let run = source.run(&["--from", from]);
                assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
                let line = run.stderr.lines().last().expect("an error");
                let expected = format!("error: `--from {from}` is beyond the end of the log, which has 26 entries");
                assert_eq!(line, expected);
                assert_eq!(source.remembered(), known);
            }
            assert_eq!(source.from("0").0, Some(0));
        }
    }
}

#[test]
fn at_the_end_there_is_nothing_to_verify_and_nothing_to_remember() {
    for source in Source::all() {
        let (code, report) = source.from("26");
        assert_eq!((code, &report["entries"], &report["head"]["index"]), (Some(0), &0.into(), &25.into()), "{report}");
        assert_eq!(source.remembered(), None, "no entry was seen");
        assert_eq!(source.from("0").0, Some(0));
        let (code, report) = source.from("26");
        assert_eq!((code, &report["new_since_last"]), (Some(0), &0.into()), "{report}");
        assert_eq!(source.remembered(), Some(26));
    }
}

#[test]
fn a_log_that_was_cut_is_rolled_back_wherever_verification_begins() {
    for source in Source::all() {
        assert_eq!(source.from("0").0, Some(0));
        source.show(&steps(20));
        if source.arguments[0] == "--export" {
            // An export is as old as it is.
            let run = source.run(&["--from", "21"]);
            assert!(run.code == Some(2) && run.stderr.contains("which has 20 entries"), "{run:?}");
            assert_eq!((source.from("0").0, source.from("20").0, source.remembered()), (Some(0), Some(0), Some(26)));
            continue;
        }
        for from in ["0", "19", "20", "21", "26", "1000"] {
            let (code, report) = source.from(from);
            assert!(code == Some(1) && kinds(&report) == ["rolled_back"], "{from}: {report}");
            assert_eq!(report["breaks"][0]["index"], 20);
        }
        assert_eq!(source.remembered(), Some(26));
    }
}

#[test]
fn a_log_that_was_written_anew_is_forked_wherever_verification_begins() {
    for source in Source::all() {
        assert_eq!(source.from("0").0, Some(0));
        source.show(&forked(10, 40));
        for from in ["0", "25", "26", "27", "40"] {
            let (code, report) = source.from(from);
            assert!(code == Some(1) && kinds(&report).contains(&"forked"), "{from}: {report}");
            assert_eq!(report["breaks"][0]["index"], 25);
        }
        assert_eq!(source.remembered(), Some(26));
    }
}

#[test]
fn a_longer_log_is_remembered_only_if_it_is_shown_to_continue_what_was_seen() {
    for source in Source::all() {
        assert_eq!(source.from("0").0, Some(0));
        source.show(&steps(40));
        let (code, report) = source.from("27");
        assert_eq!((code, &report["new_since_last"]), (Some(0), &Value::Null), "{report}");
        assert!(report["notes"].to_string().contains("26 entries were seen before"), "{report}");
        assert_eq!(source.remembered(), Some(26), "entry 26 was left out");
        let (code, report) = source.from("26");
        assert_eq!((code, &report["new_since_last"], source.remembered()), (Some(0), &14.into(), Some(40)));
        assert_eq!(source.from("3").1["new_since_last"], 0);
    }
}

#[test]
fn the_first_entry_must_link_to_the_one_before() {
    let liar = Liar::start(honest(26));
    // Entry 12 and those after it are of another log, each well signed.
    let mut entries = log_of(&forked(11, 26));
    entries.splice(..12, log_of(&steps(12)));
    liar.lie(|lies| lies.entries = entries);
    let (code, report) = verify(&Home::new(), &liar, &["--from", "12"]);
    assert!(code == Some(1) && kinds(&report) == ["prev_hash"], "{report}");
}

#[test]
fn an_empty_log_has_an_end_too() {
    let log = Log::new(0);
    let run = log.home.run(&["verify-chain", "--db", "log.db", "--no-state", "--from", "1"]);
    assert!(run.code == Some(2) && run.stderr.contains("which has 0 entries"), "{run:?}");
}
