//! What was deleted is gone from the disk: no byte of its text, of what it said before, or of its words in the index, in
//! any file beside the database, even when the program is killed right after.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::client::Client;
use crate::support::process::Site;
use crate::support::{DEADLINE, person};

/// A text of the most characters, over many pages, of words that stand nowhere else; some with accents and capitals,
/// which the index keeps in another form.
fn text(number: usize, version: usize) -> String {
    let word = |at: usize| format!("Zygé{number:02}x{version}x{at:03}");
    let words: Vec<String> = (0..300).map(word).collect();
    words.join(" ")
}

/// What must not be found, of all versions of a text: its first and last word as they were said, and as the index has them.
fn traces(number: usize) -> Vec<String> {
    let at = |version: usize| [0, 150, 299].map(|at| format!("{number:02}x{version}x{at:03}"));
    (0..3).flat_map(at).flat_map(|end| [format!("Zygé{end}"), format!("zyge{end}"), format!("zygé{end}")]).collect()
}

/// Those of `traces` that stand in some file of the site.
fn found(site: &Site, traces: &[String]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in fs::read_dir(site.home.path()).expect("the directory") {
        // Files beside the database come and go.
        let bytes = fs::read(file.expect("a file").path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        found.extend(traces.iter().filter(|trace| text.contains(*trace)).cloned());
    }
    found
}

/// Waits until nothing of `traces` is found: there is no event for that.
async fn assert_gone(site: &Site, traces: &[String]) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let found = found(site, traces);
        if found.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "still in the files: {found:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn post_versions(client: &mut Client, number: usize) -> Value {
    let message = client.post(&text(number, 0)).await;
    client.edit(&message, &text(number, 1)).await;
    client.edit(&message, &text(number, 2)).await;
    message
}

#[tokio::test]
async fn nothing_of_a_deleted_message_is_left_in_any_file() {
    let site = Site::new().await;
    let mut server = site.serve().await;
    let mut client = site.connect(&server, person(1)).await;
    let mut messages = Vec::new();
    for number in 0..6 {
        messages.push(post_versions(&mut client, number).await);
        client.post(&format!("something that stays {number}")).await;
    }
    let kept = traces(0)[..3].to_vec();
    let gone: Vec<String> = (1..6).flat_map(traces).collect();
    assert!(found(&site, &gone).len() > 3 * 5, "what was never there is easily gone");
    for message in &messages[1..4] {
        client.delete(message).await;
    }
    assert_gone(&site, &(1..4).flat_map(traces).collect::<Vec<_>>()).await;

    // Killed before it can clean up, it does so when it starts again.
    client.delete(&messages[4]).await;
    client.delete(&messages[5]).await;
    server.kill().await;
    let mut server = site.serve().await;
    assert_gone(&site, &gone).await;
    assert!(!found(&site, &kept).is_empty(), "and the others are there");
    server.terminate();
    assert_eq!(server.wait().await, Some(0));
    assert_eq!(found(&site, &gone), BTreeSet::new());
}
