//! A database with messages, written as the server writes it: signed and chained.

use std::path::Path;

use coms::ids::{ChainIndex, MessageId, ServerId, UserId};
use coms::logchain::{ContentHash, Entry, EntryHash, SigningKey};
use coms::storage::{Change, DELETED_CONTENT, Database, DatabaseLock, EntryRow, NewChannel, WriteStore};
use coms::time::Timestamp;

pub(crate) const SERVER_ID: &str = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e";

/// When its first entry was made: 2026-05-02T12:00:00Z. Each later one is a second later, unless the test sets the time.
const START_MS: u64 = 1_777_723_200_000;

/// A database with the channels `general` and `announcements`.
pub(crate) struct Corpus {
    store: WriteStore,
    key: SigningKey,
    head: (u64, EntryHash),
    in_batch: bool,
    /// The time that the test has set.
    time_ms: Option<u64>,
}

impl Corpus {
    pub(crate) fn create(path: &Path) -> Self {
        Self::create_for(path, SERVER_ID)
    }

    /// One of the server with this id.
    pub(crate) fn create_for(path: &Path, server_id: &str) -> Self {
        let mut store =
            WriteStore::open(&DatabaseLock::take(path, "coms serve").expect("the lock")).expect("a database");
        let server: ServerId = server_id.parse().expect("a UUID");
        let key = signing_key();
        let start = Timestamp::from_unix_ms(START_MS);
        store.claim(&server, &key.public(), start).expect("it is nobody's");
        for (id, kind, position) in [("general", "text", 0), ("announcements", "announcement", 1)] {
            let channel = NewChannel { id, kind, is_read_only: position == 1, position };
            store.insert_channel(channel, start).expect("a channel");
        }
        Self { store, key, head: (0, EntryHash::ZERO), in_batch: false, time_ms: None }
    }

    /// Posts as the user whose id is `author` sixteen times over.
    pub(crate) fn post(&mut self, channel: &str, author: u8, content: &str) -> MessageId {
        let channels = self.store.database().channels().expect("the channels");
        let channel = channels.iter().find(|row| row.id.as_str() == channel).expect("the channel").key;
        let id_ms = self.time_ms.unwrap_or(START_MS);
        let message_id = MessageId::from_bytes((u128::from(id_ms) << 80 | u128::from(self.head.0)).to_be_bytes());
        let user_id = UserId::from_bytes([author; 16]);
        let content_hash = ContentHash::of(content);
        let change = Change::Created { message_id, channel, user_id, content: content.to_owned(), client_id: None };
        self.apply(&change, message_id, content_hash);
        message_id
    }

    /// Posts `count` messages in one transaction.
    pub(crate) fn batch(&mut self, channel: &str, count: u64) {
        self.together(|corpus| {
            for number in 0..count {
                corpus.post(channel, 0xdd, &format!("message {number}"));
            }
        });
    }

    /// Does everything in one transaction.
    pub(crate) fn together(&mut self, work: impl FnOnce(&mut Self)) {
        self.store.begin().expect("a transaction");
        self.in_batch = true;
        work(self);
        self.in_batch = false;
        self.store.commit().expect("committed");
    }

    /// What is written from now on is of this time, which is also in the messages' ids.
    pub(crate) fn set_time(&mut self, ms: u64) {
        self.time_ms = Some(ms);
    }

    /// The database, for reading.
    pub(crate) fn database(&self) -> &Database {
        self.store.database()
    }

    pub(crate) fn edit(&mut self, message_id: MessageId, content: &str) {
        let message = self.store.database().target(message_id).expect("a look").expect("the message").key;
        let change = Change::Edited { message, content: content.to_owned() };
        self.apply(&change, message_id, ContentHash::of(content));
    }

    pub(crate) fn delete(&mut self, message_id: MessageId) {
        let message = self.store.database().target(message_id).expect("a look").expect("the message").key;
        self.apply(&Change::Deleted { message }, message_id, ContentHash::of(DELETED_CONTENT));
    }

    fn apply(&mut self, change: &Change, message_id: MessageId, content_hash: ContentHash) {
        let (index, before) = self.head;
        let time = Timestamp::from_unix_ms(self.time_ms.unwrap_or(START_MS + index * 1000));
        let entry = Entry::sign(&self.key, ChainIndex(index), message_id, time, before, content_hash);
        let row = EntryRow {
            index: entry.index,
            timestamp: entry.timestamp,
            content_hash: entry.content_hash.0,
            hash: entry.hash.0,
            signature: entry.signature.0,
        };
        if self.in_batch {
            self.store.apply(change, &row).expect("stored");
        } else {
            self.store.begin().expect("a transaction");
            self.store.apply(change, &row).expect("stored");
            self.store.commit().expect("committed");
        }
        self.head = (index + 1, entry.hash);
    }
}

/// The key of every such database.
pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}
