//! Who is taken for gone, and who is not.

use std::fs;
use std::time::Duration;

use coms::server::Patience;
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep};

use crate::support::client::{CREATE, SYNC};
use crate::support::hold::Hold;
use crate::support::raw::{FIN, PING, PONG, RawClient, TEXT, masked};
use crate::support::server::TestServer;
use crate::support::{DEADLINE, person};

/// How long the server waits for its connections here: sixty seconds are one.
fn patience() -> Patience {
    let ms = Duration::from_millis;
    Patience {
        ping_after: ms(750),
        max_silence: ms(1000),
        max_stall: ms(1500),
        closing: ms(500),
        ..Patience::default()
    }
}

async fn server() -> TestServer {
    TestServer::setup().set("MAX_QUEUE_BYTES", "65536").patience(patience()).start().await
}

/// A connection of which the system keeps little that was not read.
async fn narrow(address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("a size");
    socket.connect(address.parse().expect("an address")).await.expect("a connection")
}

/// Stores a page of 240 KB.
async fn store_a_page(server: &TestServer) {
    let mut ada = server.connect(person(1)).await;
    for _ in 0..60 {
        ada.post(&"x".repeat(4000)).await;
    }
    ada.close().await;
}

/// A client that has asked for that page `pages` times and has read nothing.
async fn asking_for_pages(server: &TestServer, pages: usize) -> RawClient {
    let address = server.address();
    let mut client = RawClient::over(narrow(&address).await, &address, &server.sudden_token(person(2))).await;
    let sync = json!({ "t": SYNC, "id": "x", "d": { "limit": 60 } }).to_string();
    client.send(&masked(FIN | TEXT, sync.as_bytes()).repeat(pages)).await;
    client
}

#[tokio::test]
async fn a_silent_peer_is_pinged_and_then_dropped() {
    let server = server().await;
    let mut client = RawClient::connect(&server.address(), &server.sudden_token(person(1))).await;
    let began = Instant::now();
    // Two rounds: an answer is a sign of life.
    for answer in [Some(masked(FIN | PONG, b"")), None] {
        assert_eq!(client.frame().await, Some((FIN | PING, Vec::new())));
        if let Some(answer) = answer {
            client.send(&answer).await;
        }
    }
    assert_eq!(client.frame().await, None);
    assert!(began.elapsed() >= Duration::from_millis(1750), "{:?}", began.elapsed());
}

/// Server and clients share a thread here, so that all stand still.
#[tokio::test]
async fn after_a_standstill_what_came_meanwhile_is_read_before_anybody_is_dropped() {
    let patience = Patience { ping_after: patience().ping_after, max_silence: Duration::from_secs(2), ..patience() };
    let server = TestServer::setup().patience(patience).start().await;
    let mut ada = server.connect(person(1)).await;
    let mut ben = RawClient::connect(&server.address(), &server.sudden_token(person(2))).await;
    assert_eq!(ben.frame().await, Some((FIN | PING, Vec::new())));
    // Both are pinged now, or will be at once; both have sent something that is still in the socket.
    let before = ada.send(CREATE, json!({ "channel_id": "general", "content": "before" })).await;
    ben.send(&masked(FIN | PONG, b"")).await;
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(ada.answer_to(&before).await["d"]["chain_index"], 0);
    assert_eq!(ada.post("after").await["chain_index"], 1);
    let mut told = Vec::new();
    while told.len() < 2 {
        let (first, payload) = ben.frame().await.expect("a frame");
        if first == FIN | TEXT {
            let frame: Value = serde_json::from_slice(&payload).expect("JSON");
            told.push(frame["d"]["content"].clone());
        }
    }
    assert_eq!(told, ["before", "after"]);
}

/// So slowly that the server does not read for longer than it bears silence; what the client sends meanwhile waits.
#[tokio::test]
async fn whoever_reads_slowly_gets_everything() {
    let server = server().await;
    store_a_page(&server).await;
    let mut slow = asking_for_pages(&server, 4).await;
    let mut answered = 0;
    while answered < 4 {
        let read = slow.fill_slowly(4 * 1024, Duration::from_millis(25)).await;
        assert!(read > 0, "dropped after {answered} answers");
        slow.send(&masked(FIN | PONG, b"")).await;
        while let Some((_, payload)) = slow.take_frame() {
            let frame: Value = serde_json::from_slice(&payload).unwrap_or_default();
            answered += usize::from(frame["ref"] == "x");
        }
    }
}

#[tokio::test]
async fn whoever_takes_nothing_is_told_that_it_was_too_slow() {
    let server = server().await;
    store_a_page(&server).await;
    let mut deaf = asking_for_pages(&server, 10).await;
    // Nothing tells from outside that the server has lost its patience.
    sleep(2 * patience().max_stall).await;
    assert_eq!(deaf.close_code().await, Some(1013));
}

/// How many bytes the system keeps for the peer of each connection to `port`, without those that are closed and done.
fn kept_bytes(port: &str) -> Vec<u64> {
    let port = format!(":{:04X}", port.parse::<u16>().expect("a port"));
    let table = fs::read_to_string("/proc/net/tcp").expect("the system's connections");
    let (listening, time_wait) = ("0A", "06");
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = lines.filter(|line| line[1].ends_with(&port) && line[3] != listening && line[3] != time_wait);
    let bytes = ours.map(|line| line[4].split_once(':').expect("two queues").0);
    bytes.map(|bytes| u64::from_str_radix(bytes, 16).expect("a number")).collect()
}

#[tokio::test]
async fn the_system_keeps_no_more_than_256_kib_for_a_peer_and_nothing_once_it_is_dropped() {
    const PEERS: usize = 4;
    let patience = Patience { slow_closing: Duration::from_millis(500), ..patience() };
    let server = TestServer::setup().set("MAX_QUEUE_BYTES", "65536").patience(patience).start().await;
    let address = server.address();
    let port = address.rsplit_once(':').expect("a port").1;
    store_a_page(&server).await;
    let mut deaf = Vec::new();
    for _ in 0..PEERS {
        deaf.push(asking_for_pages(&server, 10).await);
    }
    let deadline = Instant::now() + DEADLINE;
    let (mut most, mut full) = (0, 0);
    loop {
        let kept = kept_bytes(port);
        most = kept.iter().copied().max().unwrap_or_default().max(most);
        full = full.max(kept.iter().filter(|bytes| **bytes > 64 * 1024).count());
        if full > 0 && kept.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "still kept: {kept:?}");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(full > 0 && most <= 256 * 1024, "{most} bytes for one");
    drop(deaf);
}

/// The writer can't go on, so nothing more of a connection with a command under way is read.
#[tokio::test]
async fn whoever_is_not_read_is_not_silent() {
    let server = TestServer::setup().set("MAX_INFLIGHT", "1").patience(patience()).start().await;
    let mut client = RawClient::connect(&server.address(), &server.sudden_token(person(1))).await;
    let create = json!({ "t": CREATE, "id": "x", "d": { "channel_id": "general", "content": "wait" } }).to_string();
    let held = Hold::take(&server.database());
    client.send(&masked(FIN | TEXT, create.as_bytes())).await;
    sleep(2 * patience().max_silence).await;
    drop(held);
    loop {
        let (_, payload) = client.frame().await.expect("a frame");
        if String::from_utf8_lossy(&payload).contains("create.ok") {
            break;
        }
    }
}
