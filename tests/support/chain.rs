//! Checking a database's whole chain and its contents, with SQL of its own: it shares no query with what it checks.

use std::collections::HashMap;
use std::path::Path;

use coms::ids::{ChainIndex, MessageId};
use coms::keys::{PublicKey, Signature};
use coms::logchain::{ContentHash, Entry, EntryHash};
use coms::time::Timestamp;
use rusqlite::{Connection, OpenFlags};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChainReport {
    /// How many entries the chain has.
    pub(crate) entries: u64,
    /// Every message in the order of storing: its id and what it says.
    pub(crate) messages: Vec<(String, String)>,
}

/// Opens a database beside whoever uses it.
#[expect(clippy::disallowed_methods, reason = "the test looks at the file with other eyes than the program's")]
pub(crate) fn open(path: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).expect("a database")
}

/// Panics unless every entry is in its place, hashed, linked and signed, and every text that is stored has its entry.
pub(crate) fn check_chain(path: &Path, key: &PublicKey) -> ChainReport {
    let connection = open(path);
    let transaction = connection.unchecked_transaction().expect("a snapshot");
    let fault: String = transaction.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(fault, "ok", "SQLite's own check");
    let entries = entries(&transaction);
    check_entries(&entries, key);
    let messages = check_contents(&transaction, &entries);
    ChainReport { entries: entries.len() as u64, messages }
}

fn entries(connection: &Connection) -> Vec<Entry> {
    let mut statement = connection
        .prepare(
            "SELECT e.idx, m.id, e.timestamp, e.content_hash, e.hash, e.signature FROM entry e \
             JOIN message m ON m.key = e.message ORDER BY e.idx",
        )
        .expect("SQL");
    let mut previous = EntryHash::ZERO;
    let rows = statement.query_map([], |row| {
        let hash = EntryHash(row.get(4)?);
        Ok(Entry {
            index: ChainIndex(row.get(0)?),
            message_id: MessageId::from_bytes(row.get(1)?),
            timestamp: Timestamp::from_unix_ms(row.get(2)?),
            prev_hash: std::mem::replace(&mut previous, hash),
            content_hash: ContentHash(row.get(3)?),
            hash,
            signature: Signature(row.get(5)?),
        })
    });
    let entries: Vec<_> = rows.expect("rows").map(|row| row.expect("an entry")).collect();
    let count: u64 = connection.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).expect("a count");
    assert_eq!(entries.len() as u64, count, "an entry without a message");
    entries
}

fn check_entries(entries: &[Entry], key: &PublicKey) {
    let mut latest = Timestamp::default();
    for (place, entry) in entries.iter().enumerate() {
        assert_eq!(entry.index.0, place as u64, "a gap in the chain");
        assert_eq!(entry.recomputed_hash(), entry.hash, "the hash of entry {place}");
        assert!(entry.is_signed_by(key), "the signature of entry {place}");
        assert!(entry.timestamp >= latest, "entry {place} steps back in time");
        latest = entry.timestamp;
    }
}

/// Each message's current text against its latest entry, and each earlier version against its own.
fn check_contents(connection: &Connection, entries: &[Entry]) -> Vec<(String, String)> {
    let mut statement = connection
        .prepare("SELECT key, id, content, coalesce(latest_entry, entry), deleted_at FROM message ORDER BY key")
        .expect("SQL");
    let rows = statement.query_map([], |row| {
        let id = MessageId::from_bytes(row.get(1)?);
        Ok((row.get::<_, i64>(0)?, id, row.get::<_, String>(2)?, row.get::<_, u64>(3)?, row.get::<_, Option<i64>>(4)?))
    });
    let mut covered: HashMap<u64, MessageId> = HashMap::new();
    let mut messages = Vec::new();
    let mut deleted = Vec::new();
    for row in rows.expect("rows") {
        let (key, id, content, latest, deleted_at) = row.expect("a message");
        check_content(entries, latest, id, &content);
        covered.insert(latest, id);
        for (entry, content) in versions(connection, key) {
            check_content(entries, entry, id, &content);
            covered.insert(entry, id);
        }
        if deleted_at.is_some() {
            assert_eq!(content, "[deleted]");
            deleted.push(id);
        }
        messages.push((id.to_string(), content));
    }
    // What no text stands for any more can only be what a deleted message once said.
    for entry in entries.iter().filter(|entry| !covered.contains_key(&entry.index.0)) {
        assert!(deleted.contains(&entry.message_id), "entry {} covers nothing", entry.index);
    }
    messages
}

fn versions(connection: &Connection, message: i64) -> Vec<(u64, String)> {
    let mut statement = connection
        .prepare_cached("SELECT entry, content FROM version WHERE message = ?1 ORDER BY number")
        .expect("SQL");
    let rows = statement.query_map([message], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.expect("rows").map(|row| row.expect("a version")).collect()
}

fn check_content(entries: &[Entry], index: u64, message: MessageId, content: &str) {
    let entry = entries.get(usize::try_from(index).expect("an index")).expect("the entry that a text names");
    assert_eq!(entry.message_id, message, "entry {index} is another message's");
    assert_eq!(entry.content_hash, ContentHash::of(content), "the content of entry {index}");
}
