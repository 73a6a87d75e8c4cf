//! Searches that take as long as a search may: those who send them wait, and nobody else does.

use std::fmt::Write as _;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::json;

use crate::support::client::{CREATE, Client, SEARCH};
use crate::support::person;
use crate::support::server::TestServer;

/// Messages of words of which hardly one comes up twice, for an index in which prefixes match very much.
async fn fill(client: &mut Client, messages: u64) {
    const WORDS: u64 = 400;
    const AT_ONCE: u64 = 100;
    for first in (0..messages).step_by(100) {
        let mut last = String::new();
        for message in first..first + AT_ONCE {
            let mut content = String::new();
            for word in 0..WORDS {
                // A step through all 32-bit numbers (Knuth's multiplicative hash) that never comes back to one.
                let number = (message * WORDS + word).wrapping_mul(2_654_435_761) & 0xffff_ffff;
                write!(content, "{}{number:08x} ", char::from(b'a' + u8::try_from(word % 16).expect("small")))
                    .expect("memory");
            }
            let content = content.get(..3_990).expect("ASCII");
            last = client.send(CREATE, json!({ "channel_id": "general", "content": content })).await;
        }
        while client.next().await["ref"] != last.as_str() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_s_searches_keep_nobody_from_reading() {
    let server = TestServer::start().await;
    fill(&mut server.connect(person(1)).await, 1_000).await;
    let everything = ('a'..='p').map(|letter| format!("{letter}*")).collect::<Vec<_>>().join(" OR ");
    let mut reader = server.connect(person(2)).await;
    let mut greedy = Vec::new();
    for _ in 0..12 {
        let mut client = server.connect(person(1)).await;
        let id = client.send(SEARCH, json!({ "query": everything })).await;
        greedy.push((client, id));
    }
    let mut searches: FuturesUnordered<_> =
        greedy.iter_mut().map(|(client, id)| async move { client.answer_to(id).await }).collect();
    searches.next().await.expect("they are being answered");
    // By now eleven searches wait; what others read must not.
    let mut answered = 1;
    let reading = reader.history(10);
    let mut reading = std::pin::pin!(reading);
    let page = loop {
        tokio::select! {
            biased;
            page = &mut reading => break page,
            Some(_) = searches.next() => answered += 1,
        }
    };
    assert_eq!(page.len(), 10);
    assert!(answered <= 3, "{answered} searches were answered first");
    while searches.next().await.is_some() {}
}
