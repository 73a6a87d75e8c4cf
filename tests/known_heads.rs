//! A server that is started on another database than before: the heads that `coms verify-chain` remembers on this machine
//! tell, and a restored backup is no mistake.

use std::fs;

use crate::support::person;
use crate::support::process::{ServeProcess, Site};
use crate::support::program::Run;

async fn stop(mut server: ServeProcess) -> String {
    server.terminate();
    server.wait().await;
    server.whole_log().await
}

/// A site whose log has three entries that were verified.
async fn verified() -> Site {
    let site = Site::new().await;
    let server = site.serve().await;
    let mut ada = site.connect(&server, person(1)).await;
    for text in ["one", "two", "three"] {
        ada.post(text).await;
    }
    assert!(stop(server).await.contains("a new, empty one is made"));
    assert_eq!(run(&site, &["verify-chain"]).code, Some(0));
    site
}

fn run(site: &Site, arguments: &[&str]) -> Run {
    Run::of(&site.command(arguments).output().expect("the program"))
}

#[tokio::test]
async fn another_database_than_the_one_that_is_known_is_refused_unless_it_is_meant() {
    let mut site = verified().await;
    let server = site.serve().await;
    let log = stop(server).await;
    for part in ["database opened", "messages.db", "entries=3"] {
        assert!(log.contains(part), "{part}: {log}");
    }
    site.set("DB_PATH", "elsewhere/messages.db");
    let refused = run(&site, &["serve"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("a longer log of this server is known here, with 3 entries"), "{refused:?}");
    assert!(refused.stderr.contains("--new-database"), "{refused:?}");
    assert!(!site.home.join("elsewhere/messages.db").exists());

    let server = ServeProcess::start(site.command(&["serve", "--new-database"])).await;
    site.connect(&server, person(1)).await.post("another first").await;
    stop(server).await;
    // What was passed over once is passed over from then on.
    stop(site.serve().await).await;
    // The verifier goes on to remember the other log.
    assert_eq!(run(&site, &["verify-chain"]).code, Some(1));
}

#[tokio::test]
async fn an_older_copy_is_refused_and_a_restored_backup_is_served_with_a_warning() {
    let site = verified().await;
    assert_eq!(run(&site, &["backup", "-o", "early.coms"]).code, Some(0));
    let server = site.serve().await;
    site.connect(&server, person(1)).await.post("four").await;
    stop(server).await;
    assert_eq!(run(&site, &["verify-chain"]).code, Some(0));
    let restored = run(&site, &["restore", "early.coms", "--force"]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    let copy = fs::read(site.database()).expect("the database");

    let log = stop(site.serve().await).await;
    assert!(log.contains("the database is a restored backup"), "{log}");
    let log = stop(site.serve().await).await;
    assert!(!log.contains("the database is a restored backup"), "{log}");

    // Without the mark, the same log is only an older copy.
    fs::write(site.database(), copy).expect("the database");
    #[expect(clippy::disallowed_methods, reason = "not as `storage` would open it")]
    let database = rusqlite::Connection::open(site.database()).expect("a database");
    database.execute("DELETE FROM meta WHERE name = 'restored_at'", []).expect("the mark");
    drop(database);
    let refused = run(&site, &["serve"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("has 3 entries, and a longer log"), "{refused:?}");
}

#[tokio::test]
async fn known_heads_that_cannot_be_read_are_a_warning() {
    let site = verified().await;
    let state = site.home.join(".local/state/coms/verify-chain.json");
    fs::write(&state, "nonsense").expect("the known heads");
    let log = stop(site.serve().await).await;
    assert!(log.contains("the known heads can't be read"), "{log}");
}
