//! Reading the chain and what it covers, for those who verify it: in the order of the chain, in pieces that are each one
//! short transaction, so that a long verification keeps no write-ahead log from being emptied.
//!
//! Rows are handed on as they are, damaged ones too; whether they hold together is judged above.

use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::database::Database;
use super::error::StorageError;
use crate::ids::{ChainIndex, MessageId};
use crate::time::Timestamp;

/// A chain entry, as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainRow {
    /// Its place.
    pub index: ChainIndex,
    /// The message that it is about.
    pub message_id: MessageId,
    /// When it was written.
    pub timestamp: Timestamp,
    /// The hash it links to; `None` where it is that of the entry before.
    pub prev_hash: Option<[u8; 32]>,
    /// The hash of the content.
    pub content_hash: [u8; 32],
    /// Its hash.
    pub hash: [u8; 32],
    /// The signature.
    pub signature: [u8; 64],
}

/// How a stored message knows of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// What the entry covers is there, or was deleted.
    Known,
    /// The message is there, and none of its contents is said to be covered by this entry.
    Unclaimed,
    /// There is no such message.
    NoMessage,
}

/// A row of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainItem {
    /// An entry.
    Entry(ChainRow, Coverage),
    /// A row that can't be an entry.
    Unreadable {
        /// Its place.
        index: ChainIndex,
        /// Its hash, if that can be read.
        hash: Option<[u8; 32]>,
        /// The row is whole, but the message that it refers to for the id is gone.
        lacks_message: bool,
        /// What is wrong.
        problem: String,
    },
}

/// A message and the entries that it names, as stored.
#[derive(Debug, Clone, Copy)]
pub struct CoveredMessage<'a> {
    /// Its id, if that is one.
    pub id: Option<MessageId>,
    /// The bytes of what it says.
    pub content: &'a [u8],
    /// The entry that it names as the first that covers it.
    pub entry: ChainIndex,
    /// Whether there is such an entry, and it is about this message.
    pub has_entry: bool,
    /// The entry that it names as covering what it says now.
    pub latest: ChainIndex,
    /// The content hash of that entry, if there is one and it is about this message.
    pub latest_content_hash: Option<&'a [u8]>,
    /// The times that are shown, and those of the entries.
    pub times: CoveredTimes,
    /// Whether it has metadata.
    pub has_metadata: bool,
    /// Whether it shows another index or hash than its entry has, as only adopted messages may.
    pub shows_another: bool,
}

impl CoveredMessage<'_> {
    /// Whether it was deleted.
    pub fn is_deleted(&self) -> bool {
        self.times.deleted_at.is_some()
    }
}

/// The times of a message and of the entries that it names, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoveredTimes {
    /// When it was written.
    pub created_at: i64,
    /// When it was last changed; `None` where it says that it never was.
    pub updated_at: Option<i64>,
    /// When it was deleted.
    pub deleted_at: Option<i64>,
    /// The time of the first entry, if there is one and it is about this message.
    pub entry: Option<i64>,
    /// The time of the entry of the latest edit or the deletion, if it names one, there is one, and it is about this message.
    pub latest_entry: Option<i64>,
}

/// An earlier version of a message, as stored.
#[derive(Debug, Clone, Copy)]
pub struct CoveredVersion<'a> {
    /// The message's id, if that is one and the message is there.
    pub id: Option<MessageId>,
    /// Its number among the message's versions.
    pub number: i64,
    /// The bytes of what it said.
    pub content: &'a [u8],
    /// The entry that it names, if it names one.
    pub entry: Option<ChainIndex>,
    /// The content hash of that, if it is there and about this message.
    pub content_hash: Option<&'a [u8]>,
    /// The first and the latest entry of the message.
    pub bounds: Option<(ChainIndex, ChainIndex)>,
    /// Whether the message was deleted.
    pub is_deleted: bool,
}

/// How far a scan has come, to go on from there. Start with the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanPlace(i64, i64);

impl ScanPlace {
    pub(super) const fn after(key: i64) -> Self {
        Self(key, 0)
    }

    pub(super) const fn key(self) -> i64 {
        self.0
    }
}

impl Default for ScanPlace {
    fn default() -> Self {
        Self(i64::MIN, i64::MIN)
    }
}

impl Database {
    /// The server that the database belongs to and its public key, as far as the database knows.
    pub fn identity(&self) -> Result<(Option<String>, Option<[u8; 32]>), StorageError> {
        let mut statement = self.connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
        let mut value = |name: &str| -> Result<Option<Vec<u8>>, StorageError> {
            let mut rows = statement.query([name])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            Ok(match row.get_ref(0)? {
                ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Some(bytes.to_owned()),
                _ => None,
            })
        };
        let server_id = value("server_id")?.and_then(|text| String::from_utf8(text).ok());
        let public_key = value("public_key")?.and_then(|bytes| bytes.try_into().ok());
        Ok((server_id, public_key))
    }

    /// How many entries the chain had after the database was adopted; 0 if it never was.
    pub fn adopted_length(&self) -> Result<u64, StorageError> {
        let mut statement = self.connection.prepare_cached("SELECT value FROM meta WHERE name = 'adopted_length'")?;
        let mut rows = statement.query([])?;
        Ok(rows.next()?.and_then(|row| row.get(0).ok()).unwrap_or(0))
    }

    /// The index of the last entry.
    pub fn last_index(&self) -> Result<Option<ChainIndex>, StorageError> {
        let mut statement = self.connection.prepare_cached("SELECT max(idx) FROM entry")?;
        Ok(statement.query_row([], |row| row.get::<_, Option<u64>>(0))?.map(ChainIndex))
    }

    /// Hands on up to `limit` entries from `from` on. Returns how many there were.
    pub fn chain(&self, from: ChainIndex, limit: u32, mut each: impl FnMut(ChainItem)) -> Result<u32, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT e.idx, e.timestamp, e.content_hash, e.hash, e.signature, e.prev_hash, e.message_id, \
             m.id, m.entry, m.latest_entry, m.deleted_at IS NOT NULL, m.key \
             FROM entry e LEFT JOIN message m ON m.key = e.message WHERE e.idx >= ?1 ORDER BY e.idx LIMIT ?2",
        )?;
        let Ok(from) = i64::try_from(from.0) else { return Ok(0) };
        // Below the first there must be none: if there is, reading its index fails.
        let from = if from == 0 { i64::MIN } else { from };
        let mut rows = statement.query((from, limit))?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            each(match chain_row(row) {
                Ok(entry) => ChainItem::Entry(entry, self.coverage(entry.index, row)?),
                Err(problem) => ChainItem::Unreadable {
                    index: ChainIndex(row.get(0)?),
                    hash: fixed(row.get_ref(3)?, "hash").ok(),
                    lacks_message: row.get_ref(6)? == ValueRef::Null && row.get_ref(11)? == ValueRef::Null,
                    problem,
                },
            });
        }
        Ok(count)
    }

    /// Hands on up to `limit` messages after `place`, in the order of storing. Returns where to go on, or `None` at the
    /// end.
    pub fn covered_messages(
        &self,
        place: ScanPlace,
        limit: u32,
        mut each: impl FnMut(CoveredMessage<'_>),
    ) -> Result<Option<ScanPlace>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT m.key, m.id, m.content, m.deleted_at, m.entry, m.latest_entry, \
             c.message = m.key, c.content_hash, l.message = m.key, l.content_hash, \
             m.created_at, m.updated_at, c.timestamp, l.timestamp, m.metadata IS NOT NULL, \
             a.message IS NOT NULL \
             FROM message m LEFT JOIN entry c ON c.idx = m.entry LEFT JOIN entry l ON l.idx = m.latest_entry \
             LEFT JOIN adopted_message a ON a.message = m.key \
             WHERE m.key > ?1 ORDER BY m.key LIMIT ?2",
        )?;
        let mut rows = statement.query((place.0, limit))?;
        let (mut count, mut last) = (0, place);
        while let Some(row) = rows.next()? {
            (count, last) = (count + 1, ScanPlace::after(row.get(0)?));
            let entry = ChainIndex(row.get(4)?);
            let latest = row.get::<_, Option<u64>>(5)?.map(ChainIndex);
            let has_entry = row.get::<_, Option<bool>>(6)?.unwrap_or(false);
            let (owned, hash) = if latest.is_some() { (8, 9) } else { (6, 7) };
            let is_own = row.get::<_, Option<bool>>(owned)?.unwrap_or(false);
            let times = CoveredTimes {
                created_at: row.get(10)?,
                updated_at: row.get(11)?,
                deleted_at: row.get(3)?,
                entry: if has_entry { row.get(12)? } else { None },
                latest_entry: if is_own && latest.is_some() { row.get(13)? } else { None },
            };
            each(CoveredMessage {
                id: message_id(row.get_ref(1)?).ok(),
                content: bytes(row.get_ref(2)?),
                entry,
                has_entry,
                latest: latest.unwrap_or(entry),
                latest_content_hash: is_own.then_some(bytes(row.get_ref(hash)?)),
                times,
                has_metadata: row.get(14)?,
                shows_another: row.get(15)?,
            });
        }
        Ok((count == limit).then_some(last))
    }

    /// Hands on up to `limit` earlier versions after `place`, message by message, oldest first. Returns where to go on.
    pub fn covered_versions(
        &self,
        place: ScanPlace,
        limit: u32,
        mut each: impl FnMut(CoveredVersion<'_>),
    ) -> Result<Option<ScanPlace>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT v.message, v.number, v.content, v.entry, e.message = v.message, e.content_hash, \
             m.id, m.entry, coalesce(m.latest_entry, m.entry), m.deleted_at IS NOT NULL \
             FROM version v LEFT JOIN entry e ON e.idx = v.entry LEFT JOIN message m ON m.key = v.message \
             WHERE (v.message, v.number) > (?1, ?2) ORDER BY v.message, v.number LIMIT ?3",
        )?;
        let mut rows = statement.query((place.0, place.1, limit))?;
        let (mut count, mut last) = (0, place);
        while let Some(row) = rows.next()? {
            (count, last) = (count + 1, ScanPlace(row.get(0)?, row.get(1)?));
            let first = row.get::<_, Option<u64>>(7)?.map(ChainIndex);
            let latest = row.get::<_, Option<u64>>(8)?.map(ChainIndex);
            let is_own = row.get::<_, Option<bool>>(4)?.unwrap_or(false);
            each(CoveredVersion {
                id: message_id(row.get_ref(6)?).ok(),
                number: last.1,
                content: bytes(row.get_ref(2)?),
                entry: row.get::<_, Option<u64>>(3)?.map(ChainIndex),
                content_hash: is_own.then_some(bytes(row.get_ref(5)?)),
                bounds: first.zip(latest),
                is_deleted: row.get(9)?,
            });
        }
        Ok((count == limit).then_some(last))
    }

    /// How the message of the entry at `index` knows of it; columns 8 to 11 of `row` are the message's.
    fn coverage(&self, index: ChainIndex, row: &Row<'_>) -> Result<Coverage, StorageError> {
        let Some(key) = row.get::<_, Option<i64>>(11)? else { return Ok(Coverage::NoMessage) };
        let first = ChainIndex(row.get(8)?);
        let latest = row.get::<_, Option<u64>>(9)?.map_or(first, ChainIndex);
        let is_deleted: bool = row.get(10)?;
        if index == latest || (is_deleted && (first..latest).contains(&index)) {
            return Ok(Coverage::Known);
        }
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM version WHERE message = ?1 AND entry = ?2")?;
        let is_version = statement.exists((key, index.0))?;
        Ok(if is_version { Coverage::Known } else { Coverage::Unclaimed })
    }
}

/// Columns 0 to 7 of `row` as an entry; what is wrong with them if they are none.
fn chain_row(row: &Row<'_>) -> Result<ChainRow, String> {
    let column = |place, name: &str| row.get_ref(place).map_err(|_| format!("its {name} is missing"));
    let own_id = column(6, "message id")?;
    let id = if own_id == ValueRef::Null { column(7, "message id")? } else { own_id };
    let prev_hash = column(5, "prev_hash")?;
    Ok(ChainRow {
        index: ChainIndex(whole(column(0, "index")?, "index")?),
        timestamp: Timestamp::from_unix_ms(whole(column(1, "timestamp")?, "timestamp")?),
        content_hash: fixed(column(2, "content hash")?, "content hash")?,
        hash: fixed(column(3, "hash")?, "hash")?,
        signature: fixed(column(4, "signature")?, "signature")?,
        prev_hash: if prev_hash == ValueRef::Null { None } else { Some(fixed(prev_hash, "prev_hash")?) },
        message_id: message_id(id)?,
    })
}

pub(super) fn whole(value: ValueRef<'_>, name: &str) -> Result<u64, String> {
    value.as_i64().ok().and_then(|number| number.try_into().ok()).ok_or_else(|| format!("its {name} is no number"))
}

pub(super) fn fixed<const N: usize>(value: ValueRef<'_>, name: &str) -> Result<[u8; N], String> {
    bytes(value).try_into().map_err(|_| format!("its {name} is not {N} bytes"))
}

pub(super) fn bytes(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        _ => &[],
    }
}

fn message_id(value: ValueRef<'_>) -> Result<MessageId, String> {
    fixed(value, "message id").map(MessageId::from_bytes)
}
