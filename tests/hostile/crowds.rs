//! Many at once, and those who open connections and say nothing.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::client::{CREATE, Heard};
use crate::support::raw::{UPGRADE, http};
use crate::support::server::TestServer;
use crate::support::{in_time, person};

/// Connects, sends `start` of a request and no more of it.
async fn half_open(address: &str, start: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(start.as_bytes()).await.expect("a reader");
    stream
}

/// A request after which the connection is kept.
const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

/// How long somebody who says nothing is borne with at the most, where a second is allowed. hyper's own limit is 30 s.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads to the end, however it comes; what came.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end").ok();
    String::from_utf8(bytes).expect("text")
}

#[tokio::test]
async fn who_does_not_finish_a_request_is_not_waited_for() {
    let server = TestServer::setup().set("HANDSHAKE_TIMEOUT_SECS", "1").set("KEEP_ALIVE_SECS", "1").start().await;
    let address = server.address();
    let mut ends = Vec::new();
    for start in ["", "GET /conn", "GET /connect?token=x HTTP/1.1\r\nHost: x\r\n", "GET /health HTTP/1.1\r\nA: b"] {
        let stream = half_open(&address, start).await;
        ends.push(rest(stream));
    }
    // One who says a little now and then gains nothing by it.
    let mut slow = half_open(&address, "GET /health HTTP/1.1\r\n").await;
    ends.push(rest(TcpStream::connect(&address).await.expect("a connection")));
    let dripping = async {
        let mut pause = tokio::time::interval(Duration::from_millis(100));
        while slow.write_all(b"X-More: x\r\n").await.is_ok() {
            pause.tick().await;
        }
    };
    let (ends, dripped) = tokio::join!(join_all(ends), timeout(PATIENCE, dripping));
    assert!(dripped.is_ok(), "whoever says a little now and then is listened to for ever");
    assert!(ends.iter().all(|end| end.is_empty() || end.starts_with("HTTP/1.1 408")), "{ends:?}");
    // Nor is one who has had an answer, and then says nothing.
    let kept = half_open(&address, HEALTH).await;
    assert!(rest(kept).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_answered_connection_outlives_the_time_for_handshakes() {
    let server = TestServer::setup().set("HANDSHAKE_TIMEOUT_SECS", "1").start().await;
    let mut kept = half_open(&server.address(), HEALTH).await;
    in_time("an answer", kept.read_exact(&mut [0; 12])).await.expect("an answer");
    // Those came later, one after the other, and are gone.
    for _ in 0..2 {
        rest(half_open(&server.address(), "GET").await).await;
    }
    kept.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("a reader");
    assert_eq!(rest(kept).await.matches("HTTP/1.1 200").count(), 1);
}

#[tokio::test]
async fn silent_connections_do_not_keep_others_out() {
    let server = TestServer::setup().set("MAX_HANDSHAKES", "8").set("HANDSHAKE_TIMEOUT_SECS", "300").start().await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(half_open(&server.address(), "GET /connect?token=").await);
    }
    server.connect(person(1)).await.post("came through").await;
    // Those who gave way were cut off; nobody else was.
    let first = silent.remove(0);
    assert_eq!(rest(first).await, "");
}

/// How long somebody waits behind a crowd at the most. A second is allowed, and the crowd was waited for by the second.
const BEHIND_A_CROWD: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_crowd_of_silent_connections_is_through_soon() {
    let server = TestServer::setup().set("MAX_HANDSHAKES", "32").set("HANDSHAKE_TIMEOUT_SECS", "300").start().await;
    let address = server.address();
    let silent = join_all((0..400).map(|number| half_open(&address, ["", "GET /conn"][number % 2]))).await;
    timeout(BEHIND_A_CROWD, server.connect(person(1))).await.expect("a place soon").post("came through").await;
    drop(silent);
}

#[tokio::test]
async fn who_was_answered_gives_way_to_who_was_not() {
    let server = TestServer::setup().set("MAX_HANDSHAKES", "8").set("HANDSHAKE_TIMEOUT_SECS", "300").start().await;
    let address = server.address();
    let mut slow = half_open(&address, "GET /health HTTP/1.1\r\n").await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut kept = half_open(&address, HEALTH).await;
        in_time("an answer", kept.read_exact(&mut [0; 12])).await.expect("an answer");
        idle.push(kept);
    }
    server.connect(person(1)).await.post("came through").await;
    slow.write_all(b"Host: x\r\nConnection: close\r\n\r\n").await.expect("a reader");
    assert!(rest(slow).await.starts_with("HTTP/1.1 200"), "the one that was not answered had to go");
}

/// Asks for the head of the log over one connection after the other, each for as long as it lasts.
async fn poll_head(address: String) {
    loop {
        let Ok(mut stream) = TcpStream::connect(&address).await else { continue };
        let mut bytes = [0; 4096];
        while stream.write_all(b"GET /log-chain/head HTTP/1.1\r\nHost: x\r\n\r\n").await.is_ok() {
            if !matches!(stream.read(&mut bytes).await, Ok(1..)) {
                break;
            }
        }
    }
}

/// How long a connect may take beside many that ask without a pause. A quarter of a second is promised; the machine may
/// have other things to do.
const BESIDE_POLLING: Duration = Duration::from_millis(700);

#[tokio::test]
async fn no_connect_waits_for_those_who_ask_again_and_again() {
    let server = TestServer::setup().set("MAX_HANDSHAKES", "64").start().await;
    let polling: Vec<_> = (0..70).map(|_| tokio::spawn(poll_head(server.address()))).collect();
    let mut took = Vec::new();
    for _ in 0..9 {
        let begun = Instant::now();
        server.connect(person(1)).await.close().await;
        took.push(begun.elapsed());
    }
    polling.iter().for_each(tokio::task::JoinHandle::abort);
    took.sort_unstable();
    assert!(took[4] < BESIDE_POLLING, "{took:?}");
}

#[tokio::test]
async fn hundreds_come_at_once_and_all_are_served() {
    let server = TestServer::start().await;
    let user = |number: u32| person(u8::try_from(number % 200).expect("a small number"));
    let connecting = (0..300).map(|number| server.connect(user(number)));
    let mut clients = in_time("three hundred greetings", join_all(connecting)).await;
    let health = http(&server.address(), "GET /health", &[]).await.json();
    assert_eq!(health["online"], 200, "people, not connections");
    clients[0].post("hello to all").await;
    for client in &mut clients[1..] {
        loop {
            let Heard::Text(text) = client.hear().await else { panic!("somebody was dropped") };
            if text.contains(CREATE) {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_is_too_big_is_refused() {
    let server = TestServer::start().await;
    let address = server.address();
    let token = server.sudden_token(person(1));
    let long = format!("GET /connect?token={}", "a".repeat(5_000));
    assert_eq!(http(&address, &long, &UPGRADE).await.status, 401);
    let after_four_kib = format!("GET /connect?token={token}{}", "A".repeat(4_000));
    assert_eq!(http(&address, &after_four_kib, &UPGRADE).await.status, 401);
    let huge = format!("GET /connect?token={}", "a".repeat(20_000));
    assert!(matches!(http(&address, &huge, &UPGRADE).await.status, 414 | 431));
    let many: Vec<String> = (0..200).map(|number| format!("X-{number}: {}", "b".repeat(100))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(http(&address, "GET /health", &many).await.status, 431);
    server.connect(person(1)).await.post("all is well").await;
}
