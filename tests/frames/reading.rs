//! History, sync, and the sizes of answers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{CREATE, DELETE, EDIT, HISTORY, SEARCH, SYNC};
use crate::support::person;
use crate::support::server::{TestServer, clock_at, forward};
use crate::verify_chain::log::tamper;

fn contents(messages: &Value) -> Vec<&str> {
    let messages = messages.as_array().expect("messages");
    messages.iter().map(|message| message["content"].as_str().expect("a text")).collect()
}

#[tokio::test]
async fn history_pages_in_both_directions() {
    let server = TestServer::setup().set("MAX_HISTORY_PER_REQUEST", "60").start().await;
    let mut ada = server.connect(person(1)).await;
    let mut posted = Vec::new();
    for number in 0..70 {
        posted.push(ada.post(&number.to_string()).await["id"].clone());
    }
    let mut page = async |d: Value| {
        let mut d = d;
        d["channel_id"] = json!("general");
        ada.get(HISTORY, d).await
    };
    let newest = page(json!({ "limit": 3 })).await;
    assert_eq!((contents(&newest["messages"]), &newest["has_more"]), (vec!["69", "68", "67"], &json!(true)));
    let before = page(json!({ "limit": 3, "before": posted[2] })).await;
    assert_eq!((contents(&before["messages"]), &before["has_more"]), (vec!["1", "0"], &json!(false)));
    let spelled = posted[2].as_str().expect("an id").to_uppercase().replace('-', "");
    assert_eq!(page(json!({ "limit": 3, "before": spelled })).await, before, "any usual spelling of a UUID");
    let after = page(json!({ "limit": 3, "after": posted[65] })).await;
    assert_eq!((contents(&after["messages"]), &after["has_more"]), (vec!["66", "67", "68"], &json!(true)));
    let none = json!({ "channel_id": "general", "messages": [], "has_more": false });
    assert_eq!(page(json!({ "before": posted[0] })).await, none);
    assert_eq!(page(json!({ "after": posted[69] })).await, none);
    assert_eq!(page(json!({ "before": "00000000-0000-7000-8000-000000000000" })).await, none);
    for (limit, count) in [(0, 50), (-5, 50), (61, 50), (60, 60), (1, 1), (i64::MAX, 50)] {
        assert_eq!(contents(&page(json!({ "limit": limit })).await["messages"]).len(), count, "limit {limit}");
    }
    let unknown = ada.get(HISTORY, json!({ "channel_id": "nope" })).await;
    assert_eq!(unknown, json!({ "channel_id": "nope", "messages": [], "has_more": false }));
}

#[tokio::test]
async fn sync_gives_all_that_happened_and_guards_what_was_seen() {
    let server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    assert!(ada.hello["d"].get("chain_head").is_none(), "nothing yet: {}", ada.hello);
    let empty = ada.get(SYNC, Value::Null).await;
    assert_eq!(empty["events"], json!([]));
    let (one, two) = (ada.post("one").await, ada.post("two").await);
    ada.edit(&one, "one, edited").await;
    ada.delete(&two).await;
    let live = ada.events().await;
    let page = ada.get(SYNC, json!({})).await;
    let types: Vec<_> = page["events"].as_array().expect("events").iter().map(|event| event["t"].clone()).collect();
    assert_eq!(types, [CREATE, CREATE, EDIT, DELETE]);
    for (synced, live) in page["events"].as_array().expect("events").iter().zip(&live) {
        let mut live = live["d"].clone();
        if live["id"] == two["id"] {
            live["content"] = json!("[deleted]");
        }
        assert_eq!(synced["d"], live);
    }
    assert_eq!((&page["next"], &page["head"], &page["has_more"]), (&json!(3), &json!(3), &json!(false)));

    let again = server.connect(person(1)).await;
    assert_eq!(
        (&again.hello["d"]["chain_head"], &again.hello["d"]["chain_head_hash"]),
        (&json!(3), &page["next_hash"])
    );
    let first = ada.get(SYNC, json!({ "limit": 1 })).await;
    assert_eq!((&first["next"], &first["has_more"]), (&json!(0), &json!(true)));
    let rest = ada.get(SYNC, json!({ "after": 0, "after_hash": first["next_hash"] })).await;
    assert_eq!(rest["events"].as_array().map(Vec::len), Some(3));
    let end = ada.get(SYNC, json!({ "after": 3, "after_hash": page["next_hash"] })).await;
    assert_eq!((&end["events"], &end["next"], &end["has_more"]), (&json!([]), &json!(3), &json!(false)));
    for d in [json!({ "after": 4 }), json!({ "after": -1 }), json!({ "after": 0, "after_hash": page["next_hash"] })] {
        assert_eq!(ada.refused(SYNC, d.clone()).await["reason"], "cursor_unknown", "{d}");
    }
}

#[tokio::test]
async fn answers_end_early_rather_than_grow_beyond_256_kib() {
    let server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    let content = format!("needle {}", "😀".repeat(3900));
    for _ in 0..30 {
        ada.post(&content).await;
    }
    ada.events().await;
    let requests = [
        (HISTORY, json!({ "channel_id": "general", "limit": 100 }), "messages"),
        (SYNC, json!({ "limit": 1000 }), "events"),
        (SEARCH, json!({ "query": "needle", "limit": 50 }), "messages"),
    ];
    for (t, d, list) in requests {
        let answer = ada.get(t, d).await;
        let (bytes, one) = (answer.to_string().len(), answer[list][0].to_string().len());
        assert!((256 * 1024..=256 * 1024 + one).contains(&bytes), "{t}: {bytes} bytes");
        assert_eq!(answer["has_more"], true, "{t}");
    }
}

#[tokio::test]
async fn an_edited_and_a_deleted_message_are_shown_as_promised() {
    let server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    let message = ada.post("first").await;
    ada.edit(&message, "second").await;
    ada.edit(&message, "third").await;
    let shown = ada.history(1).await.remove(0);
    assert_eq!((&shown["content"], &shown["edit_history"]), (&json!("third"), &json!(["first", "second"])));
    assert_eq!((&shown["chain_index"], &shown["latest_chain_index"]), (&json!(0), &json!(2)));
    ada.delete(&message).await;
    let shown = ada.history(1).await.remove(0);
    assert_eq!((&shown["content"], &shown["metadata"]), (&json!("[deleted]"), &json!("{}")));
    assert_eq!((shown.get("edit_history"), &shown["latest_chain_index"]), (None, &json!(3)));
    assert_eq!(shown["deleted_at"], shown["updated_at"]);
    for query in ["first", "third", "deleted"] {
        assert_eq!(ada.get(SEARCH, json!({ "query": query })).await["messages"], json!([]), "{query}");
    }
}

#[tokio::test]
async fn a_message_is_edited_fifty_times_and_no_more() {
    let server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    let message = ada.post("0").await;
    for number in 1..=50 {
        ada.edit(&message, &number.to_string()).await;
    }
    let error = ada.refused(EDIT, json!({ "message_id": message["id"], "content": "51" })).await;
    assert_eq!(error["reason"], "too_many_edits");
    let shown = ada.history(1).await.remove(0);
    assert_eq!(shown["edit_history"].as_array().map(Vec::len), Some(50));
    ada.delete(&message).await;
    assert_eq!(server.check_chain().entries, 52);
}

#[tokio::test]
async fn sync_comes_to_the_end_though_the_last_messages_are_gone() {
    let mut server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    for number in 0..6 {
        ada.post(&number.to_string()).await;
    }
    server.stop().await;
    tamper(&server.database(), "DELETE FROM message WHERE content IN ('2', '4', '5')");
    server.resume().await;
    let mut ada = server.connect(person(1)).await;
    let (mut said, mut d) = (Vec::new(), json!({ "limit": 2 }));
    // Three pages of two entries each.
    for page in 1..=3 {
        let answer = ada.get(SYNC, d).await;
        let events = answer["events"].as_array().expect("events");
        said.extend(events.iter().map(|event| event["d"]["content"].clone()));
        assert_eq!(answer["has_more"], page < 3, "{answer}");
        d = json!({ "limit": 2, "after": answer["next"], "after_hash": answer["next_hash"] });
    }
    assert_eq!((said, &d["after"]), (vec![json!("0"), json!("1"), json!("3")], &json!(5)));
    let after = ada.get(SYNC, d).await;
    assert_eq!((&after["events"], &after["has_more"], &after["head"]), (&json!([]), &json!(false), &json!(5)));
}

#[tokio::test]
async fn a_search_counts_time_by_the_server_s_clock() {
    let clock = clock_at(1_577_836_800_000);
    let server = TestServer::setup().hold_clock(&clock).start().await;
    let mut ada = server.connect(person(1)).await;
    ada.post("dogs of yesterday").await;
    forward(&clock, Duration::from_hours(24));
    let mut ada = server.connect(person(1)).await;
    ada.post("dogs of today").await;
    let found = ada.get(SEARCH, json!({ "query": "dogs after:12h" })).await;
    assert_eq!(contents(&found["messages"]), ["dogs of today"]);
}

#[tokio::test]
async fn a_long_message_is_found_by_its_own_text() {
    let server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    for count in [32, 33, 40, 400] {
        let text = (0..count).map(|number| format!("w{count}x{number}")).collect::<Vec<_>>().join(" ");
        ada.post(&text).await;
        let found = ada.get(SEARCH, json!({ "query": text })).await;
        assert_eq!(contents(&found["messages"]), [text.as_str()], "{count} words");
        assert_eq!(found["has_more"] == json!(true), count > 32, "{count} words");
    }
}
