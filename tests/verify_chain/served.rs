//! An auditor elsewhere on the machine and the real server: who may see what, what the server's own key can do, and a log
//! that grows while it is verified.

use std::fs;

use coms::ids::UserId;
use serde_json::{Value, json};

use super::log::{Step, key, steps, tamper, write_log_of};
use crate::support::client::Client;
use crate::support::process::{ServeProcess, Site};
use crate::support::program::Home;
use crate::support::server::{SERVER_ID, loopback};
use crate::support::{in_time, person};

/// A site that signs with the key of the logs that the tests make, on a port that it keeps.
async fn site() -> Site {
    let mut site = Site::new().await;
    site.set("SERVER_SECRET_KEY", &("2a".repeat(32) + &key().public().to_string()));
    site.set("SERVER_PUBLIC_KEY", &key().public().to_string());
    let port = loopback().await.local_addr().expect("an address").port();
    site.set("PORT", &port.to_string());
    site
}

fn verify(auditor: &Home, server: &ServeProcess, token: Option<&str>, more: &[&str]) -> (Option<i32>, Value) {
    let url = format!("http://{}", server.address);
    let mut arguments = vec!["verify-chain", "--manifest", &url, "--state", "memory.json", "--json"];
    arguments.extend(more);
    if token.is_some() {
        arguments.extend(["--token", "-"]);
    }
    let run = auditor.run_with_input(&arguments, token.unwrap_or_default());
    (run.code, serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}")))
}

async fn stop(mut server: ServeProcess) {
    server.terminate();
    assert_eq!(server.wait().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn access_to_the_chain_is_as_it_is_set() {
    let (mut site, auditor) = (site().await, Home::new());
    write_log_of(&site.database(), &steps(30), &key());
    let member = site.token(person(1));
    for (access, feature, anonymous, with_token) in [
        ("public", "true", (Some(0), json!("intact"), json!("full")), Some(0)),
        ("members", "true", (Some(0), json!("consistent"), json!("sealed")), Some(0)),
        ("public", "false", (Some(3), json!("unknown"), Value::Null), Some(3)),
    ] {
        site.set("CHAIN_ACCESS", access);
        site.set("FEATURE_LOG_CHAIN", feature);
        let server = site.serve().await;
        let (code, report) = verify(&auditor, &server, None, &[]);
        assert_eq!(
            (code, report["verdict"].clone(), report["level"].clone()),
            anonymous,
            "{access} {feature}: {report}"
        );
        let (code, report) = verify(&auditor, &server, Some(&member), &[]);
        assert_eq!(code, with_token, "{access} {feature}: {report}");
        assert!(code != Some(0) || report["level"] == "full", "{access} {feature}: {report}");
        stop(server).await;
    }
    site.set("CHAIN_ACCESS", "everyone");
    let run = site.command(&["serve"]).output().expect("the program ends");
    let words = String::from_utf8(run.stderr).expect("text");
    assert!(run.status.code() == Some(2) && words.contains("CHAIN_ACCESS"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_must_be_for_this_server_and_of_today() {
    let (site, auditor) = (site().await, Home::new());
    let server = site.serve().await;
    let claims = |server: &str, from: &str, until: &str| {
        let claims = json!({ "type": "scoped_server", "server_id": server, "sub": person(1).to_string(), "iat": from,
            "nbf": from, "exp": until });
        site.central.sign(&claims.to_string(), None)
    };
    let good = claims(SERVER_ID, "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
    let (code, report) = verify(&auditor, &server, Some(&good), &["--contents"]);
    assert_eq!((code, &report["entries"]), (Some(0), &0.into()), "{report}");
    for bad in [
        claims(SERVER_ID, "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"),
        claims(SERVER_ID, "2099-01-01T00:00:00Z", "2100-01-01T00:00:00Z"),
        claims("11111111-2222-4333-8444-555555555555", "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"),
        good.replacen('A', "B", 1),
        "coms-auditor-0".to_owned(),
    ] {
        // An empty log is no way around: there is an answer to read, and it needs the token.
        for more in [&["--contents"][..], &[]] {
            let (code, report) = verify(&auditor, &server, Some(&bad), more);
            assert_eq!((code, &report["verdict"]), (Some(3), &"unknown".into()), "{bad}: {report}");
        }
    }
    let run = auditor.run_with_input(&["verify-chain", "--manifest", "http://127.0.0.1:9", "--token", "-"], "");
    assert!(run.code == Some(2) && run.stderr.starts_with("error: "), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_signed_anew_with_the_real_key_is_forked() {
    let (mut site, auditor) = (site().await, Home::new());
    site.set("CHAIN_ACCESS", "public");
    write_log_of(&site.database(), &steps(60), &key());
    let server = site.serve().await;
    assert_eq!(verify(&auditor, &server, None, &[]).0, Some(0));
    stop(server).await;
    let memory = fs::read(auditor.join("memory.json")).expect("a memory");

    // From entry 40 on, another history, longer than the one that was seen.
    let mut anew = steps(40);
    anew.extend((40..70).map(|number| Step::Create(format!("instead {number}"))));
    fs::remove_file(site.database()).expect("the old log");
    let entries = write_log_of(&site.database(), &anew, &key());
    let server = site.serve().await;
    let (code, report) = verify(&auditor, &server, None, &[]);
    assert_eq!((code, &report["verdict"], &report["breaks"][0]["index"]), (Some(1), &"broken".into(), &59.into()));
    assert_eq!((&report["breaks"][0]["kind"], report["breaks"].as_array().map(Vec::len)), (&"forked".into(), Some(1)));
    assert_eq!(fs::read(auditor.join("memory.json")).expect("a memory"), memory);

    let note = report["notes"].as_array().and_then(|notes| notes.iter().find_map(Value::as_str)).expect("a note");
    let evidence = auditor.read(note.strip_prefix("evidence: ").expect("a path"));
    let evidence: Vec<Value> = evidence.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let heads = [&evidence[0]["remembered"]["signed_head"], &evidence[0]["presented_head"]];
    assert_eq!(heads.map(|head| head["length"].as_u64()), [Some(60), Some(70)]);
    assert!(heads.iter().all(|head| head["head_signature"].is_string()));
    assert_eq!((evidence.len(), &evidence[1]["hash"]), (1 + 11, &entries[59].hash.to_string().into()));

    // It is forked for strangers as well, who see no more than hashes; and without a word but the result.
    stop(server).await;
    site.set("CHAIN_ACCESS", "members");
    let server = site.serve().await;
    let (code, report) = verify(&auditor, &server, None, &[]);
    assert_eq!((code, &report["level"], &report["breaks"][0]["kind"]), (Some(1), &"sealed".into(), &"forked".into()));
    let url = format!("http://{}", server.address);
    let run = auditor.run(&["verify-chain", "-q", "--manifest", &url, "--state", "memory.json"]);
    assert!(run.code == Some(1) && run.stderr.is_empty() && run.stdout.contains("evidence: "), "{run:?}");
    assert!(run.stdout.ends_with("broken: 1 break, first at 59\n"), "{run:?}");
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_one_though_its_evidence_can_not_be_kept() {
    use std::os::unix::fs::PermissionsExt as _;
    let (mut site, auditor) = (site().await, Home::new());
    site.set("CHAIN_ACCESS", "public");
    write_log_of(&site.database(), &steps(20), &key());
    let server = site.serve().await;
    assert_eq!(verify(&auditor, &server, None, &[]).0, Some(0));
    stop(server).await;
    tamper(&site.database(), "DELETE FROM version; DELETE FROM entry; DELETE FROM message");
    let server = site.serve().await;
    // The memory is there, and the directory around it takes nothing. A superuser writes there all the same.
    fs::set_permissions(auditor.path(), fs::Permissions::from_mode(0o500)).expect("a mode");
    let (code, report) = verify(&auditor, &server, None, &[]);
    fs::set_permissions(auditor.path(), fs::Permissions::from_mode(0o700)).expect("a mode");
    assert_eq!((code, &report["breaks"][0]["kind"]), (Some(1), &"rolled_back".into()), "{report}");
    assert!(report["notes"][0].as_str().is_some_and(|note| note.contains("evidence")), "{report}");
    stop(server).await;
}

/// Posts, edits and deletes until the connection ends.
async fn talk(mut client: Client, author: UserId) {
    for number in 0_u64.. {
        let message = client.post(&format!("{author} says {number}")).await;
        match number % 3 {
            0 => client.edit(&message, &format!("{author} says {number} again")).await,
            1 => client.delete(&message).await,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_appends_meanwhile_is_intact_each_time() {
    let (site, auditor) = (site().await, Home::new());
    // So many that a run takes a while.
    write_log_of(&site.database(), &steps(3_000), &key());
    let server = site.serve().await;
    let mut talking = Vec::new();
    for number in 1..=4 {
        let client = site.connect(&server, person(number)).await;
        talking.push(tokio::spawn(talk(client, person(number))));
    }
    let member = site.token(person(9));
    let mut seen = 0;
    for run in 0..6 {
        let more = [&["--contents"][..], &[]][run % 2];
        let (code, report) = tokio::task::block_in_place(|| verify(&auditor, &server, Some(&member), more));
        assert_eq!((code, &report["verdict"]), (Some(0), &"intact".into()), "{report}");
        let entries = report["entries"].as_u64().expect("a number");
        assert!(entries > seen, "nothing was appended: {report}");
        // The head is the one whose entries were read, and the next run goes on from it.
        assert_eq!(report["head"]["index"], entries - 1);
        assert!(run == 0 || report["new_since_last"] == entries - seen, "{report}");
        seen = entries;
        let path = site.database().display().to_string();
        let run = ["verify-chain", "--db", &path, "--state", "memory.json", "-q"];
        let run = tokio::task::block_in_place(|| auditor.run(&run));
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    for talker in talking {
        talker.abort();
        assert!(in_time("the end", talker).await.is_err_and(|error| error.is_cancelled()), "a request failed");
    }
    stop(server).await;
}
