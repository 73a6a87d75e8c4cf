//! Reading messages: a channel's history, and everything that happened in the order of the chain.

use std::ops::ControlFlow;

use rusqlite::{OptionalExtension as _, Row};

use super::channel::ChannelKey;
use super::database::Database;
use super::error::StorageError;
use super::write::MessageKey;
use crate::ids::{ChainIndex, ChannelId, MessageId, UserId};
use crate::time::Timestamp;

/// The columns that [`MessageRow`] is read from, of `message` as `m`; see [`MESSAGE_JOINS`].
pub(super) const MESSAGE_COLUMNS: &str = "m.key, m.id, c.id, u.user_id, m.content, m.metadata, m.deleted_at, \
     m.created_at, m.updated_at, coalesce(a.chain_index, e.idx), coalesce(a.chain_hash, e.hash), m.latest_entry";

/// What `message` as `m` is joined with for [`MESSAGE_COLUMNS`].
pub(super) const MESSAGE_JOINS: &str = "JOIN channel c ON c.key = m.channel JOIN member u ON u.key = m.author \
     JOIN entry e ON e.idx = m.entry LEFT JOIN adopted_message a ON a.message = m.key";

/// A message as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Its place in the order of storing.
    pub key: MessageKey,
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub channel_id: ChannelId,
    /// Who wrote it.
    pub user_id: UserId,
    /// What it says now.
    pub content: String,
    /// JSON; `None` is an empty object.
    pub metadata: Option<String>,
    /// What it said before, oldest first.
    pub versions: Vec<String>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed; `created_at` if never.
    pub updated_at: Timestamp,
    /// The entry of its creation.
    pub chain_index: ChainIndex,
    /// The hash of that.
    pub chain_hash: [u8; 32],
    /// The entry of its latest edit or its deletion.
    pub latest_entry: Option<ChainIndex>,
}

/// Which part of a channel's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// From the latest back.
    Latest,
    /// From the one before this back.
    Before(MessageKey),
    /// From the one after this on.
    After(MessageKey),
}

/// What an entry recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// The entry.
    pub index: ChainIndex,
    /// Its hash.
    pub hash: [u8; 32],
    /// Its time.
    pub timestamp: Timestamp,
    /// What it recorded; `None` if the message is not there, which may be so in an adopted database.
    pub change: Option<LoggedChange>,
}

/// What an entry recorded of its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedChange {
    /// The message.
    pub message_id: MessageId,
    /// Where that stands.
    pub channel: ChannelKey,
    /// What happened.
    pub kind: LoggedKind,
}

/// What happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoggedKind {
    /// It was created.
    Created {
        /// Where.
        channel_id: ChannelId,
        /// Who.
        user_id: UserId,
        /// What it said then, or what a deleted message says.
        content: String,
        /// When.
        created_at: Timestamp,
    },
    /// It was edited.
    Edited {
        /// What it said from then on, or what a deleted message says.
        content: String,
    },
    /// It was deleted.
    Deleted,
}

impl Database {
    /// The place of the message `id` in the channel, if it stands there.
    pub fn message_key(&self, channel: ChannelKey, id: MessageId) -> Result<Option<MessageKey>, StorageError> {
        let mut statement = self.connection.prepare_cached("SELECT key FROM message WHERE id = ?1 AND channel = ?2")?;
        let key = statement.query_row((id.as_bytes(), channel.0), |row| row.get(0).map(MessageKey));
        Ok(key.optional()?)
    }

    /// Visits up to `limit` messages of a channel, until `visit` breaks.
    pub fn history(
        &self,
        channel: ChannelKey,
        span: Span,
        limit: u32,
        mut visit: impl FnMut(MessageRow) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        let (condition, order, bound) = match span {
            Span::Latest => ("<", "DESC", i64::MAX),
            Span::Before(key) => ("<", "DESC", key.0),
            Span::After(key) => (">", "ASC", key.0),
        };
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {MESSAGE_COLUMNS} FROM message m {MESSAGE_JOINS} \
             WHERE m.channel = ?1 AND m.key {condition} ?2 ORDER BY m.key {order} LIMIT ?3"
        ))?;
        let mut rows = statement.query((channel.0, bound, limit))?;
        while let Some(row) = rows.next()? {
            if visit(self.message_row(row)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Visits up to `limit` entries after `after` and what they recorded, in chain order, until `visit` breaks. An entry
    /// whose message is not there is visited like any other, so that whoever counts them comes to the end.
    pub fn events_after(
        &self,
        after: Option<ChainIndex>,
        limit: u32,
        mut visit: impl FnMut(LoggedEvent) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT e.idx, e.hash, e.timestamp, m.id, m.channel, c.id, u.user_id, m.entry, m.latest_entry, \
             m.deleted_at IS NOT NULL, m.created_at, coalesce(v.content, m.content) \
             FROM entry e LEFT JOIN message m ON m.key = e.message LEFT JOIN channel c ON c.key = m.channel \
             LEFT JOIN member u ON u.key = m.author \
             LEFT JOIN version v ON v.message = e.message AND v.entry = e.idx \
             WHERE e.idx >= ?1 ORDER BY e.idx LIMIT ?2",
        )?;
        let from = after.map_or(0, |index| index.0.saturating_add(1));
        let mut rows = statement.query((i64::try_from(from).unwrap_or(i64::MAX), limit))?;
        while let Some(row) = rows.next()? {
            if visit(logged_event(row)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The hash of an entry, if there is one with this index.
    pub fn entry_hash(&self, index: ChainIndex) -> Result<Option<[u8; 32]>, StorageError> {
        let Ok(index) = i64::try_from(index.0) else { return Ok(None) };
        let mut statement = self.connection.prepare_cached("SELECT hash FROM entry WHERE idx = ?1")?;
        Ok(statement.query_row([index], |row| row.get(0)).optional()?)
    }

    /// Reads a row of [`MESSAGE_COLUMNS`], with its earlier versions.
    pub(super) fn message_row(&self, row: &Row<'_>) -> Result<MessageRow, StorageError> {
        let time = |column| row.get(column).map(|ms: Option<u64>| ms.map(Timestamp::from_unix_ms));
        let key = MessageKey(row.get(0)?);
        let created_at = Timestamp::from_unix_ms(row.get(7)?);
        let updated_at = time(8)?;
        Ok(MessageRow {
            key,
            id: MessageId::from_bytes(row.get(1)?),
            channel_id: row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?.into(),
            user_id: UserId::from_bytes(row.get(3)?),
            content: row.get(4)?,
            metadata: row.get(5)?,
            versions: if updated_at.is_some() { self.versions(key)? } else { Vec::new() },
            deleted_at: time(6)?,
            created_at,
            updated_at: updated_at.unwrap_or(created_at),
            chain_index: ChainIndex(row.get(9)?),
            chain_hash: row.get(10)?,
            latest_entry: row.get::<_, Option<u64>>(11)?.map(ChainIndex),
        })
    }

    fn versions(&self, key: MessageKey) -> Result<Vec<String>, StorageError> {
        let mut statement =
            self.connection.prepare_cached("SELECT content FROM version WHERE message = ?1 ORDER BY number")?;
        let rows = statement.query_map([key.0], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn logged_event(row: &Row<'_>) -> rusqlite::Result<LoggedEvent> {
    let index = ChainIndex(row.get(0)?);
    let message_id: Option<[u8; 16]> = row.get(3)?;
    let change = message_id.map(|id| logged_change(row, index, MessageId::from_bytes(id))).transpose()?;
    Ok(LoggedEvent { index, hash: row.get(1)?, timestamp: Timestamp::from_unix_ms(row.get(2)?), change })
}

fn logged_change(row: &Row<'_>, index: ChainIndex, message_id: MessageId) -> rusqlite::Result<LoggedChange> {
    let (creation, latest): (u64, Option<u64>) = (row.get(7)?, row.get(8)?);
    let is_deleted: bool = row.get(9)?;
    let kind = if creation == index.0 {
        LoggedKind::Created {
            channel_id: row.get_ref(5)?.as_str()?.into(),
            user_id: UserId::from_bytes(row.get(6)?),
            content: row.get(11)?,
            created_at: Timestamp::from_unix_ms(row.get(10)?),
        }
    } else if is_deleted && latest == Some(index.0) {
        LoggedKind::Deleted
    } else {
        LoggedKind::Edited { content: row.get(11)? }
    };
    Ok(LoggedChange { message_id, channel: ChannelKey(row.get(4)?), kind })
}
