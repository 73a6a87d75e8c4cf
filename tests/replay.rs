//! The reference's recorded conversations, said again to this server: every frame must come, to the same client, in the
//! same order, with the same members, types, formats and values.
//!
//! What may differ stands in tables: [`compare::ADDED`] and [`compare::UNLIKE`] for members of frames, [`amend`] for whole
//! frames. A row that the recordings have no use for is a failure, too.

mod amend;
mod compare;
mod recording;

use std::collections::{BTreeSet, HashMap, VecDeque};

use serde_json::Value;

use self::amend::{Amendment, CONVERSATION, TWO_CLIENTS};
use self::compare::{Comparison, UNLIKE};
use self::recording::{Direction, Line, load};
use super::support::client::{Client, Heard};
use super::support::raw::http;
use super::support::server::TestServer;

/// One recording on its way.
struct Replay<'a> {
    server: &'a mut TestServer,
    clients: HashMap<String, Client>,
    /// Frames that came before those which the recording has first.
    ahead: HashMap<String, VecDeque<Value>>,
    comparison: &'a mut Comparison,
    amendments: &'static [Amendment],
    used: BTreeSet<usize>,
}

#[tokio::test]
async fn the_recorded_conversations_are_answered_as_the_reference_did() {
    let mut server = TestServer::start().await;
    let mut comparison = Comparison::default();
    let first = load("reference-conversation.jsonl");
    Replay::new(&mut server, &mut comparison, CONVERSATION).run(&first).await;
    // The reference was restarted between the two, and lost its chain; this one goes on with its own.
    server.restart().await;
    let second = load("reference-two-clients.jsonl");
    Replay::new(&mut server, &mut comparison, TWO_CLIENTS).run(&second).await;
    comparison.assert_all_used();
    server.stop().await;
    assert_eq!(server.check_chain().messages.len(), 23, "as many as the reference stored");
}

impl<'a> Replay<'a> {
    fn new(server: &'a mut TestServer, comparison: &'a mut Comparison, amendments: &'static [Amendment]) -> Self {
        let (clients, ahead) = (HashMap::new(), HashMap::new());
        Self { server, clients, ahead, comparison, amendments, used: BTreeSet::new() }
    }

    async fn run(mut self, lines: &[Line]) {
        let lines = recording::in_chain_order(lines);
        for line in &lines {
            match self.amendment(line) {
                None => self.line(line).await,
                Some(Amendment::Nothing { .. }) => {}
                Some(Amendment::Also { client, first, .. }) => {
                    let copy = Line { client: (*client).to_owned(), ..line.clone() };
                    let pair = if *first { [&copy, line] } else { [line, &copy] };
                    for line in pair {
                        self.line(line).await;
                    }
                }
                Some(Amendment::Instead { frames, .. }) => {
                    for frame in *frames {
                        let direction = match line.direction {
                            Direction::Closed => Direction::Received,
                            direction => direction,
                        };
                        self.line(&Line { direction, text: (*frame).to_owned(), ..line.clone() }).await;
                    }
                }
                Some(Amendment::Send { text, .. }) => {
                    self.line(line).await;
                    let answer = r#"{"t":"zync.core.error","id":"","d":{"code":"invalid_json","message":"Invalid JSON"},"ts":1}"#;
                    self.line(&Line { direction: Direction::Received, text: answer.to_owned(), ..line.clone() }).await;
                    self.line(&Line { text: (*text).to_owned(), ..line.clone() }).await;
                }
                Some(Amendment::Draining { .. }) => self.drain(line).await,
            }
        }
        let unused: Vec<_> = (0..self.amendments.len()).filter(|at| !self.used.contains(at)).collect();
        assert!(unused.is_empty(), "amendments that nothing needs: {unused:?}");
    }

    fn amendment(&mut self, line: &Line) -> Option<&'static Amendment> {
        let at = self.amendments.iter().position(|amendment| amendment.is_for(line))?;
        self.used.insert(at);
        self.amendments.get(at)
    }

    async fn line(&mut self, line: &Line) {
        match line.direction {
            Direction::Sent => {
                let client = self.clients.get_mut(&line.client).expect("a client that is connected");
                let text = self.comparison.translate(&line.text);
                if line.is_binary() {
                    // The recording shows the bytes of these as the characters of the same numbers.
                    let bytes: Vec<_> = text.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect();
                    client.send_binary(&bytes).await;
                } else {
                    client.send_text(&text).await;
                }
            }
            Direction::Received => self.received(line).await,
            Direction::Closed => {
                // Those that took their leave are gone already; the others broke off without a word.
                drop(self.clients.remove(&line.client));
            }
            Direction::Note => self.note(&line.text).await,
        }
    }

    async fn received(&mut self, line: &Line) {
        let recorded: Value = serde_json::from_str(&line.text).expect("a recorded frame");
        let ours = if recorded["t"] == "zync.core.hello" {
            let user = recorded["d"]["user_id"].as_str().expect("a user").parse().expect("a UUID");
            let token = self.server.token(user).await;
            let client = Client::connect(&self.server.address(), &token).await;
            let hello = client.hello.clone();
            self.clients.insert(line.client.clone(), client);
            hello
        } else {
            self.hear(line, &recorded).await
        };
        if let Err(difference) = self.comparison.frame(&recorded, &ours) {
            panic!("{difference}\nrecorded for {}: {}\nours: {ours}", line.client, line.text);
        }
    }

    /// The next frame for the client of `line`. Only an event of a burst may come before the ack that the recording has
    /// next, since requests that come together are committed together.
    async fn hear(&mut self, line: &Line, recorded: &Value) -> Value {
        let ahead = self.ahead.entry(line.client.clone()).or_default();
        if let Some(at) = ahead.iter().position(|frame| frame["t"] == recorded["t"]) {
            return ahead.remove(at).expect("it is there");
        }
        let client = self.clients.get_mut(&line.client).expect("a client that is connected");
        loop {
            let text = match client.hear().await {
                Heard::Text(text) => text,
                Heard::End(end) => panic!("{} ended with {end:?} before {}", line.client, line.text),
            };
            assert!(text.starts_with("{\"t\":\""), "`t` comes first, as in the reference: {text}");
            let frame: Value = serde_json::from_str(&text).expect("JSON");
            if recorded["t"] != "zync.channels.message.create.ok" || frame["t"] != "zync.channels.message.create" {
                return frame;
            }
            ahead.push_back(frame);
        }
    }

    async fn note(&mut self, text: &str) {
        if let Some(health) = text.strip_prefix("health: ") {
            let ours = http(&self.server.address(), "GET /health", &[]).await.body;
            assert_eq!(ours, health);
        } else if let Some(name) = text.strip_suffix(" (the older) closes").or_else(|| text.strip_suffix(" closes")) {
            let client = self.clients.remove(name).expect("a client that is connected");
            client.close().await;
        }
    }

    /// SIGTERM: the reference breaks off, this server says why.
    async fn drain(&mut self, line: &Line) {
        let mut client = self.clients.remove(&line.client).expect("a client that is connected");
        let (end, ()) = tokio::join!(client.end(), self.server.stop());
        assert_eq!(end, Some((1001, "server is shutting down".to_owned())));
        self.server.resume().await;
    }
}

#[test]
fn every_deviation_is_one_that_the_protocol_allows() {
    for row in UNLIKE {
        assert!(!row.why.is_empty());
    }
    for amendment in CONVERSATION.iter().chain(TWO_CLIENTS) {
        assert!(!amendment.why().is_empty());
    }
}
