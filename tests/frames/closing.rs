//! How a connection ends: what it asked before is answered first.

use serde_json::{Value, json};

use crate::support::client::{CREATE, HISTORY, Heard};
use crate::support::hold::Hold;
use crate::support::person;
use crate::support::raw::{CLOSE, FIN, PING, RawClient, TEXT, masked};
use crate::support::server::TestServer;

fn request(t: &str, d: &Value) -> Vec<u8> {
    masked(FIN | TEXT, json!({ "t": t, "id": "x", "d": d }).to_string().as_bytes())
}

/// Reads to the end: how many requests were answered, and the close code.
async fn answers(client: &mut RawClient) -> (usize, Option<u16>) {
    let mut answered = 0;
    while let Some((first, payload)) = client.frame().await {
        if first == FIN | CLOSE {
            return (answered, payload.first_chunk().map(|code| u16::from_be_bytes(*code)));
        }
        let frame: Value = serde_json::from_slice(&payload).unwrap_or_default();
        answered += usize::from(frame["ref"] == "x");
    }
    (answered, None)
}

#[tokio::test]
async fn what_came_before_the_end_is_committed_and_answered_before_it() {
    let server = TestServer::start().await;
    let creates = request(CREATE, &json!({ "channel_id": "general", "content": "x" })).repeat(49);
    let history = request(HISTORY, &json!({ "channel_id": "general" }));
    let asked = [creates, history].concat();
    let ends: &[(&str, Vec<u8>, Option<u16>)] = &[
        ("goodbye", masked(FIN | CLOSE, &4000_u16.to_be_bytes()), Some(4000)),
        ("goodbye without a code", masked(FIN | CLOSE, b""), Some(1000)),
        ("protocol error", vec![FIN | TEXT, 0], Some(1002)),
        ("bad goodbye", masked(FIN | CLOSE, &1005_u16.to_be_bytes()), Some(1002)),
        ("no UTF-8", masked(FIN | TEXT, b"\xff"), Some(1007)),
        ("too big", vec![FIN | TEXT, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0], Some(1009)),
        ("too many pings", masked(FIN | PING, b"").repeat(2000), Some(1008)),
        ("end of the stream", Vec::new(), None),
    ];
    for (what, end, code) in ends {
        let mut client = RawClient::connect(&server.address(), &server.sudden_token(person(1))).await;
        client.send(&[&asked[..], end].concat()).await;
        if code.is_none() {
            client.finish().await;
        }
        assert_eq!(answers(&mut client).await, (50, *code), "{what}");
    }
    assert_eq!(server.check_chain().messages.len(), 49 * ends.len());
}

/// Another program holds the database, so the writer has taken a command and can't commit it.
#[tokio::test]
async fn a_server_that_stops_waits_for_the_commands_that_wait_for_the_writer() {
    let mut server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    let mut idle = server.connect(person(2)).await;
    let held = Hold::take(&server.database());
    ada.send(CREATE, json!({ "channel_id": "general", "content": "waits" })).await;
    // What was sent before it has been read, too, once this is answered.
    idle.events().await;
    let waiting = async {
        assert_eq!(idle.end().await.map(|(code, _)| code), Some(1001));
        // Whoever waits for nothing has gone.
        drop(held);
        let mut answered = 0;
        loop {
            match ada.hear().await {
                Heard::Text(text) => answered += usize::from(text.contains("create.ok")),
                Heard::End(end) => return (answered, end.map(|(code, _)| code)),
            }
        }
    };
    let (end, ()) = tokio::join!(waiting, server.stop());
    assert_eq!(end, (1, Some(1001)));
}
