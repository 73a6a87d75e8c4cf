//! SIGTERM to the program in the middle of load: what it took on it answers, then it says goodbye to everyone and ends.

use std::process::Command;
use std::time::{Duration, Instant};

use coms::keys::PublicKey;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::chain::check_chain;
use crate::support::client::{CREATE, Client, HISTORY, Heard};
use crate::support::person;
use crate::support::process::{ServeProcess, Site};
use crate::support::raw::{FIN, RawClient, TEXT, masked};
use crate::support::server::PUBLIC_KEY;

/// How long a server that is told to stop may take.
const LONGEST: Duration = Duration::from_secs(10);

/// Posts as fast as it is answered until the server goes; the ids of what was acknowledged, and how the connection ended.
async fn talk_to_the_end(mut client: Client) -> (Vec<String>, Option<(u16, String)>) {
    const IN_FLIGHT: usize = 16;
    let (mut sent, mut acknowledged) = (0, Vec::new());
    loop {
        while sent < acknowledged.len() + IN_FLIGHT {
            sent += 1;
            let d = json!({ "channel_id": "general", "content": format!("text {sent}") });
            if !client.offer(CREATE, &format!("request-{sent}"), &d).await {
                break;
            }
        }
        match client.hear().await {
            Heard::Text(text) => {
                let frame: Value = serde_json::from_str(&text).expect("JSON");
                assert_ne!(frame["t"], "zync.core.error", "{frame}");
                if frame["t"] == "zync.channels.message.create.ok" {
                    acknowledged.push(frame["d"]["id"].as_str().expect("an id").to_owned());
                }
            }
            Heard::End(end) => return (acknowledged, end),
        }
    }
}

#[tokio::test]
async fn everyone_is_answered_and_told_and_the_program_ends() {
    let site = Site::new().await;
    let mut server = site.serve().await;
    let mut idle = site.connect(&server, person(9)).await;
    let mut clients = Vec::new();
    for number in 1..=4 {
        clients.push(site.connect(&server, person(number)).await);
    }
    let talking = join_all(clients.into_iter().map(talk_to_the_end));
    let watching = async {
        // Once everybody is talking.
        let mut heard = 0;
        while heard < 200 {
            let Heard::Text(text) = idle.hear().await else { panic!("it went by itself") };
            heard += u32::from(text.contains(CREATE));
        }
        server.terminate();
        let told = Instant::now();
        let end = idle.end().await;
        (end, server.wait().await, told.elapsed())
    };
    let (talked, (idle_end, code, took)) = tokio::join!(talking, watching);
    assert_eq!(code, Some(0));
    assert!(took < LONGEST, "{took:?}");
    let goodbye = Some((1001, "server is shutting down".to_owned()));
    assert_eq!(idle_end, goodbye);
    let mut acknowledged = Vec::new();
    for (ids, end) in talked {
        assert_eq!(end, goodbye);
        acknowledged.extend(ids);
    }
    assert!(TcpStream::connect(&server.address).await.is_err(), "somebody still listens");
    let report = check_chain(&site.database(), &PublicKey::from_hex(PUBLIC_KEY).expect("a key"));
    let mut stored: Vec<_> = report.messages.into_iter().map(|(id, _)| id).collect();
    stored.sort_unstable();
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, stored, "what was stored was acknowledged, and nothing else");
}

#[tokio::test]
async fn a_terminal_that_is_gone_drains_the_program_unless_it_was_started_to_outlive_it() {
    let site = Site::new().await;
    let mut server = site.serve().await;
    let mut idle = site.connect(&server, person(1)).await;
    server.hang_up();
    assert_eq!(idle.end().await, Some((1001, "server is shutting down".to_owned())));
    assert_eq!(server.wait().await, Some(0));
    if !cfg!(target_os = "linux") {
        return;
    }
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" serve", env!("CARGO_BIN_EXE_coms")]);
    command.current_dir(site.home.path()).env_clear();
    let mut server = ServeProcess::start(site.configured(command)).await;
    server.hang_up();
    let mut ada = site.connect(&server, person(1)).await;
    ada.post("still there").await;
    server.terminate();
    assert_eq!(server.wait().await, Some(0));
    assert_eq!(ada.end().await, Some((1001, "server is shutting down".to_owned())));
}

#[tokio::test]
async fn nobody_who_does_not_listen_keeps_the_program_from_ending() {
    let mut site = Site::new().await;
    site.set("DRAIN_TIMEOUT_SECS", "1");
    let mut server = site.serve().await;
    site.connect(&server, person(1)).await.post(&"😀".repeat(4000)).await;
    // Answers pile up for it that it will never take.
    let mut deaf = RawClient::connect(&server.address, &site.token(person(1))).await;
    let history = json!({ "t": HISTORY, "id": "x", "d": { "channel_id": "general" } }).to_string();
    let sent = deaf.flood(&masked(FIN | TEXT, history.as_bytes()).repeat(50), 10_000).await;
    assert!(sent < 10_000);
    let silent = TcpStream::connect(&server.address).await.expect("a connection");
    server.terminate();
    let told = Instant::now();
    assert_eq!(server.wait().await, Some(0));
    assert!(told.elapsed() < LONGEST, "{:?}", told.elapsed());
    drop((deaf, silent));
}
