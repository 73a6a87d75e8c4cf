//! Reading databases of the Go reference server: as they are, never writing.
//!
//! UUIDs are lower-case text, times Unix milliseconds, hashes and signatures blobs, `edit_history` a JSON array of strings
//! or `null`. Its chain covers creations alone, so that an edited or deleted message no longer matches its entry.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Row};

use super::chain::{ChainItem, ChainRow, Coverage, ScanPlace, bytes, fixed, whole};
use super::error::StorageError;
use crate::ids::{ChainIndex, MessageId};
use crate::time::Timestamp;

/// One connection to a database of the Go reference server.
pub struct ReferenceDatabase {
    pub(super) connection: Connection,
}

/// A message of the reference and its entry, as stored.
#[derive(Debug, Clone, Copy)]
pub struct ReferenceMessage<'a> {
    /// Its id, if that is one.
    pub id: Option<MessageId>,
    /// The bytes of what it says.
    pub content: &'a [u8],
    /// Its earlier contents, JSON.
    pub edit_history: &'a [u8],
    /// Whether it was deleted.
    pub is_deleted: bool,
    /// The index that it shows.
    pub index: Option<ChainIndex>,
    /// The hash that it shows, and that of the entry there.
    pub shown_hash: &'a [u8],
    /// The hash of the entry with that index, if it is about this message.
    pub entry_hash: Option<&'a [u8]>,
    /// The content hash of that entry.
    pub content_hash: Option<&'a [u8]>,
}

impl ReferenceDatabase {
    pub(super) fn new(connection: Connection) -> Result<Self, StorageError> {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_prepared_statement_cache_capacity(16);
        connection.pragma_update(None, "cell_size_check", true)?;
        Ok(Self { connection })
    }

    /// The index of the last entry.
    pub fn last_index(&self) -> Result<Option<ChainIndex>, StorageError> {
        let mut statement = self.connection.prepare_cached("SELECT max(idx) FROM log_chain")?;
        Ok(statement.query_row([], |row| row.get::<_, Option<u64>>(0))?.map(ChainIndex))
    }

    /// Hands on up to `limit` entries from `from` on. Returns how many there were.
    pub fn chain(&self, from: ChainIndex, limit: u32, mut each: impl FnMut(ChainItem)) -> Result<u32, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT e.idx, e.timestamp, e.content_hash, e.hash, e.signature, e.prev_hash, e.message_id, m.id IS NULL \
             FROM log_chain e LEFT JOIN messages m ON m.id = e.message_id \
             WHERE e.idx >= ?1 ORDER BY e.idx LIMIT ?2",
        )?;
        let Ok(from) = i64::try_from(from.0) else { return Ok(0) };
        // Below the first there must be none: if there is, reading its index fails.
        let from = if from == 0 { i64::MIN } else { from };
        let mut rows = statement.query((from, limit))?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            each(match chain_row(row) {
                Ok(entry) if row.get(7)? => ChainItem::Entry(entry, Coverage::NoMessage),
                Ok(entry) => ChainItem::Entry(entry, Coverage::Known),
                Err(problem) => ChainItem::Unreadable {
                    index: ChainIndex(row.get(0)?),
                    hash: fixed(row.get_ref(3)?, "hash").ok(),
                    lacks_message: false,
                    problem,
                },
            });
        }
        Ok(count)
    }

    /// Hands on up to `limit` messages after `place`, in the order of storing. Returns where to go on.
    pub fn covered_messages(
        &self,
        place: ScanPlace,
        limit: u32,
        mut each: impl FnMut(ReferenceMessage<'_>),
    ) -> Result<Option<ScanPlace>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT m.rowid, m.id, m.content, m.edit_history, m.deleted_at IS NOT NULL, m.chain_index, m.chain_hash, \
             e.hash, e.content_hash, e.idx IS NULL \
             FROM messages m LEFT JOIN log_chain e ON e.idx = m.chain_index AND e.message_id = m.id \
             WHERE m.rowid > ?1 ORDER BY m.rowid LIMIT ?2",
        )?;
        let mut rows = statement.query((place.key(), limit))?;
        let (mut count, mut last) = (0, place);
        while let Some(row) = rows.next()? {
            (count, last) = (count + 1, ScanPlace::after(row.get(0)?));
            let has_entry = !row.get::<_, bool>(9)?;
            each(ReferenceMessage {
                id: message_id(row, 1),
                content: bytes(row.get_ref(2)?),
                edit_history: bytes(row.get_ref(3)?),
                is_deleted: row.get(4)?,
                index: whole(row.get_ref(5)?, "index").ok().map(ChainIndex),
                shown_hash: bytes(row.get_ref(6)?),
                entry_hash: has_entry.then_some(bytes(row.get_ref(7)?)),
                content_hash: has_entry.then_some(bytes(row.get_ref(8)?)),
            });
        }
        Ok((count == limit).then_some(last))
    }
}

fn chain_row(row: &Row<'_>) -> Result<ChainRow, String> {
    let column = |place, name: &str| row.get_ref(place).map_err(|_| format!("its {name} is missing"));
    Ok(ChainRow {
        index: ChainIndex(whole(column(0, "index")?, "index")?),
        timestamp: Timestamp::from_unix_ms(whole(column(1, "timestamp")?, "timestamp")?),
        content_hash: fixed(column(2, "content hash")?, "content hash")?,
        hash: fixed(column(3, "hash")?, "hash")?,
        signature: fixed(column(4, "signature")?, "signature")?,
        prev_hash: Some(fixed(column(5, "prev_hash")?, "prev_hash")?),
        message_id: message_id(row, 6).ok_or("its message id is no UUID")?,
    })
}

fn message_id(row: &Row<'_>, column: usize) -> Option<MessageId> {
    row.get_ref(column).ok()?.as_str().ok()?.parse().ok()
}
