//! How fast `coms verify-chain --db` is, and how much memory it takes: `cargo bench --bench verify_chain -- [ENTRIES]`.
//!
//! Makes a database with as many entries (a million if not said), one edit in twenty and one deletion in fifty, then runs
//! the program on it three times. Memory is the peak that Linux reports for the process.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use coms::ids::{ChainIndex, MessageId, ServerId, UserId};
use coms::logchain::{ContentHash, Entry, EntryHash, SigningKey};
use coms::storage::{Change, EntryRow, NewChannel, WriteStore};
use coms::time::Timestamp;
use serde_json::Value;

const START_MS: u64 = 1_795_477_188_631;

#[expect(clippy::print_stdout, reason = "a benchmark says what it measured")]
fn main() -> Result<(), Box<dyn Error>> {
    let entries = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("log.db");
    write_log(&path, entries)?;
    let megabytes = fs::metadata(&path)?.len() / 1_000_000;
    println!("{entries} entries, {megabytes} MB");
    for _ in 0..3 {
        let (report, peak_kib) = verify(&path)?;
        let number = |name| report.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let seconds = number("seconds");
        println!(
            "{}: {:.0} entries/s, the chain in {seconds:.2} s, everything in {:.2} s, {} MiB",
            report.get("verdict").and_then(Value::as_str).unwrap_or("no answer"),
            number("entries") / seconds,
            number("total_seconds"),
            peak_kib / 1024,
        );
    }
    Ok(())
}

/// Runs the program; its report and its peak memory in KiB.
fn verify(path: &Path) -> Result<(Value, u64), Box<dyn Error>> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_coms"))
        .args(["verify-chain", "--no-state", "--json", "--db"])
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    while child.try_wait()?.is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak_kib = peak_kib.max(peak.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output()?;
    Ok((serde_json::from_slice(&output.stdout)?, peak_kib))
}

fn write_log(path: &Path, count: u64) -> Result<(), Box<dyn Error>> {
    let key = SigningKey::from_seed(&[42; 32]);
    let server: ServerId = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e".parse()?;
    let mut store = WriteStore::open(path)?;
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
