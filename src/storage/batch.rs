//! The changes of one transaction.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension as _};
use uuid::Uuid;

use super::channel::ChannelKey;
use super::database::Database;
use super::error::StorageError;
use super::search_text::search_text;
use super::write::{Change, DELETED_CONTENT, EntryRow, MessageKey, Stored};
use crate::ids::{ChainIndex, MessageId, UserId};

/// How many people's keys are kept at hand; beyond that the memory of them starts anew.
const MEMBERS_AT_HAND: usize = 10_000;

/// Stores changes one after the other. The statements that a create needs are kept at hand meanwhile: to look each of them up
/// for each message takes a twentieth of what a message costs.
pub struct Batch<'s> {
    database: &'s Database,
    members: &'s mut HashMap<UserId, i64>,
    earlier_create: AtHand<'s>,
    insert_message: AtHand<'s>,
    insert_request: AtHand<'s>,
    insert_text: AtHand<'s>,
    insert_entry: AtHand<'s>,
}

/// A statement that is compiled when it is first needed.
struct AtHand<'s> {
    connection: &'s Connection,
    sql: &'static str,
    statement: Option<CachedStatement<'s>>,
}

impl<'s> AtHand<'s> {
    fn get(&mut self) -> rusqlite::Result<&mut CachedStatement<'s>> {
        match &mut self.statement {
            Some(statement) => Ok(statement),
            missing => Ok(missing.insert(self.connection.prepare_cached(self.sql)?)),
        }
    }
}

impl<'s> Batch<'s> {
    pub(super) fn new(database: &'s Database, members: &'s mut HashMap<UserId, i64>) -> Self {
        let at_hand = |sql| AtHand { connection: &database.connection, sql, statement: None };
        Self {
            database,
            members,
            // The hash of its creation's entry is compared, not its text, which may have been edited or deleted since.
            earlier_create: at_hand(
                "SELECT m.id, m.entry FROM request r JOIN member u ON u.key = r.author \
                 JOIN message m ON m.key = r.message JOIN entry e ON e.idx = m.entry \
                 WHERE r.client_id = ?1 AND u.user_id = ?2 AND m.channel = ?3 AND e.content_hash = ?4 \
                 ORDER BY r.message DESC LIMIT 1",
            ),
            insert_message: at_hand(
                "INSERT INTO message (id, channel, author, content, created_at, entry) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            ),
            insert_request: at_hand("INSERT INTO request (client_id, author, message) VALUES (?1, ?2, ?3)"),
            insert_text: at_hand("INSERT INTO search (rowid, text) VALUES (?1, ?2)"),
            insert_entry: at_hand(
                "INSERT INTO entry (idx, message, timestamp, content_hash, hash, signature) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            ),
        }
    }

    /// The connection, for reading what is stored, the changes included.
    pub fn database(&self) -> &'s Database {
        self.database
    }

    /// The message that `user_id` created lately (see [`super::WriteStore::forget_requests`]) with the same `client_id` and channel,
    /// and content of this hash.
    pub fn earlier_create(
        &mut self,
        client_id: Uuid,
        user_id: UserId,
        channel: ChannelKey,
        content_hash: [u8; 32],
    ) -> Result<Option<Stored>, StorageError> {
        let stored = self
            .earlier_create
            .get()?
            .query_row((client_id.as_bytes(), user_id.as_bytes(), channel.0, content_hash), |row| {
                Ok(Stored { message_id: MessageId::from_bytes(row.get(0)?), chain_index: ChainIndex(row.get(1)?) })
            });
        Ok(stored.optional()?)
    }

    /// Stores a change with its entry.
    pub fn apply(&mut self, change: &Change, entry: &EntryRow) -> Result<(), StorageError> {
        let message = match change {
            Change::Created { message_id, channel, user_id, content, client_id } => {
                self.create(*message_id, *channel, *user_id, content, *client_id, entry)?
            }
            Change::Edited { message, content } => self.edit(*message, content, entry)?,
            Change::Deleted { message } => self.delete(*message, entry)?,
        };
        self.insert_entry.get()?.execute((
            entry.index.0,
            message.0,
            entry.timestamp.unix_ms(),
            entry.content_hash,
            entry.hash,
            entry.signature,
        ))?;
        Ok(())
    }

    fn create(
        &mut self,
        message_id: MessageId,
        channel: ChannelKey,
        user_id: UserId,
        content: &str,
        client_id: Option<Uuid>,
        entry: &EntryRow,
    ) -> Result<MessageKey, StorageError> {
        let author = self.member(user_id)?;
        let (time, index) = (entry.timestamp.unix_ms(), entry.index.0);
        let row = (message_id.as_bytes(), channel.0, author, content, time, index);
        let key = self.insert_message.get()?.insert(row)?;
        if let Some(client_id) = client_id {
            self.insert_request.get()?.execute((client_id.as_bytes(), author, key))?;
        }
        self.index(MessageKey(key), content)?;
        Ok(MessageKey(key))
    }

    fn edit(&mut self, message: MessageKey, content: &str, entry: &EntryRow) -> Result<MessageKey, StorageError> {
        let connection = &self.database.connection;
        let old: String = self.content(message)?;
        connection
            .prepare_cached(
                "INSERT INTO version (message, number, entry, content) \
                 SELECT key, (SELECT count(*) FROM version WHERE message = key), coalesce(latest_entry, entry), content \
                 FROM message WHERE key = ?1",
            )?
            .execute([message.0])?;
        connection
            .prepare_cached("UPDATE message SET content = ?2, updated_at = ?3, latest_entry = ?4 WHERE key = ?1")?
            .execute((message.0, content, entry.timestamp.unix_ms(), entry.index.0))?;
        self.unindex(message, &old)?;
        self.index(message, content)?;
        Ok(message)
    }

    fn delete(&self, message: MessageKey, entry: &EntryRow) -> Result<MessageKey, StorageError> {
        let connection = &self.database.connection;
        let old: String = self.content(message)?;
        connection.prepare_cached("DELETE FROM version WHERE message = ?1")?.execute([message.0])?;
        connection
            .prepare_cached(
                "UPDATE message SET content = ?2, metadata = NULL, updated_at = ?3, deleted_at = ?3, latest_entry = ?4 \
                 WHERE key = ?1",
            )?
            .execute((message.0, DELETED_CONTENT, entry.timestamp.unix_ms(), entry.index.0))?;
        self.unindex(message, &old)?;
        Ok(message)
    }

    fn content(&self, message: MessageKey) -> Result<String, StorageError> {
        let connection = &self.database.connection;
        let mut statement = connection.prepare_cached("SELECT content FROM message WHERE key = ?1")?;
        Ok(statement.query_row([message.0], |row| row.get(0))?)
    }

    pub(super) fn index(&mut self, message: MessageKey, content: &str) -> Result<(), StorageError> {
        self.insert_text.get()?.execute((message.0, search_text(content)))?;
        Ok(())
    }

    fn unindex(&self, message: MessageKey, content: &str) -> Result<(), StorageError> {
        self.database
            .connection
            .prepare_cached("INSERT INTO search (search, rowid, text) VALUES ('delete', ?1, ?2)")?
            .execute((message.0, search_text(content)))?;
        Ok(())
    }

    pub(super) fn member(&mut self, user_id: UserId) -> Result<i64, StorageError> {
        if let Some(key) = self.members.get(&user_id) {
            return Ok(*key);
        }
        let connection = &self.database.connection;
        let found = connection
            .prepare_cached("SELECT key FROM member WHERE user_id = ?1")?
            .query_row([user_id.as_bytes()], |row| row.get(0))
            .optional()?;
        let key = match found {
            Some(key) => key,
            None => {
                connection.prepare_cached("INSERT INTO member (user_id) VALUES (?1)")?.insert([user_id.as_bytes()])?
            }
        };
        if self.members.len() >= MEMBERS_AT_HAND {
            self.members.clear();
        }
        self.members.insert(user_id, key);
        Ok(key)
    }
}
