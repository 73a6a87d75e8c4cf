//! A server that lies: a small program over HTTP, whose answers a test chooses.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
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
pub(crate) struct Lies {
    /// The entries that it serves.
    pub(crate) entries: Vec<Entry>,
    /// The head that it signs, if not that of the entries.
    pub(crate) head: Option<Head>,
    /// The key that it names and signs heads with.
    pub(crate) key: Arc<SigningKey>,
    /// The id that it names.
    pub(crate) server_id: String,
    /// What it does beside.
    pub(crate) manner: Manner,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
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
    /// A byte of the entries now and then.
    Drips,
    /// A byte of the signed head now and then.
    DripsHead,
    /// Come again in eleven days.
    Later,
    /// In turn an entry, and come again in eleven days.
    OneByOne(bool),
    /// Each answer breaks off after 100 entries.
    BreaksOff,
    /// So many answers are 503, with a time to come again.
    Busy(u32),
    /// So many answers end after the first 30 entries or before.
    EndsEarly(u32),
    /// Answers end after the first 30 entries, and then there is no head any more.
    Stops,
    Stopped,
    /// After the first answer there are but 40 entries, and a head for them.
    RollsBack,
    /// Everything answers 404 but the manifest, which has no chain.
    NoChain,
    /// The manifest is HTML.
    NoServer,
    /// Entries need a token.
    Unauthorized,
}

/// A server whose lies can be changed while it runs.
pub(crate) struct Liar {
    pub(crate) url: String,
    lies: Arc<Mutex<Lies>>,
    _runtime: tokio::runtime::Runtime,
}

impl Liar {
    pub(crate) fn start(lies: Lies) -> Self {
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

    pub(crate) fn lie(&self, change: impl FnOnce(&mut Lies)) {
        change(&mut self.lies.lock().expect("unpoisoned"));
    }
}

type Shared = State<Arc<Mutex<Lies>>>;

async fn manifest(State(lies): Shared) -> Response {
    let lies = lies.lock().expect("unpoisoned").clone();
    let mut manifest = json!({ "server_id": lies.server_id, "public_key": lies.key.public().to_string() });
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
    if lies.manner == Manner::Stopped {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let last = lies.entries.last().map_or(EntryHash::ZERO, |last| last.hash);
    let head = lies.head.unwrap_or(Head { length: lies.entries.len() as u64, hash: last });
    let server = lies.server_id.parse().unwrap_or_else(|_| SERVER_ID.parse().expect("a UUID"));
    let signed = head.sign(&lies.key, &server, Timestamp::from_unix_ms(1));
    if lies.manner == Manner::DripsHead {
        return dripping(serde_json::to_vec(&signed).expect("JSON")).into_response();
    }
    axum::Json(signed).into_response()
}

/// `bytes`, one each time that a connection's silence would almost end it.
fn dripping(bytes: Vec<u8>) -> Body {
    Body::from_stream(stream::unfold(bytes.into_iter(), |mut left| async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from(vec![left.next()?])), left))
    }))
}

/// How it answers this time, and what becomes of it until the next.
fn turn(lies: &mut Lies) -> Lies {
    let now = lies.clone();
    match &mut lies.manner {
        Manner::Busy(0) | Manner::EndsEarly(0) => lies.manner = Manner::Plain,
        Manner::Busy(left) | Manner::EndsEarly(left) => *left -= 1,
        Manner::Stops => lies.manner = Manner::Stopped,
        Manner::OneByOne(is_later) => *is_later = !*is_later,
        Manner::RollsBack => lies.entries.truncate(40),
        _ => {}
    }
    now
}

async fn entries(State(lies): Shared, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let mut lies = turn(&mut lies.lock().expect("unpoisoned"));
    match lies.manner {
        Manner::Later | Manner::OneByOne(true) => {
            return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "999999")]).into_response();
        }
        Manner::Busy(1..) => return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")]).into_response(),
        Manner::EndsEarly(1..) | Manner::Stops | Manner::Stopped => lies.entries.truncate(30),
        Manner::RollsBack => lies.entries.truncate(40),
        _ => {}
    }
    if lies.manner == Manner::Unauthorized && headers.contains_key("authorization") {
        return StatusCode::UNAUTHORIZED.into_response();
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
    let breaks_off = match lies.manner {
        Manner::BreaksOff => 100,
        Manner::OneByOne(_) => 1,
        _ => usize::MAX,
    };
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
        Manner::Drips => dripping(text),
        _ => Body::from(text),
    };
    more.into_response()
}

fn endless(piece: Bytes) -> Body {
    Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone())))
}

pub(crate) fn log_of(steps: &[Step]) -> Vec<Entry> {
    let home = Home::new();
    write_log_of(&home.join("log.db"), steps, &key())
}

pub(crate) fn honest(count: usize) -> Lies {
    Lies {
        entries: log_of(&steps(count)),
        head: None,
        key: Arc::new(key()),
        server_id: SERVER_ID.to_owned(),
        manner: Manner::Plain,
    }
}

pub(crate) fn verify(home: &Home, liar: &Liar, more: &[&str]) -> (Option<i32>, Value) {
    let mut arguments = vec!["verify-chain", "--manifest", &liar.url, "--state", "memory.json", "--json"];
    arguments.extend(["--timeout", "1"]);
    arguments.extend(more);
    let run = home.run(&arguments);
    (run.code, serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}")))
}

pub(crate) fn kinds(report: &Value) -> Vec<&str> {
    let breaks = report["breaks"].as_array().expect("a list");
    breaks.iter().map(|fault| fault["kind"].as_str().expect("a kind")).collect()
}
