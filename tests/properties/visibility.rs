//! Two people post, edit and delete, their own and each other's, while the clock jumps. What is allowed, and what is seen
//! afterwards, must be what a simple model says, the same for both, and the same by every door: live events, history,
//! search, sync and export. The log that comes of it must be whole.

use std::sync::atomic::Ordering;

use coms::ids::UserId;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::support::client::{CREATE, Client, DELETE, EDIT, HISTORY, SEARCH, SYNC};
use crate::support::person;
use crate::support::program::Home;
use crate::support::server::{TestServer, clock_at};

const NOW: u64 = 1_795_477_188_631;
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

/// What one of the two does, and when: so many milliseconds after (or before) the start.
#[derive(Debug, Clone)]
struct Step {
    by_ada: bool,
    deed: Deed,
    ms: i64,
}

#[derive(Debug, Clone)]
enum Deed {
    Create,
    Edit(Index),
    Delete(Index),
}

fn step() -> impl Strategy<Value = Step> {
    let deed = prop_oneof![
        4 => Just(Deed::Create),
        4 => any::<Index>().prop_map(Deed::Edit),
        2 => any::<Index>().prop_map(Deed::Delete),
    ];
    let ms = prop_oneof![Just(0), -5_000..5_000_i64];
    (any::<bool>(), deed, ms).prop_map(|(by_ada, deed, ms)| Step { by_ada, deed, ms })
}

/// A message as everyone should see it.
struct Modeled {
    id: Value,
    author: UserId,
    /// What it said and says, oldest first; nothing once it is deleted.
    texts: Vec<String>,
}

impl Modeled {
    fn is_deleted(&self) -> bool {
        self.texts.is_empty()
    }

    fn shown(&self) -> &str {
        self.texts.last().map_or("[deleted]", String::as_str)
    }

    fn edit_history(&self) -> &[String] {
        self.texts.split_last().map_or(&[], |(_, earlier)| earlier)
    }
}

/// A word that only one text has.
fn word(number: usize) -> String {
    format!("word{number:03}")
}

fn text(number: usize) -> String {
    format!("{} was said, <b>\u{202e}\0\"", word(number))
}

/// What the two did, and what should come of it.
#[derive(Default)]
struct Model {
    messages: Vec<Modeled>,
    /// Every event: its type, the message, and the text that came with it.
    events: Vec<(&'static str, Value, Option<String>)>,
}

impl Model {
    /// Carries out a step, and says whether the server judged it as it should.
    async fn step(&mut self, number: usize, user: UserId, client: &mut Client, deed: &Deed) {
        let content = text(number);
        let (t, at) = match deed {
            Deed::Create => {
                let id = client.post(&content).await["id"].clone();
                self.events.push((CREATE, id.clone(), Some(content.clone())));
                self.messages.push(Modeled { id, author: user, texts: vec![content] });
                return;
            }
            Deed::Edit(at) => (EDIT, at),
            Deed::Delete(at) => (DELETE, at),
        };
        let target = if self.messages.is_empty() { None } else { Some(at.get_mut(&mut self.messages)) };
        let id = target.as_ref().map_or_else(|| json!(NOBODY), |message| message.id.clone());
        let answer = client.ask(t, json!({ "message_id": id, "content": content })).await;
        match target.filter(|message| message.author == user && !message.is_deleted()) {
            None => assert_eq!(answer["d"]["reason"], "message_not_found", "{answer}"),
            Some(message) => {
                assert_eq!(answer["t"], format!("{t}.ok"), "{answer}");
                if t == EDIT {
                    message.texts.push(content.clone());
                    self.events.push((t, id, Some(content)));
                } else {
                    message.texts.clear();
                    self.events.push((t, id, None));
                }
            }
        }
    }

    fn find(&self, id: &Value) -> &Modeled {
        self.messages.iter().find(|message| message.id == *id).expect("a message that was posted")
    }

    /// The numbers of the texts that nobody must find anywhere any more.
    fn gone(&self) -> impl Iterator<Item = usize> {
        let kept: Vec<&String> = self.messages.iter().flat_map(|message| &message.texts).collect();
        let said = self.events.iter().filter_map(|(_, _, text)| text.as_ref());
        let gone = said.filter(|text| !kept.contains(text)).map(|text| text[4..7].parse().expect("its number"));
        gone.collect::<Vec<usize>>().into_iter()
    }

    fn check_live(&self, events: &[Value]) {
        let expected = self.events.iter().enumerate();
        let expected = expected.map(|(index, (t, id, text))| (json!(t), id.clone(), json!(text), json!(index)));
        let heard = events.iter().filter(|event| event["d"].get("chain_index").is_some()).map(|event| {
            let d = &event["d"];
            let id = d.get("id").or(d.get("message_id")).expect("an id");
            (event["t"].clone(), id.clone(), d["content"].clone(), d["chain_index"].clone())
        });
        assert_eq!(heard.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }

    /// Messages as history and the export show them, oldest first.
    fn check_messages(&self, shown: &[Value]) {
        assert_eq!(shown.len(), self.messages.len());
        for (shown, message) in shown.iter().zip(&self.messages) {
            assert_eq!((&shown["id"], &shown["user_id"]), (&message.id, &json!(message.author)));
            assert_eq!(shown["content"], message.shown());
            let earlier = shown.get("edit_history").cloned().unwrap_or_else(|| json!([]));
            assert_eq!(earlier, json!(message.edit_history()));
            assert_eq!(shown.get("deleted_at").is_some_and(Value::is_string), message.is_deleted(), "{shown}");
        }
    }

    /// The live events again, but that what was deleted since shows nothing any more.
    fn check_sync(&self, page: &Value, live: &[Value]) {
        let live = live.iter().filter(|event| event["d"].get("chain_index").is_some()).map(|event| {
            let (t, mut d) = (event["t"].clone(), event["d"].clone());
            let id = d.get("id").or(d.get("message_id")).expect("an id");
            if d.get("content").is_some() && self.find(id).is_deleted() {
                d["content"] = json!("[deleted]");
            }
            json!({ "t": t, "d": d })
        });
        assert_eq!(page["events"], json!(live.collect::<Vec<_>>()));
    }

    async fn check_search(&self, client: &mut Client, steps: usize) {
        let mut found = async |query: &str| {
            let results = client.get(SEARCH, json!({ "query": query, "limit": 50 })).await;
            results["messages"].as_array().expect("messages").iter().map(|it| it["id"].clone()).collect::<Vec<_>>()
        };
        for number in 0..steps {
            let shown = self.messages.iter().filter(|message| message.shown() == text(number));
            let expected: Vec<_> = shown.map(|message| message.id.clone()).collect();
            assert_eq!(found(&word(number)).await, expected, "{}", word(number));
        }
        let alive = self.messages.iter().rev().filter(|message| !message.is_deleted());
        assert_eq!(found("said").await, alive.map(|message| message.id.clone()).collect::<Vec<_>>(), "newest first");
    }
}

/// The messages as `coms export` takes them away from under a running server, and everything that it wrote.
fn export(server: &TestServer) -> (Vec<Value>, String) {
    let database = server.database().display().to_string();
    let run = Home::new().run(&["export", "-q", "--db", &database]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines = run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    (lines.filter(|line: &Value| line["type"] == "message").collect(), run.stdout)
}

async fn check(steps: &[Step]) {
    let clock = clock_at(NOW);
    let server = TestServer::setup().hold_clock(&clock).set("SESSION_EXPIRY", "ignore").start().await;
    let (mut ada, mut ben) = (server.connect(person(1)).await, server.connect(person(2)).await);
    let mut model = Model::default();
    for (number, step) in steps.iter().enumerate() {
        clock.store(NOW.saturating_add_signed(step.ms), Ordering::Relaxed);
        let (user, client) = if step.by_ada { (person(1), &mut ada) } else { (person(2), &mut ben) };
        model.step(number, user, client, &step.deed).await;
    }
    let live = ada.events().await;
    model.check_live(&live);
    model.check_live(&ben.events().await);

    let mut answers = Vec::new();
    for client in [&mut ada, &mut ben] {
        let history = client.get(HISTORY, json!({ "channel_id": "general", "limit": 100 })).await;
        let mut shown = history["messages"].as_array().expect("messages").clone();
        shown.reverse();
        model.check_messages(&shown);
        let sync = client.get(SYNC, json!({ "limit": 1000 })).await;
        model.check_sync(&sync, &live);
        answers.push(format!("{history}{sync}"));
    }
    assert_eq!(answers[0], answers[1], "both see the same");
    model.check_search(&mut ben, steps.len()).await;
    let (exported, everything) = export(&server);
    model.check_messages(&exported);
    answers.push(everything);
    for number in model.gone() {
        assert!(answers.iter().all(|answer| !answer.contains(&word(number))), "{} is still told", word(number));
    }
    let report = server.check_chain();
    assert_eq!(report.entries, model.events.len() as u64);
    let stored: Vec<_> = report.messages.iter().map(|(id, text)| (json!(id), text.as_str())).collect();
    let expected = model.messages.iter().map(|message| (message.id.clone(), message.shown()));
    assert_eq!(stored, expected.collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(super::cases(10))]

    #[test]
    fn what_is_gone_is_gone_and_what_is_there_is_the_same_by_every_door(steps in vec(step(), 1..40)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(check(&steps));
    }
}
