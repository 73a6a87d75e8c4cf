//! What reaches whom, and in which order.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{CREATE, Client};
use crate::support::server::TestServer;
use crate::support::{DEADLINE, person};

#[tokio::test]
async fn an_id_sent_again_gets_the_first_answer_and_stores_nothing() {
    let server = TestServer::start().await;
    let (mut ada, mut ben) = (server.connect(person(1)).await, server.connect(person(2)).await);
    ada.events().await;
    let create = |content: &str| json!({ "channel_id": "general", "content": content });
    let id = "1745d319-2de8-420d-88d5-f1bba7c51927";
    let send = async |client: &mut Client, id: &str, content: &str| {
        client.send_with_id(CREATE, id, create(content)).await;
        client.answer_to(id).await["d"].clone()
    };
    let first = send(&mut ada, id, "once").await;
    assert_eq!(send(&mut ada, id, "once").await, first);
    assert_eq!(send(&mut ada, &id.to_uppercase(), "once").await, first, "the same UUID");
    assert_ne!(send(&mut ada, id, "something else").await, first);
    assert_ne!(send(&mut ben, id, "once").await, first, "somebody else's id");
    for plain in ["00000000-0000-0000-0000-000000000000", "no-uuid"] {
        assert_ne!(send(&mut ada, plain, "again").await, send(&mut ada, plain, "again").await, "{plain}");
    }
    drop(ada);
    let mut ada = server.connect(person(1)).await;
    assert_eq!(send(&mut ada, id, "once").await, first, "from another connection");
    let events = ben.events().await;
    let created = events.iter().filter(|event| event["t"] == CREATE).count();
    assert_eq!(created, 7, "what was stored was told, once");
    assert_eq!(server.check_chain().messages.len(), 7);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_no_ack_overtakes_its_event() {
    let server = TestServer::start().await;
    let (mut ada, mut ben) = (server.connect(person(1)).await, server.connect(person(2)).await);
    ada.events().await;
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(ada.send(CREATE, json!({ "channel_id": "general", "content": number.to_string() })).await);
        if number % 5 == 0 {
            ben.send(CREATE, json!({ "channel_id": "general", "content": format!("ben {number}") })).await;
        }
    }
    // A question that follows is answered after them, and sees what they did.
    let question = ada.send("zync.channels.message.history", json!({ "channel_id": "general", "limit": 100 })).await;
    let (mut told, mut answered, mut last_index) = (Vec::new(), 0, None);
    let page = loop {
        let frame = ada.next().await;
        if frame["t"] == CREATE {
            let index = frame["d"]["chain_index"].as_u64().expect("an index");
            assert_eq!(index, last_index.map_or(0, |last: u64| last + 1), "in chain order, each once");
            last_index = Some(index);
            told.push(frame["d"]["id"].clone());
        } else if frame["ref"] == question {
            break frame["d"].clone();
        } else {
            assert_eq!(frame["ref"], ids[answered], "answers come in the order of the requests");
            assert!(told.contains(&frame["d"]["id"]), "an ack before its event");
            answered += 1;
        }
    };
    assert_eq!(answered, 100);
    let shown = page["messages"].as_array().expect("messages");
    assert!(shown.iter().any(|message| message["content"] == "99"), "a request sees those before it");
}

#[tokio::test]
async fn what_somebody_was_told_is_told_to_others_before_they_are_answered() {
    let server = TestServer::start().await;
    let (mut ada, mut ben) = (server.connect(person(1)).await, server.connect(person(2)).await);
    ada.events().await;
    for number in 0..100 {
        let posted = ben.post(&number.to_string()).await;
        let told = ada.events().await;
        assert_eq!(told.len(), 1, "the answer to a ping came before what had happened");
        assert_eq!(told[0]["d"]["id"], posted["id"]);
    }
}

#[tokio::test]
async fn people_come_with_their_first_connection_and_go_with_their_last() {
    let server = TestServer::start().await;
    let mut ben = server.connect(person(2)).await;
    let ada = server.connect(person(1)).await;
    assert_eq!(ada.hello["d"]["online_count"], 2);
    assert_eq!(ben.expect("zync.core.user.join").await, json!({ "user_id": person(1) }));
    let mut second = server.connect(person(1)).await;
    assert_eq!(second.hello["d"]["online_count"], 2);
    ada.close().await;
    second.post("still here").await;
    ben.expect(CREATE).await;
    drop(second);
    assert_eq!(ben.expect("zync.core.user.leave").await, json!({ "user_id": person(1) }));
    assert_eq!(ben.events().await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_deleted_text_is_gone_from_the_files() {
    let server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    let words = ["zygomorphic", "quixotically", "syzygetically"];
    let message = ada.post(words[0]).await;
    for word in &words[1..] {
        ada.edit(&message, word).await;
    }
    let holds = |word: &str| {
        let wal = format!("{}-wal", server.database().display());
        let files = [server.database().display().to_string(), wal];
        files
            .iter()
            .any(|file| fs::read(file).unwrap_or_default().windows(word.len()).any(|bytes| bytes == word.as_bytes()))
    };
    assert!(words.iter().all(|word| holds(word)), "a text that was never there is easily gone");
    ada.delete(&message).await;
    // The next checkpoint is asked for soon; there is no event to wait for but that it happened.
    let deadline = Instant::now() + DEADLINE;
    while words.iter().any(|word| holds(word)) {
        assert!(Instant::now() < deadline, "the text is still in the files: {:?}", words.map(holds));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.check_chain().entries, 4);
}
