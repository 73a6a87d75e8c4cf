//! Contents over HTTP: what a server says in its events, against its entries, all of them.

use serde_json::Value;

use super::log::{key, steps, tamper, write_log};
use crate::support::chain::open;
use crate::support::person;
use crate::support::process::{ServeProcess, Site};

/// More than the verifier holds back until it asks for events, and no multiple of a page.
const ENTRIES: usize = 5_300;

/// A server whose database has a log of [`ENTRIES`].
async fn site() -> Site {
    let mut site = Site::new().await;
    let seed = [42; 32];
    site.set("SERVER_SECRET_KEY", &(hex::encode(seed) + &key().public().to_string()));
    site.set("SERVER_PUBLIC_KEY", &key().public().to_string());
    assert_eq!(write_log(&site.database(), &steps(ENTRIES)).len(), ENTRIES);
    site
}

fn verify(site: &Site, server: &ServeProcess) -> (Option<i32>, Value) {
    let url = format!("http://{}", server.address);
    let arguments = ["verify-chain", "--manifest", &url, "--no-state", "--json", "--contents", "--token", "-"];
    let run = site.home.run_with_input(&arguments, &site.token(person(1)));
    (run.code, serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_of_a_long_log_is_passed_over() {
    let site = site().await;
    let server = site.serve().await;
    let (code, report) = verify(&site, &server);
    assert_eq!((code, &report["verdict"], &report["level"]), (Some(0), &"intact".into(), &"full+contents".into()));
    let notes = report["notes"].as_array().expect("notes");
    assert!(notes.len() == 1 && notes[0].as_str().is_some_and(|note| note.contains("author")), "{notes:?}");
    drop(server);

    // One in forty, so that there are fewer than are listed.
    tamper(&site.database(), "UPDATE message SET content = content || '.' WHERE key % 40 = 0 AND deleted_at IS NULL");
    let server = site.serve().await;
    let (code, report) = verify(&site, &server);
    let found = report["breaks"].as_array().expect("a list");
    assert_eq!(code, Some(1), "{report}");
    assert!(found.iter().all(|fault| fault["kind"] == "content"), "{report}");
    let count = "SELECT count(*) FROM message WHERE key % 40 = 0 AND deleted_at IS NULL";
    let changed: usize = open(&site.database()).query_row(count, [], |row| row.get(0)).expect("a count");
    assert!(changed > 50, "{changed}");
    assert_eq!(found.len(), changed, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_creation_that_was_changed_is_found_from_without() {
    let site = site().await;
    tamper(&site.database(), "UPDATE message SET created_at = created_at - 60000 WHERE entry = 20");
    let server = site.serve().await;
    let (code, report) = verify(&site, &server);
    // Adopted messages may show such times as well; which those are, only the database knows.
    assert_eq!((code, &report["verdict"]), (Some(0), &"consistent".into()), "{report}");
    assert!(
        report["notes"][0].as_str().is_some_and(|note| note.contains("creation than their entry has: 1.")),
        "{report}"
    );
    let run = site.home.run(&["verify-chain", "--db", "messages.db", "--no-state"]);
    assert!(run.code == Some(1) && run.stdout.contains("break at 20: timestamp"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_does_not_show_is_not_called_verified() {
    let mut site = site().await;
    site.set("FEATURE_TEXT_CHANNELS", "false");
    let server = site.serve().await;
    let (code, report) = verify(&site, &server);
    assert_eq!((code, &report["verdict"], &report["level"]), (Some(0), &"consistent".into(), &"full".into()));
    let note = report["notes"][0].as_str().expect("a note");
    assert!(note.contains(&format!("what {ENTRIES} of the entries are about")), "{note}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_gone_is_told_from_within_and_from_without() {
    let site = site().await;
    drop(site.serve().await);
    // The last message and one in the middle of the log, lost as an adoption leaves them.
    let lost = "(500, (SELECT max(key) FROM message))";
    let name = format!("SET message_id = (SELECT id FROM message m WHERE m.key = message) WHERE message IN {lost}");
    let sql = format!("UPDATE entry {name}; UPDATE entry SET message = NULL WHERE message_id IS NOT NULL");
    tamper(&site.database(), &format!("{sql}; DELETE FROM message WHERE key IN {lost}"));
    let server = site.serve().await;
    let (code, report) = verify(&site, &server);
    assert_eq!((code, &report["verdict"]), (Some(0), &"consistent".into()), "{report}");
    let run = site.home.run(&["verify-chain", "--db", "messages.db", "--no-state"]);
    assert!(run.code == Some(1) && run.stdout.contains("content: message"), "{run:?}");
}
