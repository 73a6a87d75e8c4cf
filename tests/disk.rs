//! A disk that fills up, and a database that somebody else holds: writes are refused, reads go on, and once there is room
//! again everything goes on by itself.
//!
//! The full disk is a file system in memory of a few MiB, mounted where only the server under test sees it.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use coms::keys::PublicKey;
use serde_json::{Value, json};

use crate::support::chain::check_chain;
use crate::support::client::{CREATE, Client, EDIT, ERROR, SEARCH, SYNC};
use crate::support::hold::Hold;
use crate::support::process::{ServeProcess, Site};
use crate::support::raw::http;
use crate::support::server::{PUBLIC_KEY, TestServer};
use crate::support::{in_time, person};

/// Runs the rest of the command line with a file system of so many KiB mounted at `disk`.
fn on_a_small_disk(site: &Site, kib: u32, arguments: &[&str]) -> Command {
    std::fs::create_dir_all(site.home.join("disk")).expect("a directory");
    let mut command = Command::new("unshare");
    let script = format!("mount -t tmpfs -o size={kib}k tmpfs disk && exec \"$@\"");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]).args(arguments);
    command.current_dir(site.home.path()).env_clear();
    site.configured(command)
}

/// Whether this system lets a test mount something for itself. In some containers it does not.
#[expect(clippy::print_stderr, reason = "whoever runs the tests should know what was not tested")]
fn can_mount(site: &Site) -> bool {
    let tried = on_a_small_disk(site, 100, &["true"]).stderr(Stdio::null()).status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        eprintln!("skipped: this system lets nobody mount a file system of their own");
    }
    can
}

/// A server on a disk of its own.
struct Confined {
    server: ServeProcess,
    /// The disk, as the server sees it.
    disk: PathBuf,
}

impl Confined {
    async fn start(site: &mut Site, kib: u32) -> Self {
        site.set("DB_PATH", "disk/messages.db");
        let command = on_a_small_disk(site, kib, &[env!("CARGO_BIN_EXE_coms"), "serve"]);
        let server = ServeProcess::start(command).await;
        let seen = format!("/proc/{}/root{}", server.id(), site.home.join("disk").display());
        Self { server, disk: seen.into() }
    }

    /// Writes a file until there is no room left, and gives so many bytes of it back.
    fn fill_all_but(&self, left: u64) {
        self.fill();
        let file = File::options().write(true).open(self.disk.join("filler")).expect("the file");
        let length = file.metadata().expect("a length").len();
        file.set_len(length - left).expect("a shorter file");
    }

    /// Writes a file until there is no room left.
    fn fill(&self) {
        let mut file = File::create(self.disk.join("filler")).expect("a file");
        for size in [64 * 1024, 1024, 1] {
            loop {
                match file.write(&vec![b'x'; size]) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.disk.join("filler")).expect("the file");
    }
}

fn create(content: &str) -> Value {
    json!({ "channel_id": "general", "content": content })
}

fn uuid(number: u32) -> String {
    format!("01900000-0000-7000-8000-{number:012x}")
}

/// Posts with ids of the client's own until a post is refused; how many were acknowledged.
async fn post_until_refused(client: &mut Client) -> u32 {
    for number in 0..2_000 {
        client.send_with_id(CREATE, &uuid(number), create(&format!("post {number} {}", "x".repeat(3_000)))).await;
        let answer = client.answer_to(&uuid(number)).await;
        if answer["t"] == ERROR {
            assert_unavailable(&answer["d"]);
            return number;
        }
    }
    panic!("the disk does not fill");
}

fn assert_unavailable(error: &Value) {
    assert_eq!(error["reason"], "storage_unavailable", "{error}");
    assert!(error["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{error}");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_nothing_else_and_recovers_by_itself() {
    let mut site = Site::new().await;
    if !can_mount(&site) {
        return;
    }
    let mut confined = Confined::start(&mut site, 4 * 1024).await;
    let (mut ada, mut ben) =
        (site.connect(&confined.server, person(1)).await, site.connect(&confined.server, person(2)).await);
    let first = ada.post("findable before").await;
    confined.fill();
    let acknowledged = post_until_refused(&mut ada).await;

    // What needs as much room is refused, again and again; a small change may still fit. Everything else goes on.
    for _ in 0..3 {
        let (t, d) = (EDIT, json!({ "message_id": first["id"], "content": "y".repeat(4_000) }));
        assert_unavailable(&ada.refused(t, d).await);
    }
    assert_eq!(ada.refused(CREATE, json!({ "channel_id": "general" })).await["reason"], "missing_field");
    assert_eq!(ben.history(100).await.len(), 100.min(acknowledged as usize + 1));
    assert_eq!(ben.get(SEARCH, json!({ "query": "findable" })).await["messages"][0]["id"], first["id"]);
    ben.get(SYNC, json!({ "limit": 1000 })).await;
    let mut cleo = site.connect(&confined.server, person(3)).await;
    assert_eq!(cleo.hello["d"]["chain_head"], acknowledged);

    confined.make_room();
    confined.server.logged("storage is available again").await;
    // What was refused was not stored: sent again it gets the next place in the log, and is told to everyone.
    cleo.events().await;
    ada.send_with_id(CREATE, &uuid(acknowledged), create("sent again")).await;
    let answer = ada.answer_to(&uuid(acknowledged)).await;
    assert_eq!(answer["d"]["chain_index"], acknowledged + 1, "{answer}");
    assert_eq!(cleo.expect(CREATE).await["content"], "sent again");
    ada.delete(&first).await;
    // As long as the directory is open, the disk outlives the server.
    let disk = File::open(&confined.disk).expect("a directory");
    confined.server.terminate();
    assert_eq!(confined.server.wait().await, Some(0));
    let left = format!("/proc/self/fd/{}/messages.db", disk.as_raw_fd());
    std::fs::copy(left, site.home.join("copy.db")).expect("a copy");
    let report = check_chain(&site.home.join("copy.db"), &PublicKey::from_hex(PUBLIC_KEY).expect("a key"));
    let acknowledged = u64::from(acknowledged);
    assert_eq!((report.messages.len() as u64, report.entries), (acknowledged + 2, acknowledged + 3));
}

/// There is room for something, but not for what was refused.
#[tokio::test]
async fn a_nearly_full_disk_is_healthy_only_when_what_was_refused_can_be_stored() {
    let mut site = Site::new().await;
    if !can_mount(&site) {
        return;
    }
    let confined = Confined::start(&mut site, 4 * 1024).await;
    let address = &confined.server.address;
    let mut ada = site.connect(&confined.server, person(1)).await;
    ada.post("before").await;
    let long = create(&"many different words ".repeat(190));
    let mut unhealthy = 0;
    for left in [8, 40, 72] {
        confined.fill_all_but(left * 1024);
        while ada.ask(CREATE, long.clone()).await["t"] != ERROR {}
        // That a request of which nothing is to be stored succeeds is no sign of room.
        ada.refused(CREATE, json!({ "channel_id": "nowhere", "content": "x" })).await;
        let mut was_unhealthy = true;
        // Longer than it takes to try again.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(2_500) {
            if http(address, "GET /health", &[]).await.status == 503 {
                (was_unhealthy, unhealthy) = (true, unhealthy + 1);
                continue;
            }
            let answer = ada.ask(CREATE, long.clone()).await;
            // What was stored since it became healthy may have used up the room.
            assert!(answer["t"] != ERROR || !was_unhealthy, "healthy again with {left} KiB left, and then {answer}");
            was_unhealthy = false;
        }
    }
    assert!(unhealthy > 0);
    confined.make_room();
    let healthy = async { while http(address, "GET /health", &[]).await.status == 503 {} };
    in_time("health", healthy).await;
    ada.post("after").await;
}

#[tokio::test]
async fn a_server_does_not_start_on_a_full_disk() {
    let mut site = Site::new().await;
    if !can_mount(&site) {
        return;
    }
    site.set("DB_PATH", "disk/messages.db");
    let mut command = on_a_small_disk(&site, 16, &[env!("CARGO_BIN_EXE_coms"), "serve"]);
    let output = command.output().expect("the program ends");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert_ne!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.lines().any(|line| line == "error: the disk is full"), "{stderr}");
}

/// The server waits five seconds for the other program, and then says so.
#[tokio::test]
async fn a_database_that_another_program_holds_is_unavailable_until_it_lets_go() {
    let server = TestServer::start().await;
    let mut ada = server.connect(person(1)).await;
    ada.post("before").await;
    let hold = Hold::take(&server.database());
    assert_unavailable(&ada.refused(CREATE, create("meanwhile")).await);
    assert_eq!(ada.history(10).await.len(), 1);
    drop(hold);
    ada.post("after").await;
    let said: Vec<_> = server.check_chain().messages.into_iter().map(|(_, text)| text).collect();
    assert_eq!(said, ["before", "after"]);
}
