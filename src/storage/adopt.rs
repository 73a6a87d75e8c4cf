//! Storing what the Go reference server wrote, as it wrote it.

use super::channel::ChannelKey;
use super::error::StorageError;
use super::reference_source::ReferenceChannel;
use super::write::{EntryRow, MessageKey, WriteStore};
use crate::ids::{ChainIndex, MessageId, UserId};
use crate::time::Timestamp;

/// A chain entry, with what it has that our own never have.
#[derive(Debug, Clone, Copy)]
pub struct AdoptedEntry {
    /// The entry.
    pub entry: EntryRow,
    /// The row of the message that it is about, if that is there.
    pub message_row: Option<i64>,
    /// The id of the message, where it is not there.
    pub message_id: Option<MessageId>,
    /// The hash that it links to, where that is not the hash of the entry before.
    pub prev_hash: Option<[u8; 32]>,
}

/// A message and what covers it.
#[derive(Debug)]
pub struct AdoptedMessage<'a> {
    /// Its row in the reference's database; it keeps that number here.
    pub row: i64,
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub channel: ChannelKey,
    /// Who wrote it.
    pub user_id: UserId,
    /// What it says.
    pub content: &'a str,
    /// JSON; `None` is an empty object.
    pub metadata: Option<&'a str>,
    /// What it said before, oldest first, each with the entry that covers it.
    pub versions: &'a [(Option<ChainIndex>, &'a str)],
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed, if it was.
    pub updated_at: Option<Timestamp>,
    /// The entry of its creation, or else the first that covers it.
    pub entry: ChainIndex,
    /// The entry that covers what it says now, if that is another.
    pub latest_entry: Option<ChainIndex>,
    /// The chain index and hash that it shows, where they are not those of `entry`.
    pub shown: Option<(ChainIndex, [u8; 32])>,
}

impl WriteStore {
    /// Stores a channel of the reference.
    pub fn adopt_channel(&self, channel: &ReferenceChannel) -> Result<ChannelKey, StorageError> {
        let connection = &self.database.connection;
        let mut statement = connection.prepare_cached(
            "INSERT INTO channel (id, name, type, topic, is_read_only, position, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let key = statement.insert((
            &channel.id,
            &channel.name,
            &channel.kind,
            &channel.topic,
            channel.is_read_only,
            channel.position,
            channel.created_at.unix_ms(),
        ))?;
        Ok(ChannelKey(key))
    }

    /// Stores an entry, an old one or one that is appended.
    pub fn adopt_entry(&self, adopted: &AdoptedEntry) -> Result<(), StorageError> {
        let AdoptedEntry { entry, message_row, message_id, prev_hash } = adopted;
        let connection = &self.database.connection;
        let mut statement = connection.prepare_cached(
            "INSERT INTO entry (idx, message, timestamp, content_hash, hash, signature, prev_hash, message_id) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        statement.execute((
            entry.index.0,
            message_row,
            entry.timestamp.unix_ms(),
            entry.content_hash,
            entry.hash,
            entry.signature,
            prev_hash,
            message_id.as_ref().map(MessageId::as_bytes),
        ))?;
        Ok(())
    }

    /// Stores a message with its earlier versions, and indexes its text.
    pub fn adopt_message(&mut self, message: &AdoptedMessage<'_>) -> Result<(), StorageError> {
        let mut batch = self.batch();
        let author = batch.member(message.user_id)?;
        let connection = &batch.database().connection;
        let mut statement = connection.prepare_cached(
            "INSERT INTO message (key, id, channel, author, content, created_at, entry, latest_entry, updated_at, \
             deleted_at, metadata) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        statement.execute((
            message.row,
            message.id.as_bytes(),
            message.channel.0,
            author,
            message.content,
            message.created_at.unix_ms(),
            message.entry.0,
            message.latest_entry.map(|index| index.0),
            message.updated_at.map(Timestamp::unix_ms),
            message.deleted_at.map(Timestamp::unix_ms),
            message.metadata,
        ))?;
        let mut statement = connection
            .prepare_cached("INSERT INTO version (message, number, entry, content) VALUES (?1, ?2, ?3, ?4)")?;
        for (number, (entry, content)) in message.versions.iter().enumerate() {
            statement.execute((message.row, number, entry.map(|index| index.0), content))?;
        }
        if let Some((index, hash)) = message.shown {
            connection
                .prepare_cached("INSERT INTO adopted_message (message, chain_index, chain_hash) VALUES (?1, ?2, ?3)")?
                .execute((message.row, index.0, hash))?;
        }
        if message.deleted_at.is_none() {
            batch.index(MessageKey(message.row), message.content)?;
        }
        Ok(())
    }

    /// Notes how long the chain was when the adoption was done, its own entries included.
    pub fn record_adoption(&self, length: u64) -> Result<(), StorageError> {
        let sql = "INSERT INTO meta (name, value) VALUES ('adopted_length', ?1)";
        self.database.connection.execute(sql, [length])?;
        Ok(())
    }
}
