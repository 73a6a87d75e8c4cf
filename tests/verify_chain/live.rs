//! A live server and an auditor elsewhere on the machine.

use std::path::Path;

use serde_json::Value;

use super::log::tamper;
use crate::sandbox::program::{Dev, coms};
use crate::support::program::{Home, Run};

/// Runs `coms verify-chain` against `dev`, with a token on standard input if there is one.
fn verify(home: &Home, dev: &Dev, token: Option<&str>, more: &[&str]) -> (Option<i32>, Value) {
    let url = dev.url();
    let mut arguments = vec!["verify-chain", "--manifest", &url, "--state", "memory.json", "--json"];
    arguments.extend(more);
    if token.is_some() {
        arguments.extend(["--token", "-"]);
    }
    let run = home.run_with_input(&arguments, &format!("{}\n", token.unwrap_or_default()));
    (run.code, serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}")))
}

/// Posts, edits and deletes.
fn talk(dev: &Dev) {
    let mut ada = dev.chat(0, &["--follow"]);
    let ids: Vec<_> = (0..5).map(|number| ada.post(&format!("message {number}"))).collect();
    for (line, kind) in [(format!("/edit {} another text", ids[0]), "edit"), (format!("/delete {}", ids[1]), "delete")]
    {
        ada.say(&line);
        ada.wait_for(|frame| frame["t"] == format!("zync.channels.message.{kind}.ok"));
    }
    ada.end();
}

fn database(home: &Home) -> std::path::PathBuf {
    let folder = home.join("sandbox");
    let mut files = std::fs::read_dir(&folder).expect("the sandbox").map(|file| file.expect("a file").path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "db")).expect("a database")
}

#[test]
fn members_strangers_and_auditors_see_what_is_theirs() {
    let home = Home::new();
    let dev = Dev::start(home.path(), 0);
    talk(&dev);
    let member = dev.token(1);
    let (code, report) = verify(&home, &dev, None, &[]);
    assert_eq!((code, &report["verdict"], &report["entries"]), (Some(0), &"consistent".into(), &7.into()));
    let (code, report) = verify(&home, &dev, Some(&member), &[]);
    assert_eq!((code, &report["verdict"], &report["level"]), (Some(0), &"intact".into(), &"full".into()));
    assert_eq!(report["new_since_last"], 0);
    let (code, report) = verify(&home, &dev, Some(&member), &["--contents"]);
    assert_eq!((code, &report["level"]), (Some(0), &"full+contents".into()), "{report}");

    let token = auditor(&home, &["add", "--name", "Grace", "--days", "30"]);
    assert_eq!(token.code, Some(0), "{token:?}");
    let token = token.stdout.trim();
    let (code, report) = verify(&home, &dev, Some(token), &[]);
    assert_eq!((code, &report["level"]), (Some(0), &"full".into()));
    assert_eq!(verify(&home, &dev, Some(token), &["--contents"]).0, Some(3), "contents are for members");
    assert!(auditor(&home, &["list"]).stdout.starts_with("valid    Grace since "));
    assert_eq!(auditor(&home, &["add", "--name", "Grace"]).code, Some(2));
    assert_eq!(auditor(&home, &["revoke", "Grace"]).code, Some(0));
    assert_eq!(verify(&home, &dev, Some(token), &[]).0, Some(3));
    assert_eq!(verify(&home, &dev, Some("coms-auditor-nonsense"), &[]).0, Some(3));
    assert!(auditor(&home, &["list"]).stdout.starts_with("revoked"));
    assert_eq!(auditor(&home, &["revoke", "Nobody"]).code, Some(2));

    // The database itself, while the server runs on it.
    let path = database(&home).display().to_string();
    let run = home.run(&["verify-chain", "--db", &path, "--no-state", "--json"]);
    assert!(run.code == Some(0) && run.stdout.contains(r#""level":"full+contents""#), "{run:?}");
    dev.interrupt();
}

/// `coms token auditor …` with the sandbox's configuration.
fn auditor(home: &Home, arguments: &[&str]) -> Run {
    let mut command = coms();
    command.args(["token", "auditor"]).args(arguments).arg("-e").arg(home.join("sandbox/.env"));
    // Paths in the configuration start where the sandbox was started.
    Run::of(&command.output().expect("the program ends"))
}

#[test]
fn a_byte_changed_in_the_database_of_a_live_server_is_found_over_http() {
    let home = Home::new();
    let dev = Dev::start(home.path(), 0);
    talk(&dev);
    let member = dev.token(0);
    assert_eq!(verify(&home, &dev, Some(&member), &["--contents"]).0, Some(0));
    let port = dev.port();
    dev.interrupt();
    tamper_with(&database(&home));
    let dev = Dev::start(home.path(), port);
    let (code, report) = verify(&home, &dev, Some(&member), &["--contents"]);
    assert_eq!((code, &report["breaks"][0]["kind"]), (Some(1), &"content".into()), "{report}");
    assert_eq!(verify(&home, &dev, Some(&member), &[]).0, Some(0), "the chain alone is as it was");
    dev.interrupt();
}

fn tamper_with(path: &Path) {
    tamper(path, "UPDATE message SET content = 'massage 4' WHERE content = 'message 4'");
}
