//! Reading everything, or what a filter lets through, in the order of the chain and as of one moment.

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::chain::ChainRow;
use super::channel::ChannelKey;
use super::database::Database;
use super::error::StorageError;
use super::history::{MESSAGE_COLUMNS, MessageRow};
use crate::ids::{ChainIndex, MessageId, UserId};
use crate::time::Timestamp;

/// Which messages are exported. An empty list says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportScope {
    /// Those in one of these channels.
    pub channels: Vec<ChannelKey>,
    /// Those by one of these people.
    pub users: Vec<UserId>,
    /// Those written at this time or later.
    pub after: Option<Timestamp>,
    /// Those written before this time.
    pub before: Option<Timestamp>,
}

/// A message with what only an export shows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedMessage {
    /// The message.
    pub row: MessageRow,
    /// The first entry that covers it.
    pub entry: ChainIndex,
    /// Whether the index and hash that it shows are another entry's, as those of some adopted messages are.
    pub shows_another: bool,
    /// The entries of its earlier versions, as `row.versions` lists those.
    pub version_entries: Vec<Option<ChainIndex>>,
}

/// One thing of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportItem {
    /// A message; its first entry follows.
    Message(Box<ExportedMessage>),
    /// An entry, its `prev_hash` always there.
    Entry(ChainRow),
}

/// As long as this lives, everything that is read on the connection is of the same moment.
pub struct Moment<'a> {
    database: &'a Database,
}

impl Drop for Moment<'_> {
    fn drop(&mut self) {
        // A transaction that only read has nothing to lose.
        self.database.connection.execute_batch("ROLLBACK").ok();
    }
}

impl Database {
    /// Holds on to this moment, whatever is written meanwhile. The write-ahead log can't be emptied as long.
    pub fn hold_moment(&self) -> Result<Moment<'_>, StorageError> {
        self.connection.execute_batch("BEGIN")?;
        let moment = Moment { database: self };
        // A transaction begins with its first read.
        self.connection.query_row("SELECT count(*) FROM meta", [], |_| Ok(()))?;
        Ok(moment)
    }

    /// Hands on each message of `scope` and each entry of those, in the order of the chain; without any filter, all entries.
    pub fn export<E: From<StorageError>>(
        &self,
        scope: &ExportScope,
        mut each: impl FnMut(ExportItem) -> Result<(), E>,
    ) -> Result<(), E> {
        let (conditions, parameters) = scope.conditions();
        let sql = format!(
            "SELECT {MESSAGE_COLUMNS}, m.entry, e.idx, e.timestamp, e.content_hash, e.hash, e.signature, e.prev_hash, \
             e.message_id FROM entry e LEFT JOIN message m ON m.key = e.message LEFT JOIN channel c ON c.key = m.channel \
             LEFT JOIN member u ON u.key = m.author LEFT JOIN adopted_message a ON a.message = m.key \
             {conditions} ORDER BY e.idx"
        );
        let mut statement = self.connection.prepare(&sql).map_err(StorageError::from)?;
        let mut rows = statement.query(params_from_iter(parameters)).map_err(StorageError::from)?;
        let mut before = None;
        while let Some(row) = rows.next().map_err(StorageError::from)? {
            let entry = self.exported_entry(row, before)?;
            before = Some((entry.index, entry.hash));
            if let Some(message) = self.message_created_by(&entry, row)? {
                each(ExportItem::Message(Box::new(message)))?;
            }
            each(ExportItem::Entry(entry))?;
        }
        Ok(())
    }

    /// How many entries [`Database::export`] hands on.
    pub fn count_export(&self, scope: &ExportScope) -> Result<u64, StorageError> {
        let (conditions, parameters) = scope.conditions();
        let sql = if conditions.is_empty() {
            "SELECT count(*) FROM entry".to_owned()
        } else {
            format!("SELECT count(*) FROM entry e JOIN message m ON m.key = e.message {conditions}")
        };
        Ok(self.connection.query_row(&sql, params_from_iter(parameters), |row| row.get(0))?)
    }

    fn message_created_by(&self, entry: &ChainRow, row: &Row<'_>) -> Result<Option<ExportedMessage>, StorageError> {
        if row.get::<_, Option<u64>>(12)? != Some(entry.index.0) {
            return Ok(None);
        }
        let row = self.message_row(row)?;
        let mut version_entries = Vec::new();
        if !row.versions.is_empty() {
            let sql = "SELECT entry FROM version WHERE message = ?1 ORDER BY number";
            let mut statement = self.connection.prepare_cached(sql)?;
            let entries = statement.query_map([row.key.0], |row| Ok(row.get::<_, Option<u64>>(0)?.map(ChainIndex)))?;
            version_entries = entries.collect::<Result<_, _>>()?;
        }
        let shows_another = (row.chain_index, row.chain_hash) != (entry.index, entry.hash);
        Ok(Some(ExportedMessage { row, entry: entry.index, shows_another, version_entries }))
    }

    /// Reads the entry of a row; `before` is the one that was read before it.
    fn exported_entry(&self, row: &Row<'_>, before: Option<(ChainIndex, [u8; 32])>) -> Result<ChainRow, StorageError> {
        let index = ChainIndex(row.get(13)?);
        let prev_hash = match (row.get(18)?, index.0.checked_sub(1).map(ChainIndex), before) {
            (Some(stored), ..) => stored,
            (None, None, _) => [0; 32],
            (None, Some(previous), Some((index, hash))) if previous == index => hash,
            (None, Some(previous), _) => self.entry_hash(previous)?.unwrap_or_default(),
        };
        let message_id = match row.get::<_, Option<[u8; 16]>>(19)? {
            Some(id) => id,
            None => row.get(1)?,
        };
        Ok(ChainRow {
            index,
            message_id: MessageId::from_bytes(message_id),
            timestamp: Timestamp::from_unix_ms(row.get(14)?),
            prev_hash: Some(prev_hash),
            content_hash: row.get(15)?,
            hash: row.get(16)?,
            signature: row.get(17)?,
        })
    }
}

impl ExportScope {
    /// Whether everything is exported.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    fn conditions(&self) -> (String, Vec<Value>) {
        let mut conditions = Vec::new();
        let mut parameters = Vec::new();
        if !self.channels.is_empty() {
            conditions.push(format!("m.channel IN ({})", vec!["?"; self.channels.len()].join(", ")));
            parameters.extend(self.channels.iter().map(|key| Value::Integer(key.0)));
        }
        if !self.users.is_empty() {
            let users = vec!["?"; self.users.len()].join(", ");
            conditions.push(format!("m.author IN (SELECT key FROM member WHERE user_id IN ({users}))"));
            parameters.extend(self.users.iter().map(|user| Value::Blob(user.as_bytes().to_vec())));
        }
        for (condition, time) in [("m.created_at >= ?", self.after), ("m.created_at < ?", self.before)] {
            if let Some(time) = time {
                conditions.push(condition.to_owned());
                parameters.push(Value::Integer(i64::try_from(time.unix_ms()).unwrap_or(i64::MAX)));
            }
        }
        let sql = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
        (sql, parameters)
    }
}
