//! How long a session lives, and how it ends.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::CREATE;
use crate::support::person;
use crate::support::raw::{UPGRADE, http};
use crate::support::server::{TestServer, clock_at, forward};

const NOW: u64 = 1_795_477_188_631;

/// How long tokens are good for here. A session looks at the clock again when its token should expire, or after 30 s.
const LIFETIME: Duration = Duration::from_millis(300);
const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let clock = clock_at(NOW);
    let server = TestServer::setup().hold_clock(&clock).token_lifetime(LIFETIME).start().await;
    let mut ada = server.connect(person(1)).await;
    forward(&clock, Duration::from_millis(299));
    let mut late = server.connect(person(1)).await;
    ada.post("still here").await;
    forward(&clock, Duration::from_millis(1));
    assert_eq!(ada.end().await, Some((4001, "session expired".to_owned())));
    forward(&clock, LIFETIME);
    assert_eq!(late.end().await.map(|(code, _)| code), Some(4001));
}

#[tokio::test]
async fn a_renewed_session_lives_on_and_only_with_a_token_of_one_s_own() {
    let clock = clock_at(NOW);
    let server = TestServer::setup().hold_clock(&clock).token_lifetime(LIFETIME).start().await;
    let (mut ada, mut ben) = (server.connect(person(1)).await, server.connect(person(2)).await);
    forward(&clock, LIFETIME / 2);
    let token = server.sudden_token(person(1));
    let refused = ben.refused("zync.core.renew", json!({ "token": token })).await;
    assert_eq!(refused["reason"], "invalid_token");
    let renewed = ada.get("zync.core.renew", json!({ "token": token })).await;
    let expected = coms::time::Timestamp::from_unix_ms(NOW).plus(LIFETIME / 2 + LIFETIME);
    assert_eq!(renewed, json!({ "session_expires_at": expected }));
    forward(&clock, LIFETIME / 2);
    assert_eq!(ben.end().await.map(|(code, _)| code), Some(4001));
    ada.post("still here").await;
}

#[tokio::test]
async fn people_keep_talking_while_central_is_away_and_five_minutes_longer() {
    let clock = clock_at(NOW);
    let start = || TestServer::setup().hold_clock(&clock).token_lifetime(LIFETIME).central_away().start();
    let (server, elsewhere) = (start().await, start().await);
    server.heartbeat_failed().await;
    elsewhere.heartbeat_failed().await;
    // While Central is away a session looks at the clock every 30 s, Ben's a little after Ada's.
    let mut ada = server.connect(person(1)).await;
    let mut ben = elsewhere.connect(person(2)).await;
    forward(&clock, MINUTE * 10);
    ada.post("Central is away").await;
    elsewhere.sandbox.set_available(true);
    elsewhere.heartbeat_accepted().await;
    forward(&clock, MINUTE);
    server.sandbox.set_available(true);
    server.heartbeat_accepted().await;
    forward(&clock, MINUTE * 4);
    // For Ben Central has been back for five minutes. When he has gone, Ada's session has looked at the clock, too.
    assert_eq!(ben.end().await.map(|(code, _)| code), Some(4001));
    ada.post("Central has been back for four minutes").await;
}

#[tokio::test]
async fn no_session_ends_where_the_operator_says_so() {
    let clock = clock_at(NOW);
    let setup = TestServer::setup().hold_clock(&clock).token_lifetime(LIFETIME);
    let server = setup.set("SESSION_EXPIRY", "ignore").start().await;
    let mut ada = server.connect(person(1)).await;
    // A later session, elsewhere, that has to end: when it has, the first one has looked at the clock, too.
    let elsewhere = TestServer::setup().hold_clock(&clock).token_lifetime(LIFETIME).start().await;
    let mut ben = elsewhere.connect(person(2)).await;
    forward(&clock, MINUTE * 10);
    assert_eq!(ben.end().await.map(|(code, _)| code), Some(4001));
    ada.post("still here").await;
}

#[tokio::test]
async fn subscribing_to_what_does_not_exist_is_no_fault() {
    let server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    for d in [json!({ "events": ["zync.core.nope"] }), json!({ "events": [] }), json!({})] {
        assert_eq!(ada.get("zync.core.subscribe", d).await, json!({ "events": [] }));
    }
}

#[tokio::test]
async fn a_server_that_stops_answers_everything_that_it_took() {
    let mut server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    let mut idle = server.connect(person(2)).await;
    for number in 0..200 {
        ada.send(CREATE, json!({ "channel_id": "general", "content": number.to_string() })).await;
    }
    let reading = async {
        let mut acknowledged = Vec::new();
        loop {
            match ada.hear().await {
                crate::support::client::Heard::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    if frame["t"] == "zync.channels.message.create.ok" {
                        acknowledged.push(frame["d"]["id"].as_str().expect("an id").to_owned());
                    }
                }
                crate::support::client::Heard::End(end) => return (acknowledged, end),
            }
        }
    };
    let ((acknowledged, end), idle_end, ()) = tokio::join!(reading, idle.end(), server.stop());
    let going = Some((1001, "server is shutting down".to_owned()));
    assert_eq!((&end, &idle_end), (&going, &going));
    let stored: Vec<_> = server.check_chain().messages.into_iter().map(|(id, _)| id).collect();
    assert_eq!(acknowledged, stored, "what was stored was acknowledged, and nothing else");
    server.resume().await;
    let head = format!("GET /connect?token={}", server.sudden_token(person(1)));
    assert_eq!(http(&server.address(), &head, &UPGRADE[..1]).await.status, 426);
}
