//! A server that lies, over HTTP: whatever it does, the answer is never `intact`, and it comes in time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use coms::logchain::{Entry, EntryHash, EntryLine, Head, SealedEntry, SealedLine, SigningKey};
use coms::time::Timestamp;
use futures_util::stream;
use serde_json::{Value, json};

use super::log::{SERVER_ID, Step, key, steps, write_log_of};
use crate::support::program::Home;

/// How it answers.
#[derive(Clone)]
struct Lies {
    /// The entries that it serves.
    entries: Vec<Entry>,
    /// The head that it signs, if not that of the entries.
    head: Option<Head>,
    /// The key that it names and signs heads with.
    key: Arc<SigningKey>,
    /// What it does beside.
    manner: Manner,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Plain,
    /// Sealed entries for everyone.
    Sealed,
    /// A line that never ends.
    EndlessLine,
    /// Entries for ever.
    EndlessEntries,
    /// After some entries, text that is none.
    Malformed,
    /// After some entries, nothing.
    Stalls,
    /// Each answer breaks off after 100 entries.
    BreaksOff,
    /// Everything answers 404 but the manifest, which has no chain.
    NoChain,
    /// The manifest is HTML.
    NoServer,
    /// Entries need a token.
    Unauthorized,
}

type Change = Box<dyn Fn(&mut Lies)>;

/// A server whose lies can be changed while it runs.
struct Liar {
    url: String,
    lies: Arc<Mutex<Lies>>,
    _runtime: tokio::runtime::Runtime,
}

impl Liar {
    fn start(lies: Lies) -> Self {
        let lies = Arc::new(Mutex::new(lies));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("one");
        let router = Router::new()
            .route("/manifest", get(manifest))
            .route("/log-chain/head", get(head))
            .route("/log-chain/entries", get(entries))
            .with_state(lies.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, lies, _runtime: runtime }
    }

    fn lie(&self, change: impl FnOnce(&mut Lies)) {
        change(&mut self.lies.lock().expect("unpoisoned"));
    }
}

type Shared = State<Arc<Mutex<Lies>>>;

async fn manifest(State(lies): Shared) -> Response {
    let lies = lies.lock().expect("unpoisoned").clone();
    let mut manifest = json!({ "server_id": SERVER_ID, "public_key": lies.key.public().to_string() });
    match lies.manner {
        Manner::NoServer => return "<html>".into_response(),
        Manner::NoChain => {}
        _ => {
            manifest["log_chain"] =
                json!({ "entries_url": "/log-chain/entries", "head_url": "/log-chain/head", "access": "public" });
        }
    }
    axum::Json(manifest).into_response()
}

async fn head(State(lies): Shared) -> Response {
    let lies = lies.lock().expect("unpoisoned").clone();
    let last = lies.entries.last().map_or(EntryHash::ZERO, |last| last.hash);
    let head = lies.head.unwrap_or(Head { length: lies.entries.len() as u64, hash: last });
    let server = SERVER_ID.parse().expect("a UUID");
    axum::Json(head.sign(&lies.key, &server, Timestamp::from_unix_ms(1))).into_response()
}

async fn entries(State(lies): Shared, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let lies = lies.lock().expect("unpoisoned").clone();
    if lies.manner == Manner::Unauthorized && headers.contains_key("authorization") {
        return axum::http::StatusCode::UNAUTHORIZED.into_response();
    }
    let pairs = query.unwrap_or_default();
    let number = |name: &str| {
        let value = pairs.split('&').find_map(|pair| pair.strip_prefix(name));
        value.and_then(|value| value.parse::<usize>().ok())
    };
    let from = number("from=").unwrap_or(0).min(lies.entries.len());
    let count = number("limit=").unwrap_or(usize::MAX).min(lies.entries.len() - from);
    let mut text = Vec::new();
    let shown = &lies.entries[from..from + count];
    let breaks_off = if lies.manner == Manner::BreaksOff { 100 } else { usize::MAX };
    for entry in shown.iter().take(breaks_off) {
        match lies.manner {
            Manner::Sealed => SealedLine::write(&SealedEntry::from(entry), &mut text),
            _ => EntryLine::write(entry, &mut text),
        }
    }
    let more: Body = match lies.manner {
        Manner::EndlessLine => endless(Bytes::from_static(&[b'x'; 1000])),
        Manner::EndlessEntries => endless(Bytes::from(text.clone())),
        Manner::Malformed => {
            text.truncate(text.len() / 2);
            text.extend_from_slice(b"}{\n");
            Body::from(text)
        }
        Manner::Stalls => {
            text.truncate(text.len() / 2);
            let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
            Body::from_stream(futures_util::StreamExt::chain(first, stream::pending()))
        }
        Manner::BreaksOff => {
            // What looks like a whole line, and then the connection goes.
            let first = stream::iter([Ok(Bytes::from(text))]);
            let gone = stream::once(async {
                // So that what came before has left.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(std::io::Error::other("gone"))
            });
            Body::from_stream(futures_util::StreamExt::chain(first, gone))
        }
        _ => Body::from(text),
    };
    more.into_response()
}

fn endless(piece: Bytes) -> Body {
    Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone())))
}

fn log_of(steps: &[Step]) -> Vec<Entry> {
    let home = Home::new();
    write_log_of(&home.join("log.db"), steps, &key())
}

fn honest(count: usize) -> Lies {
    Lies { entries: log_of(&steps(count)), head: None, key: Arc::new(key()), manner: Manner::Plain }
}

fn verify(home: &Home, liar: &Liar, more: &[&str]) -> (Option<i32>, Value) {
    let mut arguments = vec!["verify-chain", "--manifest", &liar.url, "--state", "memory.json", "--json"];
    arguments.extend(["--timeout", "1"]);
    arguments.extend(more);
    let run = home.run(&arguments);
    (run.code, serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}")))
}

fn kinds(report: &Value) -> Vec<&str> {
    let breaks = report["breaks"].as_array().expect("a list");
    breaks.iter().map(|fault| fault["kind"].as_str().expect("a kind")).collect()
}

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
