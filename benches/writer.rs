//! What a stored message costs: deciding aside, the whole path of the writer with a real file and `synchronous=FULL`.
//!
//! `cargo bench --bench writer` prints, for each size of a group that shares a commit, the time per message and what the
//! database takes on the disk.

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use coms::ids::{ChainIndex, IdSequence, UserId};
use coms::keys::SigningKey;
use coms::logchain::{ContentHash, Entry, EntryHash};
use coms::storage::{Change, DatabaseLock, EntryRow, NewChannel, WriteStore};
use coms::time::{Clock, Timestamp};
use uuid::Uuid;

/// How long each row is measured, and how many messages at the most.
const ROW: Duration = Duration::from_secs(3);
const MOST: u64 = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for group in [1, 8, 64, 512] {
        let (count, elapsed, bytes) = measure(group)?;
        let each = elapsed / u32::try_from(count)?;
        std::io::Write::write_fmt(
            &mut out,
            format_args!("groups of {group:3}: {each:9.1?} a message, {:4} bytes on disk\n", bytes / count),
        )?;
    }
    Ok(())
}

/// Stores messages of 60 characters in groups; returns how many, how long it took, and how big the file is.
fn measure(group: u64) -> Result<(u64, Duration, u64), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("messages.db");
    let mut store = WriteStore::open(&DatabaseLock::take(&path, "coms bench")?)?;
    let clock = Clock::system();
    let general = NewChannel { id: "general", kind: "text", is_read_only: false, position: 0 };
    store.insert_channel(general, clock.now())?;
    let channel = store.database().channels()?.first().ok_or("a channel was just made")?.key;
    let key = SigningKey::from_seed(&[1; 32]);
    let (mut count, mut prev_hash, mut ids) = (0, EntryHash::ZERO, IdSequence::after(None));
    let start = Instant::now();
    while start.elapsed() < ROW && count < MOST {
        store.begin()?;
        let mut batch = store.batch();
        for _ in 0..group {
            let now: Timestamp = clock.now();
            let content = format!("message {count:8} with some words that people use every day, ok");
            let message_id = ids.next(now).into();
            let entry = Entry::sign(&key, ChainIndex(count), message_id, now, prev_hash, ContentHash::of(&content));
            let row = EntryRow {
                index: entry.index,
                timestamp: entry.timestamp,
                content_hash: entry.content_hash.0,
                hash: entry.hash.0,
                signature: entry.signature.0,
            };
            let user_id = UserId::from_bytes([u8::try_from(count % 16)?; 16]);
            let client_id = Some(Uuid::now_v7());
            batch.apply(&Change::Created { message_id, channel, user_id, content, client_id }, &row)?;
            prev_hash = entry.hash;
            count += 1;
        }
        drop(batch);
        store.commit()?;
        store.tend_log()?;
    }
    let elapsed = start.elapsed();
    store.empty_log()?;
    Ok((count, elapsed, fs::metadata(&path)?.len()))
}
