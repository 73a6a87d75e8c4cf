//! A server's side played by hand: what is asked, what is shown, and what a lost connection leaves to do.

use serde_json::{Value, json};

use super::*;

const ME: &str = "49c07341-06c0-4eb9-8059-e5a0a3729cb6";
const ZOE: &str = "abababab-06c0-4eb9-8059-e5a0a3729cb6";

/// A conversation and the frames that it has sent and that are not answered yet.
struct Played {
    conversation: Conversation,
    sent: Vec<Value>,
}

impl Played {
    fn new(json: bool) -> Self {
        let view = View { channel: "general".into(), history: 20, json, has_numbers: !json };
        Self { conversation: Conversation::new(view, Clock::system()), sent: Vec::new() }
    }

    /// One that is connected and up to date, with the chain at `head`.
    fn live(json: bool, head: u64) -> Self {
        let mut played = Self::new(json);
        played.greet(Some(head));
        played.answer("zync.channels.list", "zync.channels.list.ok", &json!({ "channels": [channel("general")] }));
        played.answer(
            "zync.channels.message.history",
            "zync.channels.message.history",
            &json!({ "channel_id": "general", "messages": [], "has_more": false }),
        );
        played.conversation.take_lines();
        played
    }

    fn greet(&mut self, head: Option<u64>) {
        let hash = head.map(|head| format!("hash {head}"));
        let hello = json!({ "user_id": ME, "session_expires_at": "2026-05-02T11:00:00Z", "online_count": 2,
                            "chain_head": head, "chain_head_hash": hash });
        self.receive("zync.core.hello", &hello, None);
    }

    fn receive(&mut self, t: &str, d: &Value, request: Option<&str>) {
        self.conversation.received(&json!({ "t": t, "ref": request, "id": "x", "d": d, "ts": 0 }).to_string());
        self.collect();
    }

    fn collect(&mut self) {
        let frames = self.conversation.take_frames();
        self.sent.extend(frames.iter().map(|frame| serde_json::from_str::<Value>(frame).expect("JSON")));
    }

    fn type_line(&mut self, line: &str) {
        self.conversation.typed(line);
        self.collect();
    }

    fn disconnect(&mut self) {
        self.conversation.disconnected();
        self.sent.clear();
    }

    /// The oldest open request of this type.
    fn request(&mut self, t: &str) -> Value {
        let place = self.sent.iter().position(|frame| frame["t"] == t).unwrap_or_else(|| panic!("no {t} was sent"));
        self.sent.remove(place)
    }

    /// Answers the oldest open request of type `request`, and gives its payload.
    fn answer(&mut self, request: &str, t: &str, d: &Value) -> Value {
        let request = self.request(request);
        self.receive(t, d, request["id"].as_str());
        request["d"].clone()
    }

    fn refuse(&mut self, request: &str, reason: &str) -> Value {
        self.answer(request, "zync.core.error", &json!({ "code": "handler_error", "message": "no!", "reason": reason }))
    }

    /// What is on standard output since the last look.
    fn data(&mut self) -> Vec<String> {
        let lines = self.conversation.take_lines().into_iter();
        lines.filter_map(|line| if let Line::Data(text) = line { Some(text) } else { None }).collect()
    }

    /// Everything that was shown since the last look, in one text.
    fn shown(&mut self) -> String {
        let lines = self.conversation.take_lines().into_iter();
        lines.map(|(Line::Data(text) | Line::Note(text))| text + "\n").collect()
    }
}

fn channel(id: &str) -> Value {
    json!({ "id": id, "name": id, "type": "text", "is_read_only": false, "position": 0 })
}

/// A message by Zoe, with the place `index` in the chain.
fn message(index: u64, content: &str) -> Value {
    json!({ "id": message_id(index), "channel_id": "general", "user_id": ZOE, "content": content,
            "chain_index": index, "created_at": "2026-05-02T10:00:00.000Z" })
}

fn message_id(index: u64) -> String {
    format!("01a20ac7-b017-7000-8000-{index:012}")
}

fn created(index: u64, content: &str) -> Value {
    json!({ "t": CREATED, "d": message(index, content) })
}

#[test]
fn recent_history_comes_first_and_what_happened_meanwhile_after_it_once() {
    let mut played = Played::new(false);
    played.greet(Some(7));
    played.receive(CREATED, &message(8, "meanwhile"), None);
    played.receive(CREATED, &message(9, "too"), None);
    assert!(played.data().is_empty(), "nothing overtakes history");
    let history = json!({ "messages": [message(8, "meanwhile"), message(7, "before")], "has_more": true });
    let asked = played.answer("zync.channels.message.history", "zync.channels.message.history", &history);
    assert_eq!(asked, json!({ "channel_id": "general", "limit": 20 }));
    assert_eq!(
        played.data(),
        ["-- 2026-05-02 (UTC)", "#1 10:00 abababab: before", "#2 10:00 abababab: meanwhile", "#3 10:00 abababab: too"]
    );
}

#[test]
fn messages_are_edited_and_deleted_by_their_number() {
    let mut played = Played::live(false, 0);
    played.receive(CREATED, &message(1, "helo"), None);
    played.type_line("/edit 1 hello");
    let payload = played.answer("zync.channels.message.edit", "zync.channels.message.edit.ok", &json!(null));
    assert_eq!(payload, json!({ "message_id": message_id(1), "content": "hello" }));
    played.receive(EDITED, &json!({ "message_id": message_id(1), "content": "hello", "chain_index": 2 }), None);
    played.type_line("/delete 1");
    assert_eq!(played.request("zync.channels.message.delete")["d"], json!({ "message_id": message_id(1) }));
    played.receive(DELETED, &json!({ "message_id": message_id(1), "chain_index": 3 }), None);
    assert_eq!(played.data()[1..], ["#1 10:00 abababab: helo", "#1 now reads: hello", "#1 was deleted"]);
    played.type_line("/delete 9");
    assert_eq!(played.shown(), "no message has the number 9\n");
    assert_eq!(played.conversation.refusals(), 1);
}

#[test]
fn other_channels_stay_out_of_the_way() {
    let mut played = Played::live(false, 0);
    let mut elsewhere = message(1, "psst");
    elsewhere["channel_id"] = json!("announcements");
    played.receive(CREATED, &elsewhere, None);
    played.receive(EDITED, &json!({ "message_id": message_id(1), "content": "psst!", "chain_index": 2 }), None);
    assert!(played.data().is_empty());
}

#[test]
fn what_was_missed_is_fetched_and_what_was_not_confirmed_is_sent_again() {
    let mut played = Played::live(false, 4);
    played.receive(CREATED, &message(5, "before the cut"), None);
    played.type_line("is anyone there?");
    let said = played.request(CREATED);
    played.disconnect();
    played.type_line("still me");
    assert!(played.sent.is_empty(), "there is no connection");
    played.data();

    played.greet(Some(8));
    assert_eq!(played.request(CREATED), said, "the same frame, so the same id");
    assert_eq!(played.request(CREATED)["d"]["content"], "still me");
    played.receive(CREATED, &message(9, "after"), None);
    let page = json!({ "events": [created(5, "before the cut"), created(6, "one")], "next": 6, "next_hash": "hash 6",
                       "head": 9, "has_more": true });
    let asked = played.answer("zync.channels.sync", "zync.channels.sync.ok", &page);
    assert_eq!((&asked["after"], &asked["after_hash"]), (&json!(4), &json!("hash 4")));
    let page = json!({ "events": [created(7, "two"), created(9, "after")], "next": 9, "next_hash": "hash 9", "head": 9,
                       "has_more": false });
    let asked = played.answer("zync.channels.sync", "zync.channels.sync.ok", &page);
    assert_eq!((&asked["after"], &asked["after_hash"]), (&json!(6), &json!("hash 6")));
    let texts: Vec<_> = played.data().iter().filter_map(|line| Some(line.rsplit_once(": ")?.1.to_owned())).collect();
    assert_eq!(texts, ["one", "two", "after"]);

    assert_eq!(played.conversation.unconfirmed(), 2);
    played.receive("zync.channels.message.create.ok", &json!({}), said["id"].as_str());
    assert_eq!(played.conversation.unconfirmed(), 1);
}

#[test]
fn another_history_than_the_one_seen_is_named_and_shown_anew() {
    let mut played = Played::live(false, 4);
    played.receive(CREATED, &message(5, "lost by the restore"), None);
    played.disconnect();
    played.shown();
    played.greet(Some(4));
    played.refuse("zync.channels.sync", "cursor_unknown");
    assert!(played.shown().contains("not the one seen before"));
    let history = json!({ "messages": [message(3, "kept")] });
    played.answer("zync.channels.message.history", "zync.channels.message.history", &history);
    assert_eq!(played.data(), ["#2 10:00 abababab: kept"]);
    played.receive(CREATED, &message(5, "after the restore"), None);
    assert_eq!(played.data(), ["#3 10:00 abababab: after the restore"]);
}

#[test]
fn a_server_without_sync_is_asked_for_its_history_and_only_the_new_is_shown() {
    let mut played = Played::new(false);
    played.greet(None);
    let history = json!({ "messages": [message(1, "old")] });
    played.answer("zync.channels.message.history", "zync.channels.message.history", &history);
    // The reference answers without `ref`.
    played.type_line("hi");
    played.request(CREATED);
    played.receive("zync.channels.message.create.ok", &json!({ "id": message_id(2), "chain_index": 2 }), None);
    assert_eq!(played.conversation.unconfirmed(), 0);
    played.disconnect();
    played.data();
    played.greet(None);
    played.refuse("zync.channels.sync", "");
    let history = json!({ "messages": [message(3, "new"), message(1, "old")] });
    played.answer("zync.channels.message.history", "zync.channels.message.history", &history);
    assert_eq!(played.data(), ["#2 10:00 abababab: new"]);
}

#[test]
fn a_refused_message_is_named_and_one_that_was_put_off_waits() {
    let mut played = Played::live(false, 0);
    played.type_line("\u{1b}hello");
    played.refuse(CREATED, "read_only");
    assert_eq!(played.shown(), "not sent: no!: \\u{1b}hello\n");
    assert_eq!((played.conversation.refusals(), played.conversation.unconfirmed()), (1, 0));
    played.type_line("hello");
    played.refuse(CREATED, PUT_OFF);
    assert_eq!((played.conversation.refusals(), played.conversation.unconfirmed()), (1, 1));
    played.disconnect();
    played.greet(Some(0));
    assert_eq!(played.request(CREATED)["d"]["content"], "hello");
}

#[test]
fn a_script_gets_frames_each_event_once() {
    let mut played = Played::live(true, 0);
    played.receive(CREATED, &message(1, "\u{1b}[2J"), None);
    played.receive(CREATED, &message(1, "\u{1b}[2J"), None);
    let lines = played.data();
    assert_eq!(lines.len(), 1);
    assert!(!lines[0].contains('\u{1b}'));
    let line: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!(line, created(1, "\u{1b}[2J"));

    played.type_line("hello");
    let id = played.request(CREATED)["id"].clone();
    played.receive("zync.channels.message.create.ok", &json!({ "id": message_id(2) }), id.as_str());
    let line: Value = serde_json::from_str(&played.data()[0]).expect("JSON");
    assert_eq!(line, json!({ "t": "zync.channels.message.create.ok", "d": { "id": message_id(2) }, "ref": id }));
}

#[test]
fn search_results_and_channels_are_shown() {
    let mut played = Played::live(false, 0);
    played.type_line("/search tea cosy");
    let results = json!({ "query": "tea cosy", "messages": [message(2, "second"), message(1, "first")] });
    let payload = played.answer("zync.channels.search", "zync.channels.search.results", &results);
    assert_eq!(payload, json!({ "channel_id": "general", "query": "tea cosy" }));
    assert_eq!(played.data(), ["#1 2026-05-02 10:00 abababab: first", "#2 2026-05-02 10:00 abababab: second"]);
    played.type_line("/search nothing");
    played.answer("zync.channels.search", "zync.channels.search.results", &json!({ "messages": null }));
    assert_eq!(played.shown(), "nothing found\n");
    played.type_line("/channels");
    played.answer("zync.channels.list", "zync.channels.list.ok", &json!({ "channels": [channel("a\u{202e}")] }));
    assert_eq!(played.data(), ["a\\u{202e}: a\\u{202e} (text)"]);
}

#[test]
fn a_channel_that_does_not_exist_is_said_so_at_once() {
    let mut played = Played::new(false);
    played.greet(None);
    played.shown();
    played.answer("zync.channels.list", "zync.channels.list.ok", &json!({ "channels": [channel("lobby")] }));
    assert_eq!(played.shown(), "there is no channel `general`; there are: lobby\n");
}

#[test]
fn the_cursor_gets_a_newer_hash_now_and_then() {
    let mut played = Played::live(false, 0);
    for index in 1..=700 {
        played.receive(CREATED, &message(index, "x"), None);
    }
    let page = json!({ "events": [created(500, "x")], "next": 500, "next_hash": "hash 500", "has_more": true });
    let asked = played.answer("zync.channels.sync", "zync.channels.sync.ok", &page);
    assert_eq!(asked, json!({ "after": 499, "limit": 1 }));
    assert!(played.sent.is_empty(), "once is enough");
    played.disconnect();
    played.greet(Some(700));
    assert_eq!(played.request("zync.channels.sync")["d"]["after"], 500);
}

#[test]
fn frames_that_make_no_sense_are_passed_over() {
    let mut played = Played::live(false, 0);
    for text in ["", "null", "[]", "{}", r#"{"t":1}"#, r#"{"t":"zync.core.hello","d":[]}"#, r#"{"t":"com.example.x"}"#]
    {
        played.conversation.received(text);
    }
    for t in [CREATED, EDITED, DELETED, "zync.core.error", "zync.core.user.join", "zync.channels.sync.ok"] {
        played.receive(t, &json!({ "message_id": 7, "chain_index": "one" }), Some("nobody"));
    }
    assert_eq!((played.shown(), played.conversation.is_settled()), (String::new(), true));
}

#[test]
fn a_new_end_of_the_session_is_taken_over() {
    let mut played = Played::live(false, 0);
    played.conversation.renew(&Secret::new("v4.public.new".into()));
    played.collect();
    let end = "2026-05-02T12:00:00.000Z";
    let asked = played.answer("zync.core.renew", "zync.core.renew.ok", &json!({ "session_expires_at": end }));
    assert_eq!(asked, json!({ "token": "v4.public.new" }));
    assert_eq!(played.conversation.session_expires_at().map(|at| at.to_string()), Some(end.to_owned()));
}

/// A recording of the reference: it answers without `ref`, sends edits and deletes without an index, and does not always
/// keep the order.
#[test]
fn what_the_reference_sends_is_understood() {
    let mut played = Played::new(false);
    let mut created = Vec::new();
    for line in include_str!("../../../../tests/fixtures/reference-two-clients.jsonl").lines() {
        let step: Value = serde_json::from_str(line).expect("JSON");
        if step["client"] != "A" || step["dir"] != "recv" {
            continue;
        }
        let frame = step["frame"].as_str().expect("a frame");
        let envelope: Value = serde_json::from_str(frame).expect("JSON");
        if envelope["t"] == CREATED && envelope["d"]["channel_id"] == "general" {
            created.push(envelope["d"]["content"].as_str().expect("a text").to_owned());
        }
        played.conversation.received(frame);
        played.collect();
        if envelope["t"] == "zync.core.hello" {
            played.refuse("zync.channels.message.history", "");
        }
    }
    let shown = played.data();
    let said: Vec<_> = shown.iter().filter_map(|line| Some(line.strip_prefix('#')?.split_once(": ")?.1)).collect();
    assert!(created.len() > 10, "the recording holds messages: {created:?}");
    let missing: Vec<_> = created.iter().filter(|text| !said.contains(&text.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?} of {shown:#?}");
}

#[test]
fn a_flood_before_the_history_is_given_up_and_fetched_in_pages() {
    let mut played = Played::new(false);
    played.greet(Some(9));
    let long = "x".repeat(4000);
    let count = 2_000;
    for index in 10..10 + count {
        played.receive(CREATED, &message(index, &long), None);
    }
    let history = json!({ "channel_id": "general", "messages": [], "has_more": false });
    played.answer("zync.channels.message.history", "zync.channels.message.history", &history);
    assert!(!played.conversation.is_live());
    // What comes from now on waits again, beside the answers.
    played.receive(CREATED, &message(10 + count, "the last"), None);
    let events: Vec<_> = (10..10 + count).map(|index| created(index, "flood")).collect();
    let page = json!({ "events": events, "next": 9 + count, "next_hash": "h", "has_more": false });
    let asked = played.answer("zync.channels.sync", "zync.channels.sync.ok", &page);
    assert_eq!((&asked["after"], &asked["after_hash"]), (&json!(9), &json!("hash 9")));
    assert!(played.conversation.is_live());
    let shown = played.data();
    assert_eq!(shown.iter().filter(|line| line.contains("flood")).count() as u64, count);
    assert_eq!(shown.iter().filter(|line| line.contains("the last")).count(), 1);
}

#[test]
fn what_the_server_closed_the_connection_on_is_given_up_and_said() {
    let mut played = Played::live(false, 0);
    played.type_line("is it this?");
    played.type_line("/search or that");
    assert!(played.conversation.rejected("message too big (code 1009)"));
    played.disconnect();
    let shown = played.shown();
    assert!(shown.contains("not sent again: message too big (code 1009): is it this?"), "{shown}");
    assert!(shown.contains("not sent again: message too big (code 1009): `/search`"), "{shown}");
    assert_eq!((played.conversation.refusals(), played.conversation.unconfirmed()), (2, 0));
    played.greet(Some(0));
    assert!(played.sent.iter().all(|frame| frame["t"] == "zync.channels.sync"), "{:?}", played.sent);
    // The client's own request is to blame: it would ask the same again.
    assert!(!played.conversation.rejected("policy (code 1008)"));
}

#[test]
fn no_note_acts_on_the_terminal() {
    let mut played = Played::live(false, 0);
    played.type_line("/\u{1b}[2J");
    played.type_line("said");
    played.answer(CREATED, "zync.core.error", &json!({ "message": "\u{1b}[2J\nno", "reason": "\u{9b}" }));
    played.conversation.rejected("\u{202e}why\n");
    let lines = played.conversation.take_lines();
    let texts: Vec<_> = lines.iter().map(|(Line::Data(text) | Line::Note(text))| text.as_str()).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(!texts.iter().any(|text| text.contains(crate::printable::acts_on_terminal)), "{texts:?}");
}
