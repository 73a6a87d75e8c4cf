//! Against a server that lies, over HTTP: whatever it does, the answer is never `intact`, and it comes in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use coms::logchain::{Head, SigningKey};
use serde_json::Value;

use super::liar::{Liar, Lies, Manner, honest, kinds, log_of, verify};
use super::log::{SERVER_ID, Step, steps};
use crate::support::program::Home;

type Change = Box<dyn Fn(&mut Lies)>;

#[test]
fn an_honest_server_is_intact_even_if_connections_break() {
    let (home, liar) = (Home::new(), Liar::start(honest(1300)));
    let (code, report) = verify(&home, &liar, &[]);
    assert_eq!((code, &report["verdict"], &report["level"]), (Some(0), &"intact".into(), &"full".into()));
    liar.lie(|lies| lies.manner = Manner::BreaksOff);
    let (code, report) = verify(&home, &liar, &[]);
    assert_eq!((code, &report["entries"], &report["new_since_last"]), (Some(0), &1300.into(), &0.into()));
}

#[test]
fn empty_and_tiny_logs_are_intact() {
    for count in [0, 1] {
        let (home, liar) = (Home::new(), Liar::start(honest(count)));
        assert_eq!(verify(&home, &liar, &[]).0, Some(0), "{count}");
        assert_eq!(verify(&home, &liar, &[]).1["new_since_last"], 0);
    }
}

#[test]
fn sealed_entries_are_consistent_and_say_what_that_means() {
    let (home, liar) = (Home::new(), Liar::start(Lies { manner: Manner::Sealed, ..honest(50) }));
    let (code, report) = verify(&home, &liar, &[]);
    assert_eq!((code, &report["verdict"], &report["level"]), (Some(0), &"consistent".into(), &"sealed".into()));
    assert!(report["notes"][0].as_str().expect("a note").contains("sealed entries show"));
}

#[test]
fn a_fork_a_rollback_and_a_changed_key_are_found_with_evidence() {
    let other: Vec<_> = (0..60).map(|number| Step::Create(format!("instead {number}"))).collect();
    let changes: [(&str, Change); 3] = [
        ("forked", Box::new(move |lies| lies.entries = log_of(&other))),
        ("rolled_back", Box::new(|lies| lies.entries.truncate(40))),
        ("key_changed", Box::new(|lies| lies.key = Arc::new(SigningKey::from_seed(&[1; 32])))),
    ];
    for (kind, change) in changes {
        let (home, liar) = (Home::new(), Liar::start(honest(50)));
        assert_eq!(verify(&home, &liar, &[]).0, Some(0));
        liar.lie(change);
        let (code, report) = verify(&home, &liar, &[]);
        assert!(code == Some(1) && kinds(&report).contains(&kind), "{kind}: {report}");
        let notes = report["notes"].as_array().expect("notes");
        assert!(notes.iter().any(|note| note.as_str().is_some_and(|note| note.starts_with("evidence: "))), "{kind}");
        let file = std::fs::read_dir(home.path()).expect("a folder").map(|file| file.expect("a file").path());
        let file = file.into_iter().find(|path| path.to_string_lossy().contains("evidence-")).expect("evidence");
        let text = std::fs::read_to_string(file).expect("text");
        let first: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        assert!(first["remembered"]["signed_head"]["head_signature"].is_string());
        assert!(first["presented_head"]["head_signature"].is_string());
    }
}

#[test]
fn a_server_that_spells_its_id_in_another_way_is_the_same_one() {
    let (home, liar) = (Home::new(), Liar::start(honest(50)));
    assert_eq!(verify(&home, &liar, &[]).0, Some(0));
    liar.lie(|lies| {
        lies.entries.truncate(40);
        lies.server_id = SERVER_ID.replace('-', "").to_uppercase();
    });
    let (code, report) = verify(&home, &liar, &[]);
    assert!(code == Some(1) && kinds(&report).contains(&"rolled_back"), "{report}");

    liar.lie(|lies| lies.server_id = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95f".to_owned());
    let run = home.run(&["verify-chain", "--manifest", &liar.url, "--state", "memory.json"]);
    let warning = format!("with 50 entries, and its server had another id: {SERVER_ID}");
    assert!(run.code == Some(0) && run.stderr.contains(&warning) && run.stdout.contains(&warning), "{run:?}");

    liar.lie(|lies| lies.server_id = "my server".to_owned());
    let run = home.run(&["verify-chain", "--manifest", &liar.url, "--state", "memory.json"]);
    let line = "error: the manifest's `server_id` is none: not a UUID: my server\n";
    assert_eq!((run.code, run.stderr.as_str()), (Some(3), line));
}

#[test]
fn different_entries_for_different_readers_are_found() {
    let (home, liar) = (Home::new(), Liar::start(honest(50)));
    let entries = log_of(&steps(49));
    let last = entries.last().expect("entries").hash;
    // The head is the one that everyone sees; the entries are others, well signed.
    let other: Vec<_> = (0..50).map(|number| Step::Create(format!("for you {number}"))).collect();
    let shown = Lies { entries: log_of(&other), head: None, ..honest(0) };
    let head = { Head { length: 50, hash: honest(50).entries.last().expect("entries").hash } };
    liar.lie(|lies| *lies = Lies { head: Some(head), ..shown });
    let (code, report) = verify(&home, &liar, &[]);
    assert!(code == Some(1) && kinds(&report).contains(&"forked"), "{report}");
    // Fewer entries than the head says.
    liar.lie(|lies| (lies.entries, lies.head) = (entries, Some(Head { length: 50, hash: last })));
    let (code, report) = verify(&home, &liar, &[]);
    assert!(code == Some(1) && kinds(&report).contains(&"gap"), "{report}");
}

#[test]
fn endless_malformed_and_stalling_answers_end_in_time() {
    let cases = [
        (Manner::EndlessEntries, Some(0)),
        (Manner::EndlessLine, Some(3)),
        (Manner::Malformed, Some(3)),
        (Manner::Stalls, Some(3)),
        (Manner::NoChain, Some(3)),
        (Manner::NoServer, Some(3)),
    ];
    for (manner, expected) in cases {
        let (home, liar) = (Home::new(), Liar::start(Lies { manner, ..honest(50) }));
        let started = Instant::now();
        let (code, report) = verify(&home, &liar, &[]);
        assert_eq!(code, expected, "{report}");
        assert!(expected == Some(0) || report["verdict"] == "unknown", "{report}");
        assert!(started.elapsed() < Duration::from_mins(1));
    }
}

#[test]
fn a_server_that_holds_its_readers_up_is_given_up() {
    let too_slow = "the server sends too slowly";
    for (manner, more, said) in [
        (Manner::Drips, &[][..], too_slow),
        (Manner::DripsHead, &[], too_slow),
        (Manner::Later, &["--deadline", "20"], "503"),
        (Manner::OneByOne(false), &["--deadline", "5"], "could not be verified within 5 s"),
    ] {
        let (home, liar) = (Home::new(), Liar::start(Lies { manner, ..honest(1300) }));
        let started = Instant::now();
        let (code, report) = verify(&home, &liar, more);
        assert_eq!((code, &report["verdict"]), (Some(3), &"unknown".into()), "{report}");
        assert!(report["notes"][0].as_str().expect("a note").contains(said), "{report}");
        assert!(started.elapsed() < Duration::from_mins(1));
    }
}

#[test]
fn a_server_that_is_busy_or_starts_again_is_waited_for() {
    for manner in [Manner::Busy(3), Manner::EndsEarly(6)] {
        let (home, liar) = (Home::new(), Liar::start(Lies { manner, ..honest(50) }));
        let (code, report) = verify(&home, &liar, &[]);
        assert_eq!((code, &report["verdict"]), (Some(0), &"intact".into()), "{report}");
    }
}

#[test]
fn a_server_that_stops_is_not_called_a_liar() {
    let (home, liar) = (Home::new(), Liar::start(honest(50)));
    assert_eq!(verify(&home, &liar, &[]).0, Some(0));
    liar.lie(|lies| lies.manner = Manner::Stops);
    let (code, report) = verify(&home, &liar, &[]);
    assert_eq!((code, &report["verdict"]), (Some(3), &"unknown".into()), "{report}");
    assert!(report["notes"][0].as_str().expect("a note").contains("fewer entries than its head says"), "{report}");
    // What is remembered stays, and the server is believed again when it is there.
    liar.lie(|lies| lies.manner = Manner::Plain);
    assert_eq!(verify(&home, &liar, &[]).1["new_since_last"], 0);
}

#[test]
fn a_server_that_takes_its_head_back_is_convicted_by_its_signatures() {
    let (home, liar) = (Home::new(), Liar::start(Lies { manner: Manner::RollsBack, ..honest(50) }));
    let (code, report) = verify(&home, &liar, &[]);
    assert_eq!((code, kinds(&report)), (Some(1), vec!["rolled_back", "gap"]), "{report}");
    let detail = "the server signed a head of 50 entries, and then one of 40";
    assert_eq!((&report["breaks"][0]["index"], &report["breaks"][0]["detail"]), (&40.into(), &detail.into()));
}

#[test]
fn a_refused_token_is_no_reason_to_settle_for_less() {
    let (home, liar) = (Home::new(), Liar::start(Lies { manner: Manner::Unauthorized, ..honest(20) }));
    let arguments = ["verify-chain", "--manifest", &liar.url, "--no-state", "--token", "-"];
    let run = home.run_with_input(&arguments, "v4.public.expired\n");
    assert!(run.code == Some(3) && run.stderr.contains("expired or revoked"), "{run:?}");
    let run = home.run(&["verify-chain", "--manifest", &liar.url, "--token", "v4.public.x"]);
    assert!(run.code == Some(2) && run.stderr.contains("command line"), "{run:?}");
}

#[test]
fn a_url_that_is_no_server_is_told_in_one_line() {
    let home = Home::new();
    for (url, code) in [("http://127.0.0.1:1", 3), ("nonsense", 2), ("ftp://127.0.0.1", 2)] {
        let run = home.run(&["verify-chain", "--manifest", url, "--no-state", "--timeout", "2"]);
        assert!(run.code == Some(code) && run.stderr.starts_with("error: "), "{url}: {run:?}");
    }
}
