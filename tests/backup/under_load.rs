//! Backups of a server that appends as fast as it can: each is of one moment.

#![cfg(unix)]

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::client::{CREATE, Client};
use crate::support::corpus::{Corpus, signing_key};
use crate::support::person;
use crate::support::process::Site;
use crate::support::program::Run;

const BACKUPS: usize = 6;

/// What is there already: so much that it is not copied in one go.
const EARLIER: u64 = 5_000;

/// Sends one message after the other until it is told to stop. Returns how many were acknowledged.
async fn chatter(mut client: Client, stop: &AtomicBool) -> u64 {
    let mut acked = 0;
    while !stop.load(Ordering::Relaxed) {
        client.get(CREATE, json!({ "channel_id": "general", "content": format!("message {acked}") })).await;
        acked += 1;
    }
    acked
}

#[tokio::test]
async fn backups_of_a_busy_server_are_each_of_one_moment_and_hold_what_was_acknowledged() {
    let mut site = Site::new().await;
    site.set("SERVER_SECRET_KEY", signing_key().to_hex().reveal());
    site.set("SERVER_PUBLIC_KEY", &signing_key().public().to_string());
    Corpus::create(&site.database()).batch("general", EARLIER);
    let server = site.serve().await;
    let (first, second) = (site.connect(&server, person(1)).await, site.connect(&server, person(2)).await);
    let stop = AtomicBool::new(false);
    let backups = async {
        let mut lengths = Vec::new();
        for number in 0..BACKUPS {
            let name = format!("b{number}.tar.zst");
            let report = run(&site, vec!["backup".into(), "--json".into(), "-o".into(), name]).await;
            let report: serde_json::Value = serde_json::from_str(&report.stdout).expect("JSON");
            assert_eq!(report["manifest"]["faults"], 0, "{report}");
            lengths.push(report["manifest"]["chain_length"].as_u64().expect("a length"));
        }
        stop.store(true, Ordering::Relaxed);
        lengths
    };
    let (lengths, one, two) = tokio::join!(backups, chatter(first, &stop), chatter(second, &stop));
    assert!(lengths.is_sorted() && lengths.first() < lengths.last(), "nothing was written meanwhile: {lengths:?}");
    let all = EARLIER + one + two;
    assert!(lengths.last().is_some_and(|length| *length <= all));
    for (number, length) in lengths.iter().enumerate() {
        let dry = run(&site, vec!["restore".into(), "--dry-run".into(), format!("b{number}.tar.zst")]).await;
        let rest = all - length;
        assert!(dry.stdout.contains(&format!("entries; the backup lacks the last {rest}")) || rest < 2, "{dry:?}");
        assert!(dry.stdout.contains("in use by coms serve"), "{dry:?}");
    }
    drop(server);
}

/// Runs the program, which must succeed, while the test's server goes on.
async fn run(site: &Site, arguments: Vec<String>) -> Run {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut command = site.command(&arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread").expect("it ends");
    let run = Run::of(&output);
    assert_eq!(run.code, Some(0), "{arguments:?}: {run:?}");
    run
}
