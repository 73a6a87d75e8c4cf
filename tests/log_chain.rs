//! The routes of the log chain as whoever asks sees them, well-meaning or not; what is in the answers, `verify_chain` checks.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

#[cfg(unix)]
use crate::support::client::HISTORY;
use crate::support::client::{CREATE, Client};
#[cfg(unix)]
use crate::support::process::Site;
#[cfg(unix)]
use crate::support::raw::{FIN, RawClient, TEXT, masked};
use crate::support::raw::{HttpAnswer, http};
use crate::support::server::{TestServer, clock_at, forward};
use crate::support::{in_time, person};
#[cfg(unix)]
use crate::verify_chain::log;

/// What is said at the end of an answer that is broken off.
const BROKEN_OFF: &str = r#"{"error":"broken_off"}"#;

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
    ask_with(address, query, narrow, "").await
}

/// The same with a token.
async fn ask_with(address: &str, query: &str, narrow: bool, token: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    if narrow {
        socket.set_recv_buffer_size(16 * 1024).expect("a size");
    }
    let mut stream = socket.connect(address.parse().expect("an address")).await.expect("a connection");
    let token = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let request = format!("GET /log-chain/entries{query} HTTP/1.1\r\nHost: {address}\r\n{token}\r\n");
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
async fn one_member_keeps_no_other_out() {
    let server = TestServer::start().await;
    let address = server.address();
    fill(server.connect(person(1)).await, 4_000).await;
    let greedy = server.sudden_token(person(1));
    let mut stalled = Vec::new();
    let busy = loop {
        let mut stream = ask_with(&address, "", true, &greedy).await;
        if status(&mut stream).await == 503 {
            break stream;
        }
        stalled.push(stream);
        assert!(stalled.len() < 100, "there is room for any number");
    };
    drop(busy);
    let token = |user| format!("Authorization: Bearer {}", server.sudden_token(person(user)));
    for (user, wanted) in [(1, 503), (2, 200), (3, 200)] {
        let answer = http(&address, "GET /log-chain/entries?from=3999", &[&token(user)]).await;
        assert_eq!(answer.status, wanted, "{user}: {answer:?}");
        let retry = answer.header("retry-after").map(|secs| secs.parse::<u64>().expect("seconds"));
        assert!(if wanted == 503 { retry.is_some_and(|secs| secs <= 20) } else { retry.is_none() }, "{answer:?}");
    }
}

#[tokio::test]
async fn who_takes_nothing_is_cut_off_before_its_turn_is_over() {
    const TURN: Duration = Duration::from_secs(20);
    let server = TestServer::setup().set("CHAIN_ACCESS", "public").start().await;
    fill(server.connect(person(1)).await, 4_000).await;
    let begun = Instant::now();
    let mut stalled = Vec::new();
    // Strangers have 16 places; there are more only when the first have gone.
    let all = async {
        while stalled.len() < 32 {
            let mut stream = ask(&server.address(), "", true).await;
            match status(&mut stream).await {
                200 => stalled.push(stream),
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    in_time("places", all).await;
    assert!(begun.elapsed() < TURN, "{:?}", begun.elapsed());
    for mut stream in stalled.into_iter().take(16) {
        let mut rest = Vec::new();
        in_time("the end", stream.read_to_end(&mut rest)).await.ok();
        assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "the answer ends as if it were whole");
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_token_that_it_was_asked_with() {
    let clock = clock_at(1_700_000_000_000);
    let setup = TestServer::setup().hold_clock(&clock).token_lifetime(Duration::from_mins(10));
    let server = setup.start().await;
    server.heartbeat_accepted().await;
    fill(server.connect(person(1)).await, 4_000).await;
    let token = server.sudden_token(person(1));
    let mut member = ask_with(&server.address(), "", true, &token).await;
    let mut anyone = ask(&server.address(), "", true).await;
    assert_eq!((status(&mut member).await, status(&mut anyone).await), (200, 200));
    forward(&clock, Duration::from_mins(11));
    for (mut stream, is_whole) in [(member, false), (anyone, true)] {
        let mut rest = Vec::new();
        in_time("the end", stream.read_to_end(&mut rest)).await.ok();
        assert_eq!(rest.ends_with(b"\r\n0\r\n\r\n"), is_whole);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_stream_ends_when_its_auditor_s_token_is_revoked() {
    let site = Site::new().await;
    let server = site.serve().await;
    fill(site.connect(&server, person(1)).await, 12_000).await;
    let auditor = |arguments: &[&str]| {
        let output = site.command(&[&["token", "auditor"], arguments].concat()).output().expect("the program starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    let token = auditor(&["add", "--name", "Grace"]);
    let mut stream = ask_with(&server.address, "", true, &token).await;
    let url = format!("http://{}/log-chain/entries", server.address);
    let client = reqwest::Client::builder().no_zstd().build().expect("a client");
    let mut packed = client.get(url).bearer_auth(&token).send().await.expect("an answer");
    assert_eq!(status(&mut stream).await, 200);
    auditor(&["revoke", "Grace"]);
    let mut rest = Vec::new();
    in_time("the end", stream.read_to_end(&mut rest)).await.ok();
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "it was answered to the end");
    let end = String::from_utf8_lossy(&rest[rest.len().saturating_sub(40)..]).into_owned();
    assert!(end.contains(BROKEN_OFF), "{end}");
    // Compressed, too.
    let mut text = Vec::new();
    let broken = loop {
        match in_time("a piece", packed.chunk()).await {
            Ok(Some(piece)) => text.extend_from_slice(&piece),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(
        broken && text.ends_with(BROKEN_OFF.as_bytes()),
        "{}",
        String::from_utf8_lossy(&text[text.len().saturating_sub(99)..])
    );
}

#[tokio::test]
async fn http_1_0_gets_no_entries_since_a_part_would_look_whole() {
    let server = TestServer::start().await;
    for (route, wanted) in [("entries", "505 "), ("head", "200 ")] {
        let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
        let request = format!("GET /log-chain/{route} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a reader");
        let mut answer = String::new();
        in_time("an answer", stream.read_to_string(&mut answer)).await.expect("text");
        assert!(answer.starts_with(&format!("HTTP/1.0 {wanted}")), "{answer}");
    }
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

#[cfg(unix)]
#[tokio::test]
async fn a_page_that_can_not_be_read_does_not_pass_off_those_before_it_for_the_whole() {
    let mut site = Site::new().await;
    let key = log::key();
    site.set("SERVER_SECRET_KEY", key.to_hex().reveal());
    site.set("SERVER_PUBLIC_KEY", &key.public().to_string());
    site.set("CHAIN_ACCESS", "public");
    log::write_log(&site.database(), &log::steps(3_000));
    // Not in the first page.
    log::tamper(&site.database(), "UPDATE entry SET hash = x'00' WHERE idx = 2500");
    let server = site.serve().await;
    let mut stream = ask(&server.address, "", false).await;
    let mut answer = Vec::new();
    in_time("the end", stream.read_to_end(&mut answer)).await.ok();
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 200 ") && text.contains(r#"{"index":2499,"#), "what can be read comes");
    assert!(
        !text.contains(r#"{"index":2500,"#) && !text.ends_with("\r\n0\r\n\r\n"),
        "the answer ends as if it were whole"
    );
    coms::central::install_tls();
    for packing in ["plain", "gzip", "zstd"] {
        let builder = reqwest::Client::builder();
        let builder = match packing {
            "gzip" => builder.no_zstd(),
            "zstd" => builder.no_gzip(),
            _ => builder.no_gzip().no_zstd(),
        };
        let url = format!("http://{}/log-chain/entries", server.address);
        let answer = builder.build().expect("a client").get(&url).send().await.expect("the beginning of an answer");
        assert!(answer.bytes().await.is_err(), "{packing}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn those_who_read_are_told_that_the_server_stops() {
    let site = Site::new().await;
    let mut server = site.serve().await;
    fill(site.connect(&server, person(1)).await, 12_000).await;
    let mut stream = ask(&server.address, "", true).await;
    assert_eq!(status(&mut stream).await, 200);
    server.terminate();
    let mut rest = Vec::new();
    in_time("the end", stream.read_to_end(&mut rest)).await.ok();
    let end = String::from_utf8_lossy(&rest[rest.len().saturating_sub(40)..]).into_owned();
    assert!(end.contains(BROKEN_OFF), "{end}");
    assert_eq!(server.wait().await, Some(0));
}
