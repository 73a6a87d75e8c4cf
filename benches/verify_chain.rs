//! How fast `coms verify-chain` is with each source, and how much memory it takes; for a running server, how much the
//! server's memory grows: `cargo bench --bench verify_chain -- [ENTRIES] [--runs N]`.
//!
//! Makes a database with as many entries (a million if not said), one edit in twenty and one deletion in fifty, and an export
//! of it; then runs the program on each source N times (3 if not said) and prints the median run. Memory is the peak that
//! Linux reports for the process. A server is started anew for each run, and shares the processor with the verifier.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use coms::central::{Sandbox, SandboxOptions};
use coms::ids::{ChainIndex, MessageId, ServerId, UserId};
use coms::logchain::{ContentHash, Entry, EntryHash, SigningKey};
use coms::storage::{Change, DatabaseLock, EntryRow, NewChannel, WriteStore};
use coms::time::Timestamp;
use serde_json::Value;

type Outcome<T> = Result<T, Box<dyn Error>>;

const START_MS: u64 = 1_795_477_188_631;
const SERVER_ID: &str = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e";
const SEED: [u8; 32] = [42; 32];

#[expect(clippy::print_stdout, reason = "a benchmark says what it measured")]
fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (before, after) =
        arguments.split_at(arguments.iter().position(|argument| argument == "--runs").unwrap_or(arguments.len()));
    let entries = before.iter().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let runs = after.get(1).map_or(Ok(3), |runs| runs.parse())?;
    let site = Site::new(entries)?;
    println!(
        "\n{entries} entries, {} MB\n\n| source | measured |\n|---|---|",
        fs::metadata(site.database())?.len() / 1_000_000
    );
    for (source, arguments) in [
        ("database", vec!["--db", "log.db"]),
        ("export", vec!["--export", "log.jsonl"]),
        ("server, sealed", vec!["--manifest"]),
        ("server, full", vec!["--manifest", "--token", "@token"]),
        ("server, with contents", vec!["--manifest", "--token", "@token", "--contents"]),
    ] {
        let measured = (0..runs).map(|_| site.verify(&arguments)).collect::<Outcome<Vec<_>>>()?;
        println!("| {source} | {} |", median(measured).ok_or("`--runs` must be at least 1")?);
    }
    Ok(())
}

/// One run.
struct Measured {
    verdict: String,
    entries: f64,
    seconds: f64,
    total_seconds: f64,
    peak_kib: u64,
    /// The server's memory before and at its peak.
    server_kib: Option<(u64, u64)>,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { verdict, entries, seconds, total_seconds, peak_kib, server_kib } = self;
        let rate = entries / seconds;
        write!(f, "{verdict}: {rate:.0} entries/s, the chain in {seconds:.2} s, everything in {total_seconds:.2} s, ")?;
        write!(f, "{} MiB", peak_kib / 1024)?;
        match server_kib {
            Some((before, peak)) => write!(f, ", server {} MiB and then {} MiB", before / 1024, peak / 1024),
            None => Ok(()),
        }
    }
}

fn median(mut measured: Vec<Measured>) -> Option<Measured> {
    measured.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
    let middle = measured.len() / 2;
    measured.into_iter().nth(middle)
}

/// A folder with a database, an export of it and a token for its server, and the Central that gave it.
struct Site {
    folder: tempfile::TempDir,
    central_key: String,
}

impl Site {
    fn new(entries: u64) -> Outcome<Self> {
        // Not in the system's folder for temporary files, which may be in memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let runtime = tokio::runtime::Runtime::new()?;
        let (token, central_key) = runtime.block_on(async {
            let options = SandboxOptions { token_lifetime: Duration::from_hours(24), ..SandboxOptions::default() };
            let central = Sandbox::start(tokio::net::TcpListener::bind("127.0.0.1:0").await?, options)?;
            let joined = central.join(&SERVER_ID.parse()?, UserId::from_bytes([1; 16]));
            Outcome::Ok((joined.token.reveal().to_owned(), central.public_key().to_string()))
        })?;
        let site = Self { folder, central_key };
        fs::write(site.folder.path().join("token"), token)?;
        write_log(&site.database(), entries)?;
        let exported = site.command(&["export", "-q", "--db", "log.db", "-o", "log.jsonl"]).status()?;
        if exported.success() { Ok(site) } else { Err("the export failed".into()) }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("log.db")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coms"));
        command.args(arguments).current_dir(self.folder.path()).env_remove("COMS_TOKEN");
        command
    }

    /// Runs the program on one source; on a server of its own for `--manifest`.
    fn verify(&self, arguments: &[&str]) -> Outcome<Measured> {
        let server = if arguments.contains(&"--manifest") { Some(Server::start(self)?) } else { None };
        let before = server.as_ref().map(|server| kib(&server.process, "VmRSS:"));
        let mut command = self.command(&["verify-chain", "--no-state", "--json"]);
        for argument in arguments {
            command.arg(argument);
            if let Some(server) = server.as_ref().filter(|_| *argument == "--manifest") {
                command.arg(&server.url);
            }
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut peak_kib = 0;
        while child.try_wait()?.is_none() {
            peak_kib = peak_kib.max(kib(&child, "VmHWM:"));
            std::thread::sleep(Duration::from_millis(20));
        }
        let report: Value = serde_json::from_slice(&child.wait_with_output()?.stdout)?;
        let number = |name| report.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
        Ok(Measured {
            verdict: report.get("verdict").and_then(Value::as_str).unwrap_or("no answer").to_owned(),
            entries: number("entries"),
            seconds: number("seconds"),
            total_seconds: number("total_seconds"),
            peak_kib,
            server_kib: before.zip(server.map(|server| kib(&server.process, "VmHWM:"))),
        })
    }
}

/// A figure of `/proc/PID/status`, in KiB.
fn kib(process: &Child, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// A server on the database. Killed when it is dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(site: &Site) -> Outcome<Self> {
        let public_key = SigningKey::from_seed(&SEED).public().to_string();
        let mut process = site
            .command(&["serve"])
            .envs([("SERVER_ID", SERVER_ID), ("SERVER_PUBLIC_KEY", &public_key), ("DB_PATH", "log.db")])
            .env("SERVER_SECRET_KEY", hex::encode(SEED) + &public_key)
            .envs([("CENTRAL_URL", "http://127.0.0.1:9"), ("CENTRAL_API_KEY", "none"), ("PORT", "0")])
            .envs([("CENTRAL_PUBLIC_KEY", site.central_key.as_str()), ("HOST", "127.0.0.1")])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = BufReader::new(process.stderr.take().ok_or("no log")?);
        let mut server = Self { process, url: String::new() };
        for line in log.lines() {
            if let Some((_, rest)) = line?.split_once("address=") {
                server.url = format!("http://{}", rest.split_whitespace().next().unwrap_or_default());
                return Ok(server);
            }
        }
        Err("the server did not start".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, or is not worth waiting for.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn write_log(path: &Path, count: u64) -> Outcome<()> {
    let key = SigningKey::from_seed(&SEED);
    let server: ServerId = SERVER_ID.parse()?;
    let mut store = WriteStore::open(&DatabaseLock::take(path, "coms bench")?)?;
    store.claim(&server, &key.public(), Timestamp::from_unix_ms(START_MS))?;
    let general = NewChannel { id: "general", kind: "text", is_read_only: false, position: 0 };
    store.insert_channel(general, Timestamp::from_unix_ms(START_MS))?;
    let channel = store.database().channels()?.first().ok_or("no channel")?.key;
    let (mut prev, mut last_id) = (EntryHash::ZERO, None);
    store.begin()?;
    for index in 0..count {
        let target = last_id.filter(|_| index % 20 == 7 || index % 50 == 9);
        let target = target.map(|id| store.database().target(id).map(|found| (id, found))).transpose()?;
        let target = target.and_then(|(id, found)| Some((id, found.filter(|target| !target.is_deleted)?.key)));
        let words = ["river", "stone", "cloud", "paper", "garden", "signal", "winter", "harbour"];
        let word = |salt: u64| words.get(usize::try_from((index * salt) % 8).unwrap_or(0)).copied().unwrap_or_default();
        let content = format!("message {index} about {} and {} in the {}", word(3), word(5), word(7));
        let (id, content, change) = match target {
            Some((id, message)) if index % 50 == 9 => (id, "[deleted]".to_owned(), Change::Deleted { message }),
            Some((id, message)) => (id, content.clone(), Change::Edited { message, content }),
            None => {
                let message_id = MessageId::from_bytes((u128::from(index) << 64).to_be_bytes());
                let user_id = UserId::from_bytes([u8::try_from(index % 200)?; 16]);
                let created = content.clone();
                let change = Change::Created { message_id, channel, user_id, content: created, client_id: None };
                (message_id, content, change)
            }
        };
        last_id = Some(id);
        let time = Timestamp::from_unix_ms(START_MS + index);
        let entry = Entry::sign(&key, ChainIndex(index), id, time, prev, ContentHash::of(&content));
        prev = entry.hash;
        let row = EntryRow {
            index: entry.index,
            timestamp: time,
            content_hash: entry.content_hash.0,
            hash: entry.hash.0,
            signature: entry.signature.0,
        };
        store.apply(&change, &row)?;
        if index % 5_000 == 4_999 {
            store.commit()?;
            store.begin()?;
        }
    }
    store.commit()?;
    store.empty_log()?;
    Ok(())
}
