//! Writing: transactions, and the changes that they are made of.
//!
//! Applying a change is a function of the change and of what is stored, without clock or randomness: the same changes in
//! the same order give the same database.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::OptionalExtension as _;
use uuid::Uuid;

use super::batch::Batch;
use super::channel::ChannelKey;
use super::database::{Access, Database};
use super::error::StorageError;
use super::in_place::Files;
use super::lock::DatabaseLock;
use super::request::Sweep;
use crate::ids::{ChainIndex, MessageId, UserId};
use crate::staged_file::StagedFile;
use crate::time::Timestamp;

/// What a deleted message says.
pub const DELETED_CONTENT: &str = "[deleted]";

/// The small number of a message, in the order of storing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageKey(pub(super) i64);

/// A chain entry as it is stored; which message it is about, the change says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryRow {
    /// Its place in the chain.
    pub index: ChainIndex,
    /// When it was made.
    pub timestamp: Timestamp,
    /// The hash of the content from here on.
    pub content_hash: [u8; 32],
    /// The hash of the entry.
    pub hash: [u8; 32],
    /// The server's signature over that.
    pub signature: [u8; 64],
}

/// Something that happened, decided and ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new message, of the entry's time.
    Created {
        /// Its id.
        message_id: MessageId,
        /// Where.
        channel: ChannelKey,
        /// Who.
        user_id: UserId,
        /// What it says.
        content: String,
        /// The sender's own id for it.
        client_id: Option<Uuid>,
    },
    /// A new content, of the entry's time.
    Edited {
        /// Which message.
        message: MessageKey,
        /// What it says now.
        content: String,
    },
    /// A message deleted at the entry's time.
    Deleted {
        /// Which message.
        message: MessageKey,
    },
}

/// A message that somebody wants to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Which it is.
    pub key: MessageKey,
    /// Who wrote it.
    pub author: UserId,
    /// Where it stands.
    pub channel: ChannelKey,
    /// Whether it was deleted.
    pub is_deleted: bool,
    /// How many earlier versions it has.
    pub versions: u32,
}

/// A create that was stored before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The message that it made.
    pub message_id: MessageId,
    /// The entry of its creation.
    pub chain_index: ChainIndex,
}

/// The end of the chain as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredHead {
    /// The last entry's index.
    pub index: ChainIndex,
    /// Its hash.
    pub hash: [u8; 32],
    /// Its time.
    pub timestamp: Timestamp,
}

/// A connection that writes: the server's one, which has the [`DatabaseLock`], or that of a command which makes one small
/// change beside it.
pub struct WriteStore {
    pub(super) database: Database,
    /// Keys of people who wrote lately, so that most messages need no look-up. Emptied by a rollback.
    members: HashMap<UserId, i64>,
    /// The sweep through old creates.
    pub(super) sweep: Sweep,
    /// How many pages the write-ahead log had when it was last copied into the database file.
    pub(super) copied_pages: u64,
    /// How many commits there were since it was looked how long the write-ahead log is.
    pub(super) unlooked_commits: u32,
    /// The files that must keep their names, if the connection is the server's.
    pub(super) files: Option<Files>,
    /// Held until the connection is closed.
    lock: Option<DatabaseLock>,
}

impl WriteStore {
    /// Opens the database of the lock for writing, makes it if it is missing, and brings it up to date.
    pub fn open(lock: &DatabaseLock) -> Result<Self, StorageError> {
        let mut store = Self::of(Database::open_locked(lock)?)?;
        store.files = Some(Files::of(lock)?);
        store.lock = Some(lock.clone());
        Ok(store)
    }

    /// Makes a database of the empty file that is under way, which nobody else has.
    pub fn create_staged(staged: &StagedFile) -> Result<Self, StorageError> {
        Self::of(Database::open_staged(staged)?)
    }

    /// Opens the database at `path`, which must be there and up to date, for a small change beside whoever has its lock.
    pub fn beside(path: &Path) -> Result<Self, StorageError> {
        Self::of(Database::open(path, Access::ReadWrite)?)
    }

    /// Opens the database at `path` with its lock.
    #[cfg(test)]
    pub(crate) fn at(path: &Path) -> Self {
        Self::open(&DatabaseLock::take(path, "coms serve").expect("the lock")).expect("a database")
    }

    fn of(database: Database) -> Result<Self, StorageError> {
        let sweep = Sweep::resume(&database)?;
        let (copied_pages, unlooked_commits) = (0, 0);
        Ok(Self { database, members: HashMap::new(), sweep, copied_pages, unlooked_commits, files: None, lock: None })
    }

    /// The connection, for reading what is stored, changes of the open transaction included.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Begins a transaction.
    pub fn begin(&mut self) -> Result<(), StorageError> {
        self.execute("BEGIN IMMEDIATE")
    }

    /// Makes the transaction durable: when this returns `Ok`, it survives a power cut, and is in the file that has the
    /// database's name.
    pub fn commit(&mut self) -> Result<(), StorageError> {
        self.check_in_place()?;
        self.execute("COMMIT")
    }

    /// Drops the transaction, if one is open: SQLite has rolled back by itself after some errors.
    pub fn rollback(&mut self) -> Result<(), StorageError> {
        self.members.clear();
        if self.database.connection.is_autocommit() { Ok(()) } else { self.execute("ROLLBACK") }
    }

    /// The changes of the open transaction, or one that is a transaction of its own.
    pub fn batch(&mut self) -> Batch<'_> {
        Batch::new(&self.database, &mut self.members)
    }

    /// Stores a change with its entry.
    pub fn apply(&mut self, change: &Change, entry: &EntryRow) -> Result<(), StorageError> {
        self.batch().apply(change, entry)
    }

    fn execute(&self, sql: &str) -> Result<(), StorageError> {
        self.database.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

impl Database {
    /// The end of the chain; `None` as long as it is empty.
    pub fn head(&self) -> Result<Option<StoredHead>, StorageError> {
        let mut statement =
            self.connection.prepare_cached("SELECT idx, hash, timestamp FROM entry ORDER BY idx DESC LIMIT 1")?;
        let head = statement.query_row([], |row| {
            Ok(StoredHead {
                index: ChainIndex(row.get(0)?),
                hash: row.get(1)?,
                timestamp: Timestamp::from_unix_ms(row.get(2)?),
            })
        });
        Ok(head.optional()?)
    }

    /// The greatest UUIDv7 among the ids of messages, those of times that can't be left out. A database that was adopted
    /// can have ids that are no UUIDv7; they are looked at one by one until there is one.
    pub fn greatest_id(&self) -> Result<Option<MessageId>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id FROM message WHERE id < ?1 AND length(id) = 16 \
             AND substr(id, 7, 1) BETWEEN x'70' AND x'7f' AND substr(id, 9, 1) BETWEEN x'80' AND x'bf' \
             ORDER BY id DESC LIMIT 1",
        )?;
        let [_, _, after_the_last_time @ ..] = (Timestamp::MAX.unix_ms() + 1).to_be_bytes();
        let id = statement.query_row([after_the_last_time], |row| Ok(MessageId::from_bytes(row.get(0)?)));
        Ok(id.optional()?)
    }

    /// The message with this id, as far as it matters for changing it.
    pub fn target(&self, message_id: MessageId) -> Result<Option<Target>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT m.key, u.user_id, m.channel, m.deleted_at IS NOT NULL, \
             (SELECT count(*) FROM version v WHERE v.message = m.key) \
             FROM message m JOIN member u ON u.key = m.author WHERE m.id = ?1",
        )?;
        let target = statement.query_row([message_id.as_bytes()], |row| {
            Ok(Target {
                key: MessageKey(row.get(0)?),
                author: UserId::from_bytes(row.get(1)?),
                channel: ChannelKey(row.get(2)?),
                is_deleted: row.get(3)?,
                versions: row.get(4)?,
            })
        });
        Ok(target.optional()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::NewChannel;

    fn entry(index: u64) -> EntryRow {
        EntryRow {
            index: ChainIndex(index),
            timestamp: Timestamp::from_unix_ms(index),
            content_hash: [0; 32],
            hash: [0; 32],
            signature: [0; 64],
        }
    }

    /// A rollback takes back rows, and with them the small keys of people, which others get next.
    #[test]
    fn after_a_rollback_nothing_is_stored_under_the_key_of_somebody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.db");
        let mut store = WriteStore::at(&path);
        let general = NewChannel { id: "general", kind: "text", is_read_only: false, position: 0 };
        store.insert_channel(general, Timestamp::from_unix_ms(0)).expect("a channel");
        let channel = store.database().channels().expect("channels")[0].key;
        let [ada, ben] = [[1; 16], [2; 16]].map(UserId::from_bytes);
        let create = |number: u8, user_id| Change::Created {
            message_id: MessageId::from_bytes([number; 16]),
            channel,
            user_id,
            content: "hello".into(),
            client_id: None,
        };
        store.begin().expect("a transaction");
        store.apply(&create(0, ada), &entry(0)).expect("a message");
        store.rollback().expect("a rollback");
        for (number, user) in [(1, ben), (2, ada)] {
            store.begin().expect("a transaction");
            store.apply(&create(number, user), &entry(u64::from(number) - 1)).expect("a message");
            store.commit().expect("a commit");
        }
        for (number, user) in [(1, ben), (2, ada)] {
            let target = store.database().target(MessageId::from_bytes([number; 16])).expect("an answer");
            assert_eq!(target.expect("the message").author, user);
        }
    }
}
