//! What is acknowledged is on the disk: the system is told to write it there, and has answered, before anyone hears of it.
//!
//! No test can cut the power. What it can see is the system call, with a library that is loaded into the real server before
//! any other.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::person;
use crate::support::process::{ServeProcess, Site};

/// Builds the library. The C compiler is there: SQLite is built with it, too.
#[expect(clippy::disallowed_methods, reason = "the compiler is no setting of the program")]
fn log_syncs(site: &Site) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/durability/log_syncs.c");
    let library = site.home.join("log_syncs.so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut build = Command::new(compiler);
    build.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).args([source, "-ldl"]);
    assert!(build.status().expect("a C compiler").success(), "it does not compile");
    library
}

#[tokio::test]
async fn every_acknowledged_change_was_synced_before() {
    let site = Site::new().await;
    let log = site.home.join("syncs");
    let mut command = site.command(&["serve"]);
    command.env("LD_PRELOAD", log_syncs(&site)).env("SYNC_LOG", &log);
    let server = ServeProcess::start(command).await;
    let mut ada = site.connect(&server, person(1)).await;
    let synced = || fs::read_to_string(&log).unwrap_or_default().lines().count();
    let mut before = synced();
    let mut is_new = |what: &str| {
        let now = synced();
        assert!(now > before, "{what} was acknowledged before it was synced");
        before = now;
    };
    for number in 0..5 {
        let message = ada.post(&format!("number {number}")).await;
        is_new("a create");
        ada.edit(&message, "something else").await;
        is_new("an edit");
        ada.delete(&message).await;
        is_new("a deletion");
    }
}
