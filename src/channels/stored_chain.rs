//! The chain as the database holds it, and as the log chain knows it: rows become entries and heads, and the other way
//! round. `storage` and `logchain` do not know each other.

use crate::logchain::{ContentHash, Entry, EntryHash, Head, Signature};
use crate::storage::{ChainRow, EntryRow, StoredHead};

/// The end of a chain whose last entry is `stored`.
pub fn head_of(stored: Option<StoredHead>) -> Head {
    stored.map_or(Head::EMPTY, |stored| Head { length: stored.index.next().0, hash: EntryHash(stored.hash) })
}

/// The entry in a row. `link` is the hash of the entry before, for a row that does not say it.
pub fn entry_of(row: &ChainRow, link: Option<EntryHash>) -> Entry {
    Entry {
        index: row.index,
        message_id: row.message_id,
        timestamp: row.timestamp,
        prev_hash: row.prev_hash.map(EntryHash).or(link).unwrap_or(EntryHash::ZERO),
        content_hash: ContentHash(row.content_hash),
        hash: EntryHash(row.hash),
        signature: Signature(row.signature),
    }
}

/// The row of an entry.
pub fn row_of(entry: &Entry) -> EntryRow {
    EntryRow {
        index: entry.index,
        timestamp: entry.timestamp,
        content_hash: entry.content_hash.0,
        hash: entry.hash.0,
        signature: entry.signature.0,
    }
}
