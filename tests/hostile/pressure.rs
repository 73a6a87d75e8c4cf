//! Clients that send without reading, or never read: what they make the server keep is bounded, and others go on.

use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::support::client::{CREATE, Client, HISTORY, Heard, SYNC};
use crate::support::hold::Hold;
use crate::support::person;
use crate::support::process::{ServeProcess, Site};
use crate::support::raw::{FIN, RawClient, TEXT, masked};
use crate::support::server::TestServer;

/// A connection of which the system keeps little that was not read.
async fn narrow(address: &str) -> tokio::net::TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("a size");
    socket.connect(address.parse().expect("an address")).await.expect("a connection")
}

/// As long as a message can be, in bytes.
fn long_text(number: u64) -> String {
    format!("{number:04}{}", "😀".repeat(3996))
}

#[tokio::test]
async fn who_never_reads_is_told_where_to_resume_and_others_miss_nothing() {
    let mut site = Site::new().await;
    site.set("MAX_QUEUE_BYTES", "65536");
    let server = site.serve().await;
    let (mut ada, mut ben) = (site.connect(&server, person(1)).await, site.connect(&server, person(2)).await);
    let stream = narrow(&server.address).await;
    let mut idle = Client::over(stream, &server.address, &site.token(person(3))).await.expect("an upgrade");
    let count = 200;
    let posting = async {
        for number in 0..count {
            ada.post(&long_text(number)).await;
        }
    };
    let listening = async {
        for number in 0..count {
            let created = loop {
                let frame = ben.next().await;
                if frame["t"] == CREATE {
                    break frame;
                }
            };
            assert_eq!(created["d"]["chain_index"], number, "in order, each once");
        }
    };
    tokio::join!(posting, listening);

    let last = told_where_to_resume(&mut idle).await;
    assert!(last < count - 1, "it got everything");
    let mut idle = site.connect(&server, person(3)).await;
    let mut next = last;
    while next < count - 1 {
        let page = idle.get(SYNC, json!({ "after": next, "limit": 1000 })).await;
        for event in page["events"].as_array().expect("events") {
            assert_eq!(event["d"]["chain_index"], next + 1);
            next += 1;
        }
    }
}

/// Reads to the end, which must be that it was too slow, and name the last entry that came.
async fn told_where_to_resume(client: &mut Client) -> u64 {
    let mut last = None;
    let end = loop {
        match client.hear().await {
            Heard::Text(text) => {
                let frame: Value = serde_json::from_str(&text).expect("JSON");
                last = frame["d"]["chain_index"].as_u64().or(last);
            }
            Heard::End(end) => break end,
        }
    };
    let last = last.expect("something came before it was too much");
    assert_eq!(end, Some((1013, format!("resume after {last}"))));
    last
}

/// Many short messages are taken to be sent at once, and only the first of them is sent in part.
#[tokio::test]
async fn who_stops_reading_is_told_the_last_entry_that_is_sent_and_not_the_last_that_was_to_be() {
    let site = Site::new().await;
    let server = site.serve().await;
    let mut ada = site.connect(&server, person(1)).await;
    let stream = narrow(&server.address).await;
    let mut slow = Client::over(stream, &server.address, &site.token(person(2))).await.expect("an upgrade");
    let text = "x".repeat(4000);
    // More than the system keeps for it, and less than the server does.
    for _ in 0..160 {
        ada.post(&text).await;
    }
    for _ in 0..40 {
        slow.next().await;
    }
    // So much that whoever takes nothing of it has fallen behind, however fast it came.
    for _ in 0..2500 {
        ada.post(&text).await;
    }
    assert!(told_where_to_resume(&mut slow).await < 160, "it took more than it could");
}

/// The memory that the program has, in KiB.
#[cfg(target_os = "linux")]
fn memory_kib(server: &ServeProcess) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("a running program");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn floods_without_reading_are_held_up_and_not_kept() {
    let site = Site::new().await;
    let server = site.serve().await;
    let mut ada = site.connect(&server, person(1)).await;
    for number in 0..20 {
        ada.post(&long_text(number)).await;
    }
    let history = json!({ "t": HISTORY, "id": "x", "d": { "channel_id": "general" } }).to_string();
    let list = json!({ "t": "zync.channels.list", "id": "x" }).to_string();
    let floods = [
        ("requests with long answers", masked(FIN | TEXT, history.as_bytes())),
        ("requests with short answers", masked(FIN | TEXT, list.as_bytes())),
        ("refusals", masked(FIN | TEXT, b"{}")),
    ];
    // What a first connection of each kind makes the program allocate for good is not what is measured.
    for (what, frame) in &floods {
        flood(&site, &server, frame).await.unwrap_or_else(|| panic!("{what} were taken without end"));
    }
    let before = memory_kib(&server);
    let mut held = Vec::new();
    for (what, frame) in &floods {
        for _ in 0..2 {
            held.push(flood(&site, &server, frame).await.unwrap_or_else(|| panic!("{what} were taken without end")));
        }
        ada.post("undisturbed").await;
    }
    let grown = memory_kib(&server).saturating_sub(before);
    assert!(grown < 2048 * held.len() as u64, "{grown} KiB for {} connections", held.len());

    // Whoever reads again gets every answer.
    let mut first = held.pop().expect("it was held up");
    for _ in 0..first.frames {
        loop {
            let (_, payload) = first.client.frame().await.expect("a frame");
            if payload.starts_with(br#"{"t":"zync.core.error""#) {
                break;
            }
        }
    }
}

/// A client that sent so many frames until no more was taken.
struct Flooded {
    client: RawClient,
    frames: usize,
}

/// Sends `frame` without reading; `None` if there is no end to it.
async fn flood(site: &Site, server: &ServeProcess, frame: &[u8]) -> Option<Flooded> {
    const AT_ONCE: usize = 100;
    const MOST_BYTES: usize = 64 * 1024 * 1024;
    let stream = narrow(&server.address).await;
    let mut client = RawClient::over(stream, &server.address, &site.token(person(9))).await;
    let most = MOST_BYTES / (frame.len() * AT_ONCE);
    let sent = client.flood(&frame.repeat(AT_ONCE), most).await;
    (sent < most).then_some(Flooded { client, frames: sent * AT_ONCE })
}

/// The writer can't go on while another program holds the database: meanwhile no more than the limit is taken on.
#[tokio::test]
async fn requests_under_way_are_bounded_and_the_rest_waits_unread() {
    let server = TestServer::setup().set("MAX_INFLIGHT", "4").start().await;
    let mut client = RawClient::connect(&server.address(), &server.sudden_token(person(1))).await;
    let create = json!({ "t": CREATE, "id": "x", "d": { "channel_id": "general", "content": "wait" }, "pad": "x".repeat(60_000) });
    let frame = masked(FIN | TEXT, create.to_string().as_bytes());
    let held = Hold::take(&server.database());
    let most = 64 * 1024 * 1024 / frame.len();
    let sent = client.flood(&frame, most).await;
    assert!(sent < most, "all was taken");
    drop(held);
    let mut answered = 0;
    while answered < sent {
        let (_, payload) = client.frame().await.expect("a frame");
        let frame: Value = serde_json::from_slice(&payload).expect("JSON");
        answered += usize::from(frame["t"] == "zync.channels.message.create.ok");
    }
    let mut ada = server.connect(person(1)).await;
    ada.post("after them").await;
}

/// A create whose id, which its answer has too, is nearly as long as a frame can be.
fn create_with_a_long_id() -> Vec<u8> {
    let d = json!({ "channel_id": "general", "content": "wait" });
    masked(FIN | TEXT, json!({ "t": CREATE, "id": "x".repeat(60_000), "d": d }).to_string().as_bytes())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_waits_for_the_writer_is_bounded_in_bytes() {
    const CONNECTIONS: u8 = 16;
    let mut site = Site::new().await;
    site.set("MAX_PENDING_COMMANDS", "512");
    // What may wait for one connection is not what bounds it here.
    site.set("MAX_QUEUE_BYTES", "67108864");
    let server = site.serve().await;
    let mut clients = Vec::new();
    for number in 0..CONNECTIONS {
        let stream = narrow(&server.address).await;
        clients.push(RawClient::over(stream, &server.address, &site.token(person(number))).await);
    }
    let frame = create_with_a_long_id();
    let held = Hold::take(&site.database());
    let before = memory_kib(&server);
    // All at once: the writer waits for five seconds only.
    let floods = clients.iter_mut().map(|client| client.flood(&frame, 400));
    let sent: usize = futures_util::future::join_all(floods).await.into_iter().sum();
    let grown = memory_kib(&server).saturating_sub(before);
    drop(held);
    assert!(grown < 16 * 1024, "{grown} KiB for {sent} commands");
    drop(clients);
    site.connect(&server, person(100)).await.post("after them").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn answers_to_come_count_as_bytes_that_wait_for_their_connection() {
    let mut site = Site::new().await;
    site.set("MAX_QUEUE_BYTES", "65536");
    let server = site.serve().await;
    let stream = narrow(&server.address).await;
    let mut client = RawClient::over(stream, &server.address, &site.token(person(1))).await;
    let held = Hold::take(&site.database());
    let before = memory_kib(&server);
    let sent = client.flood(&create_with_a_long_id(), 800).await;
    let grown = memory_kib(&server).saturating_sub(before);
    drop(held);
    assert!(grown < 4 * 1024, "{grown} KiB for {sent} commands");
}

/// Typing is state: however much of it there is, nobody falls behind because of it.
#[tokio::test]
async fn no_flood_of_typing_closes_anybody_or_costs_them_an_event() {
    let mut site = Site::new().await;
    site.set("MAX_QUEUE_BYTES", "65536");
    let server = site.serve().await;
    let mut ada = RawClient::connect(&server.address, &site.token(person(1))).await;
    let mut fast = site.connect(&server, person(2)).await;
    let stream = narrow(&server.address).await;
    let mut slow = Client::over(stream, &server.address, &site.token(person(3))).await.expect("an upgrade");
    // 24 MB of it, if each were told; by turns, and over and over.
    let typing =
        |t: &str| masked(FIN | TEXT, json!({ "t": t, "d": { "channel_id": "general" } }).to_string().as_bytes());
    let start = typing("zync.channels.typing.start");
    let both = [start.clone(), typing("zync.channels.typing.stop")].concat();
    let ping = masked(FIN | TEXT, br#"{"t":"zync.core.ping","id":"done"}"#);
    for flood in [start.repeat(100_000), both.repeat(50_000)] {
        ada.send(&[flood, ping.clone()].concat()).await;
        while !ada.frame().await.expect("a frame").1.starts_with(br#"{"t":"zync.core.pong""#) {}
    }
    let posted = fast.post("after all of it").await;
    let told = fast.events().await;
    assert!(told.len() < 10_000, "{}", told.len());
    let mut told = slow.events().await;
    assert!(told.len() < 5000, "{}", told.len());
    told.retain(|event| event["t"] == CREATE);
    assert_eq!((told.len(), &told[0]["d"]["id"]), (1, &posted["id"]));
}
