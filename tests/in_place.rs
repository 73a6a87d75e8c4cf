//! A server whose database is moved, removed or replaced under it acknowledges nothing that nobody would find, says so, and
//! goes on when the file is back.

use std::fs;
use std::os::unix::fs::symlink;

use coms::keys::PublicKey;
use serde_json::json;

use crate::support::chain::check_chain;
use crate::support::client::{CREATE, Client};
use crate::support::process::{ServeProcess, Site};
use crate::support::raw::http;
use crate::support::server::PUBLIC_KEY;
use crate::support::{in_time, person};

async fn assert_refused(client: &mut Client) {
    let refusal = client.refused(CREATE, json!({ "channel_id": "general", "content": "into nowhere" })).await;
    assert_eq!(refusal["reason"], "storage_unavailable", "{refusal}");
}

/// Waits until the server answers on its health with `status`.
async fn health(server: &ServeProcess, status: u16) {
    let answered = async { while http(&server.address, "GET /health", &[]).await.status != status {} };
    in_time("another state", answered).await;
}

fn texts(site: &Site) -> Vec<String> {
    let report = check_chain(&site.database(), &PublicKey::from_hex(PUBLIC_KEY).expect("a key"));
    report.messages.into_iter().map(|(_, text)| text).collect()
}

#[tokio::test]
async fn a_moved_database_is_noticed_and_goes_on_when_it_is_back() {
    let site = Site::new().await;
    let mut server = site.serve().await;
    let mut ada = site.connect(&server, person(1)).await;
    ada.post("before").await;
    assert_eq!(ada.history(10).await.len(), 1);
    let (database, elsewhere) = (site.database(), site.home.join("elsewhere.db"));
    for replacement in [None, Some("something else")] {
        fs::rename(&database, &elsewhere).expect("moved");
        if let Some(text) = replacement {
            fs::write(&database, text).expect("another file");
        }
        assert_refused(&mut ada).await;
        health(&server, 503).await;
        assert_eq!(ada.history(10).await.len(), 1, "reading goes on");
        fs::rename(&elsewhere, &database).expect("moved back");
        health(&server, 200).await;
    }
    let log = server.logged("was replaced").await;
    assert!(log.contains("`messages.db` was moved while the server runs: put it back under this name"), "{log}");
    ada.post("after").await;
    server.terminate();
    assert_eq!(server.wait().await, Some(0));
    assert_eq!(texts(&site), ["before", "after"]);
}

#[tokio::test]
async fn what_a_removed_database_held_is_copied_though_nobody_writes() {
    for replacement in [None, Some("something else")] {
        let site = Site::new().await;
        let mut server = site.serve().await;
        let mut ada = site.connect(&server, person(1)).await;
        ada.post("before").await;
        match replacement {
            None => fs::remove_file(site.database()).expect("removed"),
            Some(text) => fs::rename(site.home.write("other", text), site.database()).expect("replaced"),
        }
        health(&server, 503).await;
        let log = server.logged("what the removed database held is copied copy=messages.db.rescued").await;
        assert!(log.contains("stop the server, and give the copy this name"), "{log}");
        assert_refused(&mut ada).await;
        server.terminate();
        assert_eq!(server.wait().await, Some(0));
        if let Some(text) = replacement {
            assert_eq!(site.home.read("messages.db"), text);
        }
        for suffix in ["", "-wal", "-shm"] {
            // Not all of them are there.
            fs::remove_file(site.home.join(&format!("messages.db{suffix}"))).ok();
        }
        fs::rename(site.home.join("messages.db.rescued"), site.database()).expect("the copy");
        let server = site.serve().await;
        site.connect(&server, person(1)).await.post("after").await;
        drop(server);
        assert_eq!(texts(&site), ["before", "after"]);
    }
}

#[tokio::test]
async fn a_removed_write_ahead_log_loses_nothing() {
    for suffix in ["-wal", "-shm"] {
        let site = Site::new().await;
        let mut server = site.serve().await;
        let mut ada = site.connect(&server, person(1)).await;
        ada.post("before").await;
        fs::remove_file(site.home.join(&format!("messages.db{suffix}"))).expect("removed");
        assert_refused(&mut ada).await;
        let log = server.logged("restart the server").await;
        assert!(log.contains(&format!("messages.db{suffix}` was moved or removed")), "{log}");
        server.terminate();
        assert_eq!(server.wait().await, Some(0), "{suffix}");
        assert_eq!(texts(&site), ["before"], "{suffix}");
    }
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_noticed() {
    let mut site = Site::new().await;
    site.set("DB_PATH", "link.db");
    symlink("messages.db", site.home.join("link.db")).expect("a link");
    site.home.write("messages.db", "");
    let server = site.serve().await;
    let mut ada = site.connect(&server, person(1)).await;
    ada.post("before").await;
    site.home.write("other.db", "");
    fs::remove_file(site.home.join("link.db")).expect("the link");
    symlink("other.db", site.home.join("link.db")).expect("another link");
    assert_refused(&mut ada).await;
    health(&server, 503).await;
}
