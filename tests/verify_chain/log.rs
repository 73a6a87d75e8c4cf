//! A log made for the tests: a database of a few hundred entries with edits and deletions, signed with a known key.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use coms::channels::audit::{AuditWatch, DatabaseAudit, Findings};
use coms::channels::export_format::{
    EXPORT_VERSION, ExportChannel, ExportFooter, ExportHeader, ExportLine, ExportMessage, write_entry,
};
use coms::ids::{ChainIndex, ChannelId, MessageId, ServerId, UserId};
use coms::logchain::{BreakKind, ContentHash, Entry, EntryHash, Head, SigningKey, VerifyOptions};
use coms::storage::{Change, DatabaseLock, EntryRow, MessageKey, NewChannel, WriteStore};
use coms::time::Timestamp;
use rusqlite::Connection;

use crate::support::program::Home;

pub(crate) const SERVER_ID: &str = "ca0f4d71-1d90-4fb3-9a8e-1cde09a6d95e";
const START_MS: u64 = 1_795_477_188_631;

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(&[42; 32])
}

/// What happens to messages in the making of a log.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Create(String),
    /// The message with this number, from 0, in the order of creation.
    Edit(usize, String),
    Delete(usize),
}

/// `count` steps: of each ten, seven creates, two edits, one deletion.
pub(crate) fn steps(count: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut created = 0;
    for number in 0..count {
        match number % 10 {
            4 => steps.push(Step::Edit(created - 2, format!("second thoughts {number}"))),
            // The same message again, so that there are histories of two.
            7 if number % 20 == 7 => steps.push(Step::Edit(created - 4, format!("third thoughts {number}"))),
            7 => steps.push(Step::Edit(created - 1, format!("other thoughts {number}"))),
            9 => steps.push(Step::Delete(created - 1)),
            _ => {
                steps.push(Step::Create(format!("hello from message {number}, which has some words")));
                created += 1;
            }
        }
    }
    steps
}

fn message_id(number: usize) -> MessageId {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&(number as u64).to_be_bytes());
    MessageId::from_bytes(id)
}

fn author() -> UserId {
    UserId::from_bytes([9; 16])
}

/// Writes a database of `steps` to `path`; its entries.
pub(crate) fn write_log(path: &Path, steps: &[Step]) -> Vec<Entry> {
    write_log_of(path, steps, &key())
}

pub(crate) fn write_log_of(path: &Path, steps: &[Step], key: &SigningKey) -> Vec<Entry> {
    let server: ServerId = SERVER_ID.parse().expect("a UUID");
    let mut store = WriteStore::open(&DatabaseLock::take(path, "coms serve").expect("the lock")).expect("a database");
    store.claim(&server, &key.public(), Timestamp::from_unix_ms(START_MS)).expect("it is nobody's");
    let channel = found_channel(&store);
    let mut entries: Vec<Entry> = Vec::new();
    let mut keys: Vec<(MessageKey, MessageId)> = Vec::new();
    store.begin().expect("a transaction");
    for step in steps {
        let index = entries.len() as u64;
        let id = match step {
            Step::Create(_) => message_id(keys.len()),
            Step::Edit(number, _) | Step::Delete(number) => keys[*number].1,
        };
        let content = match step {
            Step::Create(content) | Step::Edit(_, content) => content,
            Step::Delete(_) => "[deleted]",
        };
        let time = Timestamp::from_unix_ms(START_MS + index * 7);
        let prev = entries.last().map_or(EntryHash::ZERO, |last| last.hash);
        let entry = Entry::sign(key, ChainIndex(index), id, time, prev, ContentHash::of(content));
        let change = match step {
            Step::Create(content) => Change::Created {
                message_id: id,
                channel,
                user_id: author(),
                content: content.clone(),
                client_id: None,
            },
            Step::Edit(number, content) => Change::Edited { message: keys[*number].0, content: content.clone() },
            Step::Delete(number) => Change::Deleted { message: keys[*number].0 },
        };
        let row = EntryRow {
            index: entry.index,
            timestamp: time,
            content_hash: entry.content_hash.0,
            hash: entry.hash.0,
            signature: entry.signature.0,
        };
        store.apply(&change, &row).expect("a change");
        if matches!(step, Step::Create(_)) {
            keys.push((store.database().target(id).expect("a look-up").expect("a message").key, id));
        }
        entries.push(entry);
    }
    store.commit().expect("committed");
    store.empty_log().expect("a checkpoint");
    entries
}

fn found_channel(store: &WriteStore) -> coms::storage::ChannelKey {
    let channel = NewChannel { id: "general", kind: "text", is_read_only: false, position: 0 };
    store.insert_channel(channel, Timestamp::from_unix_ms(START_MS)).expect("a channel");
    store.database().channels().expect("channels").first().expect("a channel").key
}

/// A log in a database in a directory of its own.
pub(crate) struct Log {
    pub(crate) home: Home,
    pub(crate) entries: Vec<Entry>,
}

impl Log {
    pub(crate) fn new(count: usize) -> Self {
        let home = Home::new();
        let entries = write_log(&home.join("log.db"), &steps(count));
        Self { home, entries }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.home.join("log.db")
    }

    /// Verifies a copy that `tamper` has worked on.
    pub(crate) fn tampered(&self, sql: &str) -> Findings {
        let path = self.home.join("tampered.db");
        std::fs::copy(self.path(), &path).expect("a copy");
        tamper(&path, sql);
        audit(&path)
    }
}

/// Works on a database as someone does who is not coms.
#[expect(clippy::disallowed_methods, reason = "not through `storage`, which would not do this")]
pub(crate) fn tamper(path: &Path, sql: &str) {
    let connection = Connection::open(path).expect("a database");
    connection.pragma_update(None, "foreign_keys", false).expect("a pragma");
    connection.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(())).expect("a pragma");
    connection.execute_batch(sql).expect("the SQL");
}

/// What verification finds in the database at `path`.
pub(crate) fn audit(path: &Path) -> Findings {
    let audit = DatabaseAudit::open(path).expect("a database");
    audit.run(VerifyOptions::new(key().public()), &AuditWatch::default()).expect("findings")
}

#[track_caller]
pub(crate) fn assert_found(findings: &Findings, index: u64, kind: BreakKind, what: &str) {
    let listed = findings.verified.breaks.listed();
    let found = listed.iter().any(|fault| fault.index == Some(ChainIndex(index)) && fault.kind == kind);
    assert!(found, "{what}: no {kind:?} at {index}: {listed:#?}");
}

/// The export of `steps`, as `coms export` writes it.
pub(crate) fn export(steps: &[Step], entries: &[Entry]) -> String {
    let messages = export_messages(steps, entries);
    let server: ServerId = SERVER_ID.parse().expect("a UUID");
    let head = Head { length: entries.len() as u64, hash: entries.last().map_or(EntryHash::ZERO, |last| last.hash) };
    let mut out = Vec::new();
    let header = ExportHeader {
        format: EXPORT_VERSION,
        server_id: Some(SERVER_ID.to_owned()),
        public_key: Some(key().public().to_string()),
        head: Some(head.sign(&key(), &server, Timestamp::from_unix_ms(START_MS))),
        chain_length: head.length,
        adopted_length: None,
        filter: None,
    };
    ExportLine::Header(header).write(&mut out).expect("memory");
    let channel = ExportChannel {
        id: ChannelId::from("general"),
        name: "general".to_owned(),
        channel_type: "text".to_owned(),
        topic: String::new(),
        is_read_only: false,
        position: 0,
        created_at: Timestamp::from_unix_ms(START_MS).to_string(),
    };
    ExportLine::Channel(channel).write(&mut out).expect("memory");
    for entry in entries {
        if let Some(message) = messages.iter().find(|message| message.first_entry() == entry.index) {
            ExportLine::Message(message.clone()).write(&mut out).expect("memory");
        }
        write_entry(entry, &mut out);
    }
    let footer = ExportFooter { channels: 1, messages: messages.len() as u64, entries: head.length };
    ExportLine::Footer(footer).write(&mut out).expect("memory");
    String::from_utf8(out).expect("text")
}

fn export_messages(steps: &[Step], entries: &[Entry]) -> Vec<ExportMessage> {
    let mut messages: Vec<ExportMessage> = Vec::new();
    for (step, entry) in steps.iter().zip(entries) {
        match step {
            Step::Create(content) => messages.push(ExportMessage {
                id: entry.message_id,
                channel_id: ChannelId::from("general"),
                user_id: author(),
                content: content.clone(),
                metadata: "{}".to_owned(),
                edit_history: Vec::new(),
                edit_history_entries: Vec::new(),
                deleted_at: None,
                created_at: entry.timestamp.to_string(),
                updated_at: entry.timestamp.to_string(),
                chain_index: entry.index,
                chain_hash: BASE64.encode(entry.hash.0),
                entry: None,
                latest_chain_index: None,
            }),
            Step::Edit(number, content) => {
                let message = &mut messages[*number];
                message.edit_history_entries.push(Some(message.latest_entry()));
                message.edit_history.push(std::mem::replace(&mut message.content, content.clone()));
                message.updated_at = entry.timestamp.to_string();
                message.latest_chain_index = Some(entry.index);
            }
            Step::Delete(number) => {
                let message = &mut messages[*number];
                (message.edit_history, message.edit_history_entries) = (Vec::new(), Vec::new());
                "[deleted]".clone_into(&mut message.content);
                message.updated_at = entry.timestamp.to_string();
                message.deleted_at = Some(entry.timestamp.to_string());
                message.latest_chain_index = Some(entry.index);
            }
        }
    }
    messages
}
