//! The routes of the log chain as whoever asks sees them, well-meaning or not; what is in the answers, `verify_chain` checks.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

#[cfg(unix)]
use crate::support::client::HISTORY;
use crate::support::client::{CREATE, Client};
#[cfg(unix)]
use crate::support::process::Site;
#[cfg(unix)]
use crate::support::raw::{FIN, RawClient, TEXT, masked};
use crate::support::raw::{HttpAnswer, http};
use crate::support::server::TestServer;
use crate::support::{in_time, person};

/// Posts `count` messages.
async fn fill(mut ada: Client, count: usize) {
    const AT_ONCE: usize = 200;
    for _ in 0..count / AT_ONCE {
        let mut last = String::new();
        for _ in 0..AT_ONCE {
            last = ada.send(CREATE, json!({ "channel_id": "general", "content": "x" })).await;
        }
        while ada.next().await["ref"] != last.as_str() {}
    }
}

/// Sends a request for entries over a connection that may be used again; `narrow` is one of which the system keeps little
/// that was not read.
async fn ask(address: &str, query: &str, narrow: bool) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    if narrow {
        socket.set_recv_buffer_size(16 * 1024).expect("a size");
    }
    let mut stream = socket.connect(address.parse().expect("an address")).await.expect("a connection");
    let request = format!("GET /log-chain/entries{query} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a reader");
    stream
}

/// The status of the answer that begins to come.
async fn status(stream: &mut TcpStream) -> u16 {
    let mut start = [0; 12];
    in_time("an answer", stream.read_exact(&mut start)).await.expect("an answer");
    HttpAnswer::parse(&String::from_utf8_lossy(&start)).status
}

#[tokio::test]
async fn a_connection_ends_with_the_entries_it_was_given() {
    let server = TestServer::setup().set("HANDSHAKE_TIMEOUT_SECS", "300").start().await;
    for _ in 0..20 {
        let mut stream = ask(&server.address(), "?from=99999999", false).await;
        let mut answer = String::new();
        in_time("the end of the connection", stream.read_to_string(&mut answer)).await.expect("text");
        let answer = HttpAnswer::parse(&answer);
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    }
}

#[tokio::test]
async fn strangers_who_read_slowly_keep_no_member_out() {
    let server = TestServer::setup().set("CHAIN_ACCESS", "public").start().await;
    let address = server.address();
    fill(server.connect(person(1)).await, 4_000).await;
    let mut stalled = Vec::new();
    loop {
        let mut stream = ask(&address, "", true).await;
        match status(&mut stream).await {
            200 => stalled.push(stream),
            503 => break,
            other => panic!("{other}"),
        }
        assert!(stalled.len() < 100, "there is room for any number");
    }
    let token = format!("Authorization: Bearer {}", server.sudden_token(person(1)));
    let answer = http(&address, "GET /log-chain/entries?from=3999", &[&token]).await;
    assert!(answer.status == 200 && answer.body.contains("\"index\":3999,"), "{answer:?}");
    // Strangers can read again when one of those has gone.
    stalled.pop();
    in_time("a place", async { while http(&address, "GET /log-chain/entries?limit=1", &[]).await.status != 200 {} })
        .await;
}

#[tokio::test]
async fn entries_come_whole_however_they_are_packed() {
    let server = TestServer::start().await;
    fill(server.connect(person(1)).await, 3_000).await;
    let url = format!("http://{}/log-chain/entries", server.address());
    let unpacked = reqwest::Client::builder().no_gzip().no_zstd().build().expect("a client");
    let plain = unpacked.get(&url).send().await.expect("an answer").text().await.expect("all of it");
    assert_eq!(plain.lines().count(), 3_000);
    for packing in ["gzip", "zstd"] {
        let builder = reqwest::Client::builder();
        let client = if packing == "gzip" { builder.no_zstd() } else { builder.no_gzip() };
        let response = client.build().expect("a client").get(&url).send().await.expect("an answer");
        let text = response.text().await.unwrap_or_else(|error| panic!("{packing}: {error:?}"));
        assert!(text == plain, "{packing}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_that_stops_does_not_pass_off_a_part_for_the_whole() {
    let mut site = Site::new().await;
    site.set("CHAIN_ACCESS", "public");
    site.set("DRAIN_TIMEOUT_SECS", "60");
    let server = site.serve().await;
    fill(site.connect(&server, person(1)).await, 4_000).await;
    let mut half_read = ask(&server.address, "", true).await;
    assert_eq!(status(&mut half_read).await, 200);
    // The server waits for one who does not take its answers.
    site.connect(&server, person(1)).await.post(&"😀".repeat(4000)).await;
    let mut deaf = RawClient::connect(&server.address, &site.token(person(1))).await;
    let history = json!({ "t": HISTORY, "id": "x", "d": { "channel_id": "general" } }).to_string();
    deaf.flood(&masked(FIN | TEXT, history.as_bytes()).repeat(50), 10_000).await;
    server.terminate();
    let draining = async { while http(&server.address, "GET /health", &[]).await.status != 503 {} };
    in_time("the server stops", draining).await;
    for route in ["entries?from=99999999", "entries", "head"] {
        let answer = http(&server.address, &format!("GET /log-chain/{route}"), &[]).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (503, Some("shutting_down")), "{route}");
    }
    let mut rest = Vec::new();
    in_time("the end", half_read.read_to_end(&mut rest)).await.ok();
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "the answer ends as if it were whole");
}
