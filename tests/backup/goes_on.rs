//! A community that lost its machine goes on elsewhere: with the same key, the same log, the same tokens.

#![cfg(unix)]

use age::secrecy::ExposeSecret as _;
use serde_json::json;

use super::{carry, good};
use crate::support::client::{CREATE, SYNC};
use crate::support::person;
use crate::support::process::{ServeProcess, Site};
use crate::support::program::Home;

#[tokio::test]
async fn on_an_empty_machine_the_community_goes_on() {
    let site = Site::new().await;
    write_env(&site);
    let server = site.serve().await;
    let mut alice = site.connect(&server, person(1)).await;
    alice.get(CREATE, json!({ "channel_id": "general", "content": "before" })).await;
    let key = age::x25519::Identity::generate();
    let old = &site.home;
    old.write("coms.key", key.to_string().expose_secret());
    good(old, &["backup", "-o", "b.age", "--include-secrets", "--recipient", &key.to_public().to_string()]);
    // Nobody will see this again.
    alice.get(CREATE, json!({ "channel_id": "general", "content": "lost" })).await;
    let lost = alice.get(SYNC, json!({})).await;
    drop(server);

    let new = Home::new();
    carry(old, "b.age", &new);
    carry(old, "coms.key", &new);
    good(&new, &["restore", "b.age", "--identity-file", "coms.key"]);
    let server = ServeProcess::start(new.command(&["serve"])).await;
    // The token is Central's for the same server: it is as good as it was.
    let mut alice = site.connect(&server, person(1)).await;
    let place = json!({ "after": lost["next"], "after_hash": lost["next_hash"] });
    let refused = alice.refused(SYNC, place).await;
    assert_eq!(refused["reason"], "cursor_unknown", "{refused}");
    let created = alice.get(CREATE, json!({ "channel_id": "general", "content": "after" })).await;
    assert_eq!(created["chain_index"], 1);
    let events = alice.get(SYNC, json!({})).await;
    let texts: Vec<_> = events["events"].as_array().expect("events").iter().map(|e| &e["d"]["content"]).collect();
    assert_eq!(texts, ["before", "after"]);
    drop(server);
    good(&new, &["verify-chain", "--no-state"]);
}

/// The configuration that the site gives its programs, as a file.
fn write_env(site: &Site) {
    let command = site.command(&[]);
    let variables = command.get_envs().filter(|(name, _)| *name != "HOME");
    let line = |(name, value): (&std::ffi::OsStr, Option<&std::ffi::OsStr>)| {
        format!("{}='{}'\n", name.display(), value.unwrap_or_default().display())
    };
    site.home.write(".env", &variables.map(line).collect::<String>());
}
