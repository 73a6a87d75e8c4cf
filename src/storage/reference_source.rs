//! Reading a database of the Go reference server row by row, in order to take it over.
//!
//! Its UUIDs are lower-case text, its times Unix milliseconds, its hashes and signatures blobs; `edit_history` is a JSON
//! array of strings or `null`. A row that does not hold what it must stops the reading: nothing is left out silently.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::FromSql;
use rusqlite::{Connection, ErrorCode, Row};

use super::database::{Access, check_kind, connect};
use super::error::{StorageError, plain_words};
use super::lock::DatabaseLock;
use crate::ids::{ChainIndex, MessageId, UserId};
use crate::time::Timestamp;

/// How long to wait for another program that is about to close the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// How the file is held while it is read.
#[derive(Debug, Clone, Copy)]
pub enum Hold<'a> {
    /// As one of several: what is read is the state of one moment.
    Shared,
    /// Alone, by whoever has the database's lock: while anybody else has the file open, it can't be had, and once it is had,
    /// nobody else gets in.
    Alone(&'a DatabaseLock),
}

/// A channel of the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceChannel {
    /// Its name on the wire.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// `text`, `announcement` or `forum`.
    pub kind: String,
    /// What is talked about.
    pub topic: String,
    /// Whether members can't post.
    pub is_read_only: bool,
    /// Its place in the list.
    pub position: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An entry of the reference's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferenceEntry {
    /// Its place.
    pub index: ChainIndex,
    /// The message that it is about.
    pub message_id: MessageId,
    /// The row of that message, if it is there.
    pub message_row: Option<i64>,
    /// When it was written.
    pub timestamp: Timestamp,
    /// The hash that it links to.
    pub prev_hash: [u8; 32],
    /// The hash of what the message said.
    pub content_hash: [u8; 32],
    /// Its hash.
    pub hash: [u8; 32],
    /// The signature over that.
    pub signature: [u8; 64],
}

/// The first entry that is about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnEntry {
    /// Its place.
    pub index: ChainIndex,
    /// The hash of the content that it covers.
    pub content_hash: [u8; 32],
    /// Its hash.
    pub hash: [u8; 32],
}

/// A message of the reference, with the entry that is about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceRow {
    /// The row: it counts messages in the order in which they were stored.
    pub row: i64,
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub channel_id: String,
    /// Who wrote it.
    pub user_id: UserId,
    /// What it says now.
    pub content: String,
    /// JSON.
    pub metadata: String,
    /// What it said before, oldest first.
    pub edit_history: Vec<String>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The chain index that it shows.
    pub chain_index: ChainIndex,
    /// The hash that it shows.
    pub chain_hash: [u8; 32],
    /// The entry that is about it, whatever it shows.
    pub own: Option<OwnEntry>,
}

/// A database of the reference, read in one transaction.
pub struct ReferenceSource {
    connection: Connection,
}

impl ReferenceSource {
    /// Opens the file, which [`super::Database::open`] found to be one of the reference.
    pub fn open(path: &Path, hold: Hold<'_>) -> Result<Self, StorageError> {
        check_kind(path)?;
        let access = match hold {
            Hold::Shared => Access::ReadOnly,
            // What a crash of the reference left in its write-ahead log has to go into the file that is kept.
            Hold::Alone(_) => Access::ReadWrite,
        };
        let cannot = |error: rusqlite::Error| explain(path.to_owned(), &error);
        let connection = connect(path, access).map_err(cannot)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        let begun = match hold {
            Hold::Shared => connection.execute_batch("BEGIN"),
            Hold::Alone(_) => connection
                .pragma_update_and_check(None, "locking_mode", "exclusive", |_| Ok(()))
                .and_then(|()| connection.execute_batch("BEGIN EXCLUSIVE")),
        };
        begun.map_err(cannot)?;
        let source = Self { connection };
        // The moment that is read begins with the first reading.
        source.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(cannot)?;
        Ok(source)
    }

    /// Visits the channels in the order of their making.
    pub fn channels<E: From<StorageError>>(
        &self,
        each: impl FnMut(ReferenceChannel) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql =
            "SELECT rowid, id, name, type, topic, is_read_only, position, created_at FROM channels ORDER BY rowid";
        self.visit(sql, channel, each)
    }

    /// Visits the entries in the order of the chain.
    pub fn entries<E: From<StorageError>>(&self, each: impl FnMut(ReferenceEntry) -> Result<(), E>) -> Result<(), E> {
        let sql = "SELECT e.idx, m.rowid, e.message_id, e.timestamp, e.prev_hash, e.content_hash, e.hash, e.signature \
                   FROM log_chain e LEFT JOIN messages m ON m.id = e.message_id ORDER BY e.idx";
        self.visit(sql, entry, each)
    }

    /// Visits the messages in the order of storing.
    pub fn messages<E: From<StorageError>>(&self, each: impl FnMut(ReferenceRow) -> Result<(), E>) -> Result<(), E> {
        let sql = "SELECT m.rowid, m.id, m.channel_id, m.user_id, m.content, m.metadata, m.edit_history, m.deleted_at, \
                   m.created_at, m.updated_at, m.chain_index, m.chain_hash, e.idx, e.content_hash, e.hash \
                   FROM messages m LEFT JOIN log_chain e \
                   ON e.idx = (SELECT min(idx) FROM log_chain o WHERE o.message_id = m.id) ORDER BY m.rowid";
        self.visit(sql, message, each)
    }

    fn visit<T, E: From<StorageError>>(
        &self,
        sql: &str,
        read: impl Fn(&Row<'_>) -> Result<T, StorageError>,
        mut each: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self.connection.prepare(sql).map_err(StorageError::from)?;
        let mut rows = statement.query([]).map_err(StorageError::from)?;
        while let Some(row) = rows.next().map_err(StorageError::from)? {
            each(read(row)?)?;
        }
        Ok(())
    }
}

fn explain(path: PathBuf, error: &rusqlite::Error) -> StorageError {
    let cause = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program has it open".to_owned(),
        _ => plain_words(error),
    };
    StorageError::Open { path, cause }
}

/// A row, its columns read one after the other by name.
struct Columns<'a> {
    table: &'static str,
    row: &'a Row<'a>,
}

impl<'a> Columns<'a> {
    fn number(&self) -> i64 {
        self.row.get(0).unwrap_or_default()
    }

    fn value<T: FromSql>(&self, column: usize, name: &str) -> Result<T, StorageError> {
        self.row.get(column).map_err(|_| self.malformed(format!("its {name} is of another kind")))
    }

    fn text(&self, column: usize, name: &str) -> Result<&'a str, StorageError> {
        let text = self.row.get_ref(column).ok().and_then(|value| value.as_str().ok());
        text.ok_or_else(|| self.malformed(format!("its {name} is no text")))
    }

    fn uuid<T: std::str::FromStr>(&self, column: usize, name: &str) -> Result<T, StorageError> {
        self.text(column, name)?.parse().map_err(|_| self.malformed(format!("its {name} is no UUID")))
    }

    fn time(&self, column: usize, name: &str) -> Result<Timestamp, StorageError> {
        self.value(column, name).map(Timestamp::from_unix_ms)
    }

    fn malformed(&self, problem: impl Into<String>) -> StorageError {
        StorageError::Malformed { table: self.table, row: self.number(), problem: problem.into() }
    }
}

fn channel(row: &Row<'_>) -> Result<ReferenceChannel, StorageError> {
    let columns = Columns { table: "channels", row };
    let kind = columns.text(3, "type")?;
    if !["text", "announcement", "forum"].contains(&kind) {
        return Err(columns.malformed(format!("its type is unknown: `{}`", kind.escape_debug())));
    }
    Ok(ReferenceChannel {
        id: columns.text(1, "id")?.to_owned(),
        name: columns.text(2, "name")?.to_owned(),
        kind: kind.to_owned(),
        topic: columns.text(4, "topic")?.to_owned(),
        is_read_only: columns.value(5, "is_read_only")?,
        position: columns.value(6, "position")?,
        created_at: columns.time(7, "created_at")?,
    })
}

fn entry(row: &Row<'_>) -> Result<ReferenceEntry, StorageError> {
    let columns = Columns { table: "log_chain", row };
    Ok(ReferenceEntry {
        index: ChainIndex(columns.value(0, "idx")?),
        message_row: columns.value(1, "message")?,
        message_id: columns.uuid(2, "message_id")?,
        timestamp: columns.time(3, "timestamp")?,
        prev_hash: columns.value(4, "prev_hash")?,
        content_hash: columns.value(5, "content_hash")?,
        hash: columns.value(6, "hash")?,
        signature: columns.value(7, "signature")?,
    })
}

fn message(row: &Row<'_>) -> Result<ReferenceRow, StorageError> {
    let columns = Columns { table: "messages", row };
    let history = columns.text(6, "edit_history")?;
    let history = serde_json::from_str::<Option<Vec<String>>>(history)
        .map_err(|_| columns.malformed("its edit_history is no list of texts"))?;
    let own = columns.value::<Option<u64>>(12, "idx")?;
    Ok(ReferenceRow {
        row: columns.number(),
        id: columns.uuid(1, "id")?,
        channel_id: columns.text(2, "channel_id")?.to_owned(),
        user_id: columns.uuid(3, "user_id")?,
        content: columns.text(4, "content")?.to_owned(),
        metadata: columns.text(5, "metadata")?.to_owned(),
        edit_history: history.unwrap_or_default(),
        deleted_at: columns.value::<Option<u64>>(7, "deleted_at")?.map(Timestamp::from_unix_ms),
        created_at: columns.time(8, "created_at")?,
        updated_at: columns.time(9, "updated_at")?,
        chain_index: ChainIndex(columns.value(10, "chain_index")?),
        chain_hash: columns.value(11, "chain_hash")?,
        own: match own {
            Some(index) => Some(OwnEntry {
                index: ChainIndex(index),
                content_hash: columns.value(13, "content_hash")?,
                hash: columns.value(14, "hash")?,
            }),
            None => None,
        },
    })
}
