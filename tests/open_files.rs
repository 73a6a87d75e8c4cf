//! A server that may open few files: what it has goes on, newcomers are told, and the log says so once.

use std::process::Command;

use serde_json::json;

use crate::support::client::{HISTORY, SEARCH, SYNC};
use crate::support::person;
use crate::support::process::{ServeProcess, Site};
use crate::support::raw::{RawClient, UPGRADE, http};

/// A server that may open `limit` files.
async fn limited(site: &Site, limit: u32) -> ServeProcess {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" serve"), env!("CARGO_BIN_EXE_coms")]);
    command.current_dir(site.home.path()).env_clear();
    ServeProcess::start(site.configured(command)).await
}

/// With the smaller limit the system refuses before the server does.
#[tokio::test]
async fn newcomers_are_told_and_everyone_else_goes_on() {
    for limit in [160, 48] {
        let site = Site::new().await;
        let mut server = limited(&site, limit).await;
        let mut ada = site.connect(&server, person(1)).await;
        let request = format!("GET /connect?token={}", site.token(person(2)));
        let mut held = Vec::new();
        let refusal = loop {
            // Whoever is not upgraded is refused in the same words.
            let answer = http(&server.address, &request, &[]).await;
            if answer.status == 503 {
                break answer;
            }
            held.push(RawClient::connect(&server.address, &site.token(person(2))).await);
            assert!(held.len() < 160, "there is room for any number");
        };
        assert_eq!(refusal.json(), json!({ "error": "server_full" }), "{limit}");
        assert_eq!(refusal.header("retry-after"), Some("5"));
        for _ in 0..10 {
            assert_eq!(http(&server.address, &request, &UPGRADE).await.status, 503, "{limit}");
        }
        for (t, d) in [
            (HISTORY, json!({ "channel_id": "general" })),
            (SEARCH, json!({ "channel_id": "general", "query": "x" })),
            (SYNC, json!({})),
        ] {
            let id = ada.send(t, d).await;
            assert_ne!(ada.answer_to(&id).await["t"], "zync.core.error", "{t}");
        }
        held.clear();
        while http(&server.address, &request, &[]).await.status == 503 {}
        server.terminate();
        let log = server.whole_log().await;
        assert_eq!(log.matches("no room for new connections").count(), 1, "{log}");
    }
}
