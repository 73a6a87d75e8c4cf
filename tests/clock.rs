//! A clock that is wrong: what is promised whatever it says.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use coms::ids::{ChainIndex, IdSequence, MessageId};
use coms::time::{Clock, Timestamp};
use serde_json::json;

use crate::support::client::{CREATE, Client, SYNC};
use crate::support::person;
#[cfg(unix)]
use crate::support::process::Site;
use crate::support::server::{TestServer, clock_at, forward};

const NOW: u64 = 1_795_477_188_631;
const DAY: Duration = Duration::from_hours(24);

/// Sends `count` creates without waiting in between.
async fn post_at_once(client: &mut Client, count: u32) {
    let mut requests = Vec::new();
    for number in 0..count {
        requests.push(client.send(CREATE, json!({ "channel_id": "general", "content": number.to_string() })).await);
    }
    for request in requests {
        client.answer_to(&request).await;
    }
}

/// The ids and times of all messages, in chain order.
async fn messages(client: &mut Client) -> Vec<(MessageId, Timestamp)> {
    let (mut messages, mut after) = (Vec::new(), None::<ChainIndex>);
    loop {
        let page = client.get(SYNC, json!({ "limit": 1000, "after": after })).await;
        for event in page["events"].as_array().expect("events").iter().filter(|event| event["t"] == CREATE) {
            let id = event["d"]["id"].as_str().expect("an id").parse().expect("a UUID");
            let time = event["d"]["created_at"].as_str().and_then(Timestamp::parse_rfc3339).expect("a time");
            messages.push((id, time));
        }
        if page["has_more"] != true {
            return messages;
        }
        after = page["next"].as_u64().map(ChainIndex);
    }
}

#[tokio::test]
async fn message_ids_increase_in_chain_order_whatever_the_clock_does() {
    let clock = clock_at(NOW);
    let mut server = TestServer::setup().hold_clock(&clock).start().await;
    // How far the clock is from the true time, start after start.
    for offset in [0, 0, 90, -30, 90, -1, 91] {
        clock.store(NOW.saturating_add_signed(offset * 86_400_000), Ordering::Relaxed);
        server.restart().await;
        let mut ada = server.connect(person(1)).await;
        post_at_once(&mut ada, 300).await;
        forward(&clock, Duration::from_millis(1));
        post_at_once(&mut ada, 10).await;
    }
    let messages = messages(&mut server.connect(person(1)).await).await;
    assert_eq!(messages.len(), 7 * 310);
    assert!(messages.is_sorted_by(|(before, _), (after, _)| before < after), "{messages:?}");
    for (id, time) in messages {
        let id = id.uuid();
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        assert_eq!(id.as_u128() >> 80, u128::from(time.unix_ms()), "the id is of the message's time");
    }
}

/// Gives the last message of a database of the reference the id `last`, and the one before `other`.
#[expect(clippy::disallowed_methods, reason = "the test makes a database as another program could have")]
fn change_ids(path: &Path, last: MessageId, other: MessageId) {
    let database = rusqlite::Connection::open(path).expect("a database");
    let rename = "UPDATE messages SET id = ?1 WHERE rowid = (SELECT max(rowid) - ?2 FROM messages)";
    for (id, back) in [(last, 0), (other, 1)] {
        assert_eq!(database.execute(rename, (id.to_string(), back)), Ok(1));
    }
}

#[tokio::test]
async fn ids_increase_after_those_of_an_adopted_database() {
    let mut server = TestServer::start().await;
    server.stop().await;
    for file in std::fs::read_dir(server.database().parent().expect("a folder")).expect("a folder") {
        std::fs::remove_file(file.expect("a file").path()).expect("a file less");
    }
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reference-clean-500.db");
    std::fs::copy(fixture, server.database()).expect("a copy");
    let ahead = Clock::system().now().plus(DAY * 90);
    let last = IdSequence::after(None).next(ahead).into();
    change_ids(&server.database(), last, "ffffffff-ffff-4fff-bfff-ffffffffffff".parse().expect("a UUID"));
    server.resume().await;
    let mut ada = server.connect(person(1)).await;
    post_at_once(&mut ada, 100).await;
    server.restart().await;
    let mut ada = server.connect(person(1)).await;
    post_at_once(&mut ada, 100).await;
    let ids: Vec<_> = messages(&mut ada).await.into_iter().map(|(id, _)| id).collect();
    let new = ids.split_at(ids.len() - 201).1;
    assert_eq!(new.first(), Some(&last));
    assert!(new.is_sorted_by(|before, after| before < after), "{new:?}");
    assert_eq!(new.last().expect("many").uuid().as_u128() >> 80, u128::from(ahead.unix_ms()));
}

#[cfg(unix)]
#[tokio::test]
async fn a_log_that_is_ahead_of_the_clock_is_said_at_the_start_and_not_with_every_message() {
    const WARNING: &str = "the log is ahead of the clock";
    let ahead = Clock::system().now().plus(DAY * 90);
    let mut past = TestServer::setup().hold_clock(&clock_at(ahead.unix_ms())).start().await;
    past.connect(person(1)).await.post("from the future").await;
    past.stop().await;
    let site = Site::new().await;
    std::fs::copy(past.database(), site.database()).expect("a copy");
    let mut server = site.serve().await;
    let log = server.logged(WARNING).await;
    assert!(log.contains(&ahead.to_string()) && log.contains("docs/clock.md"), "{log}");
    let mut ada = site.connect(&server, person(1)).await;
    for _ in 0..10 {
        ada.post("now").await;
    }
    assert!(messages(&mut ada).await.iter().all(|(_, time)| *time == ahead));
    server.terminate();
    assert_eq!(server.whole_log().await.matches(WARNING).count(), 1);
}
