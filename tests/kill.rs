//! The program killed in the middle of load, again and again on one database: everything that was acknowledged or shown is
//! there, once and in its place; what was not acknowledged can be sent again; and the chain is whole.
//!
//! The system keeps what a killed process has written, so this says nothing of power cuts.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use coms::ids::UserId;
use coms::keys::PublicKey;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::support::chain::check_chain;
use crate::support::client::{CREATE, Client, DELETE, EDIT, ERROR, Heard, SYNC};
use crate::support::person;
use crate::support::process::Site;
use crate::support::server::PUBLIC_KEY;

/// How often the program is killed, unless `COMS_KILLS` says otherwise.
const KILLS: u32 = 50;

const AUTHORS: u8 = 4;

/// How many requests each of them has under way.
const IN_FLIGHT: usize = 8;

/// The program is killed after up to so many acknowledgements, and so many microseconds later.
const MAX_ACKS: u32 = 150;
const MAX_DELAY_US: u32 = 2_000;

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let site = Site::new().await;
    let mut authors: Vec<Author> = (1..=AUTHORS).map(|number| Author::new(person(number))).collect();
    let mut seen = Cursor::default();
    let (mut cut_off, mut stored_unsaid) = (0, 0);
    for _ in 0..kills() {
        let mut server = site.serve().await;
        let mut clients = Vec::new();
        for author in &authors {
            clients.push(site.connect(&server, author.user).await);
        }
        let happened = seen.catch_up(&mut clients[0]).await;
        for (author, client) in authors.iter_mut().zip(&mut clients) {
            author.settle(&happened);
            cut_off += author.unanswered.len();
            stored_unsaid += author.unanswered.iter().filter(|(_, stored)| stored.is_some()).count();
            author.send_again(client).await;
        }
        let strike = Strike::after(1 + random_below(MAX_ACKS));
        let load = join_all(authors.iter_mut().zip(clients).map(|(author, client)| author.load(client, &strike)));
        let kill = async {
            strike.due.notified().await;
            // Anywhere between two acknowledgements: they come in groups, right after a commit.
            tokio::time::sleep(Duration::from_micros(random_below(MAX_DELAY_US).into())).await;
            server.kill().await;
        };
        tokio::join!(load, kill);
        seen.shown = authors.iter().filter_map(|author| author.shown).max();
    }
    assert!(cut_off > 0 && stored_unsaid > 0, "no kill came in the middle: {cut_off}, {stored_unsaid}");

    let mut server = site.serve().await;
    let mut client = site.connect(&server, authors[0].user).await;
    let happened = seen.catch_up(&mut client).await;
    for author in &mut authors {
        author.settle(&happened);
        let mut client = site.connect(&server, author.user).await;
        author.send_again(&mut client).await;
    }
    let happened = seen.catch_up(&mut client).await;
    for author in &mut authors {
        author.settle(&happened);
        assert!(author.unanswered.is_empty());
    }
    server.terminate();
    assert_eq!(server.wait().await, Some(0));
    check_files(&site, &authors);
}

/// The database as it lies there: every message once, with its last text, and a chain that two verifiers find whole.
fn check_files(site: &Site, authors: &[Author]) {
    let stored = check_chain(&site.database(), &PublicKey::from_hex(PUBLIC_KEY).expect("a key")).messages;
    let count = stored.len();
    let stored: HashMap<String, String> = stored.into_iter().collect();
    assert_eq!(stored.len(), count, "a message twice");
    let texts = authors.iter().flat_map(|author| author.texts.clone());
    assert_eq!(stored, texts.collect::<HashMap<_, _>>());
    let verify = site.command(&["verify-chain", "--no-state", "--db", "messages.db"]).output().expect("an end");
    assert_eq!(verify.status.code(), Some(0), "{verify:?}");
}

#[expect(clippy::disallowed_methods, reason = "for whoever runs the tests, not a setting of the program")]
fn kills() -> u32 {
    std::env::var("COMS_KILLS").map_or(KILLS, |kills| kills.parse().expect("COMS_KILLS is a number"))
}

fn random_below(end: u32) -> u32 {
    getrandom::u32().expect("randomness") % end
}

/// Counts acknowledgements, and says when to kill.
struct Strike {
    left: Cell<u32>,
    due: Notify,
}

impl Strike {
    fn after(acks: u32) -> Self {
        Self { left: Cell::new(acks), due: Notify::new() }
    }

    fn count(&self) {
        self.left.set(self.left.get().saturating_sub(1));
        if self.left.get() == 0 {
            self.due.notify_one();
        }
    }
}

/// How far the log was read, and the hash at that place: no kill may make the server forget or change it.
#[derive(Default)]
struct Cursor {
    after: Option<u64>,
    hash: Value,
    /// The last place that anybody was shown.
    shown: Option<u64>,
}

impl Cursor {
    /// All that happened since the last time.
    async fn catch_up(&mut self, client: &mut Client) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let mut request = json!({ "limit": 1000 });
            if let Some(after) = self.after {
                request["after"] = json!(after);
                request["after_hash"] = self.hash.clone();
            }
            let page = client.get(SYNC, request).await;
            for event in page["events"].as_array().expect("events") {
                let index = event["d"]["chain_index"].as_u64().expect("an index");
                assert_eq!(index, self.after.map_or(0, |last| last + 1), "a gap in the log: {event}");
                self.after = Some(index);
                events.push(event.clone());
            }
            self.hash = page["next_hash"].clone();
            if page["has_more"] == false {
                assert!(self.after >= self.shown, "{:?} was shown and is gone", self.shown);
                return events;
            }
        }
    }
}

/// Something that was asked for.
struct Sent {
    id: String,
    t: &'static str,
    d: Value,
    answer: Option<Value>,
}

/// Somebody who writes, edits and deletes, and keeps account of it.
struct Author {
    user: UserId,
    /// For texts of which no two are alike.
    written: u32,
    /// What was asked for since the last restart, in that order.
    sent: Vec<Sent>,
    /// Creates without an answer, and what the log says was stored for them.
    unanswered: Vec<(Sent, Option<Value>)>,
    /// What this author's messages say, as the log has it.
    texts: HashMap<String, String>,
    /// Those that were neither deleted nor are being so.
    changeable: Vec<Value>,
    shown: Option<u64>,
}

impl Author {
    fn new(user: UserId) -> Self {
        let (unanswered, texts, changeable) = Default::default();
        Self { user, written: 0, sent: Vec::new(), unanswered, texts, changeable, shown: None }
    }

    /// Asks for one thing after another until the server is gone.
    async fn load(&mut self, mut client: Client, strike: &Strike) {
        let mut open = 0;
        let mut is_there = true;
        loop {
            while is_there && open < IN_FLIGHT {
                let (t, d) = self.request();
                let id = Uuid::now_v7().to_string();
                is_there = client.offer(t, &id, &d).await;
                // Even if the connection broke meanwhile, the server may have taken it.
                self.sent.push(Sent { id, t, d, answer: None });
                open += 1;
            }
            // What it said before it went can still be read.
            let Heard::Text(text) = client.hear().await else { return };
            let frame = serde_json::from_str(&text).expect("JSON");
            if self.hear(&frame) {
                open -= 1;
                strike.count();
            }
        }
    }

    fn request(&mut self) -> (&'static str, Value) {
        self.written += 1;
        let text = format!("{} writes text {}", self.user, self.written);
        // One of the latest, so that changes meet messages that are just being stored.
        let latest = u32::try_from(self.changeable.len().min(20)).expect("a small number");
        let kind = if latest == 0 { 0 } else { random_below(10) };
        if kind < 6 {
            return (CREATE, json!({ "channel_id": "general", "content": text }));
        }
        let at = self.changeable.len() - 1 - random_below(latest) as usize;
        if kind < 9 {
            (EDIT, json!({ "message_id": self.changeable[at], "content": text }))
        } else {
            (DELETE, json!({ "message_id": self.changeable.swap_remove(at) }))
        }
    }

    /// Takes a frame in; says whether it is an answer.
    fn hear(&mut self, frame: &Value) -> bool {
        assert_ne!(frame["t"], ERROR, "{frame}");
        self.shown = self.shown.max(frame["d"]["chain_index"].as_u64());
        let Some(request) = frame.get("ref") else { return false };
        let sent = self.sent.iter_mut().rev().find(|sent| sent.id == *request).expect("an answer to a request");
        assert!(sent.answer.is_none(), "a second answer: {frame}");
        sent.answer = Some(frame["d"].clone());
        if sent.t == CREATE {
            self.changeable.push(frame["d"]["id"].clone());
        }
        true
    }

    /// Compares what was asked for with what happened: it must be the same, in the same order, up to some point after
    /// the last thing that was acknowledged.
    fn settle(&mut self, happened: &[Value]) {
        let deleted = happened.iter().filter(|event| event["t"] == DELETE);
        let deleted: HashSet<&Value> = deleted.map(|event| &event["d"]["message_id"]).collect();
        let mut sent = std::mem::take(&mut self.sent).into_iter();
        let mut stored = Vec::new();
        for event in happened {
            let d = &event["d"];
            let message = if event["t"] == CREATE { &d["id"] } else { &d["message_id"] };
            let id = message.as_str().expect("an id");
            let is_own = d["user_id"] == json!(self.user) || self.texts.contains_key(id);
            if !is_own {
                continue;
            }
            let asked = sent.next().unwrap_or_else(|| panic!("nobody asked for {event}"));
            assert_eq!(event["t"], asked.t, "{event}");
            assert!(asked.t == CREATE || asked.d["message_id"] == *message, "{event} for {}", asked.d);
            let text =
                if deleted.contains(message) { "[deleted]" } else { asked.d["content"].as_str().expect("a text") };
            assert!(asked.t == DELETE || d["content"] == text, "{event} for {}", asked.d);
            self.texts.insert(id.to_owned(), text.to_owned());
            if asked.t == CREATE {
                let answer = json!({ "id": message, "chain_index": d["chain_index"] });
                assert!(asked.answer.as_ref().is_none_or(|said| *said == answer), "{event} for {:?}", asked.answer);
                stored.push((asked, Some(answer)));
            }
        }
        let lost = sent.map(|asked| (asked, None));
        for (asked, stored) in stored.into_iter().chain(lost) {
            let was_acknowledged = asked.answer.is_some();
            assert!(!was_acknowledged || stored.is_some(), "acknowledged and lost: {} {}", asked.t, asked.d);
            if asked.t == CREATE && !was_acknowledged {
                self.unanswered.push((asked, stored));
            }
        }
    }

    /// Sends creates again that got no answer: what was stored is answered as it would have been, and not stored again.
    async fn send_again(&mut self, client: &mut Client) {
        for (asked, stored) in std::mem::take(&mut self.unanswered) {
            client.send_with_id(asked.t, &asked.id, asked.d.clone()).await;
            let answer = client.answer_to(&asked.id).await;
            self.sent.push(asked);
            self.hear(&answer);
            if let Some(stored) = stored {
                assert_eq!(answer["d"], stored, "another answer than the first");
                // No event will tell of it.
                self.sent.pop();
            }
        }
    }
}
