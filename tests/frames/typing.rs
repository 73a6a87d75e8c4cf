//! Who is told when somebody types, and when it is over.

use std::time::Duration;

use coms::server::Patience;
use serde_json::{Value, json};

use crate::support::client::{CREATE, Client};
use crate::support::person;
use crate::support::server::TestServer;

const START: &str = "zync.channels.typing.start";
const STOP: &str = "zync.channels.typing.stop";

async fn say(client: &mut Client, t: &str) {
    client.send(t, json!({ "channel_id": "general" })).await;
}

/// A server on which typing is over soon.
async fn impatient() -> TestServer {
    let typing = Duration::from_millis(300);
    TestServer::setup().patience(Patience { typing, ..Patience::default() }).start().await
}

#[tokio::test]
async fn typing_is_told_to_the_others_and_only_of_channels_that_there_are() {
    let server = TestServer::start().await;
    let (mut ada, mut ben) = (server.connect(person(1)).await, server.connect(person(2)).await);
    let mut second = server.connect(person(1)).await;
    ada.events().await;
    let typing = json!({ "channel_id": "general", "user_id": person(1) });
    for t in [START, STOP, START, START] {
        ada.send(t, json!({ "channel_id": "nope" })).await;
        say(&mut ada, t).await;
        assert_eq!(ben.expect(t).await, typing);
    }
    assert_eq!(ada.events().await, [] as [Value; 0]);
    assert_eq!(second.events().await, [] as [Value; 0], "not to the same person elsewhere");
}

#[tokio::test]
async fn typing_and_messages_keep_the_order_in_which_they_were_sent() {
    let server = TestServer::start().await;
    let (mut ada, mut ben) = (server.connect(person(1)).await, server.connect(person(2)).await);
    ada.events().await;
    for _ in 0..50 {
        say(&mut ada, START).await;
        ada.send(CREATE, json!({ "channel_id": "general", "content": "x" })).await;
        say(&mut ada, STOP).await;
        let mut told = Vec::new();
        while told.last().is_none_or(|t| t != STOP) {
            told.push(ben.next().await["t"].clone());
        }
        // A start that was over before Ben was woken for it need not be told.
        let told = if told.len() == 3 { &told[..] } else { &[&[json!(START)], &told[..]].concat() };
        assert_eq!(told, [START, CREATE, STOP]);
    }
}

#[tokio::test]
async fn whoever_does_not_say_again_that_they_type_has_stopped() {
    let server = impatient().await;
    let (mut ada, mut ben) = (server.connect(person(1)).await, server.connect(person(2)).await);
    say(&mut ada, START).await;
    ben.expect(START).await;
    ben.expect(STOP).await;
    // Said to have stopped, they do not stop again.
    say(&mut ada, START).await;
    ben.expect(START).await;
    say(&mut ada, STOP).await;
    ben.expect(STOP).await;
    let mut cyd = server.connect(person(3)).await;
    ben.expect("zync.core.user.join").await;
    say(&mut cyd, START).await;
    ben.expect(START).await;
    assert_eq!(ben.expect(STOP).await["user_id"], json!(person(3)));
}

#[tokio::test]
async fn typing_ends_with_its_connection_whatever_others_the_user_has() {
    let server = TestServer::start().await;
    let (mut ada, mut ben) = (server.connect(person(1)).await, server.connect(person(2)).await);
    let mut other = server.connect(person(1)).await;
    say(&mut ada, START).await;
    ben.expect(START).await;
    // The one that types now is the other one, and goes on.
    say(&mut other, START).await;
    ben.expect(START).await;
    ada.close().await;
    other.events().await;
    assert_eq!(ben.events().await, [] as [Value; 0]);
    let third = server.connect(person(1)).await;
    drop(other);
    ben.expect(STOP).await;
    drop(third);
    ben.expect("zync.core.user.leave").await;
}
