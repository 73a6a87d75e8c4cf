//! Channels as they are stored.

use rusqlite::Row;

use super::database::Database;
use super::error::StorageError;
use super::write::WriteStore;
use crate::ids::ChannelId;
use crate::time::Timestamp;

/// The small number that messages refer to a channel by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelKey(pub(super) i64);

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRow {
    /// What messages refer to.
    pub key: ChannelKey,
    /// Its name on the wire.
    pub id: ChannelId,
    /// Its name for people.
    pub name: String,
    /// `text`, `announcement` or `forum`.
    pub kind: String,
    /// What is talked about; may be empty.
    pub topic: String,
    /// Whether members can't post.
    pub is_read_only: bool,
    /// Its place in the list.
    pub position: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A channel to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewChannel<'a> {
    /// Its name on the wire and for people.
    pub id: &'a str,
    /// `text`, `announcement` or `forum`.
    pub kind: &'a str,
    /// Whether members can't post.
    pub is_read_only: bool,
    /// Its place in the list.
    pub position: i64,
}

impl Database {
    /// All channels by position.
    pub fn channels(&self) -> Result<Vec<ChannelRow>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT key, id, name, type, topic, is_read_only, position, created_at FROM channel ORDER BY position, key",
        )?;
        let rows = statement.query_map([], channel_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl WriteStore {
    /// Makes a channel.
    pub fn insert_channel(&self, channel: NewChannel<'_>, created_at: Timestamp) -> Result<(), StorageError> {
        self.database.connection.execute(
            "INSERT INTO channel (id, name, type, is_read_only, position, created_at) VALUES (?1, ?1, ?2, ?3, ?4, ?5)",
            (channel.id, channel.kind, channel.is_read_only, channel.position, created_at.unix_ms()),
        )?;
        Ok(())
    }
}

fn channel_row(row: &Row<'_>) -> rusqlite::Result<ChannelRow> {
    Ok(ChannelRow {
        key: ChannelKey(row.get(0)?),
        id: row.get_ref(1)?.as_str()?.into(),
        name: row.get(2)?,
        kind: row.get(3)?,
        topic: row.get(4)?,
        is_read_only: row.get(5)?,
        position: row.get(6)?,
        created_at: Timestamp::from_unix_ms(row.get(7)?),
    })
}
